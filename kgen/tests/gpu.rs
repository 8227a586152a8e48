//! GPUs as a user meets them where there is none: each command says so and ends with 4; and a host that knows artifacts and
//! the driver alone.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn kgen(args: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgen"));
    command.args(args).env("KGEN_CACHE", "").current_dir(root).output().expect("kgen starts")
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Whether a driver sees a GPU here; what these tests say of its absence is then not so.
fn here() -> bool {
    kgen::gpu::devices().is_ok_and(|found| !found.is_empty())
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("the target folder is ours");
    dir
}

#[test]
fn without_a_gpu_every_command_says_so() {
    if here() {
        return;
    }
    let ptx = folder("gpu").join("k.ptx");
    let text = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k() {\n ret;\n}\n";
    std::fs::write(&ptx, text).unwrap();
    for words in [
        &["verify", "ops/softmax.toml", "--on", "cuda:0"][..],
        &["bench", "ops/softmax.toml", "--on", "cuda", "--set", "m=1"],
        &["run", "ops/softmax.toml", "--on", "cuda:1", "--target", "sm80"],
        &["sim", ptx.to_str().unwrap(), "--on", "cuda:0"],
    ] {
        let (code, _, said) = told(&kgen(words));
        assert_eq!(code, Some(4), "{words:?}: {said}");
        assert!(said.contains("NVIDIA driver") || said.contains("no GPU"), "{words:?}: {said}");
    }
    for (words, why) in [
        (&["verify", "ops/softmax.toml", "--on", "cuda:x"][..], "no device `cuda:x`: GPUs are"),
        (&["run", "ops/softmax.toml", "--on", "moon"], "this build has `cpu`, `cuda:N`, and"),
        (&["bench", "ops/softmax.toml", "--on", "moon"], "this build has `cpu` and `cuda:N`"),
        (&["sim", ptx.to_str().unwrap(), "--on", "moon"], "this build has `cuda:N` for PTX"),
    ] {
        let (code, _, said) = told(&kgen(words));
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
}

#[test]
fn targets_tell_of_gpus_and_of_chips() {
    let (code, listed, _) = told(&kgen(&["targets"]));
    assert_eq!(code, Some(0));
    let last = listed.lines().rfind(|l| l.starts_with("cuda")).unwrap_or_default();
    assert!(here() || last.contains("there is no NVIDIA driver here"), "{listed}");
    let (_, json, _) = told(&kgen(&["targets", "--format", "json"]));
    let rows = json.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let rows: Vec<_> = rows.collect();
    assert!(rows.iter().any(|r| r["device"].as_str().is_some_and(|d| d.starts_with("cuda"))));
    let sm80 = rows.iter().find(|r| r["target"] == "sm80").unwrap();
    assert_eq!(sm80["multiprocessor"]["shared_of_block"], 163 << 10);
    let (_, one, _) = told(&kgen(&["targets", "sm90"]));
    assert!(one.contains("needs: sm_90") && one.contains("228 KiB of shared memory"), "{one}");
    let (_, explained, _) = told(&kgen(&["explain", "ops/rmsnorm.toml", "--target", "sm80"]));
    assert!(explained.contains("kernel rows: blocks of 128 threads"), "{explained}");
}

#[test]
fn an_op_runs_on_a_simulated_gpu() {
    let (code, out, said) =
        told(&kgen(&["run", "ops/rmsnorm.toml", "--on", "sim:sm75", "--set", "m=2"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(out.starts_with("rmsnorm m=2: y f16 [2, 4096] blake3 "), "{out}");
}

/// `examples/launch.rs` has nothing of kgen: manifest, text and the driver, in 40 lines.
#[test]
fn a_foreign_host_launches_from_the_manifest() {
    let dir = folder("foreign_host");
    let dir = dir.to_str().unwrap();
    let (_, made, _) = told(&kgen(&["compile", "ops/softmax.toml", "--target", "sm80", "-o", dir]));
    let host = Path::new(env!("CARGO_BIN_EXE_kgen")).with_file_name("examples").join("launch");
    if !host.exists() {
        println!("skipped: a run of this test alone builds no examples");
        return;
    }
    let run = |words: &[&str]| told(&Command::new(&host).args(words).output().expect("it starts"));
    let (code, out, said) = run(&[made.trim(), "3", "32000"]);
    if here() {
        assert_eq!((code, out.contains("y[0] = ")), (Some(0), true), "{said}");
    } else {
        assert_eq!(code, Some(1), "{said}");
        let plan = "rows: LaunchConfig { grid_dim: (2, 1, 1), block_dim: (128, 1, 1), shared_mem_bytes: 0 }, \
                    slots extent m, counter 0, pointer x, stride x 0, pointer y, stride y 0, then 8 workers";
        assert_eq!(out.lines().next(), Some(plan), "{said}");
        assert!(said.contains("libcuda") && said.contains("driver 450.36"), "{said}");
    }
    let (code, _, said) = run(&["no/such/folder", "1", "1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no/such/folder/manifest.toml"), "{said}");
}
