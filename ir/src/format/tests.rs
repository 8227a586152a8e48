use super::*;

#[test]
fn every_bit_of_a_block_belongs_to_one_element_of_one_field() {
    for format in rows::all() {
        let mut owners = vec![0; format.bytes * 8];
        for field in format.fields {
            if field.elem == FieldElem::Trit {
                trits(field, &mut owners);
                continue;
            }
            let width = field.elem.bits() as usize;
            let mut filled = vec![0; field.count * width];
            for s in field.slices {
                s.each(&mut |element, at| {
                    for b in 0..usize::from(s.bits) {
                        owners[at + b] += 1;
                        filled[element * width + usize::from(s.to) + b] += 1;
                    }
                });
            }
            assert!(filled.iter().all(|&n| n == 1), "{} {:?}: {filled:?}", format.name, field.role);
            assert_eq!(format.block % field.count, 0);
        }
        assert!(owners.iter().all(|&n| n == 1), "{}: {owners:?}", format.name);
    }
}

/// Each element is one digit; a byte of five digits, or of the first four, is one owner of its bits.
fn trits(field: &Field, owners: &mut [i32]) {
    let (mut elements, mut digits) = (vec![0; field.count], vec![0u32; owners.len() / 8]);
    for s in field.slices {
        s.each(&mut |element, at| {
            elements[element] += 1;
            assert_eq!(digits[at / 8] >> s.to & 1, 0);
            digits[at / 8] |= 1 << s.to;
        });
    }
    assert!(elements.iter().all(|&n| n == 1), "{elements:?}");
    for (byte, digits) in digits.iter().enumerate().filter(|(_, d)| **d != 0) {
        assert!([0b11111, 0b1111].contains(digits));
        owners[byte * 8..][..8].iter_mut().for_each(|o| *o += 1);
    }
}

/// Type numbers and sizes of `ggml.h` and `ggml-common.h` (also `GGML_QUANT_SIZES` of the PyPI package gguf).
#[test]
fn numbers_and_sizes_are_those_of_gguf() {
    let known = [
        ("f32", 0, 1, 4),
        ("f16", 1, 1, 2),
        ("q4_0", 2, 32, 18),
        ("q4_1", 3, 32, 20),
        ("q8_0", 8, 32, 34),
        ("q4_k", 12, 256, 144),
        ("q6_k", 14, 256, 210),
        ("bf16", 30, 1, 2),
        ("q5_0", 6, 32, 22),
        ("q5_1", 7, 32, 24),
        ("q2_k", 10, 256, 84),
        ("q3_k", 11, 256, 110),
        ("q5_k", 13, 256, 176),
        ("tq1_0", 34, 256, 54),
        ("tq2_0", 35, 256, 66),
    ];
    for f in rows::all() {
        let (_, number, block, bytes) = *known.iter().find(|k| k.0 == f.name).unwrap();
        assert_eq!((f.gguf, f.block, f.bytes), (Some(number), block, bytes), "{}", f.name);
    }
    for f in rows::all() {
        assert_eq!((rows::find(f.name), f.gguf.and_then(rows::by_gguf)), (Some(f), Some(f)));
    }
    assert_eq!(rows::find("q9"), None);
    assert_eq!(rows::by_gguf(4), None);
}

#[test]
fn names_and_numbers_are_unique() {
    let all: Vec<_> = rows::all().collect();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            assert!(a.name != b.name && a.gguf != b.gguf, "{} {}", a.name, b.name);
        }
    }
}

#[test]
fn q4_0_by_hand() {
    // Scale 0.5; byte i is 0xi0 + (15 - i): code i = 15 - i, code 16 + i = i.
    let mut block = vec![0x00, 0x38];
    block.extend((0u8..16).map(|i| i << 4 | (15 - i)));
    let values = rows::find("q4_0").unwrap().decode(&block).unwrap();
    let wanted: Vec<f32> =
        (0..16).map(|i| 15 - i).chain(0..16).map(|c| (c - 8) as f32 * 0.5).collect();
    assert_eq!(values, wanted);
}

