//! `attention(q) = normalize(merge over segments of state(q, K_s, V_s, mask_s))`.
//!
//! Query row `i` of a sequence stands at `total - m + i`; keys are numbered through the segments in file order. For
//! each kv head both count only the segments that name it. A tensor of a segment holds the segment's heads alone,
//! in the order of its list. Slots that are masked or out of range never enter a sum.
//!
//! A ring of `keep_first + recent` slots in which `s.pos` tokens were written holds the first `keep_first` and the
//! newest `recent` of them: token `t` lies in slot `t`, or `keep_first + (t - keep_first) % recent`. Its length is
//! `s.pos`.

use crate::{
    Output, RefError, bound,
    inputs::{self, Inputs, natural},
    pairs,
    quant::Stored,
};
use kgen_ir::{
    dtype::Dtype,
    extent::{Dims, ExtentError},
    op::{
        Attention, Heads, KvLayout, Mask, Segment, Select, Shared, Storage, Value,
        expr::{self, Expr},
    },
    tensor::Tensor,
};
use std::collections::BTreeMap;

/// Softmax so far: `sum_j exp(s_j - max)` and `sum_j exp(s_j - max) v_j`.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub max: f64,
    pub den: f64,
    pub o: Vec<f64>,
}

impl State {
    /// The unit of [`State::merge`].
    pub fn empty(dim: usize) -> State {
        State { max: f64::NEG_INFINITY, den: 0.0, o: vec![0.0; dim] }
    }

    /// The state of one segment: scores and value rows of its attended keys.
    pub fn of(dim: usize, s: &[f64], v: &[&[f64]]) -> State {
        let mut state = State::empty(dim);
        state.max = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (&s, v) in s.iter().zip(v) {
            let p = weight(s, state.max);
            state.den += p;
            for d in 0..dim {
                state.o[d] += p * v[d];
            }
        }
        state
    }

    /// Commutative, associative, with [`State::empty`] as unit.
    pub fn merge(&self, other: &State) -> State {
        let max = self.max.max(other.max);
        let (a, b) = (rescale(self.max, max), rescale(other.max, max));
        State {
            max,
            den: a * self.den + b * other.den,
            o: self.o.iter().zip(&other.o).map(|(x, y)| a * x + b * y).collect(),
        }
    }

    /// `o` and the natural logarithm of the whole denominator.
    pub fn normalize(&self) -> (Vec<f64>, f64) {
        if self.den == 0.0 {
            return (vec![0.0; self.o.len()], f64::NEG_INFINITY);
        }
        (self.o.iter().map(|o| o / self.den).collect(), self.max + self.den.ln())
    }
}

/// `exp(s - max)`; where all scores are -inf, each weighs nothing.
fn weight(s: f64, max: f64) -> f64 {
    if max == f64::NEG_INFINITY { s.exp() } else { (s - max).exp() }
}

fn rescale(from: f64, to: f64) -> f64 {
    if from == to && !from.is_nan() && from != f64::INFINITY { 1.0 } else { (from - to).exp() }
}

/// A segment with its tensors.
struct Open<'a> {
    spec: &'a Segment,
    heads: Vec<usize>,
    k: Stored<'a>,
    /// `None`: the first elements of k.
    v: Option<Stored<'a>>,
    k_storage: &'a Storage,
    v_storage: &'a Storage,
    place: Place<'a>,
    /// Which copy each sequence reads.
    copy: Vec<usize>,
    /// Logarithms of the weights of all keys, copy after copy.
    weight: Option<&'a Tensor>,
    /// Ancestor bits, so many words a query row.
    tree: Option<(&'a Tensor, usize)>,
}

/// Where token `t` of copy `c` lies.
enum Place<'a> {
    Dense { len: usize },
    Packed { indptr: Vec<usize> },
    Paged { page: usize, pages: usize, table: &'a Tensor, table_name: String, len: Vec<usize> },
    Ring { keep_first: usize, recent: usize, pos: Vec<usize> },
}

