//! Storage formats: a format is a row. Fields say where each bit of a block lies, a formula says the value.

pub mod pack;
pub mod rows;

use crate::dtype::Dtype;

/// A block format along k: `block` elements in `bytes` bytes.
#[derive(Debug, PartialEq)]
pub struct Format {
    /// As in op files: `q4_0`.
    pub name: &'static str,
    /// GGUF's type number, where GGUF has it.
    pub gguf: Option<u32>,
    /// Elements of a block.
    pub block: usize,
    /// Bytes of a block.
    pub bytes: usize,
    pub fields: &'static [Field],
    pub value: Value,
}

/// Some quantity of a block: codes, scales, mins.
#[derive(Debug, PartialEq)]
pub struct Field {
    pub role: Role,
    pub elem: FieldElem,
    /// How many of them in a block; each covers `block / count` elements.
    pub count: usize,
    pub pieces: &'static [Piece],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Code,
    /// Multiplies the code (or the inner scales, where there are inner ones).
    Scale,
    /// Multiplies `Scale`: second level.
    InnerScale,
    Min,
    InnerMin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldElem {
    Float(Dtype),
    /// Unsigned, so many bits.
    Uint(u8),
    /// Two's complement, so many bits.
    Int(u8),
}

/// A run of bit slices: for `i` in `0..count`, bits `[to, to + bits)` of element `first + map(i)` stand at
/// bits `[shift, shift + bits)` of byte `byte + map'(i)`.
///
/// `order` is a layout word string over the index of a slice: the slice's place (bit slot within a byte, then
/// byte) as xor of element-index bits, low place bit first; empty means "slice i is byte i is element i".
#[derive(Debug, PartialEq)]
pub struct Piece {
    pub byte: usize,
    pub shift: u8,
    pub bits: u8,
    pub to: u8,
    pub first: usize,
    pub count: usize,
    pub order: &'static str,
}

/// The closed list of value formulas; `c` is the code of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// The code field is a float.
    Plain,
    /// `scale * (c - zero)`, then `+ min` where a Min field exists.
    Affine { zero: i32 },
    /// `scale * inner_scale * (c - zero) - min * inner_min`.
    TwoLevel { zero: i32 },
}
