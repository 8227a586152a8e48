//! Instruction rows of the GPUs in PTX.
//!
//! A template has one PTX instruction a line. `<d>` is the result, `<a> <b> <c>` the operands, `<m>` the memory
//! operand, `<m16> .. <m1>` the same for elements of so many bytes by lane, `<g>` for bytes that the lane has, `<base>` and `<o>` its parts, `<S>` its
//! state space, `<T>` the type of a two-class op and `<zero>` its zero, `<n>` an immediate, `<x>` its bits as a float.
//! Fresh registers are `<t0>` (32 bits), `<f0>` (f32), `<h0>` (16 bits), `<q0>` (64 bits), `<p0>` (a predicate). `<lane>`
//! is the number of the lane, `<lane64>` in 64 bits, `<first>` whether it is lane 0:
//!
//! ```text
//! setp.gt.f32 <p0>, <a>, <b>;
//! selp.f32 <d>, <a>, <b>, <p0>;
//! ```
//!
//! What stands behind a line `<later>` is done at the next `wait` of the same block, or where that ends.
//! Of an array `<d>` is a list, which stands in braces.
//!
//! Arithmetic says `.rn`, so that no assembler makes one instruction of two.

use kgen_ir::{
    machine::{mma::*, *},
    tile::Compare,
};

const fn row(op: Op, latency: u8, text: &'static str) -> Row {
    Row { op, text, layouts: None, latency }
}

/// A matrix instruction; its latency is about that of its pipe on sm_80.
const fn matrices(mma: &'static Mma, text: &'static str) -> Row {
    Row { op: Op::Mma(mma), text, layouts: Some(mma.layouts), latency: 32 }
}

