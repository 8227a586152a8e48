//! Op files and generated ops: what is printed reads back, and nothing an op file can hold makes the reader panic.

use kgen_ir::{
    dtype::Dtype,
    format::rows,
    op::{
        Attention, Bound, Code, CodeLayout, Codes, Compute, Dim, Emit, Group, Grouped, Heads,
        IndexHead, Kind, Kv, KvLayout, Mask, MpGemm, Op, Precision, Query, Ranked, RowKind,
        RowOutput, RowTensor, Rows, Segment, Select, Shared, Storage, Target, Value, Weight, Zero,
        expr::{self, Dialect, Expr},
        print::print,
        read::read,
        verify::verify,
    },
};
use proptest::{prelude::*, sample::select};
use std::{fs, path::PathBuf};

fn op_files() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Schedules stand beside their ops.
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if name.ends_with(".toml") && !name.ends_with(".sched.toml") {
            out.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    out.sort();
    out
}

#[test]
fn every_op_file_reads_prints_and_reads_again() {
    let files = op_files();
    assert!(files.len() >= 15, "found {}", files.len());
    for (name, text) in files {
        let op = read(&name, &text).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(format!("{}.toml", op.name), name);
        let printed = print(&op);
        let again = read(&name, &printed).unwrap_or_else(|report| panic!("{report}\n{printed}"));
        assert_eq!(again, op, "{printed}");
        assert_eq!(print(&again), printed);
        assert!(!op.tensors().is_empty() && !op.symbols().iter().any(|s| s.name.is_empty()));
    }
}

fn tensors(name: &str) -> Vec<String> {
    let (_, text) = op_files().into_iter().find(|f| f.0 == name).unwrap();
    let op = read(name, &text).unwrap();
    op.tensors()
        .iter()
        .map(|t| {
            let shape: Vec<String> = t.stored_shape().iter().map(ToString::to_string).collect();
            format!("{} {} [{}]", t.name, t.dtype, shape.join(", "))
        })
        .collect()
}

#[test]
fn tensors_are_named_and_shaped() {
    let expected: &[(&str, &[&str])] = &[
        (
            "flash_decode.toml",
            &[
                "q f16 [b, m, 32, 128]",
                "kv.k f16 [b, n, 8, 128]",
                "kv.v f16 [b, n, 8, 128]",
                "o f16 [b, m, 32, 128]",
            ],
        ),
        (
            "flash_prefill.toml",
            &[
                "q f16 [sum(m), 32, 128]",
                "q.indptr i32 [b + 1]",
                "kv.k f16 [sum(n), 8, 128]",
                "kv.v f16 [sum(n), 8, 128]",
                "kv.indptr i32 [b + 1]",
                "o f16 [sum(m), 32, 128]",
            ],
        ),
        (
            "mla_decode.toml",
            &[
                "q bf16 [b, 1, 128, 576]",
                "kv.k_pages bf16 [kv.pages, 64, 1, 576]",
                "kv.block_table i32 [b, kv.max_pages]",
                "kv.len i32 [b]",
                "o bf16 [b, 1, 128, 512]",
            ],
        ),
        ("w4a8_gemv.toml", &["a f32 [m, 4096]", "w u8 [11008, 2304]", "out f32 [m, 11008]"]),
        (
            "w4a16_gemm.toml",
            &[
                "a f16 [m, 4096]",
                "w.codes u8 [4096, 2048]",
                "w.scale f16 [4096, 32]",
                "w.zero u8 [4096, 16]",
                "out f16 [m, 4096]",
            ],
        ),
        (
            "ternary_lut_gemv.toml",
            &[
                "a.codes i8 [1, 4096]",
                "a.scale f32 [1]",
                "w.codes u8 [4096, 1024]",
                "w.scale f32 [1]",
                "out f16 [1, 4096]",
            ],
        ),
        (
            "moe_gemm.toml",
            &[
                "a f16 [sum(m), 4096]",
                "gate.codes u8 [8, 14336, 2048]",
                "gate.scale f16 [8, 14336, 32]",
                "up.codes u8 [8, 14336, 2048]",
                "up.scale f16 [8, 14336, 32]",
                "a.indptr i32 [9]",
                "out f16 [sum(m), 14336]",
            ],
        ),
        ("rmsnorm.toml", &["x f16 [m, 4096]", "g f32 [4096]", "y f16 [m, 4096]"]),
    ];
    for (name, list) in expected {
        assert_eq!(tensors(name), *list, "{name}");
    }
    let squeezed = tensors("squeezed_attention.toml");
    for t in [
        "context.centroids.coarse f32 [1, 32, coarse, 128]",
        "context.cluster.fine i32 [1, 32, fine]",
        "context.cluster i32 [1, n, 32]",
        "threshold f32 [1]",
    ] {
        assert!(squeezed.iter().any(|s| s == t), "{t} of {squeezed:#?}");
    }
}

