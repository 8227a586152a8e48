//! The one lexer of every text form: extents, `.tile`, `.mach`.
//!
//! Words may hold dots after their first letter (`kv.k`, `w.codes`); `;` starts a comment.

use crate::diag::{Diagnostic, Span};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// `kv.k`, `for`, `f16`, `_`.
    Word(String),
    Int(i64),
    /// Decimal, with point or exponent; `inf` and `nan` are words.
    Float(f64),
    /// `"..."` without escapes.
    Text(String),
    /// Punctuation, longest match first: `->`, `..`, `<<`, `<=`, `(` ...
    Punct(&'static str),
    End,
}

const PUNCTS: &[&str] = &[
    "..", "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", "{", "}", ",",
    ":", "=", "+", "-", "*", "/", "%", "<", ">", "@", "^", "!", "&", "|", "?", "#",
];

/// Tokens and a place in them.
pub struct Lexer<'a> {
    pub text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
}

pub type Parsed<T> = Result<T, Diagnostic>;

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Parsed<Self> {
        Ok(Lexer { text, tokens: tokens(text)?, at: 0 })
    }

    pub fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    /// The token `n` places after the next one.
    pub fn peek_at(&self, n: usize) -> &Token {
        &self.tokens[(self.at + n).min(self.tokens.len() - 1)].0
    }

    pub fn span(&self) -> Span {
        self.tokens[self.at].1.clone()
    }

    /// Span of the token before the next one.
    pub fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1.clone()
    }

    pub fn next_token(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub fn at_end(&self) -> bool {
        *self.peek() == Token::End
    }

    pub fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Diagnostic::new(self.span(), message))
    }

    pub fn is(&self, punct: &str) -> bool {
        matches!(self.peek(), Token::Punct(p) if *p == punct)
    }

    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(w) if w == word)
    }

    pub fn eat(&mut self, punct: &str) -> bool {
        let found = self.is(punct);
        if found {
            self.next_token();
        }
        found
    }

    pub fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next_token();
        }
        found
    }

    pub fn expect(&mut self, punct: &str) -> Parsed<()> {
        if self.eat(punct) {
            Ok(())
        } else {
            self.error(format!("expected `{punct}`, found {}", show(self.peek())))
        }
    }

    pub fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            self.error(format!("expected `{word}`, found {}", show(self.peek())))
        }
    }

    pub fn word(&mut self, what: &str) -> Parsed<String> {
        match self.peek().clone() {
            Token::Word(w) => {
                self.next_token();
                Ok(w)
            }
            Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::Punct(_) | Token::End => {
                self.error(format!("expected {what}, found {}", show(self.peek())))
            }
        }
    }

    /// An integer, perhaps negative.
    pub fn int(&mut self, what: &str) -> Parsed<i64> {
        let negative = self.eat("-");
        match *self.peek() {
            Token::Int(i) => {
                self.next_token();
                Ok(if negative { -i } else { i })
            }
            Token::Word(_) | Token::Float(_) | Token::Text(_) | Token::Punct(_) | Token::End => {
                self.error(format!("expected {what}, found {}", show(self.peek())))
            }
        }
    }

    /// A number, `inf` or `nan`, perhaps negative.
    pub fn number(&mut self, what: &str) -> Parsed<f64> {
        let sign = if self.eat("-") { -1.0 } else { 1.0 };
        let value = match self.peek().clone() {
            Token::Int(i) => i as f64,
            Token::Float(f) => f,
            Token::Word(w) if w == "inf" => f64::INFINITY,
            Token::Word(w) if w == "nan" => f64::NAN,
            Token::Word(_) | Token::Text(_) | Token::Punct(_) | Token::End => {
                return self.error(format!("expected {what}, found {}", show(self.peek())));
            }
        };
        self.next_token();
        Ok(sign * value)
    }
}

