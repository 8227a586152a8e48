//! What the CPU's limit promises, as far as it is built: the report, the tuner, backends, latency of the pool.

use crate::must_show::{How, Point, Ran, Verdict, one_test, succeeded};
use std::ops::RangeInclusive;

/// The rows that tell how ours scales and what lesser machines reach.
macro_rules! scaled {
    ($how:literal) => {
        concat!(
            "cargo bench -q -p kgen-benches --bench rivals -- --alone --resume ",
            $how,
            " q4_0 q6_k head-major prompt"
        )
    };
}

pub const POINTS: &[Point] = &[
    Point {
        name: "every row beside its limit and the rivals that are installed: correct, each miss told",
        how: How::Slow {
            command: "cargo bench -q -p kgen-benches --bench rivals -- --resume",
            judge: reported,
        },
    },
    Point {
        name: "on one thread: some rows",
        how: How::Slow { command: scaled!("--threads 1"), judge: reported },
    },
    Point {
        name: "on two threads: some rows",
        how: How::Slow { command: scaled!("--threads 2"), judge: reported },
    },
    Point {
        name: "machine code of AVX2 alone: some rows",
        how: How::Slow { command: scaled!("--target x86-64-v3/native"), judge: reported },
    },
    Point {
        name: "Cranelift's code: some rows",
        how: How::Slow { command: scaled!("--target x86-64-v3/cranelift"), judge: reported },
    },
    Point {
        name: "tuner: at least 100 candidates of an op within 60 s, three ops",
        how: How::Run {
            command: "cargo bench -q -p kgen-benches --bench tuner -- quick",
            judge: quick,
        },
    },
    Point {
        name: "tuner: within 5 % of an exhaustive search, three ops",
        how: How::Slow {
            command: "cargo bench -q -p kgen-benches --bench tuner -- exhaustive",
            judge: exhaustive,
        },
    },
    Point {
        name: "tuner: 20 repeats of 20 s, 19 agree (within 2 %)",
        how: How::Slow {
            command: "cargo bench -q -p kgen-benches --bench tuner -- repeats",
            judge: repeats,
        },
    },
    Point {
        name: "tuner: four processes and one kill -9: no record lost or damaged",
        how: How::Run {
            command: "cargo test --release -q -p kgen-compiler --test tune many_processes",
            judge: one_test,
        },
    },
    Point {
        name: "all kernels of the tiny model and of Llama 3.2 1B's shape, one thread: <= 1 s cold, <= 50 ms cached",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench model", judge: compiled },
    },
    Point {
        name: "from text to code: native and Cranelift",
        how: How::Run { command: "cargo bench -q -p kgen-benches --bench jit", judge: lines },
    },
    Point {
        name: "LLVM: every row, the bits of machine code, its JIT beside the others",
        how: How::Slow { command: "cargo xtask llvm", judge: oracle },
    },
    Point {
        name: "LLVM beside native in turns, some rows: correct; within 3 % either way, or told",
        how: How::Slow { command: "cargo xtask llvm turns", judge: turns },
    },
    Point {
        name: "no moves or stack references in innermost loops (AVX-512), a kernel a line",
        how: How::Run {
            command: "cargo test --release -q -p kgen-tests --test costs -- --nocapture --test-threads 1",
            judge: lines,
        },
    },
    Point {
        name: "latency of the pool, idle (at best <= 5 us a job) and with a busy process a core",
        how: How::Run {
            command: "cargo bench -q -p kgen-benches --bench dispatch",
            judge: latency,
        },
    },
];

/// The table of the report, if no result was wrong.
fn reported(ran: &Ran) -> Verdict {
    let told = lines(ran)?;
    if told.contains(" WRONG") || !told.contains(" cases, ") { Err(told) } else { Ok(told) }
}

/// All that was printed.
fn lines(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    Ok(ran.out.lines().map(|l| format!("\n           {l}")).collect())
}

/// The lines of a kind, each with the number behind a word, which must hold.
fn each(ran: &Ran, kind: &str, behind: &str, holds: &dyn Fn(f64) -> bool) -> Verdict {
    let told = lines(ran)?;
    let numbers = ran.out.lines().filter(|l| l.contains(kind) && l.contains(behind)).map(|l| {
        let rest = l.split_once(behind).map_or("", |(_, rest)| rest);
        rest.split([' ', ')']).next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN)
    });
    let numbers: Vec<f64> = numbers.collect();
    if numbers.is_empty() || !numbers.iter().all(|n| holds(*n)) { Err(told) } else { Ok(told) }
}

/// How the tests ended, and a line a backend and op.
fn oracle(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let told = ran.out.lines().filter(|l| l.starts_with("test result") || l.contains("/llvm: "));
    let told: Vec<String> = told.map(|l| format!("\n           {l}")).collect();
    if told.len() < 2 {
        Err("no test ran, or no kernel was timed".into())
    } else {
        Ok(told.concat())
    }
}

/// What LLVM's time over that of machine code should be: an aim, so that what is not is told, and no failure.
const NEAR: RangeInclusive<f64> = 0.97..=1.03;

