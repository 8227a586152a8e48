//! LLVM's language to objects by its code generator, and objects to code in memory by its linker.
//!
//! ```text
//! let object = object(&[text], "", System::This)?;    // bytes of an object file, as they are kept on disk
//! let code = Linked::new(&object, &["axpy"])?;
//! ```
//!
//! The functions of a text say themselves for which CPU and features they are compiled. No pass over the program runs
//! before the code generator: kernels come as they are meant to be.

#![allow(unsafe_code)] // the linker's C interface, and calling what it linked

use super::{Driver, DriverError, Loaded, objects, tiles};
use inkwell::{
    OptimizationLevel,
    context::Context,
    llvm_sys::{
        core::LLVMCreateMemoryBufferWithMemoryRangeCopy,
        error::{LLVMDisposeErrorMessage, LLVMErrorRef, LLVMGetErrorMessage},
        orc2::lljit::{
            LLVMOrcCreateLLJIT, LLVMOrcDisposeLLJIT, LLVMOrcLLJITAddObjectFile,
            LLVMOrcLLJITGetMainJITDylib, LLVMOrcLLJITLookup, LLVMOrcLLJITRef,
        },
        support::LLVMParseCommandLineOptions,
    },
    memory_buffer::MemoryBuffer,
    support::LLVMString,
    targets::{
        CodeModel, FileType, InitializationConfig, RelocMode, Target, TargetMachine, TargetTriple,
    },
    types::{AnyTypeEnum, BasicMetadataTypeEnum},
};
use std::{
    ffi::{CStr, CString},
    path::PathBuf,
    ptr,
    sync::Once,
};

/// Backend `llvm`.
#[derive(Clone, Debug, Default)]
pub struct Llvm {
    /// A private folder where objects are kept by the hash of their text.
    pub objects: Option<PathBuf>,
}

/// What the objects of a text depend on beside it.
const VERSION: &str = "llvm 19.1, O2, pic, no lsr";

/// How a text says that it needs tiles.
const TILES: &str = "+amx-tile";

/// Which system an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// This one; the text must be of its family of CPUs.
    This,
    /// The one that the text names.
    Named,
}

impl Driver for Llvm {
    fn name(&self) -> &'static str {
        "llvm"
    }

    fn slow(&self) -> bool {
        true
    }

    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError> {
        if text.contains(TILES) {
            tiles::allow()?;
        }
        let make = || object(&[text], "", System::This);
        let object = match &self.objects {
            Some(folder) => objects::kept(folder, &[VERSION, text], make)?,
            None => make()?,
        };
        Ok(Box::new(Linked::new(&object, entries)?))
    }
}

/// Strength reduction is left out: our addresses are sums already, and it takes a third of the time to make more of
/// them than there are registers.
const OPTIONS: [&CStr; 2] = [c"kgen", c"-disable-lsr"];

fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let options = OPTIONS.map(CStr::as_ptr);
        // SAFETY: strings of this program; LLVM copies what it keeps.
        unsafe { LLVMParseCommandLineOptions(options.len() as i32, options.as_ptr(), ptr::null()) };
        let config = InitializationConfig::default();
        Target::initialize_x86(&config);
        Target::initialize_aarch64(&config);
    });
}

fn wrong(e: impl std::fmt::Display) -> DriverError {
    DriverError::Compile(format!("LLVM: {}", e.to_string().trim_end()))
}

/// What LLVM says, as it says it: its strings are shown quoted.
fn said(e: LLVMString) -> DriverError {
    wrong(e.to_string_lossy())
}

