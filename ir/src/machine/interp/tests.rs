//! Kernels as text, run in a memory of one tensor.

use super::*;
use crate::machine::parse::parse;

fn ran(text: &str, bytes: usize, workers: usize) -> Result<Vec<u8>, String> {
    let kernel = parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
    verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
    let mut memory = Memory::default();
    let x = memory.add(vec![0; bytes]);
    run(&kernel, &[x], &mut memory, workers).map_err(|e| e.to_string())?;
    Ok(memory.region(x).unwrap_or_default().to_vec())
}

#[test]
fn steps_can_be_limited() {
    let kernel = parse(
        "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i loop j in 0..9000000000000 step 1 { } }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    let mut memory = Memory::default();
    let x = memory.add(vec![]);
    for (steps, place) in [(0, "`x = arg 0 : i`"), (100, "loop j")] {
        let error = run_within(&kernel, &[x], &mut memory, 1, steps).unwrap_err().to_string();
        assert_eq!(error, format!("in kernel m, worker 0: {place}: no steps are left"));
    }
}

#[test]
fn halves_become_floats_as_they_are_loaded() {
    let kernel = parse(
        "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.f16 [x + 0] : f
         b = splat.f16 [x + 2] : f store.w32 [x + 8], a store.w32 [x + 16], b }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
    let mut memory = Memory::default();
    // 1.5 and the least subnormal.
    let bytes = [[0x00, 0x3e, 0x01, 0x00].as_slice(), &[0; 20]].concat();
    let x = memory.add(bytes);
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    let out = memory.region(x).unwrap_or_default()[8..24].to_vec();
    let tiny = 2f32.powi(-24);
    let expected = [1.5, tiny, tiny, tiny].map(f32::to_le_bytes).concat();
    assert_eq!(out, expected);
}

#[test]
fn parts_touch_nothing_behind_them() {
    let text = |n: &str| {
        format!(
            "machine m lanes 4 {{ slot 0 = pointer x x = arg 0 : i n = const {n} : i
             k = iota : w one = wconst 1 : w v = wadd k, one : w storepart.u16 [x + 0], v, n
             a = loadpart.u16 [x + 0], n : w storepart.w32 [x + 4], a, n }}"
        )
    };
    for (n, bytes, expected) in [
        ("0", 0, vec![]),
        ("1", 8, vec![1, 0, 0, 0, 1, 0, 0, 0]),
        ("2", 12, vec![1, 0, 2, 0, 1, 0, 0, 0, 2, 0, 0, 0]),
    ] {
        assert_eq!(ran(&text(n), bytes, 1), Ok(expected), "{n}");
    }
    for n in ["-1", "5"] {
        let e = ran(&text(n), 64, 1).unwrap_err();
        assert!(e.ends_with(&format!("{n} of 4 lanes")), "{e}");
    }
    let e = ran(&text("4"), 19, 1).unwrap_err();
    assert!(e.ends_with("4 bytes at byte 16 of region 0, which has 19"), "{e}");
}

#[test]
fn gathers_count_from_their_address_both_ways() {
    let out = ran(
        "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i k = iota : w one = wconst 1 : w
         j = wsub k, one : w store.w32 [x + 0], k g = gather.w32 [x + 4], j : w
         s = wadd g, g : w store.w32 [x + 0], s }",
        16,
        1,
    );
    assert_eq!(out, Ok([0u32, 2, 4, 6].map(u32::to_le_bytes).concat()));
    let e = ran(
        "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i k = iota : w
         g = gather.w32 [x + 4], k : w }",
        16,
        1,
    );
    assert!(e.unwrap_err().ends_with("4 bytes at byte 16 of region 0, which has 16"));
}

