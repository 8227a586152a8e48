//! The reference beside an independent one: `tests/witness/reference.py`, numpy, written from the design alone.
//!
//! `KGEN_PYTHON` (default `python3`) must be able to import numpy and gguf.

use kgen::verify::{self, Options};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Ops beside those of `ops/`: every mask, layout and key that the reference knows.
const MORE: &[(&str, &str)] = &[
    ("none", "[[segment]]\nlen = \"n\"\n"),
    ("prefix", "[[segment]]\nlen = \"n\"\nmask = { prefix = 5 }\n"),
    ("block", "[[segment]]\nlen = \"n\"\nmask = { block = 4 }\n"),
    ("recent", "[[segment]]\nlen = \"n\"\nmask = { keep_first = 2, recent = 5 }\n"),
    ("softcap", "softcap = 3.0\nlse = true\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n"),
    ("alibi", "alibi = true\nlse = true\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n"),
    ("sink", "sink_logit = true\nlse = true\n[[segment]]\nlen = \"n\"\nmask = { window = 7 }\n"),
    ("weights", "lse = true\n[[segment]]\nlen = \"n[b]\"\nweight = true\nmask = \"causal\"\n"),
    ("weighted", "sink_logit = true\n[[segment]]\nlen = \"n\"\nweight = true\n"),
    (
        "tree",
        "lse = true\n[[segment]]\nname = \"a\"\nlen = \"p\"\n[[segment]]\nname = \"b\"\nlen = \"n\"\nmask = \"tree\"\n",
    ),
    (
        "expression",
        "lse = true\n[[segment]]\nlen = \"n\"\nmask = \"j <= i && (i - j) % 3 == 0 || block(j, 5) < head && !(j == p)\"\n\
         [[segment]]\nname = \"b\"\nlen = \"p\"\nmask = \"abs(i - j) / 2 <= max(j - 7, -1 + 4 % 3)\"\n",
    ),
    (
        "heads",
        "lse = true\n[[segment]]\nname = \"a\"\nheads = [1]\nlen = \"n\"\n[[segment]]\nname = \"b\"\nheads = \"rest\"\n\
         len = \"p\"\nmask = \"causal\"\n",
    ),
    (
        "shared",
        "lse = true\n[[segment]]\nname = \"a\"\nlen = \"p\"\nshared = \"batch\"\n[[segment]]\nname = \"b\"\nlen = \"n[b]\"\n\
         mask = \"causal\"\n",
    ),
    (
        "paged",
        "lse = true\n[[segment]]\nlen = \"n[b]\"\nlayout = { paged = 3 }\nmask = \"causal\"\n",
    ),
    (
        "ring",
        "lse = true\n[[segment]]\nlen = \"n[b]\"\nlayout = { ring = { keep_first = 2, recent = 5 } }\n\
         mask = { keep_first = 2, recent = 5 }\n",
    ),
    (
        "behind_a_ring",
        "alibi = true\n[[segment]]\nname = \"a\"\nlen = \"n[b]\"\nlayout = { ring = { keep_first = 0, recent = 7 } }\n\
         [[segment]]\nname = \"b\"\nlen = \"p\"\nmask = \"causal\"\n",
    ),
    (
        "copies",
        "lse = true\n[[segment]]\nname = \"a\"\nlen = \"p\"\nshared = \"copies\"\n[[segment]]\nname = \"b\"\n\
         len = \"n[b]\"\nmask = \"causal\"\n",
    ),
    (
        "paged_copies",
        "[[segment]]\nname = \"a\"\nlen = \"p[copies]\"\nlayout = { paged = 4 }\nshared = \"copies\"\n\
         mask = { prefix = 3 }\n",
    ),
];

