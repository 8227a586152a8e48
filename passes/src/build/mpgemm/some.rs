//! Some activation rows: more than a tile, fewer than pay for unpacking the codes first.
//!
//! ```text
//! for each group of k
//!   for each tile of rows:  sum[tile] += scale * (aq[tile] . codes)
//! ```
//!
//! The codes of a group come from memory for the first tile and from the cache for the others, so that what memory takes
//! and what the others compute happen at the same time. Sums lie in scratch between groups. Rows behind whole tiles are as for
//! [`blocked`](super::blocked).

use super::{
    Builder, Kind, Place, Product, SHARED, Weight,
    groups::{Hints, Tile},
    tiles::Cut,
};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    tile::{Slice, Value},
};

impl Product<'_> {
    /// The activation rows of whole tiles, as far as they come here.
    pub(super) fn some_rows(&self) -> Extent {
        self.cut().padded(&self.m.clone().min(SHARED))
    }

    fn cut(&self) -> Cut {
        Cut::of(self.tokens)
    }

    /// Tasks of row tiles for every weight; all of them are codes multiplied as bytes, for fewer rows than [`SHARED`].
    pub(super) fn in_groups(&self, b: &mut Builder) {
        for unit in self.units() {
            let rows = unit[0].rows;
            for w in unit {
                let most = SHARED.next_multiple_of(self.tokens).next_multiple_of(self.cut().rest);
                let shape = [most, rows];
                b.scratch(&sums(w), Dtype::F32, &shape);
            }
            let chunk = self.choice.schedule.chunk * (self.choice.schedule.rows / rows).max(1);
            b.tasks("t", unit[0].n.div_ceil(rows).into(), chunk, |b| {
                let place = Place { expert: Extent::Lit(0), column: b.var("t") * rows };
                let padded = b.scalar("padded", self.some_rows());
                for w in unit {
                    self.walk(b, w, &place, &padded);
                }
                let sum = |b: &mut Builder, tile: &Extent| {
                    let load = |w: &Weight| sums_of(b, w, tile, self.cut().rest);
                    unit.iter().map(load).collect::<Vec<_>>()
                };
                let from = Extent::Lit(0);
                self.give_all(b, unit, &place, (&from, &padded, self.cut().rest), &sum);
            });
        }
    }

    /// The sums of all activation rows, group by group.
    fn walk(&self, b: &mut Builder, w: &Weight, place: &Place, padded: &Extent) {
        let Kind::Codes { packing, .. } = &w.kind else { return };
        let row = self.first_row(w, packing, place);
        Cut::alike(self.cut().rest).each(b, "z", padded, |b, piece| {
            let none = b.fill(0.0, Dtype::F32, &[piece.tokens, w.rows]);
            b.store(&sums(w), place_of(w, piece.at, piece.tokens), none, false);
        });
        let count = Extent::from(self.k.div_ceil(packing.group));
        b.for_each("g", (Extent::Lit(0), count, 1), &[], |b, _| {
            let group = b.var("g");
            self.cut().each(b, "j", padded, |b, piece| {
                let old = sums_of(b, w, piece.at, piece.tokens);
                let one = Tile {
                    product: self,
                    weight: w,
                    packing,
                    i: piece.at,
                    tokens: piece.tokens,
                    row: &row,
                    group: group.clone(),
                    half: None,
                    hints: Hints::Tiles { last: piece.last.cloned() },
                };
                let sum = one.group_of_bytes(b, old);
                b.store(&sums(w), place_of(w, piece.at, piece.tokens), sum, false);
            });
            vec![]
        });
    }
}

fn sums(w: &Weight) -> String {
    format!("{}.sums", w.name)
}

fn place_of(w: &Weight, first: &Extent, tokens: usize) -> Vec<Slice> {
    vec![Slice::range(first.clone(), tokens), Slice::range(0, w.rows)]
}

fn sums_of(b: &mut Builder, w: &Weight, first: &Extent, tokens: usize) -> Value {
    b.load("old", &sums(w), Dtype::F32, place_of(w, first, tokens), false)
}
