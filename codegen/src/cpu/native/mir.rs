//! Instructions over virtual registers in basic blocks, as the register allocator reads them.
//!
//! ```text
//! block 2 (v7, v8): loop 0
//!   VEX_Vfmadd231ps_ymm_ymm_ymmm256 v9 = v8, v3, [v7 + 32]
//!   Cmp_rm64_r64 v10, v2
//!   branch less block 3, block 4
//! ```
//!
//! Blocks stand in the order of the code. No edge goes from a block with two successors to one with two
//! predecessors: loops and ifs have blocks of their own for such edges, empty unless registers must move there.

use super::instr::{Instr, Role};
use kgen_ir::tile::Compare;

/// Register files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bank {
    General,
    /// xmm, ymm, zmm.
    Vector,
    /// k registers.
    Mask,
}

pub const GPR: Bank = Bank::General;
pub const VECTOR: Bank = Bank::Vector;
pub const MASK: Bank = Bank::Mask;

/// A virtual register. It is defined once, or is a parameter of one block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VReg(u32);

impl VReg {
    /// Stands for none yet.
    pub const INVALID: VReg = VReg(u32::MAX);

    pub fn new(index: usize, bank: Bank) -> VReg {
        VReg((index as u32) << 2 | bank as u32)
    }

    pub fn index(self) -> usize {
        (self.0 >> 2) as usize
    }

    pub fn bank(self) -> Bank {
        match self.0 & 3 {
            0 => Bank::General,
            1 => Bank::Vector,
            _ => Bank::Mask,
        }
    }
}

impl std::fmt::Debug for VReg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.index())
    }
}

/// What an instruction reads or makes. Numbers of registers count within their bank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operand {
    pub value: VReg,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Use,
    /// In this register.
    UseIn(u8),
    /// Made when all uses have been read.
    Def,
    DefIn(u8),
    /// In the register of that operand of the instruction.
    DefAt(u8),
    /// Made while uses are still read.
    DefEarly,
    /// Lost at once, and in nobody else's register.
    Temp,
}

impl How {
    pub fn reads(self) -> bool {
        match self {
            How::Use | How::UseIn(_) => true,
            How::Def | How::DefIn(_) | How::DefAt(_) | How::DefEarly | How::Temp => false,
        }
    }
}

/// A place in the code that blocks jump to, before it is known which block that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

#[derive(Debug, Default)]
pub struct Mir {
    pub insts: Vec<InstData>,
    pub operands: Vec<Operand>,
    pub args: Vec<Arg>,
    pub blocks: Vec<BlockData>,
    pub loops: Vec<LoopData>,
    pub pool: Pool,
    pub vregs: usize,
    labels: Vec<Option<usize>>,
    open: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
pub struct InstData {
    pub kind: Kind,
    operands: (u32, u32),
    args: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Instr {
        instr: &'static Instr,
        /// The operand that is the write mask, and whether it writes zeros where it is false.
        mask: Option<(u8, bool)>,
    },
    /// Words at `base + offset + 4 index`: operands are the base, the index, a mask that is lost, and the result,
    /// which must differ from the others.
    Gather(i32),
    /// Defines what the caller passes.
    Entry,
    /// A register of zeros. Changes the flags.
    Zero,
    Jump,
    Branch(Compare),
    Return,
}

/// An operand of an instruction as it is encoded; numbers are those of the allocator's operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    Reg(u8),
    Imm(i64),
    Mem { base: Option<u8>, index: Option<(u8, u8)>, offset: i32, broadcast: bool },
    Pool { constant: usize, broadcast: bool },
}

/// Which lanes or bytes an instruction writes.
#[derive(Clone, Copy, Debug)]
pub struct WriteMask {
    pub by: VReg,
    /// Writes zeros where it is false.
    pub zero: bool,
    /// What stays there, in the register of the result.
    pub merge: Option<VReg>,
}

/// An operand before it is given to the allocator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    Reg(VReg),
    Imm(i64),
    Mem { base: Option<VReg>, index: Option<(VReg, u8)>, offset: i32, broadcast: bool },
    Pool { constant: usize, broadcast: bool },
}

