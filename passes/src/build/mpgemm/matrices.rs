//! Products by matrix instructions: activations as whole tiles of 16-bit floats, weights packed as lanes hold them.
//!
//! ```text
//! ah = a in f16 or bf16, zeros behind the last row and element      [rows, k], once
//! for each tile of weight rows and of activation rows:  sum = ah . w^T  over all of k, in registers
//! ```
//!
//! As many activation rows to a tile as there are, at most [`MOST`]: more are tiles of their own. A row of a tile
//! costs nothing where it is zeros, since the weights are what has to come from memory.

use super::{Builder, Kind, Place, Product, Result, Weight, launch, tensor};
use crate::Choice;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::Packing,
    machine::Op,
    op::{self, Compute, MpGemm, Storage},
    tile::{
        Arg, Compare, Form, Launch, Param, Part, Predicate, Prepare, Program, Role, Slice, Value,
        Variant,
    },
};

/// Neighbours along k that the lanes of an instruction take together.
const RUNS: usize = 32;

/// Blocks of [`RUNS`] that a turn multiplies at most.
const TURN: usize = 4;

/// Activation rows of a tile, and of the largest.
const TILES: [usize; 3] = [16, 32, 64];
const MOST: usize = 64;

/// Blocks of eight weight rows of a tile at most.
const BLOCKS: usize = 4;

/// Elements that a task of the launch before moves at once.
const CHUNK: usize = 256;

/// The elements of the products, where the target has an instruction and the op allows it.
pub(super) fn fit(g: &MpGemm, choice: &Choice) -> Option<Dtype> {
    let float = |s: &Storage| matches!(s, Storage::Plain(Dtype::F32 | Dtype::F16 | Dtype::BF16));
    let all = |f: &dyn Fn(&Storage) -> bool| g.w.iter().all(|w| f(&w.storage));
    let elem = match (g.compute, &g.a) {
        (Compute::Bf16, _) if all(&float) => Dtype::BF16,
        // Nothing is rounded.
        (Compute::Auto | Compute::Dequant, Storage::Plain(d @ (Dtype::F16 | Dtype::BF16)))
            if g.prologue.is_none() && all(&|s| *s == Storage::Plain(*d)) =>
        {
            *d
        }
        (
            Compute::Auto
            | Compute::Dequant
            | Compute::Bf16
            | Compute::IntDot
            | Compute::GroupInt
            | Compute::Lut(_)
            | Compute::Bitplane,
            _,
        ) => return None,
    };
    let has =
        choice.target.rows.iter().any(
            |row| matches!(row.op, Op::Mma(m) if m.a == elem && m.b == elem && m.products() == 1),
        );
    (has && g.grouped.is_none()).then_some(elem)
}

pub(super) fn kind(
    elem: Dtype,
    w: &op::Weight,
    program: &mut Program,
    choice: &Choice,
) -> Result<Kind> {
    let packing = Packing::halves_of(elem, RUNS)
        .map_err(|e| choice.unsupported(e.to_string(), "`compute = \"dequant\"`"))?;
    program.prepares.push(Prepare {
        name: format!("{}.packed", w.name),
        form: Form::Blocks(w.name.clone()),
        packing: packing.clone(),
    });
    Ok(Kind::Pairs(packing))
}

/// Weight rows of a tile: whole blocks of eight, all tiles alike.
pub(super) fn rows(n: usize) -> usize {
    let blocks = n.div_ceil(8).max(1);
    let per_tile = (1..=BLOCKS).rev().find(|r| blocks.is_multiple_of(*r)).unwrap_or(1);
    8 * per_tile
}

