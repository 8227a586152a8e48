//! Addresses: tiles of tensors in memory, whole vectors, partial vectors, guarded ones.

use super::{Coord, Lower, Result, free_strides};
use kgen_ir::tile::field::Field;
use kgen_ir::{
    dtype::Dtype,
    extent::{BinOp, Extent},
    format::pack::Packing,
    layout::banks::Chunks,
    machine::{Class, Cvt, IntOp, Mem, Op, Operand, Reg, Slot, Width},
    tile::{Compare, LaneDim, Part, Slice, Store, Tensor},
};

/// A tile of a tensor in memory, its start resolved to an address.
#[derive(Clone, Debug)]
pub(super) struct TileRef {
    pub base: Reg,
    pub offset: i32,
    pub elem: Dtype,
    /// One per tile dimension.
    pub dims: Vec<TileDim>,
    pub packed: Option<(Packing, Part)>,
    /// Of a packed weight: elements, of inner factors numbers, from the start of a group to the tile.
    pub inside: usize,
    /// Where elements of the last dimension stand in a row, and the first of them.
    pub field: Option<(Field, Operand)>,
    /// What its address, and that of each row, is a multiple of.
    pub align: usize,
    /// The tile of a later turn; products ask for its rows while they read this one.
    pub ahead: Option<Box<(TileRef, u8)>>,
    /// How the chunks of rows lie, where that is not one behind the other.
    pub chunks: Option<Chunks>,
}

#[derive(Clone, Debug)]
pub(super) struct TileDim {
    pub len: usize,
    /// Bytes from one element to the next.
    pub step: Operand,
    /// Index of the tile's first element and size of the tensor, where elements may lie outside.
    pub guard: Option<(Operand, Operand)>,
}

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// How elements in memory become lanes.
#[derive(Clone)]
pub(super) struct Form {
    pub class: Class,
    /// Of an element in memory.
    pub width: Width,
    pub load: Op,
    pub splat: Op,
}

impl Form {
    fn plain((class, width): (Class, Width)) -> Form {
        Form { class, width, load: Op::Load(width), splat: Op::Splat(width) }
    }
}

/// f16 elements as floats.
pub(super) const HALF_FLOATS: Form =
    Form { class: Class::Float, width: Width::U16, load: Op::LoadF16, splat: Op::SplatF16 };

