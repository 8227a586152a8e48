//! The kernel that takes all heads of a part of the keys, for caches where the heads of a token lie side by side.
//!
//! A tile of tokens is one stretch of memory that all its heads share. While a head computes, the next tile comes in the
//! order of memory, an equal share of it a head: streams as long as that keep memory busy, rows of one head do not. The
//! partial tile has a loop of its own here: the pass `peel` looks at the tiles of one loop, and these stand in two.

use super::{
    decode::{
        Bias, Bounds, Item, bounds, exceeds, items, moved, position, queries, scores, scratch,
        slopes, step, weights,
    },
    keys::{Open, Tile},
    planes::Query,
    *,
};

/// A part of all heads has one in so many of the keys that a part of one head has: each counts for all heads.
const SHORTER: usize = 4;

/// The shape for this kernel.
pub(super) fn shape_of<'a>(
    a: &'a Attention,
    symbols: &[Symbol],
    choice: &Choice,
) -> Result<Shape<'a>> {
    let mut choice = choice.clone();
    choice.schedule.split = choice.schedule.split.div_ceil(SHORTER);
    shape(a, symbols, &choice)
}

/// Where the kernel serves: what must hold of strides. `None`: it does not serve this op.
pub(super) fn beside(s: &Shape<'_>, choice: &Choice) -> Option<Vec<Predicate>> {
    let few = s.a.kv.heads <= 1 || s.blocks > 1 || s.classes.len() > 1;
    let looked_up =
        s.segments.iter().any(|seg| seg.walk == Walk::Gather || mask::by_head(&seg.spec.mask));
    // Which kernel runs must not depend on the batch.
    if choice.schedule.heads == 0 || few || looked_up || s.a.deterministic {
        return None;
    }
    let side_by_side = |seg: &Seg<'_>| {
        let stride = |d: usize| Extent::Sym(format!("{}.stride{d}", seg.k.whole(&seg.k_name())));
        let head = if seg.packed() { 1 } else { 2 };
        Predicate { left: stride(head), cmp: Compare::Lt, right: stride(head - 1) }
    };
    Some(s.segments.iter().filter(|seg| !of_pages(seg)).map(side_by_side).collect())
}

/// Whether a tile of all heads is a page, so one stretch of memory in whichever order its heads and tokens stand.
fn of_pages(seg: &Seg<'_>) -> bool {
    seg.walk == Walk::Pages(seg.keys as i64)
}

