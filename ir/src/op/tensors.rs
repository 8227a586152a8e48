//! The tensors of an op, by the names that manifests and `.safetensors` files use.
//!
//! ```text
//! q f16 [b, m, 32, 128]    kv.k f16 [b, n, 8, 128]    kv.v f16 [b, n, 8, 128]    o f16 [b, m, 32, 128]
//! w q4_0 [11008, 4096], stored as u8 [11008, 2304]
//! ```
//!
//! Sizes that only a tensor's own shape tells are symbols named after it: `kv.pages`, `kv.max_pages`, `kv.max_ranges`.

use super::{
    Attention, Code, CodeLayout, Codes, Dim, Group, Heads, Kind, KvLayout, Mask, MpGemm, Op,
    RowKind, Rows, Segment, Select, Shared, Storage, Target, Value, Zero, expr::Expr, indices,
};
use crate::{
    artifact::check::Check,
    dtype::Dtype,
    extent::{Extent, RaggedOp},
    tile::Symbol,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    In,
    Out,
}

/// A tensor the caller gives.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    pub name: String,
    pub role: Role,
    /// Of the elements in memory: `u8` for blocks and packed codes, `i8` for int8.
    pub dtype: Dtype,
    pub storage: Storage,
    /// Logical, in elements.
    pub shape: Vec<Extent>,
    /// `u8` shape in memory, where elements are packed into bytes.
    pub bytes: Option<Vec<Extent>>,
    /// An output whose elements stay as they are where nothing is written.
    pub kept: bool,
    /// What it is for, in a few words.
    pub why: &'static str,
}

impl TensorSpec {
    /// The shape a host tensor has.
    pub fn stored_shape(&self) -> &[Extent] {
        self.bytes.as_deref().unwrap_or(&self.shape)
    }
}

impl Op {
    /// Every tensor, inputs before outputs.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = List::default();
        match &self.kind {
            Kind::Attention(a) => attention(a, &mut list),
            Kind::MpGemm(g) => product(g, &mut list),
            Kind::Rows(rows) => of_rows(rows, &mut list),
        }
        list.0.sort_by_key(|t| t.role == Role::Out);
        list.0
    }

    /// Run-time symbols in the order of first use; those of tensors' own shapes after those of the file.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut out = Symbols::default();
        match &self.kind {
            Kind::Attention(a) => {
                out.dim(&a.q.batch);
                out.dim(&a.q.len);
                for s in &a.segments {
                    out.segment(s);
                }
            }
            Kind::MpGemm(g) => out.rows(&g.m),
            Kind::Rows(rows) => out.row_op(rows),
        }
        for bound in &self.bounds {
            out.name(&bound.symbol);
        }
        if let Kind::Attention(a) = &self.kind {
            for s in &a.segments {
                out.own_sizes(s);
            }
        }
        out.0
    }
}

impl Op {
    /// What the tensors that hold indices must keep to.
    pub fn checks(&self) -> Vec<Check> {
        let mut out = Vec::new();
        let offsets = |tensor: String, dim: &Dim| Check::Offsets { tensor, most: total(dim) };
        match &self.kind {
            Kind::Attention(a) => {
                if matches!(a.q.len, Dim::Ragged { .. }) {
                    out.push(offsets("q.indptr".into(), &a.q.len));
                }
                for s in &a.segments {
                    let name = |suffix: &str| format!("{}.{suffix}", s.name);
                    if let Shared::Group(copies) = &s.shared {
                        let end = Extent::Sym(copies.clone());
                        out.push(Check::Below { tensor: name("group"), end });
                    }
                    match (&s.layout, &s.len) {
                        (KvLayout::Dense, Dim::Ragged { .. }) => {
                            out.push(offsets(name("indptr"), &s.len));
                        }
                        (KvLayout::Dense, Dim::Const(_) | Dim::Sym(_)) => {}
                        (KvLayout::Paged(page), len) => {
                            let held = Extent::Sym(name("max_pages")) * *page;
                            let end = held.min(longest(len)) + 1i64;
                            out.push(Check::Below { tensor: name("len"), end });
                            out.push(Check::Pages {
                                tensor: name("block_table"),
                                lens: name("len"),
                                page: *page,
                                end: Extent::Sym(name("pages")),
                            });
                        }
                        (KvLayout::Ring { .. }, len) => {
                            let end = longest(len) + 1i64;
                            out.push(Check::Below { tensor: name("pos"), end });
                        }
                    }
                }
            }
            Kind::MpGemm(g) => match (&g.m, &g.grouped) {
                (Dim::Ragged { .. }, Some(_)) => out.push(offsets("a.indptr".into(), &g.m)),
                (Dim::Const(_) | Dim::Sym(_), Some(grouped)) => {
                    let end = Extent::Lit(grouped.groups);
                    out.push(Check::Below { tensor: "group".into(), end });
                }
                (_, None) => {}
            },
            Kind::Rows(rows) => out = rows.checks(),
        }
        out
    }
}

