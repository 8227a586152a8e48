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
use regalloc2::{
    Block, Function, Inst, InstRange, Operand, OperandKind, PReg, PRegSet, RegClass, VReg,
};

/// General registers.
pub const GPR: RegClass = RegClass::Int;
/// xmm, ymm, zmm.
pub const VECTOR: RegClass = RegClass::Float;
/// k registers.
pub const MASK: RegClass = RegClass::Vector;

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
    /// Parked values: 64 bytes each on the stack.
    pub parks: usize,
    vregs: usize,
    labels: Vec<Option<Block>>,
    open: Vec<usize>,
    /// Bytes of a vector register.
    vector: usize,
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
    /// Puts a value on the stack, and takes it back.
    Park(usize),
    Unpark(usize),
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
    first: usize,
    end: usize,
    params: Vec<VReg>,
    to: Vec<(Label, Vec<VReg>)>,
    succs: Vec<Block>,
    preds: Vec<Block>,
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
    pub fn new(vector: usize) -> Mir {
        Mir { vector, ..Mir::default() }
    }

    pub fn vreg(&mut self, class: RegClass) -> VReg {
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

    pub fn entry(&mut self, defs: &[(VReg, PReg)]) {
        let defs: Vec<Operand> = defs.iter().map(|(v, p)| Operand::reg_fixed_def(*v, *p)).collect();
        self.push(Kind::Entry, &defs, &[]);
    }

    pub fn zero(&mut self, class: RegClass) -> VReg {
        let def = self.vreg(class);
        self.push(Kind::Zero, &[Operand::reg_def(def)], &[]);
        def
    }

    pub fn park(&mut self, value: VReg) -> usize {
        self.parks += 1;
        self.push(Kind::Park(self.parks - 1), &[Operand::reg_use(value)], &[]);
        self.parks - 1
    }

    pub fn unpark(&mut self, slot: usize, class: RegClass) -> VReg {
        let def = self.vreg(class);
        self.push(Kind::Unpark(slot), &[Operand::reg_def(def)], &[]);
        def
    }

    /// An instruction whose sources are `sources`, in the order of its operands; `def` takes the place of the first
    /// operand that is written and is not memory, and shares its register with the source there, if there is one.
    /// `None` where they do not fit.
    pub fn instr(
        &mut self,
        instr: &'static Instr,
        def: Option<VReg>,
        sources: &[Given],
        mask: Option<(VReg, bool)>,
    ) -> Option<()> {
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
                self.args.push(Arg::Reg(match form.role {
                    Role::Tied => {
                        let Given::Reg(from) = sources.next()? else { return None };
                        let n = add(Operand::reg_use(from));
                        late = Some(Operand::reg_reuse_def(d, n.into()));
                        n
                    }
                    Role::Def | Role::Use | Role::Address => add(Operand::reg_def(d)),
                }));
                continue;
            }
            let mut reads = |v: VReg| add(Operand::reg_use(v));
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
        let mask = mask.map(|(m, zero)| {
            operands.push(Operand::reg_use(m));
            ((operands.len() - first - 1) as u8, zero)
        });
        operands.extend(late);
        self.note(Kind::Instr { instr, mask }, first, first_arg);
        Some(())
    }

    /// The words at the places that `index` tells, with a mask of this class on the way.
    pub fn gather(&mut self, base: VReg, offset: i32, index: VReg, mask: RegClass) -> VReg {
        let (mask, def) = (self.vreg(mask), self.vreg(VECTOR));
        let operands = [
            Operand::reg_use(base),
            Operand::reg_use(index),
            Operand::reg_temp(mask),
            Operand::reg_def_at_start(def),
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
        self.labels[label.0] = Some(Block::new(self.blocks.len()));
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

    fn end(&mut self, kind: Kind, to: Vec<(Label, Vec<VReg>)>) {
        self.push(kind, &[], &[]);
        let end = self.insts.len();
        if let Some(block) = self.blocks.last_mut() {
            block.end = end;
            block.to = to;
        }
    }

    pub fn jump(&mut self, label: Label, values: Vec<VReg>) {
        self.end(Kind::Jump, vec![(label, values)]);
    }

    pub fn branch(&mut self, condition: Compare, yes: Label, no: Label) {
        self.end(Kind::Branch(condition), vec![(yes, Vec::new()), (no, Vec::new())]);
    }

    pub fn ret(&mut self) {
        self.end(Kind::Return, Vec::new());
    }

    /// Connects the blocks, when all are there.
    pub fn connect(&mut self) {
        for i in 0..self.blocks.len() {
            let to: Vec<Block> =
                self.blocks[i].to.iter().filter_map(|(l, _)| self.labels[l.0]).collect();
            for b in &to {
                self.blocks[b.index()].preds.push(Block::new(i));
            }
            self.blocks[i].succs = to;
        }
    }

    pub fn args(&self, inst: Inst) -> &[Arg] {
        let (from, to) = self.insts[inst.index()].args;
        &self.args[from as usize..to as usize]
    }

    /// Whether it does nothing but go on to the next.
    pub fn only_jumps(&self, block: usize) -> bool {
        let b = &self.blocks[block];
        b.end - b.first == 1 && self.insts[b.first].kind == Kind::Jump
    }

    /// Most registers of each class that hold values at once: in the whole, and in each loop.
    pub fn max_live(&self) -> Live {
        const UNBORN: u32 = u32::MAX;
        // A value lives from its definition to its last use; one from outside a loop lives through all of it.
        #[derive(Clone, Copy)]
        struct Life {
            born: u32,
            dies: u32,
            home: Option<usize>,
            class: u8,
        }
        let unborn = Life { born: UNBORN, dies: 0, home: None, class: 0 };
        let mut lives = vec![unborn; self.vregs];
        let end_of = |l: usize| self.blocks[self.loops[l].blocks.1].end as u32;
        fn class(v: VReg) -> u8 {
            v.class() as u8
        }
        for block in &self.blocks {
            let home = block.within;
            for p in &block.params {
                let born = block.first as u32;
                lives[p.vreg()] = Life { born, dies: born, home, class: class(*p) };
            }
            let read = |life: &mut Life, at: u32| {
                // Out to the loop where it was made.
                let (mut at, mut l) = (at, home);
                while l != life.home {
                    let Some(inner) = l else { break };
                    at = end_of(inner);
                    l = self.loops[inner].parent;
                }
                life.dies = life.dies.max(at);
            };
            for i in block.first..block.end {
                for o in self.inst_operands(Inst::new(i)) {
                    let (v, at) = (o.vreg(), i as u32);
                    if o.kind() == OperandKind::Def {
                        lives[v.vreg()] = Life { born: at, dies: at, home, class: class(v) };
                    } else {
                        read(&mut lives[v.vreg()], at);
                    }
                }
            }
            for v in block.to.iter().flat_map(|(_, values)| values) {
                read(&mut lives[v.vreg()], block.end as u32 - 1);
            }
        }
        let mut change = vec![[0i32; 3]; self.insts.len() + 2];
        for life in lives.iter().filter(|l| l.born != UNBORN) {
            let class = usize::from(life.class);
            change[life.born as usize][class] += 1;
            change[life.dies.max(life.born + 1) as usize][class] -= 1;
        }
        let mut out = Live { whole: [0; 3], loops: vec![[0; 3]; self.loops.len()] };
        let mut live = [0; 3];
        for block in &self.blocks {
            let mut most = [0; 3];
            for c in &change[block.first..block.end] {
                for class in 0..3 {
                    live[class] += c[class];
                    most[class] = live[class].max(most[class]);
                }
            }
            let raise = |to: &mut [usize; 3]| {
                for (to, most) in to.iter_mut().zip(most) {
                    *to = (*to).max(most as usize);
                }
            };
            raise(&mut out.whole);
            let mut l = block.within;
            while let Some(inner) = l {
                raise(&mut out.loops[inner]);
                l = self.loops[inner].parent;
            }
        }
        out
    }
}

/// Registers that hold values at once, by class.
#[derive(Debug)]
pub struct Live {
    pub whole: [usize; 3],
    pub loops: Vec<[usize; 3]>,
}

impl Function for Mir {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        let b = &self.blocks[block.index()];
        InstRange::new(Inst::new(b.first), Inst::new(b.end))
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].succs
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].preds
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }

    fn is_ret(&self, inst: Inst) -> bool {
        self.insts[inst.index()].kind == Kind::Return
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(self.insts[inst.index()].kind, Kind::Jump | Kind::Branch(_))
    }

    fn branch_blockparams(&self, block: Block, _: Inst, succ: usize) -> &[VReg] {
        self.blocks[block.index()].to.get(succ).map_or(&[], |(_, values)| values)
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        let (from, to) = self.insts[inst.index()].operands;
        &self.operands[from as usize..to as usize]
    }

    fn inst_clobbers(&self, _: Inst) -> PRegSet {
        PRegSet::empty()
    }

    fn num_vregs(&self) -> usize {
        self.vregs
    }

    fn spillslot_size(&self, class: RegClass) -> usize {
        match class {
            RegClass::Int | RegClass::Vector => 1,
            RegClass::Float => self.vector / 8,
        }
    }
}
