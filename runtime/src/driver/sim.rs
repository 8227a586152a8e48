//! The simulator as a device: kernels run by the meaning of their text, and each finding of the sanitiser is an error.
//!
//! ```text
//! let mut device = Sim::default();
//! session.run_on(&mut device)?;
//! println!("{} lines with accesses", device.ran.iter().map(|r| r.lines.len()).sum::<usize>());
//! ```

use super::{Device, DeviceKernel, DriverError};
use crate::plan::COUNTERS;
use kgen_ir::artifact::Block;
use kgen_sim::ptx::{Arg, Entry, Launch, Line, Memory, Module, Order, run};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// A GPU of any chip: the text says which.
#[derive(Default)]
pub struct Sim {
    memory: Memory,
    /// Every launch, in order.
    pub ran: Vec<Ran>,
    kernels: Vec<(Module, Entry, Block, String)>,
    /// When asynchronous work is done and which warp goes next, by the seed.
    pub order: Order,
    pub seed: u64,
    /// Executed by warps in all launches.
    pub instructions: u64,
    /// Follow what outputs are as functions of the inputs, but for those that say where things are.
    pub follow: bool,
    pub places: Vec<String>,
    /// Did data decide where a kernel went?
    pub decided: bool,
    /// A launch that executes more in a block has no end.
    pub limit: Option<u64>,
    /// Of each entry, what its accesses cost.
    pub costs: BTreeMap<String, Cost>,
    /// Of each entry, the lines that some lane executed.
    pub reached: BTreeMap<String, BTreeSet<u32>>,
    /// Of each entry, the lines whose guard kept some lane from it.
    pub held: BTreeMap<String, BTreeSet<u32>>,
    /// Warps of a launch, if not as many as its owner says.
    pub workers: Option<usize>,
    /// Asked before each launch which tasks are done; without an answer all are.
    pub choose: Option<Box<Choose>>,
    launches: usize,
}

/// A launch: the entry, what it was given, and what accesses of each line of the text cost.
#[derive(Clone, Debug)]
pub struct Ran {
    pub entry: String,
    pub args: Vec<u64>,
    pub lines: BTreeMap<u32, Line>,
}

/// Tasks of the launch of a number, as its counter gives them out. It reads bytes of tensors and workspace by name; those
/// that nobody has written yet are none.
pub type Choose = dyn FnMut(usize, &Bytes<'_>) -> Option<Vec<u64>>;
pub type Bytes<'a> = dyn Fn(&str, Range<usize>) -> Option<Vec<u8>> + 'a;

/// What accesses of a kernel cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Passes over the banks beyond those that the bytes take: of what matrix instructions are fed by, and of all others.
    pub operand_conflicts: u64,
    pub other_conflicts: u64,
    /// Sectors of global memory touched, and those that the bytes fill: of 16 bytes a lane, and of all others.
    pub streams: [u64; 2],
    pub others: [u64; 2],
}

impl Cost {
    fn add(&mut self, line: &Line) {
        let text = &line.instruction;
        let (copy, wide) = wide(text);
        let conflicts = line.wavefronts - line.ideal_wavefronts;
        if copy || text.contains("matrix") || wide && text.contains(".shared") {
            self.operand_conflicts += conflicts;
        } else {
            self.other_conflicts += conflicts;
        }
        let sectors = if copy || wide { &mut self.streams } else { &mut self.others };
        sectors[0] += line.sectors;
        sectors[1] += line.ideal_sectors;
    }

    pub fn join(&mut self, other: &Cost) {
        self.operand_conflicts += other.operand_conflicts;
        self.other_conflicts += other.other_conflicts;
        for (own, more) in [(&mut self.streams, other.streams), (&mut self.others, other.others)] {
            own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        }
    }
}

/// Whether an instruction is a copy of 16 bytes a lane, or another access of as many.
fn wide(instruction: &str) -> (bool, bool) {
    let copy = instruction.contains("cp.async") && instruction.contains("16,");
    (copy, instruction.contains(".v4."))
}

/// Whether sectors of an instruction are those of [`Cost::streams`].
pub fn streams(instruction: &str) -> bool {
    let (copy, wide) = wide(instruction);
    copy || wide
}

/// Findings told of one launch.
const TOLD: usize = 4;

impl Sim {
    /// One that goes about it in another order.
    pub fn new(order: Order, seed: u64) -> Sim {
        Sim { order, seed, ..Sim::default() }
    }

