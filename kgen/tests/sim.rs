//! `kgen sim` as a user meets it.

use kgen_ir::{dtype::Dtype, tensor::Tensor};
use kgen_runtime::files::safetensors;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const TEXT: &str = ".version 7.0\n.target sm_80\n.address_size 64\n\
    .visible .entry scale(.param .u64 x, .param .u64 y, .param .f32 by, .param .u32 n) {\n\
    .reg .pred %p<2>;\n.reg .b32 %r<8>;\n.reg .f32 %f<4>;\n.reg .b64 %d<6>;\n\
    ld.param.u64 %d1, [x];\nld.param.u64 %d2, [y];\nld.param.f32 %f1, [by];\nld.param.u32 %r1, [n];\n\
    mov.u32 %r2, %ctaid.x;\nmov.u32 %r3, %ntid.x;\nmov.u32 %r4, %tid.x;\nmad.lo.u32 %r5, %r2, %r3, %r4;\n\
    setp.ge.u32 %p1, %r5, %r1;\n@%p1 ret;\nmul.wide.u32 %d3, %r5, 4;\nadd.s64 %d4, %d1, %d3;\n\
    add.s64 %d5, %d2, %d3;\nld.global.f32 %f2, [%d4];\nmul.f32 %f3, %f1, %f2;\nst.global.f32 [%d5], %f3;\nret;\n}\n";

fn kgen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kgen")).args(args).output().expect("kgen starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("kgen ends by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with the kernel and ten floats.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the target folder is ours");
    std::fs::write(dir.join("k.ptx"), TEXT).unwrap();
    let x = Tensor::from_f64(Dtype::F32, &[10], &(0..10).map(f64::from).collect::<Vec<_>>());
    safetensors::write(&dir.join("in.safetensors"), &BTreeMap::from([("x".into(), x)])).unwrap();
    dir
}

fn sim(dir: &Path, more: &[&str]) -> Output {
    let at = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let (file, inputs, outputs) = (at("k.ptx"), at("in.safetensors"), at("out.safetensors"));
    let mut args =
        vec!["sim", &file, "--inputs", &inputs, "--outputs", &outputs, "--buffer", "y=f32[10]"];
    args.extend(more);
    kgen(&args)
}

const GOOD: [&str; 12] = [
    "--grid", "2", "--block", "8", "--arg", "buf:x", "--arg", "buf:y", "--arg", "f32:-2.5",
    "--arg", "i32:10",
];

#[test]
fn a_kernel_runs_on_tensors_of_files() {
    let dir = folder("sim-run");
    let output = sim(&dir, &GOOD);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(text(&output.stdout).contains("0 findings, "), "{output:?}");
    let out = safetensors::read(&dir.join("out.safetensors")).unwrap();
    assert_eq!(out["y"].to_f64()[9], -22.5);
    for order in ["earliest", "random"] {
        let output =
            sim(&dir, &[&GOOD[..], &["--order", order, "--check", "fast", "--seed", "3"]].concat());
        assert_eq!(code(&output), 0, "{output:?}");
    }
}

#[test]
fn a_finding_is_the_answer_no() {
    let dir = folder("sim-finding");
    let mut args = GOOD;
    args[11] = "i32:16";
    let output = sim(&dir, &args);
    assert_eq!(code(&output), 1, "{output:?}");
    let told = text(&output.stdout);
    assert!(told.contains("line 22: out-of-bounds") && told.contains("x at 40"), "{told}");
    let output = sim(&dir, &[&args[..], &["--format", "json"]].concat());
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["finding"], "out-of-bounds");
    assert_eq!(lines[0]["buffer"], "x");
    assert_eq!(lines.last().unwrap()["findings"], 2);
}

#[test]
fn mistakes_have_their_exit_codes() {
    let dir = folder("sim-mistakes");
    for (more, expected, says) in [
        (&["--arg", "buf:z"][..], 2, "no such buffer"),
        (&["--arg", "f16:1"], 2, "the kinds are"),
        (&["--arg", "i32:x"], 2, "no number of this type"),
        (&["--arg", "f32"], 2, "expected KIND:VALUE"),
        (&["--arg", "tmap:x"], 4, "tensor maps"),
        (&["--entry", "other"], 2, "--entry names a kernel of the file: scale"),
        (&["--target", "sm75"], 4, "a text for sm_80"),
        (&["--target", "fast"], 2, "is no target"),
        (&["--buffer", "z=f32"], 2, "expected NAME=TYPE[N,..]"),
        (&["--grid", "1,x"], 2, "`x` is no number"),
        (&["--arg", "buf:x"], 2, "has 4 parameters, here are 1"),
    ] {
        let output = sim(&dir, more);
        assert_eq!(code(&output), expected, "{more:?}: {output:?}");
        assert!(text(&output.stderr).contains(says), "{more:?}: {output:?}");
    }
    let write =
        |body: &str| std::fs::write(dir.join("k.ptx"), TEXT.replace("mul.f32", body)).unwrap();
    write("frob.f32");
    let output = sim(&dir, &GOOD);
    assert_eq!(code(&output), 4);
    assert!(text(&output.stderr).contains("k.ptx:23:1: "), "{output:?}");
    write("mul.f32 %f9, ");
    let output = sim(&dir, &GOOD);
    assert_eq!(code(&output), 3, "{output:?}");
    let output = kgen(&["sim", dir.join("none.ptx").to_str().unwrap()]);
    assert_eq!(code(&output), 3);
}

#[test]
fn help_is_short() {
    let lines = text(&kgen(&["sim", "-h"]).stdout).lines().count();
    assert!(lines <= 40, "{lines} lines");
}
