//! The shipped ops by LLVM and by our own emitter of machine code: the same kernels, the same bits.

use super::shipped;
use kgen::{
    Schedule, compile,
    device::Cpu,
    verify::{Options, examples},
};
use kgen_codegen::cpu::targets::NATIVE;
use kgen_runtime::device;

/// Elements of inputs that both get through in a moment.
const CHEAP: usize = 400_000;

#[test]
fn native_code_and_llvms_give_the_same_bits() {
    let able = |t: &&kgen_ir::target::Target| t.features.iter().all(|f| device::has(f));
    // The best of each width.
    let widths = [16, 8].map(|lanes| NATIVE.iter().filter(able).find(|t| t.lanes == lanes));
    let mut ran = 0;
    for native in widths.into_iter().flatten() {
        let other = native.name.replace("/native", "/llvm");
        let other = compile::target(&other).unwrap_or_else(|e| panic!("{e}"));
        if !able(&other) {
            println!("skipped: this CPU cannot run {}", other.name);
            continue;
        }
        let cpu = |name| {
            let cpu = Cpu::open(Some(3)).and_then(|c| c.with_target(Some(name)));
            cpu.unwrap_or_else(|e| panic!("{e}"))
        };
        let engines = [cpu(native.name), cpu(other.name)];
        for op in shipped() {
            let cases = examples(&op, &Options { cases: 4, seed: 5 });
            for case in cases {
                if case.inputs.values().map(|t| t.count()).sum::<usize>() > CHEAP {
                    continue;
                }
                let place =
                    format!("{}, {}, {:?}, {}", native.name, op.name, case.dims, case.family);
                let schedule = Schedule::default_for(native);
                let Ok(compiled) = compile::compile(&case.op, native, &schedule) else { continue };
                let again = compile::compile(&case.op, other, &schedule)
                    .unwrap_or_else(|e| panic!("{place}: {e}"));
                assert!(compiled.kernels == again.kernels, "{place}: other kernels");
                let mut dims = case.dims.clone();
                dims.cores = 3;
                let [one, two] = engines.each_ref().map(|cpu| {
                    let module = cpu.load(&case.op).unwrap_or_else(|e| panic!("{place}: {e}"));
                    cpu.run(&module, &dims, &case.inputs).unwrap_or_else(|e| panic!("{place}: {e}"))
                });
                for (name, a) in &one {
                    let b = &two[name];
                    for i in 0..a.count() {
                        let (x, y) = (a.get(i), b.get(i));
                        // Which operand's NaN comes through is the compiler's choice.
                        let same = x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
                        assert!(same, "{place}: {name}[{i}]: native {x:e}, LLVM {y:e}");
                    }
                }
                ran += 1;
            }
        }
    }
    println!("{ran} cases agree");
}
