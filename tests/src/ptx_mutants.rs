//! Mistakes for texts of PTX: a wait is missing, two registers change places, an address is off.
//!
//! ```text
//! bar.sync 0;                        deleted
//! ldmatrix .. {%r1, %r2}, [%r5+32]   [%r5+48], or {%r2, %r1}
//! @%p3 st.global.b32 [%rd1], %r7;    without @%p3, or with @!%p3
//! xor.b32 %r4, %r3, 16;              48
//! ```

use std::collections::{BTreeMap, BTreeSet};

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// A text that is wrong in one line.
#[derive(Clone, Debug)]
pub struct Mutant {
    pub kind: &'static str,
    /// Which of the kernels, and which of its texts.
    pub subject: usize,
    pub file: String,
    /// From 0.
    pub line: usize,
    pub instead: String,
}

/// What may be done to a line: the line then, or nothing where that cannot be done to it.
type Mutation = (&'static str, fn(&str, &mut Random) -> Option<String>);

const SWAPPED: &str = "two registers of a fragment swapped";

pub const MUTATIONS: &[Mutation] = &[
    ("a wait, barrier, fence or commit deleted", unordered),
    ("an address 16 bytes off", moved),
    (SWAPPED, swapped),
    ("a predicate dropped", dropped),
    ("a predicate negated", negated),
    ("a constant of a place or swizzle changed", changed),
    ("a shuffle across another distance", shuffled),
];

/// Instructions that only order what others do.
const ORDERING: &[&str] = &[
    "bar.",
    "barrier.",
    "membar.",
    "fence.",
    "cp.async.wait",
    "cp.async.commit_group",
    "cp.async.bulk.commit_group",
    "cp.async.bulk.wait_group",
    "wgmma.fence",
    "wgmma.commit_group",
    "wgmma.wait_group",
    "mbarrier.arrive",
];

/// Opcodes with an address, of shared or global memory.
const ACCESSES: &[&str] = &[
    "ld.shared",
    "ld.global",
    "st.shared",
    "st.global",
    "ldmatrix",
    "stmatrix",
    "cp.async.c",
    "atom.",
    "red.",
];

/// Opcodes whose operands are a fragment, or neighbours in memory.
const FRAGMENTS: &[&str] = &[
    "mma.",
    "wgmma.mma",
    "ldmatrix",
    "stmatrix",
    "ld.shared.v",
    "ld.global.v",
    "st.shared.v",
    "st.global.v",
];

/// The guard with its space, and the rest.
fn parts(line: &str) -> (&str, &str) {
    let code = line.trim();
    match code.strip_prefix('@').and_then(|_| code.find(char::is_whitespace)) {
        Some(at) => (&code[..at], code[at..].trim()),
        None => ("", code),
    }
}

fn begins(code: &str, with: &[&str]) -> bool {
    with.iter().any(|w| code.starts_with(w))
}

fn unordered(line: &str, _: &mut Random) -> Option<String> {
    begins(parts(line).1, ORDERING).then(String::new)
}

fn moved(line: &str, random: &mut Random) -> Option<String> {
    if !begins(parts(line).1, ACCESSES) {
        return None;
    }
    let opens: Vec<usize> = line.match_indices('[').map(|(i, _)| i + 1).collect();
    let open = *opens.get(random.below(opens.len()))?;
    let close = open + line[open..].find(']')?;
    let (base, at) = line[open..close].rsplit_once('+').unwrap_or((&line[open..close], "0"));
    let at: i64 = at.trim().parse().ok()?;
    if !base.contains('%') {
        return None;
    }
    let by = if at >= 16 && random.below(2) == 0 { -16 } else { 16 };
    Some(format!("{}{}+{}{}", &line[..open], base.trim(), at + by, &line[close..]))
}

fn swapped(line: &str, random: &mut Random) -> Option<String> {
    if !begins(parts(line).1, FRAGMENTS) {
        return None;
    }
    let opens: Vec<usize> = line.match_indices('{').map(|(i, _)| i + 1).collect();
    let open = *opens.get(random.below(opens.len()))?;
    let close = open + line[open..].find('}')?;
    let mut list: Vec<&str> = line[open..close].split(',').map(str::trim).collect();
    let n = list.len();
    let (a, b) = (random.below(n), random.below(n));
    if list.get(a) == list.get(b) {
        return None;
    }
    list.swap(a, b);
    Some(format!("{}{}{}", &line[..open], list.join(", "), &line[close..]))
}

fn dropped(line: &str, _: &mut Random) -> Option<String> {
    let (guard, code) = parts(line);
    (!guard.is_empty() && !begins(code, &["bra", "ret", "exit"])).then(|| code.to_string())
}

fn negated(line: &str, _: &mut Random) -> Option<String> {
    let (guard, code) = parts(line);
    let guarded = !guard.is_empty() && begins(code, &["ld.", "st.", "atom.", "red.", "cp.async.c"]);
    guarded.then(|| match guard.strip_prefix("@!") {
        Some(p) => format!("@{p} {code}"),
        None => format!("@!{} {code}", &guard[1..]),
    })
}

fn changed(line: &str, random: &mut Random) -> Option<String> {
    let (_, code) = parts(line);
    let bits = begins(code, &["xor.b32", "and.b32", "or.b32"]);
    let shifts = begins(code, &["shl.b32", "shr.u32", "shr.b32", "shl.b64"]);
    if !bits && !shifts && !begins(code, &["add.s32", "add.s64", "add.u32"]) {
        return None;
    }
    let comma = line.rfind(',')? + 1;
    let end = comma + line[comma..].find(';')?;
    let n: i64 = line[comma..end].trim().parse().ok()?;
    let other = match (bits, shifts) {
        (true, _) => n ^ 1 << random.below(5),
        (_, true) => (n + 1) % 32,
        // A count is off by one, a place by what an access of 16 bytes is.
        (false, false) if n.abs() < 16 => n + 1,
        (false, false) => n + 16,
    };
    Some(format!("{} {other}{}", &line[..comma], &line[end..]))
}

fn shuffled(line: &str, _: &mut Random) -> Option<String> {
    let (head, last) = line.split_once("shfl.sync.bfly")?;
    let mut parts: Vec<&str> = last.split(',').collect();
    let distance: u32 = parts.get(2)?.trim().parse().ok()?;
    let other = format!(" {}", if distance == 16 { 8 } else { 2 * distance });
    parts[2] = &other;
    Some(format!("{head}shfl.sync.bfly{}", parts.join(",")))
}

/// Registers by name, in the order of the text.
fn registers(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_ascii_alphanumeric() || "%_".contains(c)))
        .filter(|word| word.starts_with('%'))
}

