//! `cargo xtask llvm`: what the backend of LLVM promises, where LLVM 19 is installed: the rows, the bits of machine code,
//! the time of the JIT.

use crate::must_show::cargo;
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// As the first says; else both.
const COMMANDS: [&str; 2] = [
    "test --release -q -p kgen-tests --features llvm --test llvm -- --nocapture",
    "bench -q -p kgen-benches --features llvm --bench jit",
];

pub fn show(root: &Path) -> ExitCode {
    let found = Command::new("llvm-config-19").arg("--version").output().is_ok();
    if !found && std::env::var_os("LLVM_SYS_191_PREFIX").is_none() {
        println!("SKIPPED: no LLVM 19 here: on Debian, `apt-get install llvm-19-dev qemu-user`");
        return ExitCode::SUCCESS;
    }
    let failed = |code: &ExitCode| *code != ExitCode::SUCCESS;
    let first = COMMANDS.iter().map(|words| cargo(root, words)).find(failed);
    first.unwrap_or(ExitCode::SUCCESS)
}
