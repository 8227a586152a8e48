use super::super::{random, rows};
use super::*;
use crate::{
    format::Format,
    lex::{Lexer, Parsed},
};
use proptest::prelude::*;

fn weight(format: &Format, n: usize, k: usize, seed: u64) -> Vec<u8> {
    let mut next = random::numbers(seed);
    (0..n * k / format.block).flat_map(|_| format.random_block(&mut next)).collect()
}

fn parse(text: &str) -> Parsed<Packing> {
    let mut lexer = Lexer::new(text)?;
    let packing = Packing::read(&mut lexer)?;
    if lexer.at_end() { Ok(packing) } else { lexer.error("more than a packing") }
}

/// Every value of the packed weight is the value of the stored one, bit for bit, and rows beyond it are 0.
fn check(packing: &Packing, format: &Format, n: usize, k: usize) {
    let bytes = weight(format, n, k, (n * 31 + k) as u64);
    let packed = packing.pack(format, &bytes, n, k).unwrap();
    let sizes = packing.sizes(n, k).unwrap();
    assert_eq!(packed.len(), sizes.bytes);
    assert_eq!(packing.bytes(n, k).unwrap(), sizes.bytes);
    let values: Vec<f32> =
        bytes.chunks(format.bytes).flat_map(|b| format.decode(b).unwrap()).collect();
    let get = |row, at| packing.unpack_value(&sizes, &packed, row, at).unwrap().to_bits();
    for row in 0..n {
        for at in 0..k {
            let place = format!("{} {packing}: {row} {at}", format.name);
            assert_eq!(get(row, at), values[row * k + at].to_bits(), "{place}");
        }
    }
    for row in n..n.next_multiple_of(packing.lanes) {
        for at in 0..k {
            assert_eq!(f32::from_bits(get(row, at)), 0.0);
        }
    }
    assert_eq!(packing.unpack_value(&sizes, &packed, n.next_multiple_of(packing.lanes), 0), None);
    assert_eq!(packing.unpack_value(&sizes, &packed, 0, k), None);
}

#[test]
fn packing_changes_no_value() {
    for format in rows::all() {
        for lanes in [1, 3, 4, 8, 16] {
            let packing = Packing::for_format(format, lanes).unwrap();
            let dense = [false, true].map(|t| Packing::dense(format, lanes, t).unwrap());
            for n in [0, 1, lanes - 1, lanes, lanes + 1, 2 * lanes + 1] {
                for blocks in [0, 1, 3] {
                    for packing in [&packing].into_iter().chain(&dense) {
                        check(packing, format, n, blocks * format.block);
                    }
                }
            }
        }
    }
}

#[test]
fn formats_choose_their_packing() {
    let known = [
        ("q4_0", "u4 lanes 4 group 32 scale f16 zero 8"),
        ("q4_1", "u4 lanes 4 group 32 scale f16 min f16"),
        ("q8_0", "u8 lanes 4 group 32 scale f16 zero 128"),
        ("q4_k", "u4 lanes 4 group 32 scale f32 min f32"),
        ("q6_k", "u6 lanes 4 group 16 scale f32 zero 32"),
        ("q5_1", "u5 lanes 4 group 32 scale f16 min f16"),
        ("q2_k", "u2 lanes 4 group 16 scale f32 min f32"),
        ("q3_k", "u4 lanes 4 group 16 scale f32 zero 4"),
        ("q5_k", "u5 lanes 4 group 32 scale f32 min f32"),
        ("tq1_0", "u2 lanes 4 group 256 scale f16 zero 1"),
        ("tq2_0", "u2 lanes 4 group 256 scale f16 zero 1"),
        ("f32", "f32 lanes 4 group 1"),
        ("f16", "f16 lanes 4 group 1"),
        ("bf16", "bf16 lanes 4 group 1"),
    ];
    for (name, text) in known {
        assert_eq!(Packing::for_format(rows::find(name).unwrap(), 4).unwrap().to_string(), text);
    }
}

