//! The text of packings: `u4 lanes 16 group 256 scale f16 min f16 inner 32 scale u6 min u6`.

use super::{Inner, Order, Packing};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    lex::{Lexer, Parsed},
};
use std::fmt;

impl Packing {
    /// Reads what `Display` prints.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Packing> {
        let start = lexer.span().start;
        let elem = dtype(lexer)?;
        let trits = lexer.eat_word("trits");
        let signs = !trits && lexer.eat_word("signs");
        lexer.expect_word("lanes")?;
        let lanes = size(lexer, "a number of lanes")?;
        lexer.expect_word("group")?;
        let group = size(lexer, "a number of elements")?;
        let scale = if lexer.eat_word("scale") { Some(dtype(lexer)?) } else { None };
        let min = if lexer.eat_word("min") { Some(dtype(lexer)?) } else { None };
        let zeros = if lexer.eat_word("zeros") { Some(dtype(lexer)?) } else { None };
        let zero = if lexer.eat_word("zero") { zero_point(lexer)? } else { 0 };
        let inner = if lexer.eat_word("inner") { Some(inner(lexer)?) } else { None };
        let mut order = Order::Lanes;
        if lexer.eat_word("order") {
            let span = lexer.span();
            let word = lexer.word("nibbles, halves or bytes")?;
            let found = Order::NAMES.iter().find(|(_, name)| *name == word);
            let wrong =
                || Diagnostic::new(span, format!("`{word}` is no order: nibbles, halves or bytes"));
            order = found.ok_or_else(wrong)?.0;
        }
        let packing =
            Packing { elem, trits, signs, lanes, group, scale, min, zeros, zero, inner, order };
        packing.check().map_err(|why| {
            Diagnostic::new(start..lexer.last_span().end, format!("this packing is none: {why}"))
                .help("a packing is such as `u4 lanes 4 group 32 scale f16 zero 8`")
        })?;
        Ok(packing)
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match (self.trits, self.signs) {
            (true, _) => " trits",
            (false, true) => " signs",
            (false, false) => "",
        };
        write!(f, "{}{form} lanes {} group {}", self.elem, self.lanes, self.group)?;
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
        if let Some(inner) = &self.inner {
            write!(f, " inner {} scale {}", inner.group, inner.scale)?;
            if inner.less != 0 {
                write!(f, " less {}", inner.less)?;
            }
            if let Some(min) = inner.min {
                write!(f, " min {min}")?;
            }
        }
        if let Some((_, name)) = Order::NAMES.iter().find(|(order, _)| *order == self.order) {
            write!(f, " order {name}")?;
        }
        Ok(())
    }
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

fn inner(lexer: &mut Lexer<'_>) -> Parsed<Inner> {
    let group = size(lexer, "a number of elements")?;
    lexer.expect_word("scale")?;
    let scale = dtype(lexer)?;
    let less = if lexer.eat_word("less") { zero_point(lexer)? } else { 0 };
    let min = if lexer.eat_word("min") { Some(dtype(lexer)?) } else { None };
    Ok(Inner { group, scale, less, min })
}

fn zero_point(lexer: &mut Lexer<'_>) -> Parsed<i32> {
    let span = lexer.span();
    let x = lexer.int("a zero point")?;
    i32::try_from(x)
        .ok()
        .filter(|z| z.unsigned_abs() <= 1 << 16)
        .ok_or_else(|| Diagnostic::new(span, format!("no code is as far off as {x}")))
}
