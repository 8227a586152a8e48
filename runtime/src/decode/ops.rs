//! The op files of a decode step, with the sizes of a model filled in.
//!
//! `m` rows are worked on at once, `n` keys have been seen with them.

use super::model::{Model, Pairs, Rope};
use kgen_ir::dtype::Dtype;

/// `x[i] = table[id[i]]`
pub fn embedding(rows: usize, width: usize, table: Dtype) -> String {
    format!(
        "op = \"rows\"\nname = \"embedding\"\nrows = \"m\"\nwidth = {width}\n\
         in = {{ id = {{ dtype = \"i32\", kind = \"column\" }}, \
         table = {{ dtype = \"{table}\", kind = \"table\", rows = {rows} }} }}\n\
         out = {{ y = {{ dtype = \"f32\", value = \"table[id]\" }} }}\n"
    )
}

pub fn norm(width: usize, epsilon: f64, gain: Dtype) -> String {
    format!(
        "op = \"rows\"\nname = \"norm\"\nrows = \"m\"\nwidth = {width}\n\
         in = {{ x = \"f32\", g = {{ dtype = \"{gain}\", kind = \"vector\" }} }}\n\
         out = {{ y = {{ dtype = \"f32\", value = \"x * rsqrt(mean(x * x) + {epsilon:e}) * g\" }} }}\n"
    )
}

/// `w` is the name of a storage format; with `residual`, what is added to the result.
pub fn product(n: usize, k: usize, w: &str, out: Dtype, residual: bool) -> String {
    format!(
        "op = \"mpgemm\"\nname = \"product\"\nm = \"m\"\nn = {n}\nk = {k}\na = \"f32\"\nw = \"{w}\"\n\
         out = \"{out}\"\nresidual = {residual}\n"
    )
}

/// The gate of the feed-forward part and what it lets through, by weights of two formats.
pub fn gated(n: usize, k: usize, gate: &str, up: &str) -> String {
    format!(
        "op = \"mpgemm\"\nname = \"gated\"\nm = \"m\"\nn = {n}\nk = {k}\na = \"f32\"\n\
         w = [{{ name = \"gate\", format = \"{gate}\" }}, {{ name = \"up\", format = \"{up}\" }}]\n\
         out = \"f32\"\nepilogue = \"gate * sigmoid(gate) * up\"\n"
    )
}

/// A bias for each row.
pub fn bias(width: usize, bias: Dtype, out: Dtype) -> String {
    format!(
        "op = \"rows\"\nname = \"bias\"\nrows = \"m\"\nwidth = {width}\n\
         in = {{ x = \"f32\", b = {{ dtype = \"{bias}\", kind = \"vector\" }} }}\n\
         out = {{ y = {{ dtype = \"{out}\", value = \"x + b\" }} }}\n"
    )
}

/// Turns the first elements of each of `heads` heads by the position of the row.
pub fn rope(heads: usize, dim: usize, rope: &Rope, out: Dtype) -> String {
    let (turned, pairs) = (rope.dims, rope.dims / 2);
    // Of element `col`: the pair it is in, the other element of it, whether it is the first.
    let (pair, other, first) = match rope.pairs {
        Pairs::Neighbours => (
            format!("col % {dim} / 2"),
            "col + 1 - col % 2 * 2".to_owned(),
            "col % 2 < 1".to_owned(),
        ),
        Pairs::Halves => (
            format!("col % {dim} % {pairs}"),
            format!("col / {dim} * {dim} + (col % {dim} + {pairs}) % {turned}"),
            format!("col % {dim} < {pairs}"),
        ),
    };
    let (value, pair) = if turned == dim {
        (format!("x * cos(a) + select({first}, -1, 1) * x[{other}] * sin(a)"), pair)
    } else {
        let inside = format!("col % {dim} < {turned}");
        let value = format!(
            "select({inside}, x * cos(a) + select({first}, -1, 1) * x[select({inside}, {other}, col)] * sin(a), x)"
        );
        (value, format!("min({pair}, {})", pairs - 1))
    };
    format!(
        "op = \"rows\"\nname = \"rope\"\nrows = \"m\"\nwidth = {}\n\
         in = {{ x = \"f32\", pos = {{ dtype = \"i32\", kind = \"column\" }}, \
         freq = {{ dtype = \"f32\", kind = \"list\", len = {pairs} }} }}\n\
         let = {{ a = \"pos * freq[{pair}]\" }}\n\
         out = {{ y = {{ dtype = \"{out}\", value = \"{value}\" }} }}\n",
        heads * dim,
    )
}

pub fn attention(model: &Model, cache: Dtype) -> String {
    let Model { heads, kv_heads, key_dim, value_dim, .. } = model;
    format!(
        "op = \"attention\"\nname = \"attention\"\n\
         q = {{ dtype = \"f32\", heads = {heads}, dim = {key_dim}, len = \"m\" }}\n\
         kv = {{ dtype = \"{cache}\", heads = {kv_heads}, v_dim = {value_dim} }}\nout = \"f32\"\n\
         [[segment]]\nlen = \"n\"\nmask = \"causal\"\n"
    )
}

/// The likeliest token.
pub fn argmax(width: usize) -> String {
    format!(
        "op = \"rows\"\nname = \"argmax\"\nrows = \"m\"\nwidth = {width}\nin = {{ x = \"f32\" }}\n\
         out = {{ id = {{ dtype = \"i32\", kind = \"column\", value = \"argmax(x)\" }} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::op::read::read;

    #[test]
    fn every_step_is_an_op_file() {
        let turns = |pairs, dims: usize| Rope { pairs, dims, frequencies: vec![1.0; dims / 2] };
        let model = Model {
            layers: 1,
            width: 96,
            heads: 6,
            kv_heads: 2,
            key_dim: 16,
            value_dim: 24,
            hidden: 256,
            vocabulary: 512,
            context: 256,
            epsilon: f64::from(1e-5f32),
            rope: turns(Pairs::Neighbours, 16),
        };
        let mut texts = vec![
            embedding(512, 96, Dtype::F16),
            product(32, 96, "q4_0", Dtype::F16, false),
            product(96, 256, "f16", Dtype::F32, true),
            gated(256, 96, "q8_0", "f32"),
            bias(32, Dtype::F32, Dtype::F16),
            attention(&model, Dtype::F16),
            argmax(512),
        ];
        for epsilon in [model.epsilon, 1e-6, 1.0, 0.0, 1e-30] {
            texts.push(norm(96, epsilon, Dtype::F32));
        }
        for pairs in [Pairs::Neighbours, Pairs::Halves] {
            for dims in [16, 12, 2] {
                texts.push(rope(6, 16, &turns(pairs, dims), Dtype::F32));
            }
        }
        for text in texts {
            read("op", &text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"));
        }
    }
}
