//! What each value is as a function of the inputs: the proof that two texts compute the same.
//!
//! A value that follows from the launch alone is [`KNOWN`]: it is what it is. Any other has a term, the hash of the
//! operation and of the terms of its operands; bytes of memory have one each. Two runs whose outputs have the same terms
//! compute the same function of the data, whatever the data are, as long as no branch and no address depends on them
//! ([`super::super::Report::depends`] tells the first that does). Hashes have 64 bits: two different terms of a run of
//! 2^20 instructions share one with a probability below 2^-14.
//!
//! ```text
//! ld.global.f32 %f1, [q]      term of the four bytes at q
//! add.f32 %f2, %f1, 1.0       mix(add.f32, %f1, 1.0); the same as add.f32 %f2, 1.0, %f1
//! mma d, a, b, c              of each element: c + the sum over k of (a, b), in any order
//! ```

use super::{Machine, Warp, access::Place, each, lanes, tile_terms::multiplied};
use crate::ptx::op::{Alu, AtomicOp, F1, Instruction, Lanes, Op, Predicate, SINK, Slot, Together};

pub type Term = u64;
/// A value that does not depend on data.
pub const KNOWN: Term = 0;

/// One more operand.
pub fn mix(hash: u64, next: u64) -> Term {
    let x = (hash.rotate_left(29) ^ next).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x ^ x >> 31).max(1)
}

/// What a value is among operands: its term, or itself where it is known.
pub fn of(term: Term, value: u64) -> u64 {
    if term == KNOWN { mix(7, value) } else { term }
}

/// FNV-1a.
fn name(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

const STEP: u64 = 0xd1b5_4a32_d192_ed03;
/// Odd, and what undoes a multiplication by it.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const INVERSE: u64 = inverse(ODD);

/// Newton's iteration: each turn doubles the bits that are right.
const fn inverse(x: u64) -> u64 {
    let (mut y, mut turn) = (x, 0);
    while turn < 6 {
        y = y.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(y)));
        turn += 1;
    }
    y
}

/// The terms of the bytes of a value; [`joined`] finds the value again.
pub fn split(term: Term, size: usize) -> impl Iterator<Item = Term> + Clone {
    let base = term.wrapping_mul(ODD) ^ size as u64;
    (0..size as u64).map(move |i| match term {
        KNOWN => KNOWN,
        _ => base.wrapping_add(i.wrapping_mul(STEP)),
    })
}

/// The term of some bytes, by their terms and values.
pub fn joined(terms: &[Term], bytes: &[u8]) -> Term {
    if terms.iter().all(|t| *t == KNOWN) {
        return KNOWN;
    }
    let next = |i: usize| terms[0].wrapping_add((i as u64).wrapping_mul(STEP));
    if (0..terms.len()).all(|i| terms[i] == next(i)) {
        return (terms[0] ^ terms.len() as u64).wrapping_mul(INVERSE).max(1);
    }
    terms.iter().zip(bytes).fold(11, |h, (t, b)| mix(h, of(*t, (*b).into())))
}

/// Terms of a warp: as its registers, predicates and local memory.
#[derive(Default)]
pub struct WarpTerms {
    pub registers: Vec<Lanes>,
    pub predicates: Vec<Lanes>,
    carry: [Term; 32],
    pub local: Vec<Term>,
}

impl WarpTerms {
    pub fn new(registers: u32, predicates: u32, local: usize) -> WarpTerms {
        WarpTerms {
            registers: vec![[KNOWN; 32]; registers as usize],
            predicates: vec![[KNOWN; 32]; predicates as usize],
            carry: [KNOWN; 32],
            local: vec![KNOWN; local],
        }
    }
}

