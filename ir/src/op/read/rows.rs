//! Reads `op = "rows"`: inputs, and outputs as expression strings.
//!
//! ```toml
//! op = "rows"
//! name = "rope"
//! rows = "m"
//! width = 4096
//! in = { x = "f16", pos = { dtype = "i32", kind = "column" }, freq = { dtype = "f32", kind = "list", len = 64 } }
//! let = { a = "pos * freq[col % 64]" }
//! out = { y = { dtype = "f16", value = "x * cos(a) + x[col + 1 - col % 2 * 2] * sin(a)" } }
//! ```
//!
//! `{ kind = "table", rows = "vocab" }` has rows of its own, read as `table[id]`; an output with `at` is written to the
//! rows that this says: `{ dtype = "f16", rows = "slots", at = "slot", value = "x" }`.

use super::{dim, dtype, entries, need_int};
use crate::{
    diag::{Diagnostic, Span},
    dtype::Dtype,
    format::rows,
    op::{
        Dim, RowKind, RowOutput, RowTensor, Rows, Target,
        expr::{Dialect, Expr},
        reader::{Node, Reader, Table, is_name},
    },
};

#[derive(Clone, Copy)]
enum Word {
    Matrix,
    Vector,
    Column,
    Scalar,
    Table,
    List,
}

const INPUTS: &[(&str, Word)] = &[
    ("matrix", Word::Matrix),
    ("vector", Word::Vector),
    ("column", Word::Column),
    ("scalar", Word::Scalar),
    ("table", Word::Table),
    ("list", Word::List),
];

/// Tables and lists are read only.
const OUTPUTS: &[(&str, Word)] = INPUTS.split_at(4).0;

pub fn read<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Rows {
    let rows = t.need(r, "rows", "how many rows: `rows = \"m\"`");
    let rows = rows.and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1));
    let width = need_int(r, t, "width", "elements of a row: `width = 4096`");
    let inputs = t.need(r, "in", "as in `in = { x = \"f16\" }`");
    let inputs = inputs.map(|node| tensors(r, &node, width)).unwrap_or_default();
    let lets = t.get(r, "let").map(|node| lets(r, &node)).unwrap_or_default();
    let outputs = t.need(r, "out", "as in `out = { y = { dtype = \"f16\", value = \"x * 2\" } }`");
    let outputs = outputs.map(|node| tensors(r, &node, width)).unwrap_or_default();
    let mut with_values = Vec::new();
    for (tensor, mut rest) in outputs {
        let value = rest.as_mut().and_then(|t| {
            let node = t.need(r, "value", "what it holds: `value = \"x * 2\"`")?;
            r.expr(&node, Dialect::Row)
        });
        let at = rest.as_mut().and_then(|t| target(r, t));
        if let Some(rest) = rest {
            rest.finish(r);
        }
        with_values.push(RowOutput {
            name: tensor.name,
            dtype: tensor.dtype,
            kind: tensor.kind,
            value: value.unwrap_or(Expr::Number(0.0)),
            at,
        });
    }
    let mut plain = Vec::new();
    for (tensor, rest) in inputs {
        if let Some(rest) = rest {
            rest.finish(r);
        }
        plain.push(tensor);
    }
    Rows { rows, width, inputs: plain, lets, outputs: with_values }
}

/// `let = { a = "pos * freq[col % 64]" }`, in the order of the file.
fn lets<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Vec<(String, Expr)> {
    let Some(mut table) = r.table(node, "a table of values, as in `{ a = \"x * 2\" }`") else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (name, span, node) in entries(r, &mut table, node) {
        if is_named(r, &name, span, &node) {
            let value = r.expr(&node, Dialect::Row);
            out.push((name, value.unwrap_or(Expr::Number(0.0))));
        }
    }
    out
}

