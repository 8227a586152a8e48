//! `kgen targets`: what can be compiled for.

use crate::{Answer, Format, tell};
use kgen_codegen::ptx::limits::{REGISTERS, limits};
use kgen_ir::diag::did_you_mean;
use kgen_runtime::driver::{DRIVERS, FEATURES};

/// List the targets, or describe one
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "TARGET")]
    target: Option<String>,
}

pub fn run(args: &Args, format: Format) -> Answer {
    let all = kgen::compile::targets();
    if let Some(name) = &args.target
        && !all.iter().any(|t| t.name == name)
    {
        let near = did_you_mean(name, all.iter().map(|t| t.name));
        let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        return Err(kgen::Error::Usage(format!("no target `{name}`{hint}")));
    }
    for t in all.iter().filter(|t| args.target.as_deref().is_none_or(|name| name == t.name)) {
        match format {
            Format::Text => {
                let way_out =
                    lacks(t.backend).map(|f| format!("; to run it, build with `--features {f}`"));
                let way_out = way_out.unwrap_or_default();
                tell(&format!("{:20} {:10} {}{way_out}", t.name, t.backend, t.about));
                if args.target.is_some() {
                    tell(&format!("needs: {}", t.features.join(", ")));
                    limits(t.name).into_iter().for_each(|l| tell(&l.to_string()));
                }
            }
            Format::Json => {
                let (name, features) = (t.name, t.features);
                let line = serde_json::json!({
                    "target": name, "backend": t.backend, "lanes": t.lanes, "vectors": t.vectors,
                    "features": features, "about": t.about, "cargo_feature": lacks(t.backend),
                    "multiprocessor": limits(name).map(|l| serde_json::json!({
                        "threads": l.threads, "blocks": l.blocks, "registers": REGISTERS,
                        "shared": l.shared, "shared_of_block": l.shared_of_block,
                    })),
                });
                tell(&line.to_string());
            }
        }
    }
    if args.target.is_none() {
        devices(format);
    }
    Ok(0)
}

/// The cargo feature that a build lacks for a backend's code to run.
fn lacks(backend: &str) -> Option<&'static str> {
    let built = DRIVERS.iter().any(|d| d.name() == backend);
    FEATURES.iter().find(|f| **f == backend && !built).copied()
}

/// The GPUs of this machine and the target each gets, or why there is none.
fn devices(format: Format) {
    let found = match kgen::gpu::devices() {
        Ok(found) => found,
        Err(e) => {
            return match format {
                Format::Text => tell(&format!("cuda: {e}")),
                Format::Json => {
                    let line = serde_json::json!({ "device": "cuda", "reason": e.to_string() });
                    tell(&line.to_string());
                }
            };
        }
    };
    for (number, about) in found.iter().enumerate() {
        let target = kgen::gpu::target_for(about);
        match format {
            Format::Text => {
                let gets = match &target {
                    Ok(target) => format!("runs {}", target.name),
                    Err(e) => e.to_string(),
                };
                tell(&format!("cuda:{number}: {about}; {gets}"));
            }
            Format::Json => {
                let line = serde_json::json!({
                    "device": format!("cuda:{number}"), "name": about.name,
                    "capability": [about.capability.0, about.capability.1],
                    "driver": [about.driver.0, about.driver.1],
                    "multiprocessors": about.multiprocessors, "memory": about.memory,
                    "runs": target.as_ref().ok().map(|t| t.name),
                    "reason": target.as_ref().err().map(ToString::to_string),
                });
                tell(&line.to_string());
            }
        }
    }
}
