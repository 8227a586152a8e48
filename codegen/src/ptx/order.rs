//! Which accesses of memory wait for other lanes.
//!
//! Lanes of a warp need not go on together, so that what one lane wrote is there for another only behind
//! `bar.warp.sync` (PTX ISA, "bar.warp.sync": it orders the memory accesses of the lanes that take part). One is wanted
//! before a read that may follow a write, and before a write that may follow a read or write of what it overwrites.
//!
//! ```text
//! st.shared.f32 [%q7], %f1;
//! bar.warp.sync -1;
//! ld.shared.f32 %f2, [%q8+64];
//! ```

use super::targets::LANES;
use kgen_ir::machine::*;

/// What lanes have done since they last waited for each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Memory that is written, too, was read.
    read: bool,
    stores: Vec<Store>,
    /// Memory that copies are on the way to: what arrives is as if it were stored where a lane waits for its own.
    copies: Vec<Option<usize>>,
}

/// Bytes that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Store {
    slot: Option<usize>,
    /// Register and bytes from it on; `None`: anywhere.
    place: Option<(Reg, i64, i64)>,
}

impl Since {
    pub fn join(mut self, other: &Since) -> Since {
        self.read |= other.read;
        for slot in &other.copies {
            if !self.copies.contains(slot) {
                self.copies.push(*slot);
            }
        }
        for store in &other.stores {
            if !self.stores.contains(store) {
                self.stores.push(*store);
            }
        }
        self
    }

    /// Behind a turn of a loop: registers are about to have other values.
    pub fn turned(mut self) -> Since {
        let mut stores: Vec<Store> = Vec::new();
        for store in self.stores {
            let store = Store { place: None, ..store };
            if !stores.contains(&store) {
                stores.push(store);
            }
        }
        self.stores = stores;
        self
    }
}

impl Store {
    /// May the two have a byte in common?
    fn meets(&self, other: &Store) -> bool {
        let same = self.slot.is_none() || other.slot.is_none() || self.slot == other.slot;
        same && match (self.place, other.place) {
            (Some((a, from, to)), Some((b, start, end))) if a == b => from < end && start < to,
            (Some(_) | None, Some(_) | None) => true,
        }
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
        let mut lost = (false, false);
        o.trace(&kernel.body, &mut done, &mut lost);
        for (mixed, (read, wrote)) in o.mixed.iter_mut().zip(done) {
            // What is at an address of unknown origin may be anything.
            *mixed = (read || lost.0) && (wrote || lost.1);
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

    fn trace(&mut self, body: &[Stmt], done: &mut [(bool, bool)], lost: &mut (bool, bool)) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(def) = inst.def {
                        let slot = self.origin(inst);
                        self.set(def, slot);
                    }
                    let (Some((writes, _)), Some(mem)) = (access(&inst.op), inst.mem) else {
                        continue;
                    };
                    let (read, wrote) = match self.slot(mem.base).and_then(|s| done.get_mut(s)) {
                        Some((read, wrote)) => (read, wrote),
                        None => (&mut lost.0, &mut lost.1),
                    };
                    *read |= !writes;
                    *wrote |= writes;
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

    /// Whether lanes wait before `inst`; then, what they have done behind it.
    pub fn step(&self, inst: &Inst, since: &mut Since) -> bool {
        if inst.op == Op::Async(AsyncOp::Wait) {
            let all = inst.uses == [Operand::Imm(0)];
            let arrived =
                if all { std::mem::take(&mut since.copies) } else { since.copies.clone() };
            since.stores.extend(arrived.into_iter().map(|slot| Store { slot, place: None }));
            return false;
        }
        let (Some((writes, bytes)), Some(mem)) = (access(&inst.op), inst.mem) else {
            return false;
        };
        let slot = self.slot(mem.base);
        let mixed = slot.and_then(|s| self.mixed.get(s)).copied().unwrap_or(true);
        let from = i64::from(mem.offset);
        let place = bytes.map(|bytes| (mem.base, from, from + bytes));
        let store = Store { slot, place };
        let anywhere = Store { slot, place: None };
        let wait = if writes {
            mixed && since.read || since.stores.iter().any(|s| s.meets(&store))
        } else {
            mixed && since.stores.iter().any(|s| s.meets(&anywhere))
        };
        if wait {
            *since = Since { copies: std::mem::take(&mut since.copies), ..Since::default() };
        }
        if let Op::Async(_) = inst.op {
            if !since.copies.contains(&slot) {
                since.copies.push(slot);
            }
        } else if writes {
            since.stores.push(store);
        } else {
            since.read |= mixed;
        }
        wait
    }

    /// What lanes have done behind a list of statements.
    pub fn behind(&self, body: &[Stmt], since: &Since) -> Since {
        let mut since = since.clone();
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    self.step(inst, &mut since);
                }
                Stmt::Loop(l) => {
                    let turn = self.behind(&l.body, &self.head(&l.body, &since));
                    since = since.join(&turn.turned());
                }
                Stmt::If(i) => {
                    since = self.behind(&i.then, &since).join(&self.behind(&i.otherwise, &since));
                }
            }
        }
        since
    }

    /// What lanes may have done where a turn of a loop begins: the first turn, or any other.
    pub fn head(&self, body: &[Stmt], before: &Since) -> Since {
        let once = before.clone().join(&self.behind(body, before).turned());
        let twice = self.behind(body, &once).turned();
        once.join(&twice)
    }
}

