//! One worker in one kernel: statements and expressions over tiles.

use super::{
    super::field::Field,
    super::{
        Binary, ENTRIES, Expr, INDEX, Kernel, Predicate, Reduce, Slice, Staged, Stmt, Unary, Value,
        print,
    },
    InterpError, Mode, Options, Order, Result, holds,
    memory::Cells,
    value_of,
};
use crate::{dtype::Dtype, extent::Dims, extent::Extent, format::random, tensor::Tensor};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Tile {
    shape: Vec<usize>,
    data: Vec<f64>,
}

/// A parameter that is a field of a tensor.
pub(super) struct FieldOf {
    pub field: Field,
    pub elem: Dtype,
    /// Of the tensor.
    pub from: Dtype,
    /// Of the parameter.
    pub shape: Vec<i64>,
}

pub(super) struct Run<'a> {
    pub kernel: &'a Kernel,
    pub dims: &'a Dims,
    pub options: &'a Options,
    /// Kernel parameter to tensor of the program.
    pub names: BTreeMap<String, String>,
    pub fields: &'a BTreeMap<String, FieldOf>,
    pub scalars: BTreeMap<String, i64>,
    pub tiles: BTreeMap<Value, Tile>,
    /// Of this worker alone.
    pub scratch: BTreeMap<String, Cells>,
    pub memory: &'a mut BTreeMap<String, Cells>,
    pub worker: i64,
    /// Whose accesses these are: the worker's outside of tasks, else the task's.
    pub who: u32,
    /// The last `who` of the launch.
    pub last: &'a mut u32,
    pub left: &'a mut u64,
    /// What is staged and not there yet, and the number of its group.
    pub staged: Vec<Arriving>,
    pub group: usize,
}

/// Cells of a tensor, and what they will hold.
pub(super) struct Arriving {
    group: usize,
    tensor: String,
    cells: Vec<(usize, f64)>,
}

/// Every index of a shape, row-major.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product::<usize>()).map(move |mut i| {
        let mut at = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            at[d] = i % shape[d];
            i /= shape[d];
        }
        at
    })
}

