//! Uniform integers: sums become addresses where they can, products shifts, divisions round down.
//!
//! ```text
//! p = iadd x, o : i          nothing, if only addresses use p
//! q = imul t, 12 : i         imul
//! q = imul t, 4 : i          nothing, if only such sums use q
//! r = idiv t, 8 : i          sar
//! ```

use super::{Done, Refused, Select, Sum, VERIFY, Value, fits};
use crate::cpu::native::{
    instr, isa,
    mir::{Arg, GPR, Given, How, Operand as Place, VReg},
};
use iced_x86::Code;
use kgen_ir::machine::*;

impl Select<'_> {
    /// A constant in a general register; not between a comparison and who reads its flags.
    pub(super) fn constant(&mut self, x: i64) -> Done<VReg> {
        if x == 0 {
            return Ok(self.mir.zero(GPR));
        }
        let def = self.mir.vreg(GPR);
        let code = if u32::try_from(x).is_ok() {
            Code::Mov_r32_imm32
        } else if fits(x).is_some() {
            Code::Mov_rm64_imm32
        } else {
            Code::Mov_r64_imm64
        };
        self.emit(code, Some(def), &[Given::Imm(x)])?;
        Ok(def)
    }

    pub(super) fn int(&mut self, operand: Operand) -> Done<VReg> {
        match operand {
            Operand::Reg(reg) => self.of_class(reg, GPR),
            Operand::Imm(x) => self.constant(x),
        }
    }

    /// A register, or a number that fits an instruction.
    pub(super) fn small(&mut self, operand: Operand) -> Done<Result<VReg, i64>> {
        match operand {
            Operand::Imm(x) if fits(x).is_some() => Ok(Err(x)),
            Operand::Imm(_) | Operand::Reg(_) => Ok(Ok(self.int(operand)?)),
        }
    }

    pub(super) fn ints(&mut self, code: Code, sources: &[Given]) -> Done<VReg> {
        let def = self.mir.vreg(GPR);
        self.emit(code, Some(def), sources)?;
        Ok(def)
    }

    /// Compares with a register or with a number that fits an instruction.
    pub(super) fn compare(&mut self, a: VReg, b: Result<VReg, i64>) -> Done<()> {
        let a = Given::Reg(a);
        match b {
            Ok(b) => self.emit(Code::Cmp_r64_rm64, None, &[a, Given::Reg(b)]),
            Err(x) if i8::try_from(x).is_ok() => {
                self.emit(Code::Cmp_rm64_imm8, None, &[a, Given::Imm(x)])
            }
            Err(x) => self.emit(Code::Cmp_rm64_imm32, None, &[a, Given::Imm(x)]),
        }
    }

    pub(super) fn integer(&mut self, op: IntOp, def: Reg, a: Operand, b: Operand) -> Done<()> {
        // What commutes has its number last.
        let (a, b) = match (op, a, b) {
            (
                IntOp::Add | IntOp::Mul | IntOp::Min | IntOp::Max,
                Operand::Imm(_),
                Operand::Reg(_),
            ) => (b, a),
            _ => (a, b),
        };
        let number = match b {
            Operand::Imm(x) => Some(x),
            Operand::Reg(_) => None,
        };
        if let (IntOp::Mul, Operand::Reg(a), Some(x @ (2 | 4 | 8))) = (op, a, number)
            && self.scan.only_scales(def)
        {
            let scaled = Some((self.of_class(a, GPR)?, x as u8));
            return self.set(def, Value { scaled, ..Value::default() });
        }
        if let (IntOp::Add, Operand::Reg(a), Operand::Reg(b)) = (op, a, b) {
            let scaled = |r: Reg| self.values.get(r.index()).and_then(|v| v.scaled);
            let (base, index) = if scaled(b).is_some() { (a, b) } else { (b, a) };
            if let Some(index) = scaled(index) {
                let base = self.of_class(base, GPR)?;
                return self.add(def, Sum { base, index: Some(index), offset: 0 });
            }
        }
        let dies = matches!(a, Operand::Reg(r) if self.scan.dies(r, self.at));
        let a = match a {
            Operand::Imm(_) => self.int(a)?,
            Operand::Reg(reg) => {
                // Sums of sums are one.
                let sum = self.values.get(reg.index()).and_then(|v| v.sum);
                if let (Some(sum), IntOp::Add, Some(x)) = (sum, op, number)
                    && let Some(offset) = fits(x).and_then(|x| sum.offset.checked_add(x))
                {
                    return self.add(def, Sum { offset, ..sum });
                }
                self.of_class(reg, GPR)?
            }
        };
        let v = match (op, number) {
            (IntOp::Add, Some(x)) if fits(x).is_some() => {
                return self.add(def, Sum { base: a, index: None, offset: fits(x).unwrap_or(0) });
            }
            (IntOp::Add, _) => {
                let b = self.int(b)?;
                return self.add(def, Sum { base: a, index: Some((b, 1)), offset: 0 });
            }
            (IntOp::Sub, Some(x)) if x.checked_neg().and_then(fits).is_some() => {
                let offset = x.checked_neg().and_then(fits).unwrap_or(0);
                return self.add(def, Sum { base: a, index: None, offset });
            }
            (IntOp::Sub, _) => {
                let b = self.int(b)?;
                self.ints(Code::Sub_r64_rm64, &[Given::Reg(a), Given::Reg(b)])?
            }
            (IntOp::Mul, Some(x)) => self.times(a, x, dies)?,
            (IntOp::Mul, None) => {
                let b = self.int(b)?;
                self.ints(Code::Imul_r64_rm64, &[Given::Reg(a), Given::Reg(b)])?
            }
            (IntOp::Div | IntOp::Rem, Some(x)) if x <= 0 => {
                return Err(Refused(format!("a division by {x}"), VERIFY));
            }
            // Divisions are slow; both round down, as a shift and a mask do.
            (IntOp::Div, Some(1)) => a,
            // Forms of three operands keep what lives on; every CPU of AVX-512 has them (BMI2).
            (IntOp::Div | IntOp::Rem, Some(x)) if x.count_ones() == 1 && self.isa.k && !dies => {
                let bits = self.constant(x.trailing_zeros().into())?;
                let code = if op == IntOp::Div {
                    Code::VEX_Sarx_r64_rm64_r64
                } else {
                    Code::VEX_Bzhi_r64_rm64_r64
                };
                self.ints(code, &[Given::Reg(a), Given::Reg(bits)])?
            }
            (IntOp::Div, Some(x)) if x.count_ones() == 1 => {
                let by = Given::Imm(x.trailing_zeros().into());
                self.ints(Code::Sar_rm64_imm8, &[Given::Reg(a), by])?
            }
            (IntOp::Rem, Some(x)) if x.count_ones() == 1 => match fits(x - 1) {
                Some(mask) => {
                    self.ints(Code::And_rm64_imm32, &[Given::Reg(a), Given::Imm(mask.into())])?
                }
                None => {
                    let mask = self.constant(x - 1)?;
                    self.ints(Code::And_r64_rm64, &[Given::Reg(a), Given::Reg(mask)])?
                }
            },
            (IntOp::Div | IntOp::Rem, _) => {
                let b = self.int(b)?;
                self.divide(op, a, b)?
            }
            (IntOp::Min | IntOp::Max, _) => {
                let b_dies =
                    number.is_some() || matches!(b, Operand::Reg(r) if self.scan.dies(r, self.at));
                let b = self.int(b)?;
                // One that ends here gives its register to the result.
                let (a, b) = if dies && !b_dies { (b, a) } else { (a, b) };
                let code =
                    if op == IntOp::Min { Code::Cmovl_r64_rm64 } else { Code::Cmovg_r64_rm64 };
                self.compare(a, Ok(b))?;
                self.ints(code, &[Given::Reg(b), Given::Reg(a)])?
            }
        };
        self.bind(def, v)
    }

    /// The sum itself, or a note for those who use it as an address.
    fn add(&mut self, def: Reg, sum: Sum) -> Done<()> {
        if self.scan.only_address(def) {
            return self.set(def, Value { sum: Some(sum), ..Value::default() });
        }
        let mem = self.sum(sum, 0);
        let v = self.ints(Code::Lea_r64_m, &[mem])?;
        self.bind(def, v)
    }

    pub(super) fn times(&mut self, a: VReg, x: i64, dies: bool) -> Done<VReg> {
        let from = Given::Reg(a);
        match x {
            0 => self.constant(0),
            1 => Ok(a),
            2 => {
                let mem =
                    Given::Mem { base: Some(a), index: Some((a, 1)), offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            4 | 8 => {
                let index = Some((a, x as u8));
                let mem = Given::Mem { base: None, index, offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            3 | 5 | 9 => {
                let index = Some((a, x as u8 - 1));
                let mem = Given::Mem { base: Some(a), index, offset: 0, broadcast: false };
                self.ints(Code::Lea_r64_m, &[mem])
            }
            // The shift overwrites its source, so a copy would be needed.
            _ if x.count_ones() == 1 && dies => {
                self.ints(Code::Shl_rm64_imm8, &[from, Given::Imm(x.trailing_zeros().into())])
            }
            _ if i8::try_from(x).is_ok() => {
                self.ints(Code::Imul_r64_rm64_imm8, &[from, Given::Imm(x)])
            }
            _ if fits(x).is_some() => self.ints(Code::Imul_r64_rm64_imm32, &[from, Given::Imm(x)]),
            _ => {
                let b = self.constant(x)?;
                self.ints(Code::Imul_r64_rm64, &[from, Given::Reg(b)])
            }
        }
    }

    /// The instruction rounds to zero, with a remainder of the sign of a; one less where that is negative.
    fn divide(&mut self, op: IntOp, a: VReg, b: VReg) -> Done<VReg> {
        let place = |value, how| Place { value, how };
        let find = |code: Code| {
            instr::coded(code)
                .ok_or_else(|| Refused(format!("{code:?}"), "bless the instruction table"))
        };
        let high = self.mir.vreg(GPR);
        self.mir.fixed(
            find(Code::Cqo)?,
            &[place(a, How::UseIn(isa::RAX)), place(high, How::DefIn(isa::RDX))],
            &[],
        );
        let (quotient, rest) = (self.mir.vreg(GPR), self.mir.vreg(GPR));
        self.mir.fixed(
            find(Code::Idiv_rm64)?,
            &[
                place(b, How::Use),
                place(a, How::UseIn(isa::RAX)),
                place(high, How::UseIn(isa::RDX)),
                place(quotient, How::DefIn(isa::RAX)),
                place(rest, How::DefIn(isa::RDX)),
            ],
            &[Arg::Reg(0)],
        );
        let sign = self.ints(Code::Sar_rm64_imm8, &[Given::Reg(rest), Given::Imm(63)])?;
        if op == IntOp::Div {
            return self.ints(Code::Add_r64_rm64, &[Given::Reg(quotient), Given::Reg(sign)]);
        }
        let more = self.ints(Code::And_r64_rm64, &[Given::Reg(sign), Given::Reg(b)])?;
        self.ints(Code::Add_r64_rm64, &[Given::Reg(rest), Given::Reg(more)])
    }
}
