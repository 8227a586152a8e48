//! Instruction rows of the 128-bit CPU targets in CLIF.
//!
//! A template has one CLIF instruction a line. `{d}` is the result, `{a} {b} {c}` the operands, `{m}` the memory
//! operand, `{t0}` .. fresh values, `{T}` and `{E}` the vector and element type of a two-class op, `{n}` an
//! immediate, `{=3f800000}` that word in all four lanes of a vector constant:
//!
//! ```text
//! {t0} = fcmp lt {b}, {a}
//! {t1} = bitcast.f32x4 little {t0}
//! {d} = bitselect {t1}, {a}, {b}
//! ```

use kgen_ir::{machine::*, tile::Compare};

const fn row(op: Op, latency: u8, text: &'static str) -> Row {
    Row { op, text, layouts: None, latency }
}

/// Four packed elements of a lane, the lane above them.
const BYTES: &str = "byte = k0 k1";
const HALVES: &str = "half = k0";

#[rustfmt::skip] // a table
pub static ROWS: &[Row] = &[
    row(Op::Worker, 1, ""),
    row(Op::Const, 1, "{d} = iconst.i64 {n}"),
    row(Op::Int(IntOp::Add), 1, "{d} = iadd {a}, {b}"),
    row(Op::Int(IntOp::Sub), 1, "{d} = isub {a}, {b}"),
    row(Op::Int(IntOp::Mul), 3, "{d} = imul {a}, {b}"),
    // The machine rounds to zero; one less where that was upwards.
    row(Op::Int(IntOp::Div), 20, "{t0} = sdiv {a}, {b}\n{t1} = imul {t0}, {b}\n{t2} = icmp slt {a}, {t1}\n{t3} = uextend.i64 {t2}\n{d} = isub {t0}, {t3}"),
    row(Op::Int(IntOp::Rem), 20, "{t0} = srem {a}, {b}\n{t1} = iconst.i64 0\n{t2} = icmp slt {t0}, {t1}\n{t3} = iadd {t0}, {b}\n{d} = select {t2}, {t3}, {t0}"),
    row(Op::Int(IntOp::Min), 2, "{t0} = icmp slt {a}, {b}\n{d} = select {t0}, {a}, {b}"),
    row(Op::Int(IntOp::Max), 2, "{t0} = icmp sgt {a}, {b}\n{d} = select {t0}, {a}, {b}"),
    row(Op::Read(Width::W64), 4, "{d} = load.i64 notrap {m}"),
    row(Op::Read(Width::W32), 4, "{d} = sload32 notrap {m}"),
    row(Op::Read(Width::U16), 4, "{d} = uload16.i64 notrap {m}"),
    row(Op::Read(Width::S16), 4, "{d} = sload16.i64 notrap {m}"),
    row(Op::Read(Width::U8), 4, "{d} = uload8.i64 notrap {m}"),
    row(Op::Read(Width::S8), 4, "{d} = sload8.i64 notrap {m}"),
    row(Op::Write(Width::W64), 1, "store notrap {a}, {m}"),
    row(Op::Write(Width::W32), 1, "istore32 notrap {a}, {m}"),
    row(Op::Write(Width::U16), 1, "istore16 notrap {a}, {m}"),
    row(Op::Write(Width::S16), 1, "istore16 notrap {a}, {m}"),
    row(Op::Write(Width::U8), 1, "istore8 notrap {a}, {m}"),
    row(Op::Write(Width::S8), 1, "istore8 notrap {a}, {m}"),
    row(Op::Next, 20, "{t0} = iconst.i64 {o}\n{t1} = iadd {p}, {t0}\n{d} = atomic_rmw.i64 notrap add {t1}, {a}"),

    row(Op::Load(Width::W32), 5, "{d} = load.{T} notrap {m}"),
    row(Op::Load(Width::U16), 6, "{d} = uload16x4 notrap {m}"),
    row(Op::Load(Width::S16), 6, "{d} = sload16x4 notrap {m}"),
    row(Op::Load(Width::U8), 8, "{t0} = load.i32 notrap {m}\n{t1} = scalar_to_vector.i32x4 {t0}\n{t2} = bitcast.i8x16 little {t1}\n{t3} = uwiden_low {t2}\n{d} = uwiden_low {t3}"),
    row(Op::Load(Width::S8), 8, "{t0} = load.i32 notrap {m}\n{t1} = scalar_to_vector.i32x4 {t0}\n{t2} = bitcast.i8x16 little {t1}\n{t3} = swiden_low {t2}\n{d} = swiden_low {t3}"),
    row(Op::Splat(Width::W32), 5, "{t0} = load.{E} notrap {m}\n{d} = splat.{T} {t0}"),
    row(Op::Splat(Width::U16), 8, "{t0} = uload16.i32 notrap {m}\n{d} = splat.i32x4 {t0}"),
    row(Op::Splat(Width::S16), 8, "{t0} = sload16.i32 notrap {m}\n{d} = splat.i32x4 {t0}"),
    row(Op::Splat(Width::U8), 8, "{t0} = uload8.i32 notrap {m}\n{d} = splat.i32x4 {t0}"),
    row(Op::Splat(Width::S8), 8, "{t0} = sload8.i32 notrap {m}\n{d} = splat.i32x4 {t0}"),
    row(Op::Store(Width::W32), 1, "store notrap {a}, {m}"),
    row(Op::Store(Width::U16), 3, HALVES_OUT), row(Op::Store(Width::S16), 3, HALVES_OUT),
    row(Op::Store(Width::U8), 4, BYTES_OUT), row(Op::Store(Width::S8), 4, BYTES_OUT),

    row(Op::FloatConst, 1, "{d} = vconst.f32x4 {k}"),
    row(Op::WordConst, 1, "{d} = vconst.i32x4 {k}"),
    row(Op::Iota, 1, "{d} = vconst.i32x4 0x00000003000000020000000100000000"),
    row(Op::Spread, 4, "{t0} = ireduce.i32 {a}\n{d} = splat.i32x4 {t0}"),
    row(Op::Float(FloatOp::Add), 4, "{d} = fadd {a}, {b}"),
    row(Op::Float(FloatOp::Sub), 4, "{d} = fsub {a}, {b}"),
    row(Op::Float(FloatOp::Mul), 4, "{d} = fmul {a}, {b}"),
    row(Op::Float(FloatOp::Div), 11, "{d} = fdiv {a}, {b}"),
    // These two fold into maxps and minps; CLIF's own fmax is ten instructions for its NaN rules.
    row(Op::Float(FloatOp::Max), 4, "{t0} = fcmp lt {b}, {a}\n{t1} = bitcast.f32x4 little {t0}\n{d} = bitselect {t1}, {a}, {b}"),
    row(Op::Float(FloatOp::Min), 4, "{t0} = fcmp lt {a}, {b}\n{t1} = bitcast.f32x4 little {t0}\n{d} = bitselect {t1}, {a}, {b}"),
    row(Op::FloatUnary(FloatUnary::Neg), 1, "{d} = fneg {a}"),
    row(Op::FloatUnary(FloatUnary::Abs), 1, "{d} = fabs {a}"),
    row(Op::FloatUnary(FloatUnary::Sqrt), 14, "{d} = sqrt {a}"),
    row(Op::FloatUnary(FloatUnary::Floor), 8, "{d} = floor {a}"),
    row(Op::FloatUnary(FloatUnary::Nearest), 8, "{d} = nearest {a}"),
    row(Op::FloatUnary(FloatUnary::Exp2), 50, EXP2),
    row(Op::Fma, 4, "{d} = fma {a}, {b}, {c}"),
    row(Op::Word(WordOp::Add), 1, "{d} = iadd {a}, {b}"),
    row(Op::Word(WordOp::Sub), 1, "{d} = isub {a}, {b}"),
    row(Op::Word(WordOp::Mul), 10, "{d} = imul {a}, {b}"),
    row(Op::Word(WordOp::And), 1, "{d} = band {a}, {b}"),
    row(Op::Word(WordOp::Or), 1, "{d} = bor {a}, {b}"),
    row(Op::Word(WordOp::Xor), 1, "{d} = bxor {a}, {b}"),
    row(Op::Word(WordOp::Min), 1, "{d} = smin {a}, {b}"),
    row(Op::Word(WordOp::Max), 1, "{d} = smax {a}, {b}"),
    row(Op::Shift(ShiftOp::Left), 1, "{t0} = iconst.i32 {n}\n{d} = ishl {a}, {t0}"),
    row(Op::Shift(ShiftOp::Right), 1, "{t0} = iconst.i32 {n}\n{d} = ushr {a}, {t0}"),
    row(Op::Shift(ShiftOp::Arithmetic), 1, "{t0} = iconst.i32 {n}\n{d} = sshr {a}, {t0}"),
    row(Op::FloatCmp(Compare::Lt), 4, "{d} = fcmp lt {a}, {b}"),
    row(Op::FloatCmp(Compare::Le), 4, "{d} = fcmp le {a}, {b}"),
    row(Op::FloatCmp(Compare::Eq), 4, "{d} = fcmp eq {a}, {b}"),
    row(Op::FloatCmp(Compare::Ne), 4, "{d} = fcmp ne {a}, {b}"),
    row(Op::FloatCmp(Compare::Ge), 4, "{d} = fcmp ge {a}, {b}"),
    row(Op::FloatCmp(Compare::Gt), 4, "{d} = fcmp gt {a}, {b}"),
    row(Op::WordCmp(Compare::Lt), 1, "{d} = icmp slt {a}, {b}"),
    row(Op::WordCmp(Compare::Le), 1, "{d} = icmp sle {a}, {b}"),
    row(Op::WordCmp(Compare::Eq), 1, "{d} = icmp eq {a}, {b}"),
    row(Op::WordCmp(Compare::Ne), 1, "{d} = icmp ne {a}, {b}"),
    row(Op::WordCmp(Compare::Ge), 1, "{d} = icmp sge {a}, {b}"),
    row(Op::WordCmp(Compare::Gt), 1, "{d} = icmp sgt {a}, {b}"),
    row(Op::Mask(MaskOp::And), 1, "{d} = band {a}, {b}"),
    row(Op::Mask(MaskOp::Or), 1, "{d} = bor {a}, {b}"),
    row(Op::Select, 2, "{t0} = bitcast.{T} little {a}\n{d} = bitselect {t0}, {b}, {c}"),
    row(Op::Bits, 0, "{d} = bitcast.i32x4 little {a}"),
    row(Op::FromBits, 0, "{d} = bitcast.f32x4 little {a}"),

    row(Op::Cvt(Cvt::FloatFromInt), 4, "{d} = fcvt_from_sint.f32x4 {a}"),
    row(Op::Cvt(Cvt::IntFromFloat), 16, INT_FROM_FLOAT),
    row(Op::Cvt(Cvt::FloatFromF16), 12, FLOAT_FROM_F16),
    row(Op::Cvt(Cvt::F16FromFloat), 12, F16_FROM_FLOAT),
    row(Op::Cvt(Cvt::FloatFromBf16), 2, "{t0} = iconst.i32 16\n{t1} = ishl {a}, {t0}\n{d} = bitcast.f32x4 little {t1}"),
    row(Op::Cvt(Cvt::Bf16FromFloat), 8, BF16_FROM_FLOAT),

    row(Op::HSum, 12, HSUM), row(Op::HMax, 14, HMAX), row(Op::WordHSum, 6, WHSUM),

    // Folds into one vpdpbusd, or usdot with its operands the other way round; elsewhere about ten instructions.
    Row { op: Op::Dot(DotOp::U8S8), latency: 5, layouts: Some([BYTES, BYTES, ""]), text: DOT_U8S8 },
    Row { op: Op::Dot(DotOp::S16S16), latency: 6, layouts: Some([HALVES, HALVES, ""]), text: DOT_S16S16 },
];

