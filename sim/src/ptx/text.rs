//! The tree of a PTX text: directives, variables, functions and their instructions, names unresolved.

use super::lex::Literal;

/// A module as written.
#[derive(Debug, Default)]
pub struct Text<'a> {
    pub version: (u32, u32),
    pub target: &'a str,
    pub variables: Vec<Variable<'a>>,
    pub functions: Vec<Function<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Register,
    Param,
    Global,
    Const,
    Shared,
    Local,
}

/// `.shared .align 16 .b8 tile[4096];`
#[derive(Clone, Debug)]
pub struct Variable<'a> {
    pub name: &'a str,
    pub space: Space,
    pub align: usize,
    /// Bytes; an extern array has none of its own.
    pub size: usize,
    pub external: bool,
    pub bytes: Vec<u8>,
    pub line: u32,
    pub column: u32,
}

#[derive(Debug)]
pub struct Function<'a> {
    pub name: &'a str,
    pub entry: bool,
    pub params: Vec<Variable<'a>>,
    pub results: Vec<Variable<'a>>,
    /// Declarations alone have none.
    pub body: Option<Vec<Statement<'a>>>,
    /// Threads of a block that `.maxntid` and `.reqntid` name.
    pub max_threads: Option<[u32; 3]>,
    pub required_threads: Option<[u32; 3]>,
    pub line: u32,
    pub column: u32,
}

#[derive(Debug)]
pub enum Statement<'a> {
    Label(&'a str),
    /// `.reg .b32 %r<10>;`: the count is none for a single name.
    Registers {
        element: &'a str,
        name: &'a str,
        count: Option<u32>,
    },
    Variable(Variable<'a>),
    Open,
    Close,
    Instruction(Instruction<'a>),
}

#[derive(Debug)]
pub struct Instruction<'a> {
    /// `@p` or `@!p`.
    pub guard: Option<(&'a str, bool)>,
    pub name: &'a str,
    pub operands: Vec<Operand<'a>>,
    pub line: u32,
    pub column: u32,
    /// Bytes of the text, for reports.
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'a> {
    Name(&'a str),
    /// `!p`.
    Not(&'a str),
    Literal(Literal),
    Vector(Vec<Operand<'a>>),
    /// `[base + offset]`; `coordinates` are those of a tensor copy.
    Address {
        base: Option<&'a str>,
        offset: i64,
        coordinates: Vec<Operand<'a>>,
    },
    /// `d|p`.
    Pair(Box<Operand<'a>>, Box<Operand<'a>>),
    /// `(a, b)` of a call.
    List(Vec<Operand<'a>>),
    Sink,
}

impl<'a> Operand<'a> {
    pub fn integer(&self) -> Option<i64> {
        if let Operand::Literal(Literal::Int(x)) = self { Some(*x) } else { None }
    }

    pub fn name(&self) -> Option<&'a str> {
        if let Operand::Name(name) = self { Some(name) } else { None }
    }

    /// The elements of a vector, or the one operand.
    pub fn elements(&self) -> Vec<Operand<'a>> {
        if let Operand::Vector(list) = self { list.clone() } else { vec![self.clone()] }
    }
}
