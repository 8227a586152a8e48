//! Blocks of warps, one instruction of 32 lanes at a time.
//!
//! Lanes that part at a branch wait for each other at its immediate post-dominator. Blocks run one after another; the
//! warps of a block take turns, until they wait for each other or their time is up.

mod access;
mod alu;
mod atomic;
mod barriers;
mod copies;
pub mod lanes;
mod schedule;
mod terms;
mod tile_terms;
mod tiles;
mod together;

use super::{
    Module,
    check::{
        global::GlobalShadow,
        race::{Clocks, Knowledge, Shadow},
        report::{Finding, Kind, Line, Report, Statistics},
    },
    launch::{Check, Launch, Order},
    memory::Memory,
    op::{GroupMatrix, Instruction, Kernel, Lanes, Op, Predicate, SINK},
};
use barriers::{Barrier, MemoryBarrier};
use copies::{BulkCopy, Pending};
use std::collections::{BTreeMap, HashMap, HashSet};
use terms::{Term, WarpTerms};

pub struct Setup<'a> {
    pub module: &'a Module,
    pub kernel: &'a Kernel,
    pub launch: &'a Launch,
    pub params: Vec<u8>,
    /// Addresses of the variables of the module.
    pub addresses: Vec<(String, u64)>,
}

pub fn run(setup: &Setup<'_>, memory: &mut Memory) -> Report {
    let mut machine = Machine::new(setup, memory);
    let grid = setup.launch.grid;
    match &setup.launch.blocks {
        Some(list) => list.iter().for_each(|b| machine.block(*b)),
        None => (0..grid.iter().product()).for_each(|b| machine.block(b)),
    }
    machine.report()
}

/// Lanes that go the same way.
struct Frame {
    pc: u32,
    /// Where they meet those of the frame below.
    meet: u32,
    mask: u32,
}

struct Warp<'a> {
    index: usize,
    registers: Vec<Lanes>,
    predicates: Vec<u32>,
    carry: u32,
    frames: Vec<Frame>,
    /// Lanes that have not left.
    alive: u32,
    waits: bool,
    /// Asynchronous products of the warpgroup, and the number of the open group.
    products: Vec<Product<'a>>,
    group: u32,
    /// Were registers of products changed since the last fence?
    unfenced: bool,
    local: Vec<u8>,
    /// The poll that failed last, and the instructions since.
    polled: Option<(u32, u32)>,
    /// A fence came since the last write to global memory.
    fenced: bool,
    /// What lanes saw by relaxed accesses, until a fence.
    seen: Vec<(u32, Knowledge)>,
    /// Empty unless terms are followed.
    terms: WarpTerms,
}

struct Product<'a> {
    pc: u32,
    group: u32,
    of: &'a GroupMatrix,
    a: u64,
    b: u64,
    keep: bool,
    done: bool,
}

/// Where a finding belongs.
#[derive(Clone, Copy)]
struct Site {
    pc: u32,
    warp: usize,
    lane: usize,
}

enum Turn {
    Go,
    /// A poll failed, or a barrier is not complete.
    Wait,
}

struct Machine<'a> {
    setup: &'a Setup<'a>,
    kernel: &'a Kernel,
    memory: &'a mut Memory,
    full: bool,
    findings: Vec<Finding>,
    known: HashMap<(u32, Kind), usize>,
    costs: Vec<Line>,
    instructions: u64,
    blocks: u64,
    reached: Vec<bool>,
    held: Vec<bool>,
    random: u64,
    global: GlobalShadow,
    /// Who released at an address: blocks, and what a warp of the last of them knew.
    released: HashMap<u64, (HashSet<u32>, u32, Knowledge)>,
    group_registers: Vec<bool>,
    // Of the block that runs:
    block: [u32; 3],
    number: u32,
    shared: Vec<u8>,
    state: Vec<u8>,
    shadow: Option<Shadow>,
    clocks: Clocks,
    barriers: Vec<Barrier>,
    memory_barriers: BTreeMap<u32, MemoryBarrier>,
    copies: Vec<Vec<Pending>>,
    copy_group: Vec<[u32; 32]>,
    bulk: Vec<BulkCopy>,
    bulk_group: Vec<u32>,
    acquired: HashSet<u32>,
    /// What a relaxed access saw, until a fence.
    seen: HashSet<u32>,
    alive: Vec<u32>,
    /// What `setmaxnreg` gave each warp.
    budget: Vec<u32>,
    ticks: u64,
    // Where terms are followed: the operations, what commutes, the bytes of shared memory.
    names: Vec<u64>,
    commutes: Vec<bool>,
    shared_terms: Vec<Term>,
    /// Lanes whose write has the value that is there, but another term.
    differs: bool,
    data_decides: Option<u32>,
}

