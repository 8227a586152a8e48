//! The kernel for targets with matrix instructions: the query heads of a group are the rows of a matrix.
//!
//! ```text
//! s = dot(q, k^T) : f32[8, 32]          8 rows, of which a group of 4 heads fills 4, or 16; 32 keys
//! p = exp2(s - max) : f32[8, 32]
//! o = dot(convert(p), v, faded)         converted where it stands: sums are the rows of the next product
//! ```
//!
//! Every launch leaves states of parts, whose rows are counted in blocks, and `merge` reads those that are heads.
//!
//! Elements of a product are f16 or bf16. A weight `p` in f32 is a sum of two or three of them, each the rounding of what
//! the others leave: as exact as f32, at as many products. f16 has few exponents: there weights reach from 2^15 down.

use super::{
    decode::{Item, capped, items, own_heads, position},
    ring::{Between, Range, Ring},
    *,
};
use crate::tile::fragments::Instruction;
use kgen_ir::{
    machine::{AsyncOp, Op},
    op::Precision,
    target::Target,
};

/// Rows of a matrix, and half of them, which serve small groups.
pub(super) const ROWS: usize = 16;
const HALF: usize = 8;

/// Keys that a product takes at once, and elements.
const STEP: usize = 16;

/// Chunks after which flips repeat.
const PERIOD: usize = 8;

/// Bytes of a worker's scratch for queries and keys: with the rest it stays below what a block of threads has.
const ROOM: usize = 44 << 10;

/// Columns of values whose sums fill half of the registers, and a quarter, which long rows of keys leave.
const COLUMNS: usize = 256;
const FEWER: usize = 128;

/// Words of a lane that a tile may hold of the 255 that it has, where the rest is addresses and operands on their way.
const REGISTERS: usize = 160;

/// The same of sums and what is copied, where counts stand beside the sums; fewer where lanes hold right operands twice.
const BESIDE_COUNTS: usize = 96;
const WITH_OPERANDS_TWICE: usize = 84;

/// Blocks of columns at most: each computes the scores again.
const BLOCKS: usize = 4;

/// Rows of a sequence from which on they are rows of a matrix, too.
pub(super) const MANY: i64 = 16;

/// How weights above all others are smaller than 1: of f16, whose exponents end soon.
const SHIFT: f64 = 15.0;

/// How a task is cut.
pub(super) struct Plan {
    pub elem: Dtype,
    /// With the columns of the first block.
    pub ring: Ring,
    /// Rows of its matrices.
    pub rows: usize,
    /// Blocks of columns of the values.
    pub blocks: usize,
    /// Elements that a weight is the sum of.
    terms: usize,
}

impl Plan {
    /// Also where it serves. `None`: it does not serve this op, or the target has no such matrices.
    pub fn new(s: &Shape<'_>, choice: &Choice) -> Option<(Plan, Vec<Predicate>)> {
        let most = if s.dim > COLUMNS { FEWER } else { COLUMNS };
        let plan = Plan::within(s, choice, 0, most, false)?;
        // Lanes of some instructions have all rows.
        let unit = unit(choice.target, plan.elem)?;
        let rows = if s.whole() <= HALF && unit.serves(HALF) { HALF } else { ROWS };
        let plan = Plan { rows, ..plan };
        let few = Predicate { left: longest(&s.a.q.len), cmp: Compare::Lt, right: MANY.into() };
        let when = [vec![few], plan.when(s)].concat();
        Some((plan, when))
    }

