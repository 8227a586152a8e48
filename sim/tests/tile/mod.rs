//! A tile of attention for tensor cores, written out: 128 queries, 256 keys, 64 dimensions, eight warps of 16 rows.
//!
//! ```text
//! cp.async Q, K | cp.async V | S = Q K^T by mma | row maxima, ex2, row sums | O = P V by mma | O / sum
//! ```
//!
//! Rows of shared memory have 128 bytes, whose eight pieces of 16 are exchanged by the last three bits of the row.

use kgen_sim::ptx::{Arg, Launch, Memory, Module, Report, run};
use std::fmt::Write;

pub const ROWS: usize = 128;
pub const KEYS: usize = 256;
pub const DIMS: usize = 64;
const THREADS: usize = 256;
/// Bytes of shared memory: Q, K, V.
pub const SHARED: u32 = 2 * (ROWS + 2 * KEYS) as u32 * DIMS as u32;

struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.0, "    {line}");
    }
}

/// The kernel: `tile(q, k, v, o)`, f16 to f32, scores as they are, to the base 2.
pub fn text() -> String {
    let mut t = Text(String::new());
    t.0 += ".version 7.0\n.target sm_80\n.address_size 64\n.extern .shared .align 128 .b8 smem[];\n\
        .visible .entry tile(.param .u64 q, .param .u64 k, .param .u64 v, .param .u64 o) {\n\
        .reg .b64 %d<20>;\n.reg .b32 %r<60>;\n.reg .b32 %a<16>;\n.reg .b32 %b<8>;\n.reg .f32 %s<128>;\n.reg .f32 %o<32>;\n\
        .reg .f32 %m<8>;\n.reg .b16 %h<2>;\n";
    for line in [
        "ld.param.u64 %d0, [q];",
        "ld.param.u64 %d1, [k];",
        "ld.param.u64 %d2, [v];",
        "ld.param.u64 %d3, [o];",
        "mov.u32 %r0, %tid.x;",
        "mov.u32 %r1, smem;",
        "and.b32 %r2, %r0, 31;",
        "shr.u32 %r3, %r0, 5;",
        // A thread's piece of a copy: row tid / 8, piece tid % 8; the swizzled place of it.
        "shr.u32 %r4, %r0, 3;",
        "and.b32 %r5, %r0, 7;",
        "and.b32 %r6, %r4, 7;",
        "xor.b32 %r6, %r6, %r5;",
        "shl.b32 %r6, %r6, 4;",
        "shl.b32 %r7, %r4, 7;",
        "add.u32 %r6, %r6, %r7;",
        "add.u32 %r6, %r6, %r1;",
        "mul.wide.u32 %d4, %r0, 16;",
        "add.s64 %d5, %d0, %d4;",
        "add.s64 %d6, %d1, %d4;",
        "add.s64 %d7, %d2, %d4;",
    ] {
        t.line(line);
    }
    // 32 rows of 128 bytes a turn of all threads.
    let mut copy = |from: &str, rows: usize, at: usize| {
        for turn in 0..rows / 32 {
            let (to, on) = (at + 4096 * turn, 4096 * turn);
            t.line(&format!("cp.async.cg.shared.global [%r6+{to}], [{from}+{on}], 16;"));
        }
        t.line("cp.async.commit_group;");
    };
    let (at_k, at_v) = (128 * ROWS, 128 * (ROWS + KEYS));
    copy("%d5", ROWS, 0);
    copy("%d6", KEYS, at_k);
    copy("%d7", KEYS, at_v);
    for line in [
        "cp.async.wait_group 1;",
        "bar.sync 0;",
        // Rows of ldmatrix: lane % 16 of the warp's own, the piece of lane / 16.
        "and.b32 %r8, %r2, 15;",
        "shr.u32 %r9, %r2, 4;",
        "and.b32 %r10, %r2, 7;",
        "shl.b32 %r11, %r3, 4;",
        "add.u32 %r11, %r11, %r8;",
        "shl.b32 %r11, %r11, 7;",
        "add.u32 %r11, %r11, %r1;",
        // K: row lane % 8 of both halves of 16 keys, pieces by lane / 8 % 2.
        "shr.u32 %r12, %r2, 1;",
        "and.b32 %r12, %r12, 8;",
        "add.u32 %r12, %r12, %r10;",
        "shl.b32 %r12, %r12, 7;",
        "add.u32 %r12, %r12, %r1;",
        "shr.u32 %r13, %r2, 3;",
        "and.b32 %r13, %r13, 1;",
        // V: row lane % 16 of 16 keys.
        "shl.b32 %r14, %r8, 7;",
        "add.u32 %r14, %r14, %r1;",
    ] {
        t.line(line);
    }
    // The place of piece 2 i + half, swizzled, for Q and V (%r20+) and K (%r24+).
    for i in 0..4 {
        for (half, to) in [(9, 20 + i), (13, 24 + i)] {
            t.line(&format!("add.u32 %r15, %r{half}, {};", 2 * i));
            t.line("xor.b32 %r15, %r15, %r10;");
            t.line(&format!("shl.b32 %r{to}, %r15, 4;"));
        }
    }
    for i in 0..4 {
        t.line(&format!("add.u32 %r16, %r11, %r{};", 20 + i));
        let a = 4 * i;
        let to = format!("{{%a{}, %a{}, %a{}, %a{}}}", a, a + 1, a + 2, a + 3);
        t.line(&format!("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {to}, [%r16];"));
    }
    (0..128).for_each(|i| t.line(&format!("mov.f32 %s{i}, 0f00000000;")));
    for pair in 0..KEYS / 16 {
        for i in 0..4 {
            t.line(&format!("add.u32 %r16, %r12, %r{};", 24 + i));
            t.line(&format!(
                "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%b0, %b1, %b2, %b3}}, [%r16+{}];",
                at_k + 2048 * pair
            ));
            for half in 0..2 {
                let s = 8 * pair + 4 * half;
                mma(
                    &mut t,
                    "s",
                    s,
                    &format!("%a{}, %a{}, %a{}, %a{}", 4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3),
                    2 * half,
                );
            }
        }
    }
    // Two rows a lane: maxima in %m0 and %m1, sums in %m2 and %m3.
    for row in 0..2 {
        t.line(&format!("mov.f32 %m{row}, %s{};", 2 * row));
        for i in 0..128 {
            if i / 2 % 2 == row {
                t.line(&format!("max.f32 %m{row}, %m{row}, %s{i};"));
            }
        }
        across(&mut t, "max", row);
        t.line(&format!("mov.f32 %m{}, 0f00000000;", 2 + row));
        for i in (0..128).filter(|i| i / 2 % 2 == row) {
            t.line(&format!("sub.f32 %s{i}, %s{i}, %m{row};"));
            t.line(&format!("ex2.approx.f32 %s{i}, %s{i};"));
            t.line(&format!("add.f32 %m{}, %m{}, %s{i};", 2 + row, 2 + row));
        }
        across(&mut t, "add", 2 + row);
    }
    (0..32).for_each(|i| t.line(&format!("mov.f32 %o{i}, 0f00000000;")));
    t.line("cp.async.wait_group 0;");
    t.line("bar.sync 0;");
    for step in 0..KEYS / 16 {
        for (i, r) in [(0, 40), (2, 41), (4, 42), (6, 43)] {
            let s = 8 * step + i;
            t.line(&format!("cvt.rn.f16x2.f32 %r{r}, %s{}, %s{s};", s + 1));
        }
        for i in 0..4 {
            t.line(&format!("add.u32 %r16, %r14, %r{};", 20 + i));
            t.line(&format!(
                "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {{%b0, %b1, %b2, %b3}}, [%r16+{}];",
                at_v + 2048 * step
            ));
            for half in 0..2 {
                mma(&mut t, "o", 8 * i + 4 * half, "%r40, %r41, %r42, %r43", 2 * half);
            }
        }
    }
    for line in [
        // Row 16 warp + lane / 4, column 2 (lane % 4).
        "shr.u32 %r30, %r2, 2;",
        "shl.b32 %r31, %r3, 4;",
        "add.u32 %r30, %r30, %r31;",
        "shl.b32 %r30, %r30, 6;",
        "and.b32 %r31, %r2, 3;",
        "shl.b32 %r31, %r31, 1;",
        "add.u32 %r30, %r30, %r31;",
        "mul.wide.u32 %d8, %r30, 4;",
        "add.s64 %d9, %d3, %d8;",
    ] {
        t.line(line);
    }
    for i in (0..32).step_by(2) {
        let row = i / 2 % 2;
        let at = 4 * (8 * (i / 4) + 512 * row);
        t.line(&format!("div.rn.f32 %o{i}, %o{i}, %m{};", 2 + row));
        t.line(&format!("div.rn.f32 %o{}, %o{}, %m{};", i + 1, i + 1, 2 + row));
        t.line(&format!("st.global.v2.f32 [%d9+{at}], {{%o{i}, %o{}}};", i + 1));
    }
    t.line("ret;");
    t.0 += "}\n";
    t.0
}

