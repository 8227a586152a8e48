//! Stored tensors as real numbers, decoded by hand: plain elements, GGUF blocks, codes with scales and zeros.
//!
//! `w [n, k]` in `q4_0` is `w u8 [n, k / 32 * 18]`; in codes it is `w.codes u8 [n, ceil(k * bits / 8)]` (element
//! `e` of a row at bits `[e * bits, (e + 1) * bits)` of the row, lowest bit first; or one code a byte in a tensor
//! of a code type), `w.scale [n, k / group]`, `w.zero` like the scale.
//!
//! Block layouts: the structs of ggml's `ggml-common.h` and the manual of GGUF.

use crate::{
    RefError,
    inputs::{self, Inputs},
};
use half::f16;
use kgen_ir::{
    dtype::Dtype,
    op::{Code, Codes, Group, Storage, Zero},
    tensor::Tensor,
};

/// A tensor of rows: every dimension but the last, flattened, times `width` elements.
pub struct Stored<'a> {
    name: String,
    /// The leading dimensions found.
    pub lead: Vec<usize>,
    width: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Plain(&'a Tensor),
    Block { data: &'a Tensor, block: Block, row_bytes: usize },
    Codes { codes: &'a Tensor, scale: &'a Tensor, zero: Option<&'a Tensor>, how: &'a Codes },
}

/// GGUF's block types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    TQ1_0,
    TQ2_0,
}

/// Name, type, elements of a block, bytes of a block.
const BLOCKS: &[(&str, Block, usize, usize)] = &[
    ("f32", Block::F32, 1, 4),
    ("f16", Block::F16, 1, 2),
    ("bf16", Block::BF16, 1, 2),
    ("q8_0", Block::Q8_0, 32, 34),
    ("q4_0", Block::Q4_0, 32, 18),
    ("q4_1", Block::Q4_1, 32, 20),
    ("q5_0", Block::Q5_0, 32, 22),
    ("q5_1", Block::Q5_1, 32, 24),
    ("q2_k", Block::Q2K, 256, 84),
    ("q3_k", Block::Q3K, 256, 110),
    ("q4_k", Block::Q4K, 256, 144),
    ("q5_k", Block::Q5K, 256, 176),
    ("q6_k", Block::Q6K, 256, 210),
    ("tq1_0", Block::TQ1_0, 256, 54),
    ("tq2_0", Block::TQ2_0, 256, 66),
];

impl Block {
    pub fn parse(name: &str) -> Option<Block> {
        BLOCKS.iter().find(|row| row.0.eq_ignore_ascii_case(name)).map(|row| row.1)
    }

    /// Elements and bytes of a block.
    pub fn sizes(self) -> (usize, usize) {
        BLOCKS.iter().find(|row| row.1 == self).map_or((1, 1), |row| (row.2, row.3))
    }

