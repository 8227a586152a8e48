//! What the selection wants to know of a kernel before it begins: how often a register is used, where it is used
//! for the last time, and which loads their user can do itself.

use super::{isa::Isa, template::Templates};
use kgen_ir::machine::*;

/// Facts by register.
pub struct Scan {
    facts: Vec<Facts>,
    /// For each loop, in order: which registers from outside it are used inside.
    pub inside: Vec<Vec<Reg>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    uses: u32,
    /// Where it is used last, and in which loop that is.
    last: u32,
    last_loop: u32,
    /// The loop in which it is made.
    home: u32,
    /// It is another name of this register.
    same: Option<Reg>,
    folded: Option<Load>,
    /// Used as an address only, in the loop where it is made.
    address: bool,
    elsewhere: bool,
}

/// A load that its user does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    pub mem: Mem,
    pub width: Width,
    pub splat: bool,
}

/// A statement seen; numbers are given in the order of the text.
struct Walk<'a> {
    kernel: &'a Kernel,
    isa: &'a Isa,
    templates: &'a Templates,
    at: u32,
    loops: u32,
    /// Around this statement, innermost last; 0 is the kernel itself.
    open: Vec<u32>,
    scan: Scan,
}

pub fn scan(kernel: &Kernel, isa: &Isa, templates: &Templates) -> Scan {
    let scan = Scan { facts: vec![Facts::default(); kernel.regs.len()], inside: Vec::new() };
    let mut w = Walk { kernel, isa, templates, at: 0, loops: 0, open: vec![0], scan };
    w.list(&kernel.body);
    w.folds(&kernel.body);
    w.scan
}

impl Scan {
    fn facts(&self, reg: Reg) -> Facts {
        self.facts.get(reg.index()).copied().unwrap_or_default()
    }

    fn root(&self, reg: Reg) -> Reg {
        self.facts(reg).same.unwrap_or(reg)
    }

    /// Whether nobody reads the register after statement `at`.
    pub fn dies(&self, reg: Reg, at: u32) -> bool {
        let f = self.facts(self.root(reg));
        f.last == at && f.last_loop == f.home
    }

    pub fn folded(&self, reg: Reg) -> Option<Load> {
        self.facts(reg).folded
    }

    /// Whether the sum in this register is best done by those who use it as an address.
    pub fn only_address(&self, reg: Reg) -> bool {
        let f = self.facts(reg);
        f.address && !f.elsewhere
    }
}

