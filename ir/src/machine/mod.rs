//! Level 3, *how, in instructions*: lanes, virtual registers, structured control.
//!
//! A vector register is one 32-bit word per lane; an instruction is an [`Op`] that a target has as a [`Row`] of a
//! table, or that the `expand` pass turns into ops which it has.
//!
//! ```text
//! machine axpy lanes 4 {
//!   slot 0 = pointer x
//!   slot 1 = extent n / 4
//!   x = arg 0 : i
//!   n = arg 1 : i
//!   loop t in 0..n step 1 {
//!     o = imul t, 16 : i
//!     p = iadd x, o : i
//!     a = load.w32 [p + 0] : f
//!     b = fadd a, a : f
//!     store.w32 [p + 0], b
//!   }
//! }
//! ```
//!
//! A register may be an array of several words a lane, `a : w4`, as matrix instructions and wide accesses want them.

pub mod interp;
pub mod mma;
mod operands;
pub mod parse;
pub mod print;
pub mod verify;

pub use operands::Operands;

use crate::{
    arena::{Arena, Id},
    extent::Extent,
    tile::Compare,
};
use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    pub name: String,
    /// 32-bit words of a vector register.
    pub lanes: usize,
    /// What the caller puts into the argument array, one 64-bit slot each.
    pub slots: Vec<Slot>,
    /// Bytes of private memory a worker needs, 64-byte aligned.
    pub scratch: usize,
    pub regs: Arena<RegData>,
    pub body: Vec<Stmt>,
}

impl Kernel {
    /// The same with other statements.
    pub fn with(&self, body: Vec<Stmt>) -> Kernel {
        Kernel {
            name: self.name.clone(),
            lanes: self.lanes,
            slots: self.slots.clone(),
            scratch: self.scratch,
            regs: self.regs.clone(),
            body,
        }
    }

    /// Instructions in its text, those of loops counted once.
    pub fn instructions(&self) -> usize {
        fn count(body: &[Stmt]) -> usize {
            body.iter()
                .map(|s| match s {
                    Stmt::Inst(_) => 1,
                    Stmt::Loop(l) => count(&l.body),
                    Stmt::If(i) => count(&i.then) + count(&i.otherwise),
                })
                .sum()
        }
        count(&self.body)
    }

    /// A new integer, for a pass.
    pub fn integer(&mut self) -> Reg {
        let name = Name::Number('n', self.regs.len() as u32);
        self.regs.add(RegData { name, class: Class::Int, words: 1 })
    }
}

/// One 64-bit entry of the argument array, computed by the plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// Address of a tensor parameter of the kernel.
    Pointer(String),
    /// Bytes between neighbours along a dimension of a tensor parameter.
    Stride(String, usize),
    /// A scalar of symbols and of the kernel's scalar parameters.
    Extent(Extent),
    /// Address of an `i64` task counter, zero at launch.
    Counter(usize),
    /// Address of the scratch of worker 0; worker w's is `w * scratch` bytes further.
    Scratch,
    /// Address behind the last byte of a tensor parameter.
    End(String),
    /// Address of the report of worker 0, zero at launch; worker w's is `w * REPORT` bytes further.
    ///
    /// Four `i64`, written for the first access that was not done: the number of the instruction, from 1; its
    /// address; how many bytes; 1 + the slot of the memory it is meant for, or 0.
    Report,
}

/// Bytes of a worker's report. From [`REPORT_LANES`] on they are the kernel's own.
pub const REPORT: usize = 128;

/// Where a kernel puts the words of a vector to look at each.
pub const REPORT_LANES: usize = 64;

pub type Reg = Id<RegData>;

