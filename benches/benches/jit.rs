//! What it takes to turn the machine kernels of a shipped op into code in memory, the first time and after: by the best
//! target of each backend of this build.
//!
//! ```text
//! flash_decode, x86-64-v3/cranelift: 3 kernels, 6012 instructions: cold 27.1 ms, warm 8.9 ms = 1.48 us an instruction
//! ```

use kgen_ir::target::Target;
use kgen_runtime::{device, driver::DRIVERS, module::Module};
use std::{hint::black_box, path::Path, time::Instant};

const REPS: usize = 25;

/// Seconds from which on fewer will do.
const SLOW: f64 = 0.2;
const FEW: usize = 5;

fn main() {
    for driver in DRIVERS {
        let able =
            |t: &&Target| t.backend == driver.name() && t.features.iter().all(|f| device::has(f));
        if let Some(target) = kgen::compile::targets().into_iter().find(able) {
            measure(target);
        }
    }
}

fn measure(target: &'static Target) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let schedule = kgen::Schedule::default_for(target);
    // The largest first: only one can be cold.
    for file in ["flash_decode.toml", "w4a8_gemv.toml", "w8a8_gemv.toml"] {
        let op = kgen::compile::read(&root.join(file)).expect("shipped ops read");
        let compiled = kgen::compile::compile(&op, target, &schedule).expect("they compile");
        let time = || {
            let start = Instant::now();
            for kernel in &compiled.kernels {
                black_box(kgen_codegen::emit(kernel, target).expect("they compile"));
            }
            black_box(Module::open(&compiled.artifact).expect("our text is right"));
            start.elapsed().as_secs_f64()
        };
        let cold = time();
        let reps = if cold > SLOW { FEW } else { REPS };
        let mut warm: Vec<f64> = (0..reps).map(|_| time()).collect();
        warm.sort_by(f64::total_cmp);
        let warm = warm[reps / 2];
        let instructions: usize = compiled.kernels.iter().map(|k| k.instructions()).sum();
        println!(
            "{}, {}: {} kernels, {instructions} machine instructions: first {:.1} ms, then {:.2} ms = {:.2} us an instruction",
            op.name,
            target.name,
            compiled.kernels.len(),
            cold * 1e3,
            warm * 1e3,
            warm * 1e6 / instructions as f64
        );
    }
}
