//! Products by matrix instructions, and vectors whose lanes are a fragment of a matrix.
//!
//! A vector of `lanes n1 n2 m0 m1 m2` is a word a lane like any other, so that all that is computed element by element
//! needs nothing here. A product takes its operands as words of several neighbours along k, its sums are vectors:
//!
//! ```text
//! s = dot(x, w^T) : f32[16, 8]   -->   a = gatherpart.w128 [x + 0], at, all : w4      eight neighbours of a row
//!                                      b = load.w128 [w + 0] : w4                     packed so that lanes follow
//!                                      d = mma.m16n8k16.f32.f16 .., .., c : f4        k of lane q: 8 q + 0, 1, 2, 3
//!                                      e = mma.m16n8k16.f32.f16 .., .., d : f4                    8 q + 4, 5, 6, 7
//! ```
//!
//! Any order of k will do if both operands have the same. Where both come from memory, a lane takes eight neighbours
//! of 32; what registers hold as the sums of another product is an operand in the order that it has.

use super::{
    Coord, Lower, Place, Result,
    access::{Form, TileRef},
    dot::Dot,
    packed::by_rows,
};
use crate::tile::fragments::Instruction;
use kgen_ir::{
    dtype::Dtype,
    format::pack::{Order, Packing},
    layout::Layout,
    machine::{
        Class, Cvt, HalfFloat, HalfOp, IntOp, Op, Operand, PairOp, Reg, ShiftOp, Width, WordOp,
        mma::Mma,
    },
    tile::{Binary, Compare, Expr, LaneBits, LaneDim, Part, Reduce, Value},
};

/// Neighbours along k that a lane takes where both operands come from memory.
const RUN: usize = 8;

/// Rows that a guard may say are left: enough for all lanes.
const MANY: i64 = 1 << 20;

/// Where the words of an operand or of a sum begin, from the first element of the matrix on: along both axes.
fn words_of(layout: &str, axes: [&str; 2], words: u8) -> Option<Vec<[usize; 2]>> {
    let layout = Layout::parse(layout).ok()?;
    (0..u64::from(words))
        .map(|word| {
            let index: Vec<(&str, u64)> = layout
                .inputs()
                .map(|(name, _)| (name, if name == "reg" { word } else { 0 }))
                .collect();
            let place = layout.apply(&index).ok()?;
            let of = |axis: &str| {
                place.iter().find(|(name, _)| name == axis).map_or(0, |(_, at)| *at as usize)
            };
            Some(axes.map(of))
        })
        .collect()
}

/// Bits of a lane of an operand, its k bits as [`RUN`] neighbours have them.
fn in_runs(bits: LaneBits, k: usize) -> LaneBits {
    let mut next = RUN.ilog2() as u8;
    LaneBits(bits.0.map(|bit| match bit {
        Some((dim, _)) if usize::from(dim) == k => {
            next += 1;
            Some((dim, next - 1))
        }
        Some(_) | None => bit,
    }))
}

/// Operands of an instruction.
struct Side {
    bits: LaneBits,
    /// Where each word of an instruction begins, along rows (columns of b) and along k.
    words: Vec<[usize; 2]>,
    /// The dimension of the tile that k is.
    k: usize,
}

impl Side {
    /// `names`: of the other dimension and of k.
    fn of(layout: &str, names: [&str; 2], words: u8, k: usize) -> Option<Side> {
        let axes = if k == 1 { names } else { [names[1], names[0]] };
        let bits = LaneBits::of(&Layout::parse(layout).ok()?, axes)?;
        Some(Side { bits, words: words_of(layout, names, words)?, k })
    }

    fn at(&self, other: usize, k: usize) -> [Coord; 2] {
        let at = if self.k == 1 { [other, k] } else { [k, other] };
        at.map(Coord::from)
    }
}

