//! The packings that formats and weights of several tensors ask for.

use super::{Inner, Order, Packing, QUAD};
use crate::{
    diag::Unsupported,
    dtype::Dtype,
    format::{Field, FieldElem, Format, Role, Value, parts::Parts},
};

impl Packing {
    /// The packing that holds every value of `format` exactly.
    pub fn for_format(format: &Format, lanes: usize) -> Result<Packing, Unsupported> {
        let packing = Packing::natural(format, lanes);
        match packing.check() {
            Ok(()) => Ok(packing),
            Err(why) => Err(Unsupported {
                what: format!("{} in {lanes} lanes ({why})", format.name),
                target: "packing".into(),
                instead: "lanes that a vector has, and a format of table `FORMATS`".into(),
            }),
        }
    }

    /// The packing that holds every value of a weight of several tensors exactly.
    pub fn for_parts(parts: &Parts, lanes: usize) -> Result<Packing, Unsupported> {
        let packing = parts.packing(lanes);
        match packing.check() {
            Ok(()) if packing.step().is_multiple_of(lanes) => Ok(packing),
            Ok(()) => Err(Unsupported {
                what: format!("groups of {} codes in {lanes} lanes", packing.group),
                target: "packing".into(),
                instead: format!("groups that are a multiple of {lanes}"),
            }),
            Err(why) => Err(Unsupported {
                what: format!("{parts} in {lanes} lanes ({why})"),
                target: "packing".into(),
                instead: format!("groups that are a multiple of {lanes}"),
            }),
        }
    }

    pub(super) fn natural(format: &Format, lanes: usize) -> Packing {
        let code = format.field(Role::Code).map_or(FieldElem::Float(Dtype::F32), |f| f.elem);
        let elem = match code {
            FieldElem::Float(dtype) => dtype,
            FieldElem::Ternary | FieldElem::Trit => Dtype::Code(2),
            FieldElem::Uint(bits @ 1..=7) => narrowest(bits.into(), format.group()),
            FieldElem::Uint(_) | FieldElem::Int(_) | FieldElem::Biased(..) => Dtype::U8,
        };
        Packing {
            elem,
            trits: false,
            signs: false,
            lanes,
            group: format.group(),
            scale: factor(format, Role::Scale, Role::InnerScale),
            min: factor(format, Role::Min, Role::InnerMin),
            zeros: None,
            zero: zero(format),
            inner: None,
            order: Order::Lanes,
        }
    }

    /// As dense as the blocks of `format`: levels of scales as they are, `trits` as digits of base 3.
    pub fn dense(format: &Format, lanes: usize, trits: bool) -> Result<Packing, Unsupported> {
        let flat = Packing::for_format(format, lanes)?;
        let digits = format.field(Role::Code).is_some_and(|f| f.elem == FieldElem::Trit);
        let packing = Packing::leveled(format, lanes).unwrap_or(flat);
        Ok(Packing { trits: trits && digits, ..packing })
    }

    /// With the levels of a format of two.
    pub(super) fn leveled(format: &Format, lanes: usize) -> Option<Packing> {
        let half = |role| format.field(role).map(|f| (f.elem, f.count));
        let single = (FieldElem::Float(Dtype::F16), 1);
        let factor = format.field(Role::InnerScale)?;
        let (scale, less) = match factor.elem {
            FieldElem::Uint(bits) => (bits, 0),
            FieldElem::Int(bits) => (bits, 1 << (bits - 1)),
            FieldElem::Biased(bits, bias) => (bits, bias),
            FieldElem::Float(_) | FieldElem::Ternary | FieldElem::Trit => return None,
        };
        let min = match format.field(Role::InnerMin) {
            None => None,
            Some(Field { elem: FieldElem::Uint(bits), count, .. }) if *count == factor.count => {
                Some(whole(*bits))
            }
            Some(_) => return None,
        };
        let outer = half(Role::Scale) == Some(single)
            && half(Role::Min) == min.map(|_| single)
            && format.groups() == factor.count;
        let packing = Packing {
            group: format.block,
            scale: Some(Dtype::F16),
            min: min.map(|_| Dtype::F16),
            inner: Some(Inner {
                group: format.block / factor.count,
                scale: whole(scale),
                less,
                min,
            }),
            elem: narrowest(format.field(Role::Code)?.elem.bits(), format.block),
            ..Packing::natural(format, lanes)
        };
        (outer && packing.check().is_ok()).then_some(packing)
    }
}

/// Type of the exact product of both levels.
fn factor(format: &Format, outer: Role, inner: Role) -> Option<Dtype> {
    let half = |f: &Field| f.elem == FieldElem::Float(Dtype::F16);
    match (format.field(outer), format.field(inner)) {
        (None, None) => None,
        (Some(f), None) if half(f) => Some(Dtype::F16),
        (Some(_), _) | (None, Some(_)) => Some(Dtype::F32),
    }
}

/// Packed codes are unsigned: signed ones are moved up, and the zero with them.
fn zero(format: &Format) -> i32 {
    let zero = match format.value {
        Value::Plain => 0,
        Value::Affine { zero } | Value::TwoLevel { zero } => zero,
    };
    match format.field(Role::Code).map(|f| f.elem) {
        Some(FieldElem::Int(bits)) => zero + (1 << (bits - 1)),
        Some(FieldElem::Biased(_, bias)) => zero + bias,
        Some(FieldElem::Uint(_) | FieldElem::Float(_) | FieldElem::Ternary | FieldElem::Trit)
        | None => zero,
    }
}

/// Codes of so many bits, or the narrowest above whose units divide a group.
pub(in crate::format) fn narrowest(bits: u32, group: usize) -> Dtype {
    let fits = |b: &u32| group.is_multiple_of(QUAD * (8 >> b.trailing_zeros()));
    (bits..8).find(fits).map_or(Dtype::U8, |b| Dtype::Code(b as u8))
}

/// So many bits as codes.
fn whole(bits: u8) -> Dtype {
    if bits == 8 { Dtype::U8 } else { Dtype::Code(bits) }
}