    /// What the bytes of the last buffer of that name are as a function of the data.
    pub fn terms(&self, name: &str) -> Vec<u64> {
        named(&self.memory, name).map_or(vec![], |i| self.memory.terms(i))
    }

    /// Of each byte of the last buffer of that name, whether it was written.
    pub fn written(&self, name: &str) -> Vec<bool> {
        named(&self.memory, name).map_or(vec![], |i| self.memory.written(i))
    }

    /// The counters among the arguments of the next launch, and the tasks that it gets from them.
    fn tasks(&mut self, args: &[u64]) -> Vec<(u64, Vec<u64>)> {
        let (launch, memory) = (self.launches, &self.memory);
        self.launches += 1;
        let read = |name: &str, range: Range<usize>| {
            let index = named(memory, name)?;
            let there = memory.written(index).get(range.clone())?.iter().all(|w| *w);
            there.then(|| memory.bytes(index).get(range).map(<[u8]>::to_vec))?
        };
        let chosen = self.choose.as_mut().and_then(|choose| choose(launch, &read));
        let (Some(tasks), Some(counters)) = (chosen, named(memory, COUNTERS)) else {
            return vec![];
        };
        let start = memory.address(counters);
        let own = start..start + memory.bytes(counters).len() as u64;
        args.iter().filter(|a| own.contains(a)).map(|a| (*a, tasks.clone())).collect()
    }

    /// The buffer of an address, and bytes behind its start.
    fn find(&self, address: u64) -> Option<(usize, usize)> {
        (0..self.memory.len()).find_map(|i| {
            let offset = address.checked_sub(self.memory.address(i))?;
            let offset = usize::try_from(offset).ok()?;
            (offset <= self.memory.bytes(i).len()).then_some((i, offset))
        })
    }
}

impl Device for Sim {
    fn put(&mut self, name: &str, bytes: &[u8], known: bool) -> Result<u64, DriverError> {
        let index = self.memory.add(name, bytes.to_vec(), known);
        if self.places.iter().any(|p| p == name) {
            self.memory.decides(index);
        }
        Ok(self.memory.address(index))
    }

    /// The text says which chip it is for, and any is simulated.
    fn constant(&mut self, address: u64) {
        if let Some((index, _)) = self.find(address) {
            self.memory.constant(index);
        }
    }

    fn accepts(&self, _: &[String]) -> Result<(), DriverError> {
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), DriverError> {
        let found = self.find(address);
        let to = found.and_then(|(i, at)| self.memory.bytes_mut(i).get_mut(at..at + bytes.len()));
        to.map(|to| to.copy_from_slice(bytes)).ok_or_else(|| nowhere(address, bytes.len()))
    }

    fn zero(&mut self, address: u64, bytes: usize) -> Result<(), DriverError> {
        self.write(address, &vec![0; bytes])
    }

    fn get(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), DriverError> {
        let found = self.find(address);
        let from = found.and_then(|(i, at)| self.memory.bytes(i).get(at..at + bytes.len()));
        from.map(|from| bytes.copy_from_slice(from)).ok_or_else(|| nowhere(address, bytes.len()))
    }

    fn load(&mut self, kernel: &DeviceKernel<'_>) -> Result<usize, DriverError> {
        let module = Module::parse(kernel.text).map_err(|e| DriverError::Compile(e.to_string()))?;
        let entry = module.entry(kernel.entry);
        let entry = entry.ok_or_else(|| DriverError::Entry(kernel.entry.into()))?;
        self.kernels.push((module, entry, kernel.block, kernel.entry.into()));
        Ok(self.kernels.len() - 1)
    }

