//! The shipped ops and their relatives, compiled for this CPU, against the reference.

use kgen::{device::Cpu, inputs};
use kgen_ir::{
    extent::Dims,
    op::{Op, read},
};

fn op(text: &str) -> Op {
    read::read("test.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

/// Worst error over bound for these sizes.
fn check(cpu: &Cpu, op: &Op, sizes: &[(&str, i64)], seed: u64) -> f64 {
    let mut dims = Dims { cores: 4, ..Dims::default() };
    dims.scalars = sizes.iter().map(|(n, x)| (n.to_string(), *x)).collect();
    let tensors = inputs::complete(op, &dims, &Default::default(), seed).unwrap();
    let expected = kgen_kernels_ref::run(op, &dims, &tensors).unwrap();
    let module = cpu.load(op).unwrap_or_else(|e| panic!("{e}"));
    let got = cpu.run(&module, &dims, &tensors).unwrap_or_else(|e| panic!("{} {sizes:?}: {e}", op.name));
    let mut worst = 0f64;
    for (name, expected) in &expected {
        let c = kgen_kernels_ref::compare(name, expected, &got[name]).unwrap();
        assert!(c.passed(), "{} {sizes:?}: {name}: {c:?}", op.name);
        worst = worst.max(c.worst_ratio);
    }
    worst
}

fn attention(mask: &str, dtype: &str, dim: i64, heads: i64, kv: i64) -> Op {
    op(&format!(
        "op = \"attention\"\nname = \"a\"\nq = {{ dtype = \"{dtype}\", heads = {heads}, dim = {dim}, batch = \"b\", len = \"m\" }}\n\
         kv = {{ dtype = \"{dtype}\", heads = {kv} }}\nout = \"{dtype}\"\n[[segment]]\nlen = \"n\"\nmask = {mask}\n"
    ))
}

#[test]
fn attention_of_every_length_around_a_tile() {
    let cpu = Cpu::open(Some(3)).unwrap();
    let op = attention("\"causal\"", "f16", 128, 8, 2);
    for n in [1, 2, 15, 16, 17, 31, 32, 33, 48] {
        for m in [1, 2] {
            check(&cpu, &op, &[("b", 2), ("m", m), ("n", n.max(m))], n as u64);
        }
    }
}

#[test]
fn attention_without_keys_or_queries() {
    let cpu = Cpu::open(Some(2)).unwrap();
    let op = attention("\"none\"", "f16", 64, 4, 4);
    check(&cpu, &op, &[("b", 1), ("m", 1), ("n", 0)], 0);
    check(&cpu, &op, &[("b", 0), ("m", 1), ("n", 5)], 0);
    check(&cpu, &op, &[("b", 2), ("m", 0), ("n", 5)], 0);
}

#[test]
fn attention_in_parts_that_merge() {
    let cpu = Cpu::open(Some(4)).unwrap();
    let op = attention("\"causal\"", "f16", 64, 4, 1);
    for n in [1024, 1025, 2048, 2049, 3100] {
        check(&cpu, &op, &[("b", 1), ("m", 2), ("n", n)], n as u64);
    }
}

#[test]
fn attention_under_every_positional_mask() {
    let cpu = Cpu::open(Some(2)).unwrap();
    for mask in ["{ window = 7 }", "{ keep_first = 3, recent = 5 }", "{ prefix = 9 }", "{ block = 4 }", "\"none\""] {
        let op = attention(mask, "f32", 32, 4, 2);
        for (m, n) in [(1, 1), (3, 20), (20, 20), (5, 37)] {
            check(&cpu, &op, &[("b", 1), ("m", m), ("n", n)], 3);
        }
    }
}

#[test]
fn attention_of_odd_head_sizes_and_other_types() {
    let cpu = Cpu::open(Some(2)).unwrap();
    for (dtype, dim, heads, kv) in
        [("f32", 33, 3, 1), ("f16", 80, 5, 1), ("bf16", 72, 6, 2), ("f16", 1, 2, 2), ("f16", 7, 8, 1), ("f32", 256, 9, 1)]
    {
        let op = attention("\"causal\"", dtype, dim, heads, kv);
        check(&cpu, &op, &[("b", 1), ("m", 1), ("n", 19)], 5);
    }
}

#[test]
fn products_of_every_weight_format() {
    let cpu = Cpu::open(Some(3)).unwrap();
    for (format, compute) in [
        ("q4_0", "int_dot"), ("q8_0", "int_dot"), ("q4_1", "int_dot"), ("q4_k", "int_dot"), ("q6_k", "int_dot"),
        ("q4_0", "dequant"), ("q8_0", "dequant"), ("q4_1", "dequant"), ("q4_k", "dequant"), ("q6_k", "dequant"),
        ("f32", "dequant"), ("f16", "dequant"), ("bf16", "dequant"),
    ] {
        for n in [1, 15, 16, 33] {
            let op = op(&format!(
                "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = {n}\nk = 512\na = \"f32\"\nw = \"{format}\"\nout = \"f32\"\ncompute = \"{compute}\"\n"
            ));
            for m in [0, 1, 2, 3, 5] {
                check(&cpu, &op, &[("m", m)], 11);
            }
        }
    }
}

#[test]
fn the_shipped_ops_at_full_size() {
    let cpu = Cpu::open(None).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let decode = kgen::compile::read(&root.join("flash_decode.toml")).unwrap();
    check(&cpu, &decode, &[("b", 1), ("m", 1), ("n", 1500)], 1);
    let gemv = kgen::compile::read(&root.join("w4a8_gemv.toml")).unwrap();
    check(&cpu, &gemv, &[("m", 1)], 1);
}
