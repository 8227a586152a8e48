//! Row operations: each output is an expression over the elements of a row and the outputs above it.
//!
//! `mu = "mean(x)"` (a column), then `y = "x - mu"`. Vectors and scalars come of vectors alone, also where there
//! are no rows.

use crate::{
    Output, RefError,
    inputs::{self, Inputs, natural},
    pairs,
    value::{Value, eval},
};
use kgen_ir::{
    extent::Dims,
    op::{RowKind, Rows, expr::Expr},
    tensor::Tensor,
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
        if of_each_row(t.kind) {
            rows = rows.or(tensor.shape.first().copied());
        }
        tensors.insert(t.name.as_str(), (t.kind, tensor));
    }
    let rows = rows.unwrap_or(0);
    let asked = pairs(samples, rows, width)?;
    // What does not depend on the row, then row by row.
    let mut values = BTreeMap::from([(None, row(op, &tensors, width, None)?)]);
    for &(r, _) in &asked {
        if let std::collections::btree_map::Entry::Vacant(e) = values.entry(Some(r)) {
            e.insert(row(op, &tensors, width, Some(r))?);
        }
    }
    let mut outputs = BTreeMap::new();
    for (nth, out) in op.outputs.iter().enumerate() {
        let (shape, count, columns) = match out.kind {
            RowKind::Matrix => (vec![rows, width], rows, width),
            RowKind::Column => (vec![rows], rows, 1),
            RowKind::Vector => (vec![width], 1, width),
            RowKind::Scalar => (vec![1], 1, 1),
        };
        // Samples speak of a matrix; of what is narrower, they mean the last column or row it has.
        let places: Vec<(usize, usize)> = match samples {
            Some(_) => asked.iter().map(|&(r, c)| (r.min(count - 1), c.min(columns - 1))).collect(),
            None => pairs(None, count, columns)?,
        };
        let mut o = Output {
            shape,
            values: Vec::with_capacity(places.len()),
            bounds: Vec::with_capacity(places.len()),
            tainted: Vec::with_capacity(places.len()),
            at: samples.map(|_| places.iter().map(|(r, c)| r * columns + c).collect()),
        };
        for (r, c) in places {
            let list = values.get(&of_each_row(out.kind).then_some(r)).and_then(|v| v.get(nth));
            let found = list.and_then(|l| l.get(c).or(l.first()));
            let v = *found.ok_or_else(|| cannot(&out.name))?;
            let (bound, tainted) = v.outcome(out.dtype);
            o.values.push(v.y);
            o.bounds.push(bound);
            o.tainted.push(tainted);
        }
        outputs.insert(out.name.clone(), o);
    }
    Ok(outputs)
}

fn of_each_row(kind: RowKind) -> bool {
    match kind {
        RowKind::Matrix | RowKind::Column => true,
        RowKind::Vector | RowKind::Scalar => false,
    }
}

fn cannot(output: &str) -> RefError {
    RefError::Op(format!("the value of `{output}` cannot be computed"))
}

/// All outputs of one row, in the order of the file; without a row, those that are the same for each.
fn row(
    op: &Rows,
    tensors: &BTreeMap<&str, (RowKind, &Tensor)>,
    width: usize,
    row: Option<usize>,
) -> Result<Vec<Vec<Value>>, RefError> {
    let mut above: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut all = Vec::with_capacity(op.outputs.len());
    for out in &op.outputs {
        if row.is_none() && of_each_row(out.kind) {
            all.push(vec![]);
            continue;
        }
        let name = |name: &str, _: &[Expr]| {
            if let Some(values) = above.get(name) {
                return Some(values.clone());
            }
            let (kind, t) = tensors.get(name)?;
            let one = |i| vec![Value::exact(t.get(i))];
            let many = |first: usize| (0..width).map(|i| Value::exact(t.get(first + i))).collect();
            Some(match kind {
                RowKind::Matrix => many(row? * width),
                RowKind::Vector => many(0),
                RowKind::Column => one(row?),
                RowKind::Scalar => one(0),
            })
        };
        let values = eval(&out.value, width, &name).ok_or_else(|| cannot(&out.name))?;
        above.insert(&out.name, values.iter().map(|v| v.stored(out.dtype)).collect());
        all.push(values);
    }
    Ok(all)
}
