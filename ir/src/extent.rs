//! Extent expressions: whatever depends on a run-time symbol (grid, workspace, split, loop bound, index).
//!
//! `ceildiv(n, 1024) * 8`, `min(n, lo + 1024)`, `max_of(n)`, `cores`. Arithmetic is on `i64`; `/` and `%` round
//! towards minus infinity; overflow and division by zero are errors, never panics.

use crate::lex::{Lexer, Parsed, Token};
use std::{collections::BTreeMap, fmt};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extent {
    Lit(i64),
    /// A symbol of the op, a loop variable, a scalar read from memory.
    Sym(String),
    /// Worker threads of the device.
    Cores,
    /// Number of sequences, sum, or maximum of a ragged symbol `n[b]`.
    Ragged(RaggedOp, String),
    Bin(BinOp, Box<Extent>, Box<Extent>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RaggedOp {
    Len,
    Sum,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    CeilDiv,
    Min,
    Max,
}

/// Operators with their text; the two-character ones print as calls.
const CALLS: &[(&str, BinOp)] =
    &[("ceildiv", BinOp::CeilDiv), ("min", BinOp::Min), ("max", BinOp::Max)];
const RAGGED: &[(&str, RaggedOp)] =
    &[("len", RaggedOp::Len), ("sum", RaggedOp::Sum), ("max_of", RaggedOp::Max)];

/// Nested parentheses, signs and calls: the reader and all walkers recurse.
const MAX_DEPTH: usize = 64;
/// Terms of one expression; a chain `n + n + ...` is as deep as it is long.
const MAX_NODES: usize = 1000;

/// Values of the symbols of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dims {
    pub scalars: BTreeMap<String, i64>,
    pub ragged: BTreeMap<String, Vec<i64>>,
    pub cores: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtentError {
    #[error("symbol `{0}` has no value")]
    Unbound(String),
    #[error("`{0}` overflows or divides by zero")]
    Arithmetic(String),
}

impl From<i64> for Extent {
    fn from(x: i64) -> Self {
        Extent::Lit(x)
    }
}
impl From<i32> for Extent {
    fn from(x: i32) -> Self {
        Extent::Lit(i64::from(x))
    }
}
impl From<usize> for Extent {
    fn from(x: usize) -> Self {
        Extent::Lit(i64::try_from(x).expect("a size fits i64"))
    }
}
impl From<&str> for Extent {
    fn from(x: &str) -> Self {
        Extent::Sym(x.into())
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<T: Into<Extent>> std::ops::$trait<T> for Extent {
            type Output = Extent;
            fn $method(self, other: T) -> Extent {
                Extent::bin(BinOp::$trait, self, other.into())
            }
        }
    };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);
operator!(Rem, rem);

impl Extent {
    /// `a op b`, folded where both are literals or one is neutral.
    pub fn bin(op: BinOp, a: Extent, b: Extent) -> Extent {
        use BinOp::*;
        if let (Extent::Lit(x), Extent::Lit(y)) = (&a, &b)
            && let Some(z) = op.apply(*x, *y)
        {
            return Extent::Lit(z);
        }
        match (op, &a, &b) {
            (Add, Extent::Lit(0), _) | (Mul, Extent::Lit(1), _) => b,
            (Add | Sub, _, Extent::Lit(0)) | (Mul | Div | CeilDiv, _, Extent::Lit(1)) => a,
            (Mul, Extent::Lit(0), _) | (Mul, _, Extent::Lit(0)) => Extent::Lit(0),
            (Rem, _, Extent::Lit(1)) => Extent::Lit(0),
            _ => Extent::Bin(op, Box::new(a), Box::new(b)),
        }
    }

    pub fn ceil_div(self, other: impl Into<Extent>) -> Extent {
        Extent::bin(BinOp::CeilDiv, self, other.into())
    }

    pub fn min(self, other: impl Into<Extent>) -> Extent {
        Extent::bin(BinOp::Min, self, other.into())
    }

    pub fn max(self, other: impl Into<Extent>) -> Extent {
        Extent::bin(BinOp::Max, self, other.into())
    }

    pub fn as_lit(&self) -> Option<i64> {
        match self {
            Extent::Lit(x) => Some(*x),
            Extent::Sym(_) | Extent::Cores | Extent::Ragged(..) | Extent::Bin(..) => None,
        }
    }

    pub fn eval(&self, dims: &Dims) -> Result<i64, ExtentError> {
        self.eval_with(&|name| dims.scalars.get(name).copied(), dims)
    }

    /// As [`Extent::eval`], with symbols (loop variables too) looked up by `sym`.
    pub fn eval_with(
        &self,
        sym: &dyn Fn(&str) -> Option<i64>,
        dims: &Dims,
    ) -> Result<i64, ExtentError> {
        let overflow = || ExtentError::Arithmetic(self.to_string());
        Ok(match self {
            Extent::Lit(x) => *x,
            Extent::Sym(s) => sym(s).ok_or_else(|| ExtentError::Unbound(s.clone()))?,
            Extent::Cores => dims.cores,
            Extent::Ragged(op, s) => {
                let list =
                    dims.ragged.get(s).ok_or_else(|| ExtentError::Unbound(format!("{s}[]")))?;
                match op {
                    RaggedOp::Len => i64::try_from(list.len()).map_err(|_| overflow())?,
                    RaggedOp::Sum => {
                        list.iter().try_fold(0i64, |a, &x| a.checked_add(x)).ok_or_else(overflow)?
                    }
                    RaggedOp::Max => list.iter().copied().max().unwrap_or(0),
                }
            }
            Extent::Bin(op, a, b) => {
                op.apply(a.eval_with(sym, dims)?, b.eval_with(sym, dims)?).ok_or_else(overflow)?
            }
        })
    }

    /// Names of the scalar symbols used, in order of first use.
    pub fn symbols<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Extent::Sym(s) if !out.contains(&s.as_str()) => out.push(s),
            Extent::Bin(_, a, b) => {
                a.symbols(out);
                b.symbols(out);
            }
            Extent::Lit(_) | Extent::Cores | Extent::Ragged(..) | Extent::Sym(_) => {}
        }
    }

    /// The expression with every symbol replaced where `with` knows it.
    pub fn substitute(&self, with: &dyn Fn(&str) -> Option<Extent>) -> Extent {
        match self {
            Extent::Sym(s) => with(s).unwrap_or_else(|| self.clone()),
            Extent::Bin(op, a, b) => Extent::bin(*op, a.substitute(with), b.substitute(with)),
            Extent::Lit(_) | Extent::Cores | Extent::Ragged(..) => self.clone(),
        }
    }

    pub fn parse(text: &str) -> Parsed<Extent> {
        let mut lexer = Lexer::new(text)?;
        let extent = Extent::read(&mut lexer)?;
        if lexer.at_end() { Ok(extent) } else { lexer.error("expected the end of the expression") }
    }

    /// Reads a sum at the lexer's place.
    pub fn read(lexer: &mut Lexer<'_>) -> Parsed<Extent> {
        Extent::read_sum(lexer, 0, &mut 0)
    }

    fn read_sum(lexer: &mut Lexer<'_>, depth: usize, nodes: &mut usize) -> Parsed<Extent> {
        let mut left = Extent::read_product(lexer, depth, nodes)?;
        loop {
            let op = if lexer.eat("+") {
                BinOp::Add
            } else if lexer.eat("-") {
                BinOp::Sub
            } else {
                return Ok(left);
            };
            left = Extent::bin(op, left, Extent::read_product(lexer, depth, nodes)?);
        }
    }

    fn read_product(lexer: &mut Lexer<'_>, depth: usize, nodes: &mut usize) -> Parsed<Extent> {
        let mut left = Extent::read_atom(lexer, depth, nodes)?;
        loop {
            let op = if lexer.eat("*") {
                BinOp::Mul
            } else if lexer.eat("/") {
                BinOp::Div
            } else if lexer.eat("%") {
                BinOp::Rem
            } else {
                return Ok(left);
            };
            left = Extent::bin(op, left, Extent::read_atom(lexer, depth, nodes)?);
        }
    }

    fn read_atom(lexer: &mut Lexer<'_>, depth: usize, nodes: &mut usize) -> Parsed<Extent> {
        if depth > MAX_DEPTH {
            return lexer.error("this expression is nested too deeply");
        }
        *nodes += 1;
        if *nodes > MAX_NODES {
            return lexer.error(format!("this expression has more than {MAX_NODES} terms"));
        }
        match lexer.peek().clone() {
            Token::Int(x) => {
                lexer.next_token();
                Ok(Extent::Lit(x))
            }
            Token::Punct("-") => {
                lexer.next_token();
                // It prints as `(0 - x)`, one term more, which must read back.
                *nodes += 1;
                Ok(Extent::bin(
                    BinOp::Sub,
                    Extent::Lit(0),
                    Extent::read_atom(lexer, depth + 1, nodes)?,
                ))
            }
            Token::Punct("(") => {
                lexer.next_token();
                let inner = Extent::read_sum(lexer, depth + 1, nodes)?;
                lexer.expect(")")?;
                Ok(inner)
            }
            Token::Word(w) => {
                lexer.next_token();
                if w == "cores" {
                    return Ok(Extent::Cores);
                }
                if !lexer.is("(") {
                    return Ok(Extent::Sym(w));
                }
                lexer.expect("(")?;
                let result = if let Some((_, op)) = RAGGED.iter().find(|(n, _)| *n == w) {
                    Extent::Ragged(*op, lexer.word("a ragged symbol")?)
                } else if let Some((_, op)) = CALLS.iter().find(|(n, _)| *n == w) {
                    let a = Extent::read_sum(lexer, depth + 1, nodes)?;
                    lexer.expect(",")?;
                    Extent::bin(*op, a, Extent::read_sum(lexer, depth + 1, nodes)?)
                } else {
                    return lexer.error(format!("`{w}` is not a function of extents"));
                };
                lexer.expect(")")?;
                Ok(result)
            }
            Token::Float(_) | Token::Text(_) | Token::Punct(_) | Token::End => {
                lexer.error("expected a size: an integer, a symbol, or an expression of them")
            }
        }
    }
}

