//! Every op file on this CPU: what is supported is verified, what is not is exactly this list.
//!
//! Release builds ask 100 cases an op, debug builds a few.

use std::{collections::BTreeMap, path::Path, process::Command};

/// Files that no CPU target lowers yet, each with a word of the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("hybrid_topk_decode", "emit"),
    ("squeezed_attention", "select"),
    ("ternary_lut_gemv", "lookups of weights of 2 bits"),
    ("w6a8_bitplane_gemm", "way to compute"),
];

#[test]
fn every_op_file_is_verified_or_listed() {
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut files: Vec<_> = std::fs::read_dir(&ops).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let cases = if cfg!(debug_assertions) { "6" } else { "100" };
    let output = Command::new(env!("CARGO_BIN_EXE_kgen"))
        .arg("verify")
        .args(&files)
        .args(["--on", "cpu", "--cases", cases, "--format", "json"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), files.len(), "{text}");
    let wanted: BTreeMap<&str, &str> = UNSUPPORTED.iter().copied().collect();
    let mut verified = Vec::new();
    for line in &lines {
        let name = line["op"].as_str().unwrap();
        let reason = line["reason"].as_str().unwrap();
        assert_eq!(line["failed"], 0, "{line}");
        match wanted.get(name) {
            Some(word) => {
                assert_eq!(line["passed"], 0, "{name} is supported: take it off the list");
                assert!(reason.contains(word), "{name}: {reason}");
            }
            None => {
                assert_eq!(line["passed"], line["cases"], "{name}: {reason}");
                assert!(line["worst_ratio"].as_f64().unwrap() <= 1.0, "{line}");
                verified.push(format!("{name} {}", line["passed"]));
            }
        }
    }
    assert!(output.status.success(), "{:?}", output.status);
    println!(
        "verified {}; unsupported {}",
        verified.join(", "),
        wanted.keys().copied().collect::<Vec<_>>().join(", ")
    );
}