fn mma(t: &mut Text, sum: &str, at: usize, a: &str, b: usize) {
    let d = format!("{{%{sum}{at}, %{sum}{}, %{sum}{}, %{sum}{}}}", at + 1, at + 2, at + 3);
    t.line(&format!(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {d}, {{{a}}}, {{%b{b}, %b{}}}, {d};",
        b + 1
    ));
}

/// The four lanes of a row.
fn across(t: &mut Text, op: &str, m: usize) {
    for distance in [1, 2] {
        t.line(&format!("shfl.sync.bfly.b32 %m4, %m{m}, {distance}, 31, -1;"));
        t.line(&format!("{op}.f32 %m{m}, %m{m}, %m4;"));
    }
}

/// Values that f16 holds, -2 to 2.
pub fn values(rows: usize, salt: usize) -> Vec<f64> {
    (0..rows * DIMS)
        .map(|i| ((((i + salt) * 2_654_435_761) >> 7) % 129) as f64 / 32.0 - 2.0)
        .collect()
}

fn halves(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|x| half::f16::from_f64(*x).to_le_bytes()).collect()
}

/// What came of a run.
pub struct Ran {
    /// The largest error against f64.
    pub worst: f64,
    pub report: Report,
    /// What the simulator took.
    #[allow(dead_code, reason = "tests do not ask")]
    pub seconds: f64,
    /// What the outputs are as a function of the inputs, where that was followed.
    #[allow(dead_code, reason = "the bench does not ask")]
    pub terms: Vec<u64>,
}

