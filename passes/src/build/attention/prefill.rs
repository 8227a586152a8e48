//! The kernel for many query rows: a task is a block of query positions times the heads of a group.
//!
//! The lanes are query rows, so that each key is read once for all of them, and maxima, sums and masks need no sum
//! across lanes: scores are `k q^T`, and the output stands transposed until the task ends.
//!
//! ```text
//! s = dot(k, qt) : f32[48, 48]            48 keys, 48 rows
//! p = exp2(s - max) : f32[48, 48]         max : f32[1, 48]
//! ot = dot(v^T, p, faded) : f32[128, 48]
//! ```
//!
//! Where products may be those of bf16 and the target multiplies pairs of them, both operands are words of two: elements
//! of the first half of what a product runs along beside those of the second, so that nothing moves between lanes.
//!
//! ```text
//! kw = pair(k[.., ..64], k[.., 64..]) : u32[96, 64]     qw likewise; s = dot(kw, qw), scaled
//! pw = pair(p[..48, ..], p[48.., ..]) : u32[48, 48]     vw likewise; ot = dot(vw^T, pw, faded)
//! ```
//!
//! Rows of a panel see ranges of keys that grow with their position. A tile that all of them see whole has no mask,
//! one that none sees is left out. Where only some see a key, its weight is 0 for the others; a value that is no
//! number would come through that, so tiles with such a value are added key by key.

use super::{
    decode::{Item, position},
    keys::{Open, Tile},
    *,
};
use kgen_ir::{
    machine::{DotOp, Op},
    op::Precision,
};

/// How a task is cut.
pub(super) struct Plan {
    /// Query positions of a task.
    pub positions: usize,
    /// Rows that stand side by side in lanes.
    pub width: usize,
    panels: usize,
    lanes: usize,
    /// Query rows of a task, and copies behind the last one to fill all panels.
    pub rows: usize,
    /// Whether products are those of pairs of bf16.
    pairs: bool,
}

/// Whether products may be, and are best, those of pairs of bf16.
fn in_pairs(a: &Attention, choice: &Choice) -> bool {
    let pairs = choice.target.row(&Op::Dot(DotOp::Bf16)).is_some();
    a.compute == Precision::Bf16 && pairs && a.q.dim % 2 == 0
}

/// The op in tiles of this kernel's size.
pub(super) fn shape_of<'a>(
    a: &'a Attention,
    symbols: &[Symbol],
    choice: &Choice,
) -> Result<Shape<'a>> {
    let mut choice = choice.clone();
    // Lanes are rows: a maximum needs no step across lanes, and the product fades what it adds to. A branch costs more.
    choice.schedule.softmax = Softmax::Exact;
    // A product of pairs takes two keys in a step.
    choice.schedule.keys = choice.schedule.block << u32::from(in_pairs(a, &choice));
    shape(a, symbols, &choice)
}

impl Plan {
    /// Also where it serves: enough rows for a panel, enough tasks for the cores. `None`: it does not serve this op.
    pub fn new(s: &Shape<'_>, choice: &Choice) -> Option<(Plan, Vec<Predicate>)> {
        let ranges = s.segments.iter().all(|seg| match seg.spec.mask {
            Mask::None
            | Mask::Causal
            | Mask::Window(_)
            | Mask::KeepFirst { .. }
            | Mask::Prefix(_)
            | Mask::Block(_) => true,
            Mask::Tree | Mask::Expr(_) => false,
        });
        // Which kernel runs must not depend on the batch.
        let neighbours = s.a.deterministic && s.m.is_none();
        if choice.schedule.queries == 0 || !ranges || neighbours {
            return None;
        }
        let plan = Plan::of(s, choice);
        let m = longest(&s.a.q.len);
        let least = Extent::from(plan.width.div_ceil(s.group).max(2));
        if m.as_lit().zip(least.as_lit()).is_some_and(|(m, least)| m < least) {
            return None;
        }
        let mut when = vec![Predicate { left: m, cmp: Compare::Ge, right: least }];
        if !s.a.deterministic {
            let tasks = s.batch.clone() * plan.blocks(s) * s.a.kv.heads * s.blocks * 2;
            when.push(Predicate { left: tasks, cmp: Compare::Ge, right: Extent::Cores });
        }
        Some((plan, when))
    }

