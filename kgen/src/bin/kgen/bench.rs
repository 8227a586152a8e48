//! `kgen bench`: time, bytes and flops of an op, and its share of the measured memory roof.

use crate::{Answer, Format, tell};
use kgen::{Error, bench, device::Cpu, gpu::Gpu, inputs, sweep};
use kgen_ir::{
    extent::Dims,
    op::{Op, Storage},
};
use kgen_runtime::roof::Roof;
use std::{collections::BTreeMap, path::PathBuf};

/// Exit code: too noisy to decide.
const NOISY: u8 = 5;

/// Time an op on tensors that no cache holds, beside the memory roof
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Device: cpu, or a GPU such as cuda:0
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// Value of a run-time symbol, or a sweep: m=1,16
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Timed rounds; each runs every copy of the tensors once
    #[arg(long, default_value_t = 9)]
    reps: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Worker threads; all cores unless said
    #[arg(long)]
    threads: Option<usize>,
    /// A target that the device can run; the best one unless said
    #[arg(long, value_name = "T")]
    target: Option<String>,
    /// How the op is cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
    /// Report even when other programs had more than a tenth of the machine
    #[arg(long)]
    anyway: bool,
}

pub fn run(args: &Args, format: Format, caching: kgen::compile::Caching) -> Answer {
    if args.on.starts_with("cuda") {
        return on_gpu(args, format, caching);
    }
    if args.on != "cpu" {
        return Err(crate::no_device(&args.on, "`cpu` and `cuda:N`"));
    }
    let op = kgen::compile::read(&args.op)?;
    let mut cpu = Cpu::open(args.threads)?.with_target(args.target.as_deref())?;
    cpu.cache = kgen::compile::open_cache(caching)?;
    if let Some(path) = &args.schedule {
        cpu.schedule = kgen::compile::read_schedule(path, cpu.target)?;
    }
    let module = cpu.load(&op)?;
    let roof = Roof::new(bench::ROTATED).map_err(|e| Error::Unavailable(e.to_string()))?;
    let mut code = 0;
    for values in sweep::cases(&sweep::parse_all(&args.set)?) {
        let dims = inputs::dims(&op, &values, &BTreeMap::new())?;
        let m = bench::measure(&cpu, &module, &op, &dims, &roof, (args.reps, args.seed))?;
        if m.disturbed() && !args.anyway {
            let share = m.other_cpu.unwrap_or(0.0) * 100.0;
            eprintln!("other programs had {share:.0} % of the machine: stop them, or say --anyway");
            code = NOISY;
            continue;
        }
        show(args, format, &op, &dims, cpu.workers().count(), &m);
        if m.error_ratio > 1.0 {
            code = code.max(1);
        }
    }
    Ok(code)
}

/// Times by the device's own events, over replays of a graph.
fn on_gpu(args: &Args, format: Format, caching: kgen::compile::Caching) -> Answer {
    let op = kgen::compile::read(&args.op)?;
    let mut gpu = Gpu::open(&args.on, args.target.as_deref())?;
    gpu.cache = kgen::compile::open_cache(caching)?;
    if let Some(path) = &args.schedule {
        gpu.schedule = kgen::compile::read_schedule(path, gpu.target)?;
    }
    let mut code = 0;
    for values in sweep::cases(&sweep::parse_all(&args.set)?) {
        let dims = inputs::dims(&op, &values, &BTreeMap::new())?;
        let m = gpu.measure(&op, &dims, (args.reps, args.seed))?;
        show(args, format, &op, &dims, 0, &m);
        if m.error_ratio > 1.0 {
            code = code.max(1);
        }
    }
    Ok(code)
}

fn show(args: &Args, format: Format, op: &Op, dims: &Dims, threads: usize, m: &bench::Measured) {
    let roof = if args.on == "cpu" { "read" } else { "copy" };
    let (gbps, gflops) = (m.rate() / 1e9, m.flops / m.median / 1e9);
    match format {
        Format::Text => {
            let sizes: Vec<_> = dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
            tell(&format!(
                "{} {}: {:.3} ms (best {:.3}), {gbps:.1} GB/s, {gflops:.1} GFLOP/s, {:.2} of the {roof} roof \
                 {:.1} GB/s, error/bound {:.3}",
                op.name,
                sizes.join(" "),
                m.median * 1e3,
                m.min * 1e3,
                m.share(),
                m.roof / 1e9,
                m.error_ratio
            ));
        }
        Format::Json => tell(
            &serde_json::json!({
                "op": op.name, "device": args.on, "dims": dims.scalars, "dtype": dtype(op), "threads": threads,
                "median_s": m.median, "min_s": m.min, "ci95": m.ci95, "reps": m.reps, "bytes": m.bytes,
                "flops": m.flops, "gbps": gbps, "gflops": gflops, "roof_kind": format!("dram {roof}"),
                "roof_value": m.roof / 1e9, "roof_share": m.share(), "other_cpu": m.other_cpu,
                "error_ratio": m.error_ratio, "verified": m.error_ratio <= 1.0,
            })
            .to_string(),
        ),
    }
}

/// Of the tensor that most bytes are read of: the first key or weight.
fn dtype(op: &Op) -> String {
    let specs = op.tensors();
    let main = specs.iter().find(|t| t.name.ends_with(".k") || t.name == "w").or(specs.first());
    main.map_or(String::new(), |t| match &t.storage {
        Storage::Block(format) => format.name.into(),
        Storage::Plain(dtype) => dtype.name().into(),
        Storage::Codes(_) => "codes".into(),
    })
}
