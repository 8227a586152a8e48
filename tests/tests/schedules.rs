//! Every schedule that the tuner may choose keeps the meaning of the op.

use kgen::{
    Schedule, compile,
    device::Cpu,
    inputs,
    verify::{Options, examples},
};
use kgen_ir::{
    extent::Dims,
    machine,
    op::{Compute, Kind, read::read},
    tile::interp::{Mode, interp},
};
use kgen_passes::Choice;
use std::{collections::BTreeMap, path::Path};

/// The optimised program of each schedule, run exactly on a small case, against the reference.
fn all_mean_the_same(
    name: &str,
    sizes: &[(&str, i64)],
    least: usize,
    which: fn(&Schedule, &Schedule) -> bool,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ops/{name}.toml"));
    let op = compile::read(&path).unwrap_or_else(|e| panic!("{e}"));
    let target = compile::targets()[0];
    let mut dims = Dims { cores: 3, ..Dims::default() };
    dims.scalars = sizes.iter().map(|(n, x)| (n.to_string(), *x)).collect();
    let reduced = examples(&op, &Options { cases: 24, seed: 5 }).into_iter().map(|c| c.op);
    let made = reduced.filter_map(|op| {
        let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), 5).ok()?;
        Some((inputs.values().map(|t| t.count()).sum::<usize>(), op, inputs))
    });
    let (_, op, inputs) = made.min_by_key(|(size, ..)| *size).expect("a reduced op");
    let expected = kgen_kernels_ref::run(&op, &dims, &inputs).expect("known");
    let mut schedules = Schedule::legal(&op, target);
    let base = Schedule::default_for(target);
    schedules.retain(|s| which(s, &base));
    assert!(schedules.len() >= least, "{name}: only {} schedules", schedules.len());
    let rounds = matches!(&op.kind, Kind::MpGemm(p) if p.compute == Compute::IntDot);
    let mut first = BTreeMap::new();
    for schedule in &schedules {
        let choice = Choice { target, schedule: schedule.clone() };
        let place = || format!("{name} {:?} {schedule:?}", dims);
        let built = kgen_passes::build(&op, &choice);
        let program = kgen_passes::optimise(built.expect("known"), &choice);
        let got = interp(&program.expect("legal"), &dims, &inputs, Mode::Exact)
            .unwrap_or_else(|e| panic!("{}: {e}", place()));
        for (output, wanted) in &expected {
            let list = &got[output];
            assert_eq!(wanted.values.len(), list.len(), "{}", place());
            // Integer dots round activations to 8 bits, the reference does not: its bound allows for that, and
            // schedules must agree with each other.
            let other = if rounds { first.get(output).unwrap_or(list) } else { &wanted.values };
            let scale = other.iter().fold(0f64, |m, x| m.max(x.abs()));
            for (i, (x, y)) in other.iter().zip(list).enumerate() {
                let same = (x - y).abs() <= 1e-12 * scale;
                assert!(same, "{}: {output}[{i}] is {y}, expected {x}", place());
                let (x, bound) = (wanted.values[i], wanted.bounds[i]);
                assert!((x - y).abs() <= bound, "{}: {output}[{i}] is {y}, expected {x}", place());
            }
        }
        if first.is_empty() {
            first = got;
        }
    }
    println!("{name} {:?}: {} schedules", dims, schedules.len());
}

#[test]
fn hints_are_those_that_the_target_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/flash_decode.toml");
    let op = compile::read(&path).unwrap_or_else(|e| panic!("{e}"));
    for target in compile::targets() {
        let has = |s: &Schedule| target.row(&machine::Op::Prefetch(s.into as u8)).is_some();
        let default = Schedule::default_for(target);
        assert!(default.prefetch == 0 || has(&default), "{}", target.name);
        let legal = Schedule::legal(&op, target);
        assert!(legal.contains(&default), "{}", target.name);
        assert!(legal.iter().all(|s| has(s) || s.into == default.into), "{}", target.name);
    }
}

#[test]
fn every_schedule_of_attention() {
    // Longer than some splits, shorter than others, no multiple of a tile.
    all_mean_the_same("flash_decode", &[("b", 1), ("m", 1), ("n", 530)], 200, |s, base| {
        (s.queries, s.block, s.into) == (base.queries, base.block, base.into)
    });
}

#[test]
fn every_schedule_of_a_product() {
    all_mean_the_same("w4a8_gemv", &[("m", 3)], 200, |_, _| true);
}

#[test]
fn every_schedule_of_many_rows() {
    // Rows of several panels, the last of them partial; keys that fill no tile.
    all_mean_the_same("flash_decode", &[("b", 1), ("m", 70), ("n", 150)], 40, |s, base| {
        (s.keys, s.split, s.prefetch, s.heads) == (base.keys, base.split, base.prefetch, base.heads)
    });
}

/// A turn that ends inside of a word of codes is not taken: codes of no format are mistaken for their neighbours.
#[test]
fn turns_of_any_length() {
    let formats = [
        "\"q4_0\"",
        "\"tq1_0\"",
        "\"tq2_0\"",
        "{ format = \"int2\", group = 128, scale = \"f16\" }",
        "{ format = \"int3\", group = 64, scale = \"f16\" }",
        "{ format = \"bipolar1\", group = 128, scale = \"f16\" }",
    ];
    let mut cpu = Cpu::open(Some(2)).unwrap();
    for w in formats {
        let text = format!(
            "op = \"mpgemm\"\nname = \"turns\"\nm = \"m\"\nn = 64\nk = 256\na = \"f32\"\nw = {w}\nout = \"f32\"\n"
        );
        let op = read("turns.toml", &text).unwrap_or_else(|e| panic!("{}", e.render()));
        for (turn, m) in [(4, 5), (8, 8), (16, 11), (20, 5), (32, 5), (64, 8), (8, 13)] {
            cpu.schedule.turn = turn;
            let dims = Dims { scalars: [("m".into(), m)].into(), cores: 2, ..Dims::default() };
            let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), 7).unwrap();
            let module = cpu.load(&op).unwrap_or_else(|e| panic!("{e}"));
            let outputs = cpu.run(&module, &dims, &inputs).unwrap_or_else(|e| panic!("{e}"));
            let expected = kgen_kernels_ref::run(&op, &dims, &inputs).expect("known");
            let seen = kgen_kernels_ref::compare("out", &expected["out"], &outputs["out"]).unwrap();
            assert!(seen.passed(), "{w}, {m} rows, turns of {turn}: {seen:?}");
        }
    }
}
