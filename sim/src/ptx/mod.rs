//! PTX as its specification means it: warps in lockstep, every access checked.
//!
//! ```
//! use kgen_sim::ptx::{Arg, Launch, Memory, Module, run};
//! let text = "
//!     .version 7.0
//!     .target sm_80
//!     .address_size 64
//!     .visible .entry lanes(.param .u64 out) {
//!         .reg .b64 %rd<4>;
//!         .reg .b32 %r<2>;
//!         ld.param.u64 %rd1, [out];
//!         mov.u32 %r1, %tid.x;
//!         mul.wide.u32 %rd2, %r1, 4;
//!         add.s64 %rd3, %rd1, %rd2;
//!         st.global.u32 [%rd3], %r1;
//!         ret;
//!     }";
//! let module = Module::parse(text)?;
//! let mut memory = Memory::default();
//! let out = memory.add("out", vec![0; 256], false);
//! let launch = Launch { block: [64, 1, 1], ..Launch::default() };
//! let entry = module.entry("lanes").expect("it is there");
//! let report = run(&module, entry, &launch, &[Arg::Buffer(out, 0)], &mut memory)?;
//! assert!(report.findings.is_empty());
//! assert_eq!(memory.bytes(out)[4 * 63], 63);
//! # Ok::<(), kgen_sim::ptx::Error>(())
//! ```

mod check;
mod decode;
mod error;
mod exec;
pub mod float;
mod launch;
mod lex;
pub mod matrix;
mod memory;
mod module;
mod op;
mod parse;
mod text;

pub use check::report::{Finding, Kind, Line, Report, Statistics, Touched};
pub use error::Error;
pub use launch::{Arg, Check, Launch, Order, run};
pub use memory::Memory;
pub use module::{Entry, Module};
