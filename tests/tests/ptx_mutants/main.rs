//! Would the sanitiser notice? A sample of mistakes in PTX of ours and of Triton's: each is seen in a finding, a wrong
//! output or a text that is refused, or it is proved to change nothing.
//!
//! A proof: in the mutant's run every output is the same function of the data as before (equal terms, see
//! `sim/src/ptx/exec/terms.rs`), no two accesses are without order (vector clocks, which hold for every schedule as long
//! as no branch and no address depends on the data), and none does. Where the data decide the way, the proof holds for
//! all data that take it.
//!
//! `KGEN_FULL=1` takes 1,500 mutants of all kernels; `KGEN_MUTANTS` says another number, `KGEN_SEED` draws others,
//! `KGEN_OPS=softmax,rope` takes those op files alone.

use drawn::{Done, Drawn, KEPT, chosen};
use kgen::device::Simulated;
use kgen_ir::{artifact::Artifact, dtype::Dtype, op::tensors::Role};
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
    time::Instant,
};

mod drawn;
#[path = "../../../sim/tests/tile/mod.rs"]
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

/// What a text that is right does with a case.
struct Right {
    /// More instructions than a block executes that is no mutant.
    limit: u64,
    /// Lines of each text that it executes.
    reached: BTreeMap<String, BTreeSet<u32>>,
}

/// Sizes and data that it is run with.
struct Case {
    run: Run,
    /// Runs what is right; `None`: nothing tells what is right there.
    learn: Box<dyn Fn() -> Option<Right> + Send + Sync>,
    right: OnceLock<Option<Right>>,
    /// The terms of the outputs, where integers are data and where they are places.
    meaning: [OnceLock<Option<Vec<Vec<u64>>>>; 2],
}

impl Case {
    fn new(run: Run, learn: Box<dyn Fn() -> Option<Right> + Send + Sync>) -> Case {
        Case { run, learn, right: OnceLock::new(), meaning: Default::default() }
    }

    fn of(limit: u64, reached: BTreeMap<String, BTreeSet<u32>>, run: Run) -> Case {
        let case = Case::new(run, Box::new(|| None));
        let _ = case.right.set(Some(Right { limit, reached }));
        case
    }

    fn right(&self) -> Option<&Right> {
        self.right.get_or_init(|| (self.learn)()).as_ref()
    }

    /// How it is run, if it executes the line of the file.
    fn executes(&self, file: &str, line: u32) -> Option<u64> {
        let right = self.right()?;
        right.reached.get(file).is_some_and(|lines| lines.contains(&line)).then_some(right.limit)
    }
}

