//! Sectors of global memory that accesses touch, as the kernel lets one foresee.
//!
//! ```text
//! p = iadd x, o : i               x is 0 modulo 32, o is 0 modulo 16
//! a = load.w32 [p + 0] : w        4 bytes a lane, one behind the other: 4 sectors, or 5 where p is 16 modulo 32
//! ```
//!
//! A sector has 32 bytes. An element is at a multiple of its size, so that it lies in one; an access touches as many
//! sectors as its lanes' addresses have quotients by 32. All that their number depends on, beside what each lane adds, is
//! the base modulo 32, which follows from the arguments of a launch by the rules of sums and products. Where it does not,
//! every base counts that puts the elements at multiples of their size.

use super::{emit, places::Places, targets::LANES};
use kgen_ir::{diag::Unsupported, machine::*, target::Target};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a sector.
const SECTOR: i64 = 32;
/// Residues are known modulo no more than this.
const LARGEST: i64 = 1 << 20;

/// An integer as far as it is known: the rest of a division by a power of two, or of modulus 0 the integer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Residue {
    modulus: i64,
    rest: i64,
}

impl Residue {
    const UNKNOWN: Residue = Residue { modulus: 1, rest: 0 };

    /// Of a number that others differ from by multiples of this. The power of two in it counts.
    fn new(modulus: i64, rest: i64) -> Residue {
        match modulus & modulus.wrapping_neg() {
            0 => Residue { modulus: 0, rest },
            power => {
                let modulus = power.clamp(1, LARGEST);
                Residue { modulus, rest: rest.rem_euclid(modulus) }
            }
        }
    }

    fn of(x: i64) -> Residue {
        Residue::new(0, x)
    }

    fn exact(self) -> Option<i64> {
        (self.modulus == 0).then_some(self.rest)
    }

    fn plus(self, other: Residue, times: i64) -> Residue {
        let rest = self.rest.wrapping_add(times.wrapping_mul(other.rest));
        Residue::new(self.modulus | other.modulus, rest)
    }

    /// (r + am) (s + bn) = rs + rbn + sam + abmn.
    fn times(self, other: Residue) -> Residue {
        if let (Some(r), Some(s)) = (self.exact(), other.exact()) {
            return Residue::of(r.wrapping_mul(s));
        }
        let [(m, r), (n, s)] = [self, other].map(|x| match x.modulus {
            0 => (LARGEST, x.rest.rem_euclid(LARGEST)),
            modulus => (modulus, x.rest),
        });
        Residue::new((r * n) | (s * m) | (m * n), r * s)
    }

    /// What is either.
    fn or(self, other: Residue) -> Residue {
        let apart = self.rest.wrapping_sub(other.rest);
        Residue::new(self.modulus | other.modulus | apart, self.rest)
    }

    /// Rounded down.
    fn over(self, by: i64) -> Residue {
        match (self.exact(), by) {
            (Some(x), 1..) => Residue::of(x.div_euclid(by)),
            (None, 1..) if by.count_ones() == 1 && self.modulus >= by => {
                Residue::new(self.modulus / by, self.rest / by)
            }
            _ => Residue::UNKNOWN,
        }
    }
}

/// What each lane adds, `None` of lanes that touch nothing.
type Offsets = [Option<i64>; LANES];

/// An access: its base, what lanes add, bytes a lane.
#[derive(Clone, Debug)]
pub struct Access {
    base: Residue,
    lanes: Offsets,
    size: i64,
}

impl Access {
    /// The least and the most sectors of an execution by these lanes, a bit each; `None` where no base lets all of them
    /// touch their element.
    pub fn sectors(&self, mask: u32) -> Option<(u64, u64)> {
        let taking = (0..LANES).filter(|l| mask >> l & 1 == 1);
        let lanes: Vec<i64> = taking.map(|l| self.lanes[l]).collect::<Option<_>>()?;
        let unit = match self.base.modulus {
            0 => SECTOR,
            modulus => modulus.min(SECTOR),
        };
        let bases = (0..SECTOR).filter(|base| {
            base % unit == self.base.rest.rem_euclid(unit)
                && lanes.iter().all(|lane| (base + lane) % self.size == 0)
        });
        let touched = |base: i64| {
            let sectors = lanes.iter().map(|lane| (base + lane).div_euclid(SECTOR));
            sectors.collect::<BTreeSet<i64>>().len() as u64
        };
        let all: Vec<u64> = bases.map(touched).collect();
        Some((*all.iter().min()?, *all.iter().max()?))
    }
}

