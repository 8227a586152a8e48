//! The loop: the steps of a model in order, the memory between them, tokens in and the likeliest token out.

use super::{
    Error, KernelSource,
    model::{Model, shape},
    ops,
    step::{Maker, Now, Rows, Size, Start, Step, operands},
};
use crate::{buffer::Buffer, files::gguf::Gguf, pool::Workers};
use kgen_ir::{dtype::Dtype, format::Format};
use std::sync::Arc;

/// Rows that go through the steps at once while a prompt is read.
const BATCH: usize = 64;

const EACH: &[(&str, Size)] = &[("m", Size::Rows)];
const LAST: &[(&str, Size)] = &[("m", Size::One)];
const KEYS: &[(&str, Size)] = &[("m", Size::Rows), ("n", Size::Seen)];

/// What keeps the keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvCache {
    /// Room for so many tokens in all.
    pub tokens: usize,
    /// f16, f32 or bf16.
    pub elem: Dtype,
}

impl KvCache {
    pub fn f16(tokens: usize) -> KvCache {
        KvCache { tokens, elem: Dtype::F16 }
    }
}

/// A model ready to decode one sequence.
pub struct Decoder {
    gguf: Arc<Gguf>,
    model: Model,
    /// For every row.
    layers: Vec<Step>,
    /// For the row whose next token is asked for.
    head: Vec<Step>,
    memory: Vec<Rows>,
    cache: KvCache,
    /// Tokens that it holds.
    position: usize,
    /// How the rows of the embedding come in, if not by a step.
    embedding: Option<&'static Format>,
}

/// Places in the memory; those of a layer's cache follow.
const IDS: usize = 0;
const POSITIONS: usize = 1;
const FREQUENCIES: usize = 2;
const LOGITS: usize = 3;
const NEXT: usize = 4;
const X: usize = 5;
const SUM: usize = 6;
const H: usize = 7;
const Q: usize = 8;
const K: usize = 9;
const TURNED: usize = 10;
const BIASED: usize = 11;
const O: usize = 12;
const ACTED: usize = 13;
const CACHES: usize = 14;

