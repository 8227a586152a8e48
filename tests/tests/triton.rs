//! The simulator on PTX that another compiler made: kernels of Triton for four chips, against f64.
//!
//! `tests/witness/triton_ptx.py` compiles them, which takes no GPU, and says what their outputs may be off by. Only where
//! `KGEN_FULL` is set; `KGEN_PYTHON` (default `python3`) must be able to import triton and numpy.

use kgen_sim::ptx::{Arg, Launch, Memory, Module, Order, Report, run};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, time::Instant};

/// A kernel for a chip, and all it needs to run.
struct Kernel {
    name: String,
    chip: String,
    ptx: String,
    about: Value,
    tensors: PathBuf,
}

/// The kernels in a folder of their own, or nothing where they cannot be made.
fn kernels(folder: &str, chips: &[&str]) -> Option<Vec<Kernel>> {
    if std::env::var_os("KGEN_FULL").is_none() {
        println!("skipped: KGEN_FULL is not set");
        return None;
    }
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import numpy, triton"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI numpy or triton is missing: {python} cannot import them");
        return None;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = fs::remove_dir_all(&folder);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/triton_ptx.py");
    let made = Command::new(python)
        .arg(script)
        .arg(&folder)
        .args(chips)
        .env("TRITON_CACHE_DIR", folder.join("cache"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    print!("{}", String::from_utf8_lossy(&made.stdout));
    let mut found = vec![];
    for file in fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()) {
        let file_name = file.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = file_name.strip_suffix(".ptx") else { continue };
        let (chip, name) = stem.split_once('.').unwrap();
        found.push(Kernel {
            name: name.into(),
            chip: format!("sm_{chip}"),
            ptx: fs::read_to_string(&file).unwrap(),
            about: serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap(),
            tensors: folder.join(format!("{name}.safetensors")),
        });
    }
    found.sort_by(|a, b| (&a.chip, &a.name).cmp(&(&b.chip, &b.name)));
    for chip in chips.iter().filter(|c| matches!(**c, "80" | "90")) {
        let count = found.iter().filter(|k| k.chip == format!("sm_{chip}")).count();
        assert!(count >= 13, "{count} kernels for sm_{chip}");
    }
    Some(found)
}

fn three(of: &Value) -> [u32; 3] {
    let n: Vec<u32> = of.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect();
    n.try_into().unwrap()
}

/// What a run gave: the worst error of all outputs, in bounds, and the report.
struct Ran {
    worst: f64,
    report: Report,
}

