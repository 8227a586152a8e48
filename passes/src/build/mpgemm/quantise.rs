//! Activations to int8: one scale and one sum a step; scales may be the same for several.
//!
//! ```text
//! as = max |a| / 127      aq = round(a / as)      az = times * sum(aq), or as * sum(aq)
//! ```

use super::{Builder, Product, tensor};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    op::Group,
    tile::{Binary, Compare, Reduce, Role, Slice, Tensor, Unary, Value},
};

impl Product<'_> {
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
        let steps = Extent::from(self.steps);
        b.for_each("s", (Extent::Lit(0), steps, 1), &[], |b, _| {
            let s = b.var("s");
            let along = Slice::range(s.clone() * self.step, self.step);
            let at = vec![Slice::range(i.clone(), 1), along];
            let q = b.load("q", "a.codes", Dtype::I8, at, guard);
            let row = if guard { i.clone().min(self.m.clone() - 1) } else { i.clone() };
            let scale = self.given_scale(b, given, &row, s.clone() * self.step);
            self.summed(b, q, scale, i, s);
            vec![]
        });
    }

    /// Writes the codes of step `s`, their scale and their sum.
    fn summed(&self, b: &mut Builder, q: Value, scale: Value, i: &Extent, s: Extent) {
        let place = |width: usize| {
            vec![Slice::point(s.clone()), Slice::range(i.clone(), 1), Slice::range(0, width)]
        };
        b.store("aq", place(self.step), q, false);
        b.store("as", place(1), scale, false);
        for part in 0..self.step / self.summed {
            let at = |first: usize, count: usize| {
                let [s, i] = [Slice::point(s.clone()), Slice::range(i.clone(), 1)];
                vec![s, i, Slice::range(first, count)]
            };
            let q = match self.step == self.summed {
                true => q,
                false => {
                    b.load("part", "aq", Dtype::I8, at(part * self.summed, self.summed), false)
                }
            };
            let wide = b.convert("wide", q, Dtype::I32);
            let sum = b.reduce("sum", Reduce::Sum, wide, 1);
            if self.weighed {
                let sum = b.convert("sum_f", sum, Dtype::F32);
                let z = b.binary("z", Binary::Mul, sum, scale);
                b.store("az", at(part, 1), z, false);
                continue;
            }
            let factor = b.fill(f64::from(self.times), Dtype::I32, &[1, 1]);
            let z = b.binary("z", Binary::Mul, sum, factor);
            b.store("az", at(part, 1), z, false);
        }
    }

    /// Row `i` of the activations. A NaN or an infinity makes the scale of its step NaN, and so every result of its
    /// row. Behind the last activation stand zeros, and, where there are `more` rows than `a` has, in those.
    pub(super) fn quantise(&self, b: &mut Builder, i: &Extent, more: bool) {
        let guard = more || self.steps * self.step != self.k;
        if let Some(given) = self.given {
            return self.copy(b, given, i, guard);
        }
        let load = |b: &mut Builder, s: &Extent| {
            let along = Slice::range(s.clone() * self.step, self.step);
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
            let steps = Extent::from(self.steps);
            b.for_each("s", (Extent::Lit(0), steps, 1), &[], |b, _| {
                let s = b.var("s");
                let x = load(b, &s);
                let (largest, trouble) = look(b, x);
                let (range, scale) = range_and_scale(b, largest, trouble);
                let q = round(b, x, range);
                self.summed(b, q, scale, i, s);
                vec![]
            });
            return;
        }
        let shares = Extent::from(self.steps / turns);
        b.for_each("h", (Extent::Lit(0), shares, 1), &[], |b, _| {
            let s = b.var("h") * turns + b.var("s");
            let all = (Extent::Lit(0), Extent::from(turns), 1);
            let none = b.fill(0.0, Dtype::F32, &[1, 1]);
            let both = b.for_each("s", all.clone(), &[("most", none), ("bad", none)], |b, sums| {
                let x = load(b, &s);
                let (largest, trouble) = look(b, x);
                let most = b.binary("larger", Binary::Max, sums[0], largest);
                vec![most, b.binary("worse", Binary::Add, sums[1], trouble)]
            });
            let (range, scale) = range_and_scale(b, both[0], both[1]);
            b.for_each("s", all, &[], |b, _| {
                let x = load(b, &s);
                let q = round(b, x, range);
                self.summed(b, q, scale, i, s.clone());
                vec![]
            });
            vec![]
        });
    }
}

/// What 127 stands for, 1 where all are 0; and the scale, NaN in trouble.
pub(super) fn range_and_scale(b: &mut Builder, largest: Value, trouble: Value) -> (Value, Value) {
    let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
    let one = b.fill(1.0, Dtype::F32, &[1, 1]);
    let most = b.fill(127.0, Dtype::F32, &[1, 1]);
    let nothing = b.binary("nothing", Binary::Cmp(Compare::Eq), largest, zero);
    let range = b.select("range", nothing, one, largest);
    let scale0 = b.binary("scale0", Binary::Div, range, most);
    (range, b.binary("scale", Binary::Add, scale0, trouble))
}
