//! Any choice of lanes from two vectors, by the cheapest instruction that makes it.

use super::{Done, Select};
use crate::cpu::native::{
    mir::{Given, VECTOR, VReg},
    template::words,
};
use iced_x86::Code;

impl Select<'_> {
    /// Lane i is lane `table[i]` of the two, counted through a then b.
    pub(super) fn shuffle(&mut self, table: &[u8], a: VReg, b: VReg) -> Done<VReg> {
        let lanes = self.isa.lanes;
        // Of one vector alone?
        let first = table.iter().all(|t| usize::from(*t) < lanes);
        let second = table.iter().all(|t| usize::from(*t) >= lanes);
        if first || second || a == b {
            let from = if second && !first { b } else { a };
            let table: Vec<usize> = table.iter().map(|t| usize::from(*t) % lanes).collect();
            return self.shuffle_one(&table, from);
        }
        if let Some((code, sources)) = self.without_index(table, [a, b]) {
            return self.vector_of(code, &sources);
        }
        if self.isa.k {
            let index = self.constant_vector(words(table.iter().map(|t| u32::from(*t))))?;
            let sources = [Given::Reg(index), Given::Reg(a), Given::Reg(b)];
            return self.vector_of(Code::EVEX_Vpermi2d_zmm_k1z_zmm_zmmm512b32, &sources);
        }
        let one: Vec<usize> = table.iter().map(|t| usize::from(*t) % lanes).collect();
        let (a, b) = (self.shuffle_one(&one, a)?, self.shuffle_one(&one, b)?);
        let pick = table
            .iter()
            .enumerate()
            .fold(0, |m, (i, t)| m | i64::from(usize::from(*t) >= lanes) << i);
        let sources = [Given::Reg(a), Given::Reg(b), Given::Imm(pick)];
        self.vector_of(Code::VEX_Vpblendd_ymm_ymm_ymmm256_imm8, &sources)
    }

    /// The instruction whose number says it all, if there is one.
    fn without_index(&self, table: &[u8], of: [VReg; 2]) -> Option<(Code, [Given; 3])> {
        let lanes = self.isa.lanes;
        let lane = |t: &u8| usize::from(*t) % lanes;
        // The vector that all of some lanes come from.
        let one = |part: &[u8]| {
            let second = usize::from(part[0]) >= lanes;
            let same = part.iter().all(|t| (usize::from(*t) >= lanes) == second);
            same.then_some(Given::Reg(of[usize::from(second)]))
        };
        // Each four lanes from the same four, the same lanes everywhere: two of one vector, then two of the other.
        let alike = table.iter().enumerate().all(|(i, t)| {
            let model = &table[i % 4];
            lane(t) / 4 == i / 4
                && lane(t) % 4 == lane(model)
                && (t < &(lanes as u8)) == (model < &(lanes as u8))
        });
        if let (true, Some(x), Some(y)) = (alike, one(&table[..2]), one(&table[2..4])) {
            let pick = (0..4).fold(0, |m, i| m | (lane(&table[i]) as i64) << (2 * i));
            return Some((self.isa.shuffle_two, [x, y, Given::Imm(pick)]));
        }
        // Fours as they are.
        let whole = |four: &[u8]| {
            four[0].is_multiple_of(4)
                && four.iter().enumerate().all(|(i, t)| *t == four[0] + i as u8)
        };
        if !table.chunks(4).all(whole) {
            return None;
        }
        if !self.isa.k {
            // Either four of either vector: the upper bit says which vector.
            let from = |i: usize| table[4 * i] as i64 / 4;
            return Some((
                Code::VEX_Vperm2i128_ymm_ymm_ymmm256_imm8,
                [Given::Reg(of[0]), Given::Reg(of[1]), Given::Imm(from(0) | from(1) << 4)],
            ));
        }
        let (x, y) = (one(&table[..lanes / 2])?, one(&table[lanes / 2..])?);
        let fours = table.iter().step_by(4).map(|t| lane(t) as i64 / 4);
        let pick = fours.enumerate().fold(0, |m, (i, four)| m | four << (2 * i));
        Some((Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, [x, y, Given::Imm(pick)]))
    }

    fn shuffle_one(&mut self, table: &[usize], from: VReg) -> Done<VReg> {
        let source = Given::Reg(from);
        if table.iter().enumerate().all(|(i, t)| i == *t) {
            return Ok(from);
        }
        if table.iter().all(|t| *t == 0) {
            return self.vector_of(self.isa.broadcast, &[source]);
        }
        let quad = |f: &dyn Fn(usize) -> usize| (0..4).fold(0, |m, i| m | (f(i) as i64) << (2 * i));
        // The same choice in each four lanes.
        if table.iter().enumerate().all(|(i, t)| t / 4 == i / 4 && t % 4 == table[i % 4] % 4) {
            let pick = Given::Imm(quad(&|i| table[i] % 4));
            return self.vector_of(self.isa.shuffle, &[source, pick]);
        }
        // Fours, or pairs, as they are.
        let group = table.len() / 4;
        let whole = |g: &[usize]| {
            g[0].is_multiple_of(group) && g.iter().enumerate().all(|(i, t)| *t == g[0] + i)
        };
        if table.chunks(group).all(whole) {
            let pick = Given::Imm(quad(&|i| table[i * group] / group));
            return if self.isa.k {
                let sources = [source, source, pick];
                self.vector_of(Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8, &sources)
            } else {
                self.vector_of(Code::VEX_Vpermq_ymm_ymmm256_imm8, &[source, pick])
            };
        }
        let index = self.constant_vector(words(table.iter().map(|t| *t as u32)))?;
        self.vector_of(self.isa.permute, &[Given::Reg(index), source])
    }

    fn constant_vector(&mut self, bytes: Vec<u8>) -> Done<VReg> {
        let constant = self.mir.pool.add(bytes);
        self.vector_of(self.isa.load, &[Given::Pool { constant, broadcast: false }])
    }

    fn vector_of(&mut self, code: Code, sources: &[Given]) -> Done<VReg> {
        let v = self.mir.vreg(VECTOR);
        self.emit(code, Some(v), sources)?;
        Ok(v)
    }
}
