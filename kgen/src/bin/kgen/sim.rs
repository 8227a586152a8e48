//! `kgen sim`: any PTX, run and sanitised without a GPU.

use crate::{Answer, Format, tell};
use clap::ValueEnum;
use kgen::Error;
use kgen_ir::{artifact::Block, diag::Unsupported, dtype::Dtype, tensor::Tensor};

use kgen_runtime::{
    driver::{
        Device, DriverError,
        cuda::{Cuda, Image},
    },
    files::safetensors,
};
use kgen_sim::ptx::{self, Arg, Check, Entry, Launch, Memory, Module, Order, Report};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};

/// Run a PTX kernel in the simulator, every access checked
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "FILE.ptx")]
    file: PathBuf,
    /// The kernel; needed where the file has several
    #[arg(long, value_name = "NAME")]
    entry: Option<String>,
    /// Refuses texts for later chips; the text's own target unless said
    #[arg(long, value_name = "smNN")]
    target: Option<String>,
    /// Blocks: X or X,Y,Z
    #[arg(long, value_parser = three, default_value = "1", value_name = "X,Y,Z")]
    grid: [u32; 3],
    /// Threads of a block: N or N,Y,Z; what the text requires unless said
    #[arg(long, value_parser = three, value_name = "N,Y,Z")]
    block: Option<[u32; 3]>,
    /// Bytes of dynamic shared memory
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    shared: u32,
    /// buf:NAME[+BYTES], f32:X, f64:X, i32:X, i64:X, u32:X, u64:X, in the order of the parameters
    #[arg(long = "arg", value_name = "KIND:VALUE", allow_hyphen_values = true)]
    args: Vec<String>,
    /// A buffer that starts unwritten: NAME=f32[4,64]
    #[arg(long, value_name = "NAME=TYPE[N,..]")]
    buffer: Vec<String>,
    /// Tensors that buffers start with
    #[arg(long, value_name = "F.safetensors")]
    inputs: Option<PathBuf>,
    /// Where all buffers go in the end
    #[arg(long, value_name = "F.safetensors")]
    outputs: Option<PathBuf>,
    /// full: races and costs also; fast: bounds, alignment, unwritten bytes, waits
    #[arg(long, value_enum, default_value_t = Checks::Full)]
    check: Checks,
    /// When asynchronous work is done
    #[arg(long, value_enum, default_value_t = Orders::Latest)]
    order: Orders,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run it on a GPU instead, such as cuda:0, which checks nothing
    #[arg(long, value_name = "DEVICE")]
    on: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Checks {
    Full,
    Fast,
}

#[derive(Clone, Copy, ValueEnum)]
enum Orders {
    Latest,
    Earliest,
    Random,
}

fn three(text: &str) -> Result<[u32; 3], String> {
    let mut out = [1; 3];
    let parts: Vec<_> = text.split(',').collect();
    if parts.len() > 3 {
        return Err("one to three numbers".into());
    }
    for (to, part) in out.iter_mut().zip(parts) {
        *to = part.trim().parse().map_err(|_| format!("`{part}` is no number"))?;
    }
    Ok(out)
}

