//! Integers as multiples and sums of others, so that addresses of the same place are the same value.
//!
//! ```text
//! i * 16 / 2 * 64 + 4096   is   i * 512 + 4096      a hint 4 KiB ahead shares the address of what it runs ahead of
//! ```

use super::Lower;
use kgen_ir::machine::{Class, IntOp, Op, Operand, Reg};

/// `factor * reg + add`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub reg: Reg,
    pub factor: i64,
    pub add: i64,
}

impl Lower<'_> {
    /// In how many blocks around this place it may change; arguments nowhere.
    pub(super) fn depth(&self, x: Operand) -> usize {
        match x {
            Operand::Reg(r) => self.depths.get(&r).copied().unwrap_or(0),
            Operand::Imm(_) => 0,
        }
    }

    /// The sum of them, beginning with those that change the least: what is before a loop stays there.
    pub(super) fn total(&mut self, mut terms: Vec<Operand>) -> Operand {
        terms.sort_by_key(|t| self.depth(*t));
        terms.into_iter().fold(Operand::Imm(0), |sum, t| self.int(IntOp::Add, sum, t))
    }

    /// What is known of an integer.
    pub(super) fn affine(&self, x: Reg) -> Affine {
        self.affine.get(&x).copied().unwrap_or(Affine { reg: x, factor: 1, add: 0 })
    }

    /// Sums and multiples by numbers are those of one register, `i * 16 / 2 * 64 + 4096` is `i * 512 + 4096`: sums and
    /// multiples of it are then the same value to those who share.
    pub(super) fn affine_int(&mut self, op: IntOp, a: Operand, b: Operand) -> Option<Operand> {
        let (x, by) = match (op, a, b) {
            (IntOp::Mul | IntOp::Add, Operand::Imm(by), Operand::Reg(x))
            | (_, Operand::Reg(x), Operand::Imm(by)) => (x, by),
            (_, Operand::Reg(x), Operand::Reg(y)) => return self.sum_of(op, x, y),
            (_, Operand::Imm(_), _) => return None,
        };
        let old = self.affine(x);
        let (factor, add) = (old.factor, old.add);
        let whole = by > 0 && factor % by == 0 && add % by == 0;
        let new = match op {
            IntOp::Add => Affine { add: add.checked_add(by)?, ..old },
            IntOp::Sub => Affine { add: add.checked_sub(by)?, ..old },
            IntOp::Mul => {
                Affine { factor: factor.checked_mul(by)?, add: add.checked_mul(by)?, ..old }
            }
            IntOp::Div if whole => Affine { factor: factor / by, add: add / by, ..old },
            IntOp::Rem if whole => return Some(Operand::Imm(0)),
            IntOp::Div | IntOp::Rem | IntOp::Min | IntOp::Max => return None,
        };
        Some(self.of_affine(new))
    }

    fn of_affine(&mut self, new: Affine) -> Operand {
        let inst = |l: &mut Self, op, x, by: i64| {
            l.inst(Class::Int, Op::Int(op), &[Operand::Reg(x), Operand::Imm(by)], None)
        };
        if new.factor == 0 {
            return Operand::Imm(new.add);
        }
        let mut reg = new.reg;
        if new.factor != 1 {
            reg = inst(self, IntOp::Mul, reg, new.factor);
            self.affine.insert(reg, Affine { add: 0, ..new });
        }
        if new.add != 0 {
            reg = inst(self, IntOp::Add, reg, new.add);
            self.affine.insert(reg, new);
        }
        Operand::Reg(reg)
    }

    /// `x + y`, with what is added to either of them added last.
    fn sum_of(&mut self, op: IntOp, x: Reg, y: Reg) -> Option<Operand> {
        let (a, b) = (self.affine(x), self.affine(y));
        if op != IntOp::Add || (a.add == 0 && b.add == 0) {
            return None;
        }
        let add = a.add.checked_add(b.add)?;
        let first = self.of_affine(Affine { add: 0, ..a });
        let second = self.of_affine(Affine { add: 0, ..b });
        let both = Operand::Reg(self.inst(Class::Int, Op::Int(op), &[first, second], None));
        Some(self.int(IntOp::Add, both, Operand::Imm(add)))
    }
}
