//! `cargo xtask llvm`: what the backend of LLVM promises, where LLVM 19 is installed: the rows, the bits of machine code,
//! the time of the JIT. `cargo xtask llvm turns`: its kernels beside machine code, in turns.

use crate::must_show::cargo;
use std::{
    path::Path,
    process::{Command, ExitCode},
};

const COMMANDS: &[&str] = &[
    "test --release -q -p kgen-tests --features llvm --test llvm -- --nocapture",
    "bench -q -p kgen-benches --features llvm --bench jit",
];

/// Products and attention, held back by memory and by multipliers.
const TURNS: &[&str] = &[
    "bench -q -p kgen-benches --features llvm --bench rivals -- --beside llvm q4_0 q6_k head-major prompt",
];

/// All of it, or `turns` alone.
pub fn show(root: &Path, turns: bool) -> ExitCode {
    let commands = if turns { TURNS } else { COMMANDS };
    let found = Command::new("llvm-config-19").arg("--version").output().is_ok();
    if !found && std::env::var_os("LLVM_SYS_191_PREFIX").is_none() {
        println!("SKIPPED: no LLVM 19 here: on Debian, `apt-get install llvm-19-dev qemu-user`");
        return ExitCode::SUCCESS;
    }
    let failed = |code: &ExitCode| *code != ExitCode::SUCCESS;
    // The first that fails decides.
    let first = commands.iter().map(|words| cargo(root, words)).find(failed);
    first.unwrap_or(ExitCode::SUCCESS)
}
