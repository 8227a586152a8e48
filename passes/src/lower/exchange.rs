//! Fragments in other lanes than their own: the sums of one product as the left operand of the next.
//!
//! A fragment is words by where they begin, and five bits of a lane's number that move along rows or columns. One bit of
//! the lane after the other becomes what the operand wants there, by one `shfl` for two words where lanes exchange rows
//! for columns, by one a word where the operand has the same in both lanes:
//!
//! ```text
//! sums, pairs of columns     lanes m0 n1 m2 n2 m3, words by m1 n3
//!   bit 1: n1 for m1         lanes m0 m1 m2 n2 m3, words by n1 n3      lanes with m1 = 0 give away what has m1 = 1
//!   bit 3: n2 in all         lanes m0 m1 m2 _  m3, words by n1 n2 n3   as a left operand of quad pairs wants it
//! ```

use super::{Coord, Lower, Result};
use kgen_ir::{
    machine::{Class, Op, Operand, Reg, WordOp},
    tile::{Compare, LaneBits, Value, lanes::BITS},
};
use std::collections::BTreeMap;

/// A dimension and a bit along it.
type Bit = (u8, u8);

/// Words of a fragment, by the row and column of their first element in the first lane.
type Words = BTreeMap<[usize; 2], Reg>;

fn moved(at: [usize; 2], (dim, bit): Bit) -> [usize; 2] {
    let mut at = at;
    at[usize::from(dim).min(1)] ^= 1 << bit;
    at
}

fn has(at: [usize; 2], (dim, bit): Bit) -> bool {
    at[usize::from(dim).min(1)] >> bit & 1 == 1
}

impl Lower<'_> {
    /// Words of neighbours along `dim` from `at` on, of a value whose lanes are others than those wanted.
    pub(super) fn exchanged(
        &mut self,
        v: Value,
        (own, wanted): (LaneBits, LaneBits),
        at: &[Coord; 2],
        (dim, count): (usize, usize),
    ) -> Result<Vec<Reg>> {
        let per = 32 / (self.elem(v).bits() as usize).max(1);
        let mut out = Vec::new();
        for word in 0..count {
            let mut place = at.map(|c| c.add);
            place[dim.min(1)] += word * per;
            out.push(self.exchanged_word(v, (own, wanted), place, (dim, per))?);
        }
        Ok(out)
    }

    fn exchanged_word(
        &mut self,
        v: Value,
        (own, wanted): (LaneBits, LaneBits),
        at: [usize; 2],
        (dim, per): (usize, usize),
    ) -> Result<Reg> {
        if let Some(known) = self.squares.get(&(v, at[0], at[1])) {
            return Ok(*known);
        }
        // A whole fragment at once.
        let size = [0, 1].map(|d| {
            let inside = own.covered(d) | wanted.covered(d) | if d == dim { per - 1 } else { 0 };
            (inside + 1).next_power_of_two()
        });
        let mut words = Words::new();
        for start in own.starts(&size) {
            let start = [start[0], start[1]];
            if start[dim.min(1)].is_multiple_of(per) {
                let from = [0, 1].map(|d| Coord::from(at[d] / size[d] * size[d] + start[d]));
                let word = self.words(v, &from, dim, own, 1)?;
                words.extend(word.into_iter().map(|word| (start, word)));
            }
        }
        for (i, (from, to)) in own.0.into_iter().zip(wanted.0).enumerate() {
            let next = match (from, to) {
                (from, to) if from == to => continue,
                (Some(from), Some(to)) => self.swapped(&words, i, (from, to)),
                (Some(from), None) => Some(self.doubled(&words, i, from)),
                (None, Some(to)) => self.picked(&words, i, to),
                (None, None) => continue,
            };
            let Some(next) = next else {
                return Err(self.no("a fragment in lanes that no exchange gives".into()));
            };
            words = next;
        }
        for (start, word) in words {
            let place = [0, 1].map(|d| at[d] / size[d] * size[d] + start[d]);
            self.squares.insert((v, place[0], place[1]), word);
        }
        self.squares
            .get(&(v, at[0], at[1]))
            .copied()
            .ok_or_else(|| self.no("a word of a fragment that is not there".into()))
    }

    /// Bit `i` of the lanes moves along `to` instead of `from`: lanes give away the word that they do not want.
    fn swapped(&mut self, words: &Words, i: usize, (from, to): (Bit, Bit)) -> Option<Words> {
        let set = self.lane_bit(i);
        let mut out = Words::new();
        for (at, low) in words.iter().filter(|(at, _)| !has(**at, to)) {
            let high = words.get(&moved(*at, to))?;
            let given = self.v(Class::Word, Op::Select, &[set, *low, *high]);
            let table = (0..self.lanes).map(|lane| (lane ^ 1 << i) as u8).collect();
            let got = self.v(Class::Word, Op::Shuffle(table), &[given, given]);
            out.insert(*at, self.v(Class::Word, Op::Select, &[set, got, *low]));
            out.insert(moved(*at, from), self.v(Class::Word, Op::Select, &[set, *high, got]));
        }
        Some(out)
    }

    /// Lanes that differ in bit `i` have the words of both.
    fn doubled(&mut self, words: &Words, i: usize, from: Bit) -> Words {
        let mut out = Words::new();
        for (at, word) in words {
            for (set, at) in [(0, *at), (1 << i, moved(*at, from))] {
                let table = (0..self.lanes).map(|lane| (lane & !(1 << i) | set) as u8).collect();
                out.insert(at, self.v(Class::Word, Op::Shuffle(table), &[*word, *word]));
            }
        }
        out
    }

    /// Each lane keeps the word that bit `i` of its number says.
    fn picked(&mut self, words: &Words, i: usize, to: Bit) -> Option<Words> {
        let set = self.lane_bit(i);
        let mut out = Words::new();
        for (at, low) in words.iter().filter(|(at, _)| !has(**at, to)) {
            let high = words.get(&moved(*at, to))?;
            out.insert(*at, self.v(Class::Word, Op::Select, &[set, *high, *low]));
        }
        Some(out)
    }

    /// Lanes whose number has this bit.
    fn lane_bit(&mut self, i: usize) -> Reg {
        debug_assert!(i < BITS);
        let lane = self.at_entry(Op::Iota, &[]);
        let bit = self.word_at_entry(WordOp::And, lane, 1 << i);
        let zero = self.at_entry(Op::WordConst, &[Operand::Imm(0)]);
        self.at_entry(Op::WordCmp(Compare::Ne), &[Operand::Reg(bit), Operand::Reg(zero)])
    }
}
