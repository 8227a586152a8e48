//! What the spine promises: two ops through every level to verified kernels.

use crate::must_show::{
    How, Point, agreed, both_verified, counted, five_carets, listed, one_screen, one_test,
    succeeded, told, toured,
};

pub const POINTS: &[Point] = &[
    Point {
        name: "verify both ops",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- verify ops/flash_decode.toml ops/w4a8_gemv.toml \
                      --on cpu --format json",
            judge: both_verified,
        },
    },
    Point {
        name: "tests pass",
        how: How::Slow { command: "cargo test --workspace", judge: succeeded },
    },
    Point {
        name: "five mistakes, five carets, exit 3",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- check tests/diag/five.toml",
            judge: five_carets,
        },
    },
    Point {
        name: "disassembly: dots are folded; stack moves in the inner loops of the shipped kernels",
        how: How::Run {
            command: "cargo test -q -p kgen-tests --test disassembly -- --nocapture --test-threads 1",
            judge: counted,
        },
    },
    Point {
        name: "one screen of explain: attention",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- explain ops/flash_decode.toml --target host",
            judge: one_screen,
        },
    },
    Point {
        name: "one screen of explain: matrix product",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- explain ops/w4a8_gemv.toml --target host",
            judge: one_screen,
        },
    },
    Point {
        name: "a GGUF written by the package gguf is read bit for bit",
        how: How::Run {
            command: "cargo test -q -p kgen-runtime --test gguf_python -- --nocapture",
            judge: one_test,
        },
    },
    Point {
        name: "numpy and ONNX Runtime agree with the reference",
        how: How::Run {
            command: "cargo test -q -p kgen-tests --test witness -- --nocapture",
            judge: agreed,
        },
    },
    Point {
        name: "filetests of every pass",
        how: How::Run { command: "cargo test -q -p kgen-tests --test filetests", judge: succeeded },
    },
    Point { name: "lines per crate; the longest file", how: How::Count },
    Point {
        name: "the first command: both ops on a small GGUF, error/bound, GB/s and the roof",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler --example tour",
            judge: toured,
        },
    },
    Point {
        name: "verify every op file, 100 cases, the unsupported ones listed",
        how: How::Run {
            command: "cargo test --release -q -p kgen-compiler --test ops -- --nocapture",
            judge: listed,
        },
    },
    Point {
        name: "every mutant is caught",
        how: How::Run { command: "cargo xtask mutants", judge: one_test },
    },
    Point {
        name: "kgen run on every weight of a sample GGUF",
        how: How::Run {
            command: "cargo test -q -p kgen-compiler --test cli weights_come_from_a_gguf_file",
            judge: one_test,
        },
    },
    Point {
        name: "time and GB/s beside the read roof: W4A8 product, M = 1",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/w4a8_gemv.toml --set m=1",
            judge: told,
        },
    },
    Point {
        name: "time and GB/s beside the read roof: decode, 8192 keys",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- bench ops/flash_decode.toml --set n=8192",
            judge: told,
        },
    },
    Point {
        name: "kgen run on a GGUF of the package gguf, against its dequantisation",
        how: How::Run {
            command: "cargo test -q -p kgen-compiler --test gguf_run -- --nocapture",
            judge: listed,
        },
    },
    Point {
        name: "the roof's probe checked against the shared one",
        how: How::Run { command: "cargo xtask probe", judge: told },
    },
    Point {
        name: "costs of the compiler",
        how: How::Run { command: "cargo xtask costs", judge: told },
    },
    Point {
        name: "the commit that adds one storage format",
        how: How::Run {
            command: "git log -1 --stat --format=%h --grep=^Add.the.storage.format",
            judge: told,
        },
    },
];
