//! Masks as ranges of keys, and keys hidden one by one.
//!
//! ```text
//! window 4 at position 9 of 20                    6..10
//! j <= i && (i - j) % 3 == 0 at position 9        0..10, of which 0 3 6 9
//! ```
//!
//! What bounds `j` in a conjunction becomes a range; the rest is computed for the keys of a tile. Positions have 64
//! bits: a number over a tile is a scalar and a small difference for each key, and only those are vectors (of f32, in
//! which integers up to 2^24 are exact).

use super::{
    decode::Item,
    keys::{Open, Tile},
    *,
};
use kgen_ir::op::expr::{Binary as Op, Expr, Func, Unary as Sign};

/// Differences between keys of a tile stay below: sums of two are exact in f32.
const SMALL: i64 = 1 << 22;

/// Keys of a tile under `tree`: their bits lie in one half of a word.
const HALF: usize = 16;

/// Whether heads of a group see different keys.
pub(super) fn by_head(mask: &Mask) -> bool {
    match mask {
        Mask::Expr(e) => e.names().contains(&"head"),
        Mask::None
        | Mask::Causal
        | Mask::Window(_)
        | Mask::KeepFirst { .. }
        | Mask::Prefix(_)
        | Mask::Block(_)
        | Mask::Tree => false,
    }
}

/// Keys of a tile under this mask.
pub(super) fn tile(mask: &Mask, keys: usize, lanes: usize) -> usize {
    match mask {
        Mask::Tree => HALF.next_multiple_of(lanes),
        Mask::None
        | Mask::Causal
        | Mask::Window(_)
        | Mask::KeepFirst { .. }
        | Mask::Prefix(_)
        | Mask::Block(_)
        | Mask::Expr(_) => keys,
    }
}

/// What the mask needs beyond the ranges is told if no kernel can compute it.
pub(super) fn check(s: &Shape<'_>, choice: &Choice) -> Result<()> {
    // A dry run, on a builder whose kernel nobody sees.
    let mut b = Builder::new("mask", vec![], &s.symbols);
    for seg in &s.segments {
        if seg.spec.mask == Mask::Tree && seg.keys != HALF {
            return Err(choice.unsupported("the mask `tree` in vectors of this width", "`causal`"));
        }
        let Mask::Expr(e) = &seg.spec.mask else { continue };
        let [i, head, j] = ["i", "head", "j"].map(Extent::from);
        let view = View { i: &i, head: &head, j: &j, keys: seg.keys, dim: 1 };
        condition(&mut b, &view, e, false).map_err(|what| {
            let what = format!("{what} in the mask of segment `{}`", seg.spec.name);
            choice.unsupported(what, "a mask of sums, comparisons and divisions by constants")
        })?;
    }
    Ok(())
}

/// Ranges of keys of a segment that query position `pos` sees, counted in the segment.
pub(super) fn ranges(open: &Open<'_>, pos: &Extent, head: &Extent) -> Vec<(Extent, Extent)> {
    let (n, first) = (&open.len, &open.first);
    let zero = || Extent::Lit(0);
    // A position, counted in the segment.
    let own = |x: Extent| x - first.clone();
    let past = || own(pos.clone() + 1).max(0).min(n.clone());
    let visible = match &open.seg.spec.mask {
        Mask::None | Mask::Tree => vec![(zero(), n.clone())],
        Mask::Causal => vec![(zero(), past())],
        Mask::Window(w) => vec![(own(pos.clone() + 1 - *w).max(0), past())],
        Mask::KeepFirst { keep_first, recent } => {
            let kept = own(Extent::Lit(*keep_first));
            let start = own(pos.clone() + 1 - *recent).max(kept.clone());
            let start = if *first == zero() { start } else { start.max(0) };
            vec![(zero(), past().min(kept)), (start, past())]
        }
        Mask::Prefix(p) => {
            vec![(zero(), past().max(own(Extent::Lit(*p)).min(n.clone())))]
        }
        Mask::Block(b) => {
            vec![(zero(), own((pos.clone() / *b + 1) * *b).max(0).min(n.clone()))]
        }
        Mask::Expr(e) => {
            let (mut lo, mut hi) = (zero(), n.clone());
            for term in terms(e) {
                match bound(term, pos, head) {
                    Some(Bound::From(x)) => lo = own(x).max(lo),
                    Some(Bound::To(x)) => hi = own(x).max(0).min(hi),
                    None => {}
                }
            }
            vec![(lo, hi)]
        }
    };
    let alive = open.alive();
    if alive.len() == 1 && alive[0] == (zero(), n.clone()) {
        return visible;
    }
    let mut out = Vec::new();
    for (number, (lo, hi)) in visible.iter().enumerate() {
        for (turn, (from, to)) in alive.iter().enumerate() {
            if !apart(open, number, turn) {
                out.push((lo.clone().max(from.clone()), hi.clone().min(to.clone())));
            }
        }
    }
    out
}

