//! Attention: one task a (sequence, kv head, query row, part of the keys); the query heads of a group share each key.
//!
//! A task walks its keys tile by tile with an online softmax (Milakov & Gimelshein 2018; Dao 2022): a state
//! (max, den, o) of f32, scores in units of log 2. For one query row every mask of the language that is a predicate
//! on positions is one or two ranges of keys: hidden keys are never read. Long contexts are cut into parts, whose
//! states a second launch merges.
//!
//! Where sequences differ in length, a launch before counts their rows and parts (`lists`), and tasks are as many as
//! there are parts: `work = [0, 3, 4, 4, 9]` says that the items 4..9 belong to sequence 3.

mod decode;
mod heads;
mod keys;
mod level;
mod lists;
mod mask;
mod matrix;
mod merge;
mod panel;
mod planes;
mod prefill;
mod ring;
mod stored;

use super::builder::Builder;
use crate::{Choice, schedule::Softmax};
use keys::{Seg, Walk};
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::{Extent, RaggedOp},
    op::{Attention, Dim, KvLayout, Mask, Segment, Select, Shared, Storage, Value as KvValue},
    tile::{
        Arg, Binary, Compare, Launch, Param, Predicate, Program, Reduce, Role, Slice, Store,
        Symbol, Tensor, Unary, Value, Variant,
    },
};

/// Below every score: a state that has seen nothing. Finite, so that differences of two such are no NaN.
const LOWEST: f64 = -3.0e38;

/// Query heads of one task where their number can be divided so: that many keep the multipliers busy while a key is
/// read, and more leave fewer tasks and larger states.
const GROUP: std::ops::RangeInclusive<i64> = 8..=16;

/// Query heads of one task at most.
const WHOLE: i64 = 64;

type Result<T> = std::result::Result<T, Unsupported>;

/// What the kernels need to know.
pub(super) struct Shape<'a> {
    a: &'a Attention,
    symbols: Vec<Symbol>,
    batch: Extent,
    /// Query rows of a sequence; `None`: each has its own number.
    m: Option<Extent>,
    /// Query rows of all sequences.
    rows: Extent,
    /// Query heads of a task, and how many such tasks a kv head has.
    group: usize,
    blocks: usize,
    dim: usize,
    v_dim: usize,
    segments: Vec<Seg<'a>>,
    classes: Vec<Class>,
    /// Keys of a part; 0: contexts are never cut.
    split: usize,
    /// Tiles ahead that hints ask for; 0: none.
    ahead: usize,
    /// Hints of a task of all heads are for the head's own rows; else a share of the tile, in the order of memory.
    own_rows: bool,
    /// The running maximum moves, and what was added fades, only where a score exceeds it; else at every tile.
    lazy: bool,
    /// Only rows at odd places are left: little code matters more than its speed.
    rare: bool,
}

/// Kv heads that the same segments name.
struct Class {
    heads: Vec<i64>,
    segments: Vec<usize>,
}

impl Shape<'_> {
    /// Lengths that only memory tells.
    fn varies(&self) -> bool {
        self.m.is_none() || self.segments.iter().any(Seg::varies)
    }

    /// Most keys of a sequence.
    fn longest(&self) -> Extent {
        let lens = self.segments.iter().map(|s| longest(&s.spec.len));
        lens.reduce(|a, b| a + b).unwrap_or(Extent::Lit(0))
    }

    /// Most parts of a sequence.
    fn parts(&self) -> Extent {
        let of = |s: &Seg<'_>| longest(&s.spec.len).ceil_div(self.split.max(1));
        let one = |c: &Class| {
            let parts = c.segments.iter().map(|s| of(&self.segments[*s]));
            parts.reduce(|a, b| a + b).unwrap_or(Extent::Lit(0))
        };
        self.classes.iter().map(one).reduce(|a, b| a.max(b)).unwrap_or(Extent::Lit(0))
    }

    /// Query heads of a kv head.
    fn whole(&self) -> usize {
        usize::try_from(self.a.q.heads / self.a.kv.heads.max(1)).unwrap_or(1)
    }

    /// First sizes of the states of parts.
    fn state_lead(&self) -> Vec<Extent> {
        match (&self.m, self.varies()) {
            (Some(m), false) => vec![self.batch.clone(), m.clone(), self.parts()],
            (_, _) => vec![self.slots()],
        }
    }

    /// States of parts, at most.
    fn slots(&self) -> Extent {
        let Some(m) = &self.m else { return self.rows.clone() * self.parts() };
        // Of which heads most parts come may differ from sequence to sequence.
        let all = self.segments.iter().map(|s| match (&s.spec.len, &s.spec.shared) {
            // Each length is rounded up once.
            (Dim::Ragged { symbol, .. }, Shared::No) => {
                Extent::Ragged(RaggedOp::Sum, symbol.clone()) / self.split.max(1)
                    + self.batch.clone()
            }
            (len, _) => longest(len).ceil_div(self.split.max(1)) * self.batch.clone(),
        });
        m.clone() * all.reduce(|a, b| a + b).unwrap_or(Extent::Lit(0))
    }
}

