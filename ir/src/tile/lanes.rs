//! Lanes that hold a fragment of a matrix: each bit of a lane's number moves along a dimension.
//!
//! ```text
//! lanes n1 n2 m0 m1 m2        32 lanes: eight rows m, four columns n, two apart
//! lanes _ _ m0 m1 m2          the same rows, each in four lanes
//! ```
//!
//! `m` is the first dimension of a matrix, `n` the second. A vector of such lanes begins at an element whose bits that
//! the lanes have are zero.

use crate::{
    diag::Diagnostic,
    layout::Layout,
    lex::{Lexer, Parsed},
};
use std::fmt;

/// Bits of a lane's number.
pub const BITS: usize = 5;

/// The dimension and its bit that each bit of a lane moves along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneBits(pub [Option<(u8, u8)>; BITS]);

/// A run of bits: first bit of the lane, how many, first bit of the dimension.
pub type Run = (usize, usize, usize);

impl LaneBits {
    /// The lanes of a layout whose axes are the two dimensions; `None` where a bit moves along both.
    pub fn of(layout: &Layout, axes: [&str; 2]) -> Option<LaneBits> {
        let mut bits = [None; BITS];
        for (i, bit) in bits.iter_mut().enumerate() {
            let mut index: Vec<(&str, u64)> = layout.inputs().map(|(name, _)| (name, 0)).collect();
            for (name, value) in &mut index {
                if *name == "lane" {
                    *value = 1 << i;
                }
            }
            let place = layout.apply(&index).ok()?;
            let mut moved = place.iter().filter(|(_, value)| *value != 0);
            if let Some((axis, value)) = moved.next() {
                let dim = axes.iter().position(|a| a == axis)?;
                *bit = Some((dim as u8, value.trailing_zeros() as u8));
            }
            if moved.next().is_some() {
                return None;
            }
        }
        Some(LaneBits(bits))
    }

    /// Without bits along dimensions of one element.
    pub fn within(self, shape: &[usize]) -> LaneBits {
        let there = |(dim, _): &(u8, u8)| shape.get(usize::from(*dim)).is_some_and(|n| *n > 1);
        LaneBits(self.0.map(|bit| bit.filter(there)))
    }

    pub fn without(self, dim: usize) -> LaneBits {
        LaneBits(self.0.map(|bit| bit.filter(|(d, _)| usize::from(*d) != dim)))
    }

    /// Does every lane hold the same element?
    pub fn is_splat(self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The bits of a dimension that lanes move along.
    pub fn covered(self, dim: usize) -> usize {
        let along = self.0.iter().flatten().filter(|(d, _)| usize::from(*d) == dim);
        along.fold(0, |mask, (_, bit)| mask | 1 << bit)
    }

    /// Are there whole fragments in a matrix of this shape?
    pub fn fits(self, shape: &[usize]) -> bool {
        shape.len() == 2
            && (0..2).all(|d| {
                let covered = self.covered(d);
                let most = usize::BITS - covered.leading_zeros();
                shape[d].is_multiple_of(1 << most)
            })
    }

    /// Bits along a dimension, neighbours together.
    pub fn runs(self, dim: usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (i, bit) in self.0.iter().enumerate() {
            let Some((d, to)) = bit.map(|(d, to)| (usize::from(d), usize::from(to))) else {
                continue;
            };
            if d != dim {
                continue;
            }
            match runs.last_mut() {
                Some((first, len, start)) if *first + *len == i && *start + *len == to => *len += 1,
                Some(_) | None => runs.push((i, 1, to)),
            }
        }
        runs
    }

    /// The first elements of all vectors of a matrix, row by row.
    pub fn starts(self, shape: &[usize]) -> Vec<Vec<usize>> {
        let free = |dim: usize| {
            let covered = self.covered(dim);
            (0..shape.get(dim).copied().unwrap_or(1)).filter(move |i| i & covered == 0)
        };
        free(0).flat_map(|m| free(1).map(move |n| vec![m, n])).collect()
    }

    /// Which of [`LaneBits::starts`] one is; `None` for what is none of them.
    pub fn number(self, shape: &[usize], start: &[usize]) -> Option<usize> {
        let mut number = 0;
        for dim in 0..2 {
            let (len, at) = (shape.get(dim).copied().unwrap_or(1), *start.get(dim)?);
            let covered = self.covered(dim);
            if at >= len || at & covered != 0 {
                return None;
            }
            let free = |to: usize| (0..to).filter(|i| i & covered == 0).count();
            number = number * free(len) + free(at);
        }
        Some(number)
    }

    /// The lane that holds an element of a vector, of lanes that hold the same the first.
    pub fn lane(self, at: [usize; 2]) -> usize {
        let set = |(i, bit): (usize, &Option<(u8, u8)>)| match bit {
            Some((dim, to)) => (at[usize::from(*dim).min(1)] >> to & 1) << i,
            None => 0,
        };
        self.0.iter().enumerate().map(set).sum()
    }

    /// What `Display` prints.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<LaneBits> {
        let mut bits = [None; BITS];
        for bit in &mut bits {
            let span = lexer.span();
            let word = lexer.word("a bit such as `m0` or `n1`, or `_`")?;
            if word == "_" {
                continue;
            }
            let dim = ["m", "n"].iter().position(|d| word.starts_with(d));
            let number = word.get(1..).and_then(|n| n.parse::<u8>().ok()).filter(|n| *n < 32);
            match (dim, number) {
                (Some(dim), Some(number)) => *bit = Some((dim as u8, number)),
                (Some(_) | None, _) => {
                    return Err(Diagnostic::new(span, format!("`{word}` is no bit of a lane"))
                        .help("five of them, lowest first, such as `n1 n2 m0 m1 m2`"));
                }
            }
        }
        Ok(LaneBits(bits))
    }
}

