//! Allocated instructions become bytes: prologue, moves of the allocator, branches, constants behind the code.
//!
//! ```text
//! push rbx; mov rax,rsp; sub rsp,128; and rsp,-64; mov [rsp+120],rax     only what is needed of this
//! ..
//! vzeroupper; mov rsp,[rsp+120]; pop rbx; ret
//! constants, the largest first
//! ```

use super::{
    alloc::{Allocation, Edit, Reg},
    instr::{File, Instr},
    isa::{self, Isa, SAVED},
    mir::{Arg, Bank, Kind, MASK, Mir, VECTOR},
    operand::{Plain, gpr, immediate, memory, register},
};
use iced_x86::{Code, Encoder, Instruction, OpKind, Register};
use kgen_ir::tile::Compare;

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
    /// Bytes of the frame, if there is one, and where each slot is in it.
    frame: Option<usize>,
    slots: Vec<usize>,
    saved: Vec<usize>,
}

pub fn encode(
    mir: &Mir,
    isa: &'static Isa,
    allocation: &Allocation,
    encoder: &mut Encoder,
) -> Result<Encoded, String> {
    let mut used = [false; 16];
    let edited = allocation.edits.iter().filter_map(|(_, e)| match *e {
        Edit::Move { to, .. } | Edit::Load { to, .. } | Edit::Remake { to, .. } => Some(to),
        Edit::Swap(..) | Edit::Store { .. } => None,
    });
    for r in allocation.regs.iter().copied().chain(edited) {
        if r.bank() == Bank::General {
            used[r.number()] = true;
        }
    }
    // Vectors first, each at a boundary of its own.
    let mut slots = vec![0; allocation.slots.len()];
    let mut bytes = 0;
    for vectors in [true, false] {
        for (slot, bank) in slots.iter_mut().zip(&allocation.slots) {
            if (*bank == VECTOR) == vectors {
                *slot = bytes;
                bytes += if vectors { isa.bytes() } else { 8 };
            }
        }
    }
    // The caller's rsp behind them.
    let frame = (bytes > 0).then_some((bytes + 8).next_multiple_of(LINE));
    let mut o = Out {
        isa,
        mir,
        encoder,
        out: Encoded {
            code: Vec::new(),
            pieces: Vec::with_capacity(mir.insts.len() + allocation.edits.len() + 16),
            instructions: 0,
            inner_moves: 0,
            inner_stack: 0,
            spills: 0,
        },
        blocks: vec![None; mir.blocks.len()],
        jumps: Vec::new(),
        constants: Vec::new(),
        frame,
        slots,
        saved: SAVED.into_iter().map(usize::from).filter(|n| used[*n]).collect(),
    };
    o.encoder.set_buffer(Vec::with_capacity(8 * mir.insts.len() + 256));
    o.prologue()?;
    o.body(allocation)?;
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
                Plain::Bits32(x) => {
                    i.set_op_kind(n, OpKind::Immediate32);
                    i.set_immediate32(*x);
                }
                Plain::Mem(base, offset) => memory(&mut i, n, *base, None, *offset),
            }
        }
        self.put(i)
    }

    fn prologue(&mut self) -> Result<(), String> {
        use Plain::{Imm8, Imm32, Mem, Reg};
        // The caller expects nothing in rax.
        let (rax, rsp) = (gpr(isa::RAX.into()), gpr(isa::RSP.into()));
        for n in self.saved.clone() {
            self.plain(Code::Push_r64, &[Reg(gpr(n))])?;
        }
        if let Some(bytes) = self.frame {
            self.plain(Code::Mov_r64_rm64, &[Reg(rax), Reg(rsp)])?;
            self.plain(Code::Sub_rm64_imm32, &[Reg(rsp), Imm32(bytes as i64)])?;
            self.plain(Code::And_rm64_imm8, &[Reg(rsp), Imm8(-(LINE as i64))])?;
            self.plain(Code::Mov_rm64_r64, &[Mem(rsp, bytes as i64 - 8), Reg(rax)])?;
        }
        Ok(())
    }

    fn epilogue(&mut self) -> Result<(), String> {
        use Plain::{Mem, Reg};
        let rsp = gpr(isa::RSP.into());
        self.plain(Code::VEX_Vzeroupper, &[])?;
        if let Some(bytes) = self.frame {
            self.plain(Code::Mov_r64_rm64, &[Reg(rsp), Mem(rsp, bytes as i64 - 8)])?;
        }
        for n in self.saved.clone().into_iter().rev() {
            self.plain(Code::Pop_r64, &[Reg(gpr(n))])?;
        }
        self.plain(Code::Retnq, &[])
    }

    fn body(&mut self, allocation: &Allocation) -> Result<(), String> {
        let mir = self.mir;
        // Where the edits of each block begin.
        let mut rest = allocation.edits.as_slice();
        let mut edits = Vec::with_capacity(mir.blocks.len());
        for block in &mir.blocks {
            let count = rest.iter().take_while(|e| (e.0 as usize) < block.end).count();
            let (here, others) = rest.split_at(count);
            edits.push(here);
            rest = others;
        }
        // Blocks that only go on, with nothing moved on the way, are left out.
        let count = mir.blocks.len();
        let empty: Vec<bool> =
            (0..count).map(|b| mir.only_jumps(b) && edits[b].is_empty()).collect();
        let target = |mut b: usize| {
            while empty.get(b) == Some(&true) {
                match mir.blocks[b].succs[0] {
                    Some(next) => b = next,
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
            let block = &mir.blocks[b];
            let inner = block.within.is_some_and(|l| mir.loops[l].innermost);
            if inner && block.head {
                self.align();
            }
            self.blocks[b] = Some(self.at());
            let next = (b + 1..count).find(|n| !empty[*n]);
            let go = block.succs.map(|s| s.map(|s| targets[s]));
            let mut edits = edits[b].iter().peekable();
            for i in block.first..block.end {
                while let Some((_, edit)) = edits.next_if(|(at, _)| *at as usize == i) {
                    self.edit(*edit, inner)?;
                }
                self.inst(i, &allocation.regs[mir.places(i)], go, next)?;
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
        inst: usize,
        regs: &[Reg],
        go: [Option<usize>; 2],
        next: Option<usize>,
    ) -> Result<(), String> {
        match self.mir.insts[inst].kind {
            Kind::Entry => Ok(()),
            Kind::Instr { instr, mask } => self.machine(instr, self.mir.args(inst), regs, mask),
            Kind::Gather(offset) => self.gather(regs, offset),
            Kind::Zero => {
                let n = regs[0].number();
                if regs[0].bank() == Bank::General {
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
        regs: &[Reg],
        mask: Option<(u8, bool)>,
    ) -> Result<(), String> {
        let none = || "an operand without a register".to_owned();
        let reg = |n: u8| regs.get(usize::from(n)).map(|r| r.number()).ok_or_else(none);
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
    fn gather(&mut self, regs: &[Reg], offset: i32) -> Result<(), String> {
        let [base, index, mask, def] = regs else {
            return Err("a gather of four registers".into());
        };
        let (base, index) = (base.number(), index.number());
        let (mask, def) = (mask.number(), def.number());
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

    fn edit(&mut self, edit: Edit, inner: bool) -> Result<(), String> {
        match edit {
            Edit::Move { .. } | Edit::Swap(..) => self.out.inner_moves += usize::from(inner),
            Edit::Store { .. } | Edit::Load { .. } => {
                self.out.inner_stack += usize::from(inner);
                self.out.spills += 1;
            }
            Edit::Remake { .. } => {}
        }
        match edit {
            Edit::Move { from, to } => {
                let (code, file) = match from.bank() {
                    Bank::General => (Code::Mov_r64_rm64, File::R64),
                    VECTOR if !self.isa.k => (Code::VEX_Vmovaps_ymm_ymmm256, File::Ymm),
                    VECTOR => (Code::EVEX_Vmovaps_zmm_k1z_zmmm512, File::Zmm),
                    MASK => (Code::VEX_Kmovw_kr_km16, File::K),
                };
                self.plain(code, &[to, from].map(|r| Plain::Reg(register(file, r.number()))))
            }
            Edit::Swap(a, b) => self.swap(a, b),
            Edit::Store { from, slot } => self.stack(from, slot, true),
            Edit::Load { slot, to } => self.stack(to, slot, false),
            Edit::Remake { inst, to } => {
                let zero = self.mir.insts[inst as usize].kind == Kind::Zero;
                if zero && to.bank() == Bank::General {
                    // The short form would change the flags.
                    let r = Plain::Reg(register(File::R32, to.number()));
                    return self.plain(Code::Mov_r32_imm32, &[r, Plain::Bits32(0)]);
                }
                self.inst(inst as usize, &[to], [None; 2], None)
            }
        }
    }

    /// Without a third register, and without the flags.
    fn swap(&mut self, a: Reg, b: Reg) -> Result<(), String> {
        let (code, file) = match a.bank() {
            Bank::General => {
                let regs = [a, b].map(|r| Plain::Reg(register(File::R64, r.number())));
                return self.plain(Code::Xchg_rm64_r64, &regs);
            }
            VECTOR if !self.isa.k => (Code::VEX_Vpxor_ymm_ymm_ymmm256, File::Ymm),
            VECTOR => (Code::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32, File::Zmm),
            MASK => (Code::VEX_Kxorw_kr_kr_kr, File::K),
        };
        for [to, x, y] in [[a, a, b], [b, a, b], [a, a, b]] {
            self.plain(code, &[to, x, y].map(|r| Plain::Reg(register(file, r.number()))))?;
        }
        Ok(())
    }

    fn stack(&mut self, reg: Reg, slot: u32, store: bool) -> Result<(), String> {
        let (load_code, store_code, file) = match reg.bank() {
            Bank::General => (Code::Mov_r64_rm64, Code::Mov_rm64_r64, File::R64),
            VECTOR if !self.isa.k => {
                (Code::VEX_Vmovaps_ymm_ymmm256, Code::VEX_Vmovaps_ymmm256_ymm, File::Ymm)
            }
            VECTOR => {
                (Code::EVEX_Vmovaps_zmm_k1z_zmmm512, Code::EVEX_Vmovaps_zmmm512_k1z_zmm, File::Zmm)
            }
            MASK => (Code::VEX_Kmovw_kr_km16, Code::VEX_Kmovw_m16_kr, File::K),
        };
        let reg = Plain::Reg(register(file, reg.number()));
        let mem = Plain::Mem(gpr(isa::RSP.into()), self.slots[slot as usize] as i64);
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
