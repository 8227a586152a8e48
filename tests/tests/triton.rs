//! The simulator on PTX that another compiler made: kernels of Triton for four chips, against f64.
//!
//! `tests/witness/triton_ptx.py` compiles them, which takes no GPU, and says what their outputs may be off by. Only where
//! `KGEN_FULL` is set; `KGEN_PYTHON` (default `python3`) must be able to import triton and numpy.

use kgen_sim::ptx::{Launch, Order};
use kgen_tests::triton::{kernels, simulate};
use std::{path::Path, time::Instant};

#[test]
fn kernels_of_another_compiler_are_right() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("triton");
    let Some(kernels) = kernels(&folder, &["75", "80", "90", "120"]) else { return };
    println!(
        "| kernel | chip | order | error / bound | findings | instructions | conflicts | sectors | ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut wrong = vec![];
    for kernel in &kernels {
        for order in [Order::Latest, Order::Earliest, Order::Random] {
            let what = format!("{} | {} | {order:?}", kernel.name, kernel.chip);
            let start = Instant::now();
            let ran = match simulate(
                kernel,
                &kernel.ptx,
                &Launch { order, seed: 11, ..Launch::default() },
                false,
            ) {
                Ok(ran) => ran,
                Err(e) => {
                    println!("| {what} | {e} |");
                    wrong.push(format!("{what}: {e}"));
                    break;
                }
            };
            let statistics = &ran.report.statistics;
            println!(
                "| {what} | {:.3} | {} | {} | {} | {:.0} % | {} |",
                ran.worst,
                ran.report.findings.len(),
                statistics.instructions,
                statistics.conflicts(),
                100.0 * statistics.sector_efficiency(),
                start.elapsed().as_millis(),
            );
            wrong.extend(ran.report.findings.iter().map(|f| format!("{what}: {f}")));
            if ran.worst > 1.0 {
                wrong.push(format!("{what}: an error of {} bounds", ran.worst));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
