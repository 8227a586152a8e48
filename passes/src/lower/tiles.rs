//! Products by matrix instructions whose operands are rows of memory, and whose sums lie as vectors do:
//!
//! ```text
//! d = dot(x, w^T) : i32[16, 16]  -->   z = rows.zero.16 : w16
//!                                      a = rows.load.16 [x + 0], 128 : w16      16 rows, 64 of k
//!                                      b = rows.load.16 [w + 0], 64 : w16       packed so that a word holds 4 of k
//!                                      c = mma.m16n16k64.s32.s8u8 a, b, z : w16
//!                                      rows.store.16 [d + 0], c, 64
//! ```
//!
//! Codes that are no bytes are unpacked to scratch first. Two rows and two columns of matrices are summed at once, so
//! that each operand is read for two products. What a product adds to is read as rows: where it is, or from where the
//! product will be, once it is written there.

use super::{
    Coord, Lower, Place, Result,
    access::{TileDim, TileRef},
    dot::Dot,
};
use crate::tile::fragments::by_rows;
use kgen_ir::{
    dtype::Dtype,
    format::pack::Packing,
    machine::{Class, Mem, Op, Operand, Reg, RowsOp, Width, mma::Mma},
    tile::{LaneDim, Value},
};

/// Rows and columns of matrices whose sums are in registers at once.
const BLOCK: usize = 2;

/// Rows of memory, and bytes from one to the next.
type Rows = (Mem, Operand);

