//! Low-bit matrix products: `out[m, n] = sum_k a[m, k] * w[n, k]`.
//!
//! | weights | way | per group of k |
//! | --- | --- | --- |
//! | codes, `int_dot` or `auto` | activations to int8 once a row, 4-byte dots | `out += dot * (scale_w * scale_a)` |
//! | codes, `dequant` | weights to f32, multiply-add | `out += (sum of a * (code - zero)) * scale` |
//! | floats | multiply-add along k | - |
//!
//! One row of activations is prepared by every worker for itself; more rows by a launch of their own. Groups of more
//! than [`STEP`](kgen_ir::format::pack::STEP) codes are walked in steps, whose sums meet before the scale.

mod groups;
mod quantise;

use super::builder::Builder;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    format::{
        pack::Packing,
        parts::{Layout, Parts},
    },
    op::{self, Code, Compute, Dim, MpGemm, Storage},
    tile::{
        Arg, Compare, Form, Kernel, Launch, Param, Part, Predicate, Prepare, Program, Role, Slice,
        Store, Tensor, Value, Variant,
    },
};
use std::collections::BTreeSet;

type Result<T> = std::result::Result<T, Unsupported>;

/// Activation rows of a tile for few of them.
const FEW: usize = 2;

#[derive(Clone)]
struct Product {
    m: Extent,
    k: usize,
    a: Dtype,
    out: Dtype,
    /// Activation rows of a tile.
    tokens: usize,
    /// Tasks a worker takes at a time.
    chunk: usize,
    /// Activations that share a step when rounded, and how many such steps a row has.
    step: usize,
    steps: usize,
    /// `az` is the sum of a step's codes times this.
    times: i32,
    weights: Vec<Weight>,
}

#[derive(Clone)]
struct Weight {
    name: String,
    n: usize,
    /// Its first column of `out`.
    first: usize,
    /// Rows that a task takes.
    rows: usize,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Floats(Dtype),
    Codes {
        packing: Packing,
        /// Products of bytes, not of floats.
        integer: bool,
    },
}

pub(super) fn build(g: &MpGemm, mut program: Program, choice: &Choice) -> Result<Program> {
    let no = |what: &str| choice.unsupported(what, "a product without it, then the rest apart");
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
    let mut weights = Vec::new();
    let mut first = 0;
    for w in &g.w {
        let n = w.n as usize;
        let kind = kind(g, w, &mut program, choice)?;
        // As many blocks of lanes as divide the rows evenly.
        let lanes = choice.target.lanes;
        let blocks = n.div_ceil(lanes);
        let wanted = (choice.schedule.rows / lanes).max(1);
        let per_task = (1..=wanted).rev().find(|r| blocks.is_multiple_of(*r)).unwrap_or(1);
        weights.push(Weight { name: w.name.clone(), n, first, rows: per_task * lanes, kind });
        first += n;
    }
    let packings = || {
        weights.iter().filter_map(|w| match &w.kind {
            Kind::Codes { packing, integer: true } => Some(packing),
            Kind::Codes { .. } | Kind::Floats(_) => None,
        })
    };
    let k = g.k as usize;
    let step = packings().map(Packing::step).min().unwrap_or(1);
    let widest = packings().map(|p| k.next_multiple_of(p.group)).max().unwrap_or(k);
    // With one zero point for all, the sums are stored as products begin with them.
    let zeros: BTreeSet<Option<i32>> =
        packings().map(|p| (p.min.is_none() && p.zeros.is_none()).then_some(-p.zero)).collect();
    let times = match zeros.first() {
        Some(Some(times)) if zeros.len() == 1 => *times,
        Some(_) | None => 1,
    };
    let integer = packings().next().is_some();
    let product = Product {
        m,
        k,
        a,
        out: g.out,
        tokens: choice.schedule.tokens,
        chunk: choice.schedule.chunk,
        step,
        steps: widest / step,
        times,
        weights,
    };
    if integer {
        product.rounded(&mut program)
    } else {
        product.plain(&mut program)
    }
    Ok(program)
}

