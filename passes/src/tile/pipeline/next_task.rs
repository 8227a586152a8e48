//! Hints across tasks: the last turns of a task's loop ask for the first tiles of the worker's next task.
//!
//! A task's first tiles are cold: nothing came before them. So a worker claims a task ahead (`next`), computes where the
//! loop of that one begins by the statements that say so of its own, and jumps there behind its own last tile.
//!
//! ```text
//! tasks t in 0..8 * parts dynamic 1 {             tasks t in 0..8 * parts dynamic 1 next t.next {
//!   let h = t / parts                               let h = t / parts
//!   let lo = t % parts * 1024                       let lo = t % parts * 1024
//!   let hi = min(lo + 1024, n)                      let hi = min(lo + 1024, n)
//!                                                   let h.next = t.next / parts
//!                                                   let lo.next = t.next % parts * 1024
//!   for j in lo..hi step 16 {                       for j in lo..hi step 16 {
//!                                                     let j.over = max(min(j + 16 - hi + 1, 1), 0)
//!                                                     let j.then = j + 16 + (lo.next - hi) * j.over
//!                                                     let h.then = h + (h.next - h) * j.over
//!                                                     prefetch(k[h.then, j.then:16, 0:64], 1)
//!     a = load(k[h, j:16, 0:64]) : f16[16, 64]        a = load(k[h, j:16, 0:64]) : f16[16, 64]
//! ```

use super::{Ahead, aheads, block, one};
use crate::{Schedule, tile::stores_to};
use kgen_ir::{
    extent::Extent,
    tile::{For, Kernel, Stmt},
};
use std::collections::{BTreeMap, BTreeSet};

/// The body of a task with hints, and the name of the next task, if it has one loop with hints whose place follows from
/// the number of the task.
pub(super) fn hinted(
    kernel: &Kernel,
    var: &str,
    body: &[Stmt],
    schedule: &Schedule,
) -> Option<(String, Vec<Stmt>)> {
    let loops = body.iter().enumerate().filter_map(|(place, stmt)| {
        let Stmt::For(f) = stmt else { return None };
        let list = aheads(kernel, f, schedule);
        (!list.is_empty()).then_some((place, f, list))
    });
    let loops: Vec<_> = loops.collect();
    let [(place, f, list)] = &loops[..] else { return None };
    // Packed weights of the next task are behind those of this one.
    if list.iter().any(|a| a.packed || a.turns != list[0].turns) {
        return None;
    }
    let task = later(var);
    let before = &body[..*place];
    let slice = slice(before, var, f, list, body)?;
    let names: BTreeMap<&str, String> =
        slice.iter().filter_map(|s| Some((name(s)?, later(name(s)?)))).collect();
    let next = |e: &Extent| {
        e.substitute(&|n| {
            let own = if n == var { Some(task.clone()) } else { names.get(n).cloned() };
            own.map(Extent::Sym)
        })
    };
    let mut out = block(kernel, before, schedule);
    for stmt in &slice {
        if let Stmt::Scalar { name, value } = stmt {
            out.push(Stmt::Scalar { name: later(name), value: next(value) });
        } else if let Stmt::Read { name, tensor, at } = stmt {
            let (tensor, at) = (tensor.clone(), at.iter().map(&next).collect());
            out.push(Stmt::Read { name: later(name), tensor, at });
        }
    }
    let mut inner = head(f, list, &next(&f.lo), &names, (var, &task));
    inner.extend(block(kernel, &f.body, schedule));
    out.push(Stmt::For(Box::new(For { body: inner, ..(***f).clone() })));
    out.extend(body[place + 1..].iter().map(|stmt| one(kernel, stmt, schedule)));
    Some((task, out))
}

fn later(name: &str) -> String {
    format!("{name}.next")
}

fn name(stmt: &Stmt) -> Option<&str> {
    if let Stmt::Scalar { name, .. } | Stmt::Read { name, .. } | Stmt::Any { name, .. } = stmt {
        Some(name)
    } else {
        None
    }
}

/// The names that the value of a number is made of; `None`: it is read from what this kernel writes, or from tiles.
fn made_of<'a>(stmt: &'a Stmt, body: &[Stmt]) -> Option<Vec<&'a str>> {
    let mut out = Vec::new();
    if let Stmt::Scalar { value, .. } = stmt {
        value.symbols(&mut out);
        Some(out)
    } else if let Stmt::Read { at, tensor, .. } = stmt {
        at.iter().for_each(|e| e.symbols(&mut out));
        (!stores_to(body, tensor)).then_some(out)
    } else {
        None
    }
}

/// The statements before the loop that say where it begins, as far as that depends on the task; `None`: nothing does,
/// or what does cannot be said of another task.
fn slice<'a>(
    before: &'a [Stmt],
    var: &str,
    f: &For,
    list: &[Ahead<'_>],
    body: &[Stmt],
) -> Option<Vec<&'a Stmt>> {
    // What the task gives, from its first statement on.
    let mut of_task = BTreeSet::from([var]);
    let mut dependent = Vec::new();
    for stmt in before {
        let Some(name) = name(stmt) else { continue };
        let from = made_of(stmt, body);
        if from.as_ref().is_none_or(|from| from.iter().any(|s| of_task.contains(s))) {
            of_task.insert(name);
            dependent.push((stmt, name, from));
        }
    }
    let mut wanted: BTreeSet<&str> = list.iter().flat_map(Ahead::names).collect();
    let mut symbols = Vec::new();
    f.lo.symbols(&mut symbols);
    wanted.extend(symbols);
    if !wanted.iter().any(|n| of_task.contains(n)) {
        return None;
    }
    let mut out = Vec::new();
    for (stmt, name, from) in dependent.into_iter().rev() {
        if wanted.contains(name) {
            wanted.extend(from?);
            out.push(stmt);
        }
    }
    out.reverse();
    Some(out)
}

/// The hints of a turn: for its own task's later tiles, or behind the last one for the next task's first.
fn head(
    f: &For,
    list: &[Ahead<'_>],
    lo: &Extent,
    names: &BTreeMap<&str, String>,
    (var, task): (&str, &str),
) -> Vec<Stmt> {
    let scalar = |name: &str, value: Extent| Stmt::Scalar { name: name.into(), value };
    let (j, turns) = (Extent::from(f.var.as_str()), list[0].turns);
    let over = format!("{}.over", f.var);
    let then = |name: &str| format!("{name}.then");
    let past = j.clone() + (f.step * turns + 1) - f.hi.clone();
    let later = j + f.step * turns;
    let jump = lo.clone() - f.hi.clone();
    let jump = jump * Extent::Sym(over.clone());
    let mut out = vec![scalar(&over, past.min(1).max(0)), scalar(&then(&f.var), later + jump)];
    let mut moved = BTreeSet::from([f.var.as_str()]);
    for name in list.iter().flat_map(Ahead::names) {
        let other = if name == var { Some(task) } else { names.get(name).map(String::as_str) };
        let Some(other) = other.filter(|_| !moved.contains(name)) else { continue };
        let away = Extent::from(other) - Extent::from(name);
        let value = Extent::from(name) + away * Extent::Sym(over.clone());
        out.push(scalar(&then(name), value));
        moved.insert(name);
    }
    for ahead in list {
        let hint = ahead.hint(&|name| moved.contains(name).then(|| Extent::Sym(then(name))));
        if !out.contains(&hint) {
            out.push(hint);
        }
    }
    out
}
