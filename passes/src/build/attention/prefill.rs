//! The kernel for many query rows: a task is a block of query positions times the heads of a group.
//!
//! The lanes are query rows, so that each key is read once for all of them, and maxima, sums and masks need no sum
//! across lanes: scores are `k q^T`, and the output stands transposed until the task ends.
//!
//! ```text
//! s = dot(k, qt) : f32[96, 48]            96 keys, 48 rows
//! p = exp2(s - max) : f32[96, 48]         max : f32[1, 48]
//! ot = dot(v^T, p, faded) : f32[128, 48]
//! ```
//!
//! Rows of a panel see ranges of keys that grow with their position. A tile that all of them see whole has no mask,
//! one that none sees is left out. Where only some see a key, its weight is 0 for the others; a value that is no
//! number would come through that, so tiles with such a value are added key by key.

use super::{decode::queries, keys, keys::Tile, mask::ranges, *};

/// How a task is cut.
pub(super) struct Plan {
    /// Query positions of a task.
    positions: usize,
    /// Rows that stand side by side in lanes.
    width: usize,
    panels: usize,
    keys: usize,
    lanes: usize,
}

impl Plan {
    pub fn new(s: &Shape<'_>, choice: &Choice) -> Plan {
        let target = choice.target;
        let width = target.lanes * if target.vectors < 32 { 2 } else { 3 };
        let positions = (choice.schedule.queries / s.group).max(1);
        let panels = (positions * s.group).div_ceil(width);
        Plan { positions, width, panels, keys: choice.schedule.block, lanes: target.lanes }
    }

    /// Positions whose rows fill all panels.
    fn filled(&self, s: &Shape<'_>) -> usize {
        (self.panels * self.width).div_ceil(s.group)
    }

    fn blocks(&self, s: &Shape<'_>) -> Extent {
        s.m.clone().ceil_div(self.positions)
    }

    /// Enough rows for a panel, enough tasks for the cores.
    pub fn when(&self, s: &Shape<'_>) -> Vec<Predicate> {
        let rows = Extent::from(self.width.div_ceil(s.group).max(2));
        let tasks = s.batch.clone() * self.blocks(s) * s.a.kv.heads * 2;
        vec![
            Predicate { left: s.m.clone(), cmp: Compare::Ge, right: rows },
            Predicate { left: tasks, cmp: Compare::Ge, right: Extent::Cores },
        ]
    }
}

/// A tile of keys in scratch, for the rows of a panel.
struct Panel<'a> {
    p: &'a Extent,
    j: &'a Extent,
    /// Number of the range of the mask.
    range: usize,
    /// 1 if a value of the tile is no number.
    odd: &'a Extent,
}

