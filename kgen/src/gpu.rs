//! NVIDIA GPUs as devices: `cuda:0`.
//!
//! ```text
//! let gpu = Gpu::open("cuda:0", None)?;      // the best target that chip and driver take
//! let outputs = gpu.run(&op, &dims, &inputs)?;
//! ```

use crate::{
    Error,
    bench::{self, Measured},
    compile::{self, Accesses},
    device::{refused, session},
    inputs,
    verify::{Engine, EngineError, Tensors},
};
use kgen_ir::{artifact::Artifact, extent::Dims, op::Op, target::Target};
use kgen_passes::Schedule;
use kgen_runtime::{
    buffer::Guard,
    cache::Cache,
    driver::{
        Device, DeviceKernel, DriverError,
        cuda::{self, About, Cuda},
    },
    module::Module,
    plan::PlanError,
    tensors::{Session, Strides},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// An NVIDIA GPU and its driver.
pub struct Gpu {
    name: String,
    pub target: &'static Target,
    pub schedule: Schedule,
    /// Where compiled artifacts are kept; `None`: nowhere.
    pub cache: Option<Cache>,
    device: Mutex<Cuda>,
}

/// Bytes that rotate through the runs: no second-level cache holds as many, the largest is of 126 MB.
const ROTATED: usize = 512 << 20;

/// Copies of the tensors at least and at most: with fewer, one could lie in the cache; of more, a graph gets long.
const COPIES: (usize, usize) = (3, 256);

/// Bytes of scratch in the device's memory for all workers: with more, there are fewer workers.
const SCRATCH: usize = 256 << 20;

/// Bytes copied to find the roof.
const COPIED: usize = 256 << 20;

/// The GPUs of this machine, or why there is none.
pub fn devices() -> Result<Vec<About>, Error> {
    cuda::devices().map_err(unavailable)
}

/// The best target of those whose code a GPU with its driver takes.
pub fn target_for(about: &About) -> Result<&'static Target, Error> {
    let gpus = compile::targets().into_iter().filter(|t| t.backend == "ptx");
    let mut why = String::from("no target is for GPUs");
    for target in gpus {
        match refusal(target, about) {
            None => return Ok(target),
            Some(reason) => why = format!("{}: {reason}", target.name),
        }
    }
    Err(Error::Unavailable(format!("no target fits {}; the least is {why}", about.name)))
}

fn refusal(target: &Target, about: &About) -> Option<String> {
    let features: Vec<String> = target.features.iter().map(|f| (*f).to_owned()).collect();
    cuda::refusal(&features, about)
}

impl Gpu {
    /// The device of that name, `cuda` or `cuda:N`, with code of the best target for it, or of one by name.
    pub fn open(name: &str, target: Option<&str>) -> Result<Gpu, Error> {
        let number = name.strip_prefix("cuda").and_then(|rest| match rest {
            "" => Some(0),
            numbered => numbered.strip_prefix(':')?.parse().ok(),
        });
        let Some(number) = number else {
            return Err(Error::Usage(format!("no device `{name}`: GPUs are cuda:0, cuda:1, ..")));
        };
        let device = Cuda::open(number).map_err(unavailable)?;
        let target = match target {
            None => target_for(device.about())?,
            Some(name) => compile::target(name)?,
        };
        if let Some(why) = refusal(target, device.about()) {
            return Err(Error::Unavailable(why));
        }
        let schedule = Schedule::default_for(target);
        let device = Mutex::new(device);
        Ok(Gpu { name: name.into(), target, schedule, cache: None, device })
    }

    /// The device, which a run before may have ended with a panic: each run begins anew.
    fn lock(&self) -> MutexGuard<'_, Cuda> {
        self.device.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Compiled, on the device, and how many workers fill it: as many as run at once of the kernel of which most do.
    pub fn load(&self, op: &Op) -> Result<(Arc<Module>, usize), Error> {
        let (schedule, accesses) = (&self.schedule, Accesses::Trusted);
        let (artifact, _) =
            compile::artifact(op, self.target, schedule, accesses, self.cache.as_ref())?;
        self.load_artifact(&artifact)
    }

