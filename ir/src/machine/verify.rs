//! What every kernel must satisfy before a pass, the interpreter or an emitter sees it.
//!
//! ```text
//! in kernel axpy: `b = fadd a, x : f`: operand 2 is of class i, expected f
//! ```

use super::*;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in kernel {kernel}: {place}: {what}")]
pub struct VerifyError {
    pub kernel: String,
    /// The guilty statement as printed.
    pub place: String,
    pub what: String,
}

/// Definitions dominate uses and are single, classes fit, immediates, slots, lanes and steps are in range.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    let mut v = Verifier { k: kernel, state: vec![State::Undefined; kernel.regs.len()] };
    if !(1..=64).contains(&kernel.lanes) {
        return v.fail("header", format!("{} lanes, expected 1 to 64", kernel.lanes));
    }
    v.block(&kernel.body).map(|_| ())
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Undefined,
    Live,
    /// Defined in a block that has ended.
    Over,
}

struct Verifier<'a> {
    k: &'a Kernel,
    state: Vec<State>,
}

type Checked<T> = Result<T, VerifyError>;

impl Verifier<'_> {
    fn fail<T>(&self, place: &str, what: impl Into<String>) -> Checked<T> {
        Err(VerifyError { kernel: self.k.name.clone(), place: place.into(), what: what.into() })
    }

    fn define(&mut self, place: &str, reg: Reg, defs: &mut Vec<Reg>) -> Checked<Class> {
        match self.state.get(reg.index()) {
            None => return self.fail(place, format!("register {} does not exist", reg.index())),
            Some(State::Undefined) => {}
            Some(State::Live | State::Over) => {
                let name = self.k.reg_name(reg);
                return self.fail(place, format!("`{name}` is defined twice"));
            }
        }
        self.state[reg.index()] = State::Live;
        defs.push(reg);
        Ok(self.k.regs[reg].class)
    }

    fn read(&self, place: &str, reg: Reg) -> Checked<Class> {
        let name = self.k.reg_name(reg);
        match self.state.get(reg.index()) {
            Some(State::Live) => Ok(self.k.regs[reg].class),
            Some(State::Undefined) => {
                self.fail(place, format!("`{name}` is used before its definition"))
            }
            Some(State::Over) => self.fail(place, format!("`{name}` is out of scope")),
            None => self.fail(place, format!("register {} does not exist", reg.index())),
        }
    }

    fn integer(&self, place: &str, operand: Operand) -> Checked<()> {
        match operand {
            Operand::Imm(_) => Ok(()),
            Operand::Reg(reg) => {
                let class = self.read(place, reg)?;
                self.expect(place, &self.k.reg_name(reg), class, &[Class::Int])
            }
        }
    }

    fn expect(&self, place: &str, what: &str, found: Class, wanted: &[Class]) -> Checked<()> {
        if wanted.contains(&found) {
            return Ok(());
        }
        let wanted: Vec<_> = wanted.iter().map(|c| c.letter()).collect();
        let found = found.letter();
        self.fail(place, format!("{what} is of class {found}, expected {}", wanted.join(" or ")))
    }

    /// Checks the block and gives the registers it defines, which stay live for its yields.
    fn block(&mut self, list: &[Stmt]) -> Checked<Vec<Reg>> {
        let mut defs = Vec::new();
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst, &mut defs)?,
                Stmt::Loop(l) => self.loop_(l, &mut defs)?,
                Stmt::If(i) => self.if_(i, &mut defs)?,
            }
        }
        Ok(defs)
    }

    fn end(&mut self, defs: Vec<Reg>) {
        for reg in defs {
            self.state[reg.index()] = State::Over;
        }
    }

    fn loop_(&mut self, l: &Loop, outer: &mut Vec<Reg>) -> Checked<()> {
        let place = format!("loop {}", self.k.reg_name(l.var));
        for operand in [l.lo, l.hi, l.step] {
            self.integer(&place, operand)?;
        }
        if let Operand::Imm(step) = l.step
            && step <= 0
        {
            return self.fail(&place, format!("step {step} is not positive"));
        }
        let mut inside = Vec::new();
        let inits: Vec<Class> =
            l.carried.iter().map(|c| self.read(&place, c.init)).collect::<Checked<_>>()?;
        let var = self.define(&place, l.var, &mut inside)?;
        self.expect(&place, "the counter", var, &[Class::Int])?;
        for (c, class) in l.carried.iter().zip(&inits) {
            let found = self.define(&place, c.param, &mut inside)?;
            self.expect(&place, &self.k.reg_name(c.param), found, &[*class])?;
        }
        inside.extend(self.block(&l.body)?);
        for (c, class) in l.carried.iter().zip(&inits) {
            let found = self.read(&place, c.yielded)?;
            self.expect(&place, &self.k.reg_name(c.yielded), found, &[*class])?;
        }
        self.end(inside);
        for (c, class) in l.carried.iter().zip(&inits) {
            let found = self.define(&place, c.result, outer)?;
            self.expect(&place, &self.k.reg_name(c.result), found, &[*class])?;
        }
        Ok(())
    }

    fn if_(&mut self, i: &If, outer: &mut Vec<Reg>) -> Checked<()> {
        let place = format!("if {}", i.cmp.symbol());
        self.integer(&place, i.a)?;
        self.integer(&place, i.b)?;
        let defs = self.block(&i.then)?;
        let first: Vec<Class> =
            i.yields.iter().map(|y| self.read(&place, y.1)).collect::<Checked<_>>()?;
        self.end(defs);
        let defs = self.block(&i.otherwise)?;
        for (y, class) in i.yields.iter().zip(&first) {
            let found = self.read(&place, y.2)?;
            self.expect(&place, &self.k.reg_name(y.2), found, &[*class])?;
        }
        self.end(defs);
        for (y, class) in i.yields.iter().zip(&first) {
            let found = self.define(&place, y.0, outer)?;
            self.expect(&place, &self.k.reg_name(y.0), found, &[*class])?;
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst, defs: &mut Vec<Reg>) -> Checked<()> {
        let place = format!("`{}`", print::show(self.k, inst));
        let signature = inst.op.signature();
        if inst.uses.len() != signature.uses.len() {
            let (found, wanted) = (inst.uses.len(), signature.uses.len());
            return self.fail(&place, format!("{found} operands, expected {wanted}"));
        }
        if inst.mem.is_some() != signature.mem {
            let what = if signature.mem { "lacks its address" } else { "has an address" };
            return self.fail(&place, format!("`{}` {what}", inst.op));
        }
        if let Some(mem) = inst.mem {
            let class = self.read(&place, mem.base)?;
            self.expect(&place, "the address", class, &[Class::Int])?;
        }
        let result = inst.def.and_then(|d| self.k.regs.get(d)).map(|d| d.class);
        for (n, (operand, wanted)) in inst.uses.iter().zip(signature.uses).enumerate() {
            let what = format!("operand {}", n + 1);
            let classes: Vec<Class> = match wanted {
                Use::Of(class) => vec![*class],
                Use::Vector => vec![Class::Float, Class::Word],
                Use::Same => result.into_iter().collect(),
                Use::Imm => Vec::new(),
            };
            match operand {
                Operand::Imm(_) if *wanted == Use::Imm || classes == [Class::Int] => {}
                Operand::Imm(_) => {
                    return self.fail(&place, format!("{what} must be a register"));
                }
                Operand::Reg(_) if *wanted == Use::Imm => {
                    return self.fail(&place, format!("{what} must be a number"));
                }
                Operand::Reg(reg) => {
                    let class = self.read(&place, *reg)?;
                    self.expect(&place, &what, class, &classes)?;
                }
            }
        }
        self.ranges(&place, inst, result)?;
        match inst.def {
            Some(def) if !signature.def.is_empty() => {
                let class = self.define(&place, def, defs)?;
                self.expect(&place, "the result", class, signature.def)
            }
            None if signature.def.is_empty() => Ok(()),
            Some(_) => self.fail(&place, format!("`{}` has no result", inst.op)),
            None => self.fail(&place, format!("the result of `{}` is missing", inst.op)),
        }
    }

    fn ranges(&self, place: &str, inst: &Inst, result: Option<Class>) -> Checked<()> {
        let imm = inst.uses.iter().rev().find_map(|o| match o {
            Operand::Imm(x) => Some(*x),
            Operand::Reg(_) => None,
        });
        let bits32 = i64::from(i32::MIN)..=i64::from(u32::MAX);
        if let Op::Shuffle(table) = &inst.op {
            let lanes = self.k.lanes;
            if table.len() != lanes || table.iter().any(|l| usize::from(*l) >= 2 * lanes) {
                let what = format!("a table of {lanes} entries below {}", 2 * lanes);
                return self.fail(place, format!("`{}` is not {what}", inst.op));
            }
        }
        if let Op::Load(w) | Op::Splat(w) = &inst.op
            && result == Some(Class::Float)
            && *w != Width::W32
        {
            return self.fail(place, "a narrow element is loaded as a word and converted");
        }
        if let Op::Load(Width::W64) | Op::Splat(Width::W64) | Op::Store(Width::W64) = &inst.op {
            return self.fail(place, "a lane has 32 bits");
        }
        let Some(x) = imm else { return Ok(()) };
        if inst.op == Op::Arg && usize::try_from(x).is_ok_and(|s| s < self.k.slots.len()) {
            return Ok(());
        }
        if inst.op == Op::Arg {
            return self.fail(place, format!("there are {} slots", self.k.slots.len()));
        }
        if matches!(inst.op, Op::Shift(_)) && !(0..32).contains(&x) {
            return self.fail(place, format!("a shift by {x}, expected 0 to 31"));
        }
        if matches!(inst.op, Op::FloatConst | Op::WordConst) && !bits32.contains(&x) {
            return self.fail(place, format!("{x} does not fit 32 bits"));
        }
        if matches!(inst.op, Op::Int(IntOp::Div | IntOp::Rem))
            && matches!(inst.uses.last(), Some(Operand::Imm(d)) if *d <= 0)
        {
            return self.fail(place, "the divisor is not positive");
        }
        Ok(())
    }
}
