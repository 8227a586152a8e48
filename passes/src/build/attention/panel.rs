//! The kernel for many query rows on targets with matrix instructions: 16 rows are the rows of a matrix.
//!
//! ```text
//! rows of a matrix, 4 query heads a kv head:      q[i, 0] q[i, 1] q[i, 2] q[i, 3] q[i + 1, 0] ..
//! ```
//!
//! Rows see ranges of keys that grow with their position. Tiles that all of them see whole have no mask; in the others
//! each row compares the keys with its own range.

use super::{
    decode::{Item, own_heads, position},
    keys::Open,
    matrix::{Away, Plan, ROWS, Seen, slopes, step},
    ring::{Range, Ring},
    *,
};
use std::collections::BTreeSet;

/// Columns of values whose sums leave registers for the ranges of rows.
const COLUMNS: usize = 224;

/// How a task is cut.
pub(super) struct Panel {
    plan: Plan,
    /// Query heads that stand side by side, and positions.
    heads: usize,
    positions: usize,
}

impl Panel {
    /// Also where it serves. `None`: it does not serve this op, or the target has no such matrices.
    pub fn new(s: &Shape<'_>, choice: &Choice) -> Option<(Panel, Vec<Predicate>)> {
        // Which kernel runs must not depend on the batch.
        if s.a.deterministic && s.m.is_none() {
            return None;
        }
        let heads = (1usize << s.whole().trailing_zeros()).min(ROWS);
        let positions = ROWS / heads;
        let taken = ROWS * (s.v_dim.min(COLUMNS) + 8) * 4;
        let plan = Plan::within(s, choice, taken, COLUMNS, true)?;
        let m = longest(&s.a.q.len);
        let least = Extent::from(positions.max(2));
        if m.as_lit().zip(least.as_lit()).is_some_and(|(m, least)| m < least) {
            return None;
        }
        let many = Predicate { left: m, cmp: Compare::Ge, right: least };
        let when = [vec![many], plan.when(s)].concat();
        Some((Panel { plan, heads, positions }, when))
    }
}

/// A block of query positions of a sequence.
struct Task<'a> {
    class: &'a Class,
    /// Block of columns.
    column: usize,
    /// Counts the heads of the class, so many query heads each.
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

pub(super) fn prefill(s: &Shape<'_>, params: Vec<Param>, panel: &Panel) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_panel", params, &s.symbols);
    let (plan, many) = (&panel.plan, panel.positions);
    b.scratch("qs", plan.elem, &[ROWS, plan.ring.width]);
    b.scratch("rows", Dtype::F32, &[ROWS, plan.ring.wide]);
    if s.a.alibi {
        b.scratch("pos.rows", Dtype::I32, &[ROWS, 1]);
    }
    for (name, on) in [("sink", s.a.sink_logit), ("lse", s.a.lse), ("slope", s.a.alibi)] {
        if on {
            b.scratch(&format!("{name}.rows"), Dtype::F32, &[ROWS, 1]);
        }
    }
    s.segments.iter().for_each(|seg| plan.ring.scratch(&mut b, seg));
    let mut bounds = BTreeSet::new();
    let each = |class| (0..plan.blocks).map(move |block| (class, block));
    for (class, column) in s.classes.iter().flat_map(each) {
        let heads = class.heads.len() * (s.whole() / panel.heads);
        let blocks = longest(&s.a.q.len).ceil_div(many);
        b.tasks("t", s.batch.clone() * heads * blocks.clone(), 1, |b| {
            let t = b.var("t");
            // The last rows see most keys under causal masks: long tasks first.
            let u = b.scalar("h", t.clone() % heads);
            let seq = b.scalar("seq", t.clone() / heads % s.batch.clone());
            let number = blocks - 1 - t / (s.batch.clone() * heads);
            let (row, m) = lists::rows(b, s, &seq);
            let first = b.scalar("first", number * many);
            let here = (m.clone() - first.clone()).max(0).min(many);
            let here = b.scalar("here", here);
            let some = Predicate { left: here.clone(), cmp: Compare::Gt, right: Extent::Lit(0) };
            let (row, first) = (row.as_ref(), first);
            let task = Task { class, column, u: &u, seq: &seq, row, m: &m, first, here };
            b.choose(some, |b| one(b, s, panel, &task, &mut bounds), |_| {});
        });
    }
    b.finish()
}

