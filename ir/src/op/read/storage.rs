//! Storage: `"f16"`, `"q4_0"`, `{ format = "uint4", group = 128, scale = "f16", zero = "uint4" }`, and what tools write:
//! `{ format = "gptq", bits = 4, group = 128, act_order = true }`, `{ format = "awq", group = 128 }`.

use super::{dtype, flag, float};
use crate::{
    diag::Diagnostic,
    dtype::Dtype,
    format::rows,
    op::{
        Code, CodeLayout, Codes, Group, Storage, Zero,
        reader::{Node, Reader, Table},
    },
};

/// A family of codes without its width.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Int,
    Uint,
    Bipolar,
    Ternary,
    Codebook,
}

const FAMILIES: &[(&str, Family)] = &[
    ("int", Family::Int),
    ("uint", Family::Uint),
    ("bipolar", Family::Bipolar),
    ("ternary", Family::Ternary),
    ("codebook", Family::Codebook),
];

const PER: &[(&str, Group)] =
    &[("row", Group::Row), ("token", Group::Row), ("tensor", Group::Tensor)];

/// `int4` is four bits of two's complement; `ternary` has no width.
fn code_name(name: &str) -> Option<(Family, u8)> {
    let digits = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (_, family) = FAMILIES.iter().find(|(word, _)| *word == &name[..digits])?;
    match (&name[digits..], family) {
        ("", Family::Ternary) => Some((Family::Ternary, 2)),
        (_, Family::Ternary) => None,
        (bits, _) => {
            let bits = bits.parse().ok().filter(|b| (1..=8).contains(b))?;
            Some((*family, bits))
        }
    }
}

/// Plain types a tensor of weights, activations or keys may have.
fn plain(name: &str) -> Option<Dtype> {
    Dtype::parse(name).filter(|d| d.is_float() || *d == Dtype::I8)
}

/// A name, or a table with `format`.
pub fn read<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Storage> {
    if node.value.is_table() {
        let mut t = r.table(node, "a format")?;
        let storage = in_table(r, &mut t);
        t.finish(r);
        return storage;
    }
    let name = r.str(node, "a format: a name, or a table such as `{ format = \"int4\", .. }`")?;
    if code_name(name).is_some() || matches!(name, "gptq" | "awq") {
        let message = format!("`{name}` says nothing about its scales");
        let scale = if code_name(name).is_some() { ", scale = \"f16\"" } else { "" };
        let help = format!("as in `{{ format = \"{name}\", group = 32{scale} }}`");
        r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help(help));
        return None;
    }
    named(r, node, name)
}

fn named<'a>(r: &mut Reader<'a>, node: &Node<'a>, name: &str) -> Option<Storage> {
    if let Some(dtype) = plain(name) {
        return Some(Storage::Plain(dtype));
    }
    if let Some(format) = rows::find(name) {
        return Some(Storage::Block(format));
    }
    let plain = Dtype::all().map(Dtype::name).filter(|n| plain(n).is_some());
    let codes = ["int4", "int8", "uint4", "bipolar2", "ternary", "codebook4", "gptq", "awq"];
    let known: Vec<&str> = plain.chain(rows::FORMATS.iter().map(|f| f.name)).chain(codes).collect();
    r.unknown(node, "format", &known)
}

/// The keys of a format among others.
pub fn in_table<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Option<Storage> {
    let node = t.need(r, "format", "as in `{ format = \"q4_0\" }`")?;
    let name = r.str(&node, "the name of a format in quotes")?;
    if let "gptq" | "awq" = name {
        return of_tool(r, t, name == "gptq");
    }
    let Some((family, bits)) = code_name(name) else {
        let storage = named(r, &node, name);
        if storage.is_none() {
            // Whatever format was meant, these keys may belong to it.
            for key in ["group", "per", "scale", "zero", "values"] {
                t.get(r, key);
            }
        }
        return storage;
    };
    let group = group(r, t);
    let scale = t
        .need(r, "scale", "codes need the type of their scales: `scale = \"f16\"`")
        .and_then(|node| float(r, &node));
    let zero = match t.get(r, "zero") {
        Some(node) => Some(zero(r, &node)?),
        None => None,
    };
    let code = match family {
        Family::Int => Code::Int,
        Family::Uint => Code::Uint,
        Family::Bipolar => Code::Bipolar,
        Family::Ternary => Code::Ternary,
        Family::Codebook => {
            let node = t.need(r, "values", "a codebook lists what each code means")?;
            let items = r.list(&node, "a list of numbers")?;
            let values = items.iter().map(|item| r.number(item, "a number"));
            Code::Codebook(values.collect::<Option<_>>()?)
        }
    };
    let layout = CodeLayout::Rows;
    Some(Storage::Codes(Codes { code, bits, group: group?, scale: scale?, zero, layout }))
}

/// `{ format = "gptq", bits = 4, group = 128, act_order = true }`, `{ format = "awq", group = 128 }`.
fn of_tool<'a>(r: &mut Reader<'a>, t: &mut Table<'a>, gptq: bool) -> Option<Storage> {
    let group = group(r, t);
    let scale = match t.get(r, "scale") {
        Some(node) => float(r, &node)?,
        None => Dtype::F16,
    };
    let mut one_of = |r: &mut Reader<'a>, key, allowed: &[i64], default: i64| {
        let Some(node) = t.get(r, key) else { return Some(default) };
        let x = r.int(&node, "an integer")?;
        if !allowed.contains(&x) {
            let list: Vec<String> = allowed.iter().map(i64::to_string).collect();
            let error = Diagnostic::new(node.span.clone(), format!("`{key}` cannot be {x}"))
                .help(format!("it is one of {}", list.join(", ")));
            r.mistake(&node.path, error);
            return None;
        }
        Some(x)
    };
    let bits = one_of(r, "bits", if gptq { &[2, 3, 4, 8] } else { &[4] }, 4);
    let layout = if gptq {
        let version = one_of(r, "version", &[1, 2], 1);
        let act_order = flag(r, t, "act_order");
        CodeLayout::Gptq { act_order, less_one: version? == 1 }
    } else {
        CodeLayout::Awq
    };
    let bits = bits? as u8;
    let zero = Some(Zero::Uint(bits));
    Some(Storage::Codes(Codes { code: Code::Uint, bits, group: group?, scale, zero, layout }))
}

fn group<'a>(r: &mut Reader<'a>, t: &mut Table<'a>) -> Option<Group> {
    match (t.get(r, "group"), t.get(r, "per")) {
        (Some(node), None) => r.int(&node, "how many neighbours share a scale").map(Group::K),
        (None, Some(node)) => r.word(&node, "sharing", PER),
        (Some(_), Some(node)) => {
            let message = "`group` and `per` both say which codes share a scale";
            r.mistake(&node.path, Diagnostic::new(node.span.clone(), message).help("keep one"));
            None
        }
        (None, None) => {
            let help = "`group = 128`, or `per = \"row\"`, `\"token\"`, `\"tensor\"`";
            t.need(r, "group", help);
            None
        }
    }
}

fn zero<'a>(r: &mut Reader<'a>, node: &Node<'a>) -> Option<Zero> {
    let name = r.str(node, "the type of the zero points in quotes")?;
    match code_name(name) {
        Some((Family::Uint, bits)) => Some(Zero::Uint(bits)),
        Some(_) | None => dtype(r, node, Dtype::is_float).map(Zero::Float),
    }
}
