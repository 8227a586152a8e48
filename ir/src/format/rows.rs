//! The rows of the storage formats and how to find one.

use super::Format;

/// Every format kgen reads.
pub const FORMATS: &[Format] = &[];

/// The format `name`: `q4_0`.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name)
}
