//! Running a plan on a device that has memory of its own: tensors go there, results come back.
//!
//! ```text
//! let placed = plan.place_on(&mut device, &|name| Held::Copied { known: true })?;
//! placed.enqueue(&mut device)?;                    // zeroes counters, launches; again and again, or into a graph
//! placed.write(&mut device, "kv.len", &lengths)?;  // what kernels read from memory may change between runs
//! placed.read(&mut device, "o", &mut bytes)?;
//! ```
//!
//! Each tensor, each part of the workspace has memory of its own there, so that a device that checks accesses finds
//! one that leaves its tensor.

#![allow(unsafe_code)]

use super::{COUNTER, COUNTERS, Plan, PlanError};
use crate::{
    driver::{Device, DeviceKernel, DriverError},
    module::{Code, Module, SlotSource, Source},
};
use kgen_ir::{
    extent::{BinOp, Extent},
    tile::{Compare, Role},
};
use std::{collections::BTreeMap, sync::Arc};

/// Where a bound parameter is for the kernels of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A copy of what is bound; `known`: its content counts before kernels have written it.
    Copied { known: bool },
    /// At this address of the device, where the caller keeps it in the shape and strides of the binding.
    There(u64),
}

/// A plan whose tensors are on a device: addresses, and arguments of every launch.
pub struct Placed {
    module: Arc<Module>,
    /// Address and bytes of the counters.
    counters: (u64, usize),
    launches: Vec<Launch>,
    params: BTreeMap<usize, (u64, usize)>,
}

/// What one launch takes.
struct Launch {
    name: String,
    /// As the device numbers it.
    kernel: usize,
    grid: usize,
    args: Vec<u64>,
}

/// Addresses on the device.
#[derive(Default)]
struct There {
    params: BTreeMap<usize, (u64, usize)>,
    buffers: BTreeMap<usize, u64>,
    prepared: BTreeMap<usize, u64>,
    counters: (u64, usize),
    scratch: u64,
}

