//! Activations to int8: one scale and one sum a step; scales may be the same for several.
//!
//! ```text
//! as = max |a| / 127      aq = round(a / as)      az = times * sum(aq), or as * sum(aq)
//! ```
//!
//! All lie as bundles of steps: `[steps / bundle, rows, bundle * width of a step]`.

use super::{Builder, Product, tensor};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    op::Group,
    tile::{Binary, Compare, Reduce, Role, Slice, Tensor, Unary, Value},
};

/// A step of a row: its bundle, and which it is of that.
struct Step {
    bundle: Extent,
    inside: Extent,
}

impl Product<'_> {
    /// What activations are rounded to: name, type, elements of a bundle.
    pub(super) fn rounded_to(&self) -> [(&'static str, Dtype, usize); 3] {
        let sums = self.bundle * self.step / self.summed;
        [
            ("aq", Dtype::I8, self.bundle * self.step),
            ("as", Dtype::F32, sums),
            ("az", self.sums(), sums),
        ]
    }

    /// Runs `body` for the first of every `turns` steps; `var` counts them.
    fn each_step(
        &self,
        b: &mut Builder,
        var: &str,
        turns: usize,
        body: &dyn Fn(&mut Builder, &Step),
    ) {
        let zero = || Extent::Lit(0);
        if self.bundle == 1 {
            let count = Extent::from(self.steps / turns);
            b.for_each(var, (zero(), count, 1), &[], |b, _| {
                body(b, &Step { bundle: b.var(var) * turns, inside: zero() });
                vec![]
            });
            return;
        }
        let bundles = Extent::from(self.steps / self.bundle);
        b.for_each("g", (zero(), bundles, 1), &[], |b, _| {
            b.for_each(var, (zero(), Extent::from(self.bundle), turns), &[], |b, _| {
                body(b, &Step { bundle: b.var("g"), inside: b.var(var) });
                vec![]
            });
            vec![]
        });
    }

    /// What `az` holds.
    pub(super) fn sums(&self) -> Dtype {
        if self.weighed { Dtype::F32 } else { Dtype::I32 }
    }

    /// A sum of activations in `az` times their scale.
    pub(super) fn weighed(&self, b: &mut Builder, sum: Value, scale: Value) -> Value {
        if self.weighed {
            return sum;
        }
        let sum = b.convert("total", sum, Dtype::F32);
        b.binary("ax", Binary::Mul, sum, scale)
    }

    /// What `quantise` reads.
    pub(super) fn sources(&self) -> Vec<Tensor> {
        match self.given {
            None => vec![self.a.clone()],
            Some((group, scale)) => self.given_tensors(group, scale).to_vec(),
        }
    }

    /// Int8 activations of the caller, and their scales.
    pub(super) fn given_tensors(&self, group: Group, scale: Dtype) -> [Tensor; 2] {
        let shape = match group {
            Group::Tensor => vec![Extent::Lit(1)],
            Group::Row => vec![self.m.clone()],
            Group::K(g) => vec![self.m.clone(), Extent::from(self.k) / g],
        };
        [
            tensor("a.codes", Role::In, Dtype::I8, vec![self.m.clone(), self.k.into()]),
            tensor("a.scale", Role::In, scale, shape),
        ]
    }

    /// The scale of the activations of row `i` from `k` on, as one number.
    pub(super) fn given_scale(
        &self,
        b: &mut Builder,
        (group, elem): (Group, Dtype),
        i: &Extent,
        k: Extent,
    ) -> Value {
        let row = Slice::range(i.clone(), 1);
        let at = match group {
            Group::Tensor => vec![Slice::range(0, 1)],
            Group::Row => vec![row],
            // Behind the last activation any scale will do.
            Group::K(g) => vec![row, Slice::range((k / g).min(self.k as i64 / g - 1), 1)],
        };
        let x = b.load_row("given", "a.scale", elem, at, false);
        b.convert("given_f", x, Dtype::F32)
    }

    /// Int8 activations as they are given: padded, with their sums.
    fn copy(&self, b: &mut Builder, given: (Group, Dtype), i: &Extent, guard: bool) {
        self.each_step(b, "s", 1, &|b, s| {
            let k = self.first(s, &Extent::Lit(0));
            let at = vec![Slice::range(i.clone(), 1), Slice::range(k.clone(), self.step)];
            let q = b.load("q", "a.codes", Dtype::I8, at, guard);
            let row = if guard { i.clone().min(self.m.clone() - 1) } else { i.clone() };
            let scale = self.given_scale(b, given, &row, k);
            self.summed(b, q, scale, i, s);
        });
    }

    /// Where the step `turn` behind `s` begins in the row.
    fn first(&self, s: &Step, turn: &Extent) -> Extent {
        let number = s.bundle.clone() * self.bundle + s.inside.clone() + turn.clone();
        number * self.step
    }

    /// Writes the codes of step `s`, their scale and their sums.
    fn summed(&self, b: &mut Builder, q: Value, scale: Value, i: &Extent, s: &Step) {
        let at = |of: usize, first: usize, count: usize| {
            let first = s.inside.clone() * of + first;
            let [bundle, i] = [Slice::point(s.bundle.clone()), Slice::range(i.clone(), 1)];
            vec![bundle, i, Slice::range(first, count)]
        };
        b.store("aq", at(self.step, 0, self.step), q, false);
        let parts = self.step / self.summed;
        for part in 0..parts {
            b.store("as", at(parts, part, 1), scale, false);
            let q = match parts {
                1 => q,
                _ => {
                    let part = at(self.step, part * self.summed, self.summed);
                    b.load("part", "aq", Dtype::I8, part, false)
                }
            };
            let wide = b.convert("wide", q, Dtype::I32);
            let sum = b.reduce("sum", Reduce::Sum, wide, 1);
            if self.weighed {
                let sum = b.convert("sum_f", sum, Dtype::F32);
                let z = b.binary("z", Binary::Mul, sum, scale);
                b.store("az", at(parts, part, 1), z, false);
                continue;
            }
            let factor = b.fill(f64::from(self.times), Dtype::I32, &[1, 1]);
            let z = b.binary("z", Binary::Mul, sum, factor);
            b.store("az", at(parts, part, 1), z, false);
        }
    }

    /// Row `i` of the activations. A NaN or an infinity makes the scale of its step NaN, and so every result of its
    /// row. Behind the last activation stand zeros, and, where there are `more` rows than `a` has, in those.
    pub(super) fn quantise(&self, b: &mut Builder, i: &Extent, more: bool) {
        let guard = more || self.steps * self.step != self.k;
        if let Some(given) = self.given {
            return self.copy(b, given, i, guard);
        }
        let load = |b: &mut Builder, first: Extent| {
            let along = Slice::range(first, self.step);
            let at = vec![Slice::range(i.clone(), 1), along];
            let x0 = b.load("x0", &self.a.name, self.a.elem, at, guard);
            b.convert("x", x0, Dtype::F32)
        };
        // The largest, and NaN if one is no number.
        let look = |b: &mut Builder, x: Value| {
            let size = b.unary("size", Unary::Abs, x);
            let largest = b.reduce("largest", Reduce::Max, size, 1);
            let trouble0 = b.binary("trouble0", Binary::Sub, x, x);
            (largest, b.reduce("trouble", Reduce::Sum, trouble0, 1))
        };
        let round = |b: &mut Builder, x: Value, range: Value| {
            let most = b.fill(127.0, Dtype::F32, &[1, 1]);
            let unit = b.binary("unit", Binary::Div, x, range);
            let scaled = b.binary("scaled", Binary::Mul, unit, most);
            b.convert("q", scaled, Dtype::I8)
        };
        let turns = self.share / self.step;
        if turns == 1 {
            self.each_step(b, "s", 1, &|b, s| {
                let x = load(b, self.first(s, &Extent::Lit(0)));
                let (largest, trouble) = look(b, x);
                let (range, scale) = range_and_scale(b, largest, trouble);
                let q = round(b, x, range);
                self.summed(b, q, scale, i, s);
            });
            return;
        }
        self.each_step(b, "h", turns, &|b, h| {
            let all = (Extent::Lit(0), Extent::from(turns), 1);
            let none = b.fill(0.0, Dtype::F32, &[1, 1]);
            let both = b.for_each("s", all.clone(), &[("most", none), ("bad", none)], |b, sums| {
                let x = load(b, self.first(h, &b.var("s")));
                let (largest, trouble) = look(b, x);
                let most = b.binary("larger", Binary::Max, sums[0], largest);
                vec![most, b.binary("worse", Binary::Add, sums[1], trouble)]
            });
            let (range, scale) = range_and_scale(b, both[0], both[1]);
            b.for_each("s", all, &[], |b, _| {
                let s = b.var("s");
                let x = load(b, self.first(h, &s));
                let q = round(b, x, range);
                let (bundle, inside) = match self.bundle {
                    1 => (h.bundle.clone() + s, Extent::Lit(0)),
                    _ => (h.bundle.clone(), h.inside.clone() + s),
                };
                self.summed(b, q, scale, i, &Step { bundle, inside });
                vec![]
            });
        });
    }
}

/// What 127 stands for, 1 where all are 0; and the scale, NaN in trouble.
pub(in crate::build) fn range_and_scale(
    b: &mut Builder,
    largest: Value,
    trouble: Value,
) -> (Value, Value) {
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    let one = b.fill(1.0, Dtype::F32, &[1, 1]);
    let most = b.fill(127.0, Dtype::F32, &[1, 1]);
    let nothing = b.binary("nothing", Binary::Cmp(Compare::Eq), largest, zero);
    let range = b.select("range", nothing, one, largest);
    let scale0 = b.binary("scale0", Binary::Div, range, most);
    (range, b.binary("scale", Binary::Add, scale0, trouble))
}
