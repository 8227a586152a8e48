//! `kgen doctor`: what this machine offers.

use crate::{Answer, Format, tell};

/// Show the cores, the CPU features that targets ask for, and the target `host` means
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: &Args, format: Format) -> Answer {
    let cores = kgen_runtime::device::cores();
    let features = kgen_runtime::device::features();
    let host = kgen::compile::host()?;
    match format {
        Format::Text => {
            tell(&format!("kgen {}", env!("CARGO_PKG_VERSION")));
            tell(&format!("cores: {cores}"));
            for (name, has) in features {
                tell(&format!("{name}: {}", if has { "yes" } else { "no" }));
            }
            tell(&format!("host: {}", host.name));
        }
        Format::Json => {
            let list: Vec<_> = features.iter().filter(|f| f.1).map(|f| f.0).collect();
            let line = serde_json::json!({ "cores": cores, "features": list, "host": host.name });
            tell(&line.to_string());
        }
    }
    Ok(0)
}
