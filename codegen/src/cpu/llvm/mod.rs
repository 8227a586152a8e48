//! A machine kernel in LLVM's language: one function `void @name(ptr arguments, i64 worker)`.
//!
//! ```text
//! define void @axpy(ptr %args, i64 %worker) #0 {
//! entry:
//!   %t1 = getelementptr i8, ptr %args, i64 8
//!   %r1 = load i64, ptr %t1, align 8, !invariant.load !0
//!   ...
//! ```
//!
//! Loops test at the bottom; carried registers are phis. Constants stand where they are used. No instruction has a
//! fast-math flag, so the order of operations and their roundings are the kernel's. A register of several words a lane
//! is a tile of AMX.

mod arrays;
mod rows;
pub mod targets;

use kgen_ir::{diag::Unsupported, machine::*, target::Target, tile::Compare};
use std::fmt::Write;
use targets::Chip;

/// The kernel as text of `target`; an op without a row is refused with its name.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<String, Unsupported> {
    let refuse =
        |what: String, instead: String| Unsupported { what, target: target.name.into(), instead };
    let Some(chip) = targets::chip_of(target) else {
        return Err(refuse("LLVM's language".into(), "use the emitter of its backend".into()));
    };
    if kernel.lanes != target.lanes {
        let instead = format!("lower for {} lanes", target.lanes);
        return Err(refuse(format!("{} lanes", kernel.lanes), instead));
    }
    if kernel.name.is_empty() || !kernel.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        let instead = "use letters, digits and `_`".into();
        return Err(refuse(format!("the kernel name `{}`", kernel.name), instead));
    }
    if let Some(reg) = arrays::shared(kernel) {
        let what = format!("the sum `{}`, which others read", kernel.reg_name(reg));
        return Err(refuse(what, "begin each sum by itself".into()));
    }
    let mut e = Emitter {
        kernel,
        target,
        values: vec![None; kernel.regs.len()],
        next: 0,
        block: "entry".into(),
        text: String::new(),
    };
    e.stmts(&kernel.body)?;
    Ok(file(&kernel.name, chip, &e.text))
}

/// The function and what stands around it.
fn file(name: &str, chip: &Chip, body: &str) -> String {
    let Chip { triple, cpu, features, target } = chip;
    let bits = 32 * target.lanes;
    format!(
        "target triple = \"{triple}\"\n\n\
         define void @{name}(ptr %args, i64 %worker) #0 {{\n\
         entry:\n\
         {body}  ret void\n\
         }}\n\n\
         attributes #0 = {{ nounwind \"target-cpu\"=\"{cpu}\" \"target-features\"=\"{features}\" \
         \"prefer-vector-width\"=\"{bits}\" \"min-legal-vector-width\"=\"{bits}\" }}\n\
         !0 = !{{}}\n"
    )
}

const VERIFY: &str = "verify the kernel first";

struct Emitter<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
    /// How each register is written, once it is defined: a name or a constant.
    values: Vec<Option<String>>,
    next: u32,
    /// Where the text goes on.
    block: String,
    text: String,
}

