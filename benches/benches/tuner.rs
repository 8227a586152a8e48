//! The tuner judged: how much it measures in its time, how near it comes to an exhaustive search, whether it says the same
//! twice.
//!
//! ```text
//! cargo bench -p kgen-benches --bench tuner -- quick | exhaustive | repeats [--budget SECONDS]
//! ```

use kgen::{
    compile,
    device::Cpu,
    inputs, sweep,
    tune::{
        Effort, Settings, Tuned,
        records::{Record, Store, line_of},
    },
    verify,
};
use kgen_ir::{extent::Dims, op::Op};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Op files, sizes.
const CASES: [(&str, &str); 3] = [
    ("ops/w4a8_gemv.toml", "m=1"),
    ("ops/flash_decode.toml", "b=1,m=1,n=8192"),
    ("ops/w4a16_gemm.toml", "m=512"),
];
const REPEATS: usize = 20;

fn read(file: &str, sizes: &str) -> (Op, Dims) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let op = compile::read(&root.join(file)).expect("an op file");
    let sizes: Vec<String> = sizes.split(',').map(Into::into).collect();
    let values = sweep::cases(&sweep::parse_all(&sizes).expect("sizes")).remove(0);
    let dims = inputs::dims(&op, &values, &BTreeMap::new()).expect("its symbols");
    (op, dims)
}

fn tune(op: &Op, dims: &Dims, store: &Store, budget: Duration, effort: Effort) -> Tuned {
    let mut cpu = Cpu::open(None).expect("this CPU");
    let check = |cpu: &Cpu| {
        let summary = verify::verify(op, cpu, &verify::Options { cases: 12, seed: 0 });
        Some(summary.failed.is_empty())
    };
    let settings =
        Settings { budget, effort, resume: false, seed: 0, store, step: &|_| {}, check: &check };
    kgen::tune::tune(&mut cpu, op, dims, &settings).unwrap_or_else(|e| panic!("{e}"))
}

fn beside_exhaustive(what: &str, op: &Op, dims: &Dims, quick: &Record, store: &Store) {
    let begin = Instant::now();
    let every = tune(op, dims, store, Duration::from_secs(3600), Effort::Exhaustive);
    let took = begin.elapsed().as_secs_f64();
    let Some((best, top)) = &every.best else { panic!("{what}: no winner") };
    let known = store.get(&quick.key, &quick.bucket, &quick.device).expect("it can be read");
    let known = known.expect("the exhaustive search has every schedule");
    println!(
        "{what}: exhaustive: {} measured in {took:.0} s, best {:.3}, the quick winner there {:.3}; the quick winner is \
         {:.3} times the best: {}",
        every.measured,
        top.ratio,
        known.ratio,
        known.ratio / top.ratio,
        line_of(best)
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| args.iter().any(|a| a == word);
    let budget = args.iter().skip_while(|a| *a != "--budget").nth(1);
    let budget = budget.map(|b| b.parse().expect("--budget SECONDS"));
    let seconds = |default: u64| Duration::from_secs(budget.unwrap_or(default));
    let folder = std::env::temp_dir().join(format!("kgen-tuner-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let store = |name: &str| Store::open(&folder.join(name)).expect("a file of records");
    if has("quick") || has("exhaustive") {
        for (file, sizes) in CASES {
            let (op, dims) = read(file, sizes);
            let begin = Instant::now();
            let quick = tune(&op, &dims, &store("quick"), seconds(55), Effort::Quick);
            let took = begin.elapsed().as_secs_f64();
            let Some((schedule, record)) = &quick.best else { panic!("{file}: no winner") };
            let (measured, same, pruned) = (quick.measured, quick.same, quick.pruned);
            println!(
                "{file} {sizes}: measured {measured} took {took:.1} s, {same} of the same code, {pruned} over the roofline; \
                 winner {:.3} of the default's time ({:.3} to {:.3}): {}",
                record.ratio,
                record.low,
                record.high,
                line_of(schedule)
            );
            if has("exhaustive") {
                beside_exhaustive(
                    &format!("{file} {sizes}"),
                    &op,
                    &dims,
                    record,
                    &store("exhaustive"),
                );
            }
        }
    }
    if has("repeats") {
        let (file, sizes) = CASES[0];
        let (op, dims) = read(file, sizes);
        let mut won = BTreeMap::<String, (usize, f64)>::new();
        let mut measured = Vec::new();
        for i in 0..REPEATS {
            let own = store(&format!("repeat{i}"));
            let tuned = tune(&op, &dims, &own, seconds(20), Effort::Quick);
            let Some((schedule, record)) = &tuned.best else { panic!("no winner") };
            won.entry(line_of(schedule)).or_insert((0, record.ratio)).0 += 1;
            measured.push(tuned.measured);
        }
        let (_, (most, ratio)) = won.iter().max_by_key(|(_, (n, _))| *n).expect("winners");
        // Two within 2 % count as agreeing.
        let near = won.values().filter(|(_, r)| (r / ratio - 1.0).abs() <= 0.02);
        let agree: usize = near.map(|(n, _)| n).sum();
        println!(
            "{file} {sizes}: {REPEATS} repeats, {} to {} candidates measured, {most} of one winner; within 2 % of it, \
             agreeing: {agree}",
            measured.iter().min().expect("repeats"),
            measured.iter().max().expect("repeats")
        );
        for (line, (n, ratio)) in &won {
            println!("  {n} x {ratio:.3}  {line}");
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}