/// Lines of manifests have an end.
fn is_short(e: &Expr) -> bool {
    e.to_string().len() < 1000
}

impl Rows {
    /// Indices that only a call tells, those inside of others first.
    fn checks(&self) -> Vec<Check> {
        let mut out: Vec<Check> = Vec::new();
        let rows = total(&self.rows);
        let values = self.lets.iter().map(|l| &l.1).chain(self.outputs.iter().map(|t| &t.value));
        let targets = self.outputs.iter().filter_map(|t| t.at.as_ref()).map(|t| &t.at);
        for (name, list) in values.chain(targets).flat_map(indices::sites) {
            let sizes = match self.input(name).map(|t| &t.kind) {
                Some(RowKind::Matrix | RowKind::Vector) => vec![Extent::Lit(self.width)],
                Some(RowKind::Table { rows, width }) => vec![total(rows), total(width)],
                Some(RowKind::List(len)) => vec![total(len)],
                Some(RowKind::Column | RowKind::Scalar) | None => vec![],
            };
            for (at, end) in list.iter().zip(sizes) {
                let check = Check::Index { at: at.clone(), rows: rows.clone(), end };
                // What `col` says belongs to the op; with it, kernels keep to the row themselves.
                let told = indices::uses_call(at) && !indices::uses_col(at) && is_short(at);
                if told && !out.contains(&check) {
                    out.push(check);
                }
            }
        }
        for t in &self.outputs {
            if let Some(Target { rows: slots, at }) = t.at.as_ref().filter(|t| is_short(&t.at)) {
                let (tensor, at, rows) = (t.name.clone(), at.clone(), rows.clone());
                out.push(Check::Target { tensor, at, rows, end: total(slots) });
            }
        }
        out
    }
}

#[derive(Default)]
struct Symbols(Vec<Symbol>);

impl Symbols {
    fn push(&mut self, name: &str, ragged: Option<&str>) {
        if !self.0.iter().any(|s| s.name == name) {
            self.0.push(Symbol { name: name.into(), ragged: ragged.map(Into::into) });
        }
    }

    fn name(&mut self, name: &str) {
        self.push(name, None);
    }

    fn dim(&mut self, dim: &Dim) {
        match dim {
            Dim::Const(_) => {}
            Dim::Sym(name) => self.name(name),
            Dim::Ragged { symbol, over } => {
                self.name(over);
                self.push(symbol, Some(over));
            }
        }
    }

    /// Rows of a product: the groups they are counted by are a constant of the op.
    fn rows(&mut self, m: &Dim) {
        match m {
            Dim::Ragged { symbol, over } => self.push(symbol, Some(over)),
            Dim::Const(_) | Dim::Sym(_) => self.dim(m),
        }
    }

    fn row_op(&mut self, rows: &Rows) {
        self.dim(&rows.rows);
        for t in &rows.inputs {
            match &t.kind {
                RowKind::Matrix | RowKind::Vector | RowKind::Column | RowKind::Scalar => {}
                RowKind::Table { rows, width } => {
                    self.dim(rows);
                    self.dim(width);
                }
                RowKind::List(len) => self.dim(len),
            }
        }
        for target in rows.outputs.iter().filter_map(|t| t.at.as_ref()) {
            self.dim(&target.rows);
        }
    }