/// A ratio with its interval for every case of the report, none of a wrong result.
fn turns(ran: &Ran) -> Verdict {
    let told = reported(ran)?;
    let (mut ratios, mut outside) = (0, String::new());
    let lines: Vec<&str> = ran.out.lines().collect();
    for two in lines.windows(2) {
        let Some((_, rest)) = two[1].split_once(" ms, ") else { continue };
        let Some((ratio, half)) = rest.split_once(" times ours").and_then(|(r, _)| interval(r))
        else {
            continue;
        };
        ratios += 1;
        if !NEAR.contains(&ratio) {
            let case = two[0].split("  ").next().unwrap_or_default();
            outside += &format!("; {case}: {ratio:.3} +- {half:.3}");
        }
    }
    if ratios == 0 || !ran.out.contains(&format!("{ratios} cases, ")) {
        return Err(format!("{ratios} ratios{told}"));
    }
    Ok(format!(
        "{ratios} ratios, not within 3 %{}{told}",
        if outside.is_empty() { ": none" } else { &outside }
    ))
}

/// `0.97 +- 0.01`.
fn interval(text: &str) -> Option<(f64, f64)> {
    let (ratio, half) = text.split_once(" +- ")?;
    Some((ratio.parse().ok()?, half.parse().ok()?))
}

fn compiled(ran: &Ran) -> Verdict {
    each(ran, "op files", "cold ", &|ms| ms <= 1000.0)?;
    each(ran, "op files", "cached ", &|ms| ms <= 50.0)
}

/// Where the machine is shared, times of jobs that its host has interrupted are no times of the pool.
fn latency(ran: &Ran) -> Verdict {
    each(ran, "idle", "(least ", &|us| us <= 5.0)
}

fn quick(ran: &Ran) -> Verdict {
    each(ran, "ops/", " took ", &|seconds| seconds <= 60.0)?;
    each(ran, "ops/", " measured ", &|candidates| candidates >= 100.0)
}

fn exhaustive(ran: &Ran) -> Verdict {
    each(ran, "exhaustive", "the quick winner is ", &|times| times <= 1.05)
}

fn repeats(ran: &Ran) -> Verdict {
    each(ran, "repeats", "agreeing: ", &|agree| agree >= 19.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_read_what_the_bench_prints() {
        let ran =
            |out: &str| Ran { code: Some(0), out: out.into(), err: String::new(), seconds: 1.0 };
        assert!(
            quick(&ran("ops/a m=1: measured 120 took 44.1 s\nops/b m=1: measured 160 took 59 s"))
                .is_ok()
        );
        assert!(quick(&ran("ops/a m=1: measured 120 took 64.1 s")).is_err());
        assert!(quick(&ran("ops/a m=1: measured 12 took 44.1 s")).is_err());
        assert!(
            exhaustive(&ran("ops/a: exhaustive: the quick winner is 1.02 times the best")).is_ok()
        );
        assert!(
            exhaustive(&ran("ops/a: exhaustive: the quick winner is 1.07 times the best")).is_err()
        );
        assert!(repeats(&ran("ops/a: 20 repeats, agreeing: 19 of 20")).is_ok());
        let told = |cold: f64, cached: f64| {
            ran(&format!("a model: 11 op files, 34 kernels: cold {cold} ms, cached {cached} ms"))
        };
        assert!(compiled(&told(214.0, 8.1)).is_ok());
        assert!(compiled(&told(1200.0, 8.1)).is_err());
        assert!(compiled(&told(214.0, 81.0)).is_err());
        assert!(repeats(&ran("nothing")).is_err());
        assert!(latency(&ran("4 workers, idle: job 7.1 us (least 0.9), barrier 1 us")).is_ok());
        assert!(latency(&ran("4 workers, idle: job 7.1 us (least 6.9), barrier 1 us")).is_err());
        let case =
            "q4_0 m=1      0.463 +- 0.052 ms, 0.93 of memory (aim 0.92, 47.2), error/bound 0.03\n";
        let second = "    x/llvm: 0.468 ms, 0.960 +- 0.013 times ours, error/bound 0.03";
        let both = format!("{case}{second}\n");
        let told = turns(&ran(&format!("{both}1 cases, 0 miss an aim;"))).unwrap();
        assert!(told.starts_with("1 ratios, not within 3 %; q4_0 m=1: 0.960 +- 0.013"), "{told}");
        let near = both.replace("0.960", "1.030");
        let told = turns(&ran(&format!("{near}{near}2 cases, 0 miss an aim;"))).unwrap();
        assert!(told.starts_with("2 ratios, not within 3 %: none"), "{told}");
        for bad in [
            format!("{both}{case}2 cases, 0 miss an aim;"),
            format!("{case}{second} WRONG\n1 cases, 0 miss an aim;"),
            "0 cases, 0 miss an aim;".into(),
            both,
        ] {
            assert!(turns(&ran(&bad)).is_err(), "{bad}");
        }
        let line = "test result: ok. 13 passed\nflash_decode, x86-64-v4/llvm: 5 kernels";
        assert!(oracle(&ran(line)).is_ok());
        assert!(oracle(&ran("test result: ok. 13 passed")).is_err());
    }
}
