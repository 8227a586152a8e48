//! Masks as ranges of keys.
//!
//! ```text
//! window 4 at position 9 of 20    6..10
//! ```

use super::*;

/// Ranges of keys that query position `pos` sees.
pub(super) fn ranges(mask: &Mask, pos: &Extent, n: &Extent) -> Option<Vec<(Extent, Extent)>> {
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
