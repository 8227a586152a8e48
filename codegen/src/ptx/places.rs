//! Where lanes read and write, as far as a kernel's text tells: a sum of registers, and what each lane adds.
//!
//! ```text
//! w2 = shl w1, 3 : w                       w1 is iota: lane l has 8 l
//! p = iadd i19, 256 : i
//! scatter.w32 [p + 64], f7, w2, m3         i19 + 320 + 8 l: four bytes each
//! loop t in 0..4 step 1 { .. }             t is 0 to 3
//! ```

mod touch;

use super::targets::LANES;
use kgen_ir::{arena::Map, machine::*, tile::Compare};
use std::rc::Rc;

/// Least and largest value.
type Range = (i64, i64);

/// What each lane adds; [`NOWHERE`] of lanes that touch nothing.
type Pattern = [i32; LANES];
const NOWHERE: i32 = i32::MIN;
/// Beyond what memory has: no number is farther from 0.
const LARGE: i64 = 1 << 48;
const ANY: Range = (-LARGE, LARGE);
/// Registers in a sum.
const TERMS: usize = 8;

/// Registers times numbers, and a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sum {
    terms: Rc<[(Reg, i64)]>,
    fixed: i64,
}

/// What lanes add to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lanes {
    /// By number among [`Places::patterns`].
    Known(u32),
    /// The same, and which lane gets what is there is not asked.
    Shared(u32),
    /// What a register says.
    Told(Reg),
    Unknown,
}

/// An access of all lanes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touch {
    pub slot: Option<usize>,
    sum: Sum,
    /// How far the sum is off: registers of turns that are over.
    slack: Range,
    /// That distance is a multiple of this.
    unit: i64,
    lanes: Lanes,
    size: i64,
}

/// Two accesses of known places: their patterns, distance and what it is a multiple of more or less, their bytes, and
/// whether lanes count.
type Pair = ([u32; 2], [i64; 4], bool);

/// What registers hold.
pub struct Places {
    sums: Vec<Option<Sum>>,
    ranges: Vec<Range>,
    /// When each register was defined, in the order of the text.
    born: Vec<u32>,
    now: u32,
    words: Vec<Option<u32>>,
    masks: Vec<Option<u32>>,
    /// Words that are not negative.
    natural: Vec<bool>,
    needed: Vec<bool>,
    patterns: Vec<Pattern>,
    /// Of each, the least and the most that a lane adds, if any touches something.
    spans: Vec<Option<(i32, i32)>>,
    numbers: Map<Pattern, u32>,
    met: Map<Pair, bool>,
    none: Rc<[(Reg, i64)]>,
}

fn within(x: i64) -> Option<i64> {
    (-LARGE..=LARGE).contains(&x).then_some(x)
}

fn bounded(x: i128) -> i64 {
    x.clamp(-i128::from(LARGE), i128::from(LARGE)) as i64
}

fn plus(a: Range, b: Range) -> Range {
    let sum = |a: i64, b: i64| bounded(i128::from(a) + i128::from(b));
    (sum(a.0, b.0), sum(a.1, b.1))
}

fn times(a: Range, b: Range) -> Range {
    let all = [(a.0, b.0), (a.0, b.1), (a.1, b.0), (a.1, b.1)];
    hull(all.map(|(a, b)| bounded(i128::from(a) * i128::from(b))))
}

fn hull<const N: usize>(all: [i64; N]) -> Range {
    all.iter().fold((LARGE, -LARGE), |(a, b), x| (a.min(*x), b.max(*x)))
}

impl Places {
    pub fn of(kernel: &Kernel) -> Places {
        let count = kernel.regs.len();
        let mut p = Places {
            sums: vec![None; count],
            ranges: vec![ANY; count],
            born: vec![0; count],
            now: 0,
            words: vec![None; count],
            masks: vec![None; count],
            natural: vec![false; count],
            needed: vec![],
            patterns: vec![],
            spans: vec![],
            numbers: Map::default(),
            met: Map::default(),
            none: Rc::new([]),
        };
        p.block(&kernel.body);
        let mut needed = vec![false; count];
        p.mark(&kernel.body, &mut needed);
        p.needed = needed;
        p
    }

    /// A mask that holds in every lane.
    pub fn always(&self, mask: Reg) -> bool {
        self.masks.get(mask.index()) == Some(&Some(u32::MAX))
    }

