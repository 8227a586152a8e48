//! What PTX and its simulator promise, without a GPU.

use crate::must_show::{How, Point, Ran, Verdict, one_test, succeeded};
use serde_json::Value;
use std::collections::BTreeMap;

#[rustfmt::skip] // commands are long
pub const POINTS: &[Point] = &[
    Point {
        name: "known answers of every matrix instruction, worked out from the specification",
        how: How::Run { command: "cargo test --release -q -p kgen-sim --lib matrix -- --nocapture", judge: passed },
    },
    Point {
        name: "the simulator's matrix instructions and the emitter's rows agree",
        how: How::Run { command: "cargo test --release -q -p kgen-tests --test fragments", judge: passed },
    },
    Point {
        name: "Triton's kernels in the simulator against f64, in three schedules, without a finding",
        how: How::Run {
            command: "env KGEN_FULL=1 cargo test --release -q -p kgen-tests --test triton kernels_of -- --nocapture",
            judge: table,
        },
    },
    Point {
        name: "every op file on four simulated chips, the sanitiser on, full sizes included",
        how: How::Slow {
            command: "cargo run --release -q -p kgen-compiler --bin kgen -- verify ops --on sim:sm70,sim:sm75,sim:sm80,sim:sm90 --cases 6 --format json",
            judge: verified,
        },
    },
    Point {
        name: "1,500 mistakes in PTX of ours and of Triton's: each is seen, or proved to change nothing",
        how: How::Slow {
            command: "env KGEN_FULL=1 cargo test --release -q -p kgen-tests --test ptx_mutants -- --nocapture",
            judge: table,
        },
    },
];

/// How many tests there were.
fn passed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let count = ran.out.split(" passed").next().and_then(|o| o.rsplit(' ').next());
    count.filter(|n| *n != "0").map(|n| format!("{n} tests passed")).ok_or("no test ran".into())
}

/// Of each chip: files that passed, those that it does not do and why.
fn verified(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let mut chips: BTreeMap<String, (u64, u64, f64, Vec<String>)> = BTreeMap::new();
    for line in ran.out.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_string();
        let number = |key: &str| line[key].as_u64().unwrap_or_default();
        let row = chips.entry(text("device")).or_default();
        if number("failed") > 0 {
            return Err(format!("{} fails on {}", text("op"), text("device")));
        }
        if number("passed") == 0 {
            row.3.push(text("op"));
        } else {
            row.0 += 1;
            row.1 += number("passed");
            row.2 = row.2.max(line["worst_ratio"].as_f64().unwrap_or(f64::INFINITY));
        }
    }
    if chips.len() < 4 || chips.values().any(|row| row.0 == 0) {
        return Err(format!("{} devices answered", chips.len()));
    }
    let told = chips.iter().map(|(chip, (files, cases, worst, not))| {
        let not = if not.is_empty() { "none".into() } else { not.join(", ") };
        format!("\n           {chip}: {files} files, {cases} cases, worst error/bound {worst:.2}; not: {not}")
    });
    Ok(told.collect())
}

/// The rows that the test printed, as they stand.
fn table(ran: &Ran) -> Verdict {
    one_test(ran)?;
    let rows = ran.out.lines().filter(|l| l.starts_with('|'));
    Ok(rows.map(|row| format!("\n           {row}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_read_what_the_tests_print() {
        let ran = |out: &str| Ran { code: Some(0), out: out.into(), err: String::new() };
        let told = passed(&ran("\nrunning 14 tests\n..\ntest result: ok. 14 passed; 0 failed"));
        assert_eq!(told.unwrap(), "14 tests passed");
        assert!(passed(&ran("test result: ok. 0 passed; 0 failed")).is_err());
        let told = table(&ran("9 kernels\n| a | b |\n| c | d |\ntest result: ok. 1 passed;"));
        assert_eq!(told.unwrap().lines().filter(|l| l.contains("| ")).count(), 2);
        assert!(table(&ran("| a |")).is_err());
        let row = |chip: u32, op: &str, passed: u32, failed: u32| {
            format!(
                r#"{{"device":"sim:sm{chip}","op":"{op}","passed":{passed},"failed":{failed},"worst_ratio":0.5}}"#
            )
        };
        let all: Vec<String> = [70, 75, 80, 90]
            .iter()
            .flat_map(|c| [row(*c, "a", 6, 0), row(*c, "b", 0, 0)])
            .collect();
        let told = verified(&ran(&all.join("\n"))).unwrap();
        assert!(
            told.contains("sim:sm90: 1 files, 6 cases, worst error/bound 0.50; not: b"),
            "{told}"
        );
        assert!(verified(&ran(&all[..4].join("\n"))).is_err());
        let failed = [all, vec![row(80, "c", 5, 1)]].concat();
        assert_eq!(verified(&ran(&failed.join("\n"))).unwrap_err(), "c fails on sim:sm80");
    }
}