impl Decoder {
    /// Compiles and plans every step.
    pub fn new(
        gguf: &Arc<Gguf>,
        source: &dyn KernelSource,
        workers: &dyn Workers,
        cache: KvCache,
    ) -> Result<Decoder, Error> {
        let model = Model::open(gguf)?;
        if cache.tokens > model.context {
            let (wanted, most) = (cache.tokens, model.context);
            let why = "the model was trained for (`context_length`)";
            return Err(Error::Context { wanted, most, why });
        }
        let embedding = gguf.tensor("token_embd.weight")?;
        if embedding.dims != [model.vocabulary, model.width] {
            return Err(shape(embedding, &format!("[vocabulary, {}]", model.width)));
        }
        let coded = embedding.format.filter(|f| plain(f).is_none());
        let maker = Maker { gguf, source, workers: workers.count() };
        let mut build =
            Build { maker, model: &model, cache: cache.elem, x: X, spare: SUM, steps: vec![] };
        let layers = build.layers()?;
        let head = build.head()?;
        let memory = memory(&model, cache)?;
        Ok(Decoder {
            gguf: Arc::clone(gguf),
            model,
            layers,
            head,
            memory,
            cache,
            position: 0,
            embedding: coded,
        })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Tokens fed so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Begins a new sequence.
    pub fn reset(&mut self) {
        self.position = 0;
    }

    /// Reads tokens behind those before, and tells which is the likeliest to follow.
    pub fn feed(&mut self, tokens: &[u32], workers: &dyn Workers) -> Result<u32, Error> {
        if tokens.is_empty() {
            return Err(Error::NoPrompt);
        }
        let vocabulary = self.model.vocabulary;
        if let Some(&token) = tokens.iter().find(|t| **t as usize >= vocabulary) {
            return Err(Error::Token { token, vocabulary });
        }
        if tokens.len() > self.cache.tokens - self.position {
            let wanted = self.position.saturating_add(tokens.len());
            let why = "this decoder has room for";
            return Err(Error::Context { wanted, most: self.cache.tokens, why });
        }
        let mut parts = tokens.chunks(BATCH);
        while let Some(part) = parts.next() {
            let now = Now { rows: part.len(), position: self.position };
            self.put(IDS, part.iter().map(|t| t.to_le_bytes()));
            self.put(POSITIONS, (now.position..).take(now.rows).map(|p| (p as i32).to_le_bytes()));
            if let Some(format) = self.embedding {
                self.look_up(part, format)?;
            }
            for step in &mut self.layers {
                step.run(now, &mut self.memory, workers)?;
            }
            if parts.len() == 0 {
                for step in &mut self.head {
                    step.run(now, &mut self.memory, workers)?;
                }
            }
            self.position += part.len();
        }
        let next = self.get(NEXT).first().map_or(0, |b| u32::from_le_bytes(*b));
        Ok(next)
    }

    /// Of the last token fed: one a token of the vocabulary.
    pub fn logits(&self) -> Vec<f32> {
        self.get(LOGITS).iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    /// Rows of an embedding that is stored in blocks.
    fn look_up(&mut self, tokens: &[u32], format: &Format) -> Result<(), Error> {
        const NAME: &str = "token_embd.weight";
        let failed = |what: String| Error::Tensor { name: NAME.into(), what };
        let mut values = Vec::with_capacity(tokens.len() * self.model.width);
        let bytes = self.gguf.tensor(NAME)?.bytes;
        let row = format.row_bytes(self.model.width).unwrap_or(0);
        for token in tokens {
            let row = bytes.get(*token as usize * row..).and_then(|b| b.get(..row)).unwrap_or(&[]);
            for block in row.chunks(format.bytes) {
                values.extend(format.decode(block).map_err(|e| failed(e.to_string()))?);
            }
        }
        self.put(X, values.iter().map(|x| x.to_le_bytes()));
        Ok(())
    }

    fn put(&mut self, rows: usize, values: impl Iterator<Item = [u8; 4]>) {
        if let Some(rows) = self.memory.get_mut(rows) {
            let (places, _) = rows.memory.bytes_mut().as_chunks_mut::<4>();
            for (place, value) in places.iter_mut().zip(values) {
                *place = value;
            }
        }
    }

    fn get(&self, rows: usize) -> &[[u8; 4]] {
        self.memory.get(rows).map_or(&[], |r| r.memory.bytes().as_chunks::<4>().0)
    }
}

/// The element type of a format without blocks.
fn plain(format: &Format) -> Option<Dtype> {
    if format.block == 1 { Dtype::parse(format.name) } else { None }
}

fn memory(model: &Model, cache: KvCache) -> Result<Vec<Rows>, Error> {
    let batch = BATCH.min(cache.tokens.max(1));
    let Model { heads, kv_heads, key_dim, value_dim, .. } = *model;
    let f32 = 4;
    let wide = |a: usize, b: usize| a.saturating_mul(b).saturating_mul(f32);
    let mut sizes = vec![(0, 0); CACHES];
    for (place, row) in [
        (IDS, f32),
        (POSITIONS, f32),
        (X, wide(model.width, 1)),
        (H, wide(model.width, 1)),
        (Q, wide(heads, key_dim)),
        (K, wide(kv_heads, key_dim)),
        (TURNED, wide(heads, key_dim)),
        (O, wide(heads, value_dim)),
        (ACTED, wide(model.hidden, 1)),
        (SUM, wide(model.width, 1)),
        (BIASED, wide(heads, key_dim).max(wide(kv_heads, key_dim.max(value_dim)))),
    ] {
        sizes[place] = (batch, row);
    }
    sizes[FREQUENCIES] = (1, wide(model.rope.frequencies.len(), 1));
    sizes[LOGITS] = (1, wide(model.vocabulary, 1));
    sizes[NEXT] = (1, f32);
    for _ in 0..model.layers {
        let elem = cache.elem.bytes().unwrap_or(f32);
        for dim in [key_dim, value_dim] {
            sizes.push((cache.tokens, kv_heads.saturating_mul(dim).saturating_mul(elem)));
        }
    }
    let mut out = Vec::with_capacity(sizes.len());
    for (rows, row) in sizes {
        out.push(Rows { memory: Buffer::zeroed(row.saturating_mul(rows))?, row });
    }
    if let Some(rows) = out.get_mut(FREQUENCIES) {
        let (places, _) = rows.memory.bytes_mut().as_chunks_mut::<4>();
        for (place, x) in places.iter_mut().zip(&model.rope.frequencies) {
            *place = x.to_le_bytes();
        }
    }
    Ok(out)
}

/// Makes the steps in order.
struct Build<'a> {
    maker: Maker<'a>,
    model: &'a Model,
    cache: Dtype,
    /// Where the state of each row is, and where the next sum goes.
    x: usize,
    spare: usize,
    steps: Vec<Step>,
}

impl Build<'_> {
    /// From tokens to the state of their rows.
    fn layers(&mut self) -> Result<Vec<Step>, Error> {
        let m = self.model;
        let embedding = self.maker.gguf.tensor("token_embd.weight")?;
        if let Some(dtype) = embedding.format.and_then(plain) {
            let text = ops::embedding(m.vocabulary, m.width, dtype);
            let weights = [("table", "token_embd.weight")];
            self.push("token_embd", &text, EACH, &weights, &[("id", IDS), ("y", X)])?;
        }
        for layer in 0..m.layers {
            self.attention(layer)?;
            self.feed_forward(layer)?;
        }
        Ok(std::mem::take(&mut self.steps))
    }

