//! Native code on this CPU against the interpreter: every row, random programs, the loops they become, and what is
//! refused. CPUs without a target's features skip its part and say so.
#![allow(unsafe_code)] // runs compiled code

use half::f16;
use kgen_codegen::cpu::{
    native::{Emitted, emit, emit_checked},
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
use std::{collections::BTreeMap, fmt::Write, path::Path};

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
    let out = share(&expand(kernel, target).expect("sequences"), target).expect("shares");
    verify(&out).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{out}"));
    out
}

fn emitted(kernel: &Kernel, target: &Target) -> Emitted {
    emit_checked(kernel, target).unwrap_or_else(|e| panic!("{e}\n{kernel}"))
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
                || optional(op) && target.row(op).is_none()
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
                Op::Load(Width::W64)
                    | Op::Splat(Width::W64)
                    | Op::Store(Width::W64)
                    | Op::LoadPart(Width::W64)
                    | Op::StorePart(Width::W64)
            );
            let lacks = |feature, these: bool| these && !target.features.contains(&feature);
            let whole =
                *op == Op::FloatUnary(FloatUnary::Exp2) && target.features.contains(&"avx512dq");
            let wanted = (!sequence || whole)
                && !wide
                && !lacks(
                    "avx512f",
                    matches!(op, Op::LoadPart(w) | Op::StorePart(w) if *w != Width::W32),
                )
                && !lacks("avx512vbmi", *op == Op::PermuteBytes)
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
        let k = kernel(&text);
        let mut noise = Noise(3);
        let regions: Vec<Vec<u8>> = [96, at + 6 * v]
            .iter()
            .map(|n| (0..*n).map(|_| noise.word() as u8).collect())
            .collect();
        same(&k, target, &regions);
    }
}

/// A page that ends where memory does.
struct Page(*mut u8);

unsafe extern "C" {
    fn mmap(at: *mut u8, len: usize, allowed: i32, flags: i32, file: i32, from: i64) -> *mut u8;
    fn mprotect(at: *mut u8, len: usize, allowed: i32) -> i32;
}

impl Page {
    const BYTES: usize = 4096;

    /// It is never given back.
    fn new() -> Page {
        let (read_write, private_anonymous) = (3, 0x22);
        // SAFETY: new memory, where the system likes; the second page of it may not be touched.
        unsafe {
            let at =
                mmap(std::ptr::null_mut(), 2 * Page::BYTES, read_write, private_anonymous, -1, 0);
            assert!(!at.is_null() && at as isize != -1, "no memory");
            assert_eq!(mprotect(at.add(Page::BYTES), Page::BYTES, 0), 0);
            Page(at)
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the page is ours, and nobody else sees it while the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.0, Page::BYTES) }
    }

    /// Where the last bytes begin, which are these.
    fn end(&mut self, bytes: &[u8]) -> u64 {
        let at = Page::BYTES - bytes.len();
        self.bytes()[at..].copy_from_slice(bytes);
        self.0 as u64 + at as u64
    }
}