/// The dense packing of each format has the bytes of its blocks, in lanes whose words are whole; but for inner factors
/// of six bits, which are bytes.
#[test]
fn dense_packings_have_the_bytes_of_the_blocks() {
    let known = [
        ("q4_0", "u4 lanes 16 group 32 scale f16 zero 8"),
        ("q5_0", "u5 lanes 16 group 32 scale f16 zero 16"),
        ("q2_k", "u2 lanes 16 group 256 scale f16 min f16 inner 16 scale u4 min u4"),
        ("q3_k", "u3 lanes 16 group 256 scale f16 zero 4 inner 16 scale u6 less 32"),
        ("q4_k", "u4 lanes 16 group 256 scale f16 min f16 inner 32 scale u6 min u6"),
        ("q5_k", "u5 lanes 16 group 256 scale f16 min f16 inner 32 scale u6 min u6"),
        ("q6_k", "u6 lanes 16 group 256 scale f16 zero 32 inner 16 scale u8 less 128"),
        ("tq1_0", "u2 trits lanes 16 group 256 scale f16 zero 1"),
        ("tq2_0", "u2 lanes 16 group 256 scale f16 zero 1"),
    ];
    for (name, text) in known {
        let packing = Packing::dense(rows::find(name).unwrap(), 16, true).unwrap();
        assert_eq!(packing.to_string(), text);
        assert_eq!(parse(text), Ok(packing));
    }
    for format in rows::FORMATS {
        let packing = Packing::dense(format, 16, true).unwrap();
        let more = match format.name {
            "q3_k" | "q4_k" | "q5_k" => 4,
            _ => 0,
        };
        let blocks = 256 / format.block * format.bytes;
        assert_eq!(packing.bytes(16, 256), Ok(16 * (blocks + more)), "{packing}");
    }
}

#[test]
fn five_trits_a_byte() {
    for number in 0..243u32 {
        let digits: Vec<i32> = (0..5).map(|p| (number / 3u32.pow(p) % 3) as i32).collect();
        let codes: Vec<i32> = digits.iter().flat_map(|d| [*d, 0, 1, 2]).collect();
        let [byte, ..] = codes::trits(&codes, 0);
        let back: Vec<i32> = (0..5).map(|p| codes::trit(byte, p)).collect();
        assert_eq!(back, digits, "{number} as {byte}");
    }
    // Behind the last code stand zeros.
    assert_eq!(codes::trits(&[2], 0), [2, 0, 0, 0]);
}

/// A bit a code; in nibbles those of four neighbours, four nibbles of a word in the low halves of its bytes.
#[test]
fn signs_by_hand() {
    let row = "u2 signs lanes 2 group 32 scale f16 zero 1";
    let nibbles = "u2 signs lanes 2 group 32 scale f16 zero 1 order nibbles";
    assert_eq!(parse(row).unwrap().nibbles(), Some(parse(nibbles).unwrap()));
    assert_eq!(parse("u2 lanes 2 group 32 scale f16 zero 1").unwrap().nibbles(), None);
    for (text, places) in [
        (row, [(0, 0), (1, 0), (3, 0), (0, 1), (0, 4), (3, 7)]),
        (nibbles, [(0, 0), (0, 1), (0, 3), (1, 0), (0, 4), (3, 7)]),
    ] {
        let p = parse(text).unwrap();
        let s = p.sizes(2, 32).unwrap();
        assert_eq!((p.word(), s.container, s.group), (32, 8, 12), "{text}");
        for (k, (byte, bit)) in [0, 1, 3, 4, 16, 31].into_iter().zip(places) {
            let wanted = codes::Bits { byte: 4 + byte, bit, width: 1, low: 1 };
            assert_eq!(p.offset_codes(&s, 1, k), Some(vec![wanted]), "{text}: {k}");
        }
    }
    let codes: Vec<i32> = (0..32).map(|k| if [1, 4, 16].contains(&k) { 2 } else { 0 }).collect();
    assert_eq!(codes::nibbles(&codes, 0), 0b10 | 1 << 8 | 1 << 4);
}

#[test]
fn a_packing_may_be_wider_than_its_format() {
    for (name, text) in [
        ("q4_0", "u8 lanes 4 group 32 scale f32 zero 8"),
        ("q4_0", "u4 lanes 8 group 16 scale f16 zero 8"),
        ("q4_1", "u4 lanes 4 group 8 scale f32 min f16"),
        ("q4_1", "u4 lanes 1 group 32 scale f16 min f32"),
        ("q6_k", "u8 lanes 2 group 4 scale f32 zero 32"),
    ] {
        check(&parse(text).unwrap(), rows::find(name).unwrap(), 5, 256);
    }
}

