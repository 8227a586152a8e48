//! Segments of keys: how many a sequence has, where a tile of them lies, tiles of keys and values as floats.
//!
//! ```text
//! rows      k0 = load(kv.k[seq, j:16, h, 0:64])                             neighbours in memory
//! pages     read page = kv.block_table[seq, j / 64]                         pages hold whole tiles
//!           k0 = load(kv.k_pages[page, j % 64:16, h, 0:64])
//! gather    for r in 0..16 { read page = kv.block_table[seq, (j + r) / 3]   each key is looked up,
//!             store(kv.k_tile[r, 0:64], load(kv.k_pages[..])) }             its row copied
//! ```

use super::{planes::Bytes, stored::Stored, *};

/// A segment, with what follows from its form.
pub(super) struct Seg<'a> {
    pub spec: &'a Segment,
    /// Kv heads in the order of its tensors.
    pub heads: Vec<i64>,
    pub k: Stored,
    /// `None`: the first elements of k.
    pub v: Option<Stored>,
    /// Keys of a tile.
    pub keys: usize,
    pub walk: Walk,
    /// Whole tiles of keys are multiplied as bytes.
    pub bytes: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// Neighbouring keys are neighbours in memory.
    Rows,
    /// Tiles begin at multiples of their size and lie in one page.
    Pages(i64),
    /// Each key is looked up.
    Gather,
}

pub(super) fn segment<'a>(a: &'a Attention, spec: &'a Segment, choice: &Choice) -> Result<Seg<'a>> {
    let v = match spec.v.as_ref().unwrap_or(&a.kv.v) {
        KvValue::Stored(s) => Some(Stored::new(s, a.kv.v_dim as usize, "v", choice)?),
        KvValue::PrefixOfK(_) => None,
    };
    let lanes = choice.target.lanes;
    let keys = mask::tile(&spec.mask, choice.schedule.keys.next_multiple_of(lanes), lanes);
    let (walk, keys) = match spec.layout {
        KvLayout::Dense => (Walk::Rows, keys),
        KvLayout::Ring { .. } => (Walk::Gather, keys),
        KvLayout::Paged(page) => {
            // Under ancestor bits tiles have one size.
            let least = if spec.mask == Mask::Tree { keys / lanes } else { 1 };
            let sizes = (least..=keys / lanes).map(|n| n * lanes);
            let fits = sizes.rev().find(|t| page % *t as i64 == 0);
            fits.map_or((Walk::Gather, keys), |tile| (Walk::Pages(page), tile))
        }
    };
    let k = spec.k.as_ref().unwrap_or(&a.kv.k);
    let k = Stored::new(k, a.q.dim as usize, "k", choice)?;
    let bytes = Bytes::of(a, &k, walk, choice);
    Ok(Seg { spec, heads: a.heads_of(spec), k, v, keys, walk, bytes })
}

impl Seg<'_> {
    pub fn name(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.spec.name)
    }

    fn suffix(&self) -> &'static str {
        if matches!(self.spec.layout, KvLayout::Paged(_)) { "_pages" } else { "" }
    }

    pub fn k_name(&self) -> String {
        self.name(&format!("k{}", self.suffix()))
    }

    pub fn v_name(&self) -> String {
        if self.v.is_some() { self.name(&format!("v{}", self.suffix())) } else { self.k_name() }
    }

    /// What a tile is read from: the tensor, or a copy.
    fn as_read(&self, stored: &Stored) -> Stored {
        if self.walk == Walk::Gather { stored.copied() } else { stored.clone() }
    }

    /// Keys and values by the names of their tensors.
    pub fn stored(&self) -> Vec<(String, &Stored)> {
        let v = self.v.as_ref().map(|v| (self.v_name(), v));
        [(self.k_name(), &self.k)].into_iter().chain(v).collect()
    }

    /// Keys of all sequences without gaps.
    pub fn packed(&self) -> bool {
        self.spec.layout == KvLayout::Dense && matches!(self.spec.len, Dim::Ragged { .. })
    }

    /// Its lengths stand in memory.
    pub fn varies(&self) -> bool {
        self.packed() || self.spec.layout != KvLayout::Dense
    }

    /// Memory that a worker needs for tiles of it.
    pub fn scratch(&self, b: &mut Builder, s: &Shape<'_>) {
        if self.spec.weight && self.packed() {
            b.scratch(&self.name("w_tile"), Dtype::F32, &[1, self.keys]);
        }
        if self.walk == Walk::Gather {
            b.scratch(&self.name("k_tile"), self.k.elem(), &[self.keys, s.dim]);
            if let Some(v) = &self.v {
                b.scratch(&self.name("v_tile"), v.elem(), &[self.keys, s.v_dim]);
            }
        }
    }
}