    /// The values of one block; `b` holds its bytes.
    pub fn decode(self, b: &[u8], out: &mut Vec<f64>) {
        let half_at = |i: usize| f16::from_le_bytes([b[i], b[i + 1]]).to_f64();
        match self {
            Block::F32 => out.push(f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
            Block::F16 => out.push(half_at(0)),
            Block::BF16 => out.push(half::bf16::from_le_bytes([b[0], b[1]]).to_f64()),
            // d, then 32 signed bytes.
            Block::Q8_0 => out.extend((0..32).map(|e| half_at(0) * f64::from(b[2 + e] as i8))),
            // d, then 16 bytes: low nibbles are elements 0..16, high nibbles 16..32.
            Block::Q4_0 => {
                out.extend((0..32).map(|e| half_at(0) * (f64::from(nibble(&b[2..], e)) - 8.0)));
            }
            // d, m, nibbles.
            Block::Q4_1 => {
                out.extend(
                    (0..32).map(|e| half_at(0) * f64::from(nibble(&b[4..], e)) + half_at(2)),
                );
            }
            // d, 32 fifth bits, nibbles.
            Block::Q5_0 => out.extend((0..32).map(|e| {
                let fifth = (b[2 + e / 8] >> (e % 8)) & 1;
                half_at(0) * (f64::from(nibble(&b[6..], e) + 16 * fifth) - 16.0)
            })),
            // d, m, 32 fifth bits, nibbles.
            Block::Q5_1 => out.extend((0..32).map(|e| {
                let fifth = (b[4 + e / 8] >> (e % 8)) & 1;
                half_at(0) * f64::from(nibble(&b[8..], e) + 16 * fifth) + half_at(2)
            })),
            // 16 bytes of a scale (low) and a min (high) for 16 elements each, 64 bytes of 2-bit codes, d, dmin; each 32
            // bytes of codes hold four runs of 32 elements.
            Block::Q2K => out.extend((0..256).map(|e| {
                let (part, run, l) = (e / 128, e % 128 / 32, e % 32);
                let code = (b[16 + 32 * part + l] >> (2 * run)) & 3;
                let both = b[e / 16];
                half_at(80) * f64::from(both & 15) * f64::from(code)
                    - half_at(82) * f64::from(both >> 4)
            })),
            // 32 bytes of third bits, 64 bytes of low bit pairs as in q2_k, 12 bytes of sixteen 6-bit scales, d. Bit j of
            // byte l of the third bits belongs to element 32 j + l; a code without it counts 4 less.
            Block::Q3K => out.extend((0..256).map(|e| {
                let (part, run, l) = (e / 128, e % 128 / 32, e % 32);
                let low = (b[32 + 32 * part + l] >> (2 * run)) & 3;
                let third = (b[l] >> (e / 32)) & 1;
                let code = f64::from(low) - if third == 1 { 0.0 } else { 4.0 };
                let s = e / 16;
                let nib = if s < 8 { b[96 + s] & 15 } else { b[96 + s - 8] >> 4 };
                let top = (b[104 + s % 4] >> (2 * (s / 4))) & 3;
                half_at(108) * (f64::from(nib + 16 * top) - 32.0) * code
            })),
            // d, dmin, 12 bytes of eight 6-bit scales and mins, 128 bytes: 32 of them hold two sub-blocks of 32.
            Block::Q4K => out.extend((0..256).map(|e| {
                let sub = e / 32;
                let (scale, min) = six_bits(&b[4..16], sub);
                let byte = b[16 + sub / 2 * 32 + e % 32];
                let code = if sub % 2 == 0 { byte & 15 } else { byte >> 4 };
                half_at(0) * f64::from(scale) * f64::from(code) - half_at(2) * f64::from(min)
            })),
            // As q4_k, with 32 bytes of fifth bits before the nibbles: bit j of byte l belongs to element 32 j + l.
            Block::Q5K => out.extend((0..256).map(|e| {
                let sub = e / 32;
                let (scale, min) = six_bits(&b[4..16], sub);
                let byte = b[48 + sub / 2 * 32 + e % 32];
                let low = if sub % 2 == 0 { byte & 15 } else { byte >> 4 };
                let code = low + 16 * ((b[16 + e % 32] >> sub) & 1);
                half_at(0) * f64::from(scale) * f64::from(code) - half_at(2) * f64::from(min)
            })),
            // 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, d; in halves of 128 elements.
            Block::Q6K => out.extend((0..256).map(|e| {
                let (part, quarter, l) = (e / 128, e % 128 / 32, e % 32);
                let byte = b[64 * part + 32 * (quarter % 2) + l];
                let low = if quarter < 2 { byte & 15 } else { byte >> 4 };
                let high = (b[128 + 32 * part + l] >> (2 * quarter)) & 3;
                let scale = f64::from(b[192 + e / 16] as i8);
                half_at(208) * scale * (f64::from(low + 16 * high) - 32.0)
            })),
            // 48 bytes of five digits of base 3, then 4 bytes of four, d. Digit n of the first 32 bytes belongs to elements
            // 32 n .., of the next 16 bytes to 160 + 16 n .., of the last 4 to 240 + 4 n ..
            Block::TQ1_0 => out.extend((0..256).map(|e| {
                let (byte, place) = match e {
                    0..160 => (e % 32, e / 32),
                    160..240 => (32 + (e - 160) % 16, (e - 160) / 16),
                    _ => (48 + (e - 240) % 4, (e - 240) / 4),
                };
                half_at(52) * (base3(b[byte], place) - 1.0)
            })),
            // 64 bytes of 2-bit codes as in q2_k, d.
            Block::TQ2_0 => out.extend((0..256).map(|e| {
                let (part, run, l) = (e / 128, e % 128 / 32, e % 32);
                half_at(64) * (f64::from((b[32 * part + l] >> (2 * run)) & 3) - 1.0)
            })),
        }
    }
}

/// The first digit of base 3 of a fraction of 256, after `shift` digits.
fn base3(byte: u8, shift: usize) -> f64 {
    let mut rest = f64::from(byte);
    for _ in 0..shift {
        rest = (rest * 3.0) % 256.0;
    }
    (rest * 3.0 / 256.0).floor()
}

/// Code `e` of 32: nibbles, low halves first.
fn nibble(b: &[u8], e: usize) -> u8 {
    if e < 16 { b[e] & 15 } else { b[e - 16] >> 4 }
}

/// Scale and min of sub-block `j` in the 12 bytes of a K-quant.
fn six_bits(b: &[u8], j: usize) -> (u8, u8) {
    if j < 4 {
        (b[j] & 63, b[j + 4] & 63)
    } else {
        ((b[j + 4] & 15) | (b[j - 4] >> 6 << 4), (b[j + 4] >> 4) | (b[j] >> 6 << 4))
    }
}

impl<'a> Stored<'a> {
    /// Opens `name`, whose leading dimensions are `lead` (`None`: any) and whose rows hold `width` elements.
    pub fn open(
        inputs: &'a Inputs,
        name: &str,
        storage: &'a Storage,
        lead: &[Option<usize>],
        width: usize,
    ) -> Result<Stored<'a>, RefError> {
        let with = |lead: &[Option<usize>], last: usize| {
            lead.iter().copied().chain([Some(last)]).collect::<Vec<_>>()
        };
        let (kind, found) = match storage {
            Storage::Plain(dtype) => {
                let t = inputs::typed(inputs, name, *dtype, &with(lead, width))?;
                (Kind::Plain(t), &t.shape)
            }
            Storage::Block(format) => {
                let block = Block::parse(format.name)
                    .ok_or_else(|| RefError::NotYet(format!("the format {}", format.name)))?;
                let (elements, bytes) = block.sizes();
                if !width.is_multiple_of(elements) {
                    return Err(RefError::Op(format!(
                        "`{name}`: rows of {width} elements are no whole blocks of {elements}"
                    )));
                }
                let row_bytes = width / elements * bytes;
                let data = inputs::typed(inputs, name, Dtype::U8, &with(lead, row_bytes))?;
                (Kind::Block { data, block, row_bytes }, &data.shape)
            }
            Storage::Codes(how) => return Stored::open_codes(inputs, name, how, lead, width),
        };
        let lead = found.iter().copied().take(lead.len()).collect();
        Ok(Stored { name: name.into(), lead, width, kind })
    }

