//! Instruction rows of CPUs in LLVM's language.
//!
//! A template has one instruction a line. `{d}` is the result, `{a} {b} {c}` the operands, `{m}` the address, `{n}` the
//! immediate, `{t0}` .. fresh values, `{=3f800000}` that word in all lanes. Types are of as many lanes as the target's
//! vectors have: `{F}` floats, `{W}` words, `{M}` truth values, `{V}` the one of the result, `{A}` the one of the first
//! operand, `{E}` an element of the result's; `{L}` is the number of lanes, `{2L}` and `{4L}` twice and four times as
//! many, `{iota}`, `{low}` and `{high}` are lanes of shuffles, `{nibbles}` which bits [`Op::Nibbles`] takes. Ops with an empty text stand in `emit`:
//!
//! ```text
//! {t0} = fcmp ogt {F} {a}, {b}
//! {d} = select {M} {t0}, {F} {a}, {F} {b}
//! ```
//!
//! Rows of x86-64 are those of machine code, with the same latencies: both emitters get the same kernels.

use kgen_ir::{machine::*, tile::Compare};

const fn row(op: Op, latency: u8, text: &'static str) -> Row {
    Row { op, text, layouts: None, latency }
}

/// Packed elements of a lane, the lane above them.
const BYTES: &str = "byte = k0 k1";
const HALVES: &str = "half = k0";

const fn dot(op: DotOp, latency: u8, packed: &'static str, text: &'static str) -> Row {
    Row { op: Op::Dot(op), text, layouts: Some([packed, packed, ""]), latency }
}

/// How many of the first lanes: lane i is one if it is below.
macro_rules! first_lanes {
    ($count:literal, $rest:expr) => {
        concat!(
            "{t0} = trunc i64 ",
            $count,
            " to i32\n{t1} = insertelement {W} poison, i32 {t0}, i64 0\n\
             {t2} = shufflevector {W} {t1}, {W} poison, {W} zeroinitializer\n\
             {t3} = icmp sgt {W} {t2}, {iota}\n",
            $rest
        )
    };
}

/// A load by a mask reads nothing where that is false.
const LOAD_PART: &str = first_lanes!(
    "{a}",
    "{d} = call {V} @llvm.masked.load.v{L}{E.}.p0(ptr {m}, i32 1, {M} {t3}, {V} zeroinitializer)"
);

const STORE_PART: &str = first_lanes!(
    "{b}",
    "call void @llvm.masked.store.v{L}{A.}.p0({A} {a}, ptr {m}, i32 1, {M} {t3})"
);

macro_rules! load_part {
    ($element:literal, $extend:literal) => {
        first_lanes!(
            "{a}",
            concat!(
                "{t4} = call <{L} x ",
                $element,
                "> @llvm.masked.load.v{L}",
                $element,
                ".p0(ptr {m}, i32 1, {M} {t3}, <{L} x ",
                $element,
                "> zeroinitializer)\n{d} = ",
                $extend,
                " <{L} x ",
                $element,
                "> {t4} to {W}"
            )
        )
    };
}

macro_rules! store_part {
    ($element:literal) => {
        first_lanes!(
            "{b}",
            concat!(
                "{t4} = bitcast {A} {a} to {W}\n{t5} = trunc {W} {t4} to <{L} x ",
                $element,
                ">\ncall void @llvm.masked.store.v{L}",
                $element,
                ".p0(<{L} x ",
                $element,
                "> {t5}, ptr {m}, i32 1, {M} {t3})"
            )
        )
    };
}

/// Even and odd bytes as halves: the instruction for bytes saturates its pairs.
macro_rules! dot_bytes {
    ($madd:literal) => {
        concat!(
            "{t0} = bitcast {W} {a} to <{2L} x i16>\n\
             {t1} = bitcast {W} {b} to <{2L} x i16>\n\
             {t2} = and <{2L} x i16> {t0}, splat (i16 255)\n\
             {t3} = lshr <{2L} x i16> {t0}, splat (i16 8)\n\
             {t4} = shl <{2L} x i16> {t1}, splat (i16 8)\n\
             {t5} = ashr <{2L} x i16> {t4}, splat (i16 8)\n\
             {t6} = ashr <{2L} x i16> {t1}, splat (i16 8)\n\
             {t7} = call {W} @",
            $madd,
            "(<{2L} x i16> {t2}, <{2L} x i16> {t5})\n{t8} = call {W} @",
            $madd,
            "(<{2L} x i16> {t3}, <{2L} x i16> {t6})\n\
             {t9} = add {W} {t7}, {t8}\n\
             {d} = add {W} {c}, {t9}"
        )
    };
}

macro_rules! dot_halves {
    ($madd:literal) => {
        concat!(
            "{t0} = bitcast {W} {a} to <{2L} x i16>\n\
             {t1} = bitcast {W} {b} to <{2L} x i16>\n\
             {t2} = call {W} @",
            $madd,
            "(<{2L} x i16> {t0}, <{2L} x i16> {t1})\n\
             {d} = add {W} {c}, {t2}"
        )
    };
}

