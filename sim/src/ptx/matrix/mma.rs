//! `mma.sync`: one warp multiplies two small matrices that lie in its registers.
//!
//! With e elements in a register, group = lane / 4, thread = lane % 4, and register r, element x of it, all forms but
//! Volta's follow from three lines (f64 takes two 32-bit registers an element and counts as one):
//!
//! ```text
//! A  row = group + 8 (r & 1)        col = e thread + x + 4 e (r / 2)     with 8 rows, r counts columns
//! B  row = e thread + x + 4 e r     col = group
//! C  row = group + 8 (i / 2)        col = 2 thread + i % 2               element i, also where two share a register
//! ```

use super::{Accumulator, Element, Logic, halved, single, summed};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

const LANES: usize = 32;
/// All forms have 8 columns.
const N: usize = 8;

/// A shape and what it multiplies: PTX ISA, table of shapes of `mma`.
struct Form {
    m: usize,
    k: usize,
    elements: &'static [Element],
    accumulators: &'static [Accumulator],
}

#[rustfmt::skip] // one per row
const FORMS: &[Form] = {
    use Accumulator as C;
    use Element::*;
    &[
        Form { m: 8,  k: 4,   elements: &[F16],        accumulators: &[C::F16, C::F32] },
        Form { m: 16, k: 8,   elements: &[F16],        accumulators: &[C::F16, C::F32] },
        Form { m: 16, k: 16,  elements: &[F16],        accumulators: &[C::F16, C::F32] },
        Form { m: 16, k: 8,   elements: &[Bf16],       accumulators: &[C::F32] },
        Form { m: 16, k: 16,  elements: &[Bf16],       accumulators: &[C::F32] },
        Form { m: 16, k: 4,   elements: &[Tf32],       accumulators: &[C::F32] },
        Form { m: 16, k: 8,   elements: &[Tf32],       accumulators: &[C::F32] },
        Form { m: 16, k: 16,  elements: &[E4m3, E5m2], accumulators: &[C::F16, C::F32] },
        Form { m: 16, k: 32,  elements: &[E4m3, E5m2], accumulators: &[C::F16, C::F32] },
        Form { m: 8,  k: 4,   elements: &[F64],        accumulators: &[C::F64] },
        Form { m: 16, k: 4,   elements: &[F64],        accumulators: &[C::F64] },
        Form { m: 16, k: 8,   elements: &[F64],        accumulators: &[C::F64] },
        Form { m: 16, k: 16,  elements: &[F64],        accumulators: &[C::F64] },
        Form { m: 8,  k: 16,  elements: &[S8, U8],     accumulators: &[C::S32] },
        Form { m: 16, k: 16,  elements: &[S8, U8],     accumulators: &[C::S32] },
        Form { m: 16, k: 32,  elements: &[S8, U8],     accumulators: &[C::S32] },
        Form { m: 8,  k: 32,  elements: &[S4, U4],     accumulators: &[C::S32] },
        Form { m: 16, k: 32,  elements: &[S4, U4],     accumulators: &[C::S32] },
        Form { m: 16, k: 64,  elements: &[S4, U4],     accumulators: &[C::S32] },
        Form { m: 8,  k: 128, elements: &[B1],         accumulators: &[C::S32] },
        Form { m: 16, k: 128, elements: &[B1],         accumulators: &[C::S32] },
        Form { m: 16, k: 256, elements: &[B1],         accumulators: &[C::S32] },
    ]
};

/// The three matrices; D lies as C does, but for its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Matrix {
    A,
    B,
    C,
    D,
}

/// An element of a matrix; Volta's form has four products at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub product: usize,
    pub row: usize,
    pub col: usize,
}

/// A form of `mma.sync`.
#[derive(Clone, Debug)]
pub struct Mma {
    shape: Shape,
    /// Of single bits alone.
    logic: Option<Logic>,
    saturate: bool,
    /// For A, B, C and D: of each register, lane and element in the register, its index in the matrix, row by row.
    tables: [Arc<[u16]>; 4],
}

/// What decides where elements lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Shape {
    m: usize,
    k: usize,
    a: Element,
    b: Element,
    c: Accumulator,
    d: Accumulator,
    /// Volta's: A by columns, B by rows.
    turned: [bool; 2],
}

