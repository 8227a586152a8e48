//! Attention: one task a (sequence, kv head, query row, part of the keys); the query heads of a group share each key.
//!
//! A task walks its keys tile by tile with an online softmax (Milakov & Gimelshein 2018; Dao 2022): a state
//! (max, den, o) of f32, scores in units of log 2. For one query row every mask of the language that is a predicate
//! on positions is one or two ranges of keys: hidden keys are never read. Long contexts are cut into parts, whose
//! states a second launch merges.

mod heads;

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
    program.kernels.push(decode(&s, params(&all), None));
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
    program.kernels.push(decode(&s, params(&first), Some(split)));
    program.kernels.push(merge(&s, params(&second), &parts));
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

/// Ranges of keys that query position `pos` sees.
fn ranges(mask: &Mask, pos: &Extent, n: &Extent) -> Option<Vec<(Extent, Extent)>> {
    let zero = || Extent::Lit(0);
    let past = || (pos.clone() + 1).max(0).min(n.clone());
    Some(match mask {
        Mask::None => vec![(zero(), n.clone())],
        Mask::Causal => vec![(zero(), past())],
        Mask::Window(w) => vec![((pos.clone() + 1 - *w).max(0), past())],
        Mask::KeepFirst { keep_first, recent } => vec![
            (zero(), past().min(*keep_first)),
            ((pos.clone() + 1 - *recent).max(*keep_first), past()),
        ],
        Mask::Prefix(p) => vec![(zero(), past().max(Extent::Lit(*p).min(n.clone())))],
        Mask::Block(b) => vec![(zero(), ((pos.clone() / *b + 1) * *b).max(0).min(n.clone()))],
        Mask::Tree | Mask::Expr(_) => return None,
    })
}

/// The kernel over all keys, or over parts of `split` keys that leave their states.
fn decode(s: &Shape<'_>, params: Vec<Param>, split: Option<usize>) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new(if split.is_some() { "attend_part" } else { "attend" }, params);
    let kv_heads = s.a.kv.heads;
    let parts = split.map_or(Extent::Lit(1), |c| s.n.clone().ceil_div(c));
    let count = s.batch.clone() * s.m.clone() * kv_heads * parts.clone();
    b.tasks("t", count, 1, |b| {
        let t = Extent::from("t");
        // Neighbouring tasks share keys: query rows innermost, then parts, then heads.
        let i = b.scalar("i", t.clone() % s.m.clone());
        let part = b.scalar("part", t.clone() / s.m.clone() % parts.clone());
        let h = b.scalar("h", t.clone() / (s.m.clone() * parts.clone()) % kv_heads);
        let seq = b.scalar("seq", t / (s.m.clone() * parts.clone() * kv_heads));
        let heads = Slice::range(h.clone() * s.group, s.group);
        let q = queries(b, s, &seq, &i, &heads);
        let mut max = b.fill(LOWEST, Dtype::F32, &[s.group, 1]);
        let mut den = b.fill(0.0, Dtype::F32, &[s.group, 1]);
        let mut o = b.fill(0.0, Dtype::F32, &[s.group, s.v_dim]);
        let pos = b.scalar("pos", s.n.clone() - s.m.clone() + i.clone());
        let segment = &s.a.segments[0];
        for (number, (lo, hi)) in
            ranges(&segment.mask, &pos, &s.n).into_iter().flatten().enumerate()
        {
            let (lo, hi) = match split {
                None => (lo, hi),
                Some(c) => (lo.max(part.clone() * c), hi.min((part.clone() + 1) * c)),
            };
            let lo = b.scalar(&format!("lo{number}"), lo);
            let hi = b.scalar(&format!("hi{number}"), hi.max(lo.clone()));
            let var = format!("j{number}");
            let inits = [("max", max), ("den", den), ("o", o)];
            let state = b.for_each(&var, (lo, hi.clone(), s.keys), &inits, |b, state| {
                let tile =
                    Tile { seq: &seq, head: &h, j: &Extent::from(var.as_str()), hi: Some(&hi) };
                step(b, s, q, &tile, state)
            });
            (max, den, o) = (state[0], state[1], state[2]);
        }
        let row = |last: usize| match split {
            None => vec![
                Slice::point(seq.clone()),
                Slice::point(i.clone()),
                heads.clone(),
                Slice::range(0, last),
            ],
            Some(_) => vec![
                Slice::point(seq.clone()),
                Slice::point(i.clone()),
                Slice::point(part.clone()),
                heads.clone(),
                Slice::range(0, last),
            ],
        };
        if split.is_some() {
            b.store("part.max", row(1), max, false);
            b.store("part.den", row(1), den, false);
            b.store("part.o", row(s.v_dim), o, false);
        } else {
            let out = normalise(b, o, den, s.a.out);
            b.store("o", row(s.v_dim), out, false);
        }
    });
    b.finish()
}

