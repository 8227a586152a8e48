//! Holds an engine against the reference on drawn sizes and families of inputs.
//!
//! ```text
//! flash_decode (b=2 m=1 n=17, V is the key index): o[34] is 8.5, expected 8 (26.2 times the bound)
//! ```
//!
//! Most cases are of *reduced* ops, whose constants are cut to a few tiles; one has the full size and is judged by
//! samples; a simulator computes no more than these ([`sample`]). A failure is shrunk to a small case that fails too. [`mutants`] tells whether all this would notice.

mod families;
mod indices;
pub mod mutants;
mod reduce;
pub mod sample;
mod shrink;
mod sizes;

#[cfg(test)]
mod tests;

use crate::sectors::Counted;
use families::Family;
use kgen_ir::{diag::Unsupported, dtype::Dtype, extent::Dims, op::Op, tensor::Tensor};
use kgen_kernels_ref::{self as reference, Output, RefError};
use sample::Sample;
use sizes::Random;
pub use sizes::count;
use std::{collections::BTreeMap, fmt};

pub type Tensors = BTreeMap<String, Tensor>;

/// Whatever computes the outputs of an op: a compiled kernel on a device, an interpreter.
pub trait Engine {
    fn name(&self) -> &str;
    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError>;
    /// As [`Engine::run`], where a sample of the outputs will do: an engine that is slow says which it computed.
    fn run_sample(
        &self,
        op: &Op,
        dims: &Dims,
        inputs: &Tensors,
        _seed: u64,
    ) -> Result<(Tensors, Option<Sample>), EngineError> {
        Ok((self.run(op, dims, inputs)?, None))
    }
    /// Whether it computes samples by themselves, so that full sizes may be large.
    fn samples(&self) -> bool {
        false
    }
    /// Tile edges of the plan for this op, such as 16 keys: sizes are drawn around them.
    fn edges(&self, op: &Op) -> Vec<i64>;
    /// Whether several ops may be asked at once, on a core each; one that uses all cores by itself says no.
    fn several(&self) -> bool {
        false
    }
    /// What accesses of an op's kernels cost so far, where it is counted.
    fn costs(&self, _op: &str) -> BTreeMap<String, Counted> {
        BTreeMap::new()
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    #[error("{0}")]
    Failed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub cases: usize,
    /// The same seed gives the same cases.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { cases: 48, seed: 1 }
    }
}

/// What came of all cases of one op.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub op: String,
    pub engine: String,
    /// Cases that were asked: `passed`, `failed`, and those the engine declined.
    pub cases: usize,
    pub passed: usize,
    pub failed: Vec<Failure>,
    /// The first case that was declined, by the engine or by the reference.
    pub unsupported: Option<Unsupported>,
    /// Largest `|got - expected| / bound`.
    pub worst_ratio: f64,
    /// Tasks that full-size cases did, and those of whole launches; both 0 where all of them ran.
    pub sampled: [u64; 2],
}

/// One case that failed, shrunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The op with the constants of the case.
    pub op: Op,
    pub dims: Dims,
    pub family: &'static str,
    /// Seed of the inputs.
    pub seed: u64,
    pub output: String,
    pub ratio: f64,
    /// Row-major place of the worst element.
    pub at: usize,
    pub expected: f64,
    pub got: f64,
    /// Where there are no values to compare: what the engine or the reference said.
    pub error: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scalars = self.dims.scalars.iter().map(|(name, x)| format!("{name}={x}"));
        let ragged = self.dims.ragged.iter().map(|(name, list)| format!("{name}={list:?}"));
        let sizes = scalars.chain(ragged).collect::<Vec<_>>().join(" ");
        write!(f, "{} ({sizes}, {}): ", self.op.name, self.family)?;
        if let Some(error) = &self.error {
            return f.write_str(error);
        }
        let Failure { output, at, got, expected, ratio, .. } = self;
        write!(f, "{output}[{at}] is {got}, expected {expected} ({ratio:.1} times the bound)")
    }
}

/// A question with a known answer.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    op: Op,
    dims: Dims,
    family: Family,
    seed: u64,
    /// Full size: the reference computes samples only.
    sampled: bool,
}

enum Verdict {
    Passed(f64),
    Failed(Box<Failure>),
    Unsupported(Unsupported),
}

/// Failures that are shrunk and kept; after them the op is not asked any more.
const FAILURES: usize = 8;

/// A case with its inputs, for whoever compares by other means.
#[derive(Clone, Debug)]
pub struct Example {
    pub op: Op,
    pub dims: Dims,
    pub family: &'static str,
    pub inputs: Tensors,
}

/// The small cases that [`verify`] would ask of an engine whose tiles have 16 keys.
pub fn examples(op: &Op, options: &Options) -> Vec<Example> {
    examples_around(op, &[16], options)
}

