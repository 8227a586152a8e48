//! Holds the sectors that the simulator counts to those that the compiler foresees.
//!
//! ```text
//! line 57: `ld.global.f32 %f0, [%q31];` touches 4 to 5 sectors by lanes ffffffff, foreseen are 4 to 4
//! ```

use crate::compile::Compiled;
use kgen_codegen::ptx::sectors::{Access, Accesses};
use kgen_ir::target::Target;
use kgen_runtime::driver::sim::{Cost, Ran, Sim, streams};
use kgen_sim::ptx::Line;
use std::collections::{BTreeMap, BTreeSet};

/// What accesses of a kernel cost, and what was foreseen of their sectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub cost: Cost,
    /// Of [`Cost::others`] whose lanes the kernel tells: sectors touched, the least and the most foreseen.
    pub predicted: [u64; 3],
    /// Sectors of the rest, whose lanes data tell.
    pub by_data: u64,
    /// Lines, also of streams, that touched what was not foreseen.
    pub outside: BTreeSet<String>,
}

impl Counted {
    pub fn join(&mut self, other: &Counted) {
        self.cost.join(&other.cost);
        self.predicted.iter_mut().zip(other.predicted).for_each(|(own, more)| *own += more);
        self.by_data += other.by_data;
        self.outside.extend(other.outside.iter().cloned());
    }

    /// The line of that number, for which no access, one of unknown lanes, or one of known lanes was emitted.
    fn add(&mut self, number: u32, line: &Line, foreseen: Option<Option<&Access>>) {
        let others = !streams(&line.instruction);
        let access = match foreseen {
            Some(Some(access)) => access,
            Some(None) => {
                self.by_data += if others { line.sectors } else { 0 };
                return;
            }
            None => return self.tell(number, line, "is no access of the kernel"),
        };
        for (lanes, touched) in &line.touched {
            let Some((least, most)) = access.sectors(*lanes) else {
                self.tell(number, line, &format!("is not for lanes {lanes:08x}"));
                continue;
            };
            if others {
                let n = touched.executed;
                let all = [touched.sectors, n * least, n * most];
                self.predicted.iter_mut().zip(all).for_each(|(own, more)| *own += more);
            }
            if touched.least < least || touched.most > most {
                let told = format!(
                    "touches {} to {} sectors by lanes {lanes:08x}, foreseen are {least} to {most}",
                    touched.least, touched.most
                );
                self.tell(number, line, &told);
            }
        }
    }

    fn tell(&mut self, number: u32, line: &Line, what: &str) {
        self.outside.insert(format!("line {number}: `{}` {what}", line.instruction));
    }
}

/// What a run of a compiled op cost, by kernel.
pub fn counted(made: &Compiled, target: &'static Target, sim: &Sim) -> BTreeMap<String, Counted> {
    let of = |cost: &Cost| Counted { cost: *cost, ..Counted::default() };
    let mut out: BTreeMap<String, Counted> =
        sim.costs.iter().map(|(kernel, cost)| (kernel.clone(), of(cost))).collect();
    for kernel in &made.kernels {
        let Some(counted) = out.get_mut(&kernel.name) else { continue };
        let mut accesses = match Accesses::of(kernel, target) {
            Ok(accesses) => accesses,
            Err(e) => {
                counted.outside.insert(e.to_string());
                continue;
            }
        };
        for Ran { args, lines, .. } in sim.ran.iter().filter(|ran| ran.entry == kernel.name) {
            let foreseen = accesses.at(args);
            for (number, line) in lines.iter().filter(|(_, line)| line.sectors > 0) {
                counted.add(*number, line, foreseen.get(number).map(Option::as_ref));
            }
        }
    }
    out
}
