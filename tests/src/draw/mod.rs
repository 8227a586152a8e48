//! Ops drawn from the whole language, so that every pair of its properties meets in one of them.
//!
//! Each kind of op has a table of properties and of their values, and a table of values that no op has together:
//!
//! ```text
//! layout   dense paged ring          dim      narrow middle wide latent
//! shared   no batch copies           never    batch = constant with rows = ragged
//! ```
//!
//! [`ops`] chooses values so that few ops hold all pairs (greedily, as AETG does: Cohen, Dalal, Fredman, Patton, IEEE
//! TSE 23, 1997), then fills up by chance. What a value leaves open, such as which of the narrow head sizes, goes
//! round, so that all come.

pub mod attention;
pub mod mpgemm;
pub mod rows;

use std::{cell::RefCell, collections::BTreeMap};

/// One thing that an op says, and what it may say.
#[derive(Debug)]
pub struct Property {
    pub name: &'static str,
    pub values: &'static [&'static str],
}

/// These values of a property do not meet these of another.
pub type Never = (&'static str, &'static [&'static str], &'static str, &'static [&'static str]);

/// One kind of op.
#[derive(Debug)]
pub struct Grammar {
    pub kind: &'static str,
    pub properties: &'static [Property],
    pub never: &'static [Never],
    /// The op file of a pick.
    pub text: fn(&Pick<'_>) -> String,
}

/// All kinds, with their shares of the ops.
pub const GRAMMARS: [(&Grammar, usize); 3] =
    [(&attention::GRAMMAR, 34), (&mpgemm::GRAMMAR, 41), (&rows::GRAMMAR, 25)];

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// A value of each property, and chance for what they leave open.
#[derive(Debug)]
pub struct Pick<'a> {
    grammar: &'a Grammar,
    values: Vec<usize>,
    random: RefCell<Random>,
    /// How often a list was asked by all picks so far.
    turns: &'a RefCell<BTreeMap<&'static str, usize>>,
}

impl Pick<'_> {
    /// What the op says of this property.
    pub fn get(&self, property: &str) -> &'static str {
        let at = self.grammar.properties.iter().position(|p| p.name == property);
        let at = at.unwrap_or_else(|| panic!("no property `{property}`"));
        self.grammar.properties[at].values[self.values[at]]
    }

    pub fn is(&self, property: &str, value: &str) -> bool {
        self.get(property) == value
    }

    pub fn below(&self, n: usize) -> usize {
        self.random.borrow_mut().below(n)
    }

    /// One of a list, by chance.
    pub fn of<T: Clone>(&self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    /// The next of a list that picks go through together.
    pub fn next<T: Clone>(&self, name: &'static str, list: &[T]) -> T {
        let mut turns = self.turns.borrow_mut();
        let turn = turns.entry(name).or_insert(0);
        *turn += 1;
        list[(*turn - 1) % list.len()].clone()
    }
}

/// A drawn op file.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub kind: &'static str,
    pub text: String,
    /// `layout = paged, mask = tree, ..`
    pub says: String,
}

/// How well ops cover a grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    pub kind: &'static str,
    pub properties: usize,
    pub values: usize,
    /// Pairs of values of two properties that may meet, and those that no op has.
    pub pairs: usize,
    pub missing: Vec<String>,
    pub ops: usize,
    /// After so many of them nothing was missing.
    pub enough: usize,
}

impl Grammar {
    /// Whether value `v` of property `p` may stand beside `w` of `q`.
    fn meet(&self, (p, v): (usize, usize), (q, w): (usize, usize)) -> bool {
        let said = |at: usize, value: usize, (name, list): (&str, &[&str])| {
            let property = &self.properties[at];
            property.name == name && list.contains(&property.values[value])
        };
        !self.never.iter().any(|(a, x, b, y)| {
            said(p, v, (a, x)) && said(q, w, (b, y)) || said(q, w, (a, x)) && said(p, v, (b, y))
        })
    }

    fn name(&self, (p, v): (usize, usize)) -> String {
        format!("{} = {}", self.properties[p].name, self.properties[p].values[v])
    }
}

/// Values of two properties that meet.
type Pair = ((usize, usize), (usize, usize));

struct Cover<'a> {
    grammar: &'a Grammar,
    left: Vec<Pair>,
}

impl<'a> Cover<'a> {
    fn new(grammar: &'a Grammar) -> Self {
        let places: Vec<(usize, usize)> = (0..grammar.properties.len())
            .flat_map(|p| (0..grammar.properties[p].values.len()).map(move |v| (p, v)))
            .collect();
        let mut left = Vec::new();
        for a in &places {
            left.extend(places.iter().filter(|b| b.0 > a.0).map(|b| (*a, *b)));
        }
        left.retain(|(a, b)| grammar.meet(*a, *b));
        Cover { grammar, left }
    }

