//! The canonical `op.toml` of an op: defaults left out, one form for each meaning, so that equal ops print equal text.

use super::{
    Attention, Code, CodeLayout, Codes, Compute, Dim, Group, Heads, IndexHead, Kind, KvLayout,
    Mask, MpGemm, Op, Precision, Ranked, RowKind, Rows, Segment, Select, Shared, Storage, Value,
    Zero,
};
use crate::{dtype::Dtype, lex::number};
use std::fmt::{self, Write};

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self))
    }
}

pub fn print(op: &Op) -> String {
    let mut p = Printer(String::new());
    let (kind, after) = match &op.kind {
        Kind::Attention(_) => ("attention", true),
        Kind::MpGemm(_) => ("mpgemm", false),
        Kind::Rows(_) => ("rows", false),
    };
    p.line("op", text(kind));
    p.line("name", text(&op.name));
    match &op.kind {
        Kind::Attention(a) => p.attention(a),
        Kind::MpGemm(g) => p.product(g),
        Kind::Rows(rows) => p.rows(rows),
    }
    if !op.bounds.is_empty() {
        p.0.push_str("\n[dims]\n");
        for b in &op.bounds {
            let keys = [("min", b.min), ("max", b.max), ("multiple_of", b.multiple_of)];
            let keys = keys.iter().filter_map(|(k, x)| x.map(|x| format!("{k} = {x}")));
            p.line(&b.symbol, table(keys));
        }
    }
    // TOML wants plain keys before the first table.
    if let (true, Kind::Attention(a)) = (after, &op.kind) {
        a.segments.iter().for_each(|s| p.segment(s));
    }
    p.0
}

struct Printer(String);

fn text(s: &str) -> String {
    format!("\"{s}\"")
}

fn table(keys: impl IntoIterator<Item = String>) -> String {
    let keys: Vec<String> = keys.into_iter().collect();
    if keys.is_empty() { "{}".into() } else { format!("{{ {} }}", keys.join(", ")) }
}

fn ints(list: &[i64]) -> String {
    format!("{list:?}")
}

fn dim(d: &Dim) -> String {
    match d {
        Dim::Const(x) => x.to_string(),
        Dim::Sym(s) => text(s),
        Dim::Ragged { symbol, over } => text(&format!("{symbol}[{over}]")),
    }
}

fn storage(s: &Storage) -> String {
    match s {
        Storage::Plain(_) | Storage::Block(_) => format_name(s),
        Storage::Codes(_) => table(format_keys(s)),
    }
}

/// `"f16"`, `"q4_0"`, `"int4"`.
fn format_name(s: &Storage) -> String {
    match s {
        Storage::Plain(dtype) => text(dtype.name()),
        Storage::Block(format) => text(format.name),
        Storage::Codes(Codes { layout: CodeLayout::Gptq { .. }, .. }) => text("gptq"),
        Storage::Codes(Codes { layout: CodeLayout::Awq, .. }) => text("awq"),
        Storage::Codes(c) => text(&match &c.code {
            Code::Int => format!("int{}", c.bits),
            Code::Uint => format!("uint{}", c.bits),
            Code::Bipolar => format!("bipolar{}", c.bits),
            Code::Ternary => "ternary".into(),
            Code::Codebook(_) => format!("codebook{}", c.bits),
        }),
    }
}

/// The keys of a format inside a table.
fn format_keys(s: &Storage) -> Vec<String> {
    let mut keys = vec![format!("format = {}", format_name(s))];
    match s {
        Storage::Plain(_) | Storage::Block(_) => {}
        Storage::Codes(codes) => code_keys(codes, &mut keys),
    }
    keys
}

fn code_keys(c: &Codes, keys: &mut Vec<String>) {
    keys.push(match c.group {
        Group::Tensor => "per = \"tensor\"".into(),
        Group::Row => "per = \"row\"".into(),
        Group::K(g) => format!("group = {g}"),
    });
    keys.push(format!("scale = {}", text(c.scale.name())));
    match c.layout {
        CodeLayout::Rows => {}
        CodeLayout::Awq => return,
        CodeLayout::Gptq { act_order, less_one } => {
            keys.push(format!("bits = {}", c.bits));
            keys.push(format!("version = {}", if less_one { 1 } else { 2 }));
            keys.extend(act_order.then(|| "act_order = true".into()));
            return;
        }
    }
    match c.zero {
        None => {}
        Some(Zero::Uint(bits)) => keys.push(format!("zero = \"uint{bits}\"")),
        Some(Zero::Float(dtype)) => keys.push(format!("zero = {}", text(dtype.name()))),
    }
    match &c.code {
        Code::Codebook(values) => {
            let values: Vec<String> = values.iter().map(|x| number(*x)).collect();
            keys.push(format!("values = [{}]", values.join(", ")));
        }
        Code::Int | Code::Uint | Code::Bipolar | Code::Ternary => {}
    }
}

