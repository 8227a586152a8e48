//! Packed weights in the order of matrix instructions: a load of whole words gives each lane its part of an operand.
//!
//! Rows come in blocks of 8, or of 16. Of 32 neighbours along k each of four lanes has 8: lane `4 n + q` those of row n
//! from `8 q` on. In blocks of 16 it is lane `n + 16 q`: the instructions that want those take all rows at once, and the
//! same q of them. A lane's codes of a group lie in words, up to four of them together, lane after lane:
//!
//! ```text
//! group: chunk 0 | chunk 1 | .. | scales | mins | zeros         one a row of each of the latter
//!   chunk: lane 0 | lane 1 | .. | lane 31                       1, 2 or 4 words each
//! ```
//!
//! In a word, codes stand so that masks and shifts bring neighbours into the halves of a word (`halves`) or into its
//! bytes (`bytes`): element i of the c in a word is field `i / 2 + c / 2 * (i % 2)`, or `c / 4 * (i % 4) + i / 4`.

use super::pack::{Packing, STEP};
use crate::dtype::Dtype;

/// What stands beside what in a packed weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Lanes are rows.
    Lanes,
    /// The same, the four bits of half a byte those of neighbours along k: the index of a table.
    Nibbles,
    /// For products of 16-bit floats.
    Halves,
    /// For products of bytes.
    Bytes,
}

impl Order {
    /// As printed; that of lanes is not.
    pub const NAMES: [(Order, &str); 3] =
        [(Order::Nibbles, "nibbles"), (Order::Halves, "halves"), (Order::Bytes, "bytes")];
}

/// Rows of a block.
pub const ROWS: [usize; 2] = [8, 16];
/// Lanes that share 32 neighbours of a row, and how many each has.
pub const LANES: usize = 4;
pub const RUN: usize = 8;

/// Where a code of a lane stands: word of its group, bit of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub lane: usize,
    pub word: usize,
    pub bit: u32,
}

impl Packing {
    pub fn in_fragments(&self) -> bool {
        match self.order {
            Order::Lanes | Order::Nibbles => false,
            Order::Halves | Order::Bytes => true,
        }
    }

    /// Are they 16-bit floats in such an order?
    pub fn has_halves(&self) -> bool {
        self.in_fragments() && self.elem.is_float()
    }

    /// The same codes in such an order, wider where a group would end inside of a word.
    pub fn ordered(&self, order: Order) -> Option<Packing> {
        let at_least = |bits: &u8| u32::from(*bits) >= self.elem.bits();
        let wider = [1, 2, 4].into_iter().filter(at_least).map(Dtype::Code).chain([Dtype::U8]);
        wider
            .map(|elem| Packing { elem, order, signs: false, ..self.clone() })
            .find(|packing| packing.check().is_ok())
    }

    /// Codes in a word.
    pub fn per_word(&self) -> usize {
        32 / (self.elem.bits() as usize).max(1)
    }

    /// What is wrong with it as fragments, if anything.
    pub(super) fn check_fragments(&self) -> Result<(), String> {
        if !ROWS.contains(&self.lanes) {
            return Err(format!("fragments have 8 or 16 lanes, not {}", self.lanes));
        }
        let whole = (LANES * self.per_word()).max(LANES * RUN);
        if !self.group.is_multiple_of(whole) {
            return Err(format!("a group of {} is no multiple of {whole}", self.group));
        }
        if self.elem.bits() == 16 && self.order == Order::Bytes {
            return Err("floats are no bytes".into());
        }
        Ok(())
    }

    /// Words of a lane that lie together.
    pub fn chunk(&self) -> usize {
        let words = self.group / (LANES * self.per_word());
        let most = STEP / (LANES * self.per_word());
        [4, 2].into_iter().find(|n| words.is_multiple_of(*n) && *n <= most).unwrap_or(1)
    }

    /// Bytes of the words of all lanes that lie together.
    pub fn chunk_bytes(&self) -> usize {
        LANES * self.lanes * 4 * self.chunk()
    }

    /// Lanes from a row to the next, and from a run along k to the next.
    pub fn lane_steps(&self) -> [usize; 2] {
        if self.lanes == ROWS[0] { [LANES, 1] } else { [1, self.lanes] }
    }

    /// Where element (n, k) of a block stands in its group.
    pub fn spot(&self, n: usize, k: usize) -> Spot {
        let k = k % self.group;
        let (run, i) = (k / RUN % LANES, k / (LANES * RUN) * RUN + k % RUN);
        let [of_row, of_run] = self.lane_steps();
        let (per, x) = (self.per_word(), i % self.per_word());
        let field = match self.order {
            Order::Bytes => per / 4 * (x % 4) + x / 4,
            Order::Lanes | Order::Nibbles | Order::Halves => x / 2 + per / 2 * (x % 2),
        };
        let bit = field as u32 * self.elem.bits();
        Spot { lane: n % self.lanes * of_row + run * of_run, word: i / per, bit }
    }

    /// Byte of the word of a spot, from the start of its group on.
    pub fn word_byte(&self, spot: Spot) -> usize {
        let chunk = self.chunk();
        let inside = spot.lane * 4 * chunk + spot.word % chunk * 4;
        spot.word / chunk * self.chunk_bytes() + inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        format::{pack::Bits, rows::find},
        lex::Lexer,
    };
    use std::collections::BTreeSet;

    fn packing(text: &str) -> Packing {
        let mut lexer = Lexer::new(text).unwrap();
        Packing::read(&mut lexer).unwrap()
    }

