//! Every level of two very small ops, as text: what changes there shows in the diff.
//!
//! `cargo xtask bless` accepts what comes out; a snapshot that no test asks for fails.

use kgen::Schedule;
use kgen_ir::op::{print, read};
use kgen_passes::Choice;
use std::{collections::BTreeSet, path::Path};

const OPS: &[(&str, &str)] = &[
    (
        "attention",
        "op = \"attention\"\nname = \"small\"\nq = { dtype = \"f16\", heads = 2, dim = 8, batch = \"b\" }\n\
         kv = { dtype = \"f16\", heads = 1 }\nout = \"f16\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n",
    ),
    (
        "product",
        "op = \"mpgemm\"\nname = \"small\"\nm = \"m\"\nn = 4\nk = 32\na = \"f32\"\nw = \"q4_0\"\nout = \"f32\"\n\
         compute = \"int_dot\"\n",
    ),
    (
        "halves",
        "op = \"mpgemm\"\nname = \"small\"\nm = 16\nn = 8\nk = 32\na = \"f16\"\nw = \"f16\"\nout = \"f16\"\n",
    ),
];

const LEVELS: &[&str] = &["op", "built", "tile", "machine", "clif", "ptx"];

/// One vector of keys or rows: the least text.
fn gpu_schedule(target: &kgen_ir::target::Target) -> Schedule {
    let base = Schedule::default_for(target);
    Schedule { keys: 32, split: 0, rows: 32, tokens: 1, queries: 0, ..base }
}

#[test]
fn levels_are_as_they_were() {
    let target = kgen::compile::target("x86-64-v3/cranelift").unwrap();
    let schedule = Schedule {
        keys: 4,
        split: 0,
        rows: 4,
        tokens: 1,
        queries: 0,
        ..Schedule::default_for(target)
    };
    let choice = Choice { target, schedule: schedule.clone() };
    let mut used = BTreeSet::new();
    for (name, text) in OPS {
        let op = read::read(name, text).unwrap_or_else(|e| panic!("{e}"));
        let built = kgen_passes::build(&op, &choice).unwrap();
        let compiled = kgen::compile::compile(&op, target, &schedule).unwrap();
        let machine: Vec<_> = compiled.kernels.iter().map(ToString::to_string).collect();
        let files = compiled.artifact.files.iter();
        let clif: Vec<_> =
            files.filter(|(f, _)| f.ends_with(".clif")).map(|(_, t)| t.clone()).collect();
        let gpu = kgen::compile::target("sm80").unwrap();
        let compiled_gpu = kgen::compile::compile(&op, gpu, &gpu_schedule(gpu));
        let files = compiled_gpu.map(|c| c.artifact.files).unwrap_or_else(|e| panic!("{e}"));
        let ptx: Vec<_> =
            files.iter().filter(|(f, _)| f.ends_with(".ptx")).map(|(_, t)| t.clone()).collect();
        let texts = [
            print::print(&op),
            built.to_string(),
            compiled.program.to_string(),
            machine.join("\n"),
            clif.join("\n"),
            ptx.join("\n"),
        ];
        for (level, text) in LEVELS.iter().zip(texts) {
            let snapshot = format!("{name}_{level}");
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(snapshot.as_str(), text);
            });
            used.insert(format!("{snapshot}.snap"));
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let names = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name());
    let found: BTreeSet<_> = names.map(|n| n.into_string().unwrap()).collect();
    assert_eq!(found, used, "snapshots that nothing asks for");
}