#[derive(Debug, Default)]
pub struct BlockData {
    /// Instructions, from the first to behind the last.
    pub first: usize,
    pub end: usize,
    pub params: Vec<VReg>,
    /// What the jump at the end gives to the parameters of the next block.
    pub values: Vec<VReg>,
    to: [Option<Label>; 2],
    pub succs: [Option<usize>; 2],
    pub preds: Vec<usize>,
    /// The innermost loop around it.
    pub within: Option<usize>,
    /// It is the head of this loop.
    pub head: bool,
}

#[derive(Debug)]
pub struct LoopData {
    pub parent: Option<usize>,
    pub innermost: bool,
    /// Blocks, from the head to the latch.
    pub blocks: (usize, usize),
}

/// Constants behind the code, each once.
#[derive(Debug, Default)]
pub struct Pool {
    pub constants: Vec<Vec<u8>>,
}

impl Pool {
    pub fn add(&mut self, bytes: Vec<u8>) -> usize {
        let known = self.constants.iter().position(|c| *c == bytes);
        known.unwrap_or_else(|| {
            self.constants.push(bytes);
            self.constants.len() - 1
        })
    }
}

impl Mir {
    pub fn vreg(&mut self, class: Bank) -> VReg {
        self.vregs += 1;
        VReg::new(self.vregs - 1, class)
    }

    fn push(&mut self, kind: Kind, operands: &[Operand], args: &[Arg]) {
        let from = (self.operands.len(), self.args.len());
        self.operands.extend_from_slice(operands);
        self.args.extend_from_slice(args);
        self.note(kind, from.0, from.1);
    }

    /// The instruction with the operands and arguments since these.
    fn note(&mut self, kind: Kind, operands: usize, args: usize) {
        self.insts.push(InstData {
            kind,
            operands: (operands as u32, self.operands.len() as u32),
            args: (args as u32, self.args.len() as u32),
        });
    }

    pub fn entry(&mut self, defs: &[(VReg, u8)]) {
        let defs: Vec<Operand> =
            defs.iter().map(|(value, r)| Operand { value: *value, how: How::DefIn(*r) }).collect();
        self.push(Kind::Entry, &defs, &[]);
    }

    pub fn zero(&mut self, class: Bank) -> VReg {
        let value = self.vreg(class);
        self.push(Kind::Zero, &[Operand { value, how: How::Def }], &[]);
        value
    }

    /// An instruction whose sources are `sources`, in the order of its operands; `def` takes the place of the first
    /// operand that is written and is not memory, and shares its register with the source there, if there is one.
    /// `None` where they do not fit.
    pub fn instr(
        &mut self,
        instr: &'static Instr,
        def: Option<VReg>,
        sources: &[Given],
        mask: Option<WriteMask>,
    ) -> Option<()> {
        let merge = mask.and_then(|m| m.merge);
        let (first, first_arg) = (self.operands.len(), self.args.len());
        let operands = &mut self.operands;
        let mut sources = sources.iter().copied().peekable();
        let mut def = def;
        let mut late = None;
        for form in instr.operands {
            let memory = form.memory > 0
                && matches!(sources.peek(), Some(Given::Mem { .. } | Given::Pool { .. }));
            let here = if memory { None } else { def.filter(|_| form.role != Role::Use) };
            let mut add = |o: Operand| {
                operands.push(o);
                (operands.len() - first - 1) as u8
            };
            if let Some(d) = here {
                def = None;
                let tied = match (form.role, merge) {
                    (Role::Tied, _) => match sources.next()? {
                        Given::Reg(from) => Some(from),
                        Given::Imm(_) | Given::Mem { .. } | Given::Pool { .. } => return None,
                    },
                    (Role::Def | Role::Use | Role::Address, merge) => merge,
                };
                self.args.push(Arg::Reg(match tied {
                    Some(from) => {
                        let n = add(Operand { value: from, how: How::Use });
                        late = Some(Operand { value: d, how: How::DefAt(n) });
                        n
                    }
                    None => add(Operand { value: d, how: How::Def }),
                }));
                continue;
            }
            let mut reads = |value: VReg| add(Operand { value, how: How::Use });
            self.args.push(match sources.next()? {
                Given::Reg(v) => Arg::Reg(reads(v)),
                Given::Imm(x) => Arg::Imm(x),
                Given::Mem { base, index, offset, broadcast } => Arg::Mem {
                    base: base.map(&mut reads),
                    index: index.map(|(v, scale)| (reads(v), scale)),
                    offset,
                    broadcast,
                },
                Given::Pool { constant, broadcast } => Arg::Pool { constant, broadcast },
            });
        }
        if def.is_some() || sources.next().is_some() {
            return None;
        }
        let mask = mask.map(|m| {
            operands.push(Operand { value: m.by, how: How::Use });
            ((operands.len() - first - 1) as u8, m.zero)
        });
        operands.extend(late);
        self.note(Kind::Instr { instr, mask }, first, first_arg);
        Some(())
    }