fn one(
    b: &mut Builder,
    s: &Shape<'_>,
    panel: &Panel,
    task: &Task<'_>,
    bounds: &mut BTreeSet<String>,
) {
    let (plan, wide) = (&panel.plan, panel.heads);
    let (first, here) = (&task.first, &task.here);
    let parts = s.whole() / wide;
    let at = task.u.clone() / parts;
    let own = pick(&task.class.heads, &at) * s.whole();
    let head = b.scalar("head", own + task.u.clone() % parts * wide);
    let heads = Slice::range(head, wide);
    let mut opened = keys::open(b, s, &task.class.segments, task.seq);
    own_heads(&mut opened, task.class, &at);
    queries(b, s, panel, task, &heads);
    b.for_each("turn", (Extent::Lit(0), Extent::from(panel.positions), 1), &[], |b, _| {
        let r = b.var("turn");
        // Rows behind the last one see what that sees; nobody stores them.
        let i = b.scalar("i", first.clone() + r.clone().min(here.clone() - 1));
        let pos = position(b, &task.item(i), &opened);
        let rows = Slice::range(r * wide, wide);
        let ranges = |open: &Open<'_>| {
            let all = mask::ranges(open, &pos, &heads.start).into_iter();
            let others = mask::ranges(open, &Extent::Lit(0), &heads.start);
            // Where all rows begin with the first tile, none asks.
            let whole = open.tiled();
            let told = move |lo: &Extent, other: &Extent| lo != other || !whole;
            all.zip(others).map(move |((lo, hi), (other, _))| (told(&lo, &other).then_some(lo), hi))
        };
        for (range, (lo, hi)) in opened.iter().flat_map(ranges).enumerate() {
            for (name, end) in [("lo", lo), ("hi", Some(hi))] {
                let (name, Some(end)) = (format!("{name}{range}"), end) else { continue };
                if bounds.insert(name.clone()) {
                    b.scratch(&name, Dtype::I32, &[ROWS, 1]);
                }
                // Side by side in the lanes of one store.
                let (end, side) = (b.iota(&[1], 0, end), b.fill(0.0, Dtype::I32, &[wide]));
                let end = b.binary("end", Binary::Add, side, end);
                let to = vec![rows.clone(), Slice::point(0)];
                b.store(&name, to, end, false);
            }
        }
        let lists = [(s.a.sink_logit, "sink_logit", "sink"), (s.a.alibi, "alibi", "slope")];
        for (_, tensor, to) in lists.into_iter().filter(|l| l.0) {
            let list = b.load(to, tensor, Dtype::F32, vec![heads.clone()], false);
            let at = vec![rows.clone(), Slice::point(0)];
            b.store(&format!("{to}.rows"), at, list, false);
        }
        if s.a.alibi {
            let (pos, side) = (b.iota(&[1], 0, pos), b.fill(0.0, Dtype::I32, &[wide]));
            let pos = b.binary("pos", Binary::Add, side, pos);
            b.store("pos.rows", vec![rows, Slice::point(0)], pos, false);
        }
        vec![]
    });
    let max = b.fill(LOWEST, Dtype::F32, &[ROWS, 1]);
    let den = b.fill(0.0, Dtype::F32, &[ROWS, 1]);
    let (first_column, count) = plan.columns(s, task.column);
    let width = plan.ring.wide;
    let ring = Ring { columns: (first_column, count), ..plan.ring };
    let o = b.fill(0.0, Dtype::F32, &[ROWS, width]);
    let mut state = vec![max, den, o];
    let end = first.clone() + here.clone() - 1;
    let early = position(b, &task.item(first.clone()), &opened);
    let late = b.scalar("late", early.clone() + end - first.clone());
    let (mut range, mut keys) = (0, Extent::Lit(0));
    for open in &opened {
        let ends = mask::ranges(open, &early, &heads.start).into_iter();
        let ends = ends.zip(mask::ranges(open, &late, &heads.start));
        for (early, late) in ends {
            let walked;
            (state, walked) = walk(b, s, (plan, &ring), open, (early, late), range, state);
            keys = keys.max(walked);
            range += 1;
        }
    }
    plan.ring.settle(b, keys);
    let column = || vec![Slice::range(0, ROWS), Slice::range(0, 1)];
    let sink = s.a.sink_logit.then(|| b.load("sink", "sink.rows", Dtype::F32, column(), false));
    let (y, lse) = merge::finish(b, s, &state, sink);
    b.store("rows", vec![Slice::range(0, ROWS), Slice::range(0, width)], y, false);
    let lse = lse.filter(|_| task.column == 0);
    if let Some(lse) = lse {
        b.store("lse.rows", column(), lse, false);
    }
    b.for_each("turn", (Extent::Lit(0), here.clone(), 1), &[], |b, _| {
        let r = b.var("turn");
        let rows = Slice::range(r.clone() * wide, wide);
        let item = task.item(first.clone() + r);
        let at = vec![rows.clone(), Slice::range(0, count)];
        let o = b.load("o", "rows", Dtype::F32, at, false);
        let out = b.convert("out", o, s.a.out);
        let to = [item.rows(), vec![heads.clone(), Slice::range(first_column, count)]].concat();
        b.store("o", to, out, false);
        if lse.is_some() {
            let list = b.load("lse", "lse.rows", Dtype::F32, vec![rows, Slice::point(0)], false);
            b.store("lse", [item.rows(), vec![heads.clone()]].concat(), list, false);
        }
        vec![]
    });
}