/// What a register is called: most by a letter and a number, which cost nothing to copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    Number(char, u32),
    Text(Arc<str>),
}

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        let mut chars = name.chars();
        let digits = |c: char, rest: &str| {
            let number: u32 = rest.parse().ok()?;
            // The same name has one form.
            (format!("{c}{number}") == name).then_some(Name::Number(c, number))
        };
        let numbered = chars.next().and_then(|c| digits(c, chars.as_str()));
        numbered.unwrap_or_else(|| Name::Text(name.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Number(letter, number) => write!(f, "{letter}{number}"),
            Name::Text(text) => f.write_str(text),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct RegData {
    pub name: Name,
    pub class: Class,
    /// 32-bit words a lane; 1 of all but arrays of floats and words.
    pub words: u8,
}

/// Most words a lane of a register.
pub const MAX_WORDS: u8 = 16;

/// Register classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Uniform 64-bit integer: address, counter. Prints as `i`.
    Int,
    /// f32 in each lane: `f`.
    Float,
    /// A 32-bit word in each lane, perhaps four packed bytes: `w`.
    Word,
    /// A truth value per lane: `m`.
    Mask,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    Inst(Inst),
    Loop(Box<Loop>),
    If(Box<If>),
}

/// `defs = op uses, mem`. Operand kinds and classes follow from [`Op::signature`].
#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    pub op: Op,
    pub def: Option<Reg>,
    pub uses: Operands,
    pub mem: Option<Mem>,
}

impl Inst {
    pub fn int(op: IntOp, def: Reg, uses: [Operand; 2]) -> Inst {
        Inst { op: Op::Int(op), def: Some(def), uses: uses.into(), mem: None }
    }

    /// Registers that it reads, that of an address last.
    pub fn reads(&self) -> impl Iterator<Item = Reg> {
        self.uses.iter().filter_map(|o| o.register()).chain(self.mem.map(|m| m.base))
    }
}

/// Byte address `base + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mem {
    pub base: Reg,
    pub offset: i32,
}

/// Only `Int` operands may be immediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    Reg(Reg),
    Imm(i64),
}

impl Operand {
    pub fn register(self) -> Option<Reg> {
        match self {
            Operand::Reg(reg) => Some(reg),
            Operand::Imm(_) => None,
        }
    }
}

/// As one number: tables of instructions are asked for each one.
impl Hash for Operand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Operand::Reg(reg) => state.write_u64(reg.index() as u64),
            Operand::Imm(x) => state.write_u64(!(*x as u64)),
        }
    }
}

/// Runs while `var < hi`; `step` is positive.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    pub var: Reg,
    pub lo: Operand,
    pub hi: Operand,
    pub step: Operand,
    pub carried: Vec<Carried>,
    pub body: Vec<Stmt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carried {
    pub result: Reg,
    pub param: Reg,
    pub init: Reg,
    pub yielded: Reg,
}

#[derive(Clone, Debug, PartialEq)]
pub struct If {
    pub cmp: Compare,
    pub a: Operand,
    pub b: Operand,
    pub then: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
    /// Result, value of the first branch, value of the second.
    pub yields: Vec<(Reg, Reg, Reg)>,
}

