//! The decode loop on the model of the examples: compiled kernels beside the reference and beside numpy.
//!
//! The witness needs a Python (`KGEN_PYTHON`, default `python3`) that can import numpy and gguf.

use kgen::{device::Cpu, kernels::Kernels};
use kgen_ir::dtype::Dtype;
use kgen_runtime::{
    decode::{Decoder, KernelSource, KvCache, Tokenizer},
    files::gguf::{Array, Gguf, Value},
    pool::Pool,
};
use kgen_tests::{
    models::{Contents, words},
    reference_kernels::ReferenceKernels,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

const PROMPTS: &[&str] = &[
    "The compiler",
    "Licensed under the",
    "A kernel is",
    "Everything that",
    "kgen compile",
    "Copyright",
    "Masks on positions become",
    "You may",
    "The runtime",
    "Attention",
];

const STEPS: usize = 64;

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode").join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

fn example() -> Arc<Gguf> {
    Arc::new(Gguf::open(&words()).unwrap())
}

/// So many tokens behind a prompt, and the logits that each was chosen by.
struct Said {
    tokens: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

/// `forced`: the tokens to go on with, whatever this model would choose.
fn say(
    decoder: &mut Decoder,
    workers: &Pool,
    prompt: &[u32],
    steps: usize,
    forced: Option<&[u32]>,
) -> Said {
    decoder.reset();
    let mut said = Said { tokens: vec![], logits: vec![] };
    let mut next = decoder.feed(prompt, workers).unwrap();
    loop {
        let logits = decoder.logits();
        assert_eq!(next as usize, likeliest(&logits));
        said.logits.push(logits);
        let token = forced.map_or(next, |f| f[said.tokens.len()]);
        said.tokens.push(token);
        if said.tokens.len() == steps {
            return said;
        }
        next = decoder.feed(&[token], workers).unwrap();
    }
}

/// The lower one of equals.
fn likeliest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

fn new(gguf: &Arc<Gguf>, kernels: &dyn KernelSource, workers: &Pool, tokens: usize) -> Decoder {
    Decoder::new(gguf, kernels, workers, KvCache::f16(tokens)).unwrap_or_else(|e| panic!("{e}"))
}

/// The widest difference of two lists of logits.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
}

#[test]
fn outputs_are_words() {
    let (gguf, cpu) = (example(), Cpu::open(Some(2)).unwrap());
    let pool = Pool::new(2).unwrap();
    let tokenizer = Tokenizer::open(&gguf).unwrap();
    let mut decoder = new(&gguf, &Kernels::new(&cpu), &pool, 100);
    let prompt = tokenizer.encode("Masks on positions become").unwrap();
    let said = say(&mut decoder, &pool, &prompt, 36, None);
    let text = tokenizer.decode(&said.tokens);
    assert!(text.starts_with(" ranges of keys** (`passes/src/build/attention.rs`)"), "{text}");
}

#[test]
fn compiled_kernels_say_what_the_reference_says() {
    let (cpu, pool) = (Cpu::open(Some(3)).unwrap(), Pool::new(3).unwrap());
    let folder = folder("reference");
    // The reference multiplies by weights as they are; int8 activations are off by half a step.
    for (format, bound) in [("f32", 2e-3), ("f16", 2e-3), ("q8_0", 0.5), ("q4_0", 0.5)] {
        let path = folder.join(format!("{format}.gguf"));
        let gguf = Contents::words().encoded(format).save(&path);
        let prompt = Tokenizer::open(&gguf).unwrap().encode("Licensed under the").unwrap();
        let mut ours = new(&gguf, &Kernels::new(&cpu), &pool, 40);
        let ours = say(&mut ours, &pool, &prompt, 12, None);
        let mut theirs = new(&gguf, &ReferenceKernels, &pool, 40);
        let theirs = say(&mut theirs, &pool, &prompt, 12, Some(&ours.tokens));
        for (a, b) in ours.logits.iter().zip(&theirs.logits) {
            assert!(apart(a, b) <= bound, "{format}: {}", apart(a, b));
        }
    }
}

/// A prompt that is read in batches leaves what reading it token by token leaves.
#[test]
fn batches_of_a_prompt_change_nothing() {
    let (gguf, cpu) = (example(), Cpu::open(Some(2)).unwrap());
    let pool = Pool::new(2).unwrap();
    let text = fs::read_to_string(words().with_file_name("../LICENSE-MIT")).unwrap();
    let tokens = Tokenizer::open(&gguf).unwrap().encode(&text).unwrap();
    let mut decoder = new(&gguf, &Kernels::new(&cpu), &pool, 200);
    for length in [1, 2, 63, 64, 65, 130] {
        decoder.reset();
        let at_once = decoder.feed(&tokens[..length], &pool).unwrap();
        let logits = decoder.logits();
        assert_eq!(decoder.position(), length);
        decoder.reset();
        let mut one_by_one = 0;
        for token in &tokens[..length] {
            one_by_one = decoder.feed(&[*token], &pool).unwrap();
        }
        let off = apart(&logits, &decoder.logits());
        assert!(off < 5e-3, "{length}: {off}");
        assert_eq!(at_once, one_by_one);
    }
}

/// What the metadata may say of a network, each with its own file.
fn networks() -> Vec<(&'static str, Contents)> {
    let words = Contents::words;
    let mut tied = words();
    tied.tensors.retain(|t| t.name != "output.weight");
    let mut halves = words();
    let number = |x: f32| Value::F32(x);
    for (key, value) in halves.metadata.clone() {
        if let Some(rest) = key.strip_prefix("llama.") {
            halves.remove(&key).set(&format!("qwen2.{rest}"), value);
        }
    }
    halves.set("general.architecture", Value::Text("qwen2".into()));
    for layer in 0..3 {
        for (part, n) in [("q", 96), ("k", 32), ("v", 32)] {
            let bias: Vec<f32> =
                (0..n).map(|i| ((i * 7 + layer) % 11) as f32 / 22.0 - 0.2).collect();
            halves.add(&format!("blk.{layer}.attn_{part}.bias"), &bias);
        }
    }
    let mut scaled = words();
    scaled
        .set("llama.rope.scaling.type", Value::Text("linear".into()))
        .set("llama.rope.scaling.factor", number(4.0))
        .set("llama.rope.freq_base", number(500_000.0))
        .set("llama.rope.dimension_count", Value::U32(12))
        .set("llama.attention.layer_norm_rms_epsilon", number(1e-3))
        .set("llama.attention.head_count_kv", Value::Array(Array::from(&[2, 2, 2][..])))
        .add("rope_freqs.weight", &[1.0, 1.0, 1.5, 2.0, 8.0, 8.0]);
    let mut partial_halves = halves.clone();
    partial_halves.set("qwen2.rope.dimension_count", Value::U32(8));
    vec![
        ("f32", words().encoded("f32")),
        ("f16", words()),
        ("bf16", words().encoded("bf16")),
        ("tied", tied),
        ("halves", halves),
        ("scaled", scaled),
        ("partial_halves", partial_halves),
    ]
}

#[test]
fn numpy_says_the_same() {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe = Command::new(&python).args(["-c", "import gguf, numpy"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!("SKIPPED: PyPI numpy or gguf is missing: {python} cannot import them");
        return;
    }
    let (cpu, pool) = (Cpu::open(Some(2)).unwrap(), Pool::new(2).unwrap());
    let (folder, kernels) = (folder("witness"), Kernels::new(&cpu));
    let tokenizer = Tokenizer::open(&example()).unwrap();
    let prompts: Vec<Vec<u32>> = PROMPTS.iter().map(|p| tokenizer.encode(p).unwrap()).collect();
    let mut runs = vec![];
    let mut note = |name: &str, i: usize, said: &Said, kind: &str, of: &Path, model: &Path| {
        let cache = name.strip_suffix("_cache").unwrap_or("f16");
        let logits = format!("{name}.{i}.logits");
        let bytes: Vec<u8> = said.logits.concat().iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(folder.join(&logits), bytes).unwrap();
        runs.push(serde_json::json!({
            "name": name, "number": i, "model": model, "of": of, "prompt": prompts[i], "tokens": said.tokens,
            "logits": logits, "kind": kind, "cache": cache,
        }));
    };
    let file = |name: &str| folder.join(format!("{name}.gguf"));
    let mut chosen: Vec<Vec<u32>> = vec![];
    for (name, contents) in networks() {
        let gguf = contents.save(&file(name));
        let mut decoder = new(&gguf, &kernels, &pool, 160);
        // The two that the issue names in full, the others in passing.
        let (count, steps) = if matches!(name, "f32" | "f16") { (10, STEPS) } else { (2, 24) };
        for (i, prompt) in prompts.iter().take(count).enumerate() {
            let said = say(&mut decoder, &pool, prompt, steps, None);
            note(name, i, &said, "own", &file(name), &file(name));
            if name == "f32" {
                chosen.push(said.tokens);
            }
        }
    }
    for (name, elem) in [("f32_cache", Dtype::F32), ("bf16_cache", Dtype::BF16)] {
        let gguf = example();
        let cache = KvCache { tokens: 160, elem };
        let mut decoder = Decoder::new(&gguf, &kernels, &pool, cache).unwrap();
        for (i, prompt) in prompts.iter().enumerate() {
            let said = say(&mut decoder, &pool, prompt, 24, None);
            note(name, i, &said, "own", &file("f16"), &file("f16"));
        }
    }
    for name in ["q8_0", "q4_0"] {
        let gguf = Contents::words().encoded(name).save(&file(name));
        let mut decoder = new(&gguf, &kernels, &pool, 160);
        for (i, (prompt, tokens)) in prompts.iter().zip(&chosen).enumerate() {
            let said = say(&mut decoder, &pool, prompt, STEPS, Some(tokens));
            note(name, i, &said, "forced", &file("f32"), &file(name));
        }
    }
    fs::write(folder.join("runs.json"), serde_json::to_string(&runs).unwrap()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/llama_check.py");
    let run = Command::new(python).arg(script).arg(&folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    print!("{}", text(&run.stdout));
    assert!(run.status.success(), "{}", text(&run.stderr));
}

/// Vocabularies that others have trained, and what theirs make of a thousand texts.
#[test]
fn vocabularies_cut_as_their_packages_do() {
    let python = std::env::var("KGEN_PYTHON").unwrap_or("python3".into());
    let probe =
        Command::new(&python).args(["-c", "import gguf, sentencepiece, tokenizers"]).output();
    if !probe.is_ok_and(|p| p.status.success()) {
        println!(
            "SKIPPED: PyPI tokenizers or sentencepiece is missing: {python} cannot import them"
        );
        return;
    }
    let folder = folder("vocabularies");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/witness/vocabularies.py");
    let run = Command::new(python).arg(script).arg(&folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let cases = fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 6);
    for (name, list) in &cases {
        let gguf = Gguf::open(&folder.join(format!("{name}.gguf"))).unwrap();
        let tokenizer = Tokenizer::open(&gguf).unwrap();
        let list: Vec<(String, Vec<u32>)> = serde_json::from_value(list.clone()).unwrap();
        for (text, wanted) in &list {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(ids, *wanted, "{name} {text:?}");
            let shown = tokenizer.decode(&ids);
            assert!(
                shown == *text || shown.strip_prefix(' ') == Some(text),
                "{name} {text:?} {shown:?}"
            );
        }
        println!("{name}: {} texts cut alike", list.len());
    }
}

/// A change to the file, and what is told then.
type Wrong = (fn(&mut Contents), &'static str);

#[rustfmt::skip] // one per line
const WRONG: &[Wrong] = &[
    (|c| { c.remove("general.architecture"); },
     "the file has no key `general.architecture`"),
    (|c| { c.set("general.architecture", Value::Text("mamba".into())); },
     "key `general.architecture`: `mamba` is a network kgen does not know; it knows llama, qwen2"),
    (|c| { c.set("general.architecture", Value::U32(1)); },
     "key `general.architecture`: it is U32(1), not a text"),
    (|c| { c.remove("llama.block_count"); },
     "the file has no key `llama.block_count`"),
    (|c| { c.set("llama.block_count", Value::U32(4)); },
     "has no tensor `blk.3.attn_norm.weight`; did you mean `blk.0.attn_norm.weight`?"),
    (|c| { c.set("llama.attention.head_count", Value::U32(0)); },
     "key `llama.attention.head_count`: it is 0"),
    (|c| { c.set("llama.attention.head_count", Value::I32(-6)); },
     "key `llama.attention.head_count`: it is I32(-6), not a whole number"),
    (|c| { c.set("llama.attention.head_count", Value::U32(7)); },
     "key `llama.attention.head_count_kv`: 7 query heads cannot share 2 evenly"),
    (|c| { c.set("llama.attention.head_count", Value::U32(10)); },
     "key `llama.embedding_length`: a width of 96 is no multiple of 10 heads"),
    (|c| { c.set("llama.attention.head_count", Value::U32(1 << 31)).set("llama.embedding_length", Value::U64(1 << 62)); },
     "tensor `blk.0.attn_q.weight`: it is [96, 96], the metadata ask for 2147483648 heads of 2147483648"),
    (|c| { c.set("llama.attention.head_count_kv", Value::Array(Array::from(&[2, 1, 2][..]))); },
     "key `llama.attention.head_count_kv`: kgen needs as many in every layer, and at least one"),
    (|c| { c.set("llama.attention.value_length", Value::U64(u64::MAX)); },
     "tensor `blk.0.attn_output.weight`: it is [96, 96], the metadata ask for 6 heads of 18446744073709551615"),
    (|c| { c.set("llama.attention.layer_norm_rms_epsilon", Value::F32(f32::NAN)); },
     "key `llama.attention.layer_norm_rms_epsilon`: it is F32(NaN), not a finite number of at least 0"),
    (|c| { c.remove("llama.attention.layer_norm_rms_epsilon"); },
     "the file has no key `llama.attention.layer_norm_rms_epsilon`"),
    (|c| { c.set("llama.rope.freq_base", Value::F32(0.0)); },
     "key `llama.rope.freq_base`: it must be above 0"),
    (|c| { c.set("llama.rope.freq_base", Value::F32(1e-38)).set("llama.rope.scaling.type", Value::Text("linear".into()))
            .set("llama.rope.scaling.factor", Value::F64(1e-300)); },
     "key `llama.rope.freq_base`: frequencies are not finite"),
    (|c| { c.set("llama.rope.dimension_count", Value::U32(18)); },
     "key `llama.rope.dimension_count`: 18 elements of a head of 16 cannot turn in pairs"),
    (|c| { c.set("llama.rope.scaling.type", Value::Text("yarn".into())); },
     "key `llama.rope.scaling.type`: `yarn` is a scaling kgen does not know; it knows none and linear"),
    (|c| { c.set("llama.rope.scaling.type", Value::Text("linear".into())).set("llama.rope.scaling.factor", Value::F32(0.0)); },
     "key `llama.rope.scaling.factor`: it must be above 0"),
    (|c| { c.add("rope_freqs.weight", &[1.0]); },
     "tensor `rope_freqs.weight`: it is [1], the metadata ask for [8]"),
    (|c| { c.set("llama.expert_count", Value::U32(8)); },
     "key `llama.expert_count`: it is 8; kgen decodes dense networks alone"),
    (|c| { c.tensor("token_embd.weight").dims = vec![512 * 96]; },
     "tensor `token_embd.weight`: it is [49152], the metadata ask for [vocabulary, width]"),
    (|c| { c.tensor("token_embd.weight").dims = vec![256, 192]; },
     "tensor `token_embd.weight`: it is [256, 192], the metadata ask for [vocabulary, 96]"),
    (|c| { c.tensor("blk.1.ffn_down.weight").dims = vec![256, 96]; },
     "tensor `blk.1.ffn_down.weight`: it is [256, 96], the metadata ask for [96, 256]"),
    (|c| { c.tensor("output_norm.weight").dims = vec![48, 2]; },
     "tensor `output_norm.weight`: it is [48, 2], the metadata ask for [96]"),
    (|c| { c.add("blk.0.attn_k.bias", &[1.0]); },
     "tensor `blk.0.attn_k.bias`: it is [1], the metadata ask for [32]"),
    (|c| { c.tensors.retain(|t| t.name != "blk.2.attn_v.weight"); },
     "has no tensor `blk.2.attn_v.weight`; did you mean"),
    (|c| { c.set("llama.context_length", Value::U32(39)); },
     "40 tokens are more than 39, which the model was trained for (`context_length`)"),
];

#[test]
fn what_is_wrong_with_a_model_is_named() {
    let (folder, pool) = (folder("wrong"), Pool::new(1).unwrap());
    for (change, told) in WRONG {
        let mut contents = Contents::words();
        change(&mut contents);
        let gguf = contents.save(&folder.join("m.gguf"));
        let error = Decoder::new(&gguf, &ReferenceKernels, &pool, KvCache::f16(40)).err();
        let error = error.unwrap_or_else(|| panic!("no error: {told}")).to_string();
        assert!(error.contains(told), "{error}\n{told}");
    }
}

#[test]
fn tensors_of_types_without_kernels_are_named() {
    let (folder, pool) = (folder("types"), Pool::new(1).unwrap());
    let path = folder.join("m.gguf");
    Contents::words().save(&path);
    let whole = fs::read(&path).unwrap();
    // The type number of a tensor: behind its name, its rank and two sizes.
    let name = b"blk.1.ffn_up.weight";
    let at = whole.windows(name.len()).position(|w| w == name).unwrap() + name.len() + 4 + 16;
    let mut other = whole.clone();
    other[at..at + 4].copy_from_slice(&99u32.to_le_bytes());
    let cut = &whole[..whole.len() - 100_000];
    for (bytes, told) in [
        (&other[..], "tensor `blk.1.ffn_up.weight` is of GGUF type 99, which kgen does not read"),
        (cut, "is longer than the file"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = match Gguf::open(&path) {
            Ok(gguf) => Decoder::new(&Arc::new(gguf), &ReferenceKernels, &pool, KvCache::f16(9))
                .err()
                .unwrap()
                .to_string(),
            Err(e) => e.to_string(),
        };
        assert!(error.contains(told), "{error}");
    }
    // A matrix where a vector is read, of a type that vectors do not have.
    let mut contents = Contents::words().encoded("q8_0");
    let blocks = contents.tensor("blk.0.attn_q.weight").clone();
    let norm = contents.tensor("blk.0.attn_norm.weight");
    (norm.format, norm.bytes) = (blocks.format, blocks.bytes[..3 * 34].to_vec());
    let gguf = contents.save(&path);
    let error =
        Decoder::new(&gguf, &ReferenceKernels, &pool, KvCache::f16(9)).err().unwrap().to_string();
    assert_eq!(error, "tensor `blk.0.attn_norm.weight`: vectors are f32, f16 or bf16");
}

/// A file that aligns nothing: its weights are copied to where kernels can read them.
#[test]
fn tensors_may_lie_anywhere() {
    let (cpu, pool) = (Cpu::open(Some(2)).unwrap(), Pool::new(2).unwrap());
    let path = folder("aligned").join("m.gguf");
    let mut contents = Contents::words();
    let mut size = |length: usize| {
        contents.set("padding", Value::Text("x".repeat(length)));
        contents.save(&path);
        fs::metadata(&path).unwrap().len()
    };
    // Where a character more takes the next 32 bytes, the head ends at the data.
    let length = (0..32).find(|n| size(n + 1) > size(*n)).unwrap();
    size(length);
    let (gguf, bytes) = (Gguf::open(&path).unwrap(), fs::read(&path).unwrap());
    let data: usize = gguf.tensors().map(|t| t.bytes.len().next_multiple_of(32)).sum();
    let key = b"general.alignment";
    let mut added = (key.len() as u64).to_le_bytes().to_vec();
    added.extend(key);
    added.extend([4u32, 1].iter().flat_map(|x| x.to_le_bytes()));
    let keys = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) + 1;
    let (head, rest) = (&bytes[..16], &bytes[24..]);
    assert!(rest.len() > data && !added.len().is_multiple_of(4));
    let moved = [head, &keys.to_le_bytes(), &added, rest].concat();
    let path = path.with_file_name("moved.gguf");
    fs::write(&path, moved).unwrap();
    let other = Arc::new(Gguf::open(&path).unwrap());
    let (a, b) = (gguf.tensor("output.weight").unwrap(), other.tensor("output.weight").unwrap());
    assert!(a.bytes == b.bytes && !b.bytes.as_ptr().addr().is_multiple_of(4));
    let mut logits = vec![];
    for gguf in [&example(), &other] {
        let mut decoder = new(gguf, &Kernels::new(&cpu), &pool, 9);
        decoder.feed(&[510, 3, 5, 8], &pool).unwrap();
        logits.push(decoder.logits());
    }
    assert_eq!(logits[0], logits[1]);
}

#[test]
fn wrong_tokens_are_refused() {
    let pool = Pool::new(1).unwrap();
    let mut decoder = new(&example(), &ReferenceKernels, &pool, 3);
    for (tokens, told) in [
        (&[][..], "no token is given: a prompt must have at least one"),
        (&[512], "512 is none of the model's 512 tokens"),
        (&[1, 2, 3, 4], "4 tokens are more than 3, which this decoder has room for"),
    ] {
        assert_eq!(decoder.feed(tokens, &pool).unwrap_err().to_string(), told);
    }
    // Nothing was read: the sequence goes on.
    decoder.feed(&[1, 2], &pool).unwrap();
    assert!(decoder.feed(&[1, 2], &pool).is_err());
    decoder.feed(&[1], &pool).unwrap();
    assert_eq!(decoder.position(), 3);
    let other = Pool::new(2).unwrap();
    decoder.reset();
    let error = decoder.feed(&[1], &other).unwrap_err().to_string();
    assert_eq!(error, "token_embd: the plan is for 1 workers, the pool has 2");
}