const DOT_U8S8: &str = "\
{t0} = swiden_low {b}
{t1} = uwiden_low {a}
{t2} = imul {t0}, {t1}
{t3} = swiden_high {b}
{t4} = uwiden_high {a}
{t5} = imul {t3}, {t4}
{t6} = swiden_low {t2}
{t7} = swiden_high {t2}
{t8} = iadd_pairwise {t6}, {t7}
{t9} = swiden_low {t5}
{t10} = swiden_high {t5}
{t11} = iadd_pairwise {t9}, {t10}
{t12} = iadd_pairwise {t8}, {t11}
{d} = iadd {t12}, {c}";

/// pmaddwd.
const DOT_S16S16: &str = "\
{t0} = swiden_low {a}
{t1} = swiden_low {b}
{t2} = imul {t0}, {t1}
{t3} = swiden_high {a}
{t4} = swiden_high {b}
{t5} = imul {t3}, {t4}
{t6} = iadd_pairwise {t2}, {t5}
{d} = iadd {t6}, {c}";

/// Masked first: the narrowing instructions saturate.
const HALVES_OUT: &str = "\
{t0} = bitcast.i32x4 little {a}
{t1} = vconst.i32x4 {=0000ffff}
{t2} = band {t0}, {t1}
{t3} = unarrow {t2}, {t2}
{t4} = bitcast.i64x2 little {t3}
{t5} = extractlane {t4}, 0
store notrap {t5}, {m}";