#[test]
fn parts_of_vectors_touch_nothing_behind_them() {
    let (mut from, mut to) = (Page::new(), Page::new());
    let mut noise = Noise(21);
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        for (width, size) in [("w32", 4), ("u16", 2), ("s16", 2), ("u8", 1), ("s8", 1)] {
            if size < 4 && lanes < 16 {
                continue;
            }
            for n in 0..=lanes {
                for count in ["n".to_owned(), n.to_string()] {
                    let class = if size == 4 && count == "n" { "f" } else { "w" };
                    let k = kernel(&format!(
                        "machine part lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
                         slot 2 = pointer z x = arg 0 : i y = arg 1 : i z = arg 2 : i
                         n = read.w64 [y + 0] : i v = load.w32 [y + 8] : {class}
                         a = loadpart.{width} [x + 64], {count} : {class} store.w32 [y + 8], a
                         storepart.{width} [z + 64], v, {count} }}"
                    ));
                    let mut fill =
                        |n: usize| (0..n).map(|_| noise.word() as u8).collect::<Vec<u8>>();
                    let mut y = [(n as u64).to_le_bytes().to_vec(), fill(v)].concat();
                    let (x, z) = (fill(64 + size * n), fill(64 + size * n));
                    let wanted = interpreted(&k, &[x.clone(), y.clone(), z.clone()]);
                    to.bytes().fill(7);
                    let args = [from.end(&x), y.as_mut_ptr() as u64, to.end(&z)];
                    let e = emitted(&k, target);
                    let code = Native::default().load(&e.text, &["part"]).expect("code");
                    // SAFETY: the interpreter has run the same without leaving the regions.
                    unsafe { code.call(0, args.as_ptr(), 0) };
                    let at = Page::BYTES - z.len();
                    let place = format!("{} {width} {n}\n{}", target.name, e.text);
                    assert_eq!(y, wanted[1], "{place}");
                    assert_eq!(to.bytes()[at..], wanted[2], "{place}");
                    assert!(to.bytes()[..at].iter().all(|b| *b == 7), "{place}");
                }
            }
        }
    }
}

#[test]
fn gathers_leave_their_places_alone() {
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        let k = kernel(&format!(
            "machine g lanes {lanes} {{ slot 0 = pointer x slot 1 = pointer y
             x = arg 0 : i y = arg 1 : i i = load.w32 [y + 0] : w
             loop t in 0..3 step 1 {{
               o = imul t, {v} : i p = iadd x, o : i q = iadd y, o : i
               a = gather.w32 [p + 256], i : w b = wadd a, i : w store.w32 [q + {v}], b
               j = wadd i, i : w c = gather.w32 [x + 252], j : f store.w32 [q + {}], c
             }} }}",
            4 * v
        ));
        let mut noise = Noise(31);
        let x: Vec<u32> = (0..128 + 3 * lanes).map(|_| noise.word()).collect();
        let index = (0..lanes).map(|_| (noise.below(60) as u32).wrapping_sub(30));
        let y: Vec<u32> = index.chain(vec![0; 7 * lanes]).collect();
        let e = emitted(&k, target);
        assert_eq!((e.stats.inner_moves, e.stats.inner_stack), (0, 0), "{}", e.text);
        same(&k, target, &[bytes(&x), bytes(&y)]);
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
    let count = if full() { 3000 } else { 300 };
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

/// The machine kernels of a shipped op for a target.
fn shipped(name: &str, target: &'static Target) -> Result<Vec<Kernel>, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops").join(name);
    let op = kgen::compile::read(&file).unwrap_or_else(|e| panic!("{e}"));
    let schedule = kgen::Schedule::default_for(target);
    let choice = kgen_passes::Choice { target, schedule };
    let built = kgen_passes::build(&op, &choice).map_err(|e| e.to_string())?;
    let program = kgen_passes::optimise(&built, &choice).map_err(|e| e.to_string())?;
    Ok(kgen_passes::lower_explained(&program, &choice).map_err(|e| e.to_string())?.0)
}

/// Whatever the shipped ops need, natively: as compiled and run, as interpreted, is `ops_on_cpu`'s to say.
#[test]
fn shipped_kernels_become_code() {
    println!(
        "target kernel instructions bytes live spills parked moves stack | select allocate encode list"
    );
    for target in NATIVE {
        for name in ["flash_decode.toml", "w4a8_gemv.toml"] {
            let kernels = shipped(name, target).unwrap_or_else(|e| panic!("{}: {e}", target.name));
            for k in kernels {
                let Emitted { code, stats: s, .. } = emitted(&k, target);
                assert_eq!(code.len(), s.bytes);
                let t = s.times;
                println!(
                    "{} {} {} {} {} {} {} {} {} | {:?} {:?} {:?} {:?}",
                    target.name,
                    k.name,
                    s.instructions,
                    s.bytes,
                    s.max_live_vectors,
                    s.spills,
                    s.parked,
                    s.inner_moves,
                    s.inner_stack,
                    t.select,
                    t.allocate,
                    t.encode,
                    t.list
                );
            }
        }
    }
}

