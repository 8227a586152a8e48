//! Storage formats: a format is a row. Fields say where each bit of a block lies, a formula says the value.
//!
//! `q4_0`: an f16 scale in bytes 0 and 1, then byte `2 + i` holds code `i` in its low and code `i + 16` in its high
//! four bits; the value is `scale * (code - 8)`. [`rows`] writes that as
//!
//! ```text
//! scale f16      at byte 0
//! code  uint 4   at byte 2, loops (16 times: 8 bits on, 1 element on) (2 times: 4 bits on, 16 elements on)
//! value affine, zero 8
//! ```

pub mod encode;
pub mod fragment;
pub mod pack;
pub mod parts;
pub mod random;
pub mod rows;

use crate::dtype::Dtype;

/// A block format along k: `block` elements in `bytes` bytes.
#[derive(Debug, PartialEq)]
pub struct Format {
    /// As in op files: `q4_0`.
    pub name: &'static str,
    /// GGUF's type number, where GGUF has it.
    pub gguf: Option<u32>,
    /// Elements of a block.
    pub block: usize,
    /// Bytes of a block.
    pub bytes: usize,
    pub fields: &'static [Field],
    pub value: Value,
}

/// Some quantity of a block: codes, scales, mins.
#[derive(Debug, PartialEq)]
pub struct Field {
    pub role: Role,
    pub elem: FieldElem,
    /// How many of them in a block; each covers `block / count` neighbours along k.
    pub count: usize,
    /// Together they hold every bit of every element once.
    pub slices: &'static [Slice],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Code,
    /// Multiplies the code.
    Scale,
    /// Multiplies `Scale`: second level.
    InnerScale,
    Min,
    /// Multiplies `Min`: second level.
    InnerMin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldElem {
    Float(Dtype),
    /// Unsigned, so many bits.
    Uint(u8),
    /// Two's complement, so many bits.
    Int(u8),
    /// So many bits, unsigned, less this number.
    Biased(u8, i32),
    /// Two bits, of which encoders write 0, 1, 2.
    Ternary,
    /// A digit of base 3: its slices name bytes, and `to` its place among the five of a byte.
    Trit,
}

/// Where some bits of the elements of a field stand: bits `[to, to + bits)` of element
/// `first + sum i * elements` are the `bits` bits from bit `bit + sum i * step` of byte `byte` on (bits of a block
/// are numbered from the lowest bit of byte 0), for every `i` of every loop.
#[derive(Debug, PartialEq)]
pub struct Slice {
    pub byte: usize,
    pub bit: usize,
    pub bits: u8,
    pub to: u8,
    pub first: usize,
    /// Innermost first.
    pub loops: &'static [Loop],
}

/// So many times, so many bits on, so many elements on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loop(pub usize, pub usize, pub usize);

/// The closed list of value formulas; `c` is the code of an element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// The code field is a float.
    Plain,
    /// `scale * (c - zero)`, then `+ min` where a Min field exists.
    Affine { zero: i32 },
    /// `scale * inner_scale * (c - zero)`, then `- min * inner_min` where Min fields exist.
    TwoLevel { zero: i32 },
}

/// What a block says, field by field. Made once, filled block after block by [`Format::read`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// One an element; of a plain format the bits of the float.
    pub codes: Vec<i32>,
    /// One a group: the product of the levels, which f32 holds exactly.
    pub scale: Vec<f32>,
    /// One a group, ready to be added; empty where the format has none.
    pub min: Vec<f32>,
    /// One a group, in units of the code, beside `zero`; empty but for weights of several tensors.
    pub zeros: Vec<f32>,
    pub zero: i32,
    /// Elements that share a scale.
    pub group: usize,
    /// The factors of both levels, of a format of two.
    pub levels: Option<Levels>,
}

/// Scales and mins of a block, level by level.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    pub scale: Vec<f32>,
    pub inner_scale: Vec<i32>,
    /// Ready to be added, times the inner ones.
    pub min: Vec<f32>,
    pub inner_min: Vec<i32>,
}

/// These bytes are no block of this format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of {format} has {expected} bytes, not {found}")]
pub struct BlockSize {
    pub format: &'static str,
    pub expected: usize,
    pub found: usize,
}

impl FieldElem {
    pub fn bits(self) -> u32 {
        match self {
            FieldElem::Float(dtype) => dtype.bits(),
            FieldElem::Uint(bits) | FieldElem::Int(bits) | FieldElem::Biased(bits, _) => {
                bits.into()
            }
            FieldElem::Ternary | FieldElem::Trit => 2,
        }
    }

    /// The integer that these bits mean; of a float, the bits themselves.
    fn integer(self, bits: u32) -> i32 {
        match self {
            FieldElem::Float(_) | FieldElem::Uint(_) | FieldElem::Ternary | FieldElem::Trit => {
                bits as i32
            }
            FieldElem::Int(width) => {
                let unused = 32 - u32::from(width);
                (bits << unused) as i32 >> unused
            }
            FieldElem::Biased(_, bias) => bits as i32 - bias,
        }
    }

