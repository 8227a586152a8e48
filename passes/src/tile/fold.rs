//! What constants say is written down now, and what nobody reads goes.
//!
//! ```text
//! let part = 0                                   let pos = n - m + i
//! let pos = n - m + i                            k0 = load(k[0:16, 0:64]) : f16[16, 64]
//! one = fill(1) : f32[1, 1]                -->
//! k0 = load(k[part * 16:16, 0:64]) : f16[16, 64]
//! k1 = k0 * one : f16[16, 64]
//! ```
//!
//! Only what is exact in the element type is folded: the meaning stays the same to the last bit.

use super::{operands, rename};
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    extent::Extent,
    tile::{Binary, Expr, Kernel, Program, Slice, Staged, Stmt, Value},
};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(mut program: Program, _: &Choice) -> Result<Program, Unsupported> {
    for kernel in &mut program.kernels {
        let mut fold =
            Fold { kernel, known: BTreeMap::new(), fills: BTreeMap::new(), same: BTreeMap::new() };
        let body = fold.block(&fold.kernel.body);
        kernel.body = live(body);
    }
    Ok(program)
}

struct Fold<'a> {
    kernel: &'a Kernel,
    /// Named scalars that are numbers or other names.
    known: BTreeMap<String, Extent>,
    fills: BTreeMap<Value, f64>,
    /// Values that are another value.
    same: BTreeMap<Value, Value>,
}

impl Fold<'_> {
    fn extent(&self, e: &Extent) -> Extent {
        e.substitute(&|name| self.known.get(name).cloned())
    }

    fn slices(&self, at: &[Slice]) -> Vec<Slice> {
        at.iter().map(|s| Slice { start: self.extent(&s.start), len: s.len }).collect()
    }

    fn value(&self, v: Value) -> Value {
        self.same.get(&v).copied().unwrap_or(v)
    }

    fn block(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(body.len());
        for stmt in body {
            match stmt {
                Stmt::Let { value, expr } => {
                    let expr = self.expr(expr);
                    if let Some(other) = self.identity(*value, &expr) {
                        self.same.insert(*value, other);
                        continue;
                    }
                    if let Expr::Fill(x) = expr {
                        self.fills.insert(*value, x);
                    }
                    out.push(Stmt::Let { value: *value, expr });
                }
                Stmt::Scalar { name, value } => {
                    let value = self.extent(value);
                    match value {
                        Extent::Lit(_) => {
                            self.known.insert(name.clone(), value);
                        }
                        Extent::Sym(_) | Extent::Cores | Extent::Ragged(..) | Extent::Bin(..) => {
                            self.known.remove(name);
                            out.push(Stmt::Scalar { name: name.clone(), value });
                        }
                    }
                }
                Stmt::Read { name, tensor, at } => {
                    let at = at.iter().map(|e| self.extent(e)).collect();
                    self.known.remove(name);
                    out.push(Stmt::Read { name: name.clone(), tensor: tensor.clone(), at });
                }
                Stmt::Any { name, value } => {
                    self.known.remove(name);
                    out.push(Stmt::Any { name: name.clone(), value: self.value(*value) });
                }
                Stmt::Store { tensor, at, value, guard } => out.push(Stmt::Store {
                    tensor: tensor.clone(),
                    at: self.slices(at),
                    value: self.value(*value),
                    guard: *guard,
                }),
                Stmt::For(f) => {
                    let mut f = (**f).clone();
                    (f.lo, f.hi) = (self.extent(&f.lo), self.extent(&f.hi));
                    f.carried.iter_mut().for_each(|c| c.init = self.value(c.init));
                    self.known.remove(&f.var);
                    f.body = self.block(&f.body);
                    f.carried.iter_mut().for_each(|c| c.yielded = self.value(c.yielded));
                    out.push(Stmt::For(Box::new(f)));
                }
                Stmt::Tasks { var, count, share, next, body } => {
                    let (var, count, share) = (var.clone(), self.extent(count), share.clone());
                    self.known.remove(&var);
                    next.iter().for_each(|next| drop(self.known.remove(next)));
                    let (next, body) = (next.clone(), self.block(body));
                    out.push(Stmt::Tasks { var, count, share, next, body });
                }
                Stmt::If(i) => {
                    let mut i = (**i).clone();
                    i.cond.left = self.extent(&i.cond.left);
                    i.cond.right = self.extent(&i.cond.right);
                    i.then = self.block(&i.then);
                    i.otherwise = self.block(&i.otherwise);
                    for y in &mut i.yields {
                        (y.1, y.2) = (self.value(y.1), self.value(y.2));
                    }
                    out.push(Stmt::If(Box::new(i)));
                }
                Stmt::Stage(s) => out.push(Stmt::Stage(Box::new(Staged {
                    at: self.slices(&s.at),
                    source: self.slices(&s.source),
                    lo: self.extent(&s.lo),
                    hi: self.extent(&s.hi),
                    ..(**s).clone()
                }))),
                Stmt::Commit | Stmt::Wait(_) => out.push(stmt.clone()),
                Stmt::Prefetch { tensor, at, level } => out.push(Stmt::Prefetch {
                    tensor: tensor.clone(),
                    at: self.slices(at),
                    level: *level,
                }),
            }
        }
        out
    }

    fn expr(&self, expr: &Expr) -> Expr {
        match rename(expr, &self.same) {
            Expr::Iota { dim, start } => Expr::Iota { dim, start: self.extent(&start) },
            Expr::Load { tensor, at, guard } => Expr::Load { tensor, at: self.slices(&at), guard },
            other @ (Expr::Fill(_)
            | Expr::Dot { .. }
            | Expr::Lookup { .. }
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Select(..)
            | Expr::Reduce(..)
            | Expr::Bits(_)
            | Expr::Permute(..)
            | Expr::Convert(_)
            | Expr::Transpose(_)) => other,
        }
    }

    /// The value that `expr` is, whatever its elements are.
    fn identity(&self, value: Value, expr: &Expr) -> Option<Value> {
        let shape = |v: Value| &self.kernel.values[v].ty;
        let fill = |v: &Value| self.fills.get(v).copied();
        let found = match expr {
            Expr::Convert(a) => Some(*a),
            Expr::Binary(Binary::Mul, a, b) => match (fill(a), fill(b)) {
                (_, Some(1.0)) => Some(*a),
                (Some(1.0), _) => Some(*b),
                _ => None,
            },
            Expr::Binary(Binary::Div, a, b) if fill(b) == Some(1.0) => Some(*a),
            // x - 0 is x for both zeros; x + 0 is not.
            Expr::Binary(Binary::Sub, a, b) if fill(b) == Some(0.0) => Some(*a),
            Expr::Reduce(_, a, dim) if shape(*a).shape.get(*dim) == Some(&1) => Some(*a),
            Expr::Select(_, a, b) if a == b => Some(*a),
            Expr::Fill(_)
            | Expr::Iota { .. }
            | Expr::Load { .. }
            | Expr::Dot { .. }
            | Expr::Lookup { .. }
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Select(..)
            | Expr::Bits(_)
            | Expr::Permute(..)
            | Expr::Reduce(..)
            | Expr::Transpose(_) => None,
        }?;
        let (a, b) = (shape(found), shape(value));
        (a.shape == b.shape && a.elem == b.elem).then_some(found)
    }
}

