//! ggml through the crate `llama-cpp-sys-2`, as a rival that waits for its turns.
//!
//! Words come on standard input, a line each; every line is answered by one:
//!
//! ```text
//! name                                                  name ggml
//! case mm weight=q4_0 m=1 n=11008 k=4096 threads=4      ready
//! case attention kv=f16 heads=32 b=1 m=1 n=8192 threads=4                ready
//! case attention kv=f16 heads=32 b=32 p=8192 s=128 threads=4             ready
//! turn                                                  seconds 3.1e-4
//! error                                                 error 4.2e-3
//! ```
//!
//! Attention: so many query heads over 8 heads of keys, m queries of each of b sequences over n keys, causal; or one query of each
//! over p keys that all share and s of its own, in one cache with a mask, as llama.cpp has it.
//!
//! A case that ggml does not have is answered by `no REASON`. Weights and keys are random, quantised by ggml, in as
//! many copies as fill 400 MB where one row or query reads them; a turn uses each once and tells the seconds of one.
//! The error is the root of the mean square of sampled outputs against f64 sums over ggml's own decoded weights.
//! Built with `-C target-cpu=native`, so that ggml is compiled for this CPU.

use llama_cpp_sys_2 as g;
use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    io::{BufRead, Write},
    ptr::null_mut,
    time::Instant,
};

/// Bytes that pass through the caches between two uses of a copy.
const ROTATED: usize = 400_000_000;

fn main() {
    // SAFETY: no arguments; the backend lives as long as the process.
    let backend = unsafe { g::ggml_backend_cpu_init() };
    let mut case: Option<Case> = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match (words.as_slice(), &case) {
            (["case", kind, rest @ ..], _) => {
                // What the old case holds goes before the new one is made.
                drop(case.take());
                let set: HashMap<&str, &str> = rest.iter().filter_map(|w| w.split_once('=')).collect();
                match Case::new(backend, kind, &set) {
                    Ok(made) => {
                        case = Some(made);
                        "ready".into()
                    }
                    Err(reason) => format!("no {reason}"),
                }
            }
            (["name"], _) => "name ggml, llama-cpp-sys-2 0.1.161".into(),
            (["turn"], Some(case)) => {
                let start = Instant::now();
                // SAFETY: the graph and its tensors live in `case`.
                unsafe { g::ggml_backend_graph_compute(backend, case.graph) };
                format!("seconds {:e}", start.elapsed().as_secs_f64() / case.copies as f64)
            }
            (["error"], Some(case)) => format!("error {:e}", (case.error)()),
            _ => "no such word, or no case".into(),
        };
        println!("{answer}");
        if std::io::stdout().flush().is_err() {
            return;
        }
    }
}

/// A graph of one operator over all copies.
struct Case {
    graph: *mut g::ggml_cgraph,
    copies: usize,
    error: Box<dyn Fn() -> f64>,
    contexts: Vec<*mut g::ggml_context>,
    buffers: Vec<g::ggml_backend_buffer_t>,
}

impl Drop for Case {
    fn drop(&mut self) {
        // SAFETY: made by `Case::new`, freed once; the graph lives in a context.
        unsafe {
            self.buffers.iter().for_each(|b| g::ggml_backend_buffer_free(*b));
            self.contexts.iter().for_each(|c| g::ggml_free(*c));
        }
    }
}

impl Case {
    fn new(backend: g::ggml_backend_t, kind: &str, set: &HashMap<&str, &str>) -> Result<Case, String> {
        let size = |name: &str| -> Result<i64, String> {
            let text = set.get(name).ok_or(format!("{name} is missing"))?;
            text.parse().map_err(|_| format!("{name}={text} is no number"))
        };
        // SAFETY: the backend is ggml's own.
        unsafe { g::ggml_backend_cpu_set_n_threads(backend, size("threads")? as i32) };
        let named = |name: &str| -> Result<g::ggml_type, String> {
            let text = set.get(name).ok_or(format!("{name} is missing"))?;
            let known = TYPES.iter().find(|(n, _)| n == text);
            known.map(|(_, t)| *t).ok_or(format!("no {name} {text} in ggml"))
        };
        match kind {
            "mm" => {
                let sizes = (size("m")?, size("n")?, size("k")?);
                // SAFETY: see the function.
                unsafe { product(backend, named("weight")?, sizes, set.contains_key("repack")) }
            }
            "attention" => {
                let (ty, heads) = (named("kv")?, size("heads")?);
                let shape = match set.contains_key("p") {
                    true => Shape::shared(heads, size("b")?, size("p")?, size("s")?),
                    false => Shape::plain(heads, size("b")?, size("m")?, size("n")?),
                };
                if shape.rows > 1 && ty != g::GGML_TYPE_F16 {
                    return Err("masks over other keys than f16 are not measured".into());
                }
                // SAFETY: see the function.
                unsafe { attention(backend, ty, shape) }
            }
            other => Err(format!("no case {other}")),
        }
    }
}