/// How a weight is read; one of codes is packed first.
fn kind(g: &MpGemm, w: &op::Weight, program: &mut Program, choice: &Choice) -> Result<Kind> {
    let integer = match g.compute {
        Compute::Auto | Compute::IntDot => true,
        Compute::Dequant => false,
        Compute::GroupInt | Compute::Lut(_) | Compute::Bitplane => {
            return Err(
                choice.unsupported("this way to compute", "`compute = \"int_dot\"` or \"dequant\"")
            );
        }
    };
    let lanes = choice.target.lanes;
    let (form, packing) = match &w.storage {
        Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) => match g.compute {
            Compute::Auto | Compute::Dequant => return Ok(Kind::Floats(*d)),
            Compute::IntDot | Compute::GroupInt | Compute::Lut(_) | Compute::Bitplane => {
                return Err(choice.unsupported(
                    format!("integer products of {d} weights"),
                    "`compute = \"dequant\"`, or weights of codes",
                ));
            }
        },
        Storage::Plain(d) => {
            return Err(choice.unsupported(
                format!("weights of {d} without scales"),
                "`{ format = \"int8\", per = \"row\", scale = \"f32\" }`",
            ));
        }
        Storage::Block(format) => {
            (Form::Blocks(w.name.clone()), Packing::for_format(format, lanes)?)
        }
        Storage::Codes(codes) => {
            if let Code::Codebook(_) = codes.code {
                return Err(choice
                    .unsupported("weights of a codebook", "int, uint, bipolar or ternary codes"));
            }
            let layout = Layout::Codes(codes.clone());
            let parts = Parts { layout, copies: 1, n: w.n as usize, k: g.k as usize };
            let name = |part: &str| format!("{}.{part}", w.name);
            let zero = codes.zero.map(|_| name("zero"));
            let sources = [name("codes"), name("scale")].into_iter().chain(zero).collect();
            let packing = Packing::for_parts(&parts, lanes)?;
            (Form::Parts(sources, parts), packing)
        }
    };
    if !packing.step().is_multiple_of(lanes) {
        return Err(
            choice.unsupported(format!("groups of {} codes", packing.group), "another format")
        );
    }
    program.prepares.push(Prepare {
        name: format!("{}.packed", w.name),
        form,
        packing: packing.clone(),
    });
    Ok(Kind::Codes { packing, integer })
}

fn tensor(name: &str, role: Role, elem: Dtype, shape: Vec<Extent>) -> Tensor {
    Tensor { name: name.into(), role, elem, shape, store: Store::Strided }
}

/// A launch on what the parameters are called after; those of a weight's columns are all `out`.
fn launch(kernel: &Kernel) -> Launch {
    let args = kernel.params.iter().map(|p| match p {
        Param::Tensor(t) if t.role == Role::Out => Arg::Tensor("out".into()),
        Param::Tensor(t) => Arg::Tensor(t.name.clone()),
        Param::Scalar(s) => Arg::Scalar(Extent::from(s.as_str())),
    });
    Launch { kernel: kernel.name.clone(), args: args.collect() }
}

/// Emits the loops around a tile: calls back with the first activation row and how many.
type Around<'a> = dyn Fn(&mut Builder, &mut dyn FnMut(&mut Builder, &Extent, usize)) + 'a;

impl Product {
    /// Weights that are read as floats: one launch.
    fn plain(&self, program: &mut Program) {
        let mut b = self.kernel("product", vec![self.activations()]);
        self.tasks(&mut b, &|b, body| self.over_tokens(b, body));
        let kernel = b.finish();
        let launches = vec![launch(&kernel)];
        program.variants.push(Variant { name: "all".into(), when: vec![], launches });
        program.kernels.push(kernel);
    }

    /// Some weights are multiplied as bytes: activations are rounded first.
    fn rounded(&self, program: &mut Program) {
        let also = |w: &Weight| match w.kind {
            Kind::Floats(_) => true,
            Kind::Codes { integer, .. } => !integer,
        };
        let a: Vec<Tensor> =
            self.weights.iter().any(also).then(|| self.activations()).into_iter().collect();
        // One row: every worker rounds the activations for itself, so no barrier is needed.
        let mut b = self.kernel("product_one", vec![self.activations()]);
        b.scratch("aq", Dtype::I8, &[1, self.steps * self.step]);
        b.scratch("as", Dtype::F32, &[1, self.steps]);
        b.scratch("az", Dtype::I32, &[1, self.steps]);
        self.quantise(&mut b, &Extent::Lit(0));
        self.tasks(&mut b, &|b, body| body(b, &Extent::Lit(0), 1));
        let one = b.finish();
        // Many rows: rounded once, into the workspace.
        let work = |name: &str, elem, width: usize| {
            tensor(name, Role::Workspace, elem, vec![self.m.clone(), Extent::from(width)])
        };
        let rounded = [
            work("aq", Dtype::I8, self.steps * self.step),
            work("as", Dtype::F32, self.steps),
            work("az", Dtype::I32, self.steps),
        ];
        program.buffers = rounded.to_vec();
        let params = [vec![self.activations()], rounded.to_vec()].concat();
        let mut b = Builder::new("quantise", params.into_iter().map(Param::Tensor).collect());
        b.tasks("i", self.m.clone(), 1, |b| self.quantise(b, &Extent::from("i")));
        let quantise = b.finish();
        let product = |name: &str, of: &Product| {
            let mut b = of.kernel(name, rounded.iter().cloned().chain(a.clone()).collect());
            of.tasks(&mut b, &|b, body| of.over_tokens(b, body));
            b.finish()
        };
        let many = product("product", self);
        let when = |cmp, right: usize| {
            vec![Predicate { left: self.m.clone(), cmp, right: Extent::from(right) }]
        };
        let launches = vec![launch(&one)];
        program.variants.push(Variant { name: "one".into(), when: when(Compare::Eq, 1), launches });
        if self.tokens > FEW {
            // Fewer rows than the tile of many: pairs, so that the codes are unpacked for half of them only.
            let few = product("product_few", &Product { tokens: FEW, ..self.clone() });
            let launches = vec![launch(&quantise), launch(&few)];
            let when = when(Compare::Lt, self.tokens);
            program.variants.push(Variant { name: "few".into(), when, launches });
            program.kernels.push(few);
        }
        let launches = vec![launch(&quantise), launch(&many)];
        program.variants.push(Variant { name: "many".into(), when: vec![], launches });
        program.kernels.extend([one, quantise, many]);
    }

