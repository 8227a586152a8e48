//! What the code of the shipped kernels costs: ours for the best native target of this CPU, and Cranelift's.
//!
//! ```text
//! op kernel | instructions bytes live moves stack | select allocate encode list us || Cranelift: bytes stack us
//! w4a8_gemv product_one | 267 1880 13 0 0 | 39 40 28 28 || 5210 0 3120
//! ```

use kgen::{Error, Schedule, compile};
use kgen_codegen::cpu::{
    native::{Emitted, emit},
    targets::NATIVE,
};
use kgen_ir::{machine::Kernel, op::Op, target::Target};
use kgen_runtime::{
    device,
    driver::cranelift::{Code, Options},
};
use kgen_tests::listings::innermost;
use std::{collections::BTreeMap, fs, path::Path, time::Instant};

const TRIES: usize = 5;

/// No file of `ops/`, for few CPUs have the instruction: its row is of the target that has it, whatever this CPU is.
const BF16: &str = "op = \"mpgemm\"\nname = \"bf16\"\nm = \"m\"\nn = 4096\nk = 4096\na = \"bf16\"\nw = \"bf16\"\nout = \"f32\"\n";

fn ops(native: &'static Target) -> Vec<(Op, &'static Target)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let shipped = files.iter().map(|f| compile::read(f).unwrap_or_else(|e| panic!("{e}")));
    let bf16 = NATIVE.iter().find(|t| t.features.contains(&"avx512bf16")).unwrap();
    let pairs = kgen_ir::op::read::read("bf16", BF16).unwrap();
    shipped.map(|op| (op, native)).chain([(pairs, bf16)]).collect()
}

/// Weights of products of bytes.
const FORMATS: &[&str] = &[
    "\"q4_0\"",
    "\"q4_1\"",
    "\"q5_0\"",
    "\"q5_1\"",
    "\"q8_0\"",
    "\"q2_k\"",
    "\"q3_k\"",
    "\"q4_k\"",
    "\"q5_k\"",
    "\"q6_k\"",
    "\"tq1_0\"",
    "\"tq2_0\"",
    "\"bipolar1\", group = 128, scale = \"f16\"",
    "\"int2\", group = 128, scale = \"f16\"",
    "\"int3\", group = 64, scale = \"f16\"",
    "\"int4\", group = 32, scale = \"f16\"",
    "\"int4\", group = 128, scale = \"f16\"",
    "\"int5\", group = 64, scale = \"f16\"",
    "\"int6\", group = 64, scale = \"f16\"",
    "\"int8\", group = 128, scale = \"f16\"",
];

/// What they are counted on.
const COUNTED: &str = "x86-64-v4-vnni/native";

fn runs(target: &&Target) -> bool {
    target.features.iter().all(|f| device::has(f))
}

/// The fastest of some compilations.
fn best(kernel: &Kernel, target: &Target) -> Emitted {
    let all = (0..TRIES).map(|_| emit(kernel, target).unwrap_or_else(|e| panic!("{e}")));
    let time = |e: &Emitted| {
        let t = e.stats.times;
        t.select + t.allocate + t.encode + t.list
    };
    all.min_by_key(time).unwrap()
}

/// Bytes, references to the stack in innermost loops, and microseconds, by kernel.
fn by_cranelift(op: &Op, target: &'static Target) -> BTreeMap<String, (usize, usize, u128)> {
    let schedule = Schedule::default_for(target);
    let Ok(compiled) = compile::compile(op, target, &schedule) else { return BTreeMap::new() };
    let of = |k: &kgen_ir::artifact::KernelEntry| {
        let text = &compiled.artifact.files[&k.file];
        let start = Instant::now();
        Code::compile_with(text, Options { verify: false, disassembly: false }).unwrap();
        let time = start.elapsed().as_micros();
        let code = Code::compile_with(text, Options { verify: false, disassembly: true }).unwrap();
        let listing = code.disassembly(&k.entry).unwrap_or_default();
        let loops = innermost(listing);
        let stack = loops.concat().iter().filter(|l| l.contains("(%rsp)")).count();
        (k.name.clone(), (code.bytes(&k.entry).unwrap_or(0), stack, time))
    };
    compiled.artifact.manifest.kernels.iter().map(of).collect()
}

#[test]
fn kernels_beside_cranelift() {
    let native = NATIVE.iter().find(runs).unwrap_or(&NATIVE[0]);
    let other = compile::targets().into_iter().find(|t| t.backend == "cranelift" && runs(t));
    let beside = other.map_or("none", |t| t.name);
    println!("{} | {beside}", native.name);
    println!(
        "op kernel | instructions bytes live moves stack | select allocate encode list us | Cranelift: bytes stack us"
    );
    for (op, native) in ops(native) {
        let compiled = match compile::compile(&op, native, &Schedule::default_for(native)) {
            Ok(compiled) => compiled,
            Err(e) => {
                println!("{}: {e}", op.name);
                continue;
            }
        };
        let cranelift = other.map(|t| by_cranelift(&op, t)).unwrap_or_default();
        for k in &compiled.kernels {
            let s = best(k, native).stats;
            let us = [s.times.select, s.times.allocate, s.times.encode, s.times.list];
            let [select, allocate, encode, list] = us.map(|t| t.as_micros());
            let theirs = match cranelift.get(&k.name) {
                Some((bytes, stack, time)) => format!("{bytes} {stack} {time}"),
                None => "-".into(),
            };
            println!(
                "{} {} | {} {} {} {} {} | {select} {allocate} {encode} {list} | {theirs}",
                op.name,
                k.name,
                s.instructions,
                s.bytes,
                s.max_live_vectors,
                s.inner_moves,
                s.inner_stack,
            );
        }
    }
}

/// Innermost loops have the registers that they need, each value in one.
#[test]
fn shipped_kernels_keep_their_registers() {
    let mut wrong = Vec::new();
    for target in NATIVE.iter().filter(|t| t.vectors >= 32) {
        for (op, target) in ops(target) {
            let compiled = match compile::compile(&op, target, &Schedule::default_for(target)) {
                Ok(compiled) => compiled,
                Err(Error::Unsupported(reason)) => {
                    println!("{}: {reason}", op.name);
                    continue;
                }
                Err(e) => panic!("{} {}: {e}", target.name, op.name),
            };
            for k in &compiled.kernels {
                let stats = emit(k, target).unwrap().stats;
                let (stack, moves) = (stats.inner_stack, stats.inner_moves);
                if stack + moves > 0 {
                    let what = format!("{stack} stack references, {moves} moves");
                    wrong.push(format!("{} {} {}: {what}", target.name, op.name, k.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn products_keep_their_registers() {
    let target = NATIVE.iter().find(|t| t.name == COUNTED).unwrap();
    let mut wrong = Vec::new();
    for format in FORMATS {
        let text = format!(
            "op = \"mpgemm\"\nname = \"product\"\nm = \"m\"\nn = 11008\nk = 4096\na = \"f32\"\n\
             w = {{ format = {format} }}\nout = \"f32\"\ncompute = \"int_dot\"\n"
        );
        let op = kgen_ir::op::read::read("format.toml", &text)
            .unwrap_or_else(|e| panic!("{}", e.render()));
        let compiled = compile::compile(&op, target, &Schedule::default_for(target)).unwrap();
        for k in &compiled.kernels {
            let stats = emit(k, target).unwrap().stats;
            let (stack, moves) = (stats.inner_stack, stats.inner_moves);
            let what = format!("{format} {}: {stack} stack references, {moves} moves", k.name);
            println!("{what} in innermost loops");
            if stack + moves > 0 {
                wrong.push(what);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
