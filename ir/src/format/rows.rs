//! The table of block formats.

use super::{Format, Value};

#[rustfmt::skip] // one per row
pub const FORMATS: &[Format] = &[
    Format { name: "q4_0", gguf: Some(2), block: 32, bytes: 18, fields: &[], value: Value::Affine { zero: 8 } },
    Format { name: "q8_0", gguf: Some(8), block: 32, bytes: 34, fields: &[], value: Value::Affine { zero: 0 } },
];

/// The format an op file calls `name`.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name)
}