pub(super) fn prefill(s: &Shape<'_>, params: Vec<Param>, plan: &Plan) -> kgen_ir::tile::Kernel {
    let s = &Shape { keys: plan.keys, ..s.clone() };
    let mut b = Builder::new("attend_rows", params);
    let mask = &s.a.segments[0].mask;
    let filled = plan.filled(s);
    let (rows, width) = (plan.panels * plan.width, plan.width);
    let pad = s.v_dim.next_multiple_of(plan.lanes);
    b.scratch("rows", Dtype::F32, &[filled * s.group, s.dim.max(s.v_dim)]);
    b.scratch("qt", Dtype::F32, &[plan.panels * s.dim, width]);
    b.scratch("ot", Dtype::F32, &[plan.panels * s.v_dim, width]);
    b.scratch("max", Dtype::F32, &[1, rows]);
    b.scratch("den", Dtype::F32, &[1, rows]);
    b.scratch("ks", Dtype::F32, &[plan.keys, s.dim]);
    b.scratch("vs", Dtype::F32, &[plan.keys, s.v_dim]);
    b.scratch("ps", Dtype::F32, &[plan.keys, width]);
    b.scratch("odd", Dtype::I32, &[1, pad]);
    b.scratch("flag", Dtype::I32, &[1, 1]);
    let count = ranges(mask, &Extent::Lit(0), &s.n).map_or(0, |r| r.len());
    for range in 0..count {
        b.scratch(&format!("lo{range}"), Dtype::I32, &[1, filled * s.group]);
        b.scratch(&format!("hi{range}"), Dtype::I32, &[1, filled * s.group]);
    }
    let (kv_heads, blocks) = (s.a.kv.heads, plan.blocks(s));
    b.tasks("t", s.batch.clone() * kv_heads * blocks.clone(), 1, |b| {
        let t = Extent::from("t");
        // The last rows see most keys under causal masks: long tasks first.
        let h = b.scalar("h", t.clone() % kv_heads);
        let seq = b.scalar("seq", t.clone() / kv_heads % s.batch.clone());
        let number = blocks - 1 - t / (s.batch.clone() * kv_heads);
        let first = b.scalar("first", number * plan.positions);
        let here = (s.m.clone() - first.clone()).min(plan.positions);
        let here = b.scalar("here", here);
        let used = b.scalar("used", (here.clone() * s.group).ceil_div(width));
        let heads = Slice::range(h.clone() * s.group, s.group);
        let before = b.scalar("before", s.n.clone() - s.m.clone());
        let nought = b.fill(0.0, Dtype::I32, &[1, pad]);
        b.store("odd", vec![Slice::range(0, 1), Slice::range(0, pad)], nought, false);
        b.for_each("r", (Extent::Lit(0), Extent::from(filled), 1), &[], |b, _| {
            let r = Extent::from("r");
            // Behind the last row stand copies of it, which nobody stores.
            let i = b.scalar("i", (first.clone() + r.clone()).min(s.m.clone() - 1));
            let q = queries(b, s, &seq, &i, &heads);
            let place = Slice::range(r * s.group, s.group);
            b.store("rows", vec![place.clone(), Slice::range(0, s.dim)], q, false);
            let pos = b.scalar("pos", before.clone() + i);
            for (range, (lo, hi)) in ranges(mask, &pos, &s.n).into_iter().flatten().enumerate() {
                for (name, end) in [("lo", lo), ("hi", hi)] {
                    let end = b.iota(&[1, s.group], 0, end);
                    let at = vec![Slice::range(0, 1), place.clone()];
                    b.store(&format!("{name}{range}"), at, end, false);
                }
            }
            vec![]
        });
        let panels = (Extent::Lit(0), used, 1);
        b.for_each("p", panels.clone(), &[], |b, _| {
            let p = Extent::from("p");
            let at = vec![Slice::range(p.clone() * width, width), Slice::range(0, s.dim)];
            let q = b.load("q", "rows", Dtype::F32, at, false);
            let turned = b.transpose("qt", q);
            b.store("qt", tall(&p, s.dim, width), turned, false);
            let max = b.fill(LOWEST, Dtype::F32, &[1, width]);
            let den = b.fill(0.0, Dtype::F32, &[1, width]);
            let o = b.fill(0.0, Dtype::F32, &[s.v_dim, width]);
            b.store("max", flat(&p, width), max, false);
            b.store("den", flat(&p, width), den, false);
            b.store("ot", tall(&p, s.v_dim, width), o, false);
            vec![]
        });
        let early = before.clone() + first.clone();
        let late = before.clone() + first.clone() + here.clone() - 1;
        let ends = ranges(mask, &early, &s.n).into_iter().flatten();
        let ends = ends.zip(ranges(mask, &late, &s.n).into_iter().flatten());
        for (range, ((lo, _), (_, hi))) in ends.enumerate() {
            let lo = b.scalar(&format!("from{range}"), lo);
            let hi = b.scalar(&format!("to{range}"), hi);
            let j = format!("j{range}");
            b.for_each(&j, (lo, hi.clone(), plan.keys), &[], |b, _| {
                let j = Extent::from(j.as_str());
                let tile = |hi| Tile { seq: &seq, head: &h, j: &j, hi };
                let whole =
                    Predicate { left: j.clone() + plan.keys, cmp: Compare::Le, right: hi.clone() };
                b.choose(whole, |b| copy(b, s, &tile(None)), |b| copy(b, s, &tile(Some(&hi))));
                let odd = numbers(b, s, pad, range);
                let p = format!("p{range}");
                b.for_each(&p, panels.clone(), &[], |b, _| {
                    let p = Extent::from(p.as_str());
                    panel(b, s, plan, &Panel { p: &p, j: &j, range, odd: &odd });
                    vec![]
                });
                vec![]
            });
        }
        b.for_each("p", panels, &[], |b, _| {
            let p = Extent::from("p");
            let o = b.load("o", "ot", Dtype::F32, tall(&p, s.v_dim, width), false);
            let den = b.load("den", "den", Dtype::F32, flat(&p, width), false);
            let y = merge::normalise(b, o, den, Dtype::F32);
            b.store("ot", tall(&p, s.v_dim, width), y, false);
            let o = b.load("o", "ot", Dtype::F32, tall(&p, s.v_dim, width), false);
            let turned = b.transpose("o_rows", o);
            let at = vec![Slice::range(p * width, width), Slice::range(0, s.v_dim)];
            b.store("rows", at, turned, false);
            vec![]
        });
        b.for_each("r", (Extent::Lit(0), here, 1), &[], |b, _| {
            let r = Extent::from("r");
            let at = vec![Slice::range(r.clone() * s.group, s.group), Slice::range(0, s.v_dim)];
            let o = b.load("o", "rows", Dtype::F32, at, false);
            let out = b.convert("out", o, s.a.out);
            let at = vec![
                Slice::point(seq.clone()),
                Slice::point(first.clone() + r),
                heads.clone(),
                Slice::range(0, s.v_dim),
            ];
            b.store("o", at, out, false);
            vec![]
        });
    });
    b.finish()
}

