//! Tile programs of the shipped ops print, parse and verify; broken ones are told, as are inputs that do not fit.

use kgen_ir::{
    extent::Dims,
    op::read,
    tile::{Program, Stage, interp, parse::parse, verify::verify},
};
use kgen_passes::{Choice, Schedule};
use std::collections::BTreeMap;

fn programs() -> Vec<(Program, Stage)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut out = Vec::new();
    for file in ["flash_decode.toml", "w4a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).unwrap();
        let target = kgen::compile::targets()[0];
        let choice = Choice { target, schedule: Schedule::default_for(target) };
        let built = kgen_passes::build(&op, &choice).unwrap();
        out.push((kgen_passes::optimise(built.clone(), &choice).unwrap(), Stage::LaidOut));
        out.push((built, Stage::Built));
    }
    out
}

#[test]
fn what_is_printed_parses_and_verifies() {
    for (program, stage) in programs() {
        let text = program.to_string();
        let back = parse(&text).unwrap_or_else(|e| {
            panic!("{}: {text}", kgen_ir::diag::Report::new("t", &text, vec![e]))
        });
        assert_eq!(back.to_string(), text);
        assert_eq!(parse(&back.to_string()).unwrap(), back);
        verify(&program, stage).unwrap_or_else(|e| panic!("{e:?}"));
        verify(&back, stage).unwrap_or_else(|e| panic!("{e:?}"));
    }
}

#[test]
fn damaged_text_is_an_error_never_a_panic() {
    let text = programs()[3].0.to_string();
    let mut state = 1u64;
    for round in 0..3000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let mut bytes = text.clone().into_bytes();
        let at = (state >> 33) as usize % bytes.len();
        if round % 3 == 0 {
            bytes.truncate(at);
        } else {
            bytes[at] = b" ;{}[]()0a.,:=^@"[(state >> 20) as usize % 16];
        }
        if let Ok(damaged) = String::from_utf8(bytes)
            && let Ok(program) = parse(&damaged)
        {
            let _ = verify(&program, Stage::Built);
        }
    }
}

#[test]
fn rules_are_kept() {
    let wrap = |body: &str| {
        format!(
            "program p(x: f32[n, 8]) -> (o: f32[n, 8]) symbols n {{\n  kernel k(x: f32[n, 8], out o: f32[n, 8]) {{\n{body}\n  }}\n  variant all {{\n    launch k(x, o)\n  }}\n}}\n"
        )
    };
    for (body, says) in [
        ("a = load(x[0, 0:8]) : f32[4]", "a tile of `x`"),
        ("a = load(y[0, 0:8]) : f32[8]", "no tensor `y`"),
        ("a = load(x[q, 0:8]) : f32[8]", "no scalar `q`"),
        ("a = fill(1) : f32[8]\nstore(x[0, 0:8], a)", "not to be written"),
        ("a = fill(1) : f32[8]\na = fill(2) : f32[8]", "one name"),
    ] {
        let program = parse(&wrap(body)).unwrap_or_else(|e| panic!("{body}: {e:?}"));
        let errors = verify(&program, Stage::Built).unwrap_err();
        assert!(errors.iter().any(|e| e.text.contains(says)), "{body}: {errors:?}");
    }
    for (body, says) in [
        ("a = b + a : f32[8]", "no tile `b`"),
        ("a = frob(x) : f32[8]", "is not an expression"),
        ("a = fill(1) : q9[8]", "not an element type"),
    ] {
        let error = parse(&wrap(body)).unwrap_err();
        assert!(error.message.contains(says), "{body}: {error:?}");
    }
    let good = parse(&wrap("a = fill(1) : f32[8]\nstore(o[0, 0:8], a)")).unwrap();
    assert!(verify(&good, Stage::Built).is_ok());
    assert!(verify(&good, Stage::Placed).unwrap_err()[0].text.contains("has no place"));
}

#[test]
fn inputs_that_do_not_fit_are_told() {
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
