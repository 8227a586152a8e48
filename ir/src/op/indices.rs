//! Indices of row ops: which elements an expression reads, which rows it writes, and whether they are there.
//!
//! ```text
//! x[col + 1 - col % 2 * 2]                    table[id]                     at = "seq * 1024 + pos % 1024"
//! ```
//!
//! All numbers are whole; `/` and `%` round towards minus infinity, and what they divide by is at least 1 (so that an
//! empty tensor is no division by zero). [`check`] looks at the index tensors of a call before it is launched.

use super::{
    RowKind, Rows,
    expr::{Binary, Expr, Func, Unary},
    tensors::longest,
};
use crate::{extent::Dims, tensor::Tensor};
use std::collections::BTreeMap;

/// Along what a value differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Varies {
    /// From row to row.
    pub row: bool,
    /// From element to element of a row.
    pub col: bool,
}

impl Varies {
    pub fn of(kind: &RowKind) -> Varies {
        match kind {
            RowKind::Matrix => Varies { row: true, col: true },
            RowKind::Vector => Varies { row: false, col: true },
            RowKind::Column => Varies { row: true, col: false },
            // Tables and lists vary as their indices do.
            RowKind::Scalar | RowKind::Table { .. } | RowKind::List(_) => Varies::default(),
        }
    }

    pub fn and(self, other: Varies) -> Varies {
        Varies { row: self.row || other.row, col: self.col || other.col }
    }

    /// Whether a tensor that varies like this holds the value.
    pub fn fits(self, other: Varies) -> bool {
        (!self.row || other.row) && (!self.col || other.col)
    }
}

/// Along what `e` differs, given the same of names; `None` where it reduces what has one value a row.
pub fn varies(rows: &Rows, e: &Expr, named: &dyn Fn(&str) -> Varies) -> Option<Varies> {
    let all = |list: &[Expr]| {
        list.iter().try_fold(Varies::default(), |v, a| Some(v.and(varies(rows, a, named)?)))
    };
    Some(match e {
        Expr::Number(_) => Varies::default(),
        Expr::Name(n) if n == "row" => Varies { row: true, col: false },
        Expr::Name(n) if n == "col" => Varies { row: false, col: true },
        Expr::Name(n) => named(n),
        Expr::Unary(_, a) => varies(rows, a, named)?,
        Expr::Binary(_, a, b) => varies(rows, a, named)?.and(varies(rows, b, named)?),
        Expr::Call(_, args) => all(args)?,
        Expr::Reduce(_, a) => {
            let inner = varies(rows, a, named)?;
            if !inner.col {
                return None;
            }
            Varies { col: false, ..inner }
        }
        Expr::At(name, list) => {
            let own = match rows.input(name).map(|t| &t.kind) {
                Some(RowKind::Matrix | RowKind::Column) => Varies { row: true, col: false },
                // An index alone is that of the row; the element is `col`.
                Some(RowKind::Table { .. }) => Varies { row: false, col: list.len() == 1 },
                Some(RowKind::Vector | RowKind::Scalar | RowKind::List(_)) | None => {
                    Varies::default()
                }
            };
            own.and(all(list)?)
        }
    })
}

/// Whether the index depends on `col`.
pub fn uses_col(e: &Expr) -> bool {
    e.names().contains(&"col")
}

/// Whether it depends on anything else: what only a call tells.
pub fn uses_call(e: &Expr) -> bool {
    e.names().iter().any(|n| *n != "col")
}

/// Why an index has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    #[error("`{0}` has no value")]
    Unknown(String),
    #[error("`{0}` counts beyond 64 bits")]
    Overflow(String),
    #[error("`{0}` is no index")]
    NoIndex(String),
    /// `table[id]`: row 3 asks for row 99 of `table`, which has 50.
    #[error("`{site}` in row {row} asks for {what} {index} of `{tensor}`, which has {size}")]
    Outside { site: String, row: i64, what: &'static str, index: i64, tensor: String, size: i64 },
    #[error("`{tensor}`: rows {first} and {row} of the op are both written to row {index}")]
    Twice { tensor: String, first: i64, row: i64, index: i64 },
    #[error("`{tensor}` is missing, or has not the {wanted} elements that the op says")]
    Tensor { tensor: String, wanted: i64 },
}

