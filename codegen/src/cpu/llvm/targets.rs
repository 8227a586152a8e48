//! The CPUs of LLVM's emitter, and what LLVM is told of each.
//!
//! ```text
//! target triple = "x86_64-unknown-linux-gnu"
//! attributes #0 = { nounwind "target-cpu"="x86-64-v4" "target-features"="+avx512vnni" .. }
//! ```

use super::rows;
use kgen_ir::{machine::Row, target::Target};

/// What the text of a target begins with.
#[derive(Debug)]
pub struct Chip {
    pub target: Target,
    /// The system is Linux's; another may replace it by its own of the same family of CPUs.
    pub triple: &'static str,
    pub cpu: &'static str,
    /// What it has beside its model: `+avx512vnni`.
    pub features: &'static str,
}

const X86: &str = "x86_64-unknown-linux-gnu";
const ARM: &str = "aarch64-unknown-linux-gnu";

/// Features of LLVM's models, as the detector of the standard library spells them, and more.
macro_rules! v3 {
    ($($more:literal)*) => {
        &["avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "movbe", "popcnt", $($more),*]
    };
}
macro_rules! v4 {
    ($($more:literal)*) => {
        v3!["avx512f" "avx512bw" "avx512vl" "avx512dq" "avx512cd" $($more)*]
    };
}

const fn chip(
    target: &'static str,
    (triple, cpu, features): (&'static str, &'static str, &'static str),
    (lanes, vectors, rows): (usize, usize, &'static [Row]),
    needs: &'static [&'static str],
    about: &'static str,
) -> Chip {
    let target = Target {
        name: target,
        backend: "llvm",
        lanes,
        vectors,
        // The order of its kernels is ours; LLVM changes little in it.
        reorders: false,
        rows,
        features: needs,
        about,
    };
    Chip { target, triple, cpu, features }
}

#[rustfmt::skip] // a table
pub static CHIPS: &[Chip] = &[
    chip("x86-64-amx/llvm", (X86, "x86-64-v4", "+avx512vnni,+avx512vbmi,+gfni,+avx512bf16,+amx-tile,+amx-int8,+amx-bf16"), (16, 32, rows::AMX),
        v4!["avx512vnni" "avx512vbmi" "gfni" "avx512bf16" "amx-tile" "amx-int8" "amx-bf16"], "x86-64 with AMX: tiles of bytes and bf16 in matrix registers, beside AVX-512, by LLVM"),
    chip("x86-64-v4-bf16/llvm", (X86, "x86-64-v4", "+avx512vnni,+avx512vbmi,+gfni,+avx512bf16"), (16, 32, rows::V4_BF16),
        v4!["avx512vnni" "avx512vbmi" "gfni" "avx512bf16"], "x86-64 with AVX-512, byte and bf16 dot products, 512-bit vectors, by LLVM"),
    chip("x86-64-v4-vbmi/llvm", (X86, "x86-64-v4", "+avx512vnni,+avx512vbmi,+gfni"), (16, 32, rows::V4_VBMI),
        v4!["avx512vnni" "avx512vbmi" "gfni"], "x86-64 with AVX-512, byte dot products and permutations of bytes, 512-bit vectors, by LLVM"),
    chip("x86-64-v4-vnni/llvm", (X86, "x86-64-v4", "+avx512vnni"), (16, 32, rows::V4_VNNI),
        v4!["avx512vnni"], "x86-64 with AVX-512 and byte dot products, 512-bit vectors, by LLVM"),
    chip("x86-64-v4/llvm", (X86, "x86-64-v4", ""), (16, 32, rows::V4),
        v4![], "x86-64 with AVX-512, 512-bit vectors, by LLVM"),
    chip("x86-64-v3-vnni/llvm", (X86, "x86-64-v3", "+avxvnni"), (8, 16, rows::V3_VNNI),
        v3!["avxvnni"], "x86-64 with AVX2 and byte dot products, 256-bit vectors, by LLVM"),
    chip("x86-64-v3/llvm", (X86, "x86-64-v3", ""), (8, 16, rows::V3),
        v3![], "x86-64 with AVX2, FMA and F16C, 256-bit vectors, by LLVM"),
    chip("aarch64-i8mm/llvm", (ARM, "generic", "+dotprod,+i8mm"), (4, 32, rows::NEON_I8MM),
        &["neon", "dotprod", "i8mm"], "64-bit ARM with dot products of bytes of either sign, 128-bit vectors, by LLVM"),
    chip("aarch64-dot/llvm", (ARM, "generic", "+dotprod"), (4, 32, rows::NEON_DOT),
        &["neon", "dotprod"], "64-bit ARM with dot products of bytes, 128-bit vectors, by LLVM"),
    chip("aarch64/llvm", (ARM, "generic", ""), (4, 32, rows::NEON),
        &["neon"], "64-bit ARM with NEON, 128-bit vectors, by LLVM"),
];

/// The chip of a target.
pub fn chip_of(target: &Target) -> Option<&'static Chip> {
    CHIPS.iter().find(|c| c.target.name == target.name)
}
