//! Numbers of PTX that Rust has no type or no rounding for, as rows: `E4M3.encode(448.0, Conversion::nearest())`.
//!
//! A value of any format but f64 is a value of f64, so that decoding is exact. Arithmetic here gives the sum, product or
//! quotient *rounded to odd* in f64: an inexact result takes the neighbour whose last bit is 1. That bit keeps what was
//! lost, and one rounding to 24 bits or fewer, in any direction, is then the only one (Boldo and Melquiond, "Emulation of
//! FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008).
//!
//! ```text
//! fma.rz.f32 d, a, b, c    F32.encode(fma(a, b, c), Conversion::new(Round::Zero))
//! cvt.rn.satfinite.e4m3x2.f32 d, a, b    two of E4M3.encode(x, Conversion { saturate: Saturate::Finite, .. })
//! ```

/// `.rn .rz .rm .rp .rna` of PTX, and of the integer roundings `.rni .rzi .rmi .rpi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Nearest,
    Zero,
    Down,
    Up,
    /// To nearest, ties away from zero.
    Away,
}

impl Round {
    /// From the modifier, without its dot.
    ///
    /// ```
    /// # use kgen_sim::ptx::float::Round;
    /// assert_eq!(Round::parse("rmi"), Some(Round::Down));
    /// assert_eq!(Round::parse("ftz"), None);
    /// ```
    pub fn parse(modifier: &str) -> Option<Round> {
        Some(match modifier {
            "rn" | "rni" => Round::Nearest,
            "rz" | "rzi" => Round::Zero,
            "rm" | "rmi" => Round::Down,
            "rp" | "rpi" => Round::Up,
            "rna" => Round::Away,
            _ => return None,
        })
    }

    /// Does a magnitude grow by one whose remainder compares to a half as `half`, and is not zero where `rest`?
    fn grows(self, negative: bool, odd: bool, half: std::cmp::Ordering, rest: bool) -> bool {
        match self {
            Round::Nearest => half.is_gt() || half.is_eq() && odd,
            Round::Away => half.is_ge(),
            Round::Zero => false,
            Round::Down => negative && rest,
            Round::Up => !negative && rest,
        }
    }
}

/// What becomes of values outside the format, or outside of 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saturate {
    No,
    /// `.satfinite`: the largest finite number; NaN stays NaN.
    Finite,
    /// `.sat`: clamped to 0..1; NaN is 0.
    Unit,
}

/// How a result is brought into its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    pub round: Round,
    pub saturate: Saturate,
    /// `.relu`: what is negative becomes 0.
    pub relu: bool,
    /// `.ftz`: a subnormal result becomes a zero of its sign.
    pub flush: bool,
}

impl Conversion {
    pub const fn new(round: Round) -> Conversion {
        Conversion { round, saturate: Saturate::No, relu: false, flush: false }
    }

    pub const fn nearest() -> Conversion {
        Conversion::new(Round::Nearest)
    }
}

/// A binary floating-point format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub name: &'static str,
    /// Sign, exponent and mantissa.
    pub bits: u32,
    pub mantissa: u32,
    /// Bits below the mantissa that a register holds and the format ignores.
    pub unused: u32,
    /// No infinities: all exponents are numbers but for the NaN of all ones.
    pub finite: bool,
    /// What PTX writes for NaN.
    pub nan: u64,
}

#[rustfmt::skip] // one per row
mod rows {
    use super::Format;
    pub const E4M3: Format = Format { name: "e4m3", bits: 8,  mantissa: 3,  unused: 0,  finite: true,  nan: 0x7f };
    pub const E5M2: Format = Format { name: "e5m2", bits: 8,  mantissa: 2,  unused: 0,  finite: false, nan: 0x7f };
    pub const F16:  Format = Format { name: "f16",  bits: 16, mantissa: 10, unused: 0,  finite: false, nan: 0x7fff };
    pub const BF16: Format = Format { name: "bf16", bits: 16, mantissa: 7,  unused: 0,  finite: false, nan: 0x7fff };
    pub const TF32: Format = Format { name: "tf32", bits: 19, mantissa: 10, unused: 13, finite: false, nan: 0x7fff_ffff };
    pub const F32:  Format = Format { name: "f32",  bits: 32, mantissa: 23, unused: 0,  finite: false, nan: 0x7fff_ffff };
    pub const F64:  Format = Format { name: "f64",  bits: 64, mantissa: 52, unused: 0,  finite: false, nan: 0x7fff_ffff_ffff_ffff };
}
pub use rows::*;