    fn launch(&mut self, kernel: usize, grid: usize, args: &[u64]) -> Result<(), DriverError> {
        let tasks = self.tasks(args);
        let Some((module, entry, block, name)) = self.kernels.get(kernel) else {
            return Err(DriverError::Wrong(format!("no kernel {kernel}")));
        };
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let launch = Launch {
            grid: [size(grid), 1, 1],
            block: [size(block.threads), 1, 1],
            // What the text does not declare by itself.
            shared: size(block.shared).saturating_sub(module.shared(*entry)),
            order: self.order,
            seed: self.seed,
            follow: self.follow,
            tasks,
            limit: self.limit.unwrap_or(Launch::default().limit),
            ..Launch::default()
        };
        let given: Vec<Arg> = args.iter().map(|a| Arg::Bytes(a.to_le_bytes().to_vec())).collect();
        let report = run(module, *entry, &launch, &given, &mut self.memory)
            .map_err(|e| DriverError::Wrong(e.to_string()))?;
        self.instructions += report.statistics.instructions;
        self.decided |= report.depends.is_some();
        let reached = self.reached.entry(name.clone()).or_default();
        reached.extend(&report.statistics.reached);
        self.held.entry(name.clone()).or_default().extend(&report.statistics.held);
        let cost = self.costs.entry(name.clone()).or_default();
        report.statistics.lines.values().for_each(|line| cost.add(line));
        let lines = report.statistics.lines;
        self.ran.push(Ran { entry: name.clone(), args: args.into(), lines });
        if report.findings.is_empty() {
            return Ok(());
        }
        let told: Vec<String> =
            report.findings.iter().take(TOLD).map(ToString::to_string).collect();
        let more = report.findings.len().saturating_sub(TOLD);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(DriverError::Wrong(told.join("; ") + &more))
    }
}

/// The last buffer of that name.
fn named(memory: &Memory, name: &str) -> Option<usize> {
    (0..memory.len()).rev().find(|i| memory.name(*i) == name)
}

