//! NVIDIA GPUs by way of PTX: a warp is a vector of 32 lanes.
//!
//! `targets` the chips, `rows` instructions as PTX text, `emit` a kernel as a PTX module, `order` which accesses of
//! memory wait for other lanes, `places` where those are, `shuffle` any exchange of lanes; `sectors` what an
//! access of global memory touches; `limits` what a multiprocessor holds; `fragments` which lane and register of a
//! matrix instruction holds which element.

mod emit;
pub mod fragments;
pub mod limits;
mod order;
mod places;
mod rows;
pub mod sectors;
mod shuffle;
pub mod targets;

pub use emit::emit;