/// Range `number` of the mask and range `turn` of a ring have no key in common, whatever the lengths.
fn apart(open: &Open<'_>, number: usize, turn: usize) -> bool {
    let (KvLayout::Ring { keep_first: kept, .. }, Mask::KeepFirst { keep_first, .. }) =
        (&open.seg.spec.layout, &open.seg.spec.mask)
    else {
        return false;
    };
    let here = open.first == Extent::Lit(0) && *kept > 0;
    here && (number == 0 && turn == 1 && keep_first <= kept
        || number == 1 && turn == 0 && keep_first >= kept)
}

/// The terms of a conjunction.
fn terms(e: &Expr) -> Vec<&Expr> {
    match e {
        Expr::Binary(Op::And, a, b) => [terms(a), terms(b)].concat(),
        Expr::Binary(..)
        | Expr::Number(_)
        | Expr::Name(_)
        | Expr::Unary(..)
        | Expr::Call(..)
        | Expr::At(..)
        | Expr::Reduce(..) => vec![e],
    }
}

/// First key that is seen, or the first behind the last one.
enum Bound {
    From(Extent),
    To(Extent),
}

/// A comparison of `j` alone with what all keys share.
fn bound(term: &Expr, pos: &Extent, head: &Extent) -> Option<Bound> {
    let Expr::Binary(op, a, b) = term else { return None };
    let ((p, u), (q, v)) = (affine(a, pos, head)?, affine(b, pos, head)?);
    // j <= x, or x <= j.
    let (op, x) = match p - q {
        1 => (*op, v - u),
        -1 => (mirrored(*op), u - v),
        _ => return None,
    };
    match op {
        Op::Lt => Some(Bound::To(x)),
        Op::Le => Some(Bound::To(x + 1)),
        Op::Gt => Some(Bound::From(x + 1)),
        Op::Ge => Some(Bound::From(x)),
        Op::Or | Op::And | Op::Eq | Op::Ne | Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem => {
            None
        }
    }
}

fn mirrored(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::Le => Op::Ge,
        Op::Gt => Op::Lt,
        Op::Ge => Op::Le,
        Op::Or | Op::And | Op::Eq | Op::Ne | Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem => op,
    }
}

/// `factor * j + rest`.
fn affine(e: &Expr, pos: &Extent, head: &Extent) -> Option<(i64, Extent)> {
    match e {
        Expr::Number(x) => Some((0, Extent::Lit(*x as i64))),
        Expr::Name(name) => Some(match name.as_str() {
            "j" => (1, Extent::Lit(0)),
            "i" => (0, pos.clone()),
            "head" => (0, head.clone()),
            symbol => (0, Extent::from(symbol)),
        }),
        Expr::Unary(Sign::Neg, a) => {
            let (p, u) = affine(a, pos, head)?;
            Some((-p, Extent::Lit(0) - u))
        }
        Expr::Binary(op @ (Op::Add | Op::Sub), a, b) => {
            let ((p, u), (q, v)) = (affine(a, pos, head)?, affine(b, pos, head)?);
            Some(if *op == Op::Add { (p + q, u + v) } else { (p - q, u - v) })
        }
        Expr::Unary(Sign::Not, _)
        | Expr::Binary(..)
        | Expr::Call(..)
        | Expr::At(..)
        | Expr::Reduce(..) => None,
    }
}

/// Keys of a tile that are seen: as a row `[1, keys]` (`dim` 1) or a column `[keys, 1]` (`dim` 0). `None`: the ranges
/// say all.
pub(super) fn seen(
    b: &mut Builder,
    item: &Item,
    (pos, head): (&Extent, &Extent),
    at: &Tile<'_>,
    dim: usize,
) -> Option<Value> {
    let keys = at.open.seg.keys;
    match &at.open.seg.spec.mask {
        Mask::None
        | Mask::Causal
        | Mask::Window(_)
        | Mask::KeepFirst { .. }
        | Mask::Prefix(_)
        | Mask::Block(_) => None,
        Mask::Tree => Some(tree(b, item, at, dim)),
        Mask::Expr(e) => {
            let j = at.open.first.clone() + at.j.clone();
            let view = View { i: pos, head, j: &j, keys, dim };
            let mut all: Option<Value> = None;
            for term in terms(e).into_iter().filter(|t| bound(t, pos, head).is_none()) {
                // What is not said here was refused by `check`.
                let Ok(one) = condition(b, &view, term, false) else { continue };
                all = Some(match all {
                    Some(all) => b.binary("both", Binary::And, all, one),
                    None => one,
                });
            }
            all
        }
    }
}

