//! Runs compiled ops on tensors: what `kgen run` and `kgen verify` share.

use crate::{
    Error,
    compile::{self, Accesses, Compiled},
    sectors::{self, Counted},
    verify::{
        Engine, EngineError, Tensors,
        sample::{self, Sample},
    },
};
use kgen_ir::{artifact::Artifact, extent::Dims, op::Op, target::Target, tensor::Tensor};
use kgen_passes::Schedule;
use kgen_runtime::{
    buffer::{Buffer, Guard, Side},
    cache::Cache,
    driver::{DRIVERS, Driver, FEATURES, native::Native, sim::Sim},
    module::Module,
    plan::Prepared,
    pool::{Pool, Workers},
    tensors::{Session, Strides},
};
use kgen_sim::ptx::Order;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The artifact's code, loaded. With `perf` among the words of `KGEN_LOG`, Linux' perf is told the names of its kernels.
/// Backends that take long keep what they make in the cache.
pub(crate) fn open(artifact: &Artifact, cache: Option<&Cache>) -> Result<Arc<Module>, Error> {
    #[cfg(feature = "llvm")]
    if artifact.manifest.backend == "llvm" {
        let objects = cache.map(|c| c.folder().join("objects"));
        let driver = kgen_runtime::driver::llvm::Llvm { objects };
        return Module::load(artifact, &driver).map_err(|e| Error::Unavailable(e.to_string()));
    }
    #[cfg(not(feature = "llvm"))]
    let _ = cache;
    let log = std::env::var("KGEN_LOG").unwrap_or_default();
    let native = Native { perf_map: log.split(',').any(|word| word == "perf") };
    let module = if native.perf_map && artifact.manifest.backend == native.name() {
        Module::load(artifact, &native)
    } else {
        Module::open(artifact)
    };
    module.map_err(|e| Error::Unavailable(e.to_string()))
}

/// This machine's CPU, with its workers.
pub struct Cpu {
    pub target: &'static Target,
    pub schedule: Schedule,
    pub accesses: Accesses,
    pub guard: Guard,
    /// How tensors lie.
    pub strides: Strides,
    /// Where compiled artifacts are kept; `None`: nowhere.
    pub cache: Option<Cache>,
    pool: Arc<Pool>,
}

impl Cpu {
    /// All cores unless `threads` says otherwise.
    pub fn open(threads: Option<usize>) -> Result<Cpu, Error> {
        let target = compile::host()?;
        let threads = threads.unwrap_or_else(kgen_runtime::device::cores);
        let pool = Arc::new(Pool::new(threads).map_err(|e| Error::Unavailable(e.to_string()))?);
        let (schedule, accesses) = (Schedule::default_for(target), Accesses::Trusted);
        let guard = Guard::Canaries;
        Ok(Cpu { target, schedule, accesses, guard, strides: Strides::Dense, cache: None, pool })
    }

    /// The same workers for code of another target, which this CPU must be able to run.
    pub fn with_target(mut self, name: Option<&str>) -> Result<Cpu, Error> {
        let Some(name) = name else { return Ok(self) };
        let target = compile::target(name)?;
        if !DRIVERS.iter().any(|d| d.name() == target.backend) {
            let name = target.name;
            let reason = match FEATURES.iter().find(|f| **f == target.backend) {
                Some(f) => format!("this build does not run {name}; build with `--features {f}`"),
                None => format!("{name} is no CPU; `kgen targets` lists those that are"),
            };
            return Err(Error::Unavailable(reason));
        }
        if let Some(lacking) = target.features.iter().find(|f| !kgen_runtime::device::has(f)) {
            return Err(Error::Unavailable(format!(
                "this CPU lacks `{lacking}`, which {} needs; it runs {}",
                target.name, self.target.name
            )));
        }
        (self.target, self.schedule) = (target, Schedule::default_for(target));
        Ok(self)
    }

