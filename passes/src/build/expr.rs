//! Value expressions as tiles: what prologues, epilogues and row ops compute.
//!
//! ```text
//! x * sigmoid(x)      -->   a = abs(x)  e = exp2(a * -log2(e))  s = select(x < 0, e, 1) / (1 + e)  y = x * s
//! ```
//!
//! Values are f32. Integers stay integers where no sum or product of theirs can leave i32, so that indices are exact;
//! what only numbers say is computed here. Errors, in units of u = 2^-24: `exp` and `log` by powers and logarithms of
//! two (1.5 and 4 ulp) and a rounding of the change of base, `tanh` 4 ulp, `sin` and `cos` 2 u (1 + |x|); the rest as
//! IEEE rounds. The polynomials stand where machine ops become sequences.

use super::builder::Builder;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    op::expr::{self, Expr, Func},
    tile::{Binary, Compare, Unary, Value},
};
use std::f64::consts::{LN_2, LOG2_E};

type Result<T> = std::result::Result<T, Unsupported>;

/// The tile of what is no arithmetic: a name, a reduction, an element by its place. Its rank is that of the result; a
/// dimension of 1 meets any. Floats of any width, i8 to i32, or u8 and u16.
pub(super) type Leaf<'a> = dyn FnMut(&mut Builder, &Expr) -> Result<Value> + 'a;

/// `e` as f32 of exactly this shape.
pub(super) fn tile(
    b: &mut Builder,
    e: &Expr,
    shape: &[usize],
    choice: &Choice,
    leaf: &mut Leaf,
) -> Result<Value> {
    let v = value(b, e, shape.len(), choice, leaf)?;
    let v = b.convert("v", v, Dtype::F32);
    Ok(spread(b, v, shape))
}

/// `v` of exactly this shape.
pub(super) fn spread(b: &mut Builder, v: Value, shape: &[usize]) -> Value {
    if b.shape(v) == shape {
        return v;
    }
    // A choice that is always the same: no sum, which would make +0 of -0.
    let one = b.fill(1.0, Dtype::I32, shape);
    let yes = b.binary("all", Binary::Cmp(Compare::Eq), one, one);
    b.select("v", yes, v, v)
}

/// `e` as f32 or i32, of this rank, as small as its names let it be.
pub(super) fn value(
    b: &mut Builder,
    e: &Expr,
    rank: usize,
    choice: &Choice,
    leaf: &mut Leaf,
) -> Result<Value> {
    let mut w = Writer { b, rank, choice, leaf };
    let term = w.number(e)?;
    Ok(match term {
        Term::Int(v, ..) => v,
        Term::Float(v) => v,
        Term::Number(x) => w.fill(x),
    })
}

#[derive(Clone, Copy)]
enum Term {
    /// Known now.
    Number(f64),
    Float(Value),
    /// i32, with its least and greatest value.
    Int(Value, i64, i64),
}

struct Writer<'a, 'b> {
    b: &'a mut Builder,
    rank: usize,
    choice: &'a Choice,
    leaf: &'a mut Leaf<'b>,
}

const I32: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

/// Values of a type whose elements are i32 without loss.
fn range(elem: Dtype) -> Option<(i64, i64)> {
    match elem {
        Dtype::I8 => Some((i8::MIN.into(), i8::MAX.into())),
        Dtype::U8 => Some((0, u8::MAX.into())),
        Dtype::I16 => Some((i16::MIN.into(), i16::MAX.into())),
        Dtype::U16 => Some((0, u16::MAX.into())),
        Dtype::I32 => Some(I32),
        Dtype::F32
        | Dtype::F16
        | Dtype::BF16
        | Dtype::E4M3
        | Dtype::E5M2
        | Dtype::U32
        | Dtype::I64
        | Dtype::Code(_)
        | Dtype::Bool => None,
    }
}

impl Writer<'_, '_> {
    fn shape_of_one(&self) -> Vec<usize> {
        vec![1; self.rank]
    }

    fn fill(&mut self, x: f64) -> Value {
        let shape = self.shape_of_one();
        self.b.fill(x, Dtype::F32, &shape)
    }

    fn float(&mut self, t: Term) -> Value {
        match t {
            Term::Number(x) => self.fill(x),
            Term::Float(v) => v,
            Term::Int(v, ..) => self.b.convert("f", v, Dtype::F32),
        }
    }

