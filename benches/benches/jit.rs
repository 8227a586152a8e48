//! What Cranelift takes to turn the text of the shipped ops into code, the first time and after.
//!
//! ```text
//! flash_decode: 3 kernels, 6012 instructions: cold 27.1 ms, warm 8.9 ms = 1.48 us an instruction
//! ```

use kgen_runtime::module::Module;
use std::{hint::black_box, path::Path, time::Instant};

const REPS: usize = 25;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let target = kgen::compile::host().expect("a target fits this CPU");
    let schedule = kgen::Schedule::default_for(target);
    // The largest first: only one can be cold.
    for file in ["flash_decode.toml", "w4a8_gemv.toml", "w8a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).expect("shipped ops read");
        let artifact =
            kgen::compile::compile(&op, target, &schedule).expect("they compile").artifact;
        let load = || {
            let start = Instant::now();
            black_box(Module::open(&artifact).expect("our text is right"));
            start.elapsed().as_secs_f64()
        };
        let cold = load();
        let mut warm: Vec<f64> = (0..REPS).map(|_| load()).collect();
        warm.sort_by(f64::total_cmp);
        let warm = warm[REPS / 2];
        let kernels = &artifact.manifest.kernels;
        let lines = kernels.iter().flat_map(|k| artifact.files[&k.file].lines());
        let instructions = lines.filter(|l| l.starts_with("    ")).count();
        println!(
            "{}: {} kernels, {instructions} instructions: cold {:.1} ms, warm {:.1} ms = {:.2} us an instruction",
            op.name,
            kernels.len(),
            cold * 1e3,
            warm * 1e3,
            warm * 1e6 / instructions as f64
        );
    }
}
