//! What a multiprocessor of each chip holds, and how many blocks of a kernel that is.
//!
//! ```text
//! 168 registers, 128 threads, 13312 bytes shared on sm80: 3 blocks, 384 of 2048 threads, short of registers
//! ```
//!
//! Sources: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"; registers are given to warps
//! in units of 256, shared memory to blocks with what the system keeps of it (CUDA Occupancy Calculator).

use super::targets::LANES;
use std::fmt;

/// What there is of everything that blocks share out among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the target, without the letter of its features.
    pub name: &'static str,
    pub threads: usize,
    pub blocks: usize,
    /// Bytes of shared memory, of a multiprocessor and of one block.
    pub shared: usize,
    pub shared_of_block: usize,
    /// Bytes of each block's that the system keeps.
    pub reserved: usize,
}

/// 32-bit registers of a multiprocessor, and of a thread at most: the same on all of these chips.
pub const REGISTERS: usize = 64 << 10;
pub const REGISTERS_OF_THREAD: usize = 255;
const REGISTER_UNIT: usize = 256;
/// Registers of a warp come from the quarter of the file that its scheduler has.
const SCHEDULERS: usize = 4;

const KIB: usize = 1 << 10;

#[rustfmt::skip] // a table
pub static LIMITS: &[Limits] = &[
    Limits { name: "sm120", threads: 1536, blocks: 24, shared: 100 * KIB, shared_of_block:  99 * KIB, reserved: KIB },
    Limits { name: "sm100", threads: 2048, blocks: 32, shared: 228 * KIB, shared_of_block: 227 * KIB, reserved: KIB },
    Limits { name: "sm90",  threads: 2048, blocks: 32, shared: 228 * KIB, shared_of_block: 227 * KIB, reserved: KIB },
    Limits { name: "sm89",  threads: 1536, blocks: 24, shared: 100 * KIB, shared_of_block:  99 * KIB, reserved: KIB },
    Limits { name: "sm86",  threads: 1536, blocks: 16, shared: 100 * KIB, shared_of_block:  99 * KIB, reserved: KIB },
    Limits { name: "sm80",  threads: 2048, blocks: 32, shared: 164 * KIB, shared_of_block: 163 * KIB, reserved: KIB },
    Limits { name: "sm75",  threads: 1024, blocks: 16, shared:  64 * KIB, shared_of_block:  64 * KIB, reserved: 0 },
    Limits { name: "sm70",  threads: 2048, blocks: 32, shared:  96 * KIB, shared_of_block:  96 * KIB, reserved: 0 },
];

/// Of a target: `sm90a` has those of `sm90`.
pub fn limits(target: &str) -> Option<&'static Limits> {
    let name = target.split('/').next().unwrap_or(target);
    let name = name.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    LIMITS.iter().find(|l| l.name == name)
}

/// Blocks that a multiprocessor runs at once, and what there would have to be more of for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    pub blocks: usize,
    pub threads: usize,
    pub of: usize,
    pub want: &'static str,
}

impl Limits {
    /// Of blocks of so many threads, each with so many registers, and bytes of shared memory.
    pub fn occupancy(&self, registers: usize, threads: usize, shared: usize) -> Occupancy {
        let warps = threads.div_ceil(LANES).max(1);
        let of_warp = (registers.max(1) * LANES).next_multiple_of(REGISTER_UNIT);
        let warps_of_scheduler = REGISTERS / SCHEDULERS / of_warp;
        let shared = if shared > 0 { shared + self.reserved } else { self.reserved };
        let candidates = [
            (self.threads / (warps * LANES), "threads"),
            (warps_of_scheduler * SCHEDULERS / warps, "registers"),
            (self.shared.checked_div(shared).unwrap_or(usize::MAX), "shared memory"),
            (self.blocks, "blocks"),
        ];
        let (blocks, want) = candidates.into_iter().min_by_key(|c| c.0).unwrap_or((0, "blocks"));
        Occupancy { blocks, threads: blocks * warps * LANES, of: self.threads, want }
    }

    /// The most registers a thread may take for so many blocks of so many threads to run at once.
    pub fn registers_for(&self, blocks: usize, threads: usize) -> usize {
        let warps = (blocks * threads.div_ceil(LANES)).div_ceil(SCHEDULERS).max(1);
        let of_warp = REGISTERS / SCHEDULERS / warps / REGISTER_UNIT * REGISTER_UNIT;
        (of_warp / LANES).min(REGISTERS_OF_THREAD)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { threads, blocks, .. } = self;
        let (shared, own) = (self.shared / KIB, self.shared_of_block / KIB);
        write!(
            f,
            "a multiprocessor has {threads} threads, {blocks} blocks, {REGISTERS} registers, {shared} KiB of shared \
             memory, of which a block gets {own}"
        )
    }
}

impl fmt::Display for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Occupancy { blocks, threads, of, want } = self;
        let s = if *blocks == 1 { "" } else { "s" };
        write!(f, "{blocks} block{s}, {threads} of {of} threads, short of {want}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptx::targets::CHIPS;

    #[test]
    fn every_chip_has_its_limits() {
        for chip in CHIPS {
            assert!(limits(chip.target.name).is_some(), "{}", chip.target.name);
        }
        assert_eq!(limits("sm90a").map(|l| l.name), Some("sm90"));
        assert_eq!(limits("x86-64-v3/native"), None);
        for l in LIMITS {
            assert!(l.shared_of_block + l.reserved <= l.shared, "{}", l.name);
        }
    }

    #[test]
    fn the_scarcest_decides() {
        let sm80 = limits("sm80").unwrap();
        let of = |registers, threads, shared| {
            let o = sm80.occupancy(registers, threads, shared);
            (o.blocks, o.threads, o.want)
        };
        // As the calculator of the CUDA toolkit has it.
        assert_eq!(of(32, 128, 0), (16, 2048, "threads"));
        assert_eq!(of(168, 128, 13312), (3, 384, "registers"));
        assert_eq!(of(255, 128, 0), (2, 256, "registers"));
        assert_eq!(of(32, 32, 0), (32, 1024, "blocks"));
        assert_eq!(of(40, 128, 48 * KIB), (3, 384, "shared memory"));
        assert_eq!(of(40, 128, 163 * KIB), (1, 128, "shared memory"));
        let sm70 = limits("sm70").unwrap();
        assert_eq!(sm70.occupancy(32, 64, 0).blocks, 32);
    }

    #[test]
    fn a_budget_is_what_still_fits() {
        for l in LIMITS {
            for blocks in [1, 2, 3, 4, 8] {
                let budget = l.registers_for(blocks, 128);
                assert!(l.occupancy(budget, 128, 0).blocks >= blocks, "{} {blocks}", l.name);
                let more = l.occupancy(budget + 8, 128, 0).blocks;
                assert!(budget == REGISTERS_OF_THREAD || more < blocks, "{} {blocks}", l.name);
            }
        }
        assert_eq!(limits("sm80").unwrap().registers_for(4, 128), 128);
    }

    #[test]
    fn both_are_one_line() {
        let sm90 = limits("sm90").unwrap();
        assert_eq!(
            sm90.to_string(),
            "a multiprocessor has 2048 threads, 32 blocks, 65536 registers, 228 KiB of shared memory, of which a block \
             gets 227"
        );
        let o = sm90.occupancy(168, 128, 0);
        assert_eq!(o.to_string(), "3 blocks, 384 of 2048 threads, short of registers");
    }
}
