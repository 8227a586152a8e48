//! Memory between pages that nothing may touch: an access beside it ends the process, whoever makes it.
//!
//! ```text
//! | no access | canaries .. bytes | no access |      Side::Behind: the last byte stands at the fence
//! | no access | bytes .. canaries | no access |      Side::Before: the first one does
//! ```

#![allow(unsafe_code)]

use super::{BufferError, CANARY};
use memmap2::{MmapMut, MmapRaw};
use std::ffi::{c_int, c_void};

/// A multiple of the pages of every system.
const FENCE: usize = 64 << 10;

/// Which end of the memory stands at its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    Behind,
}

impl Side {
    /// Both in turn.
    pub fn of(number: usize) -> Side {
        if number.is_multiple_of(2) { Side::Behind } else { Side::Before }
    }
}

#[derive(Debug)]
pub(super) struct Fenced {
    map: MmapRaw,
    /// The memory between the fences, from the start of the map.
    inside: usize,
    room: usize,
    /// The bytes that were asked for.
    start: usize,
    len: usize,
}

#[cfg(unix)]
unsafe extern "C" {
    fn mprotect(address: *mut c_void, len: usize, protection: c_int) -> c_int;
}

/// POSIX `PROT_NONE`, zero wherever it is defined.
#[cfg(unix)]
const PROT_NONE: c_int = 0;

impl Fenced {
    /// Zeroed.
    pub fn new(len: usize, side: Side) -> Result<Fenced, BufferError> {
        let room = len.checked_next_multiple_of(FENCE);
        let total = room.and_then(|r| r.checked_add(3 * FENCE));
        let (Some(room), Some(total)) = (room, total.filter(|t| isize::try_from(*t).is_ok()))
        else {
            return Err(BufferError::TooLarge { bytes: len });
        };
        let failed = |reason: std::io::Error| BufferError::Allocation {
            bytes: len,
            reason: reason.to_string(),
        };
        let map = MmapRaw::from(MmapMut::map_anon(total).map_err(failed)?);
        let before = map.as_mut_ptr().align_offset(FENCE);
        let inside = before + FENCE;
        for fence in [before, inside + room] {
            protect(map.as_mut_ptr().wrapping_add(fence)).map_err(failed)?;
        }
        let start = match side {
            Side::Before => inside,
            Side::Behind => inside + room - len,
        };
        let mut fenced = Fenced { map, inside, room, start, len };
        let (front, back) = fenced.slack();
        for (at, count) in [front, back] {
            fenced.slice_mut(at, count).fill(CANARY);
        }
        Ok(fenced)
    }

    /// What lies between the bytes and the fences: place and length, in front and behind.
    fn slack(&self) -> ((usize, usize), (usize, usize)) {
        let end = self.start + self.len;
        ((self.inside, self.start - self.inside), (end, self.inside + self.room - end))
    }

    /// Place of the first changed canary byte, counted from the first byte.
    pub fn damage(&self) -> Option<isize> {
        let (front, back) = self.slack();
        [front, back].into_iter().find_map(|(at, count)| {
            let place = self.slice(at, count).iter().position(|b| *b != CANARY)?;
            Some((at + place) as isize - self.start as isize)
        })
    }

    pub fn bytes(&self) -> &[u8] {
        self.slice(self.start, self.len)
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.slice_mut(self.start, self.len)
    }

    fn slice(&self, at: usize, count: usize) -> &[u8] {
        assert!(at >= self.inside && at + count <= self.inside + self.room);
        // SAFETY: the range is between the fences, where the map can be read and written; it lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(at), count) }
    }

    fn slice_mut(&mut self, at: usize, count: usize) -> &mut [u8] {
        assert!(at >= self.inside && at + count <= self.inside + self.room);
        // SAFETY: as above, and `self` is borrowed for as long.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(at), count) }
    }
}

/// Takes all access from the fence at `place`. Elsewhere than on Unix the fences hold canaries alone.
fn protect(place: *mut u8) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        // SAFETY: the pages are part of a map that `Fenced` has made and owns; no reference into them exists.
        let result = unsafe { mprotect(place.cast(), FENCE, PROT_NONE) };
        if result != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    let _ = place;
    Ok(())
}
