//! Checks of meaning.

use super::{Op, reader::Places};
use crate::diag::Diagnostic;

pub fn verify_at(_op: &Op, _places: &Places) -> Vec<Diagnostic> {
    Vec::new()
}
