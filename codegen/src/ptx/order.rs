//! Which accesses of memory wait for other lanes.
//!
//! Lanes of a warp need not go on together, so that what one lane wrote is there for another only behind
//! `bar.warp.sync` (PTX ISA, "bar.warp.sync": it orders the memory accesses of the lanes that take part). One is wanted
//! before a read that may follow a write, and before a write that may follow a read of what it overwrites.
//!
//! ```text
//! st.shared.f32 [%q7], %f1;
//! bar.warp.sync -1;
//! ld.shared.f32 %f2, [%q8+64];
//! ```

use kgen_ir::machine::*;

/// What lanes have done since they last waited for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    read: bool,
    wrote: bool,
}

/// What an instruction does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Since {
    pub fn join(self, other: Since) -> Since {
        Since { read: self.read || other.read, wrote: self.wrote || other.wrote }
    }
}

/// Memory of a kernel by the slot that its address comes from.
pub struct Order {
    /// Slots that hold an address.
    addresses: Vec<bool>,
    /// Slot of each register that is an address.
    slots: Vec<Option<usize>>,
    /// Slots that are both read and written, so that the order matters.
    mixed: Vec<bool>,
}

impl Order {
    pub fn of(kernel: &Kernel) -> Order {
        let address = |s: &Slot| match s {
            Slot::Pointer(_) | Slot::Counter(_) | Slot::Scratch | Slot::Report => true,
            Slot::Stride(..) | Slot::Extent(_) | Slot::End(_) => false,
        };
        let mut o = Order {
            addresses: kernel.slots.iter().map(address).collect(),
            slots: vec![None; kernel.regs.len()],
            mixed: vec![false; kernel.slots.len()],
        };
        let mut done = vec![(false, false); kernel.slots.len()];
        let mut lost = Since::default();
        o.trace(&kernel.body, &mut done, &mut lost);
        for (mixed, (read, wrote)) in o.mixed.iter_mut().zip(done) {
            // What is at an address of unknown origin may be anything.
            *mixed = (read || lost.read) && (wrote || lost.wrote);
        }
        o
    }

    /// The slot that the address in a register comes from.
    pub fn slot(&self, reg: Reg) -> Option<usize> {
        self.slots.get(reg.index()).copied().flatten()
    }

    fn set(&mut self, reg: Reg, slot: Option<usize>) {
        if let Some(place) = self.slots.get_mut(reg.index()) {
            *place = slot;
        }
    }

    fn trace(&mut self, body: &[Stmt], done: &mut [(bool, bool)], lost: &mut Since) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(def) = inst.def {
                        let slot = self.origin(inst);
                        self.set(def, slot);
                    }
                    let (Some(access), Some(mem)) = (access(&inst.op), inst.mem) else { continue };
                    let (read, wrote) = match self.slot(mem.base).and_then(|s| done.get_mut(s)) {
                        Some((read, wrote)) => (read, wrote),
                        None => (&mut lost.read, &mut lost.wrote),
                    };
                    match access {
                        Access::Read => *read = true,
                        Access::Write => *wrote = true,
                    }
                }
                Stmt::Loop(l) => {
                    for c in &l.carried {
                        self.set(c.param, self.slot(c.init));
                    }
                    self.trace(&l.body, done, lost);
                    for c in &l.carried {
                        // An address that another turn replaces by one from elsewhere.
                        let same = self.slot(c.yielded) == self.slot(c.init);
                        self.set(c.result, self.slot(c.init).filter(|_| same));
                    }
                }
                Stmt::If(i) => {
                    self.trace(&i.then, done, lost);
                    self.trace(&i.otherwise, done, lost);
                    for (result, a, b) in &i.yields {
                        let same = self.slot(*a) == self.slot(*b);
                        self.set(*result, self.slot(*a).filter(|_| same));
                    }
                }
            }
        }
    }

    /// The slot whose address the result of an instruction is.
    fn origin(&self, inst: &Inst) -> Option<usize> {
        let of = |o: &Operand| match o {
            Operand::Reg(r) => self.slot(*r),
            Operand::Imm(_) => None,
        };
        match (&inst.op, inst.uses.as_slice()) {
            (Op::Arg, [Operand::Imm(slot)]) => {
                usize::try_from(*slot).ok().filter(|s| self.addresses.get(*s) == Some(&true))
            }
            (Op::Int(IntOp::Add), [a, b]) => of(a).xor(of(b)),
            (Op::Int(IntOp::Sub), [a, _]) => of(a),
            _ => None,
        }
    }

    /// Whether lanes wait before `inst`, and what they have done behind it.
    pub fn step(&self, inst: &Inst, since: Since) -> (bool, Since) {
        let (Some(access), Some(mem)) = (access(&inst.op), inst.mem) else { return (false, since) };
        let mixed = self.slot(mem.base).and_then(|s| self.mixed.get(s)).copied().unwrap_or(true);
        if !mixed {
            return (false, since);
        }
        let wait = match access {
            Access::Read => since.wrote,
            Access::Write => since.read,
        };
        let before = if wait { Since::default() } else { since };
        let now = match access {
            Access::Read => Since { read: true, ..before },
            Access::Write => Since { wrote: true, ..before },
        };
        (wait, now)
    }

    /// What lanes have done behind a list of statements.
    pub fn behind(&self, body: &[Stmt], mut since: Since) -> Since {
        for stmt in body {
            since = match stmt {
                Stmt::Inst(inst) => self.step(inst, since).1,
                Stmt::Loop(l) => since.join(self.behind(&l.body, self.head(&l.body, since))),
                Stmt::If(i) => self.behind(&i.then, since).join(self.behind(&i.otherwise, since)),
            };
        }
        since
    }

    /// What lanes may have done where a turn of a loop begins: the first turn, or any other.
    pub fn head(&self, body: &[Stmt], before: Since) -> Since {
        let once = before.join(self.behind(body, before));
        once.join(self.behind(body, once))
    }
}

/// Counters are taken by one lane, and hints read nothing.
fn access(op: &Op) -> Option<Access> {
    match op {
        Op::Read(_)
        | Op::Load(_)
        | Op::Splat(_)
        | Op::LoadF16
        | Op::SplatF16
        | Op::LoadPart(_)
        | Op::Gather => Some(Access::Read),
        Op::Write(_) | Op::Store(_) | Op::StorePart(_) => Some(Access::Write),
        Op::Const
        | Op::Arg
        | Op::Worker
        | Op::Int(_)
        | Op::Next
        | Op::Prefetch(_)
        | Op::FloatConst
        | Op::WordConst
        | Op::Iota
        | Op::Spread
        | Op::Float(_)
        | Op::FloatUnary(_)
        | Op::Fma
        | Op::Word(_)
        | Op::Shift(_)
        | Op::Half(_)
        | Op::FloatCmp(_)
        | Op::WordCmp(_)
        | Op::Mask(_)
        | Op::Select
        | Op::Bits
        | Op::FromBits
        | Op::Cvt(_)
        | Op::Shuffle(_)
        | Op::HSum
        | Op::HMax
        | Op::WordHSum
        | Op::PermuteBytes
        | Op::Affine
        | Op::PackBf16
        | Op::Dot(_) => None,
    }
}
