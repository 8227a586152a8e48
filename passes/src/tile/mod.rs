//! Tile passes: each a function from program to program, in one file, with its picture.

pub mod fold;
pub mod fragments;
pub mod layout;
pub mod peel;
pub mod pipeline;
pub mod place;

use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    tile::{Expr, Program, Stage, Stmt, Value},
};
use std::collections::BTreeMap;

pub struct Pass {
    pub name: &'static str,
    pub about: &'static str,
    /// What holds of the program afterwards.
    pub stage: Stage,
    pub run: fn(Program, &Choice) -> Result<Program, Unsupported>,
}

const fn pass(
    name: &'static str,
    about: &'static str,
    stage: Stage,
    run: fn(Program, &Choice) -> Result<Program, Unsupported>,
) -> Pass {
    Pass { name, about, stage, run }
}

/// In this order, for these reasons.
#[rustfmt::skip] // one pass a line
pub const PIPELINE: &[Pass] = &[
    pass("fold",   "constants meet, and what nobody reads goes", Stage::Built, fold::run),
    pass("peel",   "the partial tile leaves the loop; the rest needs no mask", Stage::Built, peel::run),
    pass("place",  "what lives in registers, in scratch, or nowhere", Stage::Placed, place::run), // after peel: fewer uses
    pass("layout", "which dimension lies along the lanes", Stage::LaidOut, layout::run),          // after place: only kept values have one
    pass("pipeline", "hints ahead, where loops walk memory", Stage::Pipelined, pipeline::run),    // last: whole loops are apart from their ends
];

/// The tiles an expression reads.
pub fn operands(expr: &Expr) -> Vec<Value> {
    match expr {
        Expr::Fill(_) | Expr::Iota { .. } | Expr::Load { .. } => vec![],
        Expr::Dot { a, b, acc, .. } => [*a, *b].into_iter().chain(*acc).collect(),
        Expr::Lookup { tables, codes, acc } => [*tables, *codes].into_iter().chain(*acc).collect(),
        Expr::Unary(_, a)
        | Expr::Reduce(_, a, _)
        | Expr::Permute(a, _)
        | Expr::Bits(a)
        | Expr::Convert(a)
        | Expr::Transpose(a) => {
            vec![*a]
        }
        Expr::Binary(_, a, b) => vec![*a, *b],
        Expr::Select(c, a, b) => vec![*c, *a, *b],
    }
}

/// `expr` on other values.
pub fn rename(expr: &Expr, map: &BTreeMap<Value, Value>) -> Expr {
    let m = |v: &Value| *map.get(v).unwrap_or(v);
    match expr {
        Expr::Fill(_) | Expr::Iota { .. } | Expr::Load { .. } => expr.clone(),
        Expr::Dot { a, b, transpose, acc } => {
            Expr::Dot { a: m(a), b: m(b), transpose: *transpose, acc: acc.as_ref().map(m) }
        }
        Expr::Lookup { tables, codes, acc } => {
            let acc = acc.as_ref().map(m);
            Expr::Lookup { tables: m(tables), codes: m(codes), acc }
        }
        Expr::Unary(op, a) => Expr::Unary(*op, m(a)),
        Expr::Binary(op, a, b) => Expr::Binary(*op, m(a), m(b)),
        Expr::Select(c, a, b) => Expr::Select(m(c), m(a), m(b)),
        Expr::Reduce(op, a, d) => Expr::Reduce(*op, m(a), *d),
        Expr::Bits(a) => Expr::Bits(m(a)),
        Expr::Permute(a, table) => Expr::Permute(m(a), table.clone()),
        Expr::Convert(a) => Expr::Convert(m(a)),
        Expr::Transpose(a) => Expr::Transpose(m(a)),
    }
}

/// Whether a store to `tensor` stands anywhere in `body`.
pub fn stores_to(body: &[Stmt], tensor: &str) -> bool {
    body.iter().any(|s| match s {
        Stmt::Store { tensor: t, .. } => t == tensor,
        Stmt::For(f) => stores_to(&f.body, tensor),
        Stmt::Tasks { body, .. } => stores_to(body, tensor),
        Stmt::If(i) => stores_to(&i.then, tensor) || stores_to(&i.otherwise, tensor),
        Stmt::Stage(s) => s.tensor == tensor,
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => false,
    })
}
