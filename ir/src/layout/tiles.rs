//! Runs, quotients and grids: how wide a move may be, and how often an atom fits into a layout.
//!
//! The accumulator of eight `n` by 16 `m`, four of them side by side, divided by one of them:
//!
//! ```text
//! lane = n1 n2 m0 m1 m2, reg = n0 m3 n3 n4   by   lane = n1 n2 m0 m1 m2, reg = n0 m3   is   reg = n0 n1
//! ```

use super::{Layout, LayoutError};

impl Layout {
    /// Number of low bits of hardware axis `axis` that are the same low bits of logical axis `onto`,
    /// with no other bit reaching into them: so many bits of `axis` move in one vector access.
    pub fn run(&self, axis: &str, onto: &str) -> usize {
        let word = |column: u64| self.bits_of(column);
        let mut run = 0;
        for (bit, column) in self.columns_of(axis).iter().enumerate() {
            let own = [(onto.to_string(), bit)];
            let users = self.columns().iter().filter(|c| word(**c).contains(&own[0])).count();
            if word(*column) != own || users != 1 {
                break;
            }
            run += 1;
        }
        run
    }

    /// The layout of which each element is a whole `tile`, or where the tile does not fit.
    pub fn divide(&self, tile: &Layout) -> Result<Layout, LayoutError> {
        let mut axes = Vec::new();
        for (name, _) in &tile.inputs {
            if self.input_bits(name) == 0 {
                return Err(LayoutError::NoAxis(name.clone()));
            }
        }
        for (name, columns) in &self.inputs {
            let (inner, mut outer) = (tile.columns_of(name), Vec::new());
            if inner.len() > columns.len() {
                return Err(self.no_quotient(name, columns.len()));
            }
            for (bit, column) in columns.iter().enumerate() {
                let word = self.bits_of(*column);
                match inner.get(bit) {
                    Some(want) if tile.bits_of(*want) != word => {
                        return Err(self.no_quotient(name, bit));
                    }
                    Some(_) => {}
                    None => {
                        let mut moved = Vec::new();
                        for (axis, high) in &word {
                            match high.checked_sub(tile.output_bits(axis)) {
                                Some(above) => moved.push((axis.clone(), above)),
                                None => return Err(self.no_quotient(name, bit)),
                            }
                        }
                        outer.push(moved);
                    }
                }
            }
            if !outer.is_empty() {
                axes.push((name.clone(), outer));
            }
        }
        Layout::from_bits(axes)
    }

    /// This layout of whole tiles, with the tile inside: `quotient.of(tile)` undoes `divide`.
    pub fn of(&self, tile: &Layout) -> Result<Layout, LayoutError> {
        let mut axes: Vec<_> = tile
            .inputs
            .iter()
            .map(|(n, columns)| {
                (n.clone(), columns.iter().map(|c| tile.bits_of(*c)).collect::<Vec<_>>())
            })
            .collect();
        for (name, columns) in &self.inputs {
            let outer = columns.iter().map(|column| {
                let word = self.bits_of(*column).into_iter();
                word.map(|(n, bit)| (n.clone(), bit + tile.output_bits(&n))).collect::<Vec<_>>()
            });
            match axes.iter_mut().find(|(n, _)| n == name) {
                Some((_, words)) => words.extend(outer),
                None => axes.push((name.clone(), outer.collect::<Vec<_>>())),
            }
        }
        Layout::from_bits(axes)
    }

    /// The same layout with a logical axis called otherwise, `n` of one product as `k` of the next.
    pub fn rename(&self, from: &str, to: &str) -> Result<Layout, LayoutError> {
        let name = |n: String| if n == from { to.to_string() } else { n };
        let word = |c: &u64| self.bits_of(*c).into_iter().map(|(n, b)| (name(n), b)).collect();
        Layout::from_bits(
            self.inputs.iter().map(|(n, c)| (n.clone(), c.iter().map(word).collect())).collect(),
        )
    }

    fn no_quotient(&self, axis: &str, bit: usize) -> LayoutError {
        LayoutError::NoQuotient { axis: axis.to_string(), bit }
    }
}

/// An atom repeated any number of times along one logical axis: the registers of `m64n80` are ten
/// atoms of eight columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub atom: Layout,
    /// The hardware axis that counts atoms above its own bits.
    pub by: String,
    /// The logical axis along which they lie.
    pub along: String,
    pub count: u64,
}

impl Grid {
    /// Logical coordinates of a hardware index, as [`Layout::apply`].
    pub fn apply(&self, index: &[(&str, u64)]) -> Result<Vec<(String, u64)>, LayoutError> {
        let shift = |value: u64, by: usize| value.checked_shl(by as u32).unwrap_or(0);
        let bits = self.atom.input_bits(&self.by);
        let count = self.count.saturating_mul(shift(1, bits));
        let (mut inner, mut tile) = (index.to_vec(), 0);
        for (_, value) in inner.iter_mut().filter(|(n, _)| *n == self.by) {
            if *value >= count {
                let (axis, index) = (self.by.clone(), *value);
                return Err(LayoutError::OutOfGrid { axis, index, count });
            }
            tile = *value >> bits;
            *value &= shift(1, bits) - 1;
        }
        let mut out = self.atom.apply(&inner)?;
        let step = shift(1, self.atom.output_bits(&self.along));
        for (_, value) in out.iter_mut().filter(|(n, _)| *n == self.along) {
            *value = tile
                .checked_mul(step)
                .and_then(|at| value.checked_add(at))
                .ok_or(LayoutError::TooLarge)?;
        }
        Ok(out)
    }
}
