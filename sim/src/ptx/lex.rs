//! PTX text as words with places: `ld.global.v4.u32` is one word, `[%rd1+16]` is five.

use super::Error;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// A name, a register, a directive or an opcode with its modifiers.
    Word(&'a str),
    /// A literal as written, without its sign.
    Number(&'a str),
    Text(&'a str),
    Mark(char),
    End,
}

#[derive(Clone, Copy, Debug)]
pub struct Spot<'a> {
    pub token: Token<'a>,
    pub line: u32,
    pub column: u32,
    /// First byte in the text, and the one after the last.
    pub start: usize,
    pub end: usize,
}

/// All tokens of a text; the last one is [`Token::End`].
pub fn lex(text: &str) -> Result<Vec<Spot<'_>>, Error> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, line: 1, line_start: 0 };
    let mut out = Vec::with_capacity(text.len() / 4);
    loop {
        let spot = lexer.next()?;
        out.push(spot);
        if spot.token == Token::End {
            return Ok(out);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn error(&self, message: &str) -> Error {
        Error::text(self.line, (self.at - self.line_start) as u32 + 1, message)
    }

    fn blank(&mut self) -> Result<(), Error> {
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at;
                }
                (c, _) if c.is_ascii_whitespace() || c == 0 => self.at += 1,
                (b'/', b'/') => {
                    while self.at < self.bytes.len() && self.peek(0) != b'\n' {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => {
                    let open = self.error("this comment has no end");
                    self.at += 2;
                    while (self.peek(0), self.peek(1)) != (b'*', b'/') {
                        if self.at >= self.bytes.len() {
                            return Err(open);
                        }
                        if self.peek(0) == b'\n' {
                            self.line += 1;
                            self.line_start = self.at + 1;
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Spot<'a>, Error> {
        self.blank()?;
        let (start, line, column) = (self.at, self.line, (self.at - self.line_start) as u32 + 1);
        let spot = |token, end| Spot { token, line, column, start, end };
        if self.at >= self.bytes.len() {
            return Ok(spot(Token::End, start));
        }
        let first = self.peek(0);
        let token = if first.is_ascii_digit() {
            while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'.' {
                self.at += 1;
            }
            Token::Number(self.slice(start))
        } else if is_word(first) || first == b'.' {
            loop {
                let c = self.peek(0);
                if is_word(c) || c == b'.' {
                    self.at += 1;
                } else if c == b':' && self.peek(1) == b':' && is_word(self.peek(2)) {
                    self.at += 2;
                } else {
                    break;
                }
            }
            Token::Word(self.slice(start))
        } else if first == b'"' {
            self.at += 1;
            while self.peek(0) != b'"' {
                if self.at >= self.bytes.len() || self.peek(0) == b'\n' {
                    return Err(Error::text(line, column, "this string has no end"));
                }
                self.at += 1;
            }
            self.at += 1;
            Token::Text(self.text.get(start + 1..self.at - 1).unwrap_or(""))
        } else if first.is_ascii() {
            self.at += 1;
            Token::Mark(first as char)
        } else {
            return Err(self.error("a character that PTX does not know"));
        };
        Ok(spot(token, self.at))
    }

    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or("")
    }
}

fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$' | b'%')
}

/// The bits of a literal: an integer, or a float in hexadecimal or decimal form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    Int(i64),
    F32(u32),
    F64(u64),
    Decimal(f64),
}

pub fn literal(text: &str, negative: bool) -> Option<Literal> {
    let sign = |x: u64| if negative { (x as i64).wrapping_neg() } else { x as i64 };
    let lower = text.to_ascii_lowercase();
    if let Some(bits) = lower.strip_prefix("0f").filter(|b| b.len() == 8) {
        let bits = u32::from_str_radix(bits, 16).ok()?;
        return Some(Literal::F32(if negative { bits ^ 1 << 31 } else { bits }));
    }
    if let Some(bits) = lower.strip_prefix("0d").filter(|b| b.len() == 16) {
        let bits = u64::from_str_radix(bits, 16).ok()?;
        return Some(Literal::F64(if negative { bits ^ 1 << 63 } else { bits }));
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        return u64::from_str_radix(hex.trim_end_matches('u'), 16)
            .ok()
            .map(|x| Literal::Int(sign(x)));
    }
    if let Some(binary) = lower.strip_prefix("0b") {
        let digits = binary.trim_end_matches('u');
        return u64::from_str_radix(digits, 2).ok().map(|x| Literal::Int(sign(x)));
    }
    if lower.contains('.') || lower.contains('e') {
        let x: f64 = lower.parse().ok()?;
        return Some(Literal::Decimal(if negative { -x } else { x }));
    }
    let digits = lower.trim_end_matches('u');
    let octal = digits.len() > 1 && digits.starts_with('0');
    u64::from_str_radix(digits, if octal { 8 } else { 10 }).ok().map(|x| Literal::Int(sign(x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_the_bits_they_spell() {
        for (text, negative, expected) in [
            ("0f3F800000", false, Literal::F32(0x3f80_0000)),
            ("0f3F800000", true, Literal::F32(0xbf80_0000)),
            ("0d3FF0000000000000", false, Literal::F64(0x3ff0 << 48)),
            ("0xFFFFFFFFFFFFFFFF", false, Literal::Int(-1)),
            ("12U", false, Literal::Int(12)),
            ("017", false, Literal::Int(15)),
            ("0", true, Literal::Int(0)),
            ("0b101", false, Literal::Int(5)),
            ("9", true, Literal::Int(-9)),
            ("1.5", true, Literal::Decimal(-1.5)),
        ] {
            assert_eq!(literal(text, negative), Some(expected), "{text}");
        }
        for bad in ["0x", "09", "12z", "99999999999999999999", "0fGG"] {
            assert_eq!(literal(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn words_keep_their_modifiers_and_places() {
        let spots = lex("/* a\n */ ld.shared::cta.u32 %r1, [%rd2+-4]; // x\n$L:").unwrap();
        let words: Vec<_> = spots.iter().map(|s| s.token).collect();
        assert_eq!(words[0], Token::Word("ld.shared::cta.u32"));
        assert_eq!(words[words.len() - 3..], [Token::Word("$L"), Token::Mark(':'), Token::End]);
        assert_eq!((spots[0].line, spots[0].column), (2, 5));
    }

    #[test]
    fn open_comments_and_strings_are_told() {
        for (text, says) in
            [("/* a", "no end"), (".pragma \"x\n", "no end"), ("add é", "does not know")]
        {
            assert!(lex(text).unwrap_err().to_string().contains(says), "{text}");
        }
    }
}
