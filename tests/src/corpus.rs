//! The files of `tests/cases/`, read.
//!
//! ```toml
//! # What the case shows, in a sentence.
//! schedule = "keys = 16, split = 32"      # keys that are not the default's; tile edges of the sizes below
//! set = ["b=2", "m=1,2", "n=0,15,16,17"]  # sizes, as `kgen run --set` reads them
//! inputs = ["normal", "peaked scores"]    # families of inputs; all of them unless said
//! unsupported = true                      # engines may refuse it; the reason is printed
//! op = '''
//! op = "attention"
//! q = { dtype = "$dtype", .. }
//! '''
//! [each]                                  # one op for each combination
//! dtype = ["f32", "f16"]
//! ```

use kgen::{Schedule, compile, sweep};
use kgen_ir::{
    extent::Dims,
    op::{self, Op},
    target::Target,
};
use kgen_runtime::driver::DRIVERS;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A file of the corpus, read.
pub struct Case {
    pub name: String,
    pub schedule: String,
    pub ops: Vec<Op>,
    pub sizes: Vec<Dims>,
    /// Empty: all.
    pub inputs: Vec<String>,
    pub unsupported: bool,
}

impl Case {
    /// Its schedule for a target.
    pub fn schedule(&self, target: &Target) -> Schedule {
        let base = Schedule::default_for(target);
        let schedule = Schedule::parse(&self.name, &self.schedule, &base);
        schedule.unwrap_or_else(|e| panic!("{e}"))
    }
}

/// Of each backend and width of vectors one target, if possible one that this CPU can run.
pub fn targets() -> &'static [&'static Target] {
    static ALL: OnceLock<Vec<&Target>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut list: Vec<&'static Target> = Vec::new();
        let able = |t: &&Target| t.features.iter().all(|f| kgen_runtime::device::has(f));
        let (can, cannot): (Vec<_>, Vec<_>) = compile::targets().into_iter().partition(able);
        // GPUs have tests of their own, in the simulator; backends may be left out of a build.
        let built = |t: &&Target| DRIVERS.iter().any(|d| d.name() == t.backend);
        let all = can.into_iter().chain(cannot).filter(built);
        for target in all {
            if !list.iter().any(|t| (t.backend, t.lanes) == (target.backend, target.lanes)) {
                list.push(target);
            }
        }
        list
    })
}

/// Workers of every engine that has some.
pub const WORKERS: usize = 3;

/// The files whose names begin with `kind`.
pub fn cases(kind: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let named = |p: &&PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(kind));
    files.iter().filter(named).map(|p| read(p)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let file: toml::Table = text.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
    let known = ["schedule", "set", "inputs", "unsupported", "op", "each"];
    if let Some(key) = file.keys().find(|k| !known.contains(&k.as_str())) {
        panic!("{name}: unknown key `{key}`");
    }
    let list = |v: Option<&toml::Value>| -> Vec<String> {
        let items = v.map_or(&[][..], |v| v.as_array().unwrap_or_else(|| panic!("{name}: {v}")));
        items.iter().map(|x| x.as_str().map_or_else(|| x.to_string(), str::to_owned)).collect()
    };
    let mut texts = vec![file["op"].as_str().unwrap().to_owned()];
    for (word, values) in file.get("each").and_then(|e| e.as_table()).into_iter().flatten() {
        let values = list(Some(values));
        let with = |t: String| values.iter().map(|v| t.replace(&format!("${word}"), v)).collect();
        texts = texts.into_iter().flat_map::<Vec<String>, _>(with).collect();
    }
    let ops = texts.iter().map(|t| op::read::read(&name, t).unwrap_or_else(|e| panic!("{e}")));
    let settings =
        sweep::parse_all(&list(file.get("set"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    let sizes = sweep::cases(&settings).into_iter().map(|values| {
        let mut dims = Dims { cores: WORKERS as i64, ..Dims::default() };
        for (symbol, value) in values {
            match value {
                sweep::Value::One(x) => drop(dims.scalars.insert(symbol, x)),
                sweep::Value::Ragged(list) => drop(dims.ragged.insert(symbol, list)),
            }
        }
        dims
    });
    Case {
        schedule: file.get("schedule").map_or("", |s| s.as_str().unwrap()).replace(", ", "\n"),
        ops: ops.collect(),
        sizes: sizes.collect(),
        inputs: list(file.get("inputs")),
        unsupported: file.get("unsupported").is_some_and(|x| x.as_bool().unwrap()),
        name,
    }
}