    /// The same workers, which run one job at a time, for a schedule that is tried: nothing of it is kept in a cache.
    pub fn with_schedule(&self, schedule: Schedule) -> Cpu {
        let (target, accesses, guard) = (self.target, self.accesses, self.guard);
        let (strides, pool) = (self.strides, self.pool.clone());
        Cpu { target, schedule, accesses, guard, strides, cache: None, pool }
    }

    pub fn workers(&self) -> &dyn Workers {
        &*self.pool
    }

    /// Compiled and ready to be planned.
    pub fn load(&self, op: &Op) -> Result<Arc<Module>, Error> {
        let (schedule, accesses) = (&self.schedule, self.accesses);
        let (artifact, _) =
            compile::artifact(op, self.target, schedule, accesses, self.cache.as_ref())?;
        open(&artifact, self.cache.as_ref())
    }

    /// Weights re-encoded as the module asks.
    pub fn prepare(
        &self,
        module: &Module,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<Vec<Arc<Prepared>>, Error> {
        place(module, &pack(module, inputs)?, self.guard)
    }

    /// Tensors of the op bound to a plan, to be run many times.
    pub fn session(
        &self,
        module: &Arc<Module>,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<Session, Error> {
        session(module, dims, inputs, self.pool.count(), (self.guard, self.strides))
    }

    /// So many of them, each with memory of its own; weights are packed once.
    pub fn sessions(
        &self,
        module: &Arc<Module>,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
        copies: usize,
    ) -> Result<Vec<Session>, Error> {
        let packed = pack(module, inputs)?;
        let laid = (self.guard, self.strides);
        let one = |_| seat(module, dims, inputs, &packed, self.pool.count(), laid);
        (0..copies).map(one).collect()
    }

    /// One run on tensors of the op.
    pub fn run(
        &self,
        module: &Arc<Module>,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        let mut session = self.session(module, dims, inputs)?;
        session.run(&*self.pool).map_err(|e| Error::Unavailable(e.to_string()))?;
        session.outputs().map_err(|e| Error::Unavailable(e.to_string()))
    }
}

impl Engine for Cpu {
    fn name(&self) -> &str {
        "cpu"
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        let module = self.load(op).map_err(refused)?;
        Cpu::run(self, &module, dims, inputs).map_err(refused)
    }

    fn edges(&self, _: &Op) -> Vec<i64> {
        vec![self.schedule.keys as i64, self.schedule.split as i64]
    }
}

/// A weight as the module asks for it: its name, shape and bytes.
type Packed<'a> = (&'a str, Vec<usize>, Vec<u8>);

fn pack<'a>(
    module: &'a Module,
    inputs: &BTreeMap<String, Tensor>,
) -> Result<Vec<Packed<'a>>, Error> {
    let manifest = module.manifest();
    let mut out = Vec::new();
    for step in &manifest.prepares {
        let wrong = |e: String| Error::Input(format!("weight `{}`: {e}", step.name));
        let Some(shape) = step.sizes(&manifest.params, &Dims::default()) else {
            return Err(wrong("its size is not known".into()));
        };
        let packed = step.pack(&manifest.params, &|name| inputs.get(name));
        let packed = packed.map_err(|e| wrong(e.to_string()))?;
        // As the parameter has it: one copy is none.
        let shape = if shape[0] == 1 { &shape[1..] } else { &shape[..] };
        out.push((step.name.as_str(), shape.to_vec(), packed));
    }
    Ok(out)
}

/// Packed weights in memory of their own.
fn place(module: &Module, packed: &[Packed], guard: Guard) -> Result<Vec<Arc<Prepared>>, Error> {
    let one = |(name, shape, bytes): &Packed| {
        let wrong = |e: String| Error::Input(format!("weight `{name}`: {e}"));
        let buffer = match guard {
            Guard::Canaries => Buffer::zeroed(bytes.len()),
            Guard::Fences => Buffer::fenced(bytes.len(), Side::Behind),
        };
        let mut buffer = buffer.map_err(|e| wrong(e.to_string()))?;
        buffer.bytes_mut().copy_from_slice(bytes);
        let prepared = Prepared::from_packed(module, name, shape, buffer);
        prepared.map(Arc::new).map_err(|e| wrong(e.to_string()))
    };
    packed.iter().map(one).collect()
}

