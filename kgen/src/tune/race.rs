//! Which candidate is fastest, told from times that jitter: medians, intervals, a tie-break that noise cannot turn.
//!
//! A round runs the default and then a candidate, and gives the ratio of their times: what changes on the machine
//! meanwhile hits both.

/// What rounds told of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub median: f64,
    /// The true median lies between them in at least 95 of 100 cases; for fewer than 6 rounds, all that was seen.
    pub low: f64,
    pub high: f64,
    pub rounds: u32,
}

impl Interval {
    /// By order statistics, which assume nothing of how times are distributed (the interval of the sign test: of n
    /// rounds, as many are cut off at each end as leave a chance of 2.5 % that more than the rest of n fair coins agree).
    pub fn of(ratios: &[f64]) -> Option<Interval> {
        let mut sorted = ratios.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let mut chance = 0.5f64.powi(i32::try_from(n).ok()?);
        let (mut sum, mut cut) = (chance, 0);
        while sum <= 0.025 && cut + 1 < n {
            cut += 1;
            chance *= (n - cut + 1) as f64 / cut as f64;
            sum += chance;
        }
        let cut = cut.saturating_sub(1).min(n.saturating_sub(1) / 2);
        let middle = match n % 2 {
            0 => (sorted.get((n / 2).wrapping_sub(1))? + sorted.get(n / 2)?) / 2.0,
            _ => *sorted.get(n / 2)?,
        };
        let (low, high) = (*sorted.get(cut)?, *sorted.get(n - 1 - cut)?);
        Some(Interval { median: middle, low, high, rounds: n as u32 })
    }
}

/// Medians that are this near to each other are equal: what a schedule gains below that is not worth a change.
const SAME: f64 = 1.01;
/// So near are equal where the interval of one holds the median of the other.
const ALIKE: f64 = 1.02;

/// What is not surely below this part of the default's time is not worth leaving it.
const WORTH: f64 = 0.97;

/// The winner: of all that cannot be told from the fastest, the first of the list. `default`: the list begins with it,
/// and who wins instead must be told from it.
///
/// The list goes on by distance from the default, so that a repeated run, whose medians are a little different, ends at
/// the same one.
pub fn winner(list: &[Interval], default: bool) -> Option<usize> {
    let told = |i: &&Interval| !default || i.high < WORTH;
    let Some(best) = list.iter().filter(told).map(|i| i.median).min_by(f64::total_cmp) else {
        return (!list.is_empty()).then_some(0);
    };
    let same =
        |i: &Interval| i.median <= best * SAME || (i.median <= best * ALIKE && i.low <= best);
    list.iter().position(|i| told(&i) && same(i))
}

/// The `keep` best of a list by median, in the order of the list.
pub fn survivors(list: &[Interval], keep: usize) -> Vec<usize> {
    let mut by: Vec<usize> = (0..list.len()).collect();
    by.sort_by(|a, b| list[*a].median.total_cmp(&list[*b].median).then(a.cmp(b)));
    by.truncate(keep);
    by.sort_unstable();
    by
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Ranks from a table of the sign test (Conover, Practical Nonparametric Statistics): 6 and 8 rounds 1st and last,
        // 9 rounds 2nd and 8th, 15 rounds 4th and 12th, 20 rounds 6th and 15th.
        for (n, low) in [(1, 1), (5, 1), (6, 1), (8, 1), (9, 2), (15, 4), (20, 6)] {
            let list: Vec<f64> = (1..=n).rev().map(f64::from).collect();
            let i = Interval::of(&list).unwrap();
            assert_eq!((i.low, i.high), (f64::from(low), f64::from(n + 1 - low)), "{n} rounds");
            assert_eq!(i.median, f64::from(n + 1) / 2.0);
            assert_eq!(i.rounds, n as u32);
        }
        assert_eq!(Interval::of(&[]), None);
    }

    fn at(median: f64, half: f64) -> Interval {
        Interval { median, low: median - half, high: median + half, rounds: 15 }
    }

    #[test]
    fn near_ones_are_equal_and_the_first_is_taken() {
        assert_eq!(winner(&[], false), None);
        assert_eq!(winner(&[], true), None);
        let others = |list: &[Interval]| winner(list, false);
        assert_eq!(others(&[at(1.0, 0.01), at(0.5, 0.01)]), Some(1));
        assert_eq!(others(&[at(1.0, 0.001), at(0.995, 0.001), at(0.993, 0.001)]), Some(0));
        // Far in units of their intervals, but within 2 %: told apart. Within both: not.
        assert_eq!(others(&[at(1.0, 0.001), at(0.985, 0.001)]), Some(1));
        assert_eq!(others(&[at(1.0, 0.02), at(0.985, 0.02)]), Some(0));
        assert_eq!(others(&[at(1.0, 0.5), at(0.9, 0.5)]), Some(1));
    }

    #[test]
    fn the_default_stays_unless_another_is_told_from_it() {
        let default = at(1.0, 0.0);
        assert_eq!(winner(&[default, at(0.9, 0.01)], true), Some(1));
        assert_eq!(winner(&[default, at(0.9, 0.08)], true), Some(0));
        assert_eq!(winner(&[default, at(0.98, 0.001)], true), Some(0));
        // One that is not told from the default does not hide one that is.
        assert_eq!(winner(&[default, at(0.8, 0.3), at(0.9, 0.01)], true), Some(2));
        assert_eq!(winner(&[default], true), Some(0));
    }

    #[test]
    fn the_best_survive_in_order() {
        let list = [at(1.0, 0.0), at(0.7, 0.0), at(0.9, 0.0), at(0.7, 0.0)];
        assert_eq!(survivors(&list, 2), [1, 3]);
        assert_eq!(survivors(&list, 3), [1, 2, 3]);
        assert_eq!(survivors(&list, 9), [0, 1, 2, 3]);
    }

    /// Twenty races of candidates whose times jitter by 3 %, some within 1 % of each other.
    #[test]
    fn repeated_races_have_one_winner() {
        let truth = [1.0, 0.97, 0.905, 0.90, 0.902, 0.95, 0.93];
        let mut state = 1u64;
        let mut noise = || {
            let mut uniform = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) as f64 / (1u64 << 31) as f64
            };
            (0..4).map(|_| uniform()).sum::<f64>() / 2.0 - 1.0
        };
        let mut won = Vec::new();
        for _ in 0..20 {
            let list: Vec<_> = truth
                .iter()
                .map(|t| {
                    let rounds: Vec<f64> = (0..15).map(|_| t * (1.0 + 0.03 * noise())).collect();
                    Interval::of(&rounds).unwrap()
                })
                .collect();
            won.push(winner(&list, true).unwrap());
        }
        let agree = won.iter().filter(|w| truth[**w] <= 0.90 * 1.02).count();
        assert_eq!(agree, 20, "{won:?}");
        assert!(won.iter().filter(|w| **w == 2).count() >= 19, "{won:?}");
    }
}
