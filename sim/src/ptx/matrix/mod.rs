//! Matrix instructions: which lane and register holds which element, and what they compute.
//!
//! ```
//! # use kgen_sim::ptx::matrix::{Matrix, Mma};
//! let mma = Mma::parse("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32").unwrap();
//! assert_eq!(mma.registers(), [4, 4, 2, 4]);
//! // Lane 13 holds A[3][11] as its element a5: the upper half of its third register.
//! let place = mma.place(Matrix::A, 13, 5);
//! assert_eq!((place.row, place.col), (3, 11));
//! ```
//!
//! Written from the PTX ISA alone, section "Warp-level matrix instructions", its formulas of row and column by lane and
//! element; nothing here is shared with what emits the instructions.
//!
//! Products are exact, sums are made in f64 and rounded once, to nearest, to the type of the accumulator: f16 accumulators
//! are not rounded on the way. Hardware adds in an order and with a width that PTX leaves open, so that no result here is
//! the only right one; it is the most accurate. Integers are exact and wrap, or stop at the ends with `.satfinite`.

mod mma;
mod moves;
mod wgmma;

pub use mma::{Matrix, Mma, Place};
pub use moves::{ldmatrix, stmatrix};
pub use wgmma::{LeftOperand, Piece, SharedOperand, Wgmma};

use super::float;

/// The type of the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    F16,
    Bf16,
    Tf32,
    F64,
    E4m3,
    E5m2,
    S8,
    U8,
    S4,
    U4,
    B1,
}

impl Element {
    fn parse(name: &str) -> Option<Element> {
        Some(match name {
            "f16" => Element::F16,
            "bf16" => Element::Bf16,
            "tf32" => Element::Tf32,
            "f64" => Element::F64,
            "e4m3" => Element::E4m3,
            "e5m2" => Element::E5m2,
            "s8" => Element::S8,
            "u8" => Element::U8,
            "s4" => Element::S4,
            "u4" => Element::U4,
            "b1" => Element::B1,
            _ => return None,
        })
    }

    pub fn bits(self) -> usize {
        match self {
            Element::F64 => 64,
            Element::Tf32 => 32,
            Element::F16 | Element::Bf16 => 16,
            Element::E4m3 | Element::E5m2 | Element::S8 | Element::U8 => 8,
            Element::S4 | Element::U4 => 4,
            Element::B1 => 1,
        }
    }

    /// May both be factors of one product?
    fn mixes(self, other: Element) -> bool {
        use Element::*;
        match self {
            S8 | U8 => matches!(other, S8 | U8),
            S4 | U4 => matches!(other, S4 | U4),
            E4m3 | E5m2 => matches!(other, E4m3 | E5m2),
            F16 | Bf16 | Tf32 | F64 | B1 => self == other,
        }
    }

    fn whole(self) -> bool {
        use Element::*;
        match self {
            S8 | U8 | S4 | U4 | B1 => true,
            F16 | Bf16 | Tf32 | F64 | E4m3 | E5m2 => false,
        }
    }

    /// Element `at` of a register, as f64.
    #[inline]
    fn float(self, word: u32, at: usize) -> f64 {
        let byte = |at: usize| (word >> (8 * at)) as u8;
        match self {
            Element::F16 => half((word >> (16 * at)) as u16).into(),
            Element::Bf16 => f32::from_bits(word >> (16 * at) << 16).into(),
            // What lies below the 10 bits of mantissa is not read.
            Element::Tf32 => f32::from_bits(word & !0x1fff).into(),
            Element::E5m2 => half(u16::from(byte(at)) << 8).into(),
            Element::E4m3 => E4M3[usize::from(byte(at))].into(),
            Element::F64 | Element::S8 | Element::U8 | Element::S4 | Element::U4 | Element::B1 => {
                self.int(word, at).into()
            }
        }
    }

    /// Element `at` of a register; bits come 32 at a time.
    #[inline]
    fn int(self, word: u32, at: usize) -> i32 {
        let word = word as i32;
        match self {
            Element::S8 => word << (24 - 8 * at) >> 24,
            Element::U8 => word >> (8 * at) & 0xff,
            Element::S4 => word << (28 - 4 * at) >> 28,
            Element::U4 => word >> (4 * at) & 0xf,
            Element::B1
            | Element::F16
            | Element::Bf16
            | Element::Tf32
            | Element::F64
            | Element::E4m3
            | Element::E5m2 => word,
        }
    }
}

/// The type of what is added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accumulator {
    F16,
    F32,
    F64,
    S32,
}

impl Accumulator {
    fn parse(name: &str) -> Option<Accumulator> {
        Some(match name {
            "f16" => Accumulator::F16,
            "f32" => Accumulator::F32,
            "f64" => Accumulator::F64,
            "s32" => Accumulator::S32,
            _ => return None,
        })
    }

    fn bits(self) -> usize {
        match self {
            Accumulator::F16 => 16,
            Accumulator::F32 | Accumulator::S32 => 32,
            Accumulator::F64 => 64,
        }
    }
}

/// What takes the place of the product of single bits; the sum is the number of ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logic {
    Xor,
    And,
}

/// An f16 as f32. Arithmetic on subnormal numbers of f32 would be slow, so none is done; choices instead of branches let
/// the loops over registers be vectors.
#[inline(always)]
fn half(code: u16) -> f32 {
    let magnitude = u32::from(code & 0x7fff);
    let small = (magnitude as i32 as f32 * f32::from_bits((127 - 24) << 23)).to_bits();
    let normal = (magnitude << 13) + ((127 - 15) << 23);
    let endless = (magnitude << 13) | 0x7f80_0000;
    let bits = if magnitude < 0x400 { small } else { normal };
    let bits = if magnitude < 0x7c00 { bits } else { endless };
    f32::from_bits(bits | u32::from(code & 0x8000) << 16)
}

/// All codes of e4m3.
static E4M3: [f32; 256] = {
    let mut all = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        let (exponent, mantissa) = (code >> 3 & 15, code & 7);
        let value = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            (0, m) => m as f32 * f32::from_bits((127 - 9) << 23),
            (e, m) => f32::from_bits((e + 127 - 7) << 23 | m << 20),
        };
        all[code as usize] = if code & 0x80 == 0 { value } else { -value };
        code += 1u32;
    }
    all
};

/// The sum as f32.
fn single(x: f64) -> u32 {
    float::canonical(x as f32).to_bits()
}

/// The sum as f16, rounded once.
fn halved(x: f64) -> u32 {
    float::F16.encode(x, float::Conversion::nearest()) as u32
}

/// The addend and the sum of the products as s32. That sum fits: it has at most 64 products of 255 and 255.
fn summed(c: u32, products: u32, saturate: bool) -> u32 {
    let (c, products) = (c as i32, products as i32);
    (if saturate { c.saturating_add(products) } else { c.wrapping_add(products) }) as u32
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
