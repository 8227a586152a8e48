//! States of parts of the keys form a commutative monoid under `merge`, at tile level.
//!
//! ```text
//! merge(a, empty) = a    merge(a, b) = merge(b, a)    merge(merge(a, b), c) = merge(a, merge(b, c))
//! ```
//!
//! The kernel `merge` of a split-KV program gets states of our own; the whole program gets its keys in other parts
//! and in another order.

use kgen::inputs;
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{Op, read},
    tensor::Tensor,
    tile::{
        Program, Role,
        interp::{Mode, interp},
    },
};
use kgen_kernels_ref::bound;
use kgen_passes::{Choice, Schedule};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Values = BTreeMap<String, Vec<f64>>;

/// Keys of a part where states are given.
const PART: usize = 8;
const DIM: usize = 3;

fn op(mask: &str) -> Op {
    let text = format!(
        "op = \"attention\"\nname = \"a\"\nq = {{ dtype = \"f32\", heads = 2, dim = {DIM}, batch = \"b\", len = \"m\" }}\n\
         kv = {{ dtype = \"f32\", heads = 1 }}\nout = \"f32\"\n[[segment]]\nlen = \"n\"\nmask = {mask}\n"
    );
    read::read("test.toml", &text).unwrap_or_else(|e| panic!("{e}"))
}

fn program(op: &Op, split: usize) -> Program {
    let target = kgen::compile::targets()[0];
    let schedule = Schedule { keys: 8, split, ..Schedule::default_for(target) };
    kgen_passes::build(op, &Choice { target, schedule }).unwrap_or_else(|e| panic!("{e}"))
}

/// Of a split program one launch alone, its states among the inputs or the outputs.
fn alone(op: &Op, kernel: &str) -> Program {
    let mut p = program(op, PART);
    let mut variant = p.variants.pop().expect("the split one");
    variant.launches.retain(|l| l.kernel == kernel);
    assert_eq!((variant.name.as_str(), variant.launches.len()), ("split", 1));
    p.variants = vec![variant];
    let (role, other) =
        if kernel == "merge" { (Role::In, Role::In) } else { (Role::Out, Role::Out) };
    p.params.retain(|t| t.role != other);
    let states = std::mem::take(&mut p.buffers);
    p.params.extend(states.into_iter().map(|t| kgen_ir::tile::Tensor { role, ..t }));
    p
}

fn dims(m: usize, n: usize) -> Dims {
    let list = [("b", 1), ("m", m), ("n", n)];
    let scalars = list.map(|(name, x)| (name.to_string(), x as i64)).into();
    Dims { scalars, cores: 2, ..Dims::default() }
}

/// `max`, `den` and `o` of one part and head.
#[derive(Clone, Debug, PartialEq)]
struct State {
    max: f64,
    den: f64,
    o: [f64; DIM],
}

/// What a part leaves of which a row saw no key.
fn empty() -> State {
    let op = op("{ window = 1 }");
    let dims = dims(1, 2 * PART);
    let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), 1).unwrap();
    let got = interp(&alone(&op, "attend_part"), &dims, &inputs, Mode::Exact).unwrap();
    // [batch, row, part, head, ..]: the window of the only row lies in the second part.
    let state = |head: usize| State {
        max: got["part.max"][head],
        den: got["part.den"][head],
        o: got["part.o"][head * DIM..][..DIM].try_into().unwrap(),
    };
    assert_eq!(state(0), state(1));
    assert!(got["part.den"][2] > 0.0, "the second part sees a key");
    state(0)
}

/// The first head merges `states`, the second the empty states of as many parts.
fn merge(states: &[State], mode: Mode) -> [f64; DIM] {
    let empty = empty();
    let both: Vec<&State> = states.iter().flat_map(|s| [s, &empty]).collect();
    let lead = [1, 1, states.len(), 2];
    let tensor = |last: usize, values: Vec<f64>| {
        Tensor::from_f64(Dtype::F32, &[&lead[..], &[last]].concat(), &values)
    };
    let inputs = BTreeMap::from([
        ("part.max".into(), tensor(1, both.iter().map(|s| s.max).collect())),
        ("part.den".into(), tensor(1, both.iter().map(|s| s.den).collect())),
        ("part.o".into(), tensor(DIM, both.iter().flat_map(|s| s.o).collect())),
    ]);
    let got =
        interp(&alone(&op("\"none\""), "merge"), &dims(1, states.len() * PART), &inputs, mode);
    let got = got.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(got["o"][DIM..], [0.0; DIM], "empty states");
    got["o"][..DIM].try_into().unwrap()
}

