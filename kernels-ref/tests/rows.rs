//! Row operations, prologues and epilogues: answers worked out by hand.

use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{Op, read},
    tensor::Tensor,
};
use kgen_kernels_ref::{Output, RefError, compare, run, run_samples};
use std::collections::BTreeMap;

const F32: Dtype = Dtype::F32;
const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

type Given<'a> = &'a [(&'a str, &'a [usize], &'a [f64])];

fn op(text: &str) -> Op {
    read::read("t.toml", text).unwrap_or_else(|report| panic!("{report}"))
}

/// An op over `x` of this width, with `m` rows and these outputs.
fn rows(width: usize, rest: &str) -> Op {
    op(&format!("op = \"rows\"\nname = \"t\"\nrows = \"m\"\nwidth = {width}\n{rest}\n"))
}

fn tensors(given: Given) -> BTreeMap<String, Tensor> {
    given.iter().map(|(n, s, v)| (n.to_string(), Tensor::from_f64(F32, s, v))).collect()
}

fn sized(m: usize) -> Dims {
    let mut dims = Dims::default();
    dims.scalars.insert("m".into(), m as i64);
    dims
}

fn ask(op: &Op, m: usize, given: Given) -> BTreeMap<String, Output> {
    run(op, &sized(m), &tensors(given)).unwrap()
}

fn near(out: &Output, wanted: &[f64]) {
    assert_eq!(out.values.len(), wanted.len());
    for (y, w) in out.values.iter().zip(wanted) {
        assert!((y - w).abs() < 1e-14, "{:?} is not {wanted:?}", out.values);
    }
}

/// Whether a kernel that gives these values passes.
fn passes(out: &Output, got: &[f64]) -> bool {
    compare("y", out, &Tensor::from_f64(F32, &out.shape, got)).unwrap().passed()
}

#[test]
fn rmsnorm_of_three_and_four() {
    let text = r#"in = { x = "f32", g = { dtype = "f32", kind = "vector" } }
out = { y = { dtype = "f32", value = "x * rsqrt(mean(x * x)) * g" } }"#;
    // The mean square is 25/2 in both rows.
    let x = [3.0, 4.0, -4.0, 3.0];
    let out = ask(&rows(2, text), 2, &[("x", &[2, 2], &x), ("g", &[2], &[5.0, 10.0])]);
    let root = 2f64.sqrt();
    assert_eq!(out["y"].shape, [2, 2]);
    near(&out["y"], &[3.0 * root, 8.0 * root, -4.0 * root, 6.0 * root]);
    // A thousandth off is no rounding.
    let off: Vec<f64> = out["y"].values.iter().map(|y| y * 1.001).collect();
    assert!(passes(&out["y"], &out["y"].values) && !passes(&out["y"], &off));
}

#[test]
fn swiglu_where_the_sigmoid_is_known() {
    let text = r#"in = { gate = "f32", up = "f32" }
out = { y = { dtype = "f32", value = "gate * sigmoid(gate) * up" } }"#;
    // sigmoid(ln 3) is 3/4 up to the rounding of ln 3 to f32.
    let third = f64::from(3f32.ln());
    let inputs: Given =
        &[("gate", &[1, 3], &[0.0, third, -800.0]), ("up", &[1, 3], &[7.0, 4.0, 1.0])];
    let out = ask(&rows(3, text), 1, inputs);
    let y = &out["y"].values;
    assert_eq!(y[0], 0.0);
    assert!((y[1] - 3.0 * third).abs() < 1e-6 && y[2] == 0.0, "{y:?}");
}

#[test]
fn equals_go_to_the_lower_index_and_a_column_is_one_a_row() {
    let text = r#"in = { x = "f32" }
out = { at = { dtype = "i32", kind = "column", value = "argmax(x)" } }"#;
    let x = [1.0, 5.0, 5.0, -1.0, -1.0, -1.0];
    let out = ask(&rows(3, text), 2, &[("x", &[2, 3], &x)]);
    assert_eq!(
        (out["at"].shape.as_slice(), out["at"].values.as_slice()),
        (&[2][..], &[1.0, 0.0][..])
    );
    let got = |v: &[i32]| compare("at", &out["at"], &Tensor::from_i32(&[2], v)).unwrap().passed();
    assert!(got(&[1, 0]) && !got(&[2, 0]) && !got(&[1, 1]));
}

#[test]
fn no_rows_and_one_column() {
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "exp(x) / sum(exp(x))" }, s = { dtype = "f32", kind = "column", value = "sum(x)" } }"#;
    let none = ask(&rows(3, text), 0, &[("x", &[0, 3], &[])]);
    assert_eq!((&none["y"].shape[..], none["y"].values.len()), (&[0, 3][..], 0));
    assert_eq!((&none["s"].shape[..], none["s"].values.len()), (&[0][..], 0));
    let one = ask(&rows(1, text), 2, &[("x", &[2, 1], &[3.0, -2.0])]);
    near(&one["y"], &[1.0, 1.0]);
    near(&one["s"], &[3.0, -2.0]);
}

