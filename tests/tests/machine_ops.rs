//! The machine kernels of the shipped ops: the interpreter, Cranelift's code and the reference agree.

use kgen::{
    Schedule, compile,
    device::Cpu,
    verify::{Options, examples},
};
use kgen_ir::op::Op;
use kgen_tests::machine_run;
use std::{collections::BTreeSet, path::Path};

fn shipped(name: &str) -> Op {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops").join(name);
    compile::read(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// Workers of a case.
const WORKERS: [usize; 3] = [1, 2, 3];

/// Elements of inputs that the interpreter gets through in a moment.
const CHEAP: usize = 40_000;

/// Runs the cheap examples of an op and tells which variants ran.
fn agree(op: &Op, schedule: &Schedule, cases: usize) -> BTreeSet<String> {
    let mut variants = BTreeSet::new();
    let (mut ran, mut skipped) = (0, 0);
    for (i, case) in examples(op, &Options { cases, seed: 3 }).into_iter().enumerate() {
        if case.inputs.values().map(|t| t.count()).sum::<usize>() > CHEAP {
            skipped += 1;
            continue;
        }
        let workers = WORKERS[i % WORKERS.len()];
        let mut cpu = Cpu::open(Some(workers)).unwrap_or_else(|e| panic!("{e}"));
        cpu.schedule = schedule.clone();
        let place = format!("{} {:?}, {}, {workers} workers", op.name, case.dims, case.family);
        let mut dims = case.dims.clone();
        dims.cores = workers as i64;
        let compiled = compile::compile(&case.op, cpu.target, schedule)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        let got = machine_run::run(&compiled, &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        let module = cpu.load(&case.op).unwrap_or_else(|e| panic!("{place}: {e}"));
        let native =
            cpu.run(&module, &dims, &case.inputs).unwrap_or_else(|e| panic!("{place}: {e}"));
        let expected = kgen_kernels_ref::run(&case.op, &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        for (name, expected) in &expected {
            let (a, b) = (&got.outputs[name], &native[name]);
            assert_eq!((a.dtype, &a.shape), (b.dtype, &b.shape), "{place}: `{name}`");
            for i in 0..a.count() {
                let (x, y) = (a.get(i), b.get(i));
                // Instruction sets differ in the bits of a NaN.
                let same = x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
                assert!(same, "{place}: {name}[{i}]: interpreted {x:e}, compiled {y:e}");
            }
            let c = kgen_kernels_ref::compare(name, expected, a).unwrap_or_else(|e| panic!("{e}"));
            assert!(c.passed(), "{place}: `{name}`: {c:?}");
        }
        variants.insert(got.variant);
        ran += 1;
    }
    println!("{}: {ran} cases of the variants {variants:?}, {skipped} too large", op.name);
    assert!(ran > 0, "every case of {} was skipped", op.name);
    variants
}

#[test]
fn attention_as_interpreted_as_compiled_as_meant() {
    let target = compile::host().unwrap_or_else(|e| panic!("{e}"));
    // Splits of one tile, so that small sizes meet the merge.
    let default = Schedule::default_for(target);
    let schedule = Schedule { split: default.keys, ..default };
    let variants = agree(&shipped("flash_decode.toml"), &schedule, 24);
    assert!(variants.len() >= 2, "{variants:?}");
}

#[test]
fn product_as_interpreted_as_compiled_as_meant() {
    let target = compile::host().unwrap_or_else(|e| panic!("{e}"));
    let variants = agree(&shipped("w4a8_gemv.toml"), &Schedule::default_for(target), 24);
    assert!(variants.len() >= 2, "{variants:?}");
}
