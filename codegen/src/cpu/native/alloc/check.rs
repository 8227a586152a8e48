//! Reads an allocation again: whether each operand finds the value that the program means.
//!
//! ```text
//! block 1 (v3): r1 {v3}, slot 0 {v1}
//!   load slot 0 -> r2                 r2 {v1}
//!   v4 = add v3, v1: r1 = r1, r2      v3 is in r1, v1 in r2: right
//! ```
//!
//! Each place holds a set of values. What holds on every way into a block is found by going round until nothing
//! changes. Nothing here asks how the allocation was made.

use super::{Allocation, COUNT, Edit, Reg, Registers};
use crate::cpu::native::mir::{Arg, Bank, How, Kind, Mir};

/// The values that each place holds: registers, then the stack.
type Places = Vec<Vec<u32>>;

struct Checker<'a> {
    mir: &'a Mir,
    registers: Registers,
    allocation: &'a Allocation,
    /// By value: the instruction that makes it.
    made: Vec<u32>,
}

/// The first mistake, if there is one.
pub fn check(mir: &Mir, registers: Registers, allocation: &Allocation) -> Result<(), String> {
    let mut made = vec![u32::MAX; mir.vregs];
    for i in 0..mir.insts.len() {
        for o in mir.operands[mir.places(i)].iter().filter(|o| !o.how.reads()) {
            made[o.value.index()] = i as u32;
        }
    }
    if allocation.regs.len() != mir.operands.len() {
        return Err("operands without registers".into());
    }
    let c = Checker { mir, registers, allocation, made };
    let mut states: Vec<Option<Places>> = vec![None; mir.blocks.len()];
    states[0] = Some(vec![Vec::new(); COUNT + allocation.slots.len()]);
    let mut edits = Vec::with_capacity(mir.blocks.len());
    let mut rest = allocation.edits.as_slice();
    for block in &mir.blocks {
        let (here, others) = rest.split_at(rest.partition_point(|e| (e.0 as usize) < block.end));
        edits.push(here);
        rest = others;
    }
    if !allocation.edits.is_sorted_by_key(|e| e.0) || !rest.is_empty() {
        return Err("edits out of order".into());
    }
    let mut changed = true;
    while changed {
        changed = false;
        for (b, block) in mir.blocks.iter().enumerate() {
            let Some(state) = states[b].clone() else {
                return Err(format!("block {b} is reached from behind"));
            };
            let end = c.block(b, state, edits[b])?;
            for s in block.succs.into_iter().flatten() {
                let next = c.edge(b, s, &end);
                changed |= meet(&mut states[s], next);
            }
        }
    }
    Ok(())
}

/// Keeps what holds both ways; whether that is less than before.
fn meet(state: &mut Option<Places>, next: Places) -> bool {
    let Some(state) = state else {
        *state = Some(next);
        return true;
    };
    let mut less = false;
    for (old, new) in state.iter_mut().zip(&next) {
        let before = old.len();
        old.retain(|v| new.contains(v));
        less |= old.len() < before;
    }
    less
}