/// Predicates that an operation reads, and those it writes.
fn predicates(op: &Alu) -> (Vec<Predicate>, [u32; 2]) {
    match op {
        Alu::Lop3 { p, logic, .. } => (logic.iter().map(|l| l.1).collect(), [*p, 0]),
        Alu::SetPredicate { p, q, logic, .. } => (logic.iter().map(|l| l.1).collect(), [*p, *q]),
        Alu::Set { logic, .. } => (logic.iter().map(|l| l.1).collect(), [0, 0]),
        Alu::Select { p, .. } => (vec![*p], [0, 0]),
        Alu::SelectPredicate { d, a, b, p } => (vec![*a, *b, *p], [*d, 0]),
        Alu::Predicates { d, a, b, .. } => (vec![*a, *b], [*d, 0]),
        Alu::TestFloat { p, .. } | Alu::IsSpace { p, .. } => (vec![], [*p, 0]),
        Alu::Bfi { .. }
        | Alu::Carry { .. }
        | Alu::Convert { .. }
        | Alu::ConvertPair { .. }
        | Alu::ConvertHalves { .. }
        | Alu::Pack { .. }
        | Alu::Unpack { .. } => (vec![], [0, 0]),
    }
}

impl<'a> Machine<'a> {
    /// Makes ready for [`Machine::follow`]: the operations by name, and whether their first two operands may change
    /// places.
    pub(super) fn name_operations(&mut self) {
        for instruction in &self.kernel.code {
            let text = self.setup.module.piece(instruction.text);
            let code =
                text.strip_prefix('@').and_then(|t| t.split_once(' ')).map_or(&text[..], |t| t.1);
            let opcode = code.split_whitespace().next().unwrap_or_default();
            let main = opcode.split('.').next().unwrap_or_default();
            self.commutes.push(
                ["add", "mul", "mad", "fma", "max", "min", "and", "or", "xor"].contains(&main),
            );
            self.names.push(name(opcode));
        }
    }

    /// The first instruction whose way or place depends on data.
    fn depends(&mut self, pc: u32) {
        self.data_decides.get_or_insert(pc);
    }

    /// Terms of what an instruction is about to compute; `active` lanes are here, those of `mask` execute it.
    pub(super) fn follow(
        &mut self,
        warp: &mut Warp<'a>,
        instruction: &Instruction,
        pc: u32,
        active: u32,
        mask: u32,
    ) {
        let guard = warp.terms.predicates[instruction.guard.slot as usize];
        let open = each(active).filter(|l| guard[*l] != KNOWN).fold(0u32, |m, l| m | 1 << l);
        match &instruction.op {
            Op::Nop | Op::Prefetch | Op::Clock { .. } | Op::Budget(_) => {}
            Op::F1 { .. } | Op::F2 { .. } | Op::F3 { .. } | Op::Float { .. } => {
                self.computed(warp, instruction, pc, (open, mask), &[], [0, 0]);
            }
            Op::Alu(op) => {
                let (read, written) = predicates(op);
                self.computed(warp, instruction, pc, (open, mask), &read, written);
            }
            Op::Together(op) => {
                if open != 0 {
                    self.depends(pc);
                }
                together(warp, op, self.names[pc as usize], mask);
            }
            Op::Mma(product) => {
                if open != 0 {
                    self.depends(pc);
                }
                multiplied(warp, product, self.names[pc as usize]);
            }
            Op::Load(_)
            | Op::Store(_)
            | Op::Atomic(_)
            | Op::LoadMatrix { .. }
            | Op::StoreMatrix { .. }
            | Op::CopyAsync(_)
            | Op::MemoryBarrier { .. }
            | Op::Bulk(_)
            | Op::GroupMma(_) => {
                let places = addresses(&instruction.op);
                let symbolic =
                    |s: &Slot| each(mask).any(|l| warp.terms.registers[*s as usize][l] != KNOWN);
                if open != 0 || places.iter().any(symbolic) {
                    self.depends(pc);
                }
            }
            Op::Barrier { .. }
            | Op::Fence(_)
            | Op::CopyCommit
            | Op::CopyWait(_)
            | Op::BulkCommit
            | Op::BulkWait { .. }
            | Op::GroupFence
            | Op::GroupCommit
            | Op::GroupWait(_)
            | Op::Branch(_)
            | Op::Exit
            | Op::Trap => {
                if open != 0 {
                    self.depends(pc);
                }
            }
        }
    }

