//! Expression strings of masks, prologues, epilogues and row ops.

/// Placeholder for the grammar's tree; see the reader.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Number(f64),
    Name(String),
}