const BYTES_OUT: &str = "\
{t0} = bitcast.i32x4 little {a}
{t1} = vconst.i32x4 {=000000ff}
{t2} = band {t0}, {t1}
{t3} = unarrow {t2}, {t2}
{t4} = unarrow {t3}, {t3}
{t5} = bitcast.i32x4 little {t4}
{t6} = extractlane {t5}, 0
store notrap {t6}, {m}";

/// In the range of i32 the saturating conversion is the plain one; elsewhere, NaN too, i32::MIN.
const INT_FROM_FLOAT: &str = "\
{t0} = nearest {a}
{t1} = fcvt_to_sint_sat.i32x4 {t0}
{t2} = vconst.f32x4 {=4f000000}
{t3} = fcmp lt {t0}, {t2}
{t4} = vconst.i32x4 {=80000000}
{d} = bitselect {t3}, {t1}, {t4}";

/// The exponent moves by 2^112, exactly, for subnormals too; at 2^16 and above it was all ones and is again.
const FLOAT_FROM_F16: &str = "\
{t0} = iconst.i32 16
{t1} = ishl {a}, {t0}
{t2} = iconst.i32 3
{t3} = sshr {t1}, {t2}
{t4} = vconst.i32x4 {=8fffffff}
{t5} = band {t3}, {t4}
{t6} = bitcast.f32x4 little {t5}
{t7} = vconst.f32x4 {=77800000}
{t8} = fmul {t6}, {t7}
{t9} = fabs {t8}
{t10} = vconst.f32x4 {=47800000}
{t11} = fcmp ge {t9}, {t10}
{t12} = vconst.i32x4 {=7f800000}
{t13} = band {t11}, {t12}
{t14} = bitcast.i32x4 little {t8}
{t15} = bor {t13}, {t14}
{d} = bitcast.f32x4 little {t15}";

