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

pub fn order(kernel: Kernel, target: &Target) -> Result<Kernel, Unsupported> {
    if target.reorders {
        return Ok(kernel);
    }
    let o = Orderer { kernel: &kernel, target };
    let body = o.block(&kernel.body, &Live::new(&kernel));
    Ok(kernel.with(body))
}

/// A set of registers.
#[derive(Clone)]
struct Live {
    is: Vec<bool>,
}

impl Live {
    fn new(kernel: &Kernel) -> Live {
        Live { is: vec![false; kernel.regs.len()] }
    }

    fn add(&mut self, reg: Reg) {
        self.is[reg.index()] = true;
    }

    fn has(&self, reg: Reg) -> bool {
        self.is[reg.index()]
    }
}

struct Orderer<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
}

impl Orderer<'_> {
    /// `after`: registers that are read behind this block.
    fn block(&self, list: &[Stmt], after: &Live) -> Vec<Stmt> {
        // From the end, so that one set tells what is read behind each statement.
        let mut live = after.clone();
        let mut out: Vec<Stmt> = Vec::with_capacity(list.len());
        let mut end = list.len();
        while end > 0 {
            let line: Vec<&Inst> = list[..end]
                .iter()
                .rev()
                .map_while(|s| match s {
                    Stmt::Inst(i) => Some(i),
                    Stmt::Loop(_) | Stmt::If(_) => None,
                })
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            if !line.is_empty() {
                let ordered = self.line(&line, &live);
                out.extend(ordered.into_iter().rev().map(Stmt::Inst));
                list[end - line.len()..end].iter().for_each(|s| uses(s, &mut live));
                end -= line.len();
                continue;
            }
            end -= 1;
            match &list[end] {
                Stmt::Inst(_) => {}
                Stmt::Loop(l) => {
                    // A turn's end is read by the next turn, and all of the body may be.
                    let mut inside = live.clone();
                    l.carried.iter().for_each(|c| inside.add(c.yielded));
                    l.body.iter().for_each(|s| uses(s, &mut inside));
                    let body = self.block(&l.body, &inside);
                    let Loop { var, lo, hi, step, ref carried, .. } = **l;
                    let carried = carried.clone();
                    out.push(Stmt::Loop(Box::new(Loop { var, lo, hi, step, carried, body })));
                }
                Stmt::If(i) => {
                    let mut inside = live.clone();
                    i.yields.iter().for_each(|y| {
                        inside.add(y.1);
                        inside.add(y.2);
                    });
                    let then = self.block(&i.then, &inside);
                    let otherwise = self.block(&i.otherwise, &inside);
                    let If { cmp, a, b, ref yields, .. } = **i;
                    let yields = yields.clone();
                    out.push(Stmt::If(Box::new(If { cmp, a, b, then, otherwise, yields })));
                }
            }
            uses(&list[end], &mut live);
        }
        out.reverse();
        out
    }

    /// A straight line whose results in `behind` are read afterwards.
    fn line(&self, line: &[&Inst], behind: &Live) -> Vec<Inst> {
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

    /// The vectors that an instruction reads, each once.
    fn read(&self, inst: &Inst) -> Vec<Reg> {
        let mut out: Vec<Reg> = Vec::with_capacity(3);
        for operand in &inst.uses {
            match operand {
                Operand::Reg(r) if self.is_vector(*r) && !out.contains(r) => out.push(*r),
                Operand::Reg(_) | Operand::Imm(_) => {}
            }
        }
        out
    }

    fn vectors(&self, live: &Live) -> usize {
        self.kernel.regs.iter().filter(|(r, d)| d.class != Class::Int && live.has(*r)).count()
    }

    /// Vectors of and before this line that live at once, at most.
    fn peak(&self, line: &[&Inst], order: &[usize], behind: &Live) -> usize {
        let mut live = behind.clone();
        let mut count = self.vectors(&live);
        let mut peak = count;
        for &i in order.iter().rev() {
            if let Some(def) = line[i].def.filter(|d| self.is_vector(*d) && live.has(*d)) {
                live.is[def.index()] = false;
                count -= 1;
            }
            for r in self.read(line[i]) {
                if !live.has(r) {
                    live.add(r);
                    count += 1;
                }
            }
            peak = peak.max(count);
        }
        peak
    }

    fn schedule(&self, line: &[&Inst], behind: &Live) -> Vec<usize> {
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
        let reads: Vec<Vec<Reg>> = line.iter().map(|inst| self.read(inst)).collect();
        let mut readers = vec![0usize; self.kernel.regs.len()];
        reads.iter().flatten().for_each(|r| readers[r.index()] += 1);
        let mut live = behind.clone();
        reads.iter().flatten().for_each(|r| live.add(*r));
        line.iter().filter_map(|i| i.def).for_each(|d| live.is[d.index()] = false);
        let mut count = self.vectors(&live);
        let mut ready: BTreeSet<usize> = (0..line.len()).filter(|&i| waits[i] == 0).collect();
        let mut out = Vec::with_capacity(line.len());
        while !ready.is_empty() {
            let full = count + SPARE + 2 > self.target.vectors;
            let gain = |i: usize| {
                let last = |r: &&Reg| readers[r.index()] == 1 && !behind.has(**r);
                let freed = reads[i].iter().filter(last).count() as i64;
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
            for r in &reads[i] {
                readers[r.index()] -= 1;
                if readers[r.index()] == 0 && !behind.has(*r) {
                    live.is[r.index()] = false;
                    count -= 1;
                }
            }
            if let Some(def) = line[i].def.filter(|d| self.is_vector(*d)) {
                live.add(def);
                count += 1;
            }
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
        for r in inst.reads() {
            list.extend(defined.get(&r).copied());
        }
        // A wait touches what copies wrote.
        let other = matches!(inst.op, Op::Async(_));
        if inst.mem.is_some() || other {
            list.extend(written);
            if other || matches!(inst.op, Op::Store(_) | Op::StorePart(_) | Op::Write(_) | Op::Next)
            {
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
fn uses(stmt: &Stmt, out: &mut Live) {
    let operand = |o: &Operand, out: &mut Live| match o {
        Operand::Reg(r) => out.add(*r),
        Operand::Imm(_) => {}
    };
    match stmt {
        Stmt::Inst(i) => {
            i.uses.iter().for_each(|o| operand(o, out));
            i.mem.iter().for_each(|m| out.add(m.base));
        }
        Stmt::Loop(l) => {
            [l.lo, l.hi, l.step].iter().for_each(|o| operand(o, out));
            for c in &l.carried {
                out.add(c.init);
                out.add(c.yielded);
            }
            l.body.iter().for_each(|s| uses(s, out));
        }
        Stmt::If(i) => {
            [i.a, i.b].iter().for_each(|o| operand(o, out));
            for y in &i.yields {
                out.add(y.1);
                out.add(y.2);
            }
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
            reorders: false,
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
        o.peak(&line, &(0..line.len()).collect::<Vec<_>>(), &Live::new(kernel))
    }

    #[test]
    fn loads_move_to_their_uses() {
        let kernel = greedy(12);
        assert_eq!(peak(&kernel), 13);
        let out = order(kernel.clone(), &target(8)).unwrap();
        verify(&out).unwrap();
        assert!(peak(&out) <= 6, "{out}");
        // What fits stays.
        assert_eq!(order(kernel.clone(), &target(15)).unwrap(), kernel);
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
        let text = order(kernel.clone(), &target(1)).unwrap().to_string();
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("a = load") < at("store.w32 [p + 0]"), "{text}");
        assert!(at("store.w32 [p + 0]") < at("d = load"), "{text}");
    }
}
