//! Finds the fastest schedule of an op on this machine.
//!
//! ```text
//! the default verified: what verifying will take is kept of the budget
//! legal schedules -> a key that changes nothing here, same code, or over the roofline: left out without a run
//!                 -> 2 rounds each, 1 if late -> the best quarter, 6 rounds -> the best few and the default, in turns, with intervals
//!                 -> each of those verified -> the winner: the first that cannot be told from the fastest
//! ```
//!
//! Every candidate is timed beside the default schedule, in turns and, unless it wants weights packed otherwise, in the
//! same memory: where that lies changes times by several percent. Candidates are ranked by the ratio. Each measurement
//! goes to the [`records`] at once.

mod model;
mod race;
pub mod records;

use crate::{
    Error, Schedule, bench,
    compile::{self, Accesses, Compiled},
    device::Cpu,
    inputs,
};
use kgen_ir::{extent::Dims, op::Op, target::Target, tensor::Tensor};
use kgen_runtime::{
    buffer::BufferError,
    module::Module,
    pool::Pool,
    roof::{Roof, warm},
    tensors::{self, Session},
};
use race::Interval;
use records::{Record, Store};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes that rotate through the runs of one candidate: more than any cache holds.
const ROTATED: usize = 400 << 20;
/// A round may take so long: what computes longer than it reads needs few copies to be away from caches.
const ROUND: Duration = Duration::from_millis(20);
/// Schedules that a quick search measures at most.
const QUICK: usize = 160;
/// Rounds of the first and the second heat of a quick search, and how many are in the second. (A first heat that is late
/// has one round: a busy machine would not reach as many candidates.)
const HEATS: [u32; 2] = [2, 6];
const SECOND: usize = QUICK / 4;
/// Rounds of every candidate of an exhaustive search.
const EXHAUSTIVE: u32 = 9;
/// Who is in the last race beside the default.
const FINALISTS: usize = 6;
/// Its rounds: as many as an interval of 95 % needs to leave out three at each end; where time is left, so many more.
const FINAL: u32 = 15;
const LONG: u32 = 45;
/// Of the budget: what the first heat may use, what all but the last race may.
const SHARES: [f64; 2] = [0.6, 0.8];
/// The bound of [`model::busiest`] may be twice the truth.
const SURE: f64 = 0.5;

/// How thorough a search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Heats of few rounds, the best of each go on.
    Quick,
    /// Every legal schedule, as often as the last race of a quick search.
    Exhaustive,
}

/// How to search.
pub struct Settings<'a> {
    /// For all of it, the cases of finalists too.
    pub budget: Duration,
    pub effort: Effort,
    /// What is recorded of these sizes is not measured again.
    pub resume: bool,
    pub seed: u64,
    pub store: &'a Store,
    /// Told before each candidate.
    pub step: &'a dyn Fn(Progress),
    /// Whether the CPU's schedule passes the cases of the op; `None`: it is not supported by any. Finalists are checked
    /// side by side: most of it is the reference, which is one thread.
    pub check: &'a (dyn Fn(&Cpu) -> Option<bool> + Sync),
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub done: usize,
    pub of: usize,
    /// Time of the best so far, in times of the default.
    pub best: Option<f64>,
}

/// What tuning came to.
#[derive(Debug, Default)]
pub struct Tuned {
    /// The winner: its schedule passed the cases.
    pub best: Option<(Schedule, Record)>,
    /// Candidates with a record of these sizes.
    pub measured: usize,
    /// Candidates that this target cannot compile.
    pub refused: usize,
    /// Candidates whose code for these sizes is that of another.
    pub same: usize,
    /// Candidates that would take longer than another by what one worker must read.
    pub pruned: usize,
    /// Candidates that the budget did not reach.
    pub left: usize,
    /// Finalists that failed their cases.
    pub wrong: Vec<Schedule>,
}

/// A candidate in the race.
struct Entry {
    /// Its place among the legal schedules: the nearer to the default, the smaller.
    rank: usize,
    schedule: Schedule,
    key: String,
    seen: Interval,
    /// It was in a last race before, and passed its cases.
    proved: bool,
}

