//! Where each tile lives: in registers if it is small, in scratch if not, nowhere if it is used once and cheap.
//!
//! ```text
//! k0 = load(k[j:16, 0:128]) : f16[16, 128]            @inline   read where the product needs it
//! k1 = convert(k0) : f32[16, 128]                --->  @inline
//! s = dot(q, k1^T) : f32[4, 16]                        @scratch  16 vectors of 4 lanes
//! m = reduce_max(s, 1) : f32[4, 1]                     @register
//! ```

use super::{
    fragments::{fragments, instruction},
    operands, stores_to,
};
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    machine::Op,
    tile::{
        Binary, Expr, Kernel, Program, Role, Slice, Space, Stage, Stmt, Store, Type, Value,
        field::Field,
    },
};
use std::collections::{BTreeMap, BTreeSet};

pub fn run(mut program: Program, choice: &Choice) -> Result<Program, Unsupported> {
    for kernel in &mut program.kernels {
        let mut uses = Uses::default();
        uses.block(&kernel.body, 0);
        uses.rows(&kernel.body);
        let mut spaces = BTreeMap::new();
        block(kernel, &kernel.body, 0, &uses, choice, &mut spaces, &mut 0);
        let fragments = fragments(kernel, choice.target);
        let mut waiting = Vec::new();
        joined(kernel, &kernel.body, &uses, choice, &mut waiting);
        for (value, space) in spaces {
            let ty = &mut kernel.values[value].ty;
            let few = ty.count() <= FRAGMENT * choice.target.lanes;
            let space = match space {
                // A register a lane holds as many elements of it as there are lanes.
                Space::Scratch if few && fragments.contains_key(&value) => Space::Register,
                Space::Register | Space::Scratch | Space::Inline => space,
            };
            ty.space = Some(if waiting.contains(&value) { Space::Inline } else { space });
        }
        kernel.stage = Stage::Placed;
    }
    Ok(program)
}

/// A product by a matrix instruction that may wait for a later one.
struct Waiting<'a> {
    place: usize,
    value: Value,
    right: Value,
    /// Adds to nothing.
    fresh: bool,
    /// Instruction, form and size.
    like: (&'a str, bool, Vec<usize>, usize),
}

/// Products that are computed with a later one, so that what their right operands read is read once: one that only the
/// next product of the same operand adds to, or one whose right operand is computed from the same tile of memory.
fn joined(kernel: &Kernel, body: &[Stmt], uses: &Uses, choice: &Choice, out: &mut Vec<Value>) {
    // Since the last statement that may write to memory.
    let mut before: Vec<Waiting<'_>> = Vec::new();
    for (place, stmt) in body.iter().enumerate() {
        match stmt {
            Stmt::Let { value, expr: Expr::Dot { a, b, transpose, acc } } => {
                let by = instruction(kernel, (*a, *b), *transpose, choice.target);
                let Some(by) = by else { continue };
                let ty = |v: Value| &kernel.values[v].ty;
                let deep = ty(*a).shape.get(1).copied().unwrap_or(0);
                let like = (by.mma.name, *transpose, ty(*value).shape.clone(), deep);
                for p in before.iter().filter(|p| p.like == like) {
                    let added = *acc == Some(p.value) && p.right == *b && read_once(uses, p.value);
                    let between = &body[p.place + 1..place];
                    let unread = !between.iter().any(|s| reads(s, p.value));
                    let beside = p.fresh && unread && *acc != Some(p.value) && p.right != *b;
                    if added || beside && shares_tile(body, p.right, *b) {
                        out.push(p.value);
                    }
                }
                // A product waits for one.
                before.retain(|p| !out.contains(&p.value));
                let (value, right, fresh) = (*value, *b, acc.is_none());
                before.push(Waiting { place, value, right, fresh, like });
            }
            Stmt::Let { .. } | Stmt::Scalar { .. } => {}
            Stmt::For(f) => {
                before.clear();
                joined(kernel, &f.body, uses, choice, out);
            }
            Stmt::Tasks { body, .. } => joined(kernel, body, uses, choice, out),
            Stmt::If(i) => {
                before.clear();
                joined(kernel, &i.then, uses, choice, out);
                joined(kernel, &i.otherwise, uses, choice, out);
            }
            Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => before.clear(),
        }
    }
}

