//! Reads `op = "mpgemm"`: one activation, one or more weights.

use super::{dim, dtype, flag, need_int, storage};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    format::rows,
    op::{
        Compute, Dim, Grouped, MpGemm, Storage, Weight,
        expr::Dialect,
        reader::{Node, Reader, Table},
    },
};

const COMPUTES: &[(&str, Compute)] = &[
    ("auto", Compute::Auto),
    ("dequant", Compute::Dequant),
    ("bf16", Compute::Bf16),
    ("int_dot", Compute::IntDot),
    ("group_int", Compute::GroupInt),
    ("bitplane", Compute::Bitplane),
    ("lut", Compute::Lut(4)),
];

/// Weights of one op.
const MAX_WEIGHTS: usize = 64;

pub fn read<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> MpGemm {
    let m = t.need(r, "m", "rows of the activation: `m = \"m\"`");
    let m = m.and_then(|node| dim(r, &node)).unwrap_or(Dim::Const(1));
    let k = need_int(r, t, "k", "the length of the sums: `k = 4096`");
    let a = t.need(r, "a", "the type of the activation: `a = \"f16\"`");
    let a = a.and_then(|node| storage::read(r, &node)).unwrap_or(Storage::Plain(Dtype::F32));
    let w = weights(r, t);
    let out = t.need(r, "out", "the type of the result: `out = \"f16\"`");
    // i8: the epilogue says what a code is worth.
    let number = |d: Dtype| d.is_float() || d == Dtype::I8;
    let blocks = out.as_ref().and_then(|node| rows::find(node.value.as_str()?));
    let blocks = blocks.filter(|format| format.block > 1);
    let out = out.filter(|_| blocks.is_none());
    let out = out.and_then(|node| dtype(r, &node, number)).unwrap_or(Dtype::F32);
    let (bias, residual) = (flag(r, t, "bias"), flag(r, t, "residual"));
    let expr = |r: &mut Reader<'a>, t: &mut Table<'a>, key| {
        t.get(r, key).and_then(|node| r.expr(&node, Dialect::Row))
    };
    let (prologue, epilogue) = (expr(r, t, "prologue"), expr(r, t, "epilogue"));
    let compute = t.get(r, "compute").and_then(|node| compute(r, &node)).unwrap_or(Compute::Auto);
    let groups = t.get(r, "groups").and_then(|node| r.int(&node, "how many groups of rows"));
    let grouped = groups.map(|groups| Grouped { groups });
    MpGemm { m, k, a, w, out, blocks, bias, residual, prologue, epilogue, compute, grouped }
}

/// `n` and `w = FORMAT`; `w = ["q", "k"]` with `n` and `format`; or a list of tables with all three inside.
fn weights<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Vec<Weight> {
    let help = "the weight's format: `w = \"q4_0\"`, or a list of weights";
    let Some(node) = t.need(r, "w", help) else {
        t.get(r, "n");
        return Vec::new();
    };
    if !node.value.is_array() {
        let n = need_int(r, t, "n", "rows of the weight: `n = 4096`");
        let storage = storage::read(r, &node).unwrap_or(Storage::Plain(Dtype::F32));
        return vec![Weight { name: "w".into(), n, storage }];
    }
    let Some(list) = r.list(&node, "weights") else { return Vec::new() };
    if list.len() > MAX_WEIGHTS {
        let message = format!("an op has at most {MAX_WEIGHTS} weights, not {}", list.len());
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
        return Vec::new();
    }
    let widths = t.get(r, "n").map(|node| widths(r, &node, list.len()));
    let common = t.get(r, "format").and_then(|node| storage::read(r, &node));
    let has_common = t.has("format");
    let mut out = Vec::new();
    for (i, node) in list.iter().enumerate() {
        let width = widths.as_ref().map(|w| w.get(i).copied().unwrap_or(1));
        let plain = || common.clone().unwrap_or(Storage::Plain(Dtype::F32));
        if node.value.is_str() {
            let name = r.name(node, "a name").unwrap_or_default();
            if width.is_none() {
                t.need(r, "n", "rows of each weight: `n = [4096, 1024]`");
            }
            if !has_common {
                t.need(r, "format", "the format of the named weights: `format = \"q4_0\"`");
            }
            out.push(Weight { name, n: width.unwrap_or(1), storage: plain() });
            continue;
        }
        let what = "a name, or a table such as `{ name = \"q\", n = 4096, format = \"q4_0\" }`";
        let Some(mut inner) = r.table(node, what) else { continue };
        let name = inner.need(r, "name", "each of several weights has a name: `name = \"q\"`");
        let name = name.and_then(|node| r.name(&node, "a name")).unwrap_or_default();
        let n = match (width, inner.has("n")) {
            (Some(width), false) => width,
            (Some(_) | None, _) => need_int(r, &mut inner, "n", "rows of the weight: `n = 4096`"),
        };
        let storage = match has_common && !inner.has("format") {
            true => plain(),
            false => storage::in_table(r, &mut inner).unwrap_or(Storage::Plain(Dtype::F32)),
        };
        inner.finish(r);
        out.push(Weight { name, n, storage });
    }
    out
}

/// One width for all weights, or a list.
fn widths<'a>(r: &mut Reader<'a>, node: &Node<'a>, count: usize) -> Vec<i64> {
    if !node.value.is_array() {
        let n = r.int(node, "an integer, or one for each weight").unwrap_or(1);
        return vec![n; count];
    }
    let Some(list) = r.list(node, "integers") else { return Vec::new() };
    if list.len() != count {
        let message = format!("{count} weights have {} widths", list.len());
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message));
    }
    list.iter().map(|item| r.int(item, "an integer").unwrap_or(1)).collect()
}

/// A word, or `{ lut = 4 }`.
fn compute<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Compute> {
    if node.value.is_str() {
        return r.word(node, "way to compute", COMPUTES);
    }
    let mut t = r.table(node, "`\"int_dot\"`, or a table such as `{ lut = 4 }`")?;
    let lut = t.need(r, "lut", "activations a table: `{ lut = 4 }`");
    let out = lut.and_then(|node| {
        let x = r.int(&node, "an integer")?;
        match u8::try_from(x).ok().filter(|x| (1..=8).contains(x)) {
            Some(x) => Some(Compute::Lut(x)),
            None => {
                let message = format!("a table over {x} activations is not possible");
                let error = Diagnostic::new(node.span.clone(), message).help("use 1 to 8");
                r.mistake(&node.path, error);
                None
            }
        }
    });
    t.finish(r);
    out
}
