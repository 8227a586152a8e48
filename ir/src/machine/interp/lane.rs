//! What instructions make of integers and of one lane: words to a word.

use crate::machine::*;

pub(super) fn integer(op: IntOp, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        IntOp::Add => a.wrapping_add(b),
        IntOp::Sub => a.wrapping_sub(b),
        IntOp::Mul => a.wrapping_mul(b),
        IntOp::Div if b > 0 => a.div_euclid(b),
        IntOp::Rem if b > 0 => a.rem_euclid(b),
        IntOp::Div | IntOp::Rem => return None,
        IntOp::Min => a.min(b),
        IntOp::Max => a.max(b),
    })
}

/// Bits of every quiet NaN.
const QUIET: u32 = 0x7fc0_0000;

/// `a - floor(a)`, rounded down.
fn fraction(a: f32) -> f32 {
    let exact = f64::from(a) - f64::from(a.floor());
    if exact == 0.0 {
        return -0.0;
    }
    let near = exact as f32;
    let down = if f64::from(near) > exact { near.next_down() } else { near };
    // Below 1 whatever f64 made of it.
    if down >= 1.0 { 1f32.next_down() } else { down }
}

/// Ops whose result in a lane depends on that lane of the operands alone.
pub(super) fn in_lane(op: &Op, [x, y, z]: [u32; 3]) -> u32 {
    let (a, b, c) = (f32::from_bits(x), f32::from_bits(y), f32::from_bits(z));
    let mask = |truth: bool| if truth { u32::MAX } else { 0 };
    match op {
        Op::Float(op) => match op {
            FloatOp::Add => (a + b).to_bits(),
            FloatOp::Sub => (a - b).to_bits(),
            FloatOp::Mul => (a * b).to_bits(),
            FloatOp::Div => (a / b).to_bits(),
            FloatOp::Max => {
                if a > b {
                    x
                } else {
                    y
                }
            }
            FloatOp::Min => {
                if a < b {
                    x
                } else {
                    y
                }
            }
            // Products with powers of two are exact in f64.
            FloatOp::Scale if x & QUIET == QUIET && b.is_infinite() => b.exp2().to_bits(),
            FloatOp::Scale => {
                let power = f64::from(b.floor()).clamp(-400.0, 400.0).exp2();
                let power = if b.is_infinite() { f64::from(b).exp2() } else { power };
                ((f64::from(a) * power) as f32).to_bits()
            }
        },
        Op::FloatUnary(op) => match op {
            FloatUnary::Neg => x ^ 0x8000_0000,
            FloatUnary::Abs => x & 0x7fff_ffff,
            FloatUnary::Sqrt => a.sqrt().to_bits(),
            FloatUnary::Floor => a.floor().to_bits(),
            FloatUnary::Nearest => a.round_ties_even().to_bits(),
            FloatUnary::Fraction if a.is_infinite() => 0,
            FloatUnary::Fraction => fraction(a).to_bits(),
            FloatUnary::Exp2 => (f64::from(a).exp2() as f32).to_bits(),
            FloatUnary::Log2 => (f64::from(a).log2() as f32).to_bits(),
            FloatUnary::Tanh => (f64::from(a).tanh() as f32).to_bits(),
            FloatUnary::Sin => (turn(a).sin() as f32).to_bits(),
            FloatUnary::Cos => (turn(a).cos() as f32).to_bits(),
        },
        Op::Fma => a.mul_add(b, c).to_bits(),
        Op::Word(op) => match op {
            WordOp::Add => x.wrapping_add(y),
            WordOp::Sub => x.wrapping_sub(y),
            WordOp::Mul => x.wrapping_mul(y),
            WordOp::And => x & y,
            WordOp::Or => x | y,
            WordOp::Xor => x ^ y,
            WordOp::Min => (x as i32).min(y as i32) as u32,
            WordOp::Max => (x as i32).max(y as i32) as u32,
        },
        Op::Shift(op) => match op {
            ShiftOp::Left => x.wrapping_shl(y),
            ShiftOp::Right => x.wrapping_shr(y),
            ShiftOp::Arithmetic => (x as i32).wrapping_shr(y) as u32,
        },
        Op::Half(HalfOp::Shift(op)) => halves(x, x, |a, _| match op {
            ShiftOp::Left => a.wrapping_shl(y),
            ShiftOp::Right => a.wrapping_shr(y),
            ShiftOp::Arithmetic => (a as i16).wrapping_shr(y) as u16,
        }),
        Op::Half(HalfOp::Float(op)) => halves(x, y, |a, b| {
            let (a, b) = (half::f16::from_bits(a).to_f32(), half::f16::from_bits(b).to_f32());
            // f32 holds sums and products of f16 exactly, or so that rounding twice is rounding once.
            let exact = match op {
                HalfFloat::Add => a + b,
                HalfFloat::Sub => a - b,
                HalfFloat::Mul => a * b,
            };
            half::f16::from_f32(exact).to_bits()
        }),
        Op::Pair(PairOp::F16) => {
            convert(Cvt::F16FromFloat, x) | convert(Cvt::F16FromFloat, y) << 16
        }
        Op::Pair(PairOp::Bf16) => {
            convert(Cvt::Bf16FromFloat, x) | convert(Cvt::Bf16FromFloat, y) << 16
        }
        Op::Half(HalfOp::Eq) => halves(x, y, |a, b| if a == b { u16::MAX } else { 0 }),
        Op::FloatCmp(cmp) => mask(cmp.holds(a, b)),
        Op::WordCmp(cmp) => mask(cmp.holds(x as i32, y as i32)),
        Op::Mask(MaskOp::And) => x & y,
        Op::Mask(MaskOp::Or) => x | y,
        Op::Select => {
            if x != 0 {
                y
            } else {
                z
            }
        }
        Op::Cvt(cvt) => convert(*cvt, x),
        Op::Dot(DotOp::U8S8) => {
            let (a, b) = (x.to_le_bytes(), y.to_le_bytes());
            a.iter().zip(b).fold(z, |sum, (a, b)| {
                sum.wrapping_add((i32::from(*a) * i32::from(b as i8)) as u32)
            })
        }
        Op::Dot(DotOp::S16S16) => [0, 16].into_iter().fold(z, |sum, n| {
            let (a, b) = (i32::from((x >> n) as i16), i32::from((y >> n) as i16));
            sum.wrapping_add(a.wrapping_mul(b) as u32)
        }),
        Op::Dot(DotOp::Bf16) => {
            let high = bf16_step(x >> 16, y >> 16, c);
            bf16_step(x & 0xffff, y & 0xffff, high).to_bits()
        }
        Op::SelectBits => x & y | !x & z,
        Op::Bits | Op::FromBits => x,
        // Not ops of one lane.
        Op::Const
        | Op::Arg
        | Op::Worker
        | Op::Int(_)
        | Op::Read(_)
        | Op::Write(_)
        | Op::Next
        | Op::Load(_)
        | Op::Splat(_)
        | Op::LoadF16
        | Op::Nibbles
        | Op::SplatF16
        | Op::Store(_)
        | Op::LoadPart(_)
        | Op::StorePart(_)
        | Op::Gather
        | Op::Async(_)
        | Op::Squares { .. }
        | Op::Rows(..)
        | Op::GatherPart(_)
        | Op::Scatter(_)
        | Op::Join(_)
        | Op::Part
        | Op::Mma(_)
        | Op::Prefetch(_)
        | Op::FloatConst
        | Op::WordConst
        | Op::Iota
        | Op::Spread
        | Op::Half(HalfOp::Low | HalfOp::High)
        | Op::Shuffle(_)
        | Op::HSum
        | Op::HMax
        | Op::WordHSum
        | Op::Ballot
        | Op::PermuteBytes
        | Op::ShuffleBytes
        | Op::PermuteHigh
        | Op::Lookup
        | Op::Affine
        | Op::PackBf16 => x,
    }
}

