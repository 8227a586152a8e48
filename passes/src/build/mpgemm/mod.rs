//! Low-bit matrix products: `out[m, n] = epilogue(sum_k prologue(a)[m, k] * w[n, k])`.
//!
//! | weights | way | per group of k |
//! | --- | --- | --- |
//! | codes, `int_dot` or `auto` | activations to int8 once a row, 4-byte dots | `out += dot * (scale_w * scale_a)` |
//! | codes of one bit, `lut`, or `auto` where bytes are permuted | tables of sums of 4 activations, lookups | `out += sums * (scale_w * scale_a)` |
//! | codes, `dequant` | weights to f32, multiply-add | `out += (sum of a * (code - zero)) * scale` |
//! | floats, `bf16`, or `auto` where all are bf16 | both to pairs of bf16, 2-element dots | - |
//! | what matrix instructions of the target multiply | as the table in [`matrices`] says | - |
//! | bytes and bf16, many rows, where those take rows of memory | the same bytes and bf16, [`many`] | as above |
//! | floats, few rows | multiply-add along k | - |
//! | floats, many rows | multiply-add, lanes of weight rows, over turned panels | - |
//!
//! One row of activations is prepared by every worker for itself; more rows by a launch of their own. Groups of more
//! than [`STEP`](kgen_ir::format::pack::STEP) codes are walked in steps, whose sums meet before the scale. Weights that
//! an epilogue combines are multiplied by the same task, others by tasks of their own in the same launch.

mod blocked;
mod groups;
mod many;
mod matrices;
mod pairs;
mod panels;
mod quantise;
mod rows;
mod some;
mod stored;
mod tables;
mod tiles;
mod weights;

use super::builder::Builder;
use crate::Choice;
use blocked::Block;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    format::pack::{Packing, STEP},
    machine::Op,
    op::{Code, Codes, Compute, Dim, Group, MpGemm, Storage, expr::Expr, tensors},
    tile::{
        Arg, Compare, Kernel, Launch, Param, Predicate, Program, Role, Store, Symbol, Tensor,
        Variant,
    },
};
use many::Many;
use std::{cell::RefCell, collections::BTreeSet};
use weights::kind;

pub(super) use quantise::range_and_scale;
pub(super) use tables::reason as lookups;

type Result<T> = std::result::Result<T, Unsupported>;

/// Products of bytes whose sum is sure to be an i32.
const WHOLE: usize = 1 << 16;

/// Activation rows of a tile for few of them.
const FEW: usize = 2;

/// Activation rows for which unpacking the codes first pays.
const SHARED: usize = 12;

/// Steps whose sums of floats may lie in scratch between them: shorter ones lose a fifth to that (in groups of 32).
const LONG: usize = 64;

/// Blocks of lanes of a tile whose groups are written out, step after step: more of them are too much code.
const FIXED: usize = 2;

#[derive(Clone)]
struct Product<'a> {
    op: &'a MpGemm,
    symbols: Vec<Symbol>,
    choice: &'a Choice,
    m: Extent,
    k: usize,
    /// Activations as floats: of the caller, or what a launch before made of them.
    a: Tensor,
    /// Activations of the caller that are int8 already: who shares their scales, of which type those are.
    given: Option<(Group, Dtype)>,
    experts: Experts,
    /// Activation rows of a tile.
    tokens: usize,
    /// Activations that a turn multiplies, and how many such steps a row has.
    step: usize,
    steps: usize,
    /// Steps that lie side by side in a row of `aq`: all of a group whose steps stand each in their own way, so that one
    /// address does for them; else one.
    bundle: usize,
    /// Activations that share a scale when rounded: a step, or as many as share a scale of the weight.
    share: usize,
    /// `az` is the sum of so many codes, which divide a step, times `times`; `as` is their scale.
    summed: usize,
    times: i32,
    /// `az` is floats instead, times the scale: all that is done with them is to multiply mins.
    weighed: bool,
    weights: Vec<Weight>,
    /// Why an expression cannot be built.
    failed: RefCell<Option<Unsupported>>,
}

