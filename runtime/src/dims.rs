//! Values of symbols from the shapes of the tensors that the caller gives.

use kgen_ir::{
    artifact::Manifest,
    diag::did_you_mean,
    extent::{BinOp, Dims, Extent},
    tile::{Store, Tensor},
};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DimsError {
    #[error("there is no tensor `{name}`{}", crate::module::hint(.near))]
    UnknownTensor { name: String, near: Option<String> },
    #[error("`{tensor}` has {expected} dimensions, not {found}")]
    Rank { tensor: String, expected: usize, found: usize },
    #[error("`{symbol}` is {old} by {by}, but {new} by dimension {dim} of `{tensor}`")]
    Conflict { symbol: String, old: i64, by: String, new: i64, tensor: String, dim: usize },
    #[error("dimension {dim} of `{tensor}` is {found}, but `{extent}` is {expected}")]
    Size { tensor: String, dim: usize, found: usize, extent: String, expected: i64 },
    #[error("dimension {dim} of `{tensor}` is {found}, no multiple of {of}")]
    Multiple { tensor: String, dim: usize, found: usize, of: i64 },
    #[error("`{symbol}` is {value} by {by}, but `{ragged}` has {count} lengths")]
    Ragged { symbol: String, value: i64, by: String, ragged: String, count: usize },
}

/// Completes `given` by what `shapes` say, and checks that all agree. Weights in blocks have shapes in bytes.
pub fn infer_dims(
    manifest: &Manifest,
    shapes: &BTreeMap<String, Vec<usize>>,
    given: &Dims,
) -> Result<Dims, DimsError> {
    let mut dims = given.clone();
    // Who said so, for the message.
    let mut by: BTreeMap<&str, String> =
        given.scalars.keys().map(|s| (s.as_str(), "the caller".into())).collect();
    let mut sizes = Vec::new();
    for (name, shape) in shapes {
        let Some(tensor) = manifest.params.iter().find(|t| t.name == *name) else {
            let near = did_you_mean(name, manifest.params.iter().map(|t| t.name.as_str()));
            let near = near.map(Into::into);
            return Err(DimsError::UnknownTensor { name: name.clone(), near });
        };
        if tensor.shape.len() != shape.len() {
            let (expected, found) = (tensor.shape.len(), shape.len());
            return Err(DimsError::Rank { tensor: name.clone(), expected, found });
        }
        for (dim, size) in shape.iter().enumerate() {
            sizes.push((tensor, dim, logical(tensor, dim, *size)?));
        }
    }
    for &(tensor, dim, size) in &sizes {
        let Some((symbol, new)) = solve(tensor, dim, size)? else { continue };
        match dims.scalars.get(symbol) {
            Some(&old) if old != new => {
                let by = by.get(symbol).cloned().unwrap_or_default();
                let (symbol, tensor) = (symbol.to_owned(), tensor.name.clone());
                return Err(DimsError::Conflict { symbol, old, by, new, tensor, dim });
            }
            Some(_) => {}
            None => {
                dims.scalars.insert(symbol.into(), new);
                by.insert(symbol, format!("dimension {dim} of `{}`", tensor.name));
            }
        }
    }
    for s in &manifest.symbols {
        let Some(over) = &s.ragged else { continue };
        let Some(list) = dims.ragged.get(&s.name) else { continue };
        let count = list.len();
        match dims.scalars.get(over) {
            Some(&value) if usize::try_from(value) != Ok(count) => {
                let by = by.get(over.as_str()).cloned().unwrap_or_default();
                let (symbol, ragged) = (over.clone(), s.name.clone());
                return Err(DimsError::Ragged { symbol, value, by, ragged, count });
            }
            Some(_) => {}
            None if manifest.symbols.iter().any(|o| o.name == *over) => {
                dims.scalars.insert(over.clone(), i64::try_from(count).unwrap_or(i64::MAX));
            }
            None => {}
        }
    }
    for &(tensor, dim, found) in &sizes {
        // What still has no value is told by the plan.
        let Ok(expected) = tensor.shape[dim].eval(&dims) else { continue };
        if i64::try_from(found) != Ok(expected) {
            let (extent, tensor) = (tensor.shape[dim].to_string(), tensor.name.clone());
            return Err(DimsError::Size { tensor, dim, found, extent, expected });
        }
    }
    Ok(dims)
}

/// Elements of a dimension: of blocks, the last counts bytes.
fn logical(tensor: &Tensor, dim: usize, size: usize) -> Result<usize, DimsError> {
    let format = match tensor.store {
        Store::Blocks(format) if dim + 1 == tensor.shape.len() => format,
        Store::Blocks(_) | Store::Strided | Store::Packed { .. } | Store::Field(_) => {
            return Ok(size);
        }
    };
    if format.bytes == 0 || !size.is_multiple_of(format.bytes) {
        let (tensor, of) = (tensor.name.clone(), i64::try_from(format.bytes).unwrap_or(i64::MAX));
        return Err(DimsError::Multiple { tensor, dim, found: size, of });
    }
    Ok((size / format.bytes).saturating_mul(format.block))
}