/// Runs a text in place of [`text`].
pub fn simulate(text: &str, launch: &Launch) -> Result<Ran, String> {
    let module = Module::parse(text).map_err(|e| e.to_string())?;
    let entry = module.entry("tile").ok_or("no kernel `tile`")?;
    let [q, k, v] = [values(ROWS, 1), values(KEYS, 2), values(KEYS, 3)];
    let mut memory = Memory::default();
    let mut args: Vec<Arg> = [("q", &q), ("k", &k), ("v", &v)]
        .into_iter()
        .map(|(name, x)| Arg::Buffer(memory.add(name, halves(x), true), 0))
        .collect();
    let o = memory.add("o", vec![0; 4 * ROWS * DIMS], false);
    args.push(Arg::Buffer(o, 0));
    let launch = Launch { block: [THREADS as u32, 1, 1], shared: SHARED, ..launch.clone() };
    let start = std::time::Instant::now();
    let report = run(&module, entry, &launch, &args, &mut memory).map_err(|e| e.to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    let got = memory.bytes(o).as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b)));
    let expected = attention(&q, &k, &v);
    let worst = got.zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, |m: f64, x| {
        // A NaN is no small error.
        if x.is_nan() { f64::INFINITY } else { m.max(x) }
    });
    Ok(Ran { worst, report, seconds, terms: memory.terms(o) })
}

fn attention(q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
    let mut out = vec![];
    for q in q.chunks(DIMS) {
        let dot = |k: &[f64]| q.iter().zip(k).map(|(a, b)| a * b).sum::<f64>();
        let scores: Vec<f64> = k.chunks(DIMS).map(dot).collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp2()).collect();
        let sum: f64 = weights.iter().sum();
        let column =
            |d: usize| v.chunks(DIMS).zip(&weights).map(|(v, w)| v[d] * w).sum::<f64>() / sum;
        out.extend((0..DIMS).map(column));
    }
    out
}
