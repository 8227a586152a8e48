//! What the ops mean, in f64, in plain loops, with an error bound beside each output.
//!
//! [`run`] computes every output of an op, [`run_samples`] only some elements (full-size cases), [`compare`] holds
//! a kernel's tensor against them: `|got - expected| / bound` above 1 fails.
//!
//! Nothing here shares a formula with what it judges: storage formats are decoded by hand in [`quant`].

pub mod attention;
pub mod bound;
pub mod compare;
pub mod inputs;
pub mod mpgemm;
pub mod place;
pub mod quant;
pub mod rows;
pub mod value;

use kgen_ir::{
    dtype::Dtype,
    extent::{Dims, ExtentError},
    op::{Kind, Op, Storage},
    tensor::Tensor,
};
use std::collections::BTreeMap;

pub use compare::{Comparison, compare};

/// One expected output.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Shape of the whole tensor, also where only samples of it were computed.
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    /// Largest absolute error allowed to each value; 0 where the value is NaN or infinite.
    pub bounds: Vec<f64>,
    /// Whether a NaN or an infinity entered this value: then NaN is right too.
    pub tainted: Vec<bool>,
    /// Which elements of the tensor the values are (row-major); `None`: all, in order.
    pub at: Option<Vec<usize>>,
    /// The tensor holds such blocks; `shape` and `at` count elements.
    pub blocks: Option<Storage>,
}

/// The inputs do not fit the op, or the op is beyond this reference.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RefError {
    #[error("tensor `{0}` is missing from the inputs")]
    Missing(String),
    #[error("tensor `{name}` should have the shape {wanted}, but has {found:?}")]
    Shape { name: String, wanted: String, found: Vec<usize> },
    #[error("tensor `{name}` should hold {wanted}, but holds {found}")]
    Element { name: String, wanted: String, found: Dtype },
    #[error("tensor `{name}` should have {wanted} bytes, but has {found}")]
    Bytes { name: String, wanted: String, found: usize },
    #[error("`{name}` says {value} at place {at}, but it must be in 0..{limit}")]
    Index { name: String, at: usize, value: i64, limit: usize },
    #[error("`{name}` = {value} is no size: give 0 or more")]
    Negative { name: String, value: i64 },
    #[error("sample ({row}, {column}) lies outside {rows} x {columns}")]
    Sample { row: usize, column: usize, rows: usize, columns: usize },
    #[error("the op is wrong: {0}")]
    Op(String),
    #[error("the reference does not know {0} yet")]
    NotYet(String),
    #[error(transparent)]
    Extent(#[from] ExtentError),
}

/// Every output of `op`, by the name of its tensor.
pub fn run(
    op: &Op,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Output>, RefError> {
    dispatch(op, dims, inputs, None)
}

/// As [`run`], for some elements only: pairs (query row, head) of attention, (row, column) of a product.
/// Query rows are counted through the batch: row `i` of sequence `b` is `b * m + i`, or its place in packed `q`.
pub fn run_samples(
    op: &Op,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    samples: &[(usize, usize)],
) -> Result<BTreeMap<String, Output>, RefError> {
    dispatch(op, dims, inputs, Some(samples))
}

fn dispatch(
    op: &Op,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    match &op.kind {
        Kind::Attention(a) => attention::run(a, dims, inputs, samples),
        Kind::MpGemm(g) => mpgemm::run(g, dims, inputs, samples),
        Kind::Rows(r) => rows::run(r, dims, inputs, samples),
    }
}

/// The asked pairs, checked; without a question, all of them in row-major order.
fn pairs(
    samples: Option<&[(usize, usize)]>,
    rows: usize,
    columns: usize,
) -> Result<Vec<(usize, usize)>, RefError> {
    let Some(samples) = samples else {
        return Ok((0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).collect());
    };
    match samples.iter().find(|(r, c)| *r >= rows || *c >= columns) {
        Some(&(row, column)) => Err(RefError::Sample { row, column, rows, columns }),
        None => Ok(samples.to_vec()),
    }
}
