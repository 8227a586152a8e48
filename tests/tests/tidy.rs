//! The invariants of ARCHITECTURE.md, checked on manifests and sources.
//!
//! Shipped code is what is left of a source without comments and without what only tests compile.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Each crate and the crates of this workspace it may need outside its tests.
const CRATES: &[(&str, &[&str])] = &[
    ("kgen-ir", &[]),
    ("kgen-passes", &["kgen-ir"]),
    ("kgen-codegen", &["kgen-ir", "kgen-passes"]),
    ("kgen-sim", &[]),
    ("kgen-runtime", &["kgen-ir", "kgen-sim"]),
    ("kgen-kernels-ref", &["kgen-ir"]),
    (
        "kgen-compiler",
        &["kgen-codegen", "kgen-ir", "kgen-kernels-ref", "kgen-passes", "kgen-runtime", "kgen-sim"],
    ),
    ("kgen-benches", &["kgen-codegen", "kgen-compiler", "kgen-ir", "kgen-passes", "kgen-runtime"]),
    ("xtask", &["kgen-codegen", "kgen-ir", "kgen-runtime"]),
    (
        "kgen-tests",
        &[
            "kgen-codegen",
            "kgen-compiler",
            "kgen-ir",
            "kgen-kernels-ref",
            "kgen-passes",
            "kgen-runtime",
            "kgen-sim",
        ],
    ),
];

/// The folders below `kgen/`.
const BELOW: &[&str] = &["ir/", "passes/", "codegen/", "sim/", "runtime/", "kernels-ref/"];

/// The files that may say `unsafe`, with the reason.
const UNSAFE: &[(&str, &str)] = &[
    ("runtime/src/buffer/fence.rs", "takes access from pages, and lends those between"),
    ("benches/rivals/ggml/src/main.rs", "calls ggml"),
    ("benches/src/probe.rs", "runs compiled code"),
    ("kgen/examples/launch.rs", "calls the GPU's driver as a foreign host"),
    ("tests/tests/placed.rs", "binds memory it owns"),
    ("runtime/src/decode/step.rs", "binds weights and memory of the decoder"),
    ("runtime/src/driver/mod.rs", "the call into compiled code"),
    ("runtime/src/driver/clif.rs", "the same, for Cranelift"),
    ("runtime/src/driver/cranelift.rs", "compiles, calls and frees code"),
    ("runtime/src/driver/llvm.rs", "links, calls and frees code"),
    ("runtime/src/driver/native.rs", "calls code that it maps"),
    ("runtime/src/driver/cuda/api.rs", "finds the functions of a library and calls one"),
    ("runtime/src/driver/cuda/mod.rs", "calls the GPU's driver"),
    ("runtime/src/driver/cuda/tests.rs", "the same"),
    ("runtime/src/driver/cuda/work.rs", "the same"),
    ("runtime/src/driver/hint.rs", "one instruction, which changes nothing"),
    ("runtime/src/driver/tiles.rs", "a system call"),
    ("runtime/src/driver/fake.rs", "Rust functions in place of compiled code"),
    ("runtime/src/files/mod.rs", "maps files"),
    ("runtime/src/plan/device.rs", "copies the caller's memory to a device and back"),
    ("runtime/src/plan/bind.rs", "binds the caller's memory"),
    ("runtime/src/plan/check.rs", "reads index tensors in it"),
    ("runtime/src/plan/run.rs", "calls kernels on it"),
    ("runtime/src/plan/tests.rs", "kernels on raw arguments, an allocator that counts"),
    ("runtime/src/pool.rs", "lends a job to the workers"),
    ("runtime/src/tensors.rs", "binds memory it owns"),
    ("tests/src/reference_kernels.rs", "Rust functions in place of compiled code"),
    ("tests/tests/llvm/main.rs", "runs compiled code"),
    ("tests/tests/llvm/tiles.rs", "does at a signal what the CPU does not know"),
    ("tests/tests/machine.rs", "the same"),
    ("tests/tests/native/main.rs", "the same"),
    ("tests/tests/native/memory.rs", "the same, at the end of a page"),
];

