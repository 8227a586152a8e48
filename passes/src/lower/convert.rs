//! From one type of elements to another, and products of halves of words.

use super::{Coord, Lower, Place, Result, access::HALF_FLOATS, eval::broadcast};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, Cvt, DotOp, FloatOp, HalfOp, Op, PairOp, Reg, Width, WordOp},
    tile::{Binary, Compare, Expr, LaneDim, Value},
};

impl Lower<'_> {
    pub(super) fn convert(
        &mut self,
        a: Value,
        to: Dtype,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        let from = self.elem(a);
        if let Some(code) = self.code_word(a, at, lanes)? {
            return if to == Dtype::F32 {
                Ok(self.v(Class::Float, Op::Cvt(Cvt::FloatFromInt), &[code]))
            } else {
                Ok(code)
            };
        }
        if (from, to) == (Dtype::F16, Dtype::F32) {
            if let Some(x) = self.half_of_word(a, at, lanes)? {
                return Ok(x);
            }
            if let Some(x) = self.converted_load(a, at, lanes)? {
                return Ok(x);
            }
            if let Some(x) = self.two_halves(a, at, lanes)? {
                return Ok(x);
            }
        }
        let x = self.operand(a, at, lanes)?;
        let cvt = |l: &mut Self, class, c| Ok(l.v(class, Op::Cvt(c), &[x]));
        let small =
            from.bits() <= 16 && !from.is_float() && from != Dtype::Bool || from == Dtype::I32;
        match (from, to) {
            (a, b) if a == b => Ok(x),
            (Dtype::F16, Dtype::F32) => cvt(self, Class::Float, Cvt::FloatFromF16),
            (Dtype::BF16, Dtype::F32) => cvt(self, Class::Float, Cvt::FloatFromBf16),
            (Dtype::F32, Dtype::F16) => cvt(self, Class::Word, Cvt::F16FromFloat),
            (Dtype::F32, Dtype::BF16) => cvt(self, Class::Word, Cvt::Bf16FromFloat),
            (f, Dtype::F32) if small => {
                let _ = f;
                cvt(self, Class::Float, Cvt::FloatFromInt)
            }
            (f, Dtype::I32) if small => {
                let _ = f;
                Ok(x)
            }
            (Dtype::F32, Dtype::I8) => Ok(self.saturated(x, -128.0, 127.0)),
            (Dtype::F32, Dtype::U8) => Ok(self.saturated(x, 0.0, 255.0)),
            (Dtype::F32, Dtype::I16) => Ok(self.saturated(x, -32768.0, 32767.0)),
            (Dtype::F32, Dtype::U16) => Ok(self.saturated(x, 0.0, 65535.0)),
            (Dtype::F32, Dtype::I32) => {
                // The conversion gives the least integer for all that does not fit.
                let (least, above) =
                    (self.float_const(-2147483648.0), self.float_const(2147483648.0));
                let whole = self.saturated(x, f32::NEG_INFINITY, f32::INFINITY);
                let low = self.v(Class::Mask, Op::FloatCmp(Compare::Le), &[x, least]);
                let high = self.v(Class::Mask, Op::FloatCmp(Compare::Ge), &[x, above]);
                let (bottom, top) = (self.word_const(i32::MIN), self.word_const(i32::MAX));
                let up = self.v(Class::Word, Op::Select, &[low, bottom, whole]);
                Ok(self.v(Class::Word, Op::Select, &[high, top, up]))
            }
            // What fits, as the tile level says.
            (f, Dtype::I8 | Dtype::U8 | Dtype::I16 | Dtype::U16) if small => {
                let _ = f;
                Ok(x)
            }
            _ => Err(self.no(format!("converting {from} to {to}"))),
        }
    }

    /// To the nearest integer in these limits; a NaN becomes 0, as the tile level says.
    fn saturated(&mut self, x: Reg, lo: f32, hi: f32) -> Reg {
        let same = self.v(Class::Mask, Op::FloatCmp(Compare::Eq), &[x, x]);
        let nought = self.float_const(0.0);
        let mut inside = self.v(Class::Float, Op::Select, &[same, x, nought]);
        if lo.is_finite() {
            let (lo, hi) = (self.float_const(lo), self.float_const(hi));
            let up = self.v(Class::Float, Op::Float(FloatOp::Max), &[inside, lo]);
            inside = self.v(Class::Float, Op::Float(FloatOp::Min), &[up, hi]);
        }
        self.v(Class::Word, Op::Cvt(Cvt::IntFromFloat), &[inside])
    }

    /// f16 elements come from memory as floats, where the target has an instruction for that.
    fn converted_load(&mut self, a: Value, at: &[Coord], lanes: LaneDim) -> Result<Option<Reg>> {
        let Some(Place::Inline(Some(r))) = self.places.get(&a).cloned() else { return Ok(None) };
        if r.packed.is_some() || !self.has(&Op::LoadF16) {
            return Ok(None);
        }
        let shape = self.shape(a).to_vec();
        let (at, lanes) = broadcast(&shape, at, lanes);
        self.load_as(&r, &at, lanes, HALF_FLOATS).map(Some)
    }

    /// Neighbouring f16 vectors are loaded as one register and converted from its two halves, where the target has
    /// no instruction for one: most of the sequence serves both (the `share` pass sees to it).
    fn two_halves(&mut self, a: Value, at: &[Coord], lanes: LaneDim) -> Result<Option<Reg>> {
        let Some(Place::Inline(Some(r))) = self.places.get(&a).cloned() else { return Ok(None) };
        let (Some(dim), Some(&coord)) = (r.dims.last(), at.last()) else { return Ok(None) };
        let along = lanes == LaneDim::Dim(r.dims.len() - 1) && r.dims.len() == at.len();
        let apart =
            r.packed.is_some() || r.field.is_some() || r.dims.iter().any(|d| d.guard.is_some());
        let native = self.has(&Op::Cvt(Cvt::FloatFromF16));
        let inside = if coord.reg.is_some() { coord.span } else { dim.len };
        let first = coord.add / (2 * self.lanes) * 2 * self.lanes;
        if !along
            || apart
            || native
            || !coord.add.is_multiple_of(self.lanes)
            || first + 2 * self.lanes > inside
        {
            return Ok(None);
        }
        let mut at = at.to_vec();
        at[r.dims.len() - 1].add = first;
        let mem = self.address(&r, &at)?;
        let both = self.inst(Class::Word, Op::Load(Width::W32), &[], Some(mem));
        let half = if coord.add == first { Cvt::FloatFromF16Low } else { Cvt::FloatFromF16High };
        Ok(Some(self.v(Class::Float, Op::Cvt(half), &[both])))
    }

    /// Of two vectors of floats, pairs of bf16.
    pub(super) fn pair(&mut self, low: Reg, high: Reg) -> Reg {
        if !self.has(&Op::PackBf16) {
            return self.v(Class::Word, Op::Pair(PairOp::Bf16), &[low, high]);
        }
        let halves = [low, high].map(|x| self.v(Class::Word, Op::PackBf16, &[x, x]));
        self.v(Class::Word, Op::Half(HalfOp::Low), &halves)
    }

    /// What is known of a word: that 16 bits hold it, and whether it is never negative.
    fn half_word(&self, v: Value) -> Option<bool> {
        let Some(Expr::Convert(a)) = self.expr(v) else { return None };
        let elem = self.elem(*a);
        match elem {
            Dtype::U8 | Dtype::Code(_) => Some(true),
            Dtype::I8 | Dtype::I16 => Some(false),
            Dtype::F32
            | Dtype::F16
            | Dtype::BF16
            | Dtype::E4M3
            | Dtype::E5M2
            | Dtype::U16
            | Dtype::I32
            | Dtype::U32
            | Dtype::I64
            | Dtype::Bool => None,
        }
    }

    /// `a * b`, or `sum + a * b`, of integers that fit 16 bits, as a product of halves whose high ones add nothing: one
    /// instruction where multiplying words is slow.
    pub(super) fn halves_product(
        &mut self,
        v: Value,
        op: Binary,
        a: Value,
        b: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Option<Reg>> {
        let dot = Op::Dot(DotOp::S16S16);
        if self.elem(v) != Dtype::I32 || !self.has(&dot) {
            return Ok(None);
        }
        let factors = |l: &Self, product: Value| {
            let inline = matches!(l.places.get(&product), Some(Place::Inline(None)));
            match l.expr(product) {
                Some(Expr::Binary(Binary::Mul, x, y)) if inline => Some((*x, *y)),
                _ => None,
            }
        };
        let found = match op {
            Binary::Mul => Some((None, (a, b))),
            Binary::Add => [(a, b), (b, a)]
                .into_iter()
                .find_map(|(sum, product)| Some((Some(sum), factors(self, product)?))),
            Binary::Sub
            | Binary::Div
            | Binary::Max
            | Binary::Min
            | Binary::And
            | Binary::Or
            | Binary::Pair
            | Binary::Cmp(_) => None,
        };
        let Some((sum, (x, y))) = found else { return Ok(None) };
        let (Some(above), Some(other)) = (self.half_word(x), self.half_word(y)) else {
            return Ok(None);
        };
        let (x, mut y) = (self.operand(x, at, lanes)?, self.operand(y, at, lanes)?);
        if !above && !other {
            let low = self.word_const(0xffff);
            y = self.v(Class::Word, Op::Word(WordOp::And), &[y, low]);
        }
        let sum = match sum {
            Some(sum) => self.operand(sum, at, lanes)?,
            None => self.zero(Class::Word),
        };
        Ok(Some(self.v(Class::Word, dot, &[x, y, sum])))
    }
}
