//! A compiled op: texts of its kernels and a manifest that says how to bind, size and launch them.
//!
//! ```text
//! format = 2
//! kgen = "0.1.0"
//! name = "axpy"
//! target = "x86-64-v2"
//! backend = "cranelift"
//! symbols = ["n"]
//! params = ["in x: f32[n]", "out o: f32[n]"]
//!
//! [[kernel]]
//! name = "main"
//! file = "main.clif"
//! entry = "axpy_main"
//! params = ["in x: f32[n]", "out o: f32[n]"]
//! slots = ["pointer x", "pointer o", "extent n"]
//! scratch = 0
//! counters = 1
//!
//! [[variant]]
//! name = "all"
//! when = ["n <= 4096"]
//! launches = ["main(x, o)"]
//! ```
//!
//! Tensors, extents and packings are written as in the text of tile programs. The manifest is all that a loader
//! needs: it never sees the program.

pub mod check;
mod print;
mod read;
pub mod text;

use crate::{
    machine::Slot,
    op::Bound,
    tile::{Param, Prepare, Symbol, Tensor, Variant},
};
use std::collections::BTreeMap;

/// The format this compiler writes, and the newest it reads.
pub const FORMAT: u32 = 3;

/// Name of the manifest's file in an artifact's folder.
pub const MANIFEST: &str = "manifest.toml";

/// Bytes of private memory a kernel may ask for per worker.
pub const MAX_SCRATCH: usize = 1 << 30;

/// Task counters a kernel may ask for.
pub const MAX_COUNTERS: usize = 1 << 12;

/// A manifest and the files it lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    pub manifest: Manifest,
    /// Text by file name.
    pub files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    pub format: u32,
    /// Version of the compiler.
    pub kgen: String,
    pub name: String,
    pub target: String,
    pub backend: String,
    /// What the cache knows it by.
    pub key: String,
    /// CPU features the code needs, as the detector of the standard library spells them.
    pub features: Vec<String>,
    pub symbols: Vec<Symbol>,
    pub bounds: Vec<Bound>,
    /// Tensors the caller gives, inputs before outputs.
    pub params: Vec<Tensor>,
    /// What those that hold indices must keep to.
    pub checks: Vec<check::Check>,
    pub prepares: Vec<Prepare>,
    /// Workspace.
    pub buffers: Vec<Tensor>,
    pub kernels: Vec<KernelEntry>,
    /// Tried in order; the first whose predicates hold runs.
    pub variants: Vec<Variant>,
    pub contract: Contract,
    /// BLAKE3 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// A kernel of the program and the code that does it.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelEntry {
    /// As the launches call it.
    pub name: String,
    pub file: String,
    /// Symbol inside the file.
    pub entry: String,
    pub params: Vec<Param>,
    pub slots: Vec<Slot>,
    /// Bytes of private memory of a worker, a multiple of 64.
    pub scratch: usize,
    /// Task counters of a launch.
    pub counters: usize,
    /// On a device that runs blocks of threads: what one is. The arguments are then the slots, 64 bits each, and behind
    /// them the number of workers.
    pub block: Option<Block>,
}

/// A block of threads; a launch has as many as it takes for all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub threads: usize,
    /// Workers that a block's threads are.
    pub workers: usize,
    /// Bytes of memory that its threads share.
    pub shared: usize,
}

/// Threads of a block at most.
pub const MAX_THREADS: usize = 1 << 12;

/// What the results may be relied upon to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contract {
    /// Type that the activations are rounded to.
    pub activation: String,
    /// Type of sums.
    pub accumulation: String,
    /// Type of partial results between tasks.
    pub partials: String,
    /// Order of reductions.
    pub order: String,
    /// Error bound.
    pub bound: String,
}

impl Artifact {
    /// Puts the hashes of `files` into the manifest.
    pub fn new(mut manifest: Manifest, files: BTreeMap<String, String>) -> Artifact {
        manifest.files = files.iter().map(|(name, text)| (name.clone(), hash(text))).collect();
        Artifact { manifest, files }
    }

    /// The first file that is missing, not listed, or not what the manifest says.
    pub fn damage(&self) -> Option<String> {
        for (name, expected) in &self.manifest.files {
            match self.files.get(name) {
                None => return Some(format!("file `{name}` is missing")),
                Some(text) if hash(text) != *expected => {
                    return Some(format!(
                        "file `{name}` has BLAKE3 {}, the manifest says {expected}",
                        hash(text)
                    ));
                }
                Some(_) => {}
            }
        }
        let extra = self.files.keys().find(|name| !self.manifest.files.contains_key(*name))?;
        Some(format!("file `{extra}` is not in the manifest"))
    }
}

/// BLAKE3 in hexadecimal.
pub fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// A plain file name: no folder, no hidden file, not the manifest.
pub fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && name != MANIFEST
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests;