impl<'a> Machine<'a> {
    fn new(setup: &'a Setup<'a>, memory: &'a mut Memory) -> Machine<'a> {
        let kernel = setup.kernel;
        let mut group_registers = vec![];
        for instruction in &kernel.code {
            if let Op::GroupMma(product) = &instruction.op {
                group_registers.resize(kernel.registers as usize, false);
                let a = if product.a_in_memory { &[][..] } else { &product.a };
                product.d.iter().chain(a).for_each(|r| group_registers[*r as usize] = true);
            }
        }
        let full = setup.launch.check == Check::Full;
        let mut machine = Machine {
            setup,
            kernel,
            memory,
            full,
            findings: vec![],
            known: HashMap::new(),
            costs: vec![Line::default(); if full { kernel.code.len() } else { 0 }],
            instructions: 0,
            blocks: 0,
            reached: vec![false; kernel.code.len()],
            held: vec![false; kernel.code.len()],
            random: setup.launch.seed ^ 0x9e37_79b9_7f4a_7c15,
            global: GlobalShadow::default(),
            released: HashMap::new(),
            group_registers,
            block: [0; 3],
            number: 0,
            shared: vec![],
            state: vec![],
            shadow: None,
            clocks: Clocks::new(1),
            barriers: vec![],
            memory_barriers: BTreeMap::new(),
            copies: vec![],
            copy_group: vec![],
            bulk: vec![],
            bulk_group: vec![],
            acquired: HashSet::new(),
            seen: HashSet::new(),
            alive: vec![],
            budget: vec![],
            ticks: 0,
            names: vec![],
            commutes: vec![],
            shared_terms: vec![],
            differs: false,
            data_decides: None,
        };
        if setup.launch.follow {
            machine.name_operations();
        }
        machine
    }

    /// xorshift: any sequence will do, as long as a seed repeats it.
    fn chance(&mut self, of: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % of.max(1)
    }

    /// Is an asynchronous operation done at once?
    fn early(&mut self) -> bool {
        match self.setup.launch.order {
            Order::Latest => false,
            Order::Earliest => true,
            Order::Random => self.chance(2) == 0,
        }
    }

    fn find(
        &mut self,
        site: Site,
        kind: Kind,
        place: (&str, i64, u64),
        message: impl FnOnce() -> String,
    ) {
        if let Some(at) = self.known.get(&(site.pc, kind)) {
            self.findings[*at].count += 1;
            return;
        }
        let Some(instruction) = self.kernel.code.get(site.pc as usize) else { return };
        self.known.insert((site.pc, kind), self.findings.len());
        self.findings.push(Finding {
            kind,
            line: instruction.line,
            instruction: self.setup.module.piece(instruction.text),
            block: self.block,
            warp: site.warp as u32,
            lane: site.lane as u32,
            address: place.2,
            buffer: place.0.into(),
            offset: place.1,
            message: message(),
            count: 1,
        });
    }

    fn report(self) -> Report {
        let mut lines: BTreeMap<u32, Line> = BTreeMap::new();
        for (cost, instruction) in self.costs.iter().zip(&self.kernel.code) {
            if cost.wavefronts + cost.sectors > 0 {
                let line = lines.entry(instruction.line).or_default();
                line.instruction = self.setup.module.piece(instruction.text);
                line.executed += cost.executed;
                line.wavefronts += cost.wavefronts;
                line.ideal_wavefronts += cost.ideal_wavefronts;
                line.sectors += cost.sectors;
                line.ideal_sectors += cost.ideal_sectors;
                for (lanes, touched) in &cost.touched {
                    line.touched.entry(*lanes).or_default().join(touched);
                }
            }
        }
        let of = |which: &[bool]| {
            let code = self.kernel.code.iter().zip(which).filter(|(_, r)| **r);
            code.map(|(i, _)| i.line).collect()
        };
        let statistics = Statistics {
            instructions: self.instructions,
            blocks: self.blocks,
            lines,
            reached: of(&self.reached),
            held: of(&self.held),
        };
        let depends = self.data_decides.and_then(|pc| self.kernel.code.get(pc as usize));
        Report { findings: self.findings, statistics, depends: depends.map(|i| i.line) }
    }

    fn step(&mut self, warp: &mut Warp<'a>) -> Turn {
        let end = self.kernel.code.len() as u32;
        while let Some(frame) = warp.frames.last() {
            if frame.mask & warp.alive != 0 && frame.pc != frame.meet && frame.pc < end {
                break;
            }
            if frame.pc >= end && warp.frames.len() == 1 {
                // Falling off the end is leaving.
                self.exit(warp, u32::MAX);
            }
            warp.frames.pop();
        }
        let Some(frame) = warp.frames.last_mut() else {
            self.exit(warp, u32::MAX);
            return Turn::Go;
        };
        let pc = frame.pc;
        let active = frame.mask & warp.alive;
        frame.pc += 1;
        let kernel = self.kernel;
        let instruction = &kernel.code[pc as usize];
        let mask = active & predicate(&warp.predicates, instruction.guard);
        self.instructions += 1;
        self.ticks += 1;
        if let Some((_, since)) = &mut warp.polled {
            *since += 1;
        }
        if !self.names.is_empty() {
            self.follow(warp, instruction, pc, active, mask);
        }
        self.held[pc as usize] |= mask != active;
        if mask == 0 {
            return Turn::Go;
        }
        self.reached[pc as usize] = true;
        if let Op::Branch(target) = instruction.op {
            let Some(frame) = warp.frames.last_mut() else { return Turn::Go };
            if mask == active {
                frame.pc = target;
                return Turn::Go;
            }
            let meet = instruction.meet;
            frame.pc = meet;
            for (at, mask) in [(pc + 1, active & !mask), (target, mask)] {
                if at != meet {
                    warp.frames.push(Frame { pc: at, meet, mask });
                }
            }
            return Turn::Go;
        }
        if !self.group_registers.is_empty() {
            self.guard_products(warp, instruction, pc);
        }
        self.execute(warp, instruction, pc, mask)
    }

    fn exit(&mut self, warp: &mut Warp<'a>, mask: u32) {
        warp.alive &= !mask;
        if warp.alive == 0 {
            warp.frames.clear();
        }
        if let Some(alive) = self.alive.get_mut(warp.index) {
            *alive = warp.alive;
        }
        self.barriers_without(warp.index);
    }

    fn site(&self, warp: &Warp<'_>, pc: u32, lane: usize) -> Site {
        Site { pc, warp: warp.index, lane }
    }

    /// An instruction of the whole warp: its lanes are all here.
    fn whole(&mut self, warp: &Warp<'_>, pc: u32, mask: u32, needed: u32) {
        if mask != needed {
            let site = self.site(warp, pc, (needed & !mask).trailing_zeros() as usize % 32);
            self.find(site, Kind::PartialMask, ("", 0, 0), || {
                format!("lanes {mask:08x} are here, {needed:08x} should be")
            });
        }
    }

    fn execute(
        &mut self,
        warp: &mut Warp<'a>,
        instruction: &'a Instruction,
        pc: u32,
        mask: u32,
    ) -> Turn {
        match &instruction.op {
            Op::Nop | Op::Prefetch | Op::Branch(_) => {}
            Op::Exit => self.exit(warp, mask),
            Op::Trap => {
                let site = self.site(warp, pc, mask.trailing_zeros() as usize);
                self.find(site, Kind::Trap, ("", 0, 0), || "the kernel gave up".into());
                self.exit(warp, mask);
            }
            Op::F1 { f, d, a } => {
                let value = f(&warp.registers[*a as usize]);
                put(warp, *d, &value, mask);
            }
            Op::F2 { f, d, a, b } => {
                let value = f(&warp.registers[*a as usize], &warp.registers[*b as usize]);
                put(warp, *d, &value, mask);
            }
            Op::F3 { f, d, a, b, c } => {
                let r = &warp.registers;
                let value = f(&r[*a as usize], &r[*b as usize], &r[*c as usize]);
                put(warp, *d, &value, mask);
            }
            Op::Float { f, d, a, b, c } => {
                let r = &warp.registers;
                let value = alu::float(f, &r[*a as usize], &r[*b as usize], &r[*c as usize], mask);
                put(warp, *d, &value, mask);
            }
            Op::Alu(op) => alu::execute(warp, op, mask),
            Op::Together(op) => self.together(warp, op, pc, mask),
            Op::Clock { d, mask: width } => {
                let value = [self.ticks & width; 32];
                put(warp, *d, &value, mask);
            }
            Op::Load(access) => self.load(warp, access, pc, mask),
            Op::Store(access) => self.store(warp, access, pc, mask),
            Op::Atomic(atomic) => self.atomic(warp, atomic, pc, mask),
            Op::Barrier { kind, id, count, aligned, a, p, d } => {
                let arrival = barriers::Arrival {
                    kind: *kind,
                    id: warp.registers[*id as usize][mask.trailing_zeros() as usize],
                    count: count
                        .map(|c| warp.registers[c as usize][mask.trailing_zeros() as usize]),
                    aligned: *aligned,
                    votes: predicate(&warp.predicates, *a),
                };
                return self.barrier(warp, &arrival, (*p, *d), pc, mask);
            }
            Op::Fence(fence) => self.fence(warp, *fence),
            Op::LoadMatrix { address, count, transposed, registers } => {
                self.load_matrix(warp, *address, *count, *transposed, registers, pc, mask);
            }
            Op::StoreMatrix { address, count, transposed, registers } => {
                self.store_matrix(warp, *address, *count, *transposed, registers, pc, mask);
            }
            Op::Mma(product) => self.mma(warp, product, pc, mask),
            Op::CopyAsync(copy) => self.copy_async(warp, copy, pc, mask),
            Op::CopyCommit => self.copy_commit(warp, mask),
            Op::CopyWait(left) => self.copy_wait(warp, *left, mask),
            Op::MemoryBarrier { address, op } => {
                return self.memory_barrier(warp, *address, op, pc, mask);
            }
            Op::Bulk(bulk) => self.bulk_copy(warp, bulk, pc, mask),
            Op::BulkCommit => self.bulk_commit(warp, pc),
            Op::BulkWait { left, reads } => self.bulk_wait(warp, *left, *reads),
            Op::Budget(registers) => self.budget(warp, *registers, pc, mask),
            Op::GroupFence => {
                self.whole(warp, pc, mask, u32::MAX);
                warp.unfenced = false;
                self.clocks.synchronise(warp.index);
            }
            Op::GroupCommit => warp.group += 1,
            Op::GroupWait(left) => self.group_wait(warp, *left),
            Op::GroupMma(product) => self.group_mma(warp, product, pc, mask),
        }
        Turn::Go
    }

    /// Registers of products that are under way are nobody else's.
    fn guard_products(&mut self, warp: &mut Warp<'a>, instruction: &Instruction, pc: u32) {
        if matches!(instruction.op, Op::GroupMma(_)) {
            return;
        }
        let kernel = self.kernel;
        let range = |r: (u32, u32)| r.0 as usize..r.1 as usize;
        let writes = &kernel.writes[range(instruction.writes)];
        if writes.iter().any(|w| self.group_registers[*w as usize]) {
            warp.unfenced = true;
        }
        let reads = &kernel.reads[range(instruction.reads)];
        let busy = warp.products.iter().find(|p| {
            reads.iter().chain(writes).any(|r| p.of.d.contains(r))
                || !p.of.a_in_memory && writes.iter().any(|w| p.of.a.contains(w))
        });
        if busy.is_some() {
            let site = self.site(warp, pc, 0);
            self.find(site, Kind::MissingWait, ("", 0, 0), || {
                "a register of a product that `wgmma.wait_group` has not waited for".into()
            });
        }
    }
}

/// The lanes in which a predicate is true.
fn predicate(all: &[u32], p: Predicate) -> u32 {
    let value = all[p.slot as usize];
    if p.negated { !value } else { value }
}

fn put(warp: &mut Warp<'_>, d: u32, value: &Lanes, mask: u32) {
    if d == SINK {
        return;
    }
    let register = &mut warp.registers[d as usize];
    if mask == u32::MAX {
        *register = *value;
        return;
    }
    for (lane, (to, from)) in register.iter_mut().zip(value).enumerate() {
        if mask >> lane & 1 == 1 {
            *to = *from;
        }
    }
}

/// Predicate 0 is a sink: nobody reads it.
fn put_predicate(warp: &mut Warp<'_>, p: u32, value: u32, mask: u32) {
    let to = &mut warp.predicates[p as usize];
    *to = *to & !mask | value & mask;
}

/// The lanes of a mask.
fn each(mask: u32) -> impl Iterator<Item = usize> {
    (0..32).filter(move |l| mask >> l & 1 == 1)
}
