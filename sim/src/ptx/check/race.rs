//! Who may see what: vector clocks of the warps, and the last accesses to each word.
//!
//! An access belongs to an agent (a warp, or the engine of bulk copies), a lane and a time on the clock of the agent. Two
//! accesses to a word, one a write, must be ordered: by the lane itself, by `bar.warp.sync` within a warp, or because the
//! later agent acquired what the earlier one released (barriers, mbarriers, atomics). "FastTrack" (Flanagan and Freund,
//! 2009) keeps the last write and the last read of each agent; so does this.

/// What an agent knows of another: all of it up to `full`, and the step after it of some lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    full: u32,
    lanes: u32,
}

impl Known {
    fn join(&mut self, other: Known) {
        if other.full == self.full {
            self.lanes |= other.lanes;
        } else if other.full > self.full {
            *self = other;
        }
    }

    fn covers(self, lane: u8, time: u32) -> bool {
        time <= self.full || time == self.full + 1 && lane < 32 && self.lanes >> lane & 1 == 1
    }
}

/// What somebody knows of all agents.
pub type Knowledge = Vec<Known>;

pub fn join(to: &mut Knowledge, from: &Knowledge) {
    if to.len() < from.len() {
        to.resize(from.len(), Known::default());
    }
    to.iter_mut().zip(from).for_each(|(a, b)| a.join(*b));
}

/// Some lanes learn something: one entry for each set of lanes, however often they poll.
pub fn learn(list: &mut Vec<(u32, Knowledge)>, lanes: u32, from: &Knowledge) {
    match list.iter_mut().find(|(mask, _)| *mask == lanes) {
        Some((_, known)) => join(known, from),
        None => list.push((lanes, from.clone())),
    }
}

/// An access: when, by whom, to which bytes of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub time: u32,
    pub agent: u8,
    /// Of each byte; 32: several lanes.
    pub lanes: [u8; 4],
    pub bytes: u8,
    /// Atomic or volatile; by a copy engine or a matrix unit.
    pub strong: bool,
    pub asynchronous: bool,
}

pub const NOBODY: Epoch =
    Epoch { time: 0, agent: 0, lanes: [0; 4], bytes: 0, strong: false, asynchronous: false };

impl Epoch {
    /// The lane of all its bytes, or 32.
    pub fn lane(self) -> u8 {
        let mut lanes = (0..4).filter(|b| self.bytes >> b & 1 == 1).map(|b| self.lanes[b]);
        let first = lanes.next().unwrap_or(self.lanes[0]);
        if lanes.all(|l| l == first) { first } else { 32 }
    }

    /// And another of the same agent: a byte that both touch is the later one's, or, of reads, several lanes'.
    pub fn with(self, now: Epoch, reads: bool) -> Epoch {
        let mut out = Epoch { bytes: self.bytes | now.bytes, ..now };
        for b in 0..4 {
            let (old, new) = (self.bytes >> b & 1 == 1, now.bytes >> b & 1 == 1);
            if old && !new {
                out.lanes[b] = self.lanes[b];
            } else if old && reads && self.lanes[b] != now.lanes[b] {
                out.lanes[b] = 32;
            }
        }
        out
    }
}

pub struct Clocks {
    time: Vec<u32>,
    known: Vec<Knowledge>,
    /// What some lanes of a warp acquired, until the warp synchronises.
    partial: Vec<Vec<(u32, Knowledge)>>,
    /// Times up to which the writes of an agent are known to asynchronous units, by fences of its own.
    fenced: Vec<u32>,
    /// What an agent knew at its last proxy fence.
    fence: Vec<Knowledge>,
}

impl Clocks {
    /// One agent more than warps: the engine of bulk copies.
    pub fn new(warps: usize) -> Clocks {
        let n = warps + 1;
        Clocks {
            time: vec![1; n],
            known: vec![vec![Known::default(); n]; n],
            partial: vec![vec![]; n],
            fenced: vec![0; n],
            fence: vec![vec![Known::default(); n]; n],
        }
    }

    pub fn engine(&self) -> usize {
        self.time.len() - 1
    }

    pub fn epoch(&self, agent: usize, lane: usize) -> Epoch {
        Epoch { time: self.time[agent], agent: agent as u8, lanes: [lane as u8; 4], ..NOBODY }
    }

    /// What others know who acquire what these lanes did until now. The clock goes on.
    pub fn release(&mut self, agent: usize, lanes: u32, all: bool) -> Knowledge {
        let mut out = self.known[agent].clone();
        for (mask, knowledge) in &self.partial[agent] {
            if lanes & !mask == 0 {
                join(&mut out, knowledge);
            }
        }
        let time = self.time[agent];
        out[agent] =
            if all { Known { full: time, lanes: 0 } } else { Known { full: time - 1, lanes } };
        self.time[agent] += 1;
        out
    }

