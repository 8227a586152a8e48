//! CLIF text to code of this CPU, in memory.
//!
//! ```text
//! let code = Code::compile(text)?;
//! let entry = code.entry("axpy")?;
//! unsafe { entry.call(args.as_ptr(), 0) };
//! ```
#![allow(unsafe_code)] // calling what was compiled, and freeing it

use cranelift_codegen::{
    Context,
    control::ControlPlane,
    ir::{AbiParam, ExternalName, Function, Signature, UserExternalName, UserFuncName, types},
    isa::CallConv,
    settings,
    settings::Configurable,
};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::{collections::HashMap, marker::PhantomData, sync::Mutex};

/// What the code is for: `enable_verifier` and `is_pic` differ.
pub(super) fn flags(verify: bool, pic: bool) -> Result<settings::Flags, DriverError> {
    let mut flags = settings::builder();
    let truth = |b: bool| if b { "true" } else { "false" };
    // `none`: the optimiser takes pure instructions out of program order, and register-blocked bodies spill.
    for (name, value) in [
        ("opt_level", "none"),
        ("enable_verifier", truth(verify)),
        ("use_colocated_libcalls", "false"),
        ("is_pic", truth(pic)),
    ] {
        flags.set(name, value).map_err(|e| DriverError::Host(e.to_string()))?;
    }
    Ok(settings::Flags::new(flags))
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    #[error("this CPU is not one that Cranelift knows: {0}")]
    Host(String),
    #[error("CLIF text, line {line}: {message}")]
    Text { line: usize, message: String },
    #[error("function {function} does not compile: {message}")]
    Compile { function: String, message: String },
}

/// Compiled functions. The memory is freed when this is dropped.
pub struct Code {
    /// `None` only while dropping; the lock makes the module shareable, calls do not take it.
    module: Mutex<Option<JITModule>>,
    functions: HashMap<String, Compiled>,
}

struct Compiled {
    address: usize,
    bytes: usize,
    disassembly: Option<String>,
}

/// A function of a [`Code`], which it cannot outlive.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    run: unsafe extern "C" fn(*const u64, u64),
    code: PhantomData<&'a Code>,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Check the CLIF before compiling it: on while developing.
    pub verify: bool,
    /// Keep the listing of each function.
    pub disassembly: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { verify: cfg!(debug_assertions), disassembly: false }
    }
}

impl Code {
    pub fn compile(text: &str) -> Result<Code, DriverError> {
        Code::compile_with(text, Options::default())
    }

    pub fn compile_with(text: &str, options: Options) -> Result<Code, DriverError> {
        let host = |e: &dyn std::fmt::Display| DriverError::Host(e.to_string());
        let isa = cranelift_native::builder()
            .map_err(|e| host(&e))?
            .finish(flags(options.verify, false)?)
            .map_err(|e| host(&e))?;
        let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
        builder.symbol(PREFETCH, super::hint::address());
        let mut module = JITModule::new(builder);
        let naming = Naming { prefix: "", prefetch: Linkage::Import };
        let defined = define(&mut module, text, options.disassembly, &naming);
        match defined.and_then(|defined| place(&mut module, defined)) {
            Ok(functions) => Ok(Code { module: Mutex::new(Some(module)), functions }),
            Err(e) => {
                // SAFETY: no address of this module has been given out.
                unsafe { module.free_memory() };
                Err(e)
            }
        }
    }

    /// The function of that name, without `%`.
    pub fn entry(&self, name: &str) -> Option<Entry<'_>> {
        let address = self.functions.get(name)?.address as *const u8;
        // SAFETY: `define` accepts only functions `(i64, i64)` in the host's C convention, and the address stays
        // mapped as long as `self` lives.
        let run = unsafe {
            std::mem::transmute::<*const u8, unsafe extern "C" fn(*const u64, u64)>(address)
        };
        Some(Entry { run, code: PhantomData })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    /// Bytes of the code of a function.
    pub fn bytes(&self, name: &str) -> Option<usize> {
        Some(self.functions.get(name)?.bytes)
    }

    /// Listing of a function, if [`Options::disassembly`] asked for it.
    pub fn disassembly(&self, name: &str) -> Option<&str> {
        self.functions.get(name)?.disassembly.as_deref()
    }
}