/// Measures until the budget is spent or the search is done.
pub fn tune(cpu: &mut Cpu, op: &Op, dims: &Dims, s: &Settings) -> Result<Tuned, Error> {
    let base = cpu.schedule.clone();
    let found = Search::new(cpu, op, dims, s).and_then(|mut search| search.run());
    cpu.schedule = base;
    found
}

struct Search<'a> {
    cpu: &'a mut Cpu,
    op: &'a Op,
    dims: &'a Dims,
    s: &'a Settings<'a>,
    begin: Instant,
    /// What the cases of the default came to.
    default_right: Option<bool>,
    /// Kept of the budget for the cases of the other finalists.
    kept: Duration,
    /// What all records of this search have in common.
    common: Record,
    tensors: BTreeMap<String, Tensor>,
    default: Arc<Module>,
    /// Copies that are timed, of who packs weights as the default does.
    sessions: Vec<Session>,
    /// As many, of others.
    other: Vec<Session>,
    out: Tuned,
}

impl<'a> Search<'a> {
    fn new(cpu: &'a mut Cpu, op: &'a Op, dims: &'a Dims, s: &'a Settings) -> Result<Self, Error> {
        let begin = Instant::now();
        // As many at once as there are workers, and as long again, for they share memory.
        let (mut default_right, mut kept) = (None, Duration::ZERO);
        if !s.budget.is_zero() {
            default_right = (s.check)(cpu);
            let turns = FINALISTS.div_ceil(cpu.workers().count()) + 1;
            kept = (begin.elapsed() * turns as u32).min(s.budget / 2);
        }
        let tensors = inputs::complete(op, dims, &BTreeMap::new(), s.seed)?;
        let shown: Vec<_> = dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
        let shown = shown.into_iter().chain(dims.ragged.iter().map(|(n, x)| format!("{n}={x:?}")));
        let workers = cpu.workers().count();
        let common = Record {
            key: String::new(),
            bucket: records::bucket(dims),
            device: format!("{} x{workers}", kgen_runtime::device::model()),
            op: kgen_ir::artifact::hash(&kgen_ir::op::print::print(op)),
            name: op.name.clone(),
            target: cpu.target.name.into(),
            kgen: env!("CARGO_PKG_VERSION").into(),
            dims: shown.collect::<Vec<_>>().join(" "),
            schedule: String::new(),
            seconds: 0.0,
            beside: 0.0,
            ratio: 0.0,
            low: 0.0,
            high: 0.0,
            rounds: 0,
            verified: None,
        };
        let bytes: usize = tensors.values().map(|t| t.bytes.len()).sum();
        let all = ROTATED.div_ceil(bytes.max(1)).clamp(1, 1024);
        let module = cpu.load(op)?;
        let mut one = cpu.sessions(&module, dims, &tensors, 1)?;
        warm(cpu.workers());
        let once = (0..3).map(|_| round(cpu, &mut one)).collect::<Result<Vec<f64>, _>>()?;
        let once = once.into_iter().fold(f64::INFINITY, f64::min).max(1e-9);
        let copies = ((ROUND.as_secs_f64() / once) as usize).clamp(1, all);
        let sessions = cpu.sessions(&module, dims, &tensors, copies)?;
        let (other, out) = (Vec::new(), Tuned::default());
        let default = module;
        Ok(Search {
            cpu,
            op,
            dims,
            s,
            begin,
            default_right,
            kept,
            common,
            tensors,
            default,
            sessions,
            other,
            out,
        })
    }

    /// When so much of the time to measure is gone.
    fn share(&self, share: f64) -> Duration {
        (self.s.budget - self.kept).mul_f64(share)
    }

    fn within(&self, share: f64) -> bool {
        self.begin.elapsed() < self.share(share)
    }

    /// Whether the first heat, `done` of `of` through, would not end in its time at this rate.
    fn late(&self, done: usize, of: usize) -> bool {
        self.begin.elapsed().mul_f64(of as f64) > self.share(SHARES[0]).mul_f64(done as f64)
    }

