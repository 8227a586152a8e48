//! `out[m, n] = epilogue(sum_k a[m, k] * w[n, k])`, weights decoded to real numbers first.
//!
//! Several weights stand side by side in `out`: `out [m, sum of their n]`, in the order of the file. Then `bias[n]`
//! and `residual[m, n]` are added. Grouped: row `m` uses weight matrix `group[m]` of `w [groups, n, k]`.

use crate::{
    Output, RefError, bound,
    inputs::{self, Inputs, natural},
    pairs,
    quant::Stored,
    value::{Value, eval},
};
use kgen_ir::{
    extent::Dims,
    op::{Dim, MpGemm, Storage, expr::Expr},
};
use std::{cell::Cell, collections::BTreeMap};

pub fn run(
    op: &MpGemm,
    dims: &Dims,
    inputs: &Inputs,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    let k = natural("k", op.k)?;
    let m_wanted = inputs::size(&op.m, dims)?;
    let a = Stored::open(inputs, "a", &op.a, &[m_wanted], k)?;
    let m = a.lead.first().copied().unwrap_or(0);

    let groups = op.grouped.as_ref().map(|g| natural("groups", g.groups)).transpose()?;
    let group = match groups {
        Some(groups) => group_of_rows(op, dims, inputs, m, groups)?,
        None => vec![0; m],
    };
    // Weights, and (weight, its row) of each column of `out`.
    let mut weights = Vec::new();
    let mut columns = Vec::new();
    for (at, w) in op.w.iter().enumerate() {
        let n = natural("n", w.n)?;
        let lead: Vec<_> = groups.into_iter().chain([n]).map(Some).collect();
        weights.push((Stored::open(inputs, &w.name, &w.storage, &lead, k)?, n, w));
        columns.extend((0..n).map(|row| (at, row)));
    }
    let orders: Vec<Option<Vec<usize>>> = weights.iter().map(|(w, ..)| w.order()).collect();
    // An epilogue combines the products of one column.
    let combined = op.epilogue.is_some();
    if combined {
        columns.truncate(weights.first().map_or(0, |(_, n, _)| *n));
    }
    let n = columns.len();
    // With experts, a bias `[groups, n]` is each expert's own.
    let own_bias = groups.filter(|_| inputs.get("bias").is_some_and(|t| t.shape.len() == 2));
    let bias = match (op.bias, own_bias) {
        (false, _) => None,
        (true, Some(g)) => Some(inputs::shaped(inputs, "bias", &[Some(g), Some(n)])?),
        (true, None) => Some(inputs::shaped(inputs, "bias", &[Some(n)])?),
    };
    let residual = match op.residual {
        true => Some(inputs::shaped(inputs, "residual", &[Some(m), Some(n)])?),
        false => None,
    };

    let mut pairs = pairs(samples, m, n)?;
    if let Some(format) = op.blocks {
        // A block is judged as a whole: its scale is that of the largest.
        let whole =
            |c: usize| c / format.block * format.block..(c / format.block + 1) * format.block;
        pairs = pairs.iter().flat_map(|(r, c)| whole(*c).map(|c| (*r, c))).collect();
        pairs.sort_unstable();
        pairs.dedup();
    }
    let mut out = Output {
        blocks: op.blocks.map(Storage::Block),
        shape: vec![m, n],
        values: vec![0.0; pairs.len()],
        bounds: vec![0.0; pairs.len()],
        tainted: vec![false; pairs.len()],
        at: samples.map(|_| pairs.iter().map(|(r, c)| r * n + c).collect()),
    };
    // Column by column, so that each weight row is decoded once a group.
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|&i| (pairs[i].1, group[pairs[i].0]));
    let mut rows_of_a: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    let mut decoded: BTreeMap<usize, (usize, Vec<f64>)> = BTreeMap::new();
    for i in order {
        let (row, column) = pairs[i];
        let g = group[row];
        let a_row = match rows_of_a.entry(row) {
            std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::btree_map::Entry::Vacant(e) => e.insert(prologue(op, a.row(row)?)?),
        };
        let any = Cell::new(false);
        let mut product = |which: usize, n_row: usize| -> Result<Value, RefError> {
            let (stored, n_of, w) = &weights[which];
            let place = g * n_of + n_row;
            if decoded.get(&which).is_none_or(|(at, _)| *at != place) {
                decoded.insert(which, (place, stored.row(place)?));
            }
            let w_row = decoded.get(&which).map_or(&[][..], |(_, row)| row);
            let int8 = bound::int8_activations(op.compute, &op.a, &w.storage);
            let step = int8.then(|| bound::step_group(&w.storage, op.compute));
            let fresh = op.prologue.is_none();
            let halves = bound::bf16_operands(op.compute, &op.a, fresh, &w.storage);
            let order = orders[which].as_deref();
            let sum = sum_of_products(a_row, w_row, step, order);
            let sum = Value { e: sum.e + rounded_operands(a_row, w_row, halves), ..sum };
            // Rounding to int8 may make NaN of an infinity, and an epilogue or an integer output any number of that.
            let number = op.epilogue.is_some() || !op.out.is_float() || op.blocks.is_some();
            let lost = int8 && sum.tainted && number;
            any.set(any.get() || lost);
            Ok(if lost { Value::of(0.0, f64::INFINITY).after(true) } else { sum })
        };
        let at = if own_bias.is_some() { g * n + column } else { column };
        let added = [bias.map(|t| t.get(at)), residual.map(|t| t.get(row * n + column))];
        let v = if let Some(epilogue) = &op.epilogue {
            let mut named: Vec<(&str, Value)> = vec![];
            for (which, w) in op.w.iter().enumerate() {
                let name = if op.w.len() == 1 { "x" } else { w.name.as_str() };
                named.push((name, product(which, column)?));
            }
            for (name, x) in ["bias", "residual"].into_iter().zip(added) {
                named.extend(x.map(|x| (name, Value::exact(x))));
            }
            let name = |wanted: &str, _: &[Expr]| {
                named.iter().find(|(n, _)| *n == wanted).map(|(_, v)| vec![*v])
            };
            let value = eval(epilogue, 1, &name).and_then(|v| v.first().copied());
            value.ok_or_else(|| RefError::Op("the epilogue cannot be computed".into()))?
        } else {
            let (which, n_row) = columns[column];
            let sum = product(which, n_row)?;
            let added = added.map(|x| x.unwrap_or(0.0));
            let size = sum.y.abs() + added[0].abs() + added[1].abs();
            Value::of(sum.y + added[0] + added[1], sum.e + bound::C2 * bound::U32 * size)
                .after(sum.tainted)
        };
        // What became of the NaN is anything.
        let anything = || Value::of(if v.y.is_finite() { v.y } else { 0.0 }, f64::INFINITY);
        let v = if any.get() { anything().after(true) } else { v };
        out.values[i] = v.y;
        (out.bounds[i], out.tainted[i]) = v.outcome(op.out);
    }
    if let Some(format) = op.blocks {
        // Blocks begin where places do: whole ones were computed, in order.
        (0..out.values.len())
            .step_by(format.block)
            .for_each(|at| block(&mut out, at, format.block));
    }
    Ok([("out".to_string(), out)].into())
}

