//! Computes once what is computed twice, outside a loop what does not change in it, and nothing that is unused.
//!
//! ```text
//! loop t in 0..n step 1 {        o = imul s, 16 : i
//!   o = imul s, 16 : i      ->   loop t in 0..n step 1 {
//!   ...                            ...
//! ```
//!
//! Loads stay where they are; of two of the same address with no store between them one is left. Vector constants are
//! memory operands on most CPUs: they are shared within a block and never hoisted, since a register held through a loop
//! costs more. What is computed from them and from the numbers of lanes or what else does not change is hoisted, with
//! constants of its own.
//!
//! Branches of one condition join (`join`).

mod join;

use join::{LATER, Met};
use kgen_ir::{
    arena::{Arena, Map},
    diag::Unsupported,
    machine::*,
    target::Target,
};

/// Shares, hoists, removes.
pub fn share(mut kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    let body = std::mem::take(&mut kernel.body);
    let before = kernel.regs.len();
    // Constants of their own come behind them.
    let room = before + before / 4;
    let mut s = Sharer {
        regs: std::mem::take(&mut kernel.regs),
        same: Vec::with_capacity(room),
        level: Vec::with_capacity(room),
        made: Vec::with_capacity(room),
        first: Map::default(),
        scopes: Vec::new(),
        serials: 0,
        known: Map::with_capacity_and_hasher(before, Default::default()),
        born: Vec::with_capacity(room),
        clock: 0,
        writes: 0,
        joins: !target.reorders,
    };
    s.same.extend((0..before).map(Reg::new));
    s.level.resize(before, 0);
    s.born.resize(before, LATER);
    s.made.resize(before, None);
    s.open(false);
    let body = s.block(body);
    kernel.regs = s.regs;
    kernel.body = without_unused(body, kernel.regs.len());
    Ok(kernel)
}

/// What is of no use and has no effect is left out.
pub(super) fn without_unused(body: Vec<Stmt>, regs: usize) -> Vec<Stmt> {
    let mut used = vec![0; regs];
    count(&body, &mut used);
    live(body, &mut used)
}

/// Operands of most instructions.
const FEW: usize = 4;

/// An instruction, but for its result.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    op: Op,
    /// As many as the op has, then zeros.
    uses: [Operand; FEW],
    /// Those that are more.
    rest: Vec<Operand>,
    mem: Option<Mem>,
    class: Class,
    /// The block that a constant is of.
    serial: u32,
}

fn key(inst: &Inst, class: Class, of: impl Fn(&Operand) -> Operand) -> Key {
    let uses = std::array::from_fn(|i| inst.uses.get(i).map_or(Operand::Imm(0), &of));
    let rest = inst.uses.get(FEW..).unwrap_or_default().iter().map(of).collect();
    Key { op: inst.op.clone(), uses, rest, mem: inst.mem, class, serial: 0 }
}

struct Scope {
    is_loop: bool,
    /// Its number among all blocks.
    serial: u32,
    /// A number that no store and no block inside has come behind.
    loads: u32,
    /// What moves before the loop whose body this is.
    before: Vec<Stmt>,
    /// Branches that others may join, none from before a loop.
    met: Vec<Met>,
}

/// What a register is made of, if of constants alone.
#[derive(Clone)]
enum Made {
    /// With the first register that is the same.
    Constant(Inst, Reg),
    /// The numbers of the lanes among them.
    OfLanes,
}

struct Sharer {
    regs: Arena<RegData>,
    /// The register that has the value of each register.
    same: Vec<Reg>,
    /// Number of the scope that defines it.
    level: Vec<usize>,
    made: Vec<Option<Made>>,
    /// The first register of each constant.
    first: Map<Key, Reg>,
    scopes: Vec<Scope>,
    serials: u32,
    /// What has been computed or loaded, by the number of its block or its loads: it is to be had while that is one of an
    /// open block.
    known: Map<Key, (u32, Reg)>,
    /// When each register was defined, by a clock of definitions.
    born: Vec<u32>,
    clock: u32,
    /// Writes so far.
    writes: u32,
    /// Whether branches join: not where the order is somebody else's.
    joins: bool,
}

