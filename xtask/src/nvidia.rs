//! What PTX and its simulator promise, without a GPU.

use crate::must_show::{How, Point, Ran, Verdict, one_test, succeeded};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
            judge: mistakes,
        },
    },
    Point {
        name: "NVIDIA's assembler takes the kernels: no spill, native tensor opcodes",
        how: How::Run { command: "cargo xtask validate --fast", judge: validated },
    },
    Point {
        name: "the same for every chip, by two assemblers; bank conflicts, and sectors as foreseen",
        how: How::Slow { command: "cargo xtask validate --full", judge: validated },
    },
    Point {
        name: "op to PTX on one core, beside Triton",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench ptx -- --once", judge: timed },
    },
    Point {
        name: "chips and GPUs that `kgen targets` lists",
        how: How::Run { command: "cargo run --release -q -p kgen-compiler -- targets", judge: gpus },
    },
    Point {
        name: "the evidence of hardware, without it: known answers and planted mistakes in the simulator",
        how: How::Run { command: "cargo xtask hardware check --dry-run", judge: rehearsed },
    },
    Point {
        name: "on a GPU: known answers, op files, sanitizer, times beside rivals",
        how: How::Run { command: "cargo xtask hardware", judge: rehearsed },
    },
];

/// Seconds that all op files may take on four chips, and as many all mutants.
const MOST: f64 = 1200.0;

/// What the assemblers told of all kernels.
fn validated(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let line = ran.out.lines().find(|l| l.contains(" kernels by ptxas "));
    line.map(Into::into).ok_or("it tells no sum".into())
}

/// Ours and theirs, which must take longer, and whether ours keep to the aim, which is told and not held to.
fn timed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let lines = |theirs: bool| {
        let of = move |l: &&str| l.contains(" ms") && l.starts_with("Triton") == theirs;
        ran.out.lines().filter(|l| !l.starts_with(' ') && !aim(l)).filter(of)
    };
    let number = |line: &str| line.split_once(" ms")?.0.rsplit(' ').next()?.parse::<f64>().ok();
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (lines(false).filter_map(number).collect(), lines(true).filter_map(number).collect());
    let told = lines(false).chain(lines(true)).chain(ran.out.lines().filter(|l| aim(l)));
    let told: String = told.map(|l| format!("\n           {l}")).collect();
    let most = ours.iter().copied().fold(0.0, f64::max);
    let faster = theirs.iter().all(|ms| *ms > most);
    if ours.len() >= 4 && theirs.len() >= 2 && faster { Ok(told) } else { Err(told) }
}

/// Is it the line about the aim?
fn aim(line: &str) -> bool {
    line.starts_with("all within") || line.starts_with("above ")
}

fn gpus(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let chips = ran.out.lines().filter(|l| l.split_whitespace().nth(1) == Some("ptx")).count();
    let device = ran.out.lines().rfind(|l| l.starts_with("cuda")).ok_or("no word of GPUs")?;
    if chips >= 8 { Ok(format!("{chips} chips; {device}")) } else { Err(format!("{chips} chips")) }
}

/// Known answers that are right, mistakes that were found.
fn rehearsed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let of = |what: &str| {
        let lines = ran.out.lines().filter(|l| l.contains(what));
        let good = lines.clone().filter(|l| l.contains("\"ok\": true")).count();
        (good, lines.count())
    };
    let ((answers, forms), (found, planted)) = (of("{\"answer\":"), of("{\"planted\":"));
    let told = format!("{answers} of {forms} known answers, {found} of {planted} mistakes found");
    if forms > 0 && (answers, found) == (forms, planted) { Ok(told) } else { Err(told) }
}

/// How many tests there were.
fn passed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let count = ran.out.split(" passed").next().and_then(|o| o.rsplit(' ').next());
    count.filter(|n| *n != "0").map(|n| format!("{n} tests passed")).ok_or("no test ran".into())
}

/// Op files that no GPU computes, or whose outputs nobody can judge, and why: as the test of the small cases has them
/// (`tests/tests/ptx.rs`). All others pass, and each of these is refused for this reason.
#[rustfmt::skip] // one per row
const UNSUPPORTED: &[(&str, &str)] = &[
    ("hybrid_topk_decode", "the reference cannot do `emit`"),
    ("squeezed_attention", "the reference cannot do a `select` other than all"),
    ("onebit_lut_gemv",    "cannot do lookups of bytes; instead: `compute = \"int_dot\"`"),
    ("ternary_lut_gemv",   "cannot do lookups of weights of 2 bits: from 2 bits on they cost as much as products of bytes"),
    ("w6a8_bitplane_gemm", "cannot do this way to compute; instead: `compute = \"int_dot\"` or \"dequant\""),
];

