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
//! Digits of base 3 (`trits`) lie five to a byte: see [`codes`].
//!
//! Two levels of scales, as `u4 lanes 4 group 256 scale f16 min f16 inner 32 scale u6 min u6` for `q4_k`: the inner
//! scales of a lane's group, then its inner mins, are one string of bits in whole words.

mod bytes;
pub mod codes;
mod text;

pub use super::fragment::Order;
use super::{Field, FieldElem, Format, Role, Value, parts::Parts};
use crate::{diag::Unsupported, dtype::Dtype, tile::Part};
pub use codes::{Bits, Plane};

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

/// Value = `scale * (inner scale - less) * (code - zero) + min * inner min`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inner {
    /// Elements along k that share one.
    pub group: usize,
    /// Unsigned integers of so many bits.
    pub scale: Dtype,
    pub less: i32,
    pub min: Option<Dtype>,
}

impl Inner {
    /// What an inner scale is without `less`.
    pub fn signed(&self) -> Dtype {
        if self.less == 0 { Dtype::U8 } else { Dtype::I8 }
    }

    /// Bits of the factors of `count` inner groups.
    fn bits(&self, count: usize) -> Option<usize> {
        let each = self.scale.bits() + self.min.map_or(0, Dtype::bits);
        count.checked_mul(each as usize)
    }
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
const QUAD: usize = 4;
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
    /// The packing that holds every value of `format` exactly.
    pub fn for_format(format: &Format, lanes: usize) -> Result<Packing, Unsupported> {
        let packing = Packing::natural(format, lanes);
        match packing.check() {
            Ok(()) => Ok(packing),
            Err(why) => Err(Unsupported {
                what: format!("{} in {lanes} lanes ({why})", format.name),
                target: "packing".into(),
                instead: "lanes that a vector has, and a format of table `FORMATS`".into(),
            }),
        }
    }

    /// The packing that holds every value of a weight of several tensors exactly.
    pub fn for_parts(parts: &Parts, lanes: usize) -> Result<Packing, Unsupported> {
        let packing = parts.packing(lanes);
        match packing.check() {
            Ok(()) if packing.step().is_multiple_of(lanes) => Ok(packing),
            Ok(()) => Err(Unsupported {
                what: format!("groups of {} codes in {lanes} lanes", packing.group),
                target: "packing".into(),
                instead: format!("groups that are a multiple of {lanes}"),
            }),
            Err(why) => Err(Unsupported {
                what: format!("{parts} in {lanes} lanes ({why})"),
                target: "packing".into(),
                instead: format!("groups that are a multiple of {lanes}"),
            }),
        }
    }

    fn natural(format: &Format, lanes: usize) -> Packing {
        let code = format.field(Role::Code).map_or(FieldElem::Float(Dtype::F32), |f| f.elem);
        let elem = match code {
            FieldElem::Float(dtype) => dtype,
            FieldElem::Ternary | FieldElem::Trit => Dtype::Code(2),
            FieldElem::Uint(bits @ 1..=7) => narrowest(bits.into(), format.group()),
            FieldElem::Uint(_) | FieldElem::Int(_) | FieldElem::Biased(..) => Dtype::U8,
        };
        Packing {
            elem,
            trits: false,
            lanes,
            group: format.group(),
            scale: factor(format, Role::Scale, Role::InnerScale),
            min: factor(format, Role::Min, Role::InnerMin),
            zeros: None,
            zero: zero(format),
            inner: None,
            order: Order::Lanes,
        }
    }

    /// As dense as the blocks of `format`: levels of scales as they are, `trits` as digits of base 3.
    pub fn dense(format: &Format, lanes: usize, trits: bool) -> Result<Packing, Unsupported> {
        let flat = Packing::for_format(format, lanes)?;
        let digits = format.field(Role::Code).is_some_and(|f| f.elem == FieldElem::Trit);
        let packing = Packing::leveled(format, lanes).unwrap_or(flat);
        Ok(Packing { trits: trits && digits, ..packing })
    }

    /// With the levels of a format of two.
    fn leveled(format: &Format, lanes: usize) -> Option<Packing> {
        let half = |role| format.field(role).map(|f| (f.elem, f.count));
        let single = (FieldElem::Float(Dtype::F16), 1);
        let factor = format.field(Role::InnerScale)?;
        let (scale, less) = match factor.elem {
            FieldElem::Uint(bits) => (bits, 0),
            FieldElem::Int(bits) => (bits, 1 << (bits - 1)),
            FieldElem::Biased(bits, bias) => (bits, bias),
            FieldElem::Float(_) | FieldElem::Ternary | FieldElem::Trit => return None,
        };
        let min = match format.field(Role::InnerMin) {
            None => None,
            Some(Field { elem: FieldElem::Uint(bits), count, .. }) if *count == factor.count => {
                Some(whole(*bits))
            }
            Some(_) => return None,
        };
        let outer = half(Role::Scale) == Some(single)
            && half(Role::Min) == min.map(|_| single)
            && format.groups() == factor.count;
        let packing = Packing {
            group: format.block,
            scale: Some(Dtype::F16),
            min: min.map(|_| Dtype::F16),
            inner: Some(Inner {
                group: format.block / factor.count,
                scale: whole(scale),
                less,
                min,
            }),
            elem: narrowest(format.field(Role::Code)?.elem.bits(), format.block),
            ..Packing::natural(format, lanes)
        };
        (outer && packing.check().is_ok()).then_some(packing)
    }

