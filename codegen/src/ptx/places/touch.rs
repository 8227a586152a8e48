//! Which bytes lanes touch, and whether two lanes touch the same.

use super::{LANES, Lanes, NOWHERE, Pair, Pattern, Places, Range, Sum, TERMS, Touch, plus, times};
use kgen_ir::machine::*;

impl Places {
    /// What an access touches; `None` where it touches nothing that others wait for.
    pub fn touch(&mut self, inst: &Inst, slot: Option<usize>) -> Option<Touch> {
        let ((_, span), mem) = (inst.op.memory()?, inst.mem?);
        let mut sum = self.sum(Operand::Reg(mem.base));
        sum.fixed += i64::from(mem.offset);
        let each = |size: usize| std::array::from_fn(|l| (l * size) as i32);
        let told = |p: &mut Places, word: &Operand, by: i32, kept: Option<u32>| match word {
            Operand::Reg(reg) => match p.pattern(*word) {
                Some(mut pattern) => {
                    for (l, x) in pattern.iter_mut().enumerate() {
                        let here = kept.is_none_or(|m| m >> l & 1 == 1);
                        *x = if here { x.wrapping_mul(by) } else { NOWHERE };
                    }
                    Lanes::Known(p.number(pattern))
                }
                None => Lanes::Told(*reg),
            },
            Operand::Imm(_) => Lanes::Unknown,
        };
        let uses = inst.uses.as_slice();
        let (lanes, size) = match span {
            Span::One(width) => {
                // One lane writes for all.
                let mut pattern = [0; LANES];
                if let Op::Write(_) = inst.op {
                    pattern = [NOWHERE; LANES];
                    pattern[0] = 0;
                }
                (Lanes::Known(self.number(pattern)), width.bytes())
            }
            Span::Lanes(width) => (Lanes::Known(self.number(each(width.bytes()))), width.bytes()),
            Span::Part(width) => {
                let mut pattern: Pattern = each(width.bytes());
                if let Some(Operand::Imm(n)) = uses.last() {
                    let n = usize::try_from(*n).unwrap_or(0).min(LANES);
                    pattern[n..].fill(NOWHERE);
                }
                (Lanes::Known(self.number(pattern)), width.bytes())
            }
            // No GPU has such an op.
            Span::Rows { .. } => (Lanes::Unknown, Width::W32.bytes()),
            Span::Gather => (told(self, uses.first()?, 4, None), 4),
            Span::Apart(bytes) => match told(self, uses.first()?, 1, None) {
                Lanes::Known(number) if matches!(inst.op, Op::Squares { .. }) => {
                    (Lanes::Shared(number), bytes.into())
                }
                Lanes::Told(_) if matches!(inst.op, Op::Squares { .. }) => {
                    (Lanes::Unknown, bytes.into())
                }
                lanes @ (Lanes::Known(_) | Lanes::Told(_) | Lanes::Shared(_) | Lanes::Unknown) => {
                    (lanes, bytes.into())
                }
            },
            Span::Scattered(width) => {
                let [bytes, mask] = uses.last_chunk()?;
                let kept = self.mask(*mask);
                (told(self, bytes, 1, kept), width.bytes())
            }
        };
        Some(Touch { slot, sum, slack: (0, 0), unit: 0, lanes, size: size as i64 })
    }

    /// What each lane of an access adds to its address, `None` of lanes that touch nothing, and its bytes a lane; `None`
    /// where data say it.
    pub fn offsets(&mut self, inst: &Inst) -> Option<([Option<i64>; LANES], i64)> {
        let (pattern, size) = match (&inst.op, inst.uses.as_slice()) {
            // From there it reads; its memory operand is where it writes.
            (Op::Async(AsyncOp::Copy(size)), [_, _, from, _]) => {
                (self.pattern(*from)?, i64::from(*size))
            }
            _ => {
                let touch = self.touch(inst, None)?;
                let (number, _) = known(touch.lanes)?;
                (*self.patterns.get(number as usize)?, touch.size)
            }
        };
        Some((pattern.map(|x| (x != NOWHERE).then_some(i64::from(x))), size))
    }

    /// The access as it is seen from a later turn of a loop, whose registers were born from `start` on.
    pub fn past(&self, touch: &Touch, start: u32) -> Touch {
        let young = |reg: Reg| self.born.get(reg.index()).is_none_or(|b| *b >= start);
        let mut touch = touch.clone();
        if touch.sum.terms.iter().any(|t| young(t.0)) {
            let mut kept = vec![];
            for (reg, n) in touch.sum.terms.iter() {
                if young(*reg) {
                    let moved = times(self.range(Operand::Reg(*reg)), (*n, *n));
                    touch.slack = plus(touch.slack, moved);
                    touch.unit = common(touch.unit, *n);
                } else {
                    kept.push((*reg, *n));
                }
            }
            touch.sum.terms = kept.into();
        }
        if let Lanes::Told(reg) = touch.lanes
            && young(reg)
        {
            touch.lanes = Lanes::Unknown;
        }
        touch
    }

    /// When what a loop defines is born.
    pub fn start(&self, l: &Loop) -> u32 {
        self.born.get(l.var.index()).copied().unwrap_or(0)
    }

