//! The tiles of products from the tile level, operands in the first cache, beside a loop of the same instruction on
//! registers alone: what the loads, the addresses and the loop around the sums cost.
//!
//! ```text
//! bf16 6 x 64 x 256, x86-64-v4-bf16/native: 67.2 of 69.0 G lane dots/s: 0.97 (best of 199 rounds); inner loop: 0 moves, 0 stack references
//! ```

use kgen_benches::probe::{Code, Loop, SPAN};
use kgen_codegen::cpu::targets::NATIVE;
use kgen_ir::{machine, target::Target, tile};
use kgen_passes::Choice;
use kgen_runtime::device;

/// Times of each, one beside the other; the best counts, for others on the machine can only slow a loop.
const ROUNDS: usize = 199;
/// A product whose operands fit the first cache.
struct Tile {
    name: &'static str,
    op: &'static str,
    /// Classes of its sums, and the constant that makes one.
    sum: (&'static str, &'static str),
    rows: usize,
    /// Vectors of columns.
    vectors: usize,
    k: usize,
    /// Elements of k in a lane.
    word: usize,
}

const TILES: &[Tile] = &[
    Tile {
        name: "bf16",
        op: "dot.bf16",
        sum: ("f", "fconst"),
        rows: 6,
        vectors: 4,
        k: 256,
        word: 2,
    },
    Tile {
        name: "int8",
        op: "dot.u8s8",
        sum: ("w", "wconst"),
        rows: 6,
        vectors: 4,
        k: 512,
        word: 4,
    },
    Tile {
        name: "int8",
        op: "dot.u8s8",
        sum: ("w", "wconst"),
        rows: 8,
        vectors: 3,
        k: 512,
        word: 4,
    },
    Tile {
        name: "int8",
        op: "dot.u8s8",
        sum: ("w", "wconst"),
        rows: 6,
        vectors: 2,
        k: 512,
        word: 4,
    },
];

fn main() {
    for target in NATIVE.iter().filter(|t| t.features.iter().all(|f| device::has(f))) {
        for tile in TILES {
            let found = machine::print::MNEMONICS.iter().find(|(n, _)| *n == tile.op);
            let (_, op) = found.expect("a dot");
            // One instruction, and registers for the sums.
            let one = target.row(op).is_some_and(|r| r.text.lines().count() == 1);
            if one && tile.rows * tile.vectors + 4 < target.vectors {
                println!("{}", measure(tile, target));
            }
        }
    }
}

fn measure(tile: &Tile, target: &'static Target) -> String {
    let (mut of_tile, dots) = whole(tile, target);
    let alone =
        Loop { op: tile.op, class: tile.sum.0, zero: tile.sum.1, sums: tile.rows * tile.vectors };
    let (mut of_probe, most) = alone.code(target);
    let rate = |code: &mut Code, dots: usize| dots as f64 * code.rate(SPAN);
    // Both warm.
    rate(&mut of_tile, dots);
    rate(&mut of_probe, most);
    let (mut ours, mut roof) = (0f64, 0f64);
    for _ in 0..ROUNDS {
        ours = ours.max(rate(&mut of_tile, dots));
        roof = roof.max(rate(&mut of_probe, most));
    }
    format!(
        "{} {} x {} x {}, {}: {:.1} of {:.1} G lane dots/s: {:.2} (best of {ROUNDS} rounds); inner loop: {}",
        tile.name,
        tile.rows,
        tile.vectors * target.lanes,
        tile.k,
        target.name,
        ours * target.lanes as f64 / 1e9,
        roof * target.lanes as f64 / 1e9,
        ours / roof,
        of_tile.inner,
    )
}

/// The product of the tile level over and over, and how many vector dots one is.
fn whole(t: &Tile, target: &'static Target) -> (Code, usize) {
    let lanes = target.lanes;
    let (rows, columns, k) = (t.rows, t.vectors * lanes, t.k);
    // Activations in turns of a few words, as operators lay them out.
    let turn = 8 * t.word;
    let (x, w, of, sum) = match t.op {
        "dot.bf16" => ("bf16", "bf16", format!("bf16 lanes {lanes} group {k}"), "f32"),
        _ => ("i8", "u8", format!("u8 lanes {lanes} group {k}"), "i32"),
    };
    let a = format!("{x}[{}, {rows}, {turn}]", k / turn);
    let codes = format!("{w}[{columns}, {k}]");
    let text = format!(
        "program tile(x: {a}, w.codes: {codes}) -> (out: {sum}[{rows}, {columns}]) {{
           kernel tile(work x: {a}, prepared w.codes: {codes} packed(codes, {of}),
                       work out: {sum}[{rows}, {columns}], times: i64) {{
             for r in 0..times step 1 {{
               none = fill(0) : {sum}[{rows}, {columns}]
               all = for u in 0..{turns} step 1 with d = none : {sum}[{rows}, {columns}] {{
                 a = load(x[u, 0:{rows}, 0:{turn}]) : {x}[{rows}, {turn}]
                 b = load(w.codes[0:{columns}, u * {turn}:{turn}]) : {w}[{columns}, {turn}]
                 p = dot(a, b^T, d) : {sum}[{rows}, {columns}]
                 yield p
               }}
               store(out[0:{rows}, 0:{columns}], all)
             }}
           }}
         }}",
        turns = k / turn
    );
    let program = tile::parse::parse(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let schedule = kgen::Schedule { ahead: 0, ..kgen::Schedule::default_for(target) };
    let choice = Choice { target, schedule };
    let program = kgen_passes::optimise(program, &choice).expect("a product");
    let (kernel, _) =
        kgen_passes::lower_kernel(&program, &program.kernels[0], &choice).expect("a product");
    let sizes = [("x", rows * k * 4), ("w.codes", columns * k * 4), ("out", rows * columns * 4)];
    (Code::new(&kernel, target, &sizes), rows * t.vectors * k / t.word)
}