    /// Sizes that only the shapes of a segment's tensors tell.
    fn own_sizes(&mut self, s: &Segment) {
        match s.layout {
            KvLayout::Dense | KvLayout::Ring { .. } => {}
            KvLayout::Paged(_) => {
                self.name(&format!("{}.pages", s.name));
                self.name(&format!("{}.max_pages", s.name));
            }
        }
        if s.select == Select::Ranges {
            self.name(&format!("{}.max_ranges", s.name));
        }
    }

    fn segment(&mut self, s: &Segment) {
        match &s.shared {
            Shared::Group(copies) => self.name(copies),
            Shared::No | Shared::Batch => {}
        }
        self.dim(&s.len);
        match &s.select {
            Select::All | Select::Ranges | Select::Indices { .. } => {}
            Select::TopK(ranked) | Select::WindowSum { ranked, .. } => self.dim(&ranked.k),
            Select::Centroids { levels, ranked, .. } => {
                levels.iter().for_each(|l| self.name(l));
                if let Some(ranked) = ranked {
                    self.dim(&ranked.k);
                }
            }
        }
        if let Some(emit) = &s.emit {
            self.dim(&emit.top_k);
        }
    }
}

/// The size along a packed dimension.
pub fn total(dim: &Dim) -> Extent {
    match dim {
        Dim::Const(x) => Extent::Lit(*x),
        Dim::Sym(s) => Extent::Sym(s.clone()),
        Dim::Ragged { symbol, .. } => Extent::Ragged(RaggedOp::Sum, symbol.clone()),
    }
}

/// The largest size.
pub fn longest(dim: &Dim) -> Extent {
    match dim {
        Dim::Const(_) | Dim::Sym(_) => total(dim),
        Dim::Ragged { symbol, .. } => Extent::Ragged(RaggedOp::Max, symbol.clone()),
    }
}

#[derive(Default)]
struct List(Vec<TensorSpec>);

impl List {
    fn plain(&mut self, name: String, dtype: Dtype, shape: Vec<Extent>, why: &'static str) {
        let storage = Storage::Plain(dtype);
        let role = Role::In;
        self.0.push(TensorSpec {
            name,
            role,
            dtype,
            storage,
            shape,
            bytes: None,
            kept: false,
            why,
        });
    }

    fn out(&mut self, name: &str, dtype: Dtype, shape: Vec<Extent>, why: &'static str) {
        self.plain(name.into(), dtype, shape, why);
        if let Some(last) = self.0.last_mut() {
            last.role = Role::Out;
        }
    }

    /// Rows of `width` elements: one tensor, or its components.
    fn stored(
        &mut self,
        name: &str,
        storage: &Storage,
        lead: &[Extent],
        width: i64,
        why: &'static str,
    ) {
        let with = |last: i64| lead.iter().cloned().chain([Extent::Lit(last)]).collect::<Vec<_>>();
        let push = |list: &mut Self, name: String, bytes: i64| {
            let signed = matches!(storage, Storage::Codes(Codes { code: Code::Int, bits: 8, .. }));
            list.0.push(TensorSpec {
                name,
                role: Role::In,
                dtype: if signed { Dtype::I8 } else { Dtype::U8 },
                storage: storage.clone(),
                shape: with(width),
                bytes: Some(with(bytes)),
                kept: false,
                why,
            });
        };
        match storage {
            Storage::Plain(dtype) => self.plain(name.into(), *dtype, with(width), why),
            Storage::Block(format) => {
                push(self, name.into(), width / format.block as i64 * format.bytes as i64);
            }
            Storage::Codes(codes) => match codes.layout {
                CodeLayout::Rows => {
                    push(self, format!("{name}.codes"), packed(width, codes.bits));
                    self.scales(name, codes, lead, width);
                }
                CodeLayout::Gptq { .. } | CodeLayout::Awq => self.of_tool(name, codes, lead, width),
            },
        }
    }

