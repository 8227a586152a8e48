//! Sums over the groups of a packed weight, whose codes are bytes or floats to the product.
//!
//! | part of a packing | with it |
//! | --- | --- |
//! | `zero` | bytes: the dot begins with `-zero * sum(aq)`; floats: `code - zero` |
//! | `zeros`, one a group | bytes: `dot - zeros * sum(aq)`, exact in f32; floats: `code - zeros` |
//! | `min`, one a group | `+ min * sum of a` |
//! | `scale`, one a group | multiplies the sum of all steps of the group |
//! | `inner`, some a group | multiply the dots and the sums of `aq` of their elements |

use super::{Builder, Product, Weight};
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::Packing,
    tile::{Binary, Part, Reduce, Slice, Unary, Value},
};

/// The largest int8 activation.
const ACTIVATION: i64 = 128;

/// Activation rows times rows of a packed weight.
#[derive(Clone)]
pub(super) struct Tile<'a> {
    pub product: &'a Product<'a>,
    pub weight: &'a Weight,
    pub packing: &'a Packing,
    pub i: &'a Extent,
    pub tokens: usize,
    pub row: &'a Extent,
    /// The group at hand; `sum` goes through them.
    pub group: Extent,
    /// Matrix instructions multiply such floats.
    pub half: Option<Dtype>,
    pub hints: Hints,
}

/// Who asks for the codes of a later group.
#[derive(Clone)]
pub(super) enum Hints {
    /// The steps that are written out; else the loop over the groups.
    Own,
    /// The first and the last tile of a group, a turn at a time; `None`: not this one.
    Tiles { last: Option<Extent> },
}

