//! The manifest from TOML: every mistake with its place, nothing trusted.

use super::{
    Block, Contract, FORMAT, KernelEntry, MAX_COUNTERS, MAX_SCRATCH, MAX_THREADS, Manifest,
    check::Check, is_file_name, text,
};
use crate::{
    diag::{Diagnostic, Report, Span, did_you_mean},
    format::Format,
    lex::{Lexer, Parsed},
    op::Bound,
    tile::{Param, Variant},
};
use std::{cell::RefCell, collections::BTreeMap};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Longest line of a tensor, extent, launch: keeps expressions shallow.
const MAX_LINE: usize = 4096;

/// Longest manifest.
const MAX_TEXT: usize = 16 << 20;

impl Manifest {
    /// Reads what [`Manifest::print`] writes. `name` stands in the report.
    pub fn parse(
        name: &str,
        text: &str,
        formats: &dyn Fn(&str) -> Option<&'static Format>,
    ) -> Result<Manifest, Report> {
        let fail = |list| Report::new(name, text, list);
        if text.len() > MAX_TEXT {
            let message =
                format!("a manifest has at most {MAX_TEXT} bytes, this has {}", text.len());
            return Err(Report::new(name, "", vec![Diagnostic::new(0..0, message)]));
        }
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let list = errors.iter().map(|e| {
                Diagnostic::new(e.span().unwrap_or(0..0), e.message().trim_end().to_owned())
            });
            return Err(fail(list.collect()));
        }
        let mistakes = RefCell::new(Vec::new());
        let root = Reader { table: document.get_ref(), span: 0..0, text, mistakes: &mistakes };
        let format = root.integer("format", u32::MAX as usize);
        if format > FORMAT as usize {
            let span = root.get("format").map_or(0..0, |v| v.span());
            return Err(fail(vec![newer(span, format)]));
        }
        let manifest = read(&root, format, formats);
        let mistakes = mistakes.into_inner();
        if mistakes.is_empty() { Ok(manifest) } else { Err(fail(mistakes)) }
    }
}

fn newer(span: Span, format: usize) -> Diagnostic {
    let message = format!("this artifact has format {format}; this kgen reads up to {FORMAT}");
    Diagnostic::new(span, message).help("use a newer kgen, or compile the op again with this one")
}

fn read(
    root: &Reader<'_>,
    format: usize,
    formats: &dyn Fn(&str) -> Option<&'static Format>,
) -> Manifest {
    root.only(&[
        "format", "kgen", "name", "target", "backend", "key", "features", "symbols", "bound",
        "params", "checks", "prepares", "buffers", "kernel", "variant", "contract", "files",
    ]);
    let tensor = |lexer: &mut Lexer<'_>| text::read_tensor(lexer, formats);
    let kernels: Vec<KernelEntry> =
        root.tables("kernel").iter().map(|k| read_kernel(k, formats)).collect();
    let params = |name: &str| kernels.iter().find(|k| k.name == name).map(|k| k.params.as_slice());
    let variants = root.tables("variant").iter().map(|v| read_variant(v, &params)).collect();
    Manifest {
        format: u32::try_from(format).unwrap_or(FORMAT),
        kgen: root.string("kgen"),
        name: root.string("name"),
        target: root.string("target"),
        backend: root.string("backend"),
        key: root.string("key"),
        features: root.strings("features").into_iter().map(|(s, _)| s.to_owned()).collect(),
        symbols: root.lines("symbols", text::read_symbol),
        bounds: root.tables("bound").iter().map(read_bound).collect(),
        params: root.lines("params", tensor),
        // Artifacts without such tensors have none.
        checks: match root.get("checks") {
            Some(_) => root.lines("checks", Check::read),
            None => vec![],
        },
        prepares: root.lines("prepares", text::read_prepare),
        buffers: root.lines("buffers", tensor),
        variants,
        contract: read_contract(root),
        files: read_files(root, &kernels),
        kernels,
    }
}

