use super::{mutants::MUTANTS, *};
use kgen_ir::op::{Kind, read, tensors::Role};

/// The reference, rounded to the type of the output, with a plan of this tile edge.
struct Tiled(i64);

const TOY: Tiled = Tiled(16);

impl Engine for Tiled {
    fn name(&self) -> &str {
        "toy"
    }

    fn edges(&self, _: &Op) -> Vec<i64> {
        vec![self.0]
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        let failed = |e: RefError| EngineError::Failed(e.to_string());
        let mut outputs = reference::run(op, dims, inputs).map_err(failed)?;
        let specs = op.tensors().into_iter().filter(|t| t.role == Role::Out);
        Ok(specs
            .filter_map(|t| {
                let o = outputs.remove(&t.name)?;
                Some((t.name, Tensor::from_f64(t.dtype, &o.shape, &o.values)))
            })
            .collect())
    }
}

/// Answers by calling a function on the answer of [`TOY`].
struct Wrong<F>(F);

impl<F: Fn(&Op, &Dims, Tensors) -> Result<Tensors, EngineError>> Engine for Wrong<F> {
    fn name(&self) -> &str {
        "wrong"
    }

    fn edges(&self, _: &Op) -> Vec<i64> {
        vec![]
    }

    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
        (self.0)(op, dims, TOY.run(op, dims, inputs)?)
    }
}

fn op(name: &str, text: &str) -> Op {
    read::read(name, text).unwrap_or_else(|report| panic!("{report}"))
}

fn decode() -> Op {
    op("flash_decode", include_str!("../../../ops/flash_decode.toml"))
}

fn gemv() -> Op {
    op("w4a8_gemv", include_str!("../../../ops/w4a8_gemv.toml"))
}

const SMALL: Options = Options { cases: 24, seed: 7 };

fn passes(op: &Op, options: &Options) {
    let summary = verify(op, &TOY, options);
    let said: Vec<String> = summary.failed.iter().map(|f| f.to_string()).collect();
    assert_eq!(said, [""; 0], "{}", op.name);
    assert_eq!(summary.unsupported, None, "{}", op.name);
    assert_eq!(summary.passed, summary.cases);
    assert_eq!(summary.cases, options.cases);
    assert!(summary.worst_ratio <= 1.0);
}

#[test]
fn the_rounded_reference_passes() {
    passes(&decode(), &Options::default());
    passes(&gemv(), &Options::default());
}

#[test]
fn every_kind_of_layout_and_storage_passes() {
    // Without the full-size case, which is the last one.
    for (name, text) in [
        ("flash_prefill", include_str!("../../../ops/flash_prefill.toml")),
        ("hydragen_decode", include_str!("../../../ops/hydragen_decode.toml")),
        ("mla_decode", include_str!("../../../ops/mla_decode.toml")),
        ("paged_decode", include_str!("../../../ops/paged_decode.toml")),
        ("window_sink", include_str!("../../../ops/window_sink.toml")),
        ("w4a16_gemm", include_str!("../../../ops/w4a16_gemm.toml")),
        ("w6a8_bitplane_gemm", include_str!("../../../ops/w6a8_bitplane_gemm.toml")),
        ("w8a8_gemv", include_str!("../../../ops/w8a8_gemv.toml")),
        ("onebit_lut_gemv", include_str!("../../../ops/onebit_lut_gemv.toml")),
        ("ternary_lut_gemv", include_str!("../../../ops/ternary_lut_gemv.toml")),
    ] {
        let op = op(name, text);
        let list = cases(&op, &[16], &SMALL, false);
        assert_eq!(list.len(), SMALL.cases, "{name}");
        for case in list.iter().filter(|c| !c.sampled) {
            match judge(case, &TOY, &mut [0; 2]) {
                Verdict::Passed(ratio) => assert!(ratio <= 1.0),
                Verdict::Failed(failure) => panic!("{failure}"),
                Verdict::Unsupported(why) => panic!("{name}: {why}"),
            }
        }
    }
}

#[test]
fn hidden_slots_are_found_and_never_enter_the_expectation() {
    for text in [
        include_str!("../../../ops/paged_decode.toml"),
        include_str!("../../../ops/window_sink.toml"),
    ] {
        let op = op("hidden", text);
        let mut hidden = 0;
        for case in cases(&op, &[16], &Options { cases: 60, seed: 3 }, false) {
            if case.family != Family::Hidden {
                continue;
            }
            let inputs = families::inputs(&case.op, &case.dims, case.family, case.seed).unwrap();
            hidden += inputs.values().flat_map(|t| t.to_f64()).filter(|x| x.is_nan()).count();
            let out = reference::run(&case.op, &case.dims, &inputs).unwrap();
            assert!(out.values().all(|o| o.tainted.iter().all(|t| !t)));
        }
        assert!(hidden > 0, "{}", op.name);
    }
}

