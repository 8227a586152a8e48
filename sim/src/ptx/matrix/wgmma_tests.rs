//! Layouts of shared memory spelled as Hopper kernels write them, and products against the definition.

use super::*;
use crate::ptx::float;

fn descriptor(start: u64, lead: u64, stride: u64, mode: u64) -> u64 {
    start >> 4 | lead >> 4 << 16 | stride >> 4 << 32 | mode << 62
}

/// Mode, the byte of element (row, k) of 16-bit elements from the start, LBO, SBO, is it MN-major.
type Layout = (u64, fn(usize, usize) -> usize, u64, u64, bool);

/// 16-byte piece `p` of a row of `span` bytes, moved by `turn`.
fn piece(row: usize, span: usize, byte: usize, turn: usize) -> usize {
    row * span + ((byte / 16) ^ turn) * 16 + byte % 16
}

#[rustfmt::skip] // one per row
const LAYOUTS: &[Layout] = &[
    // K-major. No swizzle: blocks of 8 rows x 16 bytes, the two of k beside each other (LBO), those of rows after them (SBO).
    (0, |r, k| r / 8 * 256 + k / 8 * 128 + r % 8 * 16 + k % 8 * 2, 128, 256, false),
    // The same, with all blocks of one k first: up to 256 rows.
    (0, |r, k| k / 8 * 4096 + r / 8 * 128 + r % 8 * 16 + k % 8 * 2, 4096, 128, false),
    // Rows of 128, 64 and 32 bytes: the piece is exclusive-ored with the row, with half and with a quarter of it.
    (1, |r, k| piece(r, 128, 2 * k, r % 8), 16, 1024, false),
    (2, |r, k| piece(r, 64, 2 * k, r / 2 % 4), 16, 512, false),
    (3, |r, k| piece(r, 32, 2 * k, r / 4 % 2), 16, 256, false),
    // MN-major. No swizzle: blocks of 8 k x 8 rows, those of k beside each other (LBO), those of rows after them (SBO).
    (0, |r, k| r / 8 * 256 + k / 8 * 128 + k % 8 * 16 + r % 8 * 2, 128, 256, true),
    // A row of the pattern is one k: 64, 32 or 16 rows of the matrix; 8 k fill it; then the next 8 k (SBO).
    (1, |r, k| r / 64 * 2048 + piece(k, 128, 2 * (r % 64), k % 8), 2048, 1024, true),
    (2, |r, k| r / 32 * 1024 + piece(k, 64, 2 * (r % 32), k / 2 % 4), 1024, 512, true),
    (3, |r, k| r / 16 * 512 + piece(k, 32, 2 * (r % 16), k / 4 % 2), 512, 256, true),
];

fn draw(state: &mut u64) -> i64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 33) as i64 % 9 - 4
}

fn read(memory: &[u8], addresses: &[u32]) -> Vec<Piece> {
    addresses.iter().map(|&a| *memory[a as usize..].first_chunk::<16>().unwrap()).collect()
}

fn f16(x: i64) -> [u8; 2] {
    (float::F16.encode(x as f64, float::Conversion::nearest()) as u16).to_le_bytes()
}

/// PTX ISA, "Register fragments of wgmma.m64nNk16", D: i counts across 8 columns, then on.
fn spot(lane: usize, i: usize) -> (usize, usize) {
    let row = lane / 32 * 16 + lane % 32 / 4 + if i % 4 < 2 { 0 } else { 8 };
    (row, i / 4 * 8 + lane % 4 * 2 + (i & 1))
}

#[test]
fn operands_in_shared_memory() {
    let mut state = 3;
    let n = 136;
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n136k16.f32.f16.f16").unwrap();
    assert_eq!((wgmma.shape(), wgmma.registers()), ([64, n, 16], [68, 4]));
    let a: Vec<i64> = (0..64 * 16).map(|_| draw(&mut state)).collect();
    let b: Vec<i64> = (0..n * 16).map(|_| draw(&mut state)).collect();
    let mut d = vec![[0u32; 128]; 68];
    let mut expected = d.clone();
    for lane in 0..128 {
        for i in 0..68 {
            let (row, col) = spot(lane, i);
            let sum: i64 = (0..16).map(|k| a[row * 16 + k] * b[col * 16 + k]).sum();
            d[i][lane] = ((row * n + col) as f32).to_bits();
            expected[i][lane] = ((row * n + col) as f32 + sum as f32).to_bits();
        }
    }
    for (mode, at, lead, stride, trans) in LAYOUTS {
        let mut memory = vec![0u8; 1 << 16];
        let (start_a, start_b) = (2048, 32768);
        for k in 0..16 {
            for row in 0..64 {
                let to = start_a + at(row, k);
                memory[to..to + 2].copy_from_slice(&f16(a[row * 16 + k]));
            }
            for col in 0..n {
                let to = start_b + at(col, k);
                memory[to..to + 2].copy_from_slice(&f16(b[col * 16 + k]));
            }
        }
        let word = |start: usize| descriptor(start as u64, *lead, *stride, *mode);
        let at_a = wgmma.addresses_a(word(start_a), *trans).unwrap();
        let at_b = wgmma.addresses_b(word(start_b), *trans).unwrap();
        assert_eq!((at_a.len(), at_b.len()), (128, 2 * n));
        let (a, b) = (read(&memory, &at_a), read(&memory, &at_b));
        let b = SharedOperand { pieces: &b, trans: *trans };
        let left = LeftOperand::Shared(SharedOperand { pieces: &a, trans: *trans });
        let got = wgmma.run(left, b, &d, true, [false; 2]);
        assert!(got == expected, "mode {mode} trans {trans}");
    }
}

