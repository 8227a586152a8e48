//! CPUs: target rows, instruction rows, the emitters of CLIF text, of LLVM's language and of machine code.

mod emit_clif;
pub mod llvm;
pub mod native;
pub mod packing;
mod rows;
pub mod targets;

pub use emit_clif::emit;
