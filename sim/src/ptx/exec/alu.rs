//! Arithmetic of lanes that is more than a table of functions: floats, conversions, comparisons, packing.

use super::{Warp, each, lanes, predicate, put, put_predicate};
use crate::ptx::{
    float::{self, Conversion, F16, F32, F64, Format, Round, Saturate},
    op::{
        AddressSpace, Alu, Compare, Cvt, Float, FloatOp, FloatTest, Lanes, Logic, Predicate, Type,
        mask_of, signed,
    },
};
use std::cmp::Ordering;

/// One operation of floats in all lanes of the mask.
pub fn float(f: &Float, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32) -> Lanes {
    if f.format == F32 && !f.packed && f.how == Conversion::nearest() {
        // Rust's f32 is PTX's, but for the bits of a NaN.
        let single = |x: u64| f32::from_bits(x as u32);
        let bits = |x: f32| u64::from(float::canonical(x).to_bits());
        match f.op {
            FloatOp::Add => return std::array::from_fn(|i| bits(single(a[i]) + single(b[i]))),
            FloatOp::Sub => return std::array::from_fn(|i| bits(single(a[i]) - single(b[i]))),
            FloatOp::Mul => return std::array::from_fn(|i| bits(single(a[i]) * single(b[i]))),
            FloatOp::Div => return std::array::from_fn(|i| bits(single(a[i]) / single(b[i]))),
            FloatOp::Fma => {
                // The product is exact in f64; only ties after the addition need care.
                return std::array::from_fn(|i| {
                    let sum =
                        float::fma(single(a[i]).into(), single(b[i]).into(), single(c[i]).into());
                    bits(sum as f32)
                });
            }
            FloatOp::Min(_)
            | FloatOp::Max(_)
            | FloatOp::Neg
            | FloatOp::Abs
            | FloatOp::Rcp
            | FloatOp::Sqrt
            | FloatOp::Rsqrt
            | FloatOp::Sin
            | FloatOp::Cos
            | FloatOp::Ex2
            | FloatOp::Lg2
            | FloatOp::Tanh
            | FloatOp::CopySign => {}
        }
    }
    let mut out = [0; 32];
    for i in each(mask) {
        out[i] = if f.packed {
            let bits = f.format.bits;
            let half = |x: u64, at: u32| x >> (at * bits) & mask_of(bits);
            (0..2).fold(0, |sum, at| {
                sum | one(f, half(a[i], at), half(b[i], at), half(c[i], at)) << (at * bits)
            })
        } else {
            one(f, a[i], b[i], c[i])
        };
    }
    out
}

fn value(format: Format, bits: u64, flush: bool) -> f64 {
    if format == F32 {
        let x = f32::from_bits(bits as u32);
        return if flush { float::flushed(x) } else { x }.into();
    }
    if format == F16 {
        return half::f16::from_bits(bits as u16).to_f64();
    }
    format.decode(bits)
}

fn one(f: &Float, a: u64, b: u64, c: u64) -> u64 {
    let sign = 1u64 << (f.format.bits - 1);
    if f.op == FloatOp::CopySign {
        return b & !sign | a & sign;
    }
    if f.op == FloatOp::Neg && !f.how.flush {
        return a ^ sign;
    }
    if f.op == FloatOp::Abs && !f.how.flush {
        return a & !sign;
    }
    if f.format == F64 {
        return double(f, a, b, c);
    }
    let flush = f.how.flush && f.format == F32;
    let [x, y, z] = [a, b, c].map(|bits| value(f.format, bits, flush));
    let result = match f.op {
        FloatOp::Add => float::add(x, y),
        FloatOp::Sub => float::add(x, -y),
        FloatOp::Mul => float::mul(x, y),
        FloatOp::Div => float::div(x, y),
        FloatOp::Fma => float::fma(x, y, z),
        FloatOp::Min(nan) => float::lesser(x, y, nan),
        FloatOp::Max(nan) => float::greater(x, y, nan),
        FloatOp::Neg => -x,
        FloatOp::Abs => x.abs(),
        FloatOp::Rcp => float::div(1.0, x),
        FloatOp::Sqrt => float::sqrt(x),
        FloatOp::Rsqrt => 1.0 / x.sqrt(),
        FloatOp::Sin => x.sin(),
        FloatOp::Cos => x.cos(),
        FloatOp::Ex2 => x.exp2(),
        FloatOp::Lg2 => x.log2(),
        FloatOp::Tanh => x.tanh(),
        FloatOp::CopySign => x,
    };
    if f.format == F32
        && f.how.round == Round::Nearest
        && f.how.saturate == Saturate::No
        && !f.how.relu
    {
        let x = float::canonical(result as f32);
        return u64::from(if flush { float::flushed(x) } else { x }.to_bits());
    }
    f.format.encode(result, f.how)
}