/// Which keys.
struct Tile<'a> {
    seq: &'a Extent,
    /// Of the keys.
    head: &'a Extent,
    j: &'a Extent,
    /// End of the keys; `None`: the tile is whole.
    hi: Option<&'a Extent>,
}

/// The query rows of `heads`, scaled.
fn queries(b: &mut Builder, s: &Shape<'_>, seq: &Extent, i: &Extent, heads: &Slice) -> Value {
    let scale = s.a.scale.unwrap_or(1.0 / (s.dim as f64).sqrt());
    let at = vec![
        Slice::point(seq.clone()),
        Slice::point(i.clone()),
        heads.clone(),
        Slice::range(0, s.dim),
    ];
    let q0 = b.load("q0", "q", s.a.q.dtype, at, false);
    let q1 = b.convert("q1", q0, Dtype::F32);
    // Scores in units of log 2, unless a cap stands between.
    let log2e = if s.a.softcap.is_some() { 1.0 } else { std::f64::consts::LOG2_E };
    let c = b.fill(scale * log2e, Dtype::F32, &[1, 1]);
    b.binary("qs", Binary::Mul, q1, c)
}

/// One tile of keys joins the state.
fn step(b: &mut Builder, s: &Shape<'_>, q: Value, at: &Tile<'_>, state: &[Value]) -> Vec<Value> {
    let (max, den, o) = (state[0], state[1], state[2]);
    let Tile { seq, head, j, hi } = at;
    let tile = |width| {
        vec![
            Slice::point((*seq).clone()),
            Slice::range((*j).clone(), s.keys),
            Slice::point((*head).clone()),
            Slice::range(0, width),
        ]
    };
    let partial = hi.is_some();
    let (k_name, v_name) = (format!("{}.k", s.name), format!("{}.v", s.name));
    // Which keys of the tile exist: whole tiles lose this by `peel`.
    let exist = hi.map(|hi| {
        let zero = b.fill(0.0, Dtype::I32, &[1, 1]);
        let places = b.iota(&[1, s.keys], 1, (*j).clone() - hi.clone());
        let seen = b.binary("seen", Binary::Cmp(Compare::Lt), places, zero);
        let rows = b.iota(&[s.keys, 1], 0, (*j).clone() - hi.clone());
        (seen, b.binary("held", Binary::Cmp(Compare::Lt), rows, zero))
    });
    let k0 = b.load("k0", &k_name, s.k, tile(s.dim), partial);
    let k1 = b.convert("k1", k0, Dtype::F32);
    let mut score = b.dot("s0", q, k1, true, None);
    if let Some(cap) = s.a.softcap {
        let inverse = b.fill(1.0 / cap, Dtype::F32, &[1, 1]);
        let scaled = b.binary("s1", Binary::Mul, score, inverse);
        let squashed = b.unary("s2", Unary::Tanh, scaled);
        let back = b.fill(cap * std::f64::consts::LOG2_E, Dtype::F32, &[1, 1]);
        score = b.binary("s3", Binary::Mul, squashed, back);
    }
    if let Some((seen, _)) = exist {
        let lowest = b.fill(f64::NEG_INFINITY, Dtype::F32, &[s.group, s.keys]);
        score = b.select("s", seen, score, lowest);
    }
    let tile_max = b.reduce("tile_max", Reduce::Max, score, 1);
    let max2 = b.binary("max_next", Binary::Max, max, tile_max);
    let moved = b.binary("moved", Binary::Sub, max, max2);
    let alpha = b.unary("alpha", Unary::Exp2, moved);
    let below = b.binary("below", Binary::Sub, score, max2);
    let p = b.unary("p", Unary::Exp2, below);
    let sum = b.reduce("sum", Reduce::Sum, p, 1);
    let kept = b.binary("kept", Binary::Mul, den, alpha);
    let den2 = b.binary("den_next", Binary::Add, kept, sum);
    let v0 = b.load("v0", &v_name, s.v, tile(s.v_dim), partial);
    let mut v = b.convert("v1", v0, Dtype::F32);
    if let Some((_, held)) = exist {
        // A hidden value may be NaN: its weight 0 would not silence it.
        let nothing = b.fill(0.0, Dtype::F32, &[s.keys, s.v_dim]);
        v = b.select("v", held, v, nothing);
    }
    let faded = b.binary("faded", Binary::Mul, o, alpha);
    let o2 = b.dot("o_next", p, v, false, Some(faded));
    vec![max2, den2, o2]
}