/// `rows` by `columns` sums of products over k, with values that only pass by the loop.
fn register_block(op: &str, lanes: usize, rows: usize, columns: usize, passing: usize) -> Kernel {
    let v = 4 * lanes;
    let class = if op == "fma" { "f" } else { "w" };
    let zero = if op == "fma" { "fconst" } else { "wconst" };
    let sums: Vec<String> =
        (0..rows).flat_map(|r| (0..columns).map(move |c| format!("{r}_{c}"))).collect();
    let list =
        |f: &dyn Fn(&str) -> String| sums.iter().map(|s| f(s)).collect::<Vec<_>>().join(", ");
    let mut text =
        format!("machine block lanes {lanes} {{ slot 0 = pointer a slot 1 = pointer b\n");
    text += "slot 2 = pointer c a = arg 0 : i b = arg 1 : i c = arg 2 : i\n";
    for i in 0..passing {
        let _ = writeln!(text, "p{i} = load.w32 [b + {}] : {class}", 4 * i);
    }
    let _ = writeln!(text, "zero = {zero} 0 : {class}");
    let _ = write!(text, "{} = loop k in 0..8 step 1", list(&|s| format!("r{s}")));
    let _ = writeln!(text, " carry {} {{", list(&|s| format!("s{s} = zero")));
    let _ = writeln!(text, "ao = imul k, {} : i bo = imul k, {} : i", 4 * rows, v * columns);
    text += "ap = iadd a, ao : i bp = iadd b, bo : i\n";
    for c in 0..columns {
        let _ = writeln!(text, "b{c} = load.w32 [bp + {}] : {class}", v * c);
    }
    for r in 0..rows {
        let _ = writeln!(text, "a{r} = splat.w32 [ap + {}] : {class}", 4 * r);
        for c in 0..columns {
            let _ = writeln!(text, "n{r}_{c} = {op} a{r}, b{c}, s{r}_{c} : {class}");
        }
    }
    let _ = writeln!(text, "}} yield {}", list(&|s| format!("n{s}")));
    for (i, s) in sums.iter().enumerate() {
        let _ = writeln!(text, "store.w32 [c + {}], r{s}", v * i);
    }
    for i in 0..passing {
        let _ = writeln!(text, "store.w32 [c + {}], p{i}", v * (sums.len() + i));
    }
    text += "}";
    kernel(&text)
}

#[test]
fn register_blocks_neither_move_nor_spill() {
    for target in NATIVE {
        let wide = target.lanes == 16;
        let shapes: &[(usize, usize)] =
            if wide { &[(6, 4), (4, 4), (14, 2), (9, 3)] } else { &[(6, 2), (4, 3)] };
        for (op, name) in [("fma", "vfmadd"), ("dot.u8s8", "vpdpbusd")] {
            if op != "fma" && !target.name.contains("vnni") {
                continue;
            }
            for ((rows, columns), passing) in
                shapes.iter().flat_map(|s| [0, 4, 8, 12].map(|p| (*s, p)))
            {
                let k = register_block(op, target.lanes, rows, columns, passing);
                let e = emitted(&k, target);
                let place =
                    format!("{} {op} {rows} x {columns}, {passing} pass\n{}", target.name, e.text);
                assert_eq!((e.stats.inner_moves, e.stats.inner_stack), (0, 0), "{place}");
                assert_eq!(e.text.matches(name).count(), rows * columns, "{place}");
                let live = rows * columns + columns + 1;
                let parked = (live + passing).saturating_sub(target.vectors - 2).min(passing);
                assert!(e.stats.parked >= parked, "{} parked; {place}", e.stats.parked);
                if targets().any(|t| t.name == target.name) {
                    let v = 4 * target.lanes;
                    let mut noise = Noise(11);
                    let small = |n: &mut Noise| f32::to_bits((n.below(64) as f32) - 32.0);
                    let fill: Vec<u32> = (0..8 * v).map(|_| small(&mut noise)).collect();
                    let regions =
                        [bytes(&fill), bytes(&fill), vec![0; v * (rows * columns + passing)]];
                    same(&k, target, &regions);
                }
            }
        }
    }
}