impl Lower<'_> {
    pub(super) fn tile_ref(&mut self, name: &str, at: &[Slice], guard: bool) -> Result<TileRef> {
        let tensor = match self.kernel.tensor(name) {
            Some(t) => t.clone(),
            None => return Err(self.no(format!("the tensor `{name}`"))),
        };
        match &tensor.store {
            Store::Strided => self.strided_ref(&tensor, at, guard),
            Store::Field(field) => self.field_ref(&tensor, *field, at, guard),
            // Numbers one after the other, not a part of each group.
            Store::Packed { part: Part::Order, .. } => self.strided_ref(&tensor, at, guard),
            Store::Packed { of, part } => self.packed_ref(&tensor, of, *part, at),
            Store::Blocks(f) => Err(self.no(format!("reading raw {} blocks", f.name))),
        }
    }

    fn strided_ref(&mut self, tensor: &Tensor, at: &[Slice], guard: bool) -> Result<TileRef> {
        let Some(bytes) = tensor.elem.bytes() else {
            return Err(self.no(format!("addressing elements of {}", tensor.elem)));
        };
        let (start, offset) = self.start_of(tensor);
        let mut terms = vec![Operand::Reg(start)];
        let mut dims = Vec::new();
        for (d, slice) in at.iter().enumerate() {
            let step = self.stride(tensor, d, bytes)?;
            let index = self.extent(&slice.start)?;
            terms.push(self.int(IntOp::Mul, index, step));
            dims.extend(self.dim_of(slice, &tensor.shape[d], index, step, guard)?);
        }
        let address = self.total(terms);
        let (base, offset) = self.base_and_offset(address, offset);
        let elem = tensor.elem;
        let align = alignment(tensor, at, bytes);
        let chunks = self.staged.get(&tensor.name).copied();
        let (packed, field, ahead) = (None, None, None);
        Ok(TileRef { base, offset, elem, dims, packed, inside: 0, field, align, ahead, chunks })
    }

    /// The dimension of a tile that a slice is, if it is no point.
    fn dim_of(
        &mut self,
        slice: &Slice,
        size: &Extent,
        index: Operand,
        step: Operand,
        guard: bool,
    ) -> Result<Option<TileDim>> {
        let Some(len) = slice.len else { return Ok(None) };
        let guarded = guard && !whole(slice, len, size);
        let guard = if guarded { Some((index, self.extent(size)?)) } else { None };
        Ok(Some(TileDim { len, step, guard }))
    }

    /// The rows are those of the tensor that the launch gives.
    fn field_ref(
        &mut self,
        tensor: &Tensor,
        field: Field,
        at: &[Slice],
        guard: bool,
    ) -> Result<TileRef> {
        let mut address = Operand::Reg(self.arg(Slot::Pointer(tensor.name.clone())));
        let Some((last, lead)) = at.split_last() else {
            return Err(self.no("a field without rows".into()));
        };
        let mut dims = Vec::new();
        for (d, slice) in lead.iter().enumerate() {
            let step = Operand::Reg(self.arg(Slot::Stride(tensor.name.clone(), d)));
            let index = self.extent(&slice.start)?;
            let bytes = self.int(IntOp::Mul, index, step);
            address = self.int(IntOp::Add, address, bytes);
            dims.extend(self.dim_of(slice, &tensor.shape[d], index, step, guard)?);
        }
        let size = tensor.shape.last().and_then(Extent::as_lit).unwrap_or(0);
        let inside = last.start == Extent::Lit(0) && last.len.is_some_and(|n| n as i64 <= size);
        let Some(len) = last.len.filter(|_| inside || !guard) else {
            return Err(self.no("a part of the row of a field, under a guard".into()));
        };
        let start = self.extent(&last.start)?;
        dims.push(TileDim { len, step: Operand::Imm(0), guard: None });
        let base = self.as_reg(address);
        let field = Some((field, start));
        let elem = tensor.elem;
        let (packed, ahead, chunks) = (None, None, None);
        Ok(TileRef {
            base,
            offset: 0,
            elem,
            dims,
            packed,
            inside: 0,
            field,
            align: 1,
            ahead,
            chunks,
        })
    }

    /// Where a tensor begins: address and bytes behind it.
    pub(super) fn start_of(&mut self, tensor: &Tensor) -> (Reg, i32) {
        match self.scratch_tensors.get(&tensor.name).copied() {
            Some(at) => (self.scratch_base(), at as i32),
            None => (self.arg(Slot::Pointer(tensor.name.clone())), 0),
        }
    }

    /// Bytes between neighbours along dimension `d`: an argument for the caller's tensors, dense otherwise.
    fn stride(&mut self, tensor: &Tensor, d: usize, bytes: usize) -> Result<Operand> {
        if d + 1 == tensor.shape.len() {
            return Ok(Operand::Imm(bytes as i64));
        }
        if free_strides(tensor.role) {
            return Ok(Operand::Reg(self.arg(Slot::Stride(tensor.name.clone(), d))));
        }
        let inner =
            tensor.shape[d + 1..].iter().fold(Extent::Lit(bytes as i64), |a, e| a * e.clone());
        self.extent(&inner)
    }

    /// The address with what is added to it last beside it, where that fits.
    pub(super) fn base_and_offset(&mut self, address: Operand, offset: i32) -> (Reg, i32) {
        let address = self.as_reg(address);
        let known = self.affine(address);
        let more = i32::try_from(known.add).ok().and_then(|add| offset.checked_add(add));
        match (known.factor, more) {
            (1, Some(offset)) => (known.reg, offset),
            _ => (address, offset),
        }
    }

    /// `base + offset + sum of coord * step`.
    pub(super) fn address(&mut self, r: &TileRef, at: &[Coord]) -> Result<Mem> {
        if r.chunks.is_some() {
            return Err(self.no("a staged tile read element by element".into()));
        }
        let mut base = Operand::Reg(r.base);
        let mut offset = i64::from(r.offset);
        let mut dims: Vec<_> = r.dims.iter().zip(at).collect();
        if let (Some((field, start)), Some((dim, coord))) = (&r.field, dims.last().copied()) {
            dims.pop();
            let (byte, more) = self.field_byte(*field, *start, *coord, dim.len)?;
            base = self.int(IntOp::Add, base, byte);
            offset += more;
        }
        for (dim, coord) in dims {
            match dim.step {
                Operand::Imm(step) => offset += coord.add as i64 * step,
                Operand::Reg(_) => {
                    let bytes = self.int(IntOp::Mul, dim.step, Operand::Imm(coord.add as i64));
                    base = self.int(IntOp::Add, base, bytes);
                }
            }
            if let Some(reg) = coord.reg {
                let bytes = self.int(IntOp::Mul, Operand::Reg(reg), dim.step);
                base = self.int(IntOp::Add, base, bytes);
            }
        }
        let Ok(small) = i32::try_from(offset) else {
            let base = self.int(IntOp::Add, base, Operand::Imm(offset));
            return Ok(Mem { base: self.as_reg(base), offset: 0 });
        };
        Ok(Mem { base: self.as_reg(base), offset: small })
    }

    /// Class and width of an element type's lanes.
    pub(super) fn lane_form(&self, elem: Dtype) -> Result<(Class, Width)> {
        Ok(match elem {
            Dtype::F32 => (Class::Float, Width::W32),
            Dtype::I32 | Dtype::U32 => (Class::Word, Width::W32),
            Dtype::F16 | Dtype::BF16 | Dtype::U16 => (Class::Word, Width::U16),
            Dtype::I16 => (Class::Word, Width::S16),
            Dtype::I8 => (Class::Word, Width::S8),
            Dtype::U8 => (Class::Word, Width::U8),
            Dtype::E4M3 | Dtype::E5M2 | Dtype::I64 | Dtype::Code(_) | Dtype::Bool => {
                return Err(self.no(format!("vectors of {elem}")));
            }
        })
    }

    /// A vector of `r` at `at`: `lanes` neighbours along the last dimension, or one element in every lane.
    pub(super) fn load_vec(&mut self, r: &TileRef, at: &[Coord], lanes: LaneDim) -> Result<Reg> {
        if r.packed.is_some() {
            return self.load_packed(r, at, lanes);
        }
        if r.elem.bits() < 8 {
            return self.guarded(r, at, lanes, Class::Word, |l| l.load_codes(r, at, lanes, false));
        }
        let form = Form::plain(self.lane_form(r.elem)?);
        self.load_as(r, at, lanes, form)
    }

    pub(super) fn load_as(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        lanes: LaneDim,
        form: Form,
    ) -> Result<Reg> {
        if let LaneDim::Bits(bits) = lanes {
            return self.load_bits(r, at, bits, &form);
        }
        if r.field.is_some() {
            return self.guarded(r, at, lanes, form.class, |l| l.load_field(r, at, lanes, &form));
        }
        if let LaneDim::Dim(d) = lanes
            && d + 1 == r.dims.len()
            && self.threads()
            && self.row_count(r, at).is_none()
            && let Some((room, index)) = self.room(r, at, lanes)
        {
            // All lanes or none: no branch.
            let mem = self.address(r, at)?;
            let left = self.int(IntOp::Sub, room, index);
            let some = self.int(IntOp::Max, left, Operand::Imm(0));
            let some = self.int(IntOp::Min, some, Operand::Imm(1));
            let count = self.int(IntOp::Mul, some, Operand::Imm(self.lanes as i64));
            return self.load_part(&form, mem, count);
        }
        self.guarded(r, at, lanes, form.class, |l| {
            let mem = l.address(r, at)?;
            match lanes {
                LaneDim::Splat => Ok(l.inst(form.class, form.splat, &[], Some(mem))),
                LaneDim::Dim(d) if d + 1 == r.dims.len() => l.load_row(r, at, &form, mem),
                LaneDim::Dim(_) | LaneDim::Bits(_) => {
                    Err(l.no("lanes along a strided dimension".into()))
                }
            }
        })
    }

    /// Of a row: the room from the first of its tile on, which is one for all of them, and its own index; all guarded indices
    /// but a lane's are inside iff the room is more. `None` if there are none.
    fn room(&mut self, r: &TileRef, at: &[Coord], lanes: LaneDim) -> Option<(Operand, Operand)> {
        let last = r.dims.len().saturating_sub(1);
        let asked = |d: usize, dim: &TileDim| d != last || dim.len == 1 || lanes == LaneDim::Splat;
        let checks: Vec<_> = (r.dims.iter().zip(at).enumerate())
            .filter(|(d, (dim, _))| asked(*d, dim))
            .filter_map(|(_, (dim, coord))| Some((dim.guard?, *coord)))
            .collect();
        let mut left = |(start, size), coord| {
            let index = self.index(start, coord);
            self.int(IntOp::Sub, size, index)
        };
        match &checks[..] {
            [] => None,
            [(guard, coord)] => {
                let first = Coord { add: 0, ..*coord };
                Some((left(*guard, first), Operand::Imm(coord.add as i64)))
            }
            [..] => {
                let all: Vec<_> = checks.iter().map(|(g, c)| left(*g, *c)).collect();
                let least = all.into_iter().reduce(|a, b| self.int(IntOp::Min, a, b));
                least.map(|least| (least, Operand::Imm(0)))
            }
        }
    }

    /// Runs `load` where every guarded index but a lane's is inside, gives zeros elsewhere.
    pub(super) fn guarded(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        lanes: LaneDim,
        class: Class,
        load: impl FnOnce(&mut Self) -> Result<Reg>,
    ) -> Result<Reg> {
        let room = self.room(r, at, lanes);
        let Some((room, index)) = room else { return load(self) };
        let got = self.if_else(
            (Compare::Gt, room, index),
            |l| Ok(vec![load(l)?]),
            |l| Ok(vec![l.zero(class)]),
        )?;
        Ok(got[0])
    }

    /// Asks for a row of the later tile.
    pub(super) fn hint_row(&mut self, r: &TileRef, row: Coord) -> Result<()> {
        let (Some(ahead), Some(last)) = (&r.ahead, r.dims.last()) else { return Ok(()) };
        let (later, level) = &**ahead;
        let mem = self.address(later, &[row, Coord::from(0)])?;
        for byte in (0..row_bytes(r, last.len)).step_by(LINE) {
            let mem = Mem { offset: mem.offset + byte as i32, ..mem };
            self.effect(Op::Prefetch(*level), &[], mem);
        }
        Ok(())
    }

    pub(super) fn zero(&mut self, class: Class) -> Reg {
        match class {
            Class::Float => self.float_const(0.0),
            Class::Word | Class::Int | Class::Mask => self.word_const(0),
        }
    }

    pub(super) fn index(&mut self, start: Operand, coord: Coord) -> Operand {
        let moved = self.int(IntOp::Add, start, Operand::Imm(coord.add as i64));
        match coord.reg {
            Some(reg) => self.int(IntOp::Add, moved, Operand::Reg(reg)),
            None => moved,
        }
    }

    /// Elements of a row vector that exist: all of them (`None`) or a count.
    fn row_count(&mut self, r: &TileRef, at: &[Coord]) -> Option<Operand> {
        let (dim, coord) = (r.dims.last()?, *at.last()?);
        let tile_left = match coord.reg {
            // Loops of the lowering only visit whole vectors.
            Some(_) => self.lanes,
            None => dim.len - coord.add.min(dim.len),
        };
        let room = dim.guard.map(|(start, size)| {
            let index = self.index(start, coord);
            let room = self.int(IntOp::Sub, size, index);
            self.int(IntOp::Max, room, Operand::Imm(0))
        });
        let static_count = Operand::Imm(tile_left.min(self.lanes) as i64);
        match room {
            None if tile_left >= self.lanes => None,
            None => Some(static_count),
            Some(room) => Some(self.int(IntOp::Min, room, static_count)),
        }
    }

    fn load_row(&mut self, r: &TileRef, at: &[Coord], form: &Form, mem: Mem) -> Result<Reg> {
        let whole = |l: &mut Self| l.inst(form.class, form.load.clone(), &[], Some(mem));
        match self.row_count(r, at) {
            None => Ok(whole(self)),
            Some(Operand::Imm(n)) if n as usize >= self.lanes => Ok(whole(self)),
            Some(count) => {
                let lanes = Operand::Imm(self.lanes as i64);
                let got = self.if_else(
                    (Compare::Ge, count, lanes),
                    |l| Ok(vec![whole(l)]),
                    |l| Ok(vec![l.load_part(form, mem, count)?]),
                )?;
                Ok(got[0])
            }
        }
    }

    /// `count < lanes` elements, zeros behind: by one instruction, or through the first bytes of scratch.
    pub(super) fn load_part(&mut self, form: &Form, mem: Mem, count: Operand) -> Result<Reg> {
        let part = Op::LoadPart(form.width);
        if self.has(&part) {
            return Ok(if form.load == Op::LoadF16 {
                let halves = self.inst(Class::Word, part, &[count], Some(mem));
                let cvt = Op::Cvt(Cvt::FloatFromF16);
                self.inst(Class::Float, cvt, &[Operand::Reg(halves)], None)
            } else {
                self.inst(form.class, part, &[count], Some(mem))
            });
        }
        let temp = self.scratch_base();
        let zero = self.word_const(0);
        self.effect(Op::Store(Width::W32), &[Operand::Reg(zero)], Mem { base: temp, offset: 0 });
        let bytes = width_bytes(form.width);
        let source =
            self.int(IntOp::Add, Operand::Reg(mem.base), Operand::Imm(i64::from(mem.offset)));
        self.copy_elements(source, Operand::Reg(temp), bytes, count)?;
        Ok(self.inst(form.class, form.load.clone(), &[], Some(Mem { base: temp, offset: 0 })))
    }

    fn copy_elements(
        &mut self,
        from: Operand,
        to: Operand,
        bytes: usize,
        count: Operand,
    ) -> Result<()> {
        let width = match bytes {
            1 => Width::U8,
            2 => Width::U16,
            _ => Width::W32,
        };
        self.for_loop(Operand::Imm(0), count, 1, &[], |l, i, _| {
            let step = l.int(IntOp::Mul, Operand::Reg(i), Operand::Imm(bytes as i64));
            let source = l.int(IntOp::Add, from, step);
            let target = l.int(IntOp::Add, to, step);
            let source = Mem { base: l.as_reg(source), offset: 0 };
            let target = Mem { base: l.as_reg(target), offset: 0 };
            let x = l.inst(Class::Int, Op::Read(width), &[], Some(source));
            l.effect(Op::Write(width), &[Operand::Reg(x)], target);
            Ok(((), vec![]))
        })?;
        Ok(())
    }

    /// Writes a vector of `r` at `at`; elements outside are left alone.
    pub(super) fn store_vec(
        &mut self,
        r: &TileRef,
        at: &[Coord],
        value: Reg,
        lanes: LaneDim,
    ) -> Result<()> {
        let (_, width) = self.lane_form(r.elem)?;
        if let LaneDim::Bits(bits) = lanes {
            return self.store_bits(r, at, bits, (value, width));
        }
        let last = r.dims.len().saturating_sub(1);
        let mut room: Option<Operand> = None;
        for (d, (dim, coord)) in r.dims.iter().zip(at).enumerate() {
            if let Some((start, size)) = dim.guard
                && (d != last || lanes == LaneDim::Splat)
            {
                let index = self.index(start, *coord);
                let left = self.int(IntOp::Sub, size, index);
                room = Some(match room {
                    Some(r) => self.int(IntOp::Min, r, left),
                    None => left,
                });
            }
        }
        let count = match lanes {
            LaneDim::Splat => Some(Operand::Imm(1)),
            LaneDim::Dim(_) | LaneDim::Bits(_) => self.row_count(r, at),
        };
        let mem = self.address(r, at)?;
        let write = |l: &mut Self| -> Result<()> {
            let whole = |l: &mut Self| l.effect(Op::Store(width), &[Operand::Reg(value)], mem);
            match count {
                None => whole(l),
                Some(Operand::Imm(n)) if n as usize >= l.lanes => whole(l),
                Some(Operand::Imm(_)) => l.store_part(width, mem, value, count)?,
                Some(n) => {
                    let lanes = Operand::Imm(l.lanes as i64);
                    l.if_else(
                        (Compare::Ge, n, lanes),
                        |l| {
                            whole(l);
                            Ok(vec![])
                        },
                        |l| {
                            l.store_part(width, mem, value, count)?;
                            Ok(vec![])
                        },
                    )?;
                }
            }
            Ok(())
        };
        match room {
            None => write(self),
            Some(room) => {
                self.if_else(
                    (Compare::Gt, room, Operand::Imm(0)),
                    |l| {
                        write(l)?;
                        Ok(vec![])
                    },
                    |_| Ok(vec![]),
                )?;
                Ok(())
            }
        }
    }

    fn store_part(
        &mut self,
        width: Width,
        mem: Mem,
        value: Reg,
        count: Option<Operand>,
    ) -> Result<()> {
        let count = count.unwrap_or(Operand::Imm(self.lanes as i64));
        let part = Op::StorePart(width);
        if self.has(&part) {
            self.effect(part, &[Operand::Reg(value), count], mem);
            return Ok(());
        }
        let temp = self.scratch_base();
        self.effect(Op::Store(width), &[Operand::Reg(value)], Mem { base: temp, offset: 0 });
        let target =
            self.int(IntOp::Add, Operand::Reg(mem.base), Operand::Imm(i64::from(mem.offset)));
        self.copy_elements(Operand::Reg(temp), target, width_bytes(width), count)
    }

    /// One hint a cache line of each row.
    pub(super) fn prefetch_tile(&mut self, r: &TileRef, level: u8) -> Result<()> {
        if let Some((of, _)) = r.packed.clone() {
            return self.prefetch_packed(r, &of, level);
        }
        let Some((last, outer)) = r.dims.split_last() else { return Ok(()) };
        let rows: usize = outer.iter().map(|d| d.len).product();
        let row_bytes = row_bytes(r, last.len);
        if outer.len() > 1 {
            return Err(self.no("a hint for a tile of more than two dimensions".into()));
        }
        self.for_loop(Operand::Imm(0), Operand::Imm(rows as i64), 1, &[], |l, row, _| {
            let mut at = vec![Coord::from(0); r.dims.len()];
            if let Some(first) = at.first_mut().filter(|_| outer.len() == 1) {
                (first.reg, first.span) = (Some(row), 1);
            }
            let mem = l.address(r, &at)?;
            for byte in (0..row_bytes).step_by(LINE) {
                let mem = Mem { offset: mem.offset + byte as i32, ..mem };
                l.effect(Op::Prefetch(level), &[], mem);
            }
            Ok(((), vec![]))
        })?;
        Ok(())
    }
}

