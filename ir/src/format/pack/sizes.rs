//! How large packed weights are, and where each element stands.

use super::{Bits, PAIR, PackError, Packing, QUAD};
use crate::dtype::Dtype;

/// Sizes in bytes of a packed weight; every number has been checked against overflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub rows: usize,
    pub k: usize,
    /// From a unit to the next (plain floats: from one k to the next).
    pub container: usize,
    /// From the start of a group to its inner factors, its scales, its mins, its zero points.
    pub inner: Option<usize>,
    pub scale: Option<usize>,
    pub min: Option<usize>,
    pub zeros: Option<usize>,
    /// From a group to the next.
    pub group: usize,
    /// From a block of rows to the next.
    pub block: usize,
    /// All of it.
    pub bytes: usize,
}

impl Packing {
    /// Sizes of `rows` rows of `k` elements; a last block of rows and a last group are whole.
    pub fn sizes(&self, rows: usize, k: usize) -> Result<Sizes, PackError> {
        self.check().map_err(|why| PackError::Packing { packing: self.to_string(), why })?;
        self.checked_sizes(rows, k).ok_or(PackError::Overflow { n: rows, k })
    }

    fn checked_sizes(&self, rows: usize, k: usize) -> Option<Sizes> {
        let part = |dtype: Dtype| self.lanes.checked_mul(dtype.bytes()?);
        let (container, codes) = match self.is_codes() {
            _ if self.in_fragments() => {
                let container = self.chunk_bytes();
                (container, container.checked_mul(self.group / self.word())?)
            }
            true => {
                let container = self.lanes.checked_mul(QUAD * self.words())?;
                (container, container.checked_mul(self.group.div_ceil(self.word()))?)
            }
            false if self.is_pairs() => {
                let container = self.lanes.checked_mul(4)?;
                (container, container.checked_mul(self.group / PAIR)?)
            }
            false => (part(self.elem)?, part(self.elem)?.checked_mul(self.group)?),
        };
        let mut end = codes;
        let mut factors = None;
        if let Some(inner) = &self.inner {
            factors = Some(end);
            end = end.checked_add(self.inner_bytes(inner)?)?;
        }
        let mut after = |dtype: Option<Dtype>| -> Option<Option<usize>> {
            let Some(dtype) = dtype else { return Some(None) };
            // A min wider than the scales of few lanes would else straddle.
            let at = end.checked_next_multiple_of(dtype.bytes()?)?;
            end = at.checked_add(part(dtype)?)?;
            Some(Some(at))
        };
        let scale = after(self.scale)?;
        let min = after(self.min)?;
        let zeros = after(self.zeros)?;
        let group = if self.in_fragments() {
            // What the widest load wants; whole sectors where it reads nothing but the 16 rows.
            end.checked_next_multiple_of(2 * self.lanes)?
        } else if self.elem.is_float() {
            end
        } else {
            end.checked_next_multiple_of(4)?
        };
        let block = k.div_ceil(self.group).checked_mul(group)?;
        let bytes = rows.div_ceil(self.lanes).checked_mul(block)?;
        // Offsets in bits must be numbers too, and no slice is longer than this.
        (bytes <= isize::MAX as usize / 8).then_some(())?;
        Some(Sizes { rows, k, container, inner: factors, scale, min, zeros, group, block, bytes })
    }

    /// Bytes of `rows` rows of `k` elements.
    pub fn bytes(&self, rows: usize, k: usize) -> Result<usize, PackError> {
        Ok(self.sizes(rows, k)?.bytes)
    }

    /// Bytes from a block of rows to the next.
    pub fn block_stride(&self, k: usize) -> Result<usize, PackError> {
        Ok(self.sizes(0, k)?.block)
    }

    /// Bytes from a group along k to the next.
    pub fn group_stride(&self) -> Result<usize, PackError> {
        Ok(self.sizes(0, 0)?.group)
    }

    /// Where the bits of element (n, k) stand, of floats and trits its bytes; `None` outside the weight.
    pub fn offset_codes(&self, s: &Sizes, n: usize, k: usize) -> Option<Vec<Bits>> {
        let (start, lane) = self.group_at(s, n, k)?;
        let kk = k % self.group;
        let one = |byte, width| vec![Bits { byte, bit: 0, width, low: 0 }];
        if self.in_fragments() {
            let spot = self.spot(lane, kk);
            let byte = start + self.word_byte(spot) + spot.bit as usize / 8;
            return Some(vec![Bits { byte, bit: spot.bit % 8, width: self.elem.bits(), low: 0 }]);
        }
        Some(match self.is_codes() {
            true => {
                let unit = start + kk / self.word() * s.container + lane * QUAD;
                self.bits_in_unit(kk % self.word(), unit)
            }
            false if self.is_pairs() => {
                one(start + kk / PAIR * s.container + lane * 4 + kk % PAIR * 2, 16)
            }
            false => one(start + kk * s.container + lane * self.elem.bytes()?, self.elem.bits()),
        })
    }

    /// Byte of the scale of element (n, k).
    pub fn offset_scale(&self, s: &Sizes, n: usize, k: usize) -> Option<usize> {
        let (start, lane) = self.group_at(s, n, k)?;
        Some(start + s.scale? + lane * self.scale?.bytes()?)
    }

    /// Byte of the min of element (n, k).
    pub fn offset_min(&self, s: &Sizes, n: usize, k: usize) -> Option<usize> {
        let (start, lane) = self.group_at(s, n, k)?;
        Some(start + s.min? + lane * self.min?.bytes()?)
    }

    /// Byte of the zero point of element (n, k).
    pub fn offset_zeros(&self, s: &Sizes, n: usize, k: usize) -> Option<usize> {
        let (start, lane) = self.group_at(s, n, k)?;
        Some(start + s.zeros? + lane * self.zeros?.bytes()?)
    }

    /// Start of the group of element (n, k), and its lane.
    pub(super) fn group_at(&self, s: &Sizes, n: usize, k: usize) -> Option<(usize, usize)> {
        let rows = s.rows.checked_next_multiple_of(self.lanes)?;
        (n < rows && k < s.k.checked_next_multiple_of(self.group)?)
            .then(|| (n / self.lanes * s.block + k / self.group * s.group, n % self.lanes))
    }
}

impl Sizes {
    /// Bytes of a word of all lanes.
    pub(super) fn word(&self, of: &Packing) -> usize {
        of.lanes * QUAD
    }
}