/// What every chip has. A macro, since tables of constants cannot be joined.
macro_rules! rows {
    ($($more:expr),* $(,)?) => {
        &[
            row(Op::Worker, 1, "mov.b64 <d>, <worker>;"),
            row(Op::Const, 1, "mov.b64 <d>, <n>;"),
            row(Op::Int(IntOp::Add), 4, "add.s64 <d>, <a>, <b>;"),
            row(Op::Int(IntOp::Sub), 4, "sub.s64 <d>, <a>, <b>;"),
            row(Op::Int(IntOp::Mul), 10, "mul.lo.s64 <d>, <a>, <b>;"),
            // The machine rounds to zero; one less where that was upwards.
            row(Op::Int(IntOp::Div), 100, "div.s64 <q0>, <a>, <b>;\nmul.lo.s64 <q1>, <q0>, <b>;\nsetp.lt.s64 <p0>, <a>, <q1>;\nselp.b64 <q2>, 1, 0, <p0>;\nsub.s64 <d>, <q0>, <q2>;"),
            row(Op::Int(IntOp::Rem), 100, "rem.s64 <q0>, <a>, <b>;\nadd.s64 <q1>, <q0>, <b>;\nsetp.lt.s64 <p0>, <q0>, 0;\nselp.b64 <d>, <q1>, <q0>, <p0>;"),
            row(Op::Int(IntOp::Min), 8, "min.s64 <d>, <a>, <b>;"),
            row(Op::Int(IntOp::Max), 8, "max.s64 <d>, <a>, <b>;"),
            row(Op::Read(Width::W64), 30, "ld.<S>.b64 <d>, <m>;"),
            row(Op::Read(Width::W32), 30, "ld.<S>.s32 <d>, <m>;"),
            row(Op::Read(Width::U16), 30, "ld.<S>.u16 <d>, <m>;"),
            row(Op::Read(Width::S16), 30, "ld.<S>.s16 <d>, <m>;"),
            row(Op::Read(Width::U8), 30, "ld.<S>.u8 <d>, <m>;"),
            row(Op::Read(Width::S8), 30, "ld.<S>.s8 <d>, <m>;"),
            row(Op::Write(Width::W64), 1, "@<first> st.<S>.b64 <m>, <a>;"),
            row(Op::Write(Width::W32), 1, "@<first> st.<S>.b32 <m>, <a>;"),
            row(Op::Write(Width::U16), 1, "@<first> st.<S>.b16 <m>, <a>;"),
            row(Op::Write(Width::S16), 1, "@<first> st.<S>.b16 <m>, <a>;"),
            row(Op::Write(Width::U8), 1, "@<first> st.<S>.b8 <m>, <a>;"),
            row(Op::Write(Width::S8), 1, "@<first> st.<S>.b8 <m>, <a>;"),
            row(Op::Next, 200, NEXT),

            row(Op::Load(Width::W32), 30, "ld.<S>.<T> <d>, <m4>;"),
            row(Op::Load(Width::U16), 30, "ld.<S>.u16 <d>, <m2>;"),
            row(Op::Load(Width::S16), 30, "ld.<S>.s16 <d>, <m2>;"),
            row(Op::Load(Width::U8), 30, "ld.<S>.u8 <d>, <m1>;"),
            row(Op::Load(Width::S8), 30, "ld.<S>.s8 <d>, <m1>;"),
            row(Op::Load(Width::W64), 30, "ld.<S>.v2.<T> {<d>}, <m8>;"),
            row(Op::Load(Width::W128), 30, "ld.<S>.v4.<T> {<d>}, <m16>;"),
            row(Op::Store(Width::W64), 1, "st.<S>.v2.<T> <m8>, {<a>};"),
            row(Op::Store(Width::W128), 1, "st.<S>.v4.<T> <m16>, {<a>};"),
            row(Op::Splat(Width::W32), 30, "ld.<S>.<T> <d>, <m>;"),
            row(Op::Splat(Width::U16), 30, "ld.<S>.u16 <d>, <m>;"),
            row(Op::Splat(Width::S16), 30, "ld.<S>.s16 <d>, <m>;"),
            row(Op::Splat(Width::U8), 30, "ld.<S>.u8 <d>, <m>;"),
            row(Op::Splat(Width::S8), 30, "ld.<S>.s8 <d>, <m>;"),
            row(Op::LoadF16, 35, "ld.<S>.b16 <h0>, <m2>;\ncvt.f32.f16 <d>, <h0>;"),
            row(Op::SplatF16, 35, "ld.<S>.b16 <h0>, <m>;\ncvt.f32.f16 <d>, <h0>;"),
            row(Op::Store(Width::W32), 1, "st.<S>.<T> <m4>, <a>;"),
            row(Op::Store(Width::U16), 1, "st.<S>.b16 <m2>, <a>;"),
            row(Op::Store(Width::S16), 1, "st.<S>.b16 <m2>, <a>;"),
            row(Op::Store(Width::U8), 1, "st.<S>.b8 <m1>, <a>;"),
            row(Op::Store(Width::S8), 1, "st.<S>.b8 <m1>, <a>;"),
            row(Op::LoadPart(Width::W32), 30, "setp.lt.s64 <p0>, <lane64>, <a>;\nmov.<T> <d>, <zero>;\n@<p0> ld.<S>.<T> <d>, <m4>;"),
            row(Op::LoadPart(Width::U16), 30, "setp.lt.s64 <p0>, <lane64>, <a>;\nmov.b32 <d>, 0;\n@<p0> ld.<S>.u16 <d>, <m2>;"),
            row(Op::LoadPart(Width::S16), 30, "setp.lt.s64 <p0>, <lane64>, <a>;\nmov.b32 <d>, 0;\n@<p0> ld.<S>.s16 <d>, <m2>;"),
            row(Op::LoadPart(Width::U8), 30, "setp.lt.s64 <p0>, <lane64>, <a>;\nmov.b32 <d>, 0;\n@<p0> ld.<S>.u8 <d>, <m1>;"),
            row(Op::LoadPart(Width::S8), 30, "setp.lt.s64 <p0>, <lane64>, <a>;\nmov.b32 <d>, 0;\n@<p0> ld.<S>.s8 <d>, <m1>;"),
            row(Op::StorePart(Width::W32), 1, "setp.lt.s64 <p0>, <lane64>, <b>;\n@<p0> st.<S>.<T> <m4>, <a>;"),
            row(Op::StorePart(Width::U16), 1, "setp.lt.s64 <p0>, <lane64>, <b>;\n@<p0> st.<S>.b16 <m2>, <a>;"),
            row(Op::StorePart(Width::S16), 1, "setp.lt.s64 <p0>, <lane64>, <b>;\n@<p0> st.<S>.b16 <m2>, <a>;"),
            row(Op::StorePart(Width::U8), 1, "setp.lt.s64 <p0>, <lane64>, <b>;\n@<p0> st.<S>.b8 <m1>, <a>;"),
            row(Op::StorePart(Width::S8), 1, "setp.lt.s64 <p0>, <lane64>, <b>;\n@<p0> st.<S>.b8 <m1>, <a>;"),
            row(Op::Gather, 35, "mul.wide.s32 <q0>, <a>, 4;\nadd.s64 <q1>, <q0>, <base>;\nld.<S>.<T> <d>, [<q1><o>];"),

            row(Op::GatherPart(Width::W128), 35, "@<b> ld.<S>.v4.<T> {<d>}, <g>;"),
            row(Op::GatherPart(Width::W64), 35, "@<b> ld.<S>.v2.<T> {<d>}, <g>;"),
            row(Op::GatherPart(Width::W32), 35, "@<b> ld.<S>.<T> <d>, <g>;"),
            row(Op::GatherPart(Width::U16), 35, "@<b> ld.<S>.u16 <d>, <g>;"),
            row(Op::GatherPart(Width::S16), 35, "@<b> ld.<S>.s16 <d>, <g>;"),
            row(Op::GatherPart(Width::U8), 35, "@<b> ld.<S>.u8 <d>, <g>;"),
            row(Op::GatherPart(Width::S8), 35, "@<b> ld.<S>.s8 <d>, <g>;"),
            row(Op::Scatter(Width::W128), 1, "@<c> st.<S>.v4.<T> <g>, {<a>};"),
            row(Op::Scatter(Width::W64), 1, "@<c> st.<S>.v2.<T> <g>, {<a>};"),
            row(Op::Scatter(Width::W32), 1, "@<c> st.<S>.<T> <g>, <a>;"),
            row(Op::Scatter(Width::U16), 1, "@<c> st.<S>.b16 <g>, <a>;"),
            row(Op::Scatter(Width::U8), 1, "@<c> st.<S>.b8 <g>, <a>;"),

            row(Op::FloatConst, 1, "mov.f32 <d>, <x>;"),
            row(Op::WordConst, 1, "mov.b32 <d>, <n>;"),
            row(Op::Iota, 1, "mov.b32 <d>, <lane>;"),
            row(Op::Spread, 1, "cvt.u32.u64 <d>, <a>;"),
            row(Op::Float(FloatOp::Add), 4, "add.rn.f32 <d>, <a>, <b>;"),
            row(Op::Float(FloatOp::Sub), 4, "sub.rn.f32 <d>, <a>, <b>;"),
            row(Op::Float(FloatOp::Mul), 4, "mul.rn.f32 <d>, <a>, <b>;"),
            row(Op::Float(FloatOp::Div), 40, "div.rn.f32 <d>, <a>, <b>;"),
            // max.f32 and min.f32 drop a NaN.
            row(Op::Float(FloatOp::Max), 8, "setp.gt.f32 <p0>, <a>, <b>;\nselp.f32 <d>, <a>, <b>, <p0>;"),
            row(Op::Float(FloatOp::Min), 8, "setp.lt.f32 <p0>, <a>, <b>;\nselp.f32 <d>, <a>, <b>, <p0>;"),
            row(Op::FloatUnary(FloatUnary::Neg), 4, "neg.f32 <d>, <a>;"),
            row(Op::FloatUnary(FloatUnary::Abs), 4, "abs.f32 <d>, <a>;"),
            row(Op::FloatUnary(FloatUnary::Sqrt), 40, "sqrt.rn.f32 <d>, <a>;"),
            row(Op::FloatUnary(FloatUnary::Floor), 8, "cvt.rmi.f32.f32 <d>, <a>;"),
            row(Op::FloatUnary(FloatUnary::Nearest), 8, "cvt.rni.f32.f32 <d>, <a>;"),
            // Within 2 ulp, subnormals kept. Its fellows are sequences: lg2 is off by 2^-22 beside 1, where the
            // logarithm itself is less; tanh and sin have 11 and 20 bits.
            row(Op::FloatUnary(FloatUnary::Exp2), 20, "ex2.approx.f32 <d>, <a>;"),
            row(Op::Fma, 4, "fma.rn.f32 <d>, <a>, <b>, <c>;"),
            row(Op::Word(WordOp::Add), 4, "add.s32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Sub), 4, "sub.s32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Mul), 5, "mul.lo.s32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::And), 4, "and.b32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Or), 4, "or.b32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Xor), 4, "xor.b32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Min), 4, "min.s32 <d>, <a>, <b>;"),
            row(Op::Word(WordOp::Max), 4, "max.s32 <d>, <a>, <b>;"),
            row(Op::Shift(ShiftOp::Left), 4, "shl.b32 <d>, <a>, <n>;"),
            row(Op::Shift(ShiftOp::Right), 4, "shr.u32 <d>, <a>, <n>;"),
            row(Op::Shift(ShiftOp::Arithmetic), 4, "shr.s32 <d>, <a>, <n>;"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Left)), 8, "mov.b32 {<h0>, <h1>}, <a>;\nshl.b16 <h2>, <h0>, <n>;\nshl.b16 <h3>, <h1>, <n>;\nmov.b32 <d>, {<h2>, <h3>};"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Right)), 8, "mov.b32 {<h0>, <h1>}, <a>;\nshr.u16 <h2>, <h0>, <n>;\nshr.u16 <h3>, <h1>, <n>;\nmov.b32 <d>, {<h2>, <h3>};"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Arithmetic)), 8, "mov.b32 {<h0>, <h1>}, <a>;\nshr.s16 <h2>, <h0>, <n>;\nshr.s16 <h3>, <h1>, <n>;\nmov.b32 <d>, {<h2>, <h3>};"),
            row(Op::Half(HalfOp::Eq), 12, "mov.b32 {<h0>, <h1>}, <a>;\nmov.b32 {<h2>, <h3>}, <b>;\nsetp.eq.u16 <p0>, <h0>, <h2>;\nsetp.eq.u16 <p1>, <h1>, <h3>;\nselp.b16 <h4>, -1, 0, <p0>;\nselp.b16 <h5>, -1, 0, <p1>;\nmov.b32 <d>, {<h4>, <h5>};"),
            row(Op::Half(HalfOp::Low), 30, "shr.u32 <t0>, <lane>, 1;\nshfl.sync.idx.b32 <t1>, <a>, <t0>, 31, -1;\nshfl.sync.idx.b32 <t2>, <b>, <t0>, 31, -1;\nand.b32 <t3>, <lane>, 1;\nmad.lo.u32 <t4>, <t3>, 0x2222, 0x5410;\nprmt.b32 <d>, <t1>, <t2>, <t4>;"),
            row(Op::Half(HalfOp::High), 30, "shr.u32 <t0>, <lane>, 1;\nor.b32 <t5>, <t0>, 16;\nshfl.sync.idx.b32 <t1>, <a>, <t5>, 31, -1;\nshfl.sync.idx.b32 <t2>, <b>, <t5>, 31, -1;\nand.b32 <t3>, <lane>, 1;\nmad.lo.u32 <t4>, <t3>, 0x2222, 0x5410;\nprmt.b32 <d>, <t1>, <t2>, <t4>;"),
            row(Op::Half(HalfOp::Float(HalfFloat::Add)), 5, "add.rn.f16x2 <d>, <a>, <b>;"),
            row(Op::Half(HalfOp::Float(HalfFloat::Sub)), 5, "sub.rn.f16x2 <d>, <a>, <b>;"),
            row(Op::Half(HalfOp::Float(HalfFloat::Mul)), 5, "mul.rn.f16x2 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Lt), 4, "setp.lt.f32 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Le), 4, "setp.le.f32 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Eq), 4, "setp.eq.f32 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Ne), 4, "setp.neu.f32 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Ge), 4, "setp.ge.f32 <d>, <a>, <b>;"),
            row(Op::FloatCmp(Compare::Gt), 4, "setp.gt.f32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Lt), 4, "setp.lt.s32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Le), 4, "setp.le.s32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Eq), 4, "setp.eq.s32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Ne), 4, "setp.ne.s32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Ge), 4, "setp.ge.s32 <d>, <a>, <b>;"),
            row(Op::WordCmp(Compare::Gt), 4, "setp.gt.s32 <d>, <a>, <b>;"),
            row(Op::Mask(MaskOp::And), 4, "and.pred <d>, <a>, <b>;"),
            row(Op::Mask(MaskOp::Or), 4, "or.pred <d>, <a>, <b>;"),
            row(Op::Select, 4, "selp.<T> <d>, <b>, <c>, <a>;"),
            row(Op::Bits, 0, "mov.b32 <d>, <a>;"),
            row(Op::FromBits, 0, "mov.b32 <d>, <a>;"),

            row(Op::Cvt(Cvt::FloatFromInt), 8, "cvt.rn.f32.s32 <d>, <a>;"),
            // The instruction gives the nearest bound outside of the range and 0 for a NaN.
            row(Op::Cvt(Cvt::IntFromFloat), 16, "cvt.rni.s32.f32 <t0>, <a>;\nsetp.ge.f32 <p0>, <a>, 0fCF000000;\nsetp.lt.and.f32 <p1>, <a>, 0f4F000000, <p0>;\nselp.b32 <d>, <t0>, 0x80000000, <p1>;"),
            row(Op::Cvt(Cvt::FloatFromF16), 8, "cvt.u16.u32 <h0>, <a>;\ncvt.f32.f16 <d>, <h0>;"),
            row(Op::Cvt(Cvt::F16FromFloat), 8, "cvt.rn.f16.f32 <h0>, <a>;\ncvt.u32.u16 <d>, <h0>;"),

            // A butterfly gives lane i the tree that lane 0 has, with its operands the other way round at times: neither
            // a sum nor max.f32 minds, which drops NaNs and takes +0 for more than -0.
            row(Op::HSum, 150, HSUM),
            row(Op::HMax, 150, HMAX),
            row(Op::WordHSum, 150, WORD_HSUM),
            row(Op::Ballot, 12, "vote.sync.ballot.b32 <t0>, <a>, -1;\ncvt.u64.u32 <d>, <t0>;"),

            row(Op::Dot(DotOp::U8S8), 5, "dp4a.u32.s32 <d>, <a>, <b>, <c>;"),
            row(Op::Dot(DotOp::S16S16), 10, "mov.b32 {<h0>, <h1>}, <a>;\nmov.b32 {<h2>, <h3>}, <b>;\nmad.wide.s16 <t0>, <h0>, <h2>, <c>;\nmad.wide.s16 <d>, <h1>, <h3>, <t0>;"),
            $($more),*
        ]
    };
}