/// The functions of texts as one object file, each called `PREFIXname`.
pub fn object(texts: &[&str], prefix: &str, system: System) -> Result<Vec<u8>, DriverError> {
    initialise();
    let context = Context::create();
    let parse = |text: &str| {
        let buffer = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "kernel");
        context.create_module_from_ir(buffer).map_err(said)
    };
    let [first, rest @ ..] = texts else { return Err(wrong("no text")) };
    let module = parse(first)?;
    for text in rest {
        module.link_in_module(parse(text)?).map_err(said)?;
    }
    let named = module.get_triple();
    let triple = match system {
        System::Named => named,
        System::This => {
            let this = TargetMachine::get_default_triple();
            let family = |t: &TargetTriple| {
                t.as_str().to_string_lossy().split('-').next().unwrap_or_default().to_owned()
            };
            if family(&this) != family(&named) {
                return Err(DriverError::Unavailable(format!("it is of {}", family(&named))));
            }
            this
        }
    };
    let target = Target::from_triple(&triple).map_err(said)?;
    // What each function says of its CPU comes before this.
    let (level, model) = (OptimizationLevel::Default, CodeModel::Default);
    let machine = target
        .create_target_machine(&triple, "generic", "", level, RelocMode::PIC, model)
        .ok_or_else(|| wrong(format!("no code generator for {}", triple)))?;
    module.set_triple(&triple);
    module.set_data_layout(&machine.get_target_data().get_data_layout());
    for function in module.get_functions().filter(|f| f.count_basic_blocks() > 0) {
        let name = function.get_name().to_string_lossy().into_owned();
        let kind = function.get_type();
        let params = kind.get_param_types();
        let fits = kind.get_return_type().is_none()
            && matches!(
                params[..],
                [BasicMetadataTypeEnum::PointerType(_), BasicMetadataTypeEnum::IntType(i)]
                    if i.get_bit_width() == 64
            );
        if !fits {
            let kind = AnyTypeEnum::from(kind).to_string();
            return Err(wrong(format!("the type of `{name}` is {kind}, expected void (ptr, i64)")));
        }
        if !prefix.is_empty() {
            function.as_global_value().set_name(&format!("{prefix}{name}"));
        }
    }
    module.verify().map_err(said)?;
    let object = machine.write_to_memory_buffer(&module, FileType::Object).map_err(said)?;
    Ok(object.as_slice().to_vec())
}

/// Linked objects; the memory is freed when this is dropped.
pub struct Linked {
    linker: LLVMOrcLLJITRef,
    entries: Vec<unsafe extern "C" fn(*const u64, u64)>,
}

// SAFETY: after `new` the linker is only freed, by whoever drops this; code is read by all.
unsafe impl Send for Linked {}
// SAFETY: as above.
unsafe impl Sync for Linked {}

fn told(error: LLVMErrorRef) -> Result<(), DriverError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the error is ours, and its message, which it becomes, is freed once.
    let text = unsafe {
        let message = LLVMGetErrorMessage(error);
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        LLVMDisposeErrorMessage(message);
        text
    };
    Err(wrong(text))
}

impl Linked {
    pub fn new(object: &[u8], entries: &[&str]) -> Result<Linked, DriverError> {
        initialise();
        let mut linker = ptr::null_mut();
        // SAFETY: no builder: the default; the place of the result is ours.
        told(unsafe { LLVMOrcCreateLLJIT(&mut linker, ptr::null_mut()) })?;
        let mut linked = Linked { linker, entries: Vec::new() };
        // SAFETY: the bytes are copied; the linker lives and takes the buffer.
        told(unsafe {
            let name = c"kernel".as_ptr();
            let buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
                object.as_ptr().cast(),
                object.len(),
                name,
            );
            LLVMOrcLLJITAddObjectFile(linker, LLVMOrcLLJITGetMainJITDylib(linker), buffer)
        })?;
        for name in entries {
            let missing = || DriverError::Entry((*name).into());
            let symbol = CString::new(*name).map_err(|_| missing())?;
            let mut address = 0;
            // SAFETY: the linker lives, the place of the result is ours.
            let error = unsafe { LLVMOrcLLJITLookup(linker, &mut address, symbol.as_ptr()) };
            match told(error) {
                Ok(()) => {}
                Err(e) if e.to_string().contains("Symbols not found") => return Err(missing()),
                Err(e) => return Err(e),
            }
            // SAFETY: `object` takes only functions of this type, and the address stays mapped while `linked` lives.
            linked.entries.push(unsafe {
                std::mem::transmute::<usize, unsafe extern "C" fn(*const u64, u64)>(
                    address as usize,
                )
            });
        }
        Ok(linked)
    }
}

