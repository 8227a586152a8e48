//! What a run found and counted.

use std::collections::{BTreeMap, BTreeSet};

/// A rule that a kernel broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    OutOfBounds,
    Misaligned,
    /// A byte was read that nobody wrote.
    Uninitialised,
    /// Something was read or written while an asynchronous operation had not been waited for.
    MissingWait,
    /// Two accesses to a word, one of them a write, that nothing puts in order.
    Race,
    /// A copy engine or a matrix unit and instructions see a word, and no proxy fence stands between.
    MissingProxyFence,
    /// An instruction of a whole warp was executed by a part of it.
    PartialMask,
    /// Warps wait for what never comes.
    Deadlock,
    /// A barrier of memory or of the block is used wrongly.
    Barrier,
    ReadOnly,
    Trap,
    /// Asynchronous operations that the kernel left behind.
    LeftBehind,
    /// More registers than there are.
    Registers,
}

/// Each kind by name.
#[rustfmt::skip] // one per row
const NAMES: &[(Kind, &str)] = &[
    (Kind::OutOfBounds,       "out-of-bounds"),
    (Kind::Misaligned,        "misaligned"),
    (Kind::Uninitialised,     "uninitialised"),
    (Kind::MissingWait,       "missing-wait"),
    (Kind::Race,              "race"),
    (Kind::MissingProxyFence, "missing-proxy-fence"),
    (Kind::PartialMask,       "partial-mask"),
    (Kind::Deadlock,          "deadlock"),
    (Kind::Barrier,           "barrier"),
    (Kind::ReadOnly,          "read-only"),
    (Kind::Trap,              "trap"),
    (Kind::LeftBehind,        "left-behind"),
    (Kind::Registers,         "registers"),
];

impl Kind {
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(k, _)| *k == self).map_or("?", |(_, n)| n)
    }
}

/// One place where a rule was broken, as it was first seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub kind: Kind,
    /// Line in the PTX text.
    pub line: u32,
    pub instruction: String,
    pub block: [u32; 3],
    pub warp: u32,
    pub lane: u32,
    pub address: u64,
    /// Buffer or space, and the offset in it.
    pub buffer: String,
    pub offset: i64,
    pub message: String,
    /// How often it was seen.
    pub count: u64,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [x, y, z] = self.block;
        write!(f, "line {}: {}: {}", self.line, self.kind.name(), self.message)?;
        write!(f, "\n    {}", self.instruction)?;
        write!(f, "\n    block {x},{y},{z} warp {} lane {}", self.warp, self.lane)?;
        if !self.buffer.is_empty() {
            write!(f, ", {} at {}", self.buffer, self.offset)?;
        }
        if self.count > 1 {
            write!(f, ", {} times", self.count)?;
        }
        Ok(())
    }
}

/// What the accesses of a line of the text cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub instruction: String,
    /// Executions by a warp.
    pub executed: u64,
    /// Passes over the banks of shared memory, and what accesses of this width take without conflicts.
    pub wavefronts: u64,
    pub ideal_wavefronts: u64,
    /// Sectors of 32 bytes of global memory, and how many the bytes would fill.
    pub sectors: u64,
    pub ideal_sectors: u64,
    /// The same by the lanes that touched global memory, a bit each.
    pub touched: BTreeMap<u32, Touched>,
}

/// Sectors of executions by the same lanes: their sum, and the least and the most of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub executed: u64,
    pub sectors: u64,
    pub least: u64,
    pub most: u64,
}

impl Touched {
    /// So many executions of which each touched so many.
    pub fn of(executed: u64, sectors: u64) -> Touched {
        Touched { executed, sectors: executed * sectors, least: sectors, most: sectors }
    }

    pub fn join(&mut self, other: &Touched) {
        let first = self.executed == 0;
        self.least = if first { other.least } else { self.least.min(other.least) };
        self.most = self.most.max(other.most);
        self.executed += other.executed;
        self.sectors += other.sectors;
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instructions executed by warps.
    pub instructions: u64,
    pub blocks: u64,
    /// Lines that access shared or global memory.
    pub lines: BTreeMap<u32, Line>,
    /// Lines of instructions that some lane executed.
    pub reached: BTreeSet<u32>,
    /// Lines whose guard kept some lane from it.
    pub held: BTreeSet<u32>,
}

impl Statistics {
    /// Passes over the banks that conflicts cost.
    pub fn conflicts(&self) -> u64 {
        self.lines.values().map(|l| l.wavefronts - l.ideal_wavefronts).sum()
    }

    /// Share of the sectors that were needed; 1 where nothing was read.
    pub fn sector_efficiency(&self) -> f64 {
        let sum = |f: fn(&Line) -> u64| self.lines.values().map(f).sum::<u64>();
        let all = sum(|l| l.sectors);
        if all == 0 { 1.0 } else { sum(|l| l.ideal_sectors) as f64 / all as f64 }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub findings: Vec<Finding>,
    pub statistics: Statistics,
    /// Where terms are followed: the first line whose way or place the data decide.
    pub depends: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_and_what() {
        let finding = Finding {
            kind: Kind::OutOfBounds,
            line: 7,
            instruction: "ld.global.u32 %r1, [%rd1];".into(),
            block: [1, 0, 0],
            warp: 2,
            lane: 3,
            address: 64,
            buffer: "q".into(),
            offset: 64,
            message: "4 bytes behind the end".into(),
            count: 2,
        };
        let text = finding.to_string();
        for part in ["line 7: out-of-bounds", "block 1,0,0 warp 2 lane 3", "q at 64", "2 times"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(Kind::Trap.name(), "trap");
    }

    #[test]
    fn costs_add_up() {
        let mut statistics = Statistics::default();
        assert_eq!((statistics.conflicts(), statistics.sector_efficiency()), (0, 1.0));
        let line = Line {
            wavefronts: 4,
            ideal_wavefronts: 1,
            sectors: 8,
            ideal_sectors: 4,
            ..Line::default()
        };
        statistics.lines.insert(3, line);
        assert_eq!((statistics.conflicts(), statistics.sector_efficiency()), (3, 0.5));
        let mut touched = Touched::default();
        [4, 5, 4].iter().for_each(|n| touched.join(&Touched::of(1, *n)));
        assert_eq!(touched, Touched { executed: 3, sectors: 13, least: 4, most: 5 });
    }
}
