//! Tries every legal schedule of an op on a device, keeps a record of each, and names the fastest.
//!
//! A candidate is timed beside the default schedule, in turns, so that what changes on the machine meanwhile hits
//! both: candidates are ranked by the ratio.
//!
//! ```text
//! {"key":"5c0f..","target":"x86-64-v3/cranelift","kgen":"0.1.0","dims":"b=1 m=1 n=8192","schedule":"keys = 32, ..",
//!  "seconds":0.0021,"beside":0.0025,"ratio":0.84,"verified":true}
//! ```
//!
//! While it measures, records go to a journal beside the file; the file changes once, at the end, as a whole. A run
//! that was ended early leaves its journal, from which the next one goes on if asked to.

use crate::{Error, Schedule, compile, device::Cpu, inputs};
use kgen_ir::{extent::Dims, op::Op, tensor::Tensor};
use kgen_runtime::{roof::warm, tensors::Session};
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Bytes that rotate through the runs of one candidate: more than any cache holds.
const ROTATED: usize = 400 << 20;
/// Turns of a candidate and the default.
const TURNS: usize = 3;

/// One candidate, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Hash of op, target, schedule and compiler.
    pub key: String,
    pub target: String,
    /// Version of the compiler.
    pub kgen: String,
    pub dims: String,
    pub schedule: Schedule,
    /// Median seconds of a run, and of the default beside it.
    pub seconds: f64,
    pub beside: f64,
    /// What came of the cases that the fastest must pass; `None`: not asked.
    pub verified: Option<bool>,
}

impl Record {
    pub fn ratio(&self) -> f64 {
        self.seconds / self.beside
    }

    fn print(&self) -> String {
        let schedule = self.schedule.print().trim_end().replace('\n', ", ");
        serde_json::json!({
            "key": self.key, "target": self.target, "kgen": self.kgen, "dims": self.dims, "schedule": schedule,
            "seconds": self.seconds, "beside": self.beside, "ratio": self.ratio(), "verified": self.verified,
        })
        .to_string()
    }

    fn read(line: &str, base: &Schedule) -> Option<Record> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_f64().filter(|x| x.is_finite() && *x > 0.0);
        let schedule = text("schedule")?.replace(", ", "\n");
        Some(Record {
            key: text("key")?,
            target: text("target")?,
            kgen: text("kgen")?,
            dims: text("dims")?,
            schedule: Schedule::parse("record", &schedule, base).ok()?,
            seconds: number("seconds")?,
            beside: number("beside")?,
            verified: {
                let told = value.get("verified")?;
                if told.is_null() { None } else { Some(told.as_bool()?) }
            },
        })
    }
}

/// The records of a file; a file that is not there has none.
pub fn read_records(path: &Path, base: &Schedule) -> Result<Vec<Record>, Error> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(source) => return Err(Error::File { path: name, source }),
    };
    let line = |(i, line): (usize, &str)| {
        Record::read(line, base).ok_or_else(|| {
            Error::Input(format!(
                "{name}, line {}: not a tuning record; remove the line, or the file to start anew",
                i + 1
            ))
        })
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(line).collect()
}

/// Where records go while a run measures.
pub fn journal(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    file.with_file_name(name)
}

/// Puts `records` in place of what the file holds, all at once, and ends the journal.
pub fn write_records(file: &Path, records: &[&Record]) -> Result<(), Error> {
    let text: String = records.iter().map(|r| format!("{}\n", r.print())).collect();
    kgen_runtime::files::write(file, text.as_bytes()).map_err(|e| Error::Input(e.to_string()))?;
    match std::fs::remove_file(journal(file)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::File { path: journal(file).display().to_string(), source: e })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What tuning came to.
#[derive(Debug)]
pub struct Tuned {
    /// All records of this op, these sizes and this compiler, best first; last those that proved wrong.
    pub records: Vec<Record>,
    /// What else was known: other sizes, other versions.
    pub others: Vec<Record>,
    /// Candidates that this target cannot compile.
    pub refused: usize,
    /// Candidates that the budget did not reach.
    pub left: usize,
}

/// Measures until the budget is spent or every candidate has its record; each goes to `journal` at once, as a line.
/// With `resume`, what is `known` is not measured again; else only what is known of other sizes is kept.
pub fn tune(
    cpu: &mut Cpu,
    op: &Op,
    dims: &Dims,
    (budget, seed): (Duration, u64),
    (journal, known, resume): (&Path, Vec<Record>, bool),
    step: &dyn Fn(usize, usize),
) -> Result<Tuned, Error> {
    let begin = Instant::now();
    let base = cpu.schedule.clone();
    let shown: Vec<_> = dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
    let shown = shown.join(" ");
    let candidates = Schedule::legal(op, cpu.target);
    let key = |s| compile::key(op, cpu.target, s, cpu.accesses);
    let keys: Vec<String> = candidates.iter().map(key).collect();
    let (mut records, others): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|r| r.dims == shown && keys.contains(&r.key));
    if !resume {
        records.clear();
    }
    let tensors = inputs::complete(op, dims, &BTreeMap::new(), seed)?;
    let mut default = sessions(cpu, op, dims, &tensors)?;
    let failed = |source| Error::File { path: journal.display().to_string(), source };
    let (mut refused, mut left) = (0, 0);
    warm(cpu.workers());
    for (i, (schedule, key)) in candidates.iter().zip(&keys).enumerate() {
        step(i, candidates.len());
        if records.iter().any(|r| r.key == *key) {
            continue;
        }
        if begin.elapsed() >= budget {
            left += 1;
            continue;
        }
        cpu.schedule = schedule.clone();
        let candidate = sessions(cpu, op, dims, &tensors);
        cpu.schedule = base.clone();
        let mut candidate = match candidate {
            Ok(candidate) => candidate,
            Err(Error::Unsupported(_)) => {
                refused += 1;
                continue;
            }
            Err(e) => return Err(e),
        };
        let (mut here, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            beside.push(round(cpu, &mut default)?);
            here.push(round(cpu, &mut candidate)?);
        }
        let record = Record {
            key: key.clone(),
            target: cpu.target.name.into(),
            kgen: env!("CARGO_PKG_VERSION").into(),
            dims: shown.clone(),
            schedule: schedule.clone(),
            seconds: middle(here),
            beside: middle(beside),
            verified: None,
        };
        // One write a line: whoever is killed leaves whole lines.
        let mut out = OpenOptions::new().create(true).append(true).open(journal).map_err(failed)?;
        out.write_all(format!("{}\n", record.print()).as_bytes()).map_err(failed)?;
        records.push(record);
    }
    best_first(&mut records);
    Ok(Tuned { records, others, refused, left })
}

