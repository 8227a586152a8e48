//! The text form of a tile program, one statement a line; [`super::parse`] reads it back.
//!
//! ```text
//! m2, d2 = for j in lo..hi step 16 with m1 = m0, d1 = d0 {
//!   kj = load(kv.k[b, j:16, h, 0:128]) guard : f16[16, 128]
//!   s = dot(q0, kj^T) : f32[4, 16] @register lanes 1
//!   ...
//!   yield ma, da
//! }
//! ```
//!
//! A carried parameter prints its type only where it differs from its first value, a result only where it differs
//! from its parameter (or from what the first branch of an `if` yields).

use super::*;
use crate::{artifact::text, lex};
use std::fmt;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self))
    }
}

/// The program as text.
pub fn print(program: &Program) -> String {
    print_with(program, &|_, _| Vec::new())
}

/// The program as text, with lines of comment under the statements that `note` has something to say about.
///
/// It is asked by kernel and path. A path holds a statement's place in each body from the kernel's down to its own;
/// inside an `if` the branch (0, or 1 for `else`) stands before the place. An empty path is the head of the kernel,
/// an empty kernel the head of the program.
pub fn print_with(program: &Program, note: &dyn Fn(&str, &[usize]) -> Vec<String>) -> String {
    let mut w = Writer { out: String::new(), note, kernel: "" };
    w.program(program);
    w.out
}

/// `f32[4, 16] @register lanes 1`.
pub fn type_text(ty: &Type) -> String {
    let mut text = format!("{}[{}]", ty.elem, join(&ty.shape));
    if let Some(space) = ty.space {
        text += &format!(" @{}", space.name());
    }
    match ty.lanes {
        Some(LaneDim::Dim(d)) => text += &format!(" lanes {d}"),
        Some(LaneDim::Splat) => text += " lanes splat",
        Some(LaneDim::Bits(bits)) => text += &format!(" lanes {bits}"),
        None => {}
    }
    text
}

/// `q[t, 0:128]`.
pub fn access_text(tensor: &str, at: &[Slice]) -> String {
    let at: Vec<String> = at
        .iter()
        .map(|s| match s.len {
            Some(len) => format!("{}:{len}", s.start),
            None => s.start.to_string(),
        })
        .collect();
    format!("{tensor}[{}]", at.join(", "))
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.cmp.symbol(), self.right)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Tensor(name) => f.write_str(name),
            Arg::Scalar(extent) => extent.fmt(f),
        }
    }
}

impl Space {
    pub const ALL: [Space; 3] = [Space::Register, Space::Scratch, Space::Inline];

    pub fn name(self) -> &'static str {
        match self {
            Space::Register => "register",
            Space::Scratch => "scratch",
            Space::Inline => "inline",
        }
    }
}

impl Stage {
    pub const ALL: [Stage; 4] = [Stage::Built, Stage::Placed, Stage::LaidOut, Stage::Pipelined];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Built => "built",
            Stage::Placed => "placed",
            Stage::LaidOut => "laidout",
            Stage::Pipelined => "pipelined",
        }
    }
}

impl Part {
    pub const ALL: [Part; 8] = [
        Part::Codes,
        Part::Scale,
        Part::Min,
        Part::Zeros,
        Part::RowZeros,
        Part::Order,
        Part::InnerScale,
        Part::InnerMin,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Part::Codes => "codes",
            Part::Scale => "scale",
            Part::Min => "min",
            Part::Zeros => "zeros",
            Part::RowZeros => "row_zeros",
            Part::Order => "order",
            Part::InnerScale => "inner_scale",
            Part::InnerMin => "inner_min",
        }
    }
}

impl Unary {
    pub const ALL: [Unary; 10] = [
        Unary::Neg,
        Unary::Abs,
        Unary::Exp2,
        Unary::Log2,
        Unary::Tanh,
        Unary::Sin,
        Unary::Cos,
        Unary::Recip,
        Unary::Sqrt,
        Unary::Floor,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Abs => "abs",
            Unary::Exp2 => "exp2",
            Unary::Log2 => "log2",
            Unary::Tanh => "tanh",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Recip => "recip",
            Unary::Sqrt => "sqrt",
            Unary::Floor => "floor",
        }
    }
}

