//! Registers, instructions and their operands.

use super::{Parser, bytes_of, shown};
use crate::ptx::{
    Error,
    lex::{Literal, Token},
    text::{Instruction, Operand, Statement},
};

impl<'a> Parser<'a> {
    pub(super) fn registers(&mut self, out: &mut Vec<Statement<'a>>) -> Result<(), Error> {
        self.step();
        let element = self.word("a type of registers")?;
        let Some(element) = element.strip_prefix('.') else {
            return Err(self.error(format!("`{element}` is no type")));
        };
        if element != "pred" && bytes_of(element).is_none() {
            return Err(self.error(format!("`.{element}` is no type of registers")));
        }
        loop {
            let name = self.word("the name of a register")?;
            let mut count = None;
            if self.eat('<') {
                let n = self.number("number of registers")?;
                let fits = u32::try_from(n).ok().filter(|n| *n <= 1 << 20);
                count = Some(fits.ok_or_else(|| self.error("no kernel has so many registers"))?);
                self.expect('>')?;
            }
            out.push(Statement::Registers { element, name, count });
            if !self.eat(',') {
                return self.expect(';');
            }
        }
    }

    pub(super) fn instruction(&mut self) -> Result<Instruction<'a>, Error> {
        let first = self.spot();
        let mut guard = None;
        if self.eat('@') {
            let negated = self.eat('!');
            guard = Some((self.word("a predicate")?, negated));
        }
        let (line, column) = (self.spot().line, self.spot().column);
        let name = self.word("an instruction")?;
        let mut operands = vec![];
        while !self.is(';') {
            operands.push(self.operand(0)?);
            if !self.is(';') {
                self.expect(',')?;
            }
        }
        let end = self.spot().end;
        self.step();
        Ok(Instruction { guard, name, operands, line, column, start: first.start, end })
    }

    fn operand(&mut self, depth: usize) -> Result<Operand<'a>, Error> {
        if depth > 4 {
            return Err(self.error("operands do not nest so deep"));
        }
        let first = match self.token() {
            Token::Mark('{') => Operand::Vector(self.operands('{', '}', depth)?),
            Token::Mark('(') => Operand::List(self.operands('(', ')', depth)?),
            Token::Mark('[') => self.address(depth)?,
            Token::Mark('!') => {
                self.step();
                Operand::Not(self.word("a predicate")?)
            }
            Token::Mark('-') | Token::Number(_) => Operand::Literal(self.literal()?),
            Token::Word("_") => {
                self.step();
                Operand::Sink
            }
            Token::Word(word) => {
                self.step();
                if self.is('+') || self.is('-') {
                    // `mov.u64 %rd, table+8`: an address as a value.
                    Operand::Address {
                        base: Some(word),
                        offset: self.offset()?,
                        coordinates: vec![],
                    }
                } else {
                    Operand::Name(word)
                }
            }
            other @ (Token::Text(_) | Token::Mark(_) | Token::End) => {
                return Err(self.error(format!("expected an operand, found {}", shown(other))));
            }
        };
        if self.eat('|') {
            let second = self.operand(depth + 1)?;
            return Ok(Operand::Pair(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn operands(
        &mut self,
        open: char,
        close: char,
        depth: usize,
    ) -> Result<Vec<Operand<'a>>, Error> {
        self.expect(open)?;
        let mut out = vec![];
        while !self.eat(close) {
            out.push(self.operand(depth + 1)?);
            if !self.is(close) {
                self.expect(',')?;
            }
        }
        Ok(out)
    }

    fn offset(&mut self) -> Result<i64, Error> {
        let mut sum = 0i64;
        while self.eat('+') {
            let Literal::Int(x) = self.literal()? else {
                return Err(self.error("an offset is an integer"));
            };
            sum = sum.wrapping_add(x);
        }
        if self.is('-') {
            // The assembler refuses it, too.
            return Err(self.error("an address is a sum: `+-8` for eight bytes less"));
        }
        Ok(sum)
    }

    fn address(&mut self, depth: usize) -> Result<Operand<'a>, Error> {
        self.expect('[')?;
        let mut base = None;
        let mut offset = 0;
        match self.token() {
            Token::Word(word) => {
                self.step();
                base = Some(word);
            }
            Token::Number(_) | Token::Mark('-') => {
                if let Literal::Int(x) = self.literal()? {
                    offset = x;
                }
            }
            other @ (Token::Text(_) | Token::Mark(_) | Token::End) => {
                return Err(self.error(format!("expected an address, found {}", shown(other))));
            }
        }
        offset = self.offset()?.wrapping_add(offset);
        let mut coordinates = vec![];
        while self.eat(',') {
            coordinates.push(self.operand(depth + 1)?);
        }
        self.expect(']')?;
        Ok(Operand::Address { base, offset, coordinates })
    }
}