    pub fn acquire(&mut self, agent: usize, lanes: u32, all: bool, from: &Knowledge) {
        if all {
            join(&mut self.known[agent], from);
        } else {
            learn(&mut self.partial[agent], lanes, from);
        }
    }

    /// `bar.warp.sync`: all lanes know what each of them did and acquired.
    pub fn synchronise(&mut self, agent: usize) {
        for (_, knowledge) in std::mem::take(&mut self.partial[agent]) {
            join(&mut self.known[agent], &knowledge);
        }
        self.time[agent] += 1;
    }

    /// `fence.proxy.async` of a warp.
    pub fn fence(&mut self, agent: usize) {
        self.fenced[agent] = self.time[agent];
        self.fence[agent] = self.known[agent].clone();
        for (_, knowledge) in &self.partial[agent] {
            join(&mut self.fence[agent], knowledge);
        }
        self.fence[agent][agent] = Known { full: self.time[agent], lanes: 0 };
        self.time[agent] += 1;
    }

    /// Is the access before what a lane does now to the same bytes?
    pub fn before(&self, of: Epoch, now: Epoch) -> bool {
        let agent = now.agent as usize;
        if of.time == 0 || of.agent == now.agent && of.time < self.time[agent] {
            return true;
        }
        let ordered = |lane: u8| self.lane_before(of, lane, agent, now.lanes[0]);
        if of.lanes == [of.lanes[0]; 4] {
            return ordered(of.lanes[0]);
        }
        let both = of.bytes & now.bytes;
        (0..4).filter(|b| both >> b & 1 == 1).all(|b| ordered(of.lanes[b]))
    }

    fn lane_before(&self, of: Epoch, of_lane: u8, agent: usize, lane: u8) -> bool {
        let other = of.agent as usize;
        if other == agent {
            return of_lane == lane;
        }
        self.known[agent].get(other).is_some_and(|k| k.covers(of_lane, of.time))
            || self.partial[agent].iter().any(|(mask, knowledge)| {
                mask >> lane & 1 == 1
                    && knowledge.get(other).is_some_and(|k| k.covers(of_lane, of.time))
            })
    }

    /// Do asynchronous units, set off by this agent, see the access?
    pub fn through_fence(&self, of: Epoch, agent: usize) -> bool {
        let other = of.agent as usize;
        of.time == 0
            || of.asynchronous
            || self.fenced.get(other).is_some_and(|t| of.time <= *t)
            || self.fence[agent]
                .get(other)
                .is_some_and(|k| of.lanes.iter().all(|lane| k.covers(*lane, of.time)))
    }
}

/// A word's last write, and the last read of each agent since.
#[derive(Clone)]
pub struct Shadow {
    writes: Vec<Epoch>,
    readers: Vec<u64>,
    reads: Vec<Epoch>,
    agents: usize,
}

/// Why an access is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    Race(Epoch, Past),
    Fence(Epoch),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Write,
    Read,
}

impl Shadow {
    pub fn new(words: usize, agents: usize) -> Shadow {
        Shadow {
            writes: vec![NOBODY; words],
            readers: vec![0; words],
            reads: vec![NOBODY; words * agents],
            agents,
        }
    }

    pub fn reset(&mut self) {
        self.writes.fill(NOBODY);
        self.readers.fill(0);
    }

    /// A read of some bytes of a word by `now`.
    #[inline]
    pub fn read(&mut self, word: usize, now: Epoch, clocks: &Clocks) -> Option<Conflict> {
        let agent = now.agent as usize;
        let write = *self.writes.get(word)?;
        let mut conflict = None;
        if write.bytes & now.bytes != 0 {
            let both = write.strong && now.strong;
            if !(both || clocks.before(write, now)) {
                conflict = Some(Conflict::Race(write, Past::Write));
            } else if now.asynchronous && !clocks.through_fence(write, agent) {
                conflict = Some(Conflict::Fence(write));
            }
        }
        let slot = &mut self.reads[word * self.agents + agent];
        let known = self.readers[word] >> agent & 1 == 1;
        *slot = if known && slot.time == now.time {
            Epoch { strong: slot.strong && now.strong, ..slot.with(now, true) }
        } else {
            now
        };
        self.readers[word] |= 1 << agent;
        conflict
    }

    /// A write; `same` tells whether it changes nothing.
    #[inline]
    pub fn write(
        &mut self,
        word: usize,
        now: Epoch,
        same: bool,
        clocks: &Clocks,
    ) -> Option<Conflict> {
        let write = *self.writes.get(word)?;
        let mut conflict = None;
        let free = |of: Epoch| {
            same || of.bytes & now.bytes == 0 || of.strong && now.strong || clocks.before(of, now)
        };
        if !free(write) {
            conflict = Some(Conflict::Race(write, Past::Write));
        }
        let mut readers = self.readers[word];
        while readers != 0 {
            let reader = readers.trailing_zeros() as usize;
            readers &= readers - 1;
            let read = self.reads[word * self.agents + reader];
            if !free(read) {
                conflict = Some(Conflict::Race(read, Past::Read));
            }
        }
        self.readers[word] = 0;
        let together = (write.agent, write.time, write.strong, write.asynchronous)
            == (now.agent, now.time, now.strong, now.asynchronous);
        self.writes[word] = if together { write.with(now, false) } else { now };
        conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clocks: &Clocks, agent: usize, lane: usize) -> Epoch {
        Epoch { bytes: 15, ..clocks.epoch(agent, lane) }
    }

