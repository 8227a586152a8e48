//! Drivers make emitted text runnable; one module a kind of text.

#[cfg(feature = "cranelift")]
pub mod cranelift;
