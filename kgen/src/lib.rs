//! kgen turns a small `op.toml` into verified, fast attention and low-bit matrix kernels.
//!
//! ```
//! let error = kgen::compile::read("ops/absent.toml".as_ref()).unwrap_err();
//! assert_eq!(error.exit_code(), 3);
//! ```

pub mod bench;
pub mod compile;
pub mod device;
mod error;
pub mod foreign;
pub mod gpu;
pub mod header;
pub mod inputs;
pub mod kernels;
pub mod sectors;
pub mod sweep;
pub mod tune;
pub mod verify;

pub use error::Error;
pub use kgen_passes::Schedule;