    #[test]
    fn lanes_of_a_warp_need_a_warp_barrier() {
        let mut clocks = Clocks::new(2);
        let mut shadow = Shadow::new(1, 3);
        assert_eq!(shadow.write(0, at(&clocks, 0, 0), false, &clocks), None);
        assert_eq!(shadow.read(0, at(&clocks, 0, 0), &clocks), None);
        assert!(shadow.read(0, at(&clocks, 0, 1), &clocks).is_some());
        clocks.synchronise(0);
        assert_eq!(shadow.read(0, at(&clocks, 0, 1), &clocks), None);
        // Another lane's read is not yet ordered before this write.
        assert!(shadow.write(0, at(&clocks, 0, 2), false, &clocks).is_some());
    }

    #[test]
    fn a_release_by_one_lane_covers_that_lane() {
        let mut clocks = Clocks::new(2);
        let mut shadow = Shadow::new(2, 3);
        shadow.write(0, at(&clocks, 0, 0), false, &clocks);
        shadow.write(1, at(&clocks, 0, 7), false, &clocks);
        let known = clocks.release(0, 1, false);
        clocks.acquire(1, u32::MAX, true, &known);
        assert_eq!(shadow.read(0, at(&clocks, 1, 3), &clocks), None);
        assert!(shadow.read(1, at(&clocks, 1, 3), &clocks).is_some());
    }

    #[test]
    fn what_a_lane_acquires_is_known_to_it_alone() {
        let mut clocks = Clocks::new(2);
        let mut shadow = Shadow::new(1, 3);
        shadow.write(0, at(&clocks, 0, 0), false, &clocks);
        let known = clocks.release(0, u32::MAX, true);
        clocks.acquire(1, 1, false, &known);
        assert_eq!(shadow.read(0, at(&clocks, 1, 0), &clocks), None);
        assert!(shadow.read(0, at(&clocks, 1, 1), &clocks).is_some());
        clocks.synchronise(1);
        assert_eq!(shadow.read(0, at(&clocks, 1, 1), &clocks), None);
    }

    #[test]
    fn bytes_of_a_word_are_apart_and_the_same_value_is_no_race() {
        let clocks = Clocks::new(2);
        let mut shadow = Shadow::new(1, 3);
        let low = Epoch { bytes: 3, ..clocks.epoch(0, 0) };
        let high = Epoch { bytes: 12, ..clocks.epoch(1, 0) };
        assert_eq!(shadow.write(0, low, false, &clocks), None);
        assert_eq!(shadow.write(0, high, false, &clocks), None);
        assert!(shadow.write(0, low, false, &clocks).is_none());
        assert_eq!(shadow.write(0, Epoch { agent: 1, ..low }, true, &clocks), None);
        assert!(shadow.write(0, low, false, &clocks).is_some());
    }

    #[test]
    fn lanes_have_halves_of_a_word_each() {
        let mut clocks = Clocks::new(2);
        let mut shadow = Shadow::new(1, 3);
        let half = |clocks: &Clocks, lane: usize| Epoch {
            bytes: if lane == 0 { 3 } else { 12 },
            ..clocks.epoch(0, lane)
        };
        for lane in [0, 1] {
            assert_eq!(shadow.read(0, half(&clocks, lane), &clocks), None);
        }
        // Each writes what it has read itself.
        for lane in [0, 1] {
            assert_eq!(shadow.write(0, half(&clocks, lane), false, &clocks), None);
        }
        // Neither may read what the other has written.
        for (lane, bytes) in [(0, 12), (1, 3)] {
            let other = Epoch { bytes, ..clocks.epoch(0, lane) };
            assert!(shadow.read(0, other, &clocks).is_some(), "{lane}");
        }
        clocks.synchronise(0);
        assert_eq!(shadow.read(0, at(&clocks, 0, 5), &clocks), None);
    }

    #[test]
    fn asynchronous_units_need_a_fence() {
        let mut clocks = Clocks::new(2);
        let mut shadow = Shadow::new(1, 3);
        shadow.write(0, at(&clocks, 0, 0), false, &clocks);
        let unit = |clocks: &Clocks| Epoch { asynchronous: true, ..at(clocks, 0, 0) };
        assert!(matches!(shadow.read(0, unit(&clocks), &clocks), Some(Conflict::Fence(_))));
        clocks.fence(0);
        assert_eq!(shadow.read(0, unit(&clocks), &clocks), None);
    }
}
