//! Barriers of the block, by number or in memory.

use super::{Machine, Site, Turn, Warp, access::Place, copies::Pending, each, put, put_predicate};
use crate::ptx::{
    check::{
        race::{Knowledge, join},
        report::Kind,
    },
    memory::WRITTEN,
    op::{Address, BarrierKind, BarrierOp, Vote},
};

/// One of the 16 barriers of a block.
#[derive(Clone, Default)]
pub struct Barrier {
    /// Threads that arrived, and how many are needed; none: all that are alive.
    threads: u64,
    needed: Option<u64>,
    arrived: Vec<usize>,
    /// Where the first of them arrived.
    first: Option<Site>,
    waiting: Vec<Waiting>,
    known: Knowledge,
    votes: Vec<(u32, u32)>,
    /// Results for those who waited for a vote.
    results: Vec<(usize, u64)>,
}

#[derive(Clone)]
struct Waiting {
    warp: usize,
    mask: u32,
    all: bool,
}

impl Barrier {
    /// Threads that have arrived while others are still to come.
    pub fn incomplete(&self) -> Option<(Site, u64)> {
        self.first.filter(|_| !self.arrived.is_empty()).map(|site| (site, self.threads))
    }

    pub fn waits(&self, warp: usize) -> bool {
        self.waiting.iter().any(|w| w.warp == warp)
    }
}

/// A warp comes to a barrier.
pub struct Arrival {
    pub kind: BarrierKind,
    pub id: u64,
    pub count: Option<u64>,
    pub aligned: bool,
    /// The lanes in which the predicate of `bar.red` is true.
    pub votes: u32,
}

/// The opaque word of an `mbarrier`.
#[derive(Clone, Debug, Default)]
pub struct MemoryBarrier {
    expected: i64,
    pending: i64,
    /// Bytes that copies still owe.
    owed: i64,
    phase: u64,
    known: Knowledge,
    /// What those know who saw the last phase end.
    ended: Knowledge,
}

