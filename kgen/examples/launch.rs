//! Launches a kernel of an artifact by the GPU's driver alone, as any engine in any language can: nothing of kgen is used.
//!
//! ```text
//! kgen compile ops/softmax.toml --target sm80 -o made
//! cargo run -p kgen-compiler --example launch made/softmax.sm80 m=64
//! ```
//!
//! The manifest says it all: the oldest driver, grid (workers over those of a block), block, shared memory, and the slots,
//! 64 bits each, with the number of workers behind them. This host does one launch on strided tensors; sizes are those of
//! the command line.

#![allow(unsafe_code)]

use libloading::{Library, Symbol};
use std::{collections::HashMap, error::Error, ffi::CString, ptr::null_mut};

/// Of the launch; an engine takes the multiprocessors times what they hold.
const WORKERS: i64 = 8;
/// Bytes from one task counter to the next.
const COUNTER: u64 = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let path = format!("{}/manifest.toml", args.get(1).ok_or("usage: launch FOLDER NAME=SIZE ..")?);
    let manifest: toml::Table =
        std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?.parse()?;
    let sizes: HashMap<&str, u64> = args
        .iter()
        .filter_map(|a| a.split_once('='))
        .filter_map(|(n, v)| Some((n, v.parse().ok()?)))
        .collect();
    let size = |e: &str| e.parse().ok().or(sizes.get(e).copied()).ok_or(format!("give {e}=SIZE"));
    let texts = |v: &toml::Value| -> Vec<String> {
        v.as_array().into_iter().flatten().filter_map(|x| x.as_str()).map(Into::into).collect()
    };
    let kernel = &manifest["kernel"][0];
    let (block, slots) = (&kernel["block"], texts(&kernel["slots"]));
    let number = |key: &str| block[key].as_integer().unwrap_or(0);
    let grid = WORKERS.div_euclid(number("workers")) + i64::from(WORKERS % number("workers") > 0);
    let (threads, shared) = (number("threads"), number("shared"));
    let entry = kernel["entry"].as_str().ok_or("no entry")?;
    println!(
        "{entry}: {grid} blocks of {threads} threads, {shared} bytes of shared memory, slots {}, then {WORKERS} workers",
        slots.join(", ")
    );
    let features = texts(&manifest["features"]).join(", ");
    // SAFETY: the driver's library, and below its functions as its API declares them, on memory of the sizes allocated.
    let cuda = unsafe { Library::new("libcuda.so.1") }
        .map_err(|e| format!("no libcuda.so.1 (needs {features}): {e}"))?;
    type P = *mut std::ffi::c_void;
    macro_rules! call {
        ($name:literal ($($ty:ty),*) $($arg:expr),*) => {{
            // SAFETY: as above.
            let code = unsafe { cuda.get::<Symbol<unsafe extern "C" fn($($ty),*) -> i32>>($name)?($($arg),*) };
            if code != 0 {
                return Err(format!("{}: error {code} (needs {features})", String::from_utf8_lossy($name)).into());
            }
        }};
    }
    let (mut device, mut context, mut module, mut function) =
        (0i32, null_mut(), null_mut(), null_mut());
    call!(b"cuInit"(u32) 0);
    call!(b"cuDeviceGet"(*mut i32, i32) &raw mut device, 0);
    call!(b"cuDevicePrimaryCtxRetain"(*mut P, i32) &raw mut context, device);
    call!(b"cuCtxSetCurrent"(P) context);
    let file = kernel["file"].as_str().ok_or("no file")?;
    let text = CString::new(std::fs::read(path.replace("manifest.toml", file))?)?;
    let entry = CString::new(entry)?;
    call!(b"cuModuleLoadData"(*mut P, P) &raw mut module, text.as_ptr().cast_mut().cast());
    call!(b"cuModuleGetFunction"(*mut P, P, P) &raw mut function, module, entry.as_ptr().cast_mut().cast());
    // `in x: f32[m, 32000]`: name, row stride and bytes.
    let mut tensors = HashMap::new();
    for param in texts(&manifest["params"]) {
        let (name, ty) =
            param.split_once(' ').and_then(|(_, p)| p.split_once(": ")).ok_or("a parameter")?;
        let (elem, shape) = ty.trim_end_matches(']').split_once('[').ok_or("a shape")?;
        let elem = elem.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u64>()? / 8;
        let shape = shape.split(", ").map(&size).collect::<Result<Vec<u64>, _>>()?;
        let (bytes, mut at) = (elem * shape.iter().product::<u64>(), 0u64);
        call!(b"cuMemAlloc_v2"(*mut u64, usize) &raw mut at, bytes as usize);
        call!(b"cuMemsetD8_v2"(u64, u8, usize) at, 0, bytes as usize);
        tensors.insert(name.to_owned(), (at, elem * shape.last().copied().unwrap_or(1)));
    }
    let counters = kernel["counters"].as_integer().unwrap_or(0).max(1) as u64 * COUNTER;
    let mut zeros = 0u64;
    call!(b"cuMemAlloc_v2"(*mut u64, usize) &raw mut zeros, counters as usize);
    call!(b"cuMemsetD8_v2"(u64, u8, usize) zeros, 0, counters as usize);
    let mut words = Vec::new();
    for slot in &slots {
        let (what, rest) = slot.split_once(' ').unwrap_or((slot, ""));
        let name = rest.split(' ').next().unwrap_or("");
        words.push(match what {
            "pointer" => tensors[name].0,
            "stride" => tensors[name].1,
            "extent" => size(rest)?,
            "counter" => zeros + rest.parse::<u64>()? * COUNTER,
            other => return Err(format!("this host has no {other}").into()),
        });
    }
    words.push(WORKERS as u64);
    let mut pointers: Vec<P> =
        words.iter().map(|w| std::ptr::from_ref(w).cast_mut().cast()).collect();
    call!(b"cuLaunchKernel"(P, u32, u32, u32, u32, u32, u32, u32, P, *mut P, *mut P)
        function, grid as u32, 1, 1, threads as u32, 1, 1, 0, null_mut(), pointers.as_mut_ptr(), null_mut());
    let (mut first, y) = (0f32, tensors["y"].0);
    call!(b"cuMemcpyDtoH_v2"(P, u64, usize)(&raw mut first).cast(), y, 4);
    println!("y[0] = {first}");
    Ok(())
}