impl BinOp {
    /// `None` on overflow or division by zero.
    pub fn apply(self, a: i64, b: i64) -> Option<i64> {
        match self {
            BinOp::Add => a.checked_add(b),
            BinOp::Sub => a.checked_sub(b),
            BinOp::Mul => a.checked_mul(b),
            BinOp::Div => floor_div(a, b),
            BinOp::Rem => a.checked_sub(floor_div(a, b)?.checked_mul(b)?),
            BinOp::CeilDiv => floor_div(a.checked_neg()?, b)?.checked_neg(),
            BinOp::Min => Some(a.min(b)),
            BinOp::Max => Some(a.max(b)),
        }
    }
}

fn floor_div(a: i64, b: i64) -> Option<i64> {
    let q = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self, f, 0)
    }
}

/// `level`: 0 in a sum, 1 as the right of a sum or in a product, 2 as the right of a product.
fn print(e: &Extent, f: &mut fmt::Formatter<'_>, level: u8) -> fmt::Result {
    match e {
        // Its absolute value is no i64.
        Extent::Lit(i64::MIN) => write!(f, "(0 - {} - 1)", i64::MAX),
        Extent::Lit(x) if *x < 0 => write!(f, "(0 - {})", x.unsigned_abs()),
        Extent::Lit(x) => write!(f, "{x}"),
        Extent::Sym(s) => f.write_str(s),
        Extent::Cores => f.write_str("cores"),
        Extent::Ragged(op, s) => {
            let name = RAGGED.iter().find(|(_, o)| o == op).map_or("?", |(n, _)| n);
            write!(f, "{name}({s})")
        }
        Extent::Bin(op, a, b) => {
            let (text, own) = match op {
                BinOp::Add => ("+", 0),
                BinOp::Sub => ("-", 0),
                BinOp::Mul => ("*", 1),
                BinOp::Div => ("/", 1),
                BinOp::Rem => ("%", 1),
                BinOp::CeilDiv | BinOp::Min | BinOp::Max => {
                    let name = CALLS.iter().find(|(_, o)| o == op).map_or("?", |(n, _)| n);
                    return write!(f, "{name}({a}, {b})");
                }
            };
            let close = own < level;
            if close {
                f.write_str("(")?;
            }
            print(a, f, own)?;
            write!(f, " {text} ")?;
            print(b, f, own + 1)?;
            if close { f.write_str(")") } else { Ok(()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_number_reads_back() {
        let least = Extent::Lit(i64::MIN);
        assert_eq!(Extent::parse(&least.to_string()), Ok(least));
    }

    #[test]
    fn long_chains_are_refused() {
        let chain = |terms: usize| Extent::parse(&vec!["n"; terms].join(" + "));
        assert!(chain(MAX_NODES).is_ok());
        let error = chain(MAX_NODES + 1).unwrap_err();
        assert_eq!(error.message, "this expression has more than 1000 terms");
        let error = Extent::parse(&("(".repeat(100) + "n")).unwrap_err();
        assert_eq!(error.message, "this expression is nested too deeply");
    }

    #[test]
    fn what_is_printed_parses_to_the_same() {
        for text in [
            "a - (b - c)",
            "a / (b * c)",
            "ceildiv(n, 1024) * 8",
            "min(n, lo + 1024)",
            "max_of(n) + sum(n) % cores",
            "(a + 1) * 2",
        ] {
            let e = Extent::parse(text).unwrap();
            assert_eq!(e.to_string(), text);
            assert_eq!(Extent::parse(&e.to_string()).unwrap(), e);
        }
    }

    #[test]
    fn overflow_and_zero_are_errors() {
        let dims = Dims { scalars: [("n".into(), i64::MAX)].into(), ..Dims::default() };
        for text in ["n + 1", "n / 0", "n * n", "n % 0", "ceildiv(n, 0)"] {
            assert!(Extent::parse(text).unwrap().eval(&dims).is_err(), "{text}");
        }
        assert_eq!(
            Extent::parse("missing").unwrap().eval(&dims),
            Err(ExtentError::Unbound("missing".into()))
        );
    }

    #[test]
    fn division_rounds_down() {
        let dims = Dims::default();
        for (text, x) in [
            ("(0 - 7) / 2", -4),
            ("(0 - 7) % 2", 1),
            ("ceildiv(7, 2)", 4),
            ("ceildiv(0 - 7, 2)", -3),
        ] {
            assert_eq!(Extent::parse(text).unwrap().eval(&dims), Ok(x), "{text}");
        }
    }
}