fn read_bound(t: &Reader<'_>) -> Bound {
    t.only(&["symbol", "min", "max", "multiple_of"]);
    let multiple_of = t.optional_integer("multiple_of");
    if multiple_of.is_some_and(|x| x < 1) {
        t.mistake(t.span_of("multiple_of"), "`multiple_of` is at least 1");
    }
    Bound {
        symbol: t.string("symbol"),
        min: t.optional_integer("min"),
        max: t.optional_integer("max"),
        multiple_of,
    }
}

fn read_kernel(t: &Reader<'_>, formats: &dyn Fn(&str) -> Option<&'static Format>) -> KernelEntry {
    t.only(&["name", "file", "entry", "params", "slots", "scratch", "counters", "block"]);
    let counters = t.integer("counters", MAX_COUNTERS);
    let scratch = t.integer("scratch", MAX_SCRATCH);
    if !scratch.is_multiple_of(64) {
        t.mistake(t.span_of("scratch"), "`scratch` is a multiple of 64");
    }
    KernelEntry {
        name: t.string("name"),
        file: t.string("file"),
        entry: t.string("entry"),
        params: t.lines("params", |lexer| text::read_param(lexer, formats)),
        slots: t.lines("slots", text::read_slot),
        scratch,
        counters,
        block: t.get("block").and_then(|_| t.table("block")).map(|b| read_block(&b)),
    }
}

fn read_block(t: &Reader<'_>) -> Block {
    t.only(&["threads", "workers", "shared"]);
    let block = Block {
        threads: t.integer("threads", MAX_THREADS),
        workers: t.integer("workers", MAX_THREADS),
        shared: t.integer("shared", MAX_SCRATCH),
    };
    if block.workers == 0 || block.threads < block.workers {
        t.mistake(t.span.clone(), "a block has workers, and a thread or more for each");
    }
    block
}

fn read_variant<'a>(t: &Reader<'_>, params: &dyn Fn(&str) -> Option<&'a [Param]>) -> Variant {
    t.only(&["name", "when", "launches"]);
    Variant {
        name: t.string("name"),
        when: t.lines("when", text::read_predicate),
        launches: t.lines("launches", |lexer| text::read_launch(lexer, params)),
    }
}

fn read_contract(root: &Reader<'_>) -> Contract {
    let Some(t) = root.table("contract") else { return Contract::default() };
    t.only(&["activation", "accumulation", "partials", "order", "bound"]);
    Contract {
        activation: t.string("activation"),
        accumulation: t.string("accumulation"),
        partials: t.string("partials"),
        order: t.string("order"),
        bound: t.string("bound"),
    }
}

fn read_files(root: &Reader<'_>, kernels: &[KernelEntry]) -> BTreeMap<String, String> {
    let Some(t) = root.table("files") else { return BTreeMap::new() };
    for (name, _) in t.table.iter() {
        if !is_file_name(name.get_ref()) {
            let message = format!("`{}` is not the name of a file of an artifact", name.get_ref());
            t.mistake(name.span(), message);
        }
    }
    let names: Vec<&str> = t.table.keys().map(|k| k.get_ref().as_ref()).collect();
    for k in kernels.iter().filter(|k| !names.contains(&k.file.as_str())) {
        let message = format!("kernel `{}` is in `{}`, which is not listed", k.name, k.file);
        t.mistake(t.span.clone(), message);
    }
    names.iter().map(|name| ((*name).to_owned(), t.string(name))).collect()
}

