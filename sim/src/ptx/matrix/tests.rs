//! Whole products against the definition, by formulas spelled as the specification does, case by case.

use super::*;

fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    *state >> 33
}

type Formula = fn(usize, usize, usize) -> (usize, usize);

/// Name, then A, B and C: row and column by group, thread and element.
const FORMS: &[(&str, Formula, Formula, Formula)] = &[
    (
        "m16n8k16.row.col.f32.f16.f16.f32",
        |g, t, i| {
            let row = if i < 2 || (4..6).contains(&i) { g } else { g + 8 };
            (row, if i < 4 { t * 2 + (i & 1) } else { t * 2 + (i & 1) + 8 })
        },
        |g, t, i| (if i < 2 { t * 2 + (i & 1) } else { t * 2 + (i & 1) + 8 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k8.row.col.f32.bf16.bf16.f32",
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
        |g, t, i| (t * 2 + i, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k8.row.col.f32.tf32.tf32.f32",
        |g, t, i| (if i == 0 || i == 2 { g } else { g + 8 }, if i < 2 { t } else { t + 4 }),
        |g, t, i| (if i == 0 { t } else { t + 4 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k4.row.col.f32.tf32.tf32.f32",
        |g, t, i| (if i == 0 { g } else { g + 8 }, t),
        |g, t, _| (t, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k32.row.col.s32.s8.u8.s32",
        |g, t, i| {
            let row = if i < 4 || (8..12).contains(&i) { g } else { g + 8 };
            (row, if i < 8 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 })
        },
        |g, t, i| (if i < 4 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k16.row.col.s32.u8.s8.s32",
        |g, t, i| (if i < 4 { g } else { g + 8 }, t * 4 + (i & 3)),
        |g, t, i| (t * 4 + i, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m8n8k16.row.col.s32.s8.s8.s32",
        |g, t, i| (g, t * 4 + i),
        |g, t, i| (t * 4 + i, g),
        |g, t, i| (g, t * 2 + i),
    ),
    (
        "m16n8k64.row.col.s32.u4.s4.s32",
        |g, t, i| {
            let row = if i < 8 || (16..24).contains(&i) { g } else { g + 8 };
            (row, if i < 16 { t * 8 + (i & 7) } else { t * 8 + (i & 7) + 32 })
        },
        |g, t, i| (if i < 8 { t * 8 + (i & 7) } else { t * 8 + (i & 7) + 32 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k32.row.col.s32.s4.s4.s32",
        |g, t, i| (if i < 8 { g } else { g + 8 }, t * 8 + (i & 7)),
        |g, t, i| (t * 8 + i, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m8n8k32.row.col.s32.u4.u4.s32",
        |g, t, i| (g, t * 8 + i),
        |g, t, i| (t * 8 + i, g),
        |g, t, i| (g, t * 2 + i),
    ),
    (
        "m16n8k256.row.col.s32.b1.b1.s32.and.popc",
        |g, t, i| {
            let row = if i < 32 || (64..96).contains(&i) { g } else { g + 8 };
            (row, if i < 64 { t * 32 + (i & 31) } else { t * 32 + (i & 31) + 128 })
        },
        |g, t, i| (if i < 32 { t * 32 + (i & 31) } else { t * 32 + (i & 31) + 128 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k128.row.col.s32.b1.b1.s32.xor.popc",
        |g, t, i| (if i < 32 { g } else { g + 8 }, t * 32 + (i & 31)),
        |g, t, i| (t * 32 + i, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k32.row.col.f16.e4m3.e5m2.f16",
        |g, t, i| {
            let row = if i < 4 || (8..12).contains(&i) { g } else { g + 8 };
            (row, if i < 8 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 })
        },
        |g, t, i| (if i < 4 { t * 4 + (i & 3) } else { t * 4 + (i & 3) + 16 }, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m16n8k16.row.col.f64.f64.f64.f64",
        |g, t, i| if i % 2 == 0 { (g, i * 2 + t) } else { (g + 8, i * 2 - 2 + t) },
        |g, t, i| (t + i * 4, g),
        |g, t, i| (if i < 2 { g } else { g + 8 }, t * 2 + (i & 1)),
    ),
    (
        "m8n8k4.row.col.f64.f64.f64.f64",
        |g, t, _| (g, t),
        |g, t, _| (t, g),
        |g, t, i| (g, t * 2 + i),
    ),
];

/// A small whole number as the code of a type.
fn encode(name: &str, x: i64) -> (usize, u64) {
    let how = float::Conversion::nearest();
    match name {
        "s8" | "u8" => (8, x as u64 & 0xff),
        "s4" | "u4" => (4, x as u64 & 0xf),
        "s32" => (32, x as u64 & 0xffff_ffff),
        "b1" => (1, x as u64 & 1),
        "f64" => (64, (x as f64).to_bits()),
        _ => {
            let format = float::Format::parse(name).unwrap();
            ((format.bits + format.unused) as usize, format.encode(x as f64, how))
        }
    }
}

fn range(name: &str) -> std::ops::Range<i64> {
    match name {
        "b1" => 0..2,
        "u8" | "u4" => 0..16,
        "s4" => -8..8,
        "s8" => -9..9,
        // Whole numbers that e5m2 has, and whose sums f16 has.
        _ => -4..5,
    }
}

fn fill(types: &str, registers: usize, place: impl Fn(usize, usize) -> i64) -> Vec<[u32; 32]> {
    let mut all = vec![[0u32; 32]; registers];
    let (bits, _) = encode(types, 0);
    for at in 0..32 * (32 * registers / bits) {
        let (i, lane) = (at / 32, at % 32);
        let (_, code) = encode(types, place(lane, i));
        all[i * bits / 32][lane] |= (code as u32) << (i * bits % 32);
        if bits == 64 {
            all[2 * i + 1][lane] = (code >> 32) as u32;
        }
    }
    all
}

#[test]
fn products_are_what_the_definition_says() {
    let mut state = 1;
    for (name, at_a, at_b, at_c) in FORMS {
        let mma = Mma::parse(&format!("mma.sync.aligned.{name}")).unwrap();
        let words: Vec<&str> = name.split('.').collect();
        let (d, a, b) = (words[3], words[4], words[5]);
        let [m, n, k] = mma.shape();
        let mut random = |of: &str, count: usize| -> Vec<i64> {
            let range = range(of);
            let width = (range.end - range.start) as u64;
            (0..count).map(|_| range.start + (draw(&mut state) % width) as i64).collect()
        };
        let (left, right, sum) = (random(a, m * k), random(b, k * n), random("c", m * n));
        let [rd, ra, rb, rc] = mma.registers();
        let at = |f: &Formula, lane: usize, i: usize| f(lane >> 2, lane % 4, i);
        let take = |m: &[i64], (r, c): (usize, usize), cols: usize| m[r * cols + c];
        let got = mma.run(
            &fill(a, ra, |lane, i| take(&left, at(at_a, lane, i), k)),
            &fill(b, rb, |lane, i| take(&right, at(at_b, lane, i), n)),
            &fill(d, rc, |lane, i| take(&sum, at(at_c, lane, i), n)),
        );
        let expected = fill(d, rd, |lane, i| {
            let (row, col) = at(at_c, lane, i);
            let products = (0..k).map(|j| {
                let (x, y) = (left[row * k + j], right[j * n + col]);
                if name.contains("xor") { x ^ y } else { x * y }
            });
            sum[row * n + col] + products.sum::<i64>()
        });
        assert_eq!(got, expected, "{name}");
        for lane in 0..32 {
            for i in 0..32 * ra / encode(a, 0).0 {
                let place = mma.place(Matrix::A, lane, i);
                assert_eq!((place.product, place.row, place.col), {
                    let (row, col) = at(at_a, lane, i);
                    (0, row, col)
                });
            }
        }
    }
}

/// Four products at once, all layouts, both accumulators: PTX ISA, "m8n8k4 with .f16".
#[test]
fn volta_multiplies_four_times() {
    let mut state = 5;
    for (la, lb) in [("row", "col"), ("row", "row"), ("col", "col"), ("col", "row")] {
        for (d, c) in [("f32", "f32"), ("f32", "f16"), ("f16", "f16")] {
            let name = format!("mma.sync.aligned.m8n8k4.{la}.{lb}.{d}.f16.f16.{c}");
            let mma = Mma::parse(&name).unwrap();
            let mut random = |count: usize| -> Vec<i64> {
                (0..count).map(|_| (draw(&mut state) % 9) as i64 - 4).collect()
            };
            let (left, right, sum) = (random(4 * 32), random(4 * 32), random(4 * 64));
            let upper = |lane: usize| if lane < 16 { 0 } else { 4 };
            let q = |lane: usize| lane % 16 / 4;
            let at_sum = |of: &str, lane: usize, i: usize| match of {
                "f16" => (lane % 4 + upper(lane), i),
                _ => {
                    let row = (lane & 1) + (i & 2) + upper(lane);
                    (row, (i & 4) + (lane & 2) + (i & 1))
                }
            };
            let [rd, ra, rb, rc] = mma.registers();
            let a = fill("f16", ra, |lane, i| {
                let (row, col) = match la {
                    "row" => (lane % 4 + upper(lane), i),
                    _ => (i % 4 + upper(lane), lane % 4),
                };
                left[q(lane) * 32 + row * 4 + col]
            });
            let b = fill("f16", rb, |lane, i| {
                let (row, col) = match lb {
                    "col" => (i, lane % 4 + upper(lane)),
                    _ => (lane % 4, i % 4 + upper(lane)),
                };
                right[q(lane) * 32 + row * 8 + col]
            });
            let c = fill(c, rc, |lane, i| {
                let (row, col) = at_sum(c, lane, i);
                sum[q(lane) * 64 + row * 8 + col]
            });
            let expected = fill(d, rd, |lane, i| {
                let ((row, col), q) = (at_sum(d, lane, i), q(lane));
                let product = |j| left[q * 32 + row * 4 + j] * right[q * 32 + j * 8 + col];
                sum[q * 64 + row * 8 + col] + (0..4).map(product).sum::<i64>()
            });
            assert_eq!(mma.run(&a, &b, &c), expected, "{name}");
        }
    }
}

#[test]
fn small_floats_are_decoded_as_their_formats_say() {
    let same = |ours: f32, theirs: f64| {
        f64::from(ours).to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan()
    };
    for code in 0..=u16::MAX {
        assert!(same(half(code), float::F16.decode(code.into())), "{code:#x}");
    }
    for code in 0..=u8::MAX {
        assert!(same(E4M3[usize::from(code)], float::E4M3.decode(code.into())), "{code:#x}");
        let e5m2 = Element::E5m2.float(u32::from(code) << 16, 2) as f32;
        assert!(same(e5m2, float::E5M2.decode(code.into())), "{code:#x}");
    }
}

#[test]
fn what_is_no_matrix_instruction_is_refused() {
    for (name, why) in [
        ("mma.m16n8k16", "should begin with"),
        ("mma.sync.aligned.m16n16k16.row.col.f32.f16.f16.f32", "m_n8k_"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16", "four types"),
        ("mma.sync.aligned.m16n8k16.row.f32.f16.f16.f32", "two layouts"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f17.f16.f32", "types of a and b"),
        ("mma.sync.aligned.m16n8k16.row.col.f33.f16.f16.f32", "types of c and d"),
        ("mma.sync.aligned.m16n8k4.row.col.f32.f16.f16.f32", "no form"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32", "no form"),
        ("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f16", "one type"),
        ("mma.sync.aligned.m8n8k4.row.col.f16.f16.f16.f32", "one type"),
        ("mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32", "`.row.col`"),
        ("mma.sync.aligned.m8n8k128.row.col.s32.b1.b1.s32", "`.b1`"),
        ("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32.xor.popc", "`.b1`"),
        ("mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32", "`.satfinite`"),
        ("mma.sync.aligned.m16n8k16.row.col.rn.f32.f16.f16.f32", "`.rn`"),
    ] {
        let error = Mma::parse(name).unwrap_err();
        assert!(error.contains(why) && error.contains(name), "{error}");
    }
    for (name, why) in [
        ("wgmma.mma_async.m64n8k16", "should begin with"),
        ("wgmma.mma_async.sync.aligned.m64n8", "the shape"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16", "three types"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f17", "types of a and b"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.f17.f16.f16", "type of d"),
        ("wgmma.mma_async.sync.aligned.m64n8k32.f32.f16.f16", "this depth"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.f16.bf16.bf16", "this depth"),
        ("wgmma.mma_async.sync.aligned.m64n12k16.f32.f16.f16", "in steps of 8"),
        ("wgmma.mma_async.sync.aligned.m64n264k16.f32.f16.f16", "in steps of 8"),
        ("wgmma.mma_async.sync.aligned.m64n40k32.s32.s8.s8", "integers have"),
        ("wgmma.mma_async.sync.aligned.m64n8k16.satfinite.f32.f16.f16", "`.satfinite`"),
    ] {
        let error = Wgmma::parse(name).unwrap_err();
        assert!(error.contains(why) && error.contains(name), "{error}");
    }
}

#[test]
fn matrices_load_and_store() {
    // Element (row, col) of matrix i is 100 i + 10 row + col.
    let rows: Vec<[u8; 16]> = (0..32u16)
        .map(|r| {
            let mut row = [0; 16];
            for (col, bytes) in row.chunks_exact_mut(2).enumerate() {
                bytes.copy_from_slice(&(100 * (r / 8) + 10 * (r % 8) + col as u16).to_le_bytes());
            }
            row
        })
        .collect();
    let pair = |low: u32, high: u32| high << 16 | low;
    let loaded = ldmatrix(4, false, &rows);
    // PTX ISA, "ldmatrix": lane 13 has of row 3 the elements 2 and 3.
    assert_eq!((loaded[0][13], loaded[3][13]), (pair(32, 33), pair(332, 333)));
    assert_eq!((loaded[1][0], loaded[2][31]), (pair(100, 101), pair(276, 277)));
    let turned = ldmatrix(2, true, &rows[..16]);
    // Transposed, lane 13 has of column 3 the rows 2 and 3.
    assert_eq!((turned[0][13], turned[1][13]), (pair(23, 33), pair(123, 133)));
    assert_eq!(turned.len(), 2);
    assert_eq!(ldmatrix(1, false, &rows[..8])[0], loaded[0]);
    for trans in [false, true] {
        for count in [1, 2, 4] {
            let registers = ldmatrix(count, trans, &rows[..8 * count]);
            assert_eq!(stmatrix(count, trans, &registers), rows[..8 * count]);
        }
    }
}
