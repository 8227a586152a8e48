//! AMX where there is none: each row of the target beside the formula of Intel's manual, and products that use them,
//! interpreted.

use kgen::{
    Schedule,
    compile::{self, Accesses, Compiled},
    verify,
};
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    machine::{self, Slot, interp, mma::Mma},
    op::{Op, read::read},
    target::Target,
};
use kgen_tests::{
    amx::{Shape, Tile, dword, tdpb, tdpbf16ps},
    corpus::cases,
    machine_programs::{Noise, interpreted, kernel},
    machine_run,
};
use std::collections::BTreeMap;

const TARGET: &str = "x86-64-amx/llvm";

fn target() -> &'static Target {
    compile::target(TARGET).unwrap_or_else(|e| panic!("{e}"))
}

/// An instruction as the manual has it.
#[derive(Clone, Copy, PartialEq)]
enum Manual {
    Bytes([bool; 2]),
    Halves,
}

/// By the mnemonic in the text of a row.
fn manual(text: &str) -> Manual {
    let name = text.split("@llvm.x86.").nth(1).and_then(|rest| rest.split('.').next());
    match name.unwrap_or_else(|| panic!("{text}")) {
        "tdpbssd" => Manual::Bytes([true, true]),
        "tdpbsud" => Manual::Bytes([true, false]),
        "tdpbusd" => Manual::Bytes([false, true]),
        "tdpbuud" => Manual::Bytes([false, false]),
        "tdpbf16ps" => Manual::Halves,
        other => panic!("{other}"),
    }
}

/// The sizes in the text of a row: rows of the sum, bytes of a row of it, bytes of a row of the left operand.
fn shape(text: &str) -> Shape {
    let sizes: Vec<usize> = text
        .split("i16 ")
        .skip(1)
        .map(|s| {
            s.split(',').next().and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("{text}"))
        })
        .collect();
    let [rows, bytes, left] = sizes[..] else { panic!("{text}") };
    Shape { rows, dwords: left / 4, columns: bytes / 4 }
}

/// The matrix instructions of the target.
fn rows() -> Vec<(&'static Mma, &'static str)> {
    let rows = target().rows.iter();
    rows.filter_map(|r| if let machine::Op::Mma(mma) = r.op { Some((mma, r.text)) } else { None })
        .collect()
}

fn flat(tile: &Tile) -> Vec<u8> {
    tile.concat()
}

fn tile(bytes: &[u8]) -> Tile {
    std::array::from_fn(|row| std::array::from_fn(|i| bytes[64 * row + i]))
}

/// What a row means, on tiles in memory.
fn meant(mma: &Mma, [a, b, c]: [&Tile; 3]) -> Tile {
    let (left, class) = (if mma.words[1] == 8 { "half" } else { "load" }, sum_class(mma));
    let text = format!(
        "machine t lanes 16 {{ slot 0 = pointer a slot 1 = pointer b slot 2 = pointer c
         pa = arg 0 : i pb = arg 1 : i pc = arg 2 : i
         a = rows.{left}.16 [pa + 0], 64 : w16 b = rows.load.{} [pb + 0], 64 : w{}
         c = rows.load.16 [pc + 0], 64 : {class}16
         d = mma.{} a, b, c : {class}16 rows.store.16 [pc + 0], d, 64 }}",
        mma.words[1], mma.words[1], mma.name
    );
    tile(&interpreted(&kernel(&text), &[flat(a), flat(b), flat(c)])[2])
}

fn sum_class(mma: &Mma) -> &'static str {
    if mma.c == Dtype::F32 { "f" } else { "w" }
}