    /// What a word is in each lane, if it is known.
    pub fn lanes(&self, word: Reg) -> Option<[i32; LANES]> {
        self.pattern(Operand::Reg(word))
    }

    /// The same value in every lane, if it is known.
    pub fn constant(&self, word: Reg) -> Option<i32> {
        let number = self.words.get(word.index()).copied().flatten()?;
        let pattern = self.patterns.get(number as usize)?;
        pattern.iter().all(|x| *x == pattern[0]).then_some(pattern[0])
    }

    /// Marks what lists of statements need, from behind; results that nobody needs are no work.
    fn mark(&self, body: &[Stmt], needed: &mut [bool]) {
        let mark = |needed: &mut [bool], o: &Operand| {
            if let Operand::Reg(reg) = o {
                needed[reg.index()] = true;
            }
        };
        for stmt in body.iter().rev() {
            match stmt {
                Stmt::Inst(inst) => {
                    let idle = |def: Reg| !needed[def.index()] && inst.op.memory().is_none();
                    if inst.def.is_some_and(idle) {
                        continue;
                    }
                    if let Some(same) = self.same(inst) {
                        needed[same.index()] = true;
                    } else if inst.def.is_none_or(|def| self.constant(def).is_none()) {
                        inst.uses.iter().for_each(|o| mark(needed, o));
                    }
                    if let Some(mem) = inst.mem {
                        needed[mem.base.index()] = true;
                    }
                }
                Stmt::Loop(l) => {
                    for c in &l.carried {
                        needed[c.init.index()] = true;
                        needed[c.yielded.index()] = true;
                    }
                    self.mark(&l.body, needed);
                    [l.lo, l.hi, l.step].iter().for_each(|o| mark(needed, o));
                }
                Stmt::If(i) => {
                    for (_, a, b) in &i.yields {
                        needed[a.index()] = true;
                        needed[b.index()] = true;
                    }
                    self.mark(&i.then, needed);
                    self.mark(&i.otherwise, needed);
                    [i.a, i.b].iter().for_each(|o| mark(needed, o));
                }
            }
        }
    }

    /// Whether a comparison holds, where the ranges tell.
    pub fn decided(&self, i: &If) -> Option<bool> {
        let ((a, b), (c, d)) = (self.range(i.a), self.range(i.b));
        let told = |yes: bool, no: bool| (yes || no).then_some(yes);
        match i.cmp {
            Compare::Lt => told(b < c, a >= d),
            Compare::Le => told(b <= c, a > d),
            Compare::Gt => told(a > d, b <= c),
            Compare::Ge => told(a >= d, b < c),
            Compare::Eq => told((a, b) == (c, d) && a == b, b < c || d < a),
            Compare::Ne => told(b < c || d < a, (a, b) == (c, d) && a == b),
        }
    }

    /// Is the result of some use?
    pub fn needed(&self, reg: Reg) -> bool {
        self.needed.get(reg.index()) == Some(&true)
    }

    /// Of the operands of an instruction the one that the result is, if one is known to be.
    pub fn same(&self, inst: &Inst) -> Option<Reg> {
        let def = inst.def?;
        if let (Op::Select, [Operand::Reg(mask), Operand::Reg(a), Operand::Reg(b)]) =
            (&inst.op, inst.uses.as_slice())
        {
            match self.masks.get(mask.index()) {
                Some(Some(u32::MAX)) => return Some(*a),
                Some(Some(0)) => return Some(*b),
                Some(_) | None => {}
            }
        }
        let number = self.words.get(def.index()).copied().flatten()?;
        let equal = |o: &Operand| match o {
            Operand::Reg(r) if self.words.get(r.index()) == Some(&Some(number)) => Some(*r),
            Operand::Reg(_) | Operand::Imm(_) => None,
        };
        inst.uses.iter().find_map(equal)
    }

    /// Whether a word is negative in no lane, and whether it is more than 0 in all.
    pub fn natural(&self, word: Reg) -> (bool, bool) {
        let known = self.pattern(Operand::Reg(word));
        let natural = self.natural.get(word.index()) == Some(&true);
        (natural, known.is_some_and(|p| p.iter().all(|x| *x > 0)))
    }

    fn bear(&mut self, reg: Reg) {
        self.now += 1;
        if let Some(born) = self.born.get_mut(reg.index()) {
            *born = self.now;
        }
    }