/// A segment as one sequence sees it.
#[derive(Clone)]
pub(super) struct Open<'a> {
    pub seg: &'a Seg<'a>,
    /// Which copy it reads.
    pub copy: Extent,
    /// First row where keys are packed.
    pub base: Extent,
    pub len: Extent,
    /// Position of its first key.
    pub first: Extent,
    /// The first of its parts.
    pub part: Extent,
    /// Of the segment's heads.
    pub head: Extent,
}

/// The segments of `which`, as `seq` sees them.
pub(super) fn open<'a>(
    b: &mut Builder,
    s: &'a Shape<'_>,
    which: &[usize],
    seq: &Extent,
) -> Vec<Open<'a>> {
    let (mut first, mut part) = (Extent::Lit(0), Extent::Lit(0));
    let mut out = Vec::new();
    for (number, at) in which.iter().enumerate() {
        let seg = &s.segments[*at];
        let name = |what: &str| if number == 0 { what.into() } else { format!("{what}{number}") };
        let copy = match seg.spec.shared {
            Shared::No => seq.clone(),
            Shared::Batch => Extent::Lit(0),
            Shared::Group(_) => b.read(&name("copy"), &seg.name("group"), vec![seq.clone()]),
        };
        let mut base = Extent::Lit(0);
        let len = match (&seg.spec.layout, &seg.spec.len) {
            (KvLayout::Dense, Dim::Ragged { .. }) => {
                let indptr = seg.name("indptr");
                base = b.read(&name("base"), &indptr, vec![copy.clone()]);
                let end = b.read(&name("end"), &indptr, vec![copy.clone() + 1i64]);
                b.scalar(&name("len"), end - base.clone())
            }
            (KvLayout::Dense, len) => longest(len),
            (KvLayout::Paged(_), _) => b.read(&name("len"), &seg.name("len"), vec![copy.clone()]),
            (KvLayout::Ring { .. }, _) => {
                b.read(&name("len"), &seg.name("pos"), vec![copy.clone()])
            }
        };
        let (own, own_part) = (first.clone(), part.clone());
        if number + 1 < which.len() {
            first = b.scalar(&name("after"), first + len.clone());
            let parts = len.clone().ceil_div(s.split.max(1));
            part = b.scalar(&name("part_after"), part + parts);
        }
        let head = Extent::Lit(0);
        out.push(Open { seg, copy, base, len, first: own, part: own_part, head });
    }
    out
}

impl Open<'_> {
    /// Do tiles begin where a range of keys does? Look-ups find whole pieces.
    pub fn tiled(&self) -> bool {
        self.seg.spec.layout == KvLayout::Dense
    }

    pub fn end(&self) -> Extent {
        self.first.clone() + self.len.clone()
    }

    pub fn parts(&self, s: &Shape<'_>) -> Extent {
        self.part.clone() + self.len.clone().ceil_div(s.split.max(1))
    }

    /// Ranges of tokens that memory still holds.
    pub fn alive(&self) -> Vec<(Extent, Extent)> {
        match self.seg.spec.layout {
            KvLayout::Dense | KvLayout::Paged(_) => vec![(Extent::Lit(0), self.len.clone())],
            KvLayout::Ring { keep_first, recent } => {
                let newest = ((self.len.clone() - recent).max(keep_first), self.len.clone());
                let kept = (Extent::Lit(0), self.len.clone().min(keep_first));
                if keep_first == 0 { vec![newest] } else { vec![kept, newest] }
            }
        }
    }
}

/// Which keys.
pub(super) struct Tile<'a> {
    pub open: &'a Open<'a>,
    /// The first one.
    pub j: &'a Extent,
    /// Keys before it are none of this range; `None`: there are no such.
    pub lo: Option<&'a Extent>,
    /// End of the range; `None`: the tile is whole.
    pub hi: Option<&'a Extent>,
    pub next: Option<&'a Next<'a>>,
}

