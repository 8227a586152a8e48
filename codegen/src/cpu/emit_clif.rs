//! A machine kernel as CLIF text: one function `%name(i64 arguments, i64 worker)`.
//!
//! ```text
//! function %axpy(i64, i64) system_v {
//! block0(v0: i64, v1: i64):
//!     v2 = load.i64 notrap v0+8
//!     ...
//! ```
//!
//! Loops test at the bottom, so a trip costs one branch; carried registers are block parameters.

use kgen_ir::{diag::Unsupported, machine::*, target::Target, tile::Compare};
use std::fmt::Write;

/// The kernel as text of `target`; an op without a row is refused with its name.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<String, Unsupported> {
    let mut e = Emitter {
        kernel,
        target,
        values: vec![None; kernel.regs.len()],
        next_value: 2,
        next_block: 1,
        text: String::new(),
    };
    if kernel.lanes != target.lanes {
        return Err(e.refuse(
            format!("{} lanes", kernel.lanes),
            format!("lower for {} lanes", target.lanes),
        ));
    }
    if !kernel.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(e.refuse(
            format!("the kernel name `{}`", kernel.name),
            "use letters, digits and `_`".into(),
        ));
    }
    e.line("block0(v0: i64, v1: i64):");
    e.stmts(&kernel.body)?;
    e.line("    return");
    e.line("}");
    let mut head = format!("function %{}(i64, i64) system_v {{\n", kernel.name);
    if e.text.contains("call fn0(") {
        head += "    fn0 = %prefetch(i64) preserve_all\n";
    }
    Ok(head + &e.text)
}

struct Emitter<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
    /// CLIF value of each register, once it is defined.
    values: Vec<Option<u32>>,
    next_value: u32,
    next_block: u32,
    text: String,
}

