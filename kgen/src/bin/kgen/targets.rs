//! `kgen targets`: what can be compiled for.

use crate::{Answer, Format, tell};
use kgen_ir::diag::did_you_mean;

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
            Format::Text => tell(&format!("{:20} {:10} {}", t.name, t.backend, t.about)),
            Format::Json => {
                let (name, features) = (t.name, t.features);
                let line = serde_json::json!({
                    "target": name, "backend": t.backend, "lanes": t.lanes, "vectors": t.vectors,
                    "features": features, "about": t.about,
                });
                tell(&line.to_string());
            }
        }
    }
    Ok(0)
}