impl Tile<'_> {
    /// Groups of k from the first to behind the last; a turn takes `together`, which divides their number.
    pub fn sum(
        &self,
        b: &mut Builder,
        integer: bool,
        (first, end): (Extent, Extent),
        together: usize,
    ) -> Value {
        let start = b.fill(0.0, Dtype::F32, &[self.tokens, self.weight.rows]);
        b.for_each("g", (first, end, together), &[("acc", start)], |b, acc| {
            let mut sum = acc[0];
            for i in 0..together {
                let one = Tile { group: b.var("g") + i, ..self.clone() };
                sum = match integer {
                    true => one.group_of_bytes(b, sum),
                    false => one.float_group(b, sum),
                };
            }
            vec![sum]
        })[0]
    }

    /// `acc` and the products of the group at hand.
    pub fn group_of_bytes(&self, b: &mut Builder, acc: Value) -> Value {
        match self.packing.is_fixed() {
            true => self.fixed_group(b, acc),
            false => self.integer_group(b, acc),
        }
    }

    /// Elements of a turn.
    fn step(&self, integer: bool) -> usize {
        if integer { self.product.step } else { self.packing.step() }
    }

    fn activation_rows(&self) -> Slice {
        Slice::range(self.i.clone(), self.tokens)
    }

    fn weight_rows(&self) -> Slice {
        Slice::range(self.row.clone(), self.weight.rows)
    }

    /// A row of one value per weight row.
    fn level(&self, b: &mut Builder, part: Part, elem: Dtype) -> Value {
        let at = vec![Slice::range(self.group.clone(), 1), self.weight_rows()];
        let x = b.load(part.name(), &self.weight.part(part), elem, at, false);
        b.convert(&format!("{}_f", part.name()), x, Dtype::F32)
    }

    fn scale(&self, b: &mut Builder) -> Value {
        self.level(b, Part::Scale, self.packing.scale.unwrap_or(Dtype::F32))
    }

    fn codes(&self, b: &mut Builder, from: &Extent, step: usize) -> Value {
        let at = vec![self.weight_rows(), Slice::range(from.clone(), step)];
        b.load("w", &self.weight.part(Part::Codes), self.packing.elem, at, false)
    }

    /// Where step `s` of group `g` begins, in steps of the row.
    fn place(&self, b: &Builder, integer: bool, s: Option<&str>) -> Extent {
        let steps = self.packing.group / self.step(integer);
        match s {
            None => self.group.clone(),
            Some(s) => self.group.clone() * steps + b.var(s),
        }
    }

    fn integer_group(&self, b: &mut Builder, acc: Value) -> Value {
        let steps = self.packing.group / self.product.step;
        let own = self.packing.zeros.is_some() || self.packing.min.is_some();
        if self.product.share == self.packing.group {
            let (dot, total, sx) = match steps {
                1 => self.integer_step(b, &self.place(b, true, None)),
                _ => self.whole_group(b, steps),
            };
            let f = match self.packing.zeros {
                None => dot,
                Some(elem) => {
                    let less = b.unary("less", Unary::Neg, total);
                    self.less_zeros(b, dot, less, elem)
                }
            };
            let sw = self.scale(b);
            let factor = b.binary("factor", Binary::Mul, sw, sx);
            let product = b.binary("product", Binary::Mul, f, factor);
            let sum = b.binary("sum", Binary::Add, acc, product);
            let Some(elem) = self.packing.min else { return sum };
            let min = self.level(b, Part::Min, elem);
            let ax = self.product.weighed(b, total, sx);
            let more = b.binary("more", Binary::Mul, min, ax);
            return b.binary("sum_min", Binary::Add, sum, more);
        }
        let part = b.fill(0.0, Dtype::F32, &[self.tokens, self.weight.rows]);
        let none = b.fill(0.0, Dtype::F32, &[self.tokens, 1]);
        let inits = [("part", part), ("whole", none)];
        let inits = if own { &inits[..] } else { &inits[..1] };
        let turns = (Extent::Lit(0), Extent::from(steps), 1);
        let sums = b.for_each("s", turns, inits, |b, sums| {
            let (dot, total, sx) = self.integer_step(b, &self.place(b, true, Some("s")));
            let product = b.binary("product", Binary::Mul, dot, sx);
            let mut out = vec![b.binary("sum", Binary::Add, sums[0], product)];
            if own {
                let ax = self.product.weighed(b, total, sx);
                out.push(b.binary("all", Binary::Add, sums[1], ax));
            }
            out
        });
        let f = match self.packing.zeros {
            None => sums[0],
            Some(elem) => {
                let less = b.unary("less", Unary::Neg, sums[1]);
                self.less_zeros(b, sums[0], less, elem)
            }
        };
        let sw = self.scale(b);
        let scaled = b.binary("scaled", Binary::Mul, f, sw);
        let sum = b.binary("out", Binary::Add, acc, scaled);
        let Some(elem) = self.packing.min else { return sum };
        let min = self.level(b, Part::Min, elem);
        let more = b.binary("more", Binary::Mul, min, sums[1]);
        b.binary("out_min", Binary::Add, sum, more)
    }

    /// `f + zeros * less`.
    fn less_zeros(&self, b: &mut Builder, f: Value, less: Value, elem: Dtype) -> Value {
        let zeros = self.level(b, Part::Zeros, elem);
        let off = b.binary("off", Binary::Mul, zeros, less);
        b.binary("centred", Binary::Add, f, off)
    }

    /// `acc` and the products of bytes of a step.
    fn dot(&self, b: &mut Builder, place: &Extent, acc: Option<Value>) -> Value {
        let step = self.product.step;
        let of = |b: &mut Builder, first: &Extent, count: usize, acc: Option<Value>| {
            let w0 = self.codes(b, &(place.clone() * step + first.clone()), count);
            let w = b.convert("wb", w0, Dtype::U8);
            let along = vec![
                Slice::point(place.clone()),
                self.activation_rows(),
                Slice::range(first.clone(), count),
            ];
            let x = b.load("x", "aq", Dtype::I8, along, false);
            b.dot("d", x, w, true, acc)
        };
        if matches!(self.hints, Hints::Own) {
            return of(b, &Extent::Lit(0), step, acc);
        }
        let turn = self.product.choice.schedule.turn;
        let unit = self.packing.together().max(self.packing.word());
        if turn >= step || !step.is_multiple_of(turn) || !turn.is_multiple_of(unit) {
            let dot = of(b, &Extent::Lit(0), step, acc);
            self.hint(b, &(place.clone() * step), step);
            return dot;
        }
        let acc = acc.unwrap_or_else(|| b.fill(0.0, Dtype::I32, &[self.tokens, self.weight.rows]));
        let turns = (Extent::Lit(0), Extent::from(step), turn);
        b.for_each("e", turns, &[("d", acc)], |b, acc| {
            let first = b.var("e");
            let dot = of(b, &first, turn, Some(acc[0]));
            self.hint(b, &(place.clone() * step + first), turn);
            vec![dot]
        })[0]
    }

    /// The sum of so many activations of a bundle of steps.
    fn activation_sum(&self, b: &mut Builder, place: &Extent, first: usize, count: usize) -> Value {
        let summed = self.product.summed;
        let mut all = None;
        for part in first / summed..(first + count) / summed {
            let rows = self.activation_rows();
            let at = vec![Slice::point(place.clone()), rows, Slice::range(part, 1)];
            let z = b.load("z", "az", self.product.sums(), at, false);
            all = Some(match all {
                None => z,
                Some(all) => b.binary("z_all", Binary::Add, all, z),
            });
        }
        all.unwrap_or_else(|| b.fill(0.0, self.product.sums(), &[self.tokens, 1]))
    }

    /// What products begin with, for the sums of the bytes of the activations.
    fn start(&self, b: &mut Builder, z: Value) -> Option<Value> {
        let less = -self.packing.zero;
        if less == 0 || self.packing.min.is_some() {
            return None;
        }
        let z = match self.product.times == less {
            true => z,
            false => {
                let factor = b.fill(f64::from(less), Dtype::I32, &[1, 1]);
                b.binary("zz", Binary::Mul, z, factor)
            }
        };
        let wide = b.fill(0.0, Dtype::I32, &[self.tokens, self.weight.rows]);
        Some(b.binary("start", Binary::Add, z, wide))
    }

    /// The scale of the activations of a bundle from `first` on.
    fn activation_scale(&self, b: &mut Builder, place: &Extent, first: usize) -> Value {
        let part = Slice::range(first / self.product.summed, 1);
        let at = vec![Slice::point(place.clone()), self.activation_rows(), part];
        b.load("sx", "as", Dtype::F32, at, false)
    }

    /// A group whose steps stand each in their own way: all of them, one after the other. What shares a scale of the
    /// activations is summed as integers, where they are sure to fit; scales and mins meet at the end, before they are
    /// added to what is much larger.
    fn fixed_group(&self, b: &mut Builder, acc: Value) -> Value {
        let (step, group) = (self.product.step, self.packing.group);
        let steps = group / step;
        let inner = self.packing.inner.as_ref();
        let each = inner.map_or(step, |i| i.group.min(step));
        let alike = (self.product.share / step).clamp(1, steps);
        let more = |b: &mut Builder, name: &str, sum: Option<Value>, x: Value| match sum {
            None => Some(x),
            Some(sum) => Some(b.binary(name, Binary::Add, sum, x)),
        };
        let (mut scaled, mut mins) = (None, None);
        for first in (0..steps).step_by(alike) {
            let (place, begin) = self.bundle_of(first);
            let sx = self.activation_scale(b, &place, begin);
            let (mut whole, mut part, mut less) = (None, None, None);
            for s in first..steps.min(first + alike) {
                let (place, begin) = self.bundle_of(s);
                for from in (0..step).step_by(each) {
                    let k = self.group.clone() * group + (s * step + from);
                    let w0 = self.codes(b, &k, each);
                    let w = b.convert("wb", w0, Dtype::U8);
                    let along = vec![
                        Slice::point(place.clone()),
                        self.activation_rows(),
                        Slice::range(begin + from, each),
                    ];
                    let x = b.load("x", "aq", Dtype::I8, along, false);
                    let z = self.activation_sum(b, &place, begin + from, each);
                    let start = self.start(b, z);
                    let dot = b.dot("d", x, w, true, start);
                    let Some(inner) = inner else {
                        whole = more(b, "whole", whole, dot);
                        continue;
                    };
                    let number = (s * step + from) / inner.group;
                    if self.halves(each) {
                        let factor =
                            self.inner(b, Part::InnerScale, inner.signed(), Dtype::I32, number);
                        let half = b.convert("half", dot, Dtype::I16);
                        let half = b.convert("half_w", half, Dtype::I32);
                        let product = b.binary("scaled", Binary::Mul, half, factor);
                        whole = more(b, "whole", whole, product);
                    } else {
                        let factor =
                            self.inner(b, Part::InnerScale, inner.signed(), Dtype::F32, number);
                        let f = b.convert("f", dot, Dtype::F32);
                        let product = b.binary("scaled", Binary::Mul, f, factor);
                        part = more(b, "part", part, product);
                    }
                    if inner.min.is_none() {
                        continue;
                    }
                    if self.product.weighed {
                        let factor = self.inner(b, Part::InnerMin, Dtype::U8, Dtype::F32, number);
                        let min = b.binary("min_all", Binary::Mul, factor, z);
                        mins = more(b, "mins", mins, min);
                    } else {
                        // A sum of at most 128 bytes.
                        let factor = self.inner(b, Part::InnerMin, Dtype::U8, Dtype::I32, number);
                        let half = b.convert("z_half", z, Dtype::I16);
                        let half = b.convert("z_word", half, Dtype::I32);
                        let min = b.binary("min_all", Binary::Mul, factor, half);
                        less = more(b, "less", less, min);
                    }
                }
                // Behind the products: what they compute of addresses is there.
                self.hint(b, &(self.group.clone() * group + s * step), step);
            }
            let weigh = |b: &mut Builder, sum: Value, to: Option<Value>| {
                let f = b.convert("f", sum, Dtype::F32);
                let product = b.binary("weighed", Binary::Mul, f, sx);
                more(b, "all", to, product)
            };
            for sum in [whole, part].into_iter().flatten() {
                scaled = weigh(b, sum, scaled);
            }
            if let Some(less) = less {
                mins = weigh(b, less, mins);
            }
        }
        let mut acc = acc;
        let levels = [(scaled, Part::Scale, Some(self.packing.scale.unwrap_or(Dtype::F32)))];
        for (sum, part, elem) in levels.into_iter().chain([(mins, Part::Min, self.packing.min)]) {
            let (Some(sum), Some(elem)) = (sum, elem) else { continue };
            let level = self.level(b, part, elem);
            let product = b.binary("product", Binary::Mul, sum, level);
            acc = b.binary("sum", Binary::Add, acc, product);
        }
        acc
    }

    /// The bundle of activations of step `s` of the group at hand, and where the step begins there.
    fn bundle_of(&self, s: usize) -> (Extent, usize) {
        let steps = self.packing.group / self.product.step;
        match self.product.bundle {
            1 => (self.group.clone() * steps + s, 0),
            _ => (self.group.clone(), s * self.product.step),
        }
    }

    /// Do 16 bits hold a product of so many codes and activations?
    fn halves(&self, count: usize) -> bool {
        let top = (1i64 << self.packing.elem.bits()) - 1;
        let zero = i64::from(self.packing.zero);
        let largest = zero.abs().max((top - zero).abs());
        count as i64 * largest * ACTIVATION <= i64::from(i16::MAX)
    }

    /// Inner factors of group `g`, one a weight row.
    fn inner(&self, b: &mut Builder, part: Part, elem: Dtype, to: Dtype, number: usize) -> Value {
        let count = self.packing.inner.as_ref().map_or(1, |i| self.packing.group / i.group);
        let at = vec![Slice::range(self.group.clone() * count + number, 1), self.weight_rows()];
        let x = b.load(part.name(), &self.weight.part(part), elem, at, false);
        let form = if to == Dtype::F32 { "f" } else { "w" };
        b.convert(&format!("{}_{form}", part.name()), x, to)
    }

    /// Asks for as many codes of a later group as those from `first` on.
    fn hint(&self, b: &mut Builder, first: &Extent, count: usize) {
        let Ok(bytes) = self.packing.group_stride() else { return };
        let ahead = self.product.choice.schedule.ahead << 10;
        if ahead == 0 || bytes == 0 {
            return;
        }
        let Hints::Tiles { last } = &self.hints else {
            let later = first.clone() + ahead.div_ceil(bytes) * self.packing.group;
            let at = vec![self.weight_rows(), Slice::range(later, count)];
            b.prefetch(&self.weight.part(Part::Codes), at);
            return;
        };
        let Some(last) = last else { return };
        // The other tiles give memory the time: half as far suffices.
        let later = first.clone() + ahead.div_ceil(2 * bytes) * self.packing.group;
        let at = [self.weight_rows(), Slice::range(later, count)];
        self.weight.ask_in_halves(b, (self.i, last), at, self.packing.lanes);
    }

    /// Product of bytes over one step of activations, the sum of their codes, their scale.
    fn integer_step(&self, b: &mut Builder, place: &Extent) -> (Value, Value, Value) {
        let z = self.activation_sum(b, place, 0, self.product.step);
        let start = self.start(b, z);
        let dot = self.dot(b, place, start);
        let f = b.convert("f", dot, Dtype::F32);
        let total = b.convert("total", z, Dtype::F32);
        (f, total, self.activation_scale(b, place, 0))
    }

    /// The same over all steps of a group, which share their scale: integers to the end.
    fn whole_group(&self, b: &mut Builder, steps: usize) -> (Value, Value, Value) {
        let part = b.fill(0.0, Dtype::I32, &[self.tokens, self.weight.rows]);
        let none = b.fill(0.0, self.product.sums(), &[self.tokens, 1]);
        let turns = (Extent::Lit(0), Extent::from(steps), 1);
        let sums = b.for_each("s", turns, &[("part", part), ("whole", none)], |b, sums| {
            let place = self.place(b, true, Some("s"));
            let dot = self.dot(b, &place, Some(sums[0]));
            let z = self.activation_sum(b, &place, 0, self.product.step);
            vec![dot, b.binary("all", Binary::Add, sums[1], z)]
        });
        let dot = match self.start(b, sums[1]) {
            Some(start) => b.binary("centred", Binary::Add, sums[0], start),
            None => sums[0],
        };
        let f = b.convert("f", dot, Dtype::F32);
        let total = b.convert("total", sums[1], Dtype::F32);
        let first = self.group.clone() * steps;
        (f, total, self.activation_scale(b, &first, 0))
    }

    fn float_group(&self, b: &mut Builder, acc: Value) -> Value {
        let step = self.step(false);
        let steps = self.packing.group / step;
        let min = self.packing.min.is_some();
        let (dot, total) = if steps == 1 {
            self.float_step(b, &self.place(b, false, None), step, None)
        } else {
            let part = b.fill(0.0, Dtype::F32, &[self.tokens, self.weight.rows]);
            let none = b.fill(0.0, Dtype::F32, &[self.tokens, 1]);
            let inits = [("part", part), ("whole", none)];
            let inits = if min { &inits[..] } else { &inits[..1] };
            let turns = (Extent::Lit(0), Extent::from(steps), 1);
            let sums = b.for_each("s", turns, inits, |b, sums| {
                let place = self.place(b, false, Some("s"));
                let (dot, total) = self.float_step(b, &place, step, Some(sums[0]));
                let mut out = vec![dot];
                if min {
                    out.push(b.binary("all", Binary::Add, sums[1], total));
                }
                out
            });
            (sums[0], if min { sums[1] } else { none })
        };
        let sw = self.scale(b);
        let product = b.binary("product", Binary::Mul, dot, sw);
        let sum = b.binary("sum", Binary::Add, acc, product);
        let Some(elem) = self.packing.min else { return sum };
        let min = self.level(b, Part::Min, elem);
        let more = b.binary("more", Binary::Mul, min, total);
        b.binary("sum_min", Binary::Add, sum, more)
    }

    /// Product of floats over a step, added to `acc`; the sum of the activations where mins want it.
    fn float_step(
        &self,
        b: &mut Builder,
        place: &Extent,
        step: usize,
        acc: Option<Value>,
    ) -> (Value, Value) {
        let from = place.clone() * step;
        let w0 = self.codes(b, &from, step);
        let float = self.half.unwrap_or(Dtype::F32);
        let mut w = b.convert("wf", w0, float);
        if self.packing.zero != 0 {
            let zero = b.fill(f64::from(self.packing.zero), float, &[1, 1]);
            w = b.binary("wz", Binary::Sub, w, zero);
        }
        if let Some(elem) = self.packing.zeros {
            let at = vec![self.weight_rows(), Slice::range(self.group.clone(), 1)];
            let own = b.load("own", &self.weight.part(Part::RowZeros), elem, at, false);
            let own = b.convert("own_f", own, Dtype::F32);
            let own = if float == Dtype::F32 { own } else { b.convert("own_h", own, float) };
            w = b.binary("wo", Binary::Sub, w, own);
        }
        let at = vec![self.activation_rows(), Slice::range(from, step)];
        let ragged = !self.product.k.is_multiple_of(self.packing.group);
        let a = &self.product.a;
        let (x, dot) = match self.half {
            Some(half) => {
                let x0 = b.load("x0", "ah", half, at, false);
                (x0, b.dot("d", x0, w, true, acc))
            }
            None => {
                let x0 = b.load("x0", &a.name, a.elem, at, ragged);
                let x = b.convert("x", x0, Dtype::F32);
                (x, b.dot("d", x, w, true, acc))
            }
        };
        let total = match self.packing.min {
            Some(_) => {
                let x = if self.half.is_some() { b.convert("xf", x, Dtype::F32) } else { x };
                b.reduce("total", Reduce::Sum, x, 1)
            }
            None => dot,
        };
        (dot, total)
    }
}
