//! How the columns of a row are walked, and what indices that follow `col` read on the way.
//!
//! ```text
//! x[(col + 4) % 8 + col / 8 * 8] in tiles of 4:   tile 0 reads 4..8, tile 1 reads 0..4, and so on, 8 further each two:
//!                                                 for o in 0..64 step 8 { x[o + 4:4] at o   x[o:4] at o + 4 }
//! x[col + 1 - col % 2 * 2]:                       for c in 0..64 step 4 { permute(x[c:4], [1, 0, 3, 2]) }
//! ```
//!
//! The indices are evaluated for every column. Tiles that read alike, equally far apart, are turns of a loop, and what
//! repeats is a loop around these.

use kgen_ir::{
    extent::Extent,
    op::{expr::Expr, indices},
};

/// Wider rows with indices are not looked at.
const MAX_WIDTH: usize = 1 << 20;
/// Tiles of a row that differ from each other.
const MAX_PIECES: usize = 64;
/// Tiles after which a pattern repeats at most.
const MAX_PERIOD: usize = 4096;
/// Elements between the first and the last that a tile reads.
const MAX_SPAN: usize = 4096;

/// What an index reads for one tile: elements `base + table[i]`.
#[derive(Clone, Debug, PartialEq)]
struct Window {
    base: i64,
    table: Vec<usize>,
}

/// Tiles from `first` on that read alike, each index `steps` further than the one before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub first: usize,
    pub count: usize,
    steps: Vec<i64>,
}

/// The walk along a row.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Elements of a tile.
    pub tile: usize,
    width: usize,
    lanes: usize,
    /// Of each index, what each tile reads; the partial one is last.
    windows: Vec<Vec<Window>>,
    pub repeats: usize,
    /// Tiles that repeat, and how far each index is then.
    pub period: usize,
    shifts: Vec<i64>,
    pub inner: Vec<Piece>,
    /// Whole tiles behind the last repetition.
    pub rest: Vec<Piece>,
}

/// One tile of the walk.
pub(super) struct Cols {
    /// Column of the first element.
    pub start: Extent,
    pub len: usize,
    /// Elements that exist, where they are fewer.
    pub left: Option<usize>,
    /// Of each index: where it begins, and which elements from there each lane reads.
    pub windows: Vec<(Extent, Vec<usize>)>,
}

impl Walk {
    /// In tiles of `tile` elements, whole vectors of `lanes`; what cannot be walked is told.
    pub fn new(width: usize, tile: usize, lanes: usize, sites: &[Expr]) -> Result<Walk, String> {
        let mut walk = Walk {
            tile,
            width,
            lanes,
            windows: vec![],
            repeats: 1,
            period: width / tile,
            shifts: vec![0; sites.len()],
            inner: vec![],
            rest: vec![],
        };
        for e in sites {
            if width > MAX_WIDTH {
                return Err(format!("`{e}` in rows of more than {MAX_WIDTH} elements"));
            }
            let all =
                (0..width).map(|c| indices::at_col(e, c as i64)).collect::<Result<Vec<_>, _>>();
            let all = all.map_err(|e| e.to_string())?;
            let windows = all.chunks(tile).map(window).collect::<Option<Vec<_>>>();
            let far = || format!("`{e}`, which jumps over more than {MAX_SPAN} elements in a tile");
            walk.windows.push(windows.ok_or_else(far)?);
        }
        let full = width / tile;
        walk.inner = walk.pieces(0, full);
        if walk.inner.len() > 8
            && let Some((period, shifts)) = walk.repetition(full)
        {
            (walk.period, walk.shifts, walk.repeats) = (period, shifts, full / period);
            walk.inner = walk.pieces(0, period);
            walk.rest = walk.pieces(full / period * period, full);
        }
        if walk.inner.len() + walk.rest.len() > MAX_PIECES {
            let list: Vec<String> = sites.iter().map(|e| format!("`{e}`")).collect();
            return Err(format!(
                "indices that follow no pattern along the row: {}",
                list.join(", ")
            ));
        }
        Ok(walk)
    }

