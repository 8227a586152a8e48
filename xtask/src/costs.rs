//! What the compiler itself costs its user: size of the binary, time of a `kgen compile`, time of the JIT.
//!
//! ```text
//! kgen: 9.1 MB stripped (aim 15)
//! kgen compile ops/flash_decode.toml: 29 ms (aim 50)
//! ```

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

const REPS: usize = 9;
const OPS: &[&str] = &["ops/flash_decode.toml", "ops/w4a8_gemv.toml"];

/// Prints the costs; aims stand beside them, and a miss is no failure.
pub fn show(root: &Path) -> ExitCode {
    match measure(root) {
        Ok(()) => crate::must_show::cargo(root, "bench -q -p kgen-benches --bench jit"),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(root: &Path) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let words = ["build", "--release", "-q", "-p", "kgen-compiler", "--message-format", "json"];
    let mut command = Command::new(cargo);
    let built = command.args(words).current_dir(root).stderr(Stdio::inherit()).output();
    let built = String::from_utf8(built.map_err(|e| e.to_string())?.stdout);
    let kgen = executable(&built.map_err(|e| e.to_string())?).ok_or("cargo built no binary")?;
    let size = std::fs::metadata(&kgen).map_err(|e| e.to_string())?.len() as f64 / 1e6;
    println!("kgen: {size:.1} MB stripped (aim 15)");
    let folder = root.join("target/costs");
    for op in OPS {
        let mut times = Vec::new();
        for _ in 0..REPS {
            let start = Instant::now();
            let mut command = Command::new(&kgen);
            command.args(["--no-cache", "compile", op, "--target", "host", "-o"]).arg(&folder);
            let ran = command.current_dir(root).output().map_err(|e| e.to_string())?;
            if !ran.status.success() {
                return Err(String::from_utf8_lossy(&ran.stderr).into_owned());
            }
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        println!("kgen compile {op}: {:.0} ms (aim 50)", times[REPS / 2] * 1e3);
    }
    Ok(())
}

/// The path of the binary in cargo's messages.
pub fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter(|m| m["target"]["name"] == "kgen")
        .find_map(|m| m["executable"].as_str().map(PathBuf::from))
}
