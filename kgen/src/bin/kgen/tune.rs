//! `kgen tune`: the fastest schedule of an op on this machine, with a record of each that was tried.

use crate::{Answer, Format, progress, tell};
use kgen::{
    Error,
    device::Cpu,
    inputs, sweep,
    tune::{
        self, Effort, Progress, Settings,
        records::{self, Store},
    },
    verify,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Cases that a finalist must pass.
const CASES: usize = 12;

/// Try the legal schedules of an op; write the fastest, and a record of each
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
    /// How thorough: quick lets the best of a few rounds go on, exhaustive measures every legal schedule often
    #[arg(long, value_enum, default_value_t = Thorough::Quick)]
    effort: Thorough,
    /// Measure nothing again that the records have of these sizes
    #[arg(long)]
    resume: bool,
    /// The schedule [default: OP.TARGET.sched.toml beside the op]
    #[arg(short, long, value_name = "S.toml")]
    output: Option<PathBuf>,
    /// What each candidate took, of all ops and machines; many processes may share it [default: tuning.sqlite beside
    /// the schedule]
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Worker threads; all cores unless said
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Thorough {
    Quick,
    Exhaustive,
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
    let file = args.records.clone().unwrap_or(output.with_file_name("tuning.sqlite"));
    let store = Store::open(&file)?;
    let bar = progress::bar("schedules", 0);
    let step = |p: Progress| {
        bar.set_length(p.of as u64);
        bar.set_position(p.done as u64);
        if let Some(best) = p.best {
            bar.set_message(format!("schedules, best {best:.2} of the default's time"));
        }
    };
    let check = |cpu: &Cpu| {
        let summary = verify::verify(&op, cpu, &verify::Options { cases: CASES, seed: args.seed });
        if let Some(failure) = summary.failed.first() {
            eprintln!("a finalist is wrong and is left out: {failure}");
        }
        match (summary.failed.is_empty(), summary.passed) {
            (true, 0) => None,
            (right, _) => Some(right),
        }
    };
    let effort = match args.effort {
        Thorough::Quick => Effort::Quick,
        Thorough::Exhaustive => Effort::Exhaustive,
    };
    let (budget, resume, seed) = (args.budget, args.resume, args.seed);
    let (store, step, check) = (&store, &step, &check);
    let settings = Settings { budget, effort, resume, seed, store, step, check };
    let tuned = tune::tune(&mut cpu, &op, &dims, &settings)?;
    bar.finish_and_clear();
    let Some((schedule, best)) = &tuned.best else {
        match tuned.wrong.is_empty() {
            true => eprintln!("nothing was measured: give it a larger --budget"),
            false => eprintln!(
                "every finalist is wrong; the records say so: with --resume the next are tried"
            ),
        }
        return Ok(1);
    };
    kgen_runtime::files::write(&output, schedule.print().as_bytes())
        .map_err(|e| Error::Input(e.to_string()))?;
    let shown = records::line_of(schedule);
    match format {
        Format::Text => {
            tell(&format!(
                "{}: {:.3} ms, {:.2} of the default's time ({:.2} to {:.2}), of {} schedules measured \
                 ({} of the same code, {} over the roofline, {} refused, {} left, {} wrong)",
                op.name,
                best.seconds * 1e3,
                best.ratio,
                best.low,
                best.high,
                tuned.measured,
                tuned.same,
                tuned.pruned,
                tuned.refused,
                tuned.left,
                tuned.wrong.len()
            ));
            tell(&format!("{shown}\nwritten to {}; records in {}", output.display(), file.display()));
        }
        Format::Json => tell(
            &serde_json::json!({
                "op": op.name, "device": args.on, "dims": dims.scalars, "schedule": shown, "median_s": best.seconds,
                "ratio": best.ratio, "low": best.low, "high": best.high, "verified": best.verified,
                "measured": tuned.measured, "same": tuned.same, "pruned": tuned.pruned, "refused": tuned.refused,
                "left": tuned.left, "wrong": tuned.wrong.len(), "file": output.display().to_string(),
                "records": file.display().to_string(),
            })
            .to_string(),
        ),
    }
    Ok(0)
}