/// Runs a text in place of the kernel's own; an error where it cannot be read or launched.
fn simulate(kernel: &Kernel, ptx: &str, order: Order) -> Result<Ran, String> {
    let bytes = fs::read(&kernel.tensors).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let about = &kernel.about;
    let module = Module::parse(ptx).map_err(|e| e.to_string())?;
    let entry = module.entry(about["entry"].as_str().unwrap()).ok_or("no such entry")?;
    let mut memory = Memory::default();
    let (mut args, mut buffers) = (vec![], BTreeMap::new());
    for argument in about["arguments"].as_array().unwrap() {
        let (kind, value) = argument.as_object().unwrap().iter().next().unwrap();
        args.push(match kind.as_str() {
            "tensor" => {
                let name = value.as_str().unwrap();
                let index = memory.add(name, tensors.tensor(name).unwrap().data().to_vec(), true);
                buffers.insert(name.to_string(), index);
                Arg::Buffer(index, 0)
            }
            "i32" => Arg::Bytes((value.as_i64().unwrap() as i32).to_le_bytes().into()),
            "fp32" => Arg::Bytes((value.as_f64().unwrap() as f32).to_le_bytes().into()),
            "scratch" => match value.as_u64().unwrap() {
                0 => Arg::Bytes(vec![0; 8]),
                size => Arg::Buffer(memory.add("scratch", vec![0; size as usize], false), 0),
            },
            other => panic!("argument of kind {other}"),
        });
    }
    let launch = Launch {
        grid: three(&about["grid"]),
        block: three(&about["block"]),
        shared: about["shared"].as_u64().unwrap() as u32,
        order,
        seed: 11,
        // No kernel here executes a tenth of it: a mutant that never ends is soon found.
        limit: 10_000_000,
        ..Launch::default()
    };
    let report = run(&module, entry, &launch, &args, &mut memory).map_err(|e| e.to_string())?;
    let mut worst = 0f64;
    for (name, index) in buffers {
        let Ok(expected) = tensors.tensor(&format!("expected.{name}")) else { continue };
        let bound = tensors.tensor(&format!("bound.{name}")).unwrap();
        let got = numbers(tensors.tensor(&name).unwrap().dtype(), memory.bytes(index));
        let expected = numbers(Dtype::F64, expected.data());
        let bound = numbers(Dtype::F64, bound.data());
        assert_eq!((got.len(), got.len()), (expected.len(), bound.len()));
        for ((got, expected), bound) in got.iter().zip(expected).zip(bound) {
            let error = (got - expected).abs();
            // A NaN is no number within any bound.
            let within = if error == 0.0 { 0.0 } else { error / bound };
            worst = if within.is_nan() { f64::INFINITY } else { worst.max(within) };
        }
    }
    Ok(Ran { worst, report })
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    let known: &[(Dtype, fn(&[u8]) -> Vec<f64>)] = &[
        (Dtype::F16, |b| each(b, |x| half::f16::from_le_bytes(x).into())),
        (Dtype::F32, |b| each(b, |x| f32::from_le_bytes(x).into())),
        (Dtype::F64, |b| each(b, f64::from_le_bytes)),
        (Dtype::I32, |b| each(b, |x| i32::from_le_bytes(x).into())),
    ];
    let (_, read) = known.iter().find(|(of, _)| *of == dtype).expect("a type of outputs");
    read(bytes)
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|b| read(*b)).collect()
}