impl Binary {
    /// Written between their operands.
    pub const INFIX: [(Binary, &'static str); 10] = [
        (Binary::Add, "+"),
        (Binary::Sub, "-"),
        (Binary::Mul, "*"),
        (Binary::Div, "/"),
        (Binary::Cmp(Compare::Lt), "<"),
        (Binary::Cmp(Compare::Le), "<="),
        (Binary::Cmp(Compare::Eq), "=="),
        (Binary::Cmp(Compare::Ne), "!="),
        (Binary::Cmp(Compare::Ge), ">="),
        (Binary::Cmp(Compare::Gt), ">"),
    ];
    /// Written as calls.
    pub const CALLS: [(Binary, &'static str); 5] = [
        (Binary::Max, "max"),
        (Binary::Min, "min"),
        (Binary::And, "and"),
        (Binary::Or, "or"),
        (Binary::Pair, "pair"),
    ];
}

impl Reduce {
    pub const ALL: [Reduce; 2] = [Reduce::Sum, Reduce::Max];

    pub fn name(self) -> &'static str {
        match self {
            Reduce::Sum => "reduce_sum",
            Reduce::Max => "reduce_max",
        }
    }
}

struct Writer<'a> {
    out: String,
    note: &'a dyn Fn(&str, &[usize]) -> Vec<String>,
    kernel: &'a str,
}

