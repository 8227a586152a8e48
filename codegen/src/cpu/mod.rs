//! CPUs by way of CLIF text: target rows, instruction rows, the emitter.

mod emit_clif;
pub mod packing;
mod rows;
pub mod targets;

pub use emit_clif::emit;
