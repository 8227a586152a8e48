//! The kernel that walks all keys of a kv head, or a part of them, and the step it shares with the others.
//!
//! ```text
//! max, den, o = for j in lo..hi step 16 with ... { one step of the online softmax }
//! ```

use super::{
    keys::{Open, Tile},
    merge::normalise,
    planes::Query,
    *,
};

/// A query row of a sequence, and a part of its keys.
pub(super) struct Item {
    pub seq: Extent,
    /// Of the sequence.
    pub i: Extent,
    /// Rows of the sequence.
    pub m: Extent,
    /// Where rows are packed, the row.
    pub row: Option<Extent>,
    pub part: Extent,
    /// Where states have a list, the place in it.
    pub slot: Option<Extent>,
}

impl Item {
    /// Leading indices of q, o and lse.
    pub fn rows(&self) -> Vec<Slice> {
        match &self.row {
            Some(row) => vec![Slice::point(row.clone())],
            None => vec![Slice::point(self.seq.clone()), Slice::point(self.i.clone())],
        }
    }

    /// Leading indices of the states of parts.
    pub fn states(&self) -> Vec<Slice> {
        match &self.slot {
            Some(slot) => vec![Slice::point(slot.clone())],
            None => [&self.seq, &self.i, &self.part].map(|x| Slice::point(x.clone())).into(),
        }
    }

    /// Item `item` of a list.
    pub fn listed(b: &mut Builder, s: &Shape<'_>, split: bool, item: &Extent) -> Item {
        let list = if split { "work" } else { "rows" };
        let seq = lists::owner(b, s, list, item);
        let before = b.read("before_own", list, vec![seq.clone()]);
        let (first, m) = lists::rows(b, s, &seq);
        let own = b.scalar("own", item.clone() - before);
        // Neighbours share keys.
        let i = b.scalar("i", if split { own.clone() % m.clone() } else { own.clone() });
        let part = b.scalar("part", if split { own / m.clone() } else { Extent::Lit(0) });
        let row = first.map(|first| b.scalar("row", first + i.clone()));
        Item { seq, i, m, row, part, slot: split.then(|| item.clone()) }
    }
}

/// Whether tasks come from a list.
fn has_list(s: &Shape<'_>, split: bool) -> bool {
    if split { s.varies() } else { s.m.is_none() }
}

/// Number of items where there is a list.
pub(super) fn items(b: &mut Builder, s: &Shape<'_>, split: bool) -> Option<Extent> {
    let list = if split { "work" } else { "rows" };
    has_list(s, split).then(|| b.read("items", list, vec![s.batch.clone()]))
}

/// The kernel over all keys, or over parts of keys that leave their states.
pub(super) fn decode(s: &Shape<'_>, params: Vec<Param>, split: bool) -> kgen_ir::tile::Kernel {
    kernel(s, if split { "attend_part" } else { "attend" }, params, split, 0)
}

/// The kernel over those parts that are not of the first segment.
pub(super) fn rest(s: &Shape<'_>, params: Vec<Param>) -> kgen_ir::tile::Kernel {
    kernel(s, "attend_rest", params, true, 1)
}

