//! Cost of an empty job and of a barrier: `cargo run --release -p kgen-runtime --example dispatch -- THREADS`.

use kgen_runtime::{
    device,
    pool::{Barrier, Pool, Workers},
};
use std::time::Instant;

const JOBS: u32 = 10_000;
const REPEATS: usize = 9;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => device::cores(),
    };
    let pool = Pool::new(threads)?;
    let barrier = Barrier::new(pool.count());
    measure("job", threads, || (0..JOBS).for_each(|_| pool.run(&|_| {})));
    measure("barrier", threads, || {
        pool.run(&|_| {
            for _ in 0..JOBS {
                barrier.wait();
            }
        });
    });
    Ok(())
}

fn measure(name: &str, threads: usize, case: impl Fn()) {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            case();
            start.elapsed().as_secs_f64() * 1e9 / f64::from(JOBS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (median, least) = (times[REPEATS / 2], times[0]);
    println!("{name}: {threads} workers, median {median:.0} ns, least {least:.0} ns");
}
