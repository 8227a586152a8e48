//! NVIDIA GPUs, by the driver's own API: nothing of CUDA is needed to build, and the driver only to run.
//!
//! ```text
//! let mut gpu = Cuda::open(0)?;                    // or on the caller's stream: unsafe { Cuda::on_stream(stream)? }
//! let placed = plan.place_on(&mut gpu, &held)?;    // compiles; refuses what the chip or the driver is too old for
//! placed.enqueue(&mut gpu)?;
//! let graph = gpu.capture(|gpu| placed.enqueue(gpu))?;
//! let seconds = gpu.time(|gpu| gpu.replay(&graph))?;
//! ```
//!
//! Everything is in the order of one stream. A graph has the launches with the sizes of the plan; what kernels read from
//! memory, lengths and tables, may change from replay to replay ([`crate::plan::Placed::write`]).

#![allow(unsafe_code)]

mod api;
mod requirements;
mod work;

pub use requirements::{About, refusal};
pub use work::Graph;

use super::{Device, DeviceKernel, DriverError};
use api::{Api, Handle};
use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUfunction_attribute, CUjit_option};
use kgen_ir::artifact::Block;
use std::{
    collections::HashMap,
    ffi::{CString, c_int, c_uint, c_void},
    ptr::{null_mut, with_exposed_provenance_mut},
};

