//! Joins neighbouring pieces of a text, the best pair first: what byte pairs and sentence pieces have in common.
//!
//! ```text
//! l o w e r   ->   lo w e r   ->   lo w er   ->   low er        by the ranks  lo, er, low
//! ```

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

struct Piece {
    range: Range<usize>,
    before: Option<usize>,
    behind: Option<usize>,
}

/// The pieces that are left of a text when no pair has a rank any more; the lowest rank is joined first, of equals
/// the leftmost. Time is n log n, whatever the text.
pub fn merge(text: &str, rank: impl Fn(&str, &str) -> Option<u64>) -> Vec<&str> {
    let starts = text.char_indices();
    let mut pieces: Vec<Piece> = starts
        .enumerate()
        .map(|(i, (at, c))| Piece {
            range: at..at + c.len_utf8(),
            before: i.checked_sub(1),
            behind: Some(i + 1),
        })
        .collect();
    if let Some(last) = pieces.last_mut() {
        last.behind = None;
    }
    let of = |range: &Range<usize>| text.get(range.clone()).unwrap_or("");
    // Rank, place, end of the pair: what has been joined since has another end.
    let mut heap: BinaryHeap<Reverse<(u64, usize, usize)>> = BinaryHeap::new();
    let offer = |heap: &mut BinaryHeap<_>, pieces: &[Piece], left: usize| {
        let Some(a) = pieces.get(left) else { return };
        let Some(b) = a.behind.and_then(|b| pieces.get(b)) else { return };
        if let Some(rank) = rank(of(&a.range), of(&b.range)) {
            heap.push(Reverse((rank, left, b.range.end)));
        }
    };
    for left in 0..pieces.len() {
        offer(&mut heap, &pieces, left);
    }
    while let Some(Reverse((_, left, end))) = heap.pop() {
        let Some((a, right)) = pieces.get(left).and_then(|a| Some((a, a.behind?))) else {
            continue;
        };
        let Some(b) = pieces.get(right) else { continue };
        // Joined into its neighbour, or grown since it was offered.
        if a.range.is_empty() || b.range.end != end {
            continue;
        }
        let behind = b.behind;
        if let Some(b) = pieces.get_mut(right) {
            b.range = end..end;
        }
        if let Some(next) = behind.and_then(|n| pieces.get_mut(n)) {
            next.before = Some(left);
        }
        let Some(a) = pieces.get_mut(left) else { continue };
        (a.range.end, a.behind) = (end, behind);
        let before = a.before;
        offer(&mut heap, &pieces, left);
        if let Some(before) = before {
            offer(&mut heap, &pieces, before);
        }
    }
    pieces.iter().filter(|p| !p.range.is_empty()).map(|p| of(&p.range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the definition says it: look for the best pair, join it, begin again.
    fn slowly(text: &str, rank: impl Fn(&str, &str) -> Option<u64>) -> Vec<String> {
        let mut pieces: Vec<String> = text.chars().map(String::from).collect();
        loop {
            let ranks = pieces.windows(2).map(|p| rank(&p[0], &p[1])).enumerate();
            let Some((_, at)) = ranks.filter_map(|(i, r)| Some((r?, i))).min() else {
                return pieces;
            };
            let right = pieces.remove(at + 1);
            pieces[at] += &right;
        }
    }

    #[test]
    fn the_best_pair_is_joined_first() {
        let ranks = ["l o", "e r", "lo w", "a a", "aa a", "b aa", "é é"];
        let rank = |a: &str, b: &str| {
            ranks.iter().position(|r| *r == format!("{a} {b}")).map(|i| i as u64)
        };
        assert_eq!(merge("lower", rank), ["low", "er"]);
        assert_eq!(merge("", rank), [""; 0]);
        assert_eq!(merge("x", rank), ["x"]);
        let mut next = kgen_ir::format::random::numbers(9);
        for _ in 0..2000 {
            let text: String = (0..next() % 14)
                .map(|_| ['a', 'b', 'l', 'o', 'w', 'e', 'r', 'é'][next() as usize % 8])
                .collect();
            assert_eq!(merge(&text, rank), slowly(&text, rank), "{text}");
        }
    }

    #[test]
    fn long_texts_are_quick() {
        let text = "a".repeat(200_000);
        let pieces = merge(&text, |a, b| (a == b && a.len() < 64).then_some(a.len() as u64));
        assert_eq!(pieces.len(), 200_000 / 64);
    }
}
