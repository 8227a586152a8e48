//! From op file to PTX, on one core: flash attention of head size 128 with all its variants, beside what Triton takes for
//! its one kernel, in turns, on the same machine.
//!
//! ```text
//! flash_prefill sm80: 8 kernels, 14127 instructions, 982 KB: 41.2 ms (build 0.2, tile 1.1, .., share 12.1, text 9.6), aim 5
//! Triton 3.6.0 attention_128 sm80: 274 ms to PTX, 388 ms with ptxas
//! ```
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
            theirs.extend(triton(&root, chip));
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
        match theirs.first() {
            Some((name, ..)) => {
                let ptx = middle(theirs.iter().map(|t| t.1).collect());
                let all = middle(theirs.iter().map(|t| t.2).collect());
                println!("{name} {chip}: {ptx:.0} ms to PTX, {all:.0} ms with ptxas");
            }
            None => println!("SKIPPED: no Triton: KGEN_PYTHON names a Python that has it"),
        }
    }
    match slow.is_empty() {
        true => println!("all within {AIM} ms"),
        false => println!("above {AIM} ms: {}", slow.join(", ")),
    }
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
    let program = kgen_passes::optimise(&built, &choice).expect("as above");
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

/// Its name, milliseconds to PTX and with the assembler, of one compile that finds nothing kept.
fn triton(root: &Path, chip: &str) -> Option<(String, f64, f64)> {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let script: PathBuf = root.join("benches/rivals/triton_compile.py");
    let ran = Command::new(python).arg(script).arg(chip.trim_start_matches("sm")).output().ok()?;
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    let [name, ptx, all] = told.trim().split('\t').collect::<Vec<_>>()[..] else { return None };
    Some((name.to_owned(), ptx.parse().ok()?, all.parse().ok()?))
}

fn middle(mut list: Vec<f64>) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(0.0)
}
