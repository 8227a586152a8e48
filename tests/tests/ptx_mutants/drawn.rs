//! Which sizes and data the kernels of an op are run with: drawn around the ends of tiles and between them, and those
//! first that go as many ways through the kernels as all.

use kgen::{
    device::Simulated,
    verify::{self, Example, Options},
};
use kgen_ir::{
    artifact::Artifact,
    dtype::Dtype,
    extent::Dims,
    op::{Bound, Dim, Kind, Mask, MpGemm, Op, Rows},
    tensor::Tensor,
};
use kgen_kernels_ref as reference;
use kgen_runtime::driver::sim::Sim;
use kgen_tests::ptx_mutants::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock},
};

/// Where tiles end, about. Of products: the last tile has one column, so that no guard holds everywhere; of rows: more
/// than one step of columns.
fn edges(op: &Op) -> &'static [i64] {
    match op.kind {
        Kind::MpGemm(_) | Kind::Rows(_) => &[64],
        Kind::Attention(_) => &[30, 64],
    }
}

/// Where tiles do not end.
const MIDDLES: [i64; 3] = [11, 22, 44];

/// Rows, of queries or activations: tiles of 8 to 64 that are full, and those that are not.
const ROWS: [i64; 16] = [1, 33, 16, 9, 65, 32, 17, 3, 64, 40, 5, 20, 8, 2, 50, 12];
/// Rows and keys of attention, with each family: windows that slide, blocks of rows that begin anywhere, a second part.
const FAR: [(i64, i64); 4] = [(50, 110), (17, 150), (40, 97), (2, 1100)];
/// Rows of other ops, with each family: more tasks than workers.
const LARGEST: i64 = 300;
/// Warps of the launches: fewer than tasks, as many, more.
const WORKERS: [usize; 5] = [3, 8, 1, 2, 5];
/// Cases of an artifact that are drawn, and those of them that each mutant is run with; what these do not see is run
/// with the others, and with twice as many of other data.
const DRAWN: usize = 20;
pub const KEPT: usize = 6;
/// The first of the cases with all ends of tiles, a few rows first, and of those that are [`FAR`].
const FEW: usize = 3 * DRAWN;
const BEYOND: usize = FEW + 64;
/// Keys of a window: tiles lie inside of it, and it slides.
const WINDOW: i64 = 72;
/// Columns of a row: a step of 128, and vectors behind it.
const WIDTH: i64 = 191;

/// What becomes of a family's inputs.
#[derive(Clone, Copy)]
enum Data {
    AsIs,
    /// Queries, or all floats, farther apart than exponentials reach: who misses the largest, has some that are infinite.
    Apart,
    /// Values that are no number, here and there: rows see some of them.
    Odd,
    /// Some activations far above all others: who misses the largest of a group cuts it off.
    Spikes,
    /// Values whose sum is nothing, so that the least part of a weight counts.
    Mirrored,
}

/// Families whose inputs tell every element from the others.
fn families(op: &Op) -> &'static [(&'static str, Data)] {
    match op.kind {
        Kind::Attention(_) => &[
            ("normal", Data::AsIs),
            ("large magnitudes", Data::AsIs),
            ("NaN where nothing may read", Data::AsIs),
            ("NaN and infinity where some rows read", Data::AsIs),
            ("normal", Data::Apart),
            ("normal", Data::Odd),
            ("normal", Data::Mirrored),
        ],
        Kind::Rows(_) => &[
            ("normal", Data::AsIs),
            ("normal", Data::Apart),
            ("NaN and infinity where some rows read", Data::AsIs),
            ("normal", Data::Spikes),
        ],
        Kind::MpGemm(_) => &[
            ("normal", Data::AsIs),
            ("NaN and infinity where some rows read", Data::AsIs),
            ("normal", Data::Spikes),
        ],
    }
}

/// Lines of each text whose instruction some lane executes, and those that some lane does not.
pub type Covered = BTreeSet<(String, u32, bool)>;

/// Instructions that were executed, and of which lines.
pub type Done = (u64, Covered);

/// What a case of an artifact executes.
fn executed(artifact: &Artifact, case: &Example, workers: usize) -> Option<Covered> {
    let mut sim = Sim::default();
    sim.workers = Some(workers);
    Simulated::run_on(&mut sim, artifact, &case.dims, &case.inputs).ok()?;
    Some(done(artifact, &sim).1)
}