#[test]
fn what_is_not_finite_stays_in_its_row() {
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "x / sum(x)" } }"#;
    let x = [1.0, 3.0, NAN, 1.0, INF, 1.0];
    let out = ask(&rows(2, text), 3, &[("x", &[3, 2], &x)]);
    let y = &out["y"];
    assert_eq!(y.values[..2], [0.25, 0.75]);
    assert!(y.values[2].is_nan() && y.values[3].is_nan() && y.values[4].is_nan());
    assert_eq!(y.tainted, [false, false, true, true, true, true]);
    // Beside the infinity: 0, or NaN, but no other number.
    assert_eq!((y.values[5], y.bounds[5] < 1e-30), (0.0, true));
}

#[test]
fn of_nan_and_a_number_the_second_is_taken() {
    // `a > b ? a : b`, as hardware does. A kernel that gives NaN where one entered is right too.
    let text = r#"in = { x = "f32" }
[out]
a = { dtype = "f32", value = "max(x, 0)" }
b = { dtype = "f32", value = "max(0, x)" }
c = { dtype = "f32", value = "min(x, 0)" }
d = { dtype = "f32", value = "min(0, x)" }"#;
    let out = ask(&rows(1, text), 1, &[("x", &[1, 1], &[NAN])]);
    for (name, nan) in [("a", false), ("b", true), ("c", false), ("d", true)] {
        let y = &out[name];
        assert_eq!((y.values[0].is_nan(), y.tainted[0]), (nan, true), "{name}");
    }
}

#[test]
fn among_nan_no_index_is_wrong() {
    let text = r#"in = { x = "f32" }
out = { at = { dtype = "i32", kind = "column", value = "argmax(x)" } }"#;
    let out = ask(&rows(3, text), 1, &[("x", &[1, 3], &[1.0, NAN, 2.0])]);
    for i in 0..3 {
        let got = Tensor::from_i32(&[1], &[i]);
        assert!(compare("at", &out["at"], &got).unwrap().passed(), "{i}");
    }
}

#[test]
fn outputs_above_are_known_below() {
    let text = r#"in = { x = "f32" }
[out]
mu = { dtype = "f32", kind = "column", value = "mean(x)" }
y = { dtype = "f32", value = "x - mu" }
first = { dtype = "i32", kind = "column", value = "argmax(y)" }
next = { dtype = "i32", kind = "column", value = "first + 1" }"#;
    let out = ask(&rows(2, text), 2, &[("x", &[2, 2], &[1.0, 3.0, 8.0, 4.0])]);
    near(&out["mu"], &[2.0, 6.0]);
    near(&out["y"], &[-1.0, 1.0, 2.0, -2.0]);
    near(&out["first"], &[1.0, 0.0]);
    near(&out["next"], &[2.0, 1.0]);
    // The index is whole: it was not rounded on the way.
    assert!(out["next"].bounds.iter().all(|b| *b < 0.51), "{:?}", out["next"].bounds);
}

#[test]
fn vectors_and_scalars_are_outputs_also_without_rows() {
    let text = r#"in = { x = "f32", g = { dtype = "f32", kind = "vector" } }
[out]
total = { dtype = "f32", kind = "scalar", value = "sum(g)" }
half = { dtype = "f32", kind = "vector", value = "g / total" }
y = { dtype = "f32", value = "x * half" }"#;
    for m in [0, 1] {
        let x = vec![8.0; 2 * m];
        let out = ask(&rows(2, text), m, &[("x", &[m, 2], &x), ("g", &[2], &[1.0, 3.0])]);
        assert_eq!((&out["total"].shape[..], &out["half"].shape[..]), (&[1][..], &[2][..]));
        near(&out["total"], &[4.0]);
        near(&out["half"], &[0.25, 0.75]);
        near(&out["y"], &[2.0, 6.0][..2 * m]);
    }
}

#[test]
fn samples_are_the_same_numbers() {
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "x * x" }, s = { dtype = "f32", kind = "column", value = "sum(x)" } }"#;
    let (op, x) = (rows(3, text), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let inputs = tensors(&[("x", &[2, 3], &x)]);
    let out = run_samples(&op, &sized(2), &inputs, &[(1, 2), (0, 1)]).unwrap();
    assert_eq!(
        (out["y"].at.as_deref(), &out["y"].values[..]),
        (Some(&[5, 1][..]), &[36.0, 4.0][..])
    );
    assert_eq!(
        (out["s"].at.as_deref(), &out["s"].values[..]),
        (Some(&[1, 0][..]), &[15.0, 6.0][..])
    );
    let error = |at| run_samples(&op, &sized(2), &inputs, &[at]).unwrap_err().to_string();
    assert_eq!(error((0, 3)), "sample (0, 3) lies outside 2 x 3");
    assert_eq!(error((2, 0)), "sample (2, 0) lies outside 2 x 3");
}

