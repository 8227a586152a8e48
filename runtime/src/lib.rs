//! Devices, buffers, plan and run, thread pool, cache, drivers.

pub mod driver;