pub fn run(args: &Args, format: Format) -> Answer {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|source| Error::File { path: args.file.display().to_string(), source })?;
    let path = args.file.display();
    let module = Module::parse(&text).map_err(|error| match error {
        ptx::Error::Unsupported { line, column, message } => Error::Unsupported(Unsupported {
            what: format!("{path}:{line}:{column}: {message}"),
            target: "the PTX simulator".into(),
            instead: "a form that it knows, or a device".into(),
        }),
        error @ (ptx::Error::Text { .. } | ptx::Error::Launch(_)) => {
            Error::Input(format!("{path}:{error}"))
        }
    })?;
    target(args, &module)?;
    let entry = entry(args, &module)?;
    let mut tensors = buffers(args)?;
    if let Some(device) = &args.on {
        let block = args.block.or(module.required_threads(entry)).unwrap_or([32, 1, 1]);
        return on_gpu(args, device, (&text, entry_name(args, &module)), block, tensors, format);
    }
    let mut memory = Memory::default();
    let mut places = BTreeMap::new();
    for (name, (tensor, written)) in &mut tensors {
        let bytes = std::mem::take(&mut tensor.bytes);
        places.insert(name.clone(), memory.add(name, bytes, *written));
    }
    let values: Vec<Arg> =
        args.args.iter().map(|a| argument(a, &places)).collect::<Result<_, _>>()?;
    let launch = Launch {
        grid: args.grid,
        block: args.block.or(module.required_threads(entry)).unwrap_or([32, 1, 1]),
        shared: args.shared,
        order: match args.order {
            Orders::Latest => Order::Latest,
            Orders::Earliest => Order::Earliest,
            Orders::Random => Order::Random,
        },
        seed: args.seed,
        check: match args.check {
            Checks::Full => Check::Full,
            Checks::Fast => Check::Fast,
        },
        ..Launch::default()
    };
    let start = Instant::now();
    let report = ptx::run(&module, entry, &launch, &values, &mut memory)
        .map_err(|e| Error::Usage(e.to_string()))?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = &args.outputs {
        let mut outputs = BTreeMap::new();
        for (name, (mut tensor, _)) in tensors {
            tensor.bytes = memory.bytes(places[&name]).to_vec();
            outputs.insert(name, tensor);
        }
        safetensors::write(path, &outputs).map_err(|e| Error::Input(e.to_string()))?;
    }
    show(&report, seconds, format);
    Ok(u8::from(!report.findings.is_empty()))
}

/// The same launch on a GPU.
fn on_gpu(
    args: &Args,
    device: &str,
    (text, entry): (&str, &str),
    block: [u32; 3],
    mut tensors: BTreeMap<String, (Tensor, bool)>,
    format: Format,
) -> Answer {
    let number = device.strip_prefix("cuda:").and_then(|n| n.parse().ok());
    let number = number.ok_or_else(|| crate::no_device(device, "`cuda:N` for PTX"))?;
    let wrong = |e: DriverError| Error::Unavailable(e.to_string());
    let mut gpu = Cuda::open(number).map_err(wrong)?;
    let threads = block.iter().map(|n| *n as usize).product();
    let shared = args.shared as usize;
    let loaded = gpu.module(Image::Ptx(text)).map_err(wrong)?;
    let kernel = gpu.kernel(loaded, entry, Block { threads, workers: 1, shared }).map_err(wrong)?;
    let (mut indices, mut addresses) = (BTreeMap::new(), Vec::new());
    for (name, (tensor, known)) in &tensors {
        indices.insert(name.clone(), addresses.len());
        // What starts unwritten is not written, for tools that look for that.
        let address = match known {
            true => gpu.put(name, &tensor.bytes, true),
            false => gpu.reserve(name, tensor.bytes.len()),
        };
        addresses.push(address.map_err(wrong)?);
    }
    let mut words = Vec::new();
    for text in &args.args {
        words.push(match argument(text, &indices)? {
            Arg::Buffer(index, offset) => addresses[index].wrapping_add(offset),
            Arg::Bytes(bytes) => {
                let mut word = [0; 8];
                word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
                u64::from_le_bytes(word)
            }
        });
    }
    let seconds = gpu
        .time(|gpu| gpu.launch_as(kernel, args.grid, block, args.shared, &words))
        .map_err(wrong)?;
    for ((tensor, _), address) in tensors.values_mut().zip(&addresses) {
        gpu.get(*address, &mut tensor.bytes).map_err(wrong)?;
    }
    let damage = gpu.damage().map_err(wrong)?;
    if let Some(path) = &args.outputs {
        let outputs = tensors.into_iter().map(|(name, (t, _))| (name, t)).collect();
        safetensors::write(path, &outputs).map_err(|e| Error::Input(e.to_string()))?;
    }
    let used = gpu.used(kernel).map_or((0, 0, 0), |u| (u.registers, u.local, u.blocks));
    let (registers, local, blocks) = used;
    match format {
        Format::Text => tell(&format!(
            "{:.3} ms, {registers} registers, {local} bytes of local memory, {blocks} blocks of a multiprocessor",
            seconds * 1e3
        )),
        Format::Json => {
            let line = serde_json::json!({
                "device": device, "seconds": seconds, "registers": registers, "local": local, "blocks": blocks,
                "damage": damage.as_ref().map(|(name, place)| serde_json::json!([name, place])),
            });
            tell(&line.to_string());
        }
    }
    if let Some((name, place)) = &damage {
        eprintln!("the kernel wrote outside of `{name}`, at byte {place}");
    }
    Ok(u8::from(damage.is_some()))
}