/// Is `got` what the manual says? Bytes to the bit; floats to about the rounding of the sum of magnitudes.
fn agrees(manual: Manual, shape: Shape, [a, b, c]: [&Tile; 3], got: &Tile) -> bool {
    let mut wanted = *c;
    match manual {
        Manual::Bytes(signed) => {
            tdpb(signed, shape, &mut wanted, a, b);
            wanted == *got
        }
        Manual::Halves => {
            tdpbf16ps(shape, &mut wanted, a, b);
            let absolute = |tile: &Tile, odd: u8| {
                let mut tile = *tile;
                let bytes = tile.iter_mut().flat_map(|row| row.iter_mut().enumerate());
                bytes.filter(|(i, _)| *i as u8 & odd == odd).for_each(|(_, x)| *x &= 0x7f);
                tile
            };
            let mut sizes = absolute(c, 3);
            tdpbf16ps(shape, &mut sizes, &absolute(a, 1), &absolute(b, 1));
            let float = |tile: &Tile, m: usize, n: usize| f32::from_le_bytes(dword(tile, m, n));
            let places = (0..shape.rows).flat_map(|m| (0..shape.columns).map(move |n| (m, n)));
            places.into_iter().all(|(m, n)| {
                let (x, y) = (float(got, m, n), float(&wanted, m, n));
                // Each step may round, and flush, once more.
                let steps = (2 * shape.dwords + 3) as f32;
                let near = steps * (float(&sizes, m, n) * f32::EPSILON / 2.0 + f32::MIN_POSITIVE);
                x == y || (x - y).abs() <= near || x.is_nan() && y.is_nan()
            })
        }
    }
}

/// Tiles of bytes: noise, and extremes of either sign.
fn bytes(noise: &mut Noise, case: usize) -> Tile {
    const EXTREMES: [u8; 5] = [0x80, 0x7f, 0xff, 0x00, 0x01];
    let mut one = || match case {
        0 => 0x80,
        1 => 0xff,
        2 => 0x7f,
        3 | 4 => EXTREMES[noise.below(EXTREMES.len())],
        _ => noise.word() as u8,
    };
    std::array::from_fn(|_| std::array::from_fn(|_| one()))
}

/// Tiles of 16-bit floats: small integers, denormals and zeros, magnitudes far apart, infinities and NaN.
fn halves(noise: &mut Noise, case: usize) -> Tile {
    let mut one = || {
        let x = noise.word();
        let half = match case {
            0 | 1 => half::bf16::from_f32((x % 33) as f32 - 16.0).to_bits(),
            2 => (x & 0x807f) as u16,
            3 => [0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80, 0x1f80][x as usize % 7],
            4 if x.is_multiple_of(97) => [0x7f80, 0xff80, 0x7fc0][x as usize % 3],
            _ => (x & 0x80ff | ((96 + x % 61) << 7 & 0x7f80)) as u16,
        };
        half.to_le_bytes()
    };
    std::array::from_fn(|_| {
        let row: Vec<u8> = (0..32).flat_map(|_| one()).collect();
        std::array::from_fn(|i| row[i])
    })
}

fn operands(mma: &Mma, noise: &mut Noise, case: usize) -> [Tile; 3] {
    if mma.c == Dtype::I32 {
        let edges = [i32::MAX, i32::MIN, -1, 0].map(i32::to_le_bytes);
        let mut c = bytes(noise, 5);
        if case < 4 {
            c.as_flattened_mut().chunks_exact_mut(4).for_each(|d| d.copy_from_slice(&edges[case]));
        }
        let other = (case + noise.below(2)) % 6;
        return [bytes(noise, case), bytes(noise, other), c];
    }
    let float = |noise: &mut Noise| (noise.word() as i32 >> 20) as f32;
    let mut c = [[0; 64]; 16];
    for d in c.as_flattened_mut().chunks_exact_mut(4) {
        d.copy_from_slice(&float(noise).to_le_bytes());
    }
    [halves(noise, case), halves(noise, case), c]
}

const CASES: usize = 24;

#[test]
fn each_row_is_the_manuals() {
    let rows = rows();
    assert_eq!(rows.len(), 6);
    for (mma, text) in rows {
        let (manual, shape) = (manual(text), shape(text));
        assert_eq!((shape.rows, shape.columns), (mma.m, mma.n), "{text}");
        let mut noise = Noise(11);
        for case in 0..CASES {
            let [a, b, c] = operands(mma, &mut noise, case);
            let got = meant(mma, [&a, &b, &c]);
            assert!(agrees(manual, shape, [&a, &b, &c], &got), "{}, case {case}", mma.name);
        }
    }
}

