//! Tries every legal schedule of an op on a device, keeps a record of each, and names the fastest.
//!
//! A candidate is timed beside the default schedule, in turns, so that what changes on the machine meanwhile hits
//! both: candidates are ranked by the ratio.
//!
//! ```text
//! {"key":"5c0f..","dims":"b=1 m=1 n=8192","schedule":"keys = 32, ..","seconds":0.0021,"beside":0.0025,"ratio":0.84}
//! ```

use crate::{Error, Schedule, compile, device::Cpu, inputs};
use kgen_ir::{extent::Dims, op::Op, tensor::Tensor};
use kgen_runtime::{roof::warm, tensors::Session};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
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
    pub dims: String,
    pub schedule: Schedule,
    /// Median seconds of a run, and of the default beside it.
    pub seconds: f64,
    pub beside: f64,
}

impl Record {
    pub fn ratio(&self) -> f64 {
        self.seconds / self.beside
    }

    fn print(&self) -> String {
        let schedule = self.schedule.print().trim_end().replace('\n', ", ");
        serde_json::json!({
            "key": self.key, "dims": self.dims, "schedule": schedule, "seconds": self.seconds,
            "beside": self.beside, "ratio": self.ratio(),
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
            dims: text("dims")?,
            schedule: Schedule::parse("record", &schedule, base).ok()?,
            seconds: number("seconds")?,
            beside: number("beside")?,
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

/// What tuning came to.
#[derive(Debug)]
pub struct Tuned {
    /// All records of this op, these sizes and this compiler, best first.
    pub records: Vec<Record>,
    /// Candidates that this target cannot compile.
    pub refused: usize,
    /// Candidates that the budget did not reach.
    pub left: usize,
}

/// Measures until the budget is spent or every candidate has its record; each goes to `file` at once, as a line.
pub fn tune(
    cpu: &mut Cpu,
    op: &Op,
    dims: &Dims,
    (budget, seed): (Duration, u64),
    (file, known): (&Path, Vec<Record>),
    step: &dyn Fn(usize, usize),
) -> Result<Tuned, Error> {
    let begin = Instant::now();
    let base = cpu.schedule.clone();
    let shown: Vec<_> = dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
    let shown = shown.join(" ");
    let candidates = Schedule::legal(op, cpu.target);
    let keys: Vec<String> = candidates.iter().map(|s| compile::key(op, cpu.target, s)).collect();
    let mut records: Vec<Record> = known;
    records.retain(|r| r.dims == shown && keys.contains(&r.key));
    let tensors = inputs::complete(op, dims, &BTreeMap::new(), seed)?;
    let mut default = sessions(cpu, op, dims, &tensors)?;
    let failed = |source| Error::File { path: file.display().to_string(), source };
    let mut out: File = OpenOptions::new().create(true).append(true).open(file).map_err(failed)?;
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
            dims: shown.clone(),
            schedule: schedule.clone(),
            seconds: middle(here),
            beside: middle(beside),
        };
        // One write a line: whoever is killed leaves whole lines.
        out.write_all(format!("{}\n", record.print()).as_bytes()).map_err(failed)?;
        records.push(record);
    }
    records.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    Ok(Tuned { records, refused, left })
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

    #[test]
    fn records_print_and_read() {
        let cpu = compile::host().unwrap();
        let base = Schedule::default_for(cpu);
        let r = Record {
            key: "k".into(),
            dims: "m=1".into(),
            schedule: Schedule { keys: 32, ..base.clone() },
            seconds: 0.5,
            beside: 0.25,
        };
        assert_eq!(Record::read(&r.print(), &base), Some(r.clone()));
        for bad in ["", "{}", "[1]", &r.print().replace("0.5", "-1"), &r.print()[..40]] {
            assert_eq!(Record::read(bad, &base), None, "{bad}");
        }
    }
}
