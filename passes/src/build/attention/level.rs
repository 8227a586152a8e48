//! A first segment that all sequences share, at one level: its keys are read once for the queries of all of them.
//!
//! Query rows of all sequences stand side by side as those of a long prompt do ([`prefill`]), and each sees the whole
//! segment. What comes of a part of it is a state like those of the other parts, and the launch that merges them takes
//! both (Juravsky et al. 2024, Hydragen).
//!
//! ```text
//! 32 sequences of one query row, 4 heads a group    s = dot(k, qt) : f32[48, 48]    128 rows, three panels a kv head
//! ```

use super::{
    decode::{self, Item},
    prefill, *,
};

/// Whether the first segment is such a one, and when its level pays: with enough rows for a panel, and more keys than
/// a tile.
pub(super) fn plan(s: &Shape<'_>, choice: &Choice) -> Option<(prefill::Plan, Vec<Predicate>)> {
    let first = s.segments.first()?;
    // One query row is behind all keys.
    let alone = s.m == Some(Extent::Lit(1));
    let seen = match first.spec.mask {
        Mask::None => true,
        Mask::Causal => alone,
        Mask::Window(_)
        | Mask::KeepFirst { .. }
        | Mask::Prefix(_)
        | Mask::Block(_)
        | Mask::Tree
        | Mask::Expr(_) => false,
    };
    let dense = first.spec.layout == KvLayout::Dense && !first.packed();
    let first_of_all = s.classes.iter().all(|c| c.segments.first() == Some(&0));
    let shared = first.spec.shared == Shared::Batch && dense && first_of_all;
    if !shared || !seen || s.split == 0 || s.a.deterministic || s.a.alibi {
        return None;
    }
    let rows = s.batch.clone() * s.m.clone()?;
    let plan = prefill::Plan::of(s, choice);
    let least = Extent::from(plan.width.div_ceil(s.group));
    let keys = longest(&first.spec.len);
    let when = [(rows, least), (keys, Extent::from(first.keys))];
    let when = when.map(|(left, right)| Predicate { left, cmp: Compare::Ge, right });
    Some((plan, when.into()))
}

/// The kernel that leaves the states of the parts of the first segment.
pub(super) fn shared(
    s: &Shape<'_>,
    params: Vec<Param>,
    plan: &prefill::Plan,
) -> kgen_ir::tile::Kernel {
    let mut b = Builder::new("attend_shared", params, &s.symbols);
    prefill::scratch(&mut b, s, plan);
    for name in prefill::ends(0) {
        b.scratch(&name, Dtype::I32, &[1, plan.rows]);
    }
    let m = s.m.clone().unwrap_or(Extent::Lit(1));
    let rows = s.batch.clone() * m.clone();
    let blocks = rows.clone().ceil_div(plan.positions);
    for class in &s.classes {
        let heads = class.heads.len() * s.blocks;
        let parts = s.segments.first().map_or(Extent::Lit(0), |seg| longest(&seg.spec.len));
        let parts = parts.ceil_div(s.split.max(1));
        b.tasks("t", blocks.clone() * parts.clone() * heads, 1, |b| {
            // Neighbouring tasks share keys.
            let t = b.var("t");
            let first = b.scalar("first", t.clone() % blocks.clone() * plan.positions);
            let here = (rows.clone() - first.clone()).min(plan.positions);
            let here = b.scalar("here", here);
            let part = b.scalar("part", t.clone() / blocks.clone() % parts.clone());
            let u = b.scalar("h", t / (blocks.clone() * parts));
            one(b, s, plan, &Task { class, u: &u, part, first, here, m: &m });
        });
    }
    b.finish()
}

/// Rows of all sequences beside a part of the segment.
struct Task<'a> {
    class: &'a Class,
    /// Counts the heads of the class, a block of query heads each.
    u: &'a Extent,
    part: Extent,
    /// The first row, and how many.
    first: Extent,
    here: Extent,
    /// Rows of a sequence.
    m: &'a Extent,
}

impl Task<'_> {
    fn item(&self, b: &mut Builder, r: Extent) -> Item {
        let at = self.first.clone() + r;
        let seq = b.scalar("seq", at.clone() / self.m.clone());
        let i = b.scalar("i", at % self.m.clone());
        Item { seq, i, m: self.m.clone(), row: None, part: self.part.clone(), slot: None }
    }
}

fn one(b: &mut Builder, s: &Shape<'_>, plan: &prefill::Plan, task: &Task<'_>) {
    let here = &task.here;
    let at = task.u.clone() / s.blocks;
    let block = pick(&task.class.heads, &at) * s.blocks + task.u.clone() % s.blocks;
    let heads = Slice::range(block * s.group, s.group);
    let mut opened = keys::open(b, s, &[0], &Extent::Lit(0));
    decode::own_heads(&mut opened, task.class, &at);
    let Some(open) = opened.first() else { return };
    let lo = b.scalar("lo", task.part.clone() * s.split);
    let hi = b.scalar("hi", open.len.clone().min(lo.clone() + s.split));
    for (name, end) in prefill::ends(0).into_iter().zip([&lo, &hi]) {
        let ends = b.iota(&[1, plan.rows], 0, end.clone());
        b.store(&name, vec![Slice::range(0, 1), Slice::range(0, plan.rows)], ends, false);
    }
    let place = |r: &Extent| Slice::range(r.clone() * s.group, s.group);
    b.for_each("turn", (Extent::Lit(0), Extent::from(plan.rows / s.group), 1), &[], |b, _| {
        // Behind the last row stand copies of it, which nobody stores.
        let r = b.var("turn");
        let item = task.item(b, r.clone().min(here.clone() - 1));
        let q = prefill::queries(b, s, plan, &item, &heads);
        b.store("rows", vec![place(&r), Slice::range(0, s.dim)], q, false);
        vec![]
    });
    let used = b.scalar("used", (here.clone() * s.group).ceil_div(plan.width));
    let panels = (Extent::Lit(0), used, 1);
    prefill::begin(b, s, plan, &panels);
    prefill::walk(b, s, plan, open, (lo, hi), 0, &panels);
    b.for_each("panel", panels, &[], |b, _| {
        let p = b.var("panel");
        prefill::turn(b, s, plan, p);
        vec![]
    });
    b.for_each("turn", (Extent::Lit(0), here.clone(), 1), &[], |b, _| {
        let r = b.var("turn");
        let mut item = task.item(b, r.clone());
        if s.varies() {
            let before = b.read("slot0", "work", vec![item.seq.clone()]);
            item.slot = Some(before + item.i.clone() + task.part.clone() * task.m.clone());
        }
        for name in ["max", "den"] {
            let list = vec![Slice::point(0), place(&r)];
            let list = b.load(name, name, Dtype::F32, list, false);
            let to = [item.states(), vec![heads.clone(), Slice::point(0)]].concat();
            b.store(&format!("part.{name}"), to, list, false);
        }
        let o = vec![place(&r), Slice::range(0, s.v_dim)];
        let o = b.load("o", "rows", Dtype::F32, o, false);
        let to = [item.states(), vec![heads.clone(), Slice::range(0, s.v_dim)]].concat();
        b.store("part.o", to, o, false);
        vec![]
    });
}
