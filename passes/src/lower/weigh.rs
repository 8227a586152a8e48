//! Scales of the right operand, moved to the left one.
//!
//! The elements of b are codes times numbers that blocks of columns share. Few rows of a stand before many columns: a
//! times the scale of each block is fewer products than codes times scales, and one for as many k as lanes.
//!
//! ```text
//! o = a * (codes * scale)      a' = a * scale^T for each block     4 rows x 4 blocks, lanes along k
//!                              o = a' * codes                      128 columns as they come
//! ```

use super::{Coord, Lower, Place, Result, access::TileDim, access::TileRef, dot::Dot};
use kgen_ir::{
    dtype::Dtype,
    machine::{Class, FloatOp, Mem, Op, Operand, Width},
    tile::{Binary, Expr, LaneDim, Value, field::Field},
};

/// A left operand times the scales of the right one.
#[derive(Clone)]
pub(super) struct Weighed {
    /// By row, k and column.
    pub a: TileRef,
    /// The right operand without its scales.
    pub codes: Value,
    block: usize,
}

impl Weighed {
    /// Whether a block begins `columns` behind the first of `all` columns; where blocks and those do not fit, always.
    pub fn begins(&self, columns: usize, all: usize) -> bool {
        let fit = all.is_multiple_of(self.block) || self.block.is_multiple_of(all);
        !fit || columns.is_multiple_of(self.block)
    }
}

impl Lower<'_> {
    /// Computes the left operand of a product by columns times the scales of the right one, if that is less work.
    pub(super) fn weigh(&mut self, dot: Dot) -> Result<()> {
        let inline = matches!(self.places.get(&dot.b), Some(Place::Inline(None)));
        let Some(Expr::Binary(Binary::Mul, codes, scale)) = self.expr(dot.b).cloned() else {
            return Ok(());
        };
        let Some(Place::Inline(Some(from))) = self.places.get(&scale).cloned() else {
            return Ok(());
        };
        let Some((field, Operand::Imm(0))) = from.field else { return Ok(()) };
        let lanes = self.lanes;
        let neighbours = matches!(from.dims.first().map(|d| d.step), Some(Operand::Imm(4)));
        let both = [codes, scale].iter().all(|v| self.shape(*v) == [dot.k, dot.n]);
        let blocks = dot.n.div_ceil(field.block);
        let less = 2 * dot.m * blocks <= dot.n && field.block.is_multiple_of(lanes);
        let whole = dot.k.is_multiple_of(lanes) && field.step == 0 && from.elem == Dtype::F32;
        let kept = matches!(self.places.get(&dot.a), Some(Place::Scratch(_)));
        if !(inline && neighbours && both && less && whole && kept) {
            return Ok(());
        }
        let rows = 4 * dot.k;
        let to = self.scratch_bytes(blocks * dot.m * rows) as i32;
        let scratch = self.scratch_base();
        let float = Op::Load(Width::W32);
        for at in (0..dot.k).step_by(lanes) {
            for block in 0..blocks {
                let offset = from.offset + (block * field.stride / 8 + 4 * at) as i32;
                let mem = Mem { base: from.base, offset };
                let scale = self.inst(Class::Float, float.clone(), &[], Some(mem));
                for row in 0..dot.m {
                    let a = [Coord::from(row), Coord::from(at)];
                    let a = self.vec(dot.a, &a, LaneDim::Dim(1))?;
                    let x = self.v(Class::Float, Op::Float(FloatOp::Mul), &[a, scale]);
                    let offset = to + ((block * dot.m + row) * rows + 4 * at) as i32;
                    let mem = Mem { base: scratch, offset };
                    self.effect(Op::Store(Width::W32), &[Operand::Reg(x)], mem);
                }
            }
        }
        let dim = |len, step: usize| TileDim { len, step: Operand::Imm(step as i64), guard: None };
        let own = Field { block: field.block, stride: 8 * dot.m * rows, at: 0, step: 0 };
        let a = TileRef {
            base: scratch,
            offset: to,
            elem: Dtype::F32,
            dims: vec![dim(dot.m, rows), dim(dot.k, 4), dim(dot.n, 0)],
            packed: None,
            inside: 0,
            field: Some((own, Operand::Imm(0))),
            align: 4,
            ahead: None,
            chunks: None,
        };
        self.weighed.insert(dot.out, Weighed { a, codes, block: field.block });
        Ok(())
    }
}