fn nowhere(address: u64, bytes: usize) -> DriverError {
    DriverError::Wrong(format!("no {bytes} bytes at {address:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{buffer::Guard, module, pool::Pool, tensors::Session};
    use kgen_ir::{
        artifact::{Artifact, Manifest},
        dtype::Dtype,
        extent::Dims,
        tensor::Tensor,
    };
    use std::{collections::BTreeMap, sync::Arc};

    #[test]
    fn costs_are_those_of_operands_and_streams() {
        let line = |instruction: &str, wavefronts, sectors| Line {
            instruction: instruction.into(),
            executed: 1,
            wavefronts,
            ideal_wavefronts: 1,
            sectors,
            ideal_sectors: sectors.min(4),
            ..Line::default()
        };
        let mut cost = Cost::default();
        cost.add(&line("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0}, [%q1];", 3, 0));
        cost.add(&line("cp.async.cg.shared.global [%q1], [%q2], 16, %r3;", 1, 4));
        cost.add(&line("cp.async.ca.shared.global [%q1], [%q2], 4, %r3;", 1, 5));
        cost.add(&line("st.shared.f32 [%q1], %f1;", 2, 0));
        cost.add(&line("ld.global.v4.f32 {%f0}, [%q1];", 1, 4));
        let mut twice = cost;
        twice.join(&cost);
        let all =
            Cost { operand_conflicts: 4, other_conflicts: 2, streams: [16, 16], others: [10, 8] };
        assert_eq!(twice, all);
    }

    const MANIFEST: &str = r#"format = 1
kgen = "0.1.0"
name = "copy"
target = "sm80"
backend = "ptx"
key = ""
features = ["sm_80"]
symbols = ["n"]
params = ["in x: f32[n]", "out o: f32[n]"]
prepares = []
buffers = []

[[kernel]]
name = "copy"
file = "copy.ptx"
entry = "copy"
params = ["in x: f32[n]", "out o: f32[n]"]
slots = ["pointer x", "pointer o", "extent n"]
scratch = 0
counters = 0
block = { threads = 32, workers = 1, shared = 0 }

[[variant]]
name = "all"
when = []
launches = ["copy(x, o)"]

[contract]
activation = ""
accumulation = ""
partials = ""
order = ""
bound = ""

[files]
"copy.ptx" = ""
"#;

    const TEXT: &str = ".version 7.0\n.target sm_80\n.address_size 64\n
.visible .entry copy(.param .u64 slot0, .param .u64 slot1, .param .u64 slot2, .param .u64 workers) {
    .reg .b32 %r<2>; .reg .b64 %q<9>; .reg .f32 %f<2>; .reg .pred %p<2>;
    ld.param.u64 %q0, [slot0];
    ld.param.u64 %q1, [slot1];
    ld.param.u64 %q2, [slot2];
    mov.u32 %r0, %tid.x;
    cvt.u64.u32 %q3, %r0;
    shl.b64 %q4, %q3, 2;
    add.s64 %q5, %q0, %q4;
    add.s64 %q6, %q1, %q4;
    setp.lt.s64 %p0, %q3, %q2;
    @%p0 ld.global.f32 %f0, [%q5];
    @%p0 st.global.f32 [%q6], %f0;
    ret;
}
";

    fn artifact(manifest: &str, text: &str) -> Artifact {
        let manifest = Manifest::parse("m", manifest, &|_| None).map_err(|r| r.render());
        let files = [("copy.ptx".to_owned(), text.to_owned())].into();
        Artifact::new(manifest.unwrap_or_else(|e| panic!("{e}")), files)
    }

    fn session(manifest: &str, text: &str) -> Session {
        let module = module::Module::for_device(&artifact(manifest, text));
        bound(&module.unwrap_or_else(|e| panic!("{e}")))
    }

    fn bound(module: &Arc<module::Module>) -> Session {
        let dims = Dims { scalars: [("n".into(), 5)].into(), cores: 1, ..Dims::default() };
        let bytes = (0..5).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let x = Tensor { dtype: Dtype::F32, shape: vec![5], bytes };
        let inputs = BTreeMap::from([("x".to_owned(), x)]);
        Session::new(module, &dims, &inputs, &[], Guard::Canaries).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refused(manifest: &str, text: &str) -> String {
        session(manifest, text).run_on(&mut Sim::default()).expect_err(text).to_string()
    }

    #[test]
    fn tensors_go_there_and_come_back() {
        let mut session = session(MANIFEST, TEXT);
        session.run_on(&mut Sim::default()).unwrap();
        let out = session.outputs().unwrap();
        assert_eq!((0..5).map(|i| out["o"].get(i)).collect::<Vec<_>>(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn inputs_stay_as_they_are() {
        let told = refused(MANIFEST, &TEXT.replace("[%q6], %f0", "[%q5], %f0"));
        assert!(told.contains("read-only: writes constant memory"), "{told}");
    }

    #[test]
    fn what_the_sanitiser_finds_is_an_error() {
        // One element too many, and all lanes at once.
        let told = refused(MANIFEST, &TEXT.replace("setp.lt", "setp.le"));
        assert!(told.contains("at offset 20 of x, which has 20"), "{told}");
        let many = TEXT.replace("@%p0 ", "").replace("st.global.f32 [%q6]", "st.global.f32 [%q0]");
        assert!(refused(MANIFEST, &many).starts_with("`copy`: "));
    }

    #[test]
    fn what_does_not_run_is_told() {
        let told = refused(MANIFEST, &TEXT.replace("add.s64", "add.s65"));
        assert!(told.starts_with("`copy`: cannot compile: "), "{told}");
        let told = refused(MANIFEST, &TEXT.replace("entry copy", "entry move"));
        assert_eq!(told, "`copy`: the code has no symbol `copy`");
        let checked = MANIFEST.replace("\"extent n\"]", "\"extent n\", \"end x\"]");
        let told = refused(&checked, TEXT);
        assert!(told.starts_with("the kernels of `copy` check their accesses"), "{told}");
        let mut nowhere = Sim::default();
        let told = nowhere.get(7, &mut [0]).unwrap_err().to_string();
        assert_eq!(told, "no 1 bytes at 0x7");
    }

    #[test]
    fn cpus_and_devices_keep_apart() {
        let pool = Pool::new(1).unwrap();
        let told = session(MANIFEST, TEXT).run(&pool).unwrap_err().to_string();
        assert_eq!(told, "the kernels of `copy` are for a device, not for the workers of a CPU");
        let line = "block = { threads = 32, workers = 1, shared = 0 }\n";
        let here = artifact(&MANIFEST.replace(line, ""), "good");
        let told = module::Module::for_device(&here).err().map(|e| e.to_string());
        let expected = "kernel `copy`: it has no block of threads: it is no kernel of a device";
        assert_eq!(told.as_deref(), Some(expected));
        let manifest = MANIFEST.replace(line, "").replace("[\"sm_80\"]", "[]");
        let manifest = manifest.replace("\"ptx\"", "\"fake\"");
        let fake = crate::driver::fake::Fake(&[("copy", |_, _| {})]);
        let loaded = module::Module::load(&artifact(&manifest, "good"), &fake);
        let mut loaded = bound(&loaded.unwrap_or_else(|e| panic!("{e}")));
        let told = loaded.run_on(&mut Sim::default()).unwrap_err().to_string();
        assert_eq!(told, "the kernels of `copy` are for the workers of a CPU, not for a device");
    }
}
