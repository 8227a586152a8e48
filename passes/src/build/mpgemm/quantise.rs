//! Activations to int8: one scale and one sum a step.
//!
//! ```text
//! as = max |a| / 127      aq = round(a / as)      az = times * sum(aq)
//! ```

use super::{Builder, Product};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    tile::{Binary, Compare, Reduce, Slice, Unary},
};

impl Product {
    /// Row `i` of the activations. A NaN or an infinity makes the scale of its step NaN, and so every result of its
    /// row. Behind the last activation stand zeros.
    pub(super) fn quantise(&self, b: &mut Builder, i: &Extent) {
        let steps = Extent::from(self.steps);
        b.for_each("s", (Extent::Lit(0), steps, 1), &[], |b, _| {
            let s = Extent::from("s");
            let along = Slice::range(s.clone() * self.step, self.step);
            let at = vec![Slice::range(i.clone(), 1), along];
            let x0 = b.load("x0", "a", self.a, at.clone(), self.steps * self.step != self.k);
            let x = b.convert("x", x0, Dtype::F32);
            let size = b.unary("size", Unary::Abs, x);
            let largest = b.reduce("largest", Reduce::Max, size, 1);
            let trouble0 = b.binary("trouble0", Binary::Sub, x, x);
            let trouble = b.reduce("trouble", Reduce::Sum, trouble0, 1);
            let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
            let one = b.fill(1.0, Dtype::F32, &[1, 1]);
            let most = b.fill(127.0, Dtype::F32, &[1, 1]);
            let nothing = b.binary("nothing", Binary::Cmp(Compare::Eq), largest, zero);
            let range = b.select("range", nothing, one, largest);
            let unit = b.binary("unit", Binary::Div, x, range);
            let scaled = b.binary("scaled", Binary::Mul, unit, most);
            let q = b.convert("q", scaled, Dtype::I8);
            b.store("aq", at, q, false);
            let wide = b.convert("wide", q, Dtype::I32);
            let sum = b.reduce("sum", Reduce::Sum, wide, 1);
            let factor = b.fill(f64::from(self.times), Dtype::I32, &[1, 1]);
            let z = b.binary("z", Binary::Mul, sum, factor);
            let scale0 = b.binary("scale0", Binary::Div, range, most);
            let scale = b.binary("scale", Binary::Add, scale0, trouble);
            let place = vec![Slice::range(i.clone(), 1), Slice::range(s, 1)];
            b.store("as", place.clone(), scale, false);
            b.store("az", place, z, false);
            vec![]
        });
    }
}
