//! Machine kernels through Cranelift on this CPU against the interpreter: every row, sequences, random programs,
//! and the code they become.
#![allow(unsafe_code)] // runs compiled code

use half::f16;
use kgen_ir::{
    machine::{print::MNEMONICS, verify::verify, *},
    target::Target,
};
use kgen_passes::machine::{expand, share};
use kgen_runtime::driver::cranelift::{Code, Options};
use kgen_tests::machine_programs::*;
use std::fmt::Write;

fn target() -> &'static Target {
    let name = if cfg!(target_arch = "aarch64") {
        "aarch64/cranelift"
    } else {
        "x86-64-v3-vnni/cranelift"
    };
    kgen_codegen::target(name).expect("a row of the target table")
}

fn lower(kernel: &Kernel) -> Kernel {
    let out =
        share(expand(kernel.clone(), target()).expect("sequences"), target()).expect("shares");
    verify(&out).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{out}"));
    out
}

fn compile(kernel: &Kernel) -> Code {
    let text = kgen_codegen::cpu::emit(kernel, target()).expect("every op has a row");
    let options = Options { verify: true, disassembly: true };
    Code::compile_with(&text, options).unwrap_or_else(|e| panic!("{e}\n{kernel}\n{text}"))
}

/// Runs compiled code on copies of the regions, one slot each.
fn compiled(kernel: &Kernel, regions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut regions = regions.to_vec();
    let args: Vec<u64> = regions.iter_mut().map(|r| r.as_mut_ptr() as u64).collect();
    let code = compile(kernel);
    let entry = code.entry(&kernel.name).expect("the kernel's own name");
    // SAFETY: the interpreter has run the same kernel on the same regions without leaving them.
    unsafe { entry.call(args.as_ptr(), 0) };
    regions
}

fn compare(op: &Op, inputs: &[Vec<u32>; 3]) {
    let signature = op.signature();
    for &def in signature.def {
        let k = over_arrays(op, def, inputs[0].len(), 4);
        let mut regions: Vec<Vec<u8>> = inputs.iter().map(|w| bytes(w)).collect();
        regions.push(vec![0; regions[0].len()]);
        let wanted = words(&interpreted(&k, &regions)[3]);
        let lowered = lower(&k);
        let again = words(&interpreted(&lowered, &regions)[3]);
        let got = words(&compiled(&lowered, &regions)[3]);
        for i in 0..wanted.len() {
            for (who, x) in [("interpreted", again[i]), ("compiled", got[i])] {
                let (e, from) = (wanted[i], inputs.iter().map(|v| v[i]).collect::<Vec<_>>());
                let nan = is_nan(op, def, x) && is_nan(op, def, e);
                assert!(x == e || nan, "{op} {from:x?}, {who}: {x:#x}, expected {e:#x}\n{lowered}");
            }
        }
    }
}

#[test]
fn every_row_of_lanes_does_what_it_means() {
    let inputs = operands(7);
    for (_, op) in MNEMONICS {
        let signature = op.signature();
        let approximate = matches!(op, Op::FloatUnary(f) if FloatUnary::APPROXIMATE.contains(f));
        if signature.mem || approximate || signature.def.is_empty() || optional(op) {
            continue; // their own tests
        }
        if signature.def == [Class::Int] {
            continue;
        }
        compare(op, &inputs);
    }
    // The second is made of the first here.
    for op in [Op::ShuffleBytes, Op::PermuteBytes] {
        compare(&op, &inputs);
    }
    for table in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 4, 1, 5], [6, 2, 7, 3], [5, 5, 0, 0]] {
        compare(&Op::Shuffle(table.to_vec()), &inputs);
    }
    for n in [0, 1, 7, 31] {
        for op in ["shl", "shr", "sar"] {
            let text = format!(
                "machine s lanes 4 {{ slot 0 = pointer x p = arg 0 : i
                 v = load.w32 [p + 0] : w d = {op} v, {n} : w store.w32 [p + 16], d }}"
            );
            let k = kernel(&text);
            let region = vec![bytes(&[1, 0x8000_0000, 0xdead_beef, u32::MAX, 0, 0, 0, 0])];
            assert_eq!(compiled(&k, &region), interpreted(&k, &region), "{op} {n}");
            if n < 16 {
                let k = kernel(&text.replace(op, &format!("h.{op}")));
                assert_eq!(compiled(&k, &region), interpreted(&k, &region), "h.{op} {n}");
            }
        }
    }
}