/// Bits of `HALF` neighbouring keys.
fn tree(b: &mut Builder, item: &Item, at: &Tile<'_>, dim: usize) -> Value {
    let mut place: Vec<Extent> = item.rows().into_iter().map(|s| s.start).collect();
    place.push(at.j.clone() / 32);
    let word = b.read(&format!("word_{}", at.j), &at.open.seg.name("tree"), place);
    let half = at.j.clone() / HALF % 2;
    let high = word.clone() / (1i64 << HALF);
    let bits = (half.clone() * high + (Extent::Lit(1) - half) * word) % (1i64 << HALF);
    let shape = if dim == 1 { [1, at.open.seg.keys] } else { [at.open.seg.keys, 1] };
    // Bit l of them: whether the floor of bits / 2^l is odd.
    let mut left = number(b, &shape, dim, Extent::Lit(0));
    let bits = number(b, &[1, 1], 0, bits);
    let ones = b.fill(1.0, Dtype::F32, &shape);
    let mut shifted = b.binary("shifted", Binary::Mul, bits, ones);
    for by in [8, 4, 2, 1] {
        let edge = b.fill(f64::from(by), Dtype::F32, &[1, 1]);
        let far = b.binary("far", Binary::Cmp(Compare::Ge), left, edge);
        let factor = b.fill((-f64::from(by)).exp2(), Dtype::F32, &[1, 1]);
        let less = b.binary("less", Binary::Mul, shifted, factor);
        shifted = b.select("shifted", far, less, shifted);
        let nearer = b.binary("nearer", Binary::Sub, left, edge);
        left = b.select("left", far, nearer, left);
    }
    let whole = b.unary("bit0", Unary::Floor, shifted);
    let half = b.fill(0.5, Dtype::F32, &[1, 1]);
    let pairs = b.binary("pairs0", Binary::Mul, whole, half);
    let pairs = b.unary("pairs", Unary::Floor, pairs);
    let two = b.fill(2.0, Dtype::F32, &[1, 1]);
    let even = b.binary("even", Binary::Mul, pairs, two);
    b.binary("ancestor", Binary::Cmp(Compare::Ne), whole, even)
}

/// `start` and what follows, as floats.
fn number(b: &mut Builder, shape: &[usize], dim: usize, start: Extent) -> Value {
    let words = b.iota(shape, dim, start);
    b.convert("number", words, Dtype::F32)
}

/// What the names of an expression are.
struct View<'a> {
    i: &'a Extent,
    head: &'a Extent,
    /// Position of the tile's first key.
    j: &'a Extent,
    keys: usize,
    dim: usize,
}

/// A number for each key of a tile: what all share, and what is added for each.
struct Number {
    all: Extent,
    /// A tile and the least and largest of its elements.
    each: Option<(Value, i64, i64)>,
}

type Said<T> = std::result::Result<T, String>;

impl From<Extent> for Number {
    fn from(all: Extent) -> Number {
        Number { all, each: None }
    }
}

fn small(lo: i64, hi: i64) -> Said<()> {
    if lo > -SMALL && hi < SMALL { Ok(()) } else { Err("a number that grows fast with `j`".into()) }
}

fn sum(b: &mut Builder, x: Number, y: Number, op: Binary) -> Said<Number> {
    let sign = if op == Binary::Sub { -1 } else { 1 };
    let all = if sign < 0 { x.all - y.all } else { x.all + y.all };
    let each = match (x.each, y.each) {
        (x, None) => x,
        (None, Some((t, lo, hi))) if sign > 0 => Some((t, lo, hi)),
        (None, Some((t, lo, hi))) => Some((b.unary("negative", Unary::Neg, t), -hi, -lo)),
        (Some((s, l0, h0)), Some((t, l1, h1))) => {
            let (l1, h1) = if sign < 0 { (-h1, -l1) } else { (l1, h1) };
            small(l0 + l1, h0 + h1)?;
            Some((b.binary("sum", op, s, t), l0 + l1, h0 + h1))
        }
    };
    Ok(Number { all, each })
}

