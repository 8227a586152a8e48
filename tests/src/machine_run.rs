//! Runs every machine kernel of a compiled op in the checked memory of the interpreter, launched as a plan would.
//!
//! ```text
//! let compiled = kgen::compile::compile(&op, target, &schedule)?;
//! let ran = machine_run::run(&compiled, &dims, &inputs)?;    // dims.cores workers
//! assert_eq!((ran.variant.as_str(), &ran.outputs["o"]), ("short", &expected));
//! ```

use kgen::compile::Compiled;
use kgen_ir::{
    artifact::text,
    extent::{Dims, Extent},
    machine::{
        Kernel, REPORT, REPORT_LANES, Slot,
        interp::{self, Memory},
    },
    tensor::Tensor,
    tile::{self, Arg, Param, Part, Role, Store},
};
use std::collections::BTreeMap;

/// Bytes of a task counter.
const COUNTER: usize = 8;

/// What nobody has written reads as NaN, or as an absurd code.
const POISON: u8 = 0xff;

pub struct Ran {
    /// Name of the variant chosen.
    pub variant: String,
    pub outputs: BTreeMap<String, Tensor>,
}

/// A tensor in the interpreter's memory.
#[derive(Clone, Default)]
struct Placed {
    address: u64,
    /// Address behind the last byte.
    end: u64,
    /// In bytes.
    strides: Vec<usize>,
}

/// Who runs a kernel: its argument array, memory and how many workers.
pub type Engine<'a> = &'a mut dyn FnMut(&Kernel, &[u64], &mut Memory, usize) -> Result<(), String>;

/// Runs all launches of the first variant whose predicates hold.
pub fn run(
    compiled: &Compiled,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
) -> Result<Ran, String> {
    run_by(compiled, dims, inputs, &mut |kernel, slots, memory, workers| {
        interp::run(kernel, slots, memory, workers).map_err(said)
    })
}