    /// As i32, if it is whole and known to fit.
    fn int(&mut self, t: Term) -> Option<(Value, i64, i64)> {
        match t {
            Term::Int(v, lo, hi) => Some((v, lo, hi)),
            Term::Number(x) if x.fract() == 0.0 && (I32.0 as f64..=I32.1 as f64).contains(&x) => {
                let shape = self.shape_of_one();
                Some((self.b.fill(x, Dtype::I32, &shape), x as i64, x as i64))
            }
            Term::Number(_) | Term::Float(_) => None,
        }
    }

    fn unary(&mut self, name: &str, op: Unary, v: Value) -> Value {
        self.b.unary(name, op, v)
    }

    fn with(&mut self, name: &str, op: Binary, v: Value, x: f64) -> Value {
        let x = self.fill(x);
        self.b.binary(name, op, v, x)
    }

    fn number(&mut self, e: &Expr) -> Result<Term> {
        Ok(match e {
            Expr::Number(x) => Term::Number(*x),
            Expr::Name(_) | Expr::Reduce(..) | Expr::At(..) => {
                let v = (self.leaf)(self.b, e)?;
                let elem = self.b.elem(v);
                match range(elem) {
                    Some((lo, hi)) => Term::Int(self.b.convert("n", v, Dtype::I32), lo, hi),
                    None if matches!(elem, Dtype::F32 | Dtype::F16 | Dtype::BF16) => {
                        Term::Float(self.b.convert("f", v, Dtype::F32))
                    }
                    None => {
                        let what = format!("{elem} elements in an expression");
                        return Err(self.choice.unsupported(what, "f32, f16, bf16, i8 or i32"));
                    }
                }
            }
            Expr::Unary(expr::Unary::Neg, a) => match self.number(a)? {
                Term::Number(x) => Term::Number(-x),
                Term::Int(v, lo, hi) if -lo <= I32.1 => {
                    let shape = self.shape_of_one();
                    let zero = self.b.fill(0.0, Dtype::I32, &shape);
                    Term::Int(self.b.binary("neg", Binary::Sub, zero, v), -hi, -lo)
                }
                t @ (Term::Int(..) | Term::Float(_)) => {
                    let v = self.float(t);
                    Term::Float(self.unary("neg", Unary::Neg, v))
                }
            },
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                self.arithmetic(*op, a, b)?
            }
            Expr::Call(func, args) => self.call(*func, args)?,
            Expr::Unary(expr::Unary::Not, _) => return Err(self.no_number()),
        })
    }

    /// The reader of op files sees to it that conditions stand where they may.
    fn no_number(&self) -> Unsupported {
        self.choice.unsupported("a condition where a number stands", "`select(condition, a, b)`")
    }

    fn arithmetic(&mut self, op: expr::Binary, a: Term, b: Term) -> Result<Term> {
        use expr::Binary::{Add, And, Div, Eq, Ge, Gt, Le, Lt, Mul, Ne, Or, Rem, Sub};
        if let (Term::Number(x), Term::Number(y)) = (a, b) {
            return Ok(Term::Number(match op {
                Add => x + y,
                Sub => x - y,
                Mul => x * y,
                Div => x / y,
                Rem => x - (x / y).floor() * y,
                Lt | Le | Gt | Ge | Eq | Ne | And | Or => return Err(self.no_number()),
            }));
        }
        let name = match op {
            Add => ("sum", Binary::Add),
            Sub => ("diff", Binary::Sub),
            Mul => ("prod", Binary::Mul),
            Div => return Ok(self.quotient(a, b)),
            Rem => return Ok(self.remainder(a, b)),
            Lt | Le | Gt | Ge | Eq | Ne | And | Or => return Err(self.no_number()),
        };
        // Ends of the range: sums and products are monotone in each.
        let reach = |x: (i64, i64), y: (i64, i64)| {
            let all = [(x.0, y.0), (x.0, y.1), (x.1, y.0), (x.1, y.1)].map(|(x, y)| match op {
                Add => x + y,
                Sub => x - y,
                Mul | Div | Rem | Lt | Le | Gt | Ge | Eq | Ne | And | Or => x.saturating_mul(y),
            });
            (all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0))
        };
        if let (Some(x), Some(y)) = (ends(a), ends(b))
            && let (lo, hi) = reach(x, y)
            && lo >= I32.0
            && hi <= I32.1
            && let (Some((x, ..)), Some((y, ..))) = (self.int(a), self.int(b))
        {
            return Ok(Term::Int(self.b.binary(name.0, name.1, x, y), lo, hi));
        }
        let (x, y) = (self.float(a), self.float(b));
        Ok(Term::Float(self.b.binary(name.0, name.1, x, y)))
    }

    fn quotient(&mut self, a: Term, b: Term) -> Term {
        let x = self.float(a);
        if let Term::Number(y) = b
            && y.is_normal()
            && y.abs().log2().fract() == 0.0
            && y.abs().log2().abs() < 126.0
        {
            // The reciprocal of a power of two is exact.
            return Term::Float(self.with("quot", Binary::Mul, x, 1.0 / y));
        }
        let y = self.float(b);
        Term::Float(self.b.binary("quot", Binary::Div, x, y))
    }

    /// `a - floor(a / b) * b`, which is exact for integers below 2^24; of powers of two the last bits.
    fn remainder(&mut self, a: Term, b: Term) -> Term {
        if let (Term::Int(x, lo, hi), Term::Number(y)) = (a, b)
            && (1.0..=(1i64 << 30) as f64).contains(&y)
            && (y as i64).count_ones() == 1
            && y.fract() == 0.0
        {
            if lo >= 0 && hi < y as i64 {
                return a;
            }
            let shape = self.shape_of_one();
            let bits = self.b.fill(y - 1.0, Dtype::I32, &shape);
            return Term::Int(self.b.binary("rem", Binary::And, x, bits), 0, y as i64 - 1);
        }
        let (x, y) = (self.float(a), self.float(b));
        let quot = self.b.binary("quot", Binary::Div, x, y);
        let times = self.unary("times", Unary::Floor, quot);
        let whole = self.b.binary("whole", Binary::Mul, times, y);
        Term::Float(self.b.binary("rem", Binary::Sub, x, whole))
    }

    fn call(&mut self, func: Func, args: &[Expr]) -> Result<Term> {
        match (func, args) {
            (Func::Select, [c, a, b]) => self.select(c, a, b),
            (Func::Max | Func::Min | Func::Block, [a, b]) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                self.pair(func, a, b)
            }
            (_, [a]) => {
                let a = self.number(a)?;
                if let (Term::Number(x), Some(f)) = (a, known(func)) {
                    return Ok(Term::Number(f(x)));
                }
                if let (Func::Abs, Term::Int(v, lo, hi)) = (func, a)
                    && -lo <= I32.1
                {
                    let shape = self.shape_of_one();
                    let zero = self.b.fill(0.0, Dtype::I32, &shape);
                    let neg = self.b.binary("neg", Binary::Sub, zero, v);
                    let abs = self.b.binary("abs", Binary::Max, v, neg);
                    return Ok(Term::Int(abs, 0, hi.max(-lo)));
                }
                let x = self.float(a);
                if func == Func::F16Bits {
                    let half = self.b.convert("half", x, Dtype::F16);
                    return Ok(Term::Int(self.b.bits("bits", half), 0, u16::MAX.into()));
                }
                Ok(Term::Float(self.function(func, x)))
            }
            (_, _) => Err(self.choice.unsupported("a function of these arguments", "another one")),
        }
    }

    fn function(&mut self, func: Func, x: Value) -> Value {
        match func {
            Func::Exp => {
                let two = self.with("exponent", Binary::Mul, x, LOG2_E);
                self.unary("exp", Unary::Exp2, two)
            }
            Func::Log => {
                let two = self.unary("log2", Unary::Log2, x);
                self.with("log", Binary::Mul, two, LN_2)
            }
            Func::Sqrt => self.unary("sqrt", Unary::Sqrt, x),
            Func::Rsqrt => {
                let root = self.unary("sqrt", Unary::Sqrt, x);
                self.unary("rsqrt", Unary::Recip, root)
            }
            Func::Tanh => self.unary("tanh", Unary::Tanh, x),
            // By the exponential that cannot overflow: 1 / (1 + e^-|x|), or e^-|x| of that.
            Func::Sigmoid => {
                let size = self.unary("size", Unary::Abs, x);
                let two = self.with("exponent", Binary::Mul, size, -LOG2_E);
                let e = self.unary("exp", Unary::Exp2, two);
                let one = self.fill(1.0);
                let zero = self.fill(0.0);
                let below = self.b.binary("below", Binary::Cmp(Compare::Lt), x, zero);
                let over = self.b.select("over", below, e, one);
                let under = self.b.binary("under", Binary::Add, e, one);
                self.b.binary("sigmoid", Binary::Div, over, under)
            }
            Func::Abs => self.unary("abs", Unary::Abs, x),
            Func::Sin => self.unary("sin", Unary::Sin, x),
            Func::Cos => self.unary("cos", Unary::Cos, x),
            // Of more arguments, or integers: seen to before.
            Func::Block | Func::Max | Func::Min | Func::Select | Func::F16Bits => x,
        }
    }

    fn pair(&mut self, func: Func, a: Term, b: Term) -> Result<Term> {
        if func == Func::Block {
            return Err(self.choice.unsupported("`block` of a value", "an index, as in `x[..]`"));
        }
        let max = func == Func::Max;
        if let (Term::Number(x), Term::Number(y)) = (a, b) {
            return Ok(Term::Number(if (x > y) == max { x } else { y }));
        }
        let op = if max { Binary::Max } else { Binary::Min };
        if let (Some(x), Some(y)) = (self.int(a), self.int(b)) {
            let pick = |x: i64, y: i64| if max { x.max(y) } else { x.min(y) };
            let (lo, hi) = (pick(x.1, y.1), pick(x.2, y.2));
            return Ok(Term::Int(self.b.binary("pick", op, x.0, y.0), lo, hi));
        }
        let (x, y) = (self.float(a), self.float(b));
        Ok(Term::Float(self.b.binary("pick", op, x, y)))
    }

    fn select(&mut self, c: &Expr, a: &Expr, b: &Expr) -> Result<Term> {
        let c = self.condition(c)?;
        let (a, b) = (self.number(a)?, self.number(b)?);
        if let (Term::Int(..), _) | (_, Term::Int(..)) = (a, b)
            && let (Some(x), Some(y)) = (self.int(a), self.int(b))
        {
            let v = self.b.select("chosen", c, x.0, y.0);
            return Ok(Term::Int(v, x.1.min(y.1), x.2.max(y.2)));
        }
        let (a, b) = (self.float(a), self.float(b));
        Ok(Term::Float(self.b.select("chosen", c, a, b)))
    }

    fn condition(&mut self, e: &Expr) -> Result<Value> {
        use expr::Binary::{Add, And, Div, Eq, Ge, Gt, Le, Lt, Mul, Ne, Or, Rem, Sub};
        let (op, a, b) = match e {
            Expr::Binary(op, a, b) => (op, a, b),
            Expr::Unary(expr::Unary::Not, a) => {
                // The other comparison would differ for NaN.
                let c = self.condition(a)?;
                let (zero, one) = (self.fill(0.0), self.fill(1.0));
                let not = self.b.select("not", c, zero, one);
                return Ok(self.b.binary("not", Binary::Cmp(Compare::Ne), not, zero));
            }
            Expr::Number(_)
            | Expr::Name(_)
            | Expr::Unary(expr::Unary::Neg, _)
            | Expr::Call(..)
            | Expr::Reduce(..)
            | Expr::At(..) => {
                return Err(self.choice.unsupported("a number as a condition", "a comparison"));
            }
        };
        let cmp = match op {
            And | Or => {
                let (x, y) = (self.condition(a)?, self.condition(b)?);
                let op = if *op == And { Binary::And } else { Binary::Or };
                return Ok(self.b.binary("both", op, x, y));
            }
            Lt => Compare::Lt,
            Le => Compare::Le,
            Gt => Compare::Gt,
            Ge => Compare::Ge,
            Eq => Compare::Eq,
            Ne => Compare::Ne,
            Add | Sub | Mul | Div | Rem => {
                return Err(self.choice.unsupported("a number as a condition", "a comparison"));
            }
        };
        let (a, b) = (self.number(a)?, self.number(b)?);
        let whole = matches!((a, b), (Term::Int(..), _) | (_, Term::Int(..)));
        if whole && let (Some(x), Some(y)) = (self.int(a), self.int(b)) {
            return Ok(self.b.binary("is", Binary::Cmp(cmp), x.0, y.0));
        }
        let (x, y) = (self.float(a), self.float(b));
        Ok(self.b.binary("is", Binary::Cmp(cmp), x, y))
    }
}

