//! Hints ahead: while a turn of a loop computes, the tiles of a later turn come nearer.
//!
//! ```text
//! for j in lo..hi step 16 {                    for j in lo..hi step 16 {
//!   k0 = load(k[j:16, 0:64]) : f16[16, 64]       prefetch(k[j + 16:16, 0:64], 1)
//!   ...                                   -->    k0 = load(k[j:16, 0:64]) : f16[16, 64]
//! }                                              ...
//!                                              }
//! ```
//!
//! `prefetch` of the schedule is how many turns ahead; 0 places none; `into` is the level of cache, of the hints that
//! builders place, too. Guarded loads are in the last, partial turn: nothing comes after it. A cache line of each row is
//! asked for once, at the head of the turn. Packed weights lie in the order in which they are read: for them `ahead`
//! counts in KiB, and what is behind the end of a row of blocks is the head of the next.
//!
//! The last turns of a task's only such loop ask for the first tiles of the worker's next task ([`next_task`]).

mod next_task;

use crate::{Choice, Schedule};
use kgen_ir::{
    diag::Unsupported,
    extent::Extent,
    tile::{Expr, For, Kernel, Param, Part, Program, Role, Slice, Stage, Stmt, Store, Tensor},
};

/// Bytes of a tile below which a CPU fetches ahead by itself.
const WORTH: usize = 512;

/// Bytes of a cache line.
const LINE: usize = 64;

pub fn run(mut program: Program, choice: &Choice) -> Result<Program, Unsupported> {
    for kernel in &mut program.kernels {
        let body = std::mem::take(&mut kernel.body);
        kernel.body = block(kernel, &body, &choice.schedule);
        kernel.stage = Stage::Pipelined;
    }
    Ok(program)
}

fn block(kernel: &Kernel, body: &[Stmt], schedule: &Schedule) -> Vec<Stmt> {
    body.iter().map(|stmt| one(kernel, stmt, schedule)).collect()
}

fn one(kernel: &Kernel, stmt: &Stmt, schedule: &Schedule) -> Stmt {
    match stmt {
        Stmt::For(f) => {
            let mut body: Vec<Stmt> = Vec::new();
            for ahead in aheads(kernel, f, schedule) {
                let later = Extent::from(f.var.as_str()) + f.step * ahead.turns;
                let hint = ahead.hint(&|name| (name == f.var).then(|| later.clone()));
                if !body.contains(&hint) {
                    body.push(hint);
                }
            }
            body.extend(block(kernel, &f.body, schedule));
            Stmt::For(Box::new(For { body, ..(**f).clone() }))
        }
        Stmt::Tasks { var, count, share, next, body } => {
            let after = match next {
                Some(_) => None,
                None => next_task::hinted(kernel, var, body, schedule),
            };
            let (next, body) = match after {
                Some((next, body)) => (Some(next), body),
                None => (next.clone(), block(kernel, body, schedule)),
            };
            Stmt::Tasks { var: var.clone(), count: count.clone(), share: share.clone(), next, body }
        }
        Stmt::If(i) => {
            let mut i = (**i).clone();
            i.then = block(kernel, &i.then, schedule);
            i.otherwise = block(kernel, &i.otherwise, schedule);
            Stmt::If(Box::new(i))
        }
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_) => stmt.clone(),
        // What builders ask for, too.
        Stmt::Prefetch { tensor, at, .. } => {
            Stmt::Prefetch { tensor: tensor.clone(), at: at.clone(), level: schedule.into as u8 }
        }
    }
}

/// A tile that a loop loads, and how many turns ahead it is wanted.
struct Ahead<'a> {
    tensor: &'a str,
    at: &'a [Slice],
    turns: i64,
    /// The level of cache that it is wanted in.
    into: u8,
    packed: bool,
}

impl Ahead<'_> {
    /// The hint, with other numbers in place of some names.
    fn hint(&self, other: &dyn Fn(&str) -> Option<Extent>) -> Stmt {
        let moved = |s: &Slice| Slice { start: s.start.substitute(other), len: s.len };
        Stmt::Prefetch {
            tensor: self.tensor.into(),
            at: self.at.iter().map(moved).collect(),
            level: self.into,
        }
    }

    fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.at.iter().for_each(|s| s.start.symbols(&mut names));
        names
    }
}

