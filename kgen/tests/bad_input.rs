//! Inputs of a call that cannot be, or that are odd: the error names the tensor and the place, or the result is defined.

use kgen_ir::{dtype::Dtype, tensor::Tensor};
use kgen_runtime::files::safetensors;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

type Tensors = BTreeMap<String, Tensor>;

const OP: &str = "op = \"attention\"\nname = \"paged\"\n\
    q = { dtype = \"f32\", heads = 2, dim = 8, batch = \"b\" }\n\
    kv = { dtype = \"f32\", heads = 1 }\nout = \"f32\"\nlse = true\n\
    [[segment]]\nlen = \"n[b]\"\nlayout = { paged = 4 }\n";

/// A folder of this test, empty.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad_input").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the target folder is ours");
    dir
}

/// `kgen run` of an op text on tensors; exit code, what was told, outputs.
fn run(name: &str, op: &str, inputs: &Tensors, set: &[&str]) -> (Option<i32>, String, Tensors) {
    let dir = folder(name);
    let path = |file: &str| dir.join(file).to_str().expect("a name of ours").to_owned();
    std::fs::write(path("op.toml"), op).expect("ours");
    safetensors::write(Path::new(&path("in.safetensors")), inputs).expect("ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgen"));
    command.args(["run", &path("op.toml"), "--on", "cpu", "--inputs", &path("in.safetensors")]);
    command.args(["--outputs", &path("out.safetensors")]);
    for value in set {
        command.args(["--set", value]);
    }
    let Output { status, stderr, .. } =
        command.env("KGEN_CACHE", "").output().expect("kgen starts");
    let outputs = safetensors::read(Path::new(&path("out.safetensors"))).unwrap_or_default();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned(), outputs)
}

/// Sequences of 0, 5 and 4 keys in four pages of 4; places that nobody reaches hold `spare`.
fn sequences(spare: f64) -> Tensors {
    let mut t = Tensors::new();
    let ramp = |n: usize| (0..n).map(|i| (i % 7) as f64 - 3.0).collect::<Vec<_>>();
    t.insert("q".into(), Tensor::from_f64(Dtype::F32, &[3, 1, 2, 8], &ramp(48)));
    for name in ["kv.k_pages", "kv.v_pages"] {
        let mut pages = ramp(4 * 4 * 8);
        // Page 1 has one key of sequence 1, page 3 is nobody's.
        pages[(4 + 1) * 8..2 * 4 * 8].fill(spare);
        pages[3 * 4 * 8..].fill(spare);
        t.insert(name.into(), Tensor::from_f64(Dtype::F32, &[4, 4, 1, 8], &pages));
    }
    let list = |shape: &[usize], values: &[f64]| Tensor::from_f64(Dtype::I32, shape, values);
    t.insert("kv.block_table".into(), list(&[3, 2], &[9.0, -4.0, 0.0, 1.0, 2.0, 99.0]));
    t.insert("kv.len".into(), list(&[3], &[0.0, 5.0, 4.0]));
    t
}

const SET: [&str; 2] = ["b=3", "n=[0,5,4]"];

fn changed(name: &str, at: usize, value: f64) -> Tensors {
    let mut inputs = sequences(0.0);
    inputs.get_mut(name).expect("given").set(at, value);
    inputs
}