/// The same of one whose tiles end elsewhere.
pub fn examples_around(op: &Op, edges: &[i64], options: &Options) -> Vec<Example> {
    let small = cases(op, edges, options, false).into_iter().filter(|c| !c.sampled);
    let made = small.filter_map(|case| {
        let inputs = families::inputs(&case.op, &case.dims, case.family, case.seed).ok()?;
        Some(Example { op: case.op, dims: case.dims, family: case.family.name(), inputs })
    });
    made.collect()
}

/// The families of inputs that an op of this kind has, by name.
pub fn families(op: &Op) -> impl Iterator<Item = &'static str> {
    Family::of(op).iter().map(|f| f.name())
}

/// All sizes of a call: those set; those that follow from them, such as the number of pages; 1 for the rest.
pub fn sizes_of(op: &Op, set: &Dims) -> Dims {
    let mut dims = set.clone();
    let scalars = || op.symbols().into_iter().filter(|s| s.ragged.is_none());
    for s in scalars().filter(|s| !s.name.contains('.')) {
        dims.scalars.entry(s.name).or_insert(1);
    }
    sizes::finish(op, &mut dims);
    dims.scalars.extend(set.scalars.clone());
    dims.ragged.extend(set.ragged.clone());
    for s in scalars() {
        dims.scalars.entry(s.name).or_insert(1);
    }
    dims
}

/// A case of given sizes; what follows from them, such as the number of pages, is added.
pub fn example(op: &Op, dims: &Dims, family: &str, seed: u64) -> Result<Example, String> {
    let found = Family::of(op).iter().find(|f| f.name() == family);
    let family = *found.ok_or_else(|| {
        format!("no inputs `{family}`; there are {}", families(op).collect::<Vec<_>>().join(", "))
    })?;
    let dims = sizes_of(op, dims);
    let inputs = families::inputs(op, &dims, family, seed)?;
    Ok(Example { op: op.clone(), dims, family: family.name(), inputs })
}

pub fn verify(op: &Op, engine: &dyn Engine, options: &Options) -> Summary {
    ask(op, engine, options, FAILURES, true)
}

fn ask(op: &Op, engine: &dyn Engine, options: &Options, failures: usize, shrink: bool) -> Summary {
    let mut summary = Summary {
        op: op.name.clone(),
        engine: engine.name().into(),
        cases: 0,
        passed: 0,
        failed: Vec::new(),
        unsupported: None,
        worst_ratio: 0.0,
        sampled: [0; 2],
    };
    for case in cases(op, &engine.edges(op), options, engine.samples()) {
        summary.cases += 1;
        match judge(&case, engine, &mut summary.sampled) {
            Verdict::Passed(ratio) => {
                summary.passed += 1;
                summary.worst_ratio = summary.worst_ratio.max(ratio);
            }
            Verdict::Failed(failure) => {
                summary.worst_ratio = summary.worst_ratio.max(failure.ratio);
                let failure = if shrink { shrink::run(&case, *failure, engine) } else { *failure };
                summary.failed.push(failure);
                if summary.failed.len() >= failures {
                    break;
                }
            }
            Verdict::Unsupported(why) => {
                // What the reference does not know, it knows in no size.
                let never = why.target == REFERENCE;
                summary.unsupported.get_or_insert(why);
                if never {
                    break;
                }
            }
        }
    }
    summary
}

/// Largest tile edge that sizes are drawn around: the reference is slow.
const EDGE: i64 = 4096;
/// Of so many cases two have the full size, where a sample costs little.
const MANY: usize = 6;

/// All cases, that of full size last: it costs most. Before it comes one with `many` rows.
fn cases(op: &Op, edges: &[i64], options: &Options, many: bool) -> Vec<Case> {
    let edges: Vec<i64> = edges.iter().copied().filter(|t| (1..=EDGE).contains(t)).collect();
    let edges = if edges.is_empty() { vec![16] } else { edges };
    let reduced = reduce::variants(op, &edges);
    let families = Family::of(op);
    let many = many && options.cases >= MANY;
    let small = options.cases.saturating_sub(1 + usize::from(many)).max(1);
    let mut all: Vec<Case> = (0..options.cases.min(small))
        .filter_map(|i| {
            let seed = Random::new(options.seed.wrapping_add(i as u64)).bits();
            let family = *families.get(i % families.len().max(1))?;
            // One further each round, so that every family meets every variant.
            let variant = (i + i / families.len()) % reduced.len().max(1);
            let op = reduced.get(variant).unwrap_or(op).clone();
            let dims = sizes::draw(&op, &edges, &mut Random::new(seed));
            Some(Case { sampled: reduced.is_empty(), op, dims, family, seed })
        })
        .collect();
    let full = if options.cases > 1 { &[true, false][usize::from(!many)..] } else { &[] };
    all.extend(full.iter().map(|many| {
        let (op, dims, family) = (op.clone(), sizes::full(op, &edges, *many), Family::Normal);
        Case { op, dims, family, seed: options.seed, sampled: true }
    }));
    all
}

