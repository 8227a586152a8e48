//! Attention in matrix instructions: the tile program for every shape means what the reference says, exactly and in
//! the simulator.

use kgen::{compile, inputs};
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{Op, read},
    target::Target,
    tensor::Tensor,
    tile::{
        Program,
        interp::{Mode, interp},
        verify::verify,
    },
};
use kgen_passes::{Choice, Schedule};
use kgen_runtime::{buffer::Guard, driver::sim::Sim, module::Module, tensors::Session};
use kgen_sim::ptx::Line;
use std::collections::BTreeMap;

fn target(name: &str) -> &'static Target {
    kgen_codegen::target(name).unwrap_or_else(|| panic!("no {name}"))
}

/// Head dim, query heads, kv heads, what else the op, kv and the segment say.
type Case = (i64, i64, i64, &'static str, &'static str, &'static str);

#[rustfmt::skip] // one case a line
const CASES: &[Case] = &[
    (64, 4, 1, "", "", "len = \"n\"\nmask = \"causal\""),
    (8, 3, 3, "", "", "len = \"n\"\nmask = \"causal\""),
    (40, 15, 3, "", "", "len = \"n\"\nmask = { window = 9 }"),
    (80, 32, 2, "", "", "len = \"n\"\nmask = { keep_first = 3, recent = 7 }"),
    (16, 2, 1, "", "", "len = \"n[b]\"\nlayout = { paged = 1 }\nmask = \"causal\""),
    (16, 2, 1, "", "", "len = \"n[b]\"\nlayout = { paged = 3 }\nmask = { window = 11 }"),
    (24, 6, 2, "", "", "len = \"n[b]\"\nlayout = { paged = 16 }"),
    (32, 2, 2, "", "", "len = \"n[b]\"\nlayout = { paged = 64 }\nmask = { window = 40 }"),
    (32, 2, 1, "", "", "len = \"n[b]\"\nlayout = { ring = { keep_first = 4, recent = 32 } }"),
    (32, 2, 1, "", "", "len = \"n[b]\"\nlayout = { ring = { keep_first = 0, recent = 7 } }"),
    (24, 4, 1, "", "v = \"k[..16]\"", "len = \"n\""),
    (16, 4, 2, "", "", "len = \"n[b]\""),
    (16, 17, 1, "", "", "len = \"n\"\nmask = \"causal\""),
    (16, 40, 1, "", "", "len = \"n\"\nmask = { window = 30 }"),
    (8, 6, 2, "alibi = true", "", "len = \"n\"\nmask = \"causal\""),
];

/// Head dims of which sums and copies are cut into blocks of columns and smaller tiles, the last block smaller at times.
#[rustfmt::skip] // one case a line
const WIDE: &[Case] = &[
    (96, 4, 2, "", "", "len = \"n\"\nmask = \"causal\""),
    (128, 8, 1, "", "", "len = \"n\"\nmask = { window = 20 }"),
    (160, 2, 1, "", "", "len = \"n[b]\"\nlayout = { paged = 16 }\nmask = \"causal\""),
    (192, 4, 4, "", "", "len = \"n\"\nmask = \"causal\""),
    (200, 2, 1, "alibi = true", "", "len = \"n\"\nmask = { window = 30 }"),
    (256, 4, 1, "", "", "len = \"n\"\nmask = \"causal\""),
    (256, 2, 2, "", "", "len = \"n[b]\"\nlayout = { paged = 3 }"),
];

fn op(case: &Case, elem: &str, extra: &str) -> Op {
    let (dim, heads, kv, more, v, segment) = case;
    let kv = if v.is_empty() {
        format!("dtype = \"{elem}\", heads = {kv}")
    } else {
        format!("k = \"{elem}\", {v}, heads = {kv}")
    };
    let text = format!(
        "op = \"attention\"\nname = \"a\"\nq = {{ dtype = \"{elem}\", heads = {heads}, dim = {dim}, batch = \"b\", len = \"m\" }}\n\
         kv = {{ {kv} }}\nout = \"f32\"\n{more}\n{extra}\n[[segment]]\n{segment}\n"
    );
    read::read("test.toml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn dims(case: &Case, m: i64, n: i64) -> Dims {
    let mut dims = Dims { cores: 3, ..Dims::default() };
    dims.scalars = [("b", 2), ("m", m), ("n", n)].map(|(s, x)| (s.to_string(), x)).into();
    let paged = case.5.split_once("paged = ");
    let page: Option<i64> = paged.and_then(|(_, n)| n.split(' ').next()?.parse().ok());
    let page = page.unwrap_or(1);
    let most = (n.max(n / 2 + m) + page - 1) / page;
    if paged.is_some() {
        dims.scalars.insert("kv.pages".into(), 2 * most + 1);
        dims.scalars.insert("kv.max_pages".into(), most);
    }
    if case.5.contains("n[b]") {
        dims.scalars.remove("n");
        dims.ragged = [("n".to_string(), vec![n, n / 2 + m])].into();
    }
    dims
}

/// Pages of both sequences in turn, backwards.
fn tables(case: &Case, dims: &Dims) -> BTreeMap<String, Tensor> {
    let most = dims.scalars.get("kv.max_pages").map_or(1, |n| *n as usize);
    let page = |i: usize| (2 * (most - 1 - i % most) + i / most) as f64;
    let list: Vec<f64> = (0..2 * most).map(page).collect();
    let lens: Vec<f64> = dims.ragged.values().flatten().map(|n| *n as f64).collect();
    let tensor = |shape: &[usize], list: &[f64]| Tensor::from_f64(Dtype::I32, shape, list);
    let mut out = BTreeMap::new();
    if case.5.contains("paged") {
        out.insert("kv.block_table".into(), tensor(&[2, most], &list));
        out.insert("kv.len".into(), tensor(&[2], &lens));
    }
    if case.5.contains("ring") {
        out.insert("kv.pos".into(), tensor(&[2], &lens));
    }
    out
}

fn program(op: &Op, target: &'static Target) -> Program {
    let schedule = Schedule { split: 64, ..Schedule::default_for(target) };
    let choice = Choice { target, schedule };
    let program = kgen_passes::build(op, &choice).unwrap_or_else(|e| panic!("{e}"));
    let program = kgen_passes::optimise(program, &choice).unwrap_or_else(|e| panic!("{e}"));
    let stage = program.kernels[0].stage;
    verify(&program, stage).unwrap_or_else(|e| panic!("{e:?}\n{program}"));
    program
}

/// One variant alone, exactly, beside the reference.
fn means_what_it_should(case: &Case, variant: &str, sizes: &[(i64, i64)]) {
    for &(m, n) in sizes {
        let op = op(case, "f16", "");
        let program = program(&op, target("sm80"));
        let mut only = program.clone();
        only.variants.retain(|v| v.name == variant);
        assert!(!only.variants.is_empty(), "{case:?}");
        only.variants[0].when.clear();
        let dims = dims(case, m, n);
        let inputs = inputs::complete(&op, &dims, &tables(case, &dims), 3);
        let inputs = inputs.unwrap_or_else(|e| panic!("{case:?} {dims:?}: {e}"));
        let expected = kgen_kernels_ref::run(&op, &dims, &inputs).expect("known");
        let got = interp(&only, &dims, &inputs, Mode::Exact);
        let got = got.unwrap_or_else(|e| panic!("{case:?} {m} {n}: {e}\n{only}"));
        for (name, expected) in &expected {
            for (i, (x, y)) in expected.values.iter().zip(&got[name]).enumerate() {
                let near = (x - y).abs() <= 1e-9 || x == y;
                assert!(near, "{case:?} {m} {n}: {name}[{i}] is {y}, expected {x}");
            }
        }
    }
}

#[test]
fn heads_of_a_group_are_rows() {
    for case in CASES {
        means_what_it_should(case, "matrix", &[(1, 1), (1, 70), (3, 100)]);
    }
}

#[test]
fn query_rows_are_rows() {
    for case in CASES {
        means_what_it_should(case, "panel", &[(16, 16), (17, 50), (3, 100), (40, 40)]);
    }
}

/// What matrix instructions leave: rows that are no multiples of 16 bytes apart.
#[test]
fn rows_at_odd_places_take_one_kernel() {
    for case in CASES {
        means_what_it_should(case, "all", &[(1, 70), (3, 40)]);
    }
}

/// A variant on a simulated chip: its outputs are within their bounds, nothing is found, and what its copies and
/// squares cost.
fn simulated(case: &Case, elem: &str, variant: &str, chip: &str, (m, n): (i64, i64)) -> Vec<Line> {
    let (op, target) = (op(case, elem, ""), target(chip));
    let schedule = Schedule { split: 64, ..Schedule::default_for(target) };
    let made = compile::compile(&op, target, &schedule).unwrap_or_else(|e| panic!("{e}"));
    let mut artifact = made.artifact;
    artifact.manifest.variants.retain(|v| v.name == variant);
    assert_eq!(artifact.manifest.variants.len(), 1, "{case:?}");
    artifact.manifest.variants[0].when.clear();
    let dims = dims(case, m, n);
    let inputs = inputs::complete(&op, &dims, &tables(case, &dims), 5);
    let inputs = inputs.unwrap_or_else(|e| panic!("{case:?} {dims:?}: {e}"));
    let module = Module::for_device(&artifact).unwrap_or_else(|e| panic!("{e}"));
    let session = Session::new(&module, &dims, &inputs, &[], Guard::Canaries);
    let mut session = session.unwrap_or_else(|e| panic!("{e}"));
    let mut sim = Sim::default();
    session.run_on(&mut sim).unwrap_or_else(|e| panic!("{case:?} {elem} {variant} {chip}: {e}"));
    let got = session.outputs().unwrap_or_else(|e| panic!("{e}"));
    for (name, expected) in &kgen_kernels_ref::run(&op, &dims, &inputs).expect("known") {
        let c = kgen_kernels_ref::compare(name, expected, &got[name]).expect("of one shape");
        assert!(c.passed(), "{case:?} {elem} {variant} {chip}: {name}: {c:?}");
    }
    sim.ran.into_iter().flat_map(|ran| ran.lines.into_values()).collect()
}

/// Each by both kernels on a chip of each kind.
#[test]
fn wide_heads_on_simulated_gpus() {
    for (number, case) in WIDE.iter().enumerate() {
        let newer = if number % 2 == 0 { ("sm80", "bf16") } else { ("sm90", "f16") };
        for (chip, elem) in [("sm70", "f16"), ("sm75", "f16"), newer] {
            for (variant, sizes) in [("matrix", (1, 40)), ("panel", (9, 36))] {
                let lines = simulated(case, elem, variant, chip, sizes);
                let operands = lines.iter().filter(|l| l.instruction.contains("matrix"));
                let waits: u64 = operands.map(|l| l.wavefronts - l.ideal_wavefronts).sum();
                assert_eq!(waits, 0, "{case:?} {elem} {variant} {chip}");
            }
        }
    }
}

#[test]
fn simulated_gpus_find_nothing_and_no_bank_waits() {
    for (number, case) in CASES.iter().enumerate() {
        let chips: &[(&str, &str)] = if number < 2 {
            &[("sm70", "f16"), ("sm75", "f16"), ("sm80", "f16"), ("sm80", "bf16"), ("sm90", "f16")]
        } else {
            &[("sm70", "f16"), ("sm80", if number % 2 == 0 { "bf16" } else { "f16" })]
        };
        for (chip, elem) in chips {
            for (variant, sizes) in &[("matrix", (2, 70)), ("panel", (17, 40))] {
                let lines = simulated(case, elem, variant, chip, *sizes);
                let of = |name: &'static str| {
                    lines.iter().filter(move |l| l.instruction.contains(name)).collect::<Vec<_>>()
                };
                // Quad pairs take queries and keys by eight neighbours, values by four.
                let names: &[&'static str] = match *chip {
                    "sm70" => &["ld.shared.v4", "ld.shared.v2", "st.shared.v4"],
                    "sm75" => &["ldmatrix", "st.shared.v4"],
                    _ => &["ldmatrix", "cp.async"],
                };
                for name in names {
                    let found = of(name);
                    // Where no tile is seen whole, values are read one by one.
                    let some = !found.is_empty() || (*variant, *name) == ("panel", "ld.shared.v2");
                    assert!(some, "{case:?}: no {name}");
                    for line in found {
                        let (cost, least) = (line.wavefronts, line.ideal_wavefronts);
                        assert_eq!(cost, least, "{case:?} {elem} {variant}: {}", line.instruction);
                    }
                }
            }
        }
    }
}