    /// The words at the places that `index` tells, with a mask of this class on the way.
    pub fn gather(&mut self, base: VReg, offset: i32, index: VReg, mask: Bank) -> VReg {
        let (mask, def) = (self.vreg(mask), self.vreg(VECTOR));
        let operand = |value, how| Operand { value, how };
        let operands = [
            operand(base, How::Use),
            operand(index, How::Use),
            operand(mask, How::Temp),
            operand(def, How::DefEarly),
        ];
        self.push(Kind::Gather(offset), &operands, &[]);
        def
    }

    /// An instruction with all its operands in fixed registers.
    pub fn fixed(&mut self, instr: &'static Instr, operands: &[Operand], args: &[Arg]) {
        self.push(Kind::Instr { instr, mask: None }, operands, args);
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Starts the block of the label. The one before must have ended.
    pub fn block(&mut self, label: Label, params: Vec<VReg>) {
        self.labels[label.0] = Some(self.blocks.len());
        self.blocks.push(BlockData {
            first: self.insts.len(),
            params,
            within: self.open.last().copied(),
            ..BlockData::default()
        });
    }

    pub fn open_loop(&mut self) {
        if let Some(outer) = self.open.last() {
            self.loops[*outer].innermost = false;
        }
        let parent = self.open.last().copied();
        let here = (self.blocks.len(), self.blocks.len());
        self.open.push(self.loops.len());
        self.loops.push(LoopData { parent, innermost: true, blocks: here });
    }

    /// Marks the block just begun as the head of the loop.
    pub fn head(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.head = true;
        }
    }

    pub fn close_loop(&mut self) {
        if let Some(l) = self.open.pop() {
            self.loops[l].blocks.1 = self.blocks.len() - 1;
        }
    }

    fn end(&mut self, kind: Kind, to: [Option<Label>; 2], values: Vec<VReg>) {
        self.push(kind, &[], &[]);
        let end = self.insts.len();
        if let Some(block) = self.blocks.last_mut() {
            (block.end, block.to, block.values) = (end, to, values);
        }
    }

    pub fn jump(&mut self, label: Label, values: Vec<VReg>) {
        self.end(Kind::Jump, [Some(label), None], values);
    }

    pub fn branch(&mut self, condition: Compare, yes: Label, no: Label) {
        self.end(Kind::Branch(condition), [Some(yes), Some(no)], Vec::new());
    }

    pub fn ret(&mut self) {
        self.end(Kind::Return, [None; 2], Vec::new());
    }

    /// Connects the blocks, when all are there.
    pub fn connect(&mut self) {
        for i in 0..self.blocks.len() {
            let to = self.blocks[i].to.map(|l| l.and_then(|l| self.labels[l.0]));
            for b in to.into_iter().flatten() {
                self.blocks[b].preds.push(i);
            }
            self.blocks[i].succs = to;
        }
    }

    pub fn args(&self, inst: usize) -> &[Arg] {
        let (from, to) = self.insts[inst].args;
        &self.args[from as usize..to as usize]
    }

    /// Places of its operands among all.
    pub fn places(&self, inst: usize) -> std::ops::Range<usize> {
        let (from, to) = self.insts[inst].operands;
        from as usize..to as usize
    }

    /// Whether it does nothing but go on to the next.
    pub fn only_jumps(&self, block: usize) -> bool {
        let b = &self.blocks[block];
        b.end - b.first == 1 && self.insts[b.first].kind == Kind::Jump
    }
}
