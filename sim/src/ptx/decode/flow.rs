//! Branches, calls, and where lanes that part meet again.

use super::{DEPTH, Decoder, Parts, Scope};
use crate::ptx::{
    Error,
    op::{Instruction, Kernel, Op, Predicate},
    text::{Function, Operand, Space},
};

impl<'a> Decoder<'a> {
    /// Control flow; none for what computes.
    pub(super) fn flow(
        &mut self,
        main: &str,
        parts: &mut Parts<'a, '_>,
        body: usize,
    ) -> Result<Option<Op>, Error> {
        Ok(Some(match main {
            "bra" => {
                parts.take("uni");
                parts.done(1..=1)?;
                let Operand::Name(label) = parts.operand(0)? else {
                    return Err(parts.error("expected a label"));
                };
                let at = self.out.code.len();
                self.jumps.push((at, body, label, parts.text.line, parts.text.column));
                Op::Branch(u32::MAX)
            }
            "ret" => {
                parts.take("uni");
                parts.done(0..=0)?;
                if body == 0 {
                    Op::Exit
                } else {
                    let at = self.out.code.len();
                    self.jumps.push((at, body, END, parts.text.line, parts.text.column));
                    Op::Branch(u32::MAX)
                }
            }
            "exit" => {
                parts.done(0..=0)?;
                Op::Exit
            }
            "trap" => {
                parts.done(0..=0)?;
                Op::Trap
            }
            "setmaxnreg" => {
                let registers = parts.operand(0)?.integer().and_then(|n| u32::try_from(n).ok());
                // PTX ISA, "setmaxnreg": 24 to 256 in steps of 8.
                let Some(n) = registers.filter(|n| (24..=256).contains(n) && n % 8 == 0) else {
                    return Err(
                        parts.error("setmaxnreg gives 24 to 256 registers, a multiple of 8")
                    );
                };
                Op::Budget(n)
            }
            "brkpt" | "nanosleep" | "pmevent" | "griddepcontrol" | "discard" | "applypriority" => {
                // They change when something happens, or what a cache keeps, not what is computed.
                Op::Nop
            }
            _ => return Ok(None),
        }))
    }

    /// A call is the body of the function in its place.
    pub(super) fn call(&mut self, mut parts: Parts<'a, '_>, guard: Predicate) -> Result<(), Error> {
        parts.take("uni");
        if let Some(part) = parts.parts.first() {
            return Err(parts.unsupported(format!("`.{part}` of `call`")));
        }
        let operands = &parts.text.operands;
        let named = |i: usize| match operands.get(i) {
            Some(Operand::Name(name)) => Some(*name),
            _ => None,
        };
        let listed = |i: usize| match operands.get(i) {
            Some(Operand::List(list)) => list.clone(),
            _ => vec![],
        };
        let (results, name, arguments) = match named(0) {
            Some(name) => (vec![], name, listed(1)),
            None => match named(1) {
                Some(name) => (listed(0), name, listed(2)),
                None => return Err(parts.error("expected the name of a function")),
            },
        };
        let module = self.module;
        let Some(function) = module.functions.iter().find(|f| f.name == name) else {
            return Err(parts.unsupported(format!("calls through registers (`{name}`)")));
        };
        if function.body.is_none() {
            if name == "__assertfail" {
                self.push(parts.text, Op::Trap, guard);
                return Ok(());
            }
            return Err(parts.unsupported(format!("the function `{name}` of another module")));
        }
        if self.calls.contains(&name) || self.calls.len() >= DEPTH {
            return Err(parts.unsupported(format!("`{name}` calls itself, or calls nest too deep")));
        }
        if guard != super::ALWAYS {
            return Err(parts.unsupported("calls under a predicate; branch around them"));
        }
        let scope = self.arguments(&parts, function, &results, &arguments)?;
        self.bodies += 1;
        let body = self.bodies;
        self.calls.push(name);
        // The function sees the module, its parameters and its own names.
        let callers = self.scopes.split_off(1);
        self.scopes.push(scope);
        self.body(function, Some(body))?;
        self.scopes.truncate(1);
        self.scopes.extend(callers);
        self.calls.pop();
        self.labels.insert((body, END), self.out.code.len() as u32);
        // A place to go to at the end of the function.
        self.push(parts.text, Op::Nop, guard);
        Ok(())
    }