/// A table, and where mistakes go.
struct Reader<'a> {
    table: &'a DeTable<'a>,
    span: Span,
    text: &'a str,
    mistakes: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Reader<'a> {
    fn mistake(&self, span: Span, message: impl Into<String>) {
        self.mistakes.borrow_mut().push(Diagnostic::new(span, message));
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    fn span_of(&self, key: &str) -> Span {
        self.get(key).map_or(self.span.clone(), |v| v.span())
    }

    /// Tells of every key that is not one of `known`.
    fn only(&self, known: &[&str]) {
        for key in self.table.keys().filter(|k| !known.contains(&k.get_ref().as_ref())) {
            let name = key.get_ref();
            let mut d = Diagnostic::new(key.span(), format!("unknown key `{name}`"));
            if let Some(near) = did_you_mean(name, known.iter().copied()) {
                d = d.help(format!("did you mean `{near}`?"));
            }
            self.mistakes.borrow_mut().push(d);
        }
    }

    fn required(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.get(key);
        if value.is_none() {
            self.mistake(self.span.clone(), format!("`{key}` is missing"));
        }
        value
    }

    fn string(&self, key: &str) -> String {
        let Some(value) = self.required(key) else { return String::new() };
        if let Some(s) = value.get_ref().as_str() {
            return s.to_owned();
        }
        self.mistake(value.span(), format!("`{key}` is a string"));
        String::new()
    }

    fn optional_integer(&self, key: &str) -> Option<i64> {
        let value = self.get(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|i| i64::from_str_radix(i.as_str(), i.radix()).ok());
        if number.is_none() {
            self.mistake(value.span(), format!("`{key}` is an integer of 64 bits"));
        }
        number
    }

    fn integer(&self, key: &str, most: usize) -> usize {
        if self.required(key).is_none() {
            return 0;
        }
        let Some(x) = self.optional_integer(key) else { return 0 };
        match usize::try_from(x) {
            Ok(x) if x <= most => x,
            Ok(_) | Err(_) => {
                self.mistake(
                    self.span_of(key),
                    format!("`{key}` is between 0 and {most}, not {x}"),
                );
                0
            }
        }
    }

    /// Strings of a list with their places.
    fn strings(&self, key: &str) -> Vec<(&'a str, Span)> {
        let Some(value) = self.required(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.mistake(value.span(), format!("`{key}` is a list of strings"));
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in array.iter() {
            match item.get_ref().as_str() {
                Some(s) => out.push((s, item.span())),
                None => self.mistake(item.span(), format!("`{key}` is a list of strings")),
            }
        }
        out
    }

    /// A list of strings, each read by `read`.
    fn lines<T>(&self, key: &str, read: impl Fn(&mut Lexer<'_>) -> Parsed<T>) -> Vec<T> {
        let mut out = Vec::new();
        for (line, span) in self.strings(key) {
            if line.len() > MAX_LINE {
                let message =
                    format!("a line has at most {MAX_LINE} bytes, this has {}", line.len());
                self.mistake(span, message);
                continue;
            }
            let item = Lexer::new(line).and_then(|mut lexer| {
                let item = read(&mut lexer)?;
                if lexer.at_end() { Ok(item) } else { lexer.error("expected the end of the line") }
            });
            match item {
                Ok(item) => out.push(item),
                Err(mut d) => {
                    d.span = self.place(line, &span, d.span);
                    self.mistakes.borrow_mut().push(d);
                }
            }
        }
        out
    }

    /// Place in the file of a place in a line: exact where the string has no escapes.
    fn place(&self, line: &str, string: &Span, inner: Span) -> Span {
        let start = string.start + 1;
        if self.text.get(start..start + line.len()) == Some(line) {
            start + inner.start..start + inner.end
        } else {
            string.clone()
        }
    }

    fn table(&self, key: &str) -> Option<Reader<'a>> {
        let value = self.required(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.mistake(value.span(), format!("`{key}` is a table"));
            return None;
        };
        let (text, mistakes) = (self.text, self.mistakes);
        Some(Reader { table, span: value.span(), text, mistakes })
    }

    /// `[[key]]`, perhaps none.
    fn tables(&self, key: &str) -> Vec<Reader<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let items = value.get_ref().as_array().map_or(&[][..], |a| &a[..]);
        let tables: Vec<_> = items
            .iter()
            .filter_map(|item| {
                let (text, mistakes) = (self.text, self.mistakes);
                let table = item.get_ref().as_table()?;
                Some(Reader { table, span: item.span(), text, mistakes })
            })
            .collect();
        if tables.len() != items.len() || value.get_ref().as_array().is_none() {
            self.mistake(value.span(), format!("`{key}` is a list of tables"));
        }
        tables
    }
}
