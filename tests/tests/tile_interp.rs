//! Tile programs mean what the reference says, before and after the passes.

use kgen_ir::{extent::Dims, op::read, tile::interp};
use kgen_kernels_ref::Output;
use kgen_passes::{Choice, Schedule};
use std::collections::BTreeMap;

fn check(text: &str, sizes: &[(&str, i64)], exact: bool) {
    let op = read::read("test.toml", text).unwrap_or_else(|e| panic!("{e}"));
    let target = kgen::compile::targets()[0];
    let schedule = Schedule { split: 16, ..Schedule::default_for(target) };
    let choice = Choice { target, schedule };
    let mut dims = Dims { cores: 3, ..Dims::default() };
    dims.scalars = sizes.iter().map(|(n, x)| (n.to_string(), *x)).collect();
    let inputs = kgen::inputs::complete(&op, &dims, &BTreeMap::new(), 9).unwrap();
    let expected = kgen_kernels_ref::run(&op, &dims, &inputs).unwrap();
    let built = kgen_passes::build(&op, &choice).unwrap();
    let optimised = kgen_passes::optimise(&built, &choice).unwrap();
    let mut before: Option<BTreeMap<String, Vec<f64>>> = None;
    for program in [&built, &optimised] {
        let got = interp::interp(program, &dims, &inputs, interp::Mode::Exact)
            .unwrap_or_else(|e| panic!("{text} {sizes:?}: {e}\n{program}"));
        for (name, Output { values, bounds, .. }) in &expected {
            assert_eq!(values.len(), got[name].len(), "{text} {sizes:?}: {name}");
            for (i, (x, y)) in values.iter().zip(&got[name]).enumerate() {
                let limit = if exact { 1e-12 * (1.0 + x.abs()) } else { bounds[i] };
                assert!(
                    (x - y).abs() <= limit,
                    "{text} {sizes:?}: {name}[{i}] is {y}, expected {x}"
                );
            }
        }
        if let Some(before) = &before {
            for (name, list) in before {
                assert!(
                    list.iter()
                        .zip(&got[name])
                        .all(|(x, y)| (x - y).abs() <= 1e-12 * (1.0 + x.abs()))
                );
            }
        }
        before = Some(got);
    }
    let rounded = interp::interp(&optimised, &dims, &inputs, interp::Mode::Rounded).unwrap();
    for (name, Output { values, bounds, .. }) in &expected {
        // f32 outputs: the interpreter's numbers are what a kernel would store.
        for (i, (x, y)) in values.iter().zip(&rounded[name]).enumerate() {
            assert!(
                (x - y).abs() <= bounds[i],
                "{text} {sizes:?}: {name}[{i}] rounds to {y}, expected {x}"
            );
        }
    }
}

#[test]
fn attention_programs_mean_attention() {
    for mask in [
        "\"causal\"",
        "\"none\"",
        "{ window = 5 }",
        "{ keep_first = 2, recent = 4 }",
        "{ prefix = 3 }",
        "{ block = 4 }",
    ] {
        let text = format!(
            "op = \"attention\"\nname = \"a\"\nq = {{ dtype = \"f32\", heads = 4, dim = 8, batch = \"b\", len = \"m\" }}\n\
             kv = {{ dtype = \"f32\", heads = 2 }}\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = {mask}\n"
        );
        for (m, n) in [(1, 0), (1, 1), (2, 15), (1, 16), (1, 17), (3, 33)] {
            check(&text, &[("b", 2), ("m", m), ("n", n)], true);
        }
    }
}

#[test]
fn product_programs_mean_products() {
    for (format, compute, exact) in [
        ("q4_0", "dequant", true),
        ("q4_1", "dequant", false),
        ("q8_0", "dequant", true),
        ("f16", "dequant", true),
        ("q4_0", "int_dot", false),
        ("q4_1", "int_dot", false),
        ("q8_0", "int_dot", false),
    ] {
        let text = format!(
            "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 5\nk = 64\na = \"f32\"\nw = \"{format}\"\nout = \"f32\"\ncompute = \"{compute}\"\n"
        );
        for m in [0, 1, 2, 3] {
            check(&text, &[("m", m)], exact);
        }
    }
}

#[test]
fn mistakes_are_told() {
    let text = "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 4\nk = 32\na = \"f32\"\nw = \"f32\"\nout = \"f32\"\ncompute = \"dequant\"\n";
    let op = read::read("test.toml", text).unwrap();
    let target = kgen::compile::targets()[0];
    let program =
        kgen_passes::build(&op, &Choice { target, schedule: Schedule::default_for(target) })
            .unwrap();
    let mut dims = Dims { cores: 1, ..Dims::default() };
    let error = |dims: &Dims, inputs: &BTreeMap<_, _>| {
        interp::interp(&program, dims, inputs, interp::Mode::Exact).unwrap_err().to_string()
    };
    assert!(error(&dims, &BTreeMap::new()).contains("has no value"));
    dims.scalars.insert("m".into(), 1);
    assert!(error(&dims, &BTreeMap::new()).contains("is missing"));
    let inputs = kgen::inputs::complete(&op, &dims, &BTreeMap::new(), 0).unwrap();
    dims.scalars.insert("m".into(), 2);
    assert!(error(&dims, &inputs).contains("has the shape"));
}
