//! Blocks from their start to their end: warps take turns until all have left.

use super::{
    Frame, Machine, Site, Turn, Warp,
    barriers::Barrier,
    copies::Pending,
    terms::{KNOWN, WarpTerms},
};
use crate::ptx::{
    check::{
        race::{Clocks, Shadow},
        report::Kind,
    },
    launch::Order,
    memory::EMPTY,
    op::{Special, TRUE},
};

/// Instructions of a turn.
const TURN: u32 = 256;
/// Turns in which nothing happens before copies are hurried, and before it is a deadlock.
const PATIENCE: u32 = 2;
const DEADLOCK: u32 = 64;

impl<'a> Machine<'a> {
    pub(super) fn block(&mut self, number: u32) {
        let launch = self.setup.launch;
        let [x, y, _] = launch.grid;
        self.block = [number % x, number / x % y, number / x / y];
        self.number = number;
        let threads = launch.block.iter().product::<u32>();
        let count = threads.div_ceil(32) as usize;
        let size = match launch.shared {
            0 => self.kernel.shared as usize,
            n => (self.dynamic() + n) as usize,
        };
        self.shared.clear();
        self.shared.resize(size, 0xff);
        self.state.clear();
        self.state.resize(size, EMPTY);
        self.shared_terms.clear();
        if !self.names.is_empty() {
            self.shared_terms.resize(size, KNOWN);
        }
        if self.full {
            match &mut self.shadow {
                Some(shadow) => shadow.reset(),
                None => self.shadow = Some(Shadow::new(size.div_ceil(4), count + 1)),
            }
        }
        self.clocks = Clocks::new(count);
        self.barriers = vec![Barrier::default(); 16];
        self.memory_barriers.clear();
        self.copies = (0..count).map(|_| vec![]).collect();
        self.copy_group = vec![[0; 32]; count];
        self.bulk.clear();
        self.bulk_group = vec![0; count];
        self.acquired.clear();
        self.seen.clear();
        self.budget = vec![0; count];
        let mut warps: Vec<Warp<'a>> = (0..count).map(|w| self.warp(w, threads)).collect();
        self.alive = warps.iter().map(|w| w.alive).collect();
        self.blocks += 1;
        self.turns(&mut warps);
        self.leave(&warps);
    }

    /// Where dynamic shared memory begins.
    pub(super) fn dynamic(&self) -> u32 {
        self.kernel.shared.next_multiple_of(self.kernel.dynamic_align)
    }

