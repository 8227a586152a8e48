//! Would the sanitiser notice? A sample of mistakes in PTX of ours and of Triton's: each is seen in a finding, a wrong
//! output or a text that is refused, or it is proved to change nothing.
//!
//! A proof: in the mutant's run every output is the same function of the data as before (equal terms, see
//! `sim/src/ptx/exec/terms.rs`), no two accesses are without order (vector clocks, which hold for every schedule as long
//! as no branch and no address depends on the data), and none does. Where the data decide the way, the proof holds for
//! all data that take it.
//!
//! `KGEN_FULL=1` takes 1,500 mutants of all kernels; `KGEN_MUTANTS` says another number.

use kgen::{
    device::Simulated,
    verify::{self, Example, Options},
};
use kgen_ir::{
    artifact::Artifact,
    dtype::Dtype,
    extent::Dims,
    op::{Dim, Kind, Op, tensors::Role},
    tensor::Tensor,
};
use kgen_kernels_ref as reference;
use kgen_runtime::driver::sim::Sim;
use kgen_sim::ptx::{Launch, Order};
use kgen_tests::{
    ptx_mutants::{MUTATIONS, Mutant, Texts, mutated, sample},
    triton,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

#[path = "../../sim/tests/tile/mod.rs"]
mod tile;

/// Files and their texts.
type Files = BTreeMap<String, String>;
/// Runs texts in place of a kernel's own; integers are places where that is asked.
type Run = Box<dyn Fn(&Files, &Launch, bool) -> Result<Ran, String> + Send + Sync>;

/// A kernel that is right, to be made wrong.
struct Subject {
    name: String,
    texts: Texts,
    cases: Vec<Case>,
}

/// Sizes and data that it is run with.
struct Case {
    run: Run,
    /// More instructions than a block executes that is no mutant.
    limit: u64,
    /// Lines of each text that it executes.
    reached: BTreeMap<String, BTreeSet<u32>>,
    /// The terms of the outputs, where integers are data and where they are places.
    meaning: [OnceLock<Option<Vec<Vec<u64>>>>; 2],
}

impl Case {
    fn new(limit: u64, reached: BTreeMap<String, BTreeSet<u32>>, run: Run) -> Case {
        Case { run, limit, reached, meaning: Default::default() }
    }
}

struct Ran {
    /// What is wrong, if anything is.
    wrong: Option<String>,
    terms: Vec<Vec<u64>>,
    decided: bool,
}

/// What became of a mutant.
#[derive(Clone, Debug)]
enum Fate {
    Seen(String),
    Proved { decided: bool },
    Missed,
}

fn files(texts: &Texts) -> Files {
    texts.iter().map(|(name, (text, _))| (name.clone(), text.clone())).collect()
}

/// Where tiles end, about. Of products: the last tile has one column, so that no guard holds everywhere; of others: no
/// lane of the last vector is idle.
fn edges(op: &Op) -> &'static [i64] {
    match op.kind {
        Kind::MpGemm(_) => &[64],
        Kind::Attention(_) | Kind::Rows(_) => &[30, 64],
    }
}

/// Rows, of queries or activations: beside the edges of tiles of 8 to 64.
const ROWS: [i64; 12] = [1, 33, 9, 65, 17, 3, 40, 5, 20, 2, 50, 12];
/// Warps of the launches: fewer than tasks, as many, more.
const WORKERS: [usize; 4] = [3, 8, 2, 5];
/// Cases of an artifact that are drawn, and those that are kept.
const DRAWN: usize = 24;
const KEPT: usize = 8;

/// Families whose inputs tell every element from the others.
fn families(op: &Op) -> &'static [&'static str] {
    match op.kind {
        // Who misses the largest of scores far apart, has weights that are infinite.
        Kind::Attention(_) => &[
            "normal",
            "large magnitudes",
            "NaN where nothing may read",
            "NaN and infinity where some rows read",
        ],
        Kind::MpGemm(_) | Kind::Rows(_) => &["normal"],
    }
}

/// Chips whose kernels are about the same: cases are chosen for the first.
const CHIPS: [&[&str]; 4] =
    [&["sm70"], &["sm75"], &["sm80", "sm86", "sm89"], &["sm90", "sm100", "sm120"]];

/// Lines of each text whose instruction some lane executes, and those that some lane does not.
type Covered = BTreeSet<(String, u32, bool)>;