    fn run(&mut self) -> Result<Tuned, Error> {
        let entries = self.first_heat()?;
        let (mut last, mut entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| e.rank == 0);
        if !self.within(1.0) && entries.iter().chain(&last).any(|e| e.proved) {
            // Whoever was in no last race is not told from these by what it did in heats.
            last.retain(|e| e.proved);
            entries.retain(|e| e.proved);
        } else if self.s.effort == Effort::Quick {
            entries = self.heat(best(entries, SECOND), HEATS[1])?;
        }
        last.extend(best(entries, FINALISTS));
        self.last_race(&mut last)?;
        self.choose(last)?;
        Ok(std::mem::take(&mut self.out))
    }

    /// More rounds of each, the best first; who is not reached in time is out.
    fn heat(&mut self, mut entries: Vec<Entry>, rounds: u32) -> Result<Vec<Entry>, Error> {
        entries.sort_by(|a, b| a.seen.median.total_cmp(&b.seen.median));
        let of = entries.len();
        for (done, entry) in entries.iter_mut().enumerate() {
            (self.s.step)(Progress { done, of, best: None });
            if entry.seen.rounds < rounds && self.within(SHARES[1]) {
                let module = self.module(&entry.schedule)?;
                entry.seen = self.beside((&entry.schedule, &module), &entry.key, rounds)?.0;
            }
        }
        if entries.iter().any(|e| e.seen.rounds >= rounds) {
            entries.retain(|e| e.seen.rounds >= rounds);
        }
        Ok(entries)
    }

    /// Every candidate a few times; those that are known need none.
    fn first_heat(&mut self) -> Result<Vec<Entry>, Error> {
        let known = self.s.store.of(&self.common.op, &self.common.target, &self.common.device)?;
        let (target, accesses) = (self.cpu.target, self.cpu.accesses);
        let make = Maker { op: self.op, target, accesses, dims: self.dims() };
        let mut candidates = self.candidates(&known);
        let of = match self.s.effort {
            Effort::Quick => candidates.len().min(QUICK),
            Effort::Exhaustive => candidates.len(),
        };
        let all = candidates.len();
        make.without_idle(&mut candidates)?;
        self.out.same = all - candidates.len();
        let solo = solo_rate()?;
        let bytes: usize = self.tensors.values().map(|t| t.bytes.len()).sum();
        let (mut entries, mut codes) = (Vec::<Entry>::new(), BTreeSet::new());
        let mut fastest = f64::INFINITY;
        let workers = self.cpu.workers().count();
        for group in candidates.chunks(workers) {
            let keys = group
                .iter()
                .map(|(_, s)| compile::key(self.op, self.cpu.target, s, self.cpu.accesses));
            let keys: Vec<String> = keys.collect();
            let record = |key: &String| {
                let mine = |r: &&Record| r.key == *key && r.bucket == self.common.bucket;
                known.iter().find(mine).filter(|_| self.s.resume)
            };
            let records: Vec<Option<&Record>> = keys.iter().map(record).collect();
            let wanted = group.iter().zip(&records).map(|((rank, schedule), record)| {
                // Where there is any time, the default has its record.
                let first = *rank == 0 && !self.s.budget.is_zero();
                let time = entries.len() < of && (first || self.within(SHARES[0]));
                (record.is_none() && time).then_some(schedule)
            });
            let made = make.all(wanted.collect());
            for (((rank, schedule), key), (record, made)) in
                group.iter().zip(keys).zip(records.into_iter().zip(made))
            {
                let (rank, schedule) = (*rank, schedule.clone());
                let best = entries.iter().map(|e| e.seen.median).min_by(f64::total_cmp);
                (self.s.step)(Progress { done: entries.len(), of, best });
                if let Some(r) = record {
                    if r.verified == Some(false) {
                        self.out.wrong.push(schedule);
                        continue;
                    }
                    let (median, low, high, rounds) = (r.ratio, r.low, r.high, r.rounds);
                    let seen = Interval { median, low, high, rounds };
                    let proved = r.verified == Some(true);
                    entries.push(Entry { rank, schedule, key, seen, proved });
                    continue;
                }
                let Some(made) = made.filter(|_| entries.len() < of) else {
                    self.out.left += 1;
                    continue;
                };
                let Some(Built { compiled, module, variant, code }) = made? else {
                    self.out.refused += 1;
                    continue;
                };
                if !codes.insert(code) {
                    self.out.same += 1;
                    continue;
                }
                let busiest = model::busiest(&compiled, &variant, &make.dims, workers);
                if busiest.is_some_and(|share| SURE * share * bytes as f64 / solo > fastest) {
                    self.out.pruned += 1;
                    continue;
                }
                let rounds = match self.s.effort {
                    Effort::Quick if self.late(entries.len(), of) => 1,
                    Effort::Quick => HEATS[0],
                    Effort::Exhaustive => EXHAUSTIVE,
                };
                let (seen, seconds) = self.beside((&schedule, &module), &key, rounds)?;
                fastest = fastest.min(seconds);
                entries.push(Entry { rank, schedule, key, seen, proved: false });
            }
        }
        self.out.measured = entries.len() + self.out.wrong.len();
        Ok(entries)
    }

