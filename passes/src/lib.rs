//! From op to machine, for any target.

pub mod machine;
