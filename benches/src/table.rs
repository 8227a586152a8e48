//! What is timed: operators at sizes of models, the limit that each is held to, and what it should be beside rivals.
//!
//! A row is an op file in text; a case its sizes, with the share of the limit and the lead over the best rival in the
//! same run that the project wants. Bars of rivals come from measurements of theirs; limits are measured beside.

use kgen_runtime::tensors::Strides;

/// What multiplies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Fma,
    /// Products of four bytes (VNNI).
    Bytes,
    /// Products of two bf16.
    Bf16,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Fma => "fma",
            By::Bytes => "vnni",
            By::Bf16 => "bf16",
        }
    }
}

/// What a case is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Bytes, each read or written once, at the rate that memory reads.
    Memory,
    /// Multiplications at the rate of a loop of the instruction.
    Multipliers,
    /// The time of another case of this run, named by row and sizes, times the ratio of the bytes.
    Bytes(&'static str, &'static str),
    /// The time of another case of this run, which computes the same by products of bytes, where the target permutes bytes;
    /// elsewhere the case is skipped.
    Products(&'static str, &'static str),
}

/// Sizes, and what is wanted there.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub sizes: &'static str,
    pub limit: Limit,
    /// Share of the limit: its time over ours.
    pub aim: f64,
    /// The best rival's time over ours.
    pub lead: f64,
}

/// An operator in our words and in theirs.
pub struct Row {
    pub name: String,
    pub text: String,
    /// What a rival is asked for besides sizes; nothing where none has it.
    pub theirs: Option<String>,
    pub strides: Strides,
    pub by: By,
    pub cases: Vec<Case>,
}

const fn memory(sizes: &'static str, aim: f64, lead: f64) -> Case {
    Case { sizes, limit: Limit::Memory, aim, lead }
}

const fn multipliers(sizes: &'static str, aim: f64, lead: f64) -> Case {
    Case { sizes, limit: Limit::Multipliers, aim, lead }
}

/// Rows of `y = x w^T`, n = 11008, k = 4096.
fn product(name: &str, weight: &str, compute: &str, theirs: &str, by: By, cases: &[Case]) -> Row {
    let text = format!(
        "op = \"mpgemm\"\nname = \"product\"\nm = \"m\"\nn = 11008\nk = 4096\na = \"f32\"\nw = {{ format = {weight} }}\n\
         out = \"f32\"\ncompute = {compute}\n"
    );
    let theirs = (!theirs.is_empty()).then(|| format!("mm {theirs} n=11008 k=4096"));
    let (name, strides, cases) = (name.to_string(), Strides::Dense, cases.to_vec());
    Row { name, text, theirs, strides, by, cases }
}

/// How keys and values lie.
#[derive(Clone, Copy, PartialEq)]
enum Cache {
    Heads,
    Tokens,
    Paged(u32),
}

/// Tensors of keys and values: numbers, pages of them, codes with scales.
const PLAIN: [&str; 2] = ["kv.k", "kv.v"];
const PAGES: [&str; 2] = ["kv.k_pages", "kv.v_pages"];
const CODES: [&str; 4] = ["kv.k.codes", "kv.k.scale", "kv.v.codes", "kv.v.scale"];

/// 8 heads of keys, `group` heads of queries each, head dim 128.
fn attention(
    name: &str,
    (q, kv): (&str, &str),
    group: u32,
    cache: Cache,
    theirs: &str,
    cases: &[Case],
) -> Row {
    let layout = match cache {
        Cache::Heads | Cache::Tokens => String::new(),
        Cache::Paged(page) => format!("layout = {{ paged = {page} }}\n"),
    };
    let text = format!(
        "op = \"attention\"\nname = \"attention\"\n\
         q = {{ dtype = \"{q}\", heads = {}, dim = 128, batch = \"b\", len = \"m\" }}\n\
         kv = {{ heads = 8, dtype = {kv} }}\nout = \"{q}\"\n[[segment]]\nlen = \"n\"\nmask = \"causal\"\n{layout}",
        8 * group
    );
    let theirs = Some(format!("attention kv={theirs} heads={}", 8 * group));
    let strides = match cache {
        Cache::Tokens => Strides::Dense,
        Cache::Heads if kv.starts_with('{') => Strides::Swapped(&CODES),
        Cache::Heads => Strides::Swapped(&PLAIN),
        Cache::Paged(_) => Strides::Swapped(&PAGES),
    };
    Row { name: name.into(), text, theirs, strides, by: By::Fma, cases: cases.to_vec() }
}