fn times(b: &mut Builder, x: Number, c: i64) -> Said<Number> {
    let all = x.all * c;
    let Some((t, lo, hi)) = x.each else { return Ok(all.into()) };
    let ends = |x: i64| x.checked_mul(c).ok_or("a number beyond 64 bits");
    let (p, q) = (ends(lo)?, ends(hi)?);
    let (lo, hi) = (p.min(q), p.max(q));
    small(lo, hi)?;
    let factor = b.fill(c as f64, Dtype::F32, &[1, 1]);
    Ok(Number { all, each: Some((b.binary("times", Binary::Mul, t, factor), lo, hi)) })
}

/// Quotient, rounded down, and remainder.
fn divide(b: &mut Builder, x: Number, by: i64) -> Said<(Number, Number)> {
    let Some((t, lo, hi)) = x.each else {
        return Ok(((x.all.clone() / by).into(), (x.all % by).into()));
    };
    small(lo - by, hi + by)?;
    let rest = number(b, &[1, 1], 0, x.all.clone() % by);
    let from = b.binary("from", Binary::Add, t, rest);
    let divisor = b.fill(by as f64, Dtype::F32, &[1, 1]);
    // Rounded to the nearest, it is below an integer only if the quotient is: all are below 2^24.
    let ratio = b.binary("ratio", Binary::Div, from, divisor);
    let quotient = b.unary("quotient", Unary::Floor, ratio);
    let back = b.binary("back", Binary::Mul, quotient, divisor);
    let left = b.binary("left", Binary::Sub, from, back);
    let ends = (lo.div_euclid(by), (hi + by - 1).div_euclid(by));
    let quotient = Number { all: x.all / by, each: Some((quotient, ends.0, ends.1)) };
    Ok((quotient, Number { all: Extent::Lit(0), each: Some((left, 0, by - 1)) }))
}

/// `max(x, 0)`.
fn positive(b: &mut Builder, x: Number) -> Said<Number> {
    let Some((t, lo, hi)) = x.each else { return Ok(x.all.max(0).into()) };
    // Beyond these ends the difference does not matter, or all of it does.
    let near = x.all.clone().max(-hi).min(-lo);
    let all = (x.all - near.clone()).max(0);
    let near = number(b, &[1, 1], 0, near);
    let from = b.binary("from", Binary::Add, t, near);
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    let each = b.binary("above", Binary::Max, from, zero);
    Ok(Number { all, each: Some((each, 0, hi - lo)) })
}

