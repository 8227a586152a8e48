//! In loops of one line that read more addresses than there are registers, addresses that are read once are added up where
//! that is.
//!
//! ```text
//! r9 = imul s, 9 : i                 loop u in 0..n step 16 {
//! q9 = iadd p, r9 : i                  ..
//! loop u in 0..n step 16 {     ->      n30 = imul s, 9 : i
//!   ..                                 n31 = iadd p, n30 : i
//!   store.w16 [q9 + 0], x              store.w16 [n31 + 0], x
//! ```
//!
//! Rows of results have a pointer each, made of one pointer and one stride: to keep them all would put some on the stack.

use super::share::without_unused;
use kgen_ir::{arena::Map, diag::Unsupported, machine::*, target::Target};

/// General registers of x86-64, less that of the stack and two for what is computed on the spot. Emitters of other code
/// move such sums as they like.
const ROOM: usize = 13;

type Sum = (IntOp, [Operand; 2]);

pub fn sink(kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    if target.reorders {
        return Ok(kernel);
    }
    let mut out = kernel;
    let body = std::mem::take(&mut out.body);
    let mut s = Sinker { sums: Map::default() };
    let before = out.regs.len();
    out.body = s.block(&mut out, body);
    if out.regs.len() > before {
        out.body = without_unused(std::mem::take(&mut out.body), out.regs.len());
    }
    Ok(out)
}

struct Sinker {
    /// Sums and products seen so far, by their registers.
    sums: Map<Reg, Sum>,
}

impl Sinker {
    fn block(&mut self, k: &mut Kernel, list: Vec<Stmt>) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(list.len());
        for stmt in list {
            out.push(match stmt {
                Stmt::Inst(inst) => {
                    if let (Op::Int(op @ (IntOp::Add | IntOp::Mul)), [a, b], Some(def)) =
                        (&inst.op, &inst.uses[..], inst.def)
                    {
                        self.sums.insert(def, (*op, [*a, *b]));
                    }
                    Stmt::Inst(inst)
                }
                Stmt::Loop(mut l) => {
                    l.body = match self.moved(k, &l) {
                        Some(moved) => placed(k, std::mem::take(&mut l.body), &moved),
                        None => self.block(k, std::mem::take(&mut l.body)),
                    };
                    Stmt::Loop(l)
                }
                Stmt::If(mut i) => {
                    i.then = self.block(k, i.then);
                    i.otherwise = self.block(k, i.otherwise);
                    Stmt::If(i)
                }
            });
        }
        out
    }

    /// What the loop had better compute itself: each register, with the sums of which it is the last.
    fn moved(&self, k: &Kernel, l: &Loop) -> Option<Map<Reg, Vec<(Reg, Sum)>>> {
        let insts = l.body.iter().map(|s| match s {
            Stmt::Inst(inst) => Some(inst),
            Stmt::Loop(_) | Stmt::If(_) => None,
        });
        let insts: Vec<&Inst> = insts.collect::<Option<_>>()?;
        let whole = |reg: &Reg| k.regs[*reg].class == Class::Int;
        let own: Vec<Reg> = insts.iter().filter_map(|i| i.def).filter(whole).collect();
        let carried = l.carried.iter().map(|c| c.param).filter(whole).count();
        let mut read = Map::<Reg, usize>::default();
        let yielded = l.carried.iter().map(|c| c.yielded);
        let bounds = [l.hi, l.step].into_iter().filter_map(Operand::register);
        let all = insts.iter().flat_map(|i| i.reads()).chain(yielded).chain(bounds);
        let inside = |reg: &Reg| {
            own.contains(reg) || *reg == l.var || l.carried.iter().any(|c| c.param == *reg)
        };
        for reg in all.filter(whole).filter(|reg| !inside(reg)) {
            *read.entry(reg).or_insert(0) += 1;
        }
        let before = read.len() + 1 + carried;
        let mut moved = Map::default();
        let mut last: Vec<Reg> =
            read.iter().filter(|(_, n)| **n == 1).map(|(reg, _)| *reg).collect();
        last.sort_by_key(|reg| std::cmp::Reverse(reg.index()));
        for reg in last {
            if read.len() + 1 + carried <= ROOM {
                break;
            }
            let Some(sum @ (IntOp::Add, both)) = self.sums.get(&reg) else { continue };
            // With the product that is added, where nobody else reads it.
            let product =
                both.iter().filter_map(|o| o.register()).find_map(|r| match self.sums.get(&r) {
                    Some(product @ (IntOp::Mul, [_, Operand::Imm(_)]))
                        if !read.contains_key(&r) =>
                    {
                        Some((r, *product))
                    }
                    _ => None,
                });
            let list: Vec<(Reg, Sum)> = product.into_iter().chain([(reg, *sum)]).collect();
            read.remove(&reg);
            for (_, (_, both)) in &list {
                for r in both.iter().filter_map(|o| o.register()) {
                    if list.iter().all(|(made, _)| *made != r) {
                        read.entry(r).or_insert(2);
                    }
                }
            }
            moved.insert(reg, list);
        }
        (read.len() + 1 + carried < before).then_some(moved)
    }
}

