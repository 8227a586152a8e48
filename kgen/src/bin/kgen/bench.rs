//! `kgen bench`: time, bytes and flops of an op, and its share of the measured memory roof.

use crate::{Answer, Format, tell};
use kgen::{Error, device::Cpu, inputs, sweep};
use kgen_ir::{extent::Dims, op::Kind, tensor::Tensor};
use kgen_runtime::roof::{Roof, warm};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};

/// Bytes that rotate through the runs, as many as the roof reads: a cache keeps the same share of both.
const ROTATED: usize = 1 << 30;

/// Time an op on tensors that no cache holds, beside the memory roof
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Device: cpu
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
    /// How the op is cut into tiles
    #[arg(long, value_name = "S.toml")]
    schedule: Option<PathBuf>,
}

pub fn run(args: &Args, format: Format) -> Answer {
    if args.on != "cpu" {
        return Err(Error::Usage(format!("no device `{}`; this build has `cpu`", args.on)));
    }
    let op = kgen::compile::read(&args.op)?;
    let mut cpu = Cpu::open(args.threads)?;
    if let Some(path) = &args.schedule {
        cpu.schedule = kgen::compile::read_schedule(path, cpu.target)?;
    }
    let module = cpu.load(&op)?;
    let roof = Roof::new(ROTATED).map_err(|e| Error::Unavailable(e.to_string()))?;
    for values in sweep::cases(&sweep::parse_all(&args.set)?) {
        let dims = inputs::dims(&op, &values, &BTreeMap::new())?;
        let tensors = inputs::complete(&op, &dims, &BTreeMap::new(), args.seed)?;
        let expected = inputs::sampled(&op, &dims, &tensors, args.seed)?;
        let bytes: usize = tensors.values().map(|t| t.bytes.len()).sum();
        let copies = ROTATED.div_ceil(bytes.max(1)).clamp(1, 4096);
        let mut sessions = Vec::new();
        for _ in 0..copies {
            sessions.push(cpu.session(&module, &dims, &tensors)?);
        }
        let wrong = |e: kgen_runtime::tensors::Error| Error::Unavailable(e.to_string());
        let mut times = Vec::new();
        let mut roofs = Vec::new();
        warm(cpu.workers());
        for _ in 0..args.reps.max(1) {
            roofs.push(roof.read(cpu.workers()));
            let start = Instant::now();
            for s in &mut sessions {
                s.run(cpu.workers()).map_err(wrong)?;
            }
            times.push(start.elapsed().as_secs_f64() / copies as f64);
        }
        let outputs = sessions[0].outputs().map_err(wrong)?;
        let error_ratio = worst(&expected, &outputs)?;
        let (median, min) = (middle(&mut times), times[0]);
        let roof_value = middle(&mut roofs);
        let moved = bytes + outputs.values().map(|t| t.bytes.len()).sum::<usize>();
        let flops = flops(&op.kind, &dims);
        let gbps = moved as f64 / median / 1e9;
        let share = moved as f64 / median / roof_value;
        match format {
            Format::Text => tell(&format!(
                "{} {:?}: {:.3} ms (best {:.3}), {gbps:.1} GB/s, {:.1} GFLOP/s, {share:.2} of the read roof {:.1} GB/s, \
                 error/bound {error_ratio:.3}",
                op.name,
                dims.scalars,
                median * 1e3,
                min * 1e3,
                flops / median / 1e9,
                roof_value / 1e9
            )),
            Format::Json => {
                let spread = times[times.len() * 3 / 4] - times[times.len() / 4];
                let ci95 = 1.57 * spread / (times.len() as f64).sqrt();
                tell(
                    &serde_json::json!({
                        "op": op.name, "device": args.on, "dims": dims.scalars,
                        "threads": cpu.workers().count(), "median_s": median, "min_s": min, "ci95": ci95,
                        "reps": times.len(), "bytes": moved, "flops": flops, "gbps": gbps,
                        "gflops": flops / median / 1e9, "roof_kind": "dram read", "roof_value": roof_value / 1e9,
                        "roof_share": share, "error_ratio": error_ratio, "verified": error_ratio <= 1.0,
                    })
                    .to_string(),
                );
            }
        }
    }
    Ok(0)
}

fn middle(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

fn worst(
    expected: &BTreeMap<String, kgen_kernels_ref::Output>,
    got: &BTreeMap<String, Tensor>,
) -> Result<f64, Error> {
    let mut worst = 0f64;
    for (name, e) in expected {
        let wrong = |e: String| Error::Unavailable(e);
        let t = got.get(name).ok_or_else(|| wrong(format!("no output `{name}`")))?;
        let c = kgen_kernels_ref::compare(name, e, t).map_err(|e| wrong(e.to_string()))?;
        worst = worst.max(if c.passed() { c.worst_ratio } else { f64::INFINITY });
    }
    Ok(worst)
}

/// Multiply and add are two.
fn flops(kind: &Kind, dims: &Dims) -> f64 {
    let size = |n: &str| dims.scalars.get(n).copied().unwrap_or(1) as f64;
    match kind {
        Kind::Attention(a) => {
            let rows = size("b") * size("m") * a.q.heads as f64;
            2.0 * rows * (a.q.dim + a.kv.v_dim) as f64 * size("n")
        }
        Kind::MpGemm(g) => {
            let n: i64 = g.w.iter().map(|w| w.n).sum();
            2.0 * size("m") * n as f64 * g.k as f64
        }
        Kind::Rows(_) => 0.0,
    }
}
