//! Products by matrix instructions, which take words of several neighbours along k and give vectors of sums:
//!
//! ```text
//! s = dot(x, w^T) : f32[16, 8]   -->   a = gatherpart.w128 [x + 0], at, all : w4      eight neighbours of a row
//!                                      b = load.w128 [w + 0] : w4                     packed so that lanes follow
//!                                      d = mma.m16n8k16.f32.f16 .., .., c : f4        k of lane q: 8 q + 0, 1, 2, 3
//!                                      e = mma.m16n8k16.f32.f16 .., .., d : f4                    8 q + 4, 5, 6, 7
//! ```
//!
//! Of an instruction with more rows than the tile, the words of the others are zeros, and nobody reads their sums.
//!
//! Any order of k will do if both operands have the same. Where both come from memory, a lane takes eight neighbours
//! of 32; what registers hold as the sums of another product is an operand in the order that it has.

use super::{Coord, Lower, Place, Result, dot::Dot};
use crate::tile::fragments::{Instruction, neighbours};
use kgen_ir::{
    dtype::Dtype,
    layout::Layout,
    machine::{Class, Op, Operand, Reg, mma::Mma},
    tile::{Expr, LaneBits, LaneDim, Value},
};

/// Neighbours along k that a lane takes where both operands come from memory.
pub(super) const RUN: usize = 8;

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
    /// The dimensions of the tile that k is, and that neighbours in a word are along.
    k: usize,
    along: usize,
}

/// A product of several left operands and a right one, which share the loop over k.
struct Product {
    out: Value,
    lefts: Vec<Value>,
    right: Value,
    acc: Option<Value>,
}

impl Side {
    /// `names`: of the other dimension and of k.
    fn of(layout: &str, names: [&str; 2], words: u8, k: usize) -> Option<Side> {
        let axes = if k == 1 { names } else { [names[1], names[0]] };
        let bits = LaneBits::of(&Layout::parse(layout).ok()?, axes)?;
        let along = if neighbours(layout)? == names[1] { k } else { 1 - k };
        Some(Side { bits, words: words_of(layout, names, words)?, k, along })
    }

    /// Words along k.
    fn deep(&self) -> usize {
        if self.words.iter().any(|w| w[1] > 0) { 2 } else { 1 }
    }

    fn at(&self, other: usize, k: usize) -> [Coord; 2] {
        let at = if self.k == 1 { [other, k] } else { [k, other] };
        at.map(Coord::from)
    }
}

