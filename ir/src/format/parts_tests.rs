use super::*;

fn parse(text: &str) -> Parsed<Parts> {
    let mut lexer = Lexer::new(text)?;
    let parts = Parts::read(&mut lexer)?;
    if lexer.at_end() { Ok(parts) } else { lexer.error("more than a weight") }
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 101 + 7) as u8).collect()
}

/// Codes, scales 1, 2, 3, .., zero points.
fn tensors(parts: &Parts) -> Vec<Tensor> {
    let codes = &parts.codes;
    let rows = parts.copies * parts.n;
    let data = bytes(rows * (parts.k * usize::from(codes.bits)).div_ceil(8));
    let per_row = parts.k / parts.group().max(1);
    let (factors, shape) = match codes.group {
        Group::Tensor => (1, vec![1]),
        Group::Row => (rows, vec![rows]),
        Group::K(_) => (rows * per_row, vec![rows, per_row]),
    };
    let values: Vec<f64> = (0..factors).map(|i| (i + 1) as f64).collect();
    let mut out = vec![
        Tensor { dtype: Dtype::U8, shape: vec![data.len()], bytes: data },
        Tensor::from_f64(codes.scale, &shape, &values),
    ];
    match codes.zero {
        None => {}
        Some(Zero::Float(dtype)) => out.push(Tensor::from_f64(dtype, &shape, &values)),
        Some(Zero::Uint(bits)) => {
            let (rows, last) = parts.zero_rows();
            let data = bytes(rows * (last * usize::from(bits)).div_ceil(8));
            out.push(Tensor { dtype: Dtype::U8, shape: vec![data.len()], bytes: data });
        }
    }
    out
}

const ALL: &[&str] = &[
    "int8 group 32 scale f16 [1, 5, 64]",
    "int4 group 128 scale f16 [2, 3, 256]",
    "uint4 group 64 scale bf16 zero uint4 [1, 9, 128]",
    "uint2 per row scale f32 zero f16 [1, 4, 33]",
    "int3 per tensor scale f32 [1, 2, 7]",
    "bipolar2 per row scale f16 [1, 3, 40]",
    "bipolar1 per row scale f16 [1, 3, 40]",
    "bipolar1 group 64 scale f16 [2, 3, 128]",
    "bipolar1 group 16 scale f32 [1, 2, 48]",
    "ternary2 per row scale f32 [3, 1, 1]",
    "uint6 per row scale f16 zero uint6 [2, 3, 50]",
    "int4 per row scale f32 zero bf16 [1, 2, 16]",
    "uint1 group 32 scale f16 [1, 2, 32]",
];

#[test]
fn what_is_printed_parses_to_the_same() {
    for text in ALL {
        let parts = parse(text).map_err(|d| d.message).unwrap();
        assert_eq!(parts.to_string(), *text);
    }
}

/// Code by code, as the pages of the op file say it.
#[test]
fn packing_keeps_every_value() {
    for text in ALL {
        let parts = parse(text).map_err(|d| d.message).unwrap();
        let given = tensors(&parts);
        let given: Vec<&Tensor> = given.iter().collect();
        let codes = &parts.codes;
        let bit = |data: &Tensor, at: usize| u32::from(data.bytes[at / 8] >> (at % 8) & 1);
        let field = |data: &Tensor, at: usize, bits: u8| {
            (0..usize::from(bits)).map(|b| bit(data, at + b) << b).sum::<u32>()
        };
        for lanes in [4, 8, 16] {
            let packing = Packing::for_parts(&parts, lanes).unwrap();
            for packing in packing.nibbles().into_iter().chain([packing]) {
                let packed = packing.pack_parts(&parts, &given).unwrap();
                let sizes = packing.sizes(parts.n, parts.k).unwrap();
                assert_eq!(packed.len(), sizes.bytes * parts.copies);
                for row in 0..parts.copies * parts.n {
                    let packed = &packed[row / parts.n * sizes.bytes..][..sizes.bytes];
                    for e in 0..parts.k {
                        let bits = usize::from(codes.bits);
                        let start = row * (parts.k * bits).div_ceil(8) * 8;
                        let c = f64::from(field(given[0], start + e * bits, codes.bits));
                        let end = f64::from(1 << codes.bits);
                        let c = match codes.code {
                            Code::Int => c - if c * 2.0 >= end { end } else { 0.0 },
                            Code::Bipolar => 2.0 * c - end + 1.0,
                            Code::Ternary => c.min(2.0) - 1.0,
                            Code::Uint | Code::Codebook(_) => c,
                        };
                        let factor = match codes.group {
                            Group::Tensor => 0,
                            Group::Row => row,
                            Group::K(_) => (row * parts.k + e) / parts.group(),
                        };
                        let zero = match codes.zero {
                            None => 0.0,
                            Some(Zero::Float(_)) => given[2].get(factor),
                            Some(Zero::Uint(bits)) => {
                                let (_, last) = parts.zero_rows();
                                let width = usize::from(bits);
                                let row = factor / last * (last * width).div_ceil(8) * 8;
                                f64::from(field(given[2], row + factor % last * width, bits))
                            }
                        };
                        let wanted = given[1].get(factor) * (c - zero);
                        let got = packing.unpack_value(&sizes, packed, row % parts.n, e).unwrap();
                        assert_eq!(f64::from(got), wanted, "{text} as {packing}: {row} {e}");
                    }
                }
            }
        }
    }
}

