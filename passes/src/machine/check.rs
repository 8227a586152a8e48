//! Puts a check before every access to memory: one outside of what the kernel was given is told, and not done.
//!
//! ```text
//!                                    e = iadd p, 64 : i              behind the access
//!                                    low = isub p, start : i         slots: where the tensor begins, and ends
//!                                    high = isub end, e : i
//! v = load.w32 [p + 0] : f   ->      room = imin low, high : i
//!                                    if room >= 0 yield (v = x, zero) {
//!                                      x = load.w32 [p + 0] : f
//!                                    } else { .. report .. }
//! ```
//!
//! An address belongs to the pointers among the arguments that it was computed from: an access that leaves its tensor
//! and meets another is outside. Hints touch nothing and stay as they are.
//!
//! For finding mistakes of the compiler, and for data that nobody trusts; checked kernels run several times slower.

use kgen_ir::{diag::Unsupported, machine::*, target::Target, tile::Compare};
use std::collections::BTreeSet;

/// Checks every access; [`Slot::Report`] tells the first that was not done.
pub fn check(kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    if 4 * kernel.lanes > REPORT - REPORT_LANES {
        return Err(Unsupported {
            what: format!("checked accesses of {} lanes", kernel.lanes),
            target: target.name.into(),
            instead: format!("a target of at most {} lanes", (REPORT - REPORT_LANES) / 4),
        });
    }
    let from = origins(&kernel);
    let mut c = Checker { k: kernel, from, number: 0, out: Vec::new() };
    let body = std::mem::take(&mut c.k.body);
    c.k.body = c.block(&body);
    Ok(c.k)
}

/// Slots of memory that the value of a register was computed from.
type Origins = Vec<BTreeSet<usize>>;

fn origins(kernel: &Kernel) -> Origins {
    let mut from = vec![BTreeSet::new(); kernel.regs.len()];
    // What loops carry needs another round.
    loop {
        let before = from.clone();
        trace(kernel, &kernel.body, &mut from);
        if from == before {
            return from;
        }
    }
}

fn trace(kernel: &Kernel, body: &[Stmt], from: &mut Origins) {
    fn flow(from: &mut Origins, to: Reg, source: Reg) {
        let more = from[source.index()].clone();
        from[to.index()].extend(more);
    }
    for stmt in body {
        match stmt {
            Stmt::Inst(Inst { op: Op::Arg, def: Some(def), uses, .. }) => {
                if let [Operand::Imm(slot)] = uses[..]
                    && let Ok(slot) = usize::try_from(slot)
                    && kernel.slots.get(slot).is_some_and(is_memory)
                {
                    from[def.index()].insert(slot);
                }
            }
            Stmt::Inst(Inst {
                op: Op::Int(IntOp::Add | IntOp::Sub | IntOp::Min | IntOp::Max),
                def: Some(def),
                uses,
                ..
            }) => {
                for operand in uses {
                    if let Operand::Reg(reg) = operand {
                        flow(from, *def, *reg);
                    }
                }
            }
            Stmt::Inst(_) => {}
            Stmt::Loop(l) => {
                l.carried.iter().for_each(|c| flow(from, c.param, c.init));
                trace(kernel, &l.body, from);
                for c in &l.carried {
                    flow(from, c.param, c.yielded);
                    flow(from, c.result, c.param);
                }
            }
            Stmt::If(i) => {
                trace(kernel, &i.then, from);
                trace(kernel, &i.otherwise, from);
                for (result, a, b) in &i.yields {
                    flow(from, *result, *a);
                    flow(from, *result, *b);
                }
            }
        }
    }
}

fn is_memory(slot: &Slot) -> bool {
    match slot {
        Slot::Pointer(_) | Slot::Counter(_) | Slot::Scratch => true,
        Slot::Stride(..) | Slot::Extent(_) | Slot::End(_) | Slot::Report => false,
    }
}

struct Checker {
    k: Kernel,
    from: Origins,
    /// Of the instruction, counted through the text of the kernel.
    number: i64,
    /// The block being written.
    out: Vec<Stmt>,
}

