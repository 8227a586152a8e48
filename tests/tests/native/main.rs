//! Native code on this CPU against the interpreter: every row, random programs, the loops they become, and what is
//! refused. CPUs without a target's features skip its part and say so.
#![allow(unsafe_code)] // runs compiled code

mod disassembler;
mod memory;
mod programs;
mod refused;

use half::f16;
use kgen_codegen::cpu::{
    native::{Emitted, emit},
    targets::NATIVE,
};
use kgen_ir::{
    machine::{print::MNEMONICS, verify::verify, *},
    target::Target,
};
use kgen_passes::machine::{expand, share};
use kgen_runtime::{
    device,
    driver::{Driver, native::Native},
};
use kgen_tests::machine_programs::*;
use std::fmt::Write;

/// The native targets that this CPU can run.
fn targets() -> impl Iterator<Item = &'static Target> {
    NATIVE.iter().filter(|t| {
        let able = t.features.iter().all(|f| device::has(f));
        if !able {
            println!("skipped: this CPU cannot run {}", t.name);
        }
        able
    })
}

/// Whether to test at length.
fn full() -> bool {
    std::env::var_os("KGEN_FULL").is_some()
}

fn lower(kernel: &Kernel, target: &Target) -> Kernel {
    let out = share(expand(kernel.clone(), target).expect("sequences"), target).expect("shares");
    verify(&out).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{out}"));
    out
}

fn emitted(kernel: &Kernel, target: &Target) -> Emitted {
    emit(kernel, target).unwrap_or_else(|e| panic!("{e}\n{kernel}"))
}

/// Runs the code of a kernel on copies of the regions, one slot each.
fn compiled(kernel: &Kernel, target: &Target, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut regions = regions.to_vec();
    let args: Vec<u64> = regions.iter_mut().map(|r| r.as_mut_ptr() as u64).collect();
    let e = emitted(kernel, target);
    let code = Native::default()
        .load(&e.text, &[kernel.name.as_str()])
        .unwrap_or_else(|e| panic!("{e}\n{kernel}"));
    // SAFETY: the interpreter has run the same kernel on the same regions without leaving them.
    unsafe { code.call(0, args.as_ptr(), 0) };
    regions
}

fn same(kernel: &Kernel, target: &Target, regions: &[Vec<u8>]) {
    let (got, wanted) = (compiled(kernel, target, regions), interpreted(kernel, regions));
    if got != wanted {
        let at = got.iter().zip(&wanted).map(|(g, w)| g.iter().zip(w).position(|(a, b)| a != b));
        let at: Vec<_> = at.collect();
        panic!("{}: bytes {at:?}\n{kernel}\n{}", target.name, emitted(kernel, target).text);
    }
}

fn compare(op: &Op, inputs: &[Vec<u32>; 3], target: &Target, exact: bool) {
    let signature = op.signature();
    for &def in signature.def {
        let k = over_arrays(op, def, inputs[0].len(), target.lanes);
        let mut regions: Vec<Vec<u8>> = inputs.iter().map(|w| bytes(w)).collect();
        regions.push(vec![0; regions[0].len()]);
        let wanted = words(&interpreted(&k, &regions)[3]);
        let lowered = lower(&k, target);
        let got = words(&compiled(&lowered, target, &regions)[3]);
        for (i, (x, e)) in got.iter().zip(&wanted).enumerate() {
            let from = inputs.iter().map(|v| v[i]).collect::<Vec<_>>();
            let nan = !exact && is_nan(op, def, *x) && is_nan(op, def, *e);
            let name = target.name;
            assert!(x == e || nan, "{name}: {op} {from:x?}: {x:#x}, expected {e:#x}\n{lowered}");
        }
    }
}

#[test]
fn every_row_of_lanes_does_what_it_means() {
    let inputs = operands(7);
    for target in targets() {
        for (_, op) in MNEMONICS {
            let signature = op.signature();
            let approximate = matches!(
                op,
                Op::FloatUnary(
                    FloatUnary::Exp2
                        | FloatUnary::Log2
                        | FloatUnary::Tanh
                        | FloatUnary::Sin
                        | FloatUnary::Cos
                )
            );
            if signature.mem
                || approximate
                || signature.def.is_empty()
                || signature.def == [Class::Int]
                // Permutations of bytes are made of shuffles.
                || optional(op) && target.row(op).is_none() && *op != Op::PermuteBytes
            {
                continue; // their own tests
            }
            compare(op, &inputs, target, false);
        }
    }
}