/// No effect, no memory, the same result each time.
fn pure(inst: &Inst) -> bool {
    // A divisor that is only positive where this runs.
    let divides = matches!(inst.op, Op::Int(IntOp::Div | IntOp::Rem));
    let known = matches!(inst.uses.last(), Some(Operand::Imm(_)));
    // What a product adds to is its own.
    let sums = matches!(inst.op, Op::Rows(RowsOp::Zero, _));
    !sums && inst.op.memory().is_none() && (!divides || known)
}

fn loads_lanes(op: &Op) -> bool {
    matches!(
        op,
        Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::Nibbles
            | Op::SplatF16
            | Op::Squares { .. }
            | Op::GatherPart(_)
    )
}

fn constant(op: &Op) -> bool {
    matches!(op, Op::FloatConst | Op::WordConst | Op::Iota)
}

impl Sharer {
    fn top(&self) -> usize {
        self.scopes.len() - 1
    }

    fn serial(&mut self) -> u32 {
        self.serials += 1;
        self.serials
    }

    fn open(&mut self, is_loop: bool) {
        let numbers = (self.serial(), self.serial());
        self.open_as(is_loop, numbers);
    }

    fn open_as(&mut self, is_loop: bool, (serial, loads): (u32, u32)) {
        self.scopes.push(Scope { is_loop, serial, loads, before: vec![], met: vec![] });
    }

    fn find(&self, reg: Reg) -> Reg {
        self.same[reg.index()]
    }

