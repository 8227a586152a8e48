//! The engine of products: which way the lanes run, which register block, which loops.
//!
//! | right operand | lanes | product |
//! | --- | --- | --- |
//! | `b^T`, packed codes x int8 | rows of b | 4-byte dots, one word of 4 k at a time |
//! | `b^T`, packed pairs of bf16 x bf16 | rows of b | 2-element dots, one word of 2 k at a time |
//! | `b^T`, packed, as floats | rows of b | multiply-add, one k at a time |
//! | `b^T`, in memory | along k | multiply-add, lanes summed at the end: [`along`](super::along) |
//! | `b` | columns of b | multiply-add, one k at a time |
//! | `b`, pairs of bf16 x pairs | columns of b | 2-element dots, one word at a time |
//! | either, of elements that a matrix instruction has | as its row says | [`matrix`](super::matrix) |
//! | `b^T`, packed, of such elements | rows of b | matrices as rows of memory, [`tiles`](super::tiles) |

use super::{Coord, Lower, Place, Result, access::TileRef};
use crate::tile::fragments::{Instruction, instruction};
use kgen_ir::{
    dtype::Dtype,
    layout::{Layout, convert::convert},
    machine::{Class, DotOp, Op, Operand, Reg, mma::Mma},
    tile::{Expr, LaneDim, Value},
};
use std::rc::Rc;

