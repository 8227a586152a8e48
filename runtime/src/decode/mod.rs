//! Decodes with a Llama-family model of a GGUF file: greedy, one sequence, every step an op file compiled by whoever
//! implements [`KernelSource`].
//!
//! ```text
//! let gguf = Arc::new(Gguf::open(path)?);
//! let tokenizer = Tokenizer::open(&gguf)?;
//! let prompt = tokenizer.encode("The heap")?;
//! let mut decoder = Decoder::new(&gguf, &kernels, &pool, KvCache::f16(prompt.len() + 64))?;
//! let mut token = decoder.feed(&prompt, &pool)?;    // the likeliest token behind the prompt
//! while !tokenizer.is_end(token) {
//!     print!("{}", tokenizer.decode(&[token]));
//!     token = decoder.feed(&[token], &pool)?;
//! }
//! ```

mod decoder;
mod keys;
mod model;
mod ops;
mod step;
mod tokenizer;

pub use decoder::{Decoder, KvCache};
pub use model::{Model, Pairs, Rope};
pub use tokenizer::Tokenizer;

use crate::{buffer::BufferError, files::FileError, module::Module, module::hint, plan::PlanError};
use std::sync::Arc;

/// Gives the loop its kernels; the compiler implements it.
pub trait KernelSource {
    /// The module of an op file; the same text gives the same module.
    fn kernel(&self, op: &str) -> Result<Arc<Module>, SourceError>;
}

/// Why there is no kernel.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why a model cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the file has no key `{key}`{}", hint(.near))]
    NoKey { key: String, near: Option<String> },
    #[error("key `{key}`: {what}")]
    Key { key: String, what: String },
    #[error("tensor `{name}`: {what}")]
    Tensor { name: String, what: String },
    #[error("the vocabulary has no token for {text:?}")]
    NoToken { text: String },
    #[error("no token is given: a prompt must have at least one")]
    NoPrompt,
    #[error("{token} is none of the model's {vocabulary} tokens")]
    Token { token: u32, vocabulary: usize },
    #[error("{wanted} tokens are more than {most}, which {why}")]
    Context { wanted: usize, most: usize, why: &'static str },
    #[error("no kernel for {step}: {source}")]
    Kernel { step: String, source: SourceError },
    #[error("{step}: {source}")]
    Plan { step: String, source: PlanError },
    #[error(transparent)]
    Memory(#[from] BufferError),
}
