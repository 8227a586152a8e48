//! Memory at pages that nothing may touch: the shipped ops run in it, and a kernel that leaves its tensors ends the
//! process, reads as well as writes.
#![cfg(unix)]

use kgen::{
    compile::{self, Accesses},
    device::Cpu,
    verify,
};
use kgen_ir::machine::Kernel;
use kgen_passes::Schedule;
use kgen_runtime::{buffer::Guard, module::Module};
use kgen_tests::{
    corpus::WORKERS,
    planted::{one_key_more, planted, question, wrong_stride},
};
use std::{os::unix::process::ExitStatusExt, path::Path, process::Command};

fn cpu() -> Cpu {
    let mut cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    cpu.guard = Guard::Fences;
    cpu
}

#[test]
fn shipped_ops_run_between_fences() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut passed = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let Ok(op) = compile::read(&file.unwrap().path()) else { continue };
        let options = verify::Options { cases: 1, seed: 5 };
        for seed in 0..4 {
            let summary = verify::verify(&op, &cpu(), &verify::Options { seed, ..options });
            let failed: Vec<_> = summary.failed.iter().map(ToString::to_string).collect();
            assert!(failed.is_empty(), "{failed:?}");
            passed += summary.passed;
        }
    }
    assert!(passed >= 50, "only {passed} cases ran");
}

/// Whether the ignored test of that name was ended by a fault of memory, as it must be.
fn faults(test: &str) {
    let program = std::env::current_exe().unwrap();
    let child = Command::new(program).args(["--exact", test, "--ignored"]).output().unwrap();
    // SIGBUS is 7 or 10, SIGSEGV 11.
    let signal = child.status.signal();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(matches!(signal, Some(7 | 10 | 11)), "{test}: {:?} {said}", child.status);
}

#[test]
fn a_kernel_that_leaves_its_tensors_ends_the_process() {
    faults("leaves_by_a_wrong_stride");
    faults("leaves_by_one_key");
}

/// Without checks, with both parities of sizes: a tensor stands at either fence in one of them.
fn run_planted(mistake: &dyn Fn(&mut Kernel)) {
    let cpu = cpu();
    for b in [1, 2] {
        let (op, dims, inputs) = question(b);
        let compiled = compile::compile(&op, cpu.target, &Schedule::default_for(cpu.target));
        let compiled = compiled.unwrap_or_else(|e| panic!("{e}"));
        let artifact = planted(&compiled, cpu.target, Accesses::Trusted, mistake);
        let module = Module::open(&artifact).unwrap_or_else(|e| panic!("{e}"));
        let _ = cpu.run(&module, &dims, &inputs);
    }
}

#[test]
fn without_a_mistake_it_does_not() {
    run_planted(&|_| {});
}

#[test]
#[ignore = "the child of a_kernel_that_leaves_its_tensors_ends_the_process"]
fn leaves_by_a_wrong_stride() {
    run_planted(&wrong_stride);
}

#[test]
#[ignore = "the child of a_kernel_that_leaves_its_tensors_ends_the_process"]
fn leaves_by_one_key() {
    run_planted(&one_key_more);
}