/// A block of the product in registers.
#[derive(Clone, Copy)]
pub(super) struct Dot {
    pub out: Value,
    pub a: Value,
    pub b: Value,
    pub acc: Option<Value>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// How an operand reaches the lanes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Bytes,
    Pairs,
    /// Lanes run along rows of `b^T`.
    Rows,
    Inner,
    Columns,
    Matrix(&'static Mma),
    /// The same, of rows of memory.
    Tiles(&'static Mma),
}

/// Accumulators that hide the latency of a multiply-add, whatever the shape of their block.
pub(super) const MANY: usize = 16;

/// Registers of a product of codes beside sums, activations and codes: a mask, and what is being unpacked.
const SPARE: usize = 2;

/// Rows of a left operand that stand side by side in a block, whatever their number.
const FEW: usize = 8;

/// What the conversion of layouts costs from vectors along k, as rows are stored, to lanes of rows, as byte dots want
/// them: instructions for as many vectors as lanes.
pub(crate) fn transposing(lanes: usize) -> Option<usize> {
    let bits = lanes.is_power_of_two().then(|| lanes.ilog2())?;
    // Words of 4 k stay whole.
    let names = |axis: &str| (0..bits).map(|b| format!("{axis}{b}")).collect::<Vec<_>>().join(" ");
    let (k, n) = (names("k"), names("n"));
    let layout = |lane: &str, reg: &str| Layout::parse(&format!("lane = {lane}, reg = {reg}")).ok();
    Some(convert(&layout(&k, &n)?, &layout(&n, &k)?).ok()?.cost())
}

impl Lower<'_> {
    fn dot(
        &mut self,
        out: Value,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
    ) -> Result<(Dot, Way)> {
        let (sa, sb) = (self.shape(a), self.shape(b));
        let ([m, k], [rows, columns]) = (sa, sb) else {
            return Err(self.no("a product of tiles that are no matrices".into()));
        };
        let n = if transpose { *rows } else { *columns };
        let dot = Dot { out, a, b, acc, m: *m, n, k: *k };
        let elem = |v: Value| self.kernel.values[v].ty.elem;
        let pairs = elem(a) == Dtype::BF16
            && self.codes_ref(b).is_some_and(|r| r.packed.iter().any(|(of, _)| of.is_pairs()))
            && self.has(&Op::Dot(DotOp::Bf16));
        let by = instruction(self.kernel, (a, b), transpose, self.choice.target);
        let way = match (transpose, elem(out), self.is_packed(b)) {
            _ if let Some(by) = by => Way::Matrix(by.mma),
            _ if let Some(mma) = self.tile_product(dot, transpose) => Way::Tiles(mma),
            (true, Dtype::I32, true) => Way::Bytes,
            (true, Dtype::F32, true) if pairs => Way::Pairs,
            (true, Dtype::F32, true) => Way::Rows,
            (true, Dtype::F32, false) => Way::Inner,
            (false, Dtype::F32, false)
                if elem(a) != Dtype::U32 || self.has(&Op::Dot(DotOp::Bf16)) =>
            {
                Way::Columns
            }
            _ => return Err(self.no("this form of product".into())),
        };
        self.note(dot, way);
        if way == Way::Columns {
            self.weigh(dot)?;
        }
        Ok((dot, way))
    }

    /// For `kgen explain`: the choice and its reason, once a product.
    fn note(&mut self, dot: Dot, way: Way) {
        let rows = dot.m.min(self.budget());
        let why = match way {
            Way::Matrix(mma) => format!("matrix instructions, {}", mma.name),
            Way::Tiles(mma) => {
                format!("matrix instructions on rows of memory, {}", mma.name)
            }
            Way::Bytes => format!(
                "4-byte dots, {} lanes of weight rows: the codes are packed so that a word holds 4 of k",
                self.lanes
            ),
            Way::Pairs => format!(
                "2-element bf16 dots, {} lanes of weight rows: packed so that a word holds 2 of k; blocks of {} x {}",
                self.lanes, dot.m, dot.n
            ),
            Way::Rows => format!(
                "multiply-add, {} lanes of weight rows: packed codes as floats, one k at a time",
                self.lanes
            ),
            Way::Inner => format!(
                "multiply-add, {} lanes along k: rows of b lie in memory so; blocks of {rows} x {}",
                self.lanes,
                (self.budget() / rows.max(1)).max(1)
            ),
            Way::Columns => {
                let (rows, wide) = self.block_of(dot);
                let by = if self.of_pairs(dot) { "2-element bf16 dots" } else { "multiply-add" };
                format!(
                    "{by}, {} lanes of columns: rows of b lie in memory so; blocks of {rows} x {}",
                    self.lanes,
                    wide * self.lanes
                )
            }
        };
        let (m, n, k) = (dot.m, dot.n, dot.k);
        let note = format!("{} {m} x {n} x {k}: {why}", self.kernel.values[dot.out].name);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether its elements are pairs of bf16.
    fn of_pairs(&self, dot: Dot) -> bool {
        self.kernel.values[dot.a].ty.elem == Dtype::U32
    }

    /// Is `v` read from a packed weight, perhaps through elementwise expressions?
    fn is_packed(&self, v: Value) -> bool {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => r.packed.is_some(),
            Some(Place::Inline(None)) => {
                crate::tile::operands(&self.exprs[&v]).iter().any(|o| self.is_packed(*o))
            }
            Some(Place::Regs(_) | Place::Scratch(_)) | None => false,
        }
    }

    /// The whole product in registers, row by row.
    pub(super) fn dot_registers(
        &mut self,
        out: Value,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
    ) -> Result<Vec<Reg>> {
        let (dot, way) = self.dot(out, a, b, transpose, acc)?;
        match way {
            Way::Matrix(mma) => {
                let all = self.matrix(dot, transpose, mma)?;
                Ok(all.into_iter().map(|(_, reg)| reg).collect())
            }
            Way::Tiles(mma) => self.tiles(dot, mma, None),
            Way::Bytes | Way::Pairs | Way::Rows => self.packed(dot, way),
            Way::Columns => {
                let wide = dot.n.div_ceil(self.lanes);
                self.columns(dot, Coord::from(0), dot.m, Coord::from(0), wide)
            }
            Way::Inner if self.turns(dot) => self.in_turns(dot),
            Way::Inner => {
                let mut regs = vec![vec![]; dot.m];
                for n in (0..dot.n).step_by(self.lanes) {
                    let width = self.lanes.min(dot.n - n);
                    for (row, reg) in
                        self.inner(dot, Coord::from(n), width)?.into_iter().enumerate()
                    {
                        regs[row].push(reg);
                    }
                }
                Ok(regs.concat())
            }
        }
    }

    /// The product written to `target`, which holds whole vectors, block by block in a loop.
    pub(super) fn dot_scratch(
        &mut self,
        out: Value,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
        target: &TileRef,
    ) -> Result<()> {
        let (dot, way) = self.dot(out, a, b, transpose, acc)?;
        let lanes = self.lanes;
        let store = |l: &mut Self, row: Coord, n: Coord, reg: Reg| -> Result<()> {
            let mem = l.address(target, &[row, n])?;
            l.effect(Op::Store(kgen_ir::machine::Width::W32), &[Operand::Reg(reg)], mem);
            Ok(())
        };
        match way {
            Way::Matrix(mma) => {
                let sums = Instruction::of(mma).and_then(|by| by.sums);
                let lanes = sums.map_or(LaneDim::Splat, LaneDim::Bits);
                for (at, reg) in self.matrix(dot, transpose, mma)? {
                    let at = at.map(Coord::from);
                    self.store_vec(target, &at, reg, lanes)?;
                }
                Ok(())
            }
            Way::Tiles(mma) => self.tiles(dot, mma, Some(target)).map(drop),
            Way::Bytes | Way::Pairs | Way::Rows => {
                let per_row = dot.n.div_ceil(lanes);
                for (i, reg) in self.packed(dot, way)?.into_iter().enumerate() {
                    store(self, Coord::from(i / per_row), Coord::from(i % per_row * lanes), reg)?;
                }
                Ok(())
            }
            Way::Inner => {
                let whole = dot.n / lanes;
                if whole > 0 {
                    let hi = Operand::Imm((whole * lanes) as i64);
                    self.for_loop(Operand::Imm(0), hi, lanes as i64, &[], |l, n, _| {
                        let n = Coord { reg: Some(n), add: 0, span: lanes };
                        for (row, reg) in l.inner(dot, n, lanes)?.into_iter().enumerate() {
                            store(l, Coord::from(row), n, reg)?;
                        }
                        Ok(((), vec![]))
                    })?;
                }
                if whole * lanes < dot.n {
                    let n = Coord::from(whole * lanes);
                    for (row, reg) in
                        self.inner(dot, n, dot.n - whole * lanes)?.into_iter().enumerate()
                    {
                        store(self, Coord::from(row), n, reg)?;
                    }
                }
                Ok(())
            }
            Way::Columns => {
                let (rows, wide) = self.block_of(dot);
                let blocks = dot.m / rows;
                let anywhere = self.row_by_index(a) && acc.is_none_or(|acc| self.row_by_index(acc));
                let mut first = 0;
                if blocks > 1 && anywhere {
                    first = blocks * rows;
                    let hi = Operand::Imm(first as i64);
                    self.for_loop(Operand::Imm(0), hi, rows as i64, &[], |l, row, _| {
                        let row = Coord { reg: Some(row), add: 0, span: rows };
                        l.column_blocks(dot, row, rows, wide, &store)?;
                        Ok(((), vec![]))
                    })?;
                }
                for first in (first..dot.m).step_by(rows) {
                    let count = rows.min(dot.m - first);
                    self.column_blocks(dot, Coord::from(first), count, wide, &store)?;
                }
                Ok(())
            }
        }
    }

    /// All columns of `rows` rows from `row`, `wide` vectors at a time.
    fn column_blocks(
        &mut self,
        dot: Dot,
        row: Coord,
        rows: usize,
        wide: usize,
        store: &impl Fn(&mut Self, Coord, Coord, Reg) -> Result<()>,
    ) -> Result<()> {
        let lanes = self.lanes;
        let vectors = dot.n / lanes;
        let mut done = 0;
        for width in [wide, 1] {
            let count = (vectors - done) / width;
            if count == 0 {
                continue;
            }
            let step = (width * lanes) as i64;
            let block = |l: &mut Self, n: Coord| -> Result<()> {
                let regs = l.columns(dot, row, rows, n, width)?;
                for (i, reg) in regs.into_iter().enumerate() {
                    store(l, row.plus(i / width), n.plus(i % width * lanes), reg)?;
                }
                Ok(())
            };
            let start = dot.acc.is_none_or(|acc| self.column_by_index(acc));
            if count > 1 && start && self.column_by_index(dot.b) {
                let lo = (done * lanes) as i64;
                let hi = Operand::Imm(lo + count as i64 * step);
                self.for_loop(Operand::Imm(lo), hi, step, &[], |l, n, _| {
                    block(l, Coord { reg: Some(n), add: 0, span: width * lanes })?;
                    Ok(((), vec![]))
                })?;
            } else {
                for i in 0..count {
                    block(self, Coord::from((done + i * width) * lanes))?;
                }
            }
            done += count * width;
        }
        if done * lanes < dot.n {
            let n = Coord::from(done * lanes);
            let regs = self.columns(dot, row, rows, n, 1)?;
            for (i, reg) in regs.into_iter().enumerate() {
                store(self, row.plus(i), n, reg)?;
            }
        }
        Ok(())
    }

    /// Rows and vectors of columns of a block. Few rows stand side by side; of many, as many as leave, with the
    /// vectors of b and an element of a, few loads a multiply-add and no row over.
    fn block_of(&self, dot: Dot) -> (usize, usize) {
        if dot.m <= FEW {
            return (dot.m, (self.budget() / dot.m).max(1));
        }
        let vectors = dot.n / self.lanes;
        let sums = self.choice.target.vectors * 3 / 4;
        let shapes = (1..=vectors.clamp(1, 4)).map(|wide| {
            let most = (sums / wide).min(dot.m);
            let even = (most - most / 3..=most).rev().find(|r| dot.m.is_multiple_of(*r));
            (even.unwrap_or(most), wide)
        });
        let cost = |&(rows, wide): &(usize, usize)| {
            let over = if vectors.is_multiple_of(wide) { 2 } else { 3 };
            // Thousandths of a load a multiply-add.
            1000 * (rows + wide) * over / (rows * wide)
        };
        shapes.min_by_key(cost).unwrap_or((dot.m.min(self.budget()), 1))
    }

    /// Accumulators a block may use: half of the registers.
    pub(super) fn budget(&self) -> usize {
        self.choice.target.vectors / 2
    }

    pub(super) fn start(&mut self, dot: Dot, row: Coord, n: Coord) -> Result<Reg> {
        match dot.acc {
            Some(acc) => {
                let lanes = if dot.n == 1 { LaneDim::Splat } else { LaneDim::Dim(1) };
                self.vec(acc, &[row, n], lanes)
            }
            None if self.kernel.values[dot.out].ty.elem == Dtype::I32 => Ok(self.word_const(0)),
            None => Ok(self.float_const(0.0)),
        }
    }

    /// `rows` rows from `first` and `width` vectors of columns from `n`: one element of a, one row of b at a time.
    fn columns(
        &mut self,
        dot: Dot,
        first: Coord,
        rows: usize,
        n: Coord,
        width: usize,
    ) -> Result<Vec<Reg>> {
        let lanes = self.lanes;
        let mut accs = Vec::new();
        for row in 0..rows {
            for j in 0..width {
                accs.push(self.start(dot, first.plus(row), n.plus(j * lanes))?);
            }
        }
        let by = if self.of_pairs(dot) { Op::Dot(DotOp::Bf16) } else { Op::Fma };
        let weighed = self.weighed.get(&dot.out).cloned();
        let codes = weighed.as_ref().map_or(dot.b, |w| w.codes);
        let step = |l: &mut Self, k: Coord, accs: &[Reg]| -> Result<Vec<Reg>> {
            let way = if dot.n == 1 { LaneDim::Splat } else { LaneDim::Dim(1) };
            let mut b = Vec::new();
            for j in 0..width {
                b.push(l.vec(codes, &[k, n.plus(j * lanes)], way)?);
            }
            l.hint_along(dot, n, k, width * lanes)?;
            let mut out = Vec::new();
            for row in 0..rows {
                let at = first.plus(row);
                let mut a = match &weighed {
                    Some(_) => None,
                    None => Some(l.vec(dot.a, &[at, k], LaneDim::Splat)?),
                };
                for (j, b) in b.iter().enumerate() {
                    let own = match (&weighed, a) {
                        (Some(w), a) if a.is_none() || w.begins(j * lanes, width * lanes) => {
                            l.load_vec(&w.a, &[at, k, n.plus(j * lanes)], LaneDim::Splat)?
                        }
                        (_, Some(a)) => a,
                        (_, None) => return Err(l.no("a product without a left operand".into())),
                    };
                    a = Some(own);
                    out.push(l.v(Class::Float, by.clone(), &[own, *b, accs[row * width + j]]));
                }
            }
            Ok(out)
        };
        self.along_k(dot.k, 1, accs, dot.a, step)
    }

    /// The tile in memory behind an operand, if a later tile is wanted while it is read.
    pub(super) fn hinted(&self, v: Value) -> Option<Rc<TileRef>> {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => r.ahead.is_some().then(|| r.clone()),
            Some(Place::Inline(None)) => match self.expr(v) {
                // Codes stand before their scales.
                Some(Expr::Convert(a) | Expr::Binary(_, a, _)) => self.hinted(*a),
                _ => None,
            },
            Some(Place::Regs(_) | Place::Scratch(_)) | None => None,
        }
    }

