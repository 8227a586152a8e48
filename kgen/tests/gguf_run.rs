//! `kgen run` on weights that the PyPI package gguf wrote, against numpy on the values that it decoded.
//!
//! `KGEN_PYTHON` (default `python3`) must be able to import gguf and numpy.

use kgen_ir::{dtype::Dtype, tensor::Tensor};
use std::{fs, path::PathBuf, process::Command};

/// Rows and columns of the weights: fewer rows than a tile, whole tiles, one more than tiles.
const SHAPES: &[(usize, usize)] = &[(5, 512), (48, 512), (33, 256)];

/// Name in the file, format, whether int8 activations are for it.
const WEIGHTS: &[(&str, &str, bool)] = &[
    ("F32", "f32", false),
    ("F16", "f16", false),
    ("BF16", "bf16", false),
    ("Q8_0", "q8_0", true),
    ("Q4_0", "q4_0", true),
    ("Q4_1", "q4_1", true),
    ("Q5_0", "q5_0", true),
    ("Q5_1", "q5_1", true),
    ("Q2_K", "q2_k", true),
    ("Q3_K", "q3_k", true),
    ("Q4_K", "q4_k", true),
    ("Q5_K", "q5_k", true),
    ("TQ1_0", "tq1_0", true),
    ("TQ2_0", "tq2_0", true),
    ("Q6_K", "q6_k", true),
];

#[test]
fn products_of_gguf_weights_agree_with_numpy() {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import gguf, numpy"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI gguf is missing: {python} cannot import gguf and numpy");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gguf_run");
    fs::create_dir_all(&folder).unwrap();
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/witness");
    let python = |script: &str, argument: &PathBuf, sizes: &[usize]| {
        let path = format!("{scripts}/{script}");
        let sizes = sizes.iter().map(|x| x.to_string());
        let run = Command::new(&python).arg(path).arg(argument).args(sizes).output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{out}{err}");
        out.into_owned()
    };
    let mut list = String::new();
    let mut number = 0u32;
    for (n, k, m) in SHAPES.iter().flat_map(|&(n, k)| [(n, k, 1), (n, k, 5)]) {
        let all = folder.join(format!("all{n}x{k}"));
        python("gguf_check.py", &all, &[n, k]);
        // Values of many sizes, the same in every run.
        let values: Vec<f64> = (0..m * k)
            .map(|i| ((i * 37 + 11) % 101) as f64 / 25.0 - 2.0)
            .map(|x| x * x * x)
            .collect();
        let a = Tensor::from_f64(Dtype::F32, &[m, k], &values);
        let inputs = folder.join(format!("a{m}x{k}.safetensors"));
        kgen_runtime::files::safetensors::write(&inputs, &[("a".to_owned(), a)].into()).unwrap();
        for (name, format, int8) in WEIGHTS {
            for compute in ["dequant", "int_dot"].into_iter().take(1 + usize::from(*int8)) {
                let op = folder.join(format!("{format}_{compute}_{n}x{k}.toml"));
                let text = format!(
                    "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = {n}\nk = {k}\na = \"f32\"\nw = \"{format}\"\n\
                     out = \"f32\"\ncompute = \"{compute}\"\n"
                );
                fs::write(&op, text).unwrap();
                number += 1;
                let outputs = folder.join(format!("out{number}.safetensors"));
                let weights = format!("{}.gguf:{name}", all.display());
                let run = Command::new(env!("CARGO_BIN_EXE_kgen"))
                    .arg("run")
                    .arg(&op)
                    .args(["--set", &format!("m={m}"), "--weights", &weights])
                    .arg("--inputs")
                    .arg(&inputs)
                    .arg("--outputs")
                    .arg(&outputs)
                    .output()
                    .unwrap();
                assert!(run.status.success(), "{name} {compute} n={n} m={m}: {run:?}");
                let values = format!("{}.{name}.f32", all.display());
                list += &format!(
                    "{} {} {values} {n} {k} {compute}\n",
                    outputs.display(),
                    inputs.display()
                );
            }
        }
    }
    let path = folder.join("list");
    fs::write(&path, list).unwrap();
    let told = python("product_check.py", &path, &[]);
    let worst = told.lines().last().unwrap_or_default();
    println!("{number} products, {worst} of the bound");
}
