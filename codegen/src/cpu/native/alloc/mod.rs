//! Registers for structured programs, in one walk over the code.
//!
//! ```text
//! flow      where values live, who reads them last, how many live at once in each loop
//! wish      which values want one register: carried values, results of ifs, tied operands
//! walk      instructions in their order: operands to registers; the value read furthest away gives way
//! edges     what stands where when a loop begins, at its end, and where two ways meet
//! moves     many moves at once, in an order that loses nothing
//! check     the result, read again by other rules
//! ```
//!
//! The code's order is one of dominance, and each way into a block but those back to the heads of loops comes before
//! it. So a block begins with the state that its predecessors left, and only meetings and loops need moves.

mod check;
mod edges;
mod flow;
mod moves;
#[cfg(test)]
mod tests;
mod walk;
mod wish;

use super::{
    isa::{self, Isa},
    mir::Bank,
};

pub use check::check;
pub use walk::allocate;

/// A register of any bank: general ones, then vectors, then masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(u8);

const BANKS: [Bank; 3] = [Bank::General, Bank::Vector, Bank::Mask];
const BASE: [u8; 3] = [0, 16, 48];
const COUNT: usize = 56;
const EVERY: [u64; 3] = [0xffff, 0xffff_ffff_0000, 0xff << 48];

impl Reg {
    pub fn new(bank: Bank, number: u8) -> Reg {
        Reg(BASE[bank as usize] + number)
    }

    pub fn bank(self) -> Bank {
        match self.0 {
            0..16 => Bank::General,
            16..48 => Bank::Vector,
            _ => Bank::Mask,
        }
    }

    /// Its number in its bank.
    pub fn number(self) -> usize {
        usize::from(self.0 - BASE[self.bank() as usize])
    }

    fn bit(self) -> u64 {
        1 << self.0
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The registers that may be used, as bits.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    all: u64,
    /// Those that cost nothing to use come first.
    first: u64,
}

impl Registers {
    /// All but the stack's, and k0, which as a write mask means none.
    pub fn of(isa: &Isa) -> Registers {
        let stack = 1 << isa::RSP;
        let vectors = ((1u64 << isa.vectors) - 1) << BASE[1];
        let masks = if isa.k { 0xfe << BASE[2] } else { 0 };
        let all = (EVERY[0] & !stack) | vectors | masks;
        let saved = isa::SAVED.iter().fold(0, |m, r| m | 1u64 << r);
        Registers { all, first: all & !saved & !(0xffff << 32) }
    }

    fn of_bank(&self, bank: Bank) -> u64 {
        self.all & EVERY[bank as usize]
    }

    fn count(&self, bank: Bank) -> usize {
        self.of_bank(bank).count_ones() as usize
    }
}

/// What happens between two instructions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edit {
    Move {
        from: Reg,
        to: Reg,
    },
    Swap(Reg, Reg),
    Store {
        from: Reg,
        slot: u32,
    },
    Load {
        slot: u32,
        to: Reg,
    },
    /// That instruction again, which reads no register.
    Remake {
        inst: u32,
        to: Reg,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Allocation {
    /// A register for each operand of the program.
    pub regs: Vec<Reg>,
    /// Before which instruction, in the order of the code.
    pub edits: Vec<(u32, Edit)>,
    /// The bank of each place on the stack.
    pub slots: Vec<Bank>,
    /// Values put on the stack because a loop wants their registers.
    pub parked: usize,
    /// Most vectors that hold values at once.
    pub max_live_vectors: usize,
}
