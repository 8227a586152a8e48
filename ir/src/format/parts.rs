//! Weights that come as several tensors: codes, scales, zero points. What a prepare step knows of them, and their rows.
//!
//! ```text
//! int4 group 128 scale f16 [1, 4096, 4096]             one copy of 4096 rows of 4096 codes
//! uint4 group 128 scale f16 zero uint4 [8, 64, 256]    zero points as packed codes
//! int8 per row scale f32 [1, 64, 256]
//! uint4 group 128 scale f16 zero uint4 gptq 1 act_order [1, 4096, 4096]
//! uint4 group 128 scale f16 zero uint4 awq [1, 4096, 4096]
//! ```

use super::{
    Fields,
    pack::{Order, PackError, Packing, STEP, narrowest},
};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    lex::{Lexer, Parsed},
    op::{Code, CodeLayout, Codes, Group, Zero},
    tensor::Tensor,
};
use std::fmt;

/// A weight of several tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    pub codes: Codes,
    /// Weights of the same size, one behind the other.
    pub copies: usize,
    pub n: usize,
    pub k: usize,
}

/// Codes of one bit in the word of a lane.
const SIGNS: usize = 32;

/// Most copies, rows and elements of a row.
const MAX_SIZE: i64 = 1 << 40;

/// The tensors of a weight, checked.
pub struct Open<'a> {
    parts: &'a Parts,
    codes: &'a Codes,
    data: &'a Tensor,
    scale: &'a Tensor,
    zero: Option<&'a Tensor>,
    /// Which k stands at each place of a packed row; empty where they stand in order.
    order: Vec<u32>,
}

/// The integers that codes stand for: from `least` on, and how many.
#[derive(Clone, Copy)]
struct Range {
    least: i32,
    most: i32,
}

fn range(codes: &Codes) -> Range {
    let end = 1i32 << codes.bits.min(8);
    match codes.code {
        Code::Int => Range { least: -end / 2, most: end / 2 - 1 },
        // Codebooks have no integers: their indices.
        Code::Uint | Code::Codebook(_) => Range { least: 0, most: end - 1 },
        Code::Bipolar => Range { least: 1 - end, most: end - 1 },
        Code::Ternary => Range { least: -1, most: 1 },
    }
}

/// The integer of code `c`, which has no bits above the op's.
fn integer(codes: &Codes, c: i32) -> i32 {
    let end = 1i32 << codes.bits.min(8);
    match codes.code {
        Code::Int if c >= end / 2 => c - end,
        Code::Int | Code::Uint | Code::Codebook(_) => c,
        Code::Bipolar => 2 * c - (end - 1),
        // Two bits hold one code more than there are: nothing stands for it.
        Code::Ternary => c.min(2) - 1,
    }
}

impl Parts {
    /// Whether a packed row holds the elements in an order of its own.
    pub fn ordered(&self) -> bool {
        matches!(self.codes.layout, CodeLayout::Gptq { act_order: true, .. })
    }

    /// What a stored zero point falls short of.
    fn more(&self) -> i32 {
        match self.codes.layout {
            CodeLayout::Gptq { less_one: true, .. } => 1,
            CodeLayout::Gptq { less_one: false, .. } | CodeLayout::Rows | CodeLayout::Awq => 0,
        }
    }

    /// Elements that share a scale in the tensors.
    fn group(&self) -> usize {
        match self.codes.group {
            Group::K(g) => usize::try_from(g).unwrap_or(1).max(1),
            Group::Row | Group::Tensor => self.k.max(1),
        }
    }