/// Two bits of where bytes stand in a tile change places.
fn swapped(tile: &Tile, [i, j]: [usize; 2]) -> Tile {
    let at = |x: usize| {
        let (p, q) = (x >> i & 1, x >> j & 1);
        x & !(1 << i | 1 << j) | p << j | q << i
    };
    std::array::from_fn(|row| {
        std::array::from_fn(|byte| {
            let from = at(64 * row + byte);
            tile[from / 64][from % 64]
        })
    })
}

#[test]
fn a_wrong_layout_or_sign_is_seen() {
    for (mma, text) in rows() {
        let (own, shape) = (manual(text), shape(text));
        let mut noise = Noise(5);
        let [a, b, c] = operands(mma, &mut noise, 9);
        let seen = |tiles: [&Tile; 3], what: &str| {
            let got = meant(mma, tiles);
            assert!(!agrees(own, shape, [&a, &b, &c], &got), "{}: {what}", mma.name);
        };
        // Below these bits stand bytes of one element.
        let unit = |dtype: Dtype| dtype.bits().ilog2() as usize - 3;
        let rows_of_right = 2 + mma.words[1].ilog2() as usize + 4;
        for bit in 0..9 {
            let pair = [bit, bit + 1];
            // Bytes behind a short row are read by nobody.
            let inside = shape.dwords == 16 || bit + 1 != 5 && bit != 5;
            if bit >= unit(mma.a) && inside {
                seen([&swapped(&a, pair), &b, &c], &format!("bits {pair:?} of a"));
            }
            if bit >= unit(mma.b) && bit + 1 < rows_of_right {
                seen([&a, &swapped(&b, pair), &c], &format!("bits {pair:?} of b"));
            }
            if bit >= unit(mma.c) {
                seen([&a, &b, &swapped(&c, pair)], &format!("bits {pair:?} of c"));
            }
        }
        let got = meant(mma, [&a, &b, &c]);
        let all = [[true, true], [true, false], [false, true], [false, false]].map(Manual::Bytes);
        for other in all.into_iter().filter(|other| *other != own && own != Manual::Halves) {
            assert!(!agrees(other, shape, [&a, &b, &c], &got), "{}: signs", mma.name);
        }
    }
}

/// Every case of these files: what the interpreter makes of the kernels is what the reference says; and tiles took part.
#[test]
fn products_mean_the_same() {
    let target = target();
    let mut variants: BTreeMap<String, usize> = BTreeMap::new();
    let files = ["mpgemm_many", "mpgemm_codes", "mpgemm_given", "mpgemm_bf16"];
    for case in files.iter().flat_map(|name| cases(name)) {
        for op in &case.ops {
            let compiled = compile::compile(op, target, &case.schedule(target));
            let compiled = compiled.unwrap_or_else(|e| panic!("{}: {e}", case.name));
            for (number, dims) in case.sizes.iter().enumerate() {
                let all = || verify::families(op).map(str::to_owned).collect();
                let families = if case.inputs.is_empty() { all() } else { case.inputs.clone() };
                for family in families {
                    let place = format!("{} {:?}, {family}\n{op}", case.name, dims.scalars);
                    let e = verify::example(op, dims, &family, number as u64 + 1)
                        .unwrap_or_else(|e| panic!("{place}: {e}"));
                    let got = machine_run::run(&compiled, &e.dims, &e.inputs)
                        .unwrap_or_else(|e| panic!("{place}: {e}"));
                    let expected = kgen_kernels_ref::run(&e.op, &e.dims, &e.inputs)
                        .unwrap_or_else(|e| panic!("{place}: {e}"));
                    for (name, expected) in &expected {
                        let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name])
                            .unwrap_or_else(|e| panic!("{place}: {e}"));
                        assert!(c.passed(), "{place}: `{name}`: {c:?}");
                    }
                    *variants.entry(got.variant).or_default() += 1;
                }
            }
        }
    }
    println!("cases of each variant: {variants:?}");
    assert!(variants.get("tiles").is_some_and(|n| *n > 100), "{variants:?}");
}

