//! Where values live: live sets of blocks, last reads, how many live at once, and how far away the next read is.
//!
//! ```text
//! block 1 (v3): loop 0     live in: v1      v3 is born here; v1 lives through the whole loop
//!   v4 = add v3, v1        dies: v3
//! ```

use super::super::mir::{Arg, Bank, How, Kind, Mir, VReg};

/// More than any loop is long: what is read behind a loop is so much further away.
pub const FAR: u32 = 1 << 20;

pub const NONE: u32 = u32::MAX;

pub struct Flow {
    /// Values that live in more than one block, and the place of each value among them.
    wide: Vec<u32>,
    dense: Vec<u32>,
    /// Words of a set of wide values.
    words: usize,
    live_in: Vec<u64>,
    live_out: Vec<u64>,
    /// By operand: the value is read for the last time, or is never read.
    pub dies: Vec<bool>,
    /// Where each value is read, in the order of the code: a range of `reads`.
    from: Vec<u32>,
    reads: Vec<u32>,
    pub values: Vec<Facts>,
    /// Most values of each bank at once, by loop.
    pub pressure: Vec<[u32; 3]>,
    pub whole: [u32; 3],
    /// Instructions of each loop, from the first to the last.
    pub spans: Vec<(u32, u32)>,
    /// Sets of wide values: those that each loop reads, and those of each bank.
    read_by: Vec<u64>,
    banks: [Vec<u64>; 3],
    /// By block: the first of the numbers of the blocks that are only reached through it, and how many.
    through: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub bank: Bank,
    /// The block and instruction that make it; for a parameter the first of its block.
    pub block: u32,
    pub born: u32,
    pub is_param: bool,
    /// Where it is read for the last time, with all turns of loops around.
    pub end: u32,
    /// An instruction that makes it from nothing.
    pub remake: Option<u32>,
}

const UNBORN: Facts =
    Facts { bank: Bank::General, block: NONE, born: NONE, is_param: false, end: 0, remake: None };

impl Flow {
    pub fn new(mir: &Mir) -> Flow {
        let blocks = mir.blocks.len();
        let mut f = Flow {
            wide: Vec::new(),
            dense: vec![NONE; mir.vregs],
            words: 0,
            live_in: Vec::new(),
            live_out: Vec::new(),
            dies: vec![false; mir.operands.len()],
            from: vec![0; mir.vregs + 2],
            reads: Vec::new(),
            values: vec![UNBORN; mir.vregs],
            pressure: vec![[0; 3]; mir.loops.len()],
            whole: [0; 3],
            spans: Vec::with_capacity(mir.loops.len()),
            read_by: Vec::new(),
            banks: Default::default(),
            through: vec![(0, 1); blocks],
        };
        for l in &mir.loops {
            let (head, latch) = l.blocks;
            f.spans.push((mir.blocks[head].first as u32, mir.blocks[latch].end as u32 - 1));
        }
        f.collect(mir);
        f.spread(mir);
        f.count(mir);
        f.dominators(mir);
        f
    }

    /// Definitions, reads, and what each block reads of others.
    fn collect(&mut self, mir: &Mir) {
        let mut exposed: Vec<(u32, u32)> = Vec::new();
        for (b, block) in mir.blocks.iter().enumerate() {
            let born = |v: VReg, at: usize, is_param, remake| Facts {
                bank: v.bank(),
                block: b as u32,
                born: at as u32,
                is_param,
                end: at as u32,
                remake,
            };
            for p in &block.params {
                self.values[p.index()] = born(*p, block.first, true, None);
            }
            let mut reads = |f: &mut Flow, v: VReg, at: usize| {
                f.from[v.index() + 2] += 1;
                f.read(mir, v.index(), at, b);
                if f.values[v.index()].block != b as u32 {
                    let dense = &mut f.dense[v.index()];
                    if *dense == NONE {
                        *dense = f.wide.len() as u32;
                        f.wide.push(v.index() as u32);
                    }
                    exposed.push((b as u32, *dense));
                }
            };
            for i in block.first..block.end {
                for o in &mir.operands[mir.places(i)] {
                    if o.how.reads() {
                        reads(self, o.value, i);
                    } else {
                        self.values[o.value.index()] = born(o.value, i, false, remade(mir, i));
                    }
                }
            }
            for v in &block.values {
                reads(self, *v, block.end - 1);
            }
        }
        self.words = self.wide.len().div_ceil(64);
        self.live_in = vec![0; self.words * mir.blocks.len()];
        self.live_out = self.live_in.clone();
        self.read_by = vec![0; self.words * mir.loops.len()];
        for (b, n) in exposed {
            let (b, word, bit) = (b as usize, n as usize / 64, 1 << (n % 64));
            self.live_in[b * self.words + word] |= bit;
            let mut l = mir.blocks[b].within;
            while let Some(inner) = l {
                self.read_by[inner * self.words + word] |= bit;
                l = mir.loops[inner].parent;
            }
        }
        self.banks = [0; 3].map(|_: i32| vec![0; self.words]);
        for (n, v) in self.wide.iter().enumerate() {
            self.banks[self.values[*v as usize].bank as usize][n / 64] |= 1 << (n % 64);
        }
        for v in 1..self.from.len() {
            self.from[v] += self.from[v - 1];
        }
        self.reads = vec![0; self.from.last().copied().unwrap_or(0) as usize];
        for block in &mir.blocks {
            for i in block.first..block.end {
                for o in mir.operands[mir.places(i)].iter().filter(|o| o.how.reads()) {
                    let place = &mut self.from[o.value.index() + 1];
                    self.reads[*place as usize] = i as u32;
                    *place += 1;
                }
            }
            for v in &block.values {
                let place = &mut self.from[v.index() + 1];
                self.reads[*place as usize] = block.end as u32 - 1;
                *place += 1;
            }
        }
    }

