//! Matrix instructions: the lanes of a vector multiply two small matrices that lie in their registers.
//!
//! ```text
//! d = mma.m16n8k16.f32.f16 a, b, c : f4        d = a b + c, a of 16 x 16, b of 16 x 8, in 32 lanes
//! d = mma.m16n16k64.s32.s8u8 a, b, c : w16     a of 16 x 64, b of 64 x 16, in 16 lanes
//! ```
//!
//! What an instruction means follows from three layouts: which element each lane holds in which part of which word
//! of its register. Products are exact; sums are made in f64 and rounded once, while hardware adds in an order and
//! with a width of its own, some with zeros for subnormals: results of floats are right to about the rounding of the sum
//! of magnitudes. Sums of integers wrap, so that they are exact in any order.
//!
//! Those of 16 lanes hold a row of 64 bytes in a word of all lanes: their sums lie as any tile of vectors does, and
//! their right operands as packed weights whose lanes are rows.

use crate::{dtype::Dtype, layout::Layout};
use std::{
    hash::{Hash, Hasher},
    sync::LazyLock,
};

/// A matrix instruction. Axes of the layouts are `m k`, `k n`, `m n`, with `q` where it does several products at once;
/// `reg` counts words, `half` and `byte` the elements in one.
#[derive(Debug, Eq)]
pub struct Mma {
    /// As in the text form, behind `mma.`.
    pub name: &'static str,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Lanes of its vectors.
    pub lanes: usize,
    /// Elements of the operands and of the sum.
    pub a: Dtype,
    pub b: Dtype,
    pub c: Dtype,
    /// Where the elements of a, b, c lie; those of the result lie as those of c.
    pub layouts: [&'static str; 3],
    /// Words a lane of a, b, c.
    pub words: [u8; 3],
}

/// One of the table is itself alone.
impl PartialEq for Mma {
    fn eq(&self, other: &Mma) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Hash for Mma {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.m, self.n, self.k, self.a, self.b).hash(state);
    }
}

const C8: &str = "lane = n1 n2 m0 m1 m2, reg = n0";
const C16: &str = "lane = n1 n2 m0 m1 m2, reg = n0 m3";
const A8_HALF: &str = "lane = k1 k2 m0 m1 m2, reg = m3, half = k0";
const B8_HALF: &str = "lane = k1 k2 n0 n1 n2, half = k0";
const A16_HALF: &str = "lane = k1 k2 m0 m1 m2, reg = m3 k3, half = k0";
const B16_HALF: &str = "lane = k1 k2 n0 n1 n2, reg = k3, half = k0";
const A16_BYTE: &str = "lane = k2 k3 m0 m1 m2, byte = k0 k1";
const B16_BYTE: &str = "lane = k2 k3 n0 n1 n2, byte = k0 k1";
const A32_BYTE: &str = "lane = k2 k3 m0 m1 m2, reg = m3 k4, byte = k0 k1";
const B32_BYTE: &str = "lane = k2 k3 n0 n1 n2, reg = k4, byte = k0 k1";
const QUADS_A: &str = "lane = m0 m1 q0 q1 m2, reg = k1, half = k0";
const QUADS_B: &str = "lane = n0 n1 q0 q1 n2, reg = k1, half = k0";
const QUADS_B_ROWS: &str = "lane = k0 k1 q0 q1 n2, reg = n1, half = n0";
const QUADS_C: &str = "lane = m0 n1 q0 q1 m2, reg = n0 m1 n2";

const ROWS_C: &str = "lane = n0 n1 n2 n3, reg = m0 m1 m2 m3";
const ROWS_A_BYTE: &str = "lane = k2 k3 k4 k5, reg = m0 m1 m2 m3, byte = k0 k1";
const ROWS_B_BYTE: &str = "lane = n0 n1 n2 n3, reg = k2 k3 k4 k5, byte = k0 k1";
const ROWS_A_HALF: &str = "lane = k1 k2 k3 k4, reg = m0 m1 m2 m3, half = k0";
const ROWS_B_HALF: &str = "lane = n0 n1 n2 n3, reg = k1 k2 k3 k4, half = k0";

