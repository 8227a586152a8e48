//! rten as a rival that waits for its turns; the words are those of `benches/rivals/ggml`.
//!
//! It reads ONNX files: those of its products are written by `benches/rivals/worker.py onnx`, run by the Python that
//! `KGEN_PYTHON` names. A turn uses each of their weights once and tells the seconds of one. The error is the root of
//! the mean square of sampled outputs against f64 sums over the decoded weights. It takes as many threads as
//! `RTEN_NUM_THREADS` says, or as there are cores.

use rten::{Model, NodeId};
use rten_tensor::{NdTensor, prelude::*};
use std::{
    hint::black_box,
    io::{BufRead, Write},
    path::PathBuf,
    process::Command,
    time::Instant,
};

const SAMPLED: usize = 64;

struct Case {
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    x: NdTensor<f32, 2>,
    /// The first rows of the last weight.
    weight: Vec<f32>,
    copies: usize,
}

fn main() {
    let mut case: Option<Case> = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match (words.as_slice(), &case) {
            (["case", kind, rest @ ..], _) => {
                drop(case.take());
                match Case::new(kind, rest) {
                    Ok(made) => {
                        case = Some(made);
                        "ready".into()
                    }
                    Err(reason) => format!("no {reason}"),
                }
            }
            (["name"], _) => "name rten 0.27.0".into(),
            (["turn"], Some(case)) => {
                let start = Instant::now();
                match case.run() {
                    Ok(_) => format!("seconds {:e}", start.elapsed().as_secs_f64() / case.copies as f64),
                    Err(reason) => format!("no {reason}"),
                }
            }
            (["error"], Some(case)) => format!("error {:e}", case.error().unwrap_or(f64::NAN)),
            _ => "no such word, or no case".into(),
        };
        println!("{answer}");
        if std::io::stdout().flush().is_err() {
            return;
        }
    }
}

/// The first line of an error.
fn told(e: impl std::fmt::Display) -> String {
    e.to_string().lines().next().unwrap_or_default().to_string()
}

impl Case {
    fn new(kind: &str, words: &[&str]) -> Result<Case, String> {
        let has = |word: &str| words.contains(&word);
        if kind != "mm" || !has("bits=4") || !has("group=32") {
            return Err("products with 4-bit weights in groups of 32 only".into());
        }
        let file = std::env::temp_dir().join(format!("kgen-rival-rten-{}.onnx", std::process::id()));
        let worker = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../worker.py"));
        let kept = ["m=", "n=", "k=", "bits=", "group="];
        let sizes = words.iter().filter(|w| kept.iter().any(|k| w.starts_with(k)));
        let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
        let written = Command::new(python).arg(worker).arg("onnx").arg(&file).args(sizes).output();
        let written = written.map_err(told)?;
        let copies = String::from_utf8_lossy(&written.stdout).trim().parse();
        let copies = copies.map_err(|_| format!("no model: {}", told(String::from_utf8_lossy(&written.stderr))))?;
        let beside = file.with_extension("onnx.f32");
        let (model, rows) = (Model::load_file(&file), std::fs::read(&beside));
        let _ = (std::fs::remove_file(&file), std::fs::remove_file(&beside));
        let model = model.map_err(told)?;
        let weight = rows.map_err(told)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let size = |name: &str| -> Result<usize, String> {
            let word = words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
            word.and_then(|w| w.parse().ok()).ok_or(format!("{name} is no number"))
        };
        let mut state = 12345u64;
        let x = NdTensor::from_simple_fn([size("m")?, size("k")?], || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 3.4
        });
        let (input, outputs) = (model.input_ids().first().copied(), model.output_ids().to_vec());
        Ok(Case { input: input.ok_or("no input")?, outputs, model, x, weight, copies })
    }

    fn run(&self) -> Result<Vec<rten::Value>, String> {
        let given = vec![(self.input, self.x.view().into())];
        self.model.run(given, &self.outputs, None).map(black_box).map_err(told)
    }

    fn error(&self) -> Result<f64, String> {
        let out = self.run()?.pop().ok_or("no output")?;
        let out: NdTensor<f32, 2> = out.try_into().map_err(|_| "another shape")?;
        let [m, k] = self.x.shape();
        let (mut off, mut all) = (0.0, 0.0);
        for i in (0..m).step_by((m / 4).max(1)) {
            for r in 0..SAMPLED {
                let row = &self.weight[r * k..][..k];
                let want: f64 = row.iter().enumerate().map(|(j, w)| f64::from(*w) * f64::from(self.x[[i, j]])).sum();
                off += (want - f64::from(out[[i, r]])).powi(2);
                all += want * want;
            }
        }
        Ok((off / all).sqrt())
    }
}
