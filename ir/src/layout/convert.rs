//! From one layout to another as a program: moves of registers, shuffles between lanes, or a way
//! through shared memory.
//!
//! ```text
//! lane = k0 k1, reg = m0   to   lane = k0 k1, reg = m0       nothing to do
//! lane = k0 k1, reg = m0 k2 to  lane = k0 k1, reg = k2 m0    moves of registers
//! lane = k0 m0, reg = k1   to   lane = k0 k1, reg = m0       shuffles: a lane bit came from a register
//! ```
//!
//! Axis `lane` is the lane; `reg`, `half`, `byte`, `nibble` and `bit` together number the slots of a
//! lane, lowest `bit`; any other axis (`warp`) can be crossed through shared memory only.

use super::{Layout, LayoutError, algebra::Basis, position};
use std::fmt;

/// What a lane holds, finest first.
const SLOTS: [&str; 5] = ["bit", "nibble", "byte", "half", "reg"];
/// Bits of lanes and of slots that a program is written out for.
const MAX_LANES: usize = 6;
const MAX_SLOTS: usize = 12;

/// How to get from one layout to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// The new slot at each place of the list is the old slot named there, in every lane.
    Moves { moves: Vec<usize>, carried: Vec<String> },
    /// One shuffle a round.
    Shuffles { rounds: Vec<Round>, carried: Vec<String> },
    /// Every place is stored at, then loaded from, an offset in elements.
    Shared { store: Layout, load: Layout },
}

/// One shuffle: each lane gives one slot and takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// The old slot that each lane gives.
    pub give: Vec<usize>,
    /// The lane that each lane takes from.
    pub from: Vec<usize>,
    /// The new slot that each lane puts it into.
    pub put: Vec<usize>,
}

impl Round {
    /// The mask, if every lane takes from its own number xor the mask; 0 needs no shuffle.
    pub fn xor(&self) -> Option<usize> {
        let mask = self.from.first().copied()?;
        self.from.iter().enumerate().all(|(lane, from)| lane ^ mask == *from).then_some(mask)
    }

    /// Selects it takes for a lane to find its slot.
    fn selects(&self) -> usize {
        let varies = |slots: &[usize]| {
            let mut seen = slots.to_vec();
            seen.sort_unstable();
            seen.dedup();
            seen.len().saturating_sub(1)
        };
        varies(&self.give) + varies(&self.put)
    }
}

impl Conversion {
    /// Instructions a lane, where a shuffle and a shared access count 2 and a barrier 16. An order to
    /// choose by, not a time.
    pub fn cost(&self) -> usize {
        match self {
            Conversion::Moves { moves, .. } => {
                moves.iter().enumerate().filter(|(new, old)| new != *old).count()
            }
            Conversion::Shuffles { rounds, .. } => {
                rounds.iter().map(|r| r.selects() + if r.xor() == Some(0) { 1 } else { 2 }).sum()
            }
            Conversion::Shared { store, load } => 16 + 2 * (accesses(store) + accesses(load)),
        }
    }
}

/// Accesses that a lane makes, with runs of slots as vectors.
fn accesses(map: &Layout) -> usize {
    let slots: usize = SLOTS.iter().map(|axis| map.input_bits(axis)).sum();
    let first = SLOTS.iter().find(|axis| map.input_bits(axis) > 0);
    1 << (slots - first.map_or(0, |axis| map.run(axis, "offset").min(slots))).min(MAX_SLOTS)
}

impl fmt::Display for Conversion {
    /// One line for `kgen explain`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conversion::Moves { .. } if self.cost() == 0 => write!(f, "nothing to do"),
            Conversion::Moves { .. } => write!(f, "{} moves of registers", self.cost()),
            Conversion::Shuffles { rounds, .. } => {
                let far = rounds.iter().filter(|r| r.xor() != Some(0)).count();
                let xor = rounds.iter().filter(|r| r.xor().is_some_and(|m| m != 0)).count();
                write!(f, "{far} shuffles, {xor} of them by xor of the lane, cost {}", self.cost())
            }
            Conversion::Shared { .. } => {
                write!(f, "through shared memory and a barrier, cost {}", self.cost())
            }
        }
    }
}

