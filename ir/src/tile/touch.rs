//! Which elements of tensors a task reads and writes, as far as sizes and integers in memory tell.
//!
//! ```text
//! tasks t in 0..m * 32 dynamic 1 {
//!   let column = t % 32 * 128
//!   x = load(parts[s, t / 32:1, column:128])     task 33 of m = 2 touches parts[.., 1..2, 128..256]
//! ```
//!
//! Places that follow from other things, such as tiles, are anywhere in their dimension. So two tasks that do not meet
//! here never meet; those that do might not.

use super::{Arg, Expr, For, If, Launch, Param, Program, Share, Slice, Stmt, Store};
use crate::extent::{Dims, Extent};
use std::collections::BTreeMap;

/// From one place to before another; `None`: anywhere.
pub type Span = Option<(i64, i64)>;

/// Part of a tensor of the program: a range in each dimension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touch {
    pub tensor: String,
    pub place: Vec<Span>,
    /// It takes place: every branch to it is known.
    pub certain: bool,
}

impl Touch {
    /// Whether some element may be in both.
    pub fn meets(&self, other: &Touch) -> bool {
        let apart = |(a, b): (&Span, &Span)| match (a, b) {
            (Some(a), Some(b)) => a.1 <= b.0 || b.1 <= a.0,
            (None, _) | (_, None) => false,
        };
        self.tensor == other.tensor && !self.place.iter().zip(&other.place).any(apart)
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// An integer of a tensor of the program at a place, where it is known.
pub type Known<'a> = dyn Fn(&str, &[i64]) -> Option<i64> + 'a;

/// A launch whose only work is one list of tasks.
pub struct Tasks<'a> {
    dims: &'a Dims,
    known: &'a Known<'a>,
    /// Parameters of the kernel as tensors of the program; of fields, no place is known.
    names: BTreeMap<&'a str, (&'a str, bool)>,
    /// Before the tasks begin.
    scalars: BTreeMap<String, i64>,
    var: &'a str,
    body: &'a [Stmt],
    pub count: i64,
    /// Tasks that are taken at once.
    pub chunk: i64,
}

/// Turns of a loop that are looked at one by one; of more, one stands for all.
const TURNS: i64 = 1 << 12;

impl<'a> Tasks<'a> {
    /// `None` where the kernel does something else too, or the number of tasks is not known.
    pub fn of(
        program: &'a Program,
        launch: &'a Launch,
        dims: &'a Dims,
        known: &'a Known<'a>,
    ) -> Option<Tasks<'a>> {
        let kernel = program.kernels.iter().find(|k| k.name == launch.kernel)?;
        let (mut names, mut scalars) = (BTreeMap::new(), BTreeMap::new());
        for (param, arg) in kernel.params.iter().zip(&launch.args) {
            match (param, arg) {
                (Param::Tensor(t), Arg::Tensor(name)) => {
                    let field = matches!(t.store, Store::Field(_));
                    names.insert(t.name.as_str(), (name.as_str(), field));
                }
                (Param::Scalar(name), Arg::Scalar(e)) => {
                    scalars.insert(name.clone(), e.eval(dims).ok()?);
                }
                (Param::Tensor(_), Arg::Scalar(_)) | (Param::Scalar(_), Arg::Tensor(_)) => {}
            }
        }
        let (last, before) = kernel.body.split_last()?;
        let Stmt::Tasks { var, count, share: Share::Dynamic(chunk), body, .. } = last else {
            return None;
        };
        let mut tasks = Tasks { dims, known, names, scalars, var, body, count: 0, chunk: *chunk };
        let mut walk = Walk::new(&tasks, Access::Write);
        let plain = |s: &Stmt| matches!(s, Stmt::Scalar { .. } | Stmt::Read { .. });
        if !before.iter().all(plain) {
            return None;
        }
        walk.block(before);
        let (count, scalars) = (walk.extent(count)?, walk.scalars);
        (tasks.count, tasks.scalars) = (count, scalars);
        Some(tasks)
    }

    /// What a task may read or write of these tensors.
    pub fn touches(&self, task: i64, access: Access, of: &dyn Fn(&str) -> bool) -> Vec<Touch> {
        let mut walk = Walk::new(self, access);
        walk.of = of;
        walk.scalars.insert(self.var.into(), task);
        walk.block(self.body);
        walk.out.sort();
        walk.out.dedup();
        walk.out
    }
}