/// Whether it writes, else it reads, and how many bytes from its address on, if not only its lanes know. Counters are
/// taken by one lane, and hints read nothing.
fn access(op: &Op) -> Option<(bool, Option<i64>)> {
    let (access, span) = op.memory()?;
    let bytes = match span {
        Span::One(width) => Some(width.bytes() as i64),
        Span::Lanes(width) | Span::Part(width) => Some((LANES * width.bytes()) as i64),
        Span::Gather | Span::Scattered(_) | Span::Apart(_) => None,
    };
    match access {
        Access::Read => Some((false, bytes)),
        Access::Write => Some((true, bytes)),
        Access::Update | Access::Hint => None,
    }
}

#[cfg(test)]
mod tests {

    use kgen_ir::machine::parse::parse;

    /// Waits in the PTX of a kernel with an input `x` and an output `y`.
    fn waits(body: &str) -> usize {
        let text = format!(
            "machine m lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
             v = iota : w {body} }}"
        );
        let kernel = parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        let target = &super::super::targets::CHIPS[0].target;
        let (text, _) = super::super::emit(&kernel, target).unwrap_or_else(|e| panic!("{e}"));
        text.matches("bar.warp.sync").count()
    }

    #[test]
    fn lanes_wait_where_they_may_meet() {
        for (body, count) in [
            // Read here, written there.
            ("a = load.w32 [x + 0] : w store.w32 [y + 0], a b = load.w32 [x + 0] : w", 0),
            // Neighbours.
            ("store.w32 [y + 0], v store.w32 [y + 128], v", 0),
            ("store.w32 [y + 0], v store.w32 [y + 124], v", 1),
            ("store.w32 [y + 0], v z = iadd y, 512 : i store.w32 [z + 0], v", 1),
            // Read what was written, and overwrite what was read.
            ("store.w32 [y + 0], v a = splat.w32 [y + 64] : w", 1),
            ("a = splat.w32 [y + 64] : w store.w32 [y + 0], v", 1),
            // Where lanes say it.
            ("m = wcmp.eq v, v : m scatter.w32 [y + 0], v, v, m scatter.w32 [y + 128], v, v, m", 1),
            // Once for all reads behind it.
            ("store.w32 [y + 0], v a = splat.w32 [y + 64] : w b = splat.w32 [y + 68] : w", 1),
            // A turn meets the one before it.
            ("loop t in 0..4 step 1 { store.w32 [y + 0], v }", 1),
            ("if 0 < 1 { store.w32 [y + 0], v } a = load.w32 [y + 0] : w", 1),
        ] {
            assert_eq!(waits(body), count, "{body}");
        }
    }
}