/// All formats.
pub const FORMATS: [Format; 7] = [E4M3, E5M2, F16, BF16, TF32, F32, F64];

impl Format {
    /// By the name of the PTX type, without its dot.
    pub fn parse(name: &str) -> Option<Format> {
        FORMATS.into_iter().find(|f| f.name == name)
    }

    const fn bias(self) -> i32 {
        (1 << (self.bits - self.mantissa - 2)) - 1
    }

    /// The largest finite number, without its unused bits.
    const fn largest(self) -> u64 {
        let ones = (1 << (self.bits - 1)) - 1;
        if self.finite { ones - 1 } else { (ones >> self.mantissa << self.mantissa) - 1 }
    }

    /// Exact; the unused bits of tf32 are ignored, as the matrix instructions do.
    pub fn decode(self, bits: u64) -> f64 {
        let bits = bits >> self.unused;
        if self == F64 {
            return f64::from_bits(bits);
        }
        let negative = bits >> (self.bits - 1) & 1 == 1;
        let magnitude = bits & ((1 << (self.bits - 1)) - 1);
        let m = magnitude & ((1 << self.mantissa) - 1);
        let exponent = (magnitude >> self.mantissa) as i32;
        let value = if magnitude > self.largest() {
            if m == 0 && !self.finite { f64::INFINITY } else { f64::NAN }
        } else {
            let lead = u64::from(exponent > 0) << self.mantissa;
            (lead + m) as f64 * power(exponent.max(1) - self.bias() - self.mantissa as i32)
        };
        if negative { -value } else { value }
    }

    /// The nearest numbers by the rule: one rounding. Every NaN gives the NaN that PTX writes.
    pub fn encode(self, x: f64, how: Conversion) -> u64 {
        let x = match how.saturate {
            Saturate::Unit if x.is_nan() => 0.0,
            Saturate::Unit => x.clamp(0.0, 1.0),
            Saturate::No | Saturate::Finite => x,
        };
        let x = if how.relu && x <= 0.0 { 0.0 } else { x };
        if x.is_nan() {
            return self.nan;
        }
        let negative = x.is_sign_negative();
        if x.is_infinite() {
            let finite = how.saturate == Saturate::Finite;
            return self.place(negative, if finite { self.largest() } else { self.infinity() });
        }
        let bits = x.abs().to_bits();
        let exponent = (bits >> 52) as i32;
        let significand = (bits & ((1 << 52) - 1)) | u64::from(exponent > 0) << 52;
        self.pack(negative, significand, exponent.max(1) - 1075, how)
    }

    /// Of an integer: one rounding. A zero is positive.
    pub fn of_int(self, x: i128, how: Conversion) -> u64 {
        let x = x.clamp(-(1 << 64) + 1, (1 << 64) - 1);
        let unit = how.saturate == Saturate::Unit;
        let x = if unit { x.clamp(0, 1) } else { x };
        let x = if how.relu { x.max(0) } else { x };
        self.pack(x < 0, x.unsigned_abs() as u64, 0, how)
    }

    /// Of `significand * 2^exponent`.
    fn pack(self, negative: bool, significand: u64, exponent: i32, how: Conversion) -> u64 {
        if significand == 0 {
            return self.place(negative, 0);
        }
        let size = exponent + significand.ilog2() as i32;
        // The exponent of the last bit that the result has.
        let last = size.max(1 - self.bias()) - self.mantissa as i32;
        let all = u128::from(significand);
        let kept = if last <= exponent {
            all << (exponent - last)
        } else {
            // Below 2^64: from a shift of 66 on, it is less than half of the last bit.
            let shift = (last - exponent).min(100);
            let (kept, rest) = (all >> shift, all & ((1 << shift) - 1));
            let half = rest.cmp(&(1 << (shift - 1)));
            kept + u128::from(how.round.grows(negative, kept & 1 == 1, half, rest != 0))
        };
        let kept = kept as u64;
        if how.flush && kept < 1 << self.mantissa {
            return self.place(negative, 0);
        }
        // A significand that reached the next power of two carries into the exponent; a subnormal one lacks the leading bit.
        let field = (last + self.mantissa as i32 + self.bias() - 1) as u128;
        let magnitude = (field << self.mantissa) + u128::from(kept);
        if magnitude <= u128::from(self.largest()) {
            return self.place(negative, magnitude as u64);
        }
        let stays = match how.round {
            Round::Nearest | Round::Away => false,
            Round::Zero => true,
            Round::Down => !negative,
            Round::Up => negative,
        };
        let stays = stays || how.saturate == Saturate::Finite;
        self.place(negative, if stays { self.largest() } else { self.infinity() })
    }

