//! The text form of a kernel, and the one table of mnemonics that printer and parser share.
//!
//! ```text
//! s = loop t in 0..n step 4 carry acc = zero {
//!   b = fadd acc, acc : f
//! } yield b
//! ```

use super::*;
use crate::tile::Compare as C;
use std::fmt;

/// Every op without parameters of its own, and how it is spelled.
#[rustfmt::skip] // a table
pub static MNEMONICS: &[(&str, Op)] = &[
    ("const", Op::Const), ("arg", Op::Arg), ("worker", Op::Worker), ("next", Op::Next),
    ("iadd", Op::Int(IntOp::Add)), ("isub", Op::Int(IntOp::Sub)), ("imul", Op::Int(IntOp::Mul)),
    ("idiv", Op::Int(IntOp::Div)), ("irem", Op::Int(IntOp::Rem)),
    ("imin", Op::Int(IntOp::Min)), ("imax", Op::Int(IntOp::Max)),
    ("read.w64", Op::Read(Width::W64)), ("read.w32", Op::Read(Width::W32)),
    ("read.u16", Op::Read(Width::U16)), ("read.s16", Op::Read(Width::S16)),
    ("read.u8", Op::Read(Width::U8)), ("read.s8", Op::Read(Width::S8)),
    ("write.w64", Op::Write(Width::W64)), ("write.w32", Op::Write(Width::W32)),
    ("write.u16", Op::Write(Width::U16)), ("write.s16", Op::Write(Width::S16)),
    ("write.u8", Op::Write(Width::U8)), ("write.s8", Op::Write(Width::S8)),
    ("load.w128", Op::Load(Width::W128)), ("store.w128", Op::Store(Width::W128)),
    ("load.w64", Op::Load(Width::W64)), ("load.w32", Op::Load(Width::W32)),
    ("load.u16", Op::Load(Width::U16)), ("load.s16", Op::Load(Width::S16)),
    ("load.u8", Op::Load(Width::U8)), ("load.s8", Op::Load(Width::S8)),
    ("splat.w64", Op::Splat(Width::W64)), ("splat.w32", Op::Splat(Width::W32)),
    ("splat.u16", Op::Splat(Width::U16)), ("splat.s16", Op::Splat(Width::S16)),
    ("splat.u8", Op::Splat(Width::U8)), ("splat.s8", Op::Splat(Width::S8)),
    ("load.f16", Op::LoadF16), ("splat.f16", Op::SplatF16), ("nibbles", Op::Nibbles),
    ("store.w64", Op::Store(Width::W64)), ("store.w32", Op::Store(Width::W32)),
    ("store.u16", Op::Store(Width::U16)), ("store.s16", Op::Store(Width::S16)),
    ("store.u8", Op::Store(Width::U8)), ("store.s8", Op::Store(Width::S8)),
    ("loadpart.w64", Op::LoadPart(Width::W64)), ("loadpart.w32", Op::LoadPart(Width::W32)),
    ("loadpart.u16", Op::LoadPart(Width::U16)), ("loadpart.s16", Op::LoadPart(Width::S16)),
    ("loadpart.u8", Op::LoadPart(Width::U8)), ("loadpart.s8", Op::LoadPart(Width::S8)),
    ("storepart.w64", Op::StorePart(Width::W64)), ("storepart.w32", Op::StorePart(Width::W32)),
    ("storepart.u16", Op::StorePart(Width::U16)), ("storepart.s16", Op::StorePart(Width::S16)),
    ("storepart.u8", Op::StorePart(Width::U8)), ("storepart.s8", Op::StorePart(Width::S8)),
    ("gather.w32", Op::Gather),
    ("gatherpart.w128", Op::GatherPart(Width::W128)), ("gatherpart.w64", Op::GatherPart(Width::W64)),
    ("gatherpart.w32", Op::GatherPart(Width::W32)), ("gatherpart.u16", Op::GatherPart(Width::U16)),
    ("gatherpart.s16", Op::GatherPart(Width::S16)), ("gatherpart.u8", Op::GatherPart(Width::U8)),
    ("gatherpart.s8", Op::GatherPart(Width::S8)),
    ("scatter.w128", Op::Scatter(Width::W128)), ("scatter.w64", Op::Scatter(Width::W64)),
    ("scatter.w32", Op::Scatter(Width::W32)), ("scatter.u16", Op::Scatter(Width::U16)),
    ("scatter.u8", Op::Scatter(Width::U8)),
    ("prefetch.1", Op::Prefetch(1)), ("prefetch.2", Op::Prefetch(2)), ("prefetch.3", Op::Prefetch(3)),
    ("fconst", Op::FloatConst), ("wconst", Op::WordConst), ("iota", Op::Iota), ("spread", Op::Spread),
    ("fadd", Op::Float(FloatOp::Add)), ("fsub", Op::Float(FloatOp::Sub)),
    ("fmul", Op::Float(FloatOp::Mul)), ("fdiv", Op::Float(FloatOp::Div)),
    ("fmax", Op::Float(FloatOp::Max)), ("fmin", Op::Float(FloatOp::Min)), ("fscale", Op::Float(FloatOp::Scale)),
    ("fneg", Op::FloatUnary(FloatUnary::Neg)), ("fabs", Op::FloatUnary(FloatUnary::Abs)),
    ("sqrt", Op::FloatUnary(FloatUnary::Sqrt)), ("floor", Op::FloatUnary(FloatUnary::Floor)),
    ("nearest", Op::FloatUnary(FloatUnary::Nearest)), ("fraction", Op::FloatUnary(FloatUnary::Fraction)), ("exp2", Op::FloatUnary(FloatUnary::Exp2)),
    ("log2", Op::FloatUnary(FloatUnary::Log2)), ("tanh", Op::FloatUnary(FloatUnary::Tanh)),
    ("sin", Op::FloatUnary(FloatUnary::Sin)), ("cos", Op::FloatUnary(FloatUnary::Cos)),
    ("fma", Op::Fma),
    ("wadd", Op::Word(WordOp::Add)), ("wsub", Op::Word(WordOp::Sub)), ("wmul", Op::Word(WordOp::Mul)),
    ("and", Op::Word(WordOp::And)), ("or", Op::Word(WordOp::Or)), ("xor", Op::Word(WordOp::Xor)),
    ("wmin", Op::Word(WordOp::Min)), ("wmax", Op::Word(WordOp::Max)),
    ("shl", Op::Shift(ShiftOp::Left)), ("shr", Op::Shift(ShiftOp::Right)),
    ("sar", Op::Shift(ShiftOp::Arithmetic)),
    ("h.shl", Op::Half(HalfOp::Shift(ShiftOp::Left))), ("h.shr", Op::Half(HalfOp::Shift(ShiftOp::Right))),
    ("h.sar", Op::Half(HalfOp::Shift(ShiftOp::Arithmetic))),
    ("h.eq", Op::Half(HalfOp::Eq)), ("h.low", Op::Half(HalfOp::Low)), ("h.high", Op::Half(HalfOp::High)),
    ("h.fadd", Op::Half(HalfOp::Float(HalfFloat::Add))), ("h.fsub", Op::Half(HalfOp::Float(HalfFloat::Sub))),
    ("h.fmul", Op::Half(HalfOp::Float(HalfFloat::Mul))),
    ("fcmp.lt", Op::FloatCmp(C::Lt)), ("fcmp.le", Op::FloatCmp(C::Le)), ("fcmp.eq", Op::FloatCmp(C::Eq)),
    ("fcmp.ne", Op::FloatCmp(C::Ne)), ("fcmp.ge", Op::FloatCmp(C::Ge)), ("fcmp.gt", Op::FloatCmp(C::Gt)),
    ("wcmp.lt", Op::WordCmp(C::Lt)), ("wcmp.le", Op::WordCmp(C::Le)), ("wcmp.eq", Op::WordCmp(C::Eq)),
    ("wcmp.ne", Op::WordCmp(C::Ne)), ("wcmp.ge", Op::WordCmp(C::Ge)), ("wcmp.gt", Op::WordCmp(C::Gt)),
    ("mand", Op::Mask(MaskOp::And)), ("mor", Op::Mask(MaskOp::Or)), ("select", Op::Select),
    ("bits", Op::Bits), ("float", Op::FromBits),
    ("cvt.f32.i32", Op::Cvt(Cvt::FloatFromInt)), ("cvt.i32.f32", Op::Cvt(Cvt::IntFromFloat)),
    ("cvt.f32.f16", Op::Cvt(Cvt::FloatFromF16)), ("cvt.f16.f32", Op::Cvt(Cvt::F16FromFloat)),
    ("cvt.f32.f16lo", Op::Cvt(Cvt::FloatFromF16Low)), ("cvt.f32.f16hi", Op::Cvt(Cvt::FloatFromF16High)),
    ("cvt.f32.bf16", Op::Cvt(Cvt::FloatFromBf16)), ("cvt.bf16.f32", Op::Cvt(Cvt::Bf16FromFloat)),
    ("pair.f16", Op::Pair(PairOp::F16)), ("pair.bf16", Op::Pair(PairOp::Bf16)),
    ("join.2", Op::Join(2)), ("join.4", Op::Join(4)), ("join.8", Op::Join(8)), ("part", Op::Part),
    ("mma.m16n8k16.f32.f16", Op::Mma(&mma::M16N8K16_F16)), ("mma.m16n8k16.f32.bf16", Op::Mma(&mma::M16N8K16_BF16)),
    ("mma.m16n8k8.f32.f16", Op::Mma(&mma::M16N8K8_F16)), ("mma.m8n8k4.f32.f16", Op::Mma(&mma::M8N8K4_F16)), ("mma.m8n8k4.f32.f16.rows", Op::Mma(&mma::M8N8K4_F16_ROWS)),
    ("mma.m16n8k32.s32.s8", Op::Mma(&mma::M16N8K32_S8)), ("mma.m16n8k32.s32.s8u8", Op::Mma(&mma::M16N8K32_S8U8)),
    ("mma.m8n8k16.s32.s8", Op::Mma(&mma::M8N8K16_S8)), ("mma.m8n8k16.s32.s8u8", Op::Mma(&mma::M8N8K16_S8U8)),
    ("mma.m16n16k64.s32.s8", Op::Mma(&mma::M16N16K64_S8)), ("mma.m16n16k64.s32.s8u8", Op::Mma(&mma::M16N16K64_S8U8)),
    ("mma.m16n16k64.s32.u8s8", Op::Mma(&mma::M16N16K64_U8S8)), ("mma.m16n16k64.s32.u8", Op::Mma(&mma::M16N16K64_U8)),
    ("mma.m16n16k32.s32.s8u8", Op::Mma(&mma::M16N16K32_S8U8)), ("mma.m16n16k32.f32.bf16", Op::Mma(&mma::M16N16K32_BF16)),
    ("rows.zero.16", Op::Rows(RowsOp::Zero, 16)), ("rows.load.16", Op::Rows(RowsOp::Load, 16)),
    ("rows.load.8", Op::Rows(RowsOp::Load, 8)), ("rows.half.16", Op::Rows(RowsOp::Half, 16)),
    ("rows.store.16", Op::Rows(RowsOp::Store, 16)),
    ("hsum", Op::HSum), ("hmax", Op::HMax), ("whsum", Op::WordHSum), ("ballot", Op::Ballot),
    ("permb", Op::PermuteBytes), ("shufb", Op::ShuffleBytes), ("permb.high", Op::PermuteHigh), ("bits.select", Op::SelectBits),
    ("lookup", Op::Lookup), ("affine", Op::Affine), ("pack.bf16", Op::PackBf16),
    ("dot.u8s8", Op::Dot(DotOp::U8S8)), ("dot.s16s16", Op::Dot(DotOp::S16S16)),
    ("dot.bf16", Op::Dot(DotOp::Bf16)),
    ("copy.4", Op::Async(AsyncOp::Copy(4))), ("copy.8", Op::Async(AsyncOp::Copy(8))),
    ("copy.16", Op::Async(AsyncOp::Copy(16))),
    ("ldmatrix.x1", Op::Squares { count: 1, turned: false }), ("ldmatrix.x1.t", Op::Squares { count: 1, turned: true }),
    ("ldmatrix.x2", Op::Squares { count: 2, turned: false }), ("ldmatrix.x2.t", Op::Squares { count: 2, turned: true }),
    ("ldmatrix.x4", Op::Squares { count: 4, turned: false }), ("ldmatrix.x4.t", Op::Squares { count: 4, turned: true }),
    ("commit", Op::Async(AsyncOp::Commit)), ("wait", Op::Async(AsyncOp::Wait)),
];

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Op::Shuffle(table) = self {
            let list: Vec<String> = table.iter().map(u8::to_string).collect();
            return write!(f, "shuffle[{}]", list.join(","));
        }
        match MNEMONICS.iter().find(|(_, op)| op == self) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{self:?}"),
        }
    }
}

