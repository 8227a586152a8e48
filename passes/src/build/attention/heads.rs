//! The kernel that takes all heads of a part of the keys, for caches where the heads of a token lie side by side.
//!
//! A tile of tokens is one stretch of memory that all its heads share. While a head computes, the next tile comes in the
//! order of memory, an equal share of it a head: streams as long as that keep memory busy, rows of one head do not. The
//! partial tile has a loop of its own here: the pass `peel` looks at the tiles of one loop, and these stand in two.

use super::{
    decode::{queries, step},
    keys::Tile,
    mask::ranges,
    *,
};

pub(super) fn decode(s: &Shape<'_>, params: Vec<Param>, split: usize) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_heads", params);
    let kv_heads = s.a.kv.heads as usize;
    b.scratch("qs", Dtype::F32, &[kv_heads * s.group, s.dim]);
    let parts = s.n.clone().ceil_div(split);
    let count = s.batch.clone() * s.m.clone() * parts.clone();
    b.tasks("t", count, 1, |b| {
        let t = Extent::from("t");
        let i = b.scalar("i", t.clone() % s.m.clone());
        let part = b.scalar("part", t.clone() / s.m.clone() % parts.clone());
        let seq = b.scalar("seq", t / (s.m.clone() * parts.clone()));
        let all = (Extent::Lit(0), Extent::from(kv_heads), 1);
        let state = |head: &Extent, last: usize| {
            vec![
                Slice::point(seq.clone()),
                Slice::point(i.clone()),
                Slice::point(part.clone()),
                Slice::range(head.clone() * s.group, s.group),
                Slice::range(0, last),
            ]
        };
        b.for_each("g", all.clone(), &[], |b, _| {
            let head = Extent::from("g");
            let rows = Slice::range(head.clone() * s.group, s.group);
            let q = queries(b, s, &seq, &i, &rows);
            b.store("qs", vec![rows, Slice::range(0, s.dim)], q, false);
            let max = b.fill(LOWEST, Dtype::F32, &[s.group, 1]);
            let den = b.fill(0.0, Dtype::F32, &[s.group, 1]);
            let o = b.fill(0.0, Dtype::F32, &[s.group, s.v_dim]);
            b.store("part.max", state(&head, 1), max, false);
            b.store("part.den", state(&head, 1), den, false);
            b.store("part.o", state(&head, s.v_dim), o, false);
            vec![]
        });
        let pos = b.scalar("pos", s.n.clone() - s.m.clone() + i.clone());
        let mask = &s.a.segments[0].mask;
        for (number, (lo, hi)) in ranges(mask, &pos, &s.n).into_iter().flatten().enumerate() {
            let lo = b.scalar(&format!("lo{number}"), lo.max(part.clone() * split));
            let hi = b
                .scalar(&format!("hi{number}"), hi.min((part.clone() + 1) * split).max(lo.clone()));
            let whole = lo.clone() + (hi.clone() - lo.clone()) / s.keys * s.keys;
            let whole = b.scalar(&format!("whole{number}"), whole);
            for (lo, end, partial) in [(lo, whole.clone(), false), (whole, hi.clone(), true)] {
                let kind = if partial { "part" } else { "whole" };
                let (j, h) = (format!("j{number}_{kind}"), format!("h{number}_{kind}"));
                b.for_each(&j, (lo, end, s.keys), &[], |b, _| {
                    let j = Extent::from(j.as_str());
                    b.for_each(&h, all.clone(), &[], |b, _| {
                        let head = Extent::from(h.as_str());
                        if !partial {
                            hints(b, s, &seq, &j, &head);
                        }
                        let rows = Slice::range(head.clone() * s.group, s.group);
                        let at = vec![rows, Slice::range(0, s.dim)];
                        let q = b.load("q", "qs", Dtype::F32, at, false);
                        let max = b.load("max", "part.max", Dtype::F32, state(&head, 1), false);
                        let den = b.load("den", "part.den", Dtype::F32, state(&head, 1), false);
                        let o = b.load("o", "part.o", Dtype::F32, state(&head, s.v_dim), false);
                        let end = partial.then_some(&hi);
                        let tile = Tile { seq: &seq, head: &head, j: &j, hi: end };
                        let next = step(b, s, q, &tile, &[max, den, o]);
                        b.store("part.max", state(&head, 1), next[0], false);
                        b.store("part.den", state(&head, 1), next[1], false);
                        b.store("part.o", state(&head, s.v_dim), next[2], false);
                        vec![]
                    });
                    vec![]
                });
            }
        }
    });
    b.finish()
}

/// A head's share of the next tile, as many rows as a tile has, in the order of memory: behind the last head of a token
/// comes the next token. A hint may reach beyond the keys.
fn hints(b: &mut Builder, s: &Shape<'_>, seq: &Extent, j: &Extent, head: &Extent) {
    let first = j.clone() + s.keys + head.clone() * s.keys / s.a.kv.heads;
    for (tensor, width) in [("k", s.dim), ("v", s.v_dim)] {
        let at = vec![
            Slice::point(seq.clone()),
            Slice::point(first.clone()),
            Slice::range(0, s.keys),
            Slice::range(0, width),
        ];
        b.prefetch(&format!("{}.{tensor}", s.name), at);
    }
}
