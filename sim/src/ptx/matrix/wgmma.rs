//! `wgmma.mma_async`: four warps multiply 64 rows; B, and A if it is not in registers, lie in shared memory.
//!
//! A 64-bit descriptor says where: PTX ISA, "Matrix descriptor format" and "Strides" of the asynchronous warpgroup
//! instructions. Memory is cut into pieces of 16 bytes. K-major, a piece holds the next 16 bytes of k of one row (of A, or
//! one column of B); MN-major, 8 neighbouring rows of one k. With S the bytes of the swizzle:
//!
//! ```text
//! K-major   row r, piece p of k     none: 16 (r % 8) + SBO (r / 8) + LBO p      else: S (r % 8) + SBO (r / 8) + 16 p
//! MN-major  8 rows from 8 g, k      none: 16 (k % 8) + LBO (k / 8) + SBO g
//!                                   else: S (k % 8) + SBO (k / 8) + 16 (g % (S / 16)) + LBO (g / (S / 16))
//! ```
//!
//! The swizzle then exclusive-ors bits 4.. of the address with bits 7.., as many as log2(S / 16).

use super::{
    Accumulator, Element, Logic, halved,
    mma::{bits, floats},
    single, summed,
};

const M: usize = 64;
const LANES: usize = 128;
/// Rows of a warp.
const ROWS: usize = 16;
/// All depths are 32 bytes.
const DEPTH: usize = 32;

/// 16 bytes of shared memory.
pub type Piece = [u8; 16];

/// A form of `wgmma.mma_async`.
#[derive(Clone, Debug)]
pub struct Wgmma {
    n: usize,
    a: Element,
    b: Element,
    d: Accumulator,
    saturate: bool,
}

/// What the pieces of an operand hold, in the order of [`Wgmma::addresses`].
#[derive(Clone, Copy, Debug)]
pub struct SharedOperand<'a> {
    pub pieces: &'a [Piece],
    /// MN-major: `imm-trans` is 1.
    pub trans: bool,
}

