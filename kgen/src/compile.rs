//! From an op file to an artifact: the calls into the compiler's other crates.

use crate::{Error, header};
use kgen_ir::{
    artifact::{Artifact, Block, Contract, KernelEntry, Manifest},
    diag::{Unsupported, did_you_mean},
    machine::{self, Slot},
    op::{MpGemm, Op, print, read},
    target::Target,
    tile::{self, Program, Stage, verify},
};
use kgen_passes::{Choice, Schedule};
use kgen_runtime::cache::{Cache, CompileError};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The op of a file, or all its mistakes.
pub fn read(path: &Path) -> Result<Op, Error> {
    let name = path.display().to_string();
    let text = text_of(path)?;
    read::read(&name, &text).map_err(Error::Report)
}

/// The schedule of a file; keys it does not have stay at the target's default.
pub fn read_schedule(path: &Path, target: &Target) -> Result<Schedule, Error> {
    let text = text_of(path)?;
    let base = Schedule::default_for(target);
    Schedule::parse(&path.display().to_string(), &text, &base).map_err(Error::Report)
}

fn text_of(path: &Path) -> Result<String, Error> {
    let name = path.display().to_string();
    std::fs::read_to_string(path).map_err(|source| Error::File { path: name, source })
}

/// Every target that can be named.
pub fn targets() -> Vec<&'static Target> {
    kgen_codegen::targets().collect()
}

/// Why lookups in tables serve a product on a target, or do not though they could; an error if they cannot.
pub fn lookups(g: &MpGemm, target: &'static Target) -> Result<String, Unsupported> {
    kgen_passes::build::lookups(g, &Choice { target, schedule: Schedule::default_for(target) })
}

/// `host`, a target's name, or its name without the backend.
pub fn target(name: &str) -> Result<&'static Target, Error> {
    if name == "host" {
        return host();
    }
    let found =
        targets().into_iter().find(|t| t.name == name || t.name.split('/').next() == Some(name));
    found.ok_or_else(|| {
        let near = did_you_mean(name, targets().into_iter().map(|t| t.name));
        let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        Error::Usage(format!("no target `{name}`{hint} (`kgen targets` lists them)"))
    })
}

/// The best target that this CPU can run.
pub fn host() -> Result<&'static Target, Error> {
    best(&kgen_runtime::device::has).ok_or_else(|| {
        Error::Unavailable("no target fits this CPU; `kgen targets` tells what each needs".into())
    })
}

/// The best target for a CPU with these features, native code before Cranelift's.
fn best(has: &dyn Fn(&str) -> bool) -> Option<&'static Target> {
    targets().into_iter().find(|t| t.features.iter().all(|f| has(f)))
}

/// Whether `target` can do `op`, under its default schedule: every level but the text.
pub fn legal(op: &Op, target: &'static Target) -> Result<(), Unsupported> {
    let choice = Choice { target, schedule: Schedule::default_for(target) };
    let program = kgen_passes::optimise(kgen_passes::build(op, &choice)?, &choice)?;
    kgen_passes::lower(&program, &choice).map(|_| ())
}

/// Every level of a compiled op.
pub struct Compiled {
    pub program: Program,
    pub kernels: Vec<machine::Kernel>,
    /// How each product is computed, and why.
    pub notes: Vec<String>,
    /// What the emitter tells of the code of a kernel, if it does.
    pub code: Vec<String>,
    pub artifact: Artifact,
}

/// The name of what [`compile`] would make: a hash of all that it depends on.
pub fn key(op: &Op, target: &Target, schedule: &Schedule, accesses: Accesses) -> String {
    let rows = format!("{:?}", target.rows);
    let version = env!("CARGO_PKG_VERSION");
    let accesses = format!("{accesses:?}");
    let op = print::print(op);
    kgen_runtime::cache::key(&[&op, &schedule.print(), target.name, &rows, version, &accesses])
}

/// Whether kernels look where they read and write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accesses {
    /// As fast as can be: the plan has checked the sizes, and who gives indices answers for them.
    #[default]
    Trusted,
    /// One outside of the tensors is not done and fails the run, which says where it was. Several times slower.
    Checked,
}

/// The artifact from the cache, or compiled and kept there; whether it was compiled. Without a cache: compiled.
pub fn artifact(
    op: &Op,
    target: &'static Target,
    schedule: &Schedule,
    accesses: Accesses,
    cache: Option<&Cache>,
) -> Result<(Artifact, bool), Error> {
    let make = || compile_with(op, target, schedule, accesses).map(|c| c.artifact);
    let Some(cache) = cache else { return Ok((make()?, true)) };
    let key = key(op, target, schedule, accesses);
    match cache.get_or_compile(&key, make) {
        Ok(outcome) => {
            if let Some(note) = outcome.note {
                eprintln!("note: {note}");
            }
            Ok((outcome.artifact, outcome.compiled))
        }
        Err(CompileError::Compile(e)) => Err(e),
        Err(CompileError::Cache(e)) => Err(Error::Unavailable(e.to_string())),
    }
}

