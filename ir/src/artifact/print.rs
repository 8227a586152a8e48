//! The manifest as TOML, the same bytes for the same manifest.

use super::{Manifest, text};
use crate::op::Bound;
use std::fmt::Write;

impl Manifest {
    pub fn print(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "format = {}", self.format);
        for (key, value) in [
            ("kgen", &self.kgen),
            ("name", &self.name),
            ("target", &self.target),
            ("backend", &self.backend),
            ("key", &self.key),
        ] {
            let _ = writeln!(out, "{key} = {}", quote(value));
        }
        list(&mut out, "features", &self.features, String::clone);
        list(&mut out, "symbols", &self.symbols, text::symbol);
        list(&mut out, "params", &self.params, text::tensor);
        if !self.checks.is_empty() {
            list(&mut out, "checks", &self.checks, ToString::to_string);
        }
        list(&mut out, "prepares", &self.prepares, text::prepare);
        list(&mut out, "buffers", &self.buffers, text::tensor);
        for bound in &self.bounds {
            print_bound(&mut out, bound);
        }
        for k in &self.kernels {
            out.push_str("\n[[kernel]]\n");
            for (key, value) in [("name", &k.name), ("file", &k.file), ("entry", &k.entry)] {
                let _ = writeln!(out, "{key} = {}", quote(value));
            }
            list(&mut out, "params", &k.params, text::param);
            list(&mut out, "slots", &k.slots, text::slot);
            let _ = writeln!(out, "scratch = {}\ncounters = {}", k.scratch, k.counters);
            if let Some(b) = &k.block {
                let (threads, workers, shared) = (b.threads, b.workers, b.shared);
                let _ = writeln!(
                    out,
                    "block = {{ threads = {threads}, workers = {workers}, shared = {shared} }}"
                );
            }
        }
        for v in &self.variants {
            let _ = writeln!(out, "\n[[variant]]\nname = {}", quote(&v.name));
            list(&mut out, "when", &v.when, text::predicate);
            list(&mut out, "launches", &v.launches, text::launch);
        }
        let c = &self.contract;
        out.push_str("\n[contract]\n");
        for (key, value) in [
            ("activation", &c.activation),
            ("accumulation", &c.accumulation),
            ("partials", &c.partials),
            ("order", &c.order),
            ("bound", &c.bound),
        ] {
            let _ = writeln!(out, "{key} = {}", quote(value));
        }
        out.push_str("\n[files]\n");
        for (name, hash) in &self.files {
            let _ = writeln!(out, "{} = {}", quote(name), quote(hash));
        }
        out
    }
}

fn print_bound(out: &mut String, bound: &Bound) {
    let _ = writeln!(out, "\n[[bound]]\nsymbol = {}", quote(&bound.symbol));
    for (key, value) in [("min", bound.min), ("max", bound.max), ("multiple_of", bound.multiple_of)]
    {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {value}");
        }
    }
}

/// One item a line where there are several.
fn list<T>(out: &mut String, key: &str, items: &[T], show: impl Fn(&T) -> String) {
    let _ = match items {
        [] => writeln!(out, "{key} = []"),
        [one] => writeln!(out, "{key} = [{}]", quote(&show(one))),
        many => {
            let lines: String = many.iter().map(|x| format!("  {},\n", quote(&show(x)))).collect();
            writeln!(out, "{key} = [\n{lines}]")
        }
    };
}

/// A basic string of TOML.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