const TYPES: &[(&str, g::ggml_type)] = &[
    ("f32", g::GGML_TYPE_F32),
    ("f16", g::GGML_TYPE_F16),
    ("bf16", g::GGML_TYPE_BF16),
    ("q8_0", g::GGML_TYPE_Q8_0),
    ("q4_0", g::GGML_TYPE_Q4_0),
    ("q4_1", g::GGML_TYPE_Q4_1),
    ("q5_0", g::GGML_TYPE_Q5_0),
    ("q5_1", g::GGML_TYPE_Q5_1),
    ("q2_k", g::GGML_TYPE_Q2_K),
    ("q3_k", g::GGML_TYPE_Q3_K),
    ("q4_k", g::GGML_TYPE_Q4_K),
    ("q5_k", g::GGML_TYPE_Q5_K),
    ("q6_k", g::GGML_TYPE_Q6_K),
    ("tq1_0", g::GGML_TYPE_TQ1_0),
    ("tq2_0", g::GGML_TYPE_TQ2_0),
];

/// A context for `count` tensors whose data lie elsewhere, and a graph.
unsafe fn context(count: usize) -> *mut g::ggml_context {
    // SAFETY: sizes are ggml's own.
    unsafe {
        g::ggml_init(g::ggml_init_params {
            mem_size: g::ggml_tensor_overhead() * count + g::ggml_graph_overhead(),
            mem_buffer: null_mut(),
            no_alloc: true,
        })
    }
}

/// Normal numbers by Box and Muller over SplitMix64.
fn normal(count: usize, scale: f64, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut next = || {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * uniform()).cos()
    };
    (0..count).map(|_| (next() * scale) as f32).collect()
}

/// `rows` rows of `width` random numbers in a type's bytes.
unsafe fn quantised(ty: g::ggml_type, rows: usize, width: usize, scale: f64, seed: u64) -> Vec<u8> {
    let source = normal(rows * width, scale, seed);
    // SAFETY: the target has the bytes of its rows; importances are one a column.
    unsafe {
        let mut bytes = vec![0u8; g::ggml_row_size(ty, width as i64) * rows];
        let important = vec![1f32; width];
        g::ggml_quantize_init(ty);
        let to = bytes.as_mut_ptr().cast();
        g::ggml_quantize_chunk(ty, source.as_ptr(), to, 0, rows as i64, width as i64, important.as_ptr());
        bytes
    }
}

/// A row of a type's bytes as numbers.
unsafe fn decoded(ty: g::ggml_type, bytes: &[u8], width: usize) -> Vec<f64> {
    if ty == g::GGML_TYPE_F32 {
        return bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b) as f64).collect();
    }
    let mut row = vec![0f32; width];
    // SAFETY: `bytes` is a row of `width` elements.
    unsafe {
        let traits = *g::ggml_get_type_traits(ty);
        if let Some(decode) = traits.to_float {
            decode(bytes.as_ptr().cast(), row.as_mut_ptr(), width as i64);
        }
    }
    row.into_iter().map(f64::from).collect()
}

fn relative(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (off, all) = pairs.fold((0.0, 0.0), |(off, all), (want, got)| {
        (off + (want - got) * (want - got), all + want * want)
    });
    (off / all).sqrt()
}

/// Weights in the interleaved form that ggml has for some types, where it has it.
unsafe fn repacking(backend: g::ggml_backend_t) -> Option<g::ggml_backend_buffer_type_t> {
    type Extra = unsafe extern "C" fn(g::ggml_backend_dev_t) -> *mut g::ggml_backend_buffer_type_t;
    let name = CString::new("ggml_backend_dev_get_extra_bufts").ok()?;
    // SAFETY: ggml documents the address under this name as of this type; the list ends with a null.
    unsafe {
        let device = g::ggml_backend_get_device(backend);
        let address = g::ggml_backend_reg_get_proc_address(g::ggml_backend_dev_backend_reg(device), name.as_ptr());
        if address.is_null() {
            return None;
        }
        let extra: Extra = std::mem::transmute(address);
        let mut list = extra(device);
        while !list.is_null() && !(*list).is_null() {
            if CStr::from_ptr(g::ggml_backend_buft_name(*list)).to_bytes() == b"CPU_REPACK" {
                return Some(*list);
            }
            list = list.add(1);
        }
        None
    }
}