#[test]
fn q4_1_by_hand() {
    // Scale 2, min -3; all codes 0 but code 1 = 5 and code 17 = 7.
    let mut block = vec![0x00, 0x40, 0x00, 0xc2];
    block.extend([0x00, 0x75]);
    block.resize(20, 0);
    let values = rows::find("q4_1").unwrap().decode(&block).unwrap();
    assert_eq!((values[0], values[1], values[16], values[17]), (-3.0, 7.0, -3.0, 11.0));
}

#[test]
fn q8_0_by_hand() {
    // Scale 1; bytes are signed.
    let mut block = vec![0x00, 0x3c];
    block.extend((0u8..32).map(|i| i.wrapping_sub(16)));
    block[2] = 0x80;
    let values = rows::find("q8_0").unwrap().decode(&block).unwrap();
    assert_eq!((values[0], values[1], values[16], values[31]), (-128.0, -15.0, 0.0, 15.0));
}

#[test]
fn q4_k_by_hand() {
    // d = 1, dmin = 2; scale 0 = 0x21, min 0 = 3; scale 5 = 0x2b: low nibble in byte 13, high bits in byte 5;
    // min 5 = 0x1c: low nibble in byte 13's upper half, high bits in byte 9.
    let mut block = vec![0; 144];
    block[..4].copy_from_slice(&[0x00, 0x3c, 0x00, 0x40]);
    block[4] = 0x21;
    block[8] = 3;
    block[13] = 0xcb;
    block[5] = 0x80;
    block[9] = 0x40;
    block[16] = 0x0f; // element 0 = 15, element 32 = 0
    block[16 + 64 + 1] = 0x90; // element 160 + 1 = 9
    let f = rows::find("q4_k").unwrap();
    let mut fields = Fields::default();
    f.read(&block, &mut fields).unwrap();
    assert_eq!(fields.scale, [33.0, 0.0, 0.0, 0.0, 0.0, 43.0, 0.0, 0.0]);
    assert_eq!(fields.min, [-6.0, 0.0, 0.0, 0.0, 0.0, -56.0, 0.0, 0.0]);
    assert_eq!(fields.group, 32);
    let values = f.decode(&block).unwrap();
    assert_eq!(values[0], 33.0 * 15.0 - 6.0);
    assert_eq!(values[161], 43.0 * 9.0 - 56.0);
    assert_eq!(values[160], -56.0);
}

#[test]
fn q6_k_by_hand() {
    // d = 0.5; scales -2 for elements 96..112 and 1 for 128..144.
    let mut block = vec![0; 210];
    block[192 + 6] = 0xfe;
    block[192 + 8] = 1;
    block[208..].copy_from_slice(&[0x00, 0x38]);
    block[32] = 0x50; // upper nibble of ql[32]: element 96, low bits 5
    block[128] = 0xc0; // bits 6, 7 of qh[0]: element 96, high bits 3
    block[64] = 0x07; // second half: element 128, low bits 7
    let values = rows::find("q6_k").unwrap().decode(&block).unwrap();
    assert_eq!(values[96], 0.5 * -2.0 * (0x35 - 32) as f32);
    assert_eq!(values[97], 0.5 * -2.0 * -32.0);
    assert_eq!(values[128], 0.5 * (7 - 32) as f32);
    assert_eq!(values[0], 0.0);
}

#[test]
fn plain_floats_are_themselves() {
    let decode = |name: &str, bytes: &[u8]| rows::find(name).unwrap().decode(bytes).unwrap();
    assert_eq!(decode("f32", &1.5f32.to_le_bytes()), [1.5]);
    assert_eq!(decode("f16", &[0x00, 0x3e]), [1.5]);
    assert_eq!(decode("bf16", &[0xc0, 0x3f]), [1.5]);
    assert!(decode("bf16", &[0xc0, 0x7f])[0].is_nan());
    assert_eq!(decode("f16", &[0x00, 0xfc]), [f32::NEG_INFINITY]);
}

