//! The project's chores.
//!
//! ```text
//! cargo xtask must-show spine [--full]    every promise of the spine: kept or not
//! cargo xtask must-show native            the same for the native emitter
//! cargo xtask must-show dense [--full]    the same for the dense operators; --full: beside rivals
//! cargo xtask must-show cpu-limit [--full] the same for the CPU at its limit; --full: exhaustive searches
//! cargo xtask must-show nvidia [--full]   the same for PTX and its simulator
//!                                         each: WORD ..: only the points that have one in their names
//! cargo xtask lines                       lines of code per crate, and the longest file
//! cargo xtask fuzz [READER] [--inputs N]  damaged files for each reader, a million unless said
//! cargo xtask bless                       accepts what filetests, reports and goldens now come to
//! cargo xtask sample                      writes examples/tiny.gguf, the model file of the examples
//! cargo xtask mutants                     which wrong kernels the tests notice: all, or it fails
//! cargo xtask costs                       size of the binary, time of a compile, time of the JIT
//! cargo xtask hardware [WHAT] [--dry-run] what only a GPU can tell: check, time, profile (benches/hardware.py)
//! cargo xtask validate [--fast|--full]       ptxas assembles every op file for every chip: registers, spills, tensor opcodes
//! cargo xtask rivals [--torch] [ROW ..]   ours beside ggml, candle, rten, ONNX Runtime, OpenVINO, PyTorch: a report
//! cargo xtask llvm [turns]                LLVM's kernels: rows, bits beside machine code, time of the JIT; turns: in turns with machine code
//! cargo xtask probe                       the roof of `bench` beside the shared probe program
//! ```

mod costs;
mod cpu_limit;
mod dense;
mod fuzz;
mod hardware;
mod lines;
mod llvm;
mod must_show;
mod native;
mod nvidia;
mod probe;
mod rivals;
mod spine;
mod validate;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "usage: cargo xtask must-show spine|native|dense|nvidia|cpu-limit [--full] [WORD ..] | lines | bless | sample | mutants | costs | \
                     validate [--fast|--full] | hardware [check|time|profile] [--dry-run] | rivals [--torch] [ROW ..] | llvm [turns] | probe | fuzz [READER] [--inputs N]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["must-show", name, rest @ ..] => shown(name, rest),
        ["lines"] => match lines::count(&root()) {
            Ok(count) => {
                print!("{count}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        ["fuzz"] => fuzz::run(&root(), None, "1000000"),
        ["fuzz", "--inputs", inputs] => fuzz::run(&root(), None, inputs),
        ["fuzz", reader] => fuzz::run(&root(), Some(reader), "1000000"),
        ["fuzz", reader, "--inputs", inputs] => fuzz::run(&root(), Some(reader), inputs),
        ["sample"] => match kgen_runtime::files::sample::write(&root().join(SAMPLE), 1) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        ["bless"] => must_show::cargo_with(
            &root(),
            "test -q -p kgen-tests -p kgen-ir",
            &[("KGEN_BLESS", "1"), ("INSTA_UPDATE", "always")],
        ),
        ["mutants"] => must_show::cargo(
            &root(),
            "test --release -q -p kgen-tests --test mutants -- --nocapture",
        ),
        ["costs"] => costs::show(&root()),
        ["hardware", rest @ ..] => hardware::show(&root(), rest),
        ["validate"] | ["validate", "--full"] => validate::show(&root(), false),
        ["validate", "--fast"] => validate::show(&root(), true),
        ["rivals", rest @ ..] => rivals::show(&root(), rest),
        ["llvm"] => llvm::show(&root(), false),
        ["llvm", "turns"] => llvm::show(&root(), true),
        ["probe"] => probe::show(&root()),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The points of an issue: all, or whose names have a word.
fn shown(name: &str, rest: &[&str]) -> ExitCode {
    let points = match name {
        "spine" => spine::POINTS,
        "native" => native::POINTS,
        "dense" => dense::POINTS,
        "nvidia" => nvidia::POINTS,
        "cpu-limit" => cpu_limit::POINTS,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match rest {
        [] => must_show::show(&root(), points, false, &[]),
        ["--full", words @ ..] => must_show::show(&root(), points, true, words),
        words => must_show::show(&root(), points, false, words),
    }
}

/// Made by `cargo xtask sample`, from seed 1.
const SAMPLE: &str = "examples/tiny.gguf";

/// The folder of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_what_its_script_makes() {
        let made = std::env::temp_dir().join(format!("kgen-sample-{}.gguf", std::process::id()));
        kgen_runtime::files::sample::write(&made, 1).unwrap();
        let same = std::fs::read(&made).unwrap() == std::fs::read(root().join(SAMPLE)).unwrap();
        std::fs::remove_file(&made).unwrap();
        assert!(same, "run `cargo xtask sample`");
    }
}