    /// An integer of which the range is all that is known.
    fn symbol(&mut self, reg: Reg, range: Range) {
        let sum = match range {
            (a, b) if a == b => Sum { terms: self.none.clone(), fixed: a },
            _ => Sum { terms: Rc::new([(reg, 1)]), fixed: 0 },
        };
        if let (Some(to), Some(known)) =
            (self.sums.get_mut(reg.index()), self.ranges.get_mut(reg.index()))
        {
            (*to, *known) = (Some(sum), range);
        }
    }

    fn sum(&self, operand: Operand) -> Sum {
        match operand {
            Operand::Imm(x) => Sum { terms: self.none.clone(), fixed: x },
            Operand::Reg(reg) => {
                let known = self.sums.get(reg.index()).cloned().flatten();
                known.unwrap_or_else(|| Sum { terms: Rc::new([(reg, 1)]), fixed: 0 })
            }
        }
    }

    fn range(&self, operand: Operand) -> Range {
        match operand {
            Operand::Imm(x) => within(x).map_or(ANY, |x| (x, x)),
            Operand::Reg(reg) => self.ranges.get(reg.index()).copied().unwrap_or(ANY),
        }
    }

    fn block(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(def) = inst.def {
                        self.bear(def);
                        self.define(def, inst);
                    }
                }
                Stmt::Loop(l) => {
                    self.bear(l.var);
                    let (lo, hi) = (self.range(l.lo), self.range(l.hi));
                    // From a known start by known steps: the last one may be well before the end.
                    let steps = match self.range(l.step) {
                        (a, b) if a == b && lo.0 == lo.1 => a.max(1),
                        _ => 1,
                    };
                    let turns = (hi.1 - 1 - lo.0).max(0) / steps;
                    self.symbol(l.var, (lo.0, lo.0 + turns * steps));
                    for c in &l.carried {
                        self.bear(c.param);
                        self.symbol(c.param, ANY);
                    }
                    self.block(&l.body);
                    for c in &l.carried {
                        self.bear(c.result);
                        self.symbol(c.result, ANY);
                    }
                }
                Stmt::If(i) => {
                    self.block(&i.then);
                    self.block(&i.otherwise);
                    for (result, a, b) in &i.yields {
                        self.bear(*result);
                        let [a, b] = [*a, *b].map(|reg| self.range(Operand::Reg(reg)));
                        self.symbol(*result, hull([a.0, a.1, b.0, b.1]));
                    }
                }
            }
        }
    }

    fn number(&mut self, pattern: Pattern) -> u32 {
        let next = self.patterns.len() as u32;
        let number = *self.numbers.entry(pattern).or_insert(next);
        if number == next {
            let places = || pattern.iter().filter(|x| **x != NOWHERE);
            self.spans.push(places().min().copied().zip(places().max().copied()));
            self.patterns.push(pattern);
        }
        number
    }

    fn pattern(&self, word: Operand) -> Option<Pattern> {
        match word {
            Operand::Imm(_) => None,
            Operand::Reg(reg) => {
                let number = self.words.get(reg.index()).copied().flatten()?;
                self.patterns.get(number as usize).copied()
            }
        }
    }

    fn mask(&self, mask: Operand) -> Option<u32> {
        match mask {
            Operand::Imm(_) => None,
            Operand::Reg(reg) => self.masks.get(reg.index()).copied().flatten(),
        }
    }

    fn define(&mut self, def: Reg, inst: &Inst) {
        let uses = inst.uses.as_slice();
        match (&inst.op, uses) {
            (Op::Const, [x @ Operand::Imm(_)]) => {
                let range = self.range(*x);
                self.symbol(def, range);
            }
            (Op::Int(op), [a, b]) => self.integer(def, *op, *a, *b),
            (Op::WordCmp(cmp), [a, b]) => {
                let mask = self.compared(*cmp, *a, *b);
                self.masks[def.index()] = mask;
            }
            (Op::Mask(op), [a, b]) => {
                let known = self.mask(*a).zip(self.mask(*b));
                self.masks[def.index()] = known.map(|(a, b)| match op {
                    MaskOp::And => a & b,
                    MaskOp::Or => a | b,
                });
            }
            _ => {
                if let Some(pattern) = self.word(&inst.op, uses) {
                    self.natural[def.index()] = pattern.iter().all(|x| *x >= 0);
                    self.words[def.index()] = Some(self.number(pattern));
                } else {
                    self.natural[def.index()] = self.never_negative(&inst.op, uses);
                }
            }
        }
    }

    fn integer(&mut self, def: Reg, op: IntOp, a: Operand, b: Operand) {
        let (x, y) = (self.sum(a), self.sum(b));
        let (left, right) = (self.range(a), self.range(b));
        let sum = match op {
            IntOp::Add => self.added(&x, &y, 1),
            IntOp::Sub => self.added(&x, &y, -1),
            IntOp::Mul if y.terms.is_empty() => self.scaled(&x, y.fixed),
            IntOp::Mul if x.terms.is_empty() => self.scaled(&y, x.fixed),
            IntOp::Mul | IntOp::Div | IntOp::Rem | IntOp::Min | IntOp::Max => None,
        };
        let range = match op {
            IntOp::Add => plus(left, right),
            IntOp::Sub => plus(left, times(right, (-1, -1))),
            IntOp::Mul => times(left, right),
            // The divisor is positive.
            IntOp::Rem => (0, (right.1 - 1).max(0)),
            IntOp::Div => {
                let (a, b, c, d) = (left.0, left.1, right.0.max(1), right.1.max(1));
                hull([(a, c), (a, d), (b, c), (b, d)].map(|(x, n)| x.div_euclid(n)))
            }
            IntOp::Min => (left.0.min(right.0), left.1.min(right.1)),
            IntOp::Max => (left.0.max(right.0), left.1.max(right.1)),
        };
        match sum {
            Some(sum) => {
                self.sums[def.index()] = Some(sum);
                self.ranges[def.index()] = range;
            }
            None => self.symbol(def, range),
        }
    }

    /// The first and so many times the second.
    fn added(&self, x: &Sum, y: &Sum, by: i64) -> Option<Sum> {
        let fixed = within(x.fixed.checked_add(y.fixed.checked_mul(by)?)?)?;
        if y.terms.is_empty() {
            return Some(Sum { terms: x.terms.clone(), fixed });
        }
        if x.terms.is_empty() && by == 1 {
            return Some(Sum { terms: y.terms.clone(), fixed });
        }
        let mut terms = x.terms.to_vec();
        for (reg, n) in y.terms.iter() {
            let n = n.checked_mul(by)?;
            match terms.iter_mut().find(|t| t.0 == *reg) {
                Some(term) => term.1 = within(term.1.checked_add(n)?)?,
                None => terms.push((*reg, n)),
            }
        }
        terms.retain(|t| t.1 != 0);
        terms.sort_unstable();
        (terms.len() <= TERMS).then(|| Sum { terms: terms.into(), fixed })
    }

    fn scaled(&self, x: &Sum, by: i64) -> Option<Sum> {
        let fixed = within(x.fixed.checked_mul(by)?)?;
        let times = |(reg, n): &(Reg, i64)| Some((*reg, within(n.checked_mul(by)?)?));
        let terms: Option<Vec<_>> = x.terms.iter().map(times).collect();
        let terms = if by == 0 { vec![] } else { terms? };
        Some(Sum { terms: terms.into(), fixed })
    }

    /// A word that follows from the number of the lane.
    fn word(&self, op: &Op, uses: &[Operand]) -> Option<Pattern> {
        let known = |o: &Operand| self.pattern(*o);
        match (op, uses) {
            (Op::Iota, _) => Some(std::array::from_fn(|l| l as i32)),
            (Op::WordConst, [Operand::Imm(x)]) => Some([*x as i32; LANES]),
            (Op::Spread, [x]) => {
                let sum = self.sum(*x);
                sum.terms.is_empty().then_some([sum.fixed as i32; LANES])
            }
            (Op::Word(op), [a, b]) => {
                let (a, b) = (known(a)?, known(b)?);
                Some(std::array::from_fn(|l| match op {
                    WordOp::Add => a[l].wrapping_add(b[l]),
                    WordOp::Sub => a[l].wrapping_sub(b[l]),
                    WordOp::Mul => a[l].wrapping_mul(b[l]),
                    WordOp::And => a[l] & b[l],
                    WordOp::Or => a[l] | b[l],
                    WordOp::Xor => a[l] ^ b[l],
                    WordOp::Min => a[l].min(b[l]),
                    WordOp::Max => a[l].max(b[l]),
                }))
            }
            (Op::Shift(op), [a, Operand::Imm(n)]) => {
                let (a, n) = (known(a)?, u32::try_from(*n).ok().filter(|n| *n < 32)?);
                Some(a.map(|x| match op {
                    ShiftOp::Left => x << n,
                    ShiftOp::Right => (x as u32 >> n) as i32,
                    ShiftOp::Arithmetic => x >> n,
                }))
            }
            (Op::Select, [m, a, b]) => {
                let (m, a, b) = (self.mask(*m)?, known(a)?, known(b)?);
                Some(std::array::from_fn(|l| if m >> l & 1 == 1 { a[l] } else { b[l] }))
            }
            _ => None,
        }
    }

    fn never_negative(&self, op: &Op, uses: &[Operand]) -> bool {
        let natural = |o: &Operand| match o {
            Operand::Reg(reg) => self.natural(*reg).0,
            Operand::Imm(_) => false,
        };
        match (op, uses) {
            (Op::Select, [_, a, b]) | (Op::Word(WordOp::Min), [a, b]) => natural(a) && natural(b),
            (Op::Word(WordOp::And | WordOp::Max), [a, b]) => natural(a) || natural(b),
            (Op::Shift(ShiftOp::Right), [_, Operand::Imm(n)]) => *n > 0,
            _ => false,
        }
    }

    fn compared(&self, cmp: Compare, a: Operand, b: Operand) -> Option<u32> {
        if a == b {
            return Some(match cmp {
                Compare::Eq | Compare::Le | Compare::Ge => u32::MAX,
                Compare::Ne | Compare::Lt | Compare::Gt => 0,
            });
        }
        let (a, b) = (self.pattern(a)?, self.pattern(b)?);
        let holds = |l: usize| match cmp {
            Compare::Lt => a[l] < b[l],
            Compare::Le => a[l] <= b[l],
            Compare::Eq => a[l] == b[l],
            Compare::Ne => a[l] != b[l],
            Compare::Ge => a[l] >= b[l],
            Compare::Gt => a[l] > b[l],
        };
        Some((0..LANES).fold(0, |m, l| m | u32::from(holds(l)) << l))
    }
}

