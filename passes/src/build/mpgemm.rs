//! Low-bit matrix products: `out[m, n] = sum_k a[m, k] * w[n, k]`.
//!
//! | weights | way | per group of k |
//! | --- | --- | --- |
//! | codes, `int_dot` or `auto` | activations to int8 once a row, 4-byte dots | `out += dot * (scale_w * scale_a)` |
//! | codes, `dequant` | weights to f32, multiply-add | `out += (sum of a * (code - zero)) * scale` |
//! | floats | multiply-add along k | - |
//!
//! One row of activations is prepared by every worker for itself; more rows by a launch of their own.

use super::builder::Builder;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    format::{Format, pack::Packing},
    op::{Compute, Dim, MpGemm, Storage},
    tile::{
        Arg, Binary, Compare, Kernel, Launch, Param, Part, Predicate, Prepare, Program, Reduce,
        Role, Slice, Store, Tensor, Unary, Value, Variant,
    },
};

type Result<T> = std::result::Result<T, Unsupported>;

#[derive(Clone)]
struct Shape {
    m: Extent,
    n: usize,
    k: usize,
    a: Dtype,
    out: Dtype,
    /// Rows of w a task takes.
    rows: usize,
    tokens: usize,
    chunk: usize,
}

pub(super) fn build(g: &MpGemm, program: Program, choice: &Choice) -> Result<Program> {
    let no = |what: &str| choice.unsupported(what, "a product without it, then the rest apart");
    let [w] = &g.w[..] else { return Err(no("several weights in one product")) };
    if g.bias || g.residual || g.prologue.is_some() || g.epilogue.is_some() {
        return Err(no("bias, residual, prologue and epilogue"));
    }
    if g.grouped.is_some() {
        return Err(no("grouped rows"));
    }
    let m = match &g.m {
        Dim::Const(x) => Extent::Lit(*x),
        Dim::Sym(s) => Extent::Sym(s.clone()),
        Dim::Ragged { .. } => return Err(no("ragged rows")),
    };
    let a = match g.a {
        Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) => d,
        Storage::Plain(_) | Storage::Block(_) | Storage::Codes(_) => {
            return Err(choice.unsupported("activations of this type", "f32, f16 or bf16"));
        }
    };
    if !matches!(g.out, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
        return Err(choice.unsupported(format!("out of {}", g.out), "f32, f16 or bf16"));
    }
    let lanes = choice.target.lanes;
    let n = w.n as usize;
    // As many blocks of lanes as divide the rows evenly.
    let blocks = n.div_ceil(lanes);
    let wanted = (choice.schedule.rows / lanes).max(1);
    let per_task = (1..=wanted).rev().find(|r| blocks.is_multiple_of(*r)).unwrap_or(1);
    let shape = Shape {
        m,
        n,
        k: g.k as usize,
        a,
        out: g.out,
        rows: per_task * lanes,
        tokens: choice.schedule.tokens,
        chunk: choice.schedule.chunk,
    };
    match (&w.storage, g.compute) {
        (Storage::Block(format), Compute::Auto | Compute::IntDot) => {
            codes(&shape, &w.name, format, true, program, choice)
        }
        (Storage::Block(format), Compute::Dequant) => {
            codes(&shape, &w.name, format, false, program, choice)
        }
        (
            Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)),
            Compute::Auto | Compute::Dequant,
        ) => Ok(floats(&shape, &w.name, *d, program)),
        (Storage::Plain(_) | Storage::Codes(_), _) => {
            Err(choice
                .unsupported("weights of this storage", "a GGUF block format, f32, f16 or bf16"))
        }
        (Storage::Block(_), Compute::GroupInt | Compute::Lut(_) | Compute::Bitplane) => {
            Err(choice.unsupported("this way to compute", "`compute = \"int_dot\"` or \"dequant\""))
        }
    }
}

/// Activation rows of a tile for few of them.
const FEW: usize = 2;

