//! Tile to machine: every statement becomes instructions on vectors of the target's lanes.
//!
//! Values are pulled: whoever needs a vector of a tile asks [`Lower::vec`] for it, which reads a register, loads
//! from scratch, or computes an inline expression on the spot. Only kept values ([`place`](crate::tile::place))
//! are computed where they stand.

mod access;
mod affine;
pub(crate) mod dot;
mod eval;
mod field;
mod packed;
mod rows;
mod trits;
mod unpack;

use crate::Choice;
use access::TileRef;
use affine::Affine;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::{BinOp, Extent},
    machine::{self, Class, Inst, IntOp, Mem, Op, Operand, Reg, RegData, Slot, Width},
    tile::{Compare, Expr, For, Kernel, Param, Program, Role, Share, Space, Stmt, Store, Value},
};
use std::collections::{BTreeMap, BTreeSet};

type Result<T> = std::result::Result<T, Unsupported>;

/// One kernel of a program for the lanes of the target, and how its products are computed.
pub fn lower(
    program: &Program,
    kernel: &Kernel,
    choice: &Choice,
) -> Result<(machine::Kernel, Vec<String>)> {
    let lanes = choice.target.lanes;
    let mut symbols: BTreeSet<String> = program.symbols.iter().map(|s| s.name.clone()).collect();
    symbols.extend(kernel.params.iter().filter_map(|p| match p {
        Param::Scalar(name) => Some(name.clone()),
        Param::Tensor(_) => None,
    }));
    let mut l = Lower {
        kernel,
        choice,
        lanes,
        symbols,
        out: machine::Kernel {
            name: kernel.name.clone(),
            lanes,
            slots: vec![],
            scratch: 0,
            regs: Default::default(),
            body: vec![],
        },
        blocks: vec![vec![]],
        entry: vec![],
        args: BTreeMap::new(),
        affine: BTreeMap::new(),
        depths: BTreeMap::new(),
        scalars: BTreeMap::new(),
        places: BTreeMap::new(),
        exprs: BTreeMap::new(),
        scratch_tensors: BTreeMap::new(),
        counters: 0,
        own_scratch: None,
        hints: vec![],
        notes: vec![],
    };
    let temp = l.scratch_bytes(lanes * 4 * 2);
    debug_assert_eq!(temp, 0, "the first bytes of scratch are for partial vectors");
    for t in &kernel.scratch {
        let shape: Vec<usize> =
            t.shape.iter().filter_map(|e| e.as_lit()?.try_into().ok()).collect();
        let bytes = match (&t.store, &shape[..]) {
            (Store::Packed { of, .. }, [n, k]) => {
                of.bytes(*n, *k).map_err(|e| l.no(e.to_string()))?
            }
            // Whole vectors may be read and written behind the last element.
            _ => shape.iter().product::<usize>() * t.elem.bytes().unwrap_or(1) + lanes * 4,
        };
        let at = l.scratch_bytes(bytes);
        l.scratch_tensors.insert(t.name.clone(), at);
    }
    l.block(&kernel.body)?;
    l.out.scratch = l.out.scratch.next_multiple_of(64);
    l.locate_scratch();
    let mut body = std::mem::take(&mut l.entry);
    body.append(&mut l.blocks[0]);
    l.out.body = body;
    Ok((l.out, l.notes))
}

/// Where a kept value is, or how to compute it.
#[derive(Clone, Debug)]
enum Place {
    /// One register a vector, row by row; a splat has one a row.
    Regs(Vec<Reg>),
    /// Byte offset in scratch; rows are whole vectors.
    Scratch(usize),
    /// Computed at each use; loads have their address ready.
    Inline(Option<TileRef>),
}