/// A state of some keys as f32 holds it: the maximum in units of log 2, the denominator at least 1.
fn state() -> impl Strategy<Value = State> {
    let number = |low: f32, high: f32| (low..high).prop_map(f64::from);
    let one = (
        number(-90.0, 90.0),
        number(1.0, 8.0),
        [number(-5.0, 5.0), number(-5.0, 5.0), number(-5.0, 5.0)],
    );
    one.prop_map(|(max, den, o)| State { max, den, o })
}

/// Largest distance of results whose sums were taken in another order.
fn near(a: &[f64; DIM], b: &[f64; DIM], states: &[State], mode: Mode) -> bool {
    let size =
        states.iter().flat_map(|s| s.o.iter().chain([&s.den])).fold(1f64, |m, x| m.max(x.abs()));
    let roundings = match mode {
        Mode::Exact => 1e-13,
        // Each step rounds the exponential, two products and a sum, of o and of the denominator.
        Mode::Rounded => 2.0 * (bound::EXP + 4.0 * bound::U32),
    };
    // Every state may have to be rescaled by every other; no denominator is below 1.
    let limit = roundings * (states.len() * states.len()) as f64 * size * size;
    a.iter().zip(b).all(|(x, y)| (x - y).abs() <= limit)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_empty_state_changes_nothing(states in prop::collection::vec(state(), 1..5), at in 0usize..5) {
        for mode in [Mode::Exact, Mode::Rounded] {
            let before = merge(&states, mode);
            let mut more = states.clone();
            more.insert(at.min(states.len()), empty());
            prop_assert_eq!(merge(&more, mode), before);
        }
    }

    #[test]
    fn the_order_of_states_does_not_matter(
        (states, other) in prop::collection::vec(state(), 1..6).prop_flat_map(|s| (Just(s.clone()), Just(s).prop_shuffle()))
    ) {
        for mode in [Mode::Exact, Mode::Rounded] {
            let (a, b) = (merge(&states, mode), merge(&other, mode));
            prop_assert!(a.iter().all(|x| x.is_finite()));
            prop_assert!(near(&a, &b, &states, mode), "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn keys_in_other_parts_give_the_same(
        (m, n) in (1usize..4, 0usize..80),
        mask in prop::sample::select(vec!["\"none\"", "\"causal\"", "{ window = 3 }", "{ keep_first = 2, recent = 3 }"]),
        seed in 0u64..1000,
    ) {
        let (op, dims) = (op(mask), dims(m, n));
        let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), seed).unwrap();
        let expected = &kgen_kernels_ref::run(&op, &dims, &inputs).unwrap()["o"];
        let mut first: Option<Values> = None;
        // All at once; parts of one key; parts that no window reaches; parts of all but a few keys.
        for split in [0, 1, 8, 12, 40, 79] {
            let program = program(&op, split);
            let rounded = interp(&program, &dims, &inputs, Mode::Rounded).unwrap();
            for (i, (x, y)) in expected.values.iter().zip(&rounded["o"]).enumerate() {
                prop_assert!((x - y).abs() <= expected.bounds[i], "split {split}: {} is not {}", y, x);
            }
            let exact = interp(&program, &dims, &inputs, Mode::Exact).unwrap();
            let whole = first.get_or_insert_with(|| exact.clone());
            for (x, y) in whole["o"].iter().zip(&exact["o"]) {
                prop_assert!((x - y).abs() <= 1e-12 * (1.0 + x.abs()), "split {split}: {} is not {}", y, x);
            }
        }
    }

    #[test]
    fn keys_in_another_order_give_the_same(n in 1usize..40, by in 0usize..40, seed in 0u64..1000) {
        let (op, dims) = (op("\"none\""), dims(1, n));
        let inputs = inputs::complete(&op, &dims, &BTreeMap::new(), seed).unwrap();
        let mut turned = inputs.clone();
        for name in ["kv.k", "kv.v"] {
            let bytes = &mut turned.get_mut(name).unwrap().bytes;
            let row = bytes.len() / n;
            bytes.rotate_left(by % n * row);
        }
        let program = program(&op, PART);
        let run = |inputs| interp(&program, &dims, inputs, Mode::Exact).unwrap();
        let (a, b) = (run(&inputs), run(&turned));
        for (x, y) in a["o"].iter().zip(&b["o"]) {
            prop_assert!((x - y).abs() <= 1e-12 * (1.0 + x.abs()), "{} is not {}", y, x);
        }
    }
}
