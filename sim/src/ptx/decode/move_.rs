//! Moves: registers, addresses, packing, selection, predicates.

use super::{Decoder, Parts};
use crate::ptx::{
    Error,
    op::{AddressSpace, Alu, F1, Logic, Op, Predicate, TRUE, Type},
    text::Operand,
};

pub const NAMES: &[&str] = &["mov", "selp", "slct", "cvta", "isspacep", "mapa", "createpolicy"];

impl<'a> Decoder<'a> {
    pub(super) fn moves(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        match main {
            "mov" => self.mov(parts),
            "selp" => {
                let kind = parts.kind()?;
                parts.done(4..=4)?;
                let p = self.predicate_source(&parts, 3)?;
                if kind == Type::Predicate {
                    let operand = parts.operand(0)?.clone();
                    let d = self.predicate_result(&parts, &operand)?;
                    let a = self.predicate_source(&parts, 1)?;
                    let b = self.predicate_source(&parts, 2)?;
                    return Ok(Op::Alu(Alu::SelectPredicate { d, a, b, p }));
                }
                let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
                Ok(Op::Alu(Alu::Select { d: self.result(&parts, 0)?, a, b, p }))
            }
            "slct" => {
                parts.take("ftz");
                let by = parts.parts.pop();
                let kind = parts.kind()?;
                parts.done(4..=4)?;
                let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
                let f: crate::ptx::op::F3 = match by {
                    Some("s32") => crate::ptx::exec::lanes::select_signed,
                    Some("f32") => crate::ptx::exec::lanes::select_float,
                    Some(_) | None => return Err(parts.error("slct chooses by .s32 or .f32")),
                };
                let c = self.source(&parts, 3, Type::Bits(32))?;
                Ok(Op::F3 { f, d: self.result(&parts, 0)?, a, b, c })
            }
            "cvta" => {
                let to = parts.take("to");
                let space =
                    parts.take_any(&["global", "shared", "shared::cta", "local", "const", "param"]);
                parts.take("u64");
                parts.take("u32");
                parts.done(2..=2)?;
                let a = self.source(&parts, 1, Type::Bits(64))?;
                let d = self.result(&parts, 0)?;
                use crate::ptx::exec::lanes as l;
                let f: F1 = match (space, to) {
                    (Some("shared" | "shared::cta"), false) => l::generic_of_shared,
                    (Some("local"), false) => l::generic_of_local,
                    (Some("param"), false) => l::generic_of_param,
                    (Some("shared" | "shared::cta" | "local" | "param"), true) => l::inside_window,
                    (Some("global" | "const"), _) => l::same,
                    (Some(_) | None, _) => return Err(parts.error("cvta names a state space")),
                };
                Ok(Op::F1 { f, d, a })
            }
            "isspacep" => {
                let space = match parts.parts.pop() {
                    Some("global" | "const") => AddressSpace::Global,
                    Some("shared" | "shared::cta" | "shared::cluster") => AddressSpace::Shared,
                    Some("local") => AddressSpace::Local,
                    Some("param") => AddressSpace::Param,
                    Some(_) | None => return Err(parts.error("isspacep names a state space")),
                };
                parts.done(2..=2)?;
                let operand = parts.operand(0)?.clone();
                let p = self.predicate_result(&parts, &operand)?;
                Ok(Op::Alu(Alu::IsSpace { p, a: self.source(&parts, 1, Type::Bits(64))?, space }))
            }
            "mapa" => {
                parts.take_any(&["shared::cluster"]);
                parts.kind()?;
                parts.done(3..=3)?;
                let a = self.source(&parts, 1, Type::Bits(64))?;
                Ok(Op::F1 { f: crate::ptx::exec::lanes::same, d: self.result(&parts, 0)?, a })
            }
            _ => {
                // createpolicy: what a cache keeps; the policy itself is never looked at.
                let a = self.constant(0);
                Ok(Op::F1 { f: crate::ptx::exec::lanes::same, d: self.result(&parts, 0)?, a })
            }
        }
    }

    fn mov(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let kind = parts.kind()?;
        parts.done(2..=2)?;
        let (to, from) = (parts.operand(0)?.clone(), parts.operand(1)?.clone());
        if kind == Type::Predicate {
            let d = self.predicate_result(&parts, &to)?;
            let a = self.predicate_source(&parts, 1)?;
            let b = Predicate { slot: TRUE, negated: false };
            return Ok(Op::Alu(Alu::Predicates { logic: Logic::And, d, a, b }));
        }
        if kind.bits() == 128 {
            return Err(parts.unsupported("registers of 128 bits"));
        }
        match (&to, &from) {
            (_, Operand::Vector(list)) if list.len() > 1 => {
                let bits = kind.bits() / list.len() as u32;
                let part = Type::Bits(bits.max(1));
                let slots: Result<Vec<_>, _> =
                    list.iter().map(|o| self.source_of(&parts, o, part)).collect();
                Ok(Op::Alu(Alu::Pack { d: self.result(&parts, 0)?, parts: slots?, bits }))
            }
            (Operand::Vector(list), _) if list.len() > 1 => {
                let bits = kind.bits() / list.len() as u32;
                let a = self.source(&parts, 1, kind)?;
                Ok(Op::Alu(Alu::Unpack { parts: self.results(&parts, 0)?, a, bits }))
            }
            (
                _,
                Operand::Name(
                    "%clock" | "%clock_hi" | "%clock64" | "%globaltimer" | "%globaltimer_lo",
                ),
            ) => {
                let mask = crate::ptx::op::mask_of(kind.bits());
                Ok(Op::Clock { d: self.result(&parts, 0)?, mask })
            }
            _ => {
                let a = self.source(&parts, 1, kind)?;
                Ok(Op::F1 { f: crate::ptx::exec::lanes::same, d: self.result(&parts, 0)?, a })
            }
        }
    }
}
