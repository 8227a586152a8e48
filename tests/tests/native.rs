//! Native code on this CPU against the interpreter: every row, random programs, the loops they become, and what is
//! refused. CPUs without a target's features skip its part and say so.
#![allow(unsafe_code)] // runs compiled code

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

fn lower(kernel: &Kernel, target: &Target) -> Kernel {
    let out = share(&expand(kernel, target).expect("sequences"), target).expect("shares");
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
    let code =
        Native.load(&e.text, &[kernel.name.as_str()]).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
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
                Op::FloatUnary(FloatUnary::Exp2 | FloatUnary::Log2 | FloatUnary::Tanh)
            );
            if signature.mem
                || approximate
                || signature.def.is_empty()
                || signature.def == [Class::Int]
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
                Op::FloatUnary(FloatUnary::Exp2 | FloatUnary::Log2 | FloatUnary::Tanh)
                    | Op::Cvt(Cvt::Bf16FromFloat)
            );
            let wide =
                matches!(op, Op::Load(Width::W64) | Op::Splat(Width::W64) | Op::Store(Width::W64));
            assert_eq!(target.row(op).is_some(), !sequence && !wide, "{}: {name}", target.name);
        }
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

#[test]
fn memory_rows_extend_and_truncate() {
    for target in targets() {
        let lanes = target.lanes;
        let v = 4 * lanes;
        let mut text =
            format!("machine memory lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y\n");
        text += "x = arg 0 : i y = arg 1 : i n = iadd y, 8 : i\n";
        let mut at = 16;
        for w in ["w32", "u16", "s16", "u8", "s8"] {
            let _ = writeln!(text, "l{w} = load.{w} [x + 3] : w store.w32 [y + {at}], l{w}");
            let _ = writeln!(text, "s{w} = splat.{w} [x + 5] : w store.w32 [y + {}], s{w}", at + v);
            let _ = writeln!(text, "store.{w} [n + {}], l{w}", at + 2 * v);
            let _ = writeln!(
                text,
                "r{w} = read.{w} [x + 7] : i write.w64 [y + {}], r{w}",
                at + 3 * v + 8
            );
            let _ = writeln!(text, "write.{w} [n + {}], r{w}", at + 3 * v + 8);
            let _ = writeln!(text, "write.{w} [n + {}], -77", at + 3 * v + 24);
            at += 4 * v + 64;
        }
        text += "q = read.w64 [x + 1] : i write.w64 [n - 8], q\n";
        text += "c = next [y + 0], 5 : i e = next [y + 0], c : i write.w64 [y + 8], e\n";
        text += "prefetch.1 [x + 0] prefetch.2 [x + 0] prefetch.3 [x + 0]\n";
        let _ = writeln!(text, "f = load.w32 [x + 1] : f store.w32 [y + {at}], f");
        let _ = writeln!(text, "g = splat.w32 [x + 1] : f store.u16 [y + {}], g", at + v);
        let _ = writeln!(text, "j = worker : i k = spread j : w store.u8 [y + {}], k", at + 2 * v);
        let _ = writeln!(text, "i = iota : w store.w32 [y + {}], i", at + 3 * v);
        let _ = writeln!(text, "u = spread -7 : w store.w32 [y + {}], u }}", at + 4 * v);
        let k = kernel(&text);
        let mut noise = Noise(3);
        let regions: Vec<Vec<u8>> = [96, at + 6 * v]
            .iter()
            .map(|n| (0..*n).map(|_| noise.next() as u8).collect())
            .collect();
        same(&k, target, &regions);
    }
}

#[test]
fn integers_round_down() {
    let numbers = ["b", "7", "8", "1", "3", "10", "4096", "1099511627776", "4611686018427387904"];
    for target in targets() {
        let lanes = target.lanes;
        let mut text = format!("machine ints lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i\n");
        text += "a = read.w64 [x + 0] : i b = read.w64 [x + 8] : i\n";
        let mut at = 16;
        for op in ["iadd", "isub", "imul", "idiv", "irem", "imin", "imax"] {
            for by in numbers {
                let _ = writeln!(text, "r{at} = {op} a, {by} : i write.w64 [x + {at}], r{at}");
                at += 8;
            }
            if !matches!(op, "idiv" | "irem") {
                for by in ["0", "-1", "-8", "2", "-9223372036854775807"] {
                    let _ = writeln!(text, "r{at} = {op} a, {by} : i write.w64 [x + {at}], r{at}");
                    at += 8;
                }
            }
            let _ = writeln!(text, "r{at} = {op} 100, b : i write.w64 [x + {at}], r{at}");
            let _ = writeln!(text, "q{at} = {op} b, b : i write.w64 [x + {}], q{at}", at + 8);
            let _ = writeln!(text, "s{at} = {op} -100, 7 : i write.w64 [x + {}], s{at}", at + 16);
            at += 24;
        }
        text += "}";
        let k = kernel(&text);
        for a in [-17i64, -16, -8, -7, -1, 0, 1, 7, 8, 15, i64::MIN, i64::MAX] {
            for b in [1i64, 3, 16, i64::MAX] {
                let mut region = vec![0; at];
                region[..8].copy_from_slice(&a.to_le_bytes());
                region[8..16].copy_from_slice(&b.to_le_bytes());
                same(&k, target, &[region]);
            }
        }
    }
}

#[test]
fn loops_and_branches_by_registers() {
    for target in targets() {
        let lanes = target.lanes;
        let k = kernel(&format!(
            "machine b lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i
             lo = read.w64 [x + 0] : i hi = read.w64 [x + 8] : i step = read.w64 [x + 16] : i
             one = const 1 : i z = const 0 : i
             n, m = loop t in lo..hi step step carry p = z, q = one {{
               s = iadd p, t : i
               r = if t >= 3 {{ u = iadd q, s : i }} yield u else {{ v = isub s, q : i }} yield v
             }} yield s, r
             write.w64 [x + 24], n write.w64 [x + 32], m
             c = if lo == hi {{ }} yield n else {{ }} yield m
             write.w64 [x + 40], c
             if 3 < lo {{ write.w64 [x + 48], lo }} else {{ write.w64 [x + 56], hi }} }}"
        ));
        for (lo, hi, step) in
            [(0i64, 0, 1i64), (0, 9, 1), (5, 5, 2), (7, 3, 1), (-4, 8, 3), (4, 5, 9)]
        {
            let mut region = vec![0; 64];
            for (n, x) in [lo, hi, step].into_iter().enumerate() {
                region[8 * n..8 * n + 8].copy_from_slice(&x.to_le_bytes());
            }
            same(&k, target, &[region]);
        }
    }
}

/// Random programs; many more where `KGEN_FULL` is set.
#[test]
fn random_programs_agree() {
    let count = if std::env::var_os("KGEN_FULL").is_some() { 3000 } else { 300 };
    for target in targets() {
        let (mut spills, mut parked, mut most) = (0, 0, 0);
        for seed in 0..count {
            let alive = [0, 0, 10, 24, 40][seed as usize % 5];
            let (k, regions) = (kernel(&program(seed, target.lanes, alive)), regions(seed));
            let lowered = lower(&k, target);
            assert_eq!(interpreted(&lowered, &regions), interpreted(&k, &regions), "passes\n{k}");
            let stats = emitted(&lowered, target).stats;
            (spills, parked) = (spills + stats.spills, parked + stats.parked);
            most = most.max(stats.max_live_vectors);
            same(&lowered, target, &regions);
        }
        println!("{}: {spills} spills, {parked} parked, {most} vectors alive", target.name);
        assert!(spills > 100, "the programs do not press hard enough");
    }
}
