//! How fast a vector instruction can go: a loop of it on registers alone.
#![allow(unsafe_code)] // runs compiled code

use kgen_codegen::cpu::native::emit;
use kgen_ir::{
    extent::Dims,
    machine::{self, Kernel, Slot},
    target::Target,
};
use kgen_runtime::driver::{Driver, Loaded, native::Native};
use std::{collections::BTreeMap, fmt::Write, time::Instant};

/// Seconds of a reading: less than a core is given to a program at once.
pub const SPAN: f64 = 4e-4;

/// Code with its arguments.
pub struct Code {
    code: Box<dyn Loaded>,
    slots: Vec<Slot>,
    /// What pointers point to, and the scratch.
    memory: BTreeMap<String, Vec<u64>>,
    /// Moves and stack references of its innermost loops.
    pub inner: String,
}

impl Code {
    /// `sizes`: bytes of each pointer.
    pub fn new(kernel: &Kernel, target: &'static Target, sizes: &[(&str, usize)]) -> Code {
        let emitted = emit(kernel, target).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
        let code = Native::default().load(&emitted.text, &[kernel.name.as_str()]);
        let mut memory: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (name, bytes) in sizes.iter().chain([&("scratch", kernel.scratch)]) {
            memory.insert((*name).into(), vec![0x3f80_3f80_3f80_3f80; bytes / 8 + 16]);
        }
        let (moves, stack) = (emitted.stats.inner_moves, emitted.stats.inner_stack);
        Code {
            code: code.unwrap_or_else(|e| panic!("{e}")),
            slots: kernel.slots.clone(),
            memory,
            inner: format!("{moves} moves, {stack} stack references"),
        }
    }

    /// Turns a second, over so many seconds at least.
    pub fn rate(&mut self, span: f64) -> f64 {
        let mut times = 16;
        loop {
            let seconds = self.run(times);
            if seconds >= span {
                return times as f64 / seconds;
            }
            times *= 2;
        }
    }

    /// Seconds of so many turns.
    fn run(&mut self, times: usize) -> f64 {
        let mut dims = Dims { cores: 1, ..Dims::default() };
        dims.scalars.insert("times".into(), times as i64);
        let mut counters = [0u64; 8];
        let mut args = Vec::new();
        for slot in &self.slots {
            let pointer = |name: &str| {
                let memory = self.memory.get(name).unwrap_or_else(|| panic!("no `{name}`"));
                // As caches want it.
                (memory.as_ptr() as u64).next_multiple_of(64)
            };
            args.push(match slot {
                Slot::Pointer(name) => pointer(name),
                Slot::Scratch => pointer("scratch"),
                Slot::Extent(e) => e.eval(&dims).expect("its symbols are here") as u64,
                Slot::Counter(i) => &raw mut counters[*i] as u64,
                Slot::Stride(name, _) | Slot::End(name) => panic!("`{name}` is the workspace's"),
                Slot::Report => panic!("nothing is checked here"),
            });
        }
        let start = Instant::now();
        // SAFETY: the pointers have the sizes of their tensors; nobody else runs on them.
        unsafe { self.code.call(0, args.as_ptr(), 0) };
        start.elapsed().as_secs_f64()
    }
}

/// An instruction `s = op a, b, s`, with so many sums at once.
pub struct Loop {
    pub op: &'static str,
    /// Class of a sum, and the constant that makes one.
    pub class: &'static str,
    pub zero: &'static str,
    pub sums: usize,
}

impl Loop {
    /// Its code, and the instructions of a turn.
    pub fn code(&self, target: &'static Target) -> (Code, usize) {
        /// Instructions of a sum in a turn.
        const DEEP: usize = 8;
        let Loop { op, class, zero, sums } = *self;
        // Operands of products of bytes are words.
        let given = if op == "fma" { "f" } else { "w" };
        let list = |f: &dyn Fn(usize) -> String| (0..sums).map(f).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "machine probe lanes {} {{ slot 0 = pointer p slot 1 = extent times p = arg 0 : i n = arg 1 : i
             a = load.w32 [p + 0] : {given} b = load.w32 [p + 64] : {given} zero = {zero} 0 : {class}\n",
            target.lanes
        );
        let _ = write!(text, "{} = loop t in 0..n step 1", list(&|i| format!("r{i}")));
        let _ = writeln!(text, " carry {} {{", list(&|i| format!("s0_{i} = zero")));
        for deep in 0..DEEP {
            for i in 0..sums {
                let next = deep + 1;
                let _ = writeln!(text, "s{next}_{i} = {op} a, b, s{deep}_{i} : {class}");
            }
        }
        let _ = writeln!(text, "}} yield {}", list(&|i| format!("s{DEEP}_{i}")));
        for i in 0..sums {
            let _ = writeln!(text, "store.w32 [p + {}], r{i}", 4 * target.lanes * (i + 2));
        }
        text += "}";
        let kernel = machine::parse::parse(&text).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
        let bytes = 4 * target.lanes * (sums + 4);
        (Code::new(&kernel, target, &[("p", bytes)]), sums * DEEP)
    }

    /// Multiplications and additions a second of `threads` cores at once; `k`: products of a lane.
    pub fn flops(&self, target: &'static Target, threads: usize, k: usize) -> f64 {
        let one = || {
            let (mut code, count) = self.code(target);
            code.rate(0.05);
            code.rate(0.05) * (count * target.lanes * k * 2) as f64
        };
        std::thread::scope(|s| {
            let all: Vec<_> = (0..threads).map(|_| s.spawn(one)).collect();
            all.into_iter().map(|t| t.join().unwrap_or(0.0)).sum()
        })
    }
}
