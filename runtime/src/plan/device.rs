//! Running a plan on a device that has memory of its own: tensors go there, results come back.
//!
//! Each tensor, each part of the workspace has memory of its own there, so that a device that checks accesses finds
//! one that leaves its tensor.

#![allow(unsafe_code)]

use super::{COUNTER, Plan, PlanError};
use crate::{
    driver::{Device, DeviceKernel, DriverError},
    module::{Code, Module, SlotSource, Source},
};
use kgen_ir::tile::Role;
use std::{collections::BTreeMap, sync::Arc};

/// Addresses on the device.
#[derive(Default)]
struct There {
    params: BTreeMap<usize, u64>,
    buffers: BTreeMap<usize, u64>,
    prepared: BTreeMap<usize, u64>,
    counters: u64,
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
        if !self.ready {
            return Err(PlanError::NotReady);
        }
        if let Some(name) = self.missing().next() {
            return Err(PlanError::NotBound(name.into()));
        }
        let module = Arc::clone(&self.module);
        let there = self.put(&module, device, known)?;
        let workers = usize::try_from(self.dims.cores).unwrap_or(0);
        let (mut counters, mut args) = (0, Vec::new());
        let variant = &module.variants[self.variant];
        for ((number, first), launch) in self.launches.iter().zip(&variant.launches) {
            let (kernel, entry) = (&module.kernels[*number], &module.manifest.kernels[*number]);
            let (Code::Text(text), Some(block)) = (&module.code[kernel.code], entry.block) else {
                return Err(PlanError::Here(module.manifest.name.clone()));
            };
            args.clear();
            let given = &self.args[*first..];
            for (slot, here) in kernel.slots.iter().zip(given) {
                args.push(match slot {
                    SlotSource::Pointer(arg) => there.address(&launch.args[*arg]),
                    SlotSource::Counter(i) => there.counters + ((counters + i) * COUNTER) as u64,
                    SlotSource::Scratch => there.scratch,
                    SlotSource::Stride(..) | SlotSource::Extent(_) => *here,
                    SlotSource::End(_) | SlotSource::Report => {
                        return Err(PlanError::Checked(module.manifest.name.clone()));
                    }
                });
            }
            args.push(workers as u64);
            counters += kernel.counters;
            let grid = workers.div_ceil(block.workers.max(1));
            let kernel = DeviceKernel { text, entry: &entry.entry, block, grid };
            device
                .launch(&kernel, &args)
                .map_err(|source| PlanError::Device { name: entry.name.clone(), source })?;
        }
        for (i, address) in &there.params {
            let t = &module.manifest.params[*i];
            if t.role != Role::Out {
                continue;
            }
            let (start, len) = self.bytes_of(*i);
            let place = std::ptr::with_exposed_provenance_mut::<u8>(start);
            // SAFETY: `bind` checked that the memory has so many bytes, and its contract keeps that of outputs
            // writable and untouched by others.
            let bytes = unsafe { std::slice::from_raw_parts_mut(place, len) };
            device.get(*address, bytes).map_err(|source| failed(&t.name, source))?;
        }
        Ok(())
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
        known: &dyn Fn(&str) -> bool,
    ) -> Result<There, PlanError> {
        let (m, variant) = (&module.manifest, &module.variants[self.variant]);
        let mut there = There::default();
        let zeros = vec![0; self.memory.bytes(self.counters).len()];
        there.counters = device.put("counters", &zeros, true).map_err(|e| failed("counters", e))?;
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
            let place = std::ptr::with_exposed_provenance::<u8>(start);
            // SAFETY: `bind` checked that the memory has so many bytes, and its contract keeps it valid.
            let bytes = unsafe { std::slice::from_raw_parts(place, len) };
            let address = device.put(name, bytes, known(name)).map_err(|e| failed(name, e))?;
            there.params.insert(i, address);
        }
        for &i in &variant.prepares {
            let Some(p) = &self.prepared[i] else { continue };
            let address = device.put(&p.name, p.bytes(), true).map_err(|e| failed(&p.name, e))?;
            there.prepared.insert(i, address);
        }
        Ok(there)
    }
}

impl There {
    fn address(&self, source: &Source) -> u64 {
        let found = match source {
            Source::Param(i) => self.params.get(i).copied(),
            Source::Buffer(i) => self.buffers.get(i).copied(),
            Source::Prepared(i, offset) => self.prepared.get(i).map(|a| a + *offset as u64),
            Source::Scalar(_) => None,
        };
        found.unwrap_or(0)
    }
}

fn failed(name: &str, source: DriverError) -> PlanError {
    PlanError::Device { name: name.into(), source }
}
