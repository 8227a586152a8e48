//! LLVM's code on this CPU against the interpreter: every row, random programs, parts of vectors. CPUs without a
//! target's features skip its part and say so; builds without the feature skip all.
#![cfg(feature = "llvm")]
#![allow(unsafe_code)] // runs compiled code

mod amx;
mod arm;
mod ops;
#[cfg(target_arch = "x86_64")]
mod tiles;

use half::f16;
use kgen_codegen::cpu::llvm::{emit, targets::CHIPS};
use kgen_ir::{
    machine::{print::MNEMONICS, verify::verify, *},
    target::Target,
};
use kgen_passes::machine::{expand, share};
use kgen_runtime::{
    device,
    driver::{Driver, llvm::Llvm},
};
use kgen_tests::machine_programs::*;
use std::fmt::Write;

/// The targets that this CPU can run.
fn targets() -> impl Iterator<Item = &'static Target> {
    CHIPS.iter().map(|c| &c.target).filter(|t| {
        let able = t.features.iter().all(|f| device::has(f));
        if !able {
            println!("skipped: this CPU cannot run {}", t.name);
        }
        able
    })
}

/// The op files that ship.
fn shipped() -> Vec<kgen_ir::op::Op> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let files = std::fs::read_dir(folder).expect("ops/ is there");
    let mut files: Vec<_> = files.map(|f| f.expect("it can be read").path()).collect();
    files.sort();
    files.iter().map(|f| kgen::compile::read(f).unwrap_or_else(|e| panic!("{e}"))).collect()
}

fn lower(kernel: &Kernel, target: &Target) -> Kernel {
    let out = share(expand(kernel.clone(), target).expect("sequences"), target).expect("shares");
    verify(&out).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{out}"));
    out
}

fn emitted(kernel: &Kernel, target: &Target) -> String {
    emit(kernel, target).unwrap_or_else(|e| panic!("{e}\n{kernel}"))
}

/// Runs the code of a kernel on copies of the regions, one slot each.
fn compiled(kernel: &Kernel, target: &Target, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut regions = regions.to_vec();
    let args: Vec<u64> = regions.iter_mut().map(|r| r.as_mut_ptr() as u64).collect();
    let text = emitted(kernel, target);
    let code = Llvm::default()
        .load(&text, &[kernel.name.as_str()])
        .unwrap_or_else(|e| panic!("{e}\n{kernel}\n{text}"));
    // SAFETY: the interpreter has run the same kernel on the same regions without leaving them.
    unsafe { code.call(0, args.as_ptr(), 0) };
    regions
}

fn same(kernel: &Kernel, target: &Target, regions: &[Vec<u8>]) {
    let (got, wanted) = (compiled(kernel, target, regions), interpreted(kernel, regions));
    if got != wanted {
        let at = got.iter().zip(&wanted).map(|(g, w)| g.iter().zip(w).position(|(a, b)| a != b));
        let at: Vec<_> = at.collect();
        panic!("{}: bytes {at:?}\n{kernel}\n{}", target.name, emitted(kernel, target));
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
            let approximate =
                matches!(op, Op::FloatUnary(op) if FloatUnary::APPROXIMATE.contains(op));
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
            vec![n; n.into()],
            (0..n).rev().collect(),
            (0..n).map(|i| i ^ 2 | n).collect(),
            (0..n).map(|i| (i + n / 2) % (2 * n)).collect(),
            (0..n).map(|i| i / 2 + n * (i % 2)).collect(),
            (0..n).map(|i| 2 * i).collect(),
        ];
        let mut noise = Noise(5);
        for _ in 0..8 {
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
        for cvt in [Cvt::FloatFromF16, Cvt::FloatFromF16Low, Cvt::FloatFromF16High] {
            compare(&Op::Cvt(cvt), &all, target, true);
        }
        compare(&Op::Cvt(Cvt::FloatFromBf16), &all, target, false);
        compare(&Op::Cvt(Cvt::F16FromFloat), &wide, target, true);
        compare(&Op::Cvt(Cvt::Bf16FromFloat), &wide, target, false);
    }
}

