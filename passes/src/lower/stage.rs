//! Tiles on their way to scratch: which lane brings which chunk of which row, and where it puts it.
//!
//! ```text
//! stage(ring[s * 32:32, 0:64], k[b, j:32, h, 0:64]) rows 0..hi - j       8 chunks of 16 bytes a row, 4 rows a copy:
//!
//! row = shr lane, 3                              of the lane, computed once
//! to = row * 128 + (chunk ^ row ^ 4) * 16        rows 4 to 7 of 8: 4 more is flipped
//! how = select row < hi - j - 4, 16, 0
//! copy.16 [ring + 512], to, k + 4 * stride, row * stride + chunk * 16, how
//! ```

use super::{
    Lower, Result,
    access::{TileDim, multiple},
};
use kgen_ir::{
    layout::banks::{CHUNK, Chunks},
    machine::{self, AsyncOp, Class, Inst, IntOp, Mem, Op, Operand, Reg, ShiftOp, WordOp},
    tile::{Compare, Kernel, Staged, Stmt},
};
use std::collections::BTreeMap;

/// Rows after which flips repeat.
pub(super) const PERIOD: usize = 8;

/// Where words that only the lane decides are computed.
#[derive(Clone, Copy)]
pub(super) enum Lanes {
    Entry,
    Here,
}

/// Tensors that tiles are copied to.
pub(super) fn staged(kernel: &Kernel) -> BTreeMap<String, Chunks> {
    let mut names = Vec::new();
    collect(&kernel.body, &mut names);
    let of = |name: String| {
        let t = kernel.tensor(&name)?;
        let bytes = row_bytes(t)?;
        Some((name, Chunks::of(bytes).ok()?))
    };
    names.into_iter().filter_map(of).collect()
}

