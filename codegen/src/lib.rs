//! Targets, their instruction rows, and the emitters that turn a machine kernel into a target's text.

pub mod cpu;
pub mod ptx;

use kgen_ir::{diag::Unsupported, machine::Kernel, target::Target};

/// Every target, best first within a family.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    cpu::targets::NATIVE.iter().chain(cpu::targets::TARGETS)
}

/// The text of a kernel in a target's language, and what files of such texts end with.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<(&'static str, String), Unsupported> {
    match target.backend {
        "native" => Ok(("x86", cpu::native::emit(kernel, target)?.text)),
        "cranelift" => Ok(("clif", cpu::emit(kernel, target)?)),
        other => Err(Unsupported {
            what: format!("the backend `{other}`"),
            target: target.name.into(),
            instead: "a target that `kgen targets` lists".into(),
        }),
    }
}

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets().find(|t| t.name == name)
}