const PRODUCTS: &[(&str, &str)] = &[
    ("experts", "n = 7\nw = \"f32\"\nbias = true\ngroups = 3\n"),
    ("coded_experts", "n = 5\nw = \"q4_0\"\ngroups = 4\n"),
    (
        "gated_experts",
        "n = 5\nw = [\"gate\", \"up\"]\nformat = \"f16\"\ngroups = 2\nepilogue = \"gate * sigmoid(gate) * up\"\n",
    ),
    ("relu", "n = 7\nw = \"f32\"\nbias = true\nepilogue = \"max(x + bias, 0)\"\n"),
    ("gelu", "n = 5\nw = \"q8_0\"\nepilogue = \"x * sigmoid(1.702 * x)\"\n"),
    ("norm", "n = 5\nw = \"f16\"\nprologue = \"a * rsqrt(mean(a * a) + 1e-5)\"\n"),
];

const ROWS: &[(&str, &str)] = &[
    ("norm", "{ dtype = \"f32\", value = \"(x - mean(x)) * v + c\" }"),
    ("softmax", "{ dtype = \"f32\", value = \"exp(x - max(x)) / sum(exp(x - max(x)))\" }"),
    ("first", "{ dtype = \"f32\", kind = \"column\", value = \"argmax(x)\" }"),
];

/// Elements by index, and rows written by index.
const INDEXED: &[&str] = &[
    "name = \"halves\"\nwidth = 32\nin = { x = \"f32\", pos = { dtype = \"i32\", kind = \"column\" }, f = { dtype = \"f32\", \
     kind = \"list\", len = 4 } }\nlet = { a = \"pos * f[col % 4]\" }\nout = { y = { dtype = \"f32\", value = \"x * cos(a) + \
     select(col % 8 < 4, -1, 1) * x[col / 8 * 8 + (col + 4) % 8] * sin(a)\" } }\n",
    "name = \"rows_of_a_table\"\nwidth = 24\nin = { id = { dtype = \"i64\", kind = \"column\" }, table = { dtype = \"f16\", \
     kind = \"table\", rows = \"vocab\" } }\nout = { y = { dtype = \"f32\", value = \"table[id] + table[id, 0] * col\" } }\n",
    "name = \"pages\"\nwidth = 24\nin = { k = \"f32\", seq = { dtype = \"i32\", kind = \"column\" }, pos = { dtype = \"i32\", \
     kind = \"column\" }, block = { dtype = \"i32\", kind = \"table\", rows = \"b\", width = \"pages\" } }\nout = { c = { dtype = \
     \"f32\", rows = \"slots\", at = \"block[seq, pos / 4] * 4 + pos % 4\", value = \"k * 2\" }, y = { dtype = \"f32\", value = \
     \"select(!(k < 0) && row != 1 || col >= 5, k, k % 3)\" } }\n",
    "name = \"ring\"\nwidth = 24\nin = { k = \"f32\", pos = { dtype = \"i32\", kind = \"column\" } }\nout = { c = { dtype = \"f32\", \
     rows = \"slots\", at = \"select(pos > 20, -1, min(pos, 4) + max(pos - 4, 0) % 12)\", value = \"k\" } }\n",
];

/// Sums of some hundred products in f64 differ by their order; the exponentials by the accuracy of the library.
const TOLERANCE: f64 = 1e-11;

fn python() -> Option<String> {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import gguf, numpy, tomllib"]).output();
    if probe.is_ok_and(|p| p.status.success()) {
        return Some(python);
    }
    println!("SKIPPED: PyPI numpy or gguf is missing: {python} cannot import them");
    None
}

