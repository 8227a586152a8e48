//! Mistakes in input files: each has its place and a way out, all of a file are told in one run.
//!
//! ```text
//! error: unknown key `maks`
//!  --> ops/bad.toml:9:1
//!   |
//! 9 | maks = "causal"
//!   | ^^^^
//!   |
//!   = help: did you mean `mask`?
//! ```

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::{fmt, ops::Range};

/// Byte range in a source text.
pub type Span = Range<usize>;

/// One mistake: a lower-case sentence, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { span, message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All mistakes of one text, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Path or name of the source.
    pub name: String,
    pub text: String,
    pub list: Vec<Diagnostic>,
}

impl Report {
    /// The report in source order.
    pub fn new(name: &str, text: &str, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| (d.span.start, d.span.end));
        list.dedup();
        Report { name: name.into(), text: text.into(), list }
    }

    /// Plain text with carets, without colours.
    pub fn render(&self) -> String {
        let renderer = Renderer::plain();
        let mut out = String::new();
        for d in &self.list {
            if !out.is_empty() {
                out.push('\n');
            }
            let span = clamp(&d.span, &self.text);
            let snippet = Snippet::source(self.text.as_str())
                .path(self.name.as_str())
                .annotation(AnnotationKind::Primary.span(span));
            let mut group: Group<'_> =
                Level::ERROR.primary_title(d.message.as_str()).element(snippet);
            if let Some(help) = &d.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            out.push_str(&renderer.render(&[group]));
            out.push('\n');
        }
        out
    }
}

/// A span inside the text and on character boundaries, whatever the reader reported.
fn clamp(span: &Span, text: &str) -> Span {
    let floor = |mut i: usize| {
        i = i.min(text.len());
        while !text.is_char_boundary(i) {
            i -= 1;
        }
        i
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

impl std::error::Error for Report {}

/// What a target cannot do: a value with a reason and an alternative, never a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} cannot do {what}; instead: {instead}")]
pub struct Unsupported {
    pub what: String,
    pub target: String,
    pub instead: String,
}

/// The nearest of `known` to `word`, if it is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|k| (distance(word, k), k)).min_by_key(|(d, _)| *d)?;
    (best.0 <= 1 + word.len() / 4).then_some(best.1)
}

/// Edit distance with transpositions of neighbours (Damerau, restricted).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            d[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (d[i - 1][j] + 1).min(d[i][j - 1] + 1).min(d[i - 1][j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(d[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    d[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        assert_eq!(did_you_mean("maks", ["mask", "heads", "len"]), Some("mask"));
        assert_eq!(did_you_mean("zebra", ["mask", "heads", "len"]), None);
    }

    #[test]
    fn a_span_beyond_the_text_is_still_shown() {
        let report = Report::new("x.toml", "é", vec![Diagnostic::new(1..99, "cut short")]);
        assert!(report.render().contains("error: cut short"));
    }
}
