//! Targets, their instruction rows, and the emitters that turn a machine kernel into a target's text.

pub mod cpu;
pub mod ptx;

use kgen_ir::target::Target;

/// Every target, best first within a family.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    cpu::targets::TARGETS.iter()
}

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    targets().find(|t| t.name == name)
}