/// A is in shared memory or in the registers of 128 lanes.
#[derive(Clone, Copy, Debug)]
pub enum LeftOperand<'a> {
    Shared(SharedOperand<'a>),
    Registers(&'a [[u32; 128]]),
}

impl Wgmma {
    /// From the opcode with all its modifiers.
    pub fn parse(name: &str) -> Result<Wgmma, String> {
        let bad = |what: &str| format!("`{name}` is no warpgroup product: {what}");
        let rest = name
            .strip_prefix("wgmma.mma_async.sync.aligned.m64n")
            .ok_or_else(|| bad("it should begin with `wgmma.mma_async.sync.aligned.m64n`"))?;
        let mut words = rest.split('.');
        let (n, k) = words
            .next()
            .and_then(|w| w.split_once('k'))
            .and_then(|(n, k)| Some((n.parse::<usize>().ok()?, k.parse::<usize>().ok()?)))
            .ok_or_else(|| bad("the shape is m64n_k_"))?;
        let (mut saturate, mut and, mut types) = (false, false, vec![]);
        for word in words {
            match word {
                "satfinite" => saturate = true,
                "and" => and = true,
                "popc" => {}
                _ => types.push(word),
            }
        }
        let [d, a, b] = types[..] else {
            return Err(bad("three types are needed: of d, a and b"));
        };
        let (a, b) = Element::parse(a)
            .zip(Element::parse(b))
            .ok_or_else(|| bad("the types of a and b are not known"))?;
        let d = Accumulator::parse(d).ok_or_else(|| bad("the type of d is not known"))?;
        let fits = match a {
            Element::F16 | Element::E4m3 | Element::E5m2 => {
                matches!(d, Accumulator::F16 | Accumulator::F32)
            }
            Element::Bf16 | Element::Tf32 => d == Accumulator::F32,
            Element::S8 | Element::U8 | Element::B1 => d == Accumulator::S32,
            Element::S4 | Element::U4 | Element::F64 => false,
        };
        if !fits || !a.mixes(b) || and != (a == Element::B1) || k * a.bits() != 8 * DEPTH {
            return Err(bad("no form has this depth with these types"));
        }
        // PTX ISA, shapes of wgmma: integers and single bits lack some widths.
        let listed = !a.whole() || n <= 32 || n % 16 == 0;
        if n == 0 || n % 8 != 0 || n > 256 || !listed {
            return Err(bad("n is 8 to 256 in steps of 8; integers have 8, 16, 24, 32, 48, .."));
        }
        if saturate && !matches!(a, Element::S8 | Element::U8) {
            return Err(bad("`.satfinite` goes with s8 and u8"));
        }
        Ok(Wgmma { n, a, b, d, saturate })
    }

    pub fn shape(&self) -> [usize; 3] {
        [M, self.n, 8 * DEPTH / self.a.bits()]
    }

    /// How many 32-bit registers of a lane hold d, and a where it is in registers.
    pub fn registers(&self) -> [usize; 2] {
        [M * self.n * self.d.bits() / 32 / LANES, M * DEPTH / 4 / LANES]
    }

    /// Row and column of element `i` of d in a lane of the four warps.
    ///
    /// PTX ISA, "Register fragments of wgmma": warp w has rows 16 w.., laid out as `mma.m16n8` does, 8 columns at a time.
    pub fn place(&self, lane: usize, i: usize) -> (usize, usize) {
        let row = 16 * (lane / 32) + lane % 32 / 4 + 8 * (i / 2 % 2);
        (row, 2 * (lane % 4) + i % 2 + 8 * (i / 4))
    }

    /// Row and depth of element `i` of a in the registers of a lane; single bits come 32 at a time.
    pub fn place_a(&self, lane: usize, i: usize) -> (usize, usize) {
        let per = self.elements_in_a_word();
        let (register, x) = (i / per, i % per);
        let row = 16 * (lane / 32) + lane % 32 / 4 + 8 * (register % 2);
        (row, per * (lane % 4 + 4 * (register / 2)) + x)
    }

    fn elements_in_a_word(&self) -> usize {
        if self.a == Element::B1 { 1 } else { 32 / self.a.bits() }
    }

    /// Where the pieces of A lie in shared memory.
    pub fn addresses_a(&self, descriptor: u64, trans: bool) -> Result<Vec<u32>, String> {
        addresses(self.a, M, descriptor, trans)
    }

    /// Where the pieces of B lie in shared memory.
    pub fn addresses_b(&self, descriptor: u64, trans: bool) -> Result<Vec<u32>, String> {
        addresses(self.b, self.n, descriptor, trans)
    }

    /// D of A, B and what D held, unless `keep` (`scale-d`) is false; `negate` is where `imm-scale-a` and `-b` are -1.
    pub fn run(
        &self,
        a: LeftOperand,
        b: SharedOperand,
        d: &[[u32; 128]],
        keep: bool,
        negate: [bool; 2],
    ) -> Vec<[u32; 128]> {
        let mut out = vec![[0; LANES]; self.registers()[0]];
        for warp in 0..LANES / 32 {
            let rows = self.run_warp(warp, a, b, d, keep, negate);
            for (to, from) in out.iter_mut().zip(rows) {
                to[32 * warp..32 * warp + 32].copy_from_slice(&from);
            }
        }
        out
    }

    /// What one of the four warps makes: its 16 rows.
    pub fn run_warp(
        &self,
        warp: usize,
        a: LeftOperand,
        b: SharedOperand,
        d: &[[u32; 128]],
        keep: bool,
        negate: [bool; 2],
    ) -> Vec<[u32; 32]> {
        let k = DEPTH / 4 * self.elements_in_a_word();
        let mut out = vec![[0; 32]; self.registers()[0]];
        let mut a = self.left(a, k, warp);
        if negate[0] != negate[1] {
            a.iter_mut().for_each(|x| *x = -*x);
        }
        let b = right(self.b, self.n, b);
        let words = |x: &[f64]| x.iter().map(|&x| x as i64 as u32).collect::<Vec<_>>();
        let bits_of_a = if self.a == Element::B1 { words(&a) } else { vec![] };
        // Eight columns of the result at a time: b[k][8], sum[16][8].
        for (block, b) in b.chunks_exact(k * 8).enumerate() {
            let half = self.d == Accumulator::F16;
            let tile = Tile { block, warp, of: self };
            if self.a == Element::B1 {
                let mut sum = tile.gather(d, keep, |word, _| word);
                bits(Logic::And, &bits_of_a, &words(b), &mut sum);
                tile.scatter(&mut out, |_, at| sum[at]);
            } else if self.d == Accumulator::S32 {
                let mut sum = [0.0; ROWS * 8];
                floats(&a, b, &mut sum);
                let held = tile.gather(d, keep, |word, _| word);
                tile.scatter(&mut out, |_, at| {
                    summed(held[at], sum[at] as i32 as u32, self.saturate)
                });
            } else if half {
                let mut sum = tile.gather(d, keep, |word, x| Element::F16.float(word, x));
                floats(&a, b, &mut sum);
                tile.scatter(&mut out, |x, at| halved(sum[at]) << (16 * x));
            } else {
                let mut sum = tile.gather(d, keep, |word, _| f64::from(f32::from_bits(word)));
                floats(&a, b, &mut sum);
                tile.scatter(&mut out, |_, at| single(sum[at]));
            }
        }
        out
    }

    /// The rows of A that a warp multiplies.
    fn left(&self, a: LeftOperand, k: usize, warp: usize) -> Vec<f64> {
        let mut to = vec![0.0; ROWS * k];
        let first = ROWS * warp;
        match a {
            LeftOperand::Shared(shared) => each(self.a, M, shared, |row, at, x| {
                if (first..first + ROWS).contains(&row) {
                    to[(row - first) * k + at] = x;
                }
            }),
            LeftOperand::Registers(registers) => {
                let per = self.elements_in_a_word();
                for (register, words) in registers.iter().take(self.registers()[1]).enumerate() {
                    for (lane, &word) in words.iter().enumerate().skip(32 * warp).take(32) {
                        for x in 0..per {
                            let (row, at) = self.place_a(lane, register * per + x);
                            to[(row - first) * k + at] = value(self.a, word, x);
                        }
                    }
                }
            }
        }
        to
    }
}

/// Eight columns of the rows of a warp.
struct Tile<'a> {
    block: usize,
    warp: usize,
    of: &'a Wgmma,
}

