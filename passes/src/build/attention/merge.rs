//! States of parts become one, and a state becomes the result.
//!
//! ```text
//! o = sum over parts of exp2(max_p - max) o_p / sum over parts of exp2(max_p - max) den_p
//! ```

use super::{
    decode::{Item, column},
    *,
};

/// Whether the kernel that merges reads this tensor.
pub(super) fn reads(t: &Tensor) -> bool {
    lists::reads(t) || t.name == "sink_logit"
}

/// `o / den`, and the logarithm of den if it is wanted; a row that saw no key is 0, its logarithm -inf. The sink joins
/// here, once.
pub(super) fn normalise(
    b: &mut Builder,
    s: &Shape<'_>,
    state: &[Value],
    heads: &Slice,
) -> (Value, Option<Value>) {
    let sink = s.a.sink_logit.then(|| column(b, "sink", "sink_logit", heads));
    let (y, lse) = finish(b, s, state, sink);
    (b.convert("out", y, s.a.out), lse)
}

/// The same in f32, with the logits of the sinks.
pub(super) fn finish(
    b: &mut Builder,
    s: &Shape<'_>,
    state: &[Value],
    sink: Option<Value>,
) -> (Value, Option<Value>) {
    let (mut max, mut den, mut o) = (state[0], state[1], state[2]);
    let shape = b.shape(den);
    let zero = b.fill(0.0, Dtype::F32, &shape);
    let one = b.fill(1.0, Dtype::F32, &shape);
    let empty = b.binary("empty", Binary::Cmp(Compare::Eq), den, zero);
    if let Some(sink) = sink {
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        let logit = b.binary("logit0", Binary::Mul, sink, log2e);
        // A row without keys has no sum that a sink could join.
        let lowest = b.fill(LOWEST, Dtype::F32, &shape);
        let logit = b.select("logit", empty, lowest, logit);
        let top = b.binary("top", Binary::Max, max, logit);
        let moved = b.binary("moved", Binary::Sub, max, top);
        let alpha = b.unary("alpha", Unary::Exp2, moved);
        let below = b.binary("below", Binary::Sub, logit, top);
        let more = b.unary("sunk", Unary::Exp2, below);
        let kept = b.binary("kept", Binary::Mul, den, alpha);
        den = b.binary("den_sunk", Binary::Add, kept, more);
        o = b.binary("o_sunk", Binary::Mul, o, alpha);
        max = top;
    }
    let safe = b.select("safe", empty, one, den);
    let inverse = b.unary("inverse", Unary::Recip, safe);
    let y = b.binary("y", Binary::Mul, o, inverse);
    let lse = s.a.lse.then(|| {
        let size = b.unary("size", Unary::Log2, safe);
        let sum = b.binary("whole", Binary::Add, max, size);
        let ln2 = b.fill(std::f64::consts::LN_2, Dtype::F32, &[1, 1]);
        let natural = b.binary("natural", Binary::Mul, sum, ln2);
        let nothing = b.fill(f64::NEG_INFINITY, Dtype::F32, &shape);
        b.select("lse0", empty, nothing, natural)
    });
    (y, lse)
}

