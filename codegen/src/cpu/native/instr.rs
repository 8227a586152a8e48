//! What the encoder's instructions do with their operands, baked from iced's tables.
//!
//! ```text
//! VEX_Vfmadd231ps_ymm_ymm_ymmm256 [Ymm Tied 0, Ymm Use 0, Ymm Use 32] 0 [fma]
//! ```
//!
//! One line of `table` is an instruction: register file, role and bytes in memory (0: a register only) of each
//! operand, bytes of an element that memory may give to all lanes, and the CPU features. A test derives the table
//! from iced again and compares.

use iced_x86::Code;
use std::{collections::HashMap, sync::LazyLock};

#[derive(Debug, PartialEq)]
pub struct Instr {
    pub code: Code,
    pub name: &'static str,
    pub operands: &'static [Form],
    /// Bytes of the element that a memory operand may spread over the lanes; 0 if it cannot.
    pub broadcast: u8,
    pub features: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub file: File,
    pub role: Role,
    /// Bytes if the operand may stand in memory, else 0.
    pub memory: u8,
}

/// Where an operand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    R8,
    R16,
    R32,
    R64,
    Xmm,
    Ymm,
    Zmm,
    K,
    /// Memory only.
    Mem,
    Imm8,
    /// Sign-extended.
    Imm8S,
    Imm32,
    /// Sign-extended.
    Imm32S,
    Imm64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Def,
    Use,
    /// Read, then overwritten.
    Tied,
    /// Only its address counts.
    Address,
}

macro_rules! table {
    ($($name:ident [$($file:ident $role:ident $memory:literal),*] $broadcast:literal [$($feature:literal),*];)*) => {
        pub static TABLE: &[Instr] = &[$(Instr {
            code: Code::$name,
            name: stringify!($name),
            operands: &[$(Form { file: File::$file, role: Role::$role, memory: $memory }),*],
            broadcast: $broadcast,
            features: &[$($feature),*],
        }),*];
    };
}
include!("table.rs");

static BY_NAME: LazyLock<HashMap<&'static str, &'static Instr>> =
    LazyLock::new(|| TABLE.iter().map(|i| (i.name, i)).collect());

/// Place in [`TABLE`] of each code, as far as the largest in it.
static BY_CODE: LazyLock<Vec<Option<&'static Instr>>> = LazyLock::new(|| {
    let largest = TABLE.iter().map(|i| i.code as usize).max().unwrap_or(0);
    let mut list = vec![None; largest + 1];
    for instr in TABLE {
        list[instr.code as usize] = Some(instr);
    }
    list
});

/// The instruction that iced calls so.
pub fn named(name: &str) -> Option<&'static Instr> {
    BY_NAME.get(name).copied()
}

