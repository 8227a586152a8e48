//! One op of the loop: planned once, bound to memory of the decoder, run for each token.

#![allow(unsafe_code)]

use super::{Error, KernelSource};
use crate::{
    buffer::Buffer,
    files::gguf::{Gguf, TensorInfo},
    module::Module,
    plan::{Plan, PlanError, Prepared, View},
    pool::Workers,
};
use kgen_ir::{dtype::Dtype, extent::Dims};
use std::sync::Arc;

/// What a symbol of an op means in the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Rows of this run.
    Rows,
    /// Only the last of them.
    One,
    /// Tokens seen, with those of this run.
    Seen,
}

/// Memory that belongs to the decoder: rows of so many bytes.
pub struct Rows {
    pub memory: Buffer,
    pub row: usize,
}

/// From which row on an op works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    First,
    /// The last row of this run.
    Last,
    /// That of the first token of this run.
    Position,
}

/// A tensor of an op, and the rows it is.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    pub name: &'static str,
    /// Its place in the decoder's memory.
    pub rows: usize,
    pub from: Start,
}

/// Sizes of this run.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub rows: usize,
    /// Tokens seen before.
    pub position: usize,
}

pub struct Step {
    /// What it computes, for messages.
    name: String,
    plan: Plan,
    dims: Dims,
    sizes: &'static [(&'static str, Size)],
    operands: Vec<Operand>,
    /// Whose bytes the plan reads.
    _file: Arc<Gguf>,
    /// Weights that do not lie in the file as kernels want them.
    _copies: Vec<Buffer>,
    /// The dims have been those of a run.
    planned: bool,
}

/// What makes steps: a model, kernels, so many workers.
pub struct Maker<'a> {
    pub gguf: &'a Arc<Gguf>,
    pub source: &'a dyn KernelSource,
    pub workers: usize,
}

impl Maker<'_> {
    /// A step of the op `text`. `weights` are bound for good: by the name in the op, the name in the file.
    pub fn step(
        &self,
        name: &str,
        text: &str,
        sizes: &'static [(&'static str, Size)],
        weights: &[(&str, &str)],
        operands: Vec<Operand>,
    ) -> Result<Step, Error> {
        let planned = |source| Error::Plan { step: name.into(), source };
        let kernel = |source| Error::Kernel { step: name.into(), source };
        let module = self.source.kernel(text).map_err(kernel)?;
        let mut dims = Dims { cores: self.workers as i64, ..Dims::default() };
        for (symbol, _) in sizes {
            dims.scalars.insert((*symbol).into(), 1);
        }
        let mut plan = module.plan(&dims).map_err(planned)?;
        let mut copies = Vec::new();
        for (name, tensor) in weights {
            let tensor = self.gguf.tensor(tensor)?;
            for prepared in prepare(&module, name, tensor)? {
                plan.bind_prepared(&Arc::new(prepared)).map_err(planned)?;
            }
            let Some((dtype, shape)) = parameter(&plan, name).filter(|_| plan.uses(name)) else {
                continue;
            };
            let (mut pointer, bytes) = (tensor.bytes.as_ptr().cast_mut(), tensor.bytes.len());
            if !pointer.addr().is_multiple_of(ALIGN_LEAST) {
                let mut copy = Buffer::zeroed(bytes)?;
                copy.bytes_mut().copy_from_slice(tensor.bytes);
                pointer = copy.bytes_mut().as_mut_ptr();
                copies.push(copy);
            }
            let view = View { dtype, shape: &shape, strides: None, pointer, bytes };
            // SAFETY: the step keeps the file, which is mapped, and the copies; kernels do not write to inputs.
            unsafe { plan.bind(name, view) }.map_err(planned)?;
        }
        let file = Arc::clone(self.gguf);
        let (name, planned) = (name.into(), false);
        Ok(Step { name, plan, dims, sizes, operands, _file: file, _copies: copies, planned })
    }
}

/// As tensors of a file are aligned, if its writer did not choose otherwise.
const ALIGN_LEAST: usize = 32;

/// The weight as each prepare step of the module wants it.
fn prepare(module: &Module, name: &str, tensor: TensorInfo<'_>) -> Result<Vec<Prepared>, Error> {
    let failed = |what: String| Error::Tensor { name: tensor.name.into(), what };
    let mut out = Vec::new();
    for step in module.manifest().prepares.iter().filter(|p| p.sources() == [name]) {
        let format = tensor.format.ok_or_else(|| failed("its type is unknown".into()))?;
        let (k, rows) = tensor.dims.split_last().map_or((1, &[][..]), |(k, rows)| (*k, rows));
        let n = rows.iter().product();
        let packed =
            step.packing.pack(format, tensor.bytes, n, k).map_err(|e| failed(e.to_string()))?;
        let mut buffer = Buffer::zeroed(packed.len())?;
        buffer.bytes_mut().copy_from_slice(&packed);
        let prepared = Prepared::from_packed(module, &step.name, &[n, k], buffer);
        out.push(prepared.map_err(|e| failed(e.to_string()))?);
    }
    Ok(out)
}

/// Element type and shape of a parameter, as planned.
fn parameter(plan: &Plan, name: &str) -> Option<(Dtype, Vec<usize>)> {
    let param = plan.module().manifest().params.iter().find(|t| t.name == name)?;
    Some((param.elem, plan.shape(name)?.to_vec()))
}

impl Step {
    pub fn run(
        &mut self,
        now: Now,
        memory: &mut [Rows],
        workers: &dyn Workers,
    ) -> Result<(), Error> {
        self.try_run(now, memory, workers)
            .map_err(|source| Error::Plan { step: self.name.clone(), source })
    }

    fn try_run(
        &mut self,
        now: Now,
        memory: &mut [Rows],
        workers: &dyn Workers,
    ) -> Result<(), PlanError> {
        let changed = self.resize(now) || !self.planned;
        if changed {
            self.planned = false;
            self.plan.update(&self.dims)?;
        }
        for operand in &self.operands {
            if !changed && operand.from == Start::First {
                continue;
            }
            let Some((dtype, shape)) = parameter(&self.plan, operand.name) else { continue };
            let Some(Rows { memory, row }) = memory.get_mut(operand.rows) else { continue };
            let skipped = match operand.from {
                Start::First => 0,
                Start::Last => now.rows.saturating_sub(1),
                Start::Position => now.position,
            };
            let bytes =
                memory.bytes_mut().get_mut(skipped.saturating_mul(*row)..).unwrap_or(&mut []);
            let (pointer, bytes) = (bytes.as_mut_ptr(), bytes.len());
            let view = View { dtype, shape: &shape, strides: None, pointer, bytes };
            // SAFETY: the decoder keeps its memory, whose bytes do not move, as long as its steps, and nobody
            // touches it while a step runs. No op writes to rows that it reads.
            unsafe { self.plan.bind(operand.name, view)? };
        }
        self.planned = true;
        self.plan.run(workers)
    }

    /// Sets the symbols; whether one has changed.
    fn resize(&mut self, now: Now) -> bool {
        let mut changed = false;
        for (symbol, size) in self.sizes {
            let value = match size {
                Size::Rows => now.rows,
                Size::One => 1,
                Size::Seen => now.position + now.rows,
            };
            if let Some(place) = self.dims.scalars.get_mut(*symbol) {
                changed |= *place != value as i64;
                *place = value as i64;
            }
        }
        changed
    }
}

/// The rows of a step by name.
pub fn operands(list: &[(&'static str, usize, Start)]) -> Vec<Operand> {
    list.iter().map(|&(name, rows, from)| Operand { name, rows, from }).collect()
}
