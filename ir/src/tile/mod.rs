//! Level 2, *how, in tiles*: SSA over typed tiles, structured loops; a program, never a lone kernel.
//!
//! ```text
//! program axpy(x: f32[n], y: f32[n]) -> (o: f32[n]) {
//!   kernel main(x: f32[n], y: f32[n], out o: f32[n]) {
//!     tasks t in 0..ceildiv(n, 64) dynamic 4 {
//!       a = load(x[t * 64:64]) guard : f32[64]
//!       b = load(y[t * 64:64]) guard : f32[64]
//!       c = a * b : f32[64]
//!       store(o[t * 64:64], c) guard
//!     }
//!   }
//!   variant all {
//!     launch main(x, y, o)
//!   }
//! }
//! ```
//!
//! Scalars (symbols, loop variables, integers read from memory) are [`Extent`] expressions over names; tiles are
//! [`Value`]s. Expressions have no effects; statements hold all effects and control.

pub mod field;
pub mod interp;
pub mod lanes;
pub mod parse;
pub mod print;
pub mod touch;
pub mod verify;

use crate::{
    arena::{Arena, Id},
    dtype::Dtype,
    extent::{Dims, Extent},
    format::{
        pack::{PackError, Packing},
        parts::Parts,
    },
};

pub use lanes::LaneBits;

/// A whole op as launches over tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    pub name: String,
    /// Run-time symbols, in the order of first use in the op.
    pub symbols: Vec<Symbol>,
    /// Tensors the caller gives, inputs before outputs.
    pub params: Vec<Tensor>,
    /// Done once per weight.
    pub prepares: Vec<Prepare>,
    /// Workspace.
    pub buffers: Vec<Tensor>,
    pub kernels: Vec<Kernel>,
    /// Tried in order; the first whose predicate holds runs.
    pub variants: Vec<Variant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    /// `n[b]`: one value per element of `b`.
    pub ragged: Option<String>,
}

/// A tensor in memory. Row-major; strides of every dimension but the last are free at run time for parameters
/// of the caller, and dense for workspace and scratch.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub role: Role,
    pub elem: Dtype,
    pub shape: Vec<Extent>,
    pub store: Store,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    In,
    Out,
    /// Between launches of one run.
    Workspace,
    /// Result of a prepare step.
    Prepared,
    /// Of one worker, survives from task to task.
    Scratch,
}

/// How a tensor's elements are found.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    Strided,
    /// Raw blocks of a named format; only prepare steps read them.
    Blocks(&'static crate::format::Format),
    /// One component of a packed weight.
    Packed {
        of: Packing,
        part: Part,
    },
    /// Of a kernel's parameter: elements inside the rows of the tensor that a launch gives, which are bytes; or the
    /// elements of that tensor, each for several.
    Field(field::Field),
}

/// Components of a packed weight: `w.codes u4 [n, k]`, `w.scale f16 [k/group, n]`, `w.min f16 [k/group, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Codes,
    Scale,
    Min,
    Zeros,
    /// The zeros as `[n, k/group]`: beside codes, which they are taken from.
    RowZeros,
    /// `i32 [k]`: which k stands at each place of a packed row.
    Order,
    /// Integers that multiply scale and min, as `[k/inner group, n]`.
    InnerScale,
    InnerMin,
}

/// `prepare w.packed = pack(w)`: re-encodes a weight into the form an instruction row asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// Name of the packed weight; its parts are `NAME.codes`, `NAME.scale`, `NAME.min`.
    pub name: String,
    pub form: Form,
    pub packing: Packing,
}

/// What a prepare step reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// One parameter of blocks or of floats, `[n, k]` or `[copies, n, k]`.
    Blocks(String),
    /// Several parameters that make up a weight.
    Parts(Vec<String>, Parts),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub name: String,
    /// All must hold.
    pub when: Vec<Predicate>,
    pub launches: Vec<Launch>,
}

/// On symbols and on run-time strides (`stride(k, 1)` is written as the symbol `k.stride1`, in elements).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    pub left: Extent,
    pub cmp: Compare,
    pub right: Extent,
}

/// All workers enter the kernel; a barrier follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    pub kernel: String,
    /// One per parameter of the kernel.
    pub args: Vec<Arg>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Tensor(String),
    Scalar(Extent),
}

