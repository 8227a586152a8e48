//! Instruction rows of AVX2 with FMA and F16C: eight lanes, masks are vectors of ones and zeros.
//!
//! A template has one instruction a line, named as iced names its `Code`; the registers' widths follow from it.
//! `{d}` is the result, `{a} {b} {c}` the operands, `{m}` the memory operand, `{n}` the immediate, `{t0}` .. fresh
//! values, `{=3f800000}` that word in all lanes of a constant in memory, `{v:0004080c}` these bytes over and over,
//! `{iota}` the numbers of the lanes as words, `{nibbles}` which bits [`Op::Nibbles`] takes. `/ {a}` at the end is a
//! write mask that only picks among sources, or leaves memory alone; `/z {a}` is one that writes zeros where it is
//! false, `/m {c} {a}` one that leaves `{c}` there.
//! An instruction that overwrites its first source names it first. Ops with an empty text stand in `select`:
//!
//! ```text
//! {t0} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {a}, {b}
//! {d} = VEX_Vpxor_ymm_ymm_ymmm256 {t0}, {=ffffffff}
//! ```

use kgen_ir::{machine::*, tile::Compare};

pub(super) const fn row(op: Op, latency: u8, text: &'static str) -> Row {
    Row { op, text, layouts: None, latency }
}

/// Four packed elements of a lane, the lane above them.
pub(super) const BYTES: &str = "byte = k0 k1";
pub(super) const HALVES: &str = "half = k0";

/// Rows that do not depend on the width of vectors.
macro_rules! scalar_rows {
    ($($rest:expr),* $(,)?) => {
        &[
            row(Op::Const, 1, ""), row(Op::Arg, 4, ""), row(Op::Worker, 0, ""),
            row(Op::Int(IntOp::Add), 1, ""), row(Op::Int(IntOp::Sub), 1, ""),
            row(Op::Int(IntOp::Mul), 3, ""), row(Op::Int(IntOp::Div), 20, ""),
            row(Op::Int(IntOp::Rem), 20, ""), row(Op::Int(IntOp::Min), 2, ""),
            row(Op::Int(IntOp::Max), 2, ""),
            row(Op::Bits, 0, ""), row(Op::FromBits, 0, ""), row(Op::Fma, 4, ""),
            row(Op::Read(Width::W64), 4, "{d} = Mov_r64_rm64 {m}"),
            row(Op::Read(Width::W32), 4, "{d} = Movsxd_r64_rm32 {m}"),
            row(Op::Read(Width::U16), 4, "{d} = Movzx_r32_rm16 {m}"),
            row(Op::Read(Width::S16), 4, "{d} = Movsx_r64_rm16 {m}"),
            row(Op::Read(Width::U8), 4, "{d} = Movzx_r32_rm8 {m}"),
            row(Op::Read(Width::S8), 4, "{d} = Movsx_r64_rm8 {m}"),
            row(Op::Write(Width::W64), 1, "Mov_rm64_r64 {m}, {a}"),
            row(Op::Write(Width::W32), 1, "Mov_rm32_r32 {m}, {a}"),
            row(Op::Write(Width::U16), 1, "Mov_rm16_r16 {m}, {a}"),
            row(Op::Write(Width::S16), 1, "Mov_rm16_r16 {m}, {a}"),
            row(Op::Write(Width::U8), 1, "Mov_rm8_r8 {m}, {a}"),
            row(Op::Write(Width::S8), 1, "Mov_rm8_r8 {m}, {a}"),
            row(Op::Next, 20, "{d} = Xadd_rm64_r64 {m}, {a}"),
            row(Op::Prefetch(1), 0, "Prefetcht0_m8 {m}"),
            row(Op::Prefetch(2), 0, "Prefetcht1_m8 {m}"),
            row(Op::Prefetch(3), 0, "Prefetcht2_m8 {m}"),
            $($rest),*
        ]
    };
}
pub(super) use scalar_rows;