impl Mma {
    /// From the opcode with all its modifiers.
    pub fn parse(name: &str) -> Result<Mma, String> {
        let bad = |what: &str| format!("`{name}` is no matrix instruction: {what}");
        let rest = name
            .strip_prefix("mma.sync.aligned.")
            .ok_or_else(|| bad("it should begin with `mma.sync.aligned.`"))?;
        let (mut logic, mut saturate, mut rounded) = (None, false, false);
        let mut turned = vec![];
        let mut types = vec![];
        let mut words = rest.split('.');
        let (m, k) = words.next().and_then(shape).ok_or_else(|| bad("after that comes m_n8k_"))?;
        for word in words {
            match word {
                "row" | "col" => turned.push(word == "col"),
                "satfinite" => saturate = true,
                "rn" => rounded = true,
                "xor" => logic = Some(Logic::Xor),
                "and" => logic = Some(Logic::And),
                "popc" => {}
                _ => types.push(word),
            }
        }
        let [d, a, b, c] = types[..] else {
            return Err(bad("four types are needed: of d, a, b and c"));
        };
        let [turned_a, turned_b] = turned[..] else {
            return Err(bad("two layouts are needed, as in `.row.col`"));
        };
        let (a, b) = Element::parse(a)
            .zip(Element::parse(b))
            .ok_or_else(|| bad("the types of a and b are not known"))?;
        let (c, d) = Accumulator::parse(c)
            .zip(Accumulator::parse(d))
            .ok_or_else(|| bad("the types of c and d are not known"))?;
        let form = FORMS
            .iter()
            .find(|f| (f.m, f.k) == (m, k) && f.elements.contains(&a))
            .filter(|f| f.accumulators.contains(&c) && f.accumulators.contains(&d) && a.mixes(b))
            .ok_or_else(|| bad("no form has this shape with these types"))?;
        let shape = Shape { m: form.m, k: form.k, a, b, c, d, turned: [turned_a, !turned_b] };
        // Only Volta's form widens, and only it takes other layouts.
        if c != d && !(shape.volta() && d == Accumulator::F32) {
            return Err(bad("c and d have one type"));
        }
        if shape.turned != [false; 2] && !shape.volta() {
            return Err(bad("the layouts are `.row.col`"));
        }
        if logic.is_some() != (a == Element::B1) || logic.is_some() != name.ends_with(".popc") {
            return Err(bad("`.xor.popc` or `.and.popc` goes with `.b1`, and with nothing else"));
        }
        if saturate && (!a.whole() || a == Element::B1) || rounded && a != Element::F64 {
            return Err(bad("`.satfinite` goes with integers, `.rn` with f64"));
        }
        let tables = [Matrix::A, Matrix::B, Matrix::C, Matrix::D].map(|of| shape.table(of));
        Ok(Mma { shape, logic, saturate, tables })
    }

    /// Rows, columns and products of each element of the result.
    pub fn shape(&self) -> [usize; 3] {
        [self.shape.m, N, self.shape.k]
    }

    /// How many 32-bit registers of a lane hold d, a, b and c.
    pub fn registers(&self) -> [usize; 4] {
        [Matrix::D, Matrix::A, Matrix::B, Matrix::C].map(|of| self.shape.registers(of))
    }

    /// Elements in a register of a lane.
    pub fn elements(&self, of: Matrix) -> usize {
        self.shape.per(of)
    }

    /// Where element `i` of a lane's fragment lies; elements are numbered from the low bits of the first register.
    pub fn place(&self, of: Matrix, lane: usize, i: usize) -> Place {
        self.shape.place(of, lane, i)
    }

