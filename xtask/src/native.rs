//! What the native emitter promises: machine code of AVX2 and AVX-512 in pure Rust.

use crate::must_show::{How, Point, Ran, Verdict, listed, one_screen, one_test, succeeded, told};

#[rustfmt::skip] // commands are long
pub const POINTS: &[Point] = &[
    Point {
        name: "3,000 random programs, every row and every shuffle, bit for bit as interpreted",
        how: How::Run {
            command: "env KGEN_FULL=1 cargo test --release -q -p kgen-tests --test native -- --nocapture",
            judge: whole,
        },
    },
    Point {
        name: "LLVM's disassembler reads every row as we mean it",
        how: How::Run {
            command: "cargo test --release -q -p kgen-tests --test native another_disassembler -- --nocapture",
            judge: one_test,
        },
    },
    Point {
        name: "code of the shipped kernels, ours and Cranelift's",
        how: How::Run {
            command: "cargo test --release -q -p kgen-tests --test costs -- --nocapture --test-threads 1",
            judge: lines,
        },
    },
    Point {
        name: "tiles of products in the first cache, beside a loop of their instruction",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench tiles", judge: lines },
    },
    Point {
        name: "from text to code, both emitters",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench jit", judge: lines },
    },
    Point {
        name: "verify on AVX2 alone",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- verify ops/flash_decode.toml ops/w4a8_gemv.toml \
                      ops/w8a8_gemv.toml --target x86-64-v3/native",
            judge: lines,
        },
    },
    Point {
        name: "verify on AVX2 with byte dot products",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- verify ops/flash_decode.toml ops/w4a8_gemv.toml \
                      ops/w8a8_gemv.toml --target x86-64-v3-vnni/native",
            judge: lines_or_lacking,
        },
    },
    Point {
        name: "a machine without AVX2 gets Cranelift",
        how: How::Run {
            command: "cargo test -q -p kgen-compiler --lib a_cpu_without_avx2 -- --nocapture",
            judge: one_test,
        },
    },
    Point {
        name: "hostile artifacts are refused",
        how: How::Run { command: "cargo test -q -p kgen-compiler --test hostile -- --nocapture", judge: listed },
    },
    Point {
        name: "explain: an attention on one screen",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- explain ops/flash_decode.toml --target x86-64-v4-vnni",
            judge: one_screen,
        },
    },
    Point {
        name: "explain: a matrix product of one, few and many rows on one screen",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- explain ops/w4a8_gemv.toml --target x86-64-v4-vnni",
            judge: one_screen,
        },
    },
    Point {
        name: "time beside the read roof: W4A8 product, one row and 128",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/w4a8_gemv.toml --set m=1,128",
            judge: told,
        },
    },
    Point {
        name: "time beside the read roof: products in groups of 128 with zero points, one row and 128",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/w4a16_gemm.toml --set m=1,128",
            judge: told,
        },
    },
    Point {
        name: "time beside the read roof: W8A8 product",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/w8a8_gemv.toml --set m=1",
            judge: told,
        },
    },
    Point {
        name: "time beside the read roof: decode of 8K and 32K keys",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/flash_decode.toml --set n=8192,32768",
            judge: told,
        },
    },
];

/// Every test of a file.
fn whole(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let line = ran.out.lines().find(|l| l.starts_with("test result"));
    Ok(line.unwrap_or("exit 0").into())
}

/// What the command printed, on lines of their own.
fn lines(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    Ok(ran.out.lines().map(|l| format!("\n           {}", l.trim())).collect())
}

/// The same; a CPU without the instructions says so.
fn lines_or_lacking(ran: &Ran) -> Verdict {
    match ran.code {
        Some(4) => Ok(format!("not on this CPU: {}", ran.err.trim())),
        _ => lines(ran),
    }
}
