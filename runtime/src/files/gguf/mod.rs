//! GGUF, the model file of llama.cpp: metadata and tensors, whose bytes are read where they lie in the mapped file.
//!
//! ```text
//! "GGUF", version, number of tensors, number of keys
//! keys      name, type, value
//! tensors   name, sizes (that of k first), type number, offset
//! padding to the alignment (32, or the key `general.alignment`)
//! data      each tensor at its offset from here
//! ```
//! Everything is little-endian. Source: `docs/gguf.md` of ggml.

mod read;
mod write;

pub use write::{NewTensor, write};

use super::{FileError, map};
use kgen_ir::{
    diag::did_you_mean,
    format::{Format, rows},
};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

const MAGIC: &[u8] = b"GGUF";
/// Data and tensors begin at multiples of this, if no key says otherwise.
const ALIGNMENT: usize = 32;
const ALIGNMENT_KEY: &str = "general.alignment";
/// `GGML_MAX_DIMS`.
const MAX_RANK: usize = 4;

/// An open model file.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    bytes: memmap2::Mmap,
    contents: Contents,
}

/// What the file says before its data.
#[derive(Debug, Default)]
struct Contents {
    version: u32,
    metadata: BTreeMap<String, Value>,
    /// In the file's order.
    tensors: Vec<Entry>,
    /// Places in `tensors`.
    names: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    dims: Vec<usize>,
    number: u32,
    /// Where the number is known.
    format: Option<&'static Format>,
    bytes: Range<usize>,
}

/// A tensor of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorInfo<'a> {
    pub name: &'a str,
    /// As the op says them, k last: `[rows, k]`.
    pub dims: &'a [usize],
    /// GGUF's number of its type.
    pub number: u32,
    /// `None` if kgen does not know the type.
    pub format: Option<&'static Format>,
    /// Its blocks, row after row; empty where the format is unknown.
    pub bytes: &'a [u8],
}

/// A value of the metadata.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    /// What is no UTF-8 has been replaced.
    Text(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// A list of values of one type, kept as it is stored: vocabularies are long, and seldom looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    of: u32,
    count: usize,
    bytes: Vec<u8>,
}

impl Array {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn values(&self) -> impl Iterator<Item = Value> {
        let mut cursor = read::Cursor::new(&self.bytes);
        // The reader has walked through these bytes before, so none is missing.
        (0..self.count).map_while(move |_| cursor.value(self.of, 0).ok())
    }
}

impl Value {
    /// Whole numbers of any width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::U8(x) => Some(x.into()),
            Value::U16(x) => Some(x.into()),
            Value::U32(x) => Some(x.into()),
            Value::U64(x) => Some(x),
            Value::I8(x) => x.try_into().ok(),
            Value::I16(x) => x.try_into().ok(),
            Value::I32(x) => x.try_into().ok(),
            Value::I64(x) => x.try_into().ok(),
            Value::F32(_) | Value::F64(_) | Value::Bool(_) | Value::Text(_) | Value::Array(_) => {
                None
            }
        }
    }

    /// Numbers of any type.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Value::F32(x) => Some(x.into()),
            Value::F64(x) => Some(x),
            Value::U8(x) => Some(x.into()),
            Value::I8(x) => Some(x.into()),
            Value::U16(x) => Some(x.into()),
            Value::I16(x) => Some(x.into()),
            Value::U32(x) => Some(x.into()),
            Value::I32(x) => Some(x.into()),
            Value::U64(x) => Some(x as f64),
            Value::I64(x) => Some(x as f64),
            Value::Bool(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }
}

impl Gguf {
    /// Maps a file and reads all but its data.
    pub fn open(path: &Path) -> Result<Gguf, FileError> {
        let bytes = map(path)?;
        let contents = read::contents(&bytes).map_err(|e| FileError::Content {
            path: path.into(),
            offset: e.offset,
            what: e.what,
        })?;
        Ok(Gguf { path: path.into(), bytes, contents })
    }

    /// Of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.contents.version
    }

    pub fn metadata(&self) -> &BTreeMap<String, Value> {
        &self.contents.metadata
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorInfo<'_>> {
        self.contents.tensors.iter().map(|e| self.info(e))
    }

    /// The tensor of this name, if its format is known.
    pub fn tensor(&self, name: &str) -> Result<TensorInfo<'_>, FileError> {
        let c = &self.contents;
        let Some(entry) = c.names.get(name).and_then(|&i| c.tensors.get(i)) else {
            let near = did_you_mean(name, c.names.keys().map(String::as_str));
            let hint = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            return Err(FileError::Missing { path: self.path.clone(), name: name.into(), hint });
        };
        if entry.format.is_none() {
            let known: Vec<&str> =
                rows::all().filter(|f| f.gguf.is_some()).map(|f| f.name).collect();
            let what = format!(
                "tensor `{name}` is of GGUF type {}, which kgen does not read; it reads {}",
                entry.number,
                known.join(", ")
            );
            return Err(FileError::Whole { path: self.path.clone(), what });
        }
        Ok(self.info(entry))
    }

    fn info<'a>(&'a self, e: &'a Entry) -> TensorInfo<'a> {
        TensorInfo {
            name: &e.name,
            dims: &e.dims,
            number: e.number,
            format: e.format,
            bytes: self.bytes.get(e.bytes.clone()).unwrap_or(&[]),
        }
    }
}

#[cfg(test)]
mod tests;
