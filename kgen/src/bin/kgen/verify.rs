//! `kgen verify`: compiled ops against the reference.

use crate::{Answer, Format, say, tell};
use kgen::{
    Error,
    device::{Cpu, Simulated},
    gpu::Gpu,
    verify::{self, Engine},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Compile ops and compare what they compute with the reference; simulators do a sample of the tasks of full sizes
#[derive(clap::Args)]
pub struct Args {
    /// Op files, or folders of them
    #[arg(required = true, value_name = "OP.toml")]
    ops: Vec<PathBuf>,
    /// Devices: cpu, a GPU such as cuda:0, or a simulated one such as sim:sm80
    #[arg(long, default_value = "cpu", value_delimiter = ',', value_name = "DEVICE")]
    on: Vec<String>,
    /// Cases an op
    #[arg(long, default_value_t = 40)]
    cases: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A target that the device can run; the best one unless said
    #[arg(long, value_name = "T")]
    target: Option<String>,
    /// How the ops are cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
    /// Kernels check every access to memory; one outside fails the case and says where it was
    #[arg(long)]
    checked: bool,
    /// Tensors and workspace stand at pages that nothing may touch: an access outside ends the process, and --checked
    /// tells where it was
    #[arg(long)]
    fenced: bool,
}

fn device(name: &str, args: &Args) -> Result<Box<dyn Engine + Sync>, Error> {
    let schedule = |target| match &args.schedule {
        Some(path) => kgen::compile::read_schedule(path, target).map(Some),
        None => Ok(None),
    };
    if name.starts_with("sim:") {
        let mut sim = Simulated::open(name)?;
        sim.schedule = schedule(sim.target)?.unwrap_or(sim.schedule);
        return Ok(Box::new(sim));
    }
    if name.starts_with("cuda") {
        let mut gpu = Gpu::open(name, args.target.as_deref())?;
        gpu.schedule = schedule(gpu.target)?.unwrap_or(gpu.schedule);
        return Ok(Box::new(gpu));
    }
    if name != "cpu" {
        return Err(crate::no_device(name, "`cpu`, `cuda:N` and `sim:TARGET`"));
    }
    let mut cpu = Cpu::open(None)?.with_target(args.target.as_deref())?;
    cpu.schedule = schedule(cpu.target)?.unwrap_or(cpu.schedule);
    if args.checked {
        cpu.accesses = kgen::compile::Accesses::Checked;
    }
    if args.fenced {
        cpu.guard = kgen_runtime::buffer::Guard::Fences;
    }
    Ok(Box::new(cpu))
}

pub fn run(args: &Args, format: Format) -> Answer {
    let devices = args.on.iter().map(|name| device(name, args)).collect::<Result<Vec<_>, _>>()?;
    let paths = files(&args.ops)?;
    let bar = crate::progress::bar("op files", paths.len() * devices.len());
    let mut ops = Vec::new();
    let mut mistakes = 0;
    for path in &paths {
        let read = kgen::compile::read(path);
        if let Err(e) = &read {
            say(e);
            mistakes = mistakes.max(e.exit_code());
        }
        ops.push(read.ok());
    }
    let files = paths.iter().zip(&ops);
    let all: Vec<_> = files.flat_map(|file| devices.iter().map(move |d| (file, d))).collect();
    let options = verify::Options { cases: args.cases, seed: args.seed };
    let ask = |i: usize| {
        let ((path, op), device) = all[i];
        let summary = op.as_ref().map(|op| verify::verify(op, &**device, &options));
        bar.inc(1);
        told(path, summary.as_ref(), &**device, format);
        summary
    };
    // Who computes on one core is asked about several ops at once.
    let (mut several, alone): (Vec<usize>, Vec<usize>) =
        (0..all.len()).partition(|i| all[*i].1.several());
    // Device by device: the largest file is not in memory as often as there are devices.
    several.sort_by_key(|i| i % devices.len());
    let mut summaries = in_parallel(&several, &ask);
    summaries.extend(alone.iter().map(|i| ask(*i)));
    bar.finish_and_clear();
    let summaries: Vec<_> = summaries.into_iter().flatten().collect();
    let failed = summaries.iter().any(|s| !s.failed.is_empty());
    let passed = summaries.iter().any(|s| s.passed > 0);
    let unsupported = summaries.iter().any(|s| s.unsupported.is_some());
    // The gravest first; what no target does is no mistake beside what was verified.
    Ok(match (mistakes, failed, passed, unsupported) {
        (1.., ..) => mistakes,
        (0, true, ..) => 1,
        (0, false, false, true) => 4,
        (0, false, true, _) | (0, false, false, false) => 0,
    })
}

/// In place of a folder, its op files in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut out = Vec::new();
    for path in paths {
        if !path.is_dir() {
            out.push(path.clone());
            continue;
        }
        let failed = |source| Error::File { path: path.display().to_string(), source };
        let mut inside = Vec::new();
        for file in std::fs::read_dir(path).map_err(failed)? {
            inside.push(file.map_err(failed)?.path());
        }
        inside.retain(|f| f.extension().is_some_and(|e| e == "toml"));
        inside.sort();
        out.extend(inside);
    }
    Ok(out)
}

/// Calls `ask` for each number, on all cores; each takes the next that nobody has taken.
fn in_parallel<T: Send>(numbers: &[usize], ask: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let (next, out) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..kgen_runtime::device::cores().min(numbers.len()) {
            scope.spawn(|| {
                while let Some(i) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = ask(*i);
                    out.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                }
            });
        }
    });
    out.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One line of results.
fn told(path: &Path, summary: Option<&verify::Summary>, engine: &dyn Engine, format: Format) {
    let Some(s) = summary else {
        if format == Format::Json {
            let path = path.display().to_string();
            let line = serde_json::json!({ "op": path, "reason": "mistakes in the file" });
            tell(&line.to_string());
        }
        return;
    };
    let reason = s.unsupported.as_ref().map(ToString::to_string).unwrap_or_default();
    match format {
        Format::Text => {
            let end = if s.passed == 0 && s.unsupported.is_some() {
                format!("unsupported: {reason}")
            } else {
                let full = match s.sampled {
                    [_, 0] => String::new(),
                    [ran, of] => format!(", at full size {ran} of {of} tasks"),
                };
                format!(
                    "{} of {} cases passed{full}, worst error/bound {:.3}",
                    s.passed, s.cases, s.worst_ratio
                )
            };
            let failed: String = s.failed.iter().map(|f| format!("\n  {f}")).collect();
            tell(&format!("{} on {}: {end}{failed}", s.op, s.engine));
        }
        Format::Json => {
            let costs = engine.costs(&s.op).into_iter().map(|(kernel, c)| {
                let cost = c.cost;
                let told = serde_json::json!({
                    "operand_conflicts": cost.operand_conflicts, "other_conflicts": cost.other_conflicts,
                    "streams": cost.streams, "others": cost.others,
                    "predicted": c.predicted, "by_data": c.by_data, "outside": c.outside,
                });
                (kernel, told)
            });
            let costs: serde_json::Map<_, _> = costs.collect();
            let line = serde_json::json!({
                "op": s.op, "device": s.engine, "cases": s.cases, "passed": s.passed, "failed": s.failed.len(),
                "unsupported": s.cases - s.passed - s.failed.len(), "reason": reason,
                "worst_ratio": s.worst_ratio, "sampled_tasks": s.sampled, "costs": costs,
            });
            tell(&line.to_string());
        }
    }
}