/// Every op with one operand at a time from where an instruction can read it itself.
#[test]
fn what_is_read_once_may_come_from_memory() {
    for target in targets() {
        let lanes = target.lanes;
        let v = 4 * lanes;
        for (_, op) in MNEMONICS {
            let signature = op.signature();
            let vectors = signature.uses.iter().all(|u| {
                matches!(
                    u,
                    Use::Of(Class::Float | Class::Word) | Use::Same | Use::Vector | Use::Imm
                )
            });
            if signature.mem
                || !vectors
                || signature.uses.is_empty()
                || signature.def == [Class::Int]
                || target.row(op).is_none() && !matches!(op, Op::Shuffle(_))
            {
                continue;
            }
            for (place, how) in (0..signature.uses.len()).flat_map(|p| (0..6).map(move |h| (p, h)))
            {
                for &def in signature.def {
                    let mut text = format!("machine fold lanes {lanes} {{ slot 0 = pointer x\n");
                    text += "x = arg 0 : i y = iadd x, 4 : i\n";
                    let mut list = Vec::new();
                    for (i, wanted) in signature.uses.iter().enumerate() {
                        let class = match wanted {
                            Use::Of(class) => class.letter(),
                            Use::Same | Use::Vector => def.letter(),
                            Use::Imm => {
                                list.push("5".to_owned());
                                continue;
                            }
                        };
                        list.push(format!("o{i}"));
                        let constant = if class == "f" { "fconst" } else { "wconst" };
                        let made = match if i == place { how } else { 9 } {
                            0 => format!("load.w32 [y + {}]", 8 * i + 1),
                            1 => format!("splat.w32 [y + {}]", 8 * i),
                            2 => format!("{constant} 1077936129"),
                            3 if class == "w" => format!("load.u16 [y + {}]", 2 * i),
                            4 if class == "w" => format!("splat.s8 [y + {}]", 2 * i),
                            _ => format!("load.w32 [x + {}]", v * i),
                        };
                        let _ = writeln!(text, "o{i} = {made} : {class}");
                        if how == 5 {
                            let _ = writeln!(text, "store.w32 [x + {}], o{i}", 512 + v * i);
                        }
                    }
                    // The same, with what is read written over before.
                    if how == 5 || place == 0 {
                        let _ = writeln!(text, "z = iota : w store.w32 [x + 0], z");
                    }
                    let _ = writeln!(text, "d = {op} {} : {}", list.join(", "), def.letter());
                    if def == Class::Mask {
                        text += "yes = wconst 1 : w no = wconst 0 : w e = select d, yes, no : w\n";
                        let _ = writeln!(text, "store.w32 [x + {}], e }}", 1024);
                    } else {
                        let _ = writeln!(text, "store.w32 [x + {}], d }}", 1024);
                    }
                    let k = kernel(&text);
                    let small = |i: u32| f32::to_bits((i % 37) as f32 - 17.5);
                    let region: Vec<u32> = (0..300).map(small).collect();
                    same(&k, target, &[bytes(&region)]);
                }
            }
        }
    }
}

#[test]
fn halves_are_converted_from_memory() {
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        for (between, loads) in [("", 2), ("store.w32 [p + 0], zero", 1)] {
            let k = kernel(&format!(
                "machine h lanes {lanes} {{ slot 0 = pointer p p = arg 0 : i zero = wconst 7 : w
                 w = load.w32 [p + 2] : w
                 a = cvt.f32.f16lo w : f {between}
                 b = cvt.f32.f16hi w : f
                 store.w32 [p + {v}], a store.w32 [p + {}], b }}",
                2 * v
            ));
            let e = emitted(&k, target);
            let from_memory = e.text.lines().filter(|l| l.contains("vcvtph2ps") && l.contains('['));
            assert_eq!(from_memory.count(), if loads == 2 { 2 } else { 0 }, "{}", e.text);
            let region: Vec<u32> =
                (0..3 * lanes as u32).map(|i| i.wrapping_mul(0x3c01_2e57)).collect();
            same(&k, target, &[bytes(&region)]);
        }
    }
}