/// Which copy of a weight an activation row meets.
#[derive(Clone, Copy, PartialEq)]
enum Experts {
    /// There is one.
    None,
    /// Rows of a copy follow each other, from `a.indptr` on.
    Sorted(usize),
    /// `group` says it for each row.
    Each(usize),
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
    /// bf16, two to a word.
    Pairs(Packing),
    Codes {
        packing: Packing,
        /// Products of bytes, not of floats.
        integer: bool,
    },
}

pub(super) fn build(g: &MpGemm, mut program: Program, choice: &Choice) -> Result<Program> {
    let m = tensors::total(&g.m);
    let k = g.k as usize;
    let (elem, given) = match &g.a {
        Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) => (*d, None),
        Storage::Codes(Codes { code: Code::Int, bits: 8, group, scale, zero: None, .. }) => {
            (Dtype::F32, Some((*group, *scale)))
        }
        Storage::Plain(_) | Storage::Block(_) | Storage::Codes(_) => {
            let instead = "f32, f16, bf16, or int8 codes without zero points";
            return Err(choice.unsupported("activations of this type", instead));
        }
    };
    if !matches!(g.out, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::I8) {
        return Err(choice.unsupported(format!("out of {}", g.out), "f32, f16, bf16 or i8"));
    }
    let groups = g.grouped.as_ref().map(|x| x.groups as usize);
    let experts = match (groups, &g.m) {
        (None, _) => Experts::None,
        (Some(groups), Dim::Ragged { .. }) => Experts::Sorted(groups),
        (Some(groups), Dim::Const(_) | Dim::Sym(_)) => Experts::Each(groups),
    };
    let in_matrices = matrices::fit(g, choice);
    let in_pairs = in_matrices.is_none() && pairs::fit(g, choice);
    let in_tables = in_matrices.is_none() && !in_pairs && tables::chosen(g, choice)?;
    let mut kinds = Vec::new();
    for w in &g.w {
        kinds.push(match (in_matrices, in_pairs) {
            (Some(elements), _) => matrices::kind(g, elements, w, &mut program, choice)?,
            (None, true) => pairs::kind(g, w, &mut program, choice)?,
            (None, false) => kind(g, w, groups, in_tables, &mut program, choice)?,
        });
    }
    // Those of one task are cut alike.
    let fixed = kinds.iter().any(Kind::is_fixed);
    let mut weights = Vec::new();
    let mut first = 0;
    for (w, kind) in g.w.iter().zip(kinds) {
        let n = w.n as usize;
        // As many blocks of lanes as divide the rows evenly.
        let lanes = choice.target.lanes;
        let blocks = n.div_ceil(lanes);
        let wanted = (choice.schedule.rows / lanes).max(1);
        let few = if g.epilogue.is_some() { fixed } else { kind.is_fixed() };
        let wanted = if few { wanted.min(FIXED) } else { wanted };
        let wanted = if in_tables { wanted.min(tables::blocks(choice)) } else { wanted };
        let per_task = (1..=wanted).rev().find(|r| blocks.is_multiple_of(*r)).unwrap_or(1);
        let rows = if in_matrices.is_some() { matrices::rows(n, choice) } else { per_task * lanes };
        weights.push(Weight { name: w.name.clone(), n, first, rows, kind });
        first += n;
    }
    let packings = || {
        weights.iter().filter_map(|w| match &w.kind {
            Kind::Codes { packing, integer: true } => Some(packing),
            Kind::Codes { .. } | Kind::Floats(_) | Kind::Pairs(_) => None,
        })
    };
    let mut step = packings().map(Packing::step).min().unwrap_or(1);
    if let Some((Group::K(g), _)) = given
        && packings().next().is_some()
    {
        step = step.min(1 << g.trailing_zeros().min(16));
        if !step.is_multiple_of(choice.target.lanes) {
            let what = format!("groups of {g} activations in {} lanes", choice.target.lanes);
            return Err(choice.unsupported(what, "groups of 32, 64 or 128, or `per = \"token\"`"));
        }
    }
    let summed = packings().map(Packing::summed).min().unwrap_or(1).min(step);
    let widest = packings().map(|p| k.next_multiple_of(p.group)).max().unwrap_or(k);
    // With one zero point for all, the sums are stored as products begin with them.
    let zeros: BTreeSet<Option<i32>> =
        packings().map(|p| (p.min.is_none() && p.zeros.is_none()).then_some(-p.zero)).collect();
    let times = match zeros.first() {
        Some(Some(times)) if zeros.len() == 1 => *times,
        Some(_) | None => 1,
    };
    let integer = packings().next().is_some();
    let weighed = in_matrices.is_none() && integer && packings().all(|p| p.min.is_some());
    // Scales that stay the same over a group of the weight: its sums are integers to the end.
    let groups: BTreeSet<usize> =
        packings().map(|p| if p.inner.is_some() { p.step() } else { p.group }).collect();
    let same = match given {
        Some((Group::Row | Group::Tensor, _)) => true,
        Some((Group::K(g), _)) => groups.iter().all(|group| (g as usize).is_multiple_of(*group)),
        None => g.compute == Compute::GroupInt,
    };
    let share = match groups.first() {
        Some(&group) if groups.len() == 1 && group <= WHOLE && same => group,
        Some(_) | None => step,
    };
    // Groups of two levels share one scale of floats.
    let leveled = packings().all(|p| p.inner.is_some()) && g.compute != Compute::GroupInt;
    let share = match (leveled, given) {
        (true, None | Some((Group::Row | Group::Tensor, _))) => share.max(widest_share(packings())),
        (true, Some((Group::K(_), _))) | (false, _) => share,
    };
    if g.compute == Compute::GroupInt && groups.iter().any(|g| *g != share) {
        return Err(choice.unsupported(
            "`group_int` where scales of weights and activations change at different places",
            "`compute = \"int_dot\"`",
        ));
    }
    let each = matches!(experts, Experts::Each(_));
    let bytes = packings().count() == weights.len() && !each;
    // Many activation rows beside codes that are unpacked are more than there are registers.
    let fixed = packings().any(Packing::is_fixed);
    let whole: BTreeSet<usize> = packings().map(|p| p.group).collect();
    let bundle = match whole.first() {
        Some(group) if whole.len() == 1 && packings().all(Packing::is_fixed) => group / step,
        Some(_) | None => 1,
    };
    let tokens = choice.schedule.tokens.min(if fixed { FEW } else { usize::MAX });
    let tokens = match in_tables {
        true => weights.iter().map(|w| tables::tokens(w.rows, choice)).min().unwrap_or(1),
        false => tokens,
    };
    let mut product = Product {
        op: g,
        symbols: program.symbols.clone(),
        choice,
        a: tensor("a", Role::In, elem, vec![m.clone(), k.into()]),
        m,
        k,
        given,
        experts,
        tokens,
        step,
        steps: widest / step,
        bundle: if in_matrices.is_none() { bundle } else { 1 },
        share,
        summed,
        times,
        weighed,
        weights,
        failed: RefCell::new(None),
    };
    let before = product.before(&mut program)?;
    if let Some(elements) = in_matrices {
        product.in_matrices(elements, &before, &mut program);
    } else if in_pairs {
        product.in_pairs(before, &mut program);
    } else if in_tables {
        product.in_tables(before, &mut program);
    } else if integer {
        // Where nothing hides what memory takes, panels of experts and of many steps have no place; the latter want
        // registers for two kinds of sums.
        let hints = choice.target.row(&Op::Prefetch(1)).is_some();
        let block = match bytes && (hints || experts == Experts::None) {
            true if step >= LONG => Block::of(&product.weights, choice),
            true if hints && choice.target.vectors >= 32 => {
                Block::short(&product.weights, step, choice)
            }
            true | false => None,
        };
        product.rounded(before, block, &mut program);
    } else {
        product.plain(before, &mut program);
    }
    if let Some(error) = product.failed.take() {
        return Err(error);
    }
    if let Some(format) = g.blocks {
        stored::blocks(&mut program, g, format, &product.m, choice)?;
    }
    Ok(program)
}

