//! Binding: tensors of the caller and prepared weights, held against what the kernels were compiled for.

#![allow(unsafe_code)]

use super::{Plan, PlanError, address};
use crate::{buffer::Buffer, module::Module};
use kgen_ir::{
    diag::did_you_mean,
    dtype::Dtype,
    tensor::Tensor,
    tile::{Form, Prepare, Role},
};
use std::sync::Arc;

/// A tensor in the caller's memory.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub dtype: Dtype,
    pub shape: &'a [usize],
    /// Bytes between neighbours of each dimension; dense if not given.
    pub strides: Option<&'a [usize]>,
    pub pointer: *mut u8,
    /// Bytes of the memory at `pointer`.
    pub bytes: usize,
}

/// A weight in the form a kernel asks for; made once, bound to many plans.
#[derive(Debug)]
pub struct Prepared {
    /// Name in the manifest.
    pub name: String,
    /// `[rows, k]`, or `[copies, rows, k]`.
    pub shape: Vec<usize>,
    bytes: Buffer,
}

impl<'a> View<'a> {
    /// To be read only: binding it to an output is undefined behaviour.
    pub fn of(tensor: &'a Tensor) -> View<'a> {
        let (shape, bytes) = (tensor.shape.as_slice(), tensor.bytes.len());
        let pointer = tensor.bytes.as_ptr().cast_mut();
        View { dtype: tensor.dtype, shape, strides: None, pointer, bytes }
    }

    pub fn of_buffer(dtype: Dtype, shape: &'a [usize], memory: &mut Buffer) -> View<'a> {
        let bytes = memory.len();
        View { dtype, shape, strides: None, pointer: memory.bytes_mut().as_mut_ptr(), bytes }
    }
}

impl Prepared {
    /// Takes what is packed already; `bytes` is as [`kgen_ir::format::pack::Packing`] says.
    pub fn from_packed(
        module: &Module,
        name: &str,
        shape: &[usize],
        bytes: Buffer,
    ) -> Result<Prepared, PlanError> {
        let prepares = &module.manifest.prepares;
        let Some(prepare) = prepares.iter().find(|p| p.name == name) else {
            let near = did_you_mean(name, prepares.iter().map(|p| p.name.as_str()));
            return Err(PlanError::UnknownTensor { name: name.into(), near: near.map(Into::into) });
        };
        let too_large = || PlanError::TooLarge(name.into());
        let (copies, rows, k) = match shape {
            [rows, k] => (1, *rows, *k),
            [copies, rows, k] => (*copies, *rows, *k),
            _ => return Err(PlanError::Rank { name: name.into(), found: shape.len() }),
        };
        let needed = prepare.bytes([copies, rows, k]).map_err(|_| too_large())?;
        if bytes.len() != needed {
            return Err(PlanError::Length { name: name.into(), needed, found: bytes.len() });
        }
        Ok(Prepared { name: name.into(), shape: shape.to_vec(), bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }
}

impl Plan {
    /// Binds a tensor of the caller.
    ///
    /// # Safety
    /// The memory must stay valid, and for outputs writable and untouched by others, for every later `run` until
    /// the name is bound again.
    pub unsafe fn bind(&mut self, name: &str, view: View<'_>) -> Result<(), PlanError> {
        if !self.shaped {
            return Err(PlanError::NotReady);
        }
        let i = self.param(name)?;
        let strides = self.fits(i, &view)?;
        let decides = self.module.strides.iter().any(|(_, p, _)| *p == i);
        let changed = *self.strides[i] != *strides;
        self.strides[i].clear();
        self.strides[i].extend_from_slice(&strides);
        self.bound[i] = Some(address(view.pointer));
        if self.ready && !(decides && changed) {
            return self.fill();
        }
        match self.lay_out() {
            // The tensors bound next may change that; `run` tells if they do not.
            Err(PlanError::NoVariant(_)) => Ok(()),
            other => other,
        }
    }

    /// Binds a prepared weight and keeps it.
    pub fn bind_prepared(&mut self, prepared: &Arc<Prepared>) -> Result<(), PlanError> {
        if !self.shaped {
            return Err(PlanError::NotReady);
        }
        let prepares = &self.module.manifest.prepares;
        let Some(i) = prepares.iter().position(|p| p.name == prepared.name) else {
            let near = did_you_mean(&prepared.name, prepares.iter().map(|p| p.name.as_str()));
            let (name, near) = (prepared.name.clone(), near.map(Into::into));
            return Err(PlanError::UnknownTensor { name, near });
        };
        if !self.packed_as(&prepares[i], &prepared.shape) {
            let expected = match &prepares[i].form {
                Form::Blocks(source) => self.shape(source).unwrap_or(&[]).to_vec(),
                Form::Parts(_, parts) => vec![parts.copies, parts.n, parts.k],
            };
            let (name, found) = (prepared.name.clone(), prepared.shape.clone());
            return Err(PlanError::Packed { name, expected, found });
        }
        self.prepared[i] = Some(Arc::clone(prepared));
        if self.ready { self.fill() } else { Ok(()) }
    }

    /// Whether a weight of this shape is what a prepare step makes.
    pub(super) fn packed_as(&self, p: &Prepare, shape: &[usize]) -> bool {
        // One copy is as good as none.
        fn sizes(shape: &[usize]) -> &[usize] {
            match shape {
                [1, rest @ ..] if rest.len() == 2 => rest,
                _ => shape,
            }
        }
        match &p.form {
            Form::Blocks(source) => self.shape(source).map(sizes) == Some(sizes(shape)),
            Form::Parts(_, parts) => sizes(shape) == sizes(&[parts.copies, parts.n, parts.k]),
        }
    }

    fn param(&self, name: &str) -> Result<usize, PlanError> {
        let params = &self.module.manifest.params;
        match params.iter().position(|t| t.name == name) {
            Some(i) if self.module.variants.iter().any(|v| v.params.contains(&i)) => Ok(i),
            Some(_) => Err(PlanError::NotUsed(name.into())),
            None => {
                let near = did_you_mean(name, params.iter().map(|t| t.name.as_str()));
                Err(PlanError::UnknownTensor { name: name.into(), near: near.map(Into::into) })
            }
        }
    }

    /// Byte strides of a view that fits the parameter.
    fn fits(&self, i: usize, view: &View<'_>) -> Result<Strides, PlanError> {
        let t = &self.module.manifest.params[i];
        let name = || t.name.clone();
        if view.dtype != t.elem {
            return Err(PlanError::Dtype { name: name(), expected: t.elem, found: view.dtype });
        }
        let expected = &self.shapes[i];
        if view.shape != expected.as_slice() {
            let (expected, found) = (expected.clone(), view.shape.to_vec());
            return Err(PlanError::Shape { name: name(), expected, found });
        }
        let elem = t.elem.bytes().unwrap_or(1);
        let mut strides = Strides::default();
        match view.strides {
            Some(given) if given.len() != view.shape.len() => {
                let (expected, found) = (view.shape.len(), given.len());
                return Err(PlanError::Strides { name: name(), expected, found });
            }
            Some(given) => strides.extend(given),
            None => {
                let mut stride = elem;
                for (s, size) in strides.resize(view.shape.len()).iter_mut().zip(view.shape).rev() {
                    *s = stride;
                    stride = stride.saturating_mul(*size);
                }
            }
        }
        // From the densest dimension outwards: bytes from the first to behind the last element so far. Of
        // dimensions of 1 the stride is never used.
        let mut order = Strides::default();
        let rank = view.shape.len();
        order.resize(rank).iter_mut().enumerate().for_each(|(dim, o)| *o = dim);
        order.resize(rank).sort_unstable_by_key(|dim| strides[*dim]);
        let mut extent = elem;
        let empty = view.shape.contains(&0);
        for &dim in order.iter().filter(|dim| !empty && view.shape[**dim] > 1) {
            let stride = strides[dim];
            if dim + 1 == rank && stride != elem {
                return Err(PlanError::LastStride { name: name(), expected: elem, found: stride });
            }
            if !stride.is_multiple_of(elem) {
                return Err(PlanError::Stride { name: name(), dim, stride, align: elem });
            }
            if t.role == Role::Out && stride < extent {
                return Err(PlanError::Overlap { name: name(), dim, stride, least: extent });
            }
            extent = stride
                .checked_mul(view.shape[dim] - 1)
                .and_then(|s| s.checked_add(extent))
                .ok_or_else(|| PlanError::TooLarge(name()))?;
        }
        let needed = if empty { 0 } else { extent };
        if view.bytes < needed {
            return Err(PlanError::Length { name: name(), needed, found: view.bytes });
        }
        if needed > 0 && !view.pointer.addr().is_multiple_of(elem) {
            return Err(PlanError::Alignment { name: name(), align: elem });
        }
        Ok(strides)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Strides {
    len: usize,
    list: [usize; 16],
}

impl Strides {
    fn resize(&mut self, len: usize) -> &mut [usize] {
        self.len = len.min(self.list.len());
        &mut self.list[..self.len]
    }

    fn extend(&mut self, given: &[usize]) {
        self.resize(given.len()).iter_mut().zip(given).for_each(|(to, from)| *to = *from);
    }
}

impl std::ops::Deref for Strides {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.list[..self.len]
    }
}
