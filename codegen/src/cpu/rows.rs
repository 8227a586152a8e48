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

    // CLIF has no hint, so the driver lends a function of one instruction that leaves every register alone.
    row(Op::Prefetch(1), 0, "{t0} = iconst.i64 {o}\n{t1} = iadd {p}, {t0}\ncall fn0({t1})"),

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
    row(Op::Half(HalfOp::Shift(ShiftOp::Left)), 1, "{t0} = bitcast.i16x8 little {a}\n{t1} = iconst.i32 {n}\n{t2} = ishl {t0}, {t1}\n{d} = bitcast.i32x4 little {t2}"),
    row(Op::Half(HalfOp::Shift(ShiftOp::Right)), 1, "{t0} = bitcast.i16x8 little {a}\n{t1} = iconst.i32 {n}\n{t2} = ushr {t0}, {t1}\n{d} = bitcast.i32x4 little {t2}"),
    row(Op::Half(HalfOp::Shift(ShiftOp::Arithmetic)), 1, "{t0} = bitcast.i16x8 little {a}\n{t1} = iconst.i32 {n}\n{t2} = sshr {t0}, {t1}\n{d} = bitcast.i32x4 little {t2}"),
    row(Op::Half(HalfOp::Eq), 1, "{t0} = bitcast.i16x8 little {a}\n{t1} = bitcast.i16x8 little {b}\n{t2} = icmp eq {t0}, {t1}\n{d} = bitcast.i32x4 little {t2}"),
    // punpcklwd, zip1 and punpckhwd, zip2.
    row(Op::Half(HalfOp::Low), 1, "{t0} = bitcast.i8x16 little {a}\n{t1} = bitcast.i8x16 little {b}\n{t2} = shuffle {t0}, {t1}, 0x17160706151405041312030211100100\n{d} = bitcast.i32x4 little {t2}"),
    row(Op::Half(HalfOp::High), 1, "{t0} = bitcast.i8x16 little {a}\n{t1} = bitcast.i8x16 little {b}\n{t2} = shuffle {t0}, {t1}, 0x1f1e0f0e1d1c0d0c1b1a0b0a19180908\n{d} = bitcast.i32x4 little {t2}"),
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
    row(Op::Ballot, 4, "{t0} = vhigh_bits.i32 {a}\n{d} = uextend.i64 {t0}"),
    row(Op::Select, 2, "{t0} = bitcast.{T} little {a}\n{d} = bitselect {t0}, {b}, {c}"),
    // An index above 15 gives 0: bits 4 to 6 do not count.
    row(Op::ShuffleBytes, 4, "{t0} = vconst.i32x4 {=8f8f8f8f}\n{t1} = band {b}, {t0}\n{t2} = bitcast.i8x16 little {a}\n{t3} = bitcast.i8x16 little {t1}\n{t4} = swizzle {t2}, {t3}\n{d} = bitcast.i32x4 little {t4}"),
    row(Op::Bits, 0, "{d} = bitcast.i32x4 little {a}"),
    row(Op::FromBits, 0, "{d} = bitcast.f32x4 little {a}"),

    row(Op::Cvt(Cvt::FloatFromInt), 4, "{d} = fcvt_from_sint.f32x4 {a}"),
    row(Op::Cvt(Cvt::IntFromFloat), 16, INT_FROM_FLOAT),


    // Folds into one vpdpbusd, or usdot with its operands the other way round; elsewhere about ten instructions.
    Row { op: Op::Dot(DotOp::U8S8), latency: 5, layouts: Some([BYTES, BYTES, ""]), text: DOT_U8S8 },
    Row { op: Op::Dot(DotOp::S16S16), latency: 6, layouts: Some([HALVES, HALVES, ""]), text: DOT_S16S16 },
];

const DOT_U8S8: &str = "\
{t13} = bitcast.i8x16 little {a}
{t14} = bitcast.i8x16 little {b}
{t0} = swiden_low {t14}
{t1} = uwiden_low {t13}
{t2} = imul {t0}, {t1}
{t3} = swiden_high {t14}
{t4} = uwiden_high {t13}
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
{t7} = bitcast.i16x8 little {a}
{t8} = bitcast.i16x8 little {b}
{t0} = swiden_low {t7}
{t1} = swiden_low {t8}
{t2} = imul {t0}, {t1}
{t3} = swiden_high {t7}
{t4} = swiden_high {t8}
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
