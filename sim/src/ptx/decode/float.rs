//! Floating-point arithmetic, conversions and comparisons.

use super::{Decoder, Parts, kind};
use crate::ptx::{
    Error,
    float::{Conversion, E4M3, E5M2, F32, Round, Saturate},
    op::{Alu, Compare, Cvt, Float, FloatOp, FloatTest, Logic, Op, Predicate, Type, mask_of},
};

pub const NAMES: &[&str] = &[
    "add", "sub", "mul", "fma", "mad", "div", "min", "max", "neg", "abs", "rcp", "sqrt", "rsqrt",
    "sin", "cos", "ex2", "lg2", "tanh", "copysign", "testp", "cvt", "setp", "set",
];

/// Some names are those of integer instructions also: the type says which.
pub fn takes(main: &str, parts: &Parts<'_, '_>) -> bool {
    matches!(main, "cvt" | "setp" | "set" | "testp")
        || parts.parts.iter().any(|p| matches!(kind(p), Some(Type::Float(_) | Type::Pair(_))))
}

/// Comparisons: less, equal, greater, unordered.
#[rustfmt::skip] // one per row
const COMPARE: &[(&str, u8)] = &[
    ("eq", 0b0010), ("ne", 0b0101), ("lt", 0b0001), ("le", 0b0011), ("gt", 0b0100), ("ge", 0b0110),
    ("lo", 0b0001), ("ls", 0b0011), ("hi", 0b0100), ("hs", 0b0110),
    ("equ", 0b1010), ("neu", 0b1101), ("ltu", 0b1001), ("leu", 0b1011), ("gtu", 0b1100), ("geu", 0b1110),
    ("num", 0b0111), ("nan", 0b1000),
];

impl<'a> Decoder<'a> {
    pub(super) fn float(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        match main {
            "cvt" => return self.cvt(parts),
            "setp" | "set" => return self.compare(main == "setp", parts),
            "testp" => {
                let test = match parts.parts.first() {
                    Some(&"finite") => FloatTest::Finite,
                    Some(&"infinite") => FloatTest::Infinite,
                    Some(&"number") => FloatTest::Number,
                    Some(&"notanumber") => FloatTest::NotANumber,
                    Some(&"normal") => FloatTest::Normal,
                    Some(&"subnormal") => FloatTest::Subnormal,
                    _ => return Err(parts.error("testp asks for .finite and the like")),
                };
                parts.parts.remove(0);
                let kind = parts.kind()?;
                let Type::Float(format) = kind else {
                    return Err(parts.error("testp takes floats"));
                };
                parts.done(2..=2)?;
                let operand = parts.operand(0)?.clone();
                let p = self.predicate_result(&parts, &operand)?;
                return Ok(Op::Alu(Alu::TestFloat {
                    p,
                    a: self.source(&parts, 1, kind)?,
                    format,
                    test,
                }));
            }
            _ => {}
        }
        let mut how = Conversion::nearest();
        how.flush = parts.take("ftz");
        parts.take("noftz");
        parts.take_any(&["approx", "full"]);
        if parts.take("sat") {
            how.saturate = Saturate::Unit;
        }
        how.relu = parts.take("relu");
        if let Some(name) = parts.take_any(&["rn", "rz", "rm", "rp"]) {
            how.round = Round::parse(name).unwrap_or(Round::Nearest);
        }
        let nan = parts.take("NaN");
        let kind = parts.kind()?;
        let (format, packed) = match kind {
            Type::Float(f) => (f, false),
            Type::Pair(f) => (f, true),
            Type::Unsigned(_) | Type::Signed(_) | Type::Bits(_) | Type::Predicate => {
                return Err(parts.error("expected a type of floats"));
            }
        };
        if format.bits == 64 && how.round != Round::Nearest {
            return Err(parts.unsupported("f64 in other roundings than .rn"));
        }
        let (op, operands) = match main {
            "add" => (FloatOp::Add, 2),
            "sub" => (FloatOp::Sub, 2),
            "mul" => (FloatOp::Mul, 2),
            "div" => (FloatOp::Div, 2),
            "fma" | "mad" => (FloatOp::Fma, 3),
            "min" => (FloatOp::Min(nan), 2),
            "max" => (FloatOp::Max(nan), 2),
            "copysign" => (FloatOp::CopySign, 2),
            "neg" => (FloatOp::Neg, 1),
            "abs" => (FloatOp::Abs, 1),
            "rcp" => (FloatOp::Rcp, 1),
            "sqrt" => (FloatOp::Sqrt, 1),
            "rsqrt" => (FloatOp::Rsqrt, 1),
            "sin" => (FloatOp::Sin, 1),
            "cos" => (FloatOp::Cos, 1),
            "ex2" => (FloatOp::Ex2, 1),
            "lg2" => (FloatOp::Lg2, 1),
            _ => (FloatOp::Tanh, 1),
        };
        if nan && !matches!(op, FloatOp::Min(_) | FloatOp::Max(_)) {
            return Err(parts.error(".NaN is for min and max"));
        }
        parts.done(operands + 1..=operands + 1)?;
        let a = self.source(&parts, 1, kind)?;
        let b = if operands > 1 { self.source(&parts, 2, kind)? } else { a };
        let c = if operands > 2 { self.source(&parts, 3, kind)? } else { a };
        let f = Float { op, format, how, packed };
        Ok(Op::Float { f, d: self.result(&parts, 0)?, a, b, c })
    }

