//! Vectors whose lanes are a fragment of a matrix.
//!
//! A vector of `lanes n1 n2 m0 m1 m2` is a word a lane like any other, so that all that is computed element by element
//! needs nothing here. Memory and reductions ask where each lane stands:
//!
//! ```text
//! load(x[r:16, 0:8])     --->   at = lane / 4 * stride + lane % 4 * 8          of 32-bit elements two apart
//!                               v = gatherpart.w32 [x + 0], at, all : f
//! ```

use super::{
    Coord, Lower, Place, Result,
    access::{Form, TileRef},
    packed::by_rows,
};
use kgen_ir::{
    dtype::Dtype,
    format::pack::Packing,
    machine::{Class, Cvt, IntOp, Op, Operand, Reg, ShiftOp, Width, WordOp},
    tile::{Compare, LaneBits, LaneDim, Part, Reduce, Value},
};

/// Rows that a guard may say are left: enough for all lanes.
const MANY: i64 = 1 << 20;

impl Lower<'_> {
    /// Where each lane stands along a dimension.
    pub(super) fn lane_coord(&mut self, bits: LaneBits, dim: usize) -> Option<Reg> {
        let mut sum: Option<Reg> = None;
        for (first, len, to) in bits.runs(dim) {
            let mut x = self.inst(Class::Word, Op::Iota, &[], None);
            let shift = |l: &mut Self, x: Reg, op: ShiftOp, by: usize| match by {
                0 => x,
                _ => {
                    let uses = [Operand::Reg(x), Operand::Imm(by as i64)];
                    l.inst(Class::Word, Op::Shift(op), &uses, None)
                }
            };
            x = shift(self, x, ShiftOp::Right, first);
            if first + len < kgen_ir::tile::lanes::BITS {
                let mask = self.word_const((1 << len) - 1);
                x = self.v(Class::Word, Op::Word(WordOp::And), &[x, mask]);
            }
            x = shift(self, x, ShiftOp::Left, to);
            sum = Some(match sum {
                Some(sum) => self.v(Class::Word, Op::Word(WordOp::Or), &[sum, x]),
                None => x,
            });
        }
        sum
    }

    /// Bytes from a vector's first element to each lane's.
    fn lane_bytes(&mut self, r: &TileRef, bits: LaneBits) -> Reg {
        let mut sum: Option<Reg> = None;
        for (d, dim) in r.dims.iter().enumerate() {
            let Some(coord) = self.lane_coord(bits, d) else { continue };
            let step = match dim.step {
                Operand::Imm(step) => self.word_const(step as i32),
                Operand::Reg(step) => self.v(Class::Word, Op::Spread, &[step]),
            };
            let bytes = self.v(Class::Word, Op::Word(WordOp::Mul), &[coord, step]);
            sum = Some(match sum {
                Some(sum) => self.v(Class::Word, Op::Word(WordOp::Add), &[sum, bytes]),
                None => bytes,
            });
        }
        sum.unwrap_or_else(|| self.word_const(0))
    }

    /// Lanes whose elements are there.
    fn lane_mask(&mut self, r: &TileRef, at: &[Coord], bits: LaneBits) -> Reg {
        let mut all: Option<Reg> = None;
        for (d, (dim, coord)) in r.dims.iter().zip(at).enumerate() {
            let Some((start, size)) = dim.guard else { continue };
            let index = self.index(start, *coord);
            let room = self.int(IntOp::Sub, size, index);
            let room = self.int(IntOp::Min, room, Operand::Imm(MANY));
            let room = self.int(IntOp::Max, room, Operand::Imm(0));
            let room = self.as_reg(room);
            let room = self.v(Class::Word, Op::Spread, &[room]);
            let own = match self.lane_coord(bits, d) {
                Some(own) => own,
                None => self.word_const(0),
            };
            let inside = self.v(Class::Mask, Op::WordCmp(Compare::Lt), &[own, room]);
            all = Some(match all {
                Some(all) => {
                    let and = Op::Mask(kgen_ir::machine::MaskOp::And);
                    self.v(Class::Mask, and, &[all, inside])
                }
                None => inside,
            });
        }
        match all {
            Some(all) => all,
            None => self.every_lane(),
        }
    }

    pub(super) fn gather(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        bits: LaneBits,
        (class, width): (Class, Width),
    ) -> Result<Reg> {
        if r.field.is_some() || r.packed.is_some() {
            return Err(
                self.no("elements inside of rows of bytes, in the lanes of a matrix".into())
            );
        }
        let (bytes, mem) = match r.chunks {
            Some(chunks) => self.staged_bytes(r, chunks, at, bits)?,
            None => (self.lane_bytes(r, bits), self.address(r, at)?),
        };
        let mask = self.lane_mask(r, at, bits);
        let uses = [Operand::Reg(bytes), Operand::Reg(mask)];
        Ok(self.inst(class, Op::GatherPart(width), &uses, Some(mem)))
    }

    /// Neighbours that one lane has both come as a word, which the `share` pass loads once.
    pub(super) fn half_of_word(
        &mut self,
        v: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Option<Reg>> {
        let Some(Place::Inline(Some(r))) = self.places.get(&v).cloned() else { return Ok(None) };
        let (LaneDim::Bits(bits), Some((last, lead)), Some(dim)) =
            (lanes, at.split_last(), r.dims.last())
        else {
            return Ok(None);
        };
        let packed = r.packed.as_ref().map(|(of, _)| of);
        let halves = packed.is_some_and(Packing::has_halves);
        let apart = r.field.is_some() || packed.is_some() && !halves || dim.guard.is_some();
        let whole = (halves || r.align.is_multiple_of(4))
            && dim.len.is_multiple_of(2)
            && last.reg.is_none();
        if apart || !whole || r.dims.len() != at.len() || bits.covered(lead.len()) & 1 == 1 {
            return Ok(None);
        }
        let first = [lead, &[Coord::from(last.add & !1)]].concat();
        let word = match packed {
            Some(of) => self.fragment_elements((&r, of), &first, bits, Width::W32)?,
            None => self.gather(&r, &first, bits, (Class::Word, Width::W32))?,
        };
        let half = match last.add % 2 {
            0 => word,
            _ => {
                let uses = [Operand::Reg(word), Operand::Imm(16)];
                self.inst(Class::Word, Op::Shift(ShiftOp::Right), &uses, None)
            }
        };
        Ok(Some(self.v(Class::Float, Op::Cvt(Cvt::FloatFromF16), &[half])))
    }

    /// The vector of `r` at `at`.
    pub(super) fn load_bits(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        bits: LaneBits,
        form: &Form,
    ) -> Result<Reg> {
        if form.load == Op::LoadF16 {
            let halves = self.gather(r, at, bits, (Class::Word, Width::U16))?;
            return Ok(self.v(Class::Float, Op::Cvt(Cvt::FloatFromF16), &[halves]));
        }
        self.gather(r, at, bits, (form.class, form.width))
    }

    pub(super) fn store_bits(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        bits: LaneBits,
        (value, width): (Reg, Width),
    ) -> Result<()> {
        if r.field.is_some() || r.packed.is_some() {
            return Err(
                self.no("elements inside of rows of bytes, in the lanes of a matrix".into())
            );
        }
        let width = match width {
            Width::S16 => Width::U16,
            Width::S8 => Width::U8,
            Width::W128 | Width::W64 | Width::W32 | Width::U16 | Width::U8 => width,
        };
        let mem = self.address(r, at)?;
        let (bytes, mut mask) = (self.lane_bytes(r, bits), self.lane_mask(r, at, bits));
        // Of lanes that hold the same element, one writes it: as NaN they may hold different ones.
        let same = (0..kgen_ir::tile::lanes::BITS).filter(|i| bits.0[*i].is_none());
        let same = same.fold(0, |all, bit| all | 1 << bit);
        if same != 0 {
            let lane = self.inst(Class::Word, Op::Iota, &[], None);
            let others = self.word_const(same);
            let own = self.v(Class::Word, Op::Word(WordOp::And), &[lane, others]);
            let none = self.word_const(0);
            let first = self.v(Class::Mask, Op::WordCmp(Compare::Eq), &[own, none]);
            mask = self.v(Class::Mask, Op::Mask(kgen_ir::machine::MaskOp::And), &[mask, first]);
        }
        let uses = [Operand::Reg(value), Operand::Reg(bytes), Operand::Reg(mask)];
        self.effect(Op::Scatter(width), &uses, mem);
        Ok(())
    }

    /// Levels of a packed weight in the lanes of its rows.
    pub(super) fn packed_bits(
        &mut self,
        r: &TileRef,
        (of, part): (Packing, Part),
        at: &[Coord],
        bits: LaneBits,
    ) -> Result<Reg> {
        if part == Part::Codes && of.has_halves() {
            return self.fragment_elements((r, &of), at, bits, Width::U16);
        }
        let elem = match part {
            Part::Scale => of.scale,
            Part::Min => of.min,
            Part::Zeros | Part::RowZeros => of.zeros,
            Part::Codes | Part::Order | Part::InnerScale | Part::InnerMin => None,
        };
        let rows = usize::from(!by_rows(part));
        let (Some(elem), Some(first)) = (elem, at.get(rows)) else {
            return Err(self.no("packed codes in the lanes of a sum".into()));
        };
        // A block of rows stands together.
        let inside = first.add % of.lanes;
        if bits.covered(1 - rows) != 0 || bits.covered(rows) + inside >= of.lanes {
            return Err(self.no("a packed weight read across its packing".into()));
        }
        let (class, width) = self.lane_form(elem)?;
        let mut start = at.to_vec();
        if let Some(first) = start.get_mut(rows) {
            first.add -= inside;
        }
        let (mut mem, _) = self.packed_mem(r, &start)?;
        mem.offset += (inside * width.bytes()) as i32;
        let own = match self.lane_coord(bits, rows) {
            Some(own) => own,
            None => self.word_const(0),
        };
        let by = self.word_const(width.bytes() as i32);
        let bytes = self.v(Class::Word, Op::Word(WordOp::Mul), &[own, by]);
        let uses = [Operand::Reg(bytes), Operand::Reg(self.every_lane())];
        Ok(self.inst(class, Op::GatherPart(width), &uses, Some(mem)))
    }

    /// A reduction of a fragment along `dim`: vectors first, then lanes; the result is in all lanes of its row.
    pub(super) fn reduce_bits(
        &mut self,
        op: Reduce,
        a: Value,
        dim: usize,
        at: &[Coord],
        bits: LaneBits,
    ) -> Result<Reg> {
        let float = self.elem(a) == Dtype::F32;
        let (class, join) = match (op, float) {
            (Reduce::Sum, true) => (Class::Float, Op::Float(kgen_ir::machine::FloatOp::Add)),
            (Reduce::Max, true) => (Class::Float, Op::Float(kgen_ir::machine::FloatOp::Max)),
            (Reduce::Sum, false) => (Class::Word, Op::Word(WordOp::Add)),
            (Reduce::Max, false) => (Class::Word, Op::Word(WordOp::Max)),
        };
        let size = self.shape(a).get(dim).copied().unwrap_or(1);
        let covered = bits.covered(dim);
        let mut total: Option<Reg> = None;
        for i in (0..size).filter(|i| i & covered == 0) {
            let mut here = at.to_vec();
            if let Some(place) = here.get_mut(dim) {
                *place = Coord::from(i);
            }
            let x = self.vec(a, &here, LaneDim::Bits(bits))?;
            total = Some(match total {
                Some(total) => self.v(class, join.clone(), &[total, x]),
                None => x,
            });
        }
        let Some(mut total) = total else { return Ok(self.zero(class)) };
        for (bit, along) in bits.0.iter().enumerate() {
            if along.is_some_and(|(d, _)| usize::from(d) == dim) {
                let table = (0..self.lanes).map(|lane| (lane ^ 1 << bit) as u8).collect();
                let other = self.v(class, Op::Shuffle(table), &[total, total]);
                total = self.v(class, join.clone(), &[total, other]);
            }
        }
        Ok(total)
    }
}
