//! Kernels that check their accesses: the corpus and the shipped ops stay inside of what they were given, and what is
//! planted outside is told by its place.

use kgen::{
    compile::{self, Accesses},
    device::Cpu,
    verify,
};
use kgen_ir::{
    artifact::Artifact,
    machine::{Kernel, Op},
    target::Target,
    tensor::Tensor,
};
use kgen_passes::Schedule;
use kgen_runtime::module::Module;
use kgen_tests::{
    corpus::{Case, WORKERS, cases, targets},
    machine_run,
    planted::{each, one_key_more, planted, question, wrong_stride},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

fn able() -> impl Iterator<Item = &'static Target> {
    let able = |t: &&Target| t.features.iter().all(|f| kgen_runtime::device::has(f));
    targets().iter().copied().filter(able)
}

fn open(artifact: &Artifact) -> Arc<Module> {
    Module::open(artifact).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs every op and size on one of the targets and with inputs of one family, others each time.
fn stays_inside(case: &Case, turn: usize, wrong: &mut Vec<String>) -> usize {
    let cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    let mut ran = 0;
    for (op, target) in
        case.ops.iter().zip(able().collect::<Vec<_>>().into_iter().cycle().skip(turn))
    {
        let schedule = case.schedule(target);
        let compiled = compile::compile_with(op, target, &schedule, Accesses::Checked);
        let Ok(compiled) = compiled.inspect_err(|e| assert!(case.unsupported, "{e}")) else {
            continue;
        };
        let module = open(&compiled.artifact);
        for (number, dims) in case.sizes.iter().enumerate() {
            let all: Vec<&str> = match &case.inputs[..] {
                [] => verify::families(op).collect(),
                some => some.iter().map(String::as_str).collect(),
            };
            let family = all[number % all.len()];
            let example = verify::example(op, dims, family, number as u64 + 1);
            let e = example.unwrap_or_else(|e| panic!("{}: {e}", case.name));
            let place =
                || format!("{}, {} {dims:?}, {family}, {}", case.name, op.name, target.name);
            match cpu.run(&module, &e.dims, &e.inputs) {
                Ok(outputs) => {
                    wrong.extend(differs(&e, &outputs).map(|d| format!("{}: {d}", place())))
                }
                Err(e) => wrong.push(format!("{}: {e}", place())),
            }
            ran += 1;
        }
    }
    ran
}

/// What is not as the reference says.
fn differs(e: &verify::Example, outputs: &BTreeMap<String, Tensor>) -> Option<String> {
    let expected = kgen_kernels_ref::run(&e.op, &e.dims, &e.inputs).ok()?;
    expected.iter().find_map(|(name, wanted)| {
        match kgen_kernels_ref::compare(name, wanted, &outputs[name]) {
            Ok(c) if c.passed() => None,
            Ok(c) => Some(format!("{name}[{}] is {}", c.at, outputs[name].get(c.at))),
            Err(e) => Some(e.to_string()),
        }
    })
}

fn all_stay_inside(kind: &str) {
    let cases = cases(kind);
    let (next, ran, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(turn) else { return };
                    let mut mine = Vec::new();
                    ran.fetch_add(stays_inside(case, turn, &mut mine), Ordering::Relaxed);
                    wrong.lock().unwrap().extend(mine);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("{kind}: {} runs", ran.into_inner());
    assert!(
        wrong.is_empty(),
        "{} mistakes:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn attention_stays_inside() {
    all_stay_inside("attention_");
}

#[test]
fn products_stay_inside() {
    all_stay_inside("mpgemm_");
}

#[test]
fn row_operations_stay_inside() {
    all_stay_inside("rows_");
}

#[test]
fn shipped_ops_stay_inside_at_their_edges() {
    let mut cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    cpu.accesses = Accesses::Checked;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut passed = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Ok(op) = compile::read(&path) else { continue };
        // The last one has the full size, where checks take minutes.
        let options = verify::Options { cases: 1, seed: 11 };
        for seed in 0..3 {
            let summary = verify::verify(&op, &cpu, &verify::Options { seed, ..options });
            let failed: Vec<_> = summary.failed.iter().map(ToString::to_string).collect();
            assert!(failed.is_empty(), "{failed:?}");
            passed += summary.passed;
        }
    }
    assert!(passed >= 40, "only {passed} cases ran");
}

fn told(
    mistake: &dyn Fn(&mut Kernel),
    target: &'static Target,
) -> Result<BTreeMap<String, Tensor>, String> {
    let (op, dims, inputs) = question(2);
    let compiled = compile::compile(&op, target, &Schedule::default_for(target));
    let artifact =
        planted(&compiled.unwrap_or_else(|e| panic!("{e}")), target, Accesses::Checked, mistake);
    let cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    cpu.run(&open(&artifact), &dims, &inputs).map_err(|e| e.to_string())
}

#[test]
fn a_wrong_stride_is_told() {
    for target in able() {
        let error = told(&wrong_stride, target).unwrap_err();
        assert!(error.contains(" of `kv.k`, which has 4736"), "{}: {error}", target.name);
        assert!(error.ends_with("the access was not done"), "{error}");
    }
}

#[test]
fn checks_change_no_bit() {
    let (op, dims, inputs) = question(2);
    let cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    for target in able() {
        let schedule = Schedule::default_for(target);
        let all = [Accesses::Trusted, Accesses::Checked].map(|accesses| {
            let compiled = compile::compile_with(&op, target, &schedule, accesses);
            let compiled = compiled.unwrap_or_else(|e| panic!("{e}"));
            let interpreted = machine_run::run(&compiled, &dims, &inputs).unwrap();
            [cpu.run(&open(&compiled.artifact), &dims, &inputs).unwrap(), interpreted.outputs]
        });
        assert!(all.as_flattened().iter().all(|o| *o == all[0][0]), "{}", target.name);
    }
}

#[test]
fn one_key_too_many_is_told() {
    for target in able() {
        let error = told(&one_key_more, target).unwrap_err();
        assert!(error.contains(" at byte 4736 of `kv."), "{}: {error}", target.name);
    }
}

#[test]
fn every_displaced_access_is_told_by_its_number() {
    let (op, dims, inputs) = question(2);
    let cpu = Cpu::open(Some(WORKERS)).unwrap_or_else(|e| panic!("{e}"));
    for target in able() {
        let compiled = compile::compile(&op, target, &Schedule::default_for(target));
        let compiled = compiled.unwrap_or_else(|e| panic!("{e}"));
        let right = cpu.run(&open(&compiled.artifact), &dims, &inputs).unwrap();
        let mut places = Vec::new();
        for k in &compiled.kernels {
            each(&mut k.body.clone(), &mut 0, &mut |inst, number| {
                if inst.mem.is_some() && !matches!(inst.op, Op::Prefetch(_)) {
                    places.push((k.name.clone(), number));
                }
            });
        }
        let (mut seen, all) = (0, places.len());
        // Enough of them, spread over the kernels.
        let some = places.into_iter().step_by(all.div_ceil(24));
        for (name, place) in some {
            let mistake = |k: &mut Kernel| {
                let wanted = k.name == name;
                each(&mut k.body, &mut 0, &mut |inst, number| {
                    if let (true, Some(mem)) = (wanted && number == place, &mut inst.mem) {
                        mem.offset += 1 << 24;
                    }
                });
            };
            match told(&mistake, target) {
                Err(error) => {
                    seen += 1;
                    let start = format!("kernel `{name}`, instruction {place}: ");
                    assert!(error.starts_with(&start), "{start}{error}");
                }
                // It was not come by, with these sizes.
                Ok(outputs) => assert_eq!(outputs, right, "{name} {place}"),
            }
        }
        assert!(seen >= 4, "{}: {seen} of {all}", target.name);
    }
}