#[test]
fn a_divisor_that_rounding_may_make_zero_allows_anything() {
    // mean(x) - 1 is 2^-25: no f32 kernel need see it.
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "1 / (mean(x) - 1)" } }"#;
    let x = [1.0, 1.0, 1.0, 1.0 + 2f64.powi(-23)];
    let out = ask(&rows(4, text), 1, &[("x", &[1, 4], &x)]);
    assert_eq!(out["y"].values[0], 2f64.powi(25));
    assert!(passes(&out["y"], &[INF; 4]) && passes(&out["y"], &[2f64.powi(23); 4]));
    assert!(passes(&out["y"], &[NAN; 4]));
}

#[test]
fn a_remainder_may_fall_to_the_other_side_of_a_multiple() {
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "sum(x) % 2" } }"#;
    // 4 less 2^-24: in f32 the sum is 4, its remainder 0.
    let out = ask(&rows(2, text), 1, &[("x", &[1, 2], &[4.0, -(2f64.powi(-24))])]);
    assert!((out["y"].values[0] - 2.0).abs() < 1e-6);
    assert!(passes(&out["y"], &[0.0; 2]));
    // Far from a multiple it may not.
    let out = ask(&rows(2, text), 1, &[("x", &[1, 2], &[4.0, 1.0])]);
    assert!(passes(&out["y"], &[1.0; 2]) && !passes(&out["y"], &[0.999; 2]));
}

#[test]
fn an_op_that_was_not_checked_is_an_error() {
    let text = r#"in = { x = "f32" }
out = { y = { dtype = "f32", value = "x" } }"#;
    let op = rows(1, text);
    let kgen_ir::op::Kind::Rows(mut r) = op.kind.clone() else { panic!("rows") };
    r.outputs[0].value = kgen_ir::op::expr::Expr::Name("z".into());
    let wrong = Op { kind: kgen_ir::op::Kind::Rows(r), ..op.clone() };
    let inputs = tensors(&[("x", &[1, 1], &[1.0])]);
    let error = run(&wrong, &sized(1), &inputs).unwrap_err();
    assert_eq!(error.to_string(), "the op is wrong: the value of `y` cannot be computed");
    let missing = run(&op, &sized(1), &BTreeMap::new());
    assert_eq!(missing.unwrap_err(), RefError::Missing("x".into()));
}

const PRODUCT: &str =
    "op = \"mpgemm\"\nname = \"t\"\nm = \"m\"\nk = 2\na = \"f32\"\nout = \"f32\"\n";

#[test]
fn a_prologue_changes_the_activations_before_the_product() {
    let text = format!("{PRODUCT}n = 1\nw = \"f32\"\nprologue = \"a * a + 1\"\n");
    let out = ask(&op(&text), 1, &[("a", &[1, 2], &[2.0, 3.0]), ("w", &[1, 2], &[10.0, 1.0])]);
    near(&out["out"], &[60.0]);
}

#[test]
fn an_epilogue_sees_the_product_the_bias_and_the_residual() {
    let text = format!(
        "{PRODUCT}n = 2\nw = \"f32\"\nbias = true\nresidual = true\nepilogue = \"max(x + bias, 0) * residual\"\n"
    );
    let inputs: Given = &[
        ("a", &[1, 2], &[1.0, 2.0]),
        ("w", &[2, 2], &[1.0, 1.0, -1.0, -1.0]),
        ("bias", &[2], &[4.0, 1.0]),
        ("residual", &[1, 2], &[3.0, 5.0]),
    ];
    near(&ask(&op(&text), 1, inputs)["out"], &[21.0, 0.0]);
}

#[test]
fn an_epilogue_joins_two_weights_of_each_expert() {
    let text = "op = \"mpgemm\"\nname = \"t\"\nm = \"m[e]\"\nk = 1\na = \"f32\"\nout = \"f32\"\nw = [\"gate\", \"up\"]\n\
                n = 1\nformat = \"f32\"\ngroups = 2\nepilogue = \"gate * gate * up\"\n";
    let mut inputs = tensors(&[
        ("a", &[3, 1], &[1.0, 2.0, 3.0]),
        ("gate", &[2, 1, 1], &[2.0, 10.0]),
        ("up", &[2, 1, 1], &[5.0, 1.0]),
    ]);
    // One row of the first expert, two of the second.
    inputs.insert("a.indptr".into(), Tensor::from_i32(&[3], &[0, 1, 3]));
    let mut dims = Dims::default();
    dims.ragged.insert("m".into(), vec![1, 2]);
    let out = run(&op(text), &dims, &inputs).unwrap();
    assert_eq!(out["out"].shape, [3, 1]);
    near(&out["out"], &[20.0, 800.0, 2700.0]);
    let some = run_samples(&op(text), &dims, &inputs, &[(2, 0)]).unwrap();
    assert_eq!(some["out"].values, [2700.0]);
}