/// What a simulator has executed of an artifact.
pub fn done(artifact: &Artifact, sim: &Sim) -> Done {
    let mut covered = Covered::new();
    for (lines, on) in [(&sim.reached, true), (&sim.held, false)] {
        for (entry, lines) in lines {
            let kernel = artifact.manifest.kernels.iter().find(|k| k.entry == *entry);
            let file = kernel.map_or(entry, |k| &k.file);
            covered.extend(lines.iter().map(|line| (file.clone(), *line, on)));
        }
    }
    (sim.instructions, covered)
}

fn change(example: &mut Example, data: Data) {
    if matches!(data, Data::Mirrored) {
        mirror(example);
    }
    let attention = matches!(example.op.kind, Kind::Attention(_));
    let mut random = Random(1);
    let mut odd = |x: f64| match random.below(192) {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        _ => x,
    };
    let mut spikes = Random(2);
    let mut spike = |x: f64| if spikes.below(24) == 0 { 50.0 * x } else { x };
    for (name, tensor) in &mut example.inputs {
        if !matches!(tensor.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            continue;
        }
        let values = name.split('.').any(|part| matches!(part, "v" | "v_pages"));
        let list = tensor.to_f64().into_iter();
        let list: Vec<f64> = match data {
            Data::Apart if name == "q" || !attention => list.map(|x| 200.0 * x).collect(),
            Data::Odd if values => list.map(&mut odd).collect(),
            Data::Spikes if ["a", "x"].contains(&name.as_str()) => list.map(&mut spike).collect(),
            Data::AsIs | Data::Apart | Data::Odd | Data::Spikes | Data::Mirrored => continue,
        };
        *tensor = Tensor::from_f64(tensor.dtype, &tensor.shape, &list);
    }
}

/// Keys come again from the last one to the first, and values with the other sign: whoever sees all of them has a sum
/// of nothing.
fn mirror(example: &mut Example) {
    let Kind::Attention(a) = &example.op.kind else { return };
    for segment in &a.segments {
        let name = |what: &str| format!("{}.{what}", segment.name);
        let lengths = match &segment.len {
            Dim::Ragged { symbol, .. } => example.dims.ragged.get(symbol).cloned(),
            Dim::Const(_) | Dim::Sym(_) => None,
        };
        let table = example.inputs.get(&name("block_table")).map(|t| (t.shape.clone(), t.to_f64()));
        for (what, sign) in [("k", 1.0), ("v", -1.0), ("k_pages", 1.0), ("v_pages", -1.0)] {
            let Some(tensor) = example.inputs.get_mut(&name(what)) else { continue };
            if !matches!(tensor.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
                continue;
            }
            // Rows of each sequence, in its order.
            let rows: Vec<Vec<usize>> = match (&table, &lengths, &tensor.shape[..]) {
                (Some((shape, pages)), Some(lengths), [_, page, ..]) => {
                    let row = |seq: usize, t: usize| {
                        let at = seq * shape.last().copied().unwrap_or(0) + t / page;
                        pages.get(at).map_or(0, |x| *x as usize) * page + t % page
                    };
                    let of =
                        |(seq, n): (usize, &i64)| (0..*n as usize).map(|t| row(seq, t)).collect();
                    lengths.iter().enumerate().map(of).collect()
                }
                (None, Some(lengths), [_, _, _]) => {
                    let mut first = 0;
                    let of = |n: &i64| {
                        first += *n as usize;
                        (first - *n as usize..first).collect()
                    };
                    lengths.iter().map(of).collect()
                }
                (None, _, [copies, n, _, _]) => {
                    (0..*copies).map(|seq| (seq * n..(seq + 1) * n).collect()).collect()
                }
                _ => continue,
            };
            let mut list = tensor.to_f64();
            let width: usize = tensor.shape.iter().rev().take(2).product();
            if rows.iter().flatten().any(|row| (row + 1) * width > list.len()) {
                continue;
            }
            for rows in rows {
                for (from, to) in rows.iter().zip(rows.iter().rev()).take(rows.len().div_ceil(2)) {
                    for i in 0..width {
                        let x = if from == to && sign < 0.0 { 0.0 } else { list[from * width + i] };
                        list[to * width + i] = sign * x;
                    }
                }
            }
            *tensor = Tensor::from_f64(tensor.dtype, &tensor.shape, &list);
        }
    }
}

