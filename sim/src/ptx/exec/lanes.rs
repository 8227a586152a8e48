//! Integer operations on all lanes at once, as plain functions: the decoder chooses one by opcode, type and modifiers.

use crate::ptx::op::{F1, F2, F3, Lanes};
use std::array::from_fn;

/// Windows of generic addresses: 16 GiB each, below all buffers.
pub const SHARED_WINDOW: u64 = 1 << 40;
pub const LOCAL_WINDOW: u64 = 2 << 40;
pub const PARAM_WINDOW: u64 = 3 << 40;
const INSIDE: u64 = (1 << 40) - 1;

macro_rules! f1 {
    (|$a:ident| $e:expr) => {{
        fn f(a: &Lanes) -> Lanes {
            from_fn(|i| {
                let $a = a[i];
                $e
            })
        }
        f as F1
    }};
}

macro_rules! f2 {
    (|$a:ident, $b:ident| $e:expr) => {{
        fn f(a: &Lanes, b: &Lanes) -> Lanes {
            from_fn(|i| {
                let ($a, $b) = (a[i], b[i]);
                $e
            })
        }
        f as F2
    }};
}

macro_rules! f3 {
    (|$a:ident, $b:ident, $c:ident| $e:expr) => {{
        fn f(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
            from_fn(|i| {
                let ($a, $b, $c) = (a[i], b[i], c[i]);
                $e
            })
        }
        f as F3
    }};
}

/// The same expression at each width: `w!(f2, bits, unsigned, |a, b| a.wrapping_add(b))`.
macro_rules! w {
    (f1, $bits:expr, unsigned, |$a:ident| $e:expr) => {
        match $bits {
            ..=16 => f1!(|x| {
                let $a = x as u16;
                u64::from(($e) as u16)
            }),
            17..=32 => f1!(|x| {
                let $a = x as u32;
                u64::from(($e) as u32)
            }),
            _ => f1!(|x| {
                let $a = x;
                ($e) as u64
            }),
        }
    };
    (f1, $bits:expr, signed, |$a:ident| $e:expr) => {
        match $bits {
            ..=16 => f1!(|x| {
                let $a = x as i16;
                u64::from(($e) as u16)
            }),
            17..=32 => f1!(|x| {
                let $a = x as i32;
                u64::from(($e) as u32)
            }),
            _ => f1!(|x| {
                let $a = x as i64;
                ($e) as u64
            }),
        }
    };
    (f2, $bits:expr, unsigned, |$a:ident, $b:ident| $e:expr) => {
        match $bits {
            ..=16 => f2!(|x, y| {
                let ($a, $b) = (x as u16, y as u16);
                u64::from(($e) as u16)
            }),
            17..=32 => f2!(|x, y| {
                let ($a, $b) = (x as u32, y as u32);
                u64::from(($e) as u32)
            }),
            _ => f2!(|x, y| {
                let ($a, $b) = (x, y);
                ($e) as u64
            }),
        }
    };
    (f2, $bits:expr, signed, |$a:ident, $b:ident| $e:expr) => {
        match $bits {
            ..=16 => f2!(|x, y| {
                let ($a, $b) = (x as i16, y as i16);
                u64::from(($e) as u16)
            }),
            17..=32 => f2!(|x, y| {
                let ($a, $b) = (x as i32, y as i32);
                u64::from(($e) as u32)
            }),
            _ => f2!(|x, y| {
                let ($a, $b) = (x as i64, y as i64);
                ($e) as u64
            }),
        }
    };
    (f3, $bits:expr, unsigned, |$a:ident, $b:ident, $c:ident| $e:expr) => {
        match $bits {
            ..=16 => f3!(|x, y, z| {
                let ($a, $b, $c) = (x as u16, y as u16, z as u16);
                u64::from(($e) as u16)
            }),
            17..=32 => f3!(|x, y, z| {
                let ($a, $b, $c) = (x as u32, y as u32, z as u32);
                u64::from(($e) as u32)
            }),
            _ => f3!(|x, y, z| {
                let ($a, $b, $c) = (x, y, z);
                ($e) as u64
            }),
        }
    };
}

pub fn same(a: &Lanes) -> Lanes {
    *a
}

pub fn generic_of_shared(a: &Lanes) -> Lanes {
    a.map(|x| (x & INSIDE) | SHARED_WINDOW)
}

pub fn generic_of_local(a: &Lanes) -> Lanes {
    a.map(|x| (x & INSIDE) | LOCAL_WINDOW)
}