    fn operand(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Reg(reg) => Operand::Reg(self.find(reg)),
            Operand::Imm(x) => Operand::Imm(x),
        }
    }

    fn define(&mut self, reg: Reg) {
        self.define_at(reg, self.top());
    }

    fn define_at(&mut self, reg: Reg, level: usize) {
        self.clock += 1;
        (self.level[reg.index()], self.born[reg.index()]) = (level, self.clock);
    }

    fn block(&mut self, list: Vec<Stmt>) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(list.len());
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst, &mut out),
                Stmt::Loop(l) => self.loop_(l, &mut out),
                Stmt::If(i) => self.if_(i, &mut out),
            }
        }
        out
    }

    fn loop_(&mut self, mut l: Box<Loop>, out: &mut Vec<Stmt>) {
        (l.lo, l.hi, l.step) = (self.operand(l.lo), self.operand(l.hi), self.operand(l.step));
        for c in &mut l.carried {
            c.init = self.find(c.init);
        }
        self.open(true);
        self.define(l.var);
        for c in &l.carried {
            self.define(c.param);
        }
        l.body = self.block(std::mem::take(&mut l.body));
        for c in &mut l.carried {
            c.yielded = self.find(c.yielded);
        }
        out.extend(self.close());
        for c in &l.carried {
            self.define(c.result);
        }
        self.forget_loads();
        let top = self.top();
        self.scopes[top].met.clear();
        out.push(Stmt::Loop(l));
    }

    fn if_(&mut self, mut i: Box<If>, out: &mut Vec<Stmt>) {
        (i.a, i.b) = (self.operand(i.a), self.operand(i.b));
        if let Some((first, met)) = self.may_join(&i, out) {
            return self.join(first, met, *i);
        }
        let clock = self.clock;
        self.open(false);
        let then = self.branch(&mut i.then, i.yields.iter_mut().map(|y| &mut y.1));
        self.open(false);
        let otherwise = self.branch(&mut i.otherwise, i.yields.iter_mut().map(|y| &mut y.2));
        for y in &i.yields {
            self.define(y.0);
        }
        self.forget_loads();
        let (place, writes, top) = (out.len(), self.writes, self.top());
        self.scopes[top].met.push(Met { place, clock, writes, then, otherwise });
        out.push(Stmt::If(i));
    }

    /// The open block, one of two, to its end. Gives its numbers.
    fn branch<'a>(
        &mut self,
        list: &mut Vec<Stmt>,
        yields: impl Iterator<Item = &'a mut Reg>,
    ) -> (u32, u32) {
        *list = self.block(std::mem::take(list));
        yields.for_each(|y| *y = self.find(*y));
        let top = self.top();
        let numbers = (self.scopes[top].serial, self.scopes[top].loads);
        self.close();
        numbers
    }

    /// Ends a block, and gives what moved before it.
    fn close(&mut self) -> Vec<Stmt> {
        self.scopes.pop().map_or_else(Vec::new, |scope| scope.before)
    }

    fn forget_loads(&mut self) {
        let top = self.top();
        self.scopes[top].loads = self.serial();
    }

    /// A constant in scope `to`: one of its own, if it has been computed further inside.
    fn constant_at(&mut self, operand: Operand, to: usize) -> Operand {
        let Operand::Reg(reg) = operand else { return operand };
        let (Some(Made::Constant(inst, first)), true) =
            (&self.made[reg.index()], self.level[reg.index()] > to)
        else {
            return operand;
        };
        let (inst, first) = (inst.clone(), *first);
        let data = &self.regs[reg];
        let name = format!("{}_{}", data.name, self.regs.len());
        let own = self.regs.add(RegData { name: name.as_str().into(), ..data.clone() });
        self.same.push(own);
        self.level.push(to);
        self.born.push(LATER);
        self.define_at(own, to);
        self.made.push(Some(Made::Constant(inst.clone(), first)));
        if let Some(moved) = self.scopes.get_mut(to + 1) {
            moved.before.push(Stmt::Inst(Inst { def: Some(own), ..inst }));
        }
        Operand::Reg(own)
    }

    /// Constants by their first registers, wherever they are computed.
    fn key(&self, inst: &Inst, def: Reg) -> Key {
        let first = |o: &Operand| match o {
            Operand::Reg(reg) => match &self.made[reg.index()] {
                Some(Made::Constant(_, first)) => Operand::Reg(*first),
                Some(Made::OfLanes) | None => *o,
            },
            Operand::Imm(_) => *o,
        };
        key(inst, self.regs[def].class, first)
    }

    /// Does the block have what `inst` loads? What writes makes it forget.
    fn loaded(&mut self, inst: &Inst) -> bool {
        let (true, Some(def)) = (loads_lanes(&inst.op), inst.def) else {
            let writes = |access| matches!(access, Access::Write | Access::Update);
            let other = matches!(inst.op, Op::Async(_));
            if other || inst.op.memory().is_some_and(|(access, _)| writes(access)) {
                self.forget_loads();
                self.writes += 1;
            }
            return false;
        };
        let key = self.key(inst, def);
        // What a block around has loaded is not to be had here, nor behind this block.
        let here = self.scopes[self.top()].loads;
        let known = self.known.entry(key).or_insert((here, def));
        if known.0 != here {
            *known = (here, def);
        }
        self.same[def.index()] = known.1;
        if known.1 == def {
            self.define(def);
        }
        self.same[def.index()] != def
    }

    fn inst(&mut self, mut inst: Inst, out: &mut Vec<Stmt>) {
        inst.uses.iter_mut().for_each(|o| *o = self.operand(*o));
        if let Some(mem) = &mut inst.mem {
            mem.base = self.find(mem.base);
        }
        if self.loaded(&inst) {
            return;
        }
        let Some(def) = inst.def.filter(|_| pure(&inst)) else {
            if let Some(def) = inst.def {
                self.define(def);
            }
            out.push(Stmt::Inst(inst));
            return;
        };
        let of = |o: &Operand| match o {
            Operand::Reg(reg) => self.made[reg.index()].as_ref(),
            Operand::Imm(_) => None,
        };
        let lanes = inst.uses.iter().any(|o| match of(o) {
            Some(Made::Constant(constant, _)) => constant.op == Op::Iota,
            Some(Made::OfLanes) => true,
            None => false,
        });
        let all = inst.uses.iter().all(|o| matches!(o, Operand::Imm(_)) || of(o).is_some());
        let made = inst.mem.is_none() && lanes && all;
        let mut key = self.key(&inst, def);
        if constant(&inst.op) {
            let first = *self.first.entry(key.clone()).or_insert(def);
            self.made[def.index()] = Some(Made::Constant(inst.clone(), first));
            key.serial = self.scopes[self.top()].serial;
        } else if made {
            self.made[def.index()] = Some(Made::OfLanes);
        }
        let open = |serial: u32| self.scopes.iter().any(|scope| scope.serial == serial);
        if let Some((_, known)) = self.known.get(&key).filter(|(serial, _)| open(*serial)) {
            self.same[def.index()] = *known;
            return;
        }
        let mut to = self.top();
        // Of constants alone something is made as fast as it is kept.
        let worth = made || !all;
        let outside = |to: usize| {
            inst.uses.iter().all(|o| match o {
                Operand::Reg(reg) => {
                    let constant = matches!(self.made[reg.index()], Some(Made::Constant(..)));
                    worth && constant || self.level[reg.index()] < to
                }
                Operand::Imm(_) => true,
            })
        };
        // A product leaves a branch, too, where that is in a loop in which it does not change: additions cost nothing in an address.
        if !self.scopes[to].is_loop && to > 1 && self.scopes[to - 1].is_loop {
            let moves = inst.op == Op::Int(IntOp::Mul) && outside(to) && outside(to - 1);
            to -= usize::from(moves);
        }
        while !constant(&inst.op) && self.scopes[to].is_loop && outside(to) {
            to -= 1;
        }
        if to < self.top() {
            inst.uses = inst.uses.iter().map(|o| self.constant_at(*o, to)).collect();
        }
        self.define_at(def, to);
        self.known.insert(key, (self.scopes[to].serial, def));
        match self.scopes.get_mut(to + 1) {
            Some(moved) => moved.before.push(Stmt::Inst(inst)),
            None => out.push(Stmt::Inst(inst)),
        }
    }
}

