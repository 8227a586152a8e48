//! Value expressions over a row, in f64, each value with a bound on the error that f32 arithmetic may have.
//!
//! Errors go through to first order: `x + y` may be off by both errors and its own rounding, `f(x)` by the error of
//! `x` times the slope of `f` and the rounding of `f` (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3).

use crate::bound::{self, C2, EXP, U32, depth};
use kgen_ir::{
    dtype::Dtype,
    op::expr::{Binary, Expr, Func, Reduce, Unary},
};

/// A value, and how far a kernel may be from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    pub y: f64,
    /// Infinite where rounding may make anything of it, as of `1 / (x - y)` with x near y.
    pub e: f64,
    /// Whether a NaN or an infinity entered.
    pub tainted: bool,
}

impl Value {
    pub fn exact(y: f64) -> Value {
        Value::of(y, 0.0)
    }

    pub fn of(y: f64, e: f64) -> Value {
        // Infinities and NaN have no neighbours; 0 times an infinite error is unknown.
        let e = if !y.is_finite() {
            0.0
        } else if e.is_nan() {
            f64::INFINITY
        } else {
            e
        };
        Value { y, e, tainted: !y.is_finite() }
    }

    /// With a rounding of the result added.
    fn rounded(y: f64, e: f64) -> Value {
        Value::of(y, e + C2 * U32 * y.abs())
    }

    /// Computed from others, one of which may have been tainted.
    pub fn after(self, tainted: bool) -> Value {
        Value { tainted: self.tainted || tainted, ..self }
    }

    /// The bound of an output of this type, and whether NaN is right too.
    pub fn outcome(self, out: Dtype) -> (f64, bool) {
        if !self.y.is_finite() {
            (0.0, true)
        } else if self.e.is_infinite() {
            (f64::INFINITY, true)
        } else {
            (self.e + bound::rounding(out, self.y, self.e), self.tainted)
        }
    }

    /// As another expression may read it back from an output of this type.
    pub fn stored(self, out: Dtype) -> Value {
        let whole = bound::unit(out) == 0.0 && self.e == 0.0 && self.y.fract() == 0.0;
        if whole { self } else { Value { e: self.outcome(out).0, ..self } }
    }
}

/// What a name is, alone or with indices behind it.
pub type Leaf<'a> = dyn Fn(&str, &[Expr]) -> Option<Vec<Value>> + 'a;

/// The elements of a row, or one value for all of them; `None` for a name that has none.
pub fn eval(expr: &Expr, width: usize, leaf: &Leaf) -> Option<Vec<Value>> {
    Some(match expr {
        Expr::Number(x) => {
            let stored = f64::from(*x as f32);
            vec![Value::of(*x, (stored - x).abs())]
        }
        Expr::Name(n) => leaf(n, &[])?,
        Expr::At(n, indices) => leaf(n, indices)?,
        Expr::Unary(op, a) => {
            eval(a, width, leaf)?.into_iter().map(|a| unary(*op, a).after(a.tainted)).collect()
        }
        Expr::Binary(op, a, b) => {
            both(eval(a, width, leaf)?, eval(b, width, leaf)?, |a, b| binary(*op, a, b))
        }
        Expr::Call(func @ (Func::Max | Func::Min | Func::Block), args) => {
            let [a, b] = &args[..] else { return None };
            both(eval(a, width, leaf)?, eval(b, width, leaf)?, |a, b| pair(*func, a, b))
        }
        Expr::Call(Func::Select, args) => {
            let [c, a, b] = &args[..] else { return None };
            let (c, a, b) = (eval(c, width, leaf)?, eval(a, width, leaf)?, eval(b, width, leaf)?);
            let count = c.len().max(a.len()).max(b.len());
            let at = |list: &[Value], i: usize| if list.len() == 1 { list[0] } else { list[i] };
            (0..count).map(|i| choose(at(&c, i), at(&a, i), at(&b, i))).collect()
        }
        Expr::Call(func, args) => {
            let [a] = &args[..] else { return None };
            eval(a, width, leaf)?.into_iter().map(|a| call(*func, a).after(a.tainted)).collect()
        }
        Expr::Reduce(op, a) => {
            let a = eval(a, width, leaf)?;
            // One value stands for a whole row.
            let all = if a.len() == width { a } else { vec![*a.first()?; width] };
            vec![reduce(*op, &all).after(all.iter().any(|v| v.tainted))]
        }
    })
}

