//! Caches that row operations write are what their readers take them for.

use kgen::{compile, device::Cpu};
use kgen_ir::{dtype::Dtype, extent::Dims, format::rows as formats, tensor::Tensor};
use std::{collections::BTreeMap, path::Path};

/// Keys of a token, and blocks of them.
const WIDTH: usize = 1024;
const BLOCKS: usize = WIDTH / 32;

fn keys(tokens: usize) -> Vec<f64> {
    let x = |i: usize| ((i * 7919 % 10_007) as f64 / 10_007.0 - 0.5) * (1.0 + (i / 32 % 5) as f64);
    // The first block is all zeros.
    (0..tokens * WIDTH).map(|i| if i < 32 { 0.0 } else { f64::from(x(i) as f32) }).collect()
}

fn written(file: &str, rows: &str, given: &[(&str, Tensor)]) -> BTreeMap<String, Tensor> {
    let ops = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let op = compile::read(&ops.join(file)).unwrap();
    let cpu = Cpu::open(Some(2)).unwrap();
    let module = cpu.load(&op).unwrap();
    let mut dims = Dims { cores: 2, ..Dims::default() };
    let sizes = [(rows, 2 * BLOCKS), ("tokens", 2), ("slots", 3 * BLOCKS)];
    dims.scalars.extend(sizes.map(|(name, size)| (name.to_string(), size as i64)));
    let slot = Tensor::from_i32(&[2], &[2, 0]);
    let all =
        [("slot", slot)].iter().chain(given).map(|(n, t)| (n.to_string(), t.clone())).collect();
    cpu.run(&module, &dims, &all).unwrap()
}

#[test]
fn a_cache_of_q8_0_holds_what_its_encoder_would_write() {
    let x = keys(2);
    let k = Tensor::from_f64(Dtype::F32, &[2 * BLOCKS, 32], &x);
    let before =
        Tensor { bytes: vec![7; 3 * BLOCKS * 34], ..Tensor::zeros(Dtype::U8, &[3 * BLOCKS, 34]) };
    let out = written("kv_append_q8_0.toml", "blocks", &[("k", k), ("cache", before)]);
    let format = formats::find("q8_0").unwrap();
    let cache = &out["cache"].bytes;
    // Token 0 went to slot 2, token 1 to slot 0; slot 1 is as it was.
    for (block, values) in x.chunks(32).enumerate() {
        let place = if block < BLOCKS { 2 * BLOCKS + block } else { block - BLOCKS };
        let found = &cache[place * 34..(place + 1) * 34];
        let values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        let wanted = format.encode(&values).unwrap();
        assert_eq!(found[..2], wanted[..2], "the scale of block {block}");
        for (a, b) in found[2..].iter().zip(&wanted[2..]) {
            // Halves may go either way.
            assert!((*a as i8).abs_diff(*b as i8) <= 1, "block {block}: {found:?}, not {wanted:?}");
        }
    }
    assert!(cache[BLOCKS * 34..2 * BLOCKS * 34].iter().all(|b| *b == 7));
}

#[test]
fn a_cache_of_codes_is_near_what_went_in() {
    let x = keys(2);
    let k = Tensor::from_f64(Dtype::F32, &[2 * BLOCKS, 32], &x);
    let codes = Tensor::zeros(Dtype::I8, &[3 * BLOCKS, 32]);
    let scale = Tensor::zeros(Dtype::F16, &[3 * BLOCKS]);
    let given = [("k", k), ("codes", codes), ("scale", scale)];
    let out = written("kv_append_int8.toml", "groups", &given);
    for (i, x) in x.iter().enumerate() {
        let group = i / 32;
        let place = if group < BLOCKS { 2 * BLOCKS + group } else { group - BLOCKS };
        let scale = out["scale"].get(place);
        let found = out["codes"].get(place * 32 + i % 32) * scale;
        // Half a step, and the rounding of the scale.
        assert!((found - x).abs() <= 0.57 * scale + 1e-6, "{i}: {found}, not {x}");
    }
}