/// The query rows of a task, as they are stored. Behind the last one are zeros, or that row again: nobody stores them.
fn queries(b: &mut Builder, s: &Shape<'_>, panel: &Panel, task: &Task<'_>, heads: &Slice) {
    let width = panel.plan.ring.width;
    let stage = |b: &mut Builder, rows: Slice, lead: Vec<Slice>, held: Extent| {
        let to = vec![rows, Slice::range(0, width)];
        let from = [lead, vec![Slice::range(0, s.dim)]].concat();
        b.stage(("qs", to), ("q", from), (Extent::Lit(0), held));
    };
    if panel.heads == 1 {
        let mut lead = task.item(task.first.clone()).rows();
        if let Some(last) = lead.last_mut() {
            last.len = Some(ROWS);
        }
        lead.push(Slice::point(heads.start.clone()));
        stage(b, Slice::range(0, ROWS), lead, task.here.clone());
    } else {
        for r in 0..panel.positions {
            let i = task.first.clone() + (task.here.clone() - 1).min(r);
            let i = b.scalar("i", i);
            let lead = [task.item(i).rows(), vec![heads.clone()]].concat();
            stage(b, Slice::range(r * panel.heads, panel.heads), lead, panel.heads.into());
        }
    }
    panel.plan.ring.queries(b);
}

/// All tiles of a range of keys: where it begins and ends for the first row and for the last one. With how many keys
/// these are.
fn walk(
    b: &mut Builder,
    s: &Shape<'_>,
    (plan, ring): (&Plan, &Ring),
    open: &Open<'_>,
    (early, late): ((Extent, Extent), (Extent, Extent)),
    range: usize,
    mut state: Vec<Value>,
) -> (Vec<Value>, Extent) {
    let keys = plan.ring.keys;
    let moving = early.0 != late.0;
    let name = |what: &str| format!("{what}{range}");
    let from = b.scalar(&name("from"), early.0);
    let to = b.scalar(&name("to"), late.1.max(from.clone()));
    let whole = open.tiled();
    let start = if whole {
        from.clone()
    } else {
        let some = (to.clone() - from.clone()).min(1);
        b.scalar(&name("start"), from.clone() - from.clone() % keys * some)
    };
    // Between them are the tiles that all rows see whole.
    let tiles = |b: &mut Builder, what: &str, count: Extent| {
        let edge = (start.clone() + count.max(0) * keys).min(to.clone());
        b.scalar(&name(what), edge)
    };
    let middle = if moving || !whole {
        let seen = late.0 - start.clone();
        tiles(b, "middle", seen.ceil_div(keys))
    } else {
        start.clone()
    };
    let tail = tiles(b, "tail", (early.1 - start.clone()) / keys);
    let tail = b.scalar(&name("last"), tail.max(middle.clone()));
    let column = || vec![Slice::range(0, ROWS), Slice::range(0, 1)];
    let slope = slopes(b, s, ROWS).map(|slope| {
        let rows = b.load("pos_row", "pos.rows", Dtype::I32, column(), false);
        (slope, rows)
    });
    let mut edge =
        |end: &str| b.load(&name(&format!("{end}_row")), &name(end), Dtype::I32, column(), false);
    let mut edges = vec![Seen::Each(edge("hi"), Compare::Lt)];
    if moving || !whole {
        edges.push(Seen::Each(edge("lo"), Compare::Ge));
    }
    let all = [
        (moving || !whole, "head", &start, &from, &middle, &edges[..]),
        (true, "whole", &middle, &middle, &tail, &[][..]),
        (true, "tail", &tail, &tail, &to, if moving { &edges[..] } else { &edges[..1] }),
    ];
    for (_, kind, start, lo, hi, edges) in all.into_iter().filter(|part| part.0) {
        let apart = !edges.is_empty();
        let part = Range { open, start, lo, hi, apart, whole: !apart };
        let inits = [("max", state[0]), ("den", state[1]), ("o", state[2])];
        let var = format!("j{range}_{kind}");
        state = ring.walk(b, s, &part, &var, &inits, |b, (j, slot), state, between| {
            let first = open.first.clone() + j.clone();
            let bias = slope.map(|(slope, rows)| (slope, Away::Each(first, rows)));
            step(b, s, plan, (open.seg, ring), (j, slot), state, (edges, bias), between)
        });
    }
    (state, to - from)
}
