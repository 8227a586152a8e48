//! Many activation rows where the target has matrix instructions whose operands are rows of memory: packed weights and
//! activations are such as they are.
//!
//! ```text
//! for each tile of weight rows
//!   for each tile of activation rows:  sum = aq . w^T  over all of k, step after step in matrix registers
//! ```
//!
//! Rows behind the last activation row are zeros, so that every tile is whole.

use super::{Builder, Experts, Kind, Place, Product, Weight};
use crate::tile::fragments::by_rows;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    machine::mma::Mma,
    tile::{Compare, Predicate, Value},
};

/// Matrices along either side of a tile, as many as there are registers for their sums beside their operands.
const MATRICES: usize = 2;

/// A tile of the product.
#[derive(Clone, Copy)]
pub(super) struct Many {
    /// Weight rows.
    pub rows: usize,
    /// Activation rows.
    pub tokens: usize,
}

impl Many {
    /// For products of such elements whose dots have `step` elements of k.
    pub fn of(product: &Product<'_>, elements: [Dtype; 2], step: usize) -> Option<Many> {
        let mma: &Mma = by_rows(product.choice.target, elements, step)?;
        let fits = |w: &Weight| match &w.kind {
            Kind::Codes { packing, integer } => *integer && !packing.is_fixed(),
            Kind::Pairs(_) => true,
            Kind::Floats(_) => false,
        };
        if product.experts != Experts::None || !product.weights.iter().all(fits) {
            return None;
        }
        let even = |count: &usize| {
            product.weights.iter().all(|w| w.n.div_ceil(mma.n).is_multiple_of(*count))
        };
        let count = (1..=MATRICES).rev().find(even)?;
        Some(Many { rows: count * mma.n, tokens: MATRICES * mma.m })
    }
}

impl Product<'_> {
    /// Tasks of tiles of weight rows, which pass by all tiles of activation rows.
    pub(super) fn in_many(&self, b: &mut Builder, many: Many) {
        for unit in self.units() {
            let same = |w: &Weight| Weight { rows: many.rows, ..w.clone() };
            let unit: Vec<Weight> = unit.iter().map(same).collect();
            b.tasks("t", unit[0].n.div_ceil(many.rows).into(), 1, |b| {
                let column = b.scalar("column", b.var("t") * many.rows);
                let place = Place { expert: Extent::Lit(0), column };
                let give = |b: &mut Builder, i: &Extent, guard: bool| {
                    let sum = |w| self.sum(b, w, i, many.tokens, &place);
                    let sums: Vec<Value> = unit.iter().map(sum).collect();
                    self.give(b, &unit, &place, i, &sums, guard);
                };
                let ragged = !unit[0].n.is_multiple_of(many.rows);
                let whole = self.m.clone() / many.tokens * many.tokens;
                let whole = b.scalar("whole", whole);
                b.for_each("i", (Extent::Lit(0), whole.clone(), many.tokens), &[], |b, _| {
                    let i = b.var("i");
                    give(b, &i, ragged);
                    vec![]
                });
                let right = self.m.clone();
                let over = Predicate { left: whole.clone(), cmp: Compare::Lt, right };
                b.choose(over, |b| give(b, &whole, true), |_| {});
            });
        }
    }
}