    /// Terms of what lanes compute on their own.
    fn computed(
        &self,
        warp: &mut Warp<'a>,
        instruction: &Instruction,
        pc: u32,
        (open, mask): (u32, u32),
        read: &[Predicate],
        written: [u32; 2],
    ) {
        let range = |r: (u32, u32)| r.0 as usize..r.1 as usize;
        let reads = &self.kernel.reads[range(instruction.reads)];
        let writes = &self.kernel.writes[range(instruction.writes)];
        let mut seed = self.names[pc as usize];
        if let Op::Alu(Alu::Lop3 { table, .. }) = &instruction.op {
            seed = mix(seed, (*table).into());
        }
        let copies = matches!(&instruction.op, Op::F1 { f, .. } if std::ptr::fn_addr_eq(*f, lanes::same as F1));
        let turns = self.commutes[pc as usize];
        for lane in each(mask | open) {
            let term = |slot: Slot| warp.terms.registers[slot as usize][lane];
            let value = |slot: Slot| warp.registers[slot as usize][lane];
            let truth = |p: &Predicate| {
                let bit = super::predicate(&warp.predicates, *p) >> lane & 1;
                let term = warp.terms.predicates[p.slot as usize][lane];
                let term = if term != KNOWN && p.negated { mix(term, 3) } else { term };
                (term, u64::from(bit))
            };
            let mut known =
                reads.iter().all(|r| term(*r) == KNOWN) && read.iter().all(|p| truth(p).0 == KNOWN);
            let mut hash = seed;
            if let (true, [a, b, rest @ ..]) = (turns, reads) {
                hash = mix(hash, of(term(*a), value(*a)).wrapping_add(of(term(*b), value(*b))));
                hash = rest.iter().fold(hash, |h, r| mix(h, of(term(*r), value(*r))));
            } else {
                hash = reads.iter().fold(hash, |h, r| mix(h, of(term(*r), value(*r))));
            }
            for p in read {
                let (term, value) = truth(p);
                hash = mix(hash, of(term, value));
            }
            if let Op::Alu(Alu::Carry { takes: true, .. }) = &instruction.op {
                let taken = warp.terms.carry[lane];
                known &= taken == KNOWN;
                hash = mix(hash, of(taken, (warp.carry >> lane & 1).into()));
            }
            let mut result = if known { KNOWN } else { hash };
            if copies && let [a] = reads {
                result = term(*a);
            }
            if let Op::Alu(Alu::Select { a, b, p, .. }) = &instruction.op {
                let (decided, yes) = truth(p);
                if decided == KNOWN {
                    result = term(if yes == 1 { *a } else { *b });
                } else if of(term(*a), value(*a)) == of(term(*b), value(*b)) {
                    result = term(*a);
                }
            }
            let guard = warp.terms.predicates[instruction.guard.slot as usize][lane];
            let merged = |new: Term, old: Term, value: u64| {
                if guard == KNOWN { new } else { mix(mix(guard, new), of(old, value)) }
            };
            for (k, slot) in writes.iter().filter(|s| **s != SINK).enumerate() {
                let new = if result == KNOWN || writes.len() == 1 {
                    result
                } else {
                    mix(result, k as u64)
                };
                let old = warp.terms.registers[*slot as usize][lane];
                let value = warp.registers[*slot as usize][lane];
                warp.terms.registers[*slot as usize][lane] = merged(new, old, value);
            }
            for (k, p) in written.into_iter().enumerate().filter(|(_, p)| *p != 0) {
                let new = if known { KNOWN } else { mix(hash, 100 + k as u64) };
                let old = warp.terms.predicates[p as usize][lane];
                let value = u64::from(warp.predicates[p as usize] >> lane & 1);
                warp.terms.predicates[p as usize][lane] = merged(new, old, value);
            }
            if let Op::Alu(Alu::Carry { gives: true, .. }) = &instruction.op {
                warp.terms.carry[lane] = if known { KNOWN } else { mix(hash, 200) };
            }
        }
    }

    /// The term of some bytes of memory.
    pub(super) fn term_at(&self, warp: &Warp<'_>, lane: usize, place: Place, size: usize) -> Term {
        let (terms, bytes) = match place {
            Place::Shared(at) => {
                (self.shared_terms.get(at..at + size), self.shared.get(at..at + size))
            }
            Place::Global(index, at) => {
                let Some(buffer) = self.memory.buffer(index) else { return KNOWN };
                (buffer.terms.get(at..at + size), buffer.bytes.get(at..at + size))
            }
            Place::Local(at) => {
                let base = lane * self.kernel.local as usize + at;
                (warp.terms.local.get(base..base + size), warp.local.get(base..base + size))
            }
            Place::Param(_) => (None, None),
        };
        terms.zip(bytes).map_or(KNOWN, |(terms, bytes)| joined(terms, bytes))
    }

