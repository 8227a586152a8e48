//! A tile of products: its sums, and what becomes of them.

use super::{Builder, Experts, FEW, Kind, Place, Product, Weight, groups, name_of, tables};
use crate::build::expr;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::Packing,
    op::expr::Expr,
    tile::{Binary, Slice, Value},
};

/// How activation rows are cut into tiles: as many of `tokens` as there are, then smaller ones.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub tokens: usize,
    pub rest: usize,
}

/// A tile of a cut.
pub(super) struct Piece<'a> {
    /// Its first activation row.
    pub at: &'a Extent,
    pub tokens: usize,
    /// Where the last whole tile begins; `None` in smaller ones.
    pub last: Option<&'a Extent>,
}

impl Cut {
    /// Behind tiles of many rows, those of [`FEW`].
    pub fn of(tokens: usize) -> Cut {
        Cut { tokens, rest: tokens.min(FEW) }
    }

    /// Tiles of one size: the last goes over the end.
    pub fn alike(tokens: usize) -> Cut {
        Cut { tokens, rest: tokens }
    }

    /// The rows that the tiles of `rows` have.
    pub fn padded(self, rows: &Extent) -> Extent {
        let whole = rows.clone() / self.tokens * self.tokens;
        whole.clone() + (rows.clone() - whole).ceil_div(self.rest) * self.rest
    }

    pub fn each(
        self,
        b: &mut Builder,
        var: &str,
        rows: &Extent,
        body: impl Fn(&mut Builder, &Piece<'_>),
    ) {
        let Cut { tokens, rest } = self;
        let mut all = |from: Extent, to: Extent, tokens: usize, last: Option<&Extent>| {
            b.for_each(var, (from, to, tokens), &[], |b, _| {
                body(b, &Piece { at: &b.var(var), tokens, last });
                vec![]
            });
        };
        if tokens == rest {
            let last = rows.clone() - tokens;
            return all(Extent::Lit(0), rows.clone(), tokens, Some(&last));
        }
        let whole = rows.clone() / tokens * tokens;
        let last = whole.clone() - tokens;
        all(Extent::Lit(0), whole.clone(), tokens, Some(&last));
        all(whole, rows.clone(), rest, None);
    }
}

impl Product<'_> {
    /// The products of a unit for `tokens` activation rows from `i` on, and what becomes of them.
    pub(super) fn tile(
        &self,
        b: &mut Builder,
        unit: &[Weight],
        place: &Place,
        i: &Extent,
        tokens: usize,
    ) {
        let sums: Vec<Value> = unit.iter().map(|w| self.sum(b, w, i, tokens, place)).collect();
        let guard = !unit[0].n.is_multiple_of(unit[0].rows);
        self.give(b, unit, place, i, &sums, guard);
    }

    /// Writes what becomes of the products of a unit, `[tokens, rows]` each, for the activation rows from `i` on.
    pub(super) fn give(
        &self,
        b: &mut Builder,
        unit: &[Weight],
        place: &Place,
        i: &Extent,
        sums: &[Value],
        guard: bool,
    ) {
        let [tokens, rows] = b.shape(sums[0])[..] else { return };
        let columns = Slice::range(place.column.clone() + unit[0].first, rows);
        let at = vec![Slice::range(i.clone(), tokens), columns.clone()];
        let bias = |b: &mut Builder| {
            let expert =
                (self.experts != Experts::None).then(|| Slice::range(place.expert.clone(), 1));
            let at = expert.into_iter().chain([columns.clone()]).collect();
            b.load_row("bias", "bias", Dtype::F32, at, guard)
        };
        let residual = |b: &mut Builder| {
            let x = b.load("residual", "residual", self.op.out, at.clone(), guard);
            b.convert("residual_f", x, Dtype::F32)
        };
        let y = match &self.op.epilogue {
            Some(e) => {
                let mut leaf = |b: &mut Builder, e: &Expr| match name_of(e) {
                    Some("bias") if self.op.bias => Ok(bias(b)),
                    Some("residual") if self.op.residual => Ok(residual(b)),
                    Some("x") if sums.len() == 1 => Ok(sums[0]),
                    name => {
                        let at = unit.iter().position(|w| Some(w.name.as_str()) == name);
                        let no = || self.choice.unsupported("this epilogue", "a launch of its own");
                        at.map(|at| sums[at]).ok_or_else(no)
                    }
                };
                match expr::tile(b, e, &[tokens, rows], self.choice, &mut leaf) {
                    Ok(y) => y,
                    Err(error) => {
                        self.failed.replace(Some(error));
                        return;
                    }
                }
            }
            None => {
                let mut y = sums[0];
                if self.op.bias {
                    let bias = bias(b);
                    y = b.binary("biased", Binary::Add, y, bias);
                }
                if self.op.residual {
                    let residual = residual(b);
                    y = b.binary("joined", Binary::Add, y, residual);
                }
                y
            }
        };
        let y = b.convert("y", y, self.op.out);
        b.store(&self.columns_of(unit), at, y, guard);
    }

    /// Where the rows of a task begin in a packed weight.
    pub(super) fn first_row(&self, w: &Weight, packing: &Packing, place: &Place) -> Extent {
        // Each copy begins with a block of lanes.
        let padded = w.n.next_multiple_of(packing.lanes);
        place.expert.clone() * padded + place.column.clone()
    }

    /// The product of `tokens` activation rows from `i` on and the rows of a task.
    pub(super) fn sum(
        &self,
        b: &mut Builder,
        w: &Weight,
        i: &Extent,
        tokens: usize,
        place: &Place,
    ) -> Value {
        match &w.kind {
            Kind::Codes { packing, integer } => {
                let row = self.first_row(w, packing, place);
                if tables::are_nibbles(&w.kind) {
                    return self.looked_up(b, w, packing, (i, tokens), &row);
                }
                let tile = groups::Tile {
                    product: self,
                    weight: w,
                    packing,
                    i,
                    tokens,
                    row: &row,
                    group: Extent::Lit(0),
                    half: None,
                    hints: groups::Hints::Own,
                };
                let end = self.k.div_ceil(packing.group).into();
                tile.sum(b, *integer, (Extent::Lit(0), end), 1)
            }
            Kind::Pairs(packing) => {
                let row = self.first_row(w, packing, place);
                self.pairs(b, w, i, (tokens, w.rows), &row)
            }
            Kind::Floats(elem) => {
                let along = Slice::range(0, self.k);
                let at = vec![Slice::range(i.clone(), tokens), along.clone()];
                let x0 = b.load("x0", &self.a.name, self.a.elem, at, false);
                let x = b.convert("x", x0, Dtype::F32);
                let rows = Slice::range(place.column.clone(), w.rows);
                let guard = !w.n.is_multiple_of(w.rows);
                let expert =
                    (self.experts != Experts::None).then(|| Slice::point(place.expert.clone()));
                let at = expert.into_iter().chain([rows, along]).collect();
                let w0 = b.load("w0", &w.name, *elem, at, guard);
                let wf = b.convert("wf", w0, Dtype::F32);
                b.dot("d", x, wf, true, None)
            }
        }
    }
}