#[test]
fn parts_choose_their_packing() {
    for (text, packing) in [
        ("int8 group 32 scale f16 [1, 1, 64]", "u8 lanes 16 group 32 scale f16 zero 128"),
        ("int4 group 128 scale f16 [1, 1, 128]", "u4 lanes 16 group 128 scale f16 zero 8"),
        (
            "uint4 group 64 scale bf16 zero uint4 [1, 1, 64]",
            "u4 lanes 16 group 64 scale bf16 zeros u8",
        ),
        (
            "uint8 group 64 scale f32 zero uint8 [1, 1, 64]",
            "u8 lanes 16 group 64 scale f32 zeros u8",
        ),
        (
            "int8 group 64 scale f32 zero uint8 [1, 1, 64]",
            "u8 lanes 16 group 64 scale f32 zeros f16",
        ),
        ("ternary2 per row scale f32 [1, 1, 4096]", "u2 lanes 16 group 4096 scale f32 zero 1"),
        ("uint1 per row scale f32 [1, 1, 300]", "u1 lanes 16 group 384 scale f32"),
        ("int3 per row scale f32 [1, 1, 5]", "u3 lanes 16 group 32 scale f32 zero 4"),
        ("bipolar2 group 64 scale f16 [1, 1, 64]", "u3 lanes 16 group 64 scale f16 zero 3"),
        ("bipolar1 group 64 scale f16 [1, 1, 64]", "u2 signs lanes 16 group 64 scale f16 zero 1"),
        ("bipolar1 group 16 scale f16 [1, 1, 64]", "u2 lanes 16 group 16 scale f16 zero 1"),
    ] {
        let parts = parse(text).map_err(|d| d.message).unwrap();
        assert_eq!(Packing::for_parts(&parts, 16).unwrap().to_string(), packing, "{text}");
    }
    let refused = |text: &str| {
        let parts = parse(text).map_err(|d| d.message).unwrap();
        Packing::for_parts(&parts, 16).unwrap_err().to_string()
    };
    assert_eq!(
        refused("int8 group 24 scale f16 [1, 1, 48]"),
        "packing cannot do groups of 24 codes in 16 lanes; instead: groups that are a multiple of 16"
    );
    assert_eq!(
        refused("int8 group 6 scale f16 [1, 1, 48]"),
        "packing cannot do int8 group 6 scale f16 [1, 1, 48] in 16 lanes (a group of 6 is no multiple of the 4 in a word); \
         instead: groups that are a multiple of 16"
    );
}

#[test]
fn tensors_that_do_not_fit_are_told() {
    let parts =
        parse("uint4 group 32 scale f16 zero f16 [1, 2, 64]").map_err(|d| d.message).unwrap();
    let good = tensors(&parts);
    let told = |list: &[&Tensor]| match parts.open(list) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    };
    assert_eq!(told(&[&good[0], &good[1], &good[2]]), "");
    assert_eq!(told(&[&good[0], &good[1]]), "`codes`: 2 tensors are given");
    let short = Tensor::zeros(Dtype::U8, &[63]);
    assert_eq!(told(&[&short, &good[1], &good[2]]), "`codes`: 64 bytes are wanted, 63 are given");
    let wide = Tensor::zeros(Dtype::F32, &[2, 2]);
    assert_eq!(told(&[&good[0], &wide, &good[2]]), "`scale`: it holds f32, not f16");
    let few = Tensor::zeros(Dtype::F16, &[3]);
    assert_eq!(told(&[&good[0], &good[1], &few]), "`zero`: 8 bytes are wanted, 6 are given");
    let ragged = Parts { k: 65, ..parts.clone() };
    let error = match ragged.open(&[&good[0], &good[1], &good[2]]) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    };
    assert_eq!(error, "rows of 65 elements are no whole number of groups of 32");
}