fn double(f: &Float, a: u64, b: u64, c: u64) -> u64 {
    let [x, y, z] = [a, b, c].map(f64::from_bits);
    let result = match f.op {
        FloatOp::Add => x + y,
        FloatOp::Sub => x - y,
        FloatOp::Mul => x * y,
        FloatOp::Div => x / y,
        FloatOp::Fma => x.mul_add(y, z),
        FloatOp::Min(nan) => float::lesser(x, y, nan),
        FloatOp::Max(nan) => float::greater(x, y, nan),
        FloatOp::Neg => -x,
        FloatOp::Abs => x.abs(),
        FloatOp::Rcp => 1.0 / x,
        FloatOp::Sqrt => x.sqrt(),
        FloatOp::Rsqrt => 1.0 / x.sqrt(),
        FloatOp::Sin => x.sin(),
        FloatOp::Cos => x.cos(),
        FloatOp::Ex2 => x.exp2(),
        FloatOp::Lg2 => x.log2(),
        FloatOp::Tanh => x.tanh(),
        FloatOp::CopySign => y.copysign(x),
    };
    F64.encode(result, f.how)
}

fn convert(cvt: &Cvt, x: u64) -> u64 {
    let integer = |kind: Type| match kind {
        Type::Unsigned(n) | Type::Bits(n) => Some((n, false)),
        Type::Signed(n) => Some((n, true)),
        Type::Float(_) | Type::Pair(_) | Type::Predicate => None,
    };
    let format = |kind: Type| match kind {
        Type::Float(f) | Type::Pair(f) => f,
        Type::Unsigned(_) | Type::Signed(_) | Type::Bits(_) | Type::Predicate => F32,
    };
    let extend = |x: u64, bits: u32, with_sign: bool| {
        if with_sign { signed(x, bits) as u64 & mask_of(cvt.width) } else { x & mask_of(bits) }
    };
    match (integer(cvt.from), integer(cvt.to)) {
        (Some((from, sign)), Some((to, keeps))) => {
            let x: i128 = if sign { signed(x, from).into() } else { (x & mask_of(from)).into() };
            let x = if cvt.clamp {
                let (low, high) = if keeps {
                    (-(1i128 << (to - 1)), (1i128 << (to - 1)) - 1)
                } else {
                    (0, (1i128 << to) - 1)
                };
                x.clamp(low, high)
            } else {
                x
            };
            extend(x as u64, to, keeps)
        }
        (Some((from, sign)), None) => {
            let x: i128 = if sign { signed(x, from).into() } else { (x & mask_of(from)).into() };
            format(cvt.to).of_int(x, cvt.how)
        }
        (None, Some((to, keeps))) => {
            let from = format(cvt.from);
            let x = value(from, x, cvt.how.flush);
            let round = cvt.whole.unwrap_or(Round::Zero);
            extend(float::to_int(x, round, to, keeps, from == F64), to, keeps)
        }
        (None, None) => {
            let (from, to) = (format(cvt.from), format(cvt.to));
            let x = value(from, x, cvt.how.flush && from == F32);
            let x = cvt.whole.map_or(x, |round| float::whole(x, round));
            to.encode(x, cvt.how)
        }
    }
}

fn accepts(compare: Compare, kind: Type, flush: bool, a: u64, b: u64) -> bool {
    let order = match kind {
        Type::Signed(n) => Some(signed(a, n).cmp(&signed(b, n))),
        Type::Unsigned(n) | Type::Bits(n) => Some((a & mask_of(n)).cmp(&(b & mask_of(n)))),
        Type::Predicate => Some(a.cmp(&b)),
        Type::Float(f) | Type::Pair(f) => value(f, a, flush).partial_cmp(&value(f, b, flush)),
    };
    let bit = match order {
        Some(Ordering::Less) => 1,
        Some(Ordering::Equal) => 2,
        Some(Ordering::Greater) => 4,
        None => 8,
    };
    compare.0 & bit != 0
}