    fn cvt(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if parts.has("pack") {
            return Err(parts.unsupported("`cvt.pack`"));
        }
        let mut how = Conversion::nearest();
        how.flush = parts.take("ftz");
        how.relu = parts.take("relu");
        let sat = parts.take("sat");
        if sat {
            how.saturate = Saturate::Unit;
        }
        if parts.take("satfinite") {
            how.saturate = Saturate::Finite;
        }
        if let Some(name) = parts.take_any(&["rn", "rz", "rm", "rp", "rna"]) {
            how.round = Round::parse(name).unwrap_or(Round::Nearest);
        }
        let whole = parts.take_any(&["rni", "rzi", "rmi", "rpi"]).and_then(Round::parse);
        if parts.parts.len() != 2 {
            return Err(parts.unsupported(format!("`{}`", parts.text.name)));
        }
        let (to, from) = (of(parts.parts[0]), of(parts.parts[1]));
        let (Some(to), Some(from)) = (to, from) else {
            return Err(parts.unsupported(format!("`{}`", parts.text.name)));
        };
        parts.parts.clear();
        let mut cvt = Cvt { to, from, how, whole, clamp: sat, width: 64 };
        match (to, from) {
            (Type::Pair(_), Type::Float(f)) if f == F32 => {
                parts.done(3..=3)?;
                let high = self.source(&parts, 1, from)?;
                let low = self.source(&parts, 2, from)?;
                Ok(Op::Alu(Alu::ConvertPair { cvt, d: self.result(&parts, 0)?, high, low }))
            }
            (Type::Pair(_), Type::Pair(_)) => {
                parts.done(2..=2)?;
                let a = self.source(&parts, 1, from)?;
                Ok(Op::Alu(Alu::ConvertHalves { cvt, d: self.result(&parts, 0)?, a }))
            }
            (Type::Pair(_), _)
            | (_, Type::Pair(_))
            | (Type::Predicate, _)
            | (_, Type::Predicate) => Err(parts.unsupported(format!("`{}`", parts.text.name))),
            _ => {
                parts.done(2..=2)?;
                let a = self.source(&parts, 1, from)?;
                let operand = parts.operand(0)?.clone();
                let (d, width) = self.result_of(&parts, &operand)?;
                cvt.width = width;
                Ok(Op::Alu(Alu::Convert { cvt, d, a }))
            }
        }
    }

    fn compare(&mut self, predicate: bool, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let flush = parts.take("ftz");
        let name = if parts.parts.is_empty() { "" } else { parts.parts.remove(0) };
        let Some((_, bits)) = COMPARE.iter().find(|(n, _)| *n == name) else {
            return Err(parts.error(format!("`{name}` is no comparison")));
        };
        let logic = match parts.take_any(&["and", "or", "xor"]) {
            Some("and") => Some(Logic::And),
            Some("or") => Some(Logic::Or),
            Some(_) => Some(Logic::Xor),
            None => None,
        };
        let to = if predicate { None } else { Some(parts.kind()?) };
        let kind = parts.kind()?;
        let n = 3 + usize::from(logic.is_some());
        parts.done(n..=n)?;
        let (a, b) = (self.source(&parts, 1, kind)?, self.source(&parts, 2, kind)?);
        let logic: Option<(Logic, Predicate)> = match logic {
            Some(logic) => Some((logic, self.predicate_source(&parts, 3)?)),
            None => None,
        };
        let compare = Compare(*bits);
        let Some(to) = to else {
            let (p, q) = self.pair(&parts, 0)?;
            let (p, q) = (self.predicate_result(&parts, &p)?, self.predicate_result(&parts, &q)?);
            return Ok(Op::Alu(Alu::SetPredicate { compare, kind, flush, p, q, a, b, logic }));
        };
        let yes = match to {
            Type::Float(f) => f.encode(1.0, Conversion::nearest()),
            Type::Pair(f) => f.encode(1.0, Conversion::nearest()),
            Type::Unsigned(n) | Type::Signed(n) | Type::Bits(n) => {
                mask_of(if matches!(kind, Type::Pair(_)) { n / 2 } else { n })
            }
            Type::Predicate => return Err(parts.error("use setp for predicates")),
        };
        Ok(Op::Alu(Alu::Set { compare, kind, flush, d: self.result(&parts, 0)?, yes, a, b, logic }))
    }
}

/// Types that only conversions have are among these.
fn of(name: &str) -> Option<Type> {
    match name {
        "e4m3x2" => Some(Type::Pair(E4M3)),
        "e5m2x2" => Some(Type::Pair(E5M2)),
        _ => kind(name),
    }
}
