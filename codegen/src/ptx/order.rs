//! Which accesses of memory wait for other lanes.
//!
//! Lanes of a warp need not go on together, so that what one lane wrote is there for another only behind
//! `bar.warp.sync` (PTX ISA, "bar.warp.sync": it orders the memory accesses of the lanes that take part). One is wanted
//! before a read that may follow a write, and before a write that may follow a read or write of what it overwrites.
//!
//! ```text
//! st.shared.f32 [%q7], %f1;
//! bar.warp.sync -1;
//! ld.shared.f32 %f2, [%q8+64];
//! ```

use super::places::{Places, Touch};
use kgen_ir::{arena::Map, machine::*};
use std::rc::Rc;

/// Accesses by their numbers: a bit each.
#[derive(Clone, Debug, Default)]
struct Set(Vec<u64>);

impl Set {
    fn insert(&mut self, n: usize) {
        if self.0.len() <= n / 64 {
            self.0.resize(n / 64 + 1, 0);
        }
        self.0[n / 64] |= 1 << (n % 64);
    }

    fn join(&mut self, other: &Set) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    /// Those of both sets, in words of 64.
    fn both<'a>(&'a self, other: &'a Set) -> impl Iterator<Item = u64> + 'a {
        self.0.iter().zip(&other.0).map(|(a, b)| a & b)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|w| *w == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, word)| members(i, *word))
    }
}

/// Bits of word `i` of a set.
fn members(i: usize, word: u64) -> impl Iterator<Item = usize> {
    let rest = std::iter::successors(Some(word), |w| Some(w & w.wrapping_sub(1)));
    rest.take_while(|w| *w != 0).map(move |w| 64 * i + w.trailing_zeros() as usize)
}

impl PartialEq for Set {
    fn eq(&self, other: &Set) -> bool {
        let n = self.0.len().min(other.0.len());
        self.0[..n] == other.0[..n]
            && self.0[n..].iter().chain(&other.0[n..]).all(|word| *word == 0)
    }
}

/// What lanes have done since they last waited for each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Since {
    reads: Set,
    stores: Set,
    /// Copies on their way: what arrives is as if it were stored where a lane waits for its own.
    copies: Set,
}

impl Since {
    pub fn join(mut self, other: &Since) -> Since {
        self.reads.join(&other.reads);
        self.stores.join(&other.stores);
        self.copies.join(&other.copies);
        self
    }

    /// Lanes have waited.
    fn waited(&self) -> Since {
        Since { copies: self.copies.clone(), ..Since::default() }
    }
}

/// What statements do that lanes may wait for.
enum Event {
    Access(Done),
    Loop(Rc<Turns>),
    If(Vec<Event>, Vec<Event>),
}