/// The next 16 of k in a row of 128 bytes: the start moves by 32 bytes, the pattern stays.
#[test]
fn a_start_inside_the_pattern() {
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16").unwrap();
    let at = wgmma.addresses_b(descriptor(1024 + 64, 16, 1024, 1), false).unwrap();
    let expected: Vec<u32> =
        (0..8).flat_map(|r| [4, 5].map(|p| 1024 + r * 128 + (p ^ r) * 16)).collect();
    assert_eq!(at, expected);
    // A pattern that starts at row 3 of 128 bytes, said by the base offset.
    let word = descriptor(1024 + 3 * 128, 16, 1024, 1) | 3 << 49;
    let at = wgmma.addresses_b(word, false).unwrap();
    let expected: Vec<u32> =
        (0..8).flat_map(|r| [0, 1].map(|p| 1024 + (3 + r) * 128 + (p ^ r) * 16)).collect();
    assert_eq!(at, expected);
}

#[test]
fn a_in_registers_scales_and_halves() {
    // A[r][k] = 1 where r = k + 16 w, B[k][n] = n + 8 (k - 8): warp w has rows of B.
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16").unwrap();
    let mut a = vec![[0u32; 128]; 4];
    for w in 0..4 {
        // PTX ISA, A of m64k16: a0 (group, 2 thread), a4 (group, 2 thread + 8), a2 and a6 eight rows on.
        for g in 0..8 {
            let lane = 32 * w + 4 * g + g / 2;
            a[0][lane] = 0x3c00 << (16 * (g % 2));
            a[3][lane] = 0x3c00 << (16 * (g % 2));
        }
    }
    let b = |n: i64, k: i64| n + 8 * (k - 8);
    let pieces: Vec<Piece> = (0..16)
        .map(|at| {
            let mut piece = [0; 16];
            for (x, bytes) in piece.chunks_exact_mut(2).enumerate() {
                bytes.copy_from_slice(&f16(b(at / 2, at % 2 * 8 + x as i64)));
            }
            piece
        })
        .collect();
    let shared = SharedOperand { pieces: &pieces, trans: false };
    let ones = vec![[0x3c00_3c00; 128]; 2];
    for (keep, negate, sign, plus) in [
        (true, [false, false], 1, 1),
        (false, [false, false], 1, 0),
        (true, [true, false], -1, 1),
        (true, [false, true], -1, 1),
        (false, [true, true], 1, 0),
    ] {
        let got = wgmma.run(LeftOperand::Registers(&a), shared, &ones, keep, negate);
        for i in 0..4 {
            for (lane, word) in got[i / 2].iter().enumerate() {
                let (row, col) = spot(lane, i);
                let code = (word >> (16 * (i % 2))) as u16;
                let expected = sign * b(col as i64, row as i64 % 16) + plus;
                assert_eq!(float::F16.decode(code.into()), expected as f64);
            }
        }
    }
}

/// 8-bit, 32-bit and single-bit elements: all have 32 bytes of depth.
#[test]
fn other_types() {
    for (name, a, b, one) in [
        ("m64n8k32.s32.s8.u8", 0xff, 2u8, -64i64),
        ("m64n8k32.satfinite.s32.u8.s8", 0x02, 0xfd, -192),
        ("m64n8k32.f32.e4m3.e5m2", 0x40, 0x42, 192),
        ("m64n8k256.s32.b1.b1.and.popc", 0x0f, 0x3c, 64),
    ] {
        let wgmma = Wgmma::parse(&format!("wgmma.mma_async.sync.aligned.{name}")).unwrap();
        let b = vec![[b; 16]; 16];
        let b = SharedOperand { pieces: &b, trans: false };
        let pieces = vec![[a; 16]; 128];
        let registers = vec![[u32::from(a) * 0x0101_0101; 128]; 4];
        let d = vec![[0; 128]; 4];
        for left in [
            LeftOperand::Shared(SharedOperand { pieces: &pieces, trans: false }),
            LeftOperand::Registers(&registers),
        ] {
            let got = wgmma.run(left, b, &d, true, [false; 2]);
            let code =
                if name.contains("f32") { (one as f32).to_bits() } else { one as i32 as u32 };
            assert_eq!(got, vec![[code; 128]; 4], "{name}");
        }
    }
    // tf32: A[r][k] = r, B = 2: eight products.
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32").unwrap();
    let pieces: Vec<Piece> = (0..128)
        .map(|at| std::array::from_fn(|i| ((at / 2) as f32).to_le_bytes()[i % 4]))
        .collect();
    let b: Vec<Piece> = vec![std::array::from_fn(|i| 2f32.to_le_bytes()[i % 4]); 16];
    let left = LeftOperand::Shared(SharedOperand { pieces: &pieces, trans: false });
    let b = SharedOperand { pieces: &b, trans: false };
    let got = wgmma.run(left, b, &[[0; 128]; 4], false, [false; 2]);
    for lane in 0..128 {
        for (i, register) in got.iter().enumerate() {
            assert_eq!(f32::from_bits(register[lane]), 16.0 * spot(lane, i).0 as f32);
        }
    }
}

#[test]
fn bad_descriptors_are_refused() {
    let wgmma = Wgmma::parse("wgmma.mma_async.sync.aligned.m64n8k32.s32.s8.s8").unwrap();
    let error = wgmma.addresses_b(1 << 14, false).unwrap_err();
    assert!(error.contains("bits 14..16"), "{error}");
    let error = wgmma.addresses_a(1 << 52, false).unwrap_err();
    assert!(error.contains("bits 52..62"), "{error}");
    let error = wgmma.addresses_a(0, true).unwrap_err();
    assert!(error.contains("only 16-bit"), "{error}");
}
