//! Many activation rows times weights of floats: a part of a weight tile is turned once, for all rows of a block.
//!
//! ```text
//! af = a in f32                                      [parts of k, rows, 128], once
//! for each tile of weight rows
//!   for each block of activation rows, for each part of k
//!     panel = part of the tile, turned               128 x w, in scratch
//!     for each tile of rows:  sum[tile] += af[tile] . panel
//! ```
//!
//! Lanes are weight rows, so no sum goes across lanes. While a panel is in use, the next part of the weight comes
//! nearer: its rows lie far apart, which no CPU follows by itself. Zeros stand behind the last row and element.

use super::{Builder, Experts, Kind, Place, Product, Weight, launch, tensor};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    machine::Op,
    tile::{
        Compare, Kernel, Launch, Param, Predicate, Program, Role, Slice, Store, Tensor, Value,
        Variant,
    },
};

/// Activation rows for which turning a panel pays, and whole tiles of them cost little.
const MANY: usize = 64;

/// How many rows of what.
#[derive(Clone, Copy)]
struct Tile {
    tokens: usize,
    rows: usize,
    share: usize,
    /// Elements of k of a panel.
    part: usize,
}

impl Product<'_> {
    /// A variant for many rows, if all weights are floats and there are registers for a tile.
    pub(super) fn in_panels(&self, before: &[Launch], program: &mut Program) {
        let target = self.choice.target;
        let floats = self.weights.iter().all(|w| matches!(w.kind, Kind::Floats(_)));
        let hints = target.row(&Op::Prefetch(1)).is_some();
        if !floats || !hints || self.experts != Experts::None {
            return;
        }
        let schedule = &self.choice.schedule;
        let vectors = schedule.wide.min(if target.vectors >= 32 { 3 } else { 2 });
        let (tokens, rows) = (2 * (target.vectors * 3 / 4 / vectors), vectors * target.lanes);
        // A panel is turned, not unpacked, which fewer rows pay for.
        let share = (schedule.share / 2 / tokens).max(1) * tokens;
        let most = ((schedule.panel << 10) / (rows * size_of::<f32>())).max(1);
        let tile = Tile { tokens, rows, share, part: most.next_power_of_two() };
        // Whole tiles and parts compute little that nobody asked for: a fifth is what panels bring.
        let whole =
            |w: &Weight| w.n.next_multiple_of(tile.rows) * self.k.next_multiple_of(tile.part);
        if self.weights.iter().any(|w| 5 * whole(w) > 6 * w.n * self.k) {
            return;
        }
        let parts = self.k.div_ceil(tile.part);
        let rows = self.m.clone().ceil_div(tokens) * tokens;
        let shape = vec![parts.into(), rows.clone(), tile.part.into()];
        let af = tensor("af", Role::Workspace, Dtype::F32, shape);
        program.buffers.push(af.clone());
        let params = [self.a.clone(), af.clone()].map(Param::Tensor).to_vec();
        let mut b = Builder::new("spread", params, &self.symbols);
        b.tasks("i", rows, 1, |b| self.spread(b, tile.part, &b.var("i")));
        let spread = b.finish();
        let mut b = self.kernel("product_block", vec![af]);
        self.tiles_of_floats(&mut b, tile);
        let kernel = b.finish();
        let list = [&spread, &kernel].map(|k: &Kernel| launch(k));
        let when =
            vec![Predicate { left: self.m.clone(), cmp: Compare::Ge, right: Extent::from(MANY) }];
        let launches = before.iter().cloned().chain(list).collect();
        program.variants.push(Variant { name: "block".into(), when, launches });
        program.kernels.extend([spread, kernel]);
    }

    /// Row `i` of the activations in f32, by parts.
    fn spread(&self, b: &mut Builder, part: usize, i: &Extent) {
        let parts = Extent::from(self.k.div_ceil(part));
        b.for_each("u", (Extent::Lit(0), parts, 1), &[], |b, _| {
            let row = Slice::range(i.clone(), 1);
            let at = vec![row.clone(), Slice::range(b.var("u") * part, part)];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at, true);
            let x = b.convert("x", x0, Dtype::F32);
            b.store("af", vec![Slice::point(b.var("u")), row, Slice::range(0, part)], x, false);
            vec![]
        });
    }

    fn tiles_of_floats(&self, b: &mut Builder, tile: Tile) {
        for unit in self.units() {
            for w in unit {
                for (what, shape) in
                    [("panel", [tile.part, tile.rows]), ("sums", [tile.share, tile.rows])]
                {
                    b.scratch_tensor(Tensor {
                        name: format!("{}.{what}", w.name),
                        role: Role::Scratch,
                        elem: Dtype::F32,
                        shape: shape.iter().map(|x| Extent::from(*x)).collect(),
                        store: Store::Strided,
                    });
                }
            }
            let tiles = Extent::from(unit[0].n.div_ceil(tile.rows));
            b.tasks("t", tiles, 1, |b| {
                let row = b.scalar("row", b.var("t") * tile.rows);
                let padded = self.m.clone().ceil_div(tile.tokens) * tile.tokens;
                let padded = b.scalar("padded", padded);
                let blocks = (Extent::Lit(0), self.m.clone(), tile.share);
                b.for_each("i", blocks, &[], |b, _| {
                    let first = b.var("i");
                    let share = (padded.clone() - first.clone()).min(tile.share);
                    let share = b.scalar("share", share);
                    for w in unit {
                        self.sums_of_floats(b, w, tile, &row, &first, &share);
                    }
                    let place = Place { expert: Extent::Lit(0), column: row };
                    let tiles = (Extent::Lit(0), share, tile.tokens);
                    b.for_each("y", tiles, &[], |b, _| {
                        let y = b.var("y");
                        let at = vec![Slice::range(y.clone(), tile.tokens), tile.all()];
                        let load = |w: &Weight| (format!("{}.sums", w.name), at.clone());
                        let list: Vec<_> = unit.iter().map(load).collect();
                        let sums: Vec<Value> = list
                            .into_iter()
                            .map(|(name, at)| b.load("sum", &name, Dtype::F32, at, false))
                            .collect();
                        self.give(b, unit, &place, &(first.clone() + y), &sums, true);
                        vec![]
                    });
                    vec![]
                });
            });
        }
    }

    /// The products of the rows that share panels, in scratch.
    fn sums_of_floats(
        &self,
        b: &mut Builder,
        w: &Weight,
        tile: Tile,
        row: &Extent,
        first: &Extent,
        share: &Extent,
    ) {
        let Kind::Floats(elem) = w.kind else { return };
        let [sums, panel] = ["sums", "panel"].map(|what| format!("{}.{what}", w.name));
        let each = |var: &str, b: &mut Builder, body: &dyn Fn(&mut Builder, Extent)| {
            b.for_each(var, (Extent::Lit(0), share.clone(), tile.tokens), &[], |b, _| {
                let at = b.var(var);
                body(b, at);
                vec![]
            });
        };
        let at = |y: Extent| vec![Slice::range(y, tile.tokens), tile.all()];
        each("z", b, &|b, z| {
            let nothing = b.fill(0.0, Dtype::F32, &[tile.tokens, tile.rows]);
            b.store(&sums, at(z), nothing, false);
        });
        let parts = Extent::from(self.k.div_ceil(tile.part));
        // Rows of the next part that a tile asks for.
        let ahead = tile.rows.div_ceil(tile.share / tile.tokens);
        b.for_each("u", (Extent::Lit(0), parts, 1), &[], |b, _| {
            let u = b.var("u");
            let turned = |b: &mut Builder, guard: bool| {
                let rows = Slice::range(row.clone(), tile.rows);
                let from = vec![rows, Slice::range(u.clone() * tile.part, tile.part)];
                let w0 = b.load("w0", &w.name, elem, from, guard);
                let wf = b.convert("wf", w0, Dtype::F32);
                let turned = b.transpose("turned", wf);
                let to = vec![Slice::range(0, tile.part), tile.all()];
                b.store(&panel, to, turned, false);
            };
            let below = (Extent::from(w.n) - row.clone() - tile.rows)
                .min(Extent::from(self.k) - u.clone() * tile.part - tile.part);
            let whole = Predicate { left: below, cmp: Compare::Ge, right: Extent::Lit(0) };
            b.choose(whole, |b| turned(b, false), |b| turned(b, true));
            each("j", b, &|b, j| {
                let next = Slice::range((u.clone() + 1i64) * tile.part, tile.part);
                let rows = row.clone() + j.clone() / tile.tokens * ahead;
                b.prefetch(&w.name, vec![Slice::range(rows, ahead), next]);
                let x = vec![
                    Slice::point(u.clone()),
                    Slice::range(first.clone() + j.clone(), tile.tokens),
                    Slice::range(0, tile.part),
                ];
                let x = b.load("x", "af", Dtype::F32, x, false);
                let w = vec![Slice::range(0, tile.part), tile.all()];
                let w = b.load("w", &panel, Dtype::F32, w, false);
                let old = b.load("old", &sums, Dtype::F32, at(j.clone()), false);
                let sum = b.dot("d", x, w, false, Some(old));
                b.store(&sums, at(j), sum, false);
            });
            vec![]
        });
    }
}

impl Tile {
    fn all(self) -> Slice {
        Slice::range(0, self.rows)
    }
}