/// The value of a name (no indices) or of an element.
pub type Leaf<'a> = dyn Fn(&str, &[i64]) -> Result<i64, IndexError> + 'a;

/// The value of an index.
pub fn eval(e: &Expr, leaf: &Leaf<'_>) -> Result<i64, IndexError> {
    let over = || IndexError::Overflow(e.to_string());
    Ok(match e {
        Expr::Number(x) if x.fract() == 0.0 && x.abs() <= (1i64 << 53) as f64 => *x as i64,
        Expr::Number(_) | Expr::Reduce(..) => return Err(IndexError::NoIndex(e.to_string())),
        Expr::Name(n) => leaf(n, &[])?,
        Expr::At(n, list) => {
            let list: Vec<i64> = list.iter().map(|a| eval(a, leaf)).collect::<Result<_, _>>()?;
            leaf(n, &list)?
        }
        Expr::Unary(Unary::Neg, a) => eval(a, leaf)?.checked_neg().ok_or_else(over)?,
        Expr::Unary(Unary::Not, a) => i64::from(eval(a, leaf)? == 0),
        Expr::Binary(op, a, b) => {
            let (a, b) = (eval(a, leaf)?, eval(b, leaf)?);
            match op {
                Binary::Or => i64::from(a != 0 || b != 0),
                Binary::And => i64::from(a != 0 && b != 0),
                Binary::Lt => i64::from(a < b),
                Binary::Le => i64::from(a <= b),
                Binary::Gt => i64::from(a > b),
                Binary::Ge => i64::from(a >= b),
                Binary::Eq => i64::from(a == b),
                Binary::Ne => i64::from(a != b),
                Binary::Add => a.checked_add(b).ok_or_else(over)?,
                Binary::Sub => a.checked_sub(b).ok_or_else(over)?,
                Binary::Mul => a.checked_mul(b).ok_or_else(over)?,
                Binary::Div => a.div_euclid(b.max(1)),
                Binary::Rem => a.rem_euclid(b.max(1)),
            }
        }
        Expr::Call(func, args) => {
            let args: Vec<i64> = args.iter().map(|a| eval(a, leaf)).collect::<Result<_, _>>()?;
            match (func, &args[..]) {
                (Func::Block, [a, b]) => a.div_euclid((*b).max(1)),
                (Func::Max, [a, b]) => *a.max(b),
                (Func::Min, [a, b]) => *a.min(b),
                (Func::Abs, [a]) => a.checked_abs().ok_or_else(over)?,
                (Func::Select, [c, a, b]) => *(if *c != 0 { a } else { b }),
                (_, _) => return Err(IndexError::NoIndex(e.to_string())),
            }
        }
    })
}

/// The value at one element of a row of an index that depends on `col` alone.
pub fn at_col(e: &Expr, col: i64) -> Result<i64, IndexError> {
    eval(e, &|name, list| match (name, list) {
        ("col", []) => Ok(col),
        _ => Err(IndexError::Unknown(name.into())),
    })
}

/// Every element that `e` and its indices read, inner ones first.
pub fn sites(e: &Expr) -> Vec<(&str, &[Expr])> {
    let mut out = Vec::new();
    e.visit(&mut |e| {
        if let Expr::At(name, list) = e {
            out.push((name.as_str(), list.as_slice()));
        }
    });
    out.reverse();
    out
}

