//! The lowering for CPUs of wider vectors than this one's: machine kernels for the interpreter, no text.
//!
//! ```text
//! let choice = Choice { target: wide::target(16, true), schedule };
//! let ran = machine_run::run(&wide::lowered(&op, &choice)?, &dims, &inputs)?;
//! ```

use kgen::compile::{self, Compiled};
use kgen_ir::{
    artifact::{Artifact, Manifest},
    diag::Unsupported,
    machine::{self, Op, Row},
    target::Target,
};
use kgen_passes::Choice;
use std::collections::BTreeMap;

/// This CPU with vectors of so many lanes, and with loads of halves where `halves`.
pub fn target(lanes: usize, halves: bool) -> &'static Target {
    let host = compile::host().unwrap_or_else(|e| panic!("{e}"));
    let mut rows: Vec<Row> = host.rows.to_vec();
    if halves {
        for op in [Op::LoadF16, Op::SplatF16] {
            rows.push(Row { op, text: "", layouts: None, latency: 8 });
        }
    }
    Box::leak(Box::new(Target { lanes, vectors: 2 * lanes, rows: rows.leak(), ..host.clone() }))
}

/// Every level but the text.
pub fn lowered(op: &kgen_ir::op::Op, choice: &Choice) -> Result<Compiled, Unsupported> {
    let program = kgen_passes::optimise(&kgen_passes::build(op, choice)?, choice)?;
    let (kernels, notes) = kgen_passes::lower_explained(&program, choice)?;
    for k in &kernels {
        machine::verify::verify(k).unwrap_or_else(|e| panic!("{e}\n{k}"));
    }
    let entries = program.kernels.iter().zip(&kernels);
    let entries = entries.map(|(t, k)| compile::entry(t, k, String::new())).collect();
    let manifest = Manifest { kernels: entries, ..Manifest::default() };
    let artifact = Artifact::new(manifest, BTreeMap::new());
    Ok(Compiled { program, kernels, notes, artifact })
}
