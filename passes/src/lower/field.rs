//! Elements inside rows of bytes: codes and scales of blocks, codes of a few bits.
//!
//! A vector of neighbours is one load where they stand side by side, one element in all lanes where they share it, and
//! is put together element by element where it reaches over the end of a block.

use super::{
    Coord, Lower, Place, Result,
    access::{Form, TileDim, TileRef, width_bytes},
};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, Cvt, FloatOp, IntOp, Mem, Op, Operand, Reg, ShiftOp, Width, WordOp},
    tile::{Binary, Expr, LaneDim, Value, field::Field},
};

/// Bits of a code of which two stand in a byte.
const HALF_BYTE: usize = 4;

/// Where the elements of a vector stand.
enum Run {
    /// In one block.
    Together,
    Apart,
}

/// Is a row of `len` elements from `start` on no more than a block?
fn alone(field: Field, start: Operand, len: usize) -> bool {
    start == Operand::Imm(0) && len <= field.block
}

fn row_len(r: &TileRef) -> usize {
    r.dims.last().map_or(0, |d| d.len)
}

impl Lower<'_> {
    /// Byte of a row where an element begins: what only the running kernel knows, and what is added to it.
    pub(super) fn field_byte(
        &mut self,
        field: Field,
        start: Operand,
        coord: Coord,
        len: usize,
    ) -> Result<(Operand, i64)> {
        let known = i64::try_from(coord.add).unwrap_or(i64::MAX);
        match (start, coord.reg) {
            (Operand::Imm(start), None) => {
                let at = usize::try_from(start.saturating_add(known)).ok();
                let bit = at.and_then(|i| field.bit(i)).and_then(|b| i64::try_from(b / 8).ok());
                bit.map(|byte| (Operand::Imm(0), byte))
                    .ok_or_else(|| self.no("a row beyond all memory".into()))
            }
            (start, reg) => {
                let reg = reg.map_or(Operand::Imm(0), Operand::Reg);
                if alone(field, start, len) {
                    if field.step.is_multiple_of(8) {
                        let step = Operand::Imm((field.step / 8) as i64);
                        let bytes = self.int(IntOp::Mul, reg, step);
                        let more = (field.at + coord.add * field.step) / 8;
                        return Ok((bytes, more as i64));
                    }
                    let bits = self.int(IntOp::Mul, reg, Operand::Imm(field.step as i64));
                    let more = Operand::Imm((field.at + coord.add * field.step) as i64);
                    let bit = self.int(IntOp::Add, bits, more);
                    return Ok((self.int(IntOp::Div, bit, Operand::Imm(8)), 0));
                }
                // A loop that always begins at a block adds whole blocks.
                let at_block = start == Operand::Imm(0)
                    && coord.span > 0
                    && coord.span.is_multiple_of(field.block)
                    && field.stride.is_multiple_of(8);
                if at_block {
                    let bytes = (field.stride / 8) as i64;
                    let block = self.int(IntOp::Div, reg, Operand::Imm(field.block as i64));
                    let bytes = self.int(IntOp::Mul, block, Operand::Imm(bytes));
                    let bit = field.bit(coord.add).and_then(|b| i64::try_from(b / 8).ok());
                    let more = bit.ok_or_else(|| self.no("a row beyond all memory".into()))?;
                    return Ok((bytes, more));
                }
                // A loop that never leaves a block in a turn counts its blocks; what is added stays inside.
                let inside = start == Operand::Imm(0)
                    && coord.span > 0
                    && field.block.is_multiple_of(coord.span)
                    && coord.add < coord.span;
                let first = self.int(IntOp::Add, start, reg);
                let whole = [field.stride, field.step, field.at].iter().all(|x| x % 8 == 0);
                let imm = |x: usize| Operand::Imm(x as i64);
                let (index, more) = if inside && whole {
                    (first, (coord.add * field.step + field.at) / 8)
                } else {
                    (self.int(IntOp::Add, first, Operand::Imm(known)), 0)
                };
                let block = self.int(IntOp::Div, index, imm(field.block));
                let place = self.int(IntOp::Rem, index, imm(field.block));
                let unit = if whole { 8 } else { 1 };
                let a = self.int(IntOp::Mul, block, imm(field.stride / unit));
                let b = self.int(IntOp::Mul, place, imm(field.step / unit));
                let sum = self.int(IntOp::Add, a, b);
                if inside && whole {
                    return Ok((sum, more as i64));
                }
                let sum = self.int(IntOp::Add, sum, imm(field.at / unit));
                Ok((self.int(IntOp::Div, sum, imm(8 / unit)), 0))
            }
        }
    }

    /// Do `count` neighbours from `coord` on, of a row of `len`, stand in one block?
    fn run(&self, field: Field, start: Operand, coord: Coord, count: usize, len: usize) -> Run {
        let together = match (start, coord.reg) {
            _ if alone(field, start, len) => true,
            (Operand::Imm(start), None) => {
                let first = start as usize + coord.add;
                first % field.block + count <= field.block
            }
            (Operand::Imm(0), Some(_))
                if coord.span > 0 && coord.span.is_multiple_of(field.block) =>
            {
                coord.add % field.block + count <= field.block
            }
            (Operand::Imm(start), Some(_)) => {
                field.block.is_multiple_of(self.lanes)
                    && coord.span.is_multiple_of(self.lanes)
                    && (start as usize + coord.add).is_multiple_of(self.lanes)
            }
            (Operand::Reg(_), _) => false,
        };
        if together { Run::Together } else { Run::Apart }
    }

    /// Lanes of a row vector that the tile has.
    fn there(&self, r: &TileRef, coord: Coord) -> usize {
        match (coord.reg, r.dims.last()) {
            (None, Some(dim)) => dim.len.saturating_sub(coord.add).min(self.lanes),
            // Loops of the lowering only visit whole vectors.
            (Some(_), _) | (None, None) => self.lanes,
        }
    }

    fn field_of(&self, r: &TileRef, at: &[Coord]) -> Result<(Field, Operand, Coord)> {
        match (&r.field, at.last()) {
            (Some((field, start)), Some(coord)) => Ok((*field, *start, *coord)),
            (_, _) => Err(self.no("codes that are no field of a row".into())),
        }
    }

    /// Elements of whole bytes.
    pub(super) fn load_field(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        lanes: LaneDim,
        form: &Form,
    ) -> Result<Reg> {
        let (field, start, coord) = self.field_of(r, at)?;
        let mem = self.address(r, at)?;
        if lanes == LaneDim::Splat {
            return Ok(self.inst(form.class, form.splat.clone(), &[], Some(mem)));
        }
        if lanes != LaneDim::Dim(r.dims.len() - 1) {
            return Err(self.no("lanes along a strided dimension".into()));
        }
        let count = self.there(r, coord);
        let bits = 8 * width_bytes(form.width);
        match self.run(field, start, coord, count, row_len(r)) {
            Run::Together if field.step == 0 => {
                Ok(self.inst(form.class, form.splat.clone(), &[], Some(mem)))
            }
            Run::Together if field.step == bits && count == self.lanes => {
                Ok(self.inst(form.class, form.load.clone(), &[], Some(mem)))
            }
            Run::Together if field.step == bits => {
                self.load_part(form, mem, Operand::Imm(count as i64))
            }
            Run::Together | Run::Apart => {
                let temp = self.clear_temp();
                for lane in 0..count {
                    let x = self.element(r, at, lane, form.width)?;
                    let offset = (lane * width_bytes(form.width)) as i32;
                    self.effect(Op::Write(form.width), &[x], Mem { base: temp, offset });
                }
                let mem = Mem { base: temp, offset: 0 };
                Ok(self.inst(form.class, form.load.clone(), &[], Some(mem)))
            }
        }
    }

    /// Numbers that blocks of a row share, converted: one after the other in scratch, whole vectors at a time. What
    /// reads the tile then gets each by one load for all lanes.
    pub(super) fn shared(&mut self, v: Value, expr: &Expr) -> Result<Option<Place>> {
        let (Expr::Convert(a), [rows, len]) = (expr, self.shape(v)) else { return Ok(None) };
        let (rows, len) = (*rows, *len);
        let Some(Place::Inline(Some(from))) = self.places.get(a).cloned() else { return Ok(None) };
        let Some((field, Operand::Imm(0))) = from.field else { return Ok(None) };
        if field.step != 0 || from.elem != Dtype::F16 || self.elem(v) != Dtype::F32 {
            return Ok(None);
        }
        let blocks = len.div_ceil(field.block);
        // Those of a block stand side by side.
        let run = rows.next_multiple_of(self.lanes);
        let padded = run * blocks;
        let halves = self.scratch_bytes(2 * padded) as i32;
        let floats = self.scratch_bytes(4 * padded) as i32;
        let scratch = self.scratch_base();
        let rows_hi = Operand::Imm(rows as i64);
        self.for_loop(Operand::Imm(0), rows_hi, 1, &[], |l, row, _| {
            let to = l.int(IntOp::Mul, Operand::Reg(row), Operand::Imm(2));
            let to = l.int(IntOp::Add, Operand::Reg(scratch), to);
            let to = l.as_reg(to);
            let row = Coord { reg: Some(row), add: 0, span: 1 };
            l.hint_row(&from, row)?;
            for block in 0..blocks {
                let x =
                    l.element(&from, &[row, Coord::from(block * field.block)], 0, Width::U16)?;
                let mem = Mem { base: to, offset: halves + 2 * (block * run) as i32 };
                l.effect(Op::Write(Width::U16), &[x], mem);
            }
            Ok(((), vec![]))
        })?;
        for at in (0..padded as i32).step_by(self.lanes) {
            let mem = Mem { base: scratch, offset: halves + 2 * at };
            let x = self.inst(Class::Float, Op::LoadF16, &[], Some(mem));
            let mem = Mem { base: scratch, offset: floats + 4 * at };
            self.effect(Op::Store(Width::W32), &[Operand::Reg(x)], mem);
        }
        // Where the loads of the tile are pulled, they are of these.
        if let Some(load) = self.exprs.get(a).cloned() {
            self.exprs.insert(v, load);
        }
        let dim = |len, step| TileDim { len, step: Operand::Imm(step), guard: None };
        let field = Field { block: field.block, stride: 32 * run, at: 0, step: 0 };
        let r = TileRef {
            base: scratch,
            offset: floats,
            elem: Dtype::F32,
            dims: vec![dim(rows, 4), dim(len, 0)],
            packed: None,
            inside: 0,
            field: Some((field, Operand::Imm(0))),
            align: 4,
            ahead: None,
            chunks: None,
        };
        Ok(Some(Place::Inline(Some(r.into()))))
    }

    /// The first bytes of scratch, cleared for a vector.
    fn clear_temp(&mut self) -> Reg {
        let temp = self.scratch_base();
        let zero = self.word_const(0);
        let store = Op::Store(Width::W32);
        self.effect(store, &[Operand::Reg(zero)], Mem { base: temp, offset: 0 });
        temp
    }

    /// The element `lane` places behind `at`, as an integer.
    fn element(&mut self, r: &TileRef, at: &[Coord], lane: usize, width: Width) -> Result<Operand> {
        let mut at = at.to_vec();
        if let Some(last) = at.last_mut() {
            // Alone, it may leave the block that its vector begins in.
            *last = Coord { span: 0, ..last.plus(lane) };
        }
        let mem = self.address(r, &at)?;
        Ok(Operand::Reg(self.inst(Class::Int, Op::Read(width), &[], Some(mem))))
    }

    /// Codes of half a byte, one a lane.
    pub(super) fn load_codes(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        lanes: LaneDim,
        rough: bool,
    ) -> Result<Reg> {
        let (field, start, coord) = self.field_of(r, at)?;
        if r.elem.bits() as usize != HALF_BYTE {
            return Err(self.no(format!("codes of {} bits in memory", r.elem.bits())));
        }
        let along = lanes == LaneDim::Dim(r.dims.len() - 1);
        let count = if along { self.there(r, coord) } else { 1 };
        let together = matches!(self.run(field, start, coord, count, row_len(r)), Run::Together);
        if !along || together && field.step == 0 {
            let code = self.code(r, at, 0)?;
            let code = self.as_reg(code);
            return Ok(self.v(Class::Word, Op::Spread, &[code]));
        }
        let even = field.at.is_multiple_of(8) && field.stride.is_multiple_of(8);
        if together && field.step == HALF_BYTE && even && self.lanes.is_multiple_of(2) {
            return self.load_half_bytes(r, at, (coord, start, count), rough);
        }
        let temp = self.clear_temp();
        for lane in 0..count {
            let x = self.code(r, at, lane)?;
            let mem = Mem { base: temp, offset: lane as i32 };
            self.effect(Op::Write(Width::U8), &[x], mem);
        }
        let mem = Mem { base: temp, offset: 0 };
        Ok(self.inst(Class::Word, Op::Load(Width::U8), &[], Some(mem)))
    }

    /// The code `lane` places behind `at`, as an integer.
    fn code(&mut self, r: &TileRef, at: &[Coord], lane: usize) -> Result<Operand> {
        let (field, start, coord) = self.field_of(r, at)?;
        let byte = self.element(r, at, lane, Width::U8)?;
        let imm = |x: usize| Operand::Imm(x as i64);
        let index = coord.reg.map_or(imm(0), Operand::Reg);
        let index = self.int(IntOp::Add, start, index);
        let index = self.int(IntOp::Add, index, imm(coord.add + lane));
        let block = self.int(IntOp::Div, index, imm(field.block));
        let place = self.int(IntOp::Rem, index, imm(field.block));
        let a = self.int(IntOp::Mul, block, imm(field.stride));
        let b = self.int(IntOp::Mul, place, imm(field.step));
        let bit = self.int(IntOp::Add, a, b);
        let bit = self.int(IntOp::Add, bit, imm(field.at));
        let upper = self.int(IntOp::Rem, bit, imm(8));
        let upper = self.int(IntOp::Div, upper, imm(HALF_BYTE));
        // 16 for the upper half of the byte, 1 for the lower.
        let most = self.int(IntOp::Mul, upper, imm((1 << HALF_BYTE) - 1));
        let unit = self.int(IntOp::Add, most, imm(1));
        let shifted = self.int(IntOp::Div, byte, unit);
        Ok(self.int(IntOp::Rem, shifted, imm(1 << HALF_BYTE)))
    }

    /// Numbers that depend on a code of half a byte alone, of which there are as many as lanes: a table of them, and the
    /// code says which.
    pub(super) fn looked_up(
        &mut self,
        v: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Option<Reg>> {
        let all = self.lanes == 1 << HALF_BYTE && self.has(&Op::Lookup);
        let along = lanes == LaneDim::Dim(self.shape(v).len().saturating_sub(1));
        if !all || !along || self.elem(v) != Dtype::F32 {
            return Ok(None);
        }
        let Some(code) = self.only_code(v) else { return Ok(None) };
        let Some(Place::Inline(Some(r))) = self.places.get(&code).cloned() else { return Ok(None) };
        if self.shape(code) != self.shape(v) {
            return Ok(None);
        }
        let table = match self.tables.get(&v) {
            Some(table) => *table,
            None => {
                // It stands before all blocks: nothing that they have computed is there.
                let outer = std::mem::take(&mut self.serials);
                self.open();
                let iota = self.inst(Class::Word, Op::Iota, &[], None);
                let table = self.of_code(v, iota);
                let block = self.close();
                self.serials = outer;
                self.entry.extend(block);
                let table = table?;
                self.tables.insert(v, table);
                table
            }
        };
        let index =
            self.guarded(&r, at, lanes, Class::Word, |l| l.load_codes(&r, at, lanes, true))?;
        Ok(Some(self.v(Class::Float, Op::Lookup, &[table, index])))
    }

    /// The code that an inline expression depends on, if there is nothing else but numbers.
    fn only_code(&self, v: Value) -> Option<Value> {
        match (self.places.get(&v)?, self.expr(v)?) {
            (Place::Inline(Some(r)), Expr::Load { .. }) => {
                let half = r.field.is_some() && r.elem.bits() as usize == HALF_BYTE;
                half.then_some(v)
            }
            (Place::Inline(None), Expr::Convert(a)) => self.only_code(*a),
            (Place::Inline(None), Expr::Binary(op, a, b)) => {
                let number = matches!(self.expr(*b), Some(Expr::Fill(_)));
                let plain = matches!(op, Binary::Add | Binary::Sub | Binary::Mul | Binary::And);
                if number && plain { self.only_code(*a) } else { None }
            }
            (_, _) => None,
        }
    }

    /// The expression of [`Self::only_code`] with these codes.
    fn of_code(&mut self, v: Value, codes: Reg) -> Result<Reg> {
        let fill = |l: &Self, v: &Value| match l.expr(*v) {
            Some(Expr::Fill(x)) => *x,
            _ => 0.0,
        };
        match self.expr(v).cloned() {
            Some(Expr::Convert(a)) => {
                let x = self.of_code(a, codes)?;
                let new = self.elem(v) == Dtype::F32 && self.elem(a) != Dtype::F32;
                Ok(if new { self.v(Class::Float, Op::Cvt(Cvt::FloatFromInt), &[x]) } else { x })
            }
            Some(Expr::Binary(op, a, b)) => {
                let x = self.of_code(a, codes)?;
                let number = fill(self, &b);
                let float = self.elem(a) == Dtype::F32;
                let (class, op, y) = match (op, float) {
                    (Binary::Add, true) => (Class::Float, Op::Float(FloatOp::Add), true),
                    (Binary::Sub, true) => (Class::Float, Op::Float(FloatOp::Sub), true),
                    (Binary::Mul, true) => (Class::Float, Op::Float(FloatOp::Mul), true),
                    (Binary::Add, false) => (Class::Word, Op::Word(WordOp::Add), false),
                    (Binary::Sub, false) => (Class::Word, Op::Word(WordOp::Sub), false),
                    (Binary::Mul, false) => (Class::Word, Op::Word(WordOp::Mul), false),
                    (Binary::And, false) => (Class::Word, Op::Word(WordOp::And), false),
                    (_, _) => return Err(self.no("such a table of codes".into())),
                };
                let y = if y {
                    self.float_const(number as f32)
                } else {
                    self.word_const(number as i32)
                };
                Ok(self.v(class, op, &[x, y]))
            }
            _ => Ok(codes),
        }
    }

    /// Two codes a byte, side by side in a block. A load of as many bytes as lanes serves two vectors. In `rough` ones
    /// anything stands above the code.
    fn load_half_bytes(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        (coord, start, count): (Coord, Operand, usize),
        rough: bool,
    ) -> Result<Reg> {
        let (lanes, pair) = (self.lanes, 2 * self.lanes);
        let even =
            start == Operand::Imm(0) && coord.add.is_multiple_of(2) && coord.span.is_multiple_of(2);
        let whole = count == lanes && lanes == 1 << HALF_BYTE;
        if rough && whole && even && self.has(&Op::Nibbles) {
            let mem = self.address(r, at)?;
            return Ok(self.inst(Class::Word, Op::Nibbles, &[], Some(mem)));
        }
        let inside =
            if coord.reg.is_some() { coord.span } else { r.dims.last().map_or(0, |d| d.len) };
        let aligned = coord.reg.is_none() || coord.span.is_multiple_of(pair);
        let first = coord.add / pair * pair;
        let field = r.field.map(|(field, _)| field);
        let both = aligned
            && start == Operand::Imm(0)
            && coord.add.is_multiple_of(lanes)
            && first + pair <= inside
            && field.is_some_and(|f| f.block.is_multiple_of(pair) || f.block >= first + pair);
        let mut at = at.to_vec();
        let word = Width::U8;
        let (bytes, high) = if both {
            if let Some(last) = at.last_mut() {
                last.add = first;
            }
            let mem = self.address(r, &at)?;
            (self.inst(Class::Word, Op::Load(word), &[], Some(mem)), coord.add != first)
        } else {
            let mem = self.address(r, &at)?;
            let form = Form {
                class: Class::Word,
                width: word,
                load: Op::Load(word),
                splat: Op::Splat(word),
            };
            (self.load_part(&form, mem, Operand::Imm(count.div_ceil(2) as i64))?, false)
        };
        let low = if rough {
            bytes
        } else {
            let mask = self.word_const((1 << HALF_BYTE) - 1);
            self.v(Class::Word, Op::Word(WordOp::And), &[bytes, mask])
        };
        let shift = Operand::Imm(HALF_BYTE as i64);
        let shifted = Op::Shift(ShiftOp::Right);
        let upper = self.inst(Class::Word, shifted, &[Operand::Reg(bytes), shift], None);
        let from = if high { lanes / 2 } else { 0 };
        let table = (0..lanes).map(|l| (from + l / 2 + if l % 2 == 0 { 0 } else { lanes }) as u8);
        Ok(self.v(Class::Word, Op::Shuffle(table.collect()), &[low, upper]))
    }
}
