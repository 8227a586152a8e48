//! What accesses of kernels cost, as the simulator counts it in cases of `kgen verify`.
//!
//! ```text
//! {"op":"flash_decode","device":"sim:sm80",..,"costs":{"attend_matrix":{"operand_conflicts":0,"streams":[64,64],..}}}
//! ```

use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::Path, process::Command};

/// By op and kernel, as a job is named, and chip.
pub type Costs = BTreeMap<(String, String), Cost>;

/// One chip of each kind of text.
const CHIPS: &str = "sim:sm70,sim:sm75,sim:sm80,sim:sm90";

/// Cases of each op file.
const CASES: &str = "3";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub operand_conflicts: u64,
    pub other_conflicts: u64,
    /// Sectors touched, and those that the bytes fill.
    pub streams: [u64; 2],
    pub others: [u64; 2],
}

impl Cost {
    fn read(v: &Value) -> Option<Cost> {
        let pair = |key: &str| Some([v[key][0].as_u64()?, v[key][1].as_u64()?]);
        Some(Cost {
            operand_conflicts: v["operand_conflicts"].as_u64()?,
            other_conflicts: v["other_conflicts"].as_u64()?,
            streams: pair("streams")?,
            others: pair("others")?,
        })
    }

    pub fn fault(&self) -> Option<String> {
        let (n, [touched, filled]) = (self.operand_conflicts, self.streams);
        if n > 0 {
            return Some(format!("{n} bank conflicts on the way to matrix instructions"));
        }
        let lost = touched > filled;
        lost.then(|| format!("streams touch {touched} sectors where their bytes fill {filled}"))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |[touched, filled]: [u64; 2]| match touched {
            0 => "-".to_owned(),
            _ => format!("{} %", 100 * filled / touched),
        };
        let Cost { operand_conflicts, other_conflicts, streams, others } = *self;
        let (streams, others) = (share(streams), share(others));
        write!(f, "{operand_conflicts} ({other_conflicts}) | {streams} | {others}")
    }
}

pub fn costs(kgen: &Path, root: &Path) -> Result<Costs, String> {
    let mut command = Command::new(kgen);
    let words = ["verify", "ops", "--on", CHIPS, "--cases", CASES, "--format", "json"];
    let ran = command.args(words).current_dir(root).output().map_err(|e| e.to_string())?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned());
    }
    Ok(read(&String::from_utf8_lossy(&ran.stdout)))
}

fn read(told: &str) -> Costs {
    let lines = told.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let mut out = Costs::new();
    for line in lines {
        let (Some(op), Some(device)) = (line["op"].as_str(), line["device"].as_str()) else {
            continue;
        };
        let chip = device.trim_start_matches("sim:");
        for (kernel, cost) in line["costs"].as_object().into_iter().flatten() {
            if let Some(cost) = Cost::read(cost) {
                out.insert((format!("{op} {kernel}"), chip.to_owned()), cost);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_read_and_judged() {
        let line = r#"{"op":"a","device":"sim:sm80","costs":{"attend":{"operand_conflicts":2,"other_conflicts":1,"streams":[8,8],"others":[0,0]}}}"#;
        let costs = read(&format!("noise\n{line}\n"));
        let cost = costs[&("a attend".to_owned(), "sm80".to_owned())];
        assert_eq!(cost.to_string(), "2 (1) | 100 % | -");
        let told = "2 bank conflicts on the way to matrix instructions";
        assert_eq!(cost.fault().as_deref(), Some(told));
        assert_eq!(Cost::default().fault(), None);
        let half = Cost { streams: [8, 4], ..Cost::default() };
        let told = "streams touch 8 sectors where their bytes fill 4";
        assert_eq!(half.fault().as_deref(), Some(told));
        assert!(read("{\"op\":\"a\"}").is_empty());
    }
}
