//! Smaller ops of the same make: constants cut to a few tiles, ratios kept.
//!
//! `heads = 32`, `kv.heads = 8` becomes 8 over 2 or 4 over 1; `n = 11008, k = 4096` in `q4_0` becomes 49 x 64.

use kgen_ir::op::{
    Attention, CodeLayout, Dim, Group, Heads, Kind, KvLayout, Mask, MpGemm, Op, Rows, Storage,
    Value, verify,
};

/// Different reduced ops, all valid; empty where nothing can be cut.
pub fn variants(op: &Op, edges: &[i64]) -> Vec<Op> {
    let t = edges.iter().copied().min().unwrap_or(16).clamp(1, 64);
    let mut kinds: Vec<Kind> = match &op.kind {
        Kind::Attention(a) => {
            [1, 2].into_iter().map(|h| Kind::Attention(attention(a, h, t))).collect()
        }
        Kind::MpGemm(g) => [(3 * t + 1, 2), (t - 1, 3), (2 * t, 2), (t + 1, 1)]
            .into_iter()
            .map(|(n, blocks)| Kind::MpGemm(product(g, n, blocks)))
            .collect(),
        Kind::Rows(r) => [t + 1, 1, 2 * t + 3]
            .into_iter()
            .map(|width| Kind::Rows(Rows { width: width.min(r.width), ..r.clone() }))
            .collect(),
    };
    if let Kind::Rows(r) = &op.kind
        && !kinds.iter().any(|kind| valid(&Op { kind: kind.clone(), ..op.clone() }))
    {
        // Indices want whole heads: the width, halved as often as that can be.
        let halves = (0..40).map(|n| r.width >> n).take_while(|w| *w > 0);
        let ops = halves.map(|width| Kind::Rows(Rows { width, ..r.clone() }));
        let fit = ops.filter(|kind| valid(&Op { kind: kind.clone(), ..op.clone() }));
        kinds = fit.collect();
        kinds.reverse();
        kinds.truncate(2);
    }
    let mut out: Vec<Op> = Vec::new();
    for kind in kinds {
        let candidate = Op { kind, ..op.clone() };
        if valid(&candidate) && !out.contains(&candidate) {
            out.push(candidate);
        }
    }
    out
}

pub fn valid(op: &Op) -> bool {
    verify::verify(op).is_empty()
}

fn attention(a: &Attention, kv_heads: i64, t: i64) -> Attention {
    let mut out = a.clone();
    let whole = a.segments.iter().all(|s| s.heads == Heads::All);
    if whole && a.kv.heads > kv_heads {
        out.q.heads = a.q.heads / a.kv.heads.max(1) * kv_heads;
        out.kv.heads = kv_heads;
    }
    while out.q.dim > 128 && halve(&mut out) {}
    // A window that ends inside a tile, and one beyond its edge.
    let cap = if kv_heads == 1 { t / 2 + 1 } else { t + 3 };
    for s in &mut out.segments {
        if let Dim::Const(n) = &mut s.len {
            *n = (*n).min(2 * t + 3);
        }
        // Otherwise the few keys of a case would all lie inside.
        match &mut s.mask {
            Mask::Window(x) | Mask::Prefix(x) | Mask::Block(x) => *x = (*x).min(cap),
            Mask::KeepFirst { keep_first, recent } => {
                (*keep_first, *recent) = ((*keep_first).min(cap), (*recent).min(cap));
            }
            Mask::None | Mask::Causal | Mask::Tree | Mask::Expr(_) => {}
        }
        if let KvLayout::Ring { keep_first, recent } = &mut s.layout {
            (*keep_first, *recent) = ((*keep_first).min(cap), (*recent).min(cap));
        }
    }
    out
}

/// Halves the widths of keys and values together; `false` where they cannot be halved.
pub fn halve(a: &mut Attention) -> bool {
    let mut unit = granule(&a.kv.k);
    let values = std::iter::once(&a.kv.v).chain(a.segments.iter().filter_map(|s| s.v.as_ref()));
    for v in values {
        if let Value::Stored(v) = v {
            unit = lcm(unit, granule(v));
        }
    }
    for k in a.segments.iter().filter_map(|s| s.k.as_ref()) {
        unit = lcm(unit, granule(k));
    }
    let fits = |x: i64| x % 2 == 0 && (x / 2) % unit == 0 && x / 2 >= 8;
    if !fits(a.q.dim) || !fits(a.kv.v_dim) {
        return false;
    }
    a.q.dim /= 2;
    a.kv.v_dim /= 2;
    let values =
        std::iter::once(&mut a.kv.v).chain(a.segments.iter_mut().filter_map(|s| s.v.as_mut()));
    for v in values {
        if let Value::PrefixOfK(width) = v {
            *width /= 2;
        }
    }
    true
}

fn product(g: &MpGemm, n: i64, blocks: i64) -> MpGemm {
    let mut out = g.clone();
    let unit = k_unit(g);
    // Plain floats have no blocks: 64 or 96 elements.
    let step = if unit < 32 { lcm(unit, 32) } else { unit };
    out.k = g.k.min(step * blocks);
    for w in &mut out.w {
        let unit = lcm(row_unit(&w.storage), g.blocks.map_or(1, |f| f.block as i64));
        w.n = w.n.min(n.max(1).saturating_add(unit - 1) / unit * unit);
    }
    if let Some(grouped) = &mut out.grouped {
        grouped.groups = grouped.groups.min(3);
    }
    out
}

/// The least valid k.
pub fn k_unit(g: &MpGemm) -> i64 {
    g.w.iter().fold(granule(&g.a), |unit, w| lcm(unit, granule(&w.storage)))
}

/// Rows that stand or fall together: what fills words of 32 bits.
fn row_unit(storage: &Storage) -> i64 {
    match storage {
        Storage::Codes(codes) if codes.layout != CodeLayout::Rows => 32,
        Storage::Plain(_) | Storage::Block(_) | Storage::Codes(_) => 1,
    }
}

/// Elements that stand or fall together.
fn granule(storage: &Storage) -> i64 {
    match storage {
        Storage::Plain(_) => 1,
        Storage::Block(format) => i64::try_from(format.block).unwrap_or(1).max(1),
        Storage::Codes(codes) => match codes.group {
            Group::K(g) => g.max(1),
            Group::Tensor | Group::Row if codes.layout != CodeLayout::Rows => 32,
            Group::Tensor | Group::Row => 8,
        },
    }
}

fn lcm(a: i64, b: i64) -> i64 {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}
