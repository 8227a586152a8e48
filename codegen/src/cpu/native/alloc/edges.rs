//! What stands where when a loop begins and where two ways meet, and the moves that make it so.
//!
//! ```text
//! before a loop     what no turn reads leaves its register, if a turn needs more than there are
//!                   what a turn reads is loaded; carried values get registers, best those of their first values
//! a turn's end      everything is where it was when the turn began
//! two ways meet     what both have in one place stays there
//! ```

use super::{
    COUNT, Reg,
    flow::NONE,
    moves::{Moves, Place},
    walk::{Held, Walk},
};
use crate::cpu::native::mir::{Bank, Kind, VReg};

impl Walk<'_> {
    /// The state at the beginning of a block.
    pub fn enter(&mut self, b: usize) {
        let block = &self.mir.blocks[b];
        if let Some(l) = block.within.filter(|_| block.head) {
            let held = self.heads[l];
            return self.become_(&held, |_| true);
        }
        match block.preds[..] {
            [] => {}
            [p] if block.params.is_empty() => {
                let (held, flow) = (self.ends[p], self.flow);
                self.become_(&held, |v| flow.live_in(b, v));
            }
            _ => self.meet(b),
        }
    }

    /// Which of the block's parameters the value is.
    fn param(&self, block: usize, v: usize) -> Option<usize> {
        let facts = self.flow.values[v];
        let own = facts.is_param && facts.block == block as u32;
        own.then(|| self.mir.blocks[block].params.iter().position(|p| p.index() == v))?
    }

    /// A vector of zeros, made again.
    fn zero(&self, v: usize) -> Option<Place> {
        let facts = self.flow.values[v];
        let zero = |inst: &u32| self.mir.insts[*inst as usize].kind == Kind::Zero;
        let inst = facts.remake.filter(|inst| facts.bank == Bank::Vector && zero(inst))?;
        Some(Place::Remake(inst))
    }

    fn bank_of(&self, v: u32) -> Bank {
        self.flow.values[v as usize].bank
    }

    /// Puts a value that is in no register yet into one, in the state that is being made.
    fn settle(&mut self, target: &mut Held, v: usize, at: u32, wish: Option<Reg>) -> bool {
        let taken = target.iter().enumerate().filter(|(_, v)| **v != NONE);
        let taken = taken.fold(0, |m, (n, _)| m | 1u64 << n);
        let free = self.registers.of_bank(self.flow.values[v].bank) & !taken;
        let wish =
            wish.filter(|r| free & r.bit() != 0 && self.fixed(*r, at) >= self.flow.values[v].end);
        let Some(r) = wish.or_else(|| self.choose(v, free, at)) else { return false };
        target[r.index()] = v as u32;
        true
    }

    /// Moves everything to where the state wants it. `source` tells which value becomes it.
    fn run_moves(
        &mut self,
        at: usize,
        target: &Held,
        source: impl Fn(&Self, usize) -> usize,
        stores: &[(Place, u32)],
    ) {
        let (mut list, mut keep) = (Vec::new(), 0);
        for (n, v) in target.iter().enumerate() {
            if *v == NONE {
                continue;
            }
            let (from, to) = (source(self, *v as usize), Place::Reg(Reg(n as u8)));
            let from = match (self.place(from), self.zero(from)) {
                // Zeros cost no more than a copy of them, and wait for nobody.
                (place @ Place::Reg(_), Some(zero)) if place != to => zero,
                (place, _) => place,
            };
            if from == to {
                keep |= 1 << n;
            } else {
                list.push((from, to));
            }
        }
        list.extend(stores.iter().map(|(from, slot)| (*from, Place::Slot(*slot))));
        if list.is_empty() {
            return;
        }
        let (registers, slots) = (self.registers, &mut self.out.slots);
        let edits = Moves { registers, slots, list, keep, out: Vec::new() }.run();
        self.out.edits.extend(edits.into_iter().map(|e| (at as u32, e)));
    }

    /// At the end of the block before loop `l` with this head.
    pub fn begin_loop(&mut self, head: usize, l: usize) {
        let (mir, flow) = (self.mir, self.flow);
        let at = mir.blocks[self.block].end - 1;
        let begin = mir.blocks[head].first as u32;
        for bank in super::BANKS {
            self.park(bank, head, l, at);
        }
        let mut target = [NONE; COUNT];
        for (n, v) in self.held.iter().enumerate() {
            if *v != NONE && flow.live_in(head, *v as usize) {
                target[n] = *v;
            }
        }
        // Not where the loop divides.
        for n in 0..16 {
            let r = Reg(n);
            let v = target[r.index()];
            if v != NONE && self.fixed(r, begin) <= flow.values[v as usize].end {
                target[r.index()] = NONE;
                if !self.settle(&mut target, v as usize, begin, None) {
                    target[r.index()] = v;
                }
            }
        }
        let params = mir.blocks[head].params.clone();
        let inits = &mir.blocks[self.block].values;
        let used = |p: &VReg| !flow.reads(p.index()).is_empty();
        let mut stores = Vec::new();
        for (p, init) in params.iter().zip(inits).filter(|(p, _)| used(p)) {
            let ends = !flow.live_in(head, init.index());
            let wish = self.reg_of[init.index()].filter(|_| ends);
            if !self.settle(&mut target, p.index(), begin, wish) {
                self.replace(&mut target, p.index(), begin, l);
            }
        }
        if self.spilled {
            let mut missing: Vec<(u32, usize)> = flow
                .all_live_in(head)
                .filter(|v| self.reg_of[*v].is_none() && flow.read_in(*v, l))
                .map(|v| (flow.next_read(mir, v, begin, Some(l)), v))
                .collect();
            missing.sort_unstable();
            for (_, v) in missing {
                self.settle(&mut target, v, begin, None);
            }
        }
        // What was put off its register must be in memory.
        for v in self.held {
            if v != NONE && flow.live_in(head, v as usize) && !target.contains(&v) {
                self.evict(v as usize, at);
            }
        }
        for (p, init) in params.iter().zip(inits).filter(|(p, _)| used(p)) {
            if !target.contains(&(p.index() as u32)) {
                let slot = self.slot(p.index());
                self.note_store(p.index(), head);
                stores.push((self.place(init.index()), slot));
            }
        }
        let source = |w: &Self, v: usize| w.param(head, v).map_or(v, |k| inits[k].index());
        self.run_moves(at, &target, source, &stores);
        for p in &params {
            if let Some(n) = target.iter().position(|v| *v == p.index() as u32) {
                let group = self.wishes.group[p.index()];
                self.home[group as usize] = Some(Reg(n as u8));
                self.promise(Reg(n as u8), group);
            }
        }
        self.heads[l] = target;
    }

    /// What passes by the loop leaves its register, as far as the loop needs more.
    fn park(&mut self, bank: Bank, head: usize, l: usize, at: usize) {
        let flow = self.flow;
        let (most, all) = (flow.pressure[l][bank as usize] as usize, self.registers.count(bank));
        if most <= all {
            return;
        }
        let mut passing: Vec<(u32, usize)> = Vec::new();
        let parent = self.mir.loops[l].parent;
        for v in self.held.iter().filter(|v| **v != NONE).map(|v| *v as usize) {
            if flow.values[v].bank == bank && flow.live_in(head, v) && !flow.read_in(v, l) {
                passing.push((flow.next_read(self.mir, v, flow.spans[l].1, parent), v));
            }
        }
        let room = all.saturating_sub(most - flow.passing(head, l, bank));
        passing.sort_unstable();
        for (_, v) in passing.into_iter().skip(room) {
            self.out.parked += 1;
            self.evict(v, at);
        }
    }

    /// The parameter takes the register of whoever is read later than it.
    fn replace(&mut self, target: &mut Held, p: usize, at: u32, l: usize) {
        let far = |w: &Self, v: usize| w.flow.next_read(w.mir, v, at - 1, Some(l));
        let bank = self.flow.values[p].bank;
        let own = far(self, p);
        let last = (0..COUNT)
            .filter(|n| target[*n] != NONE && self.bank_of(target[*n]) == bank)
            .map(|n| (far(self, target[n] as usize), n))
            .max();
        if let Some((far, n)) = last
            && far > own
        {
            target[n] = p as u32;
        }
    }

    /// At the end of a turn.
    pub fn again(&mut self, l: usize) {
        let mir = self.mir;
        let (head, latch) = mir.loops[l].blocks;
        let at = mir.blocks[latch].end - 1;
        let (params, values) = (&mir.blocks[head].params, &mir.blocks[latch].values);
        let target = self.heads[l];
        let mut stores = Vec::new();
        for (p, v) in params.iter().zip(values) {
            let held = target.contains(&(p.index() as u32));
            if let Some(slot) = self.slot_of[p.index()].filter(|_| !held)
                && !self.flow.reads(p.index()).is_empty()
            {
                stores.push((self.place(v.index()), slot));
            }
        }
        let source = |w: &Self, v: usize| w.param(head, v).map_or(v, |k| values[k].index());
        self.run_moves(at, &target, source, &stores);
    }

    /// Where several ways meet.
    fn meet(&mut self, b: usize) {
        let (mir, flow) = (self.mir, self.flow);
        let block = &mir.blocks[b];
        let begin = block.first as u32;
        let ends: Vec<Held> = block.preds.iter().map(|p| self.ends[*p]).collect();
        let register =
            |end: &Held, v: usize| end.iter().position(|x| *x == v as u32).map(|n| Reg(n as u8));
        let mut target = [NONE; COUNT];
        let (mut moved, mut partly) = (Vec::new(), Vec::new());
        for (n, place) in target.iter_mut().enumerate() {
            let v = ends.first().map_or(NONE, |e| e[n]);
            if v != NONE && ends.iter().all(|e| e[n] == v) && flow.live_in(b, v as usize) {
                *place = v;
            }
        }
        for end in &ends {
            for (v, _) in end.iter().zip(target).filter(|(v, t)| **v != NONE && *v != t) {
                let seen = |list: &[u32]| list.contains(v);
                if !flow.live_in(b, *v as usize) || seen(&moved) || seen(&partly) {
                    continue;
                }
                let both = ends.iter().all(|e| seen(e));
                if both { moved.push(*v) } else { partly.push(*v) }
            }
        }
        for v in moved {
            let places: Vec<Reg> = ends.iter().filter_map(|e| register(e, v as usize)).collect();
            let wish = places.iter().find(|r| target[r.index()] == NONE).copied();
            self.settle(&mut target, v as usize, begin, wish);
        }
        for (k, p) in block.params.iter().enumerate() {
            if flow.reads(p.index()).is_empty() {
                continue;
            }
            let from = |(end, pred): (&Held, &usize)| {
                let v = mir.blocks[*pred].values[k].index();
                register(end, v).filter(|_| !flow.live_in(b, v))
            };
            let mut places = ends.iter().zip(&block.preds).filter_map(from);
            let home = self.home[self.wishes.group[p.index()] as usize];
            let both = places.clone().find(|r| home == Some(*r));
            let wish = both.or_else(|| places.find(|r| target[r.index()] == NONE));
            self.settle(&mut target, p.index(), begin, wish);
        }
        for v in partly {
            let stored = block.preds.iter().all(|p| self.in_memory(v as usize, *p));
            // What waits in memory anyway stays there: the register may be wanted again on the next way.
            if !stored {
                let wish = ends.iter().find_map(|e| register(e, v as usize));
                self.settle(&mut target, v as usize, begin, wish);
            }
        }
        for (end, pred) in ends.iter().zip(&block.preds) {
            let at = mir.blocks[*pred].end - 1;
            let values = &mir.blocks[*pred].values;
            self.become_(end, |_| true);
            let mut stores = Vec::new();
            for (p, v) in block.params.iter().zip(values) {
                if !target.contains(&(p.index() as u32)) && !flow.reads(p.index()).is_empty() {
                    let slot = self.slot(p.index());
                    stores.push((self.place(v.index()), slot));
                }
            }
            for (v, _) in end.iter().zip(target).filter(|(v, t)| **v != NONE && *v != t) {
                let v = *v as usize;
                if flow.live_in(b, v) && !target.contains(&(v as u32)) && !self.in_memory(v, *pred)
                {
                    let slot = self.slot(v);
                    stores.push((self.place(v), slot));
                    self.note_store(v, *pred);
                }
            }
            let source = |w: &Self, v: usize| w.param(b, v).map_or(v, |k| values[k].index());
            self.run_moves(at, &target, source, &stores);
        }
        for p in &block.params {
            if !target.contains(&(p.index() as u32)) && !flow.reads(p.index()).is_empty() {
                self.note_store(p.index(), b);
            }
        }
        if self.spilled {
            let stored: Vec<usize> = flow
                .all_live_in(b)
                .filter(|v| self.slot_of[*v].is_some() && !self.in_memory(*v, b))
                .filter(|v| block.preds.iter().all(|p| self.in_memory(*v, *p)))
                .collect();
            for v in stored {
                self.note_store(v, b);
            }
        }
        self.become_(&target, |_| true);
        for p in &block.params {
            if let Some(r) = self.reg_of[p.index()] {
                self.home[self.wishes.group[p.index()] as usize].get_or_insert(r);
            }
        }
    }
}