/// Panel `p` of a matrix whose panels stand one below the other.
fn tall(p: &Extent, rows: usize, width: usize) -> Vec<Slice> {
    vec![Slice::range(p.clone() * rows, rows), Slice::range(0, width)]
}

/// Panel `p` of a row.
fn flat(p: &Extent, width: usize) -> Vec<Slice> {
    vec![Slice::range(0, 1), Slice::range(p.clone() * width, width)]
}

/// The tile as floats, in scratch; keys that no row of the task sees are zeros.
fn copy(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>) {
    let held = at.hi.map(|hi| {
        let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
        let rows = b.iota(&[s.keys, 1], 0, at.j.clone() - hi.clone());
        b.binary("held", Binary::Cmp(Compare::Lt), rows, zero)
    });
    for (name, width, tile) in
        [("ks", s.dim, keys::k(b, s, at)), ("vs", s.v_dim, keys::v(b, s, at))]
    {
        let tile = match held {
            Some(held) => {
                let nothing = b.fill(0.0, Dtype::F32, &[s.keys, width]);
                b.select("kept", held, tile, nothing)
            }
            None => tile,
        };
        b.store(name, vec![Slice::range(0, s.keys), Slice::range(0, width)], tile, false);
    }
}

/// Whether a value of the tile is infinite or no number: 0 if all are numbers.
fn numbers(b: &mut Builder, s: &Shape<'_>, pad: usize, range: usize) -> Extent {
    let all = |width| vec![Slice::range(0, 1), Slice::range(0, width)];
    let at = vec![Slice::range(0, s.keys), Slice::range(0, s.v_dim)];
    let v = b.load("v", "vs", Dtype::F32, at, false);
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    let noughts = b.binary("noughts", Binary::Mul, v, zero);
    let sum = b.reduce("noughts_sum", Reduce::Sum, noughts, 0);
    let fine = b.binary("fine", Binary::Cmp(Compare::Eq), sum, zero);
    let (no, yes) =
        (b.fill(0.0, Dtype::I32, &[1, s.v_dim]), b.fill(1.0, Dtype::I32, &[1, s.v_dim]));
    let odd = b.select("odd", fine, no, yes);
    b.store("odd", all(s.v_dim), odd, false);
    let odd = b.load("odd", "odd", Dtype::I32, all(pad), false);
    let count = b.reduce("odd_count", Reduce::Sum, odd, 1);
    b.store("flag", all(1), count, false);
    b.read(&format!("odd{range}"), "flag", vec![Extent::Lit(0), Extent::Lit(0)])
}

/// The tile joins the states of a panel, if a row sees a key of it.
fn panel(b: &mut Builder, s: &Shape<'_>, plan: &Plan, at: &Panel<'_>) {
    let Panel { p, j, range, .. } = at;
    let mut bound = |name: &str, row: usize| {
        let at = vec![Extent::Lit(0), (*p).clone() * plan.width + row];
        b.read(&format!("{name}{range}_{row}"), &format!("{name}{range}"), at)
    };
    let last = plan.width - 1;
    let (lo, hi) = (bound("lo", 0), bound("hi", 0));
    let (lo_last, hi_last) = (bound("lo", last), bound("hi", last));
    let end = (*j).clone() + plan.keys;
    let left = ((*j).clone() - lo_last).min(hi - end.clone());
    let whole = Predicate { left, cmp: Compare::Ge, right: Extent::Lit(0) };
    let left = (hi_last - (*j).clone()).min(end - lo);
    let some = Predicate { left, cmp: Compare::Gt, right: Extent::Lit(0) };
    b.choose(
        whole,
        |b| {
            let (p, alpha) = weights(b, s, plan, at, None);
            add(b, s, plan, at, p, alpha);
        },
        |b| b.choose(some, |b| mixed(b, s, plan, at), |_| {}),
    );
}

