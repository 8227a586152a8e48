//! What only a GPU can tell, by `benches/hardware.py` on the release build: known answers and mistakes beside the simulator,
//! times beside rivals, counters.
//!
//! ```text
//! cargo xtask hardware                       all three, one after the other
//! cargo xtask hardware check --dry-run       without a GPU: what of it needs none, and the commands of the rest
//! ```
//!
//! A machine that has the GPU but not the sources takes three commands with a carried `kgen`, each of at most ten minutes:
//! `python3 benches/hardware.py check --kgen ./kgen --out evidence`, then `time`, then `profile`.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

const PARTS: &[&str] = &["check", "time", "profile"];

/// The exit code of the script when there is no GPU.
const NO_GPU: i32 = 4;

pub fn show(root: &Path, words: &[&str]) -> ExitCode {
    let Some((parts, dry)) = asked(words) else {
        eprintln!("usage: cargo xtask hardware [check|time|profile] [--dry-run]");
        return ExitCode::from(2);
    };
    match run(root, &parts, dry) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The parts, and whether no device is to be asked.
fn asked<'a>(words: &[&'a str]) -> Option<(Vec<&'a str>, bool)> {
    let dry = words.contains(&"--dry-run");
    let named: Vec<&str> = words.iter().copied().filter(|w| *w != "--dry-run").collect();
    if !named.iter().all(|w| PARTS.contains(w)) {
        return None;
    }
    Some((if named.is_empty() { PARTS.to_vec() } else { named }, dry))
}

fn run(root: &Path, parts: &[&str], dry: bool) -> Result<ExitCode, String> {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let words = [
        "build",
        "--release",
        "-q",
        "-p",
        "kgen-compiler",
        "--bin",
        "kgen",
        "--message-format",
        "json",
    ];
    let built = Command::new(cargo).args(words).current_dir(root).output();
    let built = String::from_utf8(built.map_err(|e| e.to_string())?.stdout);
    let kgen = crate::costs::executable(&built.map_err(|e| e.to_string())?)
        .ok_or("cargo built no binary")?;
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let out = root.join("target/hardware");
    for part in parts {
        let mut command = Command::new(&python);
        command.arg(root.join("benches/hardware.py")).arg(part).arg("--kgen").arg(&kgen);
        command.arg("--out").arg(&out).args(dry.then_some("--dry-run"));
        let ran = command.output().map_err(|e| format!("{python}: {e}"))?;
        let said = String::from_utf8_lossy(&ran.stderr);
        print!("{}", String::from_utf8_lossy(&ran.stdout));
        match ran.status.code() {
            Some(0) => {}
            Some(NO_GPU) => {
                println!("SKIPPED: {}", said.trim());
                return Ok(ExitCode::SUCCESS);
            }
            code => {
                eprint!("{said}");
                return Err(format!("{part}: exit {code:?}"));
            }
        }
    }
    println!("answers are in {}", out.display());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parts() {
        assert_eq!(asked(&[]), Some((PARTS.to_vec(), false)));
        assert_eq!(asked(&["check", "--dry-run"]), Some((vec!["check"], true)));
        assert_eq!(asked(&["chekc"]), None);
    }

    /// The script on the machine at hand: what it is told wrong, and that there is no GPU.
    #[test]
    fn the_script_checks_its_arguments() {
        let script = crate::root().join("benches/hardware.py");
        let run = |words: &[&str]| {
            let ran = Command::new("python3").arg(&script).args(words).output().ok()?;
            let said = [ran.stdout, ran.stderr].concat();
            Some((ran.status.code(), String::from_utf8_lossy(&said).into_owned()))
        };
        let Some((code, said)) = run(&["check", "--kgen", "no-such-file", "--out", "x"]) else {
            println!("skipped: no python3");
            return;
        };
        assert!(code == Some(2) && said.contains("--kgen no-such-file: no such file"), "{said}");
        let (code, said) = run(&["all"]).unwrap_or_default();
        assert!(code == Some(2) && said.contains("invalid choice"), "{said}");
        let (code, said) = run(&["--help"]).unwrap_or_default();
        assert!(code == Some(0) && said.contains("at most ten minutes"), "{said}");
        let folder = std::env::temp_dir().join(format!("kgen-hardware-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // A program that knows no GPU.
        let (kgen, out) = ("/bin/true", folder.display().to_string());
        if Path::new(kgen).exists() {
            let (code, said) = run(&["time", "--kgen", kgen, "--out", &out]).unwrap_or_default();
            assert_eq!(code, Some(NO_GPU), "{said}");
            assert!(said.starts_with("no GPU at hand: "), "{said}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
