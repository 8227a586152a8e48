//! Index tensors of row operations: drawn so that every index is inside and every target is another row.
//!
//! ```text
//! block_table[seq, pos / 16] * 16 + pos % 16 < slots    block_table < (slots - 15) / 16, pos < 16 * max_pages, ...
//! ```

use super::sizes::Random;
use kgen_ir::{
    extent::Dims,
    op::{
        Dim, RowKind, RowTensor, Rows,
        expr::{Binary, Expr, Func},
        indices::{self, IndexError},
        tensors,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Values of what no index bounds.
const FREE: i64 = 1000;
/// Sizes are not made larger than this.
const MOST: i64 = 1 << 12;
/// Attempts at a row whose target is taken.
const TRIES: usize = 64;

/// Index tensors by name.
type Drawn = BTreeMap<String, Vec<f64>>;

/// What each index tensor may hold: 0 to below this.
struct Limits<'a> {
    rows: &'a Rows,
    dims: &'a Dims,
    below: BTreeMap<&'a str, i64>,
    /// No value would do.
    impossible: bool,
}

fn size(d: &Dim, dims: &Dims) -> i64 {
    tensors::total(d).eval(dims).unwrap_or(0)
}

fn shape(t: &RowTensor, rows: &Rows, dims: &Dims) -> Vec<i64> {
    match &t.kind {
        RowKind::Matrix => vec![size(&rows.rows, dims), rows.width],
        RowKind::Vector => vec![rows.width],
        RowKind::Column => vec![size(&rows.rows, dims)],
        RowKind::Scalar => vec![1],
        RowKind::Table { rows, width } => vec![size(rows, dims), size(width, dims)],
        RowKind::List(len) => vec![size(len, dims)],
    }
}

impl<'a> Limits<'a> {
    fn of(rows: &'a Rows, dims: &'a Dims) -> Limits<'a> {
        let mut l = Limits { rows, dims, below: BTreeMap::new(), impossible: false };
        let values = rows.lets.iter().map(|x| &x.1).chain(rows.outputs.iter().map(|o| &o.value));
        for e in values {
            e.visit(&mut |e| {
                if let Expr::At(name, list) = e {
                    l.element(name, list);
                }
            });
        }
        for target in rows.outputs.iter().filter_map(|o| o.at.as_ref()) {
            l.want(&target.at, size(&target.rows, dims));
        }
        l.impossible |= l.below.values().any(|x| *x < 1);
        l
    }

    fn element(&mut self, name: &'a str, list: &'a [Expr]) {
        let Some(t) = self.rows.input(name) else { return };
        let mut sizes = shape(t, self.rows, self.dims);
        if t.kind == RowKind::Matrix {
            sizes.remove(0);
        }
        for (e, size) in list.iter().zip(sizes) {
            if indices::uses_call(e) {
                self.want(e, size);
                continue;
            }
            let last = (0..self.rows.width).filter_map(|c| indices::at_col(e, c).ok()).max();
            self.impossible |= last.is_some_and(|last| last >= size);
        }
    }

    /// `e` is to be in `0..below`.
    fn want(&mut self, e: &'a Expr, below: i64) {
        match e {
            Expr::Number(x) => self.impossible |= *x >= below as f64,
            Expr::Name(n) if n == "row" => {
                self.impossible |= size(&self.rows.rows, self.dims) > below;
            }
            Expr::Name(n) => {
                if self.rows.input(n).is_some() {
                    let old = self.below.entry(n).or_insert(i64::MAX);
                    *old = (*old).min(below);
                }
            }
            Expr::At(n, list) => {
                let old = self.below.entry(n).or_insert(i64::MAX);
                *old = (*old).min(below);
                self.element(n, list);
            }
            Expr::Unary(_, a) | Expr::Reduce(_, a) => self.want(a, below),
            Expr::Binary(op, a, b) => match (op, self.constant(a), self.constant(b)) {
                (Binary::Div, _, Some(k)) => self.want(a, below.saturating_mul(k.max(1))),
                (Binary::Rem, _, Some(k)) if k <= below => self.want(a, FREE),
                (Binary::Mul, _, Some(k)) => self.want(a, (below + k.max(1) - 1) / k.max(1)),
                (Binary::Mul, Some(k), _) => self.want(b, (below + k.max(1) - 1) / k.max(1)),
                (Binary::Sub, _, Some(k)) => self.want(a, below.saturating_add(k)),
                (Binary::Add, ..) => {
                    let (x, y) = (self.most(a), self.most(b));
                    let room = |other: Option<i64>| other.map_or((below + 1) / 2, |m| below - m);
                    // What has an end of its own leaves the rest to the other.
                    self.want(a, x.map_or(room(y), |m| m + 1));
                    self.want(b, y.map_or(room(x), |m| m + 1));
                    self.impossible |= matches!((x, y), (Some(x), Some(y)) if x + y >= below);
                }
                (_, _, _) => {
                    self.want(a, below);
                    self.want(b, below);
                }
            },
            Expr::Call(func, args) => {
                let end = self.most(e).is_some_and(|m| m < below) && *func == Func::Min;
                for a in args {
                    let own = if end { FREE } else { below };
                    if self.constant(a).is_none() {
                        self.want(a, own);
                    }
                }
            }
        }
    }

    fn constant(&self, e: &Expr) -> Option<i64> {
        indices::eval(e, &|name, list| {
            let symbol = self.dims.scalars.get(name).filter(|_| list.is_empty());
            symbol.copied().ok_or_else(|| IndexError::Unknown(name.into()))
        })
        .ok()
    }

    /// The greatest value that `e` takes whatever the tensors hold.
    fn most(&self, e: &Expr) -> Option<i64> {
        if let Some(x) = self.constant(e) {
            return Some(x);
        }
        match e {
            Expr::Name(n) if n == "col" => Some(self.rows.width - 1),
            Expr::Name(n) if n == "row" => Some((size(&self.rows.rows, self.dims) - 1).max(0)),
            Expr::Binary(Binary::Rem, _, k) => self.constant(k).map(|k| k.max(1) - 1),
            Expr::Binary(Binary::Add, a, b) => Some(self.most(a)? + self.most(b)?),
            Expr::Binary(Binary::Mul, a, b) => Some(self.most(a)?.checked_mul(self.most(b)?)?),
            Expr::Binary(Binary::Div, a, b) => {
                Some(self.most(a)?.div_euclid(self.constant(b)?.max(1)))
            }
            Expr::Call(Func::Min, args) => args.iter().filter_map(|a| self.most(a)).min(),
            Expr::Number(_)
            | Expr::Name(_)
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Call(..)
            | Expr::Reduce(..)
            | Expr::At(..) => None,
        }
    }
}