// Rows of 32 bytes, in the lower lanes.
const SHORT_A_BYTE: &str = "lane = k2 k3 k4, reg = m0 m1 m2 m3, byte = k0 k1";
const SHORT_B_BYTE: &str = "lane = n0 n1 n2 n3, reg = k2 k3 k4, byte = k0 k1";

macro_rules! mma {
    ($ident:ident, $name:literal, $m:literal x $n:literal x $k:literal, $a:ident $b:ident $c:ident, $la:ident $lb:ident $lc:ident, $words:expr) => {
        mma!($ident, $name, $m x $n x $k in 32, $a $b $c, $la $lb $lc, $words);
    };
    ($ident:ident, $name:literal, $m:literal x $n:literal x $k:literal in $lanes:literal, $a:ident $b:ident $c:ident, $la:ident $lb:ident $lc:ident, $words:expr) => {
        pub static $ident: Mma = Mma {
            name: $name,
            m: $m,
            n: $n,
            k: $k,
            lanes: $lanes,
            a: Dtype::$a,
            b: Dtype::$b,
            c: Dtype::$c,
            layouts: [$la, $lb, $lc],
            words: $words,
        };
    };
}

mma!(M16N8K16_F16, "m16n8k16.f32.f16", 16 x 8 x 16, F16 F16 F32, A16_HALF B16_HALF C16, [4, 2, 4]);
mma!(M16N8K16_BF16, "m16n8k16.f32.bf16", 16 x 8 x 16, BF16 BF16 F32, A16_HALF B16_HALF C16, [4, 2, 4]);
mma!(M16N8K8_F16, "m16n8k8.f32.f16", 16 x 8 x 8, F16 F16 F32, A8_HALF B8_HALF C16, [2, 1, 4]);
mma!(M16N8K32_S8, "m16n8k32.s32.s8", 16 x 8 x 32, I8 I8 I32, A32_BYTE B32_BYTE C16, [4, 2, 4]);
mma!(M16N8K32_S8U8, "m16n8k32.s32.s8u8", 16 x 8 x 32, I8 U8 I32, A32_BYTE B32_BYTE C16, [4, 2, 4]);
mma!(M8N8K16_S8, "m8n8k16.s32.s8", 8 x 8 x 16, I8 I8 I32, A16_BYTE B16_BYTE C8, [1, 1, 2]);
mma!(M8N8K16_S8U8, "m8n8k16.s32.s8u8", 8 x 8 x 16, I8 U8 I32, A16_BYTE B16_BYTE C8, [1, 1, 2]);
// Four products of quad pairs; lanes hold columns of b, or rows.
mma!(M8N8K4_F16, "m8n8k4.f32.f16", 8 x 8 x 4, F16 F16 F32, QUADS_A QUADS_B QUADS_C, [2, 2, 8]);
mma!(M8N8K4_F16_ROWS, "m8n8k4.f32.f16.rows", 8 x 8 x 4, F16 F16 F32, QUADS_A QUADS_B_ROWS QUADS_C, [2, 2, 8]);
mma!(M16N16K64_S8, "m16n16k64.s32.s8", 16 x 16 x 64 in 16, I8 I8 I32, ROWS_A_BYTE ROWS_B_BYTE ROWS_C, [16, 16, 16]);
mma!(M16N16K64_S8U8, "m16n16k64.s32.s8u8", 16 x 16 x 64 in 16, I8 U8 I32, ROWS_A_BYTE ROWS_B_BYTE ROWS_C, [16, 16, 16]);
mma!(M16N16K64_U8S8, "m16n16k64.s32.u8s8", 16 x 16 x 64 in 16, U8 I8 I32, ROWS_A_BYTE ROWS_B_BYTE ROWS_C, [16, 16, 16]);
mma!(M16N16K64_U8, "m16n16k64.s32.u8", 16 x 16 x 64 in 16, U8 U8 I32, ROWS_A_BYTE ROWS_B_BYTE ROWS_C, [16, 16, 16]);
mma!(M16N16K32_S8U8, "m16n16k32.s32.s8u8", 16 x 16 x 32 in 16, I8 U8 I32, SHORT_A_BYTE SHORT_B_BYTE ROWS_C, [16, 8, 16]);
mma!(M16N16K32_BF16, "m16n16k32.f32.bf16", 16 x 16 x 32 in 16, BF16 BF16 F32, ROWS_A_HALF ROWS_B_HALF ROWS_C, [16, 16, 16]);