    fn warp(&self, index: usize, threads: u32) -> Warp<'a> {
        let kernel = self.kernel;
        let launch = self.setup.launch;
        let mut registers = vec![[0; 32]; kernel.registers as usize];
        let first = 32 * index as u32;
        let [bx, by, _] = launch.block;
        for (slot, special) in &kernel.special {
            let lane = |f: &dyn Fn(u32) -> u64| std::array::from_fn(|l| f(l as u32));
            let thread = |l: u32| {
                let t = first + l;
                [t % bx, t / bx % by, t / bx / by]
            };
            registers[*slot as usize] = match *special {
                Special::Thread(i) => lane(&|l| thread(l)[i as usize % 3].into()),
                Special::Threads(i) => [launch.block[i as usize % 3].into(); 32],
                Special::Block(i) => [self.block[i as usize % 3].into(); 32],
                Special::Blocks(i) => [launch.grid[i as usize % 3].into(); 32],
                Special::Lane => lane(&|l| l.into()),
                Special::Warp => [index as u64; 32],
                Special::Warps => [threads.div_ceil(32).into(); 32],
                Special::MaskEqual => lane(&|l| 1 << l),
                Special::MaskBelow => lane(&|l| (1 << l) - 1),
                Special::MaskUpTo => lane(&|l| (2 << l) - 1),
                Special::MaskAbove => lane(&|l| 0xffff_ffff & !((2u64 << l) - 1)),
                Special::MaskFrom => lane(&|l| 0xffff_ffff & !((1u64 << l) - 1)),
                Special::DynamicShared => [launch.shared.into(); 32],
                Special::TotalShared => [self.shared.len() as u64; 32],
                Special::Constant(x) => [x; 32],
            };
        }
        for (slot, name, offset) in &kernel.globals {
            let base = if name.is_empty() {
                self.dynamic().into()
            } else {
                let known = self.setup.addresses.iter().find(|(n, _)| n == name);
                known.map_or(0, |(_, address)| *address)
            };
            registers[*slot as usize] = [base.wrapping_add(*offset as u64); 32];
        }
        let alive = if threads - first >= 32 { u32::MAX } else { (1 << (threads - first)) - 1 };
        let mut predicates = vec![0; kernel.predicates as usize];
        predicates[TRUE as usize] = u32::MAX;
        Warp {
            index,
            registers,
            predicates,
            carry: 0,
            frames: vec![Frame { pc: 0, meet: u32::MAX, mask: alive }],
            alive,
            waits: false,
            products: vec![],
            group: 0,
            unfenced: false,
            local: vec![0; kernel.local as usize * 32],
            polled: None,
            fenced: false,
            seen: vec![],
            terms: if self.names.is_empty() {
                WarpTerms::default()
            } else {
                WarpTerms::new(kernel.registers, kernel.predicates, kernel.local as usize * 32)
            },
        }
    }

    fn turns(&mut self, warps: &mut [Warp<'a>]) {
        let random = self.setup.launch.order == Order::Random;
        let (mut idle, start) = (0, self.instructions);
        let mut next = 0;
        let mut moved = false;
        loop {
            if next == warps.len() {
                if warps.iter().all(|w| w.frames.is_empty()) {
                    return;
                }
                idle = if moved { 0 } else { idle + 1 };
                if idle >= PATIENCE && self.hurry() {
                    idle = 0;
                }
                let endless = self.instructions - start > self.setup.launch.limit;
                if idle > DEADLOCK || endless {
                    self.stuck(warps, endless);
                    return;
                }
                (next, moved) = (0, false);
            }
            let w = if random { self.chance(warps.len() as u64) as usize } else { next };
            next += 1;
            let warp = &mut warps[w];
            if warp.waits {
                warp.waits = self.barriers.iter().any(|b| b.waits(w));
                if warp.waits {
                    continue;
                }
            }
            let turn = if random { 1 + self.chance(u64::from(TURN)) as u32 } else { TURN };
            for _ in 0..turn {
                if warp.frames.is_empty() {
                    break;
                }
                let before = warp.polled;
                match self.step(warp) {
                    Turn::Go => moved |= before.is_none_or(|(_, n)| n > 64),
                    Turn::Wait => break,
                }
            }
        }
    }

    /// Names the warps that wait for ever.
    fn stuck(&mut self, warps: &[Warp<'a>], endless: bool) {
        for warp in warps {
            let Some(frame) = warp.frames.last() else { continue };
            let pc = if warp.waits { frame.pc.saturating_sub(1) } else { frame.pc };
            let pc = pc.min(self.kernel.code.len() as u32 - 1);
            let pc = warp.polled.map_or(pc, |(at, _)| at);
            let site =
                Site { pc, warp: warp.index, lane: frame.mask.trailing_zeros() as usize % 32 };
            self.find(site, Kind::Deadlock, ("", 0, 0), || {
                if endless {
                    "this block does not come to an end".into()
                } else {
                    "this warp waits for what no other warp will do".into()
                }
            });
        }
    }

    /// `setmaxnreg`: all warps together have the registers of a multiprocessor.
    pub(super) fn budget(&mut self, warp: &Warp<'a>, registers: u32, pc: u32, mask: u32) {
        self.whole(warp, pc, mask, u32::MAX);
        self.budget[warp.index] = registers;
        let all = self.budget.iter().map(|n| 32 * n).sum::<u32>();
        if all > 65_536 {
            let site = self.site(warp, pc, 0);
            self.find(site, Kind::Registers, ("", 0, 0), || {
                format!(
                    "the warps of this block ask for {all} registers, a multiprocessor has 65536"
                )
            });
        }
    }

    /// What nobody waited for: copies, products, and threads that came to a barrier which never filled.
    fn leave(&mut self, warps: &[Warp<'a>]) {
        let mut left = vec![];
        for warp in warps {
            let product = warp.products.first();
            left.extend(product.map(|p| (Site { pc: p.pc, warp: warp.index, lane: 0 }, "product")));
            let copy = self.copies[warp.index].iter().find_map(Pending::copy);
            left.extend(copy.map(|site| (site, "copy")));
        }
        // What a bulk copy reads of shared memory is another block's by then.
        let bulk = self.bulk.iter().find(|c| !c.done && c.uses_shared);
        left.extend(bulk.map(|c| (c.site, "copy")));
        for (site, what) in left {
            self.find(site, Kind::LeftBehind, ("", 0, 0), || {
                format!("the block ends before this {what} was waited for")
            });
        }
        for id in 0..self.barriers.len() {
            if let Some((site, threads)) = self.barriers[id].incomplete() {
                self.find(site, Kind::LeftBehind, ("", 0, 0), || {
                    format!(
                        "the block ends with {threads} threads at barrier {id}, which never filled"
                    )
                });
            }
        }
        self.finish_bulk(|copy| !copy.to_shared);
    }
}