    /// Asks for rows of a later tile of b in the order of memory, while a loop over k reads `columns` columns from `n`
    /// on: each of the passes that it takes to read all columns asks for its share of the rows.
    fn hint_along(&mut self, dot: Dot, n: Coord, k: Coord, columns: usize) -> Result<()> {
        use kgen_ir::machine::IntOp::{Add, Div, Mul};
        let passes = dot.n / columns;
        let (Some(r), true) = (self.hinted(dot.b), passes > 0) else { return Ok(()) };
        if !dot.k.is_multiple_of(passes) || !k.add.is_multiple_of(passes) {
            return Ok(());
        }
        let imm = |x: usize| Operand::Imm(x as i64);
        let of = |r: Option<Reg>| r.map_or(imm(0), Operand::Reg);
        let pass = self.int(Div, of(n.reg), imm(columns));
        let first = self.int(Mul, pass, imm(dot.k / passes));
        let turn = self.int(Div, of(k.reg), imm(passes));
        let row = self.int(Add, first, turn);
        let add = n.add / columns * (dot.k / passes) + k.add / passes;
        let reg = Some(self.as_reg(row));
        self.hint_row(&r, Coord { reg, add, span: 1 })
    }

    /// Runs `step` for k = 0, by, 2 by, ...: unrolled where short, a loop of a few steps where long.
    pub(super) fn along_k(
        &mut self,
        k: usize,
        by: usize,
        mut accs: Vec<Reg>,
        a: Value,
        step: impl Fn(&mut Self, Coord, &[Reg]) -> Result<Vec<Reg>>,
    ) -> Result<Vec<Reg>> {
        let steps = k / by;
        let in_registers = matches!(self.places.get(&a), Some(Place::Regs(_)));
        let unroll = if steps <= 4 || in_registers { steps } else { 2 };
        let mut done = 0;
        if unroll < steps {
            let turns = steps / unroll;
            done = turns * unroll;
            let hi = Operand::Imm((done * by) as i64);
            let (_, results) =
                self.for_loop(Operand::Imm(0), hi, (unroll * by) as i64, &accs, |l, var, accs| {
                    let mut accs = accs.to_vec();
                    for u in 0..unroll {
                        accs = step(
                            l,
                            Coord { reg: Some(var), add: u * by, span: unroll * by },
                            &accs,
                        )?;
                    }
                    Ok(((), accs))
                })?;
            accs = results;
        }
        while done * by < k {
            accs = step(self, Coord::from(done * by), &accs)?;
            done += 1;
        }
        Ok(accs)
    }