pub fn generic_of_param(a: &Lanes) -> Lanes {
    a.map(|x| (x & INSIDE) | PARAM_WINDOW)
}

/// From a generic address to one of its window. What is in no window stays, and is found out by its first access.
pub fn inside_window(a: &Lanes) -> Lanes {
    a.map(|x| if (1..=3).contains(&(x >> 40)) { x & INSIDE } else { x })
}

pub fn select_signed(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    from_fn(|i| if c[i] as i32 >= 0 { a[i] } else { b[i] })
}

pub fn select_float(a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    from_fn(|i| if f32::from_bits(c[i] as u32) >= 0.0 { a[i] } else { b[i] })
}

pub fn add(bits: u32) -> F2 {
    w!(f2, bits, unsigned, |a, b| a.wrapping_add(b))
}

pub fn sub(bits: u32) -> F2 {
    w!(f2, bits, unsigned, |a, b| a.wrapping_sub(b))
}

pub fn add_clamped() -> F2 {
    f2!(|a, b| u64::from((a as i32).saturating_add(b as i32) as u32))
}

pub fn sub_clamped() -> F2 {
    f2!(|a, b| u64::from((a as i32).saturating_sub(b as i32) as u32))
}

pub fn mul(bits: u32) -> F2 {
    w!(f2, bits, unsigned, |a, b| a.wrapping_mul(b))
}

