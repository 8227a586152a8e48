//! Which dimension of a kept tile lies along the vector lanes: the last one; a last dimension of 1 is in every lane.
//! Tiles around a product of matrices lie as its instruction says ([`fragments`]).

use super::fragments::fragments;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    tile::{LaneDim, Program, Space, Stage},
};

/// ```text
/// m = reduce_max(s, 1) : f32[4, 1] @register  -->  m = reduce_max(s, 1) : f32[4, 1] @register lanes splat
/// ```
pub fn run(mut program: Program, choice: &Choice) -> Result<Program, Unsupported> {
    for kernel in &mut program.kernels {
        let fragments = fragments(kernel, choice.target);
        let ids: Vec<_> = kernel.values.iter().map(|(id, _)| id).collect();
        for id in ids {
            let ty = &mut kernel.values[id].ty;
            ty.lanes = match (ty.space, ty.shape.last()) {
                (Some(Space::Inline), _) | (None, _) => None,
                _ if let Some(bits) = fragments.get(&id) => Some(LaneDim::Bits(*bits)),
                (_, None | Some(1)) => Some(LaneDim::Splat),
                (_, Some(_)) => Some(LaneDim::Dim(ty.shape.len() - 1)),
            };
        }
        kernel.stage = Stage::LaidOut;
    }
    Ok(program)
}
