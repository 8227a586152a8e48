//! A hand to write tile kernels with: fresh names, shapes that follow from the operands.

use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    tile::{
        Binary, Carried, Expr, For, If, Kernel, Param, Predicate, Reduce, Role, Share, Slice,
        Stage, Staged, Stmt, Store, Symbol, Tensor, Type, Unary, Value, ValueData, verify::product,
    },
};

pub(super) struct Builder {
    kernel: Kernel,
    blocks: Vec<Vec<Stmt>>,
    /// Names of the program, which no name of the kernel may hide.
    symbols: Vec<String>,
    /// Numbers of the kernel that can be seen here.
    scalars: Vec<String>,
}

impl Builder {
    /// A kernel of a program of these symbols.
    pub fn new(name: &str, params: Vec<Param>, symbols: &[Symbol]) -> Builder {
        let kernel = Kernel {
            name: name.into(),
            params,
            scratch: vec![],
            values: Default::default(),
            body: vec![],
            stage: Stage::Built,
        };
        let symbols = symbols.iter().map(|s| s.name.clone()).collect();
        Builder { kernel, blocks: vec![vec![]], symbols, scalars: vec![] }
    }

    /// The number that `tasks` or `for_each` counts as `name`.
    pub fn var(&self, name: &str) -> Extent {
        Extent::Sym(self.own(name))
    }

    /// A name of the kernel, apart from those of the program.
    fn own(&self, name: &str) -> String {
        let taken = |n: &String| self.symbols.contains(n);
        let mut own = name.to_string();
        while taken(&own) {
            own.push('_');
        }
        own
    }

    pub fn finish(mut self) -> Kernel {
        self.kernel.body = self.blocks.pop().unwrap_or_default();
        self.kernel
    }

    pub fn scratch(&mut self, name: &str, elem: Dtype, shape: &[usize]) {
        let shape = shape.iter().map(|s| Extent::from(*s)).collect();
        let store = Store::Strided;
        self.kernel.scratch.push(Tensor {
            name: name.into(),
            role: Role::Scratch,
            elem,
            shape,
            store,
        });
    }

    pub fn scratch_tensor(&mut self, tensor: Tensor) {
        self.kernel.scratch.push(tensor);
    }

    /// A name for one more number of this block.
    pub fn declare(&mut self, name: &str) -> String {
        let first = self.own(name);
        let mut own = first.clone();
        let mut number = 1;
        while self.scalars.contains(&own) || self.symbols.contains(&own) {
            number += 1;
            own = format!("{first}{number}");
        }
        self.scalars.push(own.clone());
        own
    }

    /// What `body` writes; its counter and its numbers are seen there alone.
    fn block<R>(&mut self, var: Option<&str>, body: impl FnOnce(&mut Self) -> R) -> (Vec<Stmt>, R) {
        let seen = self.scalars.len();
        self.scalars.extend(var.map(|v| self.own(v)));
        self.blocks.push(vec![]);
        let result = body(self);
        self.scalars.truncate(seen);
        (self.blocks.pop().expect("pushed above"), result)
    }

    fn push(&mut self, stmt: Stmt) {
        self.blocks.last_mut().expect("a block is open").push(stmt);
    }

    fn value(&mut self, name: &str, elem: Dtype, shape: &[usize]) -> Value {
        let taken = |n: &str| self.kernel.values.iter().any(|(_, v)| v.name == n);
        let mut unique = name.to_string();
        let mut number = 1;
        while taken(&unique) {
            number += 1;
            unique = format!("{name}{number}");
        }
        self.kernel.values.add(ValueData { name: unique, ty: Type::new(elem, shape) })
    }

    fn let_value(&mut self, name: &str, elem: Dtype, shape: &[usize], expr: Expr) -> Value {
        let value = self.value(name, elem, shape);
        self.push(Stmt::Let { value, expr });
        value
    }

    pub fn shape(&self, v: Value) -> Vec<usize> {
        self.kernel.values[v].ty.shape.clone()
    }

    pub fn elem(&self, v: Value) -> Dtype {
        self.kernel.values[v].ty.elem
    }

    pub fn scalar(&mut self, name: &str, value: Extent) -> Extent {
        let name = self.declare(name);
        self.push(Stmt::Scalar { name: name.clone(), value });
        Extent::Sym(name)
    }

    /// Of 16-bit floats, as i32.
    pub fn bits(&mut self, name: &str, a: Value) -> Value {
        let shape = self.shape(a);
        self.let_value(name, Dtype::I32, &shape, Expr::Bits(a))
    }