fn ops() -> Vec<kgen_ir::op::Op> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<_> =
        fs::read_dir(root.join("ops")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut ops: Vec<_> = files.iter().map(|f| kgen::compile::read(f).unwrap()).collect();
    for (name, rest) in MORE {
        for dtype in ["f32", "bf16"] {
            let text = format!(
                "op = \"attention\"\nname = \"{name}_{dtype}\"\nq = {{ dtype = \"{dtype}\", heads = 4, dim = 24, \
                 batch = \"b\", len = \"m\" }}\nkv = {{ dtype = \"{dtype}\", heads = 2 }}\nout = \"f32\"\n{rest}"
            );
            ops.push(kgen_ir::op::read::read(name, &text).unwrap_or_else(|e| panic!("{e}")));
        }
    }
    for (name, rest) in PRODUCTS {
        // Experts get sorted rows in one op, a list of experts in the other.
        let rows: &[&str] = if rest.contains("groups") { &["m", "m[e]"] } else { &["m"] };
        for m in rows {
            let head = format!(
                "op = \"mpgemm\"\nname = \"{name}{}\"\nm = \"{m}\"\nk = 96\na = \"f32\"\nout = \"f32\"\n",
                m.len()
            );
            let op = kgen_ir::op::read::read(name, &(head + rest));
            ops.push(op.unwrap_or_else(|e| panic!("{e}")));
        }
    }
    for (name, out) in ROWS {
        let text = format!(
            "op = \"rows\"\nname = \"{name}\"\nrows = \"m\"\nwidth = 33\n\
             in = {{ x = \"f32\", c = {{ dtype = \"f32\", kind = \"column\" }}, v = {{ dtype = \"f32\", kind = \"vector\" }} }}\n\
             out = {{ y = {out} }}\n"
        );
        ops.push(kgen_ir::op::read::read(name, &text).unwrap_or_else(|e| panic!("{e}")));
    }
    for text in INDEXED {
        let op = kgen_ir::op::read::read("rows", &format!("op = \"rows\"\nrows = \"m\"\n{text}"));
        ops.push(op.unwrap_or_else(|e| panic!("{e}")));
    }
    ops
}

