//! How busy other programs keep this machine while something is measured.
//!
//! From `/proc/stat` and `/proc/self/stat` (proc(5), in clock ticks); other systems do not tell.

use std::fs;

/// Ticks since boot: of all processes on all cores, of all cores whatever they did, and of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    busy: u64,
    all: u64,
    own: u64,
}

impl Load {
    /// `None` where the system does not tell.
    pub fn now() -> Option<Load> {
        Load::parse(
            &fs::read_to_string("/proc/stat").ok()?,
            &fs::read_to_string("/proc/self/stat").ok()?,
        )
    }

    fn parse(stat: &str, own: &str) -> Option<Load> {
        // user nice system idle iowait irq softirq steal: what another guest stole was not idle either.
        let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
        let fields: Vec<u64> = line.split_whitespace().map_while(|w| w.parse().ok()).collect();
        let [user, nice, system, idle, wait, irq, soft, steal, ..] = fields[..] else {
            return None;
        };
        let busy = user + nice + system + irq + soft + steal;
        // The program's name may hold spaces; fields 14 and 15 are user and system time.
        let rest = own.rsplit_once(')')?.1;
        let mut fields = rest.split_whitespace().skip(11).map_while(|w| w.parse::<u64>().ok());
        let own = fields.next()? + fields.next()?;
        Some(Load { busy, all: busy + idle + wait, own })
    }

    /// Share of all cores' time, since `before`, that others had: 0 to 1.
    pub fn other(&self, before: &Load) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let own = self.own.saturating_sub(before.own);
        let other = self.busy.saturating_sub(before.busy).saturating_sub(own);
        if all == 0 { 0.0 } else { (other as f64 / all as f64).min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_of_others() {
        let own = |user| format!("7 (a b) c) R 1 1 1 0 -1 0 0 0 0 0 {user} 5 0 0 20 0 4");
        let before = Load::parse("cpu  100 0 10 800 0 0 0 0 0 0\ncpu0 1\n", &own(50)).unwrap();
        let after = Load::parse("cpu  160 0 10 840 0 0 0 0 0 0\n", &own(90)).unwrap();
        assert_eq!(after.other(&before), 0.2);
        assert_eq!(before.other(&before), 0.0);
    }

    #[test]
    fn a_system_that_does_not_tell() {
        assert_eq!(Load::parse("", ""), None);
        assert_eq!(Load::parse("cpu 1 2 3\n", "1 (a) R 0"), None);
        assert_eq!(Load::parse("cpu 1 2 3 4 5 6 7 8\n", "1 (a) R 0"), None);
    }
}
