//! Expression strings of masks, prologues, epilogues and row ops.
//!
//! ```text
//! j <= i && i - j < 1024 || block(i, 16) == block(j, 16)          a mask: a condition over i, j, head, symbols
//! x * rsqrt(mean(x * x) + 1e-5) * g                                a row value: numbers, functions, reductions
//! select(col % 2 < 1, -1, 1) * x[col + 1 - col % 2 * 2]            an element by its place, which is an index
//! block_table[seq, pos / 16] * 16 + pos % 16                       an index: which row of a tensor
//! ```
//!
//! `||` binds loosest, then `&&`, comparisons (which do not chain), `+ -`, `* / %`, and the signs `- !`. In a mask and
//! in an index (so in brackets) all numbers are integers, and `/` and `%` round towards minus infinity.

use crate::{
    diag::{self, Diagnostic, Span},
    lex::{self, Lexer, Parsed, Token},
};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Finite and not negative; a sign is a [`Unary::Neg`].
    Number(f64),
    Name(String),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Call(Func, Vec<Expr>),
    /// Over the elements of a row.
    Reduce(Reduce, Box<Expr>),
    /// `x[col + 1]`, `table[id, col]`: elements by their places; the indices are of the dialect [`Dialect::Index`].
    At(String, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    Neg,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    Or,
    And,
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Func {
    /// `block(x, B)`: which block of B holds x.
    Block,
    Max,
    Min,
    Exp,
    Log,
    Sqrt,
    Rsqrt,
    Tanh,
    Sigmoid,
    Abs,
    Sin,
    Cos,
    /// The bits of a number as f16, an integer: scales inside blocks of bytes.
    F16Bits,
    /// `select(condition, a, b)`: a where the condition holds, b elsewhere.
    Select,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    Sum,
    Mean,
    Max,
    Min,
    /// Index of the largest element, the lower one of equals.
    Argmax,
}

/// What an expression string is for: it decides the words and whether numbers are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Mask,
    Row,
    /// What stands in brackets of a row value, and the target rows of outputs.
    Index,
}

/// Operator, text, how tightly it binds.
const BINARY: &[(Binary, &str, u8)] = &[
    (Binary::Or, "||", 1),
    (Binary::And, "&&", 2),
    (Binary::Lt, "<", 3),
    (Binary::Le, "<=", 3),
    (Binary::Gt, ">", 3),
    (Binary::Ge, ">=", 3),
    (Binary::Eq, "==", 3),
    (Binary::Ne, "!=", 3),
    (Binary::Add, "+", 4),
    (Binary::Sub, "-", 4),
    (Binary::Mul, "*", 5),
    (Binary::Div, "/", 5),
    (Binary::Rem, "%", 5),
];
const COMPARE: u8 = 3;
const SIGN: u8 = 6;

const EVERYWHERE: &[Dialect] = &[Dialect::Mask, Dialect::Row, Dialect::Index];
const WHOLE: &[Dialect] = &[Dialect::Mask, Dialect::Index];
const ROW: &[Dialect] = &[Dialect::Row];

/// Function, text, arguments, where it may stand.
const FUNCS: &[(Func, &str, usize, &[Dialect])] = &[
    (Func::Block, "block", 2, WHOLE),
    (Func::Max, "max", 2, EVERYWHERE),
    (Func::Min, "min", 2, EVERYWHERE),
    (Func::Exp, "exp", 1, ROW),
    (Func::Log, "log", 1, ROW),
    (Func::Sqrt, "sqrt", 1, ROW),
    (Func::Rsqrt, "rsqrt", 1, ROW),
    (Func::Tanh, "tanh", 1, ROW),
    (Func::Sigmoid, "sigmoid", 1, ROW),
    (Func::Abs, "abs", 1, EVERYWHERE),
    (Func::Sin, "sin", 1, ROW),
    (Func::Cos, "cos", 1, ROW),
    (Func::F16Bits, "f16bits", 1, ROW),
    (Func::Select, "select", 3, &[Dialect::Row, Dialect::Index]),
];

/// Reductions have one argument, so that `max(x)` and `max(x, 0)` differ.
const REDUCTIONS: &[(Reduce, &str)] = &[
    (Reduce::Sum, "sum"),
    (Reduce::Mean, "mean"),
    (Reduce::Max, "max"),
    (Reduce::Min, "min"),
    (Reduce::Argmax, "argmax"),
];

/// Nested parentheses, signs and calls beyond this are refused: the parser and all walkers recurse.
const MAX_DEPTH: usize = 64;
/// Operands and operators of one expression; a chain `1 + 1 + ...` is as deep as it is long.
const MAX_NODES: usize = 1000;
/// Whole numbers beyond 2^53 are not exact as f64.
const MAX_INT: i64 = 1 << 53;

