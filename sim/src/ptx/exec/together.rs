//! What the lanes of a warp do together: shuffles, votes, matches, reductions.

use super::{Machine, Warp, atomic, each, predicate, put, put_predicate};
use crate::ptx::{
    check::report::Kind,
    matrix,
    op::{Lanes, Shuffle, Together, Vote},
};

impl<'a> Machine<'a> {
    /// The lanes that take part: those named that have not left, all of them here.
    fn members(&mut self, warp: &Warp<'_>, slot: u32, pc: u32, mask: u32) -> u32 {
        let first = mask.trailing_zeros() as usize % 32;
        let members = warp.registers[slot as usize][first] as u32;
        let needed = members & warp.alive;
        if needed != mask {
            let site = self.site(warp, pc, first);
            self.find(site, Kind::PartialMask, ("", 0, 0), || {
                format!("lanes {mask:08x} are here, the mask of members is {members:08x}")
            });
        }
        mask
    }

    pub(super) fn together(&mut self, warp: &mut Warp<'a>, op: &Together, pc: u32, mask: u32) {
        match op {
            Together::Shuffle { mode, d, p, a, b, c, members } => {
                let members = self.members(warp, *members, pc, mask);
                let [a, b, c] = [a, b, c].map(|s| warp.registers[*s as usize]);
                let (mut out, mut found, mut absent) = ([0; 32], 0u32, None);
                for lane in each(mask) {
                    let (from, inside) = source(*mode, lane as u32, b[lane] as u32, c[lane] as u32);
                    let from = if inside { from as usize } else { lane };
                    found |= u32::from(inside) << lane;
                    if members >> from & 1 == 0 {
                        absent = Some((lane, from));
                    }
                    out[lane] = a[from];
                }
                if let Some((lane, from)) = absent {
                    let site = self.site(warp, pc, lane);
                    self.find(site, Kind::PartialMask, ("", 0, 0), || {
                        format!("takes the value of lane {from}, which is not here")
                    });
                }
                put(warp, *d, &out, mask);
                put_predicate(warp, *p, found, mask);
            }
            Together::Vote { vote, d, p, a, members } => {
                let members = self.members(warp, *members, pc, mask);
                let yes = predicate(&warp.predicates, *a) & members;
                let value = match vote {
                    Vote::All => yes == members,
                    Vote::Any => yes != 0,
                    Vote::Uniform => yes == members || yes == 0,
                    Vote::Ballot => {
                        put(warp, *d, &[yes.into(); 32], mask);
                        return;
                    }
                };
                put_predicate(warp, *p, if value { u32::MAX } else { 0 }, mask);
            }
            Together::Match { all, d, p, a, members } => {
                let members = self.members(warp, *members, pc, mask);
                let a = warp.registers[*a as usize];
                let equal = |lane: usize| {
                    each(members).filter(|l| a[*l] == a[lane]).fold(0u32, |m, l| m | 1 << l)
                };
                let mut out: Lanes = std::array::from_fn(|l| equal(l).into());
                if *all {
                    let same = each(members).all(|l| equal(l) == members);
                    out = [if same { members.into() } else { 0 }; 32];
                    put_predicate(warp, *p, if same { u32::MAX } else { 0 }, mask);
                }
                put(warp, *d, &out, mask);
            }
            Together::Reduce { op, kind, d, a, members } => {
                let members = self.members(warp, *members, pc, mask);
                let a = warp.registers[*a as usize];
                let values = each(members).map(|l| a[l]);
                let value = values.reduce(|x, y| atomic::combine(*op, *kind, x, y, 0)).unwrap_or(0);
                put(warp, *d, &[value; 32], mask);
            }
            Together::ActiveMask { d } => put(warp, *d, &[mask.into(); 32], mask),
            Together::Elect { d, p, members } => {
                let members = self.members(warp, *members, pc, mask);
                let leader = members.trailing_zeros();
                put(warp, *d, &[leader.into(); 32], mask);
                put_predicate(warp, *p, 1u32.checked_shl(leader).unwrap_or(0), mask);
            }
            Together::MoveMatrix { d, a } => {
                self.whole(warp, pc, mask, u32::MAX);
                let a = warp.registers[*a as usize].map(|x| x as u32);
                let rows = matrix::stmatrix(1, false, &[a]);
                if let Some(out) = matrix::ldmatrix(1, true, &rows).first() {
                    put(warp, *d, &out.map(u64::from), mask);
                }
            }
            Together::WarpBarrier { members } => {
                let members = self.members(warp, *members, pc, mask);
                if members == warp.alive {
                    self.clocks.synchronise(warp.index);
                } else {
                    // Some lanes tell each other what they did.
                    let known = self.clocks.release(warp.index, members, false);
                    self.clocks.acquire(warp.index, members, false, &known);
                }
            }
        }
    }
}

/// The lane that a shuffle takes from, and is it inside the segment?
///
/// PTX ISA, `shfl.sync`: the clamp is in bits 0..5 of `c`, the mask of segments in bits 8..13.
pub fn source(mode: Shuffle, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (value, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
    let max = lane & segment | clamp & !segment;
    let min = lane & segment;
    match mode {
        Shuffle::Up => (lane.wrapping_sub(value), lane >= value && lane - value >= max),
        Shuffle::Down => (lane + value, lane + value <= max),
        Shuffle::Butterfly => (lane ^ value, lane ^ value <= max),
        Shuffle::Index => {
            let from = min | value & !segment;
            (from, from <= max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_stay_in_their_segments() {
        // Whole warp: c = 31; for up, 0. Segments of 8: mask 0x18.
        assert_eq!(source(Shuffle::Butterfly, 5, 16, 0x1f), (21, true));
        assert_eq!(source(Shuffle::Down, 30, 2, 0x1f), (32, false));
        assert_eq!(source(Shuffle::Up, 1, 2, 0), (u32::MAX, false));
        assert_eq!(source(Shuffle::Up, 9, 1, 0x1800), (8, true));
        assert_eq!(source(Shuffle::Up, 8, 1, 0x1800), (7, false));
        assert_eq!(source(Shuffle::Index, 13, 2, 0x181f), (10, true));
        assert_eq!(source(Shuffle::Down, 7, 1, 0x181f), (8, false));
    }
}
