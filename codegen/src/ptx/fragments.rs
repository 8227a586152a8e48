//! Fragments of PTX matrix instructions: which element each lane holds in which register.
//!
//! One row an instruction (PTX ISA, "Matrix Fragments for mma.m16n8k16" and its siblings, "Register
//! Fragments and Shared Memory Matrix Layouts for wgmma", "ldmatrix"), three layouts a row. The left
//! operand of `mma.m16n8k16` with 16-bit elements:
//!
//! ```text
//! lane = k1 k2 m0 m1 m2, reg = m3 k3, half = k0
//! ```
//!
//! `reg` counts 32-bit registers; `half`, `byte`, `nibble` and `bit` the elements in one, lowest first.
//! `warp` is the warp in its group of four. Volta's `q` is the product of a quad pair.

use kgen_ir::layout::{Grid, Layout};

/// A matrix instruction: its forms and where its operands sit.
#[derive(Debug)]
pub struct Mma {
    /// Names without `.sync.aligned`.
    pub names: &'static [&'static str],
    /// Axes `m k`, `q m k`.
    pub a: &'static str,
    /// Axes `k n`, `q k n`.
    pub b: &'static str,
    /// The accumulator and the result, axes `m n`, `q m n`.
    pub c: &'static str,
}

/// An operand in the rows below that is read from shared memory by a descriptor.
const BY_DESCRIPTOR: &str = "";

const C8: &str = "lane = n1 n2 m0 m1 m2, reg = n0";
const C16: &str = "lane = n1 n2 m0 m1 m2, reg = n0 m3";
const C16_HALF: &str = "lane = n1 n2 m0 m1 m2, reg = m3, half = n0";
const VOLTA_F32: &str = "lane = m0 n1 q0 q1 m2, reg = n0 m1 n2";
const VOLTA_F16: &str = "lane = m0 m1 q0 q1 m2, reg = n1 n2, half = n0";
const VOLTA_A_ROW: &str = "lane = m0 m1 q0 q1 m2, reg = k1, half = k0";
const VOLTA_A_COL: &str = "lane = k0 k1 q0 q1 m2, reg = m1, half = m0";
const VOLTA_B_ROW: &str = "lane = k0 k1 q0 q1 n2, reg = n1, half = n0";
const VOLTA_B_COL: &str = "lane = n0 n1 q0 q1 n2, reg = k1, half = k0";
const A8_HALF: &str = "lane = k1 k2 m0 m1 m2, reg = m3, half = k0";
const A16_HALF: &str = "lane = k1 k2 m0 m1 m2, reg = m3 k3, half = k0";
const B8_HALF: &str = "lane = k1 k2 n0 n1 n2, half = k0";
const B16_HALF: &str = "lane = k1 k2 n0 n1 n2, reg = k3, half = k0";
const A16_BYTE: &str = "lane = k2 k3 m0 m1 m2, byte = k0 k1";
const A_TALL_BYTE: &str = "lane = k2 k3 m0 m1 m2, reg = m3, byte = k0 k1";
const A32_BYTE: &str = "lane = k2 k3 m0 m1 m2, reg = m3 k4, byte = k0 k1";
const B16_BYTE: &str = "lane = k2 k3 n0 n1 n2, byte = k0 k1";
const B32_BYTE: &str = "lane = k2 k3 n0 n1 n2, reg = k4, byte = k0 k1";
const A32_NIBBLE: &str = "lane = k3 k4 m0 m1 m2, nibble = k0 k1 k2";
const A_TALL_NIBBLE: &str = "lane = k3 k4 m0 m1 m2, reg = m3, nibble = k0 k1 k2";
const A64_NIBBLE: &str = "lane = k3 k4 m0 m1 m2, reg = m3 k5, nibble = k0 k1 k2";
const B32_NIBBLE: &str = "lane = k3 k4 n0 n1 n2, nibble = k0 k1 k2";
const B64_NIBBLE: &str = "lane = k3 k4 n0 n1 n2, reg = k5, nibble = k0 k1 k2";
const A128_BIT: &str = "lane = k5 k6 m0 m1 m2, bit = k0 k1 k2 k3 k4";
const A256_BIT: &str = "lane = k5 k6 m0 m1 m2, reg = m3 k7, bit = k0 k1 k2 k3 k4";
const B128_BIT: &str = "lane = k5 k6 n0 n1 n2, bit = k0 k1 k2 k3 k4";
const B256_BIT: &str = "lane = k5 k6 n0 n1 n2, reg = k7, bit = k0 k1 k2 k3 k4";