    /// Weights as GPTQ and AWQ store them; words of 32 bits.
    fn of_tool(&mut self, name: &str, codes: &Codes, lead: &[Extent], width: i64) {
        let bits = i64::from(codes.bits);
        let n = lead.last().and_then(Extent::as_lit).unwrap_or(0);
        let words = |x: i64| Extent::Lit(x.saturating_mul(bits) / 32);
        let groups = match codes.group {
            Group::K(g) => width / g.max(1),
            Group::Row | Group::Tensor => 1,
        };
        let mut plain = |part: &str, dtype, shape, why| {
            self.plain(format!("{name}.{part}"), dtype, shape, why);
        };
        let shape = match codes.layout {
            CodeLayout::Awq => vec![Extent::Lit(width), words(n)],
            CodeLayout::Gptq { .. } | CodeLayout::Rows => vec![words(width), Extent::Lit(n)],
        };
        plain("qweight", Dtype::I32, shape, "codes of the weights");
        plain("qzeros", Dtype::I32, vec![Extent::Lit(groups), words(n)], "zero points");
        plain("scales", codes.scale, vec![Extent::Lit(groups), Extent::Lit(n)], "scales");
        if let CodeLayout::Gptq { act_order: true, .. } = codes.layout {
            plain("g_idx", Dtype::I32, vec![Extent::Lit(width)], "the group of each k");
        }
    }

    fn scales(&mut self, name: &str, codes: &Codes, lead: &[Extent], width: i64) {
        let mut shape = match codes.group {
            Group::Tensor => vec![Extent::Lit(1)],
            Group::Row | Group::K(_) => lead.to_vec(),
        };
        if let Group::K(group) = codes.group {
            shape.push(Extent::Lit(width / group.max(1)));
        }
        self.plain(format!("{name}.scale"), codes.scale, shape.clone(), "scales of the codes");
        let name = format!("{name}.zero");
        match codes.zero {
            None => {}
            Some(Zero::Float(dtype)) => self.plain(name, dtype, shape, "zero points of the codes"),
            Some(Zero::Uint(bits)) => {
                let mut bytes = shape.clone();
                if let Some(last) = bytes.last_mut() {
                    *last = match last.as_lit() {
                        Some(count) => Extent::Lit(packed(count, bits)),
                        None => (last.clone() * i64::from(bits)).ceil_div(8i64),
                    };
                }
                self.0.push(TensorSpec {
                    name,
                    role: Role::In,
                    dtype: Dtype::U8,
                    storage: Storage::Plain(Dtype::U8),
                    shape,
                    bytes: Some(bytes),
                    kept: false,
                    why: "zero points of the codes, packed along the last dimension",
                });
            }
        }
    }
}

/// Bytes of `count` codes of so many bits.
fn packed(count: i64, bits: u8) -> i64 {
    count.saturating_mul(i64::from(bits)).saturating_add(7) / 8
}

fn attention(a: &Attention, list: &mut List) {
    let q = &a.q;
    let batch = total(&q.batch);
    let mut rows = vec![batch.clone(), total(&q.len)];
    if matches!(q.len, Dim::Ragged { .. }) {
        rows.remove(0);
    }
    rows.push(q.heads.into());
    let with = |last: i64| rows.iter().cloned().chain([Extent::Lit(last)]).collect::<Vec<_>>();
    list.plain("q".into(), q.dtype, with(q.dim), "queries");
    if matches!(q.len, Dim::Ragged { .. }) {
        let shape = vec![batch.clone() + 1i64];
        list.plain("q.indptr".into(), a.index, shape, "first query row of each sequence");
    }
    for s in &a.segments {
        segment(a, s, list);
    }
    if a.alibi {
        list.plain("alibi".into(), Dtype::F32, vec![q.heads.into()], "slope of each head");
    }
    if a.sink_logit {
        let shape = vec![q.heads.into()];
        list.plain("sink_logit".into(), Dtype::F32, shape, "logit in the denominator of each head");
    }
    list.out("o", a.out, with(a.kv.v_dim), "the result");
    if a.lse {
        list.out("lse", Dtype::F32, rows.clone(), "log of the sum of exponentials");
    }
}