fn tensor(name: &str, role: Role, elem: Dtype, shape: Vec<Extent>) -> Tensor {
    Tensor { name: name.into(), role, elem, shape, store: Store::Strided }
}

fn launch(kernel: &Kernel) -> Launch {
    let args = kernel.params.iter().map(|p| match p {
        Param::Tensor(t) => Arg::Tensor(t.name.clone()),
        Param::Scalar(s) => Arg::Scalar(Extent::from(s.as_str())),
    });
    Launch { kernel: kernel.name.clone(), args: args.collect() }
}

fn codes(
    s: &Shape,
    w: &str,
    format: &'static Format,
    integer: bool,
    mut program: Program,
    choice: &Choice,
) -> Result<Program> {
    let packing = Packing::for_format(format, choice.target.lanes)?;
    if !packing.group.is_multiple_of(choice.target.lanes) || !s.k.is_multiple_of(packing.group) {
        return Err(
            choice.unsupported(format!("groups of {} codes", packing.group), "another format")
        );
    }
    let groups = s.k / packing.group;
    let name = format!("{w}.packed");
    let mut weights = Vec::new();
    let mut part = |part: Part, suffix: &str, elem: Dtype, shape: [usize; 2]| {
        let store = Store::Packed { of: packing.clone(), part };
        let shape = shape.iter().map(|x| Extent::from(*x)).collect();
        weights.push(Tensor {
            name: format!("{name}.{suffix}"),
            role: Role::Prepared,
            elem,
            shape,
            store,
        });
    };
    part(Part::Codes, "codes", packing.elem, [s.n, s.k]);
    if let Some(elem) = packing.scale {
        part(Part::Scale, "scale", elem, [groups, s.n]);
    }
    if let Some(elem) = packing.min {
        part(Part::Min, "min", elem, [groups, s.n]);
    }
    program.prepares.push(Prepare {
        name: name.clone(),
        source: w.into(),
        packing: packing.clone(),
    });
    let a = program.params.iter().find(|t| t.name == "a").cloned();
    let out = program.params.iter().find(|t| t.role == Role::Out).cloned();
    let (Some(a), Some(out)) = (a, out) else {
        return Err(choice.unsupported("a product without `a` and `out`", "the op file says them"));
    };
    let weight = Weight { name, packing };
    let params = |list: Vec<Tensor>| list.into_iter().map(Param::Tensor).collect::<Vec<_>>();
    let with_weights = |first: Vec<Tensor>| {
        params(first.into_iter().chain(weights.clone()).chain([out.clone()]).collect())
    };
    if !integer {
        let mut b = Builder::new("product", with_weights(vec![a]));
        weight.tasks(&mut b, s, &Input::Floats);
        let kernel = b.finish();
        program.variants.push(Variant {
            name: "all".into(),
            when: vec![],
            launches: vec![launch(&kernel)],
        });
        program.kernels.push(kernel);
        return Ok(program);
    }
    // One row: every worker rounds the activations for itself, so no barrier is needed.
    let mut b = Builder::new("product_one", with_weights(vec![a.clone()]));
    b.scratch("aq", Dtype::I8, &[1, s.k]);
    b.scratch("as", Dtype::F32, &[1, groups]);
    b.scratch("az", Dtype::I32, &[1, groups]);
    quantise(&mut b, s, &weight.packing, &Extent::Lit(0));
    weight.columns(&mut b, s, &Input::Codes, &|b, s, body| {
        b.tasks("t", Extent::from(s.n.div_ceil(s.rows)), s.chunk, |b| body(b, &Extent::Lit(0), 1));
    });
    let one = b.finish();
    // Many rows: rounded once, into the workspace.
    let work = |name: &str, elem, width: usize| {
        tensor(name, Role::Workspace, elem, vec![s.m.clone(), Extent::from(width)])
    };
    let rounded = [
        work("aq", Dtype::I8, s.k),
        work("as", Dtype::F32, groups),
        work("az", Dtype::I32, groups),
    ];
    program.buffers = rounded.to_vec();
    let mut b = Builder::new("quantise", params([vec![a], rounded.to_vec()].concat()));
    b.tasks("i", s.m.clone(), 1, |b| quantise(b, s, &weight.packing, &Extent::from("i")));
    let quantise = b.finish();
    let mut b = Builder::new("product", with_weights(rounded.to_vec()));
    weight.tasks(&mut b, s, &Input::Codes);
    let many = b.finish();
    let when = vec![Predicate { left: s.m.clone(), cmp: Compare::Eq, right: Extent::Lit(1) }];
    program.variants.push(Variant { name: "one".into(), when, launches: vec![launch(&one)] });
    if s.tokens > FEW {
        // Fewer rows than the tile of many: pairs, so that the codes are unpacked for half of them only.
        let mut b = Builder::new("product_few", with_weights(rounded.to_vec()));
        weight.tasks(&mut b, &Shape { tokens: FEW, ..s.clone() }, &Input::Codes);
        let few = b.finish();
        let right = Extent::from(s.tokens);
        let when = vec![Predicate { left: s.m.clone(), cmp: Compare::Lt, right }];
        let launches = vec![launch(&quantise), launch(&few)];
        program.variants.push(Variant { name: "few".into(), when, launches });
        program.kernels.push(few);
    }
    let launches = vec![launch(&quantise), launch(&many)];
    program.variants.push(Variant { name: "many".into(), when: vec![], launches });
    program.kernels.extend([one, quantise, many]);
    Ok(program)
}

