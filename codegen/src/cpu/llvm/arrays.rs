//! Registers of several words a lane, which are tiles: none is ever copied.
//!
//! LLVM's register allocator copies a tile through memory, and LLVM 19 reads the copy back without the distance of its
//! rows. What a product adds to is overwritten by it, so that product alone may read it, in the same block; and what a
//! loop or a branch hands on, nobody else.

use kgen_ir::machine::*;
use std::collections::BTreeSet;

/// A tile that would have to be copied.
pub(super) fn shared(kernel: &Kernel) -> Option<Reg> {
    if kernel.regs.iter().all(|(_, d)| d.words == 1) {
        return None;
    }
    let mut f = Finder { kernel, uses: vec![0; kernel.regs.len()] };
    f.count(&kernel.body);
    f.block(&kernel.body, BTreeSet::new())
}

struct Finder<'a> {
    kernel: &'a Kernel,
    /// How many read each register.
    uses: Vec<usize>,
}

impl Finder<'_> {
    fn read(&mut self, reg: Reg) {
        self.uses.get_mut(reg.index()).into_iter().for_each(|n| *n += 1);
    }

    fn count(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => inst.uses.iter().for_each(|o| match o {
                    Operand::Reg(reg) => self.read(*reg),
                    Operand::Imm(_) => {}
                }),
                Stmt::Loop(l) => {
                    for c in &l.carried {
                        [c.init, c.yielded].into_iter().for_each(|reg| self.read(reg));
                    }
                    self.count(&l.body);
                }
                Stmt::If(i) => {
                    for (_, a, b) in &i.yields {
                        [*a, *b].into_iter().for_each(|reg| self.read(reg));
                    }
                    self.count(&i.then);
                    self.count(&i.otherwise);
                }
            }
        }
    }

    /// A tile that several read.
    fn several(&self, reg: Reg) -> bool {
        let tile = self.kernel.regs.get(reg).is_some_and(|d| d.words > 1);
        tile && self.uses.get(reg.index()) != Some(&1)
    }

    /// `own`: what the block begins with.
    fn block(&self, body: &[Stmt], mut own: BTreeSet<Reg>) -> Option<Reg> {
        for stmt in body {
            let found = match stmt {
                Stmt::Inst(inst) => {
                    let copied = |sum: Reg| self.several(sum) || !own.contains(&sum);
                    let found = match (&inst.op, inst.uses.get(2)) {
                        (Op::Mma(_), Some(Operand::Reg(sum))) if copied(*sum) => Some(*sum),
                        _ => None,
                    };
                    own.extend(inst.def);
                    found
                }
                Stmt::Loop(l) => {
                    own.extend(l.carried.iter().map(|c| c.result));
                    let mut given = l.carried.iter().flat_map(|c| [c.init, c.yielded]);
                    given.find(|reg| self.several(*reg)).or_else(|| {
                        self.block(&l.body, l.carried.iter().map(|c| c.param).collect())
                    })
                }
                Stmt::If(i) => {
                    own.extend(i.yields.iter().map(|(result, ..)| *result));
                    let mut given = i.yields.iter().flat_map(|(_, a, b)| [*a, *b]);
                    let branches = [&i.then, &i.otherwise];
                    given.find(|reg| self.several(*reg)).or_else(|| {
                        branches.into_iter().find_map(|b| self.block(b, BTreeSet::new()))
                    })
                }
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }
}