impl Lower<'_> {
    /// The product in registers, in the order of the vectors of its sums.
    pub(super) fn matrix(
        &mut self,
        dot: Dot,
        transpose: bool,
        mma: &'static Mma,
    ) -> Result<Vec<Reg>> {
        let by = Instruction::of(mma);
        let sides = (
            Side::of(&by.layouts[0], ["m", "k"], mma.words[0], 1),
            Side::of(&by.layouts[1], ["n", "k"], mma.words[1], usize::from(transpose)),
            words_of(&by.layouts[2], ["m", "n"], mma.words[2]),
            by.sums(),
        );
        let (Some(mut left), Some(mut right), Some(sums), Some(lanes)) = sides else {
            return Err(self.no(format!("the layout of {}", mma.name)));
        };
        let per = 32 / mma.a.bits() as usize;
        // Neighbours along k that all lanes take in runs.
        let all = RUN << left.bits.covered(left.k).count_ones();
        // What was read for another product may have been overwritten since.
        self.squares.clear();
        let runs = transpose
            && dot.k.is_multiple_of(all)
            && self.of_memory(dot.a)
            && self.of_memory(dot.b);
        // Words along k that an instruction takes.
        let deep = left.words.iter().chain(&right.words).map(|w| w[1]).max().unwrap_or(0);
        let deep = if deep == 0 { 1 } else { 2 };
        let (turn, count) = if runs { (all, RUN / per) } else { (by.k, deep) };
        if runs {
            left.bits = in_runs(left.bits, left.k);
            right.bits = in_runs(right.bits, right.k);
        }
        let class = if mma.c == Dtype::F32 { Class::Float } else { Class::Word };
        let width = mma.words[2];
        let mut accs = Vec::new();
        for m in (0..dot.m).step_by(by.m) {
            for n in (0..dot.n).step_by(by.n) {
                let mut words = Vec::new();
                for [dm, dn] in &sums {
                    words.push(match dot.acc {
                        Some(acc) => {
                            let at = [m + dm, n + dn].map(Coord::from);
                            Operand::Reg(self.vec(acc, &at, LaneDim::Bits(lanes))?)
                        }
                        None => Operand::Reg(self.zero(class)),
                    });
                }
                accs.push(self.inst(class, Op::Join(width), &words, None));
            }
        }
        let columns = dot.n / by.n;
        for k in (0..dot.k).step_by(turn) {
            let mut a = Vec::new();
            for m in (0..dot.m).step_by(by.m) {
                a.push(self.side(dot.a, &left, (m, by.m), k, (runs, count))?);
            }
            for (column, n) in (0..dot.n).step_by(by.n).enumerate() {
                let b = self.side(dot.b, &right, (n, by.n), k, (runs, count))?;
                for (row, a) in a.iter().enumerate() {
                    let acc = &mut accs[row * columns + column];
                    for step in 0..count / deep {
                        let of = |l: &mut Self, side: &Side, words: &[(usize, Vec<Reg>)]| {
                            let mut list = Vec::new();
                            for [other, along] in &side.words {
                                let at = step * deep + usize::from(*along > 0);
                                let row = words.iter().find(|(o, _)| o == other);
                                let word = row.and_then(|(_, words)| words.get(at));
                                list.extend(word.map(|w| Operand::Reg(*w)));
                            }
                            match list[..] {
                                [Operand::Reg(one)] => one,
                                _ => {
                                    let many = Op::Join(list.len() as u8);
                                    l.inst(Class::Word, many, &list, None)
                                }
                            }
                        };
                        let (x, y) = (of(self, &left, a), of(self, &right, &b));
                        *acc = self.v(class, Op::Mma(mma), &[x, y, *acc]);
                    }
                }
            }
        }
        // Vectors in the order of the tile.
        let mut out = Vec::new();
        for start in lanes.starts(&[dot.m, dot.n]) {
            let (m, n) = (start[0], start[1]);
            let word = sums.iter().position(|s| *s == [m % by.m, n % by.n]);
            let acc = accs.get(m / by.m * columns + n / by.n);
            let (Some(word), Some(acc)) = (word, acc) else {
                return Err(self.no(format!("the sums of {}", mma.name)));
            };
            out.push(self.part(*acc, word));
        }
        Ok(out)
    }

    pub(super) fn part(&mut self, array: Reg, word: usize) -> Reg {
        let class = self.out.regs[array].class;
        if self.out.regs[array].words == 1 {
            return array;
        }
        self.inst(class, Op::Part, &[Operand::Reg(array), Operand::Imm(word as i64)], None)
    }

    /// Words of an operand from `k` on, for each first row of an instruction's words, along k.
    fn side(
        &mut self,
        v: Value,
        side: &Side,
        (first, _rows): (usize, usize),
        k: usize,
        (runs, count): (bool, usize),
    ) -> Result<Vec<(usize, Vec<Reg>)>> {
        let mut out: Vec<(usize, Vec<Reg>)> = Vec::new();
        let mut others: Vec<usize> = side.words.iter().map(|w| w[0]).collect();
        others.dedup();
        others.sort_unstable();
        others.dedup();
        for other in others {
            let mut words = Vec::new();
            if runs {
                words = self.words(v, &side.at(first + other, k), side.k, side.bits, count)?;
            } else {
                let mut along: Vec<usize> = side.words.iter().map(|w| w[1]).collect();
                along.sort_unstable();
                along.dedup();
                for deeper in along {
                    let at = side.at(first + other, k + deeper);
                    words.extend(self.words(v, &at, side.k, side.bits, 1)?);
                }
            }
            out.push((other, words));
        }
        Ok(out)
    }

    fn is_constant(&self, v: Value) -> bool {
        matches!(self.exprs.get(&v), Some(Expr::Fill(_)))
    }

    /// Is a tile read from memory where it is used, or computed from such tiles alone?
    fn of_memory(&self, v: Value) -> bool {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => r.chunks.is_none(),
            Some(Place::Inline(None)) => {
                crate::tile::operands(&self.exprs[&v]).iter().all(|o| self.of_memory(*o))
            }
            Some(Place::Scratch(_)) => true,
            Some(Place::Regs(_)) | None => false,
        }
    }

    /// `count` words of neighbours along `dim`, from the elements `at` on; lanes along `bits`.
    fn words(
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
        let expr = match self.places.get(&v).cloned() {
            Some(Place::Inline(Some(r))) if let (Some(chunks), 1) = (r.chunks, count) => {
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
            Some(Place::Inline(None)) => self.exprs.get(&v).cloned(),
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
                    let mut halves = Vec::new();
                    for i in [2 * pair, 2 * pair + 1] {
                        let mut at = *at;
                        at[dim].add += i;
                        halves.push(self.operand(a, &at, LaneDim::Bits(bits))?);
                    }
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
        let Some(Operand::Imm(block)) = r.dims.first().map(|d| d.step) else {
            return Err(self.no("a packed weight of unknown size".into()));
        };
        let sizes = of.sizes(of.lanes, of.group).map_err(|e| self.no(e.to_string()))?;
        let (chunk, width) = match of.chunk() {
            4 => (4, Width::W128),
            2 => (2, Width::W64),
            _ => (1, Width::W32),
        };
        let start =
            r.offset as usize + n.add / of.lanes * block as usize + k.add / of.group * sizes.group;
        // Do lanes follow each other as they stand in memory?
        let order = "lane = k3 k4 n0 n1 n2";
        let order = Layout::parse(order).ok().and_then(|l| LaneBits::of(&l, ["n", "k"]));
        let follow = of.lanes == RUN && Some(bits) == order;
        let apart = if follow { None } else { Some(self.packed_lanes(bits, chunk)) };
        // Where the element is, and the word that has it.
        let find = |l: &mut Self, i: usize| -> Result<(Reg, u32)> {
            let spot = of.spot(0, k.add + i);
            let inside = of.word_byte(spot) - spot.word % chunk * 4;
            let offset = start + n.add % of.lanes * 16 * chunk + inside;
            let Ok(offset) = i32::try_from(offset) else {
                return Err(l.no("a packed tile of more than 2 GiB".into()));
            };
            let mem = kgen_ir::machine::Mem { base: r.base, offset };
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

    /// Bytes from the first lane's words to each lane's, and a mask of all.
    fn packed_lanes(&mut self, bits: LaneBits, chunk: usize) -> [Operand; 2] {
        let mut sum = self.word_const(0);
        for (dim, shift, by) in [(0, 0, 16 * chunk), (1, RUN.ilog2(), 4 * chunk)] {
            let Some(mut own) = self.lane_coord(bits, dim) else { continue };
            if shift > 0 {
                let uses = [Operand::Reg(own), Operand::Imm(i64::from(shift))];
                own = self.inst(Class::Word, Op::Shift(ShiftOp::Right), &uses, None);
            }
            let by = self.word_const(by as i32);
            own = self.v(Class::Word, Op::Word(WordOp::Mul), &[own, by]);
            sum = self.v(Class::Word, Op::Word(WordOp::Add), &[sum, own]);
        }
        [Operand::Reg(sum), Operand::Reg(self.every_lane())]
    }

    fn every_lane(&mut self) -> Reg {
        let lane = self.inst(Class::Word, Op::Iota, &[], None);
        self.v(Class::Mask, Op::WordCmp(Compare::Eq), &[lane, lane])
    }

    /// Codes of a packed weight that `v` is.
    fn packed_codes(&self, v: Value) -> Option<TileRef> {
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

    // Vectors.

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

    fn gather(
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

/// What two halves at once do.
fn half_op(op: Binary) -> Option<HalfFloat> {
    match op {
        Binary::Add => Some(HalfFloat::Add),
        Binary::Sub => Some(HalfFloat::Sub),
        Binary::Mul => Some(HalfFloat::Mul),
        Binary::Div | Binary::Max | Binary::Min | Binary::And | Binary::Or | Binary::Cmp(_) => None,
    }
}

/// A number as f16, to nearest even, where it has one.
fn half_bits(x: f64) -> u16 {
    kgen_ir::format::encode::float_bits(Dtype::F16, x as f32).unwrap_or(0) as u16
}