/// All of them.
pub static ALL: [&Mma; 15] = [
    &M16N8K16_F16,
    &M16N8K16_BF16,
    &M16N8K8_F16,
    &M16N8K32_S8,
    &M16N8K32_S8U8,
    &M8N8K16_S8,
    &M8N8K16_S8U8,
    &M8N8K4_F16,
    &M8N8K4_F16_ROWS,
    &M16N16K64_S8,
    &M16N16K64_S8U8,
    &M16N16K64_U8S8,
    &M16N16K64_U8,
    &M16N16K32_S8U8,
    &M16N16K32_BF16,
];

/// Nobody reads what a lane holds.
const NOWHERE: usize = usize::MAX;

/// Of each word, lane and element in the word: its number in the matrix, row by row, product after product.
type Table = Vec<usize>;

static TABLES: LazyLock<Vec<[Table; 3]>> = LazyLock::new(|| {
    ALL.iter()
        .map(|mma| {
            let sides = [(mma.m, mma.k), (mma.k, mma.n), (mma.m, mma.n)];
            let axes = [["m", "k"], ["k", "n"], ["m", "n"]];
            std::array::from_fn(|i| {
                let size = (usize::from(mma.words[i]), mma.lanes);
                table(mma.layouts[i], size, sides[i], axes[i])
            })
        })
        .collect()
});

fn table(
    text: &str,
    (words, lanes): (usize, usize),
    (rows, columns): (usize, usize),
    axes: [&str; 2],
) -> Table {
    let Ok(layout) = Layout::parse(text) else { return Vec::new() };
    let part = ["half", "byte"].into_iter().find(|p| layout.input_bits(p) > 0);
    let per = part.map_or(1, |p| 1usize << layout.input_bits(p));
    let mut out = Vec::new();
    for word in 0..words {
        for lane in 0..lanes {
            if lane >> layout.input_bits("lane") > 0 {
                out.extend(std::iter::repeat_n(NOWHERE, per));
                continue;
            }
            for x in 0..per {
                let mut at = vec![("lane", lane as u64)];
                if layout.input_bits("reg") > 0 {
                    at.push(("reg", word as u64));
                }
                at.extend(part.map(|p| (p, x as u64)));
                let place = layout.apply(&at).unwrap_or_default();
                let of = |axis: &str| {
                    place.iter().find(|(name, _)| name == axis).map_or(0, |(_, v)| *v as usize)
                };
                out.push((of("q") * rows + of(axes[0])) * columns + of(axes[1]));
            }
        }
    }
    out
}

/// Element `x` of a word.
fn element(word: u32, x: usize, dtype: Dtype) -> f64 {
    let bits = dtype.bits() as usize;
    let part = word >> (bits * x % 32);
    match dtype {
        Dtype::F16 => half::f16::from_bits(part as u16).to_f64(),
        Dtype::BF16 => half::bf16::from_bits(part as u16).to_f64(),
        Dtype::I8 => f64::from(part as i8),
        Dtype::U8 => f64::from(part as u8),
        Dtype::I32 => f64::from(part as i32),
        Dtype::F32
        | Dtype::E4M3
        | Dtype::E5M2
        | Dtype::I16
        | Dtype::U16
        | Dtype::U32
        | Dtype::I64
        | Dtype::Bool
        | Dtype::Code(_) => f64::from(f32::from_bits(part)),
    }
}

