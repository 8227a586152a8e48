//! Counts of rows and parts where sequences differ, and whose an item is.
//!
//! ```text
//! lengths 700, 0, 100 in parts of 256    work = [0, 3, 3, 4]    item 3 belongs to sequence 2: two ends are at most 3
//! ```

use super::*;

/// Ends that a search looks at together.
const AT_ONCE: usize = 16;

/// Whether the counts come from this tensor.
pub(super) fn reads(t: &Tensor) -> bool {
    matches!(t.elem, Dtype::I32 | Dtype::I64)
}

/// The kernel that writes `rows`, the query rows before each sequence, and `work`, the pairs of a row and a part.
pub(super) fn count(name: &str, s: &Shape<'_>, params: Vec<Param>) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new(name, params, &s.symbols);
    let mut lists = Vec::new();
    if s.m.is_none() {
        lists.push("rows");
    }
    if s.split > 0 {
        lists.push("work");
    }
    b.tasks("t", Extent::Lit(1), 1, |b| {
        let zero = b.fill(0.0, Dtype::I32, &[1]);
        for list in &lists {
            b.store(list, vec![Slice::range(0, 1)], zero, false);
        }
        let inits: Vec<_> = lists.iter().map(|list| (*list, zero)).collect();
        b.for_each("seq", (Extent::Lit(0), s.batch.clone(), 1), &inits, |b, sums| {
            let seq = b.var("seq");
            let (_, m) = rows(b, s, &seq);
            let parts = most(b, s, &seq);
            let mut next = Vec::new();
            for (list, sum) in lists.iter().zip(sums) {
                let more = match *list {
                    "rows" => m.clone(),
                    _ => m.clone() * parts.clone(),
                };
                let more = b.iota(&[1], 0, more);
                let total = b.binary("total", Binary::Add, *sum, more);
                b.store(list, vec![Slice::range(seq.clone() + 1i64, 1)], total, false);
                next.push(total);
            }
            next
        });
    });
    b.finish()
}

/// First packed query row of a sequence, if they are packed, and how many it has.
pub(super) fn rows(b: &mut Builder, s: &Shape<'_>, seq: &Extent) -> (Option<Extent>, Extent) {
    match &s.m {
        Some(m) => (None, m.clone()),
        None => {
            let first = b.read("row0", "q.indptr", vec![seq.clone()]);
            let end = b.read("row1", "q.indptr", vec![seq.clone() + 1i64]);
            let m = b.scalar("m_own", end - first.clone());
            (Some(first), m)
        }
    }
}

/// Parts of a sequence: those of the heads that have most.
pub(super) fn most(b: &mut Builder, s: &Shape<'_>, seq: &Extent) -> Extent {
    let mut most: Option<Extent> = None;
    for class in &s.classes {
        let Some(last) = keys::open(b, s, &class.segments, seq).pop() else { continue };
        let parts = last.parts(s);
        most = Some(match most {
            Some(most) => b.scalar("parts_most", most.max(parts)),
            None => b.scalar("parts_most", parts),
        });
    }
    most.unwrap_or(Extent::Lit(0))
}

/// Memory that [`owner`] needs.
pub(super) fn scratch(b: &mut Builder) {
    b.scratch("owner", Dtype::I32, &[1]);
}

/// The sequence of an item: as many sequences end at or before it.
pub(super) fn owner(b: &mut Builder, s: &Shape<'_>, list: &str, item: &Extent) -> Extent {
    let none = b.fill(0.0, Dtype::I32, &[1]);
    let wanted = b.iota(&[1], 0, item.clone());
    let range = (Extent::Lit(0), s.batch.clone(), AT_ONCE);
    // A task may look for the owner of the next one, too.
    let ends = b.declare("ends");
    let found = b.for_each(&ends, range, &[("before", none)], |b, before| {
        let at = b.var(&ends);
        let ends = vec![Slice::range(at.clone() + 1i64, AT_ONCE)];
        let ends = b.load("e", list, Dtype::I32, ends, true);
        let passed = b.binary("passed", Binary::Cmp(Compare::Le), ends, wanted);
        let left = b.iota(&[AT_ONCE], 0, at - s.batch.clone());
        let zero = b.fill(0.0, Dtype::I32, &[1]);
        let there = b.binary("there", Binary::Cmp(Compare::Lt), left, zero);
        let both = b.binary("both", Binary::And, passed, there);
        let (one, nought) = (b.fill(1.0, Dtype::I32, &[1]), b.fill(0.0, Dtype::I32, &[AT_ONCE]));
        let one = b.binary("ones", Binary::Add, nought, one);
        let counted = b.select("counted", both, one, nought);
        let sum = b.reduce("sum", Reduce::Sum, counted, 0);
        vec![b.binary("before_next", Binary::Add, before[0], sum)]
    });
    b.store("owner", vec![Slice::range(0, 1)], found[0], false);
    b.read("seq", "owner", vec![Extent::Lit(0)])
}
