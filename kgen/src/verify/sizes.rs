//! Sizes of the cases: symbols of the op, drawn around tile edges, and what follows from them.
//!
//! For a tile of 16 keys `n` is one of 0, 1, 15, 16, 17, 35; `b` at most 3.

use kgen_ir::{
    extent::Dims,
    op::{Attention, Dim, Kind, KvLayout, Op, Segment, Shared},
};

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `0..n`; 0 for `n` = 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.bits() % n as u64) as usize }
    }

    /// In `-n..=n`.
    pub fn integer(&mut self, n: usize) -> f64 {
        self.below(2 * n + 1) as f64 - n as f64
    }

    /// Mean 0, variance 1: four uniform numbers of 16 bits, whose sum has variance 1/3.
    pub fn normal(&mut self) -> f64 {
        let bits = self.bits();
        let sum: f64 = (0..4).map(|i| ((bits >> (16 * i)) & 0xffff) as f64 / 65536.0).sum();
        (sum - 2.0) * 3f64.sqrt()
    }
}

/// Sizes of one case: batches small, the rest around a tile edge, within `op.bounds`.
pub fn draw(op: &Op, edges: &[i64], random: &mut Random) -> Dims {
    let one = |symbol: &str, random: &mut Random| {
        let v = if counts(op, symbol) {
            [1, 2, 3, 1, 2, 3, 2, 0][random.below(8)]
        } else {
            let drawn = edges.get(random.below(edges.len())).copied().unwrap_or(16);
            // Rows of queries multiply the work of the reference.
            let t = if rows(op, symbol) { drawn.min(16) } else { drawn };
            // Decoding has one or two rows, wherever the tile ends.
            let list = match rows(op, symbol) {
                true => [1, 2, t - 1, t, t + 1, 2 * t + 3, 1, 0],
                false => [t - 1, t, t + 1, 2 * t + 3, 1, t + 1, 2 * t + 3, 0],
            };
            list[random.below(8)].min(4 * t)
        };
        limited(op, symbol, v.max(0))
    };
    fill(op, &mut |symbol, _| one(symbol, random))
}

/// Rows of a full-size case with many: two tiles of 64 and a piece of one.
const MANY: i64 = 2 * 64 + 3;

/// Sizes of a full-size case: few rows or many, some keys.
pub fn full(op: &Op, edges: &[i64], many: bool) -> Dims {
    let t = edges.iter().copied().max().unwrap_or(16).clamp(1, 1 << 12);
    fill(op, &mut |symbol, at| {
        let most = match rows(op, symbol) {
            true if many => MANY,
            true => 2,
            false if counts(op, symbol) => 2,
            false => 2 * t + 3,
        };
        limited(op, symbol, if at % 2 == 1 { 2 } else { most })
    })
}

fn fill(op: &Op, value: &mut dyn FnMut(&str, usize) -> i64) -> Dims {
    let mut dims = Dims { cores: 4, ..Dims::default() };
    for symbol in op.symbols() {
        match &symbol.ragged {
            // Sizes of tensors' own shapes follow from the others.
            None if symbol.name.contains('.') => {}
            None => {
                let v = value(&symbol.name, 0);
                dims.scalars.insert(symbol.name, v);
            }
            Some(over) => {
                let list = (0..count(op, over, &dims)).map(|i| value(&symbol.name, i)).collect();
                dims.ragged.insert(symbol.name, list);
            }
        }
    }
    finish(op, &mut dims);
    dims
}

/// How many sizes a list over `over` has.
pub fn count(op: &Op, over: &str, dims: &Dims) -> usize {
    let count = dims.scalars.get(over).copied().or(groups(op)).unwrap_or(0);
    usize::try_from(count).unwrap_or(0)
}

fn groups(op: &Op) -> Option<i64> {
    match &op.kind {
        Kind::MpGemm(g) => g.grouped.as_ref().map(|g| g.groups),
        Kind::Attention(_) | Kind::Rows(_) => None,
    }
}

/// Whether a symbol counts sequences or copies.
fn counts(op: &Op, symbol: &str) -> bool {
    let Kind::Attention(a) = &op.kind else { return false };
    let copies = |s: &Segment| matches!(&s.shared, Shared::Group(copies) if copies == symbol);
    matches!(&a.q.batch, Dim::Sym(b) if b == symbol) || a.segments.iter().any(copies)
}