    /// These sizes on this CPU.
    fn dims(&self) -> Dims {
        Dims { cores: self.cpu.workers().count() as i64, ..self.dims.clone() }
    }

    /// The legal schedules, each with its rank: the default, then what was best for other sizes, then the rest.
    fn candidates(&self, known: &[Record]) -> Vec<(usize, Schedule)> {
        let legal: Vec<_> =
            Schedule::legal(self.op, self.cpu.target).into_iter().enumerate().collect();
        let mut elsewhere = BTreeMap::<&str, &Record>::new();
        for r in known.iter().filter(|r| r.verified == Some(true)) {
            // They come with the smallest ratio first.
            elsewhere.entry(r.bucket.as_str()).or_insert(r);
        }
        let lines: BTreeSet<&str> = elsewhere.values().map(|r| r.schedule.as_str()).collect();
        let early = |(rank, s): &(usize, Schedule)| {
            *rank == 0 || lines.contains(records::line_of(s).as_str())
        };
        let (first, rest): (Vec<_>, Vec<_>) = legal.into_iter().partition(early);
        first.into_iter().chain(rest).collect()
    }

    /// Rounds of a candidate and the default in turns; recorded.
    fn beside(
        &mut self,
        (schedule, module): (&Schedule, &Arc<Module>),
        key: &str,
        rounds: u32,
    ) -> Result<(Interval, f64), Error> {
        let default = self.default.clone();
        let (mut here, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            beside.push(self.round(&default)?);
            here.push(self.round(module)?);
        }
        self.told(schedule, key, &here, &beside)
    }

    /// Keeps what rounds told.
    fn told(
        &self,
        schedule: &Schedule,
        key: &str,
        here: &[f64],
        beside: &[f64],
    ) -> Result<(Interval, f64), Error> {
        let ratios: Vec<f64> = here.iter().zip(beside).map(|(a, b)| a / b).collect();
        let none = || Error::Unavailable("no round was measured".into());
        let median = |list: &[f64]| Interval::of(list).map(|i| i.median).ok_or_else(none);
        let seen = Interval::of(&ratios).ok_or_else(none)?;
        let (seconds, beside) = (median(here)?, median(beside)?);
        self.s.store.put(&Record {
            key: key.into(),
            schedule: records::line_of(schedule),
            seconds,
            beside,
            ratio: seen.median,
            low: seen.low,
            high: seen.high,
            rounds: seen.rounds,
            ..self.common.clone()
        })?;
        Ok((seen, seconds))
    }

    fn module(&self, schedule: &Schedule) -> Result<Arc<Module>, Error> {
        let compiled =
            compile::compile_with(self.op, self.cpu.target, schedule, self.cpu.accesses)?;
        crate::device::open(&compiled.artifact, None)
    }

