//! `kgen verify`: compiled ops against the reference.

use crate::{Answer, Format, say, tell};
use kgen::{Error, device::Cpu, verify};
use std::path::PathBuf;

/// Compile ops and compare what they compute with the reference
#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true, value_name = "OP.toml")]
    ops: Vec<PathBuf>,
    /// Device: cpu
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// Cases an op
    #[arg(long, default_value_t = 40)]
    cases: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A target that this CPU can run; the best one unless said
    #[arg(long, value_name = "T")]
    target: Option<String>,
    /// How the ops are cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
    /// Kernels check every access to memory; one outside fails the case and says where it was
    #[arg(long)]
    checked: bool,
}

pub fn run(args: &Args, format: Format) -> Answer {
    if args.on != "cpu" {
        return Err(Error::Usage(format!("no device `{}`; this build has `cpu`", args.on)));
    }
    let mut cpu = Cpu::open(None)?.with_target(args.target.as_deref())?;
    if let Some(path) = &args.schedule {
        cpu.schedule = kgen::compile::read_schedule(path, cpu.target)?;
    }
    if args.checked {
        cpu.accesses = kgen::compile::Accesses::Checked;
    }
    let bar = crate::progress::bar("op files", args.ops.len());
    let (mut mistakes, mut failed, mut passed, mut unsupported) = (0, false, false, false);
    for path in &args.ops {
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
        let s = verify::verify(&op, &cpu, &verify::Options { cases: args.cases, seed: args.seed });
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
                tell(&format!("{} on {}: {end}", s.op, args.on));
                for f in &s.failed {
                    tell(&format!("  {f}"));
                }
            }
            Format::Json => tell(
                &serde_json::json!({
                    "op": s.op, "device": args.on, "cases": s.cases, "passed": s.passed, "failed": s.failed.len(),
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
