//! The PyPI package gguf as witness: what it writes is read, every value is bit for bit the one that it computes, and
//! every block that it makes is the one that `encode` makes.
//!
//! `KGEN_PYTHON` (default `python3`) must be able to import gguf and numpy.

use kgen_ir::format::Value as Formula;
use kgen_runtime::files::gguf::{Gguf, Value};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[test]
fn files_of_the_gguf_package_are_read_bit_for_bit() {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import gguf, numpy"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI gguf is missing: {python} cannot import gguf and numpy");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gguf_python");
    fs::create_dir_all(&folder).unwrap();
    // Rows that fill tiles and rows that do not, one and two blocks of a K-quant.
    for (rows, k) in [(5, 512), (48, 512), (33, 256)] {
        check(&python, &folder, rows, k);
    }
}

/// A file of tensors of every type with so many rows and columns.
fn check(python: &str, folder: &Path, rows: usize, k: usize) {
    let out = folder.join("all");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/witness/gguf_check.py");
    let sizes = [rows, k].map(|x| x.to_string());
    let run = Command::new(python).arg(script).arg(&out).args(sizes).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let file = Gguf::open(&out.with_extension("gguf")).unwrap();
    assert_eq!(file.version(), 3);
    assert_eq!(file.metadata()["general.name"], Value::Text("witness".into()));
    let Value::Array(texts) = &file.metadata()["some.texts"] else { panic!("no array") };
    assert_eq!(texts.values().collect::<Vec<_>>(), ["a", "", "é"].map(|t| Value::Text(t.into())));

    let mut checked = Vec::new();
    for t in file.tensors() {
        let Some(format) = t.format else { continue };
        assert_eq!(t.dims, [rows, k]);
        let wanted = fs::read(folder.join(format!("all.{}.f32", t.name))).unwrap();
        let values = t.bytes.chunks(format.bytes).flat_map(|b| format.decode(b).unwrap());
        let found: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        assert!(found == wanted, "{}: values", t.name);
        if !matches!(format.value, Formula::TwoLevel { .. }) {
            let source = fs::read(folder.join(format!("all.{}.src", t.name))).unwrap();
            let floats = source.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            let blocks = format.encode(&floats.collect::<Vec<_>>()).unwrap();
            for (i, pair) in
                blocks.chunks(format.bytes).zip(t.bytes.chunks(format.bytes)).enumerate()
            {
                assert_eq!(pair.0, pair.1, "{}: block {i}", t.name);
            }
        }
        checked.push(t.name.to_owned());
    }
    let formats = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0"];
    let levels = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"];
    for name in ["F32", "F16", "BF16"].into_iter().chain(formats).chain(levels) {
        assert!(checked.iter().any(|c| c == name), "{name} was not there");
    }
    println!("checked {} of [{rows}, {k}]", checked.join(" "));
}
