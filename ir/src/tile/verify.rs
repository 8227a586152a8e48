//! What a tile program must keep to; each stage demands more.
//!
//! ```text
//!       c = a * b : f32[64]
//!       ; ^ error: `b` is used before it exists
//! ```

use super::*;
use std::collections::BTreeSet;

/// A rule that a program breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel `{kernel}`: {text}")]
pub struct VerifyError {
    pub kernel: String,
    /// Of the statement, as [`print::print_with`] counts; empty for the kernel itself and its launches.
    pub path: Vec<usize>,
    pub text: String,
}

/// Elements of one tile.
pub const MAX_TILE: usize = 1 << 24;

/// The program as text, with each error under its statement.
pub fn explain(program: &Program, errors: &[VerifyError]) -> String {
    let known = |kernel: &str| program.kernel(kernel).is_some();
    print::print_with(program, &|kernel, path| {
        // What is said of a kernel that is not there stands at the head of the program.
        let of = |e: &&VerifyError| {
            e.path == path && (e.kernel == kernel || kernel.is_empty() && !known(&e.kernel))
        };
        let text = |e: &VerifyError| if kernel.is_empty() { e.to_string() } else { e.text.clone() };
        errors.iter().filter(of).map(text).collect()
    })
}

/// All breaches, or none.
pub fn verify(program: &Program, stage: Stage) -> Result<(), Vec<VerifyError>> {
    let mut errors = Vec::new();
    for kernel in &program.kernels {
        let mut c = Check {
            kernel,
            stage,
            defined: BTreeSet::new(),
            scalars: program.symbols.iter().map(|s| s.name.clone()).collect(),
            path: vec![],
            errors: vec![],
        };
        for p in &kernel.params {
            if let Param::Scalar(name) = p {
                c.scalars.insert(name.clone());
            }
        }
        let names: BTreeSet<_> = kernel.values.iter().map(|(_, v)| &v.name).collect();
        if names.len() != kernel.values.len() {
            c.wrong("two tiles have one name".into());
        }
        c.body(&kernel.body);
        errors.append(&mut c.errors);
    }
    for v in &program.variants {
        for launch in &v.launches {
            launched(program, launch, &mut errors);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn launched(program: &Program, launch: &Launch, errors: &mut Vec<VerifyError>) {
    let mut wrong = |text: String| {
        errors.push(VerifyError { kernel: launch.kernel.clone(), path: vec![], text });
    };
    let Some(kernel) = program.kernel(&launch.kernel) else {
        return wrong("it is launched, but there is none of this name".into());
    };
    if kernel.params.len() != launch.args.len() {
        return wrong(format!(
            "{} parameters, {} arguments",
            kernel.params.len(),
            launch.args.len()
        ));
    }
    for (param, arg) in kernel.params.iter().zip(&launch.args) {
        match (param, arg) {
            (Param::Scalar(_), Arg::Scalar(_)) => {}
            (Param::Tensor(t), Arg::Tensor(name)) => {
                let whole = program.params.iter().chain(&program.buffers).find(|x| x.name == *name);
                let part =
                    program.prepares.iter().any(|p| name.starts_with(&format!("{}.", p.name)));
                match whole {
                    Some(x) if !fits(x, t) => {
                        wrong(format!("`{name}` is not what parameter `{}` asks for", t.name));
                    }
                    None if !(part && t.role == Role::Prepared) => {
                        wrong(format!("there is no tensor `{name}`"))
                    }
                    Some(_) | None => {}
                }
            }
            (Param::Scalar(n), Arg::Tensor(_)) => wrong(format!("parameter `{n}` is a scalar")),
            (Param::Tensor(t), Arg::Scalar(_)) => {
                wrong(format!("parameter `{}` is a tensor", t.name))
            }
        }
    }
}

/// Whether `x` is what the parameter `t` asks for. A field is one of bytes or of its own elements, and may be the same
/// for a whole row.
fn fits(x: &super::Tensor, t: &super::Tensor) -> bool {
    match &t.store {
        Store::Field(field) => {
            let row = t.shape.last().and_then(Extent::as_lit).and_then(|n| usize::try_from(n).ok());
            let alone = row.is_some_and(|n| n <= field.block) && field.step == 0;
            matches!(x.store, Store::Strided)
                && t.role == Role::In
                && field.block > 0
                && (x.elem == Dtype::U8 || x.elem == t.elem)
                && (x.shape.len() == t.shape.len() || alone && x.shape.len() + 1 == t.shape.len())
        }
        Store::Strided | Store::Blocks(_) | Store::Packed { .. } => {
            x.elem == t.elem && x.shape.len() == t.shape.len()
        }
    }
}

struct Check<'a> {
    kernel: &'a Kernel,
    stage: Stage,
    defined: BTreeSet<Value>,
    scalars: BTreeSet<String>,
    path: Vec<usize>,
    errors: Vec<VerifyError>,
}

impl Check<'_> {
    fn wrong(&mut self, text: String) {
        let (kernel, path) = (self.kernel.name.clone(), self.path.clone());
        self.errors.push(VerifyError { kernel, path, text });
    }

    fn name(&self, v: Value) -> String {
        self.kernel.values.get(v).map_or("?".into(), |d| d.name.clone())
    }

    fn ty(&self, v: Value) -> Type {
        self.kernel.values.get(v).map_or_else(|| Type::new(Dtype::Bool, &[]), |d| d.ty.clone())
    }

    fn used(&mut self, v: Value) {
        if !self.defined.contains(&v) {
            let name = self.name(v);
            self.wrong(format!("`{name}` is used before it exists"));
        }
    }

    fn define(&mut self, v: Value) {
        let ty = self.ty(v);
        let name = self.name(v);
        if ty.shape.contains(&0) {
            self.wrong(format!("`{name}` has no elements"));
        }
        if ty.count() > MAX_TILE {
            self.wrong(format!("`{name}` has more than {MAX_TILE} elements"));
        }
        if self.stage >= Stage::Placed && ty.space.is_none() {
            self.wrong(format!("`{name}` has no place"));
        }
        if self.stage >= Stage::LaidOut && ty.space == Some(Space::Register) && ty.lanes.is_none() {
            self.wrong(format!("`{name}` has no lanes"));
        }
        if let Some(LaneDim::Bits(bits)) = ty.lanes
            && !bits.fits(&ty.shape)
        {
            self.wrong(format!("`{name}` holds no whole fragments of lanes {bits}"));
        }
        if !self.defined.insert(v) {
            self.wrong(format!("`{name}` is defined twice"));
        }
    }

    /// A scalar of the kernel. One that hides another would change what is computed from it later.
    fn declare(&mut self, name: &str) {
        if !self.scalars.insert(name.into()) {
            self.wrong(format!("there is a scalar `{name}` already"));
        }
    }

    fn extent(&mut self, e: &Extent) {
        let mut names = Vec::new();
        e.symbols(&mut names);
        let unknown: Vec<String> =
            names.into_iter().filter(|n| !self.scalars.contains(*n)).map(Into::into).collect();
        for n in unknown {
            self.wrong(format!("there is no scalar `{n}` here"));
        }
    }

    fn access(
        &mut self,
        tensor: &str,
        at: &[Slice],
        shape: Option<&[usize]>,
        elem: Option<Dtype>,
        write: bool,
    ) {
        for s in at {
            self.extent(&s.start);
        }
        let Some(t) = self.kernel.tensor(tensor).cloned() else {
            return self.wrong(format!("there is no tensor `{tensor}`"));
        };
        if t.shape.len() != at.len() {
            self.wrong(format!(
                "`{tensor}` has {} dimensions, {} indices given",
                t.shape.len(),
                at.len()
            ));
        }
        let lens: Vec<usize> = at.iter().filter_map(|s| s.len).collect();
        // A load may have dimensions of 1 before those of the tensor.
        let ones = |s: &[usize]| {
            let more = s.len().saturating_sub(lens.len());
            !write && s.iter().take(more).all(|x| *x == 1) && s.get(more..) == Some(&lens[..])
        };
        if let Some(shape) = shape.filter(|s| *s != lens && !ones(s)) {
            self.wrong(format!("a tile of `{tensor}` is {lens:?}, not {shape:?}"));
        }
        if elem.is_some_and(|e| e != t.elem) {
            self.wrong(format!("`{tensor}` holds {}", t.elem));
        }
        if write && !matches!(t.role, Role::Out | Role::Workspace | Role::Scratch) {
            self.wrong(format!("`{tensor}` is not to be written"));
        }
    }

    fn body(&mut self, body: &[Stmt]) {
        for (place, stmt) in body.iter().enumerate() {
            self.path.push(place);
            match stmt {
                Stmt::Let { value, expr } => {
                    self.expr(*value, expr);
                    self.define(*value);
                }
                Stmt::Scalar { name, value } => {
                    self.extent(value);
                    self.declare(name);
                }
                Stmt::Read { name, tensor, at } => {
                    let at: Vec<Slice> = at.iter().cloned().map(Slice::point).collect();
                    self.access(tensor, &at, Some(&[]), None, false);
                    self.declare(name);
                }
                Stmt::Any { name, value } => {
                    self.used(*value);
                    let ty = self.ty(*value);
                    if ty.elem != Dtype::Bool {
                        let tile = self.name(*value);
                        self.wrong(format!("`{tile}` is {}, not a tile of conditions", ty.elem));
                    }
                    self.declare(name);
                }
                Stmt::Store { tensor, at, value, guard: _ } => {
                    self.used(*value);
                    let ty = self.ty(*value);
                    self.access(tensor, at, Some(&ty.shape), Some(ty.elem), true);
                }
                Stmt::Stage(s) => self.staged(s),
                Stmt::Commit | Stmt::Wait(_) => {}
                Stmt::Prefetch { tensor, at, level: _ } => {
                    self.access(tensor, at, None, None, false)
                }
                Stmt::Tasks { var, count, share: _, next, body } => {
                    self.extent(count);
                    self.inside(Some(var), |c| {
                        if let Some(next) = next {
                            c.declare(next);
                        }
                        c.body(body);
                    });
                }
                Stmt::For(f) => {
                    self.extent(&f.lo);
                    self.extent(&f.hi);
                    if f.step < 1 {
                        self.wrong(format!("`for {}` steps by {}", f.var, f.step));
                    }
                    for c in &f.carried {
                        self.used(c.init);
                    }
                    self.inside(Some(&f.var), |check| {
                        f.carried.iter().for_each(|c| check.define(c.param));
                        check.body(&f.body);
                        for c in &f.carried {
                            check.used(c.yielded);
                            let param = check.ty(c.param);
                            for other in [c.init, c.yielded, c.result].map(|v| check.ty(v)) {
                                if (other.elem, &other.shape) != (param.elem, &param.shape) {
                                    let name = check.name(c.param);
                                    check.wrong(format!(
                                        "`{name}` changes its type from turn to turn"
                                    ));
                                }
                            }
                        }
                    });
                    f.carried.iter().for_each(|c| self.define(c.result));
                }
                Stmt::If(i) => {
                    self.extent(&i.cond.left);
                    self.extent(&i.cond.right);
                    self.inside(None, |c| {
                        c.path.push(0);
                        c.body(&i.then);
                        c.path.pop();
                        i.yields.iter().for_each(|y| c.used(y.1));
                    });
                    self.inside(None, |c| {
                        c.path.push(1);
                        c.body(&i.otherwise);
                        c.path.pop();
                        i.yields.iter().for_each(|y| c.used(y.2));
                    });
                    for (result, then, otherwise) in &i.yields {
                        let ty = self.ty(*result);
                        for other in [*then, *otherwise].map(|v| self.ty(v)) {
                            if (other.elem, &other.shape) != (ty.elem, &ty.shape) {
                                let name = self.name(*result);
                                self.wrong(format!("a branch gives `{name}` another type"));
                            }
                        }
                        self.define(*result);
                    }
                }
            }
            self.path.pop();
        }
    }

    /// The same tile on both sides, a matrix that goes to scratch.
    fn staged(&mut self, s: &Staged) {
        self.extent(&s.lo);
        self.extent(&s.hi);
        let shape: Vec<usize> = s.at.iter().filter_map(|x| x.len).collect();
        let to = self.kernel.tensor(&s.tensor).cloned();
        self.access(&s.tensor, &s.at, None, None, true);
        let elem = to.as_ref().map(|t| t.elem);
        self.access(&s.from, &s.source, None, elem, false);
        let source: Vec<usize> = s.source.iter().filter_map(|x| x.len).collect();
        match (&shape[..], &source[..]) {
            ([rows, columns], [from, some]) if rows == from && some <= columns => {}
            _ => self.wrong(format!("a tile of {source:?} is staged as {shape:?}")),
        }
        if to.is_some_and(|t| t.role != Role::Scratch) {
            self.wrong(format!("`{}` is staged, but it is no scratch", s.tensor));
        }
    }

    /// Runs `f` in a scope of its own.
    fn inside(&mut self, var: Option<&String>, f: impl FnOnce(&mut Self)) {
        let (defined, scalars) = (self.defined.clone(), self.scalars.clone());
        if let Some(var) = var {
            self.declare(var);
        }
        f(self);
        (self.defined, self.scalars) = (defined, scalars);
    }

    fn expr(&mut self, v: Value, expr: &Expr) {
        let ty = self.ty(v);
        let name = self.name(v);
        let shape_is = |c: &mut Self, wanted: Option<Vec<usize>>| match wanted {
            Some(wanted) if wanted == ty.shape => {}
            Some(wanted) => {
                c.wrong(format!("`{name}` is {:?}, its operands give {wanted:?}", ty.shape));
            }
            None => c.wrong(format!("the shapes of the operands of `{name}` do not fit")),
        };
        let elem_is = |c: &mut Self, wanted: Dtype| {
            if wanted != ty.elem {
                c.wrong(format!("`{name}` is {}, its operands give {wanted}", ty.elem));
            }
        };
        match expr {
            Expr::Fill(_) => {}
            Expr::Iota { dim, start } => {
                self.extent(start);
                if *dim >= ty.shape.len() {
                    self.wrong(format!("`{name}` has no dimension {dim}"));
                }
            }
            Expr::Load { tensor, at, guard: _ } => {
                self.access(tensor, at, Some(&ty.shape), Some(ty.elem), false);
            }
            Expr::Dot { a, b, transpose, acc } => {
                [Some(*a), Some(*b), *acc].into_iter().flatten().for_each(|v| self.used(v));
                let (ta, tb) = (self.ty(*a), self.ty(*b));
                let ([m, k], [x, y]) = (&ta.shape[..], &tb.shape[..]) else {
                    return self.wrong(format!("`{name}` multiplies tiles that are no matrices"));
                };
                let (n, inner) = if *transpose { (x, y) } else { (y, x) };
                if k != inner {
                    self.wrong(format!("inner dimensions of `{name}` differ: {k} and {inner}"));
                }
                shape_is(self, Some(vec![*m, *n]));
                elem_is(self, product(ta.elem));
                if (ta.elem == Dtype::U32) != (tb.elem == Dtype::U32) {
                    self.wrong(format!("`{name}` multiplies {} by {}", ta.elem, tb.elem));
                }
            }
            Expr::Lookup { tables, codes, acc } => {
                [Some(*tables), Some(*codes), *acc]
                    .into_iter()
                    .flatten()
                    .for_each(|v| self.used(v));
                let (tt, tc) = (self.ty(*tables), self.ty(*codes));
                let ([m, entries], [n, k]) = (&tt.shape[..], &tc.shape[..]) else {
                    return self.wrong(format!("`{name}` looks up in tiles that are no matrices"));
                };
                if !k.is_multiple_of(INDEX) || *entries != k / INDEX * ENTRIES {
                    self.wrong(format!("`{name}` looks up {k} codes in {entries} entries"));
                }
                if tt.elem != Dtype::I8 {
                    self.wrong(format!("`{name}` looks up {}, not i8", tt.elem));
                }
                shape_is(self, Some(vec![*m, *n]));
                elem_is(self, Dtype::I32);
            }
            Expr::Unary(_, a) | Expr::Convert(a) => {
                self.used(*a);
                let from = self.ty(*a);
                shape_is(self, Some(from.shape));
                if matches!(expr, Expr::Unary(..)) {
                    elem_is(self, from.elem);
                }
            }
            Expr::Transpose(a) => {
                self.used(*a);
                let from = self.ty(*a);
                match from.shape[..] {
                    [rows, columns] => shape_is(self, Some(vec![columns, rows])),
                    _ => self.wrong(format!("`{name}` transposes a tile that is no matrix")),
                }
                elem_is(self, from.elem);
            }
            Expr::Binary(op, a, b) => {
                self.used(*a);
                self.used(*b);
                let (ta, tb) = (self.ty(*a), self.ty(*b));
                shape_is(self, broadcast(&ta.shape, &tb.shape));
                if ta.elem != tb.elem {
                    self.wrong(format!("`{name}` mixes {} and {}", ta.elem, tb.elem));
                }
                elem_is(self, op.result(ta.elem));
                if *op == Binary::Pair && ta.elem != Dtype::F32 {
                    self.wrong(format!("`{name}` pairs {}, not f32", ta.elem));
                }
            }
            Expr::Select(c, a, b) => {
                [*c, *a, *b].into_iter().for_each(|v| self.used(v));
                let (tc, ta, tb) = (self.ty(*c), self.ty(*a), self.ty(*b));
                let shape = broadcast(&ta.shape, &tb.shape).and_then(|s| broadcast(&s, &tc.shape));
                shape_is(self, shape);
                elem_is(self, ta.elem);
                if tc.elem != Dtype::Bool || ta.elem != tb.elem {
                    self.wrong(format!(
                        "`{name}` selects by {} between {} and {}",
                        tc.elem, ta.elem, tb.elem
                    ));
                }
            }
            Expr::Bits(a) => {
                self.used(*a);
                let from = self.ty(*a);
                if !matches!(from.elem, Dtype::F16 | Dtype::BF16) {
                    self.wrong(format!(
                        "`{name}` takes the bits of {}, not of 16-bit floats",
                        from.elem
                    ));
                }
                shape_is(self, Some(from.shape));
                elem_is(self, Dtype::I32);
            }
            Expr::Permute(a, table) => {
                self.used(*a);
                let from = self.ty(*a);
                let mut shape = from.shape.clone();
                if let Some(last) = shape.last_mut() {
                    if table.iter().any(|place| place >= last) {
                        self.wrong(format!("`{name}` takes an element that is not there"));
                    }
                    *last = table.len();
                }
                shape_is(self, Some(shape));
                elem_is(self, from.elem);
            }
            Expr::Reduce(_, a, dim) => {
                self.used(*a);
                let from = self.ty(*a);
                let mut shape = from.shape.clone();
                match shape.get_mut(*dim) {
                    Some(s) => *s = 1,
                    None => {
                        self.wrong(format!("`{name}` reduces dimension {dim}, which is not there"))
                    }
                }
                shape_is(self, Some(shape));
                elem_is(self, from.elem);
            }
        }
    }
}

/// As numpy does at equal rank.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let one = |(x, y): (&usize, &usize)| match (x, y) {
        (1, y) => Some(*y),
        (x, 1) => Some(*x),
        (x, y) => (x == y).then_some(*x),
    };
    if a.len() == b.len() { a.iter().zip(b).map(one).collect() } else { None }
}