impl MemoryBarrier {
    fn settle(&mut self) {
        if self.pending == 0 && self.owed == 0 {
            self.phase += 1;
            self.pending = self.expected;
            self.ended = std::mem::take(&mut self.known);
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn barrier(
        &mut self,
        warp: &mut Warp<'a>,
        arrival: &Arrival,
        (p, d): (u32, u32),
        pc: u32,
        mask: u32,
    ) -> Turn {
        let site = self.site(warp, pc, mask.trailing_zeros() as usize);
        if arrival.aligned {
            self.whole(warp, pc, mask, warp.alive);
        }
        // The second time, the vote is known.
        let id = arrival.id as usize;
        let Some(barrier) = self.barriers.get_mut(id) else {
            self.find(site, Kind::Barrier, ("", 0, 0), || {
                format!("a block has barriers 0 to 15, not {id}")
            });
            return Turn::Go;
        };
        if let Some(at) = barrier.results.iter().position(|(w, _)| *w == warp.index) {
            let (_, value) = barrier.results.swap_remove(at);
            put(warp, d, &[value; 32], mask);
            put_predicate(warp, p, if value != 0 { u32::MAX } else { 0 }, mask);
            return Turn::Go;
        }
        let bad = match arrival.count {
            Some(count) if count == 0 || count % 32 != 0 => {
                Some(format!("{count} threads are no number of whole warps"))
            }
            count if !barrier.arrived.is_empty() && barrier.needed != count => {
                Some("warps disagree on how many threads this barrier has".into())
            }
            _ if barrier.waits(warp.index) => Some("this warp waits here already".into()),
            _ => None,
        };
        if let Some(message) = bad {
            self.find(site, Kind::Barrier, ("", 0, 0), || message);
            return Turn::Go;
        }
        let all = mask == warp.alive;
        if all {
            self.clocks.synchronise(warp.index);
        }
        let knowledge = self.clocks.release(warp.index, mask, all);
        let barrier = &mut self.barriers[id];
        join(&mut barrier.known, &knowledge);
        barrier.needed = arrival.count;
        if barrier.arrived.is_empty() {
            barrier.first = Some(site);
        }
        barrier.threads += 32;
        barrier.arrived.push(warp.index);
        let mut turn = Turn::Go;
        match arrival.kind {
            BarrierKind::Arrive => {}
            BarrierKind::Sync => {
                barrier.waiting.push(Waiting { warp: warp.index, mask, all });
                warp.waits = true;
                turn = Turn::Wait;
            }
            BarrierKind::Reduce(_) | BarrierKind::Count => {
                barrier.votes.push((arrival.votes & mask, mask));
                barrier.waiting.push(Waiting { warp: warp.index, mask, all });
                warp.waits = true;
                // Come back for the result.
                if let Some(frame) = warp.frames.last_mut() {
                    frame.pc = pc;
                }
                turn = Turn::Wait;
            }
        }
        warp.polled = None;
        self.complete(id, arrival.kind);
        turn
    }

    /// Lets the warps go on if all have come.
    fn complete(&mut self, id: usize, kind: BarrierKind) {
        let barrier = &mut self.barriers[id];
        let done = match barrier.needed {
            Some(count) => barrier.threads >= count,
            None => {
                let missing = |w: &usize| !barrier.arrived.contains(w);
                !(0..self.alive.len()).filter(|w| self.alive[*w] != 0).any(|w| missing(&w))
            }
        };
        if barrier.arrived.is_empty() || !done {
            return;
        }
        let votes = &barrier.votes;
        let value = match kind {
            BarrierKind::Sync | BarrierKind::Arrive => None,
            BarrierKind::Count => Some(votes.iter().map(|(v, _)| u64::from(v.count_ones())).sum()),
            BarrierKind::Reduce(Vote::All) => Some(u64::from(votes.iter().all(|(v, m)| v == m))),
            BarrierKind::Reduce(_) => Some(u64::from(votes.iter().any(|(v, _)| *v != 0))),
        };
        let waiting = std::mem::take(&mut barrier.waiting);
        let known = std::mem::take(&mut barrier.known);
        barrier.results.extend(waiting.iter().filter_map(|w| Some((w.warp, value?))));
        barrier.threads = 0;
        barrier.arrived.clear();
        barrier.votes.clear();
        for w in waiting {
            self.clocks.acquire(w.warp, w.mask, w.all, &known);
        }
    }

    /// A warp has left: those who wait for all need not wait for it.
    pub(super) fn barriers_without(&mut self, warp: usize) {
        if self.alive.get(warp).is_none_or(|a| *a != 0) {
            return;
        }
        for id in 0..self.barriers.len() {
            if self.barriers[id].needed.is_none() && !self.barriers[id].arrived.is_empty() {
                self.complete(id, BarrierKind::Sync);
            }
        }
    }

    pub(super) fn memory_barrier(
        &mut self,
        warp: &mut Warp<'a>,
        address: Address,
        op: &BarrierOp,
        pc: u32,
        mask: u32,
    ) -> Turn {
        // A poll may fail at any time, and one that nobody repeats proves nothing: late is after the first.
        let first = warp.polled.is_none_or(|(at, _)| at != pc);
        let fails = matches!(op, BarrierOp::Test { .. }) && first && !self.early();
        let told = if matches!(op, BarrierOp::Arrive { .. }) {
            self.clocks.release(warp.index, mask, mask == warp.alive)
        } else {
            vec![]
        };
        let mut failed = 0u32;
        let mut passed = 0u32;
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            if let BarrierOp::PendingCount { d, state } = op {
                let state = warp.registers[*state as usize][lane];
                warp.registers[*d as usize][lane] = state >> 32;
                continue;
            }
            let (space, at) = self.target(warp, address, lane);
            let Some(Place::Shared(at)) = self.place(site, space, at, 8) else { continue };
            let at = at as u32;
            let value = |slot: u32| warp.registers[slot as usize][lane];
            if let BarrierOp::Init { count } = op {
                let count = value(*count) as i64;
                // PTX ISA, "mbarrier.init": undefined where a valid mbarrier is.
                if self.memory_barriers.contains_key(&at) {
                    self.tell(site, Kind::Barrier, Place::Shared(at as usize), || {
                        "initialises an mbarrier that is in use; `mbarrier.inval` ends it".into()
                    });
                }
                let fresh = MemoryBarrier { expected: count, pending: count, ..Default::default() };
                self.memory_barriers.insert(at, fresh);
                self.state[at as usize..at as usize + 8].fill(WRITTEN);
                continue;
            }
            if !self.memory_barriers.contains_key(&at) {
                self.tell(site, Kind::Barrier, Place::Shared(at as usize), || {
                    "here is no mbarrier: nobody has initialised it".into()
                });
                passed |= 1 << lane;
                continue;
            }
            match op {
                BarrierOp::Init { .. } | BarrierOp::PendingCount { .. } => {}
                BarrierOp::Invalidate => {
                    self.memory_barriers.remove(&at);
                }
                BarrierOp::Arrive { state, count, expect, drop } => {
                    let count = count.map_or(1, |c| value(c) as i64);
                    let expect = expect.map_or(0, |e| i64::from(value(e) as u32));
                    let barrier = self.memory_barriers.entry(at).or_default();
                    let token = barrier.phase & 0xffff_ffff | (barrier.pending as u64) << 32;
                    barrier.owed += expect;
                    self.owing(site, at);
                    let excess = self.arrive(at, count, *drop, &told);
                    if excess {
                        self.tell(site, Kind::Barrier, Place::Shared(at as usize), || {
                            "more threads arrive than this mbarrier was initialised for".into()
                        });
                    }
                    put(warp, *state, &[token; 32], 1 << lane);
                }
                BarrierOp::Expect { bytes } => {
                    let bytes = i64::from(value(*bytes) as u32);
                    self.memory_barriers.entry(at).or_default().owed += bytes;
                    self.owing(site, at);
                }
                BarrierOp::Complete { bytes } => {
                    let bytes = i64::from(value(*bytes) as u32);
                    self.pay(at, bytes, &vec![]);
                }
                BarrierOp::Test { state, parity, .. } => {
                    let phase = self.memory_barriers.get(&at).map_or(0, |b| b.phase);
                    let done = match (state, parity) {
                        (Some(state), _) => phase > value(*state) & 0xffff_ffff,
                        // True once the phase of this parity has ended: the current one has the other.
                        (None, Some(parity)) => phase & 1 != value(*parity) & 1,
                        (None, None) => true,
                    };
                    if done && !fails { passed |= 1 << lane } else { failed |= 1 << lane }
                }
                BarrierOp::AfterCopies { count_now } => {
                    if *count_now {
                        self.memory_barriers.entry(at).or_default().pending += 1;
                    }
                    self.after_copies(warp, lane, at);
                }
            }
        }
        if let BarrierOp::Test { done, .. } = op {
            put_predicate(warp, *done, passed, mask);
            self.learn(warp, address, passed, mask);
            if failed != 0 {
                // Spinning at one place is waiting.
                let again = warp.polled.is_some_and(|(at, since)| at == pc && since <= 64);
                warp.polled = Some((pc, 0));
                return if again { Turn::Wait } else { Turn::Go };
            }
            warp.polled = None;
        }
        Turn::Go
    }

    /// Does an mbarrier lie in these bytes of shared memory?
    pub(super) fn on_barrier(&self, at: usize, size: usize) -> bool {
        let last = (at + size).saturating_sub(1) as u32;
        self.memory_barriers.range(..=last).next_back().is_some_and(|(b, _)| *b as usize + 8 > at)
    }

    /// PTX ISA, "Contents of the mbarrier object": the count of bytes has 20 bits.
    fn owing(&mut self, site: Site, at: u32) {
        let owed = self.memory_barriers.get(&at).map_or(0, |b| b.owed);
        if owed >= 1 << 20 {
            self.tell(site, Kind::Barrier, Place::Shared(at as usize), || {
                format!("an mbarrier counts up to 1048575 bytes, not {owed}")
            });
        }
    }

    /// Lanes that saw a phase end know what came before it.
    fn learn(&mut self, warp: &mut Warp<'a>, address: Address, passed: u32, mask: u32) {
        let mut left = passed;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let (_, at) = self.target(warp, address, first);
            let group = each(left).filter(|l| self.target(warp, address, *l).1 == at);
            let group = group.fold(0u32, |m, l| m | 1 << l);
            left &= !group;
            if let Some(barrier) = self.memory_barriers.get(&(at as u32)) {
                let known = &barrier.ended;
                self.clocks.acquire(warp.index, group, group == mask && mask == warp.alive, known);
            }
        }
    }

    /// An arrival; are there too many?
    pub(super) fn arrive(
        &mut self,
        at: u32,
        count: i64,
        drop: bool,
        knowledge: &Knowledge,
    ) -> bool {
        let Some(barrier) = self.memory_barriers.get_mut(&at) else { return false };
        join(&mut barrier.known, knowledge);
        barrier.pending -= count;
        barrier.expected -= i64::from(drop);
        let excess = barrier.pending < 0;
        if excess {
            barrier.pending = 0;
        }
        barrier.settle();
        excess
    }

    /// A copy has brought some bytes.
    pub(super) fn pay(&mut self, at: u32, bytes: i64, knowledge: &Knowledge) {
        if let Some(barrier) = self.memory_barriers.get_mut(&at) {
            join(&mut barrier.known, knowledge);
            barrier.owed -= bytes;
            barrier.settle();
        }
    }

    fn after_copies(&mut self, warp: &mut Warp<'a>, lane: usize, at: u32) {
        let group = self.copy_group[warp.index][lane];
        self.copies[warp.index].push(Pending::Arrive { lane, group, at });
        self.settle_arrivals(warp.index);
    }
}
