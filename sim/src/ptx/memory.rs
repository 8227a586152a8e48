//! Global memory: buffers with names and bounds, which live on from launch to launch.
//!
//! Each buffer has a window of addresses of its own, far larger than any buffer, so that an access past an end meets
//! nothing else and can be told by name.

/// Bits of an address inside its window.
const WINDOW: u32 = 36;
/// The windows below belong to shared, local and parameter memory as generic addresses.
const FIRST: u64 = 256;

/// State of a byte: never written, written, or about to be written by a copy that nobody has waited for.
pub const EMPTY: u8 = 0;
pub const WRITTEN: u8 = 1;
pub const PENDING: u8 = 2;

#[derive(Clone, Debug, Default)]
pub struct Memory {
    buffers: Vec<Buffer>,
}

#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Empty where all bytes are written.
    pub state: Vec<u8>,
    /// What each byte is as a function of the inputs; empty where nobody asked.
    pub terms: Vec<u64>,
    /// Its bytes decide where kernels go: they are not taken for data.
    pub known: bool,
    pub constant: bool,
}

impl Memory {
    /// A buffer of these bytes; reading a byte before it is written is a finding unless `initialised`.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>, initialised: bool) -> usize {
        let state = if initialised { vec![] } else { vec![EMPTY; bytes.len()] };
        self.buffers.push(Buffer {
            name: name.into(),
            bytes,
            state,
            terms: vec![],
            known: false,
            constant: false,
        });
        self.buffers.len() - 1
    }

    pub fn name(&self, index: usize) -> &str {
        self.buffers.get(index).map_or("", |b| &b.name)
    }

    /// The bytes of a buffer; none has no bytes.
    pub fn bytes(&self, index: usize) -> &[u8] {
        self.buffers.get(index).map_or(&[], |b| &b.bytes)
    }

    /// The bytes of a buffer to be changed by the host, which count as written.
    pub fn bytes_mut(&mut self, index: usize) -> &mut [u8] {
        match self.buffers.get_mut(index) {
            Some(buffer) => {
                buffer.state.clear();
                &mut buffer.bytes
            }
            None => &mut [],
        }
    }

    /// Says that a buffer holds places, such as a table of pages, and no data: proofs hold for these bytes alone.
    pub fn decides(&mut self, index: usize) {
        if let Some(buffer) = self.buffers.get_mut(index) {
            buffer.known = true;
        }
    }

    /// Says that kernels only read a buffer: a write to it is a finding, and reads need no order.
    pub fn constant(&mut self, index: usize) {
        if let Some(buffer) = self.buffers.get_mut(index) {
            buffer.constant = true;
        }
    }

    /// What the bytes of a buffer are as a function of the data: equal for equal functions.
    pub fn terms(&self, index: usize) -> Vec<u64> {
        let Some(buffer) = self.buffers.get(index) else { return vec![] };
        let terms = buffer.terms.iter().zip(&buffer.bytes);
        terms.map(|(t, b)| if *t == 0 { u64::from(*b) } else { *t }).collect()
    }

    /// Every byte that holds data is an unknown of its own; what is not written yet is none.
    pub(crate) fn follow(&mut self) {
        for (n, buffer) in self.buffers.iter_mut().enumerate() {
            if !buffer.terms.is_empty() {
                continue;
            }
            let data = buffer.state.is_empty() && !buffer.known;
            let term = |i: u64| (n as u64 + 1) << 48 | 1 << 47 | i;
            let count = buffer.bytes.len() as u64;
            buffer.terms = (0..count).map(|i| if data { term(i) } else { 0 }).collect();
        }
    }

    pub(crate) fn terms_mut(&mut self, index: usize) -> &mut [u64] {
        self.buffers.get_mut(index).map_or(&mut [], |b| &mut b.terms)
    }

    /// Of each byte, whether it was written.
    pub fn written(&self, index: usize) -> Vec<bool> {
        let Some(buffer) = self.buffers.get(index) else { return vec![] };
        let state = |i: usize| buffer.state.get(i).is_none_or(|s| *s == WRITTEN);
        (0..buffer.bytes.len()).map(state).collect()
    }

    /// Which bytes were never written.
    pub fn unwritten(&self, index: usize) -> usize {
        self.buffers.get(index).map_or(0, |b| b.state.iter().filter(|s| **s != WRITTEN).count())
    }

    /// Device address of the first byte.
    pub fn address(&self, index: usize) -> u64 {
        (index as u64 + FIRST) << WINDOW
    }

    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    pub(crate) fn buffer(&self, index: usize) -> Option<&Buffer> {
        self.buffers.get(index)
    }

    pub(crate) fn buffer_mut(&mut self, index: usize) -> Option<&mut Buffer> {
        self.buffers.get_mut(index)
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.buffers.iter().position(|b| b.name == name)
    }

    /// The buffer of an address and the offset in it, which may lie outside of the buffer. An address just below a
    /// window is a negative offset.
    pub(crate) fn locate(&self, address: u64) -> Option<(usize, i64)> {
        let (window, offset) = (address >> WINDOW, (address & ((1 << WINDOW) - 1)) as i64);
        let index = window.checked_sub(FIRST)? as usize;
        let past = self.buffers.get(index).is_none_or(|b| offset as usize >= b.bytes.len());
        if past && offset >= 1 << (WINDOW - 1) && index + 1 < self.buffers.len() {
            return Some((index + 1, offset - (1 << WINDOW)));
        }
        (index < self.buffers.len()).then_some((index, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_their_buffer() {
        let mut memory = Memory::default();
        let a = memory.add("a", vec![0; 100], true);
        let b = memory.add("b", vec![0; 8], false);
        assert_eq!(memory.locate(memory.address(a) + 7), Some((a, 7)));
        assert_eq!(memory.locate(memory.address(a) + 100), Some((a, 100)));
        assert_eq!(memory.locate(memory.address(b) - 4), Some((b, -4)));
        assert_eq!(memory.locate(0), None);
        assert_eq!(memory.locate(u64::MAX), None);
        assert_eq!((memory.unwritten(a), memory.unwritten(b)), (0, 8));
        assert_eq!((memory.written(a), memory.written(b)), (vec![true; 100], vec![false; 8]));
        memory.bytes_mut(b)[0] = 1;
        assert_eq!((memory.unwritten(b), memory.bytes(b)[0]), (0, 1));
        assert_eq!((memory.bytes(9), memory.len()), (&[][..], 2));
    }
}
