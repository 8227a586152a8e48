//! The tables of storage formats. Sources: `ggml-common.h` (blocks) and `ggml-quants.c` (values) of ggml.

use super::{Field, FieldElem::*, Format, Loop, Role::*, Slice, Value};
use crate::dtype::Dtype::{BF16, F16, F32};

/// Blocks of codes and scales.
#[rustfmt::skip] // one field a line
pub const FORMATS: &[Format] = &[
    Format { name: "q4_0", gguf: Some(2), block: 32, bytes: 18, value: Value::Affine { zero: 8 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Code,       elem: Uint(4),    count: 32,  slices: &[at(2, 4, 0, &[Loop(16, 8, 1), Loop(2, 4, 16)])] },
    ]},
    Format { name: "q4_1", gguf: Some(3), block: 32, bytes: 20, value: Value::Affine { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Min,        elem: Float(F16), count: 1,   slices: F16_AT_2 },
        Field { role: Code,       elem: Uint(4),    count: 32,  slices: &[at(4, 4, 0, &[Loop(16, 8, 1), Loop(2, 4, 16)])] },
    ]},
    Format { name: "q5_0", gguf: Some(6), block: 32, bytes: 22, value: Value::Affine { zero: 16 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Code,       elem: Uint(5),    count: 32,  slices: &[
            at(2, 1, 4, &[Loop(32, 1, 1)]),
            at(6, 4, 0, &[Loop(16, 8, 1), Loop(2, 4, 16)]),
        ]},
    ]},
    Format { name: "q5_1", gguf: Some(7), block: 32, bytes: 24, value: Value::Affine { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Min,        elem: Float(F16), count: 1,   slices: F16_AT_2 },
        Field { role: Code,       elem: Uint(5),    count: 32,  slices: &[
            at(4, 1, 4, &[Loop(32, 1, 1)]),
            at(8, 4, 0, &[Loop(16, 8, 1), Loop(2, 4, 16)]),
        ]},
    ]},
    Format { name: "q8_0", gguf: Some(8), block: 32, bytes: 34, value: Value::Affine { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Code,       elem: Int(8),     count: 32,  slices: &[at(2, 8, 0, &[Loop(32, 8, 1)])] },
    ]},
    Format { name: "q2_k", gguf: Some(10), block: 256, bytes: 84, value: Value::TwoLevel { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: &[at(80, 16, 0, &[])] },
        Field { role: Min,        elem: Float(F16), count: 1,   slices: &[at(82, 16, 0, &[])] },
        Field { role: InnerScale, elem: Uint(4),    count: 16,  slices: &[at(0, 4, 0, &[Loop(16, 8, 1)])] },
        Field { role: InnerMin,   elem: Uint(4),    count: 16,  slices: &[high(4, at(0, 4, 0, &[Loop(16, 8, 1)]))] },
        Field { role: Code,       elem: Uint(2),    count: 256, slices: &[at(16, 2, 0, &[Loop(32, 8, 1), Loop(4, 2, 32), Loop(2, 256, 128)])] },
    ]},
    Format { name: "q3_k", gguf: Some(11), block: 256, bytes: 110, value: Value::TwoLevel { zero: 4 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: &[at(108, 16, 0, &[])] },
        Field { role: InnerScale, elem: Biased(6, 32), count: 16, slices: &[
            at(96,  4, 0, &[Loop(8, 8, 1), Loop(2, 4, 8)]),
            at(104, 2, 4, &[Loop(4, 8, 1), Loop(4, 2, 4)]),
        ]},
        Field { role: Code,       elem: Uint(3),    count: 256, slices: &[
            at(32, 2, 0, &[Loop(32, 8, 1), Loop(4, 2, 32), Loop(2, 256, 128)]),
            at(0,  1, 2, &[Loop(32, 8, 1), Loop(8, 1, 32)]),
        ]},
    ]},
    Format { name: "q4_k", gguf: Some(12), block: 256, bytes: 144, value: Value::TwoLevel { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Min,        elem: Float(F16), count: 1,   slices: F16_AT_2 },
        Field { role: InnerScale, elem: Uint(6),    count: 8,   slices: K_SCALES },
        Field { role: InnerMin,   elem: Uint(6),    count: 8,   slices: K_MINS },
        Field { role: Code,       elem: Uint(4),    count: 256, slices: &[at(16, 4, 0, &[Loop(32, 8, 1), Loop(2, 4, 32), Loop(4, 256, 64)])] },
    ]},
    Format { name: "q5_k", gguf: Some(13), block: 256, bytes: 176, value: Value::TwoLevel { zero: 0 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: F16_AT_0 },
        Field { role: Min,        elem: Float(F16), count: 1,   slices: F16_AT_2 },
        Field { role: InnerScale, elem: Uint(6),    count: 8,   slices: K_SCALES },
        Field { role: InnerMin,   elem: Uint(6),    count: 8,   slices: K_MINS },
        Field { role: Code,       elem: Uint(5),    count: 256, slices: &[
            at(16, 1, 4, &[Loop(32, 8, 1), Loop(8, 1, 32)]),
            at(48, 4, 0, &[Loop(32, 8, 1), Loop(2, 4, 32), Loop(4, 256, 64)]),
        ]},
    ]},
    Format { name: "q6_k", gguf: Some(14), block: 256, bytes: 210, value: Value::TwoLevel { zero: 32 }, fields: &[
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: &[at(208, 16, 0, &[])] },
        Field { role: InnerScale, elem: Int(8),     count: 16,  slices: &[at(192, 8, 0, &[Loop(16, 8, 1)])] },
        Field { role: Code,       elem: Uint(6),    count: 256, slices: &[
            at(0,   4, 0, &[Loop(32, 8, 1), Loop(2, 256, 32), Loop(2, 4, 64), Loop(2, 512, 128)]),
            at(128, 2, 4, &[Loop(32, 8, 1), Loop(4, 2, 32), Loop(2, 256, 128)]),
        ]},
    ]},
    // Five digits of base 3 a byte, as the fraction of 256 that they are of 243; the last four bytes hold four.
    Format { name: "tq1_0", gguf: Some(34), block: 256, bytes: 54, value: Value::Affine { zero: 1 }, fields: &[
        Field { role: Code,       elem: Trit,       count: 256, slices: &[
            from(0,   digit(0,  0, &[Loop(32, 8, 1)])), from(32,  digit(0,  1, &[Loop(32, 8, 1)])), from(64,  digit(0,  2, &[Loop(32, 8, 1)])),
            from(96,  digit(0,  3, &[Loop(32, 8, 1)])), from(128, digit(0,  4, &[Loop(32, 8, 1)])),
            from(160, digit(32, 0, &[Loop(16, 8, 1)])), from(176, digit(32, 1, &[Loop(16, 8, 1)])), from(192, digit(32, 2, &[Loop(16, 8, 1)])),
            from(208, digit(32, 3, &[Loop(16, 8, 1)])), from(224, digit(32, 4, &[Loop(16, 8, 1)])),
            from(240, digit(48, 0, &[Loop(4, 8, 1)])),  from(244, digit(48, 1, &[Loop(4, 8, 1)])),
            from(248, digit(48, 2, &[Loop(4, 8, 1)])),  from(252, digit(48, 3, &[Loop(4, 8, 1)])),
        ]},
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: &[at(52, 16, 0, &[])] },
    ]},
    Format { name: "tq2_0", gguf: Some(35), block: 256, bytes: 66, value: Value::Affine { zero: 1 }, fields: &[
        Field { role: Code,       elem: Ternary,    count: 256, slices: &[at(0, 2, 0, &[Loop(32, 8, 1), Loop(4, 2, 32), Loop(2, 256, 128)])] },
        Field { role: Scale,      elem: Float(F16), count: 1,   slices: &[at(64, 16, 0, &[])] },
    ]},
];

