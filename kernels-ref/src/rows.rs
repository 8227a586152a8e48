//! Row operations: each output is an expression over the elements of a row and the outputs above it.
//!
//! `mu = "mean(x)"` (a column), then `y = "x - mu"`. Vectors and scalars come of vectors alone, also where there
//! are no rows. Outputs with `at` start from what the caller gives; one row after the other takes its place there.

use crate::{
    Output, RefError,
    inputs::{self, Inputs, natural},
    pairs,
    place::{self, Given, Source},
    quant::Stored,
    value::{Value, eval},
};
use kgen_ir::{
    dtype::Dtype,
    extent::Dims,
    op::{RowKind, RowOutput, Rows, Storage, expr::Expr},
    tensor::Tensor,
};
use std::{cell::RefCell, collections::BTreeMap};

pub fn run(
    op: &Rows,
    dims: &Dims,
    inputs: &Inputs,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    let width = natural("width", op.width)?;
    let mut rows = inputs::size(&op.rows, dims)?;
    // Tables of blocks, as numbers.
    let mut decoded: BTreeMap<&str, Tensor> = BTreeMap::new();
    for t in &op.inputs {
        let (Some(format), RowKind::Table { rows, width }) = (t.blocks, &t.kind) else { continue };
        let storage = Storage::Block(format);
        let width = inputs::size(width, dims)?.unwrap_or(0);
        let lead = [inputs::size(rows, dims)?];
        let stored = Stored::open(inputs, &t.name, &storage, &lead, width)?;
        let count = stored.lead.first().copied().unwrap_or(0);
        let all = (0..count).map(|row| stored.row(row)).collect::<Result<Vec<_>, _>>()?;
        let table = Tensor::from_f64(Dtype::F32, &[count, width], &all.concat());
        decoded.insert(&t.name, table);
    }
    let mut given = Given { dims, rows: 0, width, tensors: BTreeMap::new() };
    for t in &op.inputs {
        let shape = match &t.kind {
            RowKind::Matrix => vec![rows, Some(width)],
            RowKind::Vector => vec![Some(width)],
            RowKind::Column => vec![rows],
            RowKind::Scalar => vec![Some(1)],
            RowKind::Table { rows, width } => {
                vec![inputs::size(rows, dims)?, inputs::size(width, dims)?]
            }
            RowKind::List(len) => vec![inputs::size(len, dims)?],
        };
        let tensor = match decoded.get(t.name.as_str()) {
            Some(table) => table,
            None => inputs::typed(inputs, &t.name, t.dtype, &shape)?,
        };
        if of_each_row(&t.kind) {
            rows = rows.or(tensor.shape.first().copied());
        }
        given.tensors.insert(t.name.as_str(), Source { kind: &t.kind, tensor });
    }
    let rows = rows.unwrap_or(0);
    given.rows = rows;
    let asked = pairs(samples, rows, width)?;
    // What does not depend on the row, then row by row.
    let mut values = BTreeMap::from([(None, row(op, &given, None)?)]);
    for &(r, _) in &asked {
        if let std::collections::btree_map::Entry::Vacant(e) = values.entry(Some(r)) {
            e.insert(row(op, &given, Some(r))?);
        }
    }
    let mut outputs = BTreeMap::new();
    for (nth, out) in op.outputs.iter().enumerate() {
        let find = |r: usize, c: usize| {
            let list = values.get(&of_each_row(&out.kind).then_some(r)).and_then(|v| v.get(nth));
            let found = list.and_then(|l| l.get(c).or(l.first()));
            found.copied().ok_or_else(|| cannot(&out.name))
        };
        let (shape, count, columns) = match &out.kind {
            RowKind::Matrix => (vec![rows, width], rows, width),
            RowKind::Column => (vec![rows], rows, 1),
            RowKind::Vector => (vec![width], 1, width),
            RowKind::Scalar => (vec![1], 1, 1),
            RowKind::Table { .. } | RowKind::List(_) => return Err(cannot(&out.name)),
        };
        // Samples speak of a matrix; of what is narrower, they mean the last column or row it has.
        let places: Vec<(usize, usize)> = match samples {
            Some(_) => asked.iter().map(|&(r, c)| (r.min(count - 1), c.min(columns - 1))).collect(),
            None => pairs(None, count, columns)?,
        };
        let made = match &out.at {
            None => {
                let mut o = empty(shape, samples.map(|_| vec![]));
                for (r, c) in places {
                    push(&mut o, out, find(r, c)?, r * columns + c);
                }
                o
            }
            Some(target) => {
                let slots = inputs::size(&target.rows, dims)?;
                let mut shape = shape;
                shape[0] = slots.unwrap_or(0);
                let wanted: Vec<Option<usize>> = shape.iter().map(|s| Some(*s)).collect();
                let before = inputs::typed(inputs, &out.name, out.dtype, &wanted)?;
                let targets = targets(&target.at, &out.name, &given, shape[0])?;
                let mut o = empty(shape, samples.map(|_| vec![]));
                if samples.is_none() {
                    o.values = (0..before.count()).map(|i| before.get(i)).collect();
                    o.bounds = vec![0.0; before.count()];
                    o.tainted = vec![false; before.count()];
                }
                for (r, c) in places {
                    let Some(slot) = targets[r] else { continue };
                    push(&mut o, out, find(r, c)?, slot * columns + c);
                }
                o
            }
        };
        outputs.insert(out.name.clone(), made);
    }
    Ok(outputs)
}

