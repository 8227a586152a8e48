//! Row operations: a task takes some rows; each row is walked once for each level of its reductions, then once more to
//! be written.
//!
//! ```text
//! x * rsqrt(mean(x * x) + 1e-5) * g     walk: total = sum of x * x over tiles of the row
//!                                       then: y = x * rsqrt(total / width + 1e-5) * g, tile by tile
//! ```
//!
//! The part of a row that fills no tile is a tile of its own, guarded. Elements read by index are loads at another
//! place where the index runs along with `col`, one load for all lanes where it stands still, and a window with its
//! lanes permuted otherwise ([`cols`]).

mod blocks;
mod cols;
mod row;

use super::builder::Builder;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    op::{
        Dim, RowKind, RowOutput, Rows,
        expr::{Expr, Reduce},
        indices::{self, Varies},
        tensors,
    },
    tile::{Arg, Kernel, Launch, Param, Program, Role, Symbol, Tensor, Variant},
};
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, Unsupported>;

/// Elements that a task is worth.
const TASK: usize = 4096;
/// Rows of a task at most.
const MOST: usize = 64;

/// A named value: a `let`, or an output above.
struct Def<'a> {
    value: &'a Expr,
    /// What an output holds of it.
    stored: Option<Dtype>,
    varies: Varies,
    /// Walks before it is known.
    level: usize,
}

/// What the kernels of an op share.
struct Make<'a> {
    rows: &'a Rows,
    choice: &'a Choice,
    symbols: &'a [Symbol],
    defs: BTreeMap<&'a str, Def<'a>>,
    /// In the order of the file.
    order: Vec<&'a str>,
}

pub(super) fn build(rows: &Rows, mut program: Program, choice: &Choice) -> Result<Program> {
    let (rows, halves) = &blocks::plain(rows, choice)?;
    let symbols = program.symbols.clone();
    let mut make = Make { rows, choice, symbols: &symbols, defs: BTreeMap::new(), order: vec![] };
    let lets = rows.lets.iter().map(|(name, value)| (name, value, None));
    let outs = rows.outputs.iter().map(|o| (&o.name, &o.value, Some(o)));
    for (name, value, out) in lets.chain(outs) {
        let named = |n: &str| make.varies_of(n);
        // What an op says of itself was checked: such a value is never asked for.
        let varies = indices::varies(rows, value, &named).unwrap_or_default();
        let level = make.level(value);
        let stored = out.map(|o| o.dtype);
        make.defs.insert(name, Def { value, stored, varies, level });
        make.order.push(name);
    }
    let of_rows = |o: &&RowOutput| matches!(o.kind, RowKind::Matrix | RowKind::Column);
    let (per_row, once): (Vec<_>, Vec<_>) = rows.outputs.iter().partition(of_rows);
    let mut launches = Vec::new();
    for (name, outs, each) in [("once", once, false), ("rows", per_row, true)] {
        if outs.is_empty() {
            continue;
        }
        let seen = [&program.params[..], halves].concat();
        let kernel = make.kernel(name, &outs, each, &seen)?;
        let args = kernel.params.iter().map(|p| match p {
            Param::Tensor(t) if halves.iter().any(|h| h.name == t.name) => {
                let bytes = rows.inputs.iter().find(|i| blocks::half(&i.name) == t.name);
                Arg::Tensor(bytes.map_or(t.name.clone(), |i| i.name.clone()))
            }
            Param::Tensor(t) => Arg::Tensor(t.name.clone()),
            Param::Scalar(s) => Arg::Scalar(Extent::from(s.as_str())),
        });
        launches.push(Launch { kernel: kernel.name.clone(), args: args.collect() });
        program.kernels.push(kernel);
    }
    program.variants.push(Variant { name: "all".into(), when: vec![], launches });
    Ok(program)
}

impl<'a> Make<'a> {
    fn no(&self, what: impl Into<String>, instead: impl Into<String>) -> Unsupported {
        self.choice.unsupported(what, instead)
    }