    /// From the state of the last row to the likeliest token.
    fn head(&mut self) -> Result<Vec<Step>, Error> {
        let m = self.model;
        let norm = self.norm_text("output_norm.weight")?;
        let weights = [("g", "output_norm.weight")];
        let from = operands(&[("x", self.x, Start::Last), ("y", H, Start::First)]);
        self.steps.push(self.maker.step("output_norm", &norm, LAST, &weights, from)?);
        // A model may give its embedding both uses.
        let tied = !self.has("output.weight");
        let output = if tied { "token_embd.weight" } else { "output.weight" };
        self.product(output, (H, LOGITS, Start::First), [m.vocabulary, m.width], Dtype::F32, LAST)?;
        let list = [("x", LOGITS), ("id", NEXT)];
        self.push("argmax", &ops::argmax(m.vocabulary), LAST, &[], &list)?;
        Ok(std::mem::take(&mut self.steps))
    }

    fn attention(&mut self, layer: usize) -> Result<(), Error> {
        let m = self.model;
        let name = |part: &str| format!("blk.{layer}.attn_{part}");
        let (keys, values) = (CACHES + 2 * layer, CACHES + 2 * layer + 1);
        let (q, k, v) = (m.heads * m.key_dim, m.kv_heads * m.key_dim, m.kv_heads * m.value_dim);
        self.norm(&name("norm"), self.x, H)?;
        let turned = self.biased(&name("q"), Q, Start::First, q, Dtype::F32)?;
        let rope = ops::rope(m.heads, m.key_dim, &m.rope, Dtype::F32);
        let list = [("pos", POSITIONS), ("freq", FREQUENCIES), ("x", turned), ("y", TURNED)];
        self.push(&name("q rope"), &rope, EACH, &[], &list)?;
        // Keys and values are written where the cache keeps them.
        let turned = self.biased(&name("k"), K, Start::First, k, Dtype::F32)?;
        let rope = ops::rope(m.kv_heads, m.key_dim, &m.rope, self.cache);
        let list = [("pos", POSITIONS), ("freq", FREQUENCIES), ("x", turned)];
        let mut list = list.map(|(n, rows)| (n, rows, Start::First)).to_vec();
        list.push(("y", keys, Start::Position));
        let step = self.maker.step(&name("k rope"), &rope, EACH, &[], operands(&list))?;
        self.steps.push(step);
        self.biased(&name("v"), values, Start::Position, v, self.cache)?;
        let text = ops::attention(m, self.cache);
        let list = [("q", TURNED), ("kv.k", keys), ("kv.v", values), ("o", O)];
        self.push(&name("heads"), &text, KEYS, &[], &list)?;
        self.add(&name("output.weight"), O, m.heads * m.value_dim)
    }

    fn feed_forward(&mut self, layer: usize) -> Result<(), Error> {
        let m = self.model;
        let name = |part: &str| format!("blk.{layer}.ffn_{part}");
        self.norm(&name("norm"), self.x, H)?;
        let (gate, up) = (name("gate.weight"), name("up.weight"));
        let shape = [m.hidden, m.width];
        let text =
            ops::gated(shape[0], shape[1], self.matrix(&gate, shape)?, self.matrix(&up, shape)?);
        let weights = [("gate", gate.as_str()), ("up", up.as_str())];
        self.push(&name("gate and up"), &text, EACH, &weights, &[("a", H), ("out", ACTED)])?;
        self.add(&name("down.weight"), ACTED, m.hidden)
    }