    /// Writes terms of bytes; do they change any?
    pub(super) fn set_terms(
        &mut self,
        warp: &mut Warp<'_>,
        lane: usize,
        place: Place,
        new: impl Iterator<Item = Term> + Clone,
    ) -> bool {
        let local = lane * self.kernel.local as usize;
        let n = new.clone().count();
        let to = match place {
            Place::Shared(at) => self.shared_terms.get_mut(at..at + n),
            Place::Global(index, at) => self.memory.terms_mut(index).get_mut(at..at + n),
            Place::Local(at) => warp.terms.local.get_mut(local + at..local + at + n),
            Place::Param(_) => None,
        };
        let Some(to) = to else { return false };
        let changes = to.iter().zip(new.clone()).any(|(old, new)| *old != new);
        to.iter_mut().zip(new).for_each(|(to, new)| *to = new);
        changes
    }

    /// Bytes from memory to memory, as copies move them: `read` of them, the rest is zero.
    pub(super) fn move_terms(&mut self, from: Option<Place>, read: usize, to: Place, size: usize) {
        if self.names.is_empty() {
            return;
        }
        let mut terms = vec![KNOWN; size];
        let source = match from {
            Some(Place::Shared(at)) => self.shared_terms.get(at..at + read),
            Some(Place::Global(index, at)) => {
                self.memory.buffer(index).and_then(|b| b.terms.get(at..at + read))
            }
            Some(Place::Local(_) | Place::Param(_)) | None => None,
        };
        if let Some(source) = source {
            terms[..read].copy_from_slice(source);
        }
        let target = match to {
            Place::Shared(at) => self.shared_terms.get_mut(at..at + size),
            Place::Global(index, at) => self.memory.terms_mut(index).get_mut(at..at + size),
            Place::Local(_) | Place::Param(_) => None,
        };
        if let Some(target) = target {
            target.copy_from_slice(&terms);
        }
    }
}

/// Registers that say where an instruction goes.
fn addresses(op: &Op) -> Vec<Slot> {
    match op {
        Op::Load(a) | Op::Store(a) => vec![a.address.base],
        Op::Atomic(a) => vec![a.address.base],
        Op::LoadMatrix { address, .. } | Op::StoreMatrix { address, .. } => vec![address.base],
        Op::CopyAsync(c) => [c.to.base, c.from.base].into_iter().chain(c.read).collect(),
        Op::MemoryBarrier { address, .. } => vec![address.base],
        Op::Bulk(b) => vec![b.to.base, b.from.base, b.size],
        Op::GroupMma(g) if g.a_in_memory => g.a.iter().copied().chain([g.b]).collect(),
        Op::GroupMma(g) => vec![g.b],
        Op::Nop
        | Op::Prefetch
        | Op::Clock { .. }
        | Op::Budget(_)
        | Op::F1 { .. }
        | Op::F2 { .. }
        | Op::F3 { .. }
        | Op::Float { .. }
        | Op::Alu(_)
        | Op::Together(_)
        | Op::Mma(_)
        | Op::Barrier { .. }
        | Op::Fence(_)
        | Op::CopyCommit
        | Op::CopyWait(_)
        | Op::BulkCommit
        | Op::BulkWait { .. }
        | Op::GroupFence
        | Op::GroupCommit
        | Op::GroupWait(_)
        | Op::Branch(_)
        | Op::Exit
        | Op::Trap => vec![],
    }
}

/// A word after an atomic: the order of those that commute is left open.
pub fn updated(op: AtomicOp, old: (Term, u64), value: (Term, u64), other: (Term, u64)) -> Term {
    if [old.0, value.0, other.0].iter().all(|t| *t == KNOWN) {
        return KNOWN;
    }
    let [old, value, other] = [old, value, other].map(|(term, value)| of(term, value));
    match op {
        AtomicOp::Add
        | AtomicOp::Min
        | AtomicOp::Max
        | AtomicOp::And
        | AtomicOp::Or
        | AtomicOp::Xor => old.wrapping_add(mix(op as u64 + 1, value)).max(1),
        AtomicOp::Exch => value,
        AtomicOp::Cas | AtomicOp::Inc | AtomicOp::Dec => {
            mix(mix(mix(op as u64, old), value), other)
        }
    }
}

