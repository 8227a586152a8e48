//! What the pool costs: an empty job, a barrier, a job for workers that have gone to sleep, and a pass of many short
//! steps like those of a decoder; on an idle machine, and with a busy foreign process on every core.
//!
//! ```text
//! 4 workers, idle: job 1.1 us (least 0.9), barrier 0.7 us, job after a pause 20 us, pass of 200 steps 3.6 ms (1.2 of its work)
//! 4 workers, a busy process a core: ..
//! ```

use kgen_runtime::{
    device,
    pool::{Barrier, Pool, Workers},
};
use std::{
    hint::black_box,
    io::Read,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const JOBS: u32 = 2000;
const REPEATS: usize = 15;
const STEPS: usize = 200;
/// Of a worker in a step.
const WORK: Duration = Duration::from_micros(15);
/// After which workers sleep.
const PAUSE: Duration = Duration::from_millis(5);

fn main() {
    let mut words = std::env::args().skip(1).filter(|a| a != "--bench");
    let first = words.next();
    if first.as_deref() == Some("busy") {
        return busy();
    }
    let threads = first.and_then(|t| t.parse().ok()).unwrap_or_else(device::cores);
    let turns = turns_of(WORK);
    let pool = Pool::new(threads).expect("threads start");
    measure("idle", &pool, turns);
    let program = std::env::current_exe().expect("a program has a path");
    let start = |_| Command::new(&program).arg("busy").stdin(Stdio::piped()).spawn();
    let mut others: Vec<Child> =
        (0..device::cores()).map(start).collect::<Result<_, _>>().expect("this program starts");
    thread::sleep(Duration::from_millis(200));
    measure("a busy process a core", &pool, turns);
    others.iter_mut().for_each(|c| drop(c.stdin.take()));
    others.iter_mut().for_each(|c| drop(c.wait()));
    if let (Some(before), Some(after)) = (used(), {
        thread::sleep(Duration::from_secs(1));
        used()
    }) {
        println!(
            "{threads} workers without work used {} ticks of 10 ms in a second",
            after - before
        );
    }
}

/// Until whoever started it ends or lets go of it.
fn busy() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    loop {
        work(1000);
    }
}

fn work(turns: u32) {
    let x = (0..turns).fold(1u32, |x, i| black_box(x.wrapping_mul(1_664_525).wrapping_add(i)));
    black_box(x);
}

/// Turns of [`work`] that take so long.
fn turns_of(time: Duration) -> u32 {
    let one = || {
        let start = Instant::now();
        work(100_000);
        start.elapsed()
    };
    let least = (0..50).map(|_| one()).min().unwrap_or(time);
    (100_000.0 * time.as_secs_f64() / least.as_secs_f64()) as u32
}

fn measure(when: &str, pool: &Pool, turns: u32) {
    let barrier = Barrier::new(pool.count());
    let (job, least) = times(|| each(JOBS, || (0..JOBS).for_each(|_| pool.run(&|_| {}))));
    let (met, _) =
        times(|| each(JOBS, || pool.run(&|_| (0..JOBS).for_each(|_| assert!(barrier.wait())))));
    let (woken, _) = times(|| {
        thread::sleep(PAUSE);
        each(1, || pool.run(&|_| {}))
    });
    let (pass, _) = times(|| {
        each(1, || {
            pool.run(&|_| {
                for _ in 0..STEPS {
                    work(turns);
                    barrier.wait();
                }
            });
        })
    });
    println!(
        "{} workers, {when}: job {:.1} us (least {:.1}), barrier {:.1} us, job after a pause {:.0} us, pass of {STEPS} steps {:.1} ms \
         ({:.2} of its work)",
        pool.count(),
        job * 1e6,
        least * 1e6,
        met * 1e6,
        woken * 1e6,
        pass * 1e3,
        pass / (STEPS as f64 * WORK.as_secs_f64())
    );
}

/// Seconds for each of `count`.
fn each(count: u32, case: impl FnOnce()) -> f64 {
    let start = Instant::now();
    case();
    start.elapsed().as_secs_f64() / f64::from(count)
}

/// The median, and the least: what the pool takes where nobody takes its cores.
fn times(case: impl Fn() -> f64) -> (f64, f64) {
    let mut times: Vec<f64> = (0..REPEATS).map(|_| case()).collect();
    times.sort_by(f64::total_cmp);
    (times[REPEATS / 2], times[0])
}

/// Ticks of CPU time of this process: fields 14 and 15 of `/proc/self/stat` (proc(5)).
fn used() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let behind = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}