    fn has(&self, tensor: &str) -> bool {
        self.maker.gguf.tensors().any(|t| t.name == tensor)
    }

    /// A step whose operands are whole rows of the run.
    fn push(
        &mut self,
        name: &str,
        text: &str,
        sizes: &'static [(&'static str, Size)],
        weights: &[(&str, &str)],
        list: &[(&'static str, usize)],
    ) -> Result<(), Error> {
        let list: Vec<_> = list.iter().map(|(n, rows)| (*n, *rows, Start::First)).collect();
        self.steps.push(self.maker.step(name, text, sizes, weights, operands(&list))?);
        Ok(())
    }

    /// A vector of the file with one element for each of `width`, of a type without blocks.
    fn vector(&self, name: &str, width: usize) -> Result<Dtype, Error> {
        let tensor = self.maker.gguf.tensor(name)?;
        if tensor.dims != [width] {
            return Err(shape(tensor, &format!("[{width}]")));
        }
        let what = "vectors are f32, f16 or bf16".to_owned();
        tensor.format.and_then(plain).ok_or(Error::Tensor { name: name.into(), what })
    }

    fn norm_text(&self, gain: &str) -> Result<String, Error> {
        let m = self.model;
        Ok(ops::norm(m.width, m.epsilon, self.vector(gain, m.width)?))
    }

    fn norm(&mut self, name: &str, x: usize, y: usize) -> Result<(), Error> {
        let gain = format!("{name}.weight");
        let text = self.norm_text(&gain)?;
        self.push(name, &text, EACH, &[("g", &gain)], &[("x", x), ("y", y)])
    }

    /// The format of a matrix of the file.
    fn matrix(&self, name: &str, [n, k]: [usize; 2]) -> Result<&'static str, Error> {
        let tensor = self.maker.gguf.tensor(name)?;
        if tensor.dims != [n, k] {
            return Err(shape(tensor, &format!("[{n}, {k}]")));
        }
        Ok(tensor.format.map_or("", |f| f.name))
    }

    /// `to = from * weight`; of `to` from which row on.
    fn product(
        &mut self,
        weight: &str,
        (from, to, row): (usize, usize, Start),
        [n, k]: [usize; 2],
        out: Dtype,
        sizes: &'static [(&'static str, Size)],
    ) -> Result<(), Error> {
        let text = ops::product(n, k, self.matrix(weight, [n, k])?, out, false);
        let list = operands(&[("a", from, Start::First), ("out", to, row)]);
        self.steps.push(self.maker.step(weight, &text, sizes, &[("w", weight)], list)?);
        Ok(())
    }

    /// The product of `H` with weight `name`, and its bias if the file has one; where the result is.
    fn biased(
        &mut self,
        name: &str,
        to: usize,
        row: Start,
        n: usize,
        out: Dtype,
    ) -> Result<usize, Error> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let k = self.model.width;
        if !self.has(&bias) {
            self.product(&weight, (H, to, row), [n, k], out, EACH)?;
            return Ok(to);
        }
        // Into memory between, unless the result goes to the cache.
        let (first, last) = if row == Start::Position { (BIASED, to) } else { (to, BIASED) };
        self.product(&weight, (H, first, Start::First), [n, k], Dtype::F32, EACH)?;
        let text = ops::bias(n, self.vector(&bias, n)?, out);
        let list = operands(&[("x", first, Start::First), ("y", last, row)]);
        self.steps.push(self.maker.step(&bias, &text, EACH, &[("b", &bias)], list)?);
        Ok(last)
    }

    /// The state of a row and what a part adds become the new state.
    fn add(&mut self, weight: &str, from: usize, k: usize) -> Result<(), Error> {
        let n = self.model.width;
        let text = ops::product(n, k, self.matrix(weight, [n, k])?, Dtype::F32, true);
        let list = [("a", from), ("residual", self.x), ("out", self.spare)];
        self.push(weight, &text, EACH, &[("w", weight)], &list)?;
        std::mem::swap(&mut self.x, &mut self.spare);
        Ok(())
    }
}
