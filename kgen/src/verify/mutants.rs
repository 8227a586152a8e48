//! Wrong engines on purpose: verify must catch every one of them.

use super::{Engine, Options, Tensors, fails};
use crate::Error;
use kgen_ir::{
    extent::Dims,
    op::{Kind, Mask, Op, Storage},
};

/// A small lie: what the engine is asked instead.
pub struct Mutant {
    pub name: &'static str,
    change: fn(&mut Op, &mut Dims, &mut Tensors) -> bool,
}

#[rustfmt::skip] // one per line
pub const MUTANTS: &[Mutant] = &[
    Mutant { name: "scale x 1.001",         change: scale },
    Mutant { name: "last key dropped",      change: last_key },
    Mutant { name: "mask one key too far",  change: mask },
    Mutant { name: "two heads swapped",     change: heads },
    Mutant { name: "one zero point moved",  change: zero },
    Mutant { name: "last activation dropped", change: activation },
];

struct Lying<'a>(&'a dyn Engine, &'a Mutant);

impl Engine for Lying<'_> {
    fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, Error> {
        let (mut op, mut dims, mut inputs) = (op.clone(), dims.clone(), inputs.clone());
        (self.1.change)(&mut op, &mut dims, &mut inputs);
        self.0.run(&op, &dims, &inputs)
    }
}

/// Does the mutant touch this op at all?
pub fn applies(op: &Op, mutant: &Mutant) -> bool {
    let mut dims = Dims::default();
    dims.scalars = op.symbols().into_iter().map(|s| (s.name, 3)).collect();
    let Ok(mut inputs) = crate::inputs::complete(op, &dims, &Tensors::new(), 0) else {
        return false;
    };
    (mutant.change)(&mut op.clone(), &mut dims, &mut inputs)
}

/// Is the lie noticed?
pub fn caught(op: &Op, engine: &dyn Engine, mutant: &Mutant, options: &Options) -> bool {
    fails(op, &Lying(engine, mutant), options)
}

fn scale(op: &mut Op, _: &mut Dims, _: &mut Tensors) -> bool {
    let Kind::Attention(a) = &mut op.kind else { return false };
    a.scale = Some(a.scale.unwrap_or(1.0 / (a.q.dim as f64).sqrt()) * 1.001);
    true
}

/// Keys of zeros are not keys that are missing: the last is replaced by the one before.
fn last_key(op: &mut Op, _: &mut Dims, inputs: &mut Tensors) -> bool {
    let Kind::Attention(a) = &op.kind else { return false };
    for s in &a.segments {
        for part in ["k", "v"] {
            let Some(t) = inputs.get_mut(&format!("{}.{part}", s.name)) else { continue };
            let [batch, len, heads, dim] = t.shape[..] else { continue };
            if len < 2 {
                continue;
            }
            let row = heads * dim * t.bytes.len() / t.count().max(1);
            for b in 0..batch {
                let end = (b * len + len) * row;
                t.bytes.copy_within(end - 2 * row..end - row, end - row);
            }
        }
    }
    true
}

fn mask(op: &mut Op, _: &mut Dims, _: &mut Tensors) -> bool {
    let Kind::Attention(a) = &mut op.kind else { return false };
    for s in &mut a.segments {
        s.mask = match s.mask {
            // Even positions see their right neighbour too.
            Mask::Causal => Mask::Block(2),
            Mask::Window(w) => Mask::Window(w + 1),
            _ => return false,
        };
    }
    true
}

fn heads(op: &mut Op, _: &mut Dims, inputs: &mut Tensors) -> bool {
    let Kind::Attention(a) = &op.kind else { return false };
    let Some(q) = inputs.get_mut("q") else { return false };
    let row = a.q.dim as usize * q.bytes.len() / q.count().max(1);
    if a.q.heads < 2 {
        return false;
    }
    for token in q.bytes.chunks_exact_mut(row * a.q.heads as usize) {
        let (first, rest) = token.split_at_mut(row);
        first.swap_with_slice(&mut rest[..row]);
    }
    true
}

/// Every code of the first block of each weight row, one higher.
fn zero(op: &mut Op, _: &mut Dims, inputs: &mut Tensors) -> bool {
    let Kind::MpGemm(g) = &op.kind else { return false };
    let Some(Storage::Block(format)) = g.w.first().map(|w| &w.storage) else { return false };
    let Some(t) = inputs.get_mut(&g.w[0].name) else { return false };
    if format.name != "q4_0" {
        return false;
    }
    let row = t.shape[1];
    for block in t.bytes.chunks_exact_mut(row) {
        for byte in &mut block[2..format.bytes] {
            let up = |nibble: u8| (nibble + 1) & 15;
            *byte = up(*byte & 15) | up(*byte >> 4) << 4;
        }
    }
    true
}

fn activation(op: &mut Op, _: &mut Dims, inputs: &mut Tensors) -> bool {
    let Kind::MpGemm(g) = &op.kind else { return false };
    let Some(a) = inputs.get_mut("a") else { return false };
    let k = g.k as usize;
    for i in (0..a.count()).filter(|i| i % k == k - 1) {
        a.set(i, 0.0);
    }
    true
}