/// What an instruction means. `f` is Float, `w` Word, `m` Mask, `i` Int; `[..]` memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    // Uniform integers.
    /// `i = const x`.
    Const,
    /// `i = arg SLOT`: entry of the argument array (an immediate).
    Arg,
    /// `i = worker`: number of this worker.
    Worker,
    /// `i = iadd a, b` and its kin. `idiv`, `irem` round towards minus infinity; divisor positive.
    Int(IntOp),
    /// `i = read.WIDTH [..]`: sign-extending scalar load.
    Read(Width),
    /// `write.WIDTH [..], i`: scalar store.
    Write(Width),
    /// `i = next [..], n`: atomically adds n to an i64 in memory, gives the old value.
    Next,

    // Memory, vectors. Elements are contiguous; narrow ones are extended into words.
    /// `w|f = load.WIDTH [..]`. Of 64 and 128 bits: each lane its two or four words, one behind the other.
    Load(Width),
    /// `w|f = splat.WIDTH [..]`: one element into every lane.
    Splat(Width),
    /// `f = load.f16 [..]`: f16 elements, converted exactly.
    LoadF16,
    /// `f = splat.f16 [..]`.
    SplatF16,
    /// `w = nibbles [..]`: lane i is 32 of the 64 bits in memory, from bit 4 i on; behind the last bit comes the first.
    Nibbles,
    /// `store.WIDTH [..], w|f`: the low bits of each lane.
    Store(Width),
    /// `w|f = loadpart.WIDTH [..], n`: the first n lanes, 0 to all; zeros behind. Touches no element from n on.
    LoadPart(Width),
    /// `storepart.WIDTH [..], w|f, n`: the first n lanes; what stands behind is left alone.
    StorePart(Width),
    /// `w|f = gather.w32 [..], w`: lane i from 4 times word i further, which is signed.
    Gather,
    /// `w|f = gatherpart.WIDTH [..], w, m`: lane i from word i bytes further, signed; where the mask does not hold, zero,
    /// and nothing is touched.
    GatherPart(Width),
    /// `scatter.WIDTH [..], w|f, w, m`: the low bits of each lane's value, to where [`Op::GatherPart`] reads. Lanes that
    /// write write to different places.
    Scatter(Width),
    /// `w|wN = ldmatrix.xN [..], w`: N squares of 8 x 8 halves. Lanes 8 i to 8 i + 7 say where the rows of square i begin,
    /// 16 bytes each, at multiples of 16: as many bytes from the address as their words say. Word i of lane l is what
    /// stands at elements 2 (l % 4) and the next of row l / 4 of square i; `.t`: of column l / 4.
    Squares {
        count: u8,
        turned: bool,
    },
    /// A register of N words a lane as rows of memory, each a word of all lanes.
    Rows(RowsOp, u8),
    /// `prefetch LEVEL [..]`: a hint (level 1 to 3).
    Prefetch(u8),

    // Lanes.
    /// `f = fconst`: the same bits in each lane (an immediate: f32 bits).
    FloatConst,
    /// `w = wconst`: likewise.
    WordConst,
    /// `w = iota`: 0, 1, 2, ... by lane.
    Iota,
    /// `w = spread i`: low 32 bits of a uniform integer into each lane.
    Spread,
    /// `f = a op b`.
    Float(FloatOp),
    /// `f = op a`.
    FloatUnary(FloatUnary),
    /// `f = fma a, b, c`: `a * b + c`, one rounding.
    Fma,
    /// `w = a op b`.
    Word(WordOp),
    /// `w = shl|shr|sar a, n` (an immediate).
    Shift(ShiftOp),
    /// On the two 16-bit halves of each word.
    Half(HalfOp),
    /// `m = cmp a, b` on floats.
    FloatCmp(Compare),
    /// `m = cmp a, b` on signed words.
    WordCmp(Compare),
    /// `m = mand|mor a, b`.
    Mask(MaskOp),
    /// `f|w = select m, a, b`.
    Select,
    /// Reinterprets: `w = bits f`, `f = float w`.
    Bits,
    FromBits,
    Cvt(Cvt),
    /// `w = pair.f16|pair.bf16 a, b`: both rounded to nearest even, a in the low half.
    Pair(PairOp),

    // Arrays.
    /// `w|f = join.N a, b, ..`: an array of N words a lane.
    Join(u8),
    /// `w|f = part a, i`: word i (an immediate) of an array.
    Part,

    // Across lanes.
    /// `f|w = shuffle a, b`: lane i takes lane `table[i]` of the two, counted through a then b.
    Shuffle(Vec<u8>),
    /// `f = hsum f`, `f = hmax f`: over all lanes, the result in every lane. The sum is a tree of halves:
    /// lane i adds lane i + L/2, then i + L/4, ...; max is `a > b ? a : b` in the same tree. Of zeros alone it may be
    /// either, and beside a NaN, which it may lose, any lane.
    HSum,
    HMax,
    /// `w = hsum w`: wrapping.
    WordHSum,
    /// `i = ballot m`: bit l is lane l.
    Ballot,

    /// `w = permb a, b`: byte i is byte `b_i` of a, counted through all lanes; bits too many do not count.
    PermuteBytes,
    /// `w = shufb a, b`: of each 16 bytes, byte i is byte `b_i` of a's: bits 4 to 6 do not count. Where bit 7 is set, 0.
    ShuffleBytes,
    /// `w = permb.high a, b, c`: byte i is as in `permb` where both high bits of `b_i` are set, else byte i of c.
    PermuteHigh,
    /// `w = bits.select a, b, c`: the bits of b where those of a are set, else those of c.
    SelectBits,
    /// `f = lookup a, b`: lane i is lane `b_i` of a; bits too many do not count.
    Lookup,

    // Products inside a lane.
    Dot(DotOp),
    /// `w = affine a, b, n`: each byte of a times the 8x8 matrix of bits in the same 64 bits of b, plus n (an
    /// immediate byte), modulo 2. Bit i of a product is the parity of the byte and byte 7 - i of the matrix.
    Affine,
    /// Copies to scratch that go on while the kernel computes.
    Async(AsyncOp),
    /// `w = pack.bf16 a, b`: the 2 L halves are the lanes of a, then those of b, as bf16: to nearest even, subnormals
    /// are zeros.
    PackBf16,
    /// `d = mma.SHAPE.SUM.ELEMENT a, b, c`: matrices in registers, see [`mma`].
    Mma(&'static mma::Mma),
}

