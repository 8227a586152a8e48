//! A module made ready for given sizes: variant, workspace, argument arrays. Running only launches.
//!
//! ```text
//! let mut plan = module.plan(&dims)?;        // evaluates extents, picks the variant, lays out the workspace
//! unsafe { plan.bind("q", View::of(&q))? };  // checks type, shape, strides, length
//! plan.run(&pool)?;                          // zeroes counters, enters the kernels
//! plan.update(&other_dims)?;                 // the same again, without allocating where the capacity suffices
//! ```

mod bind;
mod check;
mod error;
mod layout;
mod run;
mod workspace;

<<<<<<< HEAD
use crate::{
    buffer::{Buffer, BufferError},
    driver::Loaded,
    module::{Code, Module, SlotSource, Source, hint},
    pool::{Barrier, Workers},
};
use kgen_ir::{
    artifact::check::Check,
    diag::did_you_mean,
    dtype::Dtype,
    extent::{Dims, Extent, ExtentError},
    op::{
        Bound,
        expr::Expr,
        indices::{self, IndexError},
    },
    tensor::Tensor,
    tile::{Form, Prepare, Role},
};
use std::{collections::BTreeMap, ops::Range, sync::Arc};
=======
pub use bind::{Prepared, View};
pub use error::PlanError;
>>>>>>> main

use crate::module::Module;
use kgen_ir::extent::Dims;
use std::sync::Arc;
use workspace::Workspace;

/// A counter has a cache line of its own, and a neighbour that the prefetcher may fetch with it.
const COUNTER: usize = 128;

pub struct Plan {
    module: Arc<Module>,
    dims: Dims,
    variant: usize,
    /// Shapes of the parameters; empty where the variant does not use them.
    shapes: Vec<Vec<usize>>,
    /// Byte strides of the parameters: dense until something is bound.
    strides: Vec<Vec<usize>>,
    bound: Vec<Option<u64>>,
    prepared: Vec<Option<Arc<Prepared>>>,
    memory: Workspace,
    /// Part of `memory` and byte strides of the workspace tensors.
    buffers: Vec<(usize, Vec<usize>)>,
    /// Parts of `memory`.
    counters: usize,
    scratch: usize,
    reports: usize,
    args: Vec<u64>,
    /// Kernel and first argument of each launch.
    launches: Vec<(usize, usize)>,
    /// Values of scalar arguments of the launch being filled.
    scalars: Vec<i64>,
    /// Shapes belong to the dims.
    shaped: bool,
    /// Arguments belong to shapes and bindings.
    ready: bool,
}

<<<<<<< HEAD
/// A tensor in the caller's memory.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub dtype: Dtype,
    pub shape: &'a [usize],
    /// Bytes between neighbours of each dimension; dense if not given.
    pub strides: Option<&'a [usize]>,
    pub pointer: *mut u8,
    /// Bytes of the memory at `pointer`.
    pub bytes: usize,
}

/// A weight in the form a kernel asks for; made once, bound to many plans.
#[derive(Debug)]
pub struct Prepared {
    /// Name in the manifest.
    pub name: String,
    /// `[rows, k]`, or `[copies, rows, k]`.
    pub shape: Vec<usize>,
    bytes: Buffer,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("symbol `{symbol}` has no value: give one{}", list_of(.ragged))]
    NoValue { symbol: String, ragged: Option<String> },
    #[error("there is no symbol `{symbol}`{}", hint(.near))]
    UnknownSymbol { symbol: String, near: Option<String> },
    #[error("`{symbol}` is {value}: {demand}")]
    Bound { symbol: String, value: i64, demand: String },
    #[error("`{0}` lengths are {1}, but `{2}` is {3}")]
    Ragged(String, usize, String, i64),
    #[error("the plan is for {0} workers: at least one is needed")]
    NoWorkers(i64),
    #[error("{place}: {source}")]
    Extent { place: String, source: ExtentError },
    #[error("`{tensor}` has the size {value} in dimension {dim}")]
    Size { tensor: String, dim: usize, value: i64 },
    #[error("`{0}` is larger than this machine can address")]
    TooLarge(String),
    #[error("no variant of `{0}` serves these sizes and strides")]
    NoVariant(String),
    #[error(transparent)]
    Memory(#[from] BufferError),
    #[error("there is no tensor `{name}`{}", hint(.near))]
    UnknownTensor { name: String, near: Option<String> },
    #[error("`{0}` is not used with these sizes; nothing to bind")]
    NotUsed(String),
    #[error("`{name}` is {expected}, not {found}")]
    Dtype { name: String, expected: Dtype, found: Dtype },
    #[error("`{name}` has the shape {expected:?}, not {found:?}")]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("`{name}`: the last dimension has stride {found}, it must be dense ({expected} bytes)")]
    LastStride { name: String, expected: usize, found: usize },
    #[error("`{name}`: stride {stride} of dimension {dim} is no multiple of {align} bytes")]
    Stride { name: String, dim: usize, stride: usize, align: usize },
    #[error(
        "`{name}`: rows of output overlap: stride {stride} of dimension {dim} is below {least}"
    )]
    Overlap { name: String, dim: usize, stride: usize, least: usize },
    #[error("`{name}` has {found} strides for {expected} dimensions")]
    Strides { name: String, expected: usize, found: usize },
    #[error("`{name}` needs {needed} bytes, the memory has {found}")]
    Length { name: String, needed: usize, found: usize },
    #[error("`{name}` is at an address that is no multiple of {align}")]
    Alignment { name: String, align: usize },
    #[error("`{name}` is packed {found:?} (rows, k), the plan needs {expected:?}")]
    Packed { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error(
        "`{name}` has {found} dimensions; a packed weight has rows and k, before them perhaps copies"
    )]
    Rank { name: String, found: usize },
    #[error("`{0}` is not bound")]
    NotBound(String),
    #[error("the plan cannot run: its last update failed, or no variant serves the strides bound")]
    NotReady,
    #[error("`{tensor}`{at:?} is {value}: {demand}")]
    Index { tensor: String, at: Vec<usize>, value: i64, demand: String },
    #[error("the plan is for {planned} workers, the pool has {found}")]
    Workers { planned: i64, found: usize },
    #[error("the kernels of `{0}` are for a device, not for the workers of a CPU")]
    Elsewhere(String),
    #[error("the kernels of `{0}` are for the workers of a CPU, not for a device")]
    Here(String),
    #[error("kernel `{kernel}`: {source}")]
    Device { kernel: String, source: crate::driver::DriverError },
}

