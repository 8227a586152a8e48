//! Peels masked tiles: the loop over whole tiles needs no mask, the partial tile behind it keeps it.
//!
//! ```text
//! for j in lo..hi step 16 {              for j in lo..lo + (hi - lo) / 16 * 16 step 16 {
//!   i = iota(1, j - hi)                    kj = load(k[j:16, 0:64])
//!   ok = i < 0                     -->     ...
//!   kj = load(k[j:16, 0:64]) guard       }
//!   s = select(ok, s0, low)              for j in (that)..hi step 16 { as before }
//! ```

use super::{operands, rename};
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    extent::{BinOp, Extent},
    tile::{Binary, Carried, Compare, Expr, For, If, Kernel, Program, Stmt, Value},
};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(mut program: Program, _: &Choice) -> Result<Program, Unsupported> {
    for kernel in &mut program.kernels {
        let body = std::mem::take(&mut kernel.body);
        kernel.body = block(kernel, &body);
    }
    Ok(program)
}

fn block(kernel: &mut Kernel, body: &[Stmt]) -> Vec<Stmt> {
    let mut out = Vec::new();
    for stmt in body {
        match stmt {
            Stmt::For(f) => {
                let inner = For { body: block(kernel, &f.body), ..(**f).clone() };
                let masks = masks(kernel, &inner);
                if masks.is_empty() {
                    out.push(Stmt::For(Box::new(inner)));
                } else {
                    split(kernel, inner, &masks, &mut out);
                }
            }
            Stmt::Tasks { var, count, share, next, body } => out.push(Stmt::Tasks {
                var: var.clone(),
                count: count.clone(),
                share: share.clone(),
                next: next.clone(),
                body: block(kernel, body),
            }),
            Stmt::If(i) => {
                let mut i = (**i).clone();
                i.then = block(kernel, &i.then);
                i.otherwise = block(kernel, &i.otherwise);
                out.push(Stmt::If(Box::new(i)));
            }
            Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => out.push(stmt.clone()),
        }
    }
    out
}

/// Values `iota(d, var - hi) < 0`: true in every whole tile of `for var in lo..hi`.
fn masks(kernel: &Kernel, f: &For) -> BTreeSet<Value> {
    let start = Extent::bin(BinOp::Sub, Extent::Sym(f.var.clone()), f.hi.clone());
    let is_iota = |e: &Expr| {
        if let Expr::Iota { dim, start: s } = e { Some((*dim, *s == start)) } else { None }
    };
    // What stores, or loops again, stays as it is: only straight lines of values and branches are written twice.
    if !straight(&f.body) {
        return BTreeSet::new();
    }
    let mut stmts = Vec::new();
    flat(&f.body, &mut stmts);
    let mut iotas = BTreeSet::new();
    let mut zeros = BTreeSet::new();
    let mut found = BTreeSet::new();
    for stmt in &stmts {
        let Stmt::Let { value, expr } = stmt else { continue };
        if let Some((dim, true)) = is_iota(expr)
            && kernel.values[*value].ty.shape[dim] <= f.step as usize
        {
            iotas.insert(*value);
        }
        if *expr == Expr::Fill(0.0) {
            zeros.insert(*value);
        }
        if let Expr::Binary(Binary::Cmp(Compare::Lt), a, b) = expr
            && iotas.contains(a)
            && zeros.contains(b)
        {
            found.insert(*value);
        }
    }
    // What is read in another way than as a condition has to stay.
    for stmt in &stmts {
        let Stmt::Let { value, expr } = stmt else {
            found.retain(|v| !own_uses(stmt).contains(v));
            continue;
        };
        for v in operands(expr) {
            let whole =
                |other: &Value| kernel.values[*other].ty.shape == kernel.values[*value].ty.shape;
            let condition = match expr {
                Expr::Select(c, a, b) => v == *c && v != *a && v != *b,
                Expr::Binary(Binary::And, a, b) => a != b && whole(if v == *a { b } else { a }),
                Expr::Fill(_)
                | Expr::Iota { .. }
                | Expr::Load { .. }
                | Expr::Dot { .. }
                | Expr::Lookup { .. }
                | Expr::Unary(..)
                | Expr::Binary(..)
                | Expr::Reduce(..)
                | Expr::Transpose(_)
                | Expr::Permute(..)
                | Expr::Bits(_)
                | Expr::Convert(_) => false,
            };
            if !condition {
                found.remove(&v);
            }
        }
    }
    found
}

