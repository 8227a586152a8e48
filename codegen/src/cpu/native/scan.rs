//! What the selection wants to know of a kernel before it begins: how often a register is used, where it is used
//! for the last time, and which loads their user can do itself.

use super::{isa::Isa, template::Templates};
use kgen_ir::machine::*;
use std::collections::BTreeMap;

/// Users of a word that load it by themselves at most: each is a load more.
const SHARED: u32 = 4;

/// Facts by register.
pub struct Scan {
    facts: Vec<Facts>,
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
    /// Each user makes its own.
    remade: Option<Load>,
    /// The bits that both of these have, which their only user takes together with its own work.
    both: Option<[Reg; 2]>,
    /// Used as an address only, in the loop where it is made.
    address: bool,
    elsewhere: bool,
    /// How often it is added to something in that loop.
    added: u32,
}

/// A load that its user does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    Vector(Mem, Width),
    /// One word for all lanes.
    Splat(Mem),
    /// A constant in all lanes.
    Word(u32),
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
    /// By register.
    pending: Vec<Option<Pending>>,
    writes: u32,
    /// Whether the instruction at hand does a load.
    loads: bool,
    /// Whether words for all lanes are loaded by those who use them, however many.
    busy: bool,
    /// What an `and` of this straight line that does none reads.
    ands: BTreeMap<Reg, [Reg; 2]>,
    /// Sums of two registers, and one of the two.
    sums: Vec<(Reg, Reg)>,
}

