//! The kernels of an artifact as an object file that a C program links.

use super::{
    cranelift::{self, DriverError, Naming, PREFETCH},
    native,
};
use cranelift_codegen::{isa, settings::Configurable};
use cranelift_module::{Linkage, Module, default_libcall_names};
use cranelift_object::{
    ObjectBuilder, ObjectModule,
    object::{
        Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
        write::{Object, StandardSection, Symbol, SymbolSection},
    },
};

/// Settings of Cranelift for a CPU feature, as the standard library spells the feature. What is not here adds nothing
/// that CLIF text could use.
const SETTINGS: &[(&str, &str)] = &[
    ("sse4.2", "x86-64-v2"),
    ("avx2", "x86-64-v3"),
    // The setting above leaves it out.
    ("avx2", "has_avx"),
    ("avx512vl", "has_avx512f"),
    ("avx512vl", "has_avx512vl"),
    ("avx512vnni", "has_avx512vnni"),
];

/// Position-independent code of all `texts` in this system's object format. The functions are called
/// `PREFIXname` and follow the system's C convention: `void NAME(const uint64_t *slots, uint64_t worker)`.
/// `features` are the CPU features that CLIF may use; the family of CPUs is this machine's.
pub fn object(
    backend: &str,
    name: &str,
    prefix: &str,
    texts: &[&str],
    features: &[String],
) -> Result<Vec<u8>, DriverError> {
    match backend {
        "native" => listed(prefix, texts),
        _ => compiled(name, prefix, texts, features),
    }
}

/// Listings hold finished code without relocations.
fn listed(prefix: &str, texts: &[&str]) -> Result<Vec<u8>, DriverError> {
    let wrong = |e: &dyn std::fmt::Display| DriverError::Compile {
        function: "listing".into(),
        message: e.to_string(),
    };
    let mut object =
        Object::new(BinaryFormat::native_object(), Architecture::X86_64, Endianness::Little);
    let text = object.section_id(StandardSection::Text);
    for listing in texts {
        let listing = native::read(listing).map_err(|e| wrong(&e))?;
        let symbol = object.add_symbol(Symbol {
            name: format!("{prefix}{}", listing.kernel).into_bytes(),
            value: 0,
            size: 0,
            kind: SymbolKind::Text,
            scope: SymbolScope::Linkage,
            weak: false,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        });
        object.add_symbol_data(symbol, text, &listing.code, native::ALIGN);
    }
    // Linkers take a missing note for a wish for an executable stack.
    object.add_section(vec![], b".note.GNU-stack".to_vec(), SectionKind::Other);
    object.write().map_err(|e| wrong(&e))
}

fn compiled(
    name: &str,
    prefix: &str,
    texts: &[&str],
    features: &[String],
) -> Result<Vec<u8>, DriverError> {
    let host = |e: &dyn std::fmt::Display| DriverError::Host(e.to_string());
    let triple = cranelift_native::builder().map_err(|e| host(&e))?.triple().clone();
    let mut builder = isa::lookup(triple).map_err(|e| host(&e))?;
    for (feature, setting) in SETTINGS {
        if features.iter().any(|f| f == feature) {
            builder.enable(setting).map_err(|e| host(&e))?;
        }
    }
    let isa = builder.finish(cranelift::flags(true, true)?).map_err(|e| host(&e))?;
    let builder = ObjectBuilder::new(isa, name, default_libcall_names()).map_err(|e| host(&e))?;
    let mut module = ObjectModule::new(builder);
    let link = |e: &dyn std::fmt::Display| DriverError::Compile {
        function: PREFETCH.into(),
        message: e.to_string(),
    };
    for text in texts {
        cranelift::define(&mut module, text, false, &Naming { prefix, prefetch: Linkage::Local })?;
    }
    if module.get_name(PREFETCH).is_some() {
        let signature = cranelift::prefetch_signature();
        let id =
            module.declare_function(PREFETCH, Linkage::Local, &signature).map_err(|e| link(&e))?;
        module.define_function_bytes(id, 16, HINT, &[]).map_err(|e| link(&e))?;
    }
    module.finish().emit().map_err(|e| link(&e))
}

/// `prefetcht0 [rdi]; ret`: what [`super::hint`] does.
#[cfg(target_arch = "x86_64")]
const HINT: &[u8] = &[0x0f, 0x18, 0x0f, 0xc3];

/// `prfm pldl1keep, [x0]; ret`.
#[cfg(target_arch = "aarch64")]
const HINT: &[u8] = &[0x00, 0x00, 0x80, 0xf9, 0xc0, 0x03, 0x5f, 0xd6];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const HINT: &[u8] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told() {
        let error = object("cranelift", "a", "p_", &["function %f("], &[]).unwrap_err();
        assert!(matches!(error, DriverError::Text { line: 1, .. }), "{error}");
        let text = "function %f(i64) system_v {\nblock0(v0: i64):\n    return\n}\n";
        let error = object("cranelift", "a", "p_", &[text], &[]).unwrap_err().to_string();
        assert!(error.contains("its signature is not"), "{error}");
    }

    #[test]
    fn listings_become_functions() {
        let text = "native 1 kernel f target t features none bytes 1\n0000: c3  ret\n";
        let text = text.replace("features none", "features avx2");
        let one = object("native", "a", "p_", &[&text], &[]).unwrap();
        assert!(one.windows(3).any(|w| w == b"p_f"), "the symbol has its prefix");
        assert!(object("native", "a", "p_", &["native 2"], &[]).is_err());
    }

    #[test]
    fn the_same_text_gives_the_same_bytes() {
        let text = "function %f(i64, i64) system_v {\nblock0(v0: i64, v1: i64):\n    return\n}\n";
        let one = object("cranelift", "a", "p_", &[text], &["avx2".into()]).unwrap();
        assert_eq!(one, object("cranelift", "a", "p_", &[text], &["avx2".into()]).unwrap());
        assert!(one.windows(3).any(|w| w == b"p_f"), "the symbol has its prefix");
    }
}