/// May a symbol be any size that is drawn?
fn free(op: &Op, symbol: &str) -> bool {
    let all = |b: &Bound| {
        b.min.is_none_or(|n| n <= 1)
            && b.max.is_none_or(|n| n >= LARGEST)
            && b.multiple_of.is_none_or(|n| n == 1)
    };
    op.bounds.iter().filter(|b| b.symbol == symbol).all(all)
}

/// Sets the number of rows of each sequence, where nothing is promised of it.
fn set_rows(op: &Op, rows: &dyn Fn(usize) -> i64, dims: &mut Dims) {
    let len = match &op.kind {
        Kind::Attention(a) => &a.q.len,
        Kind::MpGemm(g) => &g.m,
        Kind::Rows(r) => &r.rows,
    };
    let (Dim::Sym(symbol) | Dim::Ragged { symbol, .. }) = len else { return };
    if !free(op, symbol) {
        return;
    }
    if let Some(n) = dims.scalars.get_mut(symbol) {
        *n = rows(0);
    }
    for (j, n) in dims.ragged.get_mut(symbol).into_iter().flatten().enumerate() {
        *n = rows(j);
    }
}

/// A case with the warps of its launches.
pub struct Drawn {
    pub example: Example,
    /// Numbers as any op takes them.
    pub plain: bool,
    pub workers: usize,
    expected: OnceLock<Option<BTreeMap<String, reference::Output>>>,
}

impl Drawn {
    pub fn expected(&self) -> Option<&BTreeMap<String, reference::Output>> {
        let e = &self.example;
        self.expected.get_or_init(|| reference::run(&e.op, &e.dims, &e.inputs).ok()).as_ref()
    }
}

/// Of a product with sums so long that loops over them have several turns, as far as the whole op has them; of windows
/// with whole tiles in them; of rows whose last vectors have all lanes but one.
fn longer(whole: &Op, mut op: Op) -> Op {
    if let (Kind::Attention(all), Kind::Attention(a)) = (&whole.kind, &mut op.kind) {
        for (own, all) in a.segments.iter_mut().zip(&all.segments) {
            if let (Mask::Window(own), Mask::Window(all)) = (&mut own.mask, &all.mask) {
                *own = WINDOW.min(*all);
            }
        }
    }
    if let (Kind::Rows(all), Kind::Rows(rows)) = (&whole.kind, &op.kind) {
        let mut wider = op.clone();
        wider.kind = Kind::Rows(Rows { width: WIDTH.min(all.width), ..rows.clone() });
        if kgen_ir::op::verify::verify(&wider).is_empty() {
            op = wider;
        }
    }
    if let (Kind::MpGemm(all), Kind::MpGemm(g)) = (&whole.kind, &op.kind) {
        // Groups have rows of their own: that is work enough.
        let turns = if g.grouped.is_some() { 1 } else { 3 };
        let k = (turns * g.k).min(all.k);
        let mut longer = op.clone();
        longer.kind = Kind::MpGemm(MpGemm { k, ..g.clone() });
        if kgen_ir::op::verify::verify(&longer).is_empty() {
            op = longer;
        }
    }
    op
}

/// Rows and keys of sequence `j` in case `i`, where nothing is promised of them: tiles end behind one of any two
/// neighbours, in the first tile and later; then keys end as tiles do, and the last block of rows has one; then blocks
/// of rows begin at any place of a tile; then there are more keys than in the largest tile. Behind all of these come
/// all ends of tiles, and sizes far from them.
fn sizes(i: usize, j: usize) -> (Option<i64>, Option<i64>) {
    let turn = i / 4 + j;
    let odd = |at: usize| Some(1 + (2 * (7 * at % 32) + at / 32) as i64);
    if let Some(far) = i.checked_sub(BEYOND) {
        let (rows, keys) = FAR[far % FAR.len()];
        return (Some(rows), Some(keys + j as i64));
    }
    if i >= FEW {
        let rows = if i < FEW + 32 { 1 + (i % 2) as i64 } else { 17 };
        return (Some(rows), odd(i - FEW + j));
    }
    match i % 16 {
        2 | 6 | 10 | 14 => {
            let keys = 32 * (1 + turn as i64 % 3);
            (Some(keys - 15), Some(keys))
        }
        4 | 12 => (Some(40), Some(40 + (turn / 2) as i64)),
        8 => (Some(50), Some(110 + turn as i64)),
        0 => (None, None),
        _ => (None, odd(i / 2 + j)),
    }
}