/// A product of an unsigned and a signed byte fits sixteen bits; neighbours add up in 32.
const NEON_BYTES: &str = "\
{t0} = bitcast {W} {a} to <8 x i16>
{t1} = bitcast {W} {b} to <8 x i16>
{t2} = and <8 x i16> {t0}, splat (i16 255)
{t3} = lshr <8 x i16> {t0}, splat (i16 8)
{t4} = shl <8 x i16> {t1}, splat (i16 8)
{t5} = ashr <8 x i16> {t4}, splat (i16 8)
{t6} = ashr <8 x i16> {t1}, splat (i16 8)
{t7} = mul <8 x i16> {t2}, {t5}
{t8} = mul <8 x i16> {t3}, {t6}
{t9} = call {W} @llvm.aarch64.neon.saddlp.v4i32.v8i16(<8 x i16> {t7})
{t10} = call {W} @llvm.aarch64.neon.saddlp.v4i32.v8i16(<8 x i16> {t8})
{t11} = add {W} {t9}, {t10}
{d} = add {W} {c}, {t11}";

/// `a b = (a - 128) b + 2 (64 b)`, where a - 128 is signed.
const NEON_SDOT: &str = "\
{t0} = xor {W} {a}, {=80808080}
{t1} = bitcast {W} {t0} to <16 x i8>
{t2} = bitcast {W} {b} to <16 x i8>
{t3} = call {W} @llvm.aarch64.neon.sdot.v4i32.v16i8({W} {c}, <16 x i8> {t1}, <16 x i8> {t2})
{t4} = call {W} @llvm.aarch64.neon.sdot.v4i32.v16i8({W} {t3}, <16 x i8> splat (i8 64), <16 x i8> {t2})
{d} = call {W} @llvm.aarch64.neon.sdot.v4i32.v16i8({W} {t4}, <16 x i8> splat (i8 64), <16 x i8> {t2})";

const NEON_HALVES: &str = "\
{t0} = shl {W} {a}, splat (i32 16)
{t1} = ashr {W} {t0}, splat (i32 16)
{t2} = shl {W} {b}, splat (i32 16)
{t3} = ashr {W} {t2}, splat (i32 16)
{t4} = ashr {W} {a}, splat (i32 16)
{t5} = ashr {W} {b}, splat (i32 16)
{t6} = mul {W} {t1}, {t3}
{t7} = mul {W} {t4}, {t5}
{t8} = add {W} {t6}, {t7}
{d} = add {W} {c}, {t8}";

/// One of three: of vectors of 512 bits, of 256, of 128.
macro_rules! pick {
    (wide $a:tt $b:tt $c:tt) => {
        $a
    };
    (half $a:tt $b:tt $c:tt) => {
        $b
    };
    (quarter $a:tt $b:tt $c:tt) => {
        $c
    };
}