#[test]
fn crates_depend_downwards() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| text(p, "name")).collect();
    let table: BTreeMap<&str, &[&str]> = CRATES.iter().copied().collect();
    assert_eq!(
        ours,
        table.keys().copied().collect(),
        "the table lists the crates of the workspace"
    );
    let mut bad = vec![];
    for package in &packages {
        let name = text(package, "name");
        for needed in dependencies(package).filter(|d| ours.contains(d)) {
            if !table[name].contains(&needed) {
                bad.push(format!("{name} needs {needed}"));
            }
        }
    }
    none(&bad, "crates depend downwards only");
}

#[test]
fn the_build_needs_cargo_alone() {
    let mut bad = vec![];
    for package in packages() {
        let name = text(&package, "name");
        if !package["links"].is_null() {
            bad.push(format!("{name} links {}", package["links"]));
        }
        for target in package["targets"].as_array().unwrap() {
            if target["kind"].as_array().unwrap().iter().any(|k| k == "custom-build") {
                bad.push(format!("{name} has a build script"));
            }
        }
    }
    none(&bad, "no build script, no system library");
}

#[test]
fn every_crate_has_the_lints() {
    let root: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let lints = &root["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("deny"));
    assert!(lints["clippy"].get("wildcard_enum_match_arm").is_some());
    let mut bad = vec![];
    for package in packages() {
        let manifest: toml::Table =
            read(Path::new(text(&package, "manifest_path"))).parse().unwrap();
        let inherits = manifest.get("lints").and_then(|l| l.get("workspace"));
        if inherits.and_then(toml::Value::as_bool) != Some(true) {
            bad.push(text(&package, "name").to_string());
        }
    }
    none(&bad, "`[lints] workspace = true`");
    let bad = find(|_| true, |line| line.contains("allow(clippy::wildcard_enum_match_arm"));
    none(&bad, "no `_` arm over our own enums");
}

#[test]
fn ir_and_passes_name_no_target() {
    let bad = find(|path| path.starts_with("ir/") || path.starts_with("passes/"), names_target);
    none(&bad, "targets arrive as values; what is special about one belongs into codegen");
}

/// A word that only somebody who thinks of one device would write.
fn names_target(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "x86",
        "amd64",
        "aarch64",
        "arm64",
        "sse",
        "neon",
        "vnni",
        "amx",
        "sve",
        "cuda",
        "nvidia",
        "ptx",
        "opencl",
        "ascend",
        "cranelift",
        "clif",
        "llvm",
        "mlir",
    ];
    line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).any(|w| {
        let chip = w
            .strip_prefix("sm")
            .is_some_and(|n| n.len() > 1 && n.starts_with(|c: char| c.is_ascii_digit()));
        chip || w.starts_with("avx") || WORDS.contains(&w.as_str())
    })
}

#[test]
fn codegen_is_pure() {
    let packages = packages();
    let codegen = packages.iter().find(|p| text(p, "name") == "kgen-codegen").unwrap();
    // An encoder: a function from data to data.
    let pure = ["iced-x86"];
    let foreign: Vec<_> =
        dependencies(codegen).filter(|d| !d.starts_with("kgen-") && !pure.contains(d)).collect();
    assert!(foreign.is_empty(), "codegen needs {foreign:?}");
    let outside =
        ["std::fs", "std::io", "std::net", "std::process", "std::os", "std::path", "extern \"C\""];
    let bad =
        find(|path| path.starts_with("codegen/"), |line| outside.iter().any(|o| line.contains(o)));
    none(&bad, "codegen turns a kernel into text and does nothing else");
}

#[test]
fn the_reference_shares_no_formula() {
    let judged = ["artifact::", "format::", "layout::", "machine::", "tile::"];
    let bad = find(
        |path| path.starts_with("kernels-ref/"),
        |line| judged.iter().any(|m| line.contains(m)),
    );
    none(&bad, "the reference computes from the op alone");
}

#[test]
fn nothing_below_kgen_reads_the_environment() {
    let below = |path: &str| BELOW.iter().any(|folder| path.starts_with(folder));
    none(&find(below, reads_environment), "what a crate needs to know is an argument");
}

fn reads_environment(line: &str) -> bool {
    let words: Vec<_> = words(line).collect();
    let imported = line.contains("use std") && words.contains(&"env");
    imported
        || words.contains(&"option_env")
        || line.contains("std::env")
        || line.contains(" env::")
}