    /// The same, `taken` bytes of scratch being for something else, with about so many columns in a block at most, and
    /// with counts of what is no number or without.
    pub fn within(
        s: &Shape<'_>,
        choice: &Choice,
        taken: usize,
        most: usize,
        counts: bool,
    ) -> Option<Plan> {
        let elem = s.a.q.dtype;
        let stored = |seg: &Seg<'_>| {
            let plain = seg.stored().iter().all(|(_, x)| x.plain() == Some(elem));
            let ranges = match seg.spec.mask {
                Mask::None
                | Mask::Causal
                | Mask::Window(_)
                | Mask::KeepFirst { .. }
                | Mask::Prefix(_)
                | Mask::Block(_) => true,
                Mask::Tree | Mask::Expr(_) => false,
            };
            plain && ranges && !seg.spec.weight
        };
        let target = choice.target;
        let copies = target.row(&Op::Async(AsyncOp::Copy(16))).is_some();
        let wide = s.dim.is_multiple_of(8) && s.v_dim.is_multiple_of(8);
        let fits = s.split > 0 && s.segments.iter().all(stored);
        let unit = unit(target, elem)?.n;
        if !copies || !wide || !fits {
            return None;
        }
        // Values that are a part of the keys are found where flips of their chunks begin.
        let part = s.segments.iter().any(|seg| seg.v.is_none());
        let unit_of_block = if part { 8 * PERIOD } else { unit };
        let columns = |blocks: usize| s.v_dim.div_ceil(blocks).next_multiple_of(unit_of_block);
        let width = s.dim.next_multiple_of(STEP);
        let own = s.segments.iter().any(|seg| seg.v.is_some());
        let queries = ROWS * width * elem.bytes().unwrap_or(2);
        let longest = choice.schedule.keys.next_power_of_two().max(STEP);
        // Where nothing is done to wait, nothing is under way but registers.
        let kept = target.row(&Op::Async(AsyncOp::Wait)).is_some_and(|row| row.text.is_empty());
        let ring = |blocks: usize, (keys, stages): (usize, usize)| Ring {
            keys,
            stages,
            width,
            columns: (0, columns(blocks).min(s.v_dim)),
            wide: columns(blocks).min(s.v_dim.next_multiple_of(unit)),
            kept,
            twice: kept && target.row(&Op::Squares { count: 4, turned: true }).is_none(),
        };
        let segments = s.segments.len();
        let terms = match (s.a.compute, elem) {
            (Precision::F32, Dtype::F16) => 2,
            (Precision::F32, _) => 3,
            (Precision::Bf16 | Precision::Int8 | Precision::Int8x2, _) => 1,
        };
        let beside = |r: &Ring| if r.twice { WITH_OPERANDS_TWICE } else { BESIDE_COUNTS };
        let fits = |r: &Ring| {
            taken + queries + segments * r.bytes(own, elem) <= ROOM
                && r.registers(target, (own, elem), terms) <= REGISTERS
                && (!counts || r.sums(target) + r.alone(target, own, elem) <= beside(r))
        };
        let least = s.v_dim.div_ceil(most);
        // The last block may be smaller, but for what lies beside other columns.
        let cut = |n: &usize| match part {
            true => *n == 1 || s.v_dim.is_multiple_of(unit_of_block * n),
            false => columns(*n) * (n - 1) < s.v_dim,
        };
        let found = (least..=BLOCKS).filter(cut).find_map(|n| {
            let sizes = [(longest, 2), (longest / 2, 2), (STEP, 2), (STEP, 1)].into_iter();
            let mut rings = sizes.filter(|size| size.0 >= STEP).map(|size| ring(n, size));
            rings.find(&fits).map(|ring| (n, ring))
        });
        let (blocks, ring) = found?;
        Some(Plan { elem, ring, rows: ROWS, blocks, terms })
    }

    /// Rows begin where copies may, and no row of a tile is farther than an offset reaches.
    pub fn when(&self, s: &Shape<'_>) -> Vec<Predicate> {
        let mut when = vec![];
        let stride = |name: &str, d: usize| Extent::Sym(format!("{name}.stride{d}"));
        let mut rows = |name: &str, dims: usize, row: usize| {
            for d in 0..dims {
                let left = stride(name, d) % 8i64;
                when.push(Predicate { left, cmp: Compare::Eq, right: Extent::Lit(0) });
            }
            let right = Extent::Lit((1 << 30) / self.ring.keys.max(ROWS) as i64);
            when.push(Predicate { left: stride(name, row), cmp: Compare::Lt, right });
        };
        let packed = usize::from(s.m.is_none());
        rows("q", 3 - packed, 2 - packed);
        for seg in &s.segments {
            let packed = usize::from(seg.packed());
            for (name, _) in seg.stored() {
                rows(&name, 3 - packed, 1 - packed);
            }
        }
        when
    }

    /// The columns of a block: the first, and how many.
    pub fn columns(&self, s: &Shape<'_>, block: usize) -> (usize, usize) {
        let first = block * self.ring.columns.1;
        (first, self.ring.columns.1.min(s.v_dim.saturating_sub(first)))
    }

    /// Rows of the states of all heads.
    pub fn state_rows(&self, s: &Shape<'_>) -> i64 {
        s.a.kv.heads * self.group(s) as i64
    }

    /// Those of a kv head.
    pub fn group(&self, s: &Shape<'_>) -> usize {
        self.many(s) * self.rows
    }

    /// Matrices whose rows are the query heads of a kv head.
    fn many(&self, s: &Shape<'_>) -> usize {
        s.whole().div_ceil(self.rows)
    }
}

