//! Atomics, fences, and what one learns from another by them.

use super::{
    Machine, Warp,
    access::{Manner, Place},
    each, terms,
};
use crate::ptx::{
    check::race::{Knowledge, join, learn},
    float::{self, Conversion},
    op::{Atomic, AtomicOp, Fence, Order, SINK, Type, mask_of, signed},
};

/// More tasks than any launch has, and far from where sums of them overflow.
const NONE_LEFT: u64 = 1 << 48;

impl<'a> Machine<'a> {
    pub(super) fn atomic(&mut self, warp: &mut Warp<'a>, atomic: &Atomic, pc: u32, mask: u32) {
        let size = (atomic.kind.bits() / 8) as usize;
        let total = size * atomic.values.len();
        self.cost(warp, atomic.address, total as u32, pc, mask);
        let how = Manner { strong: true, asynchronous: false };
        let mut told = None;
        for lane in each(mask) {
            let site = self.site(warp, pc, lane);
            let (space, at) = self.target(warp, atomic.address, lane);
            let Some(place) = self.place(site, space, at, total) else { continue };
            self.skip(place, atomic.op);
            let mut bytes = [0; 64];
            self.read(site, warp, place, how, &mut bytes[..total]);
            self.showed(warp, place, mask, atomic.order, &mut told);
            let other = warp.registers[atomic.other as usize][lane];
            for (n, value) in atomic.values.iter().enumerate() {
                let mut old = [0; 8];
                old[..size].copy_from_slice(&bytes[n * size..(n + 1) * size]);
                let old = u64::from_le_bytes(old);
                let value = warp.registers[*value as usize][lane];
                let new = combine(atomic.op, atomic.kind, old, value, other);
                bytes[n * size..(n + 1) * size].copy_from_slice(&new.to_le_bytes()[..size]);
                let part = place.on(n * size);
                if !self.names.is_empty() {
                    let term = |slot: u32| warp.terms.registers[slot as usize][lane];
                    let was = self.term_at(warp, lane, part, size);
                    let given = (term(atomic.values[n]), value);
                    let now =
                        terms::updated(atomic.op, (was, old), given, (term(atomic.other), other));
                    let now: Vec<_> = terms::split(now, size).collect();
                    self.set_terms(warp, lane, part, now.into_iter());
                    if let Some(d) = atomic.results.get(n) {
                        warp.terms.registers[*d as usize][lane] = was;
                    }
                }
                if let Some(d) = atomic.results.get(n).filter(|d| **d != SINK) {
                    warp.registers[*d as usize][lane] = old;
                }
            }
            self.write(site, warp, place, how, &bytes[..total]);
            self.saw(warp, place, lane, atomic.order);
        }
    }

    /// Others have taken all tasks from a counter up to the next one that is for these blocks.
    fn skip(&mut self, place: Place, op: AtomicOp) {
        let (Place::Global(index, at), AtomicOp::Add) = (place, op) else { return };
        let own = self.memory.address(index) + at as u64;
        let counters = &self.setup.launch.tasks;
        let Some((_, tasks)) = counters.iter().find(|(address, _)| *address == own) else { return };
        let Some(buffer) = self.memory.buffer_mut(index) else { return };
        let Some(bytes) = buffer.bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) else {
            return;
        };
        let next = u64::from_le_bytes(*bytes);
        // Behind the last one, none is left.
        let next =
            tasks.iter().copied().filter(|t| *t >= next).min().unwrap_or(NONE_LEFT.max(next));
        *bytes = next.to_le_bytes();
    }

    fn key(&self, place: Place) -> Option<u64> {
        match place {
            Place::Shared(at) => Some(at as u64),
            Place::Global(index, at) => Some(self.memory.address(index) + at as u64),
            Place::Local(_) | Place::Param(_) => None,
        }
    }

    /// A strong write: whoever sees it may learn what came before a fence, or before a release.
    pub(super) fn showed(
        &mut self,
        warp: &mut Warp<'a>,
        place: Place,
        mask: u32,
        order: Order,
        told: &mut Option<Knowledge>,
    ) {
        if !(order.release || warp.fenced) {
            return;
        }
        let Some(key) = self.key(place) else { return };
        // Once an instruction, for all its lanes.
        let (index, all) = (warp.index, mask == warp.alive);
        let knowledge = told.get_or_insert_with(|| self.clocks.release(index, mask, all));
        let (blocks, block, known) =
            self.released.entry(key).or_insert_with(|| (Default::default(), self.number, vec![]));
        if *block != self.number {
            *block = self.number;
            known.clear();
        }
        join(known, knowledge);
        if order.wide && matches!(place, Place::Global(..)) {
            blocks.insert(self.number);
            blocks.extend(&self.acquired);
        }
    }

    /// A strong read: it learns at once if it acquires, else by the next fence.
    pub(super) fn saw(&mut self, warp: &mut Warp<'a>, place: Place, lane: usize, order: Order) {
        let Some((blocks, block, known)) = self.key(place).and_then(|k| self.released.get(&k))
        else {
            return;
        };
        if order.acquire {
            if *block == self.number {
                self.clocks.acquire(warp.index, 1 << lane, warp.alive == 1 << lane, known);
            }
            self.acquired.extend(blocks);
        } else {
            if *block == self.number {
                learn(&mut warp.seen, 1 << lane, known);
            }
            self.seen.extend(blocks);
        }
    }

    /// A fence: what was seen before is known, and what is shown from now on tells what was done.
    fn settle(&mut self, warp: &mut Warp<'a>) {
        warp.fenced = true;
        for (lanes, known) in std::mem::take(&mut warp.seen) {
            self.clocks.acquire(warp.index, lanes, warp.alive == lanes, &known);
        }
    }

    pub(super) fn fence(&mut self, warp: &mut Warp<'a>, fence: Fence) {
        match fence {
            Fence::Block => self.settle(warp),
            Fence::Device => {
                self.settle(warp);
                let seen = std::mem::take(&mut self.seen);
                self.acquired.extend(seen);
            }
            Fence::Proxy => self.clocks.fence(warp.index),
        }
    }
}