/// What a query row may see in one segment.
struct Key {
    /// Position through all segments.
    j: i64,
    /// Number in its segment.
    t: usize,
    /// Logarithm of its weight.
    weight: f64,
    k: Vec<f64>,
    v: Vec<f64>,
    /// Roundoffs that `compute` allows to k and v.
    k_unit: f64,
    v_unit: f64,
}

impl Open<'_> {
    fn len(&self, copy: usize) -> usize {
        match &self.place {
            Place::Dense { len } => *len,
            Place::Packed { indptr } => indptr[copy + 1] - indptr[copy],
            Place::Paged { len, .. } => len[copy],
            Place::Ring { pos, .. } => pos[copy],
        }
    }

    /// Row of `k` and `v`, without the head; `None` where the ring has overwritten the token.
    fn slot(&self, copy: usize, t: usize) -> Result<Option<usize>, RefError> {
        Ok(match &self.place {
            Place::Dense { len } => Some(copy * len + t),
            Place::Packed { indptr } => Some(indptr[copy] + t),
            Place::Paged { page, pages, table, table_name, .. } => {
                let at = copy * table.shape[1] + t / page;
                Some(inputs::index(table_name, table, at, *pages)? * page + t % page)
            }
            Place::Ring { keep_first, recent, pos } => {
                let slots = keep_first + recent;
                if t < *keep_first {
                    Some(copy * slots + t)
                } else if t + recent >= pos[copy] {
                    Some(copy * slots + keep_first + (t - keep_first) % recent)
                } else {
                    None
                }
            }
        })
    }
}

fn refuse_unknown(segment: &Segment) -> Result<(), RefError> {
    let what = match &segment.select {
        Select::All if segment.emit.is_some() => "`emit`",
        Select::All => return Ok(()),
        Select::TopK(_)
        | Select::Centroids { .. }
        | Select::Ranges
        | Select::WindowSum { .. }
        | Select::Indices { .. } => "a `select` other than all",
    };
    Err(RefError::NotYet(format!("{what} (segment `{}`)", segment.name)))
}

