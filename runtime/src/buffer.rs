//! Aligned memory: 64 bytes at least, large buffers on 2 MiB pages where the system has them.
//!
//! A guarded buffer has canary bytes on both sides, which tell of writes outside. A fenced one stands at a page that
//! nothing may touch: reads outside are found, too, but end the process.

mod fence;

pub use fence::Side;

use memmap2::MmapMut;

/// Alignment of every buffer: one cache line, one 512-bit vector.
pub const ALIGN: usize = 64;

/// From this size on, a buffer stands on pages of this size.
const HUGE: usize = 2 << 20;

const GUARD: usize = 64;
/// What stands in memory that nobody wrote.
pub const POISON: u8 = 0xff;
const CANARY: u8 = 0xc5;

/// Zeroed memory.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    start: usize,
    len: usize,
    guarded: bool,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Map(MmapMut),
    Fenced(fence::Fenced),
}

/// How the memory of tests tells of accesses outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// Writes are found when the run has ended.
    #[default]
    Canaries,
    /// Reads and writes end the process.
    Fences,
}

#[derive(Debug, thiserror::Error)]
pub enum BufferError {
    #[error("{bytes} bytes are more than this machine can address")]
    TooLarge { bytes: usize },
    #[error("cannot allocate {bytes} bytes: {reason}")]
    Allocation { bytes: usize, reason: String },
}

impl Buffer {
    pub fn zeroed(len: usize) -> Result<Buffer, BufferError> {
        Buffer::allocate(len, false)
    }

    /// With canary bytes before and behind; see [`Buffer::damage`].
    pub fn guarded(len: usize) -> Result<Buffer, BufferError> {
        let mut buffer = Buffer::allocate(len, true)?;
        let (start, end) = (buffer.start, buffer.start + len);
        let memory = buffer.memory_mut();
        memory[start - GUARD..start].fill(CANARY);
        memory[end..end + GUARD].fill(CANARY);
        Ok(buffer)
    }

    /// At a page that nothing may touch, whose side it is; the other side has canary bytes.
    pub fn fenced(len: usize, side: Side) -> Result<Buffer, BufferError> {
        let memory = Memory::Fenced(fence::Fenced::new(len, side)?);
        Ok(Buffer { memory, start: 0, len, guarded: true })
    }

    fn allocate(len: usize, guarded: bool) -> Result<Buffer, BufferError> {
        let align = if len >= HUGE { HUGE } else { ALIGN };
        let front = if guarded { GUARD } else { 0 };
        let total = len
            .checked_add(align + 2 * front)
            .filter(|t| isize::try_from(*t).is_ok())
            .ok_or(BufferError::TooLarge { bytes: len })?;
        let memory = if len >= HUGE {
            let map = MmapMut::map_anon(total)
                .map_err(|e| BufferError::Allocation { bytes: len, reason: e.to_string() })?;
            // Only a hint: a kernel without huge pages says no, and small pages serve as well.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            Memory::Map(map)
        } else {
            let mut bytes = Vec::new();
            bytes
                .try_reserve_exact(total)
                .map_err(|e| BufferError::Allocation { bytes: len, reason: e.to_string() })?;
            bytes.resize(total, 0);
            Memory::Heap(bytes)
        };
        let mut buffer = Buffer { memory, start: 0, len, guarded };
        let base = buffer.memory_mut().as_ptr().addr();
        buffer.start = (base + front).next_multiple_of(align) - base;
        Ok(buffer)
    }

    fn memory_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Heap(v) => v,
            Memory::Map(m) => m,
            Memory::Fenced(f) => f.bytes_mut(),
        }
    }

    fn memory(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap(v) => v,
            Memory::Map(m) => m,
            Memory::Fenced(f) => f.bytes(),
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.memory()[self.start..self.start + self.len]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let range = self.start..self.start + self.len;
        &mut self.memory_mut()[range]
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Overwrites everything: NaN in every float type and -1 in every signed integer.
    pub fn poison(&mut self) {
        self.bytes_mut().fill(POISON);
    }

    /// Place of the first changed canary byte, counted from the start of the buffer.
    pub fn damage(&self) -> Option<isize> {
        if let Memory::Fenced(fenced) = &self.memory {
            return fenced.damage();
        }
        if !self.guarded {
            return None;
        }
        let end = self.start + self.len;
        let mut places = (self.start - GUARD..self.start).chain(end..end + GUARD);
        let place = places.find(|i| self.memory()[*i] != CANARY)?;
        Some(place as isize - self.start as isize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_aligned_zeroed_and_whole() {
        for len in [0, 1, 63, 64, 65, HUGE - 1, HUGE, HUGE + 1] {
            for mut b in [Buffer::zeroed(len).unwrap(), Buffer::guarded(len).unwrap()] {
                let align = if len >= HUGE { HUGE } else { ALIGN };
                assert_eq!(b.bytes().as_ptr().addr() % align, 0);
                assert_eq!((b.bytes().len(), b.is_empty()), (len, len == 0));
                assert!(b.bytes().iter().all(|x| *x == 0));
                b.poison();
                assert!(b.bytes().iter().all(|x| *x == 0xff));
                assert_eq!(b.damage(), None);
            }
        }
    }

    #[test]
    fn fenced_memory_stands_at_its_fence() {
        for len in [0, 1, 4, 65_535, 65_536, 65_537] {
            for side in [Side::Before, Side::Behind] {
                let mut b = Buffer::fenced(len, side).unwrap();
                assert!(b.len() == len && b.bytes().iter().all(|x| *x == 0));
                let edge = match side {
                    Side::Before => b.bytes().as_ptr().addr(),
                    Side::Behind => b.bytes().as_ptr().addr() + len,
                };
                assert_eq!(edge % 65_536, 0, "{len} {side:?}");
                b.poison();
                assert!(b.bytes().iter().all(|x| *x == 0xff));
                assert_eq!(b.damage(), None);
            }
        }
        let error = Buffer::fenced(usize::MAX, Side::Before).unwrap_err().to_string();
        assert!(error.ends_with("are more than this machine can address"), "{error}");
    }

    #[test]
    fn writes_outside_are_seen() {
        for (place, told) in [(-1isize, -1), (-64, -64), (10, 10), (73, 73)] {
            let mut b = Buffer::guarded(10).unwrap();
            let at = b.start.checked_add_signed(place).unwrap();
            b.memory_mut()[at] = 0;
            assert_eq!(b.damage(), Some(told));
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        let error = Buffer::zeroed(usize::MAX).unwrap_err().to_string();
        assert!(error.ends_with("are more than this machine can address"), "{error}");
        let error = Buffer::zeroed(isize::MAX as usize - HUGE).unwrap_err().to_string();
        assert!(error.starts_with("cannot allocate "), "{error}");
    }
}