    /// What stands for more than the largest: the NaN of a format without infinities.
    const fn infinity(self) -> u64 {
        self.largest() + 1
    }

    fn place(self, negative: bool, magnitude: u64) -> u64 {
        (u64::from(negative) << (self.bits - 1) | magnitude) << self.unused
    }
}

/// 2 to a power, also a subnormal one.
fn power(exponent: i32) -> f64 {
    match exponent {
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        ..-1022 => 2f64.powi(exponent),
        _ => f64::INFINITY,
    }
}

/// `near` is an f64 next to a number that is larger by something of the sign of `error`: that number, rounded to odd.
fn odd(near: f64, error: f64) -> f64 {
    if error == 0.0 || error.is_nan() || near.to_bits() & 1 == 1 || near.is_infinite() {
        return near;
    }
    if error > 0.0 { near.next_up() } else { near.next_down() }
}

/// The sum, rounded to odd.
pub fn add(a: f64, b: f64) -> f64 {
    let sum = a + b;
    // Knuth's two-sum: what the rounding left out, exactly.
    let of_b = sum - a;
    odd(sum, (a - (sum - of_b)) + (b - of_b))
}

/// The product of numbers of at most 26 bits is exact.
pub fn mul(a: f64, b: f64) -> f64 {
    a * b
}

/// `a * b + c` of numbers of at most 26 bits, rounded to odd.
pub fn fma(a: f64, b: f64, c: f64) -> f64 {
    add(a * b, c)
}

/// The quotient of numbers of at most 26 bits, rounded to odd.
pub fn div(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    if quotient.is_infinite() || b.is_infinite() {
        return quotient;
    }
    let rest = (-quotient).mul_add(b, a);
    odd(quotient, if b < 0.0 { -rest } else { rest })
}

/// The square root of a number of at most 26 bits, rounded to odd.
pub fn sqrt(a: f64) -> f64 {
    let root = a.sqrt();
    if root.is_infinite() {
        return root;
    }
    odd(root, (-root).mul_add(root, a))
}

/// A subnormal f32 is a zero of its sign: `.ftz` on what an instruction reads.
pub fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// `fma{.rnd}{.ftz}{.sat}.f32`.
pub fn fma_f32(a: f32, b: f32, c: f32, how: Conversion) -> f32 {
    let [a, b, c] = [a, b, c].map(|x| if how.flush { flushed(x) } else { x });
    if how == Conversion::nearest() {
        return canonical(a.mul_add(b, c));
    }
    f32::from_bits(F32.encode(fma(a.into(), b.into(), c.into()), how) as u32)
}

/// The NaN that PTX writes in place of any other.
pub fn canonical(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(F32.nan as u32) } else { x }
}

/// The whole number that `.rni .rzi .rmi .rpi` give.
pub fn whole(x: f64, round: Round) -> f64 {
    match round {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
        Round::Away => x.round(),
    }
}

/// `cvt` to an integer of `bits` bits: rounded, then clamped to its range. `wide`: the source is f64.
///
/// PTX ISA, `cvt`: NaN gives 0, but where the source is f64 or the result has 64 bits, it gives the top bit alone.
pub fn to_int(x: f64, round: Round, bits: u32, signed: bool, wide: bool) -> u64 {
    let top = 1u64 << (bits - 1);
    if x.is_nan() {
        return if wide || bits == 64 { top } else { 0 };
    }
    let (low, high) = if signed {
        (-(i128::from(top)), i128::from(top) - 1)
    } else {
        (0, 2 * i128::from(top) - 1)
    };
    // A cast of f64 to i128 saturates.
    let clamped = (whole(x, round) as i128).clamp(low, high);
    clamped as u64 & u64::MAX >> (64 - bits)
}

/// `min` and `max` by which of the two comes first; -0 is below +0. With `nan` (`.NaN`), a NaN makes the result NaN; without
/// it, the other one is the result.
pub fn lesser(a: f64, b: f64, nan: bool) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => f64::NAN,
        (true, false) => [b, f64::NAN][usize::from(nan)],
        (false, true) => [a, f64::NAN][usize::from(nan)],
        (false, false) if a.total_cmp(&b).is_le() => a,
        (false, false) => b,
    }
}

/// The other one of [`lesser`].
pub fn greater(a: f64, b: f64, nan: bool) -> f64 {
    -lesser(-a, -b, nan)
}

#[cfg(test)]
#[path = "float_tests.rs"]
mod tests;