/// `sm80` runs texts for sm_80 and below.
fn target(args: &Args, module: &Module) -> Result<(), Error> {
    let chip = |name: &str| {
        let digits = name.trim_start_matches("sm").trim_start_matches('_');
        digits.trim_end_matches(char::is_alphabetic).parse::<u32>().ok()
    };
    let Some(name) = &args.target else { return Ok(()) };
    let Some(ours) = chip(name) else {
        return Err(Error::Usage(format!("`{name}` is no target like sm80")));
    };
    match chip(module.target()) {
        Some(its) if its > ours => Err(Error::Unsupported(Unsupported {
            what: format!("a text for {}", module.target()),
            target: name.clone(),
            instead: format!("--target sm{its}"),
        })),
        Some(_) | None => Ok(()),
    }
}

/// The name of what [`entry`] finds.
fn entry_name<'a>(args: &'a Args, module: &'a Module) -> &'a str {
    args.entry.as_deref().or(module.entries().next()).unwrap_or_default()
}

fn entry(args: &Args, module: &Module) -> Result<Entry, Error> {
    let names: Vec<&str> = module.entries().collect();
    let chosen = match (&args.entry, &names[..]) {
        (Some(name), _) => module.entry(name),
        (None, [one]) => module.entry(one),
        (None, _) => None,
    };
    chosen.ok_or_else(|| {
        Error::Usage(format!("--entry names a kernel of the file: {}", names.join(", ")))
    })
}

/// All buffers by name, and whether they hold something.
fn buffers(args: &Args) -> Result<BTreeMap<String, (Tensor, bool)>, Error> {
    let mut out = BTreeMap::new();
    if let Some(path) = &args.inputs {
        let read = safetensors::read(path).map_err(|e| Error::Input(e.to_string()))?;
        out.extend(read.into_iter().map(|(name, t)| (name, (t, true))));
    }
    for text in &args.buffer {
        let bad = || Error::Usage(format!("--buffer {text}: expected NAME=TYPE[N,..]"));
        let (name, rest) = text.split_once('=').ok_or_else(bad)?;
        let (kind, shape) =
            rest.strip_suffix(']').and_then(|r| r.split_once('[')).ok_or_else(bad)?;
        let dtype = Dtype::parse(kind).filter(|d| d.bytes().is_some()).ok_or_else(bad)?;
        let shape: Vec<usize> = shape
            .split(',')
            .map(|n| n.trim().parse().map_err(|_| bad()))
            .collect::<Result<_, _>>()?;
        let count = shape.iter().try_fold(16usize, |n, s| n.checked_mul(*s));
        if count.is_none_or(|n| n > 1 << 36) {
            return Err(bad());
        }
        out.insert(name.into(), (Tensor::zeros(dtype, &shape), false));
    }
    Ok(out)
}

