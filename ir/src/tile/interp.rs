//! What a tile program means: slow, obvious, every access checked.
//!
//! Exact mode computes in f64: a pass is right if its result agrees to rounding of f64. Rounded mode rounds every
//! tile to its element type. Memory that nothing wrote and accesses outside a tensor without `guard` are errors.

use super::{
    Arg, Binary, Expr, Kernel, Param, Part, Predicate, Program, Reduce, Role, Slice, Stmt, Store,
    Tensor as Decl, Unary, Value,
};
use crate::{
    dtype::Dtype,
    extent::{Dims, Extent, ExtentError},
    format::{Fields, pack::Packing},
    tensor::Tensor,
};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Exact,
    Rounded,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InterpError {
    #[error(transparent)]
    Extent(#[from] ExtentError),
    #[error("input `{0}` is missing")]
    Missing(String),
    #[error("input `{name}` has the shape {found:?}, not {wanted:?}")]
    Shape { name: String, wanted: Vec<i64>, found: Vec<usize> },
    #[error("`{name}` is no whole number of {format} blocks")]
    Blocks { name: String, format: &'static str },
    #[error("no variant fits these sizes")]
    NoVariant,
    #[error("there is no {what} `{name}`")]
    Unknown { what: &'static str, name: String },
    #[error("`{tensor}`: index {index} is outside of 0..{size}")]
    Outside { tensor: String, index: i64, size: i64 },
    #[error("`{tensor}` is read at element {place}, which nothing wrote")]
    Unwritten { tensor: String, place: usize },
    #[error("`{0}`: {1}")]
    Tile(String, &'static str),
    #[error("the program does more than {0} steps")]
    Endless(u64),
}

type Result<T> = std::result::Result<T, InterpError>;

/// Element operations a program may do.
const STEPS: u64 = 1 << 33;

/// Outputs by name, row-major.
pub fn interp(
    program: &Program,
    dims: &Dims,
    inputs: &BTreeMap<String, Tensor>,
    mode: Mode,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut memory = BTreeMap::new();
    for t in program.params.iter().chain(&program.buffers) {
        let shape = t.shape.iter().map(|e| Ok(e.eval(dims)?.max(0))).collect::<Result<Vec<_>>>()?;
        let count = shape.iter().product::<i64>() as usize;
        let mut cells = Cells { shape, data: vec![None; count] };
        if t.role == Role::In && matches!(t.store, Store::Strided) {
            let input = inputs.get(&t.name).ok_or_else(|| InterpError::Missing(t.name.clone()))?;
            if input.shape.iter().map(|s| *s as i64).ne(cells.shape.iter().copied()) {
                let (wanted, found) = (cells.shape, input.shape.clone());
                return Err(InterpError::Shape { name: t.name.clone(), wanted, found });
            }
            cells.data = (0..input.count()).map(|i| Some(input.get(i))).collect();
        }
        memory.insert(t.name.clone(), cells);
    }
    for p in &program.prepares {
        prepare(program, &p.name, &p.source, &p.packing, inputs, &mut memory)?;
    }
    let variant = program.variants.iter().find_map(|v| {
        let all: Result<Vec<bool>> =
            v.when.iter().map(|p| holds(p, &BTreeMap::new(), dims)).collect();
        match all {
            Ok(list) if list.iter().all(|x| *x) => Some(Ok(v)),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        }
    });
    let mut left = STEPS;
    for launch in &variant.ok_or(InterpError::NoVariant)??.launches {
        let unknown = || InterpError::Unknown { what: "kernel", name: launch.kernel.clone() };
        let kernel = program.kernel(&launch.kernel).ok_or_else(unknown)?;
        for worker in 0..dims.cores.max(1) {
            let mut run = Run {
                kernel,
                dims,
                mode,
                names: BTreeMap::new(),
                scalars: BTreeMap::new(),
                tiles: BTreeMap::new(),
                scratch: BTreeMap::new(),
                memory: &mut memory,
                worker,
                left: &mut left,
            };
            for t in &kernel.scratch {
                let shape: Vec<i64> =
                    t.shape.iter().map(|e| e.eval(dims)).collect::<std::result::Result<_, _>>()?;
                let count = shape.iter().product::<i64>().max(0) as usize;
                run.scratch.insert(t.name.clone(), Cells { shape, data: vec![None; count] });
            }
            for (param, arg) in kernel.params.iter().zip(&launch.args) {
                match (param, arg) {
                    (Param::Tensor(t), Arg::Tensor(name)) => {
                        run.names.insert(t.name.clone(), name.clone());
                    }
                    (Param::Scalar(s), Arg::Scalar(e)) => {
                        run.scalars.insert(s.clone(), e.eval(dims)?);
                    }
                    (Param::Tensor(t), Arg::Scalar(_)) => {
                        return Err(InterpError::Unknown {
                            what: "tensor argument",
                            name: t.name.clone(),
                        });
                    }
                    (Param::Scalar(s), Arg::Tensor(_)) => {
                        return Err(InterpError::Unknown {
                            what: "scalar argument",
                            name: s.clone(),
                        });
                    }
                }
            }
            run.block(&kernel.body)?;
        }
    }
    let outs = program.params.iter().filter(|t| t.role == Role::Out);
    outs.map(|t| {
        let cells = memory.get(&t.name).map(|c| c.data.as_slice()).unwrap_or_default();
        let unwritten = |place| InterpError::Unwritten { tensor: t.name.clone(), place };
        let values = cells.iter().enumerate().map(|(i, x)| x.ok_or_else(|| unwritten(i)));
        Ok((t.name.clone(), values.collect::<Result<Vec<_>>>()?))
    })
    .collect()
}

/// Codes, scales and mins of a stored weight as tensors `[n, k]`, `[k / group, n]`: what packing must not change.
fn prepare(
    program: &Program,
    name: &str,
    source: &str,
    packing: &Packing,
    inputs: &BTreeMap<String, Tensor>,
    memory: &mut BTreeMap<String, Cells>,
) -> Result<()> {
    let input = inputs.get(source).ok_or_else(|| InterpError::Missing(source.into()))?;
    let decl = program.params.iter().find(|t| t.name == source);
    let Some(Decl { store: Store::Blocks(format), .. }) = decl else {
        return Err(InterpError::Unknown { what: "weight of blocks", name: source.into() });
    };
    let shape = memory.get(source).map(|c| c.shape.clone()).unwrap_or_default();
    let [n, k] = shape[..] else {
        return Err(InterpError::Unknown { what: "weight of two dimensions", name: source.into() });
    };
    let (n, k) = (n as usize, k as usize);
    let blocks = || InterpError::Blocks { name: source.into(), format: format.name };
    let row = format.row_bytes(k).ok_or_else(blocks)?;
    if input.bytes.len() != row * n {
        return Err(blocks());
    }
    let groups = k / packing.group;
    let mut codes = vec![None; n * k];
    let (mut scale, mut min) = (vec![None; groups * n], vec![None; groups * n]);
    let mut fields = Fields::default();
    for (r, bytes) in input.bytes.chunks_exact(row.max(1)).enumerate() {
        for (b, block) in bytes.chunks_exact(format.bytes).enumerate() {
            format.read(block, &mut fields).map_err(|_| blocks())?;
            for (i, c) in fields.codes.iter().enumerate() {
                codes[r * k + b * format.block + i] =
                    Some(f64::from(c + packing.zero - fields.zero));
            }
            let first = b * format.block / packing.group;
            for (to, from) in [(&mut scale, &fields.scale), (&mut min, &fields.min)] {
                for (g, x) in from.iter().enumerate() {
                    to[(first + g) * n + r] = Some(f64::from(*x));
                }
            }
        }
    }
    let (n, k, groups) = (n as i64, k as i64, groups as i64);
    memory
        .insert(format!("{name}.{}", Part::Codes.name()), Cells { shape: vec![n, k], data: codes });
    memory.insert(
        format!("{name}.{}", Part::Scale.name()),
        Cells { shape: vec![groups, n], data: scale },
    );
    memory.insert(
        format!("{name}.{}", Part::Min.name()),
        Cells { shape: vec![groups, n], data: min },
    );
    Ok(())
}

struct Cells {
    shape: Vec<i64>,
    /// `None`: nothing wrote it.
    data: Vec<Option<f64>>,
}

#[derive(Clone, Debug)]
struct Tile {
    shape: Vec<usize>,
    data: Vec<f64>,
}

struct Run<'a> {
    kernel: &'a Kernel,
    dims: &'a Dims,
    mode: Mode,
    /// Kernel parameter to tensor of the program.
    names: BTreeMap<String, String>,
    scalars: BTreeMap<String, i64>,
    tiles: BTreeMap<Value, Tile>,
    scratch: BTreeMap<String, Cells>,
    memory: &'a mut BTreeMap<String, Cells>,
    worker: i64,
    left: &'a mut u64,
}

fn value_of(e: &Extent, scalars: &BTreeMap<String, i64>, dims: &Dims) -> Result<i64> {
    Ok(e.eval_with(&|s| scalars.get(s).or_else(|| dims.scalars.get(s)).copied(), dims)?)
}

fn holds(p: &Predicate, scalars: &BTreeMap<String, i64>, dims: &Dims) -> Result<bool> {
    Ok(p.cmp.holds(value_of(&p.left, scalars, dims)?, value_of(&p.right, scalars, dims)?))
}

/// Every index of a shape, row-major.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..shape.iter().product::<usize>()).map(move |mut i| {
        let mut at = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            at[d] = i % shape[d];
            i /= shape[d];
        }
        at
    })
}

