//! Results as blocks of codes: the product goes to the workspace, and a launch behind it rounds.
//!
//! ```text
//! q8_0    d = max |x| / 127 as f16, then 32 codes round(x / d)      a NaN or an infinity makes d NaN
//! ```

use super::{Builder, Result, quantise::range_and_scale, tensor};
use crate::Choice;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::Format,
    op::MpGemm,
    tile::{Arg, Binary, Launch, Param, Program, Reduce, Role, Slice, Unary},
};

/// Elements of a block, its bytes, and those before its codes.
const BLOCK: usize = 32;
const BYTES: usize = 34;
const SCALE: usize = 2;

pub(super) fn blocks(
    program: &mut Program,
    g: &MpGemm,
    format: &Format,
    m: &Extent,
    choice: &Choice,
) -> Result<()> {
    if format.name != "q8_0" {
        return Err(
            choice.unsupported(format!("out of {}", format.name), "q8_0, f32, f16, bf16 or i8")
        );
    }
    let n = g.out_width() as usize;
    let result = tensor("result", Role::Workspace, g.out, vec![m.clone(), n.into()]);
    let out = tensor("out", Role::Out, Dtype::U8, vec![m.clone(), (n / BLOCK * BYTES).into()]);
    let args = [&result, &out].map(|t| Arg::Tensor(t.name.clone())).to_vec();
    let mut b = Builder::new(
        "encode",
        [&result, &out].map(|t| Param::Tensor(t.clone())).to_vec(),
        &program.symbols,
    );
    b.tasks("i", m.clone(), 1, |b| {
        b.for_each("s", (Extent::Lit(0), (n / BLOCK).into(), 1), &[], |b, _| {
            block(b);
            vec![]
        });
    });
    let kernel = b.finish();
    // Whatever wrote `out` writes the workspace.
    for variant in &mut program.variants {
        let to = Arg::Tensor(result.name.clone());
        let all = variant.launches.iter_mut().flat_map(|l| &mut l.args);
        all.filter(|a| **a == Arg::Tensor("out".into())).for_each(|a| *a = to.clone());
        variant.launches.push(Launch { kernel: kernel.name.clone(), args: args.clone() });
    }
    program.kernels.push(kernel);
    program.buffers.push(result);
    Ok(())
}

/// Block `s` of row `i`.
fn block(b: &mut Builder) {
    let (row, s) = (Slice::range(b.var("i"), 1), b.var("s"));
    let x = b.load(
        "x",
        "result",
        Dtype::F32,
        vec![row.clone(), Slice::range(s.clone() * BLOCK, BLOCK)],
        false,
    );
    let size = b.unary("size", Unary::Abs, x);
    let largest = b.reduce("largest", Reduce::Max, size, 1);
    let trouble0 = b.binary("trouble0", Binary::Sub, x, x);
    let trouble = b.reduce("trouble", Reduce::Sum, trouble0, 1);
    let (range, scale) = range_and_scale(b, largest, trouble);
    let byte = b.fill(255.0, Dtype::I32, &[1, 1]);
    // The scale, its low byte first.
    let half = b.convert("half", scale, Dtype::F16);
    let bits = b.bits("bits", half);
    let low = b.binary("low", Binary::And, bits, byte);
    let rest = b.binary("rest", Binary::Sub, bits, low);
    let rest = b.convert("rest_f", rest, Dtype::F32);
    let unit = b.fill(1.0 / 256.0, Dtype::F32, &[1, 1]);
    let high = b.binary("high", Binary::Mul, rest, unit);
    let low = b.convert("low_f", low, Dtype::F32);
    let unit = b.binary("unit", Binary::Div, x, range);
    let most = b.fill(127.0, Dtype::F32, &[1, 1]);
    let scaled = b.binary("scaled", Binary::Mul, unit, most);
    let code = b.convert("code", scaled, Dtype::I8);
    let wide = b.convert("wide", code, Dtype::I32);
    let code = b.binary("bytes", Binary::And, wide, byte);
    let code = b.convert("code_f", code, Dtype::F32);
    for (first, count, value) in [(0, 1, low), (1, 1, high), (SCALE, BLOCK, code)] {
        let at = vec![row.clone(), Slice::range(s.clone() * BYTES + first, count)];
        let value = b.convert("byte", value, Dtype::U8);
        b.store("out", at, value, false);
    }
}
