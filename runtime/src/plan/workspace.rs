//! The memory of a plan, in parts: counters, scratch, reports, workspace tensors.
//!
//! ```text
//! memory.clear();
//! let counters = memory.part(Some(256))?;   // parts are named by number
//! memory.seat()?;                           // allocates if the capacity does not suffice
//! memory.address(counters)
//! ```

use super::address;
use crate::buffer::{Buffer, BufferError};
use std::ops::Range;

/// Parts begin at multiples of this.
pub(super) const OFFSET: usize = 256;

#[derive(Debug)]
pub(super) struct Workspace {
    memory: Buffer,
    parts: Vec<Range<usize>>,
    /// Bytes of `memory` that the parts take.
    used: usize,
}

impl Workspace {
    /// Has room for so many parts; more of them allocate.
    pub fn new(parts: usize) -> Result<Workspace, BufferError> {
        Ok(Workspace { memory: Buffer::zeroed(0)?, parts: Vec::with_capacity(parts), used: 0 })
    }

    pub fn clear(&mut self) {
        self.parts.clear();
        self.used = 0;
    }

    /// The next part, of so many bytes; `None` if no machine has them.
    pub fn part(&mut self, bytes: Option<usize>) -> Option<usize> {
        let start = self.used;
        let end = start.checked_add(bytes?)?;
        self.used = end.checked_next_multiple_of(OFFSET)?;
        self.parts.push(start..end);
        Some(self.parts.len() - 1)
    }

    /// Memory for all parts; its content is what it was, or zeros.
    pub fn seat(&mut self) -> Result<(), BufferError> {
        if self.used > self.memory.len() {
            self.memory = Buffer::zeroed(self.used)?;
        }
        Ok(())
    }

    pub fn used(&self) -> usize {
        self.used
    }

    pub fn address(&mut self, part: usize) -> u64 {
        address(self.bytes_mut(part).as_mut_ptr())
    }

    pub fn bytes(&self, part: usize) -> &[u8] {
        &self.memory.bytes()[self.parts[part].clone()]
    }

    pub fn bytes_mut(&mut self, part: usize) -> &mut [u8] {
        &mut self.memory.bytes_mut()[self.parts[part].clone()]
    }

    /// Overwrites everything with NaN.
    pub fn poison(&mut self) {
        self.memory.poison();
    }
}
