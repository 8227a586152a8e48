//! Long runs of `tests/tests/fuzz.rs`: optimised, with overflow checked.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// `inputs` damaged files for one reader, or for each.
pub fn run(root: &Path, reader: Option<&str>, inputs: &str) -> ExitCode {
    if inputs.parse::<u64>().is_err() {
        eprintln!("error: `{inputs}` is no number of inputs");
        return ExitCode::from(2);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .env("KGEN_FUZZ", inputs)
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .args(["test", "--release", "--package", "kgen-tests", "--test", "fuzz", "--"])
        .arg("--nocapture");
    if let Some(reader) = reader {
        command.args(["--exact", reader]);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
