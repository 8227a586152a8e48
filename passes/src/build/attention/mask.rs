//! Masks as ranges of keys, and keys hidden one by one.
//!
//! ```text
//! window 4 at position 9 of 20    6..10
//! ```

use super::{keys::Open, *};

/// Whether heads of a group see different keys.
pub(super) fn by_head(mask: &Mask) -> bool {
    match mask {
        Mask::Expr(e) => e.names().contains(&"head"),
        Mask::None
        | Mask::Causal
        | Mask::Window(_)
        | Mask::KeepFirst { .. }
        | Mask::Prefix(_)
        | Mask::Block(_)
        | Mask::Tree => false,
    }
}

/// Ranges of keys of a segment that query position `pos` sees, counted in the segment.
pub(super) fn ranges(open: &Open<'_>, pos: &Extent) -> Vec<(Extent, Extent)> {
    let (n, first) = (&open.len, &open.first);
    let zero = || Extent::Lit(0);
    // A position, counted in the segment.
    let own = |x: Extent| x - first.clone();
    let past = || own(pos.clone() + 1).max(0).min(n.clone());
    let visible = match &open.seg.spec.mask {
        Mask::None | Mask::Tree | Mask::Expr(_) => vec![(zero(), n.clone())],
        Mask::Causal => vec![(zero(), past())],
        Mask::Window(w) => vec![(own(pos.clone() + 1 - *w).max(0), past())],
        Mask::KeepFirst { keep_first, recent } => {
            let kept = own(Extent::Lit(*keep_first));
            let start = own(pos.clone() + 1 - *recent).max(kept.clone());
            let start = if *first == zero() { start } else { start.max(0) };
            vec![(zero(), past().min(kept)), (start, past())]
        }
        Mask::Prefix(p) => {
            vec![(zero(), past().max(own(Extent::Lit(*p)).min(n.clone())))]
        }
        Mask::Block(b) => {
            vec![(zero(), own((pos.clone() / *b + 1) * *b).max(0).min(n.clone()))]
        }
    };
    let alive = open.alive();
    if alive.len() == 1 && alive[0] == (zero(), n.clone()) {
        return visible;
    }
    let mut out = Vec::new();
    for (number, (lo, hi)) in visible.iter().enumerate() {
        for (turn, (from, to)) in alive.iter().enumerate() {
            if !apart(open, number, turn) {
                out.push((lo.clone().max(from.clone()), hi.clone().min(to.clone())));
            }
        }
    }
    out
}

/// Range `number` of the mask and range `turn` of a ring have no key in common, whatever the lengths.
fn apart(open: &Open<'_>, number: usize, turn: usize) -> bool {
    let (KvLayout::Ring { keep_first: kept, .. }, Mask::KeepFirst { keep_first, .. }) =
        (&open.seg.spec.layout, &open.seg.spec.mask)
    else {
        return false;
    };
    let here = open.first == Extent::Lit(0) && *kept > 0;
    here && (number == 0 && turn == 1 && keep_first <= kept
        || number == 1 && turn == 0 && keep_first >= kept)
}

/// Keys of a tile under this mask.
pub(super) fn tile(_: &Mask, keys: usize, _: usize) -> usize {
    keys
}
