//! Packed weights: the form an instruction row asks for, and how a stored weight gets there.

use crate::{
    dtype::Dtype,
    lex::{Lexer, Parsed},
};
use std::fmt;

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

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lanes {} group {}", self.elem, self.lanes, self.group)?;
        if let Some(scale) = self.scale {
            write!(f, " scale {scale}")?;
        }
        if let Some(min) = self.min {
            write!(f, " min {min}")?;
        }
        if self.scale.is_some() { write!(f, " zero {}", self.zero) } else { Ok(()) }
    }
}

impl Packing {
    /// Reads `u4 lanes 4 group 32 scale f16 zero 8` at the lexer's place.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Packing> {
        let elem = read_dtype(lexer)?;
        lexer.expect_word("lanes")?;
        let lanes = read_size(lexer, "a number of lanes")?;
        lexer.expect_word("group")?;
        let group = read_size(lexer, "a group size")?;
        let scale = if lexer.eat_word("scale") { Some(read_dtype(lexer)?) } else { None };
        let min = if lexer.eat_word("min") { Some(read_dtype(lexer)?) } else { None };
        let mut zero = 0;
        if lexer.eat_word("zero") {
            let value = lexer.int("a zero point")?;
            let Ok(small) = i32::try_from(value) else {
                return lexer.error("a zero point fits 32 bits");
            };
            zero = small;
        }
        Ok(Packing { elem, lanes, group, scale, min, zero })
    }
}

fn read_dtype(lexer: &mut Lexer<'_>) -> Parsed<Dtype> {
    let span = lexer.span();
    let name = lexer.word("an element type")?;
    Dtype::parse(&name).ok_or_else(|| {
        crate::diag::Diagnostic::new(span, format!("`{name}` is not an element type"))
    })
}

fn read_size(lexer: &mut Lexer<'_>, what: &str) -> Parsed<usize> {
    match usize::try_from(lexer.int(what)?) {
        Ok(size) if size > 0 => Ok(size),
        Ok(_) | Err(_) => lexer.error(format!("{what} is positive")),
    }
}
