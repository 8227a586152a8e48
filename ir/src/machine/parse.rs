//! Reads the text form that [`super::print`] writes.
//!
//! ```text
//! s = loop t in 0..n step 4 carry acc = zero {
//!   b = fadd acc, acc : f
//! } yield b
//! ```
//!
//! Registers are numbered in the order of their definition, results of loops and ifs after their bodies.

use super::{print::MNEMONICS, *};
use crate::{
    diag::{Diagnostic, did_you_mean},
    lex::{Lexer, Parsed, Token},
};
use std::collections::HashMap;

/// One kernel, and nothing after it.
pub fn parse(text: &str) -> Parsed<Kernel> {
    let mut lexer = Lexer::new(text)?;
    let kernel = read(&mut lexer)?;
    if !lexer.at_end() {
        return lexer.error("text after the kernel's end");
    }
    Ok(kernel)
}

fn read(lexer: &mut Lexer<'_>) -> Parsed<Kernel> {
    lexer.expect_word("machine")?;
    let name = lexer.word("the kernel's name")?;
    lexer.expect_word("lanes")?;
    let lanes = count(lexer, "a number of lanes")?;
    let scratch = if lexer.eat_word("scratch") { count(lexer, "a number of bytes")? } else { 0 };
    lexer.expect("{")?;
    let kernel = Kernel {
        name,
        lanes,
        slots: Vec::new(),
        scratch,
        regs: Arena::default(),
        body: Vec::new(),
    };
    let mut parser = Parser { lexer, kernel, names: HashMap::new(), depth: 0 };
    parser.slots()?;
    parser.kernel.body = parser.body()?;
    Ok(parser.kernel)
}

fn count(lexer: &mut Lexer<'_>, what: &str) -> Parsed<usize> {
    let span = lexer.span();
    let value = lexer.int(what)?;
    usize::try_from(value).map_err(|_| Diagnostic::new(span, format!("expected {what}")))
}

/// Deeper nests are refused: the reader, the verifier and the emitters recurse.
const MAX_DEPTH: usize = 64;

struct Parser<'a, 'b> {
    lexer: &'a mut Lexer<'b>,
    kernel: Kernel,
    names: HashMap<String, Reg>,
    depth: usize,
}

const CLASSES: &str = "expected a class: i, f, w or m";

/// A name that gets its register when its statement is complete.
type Pending = (String, crate::diag::Span);

impl Parser<'_, '_> {
    fn slots(&mut self) -> Parsed<()> {
        while self.lexer.eat_word("slot") {
            let span = self.lexer.span();
            let number = count(self.lexer, "the slot's number")?;
            if number != self.kernel.slots.len() {
                let next = self.kernel.slots.len();
                return Err(Diagnostic::new(span, format!("slots count up: expected {next}")));
            }
            self.lexer.expect("=")?;
            let kind =
                self.lexer.word("pointer, stride, extent, counter, scratch, end or report")?;
            let slot = match kind.as_str() {
                "pointer" => Slot::Pointer(self.lexer.word("a tensor's name")?),
                "stride" => {
                    let name = self.lexer.word("a tensor's name")?;
                    Slot::Stride(name, count(self.lexer, "a dimension")?)
                }
                "extent" => Slot::Extent(Extent::read(self.lexer)?),
                "counter" => Slot::Counter(count(self.lexer, "a counter's number")?),
                "scratch" => Slot::Scratch,
                "end" => Slot::End(self.lexer.word("a tensor's name")?),
                "report" => Slot::Report,
                other => {
                    let known =
                        ["pointer", "stride", "extent", "counter", "scratch", "end", "report"];
                    let mut d = Diagnostic::new(
                        self.lexer.last_span(),
                        format!("unknown kind of slot `{other}`"),
                    );
                    if let Some(near) = did_you_mean(other, known) {
                        d = d.help(format!("did you mean `{near}`?"));
                    }
                    return Err(d);
                }
            };
            self.kernel.slots.push(slot);
        }
        Ok(())
    }

