//! One row: what does not change along it first, reductions walk by walk, then what is written.

mod place;
mod reduce;

use super::{
    Make, Result,
    cols::{Cols, Piece, Walk},
};
use crate::build::{builder::Builder, expr};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    op::{
        RowKind, RowOutput, Target,
        expr::{self as words, Expr, Func},
        indices, tensors,
    },
    tile::{Binary, Compare, Predicate, Slice, Value},
};

/// Vectors of a tile; fewer where functions have sequences, which fill the registers.
const VECTORS: usize = 4;
const VECTORS_OF_SEQUENCES: usize = 2;

/// Whole numbers up to here are floats: places of the largest are compared as such.
const EXACT: i64 = 1 << 24;

/// All outputs of a row (`None`: of what is the same for each).
pub(super) fn write<'a>(
    make: &Make<'a>,
    b: &mut Builder,
    row: Option<Extent>,
    outs: &[&'a RowOutput],
) -> Result<()> {
    let values: Vec<&'a Expr> = outs.iter().map(|o| &o.value).collect();
    let mut needed = make.needed(&values);
    needed.extend(outs.iter().map(|o| o.name.clone()));
    let mut r = Row { make, row, needed, known: vec![], places: vec![] };
    r.locate(b, outs)?;
    let reductions = make.reductions(&values);
    let walks = reductions.iter().map(|(_, _, level)| level + 1).max().unwrap_or(0);
    for walk in 0..walks {
        r.settle(b, walk)?;
        let now: Vec<_> = reductions.iter().filter(|x| x.2 == walk).map(|x| (x.0, x.1)).collect();
        r.reduce(b, &now)?;
    }
    r.settle(b, walks)?;
    // What goes to the same rows is written together.
    let mut groups: Vec<(Option<&Target>, Vec<&RowOutput>)> = Vec::new();
    for out in outs {
        match groups.iter_mut().find(|g| g.0 == out.at.as_ref()) {
            Some(group) => group.1.push(out),
            None => groups.push((out.at.as_ref(), vec![out])),
        }
    }
    for (target, outs) in groups {
        let Some(target) = target else {
            r.outputs(b, &outs, r.row.clone())?;
            continue;
        };
        let place = r.uniform(b, &target.at)?;
        let rows = tensors::total(&target.rows);
        let mut failed = None;
        let is = |cmp, right: Extent| Predicate { left: place.clone(), cmp, right };
        let inside = |b: &mut Builder| {
            let write = |b: &mut Builder| failed = r.outputs(b, &outs, Some(place.clone())).err();
            b.choose(is(Compare::Lt, rows), write, |_| {});
        };
        b.choose(is(Compare::Ge, Extent::Lit(0)), inside, |_| {});
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

struct Row<'m, 'a> {
    make: &'m Make<'a>,
    row: Option<Extent>,
    /// Names of what is needed.
    needed: Vec<String>,
    /// Values of one element: names and reductions.
    known: Vec<(Expr, Value)>,
    /// Indices that only a call tells.
    places: Vec<(Expr, Extent)>,
}

/// A tile of the row, with what was computed for it.
struct Tile<'w> {
    cols: Cols,
    /// The indices whose windows `cols` has.
    sites: &'w [Expr],
    known: Vec<(String, Value)>,
}

/// An integer of 64 bits as a float: a multiple of 2^24 and what is left, both exact below 2^48.
fn long(b: &mut Builder, x: &Extent) -> Value {
    let high = b.iota(&[1], 0, x.clone() / EXACT);
    let high = b.convert("high", high, Dtype::F32);
    let unit = b.fill(EXACT as f64, Dtype::F32, &[1]);
    let high = b.binary("long", Binary::Mul, high, unit);
    let low = b.iota(&[1], 0, x.clone() % EXACT);
    let low = b.convert("low", low, Dtype::F32);
    b.binary("whole", Binary::Add, high, low)
}

/// What an index is of: a part that a call tells, and one that follows `col`.
fn split(e: &Expr) -> Option<(Option<Expr>, Option<Expr>)> {
    if !indices::uses_col(e) {
        return Some((Some(e.clone()), None));
    }
    if !indices::uses_call(e) {
        return Some((None, Some(e.clone())));
    }
    let Expr::Binary(op @ (words::Binary::Add | words::Binary::Sub), a, b) = e else { return None };
    let (a, b) = (split(a)?, split(b)?);
    let join = |a: Option<Expr>, b: Option<Expr>| match (a, b) {
        (Some(a), Some(b)) => Some(Expr::Binary(*op, Box::new(a), Box::new(b))),
        (None, Some(b)) if *op == words::Binary::Sub => {
            Some(Expr::Unary(words::Unary::Neg, Box::new(b)))
        }
        (a, b) => a.or(b),
    };
    Some((join(a.0, b.0), join(a.1, b.1)))
}

impl<'m, 'a> Row<'m, 'a> {
    /// Values of one element that are known after so many walks.
    fn settle(&mut self, b: &mut Builder, walks: usize) -> Result<()> {
        let make = self.make;
        for name in &make.order {
            let Some(def) = make.defs.get(name) else { continue };
            let named = Expr::Name((*name).into());
            let later = def.varies.col || def.level > walks;
            let done = self.known.iter().any(|(e, _)| *e == named);
            if later
                || done
                || !self.needed.iter().any(|n| n == name)
                || (def.varies.row && self.row.is_none())
            {
                continue;
            }
            let v = self.evaluate(b, &mut None, def.value)?;
            let v = self.fit(b, v, def.stored)?;
            self.known.push((named, v));
        }
        Ok(())
    }

    fn evaluate(&mut self, b: &mut Builder, tile: &mut Option<Tile>, e: &Expr) -> Result<Value> {
        let choice = self.make.choice;
        expr::value(b, e, 1, choice, &mut |b, e| self.leaf(b, tile, e))
    }

    /// As the type of an output, rounded and saturated; as it is without one.
    fn fit(&mut self, b: &mut Builder, v: Value, stored: Option<Dtype>) -> Result<Value> {
        let Some(to) = stored else { return Ok(v) };
        let ends = match to {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::I32 => None,
            Dtype::I8 => Some((-128.0, 127.0)),
            Dtype::U8 => Some((0.0, 255.0)),
            Dtype::I16 => Some((-32768.0, 32767.0)),
            Dtype::U16 => Some((0.0, 65535.0)),
            Dtype::E4M3 | Dtype::E5M2 | Dtype::U32 | Dtype::I64 | Dtype::Code(_) | Dtype::Bool => {
                let instead = "f32, f16, bf16, i8, u8, i16, u16 or i32";
                return Err(self.make.no(format!("rows of {to}"), instead));
            }
        };
        let whole = b.elem(v) == Dtype::I32;
        match ends {
            Some((lo, hi)) if whole => {
                let lo = b.fill(lo, Dtype::I32, &[1]);
                let hi = b.fill(hi, Dtype::I32, &[1]);
                let up = b.binary("up", Binary::Max, v, lo);
                let v = b.binary("fit", Binary::Min, up, hi);
                Ok(b.convert("out", v, to))
            }
            Some(_) | None if whole && to != Dtype::I32 => {
                let v = b.convert("f", v, Dtype::F32);
                Ok(b.convert("out", v, to))
            }
            Some(_) | None => Ok(b.convert("out", v, to)),
        }
    }

    fn leaf(&mut self, b: &mut Builder, tile: &mut Option<Tile>, e: &Expr) -> Result<Value> {
        if let Some((_, v)) = self.known.iter().find(|(known, _)| known == e) {
            return Ok(*v);
        }
        match e {
            Expr::Name(name) => self.name(b, tile, name),
            Expr::At(name, list) => self.element(b, tile, name, list),
            Expr::Number(_)
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Call(..)
            | Expr::Reduce(..) => {
                Err(self.make.no(format!("`{e}` before it is known"), "another op"))
            }
        }
    }

    fn name(&mut self, b: &mut Builder, tile: &mut Option<Tile>, name: &str) -> Result<Value> {
        let alone = || self.make.no(format!("`{name}` for a whole row"), "a reduction of it");
        if name == "row" {
            let row = self.row()?;
            return Ok(b.iota(&[1], 0, row));
        }
        if name == "col" {
            let cols = &tile.as_ref().ok_or_else(alone)?.cols;
            return Ok(b.iota(&[cols.len], 0, cols.start.clone()));
        }
        if let Some(t) = self.make.rows.input(name) {
            let along = || {
                let cols = &tile.as_ref().ok_or_else(alone)?.cols;
                Ok((Slice::range(cols.start.clone(), cols.len), cols.left.is_some()))
            };
            if let (Dtype::I64, RowKind::Column | RowKind::Scalar) = (t.dtype, &t.kind) {
                let x = self.uniform(b, &Expr::Name(name.into()))?;
                return Ok(long(b, &x));
            }
            let (at, guard) = match &t.kind {
                RowKind::Matrix => {
                    let (slice, guard) = along()?;
                    (vec![Slice::point(self.row()?), slice], guard)
                }
                RowKind::Vector => {
                    let (slice, guard) = along()?;
                    (vec![slice], guard)
                }
                RowKind::Column => (vec![Slice::range(self.row()?, 1)], false),
                RowKind::Scalar => (vec![Slice::range(0i64, 1)], false),
                RowKind::Table { .. } | RowKind::List(_) => return Err(alone()),
            };
            return Ok(b.load(name, name, t.dtype, at, guard));
        }
        let def = self.make.defs.get(name).ok_or_else(alone)?;
        if let Some(tile) = tile
            && let Some((_, v)) = tile.known.iter().find(|(n, _)| n == name)
        {
            return Ok(*v);
        }
        let (value, stored) = (def.value, def.stored);
        let v = self.evaluate(b, tile, value)?;
        let v = self.fit(b, v, stored)?;
        if let Some(tile) = tile {
            tile.known.push((name.into(), v));
        }
        Ok(v)
    }

    /// `name[list]`.
    fn element(
        &mut self,
        b: &mut Builder,
        tile: &mut Option<Tile>,
        name: &str,
        list: &[Expr],
    ) -> Result<Value> {
        let no = |make: &Make| make.no(format!("`{name}` by index here"), "an input");
        let Some(t) = self.make.rows.input(name) else { return Err(no(self.make)) };
        let sizes = self.sizes(t);
        let (Some(size), Some(last)) = (sizes.last(), list.last()) else {
            return Err(no(self.make));
        };
        let mut at = match &t.kind {
            RowKind::Matrix => vec![Slice::point(self.row()?)],
            RowKind::Table { .. } => {
                let place = self.uniform(b, &list[0])?;
                vec![Slice::point(self.inside(place, &sizes[0]))]
            }
            RowKind::Vector | RowKind::Column | RowKind::Scalar | RowKind::List(_) => vec![],
        };
        if matches!(t.kind, RowKind::Table { .. }) && list.len() == 1 {
            let cols = &tile.as_ref().ok_or_else(|| no(self.make))?.cols;
            at.push(Slice::range(cols.start.clone(), cols.len));
            // A table may be wider than the op, so that no guard of the tensor ends the row.
            let guard = cols.left.is_some() || size.as_lit().is_none();
            return Ok(b.load(name, name, t.dtype, at, guard));
        }
        let Some((call, follows)) = split(last) else { return Err(no(self.make)) };
        let Some(follows) = follows else {
            let place = self.uniform(b, last)?;
            at.push(Slice::range(self.inside(place, size), 1));
            return Ok(b.load(name, name, t.dtype, at, false));
        };
        let moved = call.map(|e| self.uniform(b, &e)).transpose()?;
        let Some(tile) = tile else { return Err(no(self.make)) };
        let site = tile.sites.iter().position(|e| *e == follows);
        let window = site.and_then(|s| tile.cols.windows.get(s)).cloned();
        let (base, table) = window.ok_or_else(|| no(self.make))?;
        // What a call tells is checked before the launch; the kernel itself keeps to the tensor.
        let guard = moved.is_some() || size.as_lit().is_none();
        let base = match moved {
            Some(moved) => (base + moved).max(0),
            None => base,
        };
        let span = table.iter().max().map_or(1, |m| m + 1);
        let same = table.iter().all(|t| *t == 0);
        let in_order = table.iter().enumerate().all(|(i, t)| i == *t);
        at.push(Slice::range(base, if same { 1 } else { span }));
        let v = b.load(name, name, t.dtype, at, guard);
        if same || in_order {
            return Ok(v);
        }
        // Lanes are whole words.
        let wide = if t.dtype.is_float() { Dtype::F32 } else { Dtype::I32 };
        let v = b.convert("window", v, wide);
        Ok(b.permute("chosen", v, table))
    }

    // Walks.

    /// Indices that follow `col` in what is computed element by element.
    fn sites(&self, values: &[&Expr]) -> Vec<Expr> {
        let mut out: Vec<Expr> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut left: Vec<&Expr> = values.to_vec();
        while let Some(e) = left.pop() {
            match e {
                Expr::Number(_) | Expr::Reduce(..) => {}
                Expr::Name(name) => {
                    let def = self.make.defs.get(name.as_str());
                    if let Some(def) = def.filter(|d| d.varies.col && !seen.contains(name)) {
                        seen.push(name.clone());
                        left.push(def.value);
                    }
                }
                Expr::Unary(_, a) => left.push(a),
                Expr::Binary(_, a, b) => left.extend([&**a, &**b]),
                Expr::Call(_, args) => left.extend(args),
                Expr::At(_, list) => {
                    let last = list.last().and_then(split).and_then(|(_, follows)| follows);
                    if let Some(e) = last.filter(|e| !out.contains(e)) {
                        out.push(e);
                    }
                }
            }
        }
        out
    }

    fn walk(&self, values: &[&Expr], sites: &[Expr]) -> Result<Walk> {
        let lanes = self.make.choice.target.lanes;
        let width = usize::try_from(self.make.rows.width).unwrap_or(usize::MAX);
        let mut sequences = false;
        let needed = self.make.needed(values);
        let defs = needed.iter().filter_map(|n| self.make.defs.get(n.as_str())).map(|d| d.value);
        for e in defs.chain(values.iter().copied()) {
            e.visit(&mut |e| {
                sequences |= matches!(
                    e,
                    Expr::Call(
                        Func::Exp | Func::Log | Func::Tanh | Func::Sigmoid | Func::Sin | Func::Cos,
                        _
                    )
                );
            });
        }
        let most = if !sites.is_empty() {
            1
        } else if sequences {
            VECTORS_OF_SEQUENCES
        } else {
            VECTORS
        };
        let vectors = (width / lanes).clamp(1, most);
        let instead = "halves, pairs or groups of a power of two";
        Walk::new(width, vectors * lanes, lanes, sites).map_err(|what| self.make.no(what, instead))
    }

    /// Calls `body` for every whole tile, which takes and gives what is carried from one to the next.
    fn tiles(
        &mut self,
        b: &mut Builder,
        walk: &Walk,
        sites: &[Expr],
        carried: Vec<(&'static str, Value)>,
        body: &mut Body<'_, 'm, 'a>,
    ) -> Result<Vec<Value>> {
        let names: Vec<&'static str> = carried.iter().map(|c| c.0).collect();
        let again = |values: &[Value]| -> Vec<(&'static str, Value)> {
            names.iter().copied().zip(values.iter().copied()).collect()
        };
        let zero = Extent::Lit(0);
        let mut state: Vec<Value> = carried.iter().map(|c| c.1).collect();
        if walk.repeats > 1 {
            let step = walk.period * walk.tile;
            let hi = Extent::from(walk.repeats * step);
            let mut failed = None;
            state = b.for_each("col.o", (zero.clone(), hi, step), &again(&state), |b, params| {
                let o = b.var("col.o");
                let done = self.pieces(b, walk, &walk.inner, sites, &o, again(params), body);
                done.unwrap_or_else(|e| {
                    failed = Some(e);
                    params.to_vec()
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
        } else {
            state = self.pieces(b, walk, &walk.inner, sites, &zero, again(&state), body)?;
        }
        self.pieces(b, walk, &walk.rest, sites, &zero, again(&state), body)
    }

    #[expect(clippy::too_many_arguments, reason = "a walk, its place, and what it carries")]
    fn pieces(
        &mut self,
        b: &mut Builder,
        walk: &Walk,
        pieces: &[Piece],
        sites: &[Expr],
        o: &Extent,
        carried: Vec<(&'static str, Value)>,
        body: &mut Body<'_, 'm, 'a>,
    ) -> Result<Vec<Value>> {
        let names: Vec<&'static str> = carried.iter().map(|c| c.0).collect();
        let mut state: Vec<Value> = carried.into_iter().map(|c| c.1).collect();
        for piece in pieces {
            let at = |c: &Extent| Some(Tile { cols: walk.cols(piece, c, o), sites, known: vec![] });
            let first = Extent::from(piece.first * walk.tile);
            if piece.count == 1 {
                state = body(self, b, &mut at(&first), &state)?;
                continue;
            }
            let hi = Extent::from((piece.first + piece.count) * walk.tile);
            let inits: Vec<(&str, Value)> =
                names.iter().copied().zip(state.iter().copied()).collect();
            let mut failed = None;
            state = b.for_each("col.c", (first, hi, walk.tile), &inits, |b, params| {
                let done = body(self, b, &mut at(&b.var("col.c")), params);
                done.unwrap_or_else(|e| {
                    failed = Some(e);
                    params.to_vec()
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(state)
    }

    /// The value in every lane of the tile, as f32.
    fn whole(&mut self, b: &mut Builder, tile: &mut Option<Tile>, e: &Expr) -> Result<Value> {
        let len = tile.as_ref().map_or(1, |t| t.cols.len);
        let choice = self.make.choice;
        expr::tile(b, e, &[len], choice, &mut |b, e| self.leaf(b, tile, e))
    }

    // Outputs.

    fn outputs(&mut self, b: &mut Builder, outs: &[&RowOutput], row: Option<Extent>) -> Result<()> {
        let at_row = || row.clone().map(Slice::point);
        for out in outs.iter().filter(|o| matches!(o.kind, RowKind::Column | RowKind::Scalar)) {
            let named = Expr::Name(out.name.clone());
            let v = self.leaf(b, &mut None, &named)?;
            let start = if out.kind == RowKind::Column { row.clone() } else { None };
            let at = vec![Slice::range(start.unwrap_or(Extent::Lit(0)), 1)];
            b.store(&out.name, at, v, false);
        }
        let wide = |o: &&&RowOutput| matches!(o.kind, RowKind::Matrix | RowKind::Vector);
        let wide: Vec<&RowOutput> = outs.iter().filter(wide).copied().collect();
        if wide.is_empty() {
            return Ok(());
        }
        let values: Vec<&Expr> = wide.iter().map(|o| &o.value).collect();
        let sites = self.sites(&values);
        let walk = self.walk(&values, &sites)?;
        let mut body = |r: &mut Self, b: &mut Builder, tile: &mut Option<Tile>, _: &[Value]| {
            for out in &wide {
                let v = r.leaf(b, tile, &Expr::Name(out.name.clone()))?;
                let Some(Tile { cols, .. }) = tile else { continue };
                let v = expr::spread(b, v, &[cols.len]);
                let columns = Slice::range(cols.start.clone(), cols.len);
                let lead = if out.kind == RowKind::Matrix { at_row() } else { None };
                let at = lead.into_iter().chain([columns]).collect();
                b.store(&out.name, at, v, cols.left.is_some());
            }
            Ok(vec![])
        };
        self.tiles(b, &walk, &sites, vec![], &mut body)?;
        if let Some(cols) = walk.tail() {
            body(self, b, &mut Some(Tile { cols, sites: &sites, known: vec![] }), &[])?;
        }
        Ok(())
    }
}

/// What happens to a tile, with what is carried.
type Body<'b, 'm, 'a> = dyn FnMut(&mut Row<'m, 'a>, &mut Builder, &mut Option<Tile>, &[Value]) -> Result<Vec<Value>>
    + 'b;
