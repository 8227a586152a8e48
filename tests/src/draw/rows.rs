//! Row operations: reductions, maps, rotations, tables, rows written by index.

use super::{Grammar, Pick, Property};

#[rustfmt::skip] // a table
const PROPERTIES: &[Property] = &[
    Property { name: "form",    values: FORMS },
    Property { name: "x",       values: &["f32", "f16", "bf16"] },
    Property { name: "out",     values: &["f32", "f16", "bf16", "codes"] },
    Property { name: "index",   values: &["i32", "i64"] },
    Property { name: "width",   values: &["least", "odd", "lanes", "wide"] },
    Property { name: "rows",    values: &["constant", "symbol"] },
    Property { name: "beside",  values: &["nothing", "matrix", "column", "the same", "by index"] },
    Property { name: "outputs", values: &["one", "two"] },
];

#[rustfmt::skip]
const FORMS: &[&str] = &[
    "norm", "softmax", "argmax", "reduction", "swiglu", "functions", "expression",
    "rope halves", "rope pairs",
    "quantise", "embedding", "embedding blocks", "append", "append by place", "append codes",
];

pub const GRAMMAR: Grammar = Grammar {
    kind: "rows",
    properties: PROPERTIES,
    never: &[
        // What each of these writes.
        ("form", &["argmax", "quantise", "append codes"], "out", &["f32", "f16", "bf16"]),
        // Rows of a block have its bytes, rows of a group its elements.
        ("form", &["append codes"], "width", &["least", "odd", "wide"]),
        ("form", &["append codes"], "beside", &["matrix", "column", "the same", "by index"]),
        // Pairs and halves, and blocks of tables.
        ("form", &["rope halves", "rope pairs", "embedding blocks"], "width", &["odd"]),
    ],
    text,
};

