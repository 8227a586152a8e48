//! Products by matrix instructions: weights of every kind on every chip that has an instruction for them, run in the
//! simulator beside the reference, and that the text has the instruction.

use kgen::{Schedule, compile, device::Simulated, verify};
use kgen_ir::op::{Op, read};

/// Name, size and operands of an op, and what its text has on sm_75 and on sm_80.
#[rustfmt::skip] // a table
const OPS: &[(&str, &str, [&str; 2])] = &[
    ("halves", "n = 48\nk = 96\na = \"f16\"\nw = \"f16\"\nout = \"f32\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("odd", "n = 9\nk = 50\na = \"f16\"\nw = \"f16\"\nout = \"f16\"\nbias = true", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("brain", "n = 40\nk = 70\na = \"bf16\"\nw = \"bf16\"\nout = \"bf16\"\nresidual = true", ["", "m16n8k16.row.col.f32.bf16"]),
    ("rounded", "n = 17\nk = 64\na = \"f32\"\nw = \"f16\"\nout = \"f32\"\ncompute = \"bf16\"", ["", "m16n8k16.row.col.f32.bf16"]),
    ("w4", "n = 40\nk = 256\na = \"f16\"\nw = { format = \"uint4\", group = 128, scale = \"f16\", zero = \"uint4\" }\nout = \"f16\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("w2", "n = 17\nk = 256\na = \"f16\"\nw = { format = \"int2\", group = 64, scale = \"f16\" }\nout = \"f32\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("q4", "n = 24\nk = 64\na = \"f16\"\nw = \"q4_0\"\nout = \"f32\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("q4k", "n = 17\nk = 256\na = \"f16\"\nw = \"q4_k\"\nout = \"f32\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("w8a8", "n = 33\nk = 200\na = { format = \"int8\", per = \"token\", scale = \"f32\" }\nw = { format = \"int8\", per = \"row\", scale = \"f32\" }\nout = \"f32\"", ["m8n8k16.row.col.s32.s8.u8", "m16n8k32.row.col.s32.s8.u8"]),
    ("q8", "n = 24\nk = 128\na = \"f32\"\nw = \"q8_0\"\nout = \"f32\"", ["m8n8k16.row.col.s32.s8.u8", "m16n8k32.row.col.s32.s8.u8"]),
    ("q4ki", "n = 17\nk = 512\na = \"f32\"\nw = \"q4_k\"\nout = \"f32\"", ["m8n8k16.row.col.s32.s8.u8", "m16n8k32.row.col.s32.s8.u8"]),
];

fn op(name: &str, text: &str) -> Op {
    let text = format!("op = \"mpgemm\"\nname = \"{name}\"\nm = \"m\"\n{text}\n");
    read::read(name, &text).unwrap_or_else(|e| panic!("{e}"))
}

/// All PTX of an op.
fn text(op: &Op, chip: &str) -> String {
    let target = compile::target(chip).expect("a chip");
    let compiled = compile::compile(op, target, &Schedule::default_for(target));
    let files = compiled.unwrap_or_else(|e| panic!("{e}")).artifact.files;
    files.into_values().collect()
}

#[test]
fn every_kind_of_weight_on_every_generation() {
    for (name, sizes, instructions) in OPS {
        let op = op(name, sizes);
        for (chip, instruction) in ["sm75", "sm80"].into_iter().zip(instructions) {
            let has = text(&op, chip).contains(&format!("mma.sync.aligned.{instruction}"));
            assert_eq!(has, !instruction.is_empty(), "{name} on {chip}");
            let device = Simulated::open(&format!("sim:{chip}")).expect("a chip");
            let s = verify::verify(&op, &device, &verify::Options { cases: 2, seed: 3 });
            assert!(s.failed.is_empty(), "{name} on {chip}: {}", s.failed[0]);
            assert!(s.unsupported.is_none(), "{name} on {chip}");
        }
    }
}

#[test]
fn emulated_instructions_are_no_rows() {
    for (name, sizes, _) in OPS {
        for chip in ["sm80", "sm86", "sm89", "sm90", "sm100", "sm120"] {
            // Quad pairs, and matrices of 8 rows of bytes, are software from there on (measured with nvdisasm).
            let text = text(&op(name, sizes), chip);
            assert!(!text.contains(".m8n8k"), "{name} on {chip}");
        }
    }
}