fn straight(body: &[Stmt]) -> bool {
    body.iter().all(|s| match s {
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Prefetch { .. } => true,
        Stmt::If(i) => straight(&i.then) && straight(&i.otherwise),
        Stmt::Store { .. }
        | Stmt::For(_)
        | Stmt::Tasks { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_) => false,
    })
}

/// The statements of a body and of its branches.
fn flat<'a>(body: &'a [Stmt], out: &mut Vec<&'a Stmt>) {
    for stmt in body {
        out.push(stmt);
        if let Stmt::If(i) = stmt {
            flat(&i.then, out);
            flat(&i.otherwise, out);
        }
    }
}

fn split(kernel: &mut Kernel, tail: For, masks: &BTreeSet<Value>, out: &mut Vec<Stmt>) {
    let whole = Extent::bin(BinOp::Sub, tail.hi.clone(), tail.lo.clone());
    let steps = Extent::bin(BinOp::Div, whole.max(0), Extent::Lit(tail.step));
    let middle = tail.lo.clone() + steps * tail.step;
    let name = format!("{}.whole", tail.var);
    let main = clone_whole(kernel, &tail, masks, middle.clone());
    // The partial tile starts where the whole ones ended, with their results.
    let carried = tail.carried.iter().zip(&main.carried);
    let carried = carried.map(|(t, m)| Carried { init: m.result, ..*t }).collect();
    let main = For { hi: Extent::Sym(name.clone()), ..main };
    out.push(Stmt::Scalar { name: name.clone(), value: middle });
    out.push(Stmt::For(Box::new(main)));
    out.push(Stmt::For(Box::new(For { lo: Extent::Sym(name), carried, ..tail })));
}

/// The loop over whole tiles: fresh values, masks gone, loads without guard.
fn clone_whole(kernel: &mut Kernel, f: &For, masks: &BTreeSet<Value>, hi: Extent) -> For {
    let mut clone = Whole { kernel, masks, map: BTreeMap::new() };
    let params: Vec<_> = f.carried.iter().map(|c| clone.fresh(c.param)).collect();
    let results: Vec<_> = f.carried.iter().map(|c| clone.fresh(c.result)).collect();
    let body = clone.body(&f.body);
    let carried = f.carried.iter().zip(params).zip(results);
    let carried: Vec<_> = carried
        .map(|((c, param), result)| Carried {
            result,
            param,
            init: c.init,
            yielded: clone.of(c.yielded),
        })
        .collect();
    let yields: Vec<Value> = carried.iter().map(|c| c.yielded).collect();
    let body = dead_code(body, &yields);
    For { hi, carried, body, ..f.clone() }
}

struct Whole<'a> {
    kernel: &'a mut Kernel,
    masks: &'a BTreeSet<Value>,
    map: BTreeMap<Value, Value>,
}

