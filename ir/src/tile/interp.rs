//! What a tile program means: slow, obvious, every access checked.
//!
//! Exact mode computes in f64: a pass is right if its result agrees to rounding of f64. Rounded mode rounds every
//! tile to its element type, and every partial sum. Memory that nothing wrote, accesses outside a tensor without
//! `guard`, and two tasks of a launch that touch one element, one of them writing, are errors.

mod memory;
mod run;
#[cfg(test)]
mod tests;

use super::{
    Arg, Form, Launch, Param, Part, Predicate, Prepare, Program, Role, Store, Tensor as Decl,
};
use crate::{
    extent::{Dims, Extent, ExtentError},
    format::{Fields, pack::Packing},
    tensor::Tensor,
};
use memory::Cells;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Exact,
    Rounded,
}

/// In which order tasks run; it must not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forward,
    /// Workers and their tasks from the last to the first.
    Reversed,
    /// Tasks in an order of a seed, dealt out in turn.
    Shuffled(u64),
}

/// What a program may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Element operations.
    pub steps: u64,
    /// Elements of one tensor or tile.
    pub elements: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub mode: Mode,
    pub order: Order,
    pub limits: Limits,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InterpError {
    #[error("kernel `{kernel}`, `{statement}`: {error}")]
    At { kernel: String, statement: String, error: Box<InterpError> },
    #[error(transparent)]
    Extent(#[from] ExtentError),
    #[error("input `{0}` is missing")]
    Missing(String),
    #[error("input `{name}` has the shape {found:?}, not {wanted:?}")]
    Shape { name: String, wanted: Vec<i64>, found: Vec<usize> },
    #[error("input `{name}` has {found} bytes for the shape {shape:?}")]
    Bytes { name: String, shape: Vec<usize>, found: usize },
    #[error("`{name}` is no whole number of {format} blocks")]
    Blocks { name: String, format: &'static str },
    #[error("{0}")]
    Parts(String),
    #[error("no variant fits these sizes")]
    NoVariant,
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    #[error("`{tensor}`: index {index} is outside of 0..{size}")]
    Outside { tensor: String, index: i64, size: i64 },
    #[error("`{tensor}` is read at element {place}, which nothing wrote")]
    Unwritten { tensor: String, place: usize },
    #[error(
        "`{tensor}`: a task writes element {place}, another task of the launch writes or reads it"
    )]
    Race { tensor: String, place: usize },
    #[error("`{0}`: {1}")]
    Tile(String, &'static str),
    #[error("`{0}` counts beyond 64 bits")]
    Overflow(String),
    #[error("`{what}` has more than {most} elements")]
    Large { what: String, most: usize },
    #[error("the program does more than {0} steps")]
    Endless(u64),
}

type Result<T> = std::result::Result<T, InterpError>;

impl Options {
    /// Tasks forward, under limits that no test reaches.
    pub fn new(mode: Mode) -> Options {
        let limits = Limits { steps: 1 << 33, elements: 1 << 27 };
        Options { mode, order: Order::Forward, limits }
    }
}

/// Outputs by name, row-major.
pub fn interp(
    program: &Program,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    mode: Mode,
) -> Result<BTreeMap<String, Vec<f64>>> {
    interp_with(program, dims, inputs, &Options::new(mode))
}

/// As [`interp`], in an order and under limits.
pub fn interp_with(
    program: &Program,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    options: &Options,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let limits = &options.limits;
    if usize::try_from(dims.cores).is_ok_and(|n| n > limits.elements) {
        return Err(InterpError::Large { what: "cores".into(), most: limits.elements });
    }
    let mut dims = dims.clone();
    let mut memory = BTreeMap::new();
    for t in program.params.iter().chain(&program.buffers) {
        let shape = shape_of(t, &dims)?;
        // Dense tensors: the strides that a plan would find.
        let mut stride = 1i64;
        for (d, size) in shape.iter().enumerate().rev() {
            dims.scalars.entry(format!("{}.stride{d}", t.name)).or_insert(stride);
            stride = stride.saturating_mul(*size);
        }
        let mut cells = Cells::new(&t.name, shape, limits)?;
        // An output that is given is updated in place.
        let given = t.role == Role::In || (t.role == Role::Out && inputs.contains_key(&t.name));
        if given && matches!(t.store, Store::Strided) {
            let input = inputs.get(&t.name).ok_or_else(|| InterpError::Missing(t.name.clone()))?;
            if input.shape.iter().map(|s| *s as i64).ne(cells.shape.iter().copied()) {
                let (wanted, found) = (cells.shape, input.shape.clone());
                return Err(InterpError::Shape { name: t.name.clone(), wanted, found });
            }
            if input.bytes.len() != input.count() * input.dtype.bytes().unwrap_or(1) {
                let (shape, found) = (input.shape.clone(), input.bytes.len());
                return Err(InterpError::Bytes { name: t.name.clone(), shape, found });
            }
            cells = Cells::of(cells.shape, (0..input.count()).map(|i| Some(input.get(i))));
        }
        memory.insert(t.name.clone(), cells);
    }
    for p in &program.prepares {
        prepare(program, p, &dims, inputs, limits, &mut memory)?;
    }
    let mut chosen = None;
    for v in &program.variants {
        let mut all = true;
        for p in &v.when {
            all &= holds(p, &BTreeMap::new(), &dims)?;
        }
        if all {
            chosen = Some(v);
            break;
        }
    }
    let mut left = limits.steps;
    for l in &chosen.ok_or(InterpError::NoVariant)?.launches {
        launch(program, l, &dims, options, &mut memory, &mut left)?;
    }
    let outs = program.params.iter().filter(|t| t.role == Role::Out);
    outs.map(|t| {
        let unwritten = |place| InterpError::Unwritten { tensor: t.name.clone(), place };
        let cells = memory.get(&t.name).into_iter().flat_map(Cells::values);
        let values = cells.enumerate().map(|(i, x)| x.ok_or_else(|| unwritten(i)));
        Ok((t.name.clone(), values.collect::<Result<Vec<_>>>()?))
    })
    .collect()
}

fn shape_of(t: &Decl, dims: &Dims) -> Result<Vec<i64>> {
    t.shape.iter().map(|e| Ok(e.eval(dims)?.max(0))).collect()
}

/// All workers of one launch, one after the other.
fn launch(
    program: &Program,
    launch: &Launch,
    dims: &Dims,
    options: &Options,
    memory: &mut BTreeMap<String, Cells>,
    left: &mut u64,
) -> Result<()> {
    let unknown = |what, name: &str| InterpError::Unknown { what, name: name.into() };
    let kernel = program.kernel(&launch.kernel).ok_or_else(|| unknown("kernel", &launch.kernel))?;
    let (mut names, mut scalars) = (BTreeMap::new(), BTreeMap::new());
    let mut fields = BTreeMap::new();
    let mut args = launch.args.iter();
    for param in &kernel.params {
        match (param, args.next()) {
            (Param::Tensor(t), Some(Arg::Tensor(name))) => {
                names.insert(t.name.clone(), name.clone());
                if let Store::Field(field) = t.store {
                    let whole = program.params.iter().chain(&program.buffers);
                    let from = whole.into_iter().find(|x| x.name == *name).map(|x| x.elem);
                    let from = from.ok_or_else(|| unknown("tensor", name))?;
                    let shape = shape_of(t, dims)?;
                    fields
                        .insert(t.name.clone(), run::FieldOf { field, elem: t.elem, from, shape });
                }
            }
            (Param::Scalar(s), Some(Arg::Scalar(e))) => {
                scalars.insert(s.clone(), e.eval(dims)?);
            }
            (Param::Tensor(t), Some(Arg::Scalar(_)) | None) => {
                return Err(unknown("tensor argument", &t.name));
            }
            (Param::Scalar(s), Some(Arg::Tensor(_)) | None) => {
                return Err(unknown("scalar argument", s));
            }
        }
    }
    memory.values_mut().for_each(Cells::barrier);
    let workers = dims.cores.max(1);
    let mut last = u32::try_from(workers).unwrap_or(u32::MAX - 1);
    for n in 0..workers {
        let worker = if options.order == Order::Reversed { workers - 1 - n } else { n };
        let mut scratch = BTreeMap::new();
        for t in &kernel.scratch {
            scratch
                .insert(t.name.clone(), Cells::new(&t.name, shape_of(t, dims)?, &options.limits)?);
        }
        let mut run = run::Run {
            kernel,
            dims,
            options,
            names: names.clone(),
            fields: &fields,
            scalars: scalars.clone(),
            tiles: BTreeMap::new(),
            scratch,
            memory,
            worker,
            who: u32::try_from(worker + 1).unwrap_or(u32::MAX - 1),
            last: &mut last,
            left,
            staged: vec![],
            group: 0,
        };
        run.block(&kernel.body)?;
    }
    Ok(())
}

fn value_of(e: &Extent, scalars: &BTreeMap<String, i64>, dims: &Dims) -> Result<i64> {
    Ok(e.eval_with(&|s| scalars.get(s).or_else(|| dims.scalars.get(s)).copied(), dims)?)
}

fn holds(p: &Predicate, scalars: &BTreeMap<String, i64>, dims: &Dims) -> Result<bool> {
    Ok(p.cmp.holds(value_of(&p.left, scalars, dims)?, value_of(&p.right, scalars, dims)?))
}

/// Codes, scales, mins and zeros of a stored weight as tensors `[n, k]`, `[k / group, n]`: what packing must not change.
///
/// Copies follow each other, the rows of each filled up to whole blocks of lanes.
fn prepare(
    program: &Program,
    step: &Prepare,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    limits: &Limits,
    memory: &mut BTreeMap<String, Cells>,
) -> Result<()> {
    let packing = &step.packing;
    let first = step.sources().first().cloned().unwrap_or_default();
    let unknown = |what| InterpError::Unknown { what, name: first.clone() };
    let [copies, n, k] =
        step.sizes(&program.params, dims).ok_or_else(|| unknown("weight of rows"))?;
    let group = packing.group.max(1);
    let groups = k.div_ceil(group);
    let fits = |x: Option<usize>| x.filter(|x| *x <= limits.elements);
    let padded = fits(k.checked_next_multiple_of(group));
    let rows = fits(n.checked_next_multiple_of(packing.lanes.max(1)));
    let total = fits(rows.and_then(|rows| rows.checked_mul(copies)));
    let (Some(padded), Some(rows), Some(total)) = (padded, rows, total) else {
        return Err(InterpError::Large { what: step.name.clone(), most: limits.elements });
    };
    if fits(total.checked_mul(padded)).is_none() {
        return Err(InterpError::Large { what: step.name.clone(), most: limits.elements });
    }
    let inner = packing.inner.as_ref().map_or(0, |i| padded / i.group.max(1));
    let mut parts = Columns {
        codes: vec![Some(0.0); total * padded],
        scale: vec![Some(0.0); groups * total],
        min: vec![Some(0.0); groups * total],
        zeros: vec![Some(0.0); groups * total],
        row_zeros: vec![Some(0.0); groups * total],
        inner_scale: vec![Some(0.0); inner * total],
        inner_min: vec![Some(0.0); inner * total],
    };
    let input = |name: &String| inputs.get(name).ok_or_else(|| InterpError::Missing(name.clone()));
    let mut fields = Fields::default();
    let mut order = Vec::new();
    match &step.form {
        Form::Blocks(source) => {
            let decl = program.params.iter().find(|t| t.name == *source);
            let Some(format) = decl.and_then(Decl::format) else {
                return Err(unknown("weight of blocks"));
            };
            let blocks = || InterpError::Blocks { name: source.clone(), format: format.name };
            let bytes = &input(source)?.bytes;
            let row = format.row_bytes(k).ok_or_else(blocks)?;
            let whole = k.is_multiple_of(group) || packing.is_pairs();
            if row.checked_mul(n * copies) != Some(bytes.len()) || !whole {
                return Err(blocks());
            }
            if packing.is_pairs() {
                // As the floats are stored, in values that bf16 has.
                let input = input(source)?;
                for (r, i) in (0..copies * n).flat_map(|r| (0..k).map(move |i| (r, i))) {
                    let at = (r / n * rows + r % n) * padded + i;
                    let x = half::bf16::from_f64(input.get(r * k + i)).to_f64();
                    *parts.codes.get_mut(at).ok_or_else(blocks)? = Some(x);
                }
            } else {
                for (r, bytes) in bytes.chunks_exact(row.max(1)).enumerate() {
                    let r = r / n.max(1) * rows + r % n.max(1);
                    for (b, block) in bytes.chunks_exact(format.bytes).enumerate() {
                        format.read(block, &mut fields).map_err(|_| blocks())?;
                        let at = r * padded + b * format.block;
                        parts
                            .put(packing, &fields, r, total, at, b * format.block)
                            .ok_or_else(blocks)?;
                    }
                }
            }
        }
        Form::Parts(sources, form) => {
            let tensors = sources.iter().map(input).collect::<Result<Vec<_>>>()?;
            let open = form.open(&tensors).map_err(|e| InterpError::Parts(e.to_string()))?;
            order.extend(open.order().iter().map(|k| Some(f64::from(*k))));
            for r in 0..copies * n {
                open.row(r / n, r % n, &mut fields);
                fields.codes.resize(padded, fields.zero - packing.zero);
                let r = r / n * rows + r % n;
                let put = parts.put(packing, &fields, r, total, r * padded, 0);
                put.ok_or_else(|| unknown("weight of such groups"))?;
            }
        }
    }
    let (total, padded, groups) = (total as i64, padded as i64, groups as i64);
    let inner = inner as i64;
    let parts = [
        (Part::Codes, vec![total, padded], parts.codes),
        (Part::Scale, vec![groups, total], parts.scale),
        (Part::Min, vec![groups, total], parts.min),
        (Part::Zeros, vec![groups, total], parts.zeros),
        (Part::RowZeros, vec![total, groups], parts.row_zeros),
        (Part::Order, vec![order.len() as i64], order),
        (Part::InnerScale, vec![inner, total], parts.inner_scale),
        (Part::InnerMin, vec![inner, total], parts.inner_min),
    ];
    for (part, shape, values) in parts {
        memory.insert(format!("{}.{}", step.name, part.name()), Cells::of(shape, values));
    }
    Ok(())
}

/// Parts of a packed weight, element by element.
struct Columns {
    codes: Vec<Option<f64>>,
    scale: Vec<Option<f64>>,
    min: Vec<Option<f64>>,
    zeros: Vec<Option<f64>>,
    row_zeros: Vec<Option<f64>>,
    inner_scale: Vec<Option<f64>>,
    inner_min: Vec<Option<f64>>,
}

impl Columns {
    /// Fields of row `r` of `total` from element `k` on, whose code stands at `at`; `None` where there is no place.
    fn put(
        &mut self,
        packing: &Packing,
        fields: &Fields,
        r: usize,
        total: usize,
        at: usize,
        k: usize,
    ) -> Option<()> {
        for (i, c) in fields.codes.iter().enumerate() {
            let x = f64::from(*c) + f64::from(packing.zero) - f64::from(fields.zero);
            *self.codes.get_mut(at + i)? = Some(x);
        }
        let group = packing.group.max(1);
        if let (Some(inner), Some(levels)) = (&packing.inner, &fields.levels) {
            let float = |x: &f32| Some(f64::from(*x));
            let whole = |x: &i32| Some(f64::from(*x));
            for (g, x) in levels.scale.iter().enumerate() {
                *self.scale.get_mut((k / group + g) * total + r)? = float(x);
            }
            for (g, x) in levels.min.iter().enumerate() {
                *self.min.get_mut((k / group + g) * total + r)? = float(x);
            }
            let first = k / inner.group.max(1);
            for (i, x) in levels.inner_scale.iter().enumerate() {
                *self.inner_scale.get_mut((first + i) * total + r)? = whole(x);
            }
            for (i, x) in levels.inner_min.iter().enumerate() {
                *self.inner_min.get_mut((first + i) * total + r)? = whole(x);
            }
            return Some(());
        }
        let groups = self.scale.len() / total.max(1);
        for g in k / group..(k + fields.codes.len()).div_ceil(group) {
            let source = (g * group - k) / fields.group.max(1);
            let columns = [
                (&mut self.scale, &fields.scale, g * total + r),
                (&mut self.min, &fields.min, g * total + r),
                (&mut self.zeros, &fields.zeros, g * total + r),
                (&mut self.row_zeros, &fields.zeros, r * groups + g),
            ];
            for (to, from, place) in columns {
                if !from.is_empty() {
                    // A packing of larger groups than the format's has no place for all.
                    *to.get_mut(place)? = Some(f64::from(*from.get(source)?));
                }
            }
        }
        Some(())
    }
}