#[test]
fn mistakes_in_the_text_are_told() {
    for (text, message) in [
        ("int9 group 32 scale f16 [1, 1, 1]", "`int9` is no form of codes"),
        ("ternary3 per row scale f16 [1, 1, 1]", "`ternary3` is no form of codes"),
        ("int4 group 0 scale f16 [1, 1, 1]", "a group cannot be 0"),
        ("int4 per row scale i8 [1, 1, 1]", "`i8` is no float type"),
        ("uint4 per row scale f16 zero uint9 [1, 1, 1]", "`uint9` is no type of zero points"),
        ("int4 per row scale f16 [1, -1, 1]", "-1 is not between 0 and 1099511627776"),
    ] {
        let error = parse(text).map(|p| p.to_string()).unwrap_err();
        assert_eq!(error.message, message, "{text}");
    }
}

#[test]
fn tensors_of_tools_that_do_not_fit_are_told() {
    let parts = |text: &str| parse(text).map_err(|d| d.message).unwrap();
    let gptq = parts("uint4 group 32 scale f16 zero uint4 gptq 1 act_order [1, 32, 64]");
    let words = |shape: &[usize]| Tensor::zeros(Dtype::I32, shape);
    let (codes, zeros) = (words(&[8, 32]), words(&[2, 4]));
    let scales = Tensor::zeros(Dtype::F16, &[2, 32]);
    let order = |of: &dyn Fn(usize) -> f64| {
        Tensor::from_f64(Dtype::I32, &[64], &(0..64).map(of).collect::<Vec<_>>())
    };
    let told = |parts: &Parts, list: [&Tensor; 4]| match parts.open(&list) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    };
    let halves = order(&|k| (k % 2) as f64);
    assert_eq!(told(&gptq, [&codes, &zeros, &scales, &halves]), "");
    let three = match gptq.open(&[&codes, &zeros, &scales]) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    };
    assert_eq!(three, "`qweight`: 3 tensors are given");
    let short = words(&[8, 31]);
    let message = "`qweight`: 1024 bytes are wanted, 992 are given";
    assert_eq!(told(&gptq, [&short, &zeros, &scales, &halves]), message);
    let bytes = Tensor::zeros(Dtype::U8, &[1024]);
    let message = "`qweight`: it holds u8, not i32";
    assert_eq!(told(&gptq, [&bytes, &zeros, &scales, &halves]), message);
    let message = "`qzeros`: 32 bytes are wanted, 1024 are given";
    assert_eq!(told(&gptq, [&codes, &codes, &scales, &halves]), message);
    let wide = Tensor::zeros(Dtype::F32, &[2, 32]);
    let message = "`scales`: it holds f32, not f16";
    assert_eq!(told(&gptq, [&codes, &zeros, &wide, &halves]), message);
    let message = "`g_idx`: element 7 is in group 2 of 2";
    let far = order(&|k| if k == 7 { 2.0 } else { 0.0 });
    assert_eq!(told(&gptq, [&codes, &zeros, &scales, &far]), message);
    let below = order(&|_| -1.0);
    let message = "`g_idx`: element 0 is in group -1 of 2";
    assert_eq!(told(&gptq, [&codes, &zeros, &scales, &below]), message);
    let all = order(&|_| 0.0);
    let message = "`g_idx`: group 0 has 64 elements, not 32";
    assert_eq!(told(&gptq, [&codes, &zeros, &scales, &all]), message);
    let ragged = Parts { k: 65, ..gptq.clone() };
    let message = "rows of 65 elements are no whole number of groups of 32";
    assert_eq!(told(&ragged, [&codes, &zeros, &scales, &halves]), message);
    let huge = Parts { n: usize::MAX / 2, ..gptq };
    let message = told(&huge, [&codes, &zeros, &scales, &halves]);
    assert!(message.contains("too large for this machine"), "{message}");

    // What is read from a manifest.
    for (text, message) in [
        ("uint4 group 32 scale f16 zero uint4 gptq 3 [1, 32, 64]", "there is no version 3"),
        ("uint4 per tensor scale f16 zero uint4 gptq 1 [1, 32, 64]", "no tool writes such codes"),
        ("uint8 group 32 scale f16 zero uint8 awq [1, 32, 64]", "no tool writes such codes"),
        ("int4 group 32 scale f16 awq [1, 32, 64]", "no tool writes such codes"),
    ] {
        assert_eq!(parse(text).map(|p| p.to_string()).unwrap_err().message, message, "{text}");
    }
}
