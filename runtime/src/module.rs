//! A loaded artifact: code in memory, every name of the manifest resolved to an index.
//!
//! Loading runs nothing, but whoever runs a module trusts its artifact as he trusts a library.

use crate::{
    device,
    driver::{DRIVERS, Driver, DriverError, FEATURES, Loaded},
};
use kgen_ir::{
    artifact::{Artifact, FORMAT, KernelEntry, Manifest, text},
    diag::did_you_mean,
    extent::{Dims, Extent},
    machine::Slot,
    tile::{Arg, Form, Launch, Param, Part, Predicate, Store, Tensor},
};
use std::{collections::BTreeMap, sync::Arc};

/// Shared by the plans made from it.
pub struct Module {
    pub(crate) manifest: Manifest,
    pub(crate) code: Vec<Code>,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) variants: Vec<Variant>,
    /// `k.stride1`: a parameter and a dimension.
    pub(crate) strides: Vec<(String, usize, usize)>,
}

/// A file of kernels.
pub(crate) enum Code {
    /// Run by workers of this process.
    Loaded(Box<dyn Loaded>),
    /// For a device.
    Text(String),
}

pub(crate) struct Kernel {
    pub code: usize,
    pub entry: usize,
    pub scratch: usize,
    pub counters: usize,
    /// Checks its accesses, and tells of those it did not do.
    pub reports: bool,
    /// Scalar parameters with their place among the arguments.
    pub scalars: Vec<(String, usize)>,
    pub slots: Vec<SlotSource>,
}

/// As [`Slot`], with arguments by number.
pub(crate) enum SlotSource {
    Pointer(usize),
    Stride(usize, usize),
    Extent(Extent),
    Counter(usize),
    Scratch,
    End(usize),
    Report,
}

pub(crate) struct Variant {
    pub when: Vec<Predicate>,
    pub launches: Vec<PlacedLaunch>,
    /// What its launches touch, each once.
    pub params: Vec<usize>,
    pub buffers: Vec<usize>,
    pub prepares: Vec<usize>,
}

pub(crate) struct PlacedLaunch {
    pub kernel: usize,
    pub args: Vec<Source>,
}

pub(crate) enum Source {
    Param(usize),
    Buffer(usize),
    /// Index of the prepare step, byte offset of the part.
    Prepared(usize, usize),
    Scalar(Extent),
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the artifact has format {found}; this runtime reads up to {FORMAT}: use a newer kgen")]
    Format { found: u32 },
    #[error("the artifact is for backend `{wanted}`, the driver is `{driver}`")]
    Backend { wanted: String, driver: &'static str },
    #[error("the artifact is for backend `{wanted}`; this build has {built}{}", way_out(.wanted))]
    NoDriver { wanted: String, built: String },
    #[error("the artifact needs the CPU feature `{feature}`, which this CPU does not have")]
    Feature { feature: String },
    #[error("damaged artifact: {0}")]
    Damaged(String),
    #[error("file `{file}`: {source}")]
    Driver { file: String, source: DriverError },
    #[error("{place}: there is no {what} `{name}`{}", hint(.near))]
    Unknown { place: String, what: &'static str, name: String, near: Option<String> },
    #[error("{place}: {what}")]
    Mismatch { place: String, what: String },
}

fn way_out(wanted: &str) -> String {
    let optional = FEATURES.iter().find(|f| **f == wanted);
    optional.map_or_else(String::new, |f| format!("; build with `--features {f}`"))
}

pub(crate) fn hint(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |n| format!("; did you mean `{n}`?"))
}

impl Module {
    /// Loads an artifact with the driver that it names.
    pub fn open(artifact: &Artifact) -> Result<Arc<Module>, LoadError> {
        let wanted = &artifact.manifest.backend;
        match DRIVERS.iter().find(|d| d.name() == wanted) {
            Some(driver) => Module::load(artifact, *driver),
            None => {
                let built: Vec<_> = DRIVERS.iter().map(|d| d.name()).collect();
                Err(LoadError::NoDriver { wanted: wanted.clone(), built: built.join(", ") })
            }
        }
    }

