//! Operands of products from staged tiles: squares of 8 x 8 halves, up to four at once.
//!
//! ```text
//! k = load(ring[s * 32:32, 0:128])       rows 0 to 15, chunks 4 and 5 of 16 bytes: two operands of two products
//!
//! q = ldmatrix.x4 [ring + 0], at : w4    at = row * 256 + (chunk ^ row % 8) * 16, of lane l: row l % 16, chunk 4 + l / 16
//! ```

use super::{
    Coord, Lower, Result,
    access::TileRef,
    stage::{Lanes, PERIOD},
};
use kgen_ir::{
    layout::banks::{CHUNK, Chunks},
    machine::{Class, Mem, Op, Operand, Reg, ShiftOp, WordOp},
    tile::{LaneBits, Value},
};

/// Rows and columns of a square.
const SQUARE: usize = 8;

impl Lower<'_> {
    /// The word of a staged 16-bit tile whose square begins at `at`: neighbours along `dim` are in its halves.
    pub(super) fn square(
        &mut self,
        v: Value,
        r: &TileRef,
        chunks: Chunks,
        at: &[Coord; 2],
        dim: usize,
    ) -> Result<Reg> {
        let [row, column] = at.map(|c| c.add);
        let inside = at.iter().all(|c| c.reg.is_none() && c.add.is_multiple_of(SQUARE));
        let turned = dim == 0;
        let Some((rows, pitch)) = r.dims.first().map(|d| (d.len / SQUARE, d.step)) else {
            return Err(self.no("squares of a tile without rows".into()));
        };
        let (Operand::Imm(pitch), true, Some(16)) = (pitch, inside, Some(r.elem.bits())) else {
            return Err(self.no("squares of such a tile".into()));
        };
        let columns = r.dims.last().map_or(0, |d| d.len / SQUARE);
        let (row, column) = (row / SQUARE, column / SQUARE);
        if let Some(known) = self.squares.get(&(v, row, column)) {
            return Ok(*known);
        }
        // With its neighbours, as far as there are some.
        let (first, begin) = (row & !1, column & !1);
        let tall = if first + 1 < rows { 2 } else { 1 };
        let wide = if begin + 1 < columns { 2 } else { 1 };
        let mask = chunks.flips().into_iter().fold(0, |all, f| all | f);
        let low = begin & mask;
        let lanes = self.square_lanes(chunks, pitch, (tall, low));
        let more = first as i64 * SQUARE as i64 * pitch + ((begin - low) * CHUNK) as i64;
        let Ok(offset) = i32::try_from(i64::from(r.offset) + more) else {
            return Err(self.no("a staged tile of more than 2 GiB".into()));
        };
        let count = (tall * wide) as u8;
        let mem = Some(Mem { base: r.base, offset });
        let op = Op::Squares { count, turned };
        let all = self.inst(Class::Word, op, &[Operand::Reg(lanes)], mem);
        for i in 0..tall * wide {
            let word = self.part(all, i);
            self.squares.insert((v, first + i % tall, begin + i / tall), word);
        }
        self.squares
            .get(&(v, row, column))
            .copied()
            .ok_or_else(|| self.no("a square outside of its tile".into()))
    }

    /// Where each lane's row of squares begins: rows first, then the next chunk. Found once, before everything else.
    fn square_lanes(&mut self, chunks: Chunks, pitch: i64, (tall, low): (usize, usize)) -> Reg {
        let key = (pitch, tall, low);
        if let Some(known) = self.square_lanes.get(&key) {
            return *known;
        }
        let lane = self.at_entry(Op::Iota, &[]);
        let row = self.word_at_entry(WordOp::And, lane, (SQUARE * tall) as i64 - 1);
        let shift = (SQUARE * tall).ilog2();
        let uses = [Operand::Reg(lane), Operand::Imm(i64::from(shift))];
        let chunk = self.at_entry(Op::Shift(ShiftOp::Right), &uses);
        // More lanes than squares repeat the first ones.
        let chunk = self.word_at_entry(WordOp::And, chunk, 1);
        let chunk = self.word_at_entry(WordOp::Mul, chunk, CHUNK as i64);
        let mut chunk = self.word_at_entry(WordOp::Xor, chunk, (low * CHUNK) as i64);
        if let Some(flip) = self.flips_of(chunks, row, Lanes::Entry) {
            let uses = [Operand::Reg(chunk), Operand::Reg(flip)];
            chunk = self.at_entry(Op::Word(WordOp::Xor), &uses);
        }
        let row = self.word_at_entry(WordOp::Mul, row, pitch);
        let uses = [Operand::Reg(row), Operand::Reg(chunk)];
        let place = self.at_entry(Op::Word(WordOp::Add), &uses);
        self.square_lanes.insert(key, place);
        place
    }

    /// Does the target read squares?
    pub(super) fn has_squares(&self) -> bool {
        self.has(&Op::Squares { count: 4, turned: true })
    }

    /// Elements of a staged tile in other lanes than squares: where each lane's is, behind the tile. What rows and
    /// columns known now flip is a constant, what lanes flip is found once.
    pub(super) fn staged_bytes(
        &mut self,
        r: &TileRef,
        chunks: Chunks,
        at: &[Coord],
        bits: LaneBits,
    ) -> Result<(Reg, Mem)> {
        let ([row, column], [rows, _]) = (at, &r.dims[..]) else {
            return Err(self.no("elements of a staged tile that is no matrix".into()));
        };
        let (Operand::Imm(pitch), None, None) = (rows.step, row.reg, column.reg) else {
            return Err(self.no("elements of a staged tile at places of a loop".into()));
        };
        if (row.add & bits.covered(0)) | (column.add & bits.covered(1)) != 0 {
            return Err(self.no("elements of a staged tile across its lanes".into()));
        }
        let bytes = r.elem.bytes().unwrap_or(2);
        let lanes = self.staged_lanes(chunks, pitch, (bits, bytes));
        let mask = chunks.flips().into_iter().fold(0, |all, f| all | f) * CHUNK;
        let place = (column.add * bytes) ^ (chunks.flip(row.add) * CHUNK);
        let lanes = match place & mask {
            0 => lanes,
            low => self.word_by(WordOp::Xor, lanes, low),
        };
        let more = row.add as i64 * pitch + (place & !mask) as i64;
        let Ok(offset) = i32::try_from(i64::from(r.offset) + more) else {
            return Err(self.no("a staged tile of more than 2 GiB".into()));
        };
        Ok((lanes, Mem { base: r.base, offset }))
    }

    fn staged_lanes(
        &mut self,
        chunks: Chunks,
        pitch: i64,
        (bits, bytes): (LaneBits, usize),
    ) -> Reg {
        if let Some(known) = self.staged_lanes.get(&(pitch, bits)) {
            return *known;
        }
        let own = [0, 1].map(|dim| self.coord_at_entry(bits, dim));
        let mut along = self.word_at_entry(WordOp::Mul, own[1], bytes as i64);
        if let Some(flip) = self.flips_of(chunks, own[0], Lanes::Entry) {
            let uses = [Operand::Reg(along), Operand::Reg(flip)];
            along = self.at_entry(Op::Word(WordOp::Xor), &uses);
        }
        let down = self.word_at_entry(WordOp::Mul, own[0], pitch);
        let uses = [Operand::Reg(down), Operand::Reg(along)];
        let place = self.at_entry(Op::Word(WordOp::Add), &uses);
        self.staged_lanes.insert((pitch, bits), place);
        place
    }

    /// Where each lane stands along a dimension.
    fn coord_at_entry(&mut self, bits: LaneBits, dim: usize) -> Reg {
        let lane = self.at_entry(Op::Iota, &[]);
        let mut sum = self.at_entry(Op::WordConst, &[Operand::Imm(0)]);
        for (first, len, to) in bits.runs(dim) {
            let uses = [Operand::Reg(lane), Operand::Imm(first as i64)];
            let moved = self.at_entry(Op::Shift(ShiftOp::Right), &uses);
            let own = self.word_at_entry(WordOp::And, moved, (1 << len) - 1);
            let uses = [Operand::Reg(own), Operand::Imm(to as i64)];
            let placed = self.at_entry(Op::Shift(ShiftOp::Left), &uses);
            let uses = [Operand::Reg(sum), Operand::Reg(placed)];
            sum = self.at_entry(Op::Word(WordOp::Or), &uses);
        }
        sum
    }

    /// Staged tiles begin where flips do, or nobody finds their chunks.
    pub(super) fn begins_right(&self, chunks: Chunks, at: &[kgen_ir::tile::Slice]) -> bool {
        let starts: Vec<_> = at.iter().filter(|s| s.len.is_some()).map(|s| &s.start).collect();
        let flips = chunks.flips().iter().any(|f| *f != 0);
        let unit = if flips { PERIOD * SQUARE } else { SQUARE } as i64;
        match starts[..] {
            [row, column] => {
                super::access::multiple(row, PERIOD as i64) && super::access::multiple(column, unit)
            }
            _ => false,
        }
    }
}
