//! Asynchronous copies: `cp.async` with its groups, and bulk copies.

use super::{
    Machine, Site, Warp,
    access::{Manner, Place, words},
    each, predicate,
};
use crate::ptx::{
    check::{race::Knowledge, report::Kind},
    memory::{PENDING, WRITTEN},
    op::{AddressSpace, Bulk, CopyAsync},
};

/// What a thread has under way, in order.
pub enum Pending {
    Copy {
        lane: usize,
        group: u32,
        to: usize,
        size: usize,
        from: Option<(usize, usize)>,
        read: usize,
        site: Site,
        early: Option<Vec<u8>>,
    },
    /// Tells an mbarrier when the copies of this lane before it have ended.
    Arrive { lane: usize, group: u32, at: u32 },
}

impl Pending {
    /// Where a copy was issued.
    pub fn copy(&self) -> Option<Site> {
        match self {
            Pending::Copy { site, .. } => Some(*site),
            Pending::Arrive { .. } => None,
        }
    }

    fn lane(&self) -> usize {
        match self {
            Pending::Copy { lane, .. } | Pending::Arrive { lane, .. } => *lane,
        }
    }
}

pub struct BulkCopy {
    pub site: Site,
    pub done: bool,
    pub to_shared: bool,
    /// At one of its ends.
    pub uses_shared: bool,
    group: u32,
    to: Place,
    from: Place,
    size: usize,
    barrier: Option<u32>,
    known: Knowledge,
}