/// Uses of each register.
fn count(list: &[Stmt], used: &mut [usize]) {
    let add = |used: &mut [usize], operand: Operand| {
        if let Operand::Reg(reg) = operand {
            used[reg.index()] += 1;
        }
    };
    for stmt in list {
        match stmt {
            Stmt::Inst(inst) => {
                inst.uses.iter().for_each(|o| add(used, *o));
                inst.mem.iter().for_each(|m| add(used, Operand::Reg(m.base)));
            }
            Stmt::Loop(l) => {
                [l.lo, l.hi, l.step].into_iter().for_each(|o| add(used, o));
                for c in &l.carried {
                    add(used, Operand::Reg(c.init));
                    add(used, Operand::Reg(c.yielded));
                }
                count(&l.body, used);
            }
            Stmt::If(i) => {
                [i.a, i.b].into_iter().for_each(|o| add(used, o));
                for y in &i.yields {
                    add(used, Operand::Reg(y.1));
                    add(used, Operand::Reg(y.2));
                }
                count(&i.then, used);
                count(&i.otherwise, used);
            }
        }
    }
}

/// What has an effect or a use, last first, so that a chain goes at once.
fn live(list: Vec<Stmt>, used: &mut [usize]) -> Vec<Stmt> {
    let mut out = Vec::with_capacity(list.len());
    for stmt in list.into_iter().rev() {
        match stmt {
            Stmt::Inst(inst) => {
                let reads = matches!(inst.op, Op::Read(_)) || loads_lanes(&inst.op);
                let unused = inst.def.is_some_and(|d| used[d.index()] == 0);
                if unused && (reads || pure(&inst)) {
                    for operand in &inst.uses {
                        if let Operand::Reg(reg) = operand {
                            used[reg.index()] -= 1;
                        }
                    }
                    if let Some(mem) = inst.mem {
                        used[mem.base.index()] -= 1;
                    }
                } else {
                    out.push(Stmt::Inst(inst));
                }
            }
            Stmt::Loop(mut l) => {
                l.body = live(l.body, used);
                out.push(Stmt::Loop(l));
            }
            Stmt::If(mut i) => {
                i.otherwise = live(i.otherwise, used);
                i.then = live(i.then, used);
                out.push(Stmt::If(i));
            }
        }
    }
    out.reverse();
    out
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::testing::TARGET;
    use kgen_ir::machine::{parse::parse, verify::verify};

    /// What a text becomes, with `n` branches left.
    pub fn branches(body: &str, n: usize) -> String {
        let head = "machine m lanes 4 { slot 0 = pointer x slot 1 = extent n slot 2 = pointer y
             x = arg 0 : i n = arg 1 : i y = arg 2 : i";
        let out = share(parse(&format!("{head} {body} }}")).unwrap(), &TARGET).unwrap();
        verify(&out).unwrap();
        let text = out.to_string();
        assert_eq!(text.matches(" if ").count(), n, "{text}");
        text
    }

    #[test]
    fn what_does_not_change_is_hoisted_with_its_constants() {
        let text = branches(
            "s = splat.w32 [y + 0] : f
             loop t in 0..n step 1 { one = fconst 1065353216 : f two = fadd one, one : f d = fadd s, one : f
             r = fdiv one, d : f l = load.w32 [x + 0] : f m = fmul l, r : f o = fmul m, two : f
             store.w32 [x + 0], o }",
            0,
        );
        let (before, inside) = text.split_once("loop").unwrap();
        assert!(before.contains("fdiv") && !inside.contains("fdiv"), "{text}");
        // Of constants alone: not.
        assert!(inside.contains("two = fadd one, one"), "{text}");
    }

    #[test]
    fn shares_hoists_and_removes() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer x slot 1 = extent n x = arg 0 : i n = arg 1 : i
             unused = load.w32 [x + 0] : f
             chain = fneg unused : f
             loop t in 0..n step 1 {
               a = imul n, 16 : i
               p = iadd x, a : i
               q = iadd p, t : i
               loop u in 0..n step 1 {
                 b = imul n, 16 : i
                 q2 = iadd p, t : i
                 r = iadd q2, b : i
                 one = wconst 1 : w
                 two = wconst 1 : w
                 three = wadd one, two : w
                 store.w32 [r + 0], three
                 if u < 1 { c = iadd q, n : i store.w32 [c + 0], one }
               }
             } }",
        )
        .unwrap();
        let out = share(kernel.clone(), &TARGET).unwrap();
        verify(&out).unwrap();
        let expected = "machine m lanes 4 {
  slot 0 = pointer x
  slot 1 = extent n
  x = arg 0 : i
  n = arg 1 : i
  a = imul n, 16 : i
  p = iadd x, a : i
  loop t in 0..n step 1 {
    q = iadd p, t : i
    r = iadd q, a : i
    loop u in 0..n step 1 {
      one = wconst 1 : w
      three = wadd one, one : w
      store.w32 [r + 0], three
      if u < 1 {
        c = iadd q, n : i
        store.w32 [c + 0], one
      }
    }
  }
}
";
        assert_eq!(out.to_string(), expected);
    }

    #[test]
    fn what_is_made_of_lanes_and_constants_is_hoisted_with_them() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer x slot 1 = extent n x = arg 0 : i n = arg 1 : i
             loop t in 0..n step 1 {
               lane = iota : w
               one = wconst 1 : w
               odd = and lane, one : w
               again = wconst 1 : w
               other = and lane, again : w
               both = wadd odd, other : w
               alone = wadd one, again : w
               sum = wadd both, alone : w
               store.w32 [x + 0], sum
             } }",
        )
        .unwrap();
        let out = share(kernel.clone(), &TARGET).unwrap();
        verify(&out).unwrap();
        let text = out.to_string();
        let (before, inside) = text.split_once("loop").unwrap();
        assert_eq!(before.matches("and").count(), 1, "{text}");
        assert_eq!(before.matches("wadd").count(), 1, "{text}");
        assert_eq!(inside.matches("wadd").count(), 2, "{text}");
    }

    #[test]
    fn a_load_is_shared_until_something_is_stored() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i
             a = load.w32 [x + 0] : w b = load.w32 [x + 0] : w c = load.w32 [x + 16] : w
             store.w32 [x + 0], b store.w32 [x + 16], c
             d = load.w32 [x + 0] : w store.w32 [x + 32], d }",
        )
        .unwrap();
        let out = share(kernel.clone(), &TARGET).unwrap().to_string();
        assert_eq!(out.matches("load.w32").count(), 3, "{out}");
        assert!(out.contains("store.w32 [x + 0], a"), "{out}");
    }

    #[test]
    fn products_leave_branches_in_loops() {
        let text = branches(
            "s = read.u8 [x + 0] : i
             loop t in 0..n step 1 { if n > t { a = imul s, n : i p = iadd x, a : i q = iadd p, t : i prefetch.1 [q + 0] } }",
            1,
        );
        let (before, inside) = text.split_once("loop").unwrap();
        assert!(before.contains("imul s, n"), "{text}");
        // Additions stay: they are part of an address.
        assert!(inside.contains("iadd x, a"), "{text}");
    }

    #[test]
    fn a_division_by_a_register_stays_behind_its_guard() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer x slot 1 = extent n x = arg 0 : i n = arg 1 : i
             loop t in 0..n step 1 { a = idiv x, n : i write.w64 [x + 0], a } }",
        )
        .unwrap();
        assert_eq!(share(kernel.clone(), &TARGET).unwrap(), kernel);
    }
}
