//! A quantity inside rows of bytes, or one that several elements share, as elements of their own.
//!
//! ```text
//! kv.k.codes: i8[b, n, 8, 128] field(block 32 stride 272 at 16 step 8)     the codes of q8_0: 34 bytes a block
//! kv.k.scale: f16[b, n, 8, 128] field(block 32 stride 272 at 0 step 0)     its scale, the same for 32 elements
//! ```

use crate::{
    diag::Diagnostic,
    lex::{Lexer, Parsed},
};
use std::fmt;

/// Element `i` of a row begins at bit `i / block * stride + at + i % block * step` of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Elements of a block.
    pub block: usize,
    /// Bits from block to block.
    pub stride: usize,
    /// Bits of a block before its first element.
    pub at: usize,
    /// Bits from element to element; 0: all of a block are one.
    pub step: usize,
}

const WORDS: [&str; 4] = ["block", "stride", "at", "step"];

impl Field {
    /// The first bit of element `i`; `None` where none is so far.
    pub fn bit(&self, i: usize) -> Option<usize> {
        let first = (i.checked_div(self.block)?).checked_mul(self.stride)?.checked_add(self.at)?;
        first.checked_add((i % self.block).checked_mul(self.step)?)
    }

    /// `field` has been read.
    pub fn read(l: &mut Lexer<'_>) -> Parsed<Field> {
        let mut numbers = [0; 4];
        l.expect("(")?;
        for (word, number) in WORDS.iter().zip(&mut numbers) {
            l.expect_word(word)?;
            let x = l.int("a number of bits or elements")?;
            let wrong =
                |_| Diagnostic::new(l.last_span(), format!("`{word}` is 0 to {}", u32::MAX));
            *number = u32::try_from(x).map_err(wrong)? as usize;
        }
        l.expect(")")?;
        let [block, stride, at, step] = numbers;
        if block == 0 {
            return Err(Diagnostic::new(l.last_span(), "a block has an element at least"));
        }
        Ok(Field { block, stride, at, step })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Field { block, stride, at, step } = self;
        write!(f, "field(block {block} stride {stride} at {at} step {step})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Field, String> {
        let mut l = Lexer::new(text).map_err(|d| d.message)?;
        l.expect_word("field").map_err(|d| d.message)?;
        Field::read(&mut l).map_err(|d| d.message)
    }

    #[test]
    fn bits_of_blocks() {
        let codes = Field { block: 32, stride: 272, at: 16, step: 8 };
        assert_eq!([0, 1, 31, 32].map(|i| codes.bit(i)), [16, 24, 264, 288].map(Some));
        assert_eq!(Field { step: usize::MAX, ..codes }.bit(3), None);
        assert_eq!(Field { block: 0, ..codes }.bit(3), None);
        assert_eq!(read(&codes.to_string()), Ok(codes));
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(
            read("field(block 0 stride 8 at 0 step 8)"),
            Err("a block has an element at least".into())
        );
        let wrong = read("field(block 1 stride 4294967296 at 0 step 8)");
        assert_eq!(wrong, Err("`stride` is 0 to 4294967295".into()));
    }
}