/// Instructions that do more than write registers.
const EFFECTS: &[&str] = &[
    "st.", "red.", "atom.", "bar", "cp.", "bra", "brx", "call", "setmax", "mbarrier", "wgmma",
    "fence",
];

/// Where the operands of an instruction end that it writes: at its start where it only has an effect.
fn written(code: &str) -> usize {
    let (_, operands) = code.split_once(char::is_whitespace).unwrap_or((code, ""));
    let end = match operands.trim_start().starts_with('{') {
        true => operands.find('}').map(|at| at + 1),
        false => operands.find(','),
    };
    let first = &operands[..end.unwrap_or(0)];
    let effect = first.contains('[') || begins(code, EFFECTS);
    if effect { 0 } else { code.len() - operands.len() + first.len() }
}

/// Registers whose value reaches an effect, whatever the data: sums of matrix instructions, each by its own place.
fn live(text: &str) -> BTreeSet<&str> {
    let mut live = BTreeSet::new();
    loop {
        let before = live.len();
        for line in text.lines() {
            let (guard, code) = parts(line.split("//").next().unwrap_or_default());
            if code.starts_with('.') {
                continue;
            }
            let (to, from) = code.split_at(written(code));
            let wanted: Vec<bool> = registers(to).map(|r| live.contains(r)).collect();
            if !wanted.is_empty() && !wanted.contains(&true) {
                continue;
            }
            live.extend(registers(guard));
            let mut read: Vec<&str> = registers(from).collect();
            if code.starts_with("mma.") {
                let sums = read.split_off(read.len().saturating_sub(wanted.len()));
                live.extend(sums.into_iter().zip(wanted).filter(|(_, on)| *on).map(|(r, _)| r));
            }
            live.extend(read);
        }
        if live.len() == before {
            return live;
        }
    }
}

/// Does another line differ in registers alone that nobody reads: the rows of a matrix that no query has, say?
fn same_but_for_dead(line: &str, other: &str, live: &BTreeSet<&str>) -> bool {
    let (a, b) = (registers(line), registers(other));
    a.zip(b).all(|(a, b)| a == b || !live.contains(a) && !live.contains(b))
}

/// A kernel as the mutants see it: its texts, and the lines of each that are executed, from 1.
pub type Texts = BTreeMap<String, (String, BTreeSet<u32>)>;

