//! PTX as its specification means it: warps in lockstep, every access checked.

pub mod float;
pub mod matrix;
