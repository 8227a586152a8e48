//! Cuts a text into the pieces within which byte pairs are merged: the regular expressions that vocabularies name by
//! `tokenizer.ggml.pre`, as rules by hand.
//!
//! ```text
//! gpt-2       "It's 2024!\n"  ->  It 's _2024 ! \n
//! llama-bpe   "It's 2024!\n"  ->  It 's _ 202 4 !\n
//! ```

use super::letters::is_letter;

/// The ways to split differ in these alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// `'S` is an ending as `'s` is.
    any_case: bool,
    /// Any one character that is no letter, digit or end of line goes with the letters behind it, not a space alone.
    lead: bool,
    /// Most digits of a piece.
    digits: usize,
    /// A space goes with the digits behind it.
    space_digits: bool,
    /// Digits are cut out first: white space before them ends there, as at the end of the text.
    digits_first: bool,
    /// Ends of lines go with the signs before them, and end the white space they stand in.
    lines: bool,
}

/// A vocabulary's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub split: Split,
    /// A piece that is a token as a whole is not cut first.
    pub whole: bool,
    /// A text begins with the token for beginnings, if no key says otherwise.
    pub bos: bool,
}

const GPT2: Split = Split {
    any_case: false,
    lead: false,
    digits: usize::MAX,
    space_digits: true,
    digits_first: false,
    lines: false,
};
const SMOLLM: Split = Split { digits: 1, space_digits: false, digits_first: true, ..GPT2 };
const LLAMA3: Split =
    Split { any_case: true, lead: true, digits: 3, space_digits: false, lines: true, ..GPT2 };
const QWEN2: Split = Split { digits: 1, ..LLAMA3 };

/// Values of `tokenizer.ggml.pre`. Source: `llama-vocab.cpp` of llama.cpp.
#[rustfmt::skip] // one per row
const WAYS: &[(&str, Way)] = &[
    ("gpt-2",     Way { split: GPT2,   whole: false, bos: false }),
    ("smollm",    Way { split: SMOLLM, whole: false, bos: false }),
    ("llama-bpe", Way { split: LLAMA3, whole: true,  bos: true }),
    ("llama3",    Way { split: LLAMA3, whole: true,  bos: true }),
    ("llama-v3",  Way { split: LLAMA3, whole: true,  bos: true }),
    ("qwen2",     Way { split: QWEN2,  whole: false, bos: false }),
];

pub fn way(name: &str) -> Option<Way> {
    WAYS.iter().find(|(n, _)| *n == name).map(|(_, way)| *way)
}

/// The names that [`way`] knows.
pub fn names() -> Vec<&'static str> {
    WAYS.iter().map(|(name, _)| *name).collect()
}

const ENDINGS: &[&str] = &["s", "t", "re", "ve", "m", "ll", "d"];

impl Split {
    /// The pieces of a text; together they are the text.
    pub fn pieces<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let (mut out, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.first(rest));
            out.push(piece);
            rest = behind;
        }
        out
    }

    /// Bytes of the first piece: at least one character.
    fn first(&self, text: &str) -> usize {
        let mut chars = text.chars();
        let (Some(first), second) = (chars.next(), chars.next()) else { return text.len() };
        if let Some(ending) = text.strip_prefix('\'').and_then(|rest| self.ending(rest)) {
            return 1 + ending;
        }
        let behind = first.len_utf8();
        let after = |skip: usize| text.get(skip..).unwrap_or("");
        let second_is = |kind: fn(char) -> bool| second.is_some_and(kind);
        // Letters, and what goes with them.
        let leads = if self.lead {
            !matches!(first, '\r' | '\n') && !is_letter(first) && !first.is_numeric()
        } else {
            first == ' '
        };
        if is_letter(first) {
            return run(text, is_letter);
        }
        if leads && second_is(is_letter) {
            return behind + run(after(behind), is_letter);
        }
        if first.is_numeric() {
            return digits(text, self.digits);
        }
        if self.space_digits && first == ' ' && second_is(char::is_numeric) {
            return 1 + digits(after(1), self.digits);
        }
        let skip = if first == ' ' && second_is(is_sign) { 1 } else { 0 };
        if skip == 1 || is_sign(first) {
            let signs = skip + run(after(skip), is_sign);
            let lines = if self.lines { run(after(signs), is_line) } else { 0 };
            return signs + lines;
        }
        self.white(text)
    }

    /// Bytes of an ending behind an apostrophe.
    fn ending(&self, rest: &str) -> Option<usize> {
        let fits = |ending: &&&str| {
            rest.get(..ending.len()).is_some_and(|start| {
                start == **ending || self.any_case && start.eq_ignore_ascii_case(ending)
            })
        };
        ENDINGS.iter().find(fits).map(|ending| ending.len())
    }

    /// White space: up to its last end of line, or all of it but the last character before a word.
    fn white(&self, text: &str) -> usize {
        let all = run(text, char::is_whitespace);
        let white = text.get(..all).unwrap_or(text);
        if self.lines
            && let Some(line) = white.rfind(is_line)
        {
            return line + 1;
        }
        let last = white.chars().next_back().map_or(0, char::len_utf8);
        let behind = text.get(all..).and_then(|rest| rest.chars().next());
        let ends = behind.is_none_or(|c| self.digits_first && c.is_numeric());
        if ends || all == last { all } else { all - last }
    }
}

