//! Instructions in their order: operands to registers.
//!
//! ```text
//! v9 = fma v8, v3, [v7 + 32]     v3 waits on the stack: a load before; v8 ends here: v9 takes its register
//! ```
//!
//! Where no register is free, the value that is read furthest away gives way. It is stored once: where it was when the
//! outermost loop began that it passes through, so that no turn stores it again.

use super::{
    Allocation, COUNT, EVERY, Edit, Reg, Registers,
    flow::{FAR, Flow, NONE},
    moves::Place,
    wish::Wishes,
};
use crate::cpu::native::mir::{Bank, How, Kind, Mir};

/// Which value each register holds.
pub type Held = [u32; COUNT];

pub struct Walk<'a> {
    pub mir: &'a Mir,
    pub flow: &'a Flow,
    pub wishes: &'a Wishes,
    pub registers: Registers,
    pub out: Allocation,
    pub held: Held,
    pub free: u64,
    /// By value: its register, if it is in one.
    pub reg_of: Vec<Option<Reg>>,
    pub slot_of: Vec<Option<u32>>,
    /// By value: the last of the blocks where it was stored, in `stores` with the one before.
    stored: Vec<Option<u32>>,
    stores: Vec<(u32, Option<u32>)>,
    /// By group: the register that it wants.
    pub home: Vec<Option<Reg>>,
    /// By register: the group that will want it again, and where.
    pub promised: [u32; COUNT],
    wanted: [u32; COUNT],
    pub block: usize,
    /// State at the end of each block, and at the head of each loop.
    pub ends: Vec<Held>,
    pub heads: Vec<Held>,
    pub spilled: bool,
}

pub fn allocate(mir: &Mir, registers: Registers) -> Allocation {
    let flow = Flow::new(mir);
    let wishes = Wishes::new(mir, &flow);
    let nobody = [NONE; COUNT];
    let mut w = Walk {
        mir,
        flow: &flow,
        wishes: &wishes,
        registers,
        out: Allocation {
            regs: vec![Reg(0); mir.operands.len()],
            max_live_vectors: flow.whole[Bank::Vector as usize] as usize,
            ..Allocation::default()
        },
        held: nobody,
        free: registers.all,
        reg_of: vec![None; mir.vregs],
        slot_of: vec![None; mir.vregs],
        stored: vec![None; mir.vregs],
        stores: Vec::new(),
        home: vec![None; mir.vregs],
        promised: nobody,
        wanted: [0; COUNT],
        block: 0,
        ends: Vec::with_capacity(mir.blocks.len()),
        heads: vec![nobody; mir.loops.len()],
        spilled: false,
    };
    let mut outside = vec![nobody; mir.loops.len()];
    for (b, block) in mir.blocks.iter().enumerate() {
        w.block = b;
        w.enter(b);
        for i in block.first..block.end - 1 {
            w.inst(i);
        }
        if let (Kind::Jump, Some(s)) = (mir.insts[block.end - 1].kind, block.succs[0])
            && let Some(l) = mir.blocks[s].within.filter(|_| mir.blocks[s].head)
        {
            if s > b {
                outside[l] = w.promised;
                w.begin_loop(s, l);
            } else {
                w.again(l);
                w.promise_all(outside[l]);
            }
        }
        w.ends.push(w.held);
    }
    let mut out = w.out;
    out.edits.sort_by_key(|(at, _)| *at);
    out
}