    fn activations(&self) -> Tensor {
        tensor("a", Role::In, self.a, vec![self.m.clone(), self.k.into()])
    }

    /// A kernel on `first`, the weights, and `out`.
    fn kernel(&self, name: &str, first: Vec<Tensor>) -> Builder {
        let mut list = first;
        list.extend(self.weights.iter().flat_map(|w| w.tensors(self.k)));
        for w in &self.weights {
            // What ends with the columns of a weight guards those of the next.
            let shape = vec![self.m.clone(), (w.first + w.n).into()];
            list.push(tensor(&self.columns_of(w), Role::Out, self.out, shape));
        }
        Builder::new(name, list.into_iter().map(Param::Tensor).collect())
    }

    /// `out`, as far as the columns of `w`.
    fn columns_of(&self, w: &Weight) -> String {
        if self.weights.len() == 1 { "out".into() } else { format!("out.{}", w.name) }
    }

    /// Tasks of row tiles for every weight.
    fn tasks(&self, b: &mut Builder, around: &Around<'_>) {
        for w in &self.weights {
            b.tasks("t", Extent::from(w.n.div_ceil(w.rows)), self.chunk, |b| {
                around(b, &mut |b, i, tokens| {
                    let row = Extent::from("t") * w.rows;
                    let sum = self.sum(b, w, i, tokens, &row);
                    let y = b.convert("y", sum, self.out);
                    let columns = Slice::range(row + w.first, w.rows);
                    let at = vec![Slice::range(i.clone(), tokens), columns];
                    b.store(&self.columns_of(w), at, y, !w.n.is_multiple_of(w.rows));
                });
            });
        }
    }

    /// All activation rows: tiles of `tokens`, then single ones.
    fn over_tokens(&self, b: &mut Builder, body: &mut dyn FnMut(&mut Builder, &Extent, usize)) {
        let whole = b.scalar("whole", self.m.clone() / self.tokens * self.tokens);
        if self.tokens > 1 {
            b.for_each("i", (Extent::Lit(0), whole.clone(), self.tokens), &[], |b, _| {
                body(b, &Extent::from("i"), self.tokens);
                vec![]
            });
        }
        let lo = if self.tokens > 1 { whole } else { Extent::Lit(0) };
        b.for_each("r", (lo, self.m.clone(), 1), &[], |b, _| {
            body(b, &Extent::from("r"), 1);
            vec![]
        });
    }

    /// The product of `tokens` activation rows from `i` on and the rows of a task from `row` on.
    fn sum(&self, b: &mut Builder, w: &Weight, i: &Extent, tokens: usize, row: &Extent) -> Value {
        match &w.kind {
            Kind::Codes { packing, integer } => {
                groups::Tile { product: self, weight: w, packing, i, tokens, row }.sum(b, *integer)
            }
            Kind::Floats(elem) => {
                let along = Slice::range(0, self.k);
                let at = vec![Slice::range(i.clone(), tokens), along.clone()];
                let x0 = b.load("x0", "a", self.a, at, false);
                let x = b.convert("x", x0, Dtype::F32);
                let rows = Slice::range(row.clone(), w.rows);
                let guard = !w.n.is_multiple_of(w.rows);
                let w0 = b.load("w0", &w.name, *elem, vec![rows, along], guard);
                let wf = b.convert("wf", w0, Dtype::F32);
                b.dot("d", x, wf, true, None)
            }
        }
    }
}

impl Weight {
    /// What a kernel reads of it.
    fn tensors(&self, k: usize) -> Vec<Tensor> {
        let (packing, integer) = match &self.kind {
            Kind::Floats(elem) => {
                let shape = vec![self.n.into(), k.into()];
                return vec![tensor(&self.name, Role::In, *elem, shape)];
            }
            Kind::Codes { packing, integer } => (packing, *integer),
        };
        let rows = self.n.next_multiple_of(packing.lanes);
        let groups = k.div_ceil(packing.group);
        let part = |part: Part, elem: Dtype, shape: [usize; 2]| Tensor {
            name: self.part(part),
            role: Role::Prepared,
            elem,
            shape: shape.iter().map(|x| Extent::from(*x)).collect(),
            store: Store::Packed { of: packing.clone(), part },
        };
        let mut list = vec![part(Part::Codes, packing.elem, [rows, groups * packing.group])];
        list.extend(packing.scale.map(|elem| part(Part::Scale, elem, [groups, rows])));
        list.extend(packing.min.map(|elem| part(Part::Min, elem, [groups, rows])));
        list.extend(packing.zeros.map(|elem| match integer {
            true => part(Part::Zeros, elem, [groups, rows]),
            false => part(Part::RowZeros, elem, [rows, groups]),
        }));
        list
    }

    fn part(&self, part: Part) -> String {
        format!("{}.packed.{}", self.name, part.name())
    }
}