fn both(a: Vec<Value>, b: Vec<Value>, f: impl Fn(Value, Value) -> Value) -> Vec<Value> {
    let count = if a.len() == 1 { b.len() } else { a.len() };
    let at = |list: &[Value], i: usize| if list.len() == 1 { list[0] } else { list[i] };
    let pair = |i| (at(&a, i), at(&b, i));
    (0..count).map(pair).map(|(a, b)| f(a, b).after(a.tainted || b.tainted)).collect()
}

/// Nothing of what is not chosen shows, unless the condition itself may be wrong.
fn choose(c: Value, a: Value, b: Value) -> Value {
    let (chosen, other) = if c.y != 0.0 { (a, b) } else { (b, a) };
    let tainted = c.tainted || chosen.tainted;
    if c.e == 0.0 {
        return chosen.after(tainted);
    }
    let e = (chosen.y - other.y).abs() + chosen.e + other.e;
    Value::of(chosen.y, e).after(tainted || other.tainted)
}

fn truth(is: bool, doubtful: bool) -> Value {
    Value::of(f64::from(u8::from(is)), f64::from(u8::from(doubtful)))
}

fn unary(op: Unary, a: Value) -> Value {
    match op {
        Unary::Neg => Value::of(-a.y, a.e),
        Unary::Not => Value::of(f64::from(u8::from(a.y == 0.0)), a.e.min(1.0)),
    }
}

fn binary(op: Binary, a: Value, b: Value) -> Value {
    let either = a.e + b.e;
    let compare = |is: bool| truth(is, either > 0.0 && (a.y - b.y).abs() <= either);
    match op {
        Binary::Add => Value::rounded(a.y + b.y, either),
        Binary::Sub => Value::rounded(a.y - b.y, either),
        Binary::Mul => Value::rounded(a.y * b.y, a.y.abs() * b.e + b.y.abs() * a.e + a.e * b.e),
        Binary::Div => {
            let y = a.y / b.y;
            // A divisor that might be zero may give anything.
            let least = b.y.abs() - b.e;
            let e = if b.e == 0.0 && a.e == 0.0 {
                0.0
            } else if least > 0.0 {
                (a.e + y.abs() * b.e) / least
            } else {
                f64::INFINITY
            };
            Value::rounded(y, e)
        }
        Binary::Rem => {
            let times = (a.y / b.y).floor();
            let y = a.y - times * b.y;
            let e = a.e + times.abs() * b.e + C2 * U32 * a.y.abs();
            // Near a multiple a kernel may stand on its other side, a whole divisor away.
            let near = either > 0.0 && (y.abs() <= e || (b.y - y).abs() <= e);
            Value::rounded(y, if near { e + b.y.abs() } else { e })
        }
        Binary::Lt => compare(a.y < b.y),
        Binary::Le => compare(a.y <= b.y),
        Binary::Gt => compare(a.y > b.y),
        Binary::Ge => compare(a.y >= b.y),
        Binary::Eq => compare(a.y == b.y),
        Binary::Ne => compare(a.y != b.y),
        Binary::And => truth(a.y != 0.0 && b.y != 0.0, either > 0.0),
        Binary::Or => truth(a.y != 0.0 || b.y != 0.0, either > 0.0),
    }
}

