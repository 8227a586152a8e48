//! Instruction rows of AVX-512 (F, BW, VL, DQ): sixteen lanes, masks are k registers. The templates are those of
//! `rows`; the lists differ in their dot products, and in what the newer ones add.
//!
//! ```text
//! {d} = EVEX_Vpblendmd_zmm_k1z_zmm_zmmm512b32 {c}, {b} / {a}
//! ```

use super::rows::{BYTES, HALVES, row, scalar_rows};
use kgen_ir::{machine::*, tile::Compare};

macro_rules! wide_rows {
    ($($rest:expr),* $(,)?) => {
        scalar_rows![
            row(Op::Load(Width::W32), 8, "{d} = EVEX_Vmovups_zmm_k1z_zmmm512 {m}"),
            row(Op::Load(Width::U16), 9, "{d} = EVEX_Vpmovzxwd_zmm_k1z_ymmm256 {m}"),
            row(Op::Load(Width::S16), 9, "{d} = EVEX_Vpmovsxwd_zmm_k1z_ymmm256 {m}"),
            row(Op::Load(Width::U8), 9, "{d} = EVEX_Vpmovzxbd_zmm_k1z_xmmm128 {m}"),
            row(Op::Load(Width::S8), 9, "{d} = EVEX_Vpmovsxbd_zmm_k1z_xmmm128 {m}"),
            row(Op::LoadF16, 11, "{d} = EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae {m}"),
            row(Op::SplatF16, 12, "{t0} = Movzx_r32_rm16 {m}\n{t1} = EVEX_Vpbroadcastw_ymm_k1z_r32 {t0}\n{d} = EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae {t1}"),
            row(Op::Splat(Width::W32), 8, "{d} = EVEX_Vbroadcastss_zmm_k1z_xmmm32 {m}"),
            row(Op::Splat(Width::U16), 9, "{t0} = Movzx_r32_rm16 {m}\n{d} = EVEX_Vpbroadcastd_zmm_k1z_r32 {t0}"),
            row(Op::Splat(Width::S16), 9, "{t0} = Movsx_r32_rm16 {m}\n{d} = EVEX_Vpbroadcastd_zmm_k1z_r32 {t0}"),
            row(Op::Splat(Width::U8), 9, "{t0} = Movzx_r32_rm8 {m}\n{d} = EVEX_Vpbroadcastd_zmm_k1z_r32 {t0}"),
            row(Op::Splat(Width::S8), 9, "{t0} = Movsx_r32_rm8 {m}\n{d} = EVEX_Vpbroadcastd_zmm_k1z_r32 {t0}"),
            row(Op::Store(Width::W32), 1, "EVEX_Vmovups_zmmm512_k1z_zmm {m}, {a}"),
            row(Op::Store(Width::U16), 4, "EVEX_Vpmovdw_ymmm256_k1z_zmm {m}, {a}"),
            row(Op::Store(Width::S16), 4, "EVEX_Vpmovdw_ymmm256_k1z_zmm {m}, {a}"),
            row(Op::Store(Width::U8), 4, "EVEX_Vpmovdb_xmmm128_k1z_zmm {m}, {a}"),
            row(Op::Store(Width::S8), 4, "EVEX_Vpmovdb_xmmm128_k1z_zmm {m}, {a}"),
            // A move by a mask reads and writes nothing where that is false.
            row(Op::LoadPart(Width::W32), 14, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\n{d} = EVEX_Vmovups_zmm_k1z_zmmm512 {m} /z {t1}"),
            row(Op::LoadPart(Width::U16), 14, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\n{d} = EVEX_Vpmovzxwd_zmm_k1z_ymmm256 {m} /z {t1}"),
            row(Op::LoadPart(Width::S16), 14, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\n{d} = EVEX_Vpmovsxwd_zmm_k1z_ymmm256 {m} /z {t1}"),
            row(Op::LoadPart(Width::U8), 14, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\n{d} = EVEX_Vpmovzxbd_zmm_k1z_xmmm128 {m} /z {t1}"),
            row(Op::LoadPart(Width::S8), 14, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\n{d} = EVEX_Vpmovsxbd_zmm_k1z_xmmm128 {m} /z {t1}"),
            row(Op::StorePart(Width::W32), 8, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {b}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\nEVEX_Vmovups_zmmm512_k1z_zmm {m}, {a} / {t1}"),
            row(Op::StorePart(Width::U16), 8, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {b}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\nEVEX_Vpmovdw_ymmm256_k1z_zmm {m}, {a} / {t1}"),
            row(Op::StorePart(Width::S16), 8, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {b}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\nEVEX_Vpmovdw_ymmm256_k1z_zmm {m}, {a} / {t1}"),
            row(Op::StorePart(Width::U8), 8, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {b}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\nEVEX_Vpmovdb_xmmm128_k1z_zmm {m}, {a} / {t1}"),
            row(Op::StorePart(Width::S8), 8, "{t0} = EVEX_Vpbroadcastd_zmm_k1z_r32 {b}\n{t1} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {t0}, {iota}, 6\nEVEX_Vpmovdb_xmmm128_k1z_zmm {m}, {a} / {t1}"),
            row(Op::Gather, 24, ""),
            row(Op::FloatConst, 7, "{d} = EVEX_Vbroadcastss_zmm_k1z_xmmm32 {=n}"),
            row(Op::WordConst, 7, "{d} = EVEX_Vbroadcastss_zmm_k1z_xmmm32 {=n}"),
            row(Op::Iota, 7, "{d} = EVEX_Vmovups_zmm_k1z_zmmm512 {iota}"),
            row(Op::Spread, 4, "{d} = EVEX_Vpbroadcastd_zmm_k1z_r32 {a}"),
            row(Op::Float(FloatOp::Add), 4, "{d} = EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er {a}, {b}"),
            row(Op::Float(FloatOp::Sub), 4, "{d} = EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er {a}, {b}"),
            row(Op::Float(FloatOp::Mul), 4, "{d} = EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er {a}, {b}"),
            row(Op::Float(FloatOp::Div), 16, "{d} = EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er {a}, {b}"),
            row(Op::Float(FloatOp::Max), 4, "{d} = EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae {a}, {b}"),
            row(Op::Float(FloatOp::Min), 4, "{d} = EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae {a}, {b}"),
            row(Op::Float(FloatOp::Scale), 4, "{d} = EVEX_Vscalefps_zmm_k1z_zmm_zmmm512b32_er {a}, {b}"),
            row(Op::FloatUnary(FloatUnary::Neg), 1, "{d} = EVEX_Vxorps_zmm_k1z_zmm_zmmm512b32 {a}, {=80000000}"),
            row(Op::FloatUnary(FloatUnary::Abs), 1, "{d} = EVEX_Vandps_zmm_k1z_zmm_zmmm512b32 {a}, {=7fffffff}"),
            row(Op::FloatUnary(FloatUnary::Sqrt), 20, "{d} = EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er {a}"),
            row(Op::FloatUnary(FloatUnary::Floor), 8, "{d} = EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae {a}, 9"),
            row(Op::FloatUnary(FloatUnary::Fraction), 4, "{d} = EVEX_Vreduceps_zmm_k1z_zmmm512b32_imm8_sae {a}, 9"),
            row(Op::FloatUnary(FloatUnary::Nearest), 8, "{d} = EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae {a}, 8"),
            row(Op::Word(WordOp::Add), 1, "{d} = EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Sub), 1, "{d} = EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Mul), 10, "{d} = EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::And), 1, "{d} = EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Or), 1, "{d} = EVEX_Vpord_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Xor), 1, "{d} = EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Min), 1, "{d} = EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Word(WordOp::Max), 1, "{d} = EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32 {a}, {b}"),
            row(Op::Shift(ShiftOp::Left), 1, "{d} = EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8 {a}, {n}"),
            row(Op::Shift(ShiftOp::Right), 1, "{d} = EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8 {a}, {n}"),
            row(Op::Shift(ShiftOp::Arithmetic), 1, "{d} = EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8 {a}, {n}"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Left)), 1, "{d} = EVEX_Vpsllw_zmm_k1z_zmmm512_imm8 {a}, {n}"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Right)), 1, "{d} = EVEX_Vpsrlw_zmm_k1z_zmmm512_imm8 {a}, {n}"),
            row(Op::Half(HalfOp::Shift(ShiftOp::Arithmetic)), 1, "{d} = EVEX_Vpsraw_zmm_k1z_zmmm512_imm8 {a}, {n}"),
            row(Op::Half(HalfOp::Eq), 5, "{t0} = EVEX_Vpcmpeqw_kr_k1_zmm_zmmm512 {a}, {b}\n{d} = EVEX_Vpmovm2w_zmm_kr {t0}"),
            row(Op::Half(HalfOp::Low), 10, "{t0} = EVEX_Vmovups_zmm_k1z_zmmm512 {low}\n{d} = EVEX_Vpermi2w_zmm_k1z_zmm_zmmm512 {t0}, {a}, {b}"),
            row(Op::Half(HalfOp::High), 10, "{t0} = EVEX_Vmovups_zmm_k1z_zmmm512 {high}\n{d} = EVEX_Vpermi2w_zmm_k1z_zmm_zmmm512 {t0}, {a}, {b}"),
            row(Op::FloatCmp(Compare::Lt), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 1"),
            row(Op::FloatCmp(Compare::Le), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 2"),
            row(Op::FloatCmp(Compare::Eq), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 0"),
            row(Op::FloatCmp(Compare::Ne), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 4"),
            row(Op::FloatCmp(Compare::Ge), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 13"),
            row(Op::FloatCmp(Compare::Gt), 4, "{d} = EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae {a}, {b}, 14"),
            row(Op::WordCmp(Compare::Lt), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 1"),
            row(Op::WordCmp(Compare::Le), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 2"),
            row(Op::WordCmp(Compare::Eq), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 0"),
            row(Op::WordCmp(Compare::Ne), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 4"),
            row(Op::WordCmp(Compare::Ge), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 5"),
            row(Op::WordCmp(Compare::Gt), 4, "{d} = EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8 {a}, {b}, 6"),
            row(Op::Mask(MaskOp::And), 1, "{d} = VEX_Kandw_kr_kr_kr {a}, {b}"),
            row(Op::Mask(MaskOp::Or), 1, "{d} = VEX_Korw_kr_kr_kr {a}, {b}"),
            row(Op::Select, 1, "{d} = EVEX_Vpblendmd_zmm_k1z_zmm_zmmm512b32 {c}, {b} / {a}"),
            row(Op::Cvt(Cvt::FloatFromInt), 4, "{d} = EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er {a}"),
            row(Op::Cvt(Cvt::IntFromFloat), 4, "{d} = EVEX_Vcvtps2dq_zmm_k1z_zmmm512b32_er {a}"),
            row(Op::Cvt(Cvt::FloatFromF16), 12, "{t0} = EVEX_Vpmovdw_ymmm256_k1z_zmm {a}\n{d} = EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae {t0}"),
            row(Op::Cvt(Cvt::FloatFromF16Low), 8, "{d} = EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae {a}"),
            row(Op::Cvt(Cvt::FloatFromF16High), 11, "{t0} = EVEX_Vextracti64x4_ymmm256_k1z_zmm_imm8 {a}, 1\n{d} = EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae {t0}"),
            row(Op::Cvt(Cvt::F16FromFloat), 11, "{t0} = EVEX_Vcvtps2ph_ymmm256_k1z_zmm_imm8_sae {a}, 0\n{d} = EVEX_Vpmovzxwd_zmm_k1z_ymmm256 {t0}"),
            row(Op::Cvt(Cvt::FloatFromBf16), 1, "{d} = EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8 {a}, 16"),
            row(Op::HSum, 24, HSUM),
            row(Op::HMax, 24, HMAX),
            row(Op::WordHSum, 16, WORD_HSUM),
            row(Op::ShuffleBytes, 1, "{d} = EVEX_Vpshufb_zmm_k1z_zmm_zmmm512 {a}, {b}"),
            row(Op::SelectBits, 1, "{d} = EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8 {a}, {b}, {c}, 202"),
            row(Op::Lookup, 3, "{d} = EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32 {b}, {a}"),
            row(Op::Ballot, 3, "{d} = VEX_Kmovw_r32_kr {a}"),
            $($rest),*
        ]
    };
}

#[rustfmt::skip] // a table
pub static ROWS: &[Row] = wide_rows![
    Row { op: Op::Dot(DotOp::U8S8), latency: 8, layouts: Some([BYTES, BYTES, ""]), text: DOT_U8S8 },
    Row { op: Op::Dot(DotOp::S16S16), latency: 6, layouts: Some([HALVES, HALVES, ""]), text: "{t0} = EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512 {a}, {b}\n{d} = EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32 {c}, {t0}" },
];

#[rustfmt::skip] // a table
const VNNI_U8S8: Row = Row { op: Op::Dot(DotOp::U8S8), latency: 5, layouts: Some([BYTES, BYTES, ""]), text: "{d} = EVEX_Vpdpbusd_zmm_k1z_zmm_zmmm512b32 {c}, {a}, {b}" };
#[rustfmt::skip] // a table
const VNNI_S16S16: Row = Row { op: Op::Dot(DotOp::S16S16), latency: 5, layouts: Some([HALVES, HALVES, ""]), text: "{d} = EVEX_Vpdpwssd_zmm_k1z_zmm_zmmm512b32 {c}, {a}, {b}" };
/// Of VBMI.
#[rustfmt::skip] // a table
const PERMUTE_BYTES: Row = row(Op::PermuteBytes, 3, "{d} = EVEX_Vpermb_zmm_k1z_zmm_zmmm512 {b}, {a}");
/// Bytes from 192 on.
#[rustfmt::skip] // a table
const PERMUTE_HIGH: Row = row(Op::PermuteHigh, 7, "{t0} = EVEX_Vpcmpub_kr_k1_zmm_zmmm512_imm8 {b}, {v:c0}, 5\n{d} = EVEX_Vpermb_zmm_k1z_zmm_zmmm512 {b}, {a} /m {c} {t0}");
#[rustfmt::skip] // a table
const NIBBLES: Row = row(Op::Nibbles, 8, "{t0} = EVEX_Vmovups_zmm_k1z_zmmm512 {nibbles}\n{d} = EVEX_Vpmultishiftqb_zmm_k1z_zmm_zmmm512b64 {t0}, {*m}");
/// Of GFNI.
#[rustfmt::skip] // a table
const AFFINE: Row = row(Op::Affine, 3, "{d} = EVEX_Vgf2p8affineqb_zmm_k1z_zmm_zmmm512b64_imm8 {a}, {b}, {n}");

pub static VNNI_ROWS: &[Row] = wide_rows![VNNI_U8S8, VNNI_S16S16];

pub static VBMI_ROWS: &[Row] =
    wide_rows![VNNI_U8S8, VNNI_S16S16, PERMUTE_BYTES, PERMUTE_HIGH, NIBBLES, AFFINE];

#[rustfmt::skip] // a table
pub static BF16_ROWS: &[Row] = wide_rows![
    VNNI_U8S8, VNNI_S16S16, PERMUTE_BYTES, PERMUTE_HIGH, NIBBLES, AFFINE,
    Row { op: Op::Dot(DotOp::Bf16), latency: 6, layouts: Some([HALVES, HALVES, ""]), text: "{d} = EVEX_Vdpbf16ps_zmm_k1z_zmm_zmmm512b32 {c}, {a}, {b}" },
    row(Op::PackBf16, 7, "{d} = EVEX_Vcvtne2ps2bf16_zmm_k1z_zmm_zmmm512b32 {b}, {a}"),
];

/// Halves, then quarters, then eighths, then neighbours.
const HSUM: &str = "\
{t0} = EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8 {a}, 1
{t1} = EVEX_Vaddps_ymm_k1z_ymm_ymmm256b32 {a}, {t0}
{t2} = EVEX_Vextractf32x4_xmmm128_k1z_ymm_imm8 {t1}, 1
{t3} = EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32 {t1}, {t2}
{t4} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t3}, 78
{t5} = EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32 {t3}, {t4}
{t6} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t5}, 177
{t7} = EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32 {t5}, {t6}
{d} = EVEX_Vbroadcastss_zmm_k1z_xmmm32 {t7}";

const HMAX: &str = "\
{t0} = EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8 {a}, 1
{t1} = EVEX_Vmaxps_ymm_k1z_ymm_ymmm256b32 {a}, {t0}
{t2} = EVEX_Vextractf32x4_xmmm128_k1z_ymm_imm8 {t1}, 1
{t3} = EVEX_Vmaxps_xmm_k1z_xmm_xmmm128b32 {t1}, {t2}
{t4} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t3}, 78
{t5} = EVEX_Vmaxps_xmm_k1z_xmm_xmmm128b32 {t3}, {t4}
{t6} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t5}, 177
{t7} = EVEX_Vmaxps_xmm_k1z_xmm_xmmm128b32 {t5}, {t6}
{d} = EVEX_Vbroadcastss_zmm_k1z_xmmm32 {t7}";

const WORD_HSUM: &str = "\
{t0} = EVEX_Vextracti64x4_ymmm256_k1z_zmm_imm8 {a}, 1
{t1} = EVEX_Vpaddd_ymm_k1z_ymm_ymmm256b32 {a}, {t0}
{t2} = EVEX_Vextracti32x4_xmmm128_k1z_ymm_imm8 {t1}, 1
{t3} = EVEX_Vpaddd_xmm_k1z_xmm_xmmm128b32 {t1}, {t2}
{t4} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t3}, 78
{t5} = EVEX_Vpaddd_xmm_k1z_xmm_xmmm128b32 {t3}, {t4}
{t6} = EVEX_Vpshufd_xmm_k1z_xmmm128b32_imm8 {t5}, 177
{t7} = EVEX_Vpaddd_xmm_k1z_xmm_xmmm128b32 {t5}, {t6}
{d} = EVEX_Vpbroadcastd_zmm_k1z_xmmm32 {t7}";

/// Even and odd bytes as halves: the instruction for bytes saturates its pairs.
const DOT_U8S8: &str = "\
{t0} = EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32 {a}, {=00ff00ff}
{t1} = EVEX_Vpsrlw_zmm_k1z_zmmm512_imm8 {a}, 8
{t2} = EVEX_Vpsllw_zmm_k1z_zmmm512_imm8 {b}, 8
{t3} = EVEX_Vpsraw_zmm_k1z_zmmm512_imm8 {t2}, 8
{t4} = EVEX_Vpsraw_zmm_k1z_zmmm512_imm8 {b}, 8
{t5} = EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512 {t0}, {t3}
{t6} = EVEX_Vpmaddwd_zmm_k1z_zmm_zmmm512 {t1}, {t4}
{t7} = EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32 {t5}, {t6}
{d} = EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32 {c}, {t7}";
