//! Many activation rows: the codes of a step are unpacked once, into a panel that all rows of a block share.
//!
//! ```text
//! for each block of activation rows
//!   for each step of k
//!     panel = codes of the step as bytes            rows of w x step, in scratch
//!     for each tile of rows:  sum[tile] += scale * (aq[tile] . panel)
//! ```
//!
//! A tile of the product fills the registers, its sums over a step stay in them; sums of floats lie in scratch between
//! steps. Where steps are short, a panel holds many of them, and a tile's sums of floats stay in registers over all
//! of these, beside those of the step. Rows behind the last whole tile are taken by twos; behind the last activation row
//! are rounded zeros, so that no tile is partial. A group whose steps stand each in their own way is unpacked as a whole,
//! its levels as their products; what shares an inner scale is a step of its own to the tiles. Rows of an expert end where
//! those of the next begin: the last tile then begins earlier, and its first rows are computed twice.

use super::{
    Builder, Choice, Experts, Kind, Place, Product, Weight,
    tiles::{Cut, Piece},
};
use crate::schedule::WIDE;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::{Packing, QUAD},
    machine::{DotOp, Op},
    tile::{Binary, Compare, Part, Predicate, Role, Slice, Store, Tensor, Unary, Value},
};

/// Steps ahead that codes are asked for, where a panel is one.
const AHEAD: usize = 2;

/// A tile of the product.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Weight rows, whole vectors of them.
    pub rows: usize,
    /// Activation rows.
    pub tokens: usize,
    /// Steps of a panel.
    pub deep: usize,
    /// Activation rows that share a panel: unpacking costs them little, and their sums stay in the second level of cache.
    pub share: usize,
}

impl Block {
    /// As many sums as leave registers for a row of weights and a few activations; `None` without packed weights.
    pub fn of(weights: &[Weight], choice: &Choice) -> Option<Block> {
        let most = Block::most(choice);
        Block::with(weights, choice, choice.target.vectors.saturating_sub(most + 4))
    }

    /// For short steps: half as many sums, beside as many of floats.
    pub fn short(weights: &[Weight], step: usize, choice: &Choice) -> Option<Block> {
        let sums = choice.target.vectors.saturating_sub(Block::most(choice) + 4) / 2;
        let block = Block::with(weights, choice, sums)?;
        let deep = ((choice.schedule.panel << 10) / (block.rows * step.max(1))).max(1);
        (block.tokens > 1).then_some(Block { deep, ..block })
    }

    /// Vectors of weight rows of a tile.
    fn most(choice: &Choice) -> usize {
        choice.schedule.wide.min(choice.target.vectors / 8).max(1)
    }

    fn with(weights: &[Weight], choice: &Choice, sums: usize) -> Option<Block> {
        let lanes = choice.target.lanes;
        // A dot product of several instructions needs registers of its own.
        let dot = choice.target.row(&Op::Dot(DotOp::U8S8));
        let parts = dot.is_some_and(|row| row.text.lines().count() > 1);
        let sums = sums.saturating_sub(if parts { 2 } else { 0 });
        let fits = |v: &usize| weights.iter().all(|w| w.n.div_ceil(lanes).is_multiple_of(*v));
        let vectors = (1..=Block::most(choice)).rev().find(fits)?;
        let (rows, tokens) = (vectors * lanes, (sums / vectors).clamp(1, 8));
        let share = (choice.schedule.share / tokens).max(1) * tokens;
        Some(Block { rows, tokens, deep: 1, share })
    }
}

/// The product of one weight, inside a task.
struct Inside<'a> {
    product: &'a Product<'a>,
    weight: &'a Weight,
    packing: &'a Packing,
    block: Block,
    /// First row of w.
    row: Extent,
    /// First activation row that shares the panel.
    first: Extent,
    /// Where a tile begins at most, if rows of others follow.
    last: Option<Extent>,
}

/// What a step of a tile multiplies.
struct Run<'a> {
    /// The bundle of steps of the row.
    u: &'a Extent,
    /// The run of the bundle.
    run: &'a Extent,
    /// Where the run stands in the panel.
    v: &'a Extent,
}