impl Walk<'_> {
    pub fn edit(&mut self, at: usize, edit: Edit) {
        self.out.edits.push((at as u32, edit));
    }

    fn within(&self) -> Option<usize> {
        self.mir.blocks[self.block].within
    }

    /// The register holds the value from now on.
    pub fn take(&mut self, r: Reg, v: usize) {
        self.held[r.index()] = v as u32;
        self.reg_of[v] = Some(r);
        self.free &= !r.bit();
        let group = self.wishes.group[v] as usize;
        self.home[group].get_or_insert(r);
    }

    pub fn drop(&mut self, v: usize) {
        if let Some(r) = self.reg_of[v].take() {
            self.held[r.index()] = NONE;
            self.free |= r.bit();
        }
    }

    /// Begins with another state.
    pub fn become_(&mut self, held: &Held, lives: impl Fn(usize) -> bool) {
        for v in self.held {
            if v != NONE {
                self.reg_of[v as usize] = None;
            }
        }
        self.held = [NONE; COUNT];
        self.free = self.registers.all;
        for (n, v) in held.iter().enumerate() {
            if *v != NONE && lives(*v as usize) {
                self.held[n] = *v;
                self.reg_of[*v as usize] = Some(Reg(n as u8));
                self.free &= !(1 << n);
            }
        }
    }

    pub fn promise(&mut self, r: Reg, group: u32) {
        (self.promised[r.index()], self.wanted[r.index()]) = (group, 0);
    }

    fn promise_all(&mut self, promised: [u32; COUNT]) {
        (self.promised, self.wanted) = (promised, [0; COUNT]);
    }

    /// When somebody wants the register next.
    fn wanted(&mut self, r: Reg, at: u32) -> u32 {
        let n = r.index();
        if self.wanted[n] <= at {
            let group = self.promised[n];
            let birth = if group == NONE { NONE } else { self.wishes.next_birth(group, at) };
            self.wanted[n] = birth.min(self.fixed(r, at));
        }
        self.wanted[n]
    }

    pub fn fixed(&self, r: Reg, at: u32) -> u32 {
        match r.bank() {
            Bank::General => self.wishes.next_fixed(r.number(), at),
            Bank::Vector | Bank::Mask => NONE,
        }
    }

    /// The best for the value among these.
    pub fn choose(&mut self, v: usize, among: u64, at: u32) -> Option<Reg> {
        let facts = self.flow.values[v];
        let among = among & EVERY[facts.bank as usize];
        if let Some(home) = self.home[self.wishes.group[v] as usize]
            && among & home.bit() != 0
            && self.fixed(home, at) >= facts.end
        {
            return Some(home);
        }
        // One that nobody wants while it lives: soon after, so that others stay free. Else the one wanted last.
        let mut best: Option<(bool, u32, Reg)> = None;
        for part in [among & self.registers.first, among & !self.registers.first] {
            let mut rest = part;
            while rest != 0 {
                let r = Reg(rest.trailing_zeros() as u8);
                rest &= rest - 1;
                let wanted = self.wanted(r, at);
                let fits = wanted >= facts.end;
                let better = match best {
                    None => true,
                    Some((true, old, _)) => fits && wanted < old,
                    Some((false, old, _)) => fits || wanted > old,
                };
                if better {
                    best = Some((fits, wanted, r));
                }
            }
            if best.is_some_and(|(fits, _, _)| fits) {
                break;
            }
        }
        best.map(|(_, _, r)| r)
    }

    /// A register for the value, which somebody gives up if need be.
    fn claim(&mut self, v: usize, but: u64, at: usize) -> Reg {
        let bank = self.flow.values[v].bank;
        if let Some(r) = self.choose(v, self.free & !but, at as u32) {
            return r;
        }
        let victim = self.victim(bank, but, at as u32);
        self.evict(victim.1, at);
        victim.0
    }

    /// The register of the value that is read furthest away.
    fn victim(&mut self, bank: Bank, but: u64, at: u32) -> (Reg, usize) {
        let mut rest = self.registers.of_bank(bank) & !but & !self.free;
        let mut best = (0, Reg(0), 0);
        while rest != 0 {
            let r = Reg(rest.trailing_zeros() as u8);
            rest &= rest - 1;
            let v = self.held[r.index()];
            if v == NONE {
                continue;
            }
            let far = self.distance(v as usize, at);
            if far >= best.0 {
                best = (far, r, v as usize);
            }
        }
        (best.1, best.2)
    }

    /// How far away its next read is; less where giving it up costs a store in this loop.
    pub fn distance(&self, v: usize, at: u32) -> u32 {
        let far = self.flow.next_read(self.mir, v, at, self.within());
        let facts = self.flow.values[v];
        let inside = self.within().is_some_and(|l| facts.born >= self.flow.spans[l].0);
        if far < FAR && inside && facts.remake.is_none() && !self.in_memory(v, self.block) {
            1 + far / 2
        } else {
            1 + far.min(NONE - 1)
        }
    }

    /// Whether it can be had without a register at the end of the block.
    pub fn in_memory(&self, v: usize, block: usize) -> bool {
        if self.flow.values[v].remake.is_some() {
            return true;
        }
        let mut s = self.stored[v];
        while let Some(n) = s {
            let (at, before) = self.stores[n as usize];
            if self.flow.dominates(at, block as u32) {
                return true;
            }
            s = before;
        }
        false
    }

    pub fn note_store(&mut self, v: usize, block: usize) {
        self.stores.push((block as u32, self.stored[v]));
        self.stored[v] = Some(self.stores.len() as u32 - 1);
    }

    pub fn slot(&mut self, v: usize) -> u32 {
        self.spilled = true;
        *self.slot_of[v].get_or_insert_with(|| {
            self.out.slots.push(self.flow.values[v].bank);
            self.out.slots.len() as u32 - 1
        })
    }

    /// Where the value is.
    pub fn place(&mut self, v: usize) -> Place {
        match (self.reg_of[v], self.flow.values[v].remake) {
            (Some(r), _) => Place::Reg(r),
            (None, Some(inst)) => Place::Remake(inst),
            (None, None) => Place::Slot(self.slot(v)),
        }
    }

    /// Gives up the register of the value, which somebody reads later.
    pub fn evict(&mut self, v: usize, at: usize) {
        if !self.in_memory(v, self.block) {
            self.store(v, at);
        }
        self.spilled = true;
        self.drop(v);
    }

    /// Stores the value, outside of all loops that it was not made in.
    fn store(&mut self, v: usize, at: usize) {
        let Some(mut r) = self.reg_of[v] else { return };
        let (mut at, mut block) = (at, self.block);
        let made = self.flow.values[v].born;
        let mut l = self.within();
        while let Some(n) = l.filter(|n| made < self.flow.spans[*n].0) {
            let head = self.mir.loops[n].blocks.0;
            let found = self.heads[n].iter().position(|x| *x == v as u32);
            let before = self.mir.blocks[head].preds.iter().find(|p| **p < head);
            let (Some(n), Some(p)) = (found, before) else { break };
            (r, block) = (Reg(n as u8), *p);
            at = self.mir.blocks[block].end - 1;
            l = self.mir.blocks[block].within;
        }
        // A loop may not run at all: before the branch, so that both ways agree.
        if self.mir.only_jumps(block)
            && at == self.mir.blocks[block].end - 1
            && let [p] = self.mir.blocks[block].preds[..]
            && let Some(n) = self.ends[p].iter().position(|x| *x == v as u32)
        {
            (r, block, at) = (Reg(n as u8), p, self.mir.blocks[p].end - 1);
        }
        let slot = self.slot(v);
        self.edit(at, Edit::Store { from: r, slot });
        self.note_store(v, block);
    }

    /// Brings the value into the register, without making it its home.
    fn bring(&mut self, v: usize, to: Reg, at: usize) {
        let edit = match self.place(v) {
            Place::Reg(from) => Edit::Move { from, to },
            Place::Slot(slot) => Edit::Load { slot, to },
            Place::Remake(inst) => Edit::Remake { inst, to },
        };
        self.edit(at, edit);
    }

    /// Makes room in a register: its value goes to a free one, or gives way.
    fn vacate(&mut self, r: Reg, but: u64, at: usize) {
        let v = self.held[r.index()];
        if v == NONE {
            return;
        }
        let v = v as usize;
        match self.choose(v, self.free & !but & !r.bit(), at as u32) {
            Some(to) => {
                self.bring(v, to, at);
                self.drop(v);
                self.take(to, v);
            }
            None => self.evict(v, at),
        }
    }

    fn inst(&mut self, i: usize) {
        let places = self.mir.places(i);
        let (first, count) = (places.start, places.len());
        if count == 0 {
            return;
        }
        let mir = self.mir;
        let operands = &mir.operands[places];
        let dies = &self.flow.dies[first..first + count];
        // Registers that are read, and those lent for the instruction alone.
        let (mut read, mut lent) = (0u64, 0u64);
        for (n, o) in operands.iter().enumerate() {
            let How::UseIn(number) = o.how else { continue };
            let (v, r) = (o.value.index(), Reg::new(o.value.bank(), number));
            read |= r.bit();
            if self.reg_of[v] != Some(r) {
                self.vacate(r, read, i);
                self.bring(v, r, i);
                if self.reg_of[v].is_some() && !dies[n] {
                    self.free &= !r.bit();
                    lent |= r.bit();
                } else {
                    self.drop(v);
                    self.take(r, v);
                }
            }
            self.out.regs[first + n] = r;
        }
        for (n, o) in operands.iter().enumerate().filter(|(_, o)| o.how == How::Use) {
            if let Some(r) = self.reg_of[o.value.index()] {
                read |= r.bit();
                self.out.regs[first + n] = r;
            }
        }
        // A source that lives on is copied to where the result will be.
        let tied = operands.iter().enumerate().find_map(|(n, o)| match o.how {
            How::DefAt(k) if !dies[usize::from(k)] => Some((n, usize::from(k))),
            How::Use | How::UseIn(_) | How::Def | How::DefIn(_) => None,
            How::DefAt(_) | How::DefEarly | How::Temp => None,
        });
        for (n, o) in operands.iter().enumerate().filter(|(_, o)| o.how == How::Use) {
            let v = o.value.index();
            let copied = tied.is_some_and(|(_, k)| k == n);
            if self.reg_of[v].is_none() && !copied {
                let r = self.claim(v, read, i);
                self.bring(v, r, i);
                self.take(r, v);
                read |= r.bit();
            }
            if let Some(r) = self.reg_of[v] {
                self.out.regs[first + n] = r;
            }
        }
        let mut made = 0u64;
        if let Some((n, k)) = tied {
            let (def, v) = (operands[n].value.index(), operands[k].value.index());
            let r = self.claim(def, read, i);
            self.bring(v, r, i);
            self.out.regs[first + k] = r;
            self.free &= !r.bit();
            made |= r.bit();
        }
        for (n, o) in operands.iter().enumerate() {
            if matches!(o.how, How::DefEarly | How::Temp) {
                let r = self.claim(o.value.index(), read | made, i);
                self.take(r, o.value.index());
                self.out.regs[first + n] = r;
                made |= r.bit();
            }
        }
        for (o, dies) in operands.iter().zip(dies) {
            if o.how.reads() && *dies {
                self.drop(o.value.index());
            }
        }
        self.free |= lent;
        for (n, o) in operands.iter().enumerate() {
            let r = match o.how {
                How::DefAt(k) => self.out.regs[first + usize::from(k)],
                How::DefIn(number) => Reg::new(o.value.bank(), number),
                How::Use | How::UseIn(_) | How::Def | How::DefEarly | How::Temp => continue,
            };
            self.vacate(r, read | made, i);
            self.take(r, o.value.index());
            self.out.regs[first + n] = r;
            made |= r.bit();
        }
        for (n, o) in operands.iter().enumerate().filter(|(_, o)| o.how == How::Def) {
            let r = self.claim(o.value.index(), made, i);
            self.take(r, o.value.index());
            self.out.regs[first + n] = r;
            made |= r.bit();
        }
        for (o, dies) in operands.iter().zip(dies) {
            if !o.how.reads() && *dies {
                self.drop(o.value.index());
            }
        }
    }
}