/// The folder of what this build has compiled, in [`cache_root`]. Another build of the same version may have other
/// passes: what it compiled is not looked at.
pub fn cache_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().and_then(|p| p.metadata()).ok();
    let changed = program.as_ref().and_then(|m| m.modified().ok());
    let since = changed.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let size = program.map_or(0, |m| m.len());
    let build = blake3::hash(format!("{size} {since:?}").as_bytes()).to_hex();
    cache_root().map(|root| root.join(format!("build-{}", &build[..16])))
}

/// `KGEN_CACHE`, or `kgen` in the user's folder for caches; `None` if there is neither, or if `KGEN_CACHE` is empty.
fn cache_root() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(dir) = set("KGEN_CACHE") {
        return Some(dir).filter(|d| !d.as_os_str().is_empty());
    }
    let dir = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    dir.filter(|d| d.is_absolute()).map(|d| d.join("kgen"))
}

/// How a command may use the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    Kept,
    /// What is not there is an error.
    Locked,
    Off,
}

/// The cache of this user.
pub fn open_cache(caching: Caching) -> Result<Option<Cache>, Error> {
    let locked = match caching {
        Caching::Off => return Ok(None),
        Caching::Locked => true,
        Caching::Kept => false,
    };
    let formats = kgen_ir::format::rows::find;
    // The folder above must be private, too: whoever may rename in it could put another in place of ours.
    let open = |dir: PathBuf| {
        if let Some(root) = dir.parent() {
            Cache::open(root, formats, locked)?;
        }
        Cache::open(&dir, formats, locked)
    };
    match cache_folder().map(open) {
        None if locked => {
            Err(Error::Unavailable("--locked needs a cache: set KGEN_CACHE to its folder".into()))
        }
        None => Ok(None),
        Some(Ok(cache)) => Ok(Some(cache)),
        Some(Err(e)) if locked => Err(Error::Unavailable(e.to_string())),
        Some(Err(e)) => {
            eprintln!("note: {e}; going on without it");
            Ok(None)
        }
    }
}

/// Op to artifact.
pub fn compile(op: &Op, target: &'static Target, schedule: &Schedule) -> Result<Compiled, Error> {
    compile_with(op, target, schedule, Accesses::Trusted)
}

/// As [`compile`], with checks or without.
pub fn compile_with(
    op: &Op,
    target: &'static Target,
    schedule: &Schedule,
    accesses: Accesses,
) -> Result<Compiled, Error> {
    let choice = Choice { target, schedule: schedule.clone() };
    let built = kgen_passes::build(op, &choice)?;
    let program = kgen_passes::optimise(built, &choice)?;
    if let Err(errors) = verify::verify(&program, Stage::Pipelined) {
        // Not the user's: a pass broke a rule.
        let shown = verify::explain(&program, &errors);
        panic!("the passes made a wrong program of {}:\n{shown}", op.name);
    }
    let (mut kernels, mut notes, mut code) = (Vec::new(), Vec::new(), Vec::new());
    let (mut files, mut entries) = (BTreeMap::new(), Vec::new());
    for (tile, made) in program.kernels.iter().zip(emit_all(&program, &choice, accesses)) {
        let (kernel, said, emitted) = made?;
        let file = format!("{}.{}", kernel.name, emitted.extension);
        files.insert(file.clone(), emitted.text);
        entries.push(entry(tile, &kernel, file, emitted.block));
        notes.extend(said);
        code.extend(emitted.note);
        kernels.push(kernel);
    }
    files.insert("op.toml".into(), print::print(op));
    files.insert("schedule.toml".into(), schedule.print());
    files.insert("program.tile".into(), program.to_string());
    let manifest = Manifest {
        format: kgen_ir::artifact::FORMAT,
        kgen: env!("CARGO_PKG_VERSION").into(),
        name: op.name.clone(),
        target: target.name.into(),
        backend: target.backend.into(),
        key: key(op, target, schedule, accesses),
        features: target.features.iter().map(|f| f.to_string()).collect(),
        symbols: program.symbols.clone(),
        bounds: op.bounds.clone(),
        params: program.params.clone(),
        checks: op.checks(),
        prepares: program.prepares.clone(),
        buffers: program.buffers.clone(),
        kernels: entries,
        variants: program.variants.clone(),
        contract: contract(&program),
        files: BTreeMap::new(),
    };
    Ok(Compiled { program, kernels, notes, code, artifact: Artifact::new(manifest, files) })
}

