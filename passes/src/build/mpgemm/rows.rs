//! Launches before the product: int8 activations as floats where something wants floats, and the prologue.
//!
//! A prologue is a row operation, built as one: `a * rsqrt(mean(a * a) + 1e-5)`.

use super::{Builder, Kind, Product, Result, launch, tensor, weights::act_order};
use crate::build::rows;
use kgen_ir::{
    dtype::Dtype,
    extent::Extent,
    format::pack::STEP,
    op::{Group, RowKind, RowOutput, RowTensor, Rows},
    tile::{Arg, Binary, Launch, Param, Part, Program, Role, Slice, Store, Tensor},
};

/// Activations that a task brings into order.
const CHUNK: usize = 512;

impl Product<'_> {
    /// What must run before; `a` is then what it leaves.
    pub(super) fn before(&mut self, program: &mut Program) -> Result<Vec<Launch>> {
        let mut launches = Vec::new();
        let floats = self.weights.iter().any(|w| match w.kind {
            Kind::Floats(_) | Kind::Pairs(_) => true,
            Kind::Codes { integer, .. } => !integer,
        });
        let prologue = self.op.prologue.as_ref();
        if let Some(given) = self.given
            && (floats || prologue.is_some())
        {
            launches.push(self.widen(given, program));
        }
        if let Some(value) = prologue {
            launches.push(self.prologue(value.clone(), program)?);
            self.given = None;
        }
        if let [w] = &self.op.w[..]
            && act_order(w)
        {
            let packing = self.weights.iter().find_map(|w| match &w.kind {
                Kind::Codes { packing, .. } => Some(packing.clone()),
                Kind::Floats(_) | Kind::Pairs(_) => None,
            });
            if let Some(of) = packing {
                let order = Tensor {
                    name: format!("{}.packed.{}", w.name, Part::Order.name()),
                    role: Role::Prepared,
                    elem: Dtype::I32,
                    shape: vec![self.k.into()],
                    store: Store::Packed { of, part: Part::Order },
                };
                launches.push(self.order(order, program));
                self.given = None;
            }
        }
        Ok(launches)
    }

    /// Int8 activations as f32, in the workspace.
    fn widen(&mut self, given: (Group, Dtype), program: &mut Program) -> Launch {
        let shape = vec![self.m.clone(), self.k.into()];
        let wide = tensor("wide", Role::Workspace, Dtype::F32, shape);
        let mut params = self.given_tensors(given.0, given.1).to_vec();
        params.push(wide.clone());
        let mut b =
            Builder::new("widen", params.into_iter().map(Param::Tensor).collect(), &self.symbols);
        // As many as share a scale.
        let step = match given.0 {
            Group::K(g) => 1 << g.trailing_zeros().min(STEP.ilog2()),
            Group::Row | Group::Tensor => STEP,
        };
        let ragged = !self.k.is_multiple_of(step);
        b.tasks("i", self.m.clone(), 1, |b| {
            let steps = Extent::from(self.k.div_ceil(step));
            b.for_each("s", (Extent::Lit(0), steps, 1), &[], |b, _| {
                let i = b.var("i");
                let from = b.var("s") * step;
                let at = vec![Slice::range(i.clone(), 1), Slice::range(from.clone(), step)];
                let q = b.load("q", "a.codes", Dtype::I8, at.clone(), ragged);
                let x = b.convert("x", q, Dtype::F32);
                let scale = self.given_scale(b, given, &i, from);
                let y = b.binary("y", Binary::Mul, x, scale);
                b.store("wide", at, y, ragged);
                vec![]
            });
        });
        let kernel = b.finish();
        let launch = launch(&kernel);
        program.kernels.push(kernel);
        program.buffers.push(wide.clone());
        self.a = wide;
        launch
    }

    /// Activations in the order of the weight's elements, in the workspace.
    fn order(&mut self, order: Tensor, program: &mut Program) -> Launch {
        let ordered = tensor("ordered", Role::Workspace, self.a.elem, self.a.shape.clone());
        let params = vec![self.a.clone(), order.clone(), ordered.clone()];
        let mut b =
            Builder::new("order", params.into_iter().map(Param::Tensor).collect(), &self.symbols);
        let some = self.k.min(CHUNK);
        let parts = self.k.div_ceil(some);
        b.tasks("t", self.m.clone() * parts, 1, |b| {
            let i = b.scalar("i", b.var("t") / parts);
            let lo = b.scalar("lo", b.var("t") % parts * some);
            let hi = (lo.clone() + some).min(self.k);
            b.for_each("p", (lo, hi, 1), &[], |b, _| {
                let from = b.read("from", &order.name, vec![b.var("p")]);
                let row = Slice::range(i.clone(), 1);
                let at = vec![row.clone(), Slice::range(from, 1)];
                let x = b.load("x", &self.a.name, self.a.elem, at, false);
                b.store("ordered", vec![row, Slice::range(b.var("p"), 1)], x, false);
                vec![]
            });
        });
        let kernel = b.finish();
        let launch = launch(&kernel);
        program.kernels.push(kernel);
        program.buffers.push(ordered.clone());
        self.a = ordered;
        launch
    }

    fn prologue(
        &mut self,
        value: kgen_ir::op::expr::Expr,
        program: &mut Program,
    ) -> Result<Launch> {
        let op = Rows {
            rows: self.op.m.clone(),
            width: self.op.k,
            inputs: vec![RowTensor {
                name: "a".into(),
                dtype: self.a.elem,
                kind: RowKind::Matrix,
                blocks: None,
            }],
            lets: vec![],
            outputs: vec![RowOutput {
                name: "ready".into(),
                dtype: Dtype::F32,
                kind: RowKind::Matrix,
                value,
                at: None,
            }],
        };
        let shape = self.a.shape.clone();
        let ready = tensor("ready", Role::Workspace, Dtype::F32, shape.clone());
        let alone = Program {
            name: program.name.clone(),
            symbols: program.symbols.clone(),
            params: vec![
                tensor("a", Role::In, self.a.elem, shape.clone()),
                tensor("ready", Role::Out, Dtype::F32, shape),
            ],
            prepares: vec![],
            buffers: vec![],
            kernels: vec![],
            variants: vec![],
        };
        let built = rows::build(&op, alone, self.choice)?;
        let mut kernels = built.kernels.into_iter();
        let (Some(mut kernel), None) = (kernels.next(), kernels.next()) else {
            return Err(self.choice.unsupported("this prologue", "a launch of its own"));
        };
        kernel.name = "prologue".into();
        let mut args = Vec::new();
        for p in &mut kernel.params {
            let Param::Tensor(t) = p else { continue };
            let from = if t.name == "a" { &self.a } else { &ready };
            t.role = from.role;
            args.push(Arg::Tensor(from.name.clone()));
        }
        let launch = Launch { kernel: kernel.name.clone(), args };
        program.kernels.push(kernel);
        program.buffers.push(ready.clone());
        self.a = ready;
        Ok(launch)
    }
}