/// The largest size.
fn longest(dim: &Dim) -> Extent {
    match dim {
        Dim::Const(x) => Extent::Lit(*x),
        Dim::Sym(s) => Extent::Sym(s.clone()),
        Dim::Ragged { symbol, .. } => Extent::Ragged(RaggedOp::Max, symbol.clone()),
    }
}

pub(super) fn build(a: &Attention, mut program: Program, choice: &Choice) -> Result<Program> {
    a.segments.iter().try_for_each(|s| check(a, s, choice))?;
    let mut s = shape(a, &program.symbols, choice)?;
    mask::check(&s, choice)?;
    let stored: Vec<_> = s.segments.iter().flat_map(Seg::stored).collect();
    let params = |names: &[Tensor]| names.iter().cloned().map(Param::Tensor).collect::<Vec<_>>();
    let launch = |kernel: &str, tensors: &[Tensor]| Launch {
        kernel: kernel.into(),
        args: tensors.iter().map(|t| Arg::Tensor(t.name.clone())).collect(),
    };
    let all = program.params.clone();
    let (ins, outs): (Vec<_>, Vec<_>) = all.into_iter().partition(|t| t.role == Role::In);
    let buffer = |name: &str, elem: Dtype, shape: Vec<Extent>| Tensor {
        name: name.into(),
        role: Role::Workspace,
        elem,
        shape,
        store: Store::Strided,
    };
    // Running sums over the sequences.
    let sums = |name: &str| buffer(name, Dtype::I32, vec![s.batch.clone() + 1i64]);
    let rows: Vec<_> = s.m.is_none().then(|| sums("rows")).into_iter().collect();
    let work: Vec<_> = (s.split > 0 && s.varies()).then(|| sums("work")).into_iter().collect();
    let lists = [&rows[..], &work].concat();
    let counted = |lists: &[Tensor]| {
        let read = ins.iter().filter(|t| lists::reads(t)).chain(lists);
        read.cloned().collect::<Vec<_>>()
    };
    let listed: Vec<_> = if lists.is_empty() {
        vec![]
    } else {
        let tensors = counted(&lists);
        program.kernels.push(lists::count("lists", &s, params(&tensors)));
        vec![launch("lists", &tensors)]
    };
    program.buffers.extend(lists.clone());

    // Numbers of query rows that matrix instructions serve.
    let (few, many) = (matrix::Plan::new(&s, choice), panel::Panel::new(&s, choice));
    let fixed = longest(&a.q.len).as_lit();
    let all_few = fixed.is_some_and(|m| m < matrix::MANY);
    let served = few.is_some() && (many.is_some() || all_few);
    if let Some((plan, when)) = few {
        // States of blocks of rows, of which some are heads.
        let state = |name: &str, last: usize| {
            let tail = [Extent::Lit(plan.state_rows(&s)), Extent::from(last)];
            buffer(name, Dtype::F32, [&s.state_lead()[..], &tail].concat())
        };
        let states = |group: &str| {
            let one = |(name, last)| state(&format!("{group}.{name}"), last);
            [("max", 1), ("den", 1), ("o", s.v_dim)].map(one)
        };
        program.buffers.extend(states("block"));
        let of = |group: &str| [&ins[..], &lists, &states(group)].concat();
        program.kernels.push(matrix::decode(&s, params(&of("part")), &plan));
        let attend = launch("attend_matrix", &of("block"));
        let merged: Vec<_> = ins.iter().filter(|t| merge::reads(t)).cloned().collect();
        let of = |group: &str| [&merged[..], &lists, &states(group), &outs].concat();
        let rows = Some(plan.group(&s));
        program.kernels.push(merge::merge("merge_matrix", &s, params(&of("part")), rows));
        let merge = launch("merge_matrix", &of("block"));
        let launches = [&listed[..], &[attend, merge]].concat();
        program.variants.push(Variant { name: "matrix".into(), when, launches });
    }
    let all = [&ins[..], &outs].concat();
    if let Some((plan, when)) = many {
        program.kernels.push(panel::prefill(&s, params(&all), &plan));
        let launches = vec![launch("attend_panel", &all)];
        program.variants.push(Variant { name: "panel".into(), when, launches });
    }
    let rows_shape = prefill::shape_of(a, &program.symbols, choice)?;
    let by_rows = prefill::Plan::new(&rows_shape, choice).filter(|_| !served);
    if let Some((plan, when)) = by_rows {
        program.kernels.push(prefill::prefill(&rows_shape, params(&all), &plan));
        let launches = vec![launch("attend_rows", &all)];
        program.variants.push(Variant { name: "rows".into(), when, launches });
    }
    let short = [&ins[..], &rows, &outs].concat();
    s.rare = served;
    // Behind matrices only rows at odd places are left: one kernel, which takes a context whole, does them.
    let in_parts = s.split > 0 && !served;
    // States of parts, between the launches.
    let states = |s: &Shape<'_>| {
        let state = |(name, last): (&str, usize)| {
            let tail = [Extent::Lit(a.q.heads), Extent::from(last)];
            let name = format!("part.{name}");
            buffer(&name, Dtype::F32, [&s.state_lead()[..], &tail].concat())
        };
        [("max", 1), ("den", 1), ("o", s.v_dim)].map(state)
    };
    let merged: Vec<_> = ins.iter().filter(|t| merge::reads(t)).cloned().collect();
    // What the first launch of parts takes, and the one that merges them.
    let both = |lists: &[Tensor], states: &[Tensor]| {
        ([&ins[..], lists, states].concat(), [&merged[..], lists, states, &outs].concat())
    };
    let of_parts = states(&s);
    let (first, second) = both(&lists, &of_parts);
    let merge_them = launch("merge", &second);
    if let Some((plan, when)) = level::plan(&rows_shape, choice).filter(|_| in_parts) {
        program.kernels.push(level::shared(&rows_shape, params(&first), &plan));
        let mut launches = [&listed[..], &[launch("attend_shared", &first)]].concat();
        if s.segments.len() > 1 {
            program.kernels.push(decode::rest(&s, params(&first)));
            launches.push(launch("attend_rest", &first));
        }
        launches.push(merge_them.clone());
        program.variants.push(Variant { name: "level".into(), when, launches });
    }
    program.kernels.push(decode::decode(&s, params(&short), false));
    let before = if rows.is_empty() { &[][..] } else { &listed };
    let launches = [before, &[launch("attend", &short)]].concat();
    if !in_parts {
        program.variants.push(Variant { name: "all".into(), when: vec![], launches });
        stored::views(&mut program, &stored);
        return Ok(program);
    }
    let when =
        vec![Predicate { left: s.longest(), cmp: Compare::Le, right: Extent::from(s.split) }];
    program.variants.push(Variant { name: "short".into(), when, launches });

    program.buffers.extend(of_parts);
    program.kernels.push(decode::decode(&s, params(&first), true));
    program.kernels.push(merge::merge("merge", &s, params(&second), None));
    if let Some(beside) = heads::beside(&s, choice) {
        // Parts of their own size, so lists, states and a merge of their own.
        let s = heads::shape_of(a, &program.symbols, choice)?;
        let states = states(&s);
        let (first, second) = both(&lists, &states);
        let mut steps = Vec::new();
        if !lists.is_empty() {
            let read = counted(&lists);
            steps.push((lists::count("lists_heads", &s, params(&read)), read));
        }
        steps.push((heads::decode(&s, params(&first)), first));
        steps.push((merge::merge("merge_heads", &s, params(&second), None), second));
        let own = |t: &Tensor| {
            let ours = work.contains(t) || states.contains(t);
            let name = if ours { format!("heads.{}", t.name) } else { t.name.clone() };
            Tensor { name, ..t.clone() }
        };
        program.buffers.extend(work.iter().chain(&states).map(own));
        let mut launches = Vec::new();
        for (kernel, tensors) in steps {
            launches.push(launch(&kernel.name, &tensors.iter().map(own).collect::<Vec<_>>()));
            program.kernels.push(kernel);
        }
        // Where the keys of a token lie side by side and there are parts enough for all cores.
        let parts = match (&s.m, s.varies()) {
            (Some(m), false) => s.batch.clone() * m.clone() * s.parts(),
            (_, _) => s.slots(),
        };
        let enough = Predicate { left: parts, cmp: Compare::Ge, right: Extent::Cores * 2 };
        let when = [vec![enough], beside].concat();
        program.variants.push(Variant { name: "heads".into(), when, launches });
    }
    let launches = [&listed[..], &[launch("attend_part", &first), merge_them]].concat();
    program.variants.push(Variant { name: "split".into(), when: vec![], launches });
    stored::views(&mut program, &stored);
    Ok(program)
}