    pub fn load(artifact: &Artifact, driver: &dyn Driver) -> Result<Arc<Module>, LoadError> {
        let m = &artifact.manifest;
        if m.backend != driver.name() && m.format <= FORMAT {
            let wanted = m.backend.clone();
            return Err(LoadError::Backend { wanted, driver: driver.name() });
        }
        if let Some(feature) = m.features.iter().find(|f| !device::has(f)) {
            return Err(LoadError::Feature { feature: feature.clone() });
        }
        let load = |text: &str, entries: &[&str]| driver.load(text, entries).map(Code::Loaded);
        Module::resolved(artifact, driver.slow(), load)
    }

    /// An artifact whose kernels a device takes as texts: [`crate::plan::Plan::run_on`] runs it.
    pub fn for_device(artifact: &Artifact) -> Result<Arc<Module>, LoadError> {
        if let Some(k) = artifact.manifest.kernels.iter().find(|k| k.block.is_none()) {
            let what = "it has no block of threads: it is no kernel of a device".into();
            return Err(LoadError::Mismatch { place: format!("kernel `{}`", k.name), what });
        }
        Module::resolved(artifact, false, |text, _| Ok(Code::Text(text.into())))
    }

    fn resolved(
        artifact: &Artifact,
        slow: bool,
        load: impl Fn(&str, &[&str]) -> Result<Code, DriverError> + Sync,
    ) -> Result<Arc<Module>, LoadError> {
        let manifest = artifact.manifest.clone();
        if manifest.format > FORMAT {
            return Err(LoadError::Format { found: manifest.format });
        }
        if let Some(what) = artifact.damage() {
            return Err(LoadError::Damaged(what));
        }
        let mut resolver = Resolver { manifest: &manifest, strides: Vec::new() };
        resolver.check_names()?;
        let variants =
            manifest.variants.iter().map(|v| resolver.variant(v)).collect::<Result<Vec<_>, _>>()?;
        let mut kernels = Vec::new();
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for k in &manifest.kernels {
            files.entry(&k.file).or_default().push(&k.entry);
        }
        let file_index = |file: &str| files.keys().position(|f| *f == file).unwrap_or(0);
        for (i, k) in manifest.kernels.iter().enumerate() {
            let before = manifest.kernels[..i].iter().filter(|other| other.file == k.file);
            kernels.push(resolver.kernel(k, file_index(&k.file), before.count())?);
        }
        let one = |(file, entries): (&&str, &Vec<&str>)| {
            let text = artifact.files.get(*file);
            let text =
                text.ok_or_else(|| LoadError::Damaged(format!("file `{file}` is missing")))?;
            load(text, entries).map_err(|source| LoadError::Driver { file: (*file).into(), source })
        };
        let code: Result<Vec<_>, _> = if slow {
            std::thread::scope(|scope| {
                let one = &one;
                let running: Vec<_> = files.iter().map(|f| scope.spawn(move || one(f))).collect();
                let done = running.into_iter().map(|thread| thread.join());
                done.map(|d| d.unwrap_or_else(|bug| std::panic::resume_unwind(bug))).collect()
            })
        } else {
            files.iter().map(one).collect()
        };
        let code = code?;
        let strides = resolver.strides;
        Ok(Arc::new(Module { manifest, code, kernels, variants, strides }))
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

struct Resolver<'a> {
    manifest: &'a Manifest,
    strides: Vec<(String, usize, usize)>,
}

impl Resolver<'_> {
    /// No name stands for two things.
    fn check_names(&self) -> Result<(), LoadError> {
        let m = self.manifest;
        let tensors = m.params.iter().chain(&m.buffers).map(|t| &t.name);
        unique("tensor", tensors.chain(m.prepares.iter().map(|p| &p.name)))?;
        unique("symbol", m.symbols.iter().map(|s| &s.name))?;
        unique("kernel", m.kernels.iter().map(|k| &k.name))?;
        for t in m.params.iter().chain(&m.buffers) {
            if t.shape.len() > text::MAX_RANK {
                let what = format!("more than {} dimensions", text::MAX_RANK);
                return Err(mismatch(format!("tensor `{}`", t.name), what));
            }
        }
        for p in &m.prepares {
            let place = || format!("prepare `{}`", p.name);
            for source in p.sources() {
                if !m.params.iter().any(|t| t.name == *source) {
                    let near = did_you_mean(source, m.params.iter().map(|t| t.name.as_str()));
                    return Err(unknown(place(), "parameter", source, near));
                }
            }
            if let Form::Blocks(name) = &p.form
                && m.params.iter().any(|t| t.name == *name && t.shape.len() < 2)
            {
                return Err(mismatch(place(), format!("`{name}` has no rows and columns")));
            }
        }
        for b in &m.bounds {
            if !m.symbols.iter().any(|s| s.name == b.symbol) {
                let near = did_you_mean(&b.symbol, m.symbols.iter().map(|s| s.name.as_str()));
                return Err(unknown("bounds".into(), "symbol", &b.symbol, near));
            }
        }
        for t in &m.buffers {
            let fits = match &t.store {
                Store::Strided => true,
                Store::Packed { of, part } => {
                    *part == Part::Codes && of.elem == t.elem && t.shape.len() == 2
                }
                Store::Blocks(_) | Store::Field(_) => false,
            };
            if !fits || t.elem.bytes().is_none() {
                let what = "workspace holds whole-byte elements, one after the other".into();
                return Err(mismatch(format!("buffer `{}`", t.name), what));
            }
        }
        Ok(())
    }

