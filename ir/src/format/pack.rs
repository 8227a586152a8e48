//! Packed weights: the form an instruction row asks for, and how a stored weight gets there.
//!
//! `u4 lanes 4 group 32 scale f16 zero 8` is `q4_0` for four lanes. Rows come in blocks of `lanes`, a block in
//! groups along k, each group ready to be loaded lane by lane:
//!
//! ```text
//! row block 0 | row block 1 | ..                   block_stride(k) bytes each
//!   group 0 | group 1 | ..                         group_stride bytes each, a multiple of 4
//!     unit 0 | 1 | .. | inner | scales | mins | zeros    then one scale, min, zero a lane
//!       word 0 | 1 | ..                    4 * lanes bytes each
//!         lane 0 | lane 1 | ..             4 bytes each
//! ```
//!
//! Codes of one, two, four bits lie side by side in the bytes of a word. Other widths are sums of those, each part in
//! words of its own: a unit of `u5` is 32 elements, four words of the low four bits and one of the fifth.
//! Digits of base 3 (`trits`) lie five to a byte, codes of two values (`signs`) eight: see [`codes`].
//!
//! Two levels of scales, as `u4 lanes 4 group 256 scale f16 min f16 inner 32 scale u6 min u6` for `q4_k`: the inner
//! scales and mins are bytes beside each other: see [`inner`].

mod bytes;
pub mod codes;
mod inner;
mod natural;
mod sizes;
mod text;

pub use super::fragment::Order;
use crate::dtype::Dtype;
pub use codes::{Bits, Plane};
pub use inner::{Factor, Inner};
pub(super) use natural::narrowest;
pub use sizes::Sizes;

/// Rows in blocks of `lanes`, one 32-bit lane per row; a lane's word holds `quad` neighbours along k.
///
/// A group of `group` elements along k is `codes` (words of `4 * lanes` bytes), then `lanes` scales, then `lanes` mins.
/// Element (n, k) of codes of 1, 2, 4 bits: block `n / lanes`, lane `n % lanes`, group `k / group`, inside it word
/// `c = kk / (quad * fields)`, field `f = kk / quad % fields`, place `j = kk % quad`. Its bits are
/// `[f * bits, (f + 1) * bits)` of byte `c * 4 * lanes + lane * 4 + j`: `quad = 4` bytes of `fields = 8 / bits`.
/// Plain floats are stored `[k][lane]` in each block, without scales and padding; their group is 1. bf16 in larger
/// groups stand two to a word: `[k / 2][lane][2]`, zeros behind the last element.
/// Rows beyond the last have code, scale and min 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Packing {
    /// Element: a code type (`u4`, `u8`) or a float.
    pub elem: Dtype,
    /// Codes `u2` of 0, 1, 2, five to a byte.
    pub trits: bool,
    /// Codes `u2` of 0 and 2, eight to a byte.
    pub signs: bool,
    /// Rows of a block.
    pub lanes: usize,
    /// Elements along k that share a scale.
    pub group: usize,
    /// `None` for plain floats.
    pub scale: Option<Dtype>,
    pub min: Option<Dtype>,
    /// Zero points of the groups' own, in units of the code: u8 or a float; `zero` is then 0.
    pub zeros: Option<Dtype>,
    /// Value = `scale * (code - zero - its zeros) + min`.
    pub zero: i32,
    /// Integers that multiply scale and min.
    pub inner: Option<Inner>,
    pub order: Order,
}

/// Most lanes of a packing: a power of two above every machine's vector.
pub const MAX_LANES: usize = 1 << 10;
/// Most elements of a group.
pub const MAX_GROUP: usize = 1 << 20;

/// Neighbours along k that share a step of activations, and a turn of a loop, at most.
pub const STEP: usize = 128;

/// The same of inner groups that are shorter.
pub const SHORT: usize = 32;

/// Neighbours along k in the word of a lane: its bytes.
pub const QUAD: usize = 4;
/// The same of bf16: its halves.
const PAIR: usize = 2;