impl Checker {
    fn block(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        let outer = std::mem::take(&mut self.out);
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    self.number += 1;
                    match (inst.op.memory(), inst.mem) {
                        (
                            Some((Access::Read | Access::Write | Access::Update, span)),
                            Some(mem),
                        ) => {
                            self.access(inst, mem, span);
                        }
                        (_, _) => self.out.push(stmt.clone()),
                    }
                }
                Stmt::Loop(l) => {
                    let body = self.block(&l.body);
                    self.out.push(Stmt::Loop(Box::new(Loop { body, ..(**l).clone() })));
                }
                Stmt::If(i) => {
                    let (then, otherwise) = (self.block(&i.then), self.block(&i.otherwise));
                    self.out.push(Stmt::If(Box::new(If { then, otherwise, ..(**i).clone() })));
                }
            }
        }
        std::mem::replace(&mut self.out, outer)
    }

    fn access(&mut self, inst: &Inst, mem: Mem, span: Span) {
        let base = self.add(Operand::Reg(mem.base), Operand::Imm(mem.offset.into()));
        let last = inst.uses.last().copied().unwrap_or(Operand::Imm(0));
        let size = |n: usize| Operand::Imm(n as i64);
        let (first, bytes) = match (span, last) {
            (Span::One(width), _) => (base, size(width.bytes())),
            (Span::Lanes(width), _) => (base, size(self.k.lanes * width.bytes())),
            (Span::Part(width), count) => (base, self.int(IntOp::Mul, count, size(width.bytes()))),
            (Span::Gather, Operand::Reg(index)) => self.spanned(base, index),
            // Bytes of the first lane: copies go to scratch, whose size the compiler knows.
            (Span::Apart(bytes), _) => (base, size(usize::from(bytes))),
            // No target of 16 lanes or fewer, which are all that are checked, has such an op.
            (Span::Scattered(width), _) => (base, size(width.bytes())),
            // All rows and what stands between them.
            (Span::Rows { rows, half }, apart) => {
                let whole = self.int(IntOp::Mul, apart, size(usize::from(rows) - 1));
                let lanes = if half { self.k.lanes / 2 } else { self.k.lanes };
                (base, self.add(whole, size(lanes * Width::W32.bytes())))
            }
            // The verifier of kernels refuses an index that is a number.
            (Span::Gather, Operand::Imm(_)) => (base, size(Width::W32.bytes())),
        };
        let end = self.add(first, bytes);
        let meant: Vec<usize> = self.from[mem.base.index()].iter().copied().collect();
        let all = || (0..self.k.slots.len()).filter(|s| is_memory(&self.k.slots[*s])).collect();
        // Of an address that comes from none of them, all that is known is that it must be in one.
        let slots: Vec<usize> = if meant.is_empty() { all() } else { meant };
        let mut room = Operand::Imm(-1);
        for slot in &slots {
            let (low, high) = self.limits(*slot);
            let below = self.int(IntOp::Sub, first, low);
            let above = self.int(IntOp::Sub, high, end);
            let here = self.int(IntOp::Min, below, above);
            room = if room == Operand::Imm(-1) { here } else { self.int(IntOp::Max, room, here) };
        }
        if let Span::Part(_) = span {
            // No elements may lie anywhere; the number of lanes must be one.
            let none = self.int(IntOp::Sub, Operand::Imm(0), last);
            room = self.int(IntOp::Max, room, none);
            let left = self.int(IntOp::Sub, Operand::Imm(self.k.lanes as i64), last);
            room = self.int(IntOp::Min, room, left);
            room = self.int(IntOp::Min, room, last);
        }
        let outer = std::mem::take(&mut self.out);
        let slot = if let [slot] = slots[..] { slot as i64 + 1 } else { 0 };
        self.report(first, bytes, slot);
        if let Op::Rows(RowsOp::Load | RowsOp::Half, _) = inst.op {
            return self.rows(inst, (room, base, last), outer);
        }
        let mut yields = Vec::new();
        let mut done = inst.clone();
        if let Some(def) = inst.def {
            let class = self.k.regs[def].class;
            let (real, zero) = (self.reg(class), self.reg(class));
            done.def = Some(real);
            let op = match class {
                Class::Int => Op::Const,
                Class::Float => Op::FloatConst,
                // Nothing loads a mask.
                Class::Word | Class::Mask => Op::WordConst,
            };
            self.push(op, Some(zero), vec![Operand::Imm(0)], None);
            yields.push((def, real, zero));
        }
        let otherwise = std::mem::replace(&mut self.out, outer);
        self.out.push(Stmt::If(Box::new(If {
            cmp: Compare::Ge,
            a: room,
            b: Operand::Imm(0),
            then: vec![Stmt::Inst(done)],
            otherwise,
            yields,
        })));
    }

    /// Rows that are not there are read from the report, all of them the same: no branch hands on an array.
    fn rows(
        &mut self,
        inst: &Inst,
        (room, at, apart): (Operand, Operand, Operand),
        outer: Vec<Stmt>,
    ) {
        let own = self.own_report();
        let [read, step, other, none, first, distance] = [(); 6].map(|()| self.reg(Class::Int));
        let lanes = Operand::Imm(REPORT_LANES as i64);
        self.push(Op::Int(IntOp::Add), Some(other), vec![Operand::Reg(own), lanes], None);
        self.push(Op::Const, Some(none), vec![Operand::Imm(0)], None);
        let otherwise = std::mem::replace(&mut self.out, outer);
        let zero = Operand::Imm(0);
        for (def, of) in [(first, at), (distance, apart)] {
            self.push(Op::Int(IntOp::Add), Some(def), vec![of, zero], None);
        }
        self.out.push(Stmt::If(Box::new(If {
            cmp: Compare::Ge,
            a: room,
            b: zero,
            then: vec![],
            otherwise,
            yields: vec![(read, first, other), (step, distance, none)],
        })));
        let mem = Some(Mem { base: read, offset: 0 });
        self.push(inst.op.clone(), inst.def, vec![Operand::Reg(step)], mem);
    }

    /// Address of the nearest word of a gather, and bytes until behind the farthest.
    fn spanned(&mut self, base: Operand, index: Reg) -> (Operand, Operand) {
        let own = self.own_report();
        let words = Mem { base: own, offset: REPORT_LANES as i32 };
        self.push(Op::Store(Width::W32), None, vec![Operand::Reg(index)], Some(words));
        let limit = |c: &mut Self, x: i32| {
            let reg = c.reg(Class::Int);
            c.push(Op::Const, Some(reg), vec![Operand::Imm(x.into())], None);
            reg
        };
        let (least, most) = (limit(self, i32::MAX), limit(self, i32::MIN));
        let [var, low, high, first, last] = [(); 5].map(|()| self.reg(Class::Int));
        let outer = std::mem::take(&mut self.out);
        let at = self.add(Operand::Reg(own), Operand::Reg(var));
        let word = self.reg(Class::Int);
        if let Operand::Reg(base) = at {
            let mem = Mem { base, ..words };
            self.push(Op::Read(Width::W32), Some(word), vec![], Some(mem));
        }
        let low_next = self.reg_of(IntOp::Min, low, word);
        let high_next = self.reg_of(IntOp::Max, high, word);
        let body = std::mem::replace(&mut self.out, outer);
        let carried = vec![
            Carried { result: first, param: low, init: least, yielded: low_next },
            Carried { result: last, param: high, init: most, yielded: high_next },
        ];
        let hi = Operand::Imm(4 * self.k.lanes as i64);
        let (lo, step) = (Operand::Imm(0), Operand::Imm(4));
        self.out.push(Stmt::Loop(Box::new(Loop { var, lo, hi, step, carried, body })));
        let away = self.int(IntOp::Mul, Operand::Reg(first), Operand::Imm(4));
        let words = self.int(IntOp::Sub, Operand::Reg(last), Operand::Reg(first));
        let bytes = self.int(IntOp::Mul, words, Operand::Imm(4));
        (self.add(base, away), self.add(bytes, Operand::Imm(4)))
    }

    /// Where the memory of a slot begins and ends for this worker.
    fn limits(&mut self, slot: usize) -> (Operand, Operand) {
        let start = self.arg(slot);
        match self.k.slots[slot].clone() {
            Slot::Pointer(name) => {
                let end = self.slot(&Slot::End(name));
                (start, self.arg(end))
            }
            Slot::Scratch => {
                let bytes = Operand::Imm(self.k.scratch as i64);
                let own = self.of_worker(start, self.k.scratch);
                (own, self.add(own, bytes))
            }
            Slot::Counter(_) | Slot::Stride(..) | Slot::Extent(_) | Slot::End(_) | Slot::Report => {
                (start, self.add(start, Operand::Imm(Width::W64.bytes() as i64)))
            }
        }
    }

    /// Says what was not done, unless this worker has said something before.
    fn report(&mut self, first: Operand, bytes: Operand, slot: i64) {
        let own = self.own_report();
        let word = |i: usize| Some(Mem { base: own, offset: 8 * i as i32 });
        let said = self.reg(Class::Int);
        self.push(Op::Read(Width::W64), Some(said), vec![], word(0));
        let outer = std::mem::take(&mut self.out);
        let (number, slot) = (Operand::Imm(self.number), Operand::Imm(slot));
        for (i, what) in [number, first, bytes, slot].into_iter().enumerate() {
            self.push(Op::Write(Width::W64), None, vec![what], word(i));
        }
        let then = std::mem::replace(&mut self.out, outer);
        self.out.push(Stmt::If(Box::new(If {
            cmp: Compare::Eq,
            a: Operand::Reg(said),
            b: Operand::Imm(0),
            then,
            otherwise: vec![],
            yields: vec![],
        })));
    }

    fn own_report(&mut self) -> Reg {
        let slot = self.slot(&Slot::Report);
        let start = self.arg(slot);
        match self.of_worker(start, REPORT) {
            Operand::Reg(reg) => reg,
            // It is a sum.
            Operand::Imm(_) => self.reg(Class::Int),
        }
    }

    fn of_worker(&mut self, start: Operand, bytes: usize) -> Operand {
        let worker = self.reg(Class::Int);
        self.push(Op::Worker, Some(worker), vec![], None);
        let away = self.int(IntOp::Mul, Operand::Reg(worker), Operand::Imm(bytes as i64));
        self.add(start, away)
    }

    /// Its number among the slots, new or not.
    fn slot(&mut self, slot: &Slot) -> usize {
        self.k.slots.iter().position(|s| s == slot).unwrap_or_else(|| {
            self.k.slots.push(slot.clone());
            self.k.slots.len() - 1
        })
    }

    /// Read where it is needed: kept in registers, the limits of all tensors would crowd out the kernel's own values.
    fn arg(&mut self, slot: usize) -> Operand {
        let def = self.reg(Class::Int);
        self.push(Op::Arg, Some(def), vec![Operand::Imm(slot as i64)], None);
        Operand::Reg(def)
    }

    fn add(&mut self, a: Operand, b: Operand) -> Operand {
        if b == Operand::Imm(0) { a } else { self.int(IntOp::Add, a, b) }
    }

    fn int(&mut self, op: IntOp, a: Operand, b: Operand) -> Operand {
        let def = self.reg(Class::Int);
        self.push(Op::Int(op), Some(def), vec![a, b], None);
        Operand::Reg(def)
    }

    fn reg_of(&mut self, op: IntOp, a: Reg, b: Reg) -> Reg {
        let def = self.reg(Class::Int);
        self.push(Op::Int(op), Some(def), vec![Operand::Reg(a), Operand::Reg(b)], None);
        def
    }

    fn reg(&mut self, class: Class) -> Reg {
        self.k.regs.add(RegData { name: "t".into(), class, words: 1 })
    }

    fn push(&mut self, op: Op, def: Option<Reg>, uses: Vec<Operand>, mem: Option<Mem>) {
        self.out.push(Stmt::Inst(Inst { op, def, uses: uses.into(), mem }));
    }
}
