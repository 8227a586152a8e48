//! Rings of tiles in scratch: while one tile of keys is used, later ones are on their way.
//!
//! ```text
//! stage(kv.k_ring[0:32, 0:128], kv.k[seq, lo:32, h, 0:128]) rows 0..hi - lo
//! commit
//! wait 0
//! for j in lo..hi step 32 ... {
//!   let slot = (j - lo) / 32 % 2
//!   stage(kv.k_ring[(1 - slot) * 32:32, 0:128], kv.k[seq, j + 32:32, h, 0:128]) rows 0..hi - j - 32
//!   commit
//!   k = load(kv.k_ring[slot * 32:32, 0:128]) : f16[32, 128]
//!   ...
//!   wait 0
//! }
//! ```
//!
//! Where keys are looked up, a tile comes in pieces: as many rows as one look-up finds side by side.

use super::{keys::Open, matrix::ROWS, *};
use kgen_ir::{layout::banks::CHUNK, target::Target};

/// How tiles of a segment come and stay.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    /// Keys of a tile, and how many tiles there is room for.
    pub keys: usize,
    pub stages: usize,
    /// Elements of a row of keys, with those that fill it up.
    pub width: usize,
    /// Of the values: the first, and how many; nothing of values that are a part of the keys.
    pub columns: (usize, usize),
    /// The same number with columns that fill up what an instruction takes.
    pub wide: usize,
    /// Registers keep what is copied until it is waited for: keys are put down before values come.
    pub kept: bool,
    /// Lanes hold right operands twice, and no square is read at once: what looks at values is done together with the
    /// products of the same ones.
    pub twice: bool,
}

/// What of a tile comes.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    All,
    /// All, while nothing else is done.
    Alone,
    Keys,
    Values,
}

/// A range of keys, from the first key of its first tile.
pub(super) struct Range<'a> {
    pub open: &'a Open<'a>,
    pub start: &'a Extent,
    pub lo: &'a Extent,
    pub hi: &'a Extent,
    /// Rows see different keys of its tiles: values are looked at before they are used.
    pub apart: bool,
    /// It ends where a tile does: a tile is there, or it is not.
    pub whole: bool,
}

/// What is done between the two products of a tile.
pub(super) type Between<'a> = dyn Fn(&mut Builder) + 'a;

/// Rows that are copied at once by way of registers where nothing else is done meanwhile.
const ALONE: usize = 8;

/// Pieces of a tile that are written one by one; more are a loop.
const UNROLLED: usize = 4;

impl Ring {
    /// Bytes of all slots.
    pub fn bytes(&self, own_values: bool, elem: Dtype) -> usize {
        let values = if own_values { self.wide } else { 0 };
        self.stages * self.keys * (self.width + values) * elem.bytes().unwrap_or(4)
    }

    /// Words of a lane for a sum of each row and column.
    pub fn sums(&self, target: &Target) -> usize {
        (ROWS * self.wide).div_ceil(target.lanes)
    }

    /// Words of a lane for the sums, the scores of a tile and the `terms` that they become, and what is on its way in
    /// registers: chunks of four words, each with a place and a guard.
    pub fn registers(
        &self,
        target: &Target,
        (own_values, elem): (bool, Dtype),
        terms: usize,
    ) -> usize {
        let sums = self.sums(target);
        let scores = (1 + terms) * (ROWS * self.keys).div_ceil(target.lanes);
        match self.stages {
            1 => sums + scores.max(self.alone(target, own_values, elem)),
            _ => sums + scores + self.copied(target, own_values, elem, self.keys),
        }
    }

    /// What is on its way where nothing else is done.
    pub fn alone(&self, target: &Target, own_values: bool, elem: Dtype) -> usize {
        self.copied(target, own_values, elem, self.keys.min(ALONE))
    }

