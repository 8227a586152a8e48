//! Reductions of a row: what they start from, a step, the end across lanes, and how wide rows are joined.

use super::{EXACT, Result, Row, Tile};
use crate::build::builder::Builder;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    op::expr::{Expr, Reduce},
    tile::{self, Binary, Compare, Unary, Value},
};

impl<'m, 'a> Row<'m, 'a> {
    /// One walk for all that are known then.
    pub(super) fn reduce(&mut self, b: &mut Builder, list: &[(Reduce, &Expr)]) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        let wide = self.make.rows.width > EXACT;
        if wide && list.iter().any(|(op, _)| *op == Reduce::Argmax) {
            let what = format!("`argmax` of more than {EXACT} elements");
            return Err(self.make.no(what, "`argmax` of parts, then of their best"));
        }
        let values: Vec<&Expr> = list.iter().map(|(_, e)| *e).collect();
        let sites = self.sites(&values);
        let walk = self.walk(&values, &sites)?;
        let mut parts: Vec<Vec<Value>> = vec![vec![]; list.len()];
        if walk.repeats * walk.inner.len() > 0 {
            let inits: Vec<Vec<(&str, Value)>> =
                list.iter().map(|(op, _)| init(b, *op, walk.tile)).collect();
            let carried = inits.concat();
            let ends = self.tiles(b, &walk, &sites, carried, &mut |r, b, tile, state| {
                let mut next = Vec::new();
                let mut at = 0;
                for ((op, e), own) in list.iter().zip(&inits) {
                    let v = r.whole(b, tile, e)?;
                    let col = tile.as_ref().map(|t| t.cols.start.clone());
                    let col = col.unwrap_or(Extent::Lit(0));
                    next.extend(step(b, *op, &state[at..at + own.len()], v, col));
                    at += own.len();
                }
                Ok(next)
            })?;
            let mut at = 0;
            for (nth, (op, _)) in list.iter().enumerate() {
                let own = inits[nth].len();
                parts[nth] = end(b, *op, &ends[at..at + own]);
                at += own;
            }
        }
        if let Some(cols) = walk.tail() {
            let (start, len, left) = (cols.start.clone(), cols.len, cols.left);
            let mut tile = Some(Tile { cols, sites: &sites, known: vec![] });
            for (nth, (op, e)) in list.iter().enumerate() {
                let v = self.whole(b, &mut tile, e)?;
                let v = match left {
                    None => v,
                    Some(left) => {
                        let i = b.iota(&[len], 0, Extent::Lit(-(left as i64)));
                        let zero = b.fill(0.0, Dtype::I32, &[1]);
                        let there = b.binary("there", Binary::Cmp(Compare::Lt), i, zero);
                        let none = b.fill(neutral(*op), Dtype::F32, &[1]);
                        b.select("v", there, v, none)
                    }
                };
                let first: Vec<Value> = init(b, *op, len).into_iter().map(|i| i.1).collect();
                let last = step(b, *op, &first, v, start.clone());
                let last = end(b, *op, &last);
                parts[nth] =
                    if parts[nth].is_empty() { last } else { both(b, *op, &parts[nth], &last) };
            }
        }
        for ((op, e), part) in list.iter().zip(parts) {
            let width = self.make.rows.width as f64;
            let v = result(b, *op, &part, width);
            self.known.push((Expr::Reduce(*op, Box::new((*e).clone())), v));
        }
        Ok(())
    }
}

/// What a reduction starts from: of argmax, the largest value and its place.
fn init(b: &mut Builder, op: Reduce, len: usize) -> Vec<(&'static str, Value)> {
    let mut fill = |x: f64| b.fill(x, Dtype::F32, &[len]);
    match op {
        Reduce::Sum | Reduce::Mean => vec![("total", fill(0.0))],
        Reduce::Max | Reduce::Min => vec![("most", fill(f64::NEG_INFINITY))],
        Reduce::Argmax => {
            let most = fill(f64::NEG_INFINITY);
            let first = b.iota(&[len], 0, Extent::Lit(0));
            vec![("most", most), ("place", b.convert("place", first, Dtype::F32))]
        }
    }
}

/// What an element that is not there counts as.
fn neutral(op: Reduce) -> f64 {
    match op {
        Reduce::Sum | Reduce::Mean => 0.0,
        Reduce::Max | Reduce::Argmax => f64::NEG_INFINITY,
        Reduce::Min => f64::INFINITY,
    }
}