    /// Tasks of as many rows as the schedule wants.
    pub fn of(s: &Shape<'_>, choice: &Choice) -> Plan {
        let target = choice.target;
        let width = target.lanes * if target.vectors < 32 { 2 } else { 3 };
        let positions = (choice.schedule.queries / s.group).max(1);
        let panels = (positions * s.group).div_ceil(width);
        let rows = (panels * width).next_multiple_of(s.group);
        let even = s.segments.iter().all(|seg| seg.keys.is_multiple_of(2));
        let pairs = even && in_pairs(s.a, choice);
        Plan { positions, width, panels, lanes: target.lanes, rows, pairs }
    }

    /// Tasks of a sequence and head, at most.
    fn blocks(&self, s: &Shape<'_>) -> Extent {
        longest(&s.a.q.len).ceil_div(self.positions)
    }
}

/// A tile of keys in scratch, for the rows of a panel.
struct Panel<'a> {
    p: &'a Extent,
    open: &'a Open<'a>,
    j: &'a Extent,
    /// Number of the range of keys.
    range: usize,
    /// Not 0 if a value of the tile is no number.
    odd: &'a Extent,
}

pub(super) fn prefill(s: &Shape<'_>, params: Vec<Param>, plan: &Plan) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_rows", params, &s.symbols);
    scratch(&mut b, s, plan);
    let mut bounds = 0;
    for class in &s.classes {
        let (heads, blocks) = (class.heads.len() * s.blocks, plan.blocks(s));
        b.tasks("t", s.batch.clone() * heads * blocks.clone(), 1, |b| {
            let t = b.var("t");
            // The last rows see most keys under causal masks: long tasks first.
            let u = b.scalar("h", t.clone() % heads);
            let seq = b.scalar("seq", t.clone() / heads % s.batch.clone());
            let number = blocks - 1 - t / (s.batch.clone() * heads);
            let (row, m) = lists::rows(b, s, &seq);
            let first = b.scalar("first", number * plan.positions);
            let here = (m.clone() - first.clone()).max(0).min(plan.positions);
            let here = b.scalar("here", here);
            let some = Predicate { left: here.clone(), cmp: Compare::Gt, right: Extent::Lit(0) };
            let task = Task { class, u: &u, seq: &seq, row: row.as_ref(), m: &m, first, here };
            b.choose(some, |b| one(b, s, plan, &task, &mut bounds), |_| {});
        });
    }
    b.finish()
}

/// Memory of a worker for panels and a tile of keys.
pub(super) fn scratch(b: &mut Builder, s: &Shape<'_>, plan: &Plan) {
    let (width, rows) = (plan.width, plan.rows);
    let keys = s.segments.iter().map(|seg| seg.keys).max().unwrap_or(1);
    b.scratch("rows", Dtype::F32, &[rows, s.dim.max(s.v_dim)]);
    b.scratch("qt", Dtype::F32, &[plan.panels * s.dim, width]);
    b.scratch("ot", Dtype::F32, &[plan.panels * s.v_dim, width]);
    b.scratch("ks", Dtype::F32, &[keys, odd_vectors(s.dim, plan.lanes)]);
    b.scratch("vs", Dtype::F32, &[keys, odd_vectors(s.v_dim, plan.lanes)]);
    b.scratch("ps", Dtype::F32, &[keys, width]);
    if plan.pairs {
        b.scratch("qw", Dtype::U32, &[plan.panels * s.dim / 2, width]);
        b.scratch("kw", Dtype::U32, &[keys, odd_vectors(s.dim / 2, plan.lanes)]);
        b.scratch("vw", Dtype::U32, &[keys / 2, odd_vectors(s.v_dim, plan.lanes)]);
        b.scratch("pw", Dtype::U32, &[keys / 2, width]);
    }
    let flags = [(s.a.alibi, "slope"), (s.a.sink_logit, "sink"), (s.a.lse, "lse_row")];
    let floats = [(true, "max"), (true, "den")].into_iter().chain(flags);
    for (_, name) in floats.filter(|f| f.0) {
        b.scratch(name, Dtype::F32, &[1, rows]);
    }
    if s.a.alibi {
        b.scratch("pos", Dtype::I32, &[1, rows]);
    }
    if s.segments.iter().any(|seg| seg.spec.weight) {
        b.scratch("ws", Dtype::F32, &[keys, 1]);
    }
    for seg in &s.segments {
        seg.scratch(b, s);
    }
}

