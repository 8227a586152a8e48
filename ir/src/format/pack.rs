//! Packed weights: the form an instruction row asks for, and how a stored weight gets there.
//!
//! `u4 lanes 4 group 32 scale f16 zero 8` is `q4_0` for four lanes. Rows come in blocks of `lanes`, a block in
//! groups along k, each group ready to be loaded lane by lane:
//!
//! ```text
//! row block 0 | row block 1 | ..                   block_stride(k) bytes each
//!   group 0 | group 1 | ..                         group_stride bytes each, a multiple of 4
//!     container 0 | 1 | .. | scales | mins | zeros 4 * lanes bytes a container, then one scale, min, zero a lane
//!       lane 0 | lane 1 | ..               4 bytes each
//! ```

pub use super::fragment::Order;
use super::{Field, FieldElem, Fields, Format, Role, Value, parts::Parts};
use crate::{
    diag::{Diagnostic, Unsupported},
    dtype::Dtype,
    lex::{Lexer, Parsed},
    tensor::Tensor,
};
use std::fmt;

/// Rows in blocks of `lanes`, one 32-bit lane per row; a lane's word holds `quad` neighbours along k.
///
/// A group of `group` elements along k is `codes` (containers of `4 * lanes` bytes), then `lanes` scales, then
/// `lanes` mins. Element (n, k): block `n / lanes`, lane `n % lanes`, group `k / group`, inside it container
/// `c = kk / (quad * fields)`, field `f = kk / quad % fields`, place `j = kk % quad`. Its bits are
/// `[f * bits, (f + 1) * bits)` of byte `c * 4 * lanes + lane * 4 + j`: `quad = 4` bytes of `fields = 8 / bits`.
/// Plain floats are stored `[k][lane]` in each block, without scales and padding; their group is 1. bf16 in larger
/// groups stand two to a word: `[k / 2][lane][2]`, zeros behind the last element.
/// Rows beyond the last have code, scale and min 0.
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
    /// Zero points of the groups' own, in units of the code: u8 or a float; `zero` is then 0.
    pub zeros: Option<Dtype>,
    /// Value = `scale * (code - zero - its zeros) + min`.
    pub zero: i32,
    pub order: Order,
}

/// Most lanes of a packing: a power of two above every machine's vector.
pub const MAX_LANES: usize = 1 << 10;
/// Most elements of a group.
pub const MAX_GROUP: usize = 1 << 20;