/// Code every worker runs; work is shared by `tasks`.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    pub name: String,
    pub params: Vec<Param>,
    /// Constant shapes, private to a worker.
    pub scratch: Vec<Tensor>,
    pub values: Arena<ValueData>,
    pub body: Vec<Stmt>,
    pub stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    Tensor(Tensor),
    /// An `i64` the plan computes.
    Scalar(String),
}

/// What the passes have made sure of; each stage demands more of the verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Built,
    /// Every value has a space.
    Placed,
    /// Every value in registers has a layout.
    LaidOut,
    Pipelined,
}

pub type Value = Id<ValueData>;

#[derive(Clone, Debug, PartialEq)]
pub struct ValueData {
    /// Unique in its kernel.
    pub name: String,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub elem: Dtype,
    /// Compile-time tile shape.
    pub shape: Vec<usize>,
    pub space: Option<Space>,
    /// Dimension that lies along the lanes, once `layout` has run.
    pub lanes: Option<LaneDim>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    Register,
    /// Thread-private memory.
    Scratch,
    /// Not kept: computed where it is used.
    Inline,
}

/// Which dimension of a tile lies along vector lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaneDim {
    Dim(usize),
    /// Every lane holds the same element.
    Splat,
    /// A fragment of a matrix.
    Bits(LaneBits),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    Let {
        value: Value,
        expr: Expr,
    },
    /// `let hi = min(n, lo + 1024)`: a named scalar.
    Scalar {
        name: String,
        value: Extent,
    },
    /// `read len = s.len[b]`: an integer from memory (i32 or i64).
    Read {
        name: String,
        tensor: String,
        at: Vec<Extent>,
    },
    /// `any up = above`: 1 if an element of a tile of truth values is true, else 0.
    Any {
        name: String,
        value: Value,
    },
    Store {
        tensor: String,
        at: Vec<Slice>,
        value: Value,
        guard: bool,
    },
    For(Box<For>),
    /// Shared out among workers: each task runs once, on one worker.
    Tasks {
        var: String,
        count: Extent,
        share: Share,
        /// A number for hints: of a task, most often of the worker's next one.
        next: Option<String>,
        body: Vec<Stmt>,
    },
    If(Box<If>),
    /// A tile is on its way to scratch.
    Stage(Box<Staged>),
    /// `commit`: what was staged since the last one is a group.
    Commit,
    /// `wait 1`: all groups but the last so many are there.
    Wait(usize),
    /// A hint; never changes the meaning.
    Prefetch {
        tensor: String,
        at: Vec<Slice>,
        level: u8,
    },
}

/// `stage(ring[s * 64:64, 0:128], k[b, j:64, h, 0:128]) rows lo - j..hi - j`: rows of that range come from the tensor,
/// zeros stand in the others, and behind the elements of a row where the tile of the tensor is narrower. Until a wait for
/// it nobody may read or write there.
#[derive(Clone, Debug, PartialEq)]
pub struct Staged {
    pub tensor: String,
    pub at: Vec<Slice>,
    pub from: String,
    pub source: Vec<Slice>,
    /// Counted along the first dimension of the tile.
    pub lo: Extent,
    pub hi: Extent,
}

/// `r0, r1 = for j in lo..hi step s with p0 = i0, p1 = i1 { ... yield y0, y1 }`.
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    pub var: String,
    pub lo: Extent,
    pub hi: Extent,
    pub step: i64,
    pub carried: Vec<Carried>,
    pub body: Vec<Stmt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carried {
    pub result: Value,
    pub param: Value,
    pub init: Value,
    pub yielded: Value,
}

/// `r = if n > 0 { ... yield a } else { ... yield b }`; the condition is uniform.
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    pub cond: Predicate,
    pub then: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
    /// Result, value of the first branch, value of the second.
    pub yields: Vec<(Value, Value, Value)>,
}

/// Neighbouring codes that name an entry of a table of [`Expr::Lookup`], and its entries.
pub const INDEX: usize = 4;
pub const ENTRIES: usize = 1 << INDEX;

/// How tasks reach workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Share {
    /// Contiguous equal parts.
    Static,
    /// So many at a time from a counter.
    Dynamic(i64),
}

/// One dimension of an access: `i` is a point (the dimension disappears), `i:16` sixteen elements from `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    pub start: Extent,
    pub len: Option<usize>,
}

