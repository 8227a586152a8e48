//! Inner factors of weights of two levels: small integers that multiply the scale and the min of a group.
//!
//! ```text
//! inner 32 scale u6 min u6             scale 0, all lanes | min 0, all lanes | scale 1 ..     a byte each
//! inner 16 scale u4 min u4             scale and min 0, all lanes | scale and min 1 ..        a byte for both
//! inner 16 scale u6 less 32            scale 0 - 32, all lanes | ..                           signed bytes
//! ```
//!
//! One load widens the bytes of all lanes to words. Six bits a factor in a string would be 3 % denser, and take three
//! to five instructions to cut out: more than the product of a line of codes does.

use super::{Packing, QUAD, code};
use crate::{dtype::Dtype, tile::Part};

/// Value = `scale * (inner scale - less) * (code - zero) + min * inner min`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inner {
    /// Elements along k that share one.
    pub group: usize,
    /// Unsigned integers of so many bits.
    pub scale: Dtype,
    /// 0, or half of what the bits hold: signed ones.
    pub less: i32,
    pub min: Option<Dtype>,
}

/// Where an inner factor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// From the start of the group's inner factors to the byte of lane 0.
    pub byte: usize,
    /// Bits of the byte, which are alone if there are eight.
    pub bit: u32,
    pub width: u32,
}

/// Bits of a byte.
const BYTE: u32 = 8;

impl Inner {
    /// What an inner scale is without `less`.
    pub fn signed(&self) -> Dtype {
        if self.less == 0 { Dtype::U8 } else { Dtype::I8 }
    }

    /// Do scale and min share a byte?
    fn together(&self) -> bool {
        self.min.is_some_and(|min| self.less == 0 && self.scale.bits() + min.bits() <= BYTE)
    }

    /// Bytes of a lane for each inner group.
    fn bytes(&self) -> usize {
        if self.min.is_some() && !self.together() { 2 } else { 1 }
    }

    /// The byte of a factor, before its `less` and its neighbour come in.
    pub(super) fn stored(&self, part: Part, x: i32, bit: u32) -> u8 {
        match part {
            Part::InnerScale if self.less != 0 => x as i8 as u8,
            Part::InnerScale
            | Part::InnerMin
            | Part::Codes
            | Part::Scale
            | Part::Min
            | Part::Zeros
            | Part::RowZeros
            | Part::Order => (x << bit) as u8,
        }
    }

    /// The factor in a byte.
    pub(super) fn value(&self, part: Part, at: Factor, byte: u8) -> i32 {
        match part {
            Part::InnerScale if self.less != 0 => i32::from(byte as i8),
            Part::InnerScale
            | Part::InnerMin
            | Part::Codes
            | Part::Scale
            | Part::Min
            | Part::Zeros
            | Part::RowZeros
            | Part::Order => i32::from(byte) >> at.bit & ((1 << at.width) - 1),
        }
    }
}

impl Packing {
    /// Bytes of a group's inner factors, of all lanes.
    pub(super) fn inner_bytes(&self, inner: &Inner) -> Option<usize> {
        (self.group / inner.group).checked_mul(inner.bytes())?.checked_mul(self.lanes)
    }

    /// Where inner factor `i` of a group stands.
    pub fn factor(&self, part: Part, i: usize) -> Option<Factor> {
        let inner = self.inner.as_ref()?;
        let first = i * inner.bytes() * self.lanes;
        let (scale, together) = (inner.scale.bits(), inner.together());
        let at = |byte, bit, width| {
            Some(Factor { byte, bit, width: if together { width } else { BYTE } })
        };
        match part {
            Part::InnerScale => at(first, 0, scale),
            Part::InnerMin if together => at(first, scale, inner.min?.bits()),
            Part::InnerMin => inner.min.and_then(|min| at(first + self.lanes, 0, min.bits())),
            Part::Codes | Part::Scale | Part::Min | Part::Zeros | Part::RowZeros | Part::Order => {
                None
            }
        }
    }

    /// What is wrong with the inner factors, if anything.
    pub(super) fn check_inner(&self) -> Result<(), String> {
        let Some(inner) = &self.inner else { return Ok(()) };
        if let Some(other) =
            [Some(inner.scale), inner.min].into_iter().flatten().find(|d| !code(*d))
        {
            return Err(format!("inner factors are u1 to u8, not {other}"));
        }
        let half = 1 << (inner.scale.bits() - 1);
        if inner.less != 0 && inner.less != half {
            return Err(format!("inner scales are less 0 or {half}, not {}", inner.less));
        }
        if inner.group == 0
            || !inner.group.is_multiple_of(QUAD)
            || !self.group.is_multiple_of(inner.group)
        {
            return Err(format!(
                "a group of {} has no inner groups of {}",
                self.group, inner.group
            ));
        }
        if self.scale.is_none() || self.min.is_some() != inner.min.is_some() || self.zeros.is_some()
        {
            return Err("inner factors multiply a scale, and a min where there is one".into());
        }
        Ok(())
    }
}