/// What [`Op::Pair`] rounds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairOp {
    F16,
    Bf16,
}

/// What stands in memory row by row, and so many bytes (an integer) from a row to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowsOp {
    /// `wN|fN = rows.zero.N`: no memory.
    Zero,
    /// `wN|fN = rows.load.N [..], i`.
    Load,
    /// `wN|fN = rows.half.N [..], i`: of each row the words of the lower half of the lanes; zeros in the others.
    Half,
    /// `rows.store.N [..], wN|fN, i`.
    Store,
}

/// `w = dot.A.B a, b, c`: each lane adds the `k` products of its packed elements to `c` (i32, wrapping).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DotOp {
    /// Four unsigned bytes of a times four signed bytes of b.
    U8S8,
    /// Two signed 16-bit elements each.
    S16S16,
    /// `f = dot.bf16 a, b, c`: two bf16 elements each. The product of the high ones is added first, then that of the
    /// low ones, each with one rounding to nearest even; subnormals count as zeros before and after each.
    Bf16,
}

/// Copies in groups, each in the order of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsyncOp {
    /// `copy.N [..], w, i, w, w`: each lane brings N bytes to where its first word says, behind the address, from as far
    /// behind the integer as its second word says, which is signed. The last word tells how: N copies, 0 writes zeros and
    /// reads nothing, less than 0 does nothing. Both addresses are multiples of N. Nobody may touch what is written
    /// before a `wait` for it.
    Copy(u8),
    /// `commit`: the copies since the last one become a group.
    Commit,
    /// `wait n` (an immediate): all groups but the last n have arrived.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Min,
    Max,
}

/// Width and extension of an element in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    W128,
    W64,
    W32,
    U16,
    S16,
    U8,
    S8,
}

impl Width {
    pub fn bytes(self) -> usize {
        match self {
            Width::W128 => 16,
            Width::W64 => 8,
            Width::W32 => 4,
            Width::U16 | Width::S16 => 2,
            Width::U8 | Width::S8 => 1,
        }
    }