    /// First and last byte that lanes touch, from the sum on.
    fn extent(&self, touch: &Touch) -> Option<Range> {
        match touch.lanes {
            Lanes::Known(number) | Lanes::Shared(number) => {
                let (lo, hi) = self.spans.get(number as usize).copied().flatten()?;
                Some((i64::from(lo), i64::from(hi) + touch.size))
            }
            Lanes::Told(_) | Lanes::Unknown => None,
        }
    }

    /// Do two lanes touch the same byte? `None`: that cannot be told.
    pub fn meet(&mut self, a: &Touch, b: &Touch) -> Option<bool> {
        if let (Some(x), Some(y)) = (a.slot, b.slot)
            && x != y
        {
            return Some(false);
        }
        let mut away = plus(a.slack, times(b.slack, (-1, -1)));
        let mut unit = common(a.unit, b.unit);
        if a.sum.terms != b.sum.terms {
            let mut terms = 0;
            for (reg, n) in difference(&a.sum, &b.sum) {
                away = plus(away, times(self.range(Operand::Reg(reg)), (n, n)));
                unit = common(unit, n);
                terms += 1;
            }
            if terms > TERMS {
                return None;
            }
        }
        let apart = a.sum.fixed - b.sum.fixed;
        let (lo, hi) = plus(away, (apart, apart));
        if let (Lanes::Told(x), Lanes::Told(y)) = (a.lanes, b.lanes)
            && (x, lo, hi, a.size) == (y, 0, 0, b.size)
        {
            // Each lane its own.
            return Some(false);
        }
        let ((from, to), (start, end)) = (self.extent(a)?, self.extent(b)?);
        if to + hi <= start || end <= from + lo {
            return Some(false);
        }
        let ((x, shared), (y, read)) = (known(a.lanes)?, known(b.lanes)?);
        // All that they can be apart: one number, or each that is so much more than another.
        let (first, unit) = if lo == hi { (lo, 0) } else { (apart.rem_euclid(unit), unit) };
        let key: Pair = ([x, y], [first, unit, a.size, b.size], shared || read);
        let met = match self.met.get(&key) {
            Some(met) => *met,
            None => {
                let [p, q] = [x, y].map(|n| self.patterns.get(n as usize).copied());
                let met = meeting(&p?, &q?, (first, unit), [a.size, b.size], shared || read);
                self.met.insert(key, met);
                met
            }
        };
        (unit == 0 || !met).then_some(met)
    }
}

/// Do bytes of two patterns meet, the first so far behind the second, or by a multiple of the unit more or less?
/// `shared`: also those of one lane.
fn meeting(p: &Pattern, q: &Pattern, by: (i64, i64), size: [i64; 2], shared: bool) -> bool {
    let (first, unit) = by;
    // Where lanes begin, in order; with a unit, how far behind a multiple of it.
    let there = |p: &Pattern, by: i64| {
        let place = |x: i32| match unit {
            0 => i64::from(x) + by,
            _ => (i64::from(x) + by).rem_euclid(unit),
        };
        let lanes = p.iter().enumerate().filter(|(_, x)| **x != NOWHERE);
        let mut all: Vec<(i64, usize)> = lanes.map(|(l, x)| (place(*x), l)).collect();
        all.sort_unstable();
        all
    };
    let (p, q) = (there(p, first), there(q, 0));
    let turns = if unit == 0 { 0..=0 } else { -1..=1 };
    // From the start of the one to the start of the other: less than the size of the one that comes first.
    p.into_iter().any(|(x, l)| {
        turns.clone().any(|turn| {
            let x = x + turn * unit;
            let near = q.partition_point(|(y, _)| *y <= x - size[1]);
            let near = q[near..].iter().take_while(|(y, _)| *y < x + size[0]);
            near.into_iter().any(|(_, m)| l != *m || shared)
        })
    })
}

/// The terms of one sum less those of another, which are in the order of their registers.
fn difference(a: &Sum, b: &Sum) -> impl Iterator<Item = (Reg, i64)> {
    let (mut a, mut b) = (a.terms.iter().peekable(), b.terms.iter().peekable());
    let next = move || match (a.peek().copied(), b.peek().copied()) {
        (Some(x), Some(y)) if x.0 == y.0 => {
            a.next();
            b.next();
            Some((x.0, x.1 - y.1))
        }
        (Some(x), y) if y.is_none_or(|y| x.0 < y.0) => {
            a.next();
            Some(*x)
        }
        (_, Some(y)) => {
            b.next();
            Some((y.0, -y.1))
        }
        (_, None) => None,
    };
    std::iter::from_fn(next).filter(|(_, n)| *n != 0)
}

/// The greatest that divides both (Euclid).
fn common(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { common(b, a % b) }
}

/// The pattern, and whether it is not asked which lane is which.
fn known(lanes: Lanes) -> Option<(u32, bool)> {
    match lanes {
        Lanes::Known(number) => Some((number, false)),
        Lanes::Shared(number) => Some((number, true)),
        Lanes::Told(_) | Lanes::Unknown => None,
    }
}
