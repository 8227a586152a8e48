//! Kernels that are the reference: each op of a loop computed in f64 by `kernels-ref`, behind the interface of compiled
//! code. What a loop makes of them is right as far as the reference is, whatever the compiler does.
//!
//! Tensors must be dense.

#![allow(unsafe_code)]

use kgen_ir::{
    artifact::{Artifact, FORMAT, KernelEntry, Manifest},
    extent::{Dims, Extent},
    machine::Slot,
    op::{self, Op, tensors},
    tensor::Tensor,
    tile::{self, Arg, Launch, Param, Store, Symbol, Variant},
};
use kgen_runtime::{
    decode::{KernelSource, SourceError},
    driver::{Driver, DriverError, Loaded},
    module::Module,
};
use std::{collections::BTreeMap, sync::Arc};

pub struct ReferenceKernels;

impl KernelSource for ReferenceKernels {
    fn kernel(&self, text: &str) -> Result<Arc<Module>, SourceError> {
        let op = op::read::read("op", text)?;
        let params: Vec<tile::Tensor> = op
            .tensors()
            .into_iter()
            .map(|t| tile::Tensor {
                role: match t.role {
                    tensors::Role::In => tile::Role::In,
                    tensors::Role::Out => tile::Role::Out,
                },
                elem: t.dtype,
                shape: t.stored_shape().to_vec(),
                store: Store::Strided,
                name: t.name,
            })
            .collect();
        let symbols = op.symbols();
        let pointers = params.iter().map(|t| Slot::Pointer(t.name.clone()));
        let values = symbols.iter().map(|s| Slot::Extent(Extent::Sym(s.name.clone())));
        let kernel = KernelEntry {
            name: "op".into(),
            file: "op.toml".into(),
            entry: "op".into(),
            params: params.iter().cloned().map(Param::Tensor).collect(),
            slots: pointers.chain(values).collect(),
            scratch: 0,
            counters: 0,
            block: None,
        };
        let launch = Launch {
            kernel: "op".into(),
            args: params.iter().map(|t| Arg::Tensor(t.name.clone())).collect(),
        };
        let manifest = Manifest {
            format: FORMAT,
            name: op.name.clone(),
            backend: Reference.name().into(),
            symbols,
            params,
            kernels: vec![kernel],
            variants: vec![Variant { name: "all".into(), when: vec![], launches: vec![launch] }],
            ..Manifest::default()
        };
        let artifact = Artifact::new(manifest, [("op.toml".to_owned(), text.to_owned())].into());
        Ok(Module::load(&artifact, &Reference)?)
    }
}

/// "Compiles" an op file.
struct Reference;

struct Code {
    op: Op,
    symbols: Vec<Symbol>,
}

impl Driver for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn load(&self, text: &str, _: &[&str]) -> Result<Box<dyn Loaded>, DriverError> {
        let op = op::read::read("op", text).map_err(|e| DriverError::Compile(e.to_string()))?;
        let symbols = op.symbols();
        Ok(Box::new(Code { op, symbols }))
    }
}

impl Loaded for Code {
    unsafe fn call(&self, _: usize, args: *const u64, worker: u64) {
        if worker > 0 {
            return;
        }
        let specs = self.op.tensors();
        // SAFETY: there is one argument a slot: the pointers of the tensors, then the values of the symbols.
        let args = unsafe { std::slice::from_raw_parts(args, specs.len() + self.symbols.len()) };
        let (pointers, values) = args.split_at(specs.len());
        let mut dims = Dims { cores: 1, ..Dims::default() };
        for (symbol, value) in self.symbols.iter().zip(values) {
            dims.scalars.insert(symbol.name.clone(), *value as i64);
        }
        let mut inputs = BTreeMap::new();
        let mut outputs = Vec::new();
        for (spec, place) in specs.iter().zip(pointers) {
            let shape: Vec<usize> =
                spec.stored_shape().iter().map(|e| e.eval(&dims).unwrap() as usize).collect();
            let count = shape.iter().product::<usize>() * spec.dtype.bytes().unwrap();
            let pointer = std::ptr::with_exposed_provenance_mut::<u8>(*place as usize);
            match spec.role {
                tensors::Role::In => {
                    // SAFETY: the plan has checked that so many bytes are bound.
                    let bytes = unsafe { std::slice::from_raw_parts(pointer, count) }.to_vec();
                    let tensor = Tensor { dtype: spec.dtype, shape, bytes };
                    inputs.insert(spec.name.clone(), tensor);
                }
                tensors::Role::Out => outputs.push((spec, pointer, shape)),
            }
        }
        let computed = kgen_kernels_ref::run(&self.op, &dims, &inputs).unwrap();
        for (spec, pointer, shape) in outputs {
            let t = Tensor::from_f64(spec.dtype, &shape, &computed[&spec.name].values);
            // SAFETY: as above; outputs are of this launch alone.
            unsafe { std::ptr::copy_nonoverlapping(t.bytes.as_ptr(), pointer, t.bytes.len()) };
        }
    }
}
