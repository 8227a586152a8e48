//! The corpus that every engine runs: `tests/cases/*.toml`, read by [`kgen_tests::corpus`].
//!
//! The files of one kind of op begin with its name: each kind is a test. Interpreters of machine kernels take most of the
//! time: they do every third case, and all with `KGEN_FULL=1`.

use kgen::{
    compile,
    device::Cpu,
    verify::{self, Example},
};
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Dims,
    op::{Compute, Kind, Op, Precision, tensors},
    target::Target,
    tensor::Tensor,
    tile::{
        Program,
        interp::{Mode, interp},
    },
};
use kgen_kernels_ref::Output;
use kgen_passes::Choice;
use kgen_runtime::{buffer::Guard, module::Module};
use kgen_tests::{
    corpus::{Case, WORKERS, cases, targets},
    machine_run,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

type Tensors = BTreeMap<String, Tensor>;
type Expected = BTreeMap<String, Output>;

/// An op at every level.
struct Ready {
    built: Program,
    optimised: Program,
    /// One for each of the corpus' targets.
    made: Vec<Made>,
}

/// An op for one target: its machine kernels, and, if this CPU can run them, their code.
struct Made {
    compiled: compile::Compiled,
    module: Result<Arc<Module>, String>,
}

/// Why an engine has no outputs for a case.
enum No {
    Skipped(String),
    Failed(String),
}

type Outputs = Result<Tensors, No>;

/// Every engine: tile programs before and after the passes, then for each target the interpreter of its machine
/// kernels and the CPU on its code.
fn names() -> Vec<String> {
    let tile = ["tile exact", "tile rounded", "optimised exact", "optimised rounded"];
    let made = targets().iter().flat_map(|t| [format!("machine {}", t.name), t.name.to_string()]);
    tile.into_iter().map(str::to_owned).chain(made).collect()
}

/// In the order of [`names`]; machine kernels are interpreted for the targets that `asked` is true of.
fn outputs(
    ready: &Ready,
    cpu: &Cpu,
    (e, expected): (&Example, &Expected),
    asked: &dyn Fn(usize) -> bool,
) -> Vec<Outputs> {
    let mut all = Vec::new();
    for program in [&ready.built, &ready.optimised] {
        all.push(exact(program, e, expected));
        all.push(tile(program, e, Mode::Rounded));
    }
    for made in &ready.made {
        let interpreted = match asked(all.len()) {
            true => machine(&made.compiled, e),
            false => Err(No::Skipped("one in three without KGEN_FULL".into())),
        };
        let run =
            |m: &Arc<Module>| cpu.run(m, &e.dims, &e.inputs).map_err(|e| No::Failed(e.to_string()));
        let ran = made.module.as_ref().map_err(|why| No::Skipped(why.clone())).and_then(run);
        // The compiled kernels do what the kernels say, bit for bit.
        let different = match (&interpreted, &ran) {
            (Ok(a), Ok(b)) => differ(a, b),
            (Err(_), _) | (_, Err(_)) => None,
        };
        all.push(interpreted);
        all.push(different.map_or(ran, |wrong| Err(No::Failed(wrong))));
    }
    all
}

/// Elements of inputs that the interpreter of kernels gets through in a moment.
const CHEAP: usize = 40_000;

/// Of the bound, which counts roundings of f32: what f64 leaves of them, with room for long sums.
const EXACT: f64 = 1e-6;

fn tile(program: &Program, e: &Example, mode: Mode) -> Outputs {
    let values =
        interp(program, &e.dims, &e.inputs, mode).map_err(|e| No::Failed(e.to_string()))?;
    let outs = e.op.tensors().into_iter().filter(|t| t.role == tensors::Role::Out);
    outs.map(|t| {
        let list = values.get(&t.name).ok_or_else(|| No::Failed(format!("no `{}`", t.name)))?;
        let size = |e: &kgen_ir::extent::Extent, d: &Dims| e.eval(d).map(|x| x as usize);
        let shape =
            t.stored_shape().iter().map(|x| size(x, &e.dims)).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|e| No::Failed(e.to_string()))?;
        Ok((t.name.clone(), Tensor::from_f64(t.dtype, &shape, list)))
    })
    .collect()
}

/// As [`tile`] in f64; where the op leaves no choice of rounding, it must then be far closer than the bound.
fn exact(program: &Program, e: &Example, expected: &Expected) -> Outputs {
    let rounds = match &e.op.kind {
        Kind::MpGemm(g) => g.compute != Compute::Dequant,
        Kind::Attention(a) => a.compute != Precision::F32,
        Kind::Rows(_) => false,
    };
    let values =
        interp(program, &e.dims, &e.inputs, Mode::Exact).map_err(|e| No::Failed(e.to_string()))?;
    // Integers round in f64, too.
    let whole = |name: &str| e.op.tensors().iter().any(|t| t.name == name && !t.dtype.is_float());
    for (name, wanted) in expected.iter().filter(|(name, _)| !rounds && !whole(name)) {
        let list = values.get(name).ok_or_else(|| No::Failed(format!("no `{name}`")))?;
        for (i, (x, y)) in list.iter().zip(&wanted.values).enumerate() {
            let near = (x - y).abs() <= EXACT * wanted.bounds[i];
            if !near && x.is_finite() && y.is_finite() {
                return Err(No::Failed(format!("{name}[{i}] is {x} in f64, expected {y}")));
            }
        }
    }
    tile(program, e, Mode::Exact)
}

