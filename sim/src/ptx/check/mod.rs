//! What a correct kernel never does: findings, races, and what its accesses cost.

pub mod banks;
pub mod global;
pub mod race;
pub mod report;