const PAIR_F16: &str =
    "cvt.rn.f16.f32 <h0>, <a>;\ncvt.rn.f16.f32 <h1>, <b>;\nmov.b32 <d>, {<h0>, <h1>};";

const MMA_884: &str = "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {<d>}, {<a>}, {<b>}, {<c>};";

const MMA_884_ROWS: &str =
    "mma.sync.aligned.m8n8k4.row.row.f32.f16.f16.f32 {<d>}, {<a>}, {<b>}, {<c>};";

const MMA_1688: &str =
    "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {<d>}, {<a>}, {<b>}, {<c>};";

/// Where a lane writes, and where it reads.
macro_rules! place {
    () => {
        "setp.ge.s32 <p0>, <e>, 0;\ncvt.u64.u32 <q0>, <a>;\nadd.s64 <q1>, <q0>, <base>;\n"
    };
}

macro_rules! source {
    () => {
        "cvt.s64.s32 <q2>, <c>;\nadd.s64 <q3>, <q2>, <b>;\n"
    };
}

macro_rules! copy_async {
    ($text:literal) => {
        concat!(place!(), source!(), $text)
    };
}

const CP_ASYNC_4: &str = copy_async!("@<p0> cp.async.ca.shared.global [<q1><o>], [<q3>], 4, <e>;");
const CP_ASYNC_8: &str = copy_async!("@<p0> cp.async.ca.shared.global [<q1><o>], [<q3>], 8, <e>;");
// Keys and values are read once: past the first level of cache.
const CP_ASYNC_16: &str =
    copy_async!("@<p0> cp.async.cg.shared.global [<q1><o>], [<q3>], 16, <e>;");