impl Walk<'_> {
    fn fact(&mut self, reg: Reg) -> Option<&mut Facts> {
        self.scan.facts.get_mut(reg.index())
    }

    fn define(&mut self, reg: Reg) {
        let home = self.open.last().copied().unwrap_or(0);
        if let Some(f) = self.fact(reg) {
            f.home = home;
        }
    }

    fn read(&mut self, reg: Reg, address: bool) {
        let (at, here) = (self.at, self.open.last().copied().unwrap_or(0));
        let root = self.scan.root(reg);
        if let Some(f) = self.fact(root) {
            (f.last, f.last_loop) = (at, here);
        }
        let Some(f) = self.fact(reg) else { return };
        f.uses += 1;
        let near = address && f.home == here;
        f.address |= near;
        f.elsewhere |= !near;
        let home = self.scan.facts(root).home;
        for l in self.open.iter().rev().take_while(|l| **l != home) {
            if let Some(list) = self.scan.inside.get_mut(*l as usize - 1) {
                list.push(root);
            }
        }
    }

    fn operand(&mut self, operand: Operand) {
        match operand {
            Operand::Reg(reg) => self.read(reg, false),
            Operand::Imm(_) => {}
        }
    }

    fn list(&mut self, list: &[Stmt]) {
        for stmt in list {
            self.at += 1;
            match stmt {
                Stmt::Inst(inst) => {
                    inst.uses.iter().for_each(|o| self.operand(*o));
                    if let Some(mem) = inst.mem {
                        self.read(mem.base, true);
                    }
                    if let Some(def) = inst.def {
                        self.define(def);
                        if let (Op::Bits | Op::FromBits, Some(Operand::Reg(from))) =
                            (&inst.op, inst.uses.first())
                        {
                            let root = self.scan.root(*from);
                            if let Some(f) = self.fact(def) {
                                f.same = Some(root);
                            }
                        }
                    }
                }
                Stmt::Loop(l) => {
                    [l.lo, l.hi, l.step].into_iter().for_each(|o| self.operand(o));
                    l.carried.iter().for_each(|c| self.read(c.init, false));
                    self.loops += 1;
                    self.open.push(self.loops);
                    self.scan.inside.push(Vec::new());
                    // The bound and the step are read at the end of each turn.
                    self.define(l.var);
                    l.carried.iter().for_each(|c| self.define(c.param));
                    self.list(&l.body);
                    self.at += 1;
                    [l.hi, l.step, Operand::Reg(l.var)].into_iter().for_each(|o| self.operand(o));
                    l.carried.iter().for_each(|c| self.read(c.yielded, false));
                    self.open.pop();
                    l.carried.iter().for_each(|c| self.define(c.result));
                }
                Stmt::If(i) => {
                    self.operand(i.a);
                    self.operand(i.b);
                    self.list(&i.then);
                    self.at += 1;
                    i.yields.iter().for_each(|y| self.read(y.1, false));
                    self.list(&i.otherwise);
                    self.at += 1;
                    i.yields.iter().for_each(|y| self.read(y.2, false));
                    i.yields.iter().for_each(|y| self.define(y.0));
                }
            }
        }
    }

    /// Loads that the one who uses them can do, with no write between.
    fn folds(&mut self, list: &[Stmt]) {
        let mut pending: Vec<(Reg, Load)> = Vec::new();
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => {
                    self.fold_into(inst, &pending);
                    match (&inst.op, inst.def, inst.mem) {
                        (Op::Load(width), Some(def), Some(mem)) => {
                            pending.push((def, Load { mem, width: *width, splat: false }));
                        }
                        (Op::Splat(Width::W32), Some(def), Some(mem)) if self.isa.k => {
                            pending.push((def, Load { mem, width: Width::W32, splat: true }));
                        }
                        (Op::Write(_) | Op::Store(_) | Op::Next, _, _) => pending.clear(),
                        _ => {}
                    }
                }
                Stmt::Loop(l) => {
                    pending.clear();
                    self.folds(&l.body);
                }
                Stmt::If(i) => {
                    pending.clear();
                    self.folds(&i.then);
                    self.folds(&i.otherwise);
                }
            }
        }
    }

    fn fold_into(&mut self, inst: &Inst, pending: &[(Reg, Load)]) {
        if pending.is_empty() {
            return;
        }
        let reg = |n: usize| match inst.uses.get(n) {
            Some(Operand::Reg(reg)) => Some(*reg),
            Some(Operand::Imm(_)) | None => None,
        };
        let full = self.isa.bytes();
        let widths = |load: &Load, bytes: usize, broadcast: usize| {
            load.width == Width::W32 && if load.splat { broadcast == 4 } else { bytes <= full }
        };
        // Operands in the order of preference.
        let places: &[usize] = match &inst.op {
            Op::Fma => &[1, 0, 2],
            op if commutes(op) => &[1, 0],
            _ => &[2, 1, 0],
        };
        for &n in places {
            let Some(r) = reg(n) else { continue };
            if self.scan.facts(r).uses != 1 {
                continue;
            }
            let Some((_, load)) = pending.iter().rev().find(|(p, _)| *p == r) else { continue };
            let place = if n == 0 && commutes(&inst.op) { 1 } else { n };
            let fits = match &inst.op {
                Op::Fma => widths(load, full, 4 * usize::from(self.isa.k)),
                Op::Cvt(Cvt::FloatFromF16) => {
                    matches!(load.width, Width::U16 | Width::S16) && !load.splat
                }
                op => self
                    .templates
                    .get(op)
                    .and_then(|t| t.fold[place])
                    .is_some_and(|f| widths(load, f.bytes, f.broadcast)),
            };
            let vector = matches!(
                self.kernel.regs.get(r).map(|d| d.class),
                Some(Class::Float | Class::Word)
            );
            if fits && vector {
                let load = *load;
                if let Some(f) = self.fact(r) {
                    f.folded = Some(load);
                }
                return;
            }
        }
    }
}

/// Whether the first two operands may trade places, to the bit.
pub fn commutes(op: &Op) -> bool {
    matches!(
        op,
        Op::Word(
            WordOp::Add
                | WordOp::Mul
                | WordOp::And
                | WordOp::Or
                | WordOp::Xor
                | WordOp::Min
                | WordOp::Max
        ) | Op::Float(FloatOp::Add | FloatOp::Mul)
            | Op::Half(HalfOp::Eq)
            | Op::Dot(DotOp::S16S16)
    )
}