fn list_of(ragged: &Option<String>) -> String {
    ragged.as_ref().map_or_else(String::new, |b| format!(", a list with one for each of `{b}`"))
}

impl<'a> View<'a> {
    /// To be read only: binding it to an output is undefined behaviour.
    pub fn of(tensor: &'a Tensor) -> View<'a> {
        let (shape, bytes) = (tensor.shape.as_slice(), tensor.bytes.len());
        let pointer = tensor.bytes.as_ptr().cast_mut();
        View { dtype: tensor.dtype, shape, strides: None, pointer, bytes }
    }

    pub fn of_buffer(dtype: Dtype, shape: &'a [usize], memory: &mut Buffer) -> View<'a> {
        let bytes = memory.len();
        View { dtype, shape, strides: None, pointer: memory.bytes_mut().as_mut_ptr(), bytes }
    }
}

impl Prepared {
    /// Takes what is packed already; `bytes` is as [`kgen_ir::format::pack::Packing`] says.
    pub fn from_packed(
        module: &Module,
        name: &str,
        shape: &[usize],
        bytes: Buffer,
    ) -> Result<Prepared, PlanError> {
        let prepares = &module.manifest.prepares;
        let Some(prepare) = prepares.iter().find(|p| p.name == name) else {
            let near = did_you_mean(name, prepares.iter().map(|p| p.name.as_str()));
            return Err(PlanError::UnknownTensor { name: name.into(), near: near.map(Into::into) });
        };
        let too_large = || PlanError::TooLarge(name.into());
        let (copies, rows, k) = match shape {
            [rows, k] => (1, *rows, *k),
            [copies, rows, k] => (*copies, *rows, *k),
            _ => return Err(PlanError::Rank { name: name.into(), found: shape.len() }),
        };
        let needed = prepare.bytes([copies, rows, k]).map_err(|_| too_large())?;
        if bytes.len() != needed {
            return Err(PlanError::Length { name: name.into(), needed, found: bytes.len() });
        }
        Ok(Prepared { name: name.into(), shape: shape.to_vec(), bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }
}

=======
>>>>>>> main
impl Module {
    /// A plan for `dims`; `dims.cores` workers will run it.
    pub fn plan(self: &Arc<Self>, dims: &Dims) -> Result<Plan, PlanError> {
        let m = &self.manifest;
        let largest = |count: &dyn Fn(&crate::module::Variant) -> usize| {
            self.variants.iter().map(count).max().unwrap_or(0)
        };
        let slots = |v: &crate::module::Variant| {
            v.launches.iter().map(|l| self.kernels[l.kernel].slots.len()).sum()
        };
        let mut plan = Plan {
            module: Arc::clone(self),
            dims: Dims { cores: dims.cores, ..Dims::default() },
            variant: 0,
            shapes: m.params.iter().map(|t| Vec::with_capacity(t.shape.len())).collect(),
            strides: m.params.iter().map(|t| Vec::with_capacity(t.shape.len())).collect(),
            bound: vec![None; m.params.len()],
            prepared: m.prepares.iter().map(|_| None).collect(),
            memory: Workspace::new(3 + m.buffers.len())?,
            buffers: m.buffers.iter().map(|t| (0, Vec::with_capacity(t.shape.len()))).collect(),
            counters: 0,
            scratch: 0,
            reports: 0,
            args: Vec::with_capacity(largest(&slots)),
            launches: Vec::with_capacity(largest(&|v| v.launches.len())),
            scalars: Vec::with_capacity(
                m.kernels.iter().map(|k| k.params.len()).max().unwrap_or(0),
            ),
            shaped: false,
            ready: false,
        };
        plan.update(dims)?;
        Ok(plan)
    }
}

impl Module {
    /// The code of a kernel that workers of this process run.
    fn loaded(&self, kernel: usize) -> Option<&dyn Loaded> {
        match self.code.get(self.kernels.get(kernel)?.code)? {
            Code::Loaded(code) => Some(&**code),
            Code::Text(_) => None,
        }
    }
}

impl Plan {
    /// Plans again. Bindings whose tensor keeps its shape stay, the others have to be bound anew. After an error
    /// the plan cannot run before an update succeeds.
    pub fn update(&mut self, dims: &Dims) -> Result<(), PlanError> {
        (self.shaped, self.ready) = (false, false);
        self.set_dims(dims)?;
        self.check_bounds()?;
        self.set_shapes()?;
        self.shaped = true;
        self.lay_out()
    }

    /// Name of the variant that will run.
    pub fn variant(&self) -> &str {
        self.module.manifest.variants.get(self.variant).map_or("", |v| &v.name)
    }

    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Bytes of workspace, scratch and counters.
    pub fn workspace_bytes(&self) -> usize {
        self.memory.used()
    }

    /// Evaluated shape of a parameter.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let i = self.module.manifest.params.iter().position(|t| t.name == name)?;
        Some(&self.shapes[i])
    }

    /// Fills workspace and scratch with NaN, so that a kernel which reads what nobody wrote is found out.
    pub fn poison(&mut self) {
        self.memory.poison();
    }

    /// Parameters and prepared weights that the variant uses and that are not bound.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let m = &self.module.manifest;
        let v = &self.module.variants[self.variant];
        let params = v.params.iter().filter(|i| self.bound[**i].is_none());
        let prepares = v.prepares.iter().filter(|i| self.prepared[**i].is_none());
        params
            .map(|i| m.params[*i].name.as_str())
            .chain(prepares.map(|i| m.prepares[*i].name.as_str()))
    }

    pub fn uses(&self, name: &str) -> bool {
        let m = &self.module.manifest;
        let v = &self.module.variants[self.variant];
        v.params.iter().any(|i| m.params[*i].name == name)
            || v.prepares.iter().any(|i| m.prepares[*i].name == name)
    }
<<<<<<< HEAD

    fn set_dims(&mut self, dims: &Dims) -> Result<(), PlanError> {
        let symbols = &self.module.manifest.symbols;
        for name in dims.scalars.keys().chain(dims.ragged.keys()) {
            if !symbols.iter().any(|s| s.name == *name) {
                let near = did_you_mean(name, symbols.iter().map(|s| s.name.as_str()));
                let (symbol, near) = (name.clone(), near.map(Into::into));
                return Err(PlanError::UnknownSymbol { symbol, near });
            }
        }
        if dims.cores < 1 {
            return Err(PlanError::NoWorkers(dims.cores));
        }
        self.dims.cores = dims.cores;
        for s in symbols {
            let no_value =
                || PlanError::NoValue { symbol: s.name.clone(), ragged: s.ragged.clone() };
            let Some(over) = &s.ragged else {
                let value = *dims.scalars.get(&s.name).ok_or_else(no_value)?;
                match self.dims.scalars.get_mut(&s.name) {
                    Some(place) => *place = value,
                    None => drop(self.dims.scalars.insert(s.name.clone(), value)),
                }
                continue;
            };
            let list = dims.ragged.get(&s.name).ok_or_else(no_value)?;
            if let Some(count) = dims.scalars.get(over)
                && usize::try_from(*count) != Ok(list.len())
            {
                return Err(PlanError::Ragged(s.name.clone(), list.len(), over.clone(), *count));
            }
            match self.dims.ragged.get_mut(&s.name) {
                Some(place) => place.clone_from(list),
                None => drop(self.dims.ragged.insert(s.name.clone(), list.clone())),
            }
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), PlanError> {
        let m = &self.module.manifest;
        for s in &m.symbols {
            let one = self.dims.scalars.get(&s.name).map(std::slice::from_ref);
            let list = self.dims.ragged.get(&s.name).map(Vec::as_slice);
            for &value in one.or(list).unwrap_or(&[]) {
                let bounds = m.bounds.iter().filter(|b| b.symbol == s.name);
                let demand = if value < 0 {
                    Some("a size is not negative".into())
                } else {
                    bounds.filter_map(|b| violated(b, value)).next()
                };
                if let Some(demand) = demand {
                    return Err(PlanError::Bound { symbol: s.name.clone(), value, demand });
                }
            }
        }
        Ok(())
    }

    /// Shapes of all parameters whose extents have values.
    fn set_shapes(&mut self) -> Result<(), PlanError> {
        let module = Arc::clone(&self.module);
        for (i, t) in module.manifest.params.iter().enumerate() {
            let unchanged = self.shapes[i].len() == t.shape.len()
                && self.shapes[i]
                    .iter()
                    .zip(&t.shape)
                    .all(|(old, e)| e.eval(&self.dims).is_ok_and(|x| i64::try_from(*old) == Ok(x)));
            if unchanged && self.bound[i].is_some() {
                continue;
            }
            self.bound[i] = None;
            self.shapes[i].clear();
            for (dim, extent) in t.shape.iter().enumerate() {
                let size = evaluate_size(&t.name, dim, extent, &self.dims)?;
                self.shapes[i].push(size);
            }
            let elem = t.elem.bytes().unwrap_or(1);
            dense(&self.shapes[i], elem, &mut self.strides[i])
                .ok_or_else(|| PlanError::TooLarge(t.name.clone()))?;
        }
        for (i, p) in module.manifest.prepares.iter().enumerate() {
            if let Some(prepared) = &self.prepared[i]
                && !self.packed_as(p, &prepared.shape)
            {
                self.prepared[i] = None;
            }
        }
        Ok(())
    }

    /// Whether a weight of this shape is what a prepare step makes.
    fn packed_as(&self, p: &Prepare, shape: &[usize]) -> bool {
        // One copy is as good as none.
        fn sizes(shape: &[usize]) -> &[usize] {
            match shape {
                [1, rest @ ..] if rest.len() == 2 => rest,
                _ => shape,
            }
        }
        match &p.form {
            Form::Blocks(source) => self.shape(source).map(sizes) == Some(sizes(shape)),
            Form::Parts(_, parts) => sizes(shape) == sizes(&[parts.copies, parts.n, parts.k]),
        }
    }

    /// Picks the variant, lays out the memory, fills the arguments.
    fn lay_out(&mut self) -> Result<(), PlanError> {
        self.ready = false;
        let module = Arc::clone(&self.module);
        let mut chosen = None;
        'variants: for (i, v) in module.variants.iter().enumerate() {
            for p in &v.when {
                let failed = |source| PlanError::Extent {
                    place: format!("variant `{}`", module.manifest.variants[i].name),
                    source,
                };
                let left = self.value(&p.left, &[]).map_err(failed)?;
                let right = self.value(&p.right, &[]).map_err(failed)?;
                if !p.cmp.holds(left, right) {
                    continue 'variants;
                }
            }
            chosen = Some(i);
            break;
        }
        self.variant = chosen.ok_or_else(|| PlanError::NoVariant(module.manifest.name.clone()))?;
        let variant = &module.variants[self.variant];
        let too_large = || PlanError::TooLarge("workspace".into());

        let kernels = || variant.launches.iter().map(|l| &module.kernels[l.kernel]);
        let counters: usize = kernels().map(|k| k.counters).sum();
        let scratch = kernels().map(|k| k.scratch).max().unwrap_or(0);
        let cores = usize::try_from(self.dims.cores).map_err(|_| too_large())?;
        let mut end = 0;
        self.counters = take(&mut end, counters.checked_mul(COUNTER)).ok_or_else(too_large)?;
        self.scratch = take(&mut end, scratch.checked_mul(cores)).ok_or_else(too_large)?.start;
        for &i in &variant.buffers {
            let t = &module.manifest.buffers[i];
            let (place, strides) = &mut self.buffers[i];
            strides.clear();
            let mut bytes = t.elem.bytes();
            for (dim, extent) in t.shape.iter().enumerate() {
                let size = evaluate_size(&t.name, dim, extent, &self.dims)?;
                strides.push(size);
                bytes = bytes.and_then(|b| b.checked_mul(size));
            }
            let mut stride = t.elem.bytes().unwrap_or(1);
            for s in strides.iter_mut().rev() {
                // Sizes become strides; a product that overflows belongs to a tensor with a size of zero.
                stride = stride.saturating_mul(std::mem::replace(s, stride));
            }
            let too_large = || PlanError::TooLarge(t.name.clone());
            *place = take(&mut end, bytes).ok_or_else(too_large)?.start;
        }
        if end > self.memory.len() {
            self.memory = Buffer::zeroed(end)?;
        }
        self.used = end;
        self.fill()
    }

    /// Writes all argument arrays.
    fn fill(&mut self) -> Result<(), PlanError> {
        self.ready = false;
        let module = Arc::clone(&self.module);
        let base = address(self.memory.bytes_mut().as_mut_ptr());
        self.args.clear();
        self.launches.clear();
        let mut counter = base + self.counters.start as u64;
        for launch in &module.variants[self.variant].launches {
            let kernel = &module.kernels[launch.kernel];
            let failed = |source| PlanError::Extent {
                place: format!("launch of `{}`", module.manifest.kernels[launch.kernel].name),
                source,
            };
            self.scalars.clear();
            for arg in &launch.args {
                let value = match arg {
                    Source::Scalar(extent) => self.value(extent, &[]).map_err(failed)?,
                    Source::Param(_) | Source::Buffer(_) | Source::Prepared(..) => 0,
                };
                self.scalars.push(value);
            }
            let first = self.args.len();
            for slot in &kernel.slots {
                let word = match slot {
                    SlotSource::Pointer(arg) => match &launch.args[*arg] {
                        Source::Param(i) => self.bound[*i].unwrap_or(0),
                        Source::Buffer(i) => base + self.buffers[*i].0 as u64,
                        Source::Prepared(i, offset) => match &self.prepared[*i] {
                            Some(p) => address(p.bytes().as_ptr().cast_mut()) + *offset as u64,
                            None => 0,
                        },
                        Source::Scalar(_) => 0,
                    },
                    SlotSource::Stride(arg, dim) => match &launch.args[*arg] {
                        Source::Param(i) => self.strides[*i][*dim] as u64,
                        Source::Buffer(i) => self.buffers[*i].1[*dim] as u64,
                        Source::Prepared(..) | Source::Scalar(_) => 0,
                    },
                    SlotSource::Extent(extent) => {
                        self.value(extent, &kernel.scalars).map_err(failed)? as u64
                    }
                    SlotSource::Counter(i) => counter + (*i * COUNTER) as u64,
                    SlotSource::Scratch => base + self.scratch as u64,
                };
                self.args.push(word);
            }
            counter += (kernel.counters * COUNTER) as u64;
            self.launches.push((launch.kernel, first));
        }
        self.ready = true;
        Ok(())
    }

    fn value(&self, extent: &Extent, scalars: &[(String, usize)]) -> Result<i64, ExtentError> {
        let lookup = |name: &str| {
            if let Some((_, arg)) = scalars.iter().find(|(n, _)| n == name) {
                return self.scalars.get(*arg).copied();
            }
            if let Some((_, param, dim)) = self.module.strides.iter().find(|(n, ..)| n == name) {
                let bytes = self.strides.get(*param)?.get(*dim)?;
                let elem = self.module.manifest.params[*param].elem.bytes()?;
                return i64::try_from(bytes / elem).ok();
            }
            self.dims.scalars.get(name).copied()
        };
        extent.eval_with(&lookup, &self.dims)
    }

    /// Binds a tensor of the caller.
    ///
    /// # Safety
    /// The memory must stay valid, and for outputs writable and untouched by others, for every later `run` until
    /// the name is bound again.
    pub unsafe fn bind(&mut self, name: &str, view: View<'_>) -> Result<(), PlanError> {
        if !self.shaped {
            return Err(PlanError::NotReady);
        }
        let i = self.param(name)?;
        let strides = self.fits(i, &view)?;
        let decides = self.module.strides.iter().any(|(_, p, _)| *p == i);
        let changed = *self.strides[i] != *strides;
        self.strides[i].clear();
        self.strides[i].extend_from_slice(&strides);
        self.bound[i] = Some(address(view.pointer));
        if self.ready && !(decides && changed) {
            return self.fill();
        }
        match self.lay_out() {
            // The tensors bound next may change that; `run` tells if they do not.
            Err(PlanError::NoVariant(_)) => Ok(()),
            other => other,
        }
    }

    /// Binds a prepared weight and keeps it.
    pub fn bind_prepared(&mut self, prepared: &Arc<Prepared>) -> Result<(), PlanError> {
        if !self.shaped {
            return Err(PlanError::NotReady);
        }
        let prepares = &self.module.manifest.prepares;
        let Some(i) = prepares.iter().position(|p| p.name == prepared.name) else {
            let near = did_you_mean(&prepared.name, prepares.iter().map(|p| p.name.as_str()));
            let (name, near) = (prepared.name.clone(), near.map(Into::into));
            return Err(PlanError::UnknownTensor { name, near });
        };
        if !self.packed_as(&prepares[i], &prepared.shape) {
            let expected = match &prepares[i].form {
                Form::Blocks(source) => self.shape(source).unwrap_or(&[]).to_vec(),
                Form::Parts(_, parts) => vec![parts.copies, parts.n, parts.k],
            };
            let (name, found) = (prepared.name.clone(), prepared.shape.clone());
            return Err(PlanError::Packed { name, expected, found });
        }
        self.prepared[i] = Some(Arc::clone(prepared));
        if self.ready { self.fill() } else { Ok(()) }
    }

    /// Reads the tensors that say where others are looked at, and tells the first place that points beyond them:
    /// offsets that fall, lengths beyond the pages, pages that are not there. `run` trusts them. Tensors that are not
    /// bound are left out.
    pub fn check(&self) -> Result<(), PlanError> {
        for check in &self.module.manifest.checks {
            match check {
                Check::Offsets { tensor, most } => self.check_offsets(tensor, most)?,
                Check::Below { tensor, end } => {
                    let Some(list) = self.indices(tensor) else { continue };
                    let end = self.check_extent(tensor, end)?;
                    for at in 0..list.shape.first().copied().unwrap_or(0) {
                        list.inside(&[at], end)?;
                    }
                }
                Check::Index { at, rows, end } => {
                    let (rows, end) =
                        (self.check_extent("rows", rows)?, self.check_extent("rows", end)?);
                    for row in 0..rows {
                        let Some(value) = self.index(at, row)? else { break };
                        if !(0..end).contains(&value) {
                            return Err(self.misplaced(
                                at.to_string(),
                                row,
                                value,
                                format!("it must be in 0..{end}"),
                            ));
                        }
                    }
                }
                Check::Target { tensor, at, rows, end } => {
                    let (rows, end) =
                        (self.check_extent(tensor, rows)?, self.check_extent(tensor, end)?);
                    let mut seen = BTreeMap::new();
                    for row in 0..rows {
                        let Some(value) = self.index(at, row)? else { break };
                        if value >= end {
                            return Err(self.misplaced(
                                at.to_string(),
                                row,
                                value,
                                format!("`{tensor}` has {end} rows"),
                            ));
                        }
                        if let Some(first) = seen.insert(value, row).filter(|_| value >= 0) {
                            let demand = format!("row {first} goes to this row of `{tensor}`, too");
                            return Err(self.misplaced(at.to_string(), row, value, demand));
                        }
                    }
                }
                Check::Pages { tensor, lens, page, end } => {
                    let (Some(table), Some(lens)) = (self.indices(tensor), self.indices(lens))
                    else {
                        continue;
                    };
                    let end = self.check_extent(tensor, end)?;
                    for row in 0..table.shape.first().copied().unwrap_or(0) {
                        let tokens = usize::try_from(lens.get(&[row])).unwrap_or(0);
                        let pages = tokens.div_ceil(usize::try_from(*page).unwrap_or(1).max(1));
                        for at in 0..pages {
                            table.inside(&[row, at], end)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn misplaced(&self, tensor: String, row: i64, value: i64, demand: String) -> PlanError {
        PlanError::Index { tensor, at: vec![usize::try_from(row).unwrap_or(0)], value, demand }
    }

    /// An index of a row; `None` where a tensor of it is not bound.
    fn index(&self, at: &Expr, row: i64) -> Result<Option<i64>, PlanError> {
        let unknown = |name: &str| IndexError::Unknown(name.into());
        let params = &self.module.manifest.params;
        let bound = |n: &str| !params.iter().any(|t| t.name == n) || self.indices(n).is_some();
        if !at.names().iter().all(|n| bound(n)) {
            return Ok(None);
        }
        let leaf = |name: &str, list: &[i64]| {
            if name == "row" {
                return Ok(row);
            }
            let Some(tensor) = self.indices(name) else {
                return self.dims.scalars.get(name).copied().ok_or_else(|| unknown(name));
            };
            // A column, and a matrix, are read in the row; a scalar is the only element it has.
            let mut place = list.to_vec();
            if place.len() < tensor.shape.len() {
                place.insert(0, if tensor.shape == [1] { 0 } else { row });
            }
            let place: Option<Vec<usize>> =
                place.into_iter().map(|i| usize::try_from(i).ok()).collect();
            Ok(tensor.get(&place.ok_or_else(|| unknown(name))?))
        };
        match indices::eval(at, &leaf) {
            Ok(value) => Ok(Some(value)),
            Err(e) => Err(self.misplaced(at.to_string(), row, 0, e.to_string())),
        }
    }

    fn check_extent(&self, tensor: &str, extent: &Extent) -> Result<i64, PlanError> {
        let failed = |source| PlanError::Extent { place: format!("check of `{tensor}`"), source };
        self.value(extent, &[]).map_err(failed)
    }

    fn check_offsets(&self, tensor: &str, most: &Extent) -> Result<(), PlanError> {
        let Some(list) = self.indices(tensor) else { return Ok(()) };
        let most = self.check_extent(tensor, most)?;
        let mut before = 0;
        for at in 0..list.shape.first().copied().unwrap_or(0) {
            let value = list.get(&[at]);
            let demand = if at == 0 && value != 0 {
                "offsets begin at 0".into()
            } else if value < before {
                format!("offsets never fall, and {before} stands before it")
            } else if value > most {
                format!("there are {most} rows")
            } else {
                before = value;
                continue;
            };
            return Err(PlanError::Index { tensor: tensor.into(), at: vec![at], value, demand });
        }
        Ok(())
    }

    /// A bound tensor of indices.
    fn indices<'a>(&'a self, name: &'a str) -> Option<Indices<'a>> {
        let params = &self.module.manifest.params;
        let at = params.iter().position(|t| t.name == name)?;
        let (elem, pointer) = (params[at].elem, self.bound[at]?);
        let integers = matches!(elem, Dtype::I32 | Dtype::I64);
        let (shape, strides) = (&self.shapes[at], &self.strides[at]);
        integers.then_some(Indices { name, elem, pointer, shape, strides })
    }

    fn param(&self, name: &str) -> Result<usize, PlanError> {
        let params = &self.module.manifest.params;
        match params.iter().position(|t| t.name == name) {
            Some(i) if self.module.variants.iter().any(|v| v.params.contains(&i)) => Ok(i),
            Some(_) => Err(PlanError::NotUsed(name.into())),
            None => {
                let near = did_you_mean(name, params.iter().map(|t| t.name.as_str()));
                Err(PlanError::UnknownTensor { name: name.into(), near: near.map(Into::into) })
            }
        }
    }

    /// Byte strides of a view that fits the parameter.
    fn fits(&self, i: usize, view: &View<'_>) -> Result<Strides, PlanError> {
        let t = &self.module.manifest.params[i];
        let name = || t.name.clone();
        if view.dtype != t.elem {
            return Err(PlanError::Dtype { name: name(), expected: t.elem, found: view.dtype });
        }
        let expected = &self.shapes[i];
        if view.shape != expected.as_slice() {
            let (expected, found) = (expected.clone(), view.shape.to_vec());
            return Err(PlanError::Shape { name: name(), expected, found });
        }
        let elem = t.elem.bytes().unwrap_or(1);
        let mut strides = Strides::default();
        match view.strides {
            Some(given) if given.len() != view.shape.len() => {
                let (expected, found) = (view.shape.len(), given.len());
                return Err(PlanError::Strides { name: name(), expected, found });
            }
            Some(given) => strides.extend(given),
            None => {
                let mut stride = elem;
                for (s, size) in strides.resize(view.shape.len()).iter_mut().zip(view.shape).rev() {
                    *s = stride;
                    stride = stride.saturating_mul(*size);
                }
            }
        }
        // From the densest dimension outwards: bytes from the first to behind the last element so far. Of
        // dimensions of 1 the stride is never used.
        let mut order = Strides::default();
        let rank = view.shape.len();
        order.resize(rank).iter_mut().enumerate().for_each(|(dim, o)| *o = dim);
        order.resize(rank).sort_unstable_by_key(|dim| strides[*dim]);
        let mut extent = elem;
        let empty = view.shape.contains(&0);
        for &dim in order.iter().filter(|dim| !empty && view.shape[**dim] > 1) {
            let stride = strides[dim];
            if dim + 1 == rank && stride != elem {
                return Err(PlanError::LastStride { name: name(), expected: elem, found: stride });
            }
            if !stride.is_multiple_of(elem) {
                return Err(PlanError::Stride { name: name(), dim, stride, align: elem });
            }
            if t.role == Role::Out && stride < extent {
                return Err(PlanError::Overlap { name: name(), dim, stride, least: extent });
            }
            extent = stride
                .checked_mul(view.shape[dim] - 1)
                .and_then(|s| s.checked_add(extent))
                .ok_or_else(|| PlanError::TooLarge(name()))?;
        }
        let needed = if empty { 0 } else { extent };
        if view.bytes < needed {
            return Err(PlanError::Length { name: name(), needed, found: view.bytes });
        }
        if needed > 0 && !view.pointer.addr().is_multiple_of(elem) {
            return Err(PlanError::Alignment { name: name(), align: elem });
        }
        Ok(strides)
    }

    /// Zeroes the counters and launches. Allocates, locks and prints nothing itself.
    pub fn run(&mut self, workers: &dyn Workers) -> Result<(), PlanError> {
        let count = workers.count();
        if usize::try_from(self.dims.cores) != Ok(count) {
            return Err(PlanError::Workers { planned: self.dims.cores, found: count });
        }
        if !self.ready {
            return Err(PlanError::NotReady);
        }
        if let Some(name) = self.missing().next() {
            return Err(PlanError::NotBound(name.into()));
        }
        if self.launches.iter().any(|(k, _)| self.module.loaded(*k).is_none()) {
            return Err(PlanError::Elsewhere(self.module.manifest.name.clone()));
        }
        let zero = self.counters.clone();
        self.memory.bytes_mut()[zero].fill(0);
        let (module, args, launches) = (&*self.module, &self.args, &self.launches);
        let barrier = Barrier::new(count);
        workers.run(&|worker| {
            if worker >= count {
                return;
            }
            barrier.guard(|| {
                for (i, (kernel, first)) in launches.iter().enumerate() {
                    if i > 0 && !barrier.wait() {
                        return;
                    }
                    let (kernel, Some(code)) = (&module.kernels[*kernel], module.loaded(*kernel))
                    else {
                        return;
                    };
                    let args = args[*first..*first + kernel.slots.len()].as_ptr();
                    // SAFETY: the entry comes from the load of this code; there is one argument a slot, filled as
                    // the slot says: bound memory was checked against the extents and is live by the contract
                    // of `bind`, workspace, scratch and counters are inside `memory`, which `self` holds.
                    unsafe { code.call(kernel.entry, args, worker as u64) };
                }
            });
        });
        Ok(())
    }
}

/// A tensor of i32 or i64 in the caller's memory.
struct Indices<'a> {
    name: &'a str,
    elem: Dtype,
    pointer: u64,
    shape: &'a [usize],
    strides: &'a [usize],
}

impl Indices<'_> {
    /// An element; -1 outside of the tensor.
    fn get(&self, at: &[usize]) -> i64 {
        let inside = at.len() == self.shape.len() && at.iter().zip(self.shape).all(|(i, n)| i < n);
        let Ok(base) = usize::try_from(self.pointer) else { return -1 };
        if !inside {
            return -1;
        }
        let offset: usize = at.iter().zip(self.strides).map(|(i, s)| i * s).sum();
        let place = std::ptr::with_exposed_provenance::<u8>(base).wrapping_add(offset);
        // SAFETY: `bind` checked that the memory has all elements of this shape and these strides, aligned for the
        // element, and its contract keeps it valid.
        unsafe {
            if self.elem == Dtype::I64 {
                place.cast::<i64>().read()
            } else {
                i64::from(place.cast::<i32>().read())
            }
        }
    }

    fn inside(&self, at: &[usize], end: i64) -> Result<(), PlanError> {
        let value = self.get(at);
        if (0..end).contains(&value) {
            return Ok(());
        }
        let (tensor, at, demand) =
            (self.name.into(), at.to_vec(), format!("it must be in 0..{end}"));
        Err(PlanError::Index { tensor, at, value, demand })
    }
}

/// Strides of a view, without allocation.
#[derive(Clone, Copy, Debug, Default)]
struct Strides {
    len: usize,
    list: [usize; 16],
}

impl Strides {
    fn resize(&mut self, len: usize) -> &mut [usize] {
        self.len = len.min(self.list.len());
        &mut self.list[..self.len]
    }

    fn extend(&mut self, given: &[usize]) {
        self.resize(given.len()).iter_mut().zip(given).for_each(|(to, from)| *to = *from);
    }
}

impl std::ops::Deref for Strides {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.list[..self.len]
    }
=======
>>>>>>> main
}

fn address(pointer: *mut u8) -> u64 {
    pointer.expose_provenance() as u64
}

<<<<<<< HEAD
/// `bytes` more at the next multiple of [`OFFSET`].
fn take(end: &mut usize, bytes: Option<usize>) -> Option<Range<usize>> {
    let start = *end;
    let stop = start.checked_add(bytes?)?;
    *end = stop.checked_next_multiple_of(OFFSET)?;
    Some(start..stop)
}

fn evaluate_size(
    tensor: &str,
    dim: usize,
    extent: &Extent,
    dims: &Dims,
) -> Result<usize, PlanError> {
    let value = extent
        .eval(dims)
        .map_err(|source| PlanError::Extent { place: format!("`{tensor}`"), source })?;
    usize::try_from(value).map_err(|_| PlanError::Size { tensor: tensor.into(), dim, value })
}

/// Row-major byte strides; `None` if the whole is too large.
fn dense(shape: &[usize], elem: usize, strides: &mut Vec<usize>) -> Option<()> {
    strides.clear();
    strides.resize(shape.len(), 0);
    let mut stride = elem;
    for (s, size) in strides.iter_mut().zip(shape).rev() {
        *s = stride;
        stride = stride.checked_mul(*size)?;
    }
    isize::try_from(stride).ok().map(|_| ())
}

fn violated(b: &Bound, value: i64) -> Option<String> {
    if let Some(min) = b.min.filter(|min| value < *min) {
        return Some(format!("the op promises at least {min}"));
    }
    if let Some(max) = b.max.filter(|max| value > *max) {
        return Some(format!("the op promises at most {max}"));
    }
    let of = b.multiple_of.filter(|of| *of > 0 && value % *of != 0)?;
    Some(format!("the op promises a multiple of {of}"))
}

mod device;
=======
>>>>>>> main
#[cfg(test)]
mod tests;