/// Elements of a row that a loop over rows reads column by column: of an odd number of vectors, since rows of a power
/// of two would share few places of the first cache.
fn odd_vectors(width: usize, lanes: usize) -> usize {
    (width.div_ceil(lanes) | 1) * lanes
}

/// A block of query positions of a sequence.
struct Task<'a> {
    class: &'a Class,
    /// Counts the heads of the class, a block of query heads each.
    u: &'a Extent,
    seq: &'a Extent,
    /// First row of the sequence, where rows are packed.
    row: Option<&'a Extent>,
    /// Rows of the sequence.
    m: &'a Extent,
    /// The first position, and how many.
    first: Extent,
    here: Extent,
}

impl Task<'_> {
    fn item(&self, i: Extent) -> Item {
        let row = self.row.map(|row| row.clone() + i.clone());
        let (seq, m) = (self.seq.clone(), self.m.clone());
        Item { seq, i, m, row, part: Extent::Lit(0), slot: None }
    }
}

fn one(b: &mut Builder, s: &Shape<'_>, plan: &Plan, task: &Task<'_>, bounds: &mut usize) {
    let (width, first, here) = (plan.width, &task.first, &task.here);
    let at = task.u.clone() / s.blocks;
    let block = pick(&task.class.heads, &at) * s.blocks + task.u.clone() % s.blocks;
    let heads = Slice::range(block * s.group, s.group);
    let mut opened = keys::open(b, s, &task.class.segments, task.seq);
    decode::own_heads(&mut opened, task.class, &at);
    let count: usize =
        opened.iter().map(|o| mask::ranges(o, &Extent::Lit(0), &heads.start).len()).sum();
    for range in *bounds..count {
        for name in ends(range) {
            b.scratch(&name, Dtype::I32, &[1, plan.rows]);
        }
    }
    *bounds = count.max(*bounds);
    let used = b.scalar("used", (here.clone() * s.group).ceil_div(width));
    b.for_each("turn", (Extent::Lit(0), Extent::from(plan.rows / s.group), 1), &[], |b, _| {
        let r = b.var("turn");
        // Behind the last row stand copies of it, which nobody stores.
        let i = b.scalar("i", first.clone() + r.clone().min(here.clone() - 1));
        let item = task.item(i);
        let q = queries(b, s, plan, &item, &heads);
        let place = Slice::range(r * s.group, s.group);
        b.store("rows", vec![place.clone(), Slice::range(0, s.dim)], q, false);
        let pos = position(b, &item, &opened);
        let row = || vec![Slice::range(0, 1), place.clone()];
        let all = opened.iter().flat_map(|open| mask::ranges(open, &pos, &heads.start));
        for (range, (lo, hi)) in all.enumerate() {
            for (name, end) in ends(range).into_iter().zip([lo, hi]) {
                let end = b.iota(&[1, s.group], 0, end);
                b.store(&name, row(), end, false);
            }
        }
        let list = |b: &mut Builder, to: &str, from: &str| {
            let list = b.load(to, from, Dtype::F32, vec![heads.clone()], false);
            b.store(to, vec![Slice::point(0), place.clone()], list, false);
        };
        if s.a.alibi {
            list(b, "slope", "alibi");
            let pos = b.iota(&[1, s.group], 0, pos);
            b.store("pos", row(), pos, false);
        }
        if s.a.sink_logit {
            list(b, "sink", "sink_logit");
        }
        vec![]
    });
    let panels = (Extent::Lit(0), used, 1);
    begin(b, s, plan, &panels);
    let end = first.clone() + here.clone() - 1;
    let early = position(b, &task.item(first.clone()), &opened);
    let late = b.scalar("late", early.clone() + end - first.clone());
    let mut range = 0;
    for open in &opened {
        let ends = mask::ranges(open, &early, &heads.start).into_iter();
        let ends = ends.zip(mask::ranges(open, &late, &heads.start));
        for ((lo, _), (_, hi)) in ends {
            walk(b, s, plan, open, (lo, hi), range, &panels);
            range += 1;
        }
    }
    b.for_each("panel", panels, &[], |b, _| {
        let p = b.var("panel");
        let row =
            |b: &mut Builder, name: &str| b.load(name, name, Dtype::F32, flat(&p, width), false);
        let o = b.load("o", "ot", Dtype::F32, tall(&p, s.v_dim, width), false);
        let state = [row(b, "max"), row(b, "den"), o];
        let sink = s.a.sink_logit.then(|| row(b, "sink"));
        let (y, lse) = merge::finish(b, s, &state, sink);
        b.store("ot", tall(&p, s.v_dim, width), y, false);
        if let Some(lse) = lse {
            b.store("lse_row", flat(&p, width), lse, false);
        }
        turn(b, s, plan, p);
        vec![]
    });
    b.for_each("turn", (Extent::Lit(0), here.clone(), 1), &[], |b, _| {
        let r = b.var("turn");
        let place = Slice::range(r.clone() * s.group, s.group);
        let item = task.item(first.clone() + r);
        let at = vec![place.clone(), Slice::range(0, s.v_dim)];
        let o = b.load("o", "rows", Dtype::F32, at, false);
        let out = b.convert("out", o, s.a.out);
        let to = [item.rows(), vec![heads.clone(), Slice::range(0, s.v_dim)]].concat();
        b.store("o", to, out, false);
        if s.a.lse {
            let list = b.load("lse", "lse_row", Dtype::F32, vec![Slice::point(0), place], false);
            b.store("lse", [item.rows(), vec![heads.clone()]].concat(), list, false);
        }
        vec![]
    });
}

