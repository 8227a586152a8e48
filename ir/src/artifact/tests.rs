use super::*;
use crate::{
    dtype::Dtype,
    extent::Extent,
    format::{Format, Value, pack::Packing},
    tile::{Arg, Compare, Form, Launch, Part, Predicate, Role, Store},
};

static BLOCKS: Format = Format {
    name: "q4_0",
    gguf: Some(2),
    block: 32,
    bytes: 18,
    fields: &[],
    value: Value::Affine { zero: 8 },
};

fn formats(name: &str) -> Option<&'static Format> {
    (name == BLOCKS.name).then_some(&BLOCKS)
}

fn sample() -> Artifact {
    let packing = Packing {
        elem: Dtype::Code(4),
        trits: false,
        signs: false,
        lanes: 4,
        group: 32,
        scale: Some(Dtype::F16),
        min: Some(Dtype::F32),
        zeros: None,
        zero: -8,
        inner: None,
        order: crate::format::pack::Order::Lanes,
    };
    let tensor = |name: &str, role, elem, store| Tensor {
        name: name.into(),
        role,
        elem,
        shape: vec!["n".into(), Extent::parse("ceildiv(k, 32) * 32").unwrap()],
        store,
    };
    let x = tensor("x.k", Role::In, Dtype::F16, Store::Strided);
    let codes = Store::Packed { of: packing.clone(), part: Part::Codes };
    let w = Param::Tensor(tensor("w.codes", Role::Prepared, Dtype::Code(4), codes));
    let manifest = Manifest {
        format: FORMAT,
        kgen: "0.1.0".into(),
        name: "axpy \"quoted\"\n".into(),
        target: "x86-64-v2".into(),
        backend: "fake".into(),
        key: "abc".into(),
        features: vec!["sse4.2".into()],
        symbols: vec![
            Symbol { name: "n".into(), ragged: None },
            Symbol { name: "k".into(), ragged: Some("b".into()) },
        ],
        bounds: vec![Bound {
            symbol: "n".into(),
            min: Some(1),
            max: Some(8192),
            multiple_of: Some(16),
        }],
        params: vec![
            x.clone(),
            tensor("w", Role::In, Dtype::F32, Store::Blocks(&BLOCKS)),
            tensor("o", Role::Out, Dtype::F32, Store::Strided),
        ],
        checks: vec![check::Check::Below { tensor: "x.k".into(), end: "n".into() }],
        prepares: vec![Prepare {
            name: "w.packed".into(),
            form: Form::Blocks("w".into()),
            packing,
        }],
        buffers: vec![tensor("part", Role::Workspace, Dtype::F32, Store::Strided)],
        kernels: vec![KernelEntry {
            name: "main".into(),
            file: "main.clif".into(),
            entry: "axpy_main".into(),
            params: vec![Param::Tensor(x), w, Param::Scalar("lo".into())],
            slots: vec![
                Slot::Pointer("x.k".into()),
                Slot::Stride("x.k".into(), 1),
                Slot::Extent(Extent::parse("max_of(k) * cores").unwrap()),
                Slot::Counter(0),
                Slot::Scratch,
                Slot::End("x".into()),
                Slot::Report,
            ],
            scratch: 128,
            counters: 1,
            block: Some(Block { threads: 128, workers: 4, shared: 512 }),
        }],
        variants: vec![Variant {
            name: "all".into(),
            when: vec![Predicate {
                left: "x.k.stride1".into(),
                cmp: Compare::Le,
                right: 4096i64.into(),
            }],
            launches: vec![Launch {
                kernel: "main".into(),
                args: vec![
                    Arg::Tensor("x.k".into()),
                    Arg::Tensor("w.packed.codes".into()),
                    Arg::Scalar("n".into()),
                ],
            }],
        }],
        contract: Contract { bound: "2^-11 * |y|".into(), ..Contract::default() },
        files: BTreeMap::new(),
    };
    Artifact::new(manifest, [("main.clif".to_owned(), "text".to_owned())].into())
}

#[test]
fn what_is_printed_parses_to_the_same() {
    let manifest = sample().manifest;
    let text = manifest.print();
    let back = Manifest::parse("m", &text, &formats).map_err(|r| r.render());
    assert_eq!(back, Ok(manifest.clone()));
    assert_eq!(
        Manifest { contract: Contract::default(), ..manifest }.print().len() + 11,
        text.len()
    );
}

#[test]
fn files_are_held_to_their_hashes() {
    let good = sample();
    assert_eq!(good.damage(), None);
    let mut bad = good.clone();
    bad.files.insert("main.clif".into(), "other".into());
    assert!(bad.damage().unwrap().starts_with("file `main.clif` has BLAKE3 "));
    bad.files.clear();
    assert_eq!(bad.damage().unwrap(), "file `main.clif` is missing");
    let mut bad = good;
    bad.files.insert("more".into(), String::new());
    assert_eq!(bad.damage().unwrap(), "file `more` is not in the manifest");
}