/// Rows that every CPU has, in vectors of a width; behind them those that it has beside.
macro_rules! rows {
    ($w:ident, $($rest:expr),* $(,)?) => {
        &[
            row(Op::Const, 1, ""), row(Op::Arg, 4, ""), row(Op::Worker, 0, ""),
            row(Op::Int(IntOp::Add), 1, "{d} = add i64 {a}, {b}"),
            row(Op::Int(IntOp::Sub), 1, "{d} = sub i64 {a}, {b}"),
            row(Op::Int(IntOp::Mul), 3, "{d} = mul i64 {a}, {b}"),
            // The machine rounds to zero; one less where that was upwards.
            row(Op::Int(IntOp::Div), 20, "{t0} = sdiv i64 {a}, {b}\n{t1} = mul i64 {t0}, {b}\n{t2} = icmp slt i64 {a}, {t1}\n{t3} = zext i1 {t2} to i64\n{d} = sub i64 {t0}, {t3}"),
            row(Op::Int(IntOp::Rem), 20, "{t0} = srem i64 {a}, {b}\n{t1} = icmp slt i64 {t0}, 0\n{t2} = add i64 {t0}, {b}\n{d} = select i1 {t1}, i64 {t2}, i64 {t0}"),
            row(Op::Int(IntOp::Min), 2, "{d} = call i64 @llvm.smin.i64(i64 {a}, i64 {b})"),
            row(Op::Int(IntOp::Max), 2, "{d} = call i64 @llvm.smax.i64(i64 {a}, i64 {b})"),
            row(Op::Bits, 0, "{d} = bitcast {F} {a} to {W}"),
            row(Op::FromBits, 0, "{d} = bitcast {W} {a} to {F}"),
            row(Op::Fma, 4, "{d} = call {F} @llvm.fma.v{L}f32({F} {a}, {F} {b}, {F} {c})"),
            row(Op::Read(Width::W64), 4, "{d} = load i64, ptr {m}, align 1"),
            row(Op::Read(Width::W32), 4, "{t0} = load i32, ptr {m}, align 1\n{d} = sext i32 {t0} to i64"),
            row(Op::Read(Width::U16), 4, "{t0} = load i16, ptr {m}, align 1\n{d} = zext i16 {t0} to i64"),
            row(Op::Read(Width::S16), 4, "{t0} = load i16, ptr {m}, align 1\n{d} = sext i16 {t0} to i64"),
            row(Op::Read(Width::U8), 4, "{t0} = load i8, ptr {m}, align 1\n{d} = zext i8 {t0} to i64"),
            row(Op::Read(Width::S8), 4, "{t0} = load i8, ptr {m}, align 1\n{d} = sext i8 {t0} to i64"),
            row(Op::Write(Width::W64), 1, "store i64 {a}, ptr {m}, align 1"),
            row(Op::Write(Width::W32), 1, "{t0} = trunc i64 {a} to i32\nstore i32 {t0}, ptr {m}, align 1"),
            row(Op::Write(Width::U16), 1, "{t0} = trunc i64 {a} to i16\nstore i16 {t0}, ptr {m}, align 1"),
            row(Op::Write(Width::S16), 1, "{t0} = trunc i64 {a} to i16\nstore i16 {t0}, ptr {m}, align 1"),
            row(Op::Write(Width::U8), 1, "{t0} = trunc i64 {a} to i8\nstore i8 {t0}, ptr {m}, align 1"),
            row(Op::Write(Width::S8), 1, "{t0} = trunc i64 {a} to i8\nstore i8 {t0}, ptr {m}, align 1"),
            row(Op::Next, 20, "{d} = atomicrmw add ptr {m}, i64 {a} acq_rel, align 8"),
            row(Op::Prefetch(1), 0, "call void @llvm.prefetch.p0(ptr {m}, i32 0, i32 3, i32 1)"),
            row(Op::Prefetch(2), 0, "call void @llvm.prefetch.p0(ptr {m}, i32 0, i32 2, i32 1)"),
            row(Op::Prefetch(3), 0, "call void @llvm.prefetch.p0(ptr {m}, i32 0, i32 1, i32 1)"),

            row(Op::Load(Width::W32), pick!($w 8 7 5), "{d} = load {V}, ptr {m}, align 1"),
            row(Op::Load(Width::U16), pick!($w 9 8 6), "{t0} = load <{L} x i16>, ptr {m}, align 1\n{d} = zext <{L} x i16> {t0} to {W}"),
            row(Op::Load(Width::S16), pick!($w 9 8 6), "{t0} = load <{L} x i16>, ptr {m}, align 1\n{d} = sext <{L} x i16> {t0} to {W}"),
            row(Op::Load(Width::U8), pick!($w 9 8 8), "{t0} = load <{L} x i8>, ptr {m}, align 1\n{d} = zext <{L} x i8> {t0} to {W}"),
            row(Op::Load(Width::S8), pick!($w 9 8 8), "{t0} = load <{L} x i8>, ptr {m}, align 1\n{d} = sext <{L} x i8> {t0} to {W}"),
            row(Op::LoadF16, 11, "{t0} = load <{L} x half>, ptr {m}, align 1\n{d} = fpext <{L} x half> {t0} to {F}"),
            row(Op::SplatF16, 12, "{t0} = load half, ptr {m}, align 1\n{t1} = insertelement <{L} x half> poison, half {t0}, i64 0\n{t2} = shufflevector <{L} x half> {t1}, <{L} x half> poison, {W} zeroinitializer\n{d} = fpext <{L} x half> {t2} to {F}"),
            row(Op::Splat(Width::W32), pick!($w 8 7 5), "{t0} = load {E}, ptr {m}, align 1\n{t1} = insertelement {V} poison, {E} {t0}, i64 0\n{d} = shufflevector {V} {t1}, {V} poison, {W} zeroinitializer"),
            row(Op::Splat(Width::U16), pick!($w 9 9 8), "{t0} = load i16, ptr {m}, align 1\n{t1} = zext i16 {t0} to i32\n{t2} = insertelement {W} poison, i32 {t1}, i64 0\n{d} = shufflevector {W} {t2}, {W} poison, {W} zeroinitializer"),
            row(Op::Splat(Width::S16), pick!($w 9 9 8), "{t0} = load i16, ptr {m}, align 1\n{t1} = sext i16 {t0} to i32\n{t2} = insertelement {W} poison, i32 {t1}, i64 0\n{d} = shufflevector {W} {t2}, {W} poison, {W} zeroinitializer"),
            row(Op::Splat(Width::U8), pick!($w 9 9 8), "{t0} = load i8, ptr {m}, align 1\n{t1} = zext i8 {t0} to i32\n{t2} = insertelement {W} poison, i32 {t1}, i64 0\n{d} = shufflevector {W} {t2}, {W} poison, {W} zeroinitializer"),
            row(Op::Splat(Width::S8), pick!($w 9 9 8), "{t0} = load i8, ptr {m}, align 1\n{t1} = sext i8 {t0} to i32\n{t2} = insertelement {W} poison, i32 {t1}, i64 0\n{d} = shufflevector {W} {t2}, {W} poison, {W} zeroinitializer"),
            row(Op::Store(Width::W32), 1, "store {A} {a}, ptr {m}, align 1"),
            row(Op::Store(Width::U16), pick!($w 4 5 3), "{t0} = bitcast {A} {a} to {W}\n{t1} = trunc {W} {t0} to <{L} x i16>\nstore <{L} x i16> {t1}, ptr {m}, align 1"),
            row(Op::Store(Width::S16), pick!($w 4 5 3), "{t0} = bitcast {A} {a} to {W}\n{t1} = trunc {W} {t0} to <{L} x i16>\nstore <{L} x i16> {t1}, ptr {m}, align 1"),
            row(Op::Store(Width::U8), pick!($w 4 5 4), "{t0} = bitcast {A} {a} to {W}\n{t1} = trunc {W} {t0} to <{L} x i8>\nstore <{L} x i8> {t1}, ptr {m}, align 1"),
            row(Op::Store(Width::S8), pick!($w 4 5 4), "{t0} = bitcast {A} {a} to {W}\n{t1} = trunc {W} {t0} to <{L} x i8>\nstore <{L} x i8> {t1}, ptr {m}, align 1"),

            row(Op::FloatConst, pick!($w 7 6 1), ""), row(Op::WordConst, pick!($w 7 6 1), ""), row(Op::Iota, pick!($w 7 6 1), ""),
            row(Op::Spread, 4, "{t0} = trunc i64 {a} to i32\n{t1} = insertelement {W} poison, i32 {t0}, i64 0\n{d} = shufflevector {W} {t1}, {W} poison, {W} zeroinitializer"),
            row(Op::Float(FloatOp::Add), 4, "{d} = fadd {F} {a}, {b}"),
            row(Op::Float(FloatOp::Sub), 4, "{d} = fsub {F} {a}, {b}"),
            row(Op::Float(FloatOp::Mul), 4, "{d} = fmul {F} {a}, {b}"),
            row(Op::Float(FloatOp::Div), pick!($w 16 11 11), "{d} = fdiv {F} {a}, {b}"),
            // These two become one instruction where there is one that means the same.
            row(Op::Float(FloatOp::Max), 4, "{t0} = fcmp ogt {F} {a}, {b}\n{d} = select {M} {t0}, {F} {a}, {F} {b}"),
            row(Op::Float(FloatOp::Min), 4, "{t0} = fcmp olt {F} {a}, {b}\n{d} = select {M} {t0}, {F} {a}, {F} {b}"),
            row(Op::FloatUnary(FloatUnary::Neg), 1, "{d} = fneg {F} {a}"),
            row(Op::FloatUnary(FloatUnary::Abs), 1, "{d} = call {F} @llvm.fabs.v{L}f32({F} {a})"),
            row(Op::FloatUnary(FloatUnary::Sqrt), pick!($w 20 14 14), "{d} = call {F} @llvm.sqrt.v{L}f32({F} {a})"),
            row(Op::FloatUnary(FloatUnary::Floor), 8, "{d} = call {F} @llvm.floor.v{L}f32({F} {a})"),
            row(Op::FloatUnary(FloatUnary::Nearest), 8, "{d} = call {F} @llvm.roundeven.v{L}f32({F} {a})"),
            row(Op::Word(WordOp::Add), 1, "{d} = add {W} {a}, {b}"),
            row(Op::Word(WordOp::Sub), 1, "{d} = sub {W} {a}, {b}"),
            row(Op::Word(WordOp::Mul), 10, "{d} = mul {W} {a}, {b}"),
            row(Op::Word(WordOp::And), 1, "{d} = and {W} {a}, {b}"),
            row(Op::Word(WordOp::Or), 1, "{d} = or {W} {a}, {b}"),
            row(Op::Word(WordOp::Xor), 1, "{d} = xor {W} {a}, {b}"),
            row(Op::Word(WordOp::Min), 1, "{d} = call {W} @llvm.smin.v{L}i32({W} {a}, {W} {b})"),
            row(Op::Word(WordOp::Max), 1, "{d} = call {W} @llvm.smax.v{L}i32({W} {a}, {W} {b})"),
            row(Op::Shift(ShiftOp::Left), 1, "{d} = shl {W} {a}, splat (i32 {n})"),
            row(Op::Shift(ShiftOp::Right), 1, "{d} = lshr {W} {a}, splat (i32 {n})"),
            row(Op::Shift(ShiftOp::Arithmetic), 1, "{d} = ashr {W} {a}, splat (i32 {n})"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Left)), 1, "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = shl <{2L} x i16> {t0}, splat (i16 {n})\n{d} = bitcast <{2L} x i16> {t1} to {W}"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Right)), 1, "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = lshr <{2L} x i16> {t0}, splat (i16 {n})\n{d} = bitcast <{2L} x i16> {t1} to {W}"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Arithmetic)), 1, "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = ashr <{2L} x i16> {t0}, splat (i16 {n})\n{d} = bitcast <{2L} x i16> {t1} to {W}"),
            row(Op::Half(HalfOp::Eq), pick!($w 5 1 1), "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = bitcast {W} {b} to <{2L} x i16>\n{t2} = icmp eq <{2L} x i16> {t0}, {t1}\n{t3} = sext <{2L} x i1> {t2} to <{2L} x i16>\n{d} = bitcast <{2L} x i16> {t3} to {W}"),
            row(Op::Half(HalfOp::Low), pick!($w 10 7 1), "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = bitcast {W} {b} to <{2L} x i16>\n{t2} = shufflevector <{2L} x i16> {t0}, <{2L} x i16> {t1}, <{2L} x i32> {low}\n{d} = bitcast <{2L} x i16> {t2} to {W}"),
            row(Op::Half(HalfOp::High), pick!($w 10 7 1), "{t0} = bitcast {W} {a} to <{2L} x i16>\n{t1} = bitcast {W} {b} to <{2L} x i16>\n{t2} = shufflevector <{2L} x i16> {t0}, <{2L} x i16> {t1}, <{2L} x i32> {high}\n{d} = bitcast <{2L} x i16> {t2} to {W}"),
            row(Op::FloatCmp(Compare::Lt), 4, "{d} = fcmp olt {F} {a}, {b}"),
            row(Op::FloatCmp(Compare::Le), 4, "{d} = fcmp ole {F} {a}, {b}"),
            row(Op::FloatCmp(Compare::Eq), 4, "{d} = fcmp oeq {F} {a}, {b}"),
            row(Op::FloatCmp(Compare::Ne), 4, "{d} = fcmp une {F} {a}, {b}"),
            row(Op::FloatCmp(Compare::Ge), 4, "{d} = fcmp oge {F} {a}, {b}"),
            row(Op::FloatCmp(Compare::Gt), 4, "{d} = fcmp ogt {F} {a}, {b}"),
            row(Op::WordCmp(Compare::Lt), pick!($w 4 1 1), "{d} = icmp slt {W} {a}, {b}"),
            row(Op::WordCmp(Compare::Le), pick!($w 4 2 1), "{d} = icmp sle {W} {a}, {b}"),
            row(Op::WordCmp(Compare::Eq), pick!($w 4 1 1), "{d} = icmp eq {W} {a}, {b}"),
            row(Op::WordCmp(Compare::Ne), pick!($w 4 2 1), "{d} = icmp ne {W} {a}, {b}"),
            row(Op::WordCmp(Compare::Ge), pick!($w 4 2 1), "{d} = icmp sge {W} {a}, {b}"),
            row(Op::WordCmp(Compare::Gt), pick!($w 4 1 1), "{d} = icmp sgt {W} {a}, {b}"),
            row(Op::Mask(MaskOp::And), 1, "{d} = and {M} {a}, {b}"),
            row(Op::Mask(MaskOp::Or), 1, "{d} = or {M} {a}, {b}"),
            row(Op::Select, pick!($w 1 2 2), "{d} = select {M} {a}, {V} {b}, {V} {c}"),
            row(Op::Cvt(Cvt::FloatFromInt), 4, "{d} = sitofp {W} {a} to {F}"),
            row(Op::Cvt(Cvt::FloatFromF16), pick!($w 12 11 5), "{t0} = trunc {W} {a} to <{L} x i16>\n{t1} = bitcast <{L} x i16> {t0} to <{L} x half>\n{d} = fpext <{L} x half> {t1} to {F}"),
            row(Op::Cvt(Cvt::FloatFromF16Low), pick!($w 8 7 4), "{t0} = bitcast {W} {a} to <{2L} x half>\n{t1} = shufflevector <{2L} x half> {t0}, <{2L} x half> poison, {W} {iota}\n{d} = fpext <{L} x half> {t1} to {F}"),
            row(Op::Cvt(Cvt::FloatFromF16High), pick!($w 11 10 4), "{t0} = bitcast {W} {a} to <{2L} x half>\n{t1} = shufflevector <{2L} x half> {t0}, <{2L} x half> poison, {W} {second}\n{d} = fpext <{L} x half> {t1} to {F}"),
            row(Op::Cvt(Cvt::FloatFromBf16), 1, "{t0} = shl {W} {a}, splat (i32 16)\n{d} = bitcast {W} {t0} to {F}"),
            row(Op::HSum, pick!($w 24 18 12), ""), row(Op::HMax, pick!($w 24 18 12), ""), row(Op::WordHSum, pick!($w 16 12 8), ""),
            row(Op::Ballot, pick!($w 3 5 6), "{t0} = bitcast {M} {a} to i{L}\n{d} = zext i{L} {t0} to i64"),
            $($rest),*
        ]
    };
}

