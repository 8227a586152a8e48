//! Runs compiled ops: devices, buffers, thread pool, plan and run, cache, drivers, model files.

pub mod files;