/// `y = w x`: all calls follow ggml's order of context, tensors, buffer, data, graph.
unsafe fn product(
    backend: g::ggml_backend_t,
    ty: g::ggml_type,
    (m, n, k): (i64, i64, i64),
    repack: bool,
) -> Result<Case, String> {
    /// Different rows of a weight; others repeat them.
    const ROWS: usize = 256;
    // SAFETY: sizes of all data follow from ggml's row sizes.
    unsafe {
        let row = g::ggml_row_size(ty, k);
        let bytes = row * n as usize;
        let copies = if m <= 8 { (ROTATED / bytes + 1).max(2) } else { 2 };
        let rows = quantised(ty, ROWS, k as usize, 0.02, 1);
        let weights = context(copies + 4);
        let w: Vec<_> = (0..copies).map(|_| g::ggml_new_tensor_2d(weights, ty, k, n)).collect();
        let place = match repack {
            true => repacking(backend).ok_or("no repacked weights")?,
            false => g::ggml_backend_cpu_buffer_type(),
        };
        let held = g::ggml_backend_alloc_ctx_tensors_from_buft(weights, place);
        if held.is_null() || (repack && (*w[0]).extra.is_null()) {
            g::ggml_free(weights);
            return Err("no repacked form of this type".into());
        }
        let whole: Vec<u8> = rows.iter().copied().cycle().take(bytes).collect();
        w.iter().for_each(|t| g::ggml_backend_tensor_set(*t, whole.as_ptr().cast(), 0, bytes));
        let graphs = context(2 * copies + 16);
        let x = g::ggml_new_tensor_2d(graphs, g::GGML_TYPE_F32, k, m);
        let graph = g::ggml_new_graph(graphs);
        let mut y = null_mut();
        for t in &w {
            y = g::ggml_mul_mat(graphs, *t, x);
            g::ggml_build_forward_expand(graph, y);
        }
        let results = g::ggml_backend_alloc_ctx_tensors(graphs, backend);
        let given = normal((k * m) as usize, 1.0, 2);
        g::ggml_backend_tensor_set(x, given.as_ptr().cast(), 0, given.len() * 4);
        let error = move || {
            let mut out = vec![0f32; (n * m) as usize];
            g::ggml_backend_tensor_get(y, out.as_mut_ptr().cast(), 0, out.len() * 4);
            relative((0..64usize).flat_map(|r| {
                let weight = decoded(ty, &rows[r * row..][..row], k as usize);
                let (out, given) = (&out, &given);
                (0..m as usize).step_by((m as usize / 4).max(1)).map(move |i| {
                    let x = &given[i * k as usize..][..k as usize];
                    let want = weight.iter().zip(x).map(|(w, x)| w * *x as f64).sum();
                    (want, out[i * n as usize + r] as f64)
                }).collect::<Vec<_>>()
            }))
        };
        Ok(Case {
            graph,
            copies,
            error: Box::new(error),
            contexts: vec![graphs, weights],
            buffers: vec![results, held],
        })
    }
}

const KV: i64 = 8;
const DIM: i64 = 128;

/// What attends to what.
#[derive(Clone, Copy)]
struct Shape {
    heads: i64,
    /// Caches, each with queries of its own.
    batch: i64,
    /// Queries of a cache.
    rows: i64,
    /// Keys of a cache.
    keys: i64,
    /// Keys that all rows see, then keys of each row, in one cache.
    shared: Option<(i64, i64)>,
}

impl Shape {
    fn plain(heads: i64, batch: i64, rows: i64, keys: i64) -> Shape {
        Shape { heads, batch, rows, keys, shared: None }
    }

    fn shared(heads: i64, rows: i64, prefix: i64, own: i64) -> Shape {
        Shape { heads, batch: 1, rows, keys: prefix + rows * own, shared: Some((prefix, own)) }
    }

    fn sees(&self, row: i64, key: i64) -> bool {
        match self.shared {
            Some((prefix, own)) => key < prefix || (key - prefix) / own == row,
            None => key <= row + self.keys - self.rows,
        }
    }
}

