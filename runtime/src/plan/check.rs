//! Index tensors read before a launch: offsets, lengths and pages that point where something is.

#![allow(unsafe_code)]

use super::{Plan, PlanError};
use kgen_ir::{
    artifact::check::Check,
    dtype::Dtype,
    extent::Extent,
    op::{
        expr::Expr,
        indices::{self, IndexError},
    },
};
use std::collections::BTreeMap;

impl Plan {
    /// Reads the tensors that say where others are looked at, and tells the first place that points beyond them:
    /// offsets that fall, lengths beyond the pages, pages that are not there. `run` trusts them. Tensors that are not
    /// bound are left out.
    pub fn check(&self) -> Result<(), PlanError> {
        for check in &self.module.manifest.checks {
            match check {
                Check::Offsets { tensor, most } => self.check_offsets(tensor, most)?,
                Check::Below { tensor, end } => {
                    let Some(list) = self.indices(tensor) else { continue };
                    let end = self.check_extent(tensor, end)?;
                    for at in 0..list.shape.first().copied().unwrap_or(0) {
                        list.inside(&[at], end)?;
                    }
                }
                Check::Index { at, rows, end } => {
                    let (rows, end) =
                        (self.check_extent("rows", rows)?, self.check_extent("rows", end)?);
                    for row in 0..rows {
                        let Some(value) = self.index(at, row)? else { break };
                        if !(0..end).contains(&value) {
                            return Err(self.misplaced(
                                at.to_string(),
                                row,
                                value,
                                format!("it must be in 0..{end}"),
                            ));
                        }
                    }
                }
                Check::Target { tensor, at, rows, end } => {
                    let (rows, end) =
                        (self.check_extent(tensor, rows)?, self.check_extent(tensor, end)?);
                    let mut seen = BTreeMap::new();
                    for row in 0..rows {
                        let Some(value) = self.index(at, row)? else { break };
                        if value >= end {
                            return Err(self.misplaced(
                                at.to_string(),
                                row,
                                value,
                                format!("`{tensor}` has {end} rows"),
                            ));
                        }
                        if let Some(first) = seen.insert(value, row).filter(|_| value >= 0) {
                            let demand = format!("row {first} goes to this row of `{tensor}`, too");
                            return Err(self.misplaced(at.to_string(), row, value, demand));
                        }
                    }
                }
                Check::Pages { tensor, lens, page, end } => {
                    let (Some(table), Some(lens)) = (self.indices(tensor), self.indices(lens))
                    else {
                        continue;
                    };
                    let end = self.check_extent(tensor, end)?;
                    for row in 0..table.shape.first().copied().unwrap_or(0) {
                        let tokens = usize::try_from(lens.get(&[row])).unwrap_or(0);
                        let pages = tokens.div_ceil(usize::try_from(*page).unwrap_or(1).max(1));
                        for at in 0..pages {
                            table.inside(&[row, at], end)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn misplaced(&self, tensor: String, row: i64, value: i64, demand: String) -> PlanError {
        PlanError::Index { tensor, at: vec![usize::try_from(row).unwrap_or(0)], value, demand }
    }

    /// An index of a row; `None` where a tensor of it is not bound.
    fn index(&self, at: &Expr, row: i64) -> Result<Option<i64>, PlanError> {
        let unknown = |name: &str| IndexError::Unknown(name.into());
        let params = &self.module.manifest.params;
        let bound = |n: &str| !params.iter().any(|t| t.name == n) || self.indices(n).is_some();
        if !at.names().iter().all(|n| bound(n)) {
            return Ok(None);
        }
        let leaf = |name: &str, list: &[i64]| {
            if name == "row" {
                return Ok(row);
            }
            let Some(tensor) = self.indices(name) else {
                return self.dims.scalars.get(name).copied().ok_or_else(|| unknown(name));
            };
            // A column, and a matrix, are read in the row; a scalar is the only element it has.
            let mut place = list.to_vec();
            if place.len() < tensor.shape.len() {
                place.insert(0, if tensor.shape == [1] { 0 } else { row });
            }
            let place: Option<Vec<usize>> =
                place.into_iter().map(|i| usize::try_from(i).ok()).collect();
            Ok(tensor.get(&place.ok_or_else(|| unknown(name))?))
        };
        match indices::eval(at, &leaf) {
            Ok(value) => Ok(Some(value)),
            Err(e) => Err(self.misplaced(at.to_string(), row, 0, e.to_string())),
        }
    }

    fn check_extent(&self, tensor: &str, extent: &Extent) -> Result<i64, PlanError> {
        let failed = |source| PlanError::Extent { place: format!("check of `{tensor}`"), source };
        self.value(extent, &[]).map_err(failed)
    }

    fn check_offsets(&self, tensor: &str, most: &Extent) -> Result<(), PlanError> {
        let Some(list) = self.indices(tensor) else { return Ok(()) };
        let most = self.check_extent(tensor, most)?;
        let mut before = 0;
        for at in 0..list.shape.first().copied().unwrap_or(0) {
            let value = list.get(&[at]);
            let demand = if at == 0 && value != 0 {
                "offsets begin at 0".into()
            } else if value < before {
                format!("offsets never fall, and {before} stands before it")
            } else if value > most {
                format!("there are {most} rows")
            } else {
                before = value;
                continue;
            };
            return Err(PlanError::Index { tensor: tensor.into(), at: vec![at], value, demand });
        }
        Ok(())
    }

    /// A bound tensor of indices.
    fn indices<'a>(&'a self, name: &'a str) -> Option<Indices<'a>> {
        let params = &self.module.manifest.params;
        let at = params.iter().position(|t| t.name == name)?;
        let (elem, pointer) = (params[at].elem, self.bound[at]?);
        let integers = matches!(elem, Dtype::I32 | Dtype::I64);
        let (shape, strides) = (&self.shapes[at], &self.strides[at]);
        integers.then_some(Indices { name, elem, pointer, shape, strides })
    }
}

/// A tensor of i32 or i64 in the caller's memory.
struct Indices<'a> {
    name: &'a str,
    elem: Dtype,
    pointer: u64,
    shape: &'a [usize],
    strides: &'a [usize],
}

impl Indices<'_> {
    /// An element; -1 outside of the tensor.
    fn get(&self, at: &[usize]) -> i64 {
        let inside = at.len() == self.shape.len() && at.iter().zip(self.shape).all(|(i, n)| i < n);
        let Ok(base) = usize::try_from(self.pointer) else { return -1 };
        if !inside {
            return -1;
        }
        let offset: usize = at.iter().zip(self.strides).map(|(i, s)| i * s).sum();
        let place = std::ptr::with_exposed_provenance::<u8>(base).wrapping_add(offset);
        // SAFETY: `bind` checked that the memory has all elements of this shape and these strides, aligned for the
        // element, and its contract keeps it valid.
        unsafe {
            if self.elem == Dtype::I64 {
                place.cast::<i64>().read()
            } else {
                i64::from(place.cast::<i32>().read())
            }
        }
    }

    fn inside(&self, at: &[usize], end: i64) -> Result<(), PlanError> {
        let value = self.get(at);
        if (0..end).contains(&value) {
            return Ok(());
        }
        let (tensor, at, demand) =
            (self.name.into(), at.to_vec(), format!("it must be in 0..{end}"));
        Err(PlanError::Index { tensor, at, value, demand })
    }
}
