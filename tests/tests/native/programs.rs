//! Whole kernels: loops, random programs, shipped ops, register blocks.

use super::{emitted, full, lower, same, targets};
use kgen_codegen::cpu::{native::Emitted, targets::NATIVE};
use kgen_ir::{machine::*, target::Target};
use kgen_tests::machine_programs::*;
use std::{fmt::Write, path::Path};

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

/// `a | b & c`, one instruction where there is one: by the second operand, by the first, of both only one, of a constant
/// that others read. Not where another reads the `and`, an operand is memory, or the `and` stands in another block.
#[test]
fn an_or_takes_the_bits_of_an_and() {
    let joined = [
        "p# = and b, c : w o# = or a, p# : w",
        "p# = and b, c : w o# = or p#, a : w",
        "p# = and a, b : w q# = and c, d : w o# = or p#, q# : w",
        "k# = wconst 252645135 : w y# = xor d, k# : w p# = and b, k# : w o# = or a, p# : w",
    ];
    let apart = [
        "p# = and b, c : w q# = or a, p# : w o# = wadd q#, p# : w",
        "p# = and b, c : w o# = or p#, p# : w",
        "m# = load.w32 [x + 1] : w p# = and b, m# : w o# = or a, p# : w",
        "m# = load.w32 [x + 1] : w p# = and b, c : w o# = or m#, p# : w",
        "p# = and b, c : w o# = loop t# in 0..2 step 1 carry s# = a { u# = or s#, p# : w } yield u#",
    ];
    for target in targets() {
        let (lanes, v) = (target.lanes, 4 * target.lanes);
        let mut text = format!("machine bits lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i\n");
        for (name, at) in ["a", "b", "c", "d"].into_iter().zip(0..) {
            let _ = writeln!(text, "{name} = load.w32 [x + {}] : w", at * v);
        }
        let mut out = 4 * v;
        for (i, line) in joined.iter().chain(&apart).enumerate() {
            let line = line.replace('#', &i.to_string());
            let _ = writeln!(text, "{line} store.w32 [x + {out}], o{i}");
            out += v;
        }
        let k = kernel(&(text + "}"));
        let mut noise = Noise(9);
        same(&k, target, &[(0..out).map(|_| noise.word() as u8).collect()]);
        let count = emitted(&k, target).text.matches("vpternlogd").count();
        let wide = target.features.contains(&"avx512f");
        assert_eq!(count, if wide { joined.len() } else { 0 }, "{}", target.name);
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
pub(super) fn shipped(name: &str, target: &'static Target) -> Result<Vec<Kernel>, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops").join(name);
    let op = kgen::compile::read(&file).unwrap_or_else(|e| panic!("{e}"));
    let schedule = kgen::Schedule::default_for(target);
    let choice = kgen_passes::Choice { target, schedule };
    let built = kgen_passes::build(&op, &choice).map_err(|e| e.to_string())?;
    let program = kgen_passes::optimise(built, &choice).map_err(|e| e.to_string())?;
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
                let parked = (live + passing).saturating_sub(target.vectors).min(passing);
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
