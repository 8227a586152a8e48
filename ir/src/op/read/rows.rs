//! Reads `op = "rows"`: inputs, and outputs as expression strings.
//!
//! ```toml
//! op = "rows"
//! name = "rmsnorm"
//! rows = "m"
//! width = 4096
//! in = { x = "f16", g = { dtype = "f32", kind = "vector" } }
//! out = { y = { dtype = "f16", value = "x * rsqrt(mean(x * x) + 1e-5) * g" } }
//! ```

use super::{dim, dtype, entries, need_int};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    op::{
        Dim, RowKind, RowOutput, RowTensor, Rows,
        expr::{Dialect, Expr},
        reader::{Node, Reader, Table, is_name},
    },
};

const KINDS: &[(&str, RowKind)] = &[
    ("matrix", RowKind::Matrix),
    ("vector", RowKind::Vector),
    ("column", RowKind::Column),
    ("scalar", RowKind::Scalar),
];

pub fn read<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Rows {
    let rows = t.need(r, "rows", "how many rows: `rows = \"m\"`");
    let rows = rows.and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1));
    let width = need_int(r, t, "width", "elements of a row: `width = 4096`");
    let inputs = t.need(r, "in", "as in `in = { x = \"f16\" }`");
    let inputs = inputs.map(|node| tensors(r, &node)).unwrap_or_default();
    let outputs = t.need(r, "out", "as in `out = { y = { dtype = \"f16\", value = \"x * 2\" } }`");
    let outputs = outputs.map(|node| tensors(r, &node)).unwrap_or_default();
    let mut with_values = Vec::new();
    for (tensor, mut rest) in outputs {
        let value = rest.as_mut().and_then(|t| {
            let node = t.need(r, "value", "what it holds: `value = \"x * 2\"`")?;
            r.expr(&node, Dialect::Row)
        });
        if let Some(rest) = rest {
            rest.finish(r);
        }
        with_values.push(RowOutput {
            name: tensor.name,
            dtype: tensor.dtype,
            kind: tensor.kind,
            value: value.unwrap_or(Expr::Number(0.0)),
        });
    }
    let mut plain = Vec::new();
    for (tensor, rest) in inputs {
        if let Some(rest) = rest {
            rest.finish(r);
        }
        plain.push(tensor);
    }
    Rows { rows, width, inputs: plain, outputs: with_values }
}

/// Entries in the order of the file, each with the table that may hold more keys.
fn tensors<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Vec<(RowTensor, Option<Table<'a>>)> {
    let Some(mut table) = r.table(node, "a table of tensors") else { return Vec::new() };
    let mut out = Vec::new();
    for (name, span, node) in entries(r, &mut table, node) {
        if !is_name(&name) {
            let message = format!("`{}` is no name", name.escape_debug());
            let help = "names are letters, digits and `_`, and begin with a letter";
            r.mistake(&node.path, Diagnostic::new(span, message).help(help));
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
            out.push((RowTensor { name, dtype, kind: RowKind::Matrix }, None));
            continue;
        }
        let Some(mut t) = r.table(&node, "a type, or a table such as `{ dtype = \"f16\" }`") else {
            continue;
        };
        let dtype = t
            .need(r, "dtype", "the type of its elements: `dtype = \"f16\"`")
            .and_then(|node| dtype(r, &node, whole));
        let kind = t.get(r, "kind").and_then(|node| r.word(&node, "kind", KINDS));
        let kind = kind.unwrap_or(RowKind::Matrix);
        out.push((RowTensor { name, dtype: dtype.unwrap_or(Dtype::F32), kind }, Some(t)));
    }
    out
}
