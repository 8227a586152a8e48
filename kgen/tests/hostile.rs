//! Artifacts that somebody has damaged or that are for others: refused with the reason, whoever is trusted.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn kgen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(args)
        .env("KGEN_CACHE", "")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .expect("kgen starts")
}

/// A compiled op in a folder of its own, with one file edited.
fn edited(name: &str, file: &str, edit: impl Fn(String) -> String) -> Output {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    let out = dir.to_str().expect("a name of ours");
    let made = kgen(&["compile", "ops/w8a8_gemv.toml", "--target", "host", "-o", out]);
    let made = PathBuf::from(String::from_utf8(made.stdout).expect("text").trim());
    let path = std::fs::read_dir(&made)
        .expect("compiled")
        .map(|f| f.expect("readable").path())
        .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(file)))
        .expect("the file is there");
    let text = std::fs::read_to_string(&path).expect("text");
    let new = edit(text.clone());
    assert_ne!(new, text, "{name}: nothing was edited");
    std::fs::write(&path, new).expect("ours");
    kgen(&["run", made.to_str().expect("ours"), "--set", "m=1", "--trust"])
}

fn refused(name: &str, output: &Output, code: i32, reason: &str) -> String {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{name}: {told}");
    assert!(told.contains(reason), "{name}: {told}");
    format!("{name} (exit {code})")
}

#[test]
fn damaged_and_foreign_artifacts_are_refused() {
    let flipped = edited("a flipped byte of code", "product_one.", |t| {
        let at = t.rfind(": ").expect("a line of code") + 2;
        let digit = if &t[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &t[..at], &t[at + 1..])
    });
    let hash = edited("a wrong hash", "manifest.toml", |t| {
        let files = t.find("[files]").expect("hashes");
        let (head, hashes) = t.split_at(files);
        let line = hashes.lines().nth(1).expect("a file").to_string();
        let wrong = format!("{}{}\"", &line[..line.len() - 65], "0".repeat(64));
        head.to_string() + &hashes.replace(&line, &wrong)
    });
    let cpu = edited("code for another CPU", "manifest.toml", |t| {
        t.replace("features = [", "features = [\"sparc-vis\", ")
    });
    let newer =
        edited("a newer format", "manifest.toml", |t| t.replacen("format = ", "format = 9", 1));
    let other = edited("another backend", "manifest.toml", |t| {
        let line =
            t.lines().find(|l| l.starts_with("backend = ")).expect("it is named").to_string();
        t.replace(&line, "backend = \"abacus\"")
    });
    let told = [
        refused("a flipped byte of code", &flipped, 3, "has BLAKE3"),
        refused("a wrong hash", &hash, 3, "the manifest says 0000"),
        refused("code for another CPU", &cpu, 4, "the CPU feature `sparc-vis`"),
        refused("a newer format", &newer, 3, "format 9"),
        refused("another backend", &other, 4, "backend `abacus`"),
    ];
    println!("refused: {}", told.join("; "));
}
