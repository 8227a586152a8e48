//! Vector instructions: the templates of the rows are filled in, and operands come from registers, from memory, or
//! from the constants behind the code.
//!
//! ```text
//! w = wcmp.le a, b : m       VEX_Vpcmpgtd_ymm_ymm_ymmm256 t = a, b
//!                            VEX_Vpxor_ymm_ymm_ymmm256 w = t, constant
//! ```

use super::{Done, Refused, Select};
use crate::cpu::native::{
    instr::{File, Instr, Role},
    mir::{Bank, GPR, Given, MASK, VECTOR, VReg, WriteMask},
    scan::{self, Load},
    template::{Slot, Source, Step, Template},
};
use iced_x86::Code;
use kgen_ir::machine::*;

/// Of three bits a, b and c, which are f0, cc and aa: f0 | cc & aa.
const OR_AND: i64 = 0xf8;

/// Memory whose first lane stands in all of them.
fn spread(mut mem: Given) -> Given {
    if let Given::Mem { broadcast, .. } = &mut mem {
        *broadcast = true;
    }
    mem
}

impl Select<'_> {
    /// The memory operand of a load that its user does.
    pub(super) fn load(&mut self, reg: Reg) -> Done<Option<Given>> {
        Ok(match self.scan.folded(reg) {
            None => None,
            Some(Load::Vector(mem, _)) => Some(self.address(mem)?),
            Some(Load::Splat(mem)) => Some(spread(self.address(mem)?)),
            Some(Load::Word(word)) => {
                let times = if self.isa.k { 1 } else { self.isa.lanes };
                let constant = self.mir.pool.add(word.to_le_bytes().repeat(times));
                Some(Given::Pool { constant, broadcast: self.isa.k })
            }
        })
    }

    pub(super) fn address(&mut self, mem: Mem) -> Done<Given> {
        let value = self.values.get(mem.base.index()).copied().unwrap_or_default();
        if let Some(sum) = value.sum
            && sum.offset.checked_add(mem.offset).is_some()
        {
            return Ok(self.sum(sum, mem.offset));
        }
        let base = Some(self.of_class(mem.base, GPR)?);
        Ok(Given::Mem { base, index: None, offset: mem.offset, broadcast: false })
    }

    /// A vector operand: a register, or memory where its load was left to us.
    pub(super) fn vector(&mut self, reg: Reg) -> Done<Given> {
        if let Some(mem) = self.load(reg)? {
            return Ok(mem);
        }
        if let Some(load) = self.scan.remade(reg) {
            return Ok(Given::Reg(self.remake(load)?));
        }
        Ok(Given::Reg(self.of_class(reg, VECTOR)?))
    }

    /// A word from memory in all lanes, once more.
    fn remake(&mut self, load: Load) -> Done<VReg> {
        let from = match load {
            Load::Word(0) => return Ok(self.mir.zero(VECTOR)),
            Load::Vector(mem, _) | Load::Splat(mem) => self.address(mem)?,
            Load::Word(word) => {
                let constant = self.mir.pool.add(word.to_le_bytes().to_vec());
                Given::Pool { constant, broadcast: false }
            }
        };
        let v = self.mir.vreg(VECTOR);
        self.emit(self.isa.splat, Some(v), &[from])?;
        Ok(v)
    }

    /// The form is chosen so that a source which nobody needs afterwards becomes the result.
    pub(super) fn fma(&mut self, def: Reg, a: Reg, b: Reg, c: Reg) -> Done<()> {
        let dies = |r: Reg| self.scan.dies(r, self.at) || self.scan.remade(r).is_some();
        let (mut a, mut b, mut ends) = (a, b, [dies(a), dies(b), dies(c)]);
        if self.scan.folded(a).is_some() {
            (a, b) = (b, a);
            ends.swap(0, 1);
        }
        let (load_b, load_c) = (self.scan.folded(b).is_some(), self.scan.folded(c).is_some());
        // The first form takes c, the others a.
        if !load_c && !ends[0] && ends[1] && !ends[2] && !load_b {
            (a, b) = (b, a);
            ends.swap(0, 1);
        }
        let [add, product, last] = self.isa.fma;
        let (code, order) = if load_c || (ends[0] && !ends[2] && !load_b) {
            (product, [a, b, c])
        } else if ends[0] && !ends[2] {
            (last, [a, c, b])
        } else {
            (add, [c, a, b])
        };
        let mut sources = Vec::with_capacity(3);
        for reg in order {
            sources.push(self.vector(reg)?);
        }
        let v = self.mir.vreg(VECTOR);
        self.emit(code, Some(v), &sources)?;
        self.bind(def, v)
    }

    /// `a | b & c`.
    pub(super) fn join_bits(&mut self, def: Reg, a: Reg, [b, c]: [Reg; 2]) -> Done<()> {
        let mut sources = [self.vector(a)?, self.vector(b)?, self.vector(c)?, Given::Imm(OR_AND)];
        if !matches!(sources[1], Given::Reg(_)) {
            sources.swap(1, 2);
        }
        let v = self.mir.vreg(VECTOR);
        self.emit(Code::EVEX_Vpternlogd_zmm_k1z_zmm_zmmm512b32_imm8, Some(v), &sources)?;
        self.bind(def, v)
    }

    /// The template of the op.
    pub(super) fn row(&mut self, inst: &Inst, def: Option<Reg>) -> Done<()> {
        let template: &'static Template = match self.templates.get(&inst.op) {
            Some(t) if !t.steps.is_empty() => t,
            Some(_) | None => {
                let instead = "expand it into ops of the target, or choose another schedule";
                return Err(Refused(format!("`{}`", inst.op), instead));
            }
        };
        let mut mem = None;
        if let Some(m) = inst.mem {
            mem = Some(self.address(m)?);
        }
        let mut operands = [None; 3];
        let mut immediate = None;
        let takes_imm = inst.op.signature().uses.last() == Some(&Use::Imm);
        for (place, operand) in operands.iter_mut().zip(&inst.uses) {
            match operand {
                Operand::Imm(x) if takes_imm => immediate = Some(*x),
                Operand::Imm(x) => *place = Some(Given::Reg(self.constant(*x)?)),
                Operand::Reg(reg) => {
                    *place = Some(match self.load(*reg)? {
                        Some(mem) => mem,
                        None => Given::Reg(match self.scan.remade(*reg) {
                            Some(load) => self.remake(load)?,
                            None => self.value(*reg)?,
                        }),
                    });
                }
            }
        }
        if scan::commutes(&inst.op)
            && matches!(operands[0], Some(Given::Mem { .. } | Given::Pool { .. }))
        {
            operands.swap(0, 1);
        }
        let mut temporaries: Vec<(usize, VReg)> = Vec::new();
        for step in &template.steps {
            let made = self.step(step, mem, &operands, immediate, &mut temporaries);
            let made = made?.ok_or_else(|| self.bad(inst))?;
            if let (Some(Slot::Result), Some(def), Some(v)) = (step.def, def, made) {
                self.bind(def, v)?;
            }
        }
        Ok(())
    }

    /// One instruction of a template; gives the register it defines, or `None` where operands do not fit.
    fn step(
        &mut self,
        step: &'static Step,
        mem: Option<Given>,
        operands: &[Option<Given>; 3],
        immediate: Option<i64>,
        temporaries: &mut Vec<(usize, VReg)>,
    ) -> Done<Option<Option<VReg>>> {
        let slot = |slot: Slot, temporaries: &[(usize, VReg)]| match slot {
            Slot::Operand(n) => operands.get(n).copied().flatten(),
            Slot::Temporary(n) => {
                temporaries.iter().find(|(m, _)| *m == n).map(|(_, v)| Given::Reg(*v))
            }
            Slot::Result => None,
        };
        let (mut sources, mut count) = ([Given::Imm(0); 4], 0);
        let mut class = None;
        for (form, source) in step.instr.operands.iter().zip(&step.sources) {
            let wanted = register_class(form.file);
            if step.def.is_some() && class.is_none() && form.role != Role::Use {
                class = wanted;
            }
            let Some(source) = source else { continue };
            let given = match source {
                Source::Slot(s) => slot(*s, temporaries),
                Source::Memory => mem,
                Source::Spread => mem.map(spread),
                Source::Immediate => immediate.map(Given::Imm),
                Source::Literal(x) => Some(Given::Imm(*x)),
                Source::Word(word) => Some(self.pool_word(step.instr, form.memory, *word)),
                Source::ImmediateWord => {
                    immediate.map(|x| self.pool_word(step.instr, form.memory, x as u32))
                }
                Source::Bytes(bytes) => {
                    let all = bytes.iter().copied().cycle().take(form.memory.into()).collect();
                    let constant = self.mir.pool.add(all);
                    Some(Given::Pool { constant, broadcast: false })
                }
            };
            match given {
                Some(Given::Reg(v)) if Some(v.bank()) != wanted => return Ok(None),
                Some(given) => match sources.get_mut(count) {
                    Some(place) => (*place, count) = (given, count + 1),
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
        }
        let merge = match step.merge.map(|s| slot(s, temporaries)) {
            None => None,
            Some(Some(Given::Reg(v))) => Some(v),
            Some(_) => return Ok(None),
        };
        let mask = match step.mask.map(|(m, zero)| (slot(m, temporaries), zero)) {
            None => None,
            Some((Some(Given::Reg(by)), zero)) if by.bank() == MASK => {
                Some(WriteMask { by, zero, merge })
            }
            Some(_) => return Ok(None),
        };
        let def = match (step.def, class) {
            (Some(_), Some(class)) => Some(self.mir.vreg(class)),
            (Some(_), None) => return Ok(None),
            (None, _) => None,
        };
        self.push(step.instr, def, &sources[..count], mask)?;
        if let (Some(Slot::Temporary(n)), Some(v)) = (step.def, def) {
            temporaries.push((n, v));
        }
        Ok(Some(def))
    }

    /// A word for all lanes: itself if the instruction spreads it, else a vector of it.
    fn pool_word(&mut self, instr: &Instr, memory: u8, word: u32) -> Given {
        let broadcast = instr.broadcast == 4;
        let times = if broadcast { 1 } else { usize::from(memory) / 4 };
        let constant = self.mir.pool.add(word.to_le_bytes().repeat(times));
        Given::Pool { constant, broadcast }
    }
}

fn register_class(file: File) -> Option<Bank> {
    match file {
        File::R8 | File::R16 | File::R32 | File::R64 => Some(GPR),
        File::Xmm | File::Ymm | File::Zmm => Some(VECTOR),
        File::K => Some(MASK),
        File::Mem | File::Imm8 | File::Imm8S | File::Imm32 | File::Imm32S | File::Imm64 => None,
    }
}