fn empty(shape: Vec<usize>, at: Option<Vec<usize>>) -> Output {
    Output { shape, values: vec![], bounds: vec![], tainted: vec![], at, blocks: None }
}

/// The value at a place: behind the others, or over what stood there.
fn push(o: &mut Output, out: &RowOutput, v: Value, place: usize) {
    let (bound, tainted) = v.outcome(out.dtype);
    if let Some(at) = &mut o.at {
        at.push(place);
    } else if let Some(old) = o.values.get_mut(place) {
        (*old, o.bounds[place], o.tainted[place]) = (v.y, bound, tainted);
        return;
    }
    o.values.push(v.y);
    o.bounds.push(bound);
    o.tainted.push(tainted);
}

/// Where each row goes; two rows in one place have no meaning.
fn targets(
    at: &Expr,
    name: &str,
    given: &Given,
    slots: usize,
) -> Result<Vec<Option<usize>>, RefError> {
    let mut out: Vec<Option<usize>> = Vec::new();
    for r in 0..given.rows {
        let value = place::index(at, given, Some(r), 0)?;
        if value < 0 {
            out.push(None);
            continue;
        }
        let slot = usize::try_from(value)
            .ok()
            .filter(|s| *s < slots)
            .ok_or_else(|| RefError::Index { name: name.into(), at: r, value, limit: slots })?;
        if out.contains(&Some(slot)) {
            return Err(RefError::Op(format!("two rows of `{name}` are written to row {slot}")));
        }
        out.push(Some(slot));
    }
    Ok(out)
}

fn of_each_row(kind: &RowKind) -> bool {
    match kind {
        RowKind::Matrix | RowKind::Column => true,
        RowKind::Vector | RowKind::Scalar | RowKind::Table { .. } | RowKind::List(_) => false,
    }
}

fn cannot(output: &str) -> RefError {
    RefError::Op(format!("the value of `{output}` cannot be computed"))
}

/// All outputs of one row, in the order of the file; without a row, those that are the same for each.
fn row(op: &Rows, given: &Given, row: Option<usize>) -> Result<Vec<Vec<Value>>, RefError> {
    let width = given.width;
    let mut above: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut all = Vec::with_capacity(op.outputs.len());
    let problem = RefCell::new(None);
    let lets = op.lets.iter().map(|(name, value)| (name.as_str(), value, None));
    let outs = op.outputs.iter().map(|out| (out.name.as_str(), &out.value, Some(out)));
    for (name, value, out) in lets.chain(outs) {
        if row.is_none() && out.is_some_and(|out| of_each_row(&out.kind)) {
            all.push(vec![]);
            continue;
        }
        let leaf = |name: &str, indices: &[Expr]| {
            if let Some(values) = above.get(name) {
                return Some(values.clone());
            }
            if !indices.is_empty() {
                let read = elements(name, indices, given, row);
                if row.is_none() {
                    // What depends on the row has no value without one.
                    return read.ok();
                }
                return read.map_err(|e| problem.borrow_mut().get_or_insert(e).clone()).ok();
            }
            let one = |x: f64| vec![Value::exact(x)];
            match name {
                "row" => return Some(one(row? as f64)),
                "col" => return Some((0..width).map(|c| Value::exact(c as f64)).collect()),
                _ => {}
            }
            let Source { kind, tensor } = given.tensors.get(name)?;
            let many =
                |first: usize| (0..width).map(|i| Value::exact(tensor.get(first + i))).collect();
            match kind {
                RowKind::Matrix => Some(many(row? * width)),
                RowKind::Vector => Some(many(0)),
                RowKind::Column => Some(one(tensor.get(row?))),
                RowKind::Scalar => Some(one(tensor.get(0))),
                RowKind::Table { .. } | RowKind::List(_) => None,
            }
        };
        let values = eval(value, width, &leaf);
        if let Some(error) = problem.take() {
            return Err(error);
        }
        match (out, values) {
            (Some(out), values) => {
                let values = values.ok_or_else(|| cannot(name))?;
                above.insert(name, values.iter().map(|v| v.stored(out.dtype)).collect());
                all.push(values);
            }
            (None, Some(values)) => {
                above.insert(name, values);
            }
            // What depends on the row has no value without one.
            (None, None) if row.is_none() => {}
            (None, None) => return Err(cannot(name)),
        }
    }
    Ok(all)
}

/// `name[indices]` for each element of a row, or once for all.
fn elements(
    name: &str,
    indices: &[Expr],
    given: &Given,
    row: Option<usize>,
) -> Result<Vec<Value>, RefError> {
    let whole_row = matches!(given.tensors.get(name).map(|s| s.kind), Some(RowKind::Table { .. }))
        && indices.len() == 1;
    let follows = whole_row || indices.iter().any(|e| e.names().contains(&"col"));
    let count = if follows { given.width } else { 1 };
    (0..count)
        .map(|col| {
            let mut at = Vec::new();
            for e in indices {
                at.push(place::index(e, given, row, col)?);
            }
            if whole_row {
                at.push(col as i64);
            }
            Ok(Value::exact(given.element(name, &at, row)?))
        })
        .collect()
}
