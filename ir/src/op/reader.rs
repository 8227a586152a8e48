//! Reads TOML with its places: asks for keys, remembers what was asked, reports the rest, goes on after mistakes.
//!
//! Derived deserialisation stops at the first mistake and loses the places of tagged enums; here every value is
//! asked for by its key, and the path of a key (`segment.0.len`) leads back to its place for later checks.

use super::expr::{self, Dialect, Expr};
use crate::diag::{self, Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};
use toml::{Spanned, de::DeTable, de::DeValue};

/// Where each key of a file stands, and which of them already have a mistake.
#[derive(Clone, Debug, Default)]
pub struct Places {
    at: BTreeMap<String, Span>,
    bad: BTreeSet<String>,
}

impl Places {
    /// Span of the value at `path`, or of the nearest table around it; of the start where nothing is known.
    pub fn span(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some(span) = self.at.get(path) {
                return span.clone();
            }
            match path.rfind(['.', ':']) {
                Some(end) => path = &path[..end],
                None => return 0..0,
            }
        }
    }

    pub fn has(&self, path: &str) -> bool {
        self.at.contains_key(path)
    }

    /// Whether anything was misread.
    pub fn any_bad(&self) -> bool {
        !self.bad.is_empty()
    }

    /// Whether `path`, something around it or inside it has a mistake already.
    pub fn is_bad(&self, path: &str) -> bool {
        let inside = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.bad.iter().any(|bad| inside(bad, path) || inside(path, bad))
    }
}

/// The mistakes so far.
pub struct Reader<'a> {
    text: &'a str,
    pub list: Vec<Diagnostic>,
    pub places: Places,
}

/// A value and the way to it.
#[derive(Clone)]
pub struct Node<'a> {
    pub value: &'a DeValue<'a>,
    pub span: Span,
    pub path: String,
}

