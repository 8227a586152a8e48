//! Reorders straight lines of instructions where more vectors live at once than the target has registers.
//!
//! ```text
//! a = load.w32 [p + 0] : f           a = load.w32 [p + 0] : f
//! b = load.w32 [p + 16] : f    ->    s = fadd acc, a : f
//! s = fadd acc, a : f                b = load.w32 [p + 16] : f
//! t = fadd s, b : f                  t = fadd s, b : f
//! ```
//!
//! List scheduling: of the instructions whose operands are there, the one on the longest path of latencies goes
//! next; once the registers are full, the one that frees most. A line that fits keeps its order, which the lowering
//! chose; and a new order that is no better is thrown away.

use kgen_ir::{diag::Unsupported, machine::*, target::Target};
use std::collections::BTreeSet;

/// Instructions of longer lines stay as they are: the work grows with the square.
const LONGEST: usize = 2000;

/// Registers left for what an emitter needs besides: copies of operands that it overwrites.
const SPARE: usize = 2;

pub fn order(kernel: &Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    let o = Orderer { kernel, target };
    let body = o.block(&kernel.body, &BTreeSet::new());
    Ok(Kernel { body, ..kernel.clone() })
}

struct Orderer<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
}

impl Orderer<'_> {
    /// `after`: registers that are read behind this block.
    fn block(&self, list: &[Stmt], after: &BTreeSet<Reg>) -> Vec<Stmt> {
        // What each statement's successors read.
        let mut later: Vec<BTreeSet<Reg>> = vec![after.clone()];
        for stmt in list.iter().rev() {
            let mut all = later.last().cloned().unwrap_or_default();
            uses(stmt, &mut all);
            later.push(all);
        }
        later.reverse();
        let mut out = Vec::with_capacity(list.len());
        let mut at = 0;
        while at < list.len() {
            let line: Vec<&Inst> = list[at..]
                .iter()
                .map_while(|s| match s {
                    Stmt::Inst(i) => Some(i),
                    Stmt::Loop(_) | Stmt::If(_) => None,
                })
                .collect();
            let behind = &later[at + line.len()];
            out.extend(self.line(&line, behind).into_iter().map(Stmt::Inst));
            at += line.len();
            let behind = later.get(at + 1).unwrap_or(after);
            match list.get(at) {
                Some(Stmt::Loop(l)) => {
                    // A turn's end is read by the next turn, and all of the body may be.
                    let mut inside = behind.clone();
                    inside.extend(l.carried.iter().map(|c| c.yielded));
                    l.body.iter().for_each(|s| uses(s, &mut inside));
                    let body = self.block(&l.body, &inside);
                    out.push(Stmt::Loop(Box::new(Loop { body, ..(**l).clone() })));
                }
                Some(Stmt::If(i)) => {
                    let mut inside = behind.clone();
                    inside.extend(i.yields.iter().flat_map(|y| [y.1, y.2]));
                    let then = self.block(&i.then, &inside);
                    let otherwise = self.block(&i.otherwise, &inside);
                    out.push(Stmt::If(Box::new(If { then, otherwise, ..(**i).clone() })));
                }
                Some(Stmt::Inst(_)) | None => {}
            }
            at += 1;
        }
        out
    }

    /// A straight line whose results in `behind` are read afterwards.
    fn line(&self, line: &[&Inst], behind: &BTreeSet<Reg>) -> Vec<Inst> {
        let given: Vec<usize> = (0..line.len()).collect();
        let apply = |order: &[usize]| order.iter().map(|&i| line[i].clone()).collect();
        let peak = self.peak(line, &given, behind);
        if peak + SPARE <= self.target.vectors || line.len() > LONGEST {
            return apply(&given);
        }
        let found = self.schedule(line, behind);
        if self.peak(line, &found, behind) < peak { apply(&found) } else { apply(&given) }
    }

    fn is_vector(&self, reg: Reg) -> bool {
        self.kernel.regs.get(reg).is_some_and(|r| r.class != Class::Int)
    }

    fn read<'b>(&'b self, inst: &'b Inst) -> impl Iterator<Item = Reg> + 'b {
        let regs = inst.uses.iter().filter_map(|o| match o {
            Operand::Reg(r) => Some(*r),
            Operand::Imm(_) => None,
        });
        regs.filter(|r| self.is_vector(*r))
    }

    /// Vectors of and before this line that live at once, at most.
    fn peak(&self, line: &[&Inst], order: &[usize], behind: &BTreeSet<Reg>) -> usize {
        let mut live: BTreeSet<Reg> =
            behind.iter().copied().filter(|r| self.is_vector(*r)).collect();
        let mut peak = live.len();
        for &i in order.iter().rev() {
            if let Some(def) = line[i].def {
                live.remove(&def);
            }
            live.extend(self.read(line[i]));
            peak = peak.max(live.len());
        }
        peak
    }

    fn schedule(&self, line: &[&Inst], behind: &BTreeSet<Reg>) -> Vec<usize> {
        let before = dependences(line);
        let mut waits: Vec<usize> = before.iter().map(Vec::len).collect();
        let mut next: Vec<Vec<usize>> = vec![vec![]; line.len()];
        for (i, list) in before.iter().enumerate() {
            list.iter().for_each(|&b| next[b].push(i));
        }
        // Cycles from the start of each instruction to the end of the line.
        let mut path = vec![0usize; line.len()];
        for i in (0..line.len()).rev() {
            let own = self.target.row(&line[i].op).map_or(1, |r| usize::from(r.latency));
            path[i] = own + next[i].iter().map(|&n| path[n]).max().unwrap_or(0);
        }
        let mut readers = vec![0usize; self.kernel.regs.len()];
        for inst in line {
            self.read(inst).collect::<BTreeSet<_>>().iter().for_each(|r| readers[r.index()] += 1);
        }
        let mut live: BTreeSet<Reg> = line.iter().flat_map(|i| self.read(i)).collect();
        live.extend(behind.iter().copied().filter(|r| self.is_vector(*r)));
        for inst in line {
            inst.def.iter().for_each(|d| {
                live.remove(d);
            });
        }
        let mut ready: BTreeSet<usize> = (0..line.len()).filter(|&i| waits[i] == 0).collect();
        let mut out = Vec::with_capacity(line.len());
        while !ready.is_empty() {
            let full = live.len() + SPARE + 2 > self.target.vectors;
            let gain = |i: usize| {
                let last = |r: &Reg| readers[r.index()] == 1 && !behind.contains(r);
                let freed = self.read(line[i]).collect::<BTreeSet<_>>();
                let freed = freed.iter().filter(|r| last(r)).count() as i64;
                freed - i64::from(line[i].def.is_some_and(|d| self.is_vector(d)))
            };
            // The first of equals: the order that the lowering chose.
            let best = ready.iter().copied().max_by_key(|&i| {
                let first = std::cmp::Reverse(i);
                if full { (gain(i), path[i], first) } else { (0, path[i], first) }
            });
            let Some(i) = best else { break };
            ready.remove(&i);
            out.push(i);
            for r in self.read(line[i]).collect::<BTreeSet<_>>() {
                readers[r.index()] -= 1;
                if readers[r.index()] == 0 && !behind.contains(&r) {
                    live.remove(&r);
                }
            }
            live.extend(line[i].def.filter(|d| self.is_vector(*d)));
            for &n in &next[i] {
                waits[n] -= 1;
                if waits[n] == 0 {
                    ready.insert(n);
                }
            }
        }
        out
    }
}

