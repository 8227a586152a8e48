//! Machine statements become instructions: by the templates of the rows, and by hand where an op has parameters of
//! its own or where the choice depends on what stands around it.
//!
//! ```text
//! s = fma x, y, c : f            VEX_Vfmadd231ps_ymm_ymm_ymmm256 s = c, x, y
//! p = iadd x, o : i              (nothing)
//! v = load.w32 [p + 64] : f      VEX_Vmovups_ymm_ymmm256 v = [x + o + 64]
//! ```

mod integer;
mod row;
mod shuffle;

use super::{
    instr::{self, Instr},
    isa::{self, Isa},
    mir::{Bank, GPR, Given, MASK, Mir, VECTOR, VReg, WriteMask},
    scan::{Load, Scan},
    template::Templates,
};
use iced_x86::Code;
use kgen_ir::{machine::*, tile::Compare};

/// What is wrong with a kernel, and what to do instead.
pub struct Refused(pub String, pub &'static str);

pub const VERIFY: &str = "verify the kernel first";

pub fn select(
    kernel: &Kernel,
    isa: &'static Isa,
    templates: &'static Templates,
    scan: &Scan,
) -> Result<Mir, Refused> {
    let mut s = Select {
        kernel,
        isa,
        templates,
        scan,
        mir: Mir::default(),
        values: vec![Value::default(); kernel.regs.len()],
        defined: Vec::new(),
        at: 0,
        arguments: VReg::INVALID,
        worker: VReg::INVALID,
    };
    let start = s.mir.label();
    s.mir.block(start, Vec::new());
    s.arguments = s.mir.vreg(GPR);
    s.worker = s.mir.vreg(GPR);
    s.mir.entry(&[(s.arguments, isa::RDI), (s.worker, isa::RSI)]);
    s.list(&kernel.body)?;
    s.mir.ret();
    s.mir.connect();
    Ok(s.mir)
}

/// Where a register of the kernel is.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    here: Option<VReg>,
    sum: Option<Sum>,
    /// So many times a register, which addresses multiply.
    scaled: Option<(VReg, u8)>,
}

/// An address that its users add up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    base: VReg,
    index: Option<(VReg, u8)>,
    offset: i32,
}

pub(super) struct Select<'a> {
    kernel: &'a Kernel,
    pub(super) isa: &'static Isa,
    templates: &'static Templates,
    scan: &'a Scan,
    pub(super) mir: Mir,
    values: Vec<Value>,
    /// Registers defined since the open block began.
    defined: Vec<Reg>,
    at: u32,
    arguments: VReg,
    worker: VReg,
}

pub(super) type Done<T> = Result<T, Refused>;

fn fits(x: i64) -> Option<i32> {
    i32::try_from(x).ok()
}