    fn value(self, bits: u32) -> f32 {
        match self {
            FieldElem::Float(dtype) => float(dtype, bits),
            FieldElem::Uint(_)
            | FieldElem::Int(_)
            | FieldElem::Biased(..)
            | FieldElem::Ternary
            | FieldElem::Trit => self.integer(bits) as f32,
        }
    }
}

impl Field {
    /// The bits of each element.
    fn read(&self, block: &[u8], out: &mut Vec<i32>) {
        out.clear();
        out.resize(self.count, 0);
        if self.elem == FieldElem::Trit {
            for s in self.slices {
                s.each(&mut |element, at| {
                    if let (Some(x), Some(byte)) = (out.get_mut(element), block.get(at / 8)) {
                        *x = trit(*byte, s.to);
                    }
                });
            }
            return;
        }
        for s in self.slices {
            gather(s, s.loops, s.byte * 8 + s.bit, s.first, block, out);
        }
    }

    /// The inverse of `read`; bits of other fields stay.
    fn write(&self, elements: &[u32], block: &mut [u8]) {
        for s in self.slices {
            if self.elem == FieldElem::Trit {
                s.each(&mut |element, at| {
                    if let (Some(x), Some(byte)) = (elements.get(element), block.get_mut(at / 8)) {
                        *byte = with_trit(*byte, s.to, *x);
                    }
                });
                continue;
            }
            s.each(&mut |element, at| {
                for b in 0..usize::from(s.bits) {
                    let bit = elements.get(element).map_or(0, |e| e >> (usize::from(s.to) + b) & 1);
                    if let Some(byte) = block.get_mut((at + b) / 8) {
                        *byte = *byte & !(1 << ((at + b) % 8)) | (bit as u8) << ((at + b) % 8);
                    }
                }
            });
        }
    }
}

/// Digits of base 3 in a byte.
const TRITS: u8 = 5;

/// Digit `place` of a byte, which is 256 / 243 of the number of its digits, rounded up: times 3 to the place, modulo
/// 256, it begins with the digit.
fn trit(byte: u8, place: u8) -> i32 {
    let shifted = byte.wrapping_mul(3u8.wrapping_pow(place.into()));
    i32::from((u16::from(shifted) * 3) >> 8)
}

/// The byte with another digit.
fn with_trit(byte: u8, place: u8, x: u32) -> u8 {
    let digit = |i| if i == place { x.min(2) } else { trit(byte, i) as u32 };
    let number = (0..TRITS).fold(0, |n, i| n * 3 + digit(i));
    (number * 256).div_ceil(243) as u8
}

impl Slice {
    /// Calls `f(element, first bit in the block)` for each slice of the run.
    fn each(&self, f: &mut dyn FnMut(usize, usize)) {
        fn nest(loops: &[Loop], element: usize, bit: usize, f: &mut dyn FnMut(usize, usize)) {
            match loops.split_last() {
                None => f(element, bit),
                Some((&Loop(times, bits, elements), inner)) => {
                    for i in 0..times {
                        nest(inner, element + i * elements, bit + i * bits, f);
                    }
                }
            }
        }
        nest(self.loops, self.first, self.byte * 8 + self.bit, f);
    }
}

/// Ors the slices of a run into the elements. The innermost loop mostly walks whole bytes: it decides the speed of
/// packing a model.
fn gather(s: &Slice, loops: &[Loop], bit: usize, element: usize, block: &[u8], out: &mut [i32]) {
    let (byte, shift) = (bit / 8, bit % 8);
    if let [Loop(times, 8, 1)] = *loops
        && shift + usize::from(s.bits) <= 8
        && let Some(from) = block.get(byte..byte + times)
        && let Some(to) = out.get_mut(element..element + times)
    {
        let mask = (1 << s.bits) - 1;
        for (x, &b) in to.iter_mut().zip(from) {
            *x |= (i32::from(b) >> shift & mask) << s.to;
        }
    } else if let Some((&Loop(times, bits, elements), inner)) = loops.split_last() {
        for i in 0..times {
            gather(s, inner, bit + i * bits, element + i * elements, block, out);
        }
    } else if let Some(x) = out.get_mut(element) {
        for b in 0..usize::from(s.bits) {
            let at = bit + b;
            let set = block.get(at / 8).map_or(0, |byte| u32::from(byte >> (at % 8) & 1));
            *x |= (set << (usize::from(s.to) + b)) as i32;
        }
    }
}

