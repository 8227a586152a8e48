//! Sizes to addresses: symbols and shapes evaluated, the variant picked, the workspace laid out, arguments filled.

use super::{COUNTER, Plan, PlanError, address};
use crate::module::{Kernel, SlotSource, Source};
use kgen_ir::{
    diag::did_you_mean,
    extent::{Dims, Extent, ExtentError},
    machine::REPORT,
    op::Bound,
    tile::Store,
};
use std::sync::Arc;

impl Plan {
    pub(super) fn set_dims(&mut self, dims: &Dims) -> Result<(), PlanError> {
        let symbols = &self.module.manifest.symbols;
        for name in dims.scalars.keys().chain(dims.ragged.keys()) {
            if !symbols.iter().any(|s| s.name == *name) {
                let near = did_you_mean(name, symbols.iter().map(|s| s.name.as_str()));
                let (symbol, near) = (name.clone(), near.map(Into::into));
                return Err(PlanError::UnknownSymbol { symbol, near });
            }
        }
        if dims.cores < 1 {
            return Err(PlanError::NoWorkers(dims.cores));
        }
        self.dims.cores = dims.cores;
        for s in symbols {
            let no_value =
                || PlanError::NoValue { symbol: s.name.clone(), ragged: s.ragged.clone() };
            let Some(over) = &s.ragged else {
                let value = *dims.scalars.get(&s.name).ok_or_else(no_value)?;
                match self.dims.scalars.get_mut(&s.name) {
                    Some(place) => *place = value,
                    None => drop(self.dims.scalars.insert(s.name.clone(), value)),
                }
                continue;
            };
            let list = dims.ragged.get(&s.name).ok_or_else(no_value)?;
            if let Some(count) = dims.scalars.get(over)
                && usize::try_from(*count) != Ok(list.len())
            {
                return Err(PlanError::Ragged(s.name.clone(), list.len(), over.clone(), *count));
            }
            match self.dims.ragged.get_mut(&s.name) {
                Some(place) => place.clone_from(list),
                None => drop(self.dims.ragged.insert(s.name.clone(), list.clone())),
            }
        }
        Ok(())
    }

    pub(super) fn check_bounds(&self) -> Result<(), PlanError> {
        let m = &self.module.manifest;
        for s in &m.symbols {
            let one = self.dims.scalars.get(&s.name).map(std::slice::from_ref);
            let list = self.dims.ragged.get(&s.name).map(Vec::as_slice);
            for &value in one.or(list).unwrap_or(&[]) {
                let bounds = m.bounds.iter().filter(|b| b.symbol == s.name);
                let demand = if value < 0 {
                    Some("a size is not negative".into())
                } else {
                    bounds.filter_map(|b| violated(b, value)).next()
                };
                if let Some(demand) = demand {
                    return Err(PlanError::Bound { symbol: s.name.clone(), value, demand });
                }
            }
        }
        Ok(())
    }

    /// Shapes of all parameters whose extents have values.
    pub(super) fn set_shapes(&mut self) -> Result<(), PlanError> {
        let module = Arc::clone(&self.module);
        for (i, t) in module.manifest.params.iter().enumerate() {
            let unchanged = self.shapes[i].len() == t.shape.len()
                && self.shapes[i]
                    .iter()
                    .zip(&t.shape)
                    .all(|(old, e)| e.eval(&self.dims).is_ok_and(|x| i64::try_from(*old) == Ok(x)));
            if unchanged && self.bound[i].is_some() {
                continue;
            }
            self.bound[i] = None;
            self.shapes[i].clear();
            for (dim, extent) in t.shape.iter().enumerate() {
                let size = evaluate_size(&t.name, dim, extent, &self.dims)?;
                self.shapes[i].push(size);
            }
            let elem = t.elem.bytes().unwrap_or(1);
            dense(&self.shapes[i], elem, &mut self.strides[i])
                .ok_or_else(|| PlanError::TooLarge(t.name.clone()))?;
        }
        for (i, p) in module.manifest.prepares.iter().enumerate() {
            if let Some(prepared) = &self.prepared[i]
                && !self.packed_as(p, &prepared.shape)
            {
                self.prepared[i] = None;
            }
        }
        Ok(())
    }

