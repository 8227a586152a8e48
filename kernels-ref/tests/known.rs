//! Answers known by hand, and the algebra of states.

use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    format::{Format, Value as Formula},
    op::*,
    tensor::Tensor,
};
use kgen_kernels_ref::{attention::State, compare, run, run_samples};
use std::collections::BTreeMap;

const F32: Dtype = Dtype::F32;
static Q4_0: Format = Format {
    name: "q4_0",
    gguf: Some(2),
    block: 32,
    bytes: 18,
    fields: &[],
    value: Formula::Affine { zero: 8 },
};

fn segment(name: &str, len: i64, mask: Mask) -> Segment {
    Segment {
        name: name.into(),
        heads: Heads::All,
        len: Dim::Const(len),
        layout: KvLayout::Dense,
        shared: Shared::No,
        mask,
        select: Select::All,
        emit: None,
        weight: false,
        k: None,
        v: None,
    }
}

/// One sequence, one kv head, two heads, dim 2.
fn attention(m: i64, segments: Vec<Segment>) -> (Attention, Dims) {
    let f32s = Storage::Plain(F32);
    let q = Query { dtype: F32, heads: 2, dim: 2, batch: Dim::Const(1), len: Dim::Const(m) };
    let kv = Kv { heads: 1, k: f32s.clone(), v: Value::Stored(f32s), v_dim: 2 };
    let op = Attention {
        q,
        kv,
        out: F32,
        segments,
        scale: Some(1.0),
        softcap: None,
        alibi: false,
        sink_logit: false,
        lse: true,
        deterministic: false,
        index: Dtype::I32,
        compute: Precision::F32,
    };
    (op, Dims::default())
}

fn op(kind: Kind) -> Op {
    Op { name: "t".into(), kind, bounds: vec![] }
}

/// Deterministic numbers in -2..2.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut x = seed;
    (0..count)
        .map(|_| {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 40) as f64 / (1u64 << 22) as f64 - 2.0
        })
        .collect()
}

fn put(into: &mut BTreeMap<String, Tensor>, name: &str, shape: &[usize], values: &[f64]) {
    into.insert(name.into(), Tensor::from_f64(F32, shape, values));
}

#[test]
fn equal_scores_average_the_values_and_causal_rows_see_less() {
    let (a, dims) = attention(3, vec![segment("kv", 2, Mask::Causal)]);
    let mut inputs = BTreeMap::new();
    put(&mut inputs, "q", &[1, 3, 2, 2], &[0.0; 12]);
    put(&mut inputs, "kv.k", &[1, 2, 1, 2], &[1.0, 2.0, 3.0, f64::NAN]);
    put(&mut inputs, "kv.v", &[1, 2, 1, 2], &[1.0, 10.0, 3.0, f64::NAN]);
    let out = run(&op(Kind::Attention(a)), &dims, &inputs).unwrap();
    // Three rows, two keys: the rows stand at -1, 0, 1. The first sees none, the second must not read the NaN.
    let o = &out["o"];
    assert_eq!(o.shape, [1, 3, 2, 2]);
    assert_eq!(o.values[..8], [0.0, 0.0, 0.0, 0.0, 1.0, 10.0, 1.0, 10.0]);
    assert!(o.values[8].is_nan() && o.tainted[8] && !o.tainted[4]);
    assert_eq!(out["lse"].values[..4], [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, 0.0]);
}

