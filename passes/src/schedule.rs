//! Schedules: how an op is cut into tiles. A second file beside the op: the tuner writes it.
//!
//! ```toml
//! keys = 16        # keys of an attention tile
//! split = 1024     # keys of a split-KV task, a quarter in tasks of all heads; 0: one task walks all keys
//! rows = 16        # weight rows of a product tile
//! tokens = 4       # activation rows of a product tile
//! chunk = 8        # tasks a worker takes at a time
//! prefetch = 1     # tiles of keys, or of weights that many rows share, ahead; 0: none
//! into = 2         # level of cache that hints fill
//! queries = 192    # query rows of a prefill task; 0: no tasks of many rows
//! block = 48       # keys of a prefill tile
//! heads = 1        # 1: long contexts by tasks of all kv heads, where the cache lies so, hints in the order of memory;
//! #                   2: the same, hints in that of the heads; 0: never
//! ahead = 4        # KiB of packed weights ahead; 0: none
//! wide = 4         # vectors of weight rows of a tile for many activation rows
//! share = 384      # activation rows that share a panel of unpacked weights, about
//! panel = 16       # KiB of that panel, about
//! turn = 32        # elements of k that a turn of its innermost loop multiplies
//! softmax = "lazy" # "exact": the maximum of decode moves with every tile; "lazy": where a score exceeds it
//! ```

use kgen_ir::{
    diag::{Diagnostic, Report, did_you_mean},
    machine::{self, DotOp},
    op::{Kind, Op},
    target::Target,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schedule {
    pub keys: usize,
    pub split: usize,
    pub rows: usize,
    pub tokens: usize,
    pub chunk: usize,
    pub prefetch: usize,
    pub into: usize,
    pub ahead: usize,
    pub wide: usize,
    pub share: usize,
    pub panel: usize,
    pub turn: usize,
    pub heads: usize,
    pub queries: usize,
    pub block: usize,
    pub softmax: Softmax,
}

/// When the running maximum of attention moves. The results are the same to rounding of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Softmax {
    /// At every tile.
    Exact,
    /// At tiles with a score above it.
    Lazy,
}

impl Softmax {
    pub const ALL: [Softmax; 2] = [Softmax::Exact, Softmax::Lazy];

    pub fn name(self) -> &'static str {
        match self {
            Softmax::Exact => "exact",
            Softmax::Lazy => "lazy",
        }
    }
}