/// What an instruction does that lanes may wait for.
#[derive(Clone, Copy)]
enum Done {
    Access {
        touch: usize,
        /// Of memory that is both read and written.
        mixed: bool,
        how: How,
    },
    /// Copies arrive: all, or those of some groups.
    Arrive { all: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum How {
    Reads,
    Writes,
    Copies,
}

struct Turns {
    number: usize,
    /// When the first of what its body defines is born.
    start: u32,
    body: Vec<Event>,
}

/// What a loop comes to that lanes begin after having done something.
struct Entered {
    before: Since,
    /// Whether lanes wait once before it, so that they need not in each turn.
    first: bool,
    /// Where a turn begins: the first one, or any other.
    head: Since,
    behind: Since,
    waits: usize,
}

/// Accesses of a kernel, and which of them meet.
struct Accesses {
    places: Places,
    all: Vec<Touch>,
    numbers: Map<Touch, usize>,
    /// Of each loop and access: as it is seen from behind a turn, once asked.
    past: Vec<Vec<Option<usize>>>,
    /// Of each, the others that it was compared with, and those it meets.
    compared: Vec<(Set, Set)>,
}

impl Accesses {
    fn number(&mut self, touch: Touch) -> usize {
        let next = self.all.len();
        let number = *self.numbers.entry(touch.clone()).or_insert(next);
        if number == next {
            self.all.push(touch);
            self.compared.push(Default::default());
        }
        number
    }

    fn past(&mut self, number: usize, l: &Turns) -> usize {
        let known = &mut self.past[l.number];
        if known.len() <= number {
            known.resize(number + 1, None);
        }
        if let Some(known) = known[number] {
            return known;
        }
        let touch = self.places.past(&self.all[number], l.start);
        let past = self.number(touch);
        self.past[l.number][number] = Some(past);
        past
    }

    /// Behind a turn of a loop: registers are about to have other values.
    fn turned(&mut self, l: &Turns, since: &Since) -> Since {
        let mut past = |old: &Set| {
            let mut out = Set::default();
            old.iter().for_each(|n| out.insert(self.past(n, l)));
            out
        };
        Since {
            reads: past(&since.reads),
            stores: past(&since.stores),
            copies: past(&since.copies),
        }
    }

    /// Does it meet one of the others? `mixed` where that cannot be told.
    fn meets(&mut self, number: usize, others: &Set, mixed: bool) -> bool {
        let (known, met) = &mut self.compared[number];
        if others.both(met).any(|w| w != 0) {
            return true;
        }
        let touch = &self.all[number];
        for (i, word) in others.0.iter().enumerate() {
            for other in members(i, word & !known.0.get(i).unwrap_or(&0)) {
                known.insert(other);
                if self.places.meet(&self.all[other], touch).unwrap_or(mixed) {
                    met.insert(other);
                    return true;
                }
            }
        }
        false
    }

    /// Whether lanes wait before it; then, what they have done behind it.
    ///
    /// What is only written needs no order where places are not known to meet: a kernel writes an element of an output
    /// once, and indices that name a place twice are refused.
    fn step(&mut self, done: Done, since: &mut Since) -> bool {
        let (touch, mixed, how) = match done {
            Done::Access { touch, mixed, how } => (touch, mixed, how),
            Done::Arrive { all } => {
                since.stores.join(&since.copies);
                if all {
                    since.copies = Set::default();
                }
                return false;
            }
        };
        let wait = self.meets(touch, &since.stores, mixed)
            || how != How::Reads && self.meets(touch, &since.reads, mixed);
        if wait {
            *since = since.waited();
        }
        match how {
            How::Reads => since.reads.insert(touch),
            How::Writes => since.stores.insert(touch),
            How::Copies => since.copies.insert(touch),
        }
        wait
    }
}

/// Memory of a kernel by the slot that its address comes from.
pub struct Order {
    /// Slots that hold an address.
    addresses: Vec<bool>,
    /// Slot of each register that is an address.
    slots: Vec<Option<usize>>,
    /// Slots that are both read and written, so that the order matters.
    mixed: Vec<bool>,
    accesses: Accesses,
    /// By the instruction's address.
    done: Map<usize, Done>,
    /// By the loop's address.
    loops: Map<usize, Rc<Turns>>,
    /// By the loop's number: many ways lead to the same.
    entered: Vec<Vec<Rc<Entered>>>,
}

impl Order {
    pub fn of(kernel: &Kernel) -> Order {
        let address = |s: &Slot| match s {
            Slot::Pointer(_) | Slot::Counter(_) | Slot::Scratch | Slot::Report => true,
            Slot::Stride(..) | Slot::Extent(_) | Slot::End(_) => false,
        };
        let mut o = Order {
            addresses: kernel.slots.iter().map(address).collect(),
            slots: vec![None; kernel.regs.len()],
            mixed: vec![false; kernel.slots.len()],
            accesses: Accesses {
                places: Places::of(kernel),
                all: vec![],
                numbers: Map::default(),
                past: vec![],
                compared: vec![],
            },
            done: Map::default(),
            loops: Map::default(),
            entered: vec![],
        };
        let mut done = vec![(false, false); kernel.slots.len()];
        let mut lost = (false, false);
        o.trace(&kernel.body, &mut done, &mut lost);
        for (mixed, (read, wrote)) in o.mixed.iter_mut().zip(done) {
            // What is at an address of unknown origin may be anything.
            *mixed = (read || lost.0) && (wrote || lost.1);
        }
        o.events(&kernel.body);
        o
    }

    /// What registers are known to hold.
    pub fn places(&self) -> &Places {
        &self.accesses.places
    }

    /// The slot that the address in a register comes from.
    pub fn slot(&self, reg: Reg) -> Option<usize> {
        self.slots.get(reg.index()).copied().flatten()
    }

    fn set(&mut self, reg: Reg, slot: Option<usize>) {
        if let Some(place) = self.slots.get_mut(reg.index()) {
            *place = slot;
        }
    }

    fn trace(&mut self, body: &[Stmt], done: &mut [(bool, bool)], lost: &mut (bool, bool)) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(def) = inst.def {
                        let slot = self.origin(inst);
                        self.set(def, slot);
                    }
                    let (Some(writes), Some(mem)) = (access(&inst.op), inst.mem) else {
                        continue;
                    };
                    let (read, wrote) = match self.slot(mem.base).and_then(|s| done.get_mut(s)) {
                        Some((read, wrote)) => (read, wrote),
                        None => (&mut lost.0, &mut lost.1),
                    };
                    *read |= !writes;
                    *wrote |= writes;
                }
                Stmt::Loop(l) => {
                    for c in &l.carried {
                        self.set(c.param, self.slot(c.init));
                    }
                    self.trace(&l.body, done, lost);
                    for c in &l.carried {
                        // An address that another turn replaces by one from elsewhere.
                        let same = self.slot(c.yielded) == self.slot(c.init);
                        self.set(c.result, self.slot(c.init).filter(|_| same));
                    }
                }
                Stmt::If(i) => {
                    self.trace(&i.then, done, lost);
                    self.trace(&i.otherwise, done, lost);
                    for (result, a, b) in &i.yields {
                        let same = self.slot(*a) == self.slot(*b);
                        self.set(*result, self.slot(*a).filter(|_| same));
                    }
                }
            }
        }
    }

    /// The slot whose address the result of an instruction is.
    fn origin(&self, inst: &Inst) -> Option<usize> {
        let of = |o: &Operand| match o {
            Operand::Reg(r) => self.slot(*r),
            Operand::Imm(_) => None,
        };
        match (&inst.op, inst.uses.as_slice()) {
            (Op::Arg, [Operand::Imm(slot)]) => {
                usize::try_from(*slot).ok().filter(|s| self.addresses.get(*s) == Some(&true))
            }
            (Op::Int(IntOp::Add), [a, b]) => of(a).xor(of(b)),
            (Op::Int(IntOp::Sub), [a, _]) => of(a),
            _ => None,
        }
    }

    fn events(&mut self, body: &[Stmt]) -> Vec<Event> {
        let mut out = Vec::new();
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(done) = self.of_inst(inst) {
                        self.done.insert(std::ptr::from_ref(inst) as usize, done);
                        out.push(Event::Access(done));
                    }
                }
                Stmt::Loop(l) => {
                    let number = self.entered.len();
                    self.entered.push(vec![]);
                    self.accesses.past.push(vec![]);
                    let (start, body) = (self.places().start(l), self.events(&l.body));
                    let turns = Rc::new(Turns { number, start, body });
                    self.loops.insert(std::ptr::from_ref(&**l) as usize, turns.clone());
                    out.push(Event::Loop(turns));
                }
                Stmt::If(i) => {
                    let both = (self.events(&i.then), self.events(&i.otherwise));
                    if !both.0.is_empty() || !both.1.is_empty() {
                        out.push(Event::If(both.0, both.1));
                    }
                }
            }
        }
        out
    }

    fn of_inst(&mut self, inst: &Inst) -> Option<Done> {
        if inst.op == Op::Async(AsyncOp::Wait) {
            return Some(Done::Arrive { all: inst.uses == [Operand::Imm(0)] });
        }
        let (writes, mem) = (access(&inst.op)?, inst.mem?);
        let slot = self.slot(mem.base);
        let mixed = slot.and_then(|s| self.mixed.get(s)).copied().unwrap_or(true);
        if !mixed && !writes {
            return None;
        }
        let touch = self.accesses.places.touch(inst, slot)?;
        let touch = self.accesses.number(touch);
        let how = match (&inst.op, writes) {
            (Op::Async(_), _) => How::Copies,
            (_, true) => How::Writes,
            (_, false) => How::Reads,
        };
        Some(Done::Access { touch, mixed, how })
    }

    /// Whether lanes wait before `inst`; then, what they have done behind it.
    pub fn step(&mut self, inst: &Inst, since: &mut Since) -> bool {
        if inst.mem.is_none() && inst.op != Op::Async(AsyncOp::Wait) {
            return false;
        }
        let done = self.done.get(&(std::ptr::from_ref(inst) as usize));
        done.is_some_and(|done| self.accesses.step(*done, since))
    }

    /// What lanes have done behind a list of statements, and how often they waited.
    fn behind(&mut self, body: &[Event], since: &Since) -> (Since, usize) {
        let (mut since, mut waits) = (since.clone(), 0);
        for event in body {
            match event {
                Event::Access(done) => waits += usize::from(self.accesses.step(*done, &mut since)),
                Event::Loop(l) => {
                    let entered = self.enter(l, &since);
                    since = entered.behind.clone();
                    waits += entered.waits;
                }
                Event::If(then, otherwise) => {
                    let (then, a) = self.behind(then, &since);
                    let (otherwise, b) = self.behind(otherwise, &since);
                    since = then.join(&otherwise);
                    waits += a + b;
                }
            }
        }
        (since, waits)
    }

    /// What a loop comes to.
    fn enter(&mut self, l: &Turns, since: &Since) -> Rc<Entered> {
        let known = self.entered[l.number].iter().find(|e| e.before == *since);
        if let Some(known) = known {
            return known.clone();
        }
        let mut entered = self.entered_with(l, since.clone());
        if entered.waits > 0 && !(since.stores.is_empty() && since.reads.is_empty()) {
            let sooner = self.entered_with(l, since.waited());
            if sooner.waits < entered.waits {
                let (before, waits) = (since.clone(), sooner.waits + 1);
                entered = Entered { before, first: true, waits, ..sooner };
            }
        }
        let entered = Rc::new(entered);
        self.entered[l.number].push(entered.clone());
        entered
    }

    /// The same without a wait before it.
    fn entered_with(&mut self, l: &Turns, before: Since) -> Entered {
        let mut head = before.clone();
        let (mut turn, mut waits) = self.behind(&l.body, &head);
        // Two turns before it, or as many as make a difference.
        for _ in 0..2 {
            let more = head.clone().join(&self.accesses.turned(l, &turn));
            if more == head {
                break;
            }
            (turn, waits) = self.behind(&l.body, &more);
            head = more;
        }
        let behind = before.clone().join(&self.accesses.turned(l, &turn));
        Entered { before, first: false, head, behind, waits }
    }

    /// Lanes enter a loop: whether they wait before it, and what they have done where a turn begins, the first one or any
    /// other.
    pub fn head(&mut self, l: &Loop, since: &mut Since) -> (bool, Since) {
        let Some(turns) = self.turns(l) else { return (false, since.clone()) };
        let entered = self.enter(&turns, since);
        if entered.first {
            *since = since.waited();
        }
        (entered.first, entered.head.clone())
    }

    /// Behind a turn of a loop: registers are about to have other values.
    pub fn turned(&mut self, l: &Loop, since: &Since) -> Since {
        let turns = self.turns(l);
        turns.map_or_else(|| since.clone(), |turns| self.accesses.turned(&turns, since))
    }

    fn turns(&self, l: &Loop) -> Option<Rc<Turns>> {
        self.loops.get(&(std::ptr::from_ref(l) as usize)).cloned()
    }
}