#[test]
fn what_cannot_be_emitted_is_refused_with_a_way_out() {
    let target = &NATIVE[0];
    let told = |k: &Kernel| emit(k, target).expect_err("refused").to_string();
    let parsed = |text: &str| parse::parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
    for (text, error) in [
        ("machine t lanes 8 { }", "cannot do 8 lanes; instead: lower for 16 lanes"),
        (
            "machine t.u lanes 16 { }",
            "cannot do the kernel name `t.u`; instead: use letters, digits and `_`",
        ),
        (
            "machine t lanes 16 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : f b = tanh a : f }",
            "cannot do `tanh`; instead: expand it into ops of the target, or choose another schedule",
        ),
        ("machine t lanes 16 { a = wconst 1 : w b = wadd a, a : w }", ""),
    ] {
        let k = parsed(text);
        if error.is_empty() {
            emit(&k, target).unwrap_or_else(|e| panic!("{e}"));
        } else {
            assert!(told(&k).ends_with(error), "{}", told(&k));
        }
    }
    let clif = kgen_codegen::cpu::targets::TARGETS.first().expect("a target of CLIF");
    let e = emit(&parsed("machine t lanes 4 { }"), clif).expect_err("refused").to_string();
    assert!(e.ends_with("cannot do native code; instead: use the emitter of its backend"), "{e}");
}

/// Kernels that the verifier refuses are values here, too.
#[test]
fn wrong_kernels_never_panic() {
    let target = &NATIVE[0];
    let head = "machine t lanes 16 { slot 0 = pointer x x = arg 0 : i";
    for body in [
        "a = fadd x, x : f",
        "a = fconst 0 : w",
        "a = fconst x : f",
        "a = fneg 1 : f",
        "a = arg 1 : i",
        "a = fconst 0 : f b = load.w32 [a + 0] : f",
        "a = load.u8 [x + 0] : f",
        "a = load.w64 [x + 0] : w",
        "a = wconst 0 : w b = shl a, 32 : w",
        "a = loadpart.w32 [x + 0], 17 : w",
        "a = loadpart.u8 [x + 0], 3 : f",
        "a = iota : w storepart.w32 [x + 0], a, -1",
        "a = iota : w b = affine a, a, 256 : w",
        "a = gather.w32 [x + 0], x : w",
        "a = wconst 4294967296 : w",
        "a = idiv x, 0 : i",
        "a = iota : w b = shuffle[0,1,2,8] a, a : w",
        "loop t in 0..4 step 0 { }",
        "loop t in 0..4 step 1 { a = iota : w } loop u in 0..t step 1 { }",
        "if 0 < 1 { a = iota : w } store.w32 [x + 0], a",
        "a = loop t in 0..4 step 1 carry p = x { b = iota : w } yield b",
        "a = if 0 < 1 { b = iota : w } yield b else { } yield x",
    ] {
        let text = format!("{head} {body} }}");
        let k = parse::parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        assert!(verify(&k).is_err(), "{text}");
        let e = emit(&k, target).expect_err(&text).to_string();
        assert!(e.contains("cannot do") && e.contains("; instead: "), "{text}: {e}");
    }
    // What no text says: random programs with registers, operands and statements changed.
    let mut noise = Noise(77);
    let mut refused = 0;
    for seed in 0..if full() { 20_000 } else { 400 } {
        let mut k = kernel(&program(seed, 16, 0));
        for _ in 0..3 {
            damage(&mut k, &mut noise);
        }
        let verified = verify(&k).is_ok();
        let done = emit(&lower_or(&k, target), target);
        assert!(done.is_ok() || !verified, "{done:?}\n{k}");
        refused += usize::from(done.is_err());
    }
    assert!(refused > 100, "{refused}");
}

