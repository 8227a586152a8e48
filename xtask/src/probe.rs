//! The roof that `kgen bench` judges by, beside an independent probe of the same memory.
//!
//! ```text
//! roof 55.1 GB/s, probe 55.6 GB/s: 0.99 (median of 5 pairs)
//! ```

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// A shared library in C++ with `double probe_dram(int threads)`; outside the repository.
const PROBE: &str = "../shared/peers/common/probe.cpp";
/// What the roof must reach of it (design: benchmarks).
const ENOUGH: f64 = 0.97;
const PAIRS: usize = 5;
const MAIN: &str = "#include <cstdio>\nextern \"C\" double probe_dram(int);\n\
    int main(int n, char **a) { int t = 0; sscanf(a[n - 1], \"%d\", &t); printf(\"%.3f\\n\", probe_dram(t)); }\n";

/// Ends with success where the probe is not there.
pub fn show(root: &Path) -> ExitCode {
    match check(root) {
        Ok(Some((line, ok))) => {
            println!("{line}");
            ExitCode::from(u8::from(!ok))
        }
        Ok(None) => {
            println!("SKIPPED: no {PROBE}, or no C++ compiler");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(root: &Path) -> Result<Option<(String, bool)>, String> {
    let probe = root.join(PROBE);
    let Some(program) = probe.exists().then(|| build(root, &probe)).transpose()?.flatten() else {
        return Ok(None);
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let words = "run --release -q -p kgen-compiler -- doctor --roof --format json";
        let ours = output(Command::new(&cargo).args(words.split(' ')).current_dir(root))?;
        let ours: serde_json::Value = serde_json::from_str(&ours).map_err(|e| e.to_string())?;
        let ours = ours["roof_gbps"].as_f64().ok_or("`doctor --roof` tells no number")?;
        let theirs = output(Command::new(&program).arg(&threads))?;
        let theirs: f64 = theirs.trim().parse().map_err(|_| format!("the probe says {theirs}"))?;
        pairs.push((ours, theirs));
    }
    let middle = |key: &dyn Fn(&(f64, f64)) -> f64| {
        let mut list: Vec<f64> = pairs.iter().map(key).collect();
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    let (ours, theirs) = (middle(&|p| p.0), middle(&|p| p.1));
    let ratio = middle(&|p| p.0 / p.1);
    let line = format!(
        "roof {ours:.1} GB/s, probe {theirs:.1} GB/s: {ratio:.2} (median of {PAIRS} pairs, at least {ENOUGH} wanted)"
    );
    Ok(Some((line, ratio >= ENOUGH)))
}

/// `None` without a compiler.
fn build(root: &Path, probe: &Path) -> Result<Option<PathBuf>, String> {
    let folder = root.join("target/probe");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let (main, program) = (folder.join("main.cpp"), folder.join("probe"));
    std::fs::write(&main, MAIN).map_err(|e| e.to_string())?;
    let mut command = Command::new("c++");
    command.args(["-O3", "-march=native", "-pthread", "-o"]).arg(&program).arg(&main).arg(probe);
    match command.output() {
        Ok(ran) if ran.status.success() => Ok(Some(program)),
        Ok(ran) => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
        Err(_) => Ok(None),
    }
}

fn output(command: &mut Command) -> Result<String, String> {
    let ran = command.output().map_err(|e| e.to_string())?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
}