/// The fastest first; behind all others those that proved wrong.
fn best_first(records: &mut [Record]) {
    let wrong = |r: &Record| r.verified == Some(false);
    records.sort_by(|a, b| wrong(a).cmp(&wrong(b)).then(a.ratio().total_cmp(&b.ratio())));
}

fn sessions(
    cpu: &Cpu,
    op: &Op,
    dims: &Dims,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<Vec<Session>, Error> {
    let module = cpu.load(op)?;
    let bytes: usize = tensors.values().map(|t| t.bytes.len()).sum();
    let copies = ROTATED.div_ceil(bytes.max(1)).clamp(1, 1024);
    (0..copies).map(|_| cpu.session(&module, dims, tensors)).collect()
}

/// Seconds of a run, over all copies.
fn round(cpu: &Cpu, sessions: &mut [Session]) -> Result<f64, Error> {
    let start = Instant::now();
    for s in sessions.iter_mut() {
        s.run(cpu.workers()).map_err(|e| Error::Unavailable(e.to_string()))?;
    }
    Ok(start.elapsed().as_secs_f64() / sessions.len().max(1) as f64)
}

fn middle(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, seconds: f64, verified: Option<bool>) -> Record {
        let target = compile::host().unwrap();
        Record {
            key: key.into(),
            target: target.name.into(),
            kgen: "0.1.0".into(),
            dims: "m=1".into(),
            schedule: Schedule { keys: 32, ..Schedule::default_for(target) },
            seconds,
            beside: 0.25,
            verified,
        }
    }

    #[test]
    fn what_proved_wrong_comes_last() {
        let mut list = [
            record("wrong", 0.1, Some(false)),
            record("slow", 0.4, None),
            record("fast", 0.2, Some(true)),
        ];
        best_first(&mut list);
        assert_eq!(list.map(|r| r.key), ["fast", "slow", "wrong"]);
    }

    #[test]
    fn records_print_and_read() {
        let base = Schedule::default_for(compile::host().unwrap());
        let r = record("k", 0.5, None);
        for verified in [None, Some(true), Some(false)] {
            let r = Record { verified, ..r.clone() };
            assert_eq!(Record::read(&r.print(), &base), Some(r));
        }
        let whole = r.print();
        let bad = [
            "".into(),
            "{}".into(),
            "[1]".into(),
            whole[..40].into(),
            whole.replace("0.5", "-1"),
            whole.replace("\"target\"", "\"chip\""),
            whole.replace("\"kgen\"", "\"by\""),
            whole.replace("null", "1"),
        ];
        for bad in bad {
            assert_eq!(Record::read(&bad, &base), None, "{bad}");
        }
    }

    #[test]
    fn the_file_changes_as_a_whole_and_the_journal_ends() {
        let base = Schedule::default_for(compile::host().unwrap());
        let folder = std::env::temp_dir().join(format!("kgen-tune-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.records.jsonl");
        assert_eq!(journal(&file).file_name().unwrap(), "a.records.jsonl.part");
        std::fs::write(&file, "old\n").unwrap();
        std::fs::write(journal(&file), "something").unwrap();
        let (a, b) = (record("a", 1.0, None), record("b", 2.0, None));
        write_records(&file, &[&a, &b]).unwrap();
        assert!(!journal(&file).exists());
        assert_eq!(read_records(&file, &base).unwrap(), [a, b]);
        write_records(&file, &[]).unwrap();
        assert_eq!(read_records(&file, &base).unwrap(), []);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(write_records(&file, &[]).unwrap_err().exit_code(), 3);
    }
}
