//! Loops, branches and tasks, and the homes of large tiles that pass through them.
//!
//! A tile too large for registers is written where the one before it stood, where nothing reads that any more: the
//! next turn's over this turn's, and what a branch gives over what it was made of.
//!
//! ```text
//! o3 = for j in .. with o = o0 {           one home for o, o2 and o3
//!   any up = above
//!   o2 = if up > 0 { f = o * alpha  yield f } else { yield o }      nothing is copied where up is 0
//!   o1 = dot(p, v, o2)
//!   yield o1
//! }
//! ```

use super::{Lower, Place, Result};
use kgen_ir::{
    extent::Extent,
    machine::{Class, IntOp, MaskOp, Mem, Op, Operand, Reg, Slot},
    tile::{Compare, Expr, For, If, LaneDim, Share, Space, Stmt, Value},
};
use std::collections::BTreeMap;

impl Lower<'_> {
    pub(super) fn for_tile(&mut self, f: &For) -> Result<()> {
        let (lo, hi) = (self.extent(&f.lo)?, self.extent(&f.hi)?);
        let space = |l: &Self, v: Value| l.kernel.values[v].ty.space;
        let (small, large) = f.carried.iter().partition::<Vec<&kgen_ir::tile::Carried>, _>(|c| {
            space(self, c.param) == Some(Space::Register)
        });
        // A large tile has one home for all its turns.
        for c in &large {
            let home = match self.places.get(&c.init) {
                // The tile carried out of one loop and into the next stays where it is.
                Some(Place::Scratch(at)) if self.dies_here(f, c.init) => *at,
                Some(_) | None => {
                    let at = self.scratch_tile(c.param);
                    self.copy_to_scratch(c.init, at)?;
                    at
                }
            };
            self.places.insert(c.param, Place::Scratch(home));
            self.places.insert(c.result, Place::Scratch(home));
            if in_place(&f.body, c.param, c.yielded) {
                self.homes.insert(c.yielded, home);
            }
        }
        for c in &f.carried {
            self.born.insert(c.param, self.depth + 1);
            self.born.insert(c.result, self.depth);
        }
        let inits = self.all_vectors(small.iter().map(|c| c.init))?;
        let saved = self.scalars.clone();
        let params: Vec<_> = small.iter().map(|c| c.param).collect();
        let ((), results) = self.for_loop(lo, hi, f.step, &inits, |l, var, regs| {
            l.scalars.insert(f.var.clone(), Operand::Reg(var));
            l.share_out(&params, regs.to_vec());
            l.block(&f.body)?;
            for c in &large {
                if let Some(Place::Scratch(home)) = l.places.get(&c.param).cloned()
                    && l.homes.remove(&c.yielded).is_none()
                {
                    l.copy_to_scratch(c.yielded, home)?;
                }
            }
            let yields = l.all_vectors(small.iter().map(|c| c.yielded))?;
            Ok(((), yields))
        })?;
        self.scalars = saved;
        let names: Vec<_> = small.iter().map(|c| c.result).collect();
        self.share_out(&names, results);
        Ok(())
    }

    /// The carried tile `v` is an earlier loop's result, read by nothing but this loop.
    fn dies_here(&self, f: &For, v: Value) -> bool {
        let mut uses = 0;
        count_uses(&self.kernel.body, v, &mut uses);
        uses == 1 && f.carried.iter().any(|c| c.init == v)
    }

    pub(super) fn branch(&mut self, i: &If) -> Result<()> {
        let cond = (i.cond.cmp, self.extent(&i.cond.left)?, self.extent(&i.cond.right)?);
        let large = |l: &Self, v: Value| l.kernel.values[v].ty.space == Some(Space::Scratch);
        let mut homes = Vec::new();
        for (number, (result, ..)) in i.yields.iter().enumerate() {
            self.born.insert(*result, self.depth);
            if large(self, *result) {
                let home = self.home(i, number);
                homes.push((number, home));
            }
        }
        let side = |l: &mut Self, body: &[Stmt], second: bool| {
            let of = |y: &(Value, Value, Value)| if second { y.2 } else { y.1 };
            l.block(body)?;
            let small = i.yields.iter().filter(|y| !large(l, y.0)).map(of).collect::<Vec<_>>();
            let regs = l.all_vectors(small.into_iter())?;
            for (number, home) in &homes {
                let value = of(&i.yields[*number]);
                if !matches!(l.places.get(&value), Some(Place::Scratch(at)) if at == home) {
                    l.copy_to_scratch(value, *home)?;
                }
            }
            Ok(regs)
        };
        let results =
            self.if_else(cond, |l| side(l, &i.then, false), |l| side(l, &i.otherwise, true))?;
        let small: Vec<_> = i.yields.iter().map(|y| y.0).filter(|v| !large(self, *v)).collect();
        self.share_out(&small, results);
        for (number, home) in homes {
            self.places.insert(i.yields[number].0, Place::Scratch(home));
        }
        Ok(())
    }

    /// Where the tile lies that a branch gives: over the one it is made of, if that is of this block and ends here.
    fn home(&mut self, i: &If, number: usize) -> usize {
        let result = i.yields[number].0;
        if let Some(home) = self.homes.get(&result) {
            return *home;
        }
        let over = made_of(i, number).and_then(|v| match self.places.get(&v) {
            Some(Place::Scratch(home)) => {
                let (mut all, mut here) = (0, 0);
                count_uses(&self.kernel.body, v, &mut all);
                uses_in_branch(i, v, &mut here);
                (all == here && self.born.get(&v) == Some(&self.depth)).then_some(*home)
            }
            Some(Place::Regs(_) | Place::Inline(_)) | None => None,
        });
        over.unwrap_or_else(|| self.scratch_tile(result))
    }

    /// 1 if an element of the tile of conditions is true, else 0.
    pub(super) fn any(&mut self, v: Value) -> Result<Operand> {
        let last = self.shape(v).last().copied().unwrap_or(1);
        let mut some: Option<Reg> = None;
        for at in self.vectors_of(v) {
            let left = last - at.last().copied().unwrap_or(0);
            let along = LaneDim::Dim(at.len().saturating_sub(1));
            let mut mask = self.kept_vec(v, at)?;
            if self.own_lanes(v) == along && left < self.lanes {
                // Lanes without an element hold anything.
                let number = self.inst(Class::Word, Op::Iota, &[], None);
                let rest = self.word_const(left as i32);
                let inside = self.v(Class::Mask, Op::WordCmp(Compare::Lt), &[number, rest]);
                mask = self.v(Class::Mask, Op::Mask(MaskOp::And), &[mask, inside]);
            }
            some = Some(match some {
                None => mask,
                Some(some) => self.v(Class::Mask, Op::Mask(MaskOp::Or), &[some, mask]),
            });
        }
        let Some(some) = some else { return Ok(Operand::Imm(0)) };
        let bits = self.v(Class::Int, Op::Ballot, &[some]);
        Ok(self.int(IntOp::Min, Operand::Reg(bits), Operand::Imm(1)))
    }

    /// Every worker takes `chunk` tasks at a time until none is left.
    pub(super) fn tasks(
        &mut self,
        var: &str,
        count: &Extent,
        share: &Share,
        next: Option<&str>,
        body: &[Stmt],
    ) -> Result<()> {
        let count = self.extent(count)?;
        let saved = self.scalars.clone();
        // `then` is what the worker does after the task, if it is a task.
        let body_of = |l: &mut Self, t: Reg, then: &dyn Fn(&mut Self) -> Operand| -> Result<()> {
            l.scalars.insert(var.into(), Operand::Reg(t));
            if let Some(next) = next {
                let task = then(l);
                let most = l.int(IntOp::Sub, count, Operand::Imm(1));
                let task = l.int(IntOp::Min, task, most);
                l.scalars.insert(next.into(), task);
            }
            l.block(body)
        };
        // `after` is the task that follows the last one of lo..hi, if there is one.
        let all = |l: &mut Self, lo: Operand, hi: Operand, after: Operand| -> Result<()> {
            l.for_loop(lo, hi, 1, &[], |l, t, _| {
                let then = |l: &mut Self| {
                    let plus = l.int(IntOp::Add, Operand::Reg(t), Operand::Imm(1));
                    // 1 at the last task.
                    let less = l.int(IntOp::Sub, hi, Operand::Imm(1));
                    let past = l.int(IntOp::Sub, plus, less);
                    let past = l.int(IntOp::Max, past, Operand::Imm(0));
                    let away = l.int(IntOp::Sub, after, plus);
                    let away = l.int(IntOp::Mul, away, past);
                    l.int(IntOp::Add, plus, away)
                };
                body_of(l, t, &then)?;
                Ok(((), vec![]))
            })?;
            Ok(())
        };
        match share {
            Share::Static => {
                let cores = Operand::Reg(self.arg(Slot::Extent(Extent::Cores)));
                let worker = Operand::Reg(self.inst(Class::Int, Op::Worker, &[], None));
                let less = self.int(IntOp::Sub, cores, Operand::Imm(1));
                let up = self.int(IntOp::Add, count, less);
                let part = self.int(IntOp::Div, up, cores);
                let lo = self.int(IntOp::Mul, worker, part);
                let end = self.int(IntOp::Add, lo, part);
                let hi = self.int(IntOp::Min, end, count);
                all(self, lo, hi, hi)?;
            }
            // A task alone needs no counter.
            Share::Dynamic(_) if count == Operand::Imm(1) && next.is_none() => {
                let worker = self.inst(Class::Int, Op::Worker, &[], None);
                self.if_else(
                    (Compare::Lt, Operand::Reg(worker), count),
                    |l| body_of(l, worker, &|_| count).map(|()| vec![]),
                    |_| Ok(vec![]),
                )?;
            }
            Share::Dynamic(chunk) => {
                let base = self.arg(Slot::Counter(self.counters));
                self.counters += 1;
                let mem = Some(Mem { base, offset: 0 });
                let step = Operand::Imm(*chunk);
                let first = self.inst(Class::Int, Op::Next, &[step], mem);
                // At most this many turns; when the counter has passed the end, the rest are empty.
                let up = self.int(IntOp::Add, count, Operand::Imm(chunk - 1));
                let turns = self.int(IntOp::Div, up, step);
                let early = next.is_some();
                self.for_loop(Operand::Imm(0), turns, 1, &[first], |l, _, cur| {
                    let cur = cur[0];
                    let next = l.if_else(
                        (Compare::Lt, Operand::Reg(cur), count),
                        |l| {
                            let claim = |l: &mut Self| l.inst(Class::Int, Op::Next, &[step], mem);
                            let claimed = early.then(|| claim(l));
                            if *chunk == 1 {
                                body_of(l, cur, &|_| Operand::Reg(claimed.unwrap_or(cur)))?;
                            } else {
                                let end = l.int(IntOp::Add, Operand::Reg(cur), step);
                                let hi = l.int(IntOp::Min, end, count);
                                all(l, Operand::Reg(cur), hi, claimed.map_or(hi, Operand::Reg))?;
                            }
                            Ok(vec![claimed.unwrap_or_else(|| claim(l))])
                        },
                        |_| Ok(vec![cur]),
                    )?;
                    Ok(((), next))
                })?;
            }
        }
        self.scalars = saved;
        Ok(())
    }
}

