//! A launch: a kernel, its grid, its arguments, and how it is looked at.

use super::{
    Entry, Error, Memory, Module,
    check::report::Report,
    exec::{self, Setup},
    op::Kernel,
};

/// When asynchronous work is done, and which warp goes next. A correct kernel does not care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As late as is legal: what was not waited for is not there.
    #[default]
    Latest,
    /// At once.
    Earliest,
    /// Now and then, by the seed; warps go in any order.
    Random,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// Also races and costs of accesses.
    #[default]
    Full,
    /// Bounds, alignment, what was written, and waits.
    Fast,
}

#[derive(Clone, Debug)]
pub struct Launch {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    pub order: Order,
    pub seed: u64,
    pub check: Check,
    /// Which blocks run, by their number `x + grid.x * (y + grid.y * z)`; none: all.
    pub blocks: Option<Vec<u32>>,
    /// Counters of tasks, by address, and the only tasks that these blocks get from them, in order: blocks that do not
    /// run took the others in the meantime.
    pub tasks: Vec<(u64, Vec<u64>)>,
    /// Instructions that a block may execute before it is taken for endless.
    pub limit: u64,
    /// Follow what each value is as a function of the inputs: [`Memory::terms`] tells of the outputs.
    pub follow: bool,
}

impl Default for Launch {
    fn default() -> Launch {
        Launch {
            grid: [1; 3],
            block: [32, 1, 1],
            shared: 0,
            order: Order::Latest,
            seed: 0,
            check: Check::Full,
            blocks: None,
            tasks: vec![],
            limit: 1 << 28,
            follow: false,
        }
    }
}

/// An argument of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// The address of a buffer, and an offset in bytes.
    Buffer(usize, u64),
    /// A value as its bytes.
    Bytes(Vec<u8>),
}

/// Runs a kernel on memory; findings and costs are in the report, what cannot be run at all is an error.
pub fn run(
    module: &Module,
    entry: Entry,
    launch: &Launch,
    args: &[Arg],
    memory: &mut Memory,
) -> Result<Report, Error> {
    let Some(kernel) = module.kernel(entry) else {
        return Err(Error::Launch("this kernel is of another module".into()));
    };
    check(kernel, launch, module.target())?;
    let params = params(kernel, args, memory)?;
    let mut addresses = vec![];
    for (name, bytes, constant) in &module.variables {
        let known = memory.find(name).unwrap_or_else(|| {
            let index = memory.add(name, bytes.clone(), true);
            if let Some(buffer) = memory.buffer_mut(index) {
                // Its bytes are the text's.
                (buffer.constant, buffer.known) = (*constant, true);
            }
            index
        });
        addresses.push((name.clone(), memory.address(known)));
    }
    if launch.follow {
        memory.follow();
    }
    let setup = Setup { module, kernel, launch, params, addresses };
    Ok(exec::run(&setup, memory))
}

/// Shared memory that a block may have, static and dynamic: CUDA C++ Programming Guide, "Compute Capabilities".
#[rustfmt::skip] // one per row
const SHARED: &[(&str, u32)] = &[
    ("sm_70", 98_304), ("sm_72", 98_304), ("sm_75", 65_536), ("sm_80", 166_912), ("sm_86", 101_376),
    ("sm_87", 166_912), ("sm_89", 101_376), ("sm_90", 232_448), ("sm_100", 232_448), ("sm_103", 232_448),
    ("sm_110", 232_448), ("sm_120", 101_376), ("sm_121", 101_376),
];
/// What the assembler takes for arrays of a size that the text says.
const STATIC: u32 = 49_152;

fn check(kernel: &Kernel, launch: &Launch, target: &str) -> Result<(), Error> {
    let refuse = |what: String| Err(Error::Launch(what));
    let threads: u64 = launch.block.iter().map(|n| u64::from(*n)).product();
    let blocks = launch.grid.iter().try_fold(1u32, |n, g| n.checked_mul(*g));
    if threads == 0 || threads > 1024 {
        return refuse(format!("a block has 1 to 1024 threads, not {threads}"));
    }
    let Some(blocks) = blocks.filter(|b| *b > 0) else {
        return refuse("a grid has 1 to 2^32 - 1 blocks".into());
    };
    if let Some(required) = kernel.required_threads.filter(|r| *r != launch.block) {
        return refuse(format!(
            "`{}` asks for blocks of {required:?} threads, not {:?}",
            kernel.name, launch.block
        ));
    }
    if let Some(max) = kernel.max_threads {
        let most: u64 = max.iter().map(|n| u64::from(*n)).product();
        if threads > most {
            return refuse(format!("`{}` takes at most {most} threads a block", kernel.name));
        }
    }
    if kernel.shared > STATIC {
        return refuse(format!(
            "`{}` declares {} bytes of shared memory; beyond {STATIC} they must be an extern array, given by the launch",
            kernel.name, kernel.shared
        ));
    }
    let chip = target.trim_end_matches(char::is_alphabetic);
    let most = SHARED.iter().find(|(name, _)| *name == chip).map_or(232_448, |(_, bytes)| *bytes);
    let asked = u64::from(kernel.shared) + u64::from(launch.shared);
    if asked > most.into() {
        return refuse(format!("{asked} bytes of shared memory a block; {target} has {most}"));
    }
    match launch.blocks.iter().flatten().find(|b| **b >= blocks) {
        Some(b) => refuse(format!("block {b} is not in a grid of {blocks}")),
        None => Ok(()),
    }
}

fn params(kernel: &Kernel, args: &[Arg], memory: &Memory) -> Result<Vec<u8>, Error> {
    if args.len() != kernel.params.len() {
        let wanted: Vec<_> =
            kernel.params.iter().map(|(n, _, s)| format!("{n} ({s} bytes)")).collect();
        return Err(Error::Launch(format!(
            "`{}` has {} parameters, here are {} arguments; it takes {}",
            kernel.name,
            kernel.params.len(),
            args.len(),
            wanted.join(", ")
        )));
    }
    let mut out = vec![0; kernel.param_bytes as usize];
    for (arg, (name, offset, size)) in args.iter().zip(&kernel.params) {
        let bytes = match arg {
            Arg::Buffer(index, at) => {
                if memory.buffer(*index).is_none() {
                    return Err(Error::Launch(format!("`{name}`: there is no buffer {index}")));
                }
                memory.address(*index).wrapping_add(*at).to_le_bytes().to_vec()
            }
            Arg::Bytes(bytes) => bytes.clone(),
        };
        if bytes.len() != *size as usize {
            let message = format!("`{name}` has {size} bytes, the argument {}", bytes.len());
            return Err(Error::Launch(message));
        }
        if let Some(to) = out.get_mut(*offset as usize..(*offset + *size) as usize) {
            to.copy_from_slice(&bytes);
        }
    }
    Ok(out)
}