    /// Seconds of a run, over all copies. The module takes over memory that is there; what it wants packed otherwise is
    /// laid out again.
    fn round(&mut self, module: &Arc<Module>) -> Result<f64, Error> {
        let dims = self.dims();
        for sessions in [&mut self.sessions, &mut self.other] {
            if rebound(sessions, module, &dims)? {
                return round(self.cpu, sessions);
            }
        }
        let copies = self.sessions.len();
        self.other = self.cpu.sessions(module, self.dims, &self.tensors, copies)?;
        round(self.cpu, &mut self.other)
    }

    /// The best few and the default in turns, each round all of them; the one that begins changes.
    fn last_race(&mut self, entries: &mut [Entry]) -> Result<(), Error> {
        if entries.is_empty() || !self.within(1.0) || entries.iter().all(|e| e.seen.rounds >= FINAL)
        {
            return Ok(());
        }
        let mut modules = vec![self.default.clone()];
        let mut lanes = Vec::new();
        for e in entries.iter() {
            lanes.push(if e.rank == 0 { 0 } else { modules.len() });
            if e.rank != 0 {
                modules.push(self.module(&e.schedule)?);
            }
        }
        let mut times = vec![Vec::new(); modules.len()];
        for turn in 0..LONG as usize {
            if turn >= 3 && !self.within(1.0) {
                break;
            }
            (self.s.step)(Progress { done: turn, of: LONG as usize, best: None });
            for i in 0..modules.len() {
                let i = (i + turn) % modules.len();
                times[i].push(self.round(&modules[i])?);
            }
        }
        for (e, lane) in entries.iter_mut().zip(lanes) {
            (e.seen, _) = self.told(&e.schedule, &e.key, &times[lane], &times[0])?;
        }
        Ok(())
    }

    /// Verifies the finalists; the winner is one that is right.
    fn choose(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut known = Vec::new();
        for e in entries {
            let record = self.s.store.get(&e.key, &self.common.bucket, &self.common.device)?;
            known.extend(record.map(|r| (e, r)));
        }
        for (_, record) in known.iter_mut().filter(|(e, r)| e.rank == 0 && r.verified.is_none()) {
            record.verified = self.default_right;
            self.s.store.put(record)?;
        }
        let check = self.s.check;
        let verdicts: Vec<_> = std::thread::scope(|scope| {
            let unsaid = known.iter().map(|(e, r)| r.verified.is_none().then_some(&e.schedule));
            let begin = |schedule: &Schedule| {
                let cpu = self.cpu.with_schedule(schedule.clone());
                scope.spawn(move || check(&cpu))
            };
            let begun: Vec<_> = unsaid.map(|s| s.map(begin)).collect();
            begun.into_iter().map(|t| t.map(joined)).collect()
        });
        let mut right = Vec::new();
        for ((e, mut record), verdict) in known.into_iter().zip(verdicts) {
            if let Some(verdict) = verdict {
                record.verified = verdict;
                self.s.store.put(&record)?;
            }
            if record.verified == Some(false) {
                self.out.wrong.push(e.schedule);
            } else {
                right.push((e, record));
            }
        }
        let list: Vec<Interval> = right.iter().map(|(e, _)| e.seen).collect();
        let default = right.first().is_some_and(|(e, _)| e.rank == 0);
        let won = race::winner(&list, default).map(|i| right.swap_remove(i));
        self.out.best = won.map(|(e, record)| (e.schedule, record));
        Ok(())
    }
}

/// What a schedule compiles to.
struct Built {
    compiled: Compiled,
    module: Arc<Module>,
    /// That the sizes take.
    variant: String,
    /// Of the variant, to be compared.
    code: String,
}

/// `None` where the target has no such code.
type Made = Result<Option<Built>, Error>;

/// Compiles candidates.
struct Maker<'a> {
    op: &'a Op,
    target: &'static Target,
    accesses: Accesses,
    dims: Dims,
}

