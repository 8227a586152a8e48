//! Rounds floats to blocks of a format whose scales have one level: `q4_0`, `q4_1`, `q8_0`, `tq2_0`, floats.
//!
//! The scale is chosen as ggml's reference quantisation chooses it, so that both give the same bytes.

use super::{Field, FieldElem, Format, Role, Value};
use crate::dtype::Dtype;

/// Why floats cannot be brought into a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error(
        "{0} has scales of two levels, kgen does not search for them; use a tool that quantises models"
    )]
    Levels(&'static str),
    #[error("a row of {format} is whole blocks of {block} elements, {found} elements are none")]
    Length { format: &'static str, block: usize, found: usize },
}

impl Format {
    /// The blocks of a row of values.
    pub fn encode(&self, values: &[f32]) -> Result<Vec<u8>, EncodeError> {
        if !values.len().is_multiple_of(self.block) {
            let (format, block) = (self.name, self.block);
            return Err(EncodeError::Length { format, block, found: values.len() });
        }
        let mut out = Vec::new();
        for part in values.chunks_exact(self.block) {
            let mut block = vec![0; self.bytes];
            self.encode_block(part, &mut block)?;
            out.extend(block);
        }
        Ok(out)
    }

    fn encode_block(&self, values: &[f32], block: &mut [u8]) -> Result<(), EncodeError> {
        let refuse = || EncodeError::Levels(self.name);
        let code = self.field(Role::Code).ok_or_else(refuse)?;
        let codes: Vec<u32> = match self.value {
            Value::Plain => values.iter().map(|&x| float_field(code, x)).collect(),
            Value::TwoLevel { .. } => return Err(refuse()),
            Value::Affine { zero } => {
                let (least, most) = range(code.elem, zero).ok_or_else(refuse)?;
                let scale = self.field(Role::Scale).filter(|f| f.count == 1).ok_or_else(refuse)?;
                let min = self.field(Role::Min);
                let (low, step) = match min {
                    None => (0.0, step(values, least, most)),
                    Some(_) => {
                        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
                        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        (low, (high - low) / (most - least) as f32)
                    }
                };
                scale.write(&[float_field(scale, step)], block);
                if let Some(min) = min {
                    min.write(&[float_field(min, low)], block);
                }
                let inverse = if step == 0.0 { 0.0 } else { 1.0 / step };
                let round = |&x: &f32| {
                    let q = nearest((x - low) * inverse, zero, code.elem) as i32;
                    q.clamp(least + zero, most + zero) as u32
                };
                values.iter().map(round).collect()
            }
        };
        code.write(&codes, block);
        Ok(())
    }
}

/// The codes less `zero` that an element type can hold.
fn range(elem: FieldElem, zero: i32) -> Option<(i32, i32)> {
    match elem {
        FieldElem::Uint(bits) => Some((-zero, (1 << bits) - 1 - zero)),
        FieldElem::Int(bits) => Some((1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1)),
        // `zero` is the code of 0.
        FieldElem::Ternary | FieldElem::Trit => Some((-1, 1)),
        FieldElem::Float(_) | FieldElem::Biased(..) => None,
    }
}

/// Without a min: the largest value takes the code farthest from zero, with its sign.
fn step(values: &[f32], least: i32, most: i32) -> f32 {
    let largest = values.iter().copied().fold(0f32, |a, x| if x.abs() > a.abs() { x } else { a });
    if -least > most { largest / least as f32 } else { largest.abs() / most as f32 }
}

/// ggml rounds signed codes half away from zero, unsigned ones by adding zero point and a half before it cuts.
fn nearest(x: f32, zero: i32, elem: FieldElem) -> f32 {
    match elem {
        FieldElem::Int(_)
        | FieldElem::Float(_)
        | FieldElem::Biased(..)
        | FieldElem::Ternary
        | FieldElem::Trit => x.round() + zero as f32,
        FieldElem::Uint(_) => (x + (zero as f32 + 0.5)).floor(),
    }
}

fn float_field(field: &Field, x: f32) -> u32 {
    match field.elem {
        FieldElem::Float(dtype) => float_bits(dtype, x).unwrap_or(0),
        FieldElem::Uint(_)
        | FieldElem::Int(_)
        | FieldElem::Biased(..)
        | FieldElem::Ternary
        | FieldElem::Trit => 0,
    }
}

/// The bits of `x` rounded to a float type; `None` for other types.
pub fn float_bits(dtype: Dtype, x: f32) -> Option<u32> {
    match dtype {
        Dtype::F32 => Some(x.to_bits()),
        Dtype::F16 => Some(half::f16::from_f32(x).to_bits().into()),
        Dtype::BF16 => Some(half::bf16::from_f32(x).to_bits().into()),
        Dtype::E4M3
        | Dtype::E5M2
        | Dtype::I8
        | Dtype::U8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::Code(_)
        | Dtype::Bool => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{random, rows};
    use super::*;

    #[test]
    fn decoding_gives_the_nearest_codes() {
        let mut next = random::numbers(3);
        for format in rows::all().filter(|f| !matches!(f.value, Value::TwoLevel { .. })) {
            let values: Vec<f32> =
                (0..format.block * 9).map(|_| random::signed_unit(&mut next)).collect();
            let blocks = format.encode(&values).unwrap();
            assert_eq!(blocks.len(), 9 * format.bytes);
            let bits = format.field(Role::Code).unwrap().elem.bits();
            // Half a step of codes between -1.1 and 1.1, and the end that q4_0 cuts off.
            let near = 2.2 / f64::from((1u64 << bits.min(8)) as u32) + 0.01;
            for (block, wanted) in blocks.chunks(format.bytes).zip(values.chunks(format.block)) {
                for (x, y) in format.decode(block).unwrap().iter().zip(wanted) {
                    assert!(f64::from((x - y).abs()) <= near, "{} {x} {y}", format.name);
                }
            }
        }
    }

    #[test]
    fn zeros_stay_zeros() {
        for format in rows::all().filter(|f| !matches!(f.value, Value::TwoLevel { .. })) {
            let blocks = format.encode(&vec![0.0; format.block]).unwrap();
            assert!(format.decode(&blocks).unwrap().iter().all(|&x| x == 0.0), "{}", format.name);
            assert_eq!(format.encode(&[]).unwrap(), []);
        }
    }

    #[test]
    fn q4_0_by_hand() {
        // -8 takes code 0 with scale 1, so 7 takes code 15; 7.9 has no code above it.
        let mut values = vec![0.0; 32];
        (values[0], values[1], values[2]) = (-8.0, 7.0, 7.9);
        let block = rows::find("q4_0").unwrap().encode(&values).unwrap();
        assert_eq!(block[..5], [0x00, 0x3c, 0x80, 0x8f, 0x8f]);
    }

    #[test]
    fn what_cannot_be_encoded_is_told() {
        let error = |name: &str, n| rows::find(name).unwrap().encode(&vec![0.0; n]).unwrap_err();
        assert_eq!(
            error("q4_k", 256).to_string(),
            "q4_k has scales of two levels, kgen does not search for them; use a tool that quantises models"
        );
        assert_eq!(
            error("q8_0", 31).to_string(),
            "a row of q8_0 is whole blocks of 32 elements, 31 elements are none"
        );
    }
}
