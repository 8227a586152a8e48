//! Machine passes: each a function from kernel to kernel, in one file.

mod check;
mod expand;
mod induct;
mod order;
mod scale;
mod share;
mod sink;
mod spread;

pub use check::check;
pub use expand::expand;
pub use induct::induct;
pub use order::order;
pub use scale::scale;
pub use share::share;
pub use sink::sink;
pub use spread::spread;

use kgen_ir::{diag::Unsupported, machine::Kernel, target::Target};

pub struct Pass {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(Kernel, &Target) -> Result<Kernel, Unsupported>,
}

/// In this order, for these reasons.
#[rustfmt::skip] // one pass a line
pub const PIPELINE: &[Pass] = &[
    Pass { name: "expand", about: "ops without a row become sequences of ops that have one", run: expand },
    Pass { name: "scale",  about: "what scales lookups alike scales their table",            run: scale }, // before share: lookups of one scale share the table
    Pass { name: "share",  about: "what is computed twice is computed once, outside loops",  run: share }, // after expand: sequences share their steps
    Pass { name: "induct", about: "multiples of the variable of an innermost loop are summed up", run: induct }, // after share: what does not change is outside
    Pass { name: "sink",   about: "addresses that do not all fit are added up where needed", run: sink }, // after share and induct: they took them out
    Pass { name: "order",  about: "where too many registers live at once, another order",    run: order }, // it counts what is left
    Pass { name: "spread", about: "hints in a row are spread over what is behind them",      run: spread }, // last: in the order that runs
];

/// On request, behind all others: they would take what it checks for something to simplify.
pub const CHECK: Pass = Pass {
    name: "check",
    about: "an access outside of what was given is told, and not done",
    run: check,
};