impl Attention {
    /// Kv heads of a segment, ascending.
    pub fn heads_of(&self, segment: &Segment) -> Vec<i64> {
        match &segment.heads {
            Heads::All => (0..self.kv.heads).collect(),
            Heads::List(list) => list.clone(),
            Heads::Rest => {
                let named = |h: &i64| {
                    self.segments
                        .iter()
                        .any(|s| matches!(&s.heads, Heads::List(l) if l.contains(h)))
                };
                (0..self.kv.heads).filter(|h| !named(h)).collect()
            }
        }
    }
}

fn segment(a: &Attention, s: &Segment, list: &mut List) {
    let name = |suffix: &str| format!("{}.{suffix}", s.name);
    let batch = total(&a.q.batch);
    let copies = match &s.shared {
        Shared::No => batch.clone(),
        Shared::Batch => Extent::Lit(1),
        Shared::Group(symbol) => Extent::Sym(symbol.clone()),
    };
    let heads = Extent::from(a.heads_of(s).len());
    let ragged = matches!(s.len, Dim::Ragged { .. });
    let (suffix, lead) = match &s.layout {
        KvLayout::Dense if ragged => ("", vec![total(&s.len)]),
        KvLayout::Dense => ("", vec![copies.clone(), total(&s.len)]),
        KvLayout::Paged(page) => ("_pages", vec![Extent::Sym(name("pages")), Extent::Lit(*page)]),
        KvLayout::Ring { keep_first, recent } => {
            ("", vec![copies.clone(), keep_first.saturating_add(*recent).into()])
        }
    };
    let lead: Vec<Extent> = lead.into_iter().chain([heads.clone()]).collect();
    let k = s.k.as_ref().unwrap_or(&a.kv.k);
    list.stored(&name(&format!("k{suffix}")), k, &lead, a.q.dim, "keys");
    match s.v.as_ref().unwrap_or(&a.kv.v) {
        Value::Stored(v) => {
            list.stored(&name(&format!("v{suffix}")), v, &lead, a.kv.v_dim, "values");
        }
        Value::PrefixOfK(_) => {}
    }
    match &s.layout {
        KvLayout::Dense if ragged => {
            let why = "first key of each sequence";
            list.plain(name("indptr"), a.index, vec![copies.clone() + 1i64], why);
        }
        KvLayout::Dense => {}
        KvLayout::Paged(_) => {
            let shape = vec![copies.clone(), Extent::Sym(name("max_pages"))];
            list.plain(name("block_table"), a.index, shape, "page of each block of tokens");
            list.plain(name("len"), a.index, vec![copies.clone()], "keys of each sequence");
        }
        KvLayout::Ring { .. } => {
            let why = "tokens seen so far by each sequence";
            list.plain(name("pos"), a.index, vec![copies.clone()], why);
        }
    }
    if matches!(s.shared, Shared::Group(_)) {
        list.plain(name("group"), a.index, vec![batch.clone()], "copy each sequence reads");
    }
    let keys = if ragged { vec![total(&s.len)] } else { vec![copies.clone(), total(&s.len)] };
    if s.weight {
        // As keys are packed; what lies in pages or a ring has places for the longest.
        let places = match s.layout {
            KvLayout::Dense => keys.clone(),
            KvLayout::Paged(_) | KvLayout::Ring { .. } => vec![copies.clone(), longest(&s.len)],
        };
        list.plain(name("weight"), Dtype::F32, places, "log-multiplicity of each key");
    }
    if s.mask == Mask::Tree {
        let mut shape = match a.q.len {
            Dim::Ragged { .. } => vec![total(&a.q.len)],
            Dim::Const(_) | Dim::Sym(_) => vec![batch.clone(), total(&a.q.len)],
        };
        shape.push(longest(&s.len).ceil_div(32i64));
        list.plain(name("tree"), Dtype::U32, shape, "ancestor bits, one a key, low bit first");
    }
    match &s.select {
        Select::All | Select::TopK(_) | Select::WindowSum { .. } | Select::Indices { .. } => {}
        Select::Ranges => {
            let count = Extent::Sym(name("max_ranges"));
            let shape = vec![batch, heads, count, Extent::Lit(2)];
            list.plain(name("ranges"), a.index, shape, "first key and end of each range");
        }
        Select::Centroids { levels, above, .. } => {
            // The first level is the coarsest; each finer one says whose child it is, keys belong to the last.
            for (at, level) in levels.iter().enumerate() {
                let shape = vec![copies.clone(), heads.clone(), level.as_str().into()];
                let wide = shape.iter().cloned().chain([a.q.dim.into()]).collect();
                list.plain(name(&format!("centroids.{level}")), Dtype::F32, wide, "centroids");
                if at > 0 {
                    let why = "coarser cluster of each cluster";
                    list.plain(name(&format!("cluster.{level}")), a.index, shape, why);
                }
            }
            let shape = [keys, vec![heads]].concat();
            list.plain(name("cluster"), a.index, shape, "cluster of each key");
            if let Some(above) = above {
                list.plain(
                    above.clone(),
                    Dtype::F32,
                    vec![Extent::Lit(1)],
                    "least score of a centroid",
                );
            }
        }
    }
}