impl Run<'_> {
    fn extent(&self, e: &Extent) -> Result<i64> {
        value_of(e, &self.scalars, self.dims)
    }

    fn work(&mut self, count: usize) -> Result<()> {
        *self.left = self.left.checked_sub(count as u64 + 1).ok_or(InterpError::Endless(STEPS))?;
        Ok(())
    }

    fn tile(&self, v: Value) -> Result<&Tile> {
        let name = || self.kernel.values.get(v).map_or("?".into(), |d| d.name.clone());
        self.tiles.get(&v).ok_or_else(|| InterpError::Unknown { what: "value", name: name() })
    }

    fn block(&mut self, body: &[Stmt]) -> Result<()> {
        body.iter().try_for_each(|s| self.stmt(s))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<()> {
        match stmt {
            Stmt::Let { value, expr } => {
                let tile = self.expr(*value, expr)?;
                self.tiles.insert(*value, tile);
            }
            Stmt::Scalar { name, value } => {
                let x = self.extent(value)?;
                self.scalars.insert(name.clone(), x);
            }
            Stmt::Read { name, tensor, at } => {
                let at: Vec<Slice> = at.iter().map(|e| Slice::point(e.clone())).collect();
                let x = self.read(tensor, &at, &[], false)?;
                self.scalars.insert(name.clone(), x as i64);
            }
            Stmt::Store { tensor, at, value, guard } => {
                let tile = self.tile(*value)?.clone();
                self.work(tile.data.len())?;
                for (x, index) in tile.data.iter().zip(indices(&tile.shape)) {
                    if let Some(place) = self.place(tensor, at, &index, *guard)? {
                        self.cells(tensor)?.data[place] = Some(*x);
                    }
                }
            }
            Stmt::For(f) => {
                let (lo, hi) = (self.extent(&f.lo)?, self.extent(&f.hi)?);
                let mut state: Vec<Tile> =
                    f.carried.iter().map(|c| self.tile(c.init).cloned()).collect::<Result<_>>()?;
                let mut j = lo;
                while j < hi {
                    self.work(0)?;
                    self.scalars.insert(f.var.clone(), j);
                    for (c, tile) in f.carried.iter().zip(&state) {
                        self.tiles.insert(c.param, tile.clone());
                    }
                    self.block(&f.body)?;
                    state = f
                        .carried
                        .iter()
                        .map(|c| self.tile(c.yielded).cloned())
                        .collect::<Result<_>>()?;
                    j += f.step.max(1);
                }
                for (c, tile) in f.carried.iter().zip(state) {
                    self.tiles.insert(c.result, tile);
                }
            }
            Stmt::Tasks { var, count, share: _, body } => {
                // Who runs a task must not matter: they are dealt out in turn.
                let count = self.extent(count)?;
                let mut t = self.worker;
                while t < count {
                    self.work(0)?;
                    self.scalars.insert(var.clone(), t);
                    self.block(body)?;
                    t += self.dims.cores.max(1);
                }
            }
            Stmt::If(i) => {
                let first = holds(&i.cond, &self.scalars, self.dims)?;
                self.block(if first { &i.then } else { &i.otherwise })?;
                for (result, a, b) in &i.yields {
                    let tile = self.tile(if first { *a } else { *b })?.clone();
                    self.tiles.insert(*result, tile);
                }
            }
            Stmt::Prefetch { .. } => {}
        }
        Ok(())
    }

    fn cells(&mut self, tensor: &str) -> Result<&mut Cells> {
        let unknown = || InterpError::Unknown { what: "tensor", name: tensor.into() };
        if self.scratch.contains_key(tensor) {
            return self.scratch.get_mut(tensor).ok_or_else(unknown);
        }
        let name = self.names.get(tensor).ok_or_else(unknown)?;
        self.memory.get_mut(name).ok_or_else(unknown)
    }

    /// Flat place of an element of a tile; `None` if it is outside and guarded.
    fn place(
        &mut self,
        tensor: &str,
        at: &[Slice],
        index: &[usize],
        guard: bool,
    ) -> Result<Option<usize>> {
        let starts = at.iter().map(|s| self.extent(&s.start)).collect::<Result<Vec<_>>>()?;
        let shape = self.cells(tensor)?.shape.clone();
        let mut inner = index.iter();
        let mut flat = 0i64;
        for ((slice, start), size) in at.iter().zip(starts).zip(shape) {
            let step = if slice.len.is_some() { inner.next().copied().unwrap_or(0) } else { 0 };
            let i = start + step as i64;
            if !(0..size).contains(&i) {
                if guard {
                    return Ok(None);
                }
                return Err(InterpError::Outside { tensor: tensor.into(), index: i, size });
            }
            flat = flat * size + i;
        }
        Ok(Some(flat as usize))
    }

    fn read(&mut self, tensor: &str, at: &[Slice], index: &[usize], guard: bool) -> Result<f64> {
        let Some(place) = self.place(tensor, at, index, guard)? else { return Ok(0.0) };
        let unwritten = InterpError::Unwritten { tensor: tensor.into(), place };
        self.cells(tensor)?.data.get(place).copied().flatten().ok_or(unwritten)
    }

    fn expr(&mut self, v: Value, expr: &Expr) -> Result<Tile> {
        let ty = self.kernel.values[v].ty.clone();
        let shape = ty.shape.clone();
        self.work(ty.count())?;
        let data: Vec<f64> = match expr {
            Expr::Fill(x) => vec![*x; ty.count()],
            Expr::Iota { dim, start } => {
                let start = self.extent(start)?;
                indices(&shape)
                    .map(|i| (start + i.get(*dim).copied().unwrap_or(0) as i64) as f64)
                    .collect()
            }
            Expr::Load { tensor, at, guard } => {
                indices(&shape).map(|i| self.read(tensor, at, &i, *guard)).collect::<Result<_>>()?
            }
            Expr::Dot { a, b, transpose, acc } => self.dot(*a, *b, *transpose, *acc, &shape)?,
            Expr::Unary(op, a) => {
                let f = |x: &f64| match op {
                    Unary::Neg => -x,
                    Unary::Abs => x.abs(),
                    Unary::Exp2 => x.exp2(),
                    Unary::Log2 => x.log2(),
                    Unary::Tanh => x.tanh(),
                    Unary::Recip => 1.0 / x,
                    Unary::Sqrt => x.sqrt(),
                    Unary::Floor => x.floor(),
                };
                self.tile(*a)?.data.iter().map(f).collect()
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.tile(*a)?, self.tile(*b)?);
                let f = |i: Vec<usize>| {
                    let (x, y) = (a.at(&i), b.at(&i));
                    let truth = |t: bool| f64::from(u8::from(t));
                    match op {
                        Binary::Add => x + y,
                        Binary::Sub => x - y,
                        Binary::Mul => x * y,
                        Binary::Div => x / y,
                        Binary::Max if x > y => x,
                        Binary::Min if x < y => x,
                        Binary::Max | Binary::Min => y,
                        Binary::And => (x as i64 & y as i64) as f64,
                        Binary::Or => (x as i64 | y as i64) as f64,
                        Binary::Cmp(c) => truth(c.holds(x, y)),
                    }
                };
                indices(&shape).map(f).collect()
            }
            Expr::Select(c, a, b) => {
                let (c, a, b) = (self.tile(*c)?, self.tile(*a)?, self.tile(*b)?);
                indices(&shape).map(|i| if c.at(&i) != 0.0 { a.at(&i) } else { b.at(&i) }).collect()
            }
            Expr::Reduce(op, a, dim) => {
                let a = self.tile(*a)?;
                let size = a.shape.get(*dim).copied().unwrap_or(1);
                let f = |i: Vec<usize>| {
                    let along = (0..size).map(|k| {
                        let mut i = i.clone();
                        i[*dim] = k;
                        a.at(&i)
                    });
                    match op {
                        Reduce::Sum => along.sum(),
                        Reduce::Max => {
                            along.fold(f64::NEG_INFINITY, |m, x| if m > x { m } else { x })
                        }
                    }
                };
                indices(&shape).map(f).collect()
            }
            Expr::Convert(a) => {
                let range = match ty.elem {
                    Dtype::I8 => Some((-128.0, 127.0)),
                    Dtype::U8 => Some((0.0, 255.0)),
                    Dtype::I16 => Some((-32768.0, 32767.0)),
                    Dtype::U16 => Some((0.0, 65535.0)),
                    Dtype::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
                    Dtype::U32 => Some((0.0, f64::from(u32::MAX))),
                    Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::E4M3 | Dtype::E5M2 => None,
                    Dtype::I64 | Dtype::Code(_) | Dtype::Bool => None,
                };
                let f = |x: &f64| match range {
                    Some(_) if x.is_nan() => 0.0,
                    Some((lo, hi)) => x.round_ties_even().clamp(lo, hi),
                    None => *x,
                };
                self.tile(*a)?.data.iter().map(f).collect()
            }
        };
        let tile = Tile { shape, data };
        if tile.data.len() != ty.count() {
            return Err(InterpError::Tile(
                self.kernel.values[v].name.clone(),
                "its operands have other shapes",
            ));
        }
        Ok(if self.mode == Mode::Rounded { tile.rounded(ty.elem) } else { tile })
    }

    fn dot(
        &mut self,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
        shape: &[usize],
    ) -> Result<Vec<f64>> {
        let k = self.tile(a)?.shape.last().copied().unwrap_or(0);
        self.work(k * shape.iter().product::<usize>())?;
        // Integer sums are exact.
        let float = self.kernel.values[a].ty.elem.is_float();
        let acc = acc.map(|v| self.tile(v)).transpose()?;
        let (a, b) = (self.tile(a)?, self.tile(b)?);
        let [m, n] = shape[..] else { return Ok(vec![]) };
        let mut out = Vec::with_capacity(m * n);
        for i in 0..m {
            for j in 0..n {
                let mut sum = acc.map_or(0.0, |c| c.at(&[i, j]));
                for k in 0..k {
                    let product = a.at(&[i, k]) * b.at(&if transpose { [j, k] } else { [k, j] });
                    sum += product;
                    if self.mode == Mode::Rounded && float {
                        sum = f64::from(sum as f32);
                    }
                }
                out.push(sum);
            }
        }
        Ok(out)
    }
}

impl Tile {
    /// Under broadcasting; an index that is not there reads as NaN, which no right program does.
    fn at(&self, index: &[usize]) -> f64 {
        let flat =
            self.shape.iter().zip(index).fold(0, |a, (s, i)| a * s + if *s == 1 { 0 } else { *i });
        self.data.get(flat).copied().unwrap_or(f64::NAN)
    }

    fn rounded(self, elem: Dtype) -> Tile {
        if !elem.is_float() {
            return self;
        }
        let rounded = Tensor::from_f64(elem, &[self.data.len()], &self.data).to_f64();
        Tile { data: rounded, ..self }
    }
}
