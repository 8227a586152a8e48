//! What accesses of kernels cost, as the simulator counts it in cases of `kgen verify`.
//!
//! ```text
//! {"op":"flash_decode","device":"sim:sm80",..,"costs":{"attend_matrix":{"operand_conflicts":0,"streams":[64,64],"others":[40,32],
//!  "predicted":[36,30,36],"by_data":4,"outside":[]}}}
//! ```

use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::Path, process::Command};

/// By op and kernel, as a job is named, and chip.
pub type Costs = BTreeMap<(String, String), Cost>;

/// One chip of each kind of text.
const CHIPS: &str = "sim:sm70,sim:sm75,sim:sm80,sim:sm90";

/// Cases of each op file.
const CASES: &str = "3";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub operand_conflicts: u64,
    pub other_conflicts: u64,
    /// Sectors touched, and those that the bytes fill.
    pub streams: [u64; 2],
    pub others: [u64; 2],
    /// Of the others whose lanes the kernel tells: sectors touched, the least and the most foreseen; and of the rest.
    pub predicted: [u64; 3],
    pub by_data: u64,
    /// Lines that touched what was not foreseen.
    pub outside: Vec<String>,
}

impl Cost {
    fn read(v: &Value) -> Option<Cost> {
        let pair = |key: &str| Some([v[key][0].as_u64()?, v[key][1].as_u64()?]);
        Some(Cost {
            operand_conflicts: v["operand_conflicts"].as_u64()?,
            other_conflicts: v["other_conflicts"].as_u64()?,
            streams: pair("streams")?,
            others: pair("others")?,
            predicted: serde_json::from_value(v["predicted"].clone()).ok()?,
            by_data: v["by_data"].as_u64()?,
            outside: serde_json::from_value(v["outside"].clone()).ok()?,
        })
    }

    pub fn faults(&self) -> Vec<String> {
        let (n, [touched, filled]) = (self.operand_conflicts, self.streams);
        let mut faults = self.outside.clone();
        if n > 0 {
            faults.push(format!("{n} bank conflicts on the way to matrix instructions"));
        }
        if touched > filled {
            faults.push(format!("streams touch {touched} sectors where their bytes fill {filled}"));
        }
        faults
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |[touched, filled]: [u64; 2]| match touched {
            0 => "-".to_owned(),
            _ => format!("{} %", 100 * filled / touched),
        };
        let (streams, others) = (share(self.streams), share(self.others));
        write!(
            f,
            "{} ({}) | {streams} | {others} | ",
            self.operand_conflicts, self.other_conflicts
        )?;
        let [touched, least, most] = self.predicted;
        match touched + self.by_data {
            0 => write!(f, "-"),
            all => {
                write!(f, "{touched} of {least} to {most}, {} % by data", 100 * self.by_data / all)
            }
        }
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
        let line = r#"{"op":"a","device":"sim:sm80","costs":{"attend":{"operand_conflicts":2,"other_conflicts":1,"streams":[8,8],"others":[8,6],"predicted":[6,5,6],"by_data":2,"outside":["line 7: x"]}}}"#;
        let costs = read(&format!("noise\n{line}\n"));
        let cost = &costs[&("a attend".to_owned(), "sm80".to_owned())];
        assert_eq!(cost.to_string(), "2 (1) | 100 % | 75 % | 6 of 5 to 6, 25 % by data");
        let told = ["line 7: x", "2 bank conflicts on the way to matrix instructions"];
        assert_eq!(cost.faults(), told);
        assert_eq!(Cost::default().to_string(), "0 (0) | - | - | -");
        assert!(Cost::default().faults().is_empty());
        let half = Cost { streams: [8, 4], ..Cost::default() };
        let told = "streams touch 8 sectors where their bytes fill 4";
        assert_eq!(half.faults(), [told]);
        assert!(read("{\"op\":\"a\"}").is_empty());
    }
}