    /// So many rows of keys or values in registers.
    fn copied(&self, target: &Target, own_values: bool, elem: Dtype, rows: usize) -> usize {
        let widest = if own_values { self.width.max(self.wide) } else { self.width };
        let chunks = (widest * elem.bytes().unwrap_or(4)).div_ceil(CHUNK);
        // As many rows at once as lanes have for whole ones, a power of two.
        let at_once = 1 << (target.lanes / chunks.min(target.lanes)).ilog2();
        let copies = rows.div_ceil(at_once) * chunks.div_ceil(target.lanes);
        if self.kept { (CHUNK / 4 + 2) * copies } else { 0 }
    }

    pub fn scratch(&self, b: &mut Builder, seg: &Seg<'_>) {
        let rows = self.stages * self.keys;
        b.scratch(&seg.name("k_ring"), seg.k.elem(), &[rows, self.width]);
        if let Some(v) = &seg.v {
            b.scratch(&seg.name("v_ring"), v.elem(), &[rows, self.wide]);
        }
    }

    /// Queries are on their way with the first tile, or before it where registers keep them.
    pub fn queries(&self, b: &mut Builder) {
        if self.kept {
            b.commit();
            b.wait(0);
        }
    }

    /// Behind all tiles: the queries of a task without `keys`, which no tile has waited for. The next task brings its own.
    pub fn settle(&self, b: &mut Builder, keys: Extent) {
        if self.kept {
            return;
        }
        let none = Predicate { left: keys, cmp: Compare::Le, right: Extent::Lit(0) };
        b.choose(
            none,
            |b| {
                b.commit();
                b.wait(0);
            },
            |_| {},
        );
    }

    /// Rows that are copied side by side, as one look-up finds them: a power of two.
    fn piece(&self, seg: &Seg<'_>, of: Of) -> usize {
        let divides = |n: i64| if n == 0 { i64::MAX } else { n & n.wrapping_neg() };
        let most = match seg.spec.layout {
            KvLayout::Dense => self.keys as i64,
            KvLayout::Paged(page) => divides(page),
            KvLayout::Ring { keep_first, recent } => divides(keep_first).min(divides(recent)),
        };
        let most = usize::try_from(most).unwrap_or(self.keys);
        most.min(if of == Of::Alone { ALONE } else { self.keys })
    }

    /// The tile that begins at `first` is on its way to `slot`; the first one of a range with keys `is_there`.
    fn tile(
        &self,
        b: &mut Builder,
        s: &Shape<'_>,
        r: &Range<'_>,
        (first, slot): (&Extent, &Extent),
        (of, is_there): (Of, bool),
    ) {
        let of = (of, is_there);
        let piece = self.piece(r.open.seg, of.0);
        let count = self.keys / piece;
        if count <= UNROLLED {
            for i in 0..count {
                self.part(b, s, r, (piece, first, slot), (&Extent::from(i), of));
            }
            return;
        }
        let i = b.var("piece");
        b.for_each("piece", (Extent::Lit(0), Extent::from(count), 1), &[], |b, _| {
            self.part(b, s, r, (piece, first, slot), (&i, of));
            vec![]
        });
    }

