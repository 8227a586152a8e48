//! Which tiles lie in registers as matrix instructions hold them, and what those instructions are.
//!
//! ```text
//! s = dot(q, k^T) : f32[16, 16]        lanes n1 n2 m0 m1 m2        by the instruction whose sum lies so
//! m = reduce_max(s, 1) : f32[16, 1]    lanes _ _ m0 m1 m2          in the lanes of its rows
//! p = exp2(s - m) : f32[16, 16]        lanes n1 n2 m0 m1 m2        as what it is computed from
//! ```
//!
//! A product that a row of the target computes lies as the row says. What is computed element by element from a
//! fragment lies as that, operands that are broadcast without the dimension which they lack; what a loop or a branch
//! hands on stays as it is. All other tiles have lanes along their last dimension.

use kgen_ir::{
    dtype::Dtype,
    layout::Layout,
    machine::{
        Op,
        mma::{self, Mma},
    },
    target::Target,
    tile::{Expr, Kernel, LaneBits, Param, Stmt, Store, Value},
};
use std::{collections::BTreeMap, sync::LazyLock};

/// A matrix instruction as a product sees it: one of several products at once is one of a larger matrix.
#[derive(Clone, Debug)]
pub struct Instruction {
    pub mma: &'static Mma,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Of a, b and the sums; `_` where lanes have the same.
    pub layouts: [String; 3],
    /// The lanes of its sums.
    pub sums: Option<LaneBits>,
    /// The axis along which neighbours of the right operand share a word.
    along: Option<String>,
    /// The highest row, as bits, that lanes tell apart in the left operand or the sums; words tell the rest.
    told: Option<usize>,
}

/// Each matrix instruction whose lanes are a fragment, found once.
static ALL: LazyLock<Vec<Instruction>> = LazyLock::new(|| {
    let fragments = mma::ALL.iter().filter(|mma| !mma.by_rows());
    fragments.map(|mma| Instruction::new(mma)).collect()
});

/// The instruction of the target that multiplies such elements, `k` of them in whole steps, and whose sums lie as
/// vectors do: the deepest, if it has one.
pub fn by_rows(target: &Target, [a, b]: [Dtype; 2], k: usize) -> Option<&'static Mma> {
    let all = target.rows.iter();
    let all = all.filter_map(|row| if let Op::Mma(m) = row.op { Some(m) } else { None });
    let fits = |m: &&Mma| m.by_rows() && m.a == a && m.b == b && k.is_multiple_of(m.k);
    all.filter(fits).max_by_key(|m| m.k)
}

impl Instruction {
    /// `None` for what has no fragments, and what is not of the table.
    pub fn of(mma: &'static Mma) -> Option<&'static Instruction> {
        ALL.iter().find(|i| i.mma == mma)
    }

    /// Product q of four takes every second four of 16 rows and of 16 columns: so lanes side by side read eight rows
    /// of the left operand, or eight neighbours of four rows of the right one, which lie in different banks.
    fn new(mma: &'static Mma) -> Instruction {
        let places = [("m2", "_"), ("_", "n2"), ("m2", "n2")];
        let several = mma.products() > 1;
        let layouts: [String; 3] = std::array::from_fn(|i| {
            let (low, high) = places[i];
            let layout = mma.layouts[i].to_string();
            if !several {
                return layout;
            }
            layout.replace("m2", "m3").replace("n2", "n3").replace("q0", low).replace("q1", high)
        });
        let times = if several { 2 } else { 1 };
        let lanes = |i: usize, axes| LaneBits::of(&Layout::parse(&layouts[i]).ok()?, axes);
        let (left, sums) = (lanes(0, ["m", "k"]), lanes(2, ["m", "n"]));
        let told = left.zip(sums).map(|(left, sums)| left.covered(0) | sums.covered(0));
        let along = neighbours(mma.layouts[1]);
        let (m, n) = (times * mma.m, times * mma.n);
        Instruction { mma, m, n, k: mma.k, layouts, sums, along, told }
    }

    /// Does it serve so many rows: all of its own, or the first ones where words of their own hold the others?
    pub fn serves(&self, rows: usize) -> bool {
        let few = self.m.is_multiple_of(rows) && self.told.is_some_and(|told| told < rows);
        rows.is_multiple_of(self.m) || few
    }
}

/// The instruction of the target that computes a product, if one does: the first whose elements and sizes fit, best one
/// whose words have neighbours of the right operand's rows.
pub fn instruction(
    kernel: &Kernel,
    (a, b): (Value, Value),
    transpose: bool,
    target: &Target,
) -> Option<&'static Instruction> {
    let ty = |v: Value| &kernel.values[v].ty;
    let ([m, k], [x, y]) = (&ty(a).shape[..], &ty(b).shape[..]) else { return None };
    let n = if transpose { x } else { y };
    let elements = |i: &&'static Mma| ty(a).elem == i.a && ty(b).elem == i.b;
    let packed = kernel.params.iter().any(|p| match p {
        Param::Tensor(t) => has_rows_in_lanes(&t.store),
        Param::Scalar(_) => false,
    });
    if packed && (in_lanes(kernel, a) || in_lanes(kernel, b)) {
        return None;
    }
    let all = target.rows.iter();
    let all = all.filter_map(|row| if let Op::Mma(i) = row.op { Some(i) } else { None });
    let row = if transpose { "k" } else { "n" };
    let along = |i: &&Instruction| i.along.as_deref() == Some(row);
    let all = all.filter(elements).filter_map(Instruction::of);
    let mut best = all.clone().filter(along).chain(all);
    best.find(|i| i.serves(*m) && n.is_multiple_of(i.n) && k.is_multiple_of(i.k))
}