/// Whether all that the op reads by index, and all rows that it writes, are there; of what the index tensors among
/// `tensors` say. Only those of them that indices name are looked at.
pub fn check(
    rows: &Rows,
    dims: &Dims,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<(), IndexError> {
    let c = Check { rows, dims, tensors };
    let size =
        |e: crate::extent::Extent| e.eval(dims).map_err(|x| IndexError::Unknown(x.to_string()));
    let count = size(super::tensors::total(&rows.rows))?;
    let values = rows.lets.iter().map(|l| &l.1).chain(rows.outputs.iter().map(|t| &t.value));
    let targets = rows.outputs.iter().filter_map(|t| t.at.as_ref()).map(|t| &t.at);
    let mut all: Vec<(&str, &[Expr])> = Vec::new();
    for site in values.chain(targets).flat_map(sites) {
        if !all.contains(&site) {
            all.push(site);
        }
    }
    // What `col` alone says was checked with the op, where the size is a constant.
    all.retain(|(name, list)| {
        let constant = match rows.input(name).map(|t| &t.kind) {
            Some(RowKind::List(len)) => matches!(len, super::Dim::Const(_)),
            Some(RowKind::Table { width, .. }) => matches!(width, super::Dim::Const(_)),
            Some(_) | None => true,
        };
        !constant || list.iter().any(uses_call)
    });
    for row in 0..count {
        for (name, list) in &all {
            c.site(row, name, list)?;
        }
    }
    for (out, target) in rows.outputs.iter().filter_map(|t| Some((t, t.at.as_ref()?))) {
        let room = size(super::tensors::total(&target.rows))?;
        let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
        for row in 0..count {
            let index = c.eval(&target.at, row, 0)?;
            if index < 0 {
                continue;
            }
            let tensor = out.name.clone();
            if index >= room {
                let site = target.at.to_string();
                return Err(IndexError::Outside {
                    site,
                    row,
                    what: "row",
                    index,
                    tensor,
                    size: room,
                });
            }
            if let Some(first) = seen.insert(index, row) {
                return Err(IndexError::Twice { tensor, first, row, index });
            }
        }
    }
    Ok(())
}

struct Check<'a> {
    rows: &'a Rows,
    dims: &'a Dims,
    tensors: &'a BTreeMap<String, Tensor>,
}

