//! Machine statements become instructions: by the templates of the rows, and by hand where an op has parameters of
//! its own or where the choice depends on what stands around it.
//!
//! ```text
//! s = fma x, y, c : f            VEX_Vfmadd231ps_ymm_ymm_ymmm256 s = c, x, y
//! p = iadd x, o : i              (nothing)
//! v = load.w32 [p + 64] : f      VEX_Vmovups_ymm_ymmm256 v = [x + o + 64]
//! ```

use super::{
    instr::{self, File, Instr, Role},
    isa::{self, Isa},
    mir::{Arg, GPR, Given, MASK, Mir, VECTOR},
    scan::{self, Load, Scan},
    template::{Slot, Source, Step, Template, Templates},
};
use iced_x86::Code;
use kgen_ir::{machine::*, tile::Compare};
use regalloc2::{Operand as Place, PReg, RegClass, VReg};

/// What is wrong with a kernel, and what to do instead.
pub struct Refused(pub String, pub &'static str);

pub const VERIFY: &str = "verify the kernel first";

/// Registers that are kept on the stack while these loops run: register and number of the loop.
pub type Parks = Vec<(Reg, usize)>;

pub fn select(
    kernel: &Kernel,
    isa: &'static Isa,
    templates: &'static Templates,
    scan: &Scan,
    parks: &Parks,
) -> Result<Mir, Refused> {
    let mut s = Select {
        kernel,
        isa,
        templates,
        scan,
        parks,
        parked_ones: vec![false; kernel.regs.len()],
        mir: Mir::new(isa.bytes()),
        values: vec![Value::default(); kernel.regs.len()],
        defined: Vec::new(),
        at: 0,
        loops: 0,
        arguments: VReg::invalid(),
        worker: VReg::invalid(),
    };
    for (reg, _) in parks {
        s.parked_ones[reg.index()] = true;
    }
    let start = s.mir.label();
    s.mir.block(start, Vec::new());
    s.arguments = s.mir.vreg(GPR);
    s.worker = s.mir.vreg(GPR);
    let fixed = |n| PReg::new(n, GPR);
    s.mir.entry(&[(s.arguments, fixed(isa::RDI)), (s.worker, fixed(isa::RSI))]);
    s.list(&kernel.body)?;
    s.mir.ret();
    s.mir.connect();
    Ok(s.mir)
}

/// Where a register of the kernel is.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    here: Option<VReg>,
    /// On the stack, with its class.
    parked: Option<(usize, RegClass)>,
    sum: Option<Sum>,
}

/// An address that its users add up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    base: VReg,
    index: Option<VReg>,
    offset: i32,
}

