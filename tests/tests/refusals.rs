//! What no target computes: every reason, by an op that is refused for it, with what to do instead.

use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    format::rows::find,
    op::{Dim, Kind, Op, read},
    target::Target,
};
use kgen_passes::{Choice, Schedule};

fn op(text: &str) -> Op {
    read::read("refused.toml", text).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(op: &Op) -> Unsupported {
    let target = kgen::compile::target("x86-64-v4/native").unwrap();
    kgen::compile::legal(op, target).expect_err("this op is refused")
}

fn attention(rest: &str) -> Op {
    op(&format!("op = \"attention\"\nname = \"a\"\n{rest}\n[[segment]]\nlen = \"n\"\n"))
}

fn product(w: &str, rest: &str) -> Op {
    op(&format!("op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nk = 256\n{w}\n{rest}\n"))
}

fn rows(inputs: &str, out: &str) -> Op {
    op(&format!(
        "op = \"rows\"\nname = \"r\"\nrows = \"m\"\nwidth = 32\nin = {{ {inputs} }}\nout = {{ {out} }}\n"
    ))
}

#[test]
fn every_reason_is_told_with_a_way_out() {
    const Q: &str = "q = { dtype = \"f32\", heads = 1, dim = 32 }";
    const SHAPE: &str = "n = 32\na = \"f32\"\nout = \"f32\"";
    let with = |w: &str| product(&format!("w = {w}"), SHAPE);
    let looked_up = |format: &str, shape: &str, table: u8| {
        let w = format!("w = {{ format = \"{format}\", per = \"row\", scale = \"f16\" }}");
        product(&w, &format!("{shape}\ncompute = {{ lut = {table} }}"))
    };
    let mut ragged =
        attention(&format!("{Q}\nkv = {{ dtype = \"f32\", heads = 1 }}\nout = \"f32\""));
    if let Kind::Attention(a) = &mut ragged.kind {
        a.q.batch = Dim::Ragged { symbol: "b".into(), over: "c".into() };
    }
    let mut floats = rows(
        "id = { dtype = \"i32\", kind = \"column\" }, t = { dtype = \"q8_0\", kind = \"table\", rows = 9 }",
        "y = { dtype = \"f32\", value = \"t[id]\" }",
    );
    if let Kind::Rows(r) = &mut floats.kind {
        r.inputs[1].blocks = find("f32");
    }
    let list = [
        (ragged, "a ragged batch", "one batch"),
        (
            attention(
                "q = { dtype = \"e4m3\", heads = 1, dim = 32 }\nkv = { dtype = \"f32\", heads = 1 }\nout = \"f32\"",
            ),
            "q or out of this type",
            "f16, bf16 or f32",
        ),
        (
            attention(&format!(
                "{Q}\nkv = {{ k = \"q5_0\", v = \"f32\", heads = 1 }}\nout = \"f32\""
            )),
            "k of this storage",
            "q8_0",
        ),
        (
            attention(&format!(
                "{Q}\nkv = {{ k = \"f32\", v = {{ format = \"int3\", per = \"row\", scale = \"f16\" }}, heads = 1 }}\nout = \"f32\""
            )),
            "v of this storage",
            "integers of 8 or 4 bits",
        ),
        (
            op(&format!(
                "op = \"attention\"\nname = \"a\"\n{Q}\nkv = {{ dtype = \"f32\", heads = 1 }}\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nselect = {{ top_k = 8 }}\n"
            )),
            "selections of keys (select, emit)",
            "all keys",
        ),
        (
            product("w = \"q8_0\"", "n = 32\na = \"q8_0\"\nout = \"f32\""),
            "activations of this type",
            "int8 codes",
        ),
        (
            product("w = \"q8_0\"", "n = 32\na = \"f32\"\nout = \"e4m3\""),
            "out of e4m3",
            "f32, f16, bf16 or i8",
        ),
        (product("w = \"q8_0\"", "n = 32\na = \"f32\"\nout = \"q4_0\""), "out of q4_0", "q8_0"),
        (
            product(
                "w = \"q8_0\"",
                "n = 32\na = { format = \"int8\", group = 8, scale = \"f16\" }\nout = \"f32\"",
            ),
            "groups of 8 activations in 16 lanes",
            "groups of 32",
        ),
        (
            product(
                "w = [{ name = \"x\", n = 32, format = \"q8_0\" }, { name = \"y\", n = 32, format = \"int4\", group = 128, scale = \"f16\" }]",
                "a = \"f32\"\nout = \"f32\"\ncompute = \"group_int\"",
            ),
            "`group_int` where scales of weights and activations change at different places",
            "int_dot",
        ),
        (
            product("w = \"q8_0\"", &format!("{SHAPE}\ncompute = \"bitplane\"")),
            "this way to compute",
            "int_dot",
        ),
        (
            product("w = \"q8_0\"", &format!("{SHAPE}\ncompute = {{ lut = 4 }}")),
            "lookups of q8_0 weights: from 2 bits on they cost as much as products of bytes",
            "int_dot",
        ),
        (
            looked_up("int2", SHAPE, 4),
            "lookups of weights of 2 bits: from 2 bits on they cost as much as products of bytes",
            "int_dot",
        ),
        (
            looked_up("uint1", SHAPE, 4),
            "lookups of codes other than -1 and 1, which round more than their share",
            "int_dot",
        ),
        (looked_up("bipolar1", SHAPE, 2), "tables of 2 activations", "lut = 4"),
        (
            looked_up(
                "bipolar1",
                "n = 32\na = { format = \"int8\", per = \"token\", scale = \"f32\" }\nout = \"f32\"",
                4,
            ),
            "tables of activations in codes, whose sums are more than a byte",
            "int_dot",
        ),
        (
            product(
                "w = { format = \"bipolar1\", group = 16, scale = \"f16\" }",
                &format!("{SHAPE}\ncompute = {{ lut = 4 }}"),
            ),
            "lookups of groups of 16, not of whole words of 32",
            "int_dot",
        ),
        (
            product("w = \"f16\"", &format!("{SHAPE}\ncompute = \"int_dot\"")),
            "integer products of f16 weights",
            "dequant",
        ),
        (with("\"i8\""), "weights of i8 without scales", "per = \"row\""),
        (
            with("{ format = \"codebook1\", per = \"row\", scale = \"f16\", values = [1, 2] }"),
            "weights of a codebook",
            "ternary codes",
        ),
        (
            product(
                "w = [{ name = \"x\", n = 32, format = \"gptq\", group = 32, act_order = true }, { name = \"y\", n = 32, format = \"q8_0\" }]",
                "a = \"f32\"\nout = \"f32\"",
            ),
            "several weights, one of them in act-order",
            "an op for each",
        ),
        (
            with("{ format = \"int4\", group = 8, scale = \"f16\" }"),
            "groups of 8 codes in 16 lanes",
            "a multiple of 16",
        ),
        (
            rows(
                "x = \"f32\"",
                "y = { dtype = \"i64\", kind = \"column\", value = \"argmax(x)\" }",
            ),
            "rows of i64",
            "i32",
        ),
        (
            rows("x = \"i64\"", "y = { dtype = \"f32\", value = \"x\" }"),
            "i64 elements in an expression",
            "i32",
        ),
        (
            rows(
                "id = { dtype = \"i32\", kind = \"column\" }, t = { dtype = \"q8_0\", kind = \"table\", rows = 9 }",
                "y = { dtype = \"f32\", value = \"t[0, (col + id) % 32]\" }",
            ),
            "an element of blocks at an index that a call tells",
            "the whole row, `t[0]`",
        ),
        (floats, "tables of f32", "q8_0"),
    ];
    for (op, what, instead) in list {
        let why = refused(&op);
        assert!(why.what.contains(what), "{what}: {why}");
        assert!(why.instead.contains(instead), "{instead}: {why}");
    }
}

#[test]
fn ancestor_bits_fill_no_wider_vectors() {
    static WIDE: Target = Target {
        name: "wide",
        backend: "none",
        lanes: 32,
        vectors: 32,
        reorders: false,
        rows: &[],
        features: &[],
        about: "",
    };
    let mut op = attention(
        "q = { dtype = \"f32\", heads = 1, dim = 32 }\nkv = { dtype = \"f32\", heads = 1 }\nout = \"f32\"",
    );
    if let Kind::Attention(a) = &mut op.kind {
        a.segments[0].mask = kgen_ir::op::Mask::Tree;
        assert_eq!(a.q.dtype, Dtype::F32);
    }
    let choice = Choice { target: &WIDE, schedule: Schedule::default_for(&WIDE) };
    let why = kgen_passes::build(&op, &choice).expect_err("a vector holds two halves of a word");
    assert_eq!(why.what, "the mask `tree` in vectors of this width");
}