#[test]
fn a_row_for_every_op_that_has_no_sequence() {
    for target in NATIVE {
        for (name, op) in MNEMONICS {
            let sequence = matches!(
                op,
                Op::FloatUnary(
                    FloatUnary::Exp2
                        | FloatUnary::Log2
                        | FloatUnary::Tanh
                        | FloatUnary::Sin
                        | FloatUnary::Cos
                ) | Op::Cvt(Cvt::Bf16FromFloat)
            );
            let wide = matches!(
                op,
                Op::Splat(Width::W64) | Op::LoadPart(Width::W64) | Op::StorePart(Width::W64)
            );
            let lacks = |feature, these: bool| these && !target.features.contains(&feature);
            let wanted = !sequence
                && !wide
                && !of_matrices(op)
                && !lacks(
                    "avx512f",
                    matches!(op, Op::LoadPart(w) | Op::StorePart(w) if *w != Width::W32),
                )
                && !lacks(
                    "avx512vbmi",
                    matches!(op, Op::PermuteBytes | Op::PermuteHigh | Op::Nibbles),
                )
                && !lacks("avx512f", *op == Op::SelectBits)
                && !lacks("avx512f", *op == Op::Lookup)
                && !lacks(
                    "avx512dq",
                    matches!(op, Op::Float(FloatOp::Scale) | Op::FloatUnary(FloatUnary::Fraction)),
                )
                && !lacks("gfni", *op == Op::Affine)
                && !lacks("avx512bf16", matches!(op, Op::PackBf16 | Op::Dot(DotOp::Bf16)));
            assert_eq!(target.row(op).is_some(), wanted, "{}: {name}", target.name);
        }
    }
}

#[test]
fn approximations_keep_their_promise() {
    for target in targets() {
        let run = |k: &Kernel, regions: &[Vec<u8>]| compiled(&lower(k, target), target, regions);
        let worst = |op, meaning| sweep(op, meaning, target.lanes, &run);
        assert!(worst(FloatUnary::Exp2, f64::exp2) < 1.5);
        assert!(worst(FloatUnary::Log2, f64::log2) < 4.0);
        assert!(worst(FloatUnary::Tanh, f64::tanh) < 4.0);
    }
}

#[test]
fn shuffles_of_every_kind() {
    let inputs = operands(9);
    for target in targets() {
        let n = target.lanes as u8;
        let mut tables: Vec<Vec<u8>> = vec![
            (0..n).collect(),
            (0..n).map(|i| i + n).collect(),
            vec![0; n.into()],
            vec![n; n.into()],
            vec![3; n.into()],
            (0..n).rev().collect(),
            (0..n).map(|i| i ^ 1).collect(),
            (0..n).map(|i| i ^ 2 | n).collect(),
            (0..n).map(|i| (i + n / 2) % n).collect(),
            (0..n).map(|i| (i + n / 4) % n).collect(),
            (0..n).map(|i| (i + n / 2) % (2 * n)).collect(),
            (0..n).map(|i| i / 2 + n * (i % 2)).collect(),
            (0..n).map(|i| 2 * i).collect(),
            (0..n).map(|i| i + n * (i % 2)).collect(),
        ];
        let mut noise = Noise(5);
        for _ in 0..20 {
            tables.push((0..n).map(|_| noise.below(2 * usize::from(n)) as u8).collect());
        }
        for table in tables {
            compare(&Op::Shuffle(table), &inputs, target, true);
        }
    }
}

