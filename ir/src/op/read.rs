//! Reads `op.toml`; all mistakes of a file come in one report.
//!
//! ```toml
//! op = "attention"
//! name = "flash_decode"
//! q = { dtype = "f16", heads = 32, dim = 128, batch = "b", len = "m" }
//! kv = { dtype = "f16", heads = 8 }
//! out = "f16"
//!
//! [[segment]]
//! len = "n"
//! mask = "causal"
//! ```

mod attention;
mod product;
mod rows;
mod storage;

use super::{
    Bound, Dim, Kind, Op,
    reader::{Node, Reader, Table, is_name},
    verify,
};
use crate::{
    diag::{Diagnostic, Report, Span},
    dtype::Dtype,
};
use toml::de::DeTable;

#[derive(Clone, Copy)]
enum Which {
    Attention,
    MpGemm,
    Rows,
}

const KINDS: &[(&str, Which)] =
    &[("attention", Which::Attention), ("mpgemm", Which::MpGemm), ("rows", Which::Rows)];

/// Files beyond this are no op files; it also keeps the work on hostile ones small.
const MAX_BYTES: usize = 1 << 16;
/// Entries of a table of symbols or tensors.
const MAX_ENTRIES: usize = 64;

/// The op that `text` describes, checked; `name` is the file's, for the report.
pub fn read(name: &str, text: &str) -> Result<Op, Report> {
    if text.len() > MAX_BYTES {
        let error = Diagnostic::new(0..0, format!("an op file has at most {MAX_BYTES} bytes"));
        return Err(Report::new(name, "", vec![error]));
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows a slip of TOML's grammar is guesswork, so only the grammar is reported.
        let list = errors
            .iter()
            .map(|e| Diagnostic::new(e.span().unwrap_or(0..0), format!("no TOML: {}", e.message())))
            .collect();
        return Err(Report::new(name, text, list));
    }
    let mut r = Reader::new(text);
    let op = op(&mut r, table.get_ref());
    let mut list = std::mem::take(&mut r.list);
    if let Some(op) = &op {
        list.extend(verify::verify_at(op, &r.places));
    }
    match op {
        Some(op) if list.is_empty() => Ok(op),
        Some(_) | None => Err(Report::new(name, text, list)),
    }
}

/// `None` only where the kind of op is unknown; other gaps are filled, with a mistake on record.
fn op<'a>(r: &mut Reader<'a>, table: &'a DeTable<'a>) -> Option<Op> {
    let mut t = r.root(table);
    let which = t
        .need(r, "op", "say what it is: `op = \"attention\"`, `\"mpgemm\"` or `\"rows\"`")
        .and_then(|node| r.word(&node, "op", KINDS));
    let name = t
        .need(r, "name", "name the op as its file: `name = \"flash_decode\"`")
        .and_then(|node| r.name(&node, "a name"));
    let bounds = t.get(r, "dims").map(|node| bounds(r, &node)).unwrap_or_default();
    let kind = match which? {
        Which::Attention => Kind::Attention(attention::read(r, &mut t)),
        Which::MpGemm => Kind::MpGemm(product::read(r, &mut t)),
        Which::Rows => Kind::Rows(rows::read(r, &mut t)),
    };
    t.finish(r);
    Some(Op { name: name.unwrap_or_default(), kind, bounds })
}

fn bounds<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Vec<Bound> {
    let Some(mut table) = r.table(node, "a table such as `m = { max = 8192 }`") else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (symbol, span, node) in entries(r, &mut table, node) {
        if !is_name(&symbol) {
            let message = format!("`{}` is no symbol", symbol.escape_debug());
            r.mistake(&node.path, Diagnostic::new(span, message));
            continue;
        }
        let Some(mut t) = r.table(&node, "a table such as `{ min = 1, max = 8192 }`") else {
            continue;
        };
        let mut int =
            |r: &mut Reader<'a>, key| t.get(r, key).and_then(|node| r.int(&node, "an integer"));
        let (min, max) = (int(r, "min"), int(r, "max"));
        let multiple_of = int(r, "multiple_of");
        t.finish(r);
        out.push(Bound { symbol, min, max, multiple_of });
    }
    out
}

/// The entries of a table whose keys are the user's names, in the order of the file.
fn entries<'a>(
    r: &mut Reader<'a>,
    table: &mut Table<'a>,
    node: &Node<'a>,
) -> Vec<(String, Span, Node<'a>)> {
    let all = table.entries(r);
    if all.len() > MAX_ENTRIES {
        let message = format!("at most {MAX_ENTRIES} entries stand here, not {}", all.len());
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
        return Vec::new();
    }
    all
}

