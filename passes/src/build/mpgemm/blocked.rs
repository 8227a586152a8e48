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
//! steps. Rows behind the last activation row are rounded zeros, so that no tile is partial.

use super::{Builder, Kind, Place, Product, Weight};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::Packing,
    target::Target,
    tile::{Binary, Compare, Part, Predicate, Role, Slice, Store, Tensor, Unary, Value},
};

/// Elements of k that a turn of the innermost loop multiplies: long enough to hide its jump, short enough to compile
/// in no time.
const TURN: usize = 32;

/// Activation rows that share a panel, about: unpacking costs their sums little, their sums stay in the first cache.
const SHARE: usize = 96;

/// A tile of the product.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Weight rows, whole vectors of them.
    pub rows: usize,
    /// Activation rows.
    pub tokens: usize,
}

impl Block {
    /// As many sums as leave registers for a row of weights and a few activations; `None` without packed weights.
    pub fn of(weights: &[Weight], target: &Target) -> Option<Block> {
        let most = if target.vectors >= 32 { 4 } else { 2 };
        let blocks = |w: &Weight| w.n.div_ceil(target.lanes);
        let fits = |v: &usize| weights.iter().all(|w| blocks(w).is_multiple_of(*v));
        let vectors = (1..=most).rev().find(fits)?;
        let sums = target.vectors.saturating_sub(most + 4);
        Some(Block { rows: vectors * target.lanes, tokens: (sums / vectors).clamp(1, 8) })
    }

    fn each_tile(
        self,
        b: &mut Builder,
        var: &str,
        share: &Extent,
        body: impl Fn(&mut Builder, &Extent),
    ) {
        b.for_each(var, (Extent::Lit(0), share.clone(), self.tokens), &[], |b, _| {
            let at = b.var(var);
            body(b, &at);
            vec![]
        });
    }

    /// Activation rows that share a panel.
    fn share(self) -> usize {
        (SHARE / self.tokens).max(1) * self.tokens
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
}

impl Product<'_> {
    /// Tasks of row tiles for every weight; all of them are codes multiplied as bytes.
    pub(super) fn in_blocks(&self, b: &mut Builder, block: Block) {
        for unit in self.units() {
            for t in self.inside(unit, block, &Extent::Lit(0), &Extent::Lit(0)) {
                t.scratch().into_iter().for_each(|t| b.scratch_tensor(t));
            }
            let tiles = Extent::from(unit[0].n.div_ceil(block.rows));
            b.tasks("t", tiles, self.choice.schedule.chunk, |b| {
                let row = b.scalar("row", b.var("t") * block.rows);
                let padded = self.m.clone().ceil_div(block.tokens) * block.tokens;
                let padded = b.scalar("padded", padded);
                b.for_each("i", (Extent::Lit(0), self.m.clone(), block.share()), &[], |b, _| {
                    let first = b.var("i");
                    let share = (padded.clone() - first.clone()).min(block.share());
                    let share = b.scalar("share", share);
                    let all = self.inside(unit, block, &row, &first);
                    all.iter().for_each(|x| x.rows(b, &share));
                    let place = Place { expert: Extent::Lit(0), column: row };
                    let give = |b: &mut Builder, tile: &Extent, guard: bool| {
                        let sums: Vec<Value> = all.iter().map(|x| x.sum(b, tile)).collect();
                        self.give(b, unit, &place, &(first.clone() + tile.clone()), &sums, guard);
                    };
                    // Whole tiles, then the one that goes over the last activation row.
                    let ragged = !unit[0].n.is_multiple_of(block.rows);
                    let there = self.m.clone() - first.clone();
                    let whole = there.min(share.clone()) / block.tokens * block.tokens;
                    let whole = b.scalar("full", whole);
                    block.each_tile(b, "y", &whole, |b, tile| give(b, tile, ragged));
                    let over = Predicate { left: whole.clone(), cmp: Compare::Lt, right: share };
                    b.choose(over, |b| give(b, &whole, true), |_| {});
                    vec![]
                });
            });
        }
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

    /// Are the codes bytes already?
    fn bytes(&self) -> bool {
        self.packing.elem.bits() == 8
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
        let mut list = vec![floats("sums", self.block.share()), floats("scale", 1)];
        list.extend(self.packing.zeros.map(|_| floats("zeros", 1)));
        list.extend(self.packing.min.map(|_| floats("min", 1)));
        if !self.bytes() {
            let of = Packing::bytes_of(self.packing.lanes, self.product.step);
            let store = Store::Packed { of, part: Part::Codes };
            list.push(tensor("panel", Dtype::U8, [rows, self.product.step], store));
        }
        list
    }

    fn sums(&self, tile: &Extent) -> Vec<Slice> {
        vec![Slice::range(tile.clone(), self.block.tokens), self.all()]
    }

    fn all(&self) -> Slice {
        Slice::range(0, self.block.rows)
    }

    /// The rows that share a panel.
    fn rows(&self, b: &mut Builder, share: &Extent) {
        let shape = [self.block.tokens, self.block.rows];
        let sums = self.name("sums");
        self.block.each_tile(b, "z", share, |b, tile| {
            let nothing = b.fill(0.0, Dtype::F32, &shape);
            b.store(&sums, self.sums(tile), nothing, false);
        });
        b.for_each("u", (Extent::Lit(0), Extent::from(self.product.steps), 1), &[], |b, _| {
            self.unpack(b);
            self.block.each_tile(b, "j", share, |b, tile| {
                let old = b.load("old", &sums, Dtype::F32, self.sums(tile), false);
                let sum = self.tile(b, tile, old);
                b.store(&sums, self.sums(tile), sum, false);
            });
            vec![]
        });
    }

    fn sum(&self, b: &mut Builder, tile: &Extent) -> Value {
        b.load("sum", &self.name("sums"), Dtype::F32, self.sums(tile), false)
    }

    /// The panel of step `u`, and its levels.
    fn unpack(&self, b: &mut Builder) {
        let (step, weight) = (self.product.step, self.weight);
        let rows = Slice::range(self.row.clone(), self.block.rows);
        if !self.bytes() {
            let along = Slice::range(b.var("u") * step, step);
            let codes = vec![rows.clone(), along];
            let w0 = b.load("w0", &weight.part(Part::Codes), self.packing.elem, codes, false);
            let w = b.convert("wb", w0, Dtype::U8);
            b.store(&self.name("panel"), vec![self.all(), Slice::range(0, step)], w, false);
        }
        let group = b.var("u") * step / self.packing.group;
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
            b.store(&self.name(part.name()), vec![Slice::range(0, 1), self.all()], x, false);
        }
    }