/// Lanes that a comparison accepts; of pairs, the lower and the upper halves.
fn compare(warp: &Warp<'_>, how: (Compare, Type, bool), a: u32, b: u32, mask: u32) -> [u32; 2] {
    let (a, b) = (&warp.registers[a as usize], &warp.registers[b as usize]);
    let (accept, kind, flush) = how;
    let mut out = [0; 2];
    for i in each(mask) {
        match kind {
            Type::Pair(f) => {
                for (at, to) in out.iter_mut().enumerate() {
                    let half = |x: u64| x >> (at as u32 * f.bits) & mask_of(f.bits);
                    *to |=
                        u32::from(accepts(accept, Type::Float(f), flush, half(a[i]), half(b[i])))
                            << i;
                }
            }
            Type::Unsigned(_)
            | Type::Signed(_)
            | Type::Bits(_)
            | Type::Float(_)
            | Type::Predicate => {
                out[0] |= u32::from(accepts(accept, kind, flush, a[i], b[i])) << i;
            }
        }
    }
    out
}

fn combine(warp: &Warp<'_>, x: u32, logic: Option<(Logic, Predicate)>) -> u32 {
    match logic {
        None => x,
        Some((logic, p)) => join(logic, x, predicate(&warp.predicates, p)),
    }
}

