//! PTX text to its tree; what only debuggers read is skipped.

mod instruction;

use super::{
    Error,
    lex::{Literal, Spot, Token, lex, literal},
    text::{Function, Space, Statement, Text, Variable},
};

pub fn parse(text: &str) -> Result<Text<'_>, Error> {
    let mut parser = Parser { spots: lex(text)?, at: 0 };
    parser.module()
}

/// No variable of a kernel is larger; the memory of a GPU is not the place to find that out.
const LARGEST: u64 = 1 << 32;

struct Parser<'a> {
    spots: Vec<Spot<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn spot(&self) -> Spot<'a> {
        // The last token is the end, and nobody steps over it.
        self.spots[self.at.min(self.spots.len() - 1)]
    }

    fn token(&self) -> Token<'a> {
        self.spot().token
    }

    fn ahead(&self) -> Token<'a> {
        self.spots[(self.at + 1).min(self.spots.len() - 1)].token
    }

    fn step(&mut self) -> Token<'a> {
        let token = self.token();
        self.at = (self.at + 1).min(self.spots.len() - 1);
        token
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::text(self.spot().line, self.spot().column, message)
    }

    fn is(&self, mark: char) -> bool {
        self.token() == Token::Mark(mark)
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.is(mark);
        if found {
            self.step();
        }
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), Error> {
        if self.eat(mark) {
            return Ok(());
        }
        Err(self.error(format!("expected `{mark}`, found {}", shown(self.token()))))
    }

    fn word(&mut self, what: &str) -> Result<&'a str, Error> {
        match self.token() {
            Token::Word(word) => {
                self.step();
                Ok(word)
            }
            other @ (Token::Number(_) | Token::Text(_) | Token::Mark(_) | Token::End) => {
                Err(self.error(format!("expected {what}, found {}", shown(other))))
            }
        }
    }

    fn number(&mut self, what: &str) -> Result<u64, Error> {
        match self.token() {
            Token::Number(text) => {
                let Some(Literal::Int(x)) = literal(text, false) else {
                    return Err(self.error(format!("`{text}` is no {what}")));
                };
                self.step();
                Ok(x as u64)
            }
            other @ (Token::Word(_) | Token::Text(_) | Token::Mark(_) | Token::End) => {
                Err(self.error(format!("expected {what}, found {}", shown(other))))
            }
        }
    }

    fn skip_line(&mut self) {
        let line = self.spot().line;
        while self.spot().line == line && self.token() != Token::End {
            self.step();
        }
    }

    fn skip_to(&mut self, mark: char) {
        while !self.is(mark) && self.token() != Token::End {
            self.step();
        }
        self.eat(mark);
    }

    /// The statement of a directive that says nothing about what runs.
    fn skip_directive(&mut self, word: &str) -> Result<bool, Error> {
        match word {
            ".file" | ".loc" => self.skip_line(),
            ".pragma" | ".alias" | ".branchtargets" | ".calltargets" | ".callprototype"
            | ".explicitcluster" => self.skip_to(';'),
            ".section" => {
                let open = self.error("this section has no end");
                self.skip_to('{');
                let mut depth = 1;
                while depth > 0 {
                    match self.step() {
                        Token::Mark('{') => depth += 1,
                        Token::Mark('}') => depth -= 1,
                        Token::End => return Err(open),
                        Token::Word(_) | Token::Number(_) | Token::Text(_) | Token::Mark(_) => {}
                    }
                }
            }
            ".minnctapersm" | ".maxnreg" | ".maxnctapersm" | ".maxclusterrank" => {
                self.step();
                self.list_of_numbers()?;
            }
            ".noreturn" | ".abi_preserve" | ".blocksareclusters" => {
                self.step();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn module(&mut self) -> Result<Text<'a>, Error> {
        let mut out = Text::default();
        loop {
            let word = match self.token() {
                Token::End => return Ok(out),
                Token::Mark(';') => {
                    self.step();
                    continue;
                }
                Token::Word(word) => word,
                other @ (Token::Number(_) | Token::Text(_) | Token::Mark(_)) => {
                    let message = format!("expected a directive, found {}", shown(other));
                    return Err(self.error(message));
                }
            };
            match word {
                ".version" => {
                    self.step();
                    let Token::Number(text) = self.token() else {
                        return Err(self.error("expected a version like 7.0"));
                    };
                    let parts = text.split_once('.').map(|(a, b)| (a.parse(), b.parse()));
                    let Some((Ok(major), Ok(minor))) = parts else {
                        return Err(self.error(format!("`{text}` is no version like 7.0")));
                    };
                    out.version = (major, minor);
                    self.step();
                }
                ".target" => {
                    self.step();
                    out.target = self.word("a target like sm_80")?;
                    while self.eat(',') {
                        self.word("an option of the target")?;
                    }
                }
                ".address_size" => {
                    self.step();
                    if self.number("size of addresses")? != 64 {
                        return Err(self.error("only addresses of 64 bits are simulated"));
                    }
                }
                _ if self.skip_directive(word)? => {}
                _ => self.item(&mut out)?,
            }
        }
    }

    /// A variable or a function with its linkage.
    fn item(&mut self, out: &mut Text<'a>) -> Result<(), Error> {
        let mut external = false;
        loop {
            match self.token() {
                Token::Word(".visible" | ".weak" | ".common") => {
                    self.step();
                }
                Token::Word(".extern") => {
                    external = true;
                    self.step();
                }
                Token::Word(".entry" | ".func") => {
                    let function = self.function()?;
                    let known = |f: &&mut Function<'a>| f.name == function.name && f.body.is_none();
                    match out.functions.iter_mut().find(known) {
                        Some(declared) => *declared = function,
                        None => out.functions.push(function),
                    }
                    return Ok(());
                }
                Token::Word(".global" | ".const" | ".shared") => {
                    out.variables.extend(self.variables(external)?);
                    return Ok(());
                }
                other @ (Token::Word(_)
                | Token::Number(_)
                | Token::Text(_)
                | Token::Mark(_)
                | Token::End) => {
                    let message = format!("{} is no directive of a module", shown(other));
                    return Err(self.error(message));
                }
            }
        }
    }

    fn function(&mut self) -> Result<Function<'a>, Error> {
        let (line, column) = (self.spot().line, self.spot().column);
        let entry = self.word("a function")? == ".entry";
        while matches!(self.token(), Token::Word(".noreturn" | ".attribute")) {
            if self.step() == Token::Word(".attribute") {
                self.skip_to(')');
            }
        }
        let results = if self.is('(') { self.params()? } else { vec![] };
        let name = self.word("the name of a function")?;
        let params = if self.is('(') { self.params()? } else { vec![] };
        let mut out = Function {
            name,
            entry,
            params,
            results,
            body: None,
            max_threads: None,
            required_threads: None,
            line,
            column,
        };
        loop {
            match self.token() {
                Token::Mark('{') => {
                    self.step();
                    out.body = Some(self.body()?);
                    return Ok(out);
                }
                Token::Mark(';') => {
                    self.step();
                    return Ok(out);
                }
                Token::Word(".maxntid") => {
                    self.step();
                    out.max_threads = Some(self.three()?);
                }
                Token::Word(".reqntid") => {
                    self.step();
                    out.required_threads = Some(self.three()?);
                }
                Token::Word(".reqnctapercluster") => {
                    self.step();
                    let size = self.three()?;
                    if size != [1, 1, 1] {
                        return Err(Error::text(
                            line,
                            column,
                            "clusters of more than one block are not simulated",
                        ));
                    }
                }
                Token::Word(word) if self.skip_directive(word)? => {}
                other @ (Token::Word(_)
                | Token::Number(_)
                | Token::Text(_)
                | Token::Mark(_)
                | Token::End) => {
                    let message = format!("expected the body of `{name}`, found {}", shown(other));
                    return Err(self.error(message));
                }
            }
        }
    }

    fn list_of_numbers(&mut self) -> Result<Vec<u64>, Error> {
        let mut out = vec![self.number("number")?];
        while self.eat(',') {
            out.push(self.number("number")?);
        }
        Ok(out)
    }

    fn three(&mut self) -> Result<[u32; 3], Error> {
        let list = self.list_of_numbers()?;
        let at = |i: usize| u32::try_from(list.get(i).copied().unwrap_or(1)).unwrap_or(u32::MAX);
        Ok([at(0), at(1), at(2)])
    }

    fn params(&mut self) -> Result<Vec<Variable<'a>>, Error> {
        self.expect('(')?;
        let mut out = vec![];
        while !self.eat(')') {
            out.extend(self.declarator(false, true)?);
            if !self.is(')') {
                self.expect(',')?;
            }
        }
        Ok(out)
    }

    fn variables(&mut self, external: bool) -> Result<Vec<Variable<'a>>, Error> {
        let out = self.declarator(external, false)?;
        self.expect(';')?;
        Ok(out)
    }

    /// `.shared .align 16 .b8 tile[16][4]`, a parameter's `.param .u64 .ptr .global .align 1 q` also.
    fn declarator(&mut self, external: bool, one: bool) -> Result<Vec<Variable<'a>>, Error> {
        let space = match self.word("a state space")? {
            ".param" => Space::Param,
            ".reg" => Space::Register,
            ".global" => Space::Global,
            ".const" => Space::Const,
            ".shared" | ".shared::cta" => Space::Shared,
            ".local" => Space::Local,
            other => return Err(self.error(format!("`{other}` is no state space"))),
        };
        let (mut align, mut element, mut lanes) = (None, None, 1);
        let mut pointer = false;
        while let Token::Word(word) = self.token() {
            if !word.starts_with('.') {
                break;
            }
            self.step();
            match word {
                ".align" => {
                    let n = self.number("alignment")?;
                    if !n.is_power_of_two() || n > 1 << 20 {
                        return Err(self.error(format!("{n} is no alignment")));
                    }
                    if !pointer {
                        align = Some(n as usize);
                    }
                }
                ".ptr" => pointer = true,
                ".v2" => lanes = 2,
                ".v4" => lanes = 4,
                ".attribute" => self.skip_to(')'),
                ".global" | ".const" | ".shared" | ".local" | ".generic" if pointer => {}
                _ => element = Some(&word[1..]),
            }
        }
        let Some(element) = element else {
            return Err(self.error("a variable has a type"));
        };
        let Some(bytes) = bytes_of(element) else {
            return Err(self.error(format!("`.{element}` is no type of a variable")));
        };
        let mut out = vec![];
        loop {
            let (line, column) = (self.spot().line, self.spot().column);
            let name = self.word("the name of a variable")?;
            let mut count = lanes as u64;
            let mut open = false;
            while self.eat('[') {
                if self.eat(']') {
                    open = true;
                    continue;
                }
                count = count.saturating_mul(self.number("number of elements")?);
                self.expect(']')?;
            }
            let size = count.saturating_mul(bytes as u64);
            if size > LARGEST {
                return Err(self.error(format!("`{name}` is larger than any memory")));
            }
            let initial = if self.eat('=') { self.initialiser(element, bytes)? } else { vec![] };
            let size = if open { initial.len() } else { size as usize };
            if initial.len() > size {
                return Err(Error::text(line, column, format!("`{name}` has too many values")));
            }
            let align = align.unwrap_or(bytes * lanes).max(1);
            out.push(Variable { name, space, align, size, external, bytes: initial, line, column });
            if one || !self.eat(',') {
                return Ok(out);
            }
        }
    }

    fn initialiser(&mut self, element: &str, bytes: usize) -> Result<Vec<u8>, Error> {
        let mut out = vec![];
        let mut depth = 0;
        loop {
            if self.eat('{') {
                depth += 1;
                continue;
            }
            if self.eat('}') {
                depth -= 1;
            } else if depth == 0 || !self.eat(',') {
                let value = self.literal()?;
                let bits = match value {
                    Literal::Int(x) => x as u64,
                    Literal::F32(x) => u64::from(x),
                    Literal::F64(x) => x,
                    Literal::Decimal(x) if element == "f32" => u64::from((x as f32).to_bits()),
                    Literal::Decimal(x) => x.to_bits(),
                };
                out.extend_from_slice(bits.to_le_bytes().get(..bytes).unwrap_or(&[]));
            }
            if depth <= 0 {
                return Ok(out);
            }
        }
    }

    fn literal(&mut self) -> Result<Literal, Error> {
        let negative = self.eat('-');
        let Token::Number(text) = self.token() else {
            return Err(self.error(format!("expected a number, found {}", shown(self.token()))));
        };
        let value = literal(text, negative)
            .ok_or_else(|| self.error(format!("`{text}` is no number of PTX")))?;
        self.step();
        Ok(value)
    }

    fn body(&mut self) -> Result<Vec<Statement<'a>>, Error> {
        let mut out = vec![];
        let mut depth = 0;
        loop {
            match self.token() {
                Token::Mark('{') => {
                    self.step();
                    depth += 1;
                    out.push(Statement::Open);
                }
                Token::Mark('}') => {
                    self.step();
                    if depth == 0 {
                        return Ok(out);
                    }
                    depth -= 1;
                    out.push(Statement::Close);
                }
                Token::Mark(';') => {
                    self.step();
                }
                Token::Mark('@') => out.push(Statement::Instruction(self.instruction()?)),
                Token::Word(".reg") => self.registers(&mut out)?,
                Token::Word(".shared" | ".local" | ".param" | ".global" | ".const") => {
                    out.extend(self.variables(false)?.into_iter().map(Statement::Variable));
                }
                Token::Word(word) if word.starts_with('.') => {
                    if !self.skip_directive(word)? {
                        return Err(self.error(format!("`{word}` is no directive of a body")));
                    }
                }
                Token::Word(word) if self.ahead() == Token::Mark(':') => {
                    self.step();
                    self.step();
                    out.push(Statement::Label(word));
                }
                Token::Word(_) => out.push(Statement::Instruction(self.instruction()?)),
                Token::End => return Err(self.error("this body has no `}`")),
                other @ (Token::Number(_) | Token::Text(_) | Token::Mark(_)) => {
                    let message = format!("expected an instruction, found {}", shown(other));
                    return Err(self.error(message));
                }
            }
        }
    }
}

/// Bytes of one element of a variable or register of this type.
pub fn bytes_of(element: &str) -> Option<usize> {
    Some(match element {
        "b8" | "u8" | "s8" => 1,
        "b16" | "u16" | "s16" | "f16" | "bf16" => 2,
        "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2" | "tf32" => 4,
        "b64" | "u64" | "s64" | "f64" => 8,
        "b128" => 16,
        _ => return None,
    })
}

fn shown(token: Token<'_>) -> String {
    match token {
        Token::Word(word) | Token::Number(word) => format!("`{word}`"),
        Token::Text(text) => format!("\"{text}\""),
        Token::Mark(mark) => format!("`{mark}`"),
        Token::End => "the end of the text".into(),
    }
}