fn machine(compiled: &compile::Compiled, e: &Example) -> Outputs {
    if e.inputs.values().map(|t| t.count()).sum::<usize>() > CHEAP {
        return Err(No::Skipped("too large for the interpreter of kernels".into()));
    }
    let ran = machine_run::run(compiled, &e.dims, &e.inputs);
    ran.map(|r| r.outputs).map_err(No::Failed)
}

/// Every level, or what is not supported.
fn ready(case: &Case, op: &Op) -> Result<Ready, Unsupported> {
    let choice = |target: &'static Target| Choice { target, schedule: case.schedule(target) };
    let first = choice(compile::host().unwrap_or_else(|e| panic!("{e}")));
    let built = kgen_passes::build(op, &first)?;
    let optimised = kgen_passes::optimise(built.clone(), &first)?;
    let mut made = Vec::new();
    for target in targets() {
        let choice = choice(target);
        let compiled = match compile::compile(op, target, &choice.schedule) {
            Ok(compiled) => compiled,
            Err(kgen::Error::Unsupported(why)) => return Err(why),
            Err(e) => panic!("{}: {e}", case.name),
        };
        let lacks: Vec<_> =
            target.features.iter().filter(|f| !kgen_runtime::device::has(f)).copied().collect();
        let module = if lacks.is_empty() {
            let module = Module::open(&compiled.artifact);
            Ok(module.unwrap_or_else(|e| panic!("{}: {e}", case.name)))
        } else {
            Err(format!("this CPU lacks {}", lacks.join(", ")))
        };
        made.push(Made { compiled, module });
    }
    Ok(Ready { built, optimised, made })
}

/// What one engine made of a case.
#[derive(Default)]
struct Score {
    ran: usize,
    skipped: BTreeMap<String, usize>,
    wrong: Vec<String>,
    worst: f64,
}

impl Score {
    fn add(&mut self, place: &str, expected: &Expected, outputs: Outputs) {
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(No::Skipped(why)) => return *self.skipped.entry(why).or_default() += 1,
            Err(No::Failed(error)) => return self.wrong.push(format!("{place}: {error}")),
        };
        self.ran += 1;
        for (name, wanted) in expected {
            let Some(got) = outputs.get(name) else {
                self.wrong.push(format!("{place}: no output `{name}`"));
                continue;
            };
            match kgen_kernels_ref::compare(name, wanted, got) {
                Ok(c) if c.passed() => self.worst = self.worst.max(c.worst_ratio),
                Ok(c) => self.wrong.push(format!(
                    "{place}: {name}[{}] is {}, expected {} within {}",
                    c.at,
                    got.get(c.at),
                    wanted.values[c.at],
                    wanted.bounds[c.at]
                )),
                Err(e) => self.wrong.push(format!("{place}: {e}")),
            }
        }
    }
}

/// The reference, held against itself: what it says of some elements is what it says of all.
fn reference(e: &Example) -> Result<Expected, No> {
    let failed = |e: kgen_kernels_ref::RefError| {
        let beyond = matches!(e, kgen_kernels_ref::RefError::NotYet(_));
        if beyond { No::Skipped(e.to_string()) } else { No::Failed(e.to_string()) }
    };
    let all = kgen_kernels_ref::run(&e.op, &e.dims, &e.inputs).map_err(failed)?;
    if all.values().all(|o| o.values.is_empty()) {
        return Ok(all);
    }
    let first = match kgen_kernels_ref::run_samples(&e.op, &e.dims, &e.inputs, &[(0, 0)]) {
        // No rows, in an op that updates tensors in place.
        Err(kgen_kernels_ref::RefError::Sample { rows: 0, .. }) => return Ok(all),
        first => first.map_err(failed)?,
    };
    for (name, some) in &first {
        for (at, y) in some.at.iter().flatten().zip(&some.values) {
            let whole = all[name].values[*at];
            if whole.to_bits() != y.to_bits() && !(whole.is_nan() && y.is_nan()) {
                return Err(No::Failed(format!("{name}[{at}] is {whole}, alone {y}")));
            }
        }
    }
    Ok(all)
}

/// The outputs as tensors of the op.
fn stored(op: &Op, expected: &Expected) -> Tensors {
    let dtype =
        |name: &str| op.tensors().iter().find(|t| t.name == name).map_or(Dtype::F32, |t| t.dtype);
    let tensor = |o: &Output, name: &str| Tensor::from_f64(dtype(name), &o.shape, &o.values);
    expected.iter().map(|(name, o)| (name.clone(), tensor(o, name))).collect()
}

