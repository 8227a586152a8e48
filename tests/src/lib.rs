//! What several tests share; the tests stand in `tests/tests/`.

pub mod amx;
pub mod corpus;
pub mod draw;
pub mod listings;
pub mod machine_programs;
pub mod machine_run;
pub mod models;
pub mod mutate;
pub mod planted;
pub mod ptx_mutants;
pub mod reference_kernels;
pub mod triton;