#[test]
fn every_variant_has_its_index_tensors() {
    let text = r#"
        op = "attention"
        name = "all"
        q = { dtype = "f32", heads = 4, dim = 64, len = "m[b]" }
        kv = { dtype = { format = "int8", per = "token", scale = "f32", zero = "uint8" }, heads = 2 }
        out = "f32"
        alibi = true
        sink_logit = true
        lse = true
        [[segment]]
        name = "a"
        len = "n[g]"
        shared = "g"
        weight = true
        mask = "tree"
        select = "ranges"
        [[segment]]
        name = "r"
        len = "n2[b]"
        layout = { ring = { keep_first = 4, recent = 60 } }
        k = "f16"
        v = "q8_0"
    "#;
    let op = read("all.toml", text).unwrap_or_else(|report| panic!("{report}"));
    let found: Vec<String> = op
        .tensors()
        .iter()
        .map(|t| {
            let shape: Vec<String> = t.stored_shape().iter().map(ToString::to_string).collect();
            format!("{} {} [{}]", t.name, t.dtype, shape.join(", "))
        })
        .collect();
    let expected = [
        "q f32 [sum(m), 4, 64]",
        "q.indptr i32 [b + 1]",
        "a.k.codes i8 [sum(n), 2, 64]",
        "a.k.scale f32 [sum(n), 2]",
        "a.k.zero u8 [sum(n), 2]",
        "a.v.codes i8 [sum(n), 2, 64]",
        "a.v.scale f32 [sum(n), 2]",
        "a.v.zero u8 [sum(n), 2]",
        "a.indptr i32 [g + 1]",
        "a.group i32 [b]",
        "a.weight f32 [sum(n)]",
        "a.tree u32 [sum(m), ceildiv(max_of(n), 32)]",
        "a.ranges i32 [b, 2, a.max_ranges, 2]",
        "r.k f16 [b, 64, 2, 64]",
        "r.v u8 [b, 64, 2, 68]",
        "r.pos i32 [b]",
        "alibi f32 [4]",
        "sink_logit f32 [4]",
        "o f32 [sum(m), 4, 64]",
        "lse f32 [sum(m), 4]",
    ];
    assert_eq!(found, expected);
    let symbols: Vec<String> = op
        .symbols()
        .iter()
        .map(|s| s.ragged.as_ref().map_or(s.name.clone(), |o| format!("{}[{o}]", s.name)))
        .collect();
    assert_eq!(symbols, ["b", "m[b]", "g", "n[g]", "n2[b]", "a.max_ranges"]);
}

fn float() -> impl Strategy<Value = Dtype> {
    select(vec![Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::E4M3, Dtype::E5M2])
}