impl Checker<'_> {
    fn usable(&self, r: Reg) -> Result<(), String> {
        if self.registers.all & r.bit() != 0 {
            Ok(())
        } else {
            Err(format!("{r:?} is no register to use"))
        }
    }

    fn slot(&self, slot: u32, bank: Bank) -> Result<usize, String> {
        match self.allocation.slots.get(slot as usize) {
            Some(b) if *b == bank => Ok(COUNT + slot as usize),
            Some(_) | None => Err(format!("slot {slot} is none of {bank:?}")),
        }
    }

    fn edit(&self, edit: Edit, state: &mut Places) -> Result<(), String> {
        let one_bank = |a: Reg, b: Reg| {
            self.usable(a)?;
            self.usable(b)?;
            if a.bank() == b.bank() { Ok(()) } else { Err(format!("a move from {a:?} to {b:?}")) }
        };
        match edit {
            Edit::Move { from, to } => {
                one_bank(from, to)?;
                state[to.index()] = state[from.index()].clone();
            }
            Edit::Swap(a, b) => {
                one_bank(a, b)?;
                state.swap(a.index(), b.index());
            }
            Edit::Store { from, slot } => {
                self.usable(from)?;
                let slot = self.slot(slot, from.bank())?;
                state[slot] = state[from.index()].clone();
            }
            Edit::Load { slot, to } => {
                self.usable(to)?;
                state[to.index()] = state[self.slot(slot, to.bank())?].clone();
            }
            Edit::Remake { inst, to } => {
                self.usable(to)?;
                let data = self.mir.insts.get(inst as usize).map(|d| d.kind);
                let alone = match data {
                    Some(Kind::Zero) => true,
                    Some(Kind::Instr { mask, .. }) => {
                        let memory = |a: &Arg| matches!(a, Arg::Mem { .. });
                        mask.is_none() && !self.mir.args(inst as usize).iter().any(memory)
                    }
                    Some(
                        Kind::Gather(_) | Kind::Entry | Kind::Jump | Kind::Branch(_) | Kind::Return,
                    )
                    | None => false,
                };
                let operands = self.mir.operands.get(if alone {
                    self.mir.places(inst as usize)
                } else {
                    0..0
                });
                match operands {
                    Some([o]) if o.how == How::Def && o.value.bank() == to.bank() => {
                        state[to.index()] = vec![o.value.index() as u32];
                    }
                    Some(_) | None => return Err(format!("instruction {inst} made again")),
                }
            }
        }
        Ok(())
    }

    fn block(&self, b: usize, mut state: Places, edits: &[(u32, Edit)]) -> Result<Places, String> {
        let block = &self.mir.blocks[b];
        let mut edits = edits.iter().peekable();
        for i in block.first..block.end {
            while let Some((_, e)) = edits.next_if(|(at, _)| *at as usize == i) {
                self.edit(*e, &mut state).map_err(|e| format!("before instruction {i}: {e}"))?;
            }
            self.inst(i, &mut state).map_err(|e| format!("instruction {i}: {e}"))?;
        }
        if edits.next().is_some() {
            return Err(format!("block {b} has edits of another"));
        }
        Ok(state)
    }

    fn inst(&self, i: usize, state: &mut Places) -> Result<(), String> {
        let places = self.mir.places(i);
        let regs = &self.allocation.regs[places.clone()];
        let operands = &self.mir.operands[places];
        for (o, r) in operands.iter().zip(regs) {
            self.usable(*r)?;
            if o.value.bank() != r.bank() {
                return Err(format!("{:?} in {r:?}", o.value));
            }
            let fixed = match o.how {
                How::UseIn(n) | How::DefIn(n) => usize::from(n) == r.number(),
                How::DefAt(k) => regs.get(usize::from(k)) == Some(r),
                How::Use | How::Def | How::DefEarly | How::Temp => true,
            };
            if !fixed {
                return Err(format!("{:?} must not be in {r:?}", o.value));
            }
            if o.how.reads() && !state[r.index()].contains(&(o.value.index() as u32)) {
                return Err(format!("{:?} is not in {r:?}", o.value));
            }
        }
        for (n, (o, r)) in
            operands.iter().zip(regs).enumerate().filter(|(_, (o, _))| !o.how.reads())
        {
            let clash = |(m, (other, s)): (usize, (&super::super::mir::Operand, &Reg))| {
                let early = matches!(o.how, How::DefEarly | How::Temp);
                m != n && r == s && (early || !other.how.reads())
            };
            if operands.iter().zip(regs).enumerate().any(clash) {
                return Err(format!("{:?} shares {r:?}", o.value));
            }
        }
        for (o, r) in operands.iter().zip(regs).filter(|(o, _)| !o.how.reads()) {
            let v = o.value.index() as u32;
            if self.made[v as usize] != i as u32 {
                return Err(format!("{:?} is made twice", o.value));
            }
            // What held it the last time holds an old one.
            state.iter_mut().for_each(|held| held.retain(|x| *x != v));
            state[r.index()] = if o.how == How::Temp { Vec::new() } else { vec![v] };
        }
        Ok(())
    }

    /// Parameters are new names of what is given for them.
    fn edge(&self, b: usize, s: usize, state: &Places) -> Places {
        let (params, values) = (&self.mir.blocks[s].params, &self.mir.blocks[b].values);
        let rename = |held: &Vec<u32>| {
            let old = held.iter().filter(|v| !params.iter().any(|p| p.index() as u32 == **v));
            let new = params.iter().zip(values);
            let new = new.filter(|(_, v)| held.contains(&(v.index() as u32)));
            old.copied().chain(new.map(|(p, _)| p.index() as u32)).collect()
        };
        state.iter().map(rename).collect()
    }
}
