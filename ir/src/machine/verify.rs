//! What every kernel must satisfy before a pass, the interpreter or an emitter sees it.
//!
//! ```text
//! in kernel axpy: `b = fadd a, x : f`: operand 2 is of class i, expected f
//! ```

use super::*;

/// Lanes of those who read [`Op::Squares`].
const SQUARES: usize = 32;

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

    /// Has `reg` as many words a lane as `other`?
    fn as_wide(&self, place: &str, reg: Reg, other: Reg) -> Checked<()> {
        let words = |r: Reg| self.k.regs.get(r).map(|d| d.words);
        match words(other) {
            Some(wanted) => self.wide(place, &self.k.reg_name(reg), reg, wanted),
            None => Ok(()),
        }
    }

    fn wide(&self, place: &str, what: &str, reg: Reg, wanted: u8) -> Checked<()> {
        match self.k.regs.get(reg).map(|d| d.words) {
            Some(found) if found != wanted => {
                self.fail(place, format!("{what} has {found} words a lane, expected {wanted}"))
            }
            Some(_) | None => Ok(()),
        }
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
            for other in [c.param, c.yielded, c.result] {
                self.as_wide(&place, other, c.init)?;
            }
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
            self.as_wide(&place, y.2, y.1)?;
            self.as_wide(&place, y.0, y.1)?;
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
                    if let Some(words) = inst.op.use_words(n) {
                        self.wide(&place, &what, *reg, words)?;
                    }
                }
            }
        }
        self.ranges(&place, inst, result)?;
        match inst.def {
            Some(def) if !signature.def.is_empty() => {
                let class = self.define(&place, def, defs)?;
                self.expect(&place, "the result", class, signature.def)?;
                self.wide(&place, "the result", def, inst.op.def_words())
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
        if let Op::Load(w) | Op::Splat(w) | Op::LoadPart(w) | Op::GatherPart(w) = &inst.op
            && result == Some(Class::Float)
            && w.bytes() < 4
        {
            return self.fail(place, "a narrow element is loaded as a word and converted");
        }
        if let Op::Splat(w) | Op::LoadPart(w) | Op::StorePart(w) = &inst.op
            && w.words() > 1
        {
            return self.fail(place, "a lane has 32 bits");
        }
        if let Op::Async(AsyncOp::Copy(n)) = &inst.op
            && !matches!(n, 4 | 8 | 16)
        {
            return self.fail(place, format!("copies of {n} bytes, expected 4, 8 or 16"));
        }
        let squares = matches!(inst.op, Op::Squares { .. }).then_some(SQUARES);
        let lanes = if let Op::Mma(mma) = &inst.op { Some(mma.lanes) } else { squares };
        if let Some(lanes) = lanes.filter(|lanes| *lanes != self.k.lanes) {
            return self.fail(place, format!("{} lanes, expected {lanes}", self.k.lanes));
        }
        let Some(x) = imm else { return Ok(()) };
        if inst.op == Op::Async(AsyncOp::Wait) && !(0..8).contains(&x) {
            return self.fail(place, format!("a wait for all but {x} groups, expected 0 to 7"));
        }
        if let (Op::Part, Some(Operand::Reg(from))) = (&inst.op, inst.uses.first()) {
            let words = self.k.regs.get(*from).map_or(0, |d| d.words);
            if !(0..i64::from(words)).contains(&x) {
                return self.fail(place, format!("word {x} of {words}"));
            }
        }
        if inst.op == Op::Arg && usize::try_from(x).is_ok_and(|s| s < self.k.slots.len()) {
            return Ok(());
        }
        if inst.op == Op::Arg {
            return self.fail(place, format!("there are {} slots", self.k.slots.len()));
        }
        if matches!(inst.op, Op::Shift(_)) && !(0..32).contains(&x) {
            return self.fail(place, format!("a shift by {x}, expected 0 to 31"));
        }
        if matches!(inst.op, Op::Half(HalfOp::Shift(_))) && !(0..16).contains(&x) {
            return self.fail(place, format!("a shift of halves by {x}, expected 0 to 15"));
        }
        let lanes = self.k.lanes as i64;
        if matches!(inst.op, Op::LoadPart(_) | Op::StorePart(_)) && !(0..=lanes).contains(&x) {
            return self.fail(place, format!("{x} of {lanes} lanes"));
        }
        if inst.op == Op::Affine && !(0..256).contains(&x) {
            return self.fail(place, format!("a byte of {x}, expected 0 to 255"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::parse::parse;

    fn wrong(body: &str) -> String {
        let text = format!("machine m lanes 4 {{ slot 0 = pointer x x = arg 0 : i {body} }}");
        let kernel = parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        verify(&kernel).expect_err(body).what
    }

    #[test]
    fn each_rule_refuses() {
        let wide = parse("machine m lanes 100 { }").unwrap();
        assert_eq!(verify(&wide).unwrap_err().what, "100 lanes, expected 1 to 64");
        for (body, message) in [
            ("a = fadd x, x : f", "operand 1 is of class i, expected f"),
            ("a = fconst 0 : w", "the result is of class w, expected f"),
            ("a = fconst x : f", "operand 1 must be a number"),
            ("a = fneg 1 : f", "operand 1 must be a register"),
            ("a = arg 1 : i", "there are 1 slots"),
            ("a = fconst 0 : f b = load.w32 [a + 0] : f", "the address is of class f, expected i"),
            ("a = load.u8 [x + 0] : f", "a narrow element is loaded as a word and converted"),
            ("a = load.w64 [x + 0] : w", "the result has 1 words a lane, expected 2"),
            ("a = splat.w64 [x + 0] : w2", "a lane has 32 bits"),
            ("a = iota : w b = join.2 a, a : w4", "the result has 4 words a lane, expected 2"),
            ("a = iota : w b = join.2 a, a : w2 c = part b, 2 : w", "word 2 of 2"),
            (
                "a = iota : w b = join.2 a, a : w2 c = wadd b, a : w",
                "operand 1 has 2 words a lane, expected 1",
            ),
            (
                "a = load.w128 [x + 0] : w4 b = load.w64 [x + 0] : w2 c = load.w128 [x + 0] : f4 d = mma.m16n8k16.f32.f16 a, b, c : f4",
                "4 lanes, expected 32",
            ),
            (
                "a = iota : w b = join.2 a, a : w2 c = loop t in 0..4 step 1 carry p = b { } yield a",
                "a has 1 words a lane, expected 2",
            ),
            (
                "a = iota : w b = join.2 a, a : w2 c = if 0 < 1 { } yield a else { } yield b",
                "b has 2 words a lane, expected 1",
            ),
            (
                "a = loadpart.u8 [x + 0], 1 : f",
                "a narrow element is loaded as a word and converted",
            ),
            ("a = loadpart.w64 [x + 0], 1 : w", "a lane has 32 bits"),
            ("a = iota : w storepart.w64 [x + 0], a, 1", "a lane has 32 bits"),
            ("a = iota : w storepart.w32 [x + 0], a, 5", "5 of 4 lanes"),
            ("a = loadpart.s8 [x + 0], -1 : w", "-1 of 4 lanes"),
            ("a = gather.w32 [x + 0], x : w", "operand 1 is of class i, expected w"),
            ("a = iota : w b = affine a, a, 256 : w", "a byte of 256, expected 0 to 255"),
            ("a = iota : w b = dot.bf16 a, a, a : f", "operand 3 is of class w, expected f"),
            ("a = wconst 0 : w b = shl a, 32 : w", "a shift by 32, expected 0 to 31"),
            ("a = wconst 4294967296 : w", "4294967296 does not fit 32 bits"),
            ("a = idiv x, 0 : i", "the divisor is not positive"),
            (
                "a = iota : w b = shuffle[0,1,2,8] a, a : w",
                "`shuffle[0,1,2,8]` is not a table of 4 entries below 8",
            ),
            ("wait 8", "a wait for all but 8 groups, expected 0 to 7"),
            ("loop t in 0..4 step 0 { }", "step 0 is not positive"),
            (
                "loop t in 0..4 step 1 { a = iota : w } loop u in 0..t step 1 { }",
                "`t` is out of scope",
            ),
            ("if 0 < 1 { a = iota : w } store.w32 [x + 0], a", "`a` is out of scope"),
            (
                "a = loop t in 0..4 step 1 carry p = x { b = iota : w } yield b",
                "b is of class w, expected i",
            ),
            (
                "a = if 0 < 1 { b = iota : w } yield b else { } yield x",
                "x is of class i, expected w",
            ),
        ] {
            assert_eq!(wrong(body), message, "{body}");
        }
    }

    #[test]
    fn built_kernels_are_refused_too() {
        let good = parse("machine m lanes 4 { a = iota : w b = wadd a, a : w }").unwrap();
        let broken = |change: &dyn Fn(&mut Vec<Stmt>)| {
            let mut kernel = good.clone();
            change(&mut kernel.body);
            verify(&kernel).unwrap_err().to_string()
        };
        let inst = |list: &mut Vec<Stmt>, n: usize, change: &dyn Fn(&mut Inst)| {
            if let Some(Stmt::Inst(inst)) = list.get_mut(n) {
                change(inst);
            }
        };
        let e = broken(&|b| b.swap(0, 1));
        assert_eq!(e, "in kernel m: `b = wadd a, a : w`: `a` is used before its definition");
        let e = broken(&|b| b.push(b[0].clone()));
        assert!(e.ends_with("`a` is defined twice"), "{e}");
        let e = broken(&|b| inst(b, 1, &|i| i.uses = Operands::from(&i.uses[..1])));
        assert!(e.ends_with("1 operands, expected 2"), "{e}");
        let e = broken(&|b| inst(b, 1, &|i| i.def = None));
        assert!(e.ends_with("the result of `wadd` is missing"), "{e}");
        let e = broken(&|b| inst(b, 1, &|i| i.def = Some(Reg::new(99))));
        assert!(e.ends_with("register 99 does not exist"), "{e}");
        let e = broken(&|b| inst(b, 1, &|i| i.uses[0] = Operand::Reg(Reg::new(99))));
        assert!(e.ends_with("register 99 does not exist"), "{e}");
        let e = broken(&|b| inst(b, 0, &|i| i.mem = Some(Mem { base: Reg::new(0), offset: 0 })));
        assert!(e.ends_with("`iota` has an address"), "{e}");
        let e = broken(&|b| inst(b, 0, &|i| i.op = Op::Load(Width::W32)));
        assert!(e.ends_with("`load.w32` lacks its address"), "{e}");
        let e = broken(&|b| {
            inst(b, 1, &|i| {
                i.op = Op::Prefetch(1);
                i.uses = [].into();
                i.mem = Some(Mem { base: Reg::new(0), offset: 0 });
            });
        });
        assert!(e.ends_with("the address is of class w, expected i"), "{e}");
    }

    #[test]
    fn copies_have_a_size() {
        let text = "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i w = iota : w copy.4 [x + 0], w, x, w, w }";
        let mut kernel = parse(text).unwrap();
        assert_eq!(verify(&kernel), Ok(()));
        if let Some(Stmt::Inst(inst)) = kernel.body.last_mut() {
            inst.op = Op::Async(AsyncOp::Copy(5));
        }
        assert_eq!(verify(&kernel).unwrap_err().what, "copies of 5 bytes, expected 4, 8 or 16");
    }

    #[test]
    fn a_result_where_none_is_refused() {
        let mut kernel =
            parse("machine m lanes 4 { slot 0 = pointer x x = arg 0 : i prefetch.1 [x + 0] }")
                .unwrap();
        let extra = kernel.regs.add(RegData { name: "y".into(), class: Class::Int, words: 1 });
        if let Some(Stmt::Inst(inst)) = kernel.body.last_mut() {
            inst.def = Some(extra);
        }
        assert_eq!(verify(&kernel).unwrap_err().what, "`prefetch.1` has no result");
    }
}