/// Grouped attention over 8 heads, dim 128, in llama.cpp's order of the cache: tokens, then heads.
unsafe fn attention(backend: g::ggml_backend_t, ty: g::ggml_type, shape: Shape) -> Result<Case, String> {
    /// The head whose last query is checked.
    const SAMPLE: usize = 5;
    let Shape { heads, batch, rows: m, keys: n, .. } = shape;
    // SAFETY: sizes of all data follow from ggml's row sizes.
    unsafe {
        let row = g::ggml_row_size(ty, DIM);
        let bytes = row * (KV * n * batch) as usize;
        let copies = if m == 1 { ROTATED / (2 * bytes) + 1 } else { 1 };
        let c = context(8 * copies + 32);
        let graph = g::ggml_new_graph(c);
        let q = g::ggml_new_tensor_4d(c, g::GGML_TYPE_F32, DIM, m, heads, batch);
        let mask = match m {
            1 => null_mut(),
            _ => g::ggml_new_tensor_4d(c, g::GGML_TYPE_F16, n, m, 1, 1),
        };
        let scale = 1.0 / (DIM as f32).sqrt();
        let mut caches = Vec::new();
        let mut out = null_mut();
        for _ in 0..copies {
            let [k, v] = [(); 2].map(|()| g::ggml_new_tensor_4d(c, ty, DIM, KV, n, batch));
            let (keys, values) = (g::ggml_permute(c, k, 0, 2, 1, 3), g::ggml_permute(c, v, 0, 2, 1, 3));
            out = g::ggml_flash_attn_ext(c, q, keys, values, mask, scale, 0.0, 0.0);
            g::ggml_build_forward_expand(graph, out);
            caches.push((k, v));
        }
        let held = g::ggml_backend_alloc_ctx_tensors(c, backend);
        let given = normal((DIM * m * heads * batch) as usize, 1.0, 3);
        g::ggml_backend_tensor_set(q, given.as_ptr().cast(), 0, given.len() * 4);
        let kinds = [4, 5].map(|seed| quantised(ty, 512, DIM as usize, 1.0, seed));
        let whole = kinds.each_ref().map(|kind| kind.iter().copied().cycle().take(bytes).collect::<Vec<u8>>());
        for (k, v) in &caches {
            g::ggml_backend_tensor_set(*k, whole[0].as_ptr().cast(), 0, bytes);
            g::ggml_backend_tensor_set(*v, whole[1].as_ptr().cast(), 0, bytes);
        }
        if m > 1 {
            let [seen, hidden] = [0.0, f32::NEG_INFINITY].map(|x| g::ggml_fp32_to_fp16(x));
            let all = (0..m).flat_map(|i| (0..n).map(move |j| if shape.sees(i, j) { seen } else { hidden }));
            let all: Vec<u16> = all.collect();
            g::ggml_backend_tensor_set(mask, all.as_ptr().cast(), 0, all.len() * 2);
        }
        let error = move || {
            let (group, last) = (SAMPLE / (heads / KV) as usize, batch as usize - 1);
            let head = last * heads as usize + SAMPLE;
            let query = &given[(head * m as usize + m as usize - 1) * DIM as usize..][..DIM as usize];
            let line = |kind: usize, j: usize| {
                let at = (last * n as usize + j) * KV as usize + group;
                decoded(ty, &whole[kind][at * row..][..row], DIM as usize)
            };
            let seen: Vec<usize> = (0..n).filter(|j| shape.sees(m - 1, *j)).map(|j| j as usize).collect();
            let dot = |key: Vec<f64>| key.iter().zip(query).map(|(k, q)| k * *q as f64).sum::<f64>();
            let scores: Vec<f64> = seen.iter().map(|j| dot(line(0, *j)) * scale as f64).collect();
            let top = scores.iter().copied().fold(f64::MIN, f64::max);
            let powers: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
            let sum: f64 = powers.iter().sum();
            let mut want = vec![0.0; DIM as usize];
            for (j, p) in seen.iter().zip(&powers) {
                want.iter_mut().zip(line(1, *j)).for_each(|(w, v)| *w += p / sum * v);
            }
            let mut got = vec![0f32; DIM as usize];
            let at = (((last + 1) * m as usize - 1) * heads as usize + SAMPLE) * DIM as usize * 4;
            g::ggml_backend_tensor_get(out, got.as_mut_ptr().cast(), at, got.len() * 4);
            relative(want.into_iter().zip(got.into_iter().map(f64::from)))
        };
        Ok(Case { graph, copies, error: Box::new(error), contexts: vec![c], buffers: vec![held] })
    }
}
