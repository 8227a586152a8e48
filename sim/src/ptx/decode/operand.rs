//! Operands: what names mean, and the slots of values.

use super::{Binding, DYNAMIC, Decoder, Parts};
use crate::ptx::{
    Error,
    float::{Conversion, F32, F64},
    lex::Literal,
    op::{Address, AddressSpace, Predicate, SINK, Slot, Special, TRUE, Type, mask_of},
    parse::bytes_of,
    text::{Operand, Space},
};

impl<'a> Decoder<'a> {
    pub(super) fn lookup(&mut self, name: &'a str) -> Option<Binding> {
        for i in (0..self.scopes.len()).rev() {
            if let Some(binding) = self.scopes[i].names.get(name) {
                return Some(binding.clone());
            }
            let declared = self.scopes[i].declared.get(name).filter(|d| d.count.is_none());
            let element = declared.map(|d| d.element).or_else(|| {
                // `%r12` of `%r<20>`; a prefix may end in digits of its own.
                let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
                (1..=digits).rev().find_map(|n| {
                    let (prefix, number) = name.split_at(name.len() - n);
                    let declared = self.scopes[i].declared.get(prefix)?;
                    let number: u32 = number.parse().ok()?;
                    (number < declared.count?).then_some(declared.element)
                })
            });
            if let Some(element) = element {
                let binding = if element == "pred" {
                    self.out.predicates += 1;
                    Binding::Predicate(self.out.predicates - 1)
                } else {
                    let bits = 8 * bytes_of(element).unwrap_or(4) as u32;
                    Binding::Register { slot: self.register(), bits }
                };
                self.scopes[i].names.insert(name, binding.clone());
                return Some(binding);
            }
        }
        None
    }

    pub(super) fn constant(&mut self, value: u64) -> Slot {
        if let Some(slot) = self.constants.get(&value) {
            return *slot;
        }
        let slot = self.register();
        self.constants.insert(value, slot);
        self.out.special.push((slot, Special::Constant(value)));
        slot
    }

    pub(super) fn special(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.specials.get(name) {
            return Some(*slot);
        }
        let axis = |n: &str| match n {
            "x" => Some(0u8),
            "y" => Some(1),
            "z" => Some(2),
            _ => None,
        };
        let special = match name.split_once('.') {
            Some(("%tid", a)) => Special::Thread(axis(a)?),
            Some(("%ntid", a)) => Special::Threads(axis(a)?),
            Some(("%ctaid" | "%clusterid", a)) => Special::Block(axis(a)?),
            Some(("%nctaid" | "%nclusterid", a)) => Special::Blocks(axis(a)?),
            // Clusters have one block.
            Some(("%cluster_ctaid", a)) => axis(a).map(|_| Special::Constant(0))?,
            Some(("%cluster_nctaid", a)) => axis(a).map(|_| Special::Constant(1))?,
            Some(_) => return None,
            None => match name {
                "%laneid" => Special::Lane,
                "%warpid" => Special::Warp,
                "%nwarpid" => Special::Warps,
                "%lanemask_eq" => Special::MaskEqual,
                "%lanemask_lt" => Special::MaskBelow,
                "%lanemask_le" => Special::MaskUpTo,
                "%lanemask_gt" => Special::MaskAbove,
                "%lanemask_ge" => Special::MaskFrom,
                "%dynamic_smem_size" => Special::DynamicShared,
                "%total_smem_size" => Special::TotalShared,
                "%smid" | "%gridid" | "%cluster_ctarank" => Special::Constant(0),
                "%nsmid" | "%cluster_nctarank" => Special::Constant(1),
                "%is_explicit_cluster" => Special::Constant(0),
                "WARP_SZ" => Special::Constant(32),
                _ => return None,
            },
        };
        let slot = self.register();
        self.specials.insert(name.into(), slot);
        self.out.special.push((slot, special));
        Some(slot)
    }

    pub(super) fn unknown(&self, parts: &Parts<'a, '_>, name: &str) -> Error {
        parts.error(format!("`{name}` is not declared"))
    }

    pub(super) fn predicate(&mut self, parts: &Parts<'a, '_>, name: &'a str) -> Result<u32, Error> {
        match self.lookup(name) {
            Some(Binding::Predicate(slot)) => Ok(slot),
            Some(_) => Err(parts.error(format!("`{name}` is no predicate"))),
            None => Err(self.unknown(parts, name)),
        }
    }