    /// The packing with a place for every code and factor.
    pub(super) fn packing(&self, lanes: usize) -> Packing {
        let codes = &self.codes;
        let group = match codes.group {
            Group::K(_) => self.group(),
            // One scale for a whole row: with whole steps.
            Group::Row | Group::Tensor => {
                let step = self.k.next_power_of_two().clamp(32, STEP);
                self.k.max(1).next_multiple_of(step)
            }
        };
        let Range { least, most } = range(codes);
        let bits = (most - least).unsigned_abs().checked_ilog2().unwrap_or(0) + 1;
        let elem = narrowest(bits, group);
        let float = |d: Dtype| match d {
            Dtype::F16 | Dtype::BF16 => d,
            Dtype::F32
            | Dtype::E4M3
            | Dtype::E5M2
            | Dtype::I8
            | Dtype::U8
            | Dtype::I16
            | Dtype::U16
            | Dtype::I32
            | Dtype::U32
            | Dtype::I64
            | Dtype::Code(_)
            | Dtype::Bool => Dtype::F32,
        };
        // What has two values, neighbours of 0, needs one bit.
        let signs = codes.code == Code::Bipolar && codes.bits == 1 && codes.zero.is_none();
        let zeros = codes.zero.map(|zero| match zero {
            Zero::Uint(bits) if (1 << bits.min(8)) - 1 + self.more() - least <= 255 => Dtype::U8,
            Zero::Uint(_) => Dtype::F16,
            Zero::Float(d) if least == 0 => float(d),
            Zero::Float(_) => Dtype::F32,
        });
        Packing {
            elem,
            trits: false,
            signs: signs && group.is_multiple_of(SIGNS),
            lanes,
            group,
            scale: Some(float(codes.scale)),
            min: None,
            zeros,
            zero: if zeros.is_some() { 0 } else { -least },
            inner: None,
            order: Order::Lanes,
        }
    }

