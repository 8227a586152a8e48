//! What scales all lanes of a lookup alike scales its table, which serves all lookups of one scale.
//!
//! ```text
//! a = lookup t, i : f                 u = fmul t, s : f
//! s = splat.w32 [p + 0] : f           b = lookup u, i : f
//! b = fmul a, s : f             ->
//! c = lookup t, j : f                 d = lookup u, j : f
//! d = fmul c, s : f
//! ```
//!
//! Each lane has the same product as before, rounded once.

use kgen_ir::{
    arena::{Arena, Map},
    diag::Unsupported,
    machine::*,
    target::Target,
};

pub fn scale(mut kernel: Kernel, _: &Target) -> Result<Kernel, Unsupported> {
    let body = std::mem::take(&mut kernel.body);
    let regs = std::mem::take(&mut kernel.regs);
    let alike = vec![false; regs.len()];
    let mut s = Scaler { regs, lookups: Map::default(), alike };
    kernel.body = s.block(body);
    kernel.regs = s.regs;
    Ok(kernel)
}

struct Scaler {
    regs: Arena<RegData>,
    /// Table and index of what was looked up.
    lookups: Map<Reg, (Operand, Operand)>,
    /// Whether a register of the kernel as it came is the same in all lanes.
    alike: Vec<bool>,
}

impl Scaler {
    fn block(&mut self, list: Vec<Stmt>) -> Vec<Stmt> {
        let mut out = Vec::with_capacity(list.len());
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst, &mut out),
                Stmt::Loop(mut l) => {
                    l.body = self.block(l.body);
                    out.push(Stmt::Loop(l));
                }
                Stmt::If(mut i) => {
                    i.then = self.block(i.then);
                    i.otherwise = self.block(i.otherwise);
                    for y in &i.yields {
                        self.alike[y.0.index()] =
                            self.alike[y.1.index()] && self.alike[y.2.index()];
                    }
                    out.push(Stmt::If(i));
                }
            }
        }
        out
    }

    fn inst(&mut self, mut inst: Inst, out: &mut Vec<Stmt>) {
        let Some(def) = inst.def else {
            out.push(Stmt::Inst(inst));
            return;
        };
        match (&inst.op, &inst.uses[..]) {
            (Op::Splat(_) | Op::SplatF16 | Op::FloatConst, _) => self.alike[def.index()] = true,
            (Op::Lookup, [table, index]) => {
                self.lookups.insert(def, (*table, *index));
            }
            (Op::Float(FloatOp::Mul), [Operand::Reg(a), Operand::Reg(b)]) => {
                let (a, b) = if self.alike[a.index()] { (b, a) } else { (a, b) };
                if let (Some((table, index)), true) = (self.lookups.get(a), self.alike[b.index()]) {
                    let data = &self.regs[def];
                    let name = format!("{}_{}", data.name, self.regs.len());
                    let data = RegData { name: name.as_str().into(), ..data.clone() };
                    let scaled = self.regs.add(data);
                    let by = Operand::Reg(*b);
                    let uses = [*table, by][..].into();
                    out.push(Stmt::Inst(Inst { def: Some(scaled), uses, ..inst }));
                    inst = Inst {
                        op: Op::Lookup,
                        def: Some(def),
                        uses: [Operand::Reg(scaled), *index][..].into(),
                        mem: None,
                    };
                }
            }
            _ => {}
        }
        out.push(Stmt::Inst(inst));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TARGET;
    use kgen_ir::machine::{parse::parse, verify::verify};

    fn scaled(body: &str) -> String {
        let text = format!(
            "machine m lanes 16 {{ slot 0 = pointer x slot 1 = pointer y slot 2 = extent n x = arg 0 : i y = arg 1 : i n = arg 2 : i
             t = load.w32 [y + 0] : f w = load.w32 [y + 64] : w a = lookup t, w : f {body} store.w32 [x + 0], b }}"
        );
        let out = scale(parse(&text).unwrap(), &TARGET).unwrap();
        verify(&out).unwrap();
        out.to_string()
    }

    #[test]
    fn tables_are_scaled_by_what_all_lanes_share() {
        for body in [
            "s = splat.w32 [x + 0] : f b = fmul a, s : f",
            "s = splat.f16 [x + 0] : f b = fmul s, a : f",
            "s = if n > 0 { s1 = splat.w32 [x + 0] : f } yield s1 else { s2 = fconst 0 : f } yield s2 b = fmul a, s : f",
        ] {
            let text = scaled(body);
            assert!(text.contains("= fmul t, s") && text.contains("b = lookup b_"), "{text}");
        }
    }

    #[test]
    fn lanes_of_their_own_scales_are_multiplied() {
        for body in [
            "s = load.w32 [x + 0] : f b = fmul a, s : f",
            "s = if n > 0 { s1 = splat.w32 [x + 0] : f } yield s1 else { } yield t b = fmul a, s : f",
            "s = splat.w32 [x + 0] : f b = fadd a, s : f",
        ] {
            let text = scaled(body);
            assert!(text.contains("a = lookup t, w") && !text.contains("fmul t, s"), "{text}");
            assert!(!text.contains("b = lookup"), "{text}");
        }
    }
}
