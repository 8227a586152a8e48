//! The chips, and the oldest PTX that names them and their matrix instructions: the older the language, the older the
//! driver that will do.
//!
//! ```text
//! .version 7.0
//! .target sm_80
//! ```
//!
//! Sources: PTX ISA, "Release Notes" (which version brought which `.target`); CUDA Toolkit release notes, table of the
//! driver that came with the toolkit that brought the version.

use super::rows;
use kgen_ir::target::Target;

/// Threads of a warp.
pub const LANES: usize = 32;

/// What the PTX of a chip begins with.
#[derive(Debug)]
pub struct Chip {
    pub target: Target,
    /// Of the language: `7.0`.
    pub version: &'static str,
}

/// Registers of a thread that a product may fill; of 255 some hold addresses and operands under way.
const REGISTERS: usize = 48;

macro_rules! chip {
    ($name:literal, $arch:literal, $version:literal, $driver:literal, $rows:expr, $about:literal) => {
        Chip {
            version: $version,
            target: Target {
                name: $name,
                backend: "ptx",
                lanes: LANES,
                vectors: REGISTERS,
                reorders: true,
                rows: $rows,
                features: &[$arch, concat!("ptx ", $version), concat!("driver ", $driver)],
                about: $about,
            },
        }
    };
}

#[rustfmt::skip] // a table
pub static CHIPS: &[Chip] = &[
    chip!("sm120", "sm_120", "8.7", "570.26", rows::SM80, "NVIDIA Blackwell, RTX 50"),
    chip!("sm100", "sm_100", "8.6", "565.57", rows::SM80, "NVIDIA Blackwell, B200"),
    chip!("sm90",  "sm_90",  "7.8", "520.61", rows::SM80, "NVIDIA Hopper, H100"),
    chip!("sm89",  "sm_89",  "7.8", "520.61", rows::SM80, "NVIDIA Ada, RTX 40 and L4"),
    chip!("sm86",  "sm_86",  "7.1", "455.23", rows::SM80, "NVIDIA Ampere, RTX 30 and A10"),
    chip!("sm80",  "sm_80",  "7.0", "450.36", rows::SM80, "NVIDIA Ampere, A100"),
    chip!("sm75",  "sm_75",  "6.5", "440.33", rows::SM75, "NVIDIA Turing, T4 and RTX 20"),
    chip!("sm70",  "sm_70",  "6.4", "418.39", rows::SM70, "NVIDIA Volta, V100"),
];

/// The chip of a target.
pub fn chip(target: &Target) -> Option<&'static Chip> {
    CHIPS.iter().find(|c| c.target.name == target.name)
}