#[test]
fn unsafe_stands_in_listed_files() {
    let mut bad = vec![];
    let mut found = BTreeSet::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (n, code) in lines.iter().enumerate().map(|(n, line)| (n, uncommented(line))) {
            let mut words = words(&code).skip_while(|w| !matches!(*w, "unsafe" | "unsafe_code"));
            let Some(word) = words.next() else { continue };
            found.insert(source.path.clone());
            if !UNSAFE.iter().any(|(path, _)| *path == source.path) {
                bad.push(place(&source.path, n, lines[n]));
            }
            // What an `unsafe fn` asks of its callers is in its documentation.
            let promises = word == "unsafe" && !matches!(words.next(), Some("fn" | "extern"));
            let reason = lines[n.saturating_sub(5)..=n].iter().any(|l| l.contains("SAFETY:"));
            if promises && !reason && source.shipped.iter().any(|(line, _)| *line == n) {
                bad.push(format!("{} without `SAFETY:`", place(&source.path, n, lines[n])));
            }
        }
    }
    none(&bad, "unsafe stands in listed files, with its reason");
    let stale: Vec<_> = UNSAFE.iter().filter(|(path, _)| !found.contains(*path)).collect();
    assert!(stale.is_empty(), "listed without need: {stale:?}");
}

#[test]
fn no_machine_paths() {
    const FOLDERS: &[&str] = &["work", "root", "home", "tmp"];
    // Where the profiler looks, on every machine.
    const FIXED: &[(&str, &str)] = &[("runtime/src/driver/native.rs", "perf-")];
    let mut bad = vec![];
    for path in files() {
        let name = relative(&path);
        let sort = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !matches!(sort, "rs" | "toml" | "md" | "py" | "txt") || name.contains("tests/") {
            continue;
        }
        for (n, line) in read(&path).lines().enumerate() {
            let fixed = FIXED.iter().any(|(file, what)| *file == name && line.contains(what));
            if !fixed && FOLDERS.iter().any(|f| line.contains(&format!("/{f}/"))) {
                bad.push(place(&name, n, line));
            }
        }
    }
    none(&bad, "no path of somebody's machine");
}

#[test]
fn nothing_is_left_to_do() {
    const MARKS: &[&str] = &["todo!", "unimplemented!", "dbg!", "TODO", "FIXME", "XXX"];
    let mut bad = vec![];
    for source in sources() {
        for (n, line) in source.text.lines().enumerate() {
            if MARKS.iter().any(|mark| line.contains(mark)) {
                bad.push(place(&source.path, n, line));
            }
        }
    }
    none(&bad, "what is here is finished");
}

#[test]
fn every_op_file_reads() {
    let mut count = 0;
    for path in files().iter().filter(|p| relative(p).starts_with("ops/")) {
        let op = kgen_ir::op::read::read(&relative(path), &read(path))
            .unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(Some(op.name.as_str()), path.file_stem().and_then(|s| s.to_str()));
        count += 1;
    }
    assert!(count >= 16, "{count} files in ops/");
}

#[test]
fn the_checks_see_what_they_look_for() {
    for line in [
        "if target == \"sm80\"",
        "fn has_avx512()",
        "x86_64",
        "use cranelift_reader",
        "Arch::Aarch64",
    ] {
        assert!(names_target(line), "{line}");
    }
    for line in ["smooth", "sm", "sm1", "max86", "let lanes = target.lanes"] {
        assert!(!names_target(line), "{line}");
    }
    for line in [
        "std::env::var(\"X\")",
        "use std::{env, fs};",
        "let x = env::args();",
        "option_env!(\"X\")",
    ] {
        assert!(reads_environment(line), "{line}");
    }
    assert!(
        !reads_environment("env!(\"CARGO_PKG_VERSION\")")
            && !reads_environment("let env = scope();")
    );
    assert_eq!(uncommented("let a = \"//\"; // b"), "let a = \"//\"; ");
    assert_eq!(uncommented("    /// avx"), "    ");
    assert_eq!(uncommented("'\"' // c"), "'\"' ");
    let text = "a();\n#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\nb();\n#[cfg(test)]\nmod more {\n    c();\n}\n\
                d();\n#[cfg(test)]\npub mod fake;\n";
    let (shipped, modules) = split("m/x.rs", text);
    assert_eq!(
        shipped.iter().map(|(n, l)| (*n, l.as_str())).collect::<Vec<_>>(),
        [(0, "a();"), (4, "b();"), (9, "d();")]
    );
    assert_eq!(modules, ["m/x_tests.rs", "m/x/fake.rs", "m/x/fake/"]);
    assert_eq!(split("m/mod.rs", "#[cfg(test)]\nmod tests;\n").1, ["m/tests.rs", "m/tests/"]);
}

