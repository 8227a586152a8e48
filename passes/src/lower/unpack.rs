//! Packed codes on the way to bytes: fields of words, panels of whole steps.

use super::{Coord, Lower, Place, Result, access::TileRef};
use kgen_ir::{
    format::pack::{Bits, Order},
    machine::{Class, IntOp, Op, Operand, Reg, Width, WordOp},
    tile::{Expr, LaneDim, Part, Value},
};
use std::rc::Rc;

/// Bits of half a byte.
const HALF: u32 = 4;

impl Lower<'_> {
    /// The packed codes behind `v`, seen through conversions.
    pub(super) fn codes_ref(&self, v: Value) -> Option<Rc<TileRef>> {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => {
                matches!(r.packed, Some((_, Part::Codes))).then(|| r.clone())
            }
            Some(Place::Inline(None)) => match self.expr(v) {
                Some(Expr::Convert(a)) => self.codes_ref(*a),
                _ => None,
            },
            Some(Place::Regs(_) | Place::Scratch(_)) | None => None,
        }
    }

    /// A code of a packed weight, alone in its lane: words are shifted and masked.
    pub(super) fn code_word(
        &mut self,
        a: Value,
        at: &[Coord],
        lanes: LaneDim,
    ) -> Result<Option<Reg>> {
        let Some(Place::Inline(Some(r))) = self.places.get(&a).cloned() else { return Ok(None) };
        let Some((of, Part::Codes)) = r.packed.clone() else { return Ok(None) };
        if of.has_halves() {
            return Ok(None);
        }
        if lanes != LaneDim::Dim(0) {
            return Err(self.no("a packed weight read across its packing".into()));
        }
        if of.trits {
            let place = ((r.inside + at[1].add) % 4 * 8) as i64;
            let quad = self.quads(&r, at[0], at[1].add, 1)?;
            let byte = self.shifted(quad[0], place);
            let mask = self.word_const(3);
            return Ok(Some(self.v(Class::Word, Op::Word(WordOp::And), &[byte, mask])));
        }
        let mut code: Option<Reg> = None;
        for (mem, bits) in self.code_bits(&r, at)? {
            let word = self.inst(Class::Word, Op::Load(Width::W32), &[], Some(mem));
            let first = (bits.byte % 4) as u32 * 8 + bits.bit;
            let shifted = self.shifted(word, i64::from(first) - i64::from(bits.low));
            // Nothing stands above the highest bits, nor, alone, below.
            let part = if first + bits.width == 32 && bits.low == 0 {
                shifted
            } else {
                let mask = self.word_const((((1u32 << bits.width) - 1) << bits.low) as i32);
                self.v(Class::Word, Op::Word(WordOp::And), &[shifted, mask])
            };
            code = Some(match code {
                None => part,
                Some(code) => self.v(Class::Word, Op::Word(WordOp::Or), &[code, part]),
            });
        }
        Ok(code)
    }

    /// The word that holds `k`, of bytes or of pairs.
    pub(super) fn code_vec(&mut self, r: &TileRef, rows: Coord, k: Coord) -> Result<Reg> {
        match self.code_bits(r, &[rows, k])?.first() {
            Some((mem, _)) => Ok(self.inst(Class::Word, Op::Load(Width::W32), &[], Some(*mem))),
            None => Err(self.no("codes without bits".into())),
        }
    }

    /// Bytes of `count` words of four neighbours along k, from `k` on, of a block of rows. They are of one word of the
    /// widest bits.
    pub(super) fn quads(
        &mut self,
        r: &TileRef,
        rows: Coord,
        k: usize,
        count: usize,
    ) -> Result<Vec<Reg>> {
        let trits = r.packed.as_ref().is_some_and(|(of, _)| of.trits);
        if r.packed.as_ref().is_some_and(|(of, _)| of.order == Order::Nibbles) {
            return Err(self.no("a product of codes that are packed as nibbles".into()));
        }
        let matrices = self.lanes.is_multiple_of(2)
            && [Op::Affine, Op::SelectBits].iter().all(|op| self.has(op));
        let mut digits = None;
        let mut out = Vec::new();
        for quad in 0..count {
            let places = self.code_bits(r, &[rows, Coord::from(k + 4 * quad)])?;
            let mut bytes: Option<Reg> = None;
            if let ([(wide, high), (narrow, low)], true) =
                (&places[..], matches!(places[..], [_, _]) && matrices)
            {
                let words = [wide, narrow]
                    .map(|m| self.inst(Class::Word, Op::Load(Width::W32), &[], Some(*m)));
                out.push(self.two_fields(words, [*high, *low]));
                continue;
            }
            for (mem, bits) in places {
                if trits {
                    let all = match &digits {
                        Some(all) => all,
                        None => {
                            let word = self.inst(Class::Word, Op::Load(Width::W32), &[], Some(mem));
                            digits.insert(self.digits(word))
                        }
                    };
                    bytes = all.get(bits.low as usize).copied();
                    continue;
                }
                let word = self.inst(Class::Word, Op::Load(Width::W32), &[], Some(mem));
                let part = self.field(word, &bits);
                bytes = Some(match bytes {
                    None => part,
                    Some(bytes) => self.v(Class::Word, Op::Word(WordOp::Or), &[bytes, part]),
                });
            }
            let Some(bytes) = bytes else {
                return Err(self.no("codes without bits".into()));
            };
            out.push(bytes);
        }
        Ok(out)
    }

    /// A code of bits of two words: half a byte of each becomes one, then a matrix brings the bits to their places. Where
    /// both stand in the same half, the halves of the second are swapped; what the fields of a word share is computed
    /// once.
    fn two_fields(&mut self, [wide, narrow]: [Reg; 2], [first, mut second]: [Bits; 2]) -> Reg {
        let half = |bits: &Bits| bits.bit / HALF;
        let mut other = narrow;
        if half(&first) == half(&second) {
            let swapped =
                [(0, HALF), (HALF, 0)].map(|(bit, low)| Bits { byte: 0, bit, width: HALF, low });
            other = self.affine_of(narrow, &swapped);
            second.bit = (second.bit + HALF) % 8;
        }
        let mask = if half(&first) == 0 { 0x0f0f_0f0f } else { 0xf0f0_f0f0u32 as i32 };
        let mask = self.word_const(mask);
        let both = self.v(Class::Word, Op::SelectBits, &[mask, wide, other]);
        self.affine_of(both, &[first, second])
    }

    /// Some bits of each byte at their places in the code.
    fn affine_of(&mut self, word: Reg, bits: &[Bits]) -> Reg {
        let matrix = self.bit_matrix(bits);
        let operands = [Operand::Reg(word), Operand::Reg(matrix), Operand::Imm(0)];
        self.inst(Class::Word, Op::Affine, &operands, None)
    }

    /// Some bits of each byte, where they stand in the code.
    pub(super) fn field(&mut self, word: Reg, bits: &Bits) -> Reg {
        if bits.width == 8 {
            return word;
        }
        let by = i64::from(bits.bit) - i64::from(bits.low);
        if by != 0 && self.lanes.is_multiple_of(2) && self.has(&Op::Affine) {
            return self.affine_of(word, std::slice::from_ref(bits));
        }
        let word = self.shifted(word, by);
        let mask = ((1u32 << bits.width) - 1) << bits.low;
        let mask = self.word_const((mask * 0x0101_0101) as i32);
        self.v(Class::Word, Op::Word(WordOp::And), &[word, mask])
    }

    /// The 8x8 matrix, in each 64 bits, that moves bits of a byte to their place in the code: one instruction does what
    /// shifts and masks do.
    fn bit_matrix(&mut self, bits: &[Bits]) -> Reg {
        let row = |i: u32| {
            let from = bits.iter().find(|b| (b.low..b.low + b.width).contains(&i));
            from.map_or(0, |b| 1u32 << (b.bit + i - b.low))
        };
        // Bit i of a product is that of byte 7 - i: the higher ones stand in the even lanes.
        let word = |first: u32| (0..4).fold(0, |w, j| w | row(first - j) << (8 * j));
        let (even, odd) = (word(7), word(3));
        let lane = self.inst(Class::Word, Op::Iota, &[], None);
        let [one, none] = [1, 0].map(|x| self.word_const(x));
        let number = self.v(Class::Word, Op::Word(WordOp::And), &[lane, one]);
        let all = self.v(Class::Word, Op::Word(WordOp::Sub), &[none, number]);
        let other = self.word_const((even ^ odd) as i32);
        let other = self.v(Class::Word, Op::Word(WordOp::And), &[all, other]);
        let even = self.word_const(even as i32);
        self.v(Class::Word, Op::Word(WordOp::Xor), &[other, even])
    }

    /// Writes codes of any width to a tile of bytes of the same lanes: each field of a word is a word there.
    pub(super) fn store_packed(&mut self, to: &TileRef, v: Value) -> Result<()> {
        if let Some((of, Part::Codes)) = &to.packed
            && of.has_halves()
        {
            return self.store_fragment(to, of, v);
        }
        let Some(from) = self.codes_ref(v) else {
            return match self.store_turned(to, v)? {
                true => Ok(()),
                false => Err(self.no("packing what is not packed".into())),
            };
        };
        let (Some((source, _)), Some((target, Part::Codes))) = (&from.packed, &to.packed) else {
            return Err(self.no("packing what are no codes".into()));
        };
        let (lanes, together) = (self.lanes, source.together());
        if target.elem.bits() != 8 || target.lanes != source.lanes || source.lanes != lanes {
            return Err(self.no(format!("codes packed as `{source}` to `{target}`")));
        }
        let [rows, k] = self.shape(v)[..] else {
            return Err(self.no("codes that are not [n, k]".into()));
        };
        let blocks = Operand::Imm((rows / lanes) as i64);
        self.for_loop(Operand::Imm(0), blocks, 1, &[], |l, j, _| {
            let (from, to) = (l.packed_rows(&from, j)?, l.packed_rows(to, j)?);
            // Words of the source, wherever the tile begins in the first.
            let mut first = 0;
            while first < k {
                let count = (together - (from.inside + first) % together).min(k - first);
                let quads = l.quads(&from, Coord::from(0), first, count / 4)?;
                let start = first;
                first += count;
                for (f, bytes) in quads.into_iter().enumerate() {
                    let at = [Coord::from(0), Coord::from(start + f * 4)];
                    for (mem, _) in l.code_bits(&to, &at)? {
                        l.effect(Op::Store(Width::W32), &[Operand::Reg(bytes)], mem);
                    }
                }
            }
            Ok(((), vec![]))
        })?;
        Ok(())
    }

    /// Block of rows `j` of a packed tile.
    pub(super) fn packed_rows(&mut self, r: &TileRef, j: Reg) -> Result<TileRef> {
        let Some(step) = r.dims.first().map(|d| d.step) else {
            return Err(self.no("codes that are not [n, k]".into()));
        };
        let bytes = self.int(IntOp::Mul, Operand::Reg(j), step);
        let base = self.int(IntOp::Add, Operand::Reg(r.base), bytes);
        Ok(TileRef { base: self.as_reg(base), ..r.clone() })
    }
}