/// The accesses of global memory of a kernel, by the line of its text.
pub struct Accesses<'a> {
    kernel: &'a Kernel,
    places: Places,
    lines: Vec<(u32, &'a Inst)>,
}

impl<'a> Accesses<'a> {
    pub fn of(kernel: &'a Kernel, target: &'a Target) -> Result<Accesses<'a>, Unsupported> {
        let lines = emit::globals(kernel, target)?;
        Ok(Accesses { kernel, places: Places::of(kernel), lines })
    }

    /// As a launch with these arguments does them; `None` where data say what a lane adds.
    pub fn at(&mut self, args: &[u64]) -> BTreeMap<u32, Option<Access>> {
        let count = self.kernel.regs.len();
        let mut values = Values {
            args,
            places: &self.places,
            ints: vec![Residue::UNKNOWN; count],
            words: vec![None; count],
        };
        values.block(&self.kernel.body);
        let Values { ints, words, .. } = values;
        let int = |o: &Operand| integer(&ints, *o);
        let mut access = |inst: &Inst| {
            let mem = inst.mem?;
            // Bytes that lanes say themselves, and how far one of their numbers is.
            let (base, told) = match (&inst.op, inst.uses.as_slice()) {
                (Op::Async(AsyncOp::Copy(_)), [_, base, told, _]) => (int(base), Some((told, 1))),
                (op, uses) => {
                    let base = int(&Operand::Reg(mem.base));
                    let told = match (op, uses) {
                        (Op::Gather, [told]) => Some((told, 4)),
                        (Op::GatherPart(_), [told, _]) | (Op::Scatter(_), [_, told, _]) => {
                            Some((told, 1))
                        }
                        _ => None,
                    };
                    (base.plus(Residue::of(mem.offset.into()), 1), told)
                }
            };
            if let Some((lanes, size)) = self.places.offsets(inst) {
                return Some(Access { base, lanes, size });
            }
            let (Operand::Reg(reg), by) = told? else { return None };
            let word = words.get(reg.index())?.as_ref()?;
            let lanes = word.lanes.map(|x| Some(x.wrapping_mul(by)));
            let base = base.plus(word.all.times(Residue::of(by)), 1);
            Some(Access { base, lanes, size: bytes(&inst.op)? })
        };
        self.lines.iter().map(|(line, inst)| (*line, access(inst))).collect()
    }
}

/// Bytes a lane.
fn bytes(op: &Op) -> Option<i64> {
    if let Op::Async(AsyncOp::Copy(bytes)) = op {
        return Some(i64::from(*bytes));
    }
    match op.memory()?.1 {
        Span::One(w) | Span::Lanes(w) | Span::Part(w) | Span::Scattered(w) => {
            i64::try_from(w.bytes()).ok()
        }
        Span::Gather | Span::Rows { .. } => Some(4),
        Span::Apart(bytes) => Some(bytes.into()),
    }
}

/// What is the same in all lanes, and what each adds to it.
#[derive(Clone, PartialEq)]
struct Word {
    all: Residue,
    lanes: [i64; LANES],
}

impl Word {
    /// If it is one in all lanes.
    fn number(&self) -> Option<i64> {
        let first = self.lanes[0];
        let same = self.lanes.iter().all(|x| *x == first);
        self.all.exact().filter(|_| same).map(|all| all.wrapping_add(first))
    }

    fn scaled(&self, by: i64) -> Word {
        Word { all: self.all.times(Residue::of(by)), lanes: self.lanes.map(|x| x.wrapping_mul(by)) }
    }

    fn plus(&self, other: &Word, times: i64) -> Word {
        let lanes =
            std::array::from_fn(|l| self.lanes[l].wrapping_add(times.wrapping_mul(other.lanes[l])));
        Word { all: self.all.plus(other.all, times), lanes }
    }
}

/// What registers hold, given the arguments.
struct Values<'a> {
    args: &'a [u64],
    places: &'a Places,
    ints: Vec<Residue>,
    words: Vec<Option<Word>>,
}

