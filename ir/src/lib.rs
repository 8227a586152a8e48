//! The three levels of kgen as data: [`op`] (what), [`tile`] (how, in tiles), [`machine`] (how, in
//! instructions). Each level has types, a text form that prints and parses, a verifier, and can be run.
//!
//! Nothing here names a target: a target arrives as a [`target::Target`] value.

pub mod arena;
pub mod artifact;
pub mod diag;
pub mod dtype;
pub mod extent;
pub mod format;
pub mod layout;
pub mod lex;
pub mod machine;
pub mod op;
pub mod target;
pub mod tensor;
pub mod tile;
