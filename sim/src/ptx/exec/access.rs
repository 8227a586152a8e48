//! Loads and stores: every byte of every lane is looked at before it moves.

use super::{
    Machine, Site, Warp, each, lanes,
    terms::{KNOWN, mix, split},
};
use crate::ptx::{
    check::{
        banks,
        race::{Conflict, Epoch, Past},
        report::{Kind, Touched},
    },
    memory::{PENDING, WRITTEN},
    op::{Access, Address, AddressSpace, SINK, signed},
};

/// Where an access lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Shared(usize),
    Global(usize, usize),
    Local(usize),
    Param(usize),
}

impl Place {
    /// So many bytes further on.
    pub fn on(self, bytes: usize) -> Place {
        match self {
            Place::Shared(at) => Place::Shared(at + bytes),
            Place::Global(index, at) => Place::Global(index, at + bytes),
            Place::Local(at) => Place::Local(at + bytes),
            Place::Param(at) => Place::Param(at + bytes),
        }
    }
}

/// What an access is to the race detector.
#[derive(Clone, Copy, Default)]
pub struct Manner {
    pub strong: bool,
    pub asynchronous: bool,
}

/// The largest access of a lane: a vector of eight words.
pub type Bytes = [u8; 64];

impl<'a> Machine<'a> {
    /// The space and the address in it that a lane names.
    pub(super) fn target(
        &self,
        warp: &Warp<'_>,
        address: Address,
        lane: usize,
    ) -> (AddressSpace, u64) {
        let base = warp.registers[address.base as usize][lane];
        let raw = base.wrapping_add(address.offset as u64);
        let generic = address.space == AddressSpace::Generic;
        // A 32-bit address with a negative offset wraps in 32 bits.
        let near = matches!(address.space, AddressSpace::Shared | AddressSpace::Local);
        let raw = if near && base >> 32 == 0 { raw & 0xffff_ffff } else { raw };
        if !generic {
            return (address.space, raw);
        }
        let inside = raw & (lanes::SHARED_WINDOW - 1);
        match raw >> 40 {
            1 => (AddressSpace::Shared, inside),
            2 => (AddressSpace::Local, inside),
            3 => (AddressSpace::Param, inside),
            _ => (AddressSpace::Global, raw),
        }
    }

    /// The bytes of an access, if they are there and aligned.
    pub(super) fn place(
        &mut self,
        site: Site,
        space: AddressSpace,
        at: u64,
        size: usize,
    ) -> Option<Place> {
        self.place_part(site, space, at, size, size.next_power_of_two() as u64)
    }

    /// The same where the alignment is not that of the size: a copy that reads a part of what it writes.
    pub(super) fn place_part(
        &mut self,
        site: Site,
        space: AddressSpace,
        at: u64,
        size: usize,
        align: u64,
    ) -> Option<Place> {
        let bounds =
            |length: usize| at.checked_add(size as u64).is_some_and(|end| end <= length as u64);
        let (place, name, offset, length) = match space {
            AddressSpace::Shared => {
                let n = self.shared.len();
                // Nothing lies between the static and the dynamic part.
                let gap = u64::from(self.kernel.shared)..u64::from(self.dynamic());
                let in_gap = at < gap.end && at.saturating_add(size as u64) > gap.start;
                (
                    (bounds(n) && !in_gap).then_some(Place::Shared(at as usize)),
                    "shared memory",
                    at as i64,
                    n,
                )
            }
            AddressSpace::Local => {
                let n = self.kernel.local as usize;
                (bounds(n).then_some(Place::Local(at as usize)), "local memory", at as i64, n)
            }
            AddressSpace::Param => {
                let n = self.setup.params.len();
                (bounds(n).then_some(Place::Param(at as usize)), "parameters", at as i64, n)
            }
            AddressSpace::Global | AddressSpace::Generic => {
                let Some((index, offset)) = self.memory.locate(at) else {
                    self.find(site, Kind::OutOfBounds, ("", at as i64, at), || {
                        format!("{size} bytes at {at:#x}, where no buffer is")
                    });
                    return None;
                };
                let n = self.memory.bytes(index).len();
                let fits = offset >= 0 && offset as u64 + size as u64 <= n as u64;
                (fits.then_some(Place::Global(index, offset as usize)), "", offset, n)
            }
        };
        if place.is_none() {
            let name = self.name(space, at).unwrap_or(name.into());
            self.find(site, Kind::OutOfBounds, (&name, offset, at), || {
                format!("{size} bytes at offset {offset} of {name}, which has {length}")
            });
            return None;
        }
        if !at.is_multiple_of(align) {
            let name = self.name(space, at).unwrap_or(name.into());
            self.find(site, Kind::Misaligned, (&name, offset, at), || {
                format!("{size} bytes at offset {offset} of {name}: no multiple of {align}")
            });
            return None;
        }
        place
    }