impl Whole<'_> {
    fn fresh(&mut self, v: Value) -> Value {
        let mut data = self.kernel.values[v].clone();
        data.name = format!("{}_w", data.name);
        let new = self.kernel.values.add(data);
        self.map.insert(v, new);
        new
    }

    fn of(&self, v: Value) -> Value {
        *self.map.get(&v).unwrap_or(&v)
    }

    fn body(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        let mut out = Vec::new();
        for stmt in body {
            match stmt {
                Stmt::Let { value, .. } if self.masks.contains(value) => {}
                Stmt::Let { value, expr: Expr::Select(c, a, _) } if self.masks.contains(c) => {
                    let a = self.of(*a);
                    self.map.insert(*value, a);
                }
                // True and x is x.
                Stmt::Let { value, expr: Expr::Binary(Binary::And, a, b) }
                    if self.masks.contains(a) || self.masks.contains(b) =>
                {
                    let other = self.of(if self.masks.contains(a) { *b } else { *a });
                    self.map.insert(*value, other);
                }
                Stmt::Let { value, expr } => {
                    let mut expr = rename(expr, &self.map);
                    if let Expr::Load { guard, .. } = &mut expr {
                        *guard = false;
                    }
                    out.push(Stmt::Let { value: self.fresh(*value), expr });
                }
                Stmt::Any { name, value } => {
                    out.push(Stmt::Any { name: name.clone(), value: self.of(*value) });
                }
                Stmt::If(i) => {
                    let (then, otherwise) = (self.body(&i.then), self.body(&i.otherwise));
                    let yields = i.yields.iter();
                    let yields = yields.map(|(r, a, b)| (self.fresh(*r), self.of(*a), self.of(*b)));
                    let (cond, yields) = (i.cond.clone(), yields.collect());
                    out.push(Stmt::If(Box::new(If { cond, then, otherwise, yields })));
                }
                other @ (Stmt::Scalar { .. }
                | Stmt::Read { .. }
                | Stmt::Stage(_)
                | Stmt::Commit
                | Stmt::Wait(_)
                | Stmt::Prefetch { .. }
                | Stmt::Store { .. }
                | Stmt::For(_)
                | Stmt::Tasks { .. }) => out.push(other.clone()),
            }
        }
        out
    }
}

/// Drops straight-line values nothing needs.
fn dead_code(body: Vec<Stmt>, yields: &[Value]) -> Vec<Stmt> {
    let mut needed: BTreeSet<Value> = yields.iter().copied().collect();
    let mut kept = Vec::new();
    for stmt in body.into_iter().rev() {
        match &stmt {
            Stmt::Let { value, expr } => {
                if !needed.contains(value) {
                    continue;
                }
                needed.extend(operands(expr));
            }
            Stmt::Store { value, .. } | Stmt::Any { value, .. } => {
                needed.insert(*value);
            }
            Stmt::For(_) | Stmt::Tasks { .. } | Stmt::If(_) => needed.extend(all_uses(&stmt)),
            Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
        kept.push(stmt);
    }
    kept.reverse();
    kept
}

/// Every value a nested statement reads.
fn all_uses(stmt: &Stmt) -> Vec<Value> {
    match stmt {
        Stmt::Let { expr, .. } => operands(expr),
        Stmt::For(f) => {
            own_uses(stmt).into_iter().chain(f.body.iter().flat_map(all_uses)).collect()
        }
        Stmt::Tasks { body, .. } => body.iter().flat_map(all_uses).collect(),
        Stmt::If(i) => {
            let inner = i.then.iter().chain(&i.otherwise).flat_map(all_uses);
            own_uses(stmt).into_iter().chain(inner).collect()
        }
        Stmt::Store { .. }
        | Stmt::Any { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => own_uses(stmt),
    }
}

/// Values that a statement reads itself, apart from those that are read inside it.
fn own_uses(stmt: &Stmt) -> Vec<Value> {
    match stmt {
        Stmt::Let { expr, .. } => operands(expr),
        Stmt::Store { value, .. } | Stmt::Any { value, .. } => vec![*value],
        Stmt::For(f) => f.carried.iter().flat_map(|c| [c.init, c.yielded]).collect(),
        Stmt::If(i) => i.yields.iter().flat_map(|(_, a, b)| [*a, *b]).collect(),
        Stmt::Tasks { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => vec![],
    }
}
