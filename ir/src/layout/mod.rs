//! Layouts: which logical element sits at which hardware bit, as a bit matrix over GF(2).
//!
//! A layout is a list of hardware axes, each with one word a bit, lowest bit first:
//!
//! ```text
//! lane = n1 n2 m0 m1 m2, reg = n0 m3
//! ```
//!
//! Read it so: bit 0 of the lane number is bit 1 of `n`, bit 1 of the lane is bit 2 of `n`, and so on;
//! the element of lane 5 (bits 0 and 2), register 2 (bit 1) is at `n = 2, m = 1 + 8`. This is the
//! accumulator of every `m16n8` product of PTX. Any axis names may be used on both sides; a name may
//! not end in a digit, since the digits of a word are the bit's number.
//!
//! `_` is a bit that changes nothing: the element is there several times (replicated, broadcast).
//! Here four lanes hold the same row:
//!
//! ```text
//! lane = _ _ m0 m1 m2
//! ```
//!
//! `^` adds without carry: the bit flips all bits that are named. Here memory is swizzled, the 16-byte
//! chunk of a 128-byte row is xored with the row's number (offsets in bytes; `k` counts bytes):
//!
//! ```text
//! offset = k0 k1 k2 k3 k4 k5 k6 k4^m0 k5^m1 k6^m2
//! ```
//!
//! The whole map is linear: the coordinates of a hardware index are the xor of the words of its set
//! bits. So "is every element there", "how often", "can these two be copied without a shuffle", "which
//! lanes hit the same bank" are ranks and kernels of small matrices. Sizes that are no power of two are
//! not here: they are the integer grid of such atoms that a tile's shape carries, or a [`Grid`].

mod algebra;
pub mod banks;
pub mod convert;
pub mod pieces;
mod tiles;

use crate::{
    diag::Diagnostic,
    lex::{Lexer, Parsed, Token},
};
use std::fmt;

pub use algebra::LayoutError;
pub use tiles::Grid;

/// Bits of one side of a layout at most: a column is one machine word.
pub const MAX_BITS: usize = 64;

/// A linear map over GF(2) from hardware bits to logical bits. Axes of both sides are sorted by name
/// and a logical axis ends with its highest bit that occurs, so equal maps are equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    inputs: Vec<(String, Vec<u64>)>,
    outputs: Vec<(String, usize)>,
}

/// One bit of an axis, `m3`.
type Bit = (String, usize);

impl Layout {
    /// `lane = n1 n2 m0 m1 m2, reg = n0 m3`.
    pub fn parse(text: &str) -> Parsed<Layout> {
        let mut lexer = Lexer::new(text)?;
        let layout = Layout::read(&mut lexer)?;
        if !lexer.at_end() {
            return lexer.error("expected `,` or the end of the layout");
        }
        Ok(layout)
    }

    /// Reads a layout inside a longer text, up to the first token that cannot belong to it.
    pub fn read(lexer: &mut Lexer) -> Parsed<Layout> {
        let start = lexer.span().start;
        let mut axes: Vec<(String, Vec<Vec<Bit>>)> = Vec::new();
        loop {
            let span = lexer.span();
            let name = lexer.word("the name of a hardware axis")?;
            if name == "_" || name.ends_with(|c: char| c.is_ascii_digit()) {
                return Err(Diagnostic::new(span, format!("`{name}` cannot name an axis"))
                    .help("a name ends in a letter; the digits of a word are the bit's number"));
            }
            if axes.iter().any(|(n, _)| *n == name) {
                return Err(Diagnostic::new(span, format!("`{name}` is given twice"))
                    .help("write all bits of an axis after one `=`"));
            }
            lexer.expect("=")?;
            let mut words = Vec::new();
            while matches!(lexer.peek(), Token::Word(_)) {
                words.push(read_word(lexer)?);
            }
            if words.is_empty() {
                return lexer.error(format!("axis `{name}` has no bits; leave it out"));
            }
            axes.push((name, words));
            if !lexer.eat(",") {
                break;
            }
        }
        Layout::from_bits(axes)
            .map_err(|e| Diagnostic::new(start..lexer.last_span().end, e.to_string()))
    }