fn text(p: &Pick<'_>) -> String {
    let form = p.get("form");
    if form == "append codes" {
        return append_codes(p);
    }
    let rope = form.starts_with("rope");
    let half: i64 = p.of(&[1, 2, 4, 8, 16, 32, 64]);
    // Heads for rotations; blocks of 32 or 256 for tables of them.
    let block = p.next("block", &["q8_0", "q4_0", "q6_k", "q5_1", "q4_k", "tq2_0", "q3_k", "q4_1"]);
    let unit = match form {
        _ if rope => 2 * half,
        "embedding blocks" if block.ends_with("_k") || block == "tq2_0" => 256,
        "embedding blocks" => 32,
        _ => 1,
    };
    let width = match p.get("width") {
        "least" => unit,
        "odd" => p.of(&[3, 17, 37, 129]),
        "lanes" => unit * (64 / unit).max(1),
        _ => unit * (1536 / unit + p.of(&[0, 1, 2])),
    };
    let rows = if p.is("rows", "symbol") { "\"m\"" } else { "3" };
    let index = p.get("index");
    let out = match (p.get("out"), form) {
        (_, "argmax") => p.next("place", &["i32", "i64"]),
        (_, "quantise") => "i8",
        ("codes", _) => p.next("codes", &["i8", "u8", "i32"]),
        (float, _) => float,
    };
    let mut inputs = vec![format!("x = \"{}\"", p.get("x"))];
    let mut lets: Vec<(&str, String)> = Vec::new();
    let beside = beside(p, width, &mut inputs);
    let id = format!("id = {{ dtype = \"{index}\", kind = \"column\" }}");
    let (mut kind, mut at) = ("matrix", String::new());
    let value = match form {
        "norm" => {
            lets.push(("d", p.next("norm", &["x - 0", "x - mean(x)"]).into()));
            "d * rsqrt(mean(d * d) + 1e-5)".into()
        }
        "softmax" => {
            lets.push(("e", "exp(x - max(x))".into()));
            "e / sum(e)".into()
        }
        "argmax" => {
            kind = "column";
            "argmax(x)".into()
        }
        "reduction" => {
            kind = "column";
            let all = [
                "sum(x * x)",
                "max(x) - min(x)",
                "mean(abs(x))",
                "max(abs(x))",
                "sum(x) + mean(x)",
            ];
            p.next("reduction", &all).into()
        }
        "swiglu" => {
            inputs.push(format!("up = \"{}\"", p.of(&["f32", "f16"])));
            "x * sigmoid(x) * up".into()
        }
        "functions" => {
            let list =
                ["exp(x)", "log(abs(x) + 1)", "sqrt(abs(x))", "rsqrt(abs(x) + 1)", "tanh(x)"];
            let more = ["sigmoid(x)", "sin(x)", "cos(x)", "x % 3", "f16bits(x)"];
            let both = [&list[..], &more[..]].concat();
            format!("{} - {}", p.next("function", &both), p.of(&both))
        }
        "expression" => expression(p, 3),
        "rope halves" | "rope pairs" => {
            let form =
                if form == "rope pairs" { form } else { p.next("halves", &[form, "rope partial"]) };
            rotation(p, form, half, &mut inputs, &mut lets)
        }
        "quantise" => {
            lets.push(("s", "max(abs(x)) / 127".into()));
            "x / max(s, 1e-30)".into()
        }
        "embedding" | "embedding blocks" => {
            inputs.push(id);
            let dtype = if form == "embedding" { p.get("x") } else { block };
            inputs.push(format!(
                "emb = {{ dtype = \"{dtype}\", kind = \"table\", rows = \"vocab\" }}"
            ));
            p.of(&["emb[id]", "emb[id] + x", "emb[id] * 8"]).into()
        }
        "append" | "append by place" => {
            at = append(p, form, &mut inputs, id);
            "x".into()
        }
        other => panic!("no form `{other}`"),
    };
    // What stands beside is joined; an index stays one.
    let value = match (beside.is_empty(), form, kind) {
        (true, ..) | (_, "argmax", _) => value,
        (false, _, "column") => format!("{value} + sum(x * {beside})"),
        (false, ..) => format!("{value} * {beside}"),
    };
    // Codes of these types have their numbers.
    let value = match out {
        "i8" if form != "quantise" => format!("min(max({value}, -3) * 20, 100)"),
        "i32" | "i64" if form != "argmax" => format!("min(max({value}, -3) * 1000, 30000)"),
        "u8" => format!("min(max({value}, 0) * 20, 200)"),
        _ => value,
    };
    let mut outputs =
        vec![format!("y = {{ dtype = \"{out}\", kind = \"{kind}\", value = \"{value}\"{at} }}")];
    if p.is("outputs", "two") {
        let more = p.next(
            "second",
            &[
                "{ dtype = \"f32\", kind = \"column\", value = \"max(abs(x))\" }",
                "{ dtype = \"f16\", value = \"x * 2 + col\" }",
                "{ dtype = \"f32\", kind = \"column\", value = \"sum(x) + row\" }",
                "{ dtype = \"i32\", kind = \"column\", value = \"argmax(x)\" }",
            ],
        );
        outputs.push(format!("z = {more}"));
    }
    let mut text = format!(
        "op = \"rows\"\nname = \"drawn\"\nrows = {rows}\nwidth = {width}\nin = {{ {} }}\n",
        inputs.join(", ")
    );
    if !lets.is_empty() {
        let lets = lets.iter().map(|(name, value)| format!("{name} = \"{value}\""));
        text += &format!("let = {{ {} }}\n", lets.collect::<Vec<_>>().join(", "));
    }
    text + &format!("out = {{ {} }}\n", outputs.join(", "))
}

/// A factor that comes in a tensor of this kind, or nothing.
fn beside(p: &Pick<'_>, width: i64, inputs: &mut Vec<String>) -> String {
    let dtype = p.of(&["f32", "f16", "bf16"]);
    let kind = match p.get("beside") {
        "the same" => p.next("same", &["vector", "scalar"]),
        "by index" => p.next("indexed", &["table", "list"]),
        kind => kind,
    };
    let (more, value) = match kind {
        "nothing" => return String::new(),
        "table" => (", rows = 4, width = 9".to_owned(), "g[row % 4, col % 9]".to_owned()),
        "list" => (format!(", len = {}", width.min(11)), format!("g[col % {}]", width.min(11))),
        _ => (String::new(), "g".to_owned()),
    };
    inputs.push(format!("g = {{ dtype = \"{dtype}\", kind = \"{kind}\"{more} }}"));
    value
}

/// A row goes where this says.
fn append(p: &Pick<'_>, form: &str, inputs: &mut Vec<String>, id: String) -> String {
    let index = p.get("index");
    let by = if form == "append" { form } else { p.next("place of rows", &["paged", "ring"]) };
    let at = match by {
        "append" => {
            inputs.push(id);
            "id"
        }
        "paged" => {
            inputs.push(format!("seq = {{ dtype = \"{index}\", kind = \"column\" }}"));
            inputs.push(format!("pos = {{ dtype = \"{index}\", kind = \"column\" }}"));
            inputs.push(format!(
                "table = {{ dtype = \"{index}\", kind = \"table\", rows = \"b\", width = \"max_pages\" }}"
            ));
            "table[seq, pos / 16] * 16 + pos % 16"
        }
        _ => {
            inputs.push(format!("seq = {{ dtype = \"{index}\", kind = \"column\" }}"));
            inputs.push(format!("pos = {{ dtype = \"{index}\", kind = \"column\" }}"));
            "seq * 16 + min(pos, 4) + max(pos - 4, 0) % 12"
        }
    };
    format!(", rows = \"slots\", at = \"{at}\"")
}