/// What is read now and written later; where, is found later, too: it would take registers meanwhile.
macro_rules! copy {
    ($now:literal, $later:literal) => {
        concat!(source!(), "setp.gt.s32 <p1>, <e>, 0;\n", $now, "\n<later>\n", place!(), $later)
    };
}

const COPY_4: &str = copy!(
    "mov.b32 <t0>, 0;\n@<p1> ld.global.b32 <t0>, [<q3>];",
    "@<p0> st.<S>.b32 [<q1><o>], <t0>;"
);
const COPY_8: &str = copy!(
    "mov.b32 <t0>, 0;\nmov.b32 <t1>, 0;\n@<p1> ld.global.v2.b32 {<t0>, <t1>}, [<q3>];",
    "@<p0> st.<S>.v2.b32 [<q1><o>], {<t0>, <t1>};"
);
const COPY_16: &str = copy!(
    "mov.b32 <t0>, 0;\nmov.b32 <t1>, 0;\nmov.b32 <t2>, 0;\nmov.b32 <t3>, 0;\n\
     @<p1> ld.global.v4.b32 {<t0>, <t1>, <t2>, <t3>}, [<q3>];",
    "@<p0> st.<S>.v4.b32 [<q1><o>], {<t0>, <t1>, <t2>, <t3>};"
);