#[test]
fn bytes_permute_and_multiply_by_matrices_of_bits() {
    // The matrix with one bit a row from the last to the first is the identity; the other way round it turns the
    // byte about.
    let kernel = parse(
        "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : w
         i = load.w32 [x + 8] : w e = load.w32 [x + 16] : w f = load.w32 [x + 24] : w
         p = permb a, i : w q = affine a, e, 0 : w r = affine a, f, 255 : w
         store.w32 [x + 32], p store.w32 [x + 40], q store.w32 [x + 48], r }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    let a = [1, 2, 3, 0x80, 0x0f, 0xa5, 0, 0xff];
    let identity = [128, 64, 32, 16, 8, 4, 2, 1];
    let turned = [1, 2, 4, 8, 16, 32, 64, 128];
    let index = [7, 6, 5, 4, 3, 2, 1 + 8, 128];
    let mut memory = Memory::default();
    let x = memory.add([a, index, identity, turned, [0; 8], [0; 8], [0; 8]].concat());
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    let out = memory.region(x).unwrap_or_default()[32..].to_vec();
    let permuted = [0xff, 0, 0xa5, 0x0f, 0x80, 3, 2, 1];
    let about = a.map(|b| !b.reverse_bits());
    assert_eq!(out, [permuted, a, about].concat());
}

#[test]
fn bytes_shuffle_inside_of_sixteen() {
    let kernel = parse(
        "machine m lanes 8 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : w
         b = load.w32 [x + 32] : w d = shufb a, b : w store.w32 [x + 64], d }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    let a: Vec<u8> = (100..132).collect();
    let mut b = [0u8; 32];
    b[..5].copy_from_slice(&[15, 0x7e, 0x80, 0xff, 3]);
    b[16..20].copy_from_slice(&[0, 0x11, 0x8f, 0x4f]);
    let mut memory = Memory::default();
    let x = memory.add([&a[..], &b, &[0; 32]].concat());
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    let out = memory.region(x).unwrap_or_default()[64..].to_vec();
    assert_eq!(out[..6], [115, 114, 0, 0, 103, 100]);
    assert_eq!(out[16..21], [116, 117, 0, 131, 116]);
}

#[test]
fn bytes_are_chosen_by_their_high_bits_and_bits_by_a_mask() {
    let kernel = parse(
        "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : w
         b = load.w32 [x + 8] : w c = load.w32 [x + 16] : w
         p = permb.high a, b, c : w q = bits.select a, b, c : w
         store.w32 [x + 24], p store.w32 [x + 32], q }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    let a = [1, 2, 3, 4, 5, 6, 0xf0, 0xff];
    let b = [0xc0, 0xbf, 0x7f, 0xff, 0x40, 0xc9, 0xaa, 0x55];
    let c = [10, 20, 30, 40, 50, 60, 0x33, 80];
    let mut memory = Memory::default();
    let x = memory.add([a, b, c, [0; 8], [0; 8]].concat());
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    let out = memory.region(x).unwrap_or_default()[24..].to_vec();
    let permuted = [1, 20, 30, 0xff, 50, 2, 0x33, 80];
    let selected: [u8; 8] = std::array::from_fn(|i| a[i] & b[i] | !a[i] & c[i]);
    assert_eq!(out, [permuted, selected].concat());
}

#[test]
fn lanes_are_looked_up() {
    let kernel = parse(
        "machine m lanes 2 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : f
         i = load.w32 [x + 8] : w b = lookup a, i : f store.w32 [x + 16], b }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    let mut memory = Memory::default();
    let words = |list: [u32; 2]| list.map(u32::to_le_bytes).concat();
    let x = memory.add([words([10, 20]), words([7, u32::MAX - 1]), vec![0; 8]].concat());
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(memory.region(x).unwrap_or_default()[16..], words([20, 10]));
}

#[test]
fn half_bytes_come_to_their_lanes() {
    let kernel = parse(
        "machine m lanes 16 { slot 0 = pointer x x = arg 0 : i
         a = nibbles [x + 1] : w store.w32 [x + 16], a }",
    )
    .unwrap_or_else(|e| panic!("{e:?}"));
    verify::verify(&kernel).unwrap_or_else(|e| panic!("{e}"));
    let mut memory = Memory::default();
    let codes = [0, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe];
    let x = memory.add([codes.as_slice(), &[0; 71]].concat());
    run(&kernel, &[x], &mut memory, 1).unwrap_or_else(|e| panic!("{e}"));
    let region = memory.region(x).unwrap_or_default();
    let words: Vec<u32> =
        region[16..].as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
    assert!(words.iter().zip(0..).all(|(w, lane)| w & 15 == lane));
    assert_eq!((words[1], words[15]), (0x8765_4321, 0x6543_210f));
}