#[test]
fn pages_and_lengths_that_are_not_there_are_told() {
    for (case, inputs, message) in [
        (
            "page beyond",
            changed("kv.block_table", 3, 4.0),
            "`kv.block_table`[1, 1] is 4: it must be in 0..4",
        ),
        (
            "page below",
            changed("kv.block_table", 2, -1.0),
            "`kv.block_table`[1, 0] is -1: it must be in 0..4",
        ),
        ("length beyond", changed("kv.len", 1, 9.0), "`kv.len`[1] is 9: it must be in 0..6"),
        ("length below", changed("kv.len", 2, -2.0), "`kv.len`[2] is -2: it must be in 0..6"),
    ] {
        let (code, told, outputs) = run(case, OP, &inputs, &SET);
        assert_eq!(code, Some(3), "{case}: {told}");
        assert!(told.contains(message), "{case}: {told}");
        assert!(outputs.is_empty(), "{case}");
    }
    // Lengths that the table has no places for.
    let (code, told, _) =
        run("table too short", OP, &changed("kv.len", 1, 9.0), &["b=3", "n=[0,9,4]"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("`kv.len`[1] is 9: it must be in 0..9"), "{told}");
}

#[test]
fn slots_that_nobody_reads_may_hold_anything() {
    let (code, told, zeros) = run("zeros", OP, &sequences(0.0), &SET);
    assert_eq!(code, Some(0), "{told}");
    let (code, told, odd) = run("nans", OP, &sequences(f64::NAN), &SET);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(zeros, odd);
    let o = &odd["o"];
    assert!((0..o.count()).all(|i| o.get(i).is_finite()));
}

#[test]
fn a_sequence_of_no_keys_gives_zeros_and_no_weight() {
    let (code, told, outputs) = run("no keys", OP, &sequences(0.0), &SET);
    assert_eq!(code, Some(0), "{told}");
    let (o, lse) = (&outputs["o"], &outputs["lse"]);
    assert!((0..16).all(|i| o.get(i) == 0.0), "o of sequence 0");
    assert!((16..48).any(|i| o.get(i) != 0.0), "o of the others");
    assert_eq!((lse.get(0), lse.get(1)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    assert!((2..6).all(|i| lse.get(i).is_finite()));
    // A batch of none.
    let mut none = sequences(0.0);
    none.insert("q".into(), Tensor::zeros(Dtype::F32, &[0, 1, 2, 8]));
    none.insert("kv.block_table".into(), Tensor::zeros(Dtype::I32, &[0, 2]));
    none.insert("kv.len".into(), Tensor::zeros(Dtype::I32, &[0]));
    let (code, told, outputs) = run("no sequences", OP, &none, &["b=0", "n=[]"]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(outputs["o"].shape, [0, 1, 2, 8]);
}

#[test]
fn rows_that_fill_no_blocks_are_told() {
    let op = "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 8\nk = 300\na = \"f32\"\nw = \"q6_k\"\nout = \"f32\"\n";
    let (code, told, _) = run("no blocks", op, &Tensors::new(), &["m=1"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("q6_k blocks hold 256 elements, k = 300 is no multiple"), "{told}");
    assert!(told.contains("help: unsupported: choose another format, or k = 512"), "{told}");
    assert!(told.contains("op.toml:7:5"), "{told}");
}

#[test]
fn tensors_of_another_size_or_type_are_named() {
    let op = "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 8\nk = 64\na = \"f32\"\nw = \"q8_0\"\nout = \"f32\"\n";
    for (case, name, tensor, message) in [
        ("short", "a", Tensor::zeros(Dtype::F32, &[2, 63]), "`a`"),
        ("type", "a", Tensor::zeros(Dtype::I32, &[2, 64]), "`a`"),
        ("rows", "w", Tensor::zeros(Dtype::U8, &[7, 68]), "`w`"),
        ("bytes", "w", Tensor::zeros(Dtype::U8, &[8, 67]), "`w`"),
    ] {
        let (code, told, _) = run(case, op, &[(name.to_owned(), tensor)].into(), &["m=2"]);
        assert_eq!(code, Some(3), "{case}: {told}");
        assert!(told.contains(message), "{case}: {told}");
    }
}

#[test]
fn tensors_that_the_op_does_not_have_are_refused() {
    let op = "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = 8\nk = 64\na = \"f32\"\nw = \"q8_0\"\nout = \"f32\"\nbias = true\n";
    for (name, message) in [
        ("bais", "p: `bais` is none of its tensors; did you mean `bias`?"),
        (
            "weights_of_a_layer",
            "p: `weights_of_a_layer` is none of its tensors; its inputs are a, w, bias",
        ),
        ("out", "p: `out` is an output of it; its inputs are a, w, bias"),
    ] {
        let given = [(name.to_owned(), Tensor::zeros(Dtype::F32, &[8]))].into();
        let (code, told, outputs) = run(name, op, &given, &["m=2"]);
        assert_eq!(code, Some(3), "{name}: {told}");
        assert!(told.contains(message), "{name}: {told}");
        assert!(outputs.is_empty(), "{name}");
    }
    let bias = [("bias".to_owned(), Tensor::zeros(Dtype::F32, &[8]))].into();
    assert_eq!(run("bias", op, &bias, &["m=2"]).0, Some(0));
}