    /// D of A, B and C: registers of 32 lanes, as many as [`Mma::registers`] says.
    pub fn run(&self, a: &[[u32; 32]], b: &[[u32; 32]], c: &[[u32; 32]]) -> Vec<[u32; 32]> {
        let s = &self.shape;
        let [table_a, table_b, table_c, table_d] = &self.tables;
        let mut d = vec![[0; LANES]; s.registers(Matrix::D)];
        if let Some(logic) = self.logic {
            let k = s.columns();
            let mut left = vec![0u32; s.m * k];
            let mut right = vec![0u32; k * N];
            let mut sum = vec![0u32; s.m * N];
            gather(a, table_a, |word, _| word, &mut left);
            gather(b, table_b, |word, _| word, &mut right);
            gather(c, table_c, |word, _| word, &mut sum);
            bits(logic, &left, &right, &mut sum);
            scatter(&mut d, table_d, |at| sum[at]);
        } else if s.a == Element::F64 {
            let mut left = vec![0.0; s.m * s.k];
            let mut right = vec![0.0; s.k * N];
            let mut sum = vec![0.0; s.m * N];
            gather_pairs(a, table_a, &mut left);
            gather_pairs(b, table_b, &mut right);
            gather_pairs(c, table_c, &mut sum);
            doubles(&left, &right, &mut sum);
            scatter_pairs(&mut d, table_d, &sum);
        } else {
            self.rounded(a, b, c, &mut d);
        }
        d
    }

    /// Floats and integers: exact products, one rounding of their sum.
    fn rounded(&self, a: &[[u32; 32]], b: &[[u32; 32]], c: &[[u32; 32]], d: &mut [[u32; 32]]) {
        let s = &self.shape;
        let [table_a, table_b, table_c, table_d] = &self.tables;
        // As large as the largest form asks; on the stack, for there are thousands of them.
        let (mut left, mut right, mut sum) = ([0.0; 16 * 64], [0.0; 64 * N], [0.0; 4 * 8 * N]);
        let products = s.products();
        let left = &mut left[..products * s.m * s.k];
        let right = &mut right[..products * s.k * N];
        let sum = &mut sum[..products * s.m * N];
        unpack(s.a, a, table_a, left);
        unpack(s.b, b, table_b, right);
        match s.c {
            Accumulator::F16 => unpack(Element::F16, c, table_c, sum),
            Accumulator::F32 | Accumulator::F64 => {
                gather(c, table_c, |word, _| f64::from(f32::from_bits(word)), sum)
            }
            // Added at the end, where the sum may wrap.
            Accumulator::S32 => {}
        }
        let all = left.chunks_exact(s.m * s.k).zip(right.chunks_exact(s.k * N));
        for ((left, right), sum) in all.zip(sum.chunks_exact_mut(s.m * N)) {
            floats(left, right, sum);
        }
        match s.d {
            Accumulator::F16 => scatter(d, table_d, |at| halved(sum[at])),
            Accumulator::F32 | Accumulator::F64 => scatter(d, table_d, |at| single(sum[at])),
            Accumulator::S32 => {
                scatter(d, table_d, |at| sum[at] as i32 as u32);
                for (d, &c) in d.as_flattened_mut().iter_mut().zip(c.as_flattened()) {
                    *d = summed(c, *d, self.saturate);
                }
            }
        }
    }
}

/// `m16n8k16`: the rows and the depth; the columns are always 8.
fn shape(word: &str) -> Option<(usize, usize)> {
    let (m, k) = word.strip_prefix('m')?.split_once("n8k")?;
    Some((m.parse().ok()?, k.parse().ok()?))
}

impl Shape {
    fn volta(&self) -> bool {
        self.m == 8 && self.a == Element::F16
    }

    fn products(&self) -> usize {
        if self.volta() { 4 } else { 1 }
    }

    /// Columns of A, where 32 single bits count as one.
    fn columns(&self) -> usize {
        if self.a == Element::B1 { self.k / 32 } else { self.k }
    }

    /// The width of an element; single bits come 32 at a time.
    fn bits(&self, of: Matrix) -> usize {
        let wide = |e: Element| if e == Element::B1 { 32 } else { e.bits() };
        match of {
            Matrix::A => wide(self.a),
            Matrix::B => wide(self.b),
            Matrix::C => self.c.bits(),
            Matrix::D => self.d.bits(),
        }
    }

    fn registers(&self, of: Matrix) -> usize {
        let elements = match of {
            Matrix::A => self.m * self.columns(),
            Matrix::B => self.columns() * N,
            Matrix::C | Matrix::D => self.m * N,
        };
        self.products() * elements * self.bits(of) / 32 / LANES
    }

    /// Elements in a register; single bits are 32 here, as the specification numbers them.
    fn per(&self, of: Matrix) -> usize {
        let single_bits = matches!(of, Matrix::A | Matrix::B) && self.a == Element::B1;
        if single_bits { 32 } else { (32 / self.bits(of)).max(1) }
    }

