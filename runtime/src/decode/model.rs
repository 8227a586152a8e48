//! What the metadata of a Llama-family file say of its network, checked before anything is computed.
//!
//! ```text
//! llama.block_count 3, llama.embedding_length 96, llama.attention.head_count 6, llama.attention.head_count_kv 2, ...
//! ```

use super::{Error, keys::Keys};
use crate::files::gguf::{Gguf, TensorInfo, Value};

/// Sizes and constants of the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    /// Elements of a key, and of a query.
    pub key_dim: usize,
    pub value_dim: usize,
    /// Of the feed-forward part.
    pub hidden: usize,
    pub vocabulary: usize,
    /// Tokens that the model was trained for.
    pub context: usize,
    pub epsilon: f64,
    pub rope: Rope,
}

/// How positions turn queries and keys: pairs of elements by an angle of position times frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    pub pairs: Pairs,
    /// Elements of a head that turn, the first ones.
    pub dims: usize,
    /// One a pair, scaling included.
    pub frequencies: Vec<f32>,
}

/// Which elements turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// 0 and 1, 2 and 3, ...
    Neighbours,
    /// 0 and d/2, 1 and d/2 + 1, ...
    Halves,
}

/// Networks of this family: name in `general.architecture`, pairs of its rope.
const ARCHITECTURES: &[(&str, Pairs)] = &[("llama", Pairs::Neighbours), ("qwen2", Pairs::Halves)];

/// Keys of the architecture that would make another network of it, and the value at which they do not.
const OTHERS: &[(&str, usize)] = &[("expert_count", 0)];

impl Model {
    pub fn open(gguf: &Gguf) -> Result<Model, Error> {
        let keys = Keys::new(gguf);
        let name = keys.text("general.architecture")?;
        let Some((_, pairs)) = ARCHITECTURES.iter().find(|(n, _)| *n == name) else {
            let known: Vec<_> = ARCHITECTURES.iter().map(|(n, _)| *n).collect();
            let what =
                format!("`{name}` is a network kgen does not know; it knows {}", known.join(", "));
            return Err(keys.wrong("general.architecture", what));
        };
        let key = |rest: &str| format!("{name}.{rest}");
        for (rest, plain) in OTHERS {
            let key = key(rest);
            if let Some(found) = keys.count(&key)?
                && found != *plain
            {
                let what = format!("it is {found}; kgen decodes dense networks alone");
                return Err(keys.wrong(&key, what));
            }
        }
        let heads = keys.size(&key("attention.head_count"))?;
        let kv_key = key("attention.head_count_kv");
        let kv_heads = kv_heads(&keys, &kv_key, heads)?;
        if !heads.is_multiple_of(kv_heads) {
            let what = format!("{heads} query heads cannot share {kv_heads} evenly");
            return Err(keys.wrong(&kv_key, what));
        }
        let width = keys.size(&key("embedding_length"))?;
        let key_dim = match keys.size_if(&key("attention.key_length"))? {
            Some(dim) => dim,
            None if width.is_multiple_of(heads) => width / heads,
            None => {
                let what = format!("a width of {width} is no multiple of {heads} heads");
                return Err(keys.wrong(&key("embedding_length"), what));
            }
        };
        let value_dim = keys.size_if(&key("attention.value_length"))?.unwrap_or(key_dim);
        for (dim, part) in [(key_dim, "q"), (value_dim, "output")] {
            head_sizes(gguf, part, heads, dim)?;
        }
        let epsilon = key("attention.layer_norm_rms_epsilon");
        // Every layer normalises twice and the file says by what, or it is another network.
        let epsilon = keys.number(&epsilon)?.ok_or_else(|| keys.missing(&epsilon))?;
        let embedding = gguf.tensor("token_embd.weight")?;
        let &[vocabulary, _] = embedding.dims else {
            return Err(shape(embedding, "[vocabulary, width]"));
        };
        if vocabulary == 0 || i32::try_from(vocabulary).is_err() {
            return Err(shape(embedding, "a vocabulary"));
        }
        let rope = rope(gguf, &keys, &key, *pairs, key_dim)?;
        Ok(Model {
            layers: keys.size(&key("block_count"))?,
            width,
            heads,
            kv_heads,
            key_dim,
            value_dim,
            hidden: keys.size(&key("feed_forward_length"))?,
            vocabulary,
            context: keys.size(&key("context_length"))?,
            epsilon,
            rope,
        })
    }
}

