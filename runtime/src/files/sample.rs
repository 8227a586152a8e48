//! A small model file to try kgen with: one tensor of each format, the same bytes for the same seed.

use super::{FileError, gguf};
use kgen_ir::format::{random, rows};
use std::path::Path;

/// Names as llama.cpp gives them, formats, dimensions.
#[rustfmt::skip] // one per row
const TENSORS: &[(&str, &str, &[usize])] = &[
    ("blk.0.attn_norm.weight",   "f32",  &[256]),
    ("blk.0.attn_output.weight", "f16",  &[16, 256]),
    ("blk.0.attn_v.weight",      "bf16", &[16, 256]),
    ("blk.0.attn_q.weight",      "q4_k", &[64, 256]),
    ("blk.0.attn_k.weight",      "q6_k", &[32, 256]),
    ("blk.0.ffn_up.weight",      "q4_0", &[96, 256]),
    ("blk.0.ffn_gate.weight",    "q4_1", &[96, 256]),
    ("blk.0.ffn_down.weight",    "q8_0", &[64, 256]),
];

/// Writes the sample: random values between -1 and 1 brought into each format; where the scales have two levels,
/// random blocks.
pub fn write(path: &Path, seed: u64) -> Result<(), FileError> {
    let mut next = random::numbers(seed);
    let mut tensors = Vec::new();
    for &(name, format, dims) in TENSORS {
        let Some(format) = rows::find(format) else { continue };
        let count: usize = dims.iter().product();
        let values: Vec<f32> = (0..count).map(|_| random::signed_unit(&mut next)).collect();
        let bytes = match format.encode(&values) {
            Ok(bytes) => bytes,
            Err(_) => {
                (0..count / format.block).flat_map(|_| format.random_block(&mut next)).collect()
            }
        };
        tensors.push(gguf::NewTensor { name: name.into(), dims: dims.into(), format, bytes });
    }
    let text = |x: &str| gguf::Value::Text(x.into());
    let metadata = [
        ("general.architecture".into(), text("llama")),
        ("general.name".into(), text("kgen sample")),
        ("llama.embedding_length".into(), gguf::Value::U32(256)),
        ("kgen.seed".into(), gguf::Value::U64(seed)),
    ];
    gguf::write(path, &metadata, &tensors)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Folder, *};

    #[test]
    fn a_seed_says_every_byte() {
        let folder = Folder::new();
        let make = |name: &str, seed| {
            write(&folder.file(name), seed).unwrap();
            std::fs::read(folder.file(name)).unwrap()
        };
        let a = make("a", 1);
        assert!(a.len() < 100_000, "{}", a.len());
        assert_eq!(a, make("b", 1));
        assert_ne!(a, make("c", 2));
    }

    #[test]
    fn the_sample_holds_every_format_with_finite_values() {
        let folder = Folder::new();
        write(&folder.file("a.gguf"), 7).unwrap();
        let file = gguf::Gguf::open(&folder.file("a.gguf")).unwrap();
        assert_eq!(file.tensors().count(), TENSORS.len());
        for &(name, format, dims) in TENSORS {
            let t = file.tensor(name).unwrap();
            assert_eq!((t.dims, t.format), (dims, rows::find(format)));
            for block in t.bytes.chunks(t.format.unwrap().bytes) {
                let values = t.format.unwrap().decode(block).unwrap();
                assert!(values.iter().all(|x| x.is_finite()));
            }
        }
    }
}