/// Least and greatest value, of integers.
fn ends(t: Term) -> Option<(i64, i64)> {
    match t {
        Term::Int(_, lo, hi) => Some((lo, hi)),
        Term::Number(x) if x.fract() == 0.0 && x.abs() <= I32.1 as f64 => {
            Some((x as i64, x as i64))
        }
        Term::Number(_) | Term::Float(_) => None,
    }
}

/// A function of a number that is known now.
fn known(func: Func) -> Option<fn(f64) -> f64> {
    match func {
        Func::Exp => Some(f64::exp),
        Func::Log => Some(f64::ln),
        Func::Sqrt => Some(f64::sqrt),
        Func::Rsqrt => Some(|x| 1.0 / x.sqrt()),
        Func::Tanh => Some(f64::tanh),
        Func::Sigmoid => Some(|x| 1.0 / (1.0 + (-x).exp())),
        Func::Abs => Some(f64::abs),
        Func::Sin => Some(f64::sin),
        Func::Cos => Some(f64::cos),
        Func::Block | Func::Max | Func::Min | Func::Select | Func::F16Bits => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;
    use crate::testing::TARGET;
    use kgen_ir::{
        extent::{Dims, Extent},
        op::expr::{Dialect, parse},
        tensor::Tensor,
        tile::{
            Arg, Launch, Param, Program, Role, Slice, Stage, Store, Tensor as TileTensor, Variant,
            interp::{Mode, interp},
            verify,
        },
    };

    fn expression(text: &str) -> Expr {
        parse(text, Dialect::Row).map(|p| p.expr).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    }

    /// What the interpreter makes of `text` where x is a row of f32 and i one of i32.
    fn values(text: &str, x: &[f64], i: &[f64]) -> Vec<f64> {
        let choice = Choice { target: &TARGET, schedule: Schedule::default_for(&TARGET) };
        let count = x.len();
        let tensor = |name: &str, role, elem| TileTensor {
            name: name.into(),
            role,
            elem,
            shape: vec![Extent::from(count)],
            store: Store::Strided,
        };
        let params = vec![
            tensor("x", Role::In, Dtype::F32),
            tensor("i", Role::In, Dtype::I32),
            tensor("y", Role::Out, Dtype::F32),
        ];
        let mut b = Builder::new("k", params.iter().cloned().map(Param::Tensor).collect(), &[]);
        let all = || vec![Slice::range(0i64, count)];
        let mut leaf = |b: &mut Builder, e: &Expr| {
            let index = matches!(e, Expr::Name(n) if n == "i");
            let (name, elem) = if index { ("i", Dtype::I32) } else { ("x", Dtype::F32) };
            Ok(b.load(name, name, elem, all(), false))
        };
        let y = tile(&mut b, &expression(text), &[count], &choice, &mut leaf)
            .unwrap_or_else(|e| panic!("{text}: {e}"));
        b.store("y", all(), y, false);
        let args = params.iter().map(|t| Arg::Tensor(t.name.clone())).collect();
        let program = Program {
            name: "p".into(),
            symbols: vec![],
            params,
            prepares: vec![],
            buffers: vec![],
            kernels: vec![b.finish()],
            variants: vec![Variant {
                name: "all".into(),
                when: vec![],
                launches: vec![Launch { kernel: "k".into(), args }],
            }],
        };
        verify::verify(&program, Stage::Built).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let inputs = [("x", Dtype::F32, x), ("i", Dtype::I32, i)]
            .map(|(n, d, v)| (n.to_string(), Tensor::from_f64(d, &[count], v)));
        let dims = Dims { cores: 1, ..Dims::default() };
        let out = interp(&program, &dims, &inputs.into(), Mode::Exact);
        out.unwrap_or_else(|e| panic!("{text}: {e}"))["y"].clone()
    }

    #[test]
    fn every_function_is_what_it_says() {
        let x = [-2.5, -1.0, 0.25, 0.5, 3.0];
        let i = [-7.0, -1.0, 0.0, 5.0, 129.0];
        type Meaning = fn(f64, f64) -> f64;
        let cases: &[(&str, Meaning)] = &[
            ("exp(x)", |x, _| x.exp()),
            ("log(abs(x))", |x, _| x.abs().ln()),
            ("sqrt(abs(x)) + rsqrt(abs(x))", |x, _| x.abs().sqrt() + 1.0 / x.abs().sqrt()),
            ("tanh(x) - sigmoid(x)", |x, _| x.tanh() - 1.0 / (1.0 + (-x).exp())),
            ("sin(x) * cos(x)", |x, _| x.sin() * x.cos()),
            ("max(x, 0) + min(x, i)", |x, i| x.max(0.0) + x.min(i)),
            ("x % 2 + x / 4 + x / 3", |x, _| x.rem_euclid(2.0) + x / 4.0 + x / 3.0),
            ("i % 64 + abs(i) - -i", |_, i| i.rem_euclid(64.0) + i.abs() + i),
            ("i % 3 * 2 + min(i, 3)", |_, i| i.rem_euclid(3.0) * 2.0 + i.min(3.0)),
            ("i * i", |_, i| i * i),
            ("select(x < 0.5 && !(i >= 5) || i == 129, i, x)", |x, i| {
                if x < 0.5 && i < 5.0 || i == 129.0 { i } else { x }
            }),
            ("select(i % 2 != 1, 1, 2)", |_, i| if i.rem_euclid(2.0) != 1.0 { 1.0 } else { 2.0 }),
            ("select(x <= -1, 1, select(x > 0.25, 2, 3))", |x, _| {
                if x <= -1.0 {
                    1.0
                } else if x > 0.25 {
                    2.0
                } else {
                    3.0
                }
            }),
            ("f16bits(x) + f16bits(-1)", |x, _| {
                let [low, high] = Tensor::from_f64(Dtype::F16, &[1], &[x]).bytes[..] else {
                    return x;
                };
                f64::from(u16::from_le_bytes([low, high])) + f64::from(0xbc00u16)
            }),
            ("2 * log(10) % 3 + exp(1)", |_, _| (2.0 * 10f64.ln()).rem_euclid(3.0) + 1f64.exp()),
        ];
        for (text, meaning) in cases {
            for ((got, x), i) in values(text, &x, &i).iter().zip(x).zip(i) {
                let wanted = meaning(x, i);
                assert!((got - wanted).abs() < 1e-12, "{text} at {x}, {i}: {got}, not {wanted}");
            }
        }
    }

    #[test]
    fn integers_stay_exact_where_they_cannot_leave_their_type() {
        let odd = [16_777_217.0, -2_147_483_647.0];
        assert_eq!(values("select(i > 16777216, 1, 0)", &[0.0; 2], &odd), [1.0, 0.0]);
        assert_eq!(values("i % 4", &[0.0; 2], &odd), [1.0, 1.0]);
    }

    #[test]
    fn what_is_not_finite_passes() {
        let x = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(values("sigmoid(x)", &x, &[0.0; 3])[1..], [1.0, 0.0]);
        let y = values("select(!(x < 1), x, 0)", &x, &[0.0; 3]);
        assert!(y[0].is_nan() && y[1] == f64::INFINITY && y[2] == 0.0, "{y:?}");
        assert!(values("sin(x) + cos(x)", &x, &[0.0; 3]).iter().all(|y| y.is_nan()));
    }

    #[test]
    fn what_has_no_tile_is_told() {
        let choice = Choice { target: &TARGET, schedule: Schedule::default_for(&TARGET) };
        let mut b = Builder::new("k", vec![], &[]);
        let mut leaf = |b: &mut Builder, _: &Expr| Ok(b.fill(0.0, Dtype::I64, &[1]));
        let error = tile(&mut b, &expression("x + 1"), &[4], &choice, &mut leaf).unwrap_err();
        assert!(error.to_string().contains("i64 elements in an expression"), "{error}");
        let condition = parse("1 < 2", Dialect::Mask).map(|p| p.expr).unwrap();
        let error = tile(&mut b, &condition, &[4], &choice, &mut leaf).unwrap_err();
        assert!(error.to_string().contains("a condition where a number stands"), "{error}");
        let number =
            Expr::Call(Func::Select, vec![Expr::Number(1.0), Expr::Number(1.0), Expr::Number(2.0)]);
        let error = tile(&mut b, &number, &[4], &choice, &mut leaf).unwrap_err();
        assert!(error.to_string().contains("a number as a condition"), "{error}");
        let block = Expr::Call(Func::Block, vec![Expr::Number(1.0), Expr::Number(2.0)]);
        let error = tile(&mut b, &block, &[4], &choice, &mut leaf).unwrap_err();
        assert!(error.to_string().contains("`block` of a value"), "{error}");
        let short = Expr::Call(Func::Max, vec![]);
        let error = tile(&mut b, &short, &[4], &choice, &mut leaf).unwrap_err();
        assert!(error.to_string().contains("a function of these arguments"), "{error}");
    }
}
