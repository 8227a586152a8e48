//! The lowering for vectors of 8 and 16 lanes: the machine kernels of the shipped ops, interpreted, against the
//! reference. No emitter is asked.

use kgen::{
    Schedule,
    compile::{self, Compiled},
    verify::{Options, examples},
};
use kgen_ir::{
    artifact::{Artifact, Manifest},
    machine::{Op, Row},
    target::Target,
};
use kgen_passes::Choice;
use kgen_tests::machine_run;
use std::{collections::BTreeMap, path::Path};

/// Elements of inputs that the interpreter gets through in a moment.
const CHEAP: usize = 8_000;

/// A CPU of wider vectors, with loads of halves where `halves`.
fn wide(lanes: usize, halves: bool) -> &'static Target {
    let host = compile::host().unwrap_or_else(|e| panic!("{e}"));
    let mut rows: Vec<Row> = host.rows.to_vec();
    if halves {
        for op in [Op::LoadF16, Op::SplatF16] {
            rows.push(Row { op, text: "", layouts: None, latency: 8 });
        }
    }
    Box::leak(Box::new(Target { lanes, vectors: 2 * lanes, rows: rows.leak(), ..host.clone() }))
}

fn lowered(op: &kgen_ir::op::Op, choice: &Choice) -> Compiled {
    let built = kgen_passes::build(op, choice).unwrap_or_else(|e| panic!("{e}"));
    let program = kgen_passes::optimise(built, choice).unwrap_or_else(|e| panic!("{e}"));
    let (kernels, notes) =
        kgen_passes::lower_explained(&program, choice).unwrap_or_else(|e| panic!("{e}"));
    for k in &kernels {
        kgen_ir::machine::verify::verify(k).unwrap_or_else(|e| panic!("{e}\n{k}"));
    }
    let entries = program.kernels.iter().zip(&kernels);
    let entries = entries.map(|(t, k)| compile::entry(t, k, String::new(), None)).collect();
    let manifest = Manifest { kernels: entries, ..Manifest::default() };
    let artifact = Artifact::new(manifest, BTreeMap::new());
    Compiled { program, kernels, notes, code: vec![], artifact }
}

fn agree(file: &str, target: &'static Target, cases: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops").join(file);
    let op = compile::read(&path).unwrap_or_else(|e| panic!("{e}"));
    agree_on(&op, target, cases);
}

fn agree_on(op: &kgen_ir::op::Op, target: &'static Target, cases: usize) {
    let default = Schedule::default_for(target);
    // Splits of one tile, so that small sizes meet the merge.
    let schedule = Schedule { split: default.keys, ..default };
    let choice = Choice { target, schedule };
    let mut ran = 0;
    for case in examples(op, &Options { cases, seed: 5 }) {
        if case.inputs.values().map(|t| t.count()).sum::<usize>() > CHEAP {
            continue;
        }
        let place = format!("{} {:?}, {}, {} lanes", op.name, case.dims, case.family, target.lanes);
        let mut dims = case.dims.clone();
        dims.cores = 2;
        let got = machine_run::run(&lowered(&case.op, &choice), &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        let expected = kgen_kernels_ref::run(&case.op, &dims, &case.inputs)
            .unwrap_or_else(|e| panic!("{place}: {e}"));
        for (name, expected) in &expected {
            let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name])
                .unwrap_or_else(|e| panic!("{e}"));
            assert!(c.passed(), "{place}: `{name}`: {c:?}");
        }
        ran += 1;
    }
    assert!(ran > 0, "every case of {} was too large", op.name);
}

/// Keys in codes of four bits, values in blocks, of one head: tiles are whole at sizes that can be interpreted.
const CODES: &str = r#"
op = "attention"
name = "codes"
q = { dtype = "f16", heads = 2, dim = 32, batch = 1, len = 1 }
kv = { heads = 1, k = { format = "int4", group = 16, scale = "f16" }, v = "q8_0" }
out = "f32"
[[segment]]
len = "n"
mask = "causal"
"#;

#[test]
fn codes_in_wide_vectors() {
    let op = kgen_ir::op::read::read("codes.toml", CODES).unwrap_or_else(|e| panic!("{e:?}"));
    for (name, looked_up) in [("x86-64-v3/native", false), ("x86-64-v4/native", true)] {
        let target = compile::target(name).unwrap_or_else(|e| panic!("{e}"));
        let choice = Choice { target, schedule: Schedule::default_for(target) };
        let all: String = lowered(&op, &choice).kernels.iter().map(|k| k.to_string()).collect();
        assert_eq!(all.contains(" = lookup "), looked_up, "{name}");
        // Scales are collected, and converted as vectors.
        assert!(all.contains("write.u16"), "{name}");
        agree_on(&op, target, 5);
    }
}

/// Weights of one bit, in as many rows and columns as can be interpreted.
const SIGNS: &str = r#"
op = "mpgemm"
name = "signs"
m = "m"
n = 72
k = 256
a = "f32"
w = { format = "bipolar1", group = 64, scale = "f16" }
out = "f32"
"#;