    fn name(&self, space: AddressSpace, at: u64) -> Option<String> {
        match space {
            AddressSpace::Global | AddressSpace::Generic => {
                let (index, _) = self.memory.locate(at)?;
                self.memory.buffer(index).map(|b| b.name.clone())
            }
            AddressSpace::Shared => {
                let hit = |(_, start, size): &&(String, u32, u32)| {
                    at >= u64::from(*start) && at < u64::from(*start) + u64::from(*size)
                };
                let found = self.kernel.shared_names.iter().find(hit);
                found.map(|(name, ..)| format!("shared memory ({name})"))
            }
            AddressSpace::Local | AddressSpace::Param => None,
        }
    }

    /// Name, offset and address of a place.
    pub(super) fn named(&self, place: Place) -> (String, i64, u64) {
        match place {
            Place::Shared(at) => {
                let name = self.name(AddressSpace::Shared, at as u64);
                (name.unwrap_or("shared memory".into()), at as i64, at as u64)
            }
            Place::Global(index, at) => {
                let name = self.memory.buffer(index).map_or("", |b| &b.name);
                (name.into(), at as i64, self.memory.address(index) + at as u64)
            }
            Place::Local(at) => ("local memory".into(), at as i64, at as u64),
            Place::Param(at) => ("parameters".into(), at as i64, at as u64),
        }
    }

    pub(super) fn tell(
        &mut self,
        site: Site,
        kind: Kind,
        place: Place,
        message: impl FnOnce() -> String,
    ) {
        if let Some(at) = self.known.get(&(site.pc, kind)) {
            self.findings[*at].count += 1;
            return;
        }
        let (name, offset, address) = self.named(place);
        self.find(site, kind, (&name, offset, address), message);
    }

    /// Reads bytes that are there: were they written, and in order before now?
    pub(super) fn read(
        &mut self,
        site: Site,
        warp: &Warp<'_>,
        place: Place,
        how: Manner,
        out: &mut [u8],
    ) {
        let size = out.len();
        match place {
            Place::Shared(at) => {
                out.copy_from_slice(&self.shared[at..at + size]);
                let state = &self.state[at..at + size];
                if state.iter().any(|s| *s != WRITTEN) {
                    self.unwritten(site, place, state.contains(&PENDING));
                }
                if self.shadow.is_some() {
                    self.look(site, at, size, how, None);
                }
            }
            Place::Global(index, at) => {
                let Some(buffer) = self.memory.buffer(index) else { return };
                out.copy_from_slice(&buffer.bytes[at..at + size]);
                if !buffer.state.is_empty()
                    && buffer.state[at..at + size].iter().any(|s| *s != WRITTEN)
                {
                    self.unwritten(site, place, false);
                }
                if self.full {
                    self.look_global(site, index, at, size, how, None);
                }
            }
            Place::Local(at) => {
                let base = site.lane * self.kernel.local as usize + at;
                out.copy_from_slice(&warp.local[base..base + size]);
            }
            Place::Param(at) => out.copy_from_slice(&self.setup.params[at..at + size]),
        }
    }

    fn unwritten(&mut self, site: Site, place: Place, pending: bool) {
        if pending {
            self.tell(site, Kind::MissingWait, place, || {
                "reads what a copy writes that nobody has waited for".into()
            });
        } else {
            self.tell(site, Kind::Uninitialised, place, || "reads bytes that nobody wrote".into());
        }
    }

    pub(super) fn write(
        &mut self,
        site: Site,
        warp: &mut Warp<'_>,
        place: Place,
        how: Manner,
        bytes: &[u8],
    ) {
        let size = bytes.len();
        match place {
            Place::Shared(at) => {
                if self.state[at..at + size].contains(&PENDING) {
                    self.tell(site, Kind::MissingWait, place, || {
                        "writes where a copy writes that nobody has waited for".into()
                    });
                }
                if self.shadow.is_some() {
                    self.look(site, at, size, how, Some(bytes));
                }
                if self.on_barrier(at, size) {
                    self.tell(site, Kind::Barrier, place, || {
                        "writes over an mbarrier that is in use".into()
                    });
                }
                self.shared[at..at + size].copy_from_slice(bytes);
                self.state[at..at + size].fill(WRITTEN);
            }
            Place::Global(index, at) => {
                if self.memory.buffer(index).is_some_and(|b| b.constant) {
                    self.tell(site, Kind::ReadOnly, place, || "writes constant memory".into());
                    return;
                }
                if self.full {
                    self.look_global(site, index, at, size, how, Some(bytes));
                }
                warp.fenced &= how.strong;
                let Some(buffer) = self.memory.buffer_mut(index) else { return };
                buffer.bytes[at..at + size].copy_from_slice(bytes);
                if !buffer.state.is_empty() {
                    buffer.state[at..at + size].fill(WRITTEN);
                }
            }
            Place::Local(at) => {
                let base = site.lane * self.kernel.local as usize + at;
                warp.local[base..base + size].copy_from_slice(bytes);
            }
            Place::Param(_) => {
                self.tell(site, Kind::ReadOnly, place, || "writes parameters".into());
            }
        }
    }