/// A table that knows which of its keys were asked for.
pub struct Table<'a> {
    table: &'a DeTable<'a>,
    pub span: Span,
    path: String,
    asked: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Reader { text, list: Vec::new(), places: Places::default() }
    }

    /// Reports a mistake in the value at `path`.
    pub fn mistake(&mut self, path: &str, diagnostic: Diagnostic) {
        self.places.bad.insert(path.into());
        self.list.push(diagnostic);
    }

    /// "expected what, found that" at a node.
    pub fn expected<T>(&mut self, node: &Node<'a>, what: &str) -> Option<T> {
        let message = format!("expected {what}, found {}", kind(node.value));
        self.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
        None
    }

    /// An unknown word, with the nearest known one or all of them.
    pub fn unknown<T>(&mut self, node: &Node<'a>, what: &str, known: &[&str]) -> Option<T> {
        let word = node.value.as_str().unwrap_or_default();
        let error = Diagnostic::new(node.span.clone(), format!("unknown {what} `{word}`"));
        let error = match diag::did_you_mean(word, known.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("known: {}", known.join(" "))),
        };
        self.mistake(&node.path, error);
        None
    }

    pub fn root(&mut self, table: &'a DeTable<'a>) -> Table<'a> {
        Table { table, span: 0..0, path: String::new(), asked: Vec::new() }
    }

    pub fn table(&mut self, node: &Node<'a>, what: &str) -> Option<Table<'a>> {
        match node.value.as_table() {
            Some(table) => Some(Table {
                table,
                span: node.span.clone(),
                path: node.path.clone(),
                asked: Vec::new(),
            }),
            None => self.expected(node, what),
        }
    }

    pub fn list(&mut self, node: &Node<'a>, what: &str) -> Option<Vec<Node<'a>>> {
        let Some(array) = node.value.as_array() else { return self.expected(node, what) };
        Some(
            array
                .iter()
                .enumerate()
                .map(|(i, item)| {
                    let path = format!("{}.{i}", node.path);
                    self.places.at.insert(path.clone(), item.span());
                    Node { value: item.get_ref(), span: item.span(), path }
                })
                .collect(),
        )
    }

    pub fn str(&mut self, node: &Node<'a>, what: &str) -> Option<&'a str> {
        match node.value.as_str() {
            Some(s) => Some(s),
            None => self.expected(node, what),
        }
    }

    pub fn bool(&mut self, node: &Node<'a>) -> Option<bool> {
        match node.value.as_bool() {
            Some(b) => Some(b),
            None => self.expected(node, "`true` or `false`"),
        }
    }

    pub fn int(&mut self, node: &Node<'a>, what: &str) -> Option<i64> {
        let Some(int) = node.value.as_integer() else { return self.expected(node, what) };
        match i64::from_str_radix(int.as_str(), int.radix()) {
            Ok(x) => Some(x),
            Err(_) => {
                let message = "this integer is too large for kgen";
                self.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
                None
            }
        }
    }

    /// A finite number, whole or not.
    pub fn number(&mut self, node: &Node<'a>, what: &str) -> Option<f64> {
        if node.value.is_integer() {
            return self.int(node, what).map(|x| x as f64);
        }
        let Some(float) = node.value.as_float() else { return self.expected(node, what) };
        match float.as_str().parse::<f64>() {
            Ok(x) if x.is_finite() => Some(x),
            Ok(_) | Err(_) => {
                let message = "this number is not finite";
                self.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, node: &Node<'a>, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.str(node, &format!("the {what} in quotes"))?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => self.unknown(node, what, &words.iter().map(|w| w.0).collect::<Vec<_>>()),
        }
    }

    /// A name that can stand in expressions and tensor names.
    pub fn name(&mut self, node: &Node<'a>, what: &str) -> Option<String> {
        let text = self.str(node, &format!("{what} in quotes"))?;
        if is_name(text) {
            return Some(text.into());
        }
        let message = format!("`{}` is no name", text.escape_debug());
        let help = "names are letters, digits and `_`, and begin with a letter";
        self.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
        None
    }

    /// An expression string; the places of its names are kept as `path:name`.
    pub fn expr(&mut self, node: &Node<'a>, dialect: Dialect) -> Option<Expr> {
        let text = self.str(node, "an expression in quotes")?;
        // Escapes and multi-line strings shift places: then the whole string is shown.
        let inner = node.span.start + 1..node.span.end.saturating_sub(1);
        let straight = self.text.get(inner.clone()) == Some(text);
        let place = |span: Span| match straight {
            true => inner.start + span.start..inner.start + span.end,
            false => node.span.clone(),
        };
        match expr::parse(text, dialect) {
            Ok(parse) => {
                for (name, span) in parse.names {
                    self.places.at.insert(format!("{}:{name}", node.path), place(span));
                }
                Some(parse.expr)
            }
            Err(error) => {
                let moved = Diagnostic { span: place(error.span.clone()), ..error };
                self.mistake(&node.path, moved);
                None
            }
        }
    }
}

impl<'a> Table<'a> {
    /// The value of `key`, if the table has it.
    pub fn get(&mut self, r: &mut Reader<'a>, key: &'static str) -> Option<Node<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let value = self.table.get(key)?;
        let path = self.path_of(key);
        r.places.at.insert(path.clone(), value.span());
        Some(Node { value: value.get_ref(), span: value.span(), path })
    }

    /// The value of `key`; a mistake where the table has none.
    pub fn need(&mut self, r: &mut Reader<'a>, key: &'static str, help: &str) -> Option<Node<'a>> {
        let node = self.get(r, key);
        if node.is_none() && !r.places.bad.contains(&self.path_of(key)) {
            let error = Diagnostic::new(self.span.clone(), format!("`{key}` is missing"));
            r.mistake(&self.path_of(key), error.help(help));
        }
        node
    }

    /// All entries in the order of the file: for tables whose keys are the user's names.
    pub fn entries(&mut self, r: &mut Reader<'a>) -> Vec<(String, Span, Node<'a>)> {
        let mut all: Vec<(Span, &'a str, &'a Spanned<DeValue<'a>>)> =
            self.table.iter().map(|(k, v)| (k.span(), k.get_ref().as_ref(), v)).collect();
        all.sort_by_key(|(span, ..)| span.start);
        let mut out = Vec::new();
        for (span, key, value) in all {
            let path = self.path_of(key);
            r.places.at.insert(path.clone(), value.span());
            let node = Node { value: value.get_ref(), span: value.span(), path };
            out.push((key.to_string(), span, node));
        }
        out
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Reports the keys nobody asked for.
    pub fn finish(self, r: &mut Reader<'a>) {
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let error = Diagnostic::new(key.span(), format!("unknown key `{name}`"));
            let missing = self.asked.iter().copied().filter(|k| !self.table.contains_key(*k));
            let error = match diag::did_you_mean(name, missing) {
                Some(near) => {
                    // The key that was meant is not missing on top.
                    let meant = self.path_of(near);
                    let told = format!("`{near}` is missing");
                    if r.places.bad.contains(&meant) {
                        r.list.retain(|d| d.message != told || d.span != self.span);
                    }
                    r.places.bad.insert(meant);
                    error.help(format!("did you mean `{near}`?"))
                }
                None => error.help(format!("keys here: {}", self.asked.join(" "))),
            };
            r.list.push(error);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }
}

/// Letters, digits and `_`, not a digit first.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(s) => format!("\"{}\"", s.escape_debug()),
        DeValue::Integer(i) => format!("`{}`", i.as_str()),
        DeValue::Float(x) => format!("`{}`", x.as_str()),
        DeValue::Boolean(b) => format!("`{b}`"),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}
