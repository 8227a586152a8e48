//! In innermost loops, a multiple of the loop's variable becomes a sum that grows by a step a turn.
//!
//! ```text
//! loop u in 0..n step 1 {            p0 = const 0 : i
//!   p = imul u, s : i                q = loop u in 0..n step 1 carry p = p0 {
//!   ..                         ->      ..
//! }                                    p1 = iadd p, s : i
//!                                    } yield p1
//! ```
//!
//! A product of two registers overwrites one of them, so the variable would be copied in every turn.

use kgen_ir::{diag::Unsupported, machine::*, target::Target};

pub fn induct(kernel: Kernel, _target: &Target) -> Result<Kernel, Unsupported> {
    let mut out = kernel;
    let body = std::mem::take(&mut out.body);
    out.body = block(&mut out, body);
    Ok(out)
}

fn block(k: &mut Kernel, list: Vec<Stmt>) -> Vec<Stmt> {
    let mut out = Vec::with_capacity(list.len());
    for stmt in list {
        match stmt {
            Stmt::Inst(inst) => out.push(Stmt::Inst(inst)),
            Stmt::Loop(l) if innermost(&l.body) => inner(k, *l, &mut out),
            Stmt::Loop(mut l) => {
                l.body = block(k, l.body);
                out.push(Stmt::Loop(l));
            }
            Stmt::If(mut i) => {
                i.then = block(k, i.then);
                i.otherwise = block(k, i.otherwise);
                out.push(Stmt::If(i));
            }
        }
    }
    out
}

fn innermost(body: &[Stmt]) -> bool {
    body.iter().all(|s| match s {
        Stmt::Inst(_) => true,
        Stmt::Loop(_) => false,
        Stmt::If(i) => innermost(&i.then) && innermost(&i.otherwise),
    })
}

/// Registers that the body defines.
fn defined(body: &[Stmt], out: &mut Vec<Reg>) {
    for stmt in body {
        match stmt {
            Stmt::Inst(inst) => out.extend(inst.def),
            Stmt::Loop(l) => {
                out.push(l.var);
                out.extend(l.carried.iter().flat_map(|c| [c.param, c.result]));
                defined(&l.body, out);
            }
            Stmt::If(i) => {
                out.extend(i.yields.iter().map(|y| y.0));
                defined(&i.then, out);
                defined(&i.otherwise, out);
            }
        }
    }
}

fn inner(k: &mut Kernel, mut l: Loop, out: &mut Vec<Stmt>) {
    if !l.body.iter().any(|stmt| multiplies(stmt, l.var)) {
        return out.push(Stmt::Loop(Box::new(l)));
    }
    let mut own = vec![l.var];
    own.extend(l.carried.iter().map(|c| c.param));
    defined(&l.body, &mut own);
    let Operand::Imm(step) = l.step else { return out.push(Stmt::Loop(Box::new(l))) };
    let fresh = |k: &mut Kernel| {
        let name = Name::Number('n', k.regs.len() as u32);
        k.regs.add(RegData { name, class: Class::Int, words: 1 })
    };
    let int = |op, def, uses: [Operand; 2]| {
        Stmt::Inst(Inst { op: Op::Int(op), def: Some(def), uses: uses.into(), mem: None })
    };
    let mut ends = Vec::new();
    let mut kept = Vec::with_capacity(l.body.len());
    for stmt in std::mem::take(&mut l.body) {
        let found = match &stmt {
            Stmt::Inst(Inst { op: Op::Int(IntOp::Mul), def: Some(def), uses, .. }) => {
                multiple(uses, l.var, &own).map(|by| (*def, by))
            }
            Stmt::Inst(_) | Stmt::Loop(_) | Stmt::If(_) => None,
        };
        let Some((param, by)) = found else {
            kept.push(stmt);
            continue;
        };
        let (init, next, result) = (fresh(k), fresh(k), fresh(k));
        let more = match step {
            1 => by,
            _ => {
                let more = fresh(k);
                out.push(int(IntOp::Mul, more, [Operand::Reg(by), Operand::Imm(step)]));
                more
            }
        };
        out.push(match l.lo {
            Operand::Imm(0) => {
                let uses = [Operand::Imm(0)].into();
                Stmt::Inst(Inst { op: Op::Const, def: Some(init), uses, mem: None })
            }
            lo @ (Operand::Reg(_) | Operand::Imm(_)) => {
                int(IntOp::Mul, init, [Operand::Reg(by), lo])
            }
        });
        ends.push(int(IntOp::Add, next, [Operand::Reg(param), Operand::Reg(more)]));
        l.carried.push(Carried { result, param, init, yielded: next });
    }
    kept.extend(ends);
    l.body = kept;
    out.push(Stmt::Loop(Box::new(l)));
}

fn multiplies(stmt: &Stmt, var: Reg) -> bool {
    match stmt {
        Stmt::Inst(Inst { op: Op::Int(IntOp::Mul), uses, .. }) => uses.contains(&Operand::Reg(var)),
        Stmt::Inst(_) | Stmt::Loop(_) | Stmt::If(_) => false,
    }
}

/// What of the two does not change in the loop, if the other is its variable.
fn multiple(uses: &[Operand], var: Reg, own: &[Reg]) -> Option<Reg> {
    match uses {
        [Operand::Reg(a), Operand::Reg(b)] if *a == var && !own.contains(b) => Some(*b),
        [Operand::Reg(a), Operand::Reg(b)] if *b == var && !own.contains(a) => Some(*a),
        [..] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::machine::{parse::parse, verify::verify};

    const TARGET: Target = Target {
        name: "test",
        backend: "none",
        lanes: 4,
        vectors: 16,
        reorders: false,
        rows: &[],
        features: &[],
        about: "",
    };

    fn done(text: &str) -> String {
        let k = induct(parse(text).unwrap(), &TARGET).unwrap();
        verify(&k).unwrap();
        k.to_string()
    }

    #[test]
    fn multiples_become_sums() {
        let text = |lo: &str, step: &str| {
            format!(
                "machine m lanes 4 {{ slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i
                 loop u in {lo}..9 step {step} {{ o = imul u, s : i q = iadd p, o : i
                 prefetch.1 [q + 0] }} }}"
            )
        };
        let one = done(&text("0", "1"));
        assert!(!one.contains("imul") && one.contains("carry o = n5"), "{one}");
        assert!(one.contains("n6 = iadd o, s"), "{one}");
        let some = done(&text("3", "2"));
        assert!(some.contains("n8 = imul s, 2") && some.contains("n5 = imul s, 3"), "{some}");
        assert!(some.contains("n6 = iadd o, n8"), "{some}");
    }

    #[test]
    fn what_changes_or_is_not_innermost_stays() {
        for body in [
            "t = iadd u, 1 : i o = imul u, t : i q = iadd p, o : i prefetch.1 [q + 0]",
            "o = imul u, 8 : i q = iadd p, o : i prefetch.1 [q + 0]",
            "o = imul u, s : i q = iadd p, o : i loop v in 0..2 step 1 { prefetch.1 [q + 0] }",
        ] {
            let text = done(&format!(
                "machine m lanes 4 {{ slot 0 = pointer p slot 1 = extent s p = arg 0 : i s = arg 1 : i
                 loop u in 0..9 step 1 {{ {body} }} }}"
            ));
            assert!(text.contains("o = imul") && !text.contains("carry"), "{text}");
        }
    }
}