/// What came of the cases on a chip.
#[derive(Default)]
struct Chip {
    files: BTreeSet<String>,
    cases: u64,
    worst: f64,
    not: Vec<String>,
}

/// Of each chip: files that passed, those that it does not do and why, which must be those of [`UNSUPPORTED`].
fn verified(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let mut chips: BTreeMap<String, Chip> = BTreeMap::new();
    for line in ran.out.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()) {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_string();
        let number = |key: &str| line[key].as_u64().unwrap_or_default();
        let (op, device, reason) = (text("op"), text("device"), text("reason"));
        if number("failed") > 0 {
            return Err(format!("{op} fails on {device}"));
        }
        let chip = chips.entry(device.clone()).or_default();
        chip.files.insert(op.clone());
        let listed = UNSUPPORTED.iter().find(|(name, _)| *name == op);
        match (listed, number("unsupported")) {
            (None, 0) if number("passed") > 0 => {
                chip.cases += number("passed");
                chip.worst = chip.worst.max(line["worst_ratio"].as_f64().unwrap_or(f64::INFINITY));
            }
            (Some((_, why)), 1..) if reason.contains(why) => chip.not.push(format!("{op} ({why})")),
            (Some((_, why)), _) => {
                return Err(format!("{op} on {device} should be refused: {why}, but: {reason}"));
            }
            (None, _) => return Err(format!("{op} on {device} is not listed: {reason}")),
        }
    }
    let all = chips.values().next().map(|c| c.files.clone()).unwrap_or_default();
    if let Some((chip, _)) = chips.iter().find(|(_, c)| c.files != all || c.cases == 0) {
        return Err(format!("not all files were asked of {chip}"));
    }
    if let Some((lacking, _)) = UNSUPPORTED.iter().find(|(name, _)| !all.contains(*name)) {
        return Err(format!("{lacking} was not asked"));
    }
    if chips.len() < 4 {
        return Err(format!("{} devices answered", chips.len()));
    }
    let told = chips.iter().map(|(chip, Chip { files, cases, worst, not })| {
        let (files, not) = (files.len() - not.len(), not.join(", "));
        format!("\n           {chip}: {files} files, {cases} cases, worst error/bound {worst:.2}; not: {not}")
    });
    Ok(ran.within(MOST)? + &told.collect::<String>())
}

/// The rows that the test printed, as they stand.
fn table(ran: &Ran) -> Verdict {
    one_test(ran)?;
    let rows = ran.out.lines().filter(|l| l.starts_with('|'));
    Ok(rows.map(|row| format!("\n           {row}")).collect())
}