    /// Parameters are other names of what the caller passes.
    fn arguments(
        &mut self,
        parts: &Parts<'a, '_>,
        function: &Function<'a>,
        results: &[Operand<'a>],
        arguments: &[Operand<'a>],
    ) -> Result<Scope<'a>, Error> {
        if function.params.len() != arguments.len() || function.results.len() != results.len() {
            let message = format!("`{}` takes other arguments", function.name);
            return Err(parts.error(message));
        }
        let mut scope = Scope::default();
        let formal = function.results.iter().chain(&function.params);
        for (param, given) in formal.zip(results.iter().chain(arguments)) {
            let Operand::Name(name) = given else {
                return Err(parts.unsupported("a call with a literal"));
            };
            let Some(binding) = self.lookup(name) else {
                return Err(self.unknown(parts, name));
            };
            let fits = match binding {
                super::Binding::Register { .. } | super::Binding::Predicate(_) => {
                    param.space == Space::Register
                }
                super::Binding::Variable { .. } | super::Binding::Global => {
                    param.space == Space::Param
                }
            };
            if !fits {
                let message = format!("`{name}` does not fit the parameter `{}`", param.name);
                return Err(parts.error(message));
            }
            scope.names.insert(param.name, binding);
        }
        Ok(scope)
    }

    pub(super) fn finish(mut self, function: &Function<'a>) -> Result<Kernel, Error> {
        for (at, body, label, line, column) in std::mem::take(&mut self.jumps) {
            let Some(target) = self.labels.get(&(body, label)) else {
                return Err(Error::text(line, column, format!("no label `{label}`")));
            };
            if let Some(instruction) = self.out.code.get_mut(at) {
                instruction.op = Op::Branch(*target);
            }
        }
        if self.out.code.is_empty() {
            let message = format!("`{}` has no instructions", function.name);
            return Err(Error::text(function.line, function.column, message));
        }
        meet(&mut self.out.code);
        Ok(self.out)
    }
}

/// The end of an inlined function.
const END: &str = "";

/// For each branch, the first instruction that all paths from it go through: its immediate post-dominator.
fn meet(code: &mut [Instruction]) {
    let n = code.len();
    let mut starts = vec![false; n + 1];
    starts[0] = true;
    for (i, instruction) in code.iter().enumerate() {
        if let Op::Branch(target) = instruction.op {
            starts[(target as usize).min(n)] = true;
        }
        starts[i + 1] |= matches!(instruction.op, Op::Branch(_) | Op::Exit | Op::Trap);
    }
    let blocks: Vec<usize> = (0..n).filter(|i| starts[*i]).collect();
    let exit = blocks.len();
    let of = |at: usize| if at >= n { exit } else { blocks.partition_point(|b| *b <= at) - 1 };
    let mut next: Vec<Vec<usize>> = vec![];
    for (b, _) in blocks.iter().enumerate() {
        let end = blocks.get(b + 1).copied().unwrap_or(n);
        let last = &code[end - 1];
        let guarded = last.guard != super::ALWAYS;
        let over = of(end);
        // Lanes that leave never come back: those that stay go on, and meet at the end at the latest.
        let leaves = matches!(last.op, Op::Exit | Op::Trap) && !guarded;
        let mut to = vec![];
        if let Op::Branch(target) = last.op {
            to.push(of(target as usize));
        }
        if guarded || !matches!(last.op, Op::Branch(_)) {
            to.push(if leaves { exit } else { over });
        }
        next.push(to);
    }
    let doms = post_dominators(&next, exit);
    for (b, _) in blocks.iter().enumerate() {
        let end = blocks.get(b + 1).copied().unwrap_or(n);
        if matches!(code[end - 1].op, Op::Branch(_)) {
            let at = doms[b].filter(|d| *d != exit).map_or(n, |d| blocks[d]);
            code[end - 1].meet = at as u32;
        }
    }
}

/// Cooper, Harvey and Kennedy: "A simple, fast dominance algorithm", on the reversed graph.
fn post_dominators(next: &[Vec<usize>], exit: usize) -> Vec<Option<usize>> {
    let n = next.len() + 1;
    let mut before = vec![vec![]; n];
    for (b, list) in next.iter().enumerate() {
        list.iter().for_each(|s| before[*s].push(b));
    }
    // Order in which a walk from the exit against the edges leaves the blocks.
    let (mut order, mut number) = (vec![], vec![usize::MAX; n]);
    let mut seen = vec![false; n];
    let mut stack = vec![(exit, 0)];
    seen[exit] = true;
    while let Some((b, i)) = stack.pop() {
        if let Some(p) = before[b].get(i) {
            stack.push((b, i + 1));
            if !seen[*p] {
                seen[*p] = true;
                stack.push((*p, 0));
            }
        } else {
            number[b] = order.len();
            order.push(b);
        }
    }
    let mut dom: Vec<Option<usize>> = vec![None; n];
    dom[exit] = Some(exit);
    let mut changed = true;
    while changed {
        changed = false;
        for &b in order.iter().rev().filter(|b| **b != exit) {
            let mut new: Option<usize> = None;
            for &s in next[b].iter().filter(|s| dom[**s].is_some()) {
                new = Some(match new {
                    None => s,
                    Some(mut other) => {
                        let mut one = s;
                        while one != other {
                            while number[one] < number[other] {
                                one = dom[one].unwrap_or(exit);
                            }
                            while number[other] < number[one] {
                                other = dom[other].unwrap_or(exit);
                            }
                        }
                        one
                    }
                });
            }
            if dom[b] != new {
                dom[b] = new;
                changed = true;
            }
        }
    }
    dom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_meet_where_all_paths_go() {
        // 0 -> 1, 2; 1 -> 3; 2 -> 3; 3 -> 0 or exit; 4 spins for ever.
        let next = vec![vec![1, 2], vec![3], vec![3], vec![0, 5], vec![4]];
        let doms = post_dominators(&next, 5);
        assert_eq!(doms, [Some(3), Some(3), Some(3), Some(5), None, Some(5)]);
    }
}