/// No effects. Shapes broadcast as in numpy, at equal rank: a dimension of 1 meets any.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Fill(f64),
    /// `start + index along dim`, as the result's element type.
    Iota {
        dim: usize,
        start: Extent,
    },
    /// With `guard`, elements outside the tensor are zero; without, the program claims there are none. The tile may have
    /// dimensions of 1 before those of the slices.
    Load {
        tensor: String,
        at: Vec<Slice>,
        guard: bool,
    },
    /// `a[m, k] * b[k, n] + acc` (`b[n, k]^T` if `transpose`); i8 and u8 elements give i32. Of u32, which are pairs of bf16,
    /// low halves multiply low ones and high halves high ones: f32.
    Dot {
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
    },
    /// `acc + sum over q of tables[m, 16 q + i]`, bit b of i whether `codes[n, 4 q + b]` is not 0: four neighbouring codes
    /// of a row of n are an index of a table of 16. `i8[m, 4 k]` and `[n, k]` give `i32[m, n]`.
    Lookup {
        tables: Value,
        codes: Value,
        acc: Option<Value>,
    },
    Unary(Unary, Value),
    Binary(Binary, Value, Value),
    /// `cond ? a : b`, by element.
    Select(Value, Value, Value),
    /// Keeps the dimension, with size 1.
    Reduce(Reduce, Value, usize),
    /// The bits of 16-bit floats, as i32.
    Bits(Value),
    /// Along the last dimension, element i is that at `table[i]`: `permute(a, [1, 0, 3, 2])`.
    Permute(Value, Vec<usize>),
    /// To the result's element type: to a narrower float to nearest even; to an integer to nearest even,
    /// saturating, NaN to 0; between integers the value, which must fit.
    Convert(Value),
    /// A matrix with its rows as columns.
    Transpose(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    Neg,
    Abs,
    Exp2,
    Log2,
    Tanh,
    Sin,
    Cos,
    Recip,
    Sqrt,
    Floor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    /// `a > b ? a : b`: a NaN in `b` passes, a NaN in `a` does not.
    Max,
    /// `a < b ? a : b`.
    Min,
    And,
    Or,
    /// Two f32 as bf16 in a u32, a in the low half: to nearest even, subnormals may be zeros.
    Pair,
    Cmp(Compare),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    Lt,
    Le,
    Eq,
    Ne,
    Ge,
    Gt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    Sum,
    Max,
}

impl Binary {
    /// Elements of the result, of operands with such elements.
    pub fn result(self, elem: Dtype) -> Dtype {
        match self {
            Binary::Cmp(_) => Dtype::Bool,
            Binary::Pair => Dtype::U32,
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Max
            | Binary::Min
            | Binary::And
            | Binary::Or => elem,
        }
    }
}

impl Compare {
    pub fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Compare::Lt => a < b,
            Compare::Le => a <= b,
            Compare::Eq => a == b,
            Compare::Ne => a != b,
            Compare::Ge => a >= b,
            Compare::Gt => a > b,
        }
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Compare::Lt => "<",
            Compare::Le => "<=",
            Compare::Eq => "==",
            Compare::Ne => "!=",
            Compare::Ge => ">=",
            Compare::Gt => ">",
        }
    }

    pub const ALL: [Compare; 6] =
        [Compare::Lt, Compare::Le, Compare::Eq, Compare::Ne, Compare::Ge, Compare::Gt];
}

impl Type {
    pub fn new(elem: Dtype, shape: &[usize]) -> Type {
        Type { elem, shape: shape.to_vec(), space: None, lanes: None }
    }

    /// Elements; sizes whose product has no place in a `usize` count as the largest.
    pub fn count(&self) -> usize {
        self.shape.iter().fold(1, |count, size| count.saturating_mul(*size))
    }
}

impl Tensor {
    /// How a row is stored, if as blocks or as floats.
    pub fn format(&self) -> Option<&'static crate::format::Format> {
        match &self.store {
            Store::Blocks(format) => Some(format),
            Store::Strided if self.elem.is_float() => crate::format::rows::find(self.elem.name()),
            Store::Strided | Store::Packed { .. } | Store::Field(_) => None,
        }
    }
}

impl Slice {
    pub fn point(start: impl Into<Extent>) -> Slice {
        Slice { start: start.into(), len: None }
    }

    pub fn range(start: impl Into<Extent>, len: usize) -> Slice {
        Slice { start: start.into(), len: Some(len) }
    }
}