fn open<'a>(
    op: &'a Attention,
    spec: &'a Segment,
    heads: Vec<usize>,
    (batch, rows): (usize, &[usize]),
    dims: &Dims,
    inputs: &'a Inputs,
) -> Result<Open<'a>, RefError> {
    refuse_unknown(spec)?;
    let name = |suffix: &str| format!("{}.{suffix}", spec.name);
    let copies = match &spec.shared {
        Shared::No => batch,
        Shared::Batch => 1,
        Shared::Group(symbol) => {
            let value =
                dims.scalars.get(symbol).ok_or_else(|| ExtentError::Unbound(symbol.clone()))?;
            natural(symbol, *value)?
        }
    };
    let copy = match &spec.shared {
        Shared::No => (0..batch).collect(),
        Shared::Batch => vec![0; batch],
        Shared::Group(_) => inputs::indices(inputs, &name("group"), &[Some(batch)], copies)?,
    };
    let (h, dim) = (heads.len(), natural("dim", op.q.dim)?);
    let v_dim = natural("v_dim", op.kv.v_dim)?;
    let suffix = if matches!(spec.layout, KvLayout::Paged(_)) { "_pages" } else { "" };
    let lead = match &spec.layout {
        KvLayout::Dense => match inputs::size(&spec.len, dims)? {
            Some(len) => vec![Some(copies), Some(len), Some(h)],
            None => vec![None, Some(h)],
        },
        KvLayout::Paged(p) => vec![None, Some(natural("paged", *p)?), Some(h)],
        KvLayout::Ring { keep_first, recent } => {
            let slots = natural("keep_first", *keep_first)? + natural("recent", *recent)?;
            vec![Some(copies), Some(slots), Some(h)]
        }
    };
    let k_storage = spec.k.as_ref().unwrap_or(&op.kv.k);
    let k = Stored::open(inputs, &name(&format!("k{suffix}")), k_storage, &lead, dim)?;
    let found: Vec<Option<usize>> = k.lead.iter().map(|&x| Some(x)).collect();
    let (v, v_storage) = match spec.v.as_ref().unwrap_or(&op.kv.v) {
        Value::PrefixOfK(width) => {
            if natural("v", *width)? != v_dim || v_dim > dim {
                return Err(RefError::Op(format!(
                    "v = k[..{width}], but v has {v_dim} elements and k {dim}"
                )));
            }
            (None, k_storage)
        }
        Value::Stored(storage) => {
            let full = name(&format!("v{suffix}"));
            (Some(Stored::open(inputs, &full, storage, &found, v_dim)?), storage)
        }
    };
    let first = k.lead.first().copied().unwrap_or(0);
    let place = match &spec.layout {
        KvLayout::Dense => match inputs::size(&spec.len, dims)? {
            Some(len) => Place::Dense { len },
            None => Place::Packed {
                indptr: inputs::indptr(inputs, &name("indptr"), Some(copies), first)?,
            },
        },
        KvLayout::Paged(p) => {
            let page = natural("paged", *p)?.max(1);
            let table_name = name("block_table");
            let table = inputs::shaped(inputs, &table_name, &[Some(copies), None])?;
            if !matches!(table.dtype, Dtype::I32 | Dtype::I64) {
                return Err(RefError::Element {
                    name: table_name,
                    wanted: "i32 or i64".into(),
                    found: table.dtype,
                });
            }
            let limit = table.shape[1].saturating_mul(page).saturating_add(1);
            let len = inputs::indices(inputs, &name("len"), &[Some(copies)], limit)?;
            Place::Paged { page, pages: first, table, table_name, len }
        }
        KvLayout::Ring { keep_first, recent } => {
            let (keep_first, recent) =
                (natural("keep_first", *keep_first)?, natural("recent", *recent)?);
            if recent == 0 {
                return Err(RefError::Op(format!("`{}`: a ring needs recent >= 1", spec.name)));
            }
            let pos = inputs::indices(inputs, &name("pos"), &[Some(copies)], i32::MAX as usize)?;
            Place::Ring { keep_first, recent, pos }
        }
    };
    let mut open =
        Open { spec, heads, k, v, k_storage, v_storage, place, copy, weight: None, tree: None };
    if spec.weight {
        let packed = matches!(open.place, Place::Packed { .. });
        let wanted = match inputs::size(&spec.len, dims)? {
            Some(len) => vec![Some(copies), Some(len)],
            None if packed => vec![Some((0..copies).map(|c| open.len(c)).sum())],
            None => vec![Some(copies), None],
        };
        open.weight = Some(inputs::typed(inputs, &name("weight"), Dtype::F32, &wanted)?);
    }
    if spec.mask == Mask::Tree {
        let full = name("tree");
        let mut wanted: Vec<Option<usize>> = rows.iter().map(|r| Some(*r)).collect();
        wanted.push(None);
        let tree = inputs::typed(inputs, &full, Dtype::U32, &wanted)?;
        let words = tree.shape.last().copied().unwrap_or(0);
        let most = (0..copies).map(|c| open.len(c)).max().unwrap_or(0);
        if words < most.div_ceil(32) {
            return Err(RefError::Op(format!("`{full}` has {words} words for {most} keys")));
        }
        open.tree = Some((tree, words));
    }
    Ok(open)
}

/// The kv heads of each segment.
fn heads_of(op: &Attention) -> Result<Vec<Vec<usize>>, RefError> {
    let count = natural("kv heads", op.kv.heads)?;
    let mut named = vec![false; count];
    let mut lists = Vec::new();
    for s in &op.segments {
        let mut list = Vec::new();
        if let Heads::List(heads) = &s.heads {
            for &h in heads {
                let h = natural("heads", h)?;
                let seen = named.get_mut(h).ok_or_else(|| {
                    RefError::Op(format!("`{}` names head {h} of {count}", s.name))
                })?;
                *seen = true;
                list.push(h);
            }
        }
        lists.push(list);
    }
    for (s, list) in op.segments.iter().zip(&mut lists) {
        match s.heads {
            Heads::All => list.extend(0..count),
            Heads::Rest => list.extend((0..count).filter(|&h| !named[h])),
            Heads::List(_) => {}
        }
    }
    Ok(lists)
}

