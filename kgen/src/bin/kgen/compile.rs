//! `kgen compile`: op files to artifacts, one folder each.

use crate::{Answer, Format, tell};
use kgen::{
    Error, Schedule,
    compile::{self, Accesses},
};
use kgen_ir::{artifact::Artifact, machine::Kernel};
use std::{collections::BTreeMap, path::PathBuf};

/// Compile an op for one or more targets, each into DIR/NAME.TARGET/
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Targets (`kgen targets` lists them), or host
    #[arg(long, required = true, value_delimiter = ',', value_name = "T")]
    target: Vec<String>,
    /// Where the folders go; - prints what --emit names
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    output: PathBuf,
    /// How the op is cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
    /// What else to write into the folder (op, tile and text always are; asm is another name of text: native code is a
    /// listing): machine programs, an object and a header for C programs
    #[arg(long, value_delimiter = ',', value_name = "LEVEL")]
    emit: Vec<Level>,
    /// Kernels check every access to memory: one outside of the tensors is not done and fails the run
    #[arg(long)]
    checked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    Op,
    Tile,
    Machine,
    #[value(alias = "asm")]
    Text,
    Obj,
    Header,
}

pub fn run(args: &Args, format: Format, caching: compile::Caching) -> Answer {
    let printing = args.output.as_os_str() == "-";
    if printing && (args.emit.is_empty() || args.emit.contains(&Level::Obj)) {
        let what = "`-o -` prints the levels of --emit op,tile,machine,text,header; an object needs a folder";
        return Err(Error::Usage(what.into()));
    }
    let cache = compile::open_cache(caching)?;
    let op = compile::read(&args.op)?;
    let accesses = if args.checked { Accesses::Checked } else { Accesses::Trusted };
    for name in &args.target {
        let target = compile::target(name)?;
        let schedule = match &args.schedule {
            Some(path) => compile::read_schedule(path, target)?,
            None => Schedule::default_for(target),
        };
        // The cache keeps no machine programs.
        let (artifact, compiled, kernels) = if args.emit.contains(&Level::Machine) {
            let compiled = compile::compile_with(&op, target, &schedule, accesses)?;
            (compiled.artifact, true, compiled.kernels)
        } else {
            let (artifact, compiled) =
                compile::artifact(&op, target, &schedule, accesses, cache.as_ref())?;
            (artifact, compiled, Vec::new())
        };
        if printing {
            for level in &args.emit {
                print(*level, &artifact, &kernels);
            }
            continue;
        }
        let mut beside = BTreeMap::new();
        for level in &args.emit {
            match level {
                // Part of every artifact.
                Level::Op | Level::Tile | Level::Text => {}
                Level::Machine => {
                    for k in &kernels {
                        beside.insert(format!("{}.mach", k.name), k.to_string().into_bytes());
                    }
                }
                Level::Obj => {
                    beside.insert(format!("{}.o", op.name), compile::object(&artifact)?);
                }
                Level::Header => {
                    let text = kgen::header::header(&artifact.manifest);
                    beside.insert(format!("{}.h", op.name), text.into_bytes());
                }
            }
        }
        let folder = format!("{}.{}", op.name, target.name.replace('/', "-"));
        let dir = args.output.join(folder);
        kgen_runtime::artifact::write_dir_with(&artifact, &beside, &dir)
            .map_err(|e| Error::Input(e.to_string()))?;
        let shown = dir.display().to_string();
        match format {
            Format::Text => tell(&shown),
            Format::Json => {
                let line = serde_json::json!({
                    "op": op.name, "target": target.name, "dir": shown, "cached": !compiled,
                });
                tell(&line.to_string());
            }
        }
    }
    Ok(0)
}

fn print(level: Level, artifact: &Artifact, kernels: &[Kernel]) {
    let files = |wanted: &dyn Fn(&str) -> bool| {
        artifact.files.iter().filter(|(f, _)| wanted(f)).for_each(|(_, text)| tell(text));
    };
    match level {
        Level::Op => files(&|f| f == "op.toml"),
        Level::Tile => files(&|f| f == "program.tile"),
        Level::Machine => kernels.iter().for_each(|k| tell(&k.to_string())),
        Level::Text => files(&|f| artifact.manifest.kernels.iter().any(|k| k.file == f)),
        Level::Header => tell(&kgen::header::header(&artifact.manifest)),
        Level::Obj => {}
    }
}
