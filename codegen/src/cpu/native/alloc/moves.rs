//! Moves that happen at once, one after the other.
//!
//! ```text
//! r0 -> r1, r1 -> r0, slot 2 -> r0'      swap r0 r1; load r0' 2
//! ```
//!
//! A place is written when nobody waits for what it holds. What is left goes in circles: a free register breaks them,
//! else registers are swapped; places on the stack go by way of one more.

use super::{Edit, Reg, Registers};
use crate::cpu::native::mir::Bank;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    Reg(Reg),
    Slot(u32),
    /// Made by that instruction.
    Remake(u32),
}

/// The moves of one edge.
pub struct Moves<'a> {
    pub registers: Registers,
    pub slots: &'a mut Vec<Bank>,
    /// From, to.
    pub list: Vec<(Place, Place)>,
    /// Registers that hold what must stay.
    pub keep: u64,
    pub out: Vec<Edit>,
}

impl Moves<'_> {
    pub fn run(mut self) -> Vec<Edit> {
        for (from, to) in &self.list {
            if let (true, Place::Reg(r)) = (from == to, to) {
                self.keep |= r.bit();
            }
        }
        self.list.retain(|(from, to)| from != to);
        while !self.list.is_empty() {
            let waits = |list: &[(Place, Place)], to: Place| list.iter().any(|(f, _)| *f == to);
            match (0..self.list.len()).find(|n| !waits(&self.list, self.list[*n].1)) {
                Some(n) => {
                    let (from, to) = self.list.remove(n);
                    self.one(from, to);
                }
                None => self.circle(),
            }
        }
        self.out
    }

    /// Registers that somebody still reads, or that are written already.
    fn busy(&self) -> u64 {
        self.list.iter().fold(self.keep, |m, (from, _)| match from {
            Place::Reg(r) => m | r.bit(),
            Place::Slot(_) | Place::Remake(_) => m,
        })
    }

    fn one(&mut self, from: Place, to: Place) {
        let edit = match (from, to) {
            (Place::Reg(from), Place::Reg(to)) => Edit::Move { from, to },
            (Place::Reg(from), Place::Slot(slot)) => Edit::Store { from, slot },
            (Place::Slot(slot), Place::Reg(to)) => Edit::Load { slot, to },
            (Place::Remake(inst), Place::Reg(to)) => Edit::Remake { inst, to },
            (Place::Slot(_) | Place::Remake(_), Place::Slot(slot)) => return self.by(from, slot),
            (_, Place::Remake(_)) => return,
        };
        if let Place::Reg(r) = to {
            self.keep |= r.bit();
        }
        self.out.push(edit);
    }

    /// To the stack by way of a register, if need be one whose value waits there meanwhile.
    fn by(&mut self, from: Place, slot: u32) {
        let bank = self.slots[slot as usize];
        let all = self.registers.of_bank(bank);
        let free = all & !self.busy();
        let to = Reg((if free != 0 { free } else { all }).trailing_zeros() as u8);
        let meanwhile = (free == 0).then(|| self.slot(bank));
        self.out.extend(meanwhile.map(|slot| Edit::Store { from: to, slot }));
        match from {
            Place::Slot(slot) => self.out.push(Edit::Load { slot, to }),
            Place::Remake(inst) => self.out.push(Edit::Remake { inst, to }),
            Place::Reg(_) => {}
        }
        self.out.push(Edit::Store { from: to, slot });
        self.out.extend(meanwhile.map(|slot| Edit::Load { slot, to }));
    }

    fn slot(&mut self, bank: Bank) -> u32 {
        self.slots.push(bank);
        self.slots.len() as u32 - 1
    }

    fn instead(&mut self, old: Place, new: Place) {
        for (from, _) in self.list.iter_mut().filter(|(from, _)| *from == old) {
            *from = new;
        }
    }

    fn circle(&mut self) {
        let (from, to) = self.list[0];
        match (from, to) {
            (Place::Reg(a), Place::Reg(b)) => {
                let taken = self.list.iter().fold(self.busy(), |m, (_, to)| match to {
                    Place::Reg(r) => m | r.bit(),
                    Place::Slot(_) | Place::Remake(_) => m,
                });
                let free = self.registers.of_bank(b.bank()) & !taken;
                if free != 0 {
                    let free = Reg(free.trailing_zeros() as u8);
                    self.out.push(Edit::Move { from: b, to: free });
                    return self.instead(to, Place::Reg(free));
                }
                self.out.push(Edit::Swap(a, b));
                self.list.remove(0);
                self.keep |= b.bit();
                // Each who waits for one of the two finds it in the other.
                for (f, _) in &mut self.list {
                    *f = match *f {
                        Place::Reg(r) if r == a => to,
                        Place::Reg(r) if r == b => from,
                        Place::Reg(_) | Place::Slot(_) | Place::Remake(_) => *f,
                    };
                }
                for (f, t) in &self.list {
                    if let (true, Place::Reg(r)) = (f == t, t) {
                        self.keep |= r.bit();
                    }
                }
                self.list.retain(|(f, t)| f != t);
            }
            (_, Place::Reg(r)) => {
                let slot = self.slot(r.bank());
                self.out.push(Edit::Store { from: r, slot });
                self.instead(to, Place::Slot(slot));
            }
            (_, Place::Slot(s)) => {
                let slot = self.slot(self.slots[s as usize]);
                self.by(to, slot);
                self.instead(to, Place::Slot(slot));
            }
            (_, Place::Remake(_)) => {
                self.list.remove(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::native::isa;

    /// What each place holds after all moves, where it held its own number before.
    fn run(list: &[(Place, Place)], keep: u64) -> (Vec<u32>, Vec<Edit>) {
        let mut slots = vec![Bank::Vector; 4];
        let registers = Registers::of(&isa::V3);
        let moves =
            Moves { registers, slots: &mut slots, list: list.to_vec(), keep, out: Vec::new() };
        let edits = moves.run();
        let mut held: Vec<u32> = (0..100).collect();
        let at = |r: Reg| r.index();
        for e in &edits {
            match *e {
                Edit::Move { from, to } => held[at(to)] = held[at(from)],
                Edit::Swap(a, b) => held.swap(at(a), at(b)),
                Edit::Store { from, slot } => held[60 + slot as usize] = held[at(from)],
                Edit::Load { slot, to } => held[at(to)] = held[60 + slot as usize],
                Edit::Remake { inst, to } => held[at(to)] = 1000 + inst,
            }
        }
        (held, edits)
    }

    fn number(p: Place) -> usize {
        match p {
            Place::Reg(r) => r.index(),
            Place::Slot(s) => 60 + s as usize,
            Place::Remake(i) => 1000 + i as usize,
        }
    }

    #[test]
    fn nothing_is_lost() {
        let mut noise = 12345u64;
        let mut below = |n: usize| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 33) as usize % n
        };
        for round in 0..20_000 {
            let places: Vec<Place> = (0..16)
                .map(|n| Place::Reg(Reg::new(Bank::Vector, n)))
                .chain((0..4).map(Place::Slot))
                .collect();
            // Each place is written once at most.
            let mut to = places.clone();
            for n in (1..to.len()).rev() {
                to.swap(n, below(n + 1));
            }
            to.truncate(below(to.len() + 1));
            let few = 1 + below(places.len());
            let list: Vec<_> = to
                .into_iter()
                .map(|t| match below(12) {
                    0 => (Place::Remake(round as u32 % 9), t),
                    _ => (places[below(few)], t),
                })
                .collect();
            // What nobody writes must stay.
            let written = |p: &Place| list.iter().any(|(_, t)| t == p);
            let keep = places.iter().filter(|p| !written(p)).fold(0, |m, p| match p {
                Place::Reg(r) => m | r.bit(),
                Place::Slot(_) | Place::Remake(_) => m,
            });
            let keep = if round % 2 == 0 { keep } else { 0 };
            let (held, edits) = run(&list, keep);
            for (from, to) in &list {
                assert_eq!(held[number(*to)] as usize, number(*from), "{list:?}\n{edits:?}");
            }
            for r in (0..COUNT_OF_TEST).filter(|r| keep >> r & 1 == 1) {
                assert_eq!(held[r] as usize, r, "{list:?}\n{edits:?}");
            }
        }
    }

    const COUNT_OF_TEST: usize = super::super::COUNT;
}