impl Check<'_> {
    fn eval(&self, e: &Expr, row: i64, col: i64) -> Result<i64, IndexError> {
        eval(e, &|name, list| self.leaf(name, list, row, col))
    }

    fn leaf(&self, name: &str, list: &[i64], row: i64, col: i64) -> Result<i64, IndexError> {
        if name == "row" {
            return Ok(row);
        }
        if name == "col" {
            return Ok(col);
        }
        let Some(t) = self.rows.input(name) else {
            let symbol = self.dims.scalars.get(name).copied();
            return symbol.ok_or_else(|| IndexError::Unknown(name.into()));
        };
        let sizes = self.sizes(&t.kind)?;
        let place = match (&t.kind, list) {
            (RowKind::Matrix, [c]) => vec![row, *c],
            (RowKind::Column, []) => vec![row],
            (RowKind::Scalar, []) => vec![0],
            (RowKind::Table { .. }, [r, c]) => vec![*r, *c],
            (RowKind::Vector | RowKind::List(_), [c]) => vec![*c],
            _ => return Err(IndexError::NoIndex(name.into())),
        };
        let wanted = sizes.iter().product();
        let missing = || IndexError::Tensor { tensor: name.into(), wanted };
        let tensor = self.tensors.get(name).ok_or_else(missing)?;
        let flat = place.iter().zip(&sizes).fold(0i64, |a, (i, n)| a * n + i);
        let whole = tensor.dtype.bytes().and_then(|b| tensor.bytes.len().checked_div(b));
        if whole.and_then(|n| i64::try_from(n).ok()) != Some(wanted) {
            return Err(missing());
        }
        let inside = place.iter().zip(&sizes).all(|(i, n)| (0..*n).contains(i));
        match usize::try_from(flat) {
            Ok(flat) if inside => Ok(tensor.get(flat) as i64),
            // The place itself is told where it is an index of its own; see `site`.
            Ok(_) | Err(_) => Ok(0),
        }
    }

    fn sizes(&self, kind: &RowKind) -> Result<Vec<i64>, IndexError> {
        let dim = |d: &super::Dim| {
            longest(d).eval(self.dims).map_err(|x| IndexError::Unknown(x.to_string()))
        };
        let total = super::tensors::total(&self.rows.rows).eval(self.dims);
        let total = total.map_err(|x| IndexError::Unknown(x.to_string()))?;
        Ok(match kind {
            RowKind::Matrix => vec![total, self.rows.width],
            RowKind::Vector => vec![self.rows.width],
            RowKind::Column => vec![total],
            RowKind::Scalar => vec![1],
            RowKind::Table { rows, width } => vec![dim(rows)?, dim(width)?],
            RowKind::List(len) => vec![dim(len)?],
        })
    }

    /// Every index of one element, for every element of the row where it matters.
    fn site(&self, row: i64, name: &str, list: &[Expr]) -> Result<(), IndexError> {
        let Some(t) = self.rows.input(name) else { return Err(IndexError::Unknown(name.into())) };
        let mut sizes = self.sizes(&t.kind)?;
        if t.kind == RowKind::Matrix {
            sizes.remove(0);
        }
        for (nth, (e, size)) in list.iter().zip(&sizes).enumerate() {
            let cols = if uses_col(e) { self.rows.width } else { 1 };
            for col in 0..cols {
                let index = self.eval(e, row, col)?;
                if !(0..*size).contains(&index) {
                    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
                    return Err(IndexError::Outside {
                        site: format!("{name}[{}]", list.join(", ")),
                        row,
                        what: if sizes.len() == 2 && nth == 0 { "row" } else { "element" },
                        index,
                        tensor: name.into(),
                        size: *size,
                    });
                }
            }
        }
        // `table[id]` reads as many elements as the row has.
        if let (RowKind::Table { .. }, [_], [_, width]) = (&t.kind, list, &sizes[..])
            && *width < self.rows.width
        {
            return Err(IndexError::Outside {
                site: format!("{name}[{}]", list[0]),
                row,
                what: "element",
                index: self.rows.width - 1,
                tensor: name.into(),
                size: *width,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dtype::Dtype,
        op::{Kind, read},
    };

    fn rows(text: &str) -> Rows {
        let head = "op = \"rows\"\nname = \"t\"\nrows = \"m\"\nwidth = 4\n";
        match read::read("t", &format!("{head}{text}")).unwrap_or_else(|e| panic!("{e}")).kind {
            Kind::Rows(rows) => rows,
            Kind::Attention(_) | Kind::MpGemm(_) => panic!("rows"),
        }
    }

    fn told(text: &str, sizes: &[(&str, i64)], given: &[(&str, &[f64])]) -> String {
        let mut dims = Dims::default();
        dims.scalars.extend(sizes.iter().map(|(n, x)| (n.to_string(), *x)));
        let tensor = |v: &[f64]| Tensor::from_f64(Dtype::I32, &[v.len()], v);
        let tensors = given.iter().map(|(n, v)| (n.to_string(), tensor(v))).collect();
        check(&rows(text), &dims, &tensors).map_or_else(|e| e.to_string(), |()| "right".into())
    }

    const TABLE: &str = "in = { id = { dtype = \"i32\", kind = \"column\" }, t = { dtype = \"f32\", kind = \"table\", rows = \"v\" } }
        out = { y = { dtype = \"f32\", value = \"t[id]\" } }";
    const CACHE: &str = "in = { x = \"f32\", slot = { dtype = \"i32\", kind = \"column\" } }
        out = { k = { dtype = \"f16\", rows = \"n\", at = \"slot * 2 - 2\", value = \"x\" } }";
    const WIDE: &str = "in = { id = { dtype = \"i32\", kind = \"column\" }, t = { dtype = \"f32\", kind = \"table\", rows = \"v\", width = \"w\" } }
        out = { y = { dtype = \"f32\", value = \"t[id]\" }, z = { dtype = \"f32\", value = \"t[0, col + id]\" } }";

    #[test]
    fn ids_are_in_their_table() {
        let sizes = [("m", 2), ("v", 5)];
        assert_eq!(told(TABLE, &sizes, &[("id", &[0.0, 4.0])]), "right");
        let wrong = "`t[id]` in row 1 asks for row 5 of `t`, which has 5";
        assert_eq!(told(TABLE, &sizes, &[("id", &[0.0, 5.0])]), wrong);
        let wrong = "`t[id]` in row 0 asks for row -1 of `t`, which has 5";
        assert_eq!(told(TABLE, &sizes, &[("id", &[-1.0, 5.0])]), wrong);
        let wrong = "`id` is missing, or has not the 2 elements that the op says";
        assert_eq!(told(TABLE, &sizes, &[("id", &[0.0])]), wrong);
        assert_eq!(told(TABLE, &sizes, &[]), wrong);
        assert_eq!(
            told(TABLE, &[("m", 2)], &[("id", &[0.0, 1.0])]),
            "`symbol `v` has no value` has no value"
        );
        assert_eq!(told(TABLE, &[("m", 0), ("v", 0)], &[("id", &[])]), "right");
    }

    #[test]
    fn elements_are_in_their_row() {
        let sizes = |w| [("m", 1), ("v", 1), ("w", w)];
        assert_eq!(told(WIDE, &sizes(6), &[("id", &[0.0])]), "right");
        let wrong = "`t[id]` in row 0 asks for element 3 of `t`, which has 3";
        assert_eq!(told(WIDE, &sizes(3), &[("id", &[0.0])]), wrong);
        let alone = WIDE.replace("y = { dtype = \"f32\", value = \"t[id]\" }, ", "");
        let wrong = "`t[0, col + id]` in row 0 asks for element 6 of `t`, which has 6";
        assert_eq!(told(&alone, &sizes(6), &[("id", &[3.0])]), wrong);
    }

    #[test]
    fn targets_are_different_rows() {
        let sizes = [("m", 3), ("n", 5)];
        assert_eq!(told(CACHE, &sizes, &[("slot", &[3.0, 0.0, 1.0])]), "right");
        let wrong = "`slot * 2 - 2` in row 2 asks for row 6 of `k`, which has 5";
        assert_eq!(told(CACHE, &sizes, &[("slot", &[3.0, 0.0, 4.0])]), wrong);
        let wrong = "`k`: rows 0 and 2 of the op are both written to row 4";
        assert_eq!(told(CACHE, &sizes, &[("slot", &[3.0, -8.0, 3.0])]), wrong);
    }

    #[test]
    fn every_operator_counts() {
        let value = |text: &str| {
            let e = crate::op::expr::parse(text, crate::op::expr::Dialect::Index).unwrap().expr;
            at_col(&e, 7)
        };
        let cases = [
            ("-col / 2", -4),
            ("-col % 4", 1),
            ("col / 0 + col % 0", 7),
            ("block(col, 3) * max(col, 9) - min(col, 2)", 16),
            ("abs(3 - col)", 4),
            ("select(col < 8 && !(col == 7) || col >= 9, 1, 2)", 2),
            ("select(col <= 7 && col > 6 && col != 8, 1, 2)", 1),
        ];
        for (text, wanted) in cases {
            assert_eq!(value(text), Ok(wanted), "{text}");
        }
        let over = IndexError::Overflow("col * 9007199254740992 * 9007199254740992".into());
        assert_eq!(value("col * 9007199254740992 * 9007199254740992"), Err(over));
        let no = at_col(&Expr::Number(0.5), 0).unwrap_err();
        assert_eq!(no.to_string(), "`0.5` is no index");
    }
}