impl Maker<'_> {
    fn one(&self, schedule: &Schedule) -> Made {
        let compiled = match compile::compile_with(self.op, self.target, schedule, self.accesses) {
            Ok(compiled) => compiled,
            Err(Error::Unsupported(_)) => return Ok(None),
            Err(e) => return Err(e),
        };
        let module = crate::device::open(&compiled.artifact, None)?;
        let plan = module.plan(&self.dims).map_err(|e| Error::Input(e.to_string()))?;
        let variant = plan.variant().to_string();
        let code = model::code(&compiled, &variant);
        Ok(Some(Built { compiled, module, variant, code }))
    }

    /// Those that are asked for, side by side.
    fn all(&self, schedules: Vec<Option<&Schedule>>) -> Vec<Option<Made>> {
        std::thread::scope(|scope| {
            let begin = |s: Option<_>| s.map(|s| scope.spawn(move || self.one(s)));
            let begun: Vec<_> = schedules.into_iter().map(begin).collect();
            begun.into_iter().map(|t| t.map(joined)).collect()
        })
    }

    /// Leaves out what differs from the default in a key that changes nothing at these sizes: no value of it alone
    /// gives other code.
    fn without_idle(&self, candidates: &mut Vec<(usize, Schedule)>) -> Result<(), Error> {
        let base = Schedule::default_for(self.target);
        let Some(default) = self.one(&base)? else { return Ok(()) };
        let (mut tried, mut live) = (BTreeSet::new(), BTreeSet::new());
        let singles = candidates.iter().filter_map(|(_, s)| match s.differing(&base).as_slice() {
            [key] => Some((*key, s)),
            _ => None,
        });
        let singles: Vec<(&str, &Schedule)> = singles.collect();
        for group in singles.chunks(self.dims.cores.max(1) as usize) {
            let wanted = group.iter().map(|(key, s)| (!live.contains(key)).then_some(*s));
            for ((key, _), made) in group.iter().zip(self.all(wanted.collect())) {
                tried.insert(*key);
                if let Some(made) = made
                    && made?.is_none_or(|other| other.code != default.code)
                {
                    live.insert(*key);
                }
            }
        }
        candidates.retain(|(_, s)| {
            s.differing(&base).iter().all(|key| live.contains(key) || !tried.contains(key))
        });
        Ok(())
    }
}

/// What a thread came to; its panic is the caller's.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The best of a heat, by rank.
fn best(mut entries: Vec<Entry>, keep: usize) -> Vec<Entry> {
    entries.sort_by_key(|e| e.rank);
    let list: Vec<Interval> = entries.iter().map(|e| e.seen).collect();
    let stay = race::survivors(&list, keep);
    let mut at = 0..;
    entries.retain(|_| at.next().is_some_and(|i| stay.binary_search(&i).is_ok()));
    entries
}

/// Bytes a second that one worker reads.
fn solo_rate() -> Result<f64, Error> {
    let wrong = |e: String| Error::Unavailable(e);
    let roof = Roof::new(bench::ROTATED / 4).map_err(|e: BufferError| wrong(e.to_string()))?;
    let one = Pool::new(1).map_err(|e| wrong(e.to_string()))?;
    Ok(roof.read(&one).max(roof.read(&one)))
}

/// Whether the module took over the memory of all of them.
fn rebound(sessions: &mut [Session], module: &Arc<Module>, dims: &Dims) -> Result<bool, Error> {
    for s in &mut *sessions {
        if !s.rebind(module, dims).map_err(|e: tensors::Error| Error::Input(e.to_string()))? {
            return Ok(false);
        }
    }
    Ok(!sessions.is_empty())
}

/// Seconds of a run, over all copies.
fn round(cpu: &Cpu, sessions: &mut [Session]) -> Result<f64, Error> {
    let start = Instant::now();
    for s in sessions.iter_mut() {
        s.run(cpu.workers()).map_err(|e| Error::Unavailable(e.to_string()))?;
    }
    Ok(start.elapsed().as_secs_f64() / sessions.len().max(1) as f64)
}