fn codes() -> impl Strategy<Value = Storage> {
    let code = prop_oneof![
        Just(Code::Int),
        Just(Code::Uint),
        Just(Code::Bipolar),
        Just(Code::Ternary),
        prop::collection::vec((-999i32..999).prop_map(|x| f64::from(x) / 8.0), 8)
            .prop_map(Code::Codebook),
    ];
    let group = select(vec![Group::Tensor, Group::Row, Group::K(32), Group::K(64)]);
    let zero = select(vec![None, Some(Zero::Uint(4)), Some(Zero::Float(Dtype::F16))]);
    (code, 1u8..=8, group, float(), zero).prop_map(|(code, bits, group, scale, zero)| {
        let (bits, zero) = match code {
            Code::Int | Code::Uint => (bits, zero),
            Code::Bipolar => (bits, None),
            Code::Ternary => (2, None),
            Code::Codebook(_) => (3, None),
        };
        Storage::Codes(Codes { code, bits, group, scale, zero, layout: CodeLayout::Rows })
    })
}

fn storage() -> impl Strategy<Value = Storage> {
    let blocks: Vec<Storage> =
        rows::FORMATS.iter().filter(|f| 64 % f.block == 0).map(Storage::Block).collect();
    prop_oneof![float().prop_map(Storage::Plain), select(blocks), codes()]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![(1i32..99).prop_map(f64::from), 1e-9f64..1e9, Just(1e300), Just(3e-40)]
}

fn size() -> impl Strategy<Value = Dim> {
    prop_oneof![(1i64..5000).prop_map(Dim::Const), Just(Dim::Sym("t".into()))]
}

fn ranked() -> impl Strategy<Value = Ranked> {
    (size(), select(vec![1i64, 8, 16, 64]), 0i64..9, 0i64..9).prop_map(
        |(k, granularity, keep_first, recent)| Ranked { k, granularity, keep_first, recent },
    )
}

fn mask() -> impl Strategy<Value = Mask> {
    let texts = [
        "i - j < 5 && j <= i",
        "!(i < j) || head % 2 == 0 && block(i, 16) == block(j, 16)",
        "(i + 1) * 2 > -(j - 3) / p",
    ];
    let exprs: Vec<Mask> =
        texts.iter().map(|t| Mask::Expr(expr::parse(t, Dialect::Mask).unwrap().expr)).collect();
    prop_oneof![
        Just(Mask::None),
        Just(Mask::Causal),
        Just(Mask::Tree),
        (1i64..99).prop_map(Mask::Window),
        (0i64..99).prop_map(Mask::Prefix),
        (1i64..99).prop_map(Mask::Block),
        (0i64..9, 0i64..9).prop_map(|(keep_first, recent)| Mask::KeepFirst { keep_first, recent }),
        select(exprs),
    ]
}

fn selection() -> impl Strategy<Value = Select> {
    let levels = select(vec![vec!["c".to_string()], vec!["c".to_string(), "d".to_string()]]);
    prop_oneof![
        3 => Just(Select::All),
        1 => Just(Select::Ranges),
        1 => ranked().prop_map(Select::TopK),
        1 => (1i64..9, ranked()).prop_map(|(window, ranked)| Select::WindowSum { window, ranked }),
        1 => (levels, any::<bool>(), ranked(), any::<bool>()).prop_map(|(levels, a, r, both)| {
            Select::Centroids {
                levels,
                above: a.then(|| "least".to_string()),
                ranked: (both || !a).then_some(r),
            }
        }),
        1 => select(vec![
            IndexHead::Same,
            IndexHead::Union,
            IndexHead::Map(vec![0, 1, 2, 3]),
        ])
        .prop_map(|head| Select::Indices { from: "hot".into(), head }),
    ]
}

fn segment() -> impl Strategy<Value = Segment> {
    let layout = prop_oneof![
        Just(KvLayout::Dense),
        (1i64..99).prop_map(KvLayout::Paged),
        (0i64..9, 1i64..99).prop_map(|(keep_first, recent)| KvLayout::Ring { keep_first, recent }),
    ];
    let place = select(vec![
        (Shared::No, Dim::Ragged { symbol: "r".into(), over: "b".into() }),
        (Shared::No, Dim::Sym("n".into())),
        (Shared::Batch, Dim::Sym("p".into())),
        (Shared::Batch, Dim::Const(100)),
        (Shared::Group("g".into()), Dim::Ragged { symbol: "u".into(), over: "g".into() }),
    ]);
    let own = prop::option::of(storage());
    let own_v = prop::option::of(prop_oneof![
        storage().prop_map(Value::Stored),
        Just(Value::PrefixOfK(64))
    ]);
    (layout, place, mask(), selection(), any::<bool>(), own, own_v).prop_map(
        |(layout, (shared, len), mask, select, weight, k, v)| Segment {
            name: String::new(),
            heads: Heads::All,
            len,
            layout,
            shared,
            mask,
            select,
            emit: None,
            weight,
            k,
            v,
        },
    )
}