/// Code as a driver takes it.
#[derive(Clone, Copy, Debug)]
pub enum Image<'a> {
    Ptx(&'a str),
    /// What `ptxas` makes of it for one chip. Its bytes are trusted like a library's.
    Cubin(&'a [u8]),
}

/// One GPU and a stream of work on it.
pub struct Cuda {
    api: &'static Api,
    about: About,
    context: Handle,
    /// The device whose primary context this holds, where the context is not the caller's.
    holds: Option<c_int>,
    stream: Handle,
    /// The stream is the caller's.
    lent: bool,
    memory: Vec<Allocation>,
    modules: Vec<Handle>,
    /// Numbers of modules by what they were made of, and of kernels by module and name.
    known: HashMap<blake3::Hash, usize>,
    named: HashMap<(usize, String), usize>,
    kernels: Vec<Function>,
}

/// Memory on the device, between canaries.
struct Allocation {
    name: String,
    start: u64,
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Function {
    handle: Handle,
    threads: usize,
    /// Bytes of a block's shared memory that its text does not declare: they are asked for at the launch.
    shared: usize,
    used: Used,
}

/// What a kernel takes on this GPU, as its compiler says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub registers: usize,
    /// Bytes a thread keeps in memory for want of registers.
    pub local: usize,
    /// Blocks that a multiprocessor runs at once.
    pub blocks: usize,
}

/// Before and behind each allocation.
const GUARD: usize = 256;
const CANARY: u8 = 0xc5;

/// Bytes of what the compiler has to say.
const LOG: usize = 16 << 10;

/// A stream that waits for no other.
const NON_BLOCKING: c_uint = 1;

/// The GPUs that the driver sees; an error says why there is none.
pub fn devices() -> Result<Vec<About>, DriverError> {
    let api = Api::get()?;
    let mut count = 0;
    // SAFETY: writes one number.
    api.ok("cuDeviceGetCount", unsafe { (api.device_count)(&raw mut count) })?;
    (0..count).map(|number| about(api, device(api, number)?)).collect()
}

fn device(api: &Api, number: c_int) -> Result<c_int, DriverError> {
    let mut device = 0;
    // SAFETY: writes one number.
    api.ok("cuDeviceGet", unsafe { (api.device)(&raw mut device, number) })?;
    Ok(device)
}

fn about(api: &Api, device: c_int) -> Result<About, DriverError> {
    let mut name = [0u8; 256];
    let size = name.len() as c_int;
    // SAFETY: writes at most `size` bytes, with a zero behind the text.
    api.ok("cuDeviceGetName", unsafe {
        (api.device_name)(name.as_mut_ptr().cast(), size, device)
    })?;
    let (mut memory, mut version) = (0, 0);
    // SAFETY: each writes one number.
    api.ok("cuDeviceTotalMem", unsafe { (api.device_memory)(&raw mut memory, device) })?;
    // SAFETY: as above.
    api.ok("cuDriverGetVersion", unsafe { (api.version)(&raw mut version) })?;
    let attribute = |which: Attribute| {
        let mut value = 0;
        // SAFETY: writes one number.
        let code = unsafe { (api.attribute)(&raw mut value, which as c_int, device) };
        api.ok("cuDeviceGetAttribute", code)?;
        Ok::<_, DriverError>(usize::try_from(value).unwrap_or(0))
    };
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    let number = |n: usize| u32::try_from(n).unwrap_or(0);
    let version = u32::try_from(version).unwrap_or(0);
    Ok(About {
        name: String::from_utf8_lossy(&name[..end]).into_owned(),
        capability: (
            number(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?),
            number(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?),
        ),
        // 12040 is 12.4.
        driver: (version / 1000, version % 1000 / 10),
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        memory,
        cache: attribute(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?,
        shared: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
    })
}

impl Cuda {
    /// The GPU of that number, with its primary context, which the CUDA runtime and frameworks use, too, and a stream of
    /// its own.
    pub fn open(number: usize) -> Result<Cuda, DriverError> {
        let api = Api::get()?;
        let found = devices()?;
        let Some(about) = found.get(number).cloned() else {
            let what = format!("there is no GPU {number}: the driver sees {}", found.len());
            return Err(DriverError::Unavailable(what));
        };
        let device = device(api, c_int::try_from(number).unwrap_or(c_int::MAX))?;
        let (mut context, mut stream) = (null_mut(), null_mut());
        // SAFETY: writes one handle, which `drop` gives back.
        api.ok("cuDevicePrimaryCtxRetain", unsafe { (api.retain)(&raw mut context, device) })?;
        let mut gpu = Cuda::made(api, about, context, Some(device));
        gpu.within(|_| {
            // SAFETY: writes one handle, which `drop` gives back.
            api.ok("cuStreamCreate", unsafe { (api.stream)(&raw mut stream, NON_BLOCKING) })
        })?;
        gpu.stream = stream;
        Ok(gpu)
    }

    /// On a stream of the caller: what he put there before is done first, and he waits for it as he likes.
    ///
    /// # Safety
    /// `stream` is a `CUstream` that stays as long as this.
    pub unsafe fn on_stream(stream: *mut c_void) -> Result<Cuda, DriverError> {
        let api = Api::get()?;
        let mut context = null_mut();
        // SAFETY: the caller's stream is one; writes one handle.
        api.ok("cuStreamGetCtx", unsafe { (api.stream_context)(stream, &raw mut context) })?;
        let mut gpu = Cuda::made(api, About::default(), context, None);
        (gpu.stream, gpu.lent) = (stream, true);
        gpu.about = gpu.within(|_| {
            let mut device = 0;
            // SAFETY: writes one number.
            api.ok("cuCtxGetDevice", unsafe { (api.context_device)(&raw mut device) })?;
            about(api, device)
        })?;
        Ok(gpu)
    }

    fn made(api: &'static Api, about: About, context: Handle, holds: Option<c_int>) -> Cuda {
        Cuda {
            api,
            about,
            context,
            holds,
            stream: null_mut(),
            lent: false,
            memory: Vec::new(),
            modules: Vec::new(),
            known: HashMap::new(),
            named: HashMap::new(),
            kernels: Vec::new(),
        }
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    /// Calls with this context; whatever was current before is so again.
    fn within<T>(
        &self,
        run: impl FnOnce(&Api) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        // SAFETY: the context lives as long as `self`.
        self.api.ok("cuCtxPushCurrent", unsafe { (self.api.push)(self.context) })?;
        let done = run(self.api);
        let mut popped = null_mut();
        // SAFETY: takes off what was put on above.
        let code = unsafe { (self.api.pop)(&raw mut popped) };
        let done = done?;
        self.api.ok("cuCtxPopCurrent", code)?;
        Ok(done)
    }

    /// Compiles code, once, and gives the number of the module; an error has the compiler's log.
    pub fn module(&mut self, image: Image<'_>) -> Result<usize, DriverError> {
        let text;
        let (start, bytes): (*const c_void, _) = match image {
            Image::Ptx(ptx) => {
                let ended = CString::new(ptx);
                text = ended.map_err(|_| DriverError::Compile("a zero in the PTX".into()))?;
                (text.as_ptr().cast(), ptx.as_bytes())
            }
            Image::Cubin(bytes) if bytes.starts_with(b"\x7fELF") => (bytes.as_ptr().cast(), bytes),
            Image::Cubin(_) => return Err(DriverError::Compile("this is no cubin".into())),
        };
        let hash = blake3::hash(bytes);
        if let Some(number) = self.known.get(&hash) {
            return Ok(*number);
        }
        let (mut errors, mut notes) = (vec![0u8; LOG], vec![0u8; LOG]);
        let size = with_exposed_provenance_mut::<c_void>(LOG);
        let (mut options, mut values) = (
            [
                CUjit_option::CU_JIT_ERROR_LOG_BUFFER as c_uint,
                CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES as c_uint,
                CUjit_option::CU_JIT_INFO_LOG_BUFFER as c_uint,
                CUjit_option::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES as c_uint,
            ],
            [errors.as_mut_ptr().cast(), size, notes.as_mut_ptr().cast(), size],
        );
        let module = self.within(|api| {
            let mut module = null_mut();
            // SAFETY: the image is text that ends with a zero, or an ELF file, which says how long it is; both logs have
            // the sizes that stand beside them. Writes one handle, which `drop` gives back.
            let code = unsafe {
                (api.load)(&raw mut module, start, 4, options.as_mut_ptr(), values.as_mut_ptr())
            };
            api.ok("cuModuleLoadDataEx", code).map_err(|e| {
                let log = [log(&errors), log(&notes)].concat();
                let what = e.to_string();
                DriverError::Compile(if log.is_empty() { what } else { format!("{what}\n{log}") })
            })?;
            Ok(module)
        })?;
        self.modules.push(module);
        self.known.insert(hash, self.modules.len() - 1);
        Ok(self.modules.len() - 1)
    }

    /// The number of a module's kernel, to be launched in such blocks.
    pub fn kernel(
        &mut self,
        module: usize,
        entry: &str,
        block: Block,
    ) -> Result<usize, DriverError> {
        let key = (module, entry.to_owned());
        if let Some(number) = self.named.get(&key) {
            return Ok(*number);
        }
        let missing = || DriverError::Entry(entry.into());
        let handle = *self.modules.get(module).ok_or_else(missing)?;
        let function = self.find(handle, entry, block)?;
        self.kernels.push(function);
        self.named.insert(key, self.kernels.len() - 1);
        Ok(self.kernels.len() - 1)
    }

    /// What a kernel takes.
    pub fn used(&self, kernel: usize) -> Option<Used> {
        self.kernels.get(kernel).map(|k| k.used)
    }

    fn find(&self, module: Handle, entry: &str, block: Block) -> Result<Function, DriverError> {
        let missing = || DriverError::Entry(entry.into());
        let name = CString::new(entry).map_err(|_| missing())?;
        self.within(|api| {
            let mut handle = null_mut();
            // SAFETY: the module is loaded, the name ends with a zero; writes one handle, which the module owns.
            if unsafe { (api.function)(&raw mut handle, module, name.as_ptr()) } != 0 {
                return Err(missing());
            }
            let attribute = |which: CUfunction_attribute| {
                let mut value = 0;
                // SAFETY: writes one number.
                let code =
                    unsafe { (api.function_attribute)(&raw mut value, which as c_int, handle) };
                api.ok("cuFuncGetAttribute", code)?;
                Ok::<_, DriverError>(usize::try_from(value).unwrap_or(0))
            };
            let declared = attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
            let (shared, threads) = (block.shared.saturating_sub(declared), block.threads);
            if shared > 0 {
                let which = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = c_int::try_from(shared).unwrap_or(c_int::MAX);
                // SAFETY: changes what a launch may ask for.
                let code = unsafe { (api.set_function_attribute)(handle, which as c_int, bytes) };
                api.ok("cuFuncSetAttribute", code)?;
            }
            let (mut blocks, size) = (0, c_int::try_from(threads).unwrap_or(c_int::MAX));
            // SAFETY: writes one number.
            let code = unsafe { (api.resident_blocks)(&raw mut blocks, handle, size, shared) };
            api.ok("cuOccupancyMaxActiveBlocksPerMultiprocessor", code)?;
            let used = Used {
                registers: attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
                local: attribute(CUfunction_attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)?,
                blocks: usize::try_from(blocks).unwrap_or(0),
            };
            Ok(Function { handle, threads, shared, used })
        })
    }

    /// As [`Device::launch`], with blocks and dynamic shared memory of one's own, for kernels of any parameters: of those
    /// with fewer than 64 bits, the lowest count.
    pub fn launch_as(
        &mut self,
        kernel: usize,
        grid: [u32; 3],
        block: [u32; 3],
        shared: u32,
        args: &[u64],
    ) -> Result<(), DriverError> {
        let Some(function) = self.kernels.get(kernel) else {
            return Err(DriverError::Wrong(format!("no kernel {kernel}")));
        };
        let mut params: Vec<*mut c_void> =
            args.iter().map(|a| std::ptr::from_ref(a).cast_mut().cast()).collect();
        let (params, none, [x, y, z]) = (params.as_mut_ptr(), null_mut(), grid);
        let ([bx, by, bz], function, stream) = (block, function.handle, self.stream);
        self.within(|api| {
            // SAFETY: each parameter of the kernel, which the driver copies before it returns, is at most the 64 bits of
            // an argument, as artifacts say and the callers of this know; what arguments point to is the callers' to keep.
            let code = unsafe {
                (api.launch)(function, x, y, z, bx, by, bz, shared, stream, params, none)
            };
            api.ok("cuLaunchKernel", code)
        })
    }

    /// Until everything on the stream is done; an error is of any launch before.
    pub fn wait(&self) -> Result<(), DriverError> {
        self.within(|api| {
            // SAFETY: the stream lives as long as `self`.
            api.ok("cuStreamSynchronize", unsafe { (api.wait)(self.stream) })
        })
    }

    /// Memory for so many bytes, which hold what they hold; canaries on both sides.
    pub fn reserve(&mut self, name: &str, bytes: usize) -> Result<u64, DriverError> {
        let mut start = 0;
        let all = bytes + 2 * GUARD;
        self.within(|api| {
            // SAFETY: writes one address, which `forget` gives back.
            api.ok("cuMemAlloc", unsafe { (api.allocate)(&raw mut start, all) })
        })?;
        self.memory.push(Allocation { name: name.into(), start, bytes });
        let first = start + GUARD as u64;
        self.send(start, &[CANARY; GUARD])?;
        self.send(first + bytes as u64, &[CANARY; GUARD])?;
        Ok(first)
    }

    /// Bytes of all that [`Device::put`] gave.
    pub fn allocated(&self) -> usize {
        self.memory.iter().map(|a| a.bytes + 2 * GUARD).sum()
    }

    /// Gives back all memory that [`Device::put`] gave.
    pub fn forget(&mut self) -> Result<(), DriverError> {
        self.wait()?;
        for a in std::mem::take(&mut self.memory) {
            self.within(|api| {
                // SAFETY: `put` allocated it, and nothing on the stream uses it any more.
                api.ok("cuMemFree", unsafe { (api.free)(a.start) })
            })?;
        }
        Ok(())
    }

    /// The first allocation that something was written beside, and the place of it, counted from its first byte.
    pub fn damage(&mut self) -> Result<Option<(String, isize)>, DriverError> {
        let mut bytes = [0u8; GUARD];
        for i in 0..self.memory.len() {
            let (start, len) = (self.memory[i].start, self.memory[i].bytes);
            for (address, first) in
                [(start, -(GUARD as isize)), (start + (GUARD + len) as u64, len as isize)]
            {
                self.fetch(address, &mut bytes)?;
                if let Some(at) = bytes.iter().position(|b| *b != CANARY) {
                    return Ok(Some((self.memory[i].name.clone(), first + at as isize)));
                }
            }
        }
        Ok(None)
    }

    /// An error unless one allocation has all these bytes.
    fn holds(&self, address: u64, bytes: usize) -> Result<(), DriverError> {
        let inside = |a: &Allocation| {
            let offset = address.checked_sub(a.start + GUARD as u64);
            offset
                .and_then(|o| o.checked_add(bytes as u64))
                .is_some_and(|end| end <= a.bytes as u64)
        };
        match self.memory.iter().any(inside) {
            true => Ok(()),
            false => Err(DriverError::Wrong(format!("no {bytes} bytes at {address:#x}"))),
        }
    }

    /// Copies bytes of an allocation, canaries included, when all before is done.
    fn fetch(&self, address: u64, bytes: &mut [u8]) -> Result<(), DriverError> {
        self.within(|api| {
            let (to, len) = (bytes.as_mut_ptr().cast(), bytes.len());
            // SAFETY: the callers name bytes inside of an allocation; the slice has room for them until the copy, which is
            // waited for, has ended.
            api.ok("cuMemcpyDtoHAsync", unsafe { (api.to_host)(to, address, len, self.stream) })?;
            // SAFETY: the stream lives as long as `self`.
            api.ok("cuStreamSynchronize", unsafe { (api.wait)(self.stream) })
        })
    }

    fn send(&self, address: u64, bytes: &[u8]) -> Result<(), DriverError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.within(|api| {
            let from = bytes.as_ptr().cast();
            // SAFETY: the callers name bytes inside of an allocation; the slice is read before the wait ends.
            let code = unsafe { (api.to_device)(address, from, bytes.len(), self.stream) };
            api.ok("cuMemcpyHtoDAsync", code)?;
            // SAFETY: the stream lives as long as `self`.
            api.ok("cuStreamSynchronize", unsafe { (api.wait)(self.stream) })
        })
    }
}

fn log(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

impl Device for Cuda {
    fn put(&mut self, name: &str, bytes: &[u8], _known: bool) -> Result<u64, DriverError> {
        let start = self.reserve(name, bytes.len())?;
        self.send(start, bytes)?;
        Ok(start)
    }

    fn accepts(&self, features: &[String]) -> Result<(), DriverError> {
        refusal(features, &self.about).map_or(Ok(()), |why| Err(DriverError::Unavailable(why)))
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), DriverError> {
        self.holds(address, bytes.len())?;
        self.send(address, bytes)
    }

    fn zero(&mut self, address: u64, bytes: usize) -> Result<(), DriverError> {
        self.holds(address, bytes)?;
        self.within(|api| {
            // SAFETY: the range is inside of an allocation.
            api.ok("cuMemsetD8Async", unsafe { (api.fill)(address, 0, bytes, self.stream) })
        })
    }

    fn get(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), DriverError> {
        self.holds(address, bytes.len())?;
        self.fetch(address, bytes)
    }

    fn load(&mut self, kernel: &DeviceKernel<'_>) -> Result<usize, DriverError> {
        let module = self.module(Image::Ptx(kernel.text))?;
        self.kernel(module, kernel.entry, kernel.block)
    }

    fn launch(&mut self, kernel: usize, grid: usize, args: &[u64]) -> Result<(), DriverError> {
        let Some(Function { threads, shared, .. }) = self.kernels.get(kernel).copied() else {
            return Err(DriverError::Wrong(format!("no kernel {kernel}")));
        };
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.launch_as(kernel, [size(grid), 1, 1], [size(threads), 1, 1], size(shared), args)
    }
}

// SAFETY: contexts, streams and what belongs to them may be used by any thread, one after the other; each call makes the
// context current for itself.
unsafe impl Send for Cuda {}

impl Drop for Cuda {
    /// What the driver answers changes nothing any more.
    fn drop(&mut self) {
        let _ = self.forget();
        for module in self.modules.drain(..) {
            // SAFETY: the context is pushed and popped around the call, the module is loaded, nothing runs of it.
            unsafe {
                let _ = ((self.api.push)(self.context), (self.api.unload)(module));
                let _ = (self.api.pop)(&raw mut self.context);
            }
        }
        if !self.lent && !self.stream.is_null() {
            // SAFETY: `open` made the stream, and what was on it is done.
            let _ = self.within(|api| Ok(unsafe { (api.end_stream)(self.stream) }));
        }
        if let Some(device) = self.holds {
            // SAFETY: `open` retained it once.
            let _ = unsafe { (self.api.release)(device) };
        }
    }
}

#[cfg(test)]
mod tests;
