//! The safe way to run a module: host tensors in, host tensors out, everything checked.
//!
//! Memory is copied, outputs stand between canary bytes or at fences ([`Guard`]) and hold NaN before the run: for tests,
//! `kgen run` and `kgen verify`, not for engines.

#![allow(unsafe_code)]

use crate::{
    buffer::{Buffer, BufferError, Guard, POISON, Side},
    driver::Device,
    module::{Module, hint},
    plan::{Held, Placed, Plan, PlanError, Prepared, View},
    pool::Workers,
};
use kgen_ir::{diag::did_you_mean, dtype::Dtype, extent::Dims, tensor::Tensor, tile::Role};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Memory(#[from] BufferError),
    #[error("input `{0}` is missing")]
    Missing(String),
    #[error("there is no input `{name}`{}", hint(.near))]
    Unknown { name: String, near: Option<String> },
    #[error("`{name}` holds {found} bytes, its shape {shape:?} needs {needed}")]
    Bytes { name: String, shape: Vec<usize>, needed: usize, found: usize },
    #[error("the run wrote outside of `{name}`, at byte {place} of {bytes}")]
    Canary { name: String, place: isize, bytes: usize },
}

/// Runs once. An output that is also among `inputs` starts from that content; weights that are prepared come by
/// `prepared`, and their sources may stand among the inputs unused.
pub fn run_tensors(
    module: &Arc<Module>,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    prepared: &[Arc<Prepared>],
    workers: &dyn Workers,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut session = Session::new(module, dims, inputs, prepared, Guard::Canaries)?;
    session.run(workers)?;
    session.outputs()
}

/// How the elements of tensors lie in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strides {
    /// The last dimension fastest, nothing in between.
    #[default]
    Dense,
    /// With places between rows that belong to nobody: how many, a seed says.
    Apart(u64),
    /// The two dimensions before the last change places in these tensors: `[b, n, h, d]` lies as `[b, h, n, d]`.
    Swapped(&'static [&'static str]),
}

/// Tensors bound to a plan, to be run many times; it owns their memory.
pub struct Session {
    plan: Plan,
    memory: Vec<Kept>,
}

struct Kept {
    name: String,
    role: Role,
    dtype: Dtype,
    shape: Vec<usize>,
    buffer: Buffer,
    /// Bytes between neighbours, where rows do not touch.
    strides: Option<Vec<usize>>,
    /// It holds what the caller gave.
    known: bool,
}

impl Session {
    /// As [`run_tensors`], without running.
    pub fn new(
        module: &Arc<Module>,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
        prepared: &[Arc<Prepared>],
        guard: Guard,
    ) -> Result<Session, Error> {
        Session::laid(module, dims, inputs, prepared, guard, Strides::Dense)
    }