    fn place(&self, of: Matrix, lane: usize, i: usize) -> Place {
        if self.volta() {
            return self.volta_place(of, lane, i);
        }
        let (group, thread) = (lane >> 2, lane % 4);
        let per = self.per(of);
        let (register, x) = (i / per, i % per);
        let (row, col) = match of {
            Matrix::A if self.m == 8 => (group, thread * per + x + 4 * per * register),
            Matrix::A => (group + 8 * (register & 1), thread * per + x + 4 * per * (register >> 1)),
            Matrix::B => (thread * per + x + 4 * per * register, group),
            Matrix::C | Matrix::D => (group + 8 * (i >> 1), thread * 2 + (i & 1)),
        };
        Place { product: 0, row, col }
    }

    /// PTX ISA, "Matrix fragments for mma.m8n8k4 with .f16": product q has lanes 4 q..4 q + 4 and those 16 further on, and
    /// the latter hold the upper half.
    fn volta_place(&self, of: Matrix, lane: usize, i: usize) -> Place {
        let upper = if lane < 16 { 0 } else { 4 };
        let half = |bits: usize| bits == 16;
        let (row, col) = match of {
            Matrix::A if self.turned[0] => (i % 4 + upper, lane % 4),
            Matrix::A => (lane % 4 + upper, i),
            Matrix::B if self.turned[1] => (lane % 4, i % 4 + upper),
            Matrix::B => (i, lane % 4 + upper),
            Matrix::C | Matrix::D if half(self.bits(of)) => (lane % 4 + upper, i),
            Matrix::C | Matrix::D => ((lane & 1) + (i & 2) + upper, (i & 4) + (lane & 2) + (i & 1)),
        };
        Place { product: lane % 16 / 4, row, col }
    }

    /// Of each register, lane and element in it: the index in the matrix. Made once for each shape.
    fn table(&self, of: Matrix) -> Arc<[u16]> {
        type Tables = Mutex<HashMap<(Shape, Matrix), Arc<[u16]>>>;
        static TABLES: OnceLock<Tables> = OnceLock::new();
        let tables = TABLES.get_or_init(Tables::default);
        let mut tables = tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.entry((*self, of)).or_insert_with(|| self.index(of)).clone()
    }

    fn index(&self, of: Matrix) -> Arc<[u16]> {
        let (rows, cols) = match of {
            Matrix::A => (self.m, self.columns()),
            Matrix::B => (self.columns(), N),
            Matrix::C | Matrix::D => (self.m, N),
        };
        let per = (32 / self.bits(of)).max(1);
        let wide = (self.bits(of) / 32).max(1);
        let mut table = vec![];
        for register in 0..self.registers(of) / wide {
            for lane in 0..LANES {
                for x in 0..per {
                    // A word of single bits lies where its first bit does.
                    let bits = matches!(of, Matrix::A | Matrix::B) && self.a == Element::B1;
                    let i = if bits { 32 * register } else { per * register + x };
                    let Place { product, row, col } = self.place(of, lane, i);
                    let (row, col) = match of {
                        Matrix::A if bits => (row, col / 32),
                        Matrix::B if bits => (row / 32, col),
                        Matrix::A | Matrix::B | Matrix::C | Matrix::D => (row, col),
                    };
                    table.push(((product * rows + row) * cols + col) as u16);
                }
            }
        }
        table.into()
    }
}

/// Elements of registers into a matrix: the values of a register in one go, then each to its place.
#[inline(always)]
fn gather<T: Copy + Default>(
    from: &[[u32; LANES]],
    table: &[u16],
    read: impl Fn(u32, usize) -> T,
    to: &mut [T],
) {
    let per = (table.len() / (from.len() * LANES).max(1)).max(1);
    for (words, places) in from.iter().zip(table.chunks_exact(per * LANES)) {
        for x in 0..per {
            let mut values = [T::default(); LANES];
            for (value, word) in values.iter_mut().zip(words) {
                *value = read(*word, x);
            }
            for (value, place) in values.iter().zip(places.iter().skip(x).step_by(per)) {
                if let Some(to) = to.get_mut(usize::from(*place)) {
                    *to = *value;
                }
            }
        }
    }
}