/// So many mutants of all subjects: each kind has as many as another, as long as it has places.
pub fn sample(subjects: &[Texts], count: usize, seed: u64) -> Vec<Mutant> {
    let mut random = Random(seed);
    let mut kinds = vec![];
    let read = subjects.iter().map(|texts| texts.values().map(|(text, _)| live(text)));
    let read: Vec<Vec<_>> = read.map(Iterator::collect).collect();
    for (kind, mutate) in MUTATIONS {
        let mut all = vec![];
        for (subject, texts) in subjects.iter().enumerate() {
            for ((file, (text, reached)), live) in texts.iter().zip(&read[subject]) {
                for (line, code) in text.lines().enumerate() {
                    if !reached.contains(&(line as u32 + 1)) {
                        continue;
                    }
                    let code = code.split("//").next().unwrap_or_default();
                    if let Some(instead) = mutate(code, &mut random)
                        && (*kind != SWAPPED || !same_but_for_dead(code, &instead, live))
                    {
                        all.push(Mutant { kind, subject, file: file.clone(), line, instead });
                    }
                }
            }
        }
        // A shuffle by the seed (Fisher and Yates).
        for i in (1..all.len()).rev() {
            all.swap(i, random.below(i + 1));
        }
        kinds.push(all);
    }
    let mut out = vec![];
    while out.len() < count && kinds.iter().any(|k| !k.is_empty()) {
        out.extend(kinds.iter_mut().filter_map(Vec::pop));
    }
    out.truncate(count);
    out
}

/// The text with the line in its place.
pub fn mutated(text: &str, mutant: &Mutant) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(line) = lines.get_mut(mutant.line) {
        *line = &mutant.instead;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_wrong_in_one_way() {
        let mut random = Random(1);
        for (mutate, line, expected) in [
            (unordered as fn(&str, &mut Random) -> Option<String>, "    bar.sync 0;", Some("")),
            (unordered, "    add.s32 %r1, %r2, 3;", None),
            (moved, "ld.shared.b32 %r1, [%r2];", Some("ld.shared.b32 %r1, [%r2+16];")),
            (
                moved,
                "@%p1 st.global.b32 [ %rd1 + 0 ], { %r1 };",
                Some("@%p1 st.global.b32 [%rd1+16], { %r1 };"),
            ),
            (moved, "ld.param.u64 %rd1, [q];", None),
            (dropped, "@%p1 st.global.b32 [%rd1], %r1;", Some("st.global.b32 [%rd1], %r1;")),
            (dropped, "@%p1 bra $L1;", None),
            (negated, "@!%p1 ld.global.b32 %r1, [%rd1];", Some("@%p1 ld.global.b32 %r1, [%rd1];")),
            (changed, "shl.b32 %r1, %r2, 4;", Some("shl.b32 %r1, %r2, 5;")),
            (changed, "shl.b32 %r1, %r2, %r3;", None),
            (changed, "add.s64 %q1, %q2, -2;", Some("add.s64 %q1, %q2, -1;")),
            (changed, "add.s64 %q1, %q2, 64;", Some("add.s64 %q1, %q2, 80;")),
            (
                shuffled,
                "shfl.sync.bfly.b32 %r1, %r2, 4, 31, -1;",
                Some("shfl.sync.bfly.b32 %r1, %r2, 8, 31, -1;"),
            ),
        ] {
            assert_eq!(mutate(line, &mut random).as_deref(), expected, "{line}");
        }
        let line = "mma.sync.x {%f1, %f2}, {%r1, %r2}, {%r3, %r4}, {%f1, %f2};";
        let wrong = (0..20).find_map(|_| swapped(line, &mut random)).unwrap();
        assert!(wrong != line && wrong.len() == line.len(), "{wrong}");
    }

    #[test]
    fn registers_that_reach_no_effect_are_dead() {
        let text = "mov.b32 %f3, 0;\nmov.b32 %f4, 0;\nmov.b32 %r9, %r8;\n\
            mma.sync.x {%f5, %f6}, {%r1}, {%r2}, {%f3, %f4};\nadd.f32 %f7, %f6, %f6;\n\
            @%p1 st.global.b32 [%rd1], {%f5};\nbar.sync 0, %r7;\n";
        let all: Vec<&str> = live(text).into_iter().collect();
        assert_eq!(all, ["%f3", "%f5", "%p1", "%r1", "%r2", "%r7", "%rd1"]);
        let line = "mma.sync.x {%f5, %f6}, {%r1}, {%r2}, {%f3, %f4};";
        let dead = |other: &str| same_but_for_dead(line, other, &live(text));
        assert!(!dead("mma.sync.x {%f6, %f5}, {%r1}, {%r2}, {%f3, %f4};"));
        assert!(dead("mma.sync.x {%f5, %f6}, {%r1}, {%r2}, {%f3, %f4};"));
        assert!(dead("mma.sync.x {%f5, %f7}, {%r1}, {%r2}, {%f3, %f6};"));
    }

    #[test]
    fn a_sample_is_the_same_each_time() {
        let text = "bar.sync 0;\n@%p1 st.global.b32 [%rd1], %r1;\n".to_string();
        let subject: Texts = [("k".to_string(), (text.clone(), [1, 2].into()))].into();
        let of = |count| sample(std::slice::from_ref(&subject), count, 3);
        assert_eq!(of(9).len(), 4);
        assert_eq!(format!("{:?}", of(3)), format!("{:?}", of(3)));
        assert!(of(9).iter().all(|m| mutated(&text, m) != text));
    }
}