/// The larger one of each lane; a NaN stays.
fn larger(b: &mut Builder, most: Value, v: Value) -> Value {
    let larger = b.binary("larger", Binary::Max, most, v);
    let number = b.binary("number", Binary::Cmp(Compare::Eq), most, most);
    b.select("most", number, larger, most)
}

fn step(b: &mut Builder, op: Reduce, state: &[Value], v: Value, col: Extent) -> Vec<Value> {
    match (op, state) {
        (Reduce::Sum | Reduce::Mean, [total]) => vec![b.binary("total", Binary::Add, *total, v)],
        (Reduce::Max, [most]) => vec![larger(b, *most, v)],
        (Reduce::Min, [most]) => {
            let back = b.unary("back", Unary::Neg, v);
            vec![larger(b, *most, back)]
        }
        (Reduce::Argmax, [most, place]) => {
            let better = b.binary("better", Binary::Cmp(Compare::Gt), v, *most);
            let len = b.shape(v).first().copied().unwrap_or(1);
            let here = b.iota(&[len], 0, col);
            let here = b.convert("here", here, Dtype::F32);
            vec![b.select("most", better, v, *most), b.select("place", better, here, *place)]
        }
        (_, _) => state.to_vec(),
    }
}

/// Across the lanes.
fn end(b: &mut Builder, op: Reduce, state: &[Value]) -> Vec<Value> {
    match (op, state) {
        (Reduce::Sum | Reduce::Mean, [total]) => {
            vec![b.reduce("total", tile::Reduce::Sum, *total, 0)]
        }
        (Reduce::Max | Reduce::Min, [most]) => {
            let top = b.reduce("top", tile::Reduce::Max, *most, 0);
            // A maximum over lanes may lose a NaN.
            let odd = b.binary("odd", Binary::Cmp(Compare::Ne), *most, *most);
            let some = b.any("some", odd);
            let some = b.iota(&[1], 0, some);
            let none = b.fill(0.0, Dtype::I32, &[1]);
            let lost = b.binary("lost", Binary::Cmp(Compare::Gt), some, none);
            let nan = b.fill(f64::NAN, Dtype::F32, &[1]);
            vec![b.select("most", lost, nan, top)]
        }
        (Reduce::Argmax, [most, place]) => {
            let top = b.reduce("top", tile::Reduce::Max, *most, 0);
            // The least place of those that have it.
            let is = b.binary("is", Binary::Cmp(Compare::Eq), *most, top);
            let back = b.unary("back", Unary::Neg, *place);
            let none = b.fill(f64::NEG_INFINITY, Dtype::F32, &[1]);
            let back = b.select("back", is, back, none);
            let back = b.reduce("back", tile::Reduce::Max, back, 0);
            vec![top, b.unary("place", Unary::Neg, back)]
        }
        (_, _) => state.to_vec(),
    }
}

/// Of two parts of a row, the first of which comes first.
fn both(b: &mut Builder, op: Reduce, x: &[Value], y: &[Value]) -> Vec<Value> {
    match (op, x, y) {
        (Reduce::Sum | Reduce::Mean, [x], [y]) => vec![b.binary("total", Binary::Add, *x, *y)],
        (Reduce::Max | Reduce::Min, [x], [y]) => vec![larger(b, *x, *y)],
        (Reduce::Argmax, [most, place], [other, there]) => {
            let better = b.binary("better", Binary::Cmp(Compare::Gt), *other, *most);
            let top = b.select("most", better, *other, *most);
            vec![top, b.select("place", better, *there, *place)]
        }
        (_, _, _) => x.to_vec(),
    }
}

fn result(b: &mut Builder, op: Reduce, x: &[Value], width: f64) -> Value {
    match (op, x) {
        (Reduce::Mean, [total]) => {
            let width = b.fill(width, Dtype::F32, &[1]);
            b.binary("mean", Binary::Div, *total, width)
        }
        (Reduce::Min, [most]) => b.unary("min", Unary::Neg, *most),
        (Reduce::Argmax, [_, place]) => b.convert("place", *place, Dtype::I32),
        (_, [x, ..]) => *x,
        (_, []) => b.fill(0.0, Dtype::F32, &[1]),
    }
}
