//! Instructions as they are executed: registers are slots, modifiers are values, names are gone.

use super::{
    float::{Conversion, Format, Round},
    matrix,
};

/// A register of all lanes; narrower values are extended with zeros.
pub type Lanes = [u64; 32];
/// Place of a register (or of a constant) in the file of a warp.
pub type Slot = u32;

pub type F1 = fn(&Lanes) -> Lanes;
pub type F2 = fn(&Lanes, &Lanes) -> Lanes;
pub type F3 = fn(&Lanes, &Lanes, &Lanes) -> Lanes;

/// What is written and never read.
pub const SINK: Slot = 0;
/// The predicate that is true in all lanes.
pub const TRUE: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predicate {
    pub slot: u32,
    pub negated: bool,
}

pub const ALWAYS: Predicate = Predicate { slot: TRUE, negated: false };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Unsigned(u32),
    Signed(u32),
    Bits(u32),
    Float(Format),
    /// Two floats in one register.
    Pair(Format),
    Predicate,
}

impl Type {
    pub fn bits(self) -> u32 {
        match self {
            Type::Unsigned(n) | Type::Signed(n) | Type::Bits(n) => n,
            Type::Float(f) => f.bits + f.unused,
            Type::Pair(f) => 2 * f.bits,
            Type::Predicate => 1,
        }
    }

    pub fn signed(self) -> bool {
        matches!(self, Type::Signed(_))
    }
}

pub fn mask_of(bits: u32) -> u64 {
    u64::MAX >> (64 - bits.clamp(1, 64))
}