fn read_once(uses: &Uses, v: Value) -> bool {
    uses.readers.get(&v).is_some_and(|readers| readers.len() == 1)
}

/// Are both computed from the same tile of memory?
fn shares_tile(body: &[Stmt], a: Value, b: Value) -> bool {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    tiles(body, a, &mut first);
    tiles(body, b, &mut second);
    first.iter().any(|tile| second.contains(tile))
}

/// The tiles of memory that a value of this block is computed from.
fn tiles<'a>(body: &'a [Stmt], v: Value, out: &mut Vec<(&'a str, &'a [Slice])>) {
    let found = body.iter().find_map(|stmt| match stmt {
        Stmt::Let { value, expr } if *value == v => Some(expr),
        Stmt::Let { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::For(_)
        | Stmt::Tasks { .. }
        | Stmt::If(_)
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => None,
    });
    if let Some(Expr::Load { tensor, at, .. }) = found {
        out.push((tensor, at));
    } else if let Some(expr) = found {
        operands(expr).into_iter().for_each(|v| tiles(body, v, out));
    }
}

/// Words a lane of a fragment at most, of the 255 that a thread has.
const FRAGMENT: usize = 128;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    /// The left operand of a product is read once per column block.
    DotLeft,
    DotRight,
    Stored,
}

/// Who reads a value: block number and kind, one entry a reader.
#[derive(Default)]
struct Uses {
    readers: BTreeMap<Value, Vec<(usize, Kind)>>,
    next: usize,
    /// What right operands of products are computed from: a loop over k reads it row by row.
    rows: BTreeSet<Value>,
}

impl Uses {
    fn add(&mut self, v: Value, block: usize, kind: Kind) {
        self.readers.entry(v).or_default().push((block, kind));
    }

    /// From the last statement to the first, so that readers come before what they read.
    fn rows(&mut self, body: &[Stmt]) {
        for stmt in body.iter().rev() {
            match stmt {
                Stmt::Let { expr: Expr::Dot { b, .. }, .. } => drop(self.rows.insert(*b)),
                Stmt::Let { value, expr } => {
                    if self.rows.contains(value) && !matches!(expr, Expr::Reduce(..)) {
                        self.rows.extend(operands(expr));
                    }
                }
                Stmt::For(f) => self.rows(&f.body),
                Stmt::Tasks { body, .. } => self.rows(body),
                Stmt::If(i) => {
                    self.rows(&i.otherwise);
                    self.rows(&i.then);
                }
                Stmt::Scalar { .. }
                | Stmt::Read { .. }
                | Stmt::Any { .. }
                | Stmt::Store { .. }
                | Stmt::Stage(_)
                | Stmt::Commit
                | Stmt::Wait(_)
                | Stmt::Prefetch { .. } => {}
            }
        }
    }

