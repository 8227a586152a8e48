//! Allocated instructions become bytes: prologue, moves of the allocator, branches, constants behind the code.
//!
//! ```text
//! push rbp; mov rbp,rsp; push rbx; sub rsp,128; and rsp,-64     only what is needed of this
//! ..
//! vzeroupper; lea rsp,[rbp-8]; pop rbx; pop rbp; ret
//! constants, the largest first
//! ```

use super::{
    instr::{File, Instr},
    isa::{self, Isa, SAVED},
    mir::{Arg, Kind, MASK, Mir, VECTOR},
    operand::{Plain, gpr, immediate, memory, register},
};
use iced_x86::{Code, Encoder, Instruction, OpKind, Register};
use kgen_ir::tile::Compare;
use regalloc2::{
    Allocation, AllocationKind, Block, Edit, Function, Inst, InstOrEdit, Output, RegClass,
};

/// Code, and what stands where.
pub struct Encoded {
    pub code: Vec<u8>,
    pub pieces: Vec<Piece>,
    pub instructions: usize,
    /// Moves between registers and to or from the stack in innermost loops.
    pub inner_moves: usize,
    pub inner_stack: usize,
    /// Moves to or from the stack anywhere.
    pub spills: usize,
}

/// A line of the listing.
pub struct Piece {
    pub at: usize,
    pub len: usize,
    pub what: What,
}

pub enum What {
    Instr(Instruction),
    /// Name and target of a jump.
    Jump(&'static str, usize),
    Nop,
    Constant,
}

/// Boundary of the heads of innermost loops: a fetch window.
const ALIGN: usize = 32;
const LINE: usize = 64;

struct Out<'a> {
    isa: &'static Isa,
    mir: &'a Mir,
    encoder: &'a mut Encoder,
    /// Bytes, lines.
    out: Encoded,
    /// Where each block begins.
    blocks: Vec<Option<usize>>,
    /// Jumps forward: end of the instruction, block.
    jumps: Vec<(usize, usize, usize)>,
    /// Piece, place of the displacement, constant.
    constants: Vec<(usize, usize, usize)>,
    frame: Option<Frame>,
    saved: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Frame {
    bytes: usize,
    /// Where parked values begin.
    parks: usize,
}

/// Number of an allocated register.
fn number(a: Allocation) -> Result<usize, String> {
    a.as_reg().map(|p| p.hw_enc()).ok_or_else(|| format!("{a} is no register"))
}

pub fn encode(
    mir: &Mir,
    isa: &'static Isa,
    output: &Output,
    encoder: &mut Encoder,
) -> Result<Encoded, String> {
    let used = |n: &usize| {
        let reg = |a: &Allocation| {
            a.as_reg().is_some_and(|p| p.class() == RegClass::Int && p.hw_enc() == *n)
        };
        output.allocs.iter().any(reg)
            || output.edits.iter().any(|(_, Edit::Move { from, to })| reg(from) || reg(to))
    };
    let slots = 8 * output.num_spillslots;
    let parks = slots.next_multiple_of(LINE);
    let frame = (output.num_spillslots + mir.parks > 0)
        .then_some(Frame { bytes: parks + LINE * mir.parks, parks });
    let mut o = Out {
        isa,
        mir,
        encoder,
        out: Encoded {
            code: Vec::new(),
            pieces: Vec::with_capacity(mir.insts.len() + output.edits.len() + 16),
            instructions: 0,
            inner_moves: 0,
            inner_stack: 0,
            spills: 0,
        },
        blocks: vec![None; mir.blocks.len()],
        jumps: Vec::new(),
        constants: Vec::new(),
        frame,
        saved: SAVED.into_iter().filter(used).collect(),
    };
    o.encoder.set_buffer(Vec::with_capacity(8 * mir.insts.len() + 256));
    o.prologue()?;
    o.body(output)?;
    o.out.code = o.encoder.take_buffer();
    o.out.instructions = o.out.pieces.iter().filter(|p| !matches!(p.what, What::Nop)).count();
    o.patch()?;
    Ok(o.out)
}

impl Out<'_> {
    fn at(&self) -> usize {
        self.out.pieces.last().map_or(0, |p| p.at + p.len)
    }