impl Prepare {
    /// The parameters it reads: nothing else needs them.
    pub fn sources(&self) -> &[String] {
        match &self.form {
            Form::Blocks(source) => std::slice::from_ref(source),
            Form::Parts(sources, _) => sources,
        }
    }

    /// Copies, rows and k of the weight; `None` where `params` and `dims` do not tell.
    pub fn sizes(&self, params: &[Tensor], dims: &Dims) -> Option<[usize; 3]> {
        match &self.form {
            Form::Blocks(source) => {
                let t = params.iter().find(|t| t.name == *source)?;
                let size = |e: &Extent| usize::try_from(e.eval(dims).ok()?).ok();
                match &t.shape[..] {
                    [n, k] => Some([1, size(n)?, size(k)?]),
                    [copies, n, k] => Some([size(copies)?, size(n)?, size(k)?]),
                    _ => None,
                }
            }
            Form::Parts(_, parts) => Some([parts.copies, parts.n, parts.k]),
        }
    }

    /// Bytes of the weight packed, of so many copies, rows, elements.
    pub fn bytes(&self, [copies, n, k]: [usize; 3]) -> Result<usize, PackError> {
        let start = self.part(Part::Order, [copies, n, k])?;
        let order = match &self.form {
            Form::Parts(_, parts) if parts.ordered() => k.checked_mul(4),
            Form::Parts(..) | Form::Blocks(_) => Some(0),
        };
        order.and_then(|order| start.checked_add(order)).ok_or(PackError::Overflow { n, k })
    }

    /// Where the first element of a part stands.
    pub fn part(&self, part: Part, [copies, n, k]: [usize; 3]) -> Result<usize, PackError> {
        let sizes = self.packing.sizes(n, k)?;
        let missing = || PackError::Source {
            name: self.name.clone(),
            why: format!("the packing has no {}", part.name()),
        };
        match part {
            Part::Codes => Ok(0),
            Part::Scale => sizes.scale.ok_or_else(missing),
            Part::Min => sizes.min.ok_or_else(missing),
            Part::Zeros | Part::RowZeros => sizes.zeros.ok_or_else(missing),
            Part::InnerScale | Part::InnerMin => sizes.inner.ok_or_else(missing),
            Part::Order => sizes.bytes.checked_mul(copies).ok_or(PackError::Overflow { n, k }),
        }
    }

    /// The weight packed, from the tensors that `given` finds: copy after copy.
    pub fn pack<'a>(
        &self,
        params: &[Tensor],
        given: &dyn Fn(&str) -> Option<&'a crate::tensor::Tensor>,
    ) -> Result<Vec<u8>, PackError> {
        let wrong =
            |name: &str, why: &str| PackError::Source { name: name.into(), why: why.into() };
        let find = |name: &String| given(name).ok_or_else(|| wrong(name, "it is missing"));
        match &self.form {
            Form::Blocks(source) => {
                let param = params.iter().find(|t| t.name == *source);
                let Some(format) = param.and_then(Tensor::format) else {
                    return Err(wrong(source, "it is not stored as blocks, nor as floats"));
                };
                let Some([copies, n, k]) = self.sizes(params, &Dims::default()) else {
                    return Err(wrong(source, "its size is not known"));
                };
                let bytes = &find(source)?.bytes;
                let whole = copies.max(1);
                if !bytes.len().is_multiple_of(whole) {
                    return Err(wrong(source, "its copies differ in size"));
                }
                let mut out = Vec::new();
                for copy in 0..copies {
                    let one = bytes.len() / whole;
                    let part = bytes.get(copy * one..(copy + 1) * one).unwrap_or(&[]);
                    out.append(&mut self.packing.pack(format, part, n, k)?);
                }
                Ok(out)
            }
            Form::Parts(sources, parts) => {
                let tensors = sources.iter().map(find).collect::<Result<Vec<_>, _>>()?;
                self.packing.pack_parts(parts, &tensors)
            }
        }
    }
}

impl Kernel {
    /// The tensor `name`: a parameter or scratch.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        let params = self.params.iter().filter_map(|p| match p {
            Param::Tensor(t) => Some(t),
            Param::Scalar(_) => None,
        });
        params.chain(&self.scratch).find(|t| t.name == name)
    }
}

impl Program {
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|k| k.name == name)
    }
}