/// The kernels of an artifact as an object file of this system, for a C program to link; [`crate::header`] declares
/// them.
pub fn object(artifact: &Artifact) -> Result<Vec<u8>, Error> {
    let m = &artifact.manifest;
    let prefix = header::prefix(&m.name);
    let texts: Vec<&str> =
        m.kernels.iter().filter_map(|k| artifact.files.get(&k.file)).map(String::as_str).collect();
    if m.backend == "llvm" {
        return llvm_object(&texts, &prefix);
    }
    let arch = std::env::consts::ARCH.replace('_', "-");
    if !m.target.starts_with(&arch) {
        return Err(Error::Unavailable(format!(
            "objects are made for this machine's CPU family, {arch}; for {} run kgen on such a machine",
            m.target
        )));
    }
    kgen_runtime::driver::object::object(&m.backend, &m.name, &prefix, &texts, &m.features)
        .map_err(|e| Error::Unavailable(e.to_string()))
}

/// For the system that the texts name, whichever this is.
#[cfg(feature = "llvm")]
fn llvm_object(texts: &[&str], prefix: &str) -> Result<Vec<u8>, Error> {
    use kgen_runtime::driver::llvm::{System, object};
    object(texts, prefix, System::Named).map_err(|e| Error::Unavailable(e.to_string()))
}

#[cfg(not(feature = "llvm"))]
fn llvm_object(_: &[&str], _: &str) -> Result<Vec<u8>, Error> {
    let what = "this build has no LLVM to make objects; build with `--features llvm`";
    Err(Error::Unavailable(what.into()))
}

type Made = Result<(machine::Kernel, Vec<String>, kgen_codegen::Emitted), Unsupported>;

/// Every kernel lowered and emitted, each by a thread of its own: none needs another.
fn emit_all(program: &Program, choice: &Choice, accesses: Accesses) -> Vec<Made> {
    let one = |kernel| {
        let (mut lowered, notes) = kgen_passes::lower_kernel(program, kernel, choice)?;
        if accesses == Accesses::Checked {
            lowered = kgen_passes::machine::check(lowered, choice.target)?;
        }
        let emitted = kgen_codegen::emit(&lowered, choice.target)?;
        Ok((lowered, notes, emitted))
    };
    std::thread::scope(|scope| {
        let running: Vec<_> =
            program.kernels.iter().map(|kernel| scope.spawn(move || one(kernel))).collect();
        let done = running.into_iter().map(|thread| thread.join());
        done.map(|made| made.unwrap_or_else(|bug| std::panic::resume_unwind(bug))).collect()
    })
}

/// What a manifest says of a kernel.
pub fn entry(
    tile: &tile::Kernel,
    kernel: &machine::Kernel,
    file: String,
    block: Option<Block>,
) -> KernelEntry {
    let counters = kernel.slots.iter().filter_map(|s| match s {
        Slot::Counter(i) => Some(i + 1),
        Slot::Pointer(_)
        | Slot::Stride(..)
        | Slot::Extent(_)
        | Slot::Scratch
        | Slot::End(_)
        | Slot::Report => None,
    });
    // What a block shares, the launch does not give.
    let given = block.is_none_or(|b| b.shared == 0 && kernel.slots.contains(&Slot::Scratch));
    KernelEntry {
        name: kernel.name.clone(),
        file,
        entry: kernel.name.clone(),
        params: tile.params.clone(),
        slots: kernel.slots.clone(),
        scratch: if given { kernel.scratch } else { 0 },
        counters: counters.max().unwrap_or(0),
        block,
    }
}

fn contract(program: &Program) -> Contract {
    let int8 = program.kernels.iter().any(|k| k.name == "product_one");
    Contract {
        activation: if int8 { "int8, one f32 scale a group" } else { "as stored" }.into(),
        accumulation: if int8 { "i32 in a group, f32 across groups" } else { "f32" }.into(),
        partials: "f32".into(),
        order: "fixed by the schedule".into(),
        bound: "kernels-ref".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(features: &[&str]) -> Option<&'static str> {
        best(&|f| features.contains(&f)).map(|t| t.name)
    }

    #[test]
    fn a_cpu_without_avx2_gets_cranelift() {
        let v2 = ["ssse3", "sse4.1", "sse4.2"];
        assert_eq!(name(&v2), Some("x86-64-v2/cranelift"));
        let v3 = [&v2[..], &["avx2", "fma", "f16c"]].concat();
        assert_eq!(name(&v3), Some("x86-64-v3/native"));
        let v4 = [&v3[..], &["avx512f", "avx512bw", "avx512vl", "avx512dq"]].concat();
        assert_eq!(name(&v4), Some("x86-64-v4/native"));
        assert_eq!(name(&[&v4[..], &["avx512vnni"]].concat()), Some("x86-64-v4-vnni/native"));
        assert_eq!(name(&["neon"]), Some("aarch64/cranelift"));
        assert_eq!(name(&[]), None);
    }
}
