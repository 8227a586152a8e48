//! `cargo xtask rivals`: builds what others have, then runs them beside ours.
//!
//! What cannot be built or installed is told and left out of the run.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// Programs of their own, not of the workspace.
const PROGRAMS: [&str; 3] = ["ggml", "candle", "rten"];
/// Libraries for Python; PyTorch takes gigabytes, so only `--torch` asks for it.
const PACKAGES: [&str; 4] = ["numpy", "onnx", "onnxruntime", "openvino"];

/// `words` go to the bench; see `benches/benches/rivals.rs`.
pub fn show(root: &Path, words: &[&str]) -> ExitCode {
    let (torch, words): (Vec<&str>, Vec<&str>) = words.iter().partition(|w| **w == "--torch");
    if !words.contains(&"--alone") {
        PROGRAMS.iter().for_each(|name| build(root, name));
    }
    let mut bench = Command::new("cargo");
    bench
        .current_dir(root)
        .args(["bench", "-q", "-p", "kgen-benches", "--bench", "rivals", "--"])
        .args(&words);
    if std::env::var_os("KGEN_PYTHON").is_none() && !words.contains(&"--alone") {
        match environment(root, !torch.is_empty()) {
            Ok(python) => {
                bench.env("KGEN_PYTHON", python);
            }
            Err(reason) => eprintln!("no Python libraries: {reason}"),
        }
    }
    match bench.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(root: &Path, name: &str) {
    if std::env::var_os(format!("KGEN_{}", name.to_uppercase())).is_some() {
        return;
    }
    let folder = root.join("benches/rivals").join(name);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&folder).args(["build", "--release", "--quiet"]);
    // Rivals are compiled for this CPU, where the bench looks for them.
    cargo.env("RUSTFLAGS", "-C target-cpu=native").env("CARGO_TARGET_DIR", folder.join("target"));
    let built = cargo.status().is_ok_and(|s| s.success());
    if !built {
        eprintln!(
            "{name} cannot be built (ggml needs cmake, a C++ compiler and libclang): it is left out"
        );
    }
}

/// The Python of an environment that has the libraries, made once.
fn environment(root: &Path, torch: bool) -> Result<PathBuf, String> {
    let folder = root.join("target/rivals-venv");
    let python = folder.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{} {}: {status}", program.display(), arguments.join(" "))),
            Err(error) => Err(format!("{}: {error}", program.display())),
        }
    };
    if !python.exists() {
        run(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()])?;
    }
    let mut install = vec!["-m", "pip", "install", "--quiet"];
    install.extend(PACKAGES);
    install.extend(torch.then_some("torch"));
    run(&python, &install)?;
    Ok(python)
}