#[test]
fn kernels_of_another_compiler_are_right() {
    let Some(kernels) = kernels("triton", &["75", "80", "90", "120"]) else { return };
    println!(
        "| kernel | chip | order | error / bound | findings | instructions | conflicts | sectors | ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut wrong = vec![];
    for kernel in &kernels {
        for order in [Order::Latest, Order::Earliest, Order::Random] {
            let what = format!("{} | {} | {order:?}", kernel.name, kernel.chip);
            let start = Instant::now();
            let ran = match simulate(kernel, &kernel.ptx, order) {
                Ok(ran) => ran,
                Err(e) => {
                    println!("| {what} | {e} |");
                    wrong.push(format!("{what}: {e}"));
                    break;
                }
            };
            let statistics = &ran.report.statistics;
            println!(
                "| {what} | {:.3} | {} | {} | {} | {:.0} % | {} |",
                ran.worst,
                ran.report.findings.len(),
                statistics.instructions,
                statistics.conflicts(),
                100.0 * statistics.sector_efficiency(),
                start.elapsed().as_millis(),
            );
            wrong.extend(ran.report.findings.iter().map(|f| format!("{what}: {f}")));
            if ran.worst > 1.0 {
                wrong.push(format!("{what}: an error of {} bounds", ran.worst));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Instructions that only order what others do: without one, a kernel is wrong, or the instruction was redundant.
const ORDERING: &[&str] = &[
    "bar.sync",
    "cp.async.wait_group",
    "cp.async.commit_group",
    "fence.proxy.async",
    "wgmma.fence",
    "wgmma.commit_group",
    "wgmma.wait_group",
];

/// What may be done to a line, and the line then; nothing where that cannot be done to it.
type Mutation = (&'static str, fn(&str) -> Option<String>);

const MUTATIONS: &[Mutation] = &[
    ("two registers of an operand of mma swapped", |line| {
        let (head, rest) = line.split_once("mma.sync")?;
        // The first braces hold D, the second A.
        let a = rest.match_indices('{').nth(1)?.0 + 1;
        let (before, operand) = rest.split_at(a);
        let (first, more) = operand.split_once(',')?;
        let (second, tail) = more.split_once([',', '}'])?;
        let close = &more[second.len()..more.len() - tail.len()];
        (first.trim() != second.trim()).then(|| {
            format!("{head}mma.sync{before}{}, {}{close}{tail}", second.trim(), first.trim())
        })
    }),
    ("an address of ldmatrix 16 bytes on", |line| {
        let (head, rest) = line.split_once("ldmatrix")?;
        let close = rest.find(']')?;
        let offset = if rest[..close].contains('+') { "" } else { " + 16" };
        let address = &rest[..close];
        let moved = match address.rsplit_once('+') {
            Some((base, at)) => format!("{base}+ {}", at.trim().parse::<u32>().ok()? + 16),
            None => address.to_string(),
        };
        Some(format!("{head}ldmatrix{moved}{offset}{}", &rest[close..]))
    }),
    // Not dropped: where it is always true, that would change nothing.
    ("a predicate negated", |line| {
        let (guard, code) = line.trim().split_once(char::is_whitespace)?;
        let memory = ["ld.global", "st.global", "st.shared", "atom"];
        let guarded = guard.starts_with("@%") && memory.iter().any(|m| code.trim().starts_with(m));
        guarded.then(|| format!("@!{} {code}", &guard[1..]))
    }),
    ("a shuffle across another distance", |line| {
        let (head, last) = line.split_once("shfl.sync.bfly")?;
        let mut parts: Vec<&str> = last.split(',').collect();
        let distance: u32 = parts.get(2)?.trim().parse().ok()?;
        let other = format!(" {}", if distance == 16 { 8 } else { 2 * distance });
        parts[2] = &other;
        Some(format!("{head}shfl.sync.bfly{}", parts.join(",")))
    }),
];

/// Each ordering instruction is deleted in turn, each mutation done here and there; the simulator sees it in a finding, a
/// wrong output, or both.
#[test]
fn mutants_are_seen() {
    let Some(kernels) = kernels("triton_mutants", &["80", "90"]) else { return };
    let mut table: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for kernel in &kernels {
        let lines: Vec<&str> = kernel.ptx.lines().collect();
        let mut mutants: Vec<(String, usize, String)> = vec![];
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default().trim();
            if let Some(kind) = ORDERING.iter().find(|k| code.starts_with(**k)) {
                mutants.push((format!("{kind} deleted"), number, String::new()));
            }
        }
        for (name, mutate) in MUTATIONS {
            let places: Vec<(usize, String)> = lines
                .iter()
                .enumerate()
                .filter_map(|(n, line)| Some((n, mutate(line.split("//").next()?)?)))
                .collect();
            let step = places.len().div_ceil(PLACES).max(1);
            for (number, line) in places.into_iter().step_by(step) {
                mutants.push((name.to_string(), number, line));
            }
        }
        for (kind, number, line) in mutants {
            let mut mutant = lines.clone();
            mutant[number] = &line;
            let seen = [Order::Latest, Order::Random].into_iter().any(|order| {
                match simulate(kernel, &mutant.join("\n"), order) {
                    Ok(ran) => !ran.report.findings.is_empty() || ran.worst > 1.0,
                    Err(e) => {
                        assert!(!e.contains("unsupported"), "{e}: {line}");
                        true
                    }
                }
            });
            if !seen {
                let (name, chip) = (&kernel.name, &kernel.chip);
                println!("not seen: {name} {chip} line {}: {kind}", number + 1);
            }
            let [all, caught] = table.entry(kind).or_default();
            *all += 1;
            *caught += usize::from(seen);
        }
    }
    println!("| mutation | mutants | seen |\n| --- | --- | --- |");
    for (kind, [all, caught]) in &table {
        println!("| {kind} | {all} | {caught} |");
    }
    let [all, caught] = table.values().fold([0, 0], |[a, c], [x, y]| [a + x, c + y]);
    println!("{caught} of {all} seen");
    // Some of it is redundant: barriers before a stage is first filled, groups between copies that are waited for together,
    // and half of a maximum that a softmax subtracts, which need only be near the largest.
    assert!(all > 300 && caught * 100 > all * 88, "{caught} of {all} seen");
}

/// Places of a kernel where a mutation is done.
const PLACES: usize = 6;