/// Where the worker's next task begins: what hints ask for behind the last tile of this one.
pub(super) struct Next<'a> {
    pub open: Open<'a>,
    /// Its first key.
    pub lo: Extent,
}

/// Where a hint goes: of this range, or behind its last key of the next task.
pub(super) struct Goal {
    pub copy: Extent,
    pub base: Extent,
    pub head: Extent,
    pub key: Extent,
}

impl Next<'_> {
    /// For the key `later` of a range that ends at `hi`.
    pub fn goal(&self, b: &mut Builder, open: &Open<'_>, later: &Extent, hi: &Extent) -> Goal {
        // 1 behind the end, else 0.
        let past = later.clone() - hi.clone() + 1;
        let over = b.scalar("over", past.min(1).max(0));
        let one = |b: &mut Builder, name: &str, own: &Extent, other: &Extent| {
            if own == other {
                return own.clone();
            }
            b.scalar(name, own.clone() + (other.clone() - own.clone()) * over.clone())
        };
        let copy = one(b, "copy_then", &open.copy, &self.open.copy);
        let base = one(b, "base_then", &open.base, &self.open.base);
        let head = one(b, "head_then", &open.head, &self.open.head);
        let key = one(b, "key_then", later, &self.lo);
        Goal { copy, base, head, key }
    }
}

/// Where the rows of a tile are: tensor and leading indices.
pub(super) struct Place {
    pub k: (String, Vec<Slice>),
    v: (String, Vec<Slice>),
    guard: bool,
}

/// Finds the rows of a tile.
pub(super) fn reach(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>) -> Place {
    let Tile { open, j, hi, .. } = at;
    let seg = open.seg;
    let rows = |start: Extent| Slice::range(start, seg.keys);
    let head = || Slice::point(open.head.clone());
    let both = |lead: Vec<Slice>, guard: bool| Place {
        k: (seg.k_name(), lead.clone()),
        v: (seg.v_name(), lead),
        guard,
    };
    match seg.walk {
        Walk::Rows if seg.packed() => {
            both(vec![rows(open.base.clone() + (*j).clone()), head()], hi.is_some())
        }
        Walk::Rows => {
            let lead = vec![Slice::point(open.copy.clone()), rows((*j).clone()), head()];
            both(lead, hi.is_some())
        }
        Walk::Pages(page) => {
            let name = format!("page_{j}");
            let place = vec![open.copy.clone(), (*j).clone() / page];
            let number = b.read(&name, &seg.name("block_table"), place);
            if let (Some(hi), None) = (hi, at.lo) {
                hints(b, s, at, hi, page);
            }
            both(vec![Slice::point(number), rows((*j).clone() % page), head()], false)
        }
        Walk::Gather => {
            let last = hi.map_or_else(|| (*j).clone() + seg.keys, Extent::clone) - 1i64;
            let r = format!("r_{j}");
            b.for_each(&r, (Extent::Lit(0), Extent::from(seg.keys), 1), &[], |b, _| {
                // Behind the end the last key stands again.
                let t = ((*j).clone() + b.var(&r)).min(last.clone());
                let t = b.scalar(&format!("t_{j}"), t);
                let lead = slot(b, open, &t, &format!("page_{j}"));
                let tensors = [("k_tile", seg.k_name(), Some(&seg.k), s.dim)];
                let v = ("v_tile", seg.v_name(), seg.v.as_ref(), s.v_dim);
                for (tile, tensor, stored, width) in tensors.into_iter().chain([v]) {
                    let Some(stored) = stored else { continue };
                    let from = [&lead[..], &[head(), Slice::range(0, width)]].concat();
                    let row = stored.row(b, &tensor, from);
                    let to = vec![Slice::point(b.var(&r)), Slice::range(0, width)];
                    b.store(&seg.name(tile), to, row, false);
                }
                vec![]
            });
            let lead = vec![rows(Extent::Lit(0))];
            let v = if seg.v.is_some() { "v_tile" } else { "k_tile" };
            Place { k: (seg.name("k_tile"), lead.clone()), v: (seg.name(v), lead), guard: false }
        }
    }
}