/// Floats: a block is one element. Op files name them as element types.
#[rustfmt::skip] // one per row
pub const PLAIN: &[Format] = &[
    Format { name: "f32",  gguf: Some(0),  block: 1, bytes: 4, value: Value::Plain, fields: &[Field { role: Code, elem: Float(F32),  count: 1, slices: &[at(0, 32, 0, &[])] }] },
    Format { name: "f16",  gguf: Some(1),  block: 1, bytes: 2, value: Value::Plain, fields: &[Field { role: Code, elem: Float(F16),  count: 1, slices: F16_AT_0 }] },
    Format { name: "bf16", gguf: Some(30), block: 1, bytes: 2, value: Value::Plain, fields: &[Field { role: Code, elem: Float(BF16), count: 1, slices: F16_AT_0 }] },
];

const F16_AT_0: &[Slice] = &[at(0, 16, 0, &[])];
const F16_AT_2: &[Slice] = &[at(2, 16, 0, &[])];

/// `q4_k` and `q5_k` pack 8 scales and 8 mins of 6 bits into bytes 4 to 15: the first four of each lie whole in the
/// low bits of a byte; of the last four, the low nibbles share a byte, the high two bits lie above the first four.
const K_SCALES: &[Slice] = &[
    at(4, 6, 0, &[Loop(4, 8, 1)]),
    from(4, at(12, 4, 0, &[Loop(4, 8, 1)])),
    from(4, high(6, at(4, 2, 4, &[Loop(4, 8, 1)]))),
];
const K_MINS: &[Slice] = &[
    at(8, 6, 0, &[Loop(4, 8, 1)]),
    from(4, high(4, at(12, 4, 0, &[Loop(4, 8, 1)]))),
    from(4, high(6, at(8, 2, 4, &[Loop(4, 8, 1)]))),
];

/// `bits` bits from the lowest of `byte` on, which are the element's bits from `to` on.
const fn at(byte: usize, bits: u8, to: u8, loops: &'static [Loop]) -> Slice {
    Slice { byte, bit: 0, bits, to, first: 0, loops }
}

/// Digit `place` of base 3 of each byte from `byte` on.
const fn digit(byte: usize, place: u8, loops: &'static [Loop]) -> Slice {
    Slice { byte, bit: 0, bits: 8, to: place, first: 0, loops }
}

/// As `slice`, so many bits higher in the byte.
const fn high(bit: usize, slice: Slice) -> Slice {
    Slice { bit, ..slice }
}

/// As `slice`, beginning with another element.
const fn from(first: usize, slice: Slice) -> Slice {
    Slice { first, ..slice }
}

/// Every format.
pub fn all() -> impl Iterator<Item = &'static Format> {
    PLAIN.iter().chain(FORMATS)
}

/// The format of this name, as in op files.
pub fn find(name: &str) -> Option<&'static Format> {
    all().find(|f| f.name == name)
}

/// The format that GGUF calls by this number.
pub fn by_gguf(number: u32) -> Option<&'static Format> {
    all().find(|f| f.gguf == Some(number))
}