/// Row `i` of the activations to int8, one scale a group: `a = as * aq`; `az = -zero * sum(aq)`.
///
/// A NaN or an infinity makes the scale of its group NaN, and so every result of its row.
fn quantise(b: &mut Builder, s: &Shape, packing: &Packing, i: &Extent) {
    let group = packing.group;
    b.for_each("g", (Extent::Lit(0), Extent::from(s.k / group), 1), &[], |b, _| {
        let g = Extent::from("g");
        let at = vec![Slice::range(i.clone(), 1), Slice::range(g.clone() * group, group)];
        let x0 = b.load("x0", "a", s.a, at.clone(), false);
        let x = b.convert("x", x0, Dtype::F32);
        let size = b.unary("size", Unary::Abs, x);
        let largest = b.reduce("largest", Reduce::Max, size, 1);
        let trouble0 = b.binary("trouble0", Binary::Sub, x, x);
        let trouble = b.reduce("trouble", Reduce::Sum, trouble0, 1);
        let zero = b.fill(0.0, Dtype::F32, &[1, 1]);
        let one = b.fill(1.0, Dtype::F32, &[1, 1]);
        let steps = b.fill(127.0, Dtype::F32, &[1, 1]);
        let nothing = b.binary("nothing", Binary::Cmp(Compare::Eq), largest, zero);
        let range = b.select("range", nothing, one, largest);
        let unit = b.binary("unit", Binary::Div, x, range);
        let scaled = b.binary("scaled", Binary::Mul, unit, steps);
        let q = b.convert("q", scaled, Dtype::I8);
        b.store("aq", at, q, false);
        let wide = b.convert("wide", q, Dtype::I32);
        let sum = b.reduce("sum", Reduce::Sum, wide, 1);
        // Without a zero point the sum itself is wanted, for the mins.
        let times = if packing.min.is_some() { 1 } else { -packing.zero };
        let factor = b.fill(f64::from(times), Dtype::I32, &[1, 1]);
        let z = b.binary("z", Binary::Mul, sum, factor);
        let scale0 = b.binary("scale0", Binary::Div, range, steps);
        let scale = b.binary("scale", Binary::Add, scale0, trouble);
        let place = vec![Slice::range(i.clone(), 1), Slice::range(g, 1)];
        b.store("as", place.clone(), scale, false);
        b.store("az", place, z, false);
        vec![]
    });
}