impl Emitter<'_> {
    fn refuse(&self, what: String, instead: &str) -> Unsupported {
        Unsupported { what, target: self.target.name.into(), instead: instead.into() }
    }

    fn bad(&self, inst: &Inst) -> Unsupported {
        self.refuse(format!("`{}`", print::show(self.kernel, inst)), VERIFY)
    }

    fn line(&mut self, text: &str) {
        self.text += "  ";
        self.text += text;
        self.text.push('\n');
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn fresh(&mut self) -> String {
        format!("%t{}", self.number())
    }

    /// A line that makes a fresh value.
    fn made(&mut self, text: &str) -> String {
        let value = self.fresh();
        self.line(&format!("{value} = {text}"));
        value
    }

    fn class(&self, reg: Reg) -> Result<Class, Unsupported> {
        self.kernel
            .regs
            .get(reg)
            .map(|d| d.class)
            .ok_or_else(|| self.refuse(format!("register {}", reg.index()), VERIFY))
    }

    fn define(&mut self, reg: Reg) -> Result<String, Unsupported> {
        self.class(reg)?;
        let name = format!("%r{}", reg.index());
        self.values[reg.index()] = Some(name.clone());
        Ok(name)
    }

    fn value(&self, reg: Reg) -> Result<String, Unsupported> {
        self.values.get(reg.index()).cloned().flatten().ok_or_else(|| {
            let name = self.kernel.reg_name(reg);
            self.refuse(format!("register `{name}` before its definition"), VERIFY)
        })
    }

    fn operand(&self, operand: Operand) -> Result<String, Unsupported> {
        match operand {
            Operand::Reg(reg) => self.value(reg),
            Operand::Imm(x) => Ok(x.to_string()),
        }
    }

    fn of_class(&self, class: Class) -> String {
        let element = match class {
            Class::Int => return "i64".into(),
            Class::Float => "float",
            Class::Word => "i32",
            Class::Mask => "i1",
        };
        vector(self.target.lanes, element)
    }

    /// The type of a register.
    fn type_of(&self, reg: Reg) -> Result<String, Unsupported> {
        let class = self.class(reg)?;
        let words = self.kernel.regs.get(reg).map_or(1, |d| d.words);
        Ok(if words > 1 { "x86_amx".into() } else { self.of_class(class) })
    }

    /// A word in all lanes.
    fn words(&self, word: u32) -> String {
        // Signed: larger numbers do not fit the type.
        format!("splat (i32 {})", word as i32)
    }

    fn floats(&self, word: u32) -> String {
        let (from, to) = (self.of_class(Class::Word), self.of_class(Class::Float));
        format!("bitcast ({from} {} to {to})", self.words(word))
    }

    fn stmts(&mut self, list: &[Stmt]) -> Result<(), Unsupported> {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst)?,
                Stmt::Loop(l) => self.loop_(l)?,
                Stmt::If(i) => self.if_(i)?,
            }
        }
        Ok(())
    }

    fn branch(&mut self, condition: &str, a: &str, b: &str, yes: &str, no: &str) {
        let test = self.made(&format!("icmp {condition} i64 {a}, {b}"));
        self.line(&format!("br i1 {test}, label %{yes}, label %{no}"));
    }

    fn begin(&mut self, block: &str) {
        block.clone_into(&mut self.block);
        let _ = writeln!(self.text, "{block}:");
    }

    /// `reg` is the one value or the other, as the block was reached.
    fn phi(&mut self, reg: Reg, from: [(&str, &str); 2]) -> Result<(), Unsupported> {
        let class = self.type_of(reg)?;
        let name = self.define(reg)?;
        let [(a, first), (b, second)] = from;
        self.line(&format!("{name} = phi {class} [ {a}, %{first} ], [ {b}, %{second} ]"));
        Ok(())
    }

    fn loop_(&mut self, l: &Loop) -> Result<(), Unsupported> {
        let n = self.number();
        let (body, exit) = (format!("body{n}"), format!("exit{n}"));
        let (lo, hi, step) = (self.operand(l.lo)?, self.operand(l.hi)?, self.operand(l.step)?);
        let inits = l.carried.iter().map(|c| self.value(c.init)).collect::<Result<Vec<_>, _>>()?;
        self.branch("slt", &lo, &hi, &body, &exit);
        let before = std::mem::replace(&mut self.block, body.clone());
        // What comes round is known behind the body, and stands before it.
        let outer = std::mem::take(&mut self.text);
        self.define(l.var)?;
        for c in &l.carried {
            self.define(c.param)?;
        }
        self.stmts(&l.body)?;
        let var = self.value(l.var)?;
        let next = self.made(&format!("add i64 {var}, {step}"));
        self.branch("slt", &next, &hi, &body, &exit);
        let yields =
            l.carried.iter().map(|c| self.value(c.yielded)).collect::<Result<Vec<_>, _>>()?;
        let inside = std::mem::replace(&mut self.text, outer);
        let after = self.block.clone();
        self.begin(&body);
        self.phi(l.var, [(&lo, &before), (&next, &after)])?;
        let both: Vec<_> = l.carried.iter().zip(inits.iter().zip(&yields)).collect();
        for (c, (init, yielded)) in &both {
            self.phi(c.param, [(init, &before), (yielded, &after)])?;
        }
        self.text += &inside;
        self.begin(&exit);
        for (c, (init, yielded)) in &both {
            self.phi(c.result, [(init, &before), (yielded, &after)])?;
        }
        Ok(())
    }

    fn if_(&mut self, i: &If) -> Result<(), Unsupported> {
        let n = self.number();
        let [then, otherwise, join] = ["then", "else", "join"].map(|w| format!("{w}{n}"));
        let (a, b) = (self.operand(i.a)?, self.operand(i.b)?);
        self.branch(condition(i.cmp), &a, &b, &then, &otherwise);
        let mut ends = Vec::new();
        for (block, list) in [(&then, &i.then), (&otherwise, &i.otherwise)] {
            self.begin(block);
            self.stmts(list)?;
            self.line(&format!("br label %{join}"));
            ends.push(self.block.clone());
        }
        let values = i.yields.iter().map(|(_, a, b)| Ok((self.value(*a)?, self.value(*b)?)));
        let values = values.collect::<Result<Vec<_>, Unsupported>>()?;
        self.begin(&join);
        for ((result, ..), (a, b)) in i.yields.iter().zip(&values) {
            self.phi(*result, [(a, &ends[0]), (b, &ends[1])])?;
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst) -> Result<(), Unsupported> {
        let imm = match inst.uses.last() {
            Some(Operand::Imm(x)) => Some(*x),
            Some(Operand::Reg(_)) | None => None,
        };
        // Constants are written where they are used.
        let constant = match (&inst.op, imm) {
            (Op::Const, Some(x)) => Some(x.to_string()),
            (Op::FloatConst, Some(x)) => Some(self.floats(x as u32)),
            (Op::WordConst, Some(x)) => Some(self.words(x as u32)),
            (Op::Iota, _) => Some(lanes(0..self.target.lanes)),
            (Op::Worker, _) => Some("%worker".into()),
            _ => None,
        };
        if let Some(constant) = constant {
            let def = inst.def.ok_or_else(|| self.bad(inst))?;
            self.class(def)?;
            self.values[def.index()] = Some(constant);
            return Ok(());
        }
        match (&inst.op, inst.def, inst.uses.as_slice()) {
            (Op::Arg, Some(def), [Operand::Imm(slot)]) => {
                let at = slot.checked_mul(8).ok_or_else(|| self.bad(inst))?;
                let at = self.made(&format!("getelementptr i8, ptr %args, i64 {at}"));
                let name = self.define(def)?;
                // The argument array never changes during a call.
                self.line(&format!("{name} = load i64, ptr {at}, align 8, !invariant.load !0"));
                Ok(())
            }
            // Divisions are slow; both round down, as a shift and a mask do.
            (Op::Int(op @ (IntOp::Div | IntOp::Rem)), Some(def), [a, Operand::Imm(n)])
                if *n > 0 && n.count_ones() == 1 =>
            {
                let a = self.operand(*a)?;
                let name = self.define(def)?;
                let text = if *op == IntOp::Rem {
                    format!("{name} = and i64 {a}, {}", n - 1)
                } else {
                    format!("{name} = ashr i64 {a}, {}", n.trailing_zeros())
                };
                self.line(&text);
                Ok(())
            }
            (Op::Shuffle(table), Some(def), [a, b]) => {
                let count = self.target.lanes;
                if table.len() != count || table.iter().any(|l| usize::from(*l) >= 2 * count) {
                    return Err(self.bad(inst));
                }
                let class = self.of_class(self.class(def)?);
                let (a, b) = (self.operand(*a)?, self.operand(*b)?);
                let table = lanes(table.iter().map(|l| usize::from(*l)));
                let name = self.define(def)?;
                self.line(&format!(
                    "{name} = shufflevector {class} {a}, {class} {b}, <{count} x i32> {table}"
                ));
                Ok(())
            }
            (Op::HSum | Op::HMax | Op::WordHSum, Some(def), [a]) => {
                let a = self.operand(*a)?;
                self.tree(&inst.op, def, &a)
            }
            _ => self.row(inst, imm),
        }
    }

    /// The upper half of the lanes onto the lower half, until one is left, which goes to all.
    fn tree(&mut self, op: &Op, def: Reg, a: &str) -> Result<(), Unsupported> {
        let element = if *op == Op::WordHSum { "i32" } else { "float" };
        let (all, mut width) = (self.target.lanes, self.target.lanes);
        let mut left = a.to_owned();
        let mut half = all / 2;
        while half > 0 {
            // No vector is narrower than four lanes: what stands in those behind is nobody's.
            let narrow = half.max(4).min(width);
            let (from, to) = (vector(width, element), vector(narrow, element));
            let mut pick = |first: usize| {
                let wanted = (0..narrow).map(|l| {
                    if l < half { format!("i32 {}", first + l) } else { "i32 poison".into() }
                });
                let wanted: Vec<_> = wanted.collect();
                self.made(&format!(
                    "shufflevector {from} {left}, {from} poison, <{narrow} x i32> <{}>",
                    wanted.join(", ")
                ))
            };
            let (low, high) = (pick(0), pick(half));
            left = if *op == Op::WordHSum {
                self.made(&format!("add {to} {low}, {high}"))
            } else if *op == Op::HMax {
                let test = self.made(&format!("fcmp ogt {to} {low}, {high}"));
                self.made(&format!("select <{narrow} x i1> {test}, {to} {low}, {to} {high}"))
            } else {
                self.made(&format!("fadd {to} {low}, {high}"))
            };
            (width, half) = (narrow, half / 2);
        }
        let from = vector(width, element);
        let name = self.define(def)?;
        self.line(&format!(
            "{name} = shufflevector {from} {left}, {from} poison, <{all} x i32> zeroinitializer"
        ));
        Ok(())
    }

    /// Where an access begins.
    fn pointer(&mut self, mem: Mem) -> Result<String, Unsupported> {
        let base = self.value(mem.base)?;
        let at = self.made(&format!("inttoptr i64 {base} to ptr"));
        if mem.offset == 0 {
            return Ok(at);
        }
        Ok(self.made(&format!("getelementptr i8, ptr {at}, i64 {}", mem.offset)))
    }

    fn row(&mut self, inst: &Inst, imm: Option<i64>) -> Result<(), Unsupported> {
        let row = self.target.row(&inst.op).ok_or_else(|| {
            self.refuse(
                format!("`{}`", inst.op),
                "expand it into ops of the target, or choose another schedule",
            )
        })?;
        let mut keys: Vec<(&str, String)> = Vec::new();
        for (key, operand) in ["a", "b", "c"].into_iter().zip(&inst.uses) {
            keys.push((key, self.operand(*operand)?));
        }
        if let Some(x) = imm {
            keys.push(("n", x.to_string()));
        }
        let element = |class: Class| match class {
            Class::Float => "f32",
            Class::Int | Class::Word | Class::Mask => "i32",
        };
        if let Some(Operand::Reg(a)) = inst.uses.first() {
            let class = self.class(*a)?;
            keys.push(("A", self.of_class(class)));
            keys.push(("A.", element(class).into()));
        }
        if let Some(mem) = inst.mem {
            keys.push(("m", self.pointer(mem)?));
        }
        if let Some(def) = inst.def {
            let class = self.class(def)?;
            let narrow = |w: &Width| !matches!(w, Width::W32);
            if let (Op::Load(w) | Op::Splat(w) | Op::LoadPart(w), Class::Float) = (&inst.op, class)
                && narrow(w)
            {
                let what = format!("`{}`", print::show(self.kernel, inst));
                return Err(self.refuse(what, "load words and convert them"));
            }
            keys.push(("V", self.of_class(class)));
            keys.push(("E", if class == Class::Float { "float" } else { "i32" }.into()));
            keys.push(("E.", element(class).into()));
            keys.push(("d", self.define(def)?));
        }
        let text = self.fill(row.text, &keys).ok_or_else(|| self.bad(inst))?;
        self.text += &text;
        Ok(())
    }

    /// The template with its keys replaced; `None` for a key that the instruction does not give.
    fn fill(&mut self, template: &str, keys: &[(&str, String)]) -> Option<String> {
        let count = self.target.lanes;
        let mut temporaries: Vec<(&str, String)> = Vec::new();
        let mut out = String::new();
        for line in template.lines() {
            out += "  ";
            let mut rest = line;
            while let Some((before, after)) = rest.split_once('{') {
                let (key, after) = after.split_once('}')?;
                out += before;
                out += &match key {
                    "F" => self.of_class(Class::Float),
                    "W" => self.of_class(Class::Word),
                    "M" => self.of_class(Class::Mask),
                    "L" => count.to_string(),
                    "2L" => (2 * count).to_string(),
                    "iota" => lanes(0..count),
                    "nibbles" => {
                        let bits = (0..4 * count).map(|b| (4 * (b / 4) + 8 * (b % 4)) % 64);
                        let bits: Vec<_> = bits.map(|b| format!("i8 {b}")).collect();
                        format!("<{}>", bits.join(", "))
                    }
                    "second" => lanes(count..2 * count),
                    "low" => lanes((0..2 * count).map(|i| i / 2 + 2 * count * (i % 2))),
                    "high" => lanes((0..2 * count).map(|i| count + i / 2 + 2 * count * (i % 2))),
                    _ => match (key.strip_prefix("="), key.strip_prefix("f=")) {
                        (Some(word), _) => self.words(u32::from_str_radix(word, 16).ok()?),
                        (_, Some(word)) => self.floats(u32::from_str_radix(word, 16).ok()?),
                        (None, None) if key.starts_with('t') => {
                            let known = temporaries.iter().find(|(k, _)| *k == key);
                            known.map(|(_, v)| v.clone()).unwrap_or_else(|| {
                                let value = self.fresh();
                                temporaries.push((key, value.clone()));
                                value
                            })
                        }
                        (None, None) => keys.iter().find(|(k, _)| *k == key)?.1.clone(),
                    },
                };
                rest = after;
            }
            out += rest;
            out.push('\n');
        }
        Some(out)
    }
}

fn vector(lanes: usize, element: &str) -> String {
    format!("<{lanes} x {element}>")
}

/// Numbers of lanes as a constant.
fn lanes(list: impl Iterator<Item = usize>) -> String {
    let list: Vec<_> = list.map(|l| format!("i32 {l}")).collect();
    format!("<{}>", list.join(", "))
}

fn condition(cmp: Compare) -> &'static str {
    match cmp {
        Compare::Lt => "slt",
        Compare::Le => "sle",
        Compare::Eq => "eq",
        Compare::Ne => "ne",
        Compare::Ge => "sge",
        Compare::Gt => "sgt",
    }
}

#[cfg(test)]
mod tests;
