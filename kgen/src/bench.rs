//! Times an op on tensors that no cache holds, and says how near that is to the memory roof.

use crate::{Error, device::Cpu, inputs};
use kgen_ir::{
    extent::Dims,
    op::{Dim, Kind, Mask, Op},
    tensor::Tensor,
};
use kgen_kernels_ref::Output;
use kgen_runtime::{
    load::Load,
    module::Module,
    roof::{Roof, warm},
    tensors::Session,
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Bytes that rotate through the runs, as many as the roof reads: a cache keeps the same share of both.
pub const ROTATED: usize = 1 << 30;

/// Share of the machine that others may have while we measure.
pub const FOREIGN: f64 = 0.10;

/// Seconds an op took, and all that they are judged by.
#[derive(Clone, Debug)]
pub struct Measured {
    pub median: f64,
    pub min: f64,
    /// Half width of the interval around the median.
    pub ci95: f64,
    pub reps: usize,
    /// Read and written, each once.
    pub bytes: usize,
    pub flops: f64,
    /// Bytes a second, measured between the rounds.
    pub roof: f64,
    /// Share of the machine that other programs had; `None` where the system does not tell.
    pub other_cpu: Option<f64>,
    /// Of seeded samples of the outputs, at this size: the worst error in bounds. Above 1 fails.
    pub error_ratio: f64,
}

impl Measured {
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / self.median
    }

    pub fn share(&self) -> f64 {
        self.rate() / self.roof
    }

    /// Others were busy enough to spoil the numbers.
    pub fn disturbed(&self) -> bool {
        self.other_cpu.is_some_and(|share| share > FOREIGN)
    }
}

/// Another implementation, timed in the same rounds.
pub trait Beside {
    /// Seconds of one use, told after one pass over its copies.
    fn turn(&mut self) -> Result<f64, String>;
}

/// Our code of an op on copies of its tensors, so many that no cache holds them.
pub struct Rotation<'a> {
    cpu: &'a Cpu,
    op: &'a Op,
    dims: &'a Dims,
    sessions: Vec<Session>,
    expected: BTreeMap<String, Output>,
    /// Of the inputs of a copy.
    bytes: usize,
}

impl<'a> Rotation<'a> {
    pub fn new(
        cpu: &'a Cpu,
        module: &Arc<Module>,
        op: &'a Op,
        dims: &'a Dims,
        seed: u64,
    ) -> Result<Rotation<'a>, Error> {
        let tensors = inputs::complete(op, dims, &BTreeMap::new(), seed)?;
        let expected = inputs::sampled(op, dims, &tensors, seed)?;
        let bytes: usize = tensors.values().map(|t| t.bytes.len()).sum();
        let copies = ROTATED.div_ceil(bytes.max(1)).clamp(1, 4096);
        let sessions = cpu.sessions(module, dims, &tensors, copies)?;
        Ok(Rotation { cpu, op, dims, sessions, expected, bytes })
    }

    /// Seconds of a run on one copy.
    fn run(&mut self, copy: usize) -> Result<f64, Error> {
        let start = Instant::now();
        let ran = self.sessions[copy].run(self.cpu.workers());
        ran.map_err(|e| Error::Unavailable(e.to_string()))?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// What seconds of a copy in each round, beside readings of the roof, come to.
    fn summary(&self, mut times: Vec<f64>, mut roofs: Vec<f64>) -> Result<Measured, Error> {
        let outputs = self.sessions[0].outputs();
        let outputs = outputs.map_err(|e| Error::Unavailable(e.to_string()))?;
        let error_ratio = worst(&self.expected, &outputs)?;
        let written: usize = outputs.values().map(|t| t.bytes.len()).sum();
        let bytes = self.bytes + written;
        Ok(summary(&mut times, &mut roofs, bytes, self.op, self.dims, error_ratio))
    }
}

/// `reps` rounds; each runs every copy of the tensors once, beside a reading of the roof.
pub fn measure(
    cpu: &Cpu,
    module: &Arc<Module>,
    op: &Op,
    dims: &Dims,
    roof: &Roof,
    how: (usize, u64),
) -> Result<Measured, Error> {
    measure_beside(cpu, module, op, dims, roof, how, &mut []).map(|(m, _)| m)
}

