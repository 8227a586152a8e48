//! How busy other programs keep this machine while something is measured.
//!
//! From `/proc/PID/stat` of every process (proc(5)), in clock ticks; other systems do not tell.

use std::{collections::BTreeMap, fs, time::Instant};

/// What every other process had used of the CPUs at a moment.
#[derive(Clone, Debug)]
pub struct Load {
    ticks: BTreeMap<u32, u64>,
    at: Instant,
}

/// `USER_HZ`: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

impl Load {
    /// `None` where the system does not tell.
    pub fn now() -> Option<Load> {
        let mut ticks = BTreeMap::new();
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let pid = entry.file_name().to_str().and_then(|n| n.parse().ok());
            let Some(pid) = pid.filter(|p| *p != std::process::id()) else { continue };
            // A process may end while we look.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            if let Some(used) = used(&stat) {
                ticks.insert(pid, used);
            }
        }
        if ticks.is_empty() { None } else { Some(Load { ticks, at: Instant::now() }) }
    }

    /// Cores that others kept busy since `before`, as a share of `cores`.
    pub fn other(&self, before: &Load, cores: usize) -> f64 {
        let used =
            |(pid, now): (&u32, &u64)| now.saturating_sub(*before.ticks.get(pid).unwrap_or(&0));
        let ticks: u64 = self.ticks.iter().map(used).sum();
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        // Shorter than a few ticks nothing can be told.
        if seconds < 0.05 { 0.0 } else { ticks as f64 / TICKS / seconds / cores.max(1) as f64 }
    }
}

/// User and system time of a process: fields 14 and 15.
fn used(stat: &str) -> Option<u64> {
    // The program's name, in brackets, may hold spaces and brackets.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace().skip(11).map_while(|w| w.parse::<u64>().ok());
    Some(fields.next()? + fields.next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_of_a_process() {
        assert_eq!(used("7 (a b) c) R 1 1 1 0 -1 0 0 0 0 0 40 5 0 0 20 0 4"), Some(45));
        for bad in ["", "1 (a) R 0", "1 a R 1 1 1 0 -1 0 0 0 0 0 40 5"] {
            assert_eq!(used(bad), None);
        }
    }

    #[test]
    fn a_process_that_starts_counts_whole() {
        let at = Instant::now();
        let before = Load { ticks: [(1, 100)].into(), at };
        let after = Load { ticks: [(1, 150), (2, 50)].into(), at: at + Duration::from_secs(1) };
        assert_eq!(after.other(&before, 4), 0.25);
        assert_eq!(before.other(&before, 4), 0.0);
    }
}
