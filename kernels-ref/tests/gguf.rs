//! Block decoding against the `gguf` package, which `KGEN_PYTHON` (default `python3`) must be able to import.

use kgen_kernels_ref::quant::Block;
use std::process::Command;

#[test]
fn blocks_decode_as_gguf_does() {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import numpy, gguf"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: {python} cannot import numpy and gguf");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/witness/blocks.py");
    let run = Command::new(&python).arg(script).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(text.lines().count(), 96);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let byte = |i| u8::from_str_radix(&words[1][i..i + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..words[1].len()).step_by(2).map(byte).collect();
        let mut got = Vec::new();
        Block::parse(words[0]).unwrap().decode(&bytes, &mut got);
        assert_eq!(got.len(), words.len() - 2, "{}", words[0]);
        let wanted: Vec<f64> = words[2..].iter().map(|w| w.parse().unwrap()).collect();
        // The package computes in f32, with cancellation between scale and min.
        let largest = wanted.iter().fold(0f64, |a, x| a.max(x.abs()));
        for (e, (x, y)) in got.iter().zip(&wanted).enumerate() {
            assert!((x - y).abs() <= 1e-5 * largest, "{} {e}: {x} {y}", words[0]);
        }
    }
}