    fn read(&mut self, mir: &Mir, v: usize, at: usize, block: usize) {
        // Out to a loop that it was made in.
        let born = self.values[v].born;
        let (mut at, mut l) = (at as u32, mir.blocks[block].within);
        while let Some(inner) = l.filter(|l| born < self.spans[*l].0) {
            at = self.spans[inner].1;
            l = mir.loops[inner].parent;
        }
        self.values[v].end = self.values[v].end.max(at);
    }

    /// From each block to those before it, then through whole loops.
    fn spread(&mut self, mir: &Mir) {
        let w = self.words;
        let mut made = vec![0u64; self.live_in.len()];
        for (n, v) in self.wide.iter().enumerate() {
            made[self.values[*v as usize].block as usize * w + n / 64] |= 1 << (n % 64);
        }
        for (b, block) in mir.blocks.iter().enumerate().rev() {
            let (before, behind) = self.live_in.split_at_mut((b + 1) * w);
            let out = &mut self.live_out[b * w..(b + 1) * w];
            for s in block.succs.into_iter().flatten().filter(|s| *s > b) {
                let next = &behind[(s - b - 1) * w..(s - b) * w];
                out.iter_mut().zip(next).for_each(|(out, x)| *out |= x);
            }
            for (k, out) in out.iter().enumerate() {
                before[b * w + k] |= out & !made[b * w + k];
            }
        }
        let mut through = vec![0; w];
        for l in &mir.loops {
            let (head, latch) = l.blocks;
            through.copy_from_slice(&self.live_in[head * w..(head + 1) * w]);
            for b in head..=latch {
                for (k, x) in through.iter().enumerate() {
                    self.live_in[b * w + k] |= x;
                    self.live_out[b * w + k] |= x;
                }
            }
        }
    }

    /// Last reads, and how many values there are at each point.
    fn count(&mut self, mir: &Mir) {
        // By value: one more than the block in whose rest it is read.
        let mut live = vec![0u32; mir.vregs];
        for (b, block) in mir.blocks.iter().enumerate() {
            let here = b as u32 + 1;
            let mut now = [0u32; 3];
            for n in bits(&self.live_out[b * self.words..(b + 1) * self.words]) {
                let v = self.wide[n] as usize;
                live[v] = here;
                now[self.values[v].bank as usize] += 1;
            }
            let add = |live: &mut [u32], now: &mut [u32; 3], v: VReg| {
                now[v.bank() as usize] += u32::from(live[v.index()] != here);
                live[v.index()] = here;
            };
            for v in &block.values {
                add(&mut live, &mut now, *v);
            }
            let mut most = now;
            for i in (block.first..block.end).rev() {
                let places = mir.places(i);
                // What only the instruction itself holds.
                let (mut after, mut besides) = (now, [0u32; 3]);
                for n in places.clone() {
                    let o = mir.operands[n];
                    if o.how.reads() {
                        continue;
                    }
                    let bank = o.value.bank() as usize;
                    if live[o.value.index()] == here {
                        live[o.value.index()] = 0;
                        now[bank] -= 1;
                    } else {
                        self.dies[n] = true;
                        after[bank] += 1;
                    }
                    match o.how {
                        How::DefEarly | How::Temp => besides[bank] += 1,
                        How::DefAt(k) => {
                            let source = mir.operands[places.start + usize::from(k)].value;
                            besides[bank] += u32::from(live[source.index()] == here);
                        }
                        How::Use | How::UseIn(_) | How::Def | How::DefIn(_) => {}
                    }
                }
                for n in places.clone() {
                    let o = mir.operands[n];
                    self.dies[n] |= o.how.reads() && live[o.value.index()] != here;
                }
                for o in mir.operands[places].iter().filter(|o| o.how.reads()) {
                    add(&mut live, &mut now, o.value);
                }
                for (bank, most) in most.iter_mut().enumerate() {
                    *most = after[bank].max(now[bank] + besides[bank]).max(*most);
                }
            }
            let raise = |to: &mut [u32; 3]| {
                for (to, most) in to.iter_mut().zip(most) {
                    *to = (*to).max(most);
                }
            };
            raise(&mut self.whole);
            let mut l = block.within;
            while let Some(inner) = l {
                raise(&mut self.pressure[inner]);
                l = mir.loops[inner].parent;
            }
        }
    }