#[test]
fn every_mistake_is_told() {
    let text = sample().manifest.print();
    for (from, to, message) in [
        ("format = 3", "format = 4", "this artifact has format 4; this kgen reads up to 3"),
        ("format = 3", "format = -1", "`format` is between 0 and 4294967295, not -1"),
        ("format = 3", "", "`format` is missing"),
        ("format = 3", "format = [", "array"),
        ("kgen =", "kgn =", "unknown key `kgn`"),
        ("kgen =", "kgn =", "did you mean `kgen`?"),
        ("kgen = \"0.1.0\"", "kgen = 1", "`kgen` is a string"),
        ("[\"sse4.2\"]", "1", "`features` is a list of strings"),
        ("[\"sse4.2\"]", "[1]", "`features` is a list of strings"),
        ("in x.k:", "inn x.k:", "`inn` is not a role"),
        (": f16[n", ": f17[n", "`f17` is neither an element type nor a storage format"),
        ("packed(codes", "packed(cods", "`cods` is not a part of a packed weight"),
        (": u4 lanes", ": u44 lanes", "`u44` is not an element type"),
        ("lanes 4", "lanes 0", "this packing is none: lanes are 1 to 1024, not 0"),
        ("zero -8", "zero 3000000000", "no code is as far off as 3000000000"),
        ("\"scratch\"", "\"scratched\"", "`scratched` is not a slot"),
        ("stride x.k 1", "stride x.k 16", "dimension 16 is not between 0 and 15"),
        ("counter 0", "counter 4096", "counter 4096 is not between 0 and 4095"),
        ("<= 4096", "4096", "expected a comparison: < <= == != >= >"),
        ("main(x.k", "mein(x.k", "there is no kernel `mein`"),
        ("scratch = 128", "scratch = 100", "`scratch` is a multiple of 64"),
        ("workers = 4", "workers = 0", "a block has workers, and a thread or more for each"),
        ("counters = 1", "counters = 1.5", "`counters` is an integer of 64 bits"),
        ("multiple_of = 16", "multiple_of = 0", "`multiple_of` is at least 1"),
        ("\"n\",\n", "\"n n\",\n", "expected the end of the line"),
        ("\"main.clif\" = ", "\"../main.clif\" = ", "is not the name of a file of an artifact"),
        (
            "\"main.clif\" = ",
            "\"m.clif\" = ",
            "kernel `main` is in `main.clif`, which is not listed",
        ),
        ("[files]", "[[files]]", "`files` is a table"),
        ("[[kernel]]", "[kernel]", "`kernel` is a list of tables"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let report = Manifest::parse("m", &changed, &formats).expect_err(to).render();
        assert!(report.contains(message), "{to}: {report}");
    }
    let rank = text.replacen("f16[n", &format!("f16[n{}", ", n".repeat(16)), 1);
    let report = Manifest::parse("m", &rank, &formats).unwrap_err().render();
    assert!(report.contains("a tensor has at most 16 dimensions"), "{report}");
    let long = text.replacen("f16[n", &format!("f16[n{}", " + n".repeat(2000)), 1);
    let report = Manifest::parse("m", &long, &formats).unwrap_err().render();
    assert!(report.contains("a line has at most 4096 bytes"), "{report}");
    let huge = Manifest::parse("m", &" ".repeat((16 << 20) + 1), &formats).unwrap_err().render();
    assert!(huge.contains("a manifest has at most 16777216 bytes"), "{huge}");
}

#[test]
fn a_mistake_in_a_line_has_its_place() {
    let text = sample().manifest.print().replacen("in x.k: f16", "in x.k: f17", 1);
    let report = Manifest::parse("m", &text, &formats).unwrap_err();
    assert_eq!(&text[report.list[0].span.clone()], "f17");
}

/// Cuts, doubles and overwrites: any answer but a panic.
#[test]
fn hostile_text_never_panics() {
    let text = sample().manifest.print();
    let mut seed = 1u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % n.max(1)
    };
    for _ in 0..3000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..1 + random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, b"\"[](){}=,.:-+*/%<>09aZ\n\\#"[random(25)]),
                2 => {
                    let end = (at + random(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = random(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ if at < bytes.len() => bytes[at] = random(256) as u8,
                _ => {}
            }
        }
        if let Err(report) = Manifest::parse("m", &String::from_utf8_lossy(&bytes), &formats) {
            assert!(!report.render().is_empty());
        }
    }
}
