//! Every op file and golden for every chip through NVIDIA's assemblers: they take the text, nothing is spilled, a block
//! fits, and what the text asks of tensor cores is there.
//!
//! ```text
//! | kernel | chip | registers 12.9 | 13.5 | spilled | shared | blocks | threads | tensor opcodes | conflicts | streams | others | as foreseen |
//! | flash_decode attend_matrix | sm80 | 195 | 196 | 0 | 37696 | 2 | 256 of 2048 | 64 HMMA | 0 (12) | 100 % | 84 % | 96 of 96 to 96, 4 % by data |
//! ```
//!
//! Conflicts are passes over the banks of shared memory beyond those that the bytes take, of what feeds matrix
//! instructions and, in brackets, of all others; streams are accesses of 16 bytes a lane, and their share of the sectors
//! of global memory that was needed. Of other accesses the compiler foresees by a formula of its own how many sectors each
//! touches, where data do not tell the lanes. The simulator counts in cases of `kgen verify` ([`costs`]). An operand that
//! meets a conflict, a stream that touches more sectors than it fills, and a line whose sectors are not those foreseen are
//! faults.
//!
//! PyPI has the assemblers, without a GPU and without the toolkit ([`assembler::GET`]). What they told of a text is kept in
//! `target/validate`, by its hash.

mod assembler;
mod costs;

use assembler::{GET, Told, Tools};
use costs::{Cost, Costs};
use kgen_codegen::ptx::limits;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::atomic::{AtomicUsize, Ordering},
};

/// What an assembler told, and what is wrong with it; `None` for chips that it has dropped.
type Judged = Option<(Told, Vec<String>)>;

/// What is run where there is little time, with the oldest assembler: it takes three seconds for a large kernel.
const FAST: &[&str] = &["sm80"];

/// A text to be assembled.
struct Job {
    kernel: String,
    chip: String,
    arch: String,
    text: PathBuf,
    /// Threads of a block and its bytes of shared memory, where a manifest says them.
    block: Option<(usize, usize)>,
}