    /// As [`Session::new`], with tensors that lie otherwise.
    pub fn laid(
        module: &Arc<Module>,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
        prepared: &[Arc<Prepared>],
        guard: Guard,
        strides: Strides,
    ) -> Result<Session, Error> {
        let params = &module.manifest().params;
        let known = |name: &str| {
            let near = || did_you_mean(name, params.iter().map(|t| t.name.as_str()));
            let unknown = || Error::Unknown { name: name.into(), near: near().map(Into::into) };
            params.iter().find(|t| t.name == name).ok_or_else(unknown)
        };
        for (name, tensor) in inputs {
            known(name)?;
            check_bytes(name, tensor)?;
        }
        if let Strides::Swapped(names) = strides {
            names.iter().try_for_each(|name| known(name).map(|_| ()))?;
        }
        let mut plan = module.plan(dims)?;
        // Every tensor is to meet both kinds of fences, and the same case always the same ones.
        let turn = dims.scalars.values().fold(0i64, |sum, x| sum.wrapping_add(*x)) & 1;
        if guard == Guard::Fences {
            plan.fence(turn as usize)?;
        }
        let mut memory = Vec::new();
        for (i, param) in params.iter().enumerate() {
            if !plan.uses(&param.name) {
                continue;
            }
            let shape = plan.shape(&param.name).unwrap_or(&[]).to_vec();
            let input = inputs.get(&param.name);
            if input.is_none() && param.role != Role::Out {
                return Err(Error::Missing(param.name.clone()));
            }
            let (dtype, shape) = input.map_or((param.elem, shape), |t| (t.dtype, t.shape.clone()));
            let elem = dtype.bytes().unwrap_or(1);
            let too_large = || PlanError::TooLarge(param.name.clone());
            let strides = match strides {
                Strides::Dense => None,
                Strides::Apart(seed) => Some(apart(&shape, elem, seed.wrapping_add(i as u64))),
                Strides::Swapped(names) => {
                    names.contains(&param.name.as_str()).then(|| swapped(&shape, elem)).flatten()
                }
            };
            let bytes = match &strides {
                None => shape.iter().try_fold(elem, |n, s| n.checked_mul(*s)),
                Some(strides) => reach(&shape, elem, strides),
            };
            let bytes = bytes.ok_or_else(too_large)?;
            let mut buffer = match guard {
                Guard::Canaries => Buffer::guarded(bytes)?,
                Guard::Fences => Buffer::fenced(bytes, Side::of(i + turn as usize))?,
            };
            match (input, &strides) {
                (Some(tensor), None) => buffer.bytes_mut().copy_from_slice(&tensor.bytes),
                (Some(tensor), Some(strides)) => {
                    buffer.poison();
                    let to = buffer.bytes_mut();
                    for (row, at) in rows(&shape, elem, strides) {
                        to[at..at + row.len()].copy_from_slice(&tensor.bytes[row]);
                    }
                }
                (None, _) => buffer.poison(),
            }
            let mut view = View::of_buffer(dtype, &shape, &mut buffer);
            view.strides = strides.as_deref();
            // SAFETY: the session keeps the buffer, whose bytes do not move, as long as the plan, and hands it
            // to nobody while the plan runs.
            unsafe { plan.bind(&param.name, view)? };
            let (name, role, known) = (param.name.clone(), param.role, input.is_some());
            memory.push(Kept { name, role, dtype, shape, buffer, strides, known });
        }
        for p in prepared {
            if plan.uses(&p.name) {
                plan.bind_prepared(p)?;
            }
        }
        plan.check()?;
        plan.poison();
        Ok(Session { plan, memory })
    }

    /// Binds the same memory to a plan of another module: nothing is copied. `false`, and nothing changed, where that
    /// module wants other tensors, or weights packed otherwise.
    pub fn rebind(&mut self, module: &Arc<Module>, dims: &Dims) -> Result<bool, Error> {
        let new = module.manifest();
        if self.plan.module().manifest().prepares != new.prepares {
            return Ok(false);
        }
        let mut plan = module.plan(dims)?;
        let used: Vec<_> = new.params.iter().filter(|p| plan.uses(&p.name)).collect();
        let same = |kept: &Kept| used.iter().any(|p| p.name == kept.name && p.role == kept.role);
        if used.len() != self.memory.len() || !self.memory.iter().all(same) {
            return Ok(false);
        }
        for kept in &mut self.memory {
            let mut view = View::of_buffer(kept.dtype, &kept.shape, &mut kept.buffer);
            view.strides = kept.strides.as_deref();
            // SAFETY: as in `laid`; the plan that had the memory before goes with this call.
            unsafe { plan.bind(&kept.name, view)? };
        }
        self.plan.weights().try_for_each(|w| plan.bind_prepared(w))?;
        plan.check()?;
        plan.poison();
        self.plan = plan;
        Ok(true)
    }

    /// The variant of the program that fits these sizes and strides.
    pub fn variant(&self) -> &str {
        self.plan.variant()
    }

    pub fn run(&mut self, workers: &dyn Workers) -> Result<(), Error> {
        Ok(self.plan.run(workers)?)
    }

    /// As [`Session::run`], on a device: what is here goes there and comes back.
    pub fn run_on(&mut self, device: &mut dyn Device) -> Result<(), Error> {
        let known: Vec<&str> =
            self.memory.iter().filter(|h| h.known).map(|h| h.name.as_str()).collect();
        Ok(self.plan.run_on(device, &|name| known.contains(&name))?)
    }

    /// A copy of what is here on a device, to be run there many times.
    pub fn place_on(&self, device: &mut dyn Device) -> Result<Placed, Error> {
        let known = |name: &str| self.memory.iter().any(|h| h.known && h.name == name);
        Ok(self.plan.place_on(device, &|name| Held::Copied { known: known(name) })?)
    }