#[rustfmt::skip] // a table
pub static MMA: &[Mma] = &[
    Mma { names: &["mma.m8n8k4.row.row.f32.f16.f16.f32"], a: VOLTA_A_ROW, b: VOLTA_B_ROW, c: VOLTA_F32 },
    Mma { names: &["mma.m8n8k4.row.col.f32.f16.f16.f32"], a: VOLTA_A_ROW, b: VOLTA_B_COL, c: VOLTA_F32 },
    Mma { names: &["mma.m8n8k4.col.row.f32.f16.f16.f32"], a: VOLTA_A_COL, b: VOLTA_B_ROW, c: VOLTA_F32 },
    Mma { names: &["mma.m8n8k4.col.col.f32.f16.f16.f32"], a: VOLTA_A_COL, b: VOLTA_B_COL, c: VOLTA_F32 },
    Mma { names: &["mma.m8n8k4.row.row.f16.f16.f16.f16"], a: VOLTA_A_ROW, b: VOLTA_B_ROW, c: VOLTA_F16 },
    Mma { names: &["mma.m8n8k4.row.col.f16.f16.f16.f16"], a: VOLTA_A_ROW, b: VOLTA_B_COL, c: VOLTA_F16 },
    Mma { names: &["mma.m8n8k4.col.row.f16.f16.f16.f16"], a: VOLTA_A_COL, b: VOLTA_B_ROW, c: VOLTA_F16 },
    Mma { names: &["mma.m8n8k4.col.col.f16.f16.f16.f16"], a: VOLTA_A_COL, b: VOLTA_B_COL, c: VOLTA_F16 },
    Mma { names: &["mma.m16n8k8.row.col.f32.f16.f16.f32", "mma.m16n8k8.row.col.f32.bf16.bf16.f32"], a: A8_HALF, b: B8_HALF, c: C16 },
    Mma { names: &["mma.m16n8k8.row.col.f16.f16.f16.f16"], a: A8_HALF, b: B8_HALF, c: C16_HALF },
    Mma { names: &["mma.m16n8k16.row.col.f32.f16.f16.f32", "mma.m16n8k16.row.col.f32.bf16.bf16.f32"], a: A16_HALF, b: B16_HALF, c: C16 },
    Mma { names: &["mma.m16n8k16.row.col.f16.f16.f16.f16"], a: A16_HALF, b: B16_HALF, c: C16_HALF },
    Mma { names: &["mma.m16n8k8.row.col.f32.tf32.tf32.f32"], a: "lane = k0 k1 m0 m1 m2, reg = m3 k2", b: "lane = k0 k1 n0 n1 n2, reg = k2", c: C16 },
    Mma { names: &["mma.m8n8k16.row.col.s32.s8.s8.s32", "mma.m8n8k16.row.col.s32.u8.s8.s32", "mma.m8n8k16.row.col.s32.s8.u8.s32", "mma.m8n8k16.row.col.s32.u8.u8.s32"], a: A16_BYTE, b: B16_BYTE, c: C8 },
    Mma { names: &["mma.m16n8k16.row.col.s32.s8.s8.s32", "mma.m16n8k16.row.col.s32.u8.s8.s32", "mma.m16n8k16.row.col.s32.s8.u8.s32", "mma.m16n8k16.row.col.s32.u8.u8.s32"], a: A_TALL_BYTE, b: B16_BYTE, c: C16 },
    Mma { names: &["mma.m16n8k32.row.col.s32.s8.s8.s32", "mma.m16n8k32.row.col.s32.u8.s8.s32", "mma.m16n8k32.row.col.s32.s8.u8.s32", "mma.m16n8k32.row.col.s32.u8.u8.s32", "mma.m16n8k32.row.col.f32.e4m3.e4m3.f32", "mma.m16n8k32.row.col.f32.e5m2.e5m2.f32"], a: A32_BYTE, b: B32_BYTE, c: C16 },
    Mma { names: &["mma.m8n8k32.row.col.s32.s4.s4.s32", "mma.m8n8k32.row.col.s32.u4.s4.s32", "mma.m8n8k32.row.col.s32.s4.u4.s32", "mma.m8n8k32.row.col.s32.u4.u4.s32"], a: A32_NIBBLE, b: B32_NIBBLE, c: C8 },
    Mma { names: &["mma.m16n8k32.row.col.s32.s4.s4.s32", "mma.m16n8k32.row.col.s32.u4.s4.s32", "mma.m16n8k32.row.col.s32.s4.u4.s32", "mma.m16n8k32.row.col.s32.u4.u4.s32"], a: A_TALL_NIBBLE, b: B32_NIBBLE, c: C16 },
    Mma { names: &["mma.m16n8k64.row.col.s32.s4.s4.s32", "mma.m16n8k64.row.col.s32.u4.s4.s32", "mma.m16n8k64.row.col.s32.s4.u4.s32", "mma.m16n8k64.row.col.s32.u4.u4.s32"], a: A64_NIBBLE, b: B64_NIBBLE, c: C16 },
    Mma { names: &["mma.m8n8k128.row.col.s32.b1.b1.s32.xor.popc", "mma.m8n8k128.row.col.s32.b1.b1.s32.and.popc"], a: A128_BIT, b: B128_BIT, c: C8 },
    Mma { names: &["mma.m16n8k256.row.col.s32.b1.b1.s32.xor.popc", "mma.m16n8k256.row.col.s32.b1.b1.s32.and.popc"], a: A256_BIT, b: B256_BIT, c: C16 },
    // Eight columns; `wgmma` has up to 32 of these atoms, see `accumulator`.
    Mma { names: &["wgmma.mma_async.m64n8k16.f32.f16.f16", "wgmma.mma_async.m64n8k16.f32.bf16.bf16"], a: "lane = k1 k2 m0 m1 m2, warp = m4 m5, reg = m3 k3, half = k0", b: BY_DESCRIPTOR, c: WGMMA_C },
];

