//! From a failing case to a small one that fails too.

use super::{Case, Engine, Failure, Verdict, judge, reduce, sizes};
use kgen_ir::op::{Heads, Kind};
use std::time::{Duration, Instant};

/// Cases asked at most, and for how long: a large case on a slow engine would never end.
const TRIES: usize = 96;
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the first smaller case that still fails, again and again.
pub fn run(case: &Case, failure: Failure, engine: &dyn Engine) -> Failure {
    let (mut case, mut failure) = (case.clone(), failure);
    let (mut tries, start) = (0, Instant::now());
    'smaller: loop {
        for candidate in smaller(&case, &engine.edges(&case.op)) {
            if tries == TRIES || start.elapsed() > PATIENCE {
                return failure;
            }
            tries += 1;
            if let Verdict::Failed(worse) = judge(&candidate, engine, &mut [0; 2]) {
                (case, failure) = (candidate, *worse);
                continue 'smaller;
            }
        }
        return failure;
    }
}

/// Smaller cases, the boldest first.
fn smaller(case: &Case, edges: &[i64]) -> Vec<Case> {
    let mut out = Vec::new();
    if case.sampled {
        for op in reduce::variants(&case.op, edges) {
            out.push(Case { op, sampled: false, ..case.clone() });
        }
    }
    for (name, &x) in &case.dims.scalars {
        for y in below(x) {
            let mut next = case.clone();
            next.dims.scalars.insert(name.clone(), y);
            out.push(next);
        }
    }
    for (name, list) in &case.dims.ragged {
        for (at, &x) in list.iter().enumerate() {
            for y in below(x) {
                let mut next = case.clone();
                if let Some(slot) = next.dims.ragged.get_mut(name).and_then(|l| l.get_mut(at)) {
                    *slot = y;
                }
                out.push(next);
            }
        }
    }
    out.extend(smaller_ops(case));
    for next in &mut out {
        sizes::finish(&next.op, &mut next.dims);
    }
    out.retain(|next| {
        (next.op != case.op || next.dims != case.dims)
            && sizes::allowed(&next.op, &next.dims)
            && reduce::valid(&next.op)
    });
    out
}

fn below(x: i64) -> Vec<i64> {
    let mut list: Vec<i64> =
        [0, 1, x / 2, x - 1].into_iter().filter(|y| (0..x).contains(y)).collect();
    list.dedup();
    list
}

fn smaller_ops(case: &Case) -> Vec<Case> {
    let mut out = Vec::new();
    let mut push = |kind: Kind| {
        let mut next = case.clone();
        next.op.kind = kind;
        out.push(next);
    };
    match &case.op.kind {
        Kind::Attention(a) => {
            if a.kv.heads > 1 && a.segments.iter().all(|s| s.heads == Heads::All) {
                let mut next = a.clone();
                (next.q.heads, next.kv.heads) = (a.q.heads / a.kv.heads, 1);
                push(Kind::Attention(next));
            }
            if a.q.heads > a.kv.heads {
                let mut next = a.clone();
                next.q.heads = a.kv.heads;
                push(Kind::Attention(next));
            }
            let mut next = a.clone();
            if reduce::halve(&mut next) {
                push(Kind::Attention(next));
            }
        }
        Kind::MpGemm(g) => {
            let unit = reduce::k_unit(g);
            for k in below(g.k / unit.max(1)).into_iter().filter(|&x| x > 0) {
                push(Kind::MpGemm(kgen_ir::op::MpGemm { k: k * unit, ..g.clone() }));
            }
            let widest = g.w.iter().map(|w| w.n).max().unwrap_or(0);
            for n in below(widest).into_iter().filter(|&x| x > 0) {
                let mut next = g.clone();
                next.w.iter_mut().for_each(|w| w.n = w.n.min(n));
                push(Kind::MpGemm(next));
            }
        }
        Kind::Rows(_) => {}
    }
    out
}