    /// Picks the variant, lays out the memory, fills the arguments.
    pub(super) fn lay_out(&mut self) -> Result<(), PlanError> {
        self.ready = false;
        let module = Arc::clone(&self.module);
        let mut chosen = None;
        'variants: for (i, v) in module.variants.iter().enumerate() {
            for p in &v.when {
                let failed = |source| PlanError::Extent {
                    place: format!("variant `{}`", module.manifest.variants[i].name),
                    source,
                };
                let left = self.value(&p.left, &[]).map_err(failed)?;
                let right = self.value(&p.right, &[]).map_err(failed)?;
                if !p.cmp.holds(left, right) {
                    continue 'variants;
                }
            }
            chosen = Some(i);
            break;
        }
        self.variant = chosen.ok_or_else(|| PlanError::NoVariant(module.manifest.name.clone()))?;
        let variant = &module.variants[self.variant];
        let too_large = || PlanError::TooLarge("workspace".into());

        let kernels = || variant.launches.iter().map(|l| &module.kernels[l.kernel]);
        let counters: usize = kernels().map(|k| k.counters).sum();
        let scratch = kernels().map(|k| k.scratch).max().unwrap_or(0);
        let cores = usize::try_from(self.dims.cores).map_err(|_| too_large())?;
        let reports = kernels().filter(|k| k.reports).count();
        self.memory.clear();
        let counters = self.memory.part(counters.checked_mul(COUNTER));
        let scratch = self.memory.part(scratch.checked_mul(cores));
        let reports =
            self.memory.part(cores.checked_mul(REPORT).and_then(|r| r.checked_mul(reports)));
        (self.counters, self.scratch, self.reports) = (
            counters.ok_or_else(too_large)?,
            scratch.ok_or_else(too_large)?,
            reports.ok_or_else(too_large)?,
        );
        for &i in &variant.buffers {
            let t = &module.manifest.buffers[i];
            let (part, strides) = &mut self.buffers[i];
            strides.clear();
            let mut bytes = t.elem.bytes();
            for (dim, extent) in t.shape.iter().enumerate() {
                let size = evaluate_size(&t.name, dim, extent, &self.dims)?;
                strides.push(size);
                bytes = bytes.and_then(|b| b.checked_mul(size));
            }
            if let (Store::Packed { of, .. }, [rows, k]) = (&t.store, &strides[..]) {
                bytes = of.bytes(*rows, *k).ok();
            }
            let mut stride = t.elem.bytes().unwrap_or(1);
            for s in strides.iter_mut().rev() {
                // Sizes become strides; a product that overflows belongs to a tensor with a size of zero.
                stride = stride.saturating_mul(std::mem::replace(s, stride));
            }
            let too_large = || PlanError::TooLarge(t.name.clone());
            *part = self.memory.part(bytes).ok_or_else(too_large)?;
        }
        self.memory.seat()?;
        self.fill()
    }

    /// Writes all argument arrays.
    pub(super) fn fill(&mut self) -> Result<(), PlanError> {
        self.ready = false;
        let module = Arc::clone(&self.module);
        self.args.clear();
        self.launches.clear();
        let mut counter = self.memory.address(self.counters);
        let mut report = self.memory.address(self.reports);
        for launch in &module.variants[self.variant].launches {
            let kernel = &module.kernels[launch.kernel];
            let failed = |source| PlanError::Extent {
                place: format!("launch of `{}`", module.manifest.kernels[launch.kernel].name),
                source,
            };
            self.scalars.clear();
            for arg in &launch.args {
                let value = match arg {
                    Source::Scalar(extent) => self.value(extent, &[]).map_err(failed)?,
                    Source::Param(_) | Source::Buffer(_) | Source::Prepared(..) => 0,
                };
                self.scalars.push(value);
            }
            let first = self.args.len();
            for slot in &kernel.slots {
                let word = match slot {
                    SlotSource::Pointer(arg) => match &launch.args[*arg] {
                        Source::Param(i) => self.bound[*i].unwrap_or(0),
                        Source::Buffer(i) => self.memory.address(self.buffers[*i].0),
                        Source::Prepared(i, offset) => match &self.prepared[*i] {
                            Some(p) => address(p.bytes().as_ptr().cast_mut()) + *offset as u64,
                            None => 0,
                        },
                        Source::Scalar(_) => 0,
                    },
                    SlotSource::Stride(arg, dim) => match &launch.args[*arg] {
                        Source::Param(i) => self.strides[*i][*dim] as u64,
                        Source::Buffer(i) => self.buffers[*i].1[*dim] as u64,
                        Source::Prepared(..) | Source::Scalar(_) => 0,
                    },
                    SlotSource::Extent(extent) => {
                        self.value(extent, &kernel.scalars).map_err(failed)? as u64
                    }
                    SlotSource::Counter(i) => counter + (*i * COUNTER) as u64,
                    SlotSource::Scratch => self.memory.address(self.scratch),
                    SlotSource::End(arg) => self.end(&launch.args[*arg]),
                    SlotSource::Report => report,
                };
                self.args.push(word);
            }
            counter += (kernel.counters * COUNTER) as u64;
            report += self.report_bytes(kernel) as u64;
            self.launches.push((launch.kernel, first));
        }
        self.ready = true;
        Ok(())
    }

    /// Bytes of the reports of a launch: one for each worker of a kernel that checks its accesses.
    pub(super) fn report_bytes(&self, kernel: &Kernel) -> usize {
        // The memory for it was had, so its size is no surprise.
        let cores = usize::try_from(self.dims.cores).unwrap_or(0);
        if kernel.reports { cores * REPORT } else { 0 }
    }

    /// Address behind the last byte of an argument.
    fn end(&mut self, source: &Source) -> u64 {
        match source {
            Source::Param(i) => {
                let (shape, strides) = (&self.shapes[*i], &self.strides[*i]);
                let elem = self.module.manifest.params[*i].elem.bytes().unwrap_or(1);
                let steps = shape.iter().zip(strides).map(|(n, s)| (*n as u64 - 1) * *s as u64);
                let bytes = if shape.contains(&0) { 0 } else { steps.sum::<u64>() + elem as u64 };
                self.bound[*i].map_or(0, |start| start + bytes)
            }
            Source::Buffer(i) => {
                let part = self.buffers[*i].0;
                self.memory.address(part) + self.memory.bytes(part).len() as u64
            }
            Source::Prepared(i, _) => match &self.prepared[*i] {
                Some(p) => address(p.bytes().as_ptr().cast_mut()) + p.bytes().len() as u64,
                None => 0,
            },
            Source::Scalar(_) => 0,
        }
    }

    pub(super) fn value(
        &self,
        extent: &Extent,
        scalars: &[(String, usize)],
    ) -> Result<i64, ExtentError> {
        let lookup = |name: &str| {
            if let Some((_, arg)) = scalars.iter().find(|(n, _)| n == name) {
                return self.scalars.get(*arg).copied();
            }
            if let Some((_, param, dim)) = self.module.strides.iter().find(|(n, ..)| n == name) {
                let bytes = self.strides.get(*param)?.get(*dim)?;
                let elem = self.module.manifest.params[*param].elem.bytes()?;
                return i64::try_from(bytes / elem).ok();
            }
            self.dims.scalars.get(name).copied()
        };
        extent.eval_with(&lookup, &self.dims)
    }
}