/// Whether the query sees the key.
fn sees(s: &Open<'_>, query: &Query<'_>, key: &Key) -> Result<bool, RefError> {
    let (i, j) = (query.i, key.j);
    Ok(match &s.spec.mask {
        Mask::None => true,
        Mask::Causal => j <= i,
        Mask::Window(w) => j <= i && i - j < *w,
        Mask::KeepFirst { keep_first, recent } => j <= i && (j < *keep_first || i - j < *recent),
        Mask::Prefix(p) => j < *p || j <= i,
        Mask::Block(b) => i.div_euclid((*b).max(1)) >= j.div_euclid((*b).max(1)),
        Mask::Tree => s.tree.is_some_and(|(bits, words)| {
            let word = bits.get(query.row * words + key.t / 32) as u64;
            word >> (key.t % 32) & 1 == 1
        }),
        Mask::Expr(e) => {
            let names = |name: &str| match name {
                "i" => Some(i),
                "j" => Some(j),
                "head" => i64::try_from(query.head).ok(),
                symbol => query.dims.scalars.get(symbol).copied(),
            };
            let failed = || RefError::Op(format!("`{e}` has no value for i = {i}, j = {j}"));
            whole(e, &names).ok_or_else(failed)? != 0
        }
    })
}

/// An expression of integers; a condition is 0 or 1. `None`: beyond 64 bits, divided by zero, or no such expression.
fn whole(e: &Expr, names: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
    let truth = |x: bool| Some(i64::from(x));
    let floor = |a: i64, b: i64| {
        let (q, r) = (a.checked_div(b)?, a.checked_rem(b)?);
        if r != 0 && (r < 0) != (b < 0) { q.checked_sub(1) } else { Some(q) }
    };
    match e {
        Expr::Number(x) => Some(*x as i64),
        Expr::Name(name) => names(name),
        Expr::Unary(expr::Unary::Neg, a) => whole(a, names)?.checked_neg(),
        Expr::Unary(expr::Unary::Not, a) => truth(whole(a, names)? == 0),
        Expr::Binary(op, a, b) => {
            let (a, b) = (whole(a, names)?, whole(b, names)?);
            match op {
                expr::Binary::Or => truth(a != 0 || b != 0),
                expr::Binary::And => truth(a != 0 && b != 0),
                expr::Binary::Lt => truth(a < b),
                expr::Binary::Le => truth(a <= b),
                expr::Binary::Gt => truth(a > b),
                expr::Binary::Ge => truth(a >= b),
                expr::Binary::Eq => truth(a == b),
                expr::Binary::Ne => truth(a != b),
                expr::Binary::Add => a.checked_add(b),
                expr::Binary::Sub => a.checked_sub(b),
                expr::Binary::Mul => a.checked_mul(b),
                expr::Binary::Div => floor(a, b),
                expr::Binary::Rem => a.checked_sub(floor(a, b)?.checked_mul(b)?),
            }
        }
        Expr::Call(func, args) => {
            let args = args.iter().map(|a| whole(a, names)).collect::<Option<Vec<_>>>()?;
            match (func, &args[..]) {
                (expr::Func::Block, [a, b]) => floor(*a, *b),
                (expr::Func::Max, [a, b]) => Some(*a.max(b)),
                (expr::Func::Min, [a, b]) => Some(*a.min(b)),
                (expr::Func::Abs, [a]) => a.checked_abs(),
                (_, _) => None,
            }
        }
        Expr::At(..) | Expr::Reduce(..) => None,
    }
}

/// Sequence, row in it, rows of the sequence.
type QueryRow = (usize, usize, usize);