impl Select<'_> {
    fn name(&self, reg: Reg) -> String {
        self.kernel.reg_name(reg)
    }

    pub(super) fn class(&self, class: Class) -> Bank {
        match class {
            Class::Int => GPR,
            Class::Float | Class::Word => VECTOR,
            Class::Mask if self.isa.k => MASK,
            Class::Mask => VECTOR,
        }
    }

    fn class_of(&self, reg: Reg) -> Done<Bank> {
        match self.kernel.regs.get(reg) {
            Some(data) => Ok(self.class(data.class)),
            None => Err(Refused(format!("register {}", reg.index()), VERIFY)),
        }
    }

    fn set(&mut self, reg: Reg, value: Value) -> Done<()> {
        let name = || format!("a second `{}`", self.kernel.reg_name(reg));
        match self.values.get_mut(reg.index()) {
            Some(v) if v.here.is_none() && v.sum.is_none() && v.scaled.is_none() => *v = value,
            Some(_) => return Err(Refused(name(), VERIFY)),
            None => return Err(Refused(format!("register {}", reg.index()), VERIFY)),
        }
        self.defined.push(reg);
        Ok(())
    }

    fn bind(&mut self, reg: Reg, vreg: VReg) -> Done<()> {
        if self.class_of(reg)? != vreg.bank() {
            return Err(Refused(format!("`{}` in that class", self.name(reg)), VERIFY));
        }
        self.set(reg, Value { here: Some(vreg), ..Value::default() })
    }

    /// The register in a register.
    pub(super) fn value(&mut self, reg: Reg) -> Done<VReg> {
        let value = self.values.get(reg.index()).copied().unwrap_or_default();
        if let Some(vreg) = value.here {
            return Ok(vreg);
        }
        if let Some(sum) = value.sum {
            let def = self.mir.vreg(GPR);
            let mem = self.sum(sum, 0);
            self.emit(Code::Lea_r64_m, Some(def), &[mem])?;
            return Ok(def);
        }
        if let Some((times, by)) = value.scaled {
            return self.times(times, by.into(), false);
        }
        Err(Refused(format!("register `{}` before its definition", self.name(reg)), VERIFY))
    }

    fn of_class(&mut self, reg: Reg, class: Bank) -> Done<VReg> {
        let vreg = self.value(reg)?;
        if vreg.bank() == class {
            Ok(vreg)
        } else {
            Err(Refused(format!("`{}` as an operand of that class", self.name(reg)), VERIFY))
        }
    }

    /// The sum as a memory operand, with more bytes added.
    fn sum(&self, sum: Sum, offset: i32) -> Given {
        Given::Mem {
            base: Some(sum.base),
            index: sum.index,
            offset: sum.offset.wrapping_add(offset),
            broadcast: false,
        }
    }

    pub(super) fn emit(&mut self, code: Code, def: Option<VReg>, sources: &[Given]) -> Done<()> {
        let instr = instr::coded(code)
            .ok_or_else(|| Refused(format!("{code:?}"), "bless the instruction table"))?;
        self.push(instr, def, sources, None)
    }

    fn push(
        &mut self,
        instr: &'static Instr,
        def: Option<VReg>,
        sources: &[Given],
        mask: Option<WriteMask>,
    ) -> Done<()> {
        self.mir
            .instr(instr, def, sources, mask)
            .ok_or_else(|| Refused(format!("these operands of {}", instr.name), VERIFY))
    }

    fn list(&mut self, list: &[Stmt]) -> Done<()> {
        for stmt in list {
            self.at += 1;
            match stmt {
                Stmt::Inst(inst) => self.inst(inst)?,
                Stmt::Loop(l) => self.loop_(l)?,
                Stmt::If(i) => self.if_(i)?,
            }
        }
        Ok(())
    }

    /// Forgets what was defined since.
    fn leave(&mut self, outer: usize) {
        for reg in self.defined.drain(outer..) {
            self.values[reg.index()] = Value::default();
        }
    }

    fn loop_(&mut self, l: &Loop) -> Done<()> {
        if let Operand::Imm(step) = l.step
            && step <= 0
        {
            let what = format!("loop {} with step {step}", self.name(l.var));
            return Err(Refused(what, VERIFY));
        }
        let lo = self.int(l.lo)?;
        let hi = self.small(l.hi)?;
        let mut inits = Vec::with_capacity(l.carried.len());
        for c in &l.carried {
            inits.push(self.value(c.init)?);
        }
        let (head, latch, done) = (self.mir.label(), self.mir.label(), self.mir.label());
        let runs = matches!((l.lo, l.hi), (Operand::Imm(a), Operand::Imm(b)) if a < b);
        let mut starts = vec![lo];
        starts.extend(&inits);
        let skip = self.mir.label();
        if runs {
            self.mir.jump(head, starts);
        } else {
            let enter = self.mir.label();
            self.compare(lo, hi)?;
            self.mir.branch(Compare::Ge, skip, enter);
            self.mir.block(enter, Vec::new());
            self.mir.jump(head, starts);
        }

        self.mir.open_loop();
        let outer = self.defined.len();
        let mut params = vec![self.mir.vreg(GPR)];
        for init in &inits {
            params.push(self.mir.vreg(init.bank()));
        }
        self.mir.block(head, params.clone());
        self.mir.head();
        for (reg, param) in
            std::iter::once(l.var).chain(l.carried.iter().map(|c| c.param)).zip(&params)
        {
            self.bind(reg, *param)?;
        }
        self.list(&l.body)?;
        self.at += 1;
        let mut ends = Vec::with_capacity(l.carried.len() + 1);
        for (c, init) in l.carried.iter().zip(&inits) {
            ends.push(self.of_class(c.yielded, init.bank())?);
        }
        let var = self.value(l.var)?;
        // A constant is made again.
        let hi = self.small(l.hi)?;
        let (index, offset) = match self.small(l.step)? {
            Ok(v) => (Some((v, 1)), 0),
            Err(x) => (None, fits(x).unwrap_or(0)),
        };
        let mem = Given::Mem { base: Some(var), index, offset, broadcast: false };
        let next = self.ints(Code::Lea_r64_m, &[mem])?;
        self.compare(next, hi)?;
        self.mir.branch(Compare::Lt, latch, done);
        self.mir.block(latch, Vec::new());
        let mut again = vec![next];
        again.extend(&ends);
        self.mir.jump(head, again);
        self.mir.close_loop();
        self.leave(outer);

        self.mir.block(done, Vec::new());
        let results = if runs {
            ends // nothing else leads here
        } else {
            let exit = self.mir.label();
            self.mir.jump(exit, ends);
            self.mir.block(skip, Vec::new());
            self.mir.jump(exit, inits.clone());
            let results: Vec<VReg> = inits.iter().map(|i| self.mir.vreg(i.bank())).collect();
            self.mir.block(exit, results.clone());
            results
        };
        for (c, result) in l.carried.iter().zip(results) {
            self.bind(c.result, result)?;
        }
        Ok(())
    }

    fn if_(&mut self, i: &If) -> Done<()> {
        let (then, otherwise, exit) = (self.mir.label(), self.mir.label(), self.mir.label());
        let a = self.int(i.a)?;
        let b = self.small(i.b)?;
        let outer = self.defined.len();
        self.compare(a, b)?;
        self.mir.branch(i.cmp, then, otherwise);
        let mut classes = Vec::with_capacity(i.yields.len());
        let branches = [(then, &i.then, true), (otherwise, &i.otherwise, false)];
        for (label, list, first) in branches {
            self.mir.block(label, Vec::new());
            self.list(list)?;
            self.at += 1;
            let mut values = Vec::with_capacity(i.yields.len());
            for (n, y) in i.yields.iter().enumerate() {
                let value = self.value(if first { y.1 } else { y.2 })?;
                if first {
                    classes.push(value.bank());
                } else if classes.get(n) != Some(&value.bank()) {
                    return Err(Refused(format!("`{}` of two classes", self.name(y.0)), VERIFY));
                }
                values.push(value);
            }
            self.mir.jump(exit, values);
            self.leave(outer);
        }
        let results: Vec<VReg> = classes.iter().map(|c| self.mir.vreg(*c)).collect();
        self.mir.block(exit, results.clone());
        for (y, result) in i.yields.iter().zip(results) {
            self.bind(y.0, result)?;
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst) -> Done<()> {
        let signature = inst.op.signature();
        let class = inst.def.and_then(|d| self.kernel.regs.get(d)).map(|d| d.class);
        let whole = inst.uses.len() == signature.uses.len()
            && inst.mem.is_some() == signature.mem
            && match class {
                Some(class) => signature.def.contains(&class),
                None => inst.def.is_none() && signature.def.is_empty(),
            };
        let immediates = inst.uses.iter().zip(signature.uses).all(|(o, u)| match (o, u) {
            (Operand::Imm(_), Use::Imm | Use::Of(Class::Int)) => true,
            (Operand::Imm(_), Use::Of(_) | Use::Vector | Use::Same)
            | (Operand::Reg(_), Use::Imm) => false,
            (Operand::Reg(_), Use::Of(_) | Use::Vector | Use::Same) => true,
        });
        if !whole || !immediates || !in_range(inst, class, self.kernel) {
            return Err(self.bad(inst));
        }
        if inst.def.is_some_and(|d| self.scan.folded(d).or(self.scan.remade(d)).is_some()) {
            return Ok(()); // its users load
        }
        if inst.def.is_some_and(|d| self.scan.bits_of_both(d).is_some()) {
            return Ok(()); // its user does it
        }
        let uses = inst.uses.as_slice();
        let Some(def) = inst.def else {
            // Sums of a row leave one lane each: no mask for that.
            if let (Op::StorePart(Width::W32), [Operand::Reg(value), Operand::Imm(1)], Some(mem)) =
                (&inst.op, uses, inst.mem)
            {
                let value = self.of_class(*value, VECTOR)?;
                let mem = self.address(mem)?;
                return self.emit(self.isa.store_one, None, &[mem, Given::Reg(value)]);
            }
            return self.row(inst, None);
        };
        match (&inst.op, uses) {
            (Op::Const, [Operand::Imm(x)]) => {
                let v = self.constant(*x)?;
                self.bind(def, v)
            }
            (Op::Arg, [Operand::Imm(slot)]) => {
                let offset = slot.checked_mul(8).and_then(fits).ok_or_else(|| self.bad(inst))?;
                let base = Some(self.arguments);
                let mem = Given::Mem { base, index: None, offset, broadcast: false };
                let v = self.ints(Code::Mov_r64_rm64, &[mem])?;
                self.bind(def, v)
            }
            (Op::Worker, _) => self.bind(def, self.worker),
            (Op::Int(op), [a, b]) => self.integer(*op, def, *a, *b),
            (Op::Bits | Op::FromBits, [Operand::Reg(from)]) => {
                let v = self.value(*from)?;
                self.bind(def, v)
            }
            (Op::FloatConst | Op::WordConst, [Operand::Imm(0)]) => {
                let v = self.mir.zero(VECTOR);
                self.bind(def, v)
            }
            (Op::Fma, [Operand::Reg(a), Operand::Reg(b), Operand::Reg(c)]) => {
                self.fma(def, *a, *b, *c)
            }
            (Op::Word(WordOp::Or), [Operand::Reg(a), Operand::Reg(b)])
                if self.scan.bits_of_both(*a).or(self.scan.bits_of_both(*b)).is_some() =>
            {
                let (other, both) = match (self.scan.bits_of_both(*b), *a) {
                    (Some(both), a) => (a, both),
                    (None, a) => (*b, self.scan.bits_of_both(a).unwrap_or([a, a])),
                };
                self.join_bits(def, other, both)
            }
            (Op::LoadPart(Width::W32), [Operand::Imm(n)]) if 2 * *n == self.isa.lanes as i64 => {
                let mem = self.address(inst.mem.ok_or_else(|| self.bad(inst))?)?;
                let v = self.mir.vreg(VECTOR);
                self.emit(self.isa.load_half, Some(v), &[mem])?;
                self.bind(def, v)
            }
            (Op::Gather, [Operand::Reg(index)]) => {
                let mem = inst.mem.ok_or_else(|| self.bad(inst))?;
                let index = self.of_class(*index, VECTOR)?;
                // The place of a second register is taken.
                let (base, offset) = match self.address(mem)? {
                    Given::Mem { base: Some(base), index: None, offset, .. } => (base, offset),
                    Given::Mem { .. } | Given::Reg(_) | Given::Imm(_) | Given::Pool { .. } => {
                        (self.of_class(mem.base, GPR)?, mem.offset)
                    }
                };
                let v = self.mir.gather(base, offset, index, self.class(Class::Mask));
                self.bind(def, v)
            }
            (Op::Shuffle(table), [Operand::Reg(a), Operand::Reg(b)]) => {
                let (a, b) = (self.of_class(*a, VECTOR)?, self.of_class(*b, VECTOR)?);
                let v = self.shuffle(table, a, b)?;
                self.bind(def, v)
            }
            (
                Op::Cvt(cvt @ (Cvt::FloatFromF16 | Cvt::FloatFromF16Low | Cvt::FloatFromF16High)),
                [Operand::Reg(from)],
            ) if let Some(Load::Vector(mem, _)) = self.scan.folded(*from) => {
                let half = self.isa.bytes() as i32 / 2;
                let more = if *cvt == Cvt::FloatFromF16High { half } else { 0 };
                let offset = mem.offset.checked_add(more).ok_or_else(|| self.bad(inst))?;
                let mem = self.address(Mem { offset, ..mem })?;
                let v = self.mir.vreg(VECTOR);
                self.emit(self.isa.half_load, Some(v), &[mem])?;
                self.bind(def, v)
            }
            _ => self.row(inst, Some(def)),
        }
    }

    fn bad(&self, inst: &Inst) -> Refused {
        Refused(format!("`{}`", print::show(self.kernel, inst)), VERIFY)
    }
}

