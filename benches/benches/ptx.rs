//! From op file to PTX, on one core: flash attention of head size 128 with all its variants, beside what Triton takes for
//! its one kernel, in turns, on the same machine.
//!
//! ```text
//! flash_prefill sm80: 5 kernels, 7712 instructions, 455 KB: 19.6 ms (build 0.5, tile 2.2, .., share 3.0, text 5.1), aim 5
//! Triton 3.6.0 attention_128 sm80: 274 ms to PTX, 388 ms with ptxas
//!   attention_128: 212 registers, 0 bytes spilled, 36864 bytes shared
//!   flash_prefill.attend_panel: 172 registers, 0 bytes spilled, 29824 bytes shared
//! ```
//!
//! A block of both is of four warps and 64 query rows.
//!
//! `KGEN_PYTHON` names a Python that has triton; without one, only ours is timed. `-- --once` times a single round.

use kgen_ir::{
    op::Op,
    target::Target,
    tile::{Stage, verify},
};
use kgen_passes::{Choice, Schedule};
use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const OPS: [&str; 2] = ["flash_prefill", "flash_decode"];
const CHIPS: &[&str] = &["sm80", "sm90"];

/// Milliseconds from op to text that a compile may take.
const AIM: f64 = 5.0;

/// `build`, `tile` passes and their verifier, `lower`, every machine pass, `text`.
fn phases() -> Vec<&'static str> {
    let passes = kgen_passes::machine::PIPELINE.iter().map(|pass| pass.name);
    ["build", "tile", "verify", "lower"].into_iter().chain(passes).chain(["text"]).collect()
}

fn main() {
    let once = std::env::args().any(|a| a == "--once");
    let (rounds, reps) = if once { (1, 3) } else { (3, 15) };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut slow = Vec::new();
    for chip in CHIPS {
        let target = kgen::compile::target(chip).expect("a chip of the table");
        let mut theirs = Vec::new();
        let mut ours = vec![Vec::new(); OPS.len()];
        let ops = OPS.map(|op| {
            kgen::compile::read(&root.join(format!("ops/{op}.toml"))).expect("shipped ops read")
        });
        for _ in 0..rounds {
            for (op, times) in ops.iter().zip(&mut ours) {
                times.extend((0..reps).map(|_| compile(op, target).0));
            }
            theirs.extend(triton(&root, chip, &[]));
        }
        for (op, times) in ops.iter().zip(ours) {
            let (_, what) = compile(op, target);
            let all = middle(times.iter().map(|t| t.iter().sum()).collect());
            let shown: Vec<_> = phases()
                .into_iter()
                .enumerate()
                .map(|(i, name)| {
                    format!("{name} {:.2}", middle(times.iter().map(|t| t[i]).collect()))
                })
                .collect();
            println!("{} {chip}: {what}: {all:.2} ms ({}), aim {AIM}", op.name, shown.join(", "));
            if all > AIM {
                slow.push(format!("{} {chip} {all:.2} ms", op.name));
            }
        }
        let files = texts(&ops, target);
        theirs.extend(triton(&root, chip, &files));
        if let Some(folder) = files.first().and_then(|f| f.parent()) {
            std::fs::remove_dir_all(folder).expect("made by this process");
        }
        match theirs.last() {
            Some((name, .., held)) => {
                let ptx = middle(theirs.iter().map(|t| t.1).collect());
                let all = middle(theirs.iter().map(|t| t.2).collect());
                println!("{name} {chip}: {ptx:.0} ms to PTX, {all:.0} ms with ptxas");
                held.iter().for_each(|line| println!("  {line}"));
            }
            None => println!("SKIPPED: no Triton: KGEN_PYTHON names a Python that has it"),
        }
    }
    match slow.is_empty() {
        true => println!("all within {AIM} ms"),
        false => println!("above {AIM} ms: {}", slow.join(", ")),
    }
}

/// The texts of the kernels that take matrices, in files.
fn texts(ops: &[Op], target: &'static Target) -> Vec<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kgen-bench-ptx-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for files that go away");
    let mut files = Vec::new();
    for op in ops {
        let made = kgen::compile::compile(op, target, &Schedule::default_for(target));
        let texts = made.expect("shipped ops compile").artifact.files;
        for name in ["attend_matrix.ptx", "attend_panel.ptx"] {
            let file = folder.join(format!("{}.{name}", op.name));
            let text = texts.get(name).map_or("", String::as_str);
            std::fs::write(&file, text).expect("files that go away");
            files.push(file);
        }
    }
    files
}

/// Milliseconds of each phase, and what was made.
fn compile(op: &Op, target: &'static Target) -> (Vec<f64>, String) {
    let choice = Choice { target, schedule: Schedule::default_for(target) };
    let mut times = vec![0.0; phases().len()];
    let mut start = Instant::now();
    let mut lap = |phase: usize| {
        times[phase] += start.elapsed().as_secs_f64() * 1e3;
        start = Instant::now();
    };
    let built = kgen_passes::build(op, &choice).expect("shipped ops compile");
    lap(0);
    let program = kgen_passes::optimise(built, &choice).expect("as above");
    lap(1);
    verify::verify(&program, Stage::Pipelined).expect("as above");
    lap(2);
    let (mut instructions, mut bytes) = (0, 0);
    for kernel in &program.kernels {
        let (mut lowered, _) =
            kgen_passes::lower::lower(&program, kernel, &choice).expect("as above");
        lap(3);
        for (i, pass) in kgen_passes::machine::PIPELINE.iter().enumerate() {
            lowered = (pass.run)(lowered, target).expect("as above");
            lap(4 + i);
        }
        let text = kgen_codegen::emit(&lowered, target).expect("as above").text;
        lap(4 + kgen_passes::machine::PIPELINE.len());
        instructions += lowered.instructions();
        bytes += black_box(text).len();
    }
    let kernels = program.kernels.len();
    (times, format!("{kernels} kernels, {instructions} instructions, {} KB", bytes / 1000))
}

/// Its name, milliseconds to PTX and with the assembler, of one compile that finds nothing kept; and what the assembler
/// tells of its kernel, and of ours beside it.
fn triton(root: &Path, chip: &str, ours: &[PathBuf]) -> Option<(String, f64, f64, Vec<String>)> {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let script: PathBuf = root.join("benches/rivals/triton_compile.py");
    let chip = chip.trim_start_matches("sm");
    let ran = Command::new(python).arg(script).arg(chip).args(ours).output().ok()?;
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let mut lines = told.lines();
    let [name, ptx, all] = lines.next()?.split('\t').collect::<Vec<_>>()[..] else { return None };
    let held = lines.filter_map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
        [name, registers, spilled, shared] => Some(format!(
            "{name}: {registers} registers, {spilled} bytes spilled, {shared} bytes shared"
        )),
        _ => None,
    });
    Some((name.to_owned(), ptx.parse().ok()?, all.parse().ok()?, held.collect()))
}

fn middle(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}