    /// The same of what is compiled already.
    pub fn load_artifact(&self, artifact: &Artifact) -> Result<(Arc<Module>, usize), Error> {
        let module = Module::for_device(artifact).map_err(|e| Error::Unavailable(e.to_string()))?;
        let mut gpu = self.lock();
        gpu.accepts(&artifact.manifest.features).map_err(unavailable)?;
        let (mut workers, mut scratch, count) = (1, 0, gpu.about().multiprocessors);
        for k in &artifact.manifest.kernels {
            let (Some(block), Some(text)) = (k.block, artifact.files.get(&k.file)) else {
                continue;
            };
            let kernel = DeviceKernel { text, entry: &k.entry, block };
            let number = gpu
                .load(&kernel)
                .map_err(|e| Error::Unavailable(format!("kernel `{}`: {e}", k.name)))?;
            let blocks = gpu.used(number).map_or(1, |used| used.blocks.max(1));
            workers = workers.max(count * blocks * block.workers);
            scratch = scratch.max(k.scratch);
        }
        Ok((module, filling(workers, count, scratch)))
    }

    /// Compiles, runs once, and gives the outputs.
    pub fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, Error> {
        self.run_loaded(&self.load(op)?, dims, inputs)
    }

    /// Runs once what [`Gpu::load`] gave.
    pub fn run_loaded(
        &self,
        (module, workers): &(Arc<Module>, usize),
        dims: &Dims,
        inputs: &Tensors,
    ) -> Result<Tensors, Error> {
        let mut session =
            session(module, dims, inputs, *workers, (Guard::Canaries, Strides::Dense))?;
        let mut gpu = self.lock();
        let ran = session.run_on(&mut *gpu).map_err(|e| Error::Unavailable(e.to_string()));
        let damage = gpu.damage();
        let forgot = gpu.forget();
        // After an error of a kernel, no call succeeds: the first tells.
        ran?;
        forgot.map_err(unavailable)?;
        if let Some((name, place)) = damage.map_err(unavailable)? {
            let what = format!("the run wrote outside of `{name}` on the device, at byte {place}");
            return Err(Error::Unavailable(what));
        }
        session.outputs().map_err(|e| Error::Unavailable(e.to_string()))
    }

    /// `reps` rounds; each replays a graph in which every copy of the tensors is computed on once, timed by the device.
    pub fn measure(
        &self,
        op: &Op,
        dims: &Dims,
        (reps, seed): (usize, u64),
    ) -> Result<Measured, Error> {
        let loaded = self.load(op)?;
        let tensors = inputs::complete(op, dims, &BTreeMap::new(), seed)?;
        let expected = inputs::sampled(op, dims, &tensors, seed)?;
        let bytes: usize = tensors.values().map(|t| t.bytes.len()).sum();
        let (module, workers) = &loaded;
        let first = session(module, dims, &tensors, *workers, (Guard::Canaries, Strides::Dense))?;
        let mut gpu = self.lock();
        let measured = rounds(&mut gpu, &first, bytes, reps);
        let forgot = gpu.forget();
        drop(gpu);
        let (mut times, mut roofs) = measured?;
        forgot.map_err(unavailable)?;
        let outputs = self.run_loaded(&loaded, dims, &tensors)?;
        let error_ratio = bench::worst(&expected, &outputs)?;
        let written: usize = outputs.values().map(|t| t.bytes.len()).sum();
        Ok(bench::summary(&mut times, &mut roofs, bytes + written, op, dims, error_ratio))
    }
}

/// Workers that fill the device and whose scratch keeps to its share, but one a multiprocessor at least.
fn filling(workers: usize, multiprocessors: usize, scratch: usize) -> usize {
    let most = SCRATCH.checked_div(scratch).unwrap_or(usize::MAX);
    workers.min(most).max(multiprocessors).max(1)
}