/// Neither white space nor letter nor number.
fn is_sign(c: char) -> bool {
    !c.is_whitespace() && !is_letter(c) && !c.is_numeric()
}

fn is_line(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// Bytes of the characters of a kind that a text begins with.
fn run(text: &str, kind: fn(char) -> bool) -> usize {
    text.find(|c| !kind(c)).unwrap_or(text.len())
}

/// Bytes of at most so many digits.
fn digits(text: &str, most: usize) -> usize {
    let found = text.chars().take_while(|c| c.is_numeric()).take(most);
    found.map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(name: &str, text: &str) -> String {
        let pieces = way(name).unwrap().split.pieces(text);
        assert_eq!(pieces.concat(), text);
        pieces.join("|")
    }

    #[test]
    fn each_way_cuts_as_its_expression_does() {
        let cases = [
            ("gpt-2", "It's 2024!\n", "It|'s| 2024|!|\n"),
            ("llama-bpe", "It's 2024!\n", "It|'s| |202|4|!\n"),
            ("qwen2", "It's 2024!\n", "It|'s| |2|0|2|4|!\n"),
            ("gpt-2", "a  b   ", "a| | b|   "),
            ("llama-bpe", "a  b   ", "a| | b|   "),
            ("gpt-2", "x\n\n y", "x|\n\n| y"),
            ("llama-bpe", "x\n\n y", "x|\n\n| y"),
            ("llama-bpe", "x \n \n  y", "x| \n \n| | y"),
            ("gpt-2", "x \n \n  y", "x| \n \n | y"),
            ("gpt-2", "I'LL we'll 'q", "I|'|LL| we|'ll| '|q"),
            ("llama-bpe", "I'LL we'll 'q", "I|'LL| we|'ll| '|q"),
            ("gpt-2", "f(x)=_y", "f|(|x|)=_|y"),
            ("llama-bpe", "f(x)=_y", "f|(x|)=_|y"),
            ("gpt-2", "naïve 漢字 मानक", "naïve| 漢字| म|ा|नक"),
            ("llama-bpe", "\tx\t\ty", "\tx|\t|\ty"),
            ("gpt-2", "\tx\t\ty", "\t|x|\t|\t|y"),
            ("gpt-2", "½ ²", "½| ²"),
            ("smollm", "a  2024 b'll  c", "a|  |2|0|2|4| b|'ll| | c"),
            ("gpt-2", " ", " "),
            ("gpt-2", "", ""),
            ("llama-bpe", "a\u{a0}b\u{3000}!", "a|\u{a0}b|\u{3000}|!"),
        ];
        for (name, text, wanted) in cases {
            assert_eq!(cut(name, text), wanted, "{name} {text:?}");
        }
    }

    #[test]
    fn any_text_is_cut_into_itself() {
        let mut next = kgen_ir::format::random::numbers(5);
        let some =
            ["a", "'", "é", " ", "\n", "7", "!", "\r\n", "\u{345}", "ll", "字", "\u{2028}", "½"];
        for _ in 0..3000 {
            let text: String =
                (0..next() % 12).map(|_| some[next() as usize % some.len()]).collect();
            for (name, _) in WAYS {
                let pieces = way(name).unwrap().split.pieces(&text);
                assert!(pieces.iter().all(|p| !p.is_empty()));
                assert_eq!(pieces.concat(), text);
            }
        }
    }
}