impl Lower<'_> {
    /// The product in registers: its vectors and their places, in the order of the tile. With it those that wait for it.
    pub(super) fn matrix(
        &mut self,
        dot: Dot,
        transpose: bool,
        mma: &'static Mma,
    ) -> Result<Vec<([usize; 2], Reg)>> {
        let Some(by) = Instruction::of(mma) else {
            return Err(self.no(format!("the layout of {}", mma.name)));
        };
        let sides = (
            Side::of(&by.layouts[0], ["m", "k"], mma.words[0], 1),
            Side::of(&by.layouts[1], ["n", "k"], mma.words[1], usize::from(transpose)),
            words_of(&by.layouts[2], ["m", "n"], mma.words[2]),
            by.sums,
        );
        let (Some(mut left), Some(mut right), Some(sums), Some(lanes)) = sides else {
            return Err(self.no(format!("the layout of {}", mma.name)));
        };
        let per = 32 / mma.a.bits() as usize;
        // Neighbours along k that all lanes take in runs.
        let all = RUN << left.bits.covered(left.k).count_ones();
        let products = self.at_once(dot);
        // What was read for another product may have been overwritten since.
        self.squares.clear();
        let of_memory = |p: &Product| {
            self.of_memory(p.right) && p.lefts.iter().all(|left| self.of_memory(*left))
        };
        let runs = transpose && dot.k.is_multiple_of(all) && products.iter().all(of_memory);
        let turn = if runs { all } else { by.k };
        let count = runs.then_some(RUN / per);
        if runs {
            left.bits = in_runs(left.bits, left.k);
            right.bits = in_runs(right.bits, right.k);
        }
        let class = if mma.c == Dtype::F32 { Class::Float } else { Class::Word };
        let width = mma.words[2];
        let blocks = |step: usize, to: usize| (0..to).step_by(step).enumerate();
        let mut accs: Vec<Vec<Reg>> = Vec::new();
        for product in &products {
            let mut own = Vec::new();
            for ((_, m), (_, n)) in
                blocks(by.m, dot.m).flat_map(|m| blocks(by.n, dot.n).map(move |n| (m, n)))
            {
                let mut words = Vec::new();
                for [dm, dn] in &sums {
                    words.push(match product.acc {
                        Some(acc) if m + dm < dot.m => {
                            let at = [m + dm, n + dn].map(Coord::from);
                            Operand::Reg(self.vec(acc, &at, LaneDim::Bits(lanes))?)
                        }
                        Some(_) | None => Operand::Reg(self.zero(class)),
                    });
                }
                own.push(self.inst(class, Op::Join(width), &words, None));
            }
            accs.push(own);
        }
        let columns = dot.n / by.n;
        for k in (0..dot.k).step_by(turn) {
            let mut lefts = Vec::new();
            for product in &products {
                let mut rows = Vec::new();
                for (_, m) in blocks(by.m, dot.m) {
                    let mut row = Vec::new();
                    for v in &product.lefts {
                        row.extend(self.side(*v, &left, (m, k), count)?);
                    }
                    rows.push(row);
                }
                lefts.push(rows);
            }
            for (column, n) in blocks(by.n, dot.n) {
                for ((product, lefts), accs) in products.iter().zip(&lefts).zip(&mut accs) {
                    let b = self.side(product.right, &right, (n, k), count)?;
                    for (row, a) in lefts.iter().enumerate() {
                        let acc = &mut accs[row * columns + column];
                        for (x, y) in a.iter().zip(b.iter().cycle()) {
                            let (x, y) = (self.joined(x), self.joined(y));
                            *acc = self.v(class, Op::Mma(mma), &[x, y, *acc]);
                        }
                    }
                }
            }
        }
        // Vectors in the order of the tile; this product is the last one.
        let mut out = Vec::new();
        for (product, accs) in products.iter().zip(&accs) {
            out.clear();
            for start in lanes.starts(&[dot.m, dot.n]) {
                let (m, n) = (start[0], start[1]);
                let word = sums.iter().position(|s| *s == [m % by.m, n % by.n]);
                let acc = accs.get(m / by.m * columns + n / by.n);
                let (Some(word), Some(acc)) = (word, acc) else {
                    return Err(self.no(format!("the sums of {}", mma.name)));
                };
                out.push(([m, n], self.part(*acc, word)));
            }
            if product.out != dot.out {
                let regs = out.iter().map(|(_, reg)| *reg).collect();
                self.places.insert(product.out, Place::Regs(regs));
            }
        }
        Ok(out)
    }

    /// A product, behind those that wait for it: others of its right operand that it adds to are a part of it.
    fn at_once(&mut self, dot: Dot) -> Vec<Product> {
        let mut later = std::mem::take(&mut self.later);
        let mut own = Product { out: dot.out, lefts: vec![dot.a], right: dot.b, acc: dot.acc };
        while let Some(before) = own.acc
            && later.contains(&before)
            && let Some(Expr::Dot { a, acc, .. }) = self.expr(before)
        {
            own.lefts.insert(0, *a);
            own.acc = *acc;
            later.retain(|v| *v != before);
        }
        let beside = later.into_iter().filter_map(|out| match self.expr(out) {
            Some(Expr::Dot { a, b, acc, .. }) => {
                Some(Product { out, lefts: vec![*a], right: *b, acc: *acc })
            }
            Some(_) | None => None,
        });
        beside.chain([own]).collect()
    }

    pub(super) fn part(&mut self, array: Reg, word: usize) -> Reg {
        let class = self.out.regs[array].class;
        if self.out.regs[array].words == 1 {
            return array;
        }
        self.inst(class, Op::Part, &[Operand::Reg(array), Operand::Imm(word as i64)], None)
    }

    /// One register of several.
    fn joined(&mut self, words: &[Reg]) -> Reg {
        match words {
            [one] => *one,
            many => {
                let uses: Vec<_> = many.iter().map(|w| Operand::Reg(*w)).collect();
                self.inst(Class::Word, Op::Join(many.len() as u8), &uses, None)
            }
        }
    }

    /// Words of an operand from a row and a k on, of each instruction in turn: of one, or of as many as a `run` of words
    /// along k serves.
    fn side(
        &mut self,
        v: Value,
        side: &Side,
        (first, k): (usize, usize),
        run: Option<usize>,
    ) -> Result<Vec<Vec<Reg>>> {
        let mut all: Vec<Vec<Reg>> = Vec::new();
        let there = self.shape(v).get(1 - side.k).copied().unwrap_or(0);
        if let Some(count) = run {
            let mut rows: Vec<(usize, Vec<Reg>)> = Vec::new();
            let deep = side.deep();
            for step in 0..count / deep {
                let mut words = Vec::new();
                for [other, along] in &side.words {
                    if first + other >= there {
                        words.push(self.word_const(0));
                        continue;
                    }
                    if !rows.iter().any(|(row, _)| row == other) {
                        let at = side.at(first + other, k);
                        rows.push((*other, self.words(v, &at, side.k, side.bits, count)?));
                    }
                    let row = rows.iter().find(|(row, _)| row == other);
                    let at = step * deep + usize::from(*along > 0);
                    words.extend(row.and_then(|(_, row)| row.get(at)));
                }
                all.push(words);
            }
        } else if side.along == side.k {
            let mut words = Vec::new();
            for [other, along] in &side.words {
                if first + other >= there {
                    words.push(self.word_const(0));
                    continue;
                }
                let at = side.at(first + other, k + along);
                words.extend(self.words(v, &at, side.k, side.bits, 1)?);
            }
            all.push(words);
        } else {
            // They follow each other as the elements in them do.
            let at = side.at(first, k);
            all.push(self.words(v, &at, side.along, side.bits, side.words.len())?);
        }
        Ok(all)
    }

    /// Is a tile read from memory where it is used, or computed from such tiles alone?
    pub(super) fn of_memory(&self, v: Value) -> bool {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => r.chunks.is_none() || !self.has_squares(),
            Some(Place::Inline(None)) => {
                crate::tile::operands(&self.exprs[&v]).iter().all(|o| self.of_memory(*o))
            }
            Some(Place::Scratch(_)) => true,
            Some(Place::Regs(_)) | None => false,
        }
    }
}
