//! Integer arithmetic, logic and bits.

use super::{Decoder, Parts};
use crate::ptx::{
    Error,
    exec::lanes as l,
    op::{Alu, F2, Logic, Op, Type},
    text::Operand,
};

pub const NAMES: &[&str] = &[
    "add", "addc", "sub", "subc", "mul", "mad", "madc", "mul24", "mad24", "div", "rem", "min",
    "max", "abs", "neg", "and", "or", "xor", "not", "cnot", "shl", "shr", "shf", "bfe", "bfi",
    "bfind", "popc", "clz", "brev", "prmt", "lop3", "sad", "dp4a", "dp2a", "bmsk", "szext",
];

impl<'a> Decoder<'a> {
    pub(super) fn integer(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        match main {
            "prmt" => {
                let mode = parts.take_any(&["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"]);
                let f = l::permute(mode).ok_or_else(|| parts.error("no such mode of prmt"))?;
                return self.three(parts, f, Type::Bits(32));
            }
            "lop3" => return self.lop3(parts),
            "dp4a" | "dp2a" => return self.dot(main == "dp4a", parts),
            "shf" => {
                let left = parts.take("l");
                let right = parts.take("r");
                let wraps = parts.take("wrap");
                let clamps = parts.take("clamp");
                if left == right || wraps == clamps {
                    return Err(parts.error("shf is .l or .r, .clamp or .wrap"));
                }
                let f = l::funnel(left, wraps);
                return self.three(parts, f, Type::Bits(32));
            }
            "bmsk" => {
                let wraps = parts.take("wrap");
                parts.take("clamp");
                return self.two(parts, l::ones(wraps), Type::Bits(32));
            }
            _ => {}
        }
        let clamp = parts.take("sat");
        let carry_out = parts.take("cc");
        let (high, low, wide) = (parts.take("hi"), parts.take("lo"), parts.take("wide"));
        let wraps = parts.take("wrap");
        parts.take("clamp");
        let amount = parts.take("shiftamt");
        let kind = parts.kind()?;
        let (bits, signed) = (kind.bits(), kind.signed());
        if (clamp && !(matches!(main, "add" | "sub") && kind == Type::Signed(32)))
            || (carry_out && !matches!(main, "add" | "addc" | "sub" | "subc"))
            || (amount && main != "bfind")
            || (wraps && main != "szext")
        {
            return Err(parts.unsupported(format!("`{}`", parts.text.name)));
        }
        if matches!(main, "mul" | "mad" | "mul24" | "mad24")
            && u8::from(high) + u8::from(low) + u8::from(wide) != 1
        {
            return Err(parts.error("a product is .lo, .hi or .wide"));
        }
        if kind == Type::Predicate {
            return self.predicate_logic(main, parts);
        }
        match main {
            "add" if clamp => self.two(parts, l::add_clamped(), kind),
            "sub" if clamp => self.two(parts, l::sub_clamped(), kind),
            "add" if !carry_out => self.two(parts, l::add(bits), kind),
            "sub" if !carry_out => self.two(parts, l::sub(bits), kind),
            "add" | "addc" | "sub" | "subc" => {
                parts.done(3..=3)?;
                let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
                Ok(Op::Alu(Alu::Carry {
                    d: self.result(&parts, 0)?,
                    a,
                    b,
                    bits,
                    minus: main.starts_with("sub"),
                    takes: main.ends_with('c'),
                    gives: carry_out,
                }))
            }
            "mul" if high => self.two(parts, l::mul_high(bits, signed), kind),
            "mul" if wide => self.two(parts, l::mul_wide(bits, signed), kind),
            "mul" => self.two(parts, l::mul(bits), kind),
            "mad" if wide => {
                let f = l::mad_wide(bits, signed);
                parts.done(4..=4)?;
                let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
                let c = self.source(&parts, 3, Type::Bits(2 * bits))?;
                Ok(Op::F3 { f, d: self.result(&parts, 0)?, a, b, c })
            }
            "mad" if high => self.three(parts, l::mad_high(bits, signed), kind),
            "mad" => self.three(parts, l::mad(bits), kind),
            "mul24" => self.two(parts, l::mul24(signed, high), kind),
            "div" => self.two(parts, l::div(bits, signed), kind),
            "rem" => self.two(parts, l::rem(bits, signed), kind),
            "min" => self.two(parts, l::min(bits, signed), kind),
            "max" => self.two(parts, l::max(bits, signed), kind),
            "abs" => self.one(parts, l::abs(bits), kind),
            "neg" => self.one(parts, l::neg(bits), kind),
            "not" => self.one(parts, l::not(bits), kind),
            "cnot" => self.one(parts, l::cnot(), kind),
            "and" => self.two(parts, l::and(), kind),
            "or" => self.two(parts, l::or(), kind),
            "xor" => self.two(parts, l::xor(), kind),
            "shl" => self.shift(parts, l::shl(bits), kind),
            "shr" => self.shift(parts, l::shr(bits, signed), kind),
            "popc" => self.one(parts, l::count_ones(), kind),
            "clz" => self.one(parts, l::leading_zeros(bits), kind),
            "brev" => self.one(parts, l::reverse(bits), kind),
            "bfind" => self.one(parts, l::find(bits, signed, amount), kind),
            "sad" => self.three(parts, l::sad(bits, signed), kind),
            "bfe" => {
                parts.done(4..=4)?;
                let a = self.source(&parts, 1, kind)?;
                let b = self.source(&parts, 2, Type::Unsigned(32))?;
                let c = self.source(&parts, 3, Type::Unsigned(32))?;
                Ok(Op::F3 { f: l::extract(bits, signed), d: self.result(&parts, 0)?, a, b, c })
            }
            "bfi" => {
                parts.done(5..=5)?;
                let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
                let c = self.source(&parts, 3, Type::Unsigned(32))?;
                let e = self.source(&parts, 4, Type::Unsigned(32))?;
                Ok(Op::Alu(Alu::Bfi { d: self.result(&parts, 0)?, a, b, c, e, bits }))
            }
            _ => Err(parts.unsupported(format!("the instruction `{}`", parts.text.name))),
        }
    }