/// Elements of products of such elements.
pub fn product(elem: Dtype) -> Dtype {
    if elem.is_float() || elem == Dtype::U32 { Dtype::F32 } else { Dtype::I32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::parse::parse;

    #[test]
    fn errors_stand_under_their_statements() {
        let text = "program p(x: f32[n]) -> (o: f32[n]) symbols n {
  kernel main(x: f32[n], out o: f32[n]) {
    tasks t in 0..n static {
      a = load(x[t:2]) : f32[1]
      if t > 0 {
        store(x[u:1], a)
      } else {
        big = fill(0) : f32[65535, 65535, 65535, 65535, 65535]
      }
    }
  }
  variant all {
    launch main(x, x)
  }
}
";
        let mut program = parse(text).unwrap();
        let errors = verify(&program, Stage::Built).unwrap_err();
        let paths: Vec<_> = errors.iter().map(|e| e.path.clone()).collect();
        assert_eq!(paths, [vec![0, 0], vec![0, 1, 0, 0], vec![0, 1, 0, 0], vec![0, 1, 1, 0]]);
        let shown = explain(&program, &errors);
        for part in [
            "a = load(x[t:2]) : f32[1]\n      ; ^ error: a tile of `x` is [2], not [1]\n",
            "store(x[u:1], a)\n        ; ^ error: there is no scalar `u` here\n        ; ^ error: `x` is not to be",
            "65535]\n        ; ^ error: `big` has more than 16777216 elements\n",
        ] {
            assert!(shown.contains(part), "{part}\n{shown}");
        }
        let text = "program p(x: f32[n]) -> (o: f32[n]) symbols n {
  kernel main(x: f32[n], out o: f32[n]) {
    a = fill(0) : f32[3]
    b = transpose(a) : f32[3]
    c = fill(0) : f32[3, 2]
    d = transpose(c) : f32[3, 2]
    e = transpose(c) : f32[2, 3]
  }
  variant all {
    launch main(x, o)
  }
}
";
        let errors = verify(&parse(text).unwrap(), Stage::Built).unwrap_err();
        let texts: Vec<_> = errors.iter().map(|e| e.text.as_str()).collect();
        let wanted =
            ["`b` transposes a tile that is no matrix", "`d` is [3, 2], its operands give [2, 3]"];
        assert_eq!(texts, wanted);
        program.kernels[0].name = "other".into();
        let errors = verify(&program, Stage::Built).unwrap_err();
        let shown = explain(&program, &errors);
        let head = "; ^ error: kernel `main`: it is launched, but there is none of this name\n";
        assert!(shown.lines().nth(1).is_some_and(|l| format!("{l}\n").ends_with(head)), "{shown}");
    }
    #[test]
    fn tiles_are_staged_to_scratch_row_by_row() {
        let text = |to: &str, from: &str| {
            format!(
                "program p(x: f32[n, 8]) -> (o: f32[n, 8]) symbols n {{
  kernel main(x: f32[n, 8], out o: f32[n, 8]) {{
    scratch ring: f32[8, 16]
    stage({to}, {from}) rows 0..n
    commit
    wait 0
  }}
  variant all {{
    launch main(x, o)
  }}
}}
"
            )
        };
        let good = text("ring[0:4, 0:16]", "x[0:4, 0:8]");
        let program = parse(&good).unwrap();
        assert_eq!(verify(&program, Stage::Built), Ok(()));
        assert_eq!(program.to_string(), good);
        for (to, from, wrong) in [
            ("ring[0:4, 0:8]", "x[0:2, 0:8]", "a tile of [2, 8] is staged as [4, 8]"),
            ("ring[0:4, 0:4]", "x[0:4, 0:8]", "a tile of [4, 8] is staged as [4, 4]"),
            ("o[0:4, 0:8]", "x[0:4, 0:8]", "`o` is staged, but it is no scratch"),
        ] {
            let errors = verify(&parse(&text(to, from)).unwrap(), Stage::Built).unwrap_err();
            let texts: Vec<_> = errors.iter().map(|e| e.text.as_str()).collect();
            assert_eq!(texts, [wrong]);
        }
    }

    #[test]
    fn what_no_text_says_is_told() {
        let text = "program p(x: f32[n]) -> (o: f32[n]) symbols n {
  kernel main(x: f32[n], out o: f32[n], lo: i64) {
    a = fill(0) : f32[1]
  }
  variant all {
    launch main(x, o, n)
  }
}
";
        let program = parse(text).unwrap();
        assert_eq!(verify(&program, Stage::Built), Ok(()));
        let says = |change: &dyn Fn(&mut Program)| {
            let mut program = program.clone();
            change(&mut program);
            let errors = verify(&program, Stage::Built).unwrap_err();
            errors.into_iter().map(|e| e.to_string()).collect::<Vec<_>>()
        };
        let args = |p: &mut Program, at: usize, arg: Arg| p.variants[0].launches[0].args[at] = arg;
        let name = || Arg::Tensor("x".into());
        let wrong = says(&|p| args(p, 2, name()));
        assert_eq!(wrong, ["kernel `main`: parameter `lo` is a scalar"]);
        let wrong = says(&|p| args(p, 0, Arg::Scalar(Extent::Lit(1))));
        assert_eq!(wrong, ["kernel `main`: parameter `x` is a tensor"]);
        let wrong = says(&|p| p.variants[0].launches[0].args.truncate(1));
        assert_eq!(wrong, ["kernel `main`: 3 parameters, 1 arguments"]);
        let wrong = says(&|p| {
            let again = p.kernels[0].body[0].clone();
            p.kernels[0].body.push(again);
        });
        assert_eq!(wrong, ["kernel `main`: `a` is defined twice"]);
        let wrong = says(&|p| {
            let hides = Stmt::Scalar { name: "n".into(), value: Extent::Lit(1) };
            p.kernels[0].body.push(hides);
        });
        assert_eq!(wrong, ["kernel `main`: there is a scalar `n` already"]);
    }
}
