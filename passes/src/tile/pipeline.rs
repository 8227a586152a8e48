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
//! `prefetch` of the schedule is how many turns ahead; 0 places none. Guarded loads are in the last, partial turn:
//! nothing comes after it. A cache line of each row is asked for once, at the head of the turn.

use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    extent::Extent,
    tile::{Expr, For, Kernel, Param, Program, Role, Slice, Stage, Stmt, Store},
};

/// Bytes of a tile below which a CPU fetches ahead by itself.
const WORTH: usize = 512;

pub fn run(program: &Program, choice: &Choice) -> Result<Program, Unsupported> {
    let mut program = program.clone();
    for kernel in &mut program.kernels {
        let body = std::mem::take(&mut kernel.body);
        kernel.body = block(kernel, &body, choice.schedule.prefetch);
        kernel.stage = Stage::Pipelined;
    }
    Ok(program)
}

fn block(kernel: &Kernel, body: &[Stmt], ahead: usize) -> Vec<Stmt> {
    let one = |stmt: &Stmt| match stmt {
        Stmt::For(f) => {
            let inner = block(kernel, &f.body, ahead);
            let hints = if ahead > 0 { hints(kernel, f, ahead) } else { vec![] };
            let body = hints.into_iter().chain(inner).collect();
            Stmt::For(Box::new(For { body, ..(**f).clone() }))
        }
        Stmt::Tasks { var, count, share, body } => Stmt::Tasks {
            var: var.clone(),
            count: count.clone(),
            share: share.clone(),
            body: block(kernel, body, ahead),
        },
        Stmt::If(i) => {
            let mut i = (**i).clone();
            i.then = block(kernel, &i.then, ahead);
            i.otherwise = block(kernel, &i.otherwise, ahead);
            Stmt::If(Box::new(i))
        }
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Store { .. }
        | Stmt::Prefetch { .. } => stmt.clone(),
    };
    body.iter().map(one).collect()
}

/// A hint for each large tile of the caller's tensors that moves with the loop.
fn hints(kernel: &Kernel, f: &For, ahead: usize) -> Vec<Stmt> {
    // Names that the body gives are not there yet at its head.
    let given: Vec<&str> = f
        .body
        .iter()
        .filter_map(|s| match s {
            Stmt::Scalar { name, .. } | Stmt::Read { name, .. } => Some(name.as_str()),
            Stmt::Let { .. }
            | Stmt::Store { .. }
            | Stmt::For(_)
            | Stmt::Tasks { .. }
            | Stmt::If(_)
            | Stmt::Prefetch { .. } => None,
        })
        .collect();
    let mut out: Vec<Stmt> = Vec::new();
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
        let mut names = Vec::new();
        at.iter().for_each(|s| s.start.symbols(&mut names));
        let elements: usize = at.iter().filter_map(|s| s.len).product();
        let dims = at.iter().filter(|s| s.len.is_some()).count();
        let large = elements * t.elem.bytes().unwrap_or(1) >= WORTH && dims <= 2;
        let strided = t.role == Role::In && t.store == Store::Strided;
        if !strided
            || !large
            || !names.contains(&f.var.as_str())
            || names.iter().any(|n| given.contains(n))
        {
            continue;
        }
        let later = Extent::from(f.var.as_str()) + f.step * ahead as i64;
        let shift = |s: &Slice| Slice {
            start: s.start.substitute(&|name| (name == f.var).then(|| later.clone())),
            len: s.len,
        };
        let hint =
            Stmt::Prefetch { tensor: tensor.clone(), at: at.iter().map(shift).collect(), level: 1 };
        if !out.contains(&hint) {
            out.push(hint);
        }
    }
    out
}
