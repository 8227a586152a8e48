//! From op to machine, for any target: build (op -> tile), tile passes, lower (tile -> machine), machine passes.
//!
//! A target arrives as a value; nothing here names one.

pub mod build;
pub mod lower;
pub mod machine;
pub mod schedule;
pub mod tile;

use kgen_ir::{diag::Unsupported, op::Op, target::Target, tile::Program};
pub use schedule::Schedule;

/// All that a pass may know besides its input.
#[derive(Clone, Debug)]
pub struct Choice {
    pub target: &'static Target,
    pub schedule: Schedule,
}

impl Choice {
    pub(crate) fn unsupported(&self, what: impl Into<String>, instead: impl Into<String>) -> Unsupported {
        Unsupported { what: what.into(), target: self.target.name.into(), instead: instead.into() }
    }
}

/// Op to tile program.
pub fn build(op: &Op, choice: &Choice) -> Result<Program, Unsupported> {
    build::build(op, choice)
}

/// All tile passes, in their order.
pub fn optimise(program: &Program, choice: &Choice) -> Result<Program, Unsupported> {
    let mut program = program.clone();
    for pass in tile::PIPELINE {
        program = (pass.run)(&program, choice)?;
    }
    Ok(program)
}

/// Every kernel of a program to machine code of the target's lanes.
pub fn lower(program: &Program, choice: &Choice) -> Result<Vec<kgen_ir::machine::Kernel>, Unsupported> {
    let one = |kernel| {
        let kernel = lower::lower(program, kernel, choice)?;
        let kernel = machine::expand(&kernel, choice.target)?;
        machine::share(&kernel, choice.target)
    };
    program.kernels.iter().map(one).collect()
}
