//! Machine code of x86-64 with AVX2 or AVX-512: kernel in, bytes and their listing out.
//!
//! ```text
//! machine::Kernel --scan, select--> mir --alloc--> registers --encode--> bytes --listing--> text
//! ```
//!
//! A kernel is `extern "sysv64" fn(args: *const u64, worker: u64)`, its entry is its first byte, and it may stand
//! anywhere in memory.

mod alloc;
mod encode;
mod instr;
mod isa;
mod listing;
mod mir;
mod operand;
pub(super) mod rows;
pub(super) mod rows512;
mod scan;
mod select;
mod template;

pub use listing::FORMAT;

use iced_x86::{Encoder, FastFormatter};
use isa::Isa;
use kgen_ir::{diag::Unsupported, machine::Kernel, target::Target};
use select::{Refused, VERIFY};
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Code of a kernel.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The listing, which is what ships.
    pub text: String,
    pub code: Vec<u8>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub instructions: usize,
    pub bytes: usize,
    /// Most vector registers that hold values at once.
    pub max_live_vectors: usize,
    /// Moves to or from the stack that the allocator made.
    pub spills: usize,
    /// Its moves between registers, and everybody's to and from the stack, in innermost loops.
    pub inner_moves: usize,
    pub inner_stack: usize,
    /// Values put on the stack while loops that do not read them run.
    pub parked: usize,
    pub times: Times,
}

/// Without the times: the same kernel says the same.
impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} instructions, {} bytes; at most {} live vectors, {} spills, {} parked; in innermost loops {} moves and \
             {} stack references",
            self.instructions,
            self.bytes,
            self.max_live_vectors,
            self.spills,
            self.parked,
            self.inner_moves,
            self.inner_stack
        )
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub select: Duration,
    pub allocate: Duration,
    pub encode: Duration,
    pub list: Duration,
}

/// What a thread keeps from one kernel to the next.
struct Tools {
    encoder: Encoder,
    formatter: FastFormatter,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::new(Tools {
        encoder: Encoder::new(64),
        formatter: FastFormatter::new(),
    });
}

/// The kernel as code of a native target; an op without a row is refused with its name.
///
/// Builds with debug assertions check the allocation of registers, which takes many times as long.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<Emitted, Unsupported> {
    let refuse = |what: String, instead: &str| Unsupported {
        what,
        target: target.name.into(),
        instead: instead.into(),
    };
    let Some(isa) = isa::of(target) else {
        return Err(refuse("native code".into(), "use the emitter of its backend"));
    };
    if kernel.lanes != target.lanes {
        let instead = format!("lower for {} lanes", target.lanes);
        return Err(refuse(format!("{} lanes", kernel.lanes), &instead));
    }
    if kernel.name.is_empty() || !kernel.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(refuse(
            format!("the kernel name `{}`", kernel.name),
            "use letters, digits and `_`",
        ));
    }
    TOOLS
        .with_borrow_mut(|tools| build(kernel, target, isa, tools))
        .map_err(|Refused(what, instead)| refuse(what, instead))
}

fn build(
    kernel: &Kernel,
    target: &Target,
    isa: &'static Isa,
    tools: &mut Tools,
) -> Result<Emitted, Refused> {
    let begun = Instant::now();
    let templates = isa.templates.as_ref().map_err(|e| Refused(e.clone(), "correct the row"))?;
    let scan = scan::scan(kernel, isa, templates);
    let mir = select::select(kernel, isa, templates, &scan)?;
    let selected = Instant::now();
    let registers = alloc::Registers::of(isa);
    let allocation = alloc::allocate(&mir, registers);
    let allocated = Instant::now();
    if cfg!(debug_assertions) {
        alloc::check(&mir, registers, &allocation)
            .map_err(|e| Refused(format!("these registers ({e})"), VERIFY))?;
    }
    let checked = Instant::now();
    let encoded = encode::encode(&mir, isa, &allocation, &mut tools.encoder)
        .map_err(|e| Refused(format!("its code ({e})"), VERIFY))?;
    let done = Instant::now();
    let text = listing::listing(&kernel.name, target, &encoded, &mut tools.formatter);
    let stats = Stats {
        instructions: encoded.instructions,
        bytes: encoded.code.len(),
        max_live_vectors: allocation.max_live_vectors,
        spills: encoded.spills,
        inner_moves: encoded.inner_moves,
        inner_stack: encoded.inner_stack,
        parked: allocation.parked,
        times: Times {
            select: selected - begun,
            allocate: allocated - selected,
            encode: done - checked,
            list: done.elapsed(),
        },
    };
    Ok(Emitted { text, code: encoded.code, stats })
}
