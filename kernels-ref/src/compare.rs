//! A kernel's output against the expected one: worst error / bound, and values of the wrong class.

use crate::{Output, RefError, quant::Stored};
use kgen_ir::{dtype::Dtype, tensor::Tensor};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Worst `|got - expected| / bound`; above 1 fails. Infinite where a class differs.
    pub worst_ratio: f64,
    /// Row-major place of the worst element.
    pub at: usize,
    /// NaN or infinity where a number was expected, or the other way round.
    pub class_mismatches: usize,
    /// Elements compared.
    pub count: usize,
}

impl Comparison {
    pub fn passed(&self) -> bool {
        self.worst_ratio <= 1.0
    }
}

/// Compares all values that `expected` holds. `name` is for the error when the shapes differ.
pub fn compare(name: &str, expected: &Output, got: &Tensor) -> Result<Comparison, RefError> {
    let got = &*elements(name, expected, got)?;
    let count = expected.shape.iter().product::<usize>();
    let bytes = count * got.dtype.bytes().unwrap_or(1);
    if got.shape != expected.shape {
        return Err(RefError::Shape {
            name: name.into(),
            wanted: format!("{:?}", expected.shape),
            found: got.shape.clone(),
        });
    }
    if got.bytes.len() != bytes {
        return Err(RefError::Bytes {
            name: name.into(),
            wanted: bytes.to_string(),
            found: got.bytes.len(),
        });
    }
    let mut c = Comparison { worst_ratio: 0.0, at: 0, class_mismatches: 0, count: 0 };
    for (i, &y) in expected.values.iter().enumerate() {
        let at = expected.at.as_ref().map_or(i, |at| at[i]);
        let x = got.get(at);
        // What the type of the output makes of the expected value: beyond its range, infinity or its largest.
        let stored = Tensor::from_f64(got.dtype, &[1], &[y]).get(0);
        let nan_right = !y.is_finite() || expected.tainted[i];
        let (ratio, mismatch) = if x.is_nan() {
            if nan_right { (0.0, false) } else { (f64::INFINITY, true) }
        } else if x == y || (x == stored && !stored.is_nan()) {
            (0.0, false)
        } else if x.is_finite() && y.is_finite() {
            (ratio(x - y, expected.bounds[i]), false)
        } else if y.is_finite() && overflow_right(got, x, y, expected.bounds[i]) {
            (0.0, false)
        } else {
            (f64::INFINITY, true)
        };
        // NaN of 0/0 cannot happen: equal values were taken above.
        if ratio > c.worst_ratio {
            (c.worst_ratio, c.at) = (ratio, at);
        }
        c.class_mismatches += usize::from(mismatch);
        c.count += 1;
    }
    Ok(c)
}

/// The elements of a tensor, decoded if it holds blocks.
pub fn elements<'a>(
    name: &str,
    expected: &Output,
    got: &'a Tensor,
) -> Result<Cow<'a, Tensor>, RefError> {
    let (Some(storage), [lead @ .., width]) = (&expected.blocks, &expected.shape[..]) else {
        return Ok(Cow::Borrowed(got));
    };
    let given = [(name.to_owned(), got.clone())].into();
    let wanted: Vec<Option<usize>> = lead.iter().copied().map(Some).collect();
    let stored = Stored::open(&given, name, storage, &wanted, *width)?;
    let rows = (0..lead.iter().product()).map(|row| stored.row(row));
    let values = rows.collect::<Result<Vec<_>, _>>()?.concat();
    // A scale of 16 bits times a code of 8 is exact.
    Ok(Cow::Owned(Tensor::from_f64(Dtype::F32, &expected.shape, &values)))
}

/// Infinite for an error where none is allowed; 0 under an infinite bound, which judges only the class. A bound that
/// is no number allows nothing.
fn ratio(error: f64, bound: f64) -> f64 {
    if bound == f64::INFINITY {
        return 0.0;
    }
    let ratio = error.abs() / bound;
    if ratio.is_nan() { f64::INFINITY } else { ratio }
}

/// Infinity is right where the farthest allowed value does not fit the type.
fn overflow_right(got: &Tensor, x: f64, y: f64, bound: f64) -> bool {
    let farthest = Tensor::from_f64(got.dtype, &[1], &[y + bound.copysign(x)]).get(0);
    x.is_infinite() && farthest == x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(values: &[f64]) -> Output {
        Output {
            shape: vec![values.len()],
            values: values.to_vec(),
            bounds: values.iter().map(|y| if y.is_finite() { 0.5 } else { 0.0 }).collect(),
            tainted: vec![false; values.len()],
            at: None,
            blocks: None,
        }
    }

    fn against(e: &Output, got: &[f64]) -> Comparison {
        compare("o", e, &Tensor::from_f64(Dtype::F32, &[got.len()], got)).unwrap()
    }

    #[test]
    fn the_worst_place_is_named() {
        let c = against(&expected(&[1.0, 2.0, 3.0]), &[1.0, 2.25, 4.0]);
        assert_eq!((c.worst_ratio, c.at, c.passed(), c.count), (2.0, 2, false, 3));
        assert!(against(&expected(&[1.0, 2.0]), &[1.5, 2.0]).passed());
    }

    #[test]
    fn classes_must_agree() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        assert!(against(&expected(&[nan, inf, inf]), &[nan, nan, inf]).passed());
        for (y, x) in [(nan, 0.0), (0.0, nan), (inf, -inf), (inf, 1.0), (1.0, inf), (nan, inf)] {
            assert_eq!(against(&expected(&[y]), &[x]).class_mismatches, 1, "{y} {x}");
        }
        let mut tainted = expected(&[1.0]);
        tainted.tainted[0] = true;
        assert!(against(&tainted, &[nan]).passed());
    }

    #[test]
    fn bounds_at_the_ends_of_the_numbers() {
        let with = |bound: f64| Output { bounds: vec![bound], ..expected(&[1.0]) };
        assert!(against(&with(0.0), &[1.0]).passed());
        assert_eq!(against(&with(0.0), &[1.5]).worst_ratio, f64::INFINITY);
        assert_eq!(against(&with(f64::INFINITY), &[-3e38]).worst_ratio, 0.0);
        assert_eq!(against(&with(f64::NAN), &[1.5]).worst_ratio, f64::INFINITY);
    }

    #[test]
    fn beyond_the_range_of_the_output_infinity_is_right() {
        assert!(against(&expected(&[1e39]), &[f64::INFINITY]).passed());
        assert!(!against(&expected(&[1e39]), &[f64::NEG_INFINITY]).passed());
    }

    #[test]
    fn samples_are_found_by_their_place() {
        let e = Output { shape: vec![3], at: Some(vec![2]), ..expected(&[5.0]) };
        assert!(against(&e, &[0.0, 0.0, 5.0]).passed());
    }

    #[test]
    fn another_shape_or_size_is_an_error() {
        let e = expected(&[1.0, 2.0]);
        let error = compare("o", &e, &Tensor::zeros(Dtype::F32, &[3])).unwrap_err();
        assert_eq!(error.to_string(), "tensor `o` should have the shape [2], but has [3]");
        let short = Tensor { bytes: vec![0; 4], ..Tensor::zeros(Dtype::F32, &[2]) };
        let error = compare("o", &e, &short).unwrap_err();
        assert_eq!(error.to_string(), "tensor `o` should have 8 bytes, but has 4");
    }
}