impl<'a> Writer<'a> {
    fn line(&mut self, depth: usize, text: &str) {
        self.out.push_str(&"  ".repeat(depth));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn notes(&mut self, depth: usize, path: &[usize]) {
        for text in (self.note)(self.kernel, path) {
            self.line(depth, &format!("; ^ error: {text}"));
        }
    }

    fn program(&mut self, p: &'a Program) {
        let list = |out: bool| {
            let part = p.params.iter().filter(|t| (t.role == Role::Out) == out);
            part.map(tensor_text).collect::<Vec<_>>().join(", ")
        };
        let mut head = format!("program {}({}) -> ({})", p.name, list(false), list(true));
        if !p.symbols.is_empty() {
            let names: Vec<String> = p.symbols.iter().map(symbol_text).collect();
            head += &format!(" symbols {}", names.join(", "));
        }
        self.line(0, &(head + " {"));
        self.notes(0, &[]);
        for x in &p.prepares {
            self.line(1, &format!("prepare {}", text::prepare(x)));
        }
        for t in &p.buffers {
            self.line(1, &format!("buffer {}", tensor_text(t)));
        }
        for k in &p.kernels {
            self.kernel(k);
        }
        self.kernel = "";
        for v in &p.variants {
            let when: Vec<String> = v.when.iter().map(ToString::to_string).collect();
            let when =
                if when.is_empty() { String::new() } else { format!(" when {}", when.join(", ")) };
            self.line(1, &format!("variant {}{when} {{", v.name));
            for launch in &v.launches {
                let args: Vec<String> = launch.args.iter().map(ToString::to_string).collect();
                self.line(2, &format!("launch {}({})", launch.kernel, args.join(", ")));
            }
            self.line(1, "}");
        }
        self.line(0, "}");
    }

    fn kernel(&mut self, k: &'a Kernel) {
        self.kernel = &k.name;
        let params: Vec<String> = k.params.iter().map(param_text).collect();
        let stage = match k.stage {
            Stage::Built => String::new(),
            Stage::Placed | Stage::LaidOut | Stage::Pipelined => {
                format!(" stage {}", k.stage.name())
            }
        };
        self.line(1, &format!("kernel {}({}){stage} {{", k.name, params.join(", ")));
        self.notes(1, &[]);
        for t in &k.scratch {
            self.line(2, &format!("scratch {}", tensor_text(t)));
        }
        self.body(k, &k.body, 2, &mut Vec::new());
        self.line(1, "}");
    }

    fn body(&mut self, k: &Kernel, body: &[Stmt], depth: usize, path: &mut Vec<usize>) {
        for (i, stmt) in body.iter().enumerate() {
            path.push(i);
            self.stmt(k, stmt, depth, path);
            path.pop();
        }
    }

    fn stmt(&mut self, k: &Kernel, stmt: &Stmt, depth: usize, path: &mut Vec<usize>) {
        let guarded = |guard: bool| if guard { " guard" } else { "" };
        match stmt {
            Stmt::Let { value, expr } => {
                let ty = k.values.get(*value).map_or("?".into(), |v| type_text(&v.ty));
                self.line(depth, &format!("{} = {} : {ty}", name(k, *value), expr_text(k, expr)));
                self.notes(depth, path);
            }
            Stmt::Scalar { name, value } => {
                self.line(depth, &format!("let {name} = {value}"));
                self.notes(depth, path);
            }
            Stmt::Read { name, tensor, at } => {
                let at: Vec<Slice> = at.iter().cloned().map(Slice::point).collect();
                self.line(depth, &format!("read {name} = {}", access_text(tensor, &at)));
                self.notes(depth, path);
            }
            Stmt::Any { name: own, value } => {
                self.line(depth, &format!("any {own} = {}", name(k, *value)));
                self.notes(depth, path);
            }
            Stmt::Store { tensor, at, value, guard } => {
                let at = access_text(tensor, at);
                let text = format!("store({at}, {}){}", name(k, *value), guarded(*guard));
                self.line(depth, &text);
                self.notes(depth, path);
            }
            Stmt::Stage(s) => {
                let (to, from) = (access_text(&s.tensor, &s.at), access_text(&s.from, &s.source));
                self.line(depth, &format!("stage({to}, {from}) rows {}..{}", s.lo, s.hi));
                self.notes(depth, path);
            }
            Stmt::Commit => {
                self.line(depth, "commit");
                self.notes(depth, path);
            }
            Stmt::Wait(left) => {
                self.line(depth, &format!("wait {left}"));
                self.notes(depth, path);
            }
            Stmt::Prefetch { tensor, at, level } => {
                self.line(depth, &format!("prefetch({}, {level})", access_text(tensor, at)));
                self.notes(depth, path);
            }
            Stmt::Tasks { var, count, share, next, body } => {
                let share = match share {
                    Share::Static => "static".into(),
                    Share::Dynamic(chunk) => format!("dynamic {chunk}"),
                };
                let next = next.as_ref().map_or(String::new(), |n| format!(" next {n}"));
                self.line(depth, &format!("tasks {var} in 0..{count} {share}{next} {{"));
                self.notes(depth, path);
                self.body(k, body, depth + 1, path);
                self.line(depth, "}");
            }
            Stmt::For(x) => {
                let results: Vec<String> =
                    x.carried.iter().map(|c| with_type(k, c.result, Some(c.param))).collect();
                let with: Vec<String> = x
                    .carried
                    .iter()
                    .map(|c| {
                        let init = name(k, c.init);
                        let ty = type_if_other(k, c.param, Some(c.init));
                        format!("{} = {init}{ty}", name(k, c.param))
                    })
                    .collect();
                let mut head = String::new();
                if !results.is_empty() {
                    head += &format!("{} = ", results.join(", "));
                }
                head += &format!("for {} in {}..{} step {}", x.var, x.lo, x.hi, x.step);
                if !with.is_empty() {
                    head += &format!(" with {}", with.join(", "));
                }
                self.line(depth, &(head + " {"));
                self.notes(depth, path);
                self.body(k, &x.body, depth + 1, path);
                self.yields(k, depth + 1, x.carried.iter().map(|c| c.yielded));
                self.line(depth, "}");
            }
            Stmt::If(x) => {
                let results: Vec<String> =
                    x.yields.iter().map(|(r, a, _)| with_type(k, *r, Some(*a))).collect();
                let mut head = String::new();
                if !results.is_empty() {
                    head += &format!("{} = ", results.join(", "));
                }
                self.line(depth, &(head + &format!("if {} {{", x.cond)));
                self.notes(depth, path);
                path.push(0);
                self.body(k, &x.then, depth + 1, path);
                self.yields(k, depth + 1, x.yields.iter().map(|y| y.1));
                path.pop();
                if !x.otherwise.is_empty() || !x.yields.is_empty() {
                    self.line(depth, "} else {");
                    path.push(1);
                    self.body(k, &x.otherwise, depth + 1, path);
                    self.yields(k, depth + 1, x.yields.iter().map(|y| y.2));
                    path.pop();
                }
                self.line(depth, "}");
            }
        }
    }

    fn yields(&mut self, k: &Kernel, depth: usize, values: impl Iterator<Item = Value>) {
        let names: Vec<String> = values.map(|v| name(k, v)).collect();
        if !names.is_empty() {
            self.line(depth, &format!("yield {}", names.join(", ")));
        }
    }
}

fn symbol_text(s: &Symbol) -> String {
    match &s.ragged {
        Some(over) => format!("{}[{over}]", s.name),
        None => s.name.clone(),
    }
}

fn param_text(p: &Param) -> String {
    match p {
        Param::Scalar(name) => format!("{name}: i64"),
        Param::Tensor(t) => {
            let role = t.role.prefix();
            if role.is_empty() { tensor_text(t) } else { format!("{role} {}", tensor_text(t)) }
        }
    }
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::In, Role::Out, Role::Workspace, Role::Prepared, Role::Scratch];

