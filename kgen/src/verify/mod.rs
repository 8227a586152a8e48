//! Compiled ops against the reference: sizes around the tile edges, input families that show what went wrong.
//!
//! Most cases cut the op's constants to a few tiles with their ratios kept; the last is the op itself with sampled
//! outputs. A failure is shrunk to smaller sizes before it is told. The same seed gives the same cases.

mod families;
pub mod mutants;

use crate::{Error, device::Cpu};
use families::{FAMILIES, Random};
use kgen_ir::{
    diag::Unsupported,
    extent::Dims,
    op::{Kind, Op, Storage},
    tensor::Tensor,
};
use std::{collections::BTreeMap, fmt};

pub type Tensors = BTreeMap<String, Tensor>;

/// Whatever computes an op.
pub trait Engine {
    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, Error>;
}

impl Engine for Cpu {
    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, Error> {
        let module = self.load(op)?;
        Cpu::run(self, &module, dims, inputs)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub cases: usize,
    pub seed: u64,
}

#[derive(Clone, Debug)]
pub struct Summary {
    pub op: String,
    pub cases: usize,
    pub passed: usize,
    pub failed: Vec<Failure>,
    pub unsupported: Option<Unsupported>,
    /// Largest error over bound of the cases that passed.
    pub worst_ratio: f64,
}

/// A case that does not hold, shrunk.
#[derive(Clone, Debug)]
pub struct Failure {
    pub sizes: String,
    pub family: &'static str,
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}: {}", self.family, self.sizes, self.what)
    }
}

struct Case {
    op: Op,
    dims: Dims,
    family: usize,
    seed: u64,
    /// Outputs are sampled, not all computed.
    full: bool,
}

pub fn verify(op: &Op, engine: &dyn Engine, options: &Options) -> Summary {
    let mut out = Summary {
        op: op.name.clone(),
        cases: 0,
        passed: 0,
        failed: vec![],
        unsupported: None,
        worst_ratio: 0.0,
    };
    for number in 0..options.cases {
        let case = draw(op, number, options);
        out.cases += 1;
        match check(&case, engine) {
            Ok(ratio) => {
                out.passed += 1;
                out.worst_ratio = out.worst_ratio.max(ratio);
            }
            Err(Wrong::Unsupported(u)) => {
                out.unsupported = Some(u);
                return out;
            }
            Err(Wrong::Failed(what)) => out.failed.push(shrink(case, what, engine)),
        }
    }
    out
}

/// Does any case fail? Stops at the first.
fn fails(op: &Op, engine: &dyn Engine, options: &Options) -> bool {
    (0..options.cases)
        .any(|n| matches!(check(&draw(op, n, options), engine), Err(Wrong::Failed(_))))
}

enum Wrong {
    Unsupported(Unsupported),
    Failed(String),
}

fn draw(op: &Op, number: usize, options: &Options) -> Case {
    let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
    let mut random = Random::new(seed);
    let full = number + 1 == options.cases;
    let op = if full { op.clone() } else { reduced(op, &mut random) };
    let tile =
        kgen_passes::Schedule { keys: 16, split: 1024, rows: 16, tokens: 2, chunk: 8, prefetch: 1 };
    let (t, split) = (tile.keys as i64, tile.split as i64);
    let mut dims = Dims { cores: 4, ..Dims::default() };
    for s in op.symbols() {
        let mut x = match (&op.kind, s.name.as_str()) {
            _ if full && s.name == "n" => split + 13,
            _ if full => 1,
            (Kind::Attention(_), "n") => random.pick(&[
                0,
                1,
                t - 1,
                t,
                t + 1,
                2 * t + 3,
                4 * t,
                split,
                split + 1,
                2 * split + 3,
            ]),
            (Kind::Attention(_), "m") => random.pick(&[1, 1, 2, 3, 0]),
            (Kind::Attention(_), _) => random.pick(&[1, 2, 0, 3]),
            (Kind::MpGemm(_) | Kind::Rows(_), _) => random.pick(&[1, 1, 0, 2, 3, 5]),
        };
        if let Some(b) = op.bounds.iter().find(|b| b.symbol == s.name) {
            x = x.max(b.min.unwrap_or(0)).min(b.max.unwrap_or(i64::MAX));
            let unit = b.multiple_of.unwrap_or(1).max(1);
            x -= x % unit;
        }
        match &s.ragged {
            None => drop(dims.scalars.insert(s.name.clone(), x)),
            Some(over) => {
                let count = dims.scalars.get(over).copied().unwrap_or(1);
                let list = (0..count).map(|_| random.pick(&[0, 1, t - 1, t + 1])).collect();
                dims.ragged.insert(s.name.clone(), list);
            }
        }
    }
    Case { op, dims, family: number % FAMILIES.len(), seed, full }
}

