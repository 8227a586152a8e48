//! Level 1, *what*: attention as an algebra of states over segments, low-bit matrix products, row operations.
//!
//! Read from `op.toml` by [`read`], printed by [`print`], checked by [`verify`]. Integers are compile-time
//! constants, strings are run-time symbols, `"n[b]"` is ragged.

pub mod expr;
pub mod indices;
pub mod print;
pub mod read;
pub mod reader;
pub mod tensors;
pub mod verify;

use crate::{dtype::Dtype, format::Format};
use expr::Expr;

/// One op file.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    pub name: String,
    pub kind: Kind,
    /// `[dims]`: what the caller promises of a symbol.
    pub bounds: Vec<Bound>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Attention(Attention),
    MpGemm(MpGemm),
    Rows(Rows),
}

/// `m = { min = 1, max = 8192, multiple_of = 16 }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    pub symbol: String,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub multiple_of: Option<i64>,
}

/// A size: known now, known at run time, or one per sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    Const(i64),
    Sym(String),
    /// `"n[b]"`: a length `n` for each of `b`.
    Ragged {
        symbol: String,
        over: String,
    },
}

/// How the elements of a tensor are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// One element after the other.
    Plain(Dtype),
    /// A named block format, such as GGUF's `q4_0`.
    Block(&'static Format),
    /// Codes with scales (and zeros) as component tensors `.codes .scale .zero`.
    Codes(Codes),
}

/// `{ format = "uint4", group = 128, scale = "f16", zero = "uint4" }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    pub code: Code,
    pub bits: u8,
    pub group: Group,
    pub scale: Dtype,
    pub zero: Option<Zero>,
    pub layout: CodeLayout,
}

/// Which tensors hold codes, scales and zero points, and where in them; those of tools that quantise models are weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeLayout {
    /// `.codes .scale .zero`, rows of codes from the lowest bit on.
    Rows,
    /// `.qweight i32 [k * bits / 32, n]`, a column of them a stream of codes; `.qzeros i32 [groups, n * bits / 32]`, a
    /// row of them a stream; `.scales [groups, n]`; with act-order `.g_idx i32 [k]`, the group of each k.
    Gptq {
        act_order: bool,
        /// Zero points are stored less 1, as the first version of the format has them.
        less_one: bool,
    },
    /// `.qweight i32 [k, n / 8]`, `.qzeros i32 [groups, n / 8]`, `.scales [groups, n]`; nibbles of a word are columns 0 2
    /// 4 6 1 3 5 7.
    Awq,
}

/// What a stored code means before its scale.
#[derive(Clone, Debug, PartialEq)]
pub enum Code {
    /// Two's complement.
    Int,
    /// Unsigned, often with a zero point.
    Uint,
    /// `2c - (2^bits - 1)`: odd values, symmetric.
    Bipolar,
    /// -1, 0, 1, two bits or base 3.
    Ternary,
    /// An index into a table of `2^bits` values.
    Codebook(Vec<f64>),
}

