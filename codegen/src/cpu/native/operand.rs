//! Operands as iced's instructions hold them.

use super::instr::File;
use iced_x86::{Instruction, OpKind, Register};

/// An operand of the few instructions that no row names.
#[derive(Clone, Copy)]
pub enum Plain {
    Reg(Register),
    Imm8(i64),
    Imm32(i64),
    Bits32(u32),
    Mem(Register, i64),
}

pub fn gpr(n: usize) -> Register {
    Register::RAX + n as u32
}

pub fn register(file: File, n: usize) -> Register {
    let n32 = n as u32;
    match file {
        File::R8 if n < 4 => Register::AL + n32,
        File::R8 => Register::SPL + (n32 - 4),
        File::R16 => Register::AX + n32,
        File::R32 => Register::EAX + n32,
        File::R64 => Register::RAX + n32,
        File::Xmm => Register::XMM0 + n32,
        File::Ymm => Register::YMM0 + n32,
        File::Zmm => Register::ZMM0 + n32,
        File::K => Register::K0 + n32,
        File::Mem | File::Imm8 | File::Imm8S | File::Imm32 | File::Imm32S | File::Imm64 => {
            Register::None
        }
    }
}

pub fn memory(
    i: &mut Instruction,
    n: u32,
    base: Register,
    index: Option<(Register, u8)>,
    offset: i64,
) {
    i.set_op_kind(n, OpKind::Memory);
    i.set_memory_base(base);
    if let Some((index, scale)) = index {
        i.set_memory_index(index);
        i.set_memory_index_scale(scale.into());
    }
    // 1 asks for the shortest.
    i.set_memory_displ_size(if offset == 0 && base != Register::None { 0 } else { 1 });
    if base == Register::None {
        i.set_memory_displ_size(8);
    }
    i.set_memory_displacement64(offset as u64);
}

pub fn immediate(i: &mut Instruction, n: u32, file: File, x: i64) -> Result<(), String> {
    match file {
        File::Imm8 => {
            i.set_op_kind(n, OpKind::Immediate8);
            i.set_immediate8(x as u8);
        }
        File::Imm8S => {
            i.set_op_kind(n, OpKind::Immediate8to64);
            i.set_immediate8to64(x);
        }
        File::Imm32 => {
            i.set_op_kind(n, OpKind::Immediate32);
            i.set_immediate32(x as u32);
        }
        File::Imm32S => {
            i.set_op_kind(n, OpKind::Immediate32to64);
            i.set_immediate32to64(x);
        }
        File::Imm64 => {
            i.set_op_kind(n, OpKind::Immediate64);
            i.set_immediate64(x as u64);
        }
        File::R8
        | File::R16
        | File::R32
        | File::R64
        | File::Xmm
        | File::Ymm
        | File::Zmm
        | File::K
        | File::Mem => return Err(format!("{x} in place of a register")),
    }
    Ok(())
}