/// Numbers that an instruction would cut off.
fn in_range(inst: &Inst, class: Option<Class>, kernel: &Kernel) -> bool {
    let number = match inst.uses.last() {
        Some(Operand::Imm(x)) => *x,
        Some(Operand::Reg(_)) | None => 0,
    };
    match &inst.op {
        Op::Shift(_) => (0..32).contains(&number),
        Op::Half(HalfOp::Shift(_)) => (0..16).contains(&number),
        Op::FloatConst | Op::WordConst => {
            (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&number)
        }
        Op::Arg => usize::try_from(number).is_ok_and(|n| n < kernel.slots.len()),
        Op::Load(width) | Op::Splat(width) => *width == Width::W32 || class == Some(Class::Word),
        Op::LoadPart(width) => {
            all_or_less(inst.uses.first(), kernel)
                && (*width == Width::W32 || class == Some(Class::Word))
        }
        Op::StorePart(_) => all_or_less(inst.uses.last(), kernel),
        Op::Affine => (0..256).contains(&number),
        Op::Shuffle(table) => {
            table.len() == kernel.lanes && table.iter().all(|l| usize::from(*l) < 2 * kernel.lanes)
        }
        Op::Const
        | Op::Worker
        | Op::Int(_)
        | Op::Read(_)
        | Op::Write(_)
        | Op::Next
        | Op::LoadF16
        | Op::Nibbles
        | Op::SplatF16
        | Op::Store(_)
        | Op::Gather
        | Op::Async(_)
        | Op::Squares { .. }
        | Op::Rows(..)
        | Op::GatherPart(_)
        | Op::Scatter(_)
        | Op::Pair(_)
        | Op::Join(_)
        | Op::Part
        | Op::Mma(_)
        | Op::Prefetch(_)
        | Op::Iota
        | Op::Spread
        | Op::Float(_)
        | Op::FloatUnary(_)
        | Op::Fma
        | Op::Word(_)
        | Op::Half(HalfOp::Eq | HalfOp::Low | HalfOp::High | HalfOp::Float(_))
        | Op::FloatCmp(_)
        | Op::WordCmp(_)
        | Op::Mask(_)
        | Op::Select
        | Op::Bits
        | Op::FromBits
        | Op::Cvt(_)
        | Op::HSum
        | Op::HMax
        | Op::WordHSum
        | Op::Ballot
        | Op::PermuteBytes
        | Op::ShuffleBytes
        | Op::PermuteHigh
        | Op::SelectBits
        | Op::Lookup
        | Op::PackBf16
        | Op::Dot(_) => true,
    }
}

/// A number of lanes.
fn all_or_less(count: Option<&Operand>, kernel: &Kernel) -> bool {
    match count {
        Some(Operand::Imm(n)) => usize::try_from(*n).is_ok_and(|n| n <= kernel.lanes),
        Some(Operand::Reg(_)) | None => true,
    }
}
