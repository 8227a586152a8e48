//! Targets, their instruction rows, and the emitters that turn a machine kernel into a target's text.

pub mod cpu;
pub mod ptx;

use kgen_ir::{artifact::Block, diag::Unsupported, machine::Kernel, target::Target};

/// Every target, best first within a family.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    let chips = ptx::targets::CHIPS.iter().map(|c| &c.target);
    let llvm = cpu::llvm::targets::CHIPS.iter().map(|c| &c.target);
    cpu::targets::NATIVE.iter().chain(cpu::targets::TARGETS).chain(llvm).chain(chips)
}

/// A kernel in the language of its target.
pub struct Emitted {
    /// What files of such texts end with.
    pub extension: &'static str,
    pub text: String,
    /// What an emitter that allocates registers itself can tell of the code.
    pub note: Option<String>,
    /// How many threads run it together, on a device that has blocks of them.
    pub block: Option<Block>,
}

/// The text of a kernel for a target, by the emitter that serves it.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<Emitted, Unsupported> {
    match target.backend {
        "native" => {
            let code = cpu::native::emit(kernel, target)?;
            let note = Some(format!("{}: {}", kernel.name, code.stats));
            Ok(Emitted { extension: "x86", text: code.text, note, block: None })
        }
        "cranelift" => {
            let text = cpu::emit(kernel, target)?;
            Ok(Emitted { extension: "clif", text, note: None, block: None })
        }
        "llvm" => {
            let text = cpu::llvm::emit(kernel, target)?;
            Ok(Emitted { extension: "ll", text, note: None, block: None })
        }
        "ptx" => {
            let (text, block) = ptx::emit(kernel, target)?;
            Ok(Emitted { extension: "ptx", text, note: None, block: Some(block) })
        }
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