    const ALL: [&str; 10] = [
        "f16 lanes 8 group 32 order halves",
        "bf16 lanes 8 group 64 order halves",
        "u8 lanes 8 group 32 scale f16 zero 128 order bytes",
        "u8 lanes 8 group 4096 scale f32 order halves",
        "u4 lanes 8 group 32 scale f16 min f16 order halves",
        "u4 lanes 8 group 128 scale f16 zeros u8 order bytes",
        "u2 lanes 8 group 64 scale f16 order halves",
        "u1 lanes 8 group 128 scale f32 order bytes",
        "f16 lanes 16 group 32 order halves",
        "u4 lanes 16 group 32 scale f16 min f16 order halves",
    ];

    #[test]
    fn every_element_has_bits_of_its_own() {
        for text in ALL {
            let p = packing(text);
            assert_eq!(p.to_string(), text);
            let (rows, k) = (32, 2 * p.group);
            let s = p.sizes(rows, k).unwrap();
            assert!(s.group.is_multiple_of(16), "{text}");
            let mut seen = BTreeSet::new();
            for n in 0..rows {
                for k in 0..k {
                    let Bits { byte, bit, .. } = p.offset_codes(&s, n, k).unwrap()[0];
                    assert!(byte < s.bytes, "{text}");
                    assert!(seen.insert(byte * 8 + bit as usize), "{text}: ({n}, {k})");
                }
            }
        }
    }

    #[test]
    fn lanes_have_eight_neighbours() {
        let p = packing(ALL[0]);
        // Lane 6 has row 1, from 16 on: 16 bytes.
        let s = p.sizes(8, 32).unwrap();
        let bytes: Vec<usize> =
            (16..24).map(|k| p.offset_codes(&s, 1, k).unwrap()[0].byte).collect();
        assert_eq!(bytes, (0..8).map(|i| 6 * 16 + 2 * i).collect::<Vec<_>>());
        // Of 16 rows those of a run stand side by side: lane 16 * 2 + 1.
        let p = packing(ALL[8]);
        let s = p.sizes(16, 32).unwrap();
        assert_eq!(p.offset_codes(&s, 1, 16).unwrap()[0].byte, 33 * 16);
        let p = packing(ALL[4]);
        let bits: Vec<u32> = (0..8).map(|k| p.spot(0, k).bit).collect();
        assert_eq!(bits, [0, 16, 4, 20, 8, 24, 12, 28]);
        let p = packing(ALL[5]);
        let bits: Vec<u32> = (0..8).map(|k| p.spot(0, k).bit).collect();
        assert_eq!(bits, [0, 8, 16, 24, 4, 12, 20, 28]);
        assert_eq!((p.chunk(), p.word()), (4, 128));
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        for (format, text) in [
            ("f16", "f16 lanes 8 group 32 order halves"),
            ("q4_0", "u4 lanes 8 group 32 scale f16 zero 8 order halves"),
            ("q8_0", "u8 lanes 8 group 32 scale f16 zero 128 order bytes"),
        ] {
            let (p, format) = (packing(text), find(format).unwrap());
            let (n, k) = (11, 96);
            let bytes: Vec<u8> =
                (0..n * format.row_bytes(k).unwrap()).map(|i| (i * 7 % 60) as u8).collect();
            let plain = if format.block == 1 {
                Packing { order: Order::Lanes, group: 1, ..p.clone() }
            } else {
                Packing::for_format(format, 4).unwrap()
            };
            let (packed, other) =
                (p.pack(format, &bytes, n, k).unwrap(), plain.pack(format, &bytes, n, k).unwrap());
            let (s, t) = (p.sizes(n, k).unwrap(), plain.sizes(n, k).unwrap());
            for n in 0..n {
                for k in 0..k {
                    let found = p.unpack_value(&s, &packed, n, k);
                    assert_eq!(found, plain.unpack_value(&t, &other, n, k), "{text} {n} {k}");
                }
            }
        }
    }

    #[test]
    fn codes_of_short_groups_are_wider() {
        let p = Packing::for_format(find("q4_0").unwrap(), 8).unwrap();
        let text = "u4 lanes 8 group 32 scale f16 zero 8 order halves";
        assert_eq!(p.ordered(Order::Halves), Some(packing(text)));
        let two = Packing { elem: Dtype::Code(2), ..p.clone() };
        let text = "u4 lanes 8 group 32 scale f16 zero 8 order bytes";
        assert_eq!(two.ordered(Order::Bytes), Some(packing(text)));
        assert_eq!(Packing { group: 16, ..p }.ordered(Order::Bytes), None);
    }

    #[test]
    fn what_is_none_is_refused() {
        for (text, why) in [
            ("f16 lanes 4 group 32 order halves", "fragments have 8 or 16 lanes, not 4"),
            ("u4 lanes 8 group 16 order halves", "a group of 16 is no multiple of 32"),
            ("f16 lanes 8 group 32 order bytes", "floats are no bytes"),
        ] {
            let mut lexer = Lexer::new(text).unwrap();
            let told = Packing::read(&mut lexer).unwrap_err().message;
            assert_eq!(told, format!("this packing is none: {why}"));
        }
        let mut lexer = Lexer::new("f16 lanes 8 group 32 order rows").unwrap();
        let told = Packing::read(&mut lexer).unwrap_err().message;
        assert_eq!(told, "`rows` is no order: nibbles, halves or bytes");
        assert_eq!(Dtype::F16.bits(), 16);
    }
}
