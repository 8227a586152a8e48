//! Products of bf16: both operands in words of two neighbours along k, as the dot instructions of bf16 want them.
//!
//! ```text
//! ab = a in bf16                                   [turns of k, rows, elements of a turn], once
//! for each tile of weight rows
//!   for each tile of activation rows:  sum = ab . w^T  over all turns, in registers; for those left over, small tiles
//! ```
//!
//! Weights are packed once, rounded where they are not bf16. Activations of one row are made by every worker for
//! itself, those of more rows by a launch of their own; zeros stand behind the last row and the last element.

use super::{
    Builder, Experts, Kind, Many, Place, Product, Result, SHARED, Weight, blocked::Block, launch,
    tensor,
};
use crate::{Choice, tile::fragments::by_rows};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::Packing,
    machine::{DotOp, Op},
    op::{self, Compute, MpGemm, Storage},
    tile::{
        Compare, Form, Kernel, Launch, Param, Part, Predicate, Prepare, Program, Role, Slice,
        Store, Tensor, Value, Variant,
    },
};

/// Elements of k that a turn multiplies: long enough to hide its jump, short enough to compile in no time.
const TURN: usize = 16;

/// The same where matrix instructions multiply them.
const LONG: usize = 64;

/// Activation rows of a tile for those that fill no larger one.
const FEW: usize = 2;

/// Elements of k of a turn.
fn turn(choice: &Choice) -> usize {
    if by_rows(choice.target, [Dtype::BF16; 2], LONG).is_some() { LONG } else { TURN }
}

/// Whether the products of the op may be, and are best, those of bf16.
pub(super) fn fit(g: &MpGemm, choice: &Choice) -> bool {
    let float = |s: &Storage| matches!(s, Storage::Plain(Dtype::F32 | Dtype::F16 | Dtype::BF16));
    let exact = |s: &Storage| matches!(s, Storage::Plain(Dtype::BF16));
    let all = |f: &dyn Fn(&Storage) -> bool| g.w.iter().all(|w| f(&w.storage));
    let may = match g.compute {
        Compute::Bf16 => all(&float),
        // Nothing is rounded.
        Compute::Auto => exact(&g.a) && g.prologue.is_none() && all(&exact),
        Compute::Dequant
        | Compute::IntDot
        | Compute::GroupInt
        | Compute::Lut(_)
        | Compute::Bitplane => false,
    };
    may && TURN.is_multiple_of(choice.target.lanes)
        && choice.target.row(&Op::Dot(DotOp::Bf16)).is_some()
}

pub(super) fn kind(
    g: &MpGemm,
    w: &op::Weight,
    program: &mut Program,
    choice: &Choice,
) -> Result<Kind> {
    let whole = (g.k as usize).max(1).next_multiple_of(turn(choice));
    let packing = Packing::pairs_of(choice.target.lanes, whole)
        .map_err(|e| choice.unsupported(e.to_string(), "a smaller k"))?;
    program.prepares.push(Prepare {
        name: format!("{}.packed", w.name),
        form: Form::Blocks(w.name.clone()),
        packing: packing.clone(),
    });
    Ok(Kind::Pairs(packing))
}