fn collect(body: &[Stmt], out: &mut Vec<String>) {
    for stmt in body {
        match stmt {
            Stmt::Stage(s) => out.push(s.tensor.clone()),
            Stmt::For(f) => collect(&f.body, out),
            Stmt::Tasks { body, .. } => collect(body, out),
            Stmt::If(i) => {
                collect(&i.then, out);
                collect(&i.otherwise, out);
            }
            Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}

/// Bytes of a row of a tensor whose sizes are known.
fn row_bytes(t: &kgen_ir::tile::Tensor) -> Option<usize> {
    let width = usize::try_from(t.shape.last()?.as_lit()?).ok()?;
    Some(width * t.elem.bytes()?)
}

impl Lower<'_> {
    pub(super) fn order_copies(&mut self, op: AsyncOp, uses: &[Operand]) {
        let (def, mem) = (None, None);
        self.push(machine::Stmt::Inst(Inst { op: Op::Async(op), def, uses: uses.into(), mem }));
    }

    /// Computed before everything else: what only the lane decides.
    pub(super) fn at_entry(&mut self, op: Op, uses: &[Operand]) -> Reg {
        let class = if matches!(op, Op::WordCmp(_)) { Class::Mask } else { Class::Word };
        let def = self.reg(class);
        let inst = Inst { op, def: Some(def), uses: uses.into(), mem: None };
        self.entry.push(machine::Stmt::Inst(inst));
        def
    }

    pub(super) fn word_at_entry(&mut self, op: WordOp, a: Reg, b: i64) -> Reg {
        let b = self.at_entry(Op::WordConst, &[Operand::Imm(b)]);
        self.at_entry(Op::Word(op), &[Operand::Reg(a), Operand::Reg(b)])
    }

    /// Each lane's row and chunk, where lanes run through rows of so many chunks.
    pub(super) fn lane_rows(&mut self, chunks: usize) -> (Reg, Reg) {
        if let Some(known) = self.lane_rows.get(&chunks) {
            return *known;
        }
        let lane = self.at_entry(Op::Iota, &[]);
        // Exact below 2^16 / chunks.
        let scaled = self.word_at_entry(WordOp::Mul, lane, (1 << 16) / chunks as i64 + 1);
        let uses = [Operand::Reg(scaled), Operand::Imm(16)];
        let row = self.at_entry(Op::Shift(ShiftOp::Right), &uses);
        let before = self.word_at_entry(WordOp::Mul, row, chunks as i64);
        let uses = [Operand::Reg(lane), Operand::Reg(before)];
        let chunk = self.at_entry(Op::Word(WordOp::Sub), &uses);
        self.lane_rows.insert(chunks, (row, chunk));
        (row, chunk)
    }

    /// `word * by`, `word ^ by` and their kin.
    pub(super) fn word_by(&mut self, op: WordOp, word: Reg, by: usize) -> Reg {
        let by = self.word_const(by as i32);
        self.v(Class::Word, Op::Word(op), &[word, by])
    }

    /// Bytes that the flips of lanes' rows move their chunks by: `flip(row) * 16`.
    pub(super) fn flips_of(&mut self, chunks: Chunks, row: Reg, place: Lanes) -> Option<Reg> {
        let op = |l: &mut Self, op: Op, uses: &[Operand]| match place {
            Lanes::Entry => l.at_entry(op, uses),
            Lanes::Here => l.inst(Class::Word, op, uses, None),
        };
        let by = |l: &mut Self, word: WordOp, x: Reg, n: usize| {
            let n = op(l, Op::WordConst, &[Operand::Imm(n as i64)]);
            op(l, Op::Word(word), &[Operand::Reg(x), Operand::Reg(n)])
        };
        let mut all = None;
        for (bit, flip) in chunks.flips().into_iter().enumerate().filter(|(_, f)| *f != 0) {
            let uses = [Operand::Reg(row), Operand::Imm(bit as i64)];
            let moved = op(self, Op::Shift(ShiftOp::Right), &uses);
            let one = by(self, WordOp::And, moved, 1);
            let flip = by(self, WordOp::Mul, one, flip * CHUNK);
            all = Some(match all {
                Some(all) => {
                    op(self, Op::Word(WordOp::Xor), &[Operand::Reg(all), Operand::Reg(flip)])
                }
                None => flip,
            });
        }
        all
    }

    pub(super) fn stage(&mut self, s: &Staged) -> Result<()> {
        let (Some(tensor), Some(chunks)) =
            (self.kernel.tensor(&s.tensor).cloned(), self.staged.get(&s.tensor).copied())
        else {
            return Err(
                self.no(format!("copies to rows of `{}`, no multiple of {CHUNK} bytes", s.tensor))
            );
        };
        if !self.has(&Op::Async(AsyncOp::Copy(CHUNK as u8))) {
            return Err(self.no("copies that go on while the kernel computes".into()));
        }
        let (to, from) =
            (self.tile_ref(&s.tensor, &s.at, false)?, self.tile_ref(&s.from, &s.source, false)?);
        let bytes = tensor.elem.bytes().unwrap_or(1);
        let pitch = row_bytes(&tensor).unwrap_or(0);
        let ([TileDim { len: rows, .. }, TileDim { len: width, .. }], [row, column]) =
            (&to.dims[..], &from.dims[..])
        else {
            return Err(self.no("copies of a tile that is no matrix".into()));
        };
        let (rows, wide, some) = (*rows, width * bytes / CHUNK, column.len * bytes);
        let (stride, from_base, from_offset) = (row.step, from.base, from.offset);
        let start = s.at.iter().filter(|x| x.len.is_some()).map(|x| &x.start);
        let start: Vec<_> = start.cloned().collect();
        let whole = some.is_multiple_of(CHUNK)
            && (width * bytes).is_multiple_of(CHUNK)
            && start.get(1).is_some_and(|e| e.as_lit() == Some(0))
            && column.step == Operand::Imm(bytes as i64)
            && from.field.is_none()
            && from.packed.is_none();
        if !whole {
            return Err(self.no(format!("copies of rows of {some} bytes")));
        }
        let some = some / CHUNK;
        // Rows that one copy brings: a power of two, so that flips of their numbers add up.
        let at_once = (self.lanes / wide.min(self.lanes)).min(rows);
        let at_once = 1usize << at_once.ilog2();
        let step = rows.min(PERIOD);
        if !rows.is_multiple_of(at_once) || !start.first().is_some_and(|e| multiple(e, step as i64))
        {
            return Err(self.no(format!("copies of {rows} rows to anywhere")));
        }
        // Where the tile begins inside a period of the flips.
        let inside = match start.first() {
            Some(first) if !multiple(first, PERIOD as i64) => {
                let first = self.extent(first)?;
                let inside = self.int(IntOp::Rem, first, Operand::Imm(PERIOD as i64));
                Some(self.inst(Class::Word, Op::Spread, &[inside], None))
            }
            Some(_) | None => None,
        };
        let inside = inside.and_then(|first| self.flips_of(chunks, first, Lanes::Here));
        let [lo, hi] = [&s.lo, &s.hi].map(|e| self.extent(e));
        let clamp = |l: &mut Self, x: Operand| {
            let less = l.int(IntOp::Min, x, Operand::Imm(rows as i64));
            l.int(IntOp::Max, less, Operand::Imm(0))
        };
        let (lo, hi) = (clamp(self, lo?), clamp(self, hi?));
        // All rows are there, or none: one test serves every copy.
        let together = s.lo.as_lit() == Some(0) && multiple(&s.hi, rows as i64);
        let per = wide.min(self.lanes);
        let (lane_row, lane_chunk) = self.lane_rows(per);
        // Bytes behind the tile of each lane's row, here and there.
        let own = self.word_by(WordOp::Mul, lane_row, pitch);
        let stride_word = match stride {
            Operand::Imm(x) => self.word_const(x as i32),
            Operand::Reg(_) => self.inst(Class::Word, Op::Spread, &[stride], None),
        };
        let far = self.v(Class::Word, Op::Word(WordOp::Mul), &[lane_row, stride_word]);
        let flip = self.flips_of(chunks, lane_row, Lanes::Entry);
        // From copy to copy by one sum: products of the stride, one for each, would live through the loop around.
        let start_base = Operand::Imm(i64::from(from_offset));
        let start_base = self.int(IntOp::Add, Operand::Reg(from_base), start_base);
        let more_rows = self.int(IntOp::Mul, stride, Operand::Imm(at_once as i64));
        for block in (0..wide).step_by(per) {
            let chunk = self.word_by(WordOp::Add, lane_chunk, block);
            let along = self.word_by(WordOp::Mul, chunk, CHUNK);
            let source = self.v(Class::Word, Op::Word(WordOp::Add), &[far, along]);
            let flipped = match flip {
                Some(flip) => self.v(Class::Word, Op::Word(WordOp::Xor), &[along, flip]),
                None => along,
            };
            let flipped = match inside {
                Some(more) => self.v(Class::Word, Op::Word(WordOp::Xor), &[flipped, more]),
                None => flipped,
            };
            // What a lane with a row to copy does, what one with a row of zeros does.
            let (full, none) = self.ways((lane_row, chunk), (at_once, wide, some));
            let mut base = start_base;
            for first in (0..rows).step_by(at_once) {
                let more = chunks.flip(first) * CHUNK;
                let place = self.word_by(WordOp::Xor, flipped, more);
                let place = self.v(Class::Word, Op::Word(WordOp::Add), &[own, place]);
                let edge = if together { 0 } else { first };
                let how = self.within((lo, hi), edge, (at_once, lane_row), (full, none));
                if first > 0 {
                    base = self.int(IntOp::Add, base, more_rows);
                }
                let from = self.as_reg(base);
                let uses = [place, from, source, how].map(Operand::Reg);
                let offset = to.offset + (first * pitch) as i32;
                let copy = Op::Async(AsyncOp::Copy(CHUNK as u8));
                self.effect(copy, &uses, Mem { base: to.base, offset });
            }
        }
        Ok(())
    }

    /// How lanes copy: in rows that are there, and in those that are zeros.
    fn ways(
        &mut self,
        (row, chunk): (Reg, Reg),
        (rows, wide, some): (usize, usize, usize),
    ) -> (Reg, Reg) {
        let below = |l: &mut Self, word: Reg, edge: usize| {
            let edge = l.word_const(edge as i32);
            l.v(Class::Mask, Op::WordCmp(Compare::Lt), &[word, edge])
        };
        let pick = |l: &mut Self, mask: Reg, yes: Reg, no: Reg| {
            l.v(Class::Word, Op::Select, &[mask, yes, no])
        };
        let (mut full, mut none) = (self.word_const(CHUNK as i32), self.word_const(0));
        if some < wide {
            let held = below(self, chunk, some);
            full = pick(self, held, full, none);
        }
        let per = wide.min(self.lanes);
        let nothing = self.word_const(-1);
        // Lanes behind the last row of a copy, and behind the last chunk of a row.
        let edges = [(row, rows, rows * per < self.lanes), (chunk, wide, wide > per)];
        for (word, edge, _) in edges.into_iter().filter(|e| e.2) {
            let has = below(self, word, edge);
            full = pick(self, has, full, nothing);
            none = pick(self, has, none, nothing);
        }
        (full, none)
    }

    /// How lanes copy rows from `first` on, of which those in `lo..hi` are there.
    fn within(
        &mut self,
        (lo, hi): (Operand, Operand),
        first: usize,
        (rows, lane_row): (usize, Reg),
        (full, none): (Reg, Reg),
    ) -> Reg {
        let mut how = full;
        let known = |o: Operand| match o {
            Operand::Imm(x) => Some(x),
            Operand::Reg(_) => None,
        };
        let edges = [
            (lo, Compare::Ge, known(lo).is_some_and(|x| x <= first as i64)),
            (hi, Compare::Lt, known(hi).is_some_and(|x| x >= (first + rows) as i64)),
        ];
        for (edge, cmp, _) in edges.into_iter().filter(|e| !e.2) {
            let here = self.int(IntOp::Sub, edge, Operand::Imm(first as i64));
            let edge = match here {
                Operand::Imm(x) => self.word_const(x as i32),
                Operand::Reg(_) => self.inst(Class::Word, Op::Spread, &[here], None),
            };
            let held = self.v(Class::Mask, Op::WordCmp(cmp), &[lane_row, edge]);
            how = self.v(Class::Word, Op::Select, &[held, how, none]);
        }
        how
    }
}
