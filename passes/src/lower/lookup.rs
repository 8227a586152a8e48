//! Sums over tables that codes of one bit index: four tables of 16 bytes, those of four nibbles of a lane's word.
//!
//! ```text
//! t = load.w32 [tables]               entries of 16 activations, for all lanes
//! i = bits.select w, 3f2f1f0f, 30201000      a nibble, and which of the four tables
//! b = permb t, i                      one entry a byte
//! d = dot.u8s8 01010101, b, d         the four of a weight row into its lane
//! ```

use super::{Coord, Lower, Place, Result};
use kgen_ir::{
    format::pack::Order,
    machine::{Class, DotOp, Op, Reg, Width, WordOp},
    tile::{ENTRIES, INDEX, LaneDim, Value},
};

/// Low halves of the bytes of a word.
const NIBBLES: i32 = 0x0f0f_0f0f;
/// Each byte once.
const ONES: i32 = 0x0101_0101;
/// Bytes of a word: tables that one lookup of it indexes.
const TABLES: usize = 4;
/// Sums that hide the latency of a dot.
const CHAINS: usize = 8;

impl Lower<'_> {
    /// All sums in registers, row by row. A word of codes is two indices a byte; each serves all rows of tables, each
    /// table all blocks of codes.
    pub(super) fn lookups(
        &mut self,
        out: Value,
        tables: Value,
        codes: Value,
        acc: Option<Value>,
    ) -> Result<Vec<Reg>> {
        let lanes = self.lanes;
        let (&[m, _], &[n, k]) = (self.shape(tables), self.shape(codes)) else {
            return Err(self.no("lookups of tiles that are no matrices".into()));
        };
        let Some(r) = self.codes_ref(codes) else {
            return Err(self.no("lookups by codes that are not packed".into()));
        };
        let Some(Place::Inline(Some(x))) = self.places.get(&tables).cloned() else {
            return Err(self.no("lookups in tables that are not in memory".into()));
        };
        let nibbles = r.packed.as_ref().is_some_and(|(of, _)| of.order == Order::Nibbles);
        // Vectors that hold four tables.
        let vectors = TABLES * ENTRIES / (4 * lanes);
        if !nibbles || vectors == 0 || !TABLES.is_multiple_of(vectors) {
            return Err(self.no("lookups by codes that are not packed as nibbles".into()));
        }
        let word = 2 * TABLES * INDEX;
        let blocks = n.div_ceil(lanes);
        let mut sums = Vec::new();
        for row in 0..m {
            for j in 0..blocks {
                let at = [Coord::from(row), Coord::from(j * lanes)];
                sums.push(match acc {
                    Some(acc) => self.vec(acc, &at, LaneDim::Dim(1))?,
                    None => self.word_const(0),
                });
            }
        }
        // Few sums wait for each other: the second nibbles have their own.
        let apart = m * blocks < CHAINS;
        let mut halves = [sums, vec![]];
        if apart {
            halves[1] = (0..m * blocks).map(|_| self.word_const(0)).collect();
        }
        for from in (0..k).step_by(word) {
            let mut words = Vec::new();
            for j in 0..blocks {
                words.push(self.code_vec(&r, Coord::from(j * lanes), Coord::from(from))?);
            }
            // Shifted first, so that the index may take the place of the word.
            let high: Vec<Reg> = words.iter().map(|w| self.shifted(*w, 4)).collect();
            for (half, words) in [words, high].into_iter().enumerate() {
                let sums = if apart { half } else { 0 };
                let index: Vec<Reg> = words.iter().map(|w| self.nibbles(*w, vectors)).collect();
                for row in 0..m {
                    let first = (from + half * TABLES * INDEX) / INDEX * ENTRIES;
                    let mut parts = Vec::new();
                    for v in 0..vectors {
                        let at = [Coord::from(row), Coord::from(first + v * 4 * lanes)];
                        let mem = self.address(&x, &at)?;
                        parts.push(self.inst(Class::Word, Op::Load(Width::W32), &[], Some(mem)));
                    }
                    for (j, index) in index.iter().enumerate() {
                        let found = self.found(&parts, *index);
                        let ones = self.word_const(ONES);
                        let sum = &mut halves[sums][row * blocks + j];
                        let before = *sum;
                        let after =
                            self.v(Class::Word, Op::Dot(DotOp::U8S8), &[ones, found, before]);
                        halves[sums][row * blocks + j] = after;
                    }
                }
            }
        }
        let note = format!(
            "{} {m} x {n} x {k}: lookups of bytes, {lanes} lanes of weight rows: one finds the sums of 4 of k for 4 bytes of a lane",
            self.kernel.values[out].name
        );
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
        let [first, second] = halves;
        if !apart {
            return Ok(first);
        }
        let add = |(a, b)| self.v(Class::Word, Op::Word(WordOp::Add), &[a, b]);
        Ok(first.into_iter().zip(second).map(add).collect())
    }

    /// The low nibbles of a word, each with its table's place in the vector that holds it.
    fn nibbles(&mut self, word: Reg, vectors: usize) -> Reg {
        let each = TABLES / vectors;
        let places = (0..TABLES).fold(0, |places, t| places | (t % each * ENTRIES) << (8 * t));
        if self.has(&Op::SelectBits) {
            let both = self.word_const(places as i32 | NIBBLES);
            let places = self.word_const(places as i32);
            return self.v(Class::Word, Op::SelectBits, &[word, both, places]);
        }
        let mask = self.word_const(NIBBLES);
        let low = self.v(Class::Word, Op::Word(WordOp::And), &[word, mask]);
        let places = self.word_const(places as i32);
        self.v(Class::Word, Op::Word(WordOp::Or), &[low, places])
    }

    /// An entry a byte: those of each vector for the bytes whose tables it holds.
    fn found(&mut self, parts: &[Reg], index: Reg) -> Reg {
        let each = TABLES / parts.len();
        let mut all: Option<Reg> = None;
        for (v, part) in parts.iter().enumerate() {
            let some = self.v(Class::Word, Op::PermuteBytes, &[*part, index]);
            let own = (v * each..(v + 1) * each).fold(0u32, |mask, t| mask | 0xff << (8 * t));
            let some = match parts.len() {
                1 => some,
                _ => {
                    let mask = self.word_const(own as i32);
                    self.v(Class::Word, Op::Word(WordOp::And), &[some, mask])
                }
            };
            all = Some(match all {
                None => some,
                Some(all) => self.v(Class::Word, Op::Word(WordOp::Or), &[all, some]),
            });
        }
        all.unwrap_or(index)
    }
}