/// The same; each round gives every other implementation a turn, and a median of its seconds or its reason comes back.
pub fn measure_beside(
    cpu: &Cpu,
    module: &Arc<Module>,
    op: &Op,
    dims: &Dims,
    roof: &Roof,
    (reps, seed): (usize, u64),
    others: &mut [&mut dyn Beside],
) -> Result<(Measured, Vec<Result<f64, String>>), Error> {
    let mut ours = Rotation::new(cpu, module, op, dims, seed)?;
    let copies = ours.sessions.len();
    let mut times = Vec::new();
    let mut roofs = Vec::new();
    let mut theirs: Vec<Result<Vec<f64>, String>> = others
        .iter_mut()
        // The first turn is theirs alone: it may still be loading.
        .map(|o| o.turn().map(|_| Vec::new()))
        .collect();
    warm(cpu.workers());
    let before = Load::now();
    for _ in 0..reps.max(1) {
        roofs.push(roof.read(cpu.workers()));
        let start = Instant::now();
        for copy in 0..copies {
            ours.run(copy)?;
        }
        times.push(start.elapsed().as_secs_f64() / copies as f64);
        for (other, seconds) in others.iter_mut().zip(&mut theirs) {
            if let Ok(list) = seconds {
                match other.turn() {
                    Ok(turn) => list.push(turn),
                    Err(reason) => *seconds = Err(reason),
                }
            }
        }
    }
    // What rivals use of the machine is not ours to refuse.
    let load = before.zip(Load::now()).filter(|_| theirs.iter().all(Result::is_err));
    let other_cpu = load.map(|(before, after)| after.other(&before, cpu.workers().count()));
    let m = Measured { other_cpu, ..ours.summary(times, roofs)? };
    let medians = theirs.into_iter().map(|r| r.map(|mut list| middle(&mut list).0));
    Ok((m, medians.collect()))
}

/// What two of ours came to in the same rounds.
#[derive(Clone, Debug)]
pub struct Two {
    pub first: Measured,
    pub second: Measured,
    /// Seconds of the second over those of the first in the same round: the median, and half of the interval around it.
    pub ratio: f64,
    pub ci95: f64,
}

/// Two for the same tensors, in turns copy by copy; each goes first at every second copy.
pub fn measure_two(
    first: &mut Rotation,
    second: &mut Rotation,
    roof: &Roof,
    reps: usize,
) -> Result<Two, Error> {
    let copies = first.sessions.len().min(second.sessions.len());
    let workers = first.cpu.workers();
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    let mut roofs = Vec::new();
    warm(workers);
    let before = Load::now();
    for round in 0..reps.max(1) {
        roofs.push(roof.read(workers));
        let (mut one, mut two) = (0.0, 0.0);
        for copy in 0..copies {
            if (round + copy) % 2 == 0 {
                one += first.run(copy)?;
                two += second.run(copy)?;
            } else {
                two += second.run(copy)?;
                one += first.run(copy)?;
            }
        }
        firsts.push(one / copies as f64);
        seconds.push(two / copies as f64);
    }
    let load = before.zip(Load::now());
    let other_cpu = load.map(|(before, after)| after.other(&before, workers.count()));
    let mut ratios: Vec<f64> = seconds.iter().zip(&firsts).map(|(two, one)| two / one).collect();
    let (ratio, ci95) = middle(&mut ratios);
    let first = Measured { other_cpu, ..first.summary(firsts, roofs.clone())? };
    let second = Measured { other_cpu, ..second.summary(seconds, roofs)? };
    Ok(Two { first, second, ratio, ci95 })
}

/// What seconds of runs, and bytes a second of a roof beside each, come to.
pub(crate) fn summary(
    times: &mut [f64],
    roofs: &mut [f64],
    bytes: usize,
    op: &Op,
    dims: &Dims,
    error_ratio: f64,
) -> Measured {
    let (median, ci95) = middle(times);
    Measured {
        median,
        min: times[0],
        ci95,
        reps: times.len(),
        bytes,
        flops: flops(&op.kind, dims),
        roof: middle(roofs).0,
        other_cpu: None,
        error_ratio,
    }
}

/// The median of a list, which is sorted, and half of the interval around it (McGill, Tukey and Larsen 1978: notches).
fn middle(list: &mut [f64]) -> (f64, f64) {
    list.sort_by(f64::total_cmp);
    let count = list.len();
    let spread = list[count * 3 / 4] - list[count / 4];
    let median = (list[(count - 1) / 2] + list[count / 2]) / 2.0;
    (median, 1.57 * spread / (count as f64).sqrt())
}

