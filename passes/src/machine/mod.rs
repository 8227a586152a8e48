//! Passes over machine kernels: [`expand`] what the target has no row for, [`share`] what is computed twice.

mod expand;
mod share;

pub use expand::expand;
pub use share::share;