impl Plan {
    /// Copies what is bound to the device, runs all launches there, copies outputs back. `known` says of a tensor
    /// whether its content counts before kernels have written it.
    pub fn run_on(
        &mut self,
        device: &mut dyn Device,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<(), PlanError> {
        let placed = self.place_on(device, &|name| Held::Copied { known: known(name) })?;
        placed.enqueue(device)?;
        for &i in placed.params.keys() {
            let t = &self.module.manifest.params[i];
            if t.role != Role::Out {
                continue;
            }
            let (start, len) = self.bytes_of(i);
            let place = std::ptr::with_exposed_provenance_mut::<u8>(start);
            // SAFETY: `bind` checked that the memory has so many bytes, and its contract keeps that of outputs
            // writable and untouched by others.
            let bytes = unsafe { std::slice::from_raw_parts_mut(place, len) };
            placed.read(device, &t.name, bytes)?;
        }
        Ok(())
    }

    /// Memory on the device for all that the variant touches. The sizes of the plan are what its launches are for:
    /// lengths that kernels read from tensors may shrink from run to run, but not outgrow them.
    pub fn place_on(
        &self,
        device: &mut dyn Device,
        held: &dyn Fn(&str) -> Held,
    ) -> Result<Placed, PlanError> {
        if !self.ready {
            return Err(PlanError::NotReady);
        }
        if let Some(name) = self.missing().next() {
            return Err(PlanError::NotBound(name.into()));
        }
        let module = Arc::clone(&self.module);
        let name = || module.manifest.name.clone();
        device.accepts(&module.manifest.features).map_err(|e| failed(&name(), e))?;
        let there = self.put(&module, device, held)?;
        let workers = usize::try_from(self.dims.cores).unwrap_or(0);
        let (mut counters, mut launches, mut loaded) = (0, Vec::new(), BTreeMap::new());
        let variant = &module.variants[self.variant];
        for ((number, first), launch) in self.launches.iter().zip(&variant.launches) {
            let (kernel, entry) = (&module.kernels[*number], &module.manifest.kernels[*number]);
            let (Code::Text(text), Some(block)) = (&module.code[kernel.code], entry.block) else {
                return Err(PlanError::Here(name()));
            };
            let mut args = Vec::new();
            for (slot, here) in kernel.slots.iter().zip(&self.args[*first..]) {
                args.push(match slot {
                    SlotSource::Pointer(arg) => there.address(&launch.args[*arg]),
                    SlotSource::Counter(i) => there.counters.0 + ((counters + i) * COUNTER) as u64,
                    SlotSource::Scratch => there.scratch,
                    SlotSource::Stride(..) | SlotSource::Extent(_) => *here,
                    SlotSource::End(_) | SlotSource::Report => {
                        return Err(PlanError::Checked(name()));
                    }
                });
            }
            args.push(workers as u64);
            counters += kernel.counters;
            let grid = workers.div_ceil(block.workers.max(1));
            let code = DeviceKernel { text, entry: &entry.entry, block };
            let kernel = match loaded.get(number) {
                Some(known) => *known,
                None => device.load(&code).map_err(|e| failed(&entry.name, e))?,
            };
            loaded.insert(*number, kernel);
            launches.push(Launch { name: entry.name.clone(), kernel, grid, args });
        }
        Ok(Placed { module, counters: there.counters, launches, params: there.params })
    }

    /// The address that a caller gives for a parameter. A variant for rows at multiples of some elements reads and copies
    /// as many at once: the first row must be at one, too.
    fn aligned(&self, i: usize, address: u64) -> Result<u64, PlanError> {
        let (m, variant) = (&self.module.manifest, &self.module.variants[self.variant]);
        let t = &m.params[i];
        let own = |name: &str| {
            name.strip_prefix(t.name.as_str()).is_some_and(|rest| rest.starts_with(".stride"))
        };
        let elements = variant.when.iter().filter_map(|p| {
            let (Extent::Bin(BinOp::Rem, of, by), Compare::Eq, Extent::Lit(0)) =
                (&p.left, p.cmp, &p.right)
            else {
                return None;
            };
            let Extent::Sym(name) = &**of else { return None };
            by.as_lit().filter(|_| own(name))
        });
        let bytes = t.elem.bytes().unwrap_or(1) as u64;
        let most = elements.filter_map(|n| u64::try_from(n).ok()).max().unwrap_or(1);
        let align = most.max(1) * bytes;
        if address.is_multiple_of(align) {
            return Ok(address);
        }
        let (name, variant) = (t.name.clone(), self.variant().to_owned());
        Err(PlanError::Base { name, address, align, variant })
    }

    /// Address here and bytes of a bound parameter, from its first element to its last.
    fn bytes_of(&self, i: usize) -> (usize, usize) {
        let elem = self.module.manifest.params[i].elem.bytes().unwrap_or(1);
        let (shape, strides) = (&self.shapes[i], &self.strides[i]);
        let last = shape.iter().zip(strides).map(|(n, s)| n.saturating_sub(1) * s).sum::<usize>();
        let bytes = if shape.contains(&0) { 0 } else { last + elem };
        let start = self.bound[i].and_then(|a| usize::try_from(a).ok());
        // Nothing is read where there is nothing.
        match start {
            Some(start) if start > 0 && bytes > 0 => (start, bytes),
            Some(_) | None => (COUNTER, 0),
        }
    }

    fn put(
        &self,
        module: &Module,
        device: &mut dyn Device,
        held: &dyn Fn(&str) -> Held,
    ) -> Result<There, PlanError> {
        let (m, variant) = (&module.manifest, &module.variants[self.variant]);
        let mut there = There::default();
        let zeros = vec![0; self.memory.bytes(self.counters).len()];
        let counters = device.put(COUNTERS, &zeros, true).map_err(|e| failed(COUNTERS, e))?;
        there.counters = (counters, zeros.len());
        let scratch = self.memory.bytes(self.scratch);
        there.scratch = device.put("scratch", scratch, false).map_err(|e| failed("scratch", e))?;
        for &i in &variant.buffers {
            let (name, bytes) = (&m.buffers[i].name, self.memory.bytes(self.buffers[i].0));
            let address = device.put(name, bytes, false).map_err(|e| failed(name, e))?;
            there.buffers.insert(i, address);
        }
        for &i in &variant.params {
            let name = &m.params[i].name;
            let (start, len) = self.bytes_of(i);
            let address = match held(name) {
                Held::There(address) => self.aligned(i, address)?,
                Held::Copied { known } => {
                    let place = std::ptr::with_exposed_provenance::<u8>(start);
                    // SAFETY: `bind` checked that the memory has so many bytes, and its contract keeps it valid.
                    let bytes = unsafe { std::slice::from_raw_parts(place, len) };
                    let address = device.put(name, bytes, known).map_err(|e| failed(name, e))?;
                    if m.params[i].role != Role::Out {
                        device.constant(address);
                    }
                    address
                }
            };
            there.params.insert(i, (address, len));
        }
        for &i in &variant.prepares {
            let Some(p) = &self.prepared[i] else { continue };
            let address = device.put(&p.name, p.bytes(), true).map_err(|e| failed(&p.name, e))?;
            device.constant(address);
            there.prepared.insert(i, address);
        }
        Ok(there)
    }
}

impl There {
    fn address(&self, source: &Source) -> u64 {
        let found = match source {
            Source::Param(i) => self.params.get(i).map(|p| p.0),
            Source::Buffer(i) => self.buffers.get(i).copied(),
            Source::Prepared(i, offset) => self.prepared.get(i).map(|a| a + *offset as u64),
            Source::Scalar(_) => None,
        };
        found.unwrap_or(0)
    }
}

impl Placed {
    /// Zeroes the counters and launches every kernel, in order.
    pub fn enqueue(&self, device: &mut dyn Device) -> Result<(), PlanError> {
        let (address, bytes) = self.counters;
        if bytes > 0 {
            device.zero(address, bytes).map_err(|e| failed(COUNTERS, e))?;
        }
        for l in &self.launches {
            device.launch(l.kernel, l.grid, &l.args).map_err(|e| failed(&l.name, e))?;
        }
        Ok(())
    }

