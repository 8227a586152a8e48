//! Matrix products: activations, weights of every format, what is done before and after.

use super::{Grammar, Pick, Property};

#[rustfmt::skip] // a table
const PROPERTIES: &[Property] = &[
    Property { name: "a",        values: &["f32", "half", "int8 token", "int8 group"] },
    Property { name: "w",        values: FORMATS },
    Property { name: "group",    values: &["none", "32", "64", "128", "row", "tensor"] },
    Property { name: "scale",    values: &["none", "f32", "f16", "bf16"] },
    Property { name: "compute",  values: &["auto", "dequant", "int_dot", "group_int", "lut"] },
    Property { name: "rows",     values: &["one", "few", "symbol", "sorted", "each"] },
    Property { name: "weights",  values: &["one", "beside", "joined", "another"] },
    Property { name: "n",        values: &["one", "odd", "even"] },
    Property { name: "k",        values: &["least", "more", "odd"] },
    Property { name: "bias",     values: &["no", "yes"] },
    Property { name: "residual", values: &["no", "yes"] },
    Property { name: "prologue", values: &["none", "scale", "gate", "norm"] },
    Property { name: "epilogue", values: &["none", "scale", "silu", "gelu"] },
    Property { name: "out",      values: &["f32", "half", "i8", "q8_0"] },
];

const PLAIN: &[&str] = &["f32", "f16", "bf16"];
const BLOCKS: &[&str] = &[
    "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "tq1_0",
    "tq2_0",
];
const TOOLS: &[&str] = &["gptq", "gptq ordered", "awq"];
#[rustfmt::skip]
const FORMATS: &[&str] = &[
    "f32", "f16", "bf16", "int8", "int4", "int2", "bipolar1", "uint4 zero", "other codes",
    "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "tq1_0", "tq2_0",
    "gptq", "gptq ordered", "awq",
];
/// Those that are not looked up.
#[rustfmt::skip]
const WIDE: &[&str] = &[
    "f32", "f16", "bf16", "int8", "int4", "int2", "uint4 zero", "other codes",
    "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "tq1_0", "tq2_0",
    "gptq", "gptq ordered", "awq",
];
const CODES: &[&str] = &[
    "int8",
    "int4",
    "int2",
    "bipolar1",
    "uint4 zero",
    "other codes",
    "gptq",
    "gptq ordered",
    "awq",
];

pub const GRAMMAR: Grammar = Grammar {
    kind: "mpgemm",
    properties: PROPERTIES,
    never: &[
        // Blocks and floats have no groups and scales of their own.
        ("w", PLAIN, "group", &["32", "64", "128", "row", "tensor"]),
        ("w", BLOCKS, "group", &["32", "64", "128", "row", "tensor"]),
        ("w", PLAIN, "scale", PLAIN),
        ("w", BLOCKS, "scale", PLAIN),
        ("w", CODES, "group", &["none"]),
        ("w", CODES, "scale", &["none"]),
        ("group", &["none"], "scale", PLAIN),
        ("group", &["32", "64", "128", "row", "tensor"], "scale", &["none"]),
        // Tools write tensors of whole words, with a scale a group or row.
        ("w", TOOLS, "group", &["tensor"]),
        ("w", TOOLS, "n", &["one", "odd"]),
        ("w", TOOLS, "k", &["odd"]),
        ("w", TOOLS, "rows", &["sorted", "each"]),
        // Groups and blocks fill rows.
        ("w", BLOCKS, "k", &["odd"]),
        ("group", &["32", "64", "128"], "k", &["odd"]),
        ("a", &["int8 group"], "k", &["odd"]),
        ("out", &["q8_0"], "n", &["one", "odd"]),
        // Tables are of floats, for codes of one bit.
        ("compute", &["lut"], "w", WIDE),
        ("compute", &["lut"], "a", &["int8 token", "int8 group"]),
        ("compute", &["lut"], "weights", &["another"]),
        ("compute", &["lut"], "group", &["none"]),
        ("compute", &["lut"], "scale", &["none"]),
        // Several weights are joined by an expression.
        ("weights", &["joined"], "epilogue", &["none"]),
        ("weights", &["beside"], "epilogue", &["scale", "silu", "gelu"]),
    ],
    text,
};

/// What holds the codes, with an expression's bits for those that are rare.
fn weight(p: &Pick<'_>, format: &str) -> String {
    let group = match p.get("group") {
        "row" => "per = \"row\"".to_owned(),
        "tensor" => "per = \"tensor\"".to_owned(),
        "none" => "group = 32".to_owned(),
        size => format!("group = {size}"),
    };
    let scale = match p.get("scale") {
        "none" => "f16",
        some => some,
    };
    let rest = format!("{group}, scale = \"{scale}\"");
    match format {
        "int8" | "int4" | "int2" | "bipolar1" => format!("format = \"{format}\", {rest}"),
        "uint4 zero" => {
            let zero = p.of(&["uint4", "f16", "f32"]);
            format!("format = \"uint4\", {rest}, zero = \"{zero}\"")
        }
        "other codes" => {
            let code = p.next(
                "other codes",
                &["ternary", "uint8", "int3", "bipolar2", "uint2", "int6", "int5", "bipolar4"],
            );
            let zero = match code.starts_with("uint") {
                true => format!(", zero = \"{}\"", p.of(&[code, "f16"])),
                false => String::new(),
            };
            format!("format = \"{code}\", {rest}{zero}")
        }
        "gptq" => {
            let more =
                p.next("gptq", &["bits = 4", "bits = 8", "bits = 2", "bits = 3, version = 2"]);
            format!("format = \"gptq\", {more}, {rest}")
        }
        "gptq ordered" => format!("format = \"gptq\", act_order = true, {rest}"),
        "awq" => format!("format = \"awq\", {rest}"),
        named => format!("format = \"{named}\""),
    }
}

