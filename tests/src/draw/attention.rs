//! Attention: everything that the language says of it but selections of keys.

use super::{Grammar, Pick, Property};

#[rustfmt::skip] // a table
const PROPERTIES: &[Property] = &[
    Property { name: "q",             values: &["f32", "f16", "bf16"] },
    Property { name: "out",           values: &["f32", "f16", "bf16"] },
    Property { name: "k",             values: STORED },
    Property { name: "v",             values: &["f32", "f16", "bf16", "q8_0", "int8 group", "int8 row", "int4", "uint4 zero", "part of k"] },
    Property { name: "dim",           values: &["narrow", "middle", "wide", "latent"] },
    Property { name: "v_dim",         values: &["same", "another"] },
    Property { name: "ratio",         values: &["1", "2", "3", "4", "5", "6", "7", "to 16", "to 64"] },
    Property { name: "kv heads",      values: &["1", "2", "more"] },
    Property { name: "rows",          values: &["one", "few", "symbol", "ragged"] },
    Property { name: "batch",         values: &["symbol", "constant"] },
    Property { name: "segments",      values: &["1", "2", "3"] },
    Property { name: "layout",        values: &["dense", "paged", "ring"] },
    Property { name: "shared",        values: &["no", "batch", "copies"] },
    Property { name: "len",           values: &["constant", "symbol", "ragged"] },
    Property { name: "mask",          values: &["none", "causal", "window", "keep_first", "prefix", "block", "tree", "expression"] },
    Property { name: "heads",         values: &["all", "list", "rest"] },
    Property { name: "alibi",         values: NO_YES },
    Property { name: "softcap",       values: NO_YES },
    Property { name: "sink_logit",    values: NO_YES },
    Property { name: "lse",           values: NO_YES },
    Property { name: "scale",         values: NO_YES },
    Property { name: "weight",        values: NO_YES },
    Property { name: "deterministic", values: NO_YES },
    Property { name: "index",         values: &["i32", "i64"] },
    Property { name: "own storage",   values: NO_YES },
    Property { name: "compute",       values: &["f32", "bf16", "int8", "int8x2"] },
];

const NO_YES: &[&str] = &["no", "yes"];

const STORED: &[&str] =
    &["f32", "f16", "bf16", "q8_0", "int8 group", "int8 row", "int4", "uint4 zero"];

pub const GRAMMAR: Grammar = Grammar {
    kind: "attention",
    properties: PROPERTIES,
    never: &[
        ("rows", &["ragged"], "batch", &["constant"]),
        ("len", &["ragged"], "shared", &["batch"]),
        // Lengths for each of the batch: which is a symbol.
        ("len", &["ragged"], "batch", &["constant"]),
        ("dim", &["latent"], "v_dim", &["same"]),
        ("segments", &["1"], "heads", &["rest"]),
        ("kv heads", &["1"], "heads", &["rest"]),
    ],
    text,
};

/// How a vector of so many elements is stored; a width that it fits.
fn storage(p: &Pick<'_>, what: &str, width: i64) -> String {
    let scale = p.of(&["f32", "f16", "bf16"]);
    let groups: Vec<i64> = [8, 16, 32, 64, 128].into_iter().filter(|g| width % g == 0).collect();
    let group = p.of(&groups);
    match what {
        "int8 group" => format!("{{ format = \"int8\", group = {group}, scale = \"{scale}\" }}"),
        "int8 row" => format!("{{ format = \"int8\", per = \"row\", scale = \"{scale}\" }}"),
        "int4" => {
            let shared = p.next("int4", &[format!("group = {group}"), "per = \"row\"".into()]);
            format!("{{ format = \"int4\", {shared}, scale = \"{scale}\" }}")
        }
        "uint4 zero" => {
            let zero = p.of(&["uint4", "f16"]);
            format!(
                "{{ format = \"uint4\", group = {group}, scale = \"{scale}\", zero = \"{zero}\" }}"
            )
        }
        plain => format!("\"{plain}\""),
    }
}

/// Widths of heads in steps of 8, or of 32 where blocks want that.
fn width(p: &Pick<'_>, class: &str, blocks: bool) -> i64 {
    let list = |from: i64, to: i64, step: usize| (from..=to).step_by(step).collect::<Vec<_>>();
    match (class, blocks) {
        ("narrow", false) => p.next("narrow", &list(8, 64, 8)),
        ("middle", false) => p.next("middle", &list(72, 128, 8)),
        ("wide", false) => p.next("wide", &list(136, 256, 8)),
        ("narrow", true) => p.next("narrow blocks", &list(32, 64, 32)),
        ("middle", true) => p.next("middle blocks", &list(96, 128, 32)),
        ("wide", true) => p.next("wide blocks", &list(160, 256, 32)),
        (_, _) => 576,
    }
}