impl Mma {
    /// By the name in the text form.
    pub fn find(name: &str) -> Option<&'static Mma> {
        ALL.into_iter().find(|m| m.name == name)
    }

    /// Do its sums lie as a tile of vectors does, a row in all lanes?
    pub fn by_rows(&self) -> bool {
        self.lanes == self.n && usize::from(self.words[2]) == self.m
    }

    /// Does a row of its left operand fill the lower half of the lanes alone?
    pub fn short_rows(&self) -> bool {
        self.by_rows() && self.k * self.a.bits() as usize == self.lanes * 16
    }

    /// Products that it does at once.
    pub fn products(&self) -> usize {
        self.lanes * usize::from(self.words[2]) / (self.m * self.n)
    }

    /// `a b + c` of registers as words, lane after lane in each; `None` of registers of other sizes.
    pub fn run(&self, a: &[u32], b: &[u32], c: &[u32]) -> Option<Vec<u32>> {
        let at = ALL.iter().position(|m| m.name == self.name)?;
        let [of_a, of_b, of_c] = TABLES.get(at)?;
        let matrix = |words: &[u32], table: &Table, dtype: Dtype, size: usize| {
            let per = table.len() / words.len().max(1);
            let mut out = vec![0.0; self.products() * size];
            for (i, place) in table.iter().enumerate().filter(|(_, place)| **place != NOWHERE) {
                *out.get_mut(*place)? = element(*words.get(i / per)?, i % per, dtype);
            }
            Some(out)
        };
        let (m, n, k) = (self.m, self.n, self.k);
        let left = matrix(a, of_a, self.a, m * k)?;
        let right = matrix(b, of_b, self.b, k * n)?;
        let start = matrix(c, of_c, self.c, m * n)?;
        let mut out = Vec::with_capacity(c.len());
        for place in of_c {
            let (q, row, column) = (place / (m * n), place / n % m, place % n);
            let terms =
                (0..k).map(|i| left[(q * m + row) * k + i] * right[(q * k + i) * n + column]);
            // Sums of bytes are exact in f64, and wrap with the start.
            out.push(if self.c == Dtype::I32 {
                (start[*place] as i64 + terms.sum::<f64>() as i64) as u32
            } else {
                (terms.fold(start[*place], |sum, t| sum + t) as f32).to_bits()
            });
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Registers of a matrix whose elements `f` gives.
    fn registers(mma: &Mma, of: usize, f: impl Fn(usize, usize) -> f64) -> Vec<u32> {
        let at = ALL.iter().position(|m| m.name == mma.name).unwrap();
        let table = &TABLES[at][of];
        let dtype = [mma.a, mma.b, mma.c][of];
        let (rows, columns) = [(mma.m, mma.k), (mma.k, mma.n), (mma.m, mma.n)][of];
        let words = mma.lanes * usize::from(mma.words[of]);
        let per = table.len() / words;
        let mut out = vec![0u32; words];
        for (i, place) in table.iter().enumerate() {
            // What no product reads.
            let place = if *place == NOWHERE { &i } else { place };
            let x = f(place / columns % rows, place % columns);
            let bits = if dtype == Dtype::F16 {
                u32::from(half::f16::from_f64(x).to_bits())
            } else if dtype == Dtype::BF16 {
                u32::from(half::bf16::from_f64(x).to_bits())
            } else if dtype == Dtype::F32 {
                (x as f32).to_bits()
            } else if dtype == Dtype::I32 {
                x as i32 as u32
            } else {
                u32::from(x as i32 as u8)
            };
            out[i / per] |= bits << (dtype.bits() as usize * (i % per) % 32);
        }
        out
    }

    #[test]
    fn each_multiplies_matrices() {
        for mma in ALL {
            let signs = if mma.a == Dtype::U8 { 0.0 } else { 3.0 };
            let a = |i: usize, k: usize| ((3 * i + 5 * k) % 7) as f64 - signs;
            let b = |k: usize, j: usize| ((2 * k + 3 * j) % 5) as f64;
            let c = |i: usize, j: usize| (i * 100 + j) as f64;
            let product =
                |i: usize, j: usize| c(i, j) + (0..mma.k).map(|k| a(i, k) * b(k, j)).sum::<f64>();
            let [x, y] = [registers(mma, 0, a), registers(mma, 1, b)];
            let got = mma.run(&x, &y, &registers(mma, 2, c)).unwrap();
            assert_eq!(got, registers(mma, 2, product), "{}", mma.name);
            assert_eq!(mma.run(&x[1..], &y, &[]), None);
            assert_eq!(Mma::find(mma.name), Some(mma));
        }
        assert_eq!(Mma::find("m1n1k1"), None);
    }

    #[test]
    fn integers_wrap() {
        let mma = &M8N8K16_S8;
        let got = mma.run(
            &registers(mma, 0, |_, _| 127.0),
            &registers(mma, 1, |_, _| 127.0),
            &registers(mma, 2, |_, _| f64::from(i32::MAX)),
        );
        let wrapped = i32::MAX.wrapping_add(16 * 127 * 127) as u32;
        assert_eq!(got, Some(vec![wrapped; 64]));
    }
}
