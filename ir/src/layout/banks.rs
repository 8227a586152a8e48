//! Shared memory in banks: how long an access takes, and a swizzle under which none waits.
//!
//! 32 banks of 4 bytes. An access is a layout from lanes to byte offsets; two lanes wait for each other
//! if they want different words of one bank. 16-byte rows read down a column of a 128-byte row all hit
//! the same banks; with the rows xored into the chunk number they do not:
//!
//! ```text
//! lane = r0 r1 r2, 16 bytes each:   offset = c0 c1 c2 c3 c4 c5 c6 c4^r0 c5^r1 c6^r2
//! ```

use super::{Layout, LayoutError, algebra::Basis};
use std::sync::OnceLock;

/// Bits of a byte offset inside a bank's word, and inside a line of all banks.
const WORD: usize = 2;
const LINE: usize = 7;
/// Lanes that access together.
const WARP: usize = 5;
/// Tries before a search for a swizzle gives up.
const TRIES: usize = 100_000;

/// One access of a warp to a tile in shared memory.
#[derive(Clone, Debug)]
pub struct Access {
    /// From `lane` to row and byte in the row of a lane's first byte.
    pub lanes: Layout,
    /// Bytes a lane: 1, 2, 4, 8 or 16.
    pub bytes: usize,
}

/// Passes over the banks that a warp's access takes: 1 at best for up to 4 bytes a lane, 2 for 8, 4
/// for 16. `lanes` leads from `lane` to `offset` in bytes.
pub fn wavefronts(lanes: &Layout, bytes: usize) -> Result<usize, LayoutError> {
    let columns = offsets(lanes, bytes)?;
    let (phases, directions) = phase(&columns, bytes);
    Ok(phases << (Basis::new(&directions).rank() - Basis::new(&banks(&directions)).rank()))
}

/// Passes if no lane waits for another.
pub fn ideal(lanes: &Layout, bytes: usize) -> Result<usize, LayoutError> {
    Ok(phase(&offsets(lanes, bytes)?, bytes).0)
}

/// Offsets that the lanes' bits flip.
fn offsets(lanes: &Layout, bytes: usize) -> Result<Vec<u64>, LayoutError> {
    if !matches!(bytes, 1 | 2 | 4 | 8 | 16) {
        return Err(LayoutError::AccessBytes(bytes));
    }
    let mut columns = Vec::new();
    for column in lanes.columns_of("lane").iter().take(WARP) {
        let mut offset = 0u64;
        for (axis, bit) in lanes.bits_of(*column) {
            if axis != "offset" {
                return Err(LayoutError::NotOffset(axis));
            }
            offset |= 1 << bit;
        }
        columns.push(offset);
    }
    match columns.iter().find(|c| **c & (bytes as u64 - 1) != 0) {
        Some(_) => Err(LayoutError::Misaligned(bytes)),
        None => Ok(columns),
    }
}

/// The number of phases and the directions, in bytes, in which one phase reaches: as many lanes as
/// fill a line go together (PTX: half a warp of 8, a quarter of 16 bytes).
fn phase(columns: &[u64], bytes: usize) -> (usize, Vec<u64>) {
    let vector = bytes.ilog2() as usize;
    let together = (LINE - vector.max(WORD)).min(columns.len());
    let words = (WORD..vector).map(|bit| 1 << bit);
    let directions = columns.iter().take(together).map(|c| c >> WORD << WORD).chain(words);
    (1 << (columns.len() - together), directions.collect())
}

fn banks(directions: &[u64]) -> Vec<u64> {
    directions.iter().map(|d| d & ((1 << LINE) - 1)).collect()
}

/// A layout `offset = c0 c1 .. c4^r0 ..` of rows `row` of `2^row_bytes` bytes `column`, in which none of
/// the accesses waits. Bytes of one vector stay together. The proof is a rank: the bank bits of each
/// phase are as independent as its offsets.
pub fn swizzle(
    row: (&str, usize),
    column: (&str, usize),
    accesses: &[Access],
) -> Result<Layout, LayoutError> {
    let first = accesses.iter().map(|a| a.bytes.max(4).ilog2() as usize).max().unwrap_or(WORD);
    let chunk = first..column.1.min(LINE).max(first);
    // Row bit j is best xored into bit j of the chunk as it falls into the line.
    let mut masks: Vec<u64> = (0..1u64 << chunk.len()).map(|m| m << first).collect();
    masks.sort_by_key(|m| (m.count_ones(), *m));
    let mut search = Search { row, column, accesses, masks, tries: 0 };
    match search.extend(&mut Vec::new())? {
        Some(layout) => Ok(layout),
        None => Err(LayoutError::NoSwizzle),
    }
}

/// Rows of any number of 16-byte chunks in which neither a run of chunks waits nor the same chunk of eight neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// What each of the low bits of a row's number flips in its chunks' numbers.
    flips: [usize; 3],
}

/// Bytes of a chunk: what a lane copies, or a row of 8 elements of 16 bits.
pub const CHUNK: usize = 16;

impl Chunks {
    /// For rows of so many bytes. A length is an odd number times a power of two; the odd number moves rows to other
    /// lines, one to one, so that what serves rows of the power of two serves these.
    pub fn of(bytes: usize) -> Result<Chunks, LayoutError> {
        if bytes == 0 || !bytes.is_multiple_of(CHUNK) {
            return Err(LayoutError::Misaligned(CHUNK));
        }
        static FOUND: [OnceLock<Chunks>; LINE + 1] = [const { OnceLock::new() }; LINE + 1];
        let bits = (bytes.trailing_zeros() as usize).min(LINE);
        if let Some(known) = FOUND[bits].get() {
            return Ok(*known);
        }
        let found = Chunks::search(bits)?;
        Ok(*FOUND[bits].get_or_init(|| found))
    }

