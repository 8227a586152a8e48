//! Any exchange of lanes as `shfl.sync`: which lane each lane reads, and of which of two registers.
//!
//! A table has six bits a lane. Bit p of all lanes is a word, and a lane finds its own bit of it by a shift with its
//! number. What is the same as the lane's own number needs no instruction, and a kernel finds each table once:
//!
//! ```text
//! shr.u32 %r5, 0x5555AAAA, %r0;      // bit 0 of each entry
//! and.b32 %r6, %r5, 1;
//! ```

use super::targets::LANES;
use std::fmt::{Display, Write};

/// Bits of a lane's number.
const BITS: usize = 5;

/// What a table comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which lane of a register each lane reads; `None`: its own.
    pub lane: Option<Lane>,
    pub of: Of,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The lane whose number differs in these bits.
    Xor(u32),
    /// Words of the bits of each lane's number.
    Planes([u32; BITS]),
}

/// The registers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    First,
    Second,
    /// The second in lanes whose bit is set.
    Both(u32),
}

impl Table {
    /// `None` for what is no table of a warp.
    pub fn of(table: &[u8]) -> Option<Table> {
        if table.len() != LANES || table.iter().any(|t| usize::from(*t) >= 2 * LANES) {
            return None;
        }
        let plane = |bit: usize| {
            table.iter().rev().fold(0u32, |word, t| word << 1 | u32::from(t >> bit & 1))
        };
        let of = match plane(BITS) {
            0 => Of::First,
            u32::MAX => Of::Second,
            mixed => Of::Both(mixed),
        };
        let apart = |i: usize| u32::from(table[i]) & 31 ^ i as u32;
        let lane = match apart(0) {
            first if (0..LANES).all(|i| apart(i) == first) => {
                (first != 0).then_some(Lane::Xor(first))
            }
            _ => Some(Lane::Planes(std::array::from_fn(plane))),
        };
        Some(Table { lane, of })
    }

    /// Of lanes that read the second register where `word` has their bit, those that choose it: by an exclusive or each
    /// lane has one reader and chooses for that one, else for itself.
    pub fn given(&self, word: u32) -> u32 {
        match self.lane {
            Some(Lane::Xor(bits)) => {
                (0..LANES as u32).fold(0, |given, l| given | (word >> (l ^ bits) & 1) << l)
            }
            Some(Lane::Planes(_)) | None => word,
        }
    }
}

/// Instructions that give each lane its number in the table: `(text, register)`.
pub fn lane_of<N: Display>(
    planes: &[u32; BITS],
    own: N,
    mut fresh: impl FnMut() -> N,
) -> (String, N) {
    // Bits that a lane's own number has, constant bits, and words to look in.
    let lanes = |bit: usize| (0..LANES).rev().fold(0u32, |w, l| w << 1 | (l >> bit & 1) as u32);
    let (mut keep, mut set, mut text) = (0u32, 0u32, String::new());
    let mut looked = Vec::new();
    for (bit, plane) in planes.iter().enumerate() {
        match *plane {
            0 => {}
            u32::MAX => set |= 1 << bit,
            p if p == lanes(bit) => keep |= 1 << bit,
            p => looked.push((bit, p)),
        }
    }
    let mut at = fresh();
    let _ = writeln!(text, "and.b32 {at}, {own}, {keep};");
    if set != 0 {
        let next = fresh();
        let _ = writeln!(text, "or.b32 {next}, {at}, {set};");
        at = next;
    }
    for (bit, plane) in looked {
        let (word, moved, one, placed, next) = (fresh(), fresh(), fresh(), fresh(), fresh());
        let _ = writeln!(text, "mov.b32 {word}, 0x{plane:08X};");
        let _ = writeln!(text, "shr.u32 {moved}, {word}, {own};");
        let _ = writeln!(text, "and.b32 {one}, {moved}, 1;");
        let _ = writeln!(text, "shl.b32 {placed}, {one}, {bit};");
        let _ = writeln!(text, "or.b32 {next}, {at}, {placed};");
        at = next;
    }
    (text, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(of: impl Fn(usize) -> usize) -> Option<Table> {
        Table::of(&(0..LANES).map(|i| of(i) as u8).collect::<Vec<_>>())
    }

    #[test]
    fn tables_are_known_by_their_bits() {
        assert_eq!(table(|i| i), Some(Table { lane: None, of: Of::First }));
        assert_eq!(table(|i| i + 32), Some(Table { lane: None, of: Of::Second }));
        let swapped = Table { lane: Some(Lane::Xor(16)), of: Of::First };
        assert_eq!(table(|i| i ^ 16), Some(swapped));
        let odd = Table { lane: None, of: Of::Both(0xaaaa_aaaa) };
        assert_eq!(table(|i| i + 32 * (i % 2)), Some(odd));
        let Some(crossed) = table(|i| (i ^ 3) + 32 * (i % 2)) else { panic!("a table") };
        assert_eq!(crossed.lane, Some(Lane::Xor(3)));
        assert_eq!(crossed.given(0xaaaa_aaaa), 0x5555_5555);
        let Some(Table { lane: Some(Lane::Planes(planes)), of: Of::Second }) = table(|_| 33) else {
            panic!("lane 1 of the second");
        };
        assert_eq!(planes, [u32::MAX, 0, 0, 0, 0]);
        assert_eq!(table(|i| i + 33), None);
        assert_eq!(Table::of(&[0, 1]), None);
    }

    /// The instructions, run by hand.
    #[test]
    fn lanes_find_their_entries() {
        for of in [|i: usize| i * 7 % 32, |i: usize| i / 2, |_| 5, |i: usize| i & 20 | 2] {
            let Some(Table { lane: Some(Lane::Planes(planes)), .. }) = table(of) else {
                panic!("no exclusive or");
            };
            let mut count = 0;
            let (text, at) = lane_of(&planes, "own".to_string(), || {
                count += 1;
                format!("r{count}")
            });
            for lane in 0..LANES as u32 {
                let mut regs = std::collections::BTreeMap::from([("own".to_string(), lane)]);
                for line in text.lines() {
                    let words: Vec<_> =
                        line.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
                    let value = |w: &str| match w.strip_prefix("0x") {
                        Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
                        None => w.parse().unwrap_or_else(|_| regs[w]),
                    };
                    let x = value(words[2]);
                    let y = words.get(3).map_or(0, |w| value(w));
                    let result = match words[0] {
                        "mov.b32" => x,
                        "and.b32" => x & y,
                        "or.b32" => x | y,
                        "shr.u32" => x >> y,
                        "shl.b32" => x << y,
                        other => panic!("{other}"),
                    };
                    regs.insert(words[1].into(), result);
                }
                assert_eq!(regs[&at] as usize, of(lane as usize), "lane {lane}\n{text}");
            }
        }
    }
}