    fn done(&mut self, values: &[usize]) {
        self.left.retain(|(a, b)| values[a.0] != a.1 || values[b.0] != b.1);
    }

    /// Values of all properties, first those of `start`; `None` where they leave no choice for another.
    fn fill(&self, start: &[(usize, usize)], random: &mut Random) -> Option<Vec<usize>> {
        let count = self.grammar.properties.len();
        let mut chosen: Vec<Option<usize>> = vec![None; count];
        for (p, v) in start {
            chosen[*p] = Some(*v);
        }
        let mut order: Vec<usize> = (0..count).filter(|p| chosen[*p].is_none()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        for p in order {
            let fits = |v: &usize| {
                let others = chosen.iter().enumerate().filter_map(|(q, w)| w.map(|w| (q, w)));
                others.into_iter().all(|other| self.grammar.meet((p, *v), other))
            };
            let legal: Vec<usize> =
                (0..self.grammar.properties[p].values.len()).filter(fits).collect();
            // What meets most of those chosen for the first time.
            let news = |v: usize| {
                let fresh = |(a, b): &&Pair| {
                    *a == (p, v) && chosen[b.0] == Some(b.1)
                        || *b == (p, v) && chosen[a.0] == Some(a.1)
                };
                self.left.iter().filter(fresh).count()
            };
            let scores: Vec<usize> = legal.iter().map(|v| news(*v)).collect();
            let most = scores.iter().copied().max()?;
            let best: Vec<usize> =
                (0..legal.len()).filter(|i| scores[*i] == most).map(|i| legal[i]).collect();
            chosen[p] = Some(best[random.below(best.len())]);
        }
        chosen.into_iter().collect()
    }

    /// The fill of several that covers most pairs.
    fn best(&self, start: &[(usize, usize)], random: &mut Random) -> Option<Vec<usize>> {
        let gain = |values: &Vec<usize>| {
            let held = |(a, b): &&Pair| values[a.0] == a.1 && values[b.0] == b.1;
            self.left.iter().filter(held).count()
        };
        (0..TRIES).filter_map(|_| self.fill(start, random)).max_by_key(gain)
    }
}

/// Candidates for each op.
const TRIES: usize = 80;
/// A value of a property is a dead end where so many fills fail.
const FAILS: usize = 400;

/// So many ops of a kind, the first of which hold every pair.
pub fn ops(grammar: &Grammar, count: usize, seed: u64) -> (Vec<Drawn>, Covered) {
    let mut random = Random(seed);
    let mut cover = Cover::new(grammar);
    let pairs = cover.left.len();
    let turns = RefCell::new(BTreeMap::new());
    let (mut out, mut enough, mut fails) = (Vec::new(), count, 0);
    while out.len() < count && fails < FAILS {
        if cover.left.is_empty() {
            enough = enough.min(out.len());
        }
        let start = match cover.left.len() {
            0 => vec![],
            some => {
                let (a, b) = cover.left[random.below(some)];
                vec![a, b]
            }
        };
        let Some(values) = cover.best(&start, &mut random) else {
            fails += 1;
            continue;
        };
        cover.done(&values);
        let says = values.iter().enumerate().map(|at| grammar.name((at.0, *at.1)));
        let says = says.collect::<Vec<_>>().join(", ");
        let own = RefCell::new(Random(random.below(usize::MAX) as u64));
        let pick = Pick { grammar, values, random: own, turns: &turns };
        out.push(Drawn { kind: grammar.kind, text: (grammar.text)(&pick), says });
    }
    let missing = cover.left.iter();
    let missing = missing.map(|(a, b)| format!("{} with {}", grammar.name(*a), grammar.name(*b)));
    let covered = Covered {
        kind: grammar.kind,
        properties: grammar.properties.len(),
        values: grammar.properties.iter().map(|p| p.values.len()).sum(),
        pairs,
        missing: missing.collect(),
        ops: out.len(),
        enough,
    };
    (out, covered)
}

/// So many ops of all kinds, and how well they cover each.
pub fn all(count: usize, seed: u64) -> (Vec<Drawn>, Vec<Covered>) {
    let whole: usize = GRAMMARS.iter().map(|g| g.1).sum();
    let mut drawn = Vec::new();
    let mut covered = Vec::new();
    for (at, (grammar, share)) in GRAMMARS.into_iter().enumerate() {
        let (list, how) = ops(grammar, count * share / whole, seed.wrapping_add(at as u64));
        drawn.extend(list);
        covered.push(how);
    }
    (drawn, covered)
}