/// A line for each engine, and what is wrong.
fn run(case: &Case) -> (Vec<String>, Vec<String>) {
    let mut cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    // A kernel that leaves its tensors ends this process; `kgen verify --checked` tells where it was.
    cpu.guard = Guard::Fences;
    let names = names();
    let mut scores: Vec<Score> = names.iter().map(|_| Score::default()).collect();
    let mut agree = Score::default();
    let (full, mut turn) = (std::env::var_os("KGEN_FULL").is_some(), 0);
    for op in &case.ops {
        let ready = ready(case, op);
        for (number, dims) in case.sizes.iter().enumerate() {
            let all = || verify::families(op).map(str::to_owned).collect();
            let families = if case.inputs.is_empty() { all() } else { case.inputs.clone() };
            for family in families {
                let e = verify::example(op, dims, &family, number as u64 + 1)
                    .unwrap_or_else(|e| panic!("{}: {e}", case.name));
                let place = format!("{:?} {:?}, {family}", dims.scalars, dims.ragged);
                let place = format!("{}, {} {place}", case.name, op.name);
                let expected = match reference(&e) {
                    Ok(expected) => expected,
                    Err(no) => {
                        agree.add(&place, &Expected::new(), Err(no));
                        continue;
                    }
                };
                // Blocks are encoded by nobody here.
                let plain = expected.iter().filter(|(_, o)| o.blocks.is_none());
                let plain: Expected = plain.map(|(n, o)| (n.clone(), o.clone())).collect();
                agree.add(&place, &plain, Ok(stored(op, &plain)));
                turn += 1;
                let asked = |engine: usize| {
                    full || scores[engine].ran == 0 || (turn + engine).is_multiple_of(3)
                };
                let outcomes = match &ready {
                    Ok(ready) => outputs(ready, &cpu, (&e, &expected), &asked),
                    Err(why) => {
                        let skipped = || Err(No::Skipped(why.to_string()));
                        names.iter().map(|_| skipped()).collect()
                    }
                };
                for ((name, score), outcome) in names.iter().zip(&mut scores).zip(outcomes) {
                    score.add(&format!("{place}, {name}"), &expected, outcome);
                }
            }
        }
    }
    let named = names.iter().map(String::as_str).zip(scores);
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    for (engine, score) in [("reference", agree)].into_iter().chain(named) {
        let skipped: Vec<_> = score.skipped.iter().map(|(why, n)| format!("{n}: {why}")).collect();
        let skipped = if skipped.is_empty() { "none".into() } else { skipped.join("; ") };
        lines.push(format!(
            "{}, {engine}: {} passed, worst {:.2} of the bound, skipped {skipped}",
            case.name, score.ran, score.worst
        ));
        // What a CPU lacks it cannot run.
        let lacking = score.skipped.keys().all(|why| why.starts_with("this CPU lacks"));
        let may = engine != "reference" && (case.unsupported || lacking);
        if score.ran == 0 && !may {
            wrong.push(format!("{}: {engine} ran nothing: {skipped}", case.name));
        }
        wrong.extend(score.wrong);
    }
    (lines, wrong)
}

/// The first element that differs; instruction sets differ in the bits of a NaN.
fn differ(a: &Tensors, b: &Tensors) -> Option<String> {
    for (name, x) in a {
        let y = b.get(name)?;
        let same = |i: &usize| {
            let (x, y) = (x.get(*i), y.get(*i));
            x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan()
        };
        if let Some(i) = (0..x.count()).find(|i| !same(i)) {
            let (x, y) = (x.get(i), y.get(i));
            return Some(format!("{name}[{i}]: interpreted {x:e}, compiled {y:e}"));
        }
    }
    None
}

/// Interpreters take most of the time: some cases at once.
const AT_ONCE: usize = 3;

fn run_all(kind: &str) {
    let cases = cases(kind);
    assert!(!cases.is_empty(), "no case of {kind}");
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(case);
                    done.lock().unwrap().insert(&case.name, result);
                }
            });
        }
    });
    let (lines, wrong): (Vec<_>, Vec<_>) = done.into_inner().unwrap().into_values().unzip();
    lines.concat().iter().for_each(|line| println!("{line}"));
    let wrong = wrong.concat();
    let shown = wrong.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} mistakes:\n{shown}", wrong.len());
}

#[test]
fn attention_is_the_same_everywhere() {
    run_all("attention_");
}

#[test]
fn products_are_the_same_everywhere() {
    run_all("mpgemm_");
}

#[test]
fn row_operations_are_the_same_everywhere() {
    run_all("rows_");
}

#[test]
fn every_file_is_a_case_of_some_kind() {
    let kinds = ["attention_", "mpgemm_", "rows_"];
    let listed: usize = kinds.iter().map(|k| cases(k).len()).sum();
    assert_eq!(cases("").len(), listed, "files of tests/cases begin with one of {kinds:?}");
}
