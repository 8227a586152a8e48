//! Packed weights in memory: where the lanes of codes, scales and inner factors stand.

use super::{
    Coord, Lower, Result,
    access::{LINE, TileDim, TileRef},
};
use kgen_ir::{
    dtype::Dtype,
    format::pack::{Bits, Packing, Sizes},
    machine::{Class, IntOp, Mem, Op, Operand, Reg, ShiftOp, WordOp},
    tile::{LaneDim, Part, Slice, Store, Tensor},
};

impl Lower<'_> {
    /// Where a part of a packed weight begins: where the codes are read, too, so many bytes behind them, so that one
    /// address serves both.
    fn start_of_part(
        &mut self,
        tensor: &Tensor,
        of: &Packing,
        part: Part,
        sizes: &Sizes,
    ) -> (Reg, i32) {
        let behind = match part {
            Part::Scale => sizes.scale,
            Part::Min => sizes.min,
            Part::Zeros | Part::RowZeros => sizes.zeros,
            Part::InnerScale | Part::InnerMin => sizes.inner,
            Part::Codes | Part::Order => None,
        };
        let weight = tensor.name.strip_suffix(part.name());
        let codes = weight.map(|w| format!("{w}{}", Part::Codes.name()));
        let codes = codes.and_then(|name| self.kernel.tensor(&name).cloned());
        match (codes, behind.and_then(|b| i32::try_from(b).ok())) {
            (Some(codes), Some(behind))
                if codes.store == (Store::Packed { of: of.clone(), part: Part::Codes }) =>
            {
                let (start, offset) = self.start_of(&codes);
                (start, offset + behind)
            }
            _ => self.start_of(tensor),
        }
    }

    /// `x` as a multiple of `unit` and the number behind it, if that is one.
    fn split(&mut self, x: Operand, unit: usize) -> Option<(Operand, usize)> {
        let unit = unit as i64;
        let rest = match x {
            Operand::Imm(x) => x.rem_euclid(unit),
            Operand::Reg(r) => {
                let known = self.affine(r);
                if known.factor % unit != 0 {
                    return None;
                }
                known.add.rem_euclid(unit)
            }
        };
        let whole = self.int(IntOp::Sub, x, Operand::Imm(rest));
        Some((self.int(IntOp::Div, whole, Operand::Imm(unit)), rest as usize))
    }

    /// Rows start at a multiple of the lanes, k at a multiple of the group or, in larger groups, of a step (codes), or
    /// anywhere (scales).
    pub(super) fn packed_ref(
        &mut self,
        tensor: &Tensor,
        of: &Packing,
        part: Part,
        at: &[Slice],
    ) -> Result<TileRef> {
        let inner = of.inner.as_ref().map_or(1, |i| i.group.max(1));
        let k = match (part, &tensor.shape[..]) {
            (Part::Codes, [_, k]) => k.as_lit(),
            (Part::Scale | Part::Min | Part::Zeros, [groups, _])
            | (Part::RowZeros, [_, groups]) => groups.as_lit().map(|g| g * of.group as i64),
            (Part::InnerScale | Part::InnerMin, [groups, _]) => {
                groups.as_lit().map(|g| g * inner as i64)
            }
            _ => None,
        };
        let (Some(k), [first, second]) = (k, at) else {
            return Err(self.no("a packed weight that is not [n, k]".into()));
        };
        let (n, g) = if by_rows(part) { (first, second) } else { (second, first) };
        let sizes = of.sizes(of.lanes, k as usize).map_err(|e| self.no(e.to_string()))?;
        let (start, offset) = self.start_of_part(tensor, of, part, &sizes);
        let base = Operand::Reg(start);
        let row = self.extent(&n.start)?;
        let block = self.int(IntOp::Div, row, Operand::Imm(of.lanes as i64));
        let block = self.int(IntOp::Mul, block, Operand::Imm(sizes.block as i64));
        let index = self.extent(&g.start)?;
        let per_group = Operand::Imm(of.group as i64);
        let inside = part == Part::Codes && g.len.is_some_and(|len| len < of.group);
        let anywhere = || self.no(format!("a place of `{of}` that is no number"));
        let (group, step, fixed) = match part {
            Part::Codes if of.is_fixed() => {
                let anywhere = anywhere();
                let (group, at) = self.split(index, of.group).ok_or(anywhere)?;
                (group, Operand::Imm(0), at)
            }
            Part::InnerScale | Part::InnerMin => {
                let anywhere = anywhere();
                let (group, at) = self.split(index, of.group / inner).ok_or(anywhere)?;
                (group, Operand::Imm(0), at)
            }
            // The one group of a row.
            Part::Codes if inside && k as usize <= of.group => (Operand::Imm(0), index, 0),
            Part::Codes => {
                let rest =
                    if inside { self.int(IntOp::Rem, index, per_group) } else { Operand::Imm(0) };
                (self.int(IntOp::Div, index, per_group), rest, 0)
            }
            Part::Scale | Part::Min | Part::Zeros | Part::RowZeros | Part::Order => {
                (index, Operand::Imm(0), 0)
            }
        };
        let group = self.int(IntOp::Mul, group, Operand::Imm(sizes.group as i64));
        let word = self.int(IntOp::Div, step, Operand::Imm(of.word() as i64));
        let words = self.int(IntOp::Mul, word, Operand::Imm(sizes.container as i64));
        let mut terms = vec![base, block, group, words];
        if of.in_fragments() && part == Part::Codes && n.len == Some(1) {
            // A row anywhere in its block.
            let inside = self.int(IntOp::Rem, row, Operand::Imm(of.lanes as i64));
            let step = of.lane_steps()[0] * 4 * of.chunk();
            terms.push(self.int(IntOp::Mul, inside, Operand::Imm(step as i64)));
        }
        let address = self.total(terms);
        let block_step = Operand::Imm(sizes.block as i64);
        let (base, offset) = self.base_and_offset(address, offset);
        let dims = at
            .iter()
            .filter_map(|s| s.len)
            .map(|len| TileDim { len, step: block_step, guard: None })
            .collect();
        Ok(TileRef {
            // An argument points to the part's first element inside the packed buffer.
            base,
            offset,
            elem: tensor.elem,
            dims,
            packed: Some((of.clone(), part)),
            inside: fixed,
            field: None,
            align: 1,
            ahead: None,
            chunks: None,
        })
    }

    /// Lanes of packed weights are rows. Codes come as words, not one by one.
    pub(super) fn load_packed(&mut self, r: &TileRef, at: &[Coord], lanes: LaneDim) -> Result<Reg> {
        let (of, part) = r.packed.clone().expect("the caller checked");
        if let LaneDim::Bits(bits) = lanes {
            return self.packed_bits(r, (of, part), at, bits);
        }
        if lanes != LaneDim::Dim(if by_rows(part) { 0 } else { 1 }) {
            return Err(self.no("a packed weight read across its packing".into()));
        }
        let elem = match part {
            Part::Scale => of.scale,
            Part::Min => of.min,
            Part::Zeros | Part::RowZeros => of.zeros,
            Part::InnerScale | Part::InnerMin => return self.inner_factor(r, &of, part, at),
            Part::Codes | Part::Order => {
                return Err(self.no("codes that no product multiplies".into()));
            }
        };
        let (class, width) = self.lane_form(elem.unwrap_or(Dtype::F32))?;
        let (mem, _) = self.packed_mem(r, at)?;
        Ok(self.inst(class, Op::Load(width), &[], Some(mem)))
    }

    /// Bytes of a group, as integers.
    fn inner_factor(&mut self, r: &TileRef, of: &Packing, part: Part, at: &[Coord]) -> Result<Reg> {
        let (mem, number) = self.packed_mem(r, at)?;
        let Some(factor) = of.factor(part, number) else {
            return Err(self.no(format!("inner factors of `{of}`")));
        };
        let (class, width) = self.lane_form(r.elem)?;
        let mem = Mem { offset: mem.offset + factor.byte as i32, ..mem };
        let x = self.inst(class, Op::Load(width), &[], Some(mem));
        let x = self.shifted(x, i64::from(factor.bit));
        // Nothing stands above the highest bits.
        if factor.bit + factor.width >= 8 {
            return Ok(x);
        }
        let mask = self.word_const((1i32 << factor.width) - 1);
        Ok(self.v(Class::Word, Op::Word(WordOp::And), &[x, mask]))
    }

    /// To the right; to the left by what is below 0.
    pub(super) fn shifted(&mut self, word: Reg, by: i64) -> Reg {
        let op = match by {
            0 => return word,
            1.. => ShiftOp::Right,
            ..0 => ShiftOp::Left,
        };
        let operands = [Operand::Reg(word), Operand::Imm(by.abs())];
        self.inst(Class::Word, Op::Shift(op), &operands, None)
    }

    /// Where the group of lanes of a packed weight begins that a vector stands in, its scales if they are asked for;
    /// and the number of its element, of an inner factor its own, in the group.
    pub(super) fn packed_mem(&mut self, r: &TileRef, at: &[Coord]) -> Result<(Mem, usize)> {
        let (of, part) = r.packed.clone().expect("the caller checked");
        let (n, g) = if by_rows(part) { (at[0], at[1]) } else { (at[1], at[0]) };
        if n.reg.is_some() || g.reg.is_some() {
            return Err(self.no("a packed weight at a place of a loop".into()));
        }
        let of_group = match part {
            Part::Codes => of.group,
            Part::InnerScale | Part::InnerMin => {
                of.group / of.inner.as_ref().map_or(1, |i| i.group.max(1))
            }
            Part::Scale | Part::Min | Part::Zeros | Part::RowZeros | Part::Order => 1,
        };
        let index = r.inside + g.add;
        let Operand::Imm(block_stride) = r.dims[0].step else {
            return Err(self.no("a packed weight of unknown size".into()));
        };
        let sizes = of.sizes(of.lanes, of.group).map_err(|e| self.no(e.to_string()))?;
        let offset = r.offset as usize
            + n.add / of.lanes * block_stride as usize
            + index / of_group * sizes.group;
        let Ok(offset) = i32::try_from(offset) else {
            return Err(self.no("a packed tile of more than 2 GiB".into()));
        };
        Ok((Mem { base: r.base, offset }, index % of_group))
    }

    /// Where the bits of a code stand: each in the word at an address, whose byte `k % 4` holds them.
    pub(super) fn code_bits(&mut self, r: &TileRef, at: &[Coord]) -> Result<Vec<(Mem, Bits)>> {
        let (of, _) = r.packed.clone().expect("the caller checked");
        let (mem, k) = self.packed_mem(r, at)?;
        let places = of.sizes(of.lanes, of.group).ok().and_then(|s| of.offset_codes(&s, 0, k));
        let Some(places) = places else {
            return Err(self.no(format!("codes packed as `{of}`")));
        };
        let one = |b: Bits| {
            let offset = mem.offset + (b.byte / 4 * 4) as i32;
            (Mem { offset, ..mem }, b)
        };
        Ok(places.into_iter().map(one).collect())
    }

    /// One hint a cache line of a group, or of the part of it that a tile is, for each block of rows. The last part
    /// takes the scales with it.
    pub(super) fn prefetch_packed(&mut self, r: &TileRef, of: &Packing, level: u8) -> Result<()> {
        let sizes = of.sizes(of.lanes, of.group).map_err(|e| self.no(e.to_string()))?;
        let [TileDim { len: rows, step: Operand::Imm(block), .. }, TileDim { len, .. }] =
            r.dims[..]
        else {
            return Err(self.no("a hint for a packed weight that is not [n, k]".into()));
        };
        let place = |k: usize| k / of.word() * sizes.container;
        let start = place(r.inside).next_multiple_of(if r.inside == 0 { 1 } else { LINE });
        let last = r.inside + len >= of.group;
        let end = if last { sizes.group } else { place(r.inside + len) };
        for first in 0..rows.div_ceil(of.lanes) {
            for line in (start..end).step_by(LINE) {
                let at = i64::from(r.offset) + first as i64 * block + line as i64;
                let Ok(offset) = i32::try_from(at) else { continue };
                self.effect(Op::Prefetch(level), &[], Mem { base: r.base, offset });
            }
        }
        Ok(())
    }
}

/// Whether the rows of the weight are the first dimension of a part.
pub(super) fn by_rows(part: Part) -> bool {
    match part {
        Part::Codes | Part::RowZeros => true,
        Part::Scale | Part::Min | Part::Zeros | Part::Order | Part::InnerScale | Part::InnerMin => {
            false
        }
    }
}