    fn put(&mut self, instruction: Instruction) -> Result<(), String> {
        let at = self.at();
        let len = self
            .encoder
            .encode(&instruction, at as u64)
            .map_err(|e| format!("{:?}: {e}", instruction.code()))?;
        self.out.pieces.push(Piece { at, len, what: What::Instr(instruction) });
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8], what: What) {
        let at = self.at();
        bytes.iter().for_each(|b| self.encoder.write_u8(*b));
        self.out.pieces.push(Piece { at, len: bytes.len(), what });
    }

    /// An instruction of registers, numbers and one place on the stack.
    fn plain(&mut self, code: Code, operands: &[Plain]) -> Result<(), String> {
        let mut i = Instruction::default();
        i.set_code(code);
        for (n, operand) in operands.iter().enumerate() {
            let n = n as u32;
            match operand {
                Plain::Reg(r) => {
                    i.set_op_kind(n, OpKind::Register);
                    i.set_op_register(n, *r);
                }
                Plain::Imm8(x) => {
                    i.set_op_kind(n, OpKind::Immediate8to64);
                    i.set_immediate8to64(*x);
                }
                Plain::Imm32(x) => {
                    i.set_op_kind(n, OpKind::Immediate32to64);
                    i.set_immediate32to64(*x);
                }
                Plain::Mem(base, offset) => memory(&mut i, n, *base, None, *offset),
            }
        }
        self.put(i)
    }

    fn prologue(&mut self) -> Result<(), String> {
        use Plain::{Imm8, Imm32, Reg};
        let (rbp, rsp) = (gpr(isa::RBP), gpr(isa::RSP));
        if self.frame.is_some() {
            self.plain(Code::Push_r64, &[Reg(rbp)])?;
            self.plain(Code::Mov_r64_rm64, &[Reg(rbp), Reg(rsp)])?;
        }
        for n in self.saved.clone() {
            self.plain(Code::Push_r64, &[Reg(gpr(n))])?;
        }
        if let Some(frame) = self.frame {
            self.plain(Code::Sub_rm64_imm32, &[Reg(rsp), Imm32(frame.bytes as i64)])?;
            self.plain(Code::And_rm64_imm8, &[Reg(rsp), Imm8(-(LINE as i64))])?;
        }
        Ok(())
    }

    fn epilogue(&mut self) -> Result<(), String> {
        use Plain::{Mem, Reg};
        let (rbp, rsp) = (gpr(isa::RBP), gpr(isa::RSP));
        self.plain(Code::VEX_Vzeroupper, &[])?;
        if self.frame.is_some() {
            let saved = -8 * self.saved.len() as i64;
            self.plain(Code::Lea_r64_m, &[Reg(rsp), Mem(rbp, saved)])?;
        }
        for n in self.saved.clone().into_iter().rev() {
            self.plain(Code::Pop_r64, &[Reg(gpr(n))])?;
        }
        if self.frame.is_some() {
            self.plain(Code::Pop_r64, &[Reg(rbp)])?;
        }
        self.plain(Code::Retnq, &[])
    }

    fn body(&mut self, output: &Output) -> Result<(), String> {
        // Blocks that only go on, with nothing moved on the way, are left out.
        let count = self.mir.blocks.len();
        let mut empty: Vec<bool> = (0..count).map(|b| self.mir.only_jumps(b)).collect();
        for (b, empty) in empty.iter_mut().enumerate().filter(|(_, e)| **e) {
            let moves = |e: InstOrEdit| matches!(e, InstOrEdit::Edit(Edit::Move { from, to }) if from != to);
            *empty = !output.block_insts_and_edits(self.mir, Block::new(b)).any(moves);
        }
        let target = |mut b: usize| {
            while empty.get(b) == Some(&true) {
                match self.mir.block_succs(Block::new(b)).first() {
                    Some(next) => b = next.index(),
                    None => break,
                }
            }
            b
        };
        let targets: Vec<usize> = (0..count).map(target).collect();
        for b in 0..count {
            if empty[b] {
                continue;
            }
            let block = &self.mir.blocks[b];
            let inner = block.within.is_some_and(|l| self.mir.loops[l].innermost);
            if inner && block.head {
                self.align();
            }
            self.blocks[b] = Some(self.at());
            let next = (b + 1..count).find(|n| !empty[*n]);
            for item in output.block_insts_and_edits(self.mir, Block::new(b)) {
                match item {
                    InstOrEdit::Edit(Edit::Move { from, to }) => {
                        if from == to {
                            continue;
                        }
                        if from.is_reg() && to.is_reg() {
                            self.out.inner_moves += usize::from(inner);
                        } else {
                            self.out.inner_stack += usize::from(inner);
                            self.out.spills += 1;
                        }
                        self.shift(*from, *to)?;
                    }
                    InstOrEdit::Inst(inst) => {
                        let succs = self.mir.block_succs(Block::new(b));
                        let go = |n: usize| succs.get(n).map(|s| targets[s.index()]);
                        self.inst(inst, output.inst_allocs(inst), [go(0), go(1)], next, inner)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn align(&mut self) {
        // The long forms of nop that all CPUs decode in one step.
        const NOPS: [&[u8]; 9] = [
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0x00],
            &[0x0f, 0x1f, 0x40, 0x00],
            &[0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
            &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
            &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
            &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
        ];
        let mut left = self.at().next_multiple_of(ALIGN) - self.at();
        while left > 0 {
            let n = left.min(NOPS.len());
            self.raw(NOPS[n - 1], What::Nop);
            left -= n;
        }
    }

    fn inst(
        &mut self,
        inst: Inst,
        allocs: &[Allocation],
        go: [Option<usize>; 2],
        next: Option<usize>,
        inner: bool,
    ) -> Result<(), String> {
        match self.mir.insts[inst.index()].kind {
            Kind::Entry => Ok(()),
            Kind::Instr { instr, mask } => self.machine(instr, self.mir.args(inst), allocs, mask),
            Kind::Gather(offset) => self.gather(allocs, offset),
            Kind::Zero => {
                let n = number(allocs[0])?;
                if allocs[0].as_reg().is_some_and(|p| p.class() == RegClass::Int) {
                    let r = Plain::Reg(register(File::R32, n));
                    self.plain(Code::Xor_r32_rm32, &[r, r])
                } else if n < 16 {
                    let x = Plain::Reg(register(File::Xmm, n));
                    self.plain(Code::VEX_Vpxor_xmm_xmm_xmmm128, &[x, x, x])
                } else {
                    let z = Plain::Reg(register(File::Zmm, n));
                    self.plain(Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, &[z, z, z])
                }
            }
            Kind::Park(slot) => {
                self.out.inner_stack += usize::from(inner);
                self.stack(allocs[0], self.park_offset(slot), true)
            }
            Kind::Unpark(slot) => {
                self.out.inner_stack += usize::from(inner);
                self.stack(allocs[0], self.park_offset(slot), false)
            }
            Kind::Jump => {
                if let Some(to) = go[0].filter(|to| Some(*to) != next) {
                    self.jump(None, to);
                }
                Ok(())
            }
            Kind::Branch(condition) => {
                let [Some(yes), Some(no)] = go else { return Err("a branch leads nowhere".into()) };
                if Some(yes) == next && yes != no {
                    self.jump(Some(not(condition)), no);
                } else {
                    self.jump(Some(condition), yes);
                    if Some(no) != next {
                        self.jump(None, no);
                    }
                }
                Ok(())
            }
            Kind::Return => self.epilogue(),
        }
    }

    fn machine(
        &mut self,
        instr: &'static Instr,
        args: &[Arg],
        allocs: &[Allocation],
        mask: Option<(u8, bool)>,
    ) -> Result<(), String> {
        let reg = |n: u8| allocs.get(usize::from(n)).copied().map_or(Err(String::new()), number);
        let mut i = Instruction::default();
        i.set_code(instr.code);
        let mut constant = None;
        for (n, (form, arg)) in instr.operands.iter().zip(args).enumerate() {
            let n = n as u32;
            match arg {
                Arg::Reg(r) => {
                    i.set_op_kind(n, OpKind::Register);
                    i.set_op_register(n, register(form.file, reg(*r)?));
                }
                Arg::Imm(x) => immediate(&mut i, n, form.file, *x)?,
                Arg::Mem { base, index, offset, broadcast } => {
                    let base = base.map_or(Ok(Register::None), |b| reg(b).map(gpr))?;
                    let index = match index {
                        Some((v, scale)) => Some((gpr(reg(*v)?), *scale)),
                        None => None,
                    };
                    memory(&mut i, n, base, index, i64::from(*offset));
                    i.set_is_broadcast(*broadcast);
                }
                Arg::Pool { constant: c, broadcast } => {
                    i.set_op_kind(n, OpKind::Memory);
                    i.set_memory_base(Register::RIP);
                    i.set_memory_displ_size(8);
                    i.set_memory_displacement64(self.at() as u64);
                    i.set_is_broadcast(*broadcast);
                    constant = Some(*c);
                }
            }
        }
        if let Some((mask, zero)) = mask {
            i.set_op_mask(register(File::K, reg(mask)?));
            i.set_zeroing_masking(zero);
        }
        // The only instruction here that others see while it runs.
        i.set_has_lock_prefix(instr.code == Code::Xadd_rm64_r64);
        self.put(i)?;
        if let Some(c) = constant {
            let place = self.encoder.get_constant_offsets().displacement_offset();
            self.constants.push((self.out.pieces.len() - 1, place, c));
        }
        Ok(())
    }

    /// All lanes: the mask is made of ones first, and is zero afterwards.
    fn gather(&mut self, allocs: &[Allocation], offset: i32) -> Result<(), String> {
        let reg = |n: usize| allocs.get(n).copied().map_or(Err(String::new()), number);
        let (base, index, mask, def) = (reg(0)?, reg(1)?, reg(2)?, reg(3)?);
        let (ones, code, file, masks) = if self.isa.k {
            (Code::VEX_Kxnorw_kr_kr_kr, Code::EVEX_Vpgatherdd_zmm_k1_vm32z, File::Zmm, File::K)
        } else {
            let ones = Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256;
            (ones, Code::VEX_Vpgatherdd_ymm_vm32y_ymm, File::Ymm, File::Ymm)
        };
        let mask = register(masks, mask);
        self.plain(ones, &[Plain::Reg(mask); 3])?;
        let mut i = Instruction::default();
        i.set_code(code);
        i.set_op_kind(0, OpKind::Register);
        i.set_op_register(0, register(file, def));
        memory(&mut i, 1, gpr(base), Some((register(file, index), 4)), i64::from(offset));
        if self.isa.k {
            i.set_op_mask(mask);
        } else {
            i.set_op_kind(2, OpKind::Register);
            i.set_op_register(2, mask);
        }
        self.put(i)
    }

    fn park_offset(&self, slot: usize) -> usize {
        self.frame.map_or(0, |f| f.parks) + LINE * slot
    }

    fn shift(&mut self, from: Allocation, to: Allocation) -> Result<(), String> {
        let slot = |a: Allocation| 8 * a.index();
        match (from.kind(), to.kind()) {
            (AllocationKind::Stack, AllocationKind::Reg) => self.stack(to, slot(from), false),
            (AllocationKind::Reg, AllocationKind::Stack) => self.stack(from, slot(to), true),
            (AllocationKind::Reg, AllocationKind::Reg) => {
                let class = from.as_reg().map_or(RegClass::Int, |p| p.class());
                let (from, to) = (number(from)?, number(to)?);
                let (code, file) = match class {
                    RegClass::Int => (Code::Mov_r64_rm64, File::R64),
                    VECTOR if !self.isa.k => (Code::VEX_Vmovaps_ymm_ymmm256, File::Ymm),
                    VECTOR => (Code::EVEX_Vmovaps_zmm_k1z_zmmm512, File::Zmm),
                    MASK => (Code::VEX_Kmovw_kr_km16, File::K),
                };
                self.plain(code, &[to, from].map(|n| Plain::Reg(register(file, n))))
            }
            (a, b) => Err(format!("a move from {a:?} to {b:?}")),
        }
    }

    fn stack(&mut self, reg: Allocation, offset: usize, store: bool) -> Result<(), String> {
        let class = reg.as_reg().map_or(RegClass::Int, |p| p.class());
        let (load_code, store_code, file) = match class {
            RegClass::Int => (Code::Mov_r64_rm64, Code::Mov_rm64_r64, File::R64),
            VECTOR if !self.isa.k => {
                (Code::VEX_Vmovaps_ymm_ymmm256, Code::VEX_Vmovaps_ymmm256_ymm, File::Ymm)
            }
            VECTOR => {
                (Code::EVEX_Vmovaps_zmm_k1z_zmmm512, Code::EVEX_Vmovaps_zmmm512_k1z_zmm, File::Zmm)
            }
            MASK => (Code::VEX_Kmovw_kr_km16, Code::VEX_Kmovw_m16_kr, File::K),
        };
        let reg = Plain::Reg(register(file, number(reg)?));
        let mem = Plain::Mem(gpr(isa::RSP), offset as i64);
        if store { self.plain(store_code, &[mem, reg]) } else { self.plain(load_code, &[reg, mem]) }
    }

    /// Backwards as short as can be; forwards the place is filled in later.
    fn jump(&mut self, condition: Option<Compare>, to: usize) {
        let name = condition.map_or("jmp", |c| ["jl", "jle", "je", "jne", "jge", "jg"][place(c)]);
        let nibble = condition.map(|c| [0x0c, 0x0e, 0x04, 0x05, 0x0d, 0x0f][place(c)]);
        if let Some(target) = self.blocks[to] {
            let short = target as i64 - (self.at() as i64 + 2);
            if let Ok(short) = i8::try_from(short) {
                let op = nibble.map_or(0xeb, |n| 0x70 | n);
                return self.raw(&[op, short as u8], What::Jump(name, target));
            }
        }
        match nibble {
            Some(n) => self.raw(&[0x0f, 0x80 | n, 0, 0, 0, 0], What::Jump(name, 0)),
            None => self.raw(&[0xe9, 0, 0, 0, 0], What::Jump(name, 0)),
        }
        self.jumps.push((self.at(), self.out.pieces.len() - 1, to));
    }

    /// Fills in the jumps, and appends the constants.
    fn patch(&mut self) -> Result<(), String> {
        let out = &mut self.out;
        for (end, piece, to) in &self.jumps {
            let target = self.blocks[*to].ok_or("a jump leads nowhere")?;
            let distance = target as i32 - *end as i32;
            out.code[end - 4..*end].copy_from_slice(&distance.to_le_bytes());
            if let What::Jump(_, to) = &mut out.pieces[*piece].what {
                *to = target;
            }
        }
        let mut order: Vec<usize> = (0..self.mir.pool.constants.len()).collect();
        order.sort_by_key(|c| std::cmp::Reverse(self.mir.pool.constants[*c].len()));
        let mut places = vec![0; order.len()];
        for (n, c) in order.into_iter().enumerate() {
            let bytes = &self.mir.pool.constants[c];
            let from = out.code.len();
            // Each size is a power of two, so that only the first needs room before it.
            let at = if n == 0 { from.next_multiple_of(LINE) } else { from };
            if at > from {
                out.code.resize(at, 0);
                out.pieces.push(Piece { at: from, len: at - from, what: What::Constant });
            }
            places[c] = at;
            out.code.extend_from_slice(bytes);
            out.pieces.push(Piece { at, len: bytes.len(), what: What::Constant });
        }
        for (piece, place, constant) in &self.constants {
            let target = places[*constant];
            let piece = &mut out.pieces[*piece];
            let distance = target as i32 - (piece.at + piece.len) as i32;
            let from = piece.at + place;
            out.code[from..from + 4].copy_from_slice(&distance.to_le_bytes());
            if let What::Instr(i) = &mut piece.what {
                i.set_memory_displacement64(target as u64);
            }
        }
        Ok(())
    }
}

fn place(c: Compare) -> usize {
    match c {
        Compare::Lt => 0,
        Compare::Le => 1,
        Compare::Eq => 2,
        Compare::Ne => 3,
        Compare::Ge => 4,
        Compare::Gt => 5,
    }
}

fn not(c: Compare) -> Compare {
    match c {
        Compare::Lt => Compare::Ge,
        Compare::Le => Compare::Gt,
        Compare::Eq => Compare::Ne,
        Compare::Ne => Compare::Eq,
        Compare::Ge => Compare::Lt,
        Compare::Gt => Compare::Le,
    }
}
