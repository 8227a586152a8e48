//! Packed weights: the form an instruction row asks for, and how a stored weight gets there.

use crate::dtype::Dtype;

/// Rows in blocks of `lanes`, one 32-bit lane per row; a lane's word holds `quad` neighbours along k.
///
/// A group of `group` elements along k is `codes` (containers of `4 * lanes` bytes), then `lanes` scales, then
/// `lanes` mins. Element (n, k): block `n / lanes`, lane `n % lanes`, group `k / group`, inside it container
/// `c = kk / (quad * fields)`, field `f = kk / quad % fields`, place `j = kk % quad`. Its bits are
/// `[f * bits, (f + 1) * bits)` of byte `c * 4 * lanes + lane * 4 + j` for 8-bit places (`quad = 4`).
/// Plain floats (`quad * bits = elem bits`, one element a place) are stored `[k][lane]`, without scales.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packing {
    /// Element: a code type (`u4`, `u8`) or a float.
    pub elem: Dtype,
    /// Rows of a block.
    pub lanes: usize,
    /// Elements along k that share a scale.
    pub group: usize,
    /// `None` for plain floats.
    pub scale: Option<Dtype>,
    pub min: Option<Dtype>,
    /// Value = `scale * (code - zero) + min`.
    pub zero: i32,
}
