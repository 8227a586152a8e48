//! The shipped kernels in few and in many registers, and mistakes that the checker must find.

use super::{Allocation, Edit, Reg, Registers, allocate, check};
use crate::cpu::{
    native::{isa, mir::Mir, scan, select},
    targets::NATIVE,
};
use kgen_ir::{machine::Kernel, op::read::read, target::Target};
use kgen_passes::{Choice, Schedule};
use std::{fs, path::Path};

/// Machine kernels of the shipped op files whose name begins so.
fn shipped(target: &'static Target, begins: &str) -> Vec<(String, Kernel)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut out = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with(begins) {
            continue;
        }
        let op = read(&name, &fs::read_to_string(&file).unwrap()).unwrap();
        let choice = Choice { target, schedule: Schedule::default_for(target) };
        // Some ops have no kernels on some targets.
        let Ok(built) = kgen_passes::build(&op, &choice) else { continue };
        let program = kgen_passes::optimise(built, &choice).unwrap();
        let kernels = kgen_passes::lower(&program, &choice).unwrap();
        out.extend(kernels.into_iter().map(|k| (format!("{name} {}", k.name), k)));
    }
    out
}

fn selected(kernel: &Kernel, target: &Target) -> (Mir, Registers) {
    let isa = isa::of(target).unwrap();
    let templates = isa.templates.as_ref().unwrap();
    let scan = scan::scan(kernel, isa, templates);
    let Ok(mir) = select::select(kernel, isa, templates, &scan) else { panic!("{kernel}") };
    (mir, Registers::of(isa))
}

fn target(name: &str) -> &'static Target {
    NATIVE.iter().find(|t| t.name == name).unwrap()
}

#[test]
fn shipped_kernels_get_what_they_mean() {
    for target in ["x86-64-v3/native", "x86-64-v4-vbmi/native"].map(target) {
        let kernels = shipped(target, "");
        assert!(kernels.len() > 50);
        for (name, kernel) in kernels {
            let (mir, registers) = selected(&kernel, target);
            let allocation = allocate(&mir, registers);
            let checked = check(&mir, registers, &allocation);
            assert_eq!(checked, Ok(()), "{} {name}", target.name);
        }
    }
}

#[test]
fn planted_mistakes_are_found() {
    let (mut planted, mut found) = (0, 0);
    for (target, op) in [("x86-64-v3/native", "w4a8_gemv"), ("x86-64-v4/native", "kv_append")] {
        let target = self::target(target);
        for (name, kernel) in shipped(target, op) {
            let (mir, registers) = selected(&kernel, target);
            let right = allocate(&mir, registers);
            let mut plant = |what: &str, must: bool, mistake: &dyn Fn(&mut Allocation)| {
                let mut wrong = right.clone();
                mistake(&mut wrong);
                planted += 1;
                let seen = check(&mir, registers, &wrong).is_err();
                found += usize::from(seen);
                assert!(seen || !must, "{name}: {what}");
            };
            let other = |r: Reg| match registers.of_bank(r.bank()) & !r.bit() {
                0 => r,
                others => Reg(others.trailing_zeros() as u8),
            };
            for n in (0..right.edits.len()).step_by(7) {
                let (_, edit) = right.edits[n];
                plant("an edit less", false, &|a| {
                    a.edits.remove(n);
                });
                plant("an edit in another register", false, &|a| {
                    a.edits[n].1 = match edit {
                        Edit::Move { from, to } => Edit::Move { from: other(from), to },
                        Edit::Swap(x, y) => Edit::Swap(x, other(y)),
                        Edit::Store { from, slot } => Edit::Store { from: other(from), slot },
                        Edit::Load { slot, to } => Edit::Load { slot, to: other(to) },
                        Edit::Remake { inst, to } => Edit::Remake { inst, to: other(to) },
                    };
                });
                plant("a slot that is not there", true, &|a| {
                    a.edits[n].1 = match edit {
                        Edit::Load { to, .. } => Edit::Load { slot: u32::MAX, to },
                        Edit::Move { to, .. } => Edit::Load { slot: u32::MAX, to },
                        Edit::Swap(_, to) => Edit::Load { slot: u32::MAX, to },
                        Edit::Store { from, .. } => Edit::Store { from, slot: u32::MAX },
                        Edit::Remake { to, .. } => Edit::Remake { inst: u32::MAX, to },
                    };
                });
            }
            for n in (0..right.regs.len()).step_by(11) {
                plant("an operand in another register", false, &|a| {
                    a.regs[n] = other(a.regs[n]);
                });
            }
            plant("rsp", true, &|a| a.regs[0] = Reg(isa::RSP));
            plant("an operand less", true, &|a| {
                a.regs.pop();
            });
            if right.edits.first().map(|e| e.0) < right.edits.last().map(|e| e.0) {
                plant("edits out of order", true, &|a| a.edits.reverse());
            }
        }
    }
    println!("{found} of {planted}");
    // Not to be found: a value that stands in both registers, a result that nobody reads, a store that nobody takes
    // back on the ways there are.
    assert!(planted > 500 && 20 * found > 19 * planted, "{found} of {planted}");
}