/// Largest f16.
const HALF: f64 = 65504.0;

/// Codes of 8 bits with a scale in f16: half a step, the rounding of the scale, and its ends. A NaN is one of the block.
fn block(out: &mut Output, at: usize, count: usize) {
    let all = at..(at + count).min(out.values.len());
    let largest = all.clone().fold(0f64, |m, i| m.max(out.values[i].abs() + out.bounds[i]));
    let odd = all.clone().any(|i| out.tainted[i] || !out.values[i].is_finite());
    let step = largest / 127.0;
    for i in all {
        let y = out.values[i];
        out.tainted[i] |= odd || step >= HALF;
        if y.is_finite() {
            let near = y.abs() + out.bounds[i] + step;
            let scale = near * 2f64.powi(-11) + 127.0 * 2f64.powi(-25);
            let whole = out.bounds[i] + step / 2.0 * (1.0 + 2f64.powi(-20)) + scale;
            out.bounds[i] = if odd || step >= HALF { f64::INFINITY } else { whole };
        }
    }
}

/// A row of activations after the prologue.
fn prologue(op: &MpGemm, row: Vec<f64>) -> Result<Vec<Value>, RefError> {
    let row: Vec<Value> = row.into_iter().map(Value::exact).collect();
    let Some(expr) = &op.prologue else { return Ok(row) };
    let changed = eval(expr, row.len(), &|name, _| (name == "a").then(|| row.clone()));
    match changed {
        Some(v) if v.len() == row.len() => Ok(v),
        Some(v) if v.len() == 1 => Ok(vec![v[0]; row.len()]),
        Some(_) | None => Err(RefError::Op("the prologue cannot be computed".into())),
    }
}

