//! What cannot be emitted is refused, and wrong kernels are values.

use super::{full, lower};
use kgen_codegen::cpu::{native::emit, targets::NATIVE};
use kgen_ir::{
    machine::{verify::verify, *},
    target::Target,
};
use kgen_tests::machine_programs::*;

#[test]
fn what_cannot_be_emitted_is_refused_with_a_way_out() {
    let target = &NATIVE[0];
    let told = |k: &Kernel| emit(k, target).expect_err("refused").to_string();
    let parsed = |text: &str| parse::parse(text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
    for (text, error) in [
        ("machine t lanes 8 { }", "cannot do 8 lanes; instead: lower for 16 lanes"),
        (
            "machine t.u lanes 16 { }",
            "cannot do the kernel name `t.u`; instead: use letters, digits and `_`",
        ),
        (
            "machine t lanes 16 { slot 0 = pointer x x = arg 0 : i a = load.w32 [x + 0] : f b = tanh a : f }",
            "cannot do `tanh`; instead: expand it into ops of the target, or choose another schedule",
        ),
        ("machine t lanes 16 { a = wconst 1 : w b = wadd a, a : w }", ""),
    ] {
        let k = parsed(text);
        if error.is_empty() {
            emit(&k, target).unwrap_or_else(|e| panic!("{e}"));
        } else {
            assert!(told(&k).ends_with(error), "{}", told(&k));
        }
    }
    let clif = kgen_codegen::cpu::targets::TARGETS.first().expect("a target of CLIF");
    let e = emit(&parsed("machine t lanes 4 { }"), clif).expect_err("refused").to_string();
    assert!(e.ends_with("cannot do native code; instead: use the emitter of its backend"), "{e}");
}

/// Kernels that the verifier refuses are values here, too.
#[test]
fn wrong_kernels_never_panic() {
    let target = &NATIVE[0];
    let head = "machine t lanes 16 { slot 0 = pointer x x = arg 0 : i";
    for body in [
        "a = fadd x, x : f",
        "a = fconst 0 : w",
        "a = fconst x : f",
        "a = fneg 1 : f",
        "a = arg 1 : i",
        "a = fconst 0 : f b = load.w32 [a + 0] : f",
        "a = load.u8 [x + 0] : f",
        "a = load.w64 [x + 0] : w",
        "a = wconst 0 : w b = shl a, 32 : w",
        "a = loadpart.w32 [x + 0], 17 : w",
        "a = loadpart.u8 [x + 0], 3 : f",
        "a = iota : w storepart.w32 [x + 0], a, -1",
        "a = iota : w b = affine a, a, 256 : w",
        "a = gather.w32 [x + 0], x : w",
        "a = wconst 4294967296 : w",
        "a = idiv x, 0 : i",
        "a = iota : w b = shuffle[0,1,2,8] a, a : w",
        "loop t in 0..4 step 0 { }",
        "loop t in 0..4 step 1 { a = iota : w } loop u in 0..t step 1 { }",
        "if 0 < 1 { a = iota : w } store.w32 [x + 0], a",
        "a = loop t in 0..4 step 1 carry p = x { b = iota : w } yield b",
        "a = if 0 < 1 { b = iota : w } yield b else { } yield x",
    ] {
        let text = format!("{head} {body} }}");
        let k = parse::parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        assert!(verify(&k).is_err(), "{text}");
        let e = emit(&k, target).expect_err(&text).to_string();
        assert!(e.contains("cannot do") && e.contains("; instead: "), "{text}: {e}");
    }
    // What no text says: random programs with registers, operands and statements changed.
    let mut noise = Noise(77);
    let mut refused = 0;
    for seed in 0..if full() { 20_000 } else { 400 } {
        let mut k = kernel(&program(seed, 16, 0));
        for _ in 0..3 {
            damage(&mut k, &mut noise);
        }
        let verified = verify(&k).is_ok();
        let done = emit(&lower_or(&k, target), target);
        assert!(done.is_ok() || !verified, "{done:?}\n{k}");
        refused += usize::from(done.is_err());
    }
    assert!(refused > 100, "{refused}");
}

/// Expanded if it can be.
fn lower_or(kernel: &Kernel, target: &Target) -> Kernel {
    if verify(kernel).is_ok() { lower(kernel, target) } else { kernel.clone() }
}

fn damage(k: &mut Kernel, noise: &mut Noise) {
    fn each<'a>(list: &'a mut Vec<Stmt>, out: &mut Vec<&'a mut Inst>) {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => out.push(inst),
                Stmt::Loop(l) => each(&mut l.body, out),
                Stmt::If(i) => {
                    each(&mut i.then, out);
                    each(&mut i.otherwise, out);
                }
            }
        }
    }
    let regs = k.regs.len();
    let mut list = Vec::new();
    each(&mut k.body, &mut list);
    let n = noise.below(list.len());
    let other = noise.below(list.len());
    let op = list[other].op.clone();
    let (inst, reg) = (&mut list[n], Reg::new(noise.below(regs + 2)));
    match noise.below(7) {
        0 => inst.def = Some(reg),
        1 => inst.def = None,
        2 => inst.uses.push(Operand::Reg(reg)),
        3 => inst.uses.iter_mut().for_each(|u| *u = Operand::Reg(reg)),
        4 => inst.uses.iter_mut().for_each(|u| *u = Operand::Imm(-3)),
        5 => inst.mem = Some(Mem { base: reg, offset: i32::MIN }),
        _ => inst.op = op,
    }
}