/// Why a weight cannot be packed, or has no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    #[error("the packing `{packing}` is none: {why}")]
    Packing { packing: String, why: String },
    #[error("`{packing}` does not hold {format}: {why}")]
    Format { packing: String, format: &'static str, why: String },
    #[error("a weight of {n} rows of {k} elements is too large for this machine")]
    Overflow { n: usize, k: usize },
    #[error("rows of {k} elements are no whole number of {what} of {of}")]
    Ragged { k: usize, what: &'static str, of: usize },
    #[error("`{name}`: {why}")]
    Source { name: String, why: String },
    #[error("{what}: {expected} bytes are wanted, {found} are given")]
    Length { what: &'static str, expected: usize, found: usize },
}

impl Packing {
    /// Bytes without levels: what the codes of a step are unpacked to.
    pub fn bytes_of(lanes: usize, group: usize) -> Packing {
        Packing {
            elem: Dtype::U8,
            trits: false,
            signs: false,
            lanes,
            group,
            scale: None,
            min: None,
            zeros: None,
            zero: 0,
            inner: None,
            order: Order::Lanes,
        }
    }

    /// 16-bit floats in the order of matrix instructions.
    pub fn halves_of(elem: Dtype, lanes: usize, group: usize) -> Result<Packing, PackError> {
        let order = Order::Halves;
        let packing = Packing { elem, order, ..Packing::bytes_of(lanes, group) };
        match packing.check() {
            Ok(()) => Ok(packing),
            Err(why) => Err(PackError::Packing { packing: packing.to_string(), why }),
        }
    }

    /// bf16 without levels, two neighbours along k to a word: what products of pairs multiply.
    pub fn pairs_of(lanes: usize, group: usize) -> Result<Packing, PackError> {
        let packing = Packing { elem: Dtype::BF16, ..Packing::bytes_of(lanes, group) };
        match packing.check() {
            Ok(()) => Ok(packing),
            Err(why) => Err(PackError::Packing { packing: packing.to_string(), why }),
        }
    }

    /// Signs whose nibbles are indices of tables; `None` of other codes.
    pub fn nibbles(&self) -> Option<Packing> {
        self.signs.then(|| Packing { order: Order::Nibbles, ..self.clone() })
    }

    /// Are two neighbours along k one word?
    pub fn is_pairs(&self) -> bool {
        self.elem == Dtype::BF16 && self.group > 1 && !self.in_fragments()
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=MAX_LANES).contains(&self.lanes) {
            return Err(format!("lanes are 1 to {MAX_LANES}, not {}", self.lanes));
        }
        if !(1..=MAX_GROUP).contains(&self.group) {
            return Err(format!("a group is 1 to {MAX_GROUP} elements, not {}", self.group));
        }
        if let Some(other) = [self.scale, self.min].into_iter().flatten().find(|d| !stored(*d)) {
            return Err(format!("scale and min are f32, f16 or bf16, not {other}"));
        }
        if let Some(other) = self.zeros.filter(|d| !stored(*d) && *d != Dtype::U8) {
            return Err(format!("zeros are u8, f32, f16 or bf16, not {other}"));
        }
        if self.zeros.is_some() && self.zero != 0 {
            return Err("a zero for all and zeros of each group exclude each other".into());
        }
        if self.in_fragments() {
            if !self.elem.bits().is_power_of_two() || self.is_fixed() {
                return Err(format!("{} in fragments", self.elem));
            }
            self.check_fragments()?;
        }
        if stored(self.elem) {
            let fragments = self.in_fragments() && self.elem != Dtype::F32;
            let pairs = self.is_pairs() && self.group.is_multiple_of(PAIR);
            let alone =
                (self.group == 1 || pairs || fragments) && self.zero == 0 && self.zeros.is_none();
            let alone = alone && self.scale.is_none() && self.min.is_none();
            let alone = alone && self.inner.is_none() && !self.trits && !self.signs;
            return if alone {
                Ok(())
            } else {
                Err("floats have no group, scale, min, zero".into())
            };
        }
        if !self.is_codes() {
            return Err(format!("elements are u1 to u8, f32, f16 or bf16, not {}", self.elem));
        }
        if self.trits && self.elem != Dtype::Code(2) {
            return Err(format!("trits are u2, not {}", self.elem));
        }
        if self.signs && (self.elem != Dtype::Code(2) || self.trits || self.in_fragments()) {
            return Err("signs are u2, and nothing else".into());
        }
        if self.order == Order::Nibbles && !self.signs {
            return Err("nibbles are of signs".into());
        }
        let of = if self.trits { QUAD } else { self.word() };
        if !self.group.is_multiple_of(of) {
            return Err(format!("a group of {} is no multiple of the {of} in a word", self.group));
        }
        self.check_inner()
    }

    /// Elements along k that share a step of activations: what divides a group, at most [`STEP`]; with inner groups
    /// one of them, or [`SHORT`] elements.
    pub fn step(&self) -> usize {
        match &self.inner {
            None => 1 << self.group.trailing_zeros().min(STEP.ilog2()),
            Some(inner) => inner.group.max(SHORT.min(1 << self.group.trailing_zeros())),
        }
    }

    /// Elements along k whose sum of activations a product wants.
    pub fn summed(&self) -> usize {
        self.inner.as_ref().map_or(self.step(), |inner| inner.group)
    }

    /// Whether a place in a group must be a number: what stands there is not as one step before.
    pub fn is_fixed(&self) -> bool {
        self.inner.is_some() || self.trits
    }
}

/// The floats that stored weights are made of.
fn stored(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

/// Unsigned codes of 1 to 8 bits.
fn code(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::U8 | Dtype::Code(1..=7))
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
