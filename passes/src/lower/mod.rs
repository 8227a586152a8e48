//! Tile to machine: every statement becomes instructions on vectors of the target's lanes.
//!
//! Values are pulled: whoever needs a vector of a tile asks [`Lower::vec`] for it, which reads a register, loads
//! from scratch, or computes an inline expression on the spot. Only kept values ([`place`](crate::tile::place))
//! are computed where they stand.

mod access;
mod affine;
mod along;
mod bits;
mod control;
mod convert;
pub(crate) mod dot;
mod eval;
mod exchange;
mod field;
mod known;
mod lookup;
mod matrix;
mod packed;
mod rows;
mod squares;
mod stage;
mod tiles;
mod trits;
pub(crate) mod turned;
mod unpack;
mod weigh;
mod words;

use crate::Choice;
use access::TileRef;
use affine::Affine;
use control::count_uses;
use kgen_ir::{
    arena::{Map, Mixer},
    diag::Unsupported,
    dtype::Dtype,
    extent::{BinOp, Extent},
    layout::banks::Chunks,
    machine::{self, AsyncOp, Class, Inst, IntOp, Mem, Op, Operand, Reg, RegData, Slot, Width},
    tile::{Compare, Expr, Kernel, LaneBits, Param, Program, Role, Stmt, Store, Value},
};
use known::Known;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::BuildHasherDefault,
    rc::Rc,
};

/// Room for what a kernel of some size computes.
const KNOWN: usize = 1 << 10;

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
        serials: vec![0],
        opened: 0,
        known: Map::with_capacity_and_hasher(KNOWN, Default::default()),
        entry: vec![],
        args: vec![],
        affine: Map::default(),
        depths: Map::default(),
        scalars: BTreeMap::new(),
        places: Map::default(),
        exprs: Map::default(),
        rows: choice.target.rows.iter().rev().map(|row| &row.op).collect(),
        scratch_tensors: BTreeMap::new(),
        staged: stage::staged(kernel),
        lane_rows: BTreeMap::new(),
        square_lanes: BTreeMap::new(),
        squares: BTreeMap::new(),
        staged_lanes: BTreeMap::new(),
        counters: 0,
        own_scratch: None,
        carried: vec![],
        homes: BTreeMap::new(),
        depth: 0,
        born: BTreeMap::new(),
        hints: vec![],
        weighed: Default::default(),
        later: vec![],
        notes: vec![],
        fragments: crate::tile::fragments::fragments(kernel, choice.target),
        tables: BTreeMap::new(),
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
    Regs(Rc<[Reg]>),
    /// Byte offset in scratch; rows are whole vectors.
    Scratch(usize),
    /// Computed at each use; loads have their address ready.
    Inline(Option<Rc<TileRef>>),
}

