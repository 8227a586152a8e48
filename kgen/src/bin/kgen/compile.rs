//! `kgen compile`: op files to artifacts, one folder each.

use crate::{Answer, Format, tell};
use kgen::{Error, Schedule, compile};
use kgen_ir::{op::Op, target::Target};
use kgen_runtime::cache::Cache;
use std::path::PathBuf;

/// Compile an op for one or more targets, each into DIR/NAME.TARGET/
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Targets (`kgen targets` lists them), or host
    #[arg(long, required = true, value_delimiter = ',', value_name = "T")]
    target: Vec<String>,
    /// Where the folders go
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    output: PathBuf,
    /// How the op is cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
    /// Print these levels instead of writing: op, tile, machine, text
    #[arg(long, value_delimiter = ',', value_name = "LEVEL")]
    emit: Vec<Level>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Level {
    Op,
    Tile,
    Machine,
    Text,
}

pub fn run(args: &Args, format: Format, locked: bool) -> Answer {
    let cache = compile::open_cache(locked)?;
    let op = compile::read(&args.op)?;
    for name in &args.target {
        let target = compile::target(name)?;
        let schedule = match &args.schedule {
            Some(path) => compile::read_schedule(path, target)?,
            None => Schedule::default_for(target),
        };
        if args.emit.is_empty() {
            write(args, format, &op, target, &schedule, cache.as_ref())?;
            continue;
        }
        let compiled = compile::compile(&op, target, &schedule)?;
        for level in &args.emit {
            match level {
                Level::Op => tell(&kgen_ir::op::print::print(&op)),
                Level::Tile => tell(&compiled.program.to_string()),
                Level::Machine => compiled.kernels.iter().for_each(|k| tell(&k.to_string())),
                Level::Text => {
                    for (_, text) in
                        compiled.artifact.files.iter().filter(|(f, _)| f.ends_with(".clif"))
                    {
                        tell(text);
                    }
                }
            }
        }
    }
    Ok(0)
}

fn write(
    args: &Args,
    format: Format,
    op: &Op,
    target: &'static Target,
    schedule: &Schedule,
    cache: Option<&Cache>,
) -> Result<(), Error> {
    let (artifact, compiled) = compile::artifact(op, target, schedule, cache)?;
    let dir = args.output.join(format!("{}.{}", op.name, target.name.replace('/', "-")));
    kgen_runtime::artifact::write_dir(&artifact, &dir).map_err(|e| Error::Input(e.to_string()))?;
    let shown = dir.display().to_string();
    match format {
        Format::Text => tell(&shown),
        Format::Json => tell(
            &serde_json::json!({
                "op": op.name, "target": target.name, "dir": shown, "cached": !compiled,
            })
            .to_string(),
        ),
    }
    Ok(())
}