    fn open_codes(
        inputs: &'a Inputs,
        name: &str,
        how: &'a Codes,
        lead: &[Option<usize>],
        width: usize,
    ) -> Result<Stored<'a>, RefError> {
        if !(1..=8).contains(&how.bits) {
            return Err(RefError::NotYet(format!("`{name}`: codes of {} bits", how.bits)));
        }
        if how.code == Code::Ternary && how.bits != 2 {
            return Err(RefError::NotYet(format!("`{name}`: ternary codes in base 3")));
        }
        let shape_of = |lead: &[Option<usize>], last: usize| {
            lead.iter().copied().chain([Some(last)]).collect::<Vec<_>>()
        };
        let part = |suffix: &str, bits: u8, lead: &[Option<usize>], count: usize| {
            let full = format!("{name}.{suffix}");
            let t = inputs::tensor(inputs, &full)?;
            let last = if one_a_byte(t.dtype) { count } else { packed(count, bits) };
            inputs::shaped(inputs, &full, &shape_of(lead, last))?;
            if matches!(t.dtype, Dtype::U8 | Dtype::I8) || t.dtype == Dtype::Code(bits) {
                return Ok(t);
            }
            let wanted = format!("u8 or u{bits}");
            Err(RefError::Element { name: full, wanted, found: t.dtype })
        };
        let codes = part("codes", how.bits, lead, width)?;
        let found: Vec<usize> = codes.shape.iter().copied().take(lead.len()).collect();
        if let Code::Codebook(table) = &how.code
            && table.len() != 1 << how.bits
        {
            return Err(RefError::Op(format!(
                "`{name}`: a codebook of {} bits has {} values, not {}",
                how.bits,
                1 << how.bits,
                table.len()
            )));
        }
        let fixed: Vec<Option<usize>> = found.iter().map(|&x| Some(x)).collect();
        let scale_shape = match how.group {
            Group::Tensor => vec![Some(1)],
            Group::Row => fixed.clone(),
            Group::K(g) => {
                let groups = usize::try_from(g).ok().filter(|&g| g > 0 && width.is_multiple_of(g));
                let groups = groups.ok_or_else(|| {
                    RefError::Op(format!("`{name}`: {width} elements are no groups of {g}"))
                })?;
                shape_of(&fixed, width / groups)
            }
        };
        let scale = inputs::typed(inputs, &format!("{name}.scale"), how.scale, &scale_shape)?;
        let zero = match how.zero {
            None => None,
            Some(Zero::Float(dtype)) => {
                Some(inputs::typed(inputs, &format!("{name}.zero"), dtype, &scale_shape)?)
            }
            Some(Zero::Uint(bits)) => {
                // Packed along the last dimension of the scales.
                let last = scale_shape.last().copied().flatten().unwrap_or(1);
                let lead = scale_shape.split_last().map_or(&[][..], |(_, lead)| lead);
                Some(part("zero", bits, lead, last)?)
            }
        };
        let kind = Kind::Codes { codes, scale, zero, how };
        Ok(Stored { name: name.into(), lead: found, width, kind })
    }

    /// The values of row `r`.
    pub fn row(&self, r: usize) -> Result<Vec<f64>, RefError> {
        let rows: usize = self.lead.iter().product();
        if r >= rows {
            return Err(RefError::Index {
                name: self.name.clone(),
                at: r,
                value: i64::try_from(r).unwrap_or(i64::MAX),
                limit: rows,
            });
        }
        let w = self.width;
        Ok(match &self.kind {
            Kind::Plain(t) => (r * w..(r + 1) * w).map(|i| t.get(i)).collect(),
            Kind::Block { data, block, row_bytes } => {
                let mut out = Vec::with_capacity(w);
                for b in data.bytes[r * row_bytes..][..*row_bytes].chunks_exact(block.sizes().1) {
                    block.decode(b, &mut out);
                }
                out
            }
            Kind::Codes { codes, scale, zero, how } => (0..w)
                .map(|e| {
                    let c = code_value(&how.code, how.bits, code(codes, r, e, how.bits, w));
                    // Which scale, counted through all scales; and its place in the last dimension.
                    let (s, row, place, last) = match how.group {
                        Group::Tensor => (0, 0, 0, 1),
                        Group::Row => {
                            let last = self.lead.last().copied().unwrap_or(1);
                            (r, r / last, r % last, last)
                        }
                        Group::K(g) => {
                            let g = g as usize;
                            (r * (w / g) + e / g, r, e / g, w / g)
                        }
                    };
                    let z = match (zero, how.zero) {
                        (Some(t), Some(Zero::Float(_))) => t.get(s),
                        (Some(t), Some(Zero::Uint(bits))) => {
                            f64::from(code(t, row, place, bits, last))
                        }
                        (None, _) | (Some(_), None) => 0.0,
                    };
                    scale.get(s) * (c - z)
                })
                .collect(),
        })
    }
}

