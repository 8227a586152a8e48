//! Vectors of tile values on demand, and values kept where they stand.

use super::{
    Coord, Lower, Place, Result,
    access::{TileDim, TileRef},
};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, Cvt, FloatOp, FloatUnary, MaskOp, Op, Operand, Reg, WordOp},
    tile::{Binary, Compare, Expr, LaneBits, LaneDim, Reduce, Space, Unary, Value},
};
use std::{borrow::Cow, rc::Rc};

/// The same lanes, or every lane alike.
fn along(bits: LaneBits) -> LaneDim {
    if bits.is_splat() { LaneDim::Splat } else { LaneDim::Bits(bits) }
}

/// Where an operand of that shape is read under broadcasting, and how its lanes run.
pub(super) fn broadcast<'a>(
    shape: &[usize],
    at: &'a [Coord],
    lanes: LaneDim,
) -> (Cow<'a, [Coord]>, LaneDim) {
    let at = if shape.len() == at.len() && !shape.contains(&1) {
        Cow::Borrowed(at)
    } else {
        let all = shape.iter().zip(at);
        all.map(|(&s, &c)| if s == 1 { Coord::from(0) } else { c }).collect()
    };
    let lanes = match lanes {
        LaneDim::Dim(d) if shape.get(d) == Some(&1) => LaneDim::Splat,
        LaneDim::Dim(_) | LaneDim::Splat => lanes,
        LaneDim::Bits(bits) => along(bits.within(shape)),
    };
    (at, lanes)
}

