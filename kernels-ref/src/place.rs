//! Indices of row ops in whole numbers: which element is read, which row is written.
//!
//! `block_table[seq, pos / 16] * 16 + pos % 16`; divisions round down, and nothing is divided by less than 1.

use crate::RefError;
use kgen_ir::{
    extent::Dims,
    op::{
        RowKind,
        expr::{Binary, Expr, Func, Unary},
    },
    tensor::Tensor,
};
use std::collections::BTreeMap;

pub struct Source<'a> {
    pub kind: &'a RowKind,
    pub tensor: &'a Tensor,
}

/// The inputs of a call.
pub struct Given<'a> {
    pub dims: &'a Dims,
    pub rows: usize,
    pub width: usize,
    pub tensors: BTreeMap<&'a str, Source<'a>>,
}

impl Given<'_> {
    /// The element of `name` at `at`; of a matrix, in this row.
    pub fn element(&self, name: &str, at: &[i64], row: Option<usize>) -> Result<f64, RefError> {
        let unknown = || RefError::Op(format!("`{name}` cannot be read by index"));
        let Source { kind, tensor } = self.tensors.get(name).ok_or_else(unknown)?;
        let mut at = at.to_vec();
        if matches!(kind, RowKind::Matrix | RowKind::Column) {
            at.insert(0, row.ok_or_else(unknown)? as i64);
        }
        if matches!(kind, RowKind::Scalar) {
            at.push(0);
        }
        if at.len() != tensor.shape.len() {
            return Err(unknown());
        }
        let mut flat = 0;
        for (value, limit) in at.into_iter().zip(&tensor.shape) {
            let inside = usize::try_from(value).ok().filter(|i| i < limit);
            let wrong = || RefError::Index {
                name: name.into(),
                at: row.unwrap_or(0),
                value,
                limit: *limit,
            };
            flat = flat * limit + inside.ok_or_else(wrong)?;
        }
        Ok(tensor.get(flat))
    }
}

/// The value of an index.
pub fn index(e: &Expr, given: &Given, row: Option<usize>, col: usize) -> Result<i64, RefError> {
    let ask = |e: &Expr| index(e, given, row, col);
    let wrong = || RefError::Op(format!("`{e}` is no index"));
    let whole = |x: i128| i64::try_from(x).map_err(|_| wrong());
    let truth = |is: bool| Ok(i64::from(is));
    match e {
        Expr::Number(x) => Ok(*x as i64),
        Expr::Name(n) if n == "row" => Ok(row.ok_or_else(wrong)? as i64),
        Expr::Name(n) if n == "col" => Ok(col as i64),
        Expr::Name(n) if given.tensors.contains_key(n.as_str()) => {
            Ok(given.element(n, &[], row)? as i64)
        }
        Expr::Name(n) => given.dims.scalars.get(n).copied().ok_or_else(wrong),
        Expr::At(n, list) => {
            let at = list.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
            Ok(given.element(n, &at, row)? as i64)
        }
        Expr::Unary(Unary::Neg, a) => whole(-i128::from(ask(a)?)),
        Expr::Unary(Unary::Not, a) => truth(ask(a)? == 0),
        Expr::Binary(op, a, b) => {
            let (x, y) = (i128::from(ask(a)?), i128::from(ask(b)?));
            // The largest multiple that is not above x.
            let below = x - ((x % y.max(1)) + y.max(1)) % y.max(1);
            match op {
                Binary::Add => whole(x + y),
                Binary::Sub => whole(x - y),
                Binary::Mul => whole(x * y),
                Binary::Div => whole(below / y.max(1)),
                Binary::Rem => whole(x - below),
                Binary::Lt => truth(x < y),
                Binary::Le => truth(x <= y),
                Binary::Gt => truth(x > y),
                Binary::Ge => truth(x >= y),
                Binary::Eq => truth(x == y),
                Binary::Ne => truth(x != y),
                Binary::And => truth(x != 0 && y != 0),
                Binary::Or => truth(x != 0 || y != 0),
            }
        }
        Expr::Call(func, args) => {
            let args = args.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
            match (func, &args[..]) {
                (Func::Max, [a, b]) => Ok(if a > b { *a } else { *b }),
                (Func::Min, [a, b]) => Ok(if a < b { *a } else { *b }),
                (Func::Abs, [a]) => whole(i128::from(*a).abs()),
                (Func::Select, [c, a, b]) => Ok(if *c != 0 { *a } else { *b }),
                (Func::Block, [a, b]) => Ok((*a as f64 / (*b).max(1) as f64).floor() as i64),
                (_, _) => Err(wrong()),
            }
        }
        Expr::Reduce(..) => Err(wrong()),
    }
}