/// Activations that may share a scale: of a group, and no more than of others.
fn widest_share<'a>(packings: impl Iterator<Item = &'a Packing>) -> usize {
    let bits = packings.map(|p| p.group.trailing_zeros()).min();
    bits.map_or(1, |bits| 1 << bits.min(STEP.ilog2()))
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

fn name_of(e: &Expr) -> Option<&str> {
    match e {
        Expr::Name(name) => Some(name),
        Expr::Number(_)
        | Expr::Unary(..)
        | Expr::Binary(..)
        | Expr::Call(..)
        | Expr::Reduce(..)
        | Expr::At(..) => None,
    }
}

/// Where a task stands.
struct Place {
    /// The copy of the weights.
    expert: Extent,
    /// First of its columns of a weight.
    column: Extent,
}

impl<'a> Product<'a> {
    /// Weights that are read as floats: one launch, or two for many rows.
    fn plain(&self, mut launches: Vec<Launch>, program: &mut Program) {
        self.in_panels(&launches, program);
        let mut b = self.kernel("product", vec![self.a.clone()]);
        self.tasks(&mut b, false);
        let kernel = b.finish();
        launches.push(launch(&kernel));
        program.variants.push(Variant { name: "all".into(), when: vec![], launches });
        program.kernels.push(kernel);
    }

    /// Some weights are multiplied as bytes: activations are rounded first.
    fn rounded(&self, before: Vec<Launch>, block: Option<Block>, program: &mut Program) {
        let also = |w: &Weight| match w.kind {
            Kind::Floats(_) | Kind::Pairs(_) => true,
            Kind::Codes { integer, .. } => !integer,
        };
        let floats = self.weights.iter().any(also).then(|| self.a.clone());
        let tiled = Many::of(self, [Dtype::I8, Dtype::U8], self.step);
        let block = block.filter(|_| tiled.is_none());
        let sources = self.sources();
        let when = |cmp, right: usize| {
            vec![Predicate { left: self.m.clone(), cmp, right: Extent::from(right) }]
        };
        let then = |list: &[&Kernel]| {
            before.iter().cloned().chain(list.iter().map(|k| launch(k))).collect::<Vec<_>>()
        };
        if self.experts == Experts::None {
            // One row: every worker rounds the activations for itself, so no barrier is needed.
            let mut first = sources.clone();
            first.extend(floats.clone().filter(|a| first.iter().all(|t| t.name != a.name)));
            // Inner mins are integers, and multiply such.
            let whole = |w: &Weight| match &w.kind {
                Kind::Codes { packing, .. } => packing.inner.is_none(),
                Kind::Floats(_) | Kind::Pairs(_) => true,
            };
            let weighed = self.weighed && self.weights.iter().all(whole);
            let of = Product { weighed, ..self.clone() };
            let mut b = of.kernel("product_one", first);
            for (name, elem, width) in of.rounded_to() {
                b.scratch(name, elem, &[of.steps / of.bundle, 1, width]);
            }
            of.quantise(&mut b, &Extent::Lit(0), false);
            of.tasks(&mut b, true);
            let one = b.finish();
            let (name, when) = ("one".into(), when(Compare::Eq, 1));
            program.variants.push(Variant { name, when, launches: then(&[&one]) });
            program.kernels.push(one);
        }
        // Many rows: rounded once, into the workspace.
        // Whole tiles of them.
        // Where hints hide what memory takes.
        let hints = self.choice.target.row(&Op::Prefetch(1)).is_some();
        let grouped = block.is_some() && self.experts == Experts::None && hints;
        let whole = tiled.map_or(block.map_or(1, |b| b.tokens), |t| t.tokens);
        let rows = self.m.clone().ceil_div(whole) * whole;
        let rows = match grouped {
            true => rows.max(self.some_rows()),
            false => rows,
        };
        let rounded = self.rounded_to().map(|(name, elem, width)| {
            let shape = vec![(self.steps / self.bundle).into(), rows.clone(), width.into()];
            tensor(name, Role::Workspace, elem, shape)
        });
        program.buffers.extend(rounded.iter().cloned());
        let params = [sources, rounded.to_vec()].concat();
        let mut b = Builder::new(
            "quantise",
            params.into_iter().map(Param::Tensor).collect(),
            &self.symbols,
        );
        b.tasks("i", rows.clone(), 1, |b| self.quantise(b, &b.var("i"), whole > 1));
        let quantise = b.finish();
        let product = |name: &str, of: &Product<'_>| {
            let mut b = of.kernel(name, rounded.iter().cloned().chain(floats.clone()).collect());
            of.tasks(&mut b, false);
            b.finish()
        };
        let many = if grouped {
            let mut b = self.kernel("product", rounded.to_vec());
            self.in_groups(&mut b);
            b.finish()
        } else {
            product("product", self)
        };
        if self.tokens > FEW && self.experts == Experts::None {
            // Fewer rows than the tile of many: pairs, so that the codes are unpacked for half of them only.
            let few = product("product_few", &Product { tokens: FEW, ..self.clone() });
            let (name, when) = ("few".into(), when(Compare::Lt, self.tokens));
            program.variants.push(Variant { name, when, launches: then(&[&quantise, &few]) });
            program.kernels.push(few);
        }
        if let Some(block) = block {
            let mut b = self.kernel("product_block", rounded.to_vec());
            self.in_blocks(&mut b, block);
            let kernel = b.finish();
            let (name, when) = ("block".into(), when(Compare::Ge, SHARED));
            program.variants.push(Variant { name, when, launches: then(&[&quantise, &kernel]) });
            program.kernels.push(kernel);
        }
        if let Some(tiled) = tiled {
            let mut b = self.kernel("product_tiles", rounded.to_vec());
            self.in_many(&mut b, tiled);
            let kernel = b.finish();
            let (name, when) = ("tiles".into(), when(Compare::Ge, SHARED));
            program.variants.push(Variant { name, when, launches: then(&[&quantise, &kernel]) });
            program.kernels.push(kernel);
        }
        let launches = then(&[&quantise, &many]);
        program.variants.push(Variant { name: "many".into(), when: vec![], launches });
        program.kernels.extend([quantise, many]);
    }

    /// A kernel on `first`, the weights, what an epilogue reads, and `out`.
    fn kernel(&self, name: &str, first: Vec<Tensor>) -> Builder {
        let mut list = first;
        let groups = match self.experts {
            Experts::None => None,
            Experts::Sorted(groups) => {
                list.push(tensor("a.indptr", Role::In, Dtype::I32, vec![(groups + 1).into()]));
                Some(groups)
            }
            Experts::Each(groups) => {
                list.push(tensor("group", Role::In, Dtype::I32, vec![self.m.clone()]));
                Some(groups)
            }
        };
        list.extend(self.weights.iter().flat_map(|w| w.tensors(self.k, groups)));
        let n = Extent::from(self.op.out_width());
        if self.op.bias {
            let shape = groups.map(Extent::from).into_iter().chain([n.clone()]).collect();
            list.push(tensor("bias", Role::In, Dtype::F32, shape));
        }
        if self.op.residual {
            list.push(tensor("residual", Role::In, self.op.out, vec![self.m.clone(), n]));
        }
        for unit in self.units() {
            // What ends with the columns of a weight guards those of the next.
            let shape = vec![self.m.clone(), (unit[0].first + unit[0].n).into()];
            list.push(tensor(&self.columns_of(unit), Role::Out, self.op.out, shape));
        }
        Builder::new(name, list.into_iter().map(Param::Tensor).collect(), &self.symbols)
    }

    /// Weights whose products one task needs.
    fn units(&self) -> std::slice::Chunks<'_, Weight> {
        let together = if self.op.epilogue.is_some() { self.weights.len() } else { 1 };
        self.weights.chunks(together.max(1))
    }

    /// `out`, as far as the columns of a unit.
    fn columns_of(&self, unit: &[Weight]) -> String {
        match unit.len() == self.weights.len() {
            true => "out".into(),
            false => format!("out.{}", unit[0].name),
        }
    }

    /// Tasks of row tiles for every weight; `one`: there is one activation row.
    fn tasks(&self, b: &mut Builder, one: bool) {
        for unit in self.units() {
            // As many rows as the schedule says, in smaller tiles.
            let chunk =
                self.choice.schedule.chunk * (self.choice.schedule.rows / unit[0].rows).max(1);
            let (rows, tiles) = (unit[0].rows, unit[0].n.div_ceil(unit[0].rows));
            let column = |tile: Extent| tile * rows;
            match self.experts {
                Experts::None => b.tasks("t", tiles.into(), chunk, |b| {
                    let place = Place { expert: Extent::Lit(0), column: column(b.var("t")) };
                    if one {
                        self.tile(b, unit, &place, &Extent::Lit(0), 1);
                    } else {
                        let all = (Extent::Lit(0), self.m.clone());
                        self.over_tokens(b, all, &|b, i, tokens| {
                            self.tile(b, unit, &place, i, tokens);
                        });
                    }
                }),
                Experts::Sorted(groups) => b.tasks("t", (tiles * groups).into(), chunk, |b| {
                    let (place, lo, hi) = self.expert(b, tiles, rows);
                    self.over_tokens(b, (lo, hi), &|b, i, tokens| {
                        self.tile(b, unit, &place, i, tokens);
                    });
                }),
                Experts::Each(groups) => b.tasks("t", tiles.into(), chunk, |b| {
                    b.for_each("r", (Extent::Lit(0), self.m.clone(), 1), &[], |b, _| {
                        let r = b.var("r");
                        let said = b.read("said", "group", vec![r.clone()]);
                        let most = groups.saturating_sub(1);
                        let expert = b.scalar("expert", said.max(0).min(most));
                        let place = Place { expert, column: column(b.var("t")) };
                        self.tile(b, unit, &place, &r, 1);
                        vec![]
                    });
                }),
            }
        }
    }

    /// The expert and the tile of weight rows of task `t`, and the activation rows of the expert.
    fn expert(&self, b: &mut Builder, tiles: usize, rows: usize) -> (Place, Extent, Extent) {
        let expert = b.scalar("expert", b.var("t") / tiles);
        let tile = b.scalar("tile", b.var("t") % tiles);
        let lo = b.read("first", "a.indptr", vec![expert.clone()]);
        let hi = b.read("end", "a.indptr", vec![expert.clone() + 1i64]);
        // Whatever the list says, rows that are not there are not touched.
        let lo = b.scalar("lo", lo.max(0).min(self.m.clone()));
        let hi = b.scalar("hi", hi.max(lo.clone()).min(self.m.clone()));
        (Place { expert, column: tile * rows }, lo, hi)
    }

    /// Activation rows from `lo` to `hi`: tiles of `tokens`, then single ones.
    fn over_tokens(
        &self,
        b: &mut Builder,
        (lo, hi): (Extent, Extent),
        body: &dyn Fn(&mut Builder, &Extent, usize),
    ) {
        let mut start = lo.clone();
        if self.tokens > 1 {
            let whole = (hi.clone() - lo.clone()) / self.tokens * self.tokens;
            start = b.scalar("whole", lo.clone() + whole);
            b.for_each("i", (lo, start.clone(), self.tokens), &[], |b, _| {
                body(b, &b.var("i"), self.tokens);
                vec![]
            });
        }
        b.for_each("r", (start, hi, 1), &[], |b, _| {
            body(b, &b.var("r"), 1);
            vec![]
        });
    }
}