/// Where the keys begin and end that each row sees of a range.
pub(super) fn ends(range: usize) -> [String; 2] {
    ["lo", "hi"].map(|name| format!("{name}{range}"))
}

/// The query rows of `heads`: those that are rounded are scaled later, in their products.
pub(super) fn queries(
    b: &mut Builder,
    s: &Shape<'_>,
    plan: &Plan,
    item: &Item,
    heads: &Slice,
) -> Value {
    let of = if plan.pairs { decode::unscaled } else { decode::queries };
    of(b, s, item, heads)
}

/// Queries stand by columns, and no row has seen a key.
pub(super) fn begin(b: &mut Builder, s: &Shape<'_>, plan: &Plan, panels: &(Extent, Extent, usize)) {
    let width = plan.width;
    b.for_each("panel", panels.clone(), &[], |b, _| {
        let p = b.var("panel");
        let at = vec![Slice::range(p.clone() * width, width), Slice::range(0, s.dim)];
        let q = b.load("q", "rows", Dtype::F32, at, false);
        let turned = b.transpose("qt", q);
        b.store("qt", tall(&p, s.dim, width), turned, false);
        if plan.pairs {
            let half = s.dim / 2;
            let [low, high] = [0, half].map(|from| {
                let rows = Slice::range(p.clone() * s.dim + from, half);
                b.load("half", "qt", Dtype::F32, vec![rows, Slice::range(0, width)], false)
            });
            let words = b.binary("words", Binary::Pair, low, high);
            b.store("qw", tall(&p, half, width), words, false);
        }
        let max = b.fill(LOWEST, Dtype::F32, &[1, width]);
        let den = b.fill(0.0, Dtype::F32, &[1, width]);
        let o = b.fill(0.0, Dtype::F32, &[s.v_dim, width]);
        b.store("max", flat(&p, width), max, false);
        b.store("den", flat(&p, width), den, false);
        b.store("ot", tall(&p, s.v_dim, width), o, false);
        vec![]
    });
}

/// Outputs stand by rows again.
pub(super) fn turn(b: &mut Builder, s: &Shape<'_>, plan: &Plan, p: Extent) {
    let width = plan.width;
    let o = b.load("o", "ot", Dtype::F32, tall(&p, s.v_dim, width), false);
    let turned = b.transpose("o_rows", o);
    let at = vec![Slice::range(p * width, width), Slice::range(0, s.v_dim)];
    b.store("rows", at, turned, false);
}