impl Run<'_> {
    fn extent(&self, e: &Extent) -> Result<i64> {
        value_of(e, &self.scalars, self.dims)
    }

    fn holds(&self, p: &Predicate) -> Result<bool> {
        holds(p, &self.scalars, self.dims)
    }

    fn work(&mut self, count: usize) -> Result<()> {
        let steps = self.options.limits.steps;
        let count = (count as u64).saturating_add(1);
        *self.left = self.left.checked_sub(count).ok_or(InterpError::Endless(steps))?;
        Ok(())
    }

    fn name(&self, v: Value) -> String {
        self.kernel.values.get(v).map_or("?".into(), |d| d.name.clone())
    }

    fn tile(&self, v: Value) -> Result<&Tile> {
        let unknown = || InterpError::Unknown { what: "value", name: self.name(v) };
        self.tiles.get(&v).ok_or_else(unknown)
    }

    /// An error of this statement, with its text.
    fn at<T>(&self, text: impl FnOnce() -> String, done: Result<T>) -> Result<T> {
        done.map_err(|error| InterpError::At {
            kernel: self.kernel.name.clone(),
            statement: text(),
            error: Box::new(error),
        })
    }

    pub fn block(&mut self, body: &[Stmt]) -> Result<()> {
        body.iter().try_for_each(|s| self.stmt(s))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<()> {
        match stmt {
            Stmt::Let { value, expr } => {
                let done = self.expr(*value, expr);
                let text =
                    || format!("{} = {}", self.name(*value), print::expr_text(self.kernel, expr));
                let tile = self.at(text, done)?;
                self.tiles.insert(*value, tile);
            }
            Stmt::Scalar { name, value } => {
                let x = self.at(|| format!("let {name} = {value}"), self.extent(value))?;
                self.scalars.insert(name.clone(), x);
            }
            Stmt::Read { name, tensor, at } => {
                let at: Vec<Slice> = at.iter().map(|e| Slice::point(e.clone())).collect();
                let done = self.work(0).and_then(|()| self.load(tensor, &at, &[], false));
                let text = || format!("read {name} = {}", print::access_text(tensor, &at));
                let list = self.at(text, done)?;
                self.scalars.insert(name.clone(), list.first().map_or(0, |x| *x as i64));
            }
            Stmt::Any { name, value } => {
                let some = self.tile(*value).map(|t| t.data.iter().any(|x| *x != 0.0));
                let some = self.at(|| format!("any {name} = {}", self.name(*value)), some)?;
                self.scalars.insert(name.clone(), i64::from(some));
            }
            Stmt::Store { tensor, at, value, guard } => {
                let done = self.store(tensor, at, *value, *guard);
                let text =
                    || format!("store({}, {})", print::access_text(tensor, at), self.name(*value));
                self.at(text, done)?;
            }
            Stmt::For(f) => {
                let text = || format!("for {} in {}..{}", f.var, f.lo, f.hi);
                let (lo, hi) =
                    (self.at(text, self.extent(&f.lo))?, self.at(text, self.extent(&f.hi))?);
                let mut state: Vec<Tile> =
                    f.carried.iter().map(|c| self.tile(c.init).cloned()).collect::<Result<_>>()?;
                let mut next = Some(lo);
                while let Some(j) = next.filter(|j| *j < hi) {
                    let done = self.work(0);
                    self.at(text, done)?;
                    self.scalars.insert(f.var.clone(), j);
                    for (c, tile) in f.carried.iter().zip(&state) {
                        self.tiles.insert(c.param, tile.clone());
                    }
                    self.block(&f.body)?;
                    state = f
                        .carried
                        .iter()
                        .map(|c| self.tile(c.yielded).cloned())
                        .collect::<Result<_>>()?;
                    next = j.checked_add(f.step.max(1));
                }
                for (c, tile) in f.carried.iter().zip(state) {
                    self.tiles.insert(c.result, tile);
                }
            }
            Stmt::Tasks { var, count, share: _, next, body } => {
                let text = || format!("tasks {var} in 0..{count}");
                let count = self.at(text, self.extent(count))?;
                let own = self.who;
                let mut tasks = self.tasks(count)?.peekable();
                while let Some(t) = tasks.next() {
                    let after = tasks.peek().copied().unwrap_or(t);
                    self.scalars.extend(next.iter().map(|next| (next.clone(), after)));
                    let done = self.work(0);
                    self.at(text, done)?;
                    *self.last = self.last.saturating_add(1);
                    self.who = *self.last;
                    self.scalars.insert(var.clone(), t);
                    self.block(body)?;
                }
                self.who = own;
            }
            Stmt::If(i) => {
                let text = || format!("if {}", i.cond);
                let first = self.at(text, self.holds(&i.cond))?;
                self.block(if first { &i.then } else { &i.otherwise })?;
                for (result, a, b) in &i.yields {
                    let tile = self.tile(if first { *a } else { *b })?.clone();
                    self.tiles.insert(*result, tile);
                }
            }
            Stmt::Stage(s) => {
                let done = self.stage(s);
                let text = || {
                    let to = print::access_text(&s.tensor, &s.at);
                    format!("stage({to}, {})", print::access_text(&s.from, &s.source))
                };
                self.at(text, done)?;
            }
            Stmt::Commit => self.group += 1,
            Stmt::Wait(left) => self.arrive(*left)?,
            Stmt::Prefetch { .. } => {}
        }
        Ok(())
    }

    /// This worker's tasks: who runs a task, and when, must not matter.
    fn tasks(&self, count: i64) -> Result<Box<dyn Iterator<Item = i64>>> {
        let (worker, cores) = (self.worker, self.dims.cores.max(1));
        // The last task of this worker is the largest `worker + n * cores` below `count`.
        let own = if worker < count { (count - 1 - worker) / cores + 1 } else { 0 };
        Ok(match self.options.order {
            Order::Forward => Box::new((0..own).map(move |n| worker + n * cores)),
            Order::Reversed => Box::new((0..own).rev().map(move |n| worker + n * cores)),
            Order::Shuffled(seed) => {
                let most = self.options.limits.elements;
                if usize::try_from(count).is_ok_and(|n| n > most) {
                    return Err(InterpError::Large { what: "tasks".into(), most });
                }
                // All workers shuffle alike and deal the tasks out in turn.
                let mut all: Vec<i64> = (0..count).collect();
                let mut next = random::numbers(seed);
                for i in (1..all.len()).rev() {
                    all.swap(i, (next() >> 11) as usize % (i + 1));
                }
                let (skip, step) = (worker as usize, cores as usize);
                Box::new(all.into_iter().skip(skip).step_by(step))
            }
        })
    }

    fn cells<'a>(
        scratch: &'a mut BTreeMap<String, Cells>,
        memory: &'a mut BTreeMap<String, Cells>,
        names: &BTreeMap<String, String>,
        tensor: &str,
    ) -> Result<&'a mut Cells> {
        let unknown = || InterpError::Unknown { what: "tensor", name: tensor.into() };
        match scratch.get_mut(tensor) {
            Some(cells) => Ok(cells),
            None => memory.get_mut(names.get(tensor).ok_or_else(unknown)?).ok_or_else(unknown),
        }
    }

    /// Calls `each` with the flat place of every element of a tile, `None` where it is outside and guarded.
    fn visit(
        &mut self,
        tensor: &str,
        at: &[Slice],
        shape: &[usize],
        guard: bool,
        mut each: impl FnMut(&mut Cells, Option<usize>, u32) -> Result<()>,
    ) -> Result<()> {
        let starts = at.iter().map(|s| self.extent(&s.start)).collect::<Result<Vec<_>>>()?;
        // What a kernel says of a tensor may be less than there is: columns of one weight among others.
        let said = match self.kernel.tensor(tensor).filter(|_| guard) {
            Some(t) => t.shape.iter().map(|e| self.extent(e)).collect::<Result<Vec<_>>>()?,
            None => vec![i64::MAX; at.len()],
        };
        // Scratch is the worker's own: its tasks run one after the other.
        let who = if self.scratch.contains_key(tensor) { 1 } else { self.who };
        let cells = Self::cells(&mut self.scratch, self.memory, &self.names, tensor)?;
        if cells.shape.len() != at.len() {
            return Err(InterpError::Tile(tensor.into(), "has another number of dimensions"));
        }
        let more = shape.len().saturating_sub(at.iter().filter(|s| s.len.is_some()).count());
        for index in indices(shape) {
            // Dimensions of 1 that the tensor does not have come first.
            let mut inner = index.iter().skip(more);
            let mut flat = Some(0i64);
            for (((slice, start), size), said) in
                at.iter().zip(&starts).zip(&cells.shape).zip(&said)
            {
                let step = if slice.len.is_some() { inner.next().copied().unwrap_or(0) } else { 0 };
                // What lies beyond i64 lies outside.
                let i = start.saturating_add(step as i64);
                if (0..*size.min(said)).contains(&i) {
                    flat = flat.map(|f| f * size + i);
                } else if guard {
                    flat = None;
                } else {
                    return Err(InterpError::Outside {
                        tensor: tensor.into(),
                        index: i,
                        size: *size,
                    });
                }
            }
            each(cells, flat.map(|f| f as usize), who)?;
        }
        Ok(())
    }

    fn load(
        &mut self,
        tensor: &str,
        at: &[Slice],
        shape: &[usize],
        guard: bool,
    ) -> Result<Vec<f64>> {
        if let Some(of) = self.fields.get(tensor) {
            return self.load_field(of, tensor, at, shape, guard);
        }
        let mut out = Vec::new();
        self.visit(tensor, at, shape, guard, |cells, place, who| {
            out.push(match place {
                Some(place) => cells.read(tensor, place, who)?,
                None => 0.0,
            });
            Ok(())
        })?;
        Ok(out)
    }

    fn load_field(
        &mut self,
        of: &FieldOf,
        tensor: &str,
        at: &[Slice],
        shape: &[usize],
        guard: bool,
    ) -> Result<Vec<f64>> {
        let starts = at.iter().map(|s| self.extent(&s.start)).collect::<Result<Vec<_>>>()?;
        let who = self.who;
        let cells = Self::cells(&mut self.scratch, self.memory, &self.names, tensor)?;
        let wrong = |what| Err(InterpError::Tile(tensor.into(), what));
        let rank = of.shape.len();
        if rank != at.len() || rank == 0 || !(rank - 1..=rank).contains(&cells.shape.len()) {
            return wrong("has another number of dimensions");
        }
        let row = if cells.shape.len() == rank { cells.shape[rank - 1] } else { 1 };
        let unit = of.from.bits() as usize;
        let bits = of.elem.bits() as usize;
        if unit == 0 || of.from != of.elem && of.from != Dtype::U8 {
            return wrong("is no field of this tensor");
        }
        let mut out = Vec::new();
        for index in indices(shape) {
            let mut inner = index.iter();
            let (mut flat, mut last, mut outside) = (0i64, 0, false);
            for (d, (slice, start)) in at.iter().zip(&starts).enumerate() {
                let step = if slice.len.is_some() { inner.next().copied().unwrap_or(0) } else { 0 };
                let (index, size) = (start.saturating_add(step as i64), of.shape[d]);
                if !(0..size).contains(&index) {
                    if !guard {
                        return Err(InterpError::Outside { tensor: tensor.into(), index, size });
                    }
                    outside = true;
                } else if d + 1 == rank {
                    last = index as usize;
                } else {
                    flat = flat.saturating_mul(cells.shape[d]).saturating_add(index);
                }
            }
            if outside {
                out.push(0.0);
                continue;
            }
            let Some(bit) = of.field.bit(last) else { return wrong("is no field of this tensor") };
            let mut read = |i: usize| {
                let (index, size) = (i as i64, row);
                if index >= size {
                    return Err(InterpError::Outside { tensor: tensor.into(), index, size });
                }
                cells.read(tensor, flat.saturating_mul(row).saturating_add(index) as usize, who)
            };
            if of.from == of.elem {
                out.push(read(bit / unit)?);
                continue;
            }
            let mut bytes = Vec::new();
            for i in bit / 8..(bit + bits).div_ceil(8) {
                bytes.push(read(i)? as u8);
            }
            out.push(if bits < 8 {
                let both = u16::from(bytes[0]) | bytes.get(1).map_or(0, |b| u16::from(*b) << 8);
                f64::from((both >> (bit % 8)) & ((1 << bits) - 1))
            } else {
                Tensor { dtype: of.elem, shape: vec![1], bytes }.get(0)
            });
        }
        Ok(out)
    }

    /// The cells are nobody's until the tile arrives.
    fn stage(&mut self, s: &Staged) -> Result<()> {
        let shape: Vec<usize> = s.at.iter().filter_map(|x| x.len).collect();
        let [rows, columns] = shape[..] else {
            return Err(InterpError::Tile(s.tensor.clone(), "is staged as no matrix"));
        };
        let some = s.source.last().and_then(|x| x.len).unwrap_or(0);
        let (lo, hi) = (self.extent(&s.lo)?, self.extent(&s.hi)?);
        self.work(rows.saturating_mul(columns))?;
        let mut data = Vec::new();
        for row in 0..rows as i64 {
            if !(lo..hi).contains(&row) {
                data.extend(vec![0.0; columns]);
                continue;
            }
            let mut source = s.source.clone();
            if let Some(first) = source.iter_mut().find(|x| x.len.is_some()) {
                *first = Slice::range(first.start.clone() + row, 1);
            }
            data.extend(self.load(&s.from, &source, &[1, some], false)?);
            data.resize((row as usize + 1) * columns, 0.0);
        }
        let (mut data, mut cells) = (data.into_iter(), Vec::new());
        self.visit(&s.tensor, &s.at, &shape, false, |tensor, place, _| {
            if let (Some(x), Some(place)) = (data.next(), place) {
                tensor.clear(place);
                cells.push((place, x));
            }
            Ok(())
        })?;
        self.staged.push(Arriving { group: self.group, tensor: s.tensor.clone(), cells });
        Ok(())
    }

    /// All groups but the last `left` are there.
    fn arrive(&mut self, left: usize) -> Result<()> {
        let (here, open) =
            std::mem::take(&mut self.staged).into_iter().partition(|a| a.group + left < self.group);
        self.staged = open;
        let here: Vec<Arriving> = here;
        for a in here {
            let cells = Self::cells(&mut self.scratch, self.memory, &self.names, &a.tensor)?;
            for (place, x) in a.cells {
                cells.write(&a.tensor, place, 1, x)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, tensor: &str, at: &[Slice], value: Value, guard: bool) -> Result<()> {
        let tile = self.tile(value)?.clone();
        self.work(tile.data.len())?;
        let mut data = tile.data.iter();
        self.visit(tensor, at, &tile.shape, guard, |cells, place, who| match (data.next(), place) {
            (Some(x), Some(place)) => cells.write(tensor, place, who, *x),
            (Some(_) | None, _) => Ok(()),
        })
    }

    fn expr(&mut self, v: Value, expr: &Expr) -> Result<Tile> {
        let unknown = InterpError::Unknown { what: "value", name: "?".into() };
        let ty = &self.kernel.values.get(v).ok_or(unknown)?.ty;
        let shape = ty.shape.clone();
        let count = ty.count();
        let most = self.options.limits.elements;
        if count > most {
            return Err(InterpError::Large { what: self.name(v), most });
        }
        self.work(count)?;
        let rounded = self.options.mode == Mode::Rounded;
        let data: Vec<f64> = match expr {
            Expr::Fill(x) => vec![*x; count],
            Expr::Iota { dim, start } => {
                let start = self.extent(start)?;
                let at = |i: Vec<usize>| {
                    let step = i.get(*dim).copied().unwrap_or(0) as i64;
                    let x = start.checked_add(step);
                    x.map(|x| x as f64).ok_or_else(|| InterpError::Overflow(self.name(v)))
                };
                indices(&shape).map(at).collect::<Result<_>>()?
            }
            Expr::Load { tensor, at, guard } => self.load(tensor, at, &shape, *guard)?,
            Expr::Dot { a, b, transpose, acc } => self.dot(*a, *b, *transpose, *acc, &shape)?,
            Expr::Lookup { tables, codes, acc } => self.lookup(*tables, *codes, *acc, &shape)?,
            Expr::Unary(op, a) => {
                let f = |x: &f64| match op {
                    Unary::Neg => -x,
                    Unary::Abs => x.abs(),
                    Unary::Exp2 => x.exp2(),
                    Unary::Log2 => x.log2(),
                    Unary::Tanh => x.tanh(),
                    Unary::Sin => x.sin(),
                    Unary::Cos => x.cos(),
                    Unary::Recip => 1.0 / x,
                    Unary::Sqrt => x.sqrt(),
                    Unary::Floor => x.floor(),
                };
                self.tile(*a)?.data.iter().map(f).collect()
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.tile(*a)?, self.tile(*b)?);
                indices(&shape).map(|i| binary(*op, a.at(&i), b.at(&i))).collect()
            }
            Expr::Select(c, a, b) => {
                let (c, a, b) = (self.tile(*c)?, self.tile(*a)?, self.tile(*b)?);
                indices(&shape).map(|i| if c.at(&i) != 0.0 { a.at(&i) } else { b.at(&i) }).collect()
            }
            Expr::Reduce(op, a, dim) => {
                let terms = self.tile(*a)?.data.len();
                self.work(terms)?;
                let a = self.tile(*a)?;
                let size = a.shape.get(*dim).copied().unwrap_or(1);
                let fold = |mut i: Vec<usize>| {
                    let along = (0..size).map(|k| {
                        if let Some(place) = i.get_mut(*dim) {
                            *place = k;
                        }
                        a.at(&i)
                    });
                    match op {
                        // Rounded: every partial sum rounds, from index 0 up. Kernels add in their own order,
                        // within the bound of the sum's length.
                        Reduce::Sum if rounded => along.fold(0.0, |s, x| round(s + x, ty.elem)),
                        Reduce::Sum => along.sum(),
                        Reduce::Max => {
                            along.fold(f64::NEG_INFINITY, |m, x| if m > x { m } else { x })
                        }
                    }
                };
                indices(&shape).map(fold).collect()
            }
            Expr::Bits(a) => {
                let from = self.kernel.values.get(*a).map_or(Dtype::F16, |d| d.ty.elem);
                let bits = |x: &f64| {
                    let bytes = Tensor::from_f64(from, &[1], &[*x]).bytes;
                    bytes.iter().rev().fold(0.0, |a, byte| a * 256.0 + f64::from(*byte))
                };
                self.tile(*a)?.data.iter().map(bits).collect()
            }
            Expr::Permute(a, table) => {
                let a = self.tile(*a)?;
                let taken = |mut i: Vec<usize>| {
                    if let Some(last) = i.last_mut() {
                        *last = table.get(*last).copied().unwrap_or(usize::MAX);
                    }
                    a.at(&i)
                };
                indices(&shape).map(taken).collect()
            }
            Expr::Convert(a) => {
                let from = self.kernel.values.get(*a).map(|d| d.ty.elem.is_float());
                let range = integers(ty.elem);
                let f = |x: &f64| match range {
                    None => Ok(*x),
                    Some((lo, hi)) if from == Some(true) => {
                        Ok(if x.is_nan() { 0.0 } else { x.round_ties_even().clamp(lo, hi) })
                    }
                    Some((lo, hi)) if (lo..=hi).contains(x) => Ok(*x),
                    Some(_) => {
                        Err(InterpError::Tile(self.name(v), "holds a value that its type cannot"))
                    }
                };
                self.tile(*a)?.data.iter().map(f).collect::<Result<_>>()?
            }
            Expr::Transpose(a) => {
                let a = self.tile(*a)?;
                let swapped = |i: Vec<usize>| a.at(&i.into_iter().rev().collect::<Vec<_>>());
                indices(&shape).map(swapped).collect()
            }
        };
        if data.len() != count {
            return Err(InterpError::Tile(self.name(v), "its operands have other shapes"));
        }
        let tile = Tile { shape, data };
        Ok(if rounded { tile.rounded(ty.elem) } else { tile })
    }

    /// Rounded: the product is exact, and every sum rounds to f32, k from 0 up; sums of integers are exact.
    fn lookup(
        &mut self,
        tables: Value,
        codes: Value,
        acc: Option<Value>,
        shape: &[usize],
    ) -> Result<Vec<f64>> {
        let k = self.tile(codes)?.shape.last().copied().unwrap_or(0);
        self.work(shape.iter().fold(k, |p, n| p.saturating_mul(*n)))?;
        let acc = acc.map(|v| self.tile(v)).transpose()?;
        let (tables, codes) = (self.tile(tables)?, self.tile(codes)?);
        let entry = |i: usize, j: usize, q: usize| {
            let set = |b: &usize| codes.at(&[j, INDEX * q + b]) != 0.0;
            let index: usize = (0..INDEX).filter(set).map(|b| 1 << b).sum();
            tables.at(&[i, ENTRIES * q + index])
        };
        let sum = |at: Vec<usize>| match at[..] {
            [i, j] => {
                let start = acc.map_or(0.0, |c| c.at(&at));
                (0..k / INDEX).map(|q| entry(i, j, q)).sum::<f64>() + start
            }
            _ => 0.0,
        };
        Ok(indices(shape).map(sum).collect())
    }

    fn dot(
        &mut self,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
        shape: &[usize],
    ) -> Result<Vec<f64>> {
        let k = self.tile(a)?.shape.last().copied().unwrap_or(0);
        self.work(shape.iter().fold(k, |p, n| p.saturating_mul(*n)))?;
        let elem = self.kernel.values.get(a).map(|d| d.ty.elem);
        let rounded = self.options.mode == Mode::Rounded && elem.is_some_and(Dtype::is_float);
        let multiply = if elem == Some(Dtype::U32) { pairs } else { |x, y| x * y };
        let acc = acc.map(|v| self.tile(v)).transpose()?;
        let (a, b) = (self.tile(a)?, self.tile(b)?);
        let [m, n] = shape[..] else { return Ok(vec![]) };
        let mut out = Vec::with_capacity(m * n);
        for i in 0..m {
            for j in 0..n {
                let mut sum = acc.map_or(0.0, |c| c.at(&[i, j]));
                for k in 0..k {
                    sum += multiply(a.at(&[i, k]), b.at(&if transpose { [j, k] } else { [k, j] }));
                    if rounded {
                        sum = f64::from(sum as f32);
                    }
                }
                out.push(sum);
            }
        }
        Ok(out)
    }
}