pub(super) fn count_uses(body: &[Stmt], v: Value, uses: &mut usize) {
    for stmt in body {
        match stmt {
            Stmt::Let { expr, .. } => {
                *uses += crate::tile::operands(expr).iter().filter(|o| **o == v).count();
            }
            Stmt::Store { value, .. } | Stmt::Any { value, .. } => {
                *uses += usize::from(*value == v)
            }
            Stmt::For(f) => {
                for c in &f.carried {
                    *uses += usize::from(c.init == v) + usize::from(c.yielded == v);
                }
                count_uses(&f.body, v, uses);
            }
            Stmt::Tasks { body, .. } => count_uses(body, v, uses),
            Stmt::If(i) => uses_in_branch(i, v, uses),
            Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}

fn uses_in_branch(i: &If, v: Value, uses: &mut usize) {
    for (_, a, b) in &i.yields {
        *uses += usize::from(*a == v) + usize::from(*b == v);
    }
    count_uses(&i.then, v, uses);
    count_uses(&i.otherwise, v, uses);
}

/// May `yielded` be written over `param`? Only if `param` is read element by element, on the way to `yielded`
/// alone: as the accumulator of its product, through elementwise expressions of the same shape, or through branches
/// that give either it or what is made of it so.
fn in_place(body: &[Stmt], param: Value, yielded: Value) -> bool {
    let lets: BTreeMap<Value, &Expr> = body
        .iter()
        .filter_map(|s| if let Stmt::Let { value, expr } = s { Some((*value, expr)) } else { None })
        .collect();
    let branch = |v: Value| {
        body.iter().find_map(|s| match s {
            Stmt::If(i) => i.yields.iter().position(|y| y.0 == v).map(|number| (i, number)),
            Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::For(_)
            | Stmt::Tasks { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => None,
        })
    };
    let mut at = yielded;
    loop {
        let mut uses = 0;
        count_uses(body, at, &mut uses);
        // `yielded` itself must have no reader in the body.
        if at == yielded && uses > 0 {
            return false;
        }
        let mut allowed = 1;
        let next = match lets.get(&at) {
            Some(Expr::Dot { acc: Some(acc), .. } | Expr::Lookup { acc: Some(acc), .. }) => *acc,
            Some(Expr::Binary(_, a, _)) => *a,
            Some(_) => return false,
            None => {
                let Some((i, number)) = branch(at) else { return false };
                let Some(v) = made_of(i, number) else { return false };
                allowed = 0;
                uses_in_branch(i, v, &mut allowed);
                v
            }
        };
        let mut uses = 0;
        count_uses(body, next, &mut uses);
        if uses != allowed {
            return false;
        }
        if next == param {
            return true;
        }
        at = next;
    }
}

/// The tile from outside over which a branch may write what it gives: on each side that, or made of it in place.
fn made_of(i: &If, number: usize) -> Option<Value> {
    let (_, a, b) = *i.yields.get(number)?;
    let from = |body: &[Stmt], yielded: Value, v: Value| {
        let mut uses = 0;
        count_uses(body, v, &mut uses);
        let others = i.yields.iter().enumerate().filter(|(n, _)| *n != number);
        let apart = others.into_iter().all(|(_, y)| y.1 != v && y.2 != v);
        apart && if yielded == v { uses == 0 } else { in_place(body, v, yielded) }
    };
    [a, b].into_iter().find(|v| from(&i.then, a, *v) && from(&i.otherwise, b, *v))
}
