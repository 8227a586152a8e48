//! From op to machine, for any target: build (op -> tile), tile passes, lower (tile -> machine), machine passes.
//!
//! A target arrives as a value; nothing here names one.

pub mod build;
pub mod lower;
pub mod machine;
pub mod schedule;
pub mod tile;

#[cfg(test)]
mod testing;

use kgen_ir::{diag::Unsupported, op::Op, target::Target, tile::Program};
pub use schedule::Schedule;

/// All that a pass may know besides its input.
#[derive(Clone, Debug)]
pub struct Choice {
    pub target: &'static Target,
    pub schedule: Schedule,
}

impl Choice {
    pub(crate) fn unsupported(
        &self,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Unsupported {
        Unsupported { what: what.into(), target: self.target.name.into(), instead: instead.into() }
    }
}

/// Op to tile program.
pub fn build(op: &Op, choice: &Choice) -> Result<Program, Unsupported> {
    let program = build::build(op, choice)?;
    let largest = program
        .kernels
        .iter()
        .flat_map(|k| k.values.iter())
        .map(|(_, v)| v.ty.shape.iter().fold(1usize, |size, x| size.saturating_mul(*x)));
    match largest.max() {
        Some(size) if size > kgen_ir::tile::verify::MAX_TILE => {
            Err(choice.unsupported(format!("a tile of {size} elements"), "smaller dimensions"))
        }
        Some(_) | None => Ok(program),
    }
}

/// All tile passes, in their order.
pub fn optimise(mut program: Program, choice: &Choice) -> Result<Program, Unsupported> {
    for pass in tile::PIPELINE {
        program = (pass.run)(program, choice)?;
    }
    Ok(program)
}

/// Every kernel of a program to machine code of the target's lanes.
pub fn lower(
    program: &Program,
    choice: &Choice,
) -> Result<Vec<kgen_ir::machine::Kernel>, Unsupported> {
    Ok(lower_explained(program, choice)?.0)
}

/// The same, with the choices that the engine of products made: `s0: lanes along k, since ...`.
pub fn lower_explained(
    program: &Program,
    choice: &Choice,
) -> Result<(Vec<kgen_ir::machine::Kernel>, Vec<String>), Unsupported> {
    let (mut kernels, mut notes) = (Vec::new(), Vec::new());
    for kernel in &program.kernels {
        let (lowered, said) = lower_kernel(program, kernel, choice)?;
        kernels.push(lowered);
        notes.extend(said);
    }
    Ok((kernels, notes))
}

/// Instructions that it would take to bring as many vectors as lanes from rows, as files hold them, to where byte dots
/// want them: what packing a weight once saves each time. `None` where lanes are no power of two.
pub fn unpacked_cost(lanes: usize) -> Option<usize> {
    lower::dot::transposing(lanes)
}

/// One kernel of a program, which needs nothing of the others.
pub fn lower_kernel(
    program: &Program,
    kernel: &kgen_ir::tile::Kernel,
    choice: &Choice,
) -> Result<(kgen_ir::machine::Kernel, Vec<String>), Unsupported> {
    let (mut lowered, said) = lower::lower(program, kernel, choice)?;
    for pass in machine::PIPELINE {
        lowered = (pass.run)(lowered, choice.target)?;
    }
    Ok((lowered, said.into_iter().map(|note| format!("{}.{note}", kernel.name)).collect()))
}
