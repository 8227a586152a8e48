//! Input families: each makes another kind of mistake visible.

use crate::{Error, inputs};
use kgen_ir::{
    extent::Dims,
    op::{Kind, Mask, Op},
    tensor::Tensor,
};
use std::collections::BTreeMap;

/// Splitmix64: small, and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.next() % from.len() as u64) as usize]
    }
}

/// Changes the tensors of a case; they start as random normal numbers.
type Fill = fn(&Op, &Dims, &mut BTreeMap<String, Tensor>, &mut Random);

#[rustfmt::skip] // one family a line
pub(super) const FAMILIES: &[(&str, Fill)] = &[
    ("normal",          |_, _, _, _| {}),
    ("small integers",  integers),  // sums are exact: any slip shows at once
    ("value = key index", index),   // which keys were used
    ("peaked scores",   |op, _, t, _| times(op, t, "q", 8.0)),
    ("large",           |op, _, t, _| { times(op, t, "q", 30.0); times(op, t, "a", 1e4) }),
    ("NaN in hidden keys", hidden),
    ("zeros",           |_, _, t, _| t.values_mut().filter(|t| t.dtype.is_float()).for_each(|t| t.bytes.fill(0))),
    ("a NaN that counts", counted),
];

pub(super) fn inputs(
    op: &Op,
    dims: &Dims,
    seed: u64,
    fill: Fill,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut tensors = inputs::complete(op, dims, &BTreeMap::new(), seed)?;
    fill(op, dims, &mut tensors, &mut Random::new(seed));
    Ok(tensors)
}

fn times(_: &Op, tensors: &mut BTreeMap<String, Tensor>, name: &str, factor: f64) {
    if let Some(t) = tensors.get_mut(name) {
        for i in 0..t.count() {
            let x = t.get(i);
            t.set(i, x * factor);
        }
    }
}

/// Activations of -3..3 with a 127 in each 32, so that rounding to 8 bits changes nothing.
fn integers(op: &Op, _: &Dims, tensors: &mut BTreeMap<String, Tensor>, random: &mut Random) {
    let gemm = matches!(op.kind, Kind::MpGemm(_));
    for t in tensors.values_mut().filter(|t| t.dtype.is_float()) {
        for i in 0..t.count() {
            let x = if gemm && i % 16 == 0 { 127.0 } else { (random.next() % 7) as f64 - 3.0 };
            t.set(i, x);
        }
    }
}

fn index(op: &Op, _: &Dims, tensors: &mut BTreeMap<String, Tensor>, _: &mut Random) {
    let Kind::Attention(a) = &op.kind else { return };
    for s in &a.segments {
        let Some(t) = tensors.get_mut(&format!("{}.v", s.name)) else { continue };
        let [_, len, heads, dim] = t.shape[..] else { continue };
        for i in 0..t.count() {
            t.set(i, (i / (heads * dim) % len.max(1)) as f64);
        }
    }
}

/// Keys that no query of the case sees.
fn hidden(op: &Op, dims: &Dims, tensors: &mut BTreeMap<String, Tensor>, _: &mut Random) {
    let Kind::Attention(a) = &op.kind else { return };
    let [s] = &a.segments[..] else { return };
    let size = |n: &str| dims.scalars.get(n).copied().unwrap_or(1);
    let (m, n) = (size("m"), size("n"));
    let first = n - m;
    let seen = |j: i64| match s.mask {
        Mask::Window(w) => j > first - w,
        Mask::KeepFirst { keep_first, recent } => j < keep_first || j > first - recent,
        Mask::None
        | Mask::Causal
        | Mask::Prefix(_)
        | Mask::Block(_)
        | Mask::Tree
        | Mask::Expr(_) => true,
    };
    for part in ["k", "v"] {
        let Some(t) = tensors.get_mut(&format!("{}.{part}", s.name)) else { continue };
        let [_, len, heads, dim] = t.shape[..] else { continue };
        for i in 0..t.count() {
            if !seen((i / (heads * dim) % len.max(1)) as i64) {
                t.set(i, f64::NAN);
            }
        }
    }
}

/// One NaN among what is read: it must come through.
fn counted(_: &Op, _: &Dims, tensors: &mut BTreeMap<String, Tensor>, random: &mut Random) {
    let names: Vec<_> = tensors
        .iter()
        .filter(|(_, t)| t.dtype.is_float() && t.count() > 0)
        .map(|(n, _)| n.clone())
        .collect();
    if names.is_empty() {
        return;
    }
    let name = &names[(random.next() % names.len() as u64) as usize];
    if let Some(t) = tensors.get_mut(name) {
        let at = (random.next() % t.count() as u64) as usize;
        t.set(at, f64::NAN);
    }
}
