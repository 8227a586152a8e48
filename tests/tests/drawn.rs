//! Ops drawn from the whole language: each means what the reference says, or is declined for a reason that is known.
//!
//! `KGEN_DRAWN=103,24` draws by another seed, so many. What fails is printed as an op file.

use kgen::{
    Schedule,
    device::Cpu,
    verify::{self, Engine, EngineError, Options, Tensors},
};
use kgen_ir::{
    extent::Dims,
    op::{Op, print, read},
};
use kgen_runtime::{module::Module, tensors::Strides};
use kgen_tests::draw::{self, Drawn};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Why an op may be declined: a kind, and a part of the reason. None of them is left over.
const DECLINED: &[(&str, &str)] = &[
    ("mpgemm", "integer products of f"),
    ("mpgemm", "integer products of bf16 weights"),
    ("mpgemm", "`group_int` where scales of weights and activations change at different places"),
    ("mpgemm", "several weights, one of them in act-order"),
    ("rows", "rows of i64"),
];

/// Ops that hold every pair of properties.
const ALL: usize = 330;
const SEED: u64 = 11;

const TARGETS: [&str; 3] = ["x86-64-v4/native", "x86-64-v3/native", "x86-64-v3/cranelift"];

/// A CPU that compiles each op once.
struct Once {
    cpu: Cpu,
    known: RefCell<BTreeMap<String, Result<Arc<Module>, EngineError>>>,
}

impl Engine for Once {
    fn name(&self) -> &str {
        "cpu"
    }

    fn edges(&self, op: &Op) -> Vec<i64> {
        self.cpu.edges(op)
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        let failed = |e: kgen::Error| match e {
            kgen::Error::Unsupported(why) => EngineError::Unsupported(why),
            kgen::Error::Usage(_)
            | kgen::Error::Report(_)
            | kgen::Error::File { .. }
            | kgen::Error::Unavailable(_)
            | kgen::Error::Input(_) => EngineError::Failed(e.to_string()),
        };
        let mut known = self.known.borrow_mut();
        let load = || self.cpu.load(op).map_err(failed);
        let module = known.entry(print::print(op)).or_insert_with(load).clone()?;
        self.cpu.run(&module, dims, inputs).map_err(failed)
    }
}

/// What came of an op.
#[derive(Default)]
struct Ended {
    passed: usize,
    declined: Option<String>,
    wrong: Vec<String>,
}

fn held(drawn: &Drawn, number: usize) -> Ended {
    let op = match read::read("drawn.toml", &drawn.text) {
        Ok(op) => op,
        Err(report) => return Ended { wrong: vec![report.to_string()], ..Ended::default() },
    };
    let target = TARGETS[number % TARGETS.len()];
    let Ok(mut cpu) = Cpu::open(Some(2)).unwrap().with_target(Some(target)) else {
        return Ended::default();
    };
    let base = cpu.schedule.clone();
    // Every second op on rows that do not touch.
    cpu.strides = if number % 2 == 1 { Strides::Apart(number as u64) } else { Strides::Dense };
    cpu.schedule = Schedule { keys: 16, split: [32, 48, 40][number % 3], ..base };
    let options = Options { cases: 13, seed: number as u64 };
    let engine = Once { cpu, known: RefCell::default() };
    let summary = verify::verify(&op, &engine, &options);
    Ended {
        passed: summary.passed,
        declined: summary.unsupported.map(|why| why.to_string()),
        wrong: summary
            .failed
            .iter()
            .map(|f| format!("{target}: {f}\n{}", print::print(&f.op)))
            .collect(),
    }
}

/// The same, where a panic is a mistake like any other.
fn caught(drawn: &Drawn, number: usize) -> Ended {
    catch_unwind(AssertUnwindSafe(|| held(drawn, number))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Ended { wrong: vec![format!("a panic: {}", text.unwrap_or_default())], ..Ended::default() }
    })
}

#[test]
fn drawn_ops_mean_what_they_say() {
    let asked = std::env::var("KGEN_DRAWN").ok();
    let asked = asked.as_deref().and_then(|s| s.split_once(','));
    let asked = asked.and_then(|(seed, count)| Some((seed.parse().ok()?, count.parse().ok()?)));
    let (seed, count) = asked.unwrap_or((SEED, ALL));
    let (drawn, covered) = draw::all(count, seed);
    for c in &covered {
        println!(
            "{}: {} properties, {} values, {} pairs in {} of {} ops",
            c.kind, c.properties, c.values, c.pairs, c.enough, c.ops
        );
        assert!(count < ALL || c.missing.is_empty(), "{}: {:?}", c.kind, c.missing);
    }
    // Debug builds look at a few of them.
    let step = if cfg!(debug_assertions) && asked.is_none() { 13 } else { 1 };
    let numbers: Vec<usize> = (0..drawn.len()).step_by(step).collect();
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = caught(&drawn[*number], *number);
                    for wrong in &end.wrong {
                        eprintln!(
                            "op {number}: {wrong}\n{}\n{}",
                            drawn[*number].says, drawn[*number].text
                        );
                    }
                    ended.lock().unwrap().insert(*number, end);
                }
            });
        }
    });
    let ended = ended.into_inner().unwrap();
    let (mut passed, mut wrong, mut reasons) = (0, 0, BTreeMap::new());
    for (number, end) in &ended {
        passed += usize::from(end.passed > 0 && end.declined.is_none() && end.wrong.is_empty());
        wrong += usize::from(!end.wrong.is_empty());
        let Some(why) = &end.declined else { continue };
        let kind = drawn[*number].kind;
        let known = DECLINED.iter().find(|(k, part)| *k == kind && why.contains(part));
        let reason = known.map_or_else(|| format!("NOT LISTED: {why}"), |k| k.1.to_owned());
        let entry = reasons.entry((kind, reason)).or_insert((0, *number));
        entry.0 += 1;
    }
    for ((kind, reason), (count, first)) in &reasons {
        println!("{count} {kind} ops declined: {reason}");
        if reason.starts_with("NOT LISTED") {
            println!("{}", drawn[*first].text);
        }
    }
    println!(
        "{passed} of {} drawn ops passed; {} declined for {} reasons",
        ended.len(),
        ended.values().filter(|e| e.declined.is_some()).count(),
        reasons.len()
    );
    assert_eq!(wrong, 0, "ops that do not mean what they say stand above");
    let strange = reasons.keys().filter(|k| k.1.starts_with("NOT LISTED")).count();
    assert_eq!(strange, 0, "ops declined for reasons that are not listed stand above");
    if (seed, count, step) == (SEED, ALL, 1) {
        for (kind, part) in DECLINED {
            let found = reasons.keys().any(|(k, reason)| k == kind && reason == part);
            assert!(found, "no {kind} op is declined for `{part}`: take it off the list");
        }
    }
}

#[test]
fn drawn_ops_hold_every_pair_of_their_properties() {
    for seed in [SEED, 1, 2] {
        let (drawn, covered) = draw::all(ALL, seed);
        assert!(drawn.len() + 3 >= ALL, "{}", drawn.len());
        for c in &covered {
            assert!(c.missing.is_empty() && c.enough < c.ops, "{c:?}");
        }
    }
}
