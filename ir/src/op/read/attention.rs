//! Reads `op = "attention"`: queries, keys and values, segments.

use super::{dim, flag, float, int_or, need_int, storage, symbol};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    op::{
        Attention, Dim, Emit, Heads, IndexHead, Kv, KvLayout, Mask, Precision, Query, Ranked,
        Segment, Select, Shared, Storage, Value,
        expr::Dialect,
        reader::{Node, Reader, Table},
    },
};

const PRECISIONS: &[(&str, Precision)] = &[
    ("f32", Precision::F32),
    ("bf16", Precision::Bf16),
    ("int8", Precision::Int8),
    ("int8x2", Precision::Int8x2),
];

/// Segments of one op; more is a mistake, and a hostile file stays cheap.
const MAX_SEGMENTS: usize = 64;
/// Heads in one list.
const MAX_LIST: usize = 4096;

pub fn read<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Attention {
    let q = t
        .need(r, "q", "as in `q = { dtype = \"f16\", heads = 32, dim = 128 }`")
        .and_then(|node| query(r, &node))
        .unwrap_or(Query {
            dtype: Dtype::F32,
            heads: 1,
            dim: 1,
            batch: Dim::Const(1),
            len: Dim::Const(1),
        });
    let kv = t
        .need(r, "kv", "as in `kv = { dtype = \"f16\", heads = 8 }`")
        .and_then(|node| kv(r, &node, q.dim))
        .unwrap_or(Kv {
            heads: 1,
            k: Storage::Plain(Dtype::F32),
            v: Value::Stored(Storage::Plain(Dtype::F32)),
            v_dim: q.dim,
        });
    let out = t.need(r, "out", "the type of the result: `out = \"f16\"`");
    let out = out.and_then(|node| float(r, &node)).unwrap_or(Dtype::F32);
    let number = |r: &mut Reader<'a>, t: &mut Table<'a>, key| {
        t.get(r, key).and_then(|node| r.number(&node, "a number"))
    };
    let (scale, softcap) = (number(r, t, "scale"), number(r, t, "softcap"));
    let (alibi, sink_logit, lse) =
        (flag(r, t, "alibi"), flag(r, t, "sink_logit"), flag(r, t, "lse"));
    let indices = [("i32", Dtype::I32), ("i64", Dtype::I64)];
    let index = t.get(r, "index").and_then(|node| r.word(&node, "type of indices", &indices));
    let deterministic =
        t.get(r, "deterministic").and_then(|node| r.word(&node, "scope", &[("batch", true)]));
    let compute = t.get(r, "compute").and_then(|node| r.word(&node, "precision", PRECISIONS));
    let segments = t
        .need(r, "segment", "an attention has at least one `[[segment]]`")
        .map(|node| segments(r, &node))
        .unwrap_or_default();
    Attention {
        q,
        kv,
        out,
        segments,
        scale,
        softcap,
        alibi,
        sink_logit,
        lse,
        deterministic: deterministic.unwrap_or(false),
        index: index.unwrap_or(Dtype::I32),
        compute: compute.unwrap_or(Precision::F32),
    }
}

fn query<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Query> {
    let mut t = r.table(node, "a table such as `{ dtype = \"f16\", heads = 32, dim = 128 }`")?;
    let dtype = t.need(r, "dtype", "the type of the queries: `dtype = \"f16\"`");
    let dtype = dtype.and_then(|node| float(r, &node));
    let heads = need_int(r, &mut t, "heads", "how many query heads: `heads = 32`");
    let width = need_int(r, &mut t, "dim", "how wide a head is: `dim = 128`");
    let len = t.get(r, "len").and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1));
    // Ragged queries name their batch already.
    let default = match &len {
        Dim::Ragged { over, .. } => Dim::Sym(over.clone()),
        Dim::Const(_) | Dim::Sym(_) => Dim::Const(1),
    };
    let batch = t.get(r, "batch").and_then(|node| dim(r, &node)).unwrap_or(default);
    t.finish(r);
    Some(Query { dtype: dtype.unwrap_or(Dtype::F32), heads, dim: width, batch, len })
}

fn kv<'a>(r: &mut Reader<'a>, node: &Node<'a>, q_dim: i64) -> Option<Kv> {
    let mut t = r.table(node, "a table such as `{ dtype = \"f16\", heads = 8 }`")?;
    let heads = need_int(r, &mut t, "heads", "how many heads have keys: `heads = 8`");
    let both = t.get(r, "dtype").and_then(|node| storage::read(r, &node));
    let k = t.get(r, "k").and_then(|node| storage::read(r, &node));
    let v = t.get(r, "v").and_then(|node| value(r, &node));
    let each = t.has("k") && t.has("v");
    if !each && !t.has("dtype") {
        t.need(r, "dtype", "`dtype` of both, or `k` and `v`");
    }
    let plain = Storage::Plain(Dtype::F32);
    let k = k.or_else(|| both.clone()).unwrap_or_else(|| plain.clone());
    let v = v.unwrap_or_else(|| Value::Stored(both.unwrap_or(plain)));
    let default = match v {
        Value::PrefixOfK(n) => n,
        Value::Stored(_) => q_dim,
    };
    let v_dim = int_or(r, &mut t, "v_dim", default);
    t.finish(r);
    Some(Kv { heads, k, v, v_dim })
}

