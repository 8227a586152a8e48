//! What several tests share; the tests stand in `tests/tests/`.

pub mod mutate;