    pub(super) fn predicate_source(
        &mut self,
        parts: &Parts<'a, '_>,
        i: usize,
    ) -> Result<Predicate, Error> {
        match parts.operand(i)?.clone() {
            Operand::Name(name) => {
                Ok(Predicate { slot: self.predicate(parts, name)?, negated: false })
            }
            Operand::Not(name) => {
                Ok(Predicate { slot: self.predicate(parts, name)?, negated: true })
            }
            // Some compilers write the constants true and false.
            Operand::Literal(Literal::Int(x)) => Ok(Predicate { slot: TRUE, negated: x == 0 }),
            Operand::Literal(_)
            | Operand::Vector(_)
            | Operand::Address { .. }
            | Operand::Pair(..)
            | Operand::List(_)
            | Operand::Sink => Err(parts.error("expected a predicate")),
        }
    }

    pub(super) fn predicate_result(
        &mut self,
        parts: &Parts<'a, '_>,
        operand: &Operand<'a>,
    ) -> Result<u32, Error> {
        match operand {
            Operand::Name(name) => self.predicate(parts, name),
            Operand::Sink => Ok(0),
            Operand::Not(_)
            | Operand::Literal(_)
            | Operand::Vector(_)
            | Operand::Address { .. }
            | Operand::Pair(..)
            | Operand::List(_) => Err(parts.error("expected a predicate")),
        }
    }

    /// `d` or `d|p`: the first operand and the second.
    pub(super) fn pair(
        &self,
        parts: &Parts<'a, '_>,
        i: usize,
    ) -> Result<(Operand<'a>, Operand<'a>), Error> {
        let operand = parts.operand(i)?;
        if let Operand::Pair(a, b) = operand {
            return Ok(((**a).clone(), (**b).clone()));
        }
        Ok((operand.clone(), Operand::Sink))
    }

    /// The slot and width of a result.
    pub(super) fn result_of(
        &mut self,
        parts: &Parts<'a, '_>,
        operand: &Operand<'a>,
    ) -> Result<(Slot, u32), Error> {
        match operand {
            Operand::Sink => Ok((SINK, 64)),
            Operand::Name(name) => match self.lookup(name) {
                Some(Binding::Register { slot, bits }) => {
                    self.writes.push(slot);
                    Ok((slot, bits))
                }
                Some(_) => Err(parts.error(format!("`{name}` is no register of this type"))),
                None => Err(self.unknown(parts, name)),
            },
            Operand::Vector(list) => match &list[..] {
                [one] => self.result_of(parts, one),
                _ => Err(parts.error("expected one register")),
            },
            Operand::Not(_)
            | Operand::Literal(_)
            | Operand::Address { .. }
            | Operand::Pair(..)
            | Operand::List(_) => Err(parts.error("expected a register for the result")),
        }
    }

    pub(super) fn result(&mut self, parts: &Parts<'a, '_>, i: usize) -> Result<Slot, Error> {
        let operand = parts.operand(i)?.clone();
        Ok(self.result_of(parts, &operand)?.0)
    }

    /// The slot of a value of this type.
    pub(super) fn source_of(
        &mut self,
        parts: &Parts<'a, '_>,
        operand: &Operand<'a>,
        kind: Type,
    ) -> Result<Slot, Error> {
        Ok(match operand {
            Operand::Literal(literal) => {
                let bits = match (*literal, kind) {
                    (Literal::Int(x), Type::Float(f)) if f.bits >= 32 && x != 0 => {
                        return Err(parts
                            .error(format!("{x} is no float: floats have the form 0f3F800000")));
                    }
                    (Literal::Int(x), _) => x as u64,
                    (Literal::F32(x), Type::Float(f)) if f == F64 => {
                        f64::from(f32::from_bits(x)).to_bits()
                    }
                    (Literal::F32(x), _) => u64::from(x),
                    (Literal::F64(x), Type::Float(f)) if f == F32 => {
                        u64::from((f64::from_bits(x) as f32).to_bits())
                    }
                    (Literal::F64(x), _) => x,
                    (Literal::Decimal(x), Type::Float(f)) => f.encode(x, Conversion::nearest()),
                    (Literal::Decimal(_), _) => return Err(parts.error("expected an integer")),
                };
                self.constant(bits & mask_of(kind.bits()))
            }
            Operand::Name(name) => match self.lookup(name) {
                Some(Binding::Register { slot, .. }) => {
                    self.reads.push(slot);
                    slot
                }
                Some(Binding::Variable { space, offset }) => self.address_of(space, offset, 0),
                Some(Binding::Global) => self.global(name, 0),
                Some(Binding::Predicate(_)) => {
                    return Err(parts.error(format!("`{name}` is a predicate, not a value")));
                }
                None => match self.special(name) {
                    Some(slot) => slot,
                    None => return Err(self.unknown(parts, name)),
                },
            },
            Operand::Address { base: Some(name), offset, .. } => match self.lookup(name) {
                Some(Binding::Variable { space, offset: at }) => {
                    self.address_of(space, at, *offset)
                }
                Some(Binding::Global) => self.global(name, *offset),
                Some(_) => return Err(parts.error("sums of registers are no operands")),
                None => return Err(self.unknown(parts, name)),
            },
            Operand::Vector(list) => match &list[..] {
                [one] => self.source_of(parts, one, kind)?,
                _ => return Err(parts.error("expected one value")),
            },
            Operand::Address { .. }
            | Operand::Not(_)
            | Operand::Pair(..)
            | Operand::List(_)
            | Operand::Sink => return Err(parts.error("expected a value")),
        })
    }