struct Ran {
    /// What is wrong, if anything is.
    wrong: Option<String>,
    terms: Vec<Vec<u64>>,
    decided: bool,
    done: Done,
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

/// Chips whose kernels are about the same: cases are chosen for the first.
const CHIPS: [&[&str]; 4] =
    [&["sm70"], &["sm75"], &["sm80", "sm86", "sm89"], &["sm90", "sm100", "sm120"]];

/// An op of ours on a chip.
fn ours(chosen: &[Arc<Drawn>], chip: &str) -> Option<Subject> {
    let device = Simulated::open(&format!("sim:{chip}")).ok()?;
    let op = &chosen.first()?.example.op;
    let artifact = kgen::compile::compile(op, device.target, &device.schedule).ok()?.artifact;
    let artifact = Arc::new(artifact);
    let name = format!("{} {chip}", op.name);
    let cases: Vec<Case> =
        chosen.iter().map(|drawn| case_of(&name, artifact.clone(), drawn.clone())).collect();
    let mut texts = Texts::new();
    for right in cases.iter().take(KEPT).filter_map(Case::right) {
        for (file, lines) in &right.reached {
            let text = artifact.files.get(file)?.clone();
            texts.entry(file.clone()).or_insert((text, BTreeSet::new())).1.extend(lines);
        }
    }
    Some(Subject { name, texts, cases })
}

/// A case of an artifact, which may have other texts.
fn case_of(name: &str, artifact: Arc<Artifact>, drawn: Arc<Drawn>) -> Case {
    let run = {
        let drawn = drawn.clone();
        Arc::new(move |files: &Files, how: &Launch, places: bool| {
            run(&artifact, &drawn, files, how, places)
        })
    };
    let (own, name) = (run.clone(), name.to_string());
    let learn = move || {
        drawn.expected()?;
        let ran = own(&Files::new(), &Launch::default(), false);
        match ran {
            Ok(Ran { wrong: None, done: (instructions, covered), .. }) => {
                let mut reached: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
                for (file, line, _) in covered.into_iter().filter(|(.., on)| *on) {
                    reached.entry(file).or_default().insert(line);
                }
                Some(Right { limit: 4 * instructions + 10_000, reached })
            }
            // Some ops are not for such numbers: a NaN's own bits, an exponential of what is that far apart.
            Ok(_) | Err(_) if !drawn.plain => None,
            Ok(Ran { wrong: Some(why), .. }) | Err(why) => {
                panic!("{name} {:?}: {why}", drawn.example.dims)
            }
        }
    };
    Case::new(Box::new(move |files, how, places| run(files, how, places)), Box::new(learn))
}

/// Runs a case of an artifact some of whose texts are others.
fn run(
    artifact: &Artifact,
    drawn: &Drawn,
    files: &Files,
    how: &Launch,
    places: bool,
) -> Result<Ran, String> {
    let case = &drawn.example;
    let expected = drawn.expected().ok_or("no reference")?;
    let mut changed = artifact.files.clone();
    changed.extend(files.clone());
    let artifact = Artifact::new(artifact.manifest.clone(), changed);
    let mut out = Ran { wrong: None, terms: vec![], decided: false, done: Done::default() };
    let mut sim = Sim::new(how.order, how.seed);
    (sim.follow, sim.limit, sim.workers) = (how.follow, Some(how.limit), Some(drawn.workers));
    sim.places = vec!["counters".into()];
    let whole = case.inputs.iter().filter(|(_, t)| matches!(t.dtype, Dtype::I32 | Dtype::I64));
    sim.places.extend(whole.filter(|_| places).map(|(name, _)| name.clone()));
    let got = Simulated::run_on(&mut sim, &artifact, &case.dims, &case.inputs);
    let got = got.map_err(|e| e.to_string())?;
    for spec in case.op.tensors().iter().filter(|t| t.role == Role::Out) {
        let (Some(wanted), Some(tensor)) = (expected.get(&spec.name), got.get(&spec.name)) else {
            continue;
        };
        let compared = reference::compare(&spec.name, wanted, tensor).map_err(|e| e.to_string())?;
        if !compared.passed() {
            let far = compared.worst_ratio;
            out.wrong.get_or_insert(format!("{} is {far:.1} bounds off", spec.name));
        }
        if how.follow {
            out.terms.push(sim.terms(&spec.name));
        }
    }
    (out.decided, out.done) = (sim.decided, drawn::done(&artifact, &sim));
    Ok(out)
}

fn of_triton(kernel: triton::Kernel) -> Subject {
    let name = format!("{} {} (Triton)", kernel.name, kernel.chip);
    let right = triton::simulate(&kernel, &kernel.ptx, &Launch::default(), false);
    let right = right.unwrap_or_else(|e| panic!("{name}: {e}"));
    let found = right.report.findings.len();
    assert!(found == 0 && right.worst <= 1.0, "{name} is wrong itself: {found} findings");
    let right = right.report.statistics;
    let reached = [("k".to_string(), right.reached.clone())].into();
    let text = (kernel.ptx.clone(), right.reached);
    let run = move |files: &Files, how: &Launch, places: bool| {
        let text = files.values().next().ok_or("no text")?;
        let ran = triton::simulate(&kernel, text, how, places)?;
        let finding = ran.report.findings.first().map(|f| f.kind.name().to_string());
        let off = (ran.worst > 1.0).then(|| format!("{:.1} bounds off", ran.worst));
        let (terms, decided) = (ran.terms, ran.report.depends.is_some());
        Ok(Ran { wrong: finding.or(off), terms, decided, done: Done::default() })
    };
    let limit = 4 * right.instructions + 10_000;
    let cases = vec![Case::of(limit, reached, Box::new(run))];
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
        Ok(Ran { wrong: finding.or(off), terms, decided, done: Done::default() })
    };
    let limit = 4 * right.instructions;
    let reached = [("tile".to_string(), right.reached.clone())].into();
    let cases = vec![Case::of(limit, reached, Box::new(run))];
    let texts = [("tile".into(), (text, right.reached))].into();
    Subject { name: "tile of attention sm80".into(), texts, cases }
}

