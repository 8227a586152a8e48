//! Why a plan cannot be made, bound or run.

use crate::{buffer::BufferError, driver::DriverError, module::hint};
use kgen_ir::{dtype::Dtype, extent::ExtentError};

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("symbol `{symbol}` has no value: give one{}", list_of(.ragged))]
    NoValue { symbol: String, ragged: Option<String> },
    #[error("there is no symbol `{symbol}`{}", hint(.near))]
    UnknownSymbol { symbol: String, near: Option<String> },
    #[error("`{symbol}` is {value}: {demand}")]
    Bound { symbol: String, value: i64, demand: String },
    #[error("`{0}` lengths are {1}, but `{2}` is {3}")]
    Ragged(String, usize, String, i64),
    #[error("the plan is for {0} workers: at least one is needed")]
    NoWorkers(i64),
    #[error("{place}: {source}")]
    Extent { place: String, source: ExtentError },
    #[error("`{tensor}` has the size {value} in dimension {dim}")]
    Size { tensor: String, dim: usize, value: i64 },
    #[error("`{0}` is larger than this machine can address")]
    TooLarge(String),
    #[error("no variant of `{0}` serves these sizes and strides")]
    NoVariant(String),
    #[error(transparent)]
    Memory(#[from] BufferError),
    #[error("there is no tensor `{name}`{}", hint(.near))]
    UnknownTensor { name: String, near: Option<String> },
    #[error("`{0}` is not used with these sizes; nothing to bind")]
    NotUsed(String),
    #[error("`{name}` is {expected}, not {found}")]
    Dtype { name: String, expected: Dtype, found: Dtype },
    #[error("`{name}` has the shape {expected:?}, not {found:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("`{name}`: the last dimension has stride {found}, it must be dense ({expected} bytes)")]
    LastStride { name: String, expected: usize, found: usize },
    #[error("`{name}`: stride {stride} of dimension {dim} is no multiple of {align} bytes")]
    Stride { name: String, dim: usize, stride: usize, align: usize },
    #[error(
        "`{name}`: rows of output overlap: stride {stride} of dimension {dim} is below {least}"
    )]
    Overlap { name: String, dim: usize, stride: usize, least: usize },
    #[error("`{name}` has {found} strides for {expected} dimensions")]
    Strides { name: String, expected: usize, found: usize },
    #[error("`{name}` needs {needed} bytes, the memory has {found}")]
    Length { name: String, needed: usize, found: usize },
    #[error("`{name}` is at an address that is no multiple of {align}")]
    Alignment { name: String, align: usize },
    #[error(
        "`{name}` is at {address:#x} of the device, which is no multiple of {align}, as variant `{variant}` wants it; copy \
         it to one"
    )]
    Base { name: String, address: u64, align: u64, variant: String },
    #[error("`{name}` is packed {found:?} (rows, k), the plan needs {expected:?}")]
    Packed { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error(
        "`{name}` has {found} dimensions; a packed weight has rows and k, before them perhaps copies"
    )]
    Rank { name: String, found: usize },
    #[error("`{0}` is not bound")]
    NotBound(String),
    #[error("the plan cannot run: its last update failed, or no variant serves the strides bound")]
    NotReady,
    #[error("`{tensor}`{at:?} is {value}: {demand}")]
    Index { tensor: String, at: Vec<usize>, value: i64, demand: String },
    #[error(
        "kernel `{kernel}`, instruction {instruction}: {bytes} bytes at {place}; the access was not done"
    )]
    Access { kernel: String, instruction: i64, bytes: i64, place: String },
    #[error("the plan is for {planned} workers, the pool has {found}")]
    Workers { planned: i64, found: usize },
    #[error("the kernels of `{0}` are for a device, not for the workers of a CPU")]
    Elsewhere(String),
    #[error("the kernels of `{0}` are for the workers of a CPU, not for a device")]
    Here(String),
    #[error("the kernels of `{0}` check their accesses, which is for CPUs: compile without")]
    Checked(String),
    #[error("`{name}`: {source}")]
    Device { name: String, source: DriverError },
    #[error(transparent)]
    Driver(#[from] DriverError),
}

fn list_of(ragged: &Option<String>) -> String {
    ragged.as_ref().map_or_else(String::new, |b| format!(", a list with one for each of `{b}`"))
}
