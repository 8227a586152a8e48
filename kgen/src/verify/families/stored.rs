//! Tensors that stand for others: blocks of GGUF formats, codes, scales and zero points.

use super::{Family, Maker};
use crate::verify::sizes::Random;
use kgen_ir::{
    dtype::Dtype,
    format::{self, Format, Role as Field},
    op::{Code, CodeLayout, Codes, Group, Kind, Storage, Zero},
    tensor::Tensor,
};

impl Maker<'_> {
    pub(super) fn blocks(
        &mut self,
        format: &'static Format,
        shape: Vec<usize>,
    ) -> Result<Tensor, String> {
        let mut t = Tensor::zeros(Dtype::U8, &shape);
        if self.family == Family::Zeros {
            return Ok(t);
        }
        let whole = matches!(self.family, Family::Integers | Family::OneHot);
        let one_level = !matches!(format.value, format::Value::TwoLevel { .. });
        for block in t.bytes.chunks_exact_mut(format.bytes) {
            if format.value == format::Value::Plain || (whole && one_level) {
                let values: Vec<f32> = (0..format.block)
                    .map(|e| {
                        if whole {
                            integer_of(format, e, &mut self.random)
                        } else {
                            self.random.normal() as f32
                        }
                    })
                    .collect();
                let bytes = format.encode(&values).map_err(|e| e.to_string())?;
                block.copy_from_slice(&bytes);
                continue;
            }
            for bytes in block.chunks_mut(8) {
                let bits = self.random.bits().to_le_bytes();
                bytes.iter_mut().zip(bits).for_each(|(to, from)| *to = from);
            }
            // Random bits would make some scales NaN.
            for role in [Field::Scale, Field::Min] {
                let Some(field) = format.field(role) else { continue };
                let Some(slice) = field.slices.first() else { continue };
                let x = if whole { 1.0 } else { self.random.normal() * 0.02 };
                let bytes = Tensor::from_f64(Dtype::F16, &[1], &[x]).bytes;
                if let Some(to) = block.get_mut(slice.byte..slice.byte + 2) {
                    to.copy_from_slice(&bytes);
                }
            }
        }
        Ok(t)
    }

    pub(super) fn codes(&mut self, codes: &Codes, dtype: Dtype, shape: Vec<usize>) -> Tensor {
        let mut t = Tensor::zeros(dtype, &shape);
        let row = shape.last().copied().unwrap_or(1).max(1);
        let bits = usize::from(codes.bits.clamp(1, 8));
        for bytes in t.bytes.chunks_exact_mut(row) {
            for e in 0..row * 8 / bits {
                // Ternary has three codes in two bits.
                let code = match codes.code {
                    Code::Ternary => self.random.below(3),
                    Code::Int | Code::Uint | Code::Bipolar | Code::Codebook(_) => {
                        self.random.below(1 << bits)
                    }
                };
                for b in 0..bits {
                    let at = e * bits + b;
                    bytes[at / 8] |= ((code >> b & 1) as u8) << (at % 8);
                }
            }
        }
        t
    }

    /// A tensor of a weight as GPTQ or AWQ store it.
    pub(super) fn of_tool(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Option<Tensor> {
        let Kind::MpGemm(g) = &self.op.kind else { return None };
        let (base, part) = name.rsplit_once('.')?;
        let weight = g.w.iter().find(|w| w.name == base)?;
        let Storage::Codes(codes) = &weight.storage else { return None };
        if codes.layout == CodeLayout::Rows {
            return None;
        }
        let count: usize = shape.iter().product();
        Some(match part {
            "scales" => self.scales(codes, shape),
            "g_idx" => {
                let groups = match codes.group {
                    Group::K(g) => count / usize::try_from(g).unwrap_or(1).max(1),
                    Group::Row | Group::Tensor => 1,
                };
                // As many of each, in any order.
                let mut values: Vec<f64> =
                    (0..count).map(|k| (k * groups / count.max(1)) as f64).collect();
                for i in (1..count).rev() {
                    values.swap(i, self.random.below(i + 1));
                }
                Tensor::from_f64(dtype, shape, &values)
            }
            _ => {
                let bytes = (0..count * 4).map(|_| self.random.bits() as u8).collect();
                Tensor { dtype, shape: shape.to_vec(), bytes }
            }
        })
    }

    pub(super) fn scales(&mut self, codes: &Codes, shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count)
            .map(|_| match self.family {
                Family::Integers | Family::OneHot => 1.0,
                Family::Zeros => 0.0,
                Family::KeyIndex
                | Family::Levels
                | Family::Peaked
                | Family::Normal
                | Family::Large
                | Family::Hidden
                | Family::Broken => 0.05 + 0.01 * self.random.normal(),
            })
            .collect();
        Tensor::from_f64(codes.scale, shape, &values)
    }

    pub(super) fn zeros(&mut self, codes: &Codes, shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        match codes.zero {
            Some(Zero::Float(dtype)) => {
                let values: Vec<f64> = (0..count).map(|_| self.random.integer(3)).collect();
                Tensor::from_f64(dtype, shape, &values)
            }
            Some(Zero::Uint(_)) | None => {
                let bytes = (0..count).map(|_| self.random.bits() as u8).collect();
                Tensor { dtype: Dtype::U8, shape: shape.to_vec(), bytes }
            }
        }
    }
}

/// An integer with which the scale of a block becomes 1.
fn integer_of(format: &Format, e: usize, random: &mut Random) -> f32 {
    let Some(code) = format.field(Field::Code) else { return 0.0 };
    let ends = match (format.value, code.elem.bits()) {
        (format::Value::Affine { .. }, _)
            if matches!(code.elem, format::FieldElem::Ternary | format::FieldElem::Trit) =>
        {
            (-1.0, 1.0)
        }
        (format::Value::Affine { zero }, bits @ 1..=8) => {
            let zero = if zero == 0 && format.field(Field::Min).is_none() {
                1 << (bits - 1)
            } else {
                zero
            };
            (-(zero as f32), ((1 << bits) - 1 - zero) as f32)
        }
        (
            format::Value::Affine { .. } | format::Value::Plain | format::Value::TwoLevel { .. },
            _,
        ) => {
            return random.integer(7) as f32;
        }
    };
    match (e, code.elem) {
        (0, format::FieldElem::Int(_)) => ends.1,
        (0, _) => ends.0,
        (1, _) if format.field(Field::Min).is_some() => ends.1,
        (_, _) => random.integer(7).clamp(f64::from(ends.0), f64::from(ends.1)) as f32,
    }
}

pub(super) fn two_levels(storage: &Storage) -> bool {
    matches!(storage, Storage::Block(f) if matches!(f.value, format::Value::TwoLevel { .. }))
}