    /// A layout from the words of its hardware axes, each word a list of logical bits to xor.
    pub fn from_bits(axes: Vec<(String, Vec<Vec<Bit>>)>) -> Result<Layout, LayoutError> {
        let mut outputs: Vec<(String, usize)> = Vec::new();
        for (name, bit) in axes.iter().flat_map(|(_, words)| words).flatten() {
            if *bit >= MAX_BITS {
                return Err(LayoutError::TooLarge);
            }
            match outputs.iter_mut().find(|(n, _)| n == name) {
                Some((_, size)) => *size = (*size).max(bit + 1),
                None => outputs.push((name.clone(), bit + 1)),
            }
        }
        outputs.sort();
        let total: usize = outputs.iter().map(|(_, n)| n).sum();
        let inputs: usize = axes.iter().map(|(_, words)| words.len()).sum();
        if total > MAX_BITS || inputs > MAX_BITS {
            return Err(LayoutError::TooLarge);
        }
        let column = |word: &Vec<Bit>| {
            word.iter().fold(0, |acc, (name, bit)| {
                acc ^ position(&outputs, name).map_or(0, |at| 1u64 << (at + bit))
            })
        };
        let mut inputs: Vec<(String, Vec<u64>)> = axes
            .iter()
            .map(|(name, words)| (name.clone(), words.iter().map(column).collect()))
            .collect();
        inputs.sort();
        Ok(Layout { inputs, outputs }.trimmed())
    }

    /// Hardware axes with their number of bits.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.inputs.iter().map(|(name, columns)| (name.as_str(), columns.len()))
    }

    /// Logical axes with their number of bits.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, usize)> {
        self.outputs.iter().map(|(name, bits)| (name.as_str(), *bits))
    }

    /// Number of bits of a hardware axis, 0 if it does not occur.
    pub fn input_bits(&self, axis: &str) -> usize {
        self.columns_of(axis).len()
    }

    /// Number of bits of a logical axis, 0 if it does not occur.
    pub fn output_bits(&self, axis: &str) -> usize {
        self.outputs.iter().find(|(n, _)| n == axis).map_or(0, |(_, bits)| *bits)
    }

    fn columns_of(&self, axis: &str) -> &[u64] {
        self.inputs.iter().find(|(n, _)| n == axis).map_or(&[], |(_, columns)| columns)
    }

    /// The logical bits that a column names.
    fn bits_of(&self, column: u64) -> Vec<Bit> {
        let mut at = 0;
        let mut out = Vec::new();
        for (name, size) in &self.outputs {
            let hit = |bit: &usize| column >> (at + bit) & 1 == 1;
            out.extend((0..*size).filter(hit).map(|bit| (name.clone(), bit)));
            at += size;
        }
        out
    }

    /// Drops the logical bits above the highest that occurs.
    fn trimmed(self) -> Layout {
        let used = self.inputs.iter().flat_map(|(_, c)| c).fold(0, |a, c| a | c);
        let mut kept: Vec<(String, usize)> = Vec::new();
        for (name, bit) in self.bits_of(used) {
            match kept.iter_mut().find(|(n, _)| *n == name) {
                Some((_, size)) => *size = bit + 1,
                None => kept.push((name, bit + 1)),
            }
        }
        if kept == self.outputs {
            return self;
        }
        let inputs = self
            .inputs
            .iter()
            .map(|(name, columns)| {
                let moved = |c: &u64| {
                    self.bits_of(*c).iter().fold(0, |acc, (n, bit)| {
                        acc | position(&kept, n).map_or(0, |at| 1u64 << (at + bit))
                    })
                };
                (name.clone(), columns.iter().map(moved).collect())
            })
            .collect();
        Layout { inputs, outputs: kept }
    }
}

/// Place of an axis' lowest bit among all bits of its side.
fn position(axes: &[(String, usize)], name: &str) -> Option<usize> {
    let index = axes.iter().position(|(n, _)| n == name)?;
    Some(axes.iter().take(index).map(|(_, bits)| bits).sum())
}

/// `_`, `m3` or `k3^m0`.
fn read_word(lexer: &mut Lexer) -> Parsed<Vec<Bit>> {
    if lexer.eat_word("_") {
        return Ok(Vec::new());
    }
    let mut word: Vec<Bit> = Vec::new();
    loop {
        let span = lexer.span();
        let text = lexer.word("a logical bit such as `m0`")?;
        let name = text.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = text.get(name.len()..).unwrap_or_default();
        let Ok(bit) = number.parse::<usize>() else {
            return Err(Diagnostic::new(span, format!("`{text}` is not a bit"))
                .help("a bit is a name and its number, lowest 0: `m0`; `_` is no bit"));
        };
        if bit >= MAX_BITS {
            return Err(Diagnostic::new(span, format!("bit {bit} is beyond {}", MAX_BITS - 1)));
        }
        let bit = (name.to_string(), bit);
        if word.contains(&bit) {
            return Err(Diagnostic::new(span, format!("`{text}` cancels itself in one word"))
                .help("name each bit once"));
        }
        word.push(bit);
        if !lexer.eat("^") {
            return Ok(word);
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, columns)) in self.inputs.iter().enumerate() {
            write!(f, "{}{name} =", if i == 0 { "" } else { ", " })?;
            for column in columns {
                let bits = self.bits_of(*column);
                let words: Vec<String> = bits.iter().map(|(n, bit)| format!("{n}{bit}")).collect();
                write!(f, " {}", if words.is_empty() { "_".into() } else { words.join("^") })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod tests;