pub(super) fn decode(s: &Shape<'_>, params: Vec<Param>) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_heads", params, &s.symbols);
    let kv_heads = s.a.kv.heads as usize;
    b.scratch("qs", Dtype::F32, &[kv_heads * s.group, s.dim]);
    let widest = s.segments.iter().map(|seg| seg.keys).max().unwrap_or(1);
    if s.lazy {
        b.scratch("dens", Dtype::F32, &[kv_heads * s.group, widest]);
    }
    scratch(&mut b, s, s.group, s.varies(), false);
    let listed = items(&mut b, s, true);
    let parts = s.parts();
    let rows = s.m.clone().unwrap_or(Extent::Lit(1));
    let count = match &listed {
        Some(items) => items.clone(),
        None => s.batch.clone() * rows.clone() * parts.clone(),
    };
    let ahead = s.segments.len() == 1;
    b.tasks_ahead("t", count, ahead, |b, next| {
        let numbered = |b: &mut Builder, t: Extent| match &listed {
            Some(_) => Item::listed(b, s, true, &t),
            None => {
                let i = b.scalar("i", t.clone() % rows.clone());
                let part = b.scalar("part", t.clone() / rows.clone() % parts.clone());
                let seq = b.scalar("seq", t / (rows.clone() * parts.clone()));
                Item { seq, i, m: rows.clone(), row: None, part, slot: None }
            }
        };
        let t = b.var("t");
        let item = numbered(b, t);
        let next = next.and_then(|t| {
            let item = numbered(b, t);
            decode::begins(b, s, &s.classes[0], &item, &Extent::Lit(0), true)
        });
        let all = (Extent::Lit(0), Extent::from(kv_heads), 1);
        let state = |head: &Extent, last: usize| {
            let width = [Slice::range(head.clone() * s.group, s.group), Slice::range(0, last)];
            [&item.states()[..], &width].concat()
        };
        b.for_each("g", all.clone(), &[], |b, _| {
            let head = b.var("g");
            let rows = Slice::range(head.clone() * s.group, s.group);
            let q = queries(b, s, &item, &rows);
            b.store("qs", vec![rows, Slice::range(0, s.dim)], q, false);
            let max = b.fill(LOWEST, Dtype::F32, &[s.group, 1]);
            let den = b.fill(0.0, Dtype::F32, &[s.group, 1]);
            let o = b.fill(0.0, Dtype::F32, &[s.group, s.v_dim]);
            b.store("part.max", state(&head, 1), max, false);
            b.store("part.den", state(&head, 1), den, false);
            b.store("part.o", state(&head, s.v_dim), o, false);
            if s.lazy {
                let dens = b.fill(0.0, Dtype::F32, &[s.group, widest]);
                let rows = Slice::range(head * s.group, s.group);
                b.store("dens", vec![rows, Slice::range(0, widest)], dens, false);
            }
            vec![]
        });
        let which: Vec<usize> = (0..s.segments.len()).collect();
        let mut opened = keys::open(b, s, &which, &item.seq);
        let pos = position(b, &item, &opened);
        let mut number = 0;
        for open in &mut opened {
            for (lo, hi) in mask::ranges(open, &pos, &Extent::Lit(0)) {
                let Bounds { lo, hi, head, main } =
                    bounds(b, s, open, (lo, hi), number, Some(&item));
                // A part may end in the tile in which it begins.
                let left = (hi.clone() - main.clone()).max(0);
                let whole = main.clone() + left / open.seg.keys * open.seg.keys;
                let whole = b.scalar(&format!("whole{number}"), whole);
                let head = head.map(|(from, to)| (from, to, "head"));
                let loops = [(main, whole.clone(), "whole"), (whole, hi.clone(), "part")];
                for (from, to, kind) in head.into_iter().chain(loops) {
                    let (j, h) = (format!("j{number}_{kind}"), format!("h{number}_{kind}"));
                    b.for_each(&j, (from, to, open.seg.keys), &[], |b, _| {
                        let j = b.var(&j);
                        let ahead =
                            (kind == "whole").then(|| goal(b, open, next.as_ref(), &j, &hi));
                        b.for_each(&h, all.clone(), &[], |b, _| {
                            let head = b.var(&h);
                            if let Some(goal) = &ahead {
                                hints(b, s, open, goal, &head);
                            }
                            let rows = Slice::range(head.clone() * s.group, s.group);
                            let at = vec![rows.clone(), Slice::range(0, s.dim)];
                            let q = Query::Floats(b.load("q", "qs", Dtype::F32, at, false));
                            let slope = slopes(b, s, &rows);
                            let first = rows.start.clone();
                            let bias = Bias { slope, item: &item, head: &first };
                            let tile = Tile {
                                open: &Open { head: head.clone(), ..open.clone() },
                                j: &j,
                                lo: (kind == "head").then_some(&lo),
                                hi: (kind != "whole").then_some(&hi),
                                next: None,
                            };
                            let memory = Memory {
                                max: state(&head, 1),
                                den: state(&head, 1),
                                dens: vec![rows, Slice::range(0, widest)],
                                o: state(&head, s.v_dim),
                            };
                            if s.lazy {
                                lazily(b, s, q, &bias, &pos, &tile, &memory);
                            } else {
                                exactly(b, s, q, &bias, &pos, &tile, &memory);
                            }
                            vec![]
                        });
                        vec![]
                    });
                }
                number += 1;
            }
        }
        if s.lazy {
            b.for_each("e", all, &[], |b, _| {
                let head = b.var("e");
                let rows = Slice::range(head.clone() * s.group, s.group);
                let dens =
                    b.load("dens", "dens", Dtype::F32, vec![rows, Slice::range(0, widest)], false);
                let den = b.reduce("den", Reduce::Sum, dens, 1);
                b.store("part.den", state(&head, 1), den, false);
                vec![]
            });
        }
    });
    b.finish()
}

/// Where the state of a head lies.
struct Memory {
    max: Vec<Slice>,
    den: Vec<Slice>,
    /// Sums of weights, one a key of a tile, in the lazy form.
    dens: Vec<Slice>,
    o: Vec<Slice>,
}