impl Tile<'_> {
    /// Of each element of these columns: register, lane of the warp, element in the register, index.
    #[inline]
    fn each(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let per = 32 / self.of.d.bits();
        let first = 4 * self.block / per;
        for lane in 0..32 {
            let (row, col) = self.of.place(32 * self.warp + lane, 0);
            let at = (row - ROWS * self.warp) * 8 + col;
            // [`Wgmma::place`]: elements 0 and 1 are neighbours, 2 and 3 are eight rows on.
            for (i, on) in [0, 1, 64, 65].into_iter().enumerate() {
                visit(first + i / per, lane, i % per, at + on);
            }
        }
    }

    #[inline]
    fn gather<T: Copy + Default>(
        &self,
        d: &[[u32; LANES]],
        keep: bool,
        read: impl Fn(u32, usize) -> T,
    ) -> [T; ROWS * 8] {
        let mut sum = [T::default(); ROWS * 8];
        if keep {
            self.each(|register, lane, x, at| {
                sum[at] = read(d.get(register).map_or(0, |r| r[32 * self.warp + lane]), x);
            });
        }
        sum
    }

    #[inline]
    fn scatter(&self, out: &mut [[u32; 32]], read: impl Fn(usize, usize) -> u32) {
        self.each(|register, lane, x, at| out[register][lane] |= read(x, at));
    }
}

