//! What differs between the row sets, beside the rows.

use super::{
    rows, rows512,
    template::{self, Templates},
};
use iced_x86::Code;
use kgen_ir::{machine::Row, target::Target};
use std::sync::LazyLock;

/// A row set.
pub struct Isa {
    pub rows: &'static [Row],
    pub templates: LazyLock<Result<Templates, String>>,
    pub lanes: usize,
    /// Vector registers.
    pub vectors: usize,
    /// Masks stand in k registers, else in vectors.
    pub k: bool,
    /// `c += a b`, `a = a b + c`, `a = a b + c` with b last, which may be memory.
    pub fma: [Code; 3],
    /// A vector from memory.
    pub load: Code,
    /// Half a vector from memory, zeros behind.
    pub load_half: Code,
    /// Sixteen-bit floats in memory to a vector.
    pub half_load: Code,
    /// A word from memory to all lanes.
    pub splat: Code,
    /// Lane 0 to memory.
    pub store_one: Code,
    /// Lane 0 to all.
    pub broadcast: Code,
    /// Lanes by the numbers in the first source.
    pub permute: Code,
    /// Lanes within 128 bits, by an immediate.
    pub shuffle: Code,
    /// The same of two vectors.
    pub shuffle_two: Code,
}

impl Isa {
    /// Bytes of a vector.
    pub fn bytes(&self) -> usize {
        4 * self.lanes
    }
}

macro_rules! narrow {
    ($rows:path) => {
        Isa {
            rows: $rows,
            templates: LazyLock::new(|| template::read($rows, 32)),
            lanes: 8,
            vectors: 16,
            k: false,
            fma: [
                Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256,
                Code::VEX_Vfmadd213ps_ymm_ymm_ymmm256,
                Code::VEX_Vfmadd132ps_ymm_ymm_ymmm256,
            ],
            load: Code::VEX_Vmovups_ymm_ymmm256,
            load_half: Code::VEX_Vmovups_xmm_xmmm128,
            half_load: Code::VEX_Vcvtph2ps_ymm_xmmm128,
            splat: Code::VEX_Vbroadcastss_ymm_m32,
            store_one: Code::VEX_Vmovss_m32_xmm,
            broadcast: Code::VEX_Vbroadcastss_ymm_xmm,
            permute: Code::VEX_Vpermd_ymm_ymm_ymmm256,
            shuffle: Code::VEX_Vpshufd_ymm_ymmm256_imm8,
            shuffle_two: Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8,
        }
    };
}

pub static V3: Isa = narrow!(rows::ROWS);
pub static V3_VNNI: Isa = narrow!(rows::VNNI_ROWS);

macro_rules! wide {
    ($rows:path) => {
        Isa {
            rows: $rows,
            templates: LazyLock::new(|| template::read($rows, 64)),
            lanes: 16,
            vectors: 32,
            k: true,
            fma: [
                Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er,
                Code::EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er,
                Code::EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er,
            ],
            load: Code::EVEX_Vmovups_zmm_k1z_zmmm512,
            load_half: Code::EVEX_Vmovups_ymm_k1z_ymmm256,
            half_load: Code::EVEX_Vcvtph2ps_zmm_k1z_ymmm256_sae,
            splat: Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            store_one: Code::EVEX_Vmovss_m32_k1_xmm,
            broadcast: Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            permute: Code::EVEX_Vpermd_zmm_k1z_zmm_zmmm512b32,
            shuffle: Code::EVEX_Vpshufd_zmm_k1z_zmmm512b32_imm8,
            shuffle_two: Code::EVEX_Vshufps_zmm_k1z_zmm_zmmm512b32_imm8,
        }
    };
}

pub static V4: Isa = wide!(rows512::ROWS);
pub static V4_VNNI: Isa = wide!(rows512::VNNI_ROWS);
pub static V4_VBMI: Isa = wide!(rows512::VBMI_ROWS);
pub static V4_BF16: Isa = wide!(rows512::BF16_ROWS);

/// The row set of a target.
pub fn of(target: &Target) -> Option<&'static Isa> {
    [&V3, &V3_VNNI, &V4, &V4_VNNI, &V4_VBMI, &V4_BF16]
        .into_iter()
        .find(|isa| std::ptr::eq(isa.rows, target.rows))
}

/// General registers by number.
pub const RSP: u8 = 4;
/// The caller's arguments.
pub const RDI: u8 = 7;
pub const RSI: u8 = 6;
/// Where a division stands.
pub const RAX: u8 = 0;
pub const RDX: u8 = 2;
/// Registers that a function gives back as it found them, but for rsp.
pub const SAVED: [u8; 6] = [3, 5, 12, 13, 14, 15];