/// One tile joins the state.
fn exactly(
    b: &mut Builder,
    s: &Shape<'_>,
    q: Query,
    bias: &Bias<'_>,
    pos: &Extent,
    tile: &Tile<'_>,
    at: &Memory,
) {
    let max = b.load("max", "part.max", Dtype::F32, at.max.clone(), false);
    let den = b.load("den", "part.den", Dtype::F32, at.den.clone(), false);
    let o = b.load("o", "part.o", Dtype::F32, at.o.clone(), false);
    let next = step(b, s, q, bias, pos, tile, &[max, den, o]);
    b.store("part.max", at.max.clone(), next[0], false);
    b.store("part.den", at.den.clone(), next[1], false);
    b.store("part.o", at.o.clone(), next[2], false);
}

/// The same where the maximum moves for scores above it alone.
fn lazily(
    b: &mut Builder,
    s: &Shape<'_>,
    q: Query,
    bias: &Bias<'_>,
    pos: &Extent,
    tile: &Tile<'_>,
    at: &Memory,
) {
    let mut scores = scores(b, s, q, bias, pos, tile);
    let max = b.load("max", "part.max", Dtype::F32, at.max.clone(), false);
    let up = exceeds(b, scores.score, max);
    b.choose(
        up,
        |b| {
            let (max2, alpha) = moved(b, scores.score, max);
            for (tensor, place) in [("dens", &at.dens), ("part.o", &at.o)] {
                let old = b.load("old", tensor, Dtype::F32, place.clone(), false);
                let kept = b.binary("kept", Binary::Mul, old, alpha);
                b.store(tensor, place.clone(), kept, false);
            }
            b.store("part.max", at.max.clone(), max2, false);
        },
        |_| {},
    );
    let max = b.load("max", "part.max", Dtype::F32, at.max.clone(), false);
    let p = weights(b, scores.score, max);
    let mut place = at.dens.clone();
    if let Some(last) = place.last_mut() {
        last.len = Some(tile.open.seg.keys);
    }
    let dens = b.load("dens", "dens", Dtype::F32, place.clone(), false);
    let dens = b.binary("dens_next", Binary::Add, dens, p);
    b.store("dens", place, dens, false);
    let v = scores.values(b, s, tile);
    let o = b.load("o", "part.o", Dtype::F32, at.o.clone(), false);
    let o = b.dot("o_next", p, v, false, Some(o));
    b.store("part.o", at.o.clone(), o, false);
}

/// The first row of the next tile, or of the next task's first one: its leading indices, and the last of them.
fn goal(
    b: &mut Builder,
    open: &Open<'_>,
    next: Option<&keys::Next<'_>>,
    j: &Extent,
    hi: &Extent,
) -> (Vec<Slice>, Extent) {
    let later = j.clone() + open.seg.keys;
    let goal = match next {
        Some(next) => next.goal(b, open, &later, hi),
        None => {
            let (copy, base, head) = (open.copy.clone(), open.base.clone(), Extent::Lit(0));
            keys::Goal { copy, base, head, key: later }
        }
    };
    match open.seg.walk {
        Walk::Pages(page) => {
            let key = match next {
                Some(_) => goal.key,
                None => goal.key.min(hi.clone() - 1i64),
            };
            let place = vec![goal.copy, key.clone() / page];
            let number = b.read(&format!("next_{j}"), &open.seg.name("block_table"), place);
            (vec![Slice::point(number)], key % page)
        }
        Walk::Rows | Walk::Gather if open.seg.packed() => (vec![], goal.base + goal.key),
        Walk::Rows | Walk::Gather => (vec![Slice::point(goal.copy)], goal.key),
    }
}

/// A head's share of the next tile, as many rows as a tile has, in the order of memory: behind the last head of a token
/// comes the next token. A hint may reach beyond the keys.
fn hints(
    b: &mut Builder,
    s: &Shape<'_>,
    open: &Open<'_>,
    (lead, first): &(Vec<Slice>, Extent),
    head: &Extent,
) {
    let keys = open.seg.keys;
    let share = head.clone() * keys / s.a.kv.heads;
    let (first, rows) = match s.own_rows || of_pages(open.seg) {
        true => (Slice::range(first.clone(), keys), Slice::point(head.clone())),
        false => (Slice::point(first.clone() + share), Slice::range(0, keys)),
    };
    for ((tensor, stored), width) in open.seg.stored().into_iter().zip([s.dim, s.v_dim]) {
        let rows = [first.clone(), rows.clone(), Slice::range(0, width)];
        for name in stored.hinted(&tensor) {
            b.prefetch(&name, [&lead[..], &rows].concat());
        }
    }
}