/// Every query row, the number of sequences, the leading dimensions of `q`.
fn query_rows(
    op: &Attention,
    dims: &Dims,
    inputs: &Inputs,
) -> Result<(Vec<QueryRow>, usize, Vec<usize>), RefError> {
    let batch = inputs::size(&op.q.batch, dims)?;
    if let Some(m) = inputs::size(&op.q.len, dims)? {
        let batch = batch.ok_or_else(|| RefError::Op("the batch cannot be ragged".into()))?;
        let rows = (0..batch).flat_map(|b| (0..m).map(move |i| (b, i, m))).collect();
        return Ok((rows, batch, vec![batch, m]));
    }
    let q = inputs::tensor(inputs, "q")?;
    let total = q.shape.first().copied().unwrap_or(0);
    let p = inputs::indptr(inputs, "q.indptr", batch, total)?;
    let batch = p.len() - 1;
    if p[0] != 0 || p[batch] != total {
        return Err(RefError::Op(format!("`q.indptr` must go from 0 to the {total} rows of `q`")));
    }
    let rows = (0..batch)
        .flat_map(|b| (0..p[b + 1] - p[b]).map(move |i| (b, i)))
        .map(|(b, i)| (b, i, p[b + 1] - p[b]))
        .collect();
    Ok((rows, batch, vec![total]))
}

pub fn run(
    op: &Attention,
    dims: &Dims,
    inputs: &Inputs,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    let (rows, batch, lead) = query_rows(op, dims, inputs)?;
    let (heads, dim) = (natural("heads", op.q.heads)?, natural("dim", op.q.dim)?);
    let (kv_heads, v_dim) = (natural("kv heads", op.kv.heads)?, natural("v_dim", op.kv.v_dim)?);
    if kv_heads == 0 || heads % kv_heads != 0 {
        return Err(RefError::Op(format!("{heads} heads are no multiple of {kv_heads} kv heads")));
    }
    let mut lead_heads = lead.clone();
    lead_heads.push(heads);
    let wanted: Vec<_> = lead_heads.iter().chain([&dim]).map(|&x| Some(x)).collect();
    let q = inputs::typed(inputs, "q", op.q.dtype, &wanted)?;
    let per_head = |on: bool, name: &str| match on {
        true => inputs::typed(inputs, name, Dtype::F32, &[Some(heads)]).map(Some),
        false => Ok(None),
    };
    let (alibi, sink) = (per_head(op.alibi, "alibi")?, per_head(op.sink_logit, "sink_logit")?);
    let segments = (op.segments.iter().zip(heads_of(op)?))
        .map(|(s, heads)| open(op, s, heads, (batch, &lead), dims, inputs))
        .collect::<Result<Vec<_>, _>>()?;

    let pairs = pairs(samples, rows.len(), heads)?;
    let count = pairs.len();
    let blank = |width: usize| Output {
        blocks: None,
        shape: lead_heads.clone(),
        values: vec![0.0; count * width],
        bounds: vec![0.0; count * width],
        tainted: vec![false; count * width],
        at: samples.map(|_| {
            let places = pairs.iter().map(|(r, h)| (r * heads + h) * width);
            places.flat_map(|p| p..p + width).collect()
        }),
    };
    let mut o = blank(v_dim);
    o.shape.push(v_dim);
    let mut lse = blank(1);

    // Sequence by sequence and head by head, so that keys are decoded once.
    let group = heads / kv_heads;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&at| (rows[pairs[at].0].0, pairs[at].1 / group));
    let mut loaded: Option<((usize, usize), Keys)> = None;
    for at in order {
        let (row, head) = pairs[at];
        let (b, i, m) = rows[row];
        let here = (b, head / group);
        if loaded.as_ref().is_none_or(|(place, _)| *place != here) {
            loaded = Some((here, load(op, &segments, b, head / group, v_dim)?));
        }
        let Some((_, keys)) = &loaded else { continue };
        let first = (row * heads + head) * dim;
        let q_row: Vec<f64> = (first..first + dim).map(|e| q.get(e)).collect();
        let query = Query {
            q: &q_row,
            i: keys.total - m as i64 + i as i64,
            row,
            head,
            dims,
            alibi: alibi.map(|t| t.get(head)),
            sink: sink.map(|t| t.get(head)),
        };
        let answer = attend(op, &segments, keys, &query, v_dim)?;
        for (d, &(y, e)) in answer.o.iter().enumerate() {
            o.values[at * v_dim + d] = y;
            o.bounds[at * v_dim + d] = e;
            o.tainted[at * v_dim + d] = answer.tainted;
        }
        (lse.values[at], lse.bounds[at]) = answer.lse;
        lse.tainted[at] = answer.tainted;
    }
    let mut outputs = BTreeMap::from([("o".to_string(), o)]);
    if op.lse {
        outputs.insert("lse".to_string(), lse);
    }
    Ok(outputs)
}

