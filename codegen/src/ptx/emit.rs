//! A machine kernel as a PTX module with one entry.
//!
//! ```text
//! .visible .entry axpy(
//!     .param .u64 slot0,
//!     .param .u64 slot1,
//!     .param .u64 workers
//! )
//! {
//!     ...
//!     ld.param.u64 %q5, [slot0];
//!     add.s64 %q6, %q5, %q3;
//!     ld.global.f32 %f0, [%q6+128];
//! ```
//!
//! Each warp is a worker; warps of a number from `workers` on do nothing. Vectors are one register a thread, uniform
//! integers the same in all of them. Loops test at the bottom; the registers that they carry are written at each end
//! of a turn.

mod control;
mod inst;
mod lanes;
mod template;

use super::{
    order::{Order, Since},
    shuffle::Table,
    targets::{self, LANES},
};
use kgen_ir::{
    arena::Map, artifact::Block, diag::Unsupported, machine::*, target::Target, tile::Compare,
};
use std::{
    fmt::{self, Write},
    rc::Rc,
};

/// Shared memory that a block has without being asked.
const SHARED: usize = 48 << 10;

/// Parts what a row does at once from what it does later.
const LATER: &str = "<later>";

/// Warps of a block: each scheduler of a multiprocessor gets one.
const WARPS: usize = 4;

/// The kernel as PTX of `target`, and how it is launched; an op without a row is refused with its name.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<(String, Block), Unsupported> {
    let emitted = emitted(kernel, target, None)?;
    Ok((emitted.0, emitted.1))
}

/// Of each line of the text that accesses global memory, the instruction that it is of.
pub(super) fn globals<'a>(
    kernel: &'a Kernel,
    target: &'a Target,
) -> Result<Vec<(u32, &'a Inst)>, Unsupported> {
    let (text, _, marked) = emitted(kernel, target, Some(vec![]))?;
    let number = |line: &str| line.rsplit_once(MARK)?.1.parse::<usize>().ok();
    let own = |(n, line)| Some((n, *marked.get(number(line)?)?));
    Ok((1..).zip(text.lines()).filter_map(own).collect())
}

/// Stands behind a line that accesses global memory, with the number of its instruction, where that is asked: lines move
/// until the text is whole.
const MARK: &str = " // ";

type WithMarks<'a> = (String, Block, Vec<&'a Inst>);

fn emitted<'a>(
    kernel: &'a Kernel,
    target: &'a Target,
    marked: Option<Vec<&'a Inst>>,
) -> Result<WithMarks<'a>, Unsupported> {
    let refuse = |what: String, instead: &str| {
        Err(Unsupported { what, target: target.name.into(), instead: instead.into() })
    };
    let Some(chip) = targets::chip(target) else {
        return refuse(format!("PTX for `{}`", target.name), "a target of the table");
    };
    if kernel.lanes != LANES {
        return refuse(format!("{} lanes", kernel.lanes), "lower for the lanes of a warp");
    }
    if !kernel.name.starts_with(|c: char| c.is_ascii_alphabetic())
        || !kernel.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return refuse(format!("the kernel name `{}`", kernel.name), "letters, digits and `_`");
    }
    let asks = kernel.slots.contains(&Slot::Scratch);
    let scratch = if asks { kernel.scratch } else { 0 };
    let shared = scratch <= SHARED;
    let warps = if shared {
        (0..=WARPS.ilog2()).rev().map(|p| 1 << p).find(|w| w * scratch <= SHARED).unwrap_or(1)
    } else {
        WARPS
    };
    let block = Block {
        threads: warps * LANES,
        workers: warps,
        shared: if shared { warps * scratch } else { 0 },
    };
    let mut e = Emitter {
        kernel,
        target,
        rows: target.rows.iter().rev().map(|row| (&row.op, row)).collect(),
        templates: Map::default(),
        names: vec![None; kernel.regs.len()],
        counts: [0; 5],
        order: Order::of(kernel),
        since: Since::default(),
        pool: Vec::with_capacity(2 * kernel.regs.len()),
        addresses: vec![Map::default()],
        later: vec![String::new()],
        wider: vec![],
        tables: Map::default(),
        seconds: vec![],
        scratch: shared.then_some(scratch),
        block,
        labels: 0,
        head: String::new(),
        // About so long are the lines of an instruction.
        text: String::with_capacity(64 * kernel.regs.len()),
        own: Own::default(),
        marked,
    };
    e.prologue();
    e.stmts(&kernel.body)?;
    let later = e.later.concat();
    e.text += &later;
    Ok((e.module(chip), block, e.marked.unwrap_or_default()))
}

/// Kinds of PTX registers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Predicate,
    Half,
    #[default]
    Word,
    Float,
    Quad,
}

