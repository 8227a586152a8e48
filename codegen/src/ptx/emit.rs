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

use super::{
    order::{Order, Since},
    shuffle::{self, Lane, Of, Table},
    targets::{self, LANES},
};
use kgen_ir::{artifact::Block, diag::Unsupported, machine::*, target::Target, tile::Compare};
use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Write},
};

/// Shared memory that a block has without being asked.
const SHARED: usize = 48 << 10;

/// Parts what a row does at once from what it does later.
const LATER: &str = "<later>";

/// Warps of a block: each scheduler of a multiprocessor gets one.
const WARPS: usize = 4;

/// The kernel as PTX of `target`, and how it is launched; an op without a row is refused with its name.
pub fn emit(kernel: &Kernel, target: &Target) -> Result<(String, Block), Unsupported> {
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
        names: vec![None; kernel.regs.len()],
        counts: [0; 5],
        order: Order::of(kernel),
        since: Since::default(),
        addresses: vec![HashMap::new()],
        later: vec![String::new()],
        always: HashSet::new(),
        wider: HashMap::new(),
        lanes: HashMap::new(),
        seconds: HashMap::new(),
        scratch: shared.then_some(scratch),
        block,
        labels: 0,
        head: String::new(),
        text: String::new(),
        own: Own::default(),
    };
    e.prologue();
    e.stmts(&kernel.body)?;
    let later = e.later.concat();
    e.text += &later;
    Ok((e.module(chip), block))
}

/// Kinds of PTX registers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Predicate,
    Half,
    Word,
    Float,
    Quad,
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
#[derive(Default)]
struct Own {
    lane: String,
    lane64: String,
    /// Twice and four times the lane.
    lane2: String,
    lane4: String,
    /// Whether this is lane 0.
    first: String,
    worker: String,
    block: String,
}

impl Own {
    /// What a template calls it.
    fn by_key(&self, key: &str) -> Option<&str> {
        Some(match key {
            "lane" => &self.lane,
            "lane64" => &self.lane64,
            "first" => &self.first,
            "worker" => &self.worker,
            _ => return None,
        })
    }
}

/// Keys of addresses by lane, and bytes of an element.
const LANE_ADDRESSES: [(&str, usize); 5] =
    [("<m1>", 1), ("<m2>", 2), ("<m4>", 4), ("<m8>", 8), ("<m16>", 16)];

/// PTX registers of what one lane finds in a table: lane to read, whether the second register.
type Found = (Option<String>, Option<String>);

/// A base, and bytes of an element or what a lane adds.
type Place = (Reg, Result<usize, Reg>);

struct Emitter<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
    /// The target's, by what they do: there are hundreds of rows, and thousands of instructions.
    rows: HashMap<&'static Op, &'static Row>,
    /// PTX registers of each register, one a word, once it is defined.
    names: Vec<Option<Vec<String>>>,
    /// Registers of each kind so far.
    counts: [usize; 5],
    order: Order,
    since: Since,
    /// Address of this lane's element by base and bytes of an element, or bytes from it that the lane has, in the blocks
    /// that are open.
    addresses: Vec<HashMap<Place, String>>,
    /// Masks that hold in every lane.
    always: HashSet<Reg>,
    /// The lane times the bytes of an element, where those are more than four.
    wider: HashMap<usize, String>,
    /// What the blocks that are open do at their next wait.
    later: Vec<String>,
    /// What each lane reads by a table, and whether it takes the second register, by the lanes that do.
    lanes: HashMap<Vec<u8>, String>,
    seconds: HashMap<u32, String>,
    /// Bytes of a worker's scratch, if that is in shared memory.
    scratch: Option<usize>,
    block: Block,
    labels: usize,
    /// What is found once, before everything else.
    head: String,
    text: String,
    own: Own,
}

type Emitted<T> = Result<T, Unsupported>;