/// The upper half of the product.
pub fn mul_high(bits: u32, signed: bool) -> F2 {
    match (bits, signed) {
        (16, true) => {
            f2!(|a, b| u64::from(((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u16))
        }
        (16, false) => f2!(|a, b| ((a & 0xffff) * (b & 0xffff)) >> 16),
        (32, true) => {
            f2!(|a, b| u64::from(((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32))
        }
        (32, false) => f2!(|a, b| ((a & 0xffff_ffff) * (b & 0xffff_ffff)) >> 32),
        (_, true) => f2!(|a, b| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
        (_, false) => f2!(|a, b| ((u128::from(a) * u128::from(b)) >> 64) as u64),
    }
}

/// The whole product, twice as wide.
pub fn mul_wide(bits: u32, signed: bool) -> F2 {
    match (bits, signed) {
        (16, true) => f2!(|a, b| u64::from((i32::from(a as i16) * i32::from(b as i16)) as u32)),
        (16, false) => f2!(|a, b| (a & 0xffff) * (b & 0xffff)),
        (_, true) => f2!(|a, b| (i64::from(a as i32) * i64::from(b as i32)) as u64),
        (_, false) => f2!(|a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff)),
    }
}

pub fn mad(bits: u32) -> F3 {
    w!(f3, bits, unsigned, |a, b, c| a.wrapping_mul(b).wrapping_add(c))
}

pub fn mad_high(bits: u32, signed: bool) -> F3 {
    match (bits, signed) {
        (32, true) => f3!(|a, b, c| u64::from(
            (((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32).wrapping_add(c as u32)
        )),
        (32, false) => {
            f3!(|a, b, c| u64::from((((a & 0xffff_ffff) * (b & 0xffff_ffff)) >> 32) as u32)
                .wrapping_add(c)
                & 0xffff_ffff)
        }
        (16, true) => f3!(|a, b, c| u64::from(
            (((i32::from(a as i16) * i32::from(b as i16)) >> 16) as u16).wrapping_add(c as u16)
        )),
        (16, false) => {
            f3!(|a, b, c| (((a & 0xffff) * (b & 0xffff)) >> 16).wrapping_add(c) & 0xffff)
        }
        (_, true) => {
            f3!(|a, b, c| (((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64)
                .wrapping_add(c))
        }
        (_, false) => {
            f3!(|a, b, c| (((u128::from(a) * u128::from(b)) >> 64) as u64).wrapping_add(c))
        }
    }
}

pub fn mad_wide(bits: u32, signed: bool) -> F3 {
    match (bits, signed) {
        (16, true) => f3!(|a, b, c| u64::from(
            (i32::from(a as i16) * i32::from(b as i16)).wrapping_add(c as i32) as u32
        )),
        (16, false) => {
            f3!(|a, b, c| u64::from(((a & 0xffff) * (b & 0xffff)).wrapping_add(c) as u32))
        }
        (_, true) => {
            f3!(|a, b, c| (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64)
        }
        (_, false) => f3!(|a, b, c| ((a & 0xffff_ffff) * (b & 0xffff_ffff)).wrapping_add(c)),
    }
}

/// The low (or high) 32 bits of the 48-bit product of 24-bit values.
pub fn mul24(signed: bool, high: bool) -> F2 {
    match (signed, high) {
        (true, false) => f2!(|a, b| (s24(a) * s24(b)) as u64 & 0xffff_ffff),
        (true, true) => f2!(|a, b| ((s24(a) * s24(b)) >> 16) as u64 & 0xffff_ffff),
        (false, false) => f2!(|a, b| ((a & 0xff_ffff) * (b & 0xff_ffff)) & 0xffff_ffff),
        (false, true) => f2!(|a, b| ((a & 0xff_ffff) * (b & 0xff_ffff)) >> 16),
    }
}

fn s24(x: u64) -> i64 {
    (x << 40) as i64 >> 40
}

/// Division by zero gives all ones, as the hardware does; the specification leaves it open.
pub fn div(bits: u32, signed: bool) -> F2 {
    if signed {
        w!(f2, bits, signed, |a, b| if b == 0 { -1 } else { a.wrapping_div(b) })
    } else {
        w!(f2, bits, unsigned, |a, b| a.checked_div(b).unwrap_or(!0))
    }
}

pub fn rem(bits: u32, signed: bool) -> F2 {
    if signed {
        w!(f2, bits, signed, |a, b| if b == 0 { a } else { a.wrapping_rem(b) })
    } else {
        w!(f2, bits, unsigned, |a, b| a.checked_rem(b).unwrap_or(a))
    }
}

pub fn min(bits: u32, signed: bool) -> F2 {
    if signed {
        w!(f2, bits, signed, |a, b| a.min(b))
    } else {
        w!(f2, bits, unsigned, |a, b| a.min(b))
    }
}

pub fn max(bits: u32, signed: bool) -> F2 {
    if signed {
        w!(f2, bits, signed, |a, b| a.max(b))
    } else {
        w!(f2, bits, unsigned, |a, b| a.max(b))
    }
}

pub fn abs(bits: u32) -> F1 {
    w!(f1, bits, signed, |a| a.wrapping_abs())
}

pub fn neg(bits: u32) -> F1 {
    w!(f1, bits, unsigned, |a| a.wrapping_neg())
}

pub fn not(bits: u32) -> F1 {
    w!(f1, bits, unsigned, |a| !a)
}

pub fn cnot() -> F1 {
    f1!(|a| u64::from(a == 0))
}

pub fn and() -> F2 {
    f2!(|a, b| a & b)
}

pub fn or() -> F2 {
    f2!(|a, b| a | b)
}

pub fn xor() -> F2 {
    f2!(|a, b| a ^ b)
}

/// Shifts by the width and more leave nothing, or the sign.
pub fn shl(bits: u32) -> F2 {
    w!(f2, bits, unsigned, |a, b| {
        let wide = b as u64;
        if wide < 64 { (a as u64) << wide } else { 0 }
    })
}

pub fn shr(bits: u32, signed: bool) -> F2 {
    match (bits, signed) {
        (16, true) => f2!(|a, b| u64::from((a as i16 >> (b as u32).min(15)) as u16)),
        (32, true) => f2!(|a, b| u64::from((a as i32 >> (b as u32).min(31)) as u32)),
        (_, true) => f2!(|a, b| (a as i64 >> (b as u32).min(63)) as u64),
        (16, false) => f2!(|a, b| (a & 0xffff).checked_shr(b as u32).unwrap_or(0)),
        (32, false) => f2!(|a, b| (a & 0xffff_ffff).checked_shr(b as u32).unwrap_or(0)),
        (_, false) => f2!(|a, b| a.checked_shr(b as u32).unwrap_or(0)),
    }
}

/// Funnel shifts of `b:a`.
pub fn funnel(left: bool, wraps: bool) -> F3 {
    match (left, wraps) {
        (true, false) => f3!(|a, b, c| (both(a, b) << (c as u32).min(32)) >> 32),
        (true, true) => f3!(|a, b, c| (both(a, b) << (c & 31)) >> 32),
        (false, false) => f3!(|a, b, c| (both(a, b) >> (c as u32).min(32)) & 0xffff_ffff),
        (false, true) => f3!(|a, b, c| (both(a, b) >> (c & 31)) & 0xffff_ffff),
    }
}

fn both(low: u64, high: u64) -> u64 {
    (high & 0xffff_ffff) << 32 | low & 0xffff_ffff
}

/// `bfe`: bits from a position on; beyond the top, zeros or the sign.
pub fn extract(bits: u32, signed: bool) -> F3 {
    match (bits, signed) {
        (32, false) => f3!(|a, b, c| field(a & 0xffff_ffff, b, c, 32, false)),
        (32, true) => f3!(|a, b, c| field(a, b, c, 32, true)),
        (_, false) => f3!(|a, b, c| field(a, b, c, 64, false)),
        (_, true) => f3!(|a, b, c| field(a, b, c, 64, true)),
    }
}

fn field(a: u64, b: u64, c: u64, bits: u32, signed: bool) -> u64 {
    let (position, length) = ((b & 255) as u32, (c & 255) as u32);
    if length == 0 {
        return 0;
    }
    let last = (position + length - 1).min(bits - 1);
    let negative = signed && a >> last & 1 == 1;
    let mut out = 0u64;
    for i in 0..bits {
        let bit =
            if i < length && position + i < bits { a >> (position + i) & 1 == 1 } else { negative };
        out |= u64::from(bit) << i;
    }
    out
}

/// `bfi`: the low bits of `a` stand in `b` from a position on.
pub fn insert(a: u64, b: u64, c: u64, d: u64, bits: u32) -> u64 {
    let (position, length) = ((c & 255) as u32, (d & 255) as u32);
    let mut out = b;
    for i in 0..length {
        if position + i >= bits {
            break;
        }
        out = out & !(1 << (position + i)) | (a >> i.min(63) & 1) << (position + i);
    }
    out
}

/// Place of the highest bit that differs from the sign; all ones where there is none.
pub fn find(bits: u32, signed: bool, amount: bool) -> F1 {
    match (bits, signed, amount) {
        (32, false, false) => f1!(|a| highest(a & 0xffff_ffff, 32, false)),
        (32, false, true) => f1!(|a| highest(a & 0xffff_ffff, 32, true)),
        (32, true, false) => {
            f1!(|a| highest(u64::from((a as i32 ^ (a as i32 >> 31)) as u32), 32, false))
        }
        (32, true, true) => {
            f1!(|a| highest(u64::from((a as i32 ^ (a as i32 >> 31)) as u32), 32, true))
        }
        (_, false, false) => f1!(|a| highest(a, 64, false)),
        (_, false, true) => f1!(|a| highest(a, 64, true)),
        (_, true, false) => f1!(|a| highest((a as i64 ^ (a as i64 >> 63)) as u64, 64, false)),
        (_, true, true) => f1!(|a| highest((a as i64 ^ (a as i64 >> 63)) as u64, 64, true)),
    }
}

fn highest(x: u64, bits: u32, amount: bool) -> u64 {
    match x.checked_ilog2() {
        None => 0xffff_ffff,
        Some(at) if amount => u64::from(bits - 1 - at),
        Some(at) => u64::from(at),
    }
}

pub fn count_ones() -> F1 {
    f1!(|a| u64::from(a.count_ones()))
}

pub fn leading_zeros(bits: u32) -> F1 {
    match bits {
        32 => f1!(|a| u64::from((a as u32).leading_zeros())),
        _ => f1!(|a| u64::from(a.leading_zeros())),
    }
}

pub fn reverse(bits: u32) -> F1 {
    match bits {
        32 => f1!(|a| u64::from((a as u32).reverse_bits())),
        _ => f1!(|a| a.reverse_bits()),
    }
}

/// `|a - b| + c`.
pub fn sad(bits: u32, signed: bool) -> F3 {
    match (bits, signed) {
        (16, true) => {
            f3!(|a, b, c| u64::from((a as i16).abs_diff(b as i16).wrapping_add(c as u16)))
        }
        (32, true) => {
            f3!(|a, b, c| u64::from((a as i32).abs_diff(b as i32).wrapping_add(c as u32)))
        }
        (_, true) => f3!(|a, b, c| (a as i64).abs_diff(b as i64).wrapping_add(c)),
        (_, false) => w!(f3, bits, unsigned, |a, b, c| a.abs_diff(b).wrapping_add(c)),
    }
}

/// `prmt`: four bytes chosen from `b:a`; bit 3 of a selector copies the sign.
pub fn permute(mode: Option<&str>) -> Option<F3> {
    Some(match mode {
        None => f3!(|a, b, c| bytes(a, b, [c, c >> 4, c >> 8, c >> 12])),
        Some("f4e") => f3!(|a, b, c| {
            let n = c & 3;
            bytes(a, b, [n, n + 1, n + 2, n + 3])
        }),
        Some("b4e") => f3!(|a, b, c| {
            let n = c & 3;
            bytes(a, b, [n, (n + 7) & 7, (n + 6) & 7, (n + 5) & 7])
        }),
        Some("rc8") => f3!(|a, b, c| {
            let n = c & 3;
            bytes(a, b, [n, n, n, n])
        }),
        Some("ecl") => f3!(|a, b, c| {
            let n = c & 3;
            bytes(a, b, [n, n.max(1), n.max(2), 3])
        }),
        Some("ecr") => f3!(|a, b, c| {
            let n = c & 3;
            bytes(a, b, [0, n.min(1), n.min(2), n])
        }),
        Some("rc16") => f3!(|a, b, c| {
            let n = (c & 1) * 2;
            bytes(a, b, [n, n + 1, n, n + 1])
        }),
        Some(_) => return None,
    })
}

fn bytes(a: u64, b: u64, selectors: [u64; 4]) -> u64 {
    let all = both(a, b);
    let mut out = 0;
    for (i, s) in selectors.into_iter().enumerate() {
        let byte = all >> (8 * (s & 7)) & 255;
        let byte = if s & 8 == 0 { byte } else { (byte >> 7) * 255 };
        out |= byte << (8 * i);
    }
    out
}

pub fn lop3(a: u64, b: u64, c: u64, table: u8) -> u64 {
    let mut out = 0;
    for i in 0..8u64 {
        if table >> i & 1 == 1 {
            let pick = |x: u64, bit: u64| if i >> bit & 1 == 1 { x } else { !x };
            out |= pick(a, 2) & pick(b, 1) & pick(c, 0);
        }
    }
    out & 0xffff_ffff
}

/// Four products of bytes, or two of halves and bytes, added to `c`.
pub fn dot(fours: bool, high: bool, a_signed: bool, b_signed: bool) -> F3 {
    match (fours, high, a_signed, b_signed) {
        (true, _, true, true) => f3!(|a, b, c| dp(a, b, c, 4, 0, true, true)),
        (true, _, true, false) => f3!(|a, b, c| dp(a, b, c, 4, 0, true, false)),
        (true, _, false, true) => f3!(|a, b, c| dp(a, b, c, 4, 0, false, true)),
        (true, _, false, false) => f3!(|a, b, c| dp(a, b, c, 4, 0, false, false)),
        (false, false, true, true) => f3!(|a, b, c| dp(a, b, c, 2, 0, true, true)),
        (false, false, true, false) => f3!(|a, b, c| dp(a, b, c, 2, 0, true, false)),
        (false, false, false, true) => f3!(|a, b, c| dp(a, b, c, 2, 0, false, true)),
        (false, false, false, false) => f3!(|a, b, c| dp(a, b, c, 2, 0, false, false)),
        (false, true, true, true) => f3!(|a, b, c| dp(a, b, c, 2, 2, true, true)),
        (false, true, true, false) => f3!(|a, b, c| dp(a, b, c, 2, 2, true, false)),
        (false, true, false, true) => f3!(|a, b, c| dp(a, b, c, 2, 2, false, true)),
        (false, true, false, false) => f3!(|a, b, c| dp(a, b, c, 2, 2, false, false)),
    }
}

fn dp(a: u64, b: u64, c: u64, count: u32, from: u32, a_signed: bool, b_signed: bool) -> u64 {
    let part = |x: u64, i: u32, bits: u32, signed: bool| {
        let raw = x >> (i * bits) & ((1 << bits) - 1);
        if signed { crate::ptx::op::signed(raw, bits) } else { raw as i64 }
    };
    let width = 32 / count;
    let sum: i64 =
        (0..count).map(|i| part(a, i, width, a_signed) * part(b, from + i, 8, b_signed)).sum();
    u64::from((c as i64).wrapping_add(sum) as u32)
}

/// `bmsk`: ones from a position on.
pub fn ones(wraps: bool) -> F2 {
    if wraps {
        f2!(|a, b| {
            let (position, length) = (a & 31, b & 31);
            (((1u64 << length) - 1) << position) & 0xffff_ffff
        })
    } else {
        f2!(|a, b| {
            let (position, length) = ((a as u32).min(32), (b as u32).min(32));
            (((1u64 << length) - 1) << position) & 0xffff_ffff
        })
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