/// Expanded if it can be.
fn lower_or(kernel: &Kernel, target: &Target) -> Kernel {
    if verify(kernel).is_ok() { lower(kernel, target) } else { kernel.clone() }
}

fn damage(k: &mut Kernel, noise: &mut Noise) {
    fn each<'a>(list: &'a mut Vec<Stmt>, out: &mut Vec<&'a mut Inst>) {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => out.push(inst),
                Stmt::Loop(l) => each(&mut l.body, out),
                Stmt::If(i) => {
                    each(&mut i.then, out);
                    each(&mut i.otherwise, out);
                }
            }
        }
    }
    let regs = k.regs.len();
    let mut list = Vec::new();
    each(&mut k.body, &mut list);
    let n = noise.below(list.len());
    let other = noise.below(list.len());
    let op = list[other].op.clone();
    let (inst, reg) = (&mut list[n], Reg::new(noise.below(regs + 2)));
    match noise.below(7) {
        0 => inst.def = Some(reg),
        1 => inst.def = None,
        2 => inst.uses.push(Operand::Reg(reg)),
        3 => inst.uses.iter_mut().for_each(|u| *u = Operand::Reg(reg)),
        4 => inst.uses.iter_mut().for_each(|u| *u = Operand::Imm(-3)),
        5 => inst.mem = Some(Mem { base: reg, offset: i32::MIN }),
        _ => inst.op = op,
    }
}

/// Words and numbers of a line of assembly in the fashion of Intel: mnemonic, registers, then numbers. What only one of
/// the two disassemblers says is left out.
fn words_of(line: &str) -> (Vec<String>, Vec<i64>) {
    const SIZES: &[&str] =
        &["byte", "word", "dword", "qword", "xmmword", "ymmword", "zmmword", "ptr"];
    let (mut words, mut numbers) = (Vec::new(), Vec::new());
    let mut sign = 1;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()).max(1);
        let (token, after) = rest.split_at(end);
        let hex = token.strip_suffix('h').and_then(|t| u64::from_str_radix(t, 16).ok());
        if let Some(x) = hex.or_else(|| token.parse().ok()).filter(|_| c.is_ascii_digit()) {
            numbers.push(sign * x as i64);
        } else if token == "bcst" || token.starts_with("1to") {
            words.push("bcst".into());
        } else if token.len() > 1 && !SIZES.contains(&token) {
            words.push(token.into());
        }
        sign = if token == "-" {
            -1
        } else if token == " " {
            sign
        } else {
            1
        };
        rest = after;
    }
    // Said before the address by one, behind it by the other.
    words.sort_by_key(|w: &String| w == "bcst");
    numbers.retain(|x| *x != 1 && *x != 0); // a scale or an offset that need not be said
    numbers.sort_unstable();
    (words, numbers)
}

/// Rows that touch the memory of some lanes.
fn some_lanes(target: &Target) -> Vec<Kernel> {
    let widths = [Width::W32, Width::U16, Width::S16, Width::U8, Width::S8];
    let has = |w: &Width| target.row(&Op::LoadPart(*w)).is_some();
    let mut text = String::new();
    for (i, w) in widths.into_iter().filter(has).enumerate() {
        let (load, store) = (Op::LoadPart(w), Op::StorePart(w));
        let _ =
            writeln!(text, "a{i} = {load} [x + {i}], {i} : w {store} [x + {}], a{i}, {i}", 64 * i);
    }
    let lanes = target.lanes;
    vec![kernel(&format!(
        "machine some lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i {text}
         g = gather.w32 [x + 5], a0 : w h = gather.w32 [x + 64], g : f store.w32 [x + 0], h }}"
    ))]
}

