//! Where the bits of codes stand in the words of a lane.
//!
//! ```text
//! u4     word  e0 e4 | e1 e5 | e2 e6 | e3 e7                two codes a byte, four neighbours in the bytes of a word
//! u5     low bits as u4, four words; bit 4 of 32 elements as u1, one word
//! trits  word  e0 e4 e8 e12 e16 | e1 ..                     five digits of base 3 a byte, from the lowest up
//! signs  word  e0 e4 .. e28 | e1 ..                         of codes 0 and 2 the high bit
//!        word  e0 e1 e2 e3 e16 .. e19 | e4 .. e7 e20 ..     the same in nibbles: four neighbours index a table
//! ```
//!
//! The byte of digits d0 to d4 is made to be taken apart by tables of 64: with `c = d0 + 3 d1 + 9 d2 + 27 d3` it is
//! `64 d4 + c` where c < 64, else `192 + 17 d4 + c - 64`.

use super::{Order, PAIR, Packing, QUAD};
use crate::dtype::Dtype;

/// Bits of a code that stand together, at the same place in each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane {
    /// So many bits, a power of two, from bit `low` of the code on.
    pub width: u32,
    pub low: u32,
    /// Words of a lane before it in a unit.
    pub first: usize,
}

/// Bits `[low, low + width)` of a code are those of a byte from `bit` on. Of a digit of base 3 `low` is its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    pub byte: usize,
    pub bit: u32,
    pub width: u32,
    pub low: u32,
}

/// Digits of base 3 in a byte.
pub const DIGITS: usize = 5;
/// Numbers of four digits that the low bits of a byte name directly, and the rest of them.
const DIRECT: u8 = 64;
const REST: u8 = 81 - DIRECT;
/// From here on a byte names one of the rest.
const ESCAPE: u8 = 192;

impl Plane {
    /// Codes in a byte.
    pub fn fields(&self) -> usize {
        8 / self.width as usize
    }

    /// The word of its bits of as many codes as it holds.
    pub(super) fn word(&self, codes: &[i32], bias: i32) -> u32 {
        let mask = (1u32 << self.width) - 1;
        let mut word = 0;
        for (f, quad) in codes.chunks(QUAD).enumerate() {
            for (j, &code) in quad.iter().enumerate() {
                let bits = ((code + bias) as u32) >> self.low & mask;
                word |= bits << (j as u32 * 8 + f as u32 * self.width);
            }
        }
        word
    }
}

impl Bits {
    /// What a byte adds to the code.
    pub(super) fn of(&self, byte: u8) -> i32 {
        (i32::from(byte) >> self.bit & ((1 << self.width) - 1)) << self.low
    }
}

impl Packing {
    /// Are the elements codes, not floats?
    pub fn is_codes(&self) -> bool {
        super::code(self.elem)
    }

    /// Powers of two whose sum is the width of a code, wide ones first.
    pub fn planes(&self) -> Vec<Plane> {
        if !self.is_codes() {
            return vec![];
        }
        if self.signs {
            return vec![Plane { width: 1, low: 1, first: 0 }];
        }
        let (mut list, mut low, mut first) = (Vec::new(), 0, 0);
        let unit = self.word();
        for width in [8, 4, 2, 1].into_iter().filter(|w| self.elem.bits() & w != 0) {
            let plane = Plane { width, low, first };
            low += width;
            first += unit / (QUAD * plane.fields());
            list.push(plane);
        }
        list
    }

    /// Elements along k of a unit, which stand alike in each: as many as a word of the narrowest bits holds; 1 of
    /// floats that stand alone; in fragments all words of a chunk.
    pub fn word(&self) -> usize {
        if self.in_fragments() {
            return self.chunk() * self.per_word() * QUAD;
        }
        match self.elem {
            Dtype::U8 | Dtype::Code(_) if self.trits => QUAD * DIGITS,
            Dtype::U8 | Dtype::Code(_) if self.signs => QUAD * 8,
            Dtype::U8 | Dtype::Code(_) => QUAD * (8 >> self.elem.bits().trailing_zeros().min(3)),
            Dtype::F32
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
            | Dtype::Bool => {
                if self.is_pairs() {
                    PAIR
                } else {
                    1
                }
            }
        }
    }

    /// Words of a lane in a unit of codes.
    pub(super) fn words(&self) -> usize {
        match self.trits || self.signs {
            true => 1,
            false => self.word() * self.elem.bits() as usize / 32,
        }
    }

    /// Elements along k that are unpacked together: a word of the widest bits.
    pub fn together(&self) -> usize {
        match self.planes().first() {
            Some(plane) if !self.trits => QUAD * plane.fields(),
            Some(_) | None => self.word(),
        }
    }

    /// Bits of element `k` of a unit whose word of the lane begins at `byte`.
    pub(super) fn bits_in_unit(&self, k: usize, byte: usize) -> Vec<Bits> {
        if self.trits {
            let low = (k / QUAD) as u32;
            return vec![Bits { byte: byte + k % QUAD, bit: 0, width: 8, low }];
        }
        if self.order == Order::Nibbles {
            let nibble = k / QUAD;
            let bit = (nibble / QUAD * QUAD + k % QUAD) as u32;
            return vec![Bits { byte: byte + nibble % QUAD, bit, width: 1, low: 1 }];
        }
        let one = |p: Plane| {
            let word = p.first + k / (QUAD * p.fields());
            let field = (k / QUAD % p.fields()) as u32;
            let byte = byte + word * self.lanes * QUAD + k % QUAD;
            Bits { byte, bit: field * p.width, width: p.width, low: p.low }
        };
        self.planes().into_iter().map(one).collect()
    }
}

/// The word of signs whose nibbles are four neighbours: nibble q stands in byte q % 4.
pub(super) fn nibbles(codes: &[i32], bias: i32) -> u32 {
    let place = |k: usize| k / QUAD % QUAD * 8 + k / (QUAD * QUAD) * QUAD + k % QUAD;
    let bit = |(k, code): (usize, &i32)| ((code + bias) as u32 >> 1 & 1) << place(k);
    codes.iter().take(32).enumerate().map(bit).fold(0, |word, bit| word | bit)
}

/// Four bytes of digits; those behind the last code are 0.
pub(super) fn trits(codes: &[i32], bias: i32) -> [u8; QUAD] {
    std::array::from_fn(|j| {
        let digit = |f: usize| codes.get(f * QUAD + j).map_or(0, |c| (c + bias).clamp(0, 2) as u8);
        let c = digit(0) + 3 * digit(1) + 9 * digit(2) + 27 * digit(3);
        match c.checked_sub(DIRECT) {
            None => digit(4) * DIRECT + c,
            Some(rest) => ESCAPE + REST * digit(4) + rest,
        }
    })
}

/// Digit `place` of a byte.
pub fn trit(byte: u8, place: u32) -> i32 {
    let (high, c) = match byte.checked_sub(ESCAPE) {
        None => (byte / DIRECT, byte % DIRECT),
        Some(rest) => (rest / REST, rest % REST + DIRECT),
    };
    i32::from(if place < 4 { c / 3u8.pow(place) % 3 } else { high })
}
