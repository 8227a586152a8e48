//! Operands of an instruction, beside it where they are few: most instructions have two.

use super::Operand;
use std::ops::{Deref, DerefMut};

/// As many as are kept without memory of their own.
const FEW: usize = 3;

/// A list of operands.
#[derive(Clone, Debug)]
pub struct Operands(List);

#[derive(Clone, Debug)]
enum List {
    /// So many of them.
    Few(u8, [Operand; FEW]),
    Many(Vec<Operand>),
}

impl Operands {
    #[inline]
    pub fn as_slice(&self) -> &[Operand] {
        match &self.0 {
            List::Few(count, few) => &few[..usize::from(*count)],
            List::Many(all) => all,
        }
    }

    #[inline]
    pub fn push(&mut self, operand: Operand) {
        match &mut self.0 {
            List::Few(count, few) if usize::from(*count) < FEW => {
                few[usize::from(*count)] = operand;
                *count += 1;
            }
            List::Few(_, few) => {
                self.0 = List::Many(few.iter().copied().chain([operand]).collect());
            }
            List::Many(all) => all.push(operand),
        }
    }
}

impl Deref for Operands {
    type Target = [Operand];

    #[inline]
    fn deref(&self) -> &[Operand] {
        self.as_slice()
    }
}

impl DerefMut for Operands {
    #[inline]
    fn deref_mut(&mut self) -> &mut [Operand] {
        match &mut self.0 {
            List::Few(count, few) => &mut few[..usize::from(*count)],
            List::Many(all) => all,
        }
    }
}

impl From<&[Operand]> for Operands {
    #[inline]
    fn from(list: &[Operand]) -> Operands {
        if list.len() > FEW {
            return Operands(List::Many(list.to_vec()));
        }
        let mut few = [Operand::Imm(0); FEW];
        few[..list.len()].copy_from_slice(list);
        Operands(List::Few(list.len() as u8, few))
    }
}

impl<const N: usize> From<[Operand; N]> for Operands {
    #[inline]
    fn from(list: [Operand; N]) -> Operands {
        list.as_slice().into()
    }
}

impl From<Vec<Operand>> for Operands {
    fn from(list: Vec<Operand>) -> Operands {
        if list.len() > FEW { Operands(List::Many(list)) } else { list.as_slice().into() }
    }
}

impl FromIterator<Operand> for Operands {
    fn from_iter<I: IntoIterator<Item = Operand>>(list: I) -> Operands {
        let mut out = Operands(List::Few(0, [Operand::Imm(0); FEW]));
        list.into_iter().for_each(|operand| out.push(operand));
        out
    }
}

impl<'a> IntoIterator for &'a Operands {
    type Item = &'a Operand;
    type IntoIter = std::slice::Iter<'a, Operand>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Operands {
    fn eq(&self, other: &Operands) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> PartialEq<[Operand; N]> for Operands {
    fn eq(&self, other: &[Operand; N]) -> bool {
        self.as_slice() == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of any length is the same however it was made.
    #[test]
    fn few_and_many_are_one_list() {
        let all: Vec<Operand> = (0..6).map(Operand::Imm).collect();
        for n in 0..all.len() {
            let mut pushed = Operands::from([]);
            all[..n].iter().for_each(|o| pushed.push(*o));
            assert_eq!(pushed.as_slice(), &all[..n]);
            assert_eq!(pushed, Operands::from(&all[..n]));
            assert_eq!(pushed, Operands::from(all[..n].to_vec()));
            assert_eq!(pushed, all[..n].iter().copied().collect::<Operands>());
            pushed.iter_mut().for_each(|o| *o = Operand::Imm(7));
            assert_eq!(pushed.iter().filter(|o| **o == Operand::Imm(7)).count(), n);
        }
    }
}
