//! Launches a kernel of an artifact by the GPU's driver alone, as any engine in any language can: nothing of kgen is used.
//!
//! ```text
//! kgen compile ops/softmax.toml --target sm80 -o made
//! cargo run -p kgen-compiler --example launch made/softmax.sm80 64 32000
//! ```
//!
//! The manifest says it all: the oldest driver, grid (workers over those of a block), block, shared memory, and the slots,
//! 64 bits each, with the number of workers behind them. This host is for ops from `x` to `y`, rows and columns of f32.

#![allow(unsafe_code)]

use cudarc::driver::{CudaContext, DevicePtr, LaunchConfig, PushKernelArg, sys::is_culib_present};
use cudarc::nvrtc::Ptx;
use std::{error::Error, fs::read_to_string};

/// An engine takes as many as its multiprocessors hold.
const WORKERS: u32 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let word = |n| std::env::args().nth(n).ok_or("launch FOLDER ROWS COLUMNS");
    let (folder, rows, columns) = (word(1)?, word(2)?.parse::<u64>()?, word(3)?.parse::<u64>()?);
    let path = format!("{folder}/manifest.toml");
    let told: toml::Table = read_to_string(&path).map_err(|e| format!("{path}: {e}"))?.parse()?;
    let kernel = &told["kernel"][0];
    let text = |key: &str| kernel[key].as_str().unwrap_or_default();
    let number = |key: &str| kernel["block"][key].as_integer().unwrap_or(0) as u32;
    let config = LaunchConfig {
        grid_dim: (u32::div_ceil(WORKERS, number("workers")), 1, 1),
        block_dim: (number("threads"), 1, 1),
        shared_mem_bytes: 0, // what the kernel declares is its own
    };
    let slots: Vec<String> = kernel["slots"].clone().try_into()?;
    println!("{}: {config:?}, slots {}, then {WORKERS} workers", text("entry"), slots.join(", "));
    // SAFETY: opens the driver's library.
    if !unsafe { is_culib_present() } {
        return Err(format!("no libcuda: needs {}", told["features"]).into());
    }
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    let ptx = Ptx::from_file(format!("{folder}/{}", text("file")));
    let function = context.load_module(ptx)?.load_function(text("entry"))?;
    let zeros = |n: u64| stream.alloc_zeros::<f32>(n as usize);
    let (x, y, counter) = (zeros(rows * columns)?, zeros(rows * columns)?, zeros(32)?);
    let word = |slot: &String| match &slot[..] {
        "extent m" => Ok(rows),
        "pointer x" => Ok(x.device_ptr(&stream).0),
        "pointer y" => Ok(y.device_ptr(&stream).0),
        "stride x 0" | "stride y 0" => Ok(4 * columns),
        "counter 0" => Ok(counter.device_ptr(&stream).0),
        other => Err(format!("this host has no {other}")),
    };
    let words = slots.iter().map(word).chain([Ok(WORKERS.into())]);
    let words = words.collect::<Result<Vec<u64>, _>>()?;
    let mut launch = stream.launch_builder(&function);
    for word in &words {
        launch.arg(word);
    }
    // SAFETY: what the manifest asks for, on memory of the sizes that it tells.
    unsafe { launch.launch(config)? };
    println!("y[0] = {}", stream.clone_dtoh(&y)?[0]);
    Ok(())
}
