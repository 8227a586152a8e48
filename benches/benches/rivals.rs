//! Ours beside the limits of this machine and the best that others have, in one run: interleaved, at the same sizes.
//!
//! ```text
//! cargo bench -p kgen-benches --bench rivals [-- [--alone] [--resume] [--target T] [--threads N] [--beside T] [--out FOLDER]
//!     [PART OF A ROW'S NAME ...]]
//! ```
//!
//! `--target` and `--threads` time ours as a lesser machine would have them. `--alone` asks no rival. `--beside T` asks
//! none either, but times a second target of ours (or the first's own by a backend: `llvm`) in turns with the
//! first, copy by copy of the same tensors, each first at every second copy; told are both medians and the median of the
//! rounds' ratios. `rows.jsonl`, `report.md` and `report.svg` are written to the folder (`target/rivals`, and others for
//! these three); `--resume` keeps the cases that are there. `cargo xtask rivals` builds the rivals first: ggml, candle and rten are
//! programs of their own under `benches/rivals`, ONNX Runtime, OpenVINO and PyTorch run in the Python that
//! `KGEN_PYTHON` names. A rival that is not installed is told and left out.

use kgen::{
    bench::{self, Beside, Measured, Rotation},
    compile,
    device::Cpu,
    inputs, sweep,
};
use kgen_benches::{
    probe::Loop,
    report::{self, Line, Other, Second},
    rival::Rival,
    table::{self, By, Case, Limit, Row},
};
use kgen_ir::{extent::Dims, machine::Op, op};
use kgen_runtime::{load::Load, module::Module, roof::Roof};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

/// Rounds of a case.
const ROUNDS: usize = 9;
/// With a second target.
const TURNS: usize = 21;
/// The seed of the tensors.
const SEED: u64 = 1;
/// Half an interval of so much of the median is no measurement.
const WIDE: f64 = 0.3;
/// Readings of the machine's load before a case, until it is quiet.
const PATIENCE: usize = 40;

struct Asked {
    alone: bool,
    resume: bool,
    target: Option<String>,
    threads: Option<usize>,
    beside: Option<String>,
    out: PathBuf,
    wanted: Vec<String>,
}

fn asked() -> Result<Asked, String> {
    // Cargo runs benches in the folder of their package.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut alone, mut resume) = (false, false);
    let (mut target, mut threads, mut beside, mut out) = (None, None, None, None);
    let mut wanted = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = |what| words.next().ok_or(format!("{word}: {what} is missing"));
        match word.as_str() {
            "--alone" => alone = true,
            "--resume" => resume = true,
            "--target" => target = Some(value("a target")?),
            "--threads" => {
                let count = value("a number")?;
                threads = Some(count.parse().map_err(|_| format!("`{count}` is no number"))?);
            }
            "--beside" => beside = Some(value("a target")?),
            "--out" => out = Some(root.join(value("a folder")?)),
            // Said by cargo.
            "--bench" => {}
            _ => wanted.push(word),
        }
    }
    let mut folder = String::from("target/rivals");
    for part in target.iter().cloned().chain(threads.map(|n: usize| n.to_string())) {
        folder = folder + "-" + &part.replace('/', "-");
    }
    if let Some(target) = &beside {
        folder = folder + "-beside-" + &target.replace('/', "-");
    }
    let out = out.unwrap_or_else(|| root.join(folder));
    Ok(Asked { alone, resume, target, threads, beside, out, wanted })
}

/// Those that start, each with what is added to its cases.
fn rivals() -> Vec<(Rival, &'static str)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let worker = |which: &str| {
        let mut command = Command::new(&python);
        command.arg(folder.join("worker.py")).arg(which);
        command
    };
    let program = |name: &str| {
        let built = folder.join(format!("{name}/target/release/kgen-rival-{name}"));
        let told = std::env::var(format!("KGEN_{}", name.to_uppercase()));
        told.map_or(Command::new(built), Command::new)
    };
    let all = [
        (worker("ort"), ""),
        (worker("openvino"), ""),
        (worker("torch"), ""),
        (program("ggml"), ""),
        (program("ggml"), " repack=1"),
        (program("candle"), ""),
        (program("rten"), ""),
    ];
    all.into_iter()
        .filter_map(|(command, more)| {
            let named = format!("{command:?}");
            match Rival::start(command) {
                Ok(rival) => Some((rival, more)),
                Err(reason) => {
                    println!("left out: {named}: {reason}");
                    None
                }
            }
        })
        .collect()
}

/// The same CPU and workers with another target, or, of a backend's name, its own target by that.
fn second(cpu: &Cpu, word: &str) -> Result<Cpu, String> {
    let backend = compile::targets().iter().any(|t| t.backend == word);
    let name = if backend { by_backend(cpu, word) } else { word.into() };
    let same = cpu.with_schedule(cpu.schedule.clone());
    same.with_target(Some(&name)).map_err(|e| e.to_string())
}

fn by_backend(cpu: &Cpu, backend: &str) -> String {
    let name = cpu.target.name;
    format!("{}/{backend}", name.split_once('/').map_or(name, |(row, _)| row))
}

