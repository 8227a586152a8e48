//! The command line as a user meets it: results, exit codes, files.

use kgen_ir::{dtype::Dtype, tensor::Tensor};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn kgen(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(env!("CARGO_BIN_EXE_kgen"))
        .args(args)
        .env("KGEN_CACHE", "")
        .current_dir(root)
        .output()
        .expect("kgen starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("kgen ends by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("results are text")
}

/// A folder of this test, empty.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the target folder is ours");
    dir
}

/// The text of a kernel in an artifact's folder.
fn kernel_file(folder: &Path, kernel: &str) -> PathBuf {
    let manifest = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let line = manifest.lines().find(|l| l.starts_with(&format!("file = \"{kernel}.")));
    folder.join(line.and_then(|l| l.split('"').nth(1)).expect("the manifest names it"))
}

#[test]
fn an_op_is_compiled_into_a_folder() {
    let dir = folder("compile");
    let output =
        kgen(&["compile", "ops/w4a8_gemv.toml", "--target", "host", "-o", dir.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{output:?}");
    let made = PathBuf::from(stdout(&output).trim());
    for file in ["manifest.toml", "op.toml", "schedule.toml", "program.tile"] {
        assert!(made.join(file).is_file(), "{file}");
    }
    assert!(kernel_file(&made, "product_one").is_file());
    // The same input gives the same bytes.
    let first = std::fs::read(made.join("manifest.toml")).unwrap();
    kgen(&["compile", "ops/w4a8_gemv.toml", "--target", "host", "-o", dir.to_str().unwrap()]);
    assert_eq!(first, std::fs::read(made.join("manifest.toml")).unwrap());
}

#[test]
fn pages_follow_from_the_lengths() {
    let timed = kgen(&[
        "bench",
        "ops/paged_decode.toml",
        "--set",
        "n=[40,0,17]",
        "--reps",
        "1",
        "--anyway",
    ]);
    assert_eq!(code(&timed), 0, "{timed:?}");
    assert!(stdout(&timed).contains("b=3 kv.max_pages=4 kv.pages=6"), "{}", stdout(&timed));
    let run = |set: &[&str]| {
        let sets = set.iter().flat_map(|s| ["--set", s]);
        let args: Vec<_> = ["run", "ops/paged_decode.toml"].into_iter().chain(sets).collect();
        let ran = kgen(&args);
        (code(&ran), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (failed, told) = run(&["n=[40,17]", "kv.pages=2", "kv.max_pages=4"]);
    assert!(failed != 0 && told.contains("`kv.block_table`"), "{told}");
    let (failed, told) = run(&["b=2", "n=[40]"]);
    assert!(failed != 0 && told.contains("`n` lists 1 sizes, but `b` is 2"), "{told}");
    let (failed, told) = run(&["n=40"]);
    assert!(failed != 0 && told.contains("give a list with one size for each of `b`"), "{told}");
}

#[test]
fn five_mistakes_are_five_carets() {
    let name = "tests/diag/five.toml";
    let output = kgen(&["check", name]);
    assert_eq!(code(&output), 3);
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(report.matches("error: ").count(), 5, "{report}");
}

#[test]
fn what_is_not_supported_yet_says_so() {
    let output = kgen(&["compile", "ops/ternary_lut_gemv.toml", "--target", "host"]);
    assert_eq!(code(&output), 4, "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("instead: "));
}

#[test]
fn an_id_outside_of_its_table_is_told_before_the_run() {
    use kgen_ir::{dtype::Dtype, tensor::Tensor};
    let dir = folder("ids");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("ids.safetensors");
    let ids = Tensor::from_f64(Dtype::I32, &[2], &[3.0, 50.0]);
    kgen_runtime::files::safetensors::write(&file, &[("id".to_string(), ids)].into()).unwrap();
    let inputs = ["--inputs", file.to_str().unwrap()];
    let sizes = ["--set", "m=2", "--set", "vocab=50"];
    let output = kgen(&[&["run", "ops/embedding.toml"][..], &sizes, &inputs].concat());
    assert_eq!(code(&output), 3, "{output:?}");
    let told = "`table[id]` in row 1 asks for row 50 of `table`, which has 50";
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(report.contains(told), "{report}");
}

#[test]
fn wrong_use_is_two() {
    for args in [
        &["compile", "ops/w4a8_gemv.toml", "--target", "sm_9000"][..],
        &["run", "ops/w4a8_gemv.toml", "--set", "m"],
        &["run", "ops/w4a8_gemv.toml", "--set", "q=3"],
        &["run", "ops/w4a8_gemv.toml", "--on", "moon"],
        &["frobnicate"],
    ] {
        assert_eq!(code(&kgen(args)), 2, "{args:?}");
    }
}

#[test]
fn a_run_writes_its_outputs() {
    let dir = folder("run");
    let file = dir.join("out.safetensors");
    let args = [
        "run",
        "ops/flash_decode.toml",
        "--set",
        "n=33",
        "--outputs",
        file.to_str().unwrap(),
        "--format",
        "json",
    ];
    let output = kgen(&args);
    assert_eq!(code(&output), 0, "{output:?}");
    let line: serde_json::Value = serde_json::from_str(stdout(&output).trim()).unwrap();
    assert_eq!(line["outputs"]["o"]["shape"], serde_json::json!([1, 1, 32, 128]));
    let tensors = kgen_runtime::files::safetensors::read(&file).unwrap();
    assert_eq!(tensors["o"].shape, [1, 1, 32, 128]);
    // The same seed gives the same result.
    let again: serde_json::Value = serde_json::from_str(stdout(&kgen(&args)).trim()).unwrap();
    assert_eq!(line["outputs"], again["outputs"]);
}

/// Where a CPU with native code runs it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn perf_is_told_the_names_of_kernels_if_asked() {
    for (log, told) in [("", false), ("noise,perf", true)] {
        let child = Command::new(env!("CARGO_BIN_EXE_kgen"))
            .args(["run", "ops/flash_decode.toml", "--set", "n=33"])
            .env("KGEN_CACHE", "")
            .env("KGEN_LOG", log)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("kgen starts");
        let map = PathBuf::from(format!("/tmp/perf-{}.map", child.id()));
        let output = child.wait_with_output().expect("kgen ends");
        assert_eq!(code(&output), 0, "{output:?}");
        let native = std::is_x86_feature_detected!("avx2");
        let text = std::fs::read_to_string(&map).unwrap_or_default();
        let _ = std::fs::remove_file(&map);
        assert_eq!(text.contains(" kgen:"), told && native, "{text}");
    }
}

#[test]
fn listings_are_the_text_of_native_code() {
    let listing = |level| {
        let target = "x86-64-v3/native";
        let args =
            ["compile", "ops/w8a8_gemv.toml", "--target", target, "--emit", level, "-o", "-"];
        stdout(&kgen(&args))
    };
    let asm = listing("asm");
    assert!(asm.contains("vzeroupper") && asm.starts_with("native 1 kernel "), "{asm}");
    assert_eq!(asm, listing("text"));
}

#[test]
fn weights_come_from_a_gguf_file() {
    let dir = folder("gguf");
    let model = dir.join("sample.gguf");
    kgen_runtime::files::sample::write(&model, 1).unwrap();
    let gguf = kgen_runtime::files::gguf::Gguf::open(&model).unwrap();
    let mut formats = Vec::new();
    for t in gguf.tensors() {
        let Some(format) = t.format else { continue };
        let [n, k] = t.dims[..] else { continue };
        let op = dir.join(format!("{}.toml", t.name));
        let compute = if format.block > 1 { "int_dot" } else { "dequant" };
        let text = format!(
            "op = \"mpgemm\"\nname = \"p\"\nm = \"m\"\nn = {n}\nk = {k}\na = \"f32\"\nw = \"{}\"\nout = \"f32\"\ncompute = \"{compute}\"\n",
            format.name
        );
        std::fs::write(&op, text).unwrap();
        let weights = format!("{}:{}", model.display(), t.name);
        let output = kgen(&["run", op.to_str().unwrap(), "--set", "m=1,3", "--weights", &weights]);
        assert_eq!(code(&output), 0, "{}: {output:?}", t.name);
        assert_eq!(stdout(&output).lines().count(), 2);
        formats.push(format.name);
    }
    for wanted in ["q4_0", "q8_0", "q4_1", "q4_k", "q6_k", "f16", "bf16"] {
        assert!(formats.contains(&wanted), "{wanted} is not in {formats:?}");
    }
    let output =
        kgen(&["run", "ops/w4a8_gemv.toml", "--weights", &format!("{}:nope", model.display())]);
    assert_eq!(code(&output), 3, "{output:?}");
}

#[test]
fn weights_come_from_a_safetensors_file() {
    let dir = folder("parts");
    let model = dir.join("model.safetensors");
    let tensors = std::collections::BTreeMap::from([
        ("layer.q.codes".to_string(), Tensor::from_f64(Dtype::I8, &[1, 4], &[1.0, -2.0, 3.0, 4.0])),
        ("layer.q.scale".to_string(), Tensor::from_f64(Dtype::F32, &[1], &[0.5])),
    ]);
    kgen_runtime::files::safetensors::write(&model, &tensors).unwrap();
    let inputs = dir.join("inputs.safetensors");
    let a = Tensor::from_f64(Dtype::F32, &[1, 4], &[1.0, 127.0, 3.0, -1.0]);
    let tensors = std::collections::BTreeMap::from([("a".to_string(), a)]);
    kgen_runtime::files::safetensors::write(&inputs, &tensors).unwrap();
    let op = dir.join("p.toml");
    let text = "op = \"mpgemm\"\nname = \"p\"\nm = 1\nn = 1\nk = 4\na = \"f32\"\nout = \"f32\"\n\
        w = { format = \"int8\", per = \"row\", scale = \"f32\" }\n";
    std::fs::write(&op, text).unwrap();
    let out = dir.join("out.safetensors");
    let run = |prefix: &str| {
        let weights = format!("{}:{prefix}", model.display());
        kgen(&[
            "run",
            op.to_str().unwrap(),
            "--inputs",
            inputs.to_str().unwrap(),
            "--weights",
            &weights,
            "--outputs",
            out.to_str().unwrap(),
        ])
    };
    let output = run("layer.q");
    assert_eq!(code(&output), 0, "{output:?}");
    let outputs = kgen_runtime::files::safetensors::read(&out).unwrap();
    assert_eq!(outputs["out"].to_f64(), [0.5 * (1.0 - 254.0 + 9.0 - 4.0)]);
    let output = run("layer.k");
    assert_eq!(code(&output), 3, "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no tensor `layer.k.codes`; did you mean `layer.q.codes`?"), "{said}");
}

#[test]
fn a_pass_runs_on_text() {
    let dir = folder("opt");
    let file = dir.join("p.tile");
    let text = "program p(x: f32[n, 8]) -> (o: f32[n, 8]) symbols n {\n  kernel k(x: f32[n, 8], out o: f32[n, 8]) {\n    \
        tasks t in 0..n static {\n      a = load(x[t, 0:8]) : f32[8]\n      store(o[t, 0:8], a)\n    }\n  }\n  \
        variant all {\n    launch k(x, o)\n  }\n}\n";
    std::fs::write(&file, text).unwrap();
    let output = kgen(&["opt", "--pass", "place", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(stdout(&output).contains("a = load(x[t, 0:8]) : f32[8] @inline"));
    assert_eq!(code(&kgen(&["opt", "--pass", "plaice", file.to_str().unwrap()])), 2);
    std::fs::write(&file, "program p(").unwrap();
    assert_eq!(code(&kgen(&["opt", "--pass", "place", file.to_str().unwrap()])), 3);
}

#[test]
fn help_is_short() {
    for command in [
        "",
        "compile",
        "check",
        "run",
        "decode",
        "verify",
        "bench",
        "tune",
        "explain",
        "why",
        "targets",
        "doctor",
        "opt",
        "completions",
    ] {
        let args: Vec<_> = [command, "--help"].into_iter().filter(|a| !a.is_empty()).collect();
        let output = kgen(&args);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).lines().count() <= 40, "{command}");
    }
}

#[test]
fn code_of_others_needs_trust() {
    let dir = folder("trust");
    let made = kgen(&[
        "compile",
        "ops/flash_decode.toml",
        "--target",
        "host",
        "-o",
        dir.to_str().unwrap(),
    ]);
    let made = stdout(&made).trim().to_string();
    let refused = kgen(&["run", &made, "--set", "n=9"]);
    assert_eq!(code(&refused), 4, "{refused:?}");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let hash = told.split("--trust ").nth(2).and_then(|t| t.split(' ').next()).unwrap();
    let own = stdout(&kgen(&["run", "ops/flash_decode.toml", "--set", "n=9"]));
    for trust in [&["--trust", hash][..], &["--trust"]] {
        let args = [&["run", made.as_str(), "--set", "n=9"], trust].concat();
        let ran = kgen(&args);
        assert_eq!(code(&ran), 0, "{ran:?}");
        assert_eq!(stdout(&ran), own);
    }
    assert_eq!(code(&kgen(&["run", &made, "--set", "n=9", "--trust", "beef"])), 4);
    assert_eq!(code(&kgen(&["run", "ops/flash_decode.toml", "--trust"])), 2);
    // Files that do not fit the manifest are not run, whoever is trusted.
    let file = kernel_file(Path::new(&made), "attend");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + "; more\n").unwrap();
    assert_eq!(code(&kgen(&["run", &made, "--set", "n=9", "--trust"])), 3);
}

#[test]
fn levels_are_printed_or_written() {
    let dir = folder("emit");
    let op = "ops/w4a8_gemv.toml";
    let shown = stdout(&kgen(&[
        "compile",
        op,
        "--target",
        "host",
        "--emit",
        "tile,machine,header",
        "-o",
        "-",
    ]));
    for wanted in ["program w4a8_gemv(", "machine product_one lanes", "#define KGEN_W4A8_GEMV_H"] {
        assert!(shown.contains(wanted), "{wanted}");
    }
    let folder = dir.to_str().unwrap();
    let made = stdout(&kgen(&[
        "compile",
        op,
        "--target",
        "host",
        "--emit",
        "machine,obj,header",
        "-o",
        folder,
    ]));
    for file in ["product_one.mach", "w4a8_gemv.o", "w4a8_gemv.h", "manifest.toml"] {
        assert!(Path::new(made.trim()).join(file).is_file(), "{file}");
    }
    assert_eq!(code(&kgen(&["compile", op, "--target", "host", "--emit", "obj", "-o", "-"])), 2);
    let other = if cfg!(target_arch = "aarch64") { "x86-64-v2" } else { "aarch64" };
    let output = kgen(&["compile", op, "--target", other, "--emit", "obj", "-o", folder]);
    assert_eq!(code(&output), 4, "{output:?}");
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = kgen(&["completions", shell]);
        assert_eq!(code(&output), 0, "{shell}");
        assert!(stdout(&output).contains("verify"), "{shell}");
    }
}
