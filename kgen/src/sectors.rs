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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compile,
        device::Simulated,
        verify::{Options, examples},
    };
    use kgen_ir::{artifact::Artifact, op::read::read};

    /// What examples of an op cost where somebody has changed the text of its kernels.
    fn costs(text: &str, chip: &str, edit: fn(&str) -> String) -> Counted {
        let op = read("op.toml", text).unwrap_or_else(|_| panic!("{text}"));
        let device = Simulated::open(chip).unwrap();
        let mut all = Counted::default();
        for example in examples(&op, &Options { cases: 3, seed: 1 }) {
            let mut made = compile::compile(&example.op, device.target, &device.schedule).unwrap();
            let files = made.artifact.files.into_iter();
            let edited = |(name, text): (String, String)| {
                let text = if name.ends_with(".ptx") { edit(&text) } else { text };
                (name, text)
            };
            made.artifact = Artifact::new(made.artifact.manifest, files.map(edited).collect());
            let mut sim = Sim::default();
            // What lies elsewhere may be wrong, too.
            let _ = Simulated::run_on(&mut sim, &made.artifact, &example.dims, &example.inputs);
            counted(&made, device.target, &sim).values().for_each(|kernel| all.join(kernel));
        }
        all
    }

    const NORM: &str = include_str!("../../ops/rmsnorm.toml");
    const PRODUCT: &str = include_str!("../../ops/w4a16_gemm.toml");

    #[test]
    fn sectors_are_those_foreseen() {
        for (text, chip) in [(NORM, "sim:sm80"), (PRODUCT, "sim:sm70"), (PRODUCT, "sim:sm90")] {
            let found = costs(text, chip, str::to_owned);
            let [touched, least, most] = found.predicted;
            assert!(0 < least && least <= touched && touched <= most, "{:?}", found.predicted);
            assert_eq!(touched + found.by_data, found.cost.others[0]);
            assert!(found.outside.is_empty(), "{:?}", found.outside);
        }
    }

    #[test]
    fn other_sectors_than_foreseen_are_found() {
        // 17 lanes 8 bytes apart that read 4 each.
        let apart = |text: &str| text.replace(", %q0, 2;", ", %q0, 3;");
        let found = costs(NORM, "sim:sm80", apart).outside;
        let told = "touches 5 to 5 sectors by lanes 0001ffff, foreseen are 3 to 3";
        assert!(found.iter().any(|f| f.contains(told)), "{found:?}");
        // Two bytes apart: fewer.
        let near = |text: &str| text.replace(", %q0, 2;", ", %q0, 1;");
        let found = costs(NORM, "sim:sm80", near).outside;
        let told = "touches 2 to 2 sectors by lanes 0001ffff, foreseen are 3 to 3";
        assert!(found.iter().any(|f| f.contains(told)), "{found:?}");
        // Lanes that should be kept off, as numbers of other lanes.
        let half = |text: &str| text.replace("and.b32 %r1, %r0, 31;", "and.b32 %r1, %r0, 15;");
        let found = costs(NORM, "sim:sm80", half).outside;
        assert!(found.iter().any(|f| f.contains("is not for lanes ffffffff")), "{found:?}");
        // Other lines.
        let found = costs(NORM, "sim:sm80", |text| format!("//\n{text}")).outside;
        assert!(found.iter().any(|f| f.contains("is no access of the kernel")), "{found:?}");
    }
}