fn one_a_byte(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Code(_))
}

/// Bytes of `count` codes of `bits`.
fn packed(count: usize, bits: u8) -> usize {
    (count * usize::from(bits)).div_ceil(8)
}

/// Code `e` of row `r`, unsigned.
fn code(t: &Tensor, r: usize, e: usize, bits: u8, width: usize) -> u8 {
    let mask = ((1u16 << bits) - 1) as u8;
    if one_a_byte(t.dtype) {
        return t.bytes[r * width + e] & mask;
    }
    let row = &t.bytes[r * packed(width, bits)..][..packed(width, bits)];
    let mut c = 0;
    for bit in 0..usize::from(bits) {
        let at = e * usize::from(bits) + bit;
        c |= ((row[at / 8] >> (at % 8)) & 1) << bit;
    }
    c
}

/// What a stored code means before its zero and scale.
fn code_value(how: &Code, bits: u8, c: u8) -> f64 {
    let span = f64::from(1u16 << bits);
    let c_real = f64::from(c);
    match how {
        Code::Int if c_real >= span / 2.0 => c_real - span,
        Code::Int | Code::Uint => c_real,
        Code::Bipolar => 2.0 * c_real - (span - 1.0),
        Code::Ternary => c_real - 1.0,
        Code::Codebook(table) => table.get(usize::from(c)).copied().unwrap_or(f64::NAN),
    }
}