    /// The word before a kernel's parameter; inputs have none.
    pub fn prefix(self) -> &'static str {
        match self {
            Role::In => "",
            Role::Out => "out",
            Role::Workspace => "work",
            Role::Prepared => "prepared",
            Role::Scratch => "scratch",
        }
    }
}

fn tensor_text(t: &Tensor) -> String {
    let shape = join(&t.shape);
    match &t.store {
        Store::Strided => format!("{}: {}[{shape}]", t.name, t.elem),
        Store::Blocks(format) => format!("{}: {}[{shape}]", t.name, format.name),
        Store::Packed { of, part } => {
            format!("{}: {}[{shape}] packed({}, {of})", t.name, t.elem, part.name())
        }
        Store::Field(field) => format!("{}: {}[{shape}] {field}", t.name, t.elem),
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn name(k: &Kernel, v: Value) -> String {
    k.values.get(v).map_or_else(|| format!("#{}", v.index()), |data| data.name.clone())
}

fn with_type(k: &Kernel, v: Value, like: Option<Value>) -> String {
    format!("{}{}", name(k, v), type_if_other(k, v, like))
}

fn type_if_other(k: &Kernel, v: Value, like: Option<Value>) -> String {
    let ty = |v| k.values.get(v).map(|data| &data.ty);
    match (ty(v), like.and_then(ty)) {
        (Some(a), Some(b)) if a == b => String::new(),
        (Some(a), _) => format!(" : {}", type_text(a)),
        (None, _) => String::new(),
    }
}

/// An expression without its type: `dot(q0, kj^T, acc)`.
pub fn expr_text(k: &Kernel, expr: &Expr) -> String {
    let name = |v: &Value| name(k, *v);
    match expr {
        Expr::Fill(x) => format!("fill({})", lex::number(*x)),
        Expr::Iota { dim, start } => format!("iota({dim}, {start})"),
        Expr::Load { tensor, at, guard } => {
            format!("load({}){}", access_text(tensor, at), if *guard { " guard" } else { "" })
        }
        Expr::Dot { a, b, transpose, acc } => {
            let t = if *transpose { "^T" } else { "" };
            let acc = acc.as_ref().map_or(String::new(), |v| format!(", {}", name(v)));
            format!("dot({}, {}{t}{acc})", name(a), name(b))
        }
        Expr::Lookup { tables, codes, acc } => {
            let acc = acc.as_ref().map_or(String::new(), |v| format!(", {}", name(v)));
            format!("lookup({}, {}{acc})", name(tables), name(codes))
        }
        Expr::Unary(op, a) => format!("{}({})", op.name(), name(a)),
        Expr::Binary(op, a, b) => {
            if let Some((_, text)) = Binary::INFIX.iter().find(|(o, _)| o == op) {
                format!("{} {text} {}", name(a), name(b))
            } else {
                let call = Binary::CALLS.iter().find(|(o, _)| o == op).map_or("?", |(_, t)| t);
                format!("{call}({}, {})", name(a), name(b))
            }
        }
        Expr::Select(c, a, b) => format!("select({}, {}, {})", name(c), name(a), name(b)),
        Expr::Reduce(op, a, dim) => format!("{}({}, {dim})", op.name(), name(a)),
        Expr::Bits(a) => format!("bits({})", name(a)),
        Expr::Permute(a, table) => {
            let table: Vec<String> = table.iter().map(ToString::to_string).collect();
            format!("permute({}, [{}])", name(a), table.join(", "))
        }
        Expr::Convert(a) => format!("convert({})", name(a)),
        Expr::Transpose(a) => format!("transpose({})", name(a)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Build(Arena<ValueData>);

    impl Build {
        fn value(&mut self, name: &str, ty: Type) -> Value {
            self.0.add(ValueData { name: name.into(), ty })
        }
    }

    fn tensor(name: &str, role: Role, elem: Dtype, shape: &[Extent], store: Store) -> Tensor {
        Tensor { name: name.into(), role, elem, shape: shape.to_vec(), store }
    }

    fn strided(name: &str, role: Role) -> Tensor {
        tensor(name, role, Dtype::F32, &["n".into()], Store::Strided)
    }

    fn packing() -> Packing {
        Packing {
            elem: Dtype::Code(4),
            trits: false,
            signs: false,
            lanes: 4,
            group: 32,
            scale: Some(Dtype::F16),
            min: None,
            zeros: None,
            zero: 8,
            inner: None,
            order: crate::format::pack::Order::Lanes,
        }
    }

    /// One of each statement, and the spaces and lanes of types.
    fn kernel() -> Kernel {
        let mut b = Build(Arena::default());
        let tile = Type::new(Dtype::F32, &[16]);
        let held =
            Type { space: Some(Space::Register), lanes: Some(LaneDim::Dim(0)), ..tile.clone() };
        let inline =
            Type { space: Some(Space::Inline), lanes: Some(LaneDim::Splat), ..tile.clone() };
        let zero = b.value("zero", inline);
        let x = b.value("x", held.clone());
        let sum = b.value("sum", held.clone());
        let acc = b.value("acc", held.clone());
        let next = b.value("next", held.clone());
        let r = b.value("r", held.clone());
        let at = |start: Extent| vec![Slice::range(start, 16)];
        let carried = Carried { result: sum, param: acc, init: zero, yielded: next };
        let tasks = vec![
            Stmt::Read { name: "len".into(), tensor: "lens".into(), at: vec!["t".into()] },
            Stmt::Prefetch { tensor: "x".into(), at: at("t".into()), level: 1 },
            Stmt::Let { value: zero, expr: Expr::Fill(f64::NEG_INFINITY) },
            Stmt::For(Box::new(For {
                var: "j".into(),
                lo: 0i64.into(),
                hi: "len".into(),
                step: 16,
                carried: vec![carried],
                body: vec![
                    Stmt::Let {
                        value: x,
                        expr: Expr::Load { tensor: "x".into(), at: at("j".into()), guard: true },
                    },
                    Stmt::Let { value: next, expr: Expr::Binary(Binary::Max, acc, x) },
                ],
            })),
            Stmt::If(Box::new(If {
                cond: Predicate { left: "len".into(), cmp: Compare::Gt, right: 0i64.into() },
                then: vec![],
                otherwise: vec![Stmt::Scalar { name: "u".into(), value: "t".into() }],
                yields: vec![(r, sum, zero)],
            })),
            Stmt::If(Box::new(If {
                cond: Predicate { left: "t".into(), cmp: Compare::Eq, right: 1i64.into() },
                then: vec![Stmt::Store {
                    tensor: "o".into(),
                    at: at(Extent::from("t") * 16i64),
                    value: r,
                    guard: true,
                }],
                otherwise: vec![],
                yields: vec![],
            })),
        ];
        Kernel {
            name: "main".into(),
            params: vec![
                Param::Tensor(strided("x", Role::In)),
                Param::Tensor(tensor(
                    "w.codes",
                    Role::Prepared,
                    Dtype::Code(4),
                    &[8i64.into(), 32i64.into()],
                    Store::Packed { of: packing(), part: Part::Codes },
                )),
                Param::Tensor(strided("p", Role::Workspace)),
                Param::Tensor(strided("o", Role::Out)),
                Param::Scalar("splits".into()),
            ],
            scratch: vec![tensor("s", Role::Scratch, Dtype::I8, &[64i64.into()], Store::Strided)],
            values: b.0,
            body: vec![Stmt::Tasks {
                var: "t".into(),
                count: Extent::from("n").ceil_div(16i64),
                share: Share::Dynamic(4),
                next: Some("after".into()),
                body: tasks,
            }],
            stage: Stage::Placed,
        }
    }

    fn program() -> Program {
        let predicate = Predicate { left: "n".into(), cmp: Compare::Ge, right: 1i64.into() };
        let symbol = |name: &str, ragged: Option<&str>| Symbol {
            name: name.into(),
            ragged: ragged.map(Into::into),
        };
        Program {
            name: "all".into(),
            symbols: vec![symbol("n", None), symbol("len", Some("b"))],
            params: vec![strided("x", Role::In), strided("o", Role::Out)],
            prepares: vec![Prepare {
                name: "w".into(),
                form: Form::Blocks("raw".into()),
                packing: packing(),
            }],
            buffers: vec![strided("p", Role::Workspace)],
            kernels: vec![kernel()],
            variants: vec![Variant {
                name: "long".into(),
                when: vec![predicate],
                launches: vec![Launch {
                    kernel: "main".into(),
                    args: vec![Arg::Tensor("x".into()), Arg::Scalar(Extent::Cores * 4i64)],
                }],
            }],
        }
    }

    const TEXT: &str = "\
program all(x: f32[n]) -> (o: f32[n]) symbols n, len[b] {
  prepare w = pack(raw) : u4 lanes 4 group 32 scale f16 zero 8
  buffer p: f32[n]
  kernel main(x: f32[n], prepared w.codes: u4[8, 32] packed(codes, u4 lanes 4 group 32 scale f16 zero 8), \
work p: f32[n], out o: f32[n], splits: i64) stage placed {
    scratch s: i8[64]
    tasks t in 0..ceildiv(n, 16) dynamic 4 next after {
      read len = lens[t]
      prefetch(x[t:16], 1)
      zero = fill(-inf) : f32[16] @inline lanes splat
      sum = for j in 0..len step 16 with acc = zero : f32[16] @register lanes 0 {
        x = load(x[j:16]) guard : f32[16] @register lanes 0
        next = max(acc, x) : f32[16] @register lanes 0
        yield next
      }
      r = if len > 0 {
        yield sum
      } else {
        let u = t
        yield zero
      }
      if t == 1 {
        store(o[t * 16:16], r) guard
      }
    }
  }
  variant long when n >= 1 {
    launch main(x, cores * 4)
  }
}
";

    #[test]
    fn every_statement_has_its_line() {
        assert_eq!(print(&program()), TEXT);
    }

    #[test]
    fn every_expression_has_its_text() {
        let mut b = Build(Arena::default());
        let [a, c, d] = ["a", "c", "d"].map(|n| b.value(n, Type::new(Dtype::F32, &[4, 4])));
        let k = Kernel { values: b.0, ..kernel() };
        let dot = |transpose, acc| Expr::Dot { a, b: c, transpose, acc };
        for (expr, text) in [
            (Expr::Fill(0.5), "fill(0.5)"),
            (Expr::Iota { dim: 1, start: "j".into() }, "iota(1, j)"),
            (dot(false, None), "dot(a, c)"),
            (dot(true, Some(d)), "dot(a, c^T, d)"),
            (Expr::Select(a, c, d), "select(a, c, d)"),
            (Expr::Reduce(Reduce::Sum, a, 1), "reduce_sum(a, 1)"),
            (Expr::Reduce(Reduce::Max, a, 0), "reduce_max(a, 0)"),
            (Expr::Bits(a), "bits(a)"),
            (Expr::Permute(a, vec![1, 0]), "permute(a, [1, 0])"),
            (Expr::Convert(a), "convert(a)"),
            (Expr::Transpose(a), "transpose(a)"),
            (Expr::Unary(Unary::Exp2, a), "exp2(a)"),
            (Expr::Binary(Binary::Cmp(Compare::Le), a, c), "a <= c"),
            (Expr::Binary(Binary::And, a, c), "and(a, c)"),
            (Expr::Convert(Id::new(9)), "convert(#9)"),
        ] {
            assert_eq!(expr_text(&k, &expr), text);
        }
    }

    #[test]
    fn operators_have_distinct_texts() {
        let infix = Binary::INFIX.iter().map(|(_, t)| *t);
        let calls = Binary::CALLS.iter().map(|(_, t)| *t);
        let unary = Unary::ALL.iter().map(|u| u.name());
        let mut all: Vec<&str> = infix.chain(calls).chain(unary).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_note_stands_under_its_statement() {
        let note = |kernel: &str, path: &[usize]| match (kernel, path) {
            ("main", [0, 4, 1, 0]) => vec!["no use".to_string()],
            _ => vec![],
        };
        let text = print_with(&program(), &note);
        assert!(
            text.contains("        let u = t\n        ; ^ error: no use\n        yield zero\n")
        );
        assert_eq!(text.lines().count(), TEXT.lines().count() + 1);
    }
}
