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

    fn load(&mut self, inst: &Inst, index: usize, width: Width) -> Ran<i64> {
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

    fn store(&mut self, inst: &Inst, index: usize, width: Width, value: i64) -> Ran<()> {
        let (len, _) = self.at(inst, index, width)?;
        let address = self.address(inst, index, width);
        if let Some(place) = self.memory.bytes(address, len) {
            place.copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Ok(())
    }

    fn address(&self, inst: &Inst, index: usize, width: Width) -> i64 {
        let base = inst.mem.map_or(0, |m| self.ints[m.base.index()].wrapping_add(m.offset.into()));
        base.wrapping_add((index * size(width)) as i64)
    }

    /// The element at the instruction's address, checked.
    fn at(&mut self, inst: &Inst, index: usize, width: Width) -> Ran<(usize, [u8; 8])> {
        let (address, len) = (self.address(inst, index, width), size(width));
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
            Op::Store(w) => {
                for lane in 0..lanes {
                    let value = inst.uses.first().map_or(0, |o| self.lane(*o, lane));
                    self.store(inst, lane, *w, i64::from(value))?;
                }
                return Ok(());
            }
            Op::Prefetch(_) => return Ok(()),
            Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::SplatF16
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
                for lane in 0..lanes {
                    out.push(self.load(inst, lane, *w)? as u32);
                }
            }
            Op::LoadF16 => {
                for lane in 0..lanes {
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

fn size(width: Width) -> usize {
    match width {
        Width::W64 => 8,
        Width::W32 => 4,
        Width::U16 | Width::S16 => 2,
        Width::U8 | Width::S8 => 1,
    }
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
        | Op::Prefetch(_)
        | Op::FloatConst
        | Op::WordConst
        | Op::Iota
        | Op::Spread
        | Op::Half(HalfOp::Low | HalfOp::High)
        | Op::Shuffle(_)
        | Op::HSum
        | Op::HMax
        | Op::WordHSum => x,
    }
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