    /// Statements up to and with the closing brace.
    fn body(&mut self) -> Parsed<Vec<Stmt>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.lexer.error(format!("more than {MAX_DEPTH} nested blocks"));
        }
        let mut list = Vec::new();
        while !self.lexer.eat("}") {
            let stmt = self.stmt()?;
            list.push(stmt);
        }
        self.depth -= 1;
        Ok(list)
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        let mut results: Vec<Pending> = Vec::new();
        if matches!(self.lexer.peek_at(1), Token::Punct("=" | ",")) {
            loop {
                let span = self.lexer.span();
                results.push((self.lexer.word("a result's name")?, span));
                if !self.lexer.eat(",") {
                    break;
                }
            }
            self.lexer.expect("=")?;
        }
        if self.lexer.eat_word("loop") {
            self.loop_(results).map(|l| Stmt::Loop(Box::new(l)))
        } else if self.lexer.eat_word("if") {
            self.if_(results).map(|i| Stmt::If(Box::new(i)))
        } else {
            self.inst(results).map(Stmt::Inst)
        }
    }

    fn loop_(&mut self, results: Vec<Pending>) -> Parsed<Loop> {
        let span = self.lexer.span();
        let var = (self.lexer.word("the loop's counter")?, span);
        self.lexer.expect_word("in")?;
        let lo = self.operand()?;
        self.lexer.expect("..")?;
        let hi = self.operand()?;
        self.lexer.expect_word("step")?;
        let step = self.operand()?;
        let mut params = Vec::new();
        if self.lexer.eat_word("carry") {
            loop {
                let span = self.lexer.span();
                let param = (self.lexer.word("a carried register")?, span);
                self.lexer.expect("=")?;
                params.push((param, self.reg()?));
                if !self.lexer.eat(",") {
                    break;
                }
            }
        }
        self.same_count("carried registers", params.len(), results.len())?;
        self.lexer.expect("{")?;
        let var = self.define(var, (Class::Int, 1))?;
        let mut inside = Vec::new();
        for (param, init) in params {
            let class = self.kind(init);
            inside.push((self.define(param, class)?, init));
        }
        let body = self.body()?;
        let yields = self.yields(results.len())?;
        let mut carried = Vec::new();
        for (((param, init), yielded), result) in inside.into_iter().zip(yields).zip(results) {
            let class = self.kind(init);
            carried.push(Carried { result: self.define(result, class)?, param, init, yielded });
        }
        Ok(Loop { var, lo, hi, step, carried, body })
    }

    fn if_(&mut self, results: Vec<Pending>) -> Parsed<If> {
        let a = self.operand()?;
        let symbol = Compare::ALL.into_iter().find(|c| self.lexer.is(c.symbol()));
        let Some(cmp) = symbol else {
            return self.lexer.error("expected a comparison: <, <=, ==, !=, >= or >");
        };
        self.lexer.expect(cmp.symbol())?;
        let b = self.operand()?;
        self.lexer.expect("{")?;
        let then = self.body()?;
        let first = self.yields(results.len())?;
        let otherwise = if self.lexer.eat_word("else") {
            self.lexer.expect("{")?;
            self.body()?
        } else {
            Vec::new()
        };
        let second = self.yields(results.len())?;
        let mut yields = Vec::new();
        for ((result, x), y) in results.into_iter().zip(first).zip(second) {
            let class = self.kind(x);
            yields.push((self.define(result, class)?, x, y));
        }
        Ok(If { cmp, a, b, then, otherwise, yields })
    }

    fn same_count(&mut self, what: &str, found: usize, results: usize) -> Parsed<()> {
        if found == results {
            return Ok(());
        }
        self.lexer.error(format!("{found} {what} for {results} results"))
    }

    fn yields(&mut self, results: usize) -> Parsed<Vec<Reg>> {
        let mut list = Vec::new();
        if self.lexer.eat_word("yield") {
            list.push(self.reg()?);
            while self.lexer.eat(",") {
                list.push(self.reg()?);
            }
        }
        self.same_count("yielded registers", list.len(), results)?;
        Ok(list)
    }

    fn inst(&mut self, results: Vec<Pending>) -> Parsed<Inst> {
        let span = self.lexer.span();
        let word = self.lexer.word("an instruction")?;
        let op = self.op(&word, span.clone())?;
        let signature = op.signature();
        let mem = if signature.mem { Some(self.mem()?) } else { None };
        let mut uses = Vec::new();
        for i in 0..signature.uses.len() {
            if i > 0 || mem.is_some() {
                self.lexer.expect(",")?;
            }
            uses.push(self.operand()?);
        }
        let wants = usize::from(!signature.def.is_empty());
        if results.len() != wants {
            let found = results.len();
            return Err(Diagnostic::new(
                span,
                format!("`{word}` has {wants} results, here are {found}"),
            ));
        }
        let mut def = None;
        for result in results {
            self.lexer.expect(":")?;
            let class = self.class()?;
            def = Some(self.define(result, class)?);
        }
        Ok(Inst { op, def, uses: uses.into(), mem })
    }

    fn op(&mut self, word: &str, span: crate::diag::Span) -> Parsed<Op> {
        if word == "shuffle" {
            self.lexer.expect("[")?;
            let mut table = Vec::new();
            loop {
                let span = self.lexer.span();
                let lane = self.lexer.int("a lane")?;
                let lane = u8::try_from(lane)
                    .map_err(|_| Diagnostic::new(span, "a lane is a number from 0 to 255"))?;
                table.push(lane);
                if !self.lexer.eat(",") {
                    break;
                }
            }
            self.lexer.expect("]")?;
            return Ok(Op::Shuffle(table));
        }
        if let Some((_, op)) = MNEMONICS.iter().find(|(name, _)| *name == word) {
            return Ok(op.clone());
        }
        let mut d = Diagnostic::new(span, format!("unknown instruction `{word}`"));
        if let Some(near) = did_you_mean(word, MNEMONICS.iter().map(|(name, _)| *name)) {
            d = d.help(format!("did you mean `{near}`?"));
        }
        Err(d)
    }

    fn mem(&mut self) -> Parsed<Mem> {
        self.lexer.expect("[")?;
        let base = self.reg()?;
        let span = self.lexer.span();
        let sign = if self.lexer.eat("-") {
            -1
        } else {
            self.lexer.expect("+")?;
            1
        };
        let offset = self.lexer.int("an offset")?.checked_mul(sign);
        let offset = offset.and_then(|o| i32::try_from(o).ok()).ok_or_else(|| {
            Diagnostic::new(span, "an offset fits 32 bits").help("add the rest to the base")
        })?;
        self.lexer.expect("]")?;
        Ok(Mem { base, offset })
    }

    fn kind(&self, reg: Reg) -> (Class, u8) {
        let data = &self.kernel.regs[reg];
        (data.class, data.words)
    }

    /// `w`, or of several words a lane `w4`.
    fn class(&mut self) -> Parsed<(Class, u8)> {
        let Token::Word(word) = self.lexer.peek() else {
            return self.lexer.error(CLASSES);
        };
        let class =
            [Class::Int, Class::Float, Class::Word, Class::Mask].into_iter().find_map(|c| {
                let words = word.strip_prefix(c.letter())?;
                if words.is_empty() {
                    return Some((c, 1));
                }
                let vector = matches!(c, Class::Float | Class::Word);
                words.parse().ok().filter(|n| vector && (2..=MAX_WORDS).contains(n)).map(|n| (c, n))
            });
        match class {
            Some(class) => {
                self.lexer.next_token();
                Ok(class)
            }
            None => self.lexer.error(CLASSES),
        }
    }

    fn define(&mut self, (name, span): Pending, (class, words): (Class, u8)) -> Parsed<Reg> {
        let reg = self.kernel.regs.add(RegData { name: name.as_str().into(), class, words });
        if self.names.insert(name.clone(), reg).is_some() {
            return Err(Diagnostic::new(span, format!("`{name}` is defined twice")));
        }
        Ok(reg)
    }

    fn reg(&mut self) -> Parsed<Reg> {
        let span = self.lexer.span();
        let name = self.lexer.word("a register")?;
        if let Some(reg) = self.names.get(&name) {
            return Ok(*reg);
        }
        let mut d = Diagnostic::new(span, format!("`{name}` is not defined here"));
        if let Some(near) = did_you_mean(&name, self.names.keys().map(String::as_str)) {
            d = d.help(format!("did you mean `{near}`?"));
        }
        Err(d)
    }

    fn operand(&mut self) -> Parsed<Operand> {
        match self.lexer.peek() {
            Token::Int(_) | Token::Punct("-") => Ok(Operand::Imm(self.lexer.int("an integer")?)),
            Token::Word(_) | Token::Float(_) | Token::Text(_) | Token::Punct(_) | Token::End => {
                Ok(Operand::Reg(self.reg()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "machine m lanes 4 scratch 64 {
  slot 0 = pointer x
  slot 1 = stride x 2
  slot 2 = extent (n + 3) / 4
  slot 3 = counter 1
  slot 4 = scratch
  x = arg 0 : i
  n = arg 2 : i
  z = fconst 0 : f
  s, c = loop t in 0..n step 2 carry a = z, b = n {
    o = imul t, 16 : i
    p = iadd x, o : i
    v = load.w32 [p - 16] : f
    w = fadd v, a : f
    q = shuffle[3,2,1,7] w, v : f
    prefetch.2 [p + 64]
  } yield q, p
  y = if c >= -1 {
    k = hsum s : f
  } yield k else {
  } yield s
  if c == 3 {
    store.w32 [x + 0], y
  }
}
";

    #[test]
    fn what_is_printed_reads_back() {
        let kernel = parse(GOOD).unwrap();
        assert_eq!(kernel.to_string(), GOOD);
        assert_eq!(kernel.body.len(), 6);
        super::super::verify::verify(&kernel).unwrap();
    }

    #[test]
    fn every_mnemonic_is_its_own() {
        for (i, (name, op)) in MNEMONICS.iter().enumerate() {
            assert_eq!(op.to_string(), *name);
            assert!(MNEMONICS[..i].iter().all(|(n, o)| n != name && o != op), "{name}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (from, to, message) in [
            ("lanes 4", "lanes -4", "expected a number of lanes"),
            ("slot 1", "slot 2", "slots count up: expected 1"),
            ("pointer x", "ponter x", "unknown kind of slot `ponter`"),
            ("fadd v", "fad v", "unknown instruction `fad`"),
            ("fadd v", "fadd u", "`u` is not defined here"),
            ("w = fadd", "v = fadd", "`v` is defined twice"),
            ("w, v : f", "w, v : g", "expected a class: i, f, w or m"),
            ("[3,2,1,7]", "[3,2,1,700]", "a lane is a number from 0 to 255"),
            ("- 16]", "- 16000000000]", "an offset fits 32 bits"),
            ("c >= -1", "c ^ -1", "expected a comparison: <, <=, ==, !=, >= or >"),
            ("a = z, b = n", "a = z", "1 carried registers for 2 results"),
            ("yield q, p", "yield q", "1 yielded registers for 2 results"),
            ("prefetch.2", "u = prefetch.2", "`prefetch.2` has 0 results, here are 1"),
            ("q = shuffle", "shuffle", "`shuffle` has 1 results, here are 0"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let e = parse(&text).expect_err(message);
            assert_eq!(e.message, message);
            assert!(e.span.end <= text.len());
        }
        let e = parse(&format!("{GOOD}x")).unwrap_err();
        assert_eq!(e.message, "text after the kernel's end");
        let deep = format!("machine m lanes 4 {{ {}", "if 0 < 1 { ".repeat(100));
        assert_eq!(parse(&deep).unwrap_err().message, "more than 64 nested blocks");
    }

    /// Any byte gone, doubled or replaced gives a kernel or an error, never a panic, and what reads, verifies
    /// or is refused.
    #[test]
    fn mutations_do_not_panic() {
        for i in 0..GOOD.len() {
            for with in ["", "0", "}", ",", "é", " 99999999999999999999 "] {
                let text = format!("{}{with}{}", &GOOD[..i], &GOOD[i + 1..]);
                if let Ok(kernel) = parse(&text) {
                    let _ = super::super::verify::verify(&kernel);
                    assert_eq!(parse(&kernel.to_string()), Ok(kernel));
                }
            }
        }
    }
}
