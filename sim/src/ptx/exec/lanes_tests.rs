use super::*;

fn at2(f: F2, a: u64, b: u64) -> u64 {
    f(&[a; 32], &[b; 32])[31]
}

fn at3(f: F3, a: u64, b: u64, c: u64) -> u64 {
    f(&[a; 32], &[b; 32], &[c; 32])[0]
}

const MINUS: u64 = 0xffff_ffff;

#[test]
fn arithmetic_wraps_and_widens() {
    for (f, a, b, expected) in [
        (add(32), MINUS, 2, 1),
        (add(16), 0xffff, 1, 0),
        (add(64), u64::MAX, 1, 0),
        (sub(32), 0, 1, MINUS),
        (add_clamped(), 0x7fff_ffff, 1, 0x7fff_ffff),
        (sub_clamped(), 0x8000_0000, 1, 0x8000_0000),
        (mul(32), 0x1_0001, 0x1_0001, 0x2_0001),
        (mul_high(32, false), MINUS, MINUS, 0xffff_fffe),
        (mul_high(32, true), MINUS, MINUS, 0),
        (mul_high(64, false), u64::MAX, 2, 1),
        (mul_high(64, true), u64::MAX, 2, u64::MAX),
        (mul_high(16, true), 0x8000, 0x8000, 0x4000),
        (mul_wide(32, true), MINUS, 5, 5u64.wrapping_neg()),
        (mul_wide(32, false), MINUS, 5, 5 * MINUS),
        (mul_wide(16, true), 0xffff, 2, 0xffff_fffe),
        (mul24(false, false), 0x1ff_ffff, 2, 0x1ff_fffe),
        (mul24(true, true), 0x80_0000, 0x80_0000, 0x4000_0000),
        (div(32, true), 0xffff_fff9, 2, 0xffff_fffd),
        (div(32, false), 7, 0, MINUS),
        (rem(32, true), 0xffff_fff9, 2, MINUS),
        (rem(16, false), 7, 0, 7),
        (min(32, true), MINUS, 1, MINUS),
        (min(32, false), MINUS, 1, 1),
        (max(64, true), u64::MAX, 1, 1),
        (shl(32), 1, 31, 0x8000_0000),
        (shl(32), 1, 32, 0),
        (shl(16), 1, 15, 0x8000),
        (shl(64), 1, 70, 0),
        (shr(32, true), 0x8000_0000, 40, MINUS),
        (shr(32, false), 0x8000_0000, 40, 0),
        (shr(16, true), 0x8000, 3, 0xf000),
        (ones(false), 4, 8, 0xff0),
        (ones(false), 30, 40, 0xc000_0000),
        (ones(true), 4, 40, 0xff0),
    ] {
        assert_eq!(at2(f, a, b), expected, "{a:x} {b:x}");
    }
}

#[test]
fn bits_are_extracted_inserted_and_found() {
    for (f, a, b, c, expected) in [
        (extract(32, false), 0xabcd_1234, 8, 8, 0x12),
        (extract(32, true), 0x0000_8000, 8, 8, 0xffff_ff80),
        (extract(32, true), 0x8000_0000, 28, 8, 0xffff_fff8),
        (extract(32, false), 0xf, 0, 0, 0),
        (extract(64, false), 0xf0 << 56, 60, 4, 0xf),
        (funnel(true, false), 0x8000_0000, 1, 1, 3),
        (funnel(false, true), 0x1, 0x3, 33, 0x8000_0000),
        (funnel(false, false), 0, 7, 40, 7),
        (sad(32, true), MINUS, 2, 10, 13),
        (sad(32, false), 1, 2, 10, 11),
        (permute(None).unwrap(), 0x4433_2211, 0x8877_6655, 0x7540, 0x8866_5511),
        (permute(None).unwrap(), 0x80, 0, 0x8888, MINUS),
        (permute(Some("f4e")).unwrap(), 0x4433_2211, 0x8877_6655, 1, 0x5544_3322),
        (permute(Some("b4e")).unwrap(), 0x4433_2211, 0x8877_6655, 1, 0x7788_1122),
        (permute(Some("rc16")).unwrap(), 0x4433_2211, 0, 1, 0x4433_4433),
        (permute(Some("ecl")).unwrap(), 0x4433_2211, 0, 2, 0x4433_3333),
        (permute(Some("ecr")).unwrap(), 0x4433_2211, 0, 1, 0x2222_2211),
        (permute(Some("rc8")).unwrap(), 0x4433_2211, 0, 2, 0x3333_3333),
        (mad(32), 3, 4, 5, 17),
        (mad_high(32, true), MINUS, 1, 5, 4),
        (mad_high(32, false), MINUS, 2, 5, 6),
        (mad_wide(32, true), MINUS, 1, 0, u64::MAX),
        (mad_wide(32, false), MINUS, 1, 1, 1 << 32),
        (dot(true, false, true, true), 0xff02_0304, 0x0201_0101, 100, 100 - 2 + 9),
        (dot(true, false, false, false), 0xff, 0xff, 0, 255 * 255),
        (dot(false, false, true, true), 0xffff_0002, 0x0000_0503, 0, 1),
        (dot(false, true, true, false), 0x0001_0002, 0xff01_0000, 0, 257),
    ] {
        assert_eq!(at3(f, a, b, c), expected, "{a:x} {b:x} {c:x}");
    }
    assert!(permute(Some("x")).is_none());
    assert_eq!(insert(0xff, 0, 4, 4, 32), 0xf0);
    assert_eq!(insert(0xff, 0, 28, 8, 32), 0xf000_0000);
    assert_eq!(find(32, false, false)(&[8; 32])[0], 3);
    assert_eq!(find(32, true, false)(&[MINUS; 32])[0], MINUS);
    assert_eq!(find(32, false, true)(&[1; 32])[0], 31);
    assert_eq!(leading_zeros(32)(&[1; 32])[0], 31);
    assert_eq!(reverse(32)(&[1; 32])[0], 0x8000_0000);
    // 0xf0 is a alone; 0xe8 is the majority of three.
    assert_eq!(lop3(0xff00, 0xf0f0, 0xcccc, 0xf0), 0xff00);
    assert_eq!(lop3(0b0011, 0b0101, 0b1001, 0xe8), 0b0001);
}

#[test]
fn windows_hold_generic_addresses() {
    let shared = generic_of_shared(&[64; 32]);
    assert_eq!(shared[0] >> 40, 1);
    assert_eq!(inside_window(&shared)[3], 64);
    assert_eq!(inside_window(&[9 << 40; 32])[0], 9 << 40);
}