pub(crate) fn session(
    module: &Arc<Module>,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    workers: usize,
    laid: (Guard, Strides),
) -> Result<Session, Error> {
    seat(module, dims, inputs, &pack(module, inputs)?, workers, laid)
}

fn seat(
    module: &Arc<Module>,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    packed: &[Packed],
    workers: usize,
    (guard, strides): (Guard, Strides),
) -> Result<Session, Error> {
    let prepared = place(module, packed, guard)?;
    let sources: Vec<_> = module.manifest().prepares.iter().flat_map(|p| p.sources()).collect();
    let rest = inputs.iter().filter(|(name, _)| !sources.contains(name));
    let rest: BTreeMap<_, _> = rest.map(|(n, t)| (n.clone(), t.clone())).collect();
    let mut dims = dims.clone();
    dims.cores = workers as i64;
    let session = Session::laid(module, &dims, &rest, &prepared, guard, strides);
    session.map_err(|e| Error::Input(e.to_string()))
}

/// A GPU as its simulator is one: `sim:sm80`.
pub struct Simulated {
    name: String,
    pub target: &'static Target,
    pub schedule: Schedule,
    /// What accesses cost in all runs so far, by op and kernel.
    costs: Mutex<BTreeMap<(String, String), Counted>>,
}

/// Warps of a simulated launch: two blocks of four.
const WORKERS: usize = 8;
/// Instructions of warps up to which a case runs in a second order.
const SHORT: u64 = 1 << 19;

impl Simulated {
    /// The device of that name.
    pub fn open(name: &str) -> Result<Simulated, Error> {
        let chip = name.strip_prefix("sim:").unwrap_or(name);
        let target = compile::target(chip)?;
        if target.backend != "ptx" {
            let what = format!("there is no simulator of `{chip}`: it runs PTX");
            return Err(Error::Usage(what));
        }
        let (schedule, costs) = (Schedule::default_for(target), Mutex::default());
        Ok(Simulated { name: name.into(), target, schedule, costs })
    }

    /// Compiles, runs every launch, and gives the outputs; what the sanitiser finds is an error.
    ///
    /// Asynchronous work is done as late as is legal. What is short runs once more with warps in any order, and must
    /// give the same.
    pub fn run(
        &self,
        op: &Op,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        let made = compile::compile(op, self.target, &self.schedule)?;
        let run = |sim: &mut Sim| Simulated::run_on(sim, &made.artifact, dims, inputs);
        let mut late = Sim::default();
        let outputs = run(&mut late)?;
        self.checked((op, &made), &late, &outputs, &run)?;
        Ok(outputs)
    }

    /// A sample of the tasks of what was compiled.
    pub fn run_some(
        &self,
        op: &Op,
        made: &Compiled,
        (dims, inputs): (&Dims, &Tensors),
        seed: u64,
    ) -> Result<(Tensors, Option<Sample>), Error> {
        let run = |sim: &mut Sim| {
            let mut session = Simulated::session(sim, &made.artifact, dims, inputs)?;
            let of = (op, &made.program, session.variant());
            let begun = sample::begin(sim, of, (dims, inputs), seed);
            let outputs = ran(&mut session, sim)?;
            let sample = begun.map(|begun| sample::end(sim, &begun, &outputs));
            Ok((outputs, sample))
        };
        let mut late = Sim::default();
        let (outputs, sample) = run(&mut late)?;
        self.checked((op, made), &late, &outputs, &|sim| run(sim).map(|(outputs, _)| outputs))?;
        Ok((outputs, sample))
    }