/// The value of `bits` bits with a sign.
pub fn signed(x: u64, bits: u32) -> i64 {
    let shift = 64 - bits.clamp(1, 64);
    (x << shift) as i64 >> shift
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
    Fma,
    /// `.NaN`: a NaN of an operand is the result.
    Min(bool),
    Max(bool),
    Neg,
    Abs,
    Rcp,
    Sqrt,
    Rsqrt,
    Sin,
    Cos,
    Ex2,
    Lg2,
    Tanh,
    CopySign,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Float {
    pub op: FloatOp,
    pub format: Format,
    pub how: Conversion,
    pub packed: bool,
}

/// What a comparison accepts, as bits: less, equal, greater, unordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare(pub u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cvt {
    pub to: Type,
    pub from: Type,
    pub how: Conversion,
    /// Rounding to a whole number, of floats to floats also.
    pub whole: Option<Round>,
    /// `.sat` of integers.
    pub clamp: bool,
    /// Bits of the register of the result: the sign of a narrower integer fills it.
    pub width: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSpace {
    Global,
    Shared,
    Local,
    Param,
    Generic,
}

/// Where an access goes: a register and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub base: Slot,
    pub offset: i64,
    pub space: AddressSpace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub acquire: bool,
    pub release: bool,
    /// Volatile, relaxed and stronger ones do not race with each other.
    pub strong: bool,
    /// Seen by the whole GPU.
    pub wide: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub address: Address,
    /// Bytes of an element.
    pub size: u32,
    /// The values of a load or a store, one register an element.
    pub registers: Vec<Slot>,
    /// Bits of the registers, and does the sign fill them?
    pub extend: Option<u32>,
    pub mask: u64,
    pub order: Order,
    /// `.nc`: nobody writes it as long as the kernel runs.
    pub constant: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Inc,
    Dec,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Atomic {
    pub op: AtomicOp,
    pub kind: Type,
    pub address: Address,
    /// Empty for `red`.
    pub results: Vec<Slot>,
    pub values: Vec<Slot>,
    pub other: Slot,
    pub order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierKind {
    Sync,
    Arrive,
    Reduce(Vote),
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Of the block, or of more.
    Block,
    Device,
    /// Between what instructions and what copies see.
    Proxy,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CopyAsync {
    pub to: Address,
    pub from: Address,
    pub size: u32,
    /// Bytes that are read; the rest is zero.
    pub read: Option<Slot>,
    pub ignore: Predicate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BarrierOp {
    Init {
        count: Slot,
    },
    Invalidate,
    Arrive {
        state: Slot,
        count: Option<Slot>,
        expect: Option<Slot>,
        drop: bool,
    },
    Expect {
        bytes: Slot,
    },
    Complete {
        bytes: Slot,
    },
    /// Has the phase of the state, or of the parity, ended?
    Test {
        done: u32,
        state: Option<Slot>,
        parity: Option<Slot>,
        wait: bool,
    },
    /// When the copies of this thread before have ended.
    AfterCopies {
        count_now: bool,
    },
    PendingCount {
        d: Slot,
        state: Slot,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Bulk {
    pub to: Address,
    pub from: Address,
    pub size: Slot,
    /// The barrier that is told; without one, the copy is part of a bulk group.
    pub barrier: Option<Address>,
}

#[derive(Clone, Debug)]
pub struct WarpMatrix {
    pub mma: matrix::Mma,
    pub d: Vec<Slot>,
    pub a: Vec<Slot>,
    pub b: Vec<Slot>,
    pub c: Vec<Slot>,
    /// Registers of 64 bits, of f64 products.
    pub wide: bool,
}

#[derive(Clone, Debug)]
pub struct GroupMatrix {
    pub mma: matrix::Wgmma,
    pub d: Vec<Slot>,
    /// Registers, or one descriptor.
    pub a: Vec<Slot>,
    pub a_in_memory: bool,
    pub b: Slot,
    /// Is D added to?
    pub keep: Predicate,
    pub negate: [bool; 2],
    pub trans: [bool; 2],
}

/// What lanes do on their own.
#[derive(Clone, Debug)]
pub enum Alu {
    Bfi {
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
        e: Slot,
        bits: u32,
    },
    Lop3 {
        d: Slot,
        p: u32,
        table: u8,
        a: Slot,
        b: Slot,
        c: Slot,
        logic: Option<(Logic, Predicate)>,
    },
    Carry {
        d: Slot,
        a: Slot,
        b: Slot,
        bits: u32,
        minus: bool,
        takes: bool,
        gives: bool,
    },
    Convert {
        cvt: Cvt,
        d: Slot,
        a: Slot,
    },
    /// Two values into halves, or two halves into values: `cvt.rn.f16x2.f32`.
    ConvertPair {
        cvt: Cvt,
        d: Slot,
        high: Slot,
        low: Slot,
    },
    ConvertHalves {
        cvt: Cvt,
        d: Slot,
        a: Slot,
    },
    SetPredicate {
        compare: Compare,
        kind: Type,
        flush: bool,
        p: u32,
        q: u32,
        a: Slot,
        b: Slot,
        logic: Option<(Logic, Predicate)>,
    },
    Set {
        compare: Compare,
        kind: Type,
        flush: bool,
        d: Slot,
        yes: u64,
        a: Slot,
        b: Slot,
        logic: Option<(Logic, Predicate)>,
    },
    Select {
        d: Slot,
        a: Slot,
        b: Slot,
        p: Predicate,
    },
    SelectPredicate {
        d: u32,
        a: Predicate,
        b: Predicate,
        p: Predicate,
    },
    Predicates {
        logic: Logic,
        d: u32,
        a: Predicate,
        b: Predicate,
    },
    /// Is it finite, infinite, a number, not a number, normal, subnormal?
    TestFloat {
        p: u32,
        a: Slot,
        format: Format,
        test: FloatTest,
    },
    /// Registers into one, the first one lowest.
    Pack {
        d: Slot,
        parts: Vec<Slot>,
        bits: u32,
    },
    Unpack {
        parts: Vec<Slot>,
        a: Slot,
        bits: u32,
    },
    IsSpace {
        p: u32,
        a: Slot,
        space: AddressSpace,
    },
}

/// What lanes of a warp do with each other.
#[derive(Clone, Debug)]
pub enum Together {
    Shuffle { mode: Shuffle, d: Slot, p: u32, a: Slot, b: Slot, c: Slot, members: Slot },
    Vote { vote: Vote, d: Slot, p: u32, a: Predicate, members: Slot },
    Match { all: bool, d: Slot, p: u32, a: Slot, members: Slot },
    Reduce { op: AtomicOp, kind: Type, d: Slot, a: Slot, members: Slot },
    ActiveMask { d: Slot },
    Elect { d: Slot, p: u32, members: Slot },
    MoveMatrix { d: Slot, a: Slot },
    WarpBarrier { members: Slot },
}

#[derive(Clone, Debug)]
pub enum Op {
    Nop,
    F1 {
        f: F1,
        d: Slot,
        a: Slot,
    },
    F2 {
        f: F2,
        d: Slot,
        a: Slot,
        b: Slot,
    },
    F3 {
        f: F3,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Alu(Alu),
    Together(Together),
    Float {
        f: Float,
        d: Slot,
        a: Slot,
        b: Slot,
        c: Slot,
    },
    Clock {
        d: Slot,
        mask: u64,
    },
    Load(Box<Access>),
    Store(Box<Access>),
    Atomic(Box<Atomic>),
    Prefetch,
    Barrier {
        kind: BarrierKind,
        id: Slot,
        count: Option<Slot>,
        aligned: bool,
        a: Predicate,
        p: u32,
        d: Slot,
    },
    Fence(Fence),
    LoadMatrix {
        address: Address,
        count: usize,
        transposed: bool,
        registers: Vec<Slot>,
    },
    StoreMatrix {
        address: Address,
        count: usize,
        transposed: bool,
        registers: Vec<Slot>,
    },
    Mma(Box<WarpMatrix>),
    CopyAsync(Box<CopyAsync>),
    CopyCommit,
    /// All but the last so many groups; none: all copies.
    CopyWait(Option<u32>),
    MemoryBarrier {
        address: Address,
        op: BarrierOp,
    },
    Bulk(Box<Bulk>),
    BulkCommit,
    BulkWait {
        left: u32,
        reads: bool,
    },
    /// `setmaxnreg`: registers that a thread may use from now on.
    Budget(u32),
    GroupFence,
    GroupCommit,
    GroupWait(u32),
    GroupMma(Box<GroupMatrix>),
    Branch(u32),
    Exit,
    Trap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatTest {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

#[derive(Clone, Debug)]
pub struct Instruction {
    pub op: Op,
    pub guard: Predicate,
    pub line: u32,
    /// Bytes of the text.
    pub text: (u32, u32),
    /// Ranges of [`Kernel::reads`] and [`Kernel::writes`].
    pub reads: (u32, u32),
    pub writes: (u32, u32),
    /// Where the lanes of a branch meet again.
    pub meet: u32,
}

/// A value that a register has when a warp starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Thread(u8),
    Threads(u8),
    Block(u8),
    Blocks(u8),
    Lane,
    Warp,
    Warps,
    MaskEqual,
    MaskBelow,
    MaskUpTo,
    MaskAbove,
    MaskFrom,
    DynamicShared,
    TotalShared,
    Constant(u64),
}

/// A function that can be launched.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub name: String,
    pub code: Vec<Instruction>,
    pub reads: Vec<Slot>,
    pub writes: Vec<Slot>,
    pub registers: u32,
    pub predicates: u32,
    pub special: Vec<(Slot, Special)>,
    /// Name, offset and size of each parameter.
    pub params: Vec<(String, u32, u32)>,
    pub param_bytes: u32,
    /// Bytes of static shared memory; dynamic memory begins where they end, aligned.
    pub shared: u32,
    /// The alignment that its arrays ask for.
    pub dynamic_align: u32,
    pub shared_names: Vec<(String, u32, u32)>,
    pub local: u32,
    /// Names of the module's variables and the registers that hold their addresses.
    pub globals: Vec<(Slot, String, i64)>,
    pub max_threads: Option<[u32; 3]>,
    pub required_threads: Option<[u32; 3]>,
}