/// The new value of a word.
pub fn combine(op: AtomicOp, kind: Type, old: u64, value: u64, other: u64) -> u64 {
    let mask = mask_of(kind.bits());
    let (old, value) = (old & mask, value & mask);
    match kind {
        Type::Float(f) => {
            let add = |x, y| f.encode(float::add(f.decode(x), f.decode(y)), Conversion::nearest());
            let of = |x| f.decode(x);
            match op {
                AtomicOp::Add if f == float::F64 => {
                    (f64::from_bits(old) + f64::from_bits(value)).to_bits()
                }
                AtomicOp::Add => add(old, value),
                AtomicOp::Min => {
                    f.encode(float::lesser(of(old), of(value), false), Conversion::nearest())
                }
                AtomicOp::Max => {
                    f.encode(float::greater(of(old), of(value), false), Conversion::nearest())
                }
                AtomicOp::Exch => value,
                AtomicOp::Cas => {
                    if old == value {
                        other
                    } else {
                        old
                    }
                }
                AtomicOp::And | AtomicOp::Or | AtomicOp::Xor | AtomicOp::Inc | AtomicOp::Dec => old,
            }
        }
        Type::Pair(f) => {
            let half = |at: u32| {
                let part = |x: u64| x >> (at * f.bits) & mask_of(f.bits);
                combine(op, Type::Float(f), part(old), part(value), 0) << (at * f.bits)
            };
            half(0) | half(1)
        }
        Type::Unsigned(_) | Type::Signed(_) | Type::Bits(_) | Type::Predicate => {
            let less = if kind.signed() {
                signed(value, kind.bits()) < signed(old, kind.bits())
            } else {
                value < old
            };
            mask & match op {
                AtomicOp::Add => old.wrapping_add(value),
                AtomicOp::Min => {
                    if less {
                        value
                    } else {
                        old
                    }
                }
                AtomicOp::Max => {
                    if less {
                        old
                    } else {
                        value
                    }
                }
                AtomicOp::And => old & value,
                AtomicOp::Or => old | value,
                AtomicOp::Xor => old ^ value,
                AtomicOp::Exch => value,
                AtomicOp::Cas => {
                    if old == value {
                        other
                    } else {
                        old
                    }
                }
                AtomicOp::Inc => {
                    if old >= value {
                        0
                    } else {
                        old + 1
                    }
                }
                AtomicOp::Dec => {
                    if old == 0 || old > value {
                        value
                    } else {
                        old - 1
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AtomicOp::*;

    #[test]
    fn words_are_combined() {
        let one = u64::from(1f32.to_bits());
        let minus = 0xffff_ffff;
        let word = Type::Unsigned(32);
        for (op, kind, old, value, expected) in [
            (Add, word, minus, 2, 1),
            (Add, Type::Float(float::F32), one, one, u64::from(2f32.to_bits())),
            (Add, Type::Pair(float::F16), 0x3c00_0000, 0x3c00_3c00, 0x4000_3c00),
            (Add, Type::Float(float::F64), 1f64.to_bits(), 2f64.to_bits(), 3f64.to_bits()),
            (Min, Type::Signed(32), minus, 1, minus),
            (Min, word, minus, 1, 1),
            (Max, Type::Signed(32), minus, 1, 1),
            (Max, Type::Float(float::F32), one, 0, one),
            (And, Type::Bits(32), 6, 3, 2),
            (Or, Type::Bits(32), 6, 3, 7),
            (Xor, Type::Bits(64), 6, 3, 5),
            (Exch, Type::Bits(32), 6, 3, 3),
            (Inc, word, 3, 3, 0),
            (Inc, word, 2, 3, 3),
            (Dec, word, 0, 3, 3),
            (Dec, word, 2, 3, 1),
        ] {
            assert_eq!(combine(op, kind, old, value, 0), expected, "{op:?}");
        }
        assert_eq!(combine(Cas, word, 5, 5, 9), 9);
        assert_eq!(combine(Cas, word, 5, 6, 9), 5);
    }
}
