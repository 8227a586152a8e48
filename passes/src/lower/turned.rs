//! Codes of rows in memory on the way to a panel of bytes: four of a row stand in a word, and lanes are rows.
//!
//! ```text
//! 16 rows of 64 bytes      row i: words i0 i1 .. i15      ->      word j: lanes 0j 1j .. 15j
//! ```
//!
//! Fours of rows exchange words inside fours of lanes, then fours of lanes change places: none of these exchanges needs a
//! table of lanes. Where neighbours in memory are half as many words as there are lanes, two rows share a register.

use super::{Coord, Lower, Place, Result, access::TileRef};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, IntOp, Mem, Op, Operand, Reg, Width, WordOp},
    tile::{Binary, Expr, Value},
};
use std::rc::Rc;

/// Bytes of a word.
const WORD: usize = 4;

/// Codes of four bits in a word.
const HALVES: usize = 8;

/// The order in which a word of codes of four bits becomes two of bytes: its even codes, then the odd ones.
pub(crate) fn evens_first(len: usize) -> Vec<usize> {
    let place = |i: usize| i / HALVES * HALVES + 2 * (i % HALVES) % (HALVES - 1);
    (0..len).map(|i| if i % HALVES == HALVES - 1 { i } else { place(i) }).collect()
}

/// Codes of rows as bytes.
struct Codes {
    from: Rc<TileRef>,
    /// Bits that change in each code.
    flip: u8,
    /// In the order of [`evens_first`].
    apart: bool,
}