/// Drops values that nothing reads, in every block.
fn live(body: Vec<Stmt>) -> Vec<Stmt> {
    let mut body = body;
    loop {
        let mut read = BTreeSet::new();
        reads(&body, &mut read);
        let (kept, dropped) = keep(body, &read);
        body = kept;
        if !dropped {
            return body;
        }
    }
}

fn reads(body: &[Stmt], out: &mut BTreeSet<Value>) {
    for stmt in body {
        match stmt {
            Stmt::Let { expr, .. } => out.extend(operands(expr)),
            Stmt::Store { value, .. } | Stmt::Any { value, .. } => {
                out.insert(*value);
            }
            Stmt::For(f) => {
                out.extend(f.carried.iter().flat_map(|c| [c.init, c.yielded]));
                reads(&f.body, out);
            }
            Stmt::Tasks { body, .. } => reads(body, out),
            Stmt::If(i) => {
                out.extend(i.yields.iter().flat_map(|y| [y.1, y.2]));
                reads(&i.then, out);
                reads(&i.otherwise, out);
            }
            Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}

fn keep(body: Vec<Stmt>, read: &BTreeSet<Value>) -> (Vec<Stmt>, bool) {
    let mut dropped = false;
    let mut out = Vec::with_capacity(body.len());
    for stmt in body {
        let mut inner = |body: Vec<Stmt>| {
            let (body, some) = keep(body, read);
            dropped |= some;
            body
        };
        out.push(match stmt {
            Stmt::Let { value, .. } if !read.contains(&value) => {
                dropped = true;
                continue;
            }
            Stmt::For(mut f) => {
                f.body = inner(std::mem::take(&mut f.body));
                Stmt::For(f)
            }
            Stmt::Tasks { var, count, share, next, body } => {
                Stmt::Tasks { var, count, share, next, body: inner(body) }
            }
            Stmt::If(mut i) => {
                i.then = inner(std::mem::take(&mut i.then));
                i.otherwise = inner(std::mem::take(&mut i.otherwise));
                Stmt::If(i)
            }
            other @ (Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. }) => other,
        });
    }
    (out, dropped)
}