/// All tiles of a range of keys, of which the first row of the task sees the start and the last one the end.
pub(super) fn walk(
    b: &mut Builder,
    s: &Shape<'_>,
    plan: &Plan,
    open: &Open<'_>,
    (lo, hi): (Extent, Extent),
    range: usize,
    panels: &(Extent, Extent, usize),
) {
    let keys = open.seg.keys;
    let start = match open.seg.walk {
        Walk::Rows | Walk::Gather => lo.clone(),
        Walk::Pages(_) => lo.clone() / keys * keys,
    };
    let lo = b.scalar(&format!("from{range}"), lo);
    let start = b.scalar(&format!("start{range}"), start);
    let hi = b.scalar(&format!("to{range}"), hi);
    let j = format!("j{range}");
    b.for_each(&j, (start, hi.clone(), keys), &[], |b, _| {
        let j = b.var(&j);
        let left = (j.clone() - lo.clone()).min(hi.clone() - keys - j.clone());
        let whole = Predicate { left, cmp: Compare::Ge, right: Extent::Lit(0) };
        let tile = |lo, hi| Tile { open, j: &j, lo, hi, next: None };
        b.choose(
            whole,
            |b| copy(b, s, &tile(None, None)),
            |b| copy(b, s, &tile(Some(&lo), Some(&hi))),
        );
        let odd = numbers(b, s, keys, range);
        if plan.pairs {
            pair_tile(b, s, keys);
        }
        let p = format!("panel{range}");
        b.for_each(&p, panels.clone(), &[], |b, _| {
            let p = b.var(&p);
            // A share of the next tile, whose rows lie too far apart for a CPU to follow.
            let share = keys.div_ceil(plan.panels);
            keys::rows_ahead(b, s, open, j.clone() + keys + p.clone() * share, share);
            panel(b, s, plan, &Panel { p: &p, open, j: &j, range, odd: &odd });
            vec![]
        });
        vec![]
    });
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
    let keys = at.open.seg.keys;
    let edges = [(at.hi, Compare::Lt), (at.lo, Compare::Ge)];
    let held: Vec<_> = edges
        .into_iter()
        .filter_map(|(edge, cmp)| {
            let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
            let rows = b.iota(&[keys, 1], 0, at.j.clone() - edge?.clone());
            Some(b.binary("held", Binary::Cmp(cmp), rows, zero))
        })
        .collect();
    let place = keys::reach(b, s, at);
    let k = keys::k(b, s, at, &place);
    let v = keys::v(b, s, at, &place);
    for (name, width, mut tile) in [("ks", s.dim, k), ("vs", s.v_dim, v)] {
        for held in &held {
            let nothing = b.fill(0.0, Dtype::F32, &[keys, width]);
            tile = b.select("kept", *held, tile, nothing);
        }
        b.store(name, vec![Slice::range(0, keys), Slice::range(0, width)], tile, false);
    }
    if let Some(weight) = keys::weight(b, at) {
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        let weight = b.binary("weight", Binary::Mul, weight, log2e);
        let column = b.transpose("weight", weight);
        b.store("ws", vec![Slice::range(0, keys), Slice::range(0, 1)], column, false);
    }
}

/// The tile in words of two.
fn pair_tile(b: &mut Builder, s: &Shape<'_>, keys: usize) {
    let (tall, wide) = (keys / 2, s.dim / 2);
    let mut pair = |name: &str, to: &str, [from_k, from_v]: [[Slice; 2]; 2]| {
        let [low, high] =
            [from_k, from_v].map(|at| b.load("half", name, Dtype::F32, at.to_vec(), false));
        let words = b.binary("words", Binary::Pair, low, high);
        let shape: Vec<_> = b.shape(words).iter().map(|n| Slice::range(0, *n)).collect();
        b.store(to, shape, words, false);
    };
    let columns = |from: usize| [Slice::range(0, keys), Slice::range(from, wide)];
    pair("ks", "kw", [columns(0), columns(wide)]);
    let rows = |from: usize| [Slice::range(from, tall), Slice::range(0, s.v_dim)];
    pair("vs", "vw", [rows(0), rows(tall)]);
}