fn pair(func: Func, a: Value, b: Value) -> Value {
    match func {
        Func::Max => Value::of(if a.y > b.y { a.y } else { b.y }, a.e.max(b.e)),
        Func::Min => Value::of(if a.y < b.y { a.y } else { b.y }, a.e.max(b.e)),
        Func::Block
        | Func::Exp
        | Func::Log
        | Func::Sqrt
        | Func::Rsqrt
        | Func::Tanh
        | Func::Sigmoid
        | Func::Abs
        | Func::Sin
        | Func::Cos
        | Func::F16Bits
        | Func::Select => {
            let y = (a.y / b.y).floor();
            Value::of(y, if a.e + b.e > 0.0 { 1.0 } else { 0.0 })
        }
    }
}

fn call(func: Func, a: Value) -> Value {
    match func {
        Func::Abs => Value::of(a.y.abs(), a.e),
        Func::Exp => {
            let y = a.y.exp();
            // A kernel takes powers of 2: the argument is multiplied, and rounded, first.
            Value::rounded(y, y * ((a.e + C2 * U32 * a.y.abs()).exp_m1() + EXP))
        }
        Func::Log => {
            let least = a.y - a.e;
            let e = if a.e == 0.0 {
                0.0
            } else if least > 0.0 {
                a.e / least
            } else {
                f64::INFINITY
            };
            Value::rounded(a.y.ln(), e + C2 * U32)
        }
        Func::Sqrt => {
            let y = a.y.sqrt();
            let e = if a.e == 0.0 { 0.0 } else { (a.y + a.e).sqrt() - (a.y - a.e).max(0.0).sqrt() };
            Value::rounded(y, e)
        }
        Func::Rsqrt => {
            let y = 1.0 / a.y.sqrt();
            let least = a.y - a.e;
            let e = if a.e == 0.0 {
                0.0
            } else if least > 0.0 {
                1.0 / least.sqrt() - 1.0 / (a.y + a.e).sqrt()
            } else {
                f64::INFINITY
            };
            Value::rounded(y, e + C2 * U32 * y.abs())
        }
        Func::Tanh => Value::rounded(a.y.tanh(), rising(f64::tanh, a) + EXP),
        Func::Sigmoid => {
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let y = sigmoid(a.y);
            Value::rounded(y, rising(sigmoid, a) + (EXP + C2 * U32 * a.y.abs()) * y)
        }
        Func::Sin => Value::rounded(a.y.sin(), a.e.min(2.0) + C2 * U32 * (1.0 + a.y.abs())),
        Func::Cos => Value::rounded(a.y.cos(), a.e.min(2.0) + C2 * U32 * (1.0 + a.y.abs())),
        Func::F16Bits => {
            let y = half(a.y);
            let reach = (half(a.y - a.e) - y).abs().max((half(a.y + a.e) - y).abs());
            Value::of(y, reach)
        }
        // Of more arguments.
        Func::Block | Func::Max | Func::Min | Func::Select => a,
    }
}

/// The bits of the nearest f16 as a number; of what is none, those of a quiet NaN.
fn half(x: f64) -> f64 {
    let stored = kgen_ir::tensor::Tensor::from_f64(Dtype::F16, &[1], &[x]);
    stored.bytes.iter().rev().fold(0.0, |bits, byte| bits * 256.0 + f64::from(*byte))
}

/// How far a rising function moves over the error of its argument.
fn rising(f: impl Fn(f64) -> f64, a: Value) -> f64 {
    (f(a.y + a.e) - f(a.y)).max(f(a.y) - f(a.y - a.e))
}