/// A PTX register: `%q5`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
struct Name {
    kind: Kind,
    number: u32,
}

impl Name {
    fn put(self, out: &mut impl Write) -> fmt::Result {
        out.write_char('%')?;
        out.write_char(match self.kind {
            Kind::Predicate => 'p',
            Kind::Half => 'h',
            Kind::Word => 'r',
            Kind::Float => 'f',
            Kind::Quad => 'q',
        })?;
        let mut ten = 1;
        while self.number / ten >= 10 {
            ten *= 10;
        }
        while ten > 0 {
            out.write_char(char::from(b'0' + (self.number / ten % 10) as u8))?;
            ten /= 10;
        }
        Ok(())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.put(f)
    }
}

/// An operand of one word.
#[derive(Clone, Copy)]
enum Text {
    Name(Name),
    Imm(i64),
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Text::Name(name) => name.fmt(f),
            Text::Imm(x) => x.fmt(f),
        }
    }
}

const KINDS: [(Kind, &str, &str); 5] = [
    (Kind::Predicate, "p", ".pred"),
    (Kind::Half, "h", ".b16"),
    (Kind::Word, "r", ".b32"),
    (Kind::Float, "f", ".f32"),
    (Kind::Quad, "q", ".b64"),
];

impl From<Class> for Kind {
    fn from(class: Class) -> Kind {
        match class {
            Class::Int => Kind::Quad,
            Class::Float => Kind::Float,
            Class::Word => Kind::Word,
            Class::Mask => Kind::Predicate,
        }
    }
}

/// The type that moves a register of a class.
fn mov(class: Class) -> &'static str {
    match class {
        Class::Int => "b64",
        Class::Float => "f32",
        Class::Word => "b32",
        Class::Mask => "pred",
    }
}

/// What a thread knows of itself.
#[derive(Clone, Copy, Default)]
struct Own {
    lane: Name,
    lane64: Name,
    /// Whether this is lane 0.
    first: Name,
    worker: Name,
    block: Name,
}

/// What a lane finds in a table: lane to read, whether the second register.
type Found = (Option<Name>, Option<Name>);

/// A base, and bytes of an element or what a lane adds.
type Place = (Reg, Result<usize, Reg>);

struct Emitter<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
    /// The target's, by what they do: there are hundreds of rows, and thousands of instructions.
    rows: Map<&'static Op, &'static Row>,
    /// The text of rows, once used.
    templates: Map<&'a Op, Rc<template::Template>>,
    /// Where the PTX registers of each register stand in `pool`, and how many words it has, once it is defined.
    names: Vec<Option<(usize, usize)>>,
    pool: Vec<Name>,
    /// Registers of each kind so far.
    counts: [u32; 5],
    order: Order,
    since: Since,
    /// Address of this lane's element by base and bytes of an element, or bytes from it that the lane has, in the blocks
    /// that are open.
    addresses: Vec<Map<Place, Name>>,
    /// The lane times the bytes of an element.
    wider: Vec<(usize, Name)>,
    /// What the blocks that are open do at their next wait.
    later: Vec<String>,
    /// What tables come to, what each lane reads by one, and whether it takes the second register, by the lanes that do.
    tables: Map<&'a [u8], (Table, Found)>,
    seconds: Vec<(u32, Name)>,
    /// Bytes of a worker's scratch, if that is in shared memory.
    scratch: Option<usize>,
    block: Block,
    labels: usize,
    /// What is found once, before everything else.
    head: String,
    text: String,
    own: Own,
    /// Instructions with a line that accesses global memory, if lines are marked.
    marked: Option<Vec<&'a Inst>>,
}

type Emitted<T> = Result<T, Unsupported>;

impl<'a> Emitter<'a> {
    fn refuse(&self, what: String, instead: String) -> Unsupported {
        Unsupported { what, target: self.target.name.into(), instead }
    }

    fn broken(&self, inst: &Inst) -> Unsupported {
        self.refuse(
            format!("`{}`", print::show(self.kernel, inst)),
            "verify the kernel first".into(),
        )
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        self.text += "    ";
        let _ = self.text.write_fmt(line);
        self.text.push('\n');
    }

    /// `op.ty to, from..;`
    fn put_line(&mut self, op: &str, ty: &str, to: Name, from: &[Name]) {
        for part in ["    ", op, ".", ty, " "] {
            self.text += part;
        }
        // A string takes all that is written.
        let _ = to.put(&mut self.text);
        for name in from {
            self.text += ", ";
            let _ = name.put(&mut self.text);
        }
        self.text += ";\n";
    }

    fn label(&mut self) -> String {
        self.labels += 1;
        format!("$L{}", self.labels)
    }

