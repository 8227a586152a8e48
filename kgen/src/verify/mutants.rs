//! Engines that are slightly wrong: whether [`super::verify`] would notice.
//!
//! A mutant asks the engine another question than the reference answers: a scale of 1.001, one key fewer.

use super::{Engine, EngineError, Options, Tensors, ask, sizes};
use kgen_ir::{
    extent::Dims,
    format::Role,
    op::{Attention, CodeLayout, Codes, Dim, Kind, KvLayout, Mask, Op, Storage, Value, Zero},
    tensor::Tensor,
};

pub struct Mutant {
    pub name: &'static str,
    applies: fn(&Op) -> bool,
    change: fn(&mut Question),
}

/// What an engine is asked, and what is done to its answer.
struct Question {
    op: Op,
    dims: Dims,
    inputs: Tensors,
    gain: f64,
    /// Query rows of each sequence, behind which one more was put.
    added: Option<Vec<usize>>,
}

#[rustfmt::skip] // one per row
pub const MUTANTS: &[Mutant] = &[
    Mutant { name: "scale x 1.001",     applies: |_| true,    change: scale },
    Mutant { name: "mask off by one",   applies: masked,      change: mask },
    Mutant { name: "last key dropped",  applies: has_last,    change: drop_key },
    Mutant { name: "one zero point",    applies: has_zero,    change: zero },
    Mutant { name: "two heads swapped", applies: two_heads,   change: swap_heads },
    Mutant { name: "stale page",        applies: paged,       change: stale_page },
];

impl Mutant {
    /// Whether it changes anything in this op.
    pub fn applies(&self, op: &Op) -> bool {
        (self.applies)(op)
    }
}

/// Whether verifying the mutated engine fails.
pub fn caught(op: &Op, engine: &dyn Engine, mutant: &Mutant) -> bool {
    let mutated = Mutated { engine, mutant };
    !ask(op, &mutated, &Options::default(), 1, false).failed.is_empty()
}

struct Mutated<'a> {
    engine: &'a dyn Engine,
    mutant: &'a Mutant,
}

impl Engine for Mutated<'_> {
    fn name(&self) -> &str {
        self.mutant.name
    }

    fn edges(&self, op: &Op) -> Vec<i64> {
        self.engine.edges(op)
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        let (op, dims, inputs) = (op.clone(), dims.clone(), inputs.clone());
        let mut q = Question { op, dims, inputs, gain: 1.0, added: None };
        if self.mutant.applies(&q.op) {
            (self.mutant.change)(&mut q);
        }
        let mut outputs = self.engine.run(&q.op, &q.dims, &q.inputs)?;
        for t in outputs.values_mut() {
            if let Some(rows) = &q.added {
                let with: Vec<usize> = rows.iter().map(|n| n + 1).collect();
                drop_last(t, &with);
                resize(t, &q.op, -1, rows.len());
            }
            if q.gain != 1.0 {
                let values: Vec<f64> = t.to_f64().iter().map(|x| x * q.gain).collect();
                *t = Tensor::from_f64(t.dtype, &t.shape, &values);
            }
        }
        Ok(outputs)
    }
}

fn attention(op: &Op) -> Option<&Attention> {
    match &op.kind {
        Kind::Attention(a) => Some(a),
        Kind::MpGemm(_) | Kind::Rows(_) => None,
    }
}

/// The scale of the scores; of a product, that of the result.
fn scale(q: &mut Question) {
    match &mut q.op.kind {
        Kind::Attention(a) => {
            a.scale = Some(a.scale.unwrap_or(1.0 / (a.q.dim as f64).sqrt()) * 1.001);
        }
        Kind::MpGemm(_) | Kind::Rows(_) => q.gain = 1.001,
    }
}

fn masked(op: &Op) -> bool {
    attention(op).is_some_and(|a| {
        a.segments.iter().any(|s| match s.mask {
            Mask::None | Mask::Tree | Mask::Expr(_) => false,
            Mask::Causal | Mask::Window(_) | Mask::KeepFirst { .. } => true,
            Mask::Prefix(_) | Mask::Block(_) => true,
        }) && a.segments.iter().all(|s| !same_symbol(&s.len, &a.q.len))
    })
}