#[test]
fn a_block_of_the_wrong_size_is_told() {
    let error = rows::find("q4_0").unwrap().decode(&[0; 17]).unwrap_err();
    assert_eq!(error.to_string(), "a block of q4_0 has 18 bytes, not 17");
}

#[test]
fn rows_are_whole_blocks() {
    let f = rows::find("q4_0").unwrap();
    assert_eq!(f.row_bytes(0), Some(0));
    assert_eq!(f.row_bytes(64), Some(36));
    assert_eq!(f.row_bytes(33), None);
    assert_eq!(rows::find("f32").unwrap().row_bytes(usize::MAX), None);
}

#[test]
fn q3_k_by_hand() {
    // Scale 9 of 16: low bits in byte 97's upper nibble, high bits in bits 4 and 5 of byte 105; less 32.
    let q3_k = rows::find("q3_k").unwrap();
    let mut block = vec![0; 110];
    block[108..].copy_from_slice(&[0x00, 0x3c]);
    block[97] = 0xa0;
    block[105] = 0x20;
    block[32 + 32 + 16] = 0x02; // low bits of element 128 + 16
    block[16] = 0x10; // high bit of element 4 * 32 + 16
    let values = q3_k.decode(&block).unwrap();
    assert_eq!(values[144], (0x2a - 32) as f32 * (6 - 4) as f32);
    assert_eq!(values[145], (0x2a - 32) as f32 * -4.0);
    assert_eq!(values[0], -32.0 * -4.0);
}

#[test]
fn tq1_0_by_hand() {
    // Digits 2 1 0 2 1 are 2*81 + 1*27 + 0*9 + 2*3 + 1 = 196; 196 * 256 / 243 is 206.5.
    let mut block = vec![0; 54];
    block[0] = 207;
    block[52..].copy_from_slice(&[0x00, 0x3c]);
    let values = rows::find("tq1_0").unwrap().decode(&block).unwrap();
    assert_eq!([0, 32, 64, 96, 128].map(|e| values[e]), [1.0, 0.0, -1.0, 1.0, 0.0]);
    assert_eq!((values[1], values[160], values[255]), (-1.0, -1.0, -1.0));
    for (byte, place, x) in [(207, 2, 1), (0, 4, 2), (255, 0, 0)] {
        let changed = with_trit(byte, place, x);
        for i in 0..TRITS {
            assert_eq!(trit(changed, i), if i == place { x as i32 } else { trit(byte, i) });
        }
    }
}

#[test]
fn tq2_0_by_hand() {
    // Byte 33 holds elements 129, 161, 193, 225 from its low bits on.
    let mut block = vec![0x55; 66];
    block[33] = 0b10_01_00_10;
    block[64..].copy_from_slice(&[0x00, 0x38]);
    let values = rows::find("tq2_0").unwrap().decode(&block).unwrap();
    assert_eq!([129, 161, 193, 225].map(|e| values[e]), [0.5, -0.5, 0.0, 0.5]);
    assert_eq!(values[0], 0.0);
}

#[test]
fn what_is_written_is_read() {
    let mut next = random::numbers(7);
    for format in rows::all() {
        for field in format.fields {
            let most = match field.elem {
                FieldElem::Trit => 2,
                FieldElem::Float(_)
                | FieldElem::Uint(_)
                | FieldElem::Int(_)
                | FieldElem::Biased(..)
                | FieldElem::Ternary => (1u64 << field.elem.bits()) - 1,
            };
            let elements: Vec<u32> =
                (0..field.count).map(|_| ((next() >> 20) % (most + 1)) as u32).collect();
            let mut block = format.random_block(&mut next);
            let before = block.clone();
            field.write(&elements, &mut block);
            let mut read = Vec::new();
            field.read(&block, &mut read);
            assert_eq!(read.iter().map(|&x| x as u32).collect::<Vec<_>>(), elements);
            for other in format.fields.iter().filter(|f| f.role != field.role) {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                other.read(&before, &mut a);
                other.read(&block, &mut b);
                assert_eq!(a, b);
            }
        }
    }
}
