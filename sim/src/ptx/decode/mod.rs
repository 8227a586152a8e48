//! From the tree to executable form: names become slots, opcodes become operations.
//!
//! Every part of an opcode must be understood. A modifier that nobody asked for is an error at its place: what is
//! ignored could be what matters.

mod float;
mod flow;
mod integer;
mod memory;
mod move_;
mod needs;
mod operand;
mod warp;

use super::{
    Error,
    float::Format,
    op::{ALWAYS, Instruction, Kernel, Op, Predicate, SINK, Slot, TRUE, Type},
    text::{self, Function, Operand, Space, Statement, Text, Variable},
};
use std::collections::{BTreeMap, HashMap};

/// Inlined functions may not nest deeper, nor a kernel grow beyond this.
const DEPTH: usize = 16;
const LONGEST: usize = 1 << 20;

pub fn kernel(module: &Text<'_>, function: &Function<'_>) -> Result<Kernel, Error> {
    let mut decoder = Decoder::new(module, function)?;
    for variable in &module.variables {
        decoder.module_variable(variable)?;
    }
    decoder.body(function, None)?;
    decoder.finish(function)
}

/// What a name means in a scope.
#[derive(Clone, Debug)]
enum Binding {
    Register {
        slot: Slot,
        bits: u32,
    },
    Predicate(u32),
    /// An offset in its space.
    Variable {
        space: Space,
        offset: u32,
    },
    Global,
}

/// `.reg .b32 %r<10>`, or the type of one name that nobody has used yet.
struct Declared<'a> {
    element: &'a str,
    count: Option<u32>,
}

#[derive(Default)]
struct Scope<'a> {
    declared: HashMap<&'a str, Declared<'a>>,
    names: HashMap<&'a str, Binding>,
}

struct Decoder<'a> {
    module: &'a Text<'a>,
    scopes: Vec<Scope<'a>>,
    out: Kernel,
    constants: HashMap<u64, Slot>,
    specials: HashMap<String, Slot>,
    addresses: HashMap<(&'a str, i64), Slot>,
    /// Labels of each body, by its number: targets of branches come later.
    labels: BTreeMap<(usize, &'a str), u32>,
    jumps: Vec<(usize, usize, &'a str, u32, u32)>,
    bodies: usize,
    calls: Vec<&'a str>,
    reads: Vec<Slot>,
    writes: Vec<Slot>,
}

/// An instruction on its way: its parts are taken one by one.
struct Parts<'a, 'b> {
    text: &'b text::Instruction<'a>,
    parts: Vec<&'a str>,
}

impl<'a> Parts<'a, '_> {
    fn error(&self, message: impl Into<String>) -> Error {
        Error::text(self.text.line, self.text.column, message)
    }

    fn unsupported(&self, message: impl Into<String>) -> Error {
        Error::Unsupported {
            line: self.text.line,
            column: self.text.column,
            message: message.into(),
        }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }

    /// Takes a modifier away; was it there?
    fn take(&mut self, part: &str) -> bool {
        let at = self.parts.iter().position(|p| *p == part);
        if let Some(at) = at {
            self.parts.remove(at);
        }
        at.is_some()
    }

    fn take_any(&mut self, parts: &[&str]) -> Option<&'a str> {
        let at = self.parts.iter().position(|p| parts.contains(p))?;
        Some(self.parts.remove(at))
    }

    fn take_kind(&mut self) -> Option<Type> {
        let at = self.parts.iter().position(|p| kind(p).is_some())?;
        kind(self.parts.remove(at))
    }

    fn kind(&mut self) -> Result<Type, Error> {
        self.take_kind().ok_or_else(|| self.error(format!("`{}` has no type", self.text.name)))
    }

    /// All modifiers were understood, and so many operands are there.
    fn done(&self, operands: std::ops::RangeInclusive<usize>) -> Result<(), Error> {
        if let Some(part) = self.parts.first() {
            return Err(self.unsupported(format!("`.{part}` of `{}`", self.text.name)));
        }
        let n = self.text.operands.len();
        if !operands.contains(&n) {
            let message = format!(
                "`{}` takes {} operands, here are {n}",
                self.text.name,
                if operands.start() == operands.end() {
                    operands.start().to_string()
                } else {
                    format!("{} to {}", operands.start(), operands.end())
                }
            );
            return Err(self.error(message));
        }
        Ok(())
    }

    fn operand(&self, i: usize) -> Result<&Operand<'a>, Error> {
        self.text.operands.get(i).ok_or_else(|| self.error("an operand is missing"))
    }
}