impl fmt::Display for LaneBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.map(|bit| match bit {
            Some((dim, to)) => format!("{}{to}", if dim == 0 { "m" } else { "n" }),
            None => "_".into(),
        });
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "n1 n2 m0 m1 m2";

    fn bits(text: &str) -> LaneBits {
        let mut lexer = Lexer::new(text).unwrap();
        LaneBits::read(&mut lexer).unwrap()
    }

    #[test]
    fn bits_say_where_lanes_stand() {
        let c = bits(C);
        let layout = Layout::parse("lane = n1 n2 m0 m1 m2, reg = n0 m3").unwrap();
        assert_eq!(LaneBits::of(&layout, ["m", "n"]), Some(c));
        assert_eq!(LaneBits::of(&layout, ["m", "k"]), None);
        let both = Layout::parse("lane = n1^m0 n2 m3 m1 m2").unwrap();
        assert_eq!(LaneBits::of(&both, ["m", "n"]), None);
        assert_eq!((c.covered(0), c.covered(1)), (7, 6));
        assert_eq!((c.runs(0), c.runs(1)), (vec![(2, 3, 0)], vec![(0, 2, 1)]));
        assert_eq!(bits("m0 m2 n0 m3 _").runs(0), [(0, 1, 0), (1, 1, 2), (3, 1, 3)]);
        assert_eq!(c.starts(&[16, 8]), [[0, 0], [0, 1], [8, 0], [8, 1]]);
        assert_eq!(c.lane([5, 6]), 5 * 4 + 3);
        assert!(c.fits(&[16, 8]) && !c.fits(&[12, 8]) && !c.fits(&[8]));
        assert!(c.without(0).without(1).is_splat());
        assert_eq!(c.within(&[16, 1]).to_string(), "_ _ m0 m1 m2");
        assert_eq!(c.within(&[16, 1]).starts(&[16, 1]), [[0, 0], [8, 0]]);
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in [C, "_ _ m0 m1 m2", "n1 n2 _ _ _"] {
            assert_eq!(bits(text).to_string(), text);
        }
        for (text, message) in [
            ("k0 n0 n1 n2 n3", "`k0` is no bit of a lane"),
            ("n0 n1 n2 n3 m", "`m` is no bit of a lane"),
            ("n0 n1", "expected a bit such as `m0` or `n1`, or `_`, found the end"),
        ] {
            let mut lexer = Lexer::new(text).unwrap();
            assert_eq!(LaneBits::read(&mut lexer).unwrap_err().message, message);
        }
    }
}