impl Product<'_> {
    /// Tasks of row tiles for every weight; all of them are codes multiplied as bytes.
    pub(super) fn in_blocks(&self, b: &mut Builder, block: Block) {
        for unit in self.units() {
            for t in self.inside(unit, block, &Extent::Lit(0), &Extent::Lit(0)) {
                t.scratch().into_iter().for_each(|t| b.scratch_tensor(t));
            }
            let tiles = unit[0].n.div_ceil(block.rows);
            if let Experts::Sorted(groups) = self.experts {
                b.tasks("t", (tiles * groups).into(), 1, |b| {
                    let (place, lo, hi) = self.expert(b, tiles, block.rows);
                    let many = super::SHARED.max(block.tokens);
                    let left = hi.clone() - lo.clone();
                    let many = Predicate { left, cmp: Compare::Ge, right: many.into() };
                    b.choose(
                        many,
                        |b| self.shared(b, unit, block, &place, (&lo, &hi)),
                        |b| {
                            let same = |w: &Weight| Weight { rows: block.rows, ..w.clone() };
                            let unit: Vec<Weight> = unit.iter().map(same).collect();
                            self.over_tokens(b, (lo.clone(), hi.clone()), &|b, i, tokens| {
                                self.tile(b, &unit, &place, i, tokens);
                            });
                        },
                    );
                });
                continue;
            }
            b.tasks("t", tiles.into(), 1, |b| {
                let row = b.scalar("row", b.var("t") * block.rows);
                let cut = Cut::of(block.tokens);
                let padded = b.scalar("padded", cut.padded(&self.m));
                b.for_each("i", (Extent::Lit(0), self.m.clone(), block.share), &[], |b, _| {
                    let first = b.var("i");
                    let share = (padded.clone() - first.clone()).min(block.share);
                    let share = b.scalar("share", share);
                    let all = self.inside(unit, block, &row, &first);
                    all.iter().for_each(|x| x.rows(b, &share));
                    let place = Place { expert: Extent::Lit(0), column: row };
                    let sum = |b: &mut Builder, tile: &Extent| {
                        all.iter().map(|x| x.sum(b, tile, cut.rest)).collect::<Vec<_>>()
                    };
                    self.give_all(b, unit, &place, (&first, &share, cut.rest), &sum);
                    vec![]
                });
            });
        }
    }

    /// What becomes of `share` activation rows from `first` on, in tiles of `tokens` whose sums `sum` gives: whole tiles,
    /// then the one that goes over the last activation row.
    pub(super) fn give_all(
        &self,
        b: &mut Builder,
        unit: &[Weight],
        place: &Place,
        (first, share, tokens): (&Extent, &Extent, usize),
        sum: &dyn Fn(&mut Builder, &Extent) -> Vec<Value>,
    ) {
        let give = |b: &mut Builder, tile: &Extent, guard: bool| {
            let sums = sum(b, tile);
            self.give(b, unit, place, &(first.clone() + tile.clone()), &sums, guard);
        };
        let ragged = !unit[0].n.is_multiple_of(unit[0].rows);
        let there = self.m.clone() - first.clone();
        let whole = there.min(share.clone()) / tokens * tokens;
        let whole = b.scalar("full", whole);
        b.for_each("y", (Extent::Lit(0), whole.clone(), tokens), &[], |b, _| {
            let tile = b.var("y");
            give(b, &tile, ragged);
            vec![]
        });
        let over = Predicate { left: whole.clone(), cmp: Compare::Lt, right: share.clone() };
        b.choose(over, |b| give(b, &whole, true), |_| {});
    }

    /// The rows of an expert, no fewer than those of a tile.
    fn shared(
        &self,
        b: &mut Builder,
        unit: &[Weight],
        block: Block,
        place: &Place,
        (lo, hi): (&Extent, &Extent),
    ) {
        let last = b.scalar("last", hi.clone() - block.tokens);
        b.for_each("i", (lo.clone(), hi.clone(), block.share), &[], |b, _| {
            let first = b.var("i");
            let share = (hi.clone() - first.clone()).min(block.share);
            let share = b.scalar("share", share);
            let list = unit.iter().filter_map(|w| match &w.kind {
                Kind::Codes { packing, .. } => Some(self.first_row(w, packing, place)),
                Kind::Floats(_) | Kind::Pairs(_) => None,
            });
            let mut all = Vec::new();
            for (x, row) in self.inside(unit, block, &place.column, &first).into_iter().zip(list) {
                all.push(Inside { row, last: Some(last.clone()), ..x });
            }
            all.iter().for_each(|x| x.rows(b, &share));
            let ragged = !unit[0].n.is_multiple_of(block.rows);
            Cut::alike(block.tokens).each(b, "y", &share, |b, piece| {
                let sums: Vec<Value> =
                    all.iter().map(|x| x.sum(b, piece.at, piece.tokens)).collect();
                let i = (first.clone() + piece.at.clone()).min(last.clone());
                self.give(b, unit, place, &i, &sums, ragged);
            });
            vec![]
        });
    }

    fn inside<'a>(
        &'a self,
        unit: &'a [Weight],
        block: Block,
        row: &Extent,
        first: &Extent,
    ) -> Vec<Inside<'a>> {
        let one = |weight: &'a Weight| match &weight.kind {
            Kind::Codes { packing, .. } => Some(Inside {
                product: self,
                weight,
                packing,
                block,
                row: row.clone(),
                first: first.clone(),
                last: None,
            }),
            Kind::Floats(_) | Kind::Pairs(_) => None,
        };
        unit.iter().filter_map(one).collect()
    }
}

