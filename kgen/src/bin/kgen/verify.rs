//! `kgen verify`: compiled ops against the reference.

use crate::{Answer, Format, say, tell};
use kgen::{
    Error,
    device::{Cpu, Simulated},
    gpu::Gpu,
    verify::{self, Engine},
};
use std::path::PathBuf;

/// Compile ops and compare what they compute with the reference
#[derive(clap::Args)]
pub struct Args {
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

fn device(name: &str, args: &Args) -> Result<Box<dyn Engine>, Error> {
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
    let bar = crate::progress::bar("op files", args.ops.len() * devices.len());
    let (mut mistakes, mut failed, mut passed, mut unsupported) = (0, false, false, false);
    let asked = args.ops.iter().flat_map(|path| devices.iter().map(move |d| (path, &**d)));
    for (path, device) in asked {
        bar.inc(1);
        let op = match kgen::compile::read(path) {
            Ok(op) => op,
            Err(e) => {
                say(&e);
                mistakes = mistakes.max(e.exit_code());
                if format == Format::Json {
                    let path = path.display().to_string();
                    tell(
                        &serde_json::json!({ "op": path, "reason": "mistakes in the file" })
                            .to_string(),
                    );
                }
                continue;
            }
        };
        let s =
            verify::verify(&op, device, &verify::Options { cases: args.cases, seed: args.seed });
        let reason = s.unsupported.as_ref().map(ToString::to_string).unwrap_or_default();
        failed |= !s.failed.is_empty();
        passed |= s.passed > 0;
        unsupported |= s.unsupported.is_some();
        match format {
            Format::Text => {
                let end = if s.passed == 0 && s.unsupported.is_some() {
                    format!("unsupported: {reason}")
                } else {
                    format!("{} of {} cases passed, worst error/bound {:.3}", s.passed, s.cases, s.worst_ratio)
                };
                tell(&format!("{} on {}: {end}", s.op, s.engine));
                for f in &s.failed {
                    tell(&format!("  {f}"));
                }
            }
            Format::Json => tell(
                &serde_json::json!({
                    "op": s.op, "device": s.engine, "cases": s.cases, "passed": s.passed, "failed": s.failed.len(),
                    "unsupported": s.cases - s.passed - s.failed.len(), "reason": reason,
                    "worst_ratio": s.worst_ratio,
                })
                .to_string(),
            ),
        }
    }
    bar.finish_and_clear();
    // The gravest first; what no target does is no mistake beside what was verified.
    Ok(match (mistakes, failed, passed, unsupported) {
        (1.., ..) => mistakes,
        (0, true, ..) => 1,
        (0, false, false, true) => 4,
        (0, false, true, _) | (0, false, false, false) => 0,
    })
}