macro_rules! shuffle_bytes {
    ($bytes:literal, $name:literal) => {
        concat!(
            "{t0} = bitcast {W} {a} to ",
            $bytes,
            "\n{t1} = bitcast {W} {b} to ",
            $bytes,
            "\n{t2} = call ",
            $bytes,
            " @",
            $name,
            "(",
            $bytes,
            " {t0}, ",
            $bytes,
            " {t1})\n{d} = bitcast ",
            $bytes,
            " {t2} to {W}"
        )
    };
}

#[rustfmt::skip] // a table
macro_rules! narrow {
    ($($rest:expr),* $(,)?) => {
        rows![half,
            row(Op::LoadPart(Width::W32), 11, LOAD_PART), row(Op::StorePart(Width::W32), 8, STORE_PART),
            row(Op::Gather, 20, "{t0} = call {F} @llvm.x86.avx2.gather.d.ps.256({F} zeroinitializer, ptr {m}, {W} {a}, {F} {f=ffffffff}, i8 4)\n{d} = bitcast {F} {t0} to {V}"),
            row(Op::Cvt(Cvt::IntFromFloat), 4, "{d} = call {W} @llvm.x86.avx.cvt.ps2dq.256({F} {a})"),
            row(Op::ShuffleBytes, 1, shuffle_bytes!("<32 x i8>", "llvm.x86.avx2.pshuf.b")),
            row(Op::Cvt(Cvt::F16FromFloat), 10, "{t0} = call <8 x i16> @llvm.x86.vcvtps2ph.256({F} {a}, i32 0)\n{d} = zext <8 x i16> {t0} to {W}"),
            $($rest),*
        ]
    };
}