    /// Bytes without levels: what the codes of a step are unpacked to.
    pub fn bytes_of(lanes: usize, group: usize) -> Packing {
        Packing {
            elem: Dtype::U8,
            trits: false,
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
            let alone = alone && self.inner.is_none() && !self.trits;
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
        let of = if self.trits { QUAD } else { self.word() };
        if !self.group.is_multiple_of(of) {
            return Err(format!("a group of {} is no multiple of the {of} in a word", self.group));
        }
        let Some(inner) = &self.inner else { return Ok(()) };
        if let Some(other) =
            [Some(inner.scale), inner.min].into_iter().flatten().find(|d| !code(*d))
        {
            return Err(format!("inner factors are u1 to u8, not {other}"));
        }
        if inner.group == 0
            || !inner.group.is_multiple_of(QUAD)
            || !self.group.is_multiple_of(inner.group)
        {
            return Err(format!(
                "a group of {} has no inner groups of {}",
                self.group, inner.group
            ));
        }
        if self.scale.is_none() || self.min.is_some() != inner.min.is_some() || self.zeros.is_some()
        {
            return Err("inner factors multiply a scale, and a min where there is one".into());
        }
        Ok(())
    }

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
            let words = inner.bits(self.group / inner.group)?.div_ceil(32);
            factors = Some(end);
            end = end.checked_add(self.lanes.checked_mul(4)?.checked_mul(words)?)?;
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
            // What the widest load wants.
            end.checked_next_multiple_of(16)?
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

    /// First bit, from the start of a lane's inner factors on, and bits of inner factor `i` of a group.
    pub fn inner_bit(&self, part: Part, i: usize) -> Option<(usize, u32)> {
        let inner = self.inner.as_ref()?;
        let count = self.group / inner.group;
        let scale = inner.scale.bits();
        match part {
            Part::InnerScale => Some((i * scale as usize, scale)),
            Part::InnerMin => {
                let min = inner.min?.bits();
                Some((count * scale as usize + i * min as usize, min))
            }
            Part::Codes | Part::Scale | Part::Min | Part::Zeros | Part::RowZeros | Part::Order => {
                None
            }
        }
    }

    /// Start of the group of element (n, k), and its lane.
    fn group_at(&self, s: &Sizes, n: usize, k: usize) -> Option<(usize, usize)> {
        let rows = s.rows.checked_next_multiple_of(self.lanes)?;
        (n < rows && k < s.k.checked_next_multiple_of(self.group)?)
            .then(|| (n / self.lanes * s.block + k / self.group * s.group, n % self.lanes))
    }
}

impl Sizes {
    /// Bytes of a word of all lanes.
    fn word(&self, of: &Packing) -> usize {
        of.lanes * QUAD
    }
}

/// The floats that stored weights are made of.
fn stored(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
}

/// Type of the exact product of both levels.
fn factor(format: &Format, outer: Role, inner: Role) -> Option<Dtype> {
    let half = |f: &Field| f.elem == FieldElem::Float(Dtype::F16);
    match (format.field(outer), format.field(inner)) {
        (None, None) => None,
        (Some(f), None) if half(f) => Some(Dtype::F16),
        (Some(_), _) | (None, Some(_)) => Some(Dtype::F32),
    }
}

/// Packed codes are unsigned: signed ones are moved up, and the zero with them.
fn zero(format: &Format) -> i32 {
    let zero = match format.value {
        Value::Plain => 0,
        Value::Affine { zero } | Value::TwoLevel { zero } => zero,
    };
    match format.field(Role::Code).map(|f| f.elem) {
        Some(FieldElem::Int(bits)) => zero + (1 << (bits - 1)),
        Some(FieldElem::Biased(_, bias)) => zero + bias,
        Some(FieldElem::Uint(_) | FieldElem::Float(_) | FieldElem::Ternary | FieldElem::Trit)
        | None => zero,
    }
}

/// Unsigned codes of 1 to 8 bits.
fn code(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::U8 | Dtype::Code(1..=7))
}

/// Codes of so many bits, or the narrowest above whose units divide a group.
pub(super) fn narrowest(bits: u32, group: usize) -> Dtype {
    let fits = |b: &u32| group.is_multiple_of(QUAD * (8 >> b.trailing_zeros()));
    (bits..8).find(fits).map_or(Dtype::U8, |b| Dtype::Code(b as u8))
}

/// So many bits as codes.
fn whole(bits: u8) -> Dtype {
    if bits == 8 { Dtype::U8 } else { Dtype::Code(bits) }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
