//! Products whose lanes run along k: each lane has a part of every sum, and a tree of exchanges joins the lanes at the end.
//!
//! ```text
//! a (rows, k), b (columns, k)      acc[row][column] += a[row][k..k + lanes] * b[column][k..k + lanes]
//! as many of them as lanes    ->   one register, lane i the sum over the lanes of register i
//! ```

use super::{
    Coord, Lower, Result,
    access::TileDim,
    dot::{Dot, MANY},
};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, FloatOp, Op, Operand, Reg, Width},
    tile::LaneDim,
};

impl Lower<'_> {
    /// `width <= lanes` columns from `n`, lanes along k, summed at the end; one register a row.
    pub(super) fn inner(&mut self, dot: Dot, n: Coord, width: usize) -> Result<Vec<Reg>> {
        let lanes = self.lanes;
        // A single k in every lane: as a vector along k some operands would have zeros behind it, others copies.
        let along = if dot.k == 1 { LaneDim::Splat } else { LaneDim::Dim(1) };
        // All rows at once, so that each key is decoded once; as many columns as registers allow.
        let rows = dot.m.min(self.budget());
        // Two sums a row where registers are few: each waits for its own last step alone. With many, columns do that.
        let few = self.budget() < MANY;
        let chains = if few && 2 * rows <= self.budget() { 2 } else { 1 };
        let mut at_once = (self.budget() / (rows * chains)).clamp(1, width);
        // Sums of all columns that wait for the end would fill the registers more than once: they join on the way.
        if rows * lanes > 2 * self.choice.target.vectors {
            at_once = 1 << at_once.ilog2();
        }
        let mut out = Vec::new();
        for first in (0..dot.m).step_by(rows) {
            let block = first..dot.m.min(first + rows);
            let mut sums: Vec<Vec<Reg>> = vec![vec![]; block.len()];
            // Blocks whose columns meet first in the tree of sums leave one register a row, and neighbours in the order
            // of reversed bits join: few wait for the end.
            let joined =
                width == lanes && lanes.is_multiple_of(at_once) && at_once.is_power_of_two();
            let blocks: Vec<Vec<usize>> = if joined {
                let apart = lanes / at_once;
                let order = |i: usize| match apart {
                    1 => 0,
                    _ => i.reverse_bits() >> (usize::BITS - apart.ilog2()),
                };
                let block = |i: usize| (order(i)..lanes).step_by(apart).map(|c| self.lane_of(c));
                (0..apart).map(|i| block(i).collect()).collect()
            } else {
                (0..width).step_by(at_once).map(|c| (c..width.min(c + at_once)).collect()).collect()
            };
            for (done, columns) in blocks.into_iter().enumerate() {
                if let Some(r) = self.hinted(dot.b) {
                    // In the order of memory, whatever the order of the columns.
                    for row in done * columns.len()..(done + 1) * columns.len() {
                        self.hint_row(&r, n.plus(row))?;
                    }
                }
                let count = block.len() * columns.len();
                let zero: Vec<_> = (0..count * chains).map(|_| self.float_const(0.0)).collect();
                let step = |l: &mut Self, k: Coord, accs: &[Reg]| -> Result<Vec<Reg>> {
                    let mut b = Vec::new();
                    for c in &columns {
                        b.push(l.vec(dot.b, &[n.plus(*c), k], along)?);
                    }
                    let mut out = accs.to_vec();
                    let mine = k.add / lanes % chains * count;
                    for (i, row) in block.clone().enumerate() {
                        for (j, b) in b.iter().enumerate() {
                            let a = l.vec(dot.a, &[Coord::from(row), k], along)?;
                            let at = mine + i * columns.len() + j;
                            out[at] = l.v(Class::Float, Op::Fma, &[a, *b, accs[at]]);
                        }
                    }
                    Ok(out)
                };
                let mut accs = self.along_k(dot.k, lanes, zero, dot.a, step)?;
                for other in accs.split_off(count) {
                    let at = accs.remove(0);
                    accs.push(self.v(Class::Float, Op::Float(FloatOp::Add), &[at, other]));
                }
                for (sums, regs) in sums.iter_mut().zip(accs.chunks(columns.len())) {
                    if joined {
                        sums.push(self.join_lanes(regs.to_vec(), lanes / 2));
                        let mut half = lanes / at_once / 2;
                        for _ in 0..(done + 1usize).trailing_zeros() {
                            let pair = sums.split_off(sums.len() - 2);
                            sums.push(self.join_lanes(pair, half));
                            half /= 2;
                        }
                    } else {
                        sums.extend(regs);
                    }
                }
            }
            for (i, row) in block.enumerate() {
                let mut regs = std::mem::take(&mut sums[i]);
                let sum = if width == 1 {
                    self.v(Class::Float, Op::HSum, &[regs[0]])
                } else if joined {
                    regs[0]
                } else {
                    regs.extend((width..lanes).map(|_| self.float_const(0.0)));
                    self.join_all(regs)
                };
                // The sum over the lanes holds a single k so many times (a power of two: exact).
                let sum = if dot.k == 1 {
                    let part = self.float_const(1.0 / lanes as f32);
                    self.v(Class::Float, Op::Float(FloatOp::Mul), &[sum, part])
                } else {
                    sum
                };
                out.push(match dot.acc {
                    None => sum,
                    Some(_) => {
                        let start = self.start(dot, Coord::from(row), n)?;
                        self.v(Class::Float, Op::Float(FloatOp::Add), &[start, sum])
                    }
                });
            }
        }
        Ok(out)
    }

    /// Whether a loop may turn over columns: few rows, so that as many sums as lanes are of some columns each.
    pub(super) fn turns(&self, dot: Dot) -> bool {
        let (lanes, sums) = (self.lanes, self.budget());
        let rows = dot.m.is_power_of_two() && dot.m <= lanes && lanes <= sums;
        let step = sums / dot.m.max(1);
        let whole = |by: usize| by > 0 && dot.n > by && dot.n.is_multiple_of(by);
        let long = dot.k > lanes && whole(lanes) && whole(step);
        rows && long && !self.threads() && self.row_by_index(dot.b)
    }

    /// All columns, lanes along k, by a loop: a turn takes as many columns as the registers hold sums of, and leaves
    /// vectors that each hold the sums of all rows and some columns. Those of as many columns as lanes, transposed, are the rows.
    ///
    /// ```text
    /// 4 rows, 16 lanes     turn 0: r0c0..r0c3 r1c0..r1c3 r2c0..r2c3 r3c0..r3c3     turn 1: r0c4..
    /// ```
    pub(super) fn in_turns(&mut self, dot: Dot) -> Result<Vec<Reg>> {
        let (lanes, rows) = (self.lanes, dot.m);
        let (columns, vectors) = (lanes / rows, self.budget() / lanes);
        let step = columns * vectors;
        let at = self.scratch_bytes(4 * rows * dot.n);
        let column = TileDim { len: dot.n, step: Operand::Imm(4 * rows as i64), guard: None };
        let sums = self.scratch_at(at, Dtype::F32, vec![column]);
        self.for_loop(Operand::Imm(0), Operand::Imm(dot.n as i64), step as i64, &[], |l, n, _| {
            let n = Coord { reg: Some(n), add: 0, span: step };
            if let Some(r) = l.hinted(dot.b) {
                for column in 0..step {
                    l.hint_row(&r, n.plus(column))?;
                }
            }
            let zero: Vec<_> = (0..rows * step).map(|_| l.float_const(0.0)).collect();
            let along = |l: &mut Self, k: Coord, accs: &[Reg]| -> Result<Vec<Reg>> {
                let mut out = Vec::new();
                for vector in 0..vectors {
                    let mut b = Vec::new();
                    for column in 0..columns {
                        b.push(l.vec(
                            dot.b,
                            &[n.plus(vector * columns + column), k],
                            LaneDim::Dim(1),
                        )?);
                    }
                    for row in 0..rows {
                        let a = l.vec(dot.a, &[Coord::from(row), k], LaneDim::Dim(1))?;
                        for b in &b {
                            out.push(l.v(Class::Float, Op::Fma, &[a, *b, accs[out.len()]]));
                        }
                    }
                }
                Ok(out)
            };
            let accs = l.along_k(dot.k, lanes, zero, dot.a, along)?;
            for (vector, accs) in accs.chunks(lanes).enumerate() {
                let sum = l.join_all(accs.to_vec());
                let mem = l.address(&sums, &[n.plus(vector * columns)])?;
                l.effect(Op::Store(Width::W32), &[Operand::Reg(sum)], mem);
            }
            Ok(((), vec![]))
        })?;
        let mut out = vec![vec![]; rows];
        for block in (0..dot.n).step_by(lanes) {
            let mut regs = Vec::new();
            for row in 0..rows {
                let mem = self.address(&sums, &[Coord::from(block + row * columns)])?;
                regs.push(self.inst(Class::Float, Op::Load(Width::W32), &[], Some(mem)));
            }
            for (row, reg) in self.turn(regs).into_iter().enumerate() {
                out[row].push(match dot.acc {
                    None => reg,
                    Some(_) => {
                        let start = self.start(dot, Coord::from(row), Coord::from(block))?;
                        self.v(Class::Float, Op::Float(FloatOp::Add), &[start, reg])
                    }
                });
            }
        }
        Ok(out.concat())
    }

    /// A register whose lane i is the sum over the lanes of register i.
    fn join_all(&mut self, regs: Vec<Reg>) -> Reg {
        let order = (0..regs.len()).map(|i| regs[self.lane_of(i)]).collect();
        self.join_lanes(order, self.lanes / 2)
    }

    /// Levels of the transposing tree that makes of as many registers as lanes one, which has the sum over the lanes of
    /// register i in lane [`lane_of`](Self::lane_of) i: until one register is left, from the level that joins halves of
    /// `2 * half` lanes.
    fn join_lanes(&mut self, mut regs: Vec<Reg>, mut half: usize) -> Reg {
        // Before each level every register holds `run` sums of runs of lanes; a level joins neighbours: of the
        // pair (x, y) the even runs and the odd runs, added.
        while regs.len() > 1 {
            let count = regs.len() / 2;
            let mut next = Vec::new();
            for i in 0..count {
                // Register i pairs with i + count, so that lane order comes out right.
                let pair = [regs[i], regs[i + count]];
                let [a, b] = self.runs(half).map(|t| self.v(Class::Float, Op::Shuffle(t), &pair));
                next.push(self.v(Class::Float, Op::Float(FloatOp::Add), &[a, b]));
            }
            regs = next;
            half /= 2;
        }
        regs[0]
    }

    /// Two exchanges of a pair of registers: the first takes of both the runs of `half` lanes at even places, the second
    /// those at odd ones, so that their sum has half as long a sum of more registers.
    ///
    /// ```text
    /// half 8      a0..a7 b0..b7      instructions without a table of lanes choose two fours, or two lanes of each
    /// half 4      a0..a3 a8..a11 b0..b3 b8..b11      four, of one vector and then two of the other
    /// half 2      a0 a1 b0 b1 a4 a5 b4 b5 ..
    /// half 1      a0 a2 b0 b2 a4 a6 b4 b6 ..
    /// ```
    fn runs(&self, half: usize) -> [Vec<u8>; 2] {
        let all = 0..self.lanes;
        let of = |l: usize| if l & half == 0 { 0 } else { self.lanes };
        if self.threads() {
            // What each lane has, and what its neighbour has: one exchange.
            return [0, half]
                .map(|other| all.clone().map(|l| ((l ^ other) + of(l)) as u8).collect());
        }
        let runs = |high: usize| move |l: usize| (l & !half | high) + of(l);
        let even = |high: usize| {
            move |l: usize| {
                let from = l & !(3 * half) | (l & half) << 1 | high;
                from + if l & (2 * half) == 0 { 0 } else { self.lanes }
            }
        };
        [0, half].map(|high| match self.crossed(half) {
            true => all.clone().map(even(high)).map(|l| l as u8).collect(),
            false => all.clone().map(runs(high)).map(|l| l as u8).collect(),
        })
    }

    /// Whether registers of this level of the tree stand above those of the level before.
    fn crossed(&self, half: usize) -> bool {
        half.ilog2().is_multiple_of(2) && 4 * half <= self.lanes && !self.threads()
    }

    /// Where register `i` of the tree goes: its lane of the result.
    fn lane_of(&self, i: usize) -> usize {
        let mut lane = i;
        let mut half = 1;
        while half < self.lanes {
            if self.crossed(half) {
                lane = lane & !(3 * half) | (lane & half) << 1 | (lane & (2 * half)) >> 1;
            }
            half *= 2;
        }
        lane
    }
}