/// Seconds of a run in each round, and bytes a second that a copy moved beside it.
fn rounds(
    gpu: &mut Cuda,
    session: &Session,
    bytes: usize,
    reps: usize,
) -> Result<(Vec<f64>, Vec<f64>), Error> {
    let mut placed = Vec::new();
    let mut copies = 1;
    while placed.len() < copies {
        placed.push(session.place_on(gpu).map_err(|e| Error::Unavailable(e.to_string()))?);
        if placed.len() == 1 {
            // Half of the memory is for them, with their workspaces.
            let most = gpu.about().memory / 2 / gpu.allocated().max(1);
            copies = ROTATED.div_ceil(bytes.max(1)).clamp(COPIES.0, COPIES.1).min(most.max(1));
        }
    }
    let zeros = vec![0; COPIED];
    let from = gpu.put("roof", &zeros, true).map_err(unavailable)?;
    let to = gpu.put("roof", &zeros, true).map_err(unavailable)?;
    let all = |gpu: &mut Cuda| placed.iter().try_for_each(|p| p.enqueue(gpu));
    all(gpu).map_err(planned)?;
    gpu.wait().map_err(unavailable)?;
    let graph = gpu.capture(all).map_err(planned)?;
    let (mut times, mut roofs) = (Vec::new(), Vec::new());
    for _ in 0..reps.max(1) {
        let copied = gpu.time(|gpu| gpu.copy(from, to, COPIED)).map_err(unavailable)?;
        roofs.push(2.0 * COPIED as f64 / copied);
        let took = gpu.time(|gpu| gpu.replay(&graph)).map_err(unavailable)?;
        times.push(took / copies as f64);
    }
    Ok((times, roofs))
}

fn unavailable(e: DriverError) -> Error {
    Error::Unavailable(e.to_string())
}

fn planned(e: PlanError) -> Error {
    Error::Unavailable(e.to_string())
}

impl Engine for Gpu {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        Gpu::run(self, op, dims, inputs).map_err(refused)
    }

    fn edges(&self, _: &Op) -> Vec<i64> {
        vec![self.schedule.keys as i64, self.schedule.split as i64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(capability: (u32, u32), driver: (u32, u32)) -> About {
        About { name: "a GPU".into(), capability, driver, ..About::default() }
    }

    #[test]
    fn a_gpu_gets_the_best_target_that_it_runs() {
        for (capability, driver, name) in [
            ((7, 0), (12, 4), "sm70"),
            ((7, 5), (13, 0), "sm75"),
            ((8, 0), (11, 0), "sm80"),
            ((8, 7), (12, 0), "sm86"),
            ((8, 9), (12, 0), "sm89"),
            ((9, 0), (13, 0), "sm90"),
            ((10, 0), (13, 0), "sm100"),
            ((12, 1), (13, 0), "sm120"),
            // A driver that does not know the chip's own PTX.
            ((8, 9), (11, 4), "sm86"),
        ] {
            let found = target_for(&about(capability, driver)).map(|t| t.name).unwrap_or("");
            // A target of this chip alone is better still.
            assert_eq!(found.trim_end_matches('a'), name, "{capability:?}");
        }
        let told = target_for(&about((6, 1), (12, 0))).unwrap_err().to_string();
        let why = "no target fits a GPU; the least is sm70: the code is for sm_70, a GPU is sm_61";
        assert_eq!(told, why);
    }

    #[test]
    fn workers_fill_the_device_as_far_as_scratch_reaches() {
        assert_eq!(filling(8448, 132, 0), 8448);
        assert_eq!(filling(8448, 132, 64 << 10), 4096);
        assert_eq!(filling(8448, 132, 16 << 20), 132);
        assert_eq!(filling(0, 0, 0), 1);
    }

    #[test]
    fn devices_have_names() {
        for name in ["cuda:x", "cudax", "gpu:0", "cuda:-1"] {
            let told = Gpu::open(name, None).err().map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(told, format!("no device `{name}`: GPUs are cuda:0, cuda:1, .."));
        }
        let beyond = Gpu::open("cuda:4096", None).err().map(|e| (e.exit_code(), e.to_string()));
        let (code, told) = beyond.unwrap_or_default();
        assert_eq!(code, 4, "{told}");
        assert!(told.contains("no NVIDIA driver") || told.contains("no GPU 4096"), "{told}");
    }
}
