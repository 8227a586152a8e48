//! The CPU as a device: how many workers, which instructions.

#[cfg(target_arch = "x86_64")]
use crate::driver::tiles;
use crate::pool::{Pool, PoolError};

/// A CPU and its worker threads.
pub struct Device {
    pub pool: Pool,
}

impl Device {
    /// `threads`: by default as many as this process may use.
    pub fn cpu(threads: Option<usize>) -> Result<Device, PoolError> {
        Ok(Device { pool: Pool::new(threads.unwrap_or_else(cores))? })
    }
}

/// Cores that this process may run on (affinity and quotas respected); 1 where the system does not tell.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The model of the CPU as its vendor names it; `a CPU` where the system does not tell.
pub fn model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|l| l.starts_with("model name"));
    let name = line.and_then(|l| l.split_once(':')).map(|(_, name)| name.trim());
    name.filter(|n| !n.is_empty()).unwrap_or("a CPU").to_string()
}

/// Names of CPU features, as the detector of the standard library spells them, with whether this CPU has each.
pub fn features() -> Vec<(&'static str, bool)> {
    detect()
}

/// Whether this CPU has the feature; false for names that are not known.
pub fn has(feature: &str) -> bool {
    detect().iter().any(|(name, present)| *name == feature && *present)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Vec<(&'static str, bool)> {
    macro_rules! table {
        ($($name:tt)*) => {
            vec![$(($name, std::is_x86_feature_detected!($name))),*]
        };
    }
    let mut all = table!("sse2" "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "fma" "f16c" "bmi1" "bmi2"
        "lzcnt" "movbe" "avxvnni" "avxvnniint8" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl"
        "avx512vbmi" "avx512vnni" "avx512bf16" "avx512fp16" "gfni");
    all.extend(tiles::features());
    all
}

#[cfg(target_arch = "aarch64")]
fn detect() -> Vec<(&'static str, bool)> {
    macro_rules! table {
        ($($name:tt)*) => {
            vec![$(($name, std::arch::is_aarch64_feature_detected!($name))),*]
        };
    }
    table!("neon" "fp16" "dotprod" "i8mm" "bf16" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> Vec<(&'static str, bool)> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Workers;

    #[test]
    fn a_cpu_has_workers_and_its_baseline() {
        assert_eq!(Device::cpu(Some(2)).unwrap().pool.count(), 2);
        assert_eq!(Device::cpu(None).unwrap().pool.count(), cores());
        assert!(!model().is_empty());
        assert!(!has("no such feature"));
        #[cfg(target_arch = "x86_64")]
        assert!(has("sse2"));
        #[cfg(target_arch = "aarch64")]
        assert!(has("neon"));
    }
}