#[rustfmt::skip] // a table
pub static V3: &[Row] = narrow![
    dot(DotOp::U8S8, 8, BYTES, dot_bytes!("llvm.x86.avx2.pmadd.wd")),
    dot(DotOp::S16S16, 6, HALVES, dot_halves!("llvm.x86.avx2.pmadd.wd")),
];

#[rustfmt::skip] // a table
pub static V3_VNNI: &[Row] = narrow![
    dot(DotOp::U8S8, 5, BYTES, "{d} = call {W} @llvm.x86.avx512.vpdpbusd.256({W} {c}, {W} {a}, {W} {b})"),
    dot(DotOp::S16S16, 5, HALVES, "{d} = call {W} @llvm.x86.avx512.vpdpwssd.256({W} {c}, {W} {a}, {W} {b})"),
];

#[rustfmt::skip] // a table
macro_rules! wide {
    ($($rest:expr),* $(,)?) => {
        rows![wide,
            row(Op::LoadPart(Width::W32), 14, LOAD_PART),
            row(Op::LoadPart(Width::U16), 14, load_part!("i16", "zext")), row(Op::LoadPart(Width::S16), 14, load_part!("i16", "sext")),
            row(Op::LoadPart(Width::U8), 14, load_part!("i8", "zext")), row(Op::LoadPart(Width::S8), 14, load_part!("i8", "sext")),
            row(Op::StorePart(Width::W32), 8, STORE_PART),
            row(Op::StorePart(Width::U16), 8, store_part!("i16")), row(Op::StorePart(Width::S16), 8, store_part!("i16")),
            row(Op::StorePart(Width::U8), 8, store_part!("i8")), row(Op::StorePart(Width::S8), 8, store_part!("i8")),
            row(Op::Gather, 24, "{t0} = call {F} @llvm.x86.avx512.mask.gather.dps.512({F} zeroinitializer, ptr {m}, {W} {a}, {M} splat (i1 true), i32 4)\n{d} = bitcast {F} {t0} to {V}"),
            // 4: as the mode is, which nobody changes.
            row(Op::Float(FloatOp::Scale), 4, "{d} = call {F} @llvm.x86.avx512.mask.scalef.ps.512({F} {a}, {F} {b}, {F} zeroinitializer, i16 -1, i32 4)"),
            row(Op::FloatUnary(FloatUnary::Fraction), 4, "{d} = call {F} @llvm.x86.avx512.mask.reduce.ps.512({F} {a}, i32 9, {F} zeroinitializer, i16 -1, i32 4)"),
            row(Op::Cvt(Cvt::IntFromFloat), 4, "{d} = call {W} @llvm.x86.avx512.mask.cvtps2dq.512({F} {a}, {W} zeroinitializer, i16 -1, i32 4)"),
            row(Op::Cvt(Cvt::F16FromFloat), 11, "{t0} = call <16 x i16> @llvm.x86.avx512.mask.vcvtps2ph.512({F} {a}, i32 0, <16 x i16> zeroinitializer, i16 -1)\n{d} = zext <16 x i16> {t0} to {W}"),
            row(Op::ShuffleBytes, 1, shuffle_bytes!("<64 x i8>", "llvm.x86.avx512.pshuf.b.512")),
            row(Op::SelectBits, 1, "{t0} = xor {W} {b}, {c}\n{t1} = and {W} {t0}, {a}\n{d} = xor {W} {t1}, {c}"),
            row(Op::Lookup, 3, "{d} = call {F} @llvm.x86.avx512.permvar.sf.512({F} {a}, {W} {b})"),
            $($rest),*
        ]
    };
}

