//! AMX by LLVM, on any machine: what its code generator makes of the rows and of products, as its disassembler reads it.

use super::emitted;
use kgen::{Schedule, compile};
use kgen_ir::{
    machine::{Op, Row},
    op::read,
    target::Target,
};
use kgen_runtime::driver::llvm::{System, object};
use kgen_tests::machine_programs::kernel;
use std::{fs, process::Command, time::Instant};

fn target() -> &'static Target {
    compile::target("x86-64-amx/llvm").unwrap_or_else(|e| panic!("{e}"))
}

/// The instructions of a text's object; `None` where nobody reads them.
fn listing(text: &str) -> Option<String> {
    let start = Instant::now();
    let bytes = object(&[text], "", System::Named).unwrap_or_else(|e| panic!("{e}\n{text}"));
    println!("{} lines compiled in {:?}", text.lines().count(), start.elapsed());
    let number = start.elapsed().as_nanos();
    let path = std::env::temp_dir().join(format!("kgen-amx-{}-{number}.o", std::process::id()));
    fs::write(&path, bytes).expect("a file");
    let said =
        Command::new("llvm-objdump-19").args(["-d", "--no-show-raw-insn"]).arg(&path).output();
    let _ = fs::remove_file(&path);
    match said {
        Ok(said) => Some(String::from_utf8_lossy(&said.stdout).into_owned()),
        Err(_) => {
            println!("SKIPPED: llvm-objdump-19 is not installed (Debian: apt-get install llvm-19)");
            None
        }
    }
}

/// The name of the instruction that a row asks for.
fn mnemonic(row: &Row) -> Option<&str> {
    let name = row.text.split("@llvm.x86.").nth(1)?.split('.').next()?;
    let name = name.strip_suffix("64").unwrap_or(name);
    name.starts_with("t").then_some(name)
}

#[test]
fn each_row_of_tiles_is_its_instruction() {
    for row in target().rows {
        let Op::Mma(mma) = row.op else { continue };
        let class = if mma.c == kgen_ir::dtype::Dtype::F32 { "f" } else { "w" };
        let (words, left) = (mma.words[1], if mma.short_rows() { "half" } else { "load" });
        let k = kernel(&format!(
            "machine t lanes 16 {{ slot 0 = pointer x x = arg 0 : i
             a = rows.{left}.16 [x + 0], 128 : w16 b = rows.load.{words} [x + 4096], 64 : w{words}
             z = rows.zero.16 : {class}16 d = mma.{} a, b, z : {class}16
             c = rows.load.16 [x + 8192], 64 : {class}16 e = mma.{} a, b, c : {class}16
             rows.store.16 [x + 8192], d, 64 rows.store.16 [x + 9216], e, 64 }}",
            mma.name, mma.name
        ));
        let Some(listing) = listing(&emitted(&k, target())) else { return };
        let name = mnemonic(row).unwrap_or_else(|| panic!("{}", row.text));
        let count = |word: &str| listing.split_whitespace().filter(|w| *w == word).count();
        let found =
            ["ldtilecfg", "tileloadd", "tilezero", name, "tilestored", "tilerelease"].map(count);
        assert_eq!(found, [1, 3, 1, 2, 2, 1], "{}\n{listing}", mma.name);
    }
}

/// Nothing goes through memory but what the kernel says, and products have the shape of their groups.
#[test]
fn products_keep_their_tiles_in_registers() {
    for (operands, name) in [
        ("n = 4096\nk = 4096\na = \"f32\"\nw = \"q8_0\"", "tdpbsud"),
        ("n = 4096\nk = 4096\na = \"f32\"\nw = \"q4_0\"", "tdpbsud"),
        (
            "n = 1040\nk = 4096\na = { format = \"int8\", per = \"token\", scale = \"f32\" }\nw = { format = \"int8\", per = \"row\", scale = \"f32\" }\nbias = true",
            "tdpbsud",
        ),
        ("n = 512\nk = 1000\na = \"bf16\"\nw = \"bf16\"", "tdpbf16ps"),
    ] {
        let text = format!("op = \"mpgemm\"\nname = \"t\"\nm = \"m\"\n{operands}\nout = \"f32\"\n");
        let op = read::read("t", &text).unwrap_or_else(|e| panic!("{e}"));
        let made = compile::compile(&op, target(), &Schedule::default_for(target()));
        let files = made.unwrap_or_else(|e| panic!("{e}")).artifact.files;
        let (_, text) = files.iter().find(|(file, _)| file.contains("tiles")).expect("a kernel");
        let Some(listing) = listing(text) else { return };
        for (word, call) in [
            ("tileloadd", "tileloadd64"),
            ("tilestored", "tilestored64"),
            ("tilezero", "tilezero"),
            (name, name),
        ] {
            let found = listing.split_whitespace().filter(|w| *w == word).count();
            let asked = text.matches(&format!("@llvm.x86.{call}.internal")).count();
            assert_eq!(found, asked, "{word}\n{operands}\n{listing}");
        }
        assert!(text.contains(&format!("@llvm.x86.{name}.")), "{operands}");
    }
}