    /// Lanes are rows of a packed weight; fully unrolled over the group.
    fn packed(&mut self, dot: Dot, way: Way) -> Result<Vec<Reg>> {
        let lanes = self.lanes;
        let per_row = dot.n.div_ceil(lanes);
        let mut accs = Vec::new();
        for row in 0..dot.m {
            for j in 0..per_row {
                accs.push(self.start(dot, Coord::from(row), Coord::from(j * lanes))?);
            }
        }
        if way == Way::Rows {
            for k in 0..dot.k {
                let mut b = Vec::new();
                for j in 0..per_row {
                    b.push(self.vec(
                        dot.b,
                        &[Coord::from(j * lanes), Coord::from(k)],
                        LaneDim::Dim(0),
                    )?);
                }
                for row in 0..dot.m {
                    let a = self.vec(dot.a, &[Coord::from(row), Coord::from(k)], LaneDim::Splat)?;
                    for (j, b) in b.iter().enumerate() {
                        let i = row * per_row + j;
                        accs[i] = self.v(Class::Float, Op::Fma, &[a, *b, accs[i]]);
                    }
                }
            }
            return Ok(accs);
        }
        if way == Way::Pairs {
            return self.pairs(dot, accs);
        }
        let Some(r) = self.codes_ref(dot.b) else {
            return Err(self.no("an integer product of weights that are not packed codes".into()));
        };
        let Some(Place::Inline(Some(x))) = self.places.get(&dot.a).cloned() else {
            return Err(self.no("an integer product of activations that are not in memory".into()));
        };
        let (of, _) = r.packed.clone().expect("codes_ref checked");
        if of.elem.bits() == 8 {
            return self.bytes(dot, &r, &x, accs);
        }
        // What is unpacked together, wherever the tile begins.
        let (together, end) = (of.together(), r.inside + dot.k);
        // What the loops around carry, and words of narrow fields, which serve several wide ones.
        let others = self.carried.iter().filter(|r| !accs.contains(r)).count();
        let narrow = of.planes().len().saturating_sub(1);
        let beside = others + narrow * (per_row + 1);
        let mut from = r.inside;
        while from < end {
            let to = (from / together + 1) * together;
            let (first, count) = (from - r.inside, (to.min(end) - from) / 4);
            from = to;
            // The activations of a word's fields stay, the words pass by; where those are more than registers, the words
            // stay, and a field of each passes by.
            let live = accs.len() + beside + count * (dot.m + 1) + SPARE;
            let fields = if live <= self.choice.target.vectors { count } else { 1 };
            for field in (0..count).step_by(fields) {
                let k = first + field * 4;
                let mut a = Vec::new();
                for f in 0..fields {
                    for row in 0..dot.m {
                        let mem = self.address(&x, &[Coord::from(row), Coord::from(k + f * 4)])?;
                        let splat = Op::Splat(kgen_ir::machine::Width::W32);
                        a.push(self.inst(Class::Word, splat, &[], Some(mem)));
                    }
                }
                for j in 0..per_row {
                    let quads = self.quads(&r, Coord::from(j * lanes), k, fields)?;
                    for (f, b) in quads.into_iter().enumerate() {
                        for row in 0..dot.m {
                            let i = row * per_row + j;
                            let dot_op = Op::Dot(DotOp::U8S8);
                            let operands = [b, a[f * dot.m + row], accs[i]];
                            accs[i] = self.v(Class::Word, dot_op, &operands);
                        }
                    }
                }
            }
        }
        Ok(accs)
    }