#[rustfmt::skip] // a table
pub static V4: &[Row] = wide![
    dot(DotOp::U8S8, 8, BYTES, dot_bytes!("llvm.x86.avx512.pmaddw.d.512")),
    dot(DotOp::S16S16, 6, HALVES, dot_halves!("llvm.x86.avx512.pmaddw.d.512")),
];

#[rustfmt::skip] // a table
const VNNI_U8S8: Row = dot(DotOp::U8S8, 5, BYTES, "{d} = call {W} @llvm.x86.avx512.vpdpbusd.512({W} {c}, {W} {a}, {W} {b})");
#[rustfmt::skip] // a table
const VNNI_S16S16: Row = dot(DotOp::S16S16, 5, HALVES, "{d} = call {W} @llvm.x86.avx512.vpdpwssd.512({W} {c}, {W} {a}, {W} {b})");
/// Of VBMI.
#[rustfmt::skip] // a table
const PERMUTE_BYTES: Row = row(Op::PermuteBytes, 3, "{t0} = bitcast {W} {a} to <64 x i8>\n{t1} = bitcast {W} {b} to <64 x i8>\n{t2} = call <64 x i8> @llvm.x86.avx512.permvar.qi.512(<64 x i8> {t0}, <64 x i8> {t1})\n{d} = bitcast <64 x i8> {t2} to {W}");
/// Bytes from 192 on.
#[rustfmt::skip] // a table
const PERMUTE_HIGH: Row = row(Op::PermuteHigh, 7, "{t0} = bitcast {W} {a} to <64 x i8>\n{t1} = bitcast {W} {b} to <64 x i8>\n{t2} = bitcast {W} {c} to <64 x i8>\n{t3} = call <64 x i8> @llvm.x86.avx512.permvar.qi.512(<64 x i8> {t0}, <64 x i8> {t1})\n{t4} = bitcast {W} {=c0c0c0c0} to <64 x i8>\n{t5} = icmp uge <64 x i8> {t1}, {t4}\n{t6} = select <64 x i1> {t5}, <64 x i8> {t3}, <64 x i8> {t2}\n{d} = bitcast <64 x i8> {t6} to {W}");
#[rustfmt::skip] // a table
const NIBBLES: Row = row(Op::Nibbles, 8, "{t0} = load i64, ptr {m}, align 1\n{t1} = insertelement <8 x i64> poison, i64 {t0}, i64 0\n{t2} = shufflevector <8 x i64> {t1}, <8 x i64> poison, <8 x i32> zeroinitializer\n{t3} = bitcast <8 x i64> {t2} to <64 x i8>\n{t4} = call <64 x i8> @llvm.x86.avx512.pmultishift.qb.512(<64 x i8> {nibbles}, <64 x i8> {t3})\n{d} = bitcast <64 x i8> {t4} to {W}");
/// Of GFNI.
#[rustfmt::skip] // a table
const AFFINE: Row = row(Op::Affine, 3, "{t0} = bitcast {W} {a} to <64 x i8>\n{t1} = bitcast {W} {b} to <64 x i8>\n{t2} = call <64 x i8> @llvm.x86.vgf2p8affineqb.512(<64 x i8> {t0}, <64 x i8> {t1}, i8 {n})\n{d} = bitcast <64 x i8> {t2} to {W}");