fn reduce(op: Reduce, all: &[Value]) -> Value {
    let count = all.len() as f64;
    let sum = || {
        let y: f64 = all.iter().map(|v| v.y).sum();
        let size: f64 = all.iter().map(|v| v.y.abs()).sum();
        let e: f64 = all.iter().map(|v| v.e).sum();
        Value::of(y, e + C2 * U32 * depth(all.len()) * size)
    };
    let worst = all.iter().fold(0f64, |e, v| e.max(v.e));
    match op {
        Reduce::Sum => sum(),
        Reduce::Mean => {
            let total = sum();
            Value::rounded(total.y / count, total.e / count)
        }
        Reduce::Max => {
            let y = all
                .iter()
                .fold(f64::NEG_INFINITY, |y, v| if v.y.is_nan() || v.y > y { v.y } else { y });
            Value::of(y, worst)
        }
        Reduce::Min => {
            let y = all
                .iter()
                .fold(f64::INFINITY, |y, v| if v.y.is_nan() || v.y < y { v.y } else { y });
            Value::of(y, worst)
        }
        Reduce::Argmax => {
            let mut best = 0;
            for (i, v) in all.iter().enumerate() {
                // The lower one of equals.
                if v.y > all[best].y {
                    best = i;
                }
            }
            let near = |(i, v): (usize, &Value)| {
                i != best && worst > 0.0 && v.y + v.e + all[best].e >= all[best].y
            };
            // NaN has no order: any index is right.
            let unordered = all.iter().any(|v| v.y.is_nan());
            let doubtful = unordered || all.iter().enumerate().any(near);
            Value::of(best as f64, if doubtful { count } else { 0.0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::op::expr::{Dialect, parse};

    fn row(text: &str, x: &[f64]) -> Vec<Value> {
        let expr = parse(text, Dialect::Row).map_err(|d| d.message).unwrap().expr;
        let all = || x.iter().map(|x| Value::exact(*x)).collect::<Vec<_>>();
        eval(&expr, x.len(), &|n, _| (n == "x").then(all)).unwrap()
    }

    fn values(text: &str, x: &[f64]) -> Vec<f64> {
        row(text, x).iter().map(|v| v.y).collect()
    }

    #[test]
    fn known_answers() {
        // 3 and 4 over the root of their mean square, 5 / sqrt(2).
        let y = values("x * rsqrt(mean(x * x))", &[3.0, 4.0]);
        assert!((y[0] - 3.0 * 2f64.sqrt() / 5.0).abs() < 1e-15);
        assert!((y[1] - 4.0 * 2f64.sqrt() / 5.0).abs() < 1e-15);
        assert_eq!(values("x * sigmoid(x)", &[0.0]), [0.0]);
        let y = values("exp(x) / sum(exp(x))", &[0.0, 3f64.ln()]);
        assert!((y[0] - 0.25).abs() < 1e-15 && (y[1] - 0.75).abs() < 1e-15);
        assert_eq!(values("argmax(x)", &[1.0, 5.0, 5.0, 2.0]), [1.0]);
        assert_eq!(values("max(x) - min(x)", &[1.0, -5.0, 2.0]), [7.0]);
        assert_eq!(values("mean(2)", &[1.0, 1.0, 1.0]), [2.0]);
    }

    #[test]
    fn whatever_is_not_finite_shows() {
        assert!(values("x + 1", &[f64::NAN])[0].is_nan());
        assert!(values("sum(x)", &[f64::INFINITY, f64::NEG_INFINITY])[0].is_nan());
        assert!(values("max(x)", &[1.0, f64::NAN, 2.0])[0].is_nan());
        assert_eq!(values("1 / x", &[0.0]), [f64::INFINITY]);
    }

    #[test]
    fn f32_stays_within_the_bound() {
        let x: Vec<f64> =
            (0..257).map(|i| f64::from(((i * 37 % 101) as f32 - 50.0) / 7.0)).collect();
        let norm = {
            let square: f32 = x.iter().map(|x| *x as f32 * *x as f32).sum();
            1.0 / (square / 257.0 + 1e-5f32).sqrt()
        };
        for (v, x) in row("x * rsqrt(mean(x * x) + 1e-5)", &x).iter().zip(&x) {
            let got = f64::from(*x as f32 * norm);
            assert!((got - v.y).abs() <= v.e, "{got} {v:?}");
            assert!(v.e <= 1e-4 * (1.0 + v.y.abs()), "{v:?}");
        }
        for (v, x) in row("x * sigmoid(x)", &x).iter().zip(&x) {
            let x = *x as f32;
            let got = f64::from(x / (1.0 + (-x).exp()));
            assert!((got - v.y).abs() <= v.e, "{got} {v:?}");
        }
    }
}
