//! Every op file for every chip through NVIDIA's assembler: it takes the text, and nothing is spilled.
//!
//! ```text
//! | kernel | chip | registers | spilled | stack | shared |
//! | flash_decode attend | sm80 | 195 | 0 | 0 | 13312 |
//! ```
//!
//! `KGEN_PTXAS` says where `ptxas` is; `pip install nvidia-cuda-nvcc-cu12==12.9.86` brings one that knows all chips,
//! without a GPU and without the toolkit.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// What the assembler tells of one kernel.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    registers: usize,
    /// Bytes stored and loaded again.
    spilled: usize,
    stack: usize,
    shared: usize,
}

/// Prints a row a kernel and chip; a failure of the assembler or a spill fails all.
pub fn show(root: &Path) -> ExitCode {
    match validate(root) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(bad) => {
            eprintln!("error: {bad} kernels do not assemble or spill");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn validate(root: &Path) -> Result<usize, String> {
    let ptxas = std::env::var("KGEN_PTXAS")
        .map_err(|_| "KGEN_PTXAS says nothing: give it the path of ptxas".to_owned())?;
    let kgen = build(root)?;
    let chips = chips(&kgen)?;
    let folder = root.join("target/validate");
    let (mut bad, mut count) = (0, 0);
    println!("| kernel | chip | registers | spilled | stack | shared |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for op in sorted(&root.join("ops"), "toml")? {
        let name = op.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for chip in &chips {
            let mut command = Command::new(&kgen);
            command.args(["--no-cache", "compile"]).arg(&op).args(["--target", chip, "-o"]);
            let ran = command.arg(&folder).output().map_err(|e| e.to_string())?;
            match ran.status.code() {
                Some(0) => {}
                // What no schedule does is no mistake of the text.
                Some(4) => {
                    println!("| {name} | {chip} | unsupported | | | |");
                    continue;
                }
                Some(_) | None => return Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
            }
            for text in sorted(&folder.join(format!("{name}.{chip}")), "ptx")? {
                let kernel = text.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                count += 1;
                match assemble(&ptxas, chip, &text, &folder) {
                    Ok(t) => {
                        println!(
                            "| {name} {kernel} | {chip} | {} | {} | {} | {} |",
                            t.registers, t.spilled, t.stack, t.shared
                        );
                        bad += usize::from(t.spilled > 0);
                    }
                    Err(said) => {
                        println!("| {name} {kernel} | {chip} | does not assemble: {said} | | | |");
                        bad += 1;
                    }
                }
            }
        }
    }
    println!("{count} kernels, {bad} bad");
    Ok(bad)
}

fn build(root: &Path) -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let words = ["build", "-q", "-p", "kgen-compiler", "--bin", "kgen", "--message-format", "json"];
    let built = Command::new(cargo).args(words).current_dir(root).output();
    let built = String::from_utf8(built.map_err(|e| e.to_string())?.stdout);
    crate::costs::executable(&built.map_err(|e| e.to_string())?)
        .ok_or_else(|| "cargo built no binary".into())
}

/// Targets whose text is PTX.
fn chips(kgen: &Path) -> Result<Vec<String>, String> {
    let listed = Command::new(kgen).args(["targets", "--format", "json"]).output();
    let listed = String::from_utf8(listed.map_err(|e| e.to_string())?.stdout);
    let listed = listed.map_err(|e| e.to_string())?;
    let rows = listed.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let names =
        rows.filter(|r| r["backend"] == "ptx").filter_map(|r| r["target"].as_str().map(Into::into));
    Ok(names.collect())
}

fn sorted(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let list = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = list.filter_map(|f| f.ok().map(|f| f.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == extension));
    files.sort();
    Ok(files)
}

fn assemble(ptxas: &str, chip: &str, text: &Path, folder: &Path) -> Result<Told, String> {
    let arch = chip.replace("sm", "sm_");
    let mut command = Command::new(ptxas);
    command.args(["-v", "-arch", &arch]).arg(text).arg("-o").arg(folder.join("out.cubin"));
    let ran = command.output().map_err(|e| format!("{ptxas}: {e}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    if ran.status.success() {
        return Ok(read(&said));
    }
    Err(said.lines().next().unwrap_or("no word").into())
}

/// The numbers before their names, as `ptxas -v` tells them.
fn read(said: &str) -> Told {
    let before = |what: &str| {
        let found = said.split_once(what).map(|(before, _)| before);
        found
            .and_then(|b| b.split_whitespace().next_back())
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    };
    Told {
        registers: before(" registers"),
        spilled: before(" bytes spill stores") + before(" bytes spill loads"),
        stack: before(" bytes stack frame"),
        shared: before(" bytes smem"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_their_names() {
        let said = "ptxas info    : Function properties for attend\n    24 bytes stack frame, 28 bytes spill stores, 20 \
                    bytes spill loads\nptxas info    : Used 255 registers, used 0 barriers, 40960 bytes smem, 624 bytes cmem[0]\n";
        let told = Told { registers: 255, spilled: 48, stack: 24, shared: 40960 };
        assert_eq!(read(said), told);
        assert_eq!(read("ptxas info    : Used 8 registers").shared, 0);
    }
}