enum Input {
    /// `aq`, `as`, `az`.
    Codes,
    /// `a`.
    Floats,
}

struct Weight {
    name: String,
    packing: Packing,
}

/// Emits the loops around a tile: calls back with the first activation row and how many.
type Around<'a> = dyn Fn(&mut Builder, &Shape, &mut dyn FnMut(&mut Builder, &Extent, usize)) + 'a;

/// Row tiles as tasks, activation rows inside: tiles of `tokens`, then single ones.
fn over_tokens(b: &mut Builder, s: &Shape, body: &mut dyn FnMut(&mut Builder, &Extent, usize)) {
    b.tasks("t", Extent::from(s.n.div_ceil(s.rows)), s.chunk, |b| {
        let whole = b.scalar("whole", s.m.clone() / s.tokens * s.tokens);
        if s.tokens > 1 {
            b.for_each("i", (Extent::Lit(0), whole.clone(), s.tokens), &[], |b, _| {
                body(b, &Extent::from("i"), s.tokens);
                vec![]
            });
        }
        let lo = if s.tokens > 1 { whole } else { Extent::Lit(0) };
        b.for_each("r", (lo, s.m.clone(), 1), &[], |b, _| {
            body(b, &Extent::from("r"), 1);
            vec![]
        });
    });
}

fn store_out(b: &mut Builder, s: &Shape, i: &Extent, tokens: usize, sum: Value) {
    let out = b.convert("y", sum, s.out);
    let at =
        vec![Slice::range(i.clone(), tokens), Slice::range(Extent::from("t") * s.rows, s.rows)];
    b.store("out", at, out, !s.n.is_multiple_of(s.rows));
}

impl Weight {
    fn tasks(&self, b: &mut Builder, s: &Shape, input: &Input) {
        self.columns(b, s, input, &over_tokens);
    }

    fn columns(&self, b: &mut Builder, s: &Shape, input: &Input, around: &Around<'_>) {
        around(b, s, &mut |b, i, tokens| {
            let start = b.fill(0.0, Dtype::F32, &[tokens, s.rows]);
            let groups = Extent::from(s.k / self.packing.group);
            let sum = b.for_each("g", (Extent::Lit(0), groups, 1), &[("acc", start)], |b, acc| {
                vec![match input {
                    Input::Codes => self.integer_group(b, s, i, tokens, acc[0]),
                    Input::Floats => self.float_group(b, s, i, tokens, acc[0]),
                }]
            });
            store_out(b, s, i, tokens, sum[0]);
        });
    }

    /// A row of one value per weight row.
    fn level(&self, b: &mut Builder, s: &Shape, suffix: &str, elem: Dtype) -> Value {
        let rows = Slice::range(Extent::from("t") * s.rows, s.rows);
        let name = format!("{}.{suffix}", self.name);
        // Rows behind the last are zeros of the packing.
        let guard = !s.n.is_multiple_of(s.rows);
        let x = b.load(suffix, &name, elem, vec![Slice::range("g", 1), rows], guard);
        b.convert(&format!("{suffix}_f"), x, Dtype::F32)
    }

    fn codes(&self, b: &mut Builder, s: &Shape) -> Value {
        let group = self.packing.group;
        let rows = Slice::range(Extent::from("t") * s.rows, s.rows);
        let along = Slice::range(Extent::from("g") * group, group);
        b.load(
            "w",
            &format!("{}.codes", self.name),
            self.packing.elem,
            vec![rows, along],
            !s.n.is_multiple_of(s.rows),
        )
    }