    /// Words of a lane that hold an element.
    pub fn words(self) -> u8 {
        match self {
            Width::W128 => 4,
            Width::W64 => 2,
            Width::W32 | Width::U16 | Width::S16 | Width::U8 | Width::S8 => 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
    /// `a > b ? a : b`.
    Max,
    /// `a < b ? a : b`.
    Min,
    /// `a * 2^floor(b)`, one rounding. An infinite b gives 0 or infinity with the sign of a, to a quiet
    /// NaN, too; 0 times infinity is NaN.
    Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FloatUnary {
    Neg,
    Abs,
    Sqrt,
    Floor,
    /// To the nearest integer, ties to even.
    Nearest,
    /// `a - floor(a)`, rounded down (so that nothing is -0); 0 where a is infinite.
    Fraction,
    Exp2,
    Log2,
    Tanh,
    /// From 2^24 on, where a turn has no more than three floats, that of 0.
    Sin,
    Cos,
}

impl FloatUnary {
    /// Sequences and instructions may differ from what these mean in their last bits.
    pub const APPROXIMATE: [FloatUnary; 5] =
        [FloatUnary::Exp2, FloatUnary::Log2, FloatUnary::Tanh, FloatUnary::Sin, FloatUnary::Cos];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WordOp {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    /// Signed.
    Min,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShiftOp {
    Left,
    /// Fills with zeros.
    Right,
    /// Fills with the sign.
    Arithmetic,
}

/// Registers as 2 L halves: half 2 i is the low one of lane i.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HalfOp {
    /// `w = h.shl|h.shr|h.sar a, n` (an immediate below 16).
    Shift(ShiftOp),
    /// `w = h.eq a, b`: all ones in each half that is equal.
    Eq,
    /// `w = h.low a, b`: lane i is half i of a, below half i of b.
    Low,
    /// `w = h.high a, b`: the same with halves L + i.
    High,
    /// `w = h.fadd|h.fsub|h.fmul a, b`: on two f16, to nearest even.
    Float(HalfFloat),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HalfFloat {
    Add,
    Sub,
    Mul,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskOp {
    And,
    Or,
}

/// Conversions, lane by lane. 16-bit floats stand in the low half of a word; the high half reads as anything and
/// is written as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cvt {
    /// `f = f32.i32 w`: signed, to nearest even.
    FloatFromInt,
    /// `w = i32.f32 f`: to nearest even; out of range and NaN give i32::MIN.
    IntFromFloat,
    /// `f = f32.f16 w`: exact, subnormals, infinities and NaN kept.
    FloatFromF16,
    /// `f = f32.f16lo w`: the first L of 2 L halves, as exact.
    FloatFromF16Low,
    /// `f = f32.f16hi w`: the last L of 2 L halves.
    FloatFromF16High,
    /// `w = f16.f32 f`: to nearest even, overflow to infinity, NaN stays NaN.
    F16FromFloat,
    FloatFromBf16,
    Bf16FromFloat,
}

/// An instruction a target has.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub op: Op,
    /// Template in the target's text: `{d} = fadd {a}, {b}`.
    pub text: &'static str,
    /// Layouts of a, b, c for rows that mix lanes and packed elements, as of one 4-lane register.
    pub layouts: Option<[&'static str; 3]>,
    /// Cycles until the result can be used.
    pub latency: u8,
}

/// Classes of an op's result and operands, as the verifier, the interpreter and the emitters see them.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Possible classes of the result; empty if there is none.
    pub def: &'static [Class],
    /// Classes of the operands; `Same` as the result where two are possible.
    pub uses: &'static [Use],
    pub mem: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Of(Class),
    /// Float or Word.
    Vector,
    /// The class of the result.
    Same,
    /// Must be an immediate.
    Imm,
}

/// What an op does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    /// Both at once.
    Update,
    /// Asks for it ahead of time.
    Hint,
}

/// How much memory an op touches, from its address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    One(Width),
    /// An element a lane, one behind the other.
    Lanes(Width),
    /// As many of those as the last operand says.
    Part(Width),
    /// A word a lane, as far away as the lane says.
    Gather,
    /// So many bytes a lane, as far away as the lane's first operand says.
    Apart(u8),
    /// An element a lane, as many bytes away as the lane says, where its mask holds.
    Scattered(Width),
    /// So many rows of a word a lane, or of half of the lanes, as far apart as the last operand says.
    Rows {
        rows: u8,
        half: bool,
    },
}

impl Op {
    /// What it does with memory, if anything.
    pub fn memory(&self) -> Option<(Access, Span)> {
        match *self {
            Op::Read(w) | Op::Splat(w) => Some((Access::Read, Span::One(w))),
            Op::SplatF16 => Some((Access::Read, Span::One(Width::U16))),
            Op::Nibbles => Some((Access::Read, Span::One(Width::W64))),
            Op::Load(w) => Some((Access::Read, Span::Lanes(w))),
            Op::LoadF16 => Some((Access::Read, Span::Lanes(Width::U16))),
            Op::LoadPart(w) => Some((Access::Read, Span::Part(w))),
            Op::Gather => Some((Access::Read, Span::Gather)),
            Op::GatherPart(w) => Some((Access::Read, Span::Scattered(w))),
            Op::Scatter(w) => Some((Access::Write, Span::Scattered(w))),
            Op::Write(w) => Some((Access::Write, Span::One(w))),
            Op::Store(w) => Some((Access::Write, Span::Lanes(w))),
            Op::StorePart(w) => Some((Access::Write, Span::Part(w))),
            Op::Squares { .. } => Some((Access::Read, Span::Apart(16))),
            Op::Async(AsyncOp::Copy(bytes)) => Some((Access::Write, Span::Apart(bytes))),
            Op::Rows(op @ (RowsOp::Load | RowsOp::Half), rows) => {
                Some((Access::Read, Span::Rows { rows, half: op == RowsOp::Half }))
            }
            Op::Rows(RowsOp::Store, rows) => {
                Some((Access::Write, Span::Rows { rows, half: false }))
            }
            Op::Next => Some((Access::Update, Span::One(Width::W64))),
            Op::Prefetch(_) => Some((Access::Hint, Span::One(Width::U8))),
            Op::Const
            | Op::Arg
            | Op::Worker
            | Op::Int(_)
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
            | Op::Shuffle(_)
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
            | Op::Async(AsyncOp::Commit | AsyncOp::Wait)
            | Op::Rows(RowsOp::Zero, _)
            | Op::Pair(_)
            | Op::Join(_)
            | Op::Part
            | Op::Mma(_)
            | Op::Dot(_) => None,
        }
    }

    /// Words a lane of the result.
    pub fn def_words(&self) -> u8 {
        if let Op::Join(n) | Op::Squares { count: n, .. } | Op::Rows(_, n) = self {
            *n
        } else if let Op::Load(w) | Op::GatherPart(w) = self {
            w.words()
        } else if let Op::Mma(m) = self {
            m.words[2]
        } else {
            1
        }
    }

    /// Words a lane of operand `n`; `None`: any number.
    pub fn use_words(&self, n: usize) -> Option<u8> {
        if let (Op::Store(w) | Op::Scatter(w), 0) = (self, n) {
            Some(w.words())
        } else if let (Op::Rows(RowsOp::Store, rows), 0) = (self, n) {
            Some(*rows)
        } else if let Op::Mma(m) = self {
            m.words.get(n).copied()
        } else {
            (*self != Op::Part).then_some(1)
        }
    }

    #[rustfmt::skip] // one line a signature
    pub fn signature(&self) -> Signature {
        use Class::{Float, Int, Mask, Word};
        use Use::{Imm, Of, Same, Vector};
        const I: &[Class] = &[Int];
        const F: &[Class] = &[Float];
        const W: &[Class] = &[Word];
        const M: &[Class] = &[Mask];
        const V: &[Class] = &[Float, Word];
        const SAMES: &[Use] = &[Same; MAX_WORDS as usize];
        let s = |def, uses, mem| Signature { def, uses, mem };
        match self {
            Op::Const | Op::Arg                      => s(I, &[Imm], false),
            Op::Worker                               => s(I, &[], false),
            Op::Int(_)                               => s(I, &[Of(Int), Of(Int)], false),
            Op::Read(_)                              => s(I, &[], true),
            Op::Write(_)                             => s(&[], &[Of(Int)], true),
            Op::Next                                 => s(I, &[Of(Int)], true),
            Op::Load(_) | Op::Splat(_)               => s(V, &[], true),
            Op::Nibbles                              => s(W, &[], true),
            Op::LoadF16 | Op::SplatF16               => s(F, &[], true),
            Op::Store(_)                             => s(&[], &[Vector], true),
            Op::LoadPart(_)                          => s(V, &[Of(Int)], true),
            Op::StorePart(_)                         => s(&[], &[Vector, Of(Int)], true),
            Op::Gather                               => s(V, &[Of(Word)], true),
            Op::GatherPart(_)                        => s(V, &[Of(Word), Of(Mask)], true),
            Op::Scatter(_)                           => s(&[], &[Vector, Of(Word), Of(Mask)], true),
            Op::Rows(RowsOp::Zero, _)                => s(V, &[], false),
            Op::Rows(RowsOp::Load | RowsOp::Half, _) => s(V, &[Of(Int)], true),
            Op::Rows(RowsOp::Store, _)               => s(&[], &[Vector, Of(Int)], true),
            Op::Prefetch(_)                          => s(&[], &[], true),
            Op::FloatConst                           => s(F, &[Imm], false),
            Op::WordConst                            => s(W, &[Imm], false),
            Op::Iota                                 => s(W, &[], false),
            Op::Spread                               => s(W, &[Of(Int)], false),
            Op::Float(_)                             => s(F, &[Of(Float), Of(Float)], false),
            Op::FloatUnary(_)                        => s(F, &[Of(Float)], false),
            Op::Fma                                  => s(F, &[Of(Float), Of(Float), Of(Float)], false),
            Op::Word(_)                              => s(W, &[Of(Word), Of(Word)], false),
            Op::Shift(_)                             => s(W, &[Of(Word), Imm], false),
            Op::Half(HalfOp::Shift(_))               => s(W, &[Of(Word), Imm], false),
            Op::Half(HalfOp::Eq | HalfOp::Low | HalfOp::High | HalfOp::Float(_)) => s(W, &[Of(Word), Of(Word)], false),
            Op::FloatCmp(_)                          => s(M, &[Of(Float), Of(Float)], false),
            Op::WordCmp(_)                           => s(M, &[Of(Word), Of(Word)], false),
            Op::Mask(_)                              => s(M, &[Of(Mask), Of(Mask)], false),
            Op::Select                               => s(V, &[Of(Mask), Same, Same], false),
            Op::Bits                                 => s(W, &[Of(Float)], false),
            Op::FromBits                             => s(F, &[Of(Word)], false),
            Op::Cvt(
                Cvt::FloatFromInt | Cvt::FloatFromF16 | Cvt::FloatFromF16Low | Cvt::FloatFromF16High | Cvt::FloatFromBf16,
            )                                        => s(F, &[Of(Word)], false),
            Op::Cvt(Cvt::IntFromFloat | Cvt::F16FromFloat | Cvt::Bf16FromFloat) => s(W, &[Of(Float)], false),
            Op::Shuffle(_)                           => s(V, &[Same, Same], false),
            Op::HSum | Op::HMax                      => s(F, &[Of(Float)], false),
            Op::WordHSum                             => s(W, &[Of(Word)], false),
            Op::Ballot                               => s(I, &[Of(Mask)], false),
            Op::PermuteBytes | Op::ShuffleBytes      => s(W, &[Of(Word), Of(Word)], false),
            Op::PermuteHigh | Op::SelectBits         => s(W, &[Of(Word), Of(Word), Of(Word)], false),
            Op::Lookup                               => s(F, &[Of(Float), Of(Word)], false),
            Op::Dot(DotOp::U8S8 | DotOp::S16S16)     => s(W, &[Of(Word), Of(Word), Of(Word)], false),
            Op::Dot(DotOp::Bf16)                     => s(F, &[Of(Word), Of(Word), Of(Float)], false),
            Op::Affine                               => s(W, &[Of(Word), Of(Word), Imm], false),
            Op::Squares { .. }                       => s(W, &[Of(Word)], true),
            Op::Async(AsyncOp::Copy(_))              => s(&[], &[Of(Word), Of(Int), Of(Word), Of(Word)], true),
            Op::Async(AsyncOp::Commit)               => s(&[], &[], false),
            Op::Async(AsyncOp::Wait)                 => s(&[], &[Imm], false),
            Op::PackBf16 | Op::Pair(_)               => s(W, &[Of(Float), Of(Float)], false),
            Op::Join(n)                              => s(V, SAMES.get(..usize::from(*n)).unwrap_or(SAMES), false),
            Op::Part                                 => s(V, &[Same, Imm], false),
            Op::Mma(m) if m.c == crate::dtype::Dtype::F32 => s(F, &[Of(Word), Of(Word), Of(Float)], false),
            Op::Mma(_)                               => s(W, &[Of(Word), Of(Word), Of(Word)], false),
        }
    }
}