    fn fresh(&mut self, kind: Kind) -> Name {
        let at = KINDS.iter().position(|(k, ..)| *k == kind).unwrap_or(0);
        let number = self.counts[at];
        self.counts[at] += 1;
        Name { kind, number }
    }

    fn class(&self, reg: Reg) -> Emitted<Class> {
        self.kernel.regs.get(reg).map(|d| d.class).ok_or_else(|| {
            self.refuse(format!("register {}", reg.index()), "verify the kernel first".into())
        })
    }

    /// The first of its words.
    fn define(&mut self, reg: Reg) -> Emitted<Name> {
        let kind = self.class(reg)?.into();
        let words = self.kernel.regs.get(reg).map_or(1, |d| usize::from(d.words));
        let at = self.pool.len();
        for _ in 0..words {
            let name = self.fresh(kind);
            self.pool.push(name);
        }
        self.names[reg.index()] = Some((at, words));
        self.name(reg)
    }

    /// The first of its words.
    fn name(&self, reg: Reg) -> Emitted<Name> {
        let first = self.words(reg)?.first().copied();
        first.ok_or_else(|| self.undefined(reg))
    }

    fn words(&self, reg: Reg) -> Emitted<&[Name]> {
        let place = self.names.get(reg.index()).copied().flatten();
        let words = place.and_then(|(at, words)| self.pool.get(at..at + words));
        words.ok_or_else(|| self.undefined(reg))
    }

    fn undefined(&self, reg: Reg) -> Unsupported {
        self.refuse(
            format!("register `{}` before its definition", self.kernel.reg_name(reg)),
            "verify the kernel first".into(),
        )
    }

    /// These are the words of that register.
    fn call(&mut self, reg: Reg, words: &[Name]) {
        self.names[reg.index()] = Some((self.pool.len(), words.len()));
        self.pool.extend(words);
    }

    fn operand(&self, operand: Operand) -> Emitted<Text> {
        match operand {
            Operand::Reg(reg) => Ok(Text::Name(self.name(reg)?)),
            Operand::Imm(x) => Ok(Text::Imm(x)),
        }
    }

    /// Lane, worker and what is left to do for warps beyond the last worker.
    fn prologue(&mut self) {
        let [tid, lane, warp, block, worker] = std::array::from_fn(|_| self.fresh(Kind::Word));
        let quads: [Name; 4] = std::array::from_fn(|_| self.fresh(Kind::Quad));
        let [lane64, number, count, first_of_block] = quads;
        let [first, none] = std::array::from_fn(|_| self.fresh(Kind::Predicate));
        let warps = self.block.workers;
        self.line(format_args!("mov.u32 {tid}, %tid.x;"));
        self.line(format_args!("mov.u32 {block}, %ctaid.x;"));
        self.line(format_args!("and.b32 {lane}, {tid}, {};", LANES - 1));
        self.line(format_args!("shr.u32 {warp}, {tid}, {};", LANES.ilog2()));
        self.line(format_args!("mad.lo.u32 {worker}, {block}, {warps}, {warp};"));
        self.line(format_args!("cvt.u64.u32 {number}, {worker};"));
        self.line(format_args!("ld.param.u64 {count}, [workers];"));
        self.line(format_args!("setp.ge.s64 {none}, {number}, {count};"));
        self.line(format_args!("@{none} exit;"));
        self.line(format_args!("mul.wide.u32 {first_of_block}, {block}, {warps};"));
        self.line(format_args!("cvt.u64.u32 {lane64}, {lane};"));
        self.line(format_args!("setp.eq.u32 {first}, {lane}, 0;"));
        let (worker, block) = (number, first_of_block);
        self.own = Own { lane, lane64, first, worker, block };
        self.head = std::mem::take(&mut self.text);
    }

    fn module(&self, chip: &targets::Chip) -> String {
        let mut out = format!(
            ".version {}\n.target {}\n.address_size 64\n\n.visible .entry {}(\n",
            chip.version,
            chip.target.features.first().unwrap_or(&""),
            self.kernel.name
        );
        for slot in 0..self.kernel.slots.len() {
            let _ = writeln!(out, "    .param .u64 slot{slot},");
        }
        // Nothing of the block's size: told it, ptxas 12.9 takes 255 registers and spills where it otherwise takes 119.
        out += "    .param .u64 workers\n)\n{\n";
        for ((_, name, ty), count) in KINDS.iter().zip(self.counts) {
            if count > 0 {
                let _ = writeln!(out, "    .reg {ty} %{name}<{count}>;");
            }
        }
        if self.block.shared > 0 {
            let _ = writeln!(out, "    .shared .align 64 .b8 scratch[{}];", self.block.shared);
        }
        out + "\n" + &self.head + &self.text + "    ret;\n}\n"
    }
}