/// The same, with products of numbers that are rounded to bf16.
fn in_bf16(row: Row) -> Row {
    let text = row.text.replacen("[[segment]]", "compute = \"bf16\"\n[[segment]]", 1);
    Row { text, by: By::Bf16, ..row }
}

/// Scores as products of bytes, queries in two planes.
fn in_planes(row: Row) -> Row {
    let text = row.text.replacen("[[segment]]", "compute = \"int8x2\"\n[[segment]]", 1);
    Row { text, ..row }
}

fn row(name: &str, text: &str) -> Row {
    Row {
        name: name.into(),
        text: format!("op = \"rows\"\nname = \"row\"\nrows = \"m\"\nwidth = 4096\n{text}"),
        theirs: None,
        strides: Strides::Dense,
        by: By::Fma,
        cases: vec![memory("m=4096", 0.85, 0.0)],
    }
}

/// A format: its name, its text, what rivals call it.
type Format = (&'static str, &'static str, &'static str);

/// The decode of f16 that others are held to.
const DECODE: (&str, &str) = ("decode f16, head-major", "b=1 m=1 n=8192");

/// Weights of one bit by products of bytes, which lookups are held to.
const SIGNS: &str = "int1 g128, int_dot";

/// Every row.
pub fn rows() -> Vec<Row> {
    let mut all = Vec::new();
    let mut products = |formats: &[Format], cases: &[Case]| {
        for (name, text, theirs) in formats {
            all.push(product(name, text, "\"int_dot\"", theirs, By::Bytes, cases));
        }
    };
    let g32 = [
        ("q4_0", "\"q4_0\"", "weight=q4_0 bits=4 group=32"),
        ("q8_0", "\"q8_0\"", "weight=q8_0 bits=8 group=32"),
        ("int4 g32", "\"int4\", group = 32, scale = \"f16\"", "bits=4 group=32"),
    ];
    products(
        &g32,
        &[
            memory("m=1", 0.92, 1.05),
            memory("m=8", 0.85, 1.4),
            multipliers("m=32", 0.60, 1.5),
            multipliers("m=128", 0.65, 1.5),
            multipliers("m=512", 0.72, 1.7),
        ],
    );
    products(
        &[("int4 g128", "\"int4\", group = 128, scale = \"f16\"", "bits=4 group=128")],
        &[
            memory("m=1", 0.92, 1.05),
            memory("m=8", 0.85, 1.4),
            multipliers("m=32", 0.70, 1.5),
            multipliers("m=128", 0.78, 1.5),
            multipliers("m=512", 0.80, 1.7),
        ],
    );
    products(
        &[("int8 g128", "\"int8\", group = 128, scale = \"f16\"", "bits=8 group=128")],
        &[
            memory("m=1", 0.92, 1.05),
            multipliers("m=32", 0.60, 1.5),
            multipliers("m=128", 0.78, 1.25),
            multipliers("m=512", 0.80, 1.15),
        ],
    );
    products(
        &[
            ("q4_1", "\"q4_1\"", "weight=q4_1"),
            ("q5_0", "\"q5_0\"", "weight=q5_0"),
            ("q5_1", "\"q5_1\"", "weight=q5_1"),
        ],
        &[memory("m=1", 0.92, 1.05)],
    );
    products(
        &[("q6_k", "\"q6_k\"", "weight=q6_k")],
        &[memory("m=1", 0.92, 1.05), multipliers("m=512", 0.60, 2.0)],
    );
    products(
        &[("q4_k", "\"q4_k\"", "weight=q4_k"), ("q5_k", "\"q5_k\"", "weight=q5_k")],
        &[memory("m=1", 0.92, 1.1), multipliers("m=512", 0.60, 2.0)],
    );
    products(
        &[
            ("q2_k", "\"q2_k\"", "weight=q2_k"),
            ("q3_k", "\"q3_k\"", "weight=q3_k"),
            ("int3 g64", "\"int3\", group = 64, scale = \"f16\"", ""),
        ],
        &[memory("m=1", 0.90, 1.5)],
    );
    products(
        &[
            ("int2 g64", "\"int2\", group = 64, scale = \"f16\"", "bits=2 group=64"),
            ("tq1_0 (base-3)", "\"tq1_0\"", "weight=tq1_0"),
            ("tq2_0", "\"tq2_0\"", "weight=tq2_0"),
        ],
        &[
            memory("m=1", 0.90, 1.5),
            multipliers("m=8", 0.55, 3.0),
            multipliers("m=32", 0.70, 1.5),
            multipliers("m=128", 0.78, 1.5),
            multipliers("m=512", 0.80, 1.7),
        ],
    );
    products(
        &[(SIGNS, "\"bipolar1\", group = 128, scale = \"f16\"", "")],
        &[memory("m=1", 0.84, 0.0), multipliers("m=8", 0.0, 0.0)],
    );
    let beside = |sizes| Case { sizes, limit: Limit::Products(SIGNS, sizes), aim: 1.3, lead: 0.0 };
    let format = "\"bipolar1\", group = 128, scale = \"f16\"";
    let cases = ["m=1", "m=8"].map(beside);
    all.push(product("int1 g128, lookup", format, "{ lut = 4 }", "", By::Bytes, &cases));
    let plain = [
        ("bf16", "\"bf16\"", "\"bf16\"", "weight=bf16", By::Bf16, 0.82),
        ("f32", "\"f32\"", "\"dequant\"", "weight=f32", By::Fma, 0.80),
        ("f16", "\"f16\"", "\"dequant\"", "weight=f16", By::Fma, 0.80),
    ];
    for (name, text, compute, theirs, by, aim) in plain {
        let cases = [memory("m=1", 0.92, 1.05), multipliers("m=128", aim, 1.05)];
        all.push(product(name, text, compute, theirs, by, &cases));
    }
    let (f16, f32) = (("f16", "\"f16\""), ("f32", "\"f32\""));
    let long = |aim: f64| [memory("b=1 m=1 n=8192", aim, 3.0), memory("b=8 m=1 n=8192", aim, 3.0)];
    let mut heads = vec![memory("b=1 m=1 n=1024", 0.72, 3.0)];
    heads.extend(long(0.80));
    heads.extend([memory("b=1 m=1 n=32768", 0.80, 3.0), memory("b=1 m=1 n=131072", 0.80, 3.0)]);
    all.push(attention(DECODE.0, f16, 4, Cache::Heads, "f16", &heads));
    let mut tokens = vec![memory("b=1 m=1 n=1024", 0.60, 3.0)];
    tokens.extend(long(0.75));
    all.push(attention("decode f16, token-major", f16, 4, Cache::Tokens, "f16", &tokens));
    for page in [16, 64] {
        let name = format!("decode f16, pages of {page}");
        all.push(attention(&name, f16, 4, Cache::Paged(page), "f16", &long(0.80)));
    }
    for (group, aim) in [(1, 0.80), (5, 0.80), (8, 0.72)] {
        let name = format!("decode f16, {group} heads a group");
        all.push(attention(&name, f16, group, Cache::Heads, "f16", &long(aim)));
    }
    let packed = "{ format = \"int4\", group = 64, scale = \"f16\" }";
    for (name, kv, theirs, slack) in
        [("q8_0", "\"q8_0\"", "q8_0", 1.15), ("int4 g64", packed, "q4_0", 1.20)]
    {
        let limit = Limit::Bytes(DECODE.0, DECODE.1);
        let case = Case { sizes: DECODE.1, limit, aim: 1.0 / slack, lead: 20.0 };
        let name = format!("decode {name}");
        all.push(in_planes(attention(&name, ("f16", kv), 4, Cache::Heads, theirs, &[case])));
    }
    let prompt = |short: f64, long: f64, lead: f64| {
        [multipliers("b=1 m=512 n=512", short, lead), multipliers("b=1 m=2048 n=2048", long, lead)]
    };
    all.push(attention("prompt f32", f32, 4, Cache::Tokens, "f32", &prompt(0.64, 0.80, 1.4)));
    let bf16 = ("bf16", "\"bf16\"");
    let rounded =
        attention("prompt bf16", bf16, 4, Cache::Tokens, "bf16", &prompt(0.57, 0.75, 2.5));
    all.push(in_bf16(rounded));
    let shared = "op = \"attention\"\nname = \"attention\"\n\
        q = { dtype = \"f16\", heads = 32, dim = 128, batch = \"b\" }\n\
        kv = { heads = 8, dtype = \"f16\" }\nout = \"f16\"\n\
        [[segment]]\nname = \"prefix\"\nlen = \"p\"\nshared = \"batch\"\n\
        [[segment]]\nname = \"own\"\nlen = \"s\"\n";
    let prefix = |name: &str, aim: f64| Row {
        name: name.into(),
        text: shared.into(),
        // Of ggml its unified cache, with a mask.
        theirs: Some("attention kv=f16 heads=32".into()),
        strides: Strides::Swapped(&["prefix.k", "prefix.v"]),
        by: By::Fma,
        cases: vec![multipliers("b=32 p=8192 s=128", aim, 8.0)],
    };
    all.push(prefix("shared prefix f16", 0.65));
    all.push(in_bf16(prefix("shared prefix f16, products in bf16", 0.57)));
    all.extend([
        row(
            "rmsnorm",
            "in = { x = \"f16\", g = { dtype = \"f32\", kind = \"vector\" } }\n\
             out = { y = { dtype = \"f16\", value = \"x * rsqrt(mean(x * x) + 1e-5) * g\" } }\n",
        ),
        row(
            "softmax",
            "in = { x = \"f32\" }\n\
             out = { y = { dtype = \"f32\", value = \"exp(x - max(x)) / sum(exp(x - max(x)))\" } }\n",
        ),
        row(
            "swiglu",
            "in = { g = \"f16\", u = \"f16\" }\n\
             out = { y = { dtype = \"f16\", value = \"g * sigmoid(g) * u\" } }\n",
        ),
    ]);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen::sweep;
    use kgen_ir::op::read;
    use std::collections::HashSet;

    #[test]
    fn rows_are_ops_of_their_sizes() {
        let rows = rows();
        let names: HashSet<&str> = rows.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names.len(), rows.len());
        for row in &rows {
            let op = read::read("row.toml", &row.text).unwrap_or_else(|e| panic!("{}", e.render()));
            if let Strides::Swapped(names) = row.strides {
                let tensors = op.tensors();
                assert!(names.iter().all(|n| tensors.iter().any(|t| t.name == *n)), "{}", row.name);
            }
            for case in &row.cases {
                let set: Vec<String> = case.sizes.split(' ').map(Into::into).collect();
                let values = sweep::cases(&sweep::parse_all(&set).unwrap()).remove(0);
                kgen::inputs::dims(&op, &values, &Default::default()).unwrap();
                if let Limit::Bytes(name, sizes) | Limit::Products(name, sizes) = case.limit {
                    let before = rows.iter().take_while(|r| r.name != row.name);
                    let other = before.into_iter().find(|r| r.name == name).unwrap();
                    assert!(other.cases.iter().any(|c| c.sizes == sizes));
                }
            }
        }
    }
}
