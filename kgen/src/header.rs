//! The C header beside an object file: a prototype a kernel, and what its argument array holds.
//!
//! ```text
//! // product: 6 slots
//! //   0  pointer a
//! //   5  extent m
//! #define KGEN_P_PRODUCT_SLOTS 6
//! #define KGEN_P_PRODUCT_SCRATCH 0
//! #define KGEN_P_PRODUCT_COUNTERS 1
//! void kgen_p_product(const uint64_t *slots, uint64_t worker);
//! ```

use kgen_ir::artifact::{Manifest, text};
use std::fmt::Write;

/// Stands before the kernels' names in objects and headers.
pub fn prefix(op: &str) -> String {
    format!("kgen_{op}_")
}

const INTRODUCTION: &str =
    "   A kernel is called once by each worker, numbered from 0, all with the same slots: 64-bit
   entries, each an address, a distance in bytes, or an integer, as listed below in the
   language of manifest.toml, which also says which kernels make up the op. `scratch` is
   the address of SCRATCH bytes a worker, 64-byte aligned; `counter` the address of an
   int64_t that is zero before the first worker starts. */
";

/// What stands with kernels that use matrix registers.
const TILES: &str = "/* Linux gives the registers of AMX to a process that has asked for them, once, before any call:
   syscall(SYS_arch_prctl, 0x1023, 18) == 0. */
";

/// C99 and C++.
pub fn header(manifest: &Manifest) -> String {
    let mut out =
        format!("/* {} for {}, by kgen {}.\n\n", manifest.name, manifest.target, manifest.kgen);
    out += INTRODUCTION;
    if manifest.features.iter().any(|f| f == "amx-tile") {
        out += TILES;
    }
    let guard = format!("KGEN_{}_H", manifest.name.to_uppercase());
    let _ = write!(
        out,
        "#ifndef {guard}\n#define {guard}\n#include <stdint.h>\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n"
    );
    for v in &manifest.variants {
        let when: Vec<_> = v.when.iter().map(text::predicate).collect();
        let when = if when.is_empty() { "always".into() } else { when.join(" && ") };
        let _ = write!(out, "\n/* {} (when {when}):", v.name);
        for launch in &v.launches {
            let _ = write!(out, " {}", text::launch(launch));
        }
        out += " */\n";
    }
    for k in &manifest.kernels {
        let name = format!("{}{}", prefix(&manifest.name), k.name);
        let _ = write!(out, "\n/* {}:\n", k.name);
        for (i, slot) in k.slots.iter().enumerate() {
            let _ = writeln!(out, "   {i:3}  {}", text::slot(slot));
        }
        out += "*/\n";
        let upper = name.to_uppercase();
        let _ = writeln!(out, "#define {upper}_SLOTS {}", k.slots.len());
        let _ = writeln!(out, "#define {upper}_SCRATCH {}", k.scratch);
        let _ = writeln!(out, "#define {upper}_COUNTERS {}", k.counters);
        let _ = writeln!(out, "void {name}(const uint64_t *slots, uint64_t worker);");
    }
    out += "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
    out
}