/// A power of two, at most what the widest access wants, that the addresses of a tile's rows are multiples of.
fn alignment(tensor: &Tensor, at: &[Slice], bytes: usize) -> usize {
    // The caller may give tensors of any address and stride.
    if free_strides(tensor.role) {
        return bytes;
    }
    let inner = |d: usize| {
        let sizes = tensor.shape.get(d + 1..).unwrap_or(&[]);
        sizes.iter().fold(Extent::Lit(bytes as i64), |a, e| a * e.clone())
    };
    let holds = |unit: &i64| {
        at.iter().enumerate().all(|(d, slice)| {
            let last = d + 1 == at.len();
            let rows = last || slice.len.is_none_or(|n| n == 1) || multiple(&inner(d), *unit);
            rows && multiple(&(slice.start.clone() * inner(d)), *unit)
        })
    };
    [16, 8, 4, 2].into_iter().find(holds).map_or(1, |unit| unit as usize)
}

/// Bytes of a row of a tile in memory.
fn row_bytes(r: &TileRef, len: usize) -> usize {
    match &r.field {
        Some((field, _)) => (len.div_ceil(field.block) * field.stride).div_ceil(8),
        None => len * r.elem.bytes().unwrap_or(1),
    }
}

pub(super) fn width_bytes(width: Width) -> usize {
    match width {
        Width::W128 => 16,
        Width::W64 => 8,
        Width::W32 => 4,
        Width::U16 | Width::S16 => 2,
        Width::U8 | Width::S8 => 1,
    }
}

/// Whether a tile is all of a dimension: one of its size that begins at a multiple of it.
fn whole(slice: &Slice, len: usize, size: &Extent) -> bool {
    *size == Extent::Lit(len as i64) && multiple(&slice.start, len as i64)
}

/// Whether `e` is a multiple of `unit`, whatever its symbols are.
pub(super) fn multiple(e: &Extent, unit: i64) -> bool {
    match e {
        Extent::Lit(x) => x % unit.max(1) == 0,
        Extent::Bin(BinOp::Mul, a, b) => multiple(a, unit) || multiple(b, unit),
        Extent::Bin(BinOp::Add | BinOp::Sub | BinOp::Min | BinOp::Max, a, b) => {
            multiple(a, unit) && multiple(b, unit)
        }
        Extent::Bin(BinOp::Div | BinOp::Rem | BinOp::CeilDiv, ..)
        | Extent::Sym(_)
        | Extent::Cores
        | Extent::Ragged(..) => unit <= 1,
    }
}
