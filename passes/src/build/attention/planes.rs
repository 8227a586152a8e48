//! Scores as products of bytes, for keys that are stored as codes and `compute = "int8x2"`: queries are two planes of int8,
//! and a tile of keys is turned so that its lanes are keys.
//!
//! ```text
//! q = scale * (254 * hi + lo)              of a row: hi = round(127 q / most), lo what is left of it, 254 times as fine
//! panel = the codes of a tile as bytes     four of a key in a word, a key a lane
//! for each group of codes that share a scale
//!   s += k.scale[group] * ((hi, lo)[group] . panel[group])
//! scale * (254 * s of hi + s of lo)
//! ```
//!
//! What the planes lose is at most `most / 254 / 254` an element. Tiles in which keys lack are multiplied as floats.

use super::{
    keys::{Place, Tile},
    stored::Stored,
    *,
};
use crate::{build::mpgemm::range_and_scale, lower::turned::evens_first};
use kgen_ir::{
    format::pack::Packing,
    machine::{DotOp, Op},
    op::Precision,
    tile::Part,
};

/// Steps of the lower plane in one of the upper.
const FINER: f64 = 254.0;

/// The planes of the query rows: those of the upper one, then those of what it leaves.
const PLANES: &str = "q.planes";

/// Their sums over groups, times what a byte of the panel is more than its code.
const SUMS: &str = "q.sums";

const PANEL: &str = "k.panel";
const SCALES: &str = "k.scales";

/// Scores of both planes.
const SCORES: &str = "s.planes";

/// How a kernel makes scores of its query rows.
#[derive(Clone, Copy)]
pub(super) enum Query {
    /// Products of floats.
    Floats(Value),
    /// Products of bytes, and the scale of the planes: a column.
    Planes(Bytes, Value),
}

/// Keys whose codes products of bytes take.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    /// Codes that share a scale.
    group: usize,
    /// What a byte is more than its code.
    more: i32,
    /// Two codes stand in a byte: bytes of a panel are the even codes of eight, then the odd ones.
    apart: bool,
    lanes: usize,
}

impl Bytes {
    pub fn of(a: &Attention, k: &Stored, walk: Walk, choice: &Choice) -> Option<Bytes> {
        let (bits, run, group, more) = k.bytes()?;
        let (lanes, dim) = (choice.target.lanes, a.q.dim as usize);
        let has = |op: Op| choice.target.row(&op).is_some();
        let target = has(Op::Dot(DotOp::U8S8)) && has(Op::Prefetch(1));
        let whole = dim.is_multiple_of(group) && group.is_multiple_of(32);
        let served = a.compute == Precision::Int8x2 && walk == Walk::Rows && a.segments.len() == 1;
        // Rows are turned by halves of registers at least.
        let wide = lanes >= 4 && (run * bits).is_multiple_of(32 * lanes / 2);
        let bytes = Bytes { group, more, apart: bits == 4, lanes };
        (target && whole && served && wide).then_some(bytes)
    }

    fn groups(&self, s: &Shape<'_>) -> usize {
        s.dim / self.group
    }

    /// Memory of a worker.
    pub fn scratch(&self, b: &mut Builder, s: &Shape<'_>, keys: usize) {
        b.scratch(PLANES, Dtype::I8, &[2 * s.group, s.dim]);
        b.scratch(SUMS, Dtype::I32, &[self.groups(s), 2 * s.group, 1]);
        b.scratch(SCORES, Dtype::F32, &[2 * s.group, keys]);
        b.scratch(SCALES, Dtype::F32, &[self.groups(s), keys]);
        b.scratch_tensor(Tensor {
            name: PANEL.into(),
            role: Role::Scratch,
            elem: Dtype::U8,
            shape: vec![keys.into(), s.dim.into()],
            store: Store::Packed {
                of: Packing::bytes_of(self.lanes, self.group),
                part: Part::Codes,
            },
        });
    }