const REFERENCE: &str = "the reference";

/// `sampled` gets the tasks that were done, and those there are, where not all had to be.
fn judge(case: &Case, engine: &dyn Engine, sampled: &mut [u64; 2]) -> Verdict {
    let broken = |output: &str, error: String| {
        Verdict::Failed(Box::new(Failure {
            op: case.op.clone(),
            dims: case.dims.clone(),
            family: case.family.name(),
            seed: case.seed,
            output: output.into(),
            ratio: f64::INFINITY,
            at: 0,
            expected: f64::NAN,
            got: f64::NAN,
            error: Some(error),
        }))
    };
    let inputs = match families::inputs(&case.op, &case.dims, case.family, case.seed) {
        Ok(inputs) => inputs,
        Err(error) => return broken("", format!("the inputs cannot be made: {error}")),
    };
    // What the reference does not know need not be computed.
    let first = if case.sampled {
        reference::run_samples(&case.op, &case.dims, &inputs, &[])
    } else {
        reference::run(&case.op, &case.dims, &inputs)
    };
    let refused = |error: RefError| match error {
        RefError::NotYet(what) => Verdict::Unsupported(Unsupported {
            what,
            target: REFERENCE.into(),
            instead: "compare two engines".into(),
        }),
        RefError::Missing(_)
        | RefError::Shape { .. }
        | RefError::Element { .. }
        | RefError::Bytes { .. }
        | RefError::Index { .. }
        | RefError::Negative { .. }
        | RefError::Sample { .. }
        | RefError::Op(_)
        | RefError::Extent(_) => broken("", format!("the reference refused: {error}")),
    };
    let mut expected = match first {
        Ok(expected) => expected,
        Err(error) => return refused(error),
    };
    let answer = if case.sampled {
        engine.run_sample(&case.op, &case.dims, &inputs, case.seed)
    } else {
        engine.run(&case.op, &case.dims, &inputs).map(|got| (got, None))
    };
    let (got, sample) = match answer {
        Ok(answer) => answer,
        Err(EngineError::Unsupported(why)) => return Verdict::Unsupported(why),
        Err(EngineError::Failed(error)) => return broken("", error),
    };
    if case.sampled {
        let pairs = match &sample {
            Some(sample) => sample.pairs(&case.op, &got),
            None => families::samples(&case.op, &inputs, case.seed),
        };
        expected = match reference::run_samples(&case.op, &case.dims, &inputs, &pairs) {
            Ok(expected) => expected,
            Err(error) => return refused(error),
        };
    }
    if let Some(sample) = &sample {
        expected.iter_mut().for_each(|(name, wanted)| sample.keep(name, wanted));
        (sampled[0], sampled[1]) = (sampled[0] + sample.ran, sampled[1] + sample.of);
    }
    let exact = !case.sampled && case.family.exact(&case.op);
    let mut worst = 0.0f64;
    for spec in case.op.tensors().iter().filter(|t| t.role == kgen_ir::op::tensors::Role::Out) {
        let Some(wanted) = expected.get_mut(&spec.name) else { continue };
        let Some(tensor) = got.get(&spec.name) else {
            return broken(&spec.name, format!("output `{}` is missing", spec.name));
        };
        if tensor.dtype != spec.dtype {
            let (name, found) = (&spec.name, tensor.dtype);
            return broken(name, format!("`{name}` should hold {}, but holds {found}", spec.dtype));
        }
        if exact {
            tighten(wanted, spec.dtype);
        }
        let comparison = match reference::compare(&spec.name, wanted, tensor) {
            Ok(comparison) => comparison,
            Err(error) => return broken(&spec.name, error.to_string()),
        };
        worst = worst.max(comparison.worst_ratio);
        if !comparison.passed() {
            let at = comparison.at;
            let place = wanted.at.as_ref().map_or(Some(at), |l| l.iter().position(|&x| x == at));
            let expected = place.and_then(|p| wanted.values.get(p)).copied().unwrap_or(f64::NAN);
            let elements = reference::compare::elements(&spec.name, wanted, tensor);
            return Verdict::Failed(Box::new(Failure {
                op: case.op.clone(),
                dims: case.dims.clone(),
                family: case.family.name(),
                seed: case.seed,
                output: spec.name.clone(),
                ratio: comparison.worst_ratio,
                at,
                expected,
                got: elements.map_or(f64::NAN, |t| t.get(at)),
                error: None,
            }));
        }
    }
    Verdict::Passed(worst)
}

/// Every step was exact, so only the output may have been rounded.
fn tighten(expected: &mut Output, dtype: Dtype) {
    for (bound, y) in expected.bounds.iter_mut().zip(&expected.values) {
        if y.is_finite() {
            *bound = reference::bound::rounding(dtype, *y, 0.0);
        }
    }
}
