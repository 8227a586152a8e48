//! States of parts become one, and a state becomes the result.
//!
//! ```text
//! o = sum over parts of exp2(max_p - max) o_p / sum over parts of exp2(max_p - max) den_p
//! ```

use super::*;

/// `o / den`; a row that saw no key is 0.
pub(super) fn normalise(b: &mut Builder, o: Value, den: Value, out: Dtype) -> Value {
    let shape = b.shape(den);
    let zero = b.fill(0.0, Dtype::F32, &shape);
    let one = b.fill(1.0, Dtype::F32, &shape);
    let empty = b.binary("empty", Binary::Cmp(Compare::Eq), den, zero);
    let safe = b.select("safe", empty, one, den);
    let inverse = b.unary("inverse", Unary::Recip, safe);
    let y = b.binary("y", Binary::Mul, o, inverse);
    b.convert("out", y, out)
}

/// One task a (sequence, query row, head): the states of the parts, in order.
pub(super) fn merge(s: &Shape<'_>, params: Vec<Param>, parts: &Extent) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("merge", params);
    let heads = s.a.q.heads;
    b.tasks("t", s.batch.clone() * s.m.clone() * heads, 4, |b| {
        let t = Extent::from("t");
        let h = b.scalar("h", t.clone() % heads);
        let i = b.scalar("i", t.clone() / heads % s.m.clone());
        let seq = b.scalar("seq", t / (s.m.clone() * heads));
        let max = b.fill(LOWEST, Dtype::F32, &[1, 1]);
        let den = b.fill(0.0, Dtype::F32, &[1, 1]);
        let o = b.fill(0.0, Dtype::F32, &[1, s.v_dim]);
        let inits = [("max", max), ("den", den), ("o", o)];
        let state = b.for_each("part", (Extent::Lit(0), parts.clone(), 1), &inits, |b, state| {
            let at = |last| {
                vec![
                    Slice::point(seq.clone()),
                    Slice::point(i.clone()),
                    Slice::point("part"),
                    Slice::range(h.clone(), 1),
                    Slice::range(0, last),
                ]
            };
            let m1 = b.load("m1", "part.max", Dtype::F32, at(1), false);
            let d1 = b.load("d1", "part.den", Dtype::F32, at(1), false);
            let o1 = b.load("o1", "part.o", Dtype::F32, at(s.v_dim), false);
            let max2 = b.binary("max_next", Binary::Max, state[0], m1);
            let old = b.binary("old", Binary::Sub, state[0], max2);
            let alpha = b.unary("alpha", Unary::Exp2, old);
            let new = b.binary("new", Binary::Sub, m1, max2);
            let beta = b.unary("beta", Unary::Exp2, new);
            let kept = b.binary("kept", Binary::Mul, state[1], alpha);
            let more = b.binary("more", Binary::Mul, d1, beta);
            let den2 = b.binary("den_next", Binary::Add, kept, more);
            let faded = b.binary("faded", Binary::Mul, state[2], alpha);
            let joined = b.binary("joined", Binary::Mul, o1, beta);
            let o2 = b.binary("o_next", Binary::Add, faded, joined);
            vec![max2, den2, o2]
        });
        let out = normalise(b, state[2], state[1], s.a.out);
        let row =
            vec![Slice::point(seq), Slice::point(i), Slice::range(h, 1), Slice::range(0, s.v_dim)];
        b.store("o", row, out, false);
    });
    b.finish()
}