    /// Numbers blocks in the order of a walk, as [`block`] does.
    fn block(&mut self, body: &[Stmt], own: usize) {
        for stmt in body {
            match stmt {
                Stmt::Let { expr: Expr::Dot { a, b, acc, .. }, .. } => {
                    self.add(*a, own, Kind::DotLeft);
                    self.add(*b, own, Kind::DotRight);
                    if let Some(acc) = acc {
                        self.add(*acc, own, Kind::Plain);
                    }
                }
                Stmt::Let { expr: Expr::Lookup { tables, codes, acc }, .. } => {
                    self.add(*tables, own, Kind::DotLeft);
                    self.add(*codes, own, Kind::DotRight);
                    if let Some(acc) = acc {
                        self.add(*acc, own, Kind::Plain);
                    }
                }
                Stmt::Let { expr, .. } => {
                    for v in operands(expr) {
                        self.add(v, own, Kind::Plain);
                    }
                }
                Stmt::Any { value, .. } => self.add(*value, own, Kind::Plain),
                Stmt::Store { value, .. } => self.add(*value, own, Kind::Stored),
                Stmt::For(f) => {
                    for c in &f.carried {
                        self.add(c.init, own, Kind::Plain);
                    }
                    self.next += 1;
                    let inner = self.next;
                    self.block(&f.body, inner);
                    for c in &f.carried {
                        self.add(c.yielded, inner, Kind::Plain);
                    }
                }
                Stmt::Tasks { body, .. } => {
                    self.next += 1;
                    self.block(body, self.next);
                }
                Stmt::If(i) => {
                    for (body, second) in [(&i.then, false), (&i.otherwise, true)] {
                        self.next += 1;
                        let inner = self.next;
                        self.block(body, inner);
                        for (_, a, b) in &i.yields {
                            self.add(if second { *b } else { *a }, inner, Kind::Plain);
                        }
                    }
                }
                Stmt::Scalar { .. }
                | Stmt::Read { .. }
                | Stmt::Stage(_)
                | Stmt::Commit
                | Stmt::Wait(_)
                | Stmt::Prefetch { .. } => {}
            }
        }
    }
}

