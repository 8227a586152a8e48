//! Apply, compose, invert, rank and kernel: Gaussian elimination on machine words.

use super::{Layout, MAX_BITS, position};

/// What cannot be done with a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    #[error("a layout has at most {MAX_BITS} bits on each side")]
    TooLarge,
    #[error("the layout never reaches {}; only a layout that reaches every element has an inverse", .missing.join(", "))]
    NotSurjective { missing: Vec<String> },
    #[error("the layout has no hardware axis `{0}`")]
    NoAxis(String),
    #[error("index {index} of `{axis}` is beyond its {bits} bits")]
    OutOfRange { axis: String, index: u64, bits: usize },
    #[error("bit {bit} of `{axis}` goes into a layout that has {bits} bits of it")]
    Mismatch { axis: String, bit: usize, bits: usize },
    #[error("the tile does not divide the layout: it differs at bit {bit} of `{axis}`")]
    NoQuotient { axis: String, bit: usize },
    #[error("index {index} of `{axis}` is beyond the grid's {count}")]
    OutOfGrid { axis: String, index: u64, count: u64 },
    #[error("a lane accesses 1, 2, 4, 8 or 16 bytes, not {0}")]
    AccessBytes(usize),
    #[error("a lane's {0} bytes do not begin at a multiple of {0}")]
    Misaligned(usize),
    #[error("an access leads to `offset`, not to `{0}`")]
    NotOffset(String),
    #[error(
        "no swizzle frees all accesses of conflicts; store and load with narrower vectors, or pad the rows"
    )]
    NoSwizzle,
    #[error("an element has 1 to 64 bits, not {0}")]
    ElementBits(usize),
}

/// Columns in echelon form, each with the set of original columns that it is the xor of.
pub(super) struct Basis {
    rows: Vec<(u64, u64)>,
    /// Sets of columns whose xor is zero.
    pub kernel: Vec<u64>,
}

impl Basis {
    pub fn new(columns: &[u64]) -> Basis {
        let mut basis = Basis { rows: Vec::new(), kernel: Vec::new() };
        for (i, column) in columns.iter().enumerate().take(MAX_BITS) {
            let (rest, set) = basis.reduce(*column);
            let set = set ^ (1 << i);
            if rest == 0 {
                basis.kernel.push(set);
            } else {
                basis.rows.push((rest, set));
                basis.rows.sort_by_key(|(row, _)| std::cmp::Reverse(*row));
            }
        }
        basis
    }

    pub fn rank(&self) -> usize {
        self.rows.len()
    }

    /// What is left of `value`, and the columns that were taken away.
    pub fn reduce(&self, value: u64) -> (u64, u64) {
        self.rows.iter().fold((value, 0), |(rest, taken), (row, set)| {
            // The rows have distinct leading bits, highest first.
            if rest >> row.ilog2() & 1 == 1 { (rest ^ row, taken ^ set) } else { (rest, taken) }
        })
    }
}

impl Layout {
    /// The columns of all hardware bits, axes by name, lowest bit first.
    pub(super) fn columns(&self) -> Vec<u64> {
        self.inputs.iter().flat_map(|(_, columns)| columns.iter().copied()).collect()
    }

    /// Logical coordinates of a hardware index; an axis that is not given is 0.
    pub fn apply(&self, index: &[(&str, u64)]) -> Result<Vec<(String, u64)>, LayoutError> {
        let mut sum = 0;
        for (axis, value) in index {
            let Some((_, columns)) = self.inputs.iter().find(|(n, _)| n == axis) else {
                return Err(LayoutError::NoAxis(axis.to_string()));
            };
            let bits = columns.len();
            if bits < MAX_BITS && value >> bits != 0 {
                return Err(LayoutError::OutOfRange {
                    axis: axis.to_string(),
                    index: *value,
                    bits,
                });
            }
            for (bit, column) in columns.iter().enumerate() {
                sum ^= if value >> bit & 1 == 1 { *column } else { 0 };
            }
        }
        let mut out: Vec<(String, u64)> =
            self.outputs.iter().map(|(n, _)| (n.clone(), 0)).collect();
        for (name, bit) in self.bits_of(sum) {
            if let Some((_, value)) = out.iter_mut().find(|(n, _)| *n == name) {
                *value |= 1 << bit;
            }
        }
        Ok(out)
    }

    /// First `self`, then `next`: the logical axes of `self` are the hardware axes of `next`.
    pub fn then(&self, next: &Layout) -> Result<Layout, LayoutError> {
        let mut inputs = Vec::new();
        for (name, columns) in &self.inputs {
            let mut moved = Vec::new();
            for column in columns {
                let mut sum = 0;
                for (axis, bit) in self.bits_of(*column) {
                    let targets = next.columns_of(&axis);
                    let Some(target) = targets.get(bit) else {
                        return Err(LayoutError::Mismatch { axis, bit, bits: targets.len() });
                    };
                    sum ^= target;
                }
                moved.push(sum);
            }
            inputs.push((name.clone(), moved));
        }
        Ok(Layout { inputs, outputs: next.outputs.clone() }.trimmed())
    }

    /// A layout that leads from every element back to one of its places (a right inverse): `invert`,
    /// then `self`, is the identity. Of replicated places it names the one with the free bits at 0.
    pub fn invert(&self) -> Result<Layout, LayoutError> {
        let basis = Basis::new(&self.columns());
        let sizes: Vec<(String, usize)> =
            self.inputs.iter().map(|(n, columns)| (n.clone(), columns.len())).collect();
        let (mut inputs, mut missing) = (Vec::new(), Vec::new());
        for (name, bits) in &self.outputs {
            let at = position(&self.outputs, name).unwrap_or(0);
            let mut columns = Vec::new();
            for bit in 0..*bits {
                let (rest, set) = basis.reduce(1 << (at + bit));
                if rest != 0 {
                    missing.push(format!("`{name}{bit}`"));
                }
                columns.push(set);
            }
            inputs.push((name.clone(), columns));
        }
        if !missing.is_empty() {
            return Err(LayoutError::NotSurjective { missing });
        }
        Ok(Layout { inputs, outputs: sizes }.trimmed())
    }

    /// Number of independent logical bits reached.
    pub fn rank(&self) -> usize {
        Basis::new(&self.columns()).rank()
    }

    /// Does every element have a place?
    pub fn is_surjective(&self) -> bool {
        self.rank() == self.outputs.iter().map(|(_, bits)| bits).sum()
    }

    /// Does every place have its own element?
    pub fn is_injective(&self) -> bool {
        self.rank() == self.columns().len()
    }

    pub fn is_bijective(&self) -> bool {
        self.is_surjective() && self.is_injective()
    }

    /// Independent hardware steps that stay on the same element, each as axes and xor masks: the
    /// copies of a broadcast. There are as many as hardware bits less the rank.
    pub fn kernel(&self) -> Vec<Vec<(String, u64)>> {
        Basis::new(&self.columns()).kernel.iter().map(|set| self.split_input(*set)).collect()
    }

    /// A set of hardware bits by axis; axes without a bit are left out.
    fn split_input(&self, set: u64) -> Vec<(String, u64)> {
        let mut at = 0;
        let mut out = Vec::new();
        for (name, columns) in &self.inputs {
            let mask = (0..columns.len())
                .filter(|bit| set >> (at + bit) & 1 == 1)
                .fold(0u64, |acc, bit| acc | 1 << bit);
            at += columns.len();
            if mask != 0 {
                out.push((name.clone(), mask));
            }
        }
        out
    }
}