    pub fn permute(&mut self, name: &str, a: Value, table: Vec<usize>) -> Value {
        let (elem, mut shape) = (self.elem(a), self.shape(a));
        if let Some(last) = shape.last_mut() {
            *last = table.len();
        }
        self.let_value(name, elem, &shape, Expr::Permute(a, table))
    }

    pub fn fill(&mut self, x: f64, elem: Dtype, shape: &[usize]) -> Value {
        self.let_value("c", elem, shape, Expr::Fill(x))
    }

    pub fn iota(&mut self, shape: &[usize], dim: usize, start: Extent) -> Value {
        self.let_value("i", Dtype::I32, shape, Expr::Iota { dim, start })
    }

    pub fn load(
        &mut self,
        name: &str,
        tensor: &str,
        elem: Dtype,
        at: Vec<Slice>,
        guard: bool,
    ) -> Value {
        let shape: Vec<usize> = at.iter().filter_map(|s| s.len).collect();
        self.let_value(name, elem, &shape, Expr::Load { tensor: tensor.into(), at, guard })
    }

    /// As `load`, as a matrix: a row of elements has a first dimension of 1.
    pub fn load_row(
        &mut self,
        name: &str,
        tensor: &str,
        elem: Dtype,
        at: Vec<Slice>,
        guard: bool,
    ) -> Value {
        let mut shape: Vec<usize> = at.iter().filter_map(|s| s.len).collect();
        if shape.len() < 2 {
            shape.insert(0, 1);
        }
        self.let_value(name, elem, &shape, Expr::Load { tensor: tensor.into(), at, guard })
    }

    pub fn store(&mut self, tensor: &str, at: Vec<Slice>, value: Value, guard: bool) {
        self.push(Stmt::Store { tensor: tensor.into(), at, value, guard });
    }

    pub fn prefetch(&mut self, tensor: &str, at: Vec<Slice>) {
        self.push(Stmt::Prefetch { tensor: tensor.into(), at, level: 1 });
    }

    /// Rows `lo..hi` of a tile, zeros in the others, on their way to scratch.
    pub fn stage(
        &mut self,
        (tensor, at): (&str, Vec<Slice>),
        (from, source): (&str, Vec<Slice>),
        (lo, hi): (Extent, Extent),
    ) {
        let (tensor, from) = (tensor.into(), from.into());
        self.push(Stmt::Stage(Box::new(Staged { tensor, at, from, source, lo, hi })));
    }

    /// What was staged is a group.
    pub fn commit(&mut self) {
        self.push(Stmt::Commit);
    }

    /// All groups but the last `left` are there.
    pub fn wait(&mut self, left: usize) {
        self.push(Stmt::Wait(left));
    }

    pub fn unary(&mut self, name: &str, op: Unary, a: Value) -> Value {
        let (elem, shape) = (self.elem(a), self.shape(a));
        self.let_value(name, elem, &shape, Expr::Unary(op, a))
    }

    pub fn binary(&mut self, name: &str, op: Binary, a: Value, b: Value) -> Value {
        let shape = self.joint_shape(a, b);
        let elem = op.result(self.elem(a));
        self.let_value(name, elem, &shape, Expr::Binary(op, a, b))
    }

    /// Under broadcasting.
    fn joint_shape(&self, a: Value, b: Value) -> Vec<usize> {
        let (x, y) = (self.shape(a), self.shape(b));
        x.iter().zip(&y).map(|(x, y)| if *x == 1 { *y } else { *x }).collect()
    }

    pub fn select(&mut self, name: &str, c: Value, a: Value, b: Value) -> Value {
        let shape = self.joint_shape(a, b);
        let both = shape.iter().zip(self.shape(c)).map(|(x, y)| if *x == 1 { y } else { *x });
        let (elem, shape) = (self.elem(a), both.collect::<Vec<_>>());
        self.let_value(name, elem, &shape, Expr::Select(c, a, b))
    }

    pub fn reduce(&mut self, name: &str, op: Reduce, a: Value, dim: usize) -> Value {
        let (elem, mut shape) = (self.elem(a), self.shape(a));
        shape[dim] = 1;
        self.let_value(name, elem, &shape, Expr::Reduce(op, a, dim))
    }

    /// To `elem`; the value itself if it is of that type.
    pub fn convert(&mut self, name: &str, a: Value, elem: Dtype) -> Value {
        if self.elem(a) == elem {
            return a;
        }
        let shape = self.shape(a);
        self.let_value(name, elem, &shape, Expr::Convert(a))
    }

