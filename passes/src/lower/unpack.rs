//! Packed codes on the way to bytes: fields of words, panels of whole steps.

use super::{Coord, Lower, Place, Result, access::TileRef};
use kgen_ir::{
    machine::{Class, IntOp, Op, Operand, Reg, ShiftOp, Width, WordOp},
    tile::{Expr, LaneDim, Part, Value},
};

impl Lower<'_> {
    /// The packed codes behind `v`, seen through conversions.
    pub(super) fn codes_ref(&self, v: Value) -> Option<TileRef> {
        match self.places.get(&v) {
            Some(Place::Inline(Some(r))) => {
                matches!(r.packed, Some((_, Part::Codes))).then(|| r.clone())
            }
            Some(Place::Inline(None)) => match self.exprs.get(&v) {
                Some(Expr::Convert(a)) => self.codes_ref(*a),
                _ => None,
            },
            Some(Place::Regs(_) | Place::Scratch(_)) | None => None,
        }
    }

    /// Bit field `[shift, shift + bits)` of each byte.
    pub(super) fn field(&mut self, word: Reg, shift: i64, bits: i64) -> Reg {
        if bits == 8 {
            return word;
        }
        let word = if shift == 0 {
            word
        } else {
            self.inst(
                Class::Word,
                Op::Shift(ShiftOp::Right),
                &[Operand::Reg(word), Operand::Imm(shift)],
                None,
            )
        };
        let mask = ((1u32 << bits) - 1) * 0x0101_0101;
        let mask = self.word_const(mask as i32);
        self.v(Class::Word, Op::Word(WordOp::And), &[word, mask])
    }

    /// Writes codes of any width to a tile of bytes of the same lanes: each field of a word is a word there.
    pub(super) fn store_packed(&mut self, to: &TileRef, v: Value) -> Result<()> {
        let Some(from) = self.codes_ref(v) else {
            return Err(self.no("packing what is not packed".into()));
        };
        let (Some((source, _)), Some((target, Part::Codes))) = (&from.packed, &to.packed) else {
            return Err(self.no("packing what are no codes".into()));
        };
        let (lanes, bits) = (self.lanes, i64::from(source.elem.bits()));
        if target.elem.bits() != 8 || target.lanes != source.lanes || source.lanes != lanes {
            return Err(self.no(format!("codes packed as `{source}` to `{target}`")));
        }
        let [rows, k] = self.shape(v)[..] else {
            return Err(self.no("codes that are not [n, k]".into()));
        };
        let fields = 8 / bits as usize;
        let blocks = Operand::Imm((rows / lanes) as i64);
        self.for_loop(Operand::Imm(0), blocks, 1, &[], |l, j, _| {
            let (from, to) = (l.packed_rows(&from, j)?, l.packed_rows(to, j)?);
            for word in 0..k / (4 * fields) {
                let at = |place: usize| [Coord::from(0), Coord::from(place * 4)];
                let codes = l.load_vec(&from, &at(word * fields), LaneDim::Dim(0))?;
                for f in 0..fields {
                    let bytes = l.field(codes, f as i64 * bits, bits);
                    let mem = l.packed_mem(&to, &at(word * fields + f))?;
                    l.effect(Op::Store(Width::W32), &[Operand::Reg(bytes)], mem);
                }
            }
            Ok(((), vec![]))
        })?;
        Ok(())
    }

    /// Block of rows `j` of a packed tile.
    fn packed_rows(&mut self, r: &TileRef, j: Reg) -> Result<TileRef> {
        let Some(step) = r.dims.first().map(|d| d.step) else {
            return Err(self.no("codes that are not [n, k]".into()));
        };
        let bytes = self.int(IntOp::Mul, Operand::Reg(j), step);
        let base = self.int(IntOp::Add, Operand::Reg(r.base), bytes);
        Ok(TileRef { base: self.as_reg(base), ..r.clone() })
    }
}