    fn dominators(&mut self, mir: &Mir) {
        // The last block that each block is only reached through.
        let mut idom = vec![0u32; mir.blocks.len()];
        for (b, block) in mir.blocks.iter().enumerate().skip(1) {
            let mut over: Option<usize> = None;
            for p in block.preds.iter().copied().filter(|p| *p < b) {
                let (mut x, mut y) = (p, over.unwrap_or(p));
                while x != y {
                    if x > y {
                        x = idom[x] as usize;
                    } else {
                        y = idom[y] as usize;
                    }
                }
                over = Some(x);
            }
            idom[b] = over.unwrap_or(0) as u32;
        }
        for b in (1..idom.len()).rev() {
            self.through[idom[b] as usize].1 += self.through[b].1;
        }
        let mut next: Vec<u32> = vec![1; idom.len()];
        for (b, parent) in idom.iter().enumerate().skip(1) {
            let parent = *parent as usize;
            self.through[b].0 = next[parent];
            next[b] = next[parent] + 1;
            next[parent] += self.through[b].1;
        }
    }

    /// Whether each way to `b` leads through `a`.
    pub fn dominates(&self, a: u32, b: u32) -> bool {
        let ((from, count), (number, _)) = (self.through[a as usize], self.through[b as usize]);
        (from..from + count).contains(&number)
    }

    pub fn live_in(&self, block: usize, v: usize) -> bool {
        let n = self.dense[v];
        n != NONE && self.live_in[block * self.words + n as usize / 64] >> (n % 64) & 1 == 1
    }

    /// All values that live when the block begins, but for its parameters.
    pub fn all_live_in(&self, block: usize) -> impl Iterator<Item = usize> {
        let set = &self.live_in[block * self.words..(block + 1) * self.words];
        bits(set).map(|n| self.wide[n] as usize)
    }

    pub fn reads(&self, v: usize) -> &[u32] {
        // Filling moved each start to the next one's.
        &self.reads[self.from[v] as usize..self.from[v + 1] as usize]
    }

    /// Whether the loop reads the value, which is older than it.
    pub fn read_in(&self, v: usize, l: usize) -> bool {
        let n = self.dense[v];
        n != NONE && self.read_by[l * self.words + n as usize / 64] >> (n % 64) & 1 == 1
    }

    /// How many values of a bank live when a block begins, the head of a loop that does not read them.
    pub fn passing(&self, head: usize, l: usize, bank: Bank) -> usize {
        let lives = &self.live_in[head * self.words..(head + 1) * self.words];
        let read = &self.read_by[l * self.words..(l + 1) * self.words];
        let of_bank = &self.banks[bank as usize];
        let words = lives.iter().zip(read).zip(of_bank);
        words.map(|((live, read), bank)| (live & !read & bank).count_ones() as usize).sum()
    }

    /// How far away the next read behind `at` is, in loop `l`.
    pub fn next_read(&self, mir: &Mir, v: usize, at: u32, l: Option<usize>) -> u32 {
        let reads = self.reads(v);
        let k = reads.partition_point(|r| *r <= at);
        let (mut at, mut l, mut far) = (at, l, 0);
        while let Some(n) = l {
            let (from, to) = self.spans[n];
            if let Some(r) = reads.get(k).filter(|r| **r <= to) {
                return far + (r - at);
            }
            // In the next turn.
            if self.values[v].born < from
                && let Some(r) = reads.get(reads.partition_point(|r| *r < from))
                && *r <= at
            {
                return far + (to - at) + (r - from);
            }
            (at, far, l) = (to, far + FAR, mir.loops[n].parent);
        }
        reads.get(k).map_or(NONE, |r| far + (r - at))
    }
}

/// An instruction that makes its one result from constants.
fn remade(mir: &Mir, inst: usize) -> Option<u32> {
    let alone = mir.places(inst).len() == 1;
    let constant = match mir.insts[inst].kind {
        Kind::Zero => true,
        Kind::Instr { mask: None, .. } => mir.args(inst).iter().all(|a| match a {
            Arg::Reg(_) | Arg::Imm(_) | Arg::Pool { .. } => true,
            Arg::Mem { .. } => false,
        }),
        Kind::Instr { .. }
        | Kind::Gather(_)
        | Kind::Entry
        | Kind::Jump
        | Kind::Branch(_)
        | Kind::Return => false,
    };
    let plain = mir.operands[mir.places(inst)].iter().all(|o| o.how == How::Def);
    (alone && constant && plain).then_some(inst as u32)
}

fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(k, w)| {
        let mut rest = *w;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(64 * k + bit)
        })
    })
}