    /// The kernels by the device's numbers, in the order of their launches.
    pub fn kernels(&self) -> impl Iterator<Item = usize> {
        self.launches.iter().map(|l| l.kernel)
    }

    /// Changes what a parameter holds, from its first byte on.
    pub fn write(
        &self,
        device: &mut dyn Device,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), PlanError> {
        let (address, len) = self.param(name)?;
        if bytes.len() > len {
            let (needed, found) = (bytes.len(), len);
            return Err(PlanError::Length { name: name.into(), needed, found });
        }
        device.write(address, bytes).map_err(|e| failed(name, e))
    }

    /// What a parameter holds, from its first byte on.
    pub fn read(
        &self,
        device: &mut dyn Device,
        name: &str,
        bytes: &mut [u8],
    ) -> Result<(), PlanError> {
        let (address, len) = self.param(name)?;
        if bytes.len() > len {
            let (needed, found) = (bytes.len(), len);
            return Err(PlanError::Length { name: name.into(), needed, found });
        }
        device.get(address, bytes).map_err(|e| failed(name, e))
    }

    fn param(&self, name: &str) -> Result<(u64, usize), PlanError> {
        let params = &self.module.manifest.params;
        let found = params.iter().position(|t| t.name == name).and_then(|i| self.params.get(&i));
        found.copied().ok_or_else(|| PlanError::NotUsed(name.into()))
    }
}

fn failed(name: &str, source: DriverError) -> PlanError {
    PlanError::Device { name: name.into(), source }
}
