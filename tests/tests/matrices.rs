//! Products by matrix instructions: weights of every kind on every chip that has an instruction for them, run in the
//! simulator beside the reference, and that the text has the instruction.

use kgen::{
    Schedule,
    compile::{self, Compiled},
    device::Simulated,
    verify,
};
use kgen_ir::{
    artifact::{Artifact, Manifest},
    dtype::Dtype,
    extent::Dims,
    op::{Op, read},
    tensor::Tensor,
    tile::{self, interp::Mode},
};
use kgen_passes::Choice;
use kgen_tests::machine_run;
use std::{collections::BTreeMap, path::Path};

/// Name, size and operands of an op, and what its text has on sm_75 and on sm_80.
#[rustfmt::skip] // a table
const OPS: &[(&str, &str, [&str; 2])] = &[
    ("halves", "n = 48\nk = 96\na = \"f16\"\nw = \"f16\"\nout = \"f32\"", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("odd", "n = 9\nk = 50\na = \"f16\"\nw = \"f16\"\nout = \"f16\"\nbias = true", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("parts", "n = 24\nk = 1024\na = \"f16\"\nw = \"f16\"\nout = \"f16\"\nbias = true", ["m16n8k8.row.col.f32.f16", "m16n8k16.row.col.f32.f16"]),
    ("gated", "n = 20\nk = 544\na = \"f32\"\nw = [\"gate\", \"up\"]\nformat = \"q8_0\"\nout = \"f32\"\nepilogue = \"gate * sigmoid(gate) * up\"", ["m8n8k16.row.col.s32.s8.u8", "m16n8k32.row.col.s32.s8.u8"]),
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

/// The meanings of the instructions, in memory that checks every access, without PTX.
#[test]
fn machine_kernels_mean_the_same() {
    for (name, sizes, _) in OPS {
        let op = op(name, sizes);
        for chip in ["sm70", "sm75", "sm80"] {
            let target = compile::target(chip).expect("a chip");
            let schedule = Schedule::default_for(target);
            for case in verify::examples(&op, &verify::Options { cases: 2, seed: 7 }) {
                let place = format!("{name} on {chip} {:?}, {}", case.dims, case.family);
                let mut dims = case.dims.clone();
                dims.cores = 2;
                let compiled = compile::compile(&case.op, target, &schedule);
                let compiled = compiled.unwrap_or_else(|e| panic!("{place}: {e}"));
                let got = machine_run::run(&compiled, &dims, &case.inputs);
                let got = got.unwrap_or_else(|e| panic!("{place}: {e}"));
                let expected = kgen_kernels_ref::run(&case.op, &dims, &case.inputs);
                for (name, expected) in &expected.unwrap_or_else(|e| panic!("{place}: {e}")) {
                    let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name]);
                    let c = c.unwrap_or_else(|e| panic!("{place}: {e}"));
                    assert!(c.passed(), "{place}: `{name}`: {c:?}");
                }
            }
        }
    }
}

/// Attention whose scores, maximum and sums stay in registers from one product to the next.
#[test]
fn sums_are_operands_of_the_next_product() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tile/layout_fragments.tile");
    let text = std::fs::read_to_string(file).expect("it is there");
    let text = text.split("----").next().unwrap_or_default();
    let text: String = text.lines().filter(|l| !l.starts_with(';')).collect::<Vec<_>>().join("\n");
    let program = tile::parse::parse(&text).unwrap_or_else(|e| panic!("{e:?}"));
    for (chip, n) in [("sm80", 0), ("sm80", 1), ("sm80", 32), ("sm75", 37)] {
        let target = compile::target(chip).expect("a chip");
        let choice = Choice { target, schedule: Schedule::default_for(target) };
        let dims = Dims { scalars: [("n".into(), n)].into(), cores: 1, ..Dims::default() };
        let halves = |rows: usize, columns: usize, seed: usize| {
            let of = |i: usize| half::f16::from_f32(((i * seed) % 17) as f32 / 8.0 - 1.0);
            let bytes = (0..rows * columns).flat_map(|i| of(i).to_le_bytes()).collect();
            Tensor { dtype: Dtype::F16, shape: vec![rows, columns], bytes }
        };
        let inputs = BTreeMap::from([
            ("q".to_string(), halves(16, 16, 5)),
            ("k".to_string(), halves(n as usize, 16, 7)),
            ("v".to_string(), halves(n as usize, 24, 11)),
        ]);
        let wanted = tile::interp::interp(&program, &dims, &inputs, Mode::Rounded);
        let wanted = &wanted.unwrap_or_else(|e| panic!("{e}"))["o"];
        let program =
            kgen_passes::optimise(program.clone(), &choice).unwrap_or_else(|e| panic!("{e}"));
        let lowered = kgen_passes::lower_explained(&program, &choice);
        let (kernels, notes) = lowered.unwrap_or_else(|e| panic!("{e}"));
        let products = kernels[0].to_string();
        assert!(products.contains("mma.m16n8k"), "{products}");
        assert!(!products.contains("= scratch"), "no memory between products\n{products}");
        let entries = program.kernels.iter().zip(&kernels);
        let entries = entries.map(|(t, k)| compile::entry(t, k, String::new(), None)).collect();
        let manifest = Manifest { kernels: entries, ..Manifest::default() };
        let artifact = Artifact::new(manifest, BTreeMap::new());
        let compiled = Compiled { program, kernels, notes, code: vec![], artifact };
        let got = machine_run::run(&compiled, &dims, &inputs).unwrap_or_else(|e| panic!("{e}"));
        for (i, &y) in wanted.iter().enumerate() {
            let x = got.outputs["o"].get(i);
            let near = (x - y).abs() <= 1e-3 * (1.0 + y.abs()) || x.is_nan() && y.is_nan();
            assert!(near, "{chip}, {n} keys, element {i}: {x}, not {y}");
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