    fn integer_group(
        &self,
        b: &mut Builder,
        s: &Shape,
        i: &Extent,
        tokens: usize,
        acc: Value,
    ) -> Value {
        let group = self.packing.group;
        let w0 = self.codes(b, s);
        let w = b.convert("wb", w0, Dtype::U8);
        let rows = Slice::range(i.clone(), tokens);
        let place = vec![rows.clone(), Slice::range("g", 1)];
        let x = b.load(
            "x",
            "aq",
            Dtype::I8,
            vec![rows, Slice::range(Extent::from("g") * group, group)],
            false,
        );
        let z = b.load("z", "az", Dtype::I32, place.clone(), false);
        let start = if self.packing.min.is_some() {
            None
        } else {
            let wide = b.fill(0.0, Dtype::I32, &[tokens, s.rows]);
            Some(b.binary("start", Binary::Add, z, wide))
        };
        let dot = b.dot("d", x, w, true, start);
        let f = b.convert("f", dot, Dtype::F32);
        let sw = self.level(b, s, "scale", self.packing.scale.unwrap_or(Dtype::F32));
        let sx = b.load("sx", "as", Dtype::F32, place, false);
        let factor = b.binary("factor", Binary::Mul, sw, sx);
        let product = b.binary("product", Binary::Mul, f, factor);
        let sum = b.binary("sum", Binary::Add, acc, product);
        let Some(elem) = self.packing.min else { return sum };
        let min = self.level(b, s, "min", elem);
        let total = b.convert("total", z, Dtype::F32);
        let ax = b.binary("ax", Binary::Mul, total, sx);
        let more = b.binary("more", Binary::Mul, min, ax);
        b.binary("sum_min", Binary::Add, sum, more)
    }

    fn float_group(
        &self,
        b: &mut Builder,
        s: &Shape,
        i: &Extent,
        tokens: usize,
        acc: Value,
    ) -> Value {
        let group = self.packing.group;
        let w0 = self.codes(b, s);
        let codes = b.convert("wf", w0, Dtype::F32);
        let zero = b.fill(f64::from(self.packing.zero), Dtype::F32, &[1, 1]);
        let at =
            vec![Slice::range(i.clone(), tokens), Slice::range(Extent::from("g") * group, group)];
        let x0 = b.load("x0", "a", s.a, at, false);
        let x = b.convert("x", x0, Dtype::F32);
        let w =
            if self.packing.zero == 0 { codes } else { b.binary("wz", Binary::Sub, codes, zero) };
        let dot = b.dot("d", x, w, true, None);
        let sw = self.level(b, s, "scale", self.packing.scale.unwrap_or(Dtype::F32));
        let product = b.binary("product", Binary::Mul, dot, sw);
        let sum = b.binary("sum", Binary::Add, acc, product);
        let Some(elem) = self.packing.min else { return sum };
        let min = self.level(b, s, "min", elem);
        let total = b.reduce("total", Reduce::Sum, x, 1);
        let more = b.binary("more", Binary::Mul, min, total);
        b.binary("sum_min", Binary::Add, sum, more)
    }
}

/// Weights of floats: no packing, lanes along k.
fn floats(s: &Shape, w: &str, elem: Dtype, mut program: Program) -> Program {
    let params = program.params.iter().cloned().map(Param::Tensor).collect();
    let mut b = Builder::new("product", params);
    over_tokens(&mut b, s, &mut |b, i, tokens| {
        let x0 = b.load(
            "x0",
            "a",
            s.a,
            vec![Slice::range(i.clone(), tokens), Slice::range(0, s.k)],
            false,
        );
        let x = b.convert("x", x0, Dtype::F32);
        let rows = Slice::range(Extent::from("t") * s.rows, s.rows);
        let w0 =
            b.load("w0", w, elem, vec![rows, Slice::range(0, s.k)], !s.n.is_multiple_of(s.rows));
        let wf = b.convert("wf", w0, Dtype::F32);
        let sum = b.dot("d", x, wf, true, None);
        store_out(b, s, i, tokens, sum);
    });
    let kernel = b.finish();
    program.variants.push(Variant {
        name: "all".into(),
        when: vec![],
        launches: vec![launch(&kernel)],
    });
    program.kernels.push(kernel);
    program
}
