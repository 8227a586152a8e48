//! A small attention op whose compiled kernels get a mistake planted: an access outside of their tensors.

use crate::corpus::WORKERS;
use kgen::{
    compile::{Accesses, Compiled},
    verify,
};
use kgen_ir::{
    artifact::Artifact,
    extent::{Dims, Extent},
    machine::{Inst, Kernel, Slot, Stmt},
    op::Op,
    target::Target,
    tensor::Tensor,
};
use kgen_passes::machine;
use std::collections::BTreeMap;

/// Small, with a second kernel where contexts are split.
const PLANTED: &str = r#"
op = "attention"
name = "planted"
q = { dtype = "f32", heads = 4, dim = 16, batch = "b" }
kv = { dtype = "f16", heads = 2 }
out = "f32"

[[segment]]
len = "n"
mask = "causal"
"#;

/// The op, sizes, inputs.
pub fn question(b: i64) -> (Op, Dims, BTreeMap<String, Tensor>) {
    let op = kgen_ir::op::read::read("planted", PLANTED).unwrap_or_else(|e| panic!("{e}"));
    let mut dims = Dims { cores: WORKERS as i64, ..Dims::default() };
    dims.scalars = [("b", b), ("n", 37)].map(|(n, x)| (n.to_owned(), x)).into();
    let e = verify::example(&op, &dims, "normal", 3).unwrap_or_else(|e| panic!("{e}"));
    (op, e.dims, e.inputs)
}

/// The kernels with a mistake in them, checked or not, as an artifact.
pub fn planted(
    compiled: &Compiled,
    target: &Target,
    accesses: Accesses,
    mistake: &dyn Fn(&mut Kernel),
) -> Artifact {
    let mut manifest = compiled.artifact.manifest.clone();
    let mut files = compiled.artifact.files.clone();
    for (entry, kernel) in manifest.kernels.iter_mut().zip(&compiled.kernels) {
        let mut kernel = kernel.clone();
        mistake(&mut kernel);
        if accesses == Accesses::Checked {
            kernel = machine::check(kernel, target).unwrap_or_else(|e| panic!("{e}"));
        }
        let text = kgen_codegen::emit(&kernel, target).unwrap_or_else(|e| panic!("{e}")).text;
        files.insert(entry.file.clone(), text);
        entry.slots = kernel.slots;
    }
    Artifact::new(manifest, files)
}

/// A mistake: keys lie twice as far apart as they do.
pub fn wrong_stride(kernel: &mut Kernel) {
    for slot in &mut kernel.slots {
        if matches!(slot, Slot::Stride(name, 1) if name == "kv.k") {
            // In bytes, of which an element has two.
            *slot = Slot::Extent(Extent::parse("kv.k.stride1 * 4").unwrap());
        }
    }
}

/// A mistake: there is one key more than there is.
pub fn one_key_more(kernel: &mut Kernel) {
    for slot in &mut kernel.slots {
        if matches!(slot, Slot::Extent(e) if e.to_string() == "n") {
            *slot = Slot::Extent(Extent::parse("n + 1").unwrap());
        }
    }
}

/// Calls `f` with each instruction and its number.
pub fn each(body: &mut [Stmt], number: &mut i64, f: &mut dyn FnMut(&mut Inst, i64)) {
    for stmt in body {
        match stmt {
            Stmt::Inst(inst) => {
                *number += 1;
                f(inst, *number);
            }
            Stmt::Loop(l) => each(&mut l.body, number, f),
            Stmt::If(i) => {
                each(&mut i.then, number, f);
                each(&mut i.otherwise, number, f);
            }
        }
    }
}
