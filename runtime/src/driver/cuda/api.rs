//! The functions of the driver that are called, found by name in its library.
//!
//! ```text
//! let api = Api::get()?;                                         // "there is no NVIDIA driver here"
//! api.ok("cuInit", unsafe { (api.init)(0) })?;                   // "cuInit: CUDA_ERROR_NO_DEVICE (no device ..)"
//! ```
//!
//! cudarc finds and opens the library. Its own bindings give results as an enum of the version they were made from, which
//! must not hold the number of a newer driver's error, and end the process where a function is missing; here results are
//! numbers, and what an old driver lacks is an error.

#![allow(unsafe_code)]

use crate::driver::DriverError;
use cudarc::driver::sys;
use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void},
    sync::OnceLock,
};

/// A handle of the driver: context, stream, module, function, event, graph.
pub type Handle = *mut c_void;

macro_rules! functions {
    ($(#[$about:meta])* $name:ident { $($field:ident = $symbol:literal ($($arg:ty),*);)* }) => {
        $(#[$about])*
        pub struct $name {
            $(pub $field: unsafe extern "C" fn($($arg),*) -> c_int,)*
        }

        impl $name {
            /// All of them, or the name of the first that the driver lacks.
            fn load() -> Result<$name, &'static str> {
                // SAFETY: the caller has seen that the library can be opened.
                let library = unsafe { sys::culib() };
                Ok($name {
                    $($field: {
                        type F = unsafe extern "C" fn($($arg),*) -> c_int;
                        // SAFETY: the driver's API declares the function of this name so.
                        *unsafe { library.get::<F>($symbol.as_bytes()) }.map_err(|_| $symbol)?
                    },)*
                })
            }
        }
    };
}

functions! {
    /// What every driver of these chips has.
    Api {
        init = "cuInit"(c_uint);
        version = "cuDriverGetVersion"(*mut c_int);
        error_name = "cuGetErrorName"(c_int, *mut *const c_char);
        error_text = "cuGetErrorString"(c_int, *mut *const c_char);
        device_count = "cuDeviceGetCount"(*mut c_int);
        device = "cuDeviceGet"(*mut c_int, c_int);
        device_name = "cuDeviceGetName"(*mut c_char, c_int, c_int);
        device_memory = "cuDeviceTotalMem_v2"(*mut usize, c_int);
        attribute = "cuDeviceGetAttribute"(*mut c_int, c_int, c_int);
        retain = "cuDevicePrimaryCtxRetain"(*mut Handle, c_int);
        release = "cuDevicePrimaryCtxRelease"(c_int);
        push = "cuCtxPushCurrent_v2"(Handle);
        pop = "cuCtxPopCurrent_v2"(*mut Handle);
        context_device = "cuCtxGetDevice"(*mut c_int);
        allocate = "cuMemAlloc_v2"(*mut u64, usize);
        free = "cuMemFree_v2"(u64);
        to_device = "cuMemcpyHtoDAsync_v2"(u64, *const c_void, usize, Handle);
        to_host = "cuMemcpyDtoHAsync_v2"(*mut c_void, u64, usize, Handle);
        on_device = "cuMemcpyDtoDAsync_v2"(u64, u64, usize, Handle);
        fill = "cuMemsetD8Async"(u64, u8, usize, Handle);
        load = "cuModuleLoadDataEx"(*mut Handle, *const c_void, c_uint, *mut c_uint, *mut *mut c_void);
        unload = "cuModuleUnload"(Handle);
        function = "cuModuleGetFunction"(*mut Handle, Handle, *const c_char);
        function_attribute = "cuFuncGetAttribute"(*mut c_int, c_int, Handle);
        set_function_attribute = "cuFuncSetAttribute"(Handle, c_int, c_int);
        resident_blocks = "cuOccupancyMaxActiveBlocksPerMultiprocessor"(*mut c_int, Handle, c_int, usize);
        launch = "cuLaunchKernel"(Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void, *mut *mut c_void);
        stream = "cuStreamCreate"(*mut Handle, c_uint);
        stream_context = "cuStreamGetCtx"(Handle, *mut Handle);
        wait = "cuStreamSynchronize"(Handle);
        end_stream = "cuStreamDestroy_v2"(Handle);
        event = "cuEventCreate"(*mut Handle, c_uint);
        record = "cuEventRecord"(Handle, Handle);
        wait_event = "cuEventSynchronize"(Handle);
        elapsed = "cuEventElapsedTime"(*mut f32, Handle, Handle);
        end_event = "cuEventDestroy_v2"(Handle);
    }
}

functions! {
    /// What drivers from CUDA 11.4 on have.
    Graphs {
        begin = "cuStreamBeginCapture_v2"(Handle, c_int);
        end = "cuStreamEndCapture"(Handle, *mut Handle);
        instantiate = "cuGraphInstantiateWithFlags"(*mut Handle, Handle, c_ulonglong);
        launch = "cuGraphLaunch"(Handle, Handle);
        destroy = "cuGraphDestroy"(Handle);
        destroy_made = "cuGraphExecDestroy"(Handle);
    }
}

/// What there is without a driver.
pub(super) const NO_DRIVER: &str =
    "there is no NVIDIA driver here: its library (libcuda.so.1, nvcuda.dll) is not found";

impl Api {
    /// The driver's functions, looked up once a process, and the driver made ready.
    pub fn get() -> Result<&'static Api, DriverError> {
        static API: OnceLock<Result<Api, String>> = OnceLock::new();
        let made = API.get_or_init(|| {
            // SAFETY: opens the driver's library, whose initialisers may run in any process.
            if !unsafe { sys::is_culib_present() } {
                return Err(NO_DRIVER.into());
            }
            let lacks = |name| format!("the NVIDIA driver here is too old: it has no {name}");
            let api = Api::load().map_err(lacks)?;
            // SAFETY: the first call, as the API wants it; no flag is defined.
            api.ok("cuInit", unsafe { (api.init)(0) }).map_err(|e| match e {
                DriverError::Wrong(what) => what,
                other @ (DriverError::Entry(_)
                | DriverError::Compile(_)
                | DriverError::Unavailable(_)) => other.to_string(),
            })?;
            Ok(api)
        });
        made.as_ref().map_err(|e| DriverError::Unavailable(e.clone()))
    }

    /// An error that says which function failed and what the driver says of the number it gave.
    pub fn ok(&self, function: &str, code: c_int) -> Result<(), DriverError> {
        if code == 0 {
            return Ok(());
        }
        let told = |ask: unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int| {
            let mut text = std::ptr::null();
            // SAFETY: the driver writes the address of a text of its own that stays, or none.
            let found = unsafe { ask(code, &raw mut text) } == 0 && !text.is_null();
            // SAFETY: as above, and it ends with a zero.
            found.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        let name = told(self.error_name).unwrap_or_else(|| format!("error {code}"));
        let text = told(self.error_text).map_or_else(String::new, |t| format!(" ({t})"));
        Err(DriverError::Wrong(format!("{function}: {name}{text}")))
    }
}

impl Graphs {
    pub fn get() -> Result<&'static Graphs, DriverError> {
        static GRAPHS: OnceLock<Result<Graphs, &'static str>> = OnceLock::new();
        Api::get()?;
        GRAPHS.get_or_init(Graphs::load).as_ref().map_err(|name| {
            let what =
                format!("the NVIDIA driver here has no {name}: graphs need that of CUDA 11.4");
            DriverError::Unavailable(what)
        })
    }
}
