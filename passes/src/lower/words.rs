//! Operands of matrix instructions: words of several neighbours, from memory, from packed weights, or computed.
//!
//! ```text
//! convert(x) : f16        --->   lo = element k, hi = element k + 1 of each lane's row : f
//!                                word = pair.f16 lo, hi : w
//! ```

use super::{Coord, Lower, Place, Result, access::TileRef, matrix::RUN};
use kgen_ir::{
    dtype::Dtype,
    format::{
        fragment::Spot,
        pack::{Order, Packing},
    },
    layout::Layout,
    machine::{Class, HalfFloat, HalfOp, Mem, Op, Operand, PairOp, Reg, ShiftOp, Width, WordOp},
    tile::{Binary, Compare, Expr, LaneBits, LaneDim, Part, Value},
};
use std::rc::Rc;

impl Lower<'_> {
    fn is_constant(&self, v: Value) -> bool {
        matches!(self.expr(v), Some(Expr::Fill(_)))
    }

    /// `count` words of neighbours along `dim`, from the elements `at` on; lanes along `bits`.
    pub(super) fn words(
        &mut self,
        v: Value,
        at: &[Coord; 2],
        dim: usize,
        bits: LaneBits,
        count: usize,
    ) -> Result<Vec<Reg>> {
        let elem = self.elem(v);
        let run = count * 32 / (elem.bits() as usize).max(1) == RUN;
        if self.shape(v).get(dim) == Some(&1) && elem.bits() == 16 && !self.is_constant(v) {
            // One element for all of them.
            let x = self.operand(v, at, LaneDim::Bits(bits))?;
            let low = self.word_const(0xffff);
            let low = self.v(Class::Word, Op::Word(WordOp::And), &[x, low]);
            let by = [Operand::Reg(x), Operand::Imm(16)];
            let high = self.inst(Class::Word, Op::Shift(ShiftOp::Left), &by, None);
            return Ok(vec![self.v(Class::Word, Op::Word(WordOp::Or), &[low, high]); count]);
        }
        if let Some(own) = self.fragments.get(&v).copied()
            && own != bits.within(self.shape(v))
            && !self.of_memory(v)
        {
            return self.exchanged(v, (own, bits.within(self.shape(v))), at, (dim, count));
        }
        let expr = match self.places.get(&v).cloned() {
            Some(Place::Inline(Some(r)))
                if let (Some(chunks), 1, true) = (r.chunks, count, self.has_squares()) =>
            {
                return Ok(vec![self.square(v, &r, chunks, at, dim)?]);
            }
            Some(Place::Inline(Some(r))) if r.packed.is_some() && run => {
                return self.packed_words(&r, at, bits, elem);
            }
            Some(Place::Inline(Some(r))) if r.field.is_none() && elem.bits() >= 8 => {
                return match self.whole_words(&r, at, dim, bits, count)? {
                    Some(words) => Ok(words),
                    None => self.single_words(v, at, dim, bits, count),
                };
            }
            Some(Place::Inline(None)) => self.expr(v).cloned(),
            Some(Place::Inline(Some(_)) | Place::Regs(_) | Place::Scratch(_)) | None => None,
        };
        match expr {
            Some(Expr::Convert(a)) if self.elem(a) == elem => self.words(a, at, dim, bits, count),
            Some(Expr::Convert(a)) if run && self.packed_codes(a).is_some() => {
                let Some(r) = self.packed_codes(a) else { return Ok(vec![]) };
                self.packed_words(&r, at, bits, elem)
            }
            Some(Expr::Convert(a)) if self.elem(a) == Dtype::F32 && elem.bits() == 16 => {
                let op = if elem == Dtype::F16 { PairOp::F16 } else { PairOp::Bf16 };
                if !matches!(elem, Dtype::F16 | Dtype::BF16) {
                    return self.single_words(v, at, dim, bits, count);
                }
                let mut out = Vec::new();
                for pair in 0..count {
                    let mut half = |i: usize| {
                        let mut at = *at;
                        at[dim].add += i;
                        self.operand(a, &at, LaneDim::Bits(bits))
                    };
                    let halves = [half(2 * pair)?, half(2 * pair + 1)?];
                    out.push(self.v(Class::Word, Op::Pair(op), &halves));
                }
                Ok(out)
            }
            Some(Expr::Binary(op, a, b))
                if elem == Dtype::F16
                    && let Some(op) = half_op(op) =>
            {
                let x = self.words(a, at, dim, bits, count)?;
                let y = self.words(b, at, dim, bits, count)?;
                let op = Op::Half(HalfOp::Float(op));
                Ok(x.iter()
                    .zip(&y)
                    .map(|(x, y)| self.v(Class::Word, op.clone(), &[*x, *y]))
                    .collect())
            }
            Some(Expr::Fill(x)) if elem == Dtype::F16 => {
                let half = u32::from(half_bits(x));
                let word = self.word_const((half | half << 16) as i32);
                Ok(vec![word; count])
            }
            Some(_) | None => self.single_words(v, at, dim, bits, count),
        }
    }

    /// The eight elements of each lane from `at` on, as words of `elem`.
    fn packed_words(
        &mut self,
        r: &TileRef,
        at: &[Coord; 2],
        bits: LaneBits,
        elem: Dtype,
    ) -> Result<Vec<Reg>> {
        let [n, k] = *at;
        let fragments = r.packed.as_ref().filter(|(of, part)| {
            let inside = bits.covered(0) + n.add % of.lanes < of.lanes;
            let known = n.reg.is_none() && k.reg.is_none();
            of.in_fragments() && *part == Part::Codes && known && inside
        });
        let Some((of, _)) = fragments.cloned() else {
            return Err(self.no("a packed weight in other lanes than its own".into()));
        };
        let (chunk, width) = match of.chunk() {
            4 => (4, Width::W128),
            2 => (2, Width::W64),
            _ => (1, Width::W32),
        };
        // Do lanes follow each other as they stand in memory?
        let order = "lane = k3 k4 n0 n1 n2";
        let order = Layout::parse(order).ok().and_then(|l| LaneBits::of(&l, ["n", "k"]));
        let follow = of.lanes == RUN && Some(bits) == order;
        let apart = if follow { None } else { Some(self.fragment_lanes(&of, bits)) };
        // Where the element is, and the word that has it.
        let find = |l: &mut Self, i: usize| -> Result<(Reg, u32)> {
            let (mem, spot) = l.fragment(r, &of, [n.add, k.add + i])?;
            let array = match apart {
                None => l.inst(Class::Word, Op::Load(width), &[], Some(mem)),
                Some(uses) => l.inst(Class::Word, Op::GatherPart(width), &uses, Some(mem)),
            };
            Ok((l.part(array, spot.word % chunk), spot.bit))
        };
        let size = of.elem.bits();
        let (per, order) = match elem.bits() {
            16 => (2, Order::Halves),
            _ => (4, Order::Bytes),
        };
        let mut out = Vec::new();
        for first in (0..RUN).step_by(per) {
            let (word, bit) = find(self, first)?;
            if of.elem == elem {
                out.push(word);
                continue;
            }
            if of.order != order || !matches!(elem, Dtype::F16 | Dtype::U8) {
                return Err(self.no(format!("codes packed as `{of}` as {elem}")));
            }
            let mut x = word;
            if bit > 0 {
                let uses = [Operand::Reg(x), Operand::Imm(i64::from(bit))];
                x = self.inst(Class::Word, Op::Shift(ShiftOp::Right), &uses, None);
            }
            let low = (1u32 << size) - 1;
            let mask = if per == 2 { low * 0x0001_0001 } else { low.wrapping_mul(0x0101_0101) };
            let mask = self.word_const(mask as i32);
            x = self.v(Class::Word, Op::Word(WordOp::And), &[x, mask]);
            if per == 2 {
                // 1024 and the code, exactly; then without the 1024.
                let base = self.word_const(0x6400_6400);
                x = self.v(Class::Word, Op::Word(WordOp::Or), &[x, base]);
                let less = Op::Half(HalfOp::Float(HalfFloat::Sub));
                x = self.v(Class::Word, less, &[x, base]);
            }
            out.push(x);
        }
        Ok(out)
    }

    /// Where the words of a lane that lie together are, those with an element of a tile in the order of matrix
    /// instructions, and the place of the element.
    fn fragment(&self, r: &TileRef, of: &Packing, [n, k]: [usize; 2]) -> Result<(Mem, Spot)> {
        let Some(Operand::Imm(block)) = r.dims.first().map(|d| d.step) else {
            return Err(self.no("a packed weight of unknown size".into()));
        };
        let sizes = of.sizes(of.lanes, of.group).map_err(|e| self.no(e.to_string()))?;
        let (spot, chunk) = (of.spot(0, k), of.chunk());
        let row = n / of.lanes * block as usize + n % of.lanes * of.lane_steps()[0] * 4 * chunk;
        let inside = of.word_byte(spot) - spot.word % chunk * 4;
        match i32::try_from(r.offset as usize + row + k / of.group * sizes.group + inside) {
            Ok(offset) => Ok((Mem { base: r.base, offset }, spot)),
            Err(_) => Err(self.no("a packed tile of more than 2 GiB".into())),
        }
    }

    /// Bytes from the first lane's words to each lane's, and a mask of all.
    fn fragment_lanes(&mut self, of: &Packing, bits: LaneBits) -> [Operand; 2] {
        let (mut sum, [of_row, of_run]) = (self.word_const(0), of.lane_steps());
        for (dim, shift, step) in [(0, 0, of_row), (1, RUN.ilog2(), of_run)] {
            let Some(mut own) = self.lane_coord(bits, dim) else { continue };
            if shift > 0 {
                let uses = [Operand::Reg(own), Operand::Imm(i64::from(shift))];
                own = self.inst(Class::Word, Op::Shift(ShiftOp::Right), &uses, None);
            }
            let by = self.word_const((step * 4 * of.chunk()) as i32);
            own = self.v(Class::Word, Op::Word(WordOp::Mul), &[own, by]);
            sum = self.v(Class::Word, Op::Word(WordOp::Add), &[sum, own]);
        }
        [Operand::Reg(sum), Operand::Reg(self.every_lane())]
    }

    /// Elements of 16 bits in the order of matrix instructions, one of each lane's row, or a word of two.
    pub(super) fn fragment_elements(
        &mut self,
        (r, of): (&TileRef, &Packing),
        at: &[Coord],
        bits: LaneBits,
        width: Width,
    ) -> Result<Reg> {
        let &[n, k] = at else { return Err(self.no("a packed weight that is not [n, k]".into())) };
        let known = n.reg.is_none() && k.reg.is_none() && of.chunk() * 2 == RUN;
        let (rows, along) = (bits.covered(0), bits.covered(1));
        let inside = along < of.group && k.add & along == 0 && rows + n.add % of.lanes < of.lanes;
        if !known || !inside {
            return Err(self.no("a packed weight in other lanes than its own".into()));
        }
        let (mut mem, spot) = self.fragment(r, of, [n.add, k.add])?;
        mem.offset += (spot.word % of.chunk() * 4) as i32 + spot.bit as i32 / 8;
        let [mut bytes, all] = self.fragment_lanes(of, bits);
        if let (Some(own), Operand::Reg(runs)) = (self.lane_coord(bits, 1), bytes) {
            let place = self.word_by(WordOp::And, own, RUN - 1);
            let place = self.word_by(WordOp::Mul, place, 2);
            bytes = Operand::Reg(self.v(Class::Word, Op::Word(WordOp::Add), &[runs, place]));
        }
        Ok(self.inst(Class::Word, Op::GatherPart(width), &[bytes, all], Some(mem)))
    }

    /// Bytes from the first of as many neighbours along k as there are lanes, 16-bit floats in the order of matrix
    /// instructions, to each.
    fn fragment_row(&mut self, of: &Packing) -> Result<Reg> {
        if of.group != self.lanes || of.chunk() * 2 != RUN {
            return Err(self.no(format!("a row packed as `{of}`")));
        }
        let lane = self.inst(Class::Word, Op::Iota, &[], None);
        let uses = [Operand::Reg(lane), Operand::Imm(i64::from(RUN.ilog2()))];
        let run = self.inst(Class::Word, Op::Shift(ShiftOp::Right), &uses, None);
        let run = self.word_by(WordOp::Mul, run, of.lane_steps()[1] * 4 * of.chunk());
        let place = self.word_by(WordOp::And, lane, RUN - 1);
        let place = self.word_by(WordOp::Mul, place, 2);
        Ok(self.v(Class::Word, Op::Word(WordOp::Add), &[run, place]))
    }

    /// Writes a row of them.
    pub(super) fn store_fragment(&mut self, r: &TileRef, of: &Packing, v: Value) -> Result<()> {
        let lanes = LaneDim::Dim(1);
        let whole = |len: usize| len.is_multiple_of(self.lanes) && self.own_lanes(v) == lanes;
        let len = match self.shape(v) {
            [1, len] if whole(*len) => *len,
            _ => return Err(self.no(format!("a tile packed as `{of}`"))),
        };
        let (bytes, all) = (self.fragment_row(of)?, self.every_lane());
        for k in (0..len).step_by(self.lanes) {
            let x = self.vec(v, &[Coord::from(0), Coord::from(k)], lanes)?;
            let (mem, _) = self.fragment(r, of, [0, k])?;
            self.effect(Op::Scatter(Width::U16), &[x, bytes, all].map(Operand::Reg), mem);
        }
        Ok(())
    }

    pub(super) fn every_lane(&mut self) -> Reg {
        let lane = self.inst(Class::Word, Op::Iota, &[], None);
        self.v(Class::Mask, Op::WordCmp(Compare::Eq), &[lane, lane])
    }

    /// Codes of a packed weight that `v` is.
    fn packed_codes(&self, v: Value) -> Option<Rc<TileRef>> {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) if r.packed.is_some() => Some(r.clone()),
            Some(Place::Inline(_) | Place::Regs(_) | Place::Scratch(_)) | None => None,
        }
    }

    /// Whole words from memory, as many at once as its alignment is known to allow.
    fn whole_words(
        &mut self,
        r: &TileRef,
        at: &[Coord; 2],
        dim: usize,
        bits: LaneBits,
        count: usize,
    ) -> Result<Option<Vec<Reg>>> {
        let bytes = r.elem.bytes().unwrap_or(4);
        let Some(along) = r.dims.get(dim) else { return Ok(None) };
        if dim + 1 != r.dims.len() || along.guard.is_some() || at[dim].reg.is_some() {
            return Ok(None);
        }
        let least = 1usize << bits.covered(dim).trailing_zeros().min(16);
        let fits = |words: &usize| {
            let unit = 4 * words;
            count.is_multiple_of(*words)
                && r.align.is_multiple_of(unit)
                && (at[dim].add * bytes).is_multiple_of(unit)
                && (least * bytes).is_multiple_of(unit)
        };
        let Some(words) = [4, 2, 1].into_iter().find(fits) else { return Ok(None) };
        let width = match words {
            4 => Width::W128,
            2 => Width::W64,
            _ => Width::W32,
        };
        let mut out = Vec::new();
        for first in (0..count).step_by(words) {
            let mut at = *at;
            at[dim].add += first * 4 / bytes;
            let array = self.gather(r, &at, bits, (Class::Word, width))?;
            out.extend((0..words).map(|word| self.part(array, word)));
        }
        Ok(Some(out))
    }

    /// Words of elements that come one by one.
    fn single_words(
        &mut self,
        v: Value,
        at: &[Coord; 2],
        dim: usize,
        bits: LaneBits,
        count: usize,
    ) -> Result<Vec<Reg>> {
        let size = self.elem(v).bits() as usize;
        if !matches!(size, 8 | 16) {
            return Err(self.no(format!("products of {}", self.elem(v))));
        }
        let (per, mask) = (32 / size, (1i32 << size) - 1);
        let mut out = Vec::new();
        for word in 0..count {
            let mut all: Option<Reg> = None;
            for i in 0..per {
                let mut at = *at;
                at[dim].add += word * per + i;
                let mut x = self.operand(v, &at, LaneDim::Bits(bits))?;
                if i + 1 < per {
                    let mask = self.word_const(mask);
                    x = self.v(Class::Word, Op::Word(WordOp::And), &[x, mask]);
                }
                if i > 0 {
                    let by = Operand::Imm((i * size) as i64);
                    let shift = Op::Shift(ShiftOp::Left);
                    x = self.inst(Class::Word, shift, &[Operand::Reg(x), by], None);
                }
                all = Some(match all {
                    Some(all) => self.v(Class::Word, Op::Word(WordOp::Or), &[all, x]),
                    None => x,
                });
            }
            out.extend(all);
        }
        Ok(out)
    }
}

/// What two halves at once do.
fn half_op(op: Binary) -> Option<HalfFloat> {
    match op {
        Binary::Add => Some(HalfFloat::Add),
        Binary::Sub => Some(HalfFloat::Sub),
        Binary::Mul => Some(HalfFloat::Mul),
        Binary::Div
        | Binary::Max
        | Binary::Min
        | Binary::And
        | Binary::Or
        | Binary::Pair
        | Binary::Cmp(_) => None,
    }
}

/// A number as f16, to nearest even, where it has one.
fn half_bits(x: f64) -> u16 {
    kgen_ir::format::encode::float_bits(Dtype::F16, x as f32).unwrap_or(0) as u16
}