#[test]
fn products_of_bf16_round_once_each_and_know_no_subnormals() {
    let dot = |a: [f32; 2], b: [f32; 2], c: f32| {
        let [x, y] = [a, b].map(|v| v[0].to_bits() >> 16 | v[1].to_bits() & 0xffff_0000);
        f32::from_bits(in_lane(&Op::Dot(DotOp::Bf16), [x, y, c.to_bits()]))
    };
    let (min, next) = (f32::MIN_POSITIVE, f32::MIN_POSITIVE.next_down());
    assert_eq!(dot([2.0, 3.0], [5.0, 7.0], 0.5), 31.5);
    // The high product first: what it loses, the low one does not bring back.
    assert_eq!(dot([-1e30, 1e30], [1.0, 1.0], 1.0), 0.0);
    assert_eq!(dot([1.0, 1.0], [1.0, 2f32.powi(-24)], 1.0), 2.0);
    for (a, b, c, expected) in [
        ([next, 0.0], [1.0, 1.0], 0.0, 0.0f32),
        ([0.0, 0.0], [1.0, 1.0], -next, 0.0),
        ([min, 0.0], [0.5, 1.0], 0.0, 0.0),
        ([-min, 0.0], [0.5, 1.0], -0.0, -0.0),
        ([-min, 0.0], [2f32.powi(-24), 1.0], min, 0.0),
        ([-min, 0.0], [2f32.powi(-25), 1.0], min, min),
        ([min, 0.0], [1.0, 1.0], 0.0, min),
    ] {
        assert_eq!(dot(a, b, c).to_bits(), expected.to_bits(), "{a:?} {b:?} {c}");
    }
    assert!(dot([f32::INFINITY, 0.0], [1.0, 0.0], f32::NEG_INFINITY).is_nan());
}

#[test]
fn workers_share_a_counter() {
    let out = ran(
        "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i w = worker : i
         n = next [x + 0], 1 : i o = imul n, 8 : i p = iadd x, o : i write.w64 [p + 8], w }",
        32,
        3,
    );
    let mut expected = vec![0; 32];
    (expected[0], expected[16], expected[24]) = (3, 1, 2);
    assert_eq!(out, Ok(expected));
}

#[test]
fn carried_values_may_trade_places() {
    let out = ran(
        "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i a = const 1 : i b = const 2 : i
         c, d = loop t in 0..3 step 1 carry p = a, q = b { } yield q, p
         write.u8 [x + 0], c write.u8 [x + 1], d }",
        2,
        1,
    );
    assert_eq!(out, Ok(vec![2, 1]));
}

#[test]
fn leaving_memory_is_an_error_at_its_instruction() {
    let head = "machine m lanes 4 { slot 0 = pointer x x = arg 0 : i";
    let e = ran(&format!("{head} a = load.w32 [x + 4] : w }}"), 16, 1).unwrap_err();
    assert_eq!(
        e,
        "in kernel m, worker 0: `a = load.w32 [x + 4] : w`: 4 bytes at byte 16 of region 0, which has 16"
    );
    let e = ran(&format!("{head} a = const 5 : i write.u8 [a + 0], a }}"), 16, 1).unwrap_err();
    assert!(e.ends_with("address 0x5 is in no region"), "{e}");
    let e = ran(&format!("{head} z = const 0 : i a = idiv x, z : i }}"), 0, 1).unwrap_err();
    assert!(e.ends_with("the divisor is not positive"), "{e}");
    let e = ran(&format!("{head} z = const 0 : i loop t in 0..1 step z {{ }} }}"), 0, 1);
    assert!(e.unwrap_err().ends_with("loop t: step 0 is not positive"));
    let text = "machine m lanes 4 { slot 0 = pointer x slot 1 = scratch s = arg 1 : i }";
    let e = ran(text, 0, 1).unwrap_err();
    assert!(e.ends_with("the caller gave 1"), "{e}");
}
