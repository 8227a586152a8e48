//! Texts of programs with what becomes of them: `tests/tile/*.tile` and `tests/machine/*.mach`.
//!
//! ```text
//! ; pass: peel, place          the passes, or `verify`
//! ; target: x86-64-v3/cranelift
//! ; schedule: prefetch = 2     keys that are not the default's, separated by commas
//! program p(..) { .. }
//! ----
//! program p(..) { .. }         the result, or the mistakes under the guilty lines
//! ```
//!
//! `KGEN_BLESS=1` writes what comes out; `cargo xtask bless` does that.

use kgen_ir::{
    diag::Report,
    machine,
    target::Target,
    tile::{self, Stage},
};
use kgen_passes::{Choice, Schedule};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const SEPARATOR: &str = "----\n";

struct Case {
    path: PathBuf,
    passes: Vec<String>,
    target: &'static Target,
    schedule: Schedule,
    head: String,
    input: String,
    expected: String,
}

fn cases(folder: &str, ending: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let all: Vec<Case> = files.into_iter().map(|path| read(path, ending)).collect();
    assert!(!all.is_empty());
    all
}

fn read(path: PathBuf, ending: &str) -> Case {
    assert_eq!(path.extension().and_then(|e| e.to_str()), Some(ending), "{}", path.display());
    let text = fs::read_to_string(&path).unwrap();
    let (text, expected) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
    let head: String =
        text.lines().take_while(|l| l.starts_with(';')).map(|l| format!("{l}\n")).collect();
    let said = |key: &str| {
        let line =
            head.lines().find_map(|l| l.strip_prefix("; ")?.strip_prefix(key)?.strip_prefix(": "));
        line.map(|l| l.trim().to_owned())
    };
    let target =
        kgen::compile::target(&said("target").unwrap_or("x86-64-v3/cranelift".into())).unwrap();
    let schedule = said("schedule").unwrap_or_default().replace(", ", "\n");
    let schedule = Schedule::parse("schedule", &schedule, &Schedule::default_for(target)).unwrap();
    let passes = said("pass").unwrap_or_else(|| panic!("{} names no pass", path.display()));
    Case {
        passes: passes.split(',').map(|p| p.trim().to_owned()).collect(),
        target,
        schedule,
        input: text[head.len()..].to_owned(),
        head,
        expected: expected.to_owned(),
        path,
    }
}

/// Compares, or writes.
fn judge(case: &Case, got: String, wrong: &mut Vec<String>) {
    if got == case.expected {
        return;
    }
    if std::env::var_os("KGEN_BLESS").is_some() {
        let whole = format!("{}{}{SEPARATOR}{got}", case.head, case.input);
        kgen_runtime::files::write(&case.path, whole.as_bytes()).unwrap();
    } else {
        wrong.push(format!("{}:\n{got}", case.path.display()));
    }
}

fn tile_result(case: &Case) -> String {
    let mut program = match tile::parse::parse(&case.input) {
        Ok(program) => program,
        Err(d) => return Report::new("input", &case.input, vec![d]).render(),
    };
    let choice = Choice { target: case.target, schedule: case.schedule.clone() };
    // As far as the kernels say they are.
    let mut stage = program.kernels.iter().map(|k| k.stage).min().unwrap_or(Stage::Built);
    for name in &case.passes {
        if let Err(errors) = tile::verify::verify(&program, stage) {
            return tile::verify::explain(&program, &errors);
        }
        if name == "verify" {
            continue;
        }
        let pass = kgen_passes::tile::PIPELINE.iter().find(|p| p.name == name);
        let pass = pass.unwrap_or_else(|| panic!("{}: no pass {name}", case.path.display()));
        program = match (pass.run)(program, &choice) {
            Ok(program) => program,
            Err(unsupported) => return format!("{unsupported}\n"),
        };
        stage = pass.stage;
    }
    if let Err(errors) = tile::verify::verify(&program, stage) {
        return tile::verify::explain(&program, &errors);
    }
    // What is printed reads back to the same.
    let text = program.to_string();
    assert_eq!(tile::parse::parse(&text).map(|p| p.to_string()), Ok(text.clone()));
    text
}

fn machine_result(case: &Case) -> String {
    let mut kernel = match machine::parse::parse(&case.input) {
        Ok(kernel) => kernel,
        Err(d) => return Report::new("input", &case.input, vec![d]).render(),
    };
    for name in &case.passes {
        if let Err(e) = machine::verify::verify(&kernel) {
            return format!("{e}\n");
        }
        if name == "verify" {
            continue;
        }
        let all = kgen_passes::machine::PIPELINE.iter().chain([&kgen_passes::machine::CHECK]);
        let pass = all.into_iter().find(|p| p.name == name);
        let pass = pass.unwrap_or_else(|| panic!("{}: no pass {name}", case.path.display()));
        kernel = match (pass.run)(kernel, case.target) {
            Ok(kernel) => kernel,
            Err(unsupported) => return format!("{unsupported}\n"),
        };
    }
    machine::verify::verify(&kernel).unwrap_or_else(|e| panic!("{}: {e}", case.path.display()));
    kernel.to_string()
}

fn covers(cases: &[Case], passes: &[&str]) {
    let tried: BTreeSet<&str> =
        cases.iter().flat_map(|c| c.passes.iter().map(String::as_str)).collect();
    for pass in passes.iter().chain(&["verify"]) {
        assert!(tried.contains(pass), "no file tries `{pass}`");
    }
}

#[test]
fn tile_passes_do_what_their_files_say() {
    let cases = cases("tile", "tile");
    covers(&cases, &kgen_passes::tile::PIPELINE.iter().map(|p| p.name).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    cases.iter().for_each(|c| judge(c, tile_result(c), &mut wrong));
    assert!(wrong.is_empty(), "`cargo xtask bless` accepts this:\n{}", wrong.join("\n"));
}

#[test]
fn machine_passes_do_what_their_files_say() {
    let cases = cases("machine", "mach");
    covers(&cases, &kgen_passes::machine::PIPELINE.iter().map(|p| p.name).collect::<Vec<_>>());
    let mut wrong = Vec::new();
    cases.iter().for_each(|c| judge(c, machine_result(c), &mut wrong));
    assert!(wrong.is_empty(), "`cargo xtask bless` accepts this:\n{}", wrong.join("\n"));
}