/// At least 99 of 100 mistakes that change something are seen, and fewer than 5 of 100 change nothing.
fn mistakes(ran: &Ran) -> Verdict {
    let rows = ran.within(MOST)? + &table(ran)?;
    let sum = ran.out.lines().find(|l| l.starts_with("| all, of ")).unwrap_or_default();
    let counts: Vec<usize> = sum.split('|').filter_map(|c| c.trim().parse().ok()).collect();
    match counts[..] {
        [all, seen, proved, missed] if missed * 100 <= seen + missed && proved * 20 < all => {
            Ok(rows)
        }
        [all, seen, proved, missed] => Err(format!(
            "of {all}, {seen} were seen, {proved} proved to change nothing (below 5 % is wanted), {missed} missed (1 %)"
        )),
        _ => Err("no sum of the mistakes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_counted() {
        let ran = |sum: &str| {
            let out = format!("{sum}\ntest result: ok. 1 passed; 0 failed");
            mistakes(&Ran { code: Some(0), out, err: String::new(), seconds: 1.0 })
        };
        assert!(ran("| all, of 9 kernels | 1000 | 960 | 40 | 0 |").is_ok());
        let slow = Ran { code: Some(0), out: String::new(), err: String::new(), seconds: 1201.0 };
        assert_eq!(slow.within(MOST).unwrap_err(), "1201 s, where 1200 s are allowed");
        assert!(ran("| all, of 9 kernels | 1000 | 950 | 40 | 10 |").is_err());
        assert!(ran("| all, of 9 kernels | 1000 | 950 | 50 | 0 |").is_err());
        assert_eq!(ran("| kernels |").unwrap_err(), "no sum of the mistakes");
    }

    #[test]
    fn judges_read_what_the_tests_print() {
        let ran =
            |out: &str| Ran { code: Some(0), out: out.into(), err: String::new(), seconds: 1.0 };
        let told = passed(&ran("\nrunning 14 tests\n..\ntest result: ok. 14 passed; 0 failed"));
        assert_eq!(told.unwrap(), "14 tests passed");
        assert!(passed(&ran("test result: ok. 0 passed; 0 failed")).is_err());
        let told = table(&ran("9 kernels\n| a | b |\n| c | d |\ntest result: ok. 1 passed;"));
        assert_eq!(told.unwrap().lines().filter(|l| l.contains("| ")).count(), 2);
        assert!(table(&ran("| a |")).is_err());
        let row = |chip: u32, op: &str, [passed, failed, unsupported]: [u32; 3], reason: &str| {
            serde_json::json!({
                "device": format!("sim:sm{chip}"), "op": op, "passed": passed, "failed": failed,
                "unsupported": unsupported, "reason": reason, "worst_ratio": 0.5,
            })
            .to_string()
        };
        let of = |chip: u32| {
            let refused = UNSUPPORTED.iter().map(|(op, why)| row(chip, op, [0, 0, 1], why));
            [row(chip, "a", [6, 0, 0], "")].into_iter().chain(refused).collect::<Vec<_>>()
        };
        let all: Vec<String> = [70, 75, 80, 90].into_iter().flat_map(of).collect();
        let told = verified(&ran(&all.join("\n"))).unwrap();
        let line = "sim:sm90: 1 files, 6 cases, worst error/bound 0.50; not: hybrid_topk_decode (";
        assert!(told.contains(line), "{told}");
        let with = |row: String| verified(&ran(&[&all[..], &[row]].concat().join("\n")));
        assert_eq!(verified(&ran(&of(80).join("\n"))).unwrap_err(), "1 devices answered");
        let lacking = verified(&ran(&row(80, "a", [6, 0, 0], ""))).unwrap_err();
        assert_eq!(lacking, "hybrid_topk_decode was not asked");
        assert_eq!(with(row(80, "c", [5, 1, 0], "")).unwrap_err(), "c fails on sim:sm80");
        let told = with(row(80, "c", [0, 0, 6], "no row")).unwrap_err();
        assert_eq!(told, "c on sim:sm80 is not listed: no row");
        let told = with(row(80, "ternary_lut_gemv", [6, 0, 0], "")).unwrap_err();
        assert!(told.starts_with("ternary_lut_gemv on sim:sm80 should be refused"), "{told}");
        let told = with(row(90, "c", [6, 0, 0], "")).unwrap_err();
        assert_eq!(told, "not all files were asked of sim:sm90");
        let sum = "3 kernels by ptxas 12.9: 0 with faults";
        assert_eq!(validated(&ran(&format!("| a |\n{sum}\n"))).unwrap(), sum);
        assert!(validated(&ran("nothing")).is_err());
        let lines = "a sm80: 3 ms\nTriton sm80: 300 ms\nb sm80: 4 ms\na sm90: 6 ms\nb sm90: 5 ms\n";
        let timed = |more: &str| timed(&ran(&format!("{lines}{more}")));
        assert!(timed("Triton sm90: 200 ms\nabove 5 ms: a\n").unwrap().ends_with("above 5 ms: a"));
        assert!(timed("SKIPPED: no Triton\nall within 5 ms\n").is_err());
        assert!(timed("Triton sm90: 5 ms\nall within 5 ms\n").is_err());
        let chips = "sm80  ptx  A100\n".repeat(8);
        let told = gpus(&ran(&format!("{chips}cuda: no driver\n")));
        assert_eq!(told.unwrap(), "8 chips; cuda: no driver");
        assert!(gpus(&ran("cuda: no driver\n")).is_err());
        let good = "{\"answer\": \"a\", \"ok\": true}\n{\"planted\": \"b\", \"ok\": true}\n";
        assert_eq!(rehearsed(&ran(good)).unwrap(), "1 of 1 known answers, 1 of 1 mistakes found");
        assert!(rehearsed(&ran(&good.replace("true", "false"))).is_err());
        assert!(rehearsed(&ran("")).is_err());
    }
}