/// What a case of an artifact executes, and with how many instructions.
fn executed(artifact: &Artifact, case: &Example, workers: usize) -> Option<(u64, Covered)> {
    let mut sim = Sim::default();
    sim.workers = Some(workers);
    Simulated::run_on(&mut sim, artifact, &case.dims, &case.inputs).ok()?;
    let mut covered = Covered::new();
    for (lines, on) in [(&sim.reached, true), (&sim.held, false)] {
        for (entry, lines) in lines {
            let kernel = artifact.manifest.kernels.iter().find(|k| k.entry == *entry)?;
            covered.extend(lines.iter().map(|line| (kernel.file.clone(), *line, on)));
        }
    }
    Some((sim.instructions, covered))
}

/// The family of [`spread`].
const SPREAD: &str = "far apart";

/// Numbers farther apart than exponentials reach: who misses the largest, has some that are infinite.
fn spread(example: &mut Example) {
    example.family = SPREAD;
    for tensor in example.inputs.values_mut() {
        if matches!(tensor.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            let far: Vec<f64> = tensor.to_f64().iter().map(|x| 200.0 * x).collect();
            *tensor = Tensor::from_f64(tensor.dtype, &tensor.shape, &far);
        }
    }
}

/// Sets the number of rows, where nothing is promised of it.
fn set_rows(op: &Op, i: usize, dims: &mut Dims) {
    let rows = match &op.kind {
        Kind::Attention(a) => &a.q.len,
        Kind::MpGemm(g) => &g.m,
        Kind::Rows(r) => &r.rows,
    };
    let (Dim::Sym(symbol) | Dim::Ragged { symbol, .. }) = rows else { return };
    if op.bounds.iter().any(|b| b.symbol == *symbol) {
        return;
    }
    if let Some(n) = dims.scalars.get_mut(symbol) {
        *n = ROWS[i % ROWS.len()];
    }
    for (j, n) in dims.ragged.get_mut(symbol).into_iter().flatten().enumerate() {
        *n = ROWS[(i + j) % ROWS.len()];
    }
}

/// Of the cases that are drawn for the first of the chips some that go as many ways through the kernels.
fn chosen(file: &Path, chip: &str) -> Option<Vec<(Example, usize)>> {
    let op = kgen::compile::read(file).ok()?;
    let device = Simulated::open(&format!("sim:{chip}")).ok()?;
    let all = verify::examples_around(&op, edges(&op), &Options { cases: DRAWN, seed: 5 });
    // The op with the most data, at the sizes of all.
    let bytes = |e: &Example| e.inputs.values().map(|t| t.bytes.len()).sum::<usize>();
    let op = all.iter().max_by_key(|e| bytes(e))?.op.clone();
    let names = families(&op);
    let busy = |e: &&Example| {
        e.dims.scalars.values().all(|n| *n > 0)
            && e.dims.ragged.values().all(|list| list.iter().any(|n| *n > 0))
    };
    let at_sizes = |(i, e): (usize, &Example)| {
        let family = names[i % names.len()];
        let mut dims = e.dims.clone();
        set_rows(&op, i, &mut dims);
        let mut example = verify::example(&op, &dims, family, i as u64).ok()?;
        if i % 2 == 1 && matches!(op.kind, Kind::Rows(_)) {
            spread(&mut example);
        }
        Some((example, WORKERS[i % WORKERS.len()]))
    };
    let mut drawn: Vec<_> = all.iter().filter(busy).enumerate().filter_map(at_sizes).collect();
    drawn.sort_by_key(|(e, _)| bytes(e));
    let artifact = kgen::compile::compile(&op, device.target, &device.schedule).ok()?.artifact;
    let mut found = vec![];
    for (case, workers) in drawn {
        let (_, covered) = executed(&artifact, &case, workers)?;
        found.push((case, workers, covered));
    }
    // First what adds most.
    let (mut kept, mut done) = (vec![], Covered::new());
    while kept.len() < KEPT && !found.is_empty() {
        let (at, _) = (found.iter().enumerate())
            .max_by_key(|(i, (.., covered))| (covered.difference(&done).count(), *i))?;
        let (case, workers, covered) = found.swap_remove(at);
        done.extend(covered);
        kept.push((case, workers));
    }
    Some(kept)
}