fn evaluate_size(
    tensor: &str,
    dim: usize,
    extent: &Extent,
    dims: &Dims,
) -> Result<usize, PlanError> {
    let value = extent
        .eval(dims)
        .map_err(|source| PlanError::Extent { place: format!("`{tensor}`"), source })?;
    usize::try_from(value).map_err(|_| PlanError::Size { tensor: tensor.into(), dim, value })
}

/// Row-major byte strides; `None` if the whole is too large.
fn dense(shape: &[usize], elem: usize, strides: &mut Vec<usize>) -> Option<()> {
    strides.clear();
    strides.resize(shape.len(), 0);
    let mut stride = elem;
    for (s, size) in strides.iter_mut().zip(shape).rev() {
        *s = stride;
        stride = stride.checked_mul(*size)?;
    }
    isize::try_from(stride).ok().map(|_| ())
}

fn violated(b: &Bound, value: i64) -> Option<String> {
    if let Some(min) = b.min.filter(|min| value < *min) {
        return Some(format!("the op promises at least {min}"));
    }
    if let Some(max) = b.max.filter(|max| value > *max) {
        return Some(format!("the op promises at most {max}"));
    }
    let of = b.multiple_of.filter(|of| *of > 0 && value % *of != 0)?;
    Some(format!("the op promises a multiple of {of}"))
}