    /// Holds the tensors against the sizes.
    pub fn open<'a>(&'a self, tensors: &[&'a Tensor]) -> Result<Open<'a>, PackError> {
        let codes = &self.codes;
        let wrong = |name: &str, why: String| PackError::Source { name: name.into(), why };
        match codes.layout {
            CodeLayout::Rows => {}
            CodeLayout::Gptq { .. } | CodeLayout::Awq => return self.open_words(tensors),
        }
        let (data, scale, zero) = match (tensors, codes.zero) {
            ([data, scale], None) => (*data, *scale, None),
            ([data, scale, zero], Some(_)) => (*data, *scale, Some(*zero)),
            _ => return Err(wrong("codes", format!("{} tensors are given", tensors.len()))),
        };
        let too_large = || PackError::Overflow { n: self.n, k: self.k };
        let rows = self.copies.checked_mul(self.n).ok_or_else(too_large)?;
        let per_row = match codes.group {
            Group::K(_) if !self.k.is_multiple_of(self.group()) => {
                return Err(PackError::Ragged { k: self.k, what: "groups", of: self.group() });
            }
            Group::K(_) => self.k / self.group(),
            Group::Row | Group::Tensor => 1,
        };
        let factors = match codes.group {
            Group::Tensor => Some(1),
            Group::Row | Group::K(_) => rows.checked_mul(per_row),
        };
        let factors = factors.ok_or_else(too_large)?;
        let held = |name: &str, t: &Tensor, bytes: Option<usize>| -> Result<(), PackError> {
            let bytes = bytes.ok_or_else(too_large)?;
            if t.bytes.len() == bytes {
                return Ok(());
            }
            Err(wrong(name, format!("{bytes} bytes are wanted, {} are given", t.bytes.len())))
        };
        let packed = |count: usize, bits: u8| {
            count.checked_mul(usize::from(bits)).map(|bits| bits.div_ceil(8))
        };
        let data_bytes = packed(self.k, codes.bits).and_then(|row| row.checked_mul(rows));
        held("codes", data, data_bytes)?;
        let floats = |name: &str, t: &Tensor, dtype: Dtype| {
            if t.dtype != dtype {
                return Err(wrong(name, format!("it holds {}, not {dtype}", t.dtype)));
            }
            held(name, t, factors.checked_mul(dtype.bytes().unwrap_or(1)))
        };
        floats("scale", scale, codes.scale)?;
        match (zero, codes.zero) {
            (Some(t), Some(Zero::Float(dtype))) => floats("zero", t, dtype)?,
            (Some(t), Some(Zero::Uint(bits))) => {
                let (lead, last) = self.zero_rows();
                held("zero", t, packed(last, bits).and_then(|row| row.checked_mul(lead)))?;
            }
            (Some(_), None) | (None, _) => {}
        }
        Ok(Open { parts: self, codes, data, scale, zero, order: vec![] })
    }

    /// The tensors of GPTQ and AWQ: `qweight`, `qzeros`, `scales`, perhaps `g_idx`.
    fn open_words<'a>(&'a self, tensors: &[&'a Tensor]) -> Result<Open<'a>, PackError> {
        let codes = &self.codes;
        let wrong = |name: &str, why: String| PackError::Source { name: name.into(), why };
        let (data, zero, scale, index) = match (tensors, self.ordered()) {
            ([data, zero, scale], false) => (*data, *zero, *scale, None),
            ([data, zero, scale, index], true) => (*data, *zero, *scale, Some(*index)),
            _ => return Err(wrong("qweight", format!("{} tensors are given", tensors.len()))),
        };
        let group = self.group();
        if !self.k.is_multiple_of(group) {
            return Err(PackError::Ragged { k: self.k, what: "groups", of: group });
        }
        let groups = self.k / group;
        let bits = usize::from(codes.bits);
        let held = |name: &str, t: &Tensor, dtype: Dtype, elements: Option<usize>| {
            let bytes = elements.and_then(|e| e.checked_mul(dtype.bytes().unwrap_or(1)));
            let Some(bytes) = bytes else {
                return Err(PackError::Overflow { n: self.n, k: self.k });
            };
            if t.dtype != dtype {
                return Err(wrong(name, format!("it holds {}, not {dtype}", t.dtype)));
            }
            if t.bytes.len() != bytes {
                let why = format!("{bytes} bytes are wanted, {} are given", t.bytes.len());
                return Err(wrong(name, why));
            }
            Ok(())
        };
        let words = |x: usize| x.checked_mul(bits).map(|b| b / 32);
        let all = match codes.layout {
            CodeLayout::Awq => words(self.n).and_then(|w| w.checked_mul(self.k)),
            CodeLayout::Gptq { .. } | CodeLayout::Rows => {
                words(self.k).and_then(|w| w.checked_mul(self.n))
            }
        };
        held("qweight", data, Dtype::I32, all)?;
        held("qzeros", zero, Dtype::I32, words(self.n).and_then(|w| w.checked_mul(groups)))?;
        held("scales", scale, codes.scale, groups.checked_mul(self.n))?;
        let mut order = Vec::new();
        if let Some(index) = index {
            held("g_idx", index, Dtype::I32, Some(self.k))?;
            let mut members = vec![Vec::new(); groups];
            for k in 0..self.k {
                let g = index.get(k);
                let list = members.get_mut(g as usize).filter(|_| g >= 0.0).ok_or_else(|| {
                    wrong("g_idx", format!("element {k} is in group {g} of {groups}"))
                })?;
                list.push(k as u32);
            }
            if let Some(g) = members.iter().position(|m| m.len() != group) {
                let found = members.get(g).map_or(0, Vec::len);
                return Err(wrong("g_idx", format!("group {g} has {found} elements, not {group}")));
            }
            order = members.concat();
        }
        Ok(Open { parts: self, codes, data, scale, zero: Some(zero), order })
    }

    /// Zero points are packed along the last dimension of the scales: so many rows of so many.
    fn zero_rows(&self) -> (usize, usize) {
        match self.codes.group {
            Group::Tensor => (1, 1),
            Group::Row => (self.copies, self.n),
            Group::K(_) => (self.copies.saturating_mul(self.n), self.k / self.group()),
        }
    }

    /// Reads what `Display` prints.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Parts> {
        let codes = read_codes(lexer)?;
        lexer.expect("[")?;
        let mut sizes = [0; 3];
        for (i, size) in sizes.iter_mut().enumerate() {
            if i > 0 {
                lexer.expect(",")?;
            }
            let span = lexer.span();
            let x = lexer.int("a size")?;
            *size = usize::try_from(x).ok().filter(|_| x <= MAX_SIZE).ok_or_else(|| {
                Diagnostic::new(span, format!("{x} is not between 0 and {MAX_SIZE}"))
            })?;
        }
        lexer.expect("]")?;
        let [copies, n, k] = sizes;
        Ok(Parts { codes, copies, n, k })
    }
}

impl Open<'_> {
    /// A row of a copy; codes are unsigned, with the zero that they have then.
    pub fn row(&self, copy: usize, row: usize, out: &mut Fields) {
        let (codes, k) = (self.codes, self.parts.k);
        match codes.layout {
            CodeLayout::Rows => {}
            CodeLayout::Gptq { .. } | CodeLayout::Awq => return self.row_of_words(row, out),
        }
        let row = copy * self.parts.n + row;
        let bits = usize::from(codes.bits.clamp(1, 8));
        let bytes = (k * bits).div_ceil(8);
        let data = self.data.bytes.get(row * bytes..(row + 1) * bytes).unwrap_or(&[]);
        let least = range(codes).least;
        out.codes.clear();
        out.codes.extend((0..k).map(|e| integer(codes, code(data, e, bits)) - least));
        let (first, count) = match codes.group {
            Group::Tensor => (0, 1),
            Group::Row => (row, 1),
            Group::K(_) => (row * (k / self.parts.group()), k / self.parts.group()),
        };
        out.group = self.parts.group();
        out.scale.clear();
        out.scale.extend((first..first + count).map(|i| self.scale.get(i) as f32));
        out.min.clear();
        out.zeros.clear();
        out.zero = if self.zero.is_some() { 0 } else { -least };
        match (self.zero, codes.zero) {
            (Some(t), Some(Zero::Float(_))) => {
                out.zeros.extend((first..first + count).map(|i| t.get(i) as f32 - least as f32));
            }
            (Some(t), Some(Zero::Uint(bits))) => {
                let bits = usize::from(bits.clamp(1, 8));
                let (_, last) = self.parts.zero_rows();
                let bytes = (last * bits).div_ceil(8);
                for i in first..first + count {
                    let (row, e) = (i / last.max(1), i % last.max(1));
                    let data = t.bytes.get(row * bytes..(row + 1) * bytes).unwrap_or(&[]);
                    out.zeros.push((code(data, e, bits) - least) as f32);
                }
            }
            (Some(_), None) | (None, _) => {}
        }
    }
}