/// Normals round in the integers, subnormals by adding one half, whose last place is 2^-24.
const F16_FROM_FLOAT: &str = "\
{t0} = bitcast.i32x4 little {a}
{t1} = vconst.i32x4 {=7fffffff}
{t2} = band {t0}, {t1}
{t3} = bxor {t0}, {t2}
{t4} = iconst.i32 13
{t5} = ushr {t2}, {t4}
{t6} = vconst.i32x4 {=00000001}
{t7} = band {t5}, {t6}
{t8} = vconst.i32x4 {=c8000fff}
{t9} = iadd {t2}, {t8}
{t10} = iadd {t9}, {t7}
{t11} = ushr {t10}, {t4}
{t12} = vconst.f32x4 {=3f000000}
{t13} = bitcast.f32x4 little {t2}
{t14} = fadd {t13}, {t12}
{t15} = bitcast.i32x4 little {t14}
{t16} = vconst.i32x4 {=3f000000}
{t17} = isub {t15}, {t16}
{t18} = vconst.i32x4 {=38800000}
{t19} = icmp slt {t2}, {t18}
{t20} = bitselect {t19}, {t17}, {t11}
{t21} = vconst.i32x4 {=477fffff}
{t22} = icmp sgt {t2}, {t21}
{t23} = vconst.i32x4 {=7f800000}
{t24} = icmp sgt {t2}, {t23}
{t25} = vconst.i32x4 {=00000200}
{t26} = band {t24}, {t25}
{t27} = vconst.i32x4 {=00007c00}
{t28} = bor {t26}, {t27}
{t29} = bitselect {t22}, {t28}, {t20}
{t30} = iconst.i32 16
{t31} = ushr {t3}, {t30}
{d} = bor {t29}, {t31}";

const BF16_FROM_FLOAT: &str = "\
{t0} = bitcast.i32x4 little {a}
{t1} = iconst.i32 16
{t2} = ushr {t0}, {t1}
{t3} = vconst.i32x4 {=00000001}
{t4} = band {t2}, {t3}
{t5} = vconst.i32x4 {=00007fff}
{t6} = iadd {t0}, {t5}
{t7} = iadd {t6}, {t4}
{t8} = ushr {t7}, {t1}
{t9} = vconst.i32x4 {=00000040}
{t10} = bor {t2}, {t9}
{t11} = fcmp ne {a}, {a}
{d} = bitselect {t11}, {t10}, {t8}";

