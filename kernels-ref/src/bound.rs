//! The error each output may have: the one place where its constants stand.
//!
//! `u_out*|y| + (c1*u_in + c2*u_acc*depth(n)) * sum |p||v|` (GEMM: `sum |a||w|`), plus the quantisation step of
//! activations, plus, in attention, the effect of the error of the scores. Assumed: f32 accumulation and state,
//! operands of products rounded only as `compute` allows (f32: not at all, so no f16 P).

use kgen_ir::{
    dtype::Dtype,
    op::{Compute, Group, Precision, Storage},
};

/// Unit roundoff of f32: half the distance of 1 to its neighbour.
pub const U32: f64 = 1.0 / (1u64 << 24) as f64;
/// Unit roundoff of bf16, which keeps 8 bits, the first one implied.
pub const U_BF16: f64 = 1.0 / 256.0;
/// Both operands of a product may be rounded.
pub const C1: f64 = 2.0;
/// A step rounds the product and the sum.
pub const C2: f64 = 2.0;
/// The score passes scaling, bias, cap, base-2 change and the difference to the maximum: a rounding each.
pub const C3: f64 = 4.0;
/// Relative error of a hardware or polynomial exponential: 2^-21 (`ex2.approx.f32` has 2^-22).
pub const EXP: f64 = 8.0 * U32;
/// Smallest normal f32: what is below may be flushed to zero.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// Roundings on the way of a sum of `n` terms, as a factor of u.
///
/// `ceil(log2 n)` is the tree across lanes, warps and splits. Within one of them kernels add tile after tile, or
/// key after key, in sequence: up to n roundings. The worst case n*u is never met; with errors of mean zero it is
/// `lambda*sqrt(n)*u` with probability 1 - 2 exp(-lambda^2/2) (Higham & Mary, SIAM J. Sci. Comput. 41, 2019).
/// lambda = 1 here, for C2 doubles it, and partial sums grow, where the theorem takes each as large as the total.
pub fn depth(n: usize) -> f64 {
    let n = n.max(1) as f64;
    n.log2().ceil() + n.sqrt()
}

/// Unit roundoff of a stored type; 0 of integers, whose outputs are exact or counted otherwise.
pub fn unit(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => U32,
        Dtype::F16 => 1.0 / 2048.0,
        Dtype::BF16 => U_BF16,
        Dtype::E4M3 => 1.0 / 16.0,
        Dtype::E5M2 => 1.0 / 8.0,
        Dtype::I8
        | Dtype::U8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::Code(_)
        | Dtype::Bool => 0.0,
    }
}

/// Half the smallest step of a stored type: the rounding error near 0 (f32, bf16: flushing to zero is allowed).
pub fn smallest(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 | Dtype::BF16 => TINY,
        Dtype::F16 => 2f64.powi(-25),
        Dtype::E4M3 => 2f64.powi(-10),
        Dtype::E5M2 => 2f64.powi(-17),
        Dtype::I8
        | Dtype::U8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::Code(_)
        | Dtype::Bool => 0.5,
    }
}

/// Rounding of the output itself. `y` may already be off by `inner`.
pub fn rounding(out: Dtype, y: f64, inner: f64) -> f64 {
    unit(out) * (y.abs() + inner) + smallest(out)
}

/// Roundoff of P and V in attention's second product. int8 speaks of q alone: P then stands in bf16, with two
/// planes in two bf16.
pub fn operand(compute: Precision) -> f64 {
    match compute {
        Precision::F32 => U32,
        Precision::Bf16 | Precision::Int8 => U_BF16,
        Precision::Int8x2 => U_BF16 * U_BF16,
    }
}

/// Largest error of one element of q under `compute`; `max` is the largest of its row, `x` the element.
pub fn query_step(compute: Precision, max: f64, x: f64, q: Dtype) -> f64 {
    match compute {
        Precision::F32 => 0.0,
        // Stored in no more than 8 fraction bits, it does not round.
        Precision::Bf16 if unit(q) >= U_BF16 => 0.0,
        Precision::Bf16 => U_BF16 * x.abs(),
        Precision::Int8 => max / 254.0,
        Precision::Int8x2 => max / 254.0 / 254.0,
    }
}

/// Roundoff of an element of k or v under `compute`.
pub fn key_unit(compute: Precision, stored: &Storage) -> f64 {
    let exact = matches!(stored, Storage::Plain(d) if unit(*d) >= U_BF16);
    match compute {
        Precision::Bf16 if !exact => U_BF16,
        Precision::F32 | Precision::Bf16 | Precision::Int8 | Precision::Int8x2 => 0.0,
    }
}