impl Emitter<'_> {
    fn refuse(&self, what: String, instead: String) -> Unsupported {
        Unsupported { what, target: self.target.name.into(), instead }
    }

    fn line(&mut self, text: &str) {
        self.text += text;
        self.text.push('\n');
    }

    fn fresh(&mut self) -> u32 {
        self.next_value += 1;
        self.next_value - 1
    }

    fn block(&mut self) -> u32 {
        self.next_block += 1;
        self.next_block - 1
    }

    fn class(&self, reg: Reg) -> Result<Class, Unsupported> {
        self.kernel.regs.get(reg).map(|d| d.class).ok_or_else(|| {
            self.refuse(format!("register {}", reg.index()), "verify the kernel first".into())
        })
    }

    /// A fresh value for `reg`. Results of loops and ifs are parameters of the block that follows.
    fn define(&mut self, reg: Reg) -> Result<u32, Unsupported> {
        self.class(reg)?;
        let value = self.fresh();
        self.values[reg.index()] = Some(value);
        Ok(value)
    }

    fn value(&self, reg: Reg) -> Result<u32, Unsupported> {
        self.values.get(reg.index()).copied().flatten().ok_or_else(|| {
            self.refuse(
                format!("register `{}` before its definition", self.kernel.reg_name(reg)),
                "verify the kernel first".into(),
            )
        })
    }

    fn operand(&mut self, operand: Operand) -> Result<u32, Unsupported> {
        match operand {
            Operand::Reg(reg) => self.value(reg),
            Operand::Imm(x) => {
                let value = self.fresh();
                self.line(&format!("    v{value} = iconst.i64 {x}"));
                Ok(value)
            }
        }
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

    fn arguments(&self, regs: impl Iterator<Item = Reg>) -> Result<Vec<String>, Unsupported> {
        regs.map(|r| Ok(format!("v{}", self.value(r)?))).collect()
    }

    fn parameters(&mut self, regs: impl Iterator<Item = Reg>) -> Result<Vec<String>, Unsupported> {
        regs.map(|r| {
            let class = self.class(r)?;
            Ok(format!("v{}: {}", self.define(r)?, clif_type(class)))
        })
        .collect()
    }

    fn loop_(&mut self, l: &Loop) -> Result<(), Unsupported> {
        let (body, exit) = (self.block(), self.block());
        let (lo, hi, step) = (self.operand(l.lo)?, self.operand(l.hi)?, self.operand(l.step)?);
        let inits = self.arguments(l.carried.iter().map(|c| c.init))?;
        let mut all = vec![format!("v{lo}")];
        all.extend(inits.iter().cloned());
        self.branch("slt", lo, hi, &call(body, &all), &call(exit, &inits));
        let mut params = self.parameters(std::iter::once(l.var))?;
        params.extend(self.parameters(l.carried.iter().map(|c| c.param))?);
        self.line(&format!("{}:", call(body, &params)));
        self.stmts(&l.body)?;
        let next = self.fresh();
        let var = self.value(l.var)?;
        self.line(&format!("    v{next} = iadd v{var}, v{step}"));
        let yields = self.arguments(l.carried.iter().map(|c| c.yielded))?;
        let mut all = vec![format!("v{next}")];
        all.extend(yields.iter().cloned());
        self.branch("slt", next, hi, &call(body, &all), &call(exit, &yields));
        let results = self.parameters(l.carried.iter().map(|c| c.result))?;
        self.line(&format!("{}:", call(exit, &results)));
        Ok(())
    }

    fn if_(&mut self, i: &If) -> Result<(), Unsupported> {
        let (then, otherwise, exit) = (self.block(), self.block(), self.block());
        let (a, b) = (self.operand(i.a)?, self.operand(i.b)?);
        self.branch(condition(i.cmp), a, b, &call(then, &[]), &call(otherwise, &[]));
        self.line(&format!("block{then}:"));
        self.stmts(&i.then)?;
        let first = self.arguments(i.yields.iter().map(|y| y.1))?;
        self.line(&format!("    jump {}", call(exit, &first)));
        self.line(&format!("block{otherwise}:"));
        self.stmts(&i.otherwise)?;
        let second = self.arguments(i.yields.iter().map(|y| y.2))?;
        self.line(&format!("    jump {}", call(exit, &second)));
        let results = self.parameters(i.yields.iter().map(|y| y.0))?;
        self.line(&format!("{}:", call(exit, &results)));
        Ok(())
    }

    fn branch(&mut self, condition: &str, a: u32, b: u32, yes: &str, no: &str) {
        let test = self.fresh();
        self.line(&format!("    v{test} = icmp {condition} v{a}, v{b}"));
        self.line(&format!("    brif v{test}, {yes}, {no}"));
    }

    fn inst(&mut self, inst: &Inst) -> Result<(), Unsupported> {
        let bad = |e: &Self| {
            e.refuse(format!("`{}`", print::show(e.kernel, inst)), "verify the kernel first".into())
        };
        let imm = || match inst.uses.last() {
            Some(Operand::Imm(x)) => Some(*x),
            Some(Operand::Reg(_)) | None => None,
        };
        match &inst.op {
            Op::Worker => {
                let def = inst.def.ok_or_else(|| bad(self))?;
                self.class(def)?;
                self.values[def.index()] = Some(1);
                return Ok(());
            }
            Op::Arg => {
                let (def, slot) = inst.def.zip(imm()).ok_or_else(|| bad(self))?;
                let offset = i32::try_from(slot).ok().and_then(|s| s.checked_mul(8));
                let offset = offset.ok_or_else(|| bad(self))?;
                let value = self.define(def)?;
                // The argument array never changes during a call.
                self.line(&format!(
                    "    v{value} = load.i64 notrap aligned readonly can_move v0+{offset}"
                ));
                return Ok(());
            }
            // Divisions are slow; both round down, as a shift and a mask do.
            Op::Int(op @ (IntOp::Div | IntOp::Rem)) => {
                if let (Some(def), [a, Operand::Imm(n)]) = (inst.def, inst.uses.as_slice())
                    && n.count_ones() == 1
                    && *n > 0
                {
                    let (a, k) = (self.operand(*a)?, self.fresh());
                    let (by, with) = if *op == IntOp::Rem {
                        (n - 1, "band")
                    } else {
                        (i64::from(n.trailing_zeros()), "sshr")
                    };
                    let d = self.define(def)?;
                    self.line(&format!("    v{k} = iconst.i64 {by}"));
                    self.line(&format!("    v{d} = {with} v{a}, v{k}"));
                    return Ok(());
                }
            }
            Op::Prefetch(level) if *level > 1 => return Ok(()), // farther than one line serves
            Op::Shuffle(table) => return self.shuffle(inst, table),
            // The rest are rows, word for word.
            Op::Const
            | Op::Int(_)
            | Op::Read(_)
            | Op::Write(_)
            | Op::Next
            | Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::Nibbles
            | Op::SplatF16
            | Op::Store(_)
            | Op::LoadPart(_)
            | Op::StorePart(_)
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
            | Op::FloatConst
            | Op::WordConst
            | Op::Iota
            | Op::Spread
            | Op::Float(_)
            | Op::FloatUnary(_)
            | Op::Fma
            | Op::Word(_)
            | Op::Shift(_)
            | Op::Half(_)
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
            | Op::Affine
            | Op::PackBf16
            | Op::Dot(_) => {}
        }
        let row = self.target.row(&inst.op).ok_or_else(|| {
            self.refuse(
                format!("`{}`", inst.op),
                "expand it into ops of the target, or choose another schedule".into(),
            )
        })?;
        let asks_imm = inst.op.signature().uses.last() == Some(&Use::Imm);
        let mut keys: Vec<(&str, String)> = Vec::new();
        for (key, operand) in ["{a}", "{b}", "{c}"].into_iter().zip(&inst.uses) {
            match operand {
                Operand::Imm(_) if asks_imm => {}
                Operand::Imm(_) | Operand::Reg(_) => {
                    let value = self.operand(*operand)?;
                    keys.push((key, format!("v{value}")));
                }
            }
        }
        if let Some(x) = imm() {
            keys.push(("{n}", x.to_string()));
            keys.push(("{k}", lanes4(x as u32)));
        }
        if let Some(mem) = inst.mem {
            let base = self.value(mem.base)?;
            keys.push(("{m}", format!("v{base}{:+}", mem.offset)));
            keys.push(("{p}", format!("v{base}")));
            keys.push(("{o}", mem.offset.to_string()));
        }
        let mut class = None;
        if let Some(def) = inst.def {
            class = Some(self.class(def)?);
            keys.push(("{d}", format!("v{}", self.define(def)?)));
        }
        let narrow = |w: &Width| !matches!(w, Width::W32);
        if let (Op::Load(w) | Op::Splat(w), Some(Class::Float)) = (&inst.op, class)
            && narrow(w)
        {
            return Err(self.refuse(
                format!("`{}`", print::show(self.kernel, inst)),
                "load words and convert them".into(),
            ));
        }
        if class == Some(Class::Float) {
            keys.push(("{T}", "f32x4".into()));
            keys.push(("{E}", "f32".into()));
        } else {
            keys.push(("{T}", "i32x4".into()));
            keys.push(("{E}", "i32".into()));
        }
        let text = self.fill(row.text, &keys).ok_or_else(|| bad(self))?;
        self.text += &text;
        Ok(())
    }

    /// The template with its keys replaced; `None` for a key that the instruction does not give.
    fn fill(&mut self, template: &str, keys: &[(&str, String)]) -> Option<String> {
        let mut temporaries: Vec<(&str, u32)> = Vec::new();
        let mut out = String::new();
        for line in template.lines() {
            out += "    ";
            let mut rest = line;
            while let Some((before, after)) = rest.split_once('{') {
                let (key, after) = after.split_once('}')?;
                out += before;
                if let Some(word) = key.strip_prefix('=') {
                    out += &lanes4(u32::from_str_radix(word, 16).ok()?);
                } else if key.starts_with('t') {
                    let known = temporaries.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
                    let value = known.unwrap_or_else(|| {
                        let value = self.fresh();
                        temporaries.push((key, value));
                        value
                    });
                    let _ = write!(out, "v{value}");
                } else {
                    out += &keys.iter().find(|(k, _)| k[1..k.len() - 1] == *key)?.1;
                }
                rest = after;
            }
            out += rest;
            out.push('\n');
        }
        Some(out)
    }

    fn shuffle(&mut self, inst: &Inst, table: &[u8]) -> Result<(), Unsupported> {
        let (Some(def), [a, b]) = (inst.def, inst.uses.as_slice()) else {
            return Err(self
                .refuse(format!("`{}` with these operands", inst.op), "verify the kernel".into()));
        };
        if table.len() != 4 || table.iter().any(|&l| l >= 8) {
            return Err(self.refuse(format!("`{}`", inst.op), "use four lanes below 8".into()));
        }
        let (class, a, b) = (self.class(def)?, self.operand(*a)?, self.operand(*b)?);
        let (x, y, z) = (self.fresh(), self.fresh(), self.fresh());
        let d = self.define(def)?;
        let mask: String = table
            .iter()
            .rev()
            .flat_map(|l| (0..4).rev().map(move |byte| format!("{:02x}", 4 * l + byte)))
            .collect();
        self.line(&format!("    v{x} = bitcast.i8x16 little v{a}"));
        self.line(&format!("    v{y} = bitcast.i8x16 little v{b}"));
        self.line(&format!("    v{z} = shuffle v{x}, v{y}, 0x{mask}"));
        self.line(&format!("    v{d} = bitcast.{} little v{z}", clif_type(class)));
        Ok(())
    }
}

fn call(block: u32, arguments: &[String]) -> String {
    if arguments.is_empty() {
        format!("block{block}")
    } else {
        format!("block{block}({})", arguments.join(", "))
    }
}

fn clif_type(class: Class) -> &'static str {
    match class {
        Class::Int => "i64",
        Class::Float => "f32x4",
        Class::Word | Class::Mask => "i32x4",
    }
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

/// A 128-bit constant with the word in all lanes.
fn lanes4(word: u32) -> String {
    format!("0x{word:08x}{word:08x}{word:08x}{word:08x}")
}