/// Element `x` of a word as f64; 32 single bits count as one.
fn value(element: Element, word: u32, x: usize) -> f64 {
    if element.whole() { element.int(word, x).into() } else { element.float(word, x) }
}

/// B: blocks of eight columns, in each row by row.
fn right(element: Element, n: usize, shared: SharedOperand) -> Vec<f64> {
    let k = if element == Element::B1 { DEPTH / 4 } else { 8 * DEPTH / element.bits() };
    let mut to = vec![0.0; n * k];
    each(element, n, shared, |col, at, x| to[(col / 8 * k + at) * 8 + col % 8] = x);
    to
}

/// All elements of an operand: its row of `rows`, its k and its value.
#[inline]
fn each(
    element: Element,
    rows: usize,
    shared: SharedOperand,
    mut visit: impl FnMut(usize, usize, f64),
) {
    let per = if element == Element::B1 { 1 } else { 32 / element.bits() };
    let groups = rows / 8;
    for (at, piece) in shared.pieces.iter().take(2 * rows).enumerate() {
        // The place of the first element, and does the row or k grow in the piece?
        let (row, k, along) = if shared.trans {
            (8 * (at % groups), at / groups, (1, 0))
        } else {
            (at / 2, at % 2 * 4 * per, (0, 1))
        };
        let (words, _) = piece.as_chunks::<4>();
        for (w, word) in words.iter().enumerate() {
            let word = u32::from_le_bytes(*word);
            for x in 0..per {
                let i = w * per + x;
                visit(row + i * along.0, k + i * along.1, value(element, word, x));
            }
        }
    }
}

/// K-major: for each row both pieces of k. MN-major: for each k the pieces of 8 rows.
fn addresses(
    element: Element,
    rows: usize,
    descriptor: u64,
    trans: bool,
) -> Result<Vec<u32>, String> {
    let field = |low: u32, bits: u32| (descriptor >> low & ((1 << bits) - 1)) as u32;
    for (low, bits) in [(14, 2), (30, 2), (46, 3), (52, 10)] {
        if field(low, bits) != 0 {
            return Err(format!(
                "descriptor {descriptor:#018x} has bits {low}..{} set, which are reserved",
                low + bits
            ));
        }
    }
    if trans && element.bits() != 16 {
        return Err(format!("{element:?} must be K-major: only 16-bit elements are transposed"));
    }
    let (start, lead, stride) = (16 * field(0, 14), 16 * field(16, 14), 16 * field(32, 14));
    let swizzle = [0, 3, 2, 1][field(62, 2) as usize];
    // Bytes of a row of the pattern, and its pieces.
    let (span, wide) = (16 << swizzle, 1u32 << swizzle);
    let offset = |a: u32, b: u32| match (trans, swizzle) {
        (false, 0) => 16 * (a % 8) + stride * (a / 8) + lead * b,
        (false, _) => span * (a % 8) + stride * (a / 8) + 16 * b,
        (true, 0) => 16 * (a % 8) + lead * (a / 8) + stride * b,
        (true, _) => span * (a % 8) + stride * (a / 8) + 16 * (b % wide) + lead * (b / wide),
    };
    // Where the pattern does not start at a multiple of its size, the base offset says at which row of 128 bytes it does.
    let base = field(49, 3);
    let address = |offset: u32| {
        let at = start + offset;
        at ^ ((at >> 7).wrapping_sub(base) & (wide - 1)) << 4
    };
    let (outer, inner) = if trans { (DEPTH / 2, rows / 8) } else { (rows, 2) };
    Ok((0..outer as u32)
        .flat_map(|a| (0..inner as u32).map(move |b| (a, b)))
        .map(|(a, b)| address(offset(a, b)))
        .collect())
}

#[cfg(test)]
#[path = "wgmma_tests.rs"]
mod tests;