/// The two lists of this width differ in their dot products.
macro_rules! narrow_rows {
    ($($rest:expr),* $(,)?) => {
        scalar_rows![
    row(Op::Load(Width::W32), 7, "{d} = VEX_Vmovups_ymm_ymmm256 {m}"),
    row(Op::Load(Width::U16), 8, "{d} = VEX_Vpmovzxwd_ymm_xmmm128 {m}"),
    row(Op::Load(Width::S16), 8, "{d} = VEX_Vpmovsxwd_ymm_xmmm128 {m}"),
    row(Op::Load(Width::U8), 8, "{d} = VEX_Vpmovzxbd_ymm_xmmm64 {m}"),
    row(Op::Load(Width::S8), 8, "{d} = VEX_Vpmovsxbd_ymm_xmmm64 {m}"),
    row(Op::LoadF16, 11, "{d} = VEX_Vcvtph2ps_ymm_xmmm128 {m}"),
    row(Op::SplatF16, 12, "{t0} = Movzx_r32_rm16 {m}\n{t1} = VEX_Vmovd_xmm_rm32 {t0}\n{t2} = VEX_Vpbroadcastw_xmm_xmmm16 {t1}\n{d} = VEX_Vcvtph2ps_ymm_xmmm128 {t2}"),
    row(Op::Splat(Width::W32), 7, "{d} = VEX_Vbroadcastss_ymm_m32 {m}"),
    row(Op::Splat(Width::U16), 9, "{t0} = Movzx_r32_rm16 {m}\n{t1} = VEX_Vmovd_xmm_rm32 {t0}\n{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t1}"),
    row(Op::Splat(Width::S16), 9, "{t0} = Movsx_r32_rm16 {m}\n{t1} = VEX_Vmovd_xmm_rm32 {t0}\n{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t1}"),
    row(Op::Splat(Width::U8), 9, "{t0} = Movzx_r32_rm8 {m}\n{t1} = VEX_Vmovd_xmm_rm32 {t0}\n{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t1}"),
    row(Op::Splat(Width::S8), 9, "{t0} = Movsx_r32_rm8 {m}\n{t1} = VEX_Vmovd_xmm_rm32 {t0}\n{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t1}"),
    row(Op::Store(Width::W32), 1, "VEX_Vmovups_ymmm256_ymm {m}, {a}"),
    row(Op::Store(Width::U16), 5, HALVES_OUT), row(Op::Store(Width::S16), 5, HALVES_OUT),
    row(Op::Store(Width::U8), 5, BYTES_OUT), row(Op::Store(Width::S8), 5, BYTES_OUT),

    // A move by a mask reads and writes nothing where that is false.
    row(Op::LoadPart(Width::W32), 11, "{t0} = VEX_Vmovd_xmm_rm32 {a}\n{t1} = VEX_Vpbroadcastd_ymm_xmmm32 {t0}\n{t2} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {t1}, {iota}\n{d} = VEX_Vmaskmovps_ymm_ymm_m256 {t2}, {m}"),
    row(Op::StorePart(Width::W32), 8, "{t0} = VEX_Vmovd_xmm_rm32 {b}\n{t1} = VEX_Vpbroadcastd_ymm_xmmm32 {t0}\n{t2} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {t1}, {iota}\nVEX_Vmaskmovps_m256_ymm_ymm {m}, {t2}, {a}"),
    row(Op::Gather, 20, ""),

    row(Op::FloatConst, 6, "{d} = VEX_Vbroadcastss_ymm_m32 {=n}"),
    row(Op::WordConst, 6, "{d} = VEX_Vbroadcastss_ymm_m32 {=n}"),
    row(Op::Iota, 6, "{d} = VEX_Vmovups_ymm_ymmm256 {iota}"),
    row(Op::Spread, 4, "{t0} = VEX_Vmovd_xmm_rm32 {a}\n{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t0}"),
    row(Op::Float(FloatOp::Add), 4, "{d} = VEX_Vaddps_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Float(FloatOp::Sub), 4, "{d} = VEX_Vsubps_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Float(FloatOp::Mul), 4, "{d} = VEX_Vmulps_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Float(FloatOp::Div), 11, "{d} = VEX_Vdivps_ymm_ymm_ymmm256 {a}, {b}"),
    // Both give their second operand for NaN and for equal zeros: `a > b ? a : b`.
    row(Op::Float(FloatOp::Max), 4, "{d} = VEX_Vmaxps_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Float(FloatOp::Min), 4, "{d} = VEX_Vminps_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::FloatUnary(FloatUnary::Neg), 1, "{d} = VEX_Vxorps_ymm_ymm_ymmm256 {a}, {=80000000}"),
    row(Op::FloatUnary(FloatUnary::Abs), 1, "{d} = VEX_Vandps_ymm_ymm_ymmm256 {a}, {=7fffffff}"),
    row(Op::FloatUnary(FloatUnary::Sqrt), 14, "{d} = VEX_Vsqrtps_ymm_ymmm256 {a}"),
    // Down, and to even; 8: without an exception for what is not exact.
    row(Op::FloatUnary(FloatUnary::Floor), 8, "{d} = VEX_Vroundps_ymm_ymmm256_imm8 {a}, 9"),
    row(Op::FloatUnary(FloatUnary::Nearest), 8, "{d} = VEX_Vroundps_ymm_ymmm256_imm8 {a}, 8"),
    row(Op::Word(WordOp::Add), 1, "{d} = VEX_Vpaddd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Sub), 1, "{d} = VEX_Vpsubd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Mul), 10, "{d} = VEX_Vpmulld_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::And), 1, "{d} = VEX_Vpand_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Or), 1, "{d} = VEX_Vpor_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Xor), 1, "{d} = VEX_Vpxor_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Min), 1, "{d} = VEX_Vpminsd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Word(WordOp::Max), 1, "{d} = VEX_Vpmaxsd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Shift(ShiftOp::Left), 1, "{d} = VEX_Vpslld_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Shift(ShiftOp::Right), 1, "{d} = VEX_Vpsrld_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Shift(ShiftOp::Arithmetic), 1, "{d} = VEX_Vpsrad_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Half(HalfOp::Shift(ShiftOp::Left)), 1, "{d} = VEX_Vpsllw_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Half(HalfOp::Shift(ShiftOp::Right)), 1, "{d} = VEX_Vpsrlw_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Half(HalfOp::Shift(ShiftOp::Arithmetic)), 1, "{d} = VEX_Vpsraw_ymm_ymm_imm8 {a}, {n}"),
    row(Op::Half(HalfOp::Eq), 1, "{d} = VEX_Vpcmpeqw_ymm_ymm_ymmm256 {a}, {b}"),
    // Quarters 0 2 1 3, since the two halves of a register interleave apart.
    row(Op::Half(HalfOp::Low), 7, "{t0} = VEX_Vpermq_ymm_ymmm256_imm8 {a}, 216\n{t1} = VEX_Vpermq_ymm_ymmm256_imm8 {b}, 216\n{d} = VEX_Vpunpcklwd_ymm_ymm_ymmm256 {t0}, {t1}"),
    row(Op::Half(HalfOp::High), 7, "{t0} = VEX_Vpermq_ymm_ymmm256_imm8 {a}, 216\n{t1} = VEX_Vpermq_ymm_ymmm256_imm8 {b}, 216\n{d} = VEX_Vpunpckhwd_ymm_ymm_ymmm256 {t0}, {t1}"),
    row(Op::FloatCmp(Compare::Lt), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 1"),
    row(Op::FloatCmp(Compare::Le), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 2"),
    row(Op::FloatCmp(Compare::Eq), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 0"),
    row(Op::FloatCmp(Compare::Ne), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 4"),
    row(Op::FloatCmp(Compare::Ge), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 13"),
    row(Op::FloatCmp(Compare::Gt), 4, "{d} = VEX_Vcmpps_ymm_ymm_ymmm256_imm8 {a}, {b}, 14"),
    row(Op::WordCmp(Compare::Lt), 1, "{d} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {b}, {a}"),
    row(Op::WordCmp(Compare::Le), 2, "{t0} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {a}, {b}\n{d} = VEX_Vpxor_ymm_ymm_ymmm256 {t0}, {=ffffffff}"),
    row(Op::WordCmp(Compare::Eq), 1, "{d} = VEX_Vpcmpeqd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::WordCmp(Compare::Ne), 2, "{t0} = VEX_Vpcmpeqd_ymm_ymm_ymmm256 {a}, {b}\n{d} = VEX_Vpxor_ymm_ymm_ymmm256 {t0}, {=ffffffff}"),
    row(Op::WordCmp(Compare::Ge), 2, "{t0} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {b}, {a}\n{d} = VEX_Vpxor_ymm_ymm_ymmm256 {t0}, {=ffffffff}"),
    row(Op::WordCmp(Compare::Gt), 1, "{d} = VEX_Vpcmpgtd_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Mask(MaskOp::And), 1, "{d} = VEX_Vpand_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Mask(MaskOp::Or), 1, "{d} = VEX_Vpor_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::Select, 2, "{d} = VEX_Vblendvps_ymm_ymm_ymmm256_ymm {c}, {b}, {a}"),

    row(Op::Cvt(Cvt::FloatFromInt), 4, "{d} = VEX_Vcvtdq2ps_ymm_ymmm256 {a}"),
    row(Op::Cvt(Cvt::IntFromFloat), 4, "{d} = VEX_Vcvtps2dq_ymm_ymmm256 {a}"),
    // The low halves come together first; the others may hold anything.
    row(Op::Cvt(Cvt::FloatFromF16), 11, "{t0} = VEX_Vpshufb_ymm_ymm_ymmm256 {a}, {v:0001040508090c0d8080808080808080}\n{t1} = VEX_Vpermq_ymm_ymmm256_imm8 {t0}, 8\n{d} = VEX_Vcvtph2ps_ymm_xmmm128 {t1}"),
    row(Op::Cvt(Cvt::FloatFromF16Low), 7, "{d} = VEX_Vcvtph2ps_ymm_xmmm128 {a}"),
    row(Op::Cvt(Cvt::FloatFromF16High), 10, "{t0} = VEX_Vextracti128_xmmm128_ymm_imm8 {a}, 1\n{d} = VEX_Vcvtph2ps_ymm_xmmm128 {t0}"),
    // 0: to nearest even, whatever the mode.
    row(Op::Cvt(Cvt::F16FromFloat), 10, "{t0} = VEX_Vcvtps2ph_xmmm128_ymm_imm8 {a}, 0\n{d} = VEX_Vpmovzxwd_ymm_xmmm128 {t0}"),
    row(Op::Cvt(Cvt::FloatFromBf16), 1, "{d} = VEX_Vpslld_ymm_ymm_imm8 {a}, 16"),

    row(Op::ShuffleBytes, 1, "{d} = VEX_Vpshufb_ymm_ymm_ymmm256 {a}, {b}"),
    row(Op::HSum, 18, HSUM), row(Op::HMax, 18, HMAX), row(Op::WordHSum, 12, WORD_HSUM),
    row(Op::Ballot, 5, "{d} = VEX_Vmovmskps_r32_ymm {a}"),

    $($rest),*
        ]
    };
}

#[rustfmt::skip] // a table
pub static ROWS: &[Row] = narrow_rows![
    Row { op: Op::Dot(DotOp::U8S8), latency: 8, layouts: Some([BYTES, BYTES, ""]), text: DOT_U8S8 },
    Row { op: Op::Dot(DotOp::S16S16), latency: 6, layouts: Some([HALVES, HALVES, ""]), text: "{t0} = VEX_Vpmaddwd_ymm_ymm_ymmm256 {a}, {b}\n{d} = VEX_Vpaddd_ymm_ymm_ymmm256 {c}, {t0}" },
];

#[rustfmt::skip] // a table
pub static VNNI_ROWS: &[Row] = narrow_rows![
    Row { op: Op::Dot(DotOp::U8S8), latency: 5, layouts: Some([BYTES, BYTES, ""]), text: "{d} = VEX_Vpdpbusd_ymm_ymm_ymmm256 {c}, {a}, {b}" },
    Row { op: Op::Dot(DotOp::S16S16), latency: 5, layouts: Some([HALVES, HALVES, ""]), text: "{d} = VEX_Vpdpwssd_ymm_ymm_ymmm256 {c}, {a}, {b}" },
];

const HALVES_OUT: &str = "\
{t0} = VEX_Vpshufb_ymm_ymm_ymmm256 {a}, {v:0001040508090c0d8080808080808080}
{t1} = VEX_Vpermq_ymm_ymmm256_imm8 {t0}, 8
VEX_Vmovups_xmmm128_xmm {m}, {t1}";

const BYTES_OUT: &str = "\
{t0} = VEX_Vpshufb_ymm_ymm_ymmm256 {a}, {v:0004080c808080808080808080808080}
{t1} = VEX_Vextracti128_xmmm128_ymm_imm8 {t0}, 1
{t2} = VEX_Vpunpckldq_xmm_xmm_xmmm128 {t0}, {t1}
VEX_Vmovq_xmmm64_xmm {m}, {t2}";

/// Halves, then quarters, then neighbours.
const HSUM: &str = "\
{t0} = VEX_Vextractf128_xmmm128_ymm_imm8 {a}, 1
{t1} = VEX_Vaddps_xmm_xmm_xmmm128 {a}, {t0}
{t2} = VEX_Vpshufd_xmm_xmmm128_imm8 {t1}, 78
{t3} = VEX_Vaddps_xmm_xmm_xmmm128 {t1}, {t2}
{t4} = VEX_Vpshufd_xmm_xmmm128_imm8 {t3}, 177
{t5} = VEX_Vaddps_xmm_xmm_xmmm128 {t3}, {t4}
{d} = VEX_Vbroadcastss_ymm_xmm {t5}";

const HMAX: &str = "\
{t0} = VEX_Vextractf128_xmmm128_ymm_imm8 {a}, 1
{t1} = VEX_Vmaxps_xmm_xmm_xmmm128 {a}, {t0}
{t2} = VEX_Vpshufd_xmm_xmmm128_imm8 {t1}, 78
{t3} = VEX_Vmaxps_xmm_xmm_xmmm128 {t1}, {t2}
{t4} = VEX_Vpshufd_xmm_xmmm128_imm8 {t3}, 177
{t5} = VEX_Vmaxps_xmm_xmm_xmmm128 {t3}, {t4}
{d} = VEX_Vbroadcastss_ymm_xmm {t5}";

const WORD_HSUM: &str = "\
{t0} = VEX_Vextracti128_xmmm128_ymm_imm8 {a}, 1
{t1} = VEX_Vpaddd_xmm_xmm_xmmm128 {a}, {t0}
{t2} = VEX_Vpshufd_xmm_xmmm128_imm8 {t1}, 78
{t3} = VEX_Vpaddd_xmm_xmm_xmmm128 {t1}, {t2}
{t4} = VEX_Vpshufd_xmm_xmmm128_imm8 {t3}, 177
{t5} = VEX_Vpaddd_xmm_xmm_xmmm128 {t3}, {t4}
{d} = VEX_Vpbroadcastd_ymm_xmmm32 {t5}";

/// Even and odd bytes as halves: the instruction for bytes saturates its pairs.
const DOT_U8S8: &str = "\
{t0} = VEX_Vpand_ymm_ymm_ymmm256 {a}, {=00ff00ff}
{t1} = VEX_Vpsrlw_ymm_ymm_imm8 {a}, 8
{t2} = VEX_Vpsllw_ymm_ymm_imm8 {b}, 8
{t3} = VEX_Vpsraw_ymm_ymm_imm8 {t2}, 8
{t4} = VEX_Vpsraw_ymm_ymm_imm8 {b}, 8
{t5} = VEX_Vpmaddwd_ymm_ymm_ymmm256 {t0}, {t3}
{t6} = VEX_Vpmaddwd_ymm_ymm_ymmm256 {t1}, {t4}
{t7} = VEX_Vpaddd_ymm_ymm_ymmm256 {t5}, {t6}
{d} = VEX_Vpaddd_ymm_ymm_ymmm256 {c}, {t7}";