/// Whether a value of the tile is infinite or no number: 0 if all are numbers.
fn numbers(b: &mut Builder, s: &Shape<'_>, keys: usize, range: usize) -> Extent {
    let at = vec![Slice::range(0, keys), Slice::range(0, s.v_dim)];
    let v = b.load("v", "vs", Dtype::F32, at, false);
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    let noughts = b.binary("noughts", Binary::Mul, v, zero);
    let sum = b.reduce("noughts_sum", Reduce::Sum, noughts, 0);
    let odd = b.binary("odd", Binary::Cmp(Compare::Ne), sum, zero);
    b.any(&format!("odd{range}"), odd)
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
    let end = (*j).clone() + at.open.seg.keys;
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
            // Products of pairs have stored them.
            if !plan.pairs {
                let all = vec![Slice::range(0, at.open.seg.keys), Slice::range(0, width)];
                b.store("ps", all, p, false);
            }
            let place = tall(at.p, s.v_dim, width);
            let o = b.load("o", "ot", Dtype::F32, place.clone(), false);
            let faded = b.binary("faded", Binary::Mul, o, alpha);
            b.store("ot", place.clone(), faded, false);
            let key = format!("key{}", at.range);
            b.for_each(&key, (Extent::Lit(0), Extent::from(at.open.seg.keys), 1), &[], |b, _| {
                let key = b.var(&key);
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
    let [lo, hi] =
        ends(range).map(|name| b.load(&name, &name, Dtype::I32, flat(at.p, plan.width), false));
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
    let keys = at.open.seg.keys;
    // Where nothing else changes scores, their maximum is scaled, and their distance from it with a multiply-add.
    let alone = s.a.softcap.is_none() && !s.a.alibi && !at.open.seg.spec.weight;
    let late = plan.pairs && alone && decode::scale(s) > 0.0;
    let all = |dim: usize| vec![Slice::range(0, keys), Slice::range(0, dim)];
    let score = if plan.pairs {
        let half = s.dim / 2;
        let q = b.load("q", "qw", Dtype::U32, tall(at.p, half, width), false);
        let k = b.load("k", "kw", Dtype::U32, all(half), false);
        let score = b.dot("s0", k, q, false, None);
        if late { score } else { decode::scaled(b, s, "score", score) }
    } else {
        let q = b.load("q", "qt", Dtype::F32, tall(at.p, s.dim, width), false);
        let k = b.load("k", "ks", Dtype::F32, all(s.dim), false);
        b.dot("s0", k, q, false, None)
    };
    let mut score = decode::capped(b, s, score);
    if s.a.alibi {
        let slope = b.load("slope", "slope", Dtype::F32, flat(at.p, width), false);
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        let slope = b.binary("slope", Binary::Mul, slope, log2e);
        let pos = b.load("pos", "pos", Dtype::I32, flat(at.p, width), false);
        let places = b.iota(&[at.open.seg.keys, 1], 0, at.open.first.clone() + at.j.clone());
        let away = b.binary("away", Binary::Sub, places, pos);
        let away = b.convert("away", away, Dtype::F32);
        let more = b.binary("more", Binary::Mul, away, slope);
        score = b.binary("s4", Binary::Add, score, more);
    }
    if at.open.seg.spec.weight {
        let all = vec![Slice::range(0, at.open.seg.keys), Slice::range(0, 1)];
        let weight = b.load("weight", "ws", Dtype::F32, all, false);
        score = b.binary("s5", Binary::Add, score, weight);
    }
    if let Some(range) = masked {
        let seen = seen(b, plan, at, range, &[at.open.seg.keys, 1], at.j.clone());
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[at.open.seg.keys, width]);
        score = b.select("s", seen, score, lowest);
    }
    let max = b.load("max", "max", Dtype::F32, flat(at.p, width), false);
    let mut tile_max = b.reduce("tile_max", Reduce::Max, score, 0);
    if late {
        tile_max = decode::scaled(b, s, "tile_max", tile_max);
    }
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let den = b.load("den", "den", Dtype::F32, flat(at.p, width), false);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    let alpha = b.unary("alpha", Unary::Exp2, moved);
    let mut p = if late {
        let product = decode::scaled(b, s, "score", score);
        let less = b.unary("less", Unary::Neg, max2);
        let below = b.binary("below", Binary::Add, product, less);
        b.unary("p", Unary::Exp2, below)
    } else {
        decode::weights(b, score, max2)
    };
    if plan.pairs {
        b.store("ps", all(width), p, false);
        p = b.load("p", "ps", Dtype::F32, all(width), false);
    }
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
    let keys = at.open.seg.keys;
    let all = |keys: usize, width: usize| vec![Slice::range(0, keys), Slice::range(0, width)];
    let (v, p) = if plan.pairs {
        let half = keys / 2;
        let [low, high] = [0, half].map(|from| {
            let rows = vec![Slice::range(from, half), Slice::range(0, plan.width)];
            b.load("half", "ps", Dtype::F32, rows, false)
        });
        let words = b.binary("words", Binary::Pair, low, high);
        b.store("pw", all(half, plan.width), words, false);
        let p = b.load("pw", "pw", Dtype::U32, all(half, plan.width), false);
        (b.load("v", "vw", Dtype::U32, all(half, s.v_dim), false), p)
    } else {
        (b.load("v", "vs", Dtype::F32, all(keys, s.v_dim), false), p)
    };
    let v = b.transpose("vt", v);
    let o2 = b.dot("o_next", v, p, false, Some(faded));
    b.store("ot", place, o2, false);
}
