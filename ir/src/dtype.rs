//! Element types and their widths.

use std::fmt;

/// Type of one element of a tensor or a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    F32,
    F16,
    BF16,
    /// 8-bit float, 4 exponent bits, no infinity (OCP OFP8 E4M3).
    E4M3,
    /// 8-bit float, 5 exponent bits (OCP OFP8 E5M2).
    E5M2,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    /// Unsigned code of 1 to 7 bits, inside a packed tensor.
    Code(u8),
    /// A truth value: result of a comparison.
    Bool,
}

/// Name and bits of every type of fixed width.
const NAMES: &[(Dtype, &str, u32)] = &[
    (Dtype::F32, "f32", 32),
    (Dtype::F16, "f16", 16),
    (Dtype::BF16, "bf16", 16),
    (Dtype::E4M3, "e4m3", 8),
    (Dtype::E5M2, "e5m2", 8),
    (Dtype::I8, "i8", 8),
    (Dtype::U8, "u8", 8),
    (Dtype::I16, "i16", 16),
    (Dtype::U16, "u16", 16),
    (Dtype::I32, "i32", 32),
    (Dtype::U32, "u32", 32),
    (Dtype::I64, "i64", 64),
    (Dtype::Code(1), "u1", 1),
    (Dtype::Code(2), "u2", 2),
    (Dtype::Code(3), "u3", 3),
    (Dtype::Code(4), "u4", 4),
    (Dtype::Code(5), "u5", 5),
    (Dtype::Code(6), "u6", 6),
    (Dtype::Code(7), "u7", 7),
    (Dtype::Bool, "b1", 1),
];

impl Dtype {
    pub fn parse(name: &str) -> Option<Dtype> {
        NAMES.iter().find(|(_, n, _)| *n == name).map(|(d, _, _)| *d)
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(d, _, _)| *d == self).map_or("?", |(_, n, _)| n)
    }

    pub fn bits(self) -> u32 {
        NAMES.iter().find(|(d, _, _)| *d == self).map_or(0, |(_, _, b)| *b)
    }

    /// Whole bytes of one element; `None` for codes and truth values, which have no address.
    pub fn bytes(self) -> Option<usize> {
        let bits = self.bits() as usize;
        (bits >= 8).then_some(bits / 8)
    }

    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::E4M3 | Dtype::E5M2)
    }

    pub fn all() -> impl Iterator<Item = Dtype> {
        NAMES.iter().map(|(d, _, _)| *d)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
