//! Branches that only read join those before them of the same condition, which is that of a row behind the last in most of
//! them: what they read has one address to be computed, and each row is asked for once.
//!
//! ```text
//! a = if n > 0 { load x } else { 0 }           a, b = if n > 0 { load x  load y } else { 0 }
//! ..                                      ->   ..
//! b = if n > 0 { load y } else { 0 }
//! ```

use super::{Scope, Sharer, constant, loads_lanes, pure};
use kgen_ir::machine::*;

/// A branch that is there.
#[derive(Clone, Copy)]
pub(super) struct Met {
    /// Where it stands in its block.
    pub(super) place: usize,
    /// When it began, and the writes until it ended.
    pub(super) clock: u32,
    pub(super) writes: u32,
    /// The numbers of its two blocks and of their loads.
    pub(super) then: (u32, u32),
    pub(super) otherwise: (u32, u32),
}

/// Not defined yet.
pub(super) const LATER: u32 = u32::MAX;

impl Sharer {
    /// The branch of the same condition that this one may join: all that it reads was there, and is so still.
    pub(super) fn may_join<'a>(&self, i: &If, out: &'a mut [Stmt]) -> Option<(&'a mut If, usize)> {
        let top = self.top();
        if !self.joins || !only_reads(&i.then) || !only_reads(&i.otherwise) {
            return None;
        }
        let same = |place: usize| match &out[place] {
            Stmt::If(f) => (f.cmp, f.a, f.b) == (i.cmp, i.a, i.b),
            Stmt::Inst(_) | Stmt::Loop(_) => false,
        };
        let n = self.scopes[top].met.iter().position(|met| same(met.place))?;
        let met = self.scopes[top].met[n];
        let there = |reg: Reg| {
            let reg = self.find(reg).index();
            let born = self.born[reg];
            born == LATER || born <= met.clock || self.level[reg] < top
        };
        let mut insts = i.then.iter().chain(&i.otherwise).filter_map(|s| match s {
            Stmt::Inst(inst) => Some(inst),
            Stmt::Loop(_) | Stmt::If(_) => None,
        });
        let all = insts.all(|inst| inst.reads().all(there));
        let yields = i.yields.iter().all(|y| there(y.1) && there(y.2));
        match &mut out[met.place] {
            Stmt::If(first) if all && yields && met.writes == self.writes => Some((first, n)),
            Stmt::If(_) | Stmt::Inst(_) | Stmt::Loop(_) => None,
        }
    }

    /// The branch goes on with what was known at the end of the first.
    pub(super) fn join(&mut self, first: &mut If, met: usize, mut i: If) {
        let top = self.top();
        let Met { then, otherwise, .. } = self.scopes[top].met[met];
        self.open_as(false, then);
        self.recall(&first.then);
        let then = self.branch(&mut i.then, i.yields.iter_mut().map(|y| &mut y.1));
        self.open_as(false, otherwise);
        self.recall(&first.otherwise);
        let otherwise = self.branch(&mut i.otherwise, i.yields.iter_mut().map(|y| &mut y.2));
        first.then.append(&mut i.then);
        first.otherwise.append(&mut i.otherwise);
        let met = &mut self.scopes[top].met[met];
        (met.then, met.otherwise) = (then, otherwise);
        for y in i.yields {
            match first.yields.iter().find(|f| (f.1, f.2) == (y.1, y.2)) {
                Some(known) => self.same[y.0.index()] = known.0,
                None => {
                    self.define(y.0);
                    first.yields.push(y);
                }
            }
        }
    }

    /// Knows again what the open block has computed and loaded, where others took its place since.
    fn recall(&mut self, list: &[Stmt]) {
        let top = self.top();
        let Scope { serial, loads, .. } = self.scopes[top];
        for stmt in list {
            let Stmt::Inst(inst @ Inst { def: Some(def), .. }) = stmt else { continue };
            let mut key = self.key(inst, *def);
            let of = if loads_lanes(&inst.op) { loads } else { serial };
            if constant(&inst.op) {
                key.serial = serial;
            }
            if (pure(inst) || loads_lanes(&inst.op)) && self.level[def.index()] == top {
                self.known.insert(key, (of, *def));
            }
        }
    }
}

/// No effect, and nothing that runs more than once.
fn only_reads(list: &[Stmt]) -> bool {
    list.iter().all(|s| match s {
        Stmt::Inst(inst) => pure(inst) || loads_lanes(&inst.op) || matches!(inst.op, Op::Read(_)),
        Stmt::Loop(_) | Stmt::If(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::branches;

    /// Loads by rows, those of one behind the last being zeros.
    const FIRST: &str =
        "a = if n > 3 { o = imul n, 4 : i p = iadd x, o : i v = load.w32 [p + 0] : f } yield v
        else { z = fconst 0 : f } yield z";
    #[test]
    fn branches_of_one_condition_join() {
        let second =
            "b, e = if n > 3 { o2 = imul n, 4 : i q = iadd x, o2 : i w = load.w32 [q + 16] : f
            u = load.w32 [q + 0] : f } yield w, u else { z2 = fconst 0 : f } yield z2, z2";
        let last = "s = fadd a, b : f t = fadd s, e : f store.w32 [y + 0], t";
        let text = branches(&format!("{FIRST} {second} {last}"), 1);
        // One address, and what is loaded twice is one of the results.
        assert_eq!(text.matches("imul").count(), 1, "{text}");
        assert_eq!(text.matches("load").count(), 2, "{text}");
        assert!(text.contains("a, b = if") && text.contains("fadd s, a"), "{text}");
        // Others between them do not matter, nor do they hide what the first has computed; writes do.
        let between = "c = if n > 2 { o3 = imul n, 4 : i r = iadd x, o3 : i w2 = load.w32 [r + 0] : f } yield w2
            else { z3 = fconst 0 : f } yield z3";
        let text = branches(&format!("{FIRST} {between} {second} {last} store.w32 [y + 4], c"), 2);
        assert_eq!(text.matches("load").count(), 3, "{text}");
        branches(&format!("{FIRST} store.w32 [y + 8], a {second} {last}"), 2);
    }

    #[test]
    fn branches_that_need_what_came_later_stay() {
        let later = "k = iadd n, 64 : i g = read.u8 [x + 0] : i
            b = if n > 3 { q = iadd x, g : i w = load.w32 [q + 16] : f } yield w else { z2 = fconst 0 : f } yield z2
            s = fadd a, b : f store.w32 [y + 0], s";
        branches(&format!("{FIRST} {later}"), 2);
        // A product of what is known before moves with them; a loop between them keeps them apart.
        let inside = "b = if n > 3 { g = iadd n, 64 : i q = iadd x, g : i w = load.w32 [q + 16] : f } yield w
            else { z2 = fconst 0 : f } yield z2 s = fadd a, b : f store.w32 [y + 0], s";
        branches(&format!("{FIRST} {inside}"), 1);
        branches(&format!("{FIRST} loop t in 0..n step 1 {{ prefetch.1 [x + 0] }} {inside}"), 2);
    }
}
