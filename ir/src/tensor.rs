//! A tensor in host memory: what files, references, tests and the runtime hand to each other.

use crate::dtype::Dtype;

/// Dense, row-major, little-endian. Block formats travel as `u8 [rows, bytes of a row]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Tensor {
    /// Zeros. `dtype` must have whole bytes.
    pub fn zeros(dtype: Dtype, shape: &[usize]) -> Tensor {
        let count: usize = shape.iter().product();
        let bytes = count * dtype.bytes().expect("host tensors hold whole bytes");
        Tensor { dtype, shape: shape.to_vec(), bytes: vec![0; bytes] }
    }

    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Values rounded to `dtype` (to nearest even; integers saturate).
    pub fn from_f64(dtype: Dtype, shape: &[usize], values: &[f64]) -> Tensor {
        let mut t = Tensor::zeros(dtype, shape);
        assert_eq!(values.len(), t.count(), "one value per element");
        for (i, &x) in values.iter().enumerate() {
            t.set(i, x);
        }
        t
    }

    pub fn from_i32(shape: &[usize], values: &[i32]) -> Tensor {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Tensor { dtype: Dtype::I32, shape: shape.to_vec(), bytes }
    }

    /// Element `i` in row-major order.
    pub fn get(&self, i: usize) -> f64 {
        let b = &self.bytes;
        match self.dtype {
            Dtype::F32 => {
                f64::from(f32::from_le_bytes(b[i * 4..][..4].try_into().expect("4 bytes")))
            }
            Dtype::F16 => half::f16::from_le_bytes([b[i * 2], b[i * 2 + 1]]).to_f64(),
            Dtype::BF16 => half::bf16::from_le_bytes([b[i * 2], b[i * 2 + 1]]).to_f64(),
            Dtype::E4M3 => e4m3_to_f64(b[i]),
            // E5M2 is the upper half of an f16.
            Dtype::E5M2 => half::f16::from_le_bytes([0, b[i]]).to_f64(),
            Dtype::I8 => f64::from(b[i] as i8),
            Dtype::U8 | Dtype::Code(_) | Dtype::Bool => f64::from(b[i]),
            Dtype::I16 => f64::from(i16::from_le_bytes([b[i * 2], b[i * 2 + 1]])),
            Dtype::U16 => f64::from(u16::from_le_bytes([b[i * 2], b[i * 2 + 1]])),
            Dtype::I32 => {
                f64::from(i32::from_le_bytes(b[i * 4..][..4].try_into().expect("4 bytes")))
            }
            Dtype::U32 => {
                f64::from(u32::from_le_bytes(b[i * 4..][..4].try_into().expect("4 bytes")))
            }
            Dtype::I64 => i64::from_le_bytes(b[i * 8..][..8].try_into().expect("8 bytes")) as f64,
        }
    }

    pub fn set(&mut self, i: usize, x: f64) {
        let b = &mut self.bytes;
        match self.dtype {
            Dtype::F32 => b[i * 4..][..4].copy_from_slice(&(x as f32).to_le_bytes()),
            Dtype::F16 => b[i * 2..][..2].copy_from_slice(&half::f16::from_f64(x).to_le_bytes()),
            Dtype::BF16 => b[i * 2..][..2].copy_from_slice(&half::bf16::from_f64(x).to_le_bytes()),
            Dtype::E4M3 => b[i] = nearest_code(x, e4m3_to_f64, 0x7e, 0x7f),
            Dtype::E5M2 => {
                let wide = |c| half::f16::from_le_bytes([0, c]).to_f64();
                b[i] = nearest_code(x, wide, 0x7c, 0x7e);
            }
            Dtype::I8 => b[i] = (x.round_ties_even() as i8) as u8,
            Dtype::U8 | Dtype::Code(_) | Dtype::Bool => b[i] = x.round_ties_even() as u8,
            Dtype::I16 => {
                b[i * 2..][..2].copy_from_slice(&(x.round_ties_even() as i16).to_le_bytes())
            }
            Dtype::U16 => {
                b[i * 2..][..2].copy_from_slice(&(x.round_ties_even() as u16).to_le_bytes())
            }
            Dtype::I32 => {
                b[i * 4..][..4].copy_from_slice(&(x.round_ties_even() as i32).to_le_bytes())
            }
            Dtype::U32 => {
                b[i * 4..][..4].copy_from_slice(&(x.round_ties_even() as u32).to_le_bytes())
            }
            Dtype::I64 => {
                b[i * 8..][..8].copy_from_slice(&(x.round_ties_even() as i64).to_le_bytes())
            }
        }
    }

    pub fn to_f64(&self) -> Vec<f64> {
        (0..self.count()).map(|i| self.get(i)).collect()
    }
}

/// OCP OFP8 E4M3: bias 7, no infinities, 0x7f is NaN.
fn e4m3_to_f64(c: u8) -> f64 {
    let sign = if c & 0x80 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((c >> 3) & 15), f64::from(c & 7));
    if c & 0x7f == 0x7f {
        f64::NAN
    } else if exponent == 0 {
        sign * fraction * 2f64.powi(-9)
    } else {
        sign * (1.0 + fraction / 8.0) * 2f64.powi(exponent - 7)
    }
}

/// The code whose value is nearest to `x`, ties to the even code; beyond the largest: `top`.
fn nearest_code(x: f64, value: impl Fn(u8) -> f64, top: u8, nan: u8) -> u8 {
    let sign = if x.is_sign_negative() { 0x80 } else { 0 };
    if x.is_nan() {
        return nan | sign;
    }
    let near = |c: &u8| (value(*c) - x.abs()).abs();
    let finite = (0..=top).filter(|c| value(*c).is_finite());
    let best = finite.min_by(|a, b| near(a).total_cmp(&near(b)).then((a & 1).cmp(&(b & 1))));
    if x.is_infinite() { top | sign } else { best.unwrap_or(0) | sign }
}