/// Storage, or `"k[..512]"`.
fn value<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Value> {
    let text = node.value.as_str().unwrap_or_default();
    if !text.starts_with("k[") {
        return storage::read(r, node).map(Value::Stored);
    }
    let count = text.strip_prefix("k[..").and_then(|t| t.strip_suffix(']'));
    match count.and_then(|t| t.trim().parse().ok()) {
        Some(n) => Some(Value::PrefixOfK(n)),
        None => {
            let message = format!("`{}` is no part of k", text.escape_debug());
            let help = "write `v = \"k[..512]\"` for the first 512 elements of each key";
            r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
            None
        }
    }
}

fn segments<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Vec<Segment> {
    let Some(list) = r.list(node, "one or more `[[segment]]`") else { return Vec::new() };
    if list.len() > MAX_SEGMENTS {
        let message = format!("an op has at most {MAX_SEGMENTS} segments, not {}", list.len());
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
        return Vec::new();
    }
    list.iter().map(|node| segment(r, node)).collect()
}

fn segment<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Segment {
    let mut s = Segment {
        name: "kv".into(),
        heads: Heads::All,
        len: Dim::Const(1),
        layout: KvLayout::Dense,
        shared: Shared::No,
        mask: Mask::None,
        select: Select::All,
        emit: None,
        weight: false,
        k: None,
        v: None,
    };
    let Some(mut t) = r.table(node, "a table") else { return s };
    if let Some(name) = t.get(r, "name").and_then(|node| r.name(&node, "a name")) {
        s.name = name;
    }
    if let Some(heads) = t.get(r, "heads").and_then(|node| heads(r, &node)) {
        s.heads = heads;
    }
    let help = "how many keys: an integer, a symbol \"n\" or \"n[b]\"";
    if let Some(len) = t.need(r, "len", help).and_then(|node| dim(r, &node)) {
        s.len = len;
    }
    if let Some(layout) = t.get(r, "layout").and_then(|node| layout(r, &node)) {
        s.layout = layout;
    }
    if let Some(shared) = t.get(r, "shared").and_then(|node| shared(r, &node)) {
        s.shared = shared;
    }
    if let Some(mask) = t.get(r, "mask").and_then(|node| mask(r, &node)) {
        s.mask = mask;
    }
    if let Some(select) = t.get(r, "select").and_then(|node| select(r, &node)) {
        s.select = select;
    }
    s.emit = t.get(r, "emit").and_then(|node| emit(r, &node));
    s.weight = flag(r, &mut t, "weight");
    s.k = t.get(r, "k").and_then(|node| storage::read(r, &node));
    s.v = t.get(r, "v").and_then(|node| value(r, &node));
    t.finish(r);
    s
}

fn ints<'a>(r: &mut Reader<'a>, node: &Node<'a>, what: &str) -> Option<Vec<i64>> {
    let list = r.list(node, what)?;
    if list.len() > MAX_LIST {
        let message = format!("a list has at most {MAX_LIST} entries, not {}", list.len());
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
        return None;
    }
    list.iter().map(|item| r.int(item, "an integer")).collect()
}

fn heads<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Heads> {
    if node.value.is_array() {
        return ints(r, node, "a list of kv heads").map(Heads::List);
    }
    r.word(node, "choice of heads", &[("all", false), ("rest", true)])
        .map(|rest| if rest { Heads::Rest } else { Heads::All })
}

fn layout<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<KvLayout> {
    if node.value.is_str() {
        return r.word(node, "layout", &[("dense", ())]).map(|()| KvLayout::Dense);
    }
    let mut t = r.table(node, "`\"dense\"`, `{ paged = 16 }` or `{ ring = { .. } }`")?;
    let ring = t.get(r, "ring").and_then(|node| {
        let mut t = r.table(&node, "`{ keep_first = 4, recent = 252 }`")?;
        let keep_first = int_or(r, &mut t, "keep_first", 0);
        let recent = need_int(r, &mut t, "recent", "how many newest tokens the ring holds");
        t.finish(r);
        Some(KvLayout::Ring { keep_first, recent })
    });
    let paged = match t.has("ring") {
        true => None,
        false => t.need(r, "paged", "tokens a page: `{ paged = 16 }`; or `{ ring = { .. } }`"),
    };
    let paged = paged.and_then(|node| r.int(&node, "tokens a page"));
    t.finish(r);
    ring.or(paged.map(KvLayout::Paged))
}

fn shared<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Shared> {
    if node.value.as_str() == Some("batch") {
        return Some(Shared::Batch);
    }
    symbol(r, node).map(Shared::Group)
}

