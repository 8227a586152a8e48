//! The tiles of products from the tile level, operands in the first cache, beside a loop of the same instruction on
//! registers alone: what the loads, the addresses and the loop around the sums cost.
//!
//! ```text
//! bf16 6 x 64 x 256, x86-64-v4-bf16/native: 67.2 of 69.0 G lane dots/s: 0.97 (best of 199 rounds); inner loop: 0 moves, 0 stack references
//! ```
#![allow(unsafe_code)] // runs compiled code

use kgen_codegen::cpu::{native::emit, targets::NATIVE};
use kgen_ir::{
    extent::Dims,
    machine::{self, Kernel, Slot},
    target::Target,
    tile,
};
use kgen_passes::Choice;
use kgen_runtime::{
    device,
    driver::{Driver, Loaded, native::Native},
};
use std::{collections::BTreeMap, fmt::Write, time::Instant};

/// Times of each, one beside the other; the best counts, for others on the machine can only slow a loop.
const ROUNDS: usize = 199;
/// Seconds of one, at least: less than a core is given to a program at once.
const SPAN: f64 = 4e-4;

/// A product whose operands fit the first cache.
struct Tile {
    name: &'static str,
    dot: &'static str,
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
    Tile { name: "bf16", dot: "bf16", sum: ("f", "fconst"), rows: 6, vectors: 4, k: 256, word: 2 },
    Tile { name: "int8", dot: "u8s8", sum: ("w", "wconst"), rows: 6, vectors: 4, k: 512, word: 4 },
    Tile { name: "int8", dot: "u8s8", sum: ("w", "wconst"), rows: 8, vectors: 3, k: 512, word: 4 },
    Tile { name: "int8", dot: "u8s8", sum: ("w", "wconst"), rows: 6, vectors: 2, k: 512, word: 4 },
];

fn main() {
    for target in NATIVE.iter().filter(|t| t.features.iter().all(|f| device::has(f))) {
        for tile in TILES {
            let name = format!("dot.{}", tile.dot);
            let found = machine::print::MNEMONICS.iter().find(|(n, _)| *n == name);
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
    let (mut of_probe, most) = probe(tile, target);
    let rate = |code: &mut Code, dots: usize| {
        let mut times = 16;
        loop {
            let seconds = code.run(times);
            if seconds >= SPAN {
                return dots as f64 * times as f64 / seconds;
            }
            times *= 2;
        }
    };
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

/// Code with its arguments.
struct Code {
    code: Box<dyn Loaded>,
    slots: Vec<Slot>,
    /// What pointers point to, and the scratch.
    memory: BTreeMap<String, Vec<u64>>,
    inner: String,
}

impl Code {
    /// `sizes`: bytes of each pointer.
    fn new(kernel: &Kernel, target: &'static Target, sizes: &[(&str, usize)]) -> Code {
        let emitted = emit(kernel, target).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
        let code = Native::default().load(&emitted.text, &[kernel.name.as_str()]);
        let mut memory: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (name, bytes) in sizes.iter().chain([&("scratch", kernel.scratch)]) {
            memory.insert((*name).into(), vec![0x3f80_3f80_3f80_3f80; bytes / 8 + 16]);
        }
        let (moves, stack) = (emitted.stats.inner_moves, emitted.stats.inner_stack);
        Code {
            code: code.unwrap_or_else(|e| panic!("{e}")),
            slots: kernel.slots.clone(),
            memory,
            inner: format!("{moves} moves, {stack} stack references"),
        }
    }

    /// Seconds of so many turns.
    fn run(&mut self, times: usize) -> f64 {
        let mut dims = Dims { cores: 1, ..Dims::default() };
        dims.scalars.insert("times".into(), times as i64);
        let mut counters = [0u64; 8];
        let mut args = Vec::new();
        for slot in &self.slots {
            let pointer = |name: &str| {
                let memory = self.memory.get(name).unwrap_or_else(|| panic!("no `{name}`"));
                // As caches want it.
                (memory.as_ptr() as u64).next_multiple_of(64)
            };
            args.push(match slot {
                Slot::Pointer(name) => pointer(name),
                Slot::Scratch => pointer("scratch"),
                Slot::Extent(e) => e.eval(&dims).expect("its symbols are here") as u64,
                Slot::Counter(i) => &raw mut counters[*i] as u64,
                Slot::Stride(name, _) | Slot::End(name) => panic!("`{name}` is the workspace's"),
                Slot::Report => panic!("nothing is checked here"),
            });
        }
        let start = Instant::now();
        // SAFETY: the pointers have the sizes of their tensors; nobody else runs on them.
        unsafe { self.code.call(0, args.as_ptr(), 0) };
        start.elapsed().as_secs_f64()
    }
}

/// The product of the tile level over and over, and how many vector dots one is.
fn whole(t: &Tile, target: &'static Target) -> (Code, usize) {
    let lanes = target.lanes;
    let (rows, columns, k) = (t.rows, t.vectors * lanes, t.k);
    // Activations in turns of a few words, as operators lay them out.
    let turn = 8 * t.word;
    let (x, w, of, sum) = match t.dot {
        "bf16" => ("bf16", "bf16", format!("bf16 lanes {lanes} group {k}"), "f32"),
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
    let program = kgen_passes::optimise(&program, &choice).expect("a product");
    let (kernel, _) =
        kgen_passes::lower_kernel(&program, &program.kernels[0], &choice).expect("a product");
    let sizes = [("x", rows * k * 4), ("w.codes", columns * k * 4), ("out", rows * columns * 4)];
    (Code::new(&kernel, target, &sizes), rows * t.vectors * k / t.word)
}

/// The same instruction on registers, with as many sums.
fn probe(t: &Tile, target: &'static Target) -> (Code, usize) {
    /// Dots of a sum in a turn.
    const DEEP: usize = 8;
    let (class, zero) = t.sum;
    let sums = t.rows * t.vectors;
    let list = |f: &dyn Fn(usize) -> String| (0..sums).map(f).collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "machine probe lanes {} {{ slot 0 = pointer p slot 1 = extent times p = arg 0 : i n = arg 1 : i
         a = load.w32 [p + 0] : w b = load.w32 [p + 64] : w zero = {zero} 0 : {class}\n",
        target.lanes
    );
    let _ = write!(text, "{} = loop t in 0..n step 1", list(&|i| format!("r{i}")));
    let _ = writeln!(text, " carry {} {{", list(&|i| format!("s0_{i} = zero")));
    for deep in 0..DEEP {
        for i in 0..sums {
            let next = deep + 1;
            let _ = writeln!(text, "s{next}_{i} = dot.{} a, b, s{deep}_{i} : {class}", t.dot);
        }
    }
    let _ = writeln!(text, "}} yield {}", list(&|i| format!("s{DEEP}_{i}")));
    for i in 0..sums {
        let _ = writeln!(text, "store.w32 [p + {}], r{i}", 4 * target.lanes * (i + 2));
    }
    text += "}";
    let kernel = machine::parse::parse(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let bytes = 4 * target.lanes * (sums + 4);
    (Code::new(&kernel, target, &[("p", bytes)]), sums * DEEP)
}