/// The least k that every part of the op fits.
fn unit(p: &Pick<'_>, formats: &[&str]) -> i64 {
    let of = |format: &&str| match *format {
        "f32" | "f16" | "bf16" => 1,
        "q4_0" | "q4_1" | "q5_0" | "q5_1" | "q8_0" => 32,
        block if BLOCKS.contains(&block) => 256,
        _ => match p.get("group") {
            "32" => 32,
            "64" => 64,
            "128" => 128,
            "none" => 32,
            _ if TOOLS.contains(format) => 32,
            _ => 1,
        },
    };
    let all = formats.iter().map(of).max().unwrap_or(1);
    if p.is("a", "int8 group") { all.max(32) } else { all }
}

fn text(p: &Pick<'_>) -> String {
    let format = p.get("w");
    let another: &[&str] = match (p.is("k", "odd"), p.get("rows")) {
        (true, _) => &["f16", "f32", "int8"],
        (false, "sorted" | "each") => &["q8_0", "f16", "q4_k", "int4"],
        (false, _) => &["q8_0", "f16", "q6_k", "int4", "q4_0"],
    };
    // Codes with groups do not fit an odd k; weights of codes beside others keep the op's groups.
    let other = p.of(another);
    let odd = p.is("k", "odd");
    let other = if odd && other == "int8" && p.is("group", "none") { "f16" } else { other };
    let formats = [format, if p.is("weights", "another") { other } else { format }];
    let unit = unit(p, &formats);
    let k = match p.get("k") {
        "least" => (p.of(&[1, 8, 64]) + unit - 1) / unit * unit,
        "more" => (unit * p.of(&[3, 5])).max(96),
        _ => p.of(&[1, 7, 37, 101, 333]),
    };
    let n = match p.get("n") {
        "one" => 1,
        "odd" => p.of(&[3, 17, 31, 49]),
        _ => p.of(&[32, 64, 96]),
    };
    let (m, groups) = match p.get("rows") {
        "one" => ("1", ""),
        "few" => ("5", ""),
        "symbol" => ("\"m\"", ""),
        "sorted" => ("\"m[e]\"", "groups = 3\n"),
        _ => ("\"m\"", "groups = 3\n"),
    };
    let scale = p.of(&["f32", "f16", "bf16"]);
    let a = match p.get("a") {
        "int8 token" => {
            let per = p.next("per", &["token", "token", "tensor"]);
            format!("{{ format = \"int8\", per = \"{per}\", scale = \"{scale}\" }}")
        }
        "int8 group" => format!("{{ format = \"int8\", group = 32, scale = \"{scale}\" }}"),
        "half" => p.next("half", &["\"f16\"", "\"bf16\""]).to_owned(),
        plain => format!("\"{plain}\""),
    };
    let out = match p.get("out") {
        "half" => p.next("half out", &["bf16", "f16"]),
        plain => plain,
    };
    let mut text = format!("op = \"mpgemm\"\nname = \"drawn\"\nm = {m}\n");
    text += &match p.get("weights") {
        "one" => format!("n = {n}\nk = {k}\na = {a}\nw = {{ {} }}\n", weight(p, format)),
        several => {
            let names = ["gate", "up"];
            // Joined ones are as wide as each other.
            let widths = [
                n,
                if several != "beside" && !p.is("epilogue", "none") {
                    n
                } else {
                    wider(p, n, other)
                },
            ];
            let each = (0..2).map(|i| {
                format!(
                    "{{ name = \"{}\", n = {}, {} }}",
                    names[i],
                    widths[i],
                    weight(p, formats[i])
                )
            });
            format!("k = {k}\na = {a}\nw = [{}]\n", each.collect::<Vec<_>>().join(", "))
        }
    };
    text += &format!("out = \"{out}\"\ncompute = \"{}\"\n{groups}", p.get("compute"));
    for flag in ["bias", "residual"] {
        if p.is(flag, "yes") {
            text += &format!("{flag} = true\n");
        }
    }
    text += match p.get("prologue") {
        "scale" => "prologue = \"a * 0.5\"\n",
        "gate" => "prologue = \"a * sigmoid(a)\"\n",
        "norm" => "prologue = \"a * rsqrt(mean(a * a) + 1e-5)\"\n",
        _ => "",
    };
    text + &epilogue(p)
}

/// Columns of a weight beside another.
fn wider(p: &Pick<'_>, n: i64, other: &str) -> i64 {
    let words = TOOLS.contains(&p.get("w")) || TOOLS.contains(&other);
    if words || p.is("out", "q8_0") { n + 32 } else { n + p.of(&[0, 5, 16]) }
}

fn epilogue(p: &Pick<'_>) -> String {
    // Joined, the second weight is a factor.
    let (x, more) = match p.is("weights", "joined") || p.is("weights", "another") {
        true => ("gate", " * up"),
        false => ("x", ""),
    };
    let x = match p.is("bias", "yes") {
        true => format!("({x} + bias)"),
        false => x.to_owned(),
    };
    let last = if p.is("residual", "yes") { " + residual" } else { "" };
    let value = match p.get("epilogue") {
        "scale" => {
            p.next("linear", &[format!("{x} * 0.25{more}"), format!("min(max({x}, 0), 6){more}")])
        }
        "silu" => format!("{x} * sigmoid({x}){more}"),
        "gelu" => {
            format!(
                "0.5 * {x} * (1 + tanh(0.7978845608 * ({x} + 0.044715 * {x} * {x} * {x}))){more}"
            )
        }
        _ => return String::new(),
    };
    format!("epilogue = \"{value}{last}\"\n")
}