#[test]
fn two_segments_are_one_cut_in_two_and_paged_is_dense() {
    let (n, m) = (7usize, 3usize);
    let (q, k, v) = (numbers(m * 4, 1), numbers(n * 2, 2), numbers(n * 2, 3));
    for mask in [Mask::None, Mask::Causal, Mask::Window(2), Mask::Prefix(2), Mask::Block(2)] {
        let mut inputs = BTreeMap::new();
        put(&mut inputs, "q", &[1, m, 2, 2], &q);
        put(&mut inputs, "one.k", &[1, n, 1, 2], &k);
        put(&mut inputs, "one.v", &[1, n, 1, 2], &v);
        for (name, from, to) in [("a", 0, 3), ("b", 3, n)] {
            put(&mut inputs, &format!("{name}.k"), &[1, to - from, 1, 2], &k[from * 2..to * 2]);
            put(&mut inputs, &format!("{name}.v"), &[1, to - from, 1, 2], &v[from * 2..to * 2]);
        }
        // Pages of 4, second page first, NaN in the slot behind the end.
        for (name, x) in [("k", &k), ("v", &v)] {
            let pages = [&x[8..14], &[f64::NAN; 2], &x[..8]].concat();
            put(&mut inputs, &format!("p.{name}_pages"), &[2, 4, 1, 2], &pages);
        }
        inputs.insert("p.block_table".into(), Tensor::from_i32(&[1, 2], &[1, 0]));
        inputs.insert("p.len".into(), Tensor::from_i32(&[1], &[7]));
        let ask = |segments: Vec<Segment>| {
            let (a, dims) = attention(m as i64, segments);
            run(&op(Kind::Attention(a)), &dims, &inputs).unwrap()
        };
        let one = ask(vec![segment("one", 7, mask.clone())]);
        let two = ask(vec![segment("a", 3, mask.clone()), segment("b", 4, mask.clone())]);
        let paged = Segment { layout: KvLayout::Paged(4), ..segment("p", 7, mask.clone()) };
        let paged = ask(vec![paged]);
        for name in ["o", "lse"] {
            assert_eq!(one[name].values, paged[name].values, "{mask:?}");
            for (x, y) in one[name].values.iter().zip(&two[name].values) {
                assert!((x - y).abs() < 1e-14, "{mask:?} {x} {y}");
            }
        }
        // The plain softmax in f32 stays within the bound; a score scaled by 1.001 does not.
        let (a, dims) = attention(m as i64, vec![segment("one", 7, mask.clone())]);
        let mutant = Attention { scale: Some(1.001), ..a };
        let other = run(&op(Kind::Attention(mutant)), &dims, &inputs).unwrap();
        for (y, passes) in [(&one["o"], true), (&other["o"], false)] {
            let got = Tensor::from_f64(F32, &y.shape, &y.values);
            assert_eq!(compare("o", &one["o"], &got).unwrap().passed(), passes, "{mask:?}");
        }
    }
}

#[test]
fn states_form_a_commutative_monoid() {
    let state = |seed, n: usize| {
        let (s, v) = (numbers(n, seed), numbers(n * 2, seed + 9));
        let rows: Vec<&[f64]> = v.chunks(2).collect();
        State::of(2, &s, &rows)
    };
    let near = |a: &State, b: &State| {
        let ((x, s), (y, t)) = (a.normalize(), b.normalize());
        assert!(
            (s - t).abs() < 1e-14 && (x[0] - y[0]).abs() < 1e-14 && (x[1] - y[1]).abs() < 1e-14
        );
    };
    let (a, b, c, e) = (state(1, 5), state(2, 1), state(3, 8), State::empty(2));
    near(&a.merge(&b), &b.merge(&a));
    near(&a.merge(&b).merge(&c), &a.merge(&b.merge(&c)));
    assert_eq!((a.merge(&e), e.merge(&a)), (a.clone(), a));
    assert_eq!(e.merge(&e), e);
    assert_eq!(e.normalize(), (vec![0.0, 0.0], f64::NEG_INFINITY));
}

#[test]
fn a_ring_holds_the_first_and_the_newest() {
    let ring = KvLayout::Ring { keep_first: 1, recent: 2 };
    let (a, dims) = attention(1, vec![Segment { layout: ring, ..segment("kv", 3, Mask::Causal) }]);
    let mut inputs = BTreeMap::new();
    put(&mut inputs, "q", &[1, 1, 2, 2], &[0.0; 4]);
    put(&mut inputs, "kv.k", &[1, 3, 1, 2], &[0.0; 6]);
    put(&mut inputs, "kv.v", &[1, 3, 1, 2], &[3.0, 0.0, 6.0, 0.0, f64::NAN, 0.0]);
    for (pos, o) in [(0, 0.0), (1, 3.0), (2, 4.5)] {
        inputs.insert("kv.pos".into(), Tensor::from_i32(&[1], &[pos]));
        let out = run(&op(Kind::Attention(a.clone())), &dims, &inputs).unwrap();
        assert_eq!(out["o"].values[0], o, "{pos}");
    }
}

fn gemm(a: Storage, w: Storage, k: i64, bias: bool) -> Op {
    op(Kind::MpGemm(MpGemm {
        m: Dim::Const(1),
        k,
        a,
        w: vec![Weight { name: "w".into(), n: 2, storage: w }],
        out: F32,
        blocks: None,
        bias,
        residual: false,
        prologue: None,
        epilogue: None,
        compute: Compute::Dequant,
        grouped: None,
    }))
}