struct Lower<'a> {
    kernel: &'a Kernel,
    choice: &'a Choice,
    lanes: usize,
    /// What the plan knows: symbols and scalar parameters.
    symbols: BTreeSet<String>,
    out: machine::Kernel,
    /// Statements under construction, innermost block last.
    blocks: Vec<Vec<machine::Stmt>>,
    /// Argument reads, before everything else.
    entry: Vec<machine::Stmt>,
    args: BTreeMap<String, Reg>,
    /// What an integer is, where that is a multiple of another, or another and so much more.
    affine: BTreeMap<Reg, Affine>,
    /// In how many blocks an integer changes.
    depths: BTreeMap<Reg, usize>,
    /// Loop variables and named scalars.
    scalars: BTreeMap<String, Operand>,
    places: BTreeMap<Value, Place>,
    exprs: BTreeMap<Value, Expr>,
    scratch_tensors: BTreeMap<String, usize>,
    counters: usize,
    /// Address of this worker's scratch, once something uses it.
    own_scratch: Option<Reg>,
    /// Hints of this block whose tiles' loads are still to come: tensor, tile, level.
    hints: Vec<(String, TileRef, u8)>,
    /// What the engine of products chose, once a product.
    notes: Vec<String>,
}

/// An index that may depend on a loop of this lowering: `reg + add`, in elements.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Coord {
    reg: Option<Reg>,
    add: usize,
    /// Elements from `reg` on that a turn of the loop covers.
    span: usize,
}

impl From<usize> for Coord {
    fn from(add: usize) -> Coord {
        Coord { reg: None, add, span: 0 }
    }
}

impl Coord {
    fn plus(self, add: usize) -> Coord {
        Coord { add: self.add + add, ..self }
    }
}