/// `sum a w`, with the errors of the activations, of the sum, and of rounding so many of them at a time to int8, which
/// follow each other in `order`.
fn sum_of_products(a: &[Value], w: &[f64], int8: Option<usize>, order: Option<&[usize]>) -> Value {
    let k = a.len();
    let (mut y, mut magnitude, mut e) = (0.0, 0.0, 0.0);
    for (a, w) in a.iter().zip(w) {
        y += a.y * w;
        magnitude += (a.y * w).abs();
        e += a.e * w.abs();
    }
    if let Some(step) = int8 {
        let place = |i: usize| order.and_then(|o| o.get(i)).map_or(i, |k| *k);
        for first in (0..k).step_by(step) {
            let all = || (first..k.min(first.saturating_add(step))).map(place);
            let max = all().fold(0f64, |x, i| x.max(a[i].y.abs() + a[i].e));
            e += max / 254.0 * all().map(|i| w.get(i).map_or(0.0, |w| w.abs())).sum::<f64>();
        }
    }
    let acc = bound::C1 * bound::U32 + bound::C2 * bound::U32 * bound::depth(k);
    Value::of(y, e + acc * magnitude).after(a.iter().any(|a| a.tainted))
}

/// The error of rounding the operands of a product to bf16, whose subnormals may count as zeros.
fn rounded_operands(a: &[Value], w: &[f64], units: Option<(f64, f64)>) -> f64 {
    let Some((ua, uw)) = units else { return 0.0 };
    let pairs = a.iter().zip(w).map(|(a, w)| (a.y.abs() + a.e, w.abs()));
    let one = |(a, w): (f64, f64)| {
        // What rounds to infinity may be any number.
        let lost = (ua > 0.0 && a >= bound::MOST_BF16) || (uw > 0.0 && w >= bound::MOST_BF16);
        let flushed = bound::TINY * (a + w + 1.0);
        if lost { f64::INFINITY } else { (ua + uw + ua * uw) * a * w + flushed }
    };
    pairs.map(one).sum()
}

/// The weight matrix of each row: tensor `group`, or for `m = "m[g]"` the rows sorted by group, counted by
/// `a.indptr` or, without it, by the dims.
fn group_of_rows(
    op: &MpGemm,
    dims: &Dims,
    inputs: &Inputs,
    m: usize,
    groups: usize,
) -> Result<Vec<usize>, RefError> {
    let symbol = match &op.m {
        Dim::Ragged { symbol, .. } if !inputs.contains_key("group") => symbol,
        Dim::Ragged { .. } | Dim::Const(_) | Dim::Sym(_) => {
            return inputs::indices(inputs, "group", &[Some(m)], groups);
        }
    };
    let counts: Vec<usize> = match dims.ragged.get(symbol) {
        Some(list) if !inputs.contains_key("a.indptr") => {
            list.iter().map(|&x| natural(symbol, x)).collect::<Result<_, _>>()?
        }
        Some(_) | None => inputs::indptr(inputs, "a.indptr", Some(groups), m)?
            .windows(2)
            .map(|p| p[1] - p[0])
            .collect(),
    };
    let counted = counts.iter().fold(0usize, |a, &c| a.saturating_add(c));
    if counted != m || counts.len() != groups {
        return Err(RefError::Op(format!(
            "`{symbol}` counts {counted} rows in {} groups; `a` has {m} rows, the op {groups} groups",
            counts.len()
        )));
    }
    Ok(counts.iter().enumerate().flat_map(|(g, &c)| std::iter::repeat_n(g, c)).collect())
}