/// One number, or the same number for each layer.
fn kv_heads(keys: &Keys<'_>, key: &str, heads: usize) -> Result<usize, Error> {
    if !matches!(keys.value(key), Some(Value::Array(_))) {
        return Ok(keys.size_if(key)?.unwrap_or(heads));
    }
    let list = keys.numbers(key)?.unwrap_or_default();
    match list.first().and_then(|x| usize::try_from(*x).ok()) {
        Some(first) if first > 0 && list.iter().all(|x| *x == first as u64) => Ok(first),
        Some(_) | None => {
            Err(keys.wrong(key, "kgen needs as many in every layer, and at least one"))
        }
    }
}

/// Whether the first layer has heads of this size: what the metadata say may be anything.
fn head_sizes(gguf: &Gguf, part: &str, heads: usize, dim: usize) -> Result<(), Error> {
    let tensor = gguf.tensor(&format!("blk.0.attn_{part}.weight"))?;
    match heads.checked_mul(dim) {
        Some(size) if tensor.dims.contains(&size) => Ok(()),
        Some(_) | None => Err(shape(tensor, &format!("{heads} heads of {dim}"))),
    }
}

fn rope(
    gguf: &Gguf,
    keys: &Keys<'_>,
    key: &dyn Fn(&str) -> String,
    pairs: Pairs,
    key_dim: usize,
) -> Result<Rope, Error> {
    let dims = keys.size_if(&key("rope.dimension_count"))?.unwrap_or(key_dim);
    if dims > key_dim || !dims.is_multiple_of(2) {
        let what = format!("{dims} elements of a head of {key_dim} cannot turn in pairs");
        return Err(keys.wrong(&key("rope.dimension_count"), what));
    }
    let base = keys.number(&key("rope.freq_base"))?.unwrap_or(10_000.0);
    if base <= 0.0 {
        return Err(keys.wrong(&key("rope.freq_base"), "it must be above 0"));
    }
    let scaling = key("rope.scaling.type");
    let kind = if keys.value(&scaling).is_some() { Some(keys.text(&scaling)?) } else { None };
    // Old files say linear scaling by a key of its own.
    let old = keys.number(&key("rope.scale_linear"))?;
    let factor = match kind {
        Some("none") => 1.0,
        Some("linear") => keys.number(&key("rope.scaling.factor"))?.or(old).unwrap_or(1.0),
        None => old.unwrap_or(1.0),
        Some(other) => {
            let what =
                format!("`{other}` is a scaling kgen does not know; it knows none and linear");
            return Err(keys.wrong(&scaling, what));
        }
    };
    if factor <= 0.0 {
        return Err(keys.wrong(&key("rope.scaling.factor"), "it must be above 0"));
    }
    let mut frequencies: Vec<f64> =
        (0..dims / 2).map(|i| base.powf(-(2.0 * i as f64) / dims as f64) / factor).collect();
    // Llama 3.1 and later: a divisor for each pair.
    const DIVISORS: &str = "rope_freqs.weight";
    if gguf.tensors().any(|t| t.name == DIVISORS) {
        let divisors = gguf.tensor(DIVISORS)?;
        if divisors.dims != [dims / 2] {
            return Err(shape(divisors, &format!("[{}]", dims / 2)));
        }
        for (f, divisor) in frequencies.iter_mut().zip(values(divisors)?) {
            *f /= f64::from(divisor);
        }
    }
    if frequencies.iter().any(|f| !f.is_finite()) {
        return Err(keys.wrong(&key("rope.freq_base"), "frequencies are not finite"));
    }
    Ok(Rope { pairs, dims, frequencies: frequencies.into_iter().map(|f| f as f32).collect() })
}

/// All values of a small tensor.
fn values(tensor: TensorInfo<'_>) -> Result<Vec<f32>, Error> {
    let failed = |what: String| Error::Tensor { name: tensor.name.into(), what };
    let format = tensor.format.ok_or_else(|| failed("its type is unknown".into()))?;
    let mut out = Vec::new();
    for block in tensor.bytes.chunks(format.bytes) {
        out.extend(format.decode(block).map_err(|e| failed(e.to_string()))?);
    }
    Ok(out)
}

pub fn shape(tensor: TensorInfo<'_>, wanted: &str) -> Error {
    let what = format!("it is {:?}, the metadata ask for {wanted}", tensor.dims);
    Error::Tensor { name: tensor.name.into(), what }
}