/// A symbol and its value, where the extent is a symbol or a multiple of one.
fn solve(tensor: &Tensor, dim: usize, size: usize) -> Result<Option<(&str, i64)>, DimsError> {
    let value = i64::try_from(size).unwrap_or(i64::MAX);
    let (symbol, of) = match &tensor.shape[dim] {
        Extent::Sym(s) => (s, 1),
        Extent::Bin(BinOp::Mul, a, b) => match (&**a, &**b) {
            (Extent::Sym(s), Extent::Lit(c)) | (Extent::Lit(c), Extent::Sym(s)) if *c > 0 => {
                (s, *c)
            }
            _ => return Ok(None),
        },
        Extent::Lit(_) | Extent::Cores | Extent::Ragged(..) | Extent::Bin(..) => return Ok(None),
    };
    if value % of != 0 {
        let tensor = tensor.name.clone();
        return Err(DimsError::Multiple { tensor, dim, found: size, of });
    }
    Ok(Some((symbol, value / of)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::{artifact::Manifest, diag::Report};

    fn manifest() -> Result<Manifest, Box<Report>> {
        static BLOCKS: kgen_ir::format::Format = kgen_ir::format::Format {
            name: "q4_0",
            gguf: Some(2),
            block: 32,
            bytes: 18,
            fields: &[],
            value: kgen_ir::format::Value::Affine { zero: 8 },
        };
        let mut m = Manifest { format: 1, ..Manifest::default() };
        m.files.clear();
        let text = m
            .print()
            .replace("symbols = []", "symbols = [\"b\", \"m\", \"k\", \"n[b]\"]")
            .replace(
                "params = []",
                "params = [\"in q: f32[b, m, 2 * k]\", \"in w: q4_0[m, k]\", \"out o: f32[m + 1]\"]",
            );
        Manifest::parse("m", &text, &|_| Some(&BLOCKS)).map_err(Box::new)
    }

    type Shapes<'a> = &'a [(&'a str, &'a [usize])];

    fn infer(shapes: Shapes<'_>, given: &Dims) -> Result<Dims, String> {
        let shapes = shapes.iter().map(|(n, s)| ((*n).to_owned(), s.to_vec())).collect();
        infer_dims(&manifest().unwrap(), &shapes, given).map_err(|e| e.to_string())
    }

    #[test]
    fn shapes_say_the_symbols() {
        let given = Dims { ragged: [("n".into(), vec![5, 6])].into(), cores: 3, ..Dims::default() };
        let dims = infer(&[("w", &[7, 36]), ("o", &[8])], &given).unwrap();
        let scalars = [("b", 2), ("k", 64), ("m", 7)];
        assert_eq!(dims.scalars, scalars.map(|(n, x)| (n.to_owned(), x)).into());
        assert_eq!(dims.cores, 3);
        let dims = infer(&[("q", &[0, 1, 64])], &Dims::default()).unwrap();
        assert_eq!(
            dims.scalars,
            [("b", 0), ("k", 32), ("m", 1)].map(|(n, x)| (n.to_owned(), x)).into()
        );
    }

    #[test]
    fn disagreements_are_told() {
        let ragged = Dims { ragged: [("n".into(), vec![5, 6])].into(), ..Dims::default() };
        let scalar = Dims { scalars: [("m".into(), 4)].into(), ..Dims::default() };
        let none = Dims::default();
        let cases: [(Shapes<'_>, &Dims, &str); 7] = [
            (&[("wx", &[1])], &none, "there is no tensor `wx`; did you mean `w`?"),
            (&[("q", &[1])], &none, "`q` has 3 dimensions, not 1"),
            (
                &[("q", &[1, 2, 64]), ("w", &[3, 18])],
                &none,
                "`m` is 2 by dimension 1 of `q`, but 3 by dimension 0 of `w`",
            ),
            (&[("w", &[3, 18])], &scalar, "`m` is 4 by the caller, but 3 by dimension 0 of `w`"),
            (&[("q", &[1, 2, 3])], &none, "dimension 2 of `q` is 3, no multiple of 2"),
            (&[("w", &[1, 19])], &none, "dimension 1 of `w` is 19, no multiple of 18"),
            (&[("o", &[9])], &scalar, "dimension 0 of `o` is 9, but `m + 1` is 5"),
        ];
        for (shapes, given, message) in cases {
            assert_eq!(infer(shapes, given), Err(message.into()));
        }
        assert_eq!(
            infer(&[("q", &[3, 1, 64])], &ragged),
            Err("`b` is 3 by dimension 0 of `q`, but `n` has 2 lengths".into())
        );
    }
}