/// The program from `from` to `to`, layouts of the same logical axes.
pub fn convert(from: &Layout, to: &Layout) -> Result<Conversion, LayoutError> {
    for (axis, bits) in to.outputs() {
        if bits > from.output_bits(axis) {
            let axis = axis.to_string();
            return Err(LayoutError::Mismatch {
                bit: bits - 1,
                bits: from.output_bits(&axis),
                axis,
            });
        }
    }
    let source = Places::of(from);
    let target = Places::of(to);
    if source.outside != target.outside
        || source.lanes > MAX_LANES
        || target.lanes > MAX_LANES
        || source.slots.len().max(target.slots.len()) > MAX_SLOTS
    {
        return shared(from, to);
    }
    match Pull::new(from, &source, &target).and_then(|pull| pull.program()) {
        Some(program) => Ok(program),
        None => shared(from, to),
    }
}

/// Through memory that holds the elements in the order of the logical axes.
fn shared(from: &Layout, to: &Layout) -> Result<Conversion, LayoutError> {
    let mut at = 0;
    let mut axes = Vec::new();
    for (name, bits) in from.outputs() {
        axes.push((
            name.to_string(),
            (at..at + bits).map(|b| vec![("offset".into(), b)]).collect(),
        ));
        at += bits;
    }
    let memory = Layout::from_bits(axes)?;
    from.invert()?;
    Ok(Conversion::Shared { store: from.then(&memory)?, load: to.then(&memory)? })
}

/// The places of a lane's elements; words as columns, slots lowest.
struct Places<'a> {
    layout: &'a Layout,
    /// Sub-axes of the slots with their bits, finest first.
    axes: Vec<(&'static str, usize)>,
    slots: Vec<u64>,
    lanes: usize,
    /// Axes that a shuffle does not cross, with their words.
    outside: Vec<(String, Vec<Vec<super::Bit>>)>,
}

impl<'a> Places<'a> {
    fn of(layout: &'a Layout) -> Places<'a> {
        let axes = SLOTS.iter().map(|axis| (*axis, layout.input_bits(axis)));
        let outside = layout.inputs.iter().filter(|(n, _)| n != "lane" && !SLOTS.contains(&&**n));
        Places {
            layout,
            axes: axes.filter(|(_, bits)| *bits > 0).collect(),
            slots: SLOTS.iter().flat_map(|axis| layout.columns_of(axis)).copied().collect(),
            lanes: layout.input_bits("lane"),
            outside: outside
                .map(|(n, c)| (n.clone(), c.iter().map(|c| layout.bits_of(*c)).collect()))
                .collect(),
        }
    }

    /// Slots, then lanes.
    fn columns(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().chain(self.layout.columns_of("lane")).copied()
    }
}

/// Where the lane begins in a place; below it is the slot.
const LANE: usize = 16;

fn place(slot: usize, lane: usize) -> u64 {
    (lane << LANE | slot) as u64
}

fn lane_of(place: u64) -> usize {
    (place >> LANE) as usize
}

fn slot_of(place: u64) -> usize {
    (place & ((1 << LANE) - 1)) as usize
}

/// For each bit of a new place, the old place that it flips.
struct Pull {
    slots: Vec<u64>,
    lanes: Vec<u64>,
    old_lanes: usize,
    carried: Vec<String>,
}

impl Pull {
    /// Of several old copies it takes the one nearest to the own lane, then to the own slot. None if
    /// an element is with other lanes than these.
    fn new(from: &Layout, source: &Places, target: &Places) -> Option<Pull> {
        let columns: Vec<u64> = source.columns().collect();
        let basis = Basis::new(&columns);
        let many = source.slots.len();
        let as_place = |set: u64| set & ((1 << many) - 1) | set >> many << LANE;
        let copies: Vec<u64> = basis.kernel.iter().map(|set| as_place(*set)).collect();
        let copies = Basis::new(&copies);
        let mut pulled = Vec::new();
        for (index, column) in target.columns().enumerate() {
            let mut wanted = 0;
            for (axis, bit) in target.layout.bits_of(column) {
                wanted ^= 1u64 << (position(&from.outputs, &axis)? + bit);
            }
            let (rest, set) = basis.reduce(wanted);
            if rest != 0 {
                return None;
            }
            let own = match index.checked_sub(target.slots.len()) {
                Some(lane) if lane < source.lanes => place(0, 1 << lane),
                None if index < many => place(1 << index, 0),
                Some(_) | None => 0,
            };
            pulled.push(own ^ copies.reduce(as_place(set) ^ own).0);
        }
        let lanes = pulled.split_off(target.slots.len());
        let pull = Pull { slots: pulled, lanes, old_lanes: source.lanes, carried: Vec::new() };
        Some(pull.carry(source, target))
    }