impl Open<'_> {
    /// Which k stands at each place of a packed row; empty where they stand in order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Column `n` of the words of GPTQ and AWQ.
    fn row_of_words(&self, n: usize, out: &mut Fields) {
        let (parts, bits) = (self.parts, usize::from(self.codes.bits));
        let word = |t: &Tensor, at: usize| {
            t.bytes
                .get(4 * at..4 * at + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        // A code of 3 bits may begin in one word and end in the next, `apart` words on.
        let stream = |t: &Tensor, first: usize, apart: usize, e: usize| {
            let (at, bit) = (e * bits / 32, e * bits % 32);
            let low = u64::from(word(t, first + at * apart));
            let high =
                if bit + bits > 32 { u64::from(word(t, first + (at + 1) * apart)) } else { 0 };
            ((low | high << 32) >> bit & ((1 << bits) - 1)) as i32
        };
        let nibble = |t: &Tensor, first: usize| {
            let shift = 4 * AWQ_NIBBLES.get(n % 8).copied().unwrap_or(0);
            (word(t, first + n / 8) >> shift & 15) as i32
        };
        let awq = self.codes.layout == CodeLayout::Awq;
        let one = |k: usize| match awq {
            true => nibble(self.data, k * (parts.n / 8)),
            false => stream(self.data, n, parts.n, k),
        };
        out.codes.clear();
        match self.order.is_empty() {
            true => out.codes.extend((0..parts.k).map(one)),
            false => out.codes.extend(self.order.iter().map(|k| one(*k as usize))),
        }
        out.group = parts.group();
        out.zero = 0;
        out.scale.clear();
        out.zeros.clear();
        out.min.clear();
        for g in 0..parts.k / out.group.max(1) {
            out.scale.push(self.scale.get(g * parts.n + n) as f32);
            let zero = self.zero.map_or(0, |t| match awq {
                true => nibble(t, g * (parts.n / 8)),
                false => stream(t, g * (parts.n * bits / 32), 1, n),
            });
            out.zeros.push((zero + parts.more()) as f32);
        }
    }
}

/// Nibble of the word of eight columns that holds each of them: AutoAWQ packs 0 2 4 6 1 3 5 7.
const AWQ_NIBBLES: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Code `e` of a row of packed ones.
fn code(row: &[u8], e: usize, bits: usize) -> i32 {
    let at = e * bits;
    let byte = |i: usize| row.get(i).map_or(0, |b| u32::from(*b));
    let word = byte(at / 8) | if at % 8 + bits > 8 { byte(at / 8 + 1) << 8 } else { 0 };
    (word >> (at % 8) & ((1 << bits) - 1)) as i32
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.codes;
        match c.code {
            Code::Int => write!(f, "int{}", c.bits)?,
            Code::Uint => write!(f, "uint{}", c.bits)?,
            Code::Bipolar => write!(f, "bipolar{}", c.bits)?,
            Code::Ternary => write!(f, "ternary{}", c.bits)?,
            Code::Codebook(_) => write!(f, "codebook{}", c.bits)?,
        }
        match c.group {
            Group::Tensor => write!(f, " per tensor")?,
            Group::Row => write!(f, " per row")?,
            Group::K(g) => write!(f, " group {g}")?,
        }
        write!(f, " scale {}", c.scale)?;
        match c.zero {
            None => {}
            Some(Zero::Uint(bits)) => write!(f, " zero uint{bits}")?,
            Some(Zero::Float(dtype)) => write!(f, " zero {dtype}")?,
        }
        match c.layout {
            CodeLayout::Rows => {}
            CodeLayout::Awq => write!(f, " awq")?,
            CodeLayout::Gptq { act_order, less_one } => {
                write!(f, " gptq {}", if less_one { 1 } else { 2 })?;
                if act_order {
                    write!(f, " act_order")?;
                }
            }
        }
        write!(f, " [{}, {}, {}]", self.copies, self.n, self.k)
    }
}