#[test]
fn every_mutant_is_caught() {
    for op in [decode(), gemv()] {
        for mutant in MUTANTS.iter().filter(|m| m.applies(&op)) {
            assert!(mutants::caught(&op, &TOY, mutant), "{}: {}", op.name, mutant.name);
        }
    }
    let names =
        |op: &Op| MUTANTS.iter().filter(|m| m.applies(op)).map(|m| m.name).collect::<Vec<_>>();
    assert_eq!(
        names(&decode()),
        ["scale x 1.001", "mask off by one", "last key dropped", "two heads swapped"]
    );
    assert_eq!(names(&gemv()), ["scale x 1.001", "one zero point"]);
}

#[test]
fn mutants_of_other_layouts_are_caught() {
    for text in [
        include_str!("../../../ops/flash_prefill.toml"),
        include_str!("../../../ops/paged_decode.toml"),
        include_str!("../../../ops/window_sink.toml"),
        include_str!("../../../ops/w4a16_gemm.toml"),
    ] {
        let op = op("layout", text);
        for mutant in MUTANTS.iter().filter(|m| m.applies(&op)) {
            assert!(mutants::caught(&op, &TOY, mutant), "{}: {}", op.name, mutant.name);
        }
    }
}

#[test]
fn plans_of_other_tile_edges_find_as_much() {
    for edge in [1, 8, 64] {
        for op in [decode(), gemv()] {
            let summary = verify(&op, &Tiled(edge), &SMALL);
            assert_eq!((summary.passed, summary.failed.len()), (SMALL.cases, 0), "{edge}");
            for mutant in MUTANTS.iter().filter(|m| m.applies(&op)) {
                assert!(mutants::caught(&op, &Tiled(edge), mutant), "{edge}: {}", mutant.name);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_cases() {
    assert_eq!(cases(&decode(), &[16], &SMALL, false), cases(&decode(), &[16], &SMALL, false));
    assert_ne!(
        cases(&decode(), &[16], &SMALL, false),
        cases(&decode(), &[16], &Options { seed: 8, ..SMALL }, false)
    );
}

#[test]
fn sizes_keep_the_promises_of_the_file() {
    let mut op = decode();
    op.bounds = vec![kgen_ir::op::Bound {
        symbol: "n".into(),
        min: Some(8),
        max: Some(30),
        multiple_of: Some(4),
    }];
    for case in cases(&op, &[16], &SMALL, false) {
        let n = case.dims.scalars["n"];
        assert!((8..=28).contains(&n) && n % 4 == 0, "{n}");
    }
}

#[test]
fn a_failure_shrinks_to_the_smallest_case() {
    // Wrong from 5 keys on.
    let wrong = Wrong(|_: &Op, dims: &Dims, mut outputs: Tensors| {
        if dims.scalars["n"] >= 5
            && let Some(o) = outputs.get_mut("o")
            && o.count() > 0
        {
            o.set(0, 1e4);
        }
        Ok(outputs)
    });
    let summary = verify(&decode(), &wrong, &Options { cases: 10, seed: 1 });
    let failure = &summary.failed[0];
    let size = |name: &str| failure.dims.scalars[name];
    assert_eq!((size("b"), size("m"), size("n")), (1, 1, 5));
    let Kind::Attention(a) = &failure.op.kind else { panic!("attention") };
    assert_eq!((a.q.heads, a.kv.heads), (1, 1));
    assert_eq!((failure.at, failure.got), (0, 1e4));
    let said = failure.to_string();
    assert!(said.starts_with("flash_decode (b=1 m=1 n=5, "), "{said}");
    assert!(said.contains("o[0] is 10000, expected "), "{said}");
    assert!(summary.worst_ratio > 1.0);
}

#[test]
fn a_wrong_full_size_is_found_and_shrunk() {
    // Wrong in the last column of wide products only.
    let wrong = Wrong(|op: &Op, _: &Dims, mut outputs: Tensors| {
        if let (Kind::MpGemm(g), Some(o)) = (&op.kind, outputs.get_mut("out"))
            && g.w[0].n > 1000
            && o.count() > 0
        {
            o.set(o.count() - 1, 1e30);
        }
        Ok(outputs)
    });
    let mut op = gemv();
    if let Kind::MpGemm(g) = &mut op.kind {
        (g.w[0].n, g.k) = (1100, 64);
    }
    let summary = verify(&op, &wrong, &Options { cases: 6, seed: 1 });
    assert_eq!((summary.passed, summary.failed.len()), (5, 1));
    let Kind::MpGemm(g) = &summary.failed[0].op.kind else { panic!("a product") };
    assert!(g.w[0].n > 1000 && g.k == 32 && summary.failed[0].dims.scalars["m"] == 1);
}

#[test]
fn what_an_engine_says_instead_of_an_answer_is_kept() {
    let said = |answer: fn(Tensors) -> Result<Tensors, EngineError>| {
        let wrong = Wrong(move |_: &Op, _: &Dims, outputs: Tensors| answer(outputs));
        verify(&decode(), &wrong, &Options { cases: 1, seed: 1 })
    };
    let error = |s: Summary| s.failed[0].error.clone().unwrap();
    assert_eq!(error(said(|_| Err(EngineError::Failed("lost".into())))), "lost");
    assert_eq!(error(said(|_| Ok(Tensors::new()))), "output `o` is missing");
    let other = |dtype, shape: &'static [usize]| {
        Ok(Tensors::from([("o".to_string(), Tensor::zeros(dtype, shape))]))
    };
    assert_eq!(
        error(verify(
            &decode(),
            &Wrong(|_: &Op, _: &Dims, _| other(Dtype::F32, &[1])),
            &Options { cases: 1, seed: 1 }
        )),
        "`o` should hold f16, but holds f32"
    );
    let shape = verify(
        &decode(),
        &Wrong(|_: &Op, _: &Dims, _| other(Dtype::F16, &[1])),
        &Options { cases: 1, seed: 1 },
    );
    assert!(error(shape).contains("should have the shape"));
    let declined = said(|_| {
        let what = "this".to_string();
        Err(Unsupported { what, target: "toy".into(), instead: "that".into() }.into())
    });
    assert_eq!((declined.passed, declined.failed.len(), declined.cases), (0, 0, 1));
    assert_eq!(declined.unsupported.unwrap().to_string(), "toy cannot do this; instead: that");
}

#[test]
fn what_the_reference_does_not_know_is_unsupported() {
    for (text, what) in [
        (include_str!("../../../ops/hybrid_topk_decode.toml"), "`emit` (segment `retrieval`)"),
        (
            include_str!("../../../ops/squeezed_attention.toml"),
            "a `select` other than all (segment `context`)",
        ),
    ] {
        let summary = verify(&op("unknown", text), &TOY, &SMALL);
        assert_eq!((summary.cases, summary.passed, summary.failed.len()), (1, 0, 0), "{what}");
        assert_eq!(
            summary.unsupported.unwrap().to_string(),
            format!("the reference cannot do {what}; instead: compare two engines")
        );
    }
}

#[test]
fn block_formats_of_every_kind_are_exact_in_small_integers() {
    for format in ["q4_0", "q4_1", "q8_0", "q4_k", "q6_k", "f16"] {
        for a in ["f32", "f16", "bf16"] {
            let text = format!(
                "op = \"mpgemm\"\nname = \"x\"\nm = \"m\"\nn = 512\nk = 1024\na = \"{a}\"\n\
                 w = \"{format}\"\nout = \"f32\"\ncompute = \"int_dot\"\n"
            );
            let op = op("x.toml", &text);
            passes(&op, &SMALL);
            for case in cases(&op, &[16], &SMALL, false).iter().filter(|c| c.family.exact(&c.op)) {
                let inputs = families::inputs(&case.op, &case.dims, case.family, 1).unwrap();
                let out = &reference::run(&case.op, &case.dims, &inputs).unwrap()["out"];
                let whole = |y: &f64| y.fract() == 0.0 && y.abs() < (1 << 24) as f64;
                assert!(out.values.iter().all(whole), "{format} {a}");
            }
        }
    }
}

#[test]
fn no_cases_ask_nothing() {
    let summary = verify(&decode(), &TOY, &Options { cases: 0, seed: 1 });
    assert_eq!((summary.cases, summary.passed, summary.failed.len()), (0, 0, 0));
}