#[test]
fn shifts_by_every_number() {
    for target in targets() {
        let lanes = target.lanes;
        for n in 0..32 {
            let mut text = format!("machine s lanes {lanes} {{ slot 0 = pointer p p = arg 0 : i\n");
            text += "v = load.w32 [p + 0] : w\n";
            for (i, op) in ["shl", "shr", "sar", "h.shl", "h.shr", "h.sar"].iter().enumerate() {
                if i < 3 || n < 16 {
                    let _ = writeln!(text, "d{i} = {op} v, {n} : w");
                    let _ = writeln!(text, "store.w32 [p + {}], d{i}", 4 * lanes * (i + 1));
                }
            }
            text += "}";
            let mut region: Vec<u32> =
                (0..7 * lanes as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            region[0] = u32::MAX;
            same(&kernel(&text), target, &[bytes(&region)]);
        }
    }
}

#[test]
fn every_half_converts_exactly_both_ways() {
    // The high half reads as anything.
    let halves: Vec<u32> = (0..65536u32).map(|h| h | (h.wrapping_mul(0x9e37) << 16)).collect();
    let all = [halves.clone(), halves.clone(), halves];
    // Every half in f32, half way to the next, and both sides of that.
    let floats: Vec<u32> = (0..65536u32)
        .flat_map(|h| {
            let x = f16::from_bits(h as u16).to_f32().to_bits();
            [x, x.wrapping_add(0x1000), x.wrapping_add(0x0fff), x.wrapping_add(0x1001)]
        })
        .collect();
    let wide = [floats.clone(), floats.clone(), floats];
    for target in targets() {
        // To the bit, NaN too.
        for cvt in [Cvt::FloatFromF16, Cvt::FloatFromF16Low, Cvt::FloatFromF16High] {
            compare(&Op::Cvt(cvt), &all, target, true);
        }
        compare(&Op::Cvt(Cvt::FloatFromBf16), &all, target, false);
        compare(&Op::Cvt(Cvt::F16FromFloat), &wide, target, true);
        compare(&Op::Cvt(Cvt::Bf16FromFloat), &wide, target, false);
    }
}

/// Where subnormals, the roundings of the two sums and their order can be told apart.
#[test]
fn products_of_bf16_agree_to_the_bit() {
    let mut noise = Noise(41);
    let mut inputs: [Vec<u32>; 3] = Default::default();
    let exponents = |noise: &mut Noise, middle: u32, wide: u32| {
        (middle + noise.below(wide as usize) as u32).saturating_sub(wide / 2).min(255)
    };
    for i in 0..if full() { 4_000_000 } else { 200_000 } {
        // Products near the least normal number, in the middle, near the largest; sums near them.
        let sum = [1, 20, 127, 254][i % 4];
        let half = |noise: &mut Noise, exponent: u32| {
            let fraction = [0, 1, 0x7f, noise.below(128) as u32][noise.below(4)];
            (noise.word() & 1) << 15 | exponent << 7 | fraction
        };
        let (mut a, mut b) = (0, 0);
        for place in [0, 16] {
            let first = exponents(&mut noise, 127, 120);
            let product = exponents(&mut noise, sum, 60);
            let second = (product + 127).saturating_sub(first).min(255);
            a |= half(&mut noise, first) << place;
            b |= half(&mut noise, second) << place;
        }
        let fraction = [0, 1, 0x7f_ffff, noise.word() & 0x7f_ffff][noise.below(4)];
        let c = (noise.word() & 1) << 31 | exponents(&mut noise, sum, 30) << 23 | fraction;
        for (list, x) in inputs.iter_mut().zip([a, b, c]) {
            list.push(x);
        }
    }
    // One just below, at, and just above where a result is the least normal number or zero.
    for (a, b) in [(0x8080, 0x3300), (0x8080, 0x3280), (0x8080, 0x32c0), (0x8080, 0x3301)] {
        for low in [0u32, 0x3f80_0000] {
            for (list, x) in inputs.iter_mut().zip([a << 16 | low >> 16, b << 16, 0x0080_0000]) {
                list.push(x);
            }
        }
    }
    inputs.iter_mut().for_each(|l| l.resize(l.len().next_multiple_of(16), 0));
    for target in targets().filter(|t| t.row(&Op::Dot(DotOp::Bf16)).is_some()) {
        compare(&Op::Dot(DotOp::Bf16), &inputs, target, false);
    }
}

#[test]
fn packing_bf16_agrees_to_the_bit() {
    let mut inputs: [Vec<u32>; 3] = Default::default();
    for high in 0..65536u32 {
        for low in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            inputs[0].push(high << 16 | low);
            inputs[1].push((65535 - high) << 16 | low);
            inputs[2].push(0);
        }
    }
    for target in targets().filter(|t| t.row(&Op::PackBf16).is_some()) {
        compare(&Op::PackBf16, &inputs, target, true);
    }
}