/// Some rows see some keys.
fn mixed(b: &mut Builder, s: &Shape<'_>, plan: &Plan, at: &Panel<'_>) {
    let (p, alpha) = weights(b, s, plan, at, Some(at.range));
    let numbers = Predicate { left: at.odd.clone(), cmp: Compare::Eq, right: Extent::Lit(0) };
    b.choose(
        numbers,
        |b| add(b, s, plan, at, p, alpha),
        |b| {
            let width = plan.width;
            b.store("ps", vec![Slice::range(0, plan.keys), Slice::range(0, width)], p, false);
            let place = tall(at.p, s.v_dim, width);
            let o = b.load("o", "ot", Dtype::F32, place.clone(), false);
            let faded = b.binary("faded", Binary::Mul, o, alpha);
            b.store("ot", place.clone(), faded, false);
            let key = format!("key{}", at.range);
            b.for_each(&key, (Extent::Lit(0), Extent::from(plan.keys), 1), &[], |b, _| {
                let key = Extent::from(key.as_str());
                let row = |width| vec![Slice::range(key.clone(), 1), Slice::range(0, width)];
                let p = b.load("p", "ps", Dtype::F32, row(width), false);
                let v = b.load("v", "vs", Dtype::F32, row(s.v_dim), false);
                let v = b.transpose("vt", v);
                let o = b.load("o", "ot", Dtype::F32, place.clone(), false);
                let product = b.binary("product", Binary::Mul, v, p);
                let more = b.binary("more", Binary::Add, o, product);
                let seen = seen(b, plan, at, at.range, &[1, 1], at.j.clone() + key);
                let o = b.select("o", seen, more, o);
                b.store("ot", place.clone(), o, false);
                vec![]
            });
        },
    );
}

/// Which rows see keys from `first` on; keys are the first dimension of `shape`.
fn seen(
    b: &mut Builder,
    plan: &Plan,
    at: &Panel<'_>,
    range: usize,
    shape: &[usize],
    first: Extent,
) -> Value {
    let lo = b.load("lo", &format!("lo{range}"), Dtype::I32, flat(at.p, plan.width), false);
    let hi = b.load("hi", &format!("hi{range}"), Dtype::I32, flat(at.p, plan.width), false);
    let places = b.iota(shape, 0, first);
    let after = b.binary("after", Binary::Cmp(Compare::Ge), places, lo);
    let below = b.binary("before", Binary::Cmp(Compare::Lt), places, hi);
    b.binary("seen", Binary::And, after, below)
}

/// Scores to weights; the maxima and denominators move on. Also gives by what the old output fades.
fn weights(
    b: &mut Builder,
    s: &Shape<'_>,
    plan: &Plan,
    at: &Panel<'_>,
    masked: Option<usize>,
) -> (Value, Value) {
    let width = plan.width;
    let q = b.load("q", "qt", Dtype::F32, tall(at.p, s.dim, width), false);
    let all = vec![Slice::range(0, plan.keys), Slice::range(0, s.dim)];
    let k = b.load("k", "ks", Dtype::F32, all, false);
    let score = b.dot("s0", k, q, false, None);
    let mut score = decode::capped(b, s, score);
    if let Some(range) = masked {
        let seen = seen(b, plan, at, range, &[plan.keys, 1], at.j.clone());
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[plan.keys, width]);
        score = b.select("s", seen, score, lowest);
    }
    let max = b.load("max", "max", Dtype::F32, flat(at.p, width), false);
    let den = b.load("den", "den", Dtype::F32, flat(at.p, width), false);
    let tile_max = b.reduce("tile_max", Reduce::Max, score, 0);
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    let alpha = b.unary("alpha", Unary::Exp2, moved);
    let below = b.binary("below", Binary::Sub, score, max2);
    let p = b.unary("p", Unary::Exp2, below);
    let sum = b.reduce("sum", Reduce::Sum, p, 0);
    let kept = b.binary("kept", Binary::Mul, den, alpha);
    let den2 = b.binary("den_next", Binary::Add, kept, sum);
    b.store("max", flat(at.p, width), max2, false);
    b.store("den", flat(at.p, width), den2, false);
    (p, alpha)
}

/// Weights times values join the output, which fades by `alpha`.
fn add(b: &mut Builder, s: &Shape<'_>, plan: &Plan, at: &Panel<'_>, p: Value, alpha: Value) {
    let place = tall(at.p, s.v_dim, plan.width);
    let o = b.load("o", "ot", Dtype::F32, place.clone(), false);
    let faded = b.binary("faded", Binary::Mul, o, alpha);
    let all = vec![Slice::range(0, plan.keys), Slice::range(0, s.v_dim)];
    let v = b.load("v", "vs", Dtype::F32, all, false);
    let v = b.transpose("vt", v);
    let o2 = b.dot("o_next", v, p, false, Some(faded));
    b.store("ot", place, o2, false);
}