fn integer(ints: &[Residue], operand: Operand) -> Residue {
    match operand {
        Operand::Imm(x) => Residue::of(x),
        Operand::Reg(reg) => ints.get(reg.index()).copied().unwrap_or(Residue::UNKNOWN),
    }
}

impl Values<'_> {
    fn word(&self, operand: Operand) -> Option<&Word> {
        let Operand::Reg(reg) = operand else { return None };
        self.words.get(reg.index())?.as_ref()
    }

    fn set(&mut self, to: Reg, (int, word): (Residue, Option<Word>)) {
        let i = to.index();
        if let (Some(own), Some(lanes)) = (self.ints.get_mut(i), self.words.get_mut(i)) {
            (*own, *lanes) = (int, word);
        }
    }

    /// What is one of two registers.
    fn either(&self, a: Reg, b: Reg) -> (Residue, Option<Word>) {
        let [x, y] = [a, b].map(|reg| integer(&self.ints, Operand::Reg(reg)));
        let words = self.word(Operand::Reg(a)).zip(self.word(Operand::Reg(b)));
        let word = words.filter(|(a, b)| a.lanes == b.lanes);
        (x.or(y), word.map(|(a, b)| Word { all: a.all.or(b.all), lanes: a.lanes }))
    }

    fn block(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    if let Some(def) = inst.def {
                        let value = (self.int(inst), self.lanes(inst, def));
                        self.set(def, value);
                    }
                }
                Stmt::Loop(l) => {
                    let (lo, step) = (integer(&self.ints, l.lo), integer(&self.ints, l.step));
                    let turns = Residue::new(lo.modulus | step.modulus | step.rest, lo.rest);
                    self.set(l.var, (turns, None));
                    for c in &l.carried {
                        let value = self.either(c.init, c.init);
                        self.set(c.param, value);
                    }
                    // Each time less is known, until it holds for all turns.
                    loop {
                        self.block(&l.body);
                        let mut more = false;
                        for c in &l.carried {
                            let value = self.either(c.param, c.yielded);
                            more |= value != self.either(c.param, c.param);
                            self.set(c.param, value);
                        }
                        if !more {
                            break;
                        }
                    }
                    for c in &l.carried {
                        let value = self.either(c.param, c.param);
                        self.set(c.result, value);
                    }
                }
                Stmt::If(i) => {
                    self.block(&i.then);
                    self.block(&i.otherwise);
                    for (result, a, b) in &i.yields {
                        let value = self.either(*a, *b);
                        self.set(*result, value);
                    }
                }
            }
        }
    }

    fn int(&self, inst: &Inst) -> Residue {
        let of = |o: &Operand| integer(&self.ints, *o);
        match (&inst.op, inst.uses.as_slice()) {
            (Op::Arg, [Operand::Imm(slot)]) => {
                let arg = usize::try_from(*slot).ok().and_then(|slot| self.args.get(slot));
                arg.map_or(Residue::UNKNOWN, |arg| Residue::of(*arg as i64))
            }
            (Op::Const, [x]) => of(x),
            (Op::Int(op), [a, b]) => {
                let (x, y) = (of(a), of(b));
                match (op, b) {
                    (IntOp::Add, _) => x.plus(y, 1),
                    (IntOp::Sub, _) => x.plus(y, -1),
                    (IntOp::Mul, _) => x.times(y),
                    (IntOp::Min | IntOp::Max, _) => x.or(y),
                    (IntOp::Div, Operand::Imm(n)) => x.over(*n),
                    // A multiple of the divisor less.
                    (IntOp::Rem, _) => Residue::new(x.modulus | y.modulus | y.rest, x.rest),
                    (IntOp::Div, Operand::Reg(_)) => Residue::UNKNOWN,
                }
            }
            _ => Residue::UNKNOWN,
        }
    }

    fn lanes(&self, inst: &Inst, def: Reg) -> Option<Word> {
        if let Some(lanes) = self.places.lanes(def) {
            return Some(Word { all: Residue::of(0), lanes: lanes.map(i64::from) });
        }
        let word = |o: &Operand| self.word(*o);
        match (&inst.op, inst.uses.as_slice()) {
            (Op::Spread, [x]) => Some(Word { all: integer(&self.ints, *x), lanes: [0; LANES] }),
            (Op::Word(WordOp::Add), [a, b]) => Some(word(a)?.plus(word(b)?, 1)),
            (Op::Word(WordOp::Sub), [a, b]) => Some(word(a)?.plus(word(b)?, -1)),
            (Op::Word(WordOp::Mul), [a, b]) => {
                let (a, b) = (word(a)?, word(b)?);
                match (a.number(), b.number()) {
                    (_, Some(by)) => Some(a.scaled(by)),
                    (Some(by), None) => Some(b.scaled(by)),
                    (None, None) => None,
                }
            }
            (Op::Shift(ShiftOp::Left), [a, Operand::Imm(n @ 0..32)]) => {
                Some(word(a)?.scaled(1 << n))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kgen_ir::machine::parse::parse;

    fn access(modulus: i64, lanes: impl Fn(i64) -> i64, size: i64) -> Access {
        let lanes = std::array::from_fn(|l| Some(lanes(l as i64)));
        Access { base: Residue::new(modulus, 0), lanes, size }
    }

    #[test]
    fn sectors_follow_from_bases_and_lanes() {
        let all = |access: Access| access.sectors(u32::MAX).expect("some base");
        // 128 bytes side by side.
        assert_eq!(all(access(32, |l| 4 * l, 4)), (4, 4));
        assert_eq!(all(access(1, |l| 4 * l, 4)), (4, 5));
        assert_eq!(all(access(16, |l| 4 * l, 4)), (4, 5));
        // Every other word of 256 bytes: from a base of 8 on, the last is at 256.
        assert_eq!(all(access(32, |l| 8 * l, 4)), (8, 8));
        assert_eq!(all(access(8, |l| 8 * l, 4)), (8, 9));
        // One place for all.
        assert_eq!(all(access(1, |_| 12, 4)), (1, 1));
        // Bytes: a sector, or two.
        assert_eq!(all(access(32, |l| l, 1)), (1, 1));
        assert_eq!(all(access(1, |l| l, 1)), (1, 2));
        // Eight rows, 18 bytes apart, of four halves: at 0, 18 .. 126; the sixth crosses 96, the last 128 and ends at 134.
        assert_eq!(all(access(32, |l| 18 * (l / 4) + 2 * (l % 4), 2)), (5, 5));
        // Rows of 16 bytes, 64 bytes apart, in two pieces of 8.
        assert_eq!(all(access(32, |l| 64 * (l / 2) + 8 * (l % 2), 8)), (16, 16));
        assert_eq!(all(access(8, |l| 64 * (l / 2) + 8 * (l % 2), 8)), (16, 32));
        // Elements of 16 bytes know more of the base than that it is anything.
        assert_eq!(all(access(1, |l| 16 * l, 16)), (16, 17));
        assert_eq!(all(access(32, |l| 16 * l, 16)), (16, 16));
    }

    #[test]
    fn lanes_that_are_kept_off_touch_nothing() {
        let words = access(32, |l| 4 * l, 4);
        assert_eq!(words.sectors(1), Some((1, 1)));
        assert_eq!(words.sectors(0x1ff), Some((2, 2)));
        assert_eq!(access(1, |l| 4 * l, 4).sectors(0x3ff), Some((2, 3)));
        // No base puts a word at both an even and an odd address; a lane that touches nothing has no place.
        assert_eq!(access(1, |l| l, 4).sectors(3), None);
        let mut one = words;
        one.lanes[1] = None;
        assert_eq!((one.sectors(1), one.sectors(2)), (Some((1, 1)), None));
    }

    #[test]
    fn residues_are_sound() {
        let of = |modulus: i64, rest: i64| (modulus, rest);
        let cases =
            [of(1, 0), of(4, 3), of(8, 4), of(16, 0), of(LARGEST, 24), of(0, 12), of(0, -1)];
        for (m, r) in cases {
            for (n, s) in cases {
                let (x, y) = (Residue::new(m, r), Residue::new(n, s));
                for (i, j) in [(0, 0), (1, 0), (3, 5), (-2, 7)] {
                    let (a, b) = (r + i * m, s + j * n);
                    let holds = |known: Residue, value: i64| match known.exact() {
                        Some(x) => value == x,
                        None => (value - known.rest) % known.modulus == 0,
                    };
                    assert!(holds(x.plus(y, 1), a + b) && holds(x.plus(y, -1), a - b));
                    assert!(holds(x.times(y), a * b), "{a} {b} {:?}", x.times(y));
                    assert!(holds(x.or(y), a) && holds(x.or(y), b));
                    assert!(holds(x.over(4), a.div_euclid(4)));
                }
            }
        }
        assert_eq!(Residue::of(8).times(Residue::UNKNOWN), Residue::new(8, 0));
        assert_eq!(Residue::new(8, 4).times(Residue::of(4)), Residue::new(32, 16));
        assert_eq!(Residue::of(12).or(Residue::of(4)), Residue::new(8, 4));
        assert_eq!(Residue::new(64, 40).over(8), Residue::new(8, 5));
        assert_eq!(Residue::of(1 << 50).times(Residue::new(LARGEST, 0)), Residue::new(LARGEST, 0));
    }

    /// The least and the most of each line of a kernel with an input `x` and an output `y`, with all lanes.
    fn lines(body: &str, args: &[u64]) -> Vec<Option<(u64, u64)>> {
        let text = format!(
            "machine m lanes 32 {{ slot 0 = pointer x slot 1 = pointer y x = arg 0 : i y = arg 1 : i
             v = iota : w {body} }}"
        );
        let kernel = parse(&text).unwrap_or_else(|e| panic!("{e:?} in {text}"));
        let target = &super::super::targets::CHIPS[0].target;
        let mut accesses = Accesses::of(&kernel, target).unwrap_or_else(|e| panic!("{e}"));
        // The lines are those of the text as it is.
        let (text, _) = super::super::emit(&kernel, target).unwrap_or_else(|e| panic!("{e}"));
        let named: Vec<u32> = (1..)
            .zip(text.lines())
            .filter(|(_, l)| l.contains(".global"))
            .map(|(n, _)| n)
            .collect();
        let found = accesses.at(args);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), named, "{text}");
        found.into_values().map(|a| a?.sectors(u32::MAX)).collect()
    }

    #[test]
    fn bases_follow_from_arguments() {
        let (four, five) = (Some((4, 4)), Some((5, 5)));
        for (body, args, expected) in [
            ("a = load.w32 [x + 0] : w", &[][..], vec![Some((4, 5))]),
            ("a = load.w32 [x + 0] : w", &[64], vec![four]),
            ("a = load.w32 [x + 4] : w", &[64], vec![five]),
            ("a = load.w32 [x + 28] : w", &[4], vec![four]),
            // So many bytes as nobody knows, times 32, times 8.
            (
                "n = read.w64 [x + 0] : i o = imul n, 32 : i z = iadd x, o : i a = load.w32 [z + 0] : w
                 p = imul n, 8 : i q = iadd x, p : i b = load.w32 [q + 0] : w",
                &[64],
                vec![Some((1, 1)), four, Some((4, 5))],
            ),
            (
                "loop t in 0..9 step 4 { o = imul t, 8 : i z = iadd x, o : i a = load.w32 [z + 0] : w }",
                &[64],
                vec![four],
            ),
            // An address that a loop carries, 32 and 16 bytes on.
            (
                "e = loop t in 0..9 step 1 carry c = x { a = load.w32 [c + 0] : w d = iadd c, 32 : i } yield d
                 f = loop u in 0..9 step 1 carry g = x { b = load.w32 [g + 0] : w h = iadd g, 16 : i } yield h",
                &[64],
                vec![four, Some((4, 5))],
            ),
            // What lanes say: eight bytes each, behind so many times 32 bytes that all share; then what memory says.
            (
                "n = read.w64 [x + 0] : i s = spread n : w t = shl s, 5 : w o = shl v, 3 : w u = wadd t, o : w
                 m = wcmp.eq v, v : m a = gatherpart.w32 [x + 0], u, m : w
                 b = gatherpart.w32 [x + 0], a, m : w scatter.w32 [y + 0], v, o, m",
                &[64, 68],
                vec![Some((1, 1)), Some((8, 8)), None, Some((8, 8))],
            ),
            // Lanes as far apart as an argument says: 12 bytes, the first at 48 and the last at 420.
            (
                "e = wconst 4 : w o = wadd v, e : w s = spread y : w t = wmul o, s : w m = wcmp.eq v, v : m
                 a = gatherpart.w32 [x + 0], t, m : w",
                &[64, 12],
                vec![Some((13, 13))],
            ),
        ] {
            assert_eq!(lines(body, args), expected, "{body}");
        }
    }
}