/// Words with a meaning of their own in extents and masks.
const RESERVED: &[&str] = &["i", "j", "head", "cores"];

/// `128`, `"n"` or `"n[b]"`.
fn dim<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Dim> {
    if node.value.is_integer() {
        return r.int(node, "a size").map(Dim::Const);
    }
    let what = "a size: an integer, a symbol \"n\" or \"n[b]\"";
    let text = r.str(node, what)?;
    let (symbol, over) = match text.strip_suffix(']').and_then(|t| t.split_once('[')) {
        Some((symbol, over)) => (symbol, Some(over)),
        None => (text, None),
    };
    if !is_name(symbol) || over.is_some_and(|o| !is_name(o)) {
        let message = format!("`{}` is no size", text.escape_debug());
        let help = "a size is an integer, a symbol \"n\", or \"n[b]\": a length n for each of b";
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
        return None;
    }
    if let Some(word) = [Some(symbol), over].into_iter().flatten().find(|w| RESERVED.contains(w)) {
        let message = format!("`{word}` has a meaning of its own and can be no symbol");
        let help = format!("choose another name than {}", RESERVED.join(", "));
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
        return None;
    }
    Some(match over {
        Some(over) => Dim::Ragged { symbol: symbol.into(), over: over.into() },
        None => Dim::Sym(symbol.into()),
    })
}

/// A symbol alone.
fn symbol<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<String> {
    r.str(node, "a symbol in quotes")?;
    match dim(r, node)? {
        Dim::Sym(symbol) => Some(symbol),
        Dim::Const(_) | Dim::Ragged { .. } => r.expected(node, "a symbol without brackets"),
    }
}

/// Element types of tensors that hold plain values.
fn dtype<'a>(r: &mut Reader<'a>, node: &Node<'a>, fits: fn(Dtype) -> bool) -> Option<Dtype> {
    let known: Vec<(&str, Dtype)> =
        Dtype::all().filter(|d| fits(*d)).map(|d| (d.name(), d)).collect();
    r.word(node, "element type", &known)
}

fn float<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Dtype> {
    dtype(r, node, Dtype::is_float)
}

/// An integer key with a default.
fn int_or<'a>(r: &mut Reader<'a>, t: &mut Table<'a>, key: &'static str, default: i64) -> i64 {
    t.get(r, key).and_then(|node| r.int(&node, "an integer")).unwrap_or(default)
}

/// An integer key that must be there; 1 stands in for a wrong one, as the mistake is on record.
fn need_int<'a>(r: &mut Reader<'a>, t: &mut Table<'a>, key: &'static str, help: &str) -> i64 {
    t.need(r, key, help).and_then(|node| r.int(&node, "an integer")).unwrap_or(1)
}

fn flag<'a>(r: &mut Reader<'a>, t: &mut Table<'a>, key: &'static str) -> bool {
    t.get(r, key).and_then(|node| r.bool(&node)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Compute, Mask, Storage};

    #[test]
    fn flash_decode_reads() {
        let op = read("flash_decode.toml", include_str!("../../../ops/flash_decode.toml")).unwrap();
        let Kind::Attention(a) = op.kind else { panic!("attention") };
        assert_eq!((a.q.heads, a.q.dim, a.kv.heads, a.kv.v_dim), (32, 128, 8, 128));
        assert_eq!((a.q.batch, a.q.len), (Dim::Sym("b".into()), Dim::Sym("m".into())));
        assert_eq!(a.segments.len(), 1);
        assert_eq!(a.segments[0].name, "kv");
        assert_eq!(a.segments[0].len, Dim::Sym("n".into()));
        assert_eq!(a.segments[0].mask, Mask::Causal);
    }

    #[test]
    fn w4a8_gemv_reads() {
        let op = read("w4a8_gemv.toml", include_str!("../../../ops/w4a8_gemv.toml")).unwrap();
        let Kind::MpGemm(g) = op.kind else { panic!("mpgemm") };
        assert_eq!((g.w[0].name.as_str(), g.w[0].n, g.k), ("w", 11008, 4096));
        assert!(matches!(g.w[0].storage, Storage::Block(f) if f.name == "q4_0"));
        assert_eq!((g.a, g.out), (Storage::Plain(Dtype::F32), Dtype::F32));
        assert_eq!(g.compute, Compute::IntDot);
    }

    #[test]
    fn a_file_that_is_no_op_file_is_refused() {
        let huge = "#".repeat(MAX_BYTES + 1);
        assert!(read("x", &huge).unwrap_err().list[0].message.contains("at most"));
    }
}