    pub(super) fn address_of(&mut self, space: Space, at: u32, offset: i64) -> Slot {
        if space == Space::Shared && at == DYNAMIC {
            return self.global("", offset);
        }
        let address = i64::from(at).wrapping_add(offset) as u64;
        self.constant(address)
    }

    /// The register that holds the address of a variable of the module; dynamic shared memory has no name.
    pub(super) fn global(&mut self, name: &'a str, offset: i64) -> Slot {
        if let Some(slot) = self.addresses.get(&(name, offset)) {
            return *slot;
        }
        let slot = self.register();
        self.addresses.insert((name, offset), slot);
        self.out.globals.push((slot, name.into(), offset));
        slot
    }

    pub(super) fn source(
        &mut self,
        parts: &Parts<'a, '_>,
        i: usize,
        kind: Type,
    ) -> Result<Slot, Error> {
        let operand = parts.operand(i)?.clone();
        self.source_of(parts, &operand, kind)
    }

    pub(super) fn source_if(
        &mut self,
        parts: &Parts<'a, '_>,
        i: usize,
        kind: Type,
    ) -> Result<Option<Slot>, Error> {
        if i < parts.text.operands.len() { self.source(parts, i, kind).map(Some) } else { Ok(None) }
    }

    /// The elements of `{a, b}`, or a single one.
    pub(super) fn list(&self, parts: &Parts<'a, '_>, i: usize) -> Result<Vec<Operand<'a>>, Error> {
        Ok(parts.operand(i)?.elements())
    }

    pub(super) fn sources(
        &mut self,
        parts: &Parts<'a, '_>,
        i: usize,
        kind: Type,
    ) -> Result<Vec<Slot>, Error> {
        let list = self.list(parts, i)?;
        list.iter().map(|o| self.source_of(parts, o, kind)).collect()
    }

    pub(super) fn results(&mut self, parts: &Parts<'a, '_>, i: usize) -> Result<Vec<Slot>, Error> {
        let list = self.list(parts, i)?;
        list.iter().map(|o| Ok(self.result_of(parts, o)?.0)).collect()
    }

    pub(super) fn address(
        &mut self,
        parts: &Parts<'a, '_>,
        i: usize,
        space: AddressSpace,
    ) -> Result<Address, Error> {
        let Operand::Address { base, offset, coordinates } = parts.operand(i)?.clone() else {
            return Err(parts.error("expected an address in brackets"));
        };
        if !coordinates.is_empty() {
            return Err(parts.unsupported("copies of tensors (their maps are opaque)"));
        }
        let mut space = space;
        let mut offset = offset;
        let base = match base {
            None => self.constant(0),
            Some(name) => match self.lookup(name) {
                Some(Binding::Variable { space: of, offset: at }) => {
                    space = match of {
                        Space::Shared => AddressSpace::Shared,
                        Space::Param => AddressSpace::Param,
                        Space::Local | Space::Register => AddressSpace::Local,
                        Space::Global | Space::Const => AddressSpace::Global,
                    };
                    let slot = self.address_of(of, at, offset);
                    offset = 0;
                    slot
                }
                Some(Binding::Predicate(_)) => {
                    return Err(parts.error(format!("`{name}` is a predicate, not an address")));
                }
                Some(Binding::Register { .. } | Binding::Global) | None => {
                    self.source_of(parts, &Operand::Name(name), Type::Bits(64))?
                }
            },
        };
        Ok(Address { base, offset, space })
    }
}