fn same_symbol(a: &Dim, b: &Dim) -> bool {
    let name = |d: &Dim| match d {
        Dim::Sym(s) | Dim::Ragged { symbol: s, .. } => Some(s.clone()),
        Dim::Const(_) => None,
    };
    name(a).is_some() && name(a) == name(b)
}

/// One query row more stands behind the others, so that each sits one key earlier.
fn mask(q: &mut Question) {
    let Some(a) = attention(&q.op) else { return };
    let rows = sizes::query_rows(a, &q.dims);
    let Some(mut t) = q.inputs.remove("q") else { return };
    let width = usize::try_from(a.q.heads.saturating_mul(a.q.dim)).unwrap_or(0);
    let bytes = width * t.dtype.bytes().unwrap_or(1);
    let (mut from, mut out) = (0, Vec::new());
    for n in &rows {
        out.extend_from_slice(t.bytes.get(from..from + n * bytes).unwrap_or(&[]));
        out.resize(out.len() + bytes, 0);
        from += n * bytes;
    }
    t.bytes = out;
    resize(&mut t, &q.op, 1, rows.len());
    q.inputs.insert("q".into(), t);
    if let Some(p) = q.inputs.get_mut("q.indptr") {
        for i in 0..p.count() {
            p.set(i, p.get(i) + i as f64);
        }
    }
    if let Kind::Attention(a) = &mut q.op.kind {
        lengthen(&mut a.q.len, &mut q.dims, 1);
    }
    q.added = Some(rows);
}

/// The shape of a tensor of query rows, each of `count` sequences `by` rows longer.
fn resize(t: &mut Tensor, op: &Op, by: isize, count: usize) {
    let packed = attention(op).is_some_and(|a| matches!(a.q.len, Dim::Ragged { .. }));
    let (axis, by) = if packed { (0, by * count as isize) } else { (1, by) };
    if let Some(n) = t.shape.get_mut(axis) {
        *n = n.saturating_add_signed(by);
    }
}

fn lengthen(dim: &mut Dim, dims: &mut Dims, by: i64) {
    match dim {
        Dim::Const(x) => *x = (*x + by).max(0),
        Dim::Sym(s) => {
            if let Some(x) = dims.scalars.get_mut(s) {
                *x = (*x + by).max(0);
            }
        }
        Dim::Ragged { symbol, .. } => {
            if let Some(list) = dims.ragged.get_mut(symbol) {
                list.iter_mut().for_each(|x| *x = (*x + by).max(0));
            }
        }
    }
}

/// Takes the last row of each run of rows.
fn drop_last(t: &mut Tensor, runs: &[usize]) {
    let rows: usize = runs.iter().sum();
    if rows == 0 {
        return;
    }
    let bytes = t.bytes.len() / rows;
    let (mut from, mut out) = (0, Vec::new());
    for n in runs {
        let kept = n.saturating_sub(1) * bytes;
        out.extend_from_slice(t.bytes.get(from..from + kept).unwrap_or(&[]));
        from += n * bytes;
    }
    t.bytes = out;
}

fn has_last(op: &Op) -> bool {
    let Some(a) = attention(op) else { return false };
    let Some((first, rest)) = a.segments.split_first() else { return false };
    let rows = |s: &Storage| matches!(s, Storage::Plain(_) | Storage::Block(_));
    let v = match first.v.as_ref().unwrap_or(&a.kv.v) {
        Value::Stored(v) => rows(v),
        Value::PrefixOfK(_) => true,
    };
    let moved = match first.layout {
        KvLayout::Dense => v && rows(first.k.as_ref().unwrap_or(&a.kv.k)),
        KvLayout::Paged(_) => true,
        KvLayout::Ring { .. } => false,
    };
    let own =
        !same_symbol(&first.len, &a.q.len) && rest.iter().all(|s| !same_symbol(&first.len, &s.len));
    moved && own && !first.weight && first.mask != Mask::Tree
}

