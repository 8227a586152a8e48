//! How long the sanitiser takes over a tile of attention: `cargo bench -p kgen-sim`.

#[path = "../tests/tile/mod.rs"]
mod tile;

use kgen_sim::ptx::{Check, Launch};

fn main() {
    let text = tile::text();
    for (name, check) in [("full", Check::Full), ("fast", Check::Fast)] {
        let mut times = vec![];
        let mut instructions = 0;
        for _ in 0..15 {
            let ran = match tile::simulate(&text, &Launch { check, ..Launch::default() }) {
                Ok(ran) => ran,
                Err(why) => {
                    eprintln!("error: {why}");
                    std::process::exit(1);
                }
            };
            times.push(ran.seconds * 1e3);
            assert!(
                ran.report.findings.is_empty() && ran.worst < 2e-3,
                "{:?}",
                ran.report.findings
            );
            instructions = ran.report.statistics.instructions;
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{name}: {:.1} ms median, {:.1} ms least, {instructions} instructions",
            times[7], times[0]
        );
    }
}
