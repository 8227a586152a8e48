//! The CPUs that the CLIF emitter serves.

use super::rows::ROWS;
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