#[test]
fn numpy_agrees_with_the_reference() {
    let Some(python) = python() else { return };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("witness");
    let _ = fs::remove_dir_all(&folder);
    let mut cases = Vec::new();
    for op in ops() {
        for case in verify::examples(&op, &Options { cases: 24, seed: 7 }) {
            let place = folder.join(format!("{:04}", cases.len()));
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("op.toml"), kgen_ir::op::print::print(&case.op)).unwrap();
            let dims =
                serde_json::json!({ "scalars": case.dims.scalars, "ragged": case.dims.ragged });
            fs::write(place.join("dims.json"), dims.to_string()).unwrap();
            let file = place.join("inputs.safetensors");
            if kgen_runtime::files::safetensors::write(&file, &case.inputs).is_err() {
                fs::remove_dir_all(&place).unwrap();
                continue; // elements that safetensors does not have
            }
            cases.push((place, case));
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/reference.py");
    let run = Command::new(python).arg(script).arg(&folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let (mut compared, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    let mut families = BTreeMap::new();
    for (place, case) in &cases {
        if let Ok(reason) = fs::read_to_string(place.join("skipped")) {
            *skipped.entry(reason).or_insert(0) += 1;
            continue;
        }
        let expected = match kgen_kernels_ref::run(&case.op, &case.dims, &case.inputs) {
            Ok(expected) => expected,
            Err(e) => panic!("{}: {e}", place.display()),
        };
        for (name, e) in &expected {
            let bytes = fs::read(place.join(format!("{name}.f64"))).unwrap();
            let got: Vec<f64> =
                bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!(got.len(), e.values.len(), "{} {name}", place.display());
            for (i, (x, y)) in got.iter().zip(&e.values).enumerate() {
                let near = y.is_finite() && (x - y).abs() <= TOLERANCE * y.abs().max(1.0);
                // Of a row that something not finite entered, only that it shows.
                let shows = e.tainted[i] && !x.is_finite() && !y.is_finite();
                // The place of the largest where one is NaN: the reference allows any.
                let any = e.tainted[i] && (x - y).abs() <= e.bounds[i];
                let same = x == y || near || shows || any || (x.is_nan() && y.is_nan());
                assert!(
                    same,
                    "{} {} ({}): {name}[{i}] is {y}, numpy says {x}",
                    place.display(),
                    case.op.name,
                    case.family
                );
            }
        }
        *compared.entry(case.op.name.clone()).or_insert(0) += 1;
        // Outputs that are no numbers, and those that are, beside what must not be read or spoils some rows.
        let all = expected.values().flat_map(|e| &e.values);
        let (numbers, rest): (Vec<&f64>, Vec<&f64>) = all.partition(|y| y.is_finite());
        let counts = families.entry(case.family).or_insert((0, 0));
        *counts = (counts.0 + numbers.len(), counts.1 + rest.len());
    }
    let total: i32 = compared.values().sum();
    assert!(compared.len() >= 20 && total >= 200, "{compared:?} {skipped:?}");
    for name in MORE.iter().chain(PRODUCTS).chain(ROWS).map(|x| x.0) {
        assert!(compared.keys().any(|k| k.starts_with(name)), "no case of {name}: {skipped:?}");
    }
    let broken = families["NaN and infinity where some rows read"];
    assert!(broken.0 > 100 && broken.1 > 100, "{families:?}");
    assert!(families.values().all(|counts| counts.0 > 100), "{families:?}");
    println!("{total} cases of {} ops agree; skipped {skipped:?}", compared.len());
    println!("numbers and others in each family: {families:?}");
}

/// Dense ops that ONNX Runtime has, too.
const DENSE: &[&str] = &[
    "op = \"attention\"\nname = \"causal\"\nq = { dtype = \"f32\", heads = 8, dim = 64, batch = \"b\", len = \"m\" }\n\
     kv = { dtype = \"f32\", heads = 2 }\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n",
    "op = \"attention\"\nname = \"window\"\nq = { dtype = \"f32\", heads = 4, dim = 64, batch = \"b\", len = \"m\" }\n\
     kv = { dtype = \"f32\", heads = 2 }\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = { window = 9 }\n",
    "op = \"attention\"\nname = \"softcap\"\nq = { dtype = \"f32\", heads = 4, dim = 64, batch = \"b\", len = \"m\" }\n\
     kv = { dtype = \"f32\", heads = 4 }\nout = \"f32\"\nsoftcap = 20.0\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n",
    "op = \"mpgemm\"\nname = \"q4_0\"\nm = \"m\"\nn = 48\nk = 128\na = \"f32\"\nw = \"q4_0\"\nout = \"f32\"\n\
     compute = \"dequant\"\n",
];

#[test]
fn onnxruntime_agrees_with_the_reference() {
    let Some(python) = python() else { return };
    let probe = Command::new(&python).args(["-c", "import onnx, onnxruntime"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI onnx or onnxruntime is missing: {python} cannot import them");
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ort");
    let _ = fs::remove_dir_all(&folder);
    let mut number = 0;
    for text in DENSE {
        let op = kgen_ir::op::read::read("dense", text).unwrap_or_else(|e| panic!("{e}"));
        for case in verify::examples(&op, &Options { cases: 120, seed: 3 }) {
            if !matches!(case.family, "normal" | "peaked scores" | "small integers") {
                continue; // finite inputs, and scores that no rounding of a weight can turn around
            }
            let place = folder.join(format!("{number:04}"));
            fs::create_dir_all(&place).unwrap();
            number += 1;
            fs::write(place.join("op.toml"), kgen_ir::op::print::print(&case.op)).unwrap();
            let file = place.join("inputs.safetensors");
            kgen_runtime::files::safetensors::write(&file, &case.inputs).unwrap();
            for (name, e) in kgen_kernels_ref::run(&case.op, &case.dims, &case.inputs).unwrap() {
                for (what, list) in [("ref", &e.values), ("bound", &e.bounds)] {
                    let bytes: Vec<u8> = list.iter().flat_map(|x| x.to_le_bytes()).collect();
                    fs::write(place.join(format!("{name}.{what}.f64")), bytes).unwrap();
                }
            }
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/ort_check.py");
    let run = Command::new(python).arg(script).arg(&folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let told = String::from_utf8_lossy(&run.stdout);
    for name in ["causal", "window", "softcap", "q4_0"] {
        assert!(told.contains(name), "no case of {name}: {told}");
    }
    println!("ONNX Runtime agrees: {}", told.trim());
}