/// Makes sizes that leave no index larger until one does.
pub fn grow(rows: &Rows, dims: &mut Dims) {
    if size(&rows.rows, dims) == 0 {
        return;
    }
    for _ in 0..16 {
        if draw(rows, dims, &mut Random::new(1)).is_ok() {
            return;
        }
        let inputs = rows.inputs.iter().flat_map(|t| match &t.kind {
            RowKind::Matrix | RowKind::Vector | RowKind::Column | RowKind::Scalar => vec![],
            RowKind::Table { rows, width } => vec![rows, width],
            RowKind::List(len) => vec![len],
        });
        let targets = rows.outputs.iter().filter_map(|o| o.at.as_ref()).map(|t| &t.rows);
        let mut grown: Vec<&str> = Vec::new();
        for d in inputs.chain(targets) {
            if let Dim::Sym(s) = d
                && Dim::Sym(s.clone()) != rows.rows
                && !grown.contains(&s.as_str())
            {
                grown.push(s);
                if let Some(x) = dims.scalars.get_mut(s) {
                    *x = (*x * 2 + 1).min(MOST);
                }
            }
        }
    }
}

/// Every index tensor of a call.
pub fn draw(rows: &Rows, dims: &Dims, random: &mut Random) -> Result<Drawn, String> {
    let count = size(&rows.rows, dims);
    let limits = Limits::of(rows, dims);
    if count > 0 && limits.impossible {
        return Err("these sizes leave no room for an index".into());
    }
    let mut out = Drawn::new();
    let mut one = |below: i64| random.below(usize::try_from(below.min(FREE)).unwrap_or(1)) as f64;
    for (name, below) in &limits.below {
        let Some(t) = rows.input(name) else { continue };
        let n: i64 = shape(t, rows, dims).iter().product();
        let table = matches!(t.kind, RowKind::Table { .. } | RowKind::List(_));
        let mut values: Vec<f64> = (0..n).map(|_| one((*below).max(1))).collect();
        if table {
            // Each once, as far as they go: pages belong to one sequence.
            for (i, x) in values.iter_mut().enumerate() {
                *x = ((n - 1 - i as i64) % (*below).max(1)) as f64;
            }
        }
        out.insert((*name).to_string(), values);
    }
    for o in &rows.outputs {
        let Some(target) = &o.at else { continue };
        let mut taken = BTreeSet::new();
        // Tables are dealt already: only the row's own values can change.
        let own = |name: &str| rows.input(name).is_some_and(|t| t.kind == RowKind::Column);
        let changes = limits.below.keys().any(|name| own(name));
        for row in 0..count {
            let mut tries = 0;
            loop {
                let at = value(rows, dims, &out, &target.at, row)?;
                if at < 0 || taken.insert(at) {
                    break;
                }
                if !changes {
                    return Err(format!("no other row of `{}` is left", o.name));
                }
                tries += 1;
                // Not written at all, if nothing else helps.
                let alone = matches!(target.at, Expr::Name(_)) && tries > TRIES;
                for (name, below) in &limits.below {
                    let column = rows.input(name).is_some_and(|t| t.kind == RowKind::Column);
                    let place = usize::try_from(row).ok().filter(|_| column);
                    let values = out.get_mut(*name);
                    if let Some(x) = values.zip(place).and_then(|(v, i)| v.get_mut(i)) {
                        *x = if alone { -1.0 } else { one((*below).max(1)) };
                    }
                }
                if tries > 2 * TRIES {
                    return Err(format!("no other row of `{}` is left", o.name));
                }
            }
        }
    }
    Ok(out)
}

fn value(rows: &Rows, dims: &Dims, drawn: &Drawn, e: &Expr, row: i64) -> Result<i64, String> {
    let leaf = |name: &str, list: &[i64]| {
        let unknown = || IndexError::Unknown(name.into());
        let Some(t) = rows.input(name) else {
            let own = (name == "row").then_some(row);
            return own.or(dims.scalars.get(name).copied()).ok_or_else(unknown);
        };
        let mut place = list.to_vec();
        match &t.kind {
            RowKind::Matrix | RowKind::Column => place.insert(0, row),
            RowKind::Scalar => place.push(0),
            RowKind::Vector | RowKind::Table { .. } | RowKind::List(_) => {}
        }
        let flat = shape(t, rows, dims).iter().zip(&place).fold(0, |a, (n, i)| a * n + i);
        let found = drawn.get(name).zip(usize::try_from(flat).ok());
        found.and_then(|(v, i)| v.get(i)).map(|x| *x as i64).ok_or_else(unknown)
    };
    indices::eval(e, &leaf).map_err(|e| e.to_string())
}