/// An op of ours on a chip.
fn ours(chosen: &[(Example, usize)], chip: &str) -> Option<Subject> {
    let device = Simulated::open(&format!("sim:{chip}")).ok()?;
    let op = &chosen.first()?.0.op;
    let artifact = kgen::compile::compile(op, device.target, &device.schedule).ok()?.artifact;
    let artifact = Arc::new(artifact);
    let (mut cases, mut texts) = (vec![], Texts::new());
    for (case, workers) in chosen {
        let (instructions, covered) = executed(&artifact, case, *workers)?;
        let mut reached: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (file, line, _) in covered.into_iter().filter(|(.., on)| *on) {
            reached.entry(file).or_default().insert(line);
        }
        let run = run_of(artifact.clone(), case.clone(), *workers)?;
        let how = Launch { limit: 4 * instructions + 10_000, ..Launch::default() };
        match run(&Files::new(), &how, false) {
            Ok(Ran { wrong: None, .. }) => {}
            // Some ops are not for such numbers.
            Ok(_) | Err(_) if case.family == SPREAD => continue,
            Ok(Ran { wrong: Some(why), .. }) | Err(why) => panic!("{} {chip}: {why}", op.name),
        }
        for (file, lines) in &reached {
            let text = artifact.files.get(file)?.clone();
            texts.entry(file.clone()).or_insert((text, BTreeSet::new())).1.extend(lines);
        }
        cases.push(Case::new(how.limit, reached, run));
    }
    Some(Subject { name: format!("{} {chip}", op.name), texts, cases })
}

/// Runs a case of an artifact some of whose texts are others.
fn run_of(artifact: Arc<Artifact>, case: Example, workers: usize) -> Option<Run> {
    let expected = reference::run(&case.op, &case.dims, &case.inputs).ok()?;
    Some(Box::new(move |files: &Files, how: &Launch, places: bool| {
        let mut changed = artifact.files.clone();
        changed.extend(files.clone());
        let artifact = Artifact::new(artifact.manifest.clone(), changed);
        let mut out = Ran { wrong: None, terms: vec![], decided: false };
        let mut sim = Sim::new(how.order, how.seed);
        (sim.follow, sim.limit, sim.workers) = (how.follow, Some(how.limit), Some(workers));
        sim.places = vec!["counters".into()];
        let whole = case.inputs.iter().filter(|(_, t)| matches!(t.dtype, Dtype::I32 | Dtype::I64));
        sim.places.extend(whole.filter(|_| places).map(|(name, _)| name.clone()));
        let got = Simulated::run_on(&mut sim, &artifact, &case.dims, &case.inputs);
        let got = got.map_err(|e| e.to_string())?;
        for spec in case.op.tensors().iter().filter(|t| t.role == Role::Out) {
            let (Some(wanted), Some(tensor)) = (expected.get(&spec.name), got.get(&spec.name))
            else {
                continue;
            };
            let compared =
                reference::compare(&spec.name, wanted, tensor).map_err(|e| e.to_string())?;
            if !compared.passed() {
                let far = compared.worst_ratio;
                out.wrong.get_or_insert(format!("{} is {far:.1} bounds off", spec.name));
            }
            if how.follow {
                out.terms.push(sim.terms(&spec.name));
            }
        }
        out.decided = sim.decided;
        Ok(out)
    }))
}

fn of_triton(kernel: triton::Kernel) -> Subject {
    let name = format!("{} {} (Triton)", kernel.name, kernel.chip);
    let right = triton::simulate(&kernel, &kernel.ptx, &Launch::default(), false);
    let right = right.unwrap_or_else(|e| panic!("{name}: {e}")).report.statistics;
    let reached = [("k".to_string(), right.reached.clone())].into();
    let text = (kernel.ptx.clone(), right.reached);
    let run = move |files: &Files, how: &Launch, places: bool| {
        let text = files.values().next().ok_or("no text")?;
        let ran = triton::simulate(&kernel, text, how, places)?;
        let finding = ran.report.findings.first().map(|f| f.kind.name().to_string());
        let off = (ran.worst > 1.0).then(|| format!("{:.1} bounds off", ran.worst));
        let (terms, decided) = (ran.terms, ran.report.depends.is_some());
        Ok(Ran { wrong: finding.or(off), terms, decided })
    };
    let limit = 4 * right.instructions + 10_000;
    let cases = vec![Case::new(limit, reached, Box::new(run))];
    Subject { name, texts: [("k".into(), text)].into(), cases }
}