    /// For rows of `2^bits` bytes.
    fn search(bits: usize) -> Result<Chunks, LayoutError> {
        let words = (0..3).map(|bit| vec![("row".to_string(), bit)]).collect();
        let lanes = Layout::from_bits(vec![("lane".to_string(), words)])?;
        let layout = swizzle(("row", 3), ("byte", bits), &[Access { lanes, bytes: CHUNK }])?;
        let mut flips = [0; 3];
        for (row, column) in layout.columns_of("offset").iter().skip(bits).enumerate() {
            let word = layout.bits_of(*column).into_iter().filter(|(axis, _)| axis == "byte");
            let flip = word.fold(0usize, |all, (_, bit)| all | 1 << bit);
            if let Some(place) = flips.get_mut(row) {
                *place = flip / CHUNK;
            }
        }
        Ok(Chunks { flips })
    }

    pub fn flips(&self) -> [usize; 3] {
        self.flips
    }

    /// What is xored into the number of each chunk of a row.
    pub fn flip(&self, row: usize) -> usize {
        self.flips.iter().enumerate().fold(0, |all, (bit, f)| all ^ (f * (row >> bit & 1)))
    }

    /// A chunk's byte in rows of `bytes`.
    pub fn place(&self, bytes: usize, row: usize, chunk: usize) -> usize {
        row * bytes + (chunk ^ self.flip(row)) * CHUNK
    }
}

struct Search<'a> {
    row: (&'a str, usize),
    column: (&'a str, usize),
    accesses: &'a [Access],
    masks: Vec<u64>,
    tries: usize,
}

impl Search<'_> {
    /// Chooses what row bit `chosen.len()` flips. A choice with a conflict between the rows so far is
    /// dropped: a conflict in a part of an access is one of the whole.
    fn extend(&mut self, chosen: &mut Vec<u64>) -> Result<Option<Layout>, LayoutError> {
        self.tries += 1;
        let layout = self.layout(chosen)?;
        if self.tries > TRIES || !self.holds(&layout, chosen.len())? {
            return Ok(None);
        }
        if chosen.len() == self.row.1 {
            return Ok(Some(layout));
        }
        for mask in self.masks.clone() {
            chosen.push(mask);
            let found = self.extend(chosen)?;
            chosen.pop();
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn layout(&self, chosen: &[u64]) -> Result<Layout, LayoutError> {
        let bit = |axis: &str, bit| (axis.to_string(), bit);
        let mut words: Vec<_> = (0..self.column.1).map(|b| vec![bit(self.column.0, b)]).collect();
        for row in 0..self.row.1 {
            let mask = chosen.get(row).copied().unwrap_or(0);
            let flips = (0..LINE).filter(|b| mask >> b & 1 == 1).map(|b| bit(self.column.0, b));
            words.push(flips.chain([bit(self.row.0, row)]).collect());
        }
        Layout::from_bits(vec![("offset".to_string(), words)])
    }

    /// Is no lane waiting for another, as far as rows of the first `rows` bits go?
    fn holds(&self, layout: &Layout, rows: usize) -> Result<bool, LayoutError> {
        let back = layout.invert()?;
        let open = (rows..self.row.1).map(|row| 1u64 << (self.column.1 + row));
        let open = open.fold(0, |all, bit| all | bit);
        for access in self.accesses {
            let columns = offsets(&access.lanes.then(&back)?, access.bytes)?;
            let (_, directions) = phase(&columns, access.bytes);
            let known: Vec<u64> = directions.into_iter().filter(|d| d & open == 0).collect();
            if Basis::new(&known).rank() != Basis::new(&banks(&known)).rank() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes over the banks, counted word by word: 8 lanes of 16 bytes go together.
    fn counted(places: &[usize]) -> usize {
        let phase = |lanes: &[usize]| {
            let mut words = vec![std::collections::BTreeSet::new(); 32];
            for word in lanes.iter().flat_map(|p| p / 4..p / 4 + 4) {
                words[word % 32].insert(word);
            }
            words.iter().map(|w| w.len()).max().unwrap_or(0)
        };
        places.chunks(8).map(phase).sum()
    }

    #[test]
    fn rows_of_any_chunks_never_wait() {
        for chunks in 1..=80 {
            let bytes = chunks * CHUNK;
            let c = Chunks::of(bytes).unwrap();
            // Every chunk has a place of its own, in its row.
            for row in 0..8 {
                let mut own: Vec<_> = (0..chunks).map(|k| c.place(bytes, row, k)).collect();
                own.sort_unstable();
                assert_eq!(own, (0..chunks).map(|k| row * bytes + k * CHUNK).collect::<Vec<_>>());
            }
            for chunk in 0..chunks {
                let column: Vec<_> = (0..8).map(|row| c.place(bytes, row, chunk)).collect();
                assert_eq!(counted(&column), 1, "chunk {chunk} of {chunks}");
            }
            // As copies write them, whole rows or parts of them one behind the other.
            let all = (0..16 * chunks).map(|k| c.place(bytes, k / chunks, k % chunks));
            let all: Vec<_> = all.collect();
            assert_eq!(counted(&all), 2 * chunks, "{chunks} chunks a row");
        }
        assert_eq!(Chunks::of(256).unwrap().flips(), [1, 2, 4]);
        assert_eq!(Chunks::of(160).unwrap().flips(), [0, 0, 1]);
        assert!(Chunks::of(24).is_err() && Chunks::of(0).is_err());
    }
}