fn value(b: &mut Builder, view: &View<'_>, e: &Expr) -> Said<Number> {
    let difference = |b: &mut Builder, x: &Expr, y: &Expr| -> Said<Number> {
        let (x, y) = (value(b, view, x)?, value(b, view, y)?);
        sum(b, x, y, Binary::Sub)
    };
    let divisor = |b: &mut Builder, e: &Expr| match value(b, view, e)? {
        Number { all: Extent::Lit(by), each: None } if (1..SMALL).contains(&by) => Ok(by),
        Number { .. } => Err(format!("the divisor `{e}`, which is no constant up to {SMALL}")),
    };
    Ok(match e {
        Expr::Number(x) => Extent::Lit(*x as i64).into(),
        Expr::Name(name) => match name.as_str() {
            "i" => view.i.clone().into(),
            "head" => view.head.clone().into(),
            "j" => {
                let shape = if view.dim == 1 { [1, view.keys] } else { [view.keys, 1] };
                let each = number(b, &shape, view.dim, Extent::Lit(0));
                let last = i64::try_from(view.keys).unwrap_or(SMALL) - 1;
                Number { all: view.j.clone(), each: Some((each, 0, last)) }
            }
            symbol => Extent::from(symbol).into(),
        },
        Expr::Unary(Sign::Neg, a) => {
            let a = value(b, view, a)?;
            times(b, a, -1)?
        }
        Expr::Binary(Op::Add, x, y) => {
            let (x, y) = (value(b, view, x)?, value(b, view, y)?);
            sum(b, x, y, Binary::Add)?
        }
        Expr::Binary(Op::Sub, x, y) => difference(b, x, y)?,
        Expr::Binary(Op::Mul, x, y) => match (value(b, view, x)?, value(b, view, y)?) {
            (Number { all: x, each: None }, Number { all: y, each: None }) => (x * y).into(),
            (x, Number { all: Extent::Lit(c), each: None })
            | (Number { all: Extent::Lit(c), each: None }, x) => times(b, x, c)?,
            (Number { .. }, Number { .. }) => {
                return Err(format!("the product `{e}`, of which no factor is constant"));
            }
        },
        Expr::Binary(Op::Div, x, by) => {
            let (x, by) = (value(b, view, x)?, divisor(b, by)?);
            divide(b, x, by)?.0
        }
        Expr::Binary(Op::Rem, x, by) => {
            let (x, by) = (value(b, view, x)?, divisor(b, by)?);
            divide(b, x, by)?.1
        }
        Expr::Call(Func::Block, args) => {
            let [x, by] = &args[..] else { return Err(format!("`{e}`")) };
            let (x, by) = (value(b, view, x)?, divisor(b, by)?);
            divide(b, x, by)?.0
        }
        Expr::Call(func @ (Func::Max | Func::Min), args) => {
            let [x, y] = &args[..] else { return Err(format!("`{e}`")) };
            let more = difference(b, x, y)?;
            let more = positive(b, more)?;
            // max(x, y) = y + max(x - y, 0), min(x, y) = x - max(x - y, 0).
            let (from, op) = if *func == Func::Max { (y, Binary::Add) } else { (x, Binary::Sub) };
            let from = value(b, view, from)?;
            sum(b, from, more, op)?
        }
        Expr::Call(Func::Abs, args) => {
            let [x] = &args[..] else { return Err(format!("`{e}`")) };
            // |x| = 2 max(x, 0) - x.
            let x0 = value(b, view, x)?;
            let above = positive(b, x0)?;
            let twice = times(b, above, 2)?;
            let x = value(b, view, x)?;
            sum(b, twice, x, Binary::Sub)?
        }
        Expr::Unary(Sign::Not, _)
        | Expr::Binary(..)
        | Expr::Call(..)
        | Expr::At(..)
        | Expr::Reduce(..) => {
            return Err(format!("`{e}`"));
        }
    })
}

/// Whether `e` holds, or, turned round, whether it does not.
fn condition(b: &mut Builder, view: &View<'_>, e: &Expr, turned: bool) -> Said<Value> {
    let cmp = match e {
        Expr::Unary(Sign::Not, a) => return condition(b, view, a, !turned),
        Expr::Binary(op @ (Op::And | Op::Or), x, y) => {
            let (x, y) = (condition(b, view, x, turned)?, condition(b, view, y, turned)?);
            let both = (*op == Op::And) != turned;
            return Ok(b.binary("joined", if both { Binary::And } else { Binary::Or }, x, y));
        }
        Expr::Binary(Op::Lt, ..) => Compare::Lt,
        Expr::Binary(Op::Le, ..) => Compare::Le,
        Expr::Binary(Op::Gt, ..) => Compare::Gt,
        Expr::Binary(Op::Ge, ..) => Compare::Ge,
        Expr::Binary(Op::Eq, ..) => Compare::Eq,
        Expr::Binary(Op::Ne, ..) => Compare::Ne,
        Expr::Number(_)
        | Expr::Name(_)
        | Expr::Unary(Sign::Neg, _)
        | Expr::Binary(Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem, ..)
        | Expr::Call(..)
        | Expr::At(..)
        | Expr::Reduce(..) => return Err(format!("`{e}`")),
    };
    let cmp = match (cmp, turned) {
        (cmp, false) => cmp,
        (Compare::Lt, true) => Compare::Ge,
        (Compare::Le, true) => Compare::Gt,
        (Compare::Gt, true) => Compare::Le,
        (Compare::Ge, true) => Compare::Lt,
        (Compare::Eq, true) => Compare::Ne,
        (Compare::Ne, true) => Compare::Eq,
    };
    let Expr::Binary(_, x, y) = e else { return Err(format!("`{e}`")) };
    let (x, y) = (value(b, view, x)?, value(b, view, y)?);
    let Number { all, each } = sum(b, x, y, Binary::Sub)?;
    let (lo, hi) = each.map_or((0, 0), |(_, lo, hi)| (lo, hi));
    // Farther from zero than all differences the sign stays the same.
    let near = all.max(-hi - 1).min(1 - lo);
    let near = number(b, &[1, 1], 0, near);
    let from = match each {
        Some((t, _, _)) => b.binary("from", Binary::Add, t, near),
        None => near,
    };
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    Ok(b.binary("holds", Binary::Cmp(cmp), from, zero))
}
