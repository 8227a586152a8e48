//! What was computed already, so that it is lowered once: of the addresses of many lanes most are the same.
//!
//! ```text
//! w1 = iota : w                  w1 = iota : w
//! w2 = shl w1, 4 : w       ->    w2 = shl w1, 4 : w
//! w3 = shl w1, 4 : w
//! ```
//!
//! What stands in an open block holds here. [`share`](crate::machine::share) finds the rest, and moves it out of loops.

use super::Lower;
use kgen_ir::machine::{Class, IntOp, Op, Operand, Reg, RowsOp};
use std::collections::hash_map::Entry;

/// An instruction of few operands, but for its result.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Known {
    op: Op,
    class: Class,
    /// As many as the op has, then zeros.
    uses: [Operand; 3],
}

impl Known {
    /// `None`: not the same each time, or with a list of its own.
    pub fn of(class: Class, op: &Op, uses: &[Operand]) -> Option<Known> {
        let divides = matches!(op, Op::Int(IntOp::Div | IntOp::Rem));
        let by_register = matches!(uses.last(), Some(Operand::Reg(_)));
        let other = matches!(
            op,
            Op::Shuffle(_) | Op::Arg | Op::Async(_) | Op::Mma(_) | Op::Rows(RowsOp::Zero, _)
        );
        if other || uses.len() > 3 || divides && by_register {
            return None;
        }
        let uses = std::array::from_fn(|i| uses.get(i).copied().unwrap_or(Operand::Imm(0)));
        Some(Known { op: op.clone(), class, uses })
    }
}

impl Lower<'_> {
    /// What an open block has computed already; if none has, the next register is it. Constants are of their block
    /// alone, as those who share have it.
    pub(super) fn known(&mut self, key: Known) -> Option<Reg> {
        let constant = matches!(key.op, Op::FloatConst | Op::WordConst | Op::Iota);
        let here = self.serials.last().copied().unwrap_or(0);
        let next = (here, Reg::new(self.out.regs.len()));
        let known = match self.known.entry(key) {
            Entry::Vacant(place) => {
                place.insert(next);
                return None;
            }
            Entry::Occupied(known) => known.into_mut(),
        };
        let open = known.0 == here || !constant && self.serials.contains(&known.0);
        if !open {
            *known = next;
        }
        open.then_some(known.1)
    }
}
