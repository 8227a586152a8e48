//! The encodings as another disassembler reads them.

use super::{emitted, lower, programs::shipped};
use kgen_codegen::cpu::targets::NATIVE;
use kgen_ir::{
    machine::{print::MNEMONICS, *},
    target::Target,
};
use kgen_tests::machine_programs::*;
use std::{collections::BTreeMap, fmt::Write};

/// Words and numbers of a line of assembly in the fashion of Intel: mnemonic, registers, then numbers. What only one of
/// the two disassemblers says is left out.
fn words_of(line: &str) -> (Vec<String>, Vec<i64>) {
    const SIZES: &[&str] =
        &["byte", "word", "dword", "qword", "xmmword", "ymmword", "zmmword", "ptr"];
    let (mut words, mut numbers) = (Vec::new(), Vec::new());
    let mut sign = 1;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()).max(1);
        let (token, after) = rest.split_at(end);
        let hex = token.strip_suffix('h').and_then(|t| u64::from_str_radix(t, 16).ok());
        if let Some(x) = hex.or_else(|| token.parse().ok()).filter(|_| c.is_ascii_digit()) {
            numbers.push(sign * x as i64);
        } else if token == "bcst" || token.starts_with("1to") {
            words.push("bcst".into());
        } else if token.len() > 1 && !SIZES.contains(&token) {
            words.push(token.into());
        }
        sign = if token == "-" {
            -1
        } else if token == " " {
            sign
        } else {
            1
        };
        rest = after;
    }
    // Said before the address by one, behind it by the other.
    words.sort_by_key(|w: &String| w == "bcst");
    // Nobody can tell the two apart.
    if let ["xchg", ..] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        words.sort();
    }
    numbers.retain(|x| *x != 1 && *x != 0); // a scale or an offset that need not be said
    numbers.sort_unstable();
    (words, numbers)
}

/// Rows that touch the memory of some lanes.
fn some_lanes(target: &Target) -> Vec<Kernel> {
    let widths = [Width::W32, Width::U16, Width::S16, Width::U8, Width::S8];
    let has = |w: &Width| target.row(&Op::LoadPart(*w)).is_some();
    let mut text = String::new();
    for (i, w) in widths.into_iter().filter(has).enumerate() {
        let (load, store) = (Op::LoadPart(w), Op::StorePart(w));
        let _ =
            writeln!(text, "a{i} = {load} [x + {i}], {i} : w {store} [x + {}], a{i}, {i}", 64 * i);
    }
    let lanes = target.lanes;
    vec![kernel(&format!(
        "machine some lanes {lanes} {{ slot 0 = pointer x x = arg 0 : i {text}
         g = gather.w32 [x + 5], a0 : w h = gather.w32 [x + 64], g : f store.w32 [x + 0], h }}"
    ))]
}

/// The encodings as LLVM's disassembler reads them.
#[test]
fn another_disassembler_reads_the_same() {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for target in NATIVE {
        let mut kernels: Vec<Kernel> = (0..60)
            .map(|seed| {
                lower(&kernel(&program(seed, target.lanes, 40 * (seed as usize % 2))), target)
            })
            .collect();
        for name in ["flash_decode.toml", "w4a8_gemv.toml"] {
            kernels.extend(shipped(name, target).expect("kernels"));
        }
        kernels.extend(some_lanes(target));
        for (_, op) in MNEMONICS.iter().filter(|(_, op)| !optional(op) || target.row(op).is_some())
        {
            let signature = op.signature();
            let lanes = signature.def.iter().filter(|d| **d != Class::Int && !signature.mem);
            kernels.extend(lanes.map(|d| lower(&over_arrays(op, *d, 1, target.lanes), target)));
        }
        for k in kernels {
            for line in emitted(&k, target).text.lines().skip(1) {
                let (_, rest) = line.split_once(": ").expect("an offset");
                let (hex, text) = rest.split_once(' ').expect("text");
                let skip = ["nop", "constant", "j", "["].map(|s| text.trim().starts_with(s));
                // Constants stand at addresses that depend on the place of the code.
                if skip == [false; 4] && !text.contains("[0") && !pool(text) {
                    lines.insert(hex.into(), text.trim().into());
                }
            }
        }
    }
    let dir = std::env::temp_dir().join(format!("kgen-llvm-{}", std::process::id()));
    let pairs = |hex: &str| -> String {
        hex.as_bytes().chunks(2).map(|p| format!("0x{} ", String::from_utf8_lossy(p))).collect()
    };
    let input: String = lines.keys().map(|hex| pairs(hex) + "\n").collect();
    std::fs::write(&dir, input).expect("a file");
    let features = "-mattr=+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512vnni,+avx512vbmi,+avx512bf16,+gfni,+avx2,+fma,+f16c,+avxvnni";
    let run = std::process::Command::new("llvm-mc")
        .args(["--disassemble", "--triple=x86_64", "--output-asm-variant=1", features])
        .arg(&dir)
        .output();
    let _ = std::fs::remove_file(&dir);
    let Ok(run) = run else {
        println!("SKIPPED: llvm-mc is not installed (Debian: apt-get install llvm)");
        return;
    };
    let text = String::from_utf8_lossy(&run.stdout).replace("lock\n", "lock ");
    let theirs: Vec<&str> =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('.')).collect();
    assert_eq!(theirs.len(), lines.len(), "{}", String::from_utf8_lossy(&run.stderr));
    for ((hex, ours), theirs) in lines.iter().zip(theirs) {
        let theirs = theirs.trim_start_matches("{vex}").split('#').next().unwrap_or_default();
        let theirs = theirs.replace('\t', " ");
        assert_eq!(words_of(ours), words_of(theirs.trim()), "{hex}: {ours}; {theirs}");
    }
    println!("{} encodings agree", lines.len());
}

/// Whether the line reads a constant behind the code.
fn pool(text: &str) -> bool {
    text.split_once('[').is_some_and(|(_, m)| m.starts_with(|c: char| c.is_ascii_digit()))
}