    pub fn transpose(&mut self, name: &str, a: Value) -> Value {
        let (elem, mut shape) = (self.elem(a), self.shape(a));
        shape.reverse();
        self.let_value(name, elem, &shape, Expr::Transpose(a))
    }

    pub fn dot(
        &mut self,
        name: &str,
        a: Value,
        b: Value,
        transpose: bool,
        acc: Option<Value>,
    ) -> Value {
        let shape = [self.shape(a)[0], self.shape(b)[usize::from(!transpose)]];
        let elem = product(self.elem(a));
        self.let_value(name, elem, &shape, Expr::Dot { a, b, transpose, acc })
    }

    /// Sums of entries of tables, as many codes as name one at a time.
    pub fn lookup(&mut self, name: &str, tables: Value, codes: Value, acc: Option<Value>) -> Value {
        let shape = [self.shape(tables)[0], self.shape(codes)[0]];
        self.let_value(name, Dtype::I32, &shape, Expr::Lookup { tables, codes, acc })
    }

    pub fn tasks(&mut self, var: &str, count: Extent, chunk: usize, body: impl FnOnce(&mut Self)) {
        let (body, ()) = self.block(Some(var), body);
        let share = Share::Dynamic(chunk as i64);
        self.push(Stmt::Tasks { var: self.own(var), count, share, next: None, body });
    }

    /// As `tasks`; `body` gets the number of the worker's next task too, if it asks for it.
    pub fn tasks_ahead(
        &mut self,
        var: &str,
        count: Extent,
        ahead: bool,
        body: impl FnOnce(&mut Self, Option<Extent>),
    ) {
        let next = ahead.then(|| self.own(&format!("{var}.next")));
        let (body, ()) = self.block(Some(var), |b| {
            b.scalars.extend(next.clone());
            body(b, next.clone().map(Extent::Sym));
        });
        self.push(Stmt::Tasks { var: self.own(var), count, share: Share::Dynamic(1), next, body });
    }

    /// Branches that give nothing but what they store.
    pub fn choose(
        &mut self,
        cond: Predicate,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let (then, ()) = self.block(None, then);
        let (otherwise, ()) = self.block(None, otherwise);
        self.push(Stmt::If(Box::new(If { cond, then, otherwise, yields: vec![] })));
    }

    /// As `choose`, with tiles that either branch gives, under these names.
    pub fn choose_tiles(
        &mut self,
        cond: Predicate,
        names: &[&str],
        then: impl FnOnce(&mut Self) -> Vec<Value>,
        otherwise: impl FnOnce(&mut Self) -> Vec<Value>,
    ) -> Vec<Value> {
        let (then, first) = self.block(None, then);
        let (otherwise, second) = self.block(None, otherwise);
        let one = |((name, a), b): ((&&str, Value), Value)| {
            let (elem, shape) = (self.elem(a), self.shape(a));
            (self.value(name, elem, &shape), a, b)
        };
        let yields: Vec<_> = names.iter().zip(first).zip(second).map(one).collect();
        let results = yields.iter().map(|y| y.0).collect();
        self.push(Stmt::If(Box::new(If { cond, then, otherwise, yields })));
        results
    }

    /// 1 if an element of a tile of conditions is true, else 0.
    pub fn any(&mut self, name: &str, value: Value) -> Extent {
        let name = self.declare(name);
        self.push(Stmt::Any { name: name.clone(), value });
        Extent::Sym(name)
    }

    /// An integer from memory (i32 or i64).
    pub fn read(&mut self, name: &str, tensor: &str, at: Vec<Extent>) -> Extent {
        let name = self.declare(name);
        self.push(Stmt::Read { name: name.clone(), tensor: tensor.into(), at });
        Extent::Sym(name)
    }

    /// `body` gets the carried tiles, under their names, and gives the next ones.
    pub fn for_each(
        &mut self,
        var: &str,
        (lo, hi, step): (Extent, Extent, usize),
        inits: &[(&str, Value)],
        body: impl FnOnce(&mut Self, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let mut params = Vec::new();
        let mut results = Vec::new();
        for (name, init) in inits {
            let (elem, shape) = (self.elem(*init), self.shape(*init));
            params.push(self.value(name, elem, &shape));
            results.push(self.value(name, elem, &shape));
        }
        let (body, yields) = self.block(Some(var), |b| body(b, &params));
        let carried = (0..inits.len())
            .map(|i| Carried {
                result: results[i],
                param: params[i],
                init: inits[i].1,
                yielded: yields[i],
            })
            .collect();
        self.push(Stmt::For(Box::new(For {
            var: self.own(var),
            lo,
            hi,
            step: step as i64,
            carried,
            body,
        })));
        results
    }
}