/// Whether a symbol counts rows of queries or activations.
fn rows(op: &Op, symbol: &str) -> bool {
    let dim = match &op.kind {
        Kind::Attention(a) => &a.q.len,
        Kind::MpGemm(g) => &g.m,
        Kind::Rows(r) => &r.rows,
    };
    match dim {
        Dim::Sym(s) | Dim::Ragged { symbol: s, .. } => s == symbol,
        Dim::Const(_) => false,
    }
}

fn limited(op: &Op, symbol: &str, v: i64) -> i64 {
    op.bounds.iter().filter(|b| b.symbol == symbol).fold(v, |v, b| {
        let unit = b.multiple_of.unwrap_or(1).max(1);
        let up = |x: i64| x.saturating_add(unit - 1) / unit * unit;
        let v = up(v.max(b.min.unwrap_or(0)));
        b.max.map_or(v, |max| v.min(max / unit * unit))
    })
}

/// Whether the sizes keep the promises of `[dims]`.
pub fn allowed(op: &Op, dims: &Dims) -> bool {
    let fits = |name: &str, &x: &i64| limited(op, name, x) == x;
    dims.scalars.iter().all(|(name, x)| fits(name, x))
        && dims.ragged.iter().all(|(name, list)| list.iter().all(|x| fits(name, x)))
}

/// Sets what follows from the other sizes: a copy where sequences read one, the length of ragged lists, the number of
/// pages.
pub fn finish(op: &Op, dims: &mut Dims) {
    if let Kind::Rows(r) = &op.kind {
        super::indices::grow(r, dims);
    }
    if let Kind::Attention(a) = &op.kind
        && batch(a, dims) > 0
    {
        for s in &a.segments {
            let Shared::Group(copies) = &s.shared else { continue };
            let least = dims.scalars.entry(copies.clone()).or_insert(1);
            *least = (*least).max(1);
        }
    }
    for symbol in op.symbols() {
        let Some(over) = &symbol.ragged else { continue };
        let count = count(op, over, dims);
        if let Some(list) = dims.ragged.get_mut(&symbol.name) {
            list.resize(count, limited(op, &symbol.name, 1));
        }
    }
    let Kind::Attention(a) = &op.kind else { return };
    for s in &a.segments {
        let KvLayout::Paged(page) = s.layout else { continue };
        let used: Vec<usize> =
            lens(a, s, dims).iter().map(|n| n.div_ceil(page.max(1) as usize)).collect();
        // One page that no table names, one place that no length reaches.
        let pages = used.iter().sum::<usize>() as i64 + 1;
        let most = used.iter().copied().max().unwrap_or(0) as i64 + 1;
        dims.scalars.insert(format!("{}.pages", s.name), pages);
        dims.scalars.insert(format!("{}.max_pages", s.name), most);
    }
}

/// Values of a size, one a sequence or copy.
pub fn list(dim: &Dim, count: usize, dims: &Dims) -> Vec<usize> {
    let natural = |x: i64| usize::try_from(x).unwrap_or(0);
    let mut list = match dim {
        Dim::Const(x) => vec![natural(*x); count],
        Dim::Sym(s) => vec![natural(dims.scalars.get(s).copied().unwrap_or(0)); count],
        Dim::Ragged { symbol, .. } => {
            dims.ragged.get(symbol).map_or(vec![], |l| l.iter().map(|&x| natural(x)).collect())
        }
    };
    list.resize(count, 0);
    list
}

pub fn batch(a: &Attention, dims: &Dims) -> usize {
    list(&a.q.batch, 1, dims).first().copied().unwrap_or(0)
}

/// Query rows of each sequence.
pub fn query_rows(a: &Attention, dims: &Dims) -> Vec<usize> {
    list(&a.q.len, batch(a, dims), dims)
}

fn copies(a: &Attention, s: &Segment, dims: &Dims) -> usize {
    match &s.shared {
        Shared::No => batch(a, dims),
        Shared::Batch => 1,
        Shared::Group(symbol) => {
            usize::try_from(dims.scalars.get(symbol).copied().unwrap_or(0)).unwrap_or(0)
        }
    }
}

/// Keys of each copy of a segment.
pub fn lens(a: &Attention, s: &Segment, dims: &Dims) -> Vec<usize> {
    list(&s.len, copies(a, s, dims), dims)
}

/// Which copy of a segment each sequence reads.
pub fn groups_of(a: &Attention, s: &Segment, dims: &Dims) -> Vec<f64> {
    let copies = copies(a, s, dims);
    let of = |b: usize| match s.shared {
        Shared::No => b,
        Shared::Batch => 0,
        Shared::Group(_) => b % copies.max(1),
    };
    (0..batch(a, dims)).map(|b| of(b) as f64).collect()
}