impl Lower<'_> {
    /// The instruction of such a product, if there is one.
    pub(super) fn tile_product(&self, dot: Dot, transpose: bool) -> Option<&'static Mma> {
        let elem = |v| self.kernel.values[v].ty.elem;
        let mma = by_rows(self.choice.target, [elem(dot.a), elem(dot.b)], dot.k)?;
        let Some(Place::Inline(Some(x))) = self.places.get(&dot.a) else { return None };
        let codes = self.codes_ref(dot.b)?;
        let (of, _) = codes.packed.as_ref()?;
        let sizes = [(dot.m, mma.m), (dot.n, mma.n), (dot.k, mma.k)];
        let whole = sizes.iter().all(|(size, unit)| size.is_multiple_of(*unit));
        let packed =
            !of.in_fragments() && of.lanes == mma.n && of.is_pairs() == (mma.b == Dtype::BF16);
        let plain = x.packed.is_none() && x.field.is_none() && x.chunks.is_none();
        let bytes = i64::from(mma.a.bits() / 8);
        let along =
            matches!(x.dims[..], [_, TileDim { step: Operand::Imm(step), .. }] if step == bytes);
        let all = x.dims.iter().all(|dim| dim.guard.is_none());
        (transpose && whole && packed && plain && along && all).then_some(mma)
    }

    /// The product at `home`; without, its vectors, row by row.
    pub(super) fn tiles(
        &mut self,
        dot: Dot,
        mma: &'static Mma,
        home: Option<&TileRef>,
    ) -> Result<Vec<Reg>> {
        let (Some(Place::Inline(Some(x))), Some(codes)) =
            (self.places.get(&dot.a).cloned(), self.codes_ref(dot.b))
        else {
            return Err(self.no("a product of what is not in memory".into()));
        };
        let class = if mma.c == Dtype::F32 { Class::Float } else { Class::Word };
        let to = match home {
            Some(home) => home.clone(),
            None => self.block_of_sums(dot),
        };
        // What the product adds to, where it can be read as rows.
        let start = match dot.acc.map(|acc| (acc, self.places.get(&acc))) {
            Some((acc, Some(Place::Scratch(at)))) => {
                let at = *at;
                Some(self.scratch_ref(acc, at))
            }
            Some((acc, _)) => {
                self.begin(dot, acc, &to)?;
                Some(to.clone())
            }
            None => None,
        };
        let steps = |from: usize, to: usize, by: usize| (from..to).step_by(by);
        for n0 in steps(0, dot.n, BLOCK * mma.n) {
            let columns: Vec<usize> = steps(n0, dot.n.min(n0 + BLOCK * mma.n), mma.n).collect();
            let mut rights = Vec::new();
            for n in &columns {
                rights.push(self.rights(dot, mma, &codes, *n)?);
            }
            for m0 in steps(0, dot.m, BLOCK * mma.m) {
                let rows: Vec<usize> = steps(m0, dot.m.min(m0 + BLOCK * mma.m), mma.m).collect();
                let mut sums = Vec::new();
                for (m, n) in rows.iter().flat_map(|m| columns.iter().map(move |n| (*m, *n))) {
                    sums.push(match &start {
                        Some(from) => {
                            let from = self.rows_of(from, [m, n])?;
                            self.load_rows((class, RowsOp::Load), mma.words[2], from)
                        }
                        None => {
                            let zero = Op::Rows(RowsOp::Zero, mma.words[2]);
                            self.inst(class, zero, &[], None)
                        }
                    });
                }
                for step in 0..dot.k / mma.k {
                    let mut lefts = Vec::new();
                    for m in &rows {
                        let from = self.rows_of(&x, [*m, step * mma.k])?;
                        let op = if mma.short_rows() { RowsOp::Half } else { RowsOp::Load };
                        lefts.push(self.load_rows((Class::Word, op), mma.words[0], from));
                    }
                    for (column, right) in rights.iter().enumerate() {
                        let b =
                            self.load_rows((Class::Word, RowsOp::Load), mma.words[1], right[step]);
                        for (row, a) in lefts.iter().enumerate() {
                            let sum = &mut sums[row * columns.len() + column];
                            *sum = self.v(class, Op::Mma(mma), &[*a, b, *sum]);
                        }
                    }
                }
                let places = rows.iter().flat_map(|m| columns.iter().map(move |n| [*m, *n]));
                for (at, sum) in places.zip(sums) {
                    let (mem, apart) = self.rows_of(&to, at)?;
                    let store = Op::Rows(RowsOp::Store, mma.words[2]);
                    self.effect(store, &[Operand::Reg(sum), apart], mem);
                }
            }
        }
        let mut out = Vec::new();
        if home.is_none() {
            for m in 0..dot.m {
                for n in steps(0, dot.n, self.lanes) {
                    let mem = self.address(&to, &[m, n].map(Coord::from))?;
                    out.push(self.inst(class, Op::Load(Width::W32), &[], Some(mem)));
                }
            }
        }
        Ok(out)
    }

    /// Writes what a product begins with to where it will be.
    fn begin(&mut self, dot: Dot, acc: Value, to: &TileRef) -> Result<()> {
        let lanes = self.lanes;
        let row = |l: &mut Self, m: Coord| -> Result<()> {
            for n in (0..dot.n).step_by(lanes) {
                let at = [m, Coord::from(n)];
                let x = l.vec(acc, &at, LaneDim::Dim(1))?;
                let mem = l.address(to, &at)?;
                l.effect(Op::Store(Width::W32), &[Operand::Reg(x)], mem);
            }
            Ok(())
        };
        if !self.row_by_index(acc) {
            return (0..dot.m).try_for_each(|m| row(self, Coord::from(m)));
        }
        let all = Operand::Imm(dot.m as i64);
        self.for_loop(Operand::Imm(0), all, 1, &[], |l, m, _| {
            row(l, Coord { reg: Some(m), add: 0, span: 1 })?;
            Ok(((), vec![]))
        })?;
        Ok(())
    }

    fn load_rows(&mut self, (class, op): (Class, RowsOp), words: u8, (mem, apart): Rows) -> Reg {
        self.inst(class, Op::Rows(op, words), &[apart], Some(mem))
    }

    /// The rows of a tile from an element on.
    fn rows_of(&mut self, r: &TileRef, at: [usize; 2]) -> Result<Rows> {
        let Some(apart) = r.dims.first().map(|dim| dim.step) else {
            return Err(self.no("a product of tiles that are no matrices".into()));
        };
        Ok((self.address(r, &at.map(Coord::from))?, apart))
    }

    /// Scratch for the sums of a product.
    fn block_of_sums(&mut self, dot: Dot) -> TileRef {
        let dim =
            |len: usize, step: usize| TileDim { len, step: Operand::Imm(step as i64), guard: None };
        let at = self.scratch_bytes(dot.m * dot.n * 4);
        let elem = self.kernel.values[dot.out].ty.elem;
        self.scratch_at(at, elem, vec![dim(dot.m, dot.n * 4), dim(dot.n, 4)])
    }

    /// Words of a block of columns from `n` on, of each step along k: where they are, or in scratch.
    fn rights(&mut self, dot: Dot, mma: &Mma, codes: &TileRef, n: usize) -> Result<Vec<Rows>> {
        let (words, per) = (usize::from(mma.words[1]), 32 / mma.b.bits() as usize);
        let of = codes.packed.as_ref().map(|(of, _)| of);
        if of.is_none_or(|of| of.elem.bits() != mma.b.bits()) {
            return self.unpacked(dot, mma, codes, n);
        }
        let mut out = Vec::new();
        for k in (0..dot.k).step_by(mma.k) {
            let mut places = Vec::new();
            for word in 0..words {
                let at = [Coord::from(n), Coord::from(k + word * per)];
                places.extend(self.code_bits(codes, &at)?.first().map(|(mem, _)| *mem));
            }
            let apart = match places[..] {
                [first, second, ..] => second.offset - first.offset,
                _ => 0,
            };
            let even = |pair: &[Mem]| pair[1] == Mem { offset: pair[0].offset + apart, ..pair[0] };
            match places.first() {
                Some(first) if places.len() == words && places.windows(2).all(even) => {
                    out.push((*first, Operand::Imm(apart.into())));
                }
                Some(_) | None => {
                    return Err(self.no("codes whose words are not evenly apart".into()));
                }
            }
        }
        Ok(out)
    }

    /// The same of codes that are no bytes.
    fn unpacked(&mut self, dot: Dot, mma: &Mma, codes: &TileRef, n: usize) -> Result<Vec<Rows>> {
        let row = self.lanes * 4;
        let at = self.scratch_bytes(dot.k / 4 * row);
        let base = self.scratch_base();
        let mem = |word: usize| Mem { base, offset: (at + word * row) as i32 };
        let together = codes.packed.as_ref().map_or(4, |(of, _)| Packing::together(of));
        let (mut from, end) = (codes.inside, codes.inside + dot.k);
        while from < end {
            let to = ((from / together + 1) * together).min(end);
            let k = from - codes.inside;
            let quads = self.quads(codes, Coord::from(n), k, (to - from) / 4)?;
            for (i, bytes) in quads.into_iter().enumerate() {
                self.effect(Op::Store(Width::W32), &[Operand::Reg(bytes)], mem(k / 4 + i));
            }
            from = to;
        }
        let steps = (0..dot.k).step_by(mma.k);
        Ok(steps.map(|k| (mem(k / 4), Operand::Imm(row as i64))).collect())
    }
}
