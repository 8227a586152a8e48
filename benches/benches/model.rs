//! What it takes to compile all kernels of a model, the first time and from the cache, on one thread: the tiny model of
//! the examples, and one of the shape of Llama 3.2 1B (one layer of it: the others ask for the same kernels).
//!
//! ```text
//! Llama 3.2 1B shape, q8_0: 11 op files, 34 kernels: cold 214 ms, cached 8.1 ms
//! ```

use kgen::{Error, device::Cpu, kernels::Kernels};
use kgen_ir::{dtype::Dtype, format::rows};
use kgen_runtime::{
    cache::Cache,
    decode::{Decoder, KernelSource, KvCache, SourceError},
    files::gguf::{Gguf, NewTensor, Value, write},
    module::Module,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::Path,
    sync::Arc,
    time::Instant,
};

/// Passes seconds and kernels on.
struct Timed<'a> {
    source: Kernels<'a>,
    seconds: Cell<f64>,
    texts: RefCell<BTreeSet<String>>,
    kernels: Cell<usize>,
}

impl KernelSource for Timed<'_> {
    fn kernel(&self, op: &str) -> Result<Arc<Module>, SourceError> {
        let start = Instant::now();
        let module = self.source.kernel(op)?;
        self.seconds.set(self.seconds.get() + start.elapsed().as_secs_f64());
        if self.texts.borrow_mut().insert(op.into()) {
            self.kernels.set(self.kernels.get() + module.manifest().kernels.len());
        }
        Ok(module)
    }
}

fn main() {
    let folder = std::env::temp_dir().join(format!("kgen-model-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    measure("the tiny model", &examples.join("words.gguf"), &folder.join("tiny"))
        .expect("it decodes");
    let file = folder.join("shape.gguf");
    for format in ["q8_0", "q4_0"] {
        shape(&file, format);
        let name = format!("Llama 3.2 1B shape, {format}");
        measure(&name, &file, &folder.join(format)).expect("it decodes");
    }
    std::fs::remove_dir_all(folder).expect("what we made");
}

fn measure(name: &str, file: &Path, cache: &Path) -> Result<(), Error> {
    let gguf = Arc::new(Gguf::open(file).map_err(|e| Error::Input(e.to_string()))?);
    let mut cpu = Cpu::open(None)?;
    let open = Cache::open(cache, rows::find, false);
    cpu.cache = Some(open.map_err(|e| Error::Unavailable(e.to_string()))?);
    let tokens = KvCache { tokens: 64, elem: Dtype::F16 };
    let mut times = Vec::new();
    // The first fills the cache.
    for _ in 0..4 {
        let source = Timed {
            source: Kernels::new(&cpu),
            seconds: Cell::new(0.0),
            texts: RefCell::default(),
            kernels: Cell::new(0),
        };
        Decoder::new(&gguf, &source, cpu.workers(), tokens)?;
        times.push((source.seconds.get(), source.texts.borrow().len(), source.kernels.get()));
    }
    let (cold, ops, kernels) = times.remove(0);
    let cached = times.iter().map(|t| t.0).fold(f64::INFINITY, f64::min);
    println!(
        "{name}: {ops} op files, {kernels} kernels: cold {:.1} ms, cached {:.1} ms",
        cold * 1e3,
        cached * 1e3
    );
    Ok(())
}

/// A file of its shape, of zeros: <https://huggingface.co/meta-llama/Llama-3.2-1B>, `config.json`.
fn shape(file: &Path, format: &str) {
    let (width, hidden, vocabulary, kv) = (2048, 8192, 128_256, 512);
    let whole = |key: &str, value: u32| (key.to_string(), Value::U32(value));
    let metadata = [
        ("general.architecture".into(), Value::Text("llama".into())),
        whole("llama.block_count", 1),
        whole("llama.context_length", 131_072),
        whole("llama.embedding_length", 2048),
        whole("llama.feed_forward_length", 8192),
        whole("llama.attention.head_count", 32),
        whole("llama.attention.head_count_kv", 8),
        ("llama.attention.layer_norm_rms_epsilon".into(), Value::F32(1e-5)),
        ("llama.rope.freq_base".into(), Value::F32(500_000.0)),
    ];
    let tensor = |name: &str, dims: &[usize], format: &str| {
        let format = rows::find(format).expect("a format of the table");
        let (k, rows) = dims.split_last().expect("dims");
        let row = format.row_bytes(*k).expect("whole blocks");
        let bytes = vec![0; row * rows.iter().product::<usize>()];
        NewTensor { name: name.into(), dims: dims.into(), format, bytes }
    };
    let mut tensors = vec![
        tensor("token_embd.weight", &[vocabulary, width], format),
        tensor("output_norm.weight", &[width], "f32"),
    ];
    for (part, n, k) in [
        ("attn_q", width, width),
        ("attn_k", kv, width),
        ("attn_v", kv, width),
        ("attn_output", width, width),
        ("ffn_gate", hidden, width),
        ("ffn_up", hidden, width),
        ("ffn_down", width, hidden),
    ] {
        tensors.push(tensor(&format!("blk.0.{part}.weight"), &[n, k], format));
    }
    for part in ["attn_norm", "ffn_norm"] {
        tensors.push(tensor(&format!("blk.0.{part}.weight"), &[width], "f32"));
    }
    write(file, &metadata, &tensors).expect("the file is written");
}