impl Entry<'_> {
    /// Runs the kernel as one worker.
    ///
    /// # Safety
    ///
    /// The kernel must have passed the verifier. `args` holds a value for each of its slots; each pointer among
    /// them is good for every access the kernel makes under these extents, and memory it writes is written by
    /// no other thread meanwhile, except through its counters and in other workers' parts. The CPU has the
    /// target's features.
    pub unsafe fn call(&self, args: *const u64, worker: u64) {
        // SAFETY: the caller's promise.
        unsafe { (self.run)(args, worker) }
    }
}

/// The one function that kernels may call: a hint that the cache line of an address is wanted soon.
pub(super) const PREFETCH: &str = "prefetch";

/// Signature of [`PREFETCH`].
pub(super) fn prefetch_signature() -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params.push(AbiParam::new(types::I64));
    signature
}

/// Gives the declared functions of `function` the numbers they have in `module`.
fn link(module: &mut impl Module, function: &mut Function, linkage: Linkage) -> Result<(), String> {
    let names: Vec<_> = function.dfg.ext_funcs.iter().map(|(f, d)| (f, d.clone())).collect();
    for (reference, data) in names {
        let name = data.name.display(None).to_string();
        let signature = function.dfg.signatures[data.signature].clone();
        if name != format!("%{PREFETCH}") || signature != prefetch_signature() {
            return Err(format!("it calls {name}{signature}"));
        }
        let id =
            module.declare_function(PREFETCH, linkage, &signature).map_err(|e| e.to_string())?;
        let name = UserExternalName { namespace: 0, index: id.as_u32() };
        let name = function.declare_imported_user_function(name);
        let called = &mut function.dfg.ext_funcs[reference];
        called.name = ExternalName::user(name);
        called.colocated = linkage == Linkage::Local;
    }
    Ok(())
}

/// A function of a module.
pub(super) struct Defined {
    pub name: String,
    pub id: FuncId,
    pub bytes: usize,
    pub listing: Option<String>,
}

/// How a module names and links what it defines.
pub(super) struct Naming<'a> {
    /// Stands before the names of the text.
    pub prefix: &'a str,
    /// Of [`PREFETCH`].
    pub prefetch: Linkage,
}

/// Compiles the functions of a text into `module`.
pub(super) fn define(
    module: &mut impl Module,
    text: &str,
    disassembly: bool,
    naming: &Naming<'_>,
) -> Result<Vec<Defined>, DriverError> {
    let functions = cranelift_reader::parse_functions(text).map_err(|e| DriverError::Text {
        line: e.location.line_number,
        message: e.message.clone(),
    })?;
    let mut expected = module.make_signature();
    expected.params = vec![AbiParam::new(types::I64); 2];
    let mut out = Vec::new();
    for mut function in functions {
        let name = function.name.to_string().trim_start_matches('%').to_string();
        let fail = |message: String| DriverError::Compile { function: name.clone(), message };
        if function.signature != expected {
            return Err(fail(format!("its signature is not `{expected}`")));
        }
        let id = module
            .declare_function(&format!("{}{name}", naming.prefix), Linkage::Export, &expected)
            .map_err(|e| fail(e.to_string()))?;
        link(module, &mut function, naming.prefetch).map_err(fail)?;
        function.name = UserFuncName::user(0, id.as_u32());
        let mut context = Context::for_function(function);
        context.set_disasm(disassembly);
        module
            .define_function_with_control_plane(id, &mut context, &mut ControlPlane::default())
            .map_err(|e| fail(format!("{e:?}")))?;
        let compiled = context.compiled_code();
        let bytes = compiled.map_or(0, |c| c.code_buffer().len());
        let listing = compiled.and_then(|c| c.vcode.clone());
        out.push(Defined { name, id, bytes, listing });
    }
    Ok(out)
}

/// Makes what was defined callable.
fn place(
    module: &mut JITModule,
    defined: Vec<Defined>,
) -> Result<HashMap<String, Compiled>, DriverError> {
    module
        .finalize_definitions()
        .map_err(|e| DriverError::Compile { function: "linking".into(), message: e.to_string() })?;
    let place = |d: Defined| {
        let address = module.get_finalized_function(d.id) as usize;
        (d.name, Compiled { address, bytes: d.bytes, disassembly: d.listing })
    };
    Ok(defined.into_iter().map(place).collect())
}

impl Drop for Code {
    fn drop(&mut self) {
        let module = self.module.get_mut().map_or_else(|e| e.into_inner().take(), Option::take);
        if let Some(module) = module {
            // SAFETY: entries borrow `self`, so none is left.
            unsafe { module.free_memory() };
        }
    }
}