impl Inside<'_> {
    fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.weight.name)
    }

    /// Are the codes read where they are? Those that are bytes, unless many tiles read them between their scales,
    /// where most vectors lie across two lines.
    fn direct(&self) -> bool {
        self.packing.elem.bits() == 8 && self.deep() == 1 && !self.packing.is_fixed()
    }

    /// Elements of k that share a scale and are multiplied in a run.
    fn each(&self) -> usize {
        self.packing.summed().min(self.product.step)
    }

    /// Such runs of a step.
    fn runs(&self) -> usize {
        self.product.step / self.each()
    }

    /// What a worker keeps: the panel, a step's levels as floats, the sums.
    fn scratch(&self) -> Vec<Tensor> {
        let rows = self.block.rows;
        let tensor = |what: &str, elem, shape: [usize; 2], store| Tensor {
            name: self.name(what),
            role: Role::Scratch,
            elem,
            shape: shape.iter().map(|x| Extent::from(*x)).collect(),
            store,
        };
        let floats = |what: &str, tokens| tensor(what, Dtype::F32, [tokens, rows], Store::Strided);
        let deep = self.deep();
        let runs = deep * self.runs();
        let share = self.block.share.next_multiple_of(self.cut().rest);
        let mut list = vec![floats("sums", share), floats("scale", runs)];
        list.extend(self.packing.zeros.map(|_| floats("zeros", runs)));
        list.extend(self.packing.min.map(|_| floats("min", runs)));
        if !self.direct() {
            let of = Packing::bytes_of(self.packing.lanes, self.each());
            let store = Store::Packed { of, part: Part::Codes };
            list.push(tensor("panel", Dtype::U8, [rows, deep * self.product.step], store));
        }
        list
    }

    /// Steps of a panel.
    fn deep(&self) -> usize {
        match self.packing.is_fixed() && self.block.deep > 1 {
            true => self.steps_of_group(),
            false => self.block.deep.min(self.product.steps).max(1),
        }
    }

    fn steps_of_group(&self) -> usize {
        self.packing.group / self.product.step
    }

    /// Rows of others behind those of an expert are not touched by whole tiles, which begin earlier.
    fn cut(&self) -> Cut {
        match self.last {
            Some(_) => Cut::alike(self.block.tokens),
            None => Cut::of(self.block.tokens),
        }
    }

    fn sums(&self, at: &Extent, tokens: usize) -> Vec<Slice> {
        vec![Slice::range(at.clone(), tokens), self.all()]
    }

    fn all(&self) -> Slice {
        Slice::range(0, self.block.rows)
    }

    /// The rows that share a panel.
    fn rows(&self, b: &mut Builder, share: &Extent) {
        let sums = self.name("sums");
        Cut::alike(self.cut().rest).each(b, "z", share, |b, piece| {
            let nothing = b.fill(0.0, Dtype::F32, &[piece.tokens, self.block.rows]);
            b.store(&sums, self.sums(piece.at, piece.tokens), nothing, false);
        });
        if self.packing.is_fixed() {
            self.groups(b, share);
            return;
        }
        let (steps, deep) = (Extent::from(self.product.steps), self.deep());
        b.for_each("u", (Extent::Lit(0), steps.clone(), deep), &[], |b, _| {
            let u = b.var("u");
            let count = match deep {
                1 => Extent::Lit(1),
                _ => b.scalar("count", (steps - u.clone()).min(deep)),
            };
            if deep == 1 {
                self.unpack(b, &u, &Extent::Lit(0));
            } else {
                b.for_each("v", (Extent::Lit(0), count.clone(), 1), &[], |b, _| {
                    let v = b.var("v");
                    self.unpack(b, &(u.clone() + v.clone()), &v);
                    vec![]
                });
            }
            self.tiles(b, share, (&u, 0), &count);
            vec![]
        });
    }

    /// Groups that are unpacked step by step: where a step stands is a number.
    fn groups(&self, b: &mut Builder, share: &Extent) {
        let (steps, deep) = (self.steps_of_group(), self.deep());
        let groups = Extent::from(self.product.k.div_ceil(self.packing.group));
        b.for_each("g", (Extent::Lit(0), groups, 1), &[], |b, _| {
            let g = b.var("g");
            for first in (0..steps).step_by(deep) {
                for v in 0..deep {
                    self.unpack_fixed(b, &g, first + v, v);
                }
                let from = match self.product.bundle {
                    1 => (g.clone() * steps + first, 0),
                    _ => (g.clone(), first),
                };
                self.tiles(b, share, (&from.0, from.1), &Extent::from(deep));
            }
            vec![]
        });
    }

    /// `count` steps from the `first` of bundle `u` on, which are in the panel, of all activation rows.
    fn tiles(&self, b: &mut Builder, share: &Extent, (u, first): (&Extent, usize), count: &Extent) {
        let (sums, runs) = (self.name("sums"), self.runs());
        self.cut().each(b, "j", share, |b, piece| {
            let at = self.sums(piece.at, piece.tokens);
            self.ask(b, piece, u, count);
            let old = b.load("old", &sums, Dtype::F32, at.clone(), false);
            let sum = match self.deep() * runs {
                1 => {
                    let run = Run { u, run: &Extent::from(first), v: &Extent::Lit(0) };
                    self.tile(b, piece, old, &run)
                }
                _ => b.for_each(
                    "s",
                    (Extent::Lit(0), count.clone() * runs, 1),
                    &[("sum", old)],
                    |b, acc| {
                        let s = b.var("s");
                        let (u, run) = match (self.product.bundle, runs) {
                            (1, 1) => (u.clone() + s.clone(), Extent::Lit(0)),
                            (1, _) => (u.clone() + s.clone() / runs, s.clone() % runs),
                            (_, _) => (u.clone(), s.clone() + first * runs),
                        };
                        vec![self.tile(b, piece, acc[0], &Run { u: &u, run: &run, v: &s })]
                    },
                )[0],
            };
            b.store(&sums, at, sum, false);
        });
    }

    /// Asks for codes of the panel behind this one, which has `count` steps from bundle `u` on: each tile of activation rows
    /// for another step, or another vector of weight rows, until all are asked for. So what memory takes and what the
    /// tiles compute happen at the same time.
    fn ask(&self, b: &mut Builder, piece: &Piece<'_>, u: &Extent, count: &Extent) {
        let (product, packing) = (self.product, self.packing);
        let Choice { schedule, target } = product.choice;
        let wanted = schedule.prefetch > 0 && target.lanes >= WIDE && self.deep() > 1;
        if !wanted || piece.last.is_none() {
            return;
        }
        let turn = b.scalar("turn", piece.at.clone() / piece.tokens);
        // Where a step stands in a group that is unpacked step by step is a number.
        let (parts, rows, along) = if packing.is_fixed() {
            let next = u.clone() * product.bundle * product.step + packing.group;
            let row = self.row.clone() + turn.clone() * packing.lanes;
            let rows = Slice::range(row, packing.lanes);
            ((self.block.rows / packing.lanes).into(), rows, Slice::range(next, packing.group))
        } else {
            let next = (u.clone() + count.clone() + turn.clone()) * product.step;
            let rows = Slice::range(self.row.clone(), self.block.rows);
            (count.clone(), rows, Slice::range(next, product.step))
        };
        let some = Predicate { left: turn, cmp: Compare::Lt, right: parts };
        let codes = self.weight.part(Part::Codes);
        b.choose(some, |b| b.prefetch(&codes, vec![rows, along]), |_| {});
    }

    fn sum(&self, b: &mut Builder, at: &Extent, tokens: usize) -> Value {
        b.load("sum", &self.name("sums"), Dtype::F32, self.sums(at, tokens), false)
    }

    /// The panel of step `u`, where it is the `v`th of its panel, and its levels.
    fn unpack(&self, b: &mut Builder, u: &Extent, v: &Extent) {
        let (step, weight) = (self.product.step, self.weight);
        let rows = Slice::range(self.row.clone(), self.block.rows);
        if !self.direct() {
            let along = Slice::range(u.clone() * step, step);
            let codes = vec![rows.clone(), along];
            let w0 = b.load("w0", &weight.part(Part::Codes), self.packing.elem, codes, false);
            let w = b.convert("wb", w0, Dtype::U8);
            let along = Slice::range(v.clone() * step, step);
            b.store(&self.name("panel"), vec![self.all(), along], w, false);
        }
        let group = u.clone() * step / self.packing.group;
        let scale = Some(self.packing.scale.unwrap_or(Dtype::F32));
        let levels = [
            (Part::Scale, scale),
            (Part::Zeros, self.packing.zeros),
            (Part::Min, self.packing.min),
        ];
        for (part, elem) in levels {
            let Some(elem) = elem else { continue };
            let at = vec![Slice::range(group.clone(), 1), rows.clone()];
            let x = b.load(part.name(), &weight.part(part), elem, at, false);
            let x = b.convert(&format!("{}_f", part.name()), x, Dtype::F32);
            let at = vec![Slice::range(v.clone(), 1), self.all()];
            b.store(&self.name(part.name()), at, x, false);
        }
    }

    /// Step `s` of group `g`, the `v`th of its panel: its codes, and the products of both levels of its runs.
    fn unpack_fixed(&self, b: &mut Builder, g: &Extent, s: usize, v: usize) {
        let (each, runs, weight) = (self.each(), self.runs(), self.weight);
        let rows = Slice::range(self.row.clone(), self.block.rows);
        let float = |b: &mut Builder, part: Part, elem: Dtype, place: Extent| {
            let at = vec![Slice::range(place, 1), rows.clone()];
            let x = b.load(part.name(), &weight.part(part), elem, at, false);
            b.convert(&format!("{}_f", part.name()), x, Dtype::F32)
        };
        for run in 0..runs {
            let (k, to) = (s * self.product.step + run * each, v * runs + run);
            let codes = vec![rows.clone(), Slice::range(g.clone() * self.packing.group + k, each)];
            let w0 = b.load("w0", &weight.part(Part::Codes), self.packing.elem, codes, false);
            let w = b.convert("wb", w0, Dtype::U8);
            let along = Slice::range(to * each, each);
            b.store(&self.name("panel"), vec![self.all(), along], w, false);
            let inner = self.packing.inner.as_ref();
            let scale = Some(self.packing.scale.unwrap_or(Dtype::F32));
            let levels = [
                (Part::Scale, scale, Part::InnerScale, inner.map(|i| i.signed())),
                (Part::Min, self.packing.min, Part::InnerMin, inner.map(|_| Dtype::U8)),
            ];
            for (part, elem, inner_part, factor) in levels {
                let Some(elem) = elem else { continue };
                let mut x = float(b, part, elem, g.clone());
                if let (Some(factor), Some(inner)) = (factor, inner) {
                    let count = self.packing.group / inner.group;
                    let place = g.clone() * count + k / inner.group;
                    let factor = float(b, inner_part, factor, place);
                    x = b.binary("both", Binary::Mul, x, factor);
                }
                b.store(&self.name(part.name()), vec![Slice::range(to, 1), self.all()], x, false);
            }
        }
    }

    fn level(&self, b: &mut Builder, part: Part, v: &Extent) -> Value {
        let at = vec![Slice::range(v.clone(), 1), self.all()];
        b.load(&format!("{}_u", part.name()), &self.name(part.name()), Dtype::F32, at, false)
    }

    /// The sums of a run of activations.
    fn activation_sum(&self, b: &mut Builder, u: &Extent, run: &Extent, rows: &Slice) -> Value {
        let parts = self.each() / self.product.summed;
        let part = |b: &mut Builder, i: usize| {
            let at = Slice::range(run.clone() * parts + i, 1);
            b.load(
                "z",
                "az",
                self.product.sums(),
                vec![Slice::point(u.clone()), rows.clone(), at],
                false,
            )
        };
        let mut all = part(b, 0);
        for i in 1..parts {
            let more = part(b, i);
            all = b.binary("z_all", Binary::Add, all, more);
        }
        all
    }

    /// Asks for as many codes of a later panel as the `count` of `run` from `first` on, where a panel is one step
    /// ([`ask`](Self::ask) where it has many: branches between those took more than hints in a row).
    fn hint(
        &self,
        b: &mut Builder,
        piece: &Piece<'_>,
        Run { u, run, .. }: &Run<'_>,
        (first, count): (&Extent, usize),
    ) {
        let Choice { schedule, target } = self.product.choice;
        let wanted = schedule.prefetch > 0 && target.lanes >= WIDE && self.deep() == 1;
        let Some(last) = piece.last.filter(|_| wanted) else { return };
        let later = ((*u).clone() * self.product.bundle + AHEAD) * self.product.step;
        let later = later + (*run).clone() * self.each() + first.clone();
        let rows = Slice::range(self.row.clone(), self.block.rows);
        let at = [rows, Slice::range(later, count)];
        self.weight.ask_in_halves(b, (piece.at, last), at, self.packing.lanes);
    }

    /// `old` and a run of a tile of activation rows.
    fn tile(&self, b: &mut Builder, piece: &Piece<'_>, old: Value, at: &Run<'_>) -> Value {
        let Run { u, run, v } = *at;
        let (product, packing, each) = (self.product, self.packing, self.each());
        let first = self.first.clone() + piece.at.clone();
        let first = self.last.iter().fold(first, |first, last| first.min(last.clone()));
        let rows = Slice::range(first, piece.tokens);
        let part = run.clone() * (each / product.summed);
        let place = vec![Slice::point(u.clone()), rows.clone(), Slice::range(part, 1)];
        let shape = [piece.tokens, self.block.rows];
        let z = self.activation_sum(b, u, run, &rows);
        let none = b.fill(0.0, Dtype::I32, &shape);
        let less = -packing.zero;
        let start = if less == 0 || packing.min.is_some() {
            none
        } else if product.times == less {
            b.binary("start", Binary::Add, z, none)
        } else {
            let factor = b.fill(f64::from(less), Dtype::I32, &[1, 1]);
            let zz = b.binary("zz", Binary::Mul, z, factor);
            b.binary("start", Binary::Add, zz, none)
        };
        let turn = product.choice.schedule.turn;
        let whole = turn.is_multiple_of(QUAD) && each.is_multiple_of(turn);
        let turn = if whole { turn } else { each };
        let product_of = |b: &mut Builder, e: &Extent, acc: Value| {
            let from = run.clone() * each + e.clone();
            let along = vec![Slice::point(u.clone()), rows.clone(), Slice::range(from, turn)];
            let x = b.load("x", "aq", Dtype::I8, along, false);
            let w = if self.direct() {
                let rows = Slice::range(self.row.clone(), self.block.rows);
                let at = vec![rows, Slice::range(u.clone() * each + e.clone(), turn)];
                b.load("w", &self.weight.part(Part::Codes), packing.elem, at, false)
            } else {
                let at = vec![self.all(), Slice::range(v.clone() * each + e.clone(), turn)];
                b.load("w", &self.name("panel"), Dtype::U8, at, false)
            };
            let w = b.convert("wu", w, Dtype::U8);
            let dot = b.dot("d", x, w, true, Some(acc));
            // Behind the products: what they compute of addresses is there.
            if !packing.is_fixed() {
                self.hint(b, piece, at, (e, turn));
            }
            dot
        };
        let dot = match (self.deep() > 1 || packing.is_fixed()) && turn == each {
            true => product_of(b, &Extent::Lit(0), start),
            false => {
                let turns = (Extent::Lit(0), Extent::from(each), turn);
                b.for_each("e", turns, &[("d", start)], |b, acc| {
                    let e = b.var("e");
                    vec![product_of(b, &e, acc[0])]
                })[0]
            }
        };
        if packing.is_fixed() {
            self.hint(b, piece, at, (&Extent::Lit(0), each));
        }
        let mut f = b.convert("f", dot, Dtype::F32);
        let sx = b.load("sx", "as", Dtype::F32, place, false);
        if packing.zeros.is_some() {
            let total = b.convert("total", z, Dtype::F32);
            let less = b.unary("less", Unary::Neg, total);
            let zeros = self.level(b, Part::Zeros, v);
            let off = b.binary("off", Binary::Mul, zeros, less);
            f = b.binary("centred", Binary::Add, f, off);
        }
        let sw = self.level(b, Part::Scale, v);
        let factor = b.binary("factor", Binary::Mul, sw, sx);
        let more = b.binary("more", Binary::Mul, f, factor);
        let sum = b.binary("sum", Binary::Add, old, more);
        if packing.min.is_none() {
            return sum;
        }
        let min = self.level(b, Part::Min, v);
        let ax = product.weighed(b, z, sx);
        let off = b.binary("off_min", Binary::Mul, min, ax);
        b.binary("sum_min", Binary::Add, sum, off)
    }
}