fn product(g: &MpGemm, list: &mut List) {
    let m = total(&g.m);
    list.stored("a", &g.a, std::slice::from_ref(&m), g.k, "activations");
    let groups = g.grouped.as_ref().map(|x| Extent::Lit(x.groups));
    for w in &g.w {
        let lead: Vec<Extent> = groups.iter().cloned().chain([w.n.into()]).collect();
        list.stored(&w.name, &w.storage, &lead, g.k, "weights");
    }
    match (&g.m, &groups) {
        (Dim::Ragged { .. }, Some(groups)) => {
            let why = "first row of each group";
            list.plain("a.indptr".into(), Dtype::I32, vec![groups.clone() + 1i64], why);
        }
        (Dim::Const(_) | Dim::Sym(_), Some(_)) => {
            list.plain("group".into(), Dtype::I32, vec![m.clone()], "weight of each row");
        }
        (_, None) => {}
    }
    let n = Extent::Lit(g.out_width());
    if g.bias {
        let shape = groups.into_iter().chain([n.clone()]).collect();
        list.plain("bias".into(), Dtype::F32, shape, "added to each row");
    }
    if g.residual {
        list.plain("residual".into(), g.out, vec![m.clone(), n.clone()], "added to the result");
    }
    let Some(format) = g.blocks else { return list.out("out", g.out, vec![m, n], "the result") };
    list.stored("out", &Storage::Block(format), &[m], g.out_width(), "the result");
    if let Some(last) = list.0.last_mut() {
        last.role = Role::Out;
    }
}

impl MpGemm {
    /// Columns of `out`: those of all weights side by side, or of one where an epilogue combines them.
    pub fn out_width(&self) -> i64 {
        match (&self.epilogue, self.w.first()) {
            (Some(_), Some(first)) => first.n,
            (Some(_), None) => 0,
            (None, _) => self.w.iter().fold(0i64, |sum, w| sum.saturating_add(w.n)),
        }
    }
}

fn of_rows(rows: &Rows, list: &mut List) {
    let m = total(&rows.rows);
    let shape = |kind: &RowKind, m: &Extent| match kind {
        RowKind::Matrix => vec![m.clone(), rows.width.into()],
        RowKind::Vector => vec![rows.width.into()],
        RowKind::Column => vec![m.clone()],
        RowKind::Scalar => vec![Extent::Lit(1)],
        RowKind::Table { rows, width } => vec![total(rows), total(width)],
        RowKind::List(len) => vec![total(len)],
    };
    for t in &rows.inputs {
        match (t.blocks, &t.kind) {
            (Some(format), RowKind::Table { rows, width: Dim::Const(width) }) => {
                list.stored(&t.name, &Storage::Block(format), &[total(rows)], *width, "an input");
            }
            (_, _) => list.plain(t.name.clone(), t.dtype, shape(&t.kind, &m), "an input"),
        }
    }
    for t in &rows.outputs {
        let Some(target) = &t.at else {
            list.out(&t.name, t.dtype, shape(&t.kind, &m), "a result");
            continue;
        };
        list.out(&t.name, t.dtype, shape(&t.kind, &total(&target.rows)), "updated in place");
        if let Some(last) = list.0.last_mut() {
            last.kept = true;
        }
    }
}