/// By one instruction where there is one, else by shuffles of bytes; `auto` takes the former alone.
#[test]
fn signs_are_looked_up() {
    let read = |more: &str| {
        let text = format!("{SIGNS}{more}");
        kgen_ir::op::read::read("signs.toml", &text).unwrap_or_else(|e| panic!("{}", e.render()))
    };
    let (asked, auto) = (read("compute = { lut = 4 }\n"), read(""));
    for (name, by) in [
        ("x86-64-v4-bf16/native", "permb"),
        ("x86-64-v4-vbmi/native", "permb"),
        ("x86-64-v4-vnni/native", "shufb"),
        ("x86-64-v3/native", "shufb"),
        ("aarch64/cranelift", "shufb"),
    ] {
        let target = compile::target(name).unwrap_or_else(|e| panic!("{e}"));
        let choice = Choice { target, schedule: Schedule::default_for(target) };
        let text = |op| lowered(op, &choice).kernels.iter().map(|k| k.to_string()).collect();
        let (of_asked, of_auto): (String, String) = (text(&asked), text(&auto));
        let op = |text: &str, op: &str| text.contains(&format!(" = {op} "));
        assert!(op(&of_asked, by), "{name}: {of_asked}");
        assert_eq!(op(&of_asked, "permb"), by == "permb", "{name}");
        assert_eq!(op(&of_auto, by), by == "permb", "{name}: {of_auto}");
        agree_on(&asked, target, 14);
    }
}

/// Rows enough for panels, of keys and values that are rounded or are not, with all that changes scores.
#[test]
fn rows_of_bf16_are_multiplied_in_pairs() {
    let target = compile::target("x86-64-v4-bf16/native").unwrap_or_else(|e| panic!("{e}"));
    let choice = Choice { target, schedule: Schedule::default_for(target) };
    let read = |dim: usize, kv: &str, more: &str| {
        let text = format!(
            "op = \"attention\"\nname = \"pairs\"\n\
             q = {{ dtype = \"{kv}\", heads = 4, dim = {dim}, batch = 1, len = \"m\" }}\n\
             kv = {{ heads = 1, dtype = \"{kv}\" }}\nout = \"f32\"\ncompute = \"bf16\"\n{more}\n\
             [[segment]]\nlen = \"n\"\nmask = \"causal\"\n"
        );
        kgen_ir::op::read::read("pairs.toml", &text).unwrap_or_else(|e| panic!("{}", e.render()))
    };
    let cases = [
        (16, "bf16", ""),
        (16, "f32", "softcap = 20.0"),
        (6, "f16", "alibi = true\nscale = 0.3"),
        (16, "bf16", "scale = -0.2"),
    ];
    for (dim, kv, more) in cases {
        let op = read(dim, kv, more);
        let rows = lowered(&op, &choice).kernels.into_iter().find(|k| k.name == "attend_rows");
        let text = rows.map(|k| k.to_string()).unwrap_or_default();
        assert!(text.contains(" = dot.bf16 ") && text.contains(" = pack.bf16 "), "{more}: {text}");
        agree_on(&op, target, 24);
    }
    // No pairs of an odd number.
    let odd = lowered(&read(7, "bf16", ""), &choice);
    assert!(odd.kernels.iter().all(|k| !k.to_string().contains("dot.bf16")));
}

/// What a CPU with other instructions packs otherwise is packed so that all kernels can read it.
#[test]
fn products_of_all_formats_compile_for_all_cpus() {
    let blocks = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k"];
    let others = ["tq1_0", "tq2_0", "f32", "f16", "bf16"];
    let plain = blocks.iter().chain(&others).map(|name| format!("\"{name}\""));
    let codes = ["int8", "int4", "int3", "int2", "bipolar1", "ternary"];
    let codes = codes.map(|f| format!("{{ format = \"{f}\", group = 64, scale = \"f16\" }}"));
    let cpus = ["native", "cranelift", "llvm"];
    let targets = compile::targets().into_iter().filter(|t| cpus.contains(&t.backend));
    let targets: Vec<&'static Target> = targets.collect();
    for w in plain.chain(codes) {
        let text = format!(
            "op = \"mpgemm\"\nname = \"all\"\nm = \"m\"\nn = 64\nk = 512\na = \"f32\"\nw = {w}\nout = \"f32\"\n"
        );
        let op = kgen_ir::op::read::read("all.toml", &text);
        let op = op.unwrap_or_else(|e| panic!("{w}: {}", e.render()));
        for target in &targets {
            let choice = Choice { target, schedule: Schedule::default_for(target) };
            lowered(&op, &choice);
        }
    }
}

#[test]
fn attention_in_wide_vectors() {
    for (lanes, halves) in [(8, false), (8, true), (16, true)] {
        agree("flash_decode.toml", wide(lanes, halves), 8);
    }
}

#[test]
fn products_in_wide_vectors() {
    for lanes in [8, 16] {
        agree("w4a8_gemv.toml", wide(lanes, true), 6);
        agree("w8a8_gemv.toml", wide(lanes, true), 6);
    }
}