    fn variant(&mut self, v: &kgen_ir::tile::Variant) -> Result<Variant, LoadError> {
        let place = format!("variant `{}`", v.name);
        for p in &v.when {
            self.check_extent(&p.left, &[], &place)?;
            self.check_extent(&p.right, &[], &place)?;
        }
        let launches =
            v.launches.iter().map(|l| self.launch(l, &place)).collect::<Result<Vec<_>, _>>()?;
        let mut out = Variant {
            when: v.when.clone(),
            launches,
            params: vec![],
            buffers: vec![],
            prepares: vec![],
        };
        for source in out.launches.iter().flat_map(|l| &l.args) {
            let (list, i) = match source {
                Source::Param(i) => (&mut out.params, *i),
                Source::Buffer(i) => (&mut out.buffers, *i),
                Source::Prepared(i, _) => (&mut out.prepares, *i),
                Source::Scalar(_) => continue,
            };
            if !list.contains(&i) {
                list.push(i);
            }
        }
        for &i in &out.params {
            let shape = &self.manifest.params[i].shape;
            shape.iter().try_for_each(|e| check_symbols(e, self.manifest, &[], &place))?;
        }
        for &i in &out.buffers {
            let shape = &self.manifest.buffers[i].shape;
            shape.iter().try_for_each(|e| check_symbols(e, self.manifest, &[], &place))?;
        }
        Ok(out)
    }

    fn launch(&mut self, l: &Launch, place: &str) -> Result<PlacedLaunch, LoadError> {
        let place = format!("{place}, launch of `{}`", l.kernel);
        let m = self.manifest;
        let Some(kernel) = m.kernels.iter().position(|k| k.name == l.kernel) else {
            let near = did_you_mean(&l.kernel, m.kernels.iter().map(|k| k.name.as_str()));
            return Err(unknown(place, "kernel", &l.kernel, near));
        };
        let params = &m.kernels[kernel].params;
        if params.len() != l.args.len() {
            let what = format!("{} arguments for {} parameters", l.args.len(), params.len());
            return Err(mismatch(place, what));
        }
        let mut args = Vec::new();
        for (param, arg) in params.iter().zip(&l.args) {
            args.push(match (param, arg) {
                (Param::Tensor(t), Arg::Tensor(name)) => self.tensor(t, name, &place)?,
                (Param::Scalar(_), Arg::Scalar(extent)) => {
                    self.check_extent(extent, &[], &place)?;
                    Source::Scalar(extent.clone())
                }
                (Param::Scalar(p), Arg::Tensor(a)) => {
                    return Err(mismatch(place, format!("scalar `{p}` cannot be tensor `{a}`")));
                }
                (Param::Tensor(p), Arg::Scalar(a)) => {
                    return Err(mismatch(
                        place,
                        format!("tensor `{}` cannot be scalar `{a}`", p.name),
                    ));
                }
            });
        }
        Ok(PlacedLaunch { kernel, args })
    }

