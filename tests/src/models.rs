//! Model files made from the one of the examples: other weights, other metadata, the same words.

use kgen_ir::format::{Format, rows};
use kgen_runtime::files::gguf::{Array, Gguf, NewTensor, Value, write};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The model of the examples: 3 layers, 6 query heads and 2 of keys, f16, 512 tokens.
pub fn words() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/words.gguf")
}

/// Contents of a model file.
#[derive(Clone)]
pub struct Contents {
    pub metadata: BTreeMap<String, Value>,
    pub tensors: Vec<NewTensor>,
}

impl Contents {
    pub fn words() -> Contents {
        let file = Gguf::open(&words()).unwrap();
        let tensors = file.tensors().map(|t| NewTensor {
            name: t.name.into(),
            dims: t.dims.into(),
            format: t.format.unwrap(),
            bytes: t.bytes.into(),
        });
        Contents { metadata: file.metadata().clone(), tensors: tensors.collect() }
    }

    /// A network of the least sizes: one layer, one head of two elements, eight tokens of pairs of bytes or of pieces.
    pub fn least(pieces: bool) -> Contents {
        let mut out = Contents { metadata: BTreeMap::new(), tensors: vec![] };
        let count = |x: u32| Value::U32(x);
        for (key, value) in [
            ("block_count", count(1)),
            ("context_length", count(8)),
            ("embedding_length", count(2)),
            ("feed_forward_length", count(2)),
            ("attention.head_count", count(1)),
            ("attention.head_count_kv", count(1)),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
            ("rope.dimension_count", count(2)),
            ("rope.freq_base", Value::F32(1e4)),
            ("rope.scaling.type", Value::Text("linear".into())),
            ("rope.scaling.factor", Value::F32(2.0)),
        ] {
            out.set(&format!("llama.{key}"), value);
        }
        out.set("general.architecture", Value::Text("llama".into()));
        let tokens = if pieces {
            ["<unk>", "<s>", "</s>", "<0x61>", "\u{2581}", "a", "\u{2581}a", "aa"]
        } else {
            ["<s>", "</s>", "a", "b", "Ġ", "ab", "Ġa", "Ċ"]
        };
        let types = if pieces { [2, 3, 3, 6, 1, 1, 1, 1] } else { [3, 3, 1, 1, 1, 1, 1, 1] };
        let scores: Vec<f32> = (0..8).map(|i| -(i as f32)).collect();
        let merges = ["a b", "Ġ a"];
        for (key, value) in [
            ("model", Value::Text(if pieces { "llama" } else { "gpt2" }.into())),
            ("pre", Value::Text("gpt-2".into())),
            ("tokens", Value::Array(Array::from(&tokens[..]))),
            ("token_type", Value::Array(Array::from(&types[..]))),
            ("scores", Value::Array(Array::from(&scores[..]))),
            ("merges", Value::Array(Array::from(&merges[..]))),
            ("bos_token_id", count(u32::from(pieces))),
            ("eos_token_id", count(1 + u32::from(pieces))),
            ("add_bos_token", Value::Bool(true)),
        ] {
            out.set(&format!("tokenizer.ggml.{key}"), value);
        }
        for (name, rows) in [
            ("token_embd", 8),
            ("output_norm", 0),
            ("blk.0.attn_norm", 0),
            ("blk.0.attn_q", 2),
            ("blk.0.attn_k", 2),
            ("blk.0.attn_v", 2),
            ("blk.0.attn_output", 2),
            ("blk.0.ffn_norm", 0),
            ("blk.0.ffn_gate", 2),
            ("blk.0.ffn_up", 2),
            ("blk.0.ffn_down", 2),
        ] {
            let name = format!("{name}.weight");
            out.add(&name, &vec![0.5; 2 * rows.max(1)]);
            if rows > 0 {
                out.tensor(&name).dims = vec![rows, 2];
            }
        }
        out
    }

    pub fn set(&mut self, key: &str, value: Value) -> &mut Contents {
        self.metadata.insert(key.into(), value);
        self
    }

    pub fn remove(&mut self, key: &str) -> &mut Contents {
        assert!(self.metadata.remove(key).is_some(), "{key}");
        self
    }

    pub fn tensor(&mut self, name: &str) -> &mut NewTensor {
        self.tensors.iter_mut().find(|t| t.name == name).unwrap_or_else(|| panic!("{name}"))
    }

    pub fn add(&mut self, name: &str, values: &[f32]) -> &mut Contents {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let format = rows::find("f32").unwrap();
        self.tensors.push(NewTensor { name: name.into(), dims: vec![values.len()], format, bytes });
        self
    }

    /// All matrices in this format.
    pub fn encoded(mut self, format: &str) -> Contents {
        let format = rows::find(format).unwrap();
        for t in self.tensors.iter_mut().filter(|t| t.dims.len() == 2) {
            t.bytes = format.encode(&values(t.format, &t.bytes)).unwrap();
            t.format = format;
        }
        self
    }

    pub fn save(&self, path: &Path) -> Arc<Gguf> {
        let metadata: Vec<_> = self.metadata.clone().into_iter().collect();
        write(path, &metadata, &self.tensors).unwrap();
        Arc::new(Gguf::open(path).unwrap())
    }
}

fn values(format: &Format, bytes: &[u8]) -> Vec<f32> {
    bytes.chunks(format.bytes).flat_map(|block| format.decode(block).unwrap()).collect()
}