/// Prints a row a kernel and chip; a fault of one fails all.
pub fn show(root: &Path, fast: bool) -> ExitCode {
    let Some(mut tools) = Tools::find() else {
        println!("SKIPPED: no ptxas: {GET}");
        return ExitCode::SUCCESS;
    };
    if fast {
        tools.assemblers.truncate(1);
    }
    match validate(root, &tools, fast) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(bad) => {
            eprintln!("error: {bad} kernels have faults");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn validate(root: &Path, tools: &Tools, fast: bool) -> Result<usize, String> {
    let kgen = build(root)?;
    let chips = chips(&kgen)?;
    let chips: Vec<&str> = chips.iter().map(String::as_str).collect();
    let chips: Vec<&str> = chips.into_iter().filter(|c| !fast || FAST.contains(c)).collect();
    let folder = root.join("target/validate");
    fs::create_dir_all(folder.join("told")).map_err(|e| e.to_string())?;
    let mut jobs = goldens(root, &folder)?;
    let mut ops = sorted(&root.join("ops"), "toml")?;
    if !fast {
        ops.extend(head_dims(&folder)?);
    }
    let asked: Vec<(&PathBuf, &str)> =
        ops.iter().flat_map(|op| chips.iter().map(move |chip| (op, *chip))).collect();
    let mut unsupported: Vec<String> = Vec::new();
    for (made, (op, chip)) in
        parallel(&asked, |(op, chip)| compile(&kgen, op, chip, &folder)).into_iter().zip(&asked)
    {
        match made? {
            Some(made) => jobs.extend(made),
            None => {
                let name = op.file_stem().unwrap_or_default().to_string_lossy();
                unsupported.push(format!("{name} {chip}"));
            }
        }
    }
    let told = parallel(&jobs, |job| {
        let list = tools.assemblers.iter();
        list.map(|(version, ptxas)| told(tools, (version, ptxas), job, &folder)).collect()
    });
    let counted = if fast { Costs::default() } else { costs::costs(&kgen, root)? };
    Ok(report(tools, &jobs, told, &unsupported, &counted))
}

fn report(
    tools: &Tools,
    jobs: &[Job],
    told: Vec<Vec<Judged>>,
    unsupported: &[String],
    counted: &Costs,
) -> usize {
    let versions: Vec<&str> = tools.assemblers.iter().map(|a| a.0.as_str()).collect();
    println!(
        "| kernel | chip | registers {} | spilled | shared | blocks | threads | tensor opcodes | conflicts | streams | others | as foreseen |",
        versions.join(" | ")
    );
    println!("|{}", " --- |".repeat(versions.len() + 11));
    let (mut bad, mut spilled, mut looked) = (0, 0, 0);
    for (job, each) in jobs.iter().zip(told) {
        let numbers: Vec<String> = each
            .iter()
            .map(|t| t.as_ref().map_or("-".into(), |(t, _)| t.registers.to_string()))
            .collect();
        let all = || each.iter().flatten();
        let most = |of: fn(&Told) -> usize| all().map(|(t, _)| of(t)).max().unwrap_or(0);
        let occupancy = job
            .block
            .zip(limits::limits(&job.chip))
            .map(|((threads, shared), l)| l.occupancy(most(|t| t.registers), threads, shared));
        let (blocks, threads) = occupancy.map_or_else(
            || (String::new(), String::new()),
            |o| (o.blocks.to_string(), format!("{} of {}", o.threads, o.of)),
        );
        let opcodes: Vec<String> = all()
            .next()
            .into_iter()
            .flat_map(|(t, _)| &t.opcodes)
            .filter(|(name, _)| !name.starts_with("CALL"))
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        let cost = counted.get(&(job.kernel.clone(), job.chip.clone()));
        let cost_cells = cost.map_or_else(|| " | | | ".to_owned(), ToString::to_string);
        println!(
            "| {} | {} | {} | {} | {} | {blocks} | {threads} | {} | {cost_cells} |",
            job.kernel,
            job.chip,
            numbers.join(" | "),
            most(|t| t.spilled),
            most(|t| t.shared),
            opcodes.join(", ")
        );
        let mut faults: Vec<String> = all().flat_map(|(_, f)| f.iter().cloned()).collect();
        faults.extend(
            occupancy
                .filter(|o| o.blocks == 0)
                .map(|o| format!("no block fits into a multiprocessor: short of {}", o.want)),
        );
        faults.extend(cost.into_iter().flat_map(Cost::faults));
        faults.sort();
        faults.dedup();
        faults.iter().for_each(|f| println!("| {} | {} | {f} |", job.kernel, job.chip));
        bad += usize::from(!faults.is_empty());
        spilled += usize::from(most(|t| t.spilled) > 0);
        looked += usize::from(all().any(|(t, _)| t.looked));
    }
    unsupported.iter().for_each(|u| println!("unsupported: {u}"));
    println!(
        "{} kernels by ptxas {}: {bad} with faults, {spilled} spill, {looked} disassembled, {} ops unsupported",
        jobs.len(),
        versions.join(" and "),
        unsupported.len()
    );
    bad
}

/// Does each on a thread of its own, as many at once as there are cores.
fn parallel<T: Sync, R: Send>(list: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = list.get(i) else { return done };
                done.push((i, run(item)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .flat_map(|t| t.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug)))
            .collect()
    });
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, r)| r).collect()
}

/// Head dims that no op file has: what registers hold of a tile follows from them.
const HEAD_DIMS: &[usize] = &[72, 80, 96, 112, 160, 192, 256];

/// Op files of attention with these head dims.
fn head_dims(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let made = folder.join("ops");
    fs::create_dir_all(&made).map_err(|e| e.to_string())?;
    let one = |dim: &usize| {
        let text = format!(
            "op = \"attention\"\nname = \"heads_of_{dim}\"\nout = \"f16\"\n\
             q = {{ dtype = \"f16\", heads = 8, dim = {dim}, batch = \"b\", len = \"m\" }}\n\
             kv = {{ dtype = \"f16\", heads = 2 }}\n\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n"
        );
        let path = made.join(format!("heads_of_{dim}.toml"));
        fs::write(&path, text).map(|()| path).map_err(|e| e.to_string())
    };
    HEAD_DIMS.iter().map(one).collect()
}

