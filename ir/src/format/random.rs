//! Random blocks, the same for the same seed: for tests and for sample files.

use super::{FieldElem, Format, encode::float_bits};

/// Numbers of a seed (xorshift64*).
pub fn numbers(seed: u64) -> impl FnMut() -> u64 {
    // Neighbouring seeds shall not begin alike; 0 would stay 0.
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// A number of [-1, 1), a multiple of 2^-23.
pub fn signed_unit(next: &mut impl FnMut() -> u64) -> f32 {
    (next() >> 40) as f32 / 8_388_608.0 - 1.0
}

impl Format {
    /// Any codes; floats between -1 and 1.
    pub fn random_block(&self, next: &mut impl FnMut() -> u64) -> Vec<u8> {
        let mut block: Vec<u8> = (0..self.bytes).map(|_| (next() >> 32) as u8).collect();
        for field in self.fields {
            if let FieldElem::Float(dtype) = field.elem {
                let one = |_| float_bits(dtype, signed_unit(next)).unwrap_or(0);
                let bits: Vec<u32> = (0..field.count).map(one).collect();
                field.write(&bits, &mut block);
            }
        }
        block
    }
}
