//! Values that are no number: where nothing may read them, and where some rows do.

use super::{Family, Maker, Part};
use crate::verify::sizes::{groups_of, lens, query_rows};
use kgen_ir::{
    op::{Attention, Kind, KvLayout, Mask, Segment},
    tensor::Tensor,
};

impl Maker<'_> {
    /// One element in some rows is no number. Only one of q, k and v has such rows, so that others stay whole.
    pub(super) fn spoil(&mut self, part: Part, t: &mut Tensor, width: usize) {
        if self.family != Family::Broken || !t.dtype.is_float() {
            return;
        }
        let rows = t.count() / width;
        let spoiled = match (part, self.tensor_spoiled) {
            (Part::Q, 0) | (Part::Activations | Part::Other, _) => rows.div_ceil(3),
            (Part::K(_), 1) | (Part::V(_), 2) => rows.min(1),
            (Part::Q | Part::K(_) | Part::V(_), _) => 0,
        };
        for _ in 0..spoiled {
            let at = self.random.below(rows) * width + self.random.below(width);
            t.set(at, [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][self.random.below(3)]);
        }
    }

    /// NaN in every slot that no query row may read.
    pub(super) fn hide(&self, segment: usize, t: &mut Tensor, width: usize) {
        if self.family != Family::Hidden || !t.dtype.is_float() {
            return;
        }
        let Kind::Attention(a) = &self.op.kind else { return };
        let read = self.read(a, segment, t.count() / width);
        for (row, _) in read.iter().enumerate().filter(|(_, read)| !**read) {
            for d in 0..width {
                t.set(row * width + d, f64::NAN);
            }
        }
    }

    /// Which rows of k some query row sees.
    pub(super) fn read(&self, a: &Attention, segment: usize, rows: usize) -> Vec<bool> {
        let mut read = vec![false; rows];
        let Some(s) = a.segments.get(segment) else { return read };
        let queries = query_rows(a, self.dims);
        let own = lens(a, s, self.dims);
        let groups = groups_of(a, s, self.dims);
        let heads = a.heads_of(s);
        for (b, &m) in queries.iter().enumerate() {
            let copy = groups.get(b).map_or(0, |&c| c as usize);
            for (h, head) in heads.iter().enumerate() {
                // Keys are numbered through the segments that name the head.
                let (mut first, mut total) = (0, 0);
                for (at, other) in a.segments.iter().enumerate() {
                    if !a.heads_of(other).contains(head) {
                        continue;
                    }
                    if at == segment {
                        first = total;
                    }
                    let copy = groups_of(a, other, self.dims).get(b).map_or(0, |&c| c as usize);
                    total += lens(a, other, self.dims).get(copy).copied().unwrap_or(0);
                }
                for t in 0..own.get(copy).copied().unwrap_or(0) {
                    let j = (first + t) as i64;
                    let i = total as i64 - m as i64;
                    if !(i..total as i64).any(|i| sees(&s.mask, i, j)) {
                        continue;
                    }
                    let row = self.slot(s, segment, &own, copy, t).map(|x| x * heads.len() + h);
                    if let Some(read) = row.and_then(|row| read.get_mut(row)) {
                        *read = true;
                    }
                }
            }
        }
        read
    }

    pub(super) fn slot(
        &self,
        s: &Segment,
        segment: usize,
        lens: &[usize],
        copy: usize,
        t: usize,
    ) -> Option<usize> {
        match s.layout {
            KvLayout::Dense => Some(lens.iter().take(copy).sum::<usize>() + t),
            KvLayout::Paged(page) => {
                let page = page.max(1) as usize;
                let at = self.pages.get(segment)?.get(copy)?.get(t / page)?;
                Some(at * page + t % page)
            }
            KvLayout::Ring { keep_first, recent } => {
                let (keep, recent) = (keep_first.max(0) as usize, recent.max(1) as usize);
                let start = copy * (keep + recent);
                if t < keep {
                    Some(start + t)
                } else {
                    let kept = t + recent >= lens.get(copy).copied()?;
                    kept.then_some(start + keep + (t - keep) % recent)
                }
            }
        }
    }
}

/// Whether query `i` may see key `j`. What is not known here counts as seen.
fn sees(mask: &Mask, i: i64, j: i64) -> bool {
    let back = i - j;
    match mask {
        Mask::None | Mask::Tree | Mask::Expr(_) => true,
        Mask::Causal => back >= 0,
        Mask::Window(w) => (0..*w).contains(&back),
        Mask::KeepFirst { keep_first, recent } => back >= 0 && (j < *keep_first || back < *recent),
        Mask::Prefix(p) => j < *p || back >= 0,
        Mask::Block(b) => i.div_euclid((*b).max(1)) >= j.div_euclid((*b).max(1)),
    }
}
