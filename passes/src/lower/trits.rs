//! Digits of base 3, five to a byte, by tables of 64 bytes (see [`kgen_ir::format::pack::codes`]).
//!
//! ```text
//! low  = permb.high(R, v, permb(T, v))     digits 0 to 3, two bits each: T of c, R of the rest
//! high = permb.high(H, v, v)               digit 4 in the two high bits
//! ```

use super::Lower;
use kgen_ir::{
    format::pack::Bits,
    machine::{Class, Op, Reg, WordOp},
};

/// Numbers that a byte names beside its highest digit, and how many are left.
const DIRECT: i32 = 64;
const REST: i32 = 17;

impl Lower<'_> {
    fn word(&mut self, op: WordOp, a: Reg, b: Reg) -> Reg {
        self.v(Class::Word, Op::Word(op), &[a, b])
    }

    fn and_number(&mut self, a: Reg, x: u32) -> Reg {
        let x = self.word_const(x as i32);
        self.word(WordOp::And, a, x)
    }

    /// `a / by` for a below 256.
    fn quotient(&mut self, a: Reg, by: i32) -> Reg {
        // Above the quotient by less than 256 / 2^16: nothing is rounded up.
        let part = self.word_const((1 << 16) / by + 1);
        let wide = self.word(WordOp::Mul, a, part);
        self.shifted(wide, 16)
    }

    /// Quotient and remainder of a below 256.
    fn divided(&mut self, a: Reg, by: i32) -> (Reg, Reg) {
        let quotient = self.quotient(a, by);
        let number = self.word_const(by);
        let whole = self.word(WordOp::Mul, quotient, number);
        (quotient, self.word(WordOp::Sub, a, whole))
    }

    /// The four digits of a number below 81, two bits each.
    fn four_digits(&mut self, mut c: Reg) -> Reg {
        let mut all = None;
        for place in 0..4 {
            let (rest, digit) = self.divided(c, 3);
            let digit = self.shifted(digit, -2 * place);
            all = Some(match all {
                None => digit,
                Some(all) => self.word(WordOp::Or, all, digit),
            });
            c = rest;
        }
        all.unwrap_or(c)
    }

    /// The tables T, R and H: byte i of each is that of i.
    fn tables(&mut self) -> [Reg; 3] {
        let lane = self.inst(Class::Word, Op::Iota, &[], None);
        let first = self.shifted(lane, -2);
        let mut tables: [Option<Reg>; 3] = [None; 3];
        for place in 0..4 {
            let j = self.word_const(place);
            let i = self.word(WordOp::Add, first, j);
            let direct = self.four_digits(i);
            let (high, c) = self.divided(i, REST);
            let start = self.word_const(DIRECT);
            let c = self.word(WordOp::Add, c, start);
            let rest = self.four_digits(c);
            let high = self.shifted(high, -6);
            for (table, entry) in tables.iter_mut().zip([direct, rest, high]) {
                let entry = self.and_number(entry, 0xff);
                let entry = self.shifted(entry, i64::from(-8 * place));
                *table = Some(match *table {
                    None => entry,
                    Some(t) => self.word(WordOp::Or, t, entry),
                });
            }
        }
        tables.map(|t| t.unwrap_or(lane))
    }

    /// The five words of digits of a word, as bytes.
    pub(super) fn digits(&mut self, word: Reg) -> Vec<Reg> {
        let [direct, rest, last] = self.tables();
        let low = self.v(Class::Word, Op::PermuteBytes, &[direct, word]);
        let low = self.v(Class::Word, Op::PermuteHigh, &[rest, word, low]);
        let high = self.v(Class::Word, Op::PermuteHigh, &[last, word, word]);
        let places = [(low, 0), (low, 2), (low, 4), (low, 6), (high, 6)];
        let digit = |(from, bit)| self.field(from, &Bits { byte: 0, bit, width: 2, low: 0 });
        places.map(digit).to_vec()
    }
}
