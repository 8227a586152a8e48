//! Known answers, worked out by hand: one element of A and one of B are not zero; where is the product?
//!
//! PTX ISA, "Warp-level matrix instructions: mma", the section of each shape, its formulas of row and column. For
//! `m16n8k16` with f16: a5 of lane 13 is A[3][11] (group 3, thread 1: `4 <= i < 6` is row group, `i >= 4` is column
//! 2 * 1 + 1 + 8), b3 of lane 25 is B[11][6], and D[3][6] is c0 of lane 15.

use super::Mma;

/// Lane and element of A, of B, and of the result.
struct Answer(&'static str, [usize; 2], [usize; 2], [usize; 2]);

#[rustfmt::skip] // one per row
const ANSWERS: &[Answer] = &[
    // "m8n8k4 with .f16": A[6][3] B[3][1] of lanes 0..4 and 16..20; A[5][2] B[2][3] of lanes 8..12 and 24..28.
    Answer("m8n8k4.row.col.f32.f16.f16.f32", [18, 3], [1, 3], [16, 3]),
    Answer("m8n8k4.col.row.f16.f16.f16.f16", [26, 1], [10, 3], [25, 3]),
    // The same with the upper columns: A[1][0] B[0][7] of lanes 12..16 and 28..32; f32 D[1][7] has i = 4 + 1, lane & 2.
    Answer("m8n8k4.row.row.f32.f16.f16.f32", [13, 0], [28, 3], [15, 5]),
    Answer("m8n8k4.col.col.f32.f16.f16.f16", [12, 1], [31, 0], [15, 5]),
    // "m16n8k8": A[10][3] B[3][5]; bf16 A[1][0] B[0][4]; tf32 A[10][3] B[3][6] and A[0][5] B[5][7].
    Answer("m16n8k8.row.col.f32.f16.f16.f32", [9, 3], [21, 1], [10, 3]),
    Answer("m16n8k8.row.col.f16.f16.f16.f16", [9, 3], [21, 1], [10, 3]),
    Answer("m16n8k8.row.col.f32.bf16.bf16.f32", [4, 0], [16, 0], [6, 0]),
    Answer("m16n8k8.row.col.f32.tf32.tf32.f32", [11, 1], [27, 0], [11, 2]),
    Answer("m16n8k8.row.col.f32.tf32.tf32.f32", [1, 2], [29, 1], [3, 1]),
    // "m16n8k4", tf32: A[9][2] B[2][3].
    Answer("m16n8k4.row.col.f32.tf32.tf32.f32", [6, 1], [14, 0], [5, 3]),
    // "m16n8k16 with floating point type": A[3][11] B[11][6], A[13][4] B[4][7], A[15][15] B[15][0].
    Answer("m16n8k16.row.col.f32.f16.f16.f32", [13, 5], [25, 3], [15, 0]),
    Answer("m16n8k16.row.col.f32.f16.f16.f32", [22, 2], [30, 0], [23, 3]),
    Answer("m16n8k16.row.col.f16.f16.f16.f16", [22, 2], [30, 0], [23, 3]),
    Answer("m16n8k16.row.col.f32.bf16.bf16.f32", [31, 7], [3, 3], [28, 2]),
    // "m16n8k16 with integer type", also of 8-bit floats: A[9][14] B[14][2].
    Answer("m16n8k16.row.col.s32.s8.s8.s32", [7, 6], [11, 2], [5, 2]),
    Answer("m16n8k16.row.col.f32.e4m3.e4m3.f32", [7, 6], [11, 2], [5, 2]),
    // "m16n8k32", 8 bits: A[12][25] B[25][2].
    Answer("m16n8k32.row.col.s32.s8.u8.s32", [18, 13], [10, 5], [17, 2]),
    Answer("m16n8k32.row.col.satfinite.s32.u8.s8.s32", [18, 13], [10, 5], [17, 2]),
    Answer("m16n8k32.row.col.f32.e4m3.e5m2.f32", [18, 13], [10, 5], [17, 2]),
    Answer("m16n8k32.row.col.f16.e5m2.e4m3.f16", [18, 13], [10, 5], [17, 2]),
    // "m8n8k16": A[7][9] B[9][3].
    Answer("m8n8k16.row.col.s32.u8.u8.s32", [30, 1], [14, 1], [29, 1]),
    // "m8n8k32": A[1][14] B[14][2]. "m16n8k32", 4 bits: A[11][20] B[20][6]. "m16n8k64": A[12][43] B[43][1].
    Answer("m8n8k32.row.col.s32.s4.u4.s32", [5, 6], [9, 6], [5, 0]),
    Answer("m16n8k32.row.col.s32.u4.s4.s32", [14, 12], [26, 4], [15, 2]),
    Answer("m16n8k64.row.col.s32.s4.s4.s32", [17, 27], [5, 11], [16, 3]),
    // "m8n8k128": A[1][101] B[101][5]. "m16n8k128": A[8][72] B[72][1]. "m16n8k256": A[13][164] B[164][4].
    Answer("m8n8k128.row.col.s32.b1.b1.s32.and.popc", [7, 5], [23, 5], [6, 1]),
    Answer("m16n8k128.row.col.s32.b1.b1.s32.and.popc", [2, 40], [6, 8], [0, 3]),
    Answer("m16n8k256.row.col.s32.b1.b1.s32.and.popc", [21, 100], [17, 36], [22, 2]),
    // "m8n8k4 with .f64": A[5][2] B[2][7]. "m16n8k4": A[9][3] B[3][0]. "m16n8k8": A[1][7] B[7][6]. "m16n8k16": A[10][5] B[5][3].
    Answer("m8n8k4.row.col.f64.f64.f64.f64", [22, 0], [30, 0], [23, 1]),
    Answer("m16n8k4.row.col.f64.f64.f64.f64", [7, 1], [3, 0], [4, 2]),
    Answer("m16n8k8.row.col.f64.f64.f64.f64", [7, 2], [27, 1], [7, 0]),
    Answer("m16n8k16.row.col.f64.f64.f64.f64", [9, 3], [13, 1], [9, 3]),
];

/// The codes of 2, 3 and 6, and their width.
fn codes(name: &str) -> (u64, [u64; 3]) {
    match name {
        "f64" => (64, [2f64, 3.0, 6.0].map(f64::to_bits)),
        "f32" | "tf32" => (32, [2f32, 3.0, 6.0].map(|x| x.to_bits().into())),
        "f16" => (16, [0x4000, 0x4200, 0x4600]),
        "bf16" => (16, [0x4000, 0x4040, 0x40c0]),
        "e4m3" => (8, [0x40, 0x44, 0x4c]),
        "e5m2" => (8, [0x40, 0x42, 0x46]),
        "s32" => (32, [2, 3, 6]),
        "s8" | "u8" => (8, [2, 3, 6]),
        "s4" | "u4" => (4, [2, 3, 6]),
        "b1" => (1, [1, 1, 1]),
        other => panic!("{other}"),
    }
}

/// Registers with one element set.
fn one(registers: usize, [lane, i]: [usize; 2], bits: u64, code: u64) -> Vec<[u32; 32]> {
    let mut all = vec![[0; 32]; registers];
    let at = i * bits as usize;
    all[at / 32][lane] |= (code as u32) << (at % 32);
    if bits == 64 {
        all[at / 32 + 1][lane] = (code >> 32) as u32;
    }
    all
}

#[test]
fn one_product_is_where_the_specification_says() {
    for Answer(name, a, b, d) in ANSWERS {
        let mma = Mma::parse(&format!("mma.sync.aligned.{name}")).unwrap();
        let types: Vec<&str> = name.split('.').filter(|w| w.len() > 1).collect();
        let types = &types[types.iter().position(|w| codes_known(w)).unwrap()..];
        let [registers_d, registers_a, registers_b, registers_c] = mma.registers();
        let (bits_d, [_, _, six]) = codes(types[0]);
        let (bits_a, [two, ..]) = codes(types[1]);
        let (bits_b, [_, three, _]) = codes(types[2]);
        let left = one(registers_a, *a, bits_a, two);
        let c = vec![[0; 32]; registers_c];
        let six = if types[1] == "b1" { 1 } else { six };
        let got = mma.run(&left, &one(registers_b, *b, bits_b, three), &c);
        assert_eq!(got, one(registers_d, *d, bits_d, six), "{name}");
        // Wherever else the element of B is, the product is elsewhere or nowhere: eight columns meet the element of A.
        let elements = 32 * registers_b / bits_b as usize;
        let mut met = 0;
        for lane in 0..32 {
            for i in 0..elements {
                let got = mma.run(&left, &one(registers_b, [lane, i], bits_b, three), &c);
                let nonzero = got.as_flattened().iter().filter(|w| **w != 0).count();
                assert!(nonzero <= 1);
                met += nonzero;
                let same = got == one(registers_d, *d, bits_d, six);
                assert_eq!(same, [lane, i] == *b, "{name} {lane} {i}");
            }
        }
        assert_eq!(met, 8, "{name}");
    }
}

fn codes_known(word: &str) -> bool {
    ["f64", "f32", "f16", "s32"].contains(&word)
}

#[test]
fn single_bits_that_differ_are_counted() {
    let parse = |name: &str| Mma::parse(&format!("mma.sync.aligned.{name}")).unwrap();
    let xor = parse("m16n8k256.row.col.s32.b1.b1.s32.xor.popc");
    let and = parse("m16n8k256.row.col.s32.b1.b1.s32.and.popc");
    let mut c = vec![[0; 32]; 4];
    c[3][9] = 1000;
    // All of A is 0x0f.., of B 0x3c..: a byte differs in 4 bits and shares 2.
    let (a, b) = (vec![[0x0f0f_0f0f; 32]; 4], vec![[0x3c3c_3c3c; 32]; 2]);
    let (x, y) = (xor.run(&a, &b, &c), and.run(&a, &b, &c));
    assert_eq!((x[0][0], x[3][9], y[0][0], y[3][9]), (128, 1128, 64, 1064));
}

#[test]
fn integers_wrap_or_stop() {
    let parse = |name: &str| Mma::parse(&format!("mma.sync.aligned.{name}")).unwrap();
    let wrap = parse("m16n8k32.row.col.s32.s8.s8.s32");
    let stop = parse("m16n8k32.row.col.satfinite.s32.s8.s8.s32");
    // 32 products of -128 and -128, then of -128 and 127.
    let a = vec![[0x8080_8080; 32]; 4];
    let c = vec![[i32::MAX as u32; 32]; 4];
    let b = vec![[0x8080_8080; 32]; 2];
    assert_eq!(wrap.run(&a, &b, &c)[2][5] as i32, i32::MIN + 32 * 128 * 128 - 1);
    assert_eq!(stop.run(&a, &b, &c)[2][5] as i32, i32::MAX);
    let b = vec![[0x7f7f_7f7f; 32]; 2];
    let c = vec![[i32::MIN as u32; 32]; 4];
    assert_eq!(stop.run(&a, &b, &c)[0][31] as i32, i32::MIN);
    // The same codes without signs.
    let unsigned = parse("m16n8k32.row.col.s32.u8.s8.s32");
    let c = vec![[0; 32]; 4];
    assert_eq!(unsigned.run(&a, &b, &c)[1][0] as i32, 32 * 128 * 127);
    assert_eq!(wrap.run(&a, &b, &c)[1][0] as i32, -32 * 128 * 127);
}

#[test]
fn sums_round_once() {
    let parse = |name: &str| Mma::parse(&format!("mma.sync.aligned.{name}")).unwrap();
    // A row of 1, 2^-11, .. times ones: 1 + 15 * 2^-11, which f16 would lose at every step.
    let mma = parse("m16n8k16.row.col.f16.f16.f16.f16");
    let mut a = vec![[0x1000_1000; 32]; 4];
    for lane in (0..32).step_by(4) {
        a[0][lane] = 0x1000_3c00;
    }
    let b = vec![[0x3c00_3c00; 32]; 2];
    let d = mma.run(&a, &b, &[[0; 32]; 2]);
    // 1 + 7.5 * 2^-10, a tie, goes to the even 8.
    assert_eq!(d[0][0], 0x3c08_3c08);
    // Overflow, NaN and infinity of f16 and f32.
    let a = vec![[0x7bff_7bff; 32]; 4];
    assert_eq!(mma.run(&a, &b, &[[0; 32]; 2])[1][3], 0x7c00_7c00);
    let a = vec![[0xfc00_7c00; 32]; 4];
    assert_eq!(mma.run(&a, &b, &[[0; 32]; 2])[1][3], 0x7fff_7fff);
    let wide = parse("m16n8k16.row.col.f32.bf16.bf16.f32");
    let a = vec![[0x7f80_7f80; 32]; 4];
    let b = vec![[0x3f80_3f80; 32]; 2];
    assert_eq!(wide.run(&a, &b, &[[0; 32]; 4])[0][0], 0x7f80_0000);
    assert_eq!(wide.run(&a, &b, &[[0xff80_0000; 32]; 4])[0][0], 0x7fff_ffff);
    // tf32 reads 10 bits of mantissa.
    let tf32 = parse("m16n8k8.row.col.f32.tf32.tf32.f32");
    let (a, b) = (vec![[0x3f80_1fff; 32]; 4], vec![[0x3f80_0000; 32]; 2]);
    assert_eq!(tf32.run(&a, &b, &[[0; 32]; 4])[0][0], 8f32.to_bits());
}
