//! Drivers make the text of an artifact runnable. One file a backend; the artifact names the one it needs.
//!
//! A kernel is `extern "C" fn(args: *const u64, worker: u64)`; its argument array is what
//! [`kgen_ir::machine::Slot`] says.

#![allow(unsafe_code)]

#[cfg(feature = "cranelift")]
pub mod clif;
#[cfg(feature = "cranelift")]
pub mod cranelift;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(test)]
pub mod fake;
pub mod hint;
#[cfg(feature = "llvm")]
pub mod llvm;
pub mod native;
#[cfg(feature = "cranelift")]
pub mod object;
#[cfg(feature = "llvm")]
mod objects;
pub mod sim;
pub mod tiles;

use kgen_ir::artifact::Block;

/// Turns text into code.
pub trait Driver: Sync {
    /// As artifacts name it: `cranelift`.
    fn name(&self) -> &'static str;

    /// Whether a file takes so long that each is worth a thread.
    fn slow(&self) -> bool {
        false
    }

    /// Loads one file. `entries` are the symbols that will be called, by index.
    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError>;
}

/// The drivers of this build.
pub static DRIVERS: &[&dyn Driver] = &[
    &native::Native { perf_map: false },
    #[cfg(feature = "cranelift")]
    &clif::Clif,
    #[cfg(feature = "llvm")]
    &llvm::Llvm { objects: None },
];

/// Backends that a build may be without: the cargo feature that brings one has its name.
pub const FEATURES: &[&str] = &["cranelift", "llvm"];

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

/// A device that has memory of its own and takes kernels as texts: whoever compiles or simulates them.
pub trait Device {
    /// Takes a copy of `bytes` in and gives its address. Kernels read only what they have written before, unless it is
    /// `known`.
    fn put(&mut self, name: &str, bytes: &[u8], known: bool) -> Result<u64, DriverError>;

    /// Kernels only read what [`Device::put`] gave this address: whoever checks them may hold them to it.
    fn constant(&mut self, _address: u64) {}

    /// Whether code with these features, as a manifest lists them, runs here; an error says what is in the way.
    fn accepts(&self, features: &[String]) -> Result<(), DriverError>;

    /// Copies `bytes` over what is at an address inside of what [`Device::put`] gave.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), DriverError>;

    /// The same with zeros.
    fn zero(&mut self, address: u64, bytes: usize) -> Result<(), DriverError>;

    /// Copies what is at an address inside of what [`Device::put`] gave, when all that was launched has ended.
    fn get(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), DriverError>;

    /// Compiles a kernel, once, and gives the number that it is launched by.
    fn load(&mut self, kernel: &DeviceKernel<'_>) -> Result<usize, DriverError>;

    /// Runs `grid` blocks of a kernel behind those launched before, with one 64-bit argument a slot and behind them the
    /// number of workers. They may still run when this returns.
    fn launch(&mut self, kernel: usize, grid: usize, args: &[u64]) -> Result<(), DriverError>;
}

/// A kernel as a device takes it.
#[derive(Clone, Copy, Debug)]
pub struct DeviceKernel<'a> {
    pub text: &'a str,
    /// Symbol in the text.
    pub entry: &'a str,
    pub block: Block,
}

#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("{0}")]
    Wrong(String),
    #[error("the code has no symbol `{0}`")]
    Entry(String),
    #[error("cannot compile: {0}")]
    Compile(String),
    #[error("this machine cannot run the code: {0}")]
    Unavailable(String),
}