impl Class {
    pub fn letter(self) -> &'static str {
        match self {
            Class::Int => "i",
            Class::Float => "f",
            Class::Word => "w",
            Class::Mask => "m",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scratch =
            if self.scratch > 0 { format!(" scratch {}", self.scratch) } else { String::new() };
        writeln!(f, "machine {} lanes {}{scratch} {{", self.name, self.lanes)?;
        for (i, slot) in self.slots.iter().enumerate() {
            writeln!(f, "  slot {i} = {slot}")?;
        }
        stmts(f, self, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Pointer(name) => write!(f, "pointer {name}"),
            Slot::Stride(name, dim) => write!(f, "stride {name} {dim}"),
            Slot::Extent(extent) => write!(f, "extent {extent}"),
            Slot::Counter(n) => write!(f, "counter {n}"),
            Slot::Scratch => f.write_str("scratch"),
            Slot::End(name) => write!(f, "end {name}"),
            Slot::Report => f.write_str("report"),
        }
    }
}

impl Kernel {
    /// The name of a register as printed: its own if no other register has it, else with its number.
    pub fn reg_name(&self, reg: Reg) -> String {
        let Some(data) = self.regs.get(reg) else { return format!("r{}", reg.index()) };
        let twice = self.regs.iter().filter(|(_, d)| d.name == data.name).count() > 1;
        if twice { format!("{}_{}", data.name, reg.index()) } else { data.name.to_string() }
    }

