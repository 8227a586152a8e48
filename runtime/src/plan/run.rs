//! Launches: counters zeroed, then every worker enters each kernel.

#![allow(unsafe_code)]

use super::{Plan, PlanError};
use crate::{
    driver::Loaded,
    module::{Code, Kernel, Module, PlacedLaunch, SlotSource, Source},
    pool::{Barrier, Workers},
};
use kgen_ir::machine::REPORT;

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
        self.memory.bytes_mut(self.counters).fill(0);
        self.memory.bytes_mut(self.reports).fill(0);
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
        self.reported()
    }

    /// What a kernel that checks its accesses says of the first one it did not do: of what its workers say, each of its
    /// own tasks, the first instruction at the lowest address, whichever worker took the task.
    fn reported(&self) -> Result<(), PlanError> {
        let variant = &self.module.variants[self.variant];
        let mut reports = self.memory.bytes(self.reports).chunks_exact(REPORT);
        for (launch, (kernel, first)) in variant.launches.iter().zip(&self.launches) {
            let (number, kernel) = (*kernel, &self.module.kernels[*kernel]);
            let workers = self.report_bytes(kernel) / REPORT;
            let said = reports.by_ref().take(workers).enumerate().filter_map(|(worker, report)| {
                let word = |i: usize| {
                    let bytes = report.get(8 * i..).and_then(|rest| rest.first_chunk());
                    bytes.map_or(0, |b| i64::from_le_bytes(*b))
                };
                let [instruction, address, bytes, slot] = [0, 1, 2, 3].map(word);
                (instruction != 0).then_some((instruction, address, bytes, slot, worker))
            });
            if let Some((instruction, address, bytes, slot, worker)) = said.min() {
                let args = self.args.get(*first..).unwrap_or(&[]);
                let entry = &self.module.manifest.kernels[number];
                return Err(PlanError::Access {
                    kernel: entry.name.clone(),
                    instruction,
                    bytes,
                    place: self.place(launch, kernel, args, worker, address, slot),
                });
            }
        }
        Ok(())
    }

    /// `byte 4096 of `k`, which has 4096`.
    fn place(
        &self,
        launch: &PlacedLaunch,
        kernel: &Kernel,
        args: &[u64],
        worker: usize,
        address: i64,
        slot: i64,
    ) -> String {
        let m = &self.module.manifest;
        let slot = usize::try_from(slot).ok().and_then(|s| s.checked_sub(1));
        let source = slot.and_then(|s| kernel.slots.get(s));
        let start = slot.and_then(|s| args.get(s)).map_or(0, |a| *a as i64);
        let byte = address.wrapping_sub(start);
        match source {
            Some(SlotSource::Pointer(arg)) => {
                let name = match &launch.args[*arg] {
                    Source::Param(i) => m.params[*i].name.as_str(),
                    Source::Buffer(i) => m.buffers[*i].name.as_str(),
                    Source::Prepared(i, _) => m.prepares[*i].name.as_str(),
                    Source::Scalar(_) => "?",
                };
                let end = kernel
                    .slots
                    .iter()
                    .position(|s| matches!(s, SlotSource::End(other) if other == arg));
                let end = end.and_then(|s| args.get(s)).map_or(start, |a| *a as i64);
                format!("byte {byte} of `{name}`, which has {}", end.wrapping_sub(start))
            }
            Some(SlotSource::Scratch) => {
                let own = byte.wrapping_sub((worker * kernel.scratch) as i64);
                format!("byte {own} of the scratch of a worker, which has {}", kernel.scratch)
            }
            Some(SlotSource::Counter(i)) => format!("byte {byte} of counter {i}, which has 8"),
            Some(
                SlotSource::Stride(..)
                | SlotSource::Extent(_)
                | SlotSource::End(_)
                | SlotSource::Report,
            )
            | None => format!("address {address:#x}, which is in nothing that it was given"),
        }
    }
}
