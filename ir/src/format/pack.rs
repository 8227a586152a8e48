//! Packed weights: the form an instruction row asks for, and how a stored weight gets there.

use super::{FieldElem, Fields, Format, Role, Value};
use crate::dtype::Dtype;

/// Rows in blocks of `lanes`, one 32-bit lane per row; a lane's word holds four neighbours along k.
///
/// A group of `group` elements along k is codes (containers of `4 * lanes` bytes), then `lanes` scales, then
/// `lanes` mins. Element (n, k): block `n / lanes`, lane `n % lanes`, group `k / group`; with `kk = k % group` and
/// `fields = 8 / bits`, container `kk / (4 * fields)`, field `kk / 4 % fields`, byte `kk % 4` of the lane's word.
/// Rows behind the last are zeros. As a layout of a `u4` container of 4 lanes (offset bits, then bits in a byte):
/// `offset = k0 k1 n0 n1, bit = c0 c1 k2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packing {
    /// `u4` or `u8`.
    pub elem: Dtype,
    /// Rows of a block.
    pub lanes: usize,
    /// Elements along k that share a scale.
    pub group: usize,
    pub scale: Option<Dtype>,
    pub min: Option<Dtype>,
    /// Value = `scale * (code - zero) + min`.
    pub zero: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    #[error("{format} is no format of codes and scales: it needs no packing")]
    Plain { format: &'static str },
    #[error("{format} blocks hold {block} elements: k = {k} is no multiple")]
    Ragged { format: &'static str, block: usize, k: usize },
    #[error("{n} x {k} elements of {format} are {needed} bytes, {found} are given")]
    Length { format: &'static str, n: usize, k: usize, needed: usize, found: usize },
    #[error("{n} x {k} elements are more than this machine can address")]
    TooLarge { n: usize, k: usize },
}

impl Packing {
    /// Codes of at most 4 bits two to a byte, others one; scales as stored, products of two levels as f32.
    pub fn for_format(format: &'static Format, lanes: usize) -> Result<Packing, PackError> {
        let code = format.field(Role::Code).map(|f| f.elem);
        let zero = match (format.value, code) {
            (Value::Plain, _) | (_, None) => return Err(PackError::Plain { format: format.name }),
            // Dots take unsigned codes: signed ones are moved up.
            (Value::Affine { zero } | Value::TwoLevel { zero }, Some(FieldElem::Int(bits))) => zero + (1 << (bits - 1)),
            (Value::Affine { zero } | Value::TwoLevel { zero }, Some(_)) => zero,
        };
        let wide = matches!(format.value, Value::TwoLevel { .. });
        let level = if wide { Dtype::F32 } else { Dtype::F16 };
        let bits = code.map_or(8, FieldElem::bits);
        Ok(Packing {
            elem: if bits <= 4 { Dtype::Code(4) } else { Dtype::U8 },
            lanes,
            group: format.group(),
            scale: Some(level),
            min: format.field(Role::Min).map(|_| level),
            zero,
        })
    }

    fn fields(&self) -> usize {
        8 / self.elem.bits().max(1) as usize
    }

    fn code_bytes(&self) -> usize {
        self.group * self.lanes * self.elem.bits() as usize / 8
    }

    fn level_bytes(&self, elem: Option<Dtype>) -> usize {
        elem.and_then(Dtype::bytes).unwrap_or(0) * self.lanes
    }

    /// Bytes into a group at which its scales start.
    pub fn scale_offset(&self) -> usize {
        self.code_bytes()
    }

    /// Bytes into a group at which its mins start.
    pub fn min_offset(&self) -> usize {
        self.code_bytes() + self.level_bytes(self.scale)
    }

    /// Bytes of a group of all lanes.
    pub fn group_stride(&self) -> usize {
        self.min_offset() + self.level_bytes(self.min)
    }

    /// Bytes of a block of rows of `k` elements.
    pub fn block_stride(&self, k: usize) -> usize {
        k.div_ceil(self.group) * self.group_stride()
    }

    /// Bytes of `n` rows of `k` elements; `None` if that is too much.
    pub fn bytes(&self, n: usize, k: usize) -> Option<usize> {
        n.div_ceil(self.lanes).checked_mul(k.div_ceil(self.group))?.checked_mul(self.group_stride())
    }

    /// Container of element `kk` of a group.
    pub fn container_of(&self, kk: usize) -> usize {
        kk / (4 * self.fields())
    }

    /// First bit of element `kk` of a group, in its lane's word.
    pub fn shift_of(&self, kk: usize) -> u32 {
        (kk % 4) as u32 * 8 + (kk / 4 % self.fields()) as u32 * self.elem.bits()
    }

    /// Re-encodes `n` rows of `k` elements.
    pub fn pack(&self, format: &'static Format, bytes: &[u8], n: usize, k: usize) -> Result<Vec<u8>, PackError> {
        let total = self.bytes(n, k).ok_or(PackError::TooLarge { n, k })?;
        let mut out = vec![0; total];
        let blocks = n.div_ceil(self.lanes);
        for block in 0..blocks {
            let stride = self.block_stride(k);
            self.pack_block(format, bytes, n, k, block, &mut out[block * stride..][..stride])?;
        }
        Ok(out)
    }

    /// One block of `lanes` rows, into [`Packing::block_stride`] zeroed bytes.
    pub fn pack_block(
        &self,
        format: &'static Format,
        bytes: &[u8],
        n: usize,
        k: usize,
        block: usize,
        out: &mut [u8],
    ) -> Result<(), PackError> {
        let row = format.row_bytes(k).ok_or(PackError::Ragged { format: format.name, block: format.block, k })?;
        let needed = row.checked_mul(n).ok_or(PackError::TooLarge { n, k })?;
        if bytes.len() != needed {
            return Err(PackError::Length { format: format.name, n, k, needed, found: bytes.len() });
        }
        // What moves signed codes up to unsigned ones.
        let mut fields = Fields::default();
        for lane in 0..self.lanes {
            let r = block * self.lanes + lane;
            if r >= n {
                break;
            }
            for b in 0..k / format.block {
                let source = &bytes[r * row + b * format.bytes..][..format.bytes];
                if format.read(source, &mut fields).is_err() {
                    continue;
                }
                let up = self.zero - fields.zero;
                for g in 0..format.block / self.group {
                    let group = (b * format.block / self.group + g) * self.group_stride();
                    for kk in 0..self.group {
                        let code = (fields.codes[g * self.group + kk] + up) as u32;
                        let at = group + self.container_of(kk) * 4 * self.lanes + lane * 4;
                        let shift = self.shift_of(kk);
                        out[at + shift as usize / 8] |= (code << (shift % 8)) as u8;
                    }
                    self.put(self.scale, fields.scale.get(g), group + self.scale_offset(), lane, out);
                    self.put(self.min, fields.min.get(g), group + self.min_offset(), lane, out);
                }
            }
        }
        Ok(())
    }

    fn put(&self, elem: Option<Dtype>, x: Option<&f32>, at: usize, lane: usize, out: &mut [u8]) {
        let (Some(elem), Some(&x)) = (elem, x) else { return };
        match elem.bytes() {
            Some(2) => out[at + lane * 2..][..2].copy_from_slice(&half::f16::from_f32(x).to_le_bytes()),
            _ => out[at + lane * 4..][..4].copy_from_slice(&x.to_le_bytes()),
        }
    }

    /// The value of element (n, k), as the formula computed in f32 rounds.
    pub fn value(&self, packed: &[u8], n: usize, k: usize, columns: usize) -> f32 {
        let (lane, kk) = (n % self.lanes, k % self.group);
        let group = n / self.lanes * self.block_stride(columns) + k / self.group * self.group_stride();
        let at = group + self.container_of(kk) * 4 * self.lanes + lane * 4;
        let shift = self.shift_of(kk);
        let mask = ((1u32 << self.elem.bits()) - 1) as u8;
        let code = i32::from(packed[at + shift as usize / 8] >> (shift % 8) & mask);
        let level = |elem: Option<Dtype>, at: usize| match elem.and_then(Dtype::bytes) {
            Some(2) => half::f16::from_le_bytes([packed[at + lane * 2], packed[at + lane * 2 + 1]]).to_f32(),
            Some(_) => f32::from_le_bytes([0, 1, 2, 3].map(|i| packed[at + lane * 4 + i])),
            None => 0.0,
        };
        let product = level(self.scale, group + self.scale_offset()) * (code - self.zero) as f32;
        if self.min.is_some() { product + level(self.min, group + self.min_offset()) } else { product }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rows;

    #[test]
    fn packing_keeps_every_value() {
        let mut state = 7u64;
        for format in rows::FORMATS {
            for (n, lanes) in [(1, 4), (5, 4), (16, 16), (17, 8)] {
                let k = format.block * 2;
                let row = format.row_bytes(k).unwrap();
                let bytes: Vec<u8> = (0..n * row)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        // Small exponents: every scale is finite.
                        (state >> 33) as u8 & 0x3b
                    })
                    .collect();
                let packing = Packing::for_format(format, lanes).unwrap();
                let packed = packing.pack(format, &bytes, n, k).unwrap();
                assert_eq!(packing.bytes(n, k), Some(packed.len()));
                for r in 0..n {
                    let values: Vec<f32> = bytes[r * row..][..row]
                        .chunks(format.bytes)
                        .flat_map(|b| format.decode(b).unwrap())
                        .collect();
                    for (c, x) in values.iter().enumerate() {
                        assert_eq!(packing.value(&packed, r, c, k), *x, "{} row {r} k {c}", format.name);
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let format = rows::find("q4_0").unwrap();
        let packing = Packing::for_format(format, 4).unwrap();
        assert!(matches!(packing.pack(format, &[], 1, 33), Err(PackError::Ragged { .. })));
        assert!(matches!(packing.pack(format, &[0; 17], 1, 32), Err(PackError::Length { .. })));
        assert!(packing.pack(format, &[], usize::MAX, 32).is_err());
        assert!(Packing::for_format(rows::find("f16").unwrap(), 4).is_err());
    }
}
