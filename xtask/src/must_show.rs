//! What an issue promises, each point checked by a command that anyone can run.
//!
//! ```text
//! pass     five mistakes, five carets, exit 3: 5 carets, exit 3
//! skipped  tests pass: takes minutes; add --full
//! fail     every mutant is caught: exit 1: 1 mutant survived
//! ```

use crate::lines;
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

pub struct Point {
    pub name: &'static str,
    pub how: How,
}

pub enum How {
    /// A command line, run in the root; what it did decides.
    Run { command: &'static str, judge: fn(&Ran) -> Verdict },
    /// The same, for `--full` only.
    Slow { command: &'static str, judge: fn(&Ran) -> Verdict },
    /// Counted in the sources.
    Count,
}

/// Why a point holds, or why it does not.
pub type Verdict = Result<String, String>;

/// The line that a test prints before its verdict.
pub fn listed(ran: &Ran) -> Verdict {
    one_test(ran)?;
    let line = ran.out.lines().map(str::trim).find(|l| l.contains("; ") || l.contains(" of the "));
    Ok(line.unwrap_or("1 test passed").into())
}

/// What the witnesses print.
pub fn agreed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let lines: Vec<&str> = ran.out.lines().filter(|l| l.contains("agree")).collect();
    if lines.len() == 2 { Ok(lines.join("; ")) } else { Err("a witness said nothing".into()) }
}

/// The worst line of each kernel that the listing test printed.
pub fn counted(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let mut worst: std::collections::BTreeMap<&str, (u32, &str)> =
        std::collections::BTreeMap::new();
    for line in ran.out.lines().map(str::trim) {
        let Some((name, rest)) = line.split_once(": ") else { continue };
        let Some((all, rest)) = rest.split_once(" instructions, ") else { continue };
        let count = rest.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        let place = worst.entry(name).or_insert((0, all));
        if count >= place.0 {
            *place = (count, all);
        }
    }
    let told: Vec<_> = worst.iter().map(|(n, (c, all))| format!("{n} {c} of {all}")).collect();
    if told.is_empty() { Err("no kernel was read".into()) } else { Ok(told.join(", ")) }
}

/// Two ops, each with its errors and its share of the roof.
pub fn toured(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let shares: Vec<&str> = ran.out.lines().filter(|l| l.contains("that memory reads")).collect();
    match shares.len() {
        2 if ran.out.matches("cases, worst error/bound").count() == 2 => {
            Ok(shares.iter().map(|l| l.trim()).collect::<Vec<_>>().join("; "))
        }
        _ => Err("it does not tell what it should".into()),
    }
}

/// Runs cargo for a chore, with its output.
pub fn cargo(root: &Path, words: &str) -> ExitCode {
    cargo_with(root, words, &[])
}

/// The same, with variables of the environment.
pub fn cargo_with(root: &Path, words: &str, set: &[(&str, &str)]) -> ExitCode {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(words.split(' ')).envs(set.iter().copied()).current_dir(root);
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The command's own line is the proof.
pub fn told(ran: &Ran) -> Verdict {
    match (ran.code, ran.out.trim()) {
        (Some(0), text) if !text.is_empty() => {
            Ok(text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(", "))
        }
        _ => Err(ran.ending()),
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    /// From start to end, building included.
    pub seconds: f64,
}

impl Ran {
    /// What took longer than the issue allows is not shown.
    pub fn within(&self, seconds: f64) -> Verdict {
        let told = format!("{:.0} s", self.seconds);
        match self.seconds <= seconds {
            true => Ok(told),
            false => Err(format!("{told}, where {seconds:.0} s are allowed")),
        }
    }

    /// Why a test did not look: it says so on stdout.
    fn skipped(&self) -> Option<&str> {
        let reason = |line| str::split_once(line, "SKIPPED: ").map(|(_, reason)| reason);
        if self.code == Some(0) { self.out.lines().find_map(reason) } else { None }
    }

    /// The same, of what did nothing else.
    fn skipped_alone(&self) -> Option<&str> {
        self.skipped().filter(|_| self.out.trim().lines().count() == 1)
    }

    /// Exit code and the last words, for a point that fails.
    fn ending(&self) -> String {
        let code = self.code.map_or("killed".into(), |c| format!("exit {c}"));
        let last = self.err.lines().chain(self.out.lines()).rfind(|l| !l.trim().is_empty());
        last.map_or(code.clone(), |l| format!("{code}: {}", l.trim()))
    }
}

/// Checks all points, or those whose names have one of `words`; the exit code is 1 if one fails.
pub fn show(root: &Path, points: &[Point], full: bool, words: &[&str]) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for Point { name, how } in points {
        if !words.is_empty() && !words.iter().any(|w| name.contains(w)) {
            skipped += 1;
            println!("skipped  {name}: not asked for");
            continue;
        }
        let verdict = match how {
            How::Slow { .. } if !full => {
                skipped += 1;
                println!("skipped  {name}: takes minutes; add --full");
                continue;
            }
            How::Slow { command, judge } | How::Run { command, judge } => {
                let ran = run(root, command);
                let reason = ran.as_ref().ok().and_then(|ran| match how {
                    // One case of a long report may be left out.
                    How::Slow { .. } => ran.skipped_alone(),
                    How::Run { .. } | How::Count => ran.skipped(),
                });
                if let Some(reason) = reason {
                    skipped += 1;
                    println!("skipped  {name}: {reason}");
                    continue;
                }
                ran.and_then(|ran| judge(&ran))
            }
            How::Count => lines::count(root).map(|c| c.summary()).map_err(|e| e.to_string()),
        };
        match verdict {
            Ok(reason) => {
                passed += 1;
                println!("pass     {name}: {reason}");
            }
            Err(reason) => {
                failed += 1;
                println!("fail     {name}: {reason}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}

/// Runs a command line whose words are separated by spaces.
fn run(root: &Path, line: &str) -> Result<Ran, String> {
    eprintln!("$ {line}");
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    // Below `cargo xtask` this names the cargo that was called.
    let program = match program {
        "cargo" => std::env::var("CARGO").unwrap_or(program.into()),
        _ => program.into(),
    };
    let start = Instant::now();
    let output = Command::new(&program).args(words).current_dir(root).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seconds = start.elapsed().as_secs_f64();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    Ok(Ran { code: output.status.code(), out, err, seconds })
}

pub fn succeeded(ran: &Ran) -> Verdict {
    if ran.code == Some(0) { Ok("exit 0".into()) } else { Err(ran.ending()) }
}

pub fn one_test(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    match ran.out.contains("1 passed") {
        true => Ok("1 test passed".into()),
        false => Err("the test is not there".into()),
    }
}

pub fn one_screen(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    match ran.out.lines().count() {
        lines @ 1..=50 => Ok(format!("{lines} lines")),
        lines => Err(format!("{lines} lines")),
    }
}

pub fn five_carets(ran: &Ran) -> Verdict {
    let is_caret = |line: &str| line.contains('^') && line.chars().all(|c| " |^".contains(c));
    let carets = ran.err.lines().filter(|l| is_caret(l)).count();
    let places = ran.err.matches("--> ").count();
    match (ran.code, carets, places) {
        (Some(3), 5, 5) => Ok("5 carets, exit 3".into()),
        _ => Err(format!("{carets} carets, {places} places, {}", ran.ending())),
    }
}

pub fn both_verified(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let mut told = vec![];
    for op in ["flash_decode", "w4a8_gemv"] {
        let answer = ran
            .out
            .lines()
            .filter_map(|l| serde_json::from_str::<Value>(l).ok())
            .find(|v| v["op"] == op);
        let answer = answer.ok_or_else(|| format!("no answer for {op}"))?;
        let number = |key: &str| {
            answer[key].as_f64().ok_or_else(|| format!("{op}: no number `{key}` in {answer}"))
        };
        let (cases, passed, worst) = (number("cases")?, number("passed")?, number("worst_ratio")?);
        if cases == 0.0 || passed != cases || worst > 1.0 {
            return Err(format!("{op}: {passed} of {cases} cases, worst error / bound {worst}"));
        }
        told.push(format!("{op} {passed} cases, worst error / bound {worst:.3}"));
    }
    Ok(told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(code: i32, out: &str, err: &str) -> Ran {
        Ran { code: Some(code), out: out.into(), err: err.into(), seconds: 1.0 }
    }

    #[test]
    fn verdicts_on_verify() {
        let line = |op: &str, passed: u32, worst: f64| {
            format!(
                "{{\"op\": \"{op}\", \"cases\": 20, \"passed\": {passed}, \"worst_ratio\": {worst}}}\n"
            )
        };
        let good = line("flash_decode", 20, 0.25) + &line("w4a8_gemv", 20, 0.5);
        let reason = both_verified(&ran(0, &good, "")).unwrap();
        assert_eq!(
            reason,
            "flash_decode 20 cases, worst error / bound 0.250; w4a8_gemv 20 cases, worst error / bound 0.500"
        );
        let cases = [
            (ran(4, "", "error: no\n\n"), "exit 4: error: no"),
            (ran(1, "out\n", ""), "exit 1: out"),
            (ran(0, &line("flash_decode", 20, 0.1), ""), "no answer for w4a8_gemv"),
            (
                ran(0, &line("flash_decode", 19, 0.1), ""),
                "flash_decode: 19 of 20 cases, worst error / bound 0.1",
            ),
            (
                ran(0, &line("flash_decode", 20, 1.5), ""),
                "flash_decode: 20 of 20 cases, worst error / bound 1.5",
            ),
            (
                ran(0, "{\"op\":\"flash_decode\"}\n", ""),
                "flash_decode: no number `cases` in {\"op\":\"flash_decode\"}",
            ),
            (Ran { code: None, out: String::new(), err: String::new(), seconds: 1.0 }, "killed"),
        ];
        for (ran, reason) in cases {
            assert_eq!(both_verified(&ran).unwrap_err(), reason);
        }
    }

    #[test]
    fn verdicts_on_carets_and_tests() {
        let one = "error: x\n --> f:1:2\n  |\n1 | a ^ b\n  |   ^^\n  |\n";
        assert_eq!(five_carets(&ran(3, "", &one.repeat(5))).unwrap(), "5 carets, exit 3");
        assert!(five_carets(&ran(1, "", &one.repeat(5))).is_err());
        assert_eq!(five_carets(&ran(3, "", one)).unwrap_err(), "1 carets, 1 places, exit 3: |");
        assert_eq!(one_test(&ran(0, "test result: ok. 1 passed;", "")).unwrap(), "1 test passed");
        assert_eq!(one_screen(&ran(0, "a\nb\n", "")).unwrap(), "2 lines");
        assert_eq!(one_screen(&ran(0, "", "")).unwrap_err(), "0 lines");
        assert_eq!(one_screen(&ran(0, &"a\n".repeat(51), "")).unwrap_err(), "51 lines");
        assert_eq!(ran(0, "x\nSKIPPED: no numpy\n", "").skipped(), Some("no numpy"));
        assert_eq!(ran(1, "SKIPPED: no numpy\n", "").skipped(), None);
        assert_eq!(ran(0, "SKIPPED: no numpy\n", "").skipped_alone(), Some("no numpy"));
        assert_eq!(ran(0, "x\nSKIPPED: no numpy\n", "").skipped_alone(), None);
        assert_eq!(one_test(&ran(0, "ok. 0 passed;", "")).unwrap_err(), "the test is not there");
    }

    #[test]
    fn a_command_that_is_not_there_is_told() {
        assert!(
            run(Path::new("."), "kgen-no-such-program")
                .unwrap_err()
                .starts_with("kgen-no-such-program: ")
        );
    }

    #[test]
    fn the_reports_of_five_mistakes_have_five_carets() {
        let report = std::fs::read_to_string(crate::root().join("tests/diag/five.txt")).unwrap();
        assert!(five_carets(&ran(3, "", &report)).is_ok());
    }
}