/// The line with those sums before whoever reads them.
fn placed(k: &mut Kernel, list: Vec<Stmt>, moved: &Map<Reg, Vec<(Reg, Sum)>>) -> Vec<Stmt> {
    let mut out = Vec::with_capacity(list.len());
    for stmt in list {
        let Stmt::Inst(mut inst) = stmt else {
            out.push(stmt);
            continue;
        };
        let mut own = Map::<Reg, Reg>::default();
        for reg in inst.reads() {
            for (old, (op, uses)) in moved.get(&reg).into_iter().flatten() {
                let def = k.integer();
                let uses = uses.map(|o| renamed(o, &own));
                out.push(Stmt::Inst(Inst::int(*op, def, uses)));
                own.insert(*old, def);
            }
        }
        inst.uses.iter_mut().for_each(|o| *o = renamed(*o, &own));
        if let Some(mem) = &mut inst.mem {
            mem.base = own.get(&mem.base).copied().unwrap_or(mem.base);
        }
        out.push(Stmt::Inst(inst));
    }
    out
}

fn renamed(operand: Operand, own: &Map<Reg, Reg>) -> Operand {
    match operand {
        Operand::Reg(reg) => Operand::Reg(own.get(&reg).copied().unwrap_or(reg)),
        Operand::Imm(x) => Operand::Imm(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TARGET;
    use kgen_ir::machine::{parse::parse, verify::verify};
    use std::fmt::Write;

    /// A loop that writes so many rows, each by a pointer of its own.
    fn rows(n: usize) -> String {
        let mut text = String::from(
            "machine m lanes 4 { slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i\n",
        );
        for i in 0..n {
            let _ = writeln!(text, "o{i} = imul s, {} : i q{i} = iadd p, o{i} : i", i + 1);
        }
        text += "z = fconst 0 : f loop u in 0..64 step 4 {\n";
        for i in 0..n {
            let _ = writeln!(text, "r{i} = iadd q{i}, u : i store.w32 [r{i} + 0], z");
        }
        let k = sink(parse(&(text + "} }")).unwrap(), &TARGET).unwrap();
        verify(&k).unwrap();
        k.to_string()
    }

    #[test]
    fn what_fits_stays_and_the_rest_is_added_up_where_it_is_read() {
        let inside = |n: usize| rows(n).split_once("loop").unwrap().1.matches("imul").count();
        // Twelve pointers and the variable.
        assert_eq!(inside(12), 0);
        // Nine pointers, what they are made of, and the variable, or twelve things in all.
        for n in [13, 14, 16, 20] {
            assert_eq!(inside(n), n - 10, "{n} rows: {}", rows(n));
        }
    }

    #[test]
    fn what_would_not_help_stays() {
        // A sum of two registers of its own each is no less to keep.
        let mut text = String::from("machine m lanes 4 { slot 0 = pointer p p = arg 0 : i\n");
        for i in 0..16 {
            let _ = writeln!(
                text,
                "a{i} = read.w64 [p + {}] : i b{i} = read.w64 [p + {}] : i q{i} = iadd a{i}, b{i} : i",
                16 * i,
                16 * i + 8
            );
        }
        text += "z = fconst 0 : f loop u in 0..64 step 4 {\n";
        for i in 0..16 {
            let _ = writeln!(text, "r{i} = iadd q{i}, u : i store.w32 [r{i} + 0], z");
        }
        let k = parse(&(text + "} }")).unwrap();
        let before = k.to_string();
        assert_eq!(sink(k, &TARGET).unwrap().to_string(), before);
    }
}
