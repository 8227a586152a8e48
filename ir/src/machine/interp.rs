//! Runs a kernel by the meanings of its instructions, in memory that checks every access.
//!
//! ```text
//! let mut memory = Memory::default();
//! let x = memory.add(vec![0; 64]);
//! run(&kernel, &[x], &mut memory, 1)?;
//! ```

mod lane;
#[cfg(test)]
mod tests;

use super::*;
use lane::{convert, in_lane, integer, no_subnormal};

/// Regions of bytes at addresses far apart, so that running off one never meets another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub regions: Vec<Vec<u8>>,
}

/// Distance of two regions' addresses.
const APART: u64 = 1 << 40;

impl Memory {
    /// Takes the bytes in and gives their address.
    pub fn add(&mut self, bytes: Vec<u8>) -> u64 {
        self.regions.push(bytes);
        self.regions.len() as u64 * APART
    }

    /// The number of an address' region, and where in it that is.
    pub fn place(address: u64) -> Option<(usize, usize)> {
        let region = usize::try_from(address / APART).ok()?.checked_sub(1)?;
        Some((region, usize::try_from(address % APART).ok()?))
    }

    /// The region at an address that [`Memory::add`] gave.
    pub fn region(&self, address: u64) -> Option<&[u8]> {
        self.regions.get(Memory::place(address)?.0).map(Vec::as_slice)
    }

    fn bytes(&mut self, address: i64, len: usize) -> Option<&mut [u8]> {
        let (region, at) = Memory::place(u64::try_from(address).ok()?)?;
        self.regions.get_mut(region)?.get_mut(at..at.checked_add(len)?)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in kernel {kernel}, worker {worker}: {place}: {what}")]
pub struct RunError {
    pub kernel: String,
    pub worker: usize,
    /// The instruction as printed.
    pub place: String,
    pub what: String,
}

const ENDLESS: &str = "no steps are left";

/// Runs a verified kernel as `workers` workers, one after the other; `slots` is the argument array.
pub fn run(
    kernel: &Kernel,
    slots: &[u64],
    memory: &mut Memory,
    workers: usize,
) -> Result<(), RunError> {
    run_within(kernel, slots, memory, workers, u64::MAX)
}

/// As [`run`], in at most so many instructions and turns of loops.
pub fn run_within(
    kernel: &Kernel,
    slots: &[u64],
    memory: &mut Memory,
    workers: usize,
    steps: u64,
) -> Result<(), RunError> {
    let mut left = steps;
    for worker in 0..workers {
        let mut m = Machine {
            k: kernel,
            slots,
            memory: &mut *memory,
            worker,
            left: &mut left,
            copies: vec![],
            group: 0,
            ints: vec![0; kernel.regs.len()],
            vectors: vec![Vec::new(); kernel.regs.len()],
        };
        m.block(&kernel.body)?;
    }
    Ok(())
}

struct Machine<'a> {
    k: &'a Kernel,
    slots: &'a [u64],
    memory: &'a mut Memory,
    worker: usize,
    /// Steps that may still be done.
    left: &'a mut u64,
    /// Copies that nobody has waited for, and the number of their groups.
    copies: Vec<Copied>,
    group: i64,
    /// Values of Int registers.
    ints: Vec<i64>,
    /// Bits of the others by lane, word after word of arrays; a mask lane is all ones or zero.
    vectors: Vec<Vec<u32>>,
}

/// A copy that has not arrived: it does as late as it may.
struct Copied {
    group: i64,
    to: i64,
    /// `None`: zeros.
    from: Option<i64>,
    bytes: usize,
}

type Ran<T> = Result<T, RunError>;

impl Machine<'_> {
    fn fail<T>(&self, place: String, what: impl Into<String>) -> Ran<T> {
        let kernel = self.k.name.clone();
        Err(RunError { kernel, worker: self.worker, place, what: what.into() })
    }