/// 2^53: whole numbers up to here are exact.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A number as the lexer reads it back: shortest decimal that is exact.
pub fn number(x: f64) -> String {
    if x.is_nan() {
        "nan".into()
    } else if x.is_infinite() {
        if x > 0.0 { "inf".into() } else { "-inf".into() }
    } else if x == x.trunc() && x.abs() <= WHOLE && !(x == 0.0 && x.is_sign_negative()) {
        format!("{}", x as i64)
    } else {
        format!("{x:?}")
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Word(w) => format!("`{w}`"),
        Token::Int(i) => format!("`{i}`"),
        Token::Float(f) => format!("`{f}`"),
        Token::Text(t) => format!("\"{t}\""),
        Token::Punct(p) => format!("`{p}`"),
        Token::End => "the end".into(),
    }
}

fn tokens(text: &str) -> Parsed<Vec<(Token, Span)>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        let c = bytes[i];
        if c.is_ascii_whitespace() {
            i += 1;
            continue;
        }
        if c == b';' {
            while i < bytes.len() && bytes[i] != b'\n' {
                i += 1;
            }
            continue;
        }
        let token = if c.is_ascii_alphabetic() || c == b'_' {
            while i < bytes.len() && word_byte(bytes, i) {
                i += 1;
            }
            Token::Word(text[start..i].into())
        } else if c.is_ascii_digit() {
            let (token, end) = scan_number(text, start)?;
            i = end;
            token
        } else if c == b'"' {
            let Some(len) = text[i + 1..].find('"') else {
                return Err(Diagnostic::new(start..text.len(), "this string has no end"));
            };
            i += len + 2;
            Token::Text(text[start + 1..i - 1].into())
        } else if let Some(p) = PUNCTS.iter().find(|p| text[i..].starts_with(**p)) {
            i += p.len();
            Token::Punct(p)
        } else {
            let end = start + text[start..].chars().next().map_or(1, char::len_utf8);
            return Err(Diagnostic::new(
                start..end,
                format!("unexpected character `{}`", &text[start..end]),
            ));
        };
        out.push((token, start..i));
    }
    out.push((Token::End, text.len()..text.len()));
    Ok(out)
}

/// Letters, digits, `_`, and a single dot between them.
fn word_byte(bytes: &[u8], i: usize) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    plain(bytes[i]) || (bytes[i] == b'.' && bytes.get(i + 1).is_some_and(|&b| plain(b)))
}

fn scan_number(text: &str, start: usize) -> Parsed<(Token, usize)> {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while i < bytes.len() && bytes[i].is_ascii_digit() {
            i += 1;
        }
        i
    };
    let mut end = digits(start);
    let mut float = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        float = true;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            float = true;
            end = digits(end + 1 + sign);
        }
    }
    let bad = || {
        Diagnostic::new(
            start..end,
            format!("`{}` is not a number kgen can hold", &text[start..end]),
        )
    };
    let token = if float {
        Token::Float(text[start..end].parse().map_err(|_| bad())?)
    } else {
        Token::Int(text[start..end].parse().map_err(|_| bad())?)
    };
    Ok((token, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_not_decimals() {
        let mut lexer = Lexer::new("0..16 1.5 2e-3 kv.k").unwrap();
        let all: Vec<_> =
            std::iter::from_fn(|| (!lexer.at_end()).then(|| lexer.next_token())).collect();
        let expected = [
            Token::Int(0),
            Token::Punct(".."),
            Token::Int(16),
            Token::Float(1.5),
            Token::Float(2e-3),
            Token::Word("kv.k".into()),
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn numbers_survive_printing() {
        for x in [
            0.0,
            -0.0,
            1.0,
            9007199254740991.0,
            0.18033688,
            1e300,
            f64::INFINITY,
            -f64::INFINITY,
            3.0e-40,
        ] {
            let text = number(x);
            let back = Lexer::new(&text).unwrap().number("a number").unwrap();
            assert_eq!(back.to_bits(), x.to_bits(), "{text}");
        }
    }
}