/// The products of both halves of words, which are bf16.
fn pairs(x: f64, y: f64) -> f64 {
    let half = |x: f64, by: u32| half::bf16::from_bits((x as u32 >> by) as u16).to_f64();
    half(x, 0) * half(y, 0) + half(x, 16) * half(y, 16)
}

fn binary(op: Binary, x: f64, y: f64) -> f64 {
    match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div => x / y,
        Binary::Max if x > y => x,
        Binary::Min if x < y => x,
        Binary::Max | Binary::Min => y,
        Binary::And => (x as i64 & y as i64) as f64,
        Binary::Or => (x as i64 | y as i64) as f64,
        Binary::Pair => {
            let [low, high] = [x, y].map(|x| half::bf16::from_f64(x).to_bits());
            f64::from(u32::from(low) | u32::from(high) << 16)
        }
        Binary::Cmp(c) => f64::from(u8::from(c.holds(x, y))),
    }
}

/// Least and largest value of an integer type.
fn integers(elem: Dtype) -> Option<(f64, f64)> {
    let unsigned = |bits: u32| (0.0, f64::from(bits).exp2() - 1.0);
    let signed = |bits: u32| (-f64::from(bits - 1).exp2(), f64::from(bits - 1).exp2() - 1.0);
    match elem {
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => Some(signed(elem.bits())),
        Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::Code(_) | Dtype::Bool => {
            Some(unsigned(elem.bits()))
        }
        Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::E4M3 | Dtype::E5M2 => None,
    }
}

/// To the nearest number of a float type; integers stay.
fn round(x: f64, elem: Dtype) -> f64 {
    match elem {
        Dtype::F32 => f64::from(x as f32),
        Dtype::F16 | Dtype::BF16 | Dtype::E4M3 | Dtype::E5M2 => {
            Tensor::from_f64(elem, &[1], &[x]).get(0)
        }
        Dtype::I8
        | Dtype::U8
        | Dtype::I16
        | Dtype::U16
        | Dtype::I32
        | Dtype::U32
        | Dtype::I64
        | Dtype::Code(_)
        | Dtype::Bool => x,
    }
}

impl Tile {
    /// Under broadcasting; an index that is not there reads as NaN, which no right program does.
    fn at(&self, index: &[usize]) -> f64 {
        let flat = self.shape.iter().zip(index).try_fold(0usize, |a, (s, i)| {
            a.checked_mul(*s)?.checked_add(if *s == 1 { 0 } else { *i })
        });
        flat.and_then(|f| self.data.get(f)).copied().unwrap_or(f64::NAN)
    }

    fn rounded(self, elem: Dtype) -> Tile {
        let data = self.data.into_iter().map(|x| round(x, elem)).collect();
        Tile { data, ..self }
    }
}
