//! A tour of kgen as an engine uses it: two ops compiled, run on tensors of a model file, verified, timed.
//!
//! ```text
//! cargo run --release -q -p kgen-compiler --example tour
//! ```

use kgen::{Error, bench, compile, device::Cpu, inputs, verify};
use kgen_ir::{extent::Dims, op::Kind, op::Op};
use kgen_runtime::{files::gguf::Gguf, roof::Roof};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// A 4-bit weight of `examples/tiny.gguf`.
const WEIGHT: &str = "blk.0.ffn_up.weight";
/// Cases of each op, beside the run on the file.
const CASES: usize = 24;
const SEED: u64 = 1;

fn main() -> ExitCode {
    match tour() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("an error is above its bound: this is a bug of kgen");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn tour() -> Result<bool, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = root.join("examples/tiny.gguf");
    let cpu = Cpu::open(None)?;
    let roof = Roof::new(bench::ROTATED).map_err(|e| Error::Unavailable(e.to_string()))?;
    println!("target {}, {} threads", cpu.target.name, cpu.workers().count());
    let mut good = true;

    let op = compile::read(&root.join("ops/flash_decode.toml"))?;
    let sizes = [("b", 2), ("m", 1), ("n", 1000)];
    let ratio = run(&cpu, &op, &sizes, None)?;
    good &= told(&cpu, &op, "2 sequences of 1000 keys", ratio, &[("n", 8192)], &roof)?;

    let op = compile::read(&root.join("ops/w4a8_gemv.toml"))?;
    let cut = fitted(&op, &model)?;
    let ratio = run(&cpu, &cut, &[("m", 1)], Some(&model))?;
    let what = format!("{WEIGHT} of tiny.gguf");
    good &= told(&cpu, &op, &what, ratio, &[("m", 1)], &roof)?;
    Ok(good)
}

/// The op with the sizes of the weight in the file.
fn fitted(op: &Op, model: &Path) -> Result<Op, Error> {
    let file = Gguf::open(model).map_err(|e| Error::Input(e.to_string()))?;
    let weight = file.tensor(WEIGHT).map_err(|e| Error::Input(e.to_string()))?;
    let mut op = op.clone();
    if let (Kind::MpGemm(g), [n, k]) = (&mut op.kind, weight.dims) {
        g.k = *k as i64;
        for w in &mut g.w {
            w.n = *n as i64;
        }
    }
    Ok(op)
}

fn dims(op: &Op, sizes: &[(&str, i64)]) -> Result<Dims, Error> {
    let set: Vec<_> =
        sizes.iter().map(|(name, x)| ((*name).to_owned(), kgen::sweep::Value::One(*x))).collect();
    inputs::dims(op, &set, &BTreeMap::new())
}

/// Compiles, runs once, and gives the largest error against the reference, in bounds.
fn run(cpu: &Cpu, op: &Op, sizes: &[(&str, i64)], model: Option<&PathBuf>) -> Result<f64, Error> {
    let mut given = BTreeMap::new();
    if let Some(model) = model {
        given.insert("w".to_owned(), inputs::from_gguf(op, "w", model, WEIGHT)?);
    }
    let dims = dims(op, sizes)?;
    let tensors = inputs::complete(op, &dims, &given, SEED)?;
    let module = cpu.load(op)?;
    let outputs = cpu.run(&module, &dims, &tensors)?;
    let expected = kgen_kernels_ref::run(op, &dims, &tensors);
    bench::worst(&expected.map_err(|e| Error::Input(e.to_string()))?, &outputs)
}

/// Prints what came of an op; whether all errors are within their bounds.
fn told(
    cpu: &Cpu,
    op: &Op,
    on: &str,
    ratio: f64,
    sizes: &[(&str, i64)],
    roof: &Roof,
) -> Result<bool, Error> {
    let start = Instant::now();
    let module = cpu.load(op)?;
    let compiled = start.elapsed().as_secs_f64();
    let summary = verify::verify(op, cpu, &verify::Options { cases: CASES, seed: SEED });
    let m = bench::measure(cpu, &module, op, &dims(op, sizes)?, roof, (9, SEED))?;
    let shown: Vec<_> = sizes.iter().map(|(name, x)| format!("{name} = {x}")).collect();
    println!("{}", op.name);
    println!("  compiled in {:.1} ms", compiled * 1e3);
    println!("  run on {on}: error/bound {ratio:.3}");
    println!(
        "  verified in {} of {} cases, worst error/bound {:.3}",
        summary.passed, summary.cases, summary.worst_ratio
    );
    println!(
        "  {}: {:.3} ms, {:.1} GB/s, {:.2} of the {:.1} GB/s that memory reads, error/bound {:.3}",
        shown.join(", "),
        m.median * 1e3,
        m.rate() / 1e9,
        m.share(),
        m.roof / 1e9,
        m.error_ratio
    );
    Ok(ratio <= 1.0 && summary.passed == summary.cases && m.error_ratio <= 1.0)
}
