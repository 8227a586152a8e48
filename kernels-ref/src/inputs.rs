//! Input tensors by name, checked before anything is read: shape, element type, bytes.

use crate::RefError;
use kgen_ir::{
    dtype::Dtype,
    extent::{Dims, ExtentError},
    op::Dim,
    tensor::Tensor,
};
use std::collections::BTreeMap;

pub type Inputs = BTreeMap<String, Tensor>;

/// The tensor `name`, its bytes as many as its shape asks for.
pub fn tensor<'a>(inputs: &'a Inputs, name: &str) -> Result<&'a Tensor, RefError> {
    let t = inputs.get(name).ok_or_else(|| RefError::Missing(name.into()))?;
    let size = t.shape.iter().try_fold(1usize, |a, &x| a.checked_mul(x));
    // Codes and truth values travel one a byte.
    let wanted = size.and_then(|n| n.checked_mul(t.dtype.bytes().unwrap_or(1)));
    if wanted != Some(t.bytes.len()) {
        let wanted = wanted.map_or("fewer than 2^64".into(), |n| n.to_string());
        return Err(RefError::Bytes { name: name.into(), wanted, found: t.bytes.len() });
    }
    Ok(t)
}

/// As [`tensor`], with every dimension given that is not `None`.
pub fn shaped<'a>(
    inputs: &'a Inputs,
    name: &str,
    wanted: &[Option<usize>],
) -> Result<&'a Tensor, RefError> {
    let t = tensor(inputs, name)?;
    let fits = t.shape.len() == wanted.len()
        && wanted.iter().zip(&t.shape).all(|(w, s)| w.is_none_or(|w| w == *s));
    if fits {
        return Ok(t);
    }
    let words: Vec<String> =
        wanted.iter().map(|w| w.map_or("any".into(), |w| w.to_string())).collect();
    Err(RefError::Shape {
        name: name.into(),
        wanted: format!("[{}]", words.join(", ")),
        found: t.shape.clone(),
    })
}

/// As [`shaped`], of one element type.
pub fn typed<'a>(
    inputs: &'a Inputs,
    name: &str,
    dtype: Dtype,
    wanted: &[Option<usize>],
) -> Result<&'a Tensor, RefError> {
    let t = shaped(inputs, name, wanted)?;
    if t.dtype == dtype {
        return Ok(t);
    }
    Err(RefError::Element { name: name.into(), wanted: dtype.to_string(), found: t.dtype })
}

/// A vector of sizes or indices, i32 or i64, each in `0..limit`.
pub fn indices(
    inputs: &Inputs,
    name: &str,
    wanted: &[Option<usize>],
    limit: usize,
) -> Result<Vec<usize>, RefError> {
    let t = shaped(inputs, name, wanted)?;
    if !matches!(t.dtype, Dtype::I32 | Dtype::I64) {
        return Err(RefError::Element {
            name: name.into(),
            wanted: "i32 or i64".into(),
            found: t.dtype,
        });
    }
    (0..t.count()).map(|at| index(name, t, at, limit)).collect()
}

/// Element `at` of an index tensor.
pub fn index(name: &str, t: &Tensor, at: usize, limit: usize) -> Result<usize, RefError> {
    let value = t.get(at) as i64;
    match usize::try_from(value) {
        Ok(x) if x < limit => Ok(x),
        Ok(_) | Err(_) => Err(RefError::Index { name: name.into(), at, value, limit }),
    }
}

/// `indptr`: rows of sequence `b` are `[p[b], p[b + 1])`, from 0, never falling, at most `total`.
pub fn indptr(
    inputs: &Inputs,
    name: &str,
    count: Option<usize>,
    total: usize,
) -> Result<Vec<usize>, RefError> {
    let p = indices(inputs, name, &[count.map(|c| c + 1)], total.saturating_add(1))?;
    if p.is_empty() {
        return Err(RefError::Shape {
            name: name.into(),
            wanted: "[sequences + 1]".into(),
            found: vec![0],
        });
    }
    for (at, pair) in p.windows(2).enumerate() {
        if pair[1] < pair[0] {
            return Err(RefError::Op(format!("`{name}` falls after place {at}; it must not")));
        }
    }
    Ok(p)
}

/// A size that is one number for the whole call; `None` where it is ragged.
pub fn size(dim: &Dim, dims: &Dims) -> Result<Option<usize>, RefError> {
    let (name, value) = match dim {
        Dim::Const(x) => ("a constant", *x),
        Dim::Sym(s) => {
            let value = dims.scalars.get(s).ok_or_else(|| ExtentError::Unbound(s.clone()))?;
            (s.as_str(), *value)
        }
        Dim::Ragged { .. } => return Ok(None),
    };
    natural(name, value).map(Some)
}

/// A size of the op file.
pub fn natural(name: &str, value: i64) -> Result<usize, RefError> {
    usize::try_from(value).map_err(|_| RefError::Negative { name: name.into(), value })
}