fn by_hand() -> Subject {
    let text = tile::text();
    let right = tile::simulate(&text, &Launch::default()).expect("it runs").report.statistics;
    let run = move |files: &Files, how: &Launch, _: bool| {
        let text = files.values().next().ok_or("no text")?;
        let ran = tile::simulate(text, how)?;
        let finding = ran.report.findings.first().map(|f| f.kind.name().to_string());
        let off = (ran.worst > 2e-3).then(|| format!("off by {}", ran.worst));
        let (terms, decided) = (vec![ran.terms], ran.report.depends.is_some());
        Ok(Ran { wrong: finding.or(off), terms, decided })
    };
    let limit = 4 * right.instructions;
    let reached = [("tile".to_string(), right.reached.clone())].into();
    let cases = vec![Case::new(limit, reached, Box::new(run))];
    let texts = [("tile".into(), (text, right.reached))].into();
    Subject { name: "tile of attention sm80".into(), texts, cases }
}

fn judge(subject: &Subject, mutant: &Mutant) -> Fate {
    let mut changed = files(&subject.texts);
    if let Some(text) = changed.get_mut(&mutant.file) {
        *text = mutated(text, mutant);
    }
    let line = mutant.line as u32 + 1;
    let executes =
        |c: &&Case| c.reached.get(&mutant.file).is_some_and(|lines| lines.contains(&line));
    let cases: Vec<&Case> = subject.cases.iter().filter(executes).collect();
    let how =
        |case: &Case, order, seed| Launch { order, seed, limit: case.limit, ..Launch::default() };
    let orders = [(Order::Latest, 0), (Order::Random, 1), (Order::Earliest, 0), (Order::Random, 2)];
    for (i, (order, seed)) in orders.into_iter().enumerate() {
        for case in cases.iter().take(if i == 0 { KEPT } else { 2 }) {
            match (case.run)(&changed, &how(case, order, seed), false) {
                Ok(Ran { wrong: None, .. }) => {}
                Ok(Ran { wrong: Some(why), .. }) | Err(why) => return Fate::Seen(why),
            }
        }
    }
    let mut decided = false;
    for case in cases {
        let fate = prove(subject, case, &changed, &how(case, Order::Latest, 0));
        match fate {
            Fate::Proved { decided: here } => decided |= here,
            Fate::Seen(_) | Fate::Missed => return fate,
        }
    }
    Fate::Proved { decided }
}

/// What is to be said of one that nobody saw.
fn survives(fate: &Fate) -> Option<&'static str> {
    match fate {
        Fate::Seen(_) => None,
        Fate::Proved { decided: false } => {
            Some("proved: the outputs are the same functions of all data, in every schedule")
        }
        Fate::Proved { decided: true } => Some(
            "proved: the outputs are the same functions of all data that take this way, in every schedule",
        ),
        Fate::Missed => Some("MISSED"),
    }
}

/// Is every output of a case the same function of the data?
fn prove(subject: &Subject, case: &Case, changed: &Files, how: &Launch) -> Fate {
    let follow = Launch { follow: true, ..how.clone() };
    let mut decided = None;
    for places in [false, true] {
        let before = case.meaning[usize::from(places)].get_or_init(|| {
            let ran = (case.run)(&files(&subject.texts), &follow, places).ok()?;
            ran.wrong.is_none().then_some(ran.terms)
        });
        match (before, (case.run)(changed, &follow, places)) {
            (Some(before), Ok(after)) if *before == after.terms && after.wrong.is_none() => {
                if !after.decided {
                    return Fate::Proved { decided: false };
                }
                decided = Some(Fate::Proved { decided: true });
            }
            // Two accesses have the same value and not the same meaning.
            (Some(_), Ok(Ran { wrong: Some(why), .. }) | Err(why)) => return Fate::Seen(why),
            (Some(_) | None, Ok(_) | Err(_)) => {}
        }
    }
    decided.unwrap_or(Fate::Missed)
}

fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, out) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..kgen_runtime::device::cores() {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count {
                        break;
                    }
                    let made = work(i);
                    out.lock().unwrap().push((i, made));
                }
            });
        }
    });
    let mut out = out.into_inner().unwrap();
    out.sort_by_key(|(i, _)| *i);
    out.into_iter().map(|(_, x)| x).collect()
}

fn ops() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("ops/").map(|f| f.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn mistakes_are_seen_or_proved_to_be_none() {
    let full = std::env::var_os("KGEN_FULL").is_some();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("triton_mutants");
    let mut subjects = vec![by_hand()];
    if let Some(kernels) = triton::kernels(&folder, &["80", "90"]) {
        subjects.extend(kernels.into_iter().map(of_triton));
    }
    let chips: &[&[&str]] = if full { &CHIPS } else { &[&["sm80"]] };
    let small = ["flash_decode", "rmsnorm", "kv_append_int8"];
    let of: Vec<_> = ops()
        .into_iter()
        .filter(|f| full || f.file_stem().is_some_and(|s| small.iter().any(|n| *n == s)))
        .flat_map(|f| chips.iter().map(move |c| (f.clone(), *c)))
        .collect();
    let made = in_parallel(of.len(), |i| {
        let (file, chips) = &of[i];
        let cases = chosen(file, chips[0]).unwrap_or_default();
        chips.iter().filter_map(|chip| ours(&cases, chip)).collect::<Vec<_>>()
    });
    subjects.extend(made.into_iter().flatten());
    let wanted = std::env::var("KGEN_MUTANTS").ok().and_then(|n| n.parse().ok());
    let wanted = wanted.unwrap_or(if full { 1500 } else { 42 });
    let texts: Vec<Texts> = subjects.iter().map(|s| s.texts.clone()).collect();
    let mutants = sample(&texts, wanted, 1);
    let fates = in_parallel(mutants.len(), |i| {
        let (mutant, subject) = (&mutants[i], &subjects[mutants[i].subject]);
        let fate = judge(subject, mutant);
        if let Some(told) = survives(&fate) {
            let line = subject.texts[&mutant.file].0.lines().nth(mutant.line).unwrap_or_default();
            let (name, at) = (&subject.name, mutant.line + 1);
            let (file, kind, instead) = (&mutant.file, mutant.kind, &mutant.instead);
            println!("{name} {file}:{at}: {kind}: `{}`: `{}`: {told}", line.trim(), instead.trim());
        }
        fate
    });
    let mut table: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut seen_by: BTreeMap<String, usize> = BTreeMap::new();
    for (mutant, fate) in mutants.iter().zip(&fates) {
        let row = table.entry(mutant.kind).or_default();
        row[0] += 1;
        match fate {
            Fate::Seen(why) => {
                row[1] += 1;
                let by = why.split([':', ' ']).next().unwrap_or_default();
                *seen_by.entry(by.into()).or_default() += 1;
            }
            Fate::Proved { .. } => row[2] += 1,
            Fate::Missed => row[3] += 1,
        }
    }
    println!(
        "| mistake | mutants | seen | proved to be none | missed |\n| --- | --- | --- | --- | --- |"
    );
    let mut sum = [0; 4];
    for (kind, _) in MUTATIONS {
        let row = table.get(kind).copied().unwrap_or_default();
        println!("| {kind} | {} | {} | {} | {} |", row[0], row[1], row[2], row[3]);
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += r);
    }
    let [all, seen, proved, missed] = sum;
    println!("| all, of {} kernels | {all} | {seen} | {proved} | {missed} |", subjects.len());
    println!("seen by {seen_by:?}");
    // Of kernels that others wrote, and of the tile by hand. Of ours, most have a case too few of inputs that tell, and
    // some have no proof: their rows are counted and not yet held to it.
    let others = |m: &Mutant| {
        let name = &subjects[m.subject].name;
        name.ends_with("(Triton)") || name.starts_with("tile ")
    };
    let theirs: Vec<&Fate> =
        mutants.iter().zip(&fates).filter(|(m, _)| others(m)).map(|(_, f)| f).collect();
    let lost = theirs.iter().filter(|f| matches!(f, Fate::Missed)).count();
    println!("{lost} of {} missed in kernels that are not emitted here", theirs.len());
    assert!(lost * 100 <= theirs.len(), "{lost} of {} missed", theirs.len());
    assert!(seen * 2 > all, "{seen} of {all} seen");
}