    /// What the last run wrote; an error if it wrote beside a tensor.
    pub fn outputs(&self) -> Result<BTreeMap<String, Tensor>, Error> {
        let mut outputs = BTreeMap::new();
        if let Some(place) = self.plan.damage() {
            let (name, bytes) = ("workspace".into(), self.plan.workspace_bytes());
            return Err(Error::Canary { name, place, bytes });
        }
        for held in &self.memory {
            if let Some(place) = held.buffer.damage() {
                let (name, bytes) = (held.name.clone(), held.buffer.len());
                return Err(Error::Canary { name, place, bytes });
            }
            if held.role == Role::Out {
                let bytes = held.dense()?;
                let tensor = Tensor { dtype: held.dtype, shape: held.shape.clone(), bytes };
                outputs.insert(held.name.clone(), tensor);
            }
        }
        Ok(outputs)
    }
}

impl Kept {
    /// Its elements one after the other; an error if something was written between the rows.
    fn dense(&self) -> Result<Vec<u8>, Error> {
        let from = self.buffer.bytes();
        let Some(strides) = &self.strides else { return Ok(from.to_vec()) };
        let elem = self.dtype.bytes().unwrap_or(1);
        let mut bytes = vec![0; self.shape.iter().product::<usize>() * elem];
        let mut nobody = vec![true; from.len()];
        for (row, at) in rows(&self.shape, elem, strides) {
            nobody[at..at + row.len()].fill(false);
            let size = row.len();
            bytes[row].copy_from_slice(&from[at..at + size]);
        }
        match (0..from.len()).find(|at| nobody[*at] && from[*at] != POISON) {
            Some(at) => {
                let (name, place, bytes) = (self.name.clone(), at as isize, from.len());
                Err(Error::Canary { name, place, bytes })
            }
            None => Ok(bytes),
        }
    }
}

/// Bytes between neighbours of each dimension, up to six elements more than they take but for the last.
fn apart(shape: &[usize], elem: usize, mut seed: u64) -> Vec<usize> {
    let mut strides = vec![elem; shape.len()];
    for d in (1..shape.len()).rev() {
        // splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let more = usize::try_from((z ^ (z >> 31)) % 7).unwrap_or(0);
        strides[d - 1] = strides[d].saturating_mul(shape[d]).saturating_add(more * elem);
    }
    strides
}

/// Bytes between neighbours where the two dimensions before the last have changed places, if there are two.
fn swapped(shape: &[usize], elem: usize) -> Option<Vec<usize>> {
    let outer = shape.len().checked_sub(3)?;
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.swap(outer, outer + 1);
    let mut strides = vec![elem; shape.len()];
    let mut size = elem;
    for d in order.into_iter().rev() {
        strides[d] = size;
        size = size.saturating_mul(shape[d]);
    }
    Some(strides)
}

/// Bytes from the first element to behind the last.
fn reach(shape: &[usize], elem: usize, strides: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let steps = shape.iter().zip(strides);
    steps
        .into_iter()
        .try_fold(elem, |sum, (n, stride)| (n - 1).checked_mul(*stride)?.checked_add(sum))
}

/// The bytes of each row in a dense tensor, and where they begin in one of these strides.
fn rows<'a>(
    shape: &'a [usize],
    elem: usize,
    strides: &'a [usize],
) -> impl Iterator<Item = (Range<usize>, usize)> + 'a {
    let (width, outer) = shape.split_last().map_or((1, shape), |(last, outer)| (*last, outer));
    (0..if width == 0 { 0 } else { outer.iter().product() }).map(move |row| {
        let mut left = row;
        let mut at = 0;
        for (n, stride) in outer.iter().zip(strides).rev() {
            at += left % n * stride;
            left /= n;
        }
        (row * width * elem..(row + 1) * width * elem, at)
    })
}

fn check_bytes(name: &str, t: &Tensor) -> Result<(), Error> {
    let elem = t.dtype.bytes().unwrap_or(1);
    let needed = t.shape.iter().try_fold(elem, |n, s| n.checked_mul(*s)).unwrap_or(usize::MAX);
    if needed == t.bytes.len() {
        return Ok(());
    }
    let (shape, found) = (t.shape.clone(), t.bytes.len());
    Err(Error::Bytes { name: name.into(), shape, needed, found })
}
