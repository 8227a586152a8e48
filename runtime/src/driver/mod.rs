//! Drivers make the text of an artifact runnable. One file a backend; the artifact names the one it needs.
//!
//! A kernel is `extern "C" fn(args: *const u64, worker: u64)`; its argument array is what
//! [`kgen_ir::machine::Slot`] says.

#![allow(unsafe_code)]

#[cfg(feature = "cranelift")]
pub mod clif;
#[cfg(feature = "cranelift")]
pub mod cranelift;
#[cfg(test)]
pub mod fake;
pub mod hint;
pub mod native;
#[cfg(feature = "cranelift")]
pub mod object;

/// Turns text into code.
pub trait Driver {
    /// As artifacts name it: `cranelift`.
    fn name(&self) -> &'static str;

    /// Loads one file. `entries` are the symbols that will be called, by index.
    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError>;
}

/// The drivers of this build.
pub static DRIVERS: &[&(dyn Driver + Sync)] = &[
    &native::Native { perf_map: false },
    #[cfg(feature = "cranelift")]
    &clif::Clif,
];

/// Code in memory.
pub trait Loaded: Send + Sync {
    /// Runs one worker of a kernel.
    ///
    /// # Safety
    /// `entry` is an index into the `entries` of the load. `args` has as many entries as the kernel has slots,
    /// each with the meaning the slot says; memory they point to is live, of the sizes the kernel was compiled
    /// for, and not touched by others during the launch.
    unsafe fn call(&self, entry: usize, args: *const u64, worker: u64);
}

#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("the code has no symbol `{0}`")]
    Entry(String),
    #[error("cannot compile: {0}")]
    Compile(String),
    #[error("this machine cannot run the code: {0}")]
    Unavailable(String),
}