/// The matrix instruction of the target for these elements, if it has one.
fn unit(target: &Target, elem: Dtype) -> Option<&'static Instruction> {
    let all = target.rows.iter();
    let all = all.filter_map(|row| if let Op::Mma(m) = row.op { Some(m) } else { None });
    all.filter(|m| m.a == elem).filter_map(Instruction::of).find(|by| by.m == ROWS)
}

/// The kernel over parts of keys that leave their states.
pub(super) fn decode(s: &Shape<'_>, params: Vec<Param>, plan: &Plan) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_matrix", params, &s.symbols);
    if s.varies() {
        lists::scratch(&mut b);
    }
    b.scratch("qs", plan.elem, &[plan.rows, plan.ring.width]);
    if s.a.alibi {
        b.scratch("slope.rows", Dtype::F32, &[plan.rows, 1]);
    }
    s.segments.iter().for_each(|seg| plan.ring.scratch(&mut b, seg));
    let listed = items(&mut b, s, true);
    let parts = s.parts();
    let rows = s.m.clone().unwrap_or(Extent::Lit(1));
    for class in &s.classes {
        for block in 0..plan.blocks {
            let heads = class.heads.len() * plan.many(s);
            let count = match &listed {
                Some(items) => items.clone() * heads,
                None => s.batch.clone() * rows.clone() * heads * parts.clone(),
            };
            b.tasks("t", count, 1, |b| {
                let t = b.var("t");
                let (item, u) = match &listed {
                    Some(items) => {
                        let u = b.scalar("h", t.clone() / items.clone());
                        let item = b.scalar("item", t % items.clone());
                        (Item::listed(b, s, true, &item), u)
                    }
                    None => {
                        let i = b.scalar("i", t.clone() % rows.clone());
                        let part = b.scalar("part", t.clone() / rows.clone() % parts.clone());
                        let u = b.scalar("h", t.clone() / (rows.clone() * parts.clone()) % heads);
                        let seq = b.scalar("seq", t / (rows.clone() * parts.clone() * heads));
                        (Item { seq, i, m: rows.clone(), row: None, part, slot: None }, u)
                    }
                };
                one(b, s, plan, class, (&item, &u), block);
            });
        }
    }
    b.finish()
}

/// A task: `u` counts the heads of the class, a block of query heads each.
fn one(
    b: &mut Builder,
    s: &Shape<'_>,
    plan: &Plan,
    class: &Class,
    (item, u): (&Item, &Extent),
    block: usize,
) {
    let (whole, many, rows) = (s.whole(), plan.many(s), plan.rows);
    let at = u.clone() / many;
    let own = b.scalar("own", pick(&class.heads, &at));
    let before = b.scalar("before", u.clone() % many * rows);
    let mut opened = keys::open(b, s, &class.segments, &item.seq);
    own_heads(&mut opened, class, &at);
    let first = b.scalar("head", own.clone() * whole + before.clone());
    let first = Slice::range(first, rows);
    let to = vec![Slice::range(0, rows), Slice::range(0, plan.ring.width)];
    let from = [item.rows(), vec![first.clone(), Slice::range(0, s.dim)]].concat();
    b.stage(("qs", to), ("q", from), (Extent::Lit(0), Extent::from(whole) - before.clone()));
    plan.ring.queries(b);
    if s.a.alibi {
        // Heads behind the last one may be nobody's.
        let list = b.load("alibi", "alibi", Dtype::F32, vec![first], true);
        b.store("slope.rows", vec![Slice::range(0, rows), Slice::point(0)], list, false);
    }
    let (first_column, count) = plan.columns(s, block);
    let wide = plan.ring.wide;
    let max = b.fill(LOWEST, Dtype::F32, &[rows, 1]);
    let den = b.fill(0.0, Dtype::F32, &[rows, 1]);
    let o = b.fill(0.0, Dtype::F32, &[rows, wide]);
    let mut state = vec![max, den, o];
    let pos = position(b, item, &opened);
    let slope = slopes(b, s, rows);
    let (mut number, mut keys) = (0, Extent::Lit(0));
    for open in &opened {
        for (lo, hi) in mask::ranges(open, &pos, &Extent::Lit(0)) {
            let (lo, hi) = decode::cut(s, open, item, lo, hi);
            let lo = b.scalar(&format!("lo{number}"), lo);
            let hi = b.scalar(&format!("hi{number}"), hi.max(lo.clone()));
            keys = keys.max(hi.clone() - lo.clone());
            let start = if open.tiled() {
                lo.clone()
            } else {
                let keys = plan.ring.keys;
                // A range without keys has no tile, wherever it begins.
                let some = (hi.clone() - lo.clone()).min(1);
                b.scalar(&format!("start{number}"), lo.clone() - lo.clone() % keys * some)
            };
            let range = Range { open, start: &start, lo: &lo, hi: &hi, apart: false, whole: false };
            let ring = Ring { columns: (first_column, count), ..plan.ring };
            let inits = [("max", state[0]), ("den", state[1]), ("o", state[2])];
            let var = format!("j{number}");
            let before = (start != lo).then_some(Seen::All(&lo, Compare::Ge));
            let edges: Vec<_> = [Seen::All(&hi, Compare::Lt)].into_iter().chain(before).collect();
            state = ring.walk(b, s, &range, &var, &inits, |b, (j, slot), state, between| {
                let away = open.first.clone() + j.clone() - pos.clone();
                let bias = slope.map(|slope| (slope, Away::All(away)));
                let seen = (&edges[..], bias);
                step(b, s, plan, (open.seg, &ring), (j, slot), state, seen, between)
            });
            number += 1;
        }
    }
    plan.ring.settle(b, keys);
    let rows = Slice::range(own * (many * rows) + before, rows);
    let row = |last: Slice| [item.states(), vec![rows.clone(), last]].concat();
    if block == 0 {
        b.store("part.max", row(Slice::range(0, 1)), state[0], false);
        b.store("part.den", row(Slice::range(0, 1)), state[1], false);
    }
    // Columns that fill up are nobody's.
    b.store("part.o", row(Slice::range(first_column, wide)), state[2], wide > count);
}