pub fn scan(kernel: &Kernel, isa: &Isa, templates: &Templates) -> Scan {
    let scan = Scan { facts: vec![Facts::default(); kernel.regs.len()] };
    let pending = vec![None; kernel.regs.len()];
    let open = vec![0];
    let mut w = Walk {
        kernel,
        isa,
        templates,
        at: 0,
        loops: 0,
        open,
        scan,
        pending,
        writes: 0,
        loads: false,
        busy: false,
        ands: BTreeMap::new(),
        sums: Vec::new(),
    };
    w.list(&kernel.body);
    for (sum, reg) in std::mem::take(&mut w.sums) {
        let near = w.scan.facts(sum).home == w.scan.facts(reg).home;
        if let Some(f) = w.fact(reg).filter(|_| near) {
            f.added += 1;
        }
    }
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

    /// Sums that start from one word start each from its own: a copy of it would cost as much.
    pub fn remade(&self, reg: Reg) -> Option<Load> {
        self.facts(reg).remade
    }

    /// Of whom the bits are that its only user, an `or`, takes itself.
    pub fn bits_of_both(&self, reg: Reg) -> Option<[Reg; 2]> {
        self.facts(reg).both
    }

    /// Whether the sum in this register is best done by those who use it as an address.
    pub fn only_address(&self, reg: Reg) -> bool {
        let f = self.facts(reg);
        f.address && !f.elsewhere
    }

    /// Whether the product in this register is best done by those who add it, for they multiply by 2, 4 and 8.
    pub fn only_scales(&self, reg: Reg) -> bool {
        let f = self.facts(reg);
        f.added > 0 && f.added == f.uses
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
                        if let (Op::Int(IntOp::Add), [Operand::Reg(a), Operand::Reg(b)]) =
                            (&inst.op, &inst.uses[..])
                        {
                            self.sums.extend([(def, *a), (def, *b)]);
                        }
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
        // What was loaded before is as if something were written.
        self.writes += 2;
        self.ands.clear();
        let busy = self.isa.k && self.busy(list);
        for stmt in list {
            self.busy = busy;
            match stmt {
                Stmt::Inst(inst) => {
                    self.fold_into(inst);
                    self.join_bits(inst);
                    let load = match (&inst.op, inst.mem, inst.uses.first()) {
                        (Op::Load(width), Some(mem), _) => Some(Load::Vector(mem, *width)),
                        (Op::Splat(Width::W32), Some(mem), _) => Some(Load::Splat(mem)),
                        (Op::FloatConst | Op::WordConst, _, Some(Operand::Imm(x))) => {
                            Some(Load::Word(*x as u32))
                        }
                        _ => None,
                    };
                    if let (Some(load), Some(reg)) = (load, inst.def)
                        && let Some(p) = self.pending.get_mut(reg.index())
                    {
                        *p = Some(Pending {
                            load,
                            halves: 0,
                            sums: 0,
                            takers: 0,
                            writes: self.writes,
                        });
                    }
                    self.writes += u32::from(matches!(
                        inst.op,
                        Op::Write(_) | Op::Store(_) | Op::StorePart(_) | Op::Next
                    ));
                }
                Stmt::Loop(l) => {
                    self.folds(&l.body);
                    self.writes += 2;
                    self.ands.clear();
                }
                Stmt::If(i) => {
                    self.folds(&i.then);
                    self.folds(&i.otherwise);
                    self.writes += 2;
                    self.ands.clear();
                }
            }
        }
    }

    /// Whether a straight line keeps the units for vectors busy with more than products. A word for all lanes that has an
    /// instruction of its own then takes a turn of these units, and one that its user loads takes none: 28 against 22
    /// ticks for 32 products with as many conversions as words (Zen 4, all in the first level of cache).
    fn busy(&self, list: &[Stmt]) -> bool {
        let (mut words, mut others) = (0, 0);
        for stmt in list {
            let Stmt::Inst(inst) = stmt else { continue };
            let class = inst.def.and_then(|reg| self.kernel.regs.get(reg)).map(|d| d.class);
            let vector = matches!(class, Some(Class::Float | Class::Word));
            let loads = matches!(inst.op, Op::Load(Width::W32) | Op::FloatConst | Op::WordConst);
            let products = matches!(inst.op, Op::Fma | Op::Dot(_));
            let word = matches!(inst.op, Op::Splat(_));
            words += u32::from(word);
            others += u32::from(vector && !word && !loads && !products);
        }
        others >= words
    }

    fn fold_into(&mut self, inst: &Inst) {
        self.loads = false;
        if matches!(inst.op, Op::Fma | Op::Dot(_)) {
            self.sum_from(inst);
        }
        // Operands in the order of preference.
        let places: &[usize] =
            if inst.op == Op::Fma || commutes(&inst.op) { &[1, 0, 2] } else { &[2, 1, 0] };
        for &n in places {
            let Some(Operand::Reg(reg)) = inst.uses.get(n) else { continue };
            let Some(Some(p)) = self.pending.get_mut(reg.index()) else { continue };
            let load = p.load;
            if p.writes != self.writes {
                continue;
            }
            // Each half of a vector of sixteen-bit floats is a load of its own, if nobody wants the whole.
            let half = matches!(inst.op, Op::Cvt(Cvt::FloatFromF16Low | Cvt::FloatFromF16High))
                && matches!(load, Load::Vector(_, Width::W32));
            if half {
                p.halves += 1;
            }
            let halves = p.halves;
            let uses = self.scan.facts(*reg).uses;
            let fits = if half { halves == uses } else { uses == 1 && self.fits(inst, n, load) };
            let class = self.kernel.regs.get(*reg).map(|d| d.class);
            if fits && matches!(class, Some(Class::Float | Class::Word)) {
                if let Some(f) = self.fact(*reg) {
                    f.folded = Some(load);
                }
                self.loads = true;
                return;
            }
        }
        self.share(inst, places);
    }

    /// Counts who could load a word for all lanes by himself, until all its users are such.
    fn share(&mut self, inst: &Inst, places: &[usize]) {
        for &n in places {
            let Some(Operand::Reg(reg)) = inst.uses.get(n) else { continue };
            let Some(Some(p)) = self.pending.get(reg.index()).copied() else { continue };
            let uses = self.scan.facts(*reg).uses;
            let fresh = p.writes == self.writes && matches!(p.load, Load::Splat(_));
            if !self.busy || !fresh || uses > SHARED || !self.fits(inst, n, p.load) {
                continue;
            }
            let takers = p.takers + 1;
            self.pending[reg.index()] = Some(Pending { takers, ..p });
            if takers == uses
                && let Some(f) = self.fact(*reg)
            {
                f.folded = Some(p.load);
            }
            return;
        }
    }

    /// `a | b & c` is one instruction where there are masks in k registers.
    fn join_bits(&mut self, inst: &Inst) {
        // What is loaded has the place of an operand.
        let (true, false, Some(def)) = (self.isa.k, self.loads, inst.def) else { return };
        let [Operand::Reg(a), Operand::Reg(b)] = inst.uses[..] else { return };
        if inst.op == Op::Word(WordOp::And) {
            self.ands.insert(def, [a, b]);
        }
        if inst.op != Op::Word(WordOp::Or) || a == b {
            return;
        }
        let alone = |reg: &Reg| self.scan.facts(*reg).uses == 1 && self.ands.contains_key(reg);
        if let Some(reg) = [b, a].into_iter().find(alone) {
            let both = self.ands.get(&reg).copied();
            if let Some(f) = self.fact(reg) {
                f.both = both;
            }
        }
    }

    /// Counts the sums that start from a word, until all its users are such.
    fn sum_from(&mut self, inst: &Inst) {
        let [Operand::Reg(a), Operand::Reg(b), Operand::Reg(reg)] = &inst.uses[..] else { return };
        // A factor that ends here gives its register to the result.
        let ends = [a, b].into_iter().any(|r| self.scan.facts(*r).uses == 1);
        if inst.op == Op::Fma && ends {
            return;
        }
        let Some(Some(p)) = self.pending.get_mut(reg.index()) else { return };
        let stale = match p.load {
            Load::Vector(..) => true,
            Load::Splat(_) => p.writes != self.writes,
            Load::Word(_) => false,
        };
        if stale {
            return;
        }
        p.sums += 1;
        let (sums, load) = (p.sums, p.load);
        if let Some(f) = self.fact(*reg)
            && f.uses > 1
            && sums == f.uses
        {
            f.remade = Some(load);
        }
    }

    /// Whether the instruction can read its operand `n` from where the load would.
    fn fits(&self, inst: &Inst, n: usize, load: Load) -> bool {
        let full = self.isa.bytes();
        let place = if n == 0 && commutes(&inst.op) { 1 } else { n };
        if inst.op == Op::Cvt(Cvt::FloatFromF16) {
            return matches!(load, Load::Vector(_, Width::U16 | Width::S16));
        }
        let fold = if inst.op == Op::Fma {
            Some((full, 4 * usize::from(self.isa.k)))
        } else {
            self.templates.get(&inst.op).and_then(|t| t.fold[place]).map(|f| (f.bytes, f.broadcast))
        };
        let Some((bytes, broadcast)) = fold else { return false };
        match load {
            // An instruction makes zeros without memory.
            Load::Word(0) => false,
            Load::Vector(_, width) => width == Width::W32 && bytes <= full,
            Load::Splat(_) => broadcast == 4,
            // As `Select` writes it.
            Load::Word(_) if self.isa.k => broadcast == 4,
            Load::Word(_) => bytes == full,
        }
    }
}

/// A load that has not met its user yet.
#[derive(Clone, Copy)]
struct Pending {
    load: Load,
    /// Writes before it.
    writes: u32,
    /// Users that take one of its halves.
    halves: u32,
    /// Users that add to it.
    sums: u32,
    /// Users that could load it.
    takers: u32,
}

/// Whether the first two operands may trade places: but for the bits of a NaN, nobody can tell.
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