    fn one(
        &mut self,
        parts: Parts<'a, '_>,
        f: crate::ptx::op::F1,
        kind: Type,
    ) -> Result<Op, Error> {
        parts.done(2..=2)?;
        let a = self.source(&parts, 1, kind)?;
        Ok(Op::F1 { f, d: self.result(&parts, 0)?, a })
    }

    fn two(&mut self, mut parts: Parts<'a, '_>, f: F2, kind: Type) -> Result<Op, Error> {
        if parts.parts == ["b32"] {
            parts.parts.clear();
        }
        parts.done(3..=3)?;
        let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
        Ok(Op::F2 { f, d: self.result(&parts, 0)?, a, b })
    }

    fn shift(&mut self, parts: Parts<'a, '_>, f: F2, kind: Type) -> Result<Op, Error> {
        parts.done(3..=3)?;
        let a = self.source(&parts, 1, kind)?;
        // The amount has 32 bits whatever is shifted.
        let b = self.source(&parts, 2, Type::Unsigned(32))?;
        Ok(Op::F2 { f, d: self.result(&parts, 0)?, a, b })
    }

    fn three(
        &mut self,
        mut parts: Parts<'a, '_>,
        f: crate::ptx::op::F3,
        kind: Type,
    ) -> Result<Op, Error> {
        if parts.parts == ["b32"] {
            parts.parts.clear();
        }
        parts.done(4..=4)?;
        let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
        let c = self.source(&parts, 3, kind)?;
        Ok(Op::F3 { f, d: self.result(&parts, 0)?, a, b, c })
    }

    fn predicate_logic(&mut self, main: &str, parts: Parts<'a, '_>) -> Result<Op, Error> {
        let operand = parts.operand(0)?.clone();
        let d = self.predicate_result(&parts, &operand)?;
        let mut a = self.predicate_source(&parts, 1)?;
        let logic = match main {
            "and" => Logic::And,
            "or" => Logic::Or,
            "xor" => Logic::Xor,
            "not" => {
                parts.done(2..=2)?;
                a.negated = !a.negated;
                return Ok(Op::Alu(Alu::Predicates { logic: Logic::And, d, a, b: super::ALWAYS }));
            }
            _ => return Err(parts.error(format!("`{main}` takes no predicates"))),
        };
        parts.done(3..=3)?;
        Ok(Op::Alu(Alu::Predicates { logic, d, a, b: self.predicate_source(&parts, 2)? }))
    }

    fn lop3(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let logic = match parts.take_any(&["and", "or"]) {
            Some("and") => Some(Logic::And),
            Some(_) => Some(Logic::Or),
            None => None,
        };
        let kind = parts.kind()?;
        let n = if logic.is_some() { 6 } else { 5 };
        parts.done(n..=n)?;
        let Operand::Literal(crate::ptx::lex::Literal::Int(table @ 0..=255)) = parts.operand(4)?
        else {
            return Err(parts.error("the table of lop3 is a number up to 255"));
        };
        let table = *table as u8;
        let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
        let c = self.source(&parts, 3, kind)?;
        let (d, p) = self.pair(&parts, 0)?;
        let p = self.predicate_result(&parts, &p)?;
        let d = self.result_of(&parts, &d)?.0;
        let logic = match logic {
            Some(logic) => Some((logic, self.predicate_source(&parts, 5)?)),
            None => None,
        };
        Ok(Op::Alu(Alu::Lop3 { d, p, table, a, b, c, logic }))
    }

    fn dot(&mut self, fours: bool, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let (high, _) = (parts.take("hi"), parts.take("lo"));
        let (a, b) = (parts.kind()?, parts.kind()?);
        let f = l::dot(fours, high, a.signed(), b.signed());
        self.three(parts, f, Type::Bits(32))
    }
}