/// Which codes share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Tensor,
    /// One per row (`per = "row"`, of activations `per = "token"`).
    Row,
    /// One per so many neighbours along k.
    K(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zero {
    /// Zero points stored as unsigned codes of so many bits.
    Uint(u8),
    /// Zero points stored as floats, in units of the code.
    Float(Dtype),
}

/// `attention(q) = normalize(merge over segments s of state(q, select_s(K_s, V_s), mask_s))`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    pub q: Query,
    pub kv: Kv,
    pub out: Dtype,
    pub segments: Vec<Segment>,
    /// Default `1/sqrt(dim of k)`.
    pub scale: Option<f64>,
    /// `s = cap * tanh(s / cap)`.
    pub softcap: Option<f64>,
    /// Adds `slope[head] * (j - i)`; slopes are the tensor `alibi f32 [heads]`.
    pub alibi: bool,
    /// A learned logit per head in the denominator: tensor `sink_logit f32 [heads]`.
    pub sink_logit: bool,
    /// Also give `lse f32 [.., heads]`.
    pub lse: bool,
    /// `deterministic = "batch"`: the result of a sequence does not depend on its neighbours.
    pub deterministic: bool,
    /// `index = "i64"`: type of offsets, lengths, pages; i32 unless said.
    pub index: Dtype,
    pub compute: Precision,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub dtype: Dtype,
    pub heads: i64,
    pub dim: i64,
    pub batch: Dim,
    /// Query rows of a sequence; `Ragged` packs them as `[total, heads, dim]` with `q.indptr`.
    pub len: Dim,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kv {
    pub heads: i64,
    pub k: Storage,
    pub v: Value,
    /// Width of v; that of q unless said.
    pub v_dim: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Stored(Storage),
    /// `v = "k[..512]"`: the first elements of each key row are the value row (MLA).
    PrefixOfK(i64),
}

/// A rectangle of (kv heads x tokens).
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub name: String,
    pub heads: Heads,
    pub len: Dim,
    pub layout: KvLayout,
    pub shared: Shared,
    pub mask: Mask,
    pub select: Select,
    /// Ranks the keys of this segment and gives the best as `as`, for other segments to use.
    pub emit: Option<Emit>,
    /// A log-multiplicity per key: tensor `s.weight f32 [batch, len]`.
    pub weight: bool,
    /// Storage of this segment, where it differs from the op's.
    pub k: Option<Storage>,
    pub v: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heads {
    All,
    List(Vec<i64>),
    /// Those that no other segment names.
    Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvLayout {
    Dense,
    /// Tokens per page; pages are found through `s.block_table`.
    Paged(i64),
    /// A ring buffer of the newest tokens behind kept first ones.
    Ring {
        keep_first: i64,
        recent: i64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    No,
    /// One copy for the whole batch.
    Batch,
    /// `s.group` says which copy a sequence reads; so many copies.
    Group(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mask {
    None,
    Causal,
    /// `i - j < W` and causal.
    Window(i64),
    /// Causal, and `j < keep_first` or `i - j < recent`.
    KeepFirst {
        keep_first: i64,
        recent: i64,
    },
    /// The first P keys are seen by all, the rest causally.
    Prefix(i64),
    /// `i / B >= j / B`.
    Block(i64),
    /// Ancestor bits: tensor `s.tree u32 [batch, m, ceildiv(len, 32)]`, one bit a key of this segment.
    Tree,
    /// True where a key is seen; over `i j head`.
    Expr(Expr),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Select {
    All,
    TopK(Ranked),
    /// Keys of the clusters whose centroids score best; one or two levels.
    Centroids {
        levels: Vec<String>,
        above: Option<String>,
        ranked: Option<Ranked>,
    },
    /// Tensor `s.ranges i32 [.., 2]`.
    Ranges,
    WindowSum {
        window: i64,
        ranked: Ranked,
    },
    /// Keys another segment emitted.
    Indices {
        from: String,
        head: IndexHead,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    pub k: Dim,
    /// Tokens ranked together: 1, 8, 16 or 64.
    pub granularity: i64,
    pub keep_first: i64,
    pub recent: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexHead {
    Same,
    Union,
    Map(Vec<i64>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    pub top_k: Dim,
    pub name: String,
}

/// Which precision products may use; it enters the error bound, never the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    F32,
    Bf16,
    Int8,
    Int8x2,
}

/// `out[m,n] = epilogue(sum_k prologue(a)[m,k] * w[n,k])`.
#[derive(Clone, Debug, PartialEq)]
pub struct MpGemm {
    pub m: Dim,
    pub k: i64,
    pub a: Storage,
    /// One or more weights that share `a`.
    pub w: Vec<Weight>,
    pub out: Dtype,
    /// `out = "q8_0"`: rows of such blocks, rounded from `out`, which is then f32.
    pub blocks: Option<&'static Format>,
    pub bias: bool,
    pub residual: bool,
    /// Elementwise, over `a`; the strings of `rows`.
    pub prologue: Option<Expr>,
    /// Elementwise, over the product `x` (or the names of `w`), `bias`, `residual`.
    pub epilogue: Option<Expr>,
    pub compute: Compute,
    /// `group[m]`: rows belong to experts, `w` is `[groups, n, k]`.
    pub grouped: Option<Grouped>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// `w` unless several are named.
    pub name: String,
    pub n: i64,
    pub storage: Storage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    pub groups: i64,
}

/// Ways to compute a product. None of them changes what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compute {
    Auto,
    /// Weights to floats, float products.
    Dequant,
    /// Activations to int8, integer dot products, scales after each group.
    IntDot,
    /// Both operands may be rounded to bf16, sums are f32.
    Bf16,
    /// Integer accumulation over groups with integer scales.
    GroupInt,
    /// Tables over so many activations.
    Lut(u8),
    Bitplane,
}

/// Elementwise work and reductions along rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub rows: Dim,
    pub width: i64,
    pub inputs: Vec<RowTensor>,
    /// `let`: names of values that are not stored, each over those above it.
    pub lets: Vec<(String, Expr)>,
    pub outputs: Vec<RowOutput>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RowTensor {
    pub name: String,
    pub dtype: Dtype,
    pub kind: RowKind,
    /// Rows of such blocks, whose elements are then f32: of a table alone.
    pub blocks: Option<&'static Format>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RowKind {
    /// `[rows, width]`.
    Matrix,
    /// `[width]`: the same for each row.
    Vector,
    /// `[rows]`: one per row.
    Column,
    /// One number.
    Scalar,
    /// `[rows, width]` of its own, read by index: `table[id]`, `table[id, col % 64]`. An input only.
    Table { rows: Dim, width: Dim },
    /// `[len]`, read by index: `freq[col % 64]`. An input only.
    List(Dim),
}

#[derive(Clone, Debug, PartialEq)]
pub struct RowOutput {
    pub name: String,
    pub dtype: Dtype,
    pub kind: RowKind,
    pub value: Expr,
    /// Rows are written where this says, the others stay as they are.
    pub at: Option<Target>,
}

/// `rows = "slots", at = "slot"`: row i of the op becomes row `at` of a tensor of so many; none where that is negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub rows: Dim,
    /// Of the dialect [`expr::Dialect::Index`].
    pub at: Expr,
}

impl Rows {
    pub fn input(&self, name: &str) -> Option<&RowTensor> {
        self.inputs.iter().find(|t| t.name == name)
    }
}