    /// Counts what accesses cost. What is short runs again, in another order.
    fn checked(
        &self,
        (op, made): (&Op, &Compiled),
        late: &Sim,
        outputs: &Tensors,
        run: &dyn Fn(&mut Sim) -> Result<Tensors, Error>,
    ) -> Result<(), Error> {
        let counted = sectors::counted(made, self.target, late);
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        for (kernel, counted) in counted {
            costs.entry((op.name.clone(), kernel)).or_default().join(&counted);
        }
        drop(costs);
        if late.instructions < SHORT {
            let mut random = Sim::new(Order::Random, late.instructions);
            let again = run(&mut random)?;
            if let Some((name, _)) = outputs.iter().find(|(name, t)| again.get(*name) != Some(t)) {
                return Err(Error::Unavailable(format!(
                    "`{name}` depends on the order of the warps"
                )));
            }
        }
        Ok(())
    }

    /// One run of an artifact on a simulator that the caller set up.
    pub fn run_on(
        device: &mut Sim,
        artifact: &Artifact,
        dims: &Dims,
        inputs: &BTreeMap<String, Tensor>,
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        ran(&mut Simulated::session(device, artifact, dims, inputs)?, device)
    }

    fn session(
        device: &Sim,
        artifact: &Artifact,
        dims: &Dims,
        inputs: &Tensors,
    ) -> Result<Session, Error> {
        let module = Module::for_device(artifact);
        let module = module.map_err(|e| Error::Unavailable(e.to_string()))?;
        let workers = device.workers.unwrap_or(WORKERS);
        session(&module, dims, inputs, workers, (Guard::Canaries, Strides::Dense))
    }
}

fn ran(session: &mut Session, device: &mut Sim) -> Result<Tensors, Error> {
    session.run_on(device).map_err(|e| Error::Unavailable(e.to_string()))?;
    session.outputs().map_err(|e| Error::Unavailable(e.to_string()))
}

impl Engine for Simulated {
    fn name(&self) -> &str {
        &self.name
    }

    fn several(&self) -> bool {
        true
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        Simulated::run(self, op, dims, inputs).map_err(refused)
    }

    fn samples(&self) -> bool {
        true
    }

    fn run_sample(
        &self,
        op: &Op,
        dims: &Dims,
        inputs: &Tensors,
        seed: u64,
    ) -> Result<(Tensors, Option<Sample>), EngineError> {
        let made = compile::compile(op, self.target, &self.schedule).map_err(refused)?;
        self.run_some(op, &made, (dims, inputs), seed).map_err(refused)
    }

    fn edges(&self, _: &Op) -> Vec<i64> {
        vec![self.schedule.keys as i64, self.schedule.split as i64]
    }

    fn costs(&self, op: &str) -> BTreeMap<String, Counted> {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let own = costs.iter().filter(|((of, _), _)| of == op);
        own.map(|((_, kernel), counted)| (kernel.clone(), counted.clone())).collect()
    }
}

pub(crate) fn refused(e: Error) -> EngineError {
    match e {
        Error::Unsupported(u) => EngineError::Unsupported(u),
        Error::Usage(_)
        | Error::Report(_)
        | Error::File { .. }
        | Error::Unavailable(_)
        | Error::Input(_) => EngineError::Failed(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_does_not_run_is_told() {
        let told = |name| {
            let cpu = Cpu::open(Some(1)).unwrap().with_target(Some(name));
            cpu.err().map(|e| e.to_string()).unwrap_or_default()
        };
        if cfg!(not(feature = "llvm")) {
            let error = told("aarch64-i8mm");
            assert!(
                error.ends_with("does not run aarch64-i8mm/llvm; build with `--features llvm`"),
                "{error}"
            );
        }
        let error = told("sm80");
        assert!(error.contains("sm80 is no CPU"), "{error}");
        let error = told("x86-64-v9");
        assert!(error.contains("no target `x86-64-v9`"), "{error}");
    }

    #[test]
    fn only_gpus_are_simulated() {
        assert_eq!(Simulated::open("sim:sm80").map(|d| d.target.name).ok(), Some("sm80"));
        let told = |name| Simulated::open(name).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(told("sim:sm81").contains("no target `sm81`"), "{}", told("sim:sm81"));
        let cpu = told("sim:x86-64-v3");
        assert!(cpu.contains("there is no simulator of `x86-64-v3`: it runs PTX"), "{cpu}");
    }
}