    /// The tensor `name` of the manifest, given for the parameter `param`.
    fn tensor(&self, param: &Tensor, name: &str, place: &str) -> Result<Source, LoadError> {
        let m = self.manifest;
        if let Some((base, part)) = name.rsplit_once('.')
            && let Some(part) = text::part_named(part)
            && let Some(i) = m.prepares.iter().position(|p| p.name == base)
        {
            return self.prepared(param, i, part, place);
        }
        let (source, given) = if let Some(i) = m.params.iter().position(|t| t.name == name) {
            (Source::Param(i), &m.params[i])
        } else if let Some(i) = m.buffers.iter().position(|t| t.name == name) {
            (Source::Buffer(i), &m.buffers[i])
        } else {
            let known = m.params.iter().chain(&m.buffers).map(|t| t.name.as_str());
            return Err(unknown(place.into(), "tensor", name, did_you_mean(name, known)));
        };
        if let (Store::Strided, Store::Field(field)) = (&given.store, &param.store) {
            let elem = given.elem == kgen_ir::dtype::Dtype::U8 || given.elem == param.elem;
            let missing = param.shape.len().checked_sub(given.shape.len());
            if elem && (missing == Some(0) || missing == Some(1) && field.step == 0) {
                return Ok(source);
            }
            let what = format!("`{name}` has no field like the kernel's `{}`", param.name);
            return Err(mismatch(place.into(), what));
        }
        let packed = matches!(source, Source::Buffer(_)) && given.store == param.store;
        if !packed && (given.store != Store::Strided || param.store != Store::Strided) {
            let what = format!("`{name}` is stored in blocks: only prepare steps read those");
            return Err(mismatch(place.into(), what));
        }
        if (given.elem, given.shape.len()) != (param.elem, param.shape.len()) {
            let what = format!(
                "`{name}` is {} of {} dimensions, the kernel's `{}` is {} of {}",
                given.elem,
                given.shape.len(),
                param.name,
                param.elem,
                param.shape.len()
            );
            return Err(mismatch(place.into(), what));
        }
        Ok(source)
    }

    fn prepared(
        &self,
        param: &Tensor,
        index: usize,
        part: Part,
        place: &str,
    ) -> Result<Source, LoadError> {
        let prepare = &self.manifest.prepares[index];
        let same = match &param.store {
            Store::Packed { of, part: p } => *of == prepare.packing && *p == part,
            Store::Strided | Store::Blocks(_) | Store::Field(_) => false,
        };
        let name = format!("{}.{}", prepare.name, text::part(part));
        if !same {
            let what = format!("`{name}` is not packed as the kernel's `{}`", param.name);
            return Err(mismatch(place.into(), what));
        }
        // Where a part begins depends on the size for what stands behind the weights alone.
        let sizes = prepare.sizes(&self.manifest.params, &Dims::default()).unwrap_or([1, 0, 0]);
        match prepare.part(part, sizes) {
            Ok(offset) => Ok(Source::Prepared(index, offset)),
            Err(_) => Err(mismatch(place.into(), format!("the packing has no `{name}`"))),
        }
    }