/// A fundamental type.
fn kind(name: &str) -> Option<Type> {
    Some(match name {
        "pred" => Type::Predicate,
        "f16x2" => Type::Pair(super::float::F16),
        "bf16x2" => Type::Pair(super::float::BF16),
        "f32x2" => Type::Pair(super::float::F32),
        "f16" | "bf16" | "f32" | "f64" | "tf32" => Type::Float(Format::parse(name)?),
        _ => {
            let (letter, bits) = name.split_at_checked(1)?;
            let bits = bits.parse().ok().filter(|b| [8, 16, 32, 64, 128].contains(b))?;
            match letter {
                "u" => Type::Unsigned(bits),
                "s" => Type::Signed(bits),
                "b" => Type::Bits(bits),
                _ => return None,
            }
        }
    })
}

impl<'a> Decoder<'a> {
    fn new(module: &'a Text<'a>, function: &Function<'a>) -> Result<Decoder<'a>, Error> {
        let mut params = vec![];
        let mut bytes = 0u32;
        let mut scope = Scope::default();
        for param in &function.params {
            bytes = bytes.next_multiple_of(param.align as u32);
            let size =
                u32::try_from(param.size).ok().filter(|s| *s <= 1 << 16).ok_or_else(|| {
                    Error::text(param.line, param.column, "a parameter has at most 65536 bytes")
                })?;
            params.push((param.name.to_string(), bytes, size));
            let binding = Binding::Variable { space: Space::Param, offset: bytes };
            scope.names.insert(param.name, binding);
            bytes += size;
        }
        let out = Kernel {
            name: function.name.into(),
            code: vec![],
            reads: vec![],
            writes: vec![],
            registers: SINK + 1,
            predicates: TRUE + 1,
            special: vec![],
            params,
            param_bytes: bytes,
            shared: 0,
            dynamic_align: 16,
            shared_names: vec![],
            local: 0,
            globals: vec![],
            max_threads: function.max_threads,
            required_threads: function.required_threads,
        };
        Ok(Decoder {
            module,
            scopes: vec![Scope::default(), scope],
            out,
            constants: HashMap::new(),
            specials: HashMap::new(),
            addresses: HashMap::new(),
            labels: BTreeMap::new(),
            jumps: vec![],
            bodies: 0,
            calls: vec![],
            reads: vec![],
            writes: vec![],
        })
    }

    fn module_variable(&mut self, variable: &Variable<'a>) -> Result<(), Error> {
        let binding = match variable.space {
            Space::Shared => self.shared(variable)?,
            Space::Global | Space::Const => Binding::Global,
            Space::Register | Space::Param | Space::Local => {
                let what = "a module has variables in .global, .const and .shared";
                return Err(Error::text(variable.line, variable.column, what));
            }
        };
        if let Some(scope) = self.scopes.first_mut() {
            scope.names.insert(variable.name, binding);
        }
        Ok(())
    }

    /// Extern arrays share the dynamic memory behind the static one: they get their place at the end.
    fn shared(&mut self, variable: &Variable<'a>) -> Result<Binding, Error> {
        let dynamic = variable.external || variable.size == 0;
        let offset = if dynamic {
            self.out.dynamic_align = self.out.dynamic_align.max(variable.align as u32);
            DYNAMIC
        } else {
            let at = self.out.shared.next_multiple_of(variable.align as u32);
            let end = u64::from(at) + variable.size as u64;
            if end > 1 << 20 {
                let what = "shared memory beyond a megabyte";
                return Err(Error::text(variable.line, variable.column, what));
            }
            self.out.shared = end as u32;
            self.out.shared_names.push((variable.name.into(), at, variable.size as u32));
            at
        };
        Ok(Binding::Variable { space: Space::Shared, offset })
    }

    fn declare(&mut self, variable: &Variable<'a>) -> Result<(), Error> {
        let binding = match variable.space {
            Space::Shared => self.shared(variable)?,
            Space::Local | Space::Param | Space::Register => {
                let at = self.out.local.next_multiple_of(variable.align as u32);
                let end = u64::from(at) + variable.size as u64;
                if end > 1 << 19 {
                    let what = "local memory beyond 512 KiB a thread";
                    return Err(Error::text(variable.line, variable.column, what));
                }
                self.out.local = end as u32;
                Binding::Variable { space: Space::Local, offset: at }
            }
            Space::Global | Space::Const => {
                let what = "variables of a body are in .shared, .local or .param";
                return Err(Error::text(variable.line, variable.column, what));
            }
        };
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.insert(variable.name, binding);
        }
        Ok(())
    }