/// Name of a family, what its codes mean.
const FAMILIES: &[(&str, Code)] = &[
    ("int", Code::Int),
    ("uint", Code::Uint),
    ("bipolar", Code::Bipolar),
    ("ternary", Code::Ternary),
];

/// `int4`: what codes mean, and their bits.
fn family(word: &str) -> Option<(Code, u8)> {
    let digits = word.find(|c: char| c.is_ascii_digit())?;
    let (name, bits) = word.split_at_checked(digits)?;
    let (_, code) = FAMILIES.iter().find(|(n, _)| *n == name)?;
    let bits = bits.parse().ok().filter(|b| (1..=8).contains(b))?;
    (*code != Code::Ternary || bits == 2).then(|| (code.clone(), bits))
}

fn read_codes(lexer: &mut Lexer<'_>) -> Parsed<Codes> {
    let span = lexer.span();
    let word = lexer.word("the form of a weight")?;
    let (code, bits) = family(&word).ok_or_else(|| {
        Diagnostic::new(span.clone(), format!("`{word}` is no form of codes"))
            .help("forms are int, uint, bipolar of 1 to 8 bits, ternary2: `int4`")
    })?;
    let group = if lexer.eat_word("per") {
        if lexer.eat_word("row") {
            Group::Row
        } else {
            lexer.expect_word("tensor")?;
            Group::Tensor
        }
    } else {
        lexer.expect_word("group")?;
        let span = lexer.span();
        let g = lexer.int("how many codes share a scale")?;
        if !(1..=MAX_SIZE).contains(&g) {
            return Err(Diagnostic::new(span, format!("a group cannot be {g}")));
        }
        Group::K(g)
    };
    lexer.expect_word("scale")?;
    let float = |lexer: &mut Lexer<'_>| {
        let span = lexer.span();
        let word = lexer.word("a float type")?;
        Dtype::parse(&word)
            .filter(|d| d.is_float())
            .ok_or_else(|| Diagnostic::new(span, format!("`{word}` is no float type")))
    };
    let scale = float(lexer)?;
    let zero = if lexer.eat_word("zero") {
        let span = lexer.span();
        let word = lexer.word("a type of zero points")?;
        match (family(&word), Dtype::parse(&word).filter(|d| d.is_float())) {
            (Some((Code::Uint, bits)), _) => Some(Zero::Uint(bits)),
            (_, Some(dtype)) => Some(Zero::Float(dtype)),
            (_, None) => {
                let message = format!("`{word}` is no type of zero points");
                return Err(Diagnostic::new(span, message));
            }
        }
    } else {
        None
    };
    let layout = if lexer.eat_word("awq") {
        CodeLayout::Awq
    } else if lexer.eat_word("gptq") {
        let span = lexer.span();
        let version = lexer.int("a version")?;
        if !(1..=2).contains(&version) {
            return Err(Diagnostic::new(span, format!("there is no version {version}")));
        }
        let act_order = lexer.eat_word("act_order");
        CodeLayout::Gptq { act_order, less_one: version == 1 }
    } else {
        CodeLayout::Rows
    };
    if layout != CodeLayout::Rows {
        let words = code == Code::Uint && zero == Some(Zero::Uint(bits));
        let four = layout != CodeLayout::Awq || bits == 4;
        if !words || !four || group == Group::Tensor {
            return Err(Diagnostic::new(span, "no tool writes such codes")
                .help("gptq: uint2, 3, 4, 8, awq: uint4, both with zero points as wide"));
        }
    }
    Ok(Codes { code, bits, group, scale, zero, layout })
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
