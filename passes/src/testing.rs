//! What the tests of passes share.

use kgen_ir::target::Target;

/// A CPU without instructions of its own: four lanes, sixteen vectors.
pub static TARGET: Target = Target {
    name: "test",
    backend: "none",
    lanes: 4,
    vectors: 16,
    reorders: false,
    rows: &[],
    features: &[],
    about: "",
};
