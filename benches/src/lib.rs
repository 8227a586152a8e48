//! Benches of the compiler itself, and of its kernels beside the limits of the machine and beside rivals.

pub mod probe;
pub mod report;
pub mod rival;
pub mod table;