#[cfg(test)]
mod tests {
    use kgen_ir::machine::parse::parse;

    /// The PTX of a kernel with an input `x` and an output `y`.
    fn text(body: &str) -> String {
        let text = format!(
            "machine m lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
             v = iota : w {body} }}"
        );
        let kernel = parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        let target = &super::super::targets::CHIPS[0].target;
        super::super::emit(&kernel, target).unwrap_or_else(|e| panic!("{e}")).0
    }

    #[test]
    fn what_is_known_is_not_computed() {
        for (body, absent) in [
            // The lane's number below 32; a shift by nothing; zeros.
            ("c = wconst 31 : w a = and v, c : w store.w32 [y + 0], a", "and.b32 %r5"),
            ("a = shl v, 0 : w store.w32 [y + 0], a", "shl.b32"),
            ("a = shr v, 5 : w b = wadd v, a : w store.w32 [y + 0], b", "add.s32"),
            // Nobody needs it.
            ("a = wmul v, v : w store.w32 [y + 0], v", "mul.lo.s32"),
            // The way is known.
            ("if 8 >= 32 { store.w32 [y + 0], v }", "st.global"),
            ("i = iadd 3, 4 : i n = imin i, 9 : i if n > 8 { store.w32 [y + 0], v }", "st.global"),
        ] {
            assert!(!text(body).contains(absent), "{body}: {}", text(body));
        }
        for (body, there) in [
            ("a = shr v, 4 : w store.w32 [y + 0], a", "shr.u32"),
            (
                "a = wmul v, v : w b = load.w32 [x + 0] : w c = wmul a, b : w store.w32 [y + 0], c",
                "mul.lo.s32",
            ),
            ("n = read.w64 [x + 0] : i if n > 8 { store.w32 [y + 0], v }", "setp.gt.s64"),
            ("loop t in 0..9 step 1 { if t > 7 { store.w32 [y + 0], v } }", "setp.gt.s64"),
        ] {
            assert!(text(body).contains(there), "{body}: {}", text(body));
        }
    }
}
