//! Inputs of an op: from files, the rest drawn from a seed.

use crate::{Error, sweep, verify};
use kgen_ir::{
    diag::did_you_mean,
    dtype::Dtype,
    extent::{Dims, Extent},
    format::Format,
    op::{
        Kind, Op, Storage, indices,
        tensors::{Role, TensorSpec},
    },
    tensor::Tensor,
};
use std::{collections::BTreeMap, path::Path};

/// The sizes of a call: those set, those that given tensors tell, those that follow from them (pages of a cache for its
/// lengths), 1 for the rest. Lists have one size for each of what they go over.
pub fn dims(
    op: &Op,
    set: &[(String, sweep::Value)],
    given: &BTreeMap<String, Tensor>,
) -> Result<Dims, Error> {
    let all = told(op, set, given)?;
    for s in op.symbols() {
        let Some(over) = &s.ragged else { continue };
        let name = &s.name;
        let Some(list) = all.ragged.get(name) else {
            let each =
                format!("give a list with one size for each of `{over}`, such as {name}=[1,17]");
            return Err(Error::Usage(format!("symbol `{name}` has no value: {each}")));
        };
        let (found, count) = (list.len(), verify::count(op, over, &all));
        if count != found {
            let wrong = format!("`{name}` lists {found} sizes, but `{over}` is {count}");
            return Err(Error::Usage(wrong));
        }
    }
    Ok(all)
}

/// As [`dims`], but lists may be missing.
pub fn told(
    op: &Op,
    set: &[(String, sweep::Value)],
    given: &BTreeMap<String, Tensor>,
) -> Result<Dims, Error> {
    let mut dims = Dims { cores: kgen_runtime::device::cores() as i64, ..Dims::default() };
    let symbols = op.symbols();
    for (name, value) in set {
        if !symbols.iter().any(|s| s.name == *name) {
            let list: Vec<_> = symbols.iter().map(|s| s.name.as_str()).collect();
            return Err(Error::Usage(format!(
                "{} has no symbol `{name}`; it has {}",
                op.name,
                list.join(", ")
            )));
        }
        match value {
            sweep::Value::One(x) => {
                dims.scalars.insert(name.clone(), *x);
            }
            sweep::Value::Ragged(list) => {
                dims.ragged.insert(name.clone(), list.clone());
            }
        }
    }
    for spec in op.tensors() {
        let Some(tensor) = given.get(&spec.name) else { continue };
        for (extent, size) in spec.stored_shape().iter().zip(&tensor.shape) {
            if let Extent::Sym(s) = extent {
                let size = *size as i64;
                if *dims.scalars.entry(s.clone()).or_insert(size) != size {
                    let known = dims.scalars[s];
                    return Err(Error::Input(format!(
                        "`{}` says {s} = {size}, but it is {known}",
                        spec.name
                    )));
                }
            }
        }
    }
    // A list tells how many there are of what it goes over.
    for s in &symbols {
        if let (Some(over), Some(list)) = (&s.ragged, dims.ragged.get(&s.name))
            && symbols.iter().any(|s| s.name == *over)
        {
            dims.scalars.entry(over.clone()).or_insert(list.len() as i64);
        }
    }
    Ok(verify::sizes_of(op, &dims))
}