/// The axis along which elements of a word are neighbours.
pub fn neighbours(layout: &str) -> Option<String> {
    let layout = Layout::parse(layout).ok()?;
    let mut index: Vec<(&str, u64)> = layout.inputs().map(|(name, _)| (name, 0)).collect();
    let part = index.iter_mut().find(|(name, _)| matches!(*name, "half" | "byte"))?;
    part.1 = 1;
    let place = layout.apply(&index).ok()?;
    place.into_iter().find_map(|(axis, at)| (at == 1).then_some(axis))
}

/// Is `v` read from a weight whose packing has rows in lanes, as other instructions want it?
fn in_lanes(kernel: &Kernel, v: Value) -> bool {
    match definition(&kernel.body, v) {
        Some(Expr::Load { tensor, .. }) => {
            kernel.tensor(tensor).is_some_and(|t| has_rows_in_lanes(&t.store))
        }
        Some(expr) => super::operands(expr).iter().any(|o| in_lanes(kernel, *o)),
        None => false,
    }
}

fn has_rows_in_lanes(store: &Store) -> bool {
    matches!(store, Store::Packed { of, .. } if !of.in_fragments())
}

/// The expression that a value is, if it is one.
fn definition(body: &[Stmt], v: Value) -> Option<&Expr> {
    body.iter().find_map(|stmt| match stmt {
        Stmt::Let { value, expr } => (*value == v).then_some(expr),
        Stmt::For(f) => definition(&f.body, v),
        Stmt::Tasks { body, .. } => definition(body, v),
        Stmt::If(i) => definition(&i.then, v).or_else(|| definition(&i.otherwise, v)),
        Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => None,
    })
}

/// Tiles that lie as fragments.
pub fn fragments(kernel: &Kernel, target: &Target) -> BTreeMap<Value, LaneBits> {
    let mut f = Fragments { kernel, target, of: BTreeMap::new(), changed: false };
    if target.rows.iter().any(|row| matches!(row.op, Op::Mma(m) if !m.by_rows())) {
        loop {
            f.changed = false;
            f.block(&kernel.body);
            if !f.changed {
                break;
            }
        }
    }
    f.of
}

struct Fragments<'a> {
    kernel: &'a Kernel,
    target: &'a Target,
    of: BTreeMap<Value, LaneBits>,
    changed: bool,
}

impl Fragments<'_> {
    fn shape(&self, v: Value) -> &[usize] {
        &self.kernel.values[v].ty.shape
    }

    fn set(&mut self, v: Value, bits: LaneBits) {
        let own = bits.within(self.shape(v));
        if !self.of.contains_key(&v) && own.fits(self.shape(v)) && !own.is_splat() {
            self.of.insert(v, own);
            self.changed = true;
        }
    }

    /// All lie as the first that lies somehow.
    fn same(&mut self, list: &[Value]) {
        if let Some(bits) = list.iter().find_map(|v| self.of.get(v).copied()) {
            list.iter().for_each(|v| self.set(*v, bits));
        }
    }

    fn block(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Let { value, expr } => self.expr(*value, expr),
                Stmt::For(f) => {
                    for c in &f.carried {
                        self.same(&[c.init, c.param, c.yielded, c.result]);
                    }
                    self.block(&f.body);
                }
                Stmt::Tasks { body, .. } => self.block(body),
                Stmt::If(i) => {
                    for (result, a, b) in &i.yields {
                        self.same(&[*result, *a, *b]);
                    }
                    self.block(&i.then);
                    self.block(&i.otherwise);
                }
                Stmt::Scalar { .. }
                | Stmt::Read { .. }
                | Stmt::Any { .. }
                | Stmt::Stage(_)
                | Stmt::Commit
                | Stmt::Wait(_)
                | Stmt::Store { .. }
                | Stmt::Prefetch { .. } => {}
            }
        }
    }

    fn expr(&mut self, value: Value, expr: &Expr) {
        match expr {
            Expr::Dot { a, b, transpose, acc } => {
                let by = instruction(self.kernel, (*a, *b), *transpose, self.target);
                if let Some(bits) = by.and_then(|by| by.sums) {
                    self.set(value, bits);
                    acc.iter().for_each(|acc| self.set(*acc, bits));
                }
            }
            Expr::Reduce(_, a, dim) => match (self.of.get(a), self.of.get(&value)) {
                (Some(bits), _) => {
                    let rest = bits.without(*dim);
                    self.set(value, rest);
                }
                // Lanes that hold the same result share its elements.
                (None, Some(bits)) => {
                    let mut next = 0;
                    let bits = bits.0.map(|bit| {
                        bit.or_else(|| {
                            next += 1;
                            Some((*dim as u8, next - 1))
                        })
                    });
                    self.set(*a, LaneBits(bits));
                }
                (None, None) => {}
            },
            Expr::Unary(..)
            | Expr::Binary(..)
            | Expr::Select(..)
            | Expr::Bits(_)
            | Expr::Convert(_) => {
                let from = super::operands(expr);
                let alike = |v: &&Value| self.shape(**v) == self.shape(value);
                let own = self.of.get(&value);
                let bits = own.or_else(|| from.iter().filter(alike).find_map(|v| self.of.get(v)));
                if let Some(bits) = bits.copied() {
                    self.set(value, bits);
                    from.iter().for_each(|v| self.set(*v, bits));
                }
            }
            Expr::Fill(_)
            | Expr::Iota { .. }
            | Expr::Load { .. }
            | Expr::Lookup { .. }
            | Expr::Permute(..)
            | Expr::Transpose(_) => {}
        }
    }
}
