//! The target type. Instances live in `codegen/<family>/`; nothing here or in `passes` names one.

use crate::machine::Row;

/// What the compiler may know of a device.
#[derive(Clone, Debug)]
pub struct Target {
    /// As on the command line.
    pub name: &'static str,
    /// The emitter that serves it.
    pub backend: &'static str,
    /// 32-bit lanes of a vector register.
    pub lanes: usize,
    /// Architectural vector registers.
    pub vectors: usize,
    /// Whether what takes its text chooses registers and the order of instructions itself.
    pub reorders: bool,
    /// Instructions it has. What is not here must be expanded before emission.
    pub rows: &'static [Row],
    /// CPU features the code needs, as the detector of the standard library spells them.
    pub features: &'static [&'static str],
    /// One sentence for `kgen targets`.
    pub about: &'static str,
}

impl Target {
    /// The row that does `op`, if the target has it.
    pub fn row(&self, op: &crate::machine::Op) -> Option<&'static Row> {
        self.rows.iter().find(|r| r.op == *op)
    }
}