/// The kernels of an op for a chip; `None` where no schedule does it, which is no mistake of the text.
fn compile(kgen: &Path, op: &Path, chip: &str, folder: &Path) -> Result<Option<Vec<Job>>, String> {
    let name = op.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut command = Command::new(kgen);
    command.args(["--no-cache", "compile"]).arg(op).args(["--target", chip, "-o"]);
    let ran = command.arg(folder).output().map_err(|e| e.to_string())?;
    match ran.status.code() {
        Some(0) => {}
        Some(4) => return Ok(None),
        Some(_) | None => return Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
    }
    let made = folder.join(format!("{name}.{chip}"));
    let manifest = fs::read_to_string(made.join("manifest.toml")).map_err(|e| e.to_string())?;
    let job = |text: PathBuf| {
        let kernel = text.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let block = block(&manifest, &kernel);
        let arch = chip.replace("sm", "sm_");
        Job { kernel: format!("{name} {kernel}"), chip: chip.into(), arch, text, block }
    };
    Ok(Some(sorted(&made, "ptx")?.into_iter().map(job).collect()))
}

/// Threads and bytes of shared memory of a kernel's block.
fn block(manifest: &str, kernel: &str) -> Option<(usize, usize)> {
    let after = manifest.split_once(&format!("[[kernel]]\nname = \"{kernel}\""))?.1;
    let own = after.split("[[").next()?;
    let line = own.lines().find_map(|l| l.strip_prefix("block = "))?;
    let number = |key: &str| {
        let after = line.split_once(&format!("{key} = "))?.1;
        after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number("threads")?, number("shared")?))
}

/// The goldens of this language, each for the chip that it names.
fn goldens(root: &Path, folder: &Path) -> Result<Vec<Job>, String> {
    let mut jobs = Vec::new();
    for file in sorted(&root.join("tests/tests/snapshots"), "snap")? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with("_ptx") {
            continue;
        }
        let all = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        for (i, module) in all.split("\n.version").skip(1).enumerate() {
            let arch = module.split(".target ").nth(1).and_then(|t| t.lines().next());
            let arch = arch.ok_or_else(|| format!("{}: no `.target`", file.display()))?.to_owned();
            let text = folder.join(format!("{name}.{i}.ptx"));
            fs::write(&text, format!(".version{module}")).map_err(|e| e.to_string())?;
            let (kernel, chip) = (format!("golden {name} {i}"), arch.replace('_', ""));
            jobs.push(Job { kernel, chip, arch, text, block: None });
        }
    }
    Ok(jobs)
}

/// What an assembler tells of a text and what is wrong with that; `None` for chips that it has dropped.
fn told(tools: &Tools, (version, ptxas): (&str, &Path), job: &Job, folder: &Path) -> Judged {
    if version.starts_with("13") && job.arch == "sm_70" {
        return None;
    }
    let text = fs::read_to_string(&job.text).unwrap_or_default();
    let key = kgen_ir::artifact::hash(&format!("{KEPT} {version} {} {text}", job.arch));
    let kept = folder.join("told").join(format!("{key}.json"));
    let known = fs::read(&kept).ok().and_then(|b| serde_json::from_slice(&b).ok());
    let told = known.as_ref().and_then(Told::from_json).unwrap_or_else(|| {
        let cubin = folder.join("told").join(format!("{key}.cubin"));
        let told = tools.assemble(ptxas, &job.arch, &job.text, &cubin);
        let _ = fs::write(&kept, told.to_json().to_string());
        told
    });
    let faults = told.faults(&text);
    Some((told, faults))
}

/// Of what is kept: another where it is found otherwise.
const KEPT: u32 = 2;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_what_a_block_is() {
        let manifest = "[[kernel]]\nname = \"a\"\nscratch = 0\n\n[[kernel]]\nname = \"b\"\nblock = { threads = 128, workers = 4, \
                        shared = 512 }\n\n[[variant]]\nname = \"a\"\n";
        assert_eq!(block(manifest, "b"), Some((128, 512)));
        assert_eq!((block(manifest, "a"), block(manifest, "c")), (None, None));
    }

    #[test]
    fn goldens_are_whole_texts() {
        let folder = std::env::temp_dir().join(format!("kgen-goldens-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let jobs = goldens(&crate::root(), &folder).unwrap();
        for job in &jobs {
            let text = fs::read_to_string(&job.text).unwrap();
            assert!(
                text.starts_with(".version ") && text.trim_end().ends_with('}'),
                "{}",
                job.kernel
            );
            assert_eq!((job.arch.as_str(), job.chip.as_str()), ("sm_80", "sm80"));
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(jobs.len() >= 2);
    }

    #[test]
    fn everything_is_done_once_and_in_order() {
        let list: Vec<usize> = (0..100).collect();
        assert_eq!(parallel(&list, |i| i * 2), list.iter().map(|i| i * 2).collect::<Vec<_>>());
        assert!(parallel(&[0; 0], |i| *i).is_empty());
    }
}
