//! Tiles of many rows: in loops over rows, turned into columns, or written by a product where they are wanted.

use super::{Coord, Lower, Place, Result, access::TileRef, free_strides};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, FloatOp, Op, Operand, Reg, Width, WordOp},
    tile::{Expr, LaneDim, Reduce, Role, Space, Stmt, Value},
};
use std::rc::Rc;

/// Rows above which code for each of them is more than a loop.
const MANY_ROWS: usize = 8;

/// Partial results of a reduction over rows: each waits for its own last step alone.
const CHAINS: usize = 4;

impl Lower<'_> {
    /// Can a row be asked for by an index that only the running kernel knows?
    pub(super) fn row_by_index(&self, v: Value) -> bool {
        self.by_index(v, 0)
    }

    /// The same for a column.
    pub(super) fn column_by_index(&self, v: Value) -> bool {
        self.by_index(v, 1)
    }

    /// The same for the last dimension.
    pub(super) fn last_by_index(&self, v: Value) -> bool {
        self.by_index(v, self.shape(v).len().saturating_sub(1))
    }

    fn by_index(&self, v: Value, dim: usize) -> bool {
        if self.shape(v).get(dim) == Some(&1) {
            return true;
        }
        match self.places.get(&v) {
            None | Some(Place::Regs(_)) => false,
            Some(Place::Scratch(_)) => true,
            Some(Place::Inline(Some(r))) => r.packed.is_none(),
            Some(Place::Inline(None)) => match &*self.exprs[&v] {
                Expr::Fill(_) | Expr::Iota { .. } | Expr::Load { .. } => true,
                // It has no such dimension left.
                Expr::Reduce(_, _, along) if *along == dim => true,
                Expr::Transpose(a) => self.by_index(*a, 1 - dim.min(1)),
                Expr::Dot { .. } | Expr::Lookup { .. } => false,
                // Its elements are found by places that the compiler knows.
                Expr::Permute(..) if dim + 1 == self.shape(v).len() => false,
                other @ (Expr::Reduce(..)
                | Expr::Permute(..)
                | Expr::Unary(..)
                | Expr::Binary(..)
                | Expr::Select(..)
                | Expr::Bits(_)
                | Expr::Convert(_)) => {
                    crate::tile::operands(other).iter().all(|o| self.by_index(*o, dim))
                }
            },
        }
    }

    /// Is `v` a matrix of many rows that a loop can walk?
    pub(super) fn rows_in_a_loop(&self, v: Value) -> bool {
        match self.shape(v) {
            [rows, columns] => {
                !self.fragments.contains_key(&v)
                    && *rows > MANY_ROWS
                    && rows * columns.div_ceil(self.lanes) > 2 * MANY_ROWS
                    && !matches!(self.places.get(&v), Some(Place::Regs(_)))
                    && self.row_by_index(v)
            }
            _ => false,
        }
    }

    /// `each` for every vector of the matrix `v`, in a loop over its rows.
    pub(super) fn each_row(
        &mut self,
        v: Value,
        each: impl Fn(&mut Self, &[Coord]) -> Result<()>,
    ) -> Result<()> {
        let (rows, columns) = (self.shape(v)[0], self.shape(v)[1]);
        let lanes = self.lanes;
        self.for_loop(Operand::Imm(0), Operand::Imm(rows as i64), 1, &[], |l, row, _| {
            let row = Coord { reg: Some(row), add: 0, span: 1 };
            for c in (0..columns).step_by(lanes) {
                each(l, &[row, Coord::from(c)])?;
            }
            Ok(((), vec![]))
        })?;
        Ok(())
    }

    /// The matrix of which `v` is the transposed, where that is computed at its use.
    pub(super) fn transposed(&self, v: Value) -> Option<Value> {
        match (self.places.get(&v), self.expr(v)) {
            (Some(Place::Inline(None)), Some(Expr::Transpose(a))) => Some(*a),
            _ => None,
        }
    }

    /// Writes `v`, the transposed of `from`, in squares of as many rows as lanes.
    pub(super) fn store_transposed(&mut self, r: &TileRef, v: Value, from: Value) -> Result<()> {
        let (rows, columns) = (self.shape(v)[0], self.shape(v)[1]);
        let lanes = self.lanes;
        if let Some((tile, places)) = self.side_by_side(from) {
            for (row, place) in places.into_iter().enumerate() {
                for at in (0..columns).step_by(lanes) {
                    let mem = self.address(&tile, &[Coord::from(at), Coord::from(place)])?;
                    let reg = self.inst(Class::Float, Op::Load(Width::W32), &[], Some(mem));
                    let to = [Coord::from(row), Coord::from(at)];
                    self.store_vec(r, &to, reg, LaneDim::Dim(1))?;
                }
            }
            return Ok(());
        }
        // `count` rows of `v` from `row` on, of `height` columns.
        let square =
            |l: &mut Self, (row, count): (Coord, usize), (column, height): (Coord, usize)| {
                let mut regs = Vec::new();
                for i in 0..height {
                    regs.push(l.vec(from, &[column.plus(i), row], LaneDim::Dim(1))?);
                }
                let class = l.out.regs[regs[0]].class;
                while regs.len() < lanes {
                    regs.push(l.zero(class));
                }
                for (i, reg) in l.turn(regs).into_iter().enumerate().take(count) {
                    l.store_vec(r, &[row.plus(i), column], reg, LaneDim::Dim(1))?;
                }
                Ok(())
            };
        let by_column = self.column_by_index(from);
        let by_row = self.row_by_index(from);
        let turns = |all: usize, by_index: bool| if by_index { all / lanes } else { 0 };
        self.in_steps(rows, turns(rows, by_column), |l, row, count| {
            l.in_steps(columns, turns(columns, by_row), |l, column, height| {
                square(l, (row, count), (column, height))
            })
        })
    }

    /// A tile of floats whose columns are whole vectors as they stand, and which of them `v` has.
    fn side_by_side(&self, v: Value) -> Option<(Rc<TileRef>, Vec<usize>)> {
        let (of, places) = match (self.places.get(&v)?, self.expr(v)?) {
            (Place::Inline(None), Expr::Permute(a, places)) => (*a, places.clone()),
            _ => (v, (0..self.shape(v)[1]).collect()),
        };
        let Some(Place::Inline(Some(tile))) = self.places.get(&of) else { return None };
        let down = tile.dims.first().filter(|d| d.step == Operand::Imm(4) && d.guard.is_none())?;
        let whole = tile.elem == Dtype::F32 && down.len.is_multiple_of(self.lanes);
        (whole && tile.packed.is_none()).then(|| (tile.clone(), places))
    }

    /// `each` for steps of as many as lanes of `all`, and how many of them: the first `turns` of them in a loop, if it
    /// turns more than once.
    fn in_steps(
        &mut self,
        all: usize,
        turns: usize,
        each: impl Fn(&mut Self, Coord, usize) -> Result<()>,
    ) -> Result<()> {
        let lanes = self.lanes;
        let mut first = 0;
        if turns > 1 {
            first = turns * lanes;
            self.for_loop(
                Operand::Imm(0),
                Operand::Imm(first as i64),
                lanes as i64,
                &[],
                |l, at, _| {
                    each(l, Coord { reg: Some(at), add: 0, span: lanes }, lanes)?;
                    Ok(((), vec![]))
                },
            )?;
        }
        for at in (first..all).step_by(lanes) {
            each(self, Coord::from(at), lanes.min(all - at))?;
        }
        Ok(())
    }

    /// Registers, each of as many elements of neighbouring lanes as there are registers: element j of register i becomes
    /// element i of register j. Each level swaps the squares beside the diagonal of squares twice their size.
    pub(super) fn turn(&mut self, mut regs: Vec<Reg>) -> Vec<Reg> {
        let lanes = self.lanes;
        let width = lanes / regs.len();
        let mut half = regs.len() / 2;
        while half > 0 {
            let apart = half * width;
            let table = |high: bool| -> Vec<u8> {
                let more = if high { apart } else { 0 };
                (0..lanes)
                    .map(|l| if l & apart == 0 { l + more } else { l - apart + more + lanes } as u8)
                    .collect()
            };
            for i in (0..regs.len()).filter(|i| i & half == 0) {
                let (x, y) = (regs[i], regs[i + half]);
                let class = self.out.regs[x].class;
                regs[i] = self.v(class, Op::Shuffle(table(false)), &[x, y]);
                regs[i + half] = self.v(class, Op::Shuffle(table(true)), &[x, y]);
            }
            half /= 2;
        }
        regs
    }

    /// A reduction over the rows of a matrix: lane by lane.
    pub(super) fn reduce_rows(
        &mut self,
        op: Reduce,
        a: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Reg> {
        let rows = self.shape(a)[0];
        let float = self.kernel.values[a].ty.elem == Dtype::F32;
        let (class, join) = match (op, float) {
            (Reduce::Sum, true) => (Class::Float, Op::Float(FloatOp::Add)),
            (Reduce::Max, true) => (Class::Float, Op::Float(FloatOp::Max)),
            (Reduce::Sum, false) => (Class::Word, Op::Word(WordOp::Add)),
            (Reduce::Max, false) => (Class::Word, Op::Word(WordOp::Max)),
        };
        let mut parts = Vec::new();
        for row in 0..rows.min(CHAINS) {
            parts.push(self.vec(a, &[Coord::from(row), at[1]], lanes)?);
        }
        let mut done = parts.len();
        let turns = rows / CHAINS;
        if turns > 2 && self.row_by_index(a) {
            done = turns * CHAINS;
            let (lo, hi) = (Operand::Imm(CHAINS as i64), Operand::Imm(done as i64));
            let (_, joined) = self.for_loop(lo, hi, CHAINS as i64, &parts, |l, row, parts| {
                let mut next = Vec::new();
                for (i, part) in parts.iter().enumerate() {
                    let row = Coord { reg: Some(row), add: i, span: CHAINS };
                    let x = l.vec(a, &[row, at[1]], lanes)?;
                    next.push(l.v(class, join.clone(), &[*part, x]));
                }
                Ok(((), next))
            })?;
            parts = joined;
        }
        for row in done..rows {
            let x = self.vec(a, &[Coord::from(row), at[1]], lanes)?;
            let part = row % parts.len();
            parts[part] = self.v(class, join.clone(), &[parts[part], x]);
        }
        let mut total = parts[0];
        for part in &parts[1..] {
            total = self.v(class, join.clone(), &[total, *part]);
        }
        Ok(total)
    }

    /// A large product whose only reader, the next statement, stores it to memory without a guard is computed there:
    /// true if `stmt` is one and was.
    pub(super) fn product_to_memory(&mut self, stmt: &Stmt, next: Option<&Stmt>) -> Result<bool> {
        let Some(next) = next.filter(|next| self.written_at_once(stmt, next)) else {
            return Ok(false);
        };
        let (Stmt::Let { value, expr }, Stmt::Store { tensor, at, .. }) = (stmt, next) else {
            return Ok(false);
        };
        let Expr::Dot { a, b, transpose, acc } = expr else { return Ok(false) };
        let target = self.tile_ref(tensor, at, false)?;
        self.dot_scratch(*value, *a, *b, *transpose, *acc, &target)?;
        Ok(true)
    }

    pub(super) fn written_at_once(&self, stmt: &Stmt, next: &Stmt) -> bool {
        let (Stmt::Let { value, expr }, Stmt::Store { tensor, at, value: stored, guard: false }) =
            (stmt, next)
        else {
            return false;
        };
        let Expr::Dot { a, b, acc, .. } = expr else { return false };
        let mut uses = 0;
        super::count_uses(&self.kernel.body, *value, &mut uses);
        let whole = self.shape(*value).last().is_some_and(|n| n.is_multiple_of(self.lanes));
        let fits = self.kernel.tensor(tensor).is_some_and(|t| {
            t.elem == Dtype::F32 && t.role == Role::Scratch && !free_strides(t.role)
        });
        stored == value
            && uses == 1
            && whole
            && fits
            && self.kernel.values[*value].ty.space == Some(Space::Scratch)
            && !self.reads_from(*a, tensor, None)
            && !self.reads_from(*b, tensor, None)
            // A sum that starts from what stands there reads each element before it writes it.
            && acc.is_none_or(|acc| !self.reads_from(acc, tensor, Some(at)))
    }

    /// Does computing `v` read `tensor` elsewhere than at `but`?
    fn reads_from(&self, v: Value, tensor: &str, but: Option<&[kgen_ir::tile::Slice]>) -> bool {
        if !matches!(self.places.get(&v), Some(Place::Inline(_))) {
            return false;
        }
        let expr = &*self.exprs[&v];
        if let Expr::Load { tensor: t, at, .. } = expr {
            return t == tensor && but != Some(at);
        }
        crate::tile::operands(expr).iter().any(|o| self.reads_from(*o, tensor, but))
    }
}