    fn level(&self, b: &mut Builder, part: Part) -> Value {
        let at = vec![Slice::range(0, 1), self.all()];
        b.load(&format!("{}_u", part.name()), &self.name(part.name()), Dtype::F32, at, false)
    }

    /// `old` and step `u` of a tile of activation rows.
    fn tile(&self, b: &mut Builder, tile: &Extent, old: Value) -> Value {
        let (product, packing) = (self.product, self.packing);
        let rows = Slice::range(self.first.clone() + tile.clone(), self.block.tokens);
        let place = vec![Slice::point(b.var("u")), rows.clone(), Slice::range(0, 1)];
        let shape = [self.block.tokens, self.block.rows];
        let z = b.load("z", "az", Dtype::I32, place.clone(), false);
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
        let turn = if product.step.is_multiple_of(TURN) { TURN } else { product.step };
        let turns = (Extent::Lit(0), Extent::from(product.step), turn);
        let dot = b.for_each("s", turns, &[("d", start)], |b, acc| {
            let at = b.var("u") * product.step + b.var("s");
            let along =
                vec![Slice::point(b.var("u")), rows.clone(), Slice::range(b.var("s"), turn)];
            let x = b.load("x", "aq", Dtype::I8, along, false);
            let w = if self.bytes() {
                let rows = Slice::range(self.row.clone(), self.block.rows);
                let at = vec![rows, Slice::range(at, turn)];
                b.load("w", &self.weight.part(Part::Codes), packing.elem, at, false)
            } else {
                let at = vec![self.all(), Slice::range(b.var("s"), turn)];
                b.load("w", &self.name("panel"), Dtype::U8, at, false)
            };
            let w = b.convert("wu", w, Dtype::U8);
            vec![b.dot("d", x, w, true, Some(acc[0]))]
        })[0];
        let mut f = b.convert("f", dot, Dtype::F32);
        let sx = b.load("sx", "as", Dtype::F32, place, false);
        let total = b.convert("total", z, Dtype::F32);
        if packing.zeros.is_some() {
            let less = b.unary("less", Unary::Neg, total);
            let zeros = self.level(b, Part::Zeros);
            let off = b.binary("off", Binary::Mul, zeros, less);
            f = b.binary("centred", Binary::Add, f, off);
        }
        let sw = self.level(b, Part::Scale);
        let factor = b.binary("factor", Binary::Mul, sw, sx);
        let more = b.binary("more", Binary::Mul, f, factor);
        let sum = b.binary("sum", Binary::Add, old, more);
        if packing.min.is_none() {
            return sum;
        }
        let min = self.level(b, Part::Min);
        let ax = b.binary("ax", Binary::Mul, total, sx);
        let off = b.binary("off_min", Binary::Mul, min, ax);
        b.binary("sum_min", Binary::Add, sum, off)
    }
}