#[test]
fn random_programs_do_what_they_mean() {
    for target in targets() {
        for seed in 0..40 {
            let k = kernel(&program(seed, target.lanes, 40 * (seed as usize % 2)));
            let lowered = lower(&k, target);
            let regions = regions(seed);
            let (got, wanted) = (compiled(&lowered, target, &regions), interpreted(&k, &regions));
            assert!(got == wanted, "{}: seed {seed}\n{k}", target.name);
        }
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
        let _ = writeln!(text, "hl = load.f16 [x + 3] : f store.w32 [y + {at}], hl");
        let _ = writeln!(text, "hs = splat.f16 [x + 5] : f store.w32 [y + {}], hs", at + v);
        at += 2 * v;
        let _ = writeln!(text, "f = load.w32 [x + 1] : f store.w32 [y + {at}], f");
        let _ = writeln!(text, "g = splat.w32 [x + 1] : f store.u16 [y + {}], g", at + v);
        let _ = writeln!(text, "j = worker : i k = spread j : w store.u8 [y + {}], k", at + 2 * v);
        let _ = writeln!(text, "i = iota : w store.w32 [y + {}], i", at + 3 * v);
        let _ = writeln!(text, "u = spread -7 : w store.w32 [y + {}], u }}", at + 4 * v);
        let mut noise = Noise(3);
        let regions: Vec<Vec<u8>> = [96, at + 6 * v]
            .iter()
            .map(|n| (0..*n).map(|_| noise.word() as u8).collect())
            .collect();
        same(&kernel(&text), target, &regions);
    }
}

#[test]
fn parts_of_vectors_are_read_and_written() {
    let mut noise = Noise(21);
    for target in targets() {
        let lanes = target.lanes;
        for (width, size) in [("w32", 4), ("u16", 2), ("s16", 2), ("u8", 1), ("s8", 1)] {
            if size < 4 && lanes < 16 || lanes < 8 {
                continue;
            }
            for n in 0..=lanes {
                let mut text = format!(
                    "machine part lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y slot 2 = pointer z
                     x = arg 0 : i y = arg 1 : i z = arg 2 : i n = read.w64 [y + 0] : i v = load.w32 [y + 8] : w\n"
                );
                for (i, count) in ["n".to_owned(), n.to_string()].iter().enumerate() {
                    let at = 64 * i;
                    let _ = writeln!(
                        text,
                        "a{i} = loadpart.{width} [x + 64], {count} : w store.w32 [y + {}], a{i}
                         storepart.{width} [z + {at}], v, {count}",
                        8 + at
                    );
                }
                let mut fill = |n: usize| (0..n).map(|_| noise.word() as u8).collect::<Vec<u8>>();
                let y = [(n as u64).to_le_bytes().to_vec(), fill(128)].concat();
                same(&kernel(&(text + "}")), target, &[fill(64 + size * n), y, fill(128)]);
            }
        }
    }
}

#[test]
fn gathers_are_signed() {
    for target in targets().filter(|t| t.row(&Op::Gather).is_some()) {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        let k = kernel(&format!(
            "machine g lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
             x = arg 0 : i y = arg 1 : i i = load.w32 [y + 0] : w
             a = gather.w32 [x + 256], i : w store.w32 [y + {v}], a
             c = gather.w32 [x + 252], i : f store.w32 [y + {}], c }}",
            2 * v
        ));
        let mut noise = Noise(31);
        let x: Vec<u32> = (0..128).map(|_| noise.word()).collect();
        let index = (0..lanes).map(|_| (noise.below(60) as u32).wrapping_sub(30));
        let y: Vec<u32> = index.chain(vec![0; 2 * lanes]).collect();
        same(&k, target, &[bytes(&x), bytes(&y)]);
    }
}