pub(super) struct Select<'a> {
    kernel: &'a Kernel,
    pub(super) isa: &'static Isa,
    templates: &'static Templates,
    scan: &'a Scan,
    parks: &'a Parks,
    /// By register: whether it is among the parks.
    parked_ones: Vec<bool>,
    pub(super) mir: Mir,
    values: Vec<Value>,
    /// Registers defined since the open block began.
    defined: Vec<Reg>,
    at: u32,
    loops: usize,
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

    pub(super) fn class(&self, class: Class) -> RegClass {
        match class {
            Class::Int => GPR,
            Class::Float | Class::Word => VECTOR,
            Class::Mask if self.isa.k => MASK,
            Class::Mask => VECTOR,
        }
    }

    fn class_of(&self, reg: Reg) -> Done<RegClass> {
        match self.kernel.regs.get(reg) {
            Some(data) => Ok(self.class(data.class)),
            None => Err(Refused(format!("register {}", reg.index()), VERIFY)),
        }
    }

    fn set(&mut self, reg: Reg, value: Value) -> Done<()> {
        let name = || format!("a second `{}`", self.kernel.reg_name(reg));
        match self.values.get_mut(reg.index()) {
            Some(v) if v.here.is_none() && v.sum.is_none() && v.parked.is_none() => *v = value,
            Some(_) => return Err(Refused(name(), VERIFY)),
            None => return Err(Refused(format!("register {}", reg.index()), VERIFY)),
        }
        self.defined.push(reg);
        Ok(())
    }

    fn bind(&mut self, reg: Reg, vreg: VReg) -> Done<()> {
        if self.class_of(reg)? != vreg.class() {
            return Err(Refused(format!("`{}` in that class", self.name(reg)), VERIFY));
        }
        self.set(reg, Value { here: Some(vreg), ..Value::default() })?;
        if self.parked_ones[reg.index()] {
            let slot = self.mir.park(vreg);
            self.values[reg.index()].parked = Some((slot, vreg.class()));
        }
        Ok(())
    }

    /// The register in a register.
    pub(super) fn value(&mut self, reg: Reg) -> Done<VReg> {
        let value = self.values.get(reg.index()).copied().unwrap_or_default();
        if let Some(vreg) = value.here {
            return Ok(vreg);
        }
        let vreg = if let Some((slot, class)) = value.parked {
            self.mir.unpark(slot, class)
        } else if let Some(sum) = value.sum {
            let def = self.mir.vreg(GPR);
            let mem = self.sum(sum, 0);
            self.emit(Code::Lea_r64_m, Some(def), &[mem])?;
            return Ok(def);
        } else {
            let what = format!("register `{}` before its definition", self.name(reg));
            return Err(Refused(what, VERIFY));
        };
        self.values[reg.index()].here = Some(vreg);
        Ok(vreg)
    }

    fn of_class(&mut self, reg: Reg, class: RegClass) -> Done<VReg> {
        let vreg = self.value(reg)?;
        if vreg.class() == class {
            Ok(vreg)
        } else {
            Err(Refused(format!("`{}` as an operand of that class", self.name(reg)), VERIFY))
        }
    }

    /// The same in the register that the loop or the rest of the block needs it in, if it is parked now.
    fn sum(&self, sum: Sum, offset: i32) -> Given {
        Given::Mem {
            base: Some(sum.base),
            index: sum.index.map(|v| (v, 1)),
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
        mask: Option<VReg>,
    ) -> Done<()> {
        self.mir
            .instr(instr, def, sources, mask)
            .ok_or_else(|| Refused(format!("these operands of {}", instr.name), VERIFY))
    }

    /// A constant in a general register; not between a comparison and who reads its flags.
    fn constant(&mut self, x: i64) -> Done<VReg> {
        if x == 0 {
            return Ok(self.mir.zero(GPR));
        }
        let def = self.mir.vreg(GPR);
        let code = if u32::try_from(x).is_ok() {
            Code::Mov_r32_imm32
        } else if fits(x).is_some() {
            Code::Mov_rm64_imm32
        } else {
            Code::Mov_r64_imm64
        };
        self.emit(code, Some(def), &[Given::Imm(x)])?;
        Ok(def)
    }

    fn int(&mut self, operand: Operand) -> Done<VReg> {
        match operand {
            Operand::Reg(reg) => self.of_class(reg, GPR),
            Operand::Imm(x) => self.constant(x),
        }
    }

    /// A register, or a number that fits an instruction.
    fn small(&mut self, operand: Operand) -> Done<Result<VReg, i64>> {
        match operand {
            Operand::Imm(x) if fits(x).is_some() => Ok(Err(x)),
            Operand::Imm(_) | Operand::Reg(_) => Ok(Ok(self.int(operand)?)),
        }
    }

    fn ints(&mut self, code: Code, sources: &[Given]) -> Done<VReg> {
        let def = self.mir.vreg(GPR);
        self.emit(code, Some(def), sources)?;
        Ok(def)
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

    /// Forgets what was defined since, and where parked values were taken back.
    fn leave(&mut self, outer: usize, before: &[(Reg, Option<VReg>)]) {
        for reg in self.defined.drain(outer..) {
            self.values[reg.index()] = Value::default();
        }
        for (reg, here) in before {
            self.values[reg.index()].here = *here;
        }
    }

    /// Where the parked registers are now.
    fn parked(&self) -> Vec<(Reg, Option<VReg>)> {
        let mut list: Vec<_> =
            self.parks.iter().map(|(r, _)| (*r, self.values[r.index()].here)).collect();
        list.dedup();
        list
    }

    fn loop_(&mut self, l: &Loop) -> Done<()> {
        if let Operand::Imm(step) = l.step
            && step <= 0
        {
            let what = format!("loop {} with step {step}", self.name(l.var));
            return Err(Refused(what, VERIFY));
        }
        let number = self.loops;
        self.loops += 1;
        // What the loop reads is in registers before it, and stays there unless a loop inside needs the room.
        let dropped: Vec<Reg> = self
            .parks
            .iter()
            .filter(|(_, m)| self.scan.within(*m, number))
            .map(|(r, _)| *r)
            .filter(|r| self.values[r.index()].parked.is_some())
            .collect();
        let lo = self.int(l.lo)?;
        let hi = self.small(l.hi)?;
        let mut inits = Vec::with_capacity(l.carried.len());
        for c in &l.carried {
            inits.push(self.value(c.init)?);
        }
        for reg in self.scan.loops.get(number).into_iter().flat_map(|l| &l.reads) {
            let value = self.values.get(reg.index()).copied().unwrap_or_default();
            if value.here.is_none() && value.parked.is_some() && !dropped.contains(reg) {
                self.value(*reg)?;
            }
        }
        for reg in &dropped {
            self.values[reg.index()].here = None;
        }
        let before = self.parked();

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
            params.push(self.mir.vreg(init.class()));
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
            ends.push(self.of_class(c.yielded, init.class())?);
        }
        let var = self.value(l.var)?;
        // A loop inside may have put them on the stack.
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
        self.leave(outer, &before);

        self.mir.block(done, Vec::new());
        let results = if runs {
            ends // nothing else leads here
        } else {
            let exit = self.mir.label();
            self.mir.jump(exit, ends);
            self.mir.block(skip, Vec::new());
            self.mir.jump(exit, inits.clone());
            let results: Vec<VReg> = inits.iter().map(|i| self.mir.vreg(i.class())).collect();
            self.mir.block(exit, results.clone());
            results
        };
        for (c, result) in l.carried.iter().zip(results) {
            self.bind(c.result, result)?;
        }
        Ok(())
    }

    /// Compares with a register or with a number that fits an instruction.
    fn compare(&mut self, a: VReg, b: Result<VReg, i64>) -> Done<()> {
        let a = Given::Reg(a);
        match b {
            Ok(b) => self.emit(Code::Cmp_r64_rm64, None, &[a, Given::Reg(b)]),
            Err(x) if i8::try_from(x).is_ok() => {
                self.emit(Code::Cmp_rm64_imm8, None, &[a, Given::Imm(x)])
            }
            Err(x) => self.emit(Code::Cmp_rm64_imm32, None, &[a, Given::Imm(x)]),
        }
    }

    fn if_(&mut self, i: &If) -> Done<()> {
        let (then, otherwise, exit) = (self.mir.label(), self.mir.label(), self.mir.label());
        let a = self.int(i.a)?;
        let b = self.small(i.b)?;
        let before = self.parked();
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
                    classes.push(value.class());
                } else if classes.get(n) != Some(&value.class()) {
                    return Err(Refused(format!("`{}` of two classes", self.name(y.0)), VERIFY));
                }
                values.push(value);
            }
            self.mir.jump(exit, values);
            self.leave(outer, &before);
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
        let uses = inst.uses.as_slice();
        let Some(def) = inst.def else { return self.row(inst, None) };
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

    /// The memory operand of a load that its user does.
    fn load(&mut self, reg: Reg) -> Done<Option<Given>> {
        Ok(match self.scan.folded(reg) {
            None => None,
            Some(Load::Vector(mem, _)) => Some(self.address(mem)?),
            Some(Load::Splat(mem)) => {
                let mut mem = self.address(mem)?;
                if let Given::Mem { broadcast, .. } = &mut mem {
                    *broadcast = true;
                }
                Some(mem)
            }
            Some(Load::Word(word)) => {
                let times = if self.isa.k { 1 } else { self.isa.lanes };
                let constant = self.mir.pool.add(word.to_le_bytes().repeat(times));
                Some(Given::Pool { constant, broadcast: self.isa.k })
            }
        })
    }

    fn address(&mut self, mem: Mem) -> Done<Given> {
        let value = self.values.get(mem.base.index()).copied().unwrap_or_default();
        if let Some(sum) = value.sum
            && sum.offset.checked_add(mem.offset).is_some()
        {
            return Ok(self.sum(sum, mem.offset));
        }
        let base = Some(self.of_class(mem.base, GPR)?);
        Ok(Given::Mem { base, index: None, offset: mem.offset, broadcast: false })
    }

    /// A vector operand: a register, or memory where its load was left to us.
    fn vector(&mut self, reg: Reg) -> Done<Given> {
        if let Some(mem) = self.load(reg)? {
            return Ok(mem);
        }
        if let Some(load) = self.scan.remade(reg) {
            return Ok(Given::Reg(self.remake(load)?));
        }
        Ok(Given::Reg(self.of_class(reg, VECTOR)?))
    }

    /// A word from memory in all lanes, once more.
    fn remake(&mut self, load: Load) -> Done<VReg> {
        let from = match load {
            Load::Vector(mem, _) | Load::Splat(mem) => self.address(mem)?,
            Load::Word(word) => {
                let constant = self.mir.pool.add(word.to_le_bytes().to_vec());
                Given::Pool { constant, broadcast: false }
            }
        };
        let v = self.mir.vreg(VECTOR);
        self.emit(self.isa.splat, Some(v), &[from])?;
        Ok(v)
    }

    /// The form is chosen so that a source which nobody needs afterwards becomes the result.
    fn fma(&mut self, def: Reg, a: Reg, b: Reg, c: Reg) -> Done<()> {
        let dies = |r: Reg| self.scan.dies(r, self.at) || self.scan.remade(r).is_some();
        let (mut a, mut b, mut ends) = (a, b, [dies(a), dies(b), dies(c)]);
        if self.scan.folded(a).is_some() {
            (a, b) = (b, a);
            ends.swap(0, 1);
        }
        let (load_b, load_c) = (self.scan.folded(b).is_some(), self.scan.folded(c).is_some());
        // The first form takes c, the others a.
        if !load_c && !ends[0] && ends[1] && !ends[2] && !load_b {
            (a, b) = (b, a);
            ends.swap(0, 1);
        }
        let [add, product, last] = self.isa.fma;
        let (code, order) = if load_c || (ends[0] && !ends[2] && !load_b) {
            (product, [a, b, c])
        } else if ends[0] && !ends[2] {
            (last, [a, c, b])
        } else {
            (add, [c, a, b])
        };
        let mut sources = Vec::with_capacity(3);
        for reg in order {
            sources.push(self.vector(reg)?);
        }
        let v = self.mir.vreg(VECTOR);
        self.emit(code, Some(v), &sources)?;
        self.bind(def, v)
    }

    /// The template of the op.
    fn row(&mut self, inst: &Inst, def: Option<Reg>) -> Done<()> {
        let template: &'static Template = match self.templates.get(&inst.op) {
            Some(t) if !t.steps.is_empty() => t,
            Some(_) | None => {
                let instead = "expand it into ops of the target, or choose another schedule";
                return Err(Refused(format!("`{}`", inst.op), instead));
            }
        };
        let mut mem = None;
        if let Some(m) = inst.mem {
            mem = Some(self.address(m)?);
        }
        let mut operands = [None; 3];
        let mut immediate = None;
        let takes_imm = inst.op.signature().uses.last() == Some(&Use::Imm);
        for (place, operand) in operands.iter_mut().zip(&inst.uses) {
            match operand {
                Operand::Imm(x) if takes_imm => immediate = Some(*x),
                Operand::Imm(x) => *place = Some(Given::Reg(self.constant(*x)?)),
                Operand::Reg(reg) => {
                    *place = Some(match self.load(*reg)? {
                        Some(mem) => mem,
                        None => Given::Reg(match self.scan.remade(*reg) {
                            Some(load) => self.remake(load)?,
                            None => self.value(*reg)?,
                        }),
                    });
                }
            }
        }
        if scan::commutes(&inst.op)
            && matches!(operands[0], Some(Given::Mem { .. } | Given::Pool { .. }))
        {
            operands.swap(0, 1);
        }
        let mut temporaries: Vec<(usize, VReg)> = Vec::new();
        for step in &template.steps {
            let made = self.step(step, mem, &operands, immediate, &mut temporaries);
            let made = made?.ok_or_else(|| self.bad(inst))?;
            if let (Some(Slot::Result), Some(def), Some(v)) = (step.def, def, made) {
                self.bind(def, v)?;
            }
        }
        Ok(())
    }

    /// One instruction of a template; gives the register it defines, or `None` where operands do not fit.
    fn step(
        &mut self,
        step: &'static Step,
        mem: Option<Given>,
        operands: &[Option<Given>; 3],
        immediate: Option<i64>,
        temporaries: &mut Vec<(usize, VReg)>,
    ) -> Done<Option<Option<VReg>>> {
        let slot = |slot: Slot, temporaries: &[(usize, VReg)]| match slot {
            Slot::Operand(n) => operands.get(n).copied().flatten(),
            Slot::Temporary(n) => {
                temporaries.iter().find(|(m, _)| *m == n).map(|(_, v)| Given::Reg(*v))
            }
            Slot::Result => None,
        };
        let (mut sources, mut count) = ([Given::Imm(0); 4], 0);
        let mut class = None;
        for (form, source) in step.instr.operands.iter().zip(&step.sources) {
            let wanted = register_class(form.file);
            if step.def.is_some() && class.is_none() && form.role != Role::Use {
                class = wanted;
            }
            let Some(source) = source else { continue };
            let given = match source {
                Source::Slot(s) => slot(*s, temporaries),
                Source::Memory => mem,
                Source::Immediate => immediate.map(Given::Imm),
                Source::Literal(x) => Some(Given::Imm(*x)),
                Source::Word(word) => Some(self.pool_word(step.instr, form.memory, *word)),
                Source::ImmediateWord => {
                    immediate.map(|x| self.pool_word(step.instr, form.memory, x as u32))
                }
                Source::Bytes(bytes) => {
                    let all = bytes.iter().copied().cycle().take(form.memory.into()).collect();
                    let constant = self.mir.pool.add(all);
                    Some(Given::Pool { constant, broadcast: false })
                }
            };
            match given {
                Some(Given::Reg(v)) if Some(v.class()) != wanted => return Ok(None),
                Some(given) => match sources.get_mut(count) {
                    Some(place) => (*place, count) = (given, count + 1),
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
        }
        let mask = match step.mask.map(|m| slot(m, temporaries)) {
            None => None,
            Some(Some(Given::Reg(v))) if v.class() == MASK => Some(v),
            Some(_) => return Ok(None),
        };
        let def = match (step.def, class) {
            (Some(_), Some(class)) => Some(self.mir.vreg(class)),
            (Some(_), None) => return Ok(None),
            (None, _) => None,
        };
        self.push(step.instr, def, &sources[..count], mask)?;
        if let (Some(Slot::Temporary(n)), Some(v)) = (step.def, def) {
            temporaries.push((n, v));
        }
        Ok(Some(def))
    }

    /// A word for all lanes: itself if the instruction spreads it, else a vector of it.
    fn pool_word(&mut self, instr: &Instr, memory: u8, word: u32) -> Given {
        let broadcast = instr.broadcast == 4;
        let times = if broadcast { 1 } else { usize::from(memory) / 4 };
        let constant = self.mir.pool.add(word.to_le_bytes().repeat(times));
        Given::Pool { constant, broadcast }
    }

    fn integer(&mut self, op: IntOp, def: Reg, a: Operand, b: Operand) -> Done<()> {
        // What commutes has its number last.
        let (a, b) = match (op, a, b) {
            (
                IntOp::Add | IntOp::Mul | IntOp::Min | IntOp::Max,
                Operand::Imm(_),
                Operand::Reg(_),
            ) => (b, a),
            _ => (a, b),
        };
        let number = match b {
            Operand::Imm(x) => Some(x),
            Operand::Reg(_) => None,
        };
        let dies = matches!(a, Operand::Reg(r) if self.scan.dies(r, self.at));
        let a = match a {
            Operand::Imm(_) => self.int(a)?,
            Operand::Reg(reg) => {
                // Sums of sums are one.
                let sum = self.values.get(reg.index()).and_then(|v| v.sum);
                if let (Some(sum), IntOp::Add, Some(x)) = (sum, op, number)
                    && let Some(offset) = fits(x).and_then(|x| sum.offset.checked_add(x))
                {
                    return self.add(def, Sum { offset, ..sum });
                }
                self.of_class(reg, GPR)?
            }
        };
        let v = match (op, number) {
            (IntOp::Add, Some(x)) if fits(x).is_some() => {
                return self.add(def, Sum { base: a, index: None, offset: fits(x).unwrap_or(0) });
            }
            (IntOp::Add, _) => {
                let b = self.int(b)?;
                return self.add(def, Sum { base: a, index: Some(b), offset: 0 });
            }
            (IntOp::Sub, Some(x)) if x.checked_neg().and_then(fits).is_some() => {
                let offset = x.checked_neg().and_then(fits).unwrap_or(0);
                return self.add(def, Sum { base: a, index: None, offset });
            }
            (IntOp::Sub, _) => {
                let b = self.int(b)?;
                self.ints(Code::Sub_r64_rm64, &[Given::Reg(a), Given::Reg(b)])?
            }
            (IntOp::Mul, Some(x)) => self.times(a, x, dies)?,
            (IntOp::Mul, None) => {
                let b = self.int(b)?;
                self.ints(Code::Imul_r64_rm64, &[Given::Reg(a), Given::Reg(b)])?
            }
            (IntOp::Div | IntOp::Rem, Some(x)) if x <= 0 => {
                return Err(Refused(format!("a division by {x}"), VERIFY));
            }
            // Divisions are slow; both round down, as a shift and a mask do.
            (IntOp::Div, Some(1)) => a,
            (IntOp::Div, Some(x)) if x.count_ones() == 1 => {
                let by = Given::Imm(x.trailing_zeros().into());
                self.ints(Code::Sar_rm64_imm8, &[Given::Reg(a), by])?
            }
            (IntOp::Rem, Some(x)) if x.count_ones() == 1 => match fits(x - 1) {
                Some(mask) => {
                    self.ints(Code::And_rm64_imm32, &[Given::Reg(a), Given::Imm(mask.into())])?
                }
                None => {
                    let mask = self.constant(x - 1)?;
                    self.ints(Code::And_r64_rm64, &[Given::Reg(a), Given::Reg(mask)])?
                }
            },
            (IntOp::Div | IntOp::Rem, _) => {
                let b = self.int(b)?;
                self.divide(op, a, b)?
            }
            (IntOp::Min | IntOp::Max, _) => {
                let b = self.int(b)?;
                let code =
                    if op == IntOp::Min { Code::Cmovl_r64_rm64 } else { Code::Cmovg_r64_rm64 };
                self.compare(a, Ok(b))?;
                self.ints(code, &[Given::Reg(b), Given::Reg(a)])?
            }
        };
        self.bind(def, v)
    }

    /// The sum itself, or a note for those who use it as an address.
    fn add(&mut self, def: Reg, sum: Sum) -> Done<()> {
        if self.scan.only_address(def) {
            return self.set(def, Value { sum: Some(sum), ..Value::default() });
        }
        let mem = self.sum(sum, 0);
        let v = self.ints(Code::Lea_r64_m, &[mem])?;
        self.bind(def, v)
    }

    fn times(&mut self, a: VReg, x: i64, dies: bool) -> Done<VReg> {
        let from = Given::Reg(a);
        match x {
            0 => self.constant(0),
            1 => Ok(a),
            2 => {
                let mem =
                    Given::Mem { base: Some(a), index: Some((a, 1)), offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            4 | 8 => {
                let index = Some((a, x as u8));
                let mem = Given::Mem { base: None, index, offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            3 | 5 | 9 => {
                let index = Some((a, x as u8 - 1));
                let mem = Given::Mem { base: Some(a), index, offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            // The shift overwrites its source, so a copy would be needed.
            _ if x.count_ones() == 1 && dies => {
                self.ints(Code::Shl_rm64_imm8, &[from, Given::Imm(x.trailing_zeros().into())])
            }
            _ if i8::try_from(x).is_ok() => {
                self.ints(Code::Imul_r64_rm64_imm8, &[from, Given::Imm(x)])
            }
            _ if fits(x).is_some() => self.ints(Code::Imul_r64_rm64_imm32, &[from, Given::Imm(x)]),
            _ => {
                let b = self.constant(x)?;
                self.ints(Code::Imul_r64_rm64, &[from, Given::Reg(b)])
            }
        }
    }

    /// The instruction rounds to zero, with a remainder of the sign of a; one less where that is negative.
    fn divide(&mut self, op: IntOp, a: VReg, b: VReg) -> Done<VReg> {
        let (rax, rdx) = (PReg::new(isa::RAX, GPR), PReg::new(isa::RDX, GPR));
        let find = |code: Code| {
            instr::coded(code)
                .ok_or_else(|| Refused(format!("{code:?}"), "bless the instruction table"))
        };
        let high = self.mir.vreg(GPR);
        self.mir.fixed(
            find(Code::Cqo)?,
            &[Place::reg_fixed_use(a, rax), Place::reg_fixed_def(high, rdx)],
            &[],
        );
        let (quotient, rest) = (self.mir.vreg(GPR), self.mir.vreg(GPR));
        self.mir.fixed(
            find(Code::Idiv_rm64)?,
            &[
                Place::reg_use(b),
                Place::reg_fixed_use(a, rax),
                Place::reg_fixed_use(high, rdx),
                Place::reg_fixed_def(quotient, rax),
                Place::reg_fixed_def(rest, rdx),
            ],
            &[Arg::Reg(0)],
        );
        let sign = self.ints(Code::Sar_rm64_imm8, &[Given::Reg(rest), Given::Imm(63)])?;
        if op == IntOp::Div {
            return self.ints(Code::Add_r64_rm64, &[Given::Reg(quotient), Given::Reg(sign)]);
        }
        let more = self.ints(Code::And_r64_rm64, &[Given::Reg(sign), Given::Reg(b)])?;
        self.ints(Code::Add_r64_rm64, &[Given::Reg(rest), Given::Reg(more)])
    }
}

fn register_class(file: File) -> Option<RegClass> {
    match file {
        File::R8 | File::R16 | File::R32 | File::R64 => Some(GPR),
        File::Xmm | File::Ymm | File::Zmm => Some(VECTOR),
        File::K => Some(MASK),
        File::Mem | File::Imm8 | File::Imm8S | File::Imm32 | File::Imm32S | File::Imm64 => None,
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
        | Op::SplatF16
        | Op::Store(_)
        | Op::Prefetch(_)
        | Op::Iota
        | Op::Spread
        | Op::Float(_)
        | Op::FloatUnary(_)
        | Op::Fma
        | Op::Word(_)
        | Op::Half(HalfOp::Eq | HalfOp::Low | HalfOp::High)
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
        | Op::Dot(_) => true,
    }
}