#[test]
fn q4_0_times_ones() {
    let op = gemm(Storage::Plain(F32), Storage::Block(&Q4_0), 32, true);
    let mut inputs = BTreeMap::new();
    put(&mut inputs, "a", &[1, 32], &[1.0; 32]);
    put(&mut inputs, "bias", &[2], &[0.0, 100.0]);
    // Scale 0.5; row 0: low nibbles 9, high 8; row 1: all 15.
    let row = |byte: u8| [vec![0x00, 0x38], vec![byte; 16]].concat();
    let bytes = [row(0x89), row(0xff)].concat();
    inputs.insert("w".into(), Tensor { dtype: Dtype::U8, shape: vec![2, 18], bytes });
    let out = &run(&op, &Dims::default(), &inputs).unwrap()["out"];
    assert_eq!(out.values, [8.0, 212.0]);
    assert!(out.bounds.iter().all(|e| *e > 0.0 && *e < 1e-3));
    let some = &run_samples(&op, &Dims::default(), &inputs, &[(0, 1)]).unwrap()["out"];
    assert_eq!((some.values.as_slice(), some.at.as_deref()), (&[212.0][..], Some(&[1][..])));
    let error = run_samples(&op, &Dims::default(), &inputs, &[(1, 0)]).unwrap_err();
    assert_eq!(error.to_string(), "sample (1, 0) lies outside 1 x 2");
    inputs.remove("bias");
    let error = run(&op, &Dims::default(), &inputs).unwrap_err();
    assert_eq!(error.to_string(), "tensor `bias` is missing from the inputs");
}

#[test]
fn codes_with_scales_and_zeros() {
    let codes = |code, bits, group, zero| {
        let layout = CodeLayout::Rows;
        Storage::Codes(Codes { code, bits, group, scale: F32, zero, layout })
    };
    let u8s = |shape: &[usize], bytes: &[u8]| Tensor {
        dtype: Dtype::U8,
        shape: shape.to_vec(),
        bytes: bytes.to_vec(),
    };
    let table = Code::Codebook(vec![-10.0, 0.0, 1.0, 5.0]);
    // Row 0 holds 0 1 2 3, row 1 holds 3 3 0 0; two bits each.
    for (code, group, zero, scales, wanted) in [
        (Code::Uint, Group::K(2), None, vec![1.0, 10.0, 1.0, 1.0], [51.0, 6.0]),
        (Code::Uint, Group::Row, Some(Zero::Float(F32)), vec![1.0, 2.0], [2.0, 4.0]),
        (Code::Uint, Group::K(2), Some(Zero::Uint(2)), vec![1.0; 4], [2.0, 0.0]),
        (Code::Int, Group::Tensor, None, vec![2.0], [-4.0, -4.0]),
        (Code::Bipolar, Group::Tensor, None, vec![1.0], [0.0, 0.0]),
        (Code::Ternary, Group::Tensor, None, vec![1.0], [2.0, 2.0]),
        (table, Group::Tensor, None, vec![1.0], [-4.0, -10.0]),
    ] {
        let name = format!("{code:?} {group:?}");
        let mut inputs = BTreeMap::new();
        put(&mut inputs, "a", &[1, 4], &[1.0; 4]);
        inputs.insert("w.codes".into(), u8s(&[2, 1], &[0b1110_0100, 0b0000_1111]));
        let shape = match group {
            Group::Tensor => vec![1],
            Group::Row => vec![2],
            Group::K(_) => vec![2, 2],
        };
        put(&mut inputs, "w.scale", &shape, &scales);
        match zero {
            Some(Zero::Float(_)) => put(&mut inputs, "w.zero", &shape, &[1.0, 1.0]),
            // Zeros 1, 1 of row 0 and 2, 1 of row 1.
            Some(Zero::Uint(_)) => {
                inputs.insert("w.zero".into(), u8s(&[2, 1], &[0b0101, 0b0110]));
            }
            None => {}
        }
        let op = gemm(Storage::Plain(F32), codes(code, 2, group, zero), 4, false);
        assert_eq!(run(&op, &Dims::default(), &inputs).unwrap()["out"].values, wanted, "{name}");
    }
}