/// Sets the number of rows and keys of attention.
fn set_sizes(op: &Op, i: usize, dims: &mut Dims) {
    let Kind::Attention(a) = &op.kind else { return };
    let free = |len: &Dim| match len {
        Dim::Sym(symbol) | Dim::Ragged { symbol, .. } => {
            Some(symbol.clone()).filter(|s| free(op, s))
        }
        Dim::Const(_) => None,
    };
    let lens = a.segments.iter().map(|s| (&s.len, true)).chain([(&a.q.len, false)]);
    for (len, keys) in lens {
        let Some(symbol) = free(len) else { continue };
        let of = |j| if keys { sizes(i, j).1 } else { sizes(i, j).0 };
        if let (Some(n), Some(x)) = (dims.scalars.get_mut(&symbol), of(0)) {
            *n = x;
        }
        for (j, n) in dims.ragged.get_mut(&symbol).into_iter().flatten().enumerate() {
            *n = of(j).unwrap_or(*n);
        }
    }
}

/// Cases for the first of the chips: first some that go as many ways through the kernels as all.
pub fn chosen(file: &Path, chip: &str) -> Option<Vec<Arc<Drawn>>> {
    let op = kgen::compile::read(file).ok()?;
    let device = Simulated::open(&format!("sim:{chip}")).ok()?;
    let all = verify::examples_around(&op, edges(&op), &Options { cases: DRAWN, seed: 5 });
    // The op with the most data, at the sizes of all.
    let bytes = |e: &Example| e.inputs.values().map(|t| t.bytes.len()).sum::<usize>();
    let op = longer(&op, all.iter().max_by_key(|e| bytes(e))?.op.clone());
    let kinds = families(&op);
    let busy = |e: &&Example| {
        e.dims.scalars.values().all(|n| *n > 0)
            && e.dims.ragged.values().all(|list| list.iter().any(|n| *n > 0))
    };
    let more = verify::examples_around(&op, &MIDDLES, &Options { cases: DRAWN, seed: 6 });
    // By turns.
    let (all, more) = (all.iter().filter(busy), more.iter().filter(busy));
    let busy: Vec<_> = all.zip(more).flat_map(|(x, y)| [x, y]).collect();
    let count = busy.len().min(DRAWN);
    let (few, each) = match op.kind {
        Kind::Attention(_) => (FEW..BEYOND, FAR.len()),
        Kind::MpGemm(_) | Kind::Rows(_) => (0..0, 1),
    };
    let draw = |i: usize| {
        let mut dims = busy.get(i % busy.len().max(1))?.dims.clone();
        // Other sizes with each family, other numbers of rows with each size.
        let round = i / count.max(1);
        let kind = i.checked_sub(BEYOND).map_or(i + round, |far| far / each);
        let (family, data) = kinds[kind % kinds.len()];
        let rows = |j: usize| match i {
            BEYOND.. => LARGEST,
            _ => ROWS[(i + 5 * round + j) % ROWS.len()],
        };
        set_rows(&op, &rows, &mut dims);
        set_sizes(&op, i, &mut dims);
        let mut example = verify::example(&op, &dims, family, i as u64).ok()?;
        change(&mut example, data);
        let workers = WORKERS[(i + 2 * round) % WORKERS.len()];
        let plain = family == "normal" && matches!(data, Data::AsIs);
        Some(Arc::new(Drawn { example, plain, workers, expected: OnceLock::new() }))
    };
    let later = (count..3 * count).chain(few).chain(BEYOND..BEYOND + each * kinds.len());
    let mut drawn: Vec<_> = (0..count).filter_map(draw).collect();
    let mut later: Vec<_> = later.filter_map(draw).collect();
    drawn.sort_by_key(|d| bytes(&d.example));
    let artifact = kgen::compile::compile(&op, device.target, &device.schedule).ok()?.artifact;
    let mut found = vec![];
    for d in drawn {
        let covered = executed(&artifact, &d.example, d.workers)?;
        found.push((d, covered));
    }
    // First what adds most.
    let (mut kept, mut done) = (vec![], Covered::new());
    while kept.len() < KEPT && !found.is_empty() {
        let (at, _) = (found.iter().enumerate())
            .max_by_key(|(i, (_, covered))| (covered.difference(&done).count(), *i))?;
        let (d, covered) = found.swap_remove(at);
        done.extend(covered);
        kept.push(d);
    }
    later.extend(found.into_iter().map(|(d, _)| d));
    later.sort_by_key(|d| bytes(&d.example));
    kept.extend(later);
    Some(kept)
}
