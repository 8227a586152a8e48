//! Which dimension of a kept tile lies along the vector lanes: the last one; a last dimension of 1 is in every lane.

use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    tile::{LaneDim, Program, Space, Stage},
};

/// ```text
/// m = reduce_max(s, 1) : f32[4, 1] @register  -->  m = reduce_max(s, 1) : f32[4, 1] @register lanes splat
/// ```
pub fn run(program: &Program, _: &Choice) -> Result<Program, Unsupported> {
    let mut program = program.clone();
    for kernel in &mut program.kernels {
        let ids: Vec<_> = kernel.values.iter().map(|(id, _)| id).collect();
        for id in ids {
            let ty = &mut kernel.values[id].ty;
            ty.lanes = match (ty.space, ty.shape.last()) {
                (Some(Space::Inline), _) | (None, _) => None,
                (_, None | Some(1)) => Some(LaneDim::Splat),
                (_, Some(_)) => Some(LaneDim::Dim(ty.shape.len() - 1)),
            };
        }
        kernel.stage = Stage::LaidOut;
    }
    Ok(program)
}