/// 2^x = 2^n 2^f, |f| <= 1/2, n by adding 1.5 * 2^23, 2^f by its series (the rest is below 5.3e-9), 2^n in two
/// factors so that subnormal results round once. The constant comes first in both limits, so NaN passes.
const EXP2: &str = "\
{t0} = vconst.f32x4 {=c3200000}
{t1} = fcmp lt {a}, {t0}
{t2} = bitcast.f32x4 little {t1}
{t3} = bitselect {t2}, {t0}, {a}
{t4} = vconst.f32x4 {=43200000}
{t5} = fcmp lt {t4}, {t3}
{t6} = bitcast.f32x4 little {t5}
{t7} = bitselect {t6}, {t4}, {t3}
{t8} = vconst.f32x4 {=4b400000}
{t9} = fadd {t7}, {t8}
{t10} = fsub {t9}, {t8}
{t11} = fsub {t7}, {t10}
{t12} = vconst.f32x4 {=377fe5fe}
{t13} = vconst.f32x4 {=39218489}
{t14} = fma {t12}, {t11}, {t13}
{t15} = vconst.f32x4 {=3aaec3ff}
{t16} = fma {t14}, {t11}, {t15}
{t17} = vconst.f32x4 {=3c1d955b}
{t18} = fma {t16}, {t11}, {t17}
{t19} = vconst.f32x4 {=3d635847}
{t20} = fma {t18}, {t11}, {t19}
{t21} = vconst.f32x4 {=3e75fdf0}
{t22} = fma {t20}, {t11}, {t21}
{t23} = vconst.f32x4 {=3f317218}
{t24} = fma {t22}, {t11}, {t23}
{t25} = vconst.f32x4 {=3f800000}
{t26} = fma {t24}, {t11}, {t25}
{t27} = bitcast.i32x4 little {t9}
{t28} = vconst.i32x4 {=4b400000}
{t29} = isub {t27}, {t28}
{t30} = iconst.i32 1
{t31} = sshr {t29}, {t30}
{t32} = isub {t29}, {t31}
{t33} = iconst.i32 23
{t34} = vconst.i32x4 {=0000007f}
{t35} = iadd {t31}, {t34}
{t36} = ishl {t35}, {t33}
{t37} = bitcast.f32x4 little {t36}
{t38} = iadd {t32}, {t34}
{t39} = ishl {t38}, {t33}
{t40} = bitcast.f32x4 little {t39}
{t41} = fmul {t26}, {t37}
{d} = fmul {t41}, {t40}";

const HSUM: &str = "\
{t0} = bitcast.i8x16 little {a}
{t1} = shuffle {t0}, {t0}, 0x07060504030201000f0e0d0c0b0a0908
{t2} = bitcast.f32x4 little {t1}
{t3} = fadd {a}, {t2}
{t4} = bitcast.i8x16 little {t3}
{t5} = shuffle {t4}, {t4}, 0x0b0a09080f0e0d0c0302010007060504
{t6} = bitcast.f32x4 little {t5}
{d} = fadd {t3}, {t6}";

/// `a > b ? a : b` depends on the order where a NaN is: lane 0 of the tree is the result.
const HMAX: &str = "\
{t0} = bitcast.i8x16 little {a}
{t1} = shuffle {t0}, {t0}, 0x07060504030201000f0e0d0c0b0a0908
{t2} = bitcast.f32x4 little {t1}
{t3} = fcmp lt {t2}, {a}
{t4} = bitcast.f32x4 little {t3}
{t5} = bitselect {t4}, {a}, {t2}
{t6} = bitcast.i8x16 little {t5}
{t7} = shuffle {t6}, {t6}, 0x07060504070605040706050407060504
{t8} = bitcast.f32x4 little {t7}
{t9} = fcmp lt {t8}, {t5}
{t10} = bitcast.f32x4 little {t9}
{t11} = bitselect {t10}, {t5}, {t8}
{t12} = bitcast.i8x16 little {t11}
{t13} = shuffle {t12}, {t12}, 0x03020100030201000302010003020100
{d} = bitcast.f32x4 little {t13}";

const WHSUM: &str = "\
{t0} = bitcast.i8x16 little {a}
{t1} = shuffle {t0}, {t0}, 0x07060504030201000f0e0d0c0b0a0908
{t2} = bitcast.i32x4 little {t1}
{t3} = iadd {a}, {t2}
{t4} = bitcast.i8x16 little {t3}
{t5} = shuffle {t4}, {t4}, 0x0b0a09080f0e0d0c0302010007060504
{t6} = bitcast.i32x4 little {t5}
{d} = iadd {t3}, {t6}";
