//! CPUs by way of CLIF text: target rows, instruction rows, the emitter.

mod emit_clif;
mod rows;
pub mod targets;

pub use emit_clif::emit;