impl Lower<'_> {
    /// The codes in memory whose bytes `v` is, if it is such.
    fn codes_of_rows(&self, v: Value) -> Option<Codes> {
        let inline = |v: Value| matches!(self.places.get(&v), Some(Place::Inline(None)));
        let number = |v: &Value, x: f64| matches!(self.expr(*v), Some(Expr::Fill(y)) if *y == x);
        if let (Some(Place::Inline(Some(from))), Some(Expr::Load { .. })) =
            (self.places.get(&v), self.expr(v))
        {
            let plain = from.packed.is_none() && from.dims.iter().all(|d| d.guard.is_none());
            return plain.then(|| Codes { from: from.clone(), flip: 0, apart: false });
        }
        match self.expr(v).filter(|_| inline(v))? {
            Expr::Convert(a) => self.codes_of_rows(*a),
            Expr::Permute(a, table) if *table == evens_first(table.len()) => {
                self.codes_of_rows(*a).map(|c| Codes { apart: true, ..c })
            }
            Expr::Binary(Binary::Add, a, b) if number(b, 128.0) => {
                let codes = self.codes_of_rows(*a)?;
                (codes.from.elem == Dtype::I8).then_some(Codes { flip: 0x80, ..codes })
            }
            Expr::Binary(Binary::And, a, b) if number(b, 15.0) && inline(*a) => {
                let Some(Expr::Binary(Binary::Add, a, eight)) = self.expr(*a) else { return None };
                let codes = self.codes_of_rows(*a).filter(|_| number(eight, 8.0))?;
                (codes.from.elem == Dtype::Code(4)).then_some(Codes { flip: 8, ..codes })
            }
            Expr::Fill(_)
            | Expr::Iota { .. }
            | Expr::Load { .. }
            | Expr::Dot { .. }
            | Expr::Lookup { .. }
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Select(..)
            | Expr::Reduce(..)
            | Expr::Bits(_)
            | Expr::Permute(..)
            | Expr::Transpose(_) => None,
        }
    }

    /// Writes rows of codes to a panel of bytes; false if `v` is none, or lies otherwise than this knows.
    pub(super) fn store_turned(&mut self, to: &TileRef, v: Value) -> Result<bool> {
        let (lanes, shape) = (self.lanes, self.shape(v).to_vec());
        let ([rows, k], Some(codes)) = (&shape[..], self.codes_of_rows(v)) else {
            return Ok(false);
        };
        let (rows, k, from) = (*rows, *k, codes.from.clone());
        let bits = from.elem.bits() as usize;
        let plain = |elem: Dtype, flip: u8| from.elem == elem && !codes.apart && codes.flip == flip;
        let halves = from.elem == Dtype::Code(4) && codes.apart;
        let known = plain(Dtype::I8, 0x80) || plain(Dtype::U8, 0) || halves;
        // Neighbours in memory.
        let run = match from.field {
            Some((field, Operand::Imm(0))) if field.step == bits => field.block.min(k),
            None if from.dims.last().is_some_and(|d| d.step == Operand::Imm(1)) => k,
            _ => return Ok(false),
        };
        let words = run * bits / (8 * WORD);
        let width = [lanes, lanes / 2].into_iter().find(|w| *w > 0 && words.is_multiple_of(*w));
        let (Some(width), [row, _]) = (width, &from.dims[..]) else { return Ok(false) };
        let chunk = width * 8 * WORD / bits;
        let fours = width.is_multiple_of(4) && lanes.is_multiple_of(4) && lanes <= 16;
        if !known || !fours || !rows.is_multiple_of(lanes) || !k.is_multiple_of(chunk) {
            return Ok(false);
        }
        let stride = row.step;
        let byte_of = |i: usize| match from.field {
            Some((field, _)) => field.bit(i).unwrap_or(0) / 8,
            None => i,
        };
        let begin = byte_of(0);
        let chunks: Vec<i32> =
            (0..k).step_by(chunk).map(|first| (byte_of(first) - begin) as i32).collect();
        let blocks = Operand::Imm((rows / lanes) as i64);
        self.for_loop(Operand::Imm(0), blocks, 1, &[], |l, block, _| {
            let target = l.packed_rows(to, block)?;
            let first = l.int(IntOp::Mul, Operand::Reg(block), Operand::Imm(lanes as i64));
            let first = Some(l.as_reg(first));
            if from.ahead.is_some() {
                l.for_loop(Operand::Imm(0), Operand::Imm(lanes as i64), 1, &[], |l, i, _| {
                    let row = l.int(
                        IntOp::Add,
                        first.map_or(Operand::Imm(0), Operand::Reg),
                        Operand::Reg(i),
                    );
                    let reg = Some(l.as_reg(row));
                    l.hint_row(&from, Coord { reg, add: 0, span: 1 })?;
                    Ok(((), vec![]))
                })?;
            }
            let start = Coord { reg: first, add: 0, span: lanes };
            let start = l.address(&from, &[start, Coord::from(0)])?;
            for (number, byte) in chunks.iter().enumerate() {
                let start = Mem { offset: start.offset + byte, ..start };
                let regs = l.chunk_of(start, stride, width);
                for (i, word) in l.turn_words(regs).into_iter().enumerate() {
                    l.store_codes(&target, &codes, number * width + i, word)?;
                }
            }
            Ok(((), vec![]))
        })?;
        Ok(true)
    }

    /// `width` neighbours of as many rows as lanes: of one row a register, or of two that stand four apart.
    fn chunk_of(&mut self, start: Mem, stride: Operand, width: usize) -> Vec<Reg> {
        let lanes = self.lanes;
        let mut base = Operand::Reg(start.base);
        let mut rows = Vec::new();
        for row in 0..lanes {
            if row > 0 {
                base = self.int(IntOp::Add, base, stride);
            }
            let mem = Some(Mem { base: self.as_reg(base), ..start });
            let half = [Operand::Imm(width as i64)];
            rows.push(match width == lanes {
                true => self.inst(Class::Word, Op::Load(Width::W32), &[], mem),
                false => self.inst(Class::Word, Op::LoadPart(Width::W32), &half, mem),
            });
        }
        if width == lanes {
            return rows;
        }
        let table: Vec<u8> = (0..lanes).map(|l| (l % width + l / width * lanes) as u8).collect();
        let pair = |r: usize| [0, 4].map(|more| rows[r / 4 * 8 + r % 4 + more]);
        (0..width).map(|r| self.v(Class::Word, Op::Shuffle(table.clone()), &pair(r))).collect()
    }

    /// The words of a chunk, each of all rows, from what [`Self::chunk_of`] gives.
    fn turn_words(&mut self, regs: Vec<Reg>) -> Vec<Reg> {
        let lanes = self.lanes;
        let v = |l: &mut Self, x: Reg, y: Reg, table: &dyn Fn(usize) -> usize| {
            let table = (0..lanes).map(|i| table(i) as u8).collect();
            l.v(Class::Word, Op::Shuffle(table), &[x, y])
        };
        // In each four lanes, two of one register, then two of the other.
        let two = |first: usize, step: usize| {
            move |i: usize| i / 4 * 4 + first + i % 2 * step + if i % 4 < 2 { 0 } else { lanes }
        };
        let mut fours = Vec::new();
        for r in regs.chunks(4) {
            let [low, high] =
                [0, 2].map(|at| [[0, 1], [2, 3]].map(|[x, y]| v(self, r[x], r[y], &two(at, 1))));
            let mut columns = Vec::new();
            for [x, y] in [low, high] {
                columns.extend([0, 1].map(|at| v(self, x, y, &two(at, 2))));
            }
            fours.push(columns);
        }
        // Whole fours of lanes: those at even or odd places of one register, then of the other.
        let halves = |odd: usize| {
            move |i: usize| {
                let (four, half) = (i / 4 % (lanes / 8).max(1), i / 4 / (lanes / 8).max(1));
                (2 * four + odd) * 4 + i % 4 + half * lanes
            }
        };
        let mut out = vec![vec![]; 4];
        for (j, out) in out.iter_mut().enumerate() {
            let column: Vec<Reg> = fours.iter().map(|f| f[j]).collect();
            *out = match column[..] {
                [a] => vec![a],
                [a, b] => [0, 1].map(|odd| v(self, a, b, &halves(odd))).into(),
                [a, b, c, d] => {
                    let [x, y] = [0, 1]
                        .map(|odd| [[a, b], [c, d]].map(|[p, q]| v(self, p, q, &halves(odd))));
                    let place =
                        |l: &mut Self, odd: usize| [x, y].map(|[p, q]| v(l, p, q, &halves(odd)));
                    let ([c0, c1], [c2, c3]) = (place(self, 0), place(self, 1));
                    vec![c0, c1, c2, c3]
                }
                _ => vec![],
            };
        }
        (0..regs.len()).map(|c| out[c % 4][c / 4]).collect()
    }

    /// Writes the codes of a word as bytes.
    fn store_codes(&mut self, to: &TileRef, codes: &Codes, number: usize, word: Reg) -> Result<()> {
        let each = if codes.apart { HALVES } else { WORD };
        let parts = if codes.apart { 2 } else { 1 };
        for part in 0..parts {
            let mut bytes = word;
            if codes.apart {
                let moved = self.shifted(word, (4 * part) as i64);
                let mask = self.word_const(0x0f0f_0f0f);
                bytes = self.v(Class::Word, Op::Word(WordOp::And), &[moved, mask]);
            }
            if codes.flip != 0 {
                let flip = self.word_const((u32::from(codes.flip) * 0x0101_0101) as i32);
                bytes = self.v(Class::Word, Op::Word(WordOp::Xor), &[bytes, flip]);
            }
            let at = [Coord::from(0), Coord::from(number * each + part * WORD)];
            for (mem, _) in self.code_bits(to, &at)? {
                self.effect(Op::Store(Width::W32), &[Operand::Reg(bytes)], mem);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::evens_first;

    #[test]
    fn even_codes_stand_first() {
        assert_eq!(evens_first(8), [0, 2, 4, 6, 1, 3, 5, 7]);
        assert_eq!(evens_first(16)[8..], [8, 10, 12, 14, 9, 11, 13, 15]);
    }
}