/// Whether it writes, else it reads. Counters are taken by one lane, and hints read nothing.
fn access(op: &Op) -> Option<bool> {
    match op.memory()?.0 {
        Access::Read => Some(false),
        Access::Write => Some(true),
        Access::Update | Access::Hint => None,
    }
}

#[cfg(test)]
mod tests {

    use kgen_ir::machine::parse::parse;

    /// Waits in the PTX of a kernel with an input `x` and an output `y`.
    fn waits(body: &str) -> usize {
        let text = format!(
            "machine m lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
             v = iota : w {body} }}"
        );
        let kernel = parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        let target = &super::super::targets::CHIPS[0].target;
        let (text, _) = super::super::emit(&kernel, target).unwrap_or_else(|e| panic!("{e}"));
        text.matches("bar.warp.sync").count()
    }

    #[test]
    fn lanes_wait_where_they_may_meet() {
        for (body, count) in [
            // Read here, written there.
            ("a = load.w32 [x + 0] : w store.w32 [y + 0], a b = load.w32 [x + 0] : w", 0),
            // Neighbours.
            ("store.w32 [y + 0], v store.w32 [y + 128], v", 0),
            ("store.w32 [y + 0], v store.w32 [y + 124], v", 1),
            ("store.w32 [y + 0], v z = iadd y, 512 : i store.w32 [z + 0], v", 0),
            ("store.w32 [y + 0], v z = iadd y, 64 : i store.w32 [z + 0], v", 1),
            // Read what was written, and overwrite what was read.
            ("store.w32 [y + 0], v a = splat.w32 [y + 64] : w", 1),
            ("a = splat.w32 [y + 64] : w store.w32 [y + 0], v", 1),
            // Where lanes say it.
            (
                "m = wcmp.eq v, v : m u = load.w32 [x + 0] : w scatter.w32 [y + 0], v, u, m
              a = gatherpart.w32 [y + 128], u, m : w",
                1,
            ),
            (
                "m = wcmp.eq v, v : m u = load.w32 [x + 0] : w scatter.w32 [y + 0], v, u, m
              a = gatherpart.w32 [y + 0], u, m : w",
                0,
            ),
            // What nobody reads is written once.
            (
                "m = wcmp.eq v, v : m u = load.w32 [x + 0] : w scatter.w32 [y + 0], v, u, m
              scatter.w32 [y + 128], v, u, m",
                0,
            ),
            // Once for all reads behind it.
            ("store.w32 [y + 0], v a = splat.w32 [y + 64] : w b = splat.w32 [y + 68] : w", 1),
            // Each lane its own; four bytes further, what another lane had.
            ("store.w32 [y + 0], v a = load.w32 [y + 0] : w", 0),
            ("store.w32 [y + 0], v a = load.w32 [y + 4] : w", 1),
            ("loop t in 0..4 step 1 { store.w32 [y + 0], v }", 0),
            // A turn meets the one before it.
            ("loop t in 0..4 step 1 { a = splat.w32 [y + 0] : w store.w32 [y + 0], v }", 2),
            (
                "loop t in 0..4 step 1 { o = imul t, 4 : i z = iadd y, o : i
              a = load.w32 [z + 0] : w store.w32 [z + 0], v }",
                1,
            ),
            // Beyond what all turns read.
            (
                "loop t in 0..4 step 1 { o = imul t, 128 : i z = iadd y, o : i
              a = load.w32 [z + 0] : w store.w32 [y + 512], v }",
                0,
            ),
            (
                "loop t in 0..4 step 1 { o = imul t, 128 : i z = iadd y, o : i
              a = splat.w32 [z + 0] : w store.w32 [y + 384], v }",
                2,
            ),
            // Once before the loop, not in each turn.
            (
                "store.w32 [y + 0], v loop t in 0..4 step 1 { a = splat.w32 [y + 0] : w }
              b = splat.w32 [y + 4] : w",
                1,
            ),
            ("if 0 < 1 { store.w32 [y + 0], v } a = splat.w32 [y + 0] : w", 1),
        ] {
            assert_eq!(waits(body), count, "{body}");
        }
    }
}