/// What each instruction must come after: definitions of its operands, and whatever touches memory where one of the
/// two writes.
fn dependences(line: &[&Inst]) -> Vec<Vec<usize>> {
    let mut defined = std::collections::BTreeMap::new();
    let mut written: Option<usize> = None;
    let mut touched: Vec<usize> = vec![];
    let mut out = Vec::with_capacity(line.len());
    for (i, inst) in line.iter().enumerate() {
        let mut list = BTreeSet::new();
        let regs = inst.uses.iter().filter_map(|o| match o {
            Operand::Reg(r) => Some(*r),
            Operand::Imm(_) => None,
        });
        for r in regs.chain(inst.mem.map(|m| m.base)) {
            list.extend(defined.get(&r).copied());
        }
        if inst.mem.is_some() {
            list.extend(written);
            if matches!(inst.op, Op::Store(_) | Op::Write(_) | Op::Next) {
                list.append(&mut touched.drain(..).collect());
                written = Some(i);
            } else {
                touched.push(i);
            }
        }
        if let Some(def) = inst.def {
            defined.insert(def, i);
        }
        out.push(list.into_iter().collect());
    }
    out
}

/// Adds every register that `stmt` reads.
fn uses(stmt: &Stmt, out: &mut BTreeSet<Reg>) {
    let operand = |o: &Operand| match o {
        Operand::Reg(r) => Some(*r),
        Operand::Imm(_) => None,
    };
    match stmt {
        Stmt::Inst(i) => {
            out.extend(i.uses.iter().filter_map(operand));
            out.extend(i.mem.map(|m| m.base));
        }
        Stmt::Loop(l) => {
            out.extend([l.lo, l.hi, l.step].iter().filter_map(operand));
            out.extend(l.carried.iter().flat_map(|c| [c.init, c.yielded]));
            l.body.iter().for_each(|s| uses(s, out));
        }
        Stmt::If(i) => {
            out.extend([i.a, i.b].iter().filter_map(operand));
            out.extend(i.yields.iter().flat_map(|y| [y.1, y.2]));
            i.then.iter().chain(&i.otherwise).for_each(|s| uses(s, out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::machine::{parse::parse, verify::verify};
    use std::fmt::Write;

    fn target(vectors: usize) -> Target {
        Target {
            name: "test",
            backend: "none",
            lanes: 4,
            vectors,
            rows: &[],
            features: &[],
            about: "",
        }
    }

    /// All loads first, then all sums: as many registers as loads.
    fn greedy(count: usize) -> Kernel {
        let mut text = String::from("machine m lanes 4 { slot 0 = pointer p p = arg 0 : i\n");
        for i in 0..count {
            let _ = writeln!(text, "a{i} = load.w32 [p + {}] : f", 16 * i);
        }
        text += "s0 = fconst 0 : f\n";
        for i in 0..count {
            let _ = writeln!(text, "s{} = fadd s{i}, a{i} : f", i + 1);
        }
        let _ = writeln!(text, "store.w32 [p + 0], s{count} }}");
        parse(&text).unwrap()
    }

    fn peak(kernel: &Kernel) -> usize {
        let t = target(4);
        let o = Orderer { kernel, target: &t };
        let line: Vec<&Inst> = kernel
            .body
            .iter()
            .filter_map(|s| match s {
                Stmt::Inst(i) => Some(i),
                Stmt::Loop(_) | Stmt::If(_) => None,
            })
            .collect();
        o.peak(&line, &(0..line.len()).collect::<Vec<_>>(), &BTreeSet::new())
    }

    #[test]
    fn loads_move_to_their_uses() {
        let kernel = greedy(12);
        assert_eq!(peak(&kernel), 13);
        let out = order(&kernel, &target(8)).unwrap();
        verify(&out).unwrap();
        assert!(peak(&out) <= 6, "{out}");
        // What fits stays.
        assert_eq!(order(&kernel, &target(15)).unwrap(), kernel);
    }

    #[test]
    fn stores_keep_their_place_among_loads() {
        let kernel = parse(
            "machine m lanes 4 { slot 0 = pointer p p = arg 0 : i
             a = load.w32 [p + 0] : f b = load.w32 [p + 16] : f c = load.w32 [p + 32] : f
             store.w32 [p + 0], c d = load.w32 [p + 0] : f
             e = fadd a, b : f f = fadd d, e : f store.w32 [p + 16], f }",
        )
        .unwrap();
        let text = order(&kernel, &target(1)).unwrap().to_string();
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("a = load") < at("store.w32 [p + 0]"), "{text}");
        assert!(at("store.w32 [p + 0]") < at("d = load"), "{text}");
    }
}
