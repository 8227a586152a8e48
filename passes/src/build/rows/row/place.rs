//! Indices of a row: what a call tells is read once and kept within its tensor.

use super::{Result, Row, split};
use crate::build::builder::Builder;
use kgen_ir::{
    dtype::Dtype,
    extent::{BinOp, Extent},
    op::{
        RowKind, RowOutput, RowTensor,
        expr::{self as words, Expr, Func},
        indices, tensors,
    },
};

impl<'m, 'a> Row<'m, 'a> {
    /// Reads what indices need, once for the row.
    pub(super) fn locate(&mut self, b: &mut Builder, outs: &[&RowOutput]) -> Result<()> {
        let make = self.make;
        let defs = make.order.iter().filter(|n| self.needed.iter().any(|m| m == *n));
        let defs: Vec<&Expr> = defs.filter_map(|n| make.defs.get(n)).map(|d| d.value).collect();
        for e in defs.into_iter().chain(outs.iter().map(|o| &o.value)) {
            for (_, list) in indices::sites(e) {
                for e in list {
                    let Some((call, _)) = split(e) else {
                        let what =
                            format!("the index `{e}`, which mixes `col` with what a call tells");
                        return Err(make.no(what, "a sum of both, or two indices of a table"));
                    };
                    if let Some(call) = call {
                        self.uniform(b, &call)?;
                    }
                }
            }
        }
        for target in outs.iter().filter_map(|o| o.at.as_ref()) {
            self.uniform(b, &target.at)?;
        }
        for t in &make.rows.inputs {
            let one = matches!(t.kind, RowKind::Column | RowKind::Scalar);
            if one && t.dtype == Dtype::I64 && self.needed.contains(&t.name) {
                self.uniform(b, &Expr::Name(t.name.clone()))?;
            }
        }
        Ok(())
    }

    /// The value of an index that is the same along the row.
    pub(super) fn uniform(&mut self, b: &mut Builder, e: &Expr) -> Result<Extent> {
        if let Some((_, found)) = self.places.iter().find(|(known, _)| known == e) {
            return Ok(found.clone());
        }
        let value = self.integer(b, e)?;
        let value = match value {
            Extent::Bin(..) => {
                let name = format!("row.at{}", self.places.len());
                b.scalar(&name, value)
            }
            Extent::Lit(_) | Extent::Sym(_) | Extent::Cores | Extent::Ragged(..) => value,
        };
        self.places.push((e.clone(), value.clone()));
        Ok(value)
    }

    pub(super) fn integer(&mut self, b: &mut Builder, e: &Expr) -> Result<Extent> {
        let no = |what: String| self.make.no(what, "an index of integers");
        Ok(match e {
            Expr::Number(x) => Extent::Lit(*x as i64),
            Expr::Name(n) if n == "row" => self.row()?,
            Expr::Name(n) => match self.make.rows.input(n) {
                Some(t) => {
                    let at = if t.kind == RowKind::Column { self.row()? } else { Extent::Lit(0) };
                    self.read(b, t, vec![at])
                }
                None => Extent::from(n.as_str()),
            },
            Expr::At(n, list) => {
                let Some(t) = self.make.rows.input(n) else { return Err(no(format!("`{e}`"))) };
                let sizes = self.sizes(t);
                let mut at = match t.kind {
                    RowKind::Matrix => vec![self.row()?],
                    RowKind::Vector
                    | RowKind::Column
                    | RowKind::Scalar
                    | RowKind::Table { .. }
                    | RowKind::List(_) => vec![],
                };
                let lead = at.len();
                for (e, size) in list.iter().zip(&sizes[lead..]) {
                    let place = self.uniform(b, e)?;
                    at.push(self.inside(place, size));
                }
                self.read(b, t, at)
            }
            Expr::Unary(words::Unary::Neg, a) => Extent::Lit(0) - self.uniform(b, a)?,
            Expr::Unary(words::Unary::Not, a) => Extent::Lit(1) - self.uniform(b, a)?,
            Expr::Binary(op, x, y) => {
                let (x, y) = (self.uniform(b, x)?, self.uniform(b, y)?);
                match op {
                    words::Binary::Add => x + y,
                    words::Binary::Sub => x - y,
                    words::Binary::Mul | words::Binary::And => x * y,
                    words::Binary::Div => x / divisor(y),
                    words::Binary::Rem => x % divisor(y),
                    words::Binary::Or => x.max(y),
                    words::Binary::Lt => truth(y - x),
                    words::Binary::Le => truth(y - x + 1i64),
                    words::Binary::Gt => truth(x - y),
                    words::Binary::Ge => truth(x - y + 1i64),
                    words::Binary::Eq => truth(y.clone() - x.clone() + 1i64) * truth(x - y + 1i64),
                    words::Binary::Ne => truth(y.clone() - x.clone()).max(truth(x - y)),
                }
            }
            Expr::Call(func, args) => {
                let args = args.iter().map(|a| self.uniform(b, a)).collect::<Result<Vec<_>>>()?;
                match (func, &args[..]) {
                    (Func::Max, [x, y]) => x.clone().max(y.clone()),
                    (Func::Min, [x, y]) => x.clone().min(y.clone()),
                    (Func::Block, [x, y]) => x.clone() / divisor(y.clone()),
                    (Func::Abs, [x]) => x.clone().max(Extent::Lit(0) - x.clone()),
                    (Func::Select, [c, x, y]) => c.clone() * (x.clone() - y.clone()) + y.clone(),
                    (_, _) => return Err(no(format!("`{e}`"))),
                }
            }
            Expr::Reduce(..) => return Err(no(format!("`{e}`"))),
        })
    }

    pub(super) fn row(&self) -> Result<Extent> {
        let missing =
            || self.make.no("what differs from row to row in a vector", "a matrix or a column");
        self.row.clone().ok_or_else(missing)
    }

    pub(super) fn read(&mut self, b: &mut Builder, t: &RowTensor, at: Vec<Extent>) -> Extent {
        b.read(&format!("row.at{}", self.places.len()), &t.name, at)
    }

    pub(super) fn sizes(&self, t: &RowTensor) -> Vec<Extent> {
        let (rows, width) =
            (tensors::total(&self.make.rows.rows), Extent::Lit(self.make.rows.width));
        match &t.kind {
            RowKind::Matrix => vec![rows, width],
            RowKind::Vector => vec![width],
            RowKind::Column => vec![rows],
            RowKind::Scalar => vec![Extent::Lit(1)],
            RowKind::Table { rows, width } => vec![tensors::total(rows), tensors::total(width)],
            RowKind::List(len) => vec![tensors::total(len)],
        }
    }

    /// Within the tensor, whatever the index: [`indices::check`] tells where it is not. Rows of the op are within what has
    /// as many.
    pub(super) fn inside(&self, place: Extent, size: &Extent) -> Extent {
        let own =
            self.row.as_ref() == Some(&place) && *size == tensors::total(&self.make.rows.rows);
        match (place.as_lit(), size.as_lit()) {
            (Some(_), Some(_)) => place,
            (_, _) if own => place,
            (_, _) => place.min(size.clone() - 1i64).max(0),
        }
    }
}

/// At least 1.
fn divisor(y: Extent) -> Extent {
    Extent::bin(BinOp::Max, y, Extent::Lit(1))
}

/// 1 where `x` is positive, 0 elsewhere.
fn truth(x: Extent) -> Extent {
    x.max(0).min(1)
}