/// A tree and the first use of each name, spans counted from the start of `text`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parse {
    pub expr: Expr,
    pub names: Vec<(String, Span)>,
}

/// Reads a whole string.
pub fn parse(text: &str, dialect: Dialect) -> Parsed<Parse> {
    if let Some(at) = text.find([';', '"']) {
        return Err(Diagnostic::new(
            at..at + 1,
            format!("unexpected character `{}`", &text[at..at + 1]),
        ));
    }
    let mut parser =
        Parser { lexer: Lexer::new(text)?, dialect, names: Vec::new(), depth: 0, nodes: 0 };
    let start = parser.lexer.span().start;
    let (expr, sort) = parser.binary(1)?;
    if !parser.lexer.at_end() {
        return parser.lexer.error("expected an operator or the end of the expression");
    }
    let all = start..parser.lexer.last_span().end;
    match (dialect, sort) {
        (Dialect::Mask, Sort::Number) => {
            return Err(Diagnostic::new(all, "a mask is a condition, but this is a number")
                .help("compare it with something, as in `j <= i`"));
        }
        (Dialect::Row | Dialect::Index, Sort::Condition) => {
            return Err(Diagnostic::new(all, "a value is a number, but this is a condition")
                .help("choose by it: `select(condition, a, b)`"));
        }
        (Dialect::Mask, Sort::Condition) | (Dialect::Row | Dialect::Index, Sort::Number) => {}
    }
    Ok(Parse { expr, names: parser.names })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    Condition,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    dialect: Dialect,
    names: Vec<(String, Span)>,
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Parsed<(Expr, Sort)> {
        let start = self.lexer.span().start;
        let (mut left, mut sort) = self.operand()?;
        loop {
            let Some((op, text, level)) = self.operator().filter(|o| o.2 >= least) else {
                return Ok((left, sort));
            };
            let left_span = start..self.lexer.last_span().end;
            self.lexer.next_token();
            self.node()?;
            let right_start = self.lexer.span().start;
            let (right, right_sort) = self.binary(level + 1)?;
            let right_span = right_start..self.lexer.last_span().end;
            let (wanted, result) = match level {
                1 | 2 => (Sort::Condition, Sort::Condition),
                COMPARE => (Sort::Number, Sort::Condition),
                _ => (Sort::Number, Sort::Number),
            };
            check(text, wanted, sort, left_span)?;
            check(text, wanted, right_sort, right_span)?;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
            sort = result;
        }
    }

    fn operator(&self) -> Option<(Binary, &'static str, u8)> {
        match self.lexer.peek() {
            Token::Punct(p) => BINARY.iter().find(|row| row.1 == *p).copied(),
            Token::Word(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::End => None,
        }
    }

    fn node(&mut self) -> Parsed<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.lexer.error(format!("this expression has more than {MAX_NODES} parts"));
        }
        Ok(())
    }

    fn operand(&mut self) -> Parsed<(Expr, Sort)> {
        self.node()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self
                .lexer
                .error(format!("this expression nests more than {MAX_DEPTH} levels deep"));
        }
        let out = self.operand_inside();
        self.depth -= 1;
        out
    }

    fn operand_inside(&mut self) -> Parsed<(Expr, Sort)> {
        let span = self.lexer.span();
        match self.lexer.peek().clone() {
            Token::Int(i) if i <= MAX_INT => {
                self.lexer.next_token();
                Ok((Expr::Number(i as f64), Sort::Number))
            }
            Token::Int(i) => self.lexer.error(format!("`{i}` is beyond 2^53")),
            Token::Float(x) if self.dialect == Dialect::Row && x.is_finite() => {
                self.lexer.next_token();
                Ok((Expr::Number(x), Sort::Number))
            }
            Token::Float(x) if x.is_finite() => self.lexer.error(match self.dialect {
                Dialect::Mask => "numbers in a mask are whole: `i` and `j` are positions",
                Dialect::Index | Dialect::Row => "numbers in an index are whole",
            }),
            Token::Float(_) => self.lexer.error("this number is too large for kgen"),
            Token::Punct("-") => {
                self.lexer.next_token();
                let start = self.lexer.span().start;
                let (inner, sort) = self.operand()?;
                check("-", Sort::Number, sort, start..self.lexer.last_span().end)?;
                Ok((Expr::Unary(Unary::Neg, Box::new(inner)), Sort::Number))
            }
            Token::Punct("!") => {
                self.lexer.next_token();
                let start = self.lexer.span().start;
                let (inner, sort) = self.operand()?;
                check("!", Sort::Condition, sort, start..self.lexer.last_span().end)?;
                Ok((Expr::Unary(Unary::Not, Box::new(inner)), Sort::Condition))
            }
            Token::Punct("(") => {
                self.lexer.next_token();
                let inner = self.binary(1)?;
                self.lexer.expect(")")?;
                Ok(inner)
            }
            Token::Word(word) => {
                self.lexer.next_token();
                if self.lexer.is("(") {
                    return self.call(&word, span);
                }
                if !self.names.iter().any(|(n, _)| *n == word) {
                    self.names.push((word.clone(), span));
                }
                if self.lexer.is("[") {
                    return self.element(word);
                }
                Ok((Expr::Name(word), Sort::Number))
            }
            Token::Text(_) | Token::Punct(_) | Token::End => {
                self.lexer.error("expected a number, a name or `(`")
            }
        }
    }

    /// The indices of an element, from the bracket on.
    fn element(&mut self, word: String) -> Parsed<(Expr, Sort)> {
        if self.dialect == Dialect::Mask {
            return self.lexer.error("a mask reads no tensors");
        }
        let outside = std::mem::replace(&mut self.dialect, Dialect::Index);
        self.lexer.expect("[")?;
        let mut indices = Vec::new();
        loop {
            let start = self.lexer.span().start;
            let (index, sort) = self.binary(1)?;
            check("[", Sort::Number, sort, start..self.lexer.last_span().end)?;
            indices.push(index);
            if !self.lexer.eat(",") {
                break;
            }
        }
        self.lexer.expect("]")?;
        self.dialect = outside;
        Ok((Expr::At(word, indices), Sort::Number))
    }

    fn call(&mut self, word: &str, span: Span) -> Parsed<(Expr, Sort)> {
        let allowed = |d: &[Dialect]| d.contains(&self.dialect);
        let func = FUNCS.iter().find(|row| row.1 == word && allowed(row.3)).copied();
        let reduce =
            REDUCTIONS.iter().find(|row| row.1 == word && self.dialect == Dialect::Row).copied();
        if func.is_none() && reduce.is_none() {
            let known = FUNCS.iter().filter(|row| allowed(row.3)).map(|row| row.1);
            let known: Vec<&str> = match self.dialect {
                Dialect::Mask | Dialect::Index => known.collect(),
                Dialect::Row => known.chain(REDUCTIONS.iter().map(|row| row.1)).collect(),
            };
            let error = Diagnostic::new(span, format!("unknown function `{word}`"));
            return Err(match diag::did_you_mean(word, known.iter().copied()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help(format!("functions here: {}", known.join(" "))),
            });
        }
        self.lexer.expect("(")?;
        let mut args = Vec::new();
        if !self.lexer.is(")") {
            loop {
                let start = self.lexer.span().start;
                let (arg, sort) = self.binary(1)?;
                let condition = args.is_empty() && matches!(func, Some((Func::Select, ..)));
                let wanted = if condition { Sort::Condition } else { Sort::Number };
                check(word, wanted, sort, start..self.lexer.last_span().end)?;
                args.push(arg);
                if !self.lexer.eat(",") {
                    break;
                }
            }
        }
        self.lexer.expect(")")?;
        let all = span.start..self.lexer.last_span().end;
        if let Some((reduce, ..)) = reduce
            && args.len() == 1
        {
            return Ok((Expr::Reduce(reduce, Box::new(args.remove(0))), Sort::Number));
        }
        match func {
            Some((func, _, count, _)) if count == args.len() => {
                Ok((Expr::Call(func, args), Sort::Number))
            }
            Some((_, _, count, _)) => {
                let what =
                    if reduce.is_some() { "one or two arguments".into() } else { plural(count) };
                Err(Diagnostic::new(all, format!("`{word}` takes {what}, not {}", args.len())))
            }
            None => Err(Diagnostic::new(
                all,
                format!("`{word}` takes one argument, not {}", args.len()),
            )),
        }
    }
}

