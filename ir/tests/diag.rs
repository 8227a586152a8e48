//! Mistakes in op files and the reports they give: `tests/diag/X.toml` and `X.txt`.

use std::{collections::BTreeSet, fs, path::PathBuf};

#[test]
fn every_mistake_is_reported_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/diag");
    let bless = std::env::var_os("KGEN_BLESS").is_some();
    let mut wrong = Vec::new();
    let (mut inputs, mut reports) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        match path.extension().and_then(|e| e.to_str()) {
            Some("toml") => inputs.insert(stem),
            Some("txt") => reports.insert(stem),
            _ => panic!("{} is neither input nor report", path.display()),
        };
    }
    for name in &inputs {
        let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        let Err(report) = kgen_ir::op::read::read(&format!("{name}.toml"), &text) else {
            wrong.push(format!("{name}.toml has no mistake"));
            continue;
        };
        let found = report.render();
        let file = folder.join(format!("{name}.txt"));
        if bless {
            fs::write(&file, &found).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != found {
            wrong.push(format!("{name}.txt differs from the report:\n{found}"));
        }
    }
    wrong.extend(reports.difference(&inputs).map(|name| format!("{name}.txt has no {name}.toml")));
    assert!(
        wrong.is_empty(),
        "{}\nif the reports are right: KGEN_BLESS=1 cargo test -p kgen-ir --test diag",
        wrong.join("\n")
    );
}

#[test]
fn five_mistakes_come_in_one_run() {
    let text = include_str!("../../tests/diag/five.toml");
    let report = kgen_ir::op::read::read("five.toml", text).unwrap_err();
    assert_eq!(report.list.len(), 5, "{report}");
}