/// Zeros stand behind the last element, and nothing behind those.
#[test]
fn pairs_by_hand() {
    let packing = parse("bf16 lanes 2 group 4").unwrap();
    assert_eq!(packing, Packing::pairs_of(2, 4).unwrap());
    assert!(packing.is_pairs() && packing.word() == 2);
    let row: [f32; 3] = [1.0, -2.0, 0.5];
    for (format, bytes) in [
        ("f32", row.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
        ("f16", row.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect()),
        ("bf16", row.iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect()),
    ] {
        let format = rows_format(format);
        let packed = packing.pack(format, &bytes, 1, 3).unwrap();
        let words: Vec<u16> = packed.chunks(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        assert_eq!(words, [0x3f80, 0xc000, 0, 0, 0x3f00, 0, 0, 0], "{}", format.name);
    }
    // To nearest even; a NaN stays one.
    let f32s = |x: f32| x.to_le_bytes();
    let format = rows_format("f32");
    let odd = [f32s(1.0 + 3.0 / 256.0), f32s(1.0 + 1.0 / 256.0), f32s(f32::NAN), f32s(-0.0)];
    let packed = packing.pack(format, &odd.concat(), 1, 4).unwrap();
    let sizes = packing.sizes(1, 4).unwrap();
    let get = |k| packing.unpack_value(&sizes, &packed, 0, k).unwrap();
    assert_eq!((get(0), get(1)), (1.0 + 4.0 / 256.0, 1.0));
    assert!(get(2).is_nan() && get(3) == 0.0 && get(3).is_sign_negative());
    let error = Packing::pairs_of(4, 3).unwrap_err().to_string();
    assert!(error.starts_with("the packing `bf16 lanes 4 group 3` is none"), "{error}");
    let q8_0 = rows_format("q8_0");
    assert!(packing.pack(q8_0, &[0; 34], 1, 32).is_err());
}

fn rows_format(name: &str) -> &'static Format {
    rows::find(name).unwrap()
}

#[test]
fn q4_0_by_hand() {
    // One row, code e = e % 16 except for the last: element e is in container e / 8, field e / 4 % 2, byte e % 4.
    let mut block = vec![0x00, 0x3c];
    block.extend((0u8..16).map(|i| i << 4 | i));
    let packing = parse("u4 lanes 2 group 32 scale f16 zero 8").unwrap();
    let packed = packing.pack(rows::find("q4_0").unwrap(), &block, 1, 32).unwrap();
    let mut wanted = Vec::new();
    for first in [0x40, 0xc8, 0x40, 0xc8u8] {
        wanted.extend((0..4).map(|j| first + 0x11 * j));
        wanted.extend([0; 4]);
    }
    wanted.extend([0x00, 0x3c, 0, 0]);
    assert_eq!(packed, wanted);
}

#[test]
fn sizes_and_offsets() {
    let packing = parse("u4 lanes 4 group 32 scale f16 min f16").unwrap();
    let s = packing.sizes(9, 64).unwrap();
    assert_eq!((s.container, s.scale, s.min, s.group, s.block), (16, Some(64), Some(72), 80, 160));
    assert_eq!(s.bytes, 3 * 160);
    assert_eq!((packing.group_stride(), packing.block_stride(64)), (Ok(80), Ok(160)));
    assert_eq!(
        packing.offset_codes(&s, 5, 32 + 13),
        Some(vec![Bits { byte: 160 + 80 + 16 + 4 + 1, bit: 4, width: 4, low: 0 }])
    );
    assert_eq!(packing.offset_scale(&s, 5, 32), Some(160 + 80 + 64 + 2));
    assert_eq!(packing.offset_min(&s, 5, 63), Some(160 + 80 + 72 + 2));
    assert_eq!(packing.offset_codes(&s, 12, 0), None);
    assert_eq!(packing.offset_scale(&s, 0, 64), None);
    // One lane: two bytes of scale, then two to the next multiple of four, where a min f32 begins as well.
    assert_eq!(parse("u8 lanes 1 group 4 scale f16").unwrap().group_stride(), Ok(8));
    let s = parse("u8 lanes 1 group 4 scale f16 min f32").unwrap().sizes(1, 4).unwrap();
    assert_eq!((s.scale, s.min, s.group), (Some(4), Some(8), 12));
    // Floats are dense.
    let s = parse("f16 lanes 3 group 1").unwrap().sizes(4, 5).unwrap();
    assert_eq!((s.container, s.group, s.block, s.bytes), (6, 6, 30, 60));
}

#[test]
fn each_element_has_its_own_bits() {
    for text in [
        "u1 lanes 2 group 32 scale f16",
        "u2 lanes 3 group 32 scale f32 min f16",
        "bf16 lanes 3 group 1",
        "u5 lanes 2 group 32 scale f16",
        "u3 lanes 3 group 64 scale f16",
        "u7 lanes 1 group 32 scale f16 min f16",
        "u6 lanes 2 group 64 scale f16 inner 16 scale u8",
    ] {
        let packing = parse(text).unwrap();
        let s = packing.sizes(5, 64).unwrap();
        let mut owners = vec![0u8; s.bytes * 8];
        for n in 0..5usize.next_multiple_of(packing.lanes) {
            for k in 0..64 {
                for bits in packing.offset_codes(&s, n, k).unwrap() {
                    for b in 0..bits.width {
                        owners[bits.byte * 8 + (bits.bit + b) as usize] += 1;
                    }
                }
                if k % packing.group == 0 {
                    for (at, dtype) in [
                        (packing.offset_scale(&s, n, k), packing.scale),
                        (packing.offset_min(&s, n, k), packing.min),
                    ] {
                        if let (Some(at), Some(dtype)) = (at, dtype) {
                            let bits = at * 8..at * 8 + dtype.bits() as usize;
                            owners[bits].iter_mut().for_each(|o| *o += 1);
                        }
                    }
                }
            }
        }
        assert!(owners.iter().all(|&o| o <= 1), "{text}");
    }
}

#[test]
fn mistakes_of_a_caller_are_told() {
    let q4_0 = rows::find("q4_0").unwrap();
    let packing = Packing::for_format(q4_0, 4).unwrap();
    let told = |e: PackError, text: &str| assert_eq!(e.to_string(), text);
    told(
        packing.pack(q4_0, &[0; 17], 1, 32).unwrap_err(),
        "the weight: 18 bytes are wanted, 17 are given",
    );
    told(
        packing.pack(q4_0, &[0; 18], 1, 31).unwrap_err(),
        "rows of 31 elements are no whole number of blocks of 32",
    );
    told(
        packing.pack(q4_0, &[], usize::MAX, 32).unwrap_err(),
        "a weight of 18446744073709551615 rows of 32 elements is too large for this machine",
    );
    told(
        packing.bytes(1 << 40, 1 << 40).unwrap_err(),
        "a weight of 1099511627776 rows of 1099511627776 elements is too large for this machine",
    );
    told(
        packing.pack_block(q4_0, &[0; 18], 32, &mut [0; 71]).unwrap_err(),
        "a packed block of rows: 72 bytes are wanted, 71 are given",
    );
    told(
        packing.pack_block(q4_0, &[0; 90], 32, &mut [0; 72]).unwrap_err(),
        "a block of rows: 72 bytes are wanted, 90 are given",
    );
    let other = |text: &str, format: &str, why: &str| {
        let error = parse(text).unwrap().pack(rows::find(format).unwrap(), &[], 0, 0).unwrap_err();
        told(error, &format!("`{text}` does not hold {format}: {why}"));
    };
    other("u4 lanes 4 group 32 scale f16 zero 8", "q4_k", "its scales are f32");
    other("u4 lanes 4 group 32 scale f16 min f16 zero 8", "q4_0", "its mins are absent");
    other("u4 lanes 4 group 32 scale f16", "q4_0", "its zero is 8");
    other("u4 lanes 4 group 64 scale f16 zero 8", "q4_0", "its groups are 32");
    other("u4 lanes 4 group 32 scale f16 zero 128", "q8_0", "its elements are u8");
    other(
        "u4 lanes 4 group 256 scale f16 inner 32 scale u6",
        "q4_k",
        "it has no such inner groups",
    );
    other("u2 trits lanes 4 group 16 scale f32 min f32", "q2_k", "its codes are more than three");
    other("f32 lanes 4 group 1", "f16", "its elements are f32".replace("f32", "f16").as_str());
    let bad = Packing { lanes: 0, ..packing };
    told(
        bad.bytes(1, 1).unwrap_err(),
        "the packing `u4 lanes 0 group 32 scale f16 zero 8` is none: lanes are 1 to 1024, not 0",
    );
    let error = Packing::for_format(q4_0, 0).unwrap_err();
    assert!(error.to_string().starts_with("packing cannot do q4_0 in 0 lanes"), "{error}");
}

#[test]
fn mistakes_in_the_text_are_told() {
    for (text, message) in [
        ("u9 lanes 4 group 32", "`u9` is not an element type"),
        ("4", "expected an element type, found `4`"),
        ("u4 group 32", "expected `lanes`, found `group`"),
        ("u4 lanes group", "expected a number of lanes, found `group`"),
        ("u4 lanes -4 group 32", "a number of lanes is not -4"),
        ("u4 lanes 4 scale f16", "expected `group`, found `scale`"),
        ("u4 lanes 4 group 32 scale f16 zero 99999999", "no code is as far off as 99999999"),
        ("u4 lanes 2000 group 32 scale f16", "this packing is none: lanes are 1 to 1024, not 2000"),
        (
            "u4 lanes 4 group 0 scale f16",
            "this packing is none: a group is 1 to 1048576 elements, not 0",
        ),
        (
            "u4 lanes 4 group 32 scale i8",
            "this packing is none: scale and min are f32, f16 or bf16, not i8",
        ),
        (
            "u4 lanes 4 group 4 scale f16",
            "this packing is none: a group of 4 is no multiple of the 8 in a word",
        ),
        (
            "i8 lanes 4 group 32 scale f16",
            "this packing is none: elements are u1 to u8, f32, f16 or bf16, not i8",
        ),
        (
            "u3 lanes 4 group 48 scale f16",
            "this packing is none: a group of 48 is no multiple of the 32 in a word",
        ),
        ("u4 trits lanes 4 group 32 scale f16", "this packing is none: trits are u2, not u4"),
        (
            "u4 signs lanes 4 group 32 scale f16",
            "this packing is none: signs are u2, and nothing else",
        ),
        (
            "u2 signs lanes 4 group 16 scale f16",
            "this packing is none: a group of 16 is no multiple of the 32 in a word",
        ),
        (
            "u2 lanes 4 group 32 scale f16 order nibbles",
            "this packing is none: nibbles are of signs",
        ),
        (
            "u4 lanes 4 group 256 scale f16 inner 32 scale f16",
            "this packing is none: inner factors are u1 to u8, not f16",
        ),
        (
            "u4 lanes 4 group 256 scale f16 inner 48 scale u6",
            "this packing is none: a group of 256 has no inner groups of 48",
        ),
        (
            "u4 lanes 4 group 256 scale f16 min f16 inner 32 scale u6",
            "this packing is none: inner factors multiply a scale, and a min where there is one",
        ),
        (
            "u4 lanes 4 group 256 scale f16 inner 32 scale u6 less 31",
            "this packing is none: inner scales are less 0 or 32, not 31",
        ),
        (
            "u4 lanes 4 group 256 scale f16 inner 32 scale u6 less 99999999",
            "no code is as far off as 99999999",
        ),
        ("bf16 lanes 4 group 33", "this packing is none: floats have no group, scale, min, zero"),
        ("f16 lanes 4 group 32", "this packing is none: floats have no group, scale, min, zero"),
    ] {
        assert_eq!(parse(text).unwrap_err().message, message);
    }
}

proptest! {
    #[test]
    fn text_survives(
        elem in prop::sample::select(vec![Dtype::Code(1), Dtype::Code(2), Dtype::Code(4), Dtype::U8]),
        lanes in 1usize..=1024, words in 1usize..999, zero in -300i32..300,
        scale in prop::sample::select(vec![Dtype::F32, Dtype::F16, Dtype::BF16]),
        min in prop::option::of(prop::sample::select(vec![Dtype::F32, Dtype::F16])),
    ) {
        let packing = Packing { elem, trits: false, signs: false, lanes, group: words * 32, scale: Some(scale), min, zeros: None, zero, inner: None, order: Order::Lanes };
        prop_assert_eq!(parse(&packing.to_string()), Ok(packing));
    }

    #[test]
    fn no_text_makes_it_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "u4", "u8", "f16", "order", "halves", "bytes", "8", "lanes", "group", "scale", "min", "zero", "4", "32", "-", "1e9", "é", "_",
            "9223372036854775807", "99999999999999999999", "1048576", "0", ",", "\"",
        ]), 0..14),
        cut in 0usize..40,
    ) {
        let text: String = words.join(" ").chars().take(cut * 3).collect();
        if let Ok(packing) = parse(&text) {
            prop_assert_eq!(parse(&packing.to_string()), Ok(packing.clone()));
            let _ = packing.sizes(usize::MAX, usize::MAX);
        }
    }

    #[test]
    fn no_size_makes_it_panic(rows in any::<usize>(), k in any::<usize>(), lanes in any::<usize>(), group in any::<usize>()) {
        let packing = Packing { elem: Dtype::U8, trits: false, signs: false, lanes, group, scale: Some(Dtype::F16), min: None, zeros: None, zero: 0, inner: None, order: Order::Lanes };
        if let Ok(s) = packing.sizes(rows, k) {
            prop_assert!(s.bytes >= s.rows.saturating_mul(s.k) || s.bytes == 0);
            packing.offset_codes(&s, rows, k);
            packing.offset_codes(&s, rows.saturating_sub(1), k.saturating_sub(1));
        }
    }
}