/// Largest error, in bounds, of outputs against the reference: above 1 fails.
///
/// Where nothing may be off (an infinite `lse`, a row without keys) and something is, or where a NaN stands in place
/// of a number, no ratio tells how much: that is the largest number there is, since JSON has no infinity.
pub fn worst(
    expected: &BTreeMap<String, Output>,
    got: &BTreeMap<String, Tensor>,
) -> Result<f64, Error> {
    let mut worst = 0f64;
    for (name, e) in expected {
        let wrong = |e: String| Error::Unavailable(e);
        let t = got.get(name).ok_or_else(|| wrong(format!("no output `{name}`")))?;
        let c = kgen_kernels_ref::compare(name, e, t).map_err(|e| wrong(e.to_string()))?;
        worst = worst.max(c.worst_ratio.min(f64::MAX));
    }
    Ok(worst)
}

/// Multiply and add are two; keys that a mask hides are not multiplied.
fn flops(kind: &Kind, dims: &Dims) -> f64 {
    let size = |n: &str| dims.scalars.get(n).copied().unwrap_or(1) as f64;
    match kind {
        Kind::Attention(a) => {
            let of = |dim: &Dim, seq: usize| match dim {
                Dim::Const(n) => *n,
                Dim::Sym(symbol) => size(symbol) as i64,
                Dim::Ragged { symbol, .. } => {
                    dims.ragged.get(symbol).and_then(|list| list.get(seq)).map_or(0, |n| *n)
                }
            };
            let seen = (0..of(&a.q.batch, 0) as usize).map(|seq| {
                let lens: Vec<i64> = a.segments.iter().map(|s| of(&s.len, seq)).collect();
                let (m, mut first, mut sum) = (of(&a.q.len, seq), 0, 0.0);
                let all: i64 = lens.iter().sum();
                for (s, len) in a.segments.iter().zip(lens) {
                    // The last row stands at the last key.
                    let rows = (0..m).map(|i| all - m + i + 1 - first);
                    let causal = matches!(s.mask, Mask::Causal);
                    let keys = rows.map(|keys| if causal { keys.clamp(0, len) } else { len });
                    let keys: i64 = keys.sum();
                    sum += keys as f64 * a.heads_of(s).len() as f64 / a.kv.heads as f64;
                    first += len;
                }
                sum
            });
            let seen: f64 = seen.sum();
            2.0 * a.q.heads as f64 * (a.q.dim + a.kv.v_dim) as f64 * seen
        }
        Kind::MpGemm(g) => {
            let n: i64 = g.w.iter().map(|w| w.n).sum();
            2.0 * size("m") * n as f64 * g.k as f64
        }
        Kind::Rows(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::dtype::Dtype;

    #[test]
    fn a_median_lies_between_two() {
        assert_eq!(middle(&mut [3.0, 1.0, 2.0]).0, 2.0);
        assert_eq!(middle(&mut [4.0, 1.0, 2.0, 8.0]), (3.0, 1.57 * 6.0 / 2.0));
        assert_eq!(middle(&mut [7.0]), (7.0, 0.0));
    }

    #[test]
    fn the_worst_error_is_a_number_that_json_has() {
        let expected = |bound: f64| Output {
            blocks: None,
            shape: vec![2],
            values: vec![0.0, 4.0],
            bounds: vec![0.0, bound],
            tainted: vec![false; 2],
            at: None,
        };
        let told = |bound: f64, got: [f64; 2]| {
            let expected = BTreeMap::from([("o".to_string(), expected(bound))]);
            let got = Tensor::from_f64(Dtype::F32, &[2], &got);
            worst(&expected, &BTreeMap::from([("o".to_string(), got)])).unwrap()
        };
        assert_eq!(told(0.5, [0.0, 4.25]), 0.5);
        assert_eq!(told(0.5, [0.0, 4.75]), 1.5);
        assert_eq!(told(0.0, [0.0, 4.0]), 0.0);
        for wrong in [[0.5, 4.0], [f64::NAN, 4.0], [0.0, f64::INFINITY]] {
            let ratio = told(0.5, wrong);
            assert_eq!(ratio, f64::MAX);
            assert!(serde_json::json!({ "error_ratio": ratio })["error_ratio"].is_f64());
        }
        let missing = worst(&BTreeMap::from([("o".to_string(), expected(1.0))]), &BTreeMap::new());
        assert_eq!(missing.unwrap_err().to_string(), "no output `o`");
    }
}