    /// Runs of tiles that read alike.
    fn pieces(&self, from: usize, to: usize) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::new();
        if self.windows.is_empty() && from < to {
            // Without an index tiles do not differ, however many there are.
            return vec![Piece { first: from, count: to - from, steps: vec![] }];
        }
        for k in from..to {
            if let Some(last) = out.last_mut()
                && let Some(steps) = self.apart(k - 1, k)
                && (last.count == 1 || last.steps == steps)
            {
                last.count += 1;
                last.steps = steps;
                continue;
            }
            out.push(Piece { first: k, count: 1, steps: vec![0; self.windows.len()] });
        }
        out
    }

    /// How far each index of tile `b` is from that of `a`, if they read alike.
    fn apart(&self, a: usize, b: usize) -> Option<Vec<i64>> {
        let one = |w: &Vec<Window>| {
            let (a, b) = (w.get(a)?, w.get(b)?);
            (a.table == b.table).then(|| b.base - a.base)
        };
        self.windows.iter().map(one).collect()
    }

    /// The fewest tiles after which all repeats, and how much further it is then.
    fn repetition(&self, full: usize) -> Option<(usize, Vec<i64>)> {
        (1..=(full / 2).min(MAX_PERIOD)).find_map(|period| {
            let shifts = self.apart(0, period)?;
            let same =
                (0..full - period).all(|k| self.apart(k, k + period).as_ref() == Some(&shifts));
            same.then_some((period, shifts))
        })
    }

    /// A tile of a piece: column `c` of the repetition that begins at column `o`.
    pub fn cols(&self, piece: &Piece, c: &Extent, o: &Extent) -> Cols {
        let first = (piece.first * self.tile) as i64;
        let windows = self.windows.iter().enumerate().map(|(s, windows)| {
            let Some(w) = windows.get(piece.first) else { return (Extent::Lit(0), vec![]) };
            let inner = along(c, first, self.tile, piece.steps[s]);
            let outer = along(o, 0, self.period * self.tile, self.shifts[s]);
            (inner + outer + w.base, w.table.clone())
        });
        Cols {
            start: o.clone() + c.clone(),
            len: self.tile,
            left: None,
            windows: windows.collect(),
        }
    }

    /// The elements that fill no tile, in whole vectors.
    pub fn tail(&self) -> Option<Cols> {
        let left = self.width % self.tile;
        if left == 0 {
            return None;
        }
        let len = left.next_multiple_of(self.lanes);
        let windows = self.windows.iter().map(|windows| {
            let Some(w) = windows.last() else { return (Extent::Lit(0), vec![]) };
            let mut table = w.table.clone();
            // Lanes without an element read what another reads.
            table.resize(len, table.last().copied().unwrap_or(0));
            (Extent::Lit(w.base), table)
        });
        Some(Cols {
            start: Extent::from(self.width - left),
            len,
            left: (left < len).then_some(left),
            windows: windows.collect(),
        })
    }
}

fn window(places: &[i64]) -> Option<Window> {
    let base = *places.iter().min()?;
    let table: Vec<usize> =
        places.iter().map(|p| usize::try_from(p - base).ok()).collect::<Option<_>>()?;
    table.iter().all(|t| *t < MAX_SPAN).then_some(Window { base, table })
}

/// `(var - from) / step * delta`.
fn along(var: &Extent, from: i64, step: usize, delta: i64) -> Extent {
    let step = (step as i64).max(1);
    if delta == 0 {
        Extent::Lit(0)
    } else if delta % step == 0 {
        (var.clone() - from) * (delta / step)
    } else {
        (var.clone() - from) / step * delta
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::{
        extent::Dims,
        op::expr::{Dialect, parse},
    };

    fn walk(width: usize, tile: usize, text: &str) -> Result<Walk, String> {
        let e = parse(text, Dialect::Index).map(|p| p.expr).unwrap();
        Walk::new(width, tile, tile.min(4), &[e])
    }

    /// What the walk reads, in the order of columns.
    fn reads(w: &Walk) -> Vec<i64> {
        let mut out = vec![-1; w.width];
        let value = |e: &Extent| e.eval(&Dims::default()).unwrap();
        let mut put = |cols: Cols| {
            let (start, (base, table)) = (value(&cols.start) as usize, &cols.windows[0]);
            for (i, t) in table.iter().enumerate().take(cols.left.unwrap_or(cols.len)) {
                out[start + i] = value(base) + *t as i64;
            }
        };
        for r in 0..w.repeats {
            for p in &w.inner {
                for k in p.first..p.first + p.count {
                    let o = Extent::from(r * w.period * w.tile);
                    put(w.cols(p, &Extent::from(k * w.tile), &o));
                }
            }
        }
        for p in &w.rest {
            for k in p.first..p.first + p.count {
                put(w.cols(p, &Extent::from(k * w.tile), &Extent::Lit(0)));
            }
        }
        w.tail().into_iter().for_each(&mut put);
        out
    }

    #[test]
    fn every_column_reads_what_its_index_says() {
        let halves = "col / 8 * 8 + (col + 4) % 8";
        let cases = [
            ("col", 64, 1),
            ("63 - col", 64, 1),
            ("col % 4", 64, 1),
            ("col / 2", 61, 1),
            ("col + 1 - col % 2 * 2", 64, 1),
            (halves, 256, 2),
            (halves, 264, 2),
            ("col / 80 * 80 + (col + 40) % 80", 800, 2),
            ("select(col % 32 < 16, col / 32 * 32 + (col + 8) % 16, col)", 512, 3),
            ("col * 3 / 2", 60, 1),
            ("col % 7", 21, 7),
        ];
        for (text, width, most) in cases {
            for tile in [4, 8] {
                let w = walk(width, tile, text).unwrap();
                let e = parse(text, Dialect::Index).map(|p| p.expr).unwrap();
                let wanted: Vec<i64> =
                    (0..width).map(|c| indices::at_col(&e, c as i64).unwrap()).collect();
                assert_eq!(reads(&w), wanted, "{text}, {width} in tiles of {tile}");
                assert!(w.inner.len() + w.rest.len() <= most + 4, "{text}: {:?}", w.inner);
            }
        }
    }

    #[test]
    fn what_follows_no_pattern_is_told() {
        let error = walk(4000, 4, "col * col % 4001").unwrap_err();
        assert!(error.starts_with("indices that follow no pattern"), "{error}");
        let error = walk(64, 4, "col * 5000").unwrap_err();
        assert!(error.contains("jumps over more than 4096"), "{error}");
        let error = walk(MAX_WIDTH + 1, 4, "col").unwrap_err();
        assert!(error.contains("in rows of more than"), "{error}");
        assert!(walk(8, 4, "id").unwrap_err().contains("has no value"));
    }
}
