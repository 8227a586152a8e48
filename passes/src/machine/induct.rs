//! In innermost loops, a multiple of the loop's variable becomes a sum that grows by a step a turn.
//!
//! ```text
//! loop u in 0..n step 1 {            p0 = const 0 : i
//!   p = imul u, s : i                q = loop u in 0..n step 1 carry p = p0 {
//!   ..                         ->      ..
//! }                                    p1 = iadd p, s : i
//!                                    } yield p1
//! ```
//!
//! A product of two registers overwrites one of them, so the variable would be copied in every turn. So would it be by a
//! shift, where its multiples are taken of a quotient; and a sum of which this is true is multiplied as the variable is:
//!
//! ```text
//! q = idiv u, 32   p = imul q, 34        grows by 34 a turn, if u does by 32 from a multiple of 32
//! t = iadd u, x    p = imul t, s         grows by s
//! d = isub u, x                          grows as u does: a difference, too, overwrites what it is taken from
//! ```
//!
//! Where somebody else chooses the registers, only products of the variable itself change.

use super::share::without_unused;
use kgen_ir::{arena::Map, diag::Unsupported, machine::*, target::Target};

pub fn induct(kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    let mut out = kernel;
    let body = std::mem::take(&mut out.body);
    let before = out.regs.len();
    out.body = block(&mut out, body, !target.reorders);
    if out.regs.len() > before {
        out.body = without_unused(std::mem::take(&mut out.body), out.regs.len());
    }
    Ok(out)
}

fn block(k: &mut Kernel, list: Vec<Stmt>, deep: bool) -> Vec<Stmt> {
    let mut out = Vec::with_capacity(list.len());
    for stmt in list {
        match stmt {
            Stmt::Inst(inst) => out.push(Stmt::Inst(inst)),
            Stmt::Loop(l) if innermost(&l.body) => inner(k, *l, deep, &mut out),
            Stmt::Loop(mut l) => {
                l.body = block(k, l.body, deep);
                out.push(Stmt::Loop(l));
            }
            Stmt::If(mut i) => {
                i.then = block(k, i.then, deep);
                i.otherwise = block(k, i.otherwise, deep);
                out.push(Stmt::If(i));
            }
        }
    }
    out
}

fn innermost(body: &[Stmt]) -> bool {
    body.iter().all(|s| match s {
        Stmt::Inst(_) => true,
        Stmt::Loop(_) => false,
        Stmt::If(i) => innermost(&i.then) && innermost(&i.otherwise),
    })
}

/// A number that is known before the loop.
#[derive(Clone, PartialEq)]
enum Before {
    Is(Operand),
    Of(IntOp, Box<(Before, Before)>),
}

impl Before {
    /// Numbers stand last, as far outside as they can.
    fn of(op: IntOp, a: Before, b: Before) -> Before {
        use Before::Is;
        use Operand::Imm;
        let (a, b) = match op {
            IntOp::Add | IntOp::Mul if matches!(a, Is(Imm(_))) => (b, a),
            IntOp::Add | IntOp::Sub | IntOp::Mul | IntOp::Div | IntOp::Rem => (a, b),
            IntOp::Min | IntOp::Max => (a, b),
        };
        let number = |x: i64| Is(Imm(x));
        match (op, a.split(), b.split()) {
            (IntOp::Add, (Some(a), x), (Some(b), y))
                if x.checked_add(y).is_some_and(|z| z != 0) =>
            {
                return Before::plain(op, Before::plain(op, a, b), number(x + y));
            }
            // Rounds down.
            (IntOp::Div, (Some(a), x), (None, by)) if x != 0 && by > 0 && x % by == 0 => {
                let quotient = Before::plain(op, a, number(by));
                return Before::plain(IntOp::Add, quotient, number(x / by));
            }
            _ => {}
        }
        Before::plain(op, a, b)
    }