/// Key, what it may be, how to reach it.
type Entry = (&'static str, std::ops::RangeInclusive<usize>, fn(&mut Schedule) -> &mut usize);

#[rustfmt::skip] // one key a row
const KEYS: &[Entry] = &[
    ("keys",     1..=512,     |s| &mut s.keys),
    ("split",    0..=1 << 20, |s| &mut s.split),
    ("rows",     1..=1024,    |s| &mut s.rows),
    ("tokens",   1..=64,      |s| &mut s.tokens),
    ("chunk",    1..=4096,    |s| &mut s.chunk),
    ("prefetch", 0..=16,      |s| &mut s.prefetch),
    ("into",     1..=3,       |s| &mut s.into),
    ("ahead",    0..=64,      |s| &mut s.ahead),
    ("wide",     1..=8,       |s| &mut s.wide),
    ("share",    1..=4096,    |s| &mut s.share),
    ("panel",    1..=1024,    |s| &mut s.panel),
    ("turn",     4..=1024,    |s| &mut s.turn),
    ("heads",    0..=2,       |s| &mut s.heads),
    ("queries",  0..=1024,    |s| &mut s.queries),
    ("block",    1..=512,     |s| &mut s.block),
];

/// The key whose values are words.
const SOFTMAX: &str = "softmax";

/// Values that the tuner tries.
#[rustfmt::skip] // one key a row
const TRIED: &[(&str, &[usize])] = &[
    ("keys",     &[4, 8, 12, 16, 24, 32, 48, 64, 96, 128]),
    ("split",    &[0, 256, 512, 1024, 2048, 4096, 8192]),
    ("prefetch", &[0, 1, 2, 3, 4]),
    ("into",     &[1, 2]),
    ("rows",     &[4, 8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256, 512]),
    ("tokens",   &[1, 2, 3, 4]),
    ("chunk",    &[1, 2, 4, 8, 16]),
    ("ahead",    &[0, 1, 2, 4, 8, 16]),
    ("wide",     &[1, 2, 3, 4]),
    ("share",    &[24, 48, 64, 96, 128, 192, 256, 384, 768]),
    ("panel",    &[8, 12, 16, 24, 32]),
    ("turn",     &[16, 32, 64, 128]),
    ("heads",    &[0, 1, 2]),
    ("queries",  &[0, 96, 192, 384, 768]),
    ("block",    &[32, 48, 64, 96, 128, 192]),
];

/// Lanes of vectors that outrun the prefetchers of the CPU.
pub(crate) const WIDE: usize = 8;

/// Vectors of a tile at most: more stand in no register file.
const VECTORS: usize = 16;

impl Schedule {
    /// A good first choice for a target; the tuner looks for a better one.
    pub fn default_for(target: &Target) -> Schedule {
        // Where the hardware hides what memory takes, nothing is asked for ahead, and no stream has to be kept.
        let hints = target.row(&machine::Op::Prefetch(1)).is_some();
        let second = target.row(&machine::Op::Prefetch(2)).is_some();
        // CPUs with products of bf16 follow one stream better alone (5 to 20 % of a product of one row, Zen 4); those
        // before them do not.
        let follows = target.row(&machine::Op::Dot(DotOp::Bf16)).is_some();
        Schedule {
            keys: (2 * target.lanes).clamp(8, 32),
            split: 1024,
            rows: 4 * target.lanes,
            // As many sums as leave registers for the codes.
            tokens: if target.vectors < 32 || target.lanes < WIDE { 2 } else { 4 },
            // About 300 KB of 4-bit weights: fewer lose to the counter, more to uneven ends.
            chunk: (32 / target.lanes).max(1),
            prefetch: usize::from(hints),
            // Zen 4 has hints that stop at the second level (new there: arXiv 2411.02814). A decode by one thread takes half
            // the time with them (f16, 8K keys), likely since a hint into the first level holds one of its few buffers
            // for misses for as long as memory takes. Not measured on Intel's CPUs.
            into: if second && (follows || target.lanes == WIDE) { 2 } else { 1 },
            // In narrow vectors a hint costs more than it brings: the CPU follows the stream by itself.
            ahead: if target.lanes < WIDE || !hints || follows { 0 } else { 4 },
            wide: if target.vectors >= 32 { 4 } else { 2 },
            // Fewer would have weights unpacked again and again; their sums stay in the second level of cache.
            share: 384,
            // A third of the first level of cache, since every tile of rows reads it.
            panel: 16,
            // Long enough to hide its jump, short enough to compile in no time.
            turn: 32,
            heads: usize::from(target.lanes >= WIDE && hints),
            // Output, weights, and both tiles stay in the second level of cache.
            queries: 24 * target.lanes,
            // More would mostly be masked where prompts are short.
            block: 48,
            softmax: Softmax::Lazy,
        }
    }

    pub fn print(&self) -> String {
        let mut copy = self.clone();
        let numbers = KEYS.iter().map(|(key, _, get)| format!("{key} = {}\n", get(&mut copy)));
        let words = format!("{SOFTMAX} = \"{}\"\n", self.softmax.name());
        numbers.chain([words]).collect()
    }

    /// The keys in which two schedules differ.
    pub fn differing(&self, other: &Schedule) -> Vec<&'static str> {
        let (mut a, mut b) = (self.clone(), other.clone());
        let numbers = KEYS.iter().filter(|(_, _, get)| get(&mut a) != get(&mut b));
        let words = (self.softmax != other.softmax).then_some(SOFTMAX);
        numbers.map(|(key, _, _)| *key).chain(words).collect()
    }

    /// Every schedule worth a try for `op`, those nearest to the default first: what the tuner walks.
    ///
    /// Only keys that matter for the kind of op vary; tiles are whole vectors of the target.
    pub fn legal(op: &Op, target: &Target) -> Vec<Schedule> {
        let base = Schedule::default_for(target);
        // Kernels of few rows and of many have keys of their own: each of one group meets the default of the other.
        let groups: &[&[&str]] = match op.kind {
            Kind::Attention(_) => {
                &[&["keys", "split", "prefetch", "into", "heads"], &["queries", "block"]]
            }
            Kind::MpGemm(_) => {
                &[&["rows", "tokens", "chunk", "ahead"], &["wide", "share", "panel", "turn"]]
            }
            Kind::Rows(_) => &[&[]],
        };
        let mut all: Vec<(f64, Schedule)> = Vec::new();
        for keys in groups {
            for (far, schedule) in Schedule::product(keys, &base, target) {
                if !all.iter().any(|(_, s)| *s == schedule) {
                    all.push((far, schedule));
                }
            }
        }
        if matches!(op.kind, Kind::Attention(_)) {
            let forms = |(far, schedule): &(f64, Schedule)| {
                Softmax::ALL.map(|softmax| {
                    let more = if softmax == schedule.softmax { 0.0 } else { 1.0 };
                    (far + more, Schedule { softmax, ..schedule.clone() })
                })
            };
            all = all.iter().flat_map(forms).collect();
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.into_iter().map(|(_, schedule)| schedule).collect()
    }

    /// All values of some keys together, and how far from `base` they are.
    fn product(keys: &[&str], base: &Schedule, target: &Target) -> Vec<(f64, Schedule)> {
        let mut all = vec![(0.0, base.clone())];
        for (key, values) in TRIED.iter().filter(|(key, _)| keys.contains(key)) {
            let Some((_, range, get)) = KEYS.iter().find(|(k, _, _)| k == key) else { continue };
            let mut next = Vec::new();
            for (far, schedule) in &all {
                for value in *values {
                    let whole = value.is_multiple_of(target.lanes);
                    let vectors = match *key {
                        "keys" | "rows" => whole && value / target.lanes <= VECTORS,
                        "block" => whole,
                        "into" => {
                            let has = target.row(&machine::Op::Prefetch(*value as u8)).is_some();
                            has || *value == base.into
                        }
                        _ => true,
                    };
                    if !vectors || !range.contains(value) {
                        continue;
                    }
                    let mut schedule = schedule.clone();
                    let place = get(&mut schedule);
                    // Doublings away from the default: cost changes with the ratio of a size.
                    let ratio = (*value as f64 + 1.0) / (*place as f64 + 1.0);
                    *place = *value;
                    next.push((far + ratio.log2().abs(), schedule));
                }
            }
            all = next;
        }
        all
    }

    /// Reads a schedule; keys that are not there keep the value of `base`.
    pub fn parse(name: &str, text: &str, base: &Schedule) -> Result<Schedule, Report> {
        let mut schedule = base.clone();
        let mut wrong = Vec::new();
        match toml::de::DeTable::parse(text) {
            Err(e) => {
                wrong.push(Diagnostic::new(e.span().unwrap_or(0..0), e.message().to_string()))
            }
            Ok(table) => {
                for (key, value) in table.get_ref() {
                    let word: &str = key.get_ref();
                    if word == SOFTMAX {
                        let named = value.get_ref().as_str();
                        match Softmax::ALL.into_iter().find(|s| Some(s.name()) == named) {
                            Some(softmax) => schedule.softmax = softmax,
                            None => wrong.push(Diagnostic::new(
                                value.span(),
                                "`softmax` must be \"exact\" or \"lazy\"".to_string(),
                            )),
                        }
                        continue;
                    }
                    let Some((_, range, get)) = KEYS.iter().find(|(k, _, _)| *k == word) else {
                        let mut d = Diagnostic::new(key.span(), format!("unknown key `{word}`"));
                        let keys = KEYS.iter().map(|(k, _, _)| *k).chain([SOFTMAX]);
                        if let Some(near) = did_you_mean(word, keys) {
                            d = d.help(format!("did you mean `{near}`?"));
                        }
                        wrong.push(d);
                        continue;
                    };
                    let number =
                        value.get_ref().as_integer().and_then(|i| i.as_str().parse::<usize>().ok());
                    match number.filter(|n| range.contains(n)) {
                        Some(n) => *get(&mut schedule) = n,
                        None => wrong.push(Diagnostic::new(
                            value.span(),
                            format!(
                                "`{word}` must be an integer from {} to {}",
                                range.start(),
                                range.end()
                            ),
                        )),
                    }
                }
            }
        }
        if wrong.is_empty() { Ok(schedule) } else { Err(Report::new(name, text, wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Schedule = Schedule {
        keys: 16,
        split: 1024,
        rows: 16,
        tokens: 2,
        chunk: 8,
        prefetch: 1,
        into: 1,
        ahead: 0,
        wide: 2,
        share: 96,
        panel: 16,
        turn: 32,
        heads: 0,
        queries: 192,
        block: 96,
        softmax: Softmax::Exact,
    };

    #[test]
    fn what_is_printed_parses_to_the_same() {
        let other = Schedule { keys: 32, chunk: 1, softmax: Softmax::Lazy, ..BASE };
        assert_eq!(Schedule::parse("s", &other.print(), &BASE), Ok(other));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let report =
            Schedule::parse("s", "keyz = 3\nrows = 0\nchunk = \"a\"\n", &BASE).unwrap_err();
        assert_eq!(report.list.len(), 3);
        assert!(report.render().contains("did you mean `keys`?"));
        let report = Schedule::parse("s", "softmax = \"lasy\"\nsoftmx = 1\n", &BASE).unwrap_err();
        assert!(report.render().contains("must be \"exact\" or \"lazy\""));
        assert!(report.render().contains("did you mean `softmax`?"));
    }
}
