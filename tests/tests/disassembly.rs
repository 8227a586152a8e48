//! What Cranelift makes of the shipped kernels: innermost loops, read in the listing.

use kgen::Schedule;
use kgen_runtime::driver::cranelift::{Code, Options};
use kgen_tests::listings::innermost;
use std::path::Path;

/// The listings are of code for this CPU, which may do more.
const TARGET: &str = "x86-64-v3-vnni/cranelift";

/// Name, listing, dots and multiply-adds of each kernel of `ops/NAME.toml`.
fn listings(name: &str) -> Vec<(String, String, usize, usize)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ops/{name}.toml"));
    let op = kgen::compile::read(&file).unwrap();
    let target = kgen::compile::target(TARGET).unwrap();
    let compiled = kgen::compile::compile(&op, target, &Schedule::default_for(target)).unwrap();
    let options = Options { verify: true, disassembly: true };
    let mut out = Vec::new();
    for (kernel, machine) in compiled.artifact.manifest.kernels.iter().zip(&compiled.kernels) {
        let code = Code::compile_with(&compiled.artifact.files[&kernel.file], options).unwrap();
        let text = machine.to_string();
        let count = |op: &str| text.matches(&format!(" = {op} ")).count();
        let listing = code.disassembly(&kernel.entry).unwrap().to_owned();
        out.push((kernel.name.clone(), listing, count("dot.u8s8"), count("fma")));
    }
    out
}

fn has(lines: &[&str], word: &str) -> usize {
    lines.iter().filter(|l| l.contains(word)).count()
}

/// Vectors that go to the stack or come from it.
fn spilled(lines: &[&str]) -> usize {
    lines.iter().filter(|l| l.contains("%xmm") && l.contains("(%rsp)")).count()
}

fn vnni() -> bool {
    let target = kgen::compile::target(TARGET).unwrap();
    let is = target.features.iter().all(|f| kgen_runtime::device::has(f));
    if !is {
        println!("SKIPPED: this CPU is no x86-64 with byte dot products");
    }
    is
}

/// As [`SPILLED`], for two rows of activations: eight sums of integers and eight of floats fill all 16 registers.
const PRODUCT_SPILLED: usize = 24;

#[test]
fn products_are_folded_and_keep_off_the_stack() {
    if !vnni() {
        return;
    }
    for (name, listing, dots, _) in listings("w4a8_gemv") {
        if !name.starts_with("product") {
            continue;
        }
        // Each dot of the machine kernel is one instruction.
        assert_eq!(listing.matches("vpdpbusd").count(), dots, "{name}");
        let loops = innermost(&listing);
        let products: Vec<_> = loops.iter().filter(|l| has(l, "vpdpbusd") > 0).collect();
        assert!(!products.is_empty(), "{name}: {}", loops.len());
        for lines in products {
            assert_eq!(has(lines, "call"), 0, "{name}");
            let (all, count) = (lines.len(), spilled(lines));
            println!("{name}: {all} instructions, {count} of them to or from the stack");
            let allowed = if name == "product_one" { 0 } else { PRODUCT_SPILLED };
            assert!(count <= allowed, "{name}: {}", lines.join("\n"));
        }
    }
}

/// Vector moves to and from the stack in the worst loop of an attention kernel, today: that over values, eight keys
/// long. Eight sums, a pair of halves and constants fill 16 registers; the weights of the keys come on top, and
/// Cranelift's multiply-add overwrites an operand, so copies do. Products with keys have next to none.
const SPILLED: usize = 66;

#[test]
fn attention_multiplies_and_adds_in_one() {
    if !vnni() {
        return;
    }
    for (name, listing, _, fmas) in listings("flash_decode") {
        assert_eq!(listing.matches("vfmadd").count(), fmas, "{name}");
        let loops = innermost(&listing);
        let products: Vec<_> = loops.iter().filter(|l| has(l, "vfmadd") >= 8).collect();
        assert!(name == "merge" || products.len() >= 2, "{name}");
        for lines in products {
            assert_eq!(has(lines, "call"), 0, "{name}");
            let count = spilled(lines);
            println!("{name}: {} instructions, {count} of them to or from the stack", lines.len());
            assert!(count <= SPILLED, "{name}: {count}\n{}", lines.join("\n"));
        }
    }
}