/// A Rust source of the workspace.
struct Source {
    path: String,
    text: String,
    /// Shipped code: number of the line, from 0, and the line without its comment.
    shipped: Vec<(usize, String)>,
}

/// All sources but this one, which spells out what it forbids.
fn sources() -> Vec<Source> {
    let mut all = vec![];
    let mut modules = vec![];
    for path in files().iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let (path, text) = (relative(path), read(path));
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        let (shipped, found) = split(&path, &text);
        modules.extend(found);
        all.push(Source { path, text, shipped });
    }
    for source in &mut all {
        let of_tests = modules
            .iter()
            .any(|m| source.path == *m || m.ends_with('/') && source.path.starts_with(m));
        let folder = ["/tests/", "/examples/", "/benches/"].iter().any(|f| source.path.contains(f));
        if of_tests || folder {
            source.shipped.clear();
        }
    }
    assert!(all.len() > 50, "{} sources", all.len());
    all
}

/// The shipped lines of a source, and the files (or folders, with `/`) of the modules that only tests compile.
fn split(path: &str, text: &str) -> (Vec<(usize, String)>, Vec<String>) {
    let (folder, file) = path.rsplit_once('/').unwrap();
    let stem = file.trim_end_matches(".rs");
    let children = match stem {
        "mod" | "lib" | "main" => folder.to_string(),
        _ => format!("{folder}/{stem}"),
    };
    let (mut shipped, mut modules) = (vec![], vec![]);
    let mut lines = text.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            shipped.push((n, uncommented(line)));
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut given = None;
        let item = lines.by_ref().map(|(_, l)| l).find(|l| {
            let attribute =
                l.trim().strip_prefix("#[path = \"").and_then(|p| p.strip_suffix("\"]"));
            given = given.take().or(attribute.map(|p| format!("{folder}/{p}")));
            !l.trim().starts_with("#[")
        });
        let item = item.unwrap_or_default().trim();
        let module = item.strip_suffix(';').and_then(|i| i.split("mod ").nth(1));
        match (module, given) {
            (Some(_), Some(path)) => modules.push(path),
            (Some(name), None) => {
                modules.extend([format!("{children}/{name}.rs"), format!("{children}/{name}/")])
            }
            (None, _) if item.ends_with([';', '}']) => {}
            (None, _) => {
                let closes =
                    |l: &str| l.strip_prefix(indent).is_some_and(|l| l == "}" || l == "};");
                let _ = lines.by_ref().find(|(_, l)| closes(l));
            }
        }
    }
    (shipped, modules)
}

/// A line up to its `//`, unless that is in a string.
fn uncommented(line: &str) -> String {
    let (mut quoted, mut last) = (false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            '"' if last != '\\' && !(last == '\'' && line[at + 1..].starts_with('\'')) => {
                quoted = !quoted
            }
            '/' if !quoted && last == '/' => return line[..at - 1].to_string(),
            _ => {}
        }
        last = if last == '\\' { ' ' } else { c };
    }
    line.to_string()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty())
}

/// The places in shipped code of files that `of` accepts whose line is `bad`.
fn find(of: impl Fn(&str) -> bool, bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = vec![];
    for source in sources().iter().filter(|s| of(&s.path)) {
        places.extend(
            source.shipped.iter().filter(|(_, l)| bad(l)).map(|(n, l)| place(&source.path, *n, l)),
        );
    }
    places
}

fn place(path: &str, line: usize, text: &str) -> String {
    format!("{path}:{}: {}", line + 1, text.trim())
}

fn none(bad: &[String], rule: &str) {
    assert!(bad.is_empty(), "{rule}, but:\n{}", bad.join("\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All files below the root, hidden ones and build output left out.
fn files() -> Vec<PathBuf> {
    let mut files = vec![];
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|e| e.unwrap()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let run = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: Value = serde_json::from_slice(&run.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Names of what a package needs outside its tests.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().filter(|d| d["kind"] != "dev").map(|d| text(d, "name"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("`{key}` of {value}"))
}
