//! The compiler as the source of kernels for a loop of the runtime: an op file in, its loaded module out.

use crate::{Error, device::Cpu};
use kgen_ir::op::read;
use kgen_runtime::{
    decode::{self, KernelSource, SourceError},
    module::Module,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Each op file is compiled once, however many steps run it.
pub struct Kernels<'a> {
    cpu: &'a Cpu,
    loaded: Mutex<BTreeMap<String, Arc<Module>>>,
}

impl<'a> Kernels<'a> {
    pub fn new(cpu: &'a Cpu) -> Kernels<'a> {
        Kernels { cpu, loaded: Mutex::default() }
    }
}

impl KernelSource for Kernels<'_> {
    fn kernel(&self, text: &str) -> Result<Arc<Module>, SourceError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = loaded.get(text) {
            return Ok(Arc::clone(module));
        }
        let op = read::read("op of the loop", text).map_err(Error::Report)?;
        let module = self.cpu.load(&op)?;
        loaded.insert(text.into(), Arc::clone(&module));
        Ok(module)
    }
}

impl From<decode::Error> for Error {
    fn from(e: decode::Error) -> Error {
        let told = e.to_string();
        match e {
            decode::Error::Context { .. } | decode::Error::NoPrompt => Error::Usage(told),
            decode::Error::File(_)
            | decode::Error::NoKey { .. }
            | decode::Error::Key { .. }
            | decode::Error::Tensor { .. }
            | decode::Error::NoToken { .. }
            | decode::Error::Token { .. } => Error::Input(told),
            decode::Error::Kernel { .. }
            | decode::Error::Plan { .. }
            | decode::Error::Memory(_) => Error::Unavailable(told),
        }
    }
}