    /// Races on words of shared memory.
    pub(super) fn look(
        &mut self,
        site: Site,
        at: usize,
        size: usize,
        how: Manner,
        new: Option<&[u8]>,
    ) {
        let mut worst = None;
        let Some(shadow) = &mut self.shadow else { return };
        let now = Epoch {
            strong: how.strong,
            asynchronous: how.asynchronous,
            ..self.clocks.epoch(site.warp, site.lane)
        };
        for (word, bytes) in words(at, size) {
            let now = Epoch { bytes, ..now };
            let conflict = match new {
                None => shadow.read(word, now, &self.clocks),
                Some(new) => {
                    let from = (4 * word).max(at);
                    let to = (4 * word + 4).min(at + size);
                    let same = !self.differs
                        && self.shared[from..to] == new[from - at..to - at]
                        && self.state[from..to].iter().all(|s| *s == WRITTEN);
                    shadow.write(word, now, same, &self.clocks)
                }
            };
            worst = worst.or(conflict.map(|c| (word, c)));
        }
        if let Some((word, conflict)) = worst {
            let writes = new.is_some();
            self.accuse(site, Place::Shared(4 * word), conflict, writes);
        }
    }

    fn accuse(&mut self, site: Site, place: Place, conflict: Conflict, writes: bool) {
        let doing = if writes { "writes" } else { "reads" };
        match conflict {
            Conflict::Race(other, past) => {
                let did = did(other, past);
                self.tell(site, Kind::Race, place, || {
                    let lane = match other.lane() {
                        lane @ 0..32 => format!("lane {lane}"),
                        _ => "lanes".into(),
                    };
                    let who = if other.agent as usize == site.warp {
                        format!("{lane} of the same warp")
                    } else {
                        format!("{lane} of warp {}", other.agent)
                    };
                    format!("{doing} a word that {who} {did}, and nothing puts the two in order")
                });
            }
            Conflict::Fence(other) => {
                self.tell(site, Kind::MissingProxyFence, place, || {
                    format!(
                        "an asynchronous unit {doing} what warp {} wrote, without `fence.proxy.async` between",
                        other.agent
                    )
                });
            }
        }
    }

    pub(super) fn look_global(
        &mut self,
        site: Site,
        index: usize,
        at: usize,
        size: usize,
        how: Manner,
        new: Option<&[u8]>,
    ) {
        let Some(buffer) = self.memory.buffer(index) else { return };
        if buffer.constant {
            return;
        }
        let mut worst = None;
        let now = Epoch {
            strong: how.strong,
            asynchronous: how.asynchronous,
            ..self.clocks.epoch(site.warp, site.lane)
        };
        for (word, bytes) in words(at, size) {
            let now = Epoch { bytes, ..now };
            let same = new.is_some_and(|new| {
                let (from, to) = ((4 * word).max(at), (4 * word + 4).min(at + size));
                !self.differs && buffer.bytes[from..to] == new[from - at..to - at]
            });
            let past = (self.number, &self.acquired);
            let slot = self.global.word(index, word);
            let conflict = slot.access(now, new.is_some(), same, past, &self.clocks);
            worst = worst.or(conflict.map(|c| (word, c)));
        }
        let Some((word, (block, other, past))) = worst else { return };
        let place = Place::Global(index, 4 * word);
        let writes = new.is_some();
        if block == self.number {
            self.accuse(site, place, Conflict::Race(other, past), writes);
            return;
        }
        let doing = if writes { "writes" } else { "reads" };
        self.tell(site, Kind::Race, place, || {
            let did = did(other, past);
            format!("{doing} a word that block {block} {did}, and nothing puts the two in order")
        });
    }

