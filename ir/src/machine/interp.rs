//! Runs a kernel by the meanings of its instructions, in memory that checks every access.
//!
//! ```text
//! let mut memory = Memory::default();
//! let x = memory.add(vec![0; 64]);
//! run(&kernel, &[x], &mut memory, 1)?;
//! ```

use super::*;

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

    /// The region at an address that [`Memory::add`] gave.
    pub fn region(&self, address: u64) -> Option<&[u8]> {
        self.regions.get(usize::try_from(address / APART).ok()?.checked_sub(1)?).map(Vec::as_slice)
    }

    fn bytes(&mut self, address: i64, len: usize) -> Option<&mut [u8]> {
        let address = u64::try_from(address).ok()?;
        let region = usize::try_from(address / APART).ok()?.checked_sub(1)?;
        let at = usize::try_from(address % APART).ok()?;
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
    /// Values of Int registers.
    ints: Vec<i64>,
    /// Bits of the others by lane; a mask lane is all ones or zero.
    vectors: Vec<Vec<u32>>,
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
        let (_, bytes) = self.at(inst, index, width)?;
        Ok(match width {
            Width::W64 => i64::from_le_bytes(bytes),
            Width::W32 => i64::from(bytes_low::<4>(&bytes).map_or(0, i32::from_le_bytes)),
            Width::U16 => i64::from(bytes_low::<2>(&bytes).map_or(0, u16::from_le_bytes)),
            Width::S16 => i64::from(bytes_low::<2>(&bytes).map_or(0, i16::from_le_bytes)),
            Width::U8 => i64::from(bytes[0]),
            Width::S8 => i64::from(bytes[0] as i8),
        })
    }

    fn store(&mut self, inst: &Inst, index: i64, width: Width, value: i64) -> Ran<()> {
        let (len, _) = self.at(inst, index, width)?;
        let address = self.address(inst, index, width);
        if let Some(place) = self.memory.bytes(address, len) {
            place.copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Ok(())
    }

    fn address(&self, inst: &Inst, index: i64, width: Width) -> i64 {
        let base = inst.mem.map_or(0, |m| self.ints[m.base.index()].wrapping_add(m.offset.into()));
        base.wrapping_add(index * width.bytes() as i64)
    }

    /// The element at the instruction's address, checked.
    fn at(&mut self, inst: &Inst, index: i64, width: Width) -> Ran<(usize, [u8; 8])> {
        let (address, len) = (self.address(inst, index, width), width.bytes());
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
            Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::SplatF16
            | Op::LoadPart(_)
            | Op::Gather
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
            | Op::Affine
            | Op::PackBf16
            | Op::Dot(_) => None,
        };
        let Some(def) = inst.def else { return Ok(()) };
        if let Some(x) = scalar {
            self.ints[def.index()] = x;
            return Ok(());
        }
        let mut out = Vec::with_capacity(lanes);
        match &inst.op {
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
            | Op::Int(_)
            | Op::Read(_)
            | Op::Write(_)
            | Op::Next
            | Op::Store(_)
            | Op::StorePart(_)
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

fn integer(op: IntOp, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        IntOp::Add => a.wrapping_add(b),
        IntOp::Sub => a.wrapping_sub(b),
        IntOp::Mul => a.wrapping_mul(b),
        IntOp::Div if b > 0 => a.div_euclid(b),
        IntOp::Rem if b > 0 => a.rem_euclid(b),
        IntOp::Div | IntOp::Rem => return None,
        IntOp::Min => a.min(b),
        IntOp::Max => a.max(b),
    })
}

