//! candle as a rival that waits for its turns; the words are those of `benches/rivals/ggml`.
//!
//! Weights and keys are random, quantised by candle, in as many copies as fill 400 MB where one row or query reads them;
//! a turn uses each once and tells the seconds of one. The error is the root of the mean square of sampled outputs
//! against f64 sums over candle's own decoded weights. Built with `-C target-cpu=native`.

use candle_core::{
    DType, Device, Module, Result, Tensor,
    quantized::{GgmlDType, QMatMul, QStorage, QTensor},
};
use candle_nn::attention::{AttnMask, flash_attn};
use std::{
    borrow::Cow,
    collections::HashMap,
    hint::black_box,
    io::{BufRead, Write},
    time::Instant,
};

const ROTATED: usize = 400_000_000;
/// Different rows of a weight; others repeat them.
const ROWS: usize = 256;
/// Rows that the error looks at.
const SAMPLED: usize = 64;
const KV: usize = 8;
const DIM: usize = 128;
/// The head that the error looks at.
const SAMPLE: usize = 5;

struct Case {
    turn: Box<dyn Fn() -> Result<()>>,
    copies: usize,
    error: Box<dyn Fn() -> Result<f64>>,
}

fn main() {
    let mut case: Option<Case> = None;
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match (words.as_slice(), &case) {
            (["case", kind, rest @ ..], _) => {
                drop(case.take());
                let set: HashMap<&str, &str> = rest.iter().filter_map(|w| w.split_once('=')).collect();
                match made(kind, &set) {
                    Ok(Ok(made)) => {
                        case = Some(made);
                        "ready".into()
                    }
                    Ok(Err(e)) => format!("no {}", e.to_string().lines().next().unwrap_or_default()),
                    Err(reason) => format!("no {reason}"),
                }
            }
            (["name"], _) => "name candle 0.11.1".into(),
            (["turn"], Some(case)) => {
                let start = Instant::now();
                match (case.turn)() {
                    Ok(()) => format!("seconds {:e}", start.elapsed().as_secs_f64() / case.copies as f64),
                    Err(e) => format!("no {}", e.to_string().lines().next().unwrap_or_default()),
                }
            }
            (["error"], Some(case)) => format!("error {:e}", (case.error)().unwrap_or(f64::NAN)),
            _ => "no such word, or no case".into(),
        };
        println!("{answer}");
        if std::io::stdout().flush().is_err() {
            return;
        }
    }
}

fn made(kind: &str, set: &HashMap<&str, &str>) -> std::result::Result<Result<Case>, String> {
    let size = |name: &str| -> std::result::Result<usize, String> {
        set.get(name).and_then(|t| t.parse().ok()).ok_or(format!("{name} is no number"))
    };
    match kind {
        "mm" => {
            let weight = *set.get("weight").ok_or("no such weights")?;
            let known = TYPES.iter().find(|(name, _)| *name == weight);
            let (_, ty) = known.ok_or(format!("no weights {weight}"))?;
            Ok(product(*ty, size("m")?, size("n")?, size("k")?))
        }
        "attention" => {
            let ty = match set.get("kv") {
                Some(&"f16") => DType::F16,
                Some(&"f32") => DType::F32,
                other => return Err(format!("no keys in {other:?}")),
            };
            if set.contains_key("p") {
                return Err("no mask of a shared prefix".into());
            }
            Ok(attention(ty, (size("heads")?, size("b")?), size("m")?, size("n")?))
        }
        other => Err(format!("no case {other}")),
    }
}

const TYPES: &[(&str, Option<GgmlDType>)] = &[
    ("f32", None),
    ("q4_0", Some(GgmlDType::Q4_0)),
    ("q4_1", Some(GgmlDType::Q4_1)),
    ("q5_0", Some(GgmlDType::Q5_0)),
    ("q5_1", Some(GgmlDType::Q5_1)),
    ("q8_0", Some(GgmlDType::Q8_0)),
    ("q2_k", Some(GgmlDType::Q2K)),
    ("q3_k", Some(GgmlDType::Q3K)),
    ("q4_k", Some(GgmlDType::Q4K)),
    ("q5_k", Some(GgmlDType::Q5K)),
    ("q6_k", Some(GgmlDType::Q6K)),
];

fn relative(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (off, all) = pairs.fold((0.0, 0.0), |(off, all), (want, got)| {
        (off + (want - got) * (want - got), all + want * want)
    });
    (off / all).sqrt()
}