    /// Query rows as planes.
    pub fn planes(&self, b: &mut Builder, s: &Shape<'_>, q: Value) -> Query {
        let q = match self.apart {
            true => b.permute("q_apart", q, evens_first(s.dim)),
            false => q,
        };
        let size = b.unary("size", Unary::Abs, q);
        let most = b.reduce("most", Reduce::Max, size, 1);
        let none = b.binary("none", Binary::Sub, q, q);
        let trouble = b.reduce("trouble", Reduce::Sum, none, 1);
        let (range, scale) = range_and_scale(b, most, trouble);
        let whole = Slice::range(0, s.dim);
        let rows = |plane: usize| vec![Slice::range(plane * s.group, s.group), whole.clone()];
        let all = b.fill(127.0, Dtype::F32, &[1, 1]);
        let unit = b.binary("unit", Binary::Div, q, range);
        let steps = b.binary("steps", Binary::Mul, unit, all);
        let upper = b.convert("upper", steps, Dtype::I8);
        b.store(PLANES, rows(0), upper, false);
        let upper = b.convert("upper_f", upper, Dtype::F32);
        let left = b.binary("left", Binary::Sub, steps, upper);
        let finer = b.fill(FINER, Dtype::F32, &[1, 1]);
        let left = b.binary("finer", Binary::Mul, left, finer);
        let lower = b.convert("lower", left, Dtype::I8);
        b.store(PLANES, rows(1), lower, false);
        let less = b.fill(f64::from(-self.more), Dtype::I32, &[1, 1]);
        let rows = Slice::range(0, 2 * s.group);
        for group in 0..self.groups(s) {
            let at = vec![rows.clone(), Slice::range(group * self.group, self.group)];
            let part = b.load("part", PLANES, Dtype::I8, at, false);
            let part = b.convert("wide", part, Dtype::I32);
            let total = b.reduce("total", Reduce::Sum, part, 1);
            let start = b.binary("start", Binary::Mul, total, less);
            let at = vec![Slice::point(group), rows.clone(), Slice::range(0, 1)];
            b.store(SUMS, at, start, false);
        }
        let step = b.fill(1.0 / FINER, Dtype::F32, &[1, 1]);
        Query::Planes(*self, b.binary("step", Binary::Mul, scale, step))
    }

    /// Scores of a whole tile of keys: `[group, keys]`.
    fn scores(
        &self,
        b: &mut Builder,
        s: &Shape<'_>,
        at: &Tile<'_>,
        place: &Place,
        step: Value,
    ) -> Value {
        let seg = at.open.seg;
        let keys = Slice::range(0, seg.keys);
        // First: so it is their loads that bring the rows near, not those that exchanges wait for.
        let scales = seg.k.scales(b, &place.k, self.group);
        let scales = b.transpose("scales", scales);
        b.store(SCALES, vec![Slice::range(0, self.groups(s)), keys.clone()], scales, false);
        let order = self.apart.then(|| evens_first(s.dim));
        let panel = seg.k.panel(b, &place.k, order);
        b.store(PANEL, vec![keys.clone(), Slice::range(0, s.dim)], panel, false);
        let rows = Slice::range(0, 2 * s.group);
        let zero = b.fill(0.0, Dtype::F32, &[2 * s.group, seg.keys]);
        let groups = (Extent::Lit(0), Extent::from(self.groups(s)), 1);
        let sum = b.for_each("group", groups, &[("s", zero)], |b, sum| {
            let group = b.var("group");
            let along = Slice::range(group.clone() * self.group, self.group);
            let x = b.load("x", PLANES, Dtype::I8, vec![rows.clone(), along.clone()], false);
            let w = b.load("w", PANEL, Dtype::U8, vec![keys.clone(), along], false);
            let at = vec![Slice::point(group.clone()), rows.clone(), Slice::range(0, 1)];
            let less = b.load("less", SUMS, Dtype::I32, at, false);
            let none = b.fill(0.0, Dtype::I32, &[2 * s.group, seg.keys]);
            let start = b.binary("start", Binary::Add, less, none);
            let d = b.dot("d", x, w, true, Some(start));
            let d = b.convert("f", d, Dtype::F32);
            let at = vec![Slice::range(group, 1), keys.clone()];
            let scales = b.load("scales", SCALES, Dtype::F32, at, false);
            let more = b.binary("more", Binary::Mul, d, scales);
            vec![b.binary("s", Binary::Add, sum[0], more)]
        });
        b.store(SCORES, vec![rows, keys.clone()], sum[0], false);
        let [upper, lower] = [0, s.group].map(|first| {
            let at = vec![Slice::range(first, s.group), keys.clone()];
            b.load("s_plane", SCORES, Dtype::F32, at, false)
        });
        let finer = b.fill(FINER, Dtype::F32, &[1, 1]);
        let upper = b.binary("coarse", Binary::Mul, upper, finer);
        let both = b.binary("both", Binary::Add, upper, lower);
        b.binary("s0", Binary::Mul, both, step)
    }
}

impl Query {
    /// Scores of a tile of keys, `[group, keys]`.
    pub fn scores(&self, b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>, place: &Place) -> Value {
        match self {
            Query::Planes(bytes, step) => bytes.scores(b, s, at, place, *step),
            Query::Floats(q) => {
                let k = keys::k(b, s, at, place);
                b.dot("s0", *q, k, true, None)
            }
        }
    }
}
