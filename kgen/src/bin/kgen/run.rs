//! `kgen run`: one op on tensors of files, or of a seed.

use crate::{Answer, Format, tell};
use kgen::{
    Error,
    device::{Cpu, Simulated},
    foreign,
    gpu::Gpu,
    inputs, sweep,
};
use kgen_ir::{op::Op, tensor::Tensor};
use kgen_runtime::module::Module;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

/// Compile an op and run it once
#[derive(clap::Args)]
pub struct Args {
    /// An op file, or the folder of a compiled one
    #[arg(value_name = "OP.toml|DIR")]
    op: PathBuf,
    /// Run the code of a folder, as one runs a program: any, or only the one with this hash
    #[arg(long, value_name = "HASH", num_args = 0..=1)]
    trust: Option<Option<String>>,
    /// Device: cpu, a GPU such as cuda:0, or a simulated one such as sim:sm80
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// Value of a run-time symbol: b=4, 'n=[1000,17]'
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Tensors by name; what is missing is drawn from the seed
    #[arg(long, value_name = "F.safetensors")]
    inputs: Option<PathBuf>,
    /// Where the outputs go
    #[arg(long, value_name = "F.safetensors")]
    outputs: Option<PathBuf>,
    /// A weight of a GGUF or safetensors file: FILE:TENSOR for `w`, NAME=FILE:TENSOR
    #[arg(long, value_name = "FILE:TENSOR")]
    weights: Vec<String>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A target that the device can run; the best one unless said
    #[arg(long, value_name = "T")]
    target: Option<String>,
    /// Worker threads; all cores unless said
    #[arg(long)]
    threads: Option<usize>,
}

pub fn run(args: &Args, format: Format, caching: kgen::compile::Caching) -> Answer {
    let (op, device) = open(args, caching)?;
    let given = given(args, &op)?;
    inputs::known(&op, &given)?;
    let settings = sweep::parse_all(&args.set)?;
    for values in sweep::cases(&settings) {
        let dims = inputs::dims(&op, &values, &given)?;
        let tensors = inputs::complete(&op, &dims, &given, args.seed)?;
        let start = Instant::now();
        let outputs = match &device {
            Opened::Cpu(cpu, module) => cpu.run(module, &dims, &tensors)?,
            Opened::Gpu(gpu, loaded) => gpu.run_loaded(loaded, &dims, &tensors)?,
            Opened::Simulated(sim) => sim.run(&op, &dims, &tensors)?,
        };
        let seconds = start.elapsed().as_secs_f64();
        if let Some(path) = &args.outputs {
            kgen_runtime::files::safetensors::write(path, &outputs)
                .map_err(|e| Error::Input(e.to_string()))?;
        }
        let shown: Vec<_> = dims.scalars.iter().map(|(n, x)| format!("{n}={x}")).collect();
        match format {
            Format::Text => {
                for (name, t) in &outputs {
                    let line = format!(
                        "{} {}: {name} {} {:?} blake3 {}",
                        op.name,
                        shown.join(" "),
                        t.dtype,
                        t.shape,
                        digest(t)
                    );
                    tell(&line);
                }
            }
            Format::Json => {
                let list: BTreeMap<_, _> = outputs
                    .iter()
                    .map(|(n, t)| {
                        let v = serde_json::json!({ "shape": t.shape, "dtype": t.dtype.name(), "digest": digest(t) });
                        (n.clone(), v)
                    })
                    .collect();
                let line = serde_json::json!({
                    "op": op.name, "device": args.on, "dims": dims.scalars, "seconds": seconds, "outputs": list,
                });
                tell(&line.to_string());
            }
        }
        eprintln!("{:.3} ms, weights packed within", seconds * 1e3);
    }
    Ok(0)
}

/// A device with the code on it.
enum Opened {
    Cpu(Box<Cpu>, Arc<Module>),
    Gpu(Box<Gpu>, (Arc<Module>, usize)),
    Simulated(Box<Simulated>),
}

fn open(args: &Args, caching: kgen::compile::Caching) -> Result<(Op, Opened), Error> {
    let trust = args.trust.as_ref().map(|hash| hash.as_deref());
    let folder = args.op.is_dir();
    if args.trust.is_some() && !folder {
        return Err(Error::Usage("--trust is for the folder of an artifact".into()));
    }
    if args.on.starts_with("cuda") {
        let mut gpu = Gpu::open(&args.on, args.target.as_deref())?;
        gpu.cache = kgen::compile::open_cache(caching)?;
        let (op, loaded) = if folder {
            let (op, artifact) = foreign::read(&args.op, trust)?;
            (op, gpu.load_artifact(&artifact)?)
        } else {
            let op = kgen::compile::read(&args.op)?;
            let loaded = gpu.load(&op)?;
            (op, loaded)
        };
        return Ok((op, Opened::Gpu(Box::new(gpu), loaded)));
    }
    if args.on.starts_with("sim:") && !folder {
        let sim = Simulated::open(&args.on)?;
        return Ok((kgen::compile::read(&args.op)?, Opened::Simulated(Box::new(sim))));
    }
    if args.on != "cpu" {
        let has = "`cpu`, `cuda:N`, and `sim:TARGET` for op files";
        return Err(crate::no_device(&args.on, has));
    }
    let mut cpu = Cpu::open(args.threads)?.with_target(args.target.as_deref())?;
    let (op, module) = if folder {
        foreign::load(&args.op, trust)?
    } else {
        let op = kgen::compile::read(&args.op)?;
        cpu.cache = kgen::compile::open_cache(caching)?;
        let module = cpu.load(&op)?;
        (op, module)
    };
    Ok((op, Opened::Cpu(Box::new(cpu), module)))
}

fn digest(t: &Tensor) -> String {
    blake3::hash(&t.bytes).to_hex()[..16].to_string()
}

/// What the files give.
fn given(args: &Args, op: &Op) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut out = BTreeMap::new();
    if let Some(path) = &args.inputs {
        out = kgen_runtime::files::safetensors::read(path)
            .map_err(|e| Error::Input(e.to_string()))?;
    }
    for text in &args.weights {
        let (name, rest) = text.split_once('=').unwrap_or(("w", text));
        let Some((file, tensor)) = rest.rsplit_once(':') else {
            return Err(Error::Usage(format!(
                "--weights {text}: expected FILE:TENSOR or NAME=FILE:TENSOR"
            )));
        };
        if std::path::Path::new(file).extension().is_some_and(|e| e == "safetensors") {
            out.extend(inputs::from_safetensors(op, name, file.as_ref(), tensor)?);
            continue;
        }
        out.insert(name.into(), inputs::from_gguf(op, name, file.as_ref(), tensor)?);
    }
    Ok(out)
}