fn value(v: &Value) -> String {
    match v {
        Value::Stored(s) => storage(s),
        Value::PrefixOfK(n) => text(&format!("k[..{n}]")),
    }
}

fn ranked(r: &Ranked, keys: &mut Vec<String>) {
    keys.push(format!("top_k = {}", dim(&r.k)));
    let rest = [
        ("granularity", r.granularity, 1),
        ("keep_first", r.keep_first, 0),
        ("recent", r.recent, 0),
    ];
    keys.extend(rest.iter().filter(|x| x.1 != x.2).map(|(k, x, _)| format!("{k} = {x}")));
}

impl Printer {
    fn line(&mut self, key: &str, value: impl fmt::Display) {
        let _ = writeln!(self.0, "{key} = {value}");
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.line(key, true);
        }
    }

    fn attention(&mut self, a: &Attention) {
        let q = &a.q;
        let mut keys = vec![
            format!("dtype = {}", text(q.dtype.name())),
            format!("heads = {}", q.heads),
            format!("dim = {}", q.dim),
        ];
        let default = match &q.len {
            Dim::Ragged { over, .. } => Dim::Sym(over.clone()),
            Dim::Const(_) | Dim::Sym(_) => Dim::Const(1),
        };
        if q.batch != default {
            keys.push(format!("batch = {}", dim(&q.batch)));
        }
        if q.len != Dim::Const(1) {
            keys.push(format!("len = {}", dim(&q.len)));
        }
        self.line("q", table(keys));

        let mut keys = Vec::new();
        if a.kv.v == Value::Stored(a.kv.k.clone()) {
            keys.push(format!("dtype = {}", storage(&a.kv.k)));
        } else {
            keys.push(format!("k = {}", storage(&a.kv.k)));
            keys.push(format!("v = {}", value(&a.kv.v)));
        }
        keys.push(format!("heads = {}", a.kv.heads));
        let default = match a.kv.v {
            Value::PrefixOfK(n) => n,
            Value::Stored(_) => q.dim,
        };
        if a.kv.v_dim != default {
            keys.push(format!("v_dim = {}", a.kv.v_dim));
        }
        self.line("kv", table(keys));

        self.line("out", text(a.out.name()));
        for (key, x) in [("scale", a.scale), ("softcap", a.softcap)] {
            if let Some(x) = x {
                self.line(key, number(x));
            }
        }
        self.flag("alibi", a.alibi);
        self.flag("sink_logit", a.sink_logit);
        self.flag("lse", a.lse);
        if a.deterministic {
            self.line("deterministic", text("batch"));
        }
        if a.index != Dtype::I32 {
            self.line("index", text(a.index.name()));
        }
        match a.compute {
            Precision::F32 => {}
            Precision::Bf16 => self.line("compute", text("bf16")),
            Precision::Int8 => self.line("compute", text("int8")),
            Precision::Int8x2 => self.line("compute", text("int8x2")),
        }
    }

    fn segment(&mut self, s: &Segment) {
        self.0.push_str("\n[[segment]]\n");
        if s.name != "kv" {
            self.line("name", text(&s.name));
        }
        match &s.heads {
            Heads::All => {}
            Heads::List(list) => self.line("heads", ints(list)),
            Heads::Rest => self.line("heads", text("rest")),
        }
        self.line("len", dim(&s.len));
        match &s.layout {
            KvLayout::Dense => {}
            KvLayout::Paged(page) => self.line("layout", format!("{{ paged = {page} }}")),
            KvLayout::Ring { keep_first, recent } => self.line(
                "layout",
                format!("{{ ring = {{ keep_first = {keep_first}, recent = {recent} }} }}"),
            ),
        }
        match &s.shared {
            Shared::No => {}
            Shared::Batch => self.line("shared", text("batch")),
            Shared::Group(symbol) => self.line("shared", text(symbol)),
        }
        match &s.mask {
            Mask::None => {}
            Mask::Causal => self.line("mask", text("causal")),
            Mask::Tree => self.line("mask", text("tree")),
            Mask::Window(w) => self.line("mask", format!("{{ window = {w} }}")),
            Mask::Prefix(p) => self.line("mask", format!("{{ prefix = {p} }}")),
            Mask::Block(b) => self.line("mask", format!("{{ block = {b} }}")),
            Mask::KeepFirst { keep_first, recent } => {
                self.line("mask", format!("{{ keep_first = {keep_first}, recent = {recent} }}"));
            }
            Mask::Expr(e) => self.line("mask", text(&e.to_string())),
        }
        self.select(&s.select);
        if let Some(emit) = &s.emit {
            let keys =
                [format!("top_k = {}", dim(&emit.top_k)), format!("as = {}", text(&emit.name))];
            self.line("emit", table(keys));
        }
        self.flag("weight", s.weight);
        if let Some(k) = &s.k {
            self.line("k", storage(k));
        }
        if let Some(v) = &s.v {
            self.line("v", value(v));
        }
    }

    fn select(&mut self, select: &Select) {
        let mut keys = Vec::new();
        match select {
            Select::All => return,
            Select::Ranges => return self.line("select", text("ranges")),
            Select::TopK(r) => ranked(r, &mut keys),
            Select::WindowSum { window, ranked: r } => {
                keys.push(format!("window_sum = {window}"));
                ranked(r, &mut keys);
            }
            Select::Centroids { levels, above, ranked: r } => {
                keys.push(match levels.as_slice() {
                    [one] => format!("centroids = {}", text(one)),
                    several => {
                        let names: Vec<String> = several.iter().map(|s| text(s)).collect();
                        format!("centroids = [{}]", names.join(", "))
                    }
                });
                keys.extend(above.iter().map(|a| format!("above = {}", text(a))));
                if let Some(r) = r {
                    ranked(r, &mut keys);
                }
            }
            Select::Indices { from, head } => {
                let mut inner = vec![format!("from = {}", text(from))];
                match head {
                    IndexHead::Same => {}
                    IndexHead::Union => inner.push("head = \"union\"".into()),
                    IndexHead::Map(list) => inner.push(format!("head = {}", ints(list))),
                }
                keys.push(format!("indices = {}", table(inner)));
            }
        }
        self.line("select", table(keys));
    }

    fn product(&mut self, g: &MpGemm) {
        self.line("m", dim(&g.m));
        match g.w.as_slice() {
            [w] if w.name == "w" => {
                self.line("n", w.n);
                self.line("k", g.k);
                self.line("a", storage(&g.a));
                self.line("w", storage(&w.storage));
            }
            several => {
                self.line("k", g.k);
                self.line("a", storage(&g.a));
                let tables: Vec<String> = several
                    .iter()
                    .map(|w| {
                        let head = [format!("name = {}", text(&w.name)), format!("n = {}", w.n)];
                        table(head.into_iter().chain(format_keys(&w.storage)))
                    })
                    .collect();
                self.line("w", format!("[\n    {},\n]", tables.join(",\n    ")));
            }
        }
        self.line("out", text(g.blocks.map_or(g.out.name(), |format| format.name)));
        self.flag("bias", g.bias);
        self.flag("residual", g.residual);
        for (key, e) in [("prologue", &g.prologue), ("epilogue", &g.epilogue)] {
            if let Some(e) = e {
                self.line(key, text(&e.to_string()));
            }
        }
        match g.compute {
            Compute::Auto => {}
            Compute::Dequant => self.line("compute", text("dequant")),
            Compute::Bf16 => self.line("compute", text("bf16")),
            Compute::IntDot => self.line("compute", text("int_dot")),
            Compute::GroupInt => self.line("compute", text("group_int")),
            Compute::Lut(x) => self.line("compute", format!("{{ lut = {x} }}")),
            Compute::Bitplane => self.line("compute", text("bitplane")),
        }
        if let Some(grouped) = &g.grouped {
            self.line("groups", grouped.groups);
        }
    }

    fn rows(&mut self, rows: &Rows) {
        self.line("rows", dim(&rows.rows));
        self.line("width", rows.width);
        let own = |d: &Dim| *d != Dim::Const(rows.width);
        let kind = |kind: &RowKind| match kind {
            RowKind::Matrix => vec![],
            RowKind::Vector => vec!["kind = \"vector\"".to_string()],
            RowKind::Column => vec!["kind = \"column\"".to_string()],
            RowKind::Scalar => vec!["kind = \"scalar\"".to_string()],
            RowKind::Table { rows, width } => {
                let mut keys =
                    vec!["kind = \"table\"".to_string(), format!("rows = {}", dim(rows))];
                if own(width) {
                    keys.push(format!("width = {}", dim(width)));
                }
                keys
            }
            RowKind::List(len) => {
                vec!["kind = \"list\"".to_string(), format!("len = {}", dim(len))]
            }
        };
        self.0.push_str("\n[in]\n");
        for t in &rows.inputs {
            let dtype = text(t.blocks.map_or(t.dtype.name(), |format| format.name));
            let kind = kind(&t.kind);
            if kind.is_empty() {
                self.line(&t.name, dtype);
            } else {
                self.line(&t.name, table([format!("dtype = {dtype}")].into_iter().chain(kind)));
            }
        }
        if !rows.lets.is_empty() {
            self.0.push_str("\n[let]\n");
        }
        for (name, value) in &rows.lets {
            self.line(name, text(&value.to_string()));
        }
        self.0.push_str("\n[out]\n");
        for t in &rows.outputs {
            let mut keys = vec![format!("dtype = {}", text(t.dtype.name()))];
            keys.extend(kind(&t.kind));
            if let Some(target) = &t.at {
                keys.push(format!("rows = {}", dim(&target.rows)));
                keys.push(format!("at = {}", text(&target.at.to_string())));
            }
            keys.push(format!("value = {}", text(&t.value.to_string())));
            self.line(&t.name, table(keys));
        }
    }
}