#[test]
fn every_half_converts_exactly_both_ways() {
    // The high half reads as anything.
    let halves: Vec<u32> = (0..65536u32).map(|h| h | (h.wrapping_mul(0x9e37) << 16)).collect();
    let all = [halves.clone(), halves.clone(), halves];
    compare(&Op::Cvt(Cvt::FloatFromF16), &all);
    compare(&Op::Cvt(Cvt::FloatFromF16Low), &all);
    compare(&Op::Cvt(Cvt::FloatFromF16High), &all);
    compare(&Op::Cvt(Cvt::FloatFromBf16), &all);
    // Every half in f32, half way to the next, and both sides of that.
    let floats: Vec<u32> = (0..65536u32)
        .flat_map(|h| {
            let x = f16::from_bits(h as u16).to_f32().to_bits();
            [x, x.wrapping_add(0x1000), x.wrapping_add(0x0fff), x.wrapping_add(0x1001)]
        })
        .collect();
    let all = [floats.clone(), floats.clone(), floats];
    compare(&Op::Cvt(Cvt::F16FromFloat), &all);
    compare(&Op::Cvt(Cvt::Bf16FromFloat), &all);
}

#[test]
fn sequences_keep_their_promise() {
    let run = |k: &Kernel, regions: &[Vec<u8>]| compiled(&lower(k), regions);
    assert!(sweep(FloatUnary::Exp2, f64::exp2, 4, &run) < 1.5);
    assert!(sweep(FloatUnary::Log2, f64::log2, 4, &run) < 4.0);
    assert!(sweep(FloatUnary::Tanh, f64::tanh, 4, &run) < 4.0);
}

/// The largest error of a wave, in its bound 2 u (1 + |x|).
fn waves(op: FloatUnary, meaning: fn(f64) -> f64) -> f64 {
    let mut floats: Vec<u32> = (0..1u32 << 20).map(|i| i << 12 | ((i * 37) & 0xfff)).collect();
    floats.extend((0..1 << 18).map(|i| ((i - (1 << 17)) as f32 / 1000.0).to_bits()));
    floats.extend((0..1 << 16).map(|i| (i as f32 * std::f32::consts::FRAC_PI_2).to_bits()));
    let op = Op::FloatUnary(op);
    let k = lower(&over_arrays(&op, Class::Float, floats.len(), 4));
    let region = bytes(&floats);
    let regions = vec![region.clone(), Vec::new(), Vec::new(), region];
    let got = words(&compiled(&k, &regions)[3]);
    let mut worst = (0f64, 0f64);
    for (x, g) in floats.iter().zip(got) {
        let (x, g) = (f64::from(f32::from_bits(*x)), f64::from(f32::from_bits(g)));
        if !x.is_finite() {
            assert!(g.is_nan(), "{op} {x:e}: {g:e}");
            continue;
        }
        assert!((-1.0..=1.0).contains(&g), "{op} {x:e}: {g:e}");
        let share = (g - meaning(x)).abs() / (2f64.powi(-23) * (1.0 + x.abs()));
        if share > worst.0 {
            worst = (share, x);
        }
    }
    println!("{op}: {} of the bound at {:e}", worst.0, worst.1);
    worst.0
}

#[test]
fn waves_keep_their_bound() {
    assert!(waves(FloatUnary::Sin, f64::sin) < 1.0);
    assert!(waves(FloatUnary::Cos, f64::cos) < 1.0);
}