/// Multiplications and additions a second that the instruction allows, in machine code whatever the backend; `None`: the
/// target lacks it, or nothing is known.
fn peak(cpu: &Cpu, by: By) -> Option<f64> {
    let (op, class, zero, k) = match by {
        By::Fma => ("fma", "f", "fconst", 1),
        By::Bytes => ("dot.u8s8", "w", "wconst", 4),
        By::Bf16 => ("dot.bf16", "f", "fconst", 2),
    };
    let named = kgen_ir::machine::print::MNEMONICS.iter().find(|(name, _)| *name == op)?;
    let target = compile::target(&by_backend(cpu, "native")).ok()?;
    target.row(&named.1)?;
    let turn = Loop { op, class, zero, sums: 16 };
    Some(turn.flops(target, cpu.workers().count(), k))
}

/// Whether others keep the machine busy, after waiting for them.
fn disturbed(cpu: &Cpu) -> bool {
    for _ in 0..PATIENCE {
        let before = Load::now();
        std::thread::sleep(Duration::from_millis(250));
        let Some((before, now)) = before.zip(Load::now()) else { return false };
        if now.other(&before, cpu.workers().count()) <= bench::FOREIGN {
            return false;
        }
    }
    true
}

fn main() -> ExitCode {
    match compared() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn compared() -> Result<(), String> {
    let asked = asked()?;
    let cpu = Cpu::open(asked.threads).map_err(|e| e.to_string())?;
    let mut cpu = cpu.with_target(asked.target.as_deref()).map_err(|e| e.to_string())?;
    let mut beside = asked.beside.as_deref().map(|word| second(&cpu, word)).transpose()?;
    let threads = cpu.workers().count();
    let roof = Roof::new(bench::ROTATED).map_err(|e| e.to_string())?;
    let mut rivals = if asked.alone || beside.is_some() { Vec::new() } else { rivals() };
    let with = beside.as_ref().map(|b| format!(" beside {}", b.target.name)).unwrap_or_default();
    let by = format!(
        "kgen {}, {}{with}, {threads} threads, {}, {} rounds",
        env!("CARGO_PKG_VERSION"),
        cpu.target.name,
        kgen_runtime::device::model(),
        if beside.is_some() { TURNS } else { ROUNDS },
    );
    println!("{by}: medians");
    std::fs::create_dir_all(&asked.out).expect("a folder for the report");
    let file = asked.out.join("rows.jsonl");
    let mut lines = if asked.resume { report::read(&file) } else { Vec::new() };
    lines.retain(|l| l.by == by);
    let text: String = lines.iter().map(|l| l.print() + "\n").collect();
    std::fs::write(&file, text).expect("the folder takes files");
    for row in table::rows() {
        if !asked.wanted.is_empty() && !asked.wanted.iter().any(|w| row.name.contains(w.as_str())) {
            continue;
        }
        for cpu in [Some(&mut cpu), beside.as_mut()].into_iter().flatten() {
            cpu.strides = row.strides;
        }
        for case in &row.cases {
            if lines.iter().any(|l| l.row == row.name && l.sizes == case.sizes) {
                continue;
            }
            match measured((&cpu, beside.as_ref()), &roof, &mut rivals, &row, case, &lines) {
                Ok(line) => {
                    told(&Line { by: by.clone(), ..line.clone() }, &file);
                    lines.push(Line { by: by.clone(), ..line });
                }
                Err(reason) => println!("{} {}: {reason}", row.name, case.sizes),
            }
        }
    }
    let write = |name: &str, text: String| {
        std::fs::write(asked.out.join(name), text).expect("it is written")
    };
    write("report.md", report::markdown(&lines));
    write("report.svg", report::picture(&lines));
    let misses = lines.iter().filter(|l| !l.misses().is_empty()).count();
    println!(
        "{} cases, {misses} miss an aim; {}",
        lines.len(),
        asked.out.join("report.md").display()
    );
    Ok(())
}

/// Says it, and keeps it.
fn told(line: &Line, file: &Path) {
    println!(
        "{:44} {:9.3} +- {:.3} ms, {:.2} of {} (aim {:.2}, {:.1}), error/bound {:.2}{}{}",
        format!("{} {}", line.row, line.sizes),
        line.ms,
        line.ci95,
        line.share(),
        line.limit,
        line.aim,
        line.rate,
        line.error,
        if line.disturbed { ", disturbed" } else { "" },
        if line.error <= 1.0 { "" } else { " WRONG" },
    );
    if let Some(b) = &line.second {
        println!(
            "    {}: {:.3} ms, {:.3} +- {:.3} times ours, error/bound {:.2}{}",
            b.target,
            b.ms,
            b.ratio,
            b.ci95,
            b.error,
            if b.error <= 1.0 { "" } else { " WRONG" },
        );
    }
    for r in &line.rivals {
        match &r.timed {
            Ok((ms, error)) => {
                println!("    {}: {ms:.3} ms, {:.2}x ours, error {error:.1e}", r.name, ms / line.ms)
            }
            Err(reason) => println!("    {}: {reason}", r.name),
        }
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(file).expect("it was written");
    writeln!(file, "{}", line.print()).expect("the file takes lines");
}

/// Ours for two targets in turns.
fn in_turns(
    (cpu, module): (&Cpu, &Arc<Module>),
    second: &Cpu,
    (op, dims): (&op::Op, &Dims),
    roof: &Roof,
) -> Result<(Measured, Second), kgen::Error> {
    let mut ours = Rotation::new(cpu, module, op, dims, SEED)?;
    let mut other = Rotation::new(second, &second.load(op)?, op, dims, SEED)?;
    let two = bench::measure_two(&mut ours, &mut other, roof, TURNS)?;
    let target = second.target.name.into();
    let (ms, error) = (two.second.median * 1e3, two.second.error_ratio);
    Ok((two.first, Second { target, ms, ratio: two.ratio, ci95: two.ci95, error }))
}

fn measured(
    (cpu, second): (&Cpu, Option<&Cpu>),
    roof: &Roof,
    rivals: &mut [(Rival, &'static str)],
    row: &Row,
    case: &Case,
    before: &[Line],
) -> Result<Line, String> {
    if let (Limit::Products(..), None) = (case.limit, cpu.target.row(&Op::PermuteBytes)) {
        let target = cpu.target.name;
        return Err(format!(
            "SKIPPED: {target} has no instruction that permutes bytes (vpermb): lookups are made of shuffles there"
        ));
    }
    let op = op::read::read("rivals.toml", &row.text).map_err(|e| e.render())?;
    let module = cpu.load(&op).map_err(|e| e.to_string())?;
    let set: Vec<String> = case.sizes.split(' ').map(Into::into).collect();
    let values = sweep::cases(&sweep::parse_all(&set).expect("sizes")).remove(0);
    let dims = inputs::dims(&op, &values, &BTreeMap::new()).map_err(|e| e.to_string())?;
    let words = row.theirs.as_ref();
    let ready: Vec<Result<(), String>> = rivals
        .iter_mut()
        .map(|(rival, more)| match words {
            Some(words) => {
                let threads = cpu.workers().count();
                rival.prepare(&format!("{words} {} threads={threads}{more}", case.sizes))
            }
            None => Err("not asked".into()),
        })
        .collect();
    let mut beside: Vec<&mut dyn Beside> = rivals
        .iter_mut()
        .zip(&ready)
        .filter(|(_, ready)| ready.is_ok())
        .map(|((rival, _), _)| rival as &mut dyn Beside)
        .collect();
    let disturbed = disturbed(cpu);
    let peak = peak(cpu, row.by);
    let ((m, theirs), second) = match second {
        Some(second) => {
            let two = in_turns((cpu, &module), second, (&op, &dims), roof);
            let (m, other) = two.map_err(|e| format!("beside {}: {e}", second.target.name))?;
            ((m, Vec::new()), Some(other))
        }
        None => {
            let how = (ROUNDS, SEED);
            let all = bench::measure_beside(cpu, &module, &op, &dims, roof, how, &mut beside);
            (all.map_err(|e| e.to_string())?, None)
        }
    };
    let mut theirs = theirs.into_iter();
    let rivals = rivals.iter_mut().zip(ready).filter_map(|((rival, more), ready)| {
        // What no rival was asked for needs no reasons.
        words?;
        let timed = ready.and_then(|()| theirs.next().unwrap_or(Err("no turn".into())));
        let timed = timed.and_then(|seconds| Ok((seconds * 1e3, rival.error()?)));
        Some(Other { name: format!("{}{more}", rival.name), timed })
    });
    let held_to = |name: &str, sizes: &str| {
        let other = before.iter().find(|l| l.row == name && l.sizes == sizes);
        other.ok_or(format!("it is held to `{name} {sizes}`, which was not measured"))
    };
    let (limit, rate, floor) = match case.limit {
        Limit::Memory => ("memory", m.roof / 1e9, m.bytes as f64 / m.roof),
        Limit::Multipliers => {
            let peak = peak.ok_or(format!("this CPU has no row for {}: skipped", row.by.name()))?;
            (row.by.name(), peak / 1e9, m.flops / peak)
        }
        Limit::Products(name, sizes) => {
            let seconds = held_to(name, sizes)?.ms / 1e3;
            ("int_dot", m.flops / seconds / 1e9, seconds)
        }
        Limit::Bytes(name, sizes) => {
            let other = held_to(name, sizes)?;
            // Bytes a second that the other kernel read.
            let rate = other.rate * other.share() * 1e9;
            ("bytes", rate / 1e9, m.bytes as f64 / rate)
        }
    };
    Ok(Line {
        row: row.name.clone(),
        sizes: case.sizes.into(),
        ms: m.median * 1e3,
        ci95: m.ci95 * 1e3,
        limit: limit.into(),
        rate,
        floor: floor * 1e3,
        aim: case.aim,
        lead: case.lead,
        error: m.error_ratio,
        disturbed: disturbed || m.disturbed() || m.ci95 > WIDE * m.median,
        rivals: rivals.collect(),
        second,
        by: String::new(),
    })
}