/// The encodings as LLVM's disassembler reads them.
#[test]
fn another_disassembler_reads_the_same() {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for target in NATIVE {
        let mut kernels: Vec<Kernel> = (0..60)
            .map(|seed| {
                lower(&kernel(&program(seed, target.lanes, 40 * (seed as usize % 2))), target)
            })
            .collect();
        for name in ["flash_decode.toml", "w4a8_gemv.toml"] {
            kernels.extend(shipped(name, target).expect("kernels"));
        }
        kernels.extend(some_lanes(target));
        for (_, op) in MNEMONICS.iter().filter(|(_, op)| !optional(op) || target.row(op).is_some())
        {
            let signature = op.signature();
            let lanes = signature.def.iter().filter(|d| **d != Class::Int && !signature.mem);
            kernels.extend(lanes.map(|d| lower(&over_arrays(op, *d, 1, target.lanes), target)));
        }
        for k in kernels {
            for line in emitted(&k, target).text.lines().skip(1) {
                let (_, rest) = line.split_once(": ").expect("an offset");
                let (hex, text) = rest.split_once(' ').expect("text");
                let skip = ["nop", "constant", "j", "["].map(|s| text.trim().starts_with(s));
                // Constants stand at addresses that depend on the place of the code.
                if skip == [false; 4] && !text.contains("[0") && !pool(text) {
                    lines.insert(hex.into(), text.trim().into());
                }
            }
        }
    }
    let dir = std::env::temp_dir().join(format!("kgen-llvm-{}", std::process::id()));
    let pairs = |hex: &str| -> String {
        hex.as_bytes().chunks(2).map(|p| format!("0x{} ", String::from_utf8_lossy(p))).collect()
    };
    let input: String = lines.keys().map(|hex| pairs(hex) + "\n").collect();
    std::fs::write(&dir, input).expect("a file");
    let features = "-mattr=+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,+avx512vbmi,+avx512bf16,+gfni,+avx2,+fma,+f16c,+avxvnni";
    let run = std::process::Command::new("llvm-mc")
        .args(["--disassemble", "--triple=x86_64", "--output-asm-variant=1", features])
        .arg(&dir)
        .output();
    let _ = std::fs::remove_file(&dir);
    let Ok(run) = run else {
        println!("SKIPPED: llvm-mc is not installed (Debian: apt-get install llvm)");
        return;
    };
    let text = String::from_utf8_lossy(&run.stdout).replace("lock\n", "lock ");
    let theirs: Vec<&str> =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('.')).collect();
    assert_eq!(theirs.len(), lines.len(), "{}", String::from_utf8_lossy(&run.stderr));
    for ((hex, ours), theirs) in lines.iter().zip(theirs) {
        let theirs = theirs.trim_start_matches("{vex}").split('#').next().unwrap_or_default();
        let theirs = theirs.replace('\t', " ");
        assert_eq!(words_of(ours), words_of(theirs.trim()), "{hex}: {ours}; {theirs}");
    }
    println!("{} encodings agree", lines.len());
}

/// Whether the line reads a constant behind the code.
fn pool(text: &str) -> bool {
    text.split_once('[').is_some_and(|(_, m)| m.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn sums_that_start_from_one_word_start_without_copies() {
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        for (start, write) in [
            ("splat.w32 [p + 4]", ""),
            ("wconst 77", ""),
            ("splat.w32 [p + 4]", "store.w32 [p + 0], d0"),
        ] {
            let mut text = format!("machine s lanes {lanes} {{ slot 0 = pointer p p = arg 0 : i\n");
            let _ =
                writeln!(text, "loop t in 0..3 step 1 {{ w = load.w32 [p + 0] : w c = {start} : w");
            for i in 0..3 {
                let _ = writeln!(text, "a{i} = load.w32 [p + {}] : w", 8 * i);
                let _ = writeln!(text, "d{i} = dot.s16s16 a{i}, w, c : w {write}");
            }
            for i in 0..3 {
                let _ = writeln!(text, "store.w32 [p + {}], d{i}", v * (i + 1));
            }
            text += "} }";
            let k = kernel(&text);
            let e = emitted(&k, target);
            assert!(e.stats.inner_moves == 0 || !write.is_empty(), "{}", e.text);
            let region: Vec<u32> =
                (0..4 * lanes as u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
            same(&k, target, &[bytes(&region)]);
        }
    }
}