/// Terms of what lanes tell each other.
fn together(warp: &mut Warp<'_>, op: &Together, name: u64, mask: u32) {
    let all = |warp: &Warp<'_>, term: &dyn Fn(&Warp<'_>, usize) -> (Term, u64)| {
        let known = each(mask).all(|l| term(warp, l).0 == KNOWN);
        let hash = each(mask).fold(name, |h, l| {
            let (term, value) = term(warp, l);
            mix(h, of(term, value))
        });
        if known { KNOWN } else { hash }
    };
    let set = |warp: &mut Warp<'_>, d: Slot, term: &dyn Fn(usize) -> Term| {
        if d != SINK {
            each(mask).for_each(|l| warp.terms.registers[d as usize][l] = term(l));
        }
    };
    let known = |warp: &mut Warp<'_>, p: u32, term: Term| {
        each(mask).for_each(|l| warp.terms.predicates[p as usize][l] = term);
    };
    let register = |slot: Slot| {
        move |warp: &Warp<'_>, l: usize| {
            (warp.terms.registers[slot as usize][l], warp.registers[slot as usize][l])
        }
    };
    match op {
        Together::Shuffle { mode, d, p, a, b, c, .. } => {
            let [a, b, c] =
                [a, b, c].map(|s| (warp.terms.registers[*s as usize], warp.registers[*s as usize]));
            let mut out = [KNOWN; 32];
            for lane in each(mask) {
                let (from, inside) =
                    super::together::source(*mode, lane as u32, b.1[lane] as u32, c.1[lane] as u32);
                out[lane] = a.0[if inside { from as usize % 32 } else { lane }];
                if b.0[lane] != KNOWN || c.0[lane] != KNOWN {
                    out[lane] = mix(mix(name, b.0[lane]), c.0[lane]);
                }
            }
            set(warp, *d, &|l| out[l]);
            known(warp, *p, KNOWN);
        }
        Together::Vote { d, p, a, .. } => {
            let truth = |warp: &Warp<'_>, l: usize| {
                let bit = super::predicate(&warp.predicates, *a) >> l & 1;
                (warp.terms.predicates[a.slot as usize][l], u64::from(bit))
            };
            let term = all(warp, &truth);
            set(warp, *d, &|_| term);
            known(warp, *p, term);
        }
        Together::Match { d, p, a, .. } => {
            let term = all(warp, &register(*a));
            set(warp, *d, &|l| if term == KNOWN { KNOWN } else { mix(term, l as u64) });
            known(warp, *p, term);
        }
        Together::Reduce { d, a, .. } | Together::MoveMatrix { d, a } => {
            let term = all(warp, &register(*a));
            set(warp, *d, &|l| if term == KNOWN { KNOWN } else { mix(term, l as u64) });
        }
        Together::ActiveMask { d } => set(warp, *d, &|_| KNOWN),
        Together::Elect { d, p, .. } => {
            set(warp, *d, &|_| KNOWN);
            known(warp, *p, KNOWN);
        }
        Together::WarpBarrier { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_bytes() {
        assert_eq!(ODD.wrapping_mul(INVERSE), 1);
        for size in [1, 2, 4, 8] {
            let bytes: Vec<Term> = split(77, size).collect();
            assert_eq!(joined(&bytes, &vec![0; size]), 77);
        }
        let bytes: Vec<Term> = split(77, 4).collect();
        assert_ne!(joined(&bytes[..2], &[0; 2]), 77);
        assert_ne!(joined(&bytes[1..3], &[0; 2]), joined(&bytes[..2], &[0; 2]));
        assert_eq!(joined(&[KNOWN; 4], &[1; 4]), KNOWN);
        assert_ne!(joined(&[5, KNOWN], &[0, 1]), joined(&[5, KNOWN], &[0, 2]));
        assert_eq!(split(KNOWN, 2).collect::<Vec<_>>(), [KNOWN; 2]);
    }
}
