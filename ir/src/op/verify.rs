//! Checks of what an op means: heads divide, names are known, blocks fit. Each mistake has its place and a way out.

mod rows;

use super::{
    Attention, Code, CodeLayout, Dim, Group, Heads, IndexHead, Kind, KvLayout, Mask, MpGemm, Op,
    Ranked, Segment, Select, Shared, Storage, Value, expr::Expr, reader::Places,
};
use crate::diag::{self, Diagnostic};

/// All mistakes of an op that was not read from a file.
pub fn verify(op: &Op) -> Vec<Diagnostic> {
    verify_at(op, &Places::default())
}

/// All mistakes, at their places; what builds on a value that was misread is not told again.
pub fn verify_at(op: &Op, places: &Places) -> Vec<Diagnostic> {
    let mut c = Checker { op, places, list: Vec::new() };
    match &op.kind {
        Kind::Attention(a) => c.attention(a),
        Kind::MpGemm(g) => c.product(g),
        Kind::Rows(rows) => c.rows(rows),
    }
    c.bounds();
    c.tensor_names();
    c.list
}

/// Sizes beyond this overflow index arithmetic somewhere.
const MAX_SIZE: i64 = 1 << 40;
/// Lists of heads are searched in each other.
const MAX_HEADS: i64 = 4096;
const GRANULARITIES: &[i64] = &[1, 8, 16, 64];

