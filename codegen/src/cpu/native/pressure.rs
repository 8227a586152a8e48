//! Which values stand on the stack while loops run that do not read them.
//!
//! The allocator does not split a value's life around a loop: where too many live at once, it may spill an
//! accumulator inside the hot loop, and keep in a register what only passes by. So what passes by is put on the
//! stack where it is made, and taken back where it is read.
//!
//! ```text
//! v = ..                                  v = ..; park 0 v
//! loop { 30 others }                      loop { 30 others }
//! store v                                 w = unpark 0; store w
//! ```

use super::{
    isa::Isa,
    mir::{GPR, Live, VECTOR},
    scan::Scan,
    select::Parks,
};
use kgen_ir::machine::{Class, Kernel, Reg};

/// Registers left free in a loop. With all of them full a cycle of moves has no room, and about every third random
/// program spills; with two free every twentieth.
const SPARE: usize = 2;

/// General registers, without the stack's two and what moves and bounds of loops want in passing.
const GENERAL: usize = 12;

/// Whether there are more general registers at once than the CPU has.
pub fn crowded(live: &Live) -> bool {
    live.whole[GPR as usize] > GENERAL
}

pub fn parks(kernel: &Kernel, isa: &Isa, scan: &Scan, live: &Live) -> Parks {
    let mut out = Parks::new();
    let mut parked = vec![false; kernel.regs.len()];
    for (class, most) in [(VECTOR, isa.vectors - SPARE), (GPR, GENERAL)] {
        if live.whole[class as usize] <= most {
            continue;
        }
        let mut live: Vec<usize> = live.loops.iter().map(|l| l[class as usize]).collect();
        let of_class = |reg: &Reg| match kernel.regs.get(*reg).map(|d| d.class) {
            Some(Class::Float | Class::Word) => class == VECTOR,
            Some(Class::Mask) => class == VECTOR && !isa.k,
            Some(Class::Int) => class == GPR,
            None => false,
        };
        let all: Vec<Reg> = kernel
            .regs
            .iter()
            .map(|(reg, _)| reg)
            .filter(|r| of_class(r) && scan.parkable(*r))
            .collect();
        // Loops inside others come later in the text.
        for l in (0..live.len()).rev() {
            let Some(mut excess) = live[l].checked_sub(most).filter(|e| *e > 0) else { continue };
            // Those that pass by the most loops around this one are taken back the least often.
            let mut passing: Vec<(usize, usize, Reg)> = all
                .iter()
                .filter(|r| !parked[r.index()] && scan.lives_through(**r, l))
                .map(|r| {
                    let (mut outermost, mut depth) = (l, 0);
                    while let Some(parent) = scan.loops[outermost].parent
                        && scan.lives_through(*r, parent)
                    {
                        outermost = parent;
                        depth += 1;
                    }
                    (depth, outermost, *r)
                })
                .collect();
            passing.sort_by_key(|(depth, _, _)| std::cmp::Reverse(*depth));
            for (_, outermost, reg) in passing {
                if excess == 0 {
                    break;
                }
                excess -= 1;
                out.push((reg, outermost));
                parked[reg.index()] = true;
                for (n, live) in live.iter_mut().enumerate() {
                    if scan.within(n, outermost) {
                        *live = live.saturating_sub(1);
                    }
                }
            }
        }
    }
    out
}