    fn kernel(&mut self, k: &KernelEntry, code: usize, entry: usize) -> Result<Kernel, LoadError> {
        let place = format!("kernel `{}`", k.name);
        let tensor = |name: &str| {
            let found = k.params.iter().enumerate().find_map(|(i, p)| match p {
                Param::Tensor(t) if t.name == name => Some((i, t)),
                Param::Tensor(_) | Param::Scalar(_) => None,
            });
            found.ok_or_else(|| unknown(place.clone(), "tensor parameter", name, None))
        };
        let scalars: Vec<(String, usize)> = k
            .params
            .iter()
            .enumerate()
            .filter_map(|(i, p)| match p {
                Param::Scalar(name) => Some((name.clone(), i)),
                Param::Tensor(_) => None,
            })
            .collect();
        let mut slots = Vec::new();
        for slot in &k.slots {
            slots.push(match slot {
                Slot::Pointer(name) => SlotSource::Pointer(tensor(name)?.0),
                Slot::Stride(name, dim) => {
                    let (i, t) = tensor(name)?;
                    // The last dimension of a field is not one of the tensor.
                    let dims = match &t.store {
                        Store::Strided => t.shape.len(),
                        Store::Field(_) => t.shape.len().saturating_sub(1),
                        Store::Blocks(_) | Store::Packed { .. } => 0,
                    };
                    if *dim >= dims {
                        let what = format!("dimension {dim} of `{name}` has no run-time stride");
                        return Err(mismatch(place, what));
                    }
                    SlotSource::Stride(i, *dim)
                }
                Slot::Extent(e) => {
                    self.check_extent(e, &scalars, &place)?;
                    SlotSource::Extent(e.clone())
                }
                Slot::Counter(i) if *i < k.counters => SlotSource::Counter(*i),
                Slot::Counter(i) => {
                    let what = format!("counter {i} of {}", k.counters);
                    return Err(mismatch(place, what));
                }
                Slot::Scratch => SlotSource::Scratch,
                Slot::End(name) => SlotSource::End(tensor(name)?.0),
                Slot::Report => SlotSource::Report,
            });
        }
        if !k.scratch.is_multiple_of(64) {
            let what = format!("scratch of {} bytes is no multiple of 64", k.scratch);
            return Err(mismatch(place, what));
        }
        let reports = slots.iter().any(|s| matches!(s, SlotSource::Report));
        let (scratch, counters) = (k.scratch, k.counters);
        Ok(Kernel { code, entry, scratch, counters, reports, scalars, slots })
    }

    /// Every name of an extent is a symbol, a stride, or one of `scalars`.
    fn check_extent(
        &mut self,
        extent: &Extent,
        scalars: &[(String, usize)],
        place: &str,
    ) -> Result<(), LoadError> {
        let mut names = Vec::new();
        extent.symbols(&mut names);
        for name in names {
            if let Some((param, dim)) = self.stride_symbol(name)
                && !self.strides.iter().any(|(n, ..)| n == name)
            {
                self.strides.push((name.into(), param, dim));
            }
        }
        let strides = self.strides.iter().map(|(n, ..)| n.as_str());
        let known: Vec<&str> = scalars.iter().map(|(n, _)| n.as_str()).chain(strides).collect();
        check_symbols(extent, self.manifest, &known, place)
    }

    fn stride_symbol(&self, name: &str) -> Option<(usize, usize)> {
        let (tensor, dim) = name.rsplit_once(".stride")?;
        let param = self.manifest.params.iter().position(|t| t.name == tensor)?;
        let dim = dim.parse().ok().filter(|d| *d < self.manifest.params[param].shape.len())?;
        Some((param, dim))
    }
}

fn check_symbols(
    extent: &Extent,
    manifest: &Manifest,
    known: &[&str],
    place: &str,
) -> Result<(), LoadError> {
    match extent {
        Extent::Lit(_) | Extent::Cores => Ok(()),
        Extent::Sym(name) => {
            let mut scalars = manifest.symbols.iter().filter(|s| s.ragged.is_none());
            if known.contains(&name.as_str()) || scalars.any(|s| s.name == *name) {
                return Ok(());
            }
            let names = manifest.symbols.iter().map(|s| s.name.as_str());
            Err(unknown(place.into(), "symbol", name, did_you_mean(name, names)))
        }
        Extent::Ragged(_, name) => {
            let mut ragged = manifest.symbols.iter().filter(|s| s.ragged.is_some());
            if ragged.any(|s| s.name == *name) {
                return Ok(());
            }
            Err(unknown(place.into(), "ragged symbol", name, None))
        }
        Extent::Bin(_, a, b) => {
            check_symbols(a, manifest, known, place)?;
            check_symbols(b, manifest, known, place)
        }
    }
}

fn unique<'a>(
    what: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), LoadError> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(mismatch(format!("{what} `{name}`"), "this name stands twice".into()));
        }
        seen.push(name);
    }
    Ok(())
}

fn unknown(place: String, what: &'static str, name: &str, near: Option<&str>) -> LoadError {
    LoadError::Unknown { place, what, name: name.into(), near: near.map(Into::into) }
}

fn mismatch(place: String, what: String) -> LoadError {
    LoadError::Mismatch { place, what }
}