/// Keys of one sequence and kv head: for each segment that names the head.
struct Keys {
    segments: Vec<(usize, Vec<Key>)>,
    total: i64,
}

fn load(
    op: &Attention,
    segments: &[Open<'_>],
    b: usize,
    head: usize,
    v_dim: usize,
) -> Result<Keys, RefError> {
    let mut keys = Keys { segments: Vec::new(), total: 0 };
    for (at, s) in segments.iter().enumerate() {
        let Some(h) = s.heads.iter().position(|&x| x == head) else { continue };
        let copy = s.copy[b];
        let mut list = Vec::new();
        for t in 0..s.len(copy) {
            let Some(slot) = s.slot(copy, t)? else { continue };
            let row = slot * s.heads.len() + h;
            let k = s.k.row(row)?;
            let v = match &s.v {
                Some(v) => v.row(row)?,
                None => k[..v_dim].to_vec(),
            };
            let k_unit = bound::key_unit(op.compute, s.k_storage);
            let v_unit = bound::key_unit(op.compute, s.v_storage);
            let before: usize = (0..copy).map(|c| s.len(c)).sum();
            let weight = s.weight.map_or(0.0, |w| match w.shape[..] {
                [_, most] => w.get(copy * most + t),
                _ => w.get(before + t),
            });
            list.push(Key { j: keys.total + t as i64, t, weight, k, v, k_unit, v_unit });
        }
        keys.total += s.len(copy) as i64;
        keys.segments.push((at, list));
    }
    Ok(keys)
}

struct Query<'a> {
    q: &'a [f64],
    i: i64,
    /// Among the rows of all sequences.
    row: usize,
    head: usize,
    dims: &'a Dims,
    alibi: Option<f64>,
    sink: Option<f64>,
}

struct Answer {
    /// Value and bound of each element.
    o: Vec<(f64, f64)>,
    lse: (f64, f64),
    tainted: bool,
}