fn attention() -> impl Strategy<Value = Op> {
    let precision =
        select(vec![Precision::F32, Precision::Bf16, Precision::Int8, Precision::Int8x2]);
    let flags = prop::array::uniform5(any::<bool>());
    let numbers = (prop::option::of(number()), prop::option::of(number()));
    let len = prop_oneof![size(), Just(Dim::Ragged { symbol: "m".into(), over: "b".into() }),];
    let segments = prop::collection::vec(segment(), 1..4);
    (float(), len, storage(), storage(), float(), numbers, flags, precision, segments).prop_map(
        |(dtype, len, k, v, out, (scale, softcap), flags, compute, mut segments)| {
            for (i, s) in segments.iter_mut().enumerate() {
                s.name = ["kv", "second", "third"][i].into();
            }
            // One more segment ranks keys for those that want indices, and names the symbol of masks.
            segments.push(Segment {
                name: "source".into(),
                heads: if flags[4] { Heads::List(vec![0, 1, 2, 3]) } else { Heads::Rest },
                len: Dim::Sym("p".into()),
                layout: KvLayout::Dense,
                shared: Shared::No,
                mask: Mask::None,
                select: Select::All,
                emit: Some(Emit { top_k: Dim::Const(64), name: "hot".into() }),
                weight: false,
                k: None,
                v: None,
            });
            let kind = Kind::Attention(Attention {
                q: Query { dtype, heads: 8, dim: 64, batch: Dim::Sym("b".into()), len },
                kv: Kv { heads: 4, k, v: Value::Stored(v), v_dim: 64 },
                out,
                segments,
                scale,
                softcap,
                alibi: flags[0],
                sink_logit: flags[1],
                lse: flags[2],
                deterministic: flags[3],
                index: if flags[2] { Dtype::I64 } else { Dtype::I32 },
                compute,
            });
            let bound = Bound { symbol: "b".into(), min: Some(1), max: None, multiple_of: Some(2) };
            let bounds = if flags[0] { vec![bound] } else { vec![] };
            Op { name: "made".into(), kind, bounds }
        },
    )
}

fn product() -> impl Strategy<Value = Op> {
    let compute = select(vec![
        Compute::Auto,
        Compute::Dequant,
        Compute::Bf16,
        Compute::IntDot,
        Compute::GroupInt,
        Compute::Bitplane,
        Compute::Lut(3),
    ]);
    let weights = prop::collection::vec((1i64..9999, storage()), 1..4);
    let m = prop_oneof![size(), Just(Dim::Ragged { symbol: "m".into(), over: "e".into() })];
    (m, storage(), weights, float(), any::<[bool; 4]>(), compute).prop_map(
        |(m, a, weights, out, flags, compute)| {
            let single = weights.len() == 1;
            let w = weights.into_iter().enumerate().map(|(i, (n, storage))| Weight {
                name: if single && flags[3] { "w".into() } else { format!("w{i}") },
                n,
                storage,
            });
            let ragged = matches!(m, Dim::Ragged { .. });
            let row = |text| expr::parse(text, Dialect::Row).ok().map(|p| p.expr);
            let mut epilogue = "max(x, 0)".to_string();
            for (name, on) in [("bias", flags[0]), ("residual", flags[1])] {
                if on {
                    epilogue = format!("{epilogue} + {name}");
                }
            }
            let kind = Kind::MpGemm(MpGemm {
                m,
                k: 128,
                a,
                w: w.collect(),
                out,
                blocks: None,
                bias: flags[0],
                residual: flags[1],
                prologue: if flags[2] { row("a * rsqrt(mean(a * a) + 1e-6)") } else { None },
                epilogue: if single && flags[2] { row(&epilogue) } else { None },
                compute,
                grouped: (ragged || flags[3]).then_some(Grouped { groups: 4 }),
            });
            Op { name: "made".into(), kind, bounds: vec![] }
        },
    )
}