fn block(
    kernel: &Kernel,
    body: &[Stmt],
    own: usize,
    uses: &Uses,
    choice: &Choice,
    out: &mut BTreeMap<Value, Space>,
    next: &mut usize,
) {
    let crowded = crowded(kernel, body, choice);
    for stmt in body {
        match stmt {
            Stmt::Let { value, expr } => {
                let mut space = space(kernel, body, own, *value, expr, uses, choice, out);
                let ty = &kernel.values[*value].ty;
                let sum = matches!(expr, Expr::Binary(..));
                // Integers that are summed beside products are read from what scales of those are read from.
                let beside = matches!(expr, Expr::Binary(Binary::Add, ..)) && ty.elem == Dtype::I32;
                let now = beside || sum && ends(body, expr, uses, out) > 1;
                if crowded && space == Space::Inline && now {
                    space = kept(ty, choice);
                }
                let shape = &kernel.values[*value].ty.shape;
                // Registers have no index that is known at run time only.
                let looked_up = shape.len() == 2 && shape[0] > 1 && uses.rows.contains(value);
                let space = match space {
                    Space::Register if looked_up => Space::Scratch,
                    Space::Register | Space::Scratch | Space::Inline => space,
                };
                out.insert(*value, space);
            }
            Stmt::For(f) => {
                let beside = integer_sums(kernel, &f.body, choice);
                for c in &f.carried {
                    let ty = &kernel.values[c.param].ty;
                    let kept = if sums_of_halves(kernel, &f.body, c.yielded) {
                        sums(ty, choice)
                    } else if ty.elem == Dtype::F32 && beside > 0 {
                        // What such a product is added to waits in memory if both do not fit.
                        fits(ty, choice.target.vectors.saturating_sub(BESIDE + beside), choice)
                    } else {
                        kept(ty, choice)
                    };
                    out.insert(c.param, kept);
                    out.insert(c.result, kept);
                }
                *next += 1;
                block(kernel, &f.body, *next, uses, choice, out, next);
            }
            Stmt::Tasks { body, .. } => {
                *next += 1;
                block(kernel, body, *next, uses, choice, out, next);
            }
            Stmt::If(i) => {
                for body in [&i.then, &i.otherwise] {
                    *next += 1;
                    block(kernel, body, *next, uses, choice, out, next);
                }
                for (result, _, _) in &i.yields {
                    out.insert(*result, kept(&kernel.values[*result].ty, choice));
                }
            }
            Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}

/// Registers for what fits half of them, scratch for the rest.
fn kept(ty: &Type, choice: &Choice) -> Space {
    // Sums of a product of bytes.
    if ty.elem == Dtype::I32 {
        return sums(ty, choice);
    }
    fits(ty, choice.target.vectors / 2, choice)
}

/// Registers for at most so many vectors.
fn fits(ty: &Type, most: usize, choice: &Choice) -> Space {
    if vectors(ty, choice.target.lanes) <= most { Space::Register } else { Space::Scratch }
}

/// Registers beside the sums of a product: for a row of codes, some activations, what is computed of them.
const BESIDE: usize = 8;

/// More of them for sums of a product: nothing is kept beside them but a row of codes and some activations.
fn sums(ty: &Type, choice: &Choice) -> Space {
    let most = choice.target.vectors.saturating_sub(BESIDE).max(choice.target.vectors / 2);
    fits(ty, most, choice)
}

/// Do the products of bytes of a block fill half of the registers, if all wait for their readers?
fn crowded(kernel: &Kernel, body: &[Stmt], choice: &Choice) -> bool {
    let products = body.iter().filter_map(|s| match s {
        Stmt::Let { value, expr: Expr::Dot { .. } | Expr::Lookup { .. } } => {
            Some(&kernel.values[*value].ty)
        }
        Stmt::Let { .. }
        | Stmt::For(_)
        | Stmt::If(_)
        | Stmt::Tasks { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => None,
    });
    let (mut count, mut all) = (0, 0);
    let bytes = products.filter(|ty| ty.elem == Dtype::I32);
    for ty in bytes.filter(|ty| kept(ty, choice) == Space::Register) {
        (count, all) = (count + 1, all + vectors(ty, choice.target.lanes));
    }
    count > 1 && all >= choice.target.vectors / 2
}

/// Values in registers that nobody else reads than `expr`, and what it reads where it is computed: they are free after
/// it.
fn ends(body: &[Stmt], expr: &Expr, uses: &Uses, placed: &BTreeMap<Value, Space>) -> usize {
    let one = |v: Value| {
        if uses.readers.get(&v).is_none_or(|r| r.len() != 1) {
            return 0;
        }
        match placed.get(&v) {
            Some(Space::Register) => 1,
            Some(Space::Inline) => body
                .iter()
                .find_map(|s| match s {
                    Stmt::Let { value, expr } if *value == v => Some(expr),
                    Stmt::Let { .. }
                    | Stmt::For(_)
                    | Stmt::If(_)
                    | Stmt::Tasks { .. }
                    | Stmt::Scalar { .. }
                    | Stmt::Read { .. }
                    | Stmt::Any { .. }
                    | Stmt::Store { .. }
                    | Stmt::Stage(_)
                    | Stmt::Commit
                    | Stmt::Wait(_)
                    | Stmt::Prefetch { .. } => None,
                })
                .map_or(0, |expr| ends(body, expr, uses, placed)),
            Some(Space::Scratch) | None => 0,
        }
    };
    operands(expr).into_iter().map(one).sum()
}

/// Vectors of the largest product of bytes in `body`.
fn integer_sums(kernel: &Kernel, body: &[Stmt], choice: &Choice) -> usize {
    let of = |s: &Stmt| match s {
        Stmt::Let { value, expr: Expr::Dot { .. } | Expr::Lookup { .. } } => {
            let ty = &kernel.values[*value].ty;
            if ty.elem == Dtype::I32 { vectors(ty, choice.target.lanes) } else { 0 }
        }
        Stmt::For(f) => integer_sums(kernel, &f.body, choice),
        Stmt::If(_)
        | Stmt::Let { .. }
        | Stmt::Tasks { .. }
        | Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Any { .. }
        | Stmt::Store { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => 0,
    };
    body.iter().map(of).max().unwrap_or(0)
}

/// Is it, in `body`, a product of halves, whose sums alone fill registers?
fn sums_of_halves(kernel: &Kernel, body: &[Stmt], v: Value) -> bool {
    body.iter()
        .any(|s| matches!(s, Stmt::Let { value, expr } if *value == v && of_halves(kernel, expr)))
}

fn of_halves(kernel: &Kernel, expr: &Expr) -> bool {
    let half = |v: &Value| kernel.values[*v].ty.elem == Dtype::BF16;
    matches!(expr, Expr::Dot { a, b, .. } if half(a) && half(b))
}

/// Vector registers a tile fills.
pub fn vectors(ty: &Type, lanes: usize) -> usize {
    let (last, rows) = ty.shape.split_last().map_or((1, 1), |(l, r)| (*l, r.iter().product()));
    rows * last.div_ceil(lanes)
}

#[expect(clippy::too_many_arguments, reason = "one place decides on everything known of a value")]
fn space(
    kernel: &Kernel,
    body: &[Stmt],
    own: usize,
    value: Value,
    expr: &Expr,
    uses: &Uses,
    choice: &Choice,
    placed: &BTreeMap<Value, Space>,
) -> Space {
    let ty = &kernel.values[value].ty;
    let none = Vec::new();
    let readers = uses.readers.get(&value).unwrap_or(&none);
    let here_once = readers.len() <= 1 && readers.iter().all(|(b, _)| *b == own);
    // Elements that are no 32-bit lanes have no registers of their own.
    let narrow = !matches!(ty.elem, Dtype::F32 | Dtype::I32);
    match expr {
        Expr::Fill(_) | Expr::Iota { .. } => Space::Inline,
        Expr::Load { tensor, .. } => {
            let frozen = (!stores_to(body, tensor) || read_before(kernel, body, value))
                && kernel.tensor(tensor).is_some_and(|t| !matches!(t.role, Role::Out));
            if narrow || (frozen && here_once) { Space::Inline } else { kept(ty, choice) }
        }
        Expr::Dot { .. } if of_halves(kernel, expr) => sums(ty, choice),
        Expr::Dot { .. } | Expr::Lookup { .. } | Expr::Reduce(..) => kept(ty, choice),
        Expr::Transpose(_) => match &readers[..] {
            // Read element by element, or turned on the way to memory.
            [(_, Kind::DotLeft | Kind::Stored)] if here_once => Space::Inline,
            _ => Space::Scratch,
        },
        Expr::Convert(a) if shared(kernel, body, *a, ty, choice).is_some() => Space::Scratch,
        Expr::Convert(a) | Expr::Unary(_, a) | Expr::Permute(a, _) | Expr::Bits(a) => {
            elementwise(kernel, ty, &[*a], narrow, here_once, readers, choice, placed)
        }
        Expr::Binary(_, a, b) => {
            elementwise(kernel, ty, &[*a, *b], narrow, here_once, readers, choice, placed)
        }
        Expr::Select(c, a, b) => {
            elementwise(kernel, ty, &[*c, *a, *b], narrow, here_once, readers, choice, placed)
        }
    }
}

/// The field of numbers that blocks of a row share, if `a` loads such and `ty` is what they are converted to, and to
/// convert them a vector at a time, ahead of their use, is cheaper than one for all lanes where each is used.
pub(crate) fn shared(
    kernel: &Kernel,
    body: &[Stmt],
    a: Value,
    ty: &Type,
    choice: &Choice,
) -> Option<Field> {
    let latency = |op: Op| choice.target.row(&op).map(|row| row.latency);
    let dear = latency(Op::SplatF16)? > latency(Op::LoadF16)?;
    let tensor = body.iter().find_map(|s| {
        let Stmt::Let { value, expr: Expr::Load { tensor, guard: false, .. } } = s else {
            return None;
        };
        (*value == a).then_some(tensor)
    })?;
    let tensor = kernel.tensor(tensor)?;
    let halves = (tensor.elem, ty.elem) == (Dtype::F16, Dtype::F32);
    match (&tensor.store, &ty.shape[..]) {
        (Store::Field(field), [rows, _]) => {
            (dear && halves && field.step == 0 && *rows > 1).then_some(*field)
        }
        (_, _) => None,
    }
}

/// Has everything that depends on the loaded `value` been computed before `body` stores to its tensor? What is kept may
/// depend on it, what is computed at its use is followed to there. A store to the very tile that was loaded may read it
/// too, element by element.
fn read_before(kernel: &Kernel, body: &[Stmt], value: Value) -> bool {
    let shape = |v: Value| &kernel.values[v].ty.shape;
    let mut place = None;
    let mut open = vec![value];
    // Those of them whose elements depend on the same element of the load.
    let mut aligned = vec![value];
    let mut written = false;
    for stmt in body {
        let stores = place.is_some_and(|(t, _)| stores_to(std::slice::from_ref(stmt), t));
        match stmt {
            Stmt::Let { value: v, expr: Expr::Load { tensor, at, .. } } if *v == value => {
                place = Some((tensor, at));
            }
            Stmt::Let { value, expr } => {
                let from = operands(expr);
                if from.iter().any(|o| open.contains(o)) {
                    if written {
                        return false;
                    }
                    match expr {
                        Expr::Dot { .. } | Expr::Lookup { .. } | Expr::Reduce(..) => {}
                        Expr::Transpose(_) | Expr::Permute(..) => open.push(*value),
                        Expr::Fill(_)
                        | Expr::Iota { .. }
                        | Expr::Load { .. }
                        | Expr::Unary(..)
                        | Expr::Binary(..)
                        | Expr::Select(..)
                        | Expr::Bits(_)
                        | Expr::Convert(_) => {
                            open.push(*value);
                            let same = |o: &Value| {
                                !open.contains(o)
                                    || aligned.contains(o) && shape(*o) == shape(*value)
                            };
                            if from.iter().all(same) {
                                aligned.push(*value);
                            }
                        }
                    }
                }
            }
            Stmt::Store { tensor, at, value, .. }
                if !written && aligned.contains(value) && place == Some((tensor, at)) => {}
            other @ (Stmt::Scalar { .. }
            | Stmt::Read { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::For(_)
            | Stmt::Tasks { .. }
            | Stmt::If(_)
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. }) => {
                if (written || stores) && open.iter().any(|v| reads(other, *v)) {
                    return false;
                }
            }
        }
        written |= stores;
    }
    true
}

fn reads(stmt: &Stmt, v: Value) -> bool {
    match stmt {
        Stmt::Let { expr, .. } => operands(expr).contains(&v),
        Stmt::Store { value, .. } | Stmt::Any { value, .. } => *value == v,
        Stmt::For(f) => {
            f.carried.iter().any(|c| c.init == v || c.yielded == v)
                || f.body.iter().any(|s| reads(s, v))
        }
        Stmt::Tasks { body, .. } => body.iter().any(|s| reads(s, v)),
        Stmt::If(i) => {
            i.yields.iter().any(|y| y.1 == v || y.2 == v)
                || i.then.iter().chain(&i.otherwise).any(|s| reads(s, v))
        }
        Stmt::Scalar { .. }
        | Stmt::Read { .. }
        | Stmt::Stage(_)
        | Stmt::Commit
        | Stmt::Wait(_)
        | Stmt::Prefetch { .. } => false,
    }
}

#[expect(clippy::too_many_arguments, reason = "as above")]
fn elementwise(
    kernel: &Kernel,
    ty: &Type,
    from: &[Value],
    narrow: bool,
    here_once: bool,
    readers: &[(usize, Kind)],
    choice: &Choice,
    placed: &BTreeMap<Value, Space>,
) -> Space {
    if narrow {
        return Space::Inline;
    }
    // A narrow element read in several blocks is decoded once per read, unless it is kept here.
    let left = readers.iter().any(|(_, k)| *k == Kind::DotLeft);
    let decoded = from.len() == 1
        && placed.get(&from[0]) == Some(&Space::Inline)
        && vectors(ty, choice.target.lanes) <= 32
        && kernel.values[from[0]].ty.elem.bits() < 32;
    // The elements of a left operand go to all lanes one by one: above 128 bits that is quicker by way of memory.
    if left && choice.target.lanes > 4 && vectors(ty, choice.target.lanes) > 1 {
        return Space::Scratch;
    }
    if here_once && (!left || (decoded && ty.shape.first() == Some(&1))) {
        Space::Inline
    } else {
        kept(ty, choice)
    }
}