fn attend(
    op: &Attention,
    segments: &[Open<'_>],
    keys: &Keys,
    query: &Query<'_>,
    v_dim: usize,
) -> Result<Answer, RefError> {
    let Query { q, i, .. } = *query;
    let dim = q.len();
    let scale = op.scale.unwrap_or(1.0 / (dim as f64).sqrt());
    let q_max = q.iter().fold(0f64, |a, x| a.max(x.abs()));
    let steps: Vec<f64> =
        q.iter().map(|q| bound::query_step(op.compute, q_max, *q, op.q.dtype)).collect();
    let mut tainted = false;
    let mut state = State::empty(v_dim);
    // Score, its error without the parts that need the maximum, and the key.
    let mut seen: Vec<(f64, f64, Option<&Key>)> = Vec::new();
    for (at, list) in &keys.segments {
        let (mut scores, mut values) = (Vec::new(), Vec::new());
        for key in list {
            if !sees(&segments[*at], query, key)? {
                continue;
            }
            let (mut dot, mut magnitude, mut operands) = (0.0, 0.0, 0.0);
            for ((&q, &k), step) in q.iter().zip(&key.k).zip(&steps) {
                let product = (q * k).abs();
                dot += q * k;
                magnitude += product;
                operands += step * k.abs() + key.k_unit * product;
            }
            let mut s = scale * dot;
            let mut terms = s.abs();
            if let Some(cap) = op.softcap {
                s = cap * (s / cap).tanh();
                terms += cap.abs();
            }
            if let Some(slope) = query.alibi {
                let bias = slope * (key.j - i) as f64;
                s += bias;
                terms += bias.abs();
            }
            if segments[*at].spec.weight {
                s += key.weight;
                terms += key.weight.abs();
            }
            let error = scale.abs()
                * (operands + bound::C2 * bound::U32 * bound::depth(dim) * magnitude)
                + bound::C3 * bound::U32 * (terms + s.abs());
            tainted |= !s.is_finite() || key.k.iter().chain(&key.v).any(|x| !x.is_finite());
            scores.push(s);
            values.push(key.v.as_slice());
            seen.push((s, error, Some(key)));
        }
        state = state.merge(&State::of(v_dim, &scores, &values));
    }
    let exact = |y: f64| (y, 0.0);
    // Keys that all weigh nothing are as good as hidden.
    if seen.is_empty() || state.den == 0.0 {
        let o = vec![exact(0.0); v_dim];
        return Ok(Answer { o, lse: exact(f64::NEG_INFINITY), tainted });
    }
    tainted |= q.iter().any(|x| !x.is_finite());
    if let Some(sink) = query.sink {
        tainted |= !sink.is_finite();
        if sink != f64::NEG_INFINITY {
            state = state.merge(&State { max: sink, den: 1.0, o: vec![0.0; v_dim] });
        }
        seen.push((sink, bound::C3 * bound::U32 * sink.abs(), None));
    }
    let (o, lse) = state.normalize();

    // The computed weights are p_j exp(d_j) with |d_j| <= delta_j, so that
    //   |o' - o| = |sum p_j (exp(d_j) - 1) (v_j - o)| / sum p_j exp(d_j)
    //           <= sum p_j expm1(delta_j) |v_j - o| / sum p_j exp(-delta_j).
    let n = seen.len();
    let mut low = 0.0;
    let mut moved = vec![0.0; v_dim];
    let mut mass = vec![0.0; v_dim];
    let mut v_round = vec![0.0; v_dim];
    let mut flushed = vec![0.0; v_dim];
    let mut moved_den = 0.0;
    for (s, error, key) in &seen {
        let p = weight(*s, state.max) / state.den;
        let delta = error + bound::C3 * bound::U32 * (s.abs() + state.max.abs()) + bound::EXP;
        low += p * (-delta).exp();
        let grown = p * delta.exp_m1();
        moved_den += grown;
        for d in 0..v_dim {
            let v = key.map_or(0.0, |key| key.v[d]);
            moved[d] += grown * (v - o[d]).abs();
            mass[d] += p * v.abs();
            v_round[d] += p * v.abs() * key.map_or(0.0, |key| key.v_unit);
            flushed[d] += bound::TINY * v.abs();
        }
    }
    // C2 twice: numerator and denominator are summed, and |o| <= sum p|v|.
    let sums =
        bound::C1 * bound::operand(op.compute) + 2.0 * bound::C2 * bound::U32 * bound::depth(n);
    let o = (0..v_dim)
        .map(|d| {
            let inner = moved[d] / low + sums * mass[d] + v_round[d] + flushed[d];
            let e = inner + bound::rounding(op.out, o[d], inner);
            // A sum of infinite magnitude or weight bounds nothing: only the class is judged.
            (o[d], if o[d].is_finite() { nan_is_infinite(e) } else { 0.0 })
        })
        .collect();
    // The state is rescaled at each new maximum, about log2 n times, each with the error of an exponential.
    let rescales = bound::EXP * (n as f64).log2().ceil();
    let inner = moved_den / low
        + bound::U32 * (2.0 * bound::C2 * bound::depth(n) + bound::C3 * state.max.abs())
        + rescales;
    let e = inner + bound::C2 * bound::rounding(Dtype::F32, lse, inner);
    let lse = (lse, if lse.is_finite() { nan_is_infinite(e) } else { 0.0 });
    Ok(Answer { o, lse, tainted })
}

fn nan_is_infinite(e: f64) -> f64 {
    if e.is_nan() { f64::INFINITY } else { e }
}