fn mask<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Mask> {
    if let Some(text) = node.value.as_str() {
        match text {
            "none" => return Some(Mask::None),
            "causal" => return Some(Mask::Causal),
            "tree" => return Some(Mask::Tree),
            _ => {}
        }
        // One word is a slip of a name, not an expression.
        if text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_') {
            return r.unknown(node, "mask", &["none", "causal", "tree"]);
        }
        return r.expr(node, Dialect::Mask).map(Mask::Expr);
    }
    let mut t = r.table(node, "a mask: `\"causal\"`, `{ window = 1024 }`, an expression")?;
    let keys = ["window", "prefix", "block"];
    let mut found = Vec::new();
    for key in keys {
        if let Some(node) = t.get(r, key) {
            found.push((key, r.int(&node, "an integer")));
        }
    }
    let kept = t.has("keep_first") || t.has("recent");
    let (keep_first, recent) = (int_or(r, &mut t, "keep_first", 0), t.get(r, "recent"));
    let out = match (found.as_slice(), kept) {
        ([("window", Some(w))], false) => Some(Mask::Window(*w)),
        ([("prefix", Some(p))], false) => Some(Mask::Prefix(*p)),
        ([("block", Some(b))], false) => Some(Mask::Block(*b)),
        ([], true) => {
            let recent = recent
                .or_else(|| t.need(r, "recent", "how many newest keys stay visible"))
                .and_then(|node| r.int(&node, "an integer"));
            recent.map(|recent| Mask::KeepFirst { keep_first, recent })
        }
        ([(_, None)], false) => None,
        _ => {
            let message =
                "a mask is one of `window`, `prefix`, `block`, or `keep_first` and `recent`";
            r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
            None
        }
    };
    t.finish(r);
    out
}

fn ranked<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Option<Ranked> {
    let granularity = int_or(r, t, "granularity", 1);
    let (keep_first, recent) = (int_or(r, t, "keep_first", 0), int_or(r, t, "recent", 0));
    let k = t.need(r, "top_k", "how many keys: `top_k = 4096`").and_then(|node| dim(r, &node))?;
    Some(Ranked { k, granularity, keep_first, recent })
}

fn select<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Select> {
    if node.value.is_str() {
        return r
            .word(node, "selection", &[("all", false), ("ranges", true)])
            .map(|ranges| if ranges { Select::Ranges } else { Select::All });
    }
    let mut t = r.table(node, "a selection: `\"all\"`, `\"ranges\"`, `{ top_k = 4096 }`")?;
    let out = if let Some(node) = t.get(r, "indices") {
        indices(r, &node)
    } else if let Some(node) = t.get(r, "centroids") {
        let levels = match node.value.is_array() {
            true => {
                let list = r.list(&node, "symbols")?;
                list.iter().map(|item| symbol(r, item)).collect::<Option<Vec<_>>>()
            }
            false => symbol(r, &node).map(|s| vec![s]),
        };
        let above = t.get(r, "above").and_then(|node| r.name(&node, "the name of a tensor"));
        let ranked = if t.has("top_k") { ranked(r, &mut t) } else { None };
        levels.map(|levels| Select::Centroids { levels, above, ranked })
    } else if let Some(node) = t.get(r, "window_sum") {
        let window = r.int(&node, "the newest queries whose scores are summed");
        let ranked = ranked(r, &mut t);
        Some(Select::WindowSum { window: window?, ranked: ranked? })
    } else {
        ranked(r, &mut t).map(Select::TopK)
    };
    t.finish(r);
    out
}

fn indices<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Select> {
    if node.value.is_str() {
        let from = r.name(node, "the name of an `emit`")?;
        return Some(Select::Indices { from, head: IndexHead::Same });
    }
    let mut t = r.table(node, "`{ from = \"hot\", head = \"union\" }`")?;
    let from = t
        .need(r, "from", "the name an `emit` gives: `from = \"hot\"`")
        .and_then(|node| r.name(&node, "the name of an `emit`"));
    let head = match t.get(r, "head") {
        Some(node) if node.value.is_array() => ints(r, &node, "heads").map(IndexHead::Map),
        Some(node) => r
            .word(&node, "choice of head", &[("same", false), ("union", true)])
            .map(|union| if union { IndexHead::Union } else { IndexHead::Same }),
        None => Some(IndexHead::Same),
    };
    t.finish(r);
    Some(Select::Indices { from: from?, head: head? })
}

fn emit<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Emit> {
    let mut t = r.table(node, "`{ top_k = 4096, as = \"hot\" }`")?;
    let top_k = t.need(r, "top_k", "how many keys: `top_k = 4096`").and_then(|node| dim(r, &node));
    let name = t
        .need(r, "as", "the name other segments use: `as = \"hot\"`")
        .and_then(|node| r.name(&node, "a name"));
    t.finish(r);
    Some(Emit { top_k: top_k?, name: name? })
}