/// The op with its constants cut, ratios kept.
fn reduced(op: &Op, random: &mut Random) -> Op {
    let mut op = op.clone();
    match &mut op.kind {
        Kind::Attention(a) => {
            let group = a.q.heads / a.kv.heads;
            let named = a.segments.iter().any(|s| s.heads != kgen_ir::op::Heads::All);
            if !named {
                a.kv.heads = a.kv.heads.min(random.pick(&[1, 2]));
                a.q.heads = a.kv.heads * group;
            }
        }
        Kind::MpGemm(g) => {
            let block = g.w.iter().map(|w| match &w.storage {
                Storage::Block(f) => f.block as i64,
                Storage::Plain(_) | Storage::Codes(_) => 64,
            });
            g.k = g.k.min(block.max().unwrap_or(64).max(32) * random.pick(&[1, 2, 3]));
            for w in &mut g.w {
                w.n = w.n.min(random.pick(&[1, 15, 16, 17, 33, 48]));
            }
        }
        Kind::Rows(_) => {}
    }
    op
}

fn check(case: &Case, engine: &dyn Engine) -> Result<f64, Wrong> {
    let failed = |e: String| Wrong::Failed(e);
    let (family, fill) = FAMILIES[case.family];
    let inputs = families::inputs(&case.op, &case.dims, case.seed, fill)
        .map_err(|e| failed(e.to_string()))?;
    let got = match engine.run(&case.op, &case.dims, &inputs) {
        Ok(got) => got,
        Err(Error::Unsupported(u)) => return Err(Wrong::Unsupported(u)),
        Err(e) => return Err(failed(format!("{family}: {e}"))),
    };
    let expected = if case.full {
        sampled(&case.op, &case.dims, &inputs, case.seed).map_err(|e| failed(e.to_string()))
    } else {
        kgen_kernels_ref::run(&case.op, &case.dims, &inputs).map_err(|e| failed(e.to_string()))
    };
    let mut worst = 0f64;
    for (name, expected) in &expected? {
        let tensor = got.get(name).ok_or_else(|| failed(format!("no output `{name}`")))?;
        let c =
            kgen_kernels_ref::compare(name, expected, tensor).map_err(|e| failed(e.to_string()))?;
        if !c.passed() {
            let what = format!(
                "`{name}`: error/bound {:.3}, {} NaN or infinity mismatches, at element {:?} of {}",
                c.worst_ratio, c.class_mismatches, c.at, c.count
            );
            return Err(failed(what));
        }
        worst = worst.max(c.worst_ratio);
    }
    Ok(worst)
}

/// The reference's values of some outputs of a seed, the edges among them.
pub fn sampled(
    op: &Op,
    dims: &Dims,
    inputs: &Tensors,
    seed: u64,
) -> Result<BTreeMap<String, kgen_kernels_ref::Output>, Error> {
    let mut random = Random::new(seed);
    let columns = match &op.kind {
        Kind::Attention(a) => a.q.heads as u64,
        Kind::MpGemm(g) => g.w.iter().map(|w| w.n as u64).sum(),
        Kind::Rows(_) => 1,
    };
    let mut samples: Vec<(usize, usize)> = vec![(0, 0), (0, columns as usize - 1)];
    samples.extend((0..62).map(|_| (0, (random.next() % columns) as usize)));
    samples.sort_unstable();
    samples.dedup();
    kgen_kernels_ref::run_samples(op, dims, inputs, &samples)
        .map_err(|e| Error::Input(e.to_string()))
}

/// Smaller sizes that still fail.
fn shrink(mut case: Case, mut what: String, engine: &dyn Engine) -> Failure {
    let names: Vec<_> = case.dims.scalars.keys().cloned().collect();
    for _ in 0..6 {
        let mut smaller = false;
        for name in &names {
            let now = case.dims.scalars[name];
            for next in [0, 1, now / 2, now - 1] {
                // Samples need a row to be taken from.
                if next < i64::from(case.full) || next >= now {
                    continue;
                }
                let mut dims = case.dims.clone();
                dims.scalars.insert(name.clone(), next);
                let tried = Case { op: case.op.clone(), dims, ..case };
                if let Err(Wrong::Failed(w)) = check(&tried, engine) {
                    (case, what, smaller) = (tried, w, true);
                    break;
                }
            }
        }
        if !smaller {
            break;
        }
    }
    let mut sizes: Vec<_> = case.dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
    match &case.op.kind {
        Kind::Attention(a) => {
            sizes.push(format!("heads={}/{} dim={}", a.q.heads, a.kv.heads, a.q.dim))
        }
        Kind::MpGemm(g) => {
            sizes.push(format!("n={:?} k={}", g.w.iter().map(|w| w.n).collect::<Vec<_>>(), g.k))
        }
        Kind::Rows(_) => {}
    }
    sizes.push(format!("seed={}", case.seed));
    Failure { sizes: sizes.join(" "), family: FAMILIES[case.family].0, what }
}