/// Ops whose result in a lane depends on that lane of the operands alone.
fn in_lane(op: &Op, [x, y, z]: [u32; 3]) -> u32 {
    let (a, b, c) = (f32::from_bits(x), f32::from_bits(y), f32::from_bits(z));
    let mask = |truth: bool| if truth { u32::MAX } else { 0 };
    match op {
        Op::Float(op) => match op {
            FloatOp::Add => (a + b).to_bits(),
            FloatOp::Sub => (a - b).to_bits(),
            FloatOp::Mul => (a * b).to_bits(),
            FloatOp::Div => (a / b).to_bits(),
            FloatOp::Max => {
                if a > b {
                    x
                } else {
                    y
                }
            }
            FloatOp::Min => {
                if a < b {
                    x
                } else {
                    y
                }
            }
        },
        Op::FloatUnary(op) => match op {
            FloatUnary::Neg => x ^ 0x8000_0000,
            FloatUnary::Abs => x & 0x7fff_ffff,
            FloatUnary::Sqrt => a.sqrt().to_bits(),
            FloatUnary::Floor => a.floor().to_bits(),
            FloatUnary::Nearest => a.round_ties_even().to_bits(),
            FloatUnary::Exp2 => (f64::from(a).exp2() as f32).to_bits(),
            FloatUnary::Log2 => (f64::from(a).log2() as f32).to_bits(),
            FloatUnary::Tanh => (f64::from(a).tanh() as f32).to_bits(),
            FloatUnary::Sin => (turn(a).sin() as f32).to_bits(),
            FloatUnary::Cos => (turn(a).cos() as f32).to_bits(),
        },
        Op::Fma => a.mul_add(b, c).to_bits(),
        Op::Word(op) => match op {
            WordOp::Add => x.wrapping_add(y),
            WordOp::Sub => x.wrapping_sub(y),
            WordOp::Mul => x.wrapping_mul(y),
            WordOp::And => x & y,
            WordOp::Or => x | y,
            WordOp::Xor => x ^ y,
            WordOp::Min => (x as i32).min(y as i32) as u32,
            WordOp::Max => (x as i32).max(y as i32) as u32,
        },
        Op::Shift(op) => match op {
            ShiftOp::Left => x.wrapping_shl(y),
            ShiftOp::Right => x.wrapping_shr(y),
            ShiftOp::Arithmetic => (x as i32).wrapping_shr(y) as u32,
        },
        Op::Half(HalfOp::Shift(op)) => halves(x, x, |a, _| match op {
            ShiftOp::Left => a.wrapping_shl(y),
            ShiftOp::Right => a.wrapping_shr(y),
            ShiftOp::Arithmetic => (a as i16).wrapping_shr(y) as u16,
        }),
        Op::Half(HalfOp::Eq) => halves(x, y, |a, b| if a == b { u16::MAX } else { 0 }),
        Op::FloatCmp(cmp) => mask(cmp.holds(a, b)),
        Op::WordCmp(cmp) => mask(cmp.holds(x as i32, y as i32)),
        Op::Mask(MaskOp::And) => x & y,
        Op::Mask(MaskOp::Or) => x | y,
        Op::Select => {
            if x != 0 {
                y
            } else {
                z
            }
        }
        Op::Cvt(cvt) => convert(*cvt, x),
        Op::Dot(DotOp::U8S8) => {
            let (a, b) = (x.to_le_bytes(), y.to_le_bytes());
            a.iter().zip(b).fold(z, |sum, (a, b)| {
                sum.wrapping_add((i32::from(*a) * i32::from(b as i8)) as u32)
            })
        }
        Op::Dot(DotOp::S16S16) => [0, 16].into_iter().fold(z, |sum, n| {
            let (a, b) = (i32::from((x >> n) as i16), i32::from((y >> n) as i16));
            sum.wrapping_add(a.wrapping_mul(b) as u32)
        }),
        Op::Dot(DotOp::Bf16) => {
            let high = bf16_step(x >> 16, y >> 16, c);
            bf16_step(x & 0xffff, y & 0xffff, high).to_bits()
        }
        Op::Bits | Op::FromBits => x,
        // Not ops of one lane.
        Op::Const
        | Op::Arg
        | Op::Worker
        | Op::Int(_)
        | Op::Read(_)
        | Op::Write(_)
        | Op::Next
        | Op::Load(_)
        | Op::Splat(_)
        | Op::LoadF16
        | Op::SplatF16
        | Op::Store(_)
        | Op::LoadPart(_)
        | Op::StorePart(_)
        | Op::Gather
        | Op::Prefetch(_)
        | Op::FloatConst
        | Op::WordConst
        | Op::Iota
        | Op::Spread
        | Op::Half(HalfOp::Low | HalfOp::High)
        | Op::Shuffle(_)
        | Op::HSum
        | Op::HMax
        | Op::WordHSum
        | Op::PermuteBytes
        | Op::Affine
        | Op::PackBf16 => x,
    }
}

