//! Code of 64-bit ARM, in qemu: every row and random programs against the interpreter; objects of all shipped ops.
//!
//! A program of its own runs kernel after kernel and writes what they leave in memory. Where qemu (Debian: qemu-user) or
//! a linker is missing, this says so and is done.

use super::{emitted, lower, shipped};
use kgen_codegen::cpu::llvm::targets::CHIPS;
use kgen_ir::{
    machine::{print::MNEMONICS, *},
    target::Target,
};
use kgen_runtime::driver::llvm::{System, object};
use kgen_tests::machine_programs::*;
use std::{
    fmt::Write,
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Chips and a CPU that has what they need and not much more.
const CPUS: &[(&str, &str)] = &[
    ("aarch64/llvm", "cortex-a72"),
    ("aarch64-dot/llvm", "neoverse-n1"),
    ("aarch64-i8mm/llvm", "max"),
];

fn targets() -> impl Iterator<Item = (&'static Target, &'static str)> {
    CPUS.iter().map(|(name, cpu)| {
        let chip = CHIPS.iter().find(|c| c.target.name == *name).expect("a chip");
        (&chip.target, *cpu)
    })
}

/// Rust's own linker, which is of every system.
fn linker() -> Option<PathBuf> {
    let root = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let root = PathBuf::from(String::from_utf8(root.stdout).ok()?.trim()).join("lib/rustlib");
    let hosts = fs::read_dir(root).ok()?.filter_map(Result::ok);
    hosts.map(|h| h.path().join("bin/rust-lld")).find(|p| p.exists())
}

/// Kernels and the memory of each, as one program.
fn program_of(jobs: &[(Kernel, Vec<Vec<u8>>)]) -> String {
    let mut data = "target triple = \"aarch64-unknown-linux-gnu\"\n".to_owned();
    let mut code = "define void @_start(ptr %a, i64 %b) {\n".to_owned();
    let call = "asm sideeffect \"svc #0\", \"={x0},{x8},{x0},{x1},{x2},~{memory}\"";
    for (i, (kernel, regions)) in jobs.iter().enumerate() {
        let list: Vec<_> = (0..regions.len()).map(|r| format!("ptr @m{i}_{r}")).collect();
        let (slots, count) = (list.join(", "), list.len());
        let _ = writeln!(data, "@args{i} = global [{count} x ptr] [{slots}], align 8");
        let _ = writeln!(data, "declare void @{}(ptr, i64)", kernel.name);
        let _ = writeln!(code, "  call void @{}(ptr @args{i}, i64 0)", kernel.name);
        for (r, bytes) in regions.iter().enumerate() {
            let len = bytes.len();
            let value = if bytes.iter().all(|b| *b == 0) {
                "zeroinitializer".to_owned()
            } else {
                let text: String = bytes.iter().map(|b| format!("\\{b:02X}")).collect();
                format!("c\"{text}\"")
            };
            let _ = writeln!(data, "@m{i}_{r} = global [{len} x i8] {value}, align 64");
            let _ = writeln!(
                code,
                "  %w{i}_{r} = call i64 {call}(i64 64, i64 1, ptr @m{i}_{r}, i64 {len})"
            );
        }
    }
    let _ = writeln!(code, "  %end = call i64 {call}(i64 93, i64 0, ptr null, i64 0)");
    data + &code + "  ret void\n}\n"
}

/// What the memory of each job holds afterwards; `None` where it cannot be run.
fn run(jobs: &[(Kernel, Vec<Vec<u8>>)], target: &Target, cpu: &str) -> Option<Vec<Vec<Vec<u8>>>> {
    let Some(linker) = linker() else {
        println!("SKIPPED: rust-lld is not installed");
        return None;
    };
    let mut texts = vec![program_of(jobs)];
    texts.extend(jobs.iter().map(|(kernel, _)| emitted(kernel, target)));
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let bytes = object(&texts, "", System::Named).unwrap_or_else(|e| panic!("{e}"));
    // Tests run side by side in one process.
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let name = format!("kgen-arm-{}-{run}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).expect("a folder");
    let (from, program) = (dir.join("a.o"), dir.join("a"));
    fs::write(&from, bytes).expect("a file");
    let linked = Command::new(linker)
        .args(["-flavor", "gnu", "-static", "-o"])
        .args([&program, &from])
        .output()
        .expect("the linker starts");
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
    let ran = Command::new("qemu-aarch64").args(["-cpu", cpu]).arg(&program).output();
    let _ = fs::remove_dir_all(&dir);
    let Ok(ran) = ran else {
        println!("SKIPPED: qemu-aarch64 is not installed (Debian: apt-get install qemu-user)");
        return None;
    };
    assert!(ran.status.success(), "{}: {:?}", target.name, ran.status);
    let mut left = ran.stdout.as_slice();
    let mut take = |len: usize| {
        let (now, rest) = left.split_at(len);
        left = rest;
        now.to_vec()
    };
    Some(jobs.iter().map(|(_, r)| r.iter().map(|r| take(r.len())).collect()).collect())
}

#[test]
fn every_row_does_what_it_means_in_qemu() {
    let inputs = operands(7);
    for (target, cpu) in targets() {
        let mut asked = Vec::new();
        for (_, op) in MNEMONICS {
            let signature = op.signature();
            let approximate =
                matches!(op, Op::FloatUnary(op) if FloatUnary::APPROXIMATE.contains(op));
            // Permutations of bytes are made of shuffles.
            let lacks = optional(op) && target.row(op).is_none() && *op != Op::PermuteBytes;
            if signature.mem || approximate || lacks {
                continue;
            }
            for def in signature.def.iter().filter(|d| **d != Class::Int) {
                let mut k = over_arrays(op, *def, inputs[0].len(), target.lanes);
                let mut regions: Vec<Vec<u8>> = inputs.iter().map(|w| bytes(w)).collect();
                regions.push(vec![0; regions[0].len()]);
                let wanted = words(&interpreted(&k, &regions)[3]);
                k.name = format!("k{}", asked.len());
                asked.push((op, *def, wanted, (lower(&k, target), regions)));
            }
        }
        let jobs: Vec<_> = asked.iter().map(|a| a.3.clone()).collect();
        let Some(got) = run(&jobs, target, cpu) else { return };
        for ((op, def, wanted, _), got) in asked.iter().zip(got) {
            for (i, (x, e)) in words(&got[3]).iter().zip(wanted).enumerate() {
                let from = inputs.iter().map(|v| v[i]).collect::<Vec<_>>();
                let nan = is_nan(op, *def, *x) && is_nan(op, *def, *e);
                let name = target.name;
                assert!(x == e || nan, "{name}: {op} {from:x?}: {x:#x}, expected {e:#x}");
            }
        }
    }
}

#[test]
fn random_programs_do_what_they_mean_in_qemu() {
    for (target, cpu) in targets() {
        let mut jobs = Vec::new();
        let mut wanted = Vec::new();
        for seed in 0..40 {
            let mut k = kernel(&program(seed, target.lanes, 40 * (seed as usize % 2)));
            let regions = regions(seed);
            wanted.push(interpreted(&k, &regions));
            k.name = format!("k{seed}");
            jobs.push((lower(&k, target), regions.to_vec()));
        }
        let Some(got) = run(&jobs, target, cpu) else { return };
        for (seed, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            assert!(got == wanted, "{}: seed {seed}\n{}", target.name, jobs[seed].0);
        }
    }
}

#[test]
fn shipped_ops_become_objects() {
    let mut made = 0;
    for (target, _) in targets() {
        for op in shipped() {
            let schedule = kgen::Schedule::default_for(target);
            let Ok(compiled) = kgen::compile::compile(&op, target, &schedule) else { continue };
            let bytes = kgen::compile::object(&compiled.artifact).unwrap_or_else(|e| panic!("{e}"));
            assert!(bytes.starts_with(b"\x7fELF"), "{} for {}", op.name, target.name);
            made += 1;
        }
    }
    assert!(made > 45, "{made} objects");
}
