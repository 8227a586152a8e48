//! Which values want one register, and when: a carried value, what starts it, and what each turn makes of it.
//!
//! ```text
//! s = loop carry p = z { .. y = fma x, w, p } yield y       {z, p, y}: one register, if z ends here
//! ```
//!
//! A wish may be in vain, where two of a group live at once. Then one of them moves.

use super::super::mir::{How, Mir};
use super::flow::Flow;

pub struct Wishes {
    /// The group of each value: the number of one of its values.
    pub group: Vec<u32>,
    /// Where values of a group are born, in the order of the code: a range of `births`.
    from: Vec<u32>,
    births: Vec<u32>,
    /// By general register: instructions that want it, and no other.
    fixed: [Vec<u32>; 16],
}

impl Wishes {
    pub fn new(mir: &Mir, flow: &Flow) -> Wishes {
        let mut group: Vec<u32> = (0..mir.vregs as u32).collect();
        for (b, block) in mir.blocks.iter().enumerate() {
            let Some(s) = block.succs[0].filter(|_| !block.values.is_empty()) else { continue };
            for (k, (v, p)) in block.values.iter().zip(&mir.blocks[s].params).enumerate() {
                let facts = flow.values[v.index()];
                let again = block.values[..k].contains(v);
                let other = facts.is_param && facts.block == s as u32 && s <= b && v != p;
                if !again && !other && !flow.live_in(s, v.index()) {
                    join(&mut group, v.index(), p.index());
                }
            }
        }
        let mut fixed: [Vec<u32>; 16] = Default::default();
        for i in 0..mir.insts.len() {
            let places = mir.places(i);
            for o in &mir.operands[places.clone()] {
                match o.how {
                    How::DefAt(k) => {
                        let source = places.start + usize::from(k);
                        if flow.dies[source] {
                            let source = mir.operands[source].value.index();
                            join(&mut group, source, o.value.index());
                        }
                    }
                    How::UseIn(r) | How::DefIn(r) => fixed[usize::from(r)].push(i as u32),
                    How::Use | How::Def | How::DefEarly | How::Temp => {}
                }
            }
        }
        for v in 0..group.len() {
            group[v] = root(&mut group, v) as u32;
        }
        let mut from = vec![0u32; mir.vregs + 2];
        group.iter().for_each(|g| from[*g as usize + 2] += 1);
        for g in 1..from.len() {
            from[g] += from[g - 1];
        }
        // Values are numbered in the order of their births but for parameters, which a sort puts in place.
        let mut births = vec![0; mir.vregs];
        for (v, g) in group.iter().enumerate() {
            let place = &mut from[*g as usize + 1];
            births[*place as usize] = flow.values[v].born;
            *place += 1;
        }
        for g in 0..mir.vregs {
            births[from[g] as usize..from[g + 1] as usize].sort_unstable();
        }
        Wishes { group, from, births, fixed }
    }

    /// Where the group's next value behind `at` is born.
    pub fn next_birth(&self, group: u32, at: u32) -> u32 {
        let g = group as usize;
        let births = &self.births[self.from[g] as usize..self.from[g + 1] as usize];
        births.get(births.partition_point(|b| *b <= at)).copied().unwrap_or(u32::MAX)
    }

    /// The next instruction behind `at` that wants this register.
    pub fn next_fixed(&self, number: usize, at: u32) -> u32 {
        let list = &self.fixed[number];
        list.get(list.partition_point(|i| *i <= at)).copied().unwrap_or(u32::MAX)
    }
}

fn root(group: &mut [u32], v: usize) -> usize {
    let mut v = v;
    while group[v] as usize != v {
        group[v] = group[group[v] as usize];
        v = group[v] as usize;
    }
    v
}

fn join(group: &mut [u32], a: usize, b: usize) {
    let (a, b) = (root(group, a), root(group, b));
    group[a] = b as u32;
}