    /// Without the number that is added last, and that number.
    fn split(&self) -> (Option<Before>, i64) {
        match self {
            Before::Is(Operand::Imm(x)) => (None, *x),
            Before::Of(IntOp::Add, both) => match &both.1 {
                Before::Is(Operand::Imm(x)) => (Some(both.0.clone()), *x),
                Before::Is(_) | Before::Of(..) => (Some(self.clone()), 0),
            },
            Before::Is(_) | Before::Of(..) => (Some(self.clone()), 0),
        }
    }

    /// Of how many registers it is made.
    fn leaves(&self, found: &mut Vec<Reg>) {
        match self {
            Before::Is(Operand::Reg(reg)) if !found.contains(reg) => found.push(*reg),
            Before::Is(_) => {}
            Before::Of(_, both) => {
                both.0.leaves(found);
                both.1.leaves(found);
            }
        }
    }

    fn plain(op: IntOp, a: Before, b: Before) -> Before {
        use Before::Is;
        use Operand::Imm;
        let constant = match (op, &a, &b) {
            (IntOp::Add, Is(Imm(a)), Is(Imm(b))) => a.checked_add(*b),
            (IntOp::Sub, Is(Imm(a)), Is(Imm(b))) => a.checked_sub(*b),
            (IntOp::Mul, Is(Imm(a)), Is(Imm(b))) => a.checked_mul(*b),
            (IntOp::Div, Is(Imm(a)), Is(Imm(b))) => a.checked_div_euclid(*b),
            _ => None,
        };
        match (op, constant, &a, &b) {
            (_, Some(x), _, _) => Is(Imm(x)),
            (IntOp::Mul, _, _, Is(Imm(0))) => b,
            (IntOp::Add, _, Is(Imm(0)), _) => b,
            (IntOp::Mul, _, _, Is(Imm(1))) | (IntOp::Add | IntOp::Sub, _, _, Is(Imm(0))) => a,
            _ => Before::Of(op, Box::new((a, b))),
        }
    }

    /// Written out before the loop.
    fn operand(&self, k: &mut Kernel, out: &mut Vec<Stmt>) -> Operand {
        match self {
            Before::Is(operand) => *operand,
            Before::Of(..) => {
                let def = k.integer();
                self.write(def, k, out);
                Operand::Reg(def)
            }
        }
    }

    fn write(&self, def: Reg, k: &mut Kernel, out: &mut Vec<Stmt>) {
        let stmt = match self {
            Before::Is(x) => {
                Stmt::Inst(Inst { op: Op::Const, def: Some(def), uses: [*x].into(), mem: None })
            }
            Before::Of(op, both) => {
                let uses = [both.0.operand(k, out), both.1.operand(k, out)];
                Stmt::Inst(Inst::int(*op, def, uses))
            }
        };
        out.push(stmt);
    }

    fn register(&self, k: &mut Kernel, out: &mut Vec<Stmt>) -> Reg {
        match self {
            Before::Is(Operand::Reg(reg)) => *reg,
            Before::Is(Operand::Imm(_)) | Before::Of(..) => {
                let def = k.integer();
                self.write(def, k, out);
                def
            }
        }
    }
}

/// A number that grows by as much in every turn.
#[derive(Clone, PartialEq)]
struct Linear {
    lo: Before,
    step: Before,
    /// There is a quotient in it.
    divided: bool,
}

struct Inner {
    /// Registers that change in the loop, with what is known of how.
    own: Map<Reg, Option<Linear>>,
    /// What becomes a carried sum, and the register that it is in.
    sums: Vec<(Linear, Option<Reg>)>,
    same: Map<Reg, Reg>,
    /// Sums that do not change, which branches compute, in a register from before the loop.
    fixed: Vec<(Before, Reg)>,
    deep: bool,
}