fn row_op() -> impl Strategy<Value = Op> {
    let values = select(vec![
        "x * 2",
        "-(x - g) / c",
        "exp(x - max(x)) / sum(exp(x - max(x)))",
        "x * 0.044715 + s",
    ]);
    (size(), 1i64..9999, values, float()).prop_map(|(rows, width, value, dtype)| {
        let tensor = |name: &str, kind| RowTensor {
            name: name.into(),
            dtype: Dtype::F16,
            kind,
            blocks: None,
        };
        let parse = |text: &str| -> Expr { expr::parse(text, Dialect::Row).unwrap().expr };
        Op {
            name: "made".into(),
            kind: Kind::Rows(Rows {
                rows,
                width,
                inputs: vec![
                    tensor("x", RowKind::Matrix),
                    tensor("g", RowKind::Vector),
                    tensor("c", RowKind::Column),
                    tensor("s", RowKind::Scalar),
                    RowTensor {
                        name: "id".into(),
                        dtype: Dtype::I32,
                        kind: RowKind::Column,
                        blocks: None,
                    },
                    tensor(
                        "table",
                        RowKind::Table {
                            rows: Dim::Sym("vocab".into()),
                            width: Dim::Const(width + 1),
                        },
                    ),
                    tensor("list", RowKind::List(Dim::Const(7))),
                ],
                lets: vec![("twice".into(), parse("x * 2"))],
                outputs: vec![
                    RowOutput {
                        name: "y".into(),
                        dtype,
                        kind: RowKind::Matrix,
                        value: parse(value),
                        at: None,
                    },
                    RowOutput {
                        name: "best".into(),
                        dtype: Dtype::I32,
                        kind: RowKind::Column,
                        value: parse("argmax(y)"),
                        at: None,
                    },
                    RowOutput {
                        name: "cache".into(),
                        dtype,
                        kind: RowKind::Matrix,
                        value: parse("twice + table[id] * list[col % 7]"),
                        at: Some(Target {
                            rows: Dim::Sym("slots".into()),
                            at: expr::parse("id * 16 + row % 16", Dialect::Index).unwrap().expr,
                        }),
                    },
                ],
            }),
            bounds: vec![],
        }
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(op in prop_oneof![attention(), product(), row_op()]) {
        let mistakes = verify(&op);
        // The generator may draw one name for two tensors, which is a mistake of its own.
        prop_assume!(!mistakes.iter().any(|m| m.message.starts_with("two tensors would be called")));
        prop_assert!(mistakes.is_empty(), "{:?}\n{}", mistakes, print(&op));
        let text = print(&op);
        match read("made.toml", &text) {
            Ok(again) => prop_assert_eq!(again, op, "{}", text),
            Err(report) => prop_assert!(false, "{}\n{}", report, text),
        }
    }
}

/// Marsaglia's xorshift: the same mutations in every run.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// Reads, and does with the result what a caller would do.
fn survive(text: &str) {
    match read("hostile.toml", text) {
        Ok(op) => {
            let _ = (print(&op), op.tensors(), op.symbols());
        }
        Err(report) => assert!(!report.render().is_empty()),
    }
}

#[test]
fn mutated_files_never_panic() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let files = op_files();
    let bits = [
        "-1",
        "0",
        "9223372036854775807",
        "99999999999999999999",
        "\"\"",
        "\"n[b]\"",
        "[]",
        "{}",
        "nan",
        "inf",
        "1e999",
        "é",
        "\u{0}",
        "\n",
        "\"",
        "[[segment]]",
        "=",
        ".",
        "true",
        "'''",
        "\"k[..99]\"",
        "\"rest\"",
        "\"j <= i\"",
        "{ top_k = -5 }",
        "1979-05-27",
    ];
    for round in 0..4000 {
        let (_, text) = &files[round % files.len()];
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(5) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = random.below(128) as u8,
                2 => {
                    let end = (at + random.below(12)).min(bytes.len());
                    bytes.drain(at..end);
                }
                3 => {
                    let bit = bits[random.below(bits.len())];
                    bytes.splice(at..at, bit.bytes());
                }
                _ => {
                    // A value becomes another one.
                    if let Some(eq) = bytes.iter().skip(at).position(|b| *b == b'=') {
                        let start = at + eq + 1;
                        let len = bytes[start..]
                            .iter()
                            .position(|b| matches!(b, b',' | b'}' | b'\n'))
                            .unwrap_or(0);
                        let bit = bits[random.below(bits.len())];
                        bytes.splice(start..start + len, bit.bytes());
                    }
                }
            }
        }
        survive(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_truncation_of_a_file_is_survived() {
    for (_, text) in op_files() {
        for end in (0..text.len()).filter(|&e| text.is_char_boundary(e)) {
            survive(&text[..end]);
        }
    }
}

#[test]
fn lists_have_an_end() {
    let attention = "op = \"attention\"\nname = \"x\"\n";
    let product = "op = \"mpgemm\"\nname = \"x\"\n";
    let many = |item: &str, n: usize| vec![item; n].join(", ");
    let entries: String = (0..65).map(|i| format!("a{i} = {{}}\n")).collect();
    let cases = [
        (format!("{attention}{}", "[[segment]]\n".repeat(65)), "at most 64 segments, not 65"),
        (format!("{product}w = [{}]", many("\"w\"", 65)), "at most 64 weights, not 65"),
        (format!("{attention}[dims]\n{entries}"), "at most 64 entries stand here, not 65"),
        (
            format!("{attention}[[segment]]\nheads = [{}]", many("0", 4097)),
            "at most 4096 entries, not 4097",
        ),
        (format!("{attention}segment = []"), "at least one segment"),
    ];
    for (text, message) in cases {
        let report = read("x.toml", &text).unwrap_err();
        assert!(report.list.iter().any(|d| d.message.contains(message)), "{report}");
    }
}

#[test]
fn nesting_size_and_repetition_are_survived() {
    let base = "op = \"attention\"\nname = \"x\"\n";
    survive("");
    survive(&format!("{base}q = {}", "[".repeat(100_000)));
    survive(&format!("{base}q = {}1{}", "{a = ".repeat(5000), "}".repeat(5000)));
    survive(&format!("{base}{}", "[[segment]]\n".repeat(10_000)));
    survive(&format!("{base}{base}"));
    survive(&format!("{base}[[segment]]\nmask = \"{}\"", "(".repeat(50_000)));
    survive(&format!("{base}[[segment]]\nmask = \"{}1 < j\"", "1 + ".repeat(50_000)));
    for heads in ["\"all\"", "\"rest\"", "[0]"] {
        survive(&format!(
            "{base}q = {{ dtype = \"f16\", heads = {0}, dim = {0} }}\nkv = {{ heads = {0}, dtype = \"f16\" }}
            out = \"f16\"\ndims = {{ w = {{}} }}\n[[segment]]\nlen = {0}\nheads = {heads}\nmask = \"w < j\"",
            i64::MAX
        ));
    }
    survive(&format!("{base}{} = 1", "k".repeat(60_000)));
    let many: String = (0..5000).map(|i| format!("a{i} = 1\n")).collect();
    survive(&format!("{base}{many}"));
    let huge = i64::MAX;
    survive(&format!(
        "op = \"mpgemm\"\nname = \"x\"\nm = {huge}\nn = {huge}\nk = {huge}\na = \"q4_0\"\nw = \"q4_0\"\nout = \"f16\""
    ));
}
