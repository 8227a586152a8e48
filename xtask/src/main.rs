//! The project's chores.
//!
//! ```text
//! cargo xtask must-show spine [--full]    every promise of the first version: kept or not
//! cargo xtask lines                       lines of code per crate, and the longest file
//! cargo xtask fuzz [READER] [--inputs N]  damaged files for each reader, a million unless said
//! ```

mod fuzz;
mod lines;
mod spine;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str =
    "usage: cargo xtask must-show spine [--full] | lines | fuzz [READER] [--inputs N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["must-show", "spine"] => spine::show(&root(), false),
        ["must-show", "spine", "--full"] => spine::show(&root(), true),
        ["lines"] => match lines::count(&root()) {
            Ok(count) => {
                print!("{count}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        ["fuzz"] => fuzz::run(&root(), None, "1000000"),
        ["fuzz", "--inputs", inputs] => fuzz::run(&root(), None, inputs),
        ["fuzz", reader] => fuzz::run(&root(), Some(reader), "1000000"),
        ["fuzz", reader, "--inputs", inputs] => fuzz::run(&root(), Some(reader), inputs),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