struct Lower<'a> {
    kernel: &'a Kernel,
    choice: &'a Choice,
    /// What the target has a row for.
    rows: HashSet<&'static Op, BuildHasherDefault<Mixer>>,
    lanes: usize,
    /// What the plan knows: symbols and scalar parameters.
    symbols: BTreeSet<String>,
    out: machine::Kernel,
    /// Statements under construction, innermost block last.
    blocks: Vec<Vec<machine::Stmt>>,
    /// Their numbers, and that of the last.
    serials: Vec<u32>,
    opened: u32,
    /// What was computed without memory, and in which block: of the many lanes' addresses most are the same.
    known: Map<Known, (u32, Reg)>,
    /// Argument reads, before everything else.
    entry: Vec<machine::Stmt>,
    /// Of each slot.
    args: Vec<Reg>,
    /// What an integer is, where that is a multiple of another, or another and so much more.
    affine: Map<Reg, Affine>,
    /// In how many blocks an integer changes.
    depths: Map<Reg, usize>,
    /// Vectors that the loops around carry.
    carried: Vec<Reg>,
    /// Loop variables and named scalars.
    scalars: BTreeMap<String, Operand>,
    places: Map<Value, Place>,
    exprs: Map<Value, Rc<Expr>>,
    scratch_tensors: BTreeMap<String, usize>,
    /// Tensors of scratch that tiles are copied to, and how chunks of their rows lie.
    staged: BTreeMap<String, Chunks>,
    /// Numbers of lanes' rows and chunks, by the chunks of a row.
    lane_rows: BTreeMap<usize, (Reg, Reg)>,
    /// Where lanes find rows of squares, by the bytes of a row, squares below each other, and what is flipped.
    square_lanes: BTreeMap<(i64, usize, usize), Reg>,
    /// Words of the product at hand: of squares, by their row and column, and those that lanes exchanged, by where they
    /// begin.
    squares: BTreeMap<(Value, usize, usize), Reg>,
    /// Where each lane's element of a staged tile is, by the bytes of a row.
    staged_lanes: BTreeMap<(i64, LaneBits), Reg>,
    counters: usize,
    /// Address of this worker's scratch, once something uses it.
    own_scratch: Option<Reg>,
    /// Where tiles must be written whose home a loop or a branch has chosen.
    homes: BTreeMap<Value, usize>,
    /// How deep in blocks of the kernel this is, and values were defined.
    depth: usize,
    born: BTreeMap<Value, usize>,
    /// Hints of this block whose tiles' loads are still to come: tensor, tile, level.
    hints: Vec<(String, TileRef, u8)>,
    /// Left operands of products that took the scales of right ones.
    weighed: BTreeMap<Value, weigh::Weighed>,
    /// Products that are computed beside the next one.
    later: Vec<Value>,
    /// What the engine of products chose, once a product.
    notes: Vec<String>,
    /// Tiles that lie as matrix instructions want them.
    fragments: BTreeMap<Value, LaneBits>,
    /// What expressions of a code are for each code.
    tables: BTreeMap<Value, Reg>,
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
        self.array(class, 1)
    }

    /// A register of several words a lane.
    fn array(&mut self, class: Class, words: u8) -> Reg {
        let letter = match class {
            Class::Int => 'i',
            Class::Float => 'f',
            Class::Word => 'w',
            Class::Mask => 'm',
        };
        let name = machine::Name::Number(letter, self.out.regs.len() as u32);
        self.out.regs.add(RegData { name, class, words })
    }

    fn push(&mut self, stmt: machine::Stmt) {
        self.blocks.last_mut().expect("a block is open").push(stmt);
    }

    fn inst(&mut self, class: Class, op: Op, uses: &[Operand], mem: Option<Mem>) -> Reg {
        let key = mem.is_none().then(|| Known::of(class, &op, uses)).flatten();
        if let Some(known) = key.and_then(|key| self.known(key)) {
            return known;
        }
        let def = self.array(class, op.def_words());
        if class == Class::Int {
            let depth = if matches!(op, Op::Int(_) | Op::Const) {
                uses.iter().map(|o| self.depth(*o)).max().unwrap_or(0)
            } else {
                self.blocks.len()
            };
            self.depths.insert(def, depth);
        }
        self.push(machine::Stmt::Inst(Inst { op, def: Some(def), uses: uses.into(), mem }));
        def
    }

    /// A block inside those that are open.
    fn open(&mut self) {
        self.blocks.push(vec![]);
        self.opened += 1;
        self.serials.push(self.opened);
    }

    fn close(&mut self) -> Vec<machine::Stmt> {
        self.serials.pop();
        self.blocks.pop().expect("opened before")
    }

    fn effect(&mut self, op: Op, uses: &[Operand], mem: Mem) {
        self.push(machine::Stmt::Inst(Inst { op, def: None, uses: uses.into(), mem: Some(mem) }));
    }

    /// Vector instruction on registers.
    fn v<const N: usize>(&mut self, class: Class, op: Op, uses: &[Reg; N]) -> Reg {
        self.inst(class, op, &uses.map(Operand::Reg), None)
    }

    /// What a value is computed by.
    fn expr(&self, v: Value) -> Option<&Expr> {
        self.exprs.get(&v).map(Rc::as_ref)
    }

    /// Does the target have an instruction for it?
    fn has(&self, op: &Op) -> bool {
        self.rows.contains(op)
    }

    /// Is each lane a thread, which loads where its own condition holds?
    fn threads(&self) -> bool {
        self.has(&Op::GatherPart(Width::W32))
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
        let known = self.out.slots.iter().position(|s| *s == slot);
        if let Some(r) = known.and_then(|at| self.args.get(at)) {
            return *r;
        }
        let number = self.out.slots.len();
        self.out.slots.push(slot);
        let def = self.reg(Class::Int);
        let uses = [Operand::Imm(number as i64)].into();
        self.entry.push(machine::Stmt::Inst(Inst { op: Op::Arg, def: Some(def), uses, mem: None }));
        self.args.push(def);
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
        self.entry.push(inst(Op::Worker, worker, [].into()));
        self.entry.push(inst(Op::Int(IntOp::Mul), offset, [Operand::Reg(worker), size].into()));
        let uses = [Operand::Reg(first), Operand::Reg(offset)].into();
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
        self.open();
        let around = self.carried.len();
        let vectors = params.iter().zip(&classes).filter(|(_, c)| **c != Class::Int);
        self.carried.extend(vectors.map(|(r, _)| *r));
        let (value, yields) = body(self, var, &params)?;
        self.carried.truncate(around);
        let block = self.close();
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
        self.open();
        let x = then(self)?;
        let then = self.close();
        self.open();
        let y = otherwise(self)?;
        let otherwise = self.close();
        let results: Vec<_> = x.iter().map(|r| self.out.regs[*r].class).collect();
        let results: Vec<_> = results.into_iter().map(|c| self.reg(c)).collect();
        let yields = results.iter().zip(x.iter().zip(&y)).map(|(r, (x, y))| (*r, *x, *y)).collect();
        self.push(machine::Stmt::If(Box::new(machine::If { cmp, a, b, then, otherwise, yields })));
        Ok(results)
    }

    // Statements.

    fn block(&mut self, body: &[Stmt]) -> Result<()> {
        self.depth += 1;
        let outer = std::mem::take(&mut self.hints);
        for (place, stmt) in body.iter().enumerate() {
            self.stmt_of(body, place, stmt)?;
        }
        self.depth -= 1;
        self.late_hints()?;
        self.hints = outer;
        Ok(())
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
            Stmt::Let { value, expr } => {
                self.born.insert(*value, self.depth);
                let home = self.homes.get(value).copied();
                self.let_value(*value, expr, home)
            }
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
            Stmt::Any { name, value } => {
                let x = self.any(*value)?;
                self.scalars.insert(name.clone(), x);
                Ok(())
            }
            Stmt::Store { tensor, at, value, guard } => {
                let r = self.tile_ref(tensor, at, *guard)?;
                self.store_tile(&r, *value)
            }
            Stmt::For(f) => self.for_tile(f),
            Stmt::Tasks { var, count, share, next, body } => {
                self.tasks(var, count, share, next.as_deref(), body)
            }
            Stmt::If(i) => self.branch(i),
            Stmt::Stage(s) => self.stage(s),
            Stmt::Commit => {
                self.order_copies(AsyncOp::Commit, &[]);
                Ok(())
            }
            Stmt::Wait(left) => {
                self.order_copies(AsyncOp::Wait, &[Operand::Imm(*left as i64)]);
                Ok(())
            }
            Stmt::Prefetch { tensor, at, level } => {
                if !self.has(&Op::Prefetch(*level)) {
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
}

/// Roles whose tensors have their strides in the argument array.
fn free_strides(role: Role) -> bool {
    matches!(role, Role::In | Role::Out)
}