fn compiled(operands: &str, accesses: Accesses) -> (Op, Compiled) {
    let text = format!("op = \"mpgemm\"\nname = \"t\"\nm = \"m\"\n{operands}\nout = \"f32\"\n");
    let op = read("t", &text).unwrap_or_else(|e| panic!("{e}"));
    let target = target();
    let made = compile::compile_with(&op, target, &Schedule::default_for(target), accesses);
    (op, made.unwrap_or_else(|e| panic!("{e}")))
}

/// Rows that end behind their tensor are told of; those inside are read, and no tile is handed on by a branch.
#[test]
fn checked_kernels_look_at_rows() {
    for operands in
        ["n = 16\nk = 64\na = \"f32\"\nw = \"q8_0\"", "n = 33\nk = 64\na = \"bf16\"\nw = \"bf16\""]
    {
        let (op, made) = compiled(operands, Accesses::Checked);
        let texts = made.artifact.files.values();
        assert!(texts.clone().any(|t| t.contains("@llvm.x86.tdp")));
        assert!(texts.clone().all(|t| !t.contains("phi x86_amx")));
        let mut dims = Dims { cores: 1, ..Dims::default() };
        dims.scalars.insert("m".into(), 33);
        let e = verify::example(&op, &dims, "normal", 3).unwrap_or_else(|e| panic!("{e}"));
        let run = |less: u64| {
            machine_run::run_by(&made, &e.dims, &e.inputs, &mut |kernel, slots, memory, workers| {
                let mut slots = slots.to_vec();
                for (slot, value) in kernel.slots.iter().zip(&mut slots) {
                    let rows = matches!(slot, Slot::End(name) if name == "aq" || name == "ab");
                    *value -= if rows && kernel.name == "product_tiles" { less } else { 0 };
                }
                interp::run(kernel, &slots, memory, workers).map_err(|e| e.to_string())
            })
        };
        let got = run(0).unwrap_or_else(|e| panic!("{operands}: {e}"));
        let expected = kgen_kernels_ref::run(&e.op, &e.dims, &e.inputs);
        for (name, expected) in &expected.unwrap_or_else(|e| panic!("{operands}: {e}")) {
            let c = kgen_kernels_ref::compare(name, expected, &got.outputs[name]);
            assert!(c.unwrap_or_else(|e| panic!("{e}")).passed(), "{operands}: `{name}`");
        }
        let told = run(1).err().unwrap_or_default();
        assert!(told.starts_with("kernel `product_tiles` reports"), "{operands}: {told}");
    }
}

/// Which products use which instructions.
#[test]
fn texts_have_the_instruction() {
    for (operands, instruction) in [
        ("n = 48\nk = 128\na = \"f32\"\nw = \"q8_0\"", "tdpbsud.internal(i16 16, i16 64, i16 32,"),
        ("n = 48\nk = 128\na = \"f32\"\nw = \"q4_0\"", "tdpbsud.internal(i16 16, i16 64, i16 32,"),
        (
            "n = 20\nk = 256\na = { format = \"int8\", per = \"token\", scale = \"f32\" }\nw = { format = \"int8\", per = \"row\", scale = \"f32\" }",
            "tdpbsud.internal(i16 16, i16 64, i16 64,",
        ),
        (
            "n = 64\nk = 256\na = \"f32\"\nw = { format = \"int4\", group = 128, scale = \"f32\" }",
            "tdpbsud.internal(i16 16, i16 64, i16 64,",
        ),
        (
            "n = 17\nk = 70\na = \"bf16\"\nw = \"bf16\"",
            "tdpbf16ps.internal(i16 16, i16 64, i16 64,",
        ),
        ("n = 16\nk = 64\na = \"f32\"\nw = \"f16\"\ncompute = \"bf16\"", "tdpbf16ps"),
        // Inner scales of 16 and 32 elements, and products of floats.
        ("n = 16\nk = 256\na = \"f32\"\nw = \"q4_k\"", ""),
        ("n = 16\nk = 64\na = \"f32\"\nw = \"f32\"", ""),
    ] {
        let files = compiled(operands, Accesses::Trusted).1.artifact.files;
        let has = |what: &str| files.values().any(|text| text.contains(what));
        assert_eq!(has("@llvm.x86.tdp"), !instruction.is_empty(), "{operands}");
        assert!(has(instruction), "{operands}");
    }
}