/// `skip`: parts of so many segments are somebody else's.
fn kernel(
    s: &Shape<'_>,
    name: &str,
    params: Vec<Param>,
    split: bool,
    skip: usize,
) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new(name, params, &s.symbols);
    scratch(&mut b, s, s.group, has_list(s, split), !split);
    for seg in &s.segments {
        seg.bytes.iter().for_each(|bytes| bytes.scratch(&mut b, s, seg.keys));
    }
    let listed = items(&mut b, s, split);
    let parts = if split { s.parts() } else { Extent::Lit(1) };
    let rows = s.m.clone().unwrap_or(Extent::Lit(1));
    for class in &s.classes {
        let heads = class.heads.len() * s.blocks;
        let count = match &listed {
            Some(items) => items.clone() * heads,
            None => s.batch.clone() * rows.clone() * heads * parts.clone(),
        };
        let paged = |seg: &Seg<'_>| matches!(seg.walk, Walk::Pages(_));
        let ahead = s.ahead > 0 && s.segments.iter().any(paged) && class.segments.len() == 1;
        b.tasks_ahead("t", count, ahead, |b, next| {
            let numbered = |b: &mut Builder, t: Extent| match &listed {
                Some(items) => {
                    let u = b.scalar("h", t.clone() / items.clone());
                    let item = b.scalar("item", t % items.clone());
                    (Item::listed(b, s, split, &item), u)
                }
                None => {
                    // Neighbouring tasks share keys: query rows innermost, then parts, then heads.
                    let i = b.scalar("i", t.clone() % rows.clone());
                    let part = b.scalar("part", t.clone() / rows.clone() % parts.clone());
                    let u = b.scalar("h", t.clone() / (rows.clone() * parts.clone()) % heads);
                    let seq = b.scalar("seq", t / (rows.clone() * parts.clone() * heads));
                    (Item { seq, i, m: rows.clone(), row: None, part, slot: None }, u)
                }
            };
            let t = b.var("t");
            let (item, u) = numbered(b, t);
            let next = next.and_then(|t| {
                let (item, u) = numbered(b, t);
                begins(b, s, class, &item, &u, split)
            });
            let mut opened = keys::open(b, s, &class.segments, &item.seq);
            let at = u.clone() / s.blocks;
            own_heads(&mut opened, class, &at);
            let head = (pick(&class.heads, &at) * s.blocks + u % s.blocks) * s.group;
            let Some(left) = opened.get(skip) else { return };
            let behind = item.part.clone() - left.part.clone();
            let behind = Predicate { left: behind, cmp: Compare::Ge, right: Extent::Lit(0) };
            let opened = &opened[skip..];
            let heads = Slice::range(head, s.group);
            match skip {
                0 => one(b, s, &item, heads, split, opened, next.as_ref()),
                _ => b.choose(behind, |b| one(b, s, &item, heads, split, opened, None), |_| {}),
            }
        });
    }
    b.finish()
}

/// Memory of a worker: for tiles of keys, and for columns that come from rows and go to rows.
pub(super) fn scratch(b: &mut Builder, s: &Shape<'_>, group: usize, listed: bool, ends: bool) {
    if listed {
        lists::scratch(b);
    }
    s.segments.iter().for_each(|seg| seg.scratch(b, s));
    if s.a.alibi {
        b.scratch("alibi.column", Dtype::F32, &[group, 1]);
    }
    if ends {
        columns(b, s, group, !ends);
    }
}

/// Columns of whoever normalises; one head at a time stores no column of logarithms.
pub(super) fn columns(b: &mut Builder, s: &Shape<'_>, group: usize, alone: bool) {
    for (name, on) in [("sink", s.a.sink_logit), ("lse", s.a.lse && !alone)] {
        if on {
            b.scratch(&format!("{name}.column"), Dtype::F32, &[group, 1]);
        }
    }
}

/// Elements `heads` of a tensor with one for each query head, as a column.
pub(super) fn column(b: &mut Builder, name: &str, tensor: &str, heads: &Slice) -> Value {
    let list = b.load(name, tensor, Dtype::F32, vec![heads.clone()], false);
    let (column, count) = (format!("{name}.column"), b.shape(list)[0]);
    b.store(&column, vec![Slice::range(0, count), Slice::point(0)], list, false);
    let at = vec![Slice::range(0, count), Slice::range(0, 1)];
    b.load(&format!("{name}1"), &column, Dtype::F32, at, false)
}

/// Slopes of ALiBi, in units of log 2.
pub(super) fn slopes(b: &mut Builder, s: &Shape<'_>, heads: &Slice) -> Option<Value> {
    s.a.alibi.then(|| {
        let slope = column(b, "alibi", "alibi", heads);
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        b.binary("slope", Binary::Mul, slope, log2e)
    })
}