    /// The product of pairs of bf16: a row of the weight stays in registers, activations pass by.
    fn pairs(&mut self, dot: Dot, mut accs: Vec<Reg>) -> Result<Vec<Reg>> {
        let per_row = dot.n.div_ceil(self.lanes);
        let (Some(weights), Some(Place::Inline(Some(x)))) =
            (self.codes_ref(dot.b), self.places.get(&dot.a).cloned())
        else {
            return Err(self.no("a product of pairs that are not in memory".into()));
        };
        for pair in 0..dot.k / 2 {
            let k = Coord::from(pair * 2);
            let mut b = Vec::new();
            for j in 0..per_row {
                b.push(self.code_vec(&weights, Coord::from(j * self.lanes), k)?);
            }
            for (row, accs) in accs.chunks_mut(per_row).enumerate() {
                let mem = self.address(&x, &[Coord::from(row), k])?;
                let splat = Op::Splat(kgen_ir::machine::Width::W32);
                let a = self.inst(Class::Word, splat, &[], Some(mem));
                for (acc, b) in accs.iter_mut().zip(&b) {
                    *acc = self.v(Class::Float, Op::Dot(DotOp::Bf16), &[a, *b, *acc]);
                }
            }
        }
        Ok(accs)
    }

    /// The product of codes that are bytes: a row of them stays in registers, activations pass by.
    fn bytes(
        &mut self,
        dot: Dot,
        codes: &TileRef,
        x: &TileRef,
        mut accs: Vec<Reg>,
    ) -> Result<Vec<Reg>> {
        let per_row = dot.n.div_ceil(self.lanes);
        for quad in 0..dot.k / 4 {
            let k = Coord::from(quad * 4);
            let mut b = Vec::new();
            for j in 0..per_row {
                b.push(self.code_vec(codes, Coord::from(j * self.lanes), k)?);
            }
            for (row, accs) in accs.chunks_mut(per_row).enumerate() {
                let mem = self.address(x, &[Coord::from(row), k])?;
                let splat = Op::Splat(kgen_ir::machine::Width::W32);
                let a = self.inst(Class::Word, splat, &[], Some(mem));
                for (acc, b) in accs.iter_mut().zip(&b) {
                    *acc = self.v(Class::Word, Op::Dot(DotOp::U8S8), &[*b, a, *acc]);
                }
            }
        }
        Ok(accs)
    }
}
