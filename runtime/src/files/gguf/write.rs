//! Writes GGUF version 3: sample files, tests.

use super::{
    super::{FileError, io_error, replace},
    ALIGNMENT, ALIGNMENT_KEY, Array, MAGIC, MAX_RANK, Value,
};
use kgen_ir::format::Format;
use std::{fs, io::Write, path::Path};

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTensor {
    pub name: String,
    /// As the op says them, k last: `[rows, k]`.
    pub dims: Vec<usize>,
    pub format: &'static Format,
    /// Blocks, row after row.
    pub bytes: Vec<u8>,
}

impl NewTensor {
    /// What is wrong, if anything.
    fn check(&self) -> Result<u32, String> {
        let NewTensor { name, dims, format, bytes } = self;
        let Some(number) = format.gguf else {
            return Err(format!("tensor `{name}`: GGUF has no {}", format.name));
        };
        if dims.len() > MAX_RANK {
            return Err(format!(
                "tensor `{name}` has {} dimensions; GGUF has at most {MAX_RANK}",
                dims.len()
            ));
        }
        let (k, rows) = dims.split_last().map_or((1, &[][..]), |(k, rows)| (*k, rows));
        let size =
            rows.iter().try_fold(format.row_bytes(k), |s, &n| Some(s?.checked_mul(n))).flatten();
        if size != Some(bytes.len()) {
            return Err(format!(
                "tensor `{name}`: {} bytes are no {dims:?} of {}",
                bytes.len(),
                format.name
            ));
        }
        Ok(number)
    }
}

/// Writes the file whole or not at all.
pub fn write(
    path: &Path,
    metadata: &[(String, Value)],
    tensors: &[NewTensor],
) -> Result<(), FileError> {
    let whole = |what| FileError::Whole { path: path.into(), what };
    let mut head = MAGIC.to_vec();
    head.extend(3u32.to_le_bytes());
    head.extend((tensors.len() as u64).to_le_bytes());
    head.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        if key == ALIGNMENT_KEY {
            return Err(whole(format!(
                "`{ALIGNMENT_KEY}` is always {ALIGNMENT} here; leave it out"
            )));
        }
        put_text(&mut head, key);
        put_value(&mut head, value);
    }
    let mut offset = 0;
    for t in tensors {
        let number = t.check().map_err(whole)?;
        put_text(&mut head, &t.name);
        head.extend((t.dims.len() as u32).to_le_bytes());
        for &size in t.dims.iter().rev() {
            head.extend((size as u64).to_le_bytes());
        }
        head.extend(number.to_le_bytes());
        head.extend((offset as u64).to_le_bytes());
        offset += t.bytes.len().next_multiple_of(ALIGNMENT);
    }
    replace(path, |part| {
        let mut file = fs::File::create(part).map_err(io_error(path))?;
        for bytes in std::iter::once(&head).chain(tensors.iter().map(|t| &t.bytes)) {
            let padding = bytes.len().next_multiple_of(ALIGNMENT) - bytes.len();
            file.write_all(bytes).map_err(io_error(path))?;
            file.write_all(&vec![0; padding]).map_err(io_error(path))?;
        }
        Ok(())
    })
}

impl From<&[&str]> for Array {
    fn from(texts: &[&str]) -> Array {
        let mut bytes = Vec::new();
        texts.iter().for_each(|t| put_text(&mut bytes, t));
        Array { of: 8, count: texts.len(), bytes }
    }
}

impl From<&[i32]> for Array {
    fn from(values: &[i32]) -> Array {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Array { of: 5, count: values.len(), bytes }
    }
}

impl From<&[f32]> for Array {
    fn from(values: &[f32]) -> Array {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Array { of: 6, count: values.len(), bytes }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut put = |kind: u32, bytes: &[u8]| {
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U8(x) => put(0, &x.to_le_bytes()),
        Value::I8(x) => put(1, &x.to_le_bytes()),
        Value::U16(x) => put(2, &x.to_le_bytes()),
        Value::I16(x) => put(3, &x.to_le_bytes()),
        Value::U32(x) => put(4, &x.to_le_bytes()),
        Value::I32(x) => put(5, &x.to_le_bytes()),
        Value::F32(x) => put(6, &x.to_le_bytes()),
        Value::Bool(x) => put(7, &[u8::from(*x)]),
        Value::Text(x) => {
            put(8, &[]);
            put_text(out, x);
        }
        Value::Array(x) => {
            put(9, &x.of.to_le_bytes());
            out.extend((x.count as u64).to_le_bytes());
            out.extend(&x.bytes);
        }
        Value::U64(x) => put(10, &x.to_le_bytes()),
        Value::I64(x) => put(11, &x.to_le_bytes()),
        Value::F64(x) => put(12, &x.to_le_bytes()),
    }
}