/// `o / den`; a row that saw no key is 0.
fn normalise(b: &mut Builder, o: Value, den: Value, out: Dtype) -> Value {
    let shape = b.shape(den);
    let zero = b.fill(0.0, Dtype::F32, &shape);
    let one = b.fill(1.0, Dtype::F32, &shape);
    let empty = b.binary("empty", Binary::Cmp(Compare::Eq), den, zero);
    let safe = b.select("safe", empty, one, den);
    let inverse = b.unary("inverse", Unary::Recip, safe);
    let y = b.binary("y", Binary::Mul, o, inverse);
    b.convert("out", y, out)
}

/// One task a (sequence, query row, head): the states of the parts, in order.
fn merge(s: &Shape<'_>, params: Vec<Param>, parts: &Extent) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("merge", params);
    let heads = s.a.q.heads;
    b.tasks("t", s.batch.clone() * s.m.clone() * heads, 4, |b| {
        let t = Extent::from("t");
        let h = b.scalar("h", t.clone() % heads);
        let i = b.scalar("i", t.clone() / heads % s.m.clone());
        let seq = b.scalar("seq", t / (s.m.clone() * heads));
        let max = b.fill(LOWEST, Dtype::F32, &[1, 1]);
        let den = b.fill(0.0, Dtype::F32, &[1, 1]);
        let o = b.fill(0.0, Dtype::F32, &[1, s.v_dim]);
        let inits = [("max", max), ("den", den), ("o", o)];
        let state = b.for_each("part", (Extent::Lit(0), parts.clone(), 1), &inits, |b, state| {
            let at = |last| {
                vec![
                    Slice::point(seq.clone()),
                    Slice::point(i.clone()),
                    Slice::point("part"),
                    Slice::range(h.clone(), 1),
                    Slice::range(0, last),
                ]
            };
            let m1 = b.load("m1", "part.max", Dtype::F32, at(1), false);
            let d1 = b.load("d1", "part.den", Dtype::F32, at(1), false);
            let o1 = b.load("o1", "part.o", Dtype::F32, at(s.v_dim), false);
            let max2 = b.binary("max_next", Binary::Max, state[0], m1);
            let old = b.binary("old", Binary::Sub, state[0], max2);
            let alpha = b.unary("alpha", Unary::Exp2, old);
            let new = b.binary("new", Binary::Sub, m1, max2);
            let beta = b.unary("beta", Unary::Exp2, new);
            let kept = b.binary("kept", Binary::Mul, state[1], alpha);
            let more = b.binary("more", Binary::Mul, d1, beta);
            let den2 = b.binary("den_next", Binary::Add, kept, more);
            let faded = b.binary("faded", Binary::Mul, state[2], alpha);
            let joined = b.binary("joined", Binary::Mul, o1, beta);
            let o2 = b.binary("o_next", Binary::Add, faded, joined);
            vec![max2, den2, o2]
        });
        let out = normalise(b, state[2], state[1], s.a.out);
        let row =
            vec![Slice::point(seq), Slice::point(i), Slice::range(h, 1), Slice::range(0, s.v_dim)];
        b.store("o", row, out, false);
    });
    b.finish()
}