impl Emitter<'_> {
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
        let _ = writeln!(self.text, "    {line}");
    }

    fn label(&mut self) -> String {
        self.labels += 1;
        format!("$L{}", self.labels)
    }

    fn fresh(&mut self, kind: Kind) -> String {
        let at = KINDS.iter().position(|(k, ..)| *k == kind).unwrap_or(0);
        let (name, number) = (KINDS[at].1, self.counts[at]);
        self.counts[at] += 1;
        format!("%{name}{number}")
    }

    fn class(&self, reg: Reg) -> Emitted<Class> {
        self.kernel.regs.get(reg).map(|d| d.class).ok_or_else(|| {
            self.refuse(format!("register {}", reg.index()), "verify the kernel first".into())
        })
    }

    fn define(&mut self, reg: Reg) -> Emitted<String> {
        let kind = self.class(reg)?.into();
        let words = self.kernel.regs.get(reg).map_or(1, |d| d.words);
        let names: Vec<String> = (0..words).map(|_| self.fresh(kind)).collect();
        let text = names.join(", ");
        self.names[reg.index()] = Some(names);
        Ok(text)
    }

    /// Of several words a list.
    fn name(&self, reg: Reg) -> Emitted<String> {
        Ok(self.words(reg)?.join(", "))
    }

    fn words(&self, reg: Reg) -> Emitted<Vec<String>> {
        self.names.get(reg.index()).cloned().flatten().ok_or_else(|| {
            self.refuse(
                format!("register `{}` before its definition", self.kernel.reg_name(reg)),
                "verify the kernel first".into(),
            )
        })
    }

    fn operand(&self, operand: Operand) -> Emitted<String> {
        match operand {
            Operand::Reg(reg) => self.name(reg),
            Operand::Imm(x) => Ok(x.to_string()),
        }
    }

    /// Lane, worker and what is left to do for warps beyond the last worker.
    fn prologue(&mut self) {
        let [tid, lane, warp, block, worker] = std::array::from_fn(|_| self.fresh(Kind::Word));
        let quads: [String; 6] = std::array::from_fn(|_| self.fresh(Kind::Quad));
        let [lane64, lane2, lane4, number, count, first_of_block] = quads;
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
        self.line(format_args!("shl.b64 {lane2}, {lane64}, 1;"));
        self.line(format_args!("shl.b64 {lane4}, {lane64}, 2;"));
        self.line(format_args!("setp.eq.u32 {first}, {lane}, 0;"));
        let (worker, block) = (number, first_of_block);
        self.own = Own { lane, lane64, lane2, lane4, first, worker, block };
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

    fn stmts(&mut self, list: &[Stmt]) -> Emitted<()> {
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
    fn block(&mut self, list: &[Stmt]) -> Emitted<()> {
        self.addresses.push(HashMap::new());
        self.later.push(String::new());
        let done = self.stmts(list);
        self.addresses.pop();
        self.text += &self.later.pop().unwrap_or_default();
        done
    }

    fn loop_(&mut self, l: &Loop) -> Emitted<()> {
        let (body, exit) = (self.label(), self.label());
        let (lo, hi, step) = (self.operand(l.lo)?, self.operand(l.hi)?, self.operand(l.step)?);
        let mut starts = Vec::new();
        for c in &l.carried {
            let init = self.words(c.init)?;
            self.define(c.param)?;
            let class = self.class(c.param)?;
            starts.extend(self.words(c.param)?.into_iter().zip(init).map(|(p, i)| (class, p, i)));
        }
        let var = self.define(l.var)?;
        self.line(format_args!("mov.b64 {var}, {lo};"));
        self.copies(&starts);
        let (none, more) = (self.fresh(Kind::Predicate), self.fresh(Kind::Predicate));
        self.line(format_args!("setp.ge.s64 {none}, {var}, {hi};"));
        self.line(format_args!("@{none} bra.uni {exit};"));
        let before = std::mem::take(&mut self.since);
        self.since = self.order.head(&l.body, &before);
        let _ = writeln!(self.text, "{body}:");
        self.block(&l.body)?;
        let mut next = Vec::new();
        for c in &l.carried {
            let (class, from) = (self.class(c.param)?, self.words(c.yielded)?);
            next.extend(self.words(c.param)?.into_iter().zip(from).map(|(p, y)| (class, p, y)));
        }
        self.copies(&next);
        self.line(format_args!("add.s64 {var}, {var}, {step};"));
        self.line(format_args!("setp.lt.s64 {more}, {var}, {hi};"));
        self.line(format_args!("@{more} bra.uni {body};"));
        let _ = writeln!(self.text, "{exit}:");
        self.since = before.join(&std::mem::take(&mut self.since).turned());
        for c in &l.carried {
            // What a turn would begin with is what the loop ends with.
            self.names[c.result.index()] = Some(self.words(c.param)?);
        }
        Ok(())
    }

    fn if_(&mut self, i: &If) -> Emitted<()> {
        let (otherwise, exit) = (self.label(), self.label());
        let (a, b) = (self.operand(i.a)?, self.operand(i.b)?);
        let a = match i.a {
            Operand::Reg(_) => a,
            Operand::Imm(_) => {
                let q = self.fresh(Kind::Quad);
                self.line(format_args!("mov.b64 {q}, {a};"));
                q
            }
        };
        let mut results = Vec::new();
        for y in &i.yields {
            self.define(y.0)?;
            results.push((self.class(y.0)?, self.words(y.0)?));
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
            self.names[y.0.index()] = Some(name);
        }
        Ok(())
    }

    fn branch(
        &mut self,
        body: &[Stmt],
        results: &[(Class, Vec<String>)],
        yields: impl Iterator<Item = Reg>,
    ) -> Emitted<()> {
        self.block(body)?;
        for ((class, to), from) in results.iter().zip(yields) {
            for (to, from) in to.iter().zip(self.words(from)?) {
                self.line(format_args!("mov.{} {to}, {from};", mov(*class)));
            }
        }
        Ok(())
    }

    /// Moves that happen at once: what one writes, another may read.
    fn copies(&mut self, list: &[(Class, String, String)]) {
        let list: Vec<_> = list.iter().filter(|(_, to, from)| to != from).cloned().collect();
        let clash = list.iter().any(|(_, to, _)| list.iter().any(|(_, _, from)| from == to));
        let mut from: Vec<String> = list.iter().map(|(_, _, from)| from.clone()).collect();
        if clash {
            for ((class, ..), from) in list.iter().zip(&mut from) {
                let saved = self.fresh((*class).into());
                self.line(format_args!("mov.{} {saved}, {from};", mov(*class)));
                *from = saved;
            }
        }
        for ((class, to, _), from) in list.iter().zip(from) {
            self.line(format_args!("mov.{} {to}, {from};", mov(*class)));
        }
    }

    fn inst(&mut self, inst: &Inst) -> Emitted<()> {
        if self.order.step(inst, &mut self.since) {
            self.line(format_args!("bar.warp.sync -1;"));
        }
        let imm = match inst.uses.last() {
            Some(Operand::Imm(x)) => Some(*x),
            Some(Operand::Reg(_)) | None => None,
        };
        match &inst.op {
            Op::Arg => {
                let (def, slot) = inst.def.zip(imm).ok_or_else(|| self.broken(inst))?;
                return self.arg(def, slot).ok_or_else(|| self.broken(inst));
            }
            Op::Shuffle(table) => return self.shuffle(inst, table),
            Op::Join(_) => {
                let def = inst.def.ok_or_else(|| self.broken(inst))?;
                let mut names = Vec::new();
                for from in &inst.uses {
                    names.push(self.operand(*from)?);
                }
                self.names[def.index()] = Some(names);
                return Ok(());
            }
            Op::Part => {
                let (Some(def), Some(Operand::Reg(from))) = (inst.def, inst.uses.first()) else {
                    return Err(self.broken(inst));
                };
                let at = imm.and_then(|i| usize::try_from(i).ok());
                let word = self.words(*from)?.into_iter().nth(at.unwrap_or(usize::MAX));
                let word = word.ok_or_else(|| self.broken(inst))?;
                self.names[def.index()] = Some(vec![word]);
                return Ok(());
            }
            Op::WordCmp(Compare::Eq) => {
                if let (Some(def), [a, b]) = (inst.def, inst.uses.as_slice())
                    && a == b
                {
                    self.always.insert(def);
                }
            }
            // Every chip hides latency by other warps.
            Op::Prefetch(_) if self.target.row(&inst.op).is_none() => return Ok(()),
            Op::Async(AsyncOp::Wait) => {
                if let Some(later) = self.later.last_mut() {
                    self.text += &std::mem::take(later);
                }
            }
            Op::Async(AsyncOp::Copy(_)) | Op::Squares { .. } if self.scratch.is_none() => {
                return Err(self.refuse(
                    format!("copies to {} bytes of scratch", self.kernel.scratch),
                    format!("tiles that fit {SHARED} bytes of shared memory"),
                ));
            }
            Op::Int(op @ (IntOp::Div | IntOp::Rem)) => {
                // Both round down, as a shift and a mask do.
                if let (Some(def), [a, Operand::Imm(n)]) = (inst.def, inst.uses.as_slice())
                    && n.count_ones() == 1
                    && *n > 0
                {
                    let a = self.operand(*a)?;
                    let d = self.define(def)?;
                    if *op == IntOp::Rem {
                        self.line(format_args!("and.b64 {d}, {a}, {};", n - 1));
                    } else {
                        self.line(format_args!("shr.s64 {d}, {a}, {};", n.trailing_zeros()));
                    }
                    return Ok(());
                }
            }
            Op::Spread => {
                if let (Some(def), Some(x)) = (inst.def, imm) {
                    let d = self.define(def)?;
                    self.line(format_args!("mov.b32 {d}, 0x{:08X};", x as u32));
                    return Ok(());
                }
            }
            // The rest are rows, word for word.
            Op::Const
            | Op::Worker
            | Op::Int(_)
            | Op::Read(_)
            | Op::Write(_)
            | Op::Next
            | Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::SplatF16
            | Op::Store(_)
            | Op::LoadPart(_)
            | Op::StorePart(_)
            | Op::Gather
            | Op::Async(_)
            | Op::Squares { .. }
            | Op::GatherPart(_)
            | Op::Scatter(_)
            | Op::Pair(_)
            | Op::Mma(_)
            | Op::Prefetch(_)
            | Op::FloatConst
            | Op::WordConst
            | Op::Iota
            | Op::Float(_)
            | Op::FloatUnary(_)
            | Op::Fma
            | Op::Word(_)
            | Op::Shift(_)
            | Op::Half(_)
            | Op::FloatCmp(_)
            | Op::WordCmp(_)
            | Op::Mask(_)
            | Op::Select
            | Op::Bits
            | Op::FromBits
            | Op::Cvt(_)
            | Op::HSum
            | Op::HMax
            | Op::WordHSum
            | Op::Ballot
            | Op::PermuteBytes
            | Op::Affine
            | Op::PackBf16
            | Op::Dot(_) => {}
        }
        self.row(inst, imm)
    }

    /// An entry of the argument array. Scratch in shared memory begins so that worker w of the launch, w times its size
    /// further, is where warp w of this block should be.
    fn arg(&mut self, def: Reg, slot: i64) -> Option<()> {
        let number = usize::try_from(slot).ok()?;
        let kind = self.kernel.slots.get(number)?.clone();
        let d = self.define(def).ok()?;
        match (kind, self.scratch) {
            (Slot::Scratch, Some(size)) => {
                let (start, before) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
                let block = self.own.block.clone();
                self.line(format_args!("mov.u64 {start}, scratch;"));
                self.line(format_args!("mul.lo.s64 {before}, {block}, {size};"));
                self.line(format_args!("sub.s64 {d}, {start}, {before};"));
            }
            (
                Slot::Scratch
                | Slot::Pointer(_)
                | Slot::Stride(..)
                | Slot::Extent(_)
                | Slot::Counter(_)
                | Slot::End(_)
                | Slot::Report,
                _,
            ) => self.line(format_args!("ld.param.u64 {d}, [slot{number}];")),
        }
        Some(())
    }

    fn row(&mut self, inst: &Inst, imm: Option<i64>) -> Emitted<()> {
        let row = self.rows.get(&inst.op).copied().ok_or_else(|| {
            self.refuse(
                format!("`{}`", inst.op),
                "expand it into ops of the target, or choose another schedule".into(),
            )
        })?;
        let class = match (inst.def, inst.uses.first()) {
            (Some(def), _) => Some(self.class(def)?),
            (None, Some(Operand::Reg(reg))) => Some(self.class(*reg)?),
            (None, Some(Operand::Imm(_)) | None) => None,
        };
        let mut keys: Vec<(&str, String)> = Vec::new();
        for (key, operand) in ["a", "b", "c", "e"].into_iter().zip(&inst.uses) {
            keys.push((key, self.operand(*operand)?));
        }
        if let Some(x) = imm {
            keys.push(("x", format!("0f{:08X}", x as u32)));
            let small = matches!(inst.op, Op::Shift(_) | Op::Half(_) | Op::Const | Op::Async(_));
            keys.push(("n", if small { x.to_string() } else { format!("0x{:08X}", x as u32) }));
        }
        if let Some(mem) = inst.mem {
            let base = self.name(mem.base)?;
            let shared = self.scratch.is_some()
                && self.order.slot(mem.base).and_then(|s| self.kernel.slots.get(s))
                    == Some(&Slot::Scratch);
            keys.push(("S", if shared { "shared" } else { "global" }.into()));
            // PTX knows sums alone: `[%q1+-4]`.
            let offset = if mem.offset == 0 { String::new() } else { format!("+{}", mem.offset) };
            for (key, size) in LANE_ADDRESSES {
                if row.text.contains(key) {
                    let address = self.lane_address(mem.base, &base, size);
                    let key = key.trim_matches(['<', '>']);
                    keys.push((key, format!("[{address}{offset}]")));
                }
            }
            if row.text.contains("<g>") {
                // The mask is the last operand, the bytes stand before it.
                let Some([Operand::Reg(bytes), _]) = inst.uses.last_chunk() else {
                    return Err(self.broken(inst));
                };
                let address = self.gather_address(mem.base, &base, *bytes)?;
                keys.push(("g", format!("[{address}{offset}]")));
            }
            keys.push(("m", format!("[{base}{offset}]")));
            keys.push(("base", base));
            keys.push(("o", offset));
        }
        let (ty, zero) =
            if class == Some(Class::Float) { ("f32", "0f00000000") } else { ("b32", "0") };
        keys.extend([("T", ty.into()), ("zero", zero.into())]);
        if let Some(def) = inst.def {
            keys.push(("d", self.define(def)?));
        }
        let mut template = row.text;
        if let (Op::GatherPart(_) | Op::Scatter(_), Some(Operand::Reg(mask))) =
            (&inst.op, inst.uses.last())
        {
            if self.always.contains(mask) {
                // All lanes, without asking each.
                template = template.split_once(' ').map_or(template, |(_, rest)| rest);
            } else if let Some(def) = inst.def {
                for word in self.words(def)? {
                    self.line(format_args!("mov.{ty} {word}, {zero};"));
                }
            }
        }
        keys.push(("later", LATER.into()));
        let text = self.fill(template, &keys).ok_or_else(|| self.broken(inst))?;
        let (now, later) = text.split_once(LATER).unwrap_or((&text, ""));
        self.text += now.trim_end_matches(' ');
        if let Some(list) = self.later.last_mut() {
            *list += later.trim_start_matches('\n');
        }
        Ok(())
    }

    /// Where this lane's element of `size` bytes is, without the offset.
    fn lane_address(&mut self, reg: Reg, base: &str, size: usize) -> String {
        let key = (reg, Ok(size));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return known.clone();
        }
        let by = match size {
            1 => self.own.lane64.clone(),
            2 => self.own.lane2.clone(),
            4 => self.own.lane4.clone(),
            _ => self.lane_times(size),
        };
        let address = self.fresh(Kind::Quad);
        self.line(format_args!("add.s64 {address}, {base}, {by};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address.clone());
        }
        address
    }

    /// The lane times so many bytes, a power of two, found once at the entry.
    fn lane_times(&mut self, size: usize) -> String {
        if let Some(known) = self.wider.get(&size) {
            return known.clone();
        }
        let by = self.fresh(Kind::Quad);
        let (lane, shift) = (&self.own.lane64, size.trailing_zeros());
        let _ = writeln!(self.head, "    shl.b64 {by}, {lane}, {shift};");
        self.wider.insert(size, by.clone());
        by
    }

    /// Where the element is that stands so many bytes behind the base as the lane says.
    fn gather_address(&mut self, reg: Reg, base: &str, bytes: Reg) -> Emitted<String> {
        let key = (reg, Err(bytes));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return Ok(known.clone());
        }
        let from = self.name(bytes)?;
        let (wide, address) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
        self.line(format_args!("cvt.s64.s32 {wide}, {from};"));
        self.line(format_args!("add.s64 {address}, {base}, {wide};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address.clone());
        }
        Ok(address)
    }

    /// The template with its keys replaced; `None` for a key that the instruction does not give.
    fn fill(&mut self, template: &str, keys: &[(&str, String)]) -> Option<String> {
        let mut temporaries: Vec<(&str, String)> = Vec::new();
        let mut out = String::new();
        for line in template.lines() {
            out += "    ";
            let mut rest = line;
            while let Some((before, after)) = rest.split_once('<') {
                let (key, after) = after.split_once('>')?;
                out += before;
                let given = keys.iter().chain(&temporaries).find(|(k, _)| *k == key);
                match (given, self.own.by_key(key)) {
                    (Some((_, name)), _) => out += name,
                    (None, Some(name)) => out += name,
                    (None, None) => {
                        let kind = match key.as_bytes() {
                            [b't', b'0'..=b'9'] => Kind::Word,
                            [b'f', b'0'..=b'9'] => Kind::Float,
                            [b'h', b'0'..=b'9'] => Kind::Half,
                            [b'q', b'0'..=b'9'] => Kind::Quad,
                            [b'p', b'0'..=b'9'] => Kind::Predicate,
                            _ => return None,
                        };
                        let name = self.fresh(kind);
                        out += &name;
                        temporaries.push((key, name));
                    }
                }
                rest = after;
            }
            out += rest;
            out.push('\n');
        }
        Some(out)
    }

    fn shuffle(&mut self, inst: &Inst, entries: &[u8]) -> Emitted<()> {
        let (Some(def), [a, b]) = (inst.def, inst.uses.as_slice()) else {
            return Err(self.broken(inst));
        };
        let Some(table) = Table::of(entries) else {
            return Err(self.refuse(format!("`{}`", inst.op), "32 lanes below 64".into()));
        };
        let (class, a, b) = (self.class(def)?, self.operand(*a)?, self.operand(*b)?);
        let (lane, second) = self.table(entries, &table);
        let d = self.define(def)?;
        let read = |e: &mut Self, from: &str| match (&table.lane, &lane) {
            (Some(Lane::Xor(bits)), _) => {
                let got = e.fresh(class.into());
                e.line(format_args!("shfl.sync.bfly.b32 {got}, {from}, {bits}, 31, -1;"));
                got
            }
            (Some(Lane::Planes(_)), Some(lane)) => {
                let got = e.fresh(class.into());
                e.line(format_args!("shfl.sync.idx.b32 {got}, {from}, {lane}, 31, -1;"));
                got
            }
            (Some(Lane::Planes(_)), None) | (None, _) => from.to_owned(),
        };
        let ty = mov(class);
        match (table.of, second) {
            (Of::First, _) => {
                let got = read(self, &a);
                self.line(format_args!("mov.{ty} {d}, {got};"));
            }
            (Of::Second, _) => {
                let got = read(self, &b);
                self.line(format_args!("mov.{ty} {d}, {got};"));
            }
            (Of::Both(_), second) => {
                let (x, y) = (read(self, &a), read(self, &b));
                let second = second.unwrap_or_default();
                self.line(format_args!("selp.{ty} {d}, {y}, {x}, {second};"));
            }
        }
        Ok(())
    }

    /// What each lane finds in a table, looked up once at the entry. Tables that take the same lanes from the second
    /// register share the predicate: there are seven.
    fn table(&mut self, entries: &[u8], table: &Table) -> Found {
        let own = self.own.lane.clone();
        let lane = match (&table.lane, self.lanes.get(entries)) {
            (_, Some(known)) => Some(known.clone()),
            (Some(Lane::Planes(planes)), None) => {
                let (text, at) = shuffle::lane_of(planes, &own, || self.fresh(Kind::Word));
                for line in text.lines() {
                    let _ = writeln!(self.head, "    {line}");
                }
                self.lanes.insert(entries.to_vec(), at.clone());
                Some(at)
            }
            (Some(Lane::Xor(_)) | None, None) => None,
        };
        let second = match table.of {
            Of::Both(word) => Some(match self.seconds.get(&word) {
                Some(known) => known.clone(),
                None => {
                    let regs: [String; 3] = std::array::from_fn(|_| self.fresh(Kind::Word));
                    let [bits, moved, one] = regs;
                    let test = self.fresh(Kind::Predicate);
                    let _ = writeln!(self.head, "    mov.b32 {bits}, 0x{word:08X};");
                    let _ = writeln!(self.head, "    shr.u32 {moved}, {bits}, {own};");
                    let _ = writeln!(self.head, "    and.b32 {one}, {moved}, 1;");
                    let _ = writeln!(self.head, "    setp.ne.u32 {test}, {one}, 0;");
                    self.seconds.insert(word, test.clone());
                    test
                }
            }),
            Of::First | Of::Second => None,
        };
        (lane, second)
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