fn inner(k: &mut Kernel, mut l: Loop, deep: bool, out: &mut Vec<Stmt>) {
    let Operand::Imm(step) = l.step else { return out.push(Stmt::Loop(Box::new(l))) };
    let step = Before::Is(Operand::Imm(step));
    let var = Linear { lo: Before::Is(l.lo), step, divided: false };
    let mut s =
        Inner { own: Map::default(), sums: vec![], same: Map::default(), fixed: vec![], deep };
    s.own.insert(l.var, Some(var));
    s.own.extend(l.carried.iter().map(|c| (c.param, None)));
    let mut products = Vec::new();
    s.note(&l.body, &mut products);
    if products.is_empty() {
        return out.push(Stmt::Loop(Box::new(l)));
    }
    let mut used = Vec::new();
    s.uses(&l.body, &mut used);
    for product in products {
        let sums = s.pointers(&product, &used);
        let sums = if deep && !sums.is_empty() { sums } else { vec![product] };
        s.sums.extend(sums.into_iter().map(|sum| (sum, None)));
    }
    l.body = s.block(k, std::mem::take(&mut l.body));
    for (fixed, reg) in &s.fixed {
        fixed.write(*reg, k, out);
    }
    let mut ends = Vec::with_capacity(s.sums.len());
    for (linear, param) in &s.sums {
        let Some(param) = *param else { continue };
        let more = match &linear.step {
            // Sums multiply by these themselves.
            Before::Of(IntOp::Mul, both)
                if deep && matches!(both.1, Before::Is(Operand::Imm(2 | 4 | 8))) =>
            {
                let uses = [both.0.operand(k, out), both.1.operand(k, out)];
                let more = k.integer();
                ends.push(Stmt::Inst(Inst::int(IntOp::Mul, more, uses)));
                Operand::Reg(more)
            }
            step @ (Before::Is(_) | Before::Of(..)) => step.operand(k, out),
        };
        let init = linear.lo.register(k, out);
        let (next, result) = (k.integer(), k.integer());
        let uses = [Operand::Reg(param), more];
        ends.push(Stmt::Inst(Inst::int(IntOp::Add, next, uses)));
        l.carried.push(Carried { result, param, init, yielded: next });
    }
    l.body.extend(ends);
    out.push(Stmt::Loop(Box::new(l)));
}

/// A register that is read, not as an address: by a sum of it and what does not change, or otherwise.
enum Used {
    Added(Reg, Reg),
    Else(Reg),
}

