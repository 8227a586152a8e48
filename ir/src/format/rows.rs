//! The table of block formats.

use super::{Format, Value};

pub const FORMATS: &[Format] = &[Format {
    name: "q4_0",
    gguf: Some(2),
    block: 32,
    bytes: 18,
    fields: &[],
    value: Value::Affine { zero: 8 },
}];

/// The format an op file calls `name`.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name)
}