/// Zero, of its sign, where the number is subnormal.
pub(super) fn no_subnormal(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// `a b + c` with a and b in bf16, as VDPBF16PS does it whatever the modes are: one rounding, to nearest even, and no
/// subnormals. A result is one if it were so with any exponent (Intel's manual, volume 1, 11.5.2.4), so that some just
/// below the least normal number are zero and not that number. f64 tells them exactly: there the operands are near
/// each other, or one is zero.
pub(super) fn bf16_step(a: u32, b: u32, c: f32) -> f32 {
    let [a, b] = [a, b].map(|h| no_subnormal(f32::from_bits(h << 16)));
    let c = no_subnormal(c);
    let (sum, exact) = (a.mul_add(b, c), f64::from(a) * f64::from(b) + f64::from(c));
    let tiny = f64::from(f32::MIN_POSITIVE) * (1.0 - 2f64.powi(-25));
    if exact.abs() < tiny { 0f32.copysign(sum) } else { sum }
}

pub(super) fn halves(x: u32, y: u32, op: impl Fn(u16, u16) -> u16) -> u32 {
    u32::from(op(x as u16, y as u16)) | u32::from(op((x >> 16) as u16, (y >> 16) as u16)) << 16
}

pub(super) fn convert(cvt: Cvt, x: u32) -> u32 {
    let a = f32::from_bits(x);
    match cvt {
        Cvt::FloatFromInt => (x as i32 as f32).to_bits(),
        Cvt::IntFromFloat => {
            let a = a.round_ties_even();
            let fits = (-2_147_483_648.0..2_147_483_648.0).contains(&a);
            (if fits { a as i32 } else { i32::MIN }) as u32
        }
        // The other two pick their half first.
        Cvt::FloatFromF16 | Cvt::FloatFromF16Low | Cvt::FloatFromF16High => {
            half::f16::from_bits(x as u16).to_f32().to_bits()
        }
        Cvt::F16FromFloat => u32::from(half::f16::from_f32(a).to_bits()),
        Cvt::FloatFromBf16 => half::bf16::from_bits(x as u16).to_f32().to_bits(),
        Cvt::Bf16FromFloat => u32::from(half::bf16::from_f32(a).to_bits()),
    }
}

/// The angle that a sine is taken of: nothing of what has no place after the point, NaN of an infinity.
#[expect(clippy::eq_op, reason = "0, or the NaN that the CPU makes of an infinity")]
pub(super) fn turn(a: f32) -> f64 {
    f64::from(if a.abs() < 16_777_216.0 { a } else { a - a })
}
