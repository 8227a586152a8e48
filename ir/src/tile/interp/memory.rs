//! Memory of an interpreted program: every cell knows whether it was written, and who touched it in this launch.

use super::{InterpError, Limits, Result};

/// One element.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// `None`: nothing wrote it.
    value: Option<f64>,
    /// Who wrote and read it in this launch, 0 for nobody; readers may be [`MANY`].
    writer: u32,
    reader: u32,
}

/// More than one reader.
const MANY: u32 = u32::MAX;

/// A tensor in memory, row-major.
#[derive(Clone)]
pub(super) struct Cells {
    pub shape: Vec<i64>,
    cells: Vec<Cell>,
}

impl Cells {
    /// Unwritten cells; negative sizes are empty.
    pub fn new(name: &str, shape: Vec<i64>, limits: &Limits) -> Result<Cells> {
        let shape: Vec<i64> = shape.into_iter().map(|n| n.max(0)).collect();
        let count = shape.iter().try_fold(1i64, |a, n| a.checked_mul(*n));
        let count = count.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= limits.elements);
        let Some(count) = count else {
            return Err(InterpError::Large { what: name.into(), most: limits.elements });
        };
        Ok(Cells { shape, cells: vec![Cell::default(); count] })
    }

    /// Cells of these values.
    pub fn of(shape: Vec<i64>, values: impl IntoIterator<Item = Option<f64>>) -> Cells {
        let cells = values.into_iter().map(|value| Cell { value, ..Cell::default() }).collect();
        Cells { shape, cells }
    }

    /// What is in memory after the last launch.
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        self.cells.iter().map(|c| c.value)
    }

    /// A launch ends with a barrier: who comes after it may touch everything.
    pub fn barrier(&mut self) {
        self.cells.iter_mut().for_each(|c| (c.writer, c.reader) = (0, 0));
    }

    /// What was there is lost.
    pub fn clear(&mut self, place: usize) {
        if let Some(cell) = self.cells.get_mut(place) {
            cell.value = None;
        }
    }

    /// `who` reads an element.
    pub fn read(&mut self, name: &str, place: usize, who: u32) -> Result<f64> {
        let unwritten = || InterpError::Unwritten { tensor: name.into(), place };
        let cell = self.cells.get_mut(place).ok_or_else(unwritten)?;
        if cell.writer != 0 && cell.writer != who {
            return Err(InterpError::Race { tensor: name.into(), place });
        }
        cell.reader = if cell.reader == 0 || cell.reader == who { who } else { MANY };
        cell.value.ok_or_else(unwritten)
    }

    /// `who` writes an element.
    pub fn write(&mut self, name: &str, place: usize, who: u32, x: f64) -> Result<()> {
        let unwritten = InterpError::Unwritten { tensor: name.into(), place };
        let cell = self.cells.get_mut(place).ok_or(unwritten)?;
        let other = |by: u32| by != 0 && by != who;
        if other(cell.writer) || other(cell.reader) {
            return Err(InterpError::Race { tensor: name.into(), place });
        }
        cell.writer = who;
        cell.value = Some(x);
        Ok(())
    }
}