/// Neighbours along k that share a step of activations, and a turn of a loop, at most.
pub const STEP: usize = 128;

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
    /// From a container to the next (plain floats: from one k to the next).
    pub container: usize,
    /// From the start of a group to its scales, its mins, its zero points.
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
            FieldElem::Uint(bits @ 1..=4) => Dtype::Code(bits.next_power_of_two()),
            FieldElem::Uint(_) | FieldElem::Int(_) | FieldElem::Biased(..) => Dtype::U8,
        };
        Packing {
            elem,
            lanes,
            group: format.group(),
            scale: factor(format, Role::Scale, Role::InnerScale),
            min: factor(format, Role::Min, Role::InnerMin),
            zeros: None,
            zero: zero(format),
            order: Order::Lanes,
        }
    }

    /// Bytes without levels: what the codes of a step are unpacked to.
    pub fn bytes_of(lanes: usize, group: usize) -> Packing {
        let order = Order::Lanes;
        Packing {
            elem: Dtype::U8,
            lanes,
            group,
            scale: None,
            min: None,
            zeros: None,
            zero: 0,
            order,
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
            self.check_fragments()?;
        }
        if stored(self.elem) {
            let fragments = self.in_fragments() && self.elem != Dtype::F32;
            let pairs = self.is_pairs() && self.group.is_multiple_of(PAIR);
            let alone =
                (self.group == 1 || pairs || fragments) && self.zero == 0 && self.zeros.is_none();
            let alone = alone && self.scale.is_none() && self.min.is_none();
            return if alone {
                Ok(())
            } else {
                Err("floats have no group, scale, min, zero".into())
            };
        }
        let Some(fields) = fields(self.elem) else {
            return Err(format!(
                "elements are u1, u2, u4, u8, f32, f16 or bf16, not {}",
                self.elem
            ));
        };
        if !self.group.is_multiple_of(QUAD * fields) {
            let of = QUAD * fields;
            return Err(format!("a group of {} is no multiple of the {of} in a word", self.group));
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
        let (container, codes) = match fields(self.elem) {
            _ if self.in_fragments() => {
                let container = self.chunk_bytes();
                let chunks = self.group / self.word();
                (container, container.checked_mul(chunks)?)
            }
            Some(fields) => {
                let container = self.lanes.checked_mul(QUAD)?;
                (container, container.checked_mul(self.group / (QUAD * fields))?)
            }
            None if self.is_pairs() => {
                let container = self.lanes.checked_mul(4)?;
                (container, container.checked_mul(self.group / PAIR)?)
            }
            None => (part(self.elem)?, part(self.elem)?.checked_mul(self.group)?),
        };
        let mut end = codes;
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
        Some(Sizes { rows, k, container, scale, min, zeros, group, block, bytes })
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

    /// Byte, and lowest bit in it, of element (n, k); `None` outside the weight.
    pub fn offset_codes(&self, s: &Sizes, n: usize, k: usize) -> Option<(usize, u32)> {
        let (start, lane) = self.group_at(s, n, k)?;
        let kk = k % self.group;
        if self.in_fragments() {
            let spot = self.spot(lane, kk);
            let byte = start + self.word_byte(spot) + spot.bit as usize / 8;
            return Some((byte, spot.bit % 8));
        }
        Some(match fields(self.elem) {
            Some(fields) => {
                let (container, field, place) =
                    (kk / (QUAD * fields), kk / QUAD % fields, kk % QUAD);
                let byte = start + container * s.container + lane * 4 + place;
                (byte, field as u32 * self.elem.bits())
            }
            None if self.is_pairs() => {
                (start + kk / PAIR * s.container + lane * 4 + kk % PAIR * 2, 0)
            }
            None => (start + kk * s.container + lane * self.elem.bytes()?, 0),
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

    /// Elements along k in the word of a lane, in fragments in all words of a chunk; 1 of floats that stand alone.
    pub fn word(&self) -> usize {
        if self.in_fragments() {
            return self.chunk() * self.per_word() * 4;
        }
        let float = if self.is_pairs() { PAIR } else { 1 };
        fields(self.elem).map_or(float, |f| QUAD * f)
    }

    /// Elements along k that a product takes at once: what divides a group, at most [`STEP`].
    pub fn step(&self) -> usize {
        1 << self.group.trailing_zeros().min(STEP.ilog2())
    }

    /// Start of the group of element (n, k), and its lane.
    fn group_at(&self, s: &Sizes, n: usize, k: usize) -> Option<(usize, usize)> {
        let rows = s.rows.checked_next_multiple_of(self.lanes)?;
        (n < rows && k < s.k.checked_next_multiple_of(self.group)?)
            .then(|| (n / self.lanes * s.block + k / self.group * s.group, n % self.lanes))
    }

    /// Packs `n` rows of `k` elements stored as blocks of `format`, row after row.
    pub fn pack(
        &self,
        format: &Format,
        bytes: &[u8],
        n: usize,
        k: usize,
    ) -> Result<Vec<u8>, PackError> {
        let row = self.source_row(format, k)?;
        let sizes = self.sizes(n, k)?;
        let expected = row.checked_mul(n).ok_or(PackError::Overflow { n, k })?;
        if bytes.len() != expected {
            return Err(PackError::Length { what: "the weight", expected, found: bytes.len() });
        }
        let mut out = vec![0; sizes.bytes];
        if row > 0 {
            let blocks = out.chunks_exact_mut(sizes.block);
            for (rows, out) in bytes.chunks(row * self.lanes).zip(blocks) {
                self.pack_block(format, rows, k, out)?;
            }
        }
        Ok(out)
    }

    /// Packs one block of rows, the last may have fewer than `lanes`, into `block_stride(k)` bytes, all of them
    /// written. Blocks do not touch each other: a caller may pack each on its own thread.
    pub fn pack_block(
        &self,
        format: &Format,
        rows: &[u8],
        k: usize,
        out: &mut [u8],
    ) -> Result<(), PackError> {
        let row = self.source_row(format, k)?;
        let sizes = self.sizes(self.lanes, k)?;
        if out.len() != sizes.block {
            let (what, expected, found) = ("a packed block of rows", sizes.block, out.len());
            return Err(PackError::Length { what, expected, found });
        }
        if row == 0 {
            return Ok(());
        }
        if !rows.len().is_multiple_of(row) || rows.len() / row > self.lanes {
            let (what, expected, found) = ("a block of rows", row * self.lanes, rows.len());
            return Err(PackError::Length { what, expected, found });
        }
        out.fill(0);
        let from = Packing::natural(format, 1).elem;
        let mut fields = Fields::default();
        for (lane, row) in rows.chunks_exact(row).enumerate() {
            for (b, block) in row.chunks_exact(format.bytes).enumerate() {
                if self.elem.is_float() {
                    let Some((at, _)) = self.offset_codes(&sizes, lane, b) else { continue };
                    match get_float(block, 0, from) {
                        Some(x) if from != self.elem => put_float(out, at, 0, self.elem, x),
                        // Bits pass as they are: a signalling NaN stays one.
                        Some(_) | None => put_bytes(out, at, block),
                    }
                    continue;
                }
                let length = |e: super::BlockSize| PackError::Length {
                    what: "a block",
                    expected: e.expected,
                    found: e.found,
                };
                format.read(block, &mut fields).map_err(length)?;
                self.put(&sizes, &fields, b * (format.block / self.group), lane, out);
            }
        }
        Ok(())
    }

    /// Writes the groups of one source block, the first of which is group `first` of the row.
    fn put(&self, s: &Sizes, fields: &Fields, first: usize, lane: usize, out: &mut [u8]) {
        let bias = self.zero - fields.zero;
        let bits = self.elem.bits();
        let per_byte = (8 / bits) as usize;
        for (g, codes) in fields.codes.chunks_exact(self.group).enumerate() {
            let Some(out) = out.get_mut((first + g) * s.group..(first + g + 1) * s.group) else {
                return;
            };
            if self.in_fragments() {
                for (k, &code) in codes.iter().enumerate() {
                    let spot = self.spot(lane, k);
                    let byte = self.word_byte(spot) + spot.bit as usize / 8;
                    if let Some(place) = out.get_mut(byte) {
                        *place |= ((code + bias) << (spot.bit % 8)) as u8;
                    }
                }
            }
            let chunks = if self.in_fragments() { &[][..] } else { codes };
            for (c, codes) in chunks.chunks_exact(QUAD * per_byte).enumerate() {
                let mut word = 0u32;
                for (f, quad) in codes.chunks_exact(QUAD).enumerate() {
                    for (j, &code) in quad.iter().enumerate() {
                        word |= ((code + bias) as u32) << (j as u32 * 8 + f as u32 * bits);
                    }
                }
                put_bytes(out, c * s.container + lane * 4, &word.to_le_bytes());
            }
            let source = g * self.group / fields.group;
            for (at, dtype, values) in [
                (s.scale, self.scale, &fields.scale),
                (s.min, self.min, &fields.min),
                (s.zeros, self.zeros, &fields.zeros),
            ] {
                if let (Some(at), Some(dtype), Some(&x)) = (at, dtype, values.get(source)) {
                    put_float(out, at, lane, dtype, x);
                }
            }
        }
    }

    /// Packs a weight that comes as several tensors: copy after copy, each in whole blocks of rows.
    pub fn pack_parts(&self, parts: &Parts, tensors: &[&Tensor]) -> Result<Vec<u8>, PackError> {
        let open = parts.open(tensors)?;
        let sizes = self.sizes(parts.n, parts.k)?;
        let too_large = || PackError::Overflow { n: parts.n, k: parts.k };
        let mut out = vec![0; sizes.bytes.checked_mul(parts.copies.max(1)).ok_or_else(too_large)?];
        let padded = parts.k.next_multiple_of(self.group);
        let mut fields = Fields::default();
        for copy in 0..parts.copies {
            for row in 0..parts.n {
                open.row(copy, row, &mut fields);
                // What is behind the last element adds nothing: activations there are 0.
                fields.codes.resize(padded, fields.zero - self.zero);
                let start = copy * sizes.bytes + row / self.lanes * sizes.block;
                if let Some(block) = out.get_mut(start..start + sizes.block) {
                    self.put(&sizes, &fields, 0, row % self.lanes, block);
                }
            }
        }
        // Behind the weights: which k stands where.
        out.extend(open.order().iter().flat_map(|k| k.to_le_bytes()));
        Ok(out)
    }

    /// Bytes of a row of the source, if this packing holds its format.
    fn source_row(&self, format: &Format, k: usize) -> Result<usize, PackError> {
        self.check().map_err(|why| PackError::Packing { packing: self.to_string(), why })?;
        self.holds(format).map_err(|why| {
            let packing = self.to_string();
            PackError::Format { packing, format: format.name, why }
        })?;
        if !k.is_multiple_of(format.block) {
            return Err(PackError::Ragged { k, what: "blocks", of: format.block });
        }
        format.row_bytes(k).ok_or(PackError::Overflow { n: 1, k })
    }

    /// Whether each value of `format` has its place: codes may be wider, groups smaller, factors f32.
    fn holds(&self, format: &Format) -> Result<(), String> {
        let natural = Packing::natural(format, self.lanes);
        // Pairs take all floats, to nearest even.
        let halves = self.in_fragments() && self.elem.is_float();
        if (self.is_pairs() || halves) && natural.elem.is_float() {
            return Ok(());
        }
        let wider = |ours: Option<Dtype>, need: Option<Dtype>| {
            ours == need || (ours == Some(Dtype::F32) && need.is_some())
        };
        if !wider(self.scale, natural.scale) {
            return Err(format!("its scales are {}", named(natural.scale)));
        }
        if !wider(self.min, natural.min) {
            return Err(format!("its mins are {}", named(natural.min)));
        }
        let codes = !self.elem.is_float() && !natural.elem.is_float();
        if self.elem != natural.elem && !(codes && self.elem.bits() > natural.elem.bits()) {
            return Err(format!("its elements are {}", natural.elem));
        }
        if self.zero != natural.zero {
            return Err(format!("its zero is {}", natural.zero));
        }
        if !natural.group.is_multiple_of(self.group) {
            return Err(format!("its groups are {}", natural.group));
        }
        Ok(())
    }

    /// The value of element (n, k) of a packed weight; `None` outside it.
    pub fn unpack_value(&self, s: &Sizes, packed: &[u8], n: usize, k: usize) -> Option<f32> {
        let (byte, bit) = self.offset_codes(s, n, k)?;
        if self.elem.is_float() {
            return get_float(packed, byte, self.elem);
        }
        let mask = (1 << self.elem.bits()) - 1;
        let code = i32::from(*packed.get(byte)?) >> bit & mask;
        let own = match self.zeros {
            None => 0.0,
            Some(Dtype::U8) => f32::from(*packed.get(self.offset_zeros(s, n, k)?)?),
            Some(dtype) => get_float(packed, self.offset_zeros(s, n, k)?, dtype)?,
        };
        let product = get_float(packed, self.offset_scale(s, n, k)?, self.scale?)?
            * ((code - self.zero) as f32 - own);
        match self.min {
            None => Some(product),
            Some(dtype) => Some(product + get_float(packed, self.offset_min(s, n, k)?, dtype)?),
        }
    }

    /// Reads what `Display` prints.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Packing> {
        let start = lexer.span().start;
        let elem = dtype(lexer)?;
        lexer.expect_word("lanes")?;
        let lanes = size(lexer, "a number of lanes")?;
        lexer.expect_word("group")?;
        let group = size(lexer, "a number of elements")?;
        let scale = if lexer.eat_word("scale") { Some(dtype(lexer)?) } else { None };
        let min = if lexer.eat_word("min") { Some(dtype(lexer)?) } else { None };
        let zeros = if lexer.eat_word("zeros") { Some(dtype(lexer)?) } else { None };
        let mut zero = 0;
        if lexer.eat_word("zero") {
            let span = lexer.span();
            let x = lexer.int("a zero point")?;
            zero = i32::try_from(x)
                .ok()
                .filter(|z| z.unsigned_abs() <= 1 << 16)
                .ok_or_else(|| Diagnostic::new(span, format!("no code is as far off as {x}")))?;
        }
        let mut order = Order::Lanes;
        if lexer.eat_word("order") {
            let span = lexer.span();
            let word = lexer.word("halves or bytes")?;
            let found = Order::NAMES.iter().find(|(_, name)| *name == word);
            let wrong = || Diagnostic::new(span, format!("`{word}` is no order: halves or bytes"));
            order = found.ok_or_else(wrong)?.0;
        }
        let packing = Packing { elem, lanes, group, scale, min, zeros, zero, order };
        packing.check().map_err(|why| {
            Diagnostic::new(start..lexer.last_span().end, format!("this packing is none: {why}"))
                .help("a packing is such as `u4 lanes 4 group 32 scale f16 zero 8`")
        })?;
        Ok(packing)
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lanes {} group {}", self.elem, self.lanes, self.group)?;
        if let Some(scale) = self.scale {
            write!(f, " scale {scale}")?;
        }
        if let Some(min) = self.min {
            write!(f, " min {min}")?;
        }
        if let Some(zeros) = self.zeros {
            write!(f, " zeros {zeros}")?;
        }
        if self.zero != 0 {
            write!(f, " zero {}", self.zero)?;
        }
        if let Some((_, name)) = Order::NAMES.iter().find(|(order, _)| *order == self.order) {
            write!(f, " order {name}")?;
        }
        Ok(())
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

/// Codes in a byte; `None` for floats and for codes that bytes do not hold evenly.
fn fields(elem: Dtype) -> Option<usize> {
    match elem {
        Dtype::U8 => Some(1),
        Dtype::Code(bits @ (1 | 2 | 4)) => Some(8 / usize::from(bits)),
        Dtype::Code(_)
        | Dtype::F32
        | Dtype::F16
        | Dtype::BF16
        | Dtype::E4M3
        | Dtype::E5M2
        | Dtype::I8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::Bool => None,
    }
}

fn put_bytes(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = out.get_mut(at..at + bytes.len()) {
        to.copy_from_slice(bytes);
    }
}

/// A float, or a small integer as u8.
fn put_float(out: &mut [u8], at: usize, lane: usize, dtype: Dtype, x: f32) {
    let width = dtype.bits() as usize / 8;
    let bits = super::encode::float_bits(dtype, x).unwrap_or(x as u32).to_le_bytes();
    put_bytes(out, at + lane * width, bits.get(..width).unwrap_or(&[]));
}

fn get_float(bytes: &[u8], at: usize, dtype: Dtype) -> Option<f32> {
    let bytes = bytes.get(at..at.checked_add(dtype.bytes()?)?)?;
    let bits = bytes.iter().rev().fold(0u32, |bits, &b| bits << 8 | u32::from(b));
    Some(super::float(dtype, bits))
}

fn named(dtype: Option<Dtype>) -> &'static str {
    dtype.map_or("absent", Dtype::name)
}

fn dtype(lexer: &mut Lexer<'_>) -> Parsed<Dtype> {
    let span = lexer.span();
    let word = lexer.word("an element type")?;
    Dtype::parse(&word).ok_or_else(|| {
        let all: Vec<_> = Dtype::all().map(Dtype::name).collect();
        Diagnostic::new(span, format!("`{word}` is not an element type"))
            .help(format!("element types are {}", all.join(", ")))
    })
}

fn size(lexer: &mut Lexer<'_>, what: &str) -> Parsed<usize> {
    let span = lexer.span();
    let x = lexer.int(what)?;
    usize::try_from(x).map_err(|_| Diagnostic::new(span, format!("{what} is not {x}")))
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