impl Format {
    pub fn field(&self, role: Role) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.role == role)
    }

    /// Elements that share a scale; 1 where there is none.
    pub fn group(&self) -> usize {
        self.block / self.groups()
    }

    fn groups(&self) -> usize {
        match self.value {
            Value::Plain => self.block,
            Value::Affine { .. } | Value::TwoLevel { .. } => {
                let factors = self.fields.iter().filter(|f| f.role != Role::Code);
                factors.map(|f| f.count).max().unwrap_or(1)
            }
        }
    }

    /// Bytes of a row of `k` elements; `None` if `k` is no whole number of blocks, or too many.
    pub fn row_bytes(&self, k: usize) -> Option<usize> {
        if k.is_multiple_of(self.block) { (k / self.block).checked_mul(self.bytes) } else { None }
    }

    /// The fields of one block.
    pub fn read(&self, block: &[u8], out: &mut Fields) -> Result<(), BlockSize> {
        if block.len() != self.bytes {
            let (format, expected) = (self.name, self.bytes);
            return Err(BlockSize { format, expected, found: block.len() });
        }
        out.group = self.group();
        out.zeros.clear();
        out.zero = match self.value {
            Value::Plain => 0,
            Value::Affine { zero } | Value::TwoLevel { zero } => zero,
        };
        // Borrowed for the bits of the factors, until the codes come.
        let mut bits = std::mem::take(&mut out.codes);
        self.factor(block, Role::Scale, Role::InnerScale, &mut bits, &mut out.scale);
        self.factor(block, Role::Min, Role::InnerMin, &mut bits, &mut out.min);
        if matches!(self.value, Value::TwoLevel { .. }) {
            out.min.iter_mut().for_each(|m| *m = -*m);
            let levels = out.levels.get_or_insert_default();
            self.floats(block, Role::Scale, &mut bits, &mut levels.scale);
            self.floats(block, Role::Min, &mut bits, &mut levels.min);
            levels.min.iter_mut().for_each(|m| *m = -*m);
            self.integers(block, Role::InnerScale, &mut levels.inner_scale);
            self.integers(block, Role::InnerMin, &mut levels.inner_min);
        } else {
            out.levels = None;
        }
        match self.field(Role::Code) {
            Some(field) => {
                field.read(block, &mut bits);
                if matches!(field.elem, FieldElem::Int(_) | FieldElem::Biased(..)) {
                    bits.iter_mut().for_each(|c| *c = field.elem.integer(*c as u32));
                }
            }
            None => bits.clear(),
        }
        out.codes = bits;
        Ok(())
    }

    /// One level as floats, as many as there are; empty if the format has no such field.
    fn floats(&self, block: &[u8], role: Role, bits: &mut Vec<i32>, out: &mut Vec<f32>) {
        out.clear();
        if let Some(field) = self.field(role) {
            field.read(block, bits);
            out.extend(bits.iter().map(|b| field.elem.value(*b as u32)));
        }
    }

    /// The same of integers.
    fn integers(&self, block: &[u8], role: Role, out: &mut Vec<i32>) {
        out.clear();
        if let Some(field) = self.field(role) {
            field.read(block, out);
            out.iter_mut().for_each(|b| *b = field.elem.integer(*b as u32));
        }
    }

    /// The product of both levels for each group; empty if the format has no such field.
    fn factor(
        &self,
        block: &[u8],
        outer: Role,
        inner: Role,
        bits: &mut Vec<i32>,
        out: &mut Vec<f32>,
    ) {
        out.clear();
        for role in [outer, inner] {
            let Some(field) = self.field(role) else { continue };
            field.read(block, bits);
            let groups = self.groups();
            out.resize(groups, 1.0);
            for (g, x) in out.iter_mut().enumerate() {
                *x *=
                    bits.get(g * field.count / groups).map_or(0.0, |&b| field.elem.value(b as u32));
            }
        }
    }

    /// The values of one block, rounded as the formula computed in f32 rounds.
    pub fn decode(&self, block: &[u8]) -> Result<Vec<f32>, BlockSize> {
        let mut fields = Fields::default();
        self.read(block, &mut fields)?;
        Ok(self.values(&fields))
    }

    fn values(&self, f: &Fields) -> Vec<f32> {
        let one = |(i, &c): (usize, &i32)| match self.value {
            Value::Plain => self.field(Role::Code).map_or(0.0, |x| x.elem.value(c as u32)),
            Value::Affine { .. } | Value::TwoLevel { .. } => {
                let g = i / f.group;
                let product = f.scale.get(g).map_or(0.0, |s| s * (c - f.zero) as f32);
                f.min.get(g).map_or(product, |m| product + m)
            }
        };
        f.codes.iter().enumerate().map(one).collect()
    }
}

/// The value of the low bits of `bits`.
pub(crate) fn float(dtype: Dtype, bits: u32) -> f32 {
    match dtype {
        Dtype::F32 => f32::from_bits(bits),
        Dtype::F16 => half::f16::from_bits(bits as u16).to_f32(),
        Dtype::BF16 => f32::from_bits(bits << 16),
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
        | Dtype::Bool => f32::NAN,
    }
}

#[cfg(test)]
mod tests;
