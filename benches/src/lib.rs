//! Benches of the compiler itself; `kgen bench` times kernels beside the machine's limit.

pub mod probe;
pub mod rival;