    /// Piece `i` of a tile.
    fn part(
        &self,
        b: &mut Builder,
        s: &Shape<'_>,
        Range { open, start, lo, hi, whole, .. }: &Range<'_>,
        (piece, first, slot): (usize, &Extent, &Extent),
        (i, (of, is_there)): (&Extent, (Of, bool)),
    ) {
        let seg = open.seg;
        let tiles =
            if is_there { Extent::Lit(1) } else { ((*hi).clone() - first.clone()) / self.keys };
        let first = b.scalar("first", first.clone() + i.clone() * piece);
        let rows = Slice::range(slot.clone() * self.keys + i.clone() * piece, piece);
        let head = Slice::point(open.head.clone());
        let lead = if open.tiled() {
            let own = |x: Extent| Slice::range(x, piece);
            if seg.packed() {
                vec![own(open.base.clone() + first.clone()), head]
            } else {
                vec![Slice::point(open.copy.clone()), own(first.clone()), head]
            }
        } else {
            // A piece behind the end is looked up where the last key is.
            let known = b.scalar("known", first.clone().min((*hi).clone() - 1i64));
            let mut lead = keys::slot(b, open, &known, "page");
            if let Some(last) = lead.last_mut() {
                last.len = Some(piece);
            }
            [lead, vec![head]].concat()
        };
        // Tiles that begin with the range have no row before it.
        let before = if start == lo { Extent::Lit(0) } else { (*lo).clone() - first.clone() };
        let after = if *whole { tiles * piece } else { (*hi).clone() - first };
        let held = (before, after);
        let from =
            |column: usize, count: usize| [&lead[..], &[Slice::range(column, count)]].concat();
        let to = |width: usize| vec![rows.clone(), Slice::range(0, width)];
        if of != Of::Values {
            let (ring, name) = (seg.name("k_ring"), seg.k_name());
            b.stage((&ring, to(self.width)), (&name, from(0, s.dim)), held.clone());
        }
        let alone = |b: &mut Builder| {
            if of == Of::Alone {
                b.wait(0);
            }
        };
        alone(b);
        if of != Of::Keys && seg.v.is_some() {
            let (ring, name) = (seg.name("v_ring"), seg.v_name());
            let (column, count) = self.columns;
            b.stage((&ring, to(self.wide)), (&name, from(column, count)), held);
            alone(b);
        }
    }

    /// `body` for every tile of a range, with the first key and the first row of the ring's slot, and what it does once
    /// it has the scores.
    pub fn walk(
        &self,
        b: &mut Builder,
        s: &Shape<'_>,
        r: &Range<'_>,
        var: &str,
        state: &[(&str, Value)],
        body: impl FnOnce(&mut Builder, (&Extent, &Extent), &[Value], &Between<'_>) -> Vec<Value>,
    ) -> Vec<Value> {
        let (keys, mut ahead) = (self.keys, self.stages - 1);
        // Registers have room for counts, or for what is on its way.
        if self.kept && r.apart {
            ahead = 0;
        }
        let some = Predicate { left: r.hi.clone(), cmp: Compare::Gt, right: r.lo.clone() };
        if ahead > 0 {
            b.choose(
                some,
                |b| {
                    for turn in 0..ahead {
                        let first = r.start.clone() + turn * keys;
                        self.tile(b, s, r, (&first, &Extent::from(turn)), (Of::All, turn == 0));
                        b.commit();
                    }
                    b.wait(ahead - 1);
                },
                |_| {},
            );
        }
        let j = b.var(var);
        let state = b.for_each(var, (r.start.clone(), r.hi.clone(), keys), state, |b, state| {
            let turn = b.scalar("turn", (j.clone() - r.start.clone()) / keys);
            let slot = b.scalar("slot", turn.clone() % self.stages);
            let next = b.scalar("next", (turn + ahead) % self.stages);
            let place = (&(j.clone() + ahead * keys), &next);
            let halves = self.kept && ahead > 0 && r.open.seg.v.is_some();
            let of = match (self.kept, ahead) {
                (true, 0) => Of::Alone,
                (true, _) if halves => Of::Keys,
                (_, _) => Of::All,
            };
            self.tile(b, s, r, place, (of, ahead == 0));
            // What looks at values first commits behind that.
            if self.kept || !r.apart || ahead == 0 {
                b.commit();
            }
            if ahead == 0 {
                b.wait(0);
            }
            let between = |b: &mut Builder| {
                if halves {
                    b.wait(0);
                    self.tile(b, s, r, place, (Of::Values, false));
                    b.commit();
                }
            };
            let state = body(b, (&j, &(slot * keys)), state, &between);
            if ahead > 0 {
                b.wait(ahead - 1);
            }
            state
        });
        if ahead > 1 {
            b.wait(0);
        }
        state
    }
}