#[test]
fn memory_rows_extend_and_truncate() {
    let mut text = String::from("machine memory lanes 4 { slot 0 = pointer x slot 1 = pointer y\n");
    text += "x = arg 0 : i y = arg 1 : i n = iadd y, 8 : i\n";
    let mut at = 16;
    for w in ["w32", "u16", "s16", "u8", "s8"] {
        let _ = writeln!(text, "l{w} = load.{w} [x + 3] : w store.w32 [y + {at}], l{w}");
        let _ = writeln!(text, "s{w} = splat.{w} [x + 5] : w store.w32 [y + {}], s{w}", at + 16);
        let _ = writeln!(text, "store.{w} [n + {}], l{w}", at + 24);
        let _ = writeln!(text, "r{w} = read.{w} [x + 7] : i write.w64 [y + {}], r{w}", at + 48);
        let _ = writeln!(text, "write.{w} [n + {}], r{w}", at + 48);
        at += 64;
    }
    text += "c = next [y + 0], 5 : i write.w64 [y + 8], c prefetch.2 [x + 0]\n";
    text += "f = load.w32 [x + 1] : f store.w32 [y + 336], f g = splat.w32 [x + 1] : f\n";
    text += "store.u16 [y + 352], g j = worker : i v = spread j : w store.u8 [y + 360], v\n";
    text += "q = iota : w store.w32 [y + 368], q }";
    let k = kernel(&text);
    let mut noise = Noise(3);
    let regions: Vec<Vec<u8>> =
        [32, 400].iter().map(|n| (0..*n).map(|_| noise.word() as u8).collect()).collect();
    assert_eq!(compiled(&k, &regions), interpreted(&k, &regions));
}

#[test]
fn integers_round_down() {
    let mut text = String::from("machine ints lanes 4 { slot 0 = pointer x x = arg 0 : i\n");
    text += "a = read.w64 [x + 0] : i b = read.w64 [x + 8] : i\n";
    let ops = ["iadd", "isub", "imul", "idiv", "irem", "imin", "imax"];
    for (i, op) in ops.iter().enumerate() {
        let at = 16 + 32 * i;
        for (j, by) in ["b", "7", "8", "1"].iter().enumerate() {
            let _ = writeln!(text, "r{i}_{j} = {op} a, {by} : i");
            let _ = writeln!(text, "write.w64 [x + {}], r{i}_{j}", at + 8 * j);
        }
    }
    text += "}";
    let k = kernel(&text);
    for a in [-17i64, -16, -8, -7, -1, 0, 1, 7, 8, 15, i64::MIN, i64::MAX] {
        for b in [1i64, 3, 16, i64::MAX] {
            let mut region = vec![0; 16 + 32 * ops.len()];
            region[..8].copy_from_slice(&a.to_le_bytes());
            region[8..16].copy_from_slice(&b.to_le_bytes());
            let regions = [region];
            assert_eq!(compiled(&k, &regions), interpreted(&k, &regions), "{a} {b}");
        }
    }
}

#[test]
fn random_programs_agree() {
    for seed in 0..300 {
        let (k, regions) = (kernel(&program(seed, 4, 0)), regions(seed));
        let wanted = interpreted(&k, &regions);
        let lowered = lower(&k);
        assert_eq!(interpreted(&lowered, &regions), wanted, "passes, seed {seed}\n{k}\n{lowered}");
        assert_eq!(compiled(&lowered, &regions), wanted, "code, seed {seed}\n{lowered}");
    }
}