    fn operand(&self, operand: Operand) -> String {
        match operand {
            Operand::Reg(reg) => self.reg_name(reg),
            Operand::Imm(x) => x.to_string(),
        }
    }
}

fn stmts(f: &mut fmt::Formatter<'_>, k: &Kernel, list: &[Stmt], depth: usize) -> fmt::Result {
    let pad = "  ".repeat(depth);
    let names = |regs: Vec<Reg>| -> String {
        regs.iter().map(|r| k.reg_name(*r)).collect::<Vec<_>>().join(", ")
    };
    for stmt in list {
        match stmt {
            Stmt::Inst(inst) => writeln!(f, "{pad}{}", show(k, inst))?,
            Stmt::Loop(l) => {
                write!(f, "{pad}")?;
                if !l.carried.is_empty() {
                    write!(f, "{} = ", names(l.carried.iter().map(|c| c.result).collect()))?;
                }
                let (lo, hi, step) = (k.operand(l.lo), k.operand(l.hi), k.operand(l.step));
                write!(f, "loop {} in {lo}..{hi} step {step}", k.reg_name(l.var))?;
                for (i, c) in l.carried.iter().enumerate() {
                    let word = if i == 0 { " carry" } else { "," };
                    write!(f, "{word} {} = {}", k.reg_name(c.param), k.reg_name(c.init))?;
                }
                writeln!(f, " {{")?;
                stmts(f, k, &l.body, depth + 1)?;
                write!(f, "{pad}}}")?;
                if !l.carried.is_empty() {
                    write!(f, " yield {}", names(l.carried.iter().map(|c| c.yielded).collect()))?;
                }
                writeln!(f)?;
            }
            Stmt::If(i) => {
                write!(f, "{pad}")?;
                if !i.yields.is_empty() {
                    write!(f, "{} = ", names(i.yields.iter().map(|y| y.0).collect()))?;
                }
                let (a, b) = (k.operand(i.a), k.operand(i.b));
                writeln!(f, "if {a} {} {b} {{", i.cmp.symbol())?;
                stmts(f, k, &i.then, depth + 1)?;
                write!(f, "{pad}}}")?;
                if !i.yields.is_empty() {
                    write!(f, " yield {}", names(i.yields.iter().map(|y| y.1).collect()))?;
                }
                if !i.otherwise.is_empty() || !i.yields.is_empty() {
                    writeln!(f, " else {{")?;
                    stmts(f, k, &i.otherwise, depth + 1)?;
                    write!(f, "{pad}}}")?;
                }
                if !i.yields.is_empty() {
                    write!(f, " yield {}", names(i.yields.iter().map(|y| y.2).collect()))?;
                }
                writeln!(f)?;
            }
        }
    }
    Ok(())
}

/// One instruction as a line.
pub fn show(k: &Kernel, inst: &Inst) -> String {
    let mut operands = Vec::new();
    if let Some(mem) = inst.mem {
        let sign = if mem.offset < 0 { "-" } else { "+" };
        operands.push(format!("[{} {sign} {}]", k.reg_name(mem.base), mem.offset.unsigned_abs()));
    }
    operands.extend(inst.uses.iter().map(|o| k.operand(*o)));
    let mut line = String::new();
    if let Some(def) = inst.def {
        line = format!("{} = ", k.reg_name(def));
    }
    line += &inst.op.to_string();
    if !operands.is_empty() {
        line += " ";
        line += &operands.join(", ");
    }
    if let Some(data) = inst.def.and_then(|d| k.regs.get(d)) {
        line += " : ";
        line += data.class.letter();
        if data.words > 1 {
            line += &data.words.to_string();
        }
    }
    line
}
