//! Who wrote and read each word of global memory last, over all blocks of a launch.

use super::race::{self, Clocks, Epoch, Past};
use std::collections::HashSet;

/// The last write and the last read of words of global memory, in pages that are made when they are met.
#[derive(Default)]
pub struct GlobalShadow {
    /// By buffer and page.
    pages: Vec<Vec<Vec<GlobalWord>>>,
}

const PAGE: usize = 1024;

#[derive(Clone, Copy)]
pub struct GlobalWord {
    /// Block and access.
    write: (u32, Epoch),
    /// The last reads of two agents: whoever writes is not both of them.
    reads: [(u32, Epoch); 2],
    /// Blocks besides the last one read it.
    shared: bool,
}

const NOBODY: (u32, Epoch) = (0, race::NOBODY);
const EMPTY: GlobalWord = GlobalWord { write: NOBODY, reads: [NOBODY; 2], shared: false };

impl GlobalShadow {
    pub fn word(&mut self, buffer: usize, word: usize) -> &mut GlobalWord {
        let n = word / PAGE;
        if self.pages.len() <= buffer {
            self.pages.resize(buffer + 1, vec![]);
        }
        let pages = &mut self.pages[buffer];
        if pages.len() <= n {
            pages.resize(n + 1, vec![]);
        }
        let page = &mut pages[n];
        if page.is_empty() {
            page.resize(PAGE, EMPTY);
        }
        &mut page[word % PAGE]
    }
}

impl GlobalWord {
    /// An access by `now` in a block that acquired what others released; `same` tells whether a write changes nothing.
    ///
    /// An asynchronous read is one of `ld.global.nc`: nothing puts it in order with a write of the same launch.
    pub fn access(
        &mut self,
        now: Epoch,
        writes: bool,
        same: bool,
        (block, acquired): (u32, &HashSet<u32>),
        clocks: &Clocks,
    ) -> Option<(u32, Epoch, Past)> {
        let ordered = |of: (u32, Epoch)| {
            of.1.time == 0
                || of.1.bytes & now.bytes == 0
                || of.1.strong && now.strong
                || !of.1.asynchronous
                    && !now.asynchronous
                    && if of.0 == block {
                        clocks.before(of.1, now)
                    } else {
                        acquired.contains(&of.0)
                    }
        };
        let mut conflict = None;
        if !ordered(self.write) && !same {
            conflict = Some((self.write.0, self.write.1, Past::Write));
        }
        if !writes {
            self.note(block, now);
            return conflict;
        }
        if !same {
            let unordered = self.reads.into_iter().find(|r| !ordered(*r));
            let others = self.shared && acquired.is_empty() && !now.strong;
            let found = unordered.or(others.then_some(self.reads[0]));
            conflict = conflict.or(found.map(|(block, epoch)| (block, epoch, Past::Read)));
        }
        self.shared = false;
        self.reads = [NOBODY; 2];
        let write = self.write.1;
        let together = self.write.0 == block
            && (write.agent, write.time, write.strong, write.asynchronous)
                == (now.agent, now.time, now.strong, now.asynchronous);
        self.write = (block, if together { write.with(now, false) } else { now });
        conflict
    }

    fn note(&mut self, block: u32, now: Epoch) {
        let [last, _] = &mut self.reads;
        if last.1.time == 0 || last.0 != block {
            self.shared |= last.1.time != 0;
            self.reads = [(block, now), NOBODY];
        } else if last.1.agent == now.agent {
            let asynchronous = last.1.asynchronous || now.asynchronous;
            last.1 = Epoch { asynchronous, ..last.1.with(now, true) };
        } else {
            self.reads = [(block, now), *last];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_meets_the_reads_of_two_warps() {
        let clocks = Clocks::new(3);
        let at = |agent| Epoch { bytes: 15, ..clocks.epoch(agent, 0) };
        let none = HashSet::new();
        let mut word = EMPTY;
        assert_eq!(word.access(at(0), false, false, (0, &none), &clocks), None);
        assert_eq!(word.access(at(1), false, false, (0, &none), &clocks), None);
        let found = word.access(at(1), true, false, (0, &none), &clocks);
        assert_eq!(found, Some((0, at(0), Past::Read)));
        assert_eq!(word.access(at(1), true, false, (0, &none), &clocks), None);
    }

    #[test]
    fn what_is_read_as_constant_is_written_by_nobody() {
        let clocks = Clocks::new(1);
        let none = HashSet::new();
        let at = |asynchronous| Epoch { bytes: 15, asynchronous, ..clocks.epoch(0, 0) };
        let mut word = EMPTY;
        assert_eq!(word.access(at(true), false, false, (0, &none), &clocks), None);
        let found = word.access(at(false), true, false, (0, &none), &clocks);
        assert_eq!(found.map(|f| f.2), Some(Past::Read));
        let found = word.access(at(true), false, false, (0, &none), &clocks);
        assert_eq!(found.map(|f| f.2), Some(Past::Write));
    }
}