impl Product<'_> {
    pub(super) fn in_matrices(&self, elem: Dtype, before: &[Launch], program: &mut Program) {
        let wide = self.k.div_ceil(RUNS) * RUNS;
        let whole = |tile: usize| self.m.clone().ceil_div(tile) * tile;
        let ah = tensor("ah", Role::Workspace, elem, vec![whole(MOST), wide.into()]);
        program.buffers.push(ah.clone());
        let params = [self.a.clone(), ah.clone()].map(Param::Tensor).to_vec();
        let params = [params, vec![Param::Scalar("rows".into())]].concat();
        let mut b = Builder::new("halve", params, &self.symbols);
        b.tasks("i", Extent::Sym("rows".into()), 1, |b| self.halve_row(b, elem, wide));
        program.kernels.push(b.finish());
        for tokens in TILES {
            let mut b = self.kernel(&format!("product_{tokens}"), vec![ah.clone()]);
            self.tiles_of_matrices(&mut b, elem, tokens);
            let kernel = b.finish();
            let halve = Launch {
                kernel: "halve".into(),
                args: vec![
                    Arg::Tensor(self.a.name.clone()),
                    Arg::Tensor(ah.name.clone()),
                    Arg::Scalar(whole(tokens)),
                ],
            };
            let right = Extent::from(tokens);
            let most = Predicate { left: self.m.clone(), cmp: Compare::Le, right };
            let when = if tokens == MOST { vec![] } else { vec![most] };
            let launches = [before, &[halve, launch(&kernel)]].concat();
            program.variants.push(Variant { name: format!("rows_{tokens}"), when, launches });
            program.kernels.push(kernel);
        }
    }

    /// Row `i` of the activations.
    fn halve_row(&self, b: &mut Builder, elem: Dtype, wide: usize) {
        let chunk = CHUNK.min(wide).max(1);
        let (row, all) = (b.var("i"), (Extent::Lit(0), Extent::from(wide), chunk));
        b.for_each("u", all, &[], |b, _| {
            let at = vec![Slice::range(row.clone(), 1), Slice::range(b.var("u"), chunk)];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at.clone(), true);
            let y = if self.a.elem == elem {
                x0
            } else {
                let x = b.convert("x", x0, Dtype::F32);
                b.convert("y", x, elem)
            };
            b.store("ah", at, y, !wide.is_multiple_of(chunk));
            vec![]
        });
    }

    fn tiles_of_matrices(&self, b: &mut Builder, elem: Dtype, tokens: usize) {
        for unit in self.units() {
            let rows = unit[0].rows;
            let tiles = unit[0].n.div_ceil(rows);
            let all = self.m.clone().ceil_div(tokens) * tiles;
            // Neighbours share weights.
            b.tasks("t", all, 1, |b| {
                let high = self.m.clone().ceil_div(tokens);
                let column = b.scalar("column", b.var("t") / high.clone() * rows);
                let first = b.scalar("first", b.var("t") % high * tokens);
                let sums: Vec<Value> = unit
                    .iter()
                    .map(|w| self.matrix_sum(b, w, elem, (&first, &column), tokens))
                    .collect();
                let place = Place { expert: Extent::Lit(0), column };
                self.give(b, unit, &place, &first, &sums, true);
            });
        }
    }

    fn matrix_sum(
        &self,
        b: &mut Builder,
        w: &Weight,
        elem: Dtype,
        (first, row): (&Extent, &Extent),
        tokens: usize,
    ) -> Value {
        let blocks = self.k.div_ceil(RUNS);
        let turn = (1..=TURN).rev().find(|t| blocks.is_multiple_of(*t)).unwrap_or(1);
        let none = b.fill(0.0, Dtype::F32, &[tokens, w.rows]);
        let turns = (Extent::Lit(0), Extent::from(blocks / turn), 1);
        b.for_each("u", turns, &[("d", none)], |b, acc| {
            let along = Slice::range(b.var("u") * (turn * RUNS), turn * RUNS);
            let at = vec![Slice::range(first.clone(), tokens), along.clone()];
            let x = b.load("x", "ah", elem, at, false);
            let at = vec![Slice::range(row.clone(), w.rows), along];
            let w = b.load("w", &w.part(Part::Codes), elem, at, false);
            vec![b.dot("d", x, w, true, Some(acc[0]))]
        })[0]
    }
}