impl Lower<'_> {
    pub(super) fn shape(&self, v: Value) -> &[usize] {
        &self.kernel.values[v].ty.shape
    }

    pub(super) fn elem(&self, v: Value) -> Dtype {
        self.kernel.values[v].ty.elem
    }

    /// Start of every vector of a kept value, row by row.
    pub(super) fn vectors_of(&self, v: Value) -> Vec<Vec<usize>> {
        let shape = self.shape(v);
        if let Some(bits) = self.fragments.get(&v) {
            return bits.starts(shape);
        }
        let Some((&last, outer)) = shape.split_last() else { return vec![vec![]] };
        let rows: usize = outer.iter().product();
        let mut out = Vec::new();
        for row in 0..rows {
            let mut at = vec![0; outer.len()];
            let mut rest = row;
            for d in (0..outer.len()).rev() {
                at[d] = rest % outer[d];
                rest /= outer[d];
            }
            for c in (0..last).step_by(self.lanes) {
                let mut whole = at.clone();
                whole.push(c);
                out.push(whole);
            }
        }
        out
    }

    /// A vector along the value's own lanes.
    pub(super) fn kept_vec(&mut self, v: Value, at: Vec<usize>) -> Result<Reg> {
        let lanes = self.own_lanes(v);
        let at: Vec<_> = at.into_iter().map(Coord::from).collect();
        self.vec(v, &at, lanes)
    }

    pub(super) fn own_lanes(&self, v: Value) -> LaneDim {
        if let Some(bits) = self.fragments.get(&v) {
            return LaneDim::Bits(*bits);
        }
        match self.shape(v).split_last() {
            None | Some((1, _)) => LaneDim::Splat,
            Some((_, outer)) => LaneDim::Dim(outer.len()),
        }
    }

    fn row_vectors(&self, v: Value) -> usize {
        self.shape(v).last().map_or(1, |l| l.div_ceil(self.lanes))
    }

    pub(super) fn scratch_ref(&mut self, v: Value, at: usize) -> TileRef {
        let shape = self.shape(v).to_vec();
        let elem = self.elem(v);
        let padded = self.row_vectors(v) * self.lanes;
        let mut step = 4;
        let mut dims = Vec::new();
        for (d, &len) in shape.iter().enumerate().rev() {
            // Rows are whole vectors, so whole vectors may be read.
            let last = d + 1 == shape.len();
            dims.push(TileDim {
                len: if last { padded } else { len },
                step: Operand::Imm(step as i64),
                guard: None,
            });
            step *= if last { padded } else { len };
        }
        dims.reverse();
        self.scratch_at(at, elem, dims)
    }

    /// A tile in scratch, `at` bytes from its begin.
    pub(super) fn scratch_at(&mut self, at: usize, elem: Dtype, dims: Vec<TileDim>) -> TileRef {
        TileRef {
            base: self.scratch_base(),
            offset: at as i32,
            elem,
            dims,
            packed: None,
            inside: 0,
            field: None,
            align: 4,
            ahead: None,
            chunks: None,
        }
    }

    pub(super) fn scratch_tile(&mut self, v: Value) -> usize {
        let rows: usize = self.shape(v).split_last().map_or(1, |(_, r)| r.iter().product());
        self.scratch_bytes(rows * self.row_vectors(v) * self.lanes * 4)
    }

    /// Keeps or remembers a value; `home` is where a large one must be written.
    pub(super) fn let_value(&mut self, v: Value, expr: &Expr, home: Option<usize>) -> Result<()> {
        self.exprs.insert(v, Rc::new(expr.clone()));
        let load = match expr {
            Expr::Load { tensor, at, guard } => {
                let mut r = self.tile_ref(tensor, at, *guard)?;
                if r.chunks.is_some_and(|chunks| !self.begins_right(chunks, at)) {
                    return Err(self.no("a part of a staged tile that begins anywhere".into()));
                }
                r.ahead = self.take_hint(tensor, &r).map(Box::new);
                let one = TileDim { len: 1, step: Operand::Imm(0), guard: None };
                let more = self.shape(v).len().saturating_sub(r.dims.len());
                r.dims.splice(0..0, vec![one; more]);
                Some(Rc::new(r))
            }
            Expr::Fill(_)
            | Expr::Iota { .. }
            | Expr::Dot { .. }
            | Expr::Lookup { .. }
            | Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Select(..)
            | Expr::Reduce(..)
            | Expr::Bits(_)
            | Expr::Permute(..)
            | Expr::Convert(_)
            | Expr::Transpose(_) => None,
        };
        if let Some(home) = home {
            // The next turn's tile, whatever its place would be: the loop reads it from its home.
            self.fill_scratch(v, expr, load, home)?;
            self.places.insert(v, Place::Scratch(home));
            return Ok(());
        }
        match self.kernel.values[v].ty.space {
            None => Err(self.no(format!("the unplaced value `{}`", self.kernel.values[v].name))),
            Some(Space::Inline) => {
                if matches!(expr, Expr::Dot { .. }) {
                    self.later.push(v);
                }
                self.places.insert(v, Place::Inline(load));
                Ok(())
            }
            Some(Space::Register) => {
                let regs = self.registers(v, expr, load)?;
                self.places.insert(v, Place::Regs(regs.into()));
                Ok(())
            }
            Some(Space::Scratch) => {
                if let Some(place) = self.shared(v, expr)? {
                    self.places.insert(v, place);
                    return Ok(());
                }
                let at = self.scratch_tile(v);
                self.fill_scratch(v, expr, load, at)?;
                self.places.insert(v, Place::Scratch(at));
                Ok(())
            }
        }
    }

    fn registers(&mut self, v: Value, expr: &Expr, load: Option<Rc<TileRef>>) -> Result<Vec<Reg>> {
        if let Expr::Dot { a, b, transpose, acc } = expr {
            return self.dot_registers(v, *a, *b, *transpose, *acc);
        }
        if let Expr::Lookup { tables, codes, acc } = expr {
            return self.lookups(v, *tables, *codes, *acc);
        }
        self.places.insert(v, Place::Inline(load));
        let lanes = self.own_lanes(v);
        let mut regs = Vec::new();
        for at in self.vectors_of(v) {
            let at: Vec<_> = at.into_iter().map(Coord::from).collect();
            regs.push(self.vec(v, &at, lanes)?);
        }
        Ok(regs)
    }

    fn fill_scratch(
        &mut self,
        v: Value,
        expr: &Expr,
        load: Option<Rc<TileRef>>,
        at: usize,
    ) -> Result<()> {
        if let Expr::Dot { a, b, transpose, acc } = expr {
            let home = self.scratch_ref(v, at);
            return self.dot_scratch(v, *a, *b, *transpose, *acc, &home);
        }
        if let Expr::Lookup { .. } = expr {
            return Err(self.no("more sums of a lookup than there are registers".into()));
        }
        self.places.insert(v, Place::Inline(load));
        self.copy_to_scratch(v, at)
    }

    /// Writes all vectors of a value to scratch; long rows in a loop.
    pub(super) fn copy_to_scratch(&mut self, v: Value, at: usize) -> Result<()> {
        let target = self.scratch_ref(v, at);
        if let Some(from) = self.transposed(v) {
            return self.store_transposed(&target, v, from);
        }
        let lanes = self.own_lanes(v);
        if self.rows_in_a_loop(v) {
            return self.each_row(v, |l, at| {
                let x = l.vec(v, at, lanes)?;
                l.store_vec(&target, at, x, LaneDim::Dim(1))
            });
        }
        let shape = self.shape(v).to_vec();
        let whole = shape.last().map_or(0, |l| l / self.lanes);
        let rows: usize = shape.split_last().map_or(1, |(_, r)| r.iter().product());
        let looped = matches!(lanes, LaneDim::Dim(_))
            && whole >= 8
            && rows * whole > 16
            && self.last_by_index(v);
        if looped {
            let step = self.lanes;
            self.for_loop(
                Operand::Imm(0),
                Operand::Imm((whole * step) as i64),
                step as i64,
                &[],
                |l, c, _| {
                    for start in l.vectors_of(v).into_iter().filter(|s| s.last() == Some(&0)) {
                        let mut coord: Vec<_> = start.into_iter().map(Coord::from).collect();
                        if let Some(last) = coord.last_mut() {
                            (last.reg, last.span) = (Some(c), step);
                        }
                        let x = l.vec(v, &coord, lanes)?;
                        l.store_vec(&target, &coord, x, LaneDim::Dim(coord.len() - 1))?;
                    }
                    Ok(((), vec![]))
                },
            )?;
        }
        for start in self.vectors_of(v) {
            if looped && start.last().is_some_and(|c| c + self.lanes <= whole * self.lanes) {
                continue;
            }
            let coord: Vec<_> = start.into_iter().map(Coord::from).collect();
            let x = self.vec(v, &coord, lanes)?;
            let along = match lanes {
                LaneDim::Bits(_) => lanes,
                LaneDim::Dim(_) | LaneDim::Splat => LaneDim::Dim(coord.len().saturating_sub(1)),
            };
            self.store_vec(&target, &coord, x, along)?;
        }
        Ok(())
    }

    /// Writes a value to a tile of a tensor.
    pub(super) fn store_tile(&mut self, r: &TileRef, v: Value) -> Result<()> {
        if r.packed.is_some() {
            return self.store_packed(r, v);
        }
        if let Some(from) = self.transposed(v) {
            return self.store_transposed(r, v, from);
        }
        let lanes = self.own_lanes(v);
        if self.rows_in_a_loop(v) {
            return self.each_row(v, |l, at| {
                let x = l.vec(v, at, lanes)?;
                l.store_vec(r, at, x, lanes)
            });
        }
        let shape = self.shape(v).to_vec();
        let whole = shape.last().map_or(0, |l| l / self.lanes);
        let rows: usize = shape.split_last().map_or(1, |(_, r)| r.iter().product());
        let guarded = r.dims.last().is_some_and(|d| d.guard.is_some());
        let looped = matches!(lanes, LaneDim::Dim(_))
            && !guarded
            && rows * whole > 16
            && self.last_by_index(v);
        if looped {
            let step = self.lanes;
            let starts: Vec<_> =
                self.vectors_of(v).into_iter().filter(|s| s.last() == Some(&0)).collect();
            // A row under a guard needs its address and its room: more of them than a loop has registers for.
            let apart = r.dims.iter().any(|d| d.guard.is_some());
            for some in starts.chunks(if apart { 1 } else { starts.len().max(1) }) {
                let hi = Operand::Imm((whole * step) as i64);
                self.for_loop(Operand::Imm(0), hi, step as i64, &[], |l, c, _| {
                    for start in some {
                        let mut coord: Vec<_> = start.iter().copied().map(Coord::from).collect();
                        if let Some(last) = coord.last_mut() {
                            (last.reg, last.span) = (Some(c), step);
                        }
                        let x = l.vec(v, &coord, lanes)?;
                        l.store_vec(r, &coord, x, lanes)?;
                    }
                    Ok(((), vec![]))
                })?;
            }
        }
        for start in self.vectors_of(v) {
            if looped && start.last().is_some_and(|c| c + self.lanes <= whole * self.lanes) {
                continue;
            }
            let coord: Vec<_> = start.into_iter().map(Coord::from).collect();
            let x = self.vec(v, &coord, lanes)?;
            self.store_vec(r, &coord, x, lanes)?;
        }
        Ok(())
    }

    /// The vector of `v` that starts at `at`, with lanes along `lanes`.
    pub(super) fn vec(&mut self, v: Value, at: &[Coord], lanes: LaneDim) -> Result<Reg> {
        match self.places.get(&v).cloned() {
            None => {
                Err(self.no(format!("the value `{}` before it exists", self.kernel.values[v].name)))
            }
            Some(Place::Regs(regs)) => self.of_registers(v, &regs, at, lanes),
            Some(Place::Scratch(home)) => {
                let r = self.scratch_ref(v, home);
                self.load_vec(&r, at, lanes)
            }
            Some(Place::Inline(load)) => {
                let expr = self.exprs[&v].clone();
                self.compute(v, &expr, load.as_deref(), at, lanes)
            }
        }
    }

    fn of_registers(
        &mut self,
        v: Value,
        regs: &[Reg],
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        if at.iter().any(|c| c.reg.is_some()) {
            return Err(self.no("a register tile indexed at run time".into()));
        }
        if let Some(bits) = self.fragments.get(&v).copied() {
            return self.of_fragment(v, regs, (at, bits), lanes);
        }
        let shape = self.shape(v).to_vec();
        let per_row = self.row_vectors(v);
        let mut row = 0;
        for d in 0..shape.len().saturating_sub(1) {
            row = row * shape[d] + at[d].add;
        }
        let column = at.last().map_or(0, |c| c.add);
        let reg = regs[row * per_row + column / self.lanes];
        let own = self.own_lanes(v);
        match (own, lanes) {
            (LaneDim::Splat, _) => Ok(reg),
            (LaneDim::Dim(_), LaneDim::Splat) => {
                let lane = (column % self.lanes) as u8;
                let class = self.out.regs[reg].class;
                Ok(self.v(class, Op::Shuffle(vec![lane; self.lanes]), &[reg, reg]))
            }
            (LaneDim::Dim(a), LaneDim::Dim(b)) if a == b => Ok(reg),
            (LaneDim::Bits(_), LaneDim::Splat)
            | (LaneDim::Dim(_) | LaneDim::Bits(_), LaneDim::Dim(_) | LaneDim::Bits(_)) => {
                Err(self.no("a transposed register tile".into()))
            }
        }
    }

    /// A vector of a fragment in registers, or one of its elements in all lanes.
    fn of_fragment(
        &mut self,
        v: Value,
        regs: &[Reg],
        (at, bits): (&[Coord], LaneBits),
        lanes: LaneDim,
    ) -> Result<Reg> {
        let place: Vec<usize> = at.iter().map(|c| c.add).collect();
        let start: Vec<usize> =
            place.iter().enumerate().map(|(d, i)| i & !bits.covered(d)).collect();
        let found = bits.number(self.shape(v), &start);
        let Some(reg) = found.and_then(|i| regs.get(i)).copied() else {
            return Err(self.no("a part of a fragment that is not there".into()));
        };
        match lanes {
            LaneDim::Bits(wanted) if wanted == bits && start == place => Ok(reg),
            LaneDim::Splat => {
                let lane = bits.lane([place[0], place[1]]) as u8;
                let class = self.out.regs[reg].class;
                Ok(self.v(class, Op::Shuffle(vec![lane; self.lanes]), &[reg, reg]))
            }
            LaneDim::Bits(_) | LaneDim::Dim(_) => {
                Err(self.no("a fragment in other lanes than its own".into()))
            }
        }
    }

    /// An operand's vector under broadcasting: a dimension of 1 is read at 0, along lanes as a splat.
    pub(super) fn operand(&mut self, v: Value, at: &[Coord], lanes: LaneDim) -> Result<Reg> {
        let (at, lanes) = broadcast(self.shape(v), at, lanes);
        self.vec(v, &at, lanes)
    }

    fn compute(
        &mut self,
        v: Value,
        expr: &Expr,
        load: Option<&TileRef>,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        if let Some(x) = self.looked_up(v, at, lanes)? {
            return Ok(x);
        }
        match expr {
            Expr::Fill(x) => {
                let elem = self.elem(v);
                if elem == Dtype::F32 {
                    Ok(self.float_const(*x as f32))
                } else if elem == Dtype::I32 {
                    Ok(self.word_const(*x as i32))
                } else {
                    Err(self.no(format!("filling {elem}")))
                }
            }
            Expr::Iota { dim, start } => {
                let start = self.extent(start)?;
                let coord = at[*dim];
                let mut index =
                    self.int(kgen_ir::machine::IntOp::Add, start, Operand::Imm(coord.add as i64));
                if let Some(reg) = coord.reg {
                    index = self.int(kgen_ir::machine::IntOp::Add, index, Operand::Reg(reg));
                }
                let index = self.as_reg(index);
                let word = self.v(Class::Word, Op::Spread, &[index]);
                let word = if lanes == LaneDim::Dim(*dim) {
                    let iota = self.inst(Class::Word, Op::Iota, &[], None);
                    self.v(Class::Word, Op::Word(WordOp::Add), &[word, iota])
                } else if let LaneDim::Bits(bits) = lanes
                    && let Some(own) = self.lane_coord(bits, *dim)
                {
                    self.v(Class::Word, Op::Word(WordOp::Add), &[word, own])
                } else {
                    word
                };
                let elem = self.elem(v);
                if elem == Dtype::I32 {
                    Ok(word)
                } else if elem == Dtype::F32 {
                    Ok(self.v(Class::Float, Op::Cvt(Cvt::FloatFromInt), &[word]))
                } else {
                    Err(self.no(format!("iota of {elem}")))
                }
            }
            Expr::Load { .. } => match load {
                Some(r) => self.load_vec(r, at, lanes),
                None => Err(self.no("a load without address".into())),
            },
            Expr::Dot { .. } | Expr::Lookup { .. } => {
                Err(self.no("a product computed where it is used".into()))
            }
            Expr::Unary(op, a) => {
                let x = self.operand(*a, at, lanes)?;
                self.unary(*op, x)
            }
            Expr::Binary(op, a, b) => self.binary(v, *op, *a, *b, at, lanes),
            Expr::Select(c, a, b) => {
                let c = self.operand(*c, at, lanes)?;
                let a = self.operand(*a, at, lanes)?;
                let b = self.operand(*b, at, lanes)?;
                let class = self.out.regs[a].class;
                Ok(self.v(class, Op::Select, &[c, a, b]))
            }
            Expr::Reduce(op, a, dim) => self.reduce(*op, *a, *dim, at, lanes),
            Expr::Bits(a) => {
                // The high half of a word reads as anything.
                let word = self.operand(*a, at, lanes)?;
                let low = self.word_const(0xffff);
                Ok(self.v(Class::Word, Op::Word(WordOp::And), &[word, low]))
            }
            Expr::Permute(a, table) => self.permute(*a, table, at, lanes),
            Expr::Convert(a) => self.convert(*a, self.elem(v), at, lanes),
            Expr::Transpose(a) => {
                let lanes = match lanes {
                    LaneDim::Dim(d) => LaneDim::Dim(1 - d.min(1)),
                    LaneDim::Splat => LaneDim::Splat,
                    LaneDim::Bits(_) => return Err(self.no("a fragment turned".into())),
                };
                self.vec(*a, &[at[1], at[0]], lanes)
            }
        }
    }

    /// Lanes from as many vectors of `a` as the table names, two at first, then one more at a time.
    fn permute(&mut self, a: Value, table: &[usize], at: &[Coord], lanes: LaneDim) -> Result<Reg> {
        let Some((last, outer)) = at.split_last() else {
            return Err(self.no("elements of a tile without dimensions, by their places".into()));
        };
        let from = |column: usize| [outer, &[Coord::from(column)]].concat();
        let place = |i: usize| table.get(last.add + i).or(table.last()).copied().unwrap_or(0);
        if last.reg.is_some() {
            return Err(self.no("elements by places that a loop says".into()));
        }
        let along = match lanes {
            LaneDim::Splat => return self.operand(a, &from(place(0)), lanes),
            LaneDim::Bits(_) => false,
            LaneDim::Dim(d) => d == outer.len(),
        };
        if !along {
            return Err(self.no("elements by their places, across the lanes".into()));
        }
        let width = self.lanes;
        let mut blocks: Vec<usize> = (0..width).map(|i| place(i) / width).collect();
        blocks.sort_unstable();
        blocks.dedup();
        let mut sources = Vec::new();
        for block in &blocks {
            sources.push(self.operand(a, &from(block * width), lanes)?);
        }
        let Some(first) = sources.first().copied() else {
            return Err(self.no("a vector without lanes".into()));
        };
        let class = self.out.regs[first].class;
        let second = sources.get(1).copied().unwrap_or(first);
        // Lanes of vectors that come later are filled in then.
        let start = (0..width).map(|i| match blocks.iter().position(|b| *b == place(i) / width) {
            Some(0) => place(i) % width,
            Some(1) => width + place(i) % width,
            Some(_) | None => i,
        });
        let start: Vec<u8> = start.map(|lane| lane as u8).collect();
        let same =
            sources.len() == 1 && start.iter().enumerate().all(|(i, t)| i == usize::from(*t));
        let mut out =
            if same { first } else { self.v(class, Op::Shuffle(start), &[first, second]) };
        for (block, source) in blocks.iter().zip(&sources).skip(2) {
            let step = (0..width)
                .map(|i| if place(i) / width == *block { width + place(i) % width } else { i });
            let step = step.map(|lane| lane as u8).collect();
            out = self.v(class, Op::Shuffle(step), &[out, *source]);
        }
        Ok(out)
    }

    fn unary(&mut self, op: Unary, x: Reg) -> Result<Reg> {
        let one = |l: &mut Self, op| Ok(l.v(Class::Float, Op::FloatUnary(op), &[x]));
        match op {
            Unary::Neg => one(self, FloatUnary::Neg),
            Unary::Abs => one(self, FloatUnary::Abs),
            Unary::Exp2 => one(self, FloatUnary::Exp2),
            Unary::Log2 => one(self, FloatUnary::Log2),
            Unary::Tanh => one(self, FloatUnary::Tanh),
            Unary::Sin => one(self, FloatUnary::Sin),
            Unary::Cos => one(self, FloatUnary::Cos),
            Unary::Sqrt => one(self, FloatUnary::Sqrt),
            Unary::Floor => one(self, FloatUnary::Floor),
            Unary::Recip => {
                let unit = self.float_const(1.0);
                Ok(self.v(Class::Float, Op::Float(FloatOp::Div), &[unit, x]))
            }
        }
    }

    fn is_fill(&self, v: Value, x: f64) -> bool {
        matches!(self.expr(v), Some(Expr::Fill(y)) if *y == x)
    }

    fn binary(
        &mut self,
        v: Value,
        op: Binary,
        a: Value,
        b: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        if let Some(sum) = self.halves_product(v, op, a, b, at, lanes)? {
            return Ok(sum);
        }
        if op == Binary::Add {
            // Broadcasting a row into an accumulator is written as adding zeros.
            if self.is_fill(b, 0.0) && self.elem(v) == Dtype::I32 {
                return self.operand(a, at, lanes);
            }
            // A product used nowhere else joins the sum: one rounding instead of two.
            for (sum, product) in [(a, b), (b, a)] {
                let inline = matches!(self.places.get(&product), Some(Place::Inline(None)));
                if let Some(Expr::Binary(Binary::Mul, x, y)) = self.expr(product).cloned()
                    && inline
                    && self.elem(v) == Dtype::F32
                {
                    let (x, y) = (self.operand(x, at, lanes)?, self.operand(y, at, lanes)?);
                    let c = self.operand(sum, at, lanes)?;
                    return Ok(self.v(Class::Float, Op::Fma, &[x, y, c]));
                }
            }
        }
        let float = self.elem(a) == Dtype::F32;
        let truth = self.elem(a) == Dtype::Bool;
        let x = self.operand(a, at, lanes)?;
        let y = self.operand(b, at, lanes)?;
        let (class, op) = match (op, float) {
            (Binary::Add, true) => (Class::Float, Op::Float(FloatOp::Add)),
            (Binary::Sub, true) => (Class::Float, Op::Float(FloatOp::Sub)),
            (Binary::Mul, true) => (Class::Float, Op::Float(FloatOp::Mul)),
            (Binary::Div, true) => (Class::Float, Op::Float(FloatOp::Div)),
            (Binary::Max, true) => (Class::Float, Op::Float(FloatOp::Max)),
            (Binary::Min, true) => (Class::Float, Op::Float(FloatOp::Min)),
            (Binary::Cmp(c), true) => (Class::Mask, Op::FloatCmp(c)),
            (Binary::Pair, true) => return Ok(self.pair(x, y)),
            (Binary::Add, false) => (Class::Word, Op::Word(WordOp::Add)),
            (Binary::Sub, false) => (Class::Word, Op::Word(WordOp::Sub)),
            (Binary::Mul, false) => (Class::Word, Op::Word(WordOp::Mul)),
            (Binary::Max, false) => (Class::Word, Op::Word(WordOp::Max)),
            (Binary::Min, false) => (Class::Word, Op::Word(WordOp::Min)),
            (Binary::Cmp(c), false) => (Class::Mask, Op::WordCmp(c)),
            (Binary::And, false) if truth => (Class::Mask, Op::Mask(MaskOp::And)),
            (Binary::Or, false) if truth => (Class::Mask, Op::Mask(MaskOp::Or)),
            (Binary::And, false) => (Class::Word, Op::Word(WordOp::And)),
            (Binary::Or, false) => (Class::Word, Op::Word(WordOp::Or)),
            (Binary::Div | Binary::Pair, false) | (Binary::And | Binary::Or, true) => {
                return Err(self.no(format!("{op:?} of {}", self.elem(a))));
            }
        };
        Ok(self.v(class, op, &[x, y]))
    }

    /// Along the last dimension: vectors first, lanes at the end; the result is in every lane.
    fn reduce(
        &mut self,
        op: Reduce,
        a: Value,
        dim: usize,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        if let Some(bits) = self.fragments.get(&a).copied() {
            return self.reduce_bits(op, a, dim, at, bits);
        }
        let shape = self.shape(a).to_vec();
        if dim + 1 != shape.len() {
            return match shape.len() {
                2 => self.reduce_rows(op, a, at, lanes),
                _ => Err(self.no("a reduction along an outer dimension of many".into())),
            };
        }
        let last = shape[dim];
        if last == 1 {
            return self.vec(a, at, LaneDim::Splat);
        }
        if lanes != LaneDim::Splat {
            return Err(
                self.no(format!("a reduction over {last} elements in {} lanes", self.lanes))
            );
        }
        let float = self.elem(a) == Dtype::F32;
        let (class, join, across) = match (op, float) {
            (Reduce::Sum, true) => (Class::Float, Op::Float(FloatOp::Add), Op::HSum),
            (Reduce::Max, true) => (Class::Float, Op::Float(FloatOp::Max), Op::HMax),
            (Reduce::Sum, false) => (Class::Word, Op::Word(WordOp::Add), Op::WordHSum),
            (Reduce::Max, false) => return Err(self.no("the maximum of integers".into())),
        };
        let mut total: Option<Reg> = None;
        for c in (0..last).step_by(self.lanes) {
            let mut here = at.to_vec();
            here[dim] = Coord::from(c);
            let mut x = self.vec(a, &here, LaneDim::Dim(dim))?;
            if last - c < self.lanes {
                // Lanes without an element hold anything.
                let number = self.inst(Class::Word, Op::Iota, &[], None);
                let rest = self.word_const((last - c) as i32);
                let inside = self.v(Class::Mask, Op::WordCmp(Compare::Lt), &[number, rest]);
                let none = match op {
                    Reduce::Max => self.float_const(f32::NEG_INFINITY),
                    Reduce::Sum => self.zero(class),
                };
                x = self.v(class, Op::Select, &[inside, x, none]);
            }
            total = Some(match total {
                None => x,
                Some(t) => self.v(class, join.clone(), &[t, x]),
            });
        }
        match total {
            Some(t) => Ok(self.v(class, across, &[t])),
            None => Ok(self.zero(class)),
        }
    }
}
