//! A C program links a compiled op and gets what the reference says.

use kgen_ir::{artifact::Manifest, machine::Slot};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
};

const OP: &str = "op = \"mpgemm\"\nname = \"p\"\nm = 3\nn = 5\nk = 64\na = \"f32\"\nw = \"f32\"\nout = \"f32\"\n";

fn folder() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("object");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the target folder is ours");
    dir
}

/// Three workers, one after the other, through every launch of the variant.
fn program(m: &Manifest) -> String {
    let mut c = "#include \"p.h\"\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
        static float a[3][64], w[5][64], out[3][5];\nint main(void) {\n\
        for (int k = 0; k < 64; k++) {\n\
        for (int m = 0; m < 3; m++) a[m][k] = (float)((m + k) % 7 - 3);\n\
        for (int n = 0; n < 5; n++) w[n][k] = (float)((2 * n + k) % 5 - 2);\n}\n"
        .to_string();
    let variant = m.variants.iter().find(|v| v.when.is_empty()).expect("one always holds");
    for launch in &variant.launches {
        let k = m.kernels.iter().find(|k| k.name == launch.kernel).expect("it is there");
        let upper = format!("KGEN_P_{}", k.name.to_uppercase());
        let _ = write!(
            c,
            "{{ uint64_t slots[{upper}_SLOTS]; int64_t counters[{upper}_COUNTERS + 1] = {{0}};\n\
             (void)counters; /* a task alone has none */\n\
             void *scratch = aligned_alloc(64, 3 * {upper}_SCRATCH + 64);\n"
        );
        for (i, slot) in k.slots.iter().enumerate() {
            let value = match slot {
                Slot::Pointer(name) => name.clone(),
                Slot::Stride(name, 0) => format!("sizeof {name}[0]"),
                Slot::Stride(..) => "sizeof(float)".into(),
                Slot::Extent(e) => {
                    e.eval(&Default::default()).expect("no symbols in this op").to_string()
                }
                Slot::Counter(n) => format!("&counters[{n}]"),
                Slot::Scratch => "scratch".into(),
                Slot::End(_) | Slot::Report => panic!("only a checked kernel has these"),
            };
            let _ = writeln!(c, "slots[{i}] = (uint64_t)({value});");
        }
        let _ = writeln!(
            c,
            "for (int worker = 0; worker < 3; worker++) kgen_p_{}(slots, worker);\nfree(scratch); }}",
            k.name
        );
    }
    c + "for (int m = 0; m < 3; m++) for (int n = 0; n < 5; n++) {\n\
        float sum = 0;\n\
        for (int k = 0; k < 64; k++) sum += a[m][k] * w[n][k];\n\
        if (sum != out[m][n]) { printf(\"%d %d: %g, not %g\\n\", m, n, out[m][n], sum); return 1; }\n}\n\
        puts(\"equal\");\nreturn 0;\n}\n"
}

#[cfg(all(unix, any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn a_c_program_links_the_kernels() {
    let dir = folder();
    let op = dir.join("p.toml");
    std::fs::write(&op, OP).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(["compile", "--target", "host", "--emit", "obj,header", "-o"])
        .args([&dir, &op])
        .env("KGEN_CACHE", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let made = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let text = std::fs::read_to_string(made.join("manifest.toml")).unwrap();
    let manifest =
        Manifest::parse("m", &text, &kgen_ir::format::rows::find).map_err(|r| r.render()).unwrap();
    std::fs::write(made.join("main.c"), program(&manifest)).unwrap();
    // The linker that Rust itself needs.
    let built = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Werror", "-o", "main", "main.c", "p.o", "-lm"])
        .current_dir(&made)
        .output()
        .expect("a C compiler, which Rust links with");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ran = Command::new(made.join("main")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "equal\n");
}