    fn int(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Reg(reg) => self.ints[reg.index()],
            Operand::Imm(x) => x,
        }
    }

    fn copy(&mut self, to: Reg, from: Reg) {
        self.ints[to.index()] = self.ints[from.index()];
        self.vectors[to.index()] = self.vectors[from.index()].clone();
    }

    fn block(&mut self, list: &[Stmt]) -> Ran<()> {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => {
                    if *self.left == 0 {
                        return self.fail(format!("`{}`", print::show(self.k, inst)), ENDLESS);
                    }
                    *self.left -= 1;
                    self.inst(inst)?;
                }
                Stmt::Loop(l) => self.loop_(l)?,
                Stmt::If(i) => {
                    let first = i.cmp.holds(self.int(i.a), self.int(i.b));
                    self.block(if first { &i.then } else { &i.otherwise })?;
                    for (result, a, b) in &i.yields {
                        self.copy(*result, if first { *a } else { *b });
                    }
                }
            }
        }
        Ok(())
    }

    fn loop_(&mut self, l: &Loop) -> Ran<()> {
        let (mut var, hi, step) = (self.int(l.lo), self.int(l.hi), self.int(l.step));
        if step <= 0 {
            let place = format!("loop {}", self.k.reg_name(l.var));
            return self.fail(place, format!("step {step} is not positive"));
        }
        for c in &l.carried {
            self.copy(c.param, c.init);
        }
        while var < hi {
            if *self.left == 0 {
                return self.fail(format!("loop {}", self.k.reg_name(l.var)), ENDLESS);
            }
            *self.left -= 1;
            self.ints[l.var.index()] = var;
            self.block(&l.body)?;
            // All yields are read before any parameter changes: they may be each other's.
            let next: Vec<_> = l
                .carried
                .iter()
                .map(|c| {
                    let from = c.yielded.index();
                    (c.param, self.ints[from], self.vectors[from].clone())
                })
                .collect();
            for (param, int, vector) in next {
                self.ints[param.index()] = int;
                self.vectors[param.index()] = vector;
            }
            var = var.saturating_add(step);
        }
        for c in &l.carried {
            self.copy(c.result, c.param);
        }
        Ok(())
    }

    fn load(&mut self, inst: &Inst, index: i64, width: Width) -> Ran<i64> {
        self.load_byte(inst, index * width.bytes() as i64, width)
    }

    fn load_byte(&mut self, inst: &Inst, byte: i64, width: Width) -> Ran<i64> {
        let (_, bytes) = self.at(inst, self.base(inst).wrapping_add(byte), width)?;
        Ok(match width {
            Width::W64 | Width::W128 => i64::from_le_bytes(bytes),
            Width::W32 => i64::from(bytes_low::<4>(&bytes).map_or(0, i32::from_le_bytes)),
            Width::U16 => i64::from(bytes_low::<2>(&bytes).map_or(0, u16::from_le_bytes)),
            Width::S16 => i64::from(bytes_low::<2>(&bytes).map_or(0, i16::from_le_bytes)),
            Width::U8 => i64::from(bytes[0]),
            Width::S8 => i64::from(bytes[0] as i8),
        })
    }

    fn store(&mut self, inst: &Inst, index: i64, width: Width, value: i64) -> Ran<()> {
        let address = self.address(inst, index, width);
        let (len, _) = self.at(inst, address, width)?;
        if let Some(place) = self.memory.bytes(address, len) {
            place.copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Ok(())
    }

    /// The words of one element each of the lanes in `from`, [`Op::GatherPart`]'s and wide loads'.
    fn load_lanes(&mut self, inst: &Inst, width: Width, from: &[Option<i64>]) -> Ran<Vec<u32>> {
        let words = usize::from(width.words());
        let mut out = vec![0; words * from.len()];
        for (lane, byte) in from.iter().enumerate() {
            let Some(byte) = byte else { continue };
            for word in 0..words {
                let one = if words > 1 { Width::W32 } else { width };
                let place = out.get_mut(word * from.len() + lane);
                let x = self.load_byte(inst, byte + 4 * word as i64, one)?;
                place.into_iter().for_each(|p| *p = x as u32);
            }
        }
        Ok(out)
    }

    fn store_lanes(&mut self, inst: &Inst, width: Width, to: &[Option<i64>]) -> Ran<()> {
        let words = usize::from(width.words());
        for (lane, byte) in to.iter().enumerate() {
            let Some(byte) = byte else { continue };
            for word in 0..words {
                let one = if words > 1 { Width::W32 } else { width };
                let from = inst.uses.first();
                let value = from.map_or(0, |o| self.lane(*o, word * to.len() + lane));
                self.store_byte(inst, byte + 4 * word as i64, one, value)?;
            }
        }
        Ok(())
    }

    /// The low bytes of a word, so many bytes from the address on.
    fn store_byte(&mut self, inst: &Inst, byte: i64, width: Width, word: u32) -> Ran<()> {
        let address = self.base(inst).wrapping_add(byte);
        let (len, _) = self.at(inst, address, width)?;
        if let Some(place) = self.memory.bytes(address, len) {
            place.copy_from_slice(&word.to_le_bytes()[..len]);
        }
        Ok(())
    }

    /// Bytes from the address to each word of some rows.
    fn rows(&self, rows: u8, apart: i64) -> Vec<i64> {
        let lanes = self.k.lanes as i64;
        let row = |row: i64| (0..lanes).map(move |lane| row.wrapping_mul(apart) + 4 * lane);
        (0..i64::from(rows)).flat_map(row).collect()
    }

    /// Bytes from the address of a gather or scatter to each lane's element; `None` where its mask does not hold. They
    /// are operand `n`, the mask is behind them.
    fn offsets(&self, inst: &Inst, n: usize) -> Vec<Option<i64>> {
        let of = |n: usize, lane: usize| inst.uses.get(n).map_or(0, |o| self.lane(*o, lane));
        (0..self.k.lanes)
            .map(|lane| (of(n + 1, lane) != 0).then(|| i64::from(of(n, lane) as i32)))
            .collect()
    }

    fn base(&self, inst: &Inst) -> i64 {
        inst.mem.map_or(0, |m| self.ints[m.base.index()].wrapping_add(m.offset.into()))
    }

    fn address(&self, inst: &Inst, index: i64, width: Width) -> i64 {
        self.base(inst).wrapping_add(index * width.bytes() as i64)
    }

    /// The element at an address, checked.
    fn at(&mut self, inst: &Inst, address: i64, width: Width) -> Ran<(usize, [u8; 8])> {
        let len = width.bytes().min(8);
        self.untouched(inst, address, len)?;
        let mut out = [0; 8];
        match self.memory.bytes(address, len) {
            Some(bytes) => out[..len].copy_from_slice(bytes),
            None => {
                let address = address as u64;
                let (region, byte) = (address / APART, address % APART);
                let what = match region.checked_sub(1).map(|r| self.memory.regions.get(r as usize))
                {
                    Some(Some(r)) => format!(
                        "{len} bytes at byte {byte} of region {}, which has {}",
                        region - 1,
                        r.len()
                    ),
                    Some(None) | None => format!("address {address:#x} is in no region"),
                };
                return self.fail(format!("`{}`", print::show(self.k, inst)), what);
            }
        }
        Ok((len, out))
    }

    /// No copy under way may write any of these bytes.
    fn untouched(&self, inst: &Inst, address: i64, len: usize) -> Ran<()> {
        let meets = |c: &Copied| {
            address < c.to.saturating_add(c.bytes as i64)
                && c.to < address.saturating_add(len as i64)
        };
        if !self.copies.iter().any(meets) {
            return Ok(());
        }
        let place = format!("`{}`", print::show(self.k, inst));
        self.fail(place, "touches what a copy writes that nobody waited for")
    }

    /// The words of squares, one after the other.
    fn squares(&mut self, inst: &Inst, count: usize, turned: bool) -> Ran<Vec<u32>> {
        let lanes = self.k.lanes;
        let mut out = Vec::with_capacity(count * lanes);
        for i in 0..count {
            for lane in 0..lanes {
                let mut word = 0;
                for half in 0..2 {
                    let (row, column) = (lane / 4 % 8, 2 * (lane % 4) + half);
                    let (row, column) = if turned { (column, row) } else { (row, column) };
                    let from = inst.uses.first().map_or(0, |o| self.lane(*o, 8 * i + row)) as i32;
                    if self.base(inst).wrapping_add(from.into()) % 16 != 0 {
                        let place = format!("`{}`", print::show(self.k, inst));
                        return self.fail(place, "a row begins at no multiple of 16");
                    }
                    let byte = i64::from(from) + 2 * column as i64;
                    word |= (self.load_byte(inst, byte, Width::U16)? as u32) << (16 * half);
                }
                out.push(word);
            }
        }
        Ok(out)
    }

    fn copy_async(&mut self, inst: &Inst, bytes: usize) -> Ran<()> {
        let place = || format!("`{}`", print::show(self.k, inst));
        let operand = |n: usize| inst.uses.get(n).copied().unwrap_or(Operand::Imm(0));
        for lane in 0..self.k.lanes {
            let how = self.lane(operand(3), lane) as i32;
            if how < 0 {
                continue;
            }
            let to = self
                .address(inst, 0, Width::U8)
                .wrapping_add(i64::from(self.lane(operand(0), lane)));
            let from =
                self.int(operand(1)).wrapping_add(i64::from(self.lane(operand(2), lane) as i32));
            let from = (how > 0).then_some(from);
            if how != 0 && how as usize != bytes {
                return self.fail(place(), format!("{how} of {bytes} bytes"));
            }
            for at in [Some(to), from].into_iter().flatten() {
                if at % bytes as i64 != 0 {
                    return self.fail(place(), format!("{at:#x} is no multiple of {bytes}"));
                }
                if self.memory.bytes(at, bytes).is_none() {
                    return self.fail(place(), format!("{bytes} bytes at {at:#x} are not there"));
                }
            }
            self.untouched(inst, to, bytes)?;
            self.copies.push(Copied { group: self.group, to, from, bytes });
        }
        Ok(())
    }

    /// All groups but the last `left` arrive.
    fn arrive(&mut self, left: i64) {
        let (group, copies) = (self.group, std::mem::take(&mut self.copies));
        for c in copies {
            if c.group >= group.saturating_sub(left) {
                self.copies.push(c);
                continue;
            }
            let from = c.from.and_then(|from| self.memory.bytes(from, c.bytes));
            let bytes = from.map_or_else(|| vec![0; c.bytes], |b| b.to_vec());
            if let Some(to) = self.memory.bytes(c.to, c.bytes) {
                to.copy_from_slice(&bytes);
            }
        }
    }

    /// Bytes from the address to each lane's element, one behind the other.
    fn each_lane(&self, width: Width) -> Vec<Option<i64>> {
        (0..self.k.lanes as i64).map(|lane| Some(lane * width.bytes() as i64)).collect()
    }

    /// A number of lanes: operand `n`, checked.
    fn part(&self, inst: &Inst, n: usize) -> Ran<usize> {
        let (wanted, lanes) = (inst.uses.get(n).map_or(0, |o| self.int(*o)), self.k.lanes);
        match usize::try_from(wanted) {
            Ok(n) if n <= lanes => Ok(n),
            Ok(_) | Err(_) => {
                let place = format!("`{}`", print::show(self.k, inst));
                self.fail(place, format!("{wanted} of {lanes} lanes"))
            }
        }
    }

    fn inst(&mut self, inst: &Inst) -> Ran<()> {
        let lanes = self.k.lanes;
        let int = |m: &Self, n: usize| inst.uses.get(n).map_or(0, |o| m.int(*o));
        let scalar = match &inst.op {
            Op::Const => Some(int(self, 0)),
            Op::Arg => match self.slots.get(int(self, 0) as usize) {
                Some(slot) => Some(*slot as i64),
                None => {
                    let place = format!("`{}`", print::show(self.k, inst));
                    return self.fail(place, format!("the caller gave {}", self.slots.len()));
                }
            },
            Op::Worker => Some(self.worker as i64),
            Op::Ballot => {
                let set =
                    |lane: &usize| inst.uses.first().is_some_and(|o| self.lane(*o, *lane) != 0);
                Some((0..lanes.min(64)).filter(set).fold(0, |bits, lane| bits | 1 << lane))
            }
            Op::Int(op) => match integer(*op, int(self, 0), int(self, 1)) {
                Some(x) => Some(x),
                None => {
                    let place = format!("`{}`", print::show(self.k, inst));
                    return self.fail(place, "the divisor is not positive");
                }
            },
            Op::Read(w) => Some(self.load(inst, 0, *w)?),
            Op::Next => {
                let old = self.load(inst, 0, Width::W64)?;
                self.store(inst, 0, Width::W64, old.wrapping_add(int(self, 0)))?;
                Some(old)
            }
            Op::Write(w) => {
                let value = int(self, 0);
                return self.store(inst, 0, *w, value);
            }
            Op::Store(w @ (Width::W64 | Width::W128)) => {
                let to: Vec<_> = self.each_lane(*w);
                return self.store_lanes(inst, *w, &to);
            }
            Op::Rows(RowsOp::Store, rows) => {
                let value = |i: usize| inst.uses.first().map_or(0, |o| self.lane(*o, i));
                let words: Vec<u32> = (0..usize::from(*rows) * lanes).map(value).collect();
                for (byte, word) in self.rows(*rows, int(self, 1)).into_iter().zip(words) {
                    self.store_byte(inst, byte, Width::W32, word)?;
                }
                return Ok(());
            }
            Op::Scatter(w) => {
                let to = self.offsets(inst, 1);
                return self.store_lanes(inst, *w, &to);
            }
            Op::Store(w) | Op::StorePart(w) => {
                let part = matches!(inst.op, Op::StorePart(_));
                let count = if part { self.part(inst, 1)? } else { lanes };
                for lane in 0..count {
                    let value = inst.uses.first().map_or(0, |o| self.lane(*o, lane));
                    self.store(inst, lane as i64, *w, i64::from(value))?;
                }
                return Ok(());
            }
            Op::Prefetch(_) => return Ok(()),
            Op::Async(op) => {
                match op {
                    AsyncOp::Copy(bytes) => return self.copy_async(inst, usize::from(*bytes)),
                    AsyncOp::Commit => self.group += 1,
                    AsyncOp::Wait => {
                        let left = int(self, 0);
                        self.arrive(left);
                    }
                }
                return Ok(());
            }
            Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::SplatF16
            | Op::Nibbles
            | Op::LoadPart(_)
            | Op::Gather
            | Op::GatherPart(_)
            | Op::Squares { .. }
            | Op::Rows(RowsOp::Zero | RowsOp::Load | RowsOp::Half, _)
            | Op::FloatConst
            | Op::WordConst
            | Op::Iota
            | Op::Spread
            | Op::Float(_)
            | Op::FloatUnary(_)
            | Op::Fma
            | Op::Word(_)
            | Op::Shift(_)
            | Op::Half(_)
            | Op::FloatCmp(_)
            | Op::WordCmp(_)
            | Op::Mask(_)
            | Op::Select
            | Op::Bits
            | Op::FromBits
            | Op::Cvt(_)
            | Op::Shuffle(_)
            | Op::HSum
            | Op::HMax
            | Op::WordHSum
            | Op::PermuteBytes
            | Op::ShuffleBytes
            | Op::PermuteHigh
            | Op::SelectBits
            | Op::Lookup
            | Op::Affine
            | Op::PackBf16
            | Op::Pair(_)
            | Op::Join(_)
            | Op::Part
            | Op::Mma(_)
            | Op::Dot(_) => None,
        };
        let Some(def) = inst.def else { return Ok(()) };
        if let Some(x) = scalar {
            self.ints[def.index()] = x;
            return Ok(());
        }
        let mut out = Vec::with_capacity(lanes);
        match &inst.op {
            Op::Load(w @ (Width::W64 | Width::W128)) => {
                let from = self.each_lane(*w);
                out = self.load_lanes(inst, *w, &from)?;
            }
            Op::Squares { count, turned } => {
                out = self.squares(inst, usize::from(*count), *turned)?;
            }
            Op::Rows(op @ (RowsOp::Load | RowsOp::Half), rows) => {
                let there = if *op == RowsOp::Half { lanes / 2 } else { lanes };
                for (i, byte) in self.rows(*rows, int(self, 0)).into_iter().enumerate() {
                    let read = i % lanes < there;
                    out.push(if read { self.load_byte(inst, byte, Width::W32)? as u32 } else { 0 });
                }
            }
            Op::Rows(RowsOp::Zero | RowsOp::Store, rows) => {
                out = vec![0; usize::from(*rows) * lanes];
            }
            Op::GatherPart(w) => {
                let from = self.offsets(inst, 0);
                out = self.load_lanes(inst, *w, &from)?;
            }
            Op::Join(_) => {
                for from in &inst.uses {
                    out.extend((0..lanes).map(|l| self.lane(*from, l)));
                }
            }
            Op::Part => {
                let first = usize::try_from(int(self, 1)).unwrap_or(0) * lanes;
                let from = inst.uses.first().copied().unwrap_or(Operand::Imm(0));
                out.extend((first..first + lanes).map(|l| self.lane(from, l)));
            }
            Op::Mma(mma) => {
                let words = |n: usize| match inst.uses.get(n) {
                    Some(Operand::Reg(reg)) => self.vectors[reg.index()].as_slice(),
                    Some(Operand::Imm(_)) | None => &[],
                };
                match mma.run(words(0), words(1), words(2)) {
                    Some(words) => out = words,
                    None => {
                        let place = format!("`{}`", print::show(self.k, inst));
                        return self.fail(place, "registers of other sizes");
                    }
                }
            }
            Op::Load(w) => {
                for lane in 0..lanes as i64 {
                    out.push(self.load(inst, lane, *w)? as u32);
                }
            }
            Op::LoadPart(w) => {
                for lane in 0..self.part(inst, 0)? {
                    out.push(self.load(inst, lane as i64, *w)? as u32);
                }
                out.resize(lanes, 0);
            }
            Op::Gather => {
                for lane in 0..lanes {
                    let index = inst.uses.first().map_or(0, |o| self.lane(*o, lane));
                    out.push(self.load(inst, i64::from(index as i32), Width::W32)? as u32);
                }
            }
            Op::PermuteBytes => {
                let source = self.bytes(inst, 0);
                let at = |i: u8| source.get(usize::from(i) % source.len().max(1)).copied();
                let picked: Vec<u8> =
                    self.bytes(inst, 1).into_iter().map(|i| at(i).unwrap_or(0)).collect();
                out.extend(picked.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)));
            }
            Op::ShuffleBytes => {
                let source = self.bytes(inst, 0);
                let byte = |(i, x): (usize, u8)| match x & 0x80 {
                    0 => source.get(i / 16 * 16 + usize::from(x % 16)).copied().unwrap_or(0),
                    _ => 0,
                };
                let made: Vec<u8> = self.bytes(inst, 1).into_iter().enumerate().map(byte).collect();
                out.extend(made.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)));
            }
            Op::PermuteHigh => {
                let (source, other) = (self.bytes(inst, 0), self.bytes(inst, 2));
                let byte = |(i, x): (usize, u8)| {
                    let (from, at) = match x >= 0xc0 {
                        true => (&source, usize::from(x) % source.len().max(1)),
                        false => (&other, i),
                    };
                    from.get(at).copied().unwrap_or(0)
                };
                let made: Vec<u8> = self.bytes(inst, 1).into_iter().enumerate().map(byte).collect();
                out.extend(made.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)));
            }
            Op::Lookup => {
                let of = |i: usize, lane| inst.uses.get(i).map_or(0, |o| self.lane(*o, lane));
                out.extend((0..lanes).map(|lane| of(0, of(1, lane) as usize % lanes)));
            }
            Op::Affine => {
                let (matrix, plus) = (self.bytes(inst, 1), int(self, 2));
                let byte = |(i, x): (usize, u8)| {
                    (0..8).fold(0, |product, bit| {
                        let row = matrix.get(i / 8 * 8 + 7 - bit).map_or(0, |m| m & x);
                        let odd = row.count_ones() as u8 & 1 ^ (plus >> bit) as u8 & 1;
                        product | odd << bit
                    })
                };
                let made: Vec<u8> = self.bytes(inst, 0).into_iter().enumerate().map(byte).collect();
                out.extend(made.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)));
            }
            Op::PackBf16 => {
                let half = |i: usize| {
                    let from = inst.uses.get(i / lanes).copied();
                    let x = f32::from_bits(from.map_or(0, |o| self.lane(o, i % lanes)));
                    u32::from(half::bf16::from_f32(no_subnormal(x)).to_bits())
                };
                out.extend((0..lanes).map(|i| half(2 * i) | half(2 * i + 1) << 16));
            }
            Op::LoadF16 => {
                for lane in 0..lanes as i64 {
                    let half = self.load(inst, lane, Width::U16)? as u32;
                    out.push(convert(Cvt::FloatFromF16, half));
                }
            }
            Op::SplatF16 => {
                let half = self.load(inst, 0, Width::U16)? as u32;
                out = vec![convert(Cvt::FloatFromF16, half); lanes];
            }
            Op::Nibbles => {
                let bits = self.load(inst, 0, Width::W64)? as u64;
                out.extend((0..lanes as u32).map(|lane| bits.rotate_right(4 * lane % 64) as u32));
            }
            Op::Splat(w) => out = vec![self.load(inst, 0, *w)? as u32; lanes],
            Op::HSum => out = self.tree(inst, &Op::Float(FloatOp::Add)),
            Op::HMax => out = self.tree(inst, &Op::Float(FloatOp::Max)),
            Op::WordHSum => out = self.tree(inst, &Op::Word(WordOp::Add)),
            Op::Shuffle(table) => {
                for &t in table {
                    let t = usize::from(t);
                    let from = inst.uses.get(t / lanes).copied();
                    out.push(from.map_or(0, |o| self.lane(o, t % lanes)));
                }
            }
            Op::Half(HalfOp::Low | HalfOp::High)
            | Op::Cvt(Cvt::FloatFromF16Low | Cvt::FloatFromF16High) => {
                let high =
                    matches!(inst.op, Op::Half(HalfOp::High) | Op::Cvt(Cvt::FloatFromF16High));
                let first = if high { lanes } else { 0 };
                let half = |n: usize, i: usize| {
                    let word = inst.uses.get(n).map_or(0, |o| self.lane(*o, i / 2));
                    word >> (16 * (i % 2)) & 0xffff
                };
                for i in first..first + lanes {
                    out.push(if matches!(inst.op, Op::Cvt(_)) {
                        convert(Cvt::FloatFromF16, half(0, i))
                    } else {
                        half(0, i) | half(1, i) << 16
                    });
                }
            }
            Op::FloatConst | Op::WordConst | Op::Spread => out = vec![int(self, 0) as u32; lanes],
            Op::Iota => out = (0..lanes as u32).collect(),
            // Done above.
            Op::Const
            | Op::Arg
            | Op::Worker
            | Op::Ballot
            | Op::Int(_)
            | Op::Read(_)
            | Op::Write(_)
            | Op::Next
            | Op::Store(_)
            | Op::StorePart(_)
            | Op::Async(_)
            | Op::Scatter(_)
            | Op::Prefetch(_) => {}
            Op::Float(_)
            | Op::FloatUnary(_)
            | Op::Fma
            | Op::Word(_)
            | Op::Shift(_)
            | Op::Half(_)
            | Op::FloatCmp(_)
            | Op::WordCmp(_)
            | Op::Mask(_)
            | Op::Select
            | Op::Bits
            | Op::FromBits
            | Op::Cvt(_)
            | Op::Pair(_)
            | Op::SelectBits
            | Op::Dot(_) => {
                for lane in 0..lanes {
                    let mut x = [0u32; 3];
                    for (x, o) in x.iter_mut().zip(&inst.uses) {
                        *x = self.lane(*o, lane);
                    }
                    out.push(in_lane(&inst.op, x));
                }
            }
        }
        self.vectors[def.index()] = out;
        Ok(())
    }

    /// Folds the upper half of the lanes onto the lower half until one is left, then spreads it.
    fn tree(&self, inst: &Inst, step: &Op) -> Vec<u32> {
        let lanes = self.k.lanes;
        let mut tree: Vec<u32> =
            (0..lanes).map(|l| inst.uses.first().map_or(0, |o| self.lane(*o, l))).collect();
        while tree.len() > 1 {
            let high = tree.split_off(tree.len().div_ceil(2));
            for (x, y) in tree.iter_mut().zip(high) {
                *x = in_lane(step, [*x, y, 0]);
            }
        }
        vec![tree.first().copied().unwrap_or(0); lanes]
    }

    /// All bytes of operand `n`.
    fn bytes(&self, inst: &Inst, n: usize) -> Vec<u8> {
        let word = |l: usize| inst.uses.get(n).map_or(0, |o| self.lane(*o, l));
        (0..self.k.lanes).flat_map(|l| word(l).to_le_bytes()).collect()
    }

    fn lane(&self, operand: Operand, lane: usize) -> u32 {
        match operand {
            Operand::Reg(reg) => self.vectors[reg.index()].get(lane).copied().unwrap_or(0),
            Operand::Imm(x) => x as u32,
        }
    }
}

fn bytes_low<const N: usize>(bytes: &[u8; 8]) -> Option<[u8; N]> {
    bytes.first_chunk::<N>().copied()
}
