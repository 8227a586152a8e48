//! NVIDIA GPUs by way of PTX: so far which lane and register of a matrix instruction holds which element.

pub mod fragments;