fn product(ty: Option<GgmlDType>, m: usize, n: usize, k: usize) -> Result<Case> {
    let cpu = Device::Cpu;
    let few = (Tensor::randn(0f32, 1f32, (ROWS, k), &cpu)? * 0.02)?;
    let times = n / ROWS;
    let (bytes, decoded, weight): (usize, Tensor, Box<dyn Fn() -> Result<QMatMul>>) = match ty {
        Some(ty) => {
            let rows = QTensor::quantize(&few, ty)?;
            let decoded = rows.dequantize(&cpu)?;
            let whole: Vec<u8> = rows.data()?.repeat(times);
            let make = move |whole: &[u8]| {
                let storage = QStorage::from_data(Cow::Owned(whole.to_vec()), &Device::Cpu, ty)?;
                QMatMul::from_qtensor(QTensor::new(storage, (n, k))?)
            };
            (whole.len(), decoded, Box::new(move || make(&whole)))
        }
        None => {
            let whole = Tensor::cat(&vec![&few; times], 0)?;
            (4 * n * k, few, Box::new(move || Ok(QMatMul::Tensor(whole.copy()?))))
        }
    };
    let copies = if m <= 8 { (ROTATED / bytes + 1).max(2) } else { 2 };
    let weights = (0..copies).map(|_| weight()).collect::<Result<Vec<_>>>()?;
    let x = Tensor::randn(0f32, 1f32, (m, k), &cpu)?;
    let last = weights[copies - 1].clone();
    let given = x.clone();
    let error = move || {
        let out: Vec<Vec<f32>> = last.forward(&given)?.narrow(1, 0, SAMPLED)?.to_vec2()?;
        let (x, w): (Vec<Vec<f32>>, Vec<Vec<f32>>) =
            (given.to_vec2()?, decoded.narrow(0, 0, SAMPLED)?.to_vec2()?);
        let dot = |i: usize, r: usize| x[i].iter().zip(&w[r]).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        let rows = (0..m).step_by((m / 4).max(1));
        Ok(relative(rows.flat_map(|i| (0..SAMPLED).map(move |r| (i, r))).map(|(i, r)| (dot(i, r), out[i][r].into()))))
    };
    let turn = move || {
        weights.iter().try_for_each(|w| {
            black_box(w.forward(&x)?);
            Ok(())
        })
    };
    Ok(Case { turn: Box::new(turn), copies, error: Box::new(error) })
}

fn attention(ty: DType, (heads, batch): (usize, usize), m: usize, n: usize) -> Result<Case> {
    let cpu = Device::Cpu;
    let bytes = 2 * batch * KV * n * DIM * ty.size_in_bytes();
    let copies = if m == 1 { ROTATED / bytes + 1 } else { 1 };
    let q = Tensor::randn(0f32, 1f32, (batch, m, heads, DIM), &cpu)?.to_dtype(ty)?;
    let cache = || Tensor::randn(0f32, 1f32, (batch, n, KV, DIM), &cpu)?.to_dtype(ty);
    let caches = (0..copies).map(|_| Ok((cache()?, cache()?))).collect::<Result<Vec<_>>>()?;
    let scale = 1.0 / (DIM as f32).sqrt();
    let call = move |q: &Tensor, k: &Tensor, v: &Tensor| {
        let mask = if m > 1 { AttnMask::causal() } else { AttnMask::None };
        match ty {
            DType::F16 => flash_attn::<half::f16>(q, k, v, scale, mask, None, None),
            _ => flash_attn::<f32>(q, k, v, scale, mask, None, None),
        }
    };
    let (query, (keys, values)) = (q.clone(), caches[copies - 1].clone());
    let error = move || {
        let out = call(&query, &keys, &values)?.to_dtype(DType::F32)?;
        let heads_first = out.dims()[1] == heads;
        let (head, row) = if heads_first { (1, 2) } else { (2, 1) };
        let at = if out.dims()[row] == m { m - 1 } else { 0 };
        let got: Vec<f32> = out.narrow(0, batch - 1, 1)?.narrow(head, SAMPLE, 1)?.narrow(row, at, 1)?.flatten_all()?.to_vec1()?;
        let lines = |t: &Tensor, head: usize| -> Result<Vec<Vec<f32>>> {
            t.narrow(0, batch - 1, 1)?.narrow(2, head, 1)?.squeeze(2)?.squeeze(0)?.to_dtype(DType::F32)?.to_vec2()
        };
        let group = SAMPLE / (heads / KV);
        let (k, v) = (lines(&keys, group)?, lines(&values, group)?);
        let q = &lines(&query, SAMPLE)?[m - 1];
        let dot = |key: &Vec<f32>| key.iter().zip(q).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let scores: Vec<f64> = k.iter().map(|key| dot(key) * f64::from(scale)).collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let powers: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let want = (0..DIM).map(|d| powers.iter().zip(&v).map(|(p, v)| p * f64::from(v[d])).sum::<f64>() / sum);
        Ok(relative(want.zip(got.into_iter().map(f64::from))))
    };
    let turn = move || {
        caches.iter().try_for_each(|(k, v)| {
            black_box(call(&q, k, v)?);
            Ok(())
        })
    };
    Ok(Case { turn: Box::new(turn), copies, error: Box::new(error) })
}