/// [`gather`] with the type known to each loop.
fn unpack(element: Element, from: &[[u32; LANES]], table: &[u16], to: &mut [f64]) {
    match element {
        Element::F16 => gather(from, table, |word, x| Element::F16.float(word, x), to),
        Element::Bf16 => gather(from, table, |word, x| Element::Bf16.float(word, x), to),
        Element::Tf32 => gather(from, table, |word, x| Element::Tf32.float(word, x), to),
        Element::E4m3 => gather(from, table, |word, x| Element::E4m3.float(word, x), to),
        Element::E5m2 => gather(from, table, |word, x| Element::E5m2.float(word, x), to),
        Element::S8 => gather(from, table, |word, x| Element::S8.float(word, x), to),
        Element::U8 => gather(from, table, |word, x| Element::U8.float(word, x), to),
        Element::S4 => gather(from, table, |word, x| Element::S4.float(word, x), to),
        Element::U4 => gather(from, table, |word, x| Element::U4.float(word, x), to),
        Element::F64 | Element::B1 => gather(from, table, |word, x| element.float(word, x), to),
    }
}

/// Numbers of f64 lie in two registers, the low half first.
fn gather_pairs(from: &[[u32; LANES]], table: &[u16], to: &mut [f64]) {
    for (pair, places) in from.chunks_exact(2).zip(table.chunks_exact(LANES)) {
        for (lane, &place) in places.iter().enumerate() {
            let bits = u64::from(pair[1][lane]) << 32 | u64::from(pair[0][lane]);
            to[usize::from(place)] = f64::from_bits(bits);
        }
    }
}

/// A matrix into registers: each element as the low bits of what `read` gives.
fn scatter(to: &mut [[u32; LANES]], table: &[u16], read: impl Fn(usize) -> u32) {
    let per = table.len() / (to.len() * LANES).max(1);
    let words = to.as_flattened_mut().iter_mut();
    for (word, places) in words.zip(table.chunks_exact(per.max(1))) {
        for (x, &place) in places.iter().enumerate() {
            *word |= read(usize::from(place)) << (32 / per * x);
        }
    }
}

fn scatter_pairs(to: &mut [[u32; LANES]], table: &[u16], from: &[f64]) {
    for (pair, places) in to.chunks_exact_mut(2).zip(table.chunks_exact(LANES)) {
        for (lane, &place) in places.iter().enumerate() {
            let bits = from[usize::from(place)].to_bits();
            (pair[0][lane], pair[1][lane]) = (bits as u32, (bits >> 32) as u32);
        }
    }
}

/// `sum += a b`, eight columns at a time.
pub(super) fn floats(a: &[f64], b: &[f64], sum: &mut [f64]) {
    let (b, _) = b.as_chunks::<N>();
    let (sum, _) = sum.as_chunks_mut::<N>();
    for (row, sum) in a.chunks_exact(b.len()).zip(sum) {
        let mut s = *sum;
        for (&x, y) in row.iter().zip(b) {
            for (s, &y) in s.iter_mut().zip(y) {
                *s += x * y;
            }
        }
        *sum = s;
    }
}

/// f64 has no exact products: one rounding a step, as PTX asks of `mma` with f64.
fn doubles(a: &[f64], b: &[f64], sum: &mut [f64]) {
    let (b, _) = b.as_chunks::<N>();
    let (sum, _) = sum.as_chunks_mut::<N>();
    for (row, sum) in a.chunks_exact(b.len()).zip(sum) {
        for (&x, y) in row.iter().zip(b) {
            for (s, &y) in sum.iter_mut().zip(y) {
                *s = x.mul_add(y, *s);
            }
        }
    }
}

/// `sum += popc(a op b)`, 32 bits at a time.
pub(super) fn bits(logic: Logic, a: &[u32], b: &[u32], sum: &mut [u32]) {
    let (b, _) = b.as_chunks::<N>();
    let (sum, _) = sum.as_chunks_mut::<N>();
    for (row, sum) in a.chunks_exact(b.len()).zip(sum) {
        for (&x, y) in row.iter().zip(b) {
            for (s, &y) in sum.iter_mut().zip(y) {
                let ones = match logic {
                    Logic::Xor => (x ^ y).count_ones(),
                    Logic::And => (x & y).count_ones(),
                };
                *s = s.wrapping_add(ones);
            }
        }
    }
}
