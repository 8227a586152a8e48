//! Hints that stand in a row are spread over the instructions behind them.
//!
//! ```text
//! prefetch.1 [p + 4096]              prefetch.1 [p + 4096]
//! prefetch.1 [p + 4160]              a = load.w32 [p + 0] : w
//! a = load.w32 [p + 0] : w    ->     b = dot.u8s8 a, x, c : w
//! b = dot.u8s8 a, x, c : w           prefetch.1 [p + 4160]
//! d = load.w32 [p + 64] : w          d = load.w32 [p + 64] : w
//! ```
//!
//! A core waits for few lines at a time: more hints at once hold up the loads behind them. A hint reads its address
//! alone, so it may stand anywhere later in its line of instructions.

use kgen_ir::{diag::Unsupported, machine::*, target::Target};

/// Hints in a row that are left as they are.
const ROW: usize = 4;

pub fn spread(kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    if target.reorders {
        return Ok(kernel);
    }
    let body = block(&kernel.body);
    Ok(kernel.with(body))
}

fn is_hint(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Inst(Inst { op: Op::Prefetch(_), .. }))
}

fn block(list: &[Stmt]) -> Vec<Stmt> {
    let mut out = Vec::with_capacity(list.len());
    let is_inst = |s: &Stmt| matches!(s, Stmt::Inst(_));
    for line in list.chunk_by(|a, b| is_inst(a) && is_inst(b)) {
        match line {
            [Stmt::Loop(l)] => {
                let Loop { var, lo, hi, step, ref carried, ref body } = **l;
                let (carried, body) = (carried.clone(), block(body));
                out.push(Stmt::Loop(Box::new(Loop { var, lo, hi, step, carried, body })));
            }
            [Stmt::If(i)] => {
                let If { cmp, a, b, ref then, ref otherwise, ref yields } = **i;
                let (then, otherwise) = (block(then), block(otherwise));
                let yields = yields.clone();
                out.push(Stmt::If(Box::new(If { cmp, a, b, then, otherwise, yields })));
            }
            line => straight(line, &mut out),
        }
    }
    out
}

fn straight(line: &[Stmt], out: &mut Vec<Stmt>) {
    let rows = line.chunk_by(|a, b| is_hint(a) == is_hint(b));
    if !rows.into_iter().any(|row| row.len() > ROW && is_hint(&row[0])) {
        out.extend_from_slice(line);
        return;
    }
    let hints = line.iter().filter(|s| is_hint(s)).count();
    let others = line.len() - hints;
    let mut waiting = std::collections::VecDeque::new();
    let (mut told, mut passed) = (0, 0);
    for stmt in line {
        if is_hint(stmt) {
            waiting.push_back(stmt);
        } else {
            out.push(stmt.clone());
            passed += 1;
        }
        // As many of the hints as of the others.
        while told * others <= passed * hints {
            let Some(hint) = waiting.pop_front() else { break };
            out.push(hint.clone());
            told += 1;
        }
    }
    out.extend(waiting.into_iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TARGET;
    use kgen_ir::machine::{parse::parse, verify::verify};
    use std::fmt::Write;

    fn kernel(hints: usize, others: usize) -> Kernel {
        let mut text = String::from(
            "machine m lanes 4 { slot 0 = pointer p p = arg 0 : i\n\
             loop u in 0..9 step 1 { o = imul u, 256 : i q = iadd p, o : i\n",
        );
        for i in 0..hints {
            let _ = writeln!(text, "prefetch.1 [q + {}]", 64 * i);
        }
        for i in 0..others {
            let _ = writeln!(text, "a{i} = load.w32 [q + {}] : w", 16 * i);
        }
        parse(&(text + "} }")).unwrap()
    }

    /// The letters of the loop's body.
    fn order(k: &Kernel) -> String {
        let inside = k.body.iter().find_map(|s| match s {
            Stmt::Loop(l) => Some(&l.body),
            Stmt::Inst(_) | Stmt::If(_) => None,
        });
        inside.unwrap().iter().map(|s| if is_hint(s) { 'h' } else { '.' }).collect()
    }

    #[test]
    fn hints_in_a_row_are_spread() {
        for (hints, others, wanted) in [
            (4, 8, "..hhhh........"),
            (5, 0, "..hhhhh"),
            (5, 8, "..hh..h..h..h.."),
            (6, 1, "..hhhhh.h"),
        ] {
            let k = kernel(hints, others);
            let out = spread(k, &TARGET).unwrap();
            verify(&out).unwrap();
            assert_eq!(order(&out), wanted, "{hints} among {others}");
        }
    }
}