    /// Takes out the parts of a register that stay as they are: a shuffle carries the whole word.
    fn carry(mut self, source: &Places, target: &Places) -> Pull {
        for (old, new) in source.axes.iter().zip(&target.axes) {
            let (axis, bits) = *new;
            let part = (1u64 << bits) - 1;
            let stays = self.slots.iter().take(bits).enumerate().all(|(i, c)| *c == 1 << i)
                && self.slots.iter().skip(bits).chain(&self.lanes).all(|c| c & part == 0);
            if old != new || axis == "reg" || !stays {
                break;
            }
            let less = |c: &u64| place(slot_of(*c) >> bits, lane_of(*c));
            self.slots = self.slots.iter().skip(bits).map(less).collect();
            self.lanes = self.lanes.iter().map(less).collect();
            self.carried.push(axis.to_string());
        }
        self
    }

    fn at(&self, lane: usize, slot: usize) -> u64 {
        sum(&self.lanes, lane) ^ sum(&self.slots, slot)
    }

    fn program(self) -> Option<Conversion> {
        let stays = self.lanes.iter().enumerate().all(|(i, c)| *c == place(0, 1 << i));
        if stays && self.slots.iter().all(|c| lane_of(*c) == 0) {
            let moves = (0..1 << self.slots.len()).map(|slot| slot_of(self.at(0, slot))).collect();
            return Some(Conversion::Moves { moves, carried: self.carried });
        }
        let turn = self.turn();
        let mut rounds = Vec::new();
        for round in 0..1usize << self.slots.len() {
            let mut give: Vec<Option<usize>> = vec![None; 1 << self.old_lanes];
            let (mut from, mut put) = (Vec::new(), Vec::new());
            for lane in 0..1usize << self.lanes.len() {
                let slot = round ^ sum(&turn, lane) as usize;
                let old = self.at(lane, slot);
                let given = give.get_mut(lane_of(old))?;
                if given.is_some_and(|g| g != slot_of(old)) {
                    return None;
                }
                *given = Some(slot_of(old));
                from.push(lane_of(old));
                put.push(slot);
            }
            let give = give.into_iter().map(Option::unwrap_or_default).collect();
            rounds.push(Round { give, from, put });
        }
        Some(Conversion::Shuffles { rounds, carried: self.carried })
    }

    /// For each lane bit the slots that it turns the rounds by, so that in one round no lane is asked
    /// for two slots: the lanes asked are as independent as the lanes asking, themselves if possible.
    fn turn(&self) -> Vec<u64> {
        let lane = |c: &u64| lane_of(*c) as u64;
        let reach: Vec<u64> = self.slots.iter().map(lane).collect();
        let steps = Basis::new(&reach);
        let mut turn = vec![None; self.lanes.len()];
        let mut asked = Vec::new();
        for (i, column) in self.lanes.iter().enumerate() {
            let (rest, set) = steps.reduce(lane(column) ^ 1 << i);
            if rest == 0
                && let Some(turn) = turn.get_mut(i)
            {
                *turn = Some(set);
                asked.push(1 << i);
            }
        }
        let mut out = Vec::new();
        for (chosen, column) in turn.into_iter().zip(&self.lanes) {
            let fresh = |set: &u64| {
                Basis::new(&asked).reduce(lane(column) ^ sum(&reach, *set as usize)).0 != 0
            };
            let set = match chosen {
                Some(set) => set,
                None => {
                    let choices = [0].into_iter().chain((0..reach.len()).map(|slot| 1 << slot));
                    let set = choices.into_iter().find(fresh).unwrap_or(0);
                    asked.push(lane(column) ^ sum(&reach, set as usize));
                    set
                }
            };
            out.push(set);
        }
        out
    }
}

/// The xor of the columns of the set bits.
fn sum(columns: &[u64], index: usize) -> u64 {
    let hit = columns.iter().enumerate().filter(|(bit, _)| index >> bit & 1 == 1);
    hit.fold(0, |all, (_, column)| all ^ column)
}