    pub(super) fn load(&mut self, warp: &mut Warp<'a>, access: &Access, pc: u32, mask: u32) {
        let (count, size) = (access.registers.len(), access.size as usize);
        let total = count * size;
        self.cost(warp, access.address, total as u32, pc, mask);
        let how = Manner { strong: access.order.strong, asynchronous: access.constant };
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, access.address, lane);
            let Some(place) = self.place(site, space, at, total) else {
                access.registers.iter().for_each(|r| warp.registers[*r as usize][lane] = 0);
                continue;
            };
            let mut bytes: Bytes = [0; 64];
            self.read(site, warp, place, how, &mut bytes[..total]);
            for (n, register) in access.registers.iter().enumerate() {
                if *register == SINK {
                    continue;
                }
                let mut value = [0; 8];
                value[..size].copy_from_slice(&bytes[n * size..(n + 1) * size]);
                let value = u64::from_le_bytes(value);
                let value = access.extend.map_or(value, |bits| signed(value, bits) as u64);
                warp.registers[*register as usize][lane] = value & access.mask;
                if !self.names.is_empty() {
                    let term = self.term_at(warp, lane, place.on(n * size), size);
                    let extended = term != KNOWN && access.extend.is_some();
                    warp.terms.registers[*register as usize][lane] =
                        if extended { mix(self.names[pc as usize], term) } else { term };
                }
            }
            if access.order.strong {
                self.saw(warp, place, lane, access.order);
            }
        }
    }

    pub(super) fn store(&mut self, warp: &mut Warp<'a>, access: &Access, pc: u32, mask: u32) {
        let size = access.size as usize;
        let total = access.registers.len() * size;
        self.cost(warp, access.address, total as u32, pc, mask);
        let how = Manner { strong: access.order.strong, asynchronous: false };
        let mut told = None;
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, access.address, lane);
            let Some(place) = self.place(site, space, at, total) else { continue };
            let mut bytes: Bytes = [0; 64];
            for (n, register) in access.registers.iter().enumerate() {
                let value = warp.registers[*register as usize][lane].to_le_bytes();
                bytes[n * size..(n + 1) * size].copy_from_slice(&value[..size]);
            }
            if access.order.strong {
                self.showed(warp, place, mask, access.order, &mut told);
            }
            if !self.names.is_empty() {
                let terms = access.registers.iter().flat_map(|r| {
                    let term = warp.terms.registers[*r as usize][lane];
                    split(if size < 4 && term != KNOWN { mix(term, 19) } else { term }, size)
                });
                let terms: Vec<_> = terms.collect();
                self.differs = self.set_terms(warp, lane, place, terms.into_iter());
            }
            self.write(site, warp, place, how, &bytes[..total]);
            self.differs = false;
        }
    }

    /// Counts wavefronts and sectors.
    pub(super) fn cost(
        &mut self,
        warp: &Warp<'_>,
        address: Address,
        size: u32,
        pc: u32,
        mask: u32,
    ) {
        if !self.full || matches!(address.space, AddressSpace::Local | AddressSpace::Param) {
            return;
        }
        let (mut shared, mut global) = ([None; 32], [None; 32]);
        for lane in each(mask) {
            match self.target(warp, address, lane) {
                (AddressSpace::Shared, at) => shared[lane] = Some(at as u32),
                (AddressSpace::Global, at) => global[lane] = Some(at),
                (AddressSpace::Local | AddressSpace::Param | AddressSpace::Generic, _) => {}
            }
        }
        let Some(cost) = self.costs.get_mut(pc as usize) else { return };
        cost.executed += 1;
        let (actual, ideal) = banks::wavefronts(shared.into_iter(), size);
        cost.wavefronts += actual;
        cost.ideal_wavefronts += ideal;
        let lanes = (0..32).fold(0, |m, l| m | u32::from(global[l].is_some()) << l);
        if lanes == 0 {
            return;
        }
        let (actual, ideal) = banks::sectors(global.into_iter(), size);
        cost.touched.entry(lanes).or_default().join(&Touched::of(1, actual));
        cost.sectors += actual;
        cost.ideal_sectors += ideal;
    }
}

fn did(other: Epoch, past: Past) -> &'static str {
    match past {
        Past::Write => "wrote",
        Past::Read if other.asynchronous => "read as constant",
        Past::Read => "read",
    }
}

/// The words that bytes touch, and which bytes of each.
pub fn words(at: usize, size: usize) -> impl Iterator<Item = (usize, u8)> {
    (at / 4..(at + size).div_ceil(4)).map(move |word| {
        let (from, to) = ((4 * word).max(at) - 4 * word, (4 * word + 4).min(at + size) - 4 * word);
        (word, ((1u16 << to) - (1 << from)) as u8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_bytes() {
        assert_eq!(words(4, 4).collect::<Vec<_>>(), [(1, 15)]);
        assert_eq!(words(6, 2).collect::<Vec<_>>(), [(1, 12)]);
        assert_eq!(words(0, 16).count(), 4);
        assert_eq!(words(3, 1).collect::<Vec<_>>(), [(0, 8)]);
    }
}