macro_rules! squares {
    ($text:literal) => {
        concat!(
            "cvt.s64.s32 <q0>, <a>;\nadd.s64 <q1>, <q0>, <base>;\nldmatrix.sync.aligned.m8n8.",
            $text,
            ".shared.b16 {<d>}, [<q1><o>];"
        )
    };
}

const fn square(count: u8, turned: bool, text: &'static str) -> Row {
    row(Op::Squares { count, turned }, 33, text)
}

/// And copies by way of registers, which keep them until the `wait`.
#[rustfmt::skip] // a table
macro_rules! copying {
    ($($more:expr),* $(,)?) => {
        rows!(
            row(Op::Async(AsyncOp::Copy(4)), 200, COPY_4),
            row(Op::Async(AsyncOp::Copy(8)), 200, COPY_8),
            row(Op::Async(AsyncOp::Copy(16)), 200, COPY_16),
            row(Op::Async(AsyncOp::Commit), 0, ""),
            row(Op::Async(AsyncOp::Wait), 0, ""),
            $($more),*
        )
    };
}

/// And squares of matrices from shared memory, into the table of that name.
#[rustfmt::skip] // a table
macro_rules! with_squares {
    ($table:ident: $($more:expr),* $(,)?) => {
        $table!(
            square(1, false, squares!("x1")),
            square(2, false, squares!("x2")),
            square(4, false, squares!("x4")),
            square(1, true, squares!("x1.trans")),
            square(2, true, squares!("x2.trans")),
            square(4, true, squares!("x4.trans")),
            $($more),*
        )
    };
}