/// What this build cannot say yet is told with its reason.
fn check(a: &Attention, segment: &Segment, choice: &Choice) -> Result<()> {
    let no = |what: &str, instead: &str| Err(choice.unsupported(what, instead));
    if segment.select != Select::All || segment.emit.is_some() {
        return no("selections of keys (select, emit)", "all keys, or a mask on positions");
    }
    let float = |d| matches!(d, Dtype::F32 | Dtype::F16 | Dtype::BF16);
    if !float(a.q.dtype) || !float(a.out) {
        return no("q or out of this type", "f16, bf16 or f32");
    }
    Ok(())
}

fn shape<'a>(a: &'a Attention, symbols: &[Symbol], choice: &Choice) -> Result<Shape<'a>> {
    let extent = |d: &Dim| match d {
        Dim::Const(x) => Some(Extent::Lit(*x)),
        Dim::Sym(s) => Some(Extent::Sym(s.clone())),
        Dim::Ragged { .. } => None,
    };
    let Some(batch) = extent(&a.q.batch) else {
        return Err(choice.unsupported("a ragged batch", "one batch"));
    };
    let m = extent(&a.q.len);
    let rows = match (&a.q.len, &m) {
        (Dim::Ragged { symbol, .. }, _) => Extent::Ragged(RaggedOp::Sum, symbol.clone()),
        (_, m) => batch.clone() * m.clone().unwrap_or(Extent::Lit(0)),
    };
    let segments =
        a.segments.iter().map(|s| keys::segment(a, s, choice)).collect::<Result<Vec<_>>>()?;
    let mut classes: Vec<Class> = Vec::new();
    for head in 0..a.kv.heads {
        let naming: Vec<usize> =
            (0..segments.len()).filter(|s| segments[*s].heads.contains(&head)).collect();
        match classes.iter_mut().find(|c| c.segments == naming) {
            Some(class) => class.heads.push(head),
            None => classes.push(Class { heads: vec![head], segments: naming }),
        }
    }
    let whole = a.q.heads / a.kv.heads;
    // Values that one head hides and another sees may be NaN: such heads have tasks of their own.
    let alone = a.segments.iter().any(|s| mask::by_head(&s.mask));
    let divides = |g: &i64| whole % g == 0;
    let group = match whole {
        _ if alone => 1,
        small if small <= *GROUP.end() => small,
        _ => match GROUP.rev().find(divides) {
            Some(group) => group,
            None => (1..=whole.min(WHOLE)).rev().find(divides).unwrap_or(1),
        },
    };
    Ok(Shape {
        a,
        symbols: symbols.to_vec(),
        batch,
        m,
        rows,
        group: group as usize,
        blocks: (whole / group) as usize,
        dim: a.q.dim as usize,
        v_dim: a.kv.v_dim as usize,
        segments,
        classes,
        split: choice.schedule.split,
        ahead: choice.schedule.prefetch,
        own_rows: choice.schedule.heads == 2,
        lazy: choice.schedule.softmax == Softmax::Lazy,
        rare: false,
    })
}

/// Element `at` of a list that is known now.
fn pick(list: &[i64], at: &Extent) -> Extent {
    let (Some(first), second) = (list.first(), list.get(1)) else { return Extent::Lit(0) };
    let step = second.map_or(0, |s| s - first);
    if list.windows(2).all(|w| w[1] - w[0] == step) {
        return Extent::Lit(*first) + at.clone() * step;
    }
    // Each difference counts from its place on.
    let steps = list.windows(2).enumerate();
    steps.fold(Extent::Lit(*first), |sum, (i, w)| {
        sum + (at.clone() - i).max(0).min(1) * (w[1] - w[0])
    })
}
