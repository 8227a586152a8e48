//! Attention: one task a (sequence, kv head, query row, part of the keys); the query heads of a group share each key.
//!
//! A task walks its keys tile by tile with an online softmax (Milakov & Gimelshein 2018; Dao 2022): a state
//! (max, den, o) of f32, scores in units of log 2. For one query row every mask of the language that is a predicate
//! on positions is one or two ranges of keys: hidden keys are never read. Long contexts are cut into parts, whose
//! states a second launch merges.

mod decode;
mod heads;
mod keys;
mod mask;
mod merge;

use super::builder::Builder;
use crate::Choice;
use kgen_ir::{
    diag::Unsupported,
    dtype::Dtype,
    extent::Extent,
    op::{
        Attention, Dim, Heads, KvLayout, Mask, Segment, Select, Shared, Storage, Value as KvValue,
    },
    tile::{
        Arg, Binary, Compare, Launch, Param, Predicate, Program, Reduce, Role, Slice, Store,
        Tensor, Unary, Value, Variant,
    },
};

/// Below every score: a state that has seen nothing. Finite, so that differences of two such are no NaN.
const LOWEST: f64 = -3.0e38;

type Result<T> = std::result::Result<T, Unsupported>;

/// What one kernel needs to know.
pub(super) struct Shape<'a> {
    a: &'a Attention,
    name: String,
    k: Dtype,
    v: Dtype,
    batch: Extent,
    m: Extent,
    n: Extent,
    /// Query heads that share a kv head.
    group: usize,
    dim: usize,
    v_dim: usize,
    keys: usize,
}

pub(super) fn build(a: &Attention, mut program: Program, choice: &Choice) -> Result<Program> {
    let segment = check(a, choice)?;
    let s = shape(a, segment, choice)?;
    let split = choice.schedule.split;
    let parts = s.n.clone().ceil_div(split.max(1));
    let params = |names: &[Tensor]| names.iter().cloned().map(Param::Tensor).collect::<Vec<_>>();
    let all = program.params.clone();
    program.kernels.push(decode::decode(&s, params(&all), None));
    let launch = |kernel: &str, tensors: &[Tensor], scalar: Option<Extent>| Launch {
        kernel: kernel.into(),
        args: tensors
            .iter()
            .map(|t| Arg::Tensor(t.name.clone()))
            .chain(scalar.map(Arg::Scalar))
            .collect(),
    };
    let short = launch("attend", &all, None);
    if split == 0 {
        program.variants.push(Variant { name: "all".into(), when: vec![], launches: vec![short] });
        return Ok(program);
    }
    let when = |cmp| vec![Predicate { left: s.n.clone(), cmp, right: Extent::from(split) }];
    program.variants.push(Variant {
        name: "short".into(),
        when: when(Compare::Le),
        launches: vec![short],
    });
    // States of the parts, between the two launches.
    let heads = Extent::Lit(a.q.heads);
    let buffer = |name: &str, last: usize| Tensor {
        name: name.into(),
        role: Role::Workspace,
        elem: Dtype::F32,
        shape: vec![s.batch.clone(), s.m.clone(), parts.clone(), heads.clone(), Extent::from(last)],
        store: Store::Strided,
    };
    let states = [buffer("part.max", 1), buffer("part.den", 1), buffer("part.o", s.v_dim)];
    program.buffers = states.to_vec();
    let (ins, outs): (Vec<_>, Vec<_>) = all.into_iter().partition(|t| t.role == Role::In);
    let first: Vec<_> = ins.into_iter().chain(states.clone()).collect();
    let second: Vec<_> = states.into_iter().chain(outs).collect();
    program.kernels.push(decode::decode(&s, params(&first), Some(split)));
    program.kernels.push(merge::merge(&s, params(&second), &parts));
    let merge_them = launch("merge", &second, None);
    if choice.schedule.heads > 0 && a.kv.heads > 1 {
        // Where the keys of a token lie side by side and there are parts enough for all cores.
        let parts = s.batch.clone() * s.m.clone() * parts;
        let enough = Predicate { left: parts, cmp: Compare::Ge, right: Extent::Cores * 2 };
        let stride = |d| Extent::Sym(format!("{}.k.stride{d}", s.name));
        let beside = Predicate { left: stride(2), cmp: Compare::Lt, right: stride(1) };
        program.kernels.push(heads::decode(&s, params(&first), split));
        program.variants.push(Variant {
            name: "heads".into(),
            when: vec![enough, beside],
            launches: vec![launch("attend_heads", &first, None), merge_them.clone()],
        });
    }
    let launches = vec![launch("attend_part", &first, None), merge_them];
    program.variants.push(Variant { name: "split".into(), when: vec![], launches });
    Ok(program)
}

/// What this build cannot say yet is told with its reason.
fn check<'a>(a: &'a Attention, choice: &Choice) -> Result<&'a Segment> {
    let no = |what: &str, instead: &str| Err(choice.unsupported(what, instead));
    let [segment] = &a.segments[..] else {
        return no("several segments", "one segment that holds all keys");
    };
    if segment.layout != KvLayout::Dense {
        return no("paged and ring layouts of keys", "dense keys");
    }
    if segment.shared != Shared::No {
        return no("shared segments", "the keys of each sequence");
    }
    if segment.select != Select::All || segment.emit.is_some() {
        return no("selections of keys", "all keys, or a mask on positions");
    }
    if segment.weight {
        return no("weights of keys", "keys that count once");
    }
    if segment.heads != Heads::All {
        return no("segments of some heads", "an op for each set of heads");
    }
    let flags = [(a.alibi, "alibi"), (a.sink_logit, "sink_logit"), (a.lse, "lse")];
    if let Some((_, what)) = flags.iter().find(|f| f.0) {
        return no(what, "attention without it");
    }
    Ok(segment)
}

fn shape<'a>(a: &'a Attention, segment: &Segment, choice: &Choice) -> Result<Shape<'a>> {
    let extent = |d: &Dim| match d {
        Dim::Const(x) => Ok(Extent::Lit(*x)),
        Dim::Sym(s) => Ok(Extent::Sym(s.clone())),
        Dim::Ragged { .. } => Err(choice.unsupported("ragged lengths", "one length for the batch")),
    };
    let plain = |s: &Storage, what: &str| match s {
        Storage::Plain(d @ (Dtype::F32 | Dtype::F16 | Dtype::BF16)) => Ok(*d),
        Storage::Plain(_) | Storage::Block(_) | Storage::Codes(_) => {
            Err(choice.unsupported(format!("{what} of this storage"), "f16, bf16 or f32"))
        }
    };
    let value = match segment.v.as_ref().unwrap_or(&a.kv.v) {
        KvValue::Stored(s) => s,
        KvValue::PrefixOfK(_) => {
            return Err(choice.unsupported("v as a part of k", "a v of its own"));
        }
    };
    if !matches!(a.q.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16)
        || !matches!(a.out, Dtype::F32 | Dtype::F16 | Dtype::BF16)
    {
        return Err(choice.unsupported("q or out of this type", "f16, bf16 or f32"));
    }
    Ok(Shape {
        a,
        name: segment.name.clone(),
        k: plain(segment.k.as_ref().unwrap_or(&a.kv.k), "k")?,
        v: plain(value, "v")?,
        batch: extent(&a.q.batch)?,
        m: extent(&a.q.len)?,
        n: extent(&segment.len)?,
        group: (a.q.heads / a.kv.heads) as usize,
        dim: a.q.dim as usize,
        v_dim: a.kv.v_dim as usize,
        keys: choice.schedule.keys.next_multiple_of(choice.target.lanes),
    })
}