impl Inner {
    /// How each register changes, and the products to be rid of.
    fn note(&mut self, list: &[Stmt], products: &mut Vec<Linear>) {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => {
                    let Some(def) = inst.def else { continue };
                    let linear = match (&inst.op, &inst.uses[..]) {
                        (Op::Int(op), [a, b]) => self.of(*op, *a, *b),
                        _ => None,
                    };
                    let product = inst.op == Op::Int(IntOp::Mul)
                        || self.deep && inst.op == Op::Int(IntOp::Sub);
                    let registers = inst.uses.iter().all(|o| matches!(o, Operand::Reg(_)));
                    let moves = |l: &&Linear| l.step != Before::Is(Operand::Imm(0));
                    if let Some(l) = linear.as_ref().filter(moves)
                        && product
                        && (registers || l.divided)
                    {
                        if !products.contains(l) {
                            products.push(l.clone());
                        }
                        self.own.insert(def, linear);
                    } else {
                        self.own.insert(def, linear.filter(|_| self.deep));
                    }
                }
                Stmt::If(i) => {
                    if self.deep {
                        self.note(&i.then, products);
                        self.note(&i.otherwise, products);
                    }
                    self.own.extend(i.yields.iter().map(|y| (y.0, None)));
                }
                Stmt::Loop(_) => {} // none in an innermost loop
            }
        }
    }

    /// Who reads which register that changes.
    fn uses(&self, list: &[Stmt], out: &mut Vec<Used>) {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => {
                    let regs = inst.uses.iter().filter_map(|o| o.register());
                    let regs: Vec<Reg> = regs.filter(|reg| self.changes(*reg)).collect();
                    match (&inst.op, &regs[..], &inst.uses[..], inst.def) {
                        (Op::Int(IntOp::Add), [reg], [_, Operand::Reg(_)], Some(def)) => {
                            out.push(Used::Added(*reg, def));
                        }
                        _ => out.extend(regs.into_iter().map(Used::Else)),
                    }
                }
                Stmt::If(i) => {
                    out.extend(
                        [i.a, i.b].into_iter().filter_map(Operand::register).map(Used::Else),
                    );
                    self.uses(&i.then, out);
                    self.uses(&i.otherwise, out);
                    out.extend(i.yields.iter().flat_map(|y| [Used::Else(y.1), Used::Else(y.2)]));
                }
                Stmt::Loop(_) => {}
            }
        }
    }

    fn changes(&self, reg: Reg) -> bool {
        let zero = Before::Is(Operand::Imm(0));
        self.own.get(&reg).is_some_and(|l| l.as_ref().is_none_or(|l| l.step != zero))
    }

    /// The sums that a product is only read for, if each is added to again, which an address cannot do all at once.
    fn pointers(&self, product: &Linear, used: &[Used]) -> Vec<Linear> {
        let of = |reg: &Reg| self.own.get(reg).and_then(|l| l.as_ref());
        let mut sums: Vec<Linear> = Vec::new();
        for u in used {
            match u {
                Used::Else(reg) if of(reg) == Some(product) => return vec![],
                Used::Added(reg, sum) if of(reg) == Some(product) => match of(sum) {
                    Some(sum) if !sums.contains(sum) => sums.push(sum.clone()),
                    Some(_) => {}
                    None => return vec![],
                },
                Used::Else(_) | Used::Added(..) => {}
            }
        }
        let again = |sum: &Linear| {
            used.iter().any(|u| match u {
                Used::Added(reg, _) | Used::Else(reg) => of(reg) == Some(sum),
            })
        };
        if sums.iter().all(again) { sums } else { vec![] }
    }

    fn block(&mut self, k: &mut Kernel, list: Vec<Stmt>) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(list.len());
        for stmt in list {
            match stmt {
                Stmt::Inst(mut inst) => {
                    inst.uses.iter_mut().for_each(|o| *o = self.operand(*o));
                    if let Some(mem) = &mut inst.mem {
                        mem.base = self.find(mem.base);
                    }
                    if !self.is_sum(&inst) {
                        self.fix(k, &mut inst, &mut out);
                        out.push(Stmt::Inst(inst));
                    }
                }
                Stmt::If(mut i) => {
                    (i.a, i.b) = (self.operand(i.a), self.operand(i.b));
                    i.then = self.block(k, std::mem::take(&mut i.then));
                    i.otherwise = self.block(k, std::mem::take(&mut i.otherwise));
                    for y in &mut i.yields {
                        (y.1, y.2) = (self.find(y.1), self.find(y.2));
                    }
                    out.push(Stmt::If(i));
                }
                Stmt::Loop(l) => out.push(Stmt::Loop(l)),
            }
        }
        out
    }

    fn find(&self, reg: Reg) -> Reg {
        self.same.get(&reg).copied().unwrap_or(reg)
    }

    fn operand(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Reg(reg) => Operand::Reg(self.find(reg)),
            Operand::Imm(x) => Operand::Imm(x),
        }
    }

    /// How an operand changes: `None` where nobody knows.
    fn linear(&self, operand: Operand) -> Option<Linear> {
        let fixed =
            Linear { lo: Before::Is(operand), step: Before::Is(Operand::Imm(0)), divided: false };
        match operand {
            Operand::Imm(_) => Some(fixed),
            Operand::Reg(reg) => self.own.get(&reg).cloned().unwrap_or(Some(fixed)),
        }
    }

    /// Of a sum of what changes and what does not, the latter is computed before the loop, if it is made of several
    /// registers in a branch; its number is added last, which addresses do.
    fn fix(&mut self, k: &mut Kernel, inst: &mut Inst, out: &mut Vec<Stmt>) {
        let (Op::Int(IntOp::Add), Some(def)) = (&inst.op, inst.def) else { return };
        let [a @ Operand::Reg(_), b @ Operand::Reg(_)] = inst.uses[..] else { return };
        let zero = Before::Is(Operand::Imm(0));
        let still = |o: Operand| self.linear(o).filter(|l| l.step == zero);
        let (fixed, other) = match (still(a), still(b)) {
            (Some(fixed), None) => (fixed, b),
            (None, Some(fixed)) => (fixed, a),
            (Some(_), Some(_)) | (None, None) => return,
        };
        let (Some(fixed), number) = fixed.lo.split() else { return };
        let mut leaves = Vec::new();
        fixed.leaves(&mut leaves);
        if !self.deep || leaves.len() < 2 {
            return;
        }
        let find = |f: &Before| self.fixed.iter().find(|(g, _)| g == f).map(|(_, reg)| *reg);
        // One register more than another: both are at hand.
        let (known, more) = match &fixed {
            Before::Of(IntOp::Add, both) => match (find(&both.0), &both.1) {
                (Some(reg), Before::Is(more)) => (Some(reg), Some(*more)),
                _ => (find(&fixed), None),
            },
            Before::Is(_) | Before::Of(..) => (find(&fixed), None),
        };
        let reg = known.unwrap_or_else(|| {
            let reg = k.integer();
            self.fixed.push((fixed, reg));
            reg
        });
        let number = (number != 0).then_some(Operand::Imm(number));
        let mut uses = [Operand::Reg(reg), other];
        for next in [more, number].into_iter().flatten() {
            let sum = k.integer();
            out.push(Stmt::Inst(Inst::int(IntOp::Add, sum, uses)));
            uses = [Operand::Reg(sum), next];
        }
        *inst = Inst::int(IntOp::Add, def, uses);
    }

    /// Whether the instruction computes what is carried.
    fn is_sum(&mut self, inst: &Inst) -> bool {
        let (Op::Int(IntOp::Mul | IntOp::Add | IntOp::Sub), Some(def)) = (&inst.op, inst.def)
        else {
            return false;
        };
        let Some(Some(linear)) = self.own.get(&def) else { return false };
        match self.sums.iter_mut().find(|(sum, _)| sum == linear) {
            Some((_, Some(known))) => {
                self.same.insert(def, *known);
            }
            Some((_, known)) => *known = Some(def),
            None => return false,
        }
        true
    }

    fn of(&self, op: IntOp, a: Operand, b: Operand) -> Option<Linear> {
        let (x, y) = (self.linear(a)?, self.linear(b)?);
        let zero = Before::Is(Operand::Imm(0));
        let divided = x.divided || y.divided;
        match op {
            IntOp::Add | IntOp::Sub => Some(Linear {
                lo: Before::of(op, x.lo, y.lo),
                step: Before::of(op, x.step, y.step),
                divided,
            }),
            IntOp::Mul => {
                let (x, by) = if y.step == zero { (x, y) } else { (y, x) };
                (by.step == zero).then(|| Linear {
                    lo: Before::of(op, by.lo.clone(), x.lo),
                    step: Before::of(op, by.lo, x.step),
                    divided,
                })
            }
            IntOp::Div if x.step == zero && matches!(b, Operand::Imm(1..)) => {
                Some(Linear { lo: Before::of(op, x.lo, y.lo), step: zero, divided: true })
            }
            IntOp::Div => {
                let (Before::Is(Operand::Imm(lo)), Before::Is(Operand::Imm(step))) = (x.lo, x.step)
                else {
                    return None;
                };
                let Operand::Imm(by) = b else { return None };
                let whole = by > 0 && lo % by == 0 && step % by == 0;
                let is = |x: i64| Before::Is(Operand::Imm(x));
                whole.then(|| Linear { lo: is(lo / by), step: is(step / by), divided: true })
            }
            IntOp::Rem | IntOp::Min | IntOp::Max => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TARGET;
    use kgen_ir::machine::{parse::parse, verify::verify};

    fn done(text: &str) -> String {
        let k = induct(parse(text).unwrap(), &TARGET).unwrap();
        verify(&k).unwrap();
        k.to_string()
    }

    #[test]
    fn multiples_become_sums() {
        let text = |lo: &str, step: &str| {
            format!(
                "machine m lanes 4 {{ slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i
                 loop u in {lo}..9 step {step} {{ o = imul u, s : i q = iadd p, o : i
                 prefetch.1 [q + 0] }} }}"
            )
        };
        let one = done(&text("0", "1"));
        assert!(!one.contains("imul") && one.contains("carry o = n5"), "{one}");
        assert!(one.contains("n6 = iadd o, s"), "{one}");
        let some = done(&text("3", "2"));
        assert!(some.contains("n6 = imul s, 3"), "{some}");
        assert!(some.contains("n5 = imul s, 2 : i\n    n7 = iadd o, n5"), "{some}");
    }

    #[test]
    fn sums_and_quotients_of_the_variable_grow_too_also_in_branches() {
        let head = "machine m lanes 4 { slot 0 = pointer p slot 1 = extent s slot 2 = extent x
             p = arg 0 : i s = arg 1 : i x = arg 2 : i";
        let sum = done(&format!(
            "{head} loop u in 0..9 step 1 {{ if u < x {{ t = iadd u, x : i o = imul t, s : i
             q = iadd p, o : i prefetch.1 [q + 0] }} }} }}"
        ));
        // From x s in steps of s.
        assert!(sum.contains("= imul s, x") && sum.contains("= iadd o, s"), "{sum}");
        let blocks = |by: i64| {
            done(&format!(
                "{head} loop u in 0..96 step 32 {{ t = idiv u, {by} : i o = imul t, 34 : i
                 q = iadd p, o : i r = iadd q, x : i prefetch.1 [r + 0] }} }}"
            ))
        };
        // A pointer that grows, for more is added to it than an address takes.
        let of = blocks(32);
        assert!(!of.contains("idiv") && of.contains("carry q = p"), "{of}");
        assert!(of.contains("= iadd q, 34"), "{of}");
        assert!(blocks(64).contains("idiv"));
    }

    #[test]
    fn differences_grow_as_the_variable_does() {
        let text = done(
            "machine m lanes 4 { slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i
             loop u in 0..96 step 16 { t = iadd u, 1 : i d = isub s, t : i e = isub u, s : i
             x = iadd p, d : i y = iadd p, e : i prefetch.1 [x + 0] prefetch.1 [y + 0] } }",
        );
        let (_, inside) = text.split_once("loop").unwrap();
        assert!(!inside.contains("isub") && inside.matches(", -16 : i").count() == 1, "{text}");
    }

    #[test]
    fn what_branches_add_up_of_several_registers_is_added_before_the_loop() {
        let text = done(
            "machine m lanes 4 { slot 0 = pointer p slot 1 = extent s slot 2 = extent x
             p = arg 0 : i s = arg 1 : i x = arg 2 : i
             loop u in 0..9 step 1 { if u < 5 {
               o = imul u, s : i
               c = iadd x, 128 : i d = idiv c, 8 : i e = iadd p, d : i
               q = iadd e, o : i prefetch.1 [q + 0]
               f = iadd e, s : i r = iadd f, o : i prefetch.1 [r + 0]
             } } }",
        );
        let (before, inside) = text.split_once("loop").unwrap();
        // (x + 128) / 8 = x / 8 + 16
        assert!(before.contains("idiv x, 8") && !inside.contains("idiv"), "{text}");
        assert_eq!(inside.matches(", 16 : i").count(), 2, "{text}");
    }

    #[test]
    fn what_changes_or_is_not_innermost_stays() {
        for body in [
            "t = iadd u, 1 : i o = imul u, t : i q = iadd p, o : i prefetch.1 [q + 0]",
            "o = imul u, 8 : i q = iadd p, o : i prefetch.1 [q + 0]",
            "o = imul u, s : i q = iadd p, o : i loop v in 0..2 step 1 { prefetch.1 [q + 0] }",
        ] {
            let text = done(&format!(
                "machine m lanes 4 {{ slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i
                 loop u in 0..9 step 1 {{ {body} }} }}"
            ));
            assert!(text.contains("o = imul") && !text.contains("carry"), "{text}");
        }
    }
}