const WGMMA_C: &str = "lane = n1 n2 m0 m1 m2, warp = m4 m5, reg = n0 m3";

/// A move between shared memory and fragments of 8 x 8 matrices of 16-bit elements: row `r`, column
/// `c`, matrix `i`. `stmatrix` is the same backwards.
#[derive(Debug)]
pub struct Matrices {
    pub names: &'static [&'static str],
    /// The lane that gives the address of a row.
    pub address: &'static str,
    pub value: &'static str,
}

#[rustfmt::skip] // a table
pub static MATRICES: &[Matrices] = &[
    Matrices { names: &["ldmatrix.m8n8.x1.shared.b16", "stmatrix.m8n8.x1.shared.b16"], address: "lane = r0 r1 r2", value: "lane = c1 c2 r0 r1 r2, half = c0" },
    Matrices { names: &["ldmatrix.m8n8.x2.shared.b16", "stmatrix.m8n8.x2.shared.b16"], address: "lane = r0 r1 r2 i0", value: "lane = c1 c2 r0 r1 r2, reg = i0, half = c0" },
    Matrices { names: &["ldmatrix.m8n8.x4.shared.b16", "stmatrix.m8n8.x4.shared.b16"], address: "lane = r0 r1 r2 i0 i1", value: "lane = c1 c2 r0 r1 r2, reg = i0 i1, half = c0" },
    Matrices { names: &["ldmatrix.m8n8.x1.trans.shared.b16", "stmatrix.m8n8.x1.trans.shared.b16"], address: "lane = r0 r1 r2", value: "lane = r1 r2 c0 c1 c2, half = r0" },
    Matrices { names: &["ldmatrix.m8n8.x2.trans.shared.b16", "stmatrix.m8n8.x2.trans.shared.b16"], address: "lane = r0 r1 r2 i0", value: "lane = r1 r2 c0 c1 c2, reg = i0, half = r0" },
    Matrices { names: &["ldmatrix.m8n8.x4.trans.shared.b16", "stmatrix.m8n8.x4.trans.shared.b16"], address: "lane = r0 r1 r2 i0 i1", value: "lane = r1 r2 c0 c1 c2, reg = i0 i1, half = r0" },
];

/// Swizzle modes of `wgmma` descriptors and of tensor maps (PTX ISA, "Swizzling modes"), by the bytes
/// of a row: from the byte offset to row `r` and byte `c`.
pub static SWIZZLES: &[(u32, &str)] = &[
    (32, "offset = c0 c1 c2 c3 c4 r0 r1 r2^c4"),
    (64, "offset = c0 c1 c2 c3 c4 c5 r0 r1^c4 r2^c5"),
    (128, "offset = c0 c1 c2 c3 c4 c5 c6 r0^c4 r1^c5 r2^c6"),
];

/// The row of a matrix instruction, with or without `.sync.aligned`.
pub fn mma(name: &str) -> Option<&'static Mma> {
    let name = plain(name);
    MMA.iter().find(|row| row.names.contains(&name.as_str()))
}

/// The row of `ldmatrix` or `stmatrix`, with or without `.sync.aligned`.
pub fn matrices(name: &str) -> Option<&'static Matrices> {
    let name = plain(name);
    MATRICES.iter().find(|row| row.names.contains(&name.as_str()))
}

/// The accumulator of `wgmma.m64nN`: `n` is a multiple of 8 up to 256, so a grid of atoms.
pub fn accumulator(n: u64) -> Option<Grid> {
    let atom = Layout::parse(WGMMA_C).ok()?;
    let fits = n.is_multiple_of(8) && (8..=256).contains(&n);
    fits.then(|| Grid { atom, by: "reg".into(), along: "n".into(), count: n / 8 })
}

fn plain(name: &str) -> String {
    name.split('.')
        .filter(|part| !matches!(*part, "sync" | "aligned"))
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests;
