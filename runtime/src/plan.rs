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
mod device;
mod error;
mod layout;
mod run;
mod workspace;

pub use bind::{Prepared, View};
pub use device::{Held, Placed};
pub use error::PlanError;

use crate::module::Module;
use kgen_ir::extent::Dims;
use std::sync::Arc;
use workspace::Workspace;

/// A counter has a cache line of its own, and a neighbour that the prefetcher may fetch with it.
const COUNTER: usize = 128;
/// The counters of tasks, as a device knows them.
pub(crate) const COUNTERS: &str = "counters";

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

    /// Puts every part of the workspace at a fence, sides by turns from `first`: an access beside it ends the process.
    pub fn fence(&mut self, first: usize) -> Result<(), PlanError> {
        self.memory.fence(first);
        if self.shaped { self.lay_out() } else { Ok(()) }
    }

    /// Where a run wrote beside a fenced part of the workspace, counted from the part's first byte.
    pub fn damage(&self) -> Option<isize> {
        self.memory.damage()
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

    /// The packed weights that are bound.
    pub(crate) fn weights(&self) -> impl Iterator<Item = &Arc<Prepared>> {
        self.prepared.iter().flatten()
    }

    pub fn uses(&self, name: &str) -> bool {
        let m = &self.module.manifest;
        let v = &self.module.variants[self.variant];
        v.params.iter().any(|i| m.params[*i].name == name)
            || v.prepares.iter().any(|i| m.prepares[*i].name == name)
    }
}

fn address(pointer: *mut u8) -> u64 {
    pointer.expose_provenance() as u64
}

#[cfg(test)]
mod tests;