struct Checker<'a> {
    op: &'a Op,
    places: &'a Places,
    list: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// A mistake at `path`, unless it or one of `needs` was misread.
    fn fail(&mut self, path: &str, needs: &[&str], message: String, help: impl Into<String>) {
        if self.places.is_bad(path) || needs.iter().any(|p| self.places.is_bad(p)) {
            return;
        }
        self.list.push(Diagnostic::new(self.places.span(path), message).help(help));
    }

    /// The first path the file has.
    fn pick(&self, paths: &[String]) -> String {
        let found = paths.iter().find(|p| self.places.has(p)).or_else(|| paths.last());
        found.cloned().unwrap_or_default()
    }

    fn in_range(&mut self, path: &str, what: &str, x: i64, least: i64, most: i64) {
        if x < least {
            let help = format!("give {least} or more");
            self.fail(path, &[], format!("{what} cannot be {x}"), help);
        } else if x > most {
            let help = format!("kgen goes up to {most}");
            self.fail(path, &[], format!("{what} cannot be {x}"), help);
        }
    }

    fn size(&mut self, path: &str, what: &str, d: &Dim) {
        if let Dim::Const(x) = d {
            self.in_range(path, what, *x, 0, MAX_SIZE);
        }
    }

    fn tensor_names(&mut self) {
        // Shapes of a wrong op say nothing.
        if !self.list.is_empty() || self.places.any_bad() {
            return;
        }
        let path = match &self.op.kind {
            Kind::Attention(_) => "segment",
            Kind::MpGemm(_) => "w",
            Kind::Rows(_) => "out",
        };
        let tensors = self.op.tensors();
        for (at, t) in tensors.iter().enumerate() {
            if tensors[..at].iter().any(|u| u.name == t.name) {
                let message = format!("two tensors would be called `{}`", t.name);
                self.fail(path, &[], message, "give one of them another name");
            }
        }
    }

    fn bounds(&mut self) {
        let unbound = Op { bounds: Vec::new(), ..self.op.clone() };
        let mut used: Vec<String> = unbound.symbols().into_iter().map(|s| s.name).collect();
        if let Kind::Attention(a) = &self.op.kind {
            for s in &a.segments {
                if let Mask::Expr(e) = &s.mask {
                    used.extend(e.names().into_iter().map(String::from));
                }
            }
        }
        if let Kind::Rows(rows) = &self.op.kind {
            let indices = rows.outputs.iter().filter_map(|t| t.at.as_ref()).map(|t| &t.at);
            for e in rows.lets.iter().map(|l| &l.1).chain(rows.outputs.iter().map(|t| &t.value)) {
                used.extend(e.names().into_iter().map(String::from));
            }
            used.extend(indices.flat_map(|e| e.names()).map(String::from));
        }
        for b in &self.op.bounds {
            let path = format!("dims.{}", b.symbol);
            if !used.contains(&b.symbol) && !self.places.any_bad() {
                let help = match diag::did_you_mean(&b.symbol, used.iter().map(String::as_str)) {
                    Some(near) if b.symbol.len() > 1 => format!("did you mean `{near}`?"),
                    Some(_) | None => "remove it, or use it as a size".into(),
                };
                self.fail(&path, &[], format!("nothing uses the symbol `{}`", b.symbol), help);
            }
            let (min, max) = (b.min.unwrap_or(0), b.max.unwrap_or(i64::MAX));
            self.in_range(&format!("{path}.min"), "`min`", min, 0, i64::MAX);
            if max < min {
                let message = format!("`max` = {max} is below `min` = {min}");
                self.fail(&format!("{path}.max"), &[], message, "a symbol needs a value to take");
            }
            let step = b.multiple_of.unwrap_or(1);
            self.in_range(&format!("{path}.multiple_of"), "`multiple_of`", step, 1, MAX_SIZE);
        }
    }

    /// Blocks and groups must fill a row of `width` elements.
    fn storage(&mut self, path: &str, s: &Storage, what: &str, width: i64, width_path: &str) {
        match s {
            Storage::Plain(_) => {}
            Storage::Block(format) => {
                let block = i64::try_from(format.block).unwrap_or(i64::MAX);
                if width > 0 && width % block != 0 {
                    let name = format.name;
                    let message = format!(
                        "{name} blocks hold {block} elements, {what} = {width} is no multiple"
                    );
                    let next = (width / block + 1).saturating_mul(block);
                    let help = format!("unsupported: choose another format, or {what} = {next}");
                    self.fail(path, &[width_path], message, help);
                }
            }
            Storage::Codes(codes) => {
                if codes.layout != CodeLayout::Rows && path != "w" && !path.starts_with("w.") {
                    let message = "only weights are stored as tools quantise models".to_string();
                    self.fail(path, &[], message, "use `int4`, `uint4` and the like");
                }
                if let Group::K(group) = codes.group {
                    self.in_range(&format!("{path}.group"), "`group`", group, 1, MAX_SIZE);
                    if group > 0 && width > 0 && width % group != 0 {
                        let message = format!(
                            "groups hold {group} elements, {what} = {width} is no multiple"
                        );
                        let help =
                            "unsupported: choose a group that divides it, or `per = \"row\"`";
                        self.fail(&format!("{path}.group"), &[width_path], message, help);
                    }
                }
                match &codes.code {
                    Code::Int | Code::Uint => {}
                    Code::Bipolar | Code::Ternary | Code::Codebook(_) => {
                        if codes.zero.is_some() {
                            let message = "only int and uint codes have zero points".to_string();
                            self.fail(&format!("{path}.zero"), &[], message, "remove `zero`");
                        }
                    }
                }
                if let Code::Codebook(values) = &codes.code
                    && values.len() != 1usize << codes.bits.min(8)
                {
                    let wanted = 1usize << codes.bits.min(8);
                    let message = format!(
                        "a codebook of {} bits has {wanted} values, not {}",
                        codes.bits,
                        values.len()
                    );
                    self.fail(&format!("{path}.values"), &[], message, "give one for each code");
                }
            }
        }
    }

    fn attention(&mut self, a: &Attention) {
        let q = &a.q;
        self.in_range("q.heads", "`heads`", q.heads, 1, MAX_HEADS);
        self.in_range("q.dim", "`dim`", q.dim, 1, MAX_SIZE);
        self.in_range("kv.heads", "`heads`", a.kv.heads, 1, MAX_HEADS);
        let v_dim = self.pick(&["kv.v_dim".into(), "kv.v".into()]);
        if a.kv.v_dim != q.dim {
            self.in_range(&v_dim, "the width of v", a.kv.v_dim, 1, MAX_SIZE);
        }
        if q.heads > 0 && a.kv.heads > 0 && q.heads % a.kv.heads != 0 {
            let message =
                format!("{} query heads do not divide into {} kv heads", q.heads, a.kv.heads);
            let help = "grouped-query attention needs heads(q) = g x heads(kv)";
            self.fail("q.heads", &["kv.heads"], message, help);
        }
        self.size("q.batch", "`batch`", &q.batch);
        self.size("q.len", "`len`", &q.len);
        if let Dim::Ragged { symbol, over } = &q.batch {
            let message = "a batch cannot be ragged".to_string();
            let help = format!("write `batch = \"{over}\", len = \"{symbol}[{over}]\"`");
            self.fail("q.batch", &[], message, help);
        }
        self.ragged("q.len", &q.len, &Shared::No, &q.batch);
        let k_path = self.pick(&["kv.k".into(), "kv.dtype".into()]);
        self.storage(&k_path, &a.kv.k, "dim", q.dim, "q.dim");
        let v_path = self.pick(&["kv.v".into(), "kv.dtype".into()]);
        self.value(&v_path, &a.kv.v, a);
        if let Some(cap) = a.softcap
            && cap <= 0.0
        {
            let message = format!("`softcap` cannot be {cap}");
            self.fail("softcap", &[], message, "give a positive number, or none");
        }
        if a.segments.is_empty() {
            let message = "an attention has at least one segment".to_string();
            self.fail("segment", &[], message, "add `[[segment]]` with `len = \"n\"`");
        }
        for (at, s) in a.segments.iter().enumerate() {
            self.segment(a, at, s);
        }
        self.one_meaning_each(a);
    }

    fn value(&mut self, path: &str, v: &Value, a: &Attention) {
        match v {
            Value::Stored(s) => self.storage(path, s, "v_dim", a.kv.v_dim, "kv.v_dim"),
            Value::PrefixOfK(n) => {
                if *n < 1 || *n > a.q.dim {
                    let message = format!("a key has {} elements, not {n}", a.q.dim);
                    let help = "`k[..N]` takes the first N elements of each key";
                    self.fail(path, &["q.dim"], message, help);
                } else if *n != a.kv.v_dim {
                    let message = format!("`k[..{n}]` is {n} wide, `v_dim` = {}", a.kv.v_dim);
                    self.fail(
                        path,
                        &["kv.v_dim"],
                        message,
                        "leave `v_dim` out, or make them equal",
                    );
                }
            }
        }
    }

    /// `n[b]` counts the sequences of the batch, or the copies of a shared group.
    fn ragged(&mut self, path: &str, d: &Dim, shared: &Shared, batch: &Dim) {
        let Dim::Ragged { symbol, over } = d else { return };
        let (wanted, whose) = match (shared, batch) {
            (Shared::Batch, _) => {
                let message = format!("`{symbol}[{over}]` has many lengths, but the copy is one");
                let help = format!("write `len = \"{symbol}\"`, or do not share");
                return self.fail(path, &[], message, help);
            }
            (Shared::Group(copies), _) => (Some(copies), "the copies"),
            (Shared::No, Dim::Sym(batch)) => (Some(batch), "the batch"),
            (Shared::No, Dim::Const(_) | Dim::Ragged { .. }) => (None, "the batch"),
        };
        if wanted == Some(over) {
            return;
        }
        let message = format!("`{over}` in `{symbol}[{over}]` is not {whose}");
        let help = match wanted {
            Some(wanted) => format!("write `\"{symbol}[{wanted}]\"`"),
            None => format!("name the batch: `q = {{ batch = \"{over}\", .. }}`"),
        };
        self.fail(path, &["q.batch"], message, help);
    }

    fn segment(&mut self, a: &Attention, at: usize, s: &Segment) {
        let path = |key: &str| format!("segment.{at}.{key}");
        if a.segments[..at].iter().any(|other| other.name == s.name) {
            let place = self.pick(&[path("name"), format!("segment.{at}")]);
            let message = format!("two segments are called `{}`", s.name);
            self.fail(&place, &[], message, "give each segment a `name`; the default is `kv`");
        }
        self.heads(a, at, s);
        self.size(&path("len"), "`len`", &s.len);
        self.ragged(&path("len"), &s.len, &s.shared, &a.q.batch);
        match &s.layout {
            KvLayout::Dense => {}
            KvLayout::Paged(page) => {
                self.in_range(&path("layout.paged"), "tokens a page", *page, 1, MAX_SIZE);
            }
            KvLayout::Ring { keep_first, recent } => {
                let place = path("layout.ring.keep_first");
                self.in_range(&place, "`keep_first`", *keep_first, 0, MAX_SIZE);
                self.in_range(&path("layout.ring.recent"), "`recent`", *recent, 1, MAX_SIZE);
            }
        }
        self.mask(&path("mask"), &s.mask);
        self.select(a, at, s);
        if let Some(k) = &s.k {
            self.storage(&path("k"), k, "dim", a.q.dim, "q.dim");
        }
        if let Some(v) = &s.v {
            self.value(&path("v"), v, a);
        }
    }

    fn heads(&mut self, a: &Attention, at: usize, s: &Segment) {
        let path = format!("segment.{at}.heads");
        match &s.heads {
            Heads::All => {}
            Heads::List(list) => {
                if list.is_empty() {
                    let message = "a segment without heads has no keys".to_string();
                    self.fail(&path, &[], message, "name at least one, or remove the segment");
                }
                for (i, h) in list.iter().enumerate() {
                    if *h < 0 || *h >= a.kv.heads {
                        let message = format!("there is no kv head {h}");
                        let help = format!("they are 0 to {}", a.kv.heads - 1);
                        self.fail(&format!("{path}.{i}"), &["kv.heads"], message, help);
                    } else if i > 0 && list[i - 1] >= *h {
                        let message = format!("kv head {h} stands after {}", list[i - 1]);
                        let help = "name each head once, in ascending order";
                        self.fail(&format!("{path}.{i}"), &[], message, help);
                    }
                }
            }
            Heads::Rest => {
                if a.segments[..at].iter().any(|s| s.heads == Heads::Rest) {
                    let message = "only one segment can have the rest of the heads".to_string();
                    self.fail(&path, &[], message, "name the heads of the other one");
                } else if (1..=MAX_HEADS).contains(&a.kv.heads) && a.heads_of(s).is_empty() {
                    let message = "no head is left for `rest`".to_string();
                    let help = "other segments name all of them";
                    self.fail(&path, &["kv.heads"], message, help);
                }
            }
        }
    }

    fn mask(&mut self, path: &str, mask: &Mask) {
        let key = |key: &str| format!("{path}.{key}");
        match mask {
            Mask::None | Mask::Causal | Mask::Tree => {}
            Mask::Window(w) => self.in_range(&key("window"), "`window`", *w, 1, MAX_SIZE),
            Mask::Prefix(p) => self.in_range(&key("prefix"), "`prefix`", *p, 0, MAX_SIZE),
            Mask::Block(b) => self.in_range(&key("block"), "`block`", *b, 1, MAX_SIZE),
            Mask::KeepFirst { keep_first, recent } => {
                self.in_range(&key("keep_first"), "`keep_first`", *keep_first, 0, MAX_SIZE);
                self.in_range(&key("recent"), "`recent`", *recent, 0, MAX_SIZE);
            }
            Mask::Expr(e) => {
                let symbols = self.op.symbols();
                let mut known = vec!["i", "j", "head"];
                known
                    .extend(symbols.iter().filter(|s| s.ragged.is_none()).map(|s| s.name.as_str()));
                let what = "a new symbol is declared under `[dims]`";
                self.names(path, e, &known, what);
            }
        }
    }

    /// Names of an expression must be known.
    fn names(&mut self, path: &str, e: &Expr, known: &[&str], otherwise: &str) {
        for name in e.names() {
            if known.contains(&name) {
                continue;
            }
            let help = match diag::did_you_mean(name, known.iter().copied()) {
                Some(near) if name.len() > 1 => format!("did you mean `{near}`?"),
                Some(_) | None => format!("known here: {}; {otherwise}", known.join(" ")),
            };
            self.fail(&format!("{path}:{name}"), &[path], format!("unknown name `{name}`"), help);
        }
    }

    fn count(&mut self, path: &str, d: &Dim) {
        match d {
            Dim::Const(k) => self.in_range(path, "`top_k`", *k, 1, MAX_SIZE),
            Dim::Sym(_) => {}
            Dim::Ragged { .. } => {
                let message = "`top_k` cannot be ragged".to_string();
                self.fail(path, &[], message, "give an integer or a symbol");
            }
        }
    }

    fn ranked(&mut self, path: &str, r: &Ranked) {
        self.count(&format!("{path}.top_k"), &r.k);
        self.in_range(&format!("{path}.keep_first"), "`keep_first`", r.keep_first, 0, MAX_SIZE);
        self.in_range(&format!("{path}.recent"), "`recent`", r.recent, 0, MAX_SIZE);
        if !GRANULARITIES.contains(&r.granularity) {
            let message = format!("keys cannot be ranked {} together", r.granularity);
            self.fail(&format!("{path}.granularity"), &[], message, "use 1, 8, 16 or 64");
        }
    }

    fn select(&mut self, a: &Attention, at: usize, s: &Segment) {
        let path = format!("segment.{at}.select");
        match &s.select {
            Select::All | Select::Ranges => {}
            Select::TopK(r) => self.ranked(&path, r),
            Select::WindowSum { window, ranked } => {
                let place = format!("{path}.window_sum");
                self.in_range(&place, "`window_sum`", *window, 1, MAX_SIZE);
                self.ranked(&path, ranked);
            }
            Select::Centroids { levels, above, ranked } => {
                if levels.is_empty() || levels.len() > 2 {
                    let message = format!("centroids have 1 or 2 levels, not {}", levels.len());
                    let help = "name the number of clusters of each level, coarse first";
                    self.fail(&format!("{path}.centroids"), &[], message, help);
                }
                if above.is_none() && ranked.is_none() {
                    let message = "nothing says which clusters are taken".to_string();
                    let help = "give `above = \"threshold\"` or `top_k`";
                    self.fail(&path, &[], message, help);
                }
                if let Some(ranked) = ranked {
                    self.ranked(&path, ranked);
                }
            }
            Select::Indices { from, head } => self.indices(a, at, s, from, head),
        }
        let Some(emit) = &s.emit else { return };
        self.count(&format!("segment.{at}.emit.top_k"), &emit.top_k);
        let earlier = a.segments[..at].iter().filter_map(|s| s.emit.as_ref());
        if earlier.into_iter().any(|e| e.name == emit.name) {
            let message = format!("two segments emit `{}`", emit.name);
            self.fail(&format!("segment.{at}.emit.as"), &[], message, "choose another name");
        }
    }

    fn indices(&mut self, a: &Attention, at: usize, s: &Segment, from: &str, head: &IndexHead) {
        let path = format!("segment.{at}.select.indices");
        let place = self.pick(&[format!("{path}.from"), path.clone()]);
        let emits = || {
            a.segments.iter().enumerate().filter_map(|(i, s)| s.emit.as_ref().map(|e| (i, &e.name)))
        };
        let Some((source, _)) = emits().find(|(_, name)| *name == from) else {
            let names: Vec<&str> = emits().map(|(_, n)| n.as_str()).collect();
            let help = match diag::did_you_mean(from, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add `emit = {{ top_k = 4096, as = \"{from}\" }}` to one"),
            };
            let message = format!("no segment emits `{from}`");
            return self.fail(&place, &["segment"], message, help);
        };
        if source == at {
            let message = format!("the segment uses the indices `{from}` it emits itself");
            return self.fail(&place, &[], message, "select with `top_k`, or emit elsewhere");
        }
        if a.kv.heads > MAX_HEADS {
            return;
        }
        let (theirs, ours) = (a.heads_of(&a.segments[source]), a.heads_of(s));
        let needs = ["kv.heads", "segment"];
        match head {
            IndexHead::Union => {}
            IndexHead::Same => {
                if ours.iter().any(|h| !theirs.contains(h)) {
                    let message = format!("`{from}` has no indices for some heads of this segment");
                    let help =
                        "say whose they use: `head = \"union\"`, or a list with one for each";
                    self.fail(&place, &needs, message, help);
                }
            }
            IndexHead::Map(map) => {
                let place = format!("{path}.head");
                if map.len() != ours.len() {
                    let message = format!("{} heads are named for {}", map.len(), ours.len());
                    let help = "name one head of the emitting segment for each head of this one";
                    self.fail(&place, &needs, message, help);
                }
                for (i, h) in map.iter().enumerate().filter(|(_, h)| !theirs.contains(h)) {
                    let message = format!("`{from}` has no indices for kv head {h}");
                    let help = format!("it has them for {theirs:?}");
                    self.fail(&format!("{place}.{i}"), &needs, message, help);
                }
            }
        }
    }

    /// A symbol is a number or one number for each of another symbol, not both.
    fn one_meaning_each(&mut self, a: &Attention) {
        let mut seen: Vec<(&str, Option<&str>)> = Vec::new();
        let lens = a.segments.iter().enumerate().map(|(i, s)| (format!("segment.{i}.len"), &s.len));
        let dims = [("q.batch".to_string(), &a.q.batch), ("q.len".to_string(), &a.q.len)];
        for (path, d) in dims.into_iter().chain(lens) {
            let (name, over) = match d {
                Dim::Const(_) => continue,
                Dim::Sym(name) => (name.as_str(), None),
                Dim::Ragged { symbol, over } => (symbol.as_str(), Some(over.as_str())),
            };
            match seen.iter().find(|(n, _)| *n == name) {
                Some((_, other)) if *other != over => {
                    let message = format!("`{name}` is ragged in one place and not in another");
                    self.fail(&path, &[], message, "use two symbols");
                }
                Some(_) => {}
                None => seen.push((name, over)),
            }
        }
    }

    fn product(&mut self, g: &MpGemm) {
        self.size("m", "`m`", &g.m);
        self.in_range("k", "`k`", g.k, 1, MAX_SIZE);
        self.storage("a", &g.a, "k", g.k, "k");
        for (at, w) in g.w.iter().enumerate() {
            let path = self.pick(&[format!("w.{at}"), "w".into()]);
            let n_path = self.pick(&[format!("w.{at}.n"), format!("n.{at}"), "n".into()]);
            self.in_range(&n_path, "`n`", w.n, 1, MAX_SIZE);
            let place = match self.places.has(&format!("{path}.format")) || path == "w" {
                true => path.clone(),
                false => self.pick(&["format".into(), path.clone()]),
            };
            self.storage(&place, &w.storage, "k", g.k, "k");
            self.words(g, w, &place);
            if g.w[..at].iter().any(|other| other.name == w.name) {
                let message = format!("two weights are called `{}`", w.name);
                self.fail(&path, &[], message, "each weight has its own name");
            }
        }
        if g.w.is_empty() {
            let message = "a product has at least one weight".to_string();
            self.fail("w", &[], message, "name one");
        }
        if let Some(format) = g.blocks {
            self.storage("out", &Storage::Block(format), "n", g.out_width(), "n");
        }
        if let Some(grouped) = &g.grouped {
            self.in_range("groups", "`groups`", grouped.groups, 1, MAX_HEADS);
        } else if let Dim::Ragged { symbol, over } = &g.m {
            let message = format!("rows `{symbol}[{over}]` belong to groups, but there are none");
            self.fail("m", &["groups"], message, "say how many: `groups = 8`");
        }
        if let Some(e) = &g.prologue {
            self.names("prologue", e, &["a"], "a prologue changes the activation");
        }
        if let Some(e) = &g.epilogue {
            self.epilogue(g, e);
        }
    }

    /// Tensors of GPTQ and AWQ are whole words of 32 bits.
    fn words(&mut self, g: &MpGemm, w: &super::Weight, path: &str) {
        let Storage::Codes(codes) = &w.storage else { return };
        if codes.layout == CodeLayout::Rows {
            return;
        }
        if codes.group == Group::Tensor {
            let message = "no tool writes one scale for a whole weight".to_string();
            self.fail(path, &[], message, "say `per = \"row\"`, or a `group`");
        }
        if g.grouped.is_some() {
            let message = "weights of groups of rows are no tensors of a tool".to_string();
            self.fail(path, &["groups"], message, "one op for each group, or codes of your own");
        }
        for (name, x) in [("n", w.n), ("k", g.k)] {
            let along = name == "n" || codes.layout != CodeLayout::Awq;
            if along && x > 0 && x.saturating_mul(i64::from(codes.bits)) % 32 != 0 {
                let message = format!("{name} = {x} codes of {} bits fill no words", codes.bits);
                let help = "words have 32 bits: choose a multiple of 32";
                self.fail(path, &[name], message, help);
            }
        }
    }

    fn epilogue(&mut self, g: &MpGemm, e: &Expr) {
        let mut known: Vec<&str> = match g.w.as_slice() {
            [_] => vec!["x"],
            several => several.iter().map(|w| w.name.as_str()).collect(),
        };
        for (name, on) in [("bias", g.bias), ("residual", g.residual)] {
            if !on {
                continue;
            }
            known.push(name);
            if !e.names().contains(&name) {
                let message = format!("the epilogue does not use `{name}`");
                let help = format!("add it, as in `x + {name}`, or remove `{name} = true`");
                self.fail("epilogue", &[], message, help);
            }
        }
        self.names("epilogue", e, &known, "declare `bias = true` or `residual = true` to use them");
        if e.reduces() {
            let message = "an epilogue works element by element".to_string();
            self.fail("epilogue", &[], message, "reduce in an op of kind `rows`");
        }
        if let Some(first) = g.w.first()
            && g.w.iter().any(|w| w.n != first.n)
        {
            let message = "an epilogue over several weights needs equal widths".to_string();
            self.fail("epilogue", &["n", "w"], message, "give each the same `n`");
        }
    }
}
