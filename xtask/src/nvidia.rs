//! What PTX and its simulator promise, without a GPU.

use crate::must_show::{How, Point, Ran, Verdict, one_test, succeeded};

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
        name: "mutants of Triton's kernels",
        how: How::Slow {
            command: "env KGEN_FULL=1 cargo test --release -q -p kgen-tests --test triton mutants -- --nocapture",
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
    }
}