/// That an op has every tensor that a file gives: one that is spelt otherwise would be drawn unseen.
pub fn known(op: &Op, given: &BTreeMap<String, Tensor>) -> Result<(), Error> {
    let all = op.tensors();
    for name in given.keys() {
        let what = match all.iter().find(|t| t.name == *name) {
            Some(t) if t.role == Role::In || t.kept => continue,
            Some(_) => "is an output of it",
            None => "is none of its tensors",
        };
        let inputs = || all.iter().filter(|t| t.role == Role::In || t.kept).map(|t| &*t.name);
        let help = match did_you_mean(name, inputs()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its inputs are {}", inputs().collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::Input(format!("{}: `{name}` {what}; {help}", op.name)));
    }
    Ok(())
}

/// All inputs: those given, checked, and random ones.
pub fn complete(
    op: &Op,
    dims: &Dims,
    given: &BTreeMap<String, Tensor>,
    seed: u64,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut out = BTreeMap::new();
    // Codes, indices and page tables, as cases of `verify` have them; drawn only where one is asked for.
    let mut drawn = None;
    for spec in op.tensors().into_iter().filter(|t| t.role == Role::In || t.kept) {
        let mut shape = Vec::new();
        for e in spec.stored_shape() {
            let size =
                e.eval(dims).map_err(|e| Error::Usage(format!("size of `{}`: {e}", spec.name)))?;
            let size = usize::try_from(size).map_err(|_| {
                Error::Usage(format!("`{}` would have {size} elements in a dimension", spec.name))
            })?;
            shape.push(size);
        }
        let tensor = match given.get(&spec.name) {
            // Codes of 8 bits are bytes, with or without sign.
            Some(t)
                if matches!(t.dtype, Dtype::I8 | Dtype::U8)
                    && matches!(spec.dtype, Dtype::I8 | Dtype::U8)
                    && matches!(spec.storage, Storage::Codes(_))
                    && t.shape == shape =>
            {
                Tensor { dtype: spec.dtype, ..t.clone() }
            }
            Some(t) if t.dtype != spec.dtype || t.shape != shape => {
                return Err(Error::Input(format!(
                    "`{}` is {} {:?}, the op asks for {} {shape:?}",
                    spec.name, t.dtype, t.shape, spec.dtype
                )));
            }
            Some(t) => t.clone(),
            None => match random(&spec, &shape, seed) {
                Some(t) => t,
                None => {
                    if drawn.is_none() {
                        drawn = Some(verify::example(op, dims, "normal", seed));
                    }
                    let made = match &drawn {
                        Some(Ok(example)) => example.inputs.get(&spec.name).cloned(),
                        Some(Err(_)) | None => None,
                    };
                    let made = made.filter(|t| t.dtype == spec.dtype && t.shape == shape);
                    made.ok_or_else(|| {
                        Error::Input(format!("`{}` must be given by --inputs", spec.name))
                    })?
                }
            },
        };
        out.insert(spec.name, tensor);
    }
    if let Kind::Rows(rows) = &op.kind {
        indices::check(rows, dims, &out).map_err(|e| Error::Input(e.to_string()))?;
    }
    Ok(out)
}

/// Normal-like floats; blocks with small finite scales; `None` for what follows rules.
fn random(spec: &TensorSpec, shape: &[usize], seed: u64) -> Option<Tensor> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    for b in spec.name.bytes() {
        state = (state ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    // The sum of four uniform numbers, of variance 1.
    let mut normal = || {
        let sum: f64 = (0..4).map(|_| (next() >> 11) as f64 / (1u64 << 53) as f64).sum();
        (sum - 2.0) * 3f64.sqrt()
    };
    let count: usize = shape.iter().product();
    match &spec.storage {
        Storage::Plain(dtype) if dtype.is_float() && !spec.name.ends_with(".scale") => {
            let values: Vec<f64> = (0..count).map(|_| normal()).collect();
            Some(Tensor::from_f64(*dtype, shape, &values))
        }
        Storage::Block(format) => Some(Tensor {
            dtype: Dtype::U8,
            shape: shape.to_vec(),
            bytes: blocks(format, count, &mut normal),
        }),
        Storage::Plain(_) | Storage::Codes(_) => None,
    }
}

/// Valid blocks: encoded where the format can be, else random codes under scales of one.
fn blocks(format: &'static Format, bytes: usize, normal: &mut dyn FnMut() -> f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    for _ in 0..bytes / format.bytes {
        let values: Vec<f32> = (0..format.block).map(|_| normal() as f32 * 0.05).collect();
        match format.encode(&values) {
            Ok(block) => out.extend(block),
            // Every byte small: factors are finite numbers near zero, whatever their places.
            Err(_) => out.extend((0..format.bytes).map(|_| (normal().abs() * 16.0) as u8 & 0x3b)),
        }
    }
    out
}

/// The tensors of a weight in a safetensors file: of `w`, what the file calls `PREFIX` or `PREFIX.weight`; of `w.codes`,
/// `PREFIX.codes`.
pub fn from_safetensors(
    op: &Op,
    name: &str,
    file: &Path,
    prefix: &str,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let wrong = |e: String| Error::Input(format!("{}: {e}", file.display()));
    let all =
        kgen_runtime::files::safetensors::read(file).map_err(|e| Error::Input(e.to_string()))?;
    let mut out = BTreeMap::new();
    for spec in op.tensors() {
        let wanted = match spec.name.strip_prefix(name) {
            Some("") => [prefix.to_string(), format!("{prefix}.weight")],
            Some(part) if part.starts_with('.') => [format!("{prefix}{part}"), String::new()],
            Some(_) | None => continue,
        };
        let found = wanted.iter().find_map(|w| all.get(w)).ok_or_else(|| {
            let near = kgen_ir::diag::did_you_mean(&wanted[0], all.keys().map(String::as_str));
            let near = near.map_or(String::new(), |n| format!("; did you mean `{n}`?"));
            wrong(format!("there is no tensor `{}`{near}", wanted[0]))
        })?;
        out.insert(spec.name, found.clone());
    }
    if out.is_empty() {
        return Err(Error::Usage(format!("{} has no tensor `{name}`", op.name)));
    }
    Ok(out)
}

/// A weight of a GGUF file, as the op stores it.
pub fn from_gguf(op: &Op, name: &str, file: &Path, tensor: &str) -> Result<Tensor, Error> {
    let wrong = |e: String| Error::Input(format!("{}: {e}", file.display()));
    let specs = op.tensors();
    let spec = specs
        .iter()
        .find(|t| t.name == name)
        .ok_or_else(|| Error::Usage(format!("{} has no tensor `{name}`", op.name)))?;
    let gguf = kgen_runtime::files::gguf::Gguf::open(file).map_err(|e| wrong(e.to_string()))?;
    let info = gguf.tensor(tensor).map_err(|e| wrong(e.to_string()))?;
    let (wanted, dtype) = match &spec.storage {
        Storage::Block(f) => (f.name, Dtype::U8),
        Storage::Plain(d) => (d.name(), *d),
        Storage::Codes(_) => {
            return Err(wrong(format!("`{name}` is not stored in a format of GGUF")));
        }
    };
    let found = info.format.map_or("an unknown type", |f| f.name);
    if found != wanted {
        return Err(wrong(format!("`{tensor}` is {found}, the op asks for {wanted}")));
    }
    let mut shape = Vec::new();
    for e in spec.stored_shape() {
        shape.push(e.as_lit().unwrap_or(-1) as usize);
    }
    let bytes = info.bytes.to_vec();
    let needed = shape.iter().try_fold(dtype.bytes().unwrap_or(1), |a, s| a.checked_mul(*s));
    if needed != Some(bytes.len()) {
        return Err(wrong(format!(
            "`{tensor}` is {:?}, the op asks for {shape:?} of {dtype}",
            info.dims
        )));
    }
    Ok(Tensor { dtype, shape, bytes })
}

/// The reference's values of some outputs of a seed, the edges among them.
pub fn sampled(
    op: &Op,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    seed: u64,
) -> Result<BTreeMap<String, kgen_kernels_ref::Output>, Error> {
    let mut state = seed;
    let mut random = || {
        // Knuth's MMIX generator; the high bits are the good ones.
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 33
    };
    let columns = match &op.kind {
        Kind::Attention(a) => a.q.heads as u64,
        Kind::MpGemm(g) => g.out_width() as u64,
        Kind::Rows(r) => r.width as u64,
    };
    let mut samples: Vec<(usize, usize)> = vec![(0, 0), (0, columns as usize - 1)];
    samples.extend((0..62).map(|_| (0, (random() % columns) as usize)));
    samples.sort_unstable();
    samples.dedup();
    kgen_kernels_ref::run_samples(op, dims, inputs, &samples)
        .map_err(|e| Error::Input(e.to_string()))
}