impl Product<'_> {
    /// One row: every worker makes its pairs. More: a launch before.
    pub(super) fn in_pairs(&self, before: Vec<Launch>, program: &mut Program) {
        let block = match self.experts {
            Experts::None => Block::of(&self.weights, self.choice),
            Experts::Sorted(_) | Experts::Each(_) => None,
        };
        let then = |list: &[&Kernel]| {
            before.iter().cloned().chain(list.iter().map(|k| launch(k))).collect::<Vec<_>>()
        };
        let turn = turn(self.choice);
        let turns = self.k.div_ceil(turn);
        let tiled = Many::of(self, [Dtype::BF16; 2], turn);
        if block.is_some() {
            let mut b = self.kernel("product_one", vec![self.a.clone()]);
            b.scratch("ab", Dtype::BF16, &[turns, 1, turn]);
            self.halve(&mut b, &Extent::Lit(0));
            self.tasks(&mut b, true);
            let one = b.finish();
            let when =
                vec![Predicate { left: self.m.clone(), cmp: Compare::Eq, right: Extent::Lit(1) }];
            program.variants.push(Variant { name: "one".into(), when, launches: then(&[&one]) });
            program.kernels.push(one);
        }
        // Whole tiles of rows.
        let whole = tiled.map_or(block.map_or(1, |_| FEW), |t| t.tokens);
        let rows = self.m.clone().ceil_div(whole) * whole;
        let shape = vec![turns.into(), rows.clone(), turn.into()];
        let ab = tensor("ab", Role::Workspace, Dtype::BF16, shape);
        program.buffers.push(ab.clone());
        let params = [self.a.clone(), ab.clone()].map(Param::Tensor).to_vec();
        let mut b = Builder::new("halve", params, &self.symbols);
        b.tasks("i", rows, 1, |b| self.halve(b, &b.var("i")));
        let halve = b.finish();
        if let Some(tiled) = tiled {
            let mut b = self.kernel("product_tiles", vec![ab.clone()]);
            self.in_many(&mut b, tiled);
            let kernel = b.finish();
            let (left, right) = (self.m.clone(), SHARED.into());
            let when = vec![Predicate { left, cmp: Compare::Ge, right }];
            let launches = then(&[&halve, &kernel]);
            program.variants.push(Variant { name: "tiles".into(), when, launches });
            program.kernels.push(kernel);
        }
        let mut b = self.kernel("product", vec![ab]);
        match block {
            Some(block) => self.tiles_of_pairs(&mut b, block),
            None => self.tasks(&mut b, false),
        }
        let many = b.finish();
        let launches = then(&[&halve, &many]);
        program.variants.push(Variant { name: "many".into(), when: vec![], launches });
        program.kernels.extend([halve, many]);
    }

    /// Row `i` of the activations in bf16, zeros behind the last.
    fn halve(&self, b: &mut Builder, i: &Extent) {
        let turn = turn(self.choice);
        let turns = Extent::from(self.k.div_ceil(turn));
        b.for_each("u", (Extent::Lit(0), turns, 1), &[], |b, _| {
            let row = Slice::range(i.clone(), 1);
            let at = vec![row.clone(), Slice::range(b.var("u") * turn, turn)];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at, true);
            let y = if self.a.elem == Dtype::BF16 {
                x0
            } else {
                let x = b.convert("x", x0, Dtype::F32);
                b.convert("y", x, Dtype::BF16)
            };
            b.store("ab", vec![Slice::point(b.var("u")), row, Slice::range(0, turn)], y, false);
            vec![]
        });
    }

    /// Tasks of tiles of weight rows, which pass by all tiles of activation rows.
    fn tiles_of_pairs(&self, b: &mut Builder, block: Block) {
        let shape = [block.tokens, block.rows];
        let sums = |w: &Weight| format!("{}.sums", w.name);
        for unit in self.units() {
            for w in unit {
                b.scratch_tensor(Tensor {
                    name: sums(w),
                    role: Role::Scratch,
                    elem: Dtype::F32,
                    shape: shape.iter().map(|x| Extent::from(*x)).collect(),
                    store: Store::Strided,
                });
            }
            let tiles = Extent::from(unit[0].n.div_ceil(block.rows));
            b.tasks("t", tiles, self.choice.schedule.chunk, |b| {
                let row = b.scalar("row", b.var("t") * block.rows);
                let tile = |b: &mut Builder, i: Extent, tokens: usize, guard: bool| {
                    let all = || vec![Slice::range(0, tokens), Slice::range(0, block.rows)];
                    for w in unit {
                        let sum = self.pairs(b, w, &i, (tokens, block.rows), &row);
                        b.store(&sums(w), all(), sum, false);
                    }
                    let loaded: Vec<Value> = unit
                        .iter()
                        .map(|w| b.load("sum", &sums(w), Dtype::F32, all(), false))
                        .collect();
                    let place = Place { expert: Extent::Lit(0), column: row.clone() };
                    self.give(b, unit, &place, &i, &loaded, guard);
                    vec![]
                };
                let ragged = !unit[0].n.is_multiple_of(block.rows);
                let whole = self.m.clone() / block.tokens * block.tokens;
                let whole = b.scalar("whole", whole);
                let rows = (Extent::Lit(0), whole.clone(), block.tokens);
                b.for_each("i", rows, &[], |b, _| tile(b, b.var("i"), block.tokens, ragged));
                let rest = (whole, self.m.clone(), FEW);
                b.for_each("j", rest, &[], |b, _| tile(b, b.var("j"), FEW, true));
            });
        }
    }

    /// The product of `tokens` activation rows from `i` on and `rows` weight rows from `row` on.
    pub(super) fn pairs(
        &self,
        b: &mut Builder,
        w: &Weight,
        i: &Extent,
        (tokens, rows): (usize, usize),
        row: &Extent,
    ) -> Value {
        let none = b.fill(0.0, Dtype::F32, &[tokens, rows]);
        let turn = turn(self.choice);
        let turns = (Extent::Lit(0), Extent::from(self.k.div_ceil(turn)), 1);
        b.for_each("u", turns, &[("d", none)], |b, acc| {
            let u = b.var("u");
            let at = vec![
                Slice::point(u.clone()),
                Slice::range(i.clone(), tokens),
                Slice::range(0, turn),
            ];
            let x = b.load("x", "ab", Dtype::BF16, at, false);
            let at = vec![Slice::range(row.clone(), rows), Slice::range(u * turn, turn)];
            let w = b.load("w", &w.part(Part::Codes), Dtype::BF16, at, false);
            vec![b.dot("d", x, w, true, Some(acc[0]))]
        })[0]
    }
}