fn drop_key(q: &mut Question) {
    let Kind::Attention(a) = &mut q.op.kind else { return };
    let Some(s) = a.segments.first() else { return };
    let lens = sizes::lens(a, s, &q.dims);
    let name = |suffix: &str| format!("{}.{suffix}", s.name);
    if s.layout == KvLayout::Dense {
        for part in ["k", "v"] {
            let Some(t) = q.inputs.get_mut(&name(part)) else { continue };
            drop_last(t, &lens);
            let left = lens.iter().map(|n| n.saturating_sub(1));
            let (axis, n) = match s.len {
                Dim::Ragged { .. } => (0, left.sum()),
                Dim::Const(_) | Dim::Sym(_) => (1, left.max().unwrap_or(0)),
            };
            if !lens.is_empty()
                && let Some(size) = t.shape.get_mut(axis)
            {
                *size = n;
            }
        }
    }
    let shorter: Vec<usize> = lens.iter().map(|n| n.saturating_sub(1)).collect();
    if let Some(p) = q.inputs.get_mut(&name("indptr")) {
        let mut sum = 0;
        for (i, n) in shorter.iter().enumerate() {
            sum += n;
            p.set(i + 1, sum as f64);
        }
    }
    if let Some(p) = q.inputs.get_mut(&name("len")) {
        shorter.iter().enumerate().for_each(|(i, &n)| p.set(i, n as f64));
    }
    if let Some(s) = a.segments.first_mut()
        && !lens.is_empty()
    {
        lengthen(&mut s.len, &mut q.dims, -1);
    }
}

/// Weights with a zero point, or codes whose meaning has one.
fn has_zero(op: &Op) -> bool {
    let Kind::MpGemm(g) = &op.kind else { return false };
    g.w.first().is_some_and(|w| match &w.storage {
        Storage::Plain(_) => false,
        Storage::Block(_) | Storage::Codes(_) => true,
    })
}

fn zero(q: &mut Question) {
    let Kind::MpGemm(g) = &q.op.kind else { return };
    let Some(w) = g.w.first() else { return };
    let flip = |inputs: &mut Tensors, name: &str, at: usize| {
        if let Some(byte) = inputs.get_mut(name).and_then(|t| t.bytes.get_mut(at)) {
            *byte ^= 1;
        }
    };
    match &w.storage {
        Storage::Plain(_) => {}
        // A fixed zero point cannot change, but one code against it can.
        Storage::Block(format) => {
            let code = format.field(Role::Code).and_then(|f| f.slices.first());
            flip(&mut q.inputs, &w.name, code.map_or(0, |s| s.byte));
        }
        Storage::Codes(Codes { zero: Some(Zero::Float(_)), .. }) => {
            if let Some(t) = q.inputs.get_mut(&format!("{}.zero", w.name))
                && t.count() > 0
            {
                t.set(0, t.get(0) + 1.0);
            }
        }
        Storage::Codes(Codes { layout: CodeLayout::Gptq { .. } | CodeLayout::Awq, .. }) => {
            flip(&mut q.inputs, &format!("{}.qzeros", w.name), 0);
        }
        Storage::Codes(Codes { zero: Some(Zero::Uint(_)), .. }) => {
            flip(&mut q.inputs, &format!("{}.zero", w.name), 0);
        }
        Storage::Codes(Codes { zero: None, .. }) => {
            flip(&mut q.inputs, &format!("{}.codes", w.name), 0);
        }
    }
}

fn two_heads(op: &Op) -> bool {
    attention(op).is_some_and(|a| a.q.heads >= 2)
}

fn swap_heads(q: &mut Question) {
    let Some(a) = attention(&q.op) else { return };
    let (heads, dim) = (a.q.heads.max(0) as usize, a.q.dim.max(0) as usize);
    let Some(t) = q.inputs.get_mut("q") else { return };
    let bytes = dim * t.dtype.bytes().unwrap_or(1);
    if heads < 2 || bytes == 0 {
        return;
    }
    for row in t.bytes.chunks_exact_mut(heads * bytes) {
        let (first, rest) = row.split_at_mut(bytes);
        first.swap_with_slice(&mut rest[..bytes]);
    }
}

fn paged(op: &Op) -> bool {
    attention(op).is_some_and(|a| a.segments.iter().any(|s| matches!(s.layout, KvLayout::Paged(_))))
}

/// The first entry of each table names the page that belongs to nobody.
fn stale_page(q: &mut Question) {
    let Some(a) = attention(&q.op) else { return };
    for s in &a.segments {
        let free = q.dims.scalars.get(&format!("{}.pages", s.name)).map_or(0, |n| n - 1);
        if let Some(t) = q.inputs.get_mut(&format!("{}.block_table", s.name))
            && t.count() > 0
        {
            t.set(0, free as f64);
        }
    }
}