    /// The statements of a function; `end` is the label that its `ret` goes to, none for a kernel.
    fn body(&mut self, function: &Function<'a>, end: Option<usize>) -> Result<(), Error> {
        let function = self
            .module
            .functions
            .iter()
            .find(|f| f.name == function.name)
            .ok_or_else(|| Error::text(function.line, function.column, "no such function"))?;
        let Some(statements) = &function.body else {
            let message = format!("`{}` is declared and has no body", function.name);
            return Err(Error::text(function.line, function.column, message));
        };
        let body = end.unwrap_or(0);
        let depth = self.scopes.len();
        self.scopes.push(Scope::default());
        for statement in statements {
            match statement {
                Statement::Open => self.scopes.push(Scope::default()),
                Statement::Close => {
                    if self.scopes.len() > depth + 1 {
                        self.scopes.pop();
                    }
                }
                Statement::Label(name) => {
                    let at = self.out.code.len() as u32;
                    if self.labels.insert((body, name), at).is_some() {
                        let message = format!("the label `{name}` stands twice");
                        return Err(Error::text(function.line, function.column, message));
                    }
                }
                Statement::Registers { element, name, count } => {
                    if let Some(scope) = self.scopes.last_mut() {
                        scope.declared.insert(name, Declared { element, count: *count });
                    }
                }
                Statement::Variable(variable) => self.declare(variable)?,
                Statement::Instruction(text) => self.instruction(text, body)?,
            }
        }
        self.scopes.truncate(depth);
        Ok(())
    }

    fn instruction(&mut self, text: &text::Instruction<'a>, body: usize) -> Result<(), Error> {
        if self.out.code.len() >= LONGEST {
            return Err(Error::text(text.line, text.column, "this kernel is too long"));
        }
        self.reads.clear();
        self.writes.clear();
        if let Some(why) = needs::lacking(text.name, self.module.target, self.module.version) {
            return Err(Error::text(text.line, text.column, why));
        }
        let mut parts = Parts { text, parts: text.name.split('.').collect() };
        let guard = match text.guard {
            Some((name, negated)) => Predicate { slot: self.predicate(&parts, name)?, negated },
            None => ALWAYS,
        };
        let main = parts.parts.remove(0);
        if main == "call" {
            return self.call(parts, guard);
        }
        let op = self.flow(main, &mut parts, body)?;
        let op = match op {
            Some(op) => op,
            None => self.operation(main, parts)?,
        };
        self.push(text, op, guard);
        Ok(())
    }

    fn operation(&mut self, main: &str, parts: Parts<'a, '_>) -> Result<Op, Error> {
        // Each room says by its list of names what it takes.
        if float::NAMES.contains(&main) && float::takes(main, &parts) {
            return self.float(main, parts);
        }
        if integer::NAMES.contains(&main) {
            return self.integer(main, parts);
        }
        if move_::NAMES.contains(&main) {
            return self.moves(main, parts);
        }
        if memory::NAMES.contains(&main) {
            return self.memory(main, parts);
        }
        if warp::NAMES.contains(&main) {
            return self.warp(main, parts);
        }
        Err(parts.unsupported(format!("the instruction `{}`", parts.text.name)))
    }

    fn push(&mut self, text: &text::Instruction<'a>, op: Op, guard: Predicate) {
        let range = |all: &mut Vec<Slot>, new: &[Slot]| {
            let start = all.len() as u32;
            all.extend_from_slice(new);
            (start, all.len() as u32)
        };
        let reads = range(&mut self.out.reads, &self.reads);
        let writes = range(&mut self.out.writes, &self.writes);
        let text_range = (text.start as u32, text.end as u32);
        self.out.code.push(Instruction {
            op,
            guard,
            line: text.line,
            text: text_range,
            reads,
            writes,
            meet: u32::MAX,
        });
    }

    fn register(&mut self) -> Slot {
        self.out.registers += 1;
        self.out.registers - 1
    }
}

/// Where dynamic shared memory begins is known when the kernel is complete.
const DYNAMIC: u32 = u32::MAX;