fn plural(count: usize) -> String {
    if count == 1 { "one argument".into() } else { format!("{count} arguments") }
}

fn check(operator: &str, wanted: Sort, found: Sort, span: Span) -> Parsed<()> {
    match (wanted, found) {
        (Sort::Number, Sort::Number) | (Sort::Condition, Sort::Condition) => Ok(()),
        (Sort::Number, Sort::Condition) => Err(Diagnostic::new(
            span,
            format!("`{operator}` works on numbers, but this is a condition"),
        )
        .help("join conditions with `&&` and `||`")),
        (Sort::Condition, Sort::Number) => Err(Diagnostic::new(
            span,
            format!("`{operator}` works on conditions, but this is a number"),
        )
        .help("compare it with something, as in `j <= i`")),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 1)
    }
}

impl Expr {
    /// In parentheses if it binds more loosely than `least`.
    fn print(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        match self {
            Expr::Number(x) => f.write_str(&lex::number(*x)),
            Expr::Name(name) => f.write_str(name),
            Expr::Unary(op, inner) => {
                f.write_str(match op {
                    Unary::Neg => "-",
                    Unary::Not => "!",
                })?;
                inner.print(f, SIGN)
            }
            Expr::Binary(op, left, right) => {
                let (_, text, level) =
                    BINARY.iter().find(|row| row.0 == *op).copied().unwrap_or(BINARY[0]);
                let open = level < least;
                if open {
                    f.write_str("(")?;
                }
                // Comparisons do not chain, so neither side may be one.
                left.print(f, if level == COMPARE { level + 1 } else { level })?;
                write!(f, " {text} ")?;
                right.print(f, level + 1)?;
                if open {
                    f.write_str(")")?;
                }
                Ok(())
            }
            Expr::Call(func, args) => {
                let name = FUNCS.iter().find(|row| row.0 == *func).map_or("?", |row| row.1);
                write!(f, "{name}(")?;
                for (i, arg) in args.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    arg.print(f, 1)?;
                }
                f.write_str(")")
            }
            Expr::At(name, indices) => {
                let list: Vec<String> = indices.iter().map(ToString::to_string).collect();
                write!(f, "{name}[{}]", list.join(", "))
            }
            Expr::Reduce(reduce, arg) => {
                let name = REDUCTIONS.iter().find(|row| row.0 == *reduce).map_or("?", |row| row.1);
                write!(f, "{name}({arg})")
            }
        }
    }

    /// Every name used, in order of first use.
    pub fn names(&self) -> Vec<&str> {
        let mut out = Vec::new();
        self.visit(&mut |e| {
            if let Expr::Name(name) | Expr::At(name, _) = e
                && !out.contains(&name.as_str())
            {
                out.push(name);
            }
        });
        out
    }

    /// Whether a reduction over the row stands anywhere inside.
    pub fn reduces(&self) -> bool {
        let mut found = false;
        self.visit(&mut |e| found |= matches!(e, Expr::Reduce(..)));
        found
    }

    /// Every part, outer ones first.
    pub fn visit<'a>(&'a self, each: &mut dyn FnMut(&'a Expr)) {
        each(self);
        match self {
            Expr::Number(_) | Expr::Name(_) => {}
            Expr::Unary(_, a) | Expr::Reduce(_, a) => a.visit(each),
            Expr::Binary(_, a, b) => {
                a.visit(each);
                b.visit(each);
            }
            Expr::Call(_, args) | Expr::At(_, args) => args.iter().for_each(|a| a.visit(each)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(text: &str, dialect: Dialect) {
        assert_eq!(parse(text, dialect).unwrap().expr.to_string(), text);
    }

    fn fails(text: &str, dialect: Dialect) -> (Span, String) {
        let error = parse(text, dialect).unwrap_err();
        (error.span, error.message)
    }

    #[test]
    fn only_needed_parentheses_are_printed() {
        same("j <= i && i - j < 1024 || block(i, 16) == block(j, 16)", Dialect::Mask);
        same("!(i < j) && (i == 0 || j == 0)", Dialect::Mask);
        same("i - (j - 1) > -(i + j) * 2", Dialect::Mask);
        same("x * rsqrt(mean(x * x) + 1e-5) * g", Dialect::Row);
        same("max(x, 0) / max(x)", Dialect::Row);
        same("select(col % 2 < 1, -x, x[col / 64 * 64 + (col + 32) % 64])", Dialect::Row);
        same("block_table[seq, pos / 16] * 16 + pos % 16", Dialect::Index);
        let loose = parse("((i) - (j)) <= ((3))", Dialect::Mask).unwrap();
        assert_eq!(loose.expr.to_string(), "i - j <= 3");
    }

    #[test]
    fn names_have_places() {
        let parsed = parse("j + w <= i && w > 0", Dialect::Mask).unwrap();
        let names: Vec<_> = parsed.names.iter().map(|(n, s)| (n.as_str(), s.clone())).collect();
        assert_eq!(names, [("j", 0..1), ("w", 4..5), ("i", 9..10)]);
        assert_eq!(parsed.expr.names(), ["j", "w", "i"]);
    }

    #[test]
    fn mistakes_have_places() {
        let (mask, row) = (Dialect::Mask, Dialect::Row);
        let cases: &[(&str, Dialect, Span, &str)] = &[
            ("i - j", mask, 0..5, "a mask is a condition, but this is a number"),
            ("x < 1", Dialect::Row, 0..5, "a value is a number, but this is a condition"),
            ("i && j < 2", mask, 0..1, "`&&` works on conditions, but this is a number"),
            ("(i < j) + 1 < 2", mask, 0..7, "`+` works on numbers, but this is a condition"),
            ("i < j < 2", mask, 0..5, "`<` works on numbers, but this is a condition"),
            ("i < 1.5", mask, 4..7, "numbers in a mask are whole: `i` and `j` are positions"),
            ("i < 9007199254740993", mask, 4..20, "`9007199254740993` is beyond 2^53"),
            ("x * 1e999", Dialect::Row, 4..9, "this number is too large for kgen"),
            ("i <", mask, 3..3, "expected a number, a name or `(`"),
            ("(i < j", mask, 6..6, "expected `)`, found the end"),
            ("i < j i", mask, 6..7, "expected an operator or the end of the expression"),
            ("blok(i, 2) < j", mask, 0..4, "unknown function `blok`"),
            ("exp(i) < j", mask, 0..3, "unknown function `exp`"),
            ("block(i) < j", mask, 0..8, "`block` takes 2 arguments, not 1"),
            ("exp(x, x)", Dialect::Row, 0..9, "`exp` takes one argument, not 2"),
            ("sum(x, x)", Dialect::Row, 0..9, "`sum` takes one argument, not 2"),
            ("max()", Dialect::Row, 0..5, "`max` takes one or two arguments, not 0"),
            ("x < 1", row, 0..5, "a value is a number, but this is a condition"),
            ("select(x, 1, 2)", row, 7..8, "`select` works on conditions, but this is a number"),
            ("select(x < 1, 2)", row, 0..16, "`select` takes 3 arguments, not 2"),
            ("x[1.5]", row, 2..5, "numbers in an index are whole"),
            ("x[col < 1]", row, 2..9, "`[` works on numbers, but this is a condition"),
            ("x[exp(1)]", row, 2..5, "unknown function `exp`"),
            ("x[col", row, 5..5, "expected `]`, found the end"),
            ("i[0] < j", mask, 1..2, "a mask reads no tensors"),
            ("i < j; 1", mask, 5..6, "unexpected character `;`"),
            ("i $ j", mask, 2..3, "unexpected character `$`"),
        ];
        for (text, dialect, span, message) in cases {
            assert_eq!(fails(text, *dialect), (span.clone(), message.to_string()), "{text}");
        }
    }

    #[test]
    fn deep_and_long_expressions_are_refused() {
        let deep = format!("{}i{} < 1", "(".repeat(9999), ")".repeat(9999));
        assert_eq!(fails(&deep, Dialect::Mask).1, "this expression nests more than 64 levels deep");
        assert!(fails(&"-".repeat(9999), Dialect::Row).1.contains("nests more than"));
        let long = vec!["1"; 99999].join(" + ");
        assert_eq!(fails(&long, Dialect::Row).1, "this expression has more than 1000 parts");
    }

    /// A number over `names`, with everything a row may say.
    pub fn any_row(names: &'static [&'static str]) -> impl Strategy<Value = Expr> {
        let leaf = prop_oneof![
            (0u32..100_000).prop_map(|x| Expr::Number(f64::from(x) / 64.0)),
            prop::sample::select(names).prop_map(|n| Expr::Name(n.into())),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            let arithmetic = BINARY.iter().filter(|r| r.2 > COMPARE).map(|r| r.0);
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                inner.clone().prop_map(|a| Expr::Unary(Unary::Neg, Box::new(a))),
                (prop::sample::select(arithmetic.collect::<Vec<_>>()), pair.clone())
                    .prop_map(|(op, (a, b))| Expr::Binary(op, Box::new(a), Box::new(b))),
                pair.prop_map(|(a, b)| Expr::Call(Func::Max, vec![a, b])),
                inner.clone().prop_map(|a| Expr::Call(Func::Sigmoid, vec![a])),
                inner.prop_map(|a| Expr::Reduce(Reduce::Max, Box::new(a))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(expr in any_row(&["x", "g"])) {
            let text = expr.to_string();
            prop_assert_eq!(parse(&text, Dialect::Row).map(|p| p.expr), Ok(expr), "{}", text);
        }
    }
}
