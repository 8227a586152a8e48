//! Runs compiled ops: devices, buffers, thread pool, plan and run, cache, drivers, model files.
//!
//! An engine loads an artifact into a [`module::Module`], plans it for the sizes of a call, binds its tensors and
//! runs; nothing here knows how the op was compiled or what it computes.

pub mod artifact;
pub mod buffer;
pub mod cache;
pub mod decode;
pub mod device;
pub mod dims;
pub mod driver;
pub mod files;
pub mod load;
pub mod module;
pub mod plan;
pub mod pool;
pub mod roof;
pub mod tensors;
