//! Tiles of keys and values, as floats.
//!
//! ```text
//! k0 = load(kv.k[seq, j:16, h, 0:64]) : f16[16, 64]
//! k1 = convert(k0) : f32[16, 64]
//! ```

use super::*;

/// Which keys.
pub(super) struct Tile<'a> {
    pub seq: &'a Extent,
    /// Of the keys.
    pub head: &'a Extent,
    pub j: &'a Extent,
    /// End of the keys; `None`: the tile is whole.
    pub hi: Option<&'a Extent>,
}

impl Tile<'_> {
    fn at(&self, s: &Shape<'_>, width: usize) -> Vec<Slice> {
        vec![
            Slice::point(self.seq.clone()),
            Slice::range(self.j.clone(), s.keys),
            Slice::point(self.head.clone()),
            Slice::range(0, width),
        ]
    }
}

pub(super) fn k(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>) -> Value {
    let k0 = b.load("k0", &format!("{}.k", s.name), s.k, at.at(s, s.dim), at.hi.is_some());
    b.convert("k1", k0, Dtype::F32)
}

pub(super) fn v(b: &mut Builder, s: &Shape<'_>, at: &Tile<'_>) -> Value {
    let v0 = b.load("v0", &format!("{}.v", s.name), s.v, at.at(s, s.v_dim), at.hi.is_some());
    b.convert("v1", v0, Dtype::F32)
}
