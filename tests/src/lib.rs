//! What several tests share; the tests stand in `tests/tests/`.

pub mod machine_run;
pub mod mutate;
pub mod wide;