impl Lower<'_> {
    // Building.

    fn reg(&mut self, class: Class) -> Reg {
        let letter = match class {
            Class::Int => 'i',
            Class::Float => 'f',
            Class::Word => 'w',
            Class::Mask => 'm',
        };
        let name = format!("{letter}{}", self.out.regs.len());
        self.out.regs.add(RegData { name, class })
    }

    fn push(&mut self, stmt: machine::Stmt) {
        self.blocks.last_mut().expect("a block is open").push(stmt);
    }

    fn inst(&mut self, class: Class, op: Op, uses: &[Operand], mem: Option<Mem>) -> Reg {
        let def = self.reg(class);
        if class == Class::Int {
            let depth = if matches!(op, Op::Int(_) | Op::Const) {
                uses.iter().map(|o| self.depth(*o)).max().unwrap_or(0)
            } else {
                self.blocks.len()
            };
            self.depths.insert(def, depth);
        }
        self.push(machine::Stmt::Inst(Inst { op, def: Some(def), uses: uses.to_vec(), mem }));
        def
    }

    fn effect(&mut self, op: Op, uses: &[Operand], mem: Mem) {
        self.push(machine::Stmt::Inst(Inst { op, def: None, uses: uses.to_vec(), mem: Some(mem) }));
    }

    /// Vector instruction on registers.
    fn v(&mut self, class: Class, op: Op, uses: &[Reg]) -> Reg {
        let uses: Vec<_> = uses.iter().map(|r| Operand::Reg(*r)).collect();
        self.inst(class, op, &uses, None)
    }

    fn float_const(&mut self, x: f32) -> Reg {
        self.inst(Class::Float, Op::FloatConst, &[Operand::Imm(i64::from(x.to_bits()))], None)
    }

    fn word_const(&mut self, x: i32) -> Reg {
        self.inst(Class::Word, Op::WordConst, &[Operand::Imm(i64::from(x as u32))], None)
    }

    /// `a op b`, folded where it is known.
    fn int(&mut self, op: IntOp, a: Operand, b: Operand) -> Operand {
        use IntOp::{Add, Div, Max, Min, Mul, Rem, Sub};
        let ext = match op {
            Add => BinOp::Add,
            Sub => BinOp::Sub,
            Mul => BinOp::Mul,
            Div => BinOp::Div,
            Rem => BinOp::Rem,
            Min => BinOp::Min,
            Max => BinOp::Max,
        };
        match (op, a, b) {
            (_, Operand::Imm(x), Operand::Imm(y)) if ext.apply(x, y).is_some() => {
                Operand::Imm(ext.apply(x, y).expect("just checked"))
            }
            (Add, Operand::Imm(0), x) | (Add | Sub, x, Operand::Imm(0)) => x,
            (Mul, Operand::Imm(1), x) | (Mul | Div, x, Operand::Imm(1)) => x,
            (Mul, Operand::Imm(0), _) | (Mul, _, Operand::Imm(0)) | (Rem, _, Operand::Imm(1)) => {
                Operand::Imm(0)
            }
            _ => self
                .affine_int(op, a, b)
                .unwrap_or_else(|| Operand::Reg(self.inst(Class::Int, Op::Int(op), &[a, b], None))),
        }
    }

    fn as_reg(&mut self, x: Operand) -> Reg {
        match x {
            Operand::Reg(r) => r,
            Operand::Imm(i) => self.inst(Class::Int, Op::Const, &[Operand::Imm(i)], None),
        }
    }

    /// The argument array's entry for `slot`, read once at the entry.
    fn arg(&mut self, slot: Slot) -> Reg {
        let key = format!("{slot:?}");
        if let Some(r) = self.args.get(&key) {
            return *r;
        }
        let number = self.out.slots.len();
        self.out.slots.push(slot);
        let def = self.reg(Class::Int);
        let uses = vec![Operand::Imm(number as i64)];
        self.entry.push(machine::Stmt::Inst(Inst { op: Op::Arg, def: Some(def), uses, mem: None }));
        self.args.insert(key, def);
        def
    }

    /// Address of this worker's scratch.
    fn scratch_base(&mut self) -> Reg {
        if let Some(r) = self.own_scratch {
            return r;
        }
        let r = self.reg(Class::Int);
        self.own_scratch = Some(r);
        r
    }

    /// Defines [`Lower::scratch_base`], now that the size of a worker's scratch is known.
    fn locate_scratch(&mut self) {
        let Some(own) = self.own_scratch else { return };
        let first = self.arg(Slot::Scratch);
        let worker = self.reg(Class::Int);
        let offset = self.reg(Class::Int);
        let size = Operand::Imm(self.out.scratch as i64);
        let inst =
            |op, def, uses| machine::Stmt::Inst(Inst { op, def: Some(def), uses, mem: None });
        self.entry.push(inst(Op::Worker, worker, vec![]));
        self.entry.push(inst(Op::Int(IntOp::Mul), offset, vec![Operand::Reg(worker), size]));
        let uses = vec![Operand::Reg(first), Operand::Reg(offset)];
        self.entry.push(inst(Op::Int(IntOp::Add), own, uses));
    }

    fn scratch_bytes(&mut self, bytes: usize) -> usize {
        let at = self.out.scratch.next_multiple_of(64);
        self.out.scratch = at + bytes;
        at
    }

    fn extent(&mut self, e: &Extent) -> Result<Operand> {
        if let Some(x) = e.as_lit() {
            return Ok(Operand::Imm(x));
        }
        let mut names = Vec::new();
        e.symbols(&mut names);
        if names.iter().all(|n| self.symbols.contains(*n) && !self.scalars.contains_key(*n)) {
            return Ok(Operand::Reg(self.arg(Slot::Extent(e.clone()))));
        }
        match e {
            Extent::Lit(x) => Ok(Operand::Imm(*x)),
            Extent::Sym(s) => {
                self.scalars.get(s).copied().ok_or_else(|| self.no(format!("the name `{s}`")))
            }
            Extent::Cores | Extent::Ragged(..) => {
                Ok(Operand::Reg(self.arg(Slot::Extent(e.clone()))))
            }
            Extent::Bin(op, a, b) => {
                let (a, b) = (self.extent(a)?, self.extent(b)?);
                Ok(match op {
                    BinOp::Add => self.int(IntOp::Add, a, b),
                    BinOp::Sub => self.int(IntOp::Sub, a, b),
                    BinOp::Mul => self.int(IntOp::Mul, a, b),
                    BinOp::Div => self.int(IntOp::Div, a, b),
                    BinOp::Rem => self.int(IntOp::Rem, a, b),
                    BinOp::Min => self.int(IntOp::Min, a, b),
                    BinOp::Max => self.int(IntOp::Max, a, b),
                    BinOp::CeilDiv => {
                        let less = self.int(IntOp::Sub, b, Operand::Imm(1));
                        let sum = self.int(IntOp::Add, a, less);
                        self.int(IntOp::Div, sum, b)
                    }
                })
            }
        }
    }

    fn no(&self, what: String) -> Unsupported {
        self.choice
            .unsupported(format!("{what} in kernel `{}`", self.kernel.name), "another schedule")
    }

    /// Emits a loop `var in lo..hi step step` around what `body` emits.
    fn for_loop<T>(
        &mut self,
        lo: Operand,
        hi: Operand,
        step: i64,
        inits: &[Reg],
        body: impl FnOnce(&mut Self, Reg, &[Reg]) -> Result<(T, Vec<Reg>)>,
    ) -> Result<(T, Vec<Reg>)> {
        let var = self.reg(Class::Int);
        self.depths.insert(var, self.blocks.len() + 1);
        let classes: Vec<_> = inits.iter().map(|r| self.out.regs[*r].class).collect();
        let params: Vec<_> = classes.iter().map(|c| self.reg(*c)).collect();
        self.blocks.push(vec![]);
        let (value, yields) = body(self, var, &params)?;
        let block = self.blocks.pop().expect("pushed above");
        let results: Vec<_> = classes.iter().map(|c| self.reg(*c)).collect();
        let carried = (0..inits.len())
            .map(|i| machine::Carried {
                result: results[i],
                param: params[i],
                init: inits[i],
                yielded: yields[i],
            })
            .collect();
        self.push(machine::Stmt::Loop(Box::new(machine::Loop {
            var,
            lo,
            hi,
            step: Operand::Imm(step),
            carried,
            body: block,
        })));
        Ok((value, results))
    }

    /// Emits `if a cmp b`; both branches give registers of the same classes.
    fn if_else(
        &mut self,
        (cmp, a, b): (Compare, Operand, Operand),
        then: impl FnOnce(&mut Self) -> Result<Vec<Reg>>,
        otherwise: impl FnOnce(&mut Self) -> Result<Vec<Reg>>,
    ) -> Result<Vec<Reg>> {
        self.blocks.push(vec![]);
        let x = then(self)?;
        let then = self.blocks.pop().expect("pushed above");
        self.blocks.push(vec![]);
        let y = otherwise(self)?;
        let otherwise = self.blocks.pop().expect("pushed above");
        let results: Vec<_> = x.iter().map(|r| self.out.regs[*r].class).collect();
        let results: Vec<_> = results.into_iter().map(|c| self.reg(c)).collect();
        let yields = results.iter().zip(x.iter().zip(&y)).map(|(r, (x, y))| (*r, *x, *y)).collect();
        self.push(machine::Stmt::If(Box::new(machine::If { cmp, a, b, then, otherwise, yields })));
        Ok(results)
    }

    // Statements.

    fn block(&mut self, body: &[Stmt]) -> Result<()> {
        for (place, stmt) in body.iter().enumerate() {
            self.stmt_of(body, place, stmt)?;
        }
        self.late_hints()
    }

    /// The hint for a tile of the same form: a product that reads `r` gives it row by row.
    fn take_hint(&mut self, tensor: &str, r: &TileRef) -> Option<(TileRef, u8)> {
        let lens = |r: &TileRef| r.dims.iter().map(|d| d.len).collect::<Vec<_>>();
        let found = self.hints.iter().position(|(t, h, _)| t == tensor && lens(h) == lens(r))?;
        let (_, later, level) = self.hints.remove(found);
        Some((later, level))
    }

    /// Hints whose tiles this block does not load.
    fn late_hints(&mut self) -> Result<()> {
        for (_, r, level) in std::mem::take(&mut self.hints) {
            self.prefetch_tile(&r, level)?;
        }
        Ok(())
    }

    /// The statement at `place` of `body`; a product and the store behind it may be one.
    fn stmt_of(&mut self, body: &[Stmt], place: usize, stmt: &Stmt) -> Result<()> {
        let before = place.checked_sub(1).and_then(|p| body.get(p));
        if before.is_some_and(|before| self.written_at_once(before, stmt))
            || self.product_to_memory(stmt, body.get(place + 1))?
        {
            return Ok(());
        }
        self.stmt(stmt)
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<()> {
        match stmt {
            Stmt::Let { value, expr } => self.let_value(*value, expr, None),
            Stmt::Scalar { name, value } => {
                let x = self.extent(value)?;
                self.scalars.insert(name.clone(), x);
                Ok(())
            }
            Stmt::Read { name, tensor, at } => {
                let slices: Vec<_> =
                    at.iter().map(|e| kgen_ir::tile::Slice::point(e.clone())).collect();
                let r = self.tile_ref(tensor, &slices, false)?;
                let width = if r.elem == Dtype::I64 {
                    Width::W64
                } else if matches!(r.elem, Dtype::I32 | Dtype::U32) {
                    Width::W32
                } else {
                    return Err(self.no(format!("reading a scalar of type {}", r.elem)));
                };
                let mem = Some(Mem { base: r.base, offset: r.offset });
                let mut x = Operand::Reg(self.inst(Class::Int, Op::Read(width), &[], mem));
                if r.elem == Dtype::U32 {
                    // Words come with their sign.
                    x = self.int(IntOp::Rem, x, Operand::Imm(1 << 32));
                }
                self.scalars.insert(name.clone(), x);
                Ok(())
            }
            Stmt::Store { tensor, at, value, guard } => {
                let r = self.tile_ref(tensor, at, *guard)?;
                self.store_tile(&r, *value)
            }
            Stmt::For(f) => self.for_tile(f),
            Stmt::Tasks { var, count, share, body } => self.tasks(var, count, share, body),
            Stmt::If(i) => {
                let (a, b) = (self.extent(&i.cond.left)?, self.extent(&i.cond.right)?);
                let kept: Vec<_> = i.yields.iter().map(|y| y.0).collect();
                if kept.iter().any(|v| self.kernel.values[*v].ty.space == Some(Space::Scratch)) {
                    return Err(self.no("a branch that gives a large tile".into()));
                }
                let results = self.if_else(
                    (i.cond.cmp, a, b),
                    |l| {
                        l.block(&i.then)?;
                        l.all_vectors(i.yields.iter().map(|y| y.1))
                    },
                    |l| {
                        l.block(&i.otherwise)?;
                        l.all_vectors(i.yields.iter().map(|y| y.2))
                    },
                )?;
                self.share_out(&kept, results);
                Ok(())
            }
            Stmt::Prefetch { tensor, at, level } => {
                if self.choice.target.row(&Op::Prefetch(*level)).is_none() {
                    return Ok(());
                }
                let r = self.tile_ref(tensor, at, false)?;
                if r.packed.is_some() {
                    return self.prefetch_tile(&r, *level);
                }
                self.hints.push((tensor.clone(), r, *level));
                Ok(())
            }
        }
    }

    /// All vectors of some values, one after the other.
    fn all_vectors(&mut self, values: impl Iterator<Item = Value>) -> Result<Vec<Reg>> {
        let mut out = Vec::new();
        for v in values {
            for at in self.vectors_of(v) {
                out.push(self.kept_vec(v, at)?);
            }
        }
        Ok(out)
    }

    /// Hands registers back to the values whose vectors they are.
    fn share_out(&mut self, values: &[Value], regs: Vec<Reg>) {
        let mut regs = regs.into_iter();
        for v in values {
            let count = self.vectors_of(*v).len();
            self.places.insert(*v, Place::Regs(regs.by_ref().take(count).collect()));
        }
    }

    fn for_tile(&mut self, f: &For) -> Result<()> {
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
        }
        let inits = self.all_vectors(small.iter().map(|c| c.init))?;
        let saved = self.scalars.clone();
        let params: Vec<_> = small.iter().map(|c| c.param).collect();
        let ((), results) = self.for_loop(lo, hi, f.step, &inits, |l, var, regs| {
            l.scalars.insert(f.var.clone(), Operand::Reg(var));
            l.share_out(&params, regs.to_vec());
            l.loop_body(f, &large)?;
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

    /// The body, with the next turn's large tiles written over this turn's where nothing reads those any more.
    fn loop_body(&mut self, f: &For, large: &[&kgen_ir::tile::Carried]) -> Result<()> {
        let mut over: BTreeMap<Value, usize> = BTreeMap::new();
        for c in large {
            if in_place(f, c.param, c.yielded)
                && let Some(Place::Scratch(home)) = self.places.get(&c.param)
            {
                over.insert(c.yielded, *home);
            }
        }
        for (place, stmt) in f.body.iter().enumerate() {
            if let Stmt::Let { value, expr } = stmt
                && let Some(home) = over.get(value)
            {
                self.let_value(*value, expr, Some(*home))?;
            } else {
                self.stmt_of(&f.body, place, stmt)?;
            }
        }
        self.late_hints()?;
        for c in large {
            if !over.contains_key(&c.yielded)
                && let Some(Place::Scratch(home)) = self.places.get(&c.param).cloned()
            {
                self.copy_to_scratch(c.yielded, home)?;
            }
        }
        Ok(())
    }

    /// Every worker takes `chunk` tasks at a time until none is left.
    fn tasks(&mut self, var: &str, count: &Extent, share: &Share, body: &[Stmt]) -> Result<()> {
        let count = self.extent(count)?;
        let saved = self.scalars.clone();
        let one = |l: &mut Self, lo: Operand, hi: Operand| -> Result<()> {
            l.for_loop(lo, hi, 1, &[], |l, t, _| {
                l.scalars.insert(var.into(), Operand::Reg(t));
                l.block(body)?;
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
                one(self, lo, hi)?;
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
                self.for_loop(Operand::Imm(0), turns, 1, &[first], |l, _, cur| {
                    let cur = cur[0];
                    let next = l.if_else(
                        (Compare::Lt, Operand::Reg(cur), count),
                        |l| {
                            let end = l.int(IntOp::Add, Operand::Reg(cur), step);
                            let hi = l.int(IntOp::Min, end, count);
                            one(l, Operand::Reg(cur), hi)?;
                            Ok(vec![l.inst(Class::Int, Op::Next, &[step], mem)])
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

fn count_uses(body: &[Stmt], v: Value, uses: &mut usize) {
    for stmt in body {
        match stmt {
            Stmt::Let { expr, .. } => {
                *uses += crate::tile::operands(expr).iter().filter(|o| **o == v).count();
            }
            Stmt::Store { value, .. } => *uses += usize::from(*value == v),
            Stmt::For(f) => {
                for c in &f.carried {
                    *uses += usize::from(c.init == v) + usize::from(c.yielded == v);
                }
                count_uses(&f.body, v, uses);
            }
            Stmt::Tasks { body, .. } => count_uses(body, v, uses),
            Stmt::If(i) => {
                for (_, a, b) in &i.yields {
                    *uses += usize::from(*a == v) + usize::from(*b == v);
                }
                count_uses(&i.then, v, uses);
                count_uses(&i.otherwise, v, uses);
            }
            Stmt::Scalar { .. } | Stmt::Read { .. } | Stmt::Prefetch { .. } => {}
        }
    }
}

/// May `yielded` be written over `param`? Only if `param` is read element by element, on the way to `yielded`
/// alone: as the accumulator of its product or through elementwise expressions of the same shape.
fn in_place(f: &For, param: Value, yielded: Value) -> bool {
    let lets: BTreeMap<Value, &Expr> = f
        .body
        .iter()
        .filter_map(|s| if let Stmt::Let { value, expr } = s { Some((*value, expr)) } else { None })
        .collect();
    let mut at = yielded;
    loop {
        let mut uses = 0;
        count_uses(&f.body, at, &mut uses);
        // `yielded` itself must have no reader in the body.
        if at == yielded && uses > 0 {
            return false;
        }
        let next = match lets.get(&at) {
            Some(Expr::Dot { acc: Some(acc), .. }) => *acc,
            Some(Expr::Binary(_, a, _)) => *a,
            _ => return false,
        };
        let mut uses = 0;
        count_uses(&f.body, next, &mut uses);
        if uses != 1 {
            return false;
        }
        if next == param {
            return true;
        }
        at = next;
    }
}

/// Roles whose tensors have their strides in the argument array.
fn free_strides(role: Role) -> bool {
    matches!(role, Role::In | Role::Out)
}
