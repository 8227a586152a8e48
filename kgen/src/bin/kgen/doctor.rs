//! `kgen doctor`: what this machine offers.

use crate::{Answer, Format, tell};
use kgen::{Error, device::Cpu};
use kgen_runtime::roof::{Roof, warm};

/// Show the cores, the CPU features that targets ask for, and the target `host` means
#[derive(clap::Args)]
pub struct Args {
    /// Measure how fast memory reads, too: the roof of `bench`
    #[arg(long)]
    roof: bool,
}

pub fn run(args: &Args, format: Format) -> Answer {
    let cores = kgen_runtime::device::cores();
    let features = kgen_runtime::device::features();
    let host = kgen::compile::host()?;
    let roof = if args.roof { Some(roof()?) } else { None };
    match format {
        Format::Text => {
            tell(&format!("kgen {}", env!("CARGO_PKG_VERSION")));
            tell(&format!("cores: {cores}"));
            for (name, has) in features {
                tell(&format!("{name}: {}", if has { "yes" } else { "no" }));
            }
            tell(&format!("host: {}", host.name));
            let cache = kgen::compile::cache_folder().map(|d| d.display().to_string());
            tell(&format!("cache: {}", cache.as_deref().unwrap_or("none; KGEN_CACHE names one")));
            if let Some(roof) = roof {
                tell(&format!("memory reads: {roof:.1} GB/s"));
            }
        }
        Format::Json => {
            let list: Vec<_> = features.iter().filter(|f| f.1).map(|f| f.0).collect();
            let line = serde_json::json!({
                "cores": cores, "features": list, "host": host.name, "roof_gbps": roof,
            });
            tell(&line.to_string());
        }
    }
    Ok(0)
}

/// The best of some readings, in GB/s.
fn roof() -> Result<f64, Error> {
    let cpu = Cpu::open(None)?;
    let roof = Roof::new(kgen::bench::ROTATED).map_err(|e| Error::Unavailable(e.to_string()))?;
    warm(cpu.workers());
    Ok((0..6).map(|_| roof.read(cpu.workers())).fold(0.0, f64::max) / 1e9)
}
