//! The lowering for vectors of 8 and 16 lanes: the machine kernels of the shipped ops, interpreted, against the
//! reference. No emitter is asked.

use kgen::{
    Schedule, compile,
    verify::{Options, examples},
};
use kgen_ir::target::Target;
use kgen_passes::Choice;
use kgen_tests::{machine_run, wide};
use std::path::Path;

/// Elements of inputs that the interpreter gets through in a moment.
const CHEAP: usize = 8_000;

fn agree(file: &str, target: &'static Target, cases: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops").join(file);
    let op = compile::read(&path).unwrap_or_else(|e| panic!("{e}"));
    let default = Schedule::default_for(target);
    // Splits of one tile, so that small sizes meet the merge.
    let schedule = Schedule { split: default.keys, ..default };
    let choice = Choice { target, schedule };
    let mut ran = 0;
    for case in examples(&op, &Options { cases, seed: 5 }) {
        if case.inputs.values().map(|t| t.count()).sum::<usize>() > CHEAP {
            continue;
        }
        let place = format!("{} {:?}, {}, {} lanes", op.name, case.dims, case.family, target.lanes);
        let mut dims = case.dims.clone();
        dims.cores = 2;
        let compiled = wide::lowered(&case.op, &choice).unwrap_or_else(|e| panic!("{place}: {e}"));
        let got = machine_run::run(&compiled, &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        let expected = kgen_kernels_ref::run(&case.op, &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        for (name, expected) in &expected {
            let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name])
                .unwrap_or_else(|e| panic!("{e}"));
            assert!(c.passed(), "{place}: `{name}`: {c:?}");
        }
        ran += 1;
    }
    assert!(ran > 0, "every case of {file} was too large");
}

#[test]
fn attention_in_wide_vectors() {
    for (lanes, halves) in [(8, false), (8, true), (16, true)] {
        agree("flash_decode.toml", wide::target(lanes, halves), 8);
    }
}

#[test]
fn products_in_wide_vectors() {
    for lanes in [8, 16] {
        agree("w4a8_gemv.toml", wide::target(lanes, true), 6);
        agree("w8a8_gemv.toml", wide::target(lanes, true), 6);
    }
}