pub fn coded(code: Code) -> Option<&'static Instr> {
    BY_CODE.get(code as usize).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::targets::NATIVE;
    use iced_x86::{
        Instruction, InstructionInfoFactory, MemorySize, OpAccess, OpCodeOperandKind, OpKind,
        Register,
    };
    use std::{collections::BTreeSet, fmt::Write, path::Path};

    /// Names in the rows and in the sources that build instructions.
    fn named_anywhere() -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let rows = NATIVE.iter().flat_map(|t| t.rows);
        for row in rows {
            for line in row.text.lines() {
                let right = line.split_once(" = ").map_or(line, |(_, r)| r);
                names.extend(right.split(' ').next().map(str::to_owned));
            }
        }
        for text in [
            include_str!("select/mod.rs"),
            include_str!("select/integer.rs"),
            include_str!("select/row.rs"),
            include_str!("select/shuffle.rs"),
            include_str!("isa.rs"),
        ] {
            for part in text.split("Code::").skip(1) {
                let end = part
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(part.len());
                names.insert(part[..end].to_owned());
            }
        }
        names.remove("");
        names
    }

    fn file(kind: OpCodeOperandKind) -> Option<(&'static str, bool)> {
        let name = format!("{kind:?}");
        let memory = name.ends_with("_or_mem") || name == "mem";
        let file = match name.as_str() {
            "mem" => "Mem",
            "imm8" => "Imm8",
            "imm8sex64" => "Imm8S",
            "imm32" => "Imm32",
            "imm32sex64" => "Imm32S",
            "imm64" => "Imm64",
            _ => match name.split('_').next()? {
                "r8" => "R8",
                "r16" => "R16",
                "r32" => "R32",
                "r64" => "R64",
                "xmm" => "Xmm",
                "ymm" => "Ymm",
                "zmm" => "Zmm",
                "k" => "K",
                _ => return None,
            },
        };
        Some((file, memory))
    }

    /// Any register of the kind, so that the instruction is complete.
    fn sample(file: &str, n: u32) -> Register {
        let base = match file {
            "R8" => Register::AL,
            "R16" => Register::AX,
            "R32" => Register::EAX,
            "R64" => Register::RAX,
            "Xmm" => Register::XMM0,
            "Ymm" => Register::YMM0,
            "Zmm" => Register::ZMM0,
            _ => Register::K1,
        };
        base + n
    }

    fn derive(code: Code) -> Option<String> {
        let op = code.op_code();
        let mut instruction = Instruction::default();
        instruction.set_code(code);
        let mut forms = Vec::new();
        for i in 0..op.op_count() {
            let (file, memory) = file(op.op_kind(i))?;
            match file {
                "Mem" => {
                    instruction.set_op_kind(i, OpKind::Memory);
                    instruction.set_memory_base(Register::RAX);
                }
                "Imm8" => instruction.set_op_kind(i, OpKind::Immediate8),
                "Imm8S" => instruction.set_op_kind(i, OpKind::Immediate8to64),
                "Imm32" => instruction.set_op_kind(i, OpKind::Immediate32),
                "Imm32S" => instruction.set_op_kind(i, OpKind::Immediate32to64),
                "Imm64" => instruction.set_op_kind(i, OpKind::Immediate64),
                _ => {
                    instruction.set_op_kind(i, OpKind::Register);
                    instruction.set_op_register(i, sample(file, i));
                }
            }
            forms.push((file, memory));
        }
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&instruction);
        let bytes = |m: MemorySize| u8::try_from(m.size()).ok();
        let mut out = format!("    {code:?} [");
        for (i, (file, memory)) in forms.iter().enumerate() {
            let role = match info.op_access(i as u32) {
                OpAccess::Write => "Def",
                OpAccess::Read | OpAccess::CondRead => "Use",
                OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite => "Tied",
                OpAccess::NoMemAccess => "Address",
                _ => return None,
            };
            let memory = if *memory { bytes(op.memory_size())?.max(1) } else { 0 };
            let comma = if i > 0 { ", " } else { "" };
            let _ = write!(out, "{comma}{file} {role} {memory}");
        }
        let broadcast = if op.can_broadcast() { bytes(op.broadcast_memory_size())? } else { 0 };
        let element =
            if broadcast > 0 { bytes(op.broadcast_memory_size().element_type())? } else { 0 };
        let features: BTreeSet<String> = code
            .cpuid_features()
            .iter()
            .map(|f| {
                format!("{f:?}")
                    .to_lowercase()
                    .replace("avx512_", "avx512")
                    .replace("avx_vnni", "avxvnni")
            })
            .filter(|f| {
                !matches!(
                    f.as_str(),
                    "x64" | "intel8086" | "intel386" | "intel486" | "cmov" | "sse" | "intel186"
                )
            })
            .map(|f| format!("\"{f}\""))
            .collect();
        let _ =
            write!(out, "] {element} [{}];", features.into_iter().collect::<Vec<_>>().join(", "));
        Some(out)
    }

    #[test]
    fn the_table_says_what_iced_says() {
        let mut text =
            String::from("// Written by the tests (KGEN_BLESS=1) from iced's tables.\ntable! {\n");
        let names = named_anywhere();
        let mut found = BTreeSet::new();
        for code in Code::values() {
            let name = format!("{code:?}");
            if names.contains(&name) {
                let line =
                    derive(code).unwrap_or_else(|| panic!("{name} has operands of another kind"));
                let _ = writeln!(text, "{line}");
                found.insert(name);
            }
        }
        text += "}\n";
        let missing: Vec<_> = names.difference(&found).collect();
        assert!(missing.is_empty(), "iced has no {missing:?}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cpu/native/table.rs");
        if std::env::var_os("KGEN_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "run with KGEN_BLESS=1");
    }

    /// What a target's rows need stands among its features, or is part of one of them.
    #[test]
    fn rows_need_no_more_than_their_target_has() {
        for target in NATIVE {
            let of_them: &[&str] = if target.features.contains(&"avx512f") {
                &["avx", "avx2", "fma", "f16c"]
            } else {
                &["avx"]
            };
            let isa = crate::cpu::native::isa::of(target).unwrap();
            assert_eq!((isa.lanes, isa.vectors), (target.lanes, target.vectors));
            let templates = isa.templates.as_ref().unwrap();
            for step in templates.values().flat_map(|t| &t.steps) {
                for f in step.instr.features {
                    let has = target.features.contains(f) || of_them.contains(f);
                    assert!(has, "{}: {} needs {f}", target.name, step.instr.name);
                }
            }
        }
    }

    #[test]
    fn instructions_are_found_by_name_and_by_code() {
        for instr in TABLE {
            assert_eq!(named(instr.name), Some(instr));
            assert_eq!(coded(instr.code), Some(instr));
        }
        assert_eq!(named("Nothing"), None);
        assert_eq!(coded(Code::INVALID), None);
    }
}
