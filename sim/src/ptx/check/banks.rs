//! What an access of a warp costs: wavefronts of shared memory, sectors of global memory.

/// Passes over the 32 banks of 4 bytes, and the passes that this width takes at best.
///
/// Lanes are served in phases: all 32 at up to 4 bytes a lane, 16 at 8 bytes, 8 at 16 bytes. In a phase, lanes that ask
/// for the same word share it; a bank gives one word a pass.
pub fn wavefronts(addresses: impl Iterator<Item = Option<u32>>, size: u32) -> (u64, u64) {
    let lanes = match size {
        ..=4 => 32,
        5..=8 => 16,
        _ => 8,
    };
    let words = size.div_ceil(4).max(1);
    let (mut passes, mut phases) = (0, 0);
    let mut banks = Banks::default();
    let mut any = false;
    for (i, address) in addresses.enumerate() {
        if i % lanes == 0 && i > 0 {
            passes += banks.most();
            phases += u64::from(any);
            banks = Banks::default();
            any = false;
        }
        let Some(address) = address else { continue };
        any = true;
        (0..words).for_each(|w| banks.ask(address / 4 + w));
    }
    (passes + banks.most(), phases + u64::from(any))
}

/// The words that each bank is asked for.
#[derive(Default)]
struct Banks {
    last: [u32; 32],
    count: [u8; 32],
    more: Vec<u32>,
}

impl Banks {
    fn ask(&mut self, word: u32) {
        let bank = (word % 32) as usize;
        if self.count[bank] > 0 && (self.last[bank] == word || self.more.contains(&word)) {
            return;
        }
        if self.count[bank] > 0 {
            self.more.push(self.last[bank]);
        }
        self.last[bank] = word;
        self.count[bank] += 1;
    }

    fn most(&self) -> u64 {
        self.count.iter().copied().max().unwrap_or(0).into()
    }
}

/// Sectors of 32 bytes that the lanes touch, and how many their distinct bytes would fill.
pub fn sectors(addresses: impl Iterator<Item = Option<u64>>, size: u32) -> (u64, u64) {
    let (mut all, mut n) = ([0; 32], 0);
    for address in addresses.flatten().take(32) {
        all[n] = address;
        n += 1;
    }
    all[..n].sort_unstable();
    let (mut count, mut bytes, mut end, mut next) = (0, 0, 0, 0);
    for &start in &all[..n] {
        // Lost addresses are findings, and go on to the end of all memory.
        let stop = start.saturating_add(size.into());
        bytes += stop - start.clamp(end.min(stop), stop);
        end = end.max(stop);
        let (first, last) = ((start / 32).max(next), stop.saturating_sub(1) / 32);
        if first <= last {
            count += last - first + 1;
            next = last + 1;
        }
    }
    (count, bytes.div_ceil(32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(f: impl Fn(u32) -> u32) -> impl Iterator<Item = Option<u32>> {
        (0..32).map(move |l| Some(f(l)))
    }

    #[test]
    fn conflicts_are_counted_by_phase() {
        assert_eq!(wavefronts(lanes(|l| 4 * l), 4), (1, 1));
        assert_eq!(wavefronts(lanes(|_| 64), 4), (1, 1));
        assert_eq!(wavefronts(lanes(|l| 8 * l), 4), (2, 1));
        assert_eq!(wavefronts(lanes(|l| 128 * l), 4), (32, 1));
        assert_eq!(wavefronts(lanes(|l| 8 * l), 8), (2, 2));
        assert_eq!(wavefronts(lanes(|l| 16 * l), 16), (4, 4));
        assert_eq!(wavefronts(lanes(|l| 128 * l), 16), (32, 4));
        // Rows of 64 bytes: two rows of eight share their banks.
        assert_eq!(wavefronts(lanes(|l| 64 * l), 16), (16, 4));
        assert_eq!(wavefronts((0..32).map(|_| None), 4), (0, 0));
        assert_eq!(wavefronts(lanes(|l| 2 * l), 2), (1, 1));
        // The same two words of a bank, again and again.
        assert_eq!(wavefronts(lanes(|l| 128 * (l % 2)), 4), (2, 1));
    }

    #[test]
    fn sectors_are_what_lanes_touch() {
        let of = |f: fn(u64) -> u64, size| sectors((0..32).map(|l| Some(f(l))), size);
        assert_eq!(of(|l| 4 * l, 4), (4, 4));
        assert_eq!(of(|l| 4 * l + 16, 4), (5, 4));
        assert_eq!(of(|l| 32 * l, 4), (32, 4));
        assert_eq!(of(|l| 16 * l, 16), (16, 16));
        assert_eq!(of(|_| 8, 4), (1, 1));
        assert_eq!(sectors([None].into_iter(), 4), (0, 0));
        assert_eq!(sectors([Some(u64::MAX - 1)].into_iter(), 4), (1, 1));
    }
}
