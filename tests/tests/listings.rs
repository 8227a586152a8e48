//! What the innermost loops of the shipped kernels become: which instructions, how much stack, which calls.

use kgen::{Schedule, compile};
use kgen_runtime::driver::cranelift::{Code, Options};
use std::{collections::BTreeMap, path::Path};

/// Vector moves to and from the stack that an innermost loop of a kernel has today: none may get more. There are 16
/// registers, and Cranelift copies an operand before each instruction that overwrites it, so that long bodies spill.
#[rustfmt::skip] // one kernel a row
const STACK: &[(&str, usize)] = &[
    ("attend",      18),
    ("attend_part", 22),
    ("merge",       0),
    ("product",     20), // two tokens: twice the accumulators
    ("product_one", 0),
    ("quantise",    0),
];

/// What a dot of bytes becomes where VNNI is not used.
const EMULATION: &[&str] = &["vpmaddubsw", "vpmaddwd", "vpmulld"];

struct Listing {
    kernel: String,
    clif: String,
    text: String,
}

/// Listings of all kernels of a shipped op; `None` where this CPU is not the target they are about.
fn listings(op: &str) -> Option<Vec<Listing>> {
    let target = compile::host().unwrap_or_else(|e| panic!("{e}"));
    if target.name != "x86-64-v3-vnni/cranelift" {
        println!(
            "SKIPPED: the listings of {op} are of x86-64-v3-vnni, this CPU is {}",
            target.name
        );
        return None;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ops/{op}.toml"));
    let op = compile::read(&path).unwrap_or_else(|e| panic!("{e}"));
    let compiled = compile::compile(&op, target, &Schedule::default_for(target));
    let compiled = compiled.unwrap_or_else(|e| panic!("{e}"));
    let mut all = Vec::new();
    for k in &compiled.artifact.manifest.kernels {
        let clif = compiled.artifact.files[&k.file].clone();
        let options = Options { verify: true, disassembly: true };
        let code = Code::compile_with(&clif, options).unwrap_or_else(|e| panic!("{e}"));
        let text = code.disassembly(&k.entry).expect("asked for").to_string();
        all.push(Listing { kernel: k.name.clone(), clif, text });
    }
    Some(all)
}

/// Labels in a jump: `jl label3; j label4` has two.
fn targets(line: &str) -> Vec<&str> {
    if !line.trim_start().starts_with('j') {
        return Vec::new();
    }
    line.split("label")
        .skip(1)
        .map(|s| s.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""))
        .collect()
}

/// Lines from a label to a jump back to it, with no other such span inside.
fn innermost(listing: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = listing.lines().collect();
    let mut labels = BTreeMap::new();
    let mut spans = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        if let Some(n) = line.strip_prefix("block").and_then(|l| l.strip_suffix(':')) {
            labels.insert(n, i);
        }
        spans.extend(targets(line).iter().filter_map(|t| labels.get(t)).map(|from| (*from, i)));
    }
    let around = |a: (usize, usize), b: (usize, usize)| a != b && a.0 <= b.0 && b.1 <= a.1;
    let inner = spans.iter().filter(|a| !spans.iter().any(|b| around(**a, *b)));
    inner.map(|(from, to)| lines[*from..=*to].to_vec()).collect()
}

fn count(lines: &[&str], what: &str) -> usize {
    lines.iter().filter(|l| l.contains(what)).count()
}

/// Checks stack and calls of every innermost loop and gives those that have `instruction`.
fn loops_with<'a>(listing: &'a Listing, instruction: &str) -> Vec<Vec<&'a str>> {
    let Listing { kernel, clif, text } = listing;
    let (_, most) = STACK.iter().find(|(k, _)| k == kernel).expect("a row of the kernel");
    let called = clif.lines().filter_map(|l| l.trim().strip_prefix("fn")?.split_once(" = "));
    for (_, function) in called {
        assert!(function.starts_with("%prefetch("), "{kernel} calls {function}");
    }
    let loops = innermost(text);
    let stack =
        |l: &Vec<&str>| l.iter().filter(|l| l.contains("%rsp") && l.contains("%xmm")).count();
    let worst = loops.iter().map(stack).max().unwrap_or(0);
    println!("{kernel}: {} innermost loops, stack moves of the worst: {worst}", loops.len());
    assert!(worst <= *most, "{kernel}: {worst} vector moves on the stack, at most {most} before");
    loops.into_iter().filter(|l| count(l, instruction) > 0).collect()
}

#[test]
fn loops_of_products_fold_their_dots() {
    let Some(all) = listings("w4a8_gemv") else { return };
    for listing in &all {
        let dots = loops_with(listing, "vpdpbusd");
        if !listing.kernel.starts_with("product") {
            continue;
        }
        assert!(!dots.is_empty(), "{}: no innermost loop has a dot", listing.kernel);
        let inside: usize = dots.iter().map(|l| count(l, "vpdpbusd")).sum();
        assert_eq!(inside, listing.text.matches("vpdpbusd").count(), "{}", listing.kernel);
        for body in &dots {
            for slow in EMULATION {
                assert_eq!(count(body, slow), 0, "{}: {slow}\n{body:#?}", listing.kernel);
            }
            assert_eq!(count(body, "call"), 0, "{}\n{body:#?}", listing.kernel);
        }
    }
}

#[test]
fn loops_of_attention_fuse_multiply_and_add() {
    let Some(all) = listings("flash_decode") else { return };
    for listing in &all {
        let fused = loops_with(listing, "vfmadd");
        assert!(!fused.is_empty(), "{}: no innermost loop has vfmadd", listing.kernel);
        // The scores and the weighted sum.
        let long = fused.iter().filter(|l| count(l, "vfmadd") >= 8).count();
        assert!(long >= 2 || listing.kernel == "merge", "{}: {long} long loops", listing.kernel);
        for body in &fused {
            assert_eq!(count(body, "call"), 0, "{}\n{body:#?}", listing.kernel);
        }
    }
}

#[test]
fn nested_loops_are_told_apart() {
    let text = "block1:\n  a\nblock2:\n  b\n  jl label2; j label3\nblock3:\n  jmp label1\n";
    assert_eq!(innermost(text), [["block2:", "  b", "  jl label2; j label3"]]);
}