/// sm_70: matrices by quad pairs, which later chips than sm_75 do in software; copies by way of registers, which keep
/// them until the `wait`.
#[rustfmt::skip] // a table
pub static SM70: &[Row] = copying!(
    row(Op::Pair(PairOp::F16), 10, PAIR_F16),
    matrices(&M8N8K4_F16, MMA_884),
    matrices(&M8N8K4_F16_ROWS, MMA_884_ROWS),
);

/// sm_75: matrices of f16 and of bytes, and squares of them from shared memory.
#[rustfmt::skip] // a table
pub static SM75: &[Row] = with_squares!(copying:
    row(Op::Pair(PairOp::F16), 10, PAIR_F16),
    matrices(&M16N8K8_F16, MMA_1688),
    matrices(&M8N8K4_F16, MMA_884),
    matrices(&M8N8K16_S8, "mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {<d>}, {<a>}, {<b>}, {<c>};"),
    matrices(&M8N8K16_S8U8, "mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32 {<d>}, {<a>}, {<b>}, {<c>};"),
);

/// sm_80 and later: bf16, larger matrices, copies that no register waits for. Of matrices a dot takes the first that fits.
#[rustfmt::skip] // a table
pub static SM80: &[Row] = with_squares!(rows:
    row(Op::Cvt(Cvt::Bf16FromFloat), 8, "cvt.rn.bf16.f32 <h0>, <a>;\ncvt.u32.u16 <d>, <h0>;"),
    // The high half comes first.
    row(Op::Pair(PairOp::F16), 8, "cvt.rn.f16x2.f32 <d>, <b>, <a>;"),
    row(Op::Pair(PairOp::Bf16), 8, "cvt.rn.bf16x2.f32 <d>, <b>, <a>;"),
    matrices(&M16N8K16_F16, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {<d>}, {<a>}, {<b>}, {<c>};"),
    matrices(&M16N8K16_BF16, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {<d>}, {<a>}, {<b>}, {<c>};"),
    matrices(&M16N8K8_F16, MMA_1688),
    matrices(&M16N8K32_S8, "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {<d>}, {<a>}, {<b>}, {<c>};"),
    matrices(&M16N8K32_S8U8, "mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 {<d>}, {<a>}, {<b>}, {<c>};"),
    row(Op::Async(AsyncOp::Copy(4)), 200, CP_ASYNC_4),
    row(Op::Async(AsyncOp::Copy(8)), 200, CP_ASYNC_8),
    row(Op::Async(AsyncOp::Copy(16)), 200, CP_ASYNC_16),
    row(Op::Async(AsyncOp::Commit), 1, "cp.async.commit_group;"),
    row(Op::Async(AsyncOp::Wait), 1, "cp.async.wait_group <n>;"),
);

/// Lane 0 adds, all others are told.
const NEXT: &str = "\
mov.b64 <q0>, 0;
@<first> atom.<S>.add.u64 <q0>, <m>, <a>;
mov.b64 {<t0>, <t1>}, <q0>;
shfl.sync.idx.b32 <t2>, <t0>, 0, 31, -1;
shfl.sync.idx.b32 <t3>, <t1>, 0, 31, -1;
mov.b64 <d>, {<t2>, <t3>};";

const HSUM: &str = "\
shfl.sync.bfly.b32 <f0>, <a>, 16, 31, -1;
add.rn.f32 <f1>, <a>, <f0>;
shfl.sync.bfly.b32 <f2>, <f1>, 8, 31, -1;
add.rn.f32 <f3>, <f1>, <f2>;
shfl.sync.bfly.b32 <f4>, <f3>, 4, 31, -1;
add.rn.f32 <f5>, <f3>, <f4>;
shfl.sync.bfly.b32 <f6>, <f5>, 2, 31, -1;
add.rn.f32 <f7>, <f5>, <f6>;
shfl.sync.bfly.b32 <f8>, <f7>, 1, 31, -1;
add.rn.f32 <d>, <f7>, <f8>;";

const HMAX: &str = "\
shfl.sync.bfly.b32 <f0>, <a>, 16, 31, -1;
max.f32 <f1>, <a>, <f0>;
shfl.sync.bfly.b32 <f2>, <f1>, 8, 31, -1;
max.f32 <f3>, <f1>, <f2>;
shfl.sync.bfly.b32 <f4>, <f3>, 4, 31, -1;
max.f32 <f5>, <f3>, <f4>;
shfl.sync.bfly.b32 <f6>, <f5>, 2, 31, -1;
max.f32 <f7>, <f5>, <f6>;
shfl.sync.bfly.b32 <f8>, <f7>, 1, 31, -1;
max.f32 <d>, <f7>, <f8>;";

const WORD_HSUM: &str = "\
shfl.sync.bfly.b32 <t0>, <a>, 16, 31, -1;
add.s32 <t1>, <a>, <t0>;
shfl.sync.bfly.b32 <t2>, <t1>, 8, 31, -1;
add.s32 <t3>, <t1>, <t2>;
shfl.sync.bfly.b32 <t4>, <t3>, 4, 31, -1;
add.s32 <t5>, <t3>, <t4>;
shfl.sync.bfly.b32 <t6>, <t5>, 2, 31, -1;
add.s32 <t7>, <t5>, <t6>;
shfl.sync.bfly.b32 <t8>, <t7>, 1, 31, -1;
add.s32 <d>, <t7>, <t8>;";