struct Walk<'a> {
    tasks: &'a Tasks<'a>,
    access: Access,
    of: &'a dyn Fn(&str) -> bool,
    scalars: BTreeMap<String, i64>,
    /// Inside branches and loops that nothing is known of.
    maybe: usize,
    out: Vec<Touch>,
}

impl<'a> Walk<'a> {
    fn new(tasks: &'a Tasks<'a>, access: Access) -> Walk<'a> {
        let scalars = tasks.scalars.clone();
        Walk { tasks, access, of: &|_| true, scalars, maybe: 0, out: vec![] }
    }

    fn extent(&self, e: &Extent) -> Option<i64> {
        let dims = self.tasks.dims;
        let of = |s: &str| self.scalars.get(s).or_else(|| dims.scalars.get(s)).copied();
        e.eval_with(&of, dims).ok()
    }

    fn set(&mut self, name: &str, x: Option<i64>) {
        match x {
            Some(x) => self.scalars.insert(name.into(), x),
            None => self.scalars.remove(name),
        };
    }

    fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|s| self.stmt(s));
    }

    fn stmt(&mut self, s: &Stmt) {
        match s {
            Stmt::Scalar { name, value } => self.set(name, self.extent(value)),
            Stmt::Read { name, tensor, at } => {
                let places: Option<Vec<i64>> = at.iter().map(|e| self.extent(e)).collect();
                let found = self.tasks.names.get(tensor.as_str()).filter(|(_, field)| !field);
                let x = found.zip(places).and_then(|((t, _), at)| (self.tasks.known)(t, &at));
                self.set(name, x);
                let at: Vec<Slice> = at.iter().map(|e| Slice::point(e.clone())).collect();
                self.touch(tensor, &at, Access::Read);
            }
            Stmt::Any { name, .. } => self.set(name, None),
            Stmt::Let { expr, .. } => {
                if let Expr::Load { tensor, at, .. } = expr {
                    self.touch(tensor, at, Access::Read);
                }
            }
            Stmt::Store { tensor, at, .. } => self.touch(tensor, at, Access::Write),
            Stmt::Stage(staged) => self.touch(&staged.from, &staged.source, Access::Read),
            Stmt::For(f) => self.turns(f),
            Stmt::Tasks { body, .. } => self.block(body),
            Stmt::If(i) => self.branch(i),
            Stmt::Commit | Stmt::Wait(_) | Stmt::Prefetch { .. } => {}
        }
    }

    fn turns(&mut self, f: &For) {
        if !self.inside(&f.body) {
            return;
        }
        let range = self.extent(&f.lo).zip(self.extent(&f.hi));
        let step = f.step.max(1);
        match range.filter(|(lo, hi)| hi.saturating_sub(*lo) / step <= TURNS) {
            Some((lo, hi)) => {
                let mut at = lo;
                while at < hi {
                    self.set(&f.var, Some(at));
                    self.block(&f.body);
                    at += step;
                }
            }
            None => {
                self.set(&f.var, None);
                self.maybe += 1;
                self.block(&f.body);
                self.maybe -= 1;
            }
        }
    }

    fn branch(&mut self, i: &If) {
        let sides = self.extent(&i.cond.left).zip(self.extent(&i.cond.right));
        let first = sides.map(|(a, b)| i.cond.cmp.holds(a, b));
        self.maybe += usize::from(first.is_none());
        if first != Some(false) {
            self.block(&i.then);
        }
        if first != Some(true) {
            self.block(&i.otherwise);
        }
        self.maybe -= usize::from(first.is_none());
    }

    /// Whether such an access stands in these statements.
    fn inside(&self, body: &[Stmt]) -> bool {
        let (read, write) = (self.access == Access::Read, self.access == Access::Write);
        body.iter().any(|s| match s {
            Stmt::Let { expr: Expr::Load { tensor, .. }, .. } => {
                read && self.named(tensor).is_some()
            }
            Stmt::Read { tensor, .. } => read && self.named(tensor).is_some(),
            Stmt::Stage(staged) => read && self.named(&staged.from).is_some(),
            Stmt::Store { tensor, .. } => write && self.named(tensor).is_some(),
            Stmt::For(f) => self.inside(&f.body),
            Stmt::Tasks { body, .. } => self.inside(body),
            Stmt::If(i) => self.inside(&i.then) || self.inside(&i.otherwise),
            Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Any { .. }
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => false,
        })
    }

    /// A tensor of the program that is looked for, and whether only a field of it is meant.
    fn named(&self, param: &str) -> Option<(&'a str, bool)> {
        self.tasks.names.get(param).copied().filter(|(name, _)| (self.of)(name))
    }

    fn touch(&mut self, param: &str, at: &[Slice], access: Access) {
        let Some((tensor, field)) = self.named(param).filter(|_| access == self.access) else {
            return;
        };
        let range = |s: &Slice| {
            let (start, len) =
                (self.extent(&s.start)?, s.len.map_or(Some(1), |n| i64::try_from(n).ok())?);
            Some((start, start.checked_add(len)?))
        };
        let place = if field { vec![] } else { at.iter().map(range).collect() };
        self.out.push(Touch { tensor: tensor.into(), place, certain: self.maybe == 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::parse;

    const TEXT: &str = "\
program sums(x: f32[n, 64], list: i32[n]) -> (o: f32[n, 64]) symbols n {
  buffer parts: f32[4, n, 64]
  kernel each(x: f32[n, 64], work parts: f32[4, n, 64]) {
    tasks t in 0..n * 4 dynamic 2 {
      a = load(x[t / 4:1, 0:64]) : f32[1, 64]
      store(parts[t % 4, t / 4:1, 0:64], a)
    }
  }
  kernel join(list: i32[n], work parts: f32[4, n, 64], out o: f32[n, 64]) {
    tasks t in 0..n dynamic 1 {
      read row = list[t]
      c = fill(0) : f32[1, 64]
      sum2 = for s in 1..3 step 1 with sum = c {
        a = load(parts[s, row:1, 0:64]) : f32[1, 64]
        more = sum + a : f32[1, 64]
        yield more
      }
      store(o[t:1, 0:64], sum2)
    }
  }
  variant all {
    launch each(x, parts)
    launch join(list, parts, o)
  }
}
";

    #[test]
    fn places_follow_from_the_task_and_integers_in_memory() {
        let program = parse::parse(TEXT).unwrap_or_else(|e| panic!("{e:?}"));
        let dims = Dims { scalars: [("n".to_owned(), 8)].into(), cores: 1, ..Dims::default() };
        let launches = &program.variants[0].launches;
        let list = |_: &str, at: &[i64]| Some(7 - at[0]);
        let (each, join) = (
            Tasks::of(&program, &launches[0], &dims, &list).unwrap(),
            Tasks::of(&program, &launches[1], &dims, &list).unwrap(),
        );
        assert_eq!((each.count, each.chunk, join.count, join.chunk), (32, 2, 8, 1));
        let parts = |name: &str| name == "parts";
        let wanted = join.touches(2, Access::Read, &parts);
        let place = |s, row| vec![Some((s, s + 1)), Some((row, row + 1)), Some((0, 64))];
        let touch = |s, row| Touch { tensor: "parts".into(), place: place(s, row), certain: true };
        assert_eq!(wanted, [touch(1, 5), touch(2, 5)]);
        let makes = |t: &i64| {
            let made = each.touches(*t, Access::Write, &parts);
            made.iter().any(|m| wanted.iter().any(|w| m.meets(w)))
        };
        assert_eq!((0..32).filter(makes).collect::<Vec<_>>(), [21, 22]);
        assert!(join.touches(2, Access::Write, &parts).is_empty());
        // Where the list is not known, any row.
        let nothing = |_: &str, _: &[i64]| None;
        let join = Tasks::of(&program, &launches[1], &dims, &nothing).unwrap();
        let wanted = join.touches(2, Access::Read, &parts);
        assert_eq!(wanted[0].place, [Some((1, 2)), None, Some((0, 64))]);
        let output = join.touches(2, Access::Write, &|_| true);
        assert_eq!((output.len(), output[0].tensor.as_str()), (1, "o"));
    }
}