    fn varies_of(&self, name: &str) -> Varies {
        match (self.rows.input(name), self.defs.get(name)) {
            (Some(t), _) => Varies::of(&t.kind),
            (None, Some(def)) => def.varies,
            (None, None) => Varies::default(),
        }
    }

    /// Walks that must be done before `e` can be computed.
    fn level(&self, e: &Expr) -> usize {
        let mut level = 0;
        let mut below = |e: &Expr| level = level.max(self.level(e));
        match e {
            Expr::Number(_) | Expr::At(..) => {}
            Expr::Name(name) => level = self.defs.get(name.as_str()).map_or(0, |d| d.level),
            Expr::Unary(_, a) => below(a),
            Expr::Binary(_, a, b) => {
                below(a);
                below(b);
            }
            Expr::Call(_, args) => args.iter().for_each(below),
            Expr::Reduce(_, a) => return self.level(a) + 1,
        }
        level
    }

    /// Names of definitions that `values` need, and of the inputs they read.
    fn needed(&self, values: &[&Expr]) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut left: Vec<&Expr> = values.to_vec();
        while let Some(e) = left.pop() {
            for name in e.names() {
                if out.iter().any(|n| n == name) {
                    continue;
                }
                out.push(name.into());
                left.extend(self.defs.get(name).map(|d| d.value));
            }
        }
        out
    }

    /// Reductions in `values` and in what they need, each once, with the walk that computes them.
    fn reductions(&self, values: &[&'a Expr]) -> Vec<(Reduce, &'a Expr, usize)> {
        let needed = self.needed(values);
        let defs = self.order.iter().filter(|n| needed.iter().any(|m| m == *n));
        let defs = defs.filter_map(|n| self.defs.get(n)).map(|d| d.value);
        let mut out: Vec<(Reduce, &Expr, usize)> = Vec::new();
        for e in defs.chain(values.iter().copied()) {
            e.visit(&mut |e| {
                if let Expr::Reduce(op, inner) = e
                    && !out.iter().any(|(o, i, _)| o == op && *i == &**inner)
                {
                    out.push((*op, inner, self.level(inner)));
                }
            });
        }
        out
    }

    fn kernel(
        &self,
        name: &str,
        outs: &[&'a RowOutput],
        each: bool,
        tensors: &[Tensor],
    ) -> Result<Kernel> {
        let mut values: Vec<&Expr> = outs.iter().map(|o| &o.value).collect();
        values.extend(outs.iter().filter_map(|o| o.at.as_ref()).map(|t| &t.at));
        let needed = self.needed(&values);
        let read = |n: &str| self.rows.input(n).is_some() && needed.iter().any(|m| m == n);
        let written = |n: &str| outs.iter().any(|o| o.name == n);
        let params = tensors.iter().filter(|t| match t.role {
            Role::Out => written(&t.name),
            Role::In | Role::Workspace | Role::Prepared | Role::Scratch => read(&t.name),
        });
        let mut b = Builder::new(name, params.cloned().map(Param::Tensor).collect(), self.symbols);
        let mut failed = None;
        let width = usize::try_from(self.rows.width).unwrap_or(usize::MAX);
        if !each {
            b.tasks("t", Extent::Lit(1), 1, |b| {
                failed = row::write(self, b, None, outs).err();
            });
        } else {
            let m = tensors::total(&self.rows.rows);
            let some = (TASK / width.max(1)).clamp(1, MOST);
            // Where a tensor that is read by index is empty, no row can be right, and none is computed.
            let full = self.indexed(&needed).into_iter().fold(m, |m, size| m * size.min(1i64));
            b.tasks("t", full.clone().ceil_div(some), 1, |b| {
                let t = b.var("t");
                if some == 1 {
                    failed = row::write(self, b, Some(t), outs).err();
                    return;
                }
                let (lo, hi) = (t.clone() * some, full.min((t + 1i64) * some));
                b.for_each("i", (lo, hi, 1), &[], |b, _| {
                    failed = row::write(self, b, Some(b.var("i")), outs).err();
                    vec![]
                });
            });
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(b.finish()),
        }
    }

    /// Sizes, known at run time only, of tensors that are read by index.
    fn indexed(&self, needed: &[String]) -> Vec<Extent> {
        let mut out = Vec::new();
        let mut add = |d: &Dim| {
            if !matches!(d, Dim::Const(x) if *x > 0) {
                out.push(tensors::total(d));
            }
        };
        for t in self.rows.inputs.iter().filter(|t| needed.contains(&t.name)) {
            match &t.kind {
                RowKind::Matrix | RowKind::Vector | RowKind::Column | RowKind::Scalar => {}
                RowKind::Table { rows, width } => {
                    add(rows);
                    add(width);
                }
                RowKind::List(len) => add(len),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::testing::TARGET;
    use kgen_ir::{op::read, tile::verify};

    fn built(width: i64, rest: &str) -> Result<Program> {
        let text = format!("op = \"rows\"\nname = \"t\"\nrows = \"m\"\nwidth = {width}\n{rest}\n");
        let op = read::read("t", &text).unwrap_or_else(|e| panic!("{e}"));
        let choice = Choice { target: &TARGET, schedule: Schedule::default_for(&TARGET) };
        crate::build(&op, &choice)
    }

    #[test]
    fn what_is_the_same_for_each_row_has_a_launch_of_its_own() {
        let program = built(
            6,
            "in = { x = \"f32\", g = { dtype = \"f32\", kind = \"vector\" } }
             out = { h = { dtype = \"f16\", kind = \"vector\", value = \"g * 2\" }, y = { dtype = \"f32\", value = \"x + h\" } }",
        )
        .unwrap();
        verify::verify(&program, kgen_ir::tile::Stage::Built).unwrap();
        let names: Vec<&str> = program.kernels.iter().map(|k| k.name.as_str()).collect();
        assert_eq!(names, ["once", "rows"]);
        let reads = |k: usize| program.kernels[k].params.len();
        assert_eq!((reads(0), reads(1)), (2, 3));
    }

    #[test]
    fn a_reduction_that_is_named_twice_is_walked_once() {
        let softmax = "in = { x = \"f32\" }
             out = { y = { dtype = \"f32\", value = \"exp(x - max(x)) / sum(exp(x - max(x)))\" } }";
        let text = kgen_ir::tile::print::print(&built(64, softmax).unwrap());
        // One for the maximum, one for the sum, one for what is written.
        assert_eq!(text.matches("for col.c in").count(), 3, "{text}");
    }

    #[test]
    fn what_has_no_kernel_is_told() {
        let x = "in = { x = \"f32\", id = { dtype = \"i32\", kind = \"column\" } }\n";
        let cases = [
            (8, "out = { y = { dtype = \"i64\", value = \"x\" } }", "rows of i64"),
            (8, "out = { y = { dtype = \"e4m3\", value = \"x\" } }", "rows of e4m3"),
            (
                8,
                "out = { y = { dtype = \"f32\", value = \"x[col * id % 8]\" } }",
                "the index `col * id % 8`, which mixes",
            ),
            (8, "out = { y = { dtype = \"f32\", value = \"select(row < 1, x, id)\" } }", ""),
            (
                4000,
                "out = { y = { dtype = \"f32\", value = \"x[col * col % 4000]\" } }",
                "indices that follow no pattern",
            ),
            (
                1 << 25,
                "out = { y = { dtype = \"i32\", kind = \"column\", value = \"argmax(x)\" } }",
                "`argmax` of more than",
            ),
        ];
        for (width, rest, wanted) in cases {
            match built(width, &format!("{x}{rest}")) {
                Ok(_) => assert_eq!(wanted, "", "{rest}"),
                Err(e) => {
                    let e = e.to_string();
                    assert!(!wanted.is_empty() && e.contains(wanted), "{rest}: {e}");
                }
            }
        }
    }
}
