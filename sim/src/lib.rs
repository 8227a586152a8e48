//! Simulators that run emitted text and sanitise it: they know the language of the text, not who wrote it.

pub mod ptx;
