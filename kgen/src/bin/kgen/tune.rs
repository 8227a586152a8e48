//! `kgen tune`: the fastest schedule of an op on this machine, with a record of each that was tried.

use crate::{Answer, Format, progress, tell};
use kgen::{Error, device::Cpu, inputs, sweep, tune, verify};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Cases that the winner must pass before it is written.
const CASES: usize = 12;

/// Try the legal schedules of an op; write the fastest and a record of each
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Device: cpu
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// Value of a run-time symbol: b=4
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// When to stop: 60s, 10m
    #[arg(long, default_value = "60s", value_parser = duration, value_name = "TIME")]
    budget: Duration,
    /// Go on from the records of an earlier run
    #[arg(long)]
    resume: bool,
    /// The schedule [default: OP.TARGET.sched.toml beside the op; records go to OP.TARGET.records.jsonl]
    #[arg(short, long, value_name = "S.toml")]
    output: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Worker threads; all cores unless said
    #[arg(long)]
    threads: Option<usize>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time such as 60s or 10m");
    let (number, unit) = match text.strip_suffix('m') {
        Some(number) => (number, 60.0),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

pub fn run(args: &Args, format: Format) -> Answer {
    if args.on != "cpu" {
        return Err(Error::Usage(format!("no device `{}`; this build has `cpu`", args.on)));
    }
    let op = kgen::compile::read(&args.op)?;
    let mut cpu = Cpu::open(args.threads)?;
    let cases = sweep::cases(&sweep::parse_all(&args.set)?);
    let [values] = &cases[..] else {
        return Err(Error::Usage("a schedule is tuned for one size of each symbol".into()));
    };
    let dims = inputs::dims(&op, values, &BTreeMap::new())?;
    let stem = format!("{}.{}", op.name, cpu.target.name.replace('/', "-"));
    let folder = args.op.parent().unwrap_or(Path::new("."));
    let output = args.output.clone().unwrap_or(folder.join(format!("{stem}.sched.toml")));
    let file = output.with_file_name(format!("{stem}.records.jsonl"));
    let journal = tune::journal(&file);
    let mut known = tune::read_records(&file, &cpu.schedule)?;
    if args.resume {
        // Of a run that was ended early.
        known.extend(tune::read_records(&journal, &cpu.schedule)?);
    } else if journal.exists() {
        std::fs::remove_file(&journal)
            .map_err(|source| Error::File { path: journal.display().to_string(), source })?;
    }
    let bar = progress::bar("schedules", 0);
    let step = |at: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(at as u64);
    };
    let budget = (args.budget, args.seed);
    let records = (&*journal, known, args.resume);
    let mut tuned = tune::tune(&mut cpu, &op, &dims, budget, records, &step)?;
    bar.finish_and_clear();
    let Some(best) = tuned.records.first_mut() else {
        eprintln!("nothing was measured: give it a larger --budget");
        return Ok(1);
    };
    cpu.schedule = best.schedule.clone();
    let options = verify::Options { cases: CASES, seed: args.seed };
    let summary = verify::verify(&op, &cpu, &options);
    best.verified = match (summary.failed.is_empty(), summary.passed) {
        (true, 0) => None,
        (right, _) => Some(right),
    };
    let best = best.clone();
    // Only now does the file change: until here it holds what was known before.
    let all: Vec<_> = tuned.others.iter().chain(&tuned.records).collect();
    tune::write_records(&file, &all)?;
    if let Some(failure) = summary.failed.first() {
        eprintln!("the fastest schedule is wrong and was not written: {failure}");
        eprintln!("its record says so: with --resume the next fastest is tried");
        return Ok(1);
    }
    kgen_runtime::files::write(&output, best.schedule.print().as_bytes())
        .map_err(|e| Error::Input(e.to_string()))?;
    let shown = best.schedule.print().trim_end().replace('\n', ", ");
    match format {
        Format::Text => {
            tell(&format!(
                "{}: {:.3} ms, {:.2} of the default's time, of {} schedules measured ({} refused, {} left)",
                op.name,
                best.seconds * 1e3,
                best.ratio(),
                tuned.records.len(),
                tuned.refused,
                tuned.left
            ));
            tell(&format!("{shown}\nwritten to {}", output.display()));
        }
        Format::Json => tell(
            &serde_json::json!({
                "op": op.name, "device": args.on, "dims": dims.scalars, "schedule": shown, "median_s": best.seconds,
                "ratio": best.ratio(), "verified": best.verified, "measured": tuned.records.len(), "refused": tuned.refused,
                "left": tuned.left, "file": output.display().to_string(),
                "records": file.display().to_string(),
            })
            .to_string(),
        ),
    }
    Ok(0)
}
