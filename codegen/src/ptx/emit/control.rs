//! Loops and branches: what they carry is in registers that each end of a turn or branch writes.
//!
//! ```text
//! $L1:
//!     ...
//!     add.s64 %q7, %q7, 1;
//!     setp.lt.s64 %p2, %q7, %q5;
//!     @%p2 bra.uni $L1;
//! ```

use super::*;

impl<'a> Emitter<'a> {
    pub(super) fn stmts(&mut self, list: &'a [Stmt]) -> Emitted<()> {
        for stmt in list {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst)?,
                Stmt::Loop(l) => self.loop_(l)?,
                Stmt::If(i) => self.if_(i)?,
            }
        }
        Ok(())
    }

    /// Statements whose addresses serve nobody behind them.
    fn block(&mut self, list: &'a [Stmt]) -> Emitted<()> {
        self.addresses.push(Map::default());
        self.later.push(String::new());
        let done = self.stmts(list);
        self.addresses.pop();
        self.text += &self.later.pop().unwrap_or_default();
        done
    }

    fn loop_(&mut self, l: &'a Loop) -> Emitted<()> {
        let (body, exit) = (self.label(), self.label());
        let (lo, hi, step) = (self.operand(l.lo)?, self.operand(l.hi)?, self.operand(l.step)?);
        let mut starts = Vec::new();
        for c in &l.carried {
            self.define(c.param)?;
            let class = self.class(c.param)?;
            let both = self.words(c.param)?.iter().zip(self.words(c.init)?);
            starts.extend(both.map(|(p, i)| (class, *p, *i)));
        }
        let var = self.define(l.var)?;
        self.line(format_args!("mov.b64 {var}, {lo};"));
        self.copies(&starts);
        let (none, more) = (self.fresh(Kind::Predicate), self.fresh(Kind::Predicate));
        self.line(format_args!("setp.ge.s64 {none}, {var}, {hi};"));
        self.line(format_args!("@{none} bra.uni {exit};"));
        let mut before = std::mem::take(&mut self.since);
        let (waits, head) = self.order.head(l, &mut before);
        if waits {
            self.line(format_args!("bar.warp.sync -1;"));
        }
        self.since = head;
        let _ = writeln!(self.text, "{body}:");
        self.block(&l.body)?;
        let mut next = Vec::new();
        for c in &l.carried {
            let (class, from) = (self.class(c.param)?, self.words(c.yielded)?);
            next.extend(self.words(c.param)?.iter().zip(from).map(|(p, y)| (class, *p, *y)));
        }
        self.copies(&next);
        self.line(format_args!("add.s64 {var}, {var}, {step};"));
        self.line(format_args!("setp.lt.s64 {more}, {var}, {hi};"));
        self.line(format_args!("@{more} bra.uni {body};"));
        let _ = writeln!(self.text, "{exit}:");
        let turn = std::mem::take(&mut self.since);
        self.since = before.join(&self.order.turned(l, &turn));
        for c in &l.carried {
            // What a turn would begin with is what the loop ends with.
            self.names[c.result.index()] = self.names[c.param.index()];
        }
        Ok(())
    }

    fn if_(&mut self, i: &'a If) -> Emitted<()> {
        if let Some(holds) = self.order.places().decided(i) {
            self.block(if holds { &i.then } else { &i.otherwise })?;
            for (result, a, b) in &i.yields {
                let taken = if holds { a } else { b };
                self.names[result.index()] = self.names[taken.index()];
            }
            return Ok(());
        }
        let (otherwise, exit) = (self.label(), self.label());
        let (a, b) = (self.operand(i.a)?, self.operand(i.b)?);
        let a = match i.a {
            Operand::Reg(_) => a,
            Operand::Imm(_) => {
                let q = self.fresh(Kind::Quad);
                self.line(format_args!("mov.b64 {q}, {a};"));
                Text::Name(q)
            }
        };
        let mut results = Vec::new();
        for y in &i.yields {
            self.define(y.0)?;
            results.push((self.class(y.0)?, self.words(y.0)?.to_vec()));
        }
        let test = self.fresh(Kind::Predicate);
        self.line(format_args!("setp.{}.s64 {test}, {a}, {b};", condition(i.cmp)));
        self.line(format_args!("@!{test} bra.uni {otherwise};"));
        let before = self.since.clone();
        self.branch(&i.then, &results, i.yields.iter().map(|y| y.1))?;
        let then = std::mem::take(&mut self.since);
        if i.otherwise.is_empty() && i.yields.is_empty() {
            let _ = writeln!(self.text, "{otherwise}:");
            self.since = then.join(&before);
            return Ok(());
        }
        self.line(format_args!("bra.uni {exit};"));
        let _ = writeln!(self.text, "{otherwise}:");
        self.since = before;
        self.branch(&i.otherwise, &results, i.yields.iter().map(|y| y.2))?;
        let _ = writeln!(self.text, "{exit}:");
        self.since = then.join(&std::mem::take(&mut self.since));
        for (y, (_, name)) in i.yields.iter().zip(results) {
            self.call(y.0, &name);
        }
        Ok(())
    }

    fn branch(
        &mut self,
        body: &'a [Stmt],
        results: &[(Class, Vec<Name>)],
        yields: impl Iterator<Item = Reg>,
    ) -> Emitted<()> {
        self.block(body)?;
        for ((class, to), from) in results.iter().zip(yields) {
            for (to, from) in to.iter().zip(self.words(from)?.to_vec()) {
                self.put_line("mov", mov(*class), *to, &[from]);
            }
        }
        Ok(())
    }

    /// Moves that happen at once: what one writes, another may read.
    fn copies(&mut self, list: &[(Class, Name, Name)]) {
        let mut list: Vec<_> = list.iter().filter(|(_, to, from)| to != from).copied().collect();
        let written: Map<Name, ()> = list.iter().map(|(_, to, _)| (*to, ())).collect();
        if list.iter().any(|(.., from)| written.contains_key(from)) {
            for (class, _, from) in &mut list {
                let saved = self.fresh((*class).into());
                self.put_line("mov", mov(*class), saved, &[*from]);
                *from = saved;
            }
        }
        for (class, to, from) in list {
            self.put_line("mov", mov(class), to, &[from]);
        }
    }
}

fn condition(cmp: Compare) -> &'static str {
    match cmp {
        Compare::Lt => "lt",
        Compare::Le => "le",
        Compare::Eq => "eq",
        Compare::Ne => "ne",
        Compare::Ge => "ge",
        Compare::Gt => "gt",
    }
}