fn join(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

pub fn execute(warp: &mut Warp<'_>, op: &Alu, mask: u32) {
    match op {
        Alu::Bfi { d, a, b, c, e, bits } => {
            let r = &warp.registers;
            let [a, b, c, e] = [a, b, c, e].map(|s| &r[*s as usize]);
            let value = std::array::from_fn(|i| lanes::insert(a[i], b[i], c[i], e[i], *bits));
            put(warp, *d, &value, mask);
        }
        Alu::Lop3 { d, p, table, a, b, c, logic } => {
            let r = &warp.registers;
            let [a, b, c] = [a, b, c].map(|s| &r[*s as usize]);
            let value: Lanes = std::array::from_fn(|i| lanes::lop3(a[i], b[i], c[i], *table));
            let some = value.iter().enumerate().fold(0, |m, (i, x)| m | u32::from(*x != 0) << i);
            let some = combine(warp, some, *logic);
            put(warp, *d, &value, mask);
            put_predicate(warp, *p, some, mask);
        }
        Alu::Carry { d, a, b, bits, minus, takes, gives, .. } => {
            let r = &warp.registers;
            let (a, b) = (&r[*a as usize], &r[*b as usize]);
            let carry = warp.carry;
            let (mut out, mut left) = ([0; 32], carry);
            for i in each(mask) {
                let (x, y) = (u128::from(a[i] & mask_of(*bits)), u128::from(b[i] & mask_of(*bits)));
                // A borrow is a carry that is missing.
                let y = if *minus { y ^ u128::from(mask_of(*bits)) } else { y };
                let first = if *takes { u128::from(carry >> i & 1) } else { u128::from(*minus) };
                let sum = x + y + first;
                out[i] = sum as u64 & mask_of(*bits);
                left = left & !(1 << i) | u32::from(sum >> bits != 0) << i;
            }
            if *gives {
                warp.carry = left;
            }
            put(warp, *d, &out, mask);
        }
        Alu::Convert { cvt, d, a } => {
            let a = &warp.registers[*a as usize];
            let mut out = [0; 32];
            each(mask).for_each(|i| out[i] = convert(cvt, a[i]));
            put(warp, *d, &out, mask);
        }
        Alu::ConvertPair { cvt, d, high, low } => {
            let (high, low) = (&warp.registers[*high as usize], &warp.registers[*low as usize]);
            let half = cvt.to.bits() / 2;
            let mut out = [0; 32];
            each(mask).for_each(|i| out[i] = convert(cvt, high[i]) << half | convert(cvt, low[i]));
            put(warp, *d, &out, mask);
        }
        Alu::ConvertHalves { cvt, d, a } => {
            let a = &warp.registers[*a as usize];
            let (from, to) = (cvt.from.bits() / 2, cvt.to.bits() / 2);
            let mut out = [0; 32];
            for i in each(mask) {
                let half = |at: u32| convert(cvt, a[i] >> (at * from) & mask_of(from)) << (at * to);
                out[i] = half(0) | half(1);
            }
            put(warp, *d, &out, mask);
        }
        Alu::SetPredicate { compare: accept, kind, flush, p, q, a, b, logic } => {
            let [low, high] = compare(warp, (*accept, *kind, *flush), *a, *b, mask);
            let second = if matches!(kind, Type::Pair(_)) { high } else { !low };
            let (low, second) = (combine(warp, low, *logic), combine(warp, second, *logic));
            put_predicate(warp, *p, low, mask);
            put_predicate(warp, *q, second, mask);
        }
        Alu::Set { compare: accept, kind, flush, d, yes, a, b, logic } => {
            let [low, high] = compare(warp, (*accept, *kind, *flush), *a, *b, mask);
            let (low, high) = (combine(warp, low, *logic), combine(warp, high, *logic));
            let pair = matches!(kind, Type::Pair(_));
            let out = std::array::from_fn(|i| {
                let at = |m: u32| if m >> i & 1 == 1 { *yes } else { 0 };
                if pair { at(low) | at(high) << 16 } else { at(low) }
            });
            put(warp, *d, &out, mask);
        }
        Alu::Select { d, a, b, p } => {
            let p = predicate(&warp.predicates, *p);
            let (a, b) = (&warp.registers[*a as usize], &warp.registers[*b as usize]);
            let out = std::array::from_fn(|i| if p >> i & 1 == 1 { a[i] } else { b[i] });
            put(warp, *d, &out, mask);
        }
        Alu::SelectPredicate { d, a, b, p } => {
            let [a, b, p] = [a, b, p].map(|x| predicate(&warp.predicates, *x));
            put_predicate(warp, *d, a & p | b & !p, mask);
        }
        Alu::Predicates { logic, d, a, b } => {
            let [a, b] = [a, b].map(|x| predicate(&warp.predicates, *x));
            put_predicate(warp, *d, join(*logic, a, b), mask);
        }
        Alu::TestFloat { p, a, format, test } => {
            let a = &warp.registers[*a as usize];
            let mut out = 0;
            for i in each(mask) {
                let x = value(*format, a[i], false);
                let smallest =
                    if *format == F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
                let subnormal = x != 0.0 && x.abs() < smallest;
                let yes = match test {
                    FloatTest::Finite => x.is_finite(),
                    FloatTest::Infinite => x.is_infinite(),
                    FloatTest::Number => !x.is_nan(),
                    FloatTest::NotANumber => x.is_nan(),
                    FloatTest::Normal => x.is_finite() && x != 0.0 && !subnormal,
                    FloatTest::Subnormal => subnormal,
                };
                out |= u32::from(yes) << i;
            }
            put_predicate(warp, *p, out, mask);
        }
        Alu::Pack { d, parts, bits } => {
            let mut out = [0; 32];
            for (n, part) in parts.iter().enumerate() {
                let part = &warp.registers[*part as usize];
                for (to, from) in out.iter_mut().zip(part) {
                    *to |= (from & mask_of(*bits)) << (n as u32 * bits);
                }
            }
            put(warp, *d, &out, mask);
        }
        Alu::Unpack { parts, a, bits } => {
            let a = warp.registers[*a as usize];
            for (n, part) in parts.iter().enumerate() {
                let value = a.map(|x| x >> (n as u32 * bits) & mask_of(*bits));
                put(warp, *part, &value, mask);
            }
        }
        Alu::IsSpace { p, a, space } => {
            let a = &warp.registers[*a as usize];
            let window = match space {
                AddressSpace::Shared => 1,
                AddressSpace::Local => 2,
                AddressSpace::Param => 3,
                AddressSpace::Global | AddressSpace::Generic => 0,
            };
            let of = |x: u64| if x >> 40 <= 3 { x >> 40 } else { 0 };
            let out =
                a.iter().enumerate().fold(0, |m, (i, x)| m | u32::from(of(*x) == window) << i);
            put_predicate(warp, *p, out, mask);
        }
    }
}