/// `rows = "slots", at = "slot"`.
fn target<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Option<Target> {
    if !t.has("at") {
        return None;
    }
    let at = t.get(r, "at").and_then(|node| r.expr(&node, Dialect::Index));
    let help = "of the tensor that `at` points into: `rows = \"slots\"`";
    let rows = t.need(r, "rows", help).and_then(|node| dim(r, &node));
    Some(Target { rows: rows.unwrap_or(Dim::Const(1)), at: at.unwrap_or(Expr::Number(0.0)) })
}

fn is_named<'a>(r: &mut Reader<'a>, name: &str, span: Span, node: &Node<'a>) -> bool {
    if !is_name(name) {
        let message = format!("`{}` is no name", name.escape_debug());
        let help = "names are letters, digits and `_`, and begin with a letter";
        r.mistake(&node.path, Diagnostic::new(span, message).help(help));
        return false;
    }
    if OWN.contains(&name) {
        let message = format!("`{name}` has a meaning of its own");
        let help = "`row` and `col` say where an element stands: choose another name";
        r.mistake(&node.path, Diagnostic::new(span, message).help(help));
        return false;
    }
    true
}

/// Names that expressions of rows have anyway.
const OWN: &[&str] = &["row", "col"];

/// Entries in the order of the file, each with the table that may hold more keys.
fn tensors<'a>(
    r: &mut Reader<'a>,
    node: &Node<'a>,
    width: i64,
) -> Vec<(RowTensor, Option<Table<'a>>)> {
    let Some(mut table) = r.table(node, "a table of tensors") else { return Vec::new() };
    let mut out = Vec::new();
    for (name, span, node) in entries(r, &mut table, node) {
        if !is_named(r, &name, span, &node) {
            continue;
        }
        let whole = |d: Dtype| d.bytes().is_some();
        if node.value.is_str() {
            let dtype = dtype(r, &node, whole).unwrap_or(Dtype::F32);
            if node.path.starts_with("out.") {
                let message = format!("`{name}` has no value");
                let help = "as in `{ dtype = \"f16\", value = \"x * 2\" }`";
                r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
            }
            out.push((RowTensor { name, dtype, kind: RowKind::Matrix, blocks: None }, None));
            continue;
        }
        let Some(mut t) = r.table(&node, "a type, or a table such as `{ dtype = \"f16\" }`") else {
            continue;
        };
        let node_of_type = t.need(r, "dtype", "the type of its elements: `dtype = \"f16\"`");
        let blocks = node_of_type.as_ref().and_then(|node| rows::find(node.value.as_str()?));
        let blocks = blocks.filter(|format| format.block > 1);
        let dtype = match (&node_of_type, blocks) {
            (Some(node), None) => dtype(r, node, whole),
            (_, _) => None,
        };
        let words = if node.path.starts_with("out.") { OUTPUTS } else { INPUTS };
        let word = t.get(r, "kind").and_then(|node| r.word(&node, "kind", words));
        let kind = match word.unwrap_or(Word::Matrix) {
            Word::Matrix => RowKind::Matrix,
            Word::Vector => RowKind::Vector,
            Word::Column => RowKind::Column,
            Word::Scalar => RowKind::Scalar,
            Word::Table => {
                let rows = t.need(r, "rows", "of the table: `rows = \"vocab\"`");
                let rows = rows.and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1));
                let own = t.get(r, "width").and_then(|node| dim(r, &node));
                RowKind::Table { rows, width: own.unwrap_or(Dim::Const(width)) }
            }
            Word::List => {
                let len = t.need(r, "len", "of the list: `len = 64`");
                RowKind::List(len.and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1)))
            }
        };
        if let (Some(node), Some(format), false) =
            (node_of_type, blocks, matches!(kind, RowKind::Table { .. }))
        {
            let message = format!("`{name}` is no table, so it cannot hold {}", format.name);
            let help = "say `kind = \"table\", rows = \"vocab\"`, or choose an element type";
            r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
        }
        out.push((RowTensor { name, dtype: dtype.unwrap_or(Dtype::F32), kind, blocks }, Some(t)));
    }
    out
}
