//! The CPUs that the emitters serve.

use super::{
    native::{rows, rows512},
    rows::ROWS,
};
use kgen_ir::target::Target;

pub static TARGETS: &[Target] = &[
    Target {
        name: "x86-64-v3-vnni/cranelift",
        backend: "cranelift",
        lanes: 4,
        vectors: 16,
        rows: ROWS,
        features: &["avx2", "fma", "avx512vnni", "avx512vl"],
        about: "x86-64 with AVX2 and byte dot products, 128-bit vectors, by Cranelift",
    },
    Target {
        name: "x86-64-v3/cranelift",
        backend: "cranelift",
        lanes: 4,
        vectors: 16,
        rows: ROWS,
        features: &["avx2", "fma"],
        about: "x86-64 with AVX2 and FMA, 128-bit vectors, by Cranelift",
    },
    Target {
        name: "x86-64-v2/cranelift",
        backend: "cranelift",
        lanes: 4,
        vectors: 16,
        rows: ROWS,
        features: &["ssse3", "sse4.1", "sse4.2"],
        about: "x86-64 with SSE4.2, 128-bit vectors, by Cranelift; fma is a call",
    },
    Target {
        name: "aarch64/cranelift",
        backend: "cranelift",
        lanes: 4,
        vectors: 32,
        rows: ROWS,
        features: &["neon"],
        about: "64-bit ARM with NEON, 128-bit vectors, by Cranelift",
    },
];

/// The CPUs of the emitter of machine code.
pub static NATIVE: &[Target] = &[
    Target {
        name: "x86-64-v4-bf16/native",
        backend: "native",
        lanes: 16,
        vectors: 32,
        rows: rows512::BF16_ROWS,
        features: &[
            "avx512f",
            "avx512bw",
            "avx512vl",
            "avx512dq",
            "avx512vnni",
            "avx512vbmi",
            "gfni",
            "avx512bf16",
        ],
        about: "x86-64 with AVX-512, byte and bf16 dot products, 512-bit vectors",
    },
    Target {
        name: "x86-64-v4-vbmi/native",
        backend: "native",
        lanes: 16,
        vectors: 32,
        rows: rows512::VBMI_ROWS,
        features: &[
            "avx512f",
            "avx512bw",
            "avx512vl",
            "avx512dq",
            "avx512vnni",
            "avx512vbmi",
            "gfni",
        ],
        about: "x86-64 with AVX-512, byte dot products and permutations of bytes, 512-bit vectors",
    },
    Target {
        name: "x86-64-v4-vnni/native",
        backend: "native",
        lanes: 16,
        vectors: 32,
        rows: rows512::VNNI_ROWS,
        features: &["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"],
        about: "x86-64 with AVX-512 and byte dot products, 512-bit vectors",
    },
    Target {
        name: "x86-64-v4/native",
        backend: "native",
        lanes: 16,
        vectors: 32,
        rows: rows512::ROWS,
        features: &["avx512f", "avx512bw", "avx512vl", "avx512dq"],
        about: "x86-64 with AVX-512, 512-bit vectors",
    },
    Target {
        name: "x86-64-v3-vnni/native",
        backend: "native",
        lanes: 8,
        vectors: 16,
        rows: rows::VNNI_ROWS,
        features: &["avx2", "fma", "f16c", "avxvnni"],
        about: "x86-64 with AVX2 and byte dot products, 256-bit vectors",
    },
    Target {
        name: "x86-64-v3/native",
        backend: "native",
        lanes: 8,
        vectors: 16,
        rows: rows::ROWS,
        features: &["avx2", "fma", "f16c"],
        about: "x86-64 with AVX2, FMA and F16C, 256-bit vectors",
    },
];