/// The same by another engine than the interpreter.
pub fn run_by(
    compiled: &Compiled,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    engine: Engine<'_>,
) -> Result<Ran, String> {
    let program = &compiled.program;
    let mut memory = Memory::default();
    let mut placed: BTreeMap<String, Placed> = BTreeMap::new();
    for t in program.params.iter().filter(|t| t.store == Store::Strided) {
        let (shape, strides, bytes) = dense(t, dims)?;
        let content = match (t.role, inputs.get(&t.name)) {
            (Role::Out, None) => vec![POISON; bytes],
            (_, Some(given)) if given.shape == shape && given.dtype == t.elem => {
                given.bytes.clone()
            }
            (_, given) => {
                let found = given.map(|g| (&g.shape, g.dtype));
                return Err(format!("`{}` is {shape:?} {}, not {found:?}", t.name, t.elem));
            }
        };
        let address = memory.add(content);
        placed.insert(t.name.clone(), Placed { address, end: address + bytes as u64, strides });
    }
    for p in &program.prepares {
        for (name, address, end) in prepare(compiled, p, inputs, &mut memory)? {
            placed.insert(name, Placed { address, end, strides: Vec::new() });
        }
    }
    let symbol = |name: &str| {
        let stride = || {
            let (tensor, dim) = name.rsplit_once(".stride")?;
            let bytes = *placed.get(tensor)?.strides.get(dim.parse::<usize>().ok()?)?;
            let elem = program.params.iter().find(|t| t.name == tensor)?.elem.bytes()?;
            i64::try_from(bytes / elem).ok()
        };
        dims.scalars.get(name).copied().or_else(stride)
    };
    let value = |e: &Extent| e.eval_with(&symbol, dims);
    let mut variant = None;
    for v in &program.variants {
        let mut all = true;
        for p in &v.when {
            all &= p.cmp.holds(value(&p.left).map_err(said)?, value(&p.right).map_err(said)?);
        }
        if all {
            variant = Some(v);
            break;
        }
    }
    let variant = variant.ok_or("no variant serves these sizes")?;
    let mut buffers = BTreeMap::new();
    let used = |name: &str| {
        let named = |a: &Arg| matches!(a, Arg::Tensor(n) if n == name);
        variant.launches.iter().any(|l| l.args.iter().any(named))
    };
    for t in program.buffers.iter().filter(|t| used(&t.name)) {
        let (_, strides, bytes) = dense(t, dims)?;
        let address = memory.add(vec![POISON; bytes]);
        buffers.insert(t.name.clone(), Placed { address, end: address + bytes as u64, strides });
    }
    let cores = usize::try_from(dims.cores).map_err(said)?;
    for launch in &variant.launches {
        let entry = compiled.artifact.manifest.kernels.iter().find(|k| k.name == launch.kernel);
        let kernel = compiled.kernels.iter().find(|k| k.name == launch.kernel);
        let (Some(entry), Some(kernel)) = (entry, kernel) else {
            return Err(format!("there is no kernel `{}`", launch.kernel));
        };
        let mut tensors = BTreeMap::new();
        let mut scalars = BTreeMap::new();
        for (param, arg) in entry.params.iter().zip(&launch.args) {
            match (param, arg) {
                (Param::Tensor(t), Arg::Tensor(name)) => {
                    let found = placed.get(name).or_else(|| buffers.get(name));
                    let found = found.ok_or_else(|| format!("there is no tensor `{name}`"))?;
                    tensors.insert(t.name.as_str(), found);
                }
                (Param::Scalar(name), Arg::Scalar(e)) => {
                    scalars.insert(name.as_str(), value(e).map_err(said)?);
                }
                (Param::Tensor(_), Arg::Scalar(_)) | (Param::Scalar(_), Arg::Tensor(_)) => {
                    return Err(format!("the launch of `{}` mixes up arguments", launch.kernel));
                }
            }
        }
        let counters: Vec<u64> =
            (0..entry.counters).map(|_| memory.add(vec![0; COUNTER])).collect();
        let scratch = memory.add(vec![POISON; kernel.scratch * cores]);
        let report = memory.add(vec![0; REPORT * cores]);
        let tensor = |name: &str| {
            tensors.get(name).ok_or_else(|| format!("kernel `{}` has no `{name}`", kernel.name))
        };
        let mut slots = Vec::new();
        for slot in &kernel.slots {
            slots.push(match slot {
                Slot::Pointer(name) => tensor(name)?.address,
                Slot::Stride(name, dim) => {
                    let strides = &tensor(name)?.strides;
                    *strides.get(*dim).ok_or_else(|| format!("`{name}` has no stride {dim}"))?
                        as u64
                }
                Slot::Extent(e) => {
                    let lookup = |name: &str| scalars.get(name).copied().or_else(|| symbol(name));
                    e.eval_with(&lookup, dims).map_err(said)? as u64
                }
                Slot::Counter(i) => {
                    *counters.get(*i).ok_or_else(|| format!("there is no counter {i}"))?
                }
                Slot::Scratch => scratch,
                Slot::End(name) => tensor(name)?.end,
                Slot::Report => report,
            });
        }
        engine(kernel, &slots, &mut memory, cores)?;
        // Memory that checks every access has nothing to say of kernels that check them first.
        let told = memory.region(report).unwrap_or(&[]).chunks(REPORT).find(|r| r[0] != 0);
        if let Some(told) = told {
            return Err(format!("kernel `{}` reports {:?}", kernel.name, &told[..REPORT_LANES]));
        }
    }
    let mut outputs = BTreeMap::new();
    for t in program.params.iter().filter(|t| t.role == Role::Out) {
        let (shape, _, _) = dense(t, dims)?;
        let region = placed.get(&t.name).and_then(|p| memory.region(p.address));
        let bytes = region.ok_or_else(|| format!("`{}` has no memory", t.name))?.to_vec();
        outputs.insert(t.name.clone(), Tensor { dtype: t.elem, shape, bytes });
    }
    Ok(Ran { variant: variant.name.clone(), outputs })
}

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

/// Shape, byte strides and bytes of a tensor laid row-major.
fn dense(t: &tile::Tensor, dims: &Dims) -> Result<(Vec<usize>, Vec<usize>, usize), String> {
    let size = |e: &Extent| usize::try_from(e.eval(dims).map_err(said)?).map_err(said);
    let shape = t.shape.iter().map(size).collect::<Result<Vec<_>, String>>()?;
    let elem = t.elem.bytes().ok_or_else(|| format!("`{}` has no whole bytes", t.name))?;
    let strides = (1..=shape.len()).map(|d| shape[d..].iter().product::<usize>() * elem).collect();
    let bytes = shape.iter().product::<usize>() * elem;
    Ok((shape, strides, bytes))
}

/// Packs a weight and gives the names of its parts, where they begin, and where the whole ends.
fn prepare(
    compiled: &Compiled,
    step: &tile::Prepare,
    inputs: &BTreeMap<String, Tensor>,
    memory: &mut Memory,
) -> Result<Vec<(String, u64, u64)>, String> {
    let packed = step.pack(&compiled.program.params, &|name| inputs.get(name)).map_err(said)?;
    let bytes = packed.len() as u64;
    let base = memory.add(packed);
    let sizes = step.sizes(&compiled.program.params, &Dims::default());
    let sizes = sizes.ok_or_else(|| format!("`{}` has no size", step.name))?;
    // Parts that a packing does not have are not asked for.
    let parts = Part::ALL.into_iter().filter_map(|p| Some((p, step.part(p, sizes).ok()? as u64)));
    let named = |(p, at)| (format!("{}.{}", step.name, text::part(p)), base + at, base + bytes);
    Ok(parts.map(named).collect())
}