pub static V4_VNNI: &[Row] = wide![VNNI_U8S8, VNNI_S16S16];

pub static V4_VBMI: &[Row] =
    wide![VNNI_U8S8, VNNI_S16S16, PERMUTE_BYTES, PERMUTE_HIGH, NIBBLES, AFFINE];

#[rustfmt::skip] // a table
const BF16: Row = dot(DotOp::Bf16, 6, HALVES, "{t0} = bitcast {W} {a} to <32 x bfloat>\n{t1} = bitcast {W} {b} to <32 x bfloat>\n{d} = call {F} @llvm.x86.avx512bf16.dpbf16ps.512({F} {c}, <32 x bfloat> {t0}, <32 x bfloat> {t1})");
/// The first operand is the upper half.
#[rustfmt::skip] // a table
const PACK_BF16: Row = row(Op::PackBf16, 7, "{t0} = call <32 x bfloat> @llvm.x86.avx512bf16.cvtne2ps2bf16.512({F} {b}, {F} {a})\n{d} = bitcast <32 x bfloat> {t0} to {W}");

pub static V4_BF16: &[Row] =
    wide![VNNI_U8S8, VNNI_S16S16, PERMUTE_BYTES, PERMUTE_HIGH, NIBBLES, AFFINE, BF16, PACK_BF16,];

