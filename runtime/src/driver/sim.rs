//! The simulator as a device: kernels run by the meaning of their text, and each finding of the sanitiser is an error.
//!
//! ```text
//! let mut device = Sim::default();
//! session.run_on(&mut device)?;
//! println!("{} instructions", device.instructions);
//! ```

use super::{Device, DeviceKernel, DriverError};
use kgen_sim::ptx::{Arg, Launch, Memory, Module, run};

/// A GPU of any chip: the text says which.
#[derive(Default)]
pub struct Sim {
    memory: Memory,
}

/// Findings told of one launch.
const TOLD: usize = 4;

impl Sim {
    /// The buffer of an address, and bytes behind its start.
    fn find(&self, address: u64) -> Option<(usize, usize)> {
        (0..self.memory.len()).find_map(|i| {
            let offset = address.checked_sub(self.memory.address(i))?;
            let offset = usize::try_from(offset).ok()?;
            (offset <= self.memory.bytes(i).len()).then_some((i, offset))
        })
    }
}

impl Device for Sim {
    fn put(&mut self, name: &str, bytes: &[u8], known: bool) -> Result<u64, DriverError> {
        let index = self.memory.add(name, bytes.to_vec(), known);
        Ok(self.memory.address(index))
    }

    fn get(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), DriverError> {
        let found = self.find(address);
        let from = found.and_then(|(i, at)| self.memory.bytes(i).get(at..at + bytes.len()));
        match from {
            Some(from) => bytes.copy_from_slice(from),
            None => {
                return Err(DriverError::Wrong(format!(
                    "no {} bytes at {address:#x}",
                    bytes.len()
                )));
            }
        }
        Ok(())
    }

    fn launch(&mut self, kernel: &DeviceKernel<'_>, args: &[u64]) -> Result<(), DriverError> {
        let module = Module::parse(kernel.text).map_err(|e| DriverError::Compile(e.to_string()))?;
        let entry = module.entry(kernel.entry);
        let entry = entry.ok_or_else(|| DriverError::Entry(kernel.entry.into()))?;
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let launch = Launch {
            grid: [size(kernel.grid), 1, 1],
            block: [size(kernel.block.threads), 1, 1],
            ..Launch::default()
        };
        let args: Vec<Arg> = args.iter().map(|a| Arg::Bytes(a.to_le_bytes().to_vec())).collect();
        let report = run(&module, entry, &launch, &args, &mut self.memory)
            .map_err(|e| DriverError::Wrong(e.to_string()))?;
        if report.findings.is_empty() {
            return Ok(());
        }
        let told: Vec<String> =
            report.findings.iter().take(TOLD).map(ToString::to_string).collect();
        let more = report.findings.len().saturating_sub(TOLD);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(DriverError::Wrong(told.join("; ") + &more))
    }
}