fn text(p: &Pick<'_>) -> String {
    let kv_heads = if p.is("kv heads", "more") { p.of(&[3, 5]) } else { number(p.get("kv heads")) };
    let ratio = match p.get("ratio") {
        "to 16" => p.next("to 16", &[8, 9, 10, 11, 12, 13, 14, 15, 16]),
        "to 64" => p.next("to 64", &[64, 17, 24, 32, 33, 40, 48, 63]),
        one => number(one),
    };
    // A part of k is cut between blocks.
    let own = p.is("own storage", "yes");
    let part = p.is("v", "part of k");
    let blocks = own || p.is("k", "q8_0") || p.is("v", "q8_0");
    let dim = width(p, p.get("dim"), blocks);
    let v_dim = match p.get("dim") {
        "latent" => 512,
        _ if p.is("v_dim", "same") => dim,
        _ => {
            let class = if part { "narrow" } else { p.of(&["narrow", "middle", "wide"]) };
            let other = width(p, class, blocks);
            if part { other.min(dim) } else { other }
        }
    };
    let m = match p.get("rows") {
        "one" => "1",
        "few" => "3",
        "symbol" => "\"m\"",
        _ => "\"m[b]\"",
    };
    let batch = if p.is("batch", "symbol") { "\"b\"" } else { "2" };
    let v = if part { format!("\"k[..{v_dim}]\"") } else { storage(p, p.get("v"), v_dim) };
    let mut text = format!(
        "op = \"attention\"\nname = \"drawn\"\n\
         q = {{ dtype = \"{}\", heads = {}, dim = {dim}, batch = {batch}, len = {m} }}\n\
         kv = {{ k = {}, v = {v}, heads = {kv_heads}, v_dim = {v_dim} }}\nout = \"{}\"\n",
        p.get("q"),
        kv_heads * ratio,
        storage(p, p.get("k"), dim),
        p.get("out"),
    );
    for flag in ["alibi", "sink_logit", "lse"] {
        if p.is(flag, "yes") {
            text += &format!("{flag} = true\n");
        }
    }
    for (property, line) in [
        ("softcap", "softcap = 7.5"),
        ("scale", "scale = 0.3"),
        ("deterministic", "deterministic = \"batch\""),
    ] {
        if p.is(property, "yes") {
            text += &format!("{line}\n");
        }
    }
    text += &format!("index = \"{}\"\ncompute = \"{}\"\n", p.get("index"), p.get("compute"));
    let count = number(p.get("segments"));
    for s in 0..count {
        text += &segment(p, s, kv_heads, (dim, v_dim));
    }
    text
}

fn segment(p: &Pick<'_>, s: i64, kv_heads: i64, (dim, v_dim): (i64, i64)) -> String {
    let mut text = format!("[[segment]]\nname = \"s{s}\"\n");
    // The first is as the pick says, the others by chance.
    let said = |property: &str, others: &[&'static str]| {
        if s == 0 { p.get(property) } else { p.of(others) }
    };
    let shared = said("shared", &["no", "no", "batch", "copies"]);
    let lens: &[&str] = match shared == "batch" || p.is("batch", "constant") {
        true => &["constant", "symbol"],
        false => &["constant", "symbol", "ragged"],
    };
    let over = if shared == "copies" { format!("copies{s}") } else { "b".into() };
    text += &match said("len", lens) {
        "constant" => "len = 21\n".into(),
        "symbol" => format!("len = \"n{s}\"\n"),
        _ => format!("len = \"n{s}[{over}]\"\n"),
    };
    text += &match said("layout", &["dense", "dense", "paged", "ring"]) {
        "paged" => {
            format!("layout = {{ paged = {} }}\n", p.next("page", &[16, 1, 3, 8, 64, 32, 48]))
        }
        "ring" => format!(
            "layout = {{ ring = {{ keep_first = {}, recent = {} }} }}\n",
            p.below(4),
            1 + p.below(30)
        ),
        _ => String::new(),
    };
    text += &match shared {
        "batch" => "shared = \"batch\"\n".into(),
        "copies" => format!("shared = \"copies{s}\"\n"),
        _ => String::new(),
    };
    if said("weight", &["no", "no", "yes"]) == "yes" {
        text += "weight = true\n";
    }
    text += &match (p.get("heads"), s) {
        ("list", 0) | ("rest", 1) => match p.below(2) {
            0 => format!("heads = [{}]\n", kv_heads - 1),
            _ => "heads = [0]\n".into(),
        },
        ("rest", 0) => "heads = \"rest\"\n".into(),
        (_, _) => String::new(),
    };
    if s == 0 && p.is("own storage", "yes") {
        // Blocks of 32 fit, as the widths are then chosen.
        let k = p.of(&["f16", "q8_0", "int8 row", "uint4 zero"]);
        text += &format!("k = {}\n", storage(p, k, dim));
        if !p.is("v", "part of k") {
            let v = p.of(&["bf16", "q8_0", "int4"]);
            text += &format!("v = {}\n", storage(p, v, v_dim));
        }
    }
    text + &mask(p, said("mask", &["none", "causal", "window", "prefix", "expression"]))
}

fn mask(p: &Pick<'_>, kind: &str) -> String {
    let (a, b) = (1 + p.below(20), 1 + p.below(40));
    match kind {
        "causal" => "mask = \"causal\"\n".into(),
        "window" => format!("mask = {{ window = {b} }}\n"),
        "keep_first" => format!("mask = {{ keep_first = {a}, recent = {b} }}\n"),
        "prefix" => format!("mask = {{ prefix = {b} }}\n"),
        "block" => format!("mask = {{ block = {a} }}\n"),
        "tree" => "mask = \"tree\"\n".into(),
        "expression" => {
            let terms = [
                format!("j <= i + {a}"),
                format!("i - j < {b}"),
                format!("(i - j) % {a} < {}", 1 + a / 2),
                format!("block(j, {a}) <= block(i, {a})"),
                format!("(j + head) % {} != 1", 2 + a % 3),
                format!("max(i, {b}) > j - min(j / 3, {a})"),
                format!("!(abs(j - {a}) == {})", a / 2),
                format!("j * {a} >= i - {b}"),
                format!("head < 1 || j % {b} <= i % {b}"),
            ];
            let join = p.of(&["&&", "||"]);
            format!("mask = \"{} {join} {}\"\n", p.next("term", &terms), p.of(&terms))
        }
        _ => String::new(),
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
