//! The memory of a plan, in parts: counters, scratch, reports, workspace tensors. In tests each part may stand alone at
//! a fence, so that a kernel which leaves its own is found.
//!
//! ```text
//! memory.clear();
//! let counters = memory.part(Some(256))?;   // parts are named by number
//! memory.seat()?;                           // allocates if the capacity does not suffice
//! memory.address(counters)
//! ```

use super::address;
use crate::buffer::{Buffer, BufferError, Side};
use std::ops::Range;

/// Parts begin at multiples of this.
pub(super) const OFFSET: usize = 256;

#[derive(Debug)]
pub(super) struct Workspace {
    memory: Buffer,
    parts: Vec<Range<usize>>,
    /// Bytes of `memory` that the parts take.
    used: usize,
    /// Each part alone, where they are fenced.
    fenced: Vec<Buffer>,
    /// Fences, and the side of the first part's.
    fences: Option<usize>,
}

impl Workspace {
    /// Has room for so many parts; more of them allocate.
    pub fn new(parts: usize) -> Result<Workspace, BufferError> {
        let (memory, parts) = (Buffer::zeroed(0)?, Vec::with_capacity(parts));
        Ok(Workspace { memory, parts, used: 0, fenced: Vec::new(), fences: None })
    }

    /// From the next seat on, every part stands at a fence; sides go by turns from `first`.
    pub fn fence(&mut self, first: usize) {
        self.fences = Some(first);
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
        if let Some(first) = self.fences {
            self.fenced.clear();
            for (i, part) in self.parts.iter().enumerate() {
                self.fenced.push(Buffer::fenced(part.len(), Side::of(first + i))?);
            }
        } else if self.used > self.memory.len() {
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
        if let Some(fenced) = self.fenced.get(part) {
            return fenced.bytes();
        }
        &self.memory.bytes()[self.parts[part].clone()]
    }

    pub fn bytes_mut(&mut self, part: usize) -> &mut [u8] {
        if let Some(fenced) = self.fenced.get_mut(part) {
            return fenced.bytes_mut();
        }
        &mut self.memory.bytes_mut()[self.parts[part].clone()]
    }

    /// Overwrites everything with NaN.
    pub fn poison(&mut self) {
        self.memory.poison();
        self.fenced.iter_mut().for_each(Buffer::poison);
    }

    /// Place of the first byte that was written beside a fenced part.
    pub fn damage(&self) -> Option<isize> {
        self.fenced.iter().find_map(Buffer::damage)
    }
}
