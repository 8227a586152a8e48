//! Row operations: each output is an expression over the elements of a row.

use crate::{
    Output, RefError, bound,
    inputs::{self, Inputs, natural},
    pairs,
    value::{Value, eval},
};
use kgen_ir::{
    extent::Dims,
    op::{RowKind, Rows},
};
use std::collections::BTreeMap;

pub fn run(
    op: &Rows,
    dims: &Dims,
    inputs: &Inputs,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    let width = natural("width", op.width)?;
    let mut rows = inputs::size(&op.rows, dims)?;
    let mut tensors = BTreeMap::new();
    for t in &op.inputs {
        let shape = match t.kind {
            RowKind::Matrix => vec![rows, Some(width)],
            RowKind::Vector => vec![Some(width)],
            RowKind::Column => vec![rows],
            RowKind::Scalar => vec![Some(1)],
        };
        let tensor = inputs::typed(inputs, &t.name, t.dtype, &shape)?;
        if matches!(t.kind, RowKind::Matrix | RowKind::Column) {
            rows = rows.or(tensor.shape.first().copied());
        }
        tensors.insert(t.name.as_str(), (t.kind, tensor));
    }
    let rows = rows.unwrap_or(0);
    let mut outputs = BTreeMap::new();
    for out in &op.outputs {
        let (shape, columns) = match out.kind {
            RowKind::Matrix => (vec![rows, width], width),
            RowKind::Column => (vec![rows], 1),
            RowKind::Vector | RowKind::Scalar => {
                return Err(RefError::Op(format!(
                    "the output `{}` is not one of each row",
                    out.name
                )));
            }
        };
        // Samples speak of the widest output; a column has its first.
        let inside: Option<Vec<_>> = samples
            .map(|s| s.iter().map(|&(r, c)| (r, c.min(columns.saturating_sub(1)))).collect());
        let pairs = pairs(inside.as_deref(), rows, columns)?;
        let mut o = Output {
            shape,
            values: vec![0.0; pairs.len()],
            bounds: vec![0.0; pairs.len()],
            tainted: vec![false; pairs.len()],
            at: samples.map(|_| pairs.iter().map(|(r, c)| r * columns + c).collect()),
        };
        let mut last: Option<(usize, Vec<Value>)> = None;
        for (i, &(row, column)) in pairs.iter().enumerate() {
            if last.as_ref().is_none_or(|(at, _)| *at != row) {
                let name = |name: &str| {
                    let (kind, t) = tensors.get(name)?;
                    let one = |i| vec![Value::exact(t.get(i))];
                    let many =
                        |first: usize| (0..width).map(|i| Value::exact(t.get(first + i))).collect();
                    Some(match kind {
                        RowKind::Matrix => many(row * width),
                        RowKind::Vector => many(0),
                        RowKind::Column => one(row),
                        RowKind::Scalar => one(0),
                    })
                };
                let values = eval(&out.value, width, &name);
                let wrong =
                    || RefError::Op(format!("the value of `{}` cannot be computed", out.name));
                last = Some((row, values.ok_or_else(wrong)?));
            }
            let Some((_, values)) = &last else { continue };
            let v =
                values.get(column).or(values.first()).copied().unwrap_or(Value::exact(f64::NAN));
            let finite = v.y.is_finite() && v.e.is_finite();
            o.values[i] = v.y;
            o.bounds[i] = if finite { v.e + bound::rounding(out.dtype, v.y, v.e) } else { 0.0 };
            o.tainted[i] = !finite;
        }
        outputs.insert(out.name.clone(), o);
    }
    Ok(outputs)
}
