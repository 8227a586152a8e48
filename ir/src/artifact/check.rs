//! What tensors of indices must hold, so that kernels stay inside of the tensors they point into.
//!
//! ```text
//! offsets q.indptr sum(m)                              from 0, never falling, the last at most sum(m)
//! below kv.len min(kv.max_pages * 16, max_of(n)) + 1   each in 0..that
//! pages kv.block_table kv.len 16 kv.pages              entries that kv.len reaches, 16 tokens each, in 0..kv.pages
//! index "pos / 16" m max_pages                         an index of each of m rows, in 0..max_pages
//! target k "slot * 2" m slots                          rows of k that are written: different ones of slots, or negative
//! ```

use crate::{
    extent::Extent,
    lex::{Lexer, Parsed, Token},
    op::expr::{self, Dialect, Expr},
};
use std::fmt;

/// A promise of the caller that memory alone can break.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    Offsets { tensor: String, most: Extent },
    Below { tensor: String, end: Extent },
    Pages { tensor: String, lens: String, page: i64, end: Extent },
    Index { at: Expr, rows: Extent, end: Extent },
    Target { tensor: String, at: Expr, rows: Extent, end: Extent },
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Check::Offsets { tensor, most } => write!(f, "offsets {tensor} {most}"),
            Check::Below { tensor, end } => write!(f, "below {tensor} {end}"),
            Check::Pages { tensor, lens, page, end } => {
                write!(f, "pages {tensor} {lens} {page} {end}")
            }
            Check::Index { at, rows, end } => write!(f, "index \"{at}\" {rows} {end}"),
            Check::Target { tensor, at, rows, end } => {
                write!(f, "target {tensor} \"{at}\" {rows} {end}")
            }
        }
    }
}

impl Check {
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Check> {
        let span = lexer.span();
        let word = lexer.word("offsets, below, pages, index or target")?;
        let tensor = |lexer: &mut Lexer<'_>| lexer.word("the name of a tensor");
        Ok(match word.as_str() {
            "offsets" => Check::Offsets { tensor: tensor(lexer)?, most: Extent::read(lexer)? },
            "below" => Check::Below { tensor: tensor(lexer)?, end: Extent::read(lexer)? },
            "pages" => {
                let (table, lens) = (tensor(lexer)?, tensor(lexer)?);
                let span = lexer.span();
                let page = lexer.int("tokens of a page")?;
                if page < 1 {
                    let message = format!("a page has at least one token, not {page}");
                    return Err(crate::diag::Diagnostic::new(span, message));
                }
                Check::Pages { tensor: table, lens, page, end: Extent::read(lexer)? }
            }
            "index" => {
                let at = index(lexer)?;
                Check::Index { at, rows: Extent::read(lexer)?, end: Extent::read(lexer)? }
            }
            "target" => {
                let (tensor, at) = (tensor(lexer)?, index(lexer)?);
                Check::Target { tensor, at, rows: Extent::read(lexer)?, end: Extent::read(lexer)? }
            }
            other => {
                return Err(crate::diag::Diagnostic::new(span, format!("`{other}` is no check"))
                    .help("checks are offsets, below, pages, index, target"));
            }
        })
    }
}

/// An index in quotes.
fn index(lexer: &mut Lexer<'_>) -> Parsed<Expr> {
    let Token::Text(text) = lexer.peek().clone() else {
        return lexer.error("expected an index in quotes");
    };
    lexer.next_token();
    let place = lexer.last_span();
    let moved = |d: crate::diag::Diagnostic| crate::diag::Diagnostic { span: place.clone(), ..d };
    expr::parse(&text, Dialect::Index).map(|parse| parse.expr).map_err(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Check, String> {
        Lexer::new(text).and_then(|mut l| Check::read(&mut l)).map_err(|d| d.message)
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "offsets q.indptr sum(m)",
            "below kv.len min(kv.max_pages * 16, max_of(n)) + 1",
            "pages kv.block_table kv.len 16 kv.pages",
            "index \"block[seq, pos / 16]\" sum(m) slots",
            "target k \"min(slot, 4) * 2\" m slots - 1",
        ] {
            assert_eq!(read(text).map(|c| c.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (text, message) in [
            ("above x 1", "`above` is no check"),
            ("pages t l 0 p", "a page has at least one token, not 0"),
            ("index 3 m n", "expected an index in quotes"),
            ("index \"x +\" m n", "expected a number, a name or `(`"),
            ("below x", "expected a size: an integer, a symbol, or an expression of them"),
        ] {
            assert_eq!(read(text), Err(message.into()));
        }
    }
}