/// Rotated positions: `x * cos(a) + partner * sin(a)`.
fn rotation(
    p: &Pick<'_>,
    form: &str,
    half: i64,
    inputs: &mut Vec<String>,
    lets: &mut Vec<(&str, String)>,
) -> String {
    let head = 2 * half;
    inputs.push(format!("pos = {{ dtype = \"{}\", kind = \"column\" }}", p.get("index")));
    inputs.push(format!("freq = {{ dtype = \"f32\", kind = \"list\", len = {half} }}"));
    let angle = match form {
        "rope pairs" => format!("pos * freq[col % {head} / 2]"),
        "rope partial" => format!("pos * 0.25 * freq[col % {half}]"),
        _ => format!("pos * freq[col % {half}]"),
    };
    lets.push(("a", angle));
    let (partner, first) = match form {
        "rope pairs" => ("x[col + 1 - col % 2 * 2]".to_owned(), "col % 2 < 1".to_owned()),
        _ => (
            format!("x[col / {head} * {head} + (col + {half}) % {head}]"),
            format!("col % {head} < {half}"),
        ),
    };
    lets.push(("partner", partner));
    let turned = format!("(x * cos(a) + select({first}, -partner, partner) * sin(a))");
    match form {
        // The first head alone, its positions scaled.
        "rope partial" => format!("select(col < {head}, {turned}, x)"),
        _ => turned,
    }
}

/// Rows of bytes: a group of codes with its scale in another tensor, or a block with its scale inside.
fn append_codes(p: &Pick<'_>) -> String {
    let (x, index) = (p.get("x"), p.get("index"));
    let (rows, count) =
        if p.is("rows", "symbol") { ("\"groups\"", "\"groups\"") } else { ("4", "4") };
    let slot = format!("slot = {{ dtype = \"{index}\", kind = \"list\", len = \"tokens\" }}");
    let at = "at = \"slot[row / 2] * 2 + row % 2\"";
    let second = match p.is("outputs", "two") {
        true => ", z = { dtype = \"f32\", kind = \"column\", value = \"row * 2\" }",
        false => "",
    };
    if p.next("codes in", &[true, false]) {
        return format!(
            "op = \"rows\"\nname = \"drawn\"\nrows = {rows}\nwidth = 32\nin = {{ k = \"{x}\", {slot} }}\n\
             let = {{ s = \"max(abs(k)) / 127\" }}\n\
             out = {{ scale = {{ dtype = \"f16\", kind = \"column\", rows = \"slots\", {at}, value = \"s\" }}, \
             codes = {{ dtype = \"i8\", rows = \"slots\", {at}, value = \"k / max(s, 1e-30)\" }}{second} }}\n"
        );
    }
    format!(
        "op = \"rows\"\nname = \"drawn\"\nrows = {rows}\nwidth = 34\n\
         in = {{ k = {{ dtype = \"{x}\", kind = \"table\", rows = {count}, width = 32 }}, {slot} }}\n\
         let = {{ x = \"k[row, max(col - 2, 0)]\", s = \"max(abs(x)) / 127\", bits = \"f16bits(s)\", \
         half = \"x / max(s, 1e-30) + 0.5\", code = \"half - half % 1\" }}\n\
         out = {{ cache = {{ dtype = \"u8\", rows = \"slots\", {at}, value = \"select(col < 1, bits % 256, \
         select(col < 2, (bits - bits % 256) / 256, select(code < 0, code + 256, code)))\" }}{second} }}\n"
    )
}

/// A value of some depth, of smooth parts.
fn expression(p: &Pick<'_>, depth: usize) -> String {
    if depth == 0 {
        return p.of(&["x", "x", "0.5", "col % 7", "row"]).into();
    }
    let part = || expression(p, depth - 1);
    let (a, b) = (part(), part());
    match p.below(12) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * {b})"),
        3 => format!("min({a}, {b})"),
        4 => format!("max({a}, {b})"),
        5 => format!("tanh({a})"),
        6 => format!("sigmoid({a} + {b})"),
        7 => format!("abs({a})"),
        8 => format!("select({a} < {b}, {a}, {b})"),
        9 => format!("({a} / (abs({b}) + 1))"),
        10 => format!("exp(min({a}, 2))"),
        _ => format!("({a} + mean(x) * {b})"),
    }
}