/// A matrix in a register is a value of LLVM's type for tiles, of 16 rows of 64 bytes.
macro_rules! tiles {
    ($name:literal) => {
        tiles!($name, "64")
    };
    ($name:literal, $bytes:literal) => {
        concat!(
            "{d} = call x86_amx @llvm.x86.",
            $name,
            ".internal(i16 16, i16 64, i16 ",
            $bytes,
            ", x86_amx {c}, x86_amx {a}, x86_amx {b})"
        )
    };
}

/// Sums of what a tile of 16 cycles multiplies wait 52 of them.
const fn matrices(mma: &'static mma::Mma, text: &'static str) -> Row {
    Row { op: Op::Mma(mma), text, layouts: Some(mma.layouts), latency: 52 }
}

/// The letters of a name are the signs of the left operand's bytes and of the right one's.
#[rustfmt::skip] // a table
pub static AMX: &[Row] = wide![
    VNNI_U8S8, VNNI_S16S16, PERMUTE_BYTES, PERMUTE_HIGH, NIBBLES, AFFINE, BF16, PACK_BF16,
    matrices(&mma::M16N16K64_S8, tiles!("tdpbssd")), matrices(&mma::M16N16K64_S8U8, tiles!("tdpbsud")),
    matrices(&mma::M16N16K64_U8S8, tiles!("tdpbusd")), matrices(&mma::M16N16K64_U8, tiles!("tdpbuud")),
    matrices(&mma::M16N16K32_S8U8, tiles!("tdpbsud", "32")), matrices(&mma::M16N16K32_BF16, tiles!("tdpbf16ps")),
    row(Op::Rows(RowsOp::Zero, 16), 1, "{d} = call x86_amx @llvm.x86.tilezero.internal(i16 16, i16 64)"),
    row(Op::Rows(RowsOp::Load, 16), 45, "{d} = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 64, ptr {m}, i64 {a})"),
    row(Op::Rows(RowsOp::Load, 8), 45, "{d} = call x86_amx @llvm.x86.tileloadd64.internal(i16 8, i16 64, ptr {m}, i64 {a})"),
    row(Op::Rows(RowsOp::Half, 16), 45, "{d} = call x86_amx @llvm.x86.tileloadd64.internal(i16 16, i16 32, ptr {m}, i64 {a})"),
    row(Op::Rows(RowsOp::Store, 16), 16, "call void @llvm.x86.tilestored64.internal(i16 16, i16 64, ptr {m}, i64 {b}, x86_amx {a})"),
];

#[rustfmt::skip] // a table
macro_rules! neon {
    ($($rest:expr),* $(,)?) => {
        rows![quarter,
            // In range as the instruction does it; NaN and what is too large give i32::MIN.
            row(Op::Cvt(Cvt::IntFromFloat), 6, "{t0} = call {W} @llvm.aarch64.neon.fcvtns.v4i32.v4f32({F} {a})\n{t1} = fcmp olt {F} {a}, {f=4f000000}\n{d} = select {M} {t1}, {W} {t0}, {W} {=80000000}"),
            row(Op::Cvt(Cvt::F16FromFloat), 5, "{t0} = fptrunc {F} {a} to <4 x half>\n{t1} = bitcast <4 x half> {t0} to <4 x i16>\n{d} = zext <4 x i16> {t1} to {W}"),
            // An index above 15 gives 0: bits 4 to 6 do not count.
            row(Op::ShuffleBytes, 3, "{t0} = and {W} {b}, {=8f8f8f8f}\n{t1} = bitcast {W} {a} to <16 x i8>\n{t2} = bitcast {W} {t0} to <16 x i8>\n{t3} = call <16 x i8> @llvm.aarch64.neon.tbl1.v16i8(<16 x i8> {t1}, <16 x i8> {t2})\n{d} = bitcast <16 x i8> {t3} to {W}"),
            dot(DotOp::S16S16, 6, HALVES, NEON_HALVES),
            $($rest),*
        ]
    };
}

pub static NEON: &[Row] = neon![dot(DotOp::U8S8, 8, BYTES, NEON_BYTES)];

pub static NEON_DOT: &[Row] = neon![dot(DotOp::U8S8, 9, BYTES, NEON_SDOT)];

#[rustfmt::skip] // a table
pub static NEON_I8MM: &[Row] = neon![
    dot(DotOp::U8S8, 3, BYTES, "{t0} = bitcast {W} {a} to <16 x i8>\n{t1} = bitcast {W} {b} to <16 x i8>\n{d} = call {W} @llvm.aarch64.neon.usdot.v4i32.v16i8({W} {c}, <16 x i8> {t0}, <16 x i8> {t1})"),
];