impl<'a> Machine<'a> {
    pub(super) fn copy_async(&mut self, warp: &mut Warp<'a>, copy: &CopyAsync, pc: u32, mask: u32) {
        let size = copy.size as usize;
        let ignored = predicate(&warp.predicates, copy.ignore);
        self.cost(warp, copy.to, copy.size, pc, mask);
        // What is told to read nothing touches nothing.
        let reads =
            |lane: &usize| copy.read.is_none_or(|r| warp.registers[r as usize][*lane] as u32 > 0);
        let reading = each(mask & !ignored).filter(reads).fold(0, |m, lane| m | 1 << lane);
        self.cost(warp, copy.from, copy.size, pc, reading);
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, copy.to, lane);
            let Some(Place::Shared(to)) = self.place(site, space, at, size) else { continue };
            let read = copy.read.map_or(size, |r| warp.registers[r as usize][lane] as u32 as usize);
            if read > size {
                self.find(site, Kind::OutOfBounds, ("", 0, 0), || {
                    format!("cp.async of {size} bytes is told to read {read}")
                });
            }
            let read = if ignored >> lane & 1 == 1 { 0 } else { read.min(size) };
            let from = if read == 0 {
                None
            } else {
                let (space, at) = self.target(warp, copy.from, lane);
                // Only the bytes that are read must be there, but all are aligned.
                match self.place_part(site, space, at, read, size as u64) {
                    Some(Place::Global(index, from)) => {
                        if self.full {
                            self.look_global(site, index, from, read, Manner::default(), None);
                        }
                        Some((index, from))
                    }
                    Some(Place::Shared(_) | Place::Local(_) | Place::Param(_)) | None => None,
                }
            };
            // The engine may write from now on.
            if self.state[to..to + size].contains(&PENDING) {
                self.tell(site, Kind::MissingWait, Place::Shared(to), || {
                    "copies to where another copy writes that nobody has waited for".into()
                });
            }
            if self.shadow.is_some() {
                self.look(site, to, size, Manner::default(), Some(&[0; 16][..size]));
            }
            self.shared[to..to + size].fill(0xff);
            self.state[to..to + size].fill(PENDING);
            let group = self.copy_group[warp.index][lane];
            let early = if self.early() { Some(self.fetch(site, from, read, size)) } else { None };
            self.copies[warp.index].push(Pending::Copy {
                lane,
                group,
                to,
                size,
                from,
                read,
                site,
                early,
            });
        }
    }

    /// The bytes that a copy brings.
    fn fetch(
        &mut self,
        site: Site,
        from: Option<(usize, usize)>,
        read: usize,
        size: usize,
    ) -> Vec<u8> {
        let mut bytes = vec![0; size];
        if let Some((index, at)) = from {
            self.read_global(site, index, at, &mut bytes[..read]);
        }
        bytes
    }

    pub(super) fn copy_commit(&mut self, warp: &mut Warp<'a>, mask: u32) {
        each(mask).for_each(|l| self.copy_group[warp.index][l] += 1);
    }

    pub(super) fn copy_wait(&mut self, warp: &mut Warp<'a>, left: Option<u32>, mask: u32) {
        let open = self.copy_group[warp.index];
        let ends = move |lane: usize, group: u32| {
            mask >> lane & 1 == 1 && left.is_none_or(|n| group < open[lane].saturating_sub(n))
        };
        self.end_copies(warp.index, ends);
    }

    /// Ends the copies of a warp that a wait is for.
    fn end_copies(&mut self, warp: usize, ends: impl Fn(usize, u32) -> bool) {
        let pending = std::mem::take(&mut self.copies[warp]);
        let mut kept = Vec::with_capacity(pending.len());
        for entry in pending {
            match entry {
                Pending::Copy { lane, group, to, size, from, read, site, early }
                    if ends(lane, group) =>
                {
                    let bytes = early.unwrap_or_else(|| self.fetch(site, from, read, size));
                    self.land(site, to, &bytes);
                    let from = from.map(|(index, at)| Place::Global(index, at));
                    self.move_terms(from, read, Place::Shared(to), size);
                }
                other @ (Pending::Copy { .. } | Pending::Arrive { .. }) => kept.push(other),
            }
        }
        self.copies[warp] = kept;
        self.settle_arrivals(warp);
    }

    fn read_global(&mut self, site: Site, index: usize, at: usize, out: &mut [u8]) {
        let Some(buffer) = self.memory.buffer(index) else { return };
        let size = out.len();
        out.copy_from_slice(&buffer.bytes[at..at + size]);
        let unwritten =
            !buffer.state.is_empty() && buffer.state[at..at + size].iter().any(|s| *s != WRITTEN);
        if unwritten {
            self.tell(site, Kind::Uninitialised, Place::Global(index, at), || {
                "copies bytes that nobody wrote".into()
            });
        }
    }

    /// Bytes of a copy arrive; the thread that waited for them is who wrote them.
    fn land(&mut self, site: Site, to: usize, bytes: &[u8]) {
        self.shared[to..to + bytes.len()].copy_from_slice(bytes);
        self.state[to..to + bytes.len()].fill(WRITTEN);
        if let Some(shadow) = &mut self.shadow {
            for (word, mask) in words(to, bytes.len()) {
                // PTX asks for a proxy fence between generic accesses and matrix units that read shared memory, and
                // does not say whether `cp.async` is one: Triton, for sm_90, leaves the fence out behind it.
                let now = crate::ptx::check::race::Epoch {
                    bytes: mask,
                    asynchronous: true,
                    ..self.clocks.epoch(site.warp, site.lane)
                };
                // Whether it was in order was asked when the copy was issued.
                shadow.write(word, now, true, &self.clocks);
            }
        }
    }

    /// Arrivals whose copies have ended.
    pub(super) fn settle_arrivals(&mut self, warp: usize) {
        let mut i = 0;
        while i < self.copies[warp].len() {
            let Pending::Arrive { lane, at, .. } = self.copies[warp][i] else {
                i += 1;
                continue;
            };
            let before = self.copies[warp][..i].iter();
            if before.clone().any(|p| p.lane() == lane && matches!(p, Pending::Copy { .. })) {
                i += 1;
                continue;
            }
            self.copies[warp].remove(i);
            let knowledge = self.clocks.release(warp, 1 << lane, false);
            self.arrive(at, 1, false, &knowledge);
        }
    }

    /// Nothing else can happen: copies end on which somebody waits. Did any?
    pub(super) fn hurry(&mut self) -> bool {
        let before = self.bulk.iter().filter(|c| !c.done).count();
        self.finish_bulk(|copy| copy.barrier.is_some());
        let mut did = self.bulk.iter().filter(|c| !c.done).count() < before;
        for warp in 0..self.copies.len() {
            let pending = &self.copies[warp];
            let lanes = pending.iter().filter(|p| matches!(p, Pending::Arrive { .. }));
            let lanes = lanes.fold(0u32, |m, p| m | 1 << p.lane());
            if lanes != 0 {
                did = true;
                // All that a lane has issued before its last arrival.
                let last = |lane: usize| {
                    pending
                        .iter()
                        .filter_map(|p| match p {
                            Pending::Arrive { lane: l, group, .. } if *l == lane => Some(*group),
                            Pending::Arrive { .. } | Pending::Copy { .. } => None,
                        })
                        .max()
                };
                let ends: Vec<Option<u32>> = (0..32).map(last).collect();
                self.end_copies(warp, |lane, group| ends[lane].is_some_and(|g| group <= g));
            }
        }
        did
    }

    pub(super) fn bulk_copy(&mut self, warp: &mut Warp<'a>, bulk: &Bulk, pc: u32, mask: u32) {
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            let size = warp.registers[bulk.size as usize][lane] as u32 as usize;
            if !size.is_multiple_of(16) {
                self.find(site, Kind::Misaligned, ("", 0, 0), || {
                    format!("a bulk copy of {size} bytes: no multiple of 16")
                });
                continue;
            }
            let place = |machine: &mut Self, address| {
                let (space, at) = machine.target(warp, address, lane);
                // Both ends are aligned to 16 and inside their buffer as a whole.
                machine.place(site, space, at, 16)?;
                let last = at.wrapping_add(size as u64).wrapping_sub(16);
                machine.place(site, space, last, 16)?;
                machine.place(site, space, at, 16)
            };
            if size == 0 {
                continue;
            }
            let (Some(to), Some(from)) = (place(self, bulk.to), place(self, bulk.from)) else {
                continue;
            };
            let barrier = bulk.barrier.and_then(|address| {
                let (space, at) = self.target(warp, address, lane);
                match (space, self.place(site, space, at, 8)) {
                    (AddressSpace::Shared, Some(Place::Shared(at))) => Some(at as u32),
                    _ => None,
                }
            });
            let engine = Manner { strong: false, asynchronous: true };
            if let Place::Shared(at) = from {
                self.look(site, at, size, engine, None);
            }
            if self.full {
                if let Place::Global(index, at) = from {
                    self.look_global(site, index, at, size, Manner::default(), None);
                }
                if let Place::Global(index, at) = to {
                    self.look_global(
                        site,
                        index,
                        at,
                        size,
                        Manner::default(),
                        Some(&vec![0; size]),
                    );
                }
            }
            if let Place::Shared(at) = to {
                if self.shadow.is_some() {
                    self.look(site, at, size, engine, Some(&vec![0; size]));
                }
                self.shared[at..at + size].fill(0xff);
                self.state[at..at + size].fill(PENDING);
            }
            let known = self.clocks.release(warp.index, 1 << lane, warp.alive == 1 << lane);
            let to_shared = matches!(to, Place::Shared(_));
            let uses_shared = to_shared || matches!(from, Place::Shared(_));
            let group = self.bulk_group[warp.index];
            self.bulk.push(BulkCopy {
                site,
                done: false,
                to_shared,
                uses_shared,
                group,
                to,
                from,
                size,
                barrier,
                known,
            });
        }
        if self.early() {
            self.finish_bulk(|copy| copy.barrier.is_some());
        }
    }

    /// Ends the bulk copies that are asked for.
    pub(super) fn finish_bulk(&mut self, which: impl Fn(&BulkCopy) -> bool) {
        for i in 0..self.bulk.len() {
            if self.bulk[i].done || !which(&self.bulk[i]) {
                continue;
            }
            self.bulk[i].done = true;
            let BulkCopy { site, to, from, size, barrier, .. } = self.bulk[i];
            let mut bytes = vec![0; size];
            match from {
                Place::Global(index, at) => self.read_global(site, index, at, &mut bytes),
                Place::Shared(at) => bytes.copy_from_slice(&self.shared[at..at + size]),
                Place::Local(_) | Place::Param(_) => {}
            }
            self.move_terms(Some(from), size, to, size);
            let engine = self.clocks.engine();
            let known = self.bulk[i].known.clone();
            self.clocks.acquire(engine, u32::MAX, true, &known);
            match to {
                Place::Shared(at) => self.land(Site { warp: engine, lane: 0, ..site }, at, &bytes),
                Place::Global(index, at) => {
                    if let Some(buffer) = self.memory.buffer_mut(index) {
                        buffer.bytes[at..at + size].copy_from_slice(&bytes);
                        if !buffer.state.is_empty() {
                            buffer.state[at..at + size].fill(WRITTEN);
                        }
                    }
                }
                Place::Local(_) | Place::Param(_) => {}
            }
            if let Some(at) = barrier {
                let knowledge = self.clocks.release(engine, u32::MAX, true);
                self.pay(at, size as i64, &knowledge);
            }
        }
        self.bulk.retain(|c| !c.done);
    }

    pub(super) fn bulk_commit(&mut self, warp: &mut Warp<'a>, _pc: u32) {
        self.bulk_group[warp.index] += 1;
    }

    /// `.read` waits for the sources alone; the destinations are then still on their way.
    pub(super) fn bulk_wait(&mut self, warp: &mut Warp<'a>, left: u32, _reads: bool) {
        let (index, open) = (warp.index, self.bulk_group[warp.index]);
        self.finish_bulk(|c| {
            c.site.warp == index && c.barrier.is_none() && c.group < open.saturating_sub(left)
        });
    }
}
