//! Op to tile program: which kernels, which launches, which variants.

mod attention;
mod builder;
mod expr;
mod mpgemm;
mod rows;

use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    op::{Kind, MpGemm, Op, Storage, tensors},
    tile::{Program, Role, Store, Tensor},
};

pub fn build(op: &Op, choice: &Choice) -> Result<Program, Unsupported> {
    let program = Program {
        name: op.name.clone(),
        symbols: op.symbols(),
        params: params(op),
        prepares: vec![],
        buffers: vec![],
        kernels: vec![],
        variants: vec![],
    };
    match &op.kind {
        Kind::Attention(a) => attention::build(a, program, choice),
        Kind::MpGemm(g) => mpgemm::build(g, program, choice),
        Kind::Rows(r) => rows::build(r, program, choice),
    }
}

/// Why lookups in tables serve a product, or do not though they could: `compute = { lut = 4 }`. An error if they cannot.
pub fn lookups(g: &MpGemm, choice: &Choice) -> Result<String, Unsupported> {
    mpgemm::lookups(g, choice)
}

/// The caller's tensors.
fn params(op: &Op) -> Vec<Tensor> {
    let product = matches!(op.kind, Kind::MpGemm(_));
    let one = |t: tensors::TensorSpec| match t.bytes {
        // Only weights of products are packed before; other kernels work on the bytes themselves.
        Some(bytes) if !product || t.role == tensors::Role::Out => Tensor {
            name: t.name,
            role: role(t.role),
            store: Store::Strided,
            elem: t.dtype,
            shape: bytes,
        },
        Some(_) | None => logical(t),
    };
    op.tensors().into_iter().map(one).collect()
}

fn role(of: tensors::Role) -> Role {
    match of {
        tensors::Role::In => Role::In,
        tensors::Role::Out => Role::Out,
    }
}

fn logical(t: tensors::TensorSpec) -> Tensor {
    Tensor {
        name: t.name,
        role: role(t.role),
        store: match &t.storage {
            Storage::Block(format) => Store::Blocks(format),
            Storage::Plain(_) | Storage::Codes(_) => Store::Strided,
        },
        elem: match &t.storage {
            // Blocks are read by prepare steps alone: they have no elements.
            Storage::Block(_) => kgen_ir::dtype::Dtype::F32,
            Storage::Plain(_) | Storage::Codes(_) => t.dtype,
        },
        shape: match &t.storage {
            Storage::Block(_) => t.shape,
            // Codes lie in bytes.
            Storage::Plain(_) | Storage::Codes(_) => t.bytes.unwrap_or(t.shape),
        },
    }
}