/// Eight accumulators carried through a loop.
fn accumulators(op: &str, class: &str) -> Kernel {
    let mut text = String::from("machine acc lanes 4 { slot 0 = pointer x slot 1 = pointer y\n");
    text += "slot 2 = pointer z x = arg 0 : i y = arg 1 : i z = arg 2 : i\n";
    let zero = if class == "f" { "fconst" } else { "wconst" };
    let _ = writeln!(text, "zero = {zero} 0 : {class}");
    let list = |f: &dyn Fn(usize) -> String| (0..8).map(f).collect::<Vec<_>>().join(", ");
    let _ = write!(text, "{} = loop o in 0..64 step 16", list(&|i| format!("r{i}")));
    let _ = writeln!(text, " carry {} {{", list(&|i| format!("a{i} = zero")));
    text += "p = iadd x, o : i q = iadd y, o : i\n";
    let _ = writeln!(text, "v = load.w32 [p + 0] : {class}");
    for i in 0..8 {
        let _ = writeln!(text, "w{i} = load.w32 [q + {}] : {class}", 64 * i);
        let _ = writeln!(text, "b{i} = {op} v, w{i}, a{i} : {class}");
    }
    let _ = writeln!(text, "}} yield {}", list(&|i| format!("b{i}")));
    for i in 0..8 {
        let _ = writeln!(text, "store.w32 [z + {}], r{i}", 16 * i);
    }
    text += "}";
    kernel(&text)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_dot_is_one_instruction_and_loops_keep_off_the_stack() {
    let vnni = is_x86_feature_detected!("avxvnni")
        || is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
    for (op, class, name) in [("dot.u8s8", "w", "vpdpbusd"), ("fma", "f", "vfmadd")] {
        if op == "dot.u8s8" && !vnni {
            println!("skipped: this CPU has no VNNI");
            continue;
        }
        let k = accumulators(op, class);
        let code = compile(&k);
        let listing = code.disassembly("acc").expect("asked for");
        assert_eq!(listing.matches(name).count(), 8, "{listing}");
        // Saving and restoring the frame pointer is all that touches the stack.
        let frame = ["pushq", "popq", "movq %rsp, %rbp", "movq %rbp, %rsp"];
        let touches = |l: &&str| l.contains("rsp") || l.contains("rbp");
        let inside: Vec<&str> = listing
            .lines()
            .filter(touches)
            .filter(|l| !frame.iter().any(|f| l.contains(f)))
            .collect();
        assert!(inside.is_empty(), "{inside:?}\n{listing}");
        let mut noise = Noise(11);
        let x: Vec<u32> = (0..16 * 9).map(|_| noise.word() & 0x7f7f_7f7f).collect();
        let regions = [bytes(&x[..16]), bytes(&x[16..]), vec![0; 128]];
        assert_eq!(compiled(&k, &regions), interpreted(&k, &regions));
    }
}

#[test]
fn what_a_target_lacks_is_refused_with_a_way_out() {
    let k = kernel(
        "machine t lanes 4 { slot 0 = pointer x x = arg 0 : i
        a = load.w32 [x + 0] : f b = tanh a : f store.w32 [x + 0], b }",
    );
    let e = kgen_codegen::cpu::emit(&k, target()).expect_err("no row");
    assert!(e.to_string().contains("cannot do `tanh`; instead: expand it"), "{e}");
    let k = kernel("machine t lanes 8 { }");
    let e = kgen_codegen::cpu::emit(&k, target()).expect_err("eight lanes");
    assert!(e.to_string().contains("cannot do 8 lanes; instead: lower for 4 lanes"), "{e}");
    let k = kernel("machine t.u lanes 4 { }");
    let e = kgen_codegen::cpu::emit(&k, target()).expect_err("a dot");
    assert!(e.to_string().contains("cannot do the kernel name `t.u`; instead: use letters"), "{e}");
    assert!(kgen_codegen::target("z80").is_none());
}

#[test]
fn bad_clif_is_an_error_with_its_line() {
    let error = |text: &str| Code::compile(text).err().expect("bad text").to_string();
    let e = error("function %f(i64, i64) system_v {\nblock0(v0: i64, v1: i64):\n nonsense\n}");
    assert!(e.starts_with("CLIF text, line 3"), "{e}");
    let e = error("function %f(i64) system_v {\nblock0(v0: i64):\n return\n}");
    assert!(e.starts_with("function f does not compile: its signature"), "{e}");
}