/// Which keys of a tile are seen: those that compare so with an edge of all rows, or of each row, `i32[16, 1]`.
pub(super) enum Seen<'a> {
    All(&'a Extent, Compare),
    Each(Value, Compare),
}

/// How far the first key of a tile is from the query positions: of all rows, or, `i32[16, 1]`, the position of each.
pub(super) enum Away {
    All(Extent),
    Each(Extent, Value),
}

/// Slopes of ALiBi by row, in units of log 2.
pub(super) fn slopes(b: &mut Builder, s: &Shape<'_>, rows: usize) -> Option<Value> {
    s.a.alibi.then(|| {
        let at = vec![Slice::range(0, rows), Slice::range(0, 1)];
        let slope = b.load("slope0", "slope.rows", Dtype::F32, at, false);
        let log2e = b.fill(std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        b.binary("slope", Binary::Mul, slope, log2e)
    })
}

/// One tile of keys, from row `slot` of the ring on, joins the state.
#[expect(clippy::too_many_arguments, reason = "all that a tile's products depend on")]
pub(super) fn step(
    b: &mut Builder,
    s: &Shape<'_>,
    plan: &Plan,
    (seg, ring): (&Seg<'_>, &Ring),
    (j, slot): (&Extent, &Extent),
    state: &[Value],
    (edges, bias): (&[Seen<'_>], Option<(Value, Away)>),
    between: &Between<'_>,
) -> Vec<Value> {
    let (max, den, o) = (state[0], state[1], state[2]);
    let keys = ring.keys;
    let whole = |rows| vec![rows, Slice::range(0, ring.width)];
    let q = b.load("q", "qs", plan.elem, whole(Slice::range(0, plan.rows)), false);
    let rows = Slice::range(slot.clone(), keys);
    let k = b.load("k", &seg.name("k_ring"), plan.elem, whole(rows.clone()), false);
    let score = b.dot("s0", q, k, true, None);
    between(b);
    // Scores in units of log 2, unless a cap stands between.
    let scale = s.a.scale.unwrap_or(1.0 / (s.dim as f64).sqrt());
    let log2e = if s.a.softcap.is_some() { 1.0 } else { std::f64::consts::LOG2_E };
    let c = b.fill(scale * log2e, Dtype::F32, &[1, 1]);
    let score = b.binary("s1", Binary::Mul, score, c);
    let mut score = capped(b, s, score);
    if let Some((slope, away)) = bias {
        let away = match away {
            Away::All(first) => b.iota(&[1, keys], 1, first),
            Away::Each(first, rows) => {
                let places = b.iota(&[1, keys], 1, first);
                b.binary("far", Binary::Sub, places, rows)
            }
        };
        let away = b.convert("away", away, Dtype::F32);
        let more = b.binary("more", Binary::Mul, slope, away);
        score = b.binary("s4", Binary::Add, score, more);
    }
    let mut apart = None;
    for edge in edges {
        let seen = match edge {
            Seen::All(edge, cmp) => {
                let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
                let places = b.iota(&[1, keys], 1, j.clone() - (*edge).clone());
                b.binary("seen", Binary::Cmp(*cmp), places, zero)
            }
            Seen::Each(rows, cmp) => {
                let places = b.iota(&[1, keys], 1, j.clone());
                let seen = b.binary("seen", Binary::Cmp(*cmp), places, *rows);
                apart = Some(match apart {
                    Some(apart) => b.binary("both", Binary::And, apart, seen),
                    None => seen,
                });
                seen
            }
        };
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[plan.rows, keys]);
        score = b.select("s", seen, score, lowest);
    }
    let mut tile_max = b.reduce("tile_max", Reduce::Max, score, 1);
    if plan.elem == Dtype::F16 {
        let less = b.fill(-SHIFT, Dtype::F32, &[1, 1]);
        tile_max = b.binary("tile_top", Binary::Add, tile_max, less);
    }
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    let alpha = b.unary("alpha", Unary::Exp2, moved);
    let below = b.binary("below", Binary::Sub, score, max2);
    let p = b.unary("p", Unary::Exp2, below);
    let sum = b.reduce("sum", Reduce::Sum, p, 1);
    let kept = b.binary("kept", Binary::Mul, den, alpha);
    let den2 = b.binary("den_next", Binary::Add, kept, sum);
    let mut sums = b.binary("faded", Binary::Mul, o, alpha);
    // Values that are a part of the keys are in their ring.
    let (name, column) = if seg.v.is_some() { ("v_ring", 0) } else { ("k_ring", ring.columns.0) };
    let at = vec![rows, Slice::range(column, ring.wide)];
    let ring_name = seg.name(name);
    let load = |b: &mut Builder| b.load("v", &ring_name, plan.elem, at.clone(), false);
    let (v, count) = match apart {
        Some(seen) => {
            let (v, count) = numbers(b, plan, load, seen);
            if ring.twice {
                (v, Some(count))
            } else {
                sums = marked(b, sums, count);
                // From here on values are read again: what has been read once would be kept.
                b.commit();
                (v, None)
            }
        }
        None => (load(b), None),
    };
    let mut rest = p;
    for term in 0..plan.terms {
        let part = b.convert("part_of_p", rest, plan.elem);
        sums = b.dot("o_next", part, v, false, Some(sums));
        if term + 1 < plan.terms {
            let back = b.convert("taken", part, Dtype::F32);
            rest = b.binary("rest", Binary::Sub, rest, back);
        }
    }
    // Counted together with the products of the same values.
    if let Some(count) = count {
        sums = marked(b, sums, count);
    }
    vec![max2, den2, sums]
}

/// Sums that have met what is no number.
fn marked(b: &mut Builder, sums: Value, count: Value) -> Value {
    let one = b.fill(1.0, Dtype::F32, &[1, 1]);
    let some = b.binary("some", Binary::Cmp(Compare::Ge), count, one);
    let size = b.shape(count);
    let nan = b.fill(f64::NAN, Dtype::F32, &size);
    b.select("marked", some, nan, sums)
}

/// A weight of 0 does not silence a value that is no number, and rows see different keys: such values become 0, and the
/// sums of rows that see one become NaN: how many each row sees.
fn numbers(
    b: &mut Builder,
    plan: &Plan,
    load: impl Fn(&mut Builder) -> Value,
    seen: Value,
) -> (Value, Value) {
    let wide = |b: &mut Builder| {
        let v = load(b);
        b.convert("wide", v, Dtype::F32)
    };
    // Each read of its own, so that none is kept.
    let odd = |b: &mut Builder| {
        let (v, zero) = (wide(b), b.fill(0.0, Dtype::F32, &[1, 1]));
        let none = b.binary("none", Binary::Mul, v, zero);
        b.binary("odd", Binary::Cmp(Compare::Ne), none, zero)
    };
    let (unsound, value) = (odd(b), wide(b));
    let shape = b.shape(value);
    let zero = b.fill(0.0, Dtype::F32, &shape);
    let clean = b.select("clean", unsound, zero, value);
    let clean = b.convert("clean_v", clean, plan.elem);
    let unsound = odd(b);
    let ones = b.fill(1.0, Dtype::F32, &shape);
    let marks = b.select("marks", unsound, ones, zero);
    let marks = b.convert("marks_v", marks, plan.elem);
    let scores = b.shape(seen);
    let (yes, no) = (b.fill(1.0, Dtype::F32, &scores), b.fill(0.0, Dtype::F32, &scores));
    let rows = b.select("rows", seen, yes, no);
    let rows = b.convert("rows_p", rows, plan.elem);
    let count = b.dot("count", rows, marks, false, None);
    (clean, count)
}