impl Loaded for Linked {
    unsafe fn call(&self, entry: usize, args: *const u64, worker: u64) {
        if let Some(entry) = self.entries.get(entry) {
            // SAFETY: the caller's promise is the same.
            unsafe { entry(args, worker) };
        }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        // SAFETY: calls borrow `self`, so none runs; the linker is freed once.
        let error = unsafe { LLVMOrcDisposeLLJIT(self.linker) };
        // Nobody is left to be told.
        drop(told(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores the worker's number at the first argument.
    fn store(name: &str) -> String {
        let triple = TargetMachine::get_default_triple();
        format!(
            "target triple = {:?}\n
             define void @{name}(ptr %args, i64 %worker) {{
               %p = load ptr, ptr %args, align 8
               store i64 %worker, ptr %p, align 8
               ret void
             }}",
            triple.as_str().to_string_lossy()
        )
    }

    fn told(text: &str) -> String {
        Llvm::default().load(text, &["store"]).err().map_or(String::new(), |e| e.to_string())
    }

    #[test]
    fn a_text_runs() {
        let code = Llvm::default().load(&store("store"), &["store"]).unwrap();
        let mut out = 0u64;
        let args = [&raw mut out as u64];
        // SAFETY: the code writes the eight bytes at its first argument.
        unsafe { code.call(0, args.as_ptr(), 42) };
        assert_eq!(out, 42);
    }

    #[test]
    fn mistakes_are_told() {
        let text = store("store");
        let error = told(&text.replace("ptr %p,", "ptr %q,"));
        assert!(error.starts_with("cannot compile: LLVM: "), "{error}");
        assert!(error.contains("use of undefined value '%q'"), "{error}");
        let error = told(&text.replace("i64 %worker)", "i64 %worker, i64 %more)"));
        assert!(error.ends_with("expected void (ptr, i64)"), "{error}");
        assert_eq!(told(&store("other")), "the code has no symbol `store`");
        let other = "target triple = \"nothing-unknown-unknown\"\n";
        let error = told(other);
        assert_eq!(error, "this machine cannot run the code: it is of nothing");
        let error = object(&[other], "", System::Named).unwrap_err().to_string();
        assert!(error.starts_with("cannot compile: LLVM: "), "{error}");
        assert!(object(&[], "", System::This).is_err());
    }

    /// Before its first instruction that would fault.
    #[test]
    fn tiles_are_asked_for() {
        let text = store("store").replace("{\n", "#0 {\n");
        let text = format!("{text}\nattributes #0 = {{ \"target-features\"=\"+amx-tile\" }}\n");
        let error = Llvm::default().load(&text, &["store"]).err().map(|e| e.to_string());
        assert_eq!(error, tiles::allow().err().map(|e| e.to_string()), "{text}");
    }

    #[test]
    fn the_same_text_gives_the_same_bytes_for_either_family() {
        for family in ["x86_64", "aarch64"] {
            let text = store("f").lines().skip(1).collect::<Vec<_>>().join("\n");
            let text = format!("target triple = \"{family}-unknown-linux-gnu\"\n{text}");
            let texts = [text.as_str(), &text.replace("@f", "@g")];
            let one = object(&texts, "p_", System::Named).unwrap();
            assert_eq!(one, object(&texts, "p_", System::Named).unwrap());
            for name in [b"p_f", b"p_g"] {
                assert!(one.windows(3).any(|w| w == name), "the symbols have their prefix");
            }
        }
    }
}