fn judge<'a>(subject: &'a Subject, mutant: &Mutant) -> Fate {
    let mut changed = files(&subject.texts);
    if let Some(text) = changed.get_mut(&mutant.file) {
        *text = mutated(text, mutant);
    }
    let line = mutant.line as u32 + 1;
    let executed = |cases: &'a [Case]| {
        let limited = |c: &'a Case| Some((c, c.executes(&mutant.file, line)?));
        cases.iter().filter_map(limited)
    };
    let (first, later) = subject.cases.split_at(KEPT.min(subject.cases.len()));
    let cases: Vec<_> = executed(first).collect();
    let how = |limit, order, seed| Launch { order, seed, limit, ..Launch::default() };
    let see = |(case, limit): (&Case, u64), order, seed| match (case.run)(
        &changed,
        &how(limit, order, seed),
        false,
    ) {
        Ok(Ran { wrong: None, .. }) => None,
        Ok(Ran { wrong: Some(why), .. }) | Err(why) => Some(Fate::Seen(why)),
    };
    let orders = [(Order::Random, 1), (Order::Earliest, 0), (Order::Random, 2)];
    let others =
        orders.into_iter().flat_map(|(o, seed)| cases.iter().take(2).map(move |c| (*c, o, seed)));
    let all = cases.iter().map(|c| (*c, Order::Latest, 0)).chain(others);
    let all = all.chain(executed(later).map(|c| (c, Order::Latest, 0)));
    if let Some(fate) = all.into_iter().find_map(|(case, order, seed)| see(case, order, seed)) {
        return fate;
    }
    let mut decided = false;
    for (case, limit) in cases {
        let fate = prove(subject, case, &changed, &how(limit, Order::Latest, 0));
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
    let (full, started) = (std::env::var_os("KGEN_FULL").is_some(), Instant::now());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("triton_mutants");
    let mut subjects = vec![by_hand()];
    if let Some(kernels) = triton::kernels(&folder, &["80", "90"]) {
        subjects.extend(kernels.into_iter().map(of_triton));
    }
    let chips: &[&[&str]] = if full { &CHIPS } else { &[&["sm80"]] };
    let small = ["flash_decode", "rmsnorm", "kv_append_int8"];
    let only = std::env::var("KGEN_OPS").ok();
    let taken = |name: &str| match &only {
        Some(only) => only.split(',').any(|n| n == name),
        None => full || small.contains(&name),
    };
    let of: Vec<_> = ops()
        .into_iter()
        .filter(|f| f.file_stem().and_then(|s| s.to_str()).is_some_and(taken))
        .flat_map(|f| chips.iter().map(move |c| (f.clone(), *c)))
        .collect();
    let made = in_parallel(of.len(), |i| {
        let (file, chips) = &of[i];
        let cases = chosen(file, chips[0]).unwrap_or_default();
        chips.iter().filter_map(|chip| ours(&cases, chip)).collect::<Vec<_>>()
    });
    subjects.extend(made.into_iter().flatten());
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let wanted = number("KGEN_MUTANTS").unwrap_or(if full { 1500 } else { 42 }) as usize;
    let drawn = started.elapsed();
    let texts: Vec<Texts> = subjects.iter().map(|s| s.texts.clone()).collect();
    let mutants = sample(&texts, wanted, number("KGEN_SEED").unwrap_or(1));
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
    println!(
        "{:.0} s, of them {:.0} s to choose cases",
        started.elapsed().as_secs_f64(),
        drawn.as_secs_f64()
    );
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
