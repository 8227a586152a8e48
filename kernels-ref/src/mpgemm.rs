//! `out[m, n] = epilogue(sum_k a[m, k] * w[n, k])`, weights decoded to real numbers first.
//!
//! Several weights stand side by side in `out`: `out [m, sum of their n]`, in the order of the file. Then `bias[n]`
//! and `residual[m, n]` are added. Grouped: row `m` uses weight matrix `group[m]` of `w [groups, n, k]`.

use crate::{
    Output, RefError, bound,
    inputs::{self, Inputs, natural},
    pairs,
    quant::Stored,
};
use kgen_ir::{
    extent::Dims,
    op::{Dim, MpGemm},
};
use std::collections::BTreeMap;

pub fn run(
    op: &MpGemm,
    dims: &Dims,
    inputs: &Inputs,
    samples: Option<&[(usize, usize)]>,
) -> Result<BTreeMap<String, Output>, RefError> {
    if op.prologue.is_some() {
        return Err(RefError::NotYet("a prologue of mpgemm".into()));
    }
    if op.epilogue.is_some() {
        return Err(RefError::NotYet("an epilogue of mpgemm".into()));
    }
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

    let pairs = pairs(samples, m, n)?;
    let mut out = Output {
        shape: vec![m, n],
        values: vec![0.0; pairs.len()],
        bounds: vec![0.0; pairs.len()],
        tainted: vec![false; pairs.len()],
        at: samples.map(|_| pairs.iter().map(|(r, c)| r * n + c).collect()),
    };
    // Column by column, so that each weight row is decoded once a group.
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|&i| (pairs[i].1, group[pairs[i].0]));
    let mut rows_of_a: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut decoded: Option<((usize, usize), Vec<f64>)> = None;
    for i in order {
        let (row, column) = pairs[i];
        let (which, n_row) = columns[column];
        let (stored, n_of, w) = &weights[which];
        let g = group[row];
        let place = (which, g * n_of + n_row);
        if decoded.as_ref().is_none_or(|(at, _)| *at != place) {
            decoded = Some((place, stored.row(place.1)?));
        }
        let Some((_, w_row)) = &decoded else { continue };
        let a_row = match rows_of_a.entry(row) {
            std::collections::btree_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::btree_map::Entry::Vacant(e) => e.insert(a.row(row)?),
        };

        let mut sum = 0.0;
        let mut magnitude = 0.0;
        for kk in 0..k {
            sum += a_row[kk] * w_row[kk];
            magnitude += (a_row[kk] * w_row[kk]).abs();
        }
        let added = [
            bias.map_or(0.0, |t| t.get(if own_bias.is_some() { g * n + column } else { column })),
            residual.map_or(0.0, |t| t.get(row * n + column)),
        ];
        let y = sum + added[0] + added[1];

        let mut step = 0.0;
        if bound::int8_activations(op.compute, &op.a, &w.storage) {
            for start in (0..k).step_by(bound::STEP_GROUP) {
                let end = k.min(start + bound::STEP_GROUP);
                let max = a_row[start..end].iter().fold(0f64, |x, a| x.max(a.abs()));
                let sum_w: f64 = w_row[start..end].iter().map(|w| w.abs()).sum();
                step += max / 254.0 * sum_w;
            }
        }
        let acc = bound::C1 * bound::U32 + bound::C2 * bound::U32 * bound::depth(k);
        let extra = bound::C2 * bound::U32 * (sum.abs() + added[0].abs() + added[1].abs());
        let inner = acc * magnitude + step + extra;
        let finite = y.is_finite();
        out.values[i] = y;
        out.bounds[i] = if finite { inner + bound::rounding(op.out, y, inner) } else { 0.0 };
        out.tainted[i] = !finite;
    }
    Ok([("out".to_string(), out)].into())
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
