//! Home of the tests that need several crates at once; they stand in `tests/tests/`.