/// Each large tile of the caller's tensors that moves with the loop.
fn aheads<'a>(kernel: &'a Kernel, f: &'a For, schedule: &Schedule) -> Vec<Ahead<'a>> {
    // Names that the body gives are not there yet at its head.
    let given: Vec<&str> = f
        .body
        .iter()
        .filter_map(|s| match s {
            Stmt::Scalar { name, .. } | Stmt::Read { name, .. } | Stmt::Any { name, .. } => {
                Some(name.as_str())
            }
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::For(_)
            | Stmt::Tasks { .. }
            | Stmt::If(_)
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => None,
        })
        .collect();
    let mut out = Vec::new();
    for stmt in &f.body {
        let Stmt::Let { expr: Expr::Load { tensor, at, guard: false }, .. } = stmt else {
            continue;
        };
        let Some(t) = kernel.params.iter().find_map(|p| match p {
            Param::Tensor(t) if t.name == *tensor => Some(t),
            Param::Tensor(_) | Param::Scalar(_) => None,
        }) else {
            continue;
        };
        let turns = turns(t, at, f.step, schedule);
        let packed = matches!(t.store, Store::Packed { .. });
        let ahead = Ahead { tensor, at, turns, into: schedule.into as u8, packed };
        let names = ahead.names();
        let moves = names.contains(&f.var.as_str()) && !names.iter().any(|n| given.contains(n));
        // Whoever built the loop may know better.
        if turns > 0 && moves && !f.body.iter().any(|s| asks(s, tensor)) {
            out.push(ahead);
        }
    }
    out
}

/// Does it ask for a part of the tensor itself?
fn asks(stmt: &Stmt, tensor: &str) -> bool {
    match stmt {
        Stmt::Prefetch { tensor: t, .. } => t == tensor,
        Stmt::For(f) => f.body.iter().any(|s| asks(s, tensor)),
        Stmt::If(i) => i.then.iter().chain(&i.otherwise).any(|s| asks(s, tensor)),
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::Tasks { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_) => false,
    }
}

/// How many turns ahead a tile is wanted; 0: not at all.
fn turns(t: &Tensor, at: &[Slice], step: i64, schedule: &Schedule) -> i64 {
    let elements: usize = at.iter().filter_map(|s| s.len).product();
    let dims = at.iter().filter(|s| s.len.is_some()).count();
    match &t.store {
        Store::Strided if t.role == Role::In && dims <= 2 => {
            let large = elements * t.elem.bytes().unwrap_or(1) >= WORTH;
            if large { schedule.prefetch as i64 } else { 0 }
        }
        // A turn is a step of groups; scales and mins lie among the codes.
        Store::Packed { of, part: Part::Codes } => match of.sizes(of.lanes, of.group) {
            Ok(sizes) => {
                let along = at.last().and_then(|s| s.len).unwrap_or(1);
                let bytes = match along < of.group {
                    true => along / of.word() * sizes.container,
                    false => sizes.group,
                };
                (schedule.ahead << 10).div_ceil((bytes * step.max(1) as usize).max(1)) as i64
            }
            Err(_) => 0,
        },
        // What several elements share, in a tensor of its own: nothing near it is asked for.
        Store::Field(field)
            if field.step == 0
                && field.stride == t.elem.bits() as usize
                && t.role == Role::In
                && dims <= 2 =>
        {
            let large = elements / field.block * field.stride >= 8 * LINE;
            if large { schedule.prefetch as i64 } else { 0 }
        }
        // Among the codes they come with them.
        Store::Field(field) if field.step > 0 && t.role == Role::In && dims <= 2 => {
            let bytes = elements / field.block * field.stride / 8;
            if bytes >= WORTH { schedule.prefetch as i64 } else { 0 }
        }
        Store::Packed {
            part:
                Part::Scale
                | Part::Min
                | Part::Zeros
                | Part::RowZeros
                | Part::Order
                | Part::InnerScale
                | Part::InnerMin,
            ..
        }
        | Store::Strided
        | Store::Field(_)
        | Store::Blocks(_) => 0,
    }
}