/// Asks for a later tile: the pass for hints knows only tiles whose place follows from the loop.
fn hints(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>, hi: &Extent, page: i64) {
    let Tile { open, j, .. } = at;
    let seg = open.seg;
    if s.ahead == 0 {
        return;
    }
    let later = (*j).clone() + seg.keys * s.ahead;
    let goal = match at.next {
        Some(next) => next.goal(b, open, &later, hi),
        None => {
            let key = later.min(hi.clone() - 1i64) / seg.keys * seg.keys;
            let key = b.scalar(&format!("next_{j}"), key);
            let (copy, base) = (open.copy.clone(), open.base.clone());
            Goal { copy, base, head: open.head.clone(), key }
        }
    };
    let next = goal.key;
    let place = vec![goal.copy, next.clone() / page];
    let number = b.read(&format!("page_next_{j}"), &seg.name("block_table"), place);
    for ((tensor, stored), width) in seg.stored().into_iter().zip([s.dim, s.v_dim]) {
        let at = vec![
            Slice::point(number.clone()),
            Slice::range(next.clone() % page, seg.keys),
            Slice::point(goal.head.clone()),
            Slice::range(0, width),
        ];
        for name in stored.hinted(&tensor) {
            b.prefetch(&name, at.clone());
        }
    }
}

/// Asks for `count` keys from `from` on, where they lie one after the other.
pub(super) fn rows_ahead(
    b: &mut Builder,
    s: &Shape<'_>,
    open: &Open<'_>,
    from: Extent,
    count: usize,
) {
    let seg = open.seg;
    if s.ahead == 0 || !matches!(seg.walk, Walk::Rows) {
        return;
    }
    let lead = match seg.packed() {
        true => vec![Slice::range(open.base.clone() + from, count)],
        false => vec![Slice::point(open.copy.clone()), Slice::range(from, count)],
    };
    for ((tensor, stored), width) in seg.stored().into_iter().zip([s.dim, s.v_dim]) {
        let row = [Slice::point(open.head.clone()), Slice::range(0, width)];
        b.prefetch(&stored.main(&tensor), [&lead[..], &row].concat());
    }
}

/// Where one token lies.
pub(super) fn slot(b: &mut Builder, open: &Open<'_>, t: &Extent, page_name: &str) -> Vec<Slice> {
    match open.seg.spec.layout {
        KvLayout::Dense => vec![Slice::point(open.copy.clone()), Slice::point(t.clone())],
        KvLayout::Paged(page) => {
            let place = vec![open.copy.clone(), t.clone() / page];
            let number = b.read(page_name, &open.seg.name("block_table"), place);
            vec![Slice::point(number), Slice::point(t.clone() % page)]
        }
        KvLayout::Ring { keep_first, recent } => {
            let turning = (t.clone() - keep_first).max(0) % recent;
            let slot = t.clone().min(keep_first) + turning;
            vec![Slice::point(open.copy.clone()), Slice::point(slot)]
        }
    }
}

pub(super) fn k(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>, place: &Place) -> Value {
    let rows = [&place.k.1[..], &[Slice::range(0, s.dim)]].concat();
    at.open.seg.as_read(&at.open.seg.k).load(b, "k", &place.k.0, rows, place.guard)
}

pub(super) fn v(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>, place: &Place) -> Value {
    let rows = [&place.v.1[..], &[Slice::range(0, s.v_dim)]].concat();
    let seg = at.open.seg;
    let stored = seg.as_read(seg.v.as_ref().unwrap_or(&seg.k));
    stored.load(b, "v", &place.v.0, rows, place.guard)
}

/// Logarithms of the weights of a tile's keys, `[1, keys]`.
pub(super) fn weight(b: &mut Builder, at: &Tile<'_>) -> Option<Value> {
    let seg = at.open.seg;
    if !seg.spec.weight {
        return None;
    }
    let (tensor, partial) = (seg.name("weight"), at.hi.is_some());
    if !seg.packed() {
        let lead =
            vec![Slice::range(at.open.copy.clone(), 1), Slice::range(at.j.clone(), seg.keys)];
        return Some(b.load("w0", &tensor, Dtype::F32, lead, partial));
    }
    let rows = vec![Slice::range(at.open.base.clone() + at.j.clone(), seg.keys)];
    let list = b.load("w0", &tensor, Dtype::F32, rows, partial);
    b.store(&seg.name("w_tile"), vec![Slice::point(0), Slice::range(0, seg.keys)], list, false);
    let row = vec![Slice::range(0, 1), Slice::range(0, seg.keys)];
    Some(b.load("w1", &seg.name("w_tile"), Dtype::F32, row, false))
}
