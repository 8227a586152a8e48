//! Damages files in the ways that find mistakes of readers: the same seed gives the same file.
//!
//! ```text
//! tasks t in 0..ceildiv(n, 64) dynamic 4 {     a number for a number, a word for a word of another seed,
//! tasks t in 0..ceildiv(n, -1) dynamic t {     pieces lost, doubled, joined, bits turned over
//! ```

use kgen_ir::format::random;
use std::ops::Range;

/// Longest input; longer ones only take longer.
const MAX_LEN: usize = 1 << 16;

/// Numbers at the edges of what sizes, counts and indices may be.
#[rustfmt::skip] // one kind a row
const NUMBERS: &[&str] = &[
    "0", "1", "2", "3", "7", "8", "15", "16", "17", "31", "32", "33", "63", "64", "65", "100",
    "-1", "255", "256", "65535", "65536", "1048576", "16777217",
    "2147483647", "2147483648", "4294967295", "4294967296",
    "4611686018427387904", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "0.5", "-0.0", "1e308", "1e999", "1e-320", "inf", "nan",
];

/// A stream of damaged files.
pub struct Mutator {
    next: Box<dyn FnMut() -> u64>,
}

impl Mutator {
    pub fn new(seed: u64) -> Mutator {
        Mutator { next: Box::new(random::numbers(seed)) }
    }

    /// A number below `end`, 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        ((self.next)() >> 11) as usize % end.max(1)
    }

    /// A stretch of `len` places, mostly short.
    fn stretch(&mut self, len: usize) -> Range<usize> {
        let start = self.below(len);
        let most = if self.below(4) == 0 { len } else { 24 };
        let count = self.below(most) + 1;
        start..(start + count).min(len)
    }

    /// One of `seeds` with some damage.
    pub fn damaged(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let Some(seed) = seeds.get(self.below(seeds.len())) else { return vec![] };
        let other = &seeds[self.below(seeds.len())];
        let mut bytes = seed.clone();
        for _ in 0..=self.below(4) {
            self.edit(&mut bytes, other);
            bytes.truncate(MAX_LEN);
        }
        bytes
    }

    fn edit(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let len = bytes.len();
        match self.below(12) {
            0 if len > 0 => {
                let at = self.below(len);
                bytes[at] ^= 1 << self.below(8);
            }
            1 if len > 0 => {
                let at = self.below(len);
                bytes[at] = (self.next)() as u8;
            }
            2 => bytes.truncate(self.below(len + 1)),
            3 => drop(bytes.drain(self.stretch(len))),
            4 => {
                let piece = bytes[self.stretch(len)].to_vec();
                let at = self.below(len + 1);
                let times = if self.below(16) == 0 { 200 } else { 1 };
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => {
                let piece = other[self.stretch(other.len())].to_vec();
                let range = self.stretch(len);
                bytes.splice(range, piece);
            }
            6 if len > 8 => {
                // An integer as binary formats store it.
                let x = [0, 1, 255, 1 << 31, u64::from(u32::MAX), 1 << 40, 1 << 63, u64::MAX];
                let x = x[self.below(x.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.below(4)];
                let at = self.below(len - width);
                bytes[at..at + width].copy_from_slice(&x[..width]);
            }
            7 | 8 => {
                let all: Vec<_> =
                    tokens(bytes).into_iter().filter(|t| bytes[t.start].is_ascii_digit()).collect();
                if let Some(place) = all.get(self.below(all.len())) {
                    let number = NUMBERS[self.below(NUMBERS.len())];
                    bytes.splice(place.clone(), number.bytes());
                }
            }
            9 => {
                let all = tokens(bytes);
                let (a, b) = (self.below(all.len()), self.below(all.len()));
                if let (Some(a), Some(b)) = (all.get(a.min(b)), all.get(a.max(b)))
                    && a != b
                {
                    let (first, second) = (bytes[a.clone()].to_vec(), bytes[b.clone()].to_vec());
                    bytes.splice(b.clone(), first);
                    bytes.splice(a.clone(), second);
                }
            }
            _ => {
                let (all, others) = (tokens(bytes), tokens(other));
                let from = others.get(self.below(others.len()));
                if let (Some(place), Some(from)) = (all.get(self.below(all.len())), from) {
                    bytes.splice(place.clone(), other[from.clone()].to_vec());
                }
            }
        }
    }
}

/// Words, numbers, and single other characters, as any text format has them.
fn tokens(bytes: &[u8]) -> Vec<Range<usize>> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut out: Vec<Range<usize>> = Vec::new();
    for (i, &b) in bytes.iter().enumerate().filter(|(_, b)| !b.is_ascii_whitespace()) {
        match out.last_mut() {
            Some(last) if last.end == i && word(b) && word(bytes[i - 1]) => last.end = i + 1,
            Some(_) | None => out.push(i..i + 1),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_words_and_signs() {
        let text = b"ab1 = [12,x_y]";
        let all: Vec<_> =
            tokens(text).into_iter().map(|t| std::str::from_utf8(&text[t]).unwrap()).collect();
        assert_eq!(all, ["ab1", "=", "[", "12", ",", "x_y", "]"]);
        assert!(tokens(b"").is_empty());
    }

    #[test]
    fn a_seed_says_every_byte_and_most_files_change() {
        let seeds = [b"a = 1\nb = 2\n".to_vec(), b"".to_vec(), b"x".to_vec()];
        let all: Vec<_> = (0..2000).map(|i| Mutator::new(i).damaged(&seeds)).collect();
        assert!((0..2000).all(|i| Mutator::new(i).damaged(&seeds) == all[i as usize]));
        let same = all.iter().filter(|b| seeds.contains(b)).count();
        assert!(same < 1200, "{same}");
        assert_eq!(Mutator::new(1).damaged(&[]), b"");
    }
}