/// Zero, of its sign, where the number is subnormal.
fn no_subnormal(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

/// `a b + c` with a and b in bf16, as VDPBF16PS does it whatever the modes are: one rounding, to nearest even, and no
/// subnormals. A result is one if it were so with any exponent (Intel's manual, volume 1, 11.5.2.4), so that some just
/// below the least normal number are zero and not that number. f64 tells them exactly: there the operands are near
/// each other, or one is zero.
fn bf16_step(a: u32, b: u32, c: f32) -> f32 {
    let [a, b] = [a, b].map(|h| no_subnormal(f32::from_bits(h << 16)));
    let c = no_subnormal(c);
    let (sum, exact) = (a.mul_add(b, c), f64::from(a) * f64::from(b) + f64::from(c));
    let tiny = f64::from(f32::MIN_POSITIVE) * (1.0 - 2f64.powi(-25));
    if exact.abs() < tiny { 0f32.copysign(sum) } else { sum }
}

fn halves(x: u32, y: u32, op: impl Fn(u16, u16) -> u16) -> u32 {
    u32::from(op(x as u16, y as u16)) | u32::from(op((x >> 16) as u16, (y >> 16) as u16)) << 16
}

fn convert(cvt: Cvt, x: u32) -> u32 {
    let a = f32::from_bits(x);
    match cvt {
        Cvt::FloatFromInt => (x as i32 as f32).to_bits(),
        Cvt::IntFromFloat => {
            let a = a.round_ties_even();
            let fits = (-2_147_483_648.0..2_147_483_648.0).contains(&a);
            (if fits { a as i32 } else { i32::MIN }) as u32
        }
        // The other two pick their half first.
        Cvt::FloatFromF16 | Cvt::FloatFromF16Low | Cvt::FloatFromF16High => {
            half::f16::from_bits(x as u16).to_f32().to_bits()
        }
        Cvt::F16FromFloat => u32::from(half::f16::from_f32(a).to_bits()),
        Cvt::FloatFromBf16 => half::bf16::from_bits(x as u16).to_f32().to_bits(),
        Cvt::Bf16FromFloat => u32::from(half::bf16::from_f32(a).to_bits()),
    }
}

/// The angle that a sine is taken of: nothing of what has no place after the point, NaN of an infinity.
#[expect(clippy::eq_op, reason = "0, or the NaN that the CPU makes of an infinity")]
fn turn(a: f32) -> f64 {
    f64::from(if a.abs() < 16_777_216.0 { a } else { a - a })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::parse::parse;

    fn ran(text: &str, bytes: usize, workers: usize) -> Result<Vec<u8>, String> {
        let kernel = parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
        let mut memory = Memory::default();
        let x = memory.add(vec![0; bytes]);
        run(&kernel, &[x], &mut memory, workers).map_err(|e| e.to_string())?;
        Ok(memory.region(x).unwrap_or_default().to_vec())
    }

    #[test]
    fn steps_can_be_limited() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i loop j in 0..9000000000000 step 1 { } }",
        )
        .unwrap_or_else(|e| panic!("{e:?}"));
        let mut memory = Memory::default();
        let x = memory.add(vec![]);
        for (steps, place) in [(0, "`x = arg 0 : i`"), (100, "loop j")] {
            let error = run_within(&kernel, &[x], &mut memory, 1, steps).unwrap_err().to_string();
            assert_eq!(error, format!("in kernel m, worker 0: {place}: no steps are left"));
        }
    }

    #[test]
    fn halves_become_floats_as_they_are_loaded() {
        let kernel = parse(
            "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.f16 [x + 0] : f
             b = splat.f16 [x + 2] : f store.w32 [x + 8], a store.w32 [x + 16], b }",
        )
        .unwrap_or_else(|e| panic!("{e:?}"));
        verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
        let mut memory = Memory::default();
        // 1.5 and the least subnormal.
        let bytes = [[0x00, 0x3e, 0x01, 0x00].as_slice(), &[0; 20]].concat();
        let x = memory.add(bytes);
        run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
        let out = memory.region(x).unwrap_or_default()[8..24].to_vec();
        let tiny = 2f32.powi(-24);
        let expected = [1.5, tiny, tiny, tiny].map(f32::to_le_bytes).concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn parts_touch_nothing_behind_them() {
        let text = |n: &str| {
            format!(
                "machine m lanes 4 {{ slot 0 = pointer x x = arg 0 : i n = const {n} : i
                 k = iota : w one = wconst 1 : w v = wadd k, one : w storepart.u16 [x + 0], v, n
                 a = loadpart.u16 [x + 0], n : w storepart.w32 [x + 4], a, n }}"
            )
        };
        for (n, bytes, expected) in [
            ("0", 0, vec![]),
            ("1", 8, vec![1, 0, 0, 0, 1, 0, 0, 0]),
            ("2", 12, vec![1, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
        ] {
            assert_eq!(ran(&text(n), bytes, 1), Ok(expected), "{n}");
        }
        for n in ["-1", "5"] {
            let e = ran(&text(n), 64, 1).unwrap_err();
            assert!(e.ends_with(&format!("{n} of 4 lanes")), "{e}");
        }
        let e = ran(&text("4"), 19, 1).unwrap_err();
        assert!(e.ends_with("4 bytes at byte 16 of region 0, which has 19"), "{e}");
    }

    #[test]
    fn gathers_count_from_their_address_both_ways() {
        let out = ran(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i k = iota : w one = wconst 1 : w
             j = wsub k, one : w store.w32 [x + 0], k g = gather.w32 [x + 4], j : w
             s = wadd g, g : w store.w32 [x + 0], s }",
            16,
            1,
        );
        assert_eq!(out, Ok([0u32, 2, 4, 6].map(u32::to_le_bytes).concat()));
        let e = ran(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i k = iota : w
             g = gather.w32 [x + 4], k : w }",
            16,
            1,
        );
        assert!(e.unwrap_err().ends_with("4 bytes at byte 16 of region 0, which has 16"));
    }

    #[test]
    fn bytes_permute_and_multiply_by_matrices_of_bits() {
        // The matrix with one bit a row from the last to the first is the identity; the other way round it turns the
        // byte about.
        let kernel = parse(
            "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : w
             i = load.w32 [x + 8] : w e = load.w32 [x + 16] : w f = load.w32 [x + 24] : w
             p = permb a, i : w q = affine a, e, 0 : w r = affine a, f, 255 : w
             store.w32 [x + 32], p store.w32 [x + 40], q store.w32 [x + 48], r }",
        )
        .unwrap_or_else(|e| panic!("{e:?}"));
        let a = [1, 2, 3, 0x80, 0x0f, 0xa5, 0, 0xff];
        let identity = [128, 64, 32, 16, 8, 4, 2, 1];
        let turned = [1, 2, 4, 8, 16, 32, 64, 128];
        let index = [7, 6, 5, 4, 3, 2, 1 + 8, 128];
        let mut memory = Memory::default();
        let x = memory.add([a, index, identity, turned, [0; 8], [0; 8], [0; 8]].concat());
        run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
        let out = memory.region(x).unwrap_or_default()[32..].to_vec();
        let permuted = [0xff, 0, 0xa5, 0x0f, 0x80, 3, 2, 1];
        let about = a.map(|b| !b.reverse_bits());
        assert_eq!(out, [permuted, a, about].concat());
    }

    #[test]
    fn products_of_bf16_round_once_each_and_know_no_subnormals() {
        let dot = |a: [f32; 2], b: [f32; 2], c: f32| {
            let [x, y] = [a, b].map(|v| v[0].to_bits() >> 16 | v[1].to_bits() & 0xffff_0000);
            f32::from_bits(in_lane(&Op::Dot(DotOp::Bf16), [x, y, c.to_bits()]))
        };
        let (min, next) = (f32::MIN_POSITIVE, f32::MIN_POSITIVE.next_down());
        assert_eq!(dot([2.0, 3.0], [5.0, 7.0], 0.5), 31.5);
        // The high product first: what it loses, the low one does not bring back.
        assert_eq!(dot([-1e30, 1e30], [1.0, 1.0], 1.0), 0.0);
        assert_eq!(dot([1.0, 1.0], [1.0, 2f32.powi(-24)], 1.0), 2.0);
        for (a, b, c, expected) in [
            ([next, 0.0], [1.0, 1.0], 0.0, 0.0f32),
            ([0.0, 0.0], [1.0, 1.0], -next, 0.0),
            ([min, 0.0], [0.5, 1.0], 0.0, 0.0),
            ([-min, 0.0], [0.5, 1.0], -0.0, -0.0),
            ([-min, 0.0], [2f32.powi(-24), 1.0], min, 0.0),
            ([-min, 0.0], [2f32.powi(-25), 1.0], min, min),
            ([min, 0.0], [1.0, 1.0], 0.0, min),
        ] {
            assert_eq!(dot(a, b, c).to_bits(), expected.to_bits(), "{a:?} {b:?} {c}");
        }
        assert!(dot([f32::INFINITY, 0.0], [1.0, 0.0], f32::NEG_INFINITY).is_nan());
    }

    #[test]
    fn workers_share_a_counter() {
        let out = ran(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i w = worker : i
             n = next [x + 0], 1 : i o = imul n, 8 : i p = iadd x, o : i write.w64 [p + 8], w }",
            32,
            3,
        );
        let mut expected = vec![0; 32];
        (expected[0], expected[16], expected[24]) = (3, 1, 2);
        assert_eq!(out, Ok(expected));
    }

    #[test]
    fn carried_values_may_trade_places() {
        let out = ran(
            "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i a = const 1 : i b = const 2 : i
             c, d = loop t in 0..3 step 1 carry p = a, q = b { } yield q, p
             write.u8 [x + 0], c write.u8 [x + 1], d }",
            2,
            1,
        );
        assert_eq!(out, Ok(vec![2, 1]));
    }

    #[test]
    fn leaving_memory_is_an_error_at_its_instruction() {
        let head = "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i";
        let e = ran(&format!("{head} a = load.w32 [x + 4] : w }}"), 16, 1).unwrap_err();
        assert_eq!(
            e,
            "in kernel m, worker 0: `a = load.w32 [x + 4] : w`: 4 bytes at byte 16 of region 0, which has 16"
        );
        let e = ran(&format!("{head} a = const 5 : i write.u8 [a + 0], a }}"), 16, 1).unwrap_err();
        assert!(e.ends_with("address 0x5 is in no region"), "{e}");
        let e = ran(&format!("{head} z = const 0 : i a = idiv x, z : i }}"), 0, 1).unwrap_err();
        assert!(e.ends_with("the divisor is not positive"), "{e}");
        let e = ran(&format!("{head} z = const 0 : i loop t in 0..1 step z {{ }} }}"), 0, 1);
        assert!(e.unwrap_err().ends_with("loop t: step 0 is not positive"));
        let text = "machine m lanes 4 { slot 0 = pointer x slot 1 = scratch s = arg 1 : i }";
        let e = ran(text, 0, 1).unwrap_err();
        assert!(e.ends_with("the caller gave 1"), "{e}");
    }
}