fn argument(text: &str, places: &BTreeMap<String, usize>) -> Result<Arg, Error> {
    let bad = |why: &str| Error::Usage(format!("--arg {text}: {why}"));
    let Some((kind, value)) = text.split_once(':') else {
        return Err(bad("expected KIND:VALUE, as in buf:q or i32:512"));
    };
    let number = |_| bad("no number of this type");
    let float = |_| bad("no number of this type");
    Ok(Arg::Bytes(match kind {
        "buf" => {
            let (name, offset) = value.split_once('+').unwrap_or((value, "0"));
            let Some(index) = places.get(name) else {
                return Err(bad("no such buffer; --inputs and --buffer make them"));
            };
            let offset = offset.parse().map_err(number)?;
            return Ok(Arg::Buffer(*index, offset));
        }
        "tmap" => {
            return Err(Error::Unsupported(Unsupported {
                what: "tensor maps as arguments".into(),
                target: "the PTX simulator".into(),
                instead: "kernels with cp.async or plain cp.async.bulk".into(),
            }));
        }
        "f32" => value.parse::<f32>().map_err(float)?.to_le_bytes().to_vec(),
        "f64" => value.parse::<f64>().map_err(float)?.to_le_bytes().to_vec(),
        "i32" => value.parse::<i32>().map_err(number)?.to_le_bytes().to_vec(),
        "i64" => value.parse::<i64>().map_err(number)?.to_le_bytes().to_vec(),
        "u32" => value.parse::<u32>().map_err(number)?.to_le_bytes().to_vec(),
        "u64" => value.parse::<u64>().map_err(number)?.to_le_bytes().to_vec(),
        _ => return Err(bad("the kinds are buf, f32, f64, i32, i64, u32, u64")),
    }))
}

fn show(report: &Report, seconds: f64, format: Format) {
    let statistics = &report.statistics;
    match format {
        Format::Text => {
            report.findings.iter().for_each(|f| tell(&f.to_string()));
            for (line, cost) in &statistics.lines {
                let shared = match cost.wavefronts {
                    0 => String::new(),
                    n => format!(" wavefronts {n} of {} needed", cost.ideal_wavefronts),
                };
                let global = match cost.sectors {
                    0 => String::new(),
                    n => format!(" sectors {n} of {} needed", cost.ideal_sectors),
                };
                tell(&format!("line {line}:{shared}{global}: {}", cost.instruction));
            }
            tell(&format!(
                "{} findings, {} instructions of {} blocks, {} conflicts, sector efficiency {:.3}",
                report.findings.len(),
                statistics.instructions,
                statistics.blocks,
                statistics.conflicts(),
                statistics.sector_efficiency(),
            ));
        }
        Format::Json => {
            for f in &report.findings {
                let line = serde_json::json!({
                    "finding": f.kind.name(), "line": f.line, "instruction": f.instruction, "block": f.block,
                    "warp": f.warp, "lane": f.lane, "address": f.address, "buffer": f.buffer,
                    "offset": f.offset, "message": f.message, "count": f.count,
                });
                tell(&line.to_string());
            }
            for (line, cost) in &statistics.lines {
                let line = serde_json::json!({
                    "line": line, "instruction": cost.instruction, "executed": cost.executed,
                    "wavefronts": cost.wavefronts, "ideal_wavefronts": cost.ideal_wavefronts,
                    "sectors": cost.sectors, "ideal_sectors": cost.ideal_sectors,
                });
                tell(&line.to_string());
            }
            let line = serde_json::json!({
                "findings": report.findings.len(), "instructions": statistics.instructions,
                "blocks": statistics.blocks, "conflicts": statistics.conflicts(),
                "sector_efficiency": statistics.sector_efficiency(), "seconds": seconds,
            });
            tell(&line.to_string());
        }
    }
    let rate = statistics.instructions as f64 / seconds / 1e6;
    eprintln!("{:.3} ms, {rate:.1} million instructions of warps a second", seconds * 1e3);
}
