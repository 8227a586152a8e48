//! The kernel that walks all keys of a kv head, or a part of them, and the step it shares with the others.
//!
//! ```text
//! max, den, o = for j in lo..hi step 16 with ... { one step of the online softmax }
//! ```

use super::{keys::Tile, mask::ranges, merge::normalise, *};

/// The kernel over all keys, or over parts of `split` keys that leave their states.
pub(super) fn decode(
    s: &Shape<'_>,
    params: Vec<Param>,
    split: Option<usize>,
) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new(if split.is_some() { "attend_part" } else { "attend" }, params);
    let kv_heads = s.a.kv.heads;
    let parts = split.map_or(Extent::Lit(1), |c| s.n.clone().ceil_div(c));
    let count = s.batch.clone() * s.m.clone() * kv_heads * parts.clone();
    b.tasks("t", count, 1, |b| {
        let t = Extent::from("t");
        // Neighbouring tasks share keys: query rows innermost, then parts, then heads.
        let i = b.scalar("i", t.clone() % s.m.clone());
        let part = b.scalar("part", t.clone() / s.m.clone() % parts.clone());
        let h = b.scalar("h", t.clone() / (s.m.clone() * parts.clone()) % kv_heads);
        let seq = b.scalar("seq", t / (s.m.clone() * parts.clone() * kv_heads));
        let heads = Slice::range(h.clone() * s.group, s.group);
        let q = queries(b, s, &seq, &i, &heads);
        let mut max = b.fill(LOWEST, Dtype::F32, &[s.group, 1]);
        let mut den = b.fill(0.0, Dtype::F32, &[s.group, 1]);
        let mut o = b.fill(0.0, Dtype::F32, &[s.group, s.v_dim]);
        let pos = b.scalar("pos", s.n.clone() - s.m.clone() + i.clone());
        let segment = &s.a.segments[0];
        for (number, (lo, hi)) in
            ranges(&segment.mask, &pos, &s.n).into_iter().flatten().enumerate()
        {
            let (lo, hi) = match split {
                None => (lo, hi),
                Some(c) => (lo.max(part.clone() * c), hi.min((part.clone() + 1) * c)),
            };
            let lo = b.scalar(&format!("lo{number}"), lo);
            let hi = b.scalar(&format!("hi{number}"), hi.max(lo.clone()));
            let var = format!("j{number}");
            let inits = [("max", max), ("den", den), ("o", o)];
            let state = b.for_each(&var, (lo, hi.clone(), s.keys), &inits, |b, state| {
                let tile =
                    Tile { seq: &seq, head: &h, j: &Extent::from(var.as_str()), hi: Some(&hi) };
                step(b, s, q, &tile, state)
            });
            (max, den, o) = (state[0], state[1], state[2]);
        }
        let row = |last: usize| match split {
            None => vec![
                Slice::point(seq.clone()),
                Slice::point(i.clone()),
                heads.clone(),
                Slice::range(0, last),
            ],
            Some(_) => vec![
                Slice::point(seq.clone()),
                Slice::point(i.clone()),
                Slice::point(part.clone()),
                heads.clone(),
                Slice::range(0, last),
            ],
        };
        if split.is_some() {
            b.store("part.max", row(1), max, false);
            b.store("part.den", row(1), den, false);
            b.store("part.o", row(s.v_dim), o, false);
        } else {
            let out = normalise(b, o, den, s.a.out);
            b.store("o", row(s.v_dim), out, false);
        }
    });
    b.finish()
}

/// The query rows of `heads`, scaled.
pub(super) fn queries(
    b: &mut Builder,
    s: &Shape<'_>,
    seq: &Extent,
    i: &Extent,
    heads: &Slice,
) -> Value {
    let scale = s.a.scale.unwrap_or(1.0 / (s.dim as f64).sqrt());
    let at = vec![
        Slice::point(seq.clone()),
        Slice::point(i.clone()),
        heads.clone(),
        Slice::range(0, s.dim),
    ];
    let q0 = b.load("q0", "q", s.a.q.dtype, at, false);
    let q1 = b.convert("q1", q0, Dtype::F32);
    // Scores in units of log 2, unless a cap stands between.
    let log2e = if s.a.softcap.is_some() { 1.0 } else { std::f64::consts::LOG2_E };
    let c = b.fill(scale * log2e, Dtype::F32, &[1, 1]);
    b.binary("qs", Binary::Mul, q1, c)
}

/// One tile of keys joins the state.
pub(super) fn step(
    b: &mut Builder,
    s: &Shape<'_>,
    q: Value,
    at: &Tile<'_>,
    state: &[Value],
) -> Vec<Value> {
    let (max, den, o) = (state[0], state[1], state[2]);
    let Tile { j, hi, .. } = at;
    // Which keys of the tile exist: whole tiles lose this by `peel`.
    let exist = hi.map(|hi| {
        let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
        let places = b.iota(&[1, s.keys], 1, (*j).clone() - hi.clone());
        let seen = b.binary("seen", Binary::Cmp(Compare::Lt), places, zero);
        let rows = b.iota(&[s.keys, 1], 0, (*j).clone() - hi.clone());
        (seen, b.binary("held", Binary::Cmp(Compare::Lt), rows, zero))
    });
    let k1 = keys::k(b, s, at);
    let mut score = b.dot("s0", q, k1, true, None);
    if let Some(cap) = s.a.softcap {
        let inverse = b.fill(1.0 / cap, Dtype::F32, &[1, 1]);
        let scaled = b.binary("s1", Binary::Mul, score, inverse);
        let squashed = b.unary("s2", Unary::Tanh, scaled);
        let back = b.fill(cap * std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        score = b.binary("s3", Binary::Mul, squashed, back);
    }
    if let Some((seen, _)) = exist {
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[s.group, s.keys]);
        score = b.select("s", seen, score, lowest);
    }
    let tile_max = b.reduce("tile_max", Reduce::Max, score, 1);
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    let alpha = b.unary("alpha", Unary::Exp2, moved);
    let below = b.binary("below", Binary::Sub, score, max2);
    let p = b.unary("p", Unary::Exp2, below);
    let sum = b.reduce("sum", Reduce::Sum, p, 1);
    let kept = b.binary("kept", Binary::Mul, den, alpha);
    let den2 = b.binary("den_next", Binary::Add, kept, sum);
    let mut v = keys::v(b, s, at);
    if let Some((_, held)) = exist {
        // A hidden value may be NaN: its weight 0 would not silence it.
        let nothing = b.fill(0.0, Dtype::F32, &[s.keys, s.v_dim]);
        v = b.select("v", held, v, nothing);
    }
    let faded = b.binary("faded", Binary::Mul, o, alpha);
    let o2 = b.dot("o_next", p, v, false, Some(faded));
    vec![max2, den2, o2]
}