/// Elements of `a` that share a quantisation step: as many as share a scale of the weight, a power of two from 32 to
/// 128. Fewer are allowed. `group_int` means as many as share a scale, however many.
pub fn step_group(w: &Storage, compute: Compute) -> usize {
    if compute == Compute::GroupInt {
        return match w {
            Storage::Block(format) => format.group().max(32),
            Storage::Plain(_) => 32,
            Storage::Codes(codes) => match codes.group {
                Group::K(g) => usize::try_from(g).unwrap_or(32).max(32),
                Group::Row | Group::Tensor => usize::MAX,
            },
        };
    }
    match w {
        Storage::Block(format) if format.name.starts_with("tq") => 128,
        // The scale of floats is that of a block of 256.
        Storage::Block(format) if format.name.ends_with("_k") => 128,
        Storage::Plain(_) | Storage::Block(_) => 32,
        Storage::Codes(codes) => match codes.group {
            Group::K(g) if g % 128 == 0 => 128,
            Group::K(g) if g % 64 == 0 => 64,
            Group::K(_) => 32,
            Group::Row | Group::Tensor => 128,
        },
    }
}

/// Unit roundoffs of what the product may make of an activation and of a weight: bf16, where `compute` says so. What is
/// stored in no more than 8 bits does not round; two such may be multiplied as they are, whoever chooses, but then, too,
/// subnormals may count as zeros. `fresh`: the activation is as it is stored.
pub fn bf16_operands(
    compute: Compute,
    a: &Storage,
    fresh: bool,
    w: &Storage,
) -> Option<(f64, f64)> {
    let own = |s: &Storage, fresh: bool| match s {
        Storage::Plain(d) if fresh && unit(*d) >= U_BF16 => 0.0,
        Storage::Plain(_) | Storage::Block(_) | Storage::Codes(_) => U_BF16,
    };
    let units = (own(a, fresh), own(w, true));
    match compute {
        Compute::Bf16 => Some(units),
        Compute::Auto => (units == (0.0, 0.0)).then_some(units),
        Compute::Dequant
        | Compute::IntDot
        | Compute::GroupInt
        | Compute::Lut(_)
        | Compute::Bitplane => None,
    }
}

/// From here on a float is no finite bf16.
pub const MOST_BF16: f64 = f32::MAX as f64 * (1.0 - U_BF16);

/// Whether the product may quantise float activations to int8, groups of [`step_group`] by their largest.
/// `auto` leaves the choice to the compiler, so quantised weights allow it; tables (LUT) have 8-bit entries.
pub fn int8_activations(compute: Compute, a: &Storage, w: &Storage) -> bool {
    let float = |s: &Storage| match s {
        Storage::Plain(d) => d.is_float(),
        Storage::Block(f) => matches!(f.name, "f32" | "f16" | "bf16"),
        Storage::Codes(_) => false,
    };
    let quantised = !float(w);
    match compute {
        Compute::Dequant | Compute::Bf16 => false,
        Compute::Auto => quantised && float(a),
        Compute::IntDot | Compute::GroupInt | Compute::Lut(_) | Compute::Bitplane => float(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::tensor::Tensor;

    #[test]
    fn depth_covers_a_tree_and_a_chain() {
        assert_eq!(depth(0), 1.0);
        assert_eq!(depth(1), 1.0);
        assert_eq!(depth(16), 8.0);
        assert_eq!(depth(17), 5.0 + 17f64.sqrt());
    }

    #[test]
    fn products_round_to_bf16_where_they_may() {
        let (f32, bf16) = (Storage::Plain(Dtype::F32), Storage::Plain(Dtype::BF16));
        let all = |c| {
            [(&f32, &f32), (&bf16, &f32), (&bf16, &bf16)].map(|(a, w)| bf16_operands(c, a, true, w))
        };
        let u = U_BF16;
        assert_eq!(all(Compute::Bf16), [Some((u, u)), Some((0.0, u)), Some((0.0, 0.0))]);
        assert_eq!(all(Compute::Auto), [None, None, Some((0.0, 0.0))]);
        assert_eq!(all(Compute::Dequant), [None; 3]);
        assert_eq!(bf16_operands(Compute::Auto, &bf16, false, &bf16), None);
    }

    #[test]
    fn units_are_half_the_step_above_one() {
        for d in [Dtype::F16, Dtype::BF16, Dtype::E4M3, Dtype::E5M2, Dtype::F32] {
            // Halves go to the even neighbour: 1 below, the second step above.
            for (units, steps) in [(0.9, 0.0), (1.0, 0.0), (1.1, 2.0), (2.0, 2.0), (3.0, 4.0)] {
                let t = Tensor::from_f64(d, &[1], &[1.0 + units * unit(d)]);
                assert_eq!(t.get(0), 1.0 + steps * unit(d), "{d}: {units}");
            }
        }
    }
}