/// One task a (sequence, query row, head): the states of the parts, in order. Heads are rows of their own, or those
/// of a kv head the first ones of so many `rows`.
pub(super) fn merge(
    name: &str,
    s: &Shape<'_>,
    params: Vec<Param>,
    rows: Option<usize>,
) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new(name, params, &s.symbols);
    let heads = s.a.q.heads;
    decode::columns(&mut b, s, 1, true);
    if s.m.is_none() {
        lists::scratch(&mut b);
    }
    let count = match &s.m {
        Some(m) => s.batch.clone() * m.clone() * heads,
        None => b.read("all", "rows", vec![s.batch.clone()]) * heads,
    };
    b.tasks("t", count, 4, |b| {
        let t = b.var("t");
        let h = b.scalar("h", t.clone() % heads);
        let (seq, i, row, m) = match &s.m {
            Some(m) => {
                let i = b.scalar("i", t.clone() / heads % m.clone());
                (b.scalar("seq", t / (m.clone() * heads)), i, None, m.clone())
            }
            None => {
                let at = b.scalar("at", t / heads);
                let seq = lists::owner(b, s, "rows", &at);
                let before = b.read("before_own", "rows", vec![seq.clone()]);
                let i = b.scalar("i", at - before);
                let (first, m) = lists::rows(b, s, &seq);
                let row = first.map(|first| b.scalar("row", first + i.clone()));
                (seq, i, row, m)
            }
        };
        let (parts, slots) = if s.varies() {
            let parts = lists::most(b, s, &seq);
            let before = b.read("slot0", "work", vec![seq.clone()]);
            (parts, Some(b.scalar("slots", before + i.clone())))
        } else {
            (s.parts(), None)
        };
        let max = b.fill(LOWEST, Dtype::F32, &[1, 1]);
        let den = b.fill(0.0, Dtype::F32, &[1, 1]);
        let o = b.fill(0.0, Dtype::F32, &[1, s.v_dim]);
        let item = |part: Extent| Item {
            seq: seq.clone(),
            i: i.clone(),
            m: m.clone(),
            row: row.clone(),
            slot: slots.clone().map(|first| first + part.clone() * m.clone()),
            part,
        };
        let inits = [("max", max), ("den", den), ("o", o)];
        let state = b.for_each("part", (Extent::Lit(0), parts, 1), &inits, |b, state| {
            let part = b.var("part");
            let at = |last| {
                let row = match rows {
                    Some(rows) => h.clone() / s.whole() * rows + h.clone() % s.whole(),
                    None => h.clone(),
                };
                let width = [Slice::range(row, 1), Slice::range(0, last)];
                [&item(part.clone()).states()[..], &width].concat()
            };
            let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
            let one = b.fill(1.0, Dtype::F32, &[1, 1]);
            let m1 = b.load("m1", "part.max", Dtype::F32, at(1), false);
            let d1 = b.load("d1", "part.den", Dtype::F32, at(1), false);
            let o1 = b.load("o1", "part.o", Dtype::F32, at(s.v_dim), false);
            // The higher maximum weighs 1, so that one exponential is enough.
            let gap = b.binary("gap", Binary::Sub, state[0], m1);
            let risen = b.binary("risen", Binary::Cmp(Compare::Lt), gap, zero);
            let back = b.binary("back", Binary::Sub, zero, gap);
            let below = b.binary("below", Binary::Min, gap, back);
            let weight = b.unary("weight", Unary::Exp2, below);
            let alpha = b.select("alpha", risen, weight, one);
            let beta = b.select("beta", risen, one, weight);
            let max2 = b.binary("max_next", Binary::Max, state[0], m1);
            let kept = b.binary("kept", Binary::Mul, state[1], alpha);
            let more = b.binary("more", Binary::Mul, d1, beta);
            let den2 = b.binary("den_next", Binary::Add, kept, more);
            let faded = b.binary("faded", Binary::Mul, state[2], alpha);
            let joined = b.binary("joined", Binary::Mul, o1, beta);
            let o2 = b.binary("o_next", Binary::Add, faded, joined);
            vec![max2, den2, o2]
        });
        let head = Slice::range(h, 1);
        let (out, lse) = normalise(b, s, &state, &head);
        let rows = item(Extent::Lit(0)).rows();
        let to = [&rows[..], &[head.clone(), Slice::range(0, s.v_dim)]].concat();
        b.store("o", to, out, false);
        if let Some(lse) = lse {
            let mut to = [rows, vec![head]].concat();
            let last = to.len() - 2;
            to[last].len = Some(1);
            b.store("lse", to, lse, false);
        }
    });
    b.finish()
}
