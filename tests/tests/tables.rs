//! Tables of the documents are written from the rows they speak of; `cargo xtask bless` writes them anew.
//!
//! ```text
//! <!-- table targets -->
//! | target | ... |
//! <!-- end -->
//! ```

use std::{fmt::Write, fs, path::Path};

const DOCUMENTS: &[&str] = &["README.md"];

/// Its name in the documents, and its rows.
type Table = (&'static str, fn() -> String);

const TABLES: &[Table] = &[("targets", targets), ("formats", formats), ("ops", ops)];

/// The targets of the table of op files, one of each kind: it must not depend on who asks.
const JUDGES: [&str; 4] = ["x86-64-v3/native", "aarch64/cranelift", "sm70", "sm80"];

fn targets() -> String {
    let mut out = "| Target | CPU features it needs | |\n| --- | --- | --- |\n".to_string();
    for t in kgen_codegen::targets() {
        let _ = writeln!(out, "| `{}` | {} | {} |", t.name, t.features.join(" "), t.about);
    }
    out
}

fn formats() -> String {
    let mut out =
        "| Storage | Elements a block | Bits an element | Type number in GGUF |\n| --- | --- | --- | --- |\n".to_string();
    for f in kgen_ir::format::rows::all() {
        let bits = (8 * f.bytes) as f64 / f.block as f64;
        let gguf = f.gguf.map_or("none".into(), |n| n.to_string());
        let _ = writeln!(out, "| `{}` | {} | {bits} | {gguf} |", f.name, f.block);
    }
    out
}

fn ops() -> String {
    let judges = JUDGES.map(|t| kgen::compile::target(t).expect("it is in the list"));
    let mut files: Vec<_> = fs::read_dir(root().join("ops"))
        .expect("ops/ is there")
        .map(|f| f.expect("it can be read").path())
        .collect();
    files.sort();
    let heads = JUDGES.map(|t| format!(" `{t}` |")).concat();
    let mut out = format!("| File |{heads}\n| ---{} |\n", " | ---".repeat(JUDGES.len()));
    for file in files {
        let op = kgen::compile::read(&file).expect("every op file reads");
        let answers = judges.map(|target| match kgen::compile::legal(&op, target) {
            Ok(()) => " yes |".into(),
            Err(u) => format!(" not yet: {} |", u.what),
        });
        let _ = writeln!(out, "| `{}` |{}", op.name, answers.concat());
    }
    out
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The document with every table as the rows say.
fn renewed(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- table ") {
        let (name, after) = after.split_once(" -->\n").expect("a table has a name");
        let (_, after) = after.split_once("<!-- end -->").expect("a table has an end");
        let (_, table) = TABLES.iter().find(|(n, _)| *n == name).expect("a table of the list");
        let _ = write!(out, "{before}<!-- table {name} -->\n{}<!-- end -->", table());
        rest = after;
    }
    out + rest
}

#[test]
fn tables_are_what_the_rows_say() {
    for name in DOCUMENTS {
        let path = root().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let new = renewed(&text);
        if std::env::var_os("KGEN_BLESS").is_some() {
            fs::write(&path, &new).unwrap();
        }
        assert!(
            new == text || std::env::var_os("KGEN_BLESS").is_some(),
            "{name}: run `cargo xtask bless`"
        );
    }
}

#[test]
fn a_table_is_replaced() {
    let text = "a\n<!-- table formats -->\nold\n<!-- end -->\nb\n";
    let new = renewed(text);
    assert!(new.starts_with("a\n<!-- table formats -->\n| Storage |"), "{new}");
    assert!(new.ends_with("|\n<!-- end -->\nb\n") && !new.contains("old"), "{new}");
    assert_eq!(renewed(&new), new);
}