/// Where the task of an item begins, if that is in one range of keys.
pub(super) fn begins<'a>(
    b: &mut Builder,
    s: &'a Shape<'_>,
    class: &Class,
    item: &Item,
    u: &Extent,
    split: bool,
) -> Option<keys::Next<'a>> {
    let at = u.clone() / s.blocks;
    let block = pick(&class.heads, &at) * s.blocks + u.clone() % s.blocks;
    let mut opened = keys::open(b, s, &class.segments, &item.seq);
    own_heads(&mut opened, class, &at);
    let pos = position(b, item, &opened);
    let [open] = &opened[..] else { return None };
    let [(lo, hi)] = &mask::ranges(open, &pos, &(block * s.group))[..] else { return None };
    let (lo, hi) = (lo.clone(), hi.clone());
    let lo = if split { cut(s, open, item, lo, hi).0 } else { lo };
    // Tiles begin at multiples of their size.
    let lo = b.scalar("lo_next", lo.max(0) / open.seg.keys * open.seg.keys);
    Some(keys::Next { open: open.clone(), lo })
}

/// A task: query heads of an item beside the keys of these segments.
fn one(
    b: &mut Builder,
    s: &Shape<'_>,
    item: &Item,
    heads: Slice,
    split: bool,
    opened: &[Open<'_>],
    next: Option<&keys::Next<'_>>,
) {
    let q = queries(b, s, item, &heads);
    let in_bytes = opened.iter().find_map(|open| open.seg.bytes).map(|bytes| bytes.planes(b, s, q));
    let q = (Query::Floats(q), in_bytes);
    let bias = Bias { slope: slopes(b, s, &heads), item, head: &heads.start };
    let max = b.fill(LOWEST, Dtype::F32, &[s.group, 1]);
    let den = b.fill(0.0, Dtype::F32, &[s.group, 1]);
    let o = b.fill(0.0, Dtype::F32, &[s.group, s.v_dim]);
    let mut state = vec![max, den, o];
    let pos = position(b, item, opened);
    let mut number = 0;
    for open in opened {
        for (lo, hi) in mask::ranges(open, &pos, &heads.start) {
            let part = split.then_some(item);
            let bounds = bounds(b, s, open, (lo, hi), number, part);
            state = range(b, s, (open, next), bounds, number, state, |b, tile, state| {
                // Planes are of whole tiles.
                let q = q.1.filter(|_| tile.hi.is_none() && tile.lo.is_none()).unwrap_or(q.0);
                step(b, s, q, &bias, &pos, tile, state)
            });
            number += 1;
        }
    }
    let row = |lead: Vec<Slice>, last| [lead, vec![heads.clone(), Slice::range(0, last)]].concat();
    if split {
        b.store("part.max", row(item.states(), 1), state[0], false);
        b.store("part.den", row(item.states(), 1), state[1], false);
        b.store("part.o", row(item.states(), s.v_dim), state[2], false);
        return;
    }
    let (out, lse) = normalise(b, s, &state, &heads);
    b.store("o", row(item.rows(), s.v_dim), out, false);
    if let Some(lse) = lse {
        let whole = Slice::range(0, s.group);
        b.store("lse.column", vec![whole.clone(), Slice::range(0, 1)], lse, false);
        let list = b.load("lse1", "lse.column", Dtype::F32, vec![whole, Slice::point(0)], false);
        b.store("lse", [item.rows(), vec![heads]].concat(), list, false);
    }
}

/// Kv head number `at` of the class, as each segment counts heads.
pub(super) fn own_heads(opened: &mut [Open<'_>], class: &Class, at: &Extent) {
    for open in opened {
        let own: Vec<i64> = class.heads.iter().filter_map(|h| place(open, *h)).collect();
        open.head = pick(&own, at);
    }
}

/// Where a segment has a kv head.
fn place(open: &Open<'_>, head: i64) -> Option<i64> {
    open.seg.heads.iter().position(|h| *h == head).map(|p| p as i64)
}

/// Where the query row stands: the last one behind all keys but its own.
pub(super) fn position(b: &mut Builder, item: &Item, opened: &[Open<'_>]) -> Extent {
    let total = opened.last().map_or(Extent::Lit(0), Open::end);
    b.scalar("pos", total - item.m.clone() + item.i.clone())
}

/// The keys of the item's part.
pub(super) fn cut(
    s: &Shape<'_>,
    open: &Open<'_>,
    item: &Item,
    lo: Extent,
    hi: Extent,
) -> (Extent, Extent) {
    let part = item.part.clone() - open.part.clone();
    (lo.max(part.clone() * s.split), hi.min((part + 1) * s.split))
}

/// Whether tiles of a range from `lo` on, cut into parts if `split`, begin where the segment wants them to.
fn aligned(s: &Shape<'_>, open: &Open<'_>, lo: &Extent, split: bool) -> bool {
    match open.seg.walk {
        Walk::Rows | Walk::Gather if open.seg.spec.mask != Mask::Tree => true,
        Walk::Rows | Walk::Gather | Walk::Pages(_) => {
            *lo == Extent::Lit(0) && (!split || s.split.is_multiple_of(open.seg.keys))
        }
    }
}

/// Bounds of a range as scalars: its tiles from the first that begins inside, and the one that it begins in.
pub(super) struct Bounds {
    pub lo: Extent,
    pub hi: Extent,
    /// Start and end of a loop over the tile in which the range begins, if it may begin inside one.
    pub head: Option<(Extent, Extent)>,
    /// First key of the others.
    pub main: Extent,
}

pub(super) fn bounds(
    b: &mut Builder,
    s: &Shape<'_>,
    open: &Open<'_>,
    (lo, hi): (Extent, Extent),
    number: usize,
    part: Option<&Item>,
) -> Bounds {
    let straight = aligned(s, open, &lo, part.is_some());
    let (lo, hi) = match part {
        Some(item) => cut(s, open, item, lo, hi),
        None => (lo, hi),
    };
    let lo = b.scalar(&format!("lo{number}"), lo);
    let hi = b.scalar(&format!("hi{number}"), hi.max(lo.clone()));
    if straight {
        return Bounds { main: lo.clone(), lo, hi, head: None };
    }
    let keys = open.seg.keys;
    let start = b.scalar(&format!("start{number}"), lo.clone() / keys * keys);
    // One turn if the range has keys and begins inside a tile, else none.
    let some = (hi.clone() - lo.clone()).min(1);
    let end = start.clone() + (lo.clone().ceil_div(keys) * keys - start.clone()) * some;
    let end = b.scalar(&format!("end{number}"), end);
    let main = b.scalar(&format!("main{number}"), end.clone().max(lo.clone()));
    Bounds { lo, hi, head: Some((start, end)), main }
}

/// Walks a range of keys of a segment, tile by tile.
fn range(
    b: &mut Builder,
    s: &Shape<'_>,
    (open, next): (&Open<'_>, Option<&keys::Next<'_>>),
    Bounds { lo, hi, head, main }: Bounds,
    number: usize,
    mut state: Vec<Value>,
    step: impl Fn(&mut Builder, &Tile<'_>, &[Value]) -> Vec<Value>,
) -> Vec<Value> {
    let size = open.seg.keys;
    if s.lazy {
        state[1] = apart(b, state[1], size);
    }
    // Told by another name, where whole tiles end stays hidden from `peel`: one loop for them and the last.
    let edge = if s.rare { b.scalar(&format!("edge{number}"), hi.clone()) } else { hi.clone() };
    type Edges<'e> = (Option<&'e Extent>, Option<&'e Extent>);
    let mut walk = |b: &mut Builder, var: &str, from: Extent, to: Extent, (lo, hi): Edges<'_>| {
        let inits = [("max", state[0]), ("den", state[1]), ("o", state[2])];
        state = b.for_each(var, (from, to, size), &inits, |b, state| {
            let tile = Tile { open, j: &b.var(var), lo, hi, next };
            step(b, &tile, state)
        });
    };
    if let Some((from, to)) = head {
        walk(b, &format!("k{number}"), from, to, (Some(&lo), Some(&edge)));
    }
    let mut main = main;
    if open.seg.bytes.is_some() {
        let left = (hi.clone() - main.clone()).max(0);
        let whole = main.clone() + left / size * size;
        let whole = b.scalar(&format!("whole{number}"), whole);
        walk(b, &format!("w{number}"), main, whole.clone(), (None, None));
        main = whole;
    }
    walk(b, &format!("j{number}"), main, hi.clone(), (None, Some(&edge)));
    if s.lazy {
        state[1] = b.reduce("den", Reduce::Sum, state[1], 1);
    }
    state
}

/// A column as the sums of rows of `width` terms: it is the first, the others are 0.
fn apart(b: &mut Builder, den: Value, width: usize) -> Value {
    let shape = [b.shape(den)[0], width];
    let none = b.fill(0.0, Dtype::F32, &shape);
    let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
    let places = b.iota(&[1, width], 1, Extent::Lit(0));
    let first = b.binary("first", Binary::Cmp(Compare::Eq), places, zero);
    b.select("dens", first, den, none)
}

/// The query rows of `heads`, scaled.
pub(super) fn queries(b: &mut Builder, s: &Shape<'_>, item: &Item, heads: &Slice) -> Value {
    let q = unscaled(b, s, item, heads);
    scaled(b, s, "qs", q)
}

/// The query rows of `heads`.
pub(super) fn unscaled(b: &mut Builder, s: &Shape<'_>, item: &Item, heads: &Slice) -> Value {
    let at = [item.rows(), vec![heads.clone(), Slice::range(0, s.dim)]].concat();
    let q0 = b.load("q0", "q", s.a.q.dtype, at, false);
    b.convert("q1", q0, Dtype::F32)
}

/// So that scores are in units of log 2, unless a cap stands between.
pub(super) fn scaled(b: &mut Builder, s: &Shape<'_>, name: &str, x: Value) -> Value {
    let c = b.fill(scale(s), Dtype::F32, &[1, 1]);
    b.binary(name, Binary::Mul, x, c)
}

pub(super) fn scale(s: &Shape<'_>) -> f64 {
    let log2e = if s.a.softcap.is_some() { 1.0 } else { std::f64::consts::LOG2_E };
    s.a.scale.unwrap_or(1.0 / (s.dim as f64).sqrt()) * log2e
}

/// What is added to scores, and hides keys one by one.
pub(super) struct Bias<'a> {
    pub slope: Option<Value>,
    pub item: &'a Item,
    /// The first query head.
    pub head: &'a Extent,
}

/// Scores under the cap, in units of log 2.
pub(super) fn capped(b: &mut Builder, s: &Shape<'_>, score: Value) -> Value {
    let Some(cap) = s.a.softcap else { return score };
    let inverse = b.fill(1.0 / cap, Dtype::F32, &[1, 1]);
    let scaled = b.binary("s1", Binary::Mul, score, inverse);
    let squashed = b.unary("s2", Unary::Tanh, scaled);
    let back = b.fill(cap * std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
    b.binary("s3", Binary::Mul, squashed, back)
}

/// One tile of keys joins the state: the sum of weights is a column, or in the lazy form one a key of the tile.
pub(super) fn step(
    b: &mut Builder,
    s: &Shape<'_>,
    q: Query,
    bias: &Bias<'_>,
    pos: &Extent,
    at: &Tile<'_>,
    state: &[Value],
) -> Vec<Value> {
    let (max, den, o) = (state[0], state[1], state[2]);
    let mut tile = scores(b, s, q, bias, pos, at);
    if s.lazy {
        let up = exceeds(b, tile.score, max);
        let names = ["max_next", "den_kept", "faded"];
        let moved = b.choose_tiles(
            up,
            &names,
            |b| {
                let (max2, alpha) = moved(b, tile.score, max);
                let kept = b.binary("kept", Binary::Mul, den, alpha);
                vec![max2, kept, b.binary("fades", Binary::Mul, o, alpha)]
            },
            |_| vec![max, den, o],
        );
        let p = weights(b, tile.score, moved[0]);
        let den2 = b.binary("den_next", Binary::Add, moved[1], p);
        let v = tile.values(b, s, at);
        let o2 = b.dot("o_next", p, v, false, Some(moved[2]));
        return vec![moved[0], den2, o2];
    }
    let (max2, alpha) = moved(b, tile.score, max);
    let p = weights(b, tile.score, max2);
    let sum = b.reduce("sum", Reduce::Sum, p, 1);
    let kept = b.binary("kept", Binary::Mul, den, alpha);
    let den2 = b.binary("den_next", Binary::Add, kept, sum);
    let v = tile.values(b, s, at);
    let faded = b.binary("faded", Binary::Mul, o, alpha);
    let o2 = b.dot("o_next", p, v, false, Some(faded));
    vec![max2, den2, o2]
}

/// Scores of a tile of keys, and what its values need.
pub(super) struct Scores {
    pub score: Value,
    /// Which keys count: by columns and by rows.
    hidden: Vec<(Value, Value)>,
    place: keys::Place,
}

impl Scores {
    /// The values of the tile.
    pub fn values(&mut self, b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>) -> Value {
        let mut v = keys::v(b, s, at, &self.place);
        for (_, held) in &self.hidden {
            // A hidden value may be NaN: its weight 0 would not silence it.
            let nothing = b.fill(0.0, Dtype::F32, &[at.open.seg.keys, s.v_dim]);
            v = b.select("v", *held, v, nothing);
        }
        v
    }
}

/// Whether a score is above its row's maximum. A NaN is not: its weight is NaN by any maximum.
pub(super) fn exceeds(b: &mut Builder, score: Value, max: Value) -> Predicate {
    let above = b.binary("above", Binary::Cmp(Compare::Gt), score, max);
    let up = b.any("up", above);
    Predicate { left: up, cmp: Compare::Gt, right: Extent::Lit(0) }
}

/// The maximum with a tile, and by what fades that was added under the old one.
pub(super) fn moved(b: &mut Builder, score: Value, max: Value) -> (Value, Value) {
    let tile_max = b.reduce("tile_max", Reduce::Max, score, 1);
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    (max2, b.unary("alpha", Unary::Exp2, moved))
}

/// Weights of scores under a maximum.
pub(super) fn weights(b: &mut Builder, score: Value, max: Value) -> Value {
    let below = b.binary("below", Binary::Sub, score, max);
    b.unary("p", Unary::Exp2, below)
}

pub(super) fn scores(
    b: &mut Builder,
    s: &Shape<'_>,
    q: Query,
    bias: &Bias<'_>,
    pos: &Extent,
    at: &Tile<'_>,
) -> Scores {
    let Tile { open, j, lo, hi, next: _ } = at;
    let keys = open.seg.keys;
    // Which keys of the tile exist: whole tiles lose this by `peel`.
    let edge = |b: &mut Builder, cmp, edge: &Extent| {
        let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
        let places = b.iota(&[1, keys], 1, (*j).clone() - edge.clone());
        let seen = b.binary("seen", Binary::Cmp(cmp), places, zero);
        let rows = b.iota(&[keys, 1], 0, (*j).clone() - edge.clone());
        (seen, b.binary("held", Binary::Cmp(cmp), rows, zero))
    };
    let mut hidden = Vec::new();
    hidden.extend(hi.map(|hi| edge(b, Compare::Lt, hi)));
    hidden.extend(lo.map(|lo| edge(b, Compare::Ge, lo)));
    if let Some(seen) = mask::seen(b, bias.item, (pos, bias.head), at, 1) {
        let held = mask::seen(b, bias.item, (pos, bias.head), at, 0);
        hidden.extend(held.map(|held| (seen, held)));
    }
    let place = keys::reach(b, s, at);
    let score = q.scores(b, s, at, &place);
    let mut score = capped(b, s, score);
    if let Some(slope) = bias.slope {
        let away = b.iota(&[1, keys], 1, open.first.clone() + (*j).clone() - pos.clone());
        let away = b.convert("away", away, Dtype::F32);
        let more = b.binary("more", Binary::Mul, slope, away);
        score = b.binary("s4", Binary::Add, score, more);
    }
    if let Some(weight) = keys::weight(b, at) {
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        let more = b.binary("weight", Binary::Mul, weight, log2e);
        score = b.binary("s5", Binary::Add, score, more);
    }
    for (seen, _) in &hidden {
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[s.group, keys]);
        score = b.select("s", *seen, score, lowest);
    }
    Scores { score, hidden, place }
}
