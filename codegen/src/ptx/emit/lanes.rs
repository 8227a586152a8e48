//! Exchanges of lanes: what each lane reads is found once, at the entry.
//!
//! ```text
//! shfl.sync.idx.b32 %f4, %f3, %r9, 31, -1;
//! selp.f32 %f6, %f5, %f4, %p1;
//! ```

use super::*;
use crate::ptx::shuffle::{self, Lane, Of};

impl<'a> Emitter<'a> {
    pub(super) fn shuffle(&mut self, inst: &'a Inst, entries: &'a [u8]) -> Emitted<()> {
        let (Some(def), [a, b]) = (inst.def, inst.uses.as_slice()) else {
            return Err(self.broken(inst));
        };
        let Some((table, (lane, second))) = self.table(entries) else {
            return Err(self.refuse(format!("`{}`", inst.op), "32 lanes below 64".into()));
        };
        let (Operand::Reg(a), Operand::Reg(b)) = (a, b) else { return Err(self.broken(inst)) };
        let (class, a, b) = (self.class(def)?, self.name(*a)?, self.name(*b)?);
        let d = self.define(def)?;
        let read = |e: &mut Self, from: Name| match (&table.lane, lane) {
            (Some(Lane::Xor(bits)), _) => {
                let got = e.fresh(class.into());
                e.line(format_args!("shfl.sync.bfly.b32 {got}, {from}, {bits}, 31, -1;"));
                got
            }
            (Some(Lane::Planes(_)), Some(lane)) => {
                let got = e.fresh(class.into());
                e.line(format_args!("shfl.sync.idx.b32 {got}, {from}, {lane}, 31, -1;"));
                got
            }
            (Some(Lane::Planes(_)), None) | (None, _) => from,
        };
        let ty = mov(class);
        match (table.of, second) {
            (Of::First, _) => {
                let got = read(self, a);
                self.put_line("mov", ty, d, &[got]);
            }
            (Of::Second, _) => {
                let got = read(self, b);
                self.put_line("mov", ty, d, &[got]);
            }
            (Of::Both(_), second) if matches!(table.lane, Some(Lane::Xor(_))) => {
                // A lane has one reader, and gives what that one wants.
                let given = self.fresh(class.into());
                let second = second.unwrap_or_default();
                self.put_line("selp", ty, given, &[b, a, second]);
                let got = read(self, given);
                self.put_line("mov", ty, d, &[got]);
            }
            (Of::Both(_), second) => {
                let (x, y) = (read(self, a), read(self, b));
                let second = second.unwrap_or_default();
                self.put_line("selp", ty, d, &[y, x, second]);
            }
        }
        Ok(())
    }

    /// What each lane finds in a table, looked up once at the entry. Tables that take the same lanes from the second
    /// register share the predicate: there are few.
    fn table(&mut self, entries: &'a [u8]) -> Option<(Table, Found)> {
        if let Some(known) = self.tables.get(entries) {
            return Some(known.clone());
        }
        let table = Table::of(entries)?;
        let own = self.own.lane;
        let lane = match &table.lane {
            Some(Lane::Planes(planes)) => {
                let fresh = || self.fresh(Kind::Word);
                let (text, at) = shuffle::lane_of(planes, own, fresh);
                for line in text.lines() {
                    let _ = writeln!(self.head, "    {line}");
                }
                Some(at)
            }
            Some(Lane::Xor(_)) | None => None,
        };
        let second = match table.of {
            Of::Both(word) => Some(self.second(table.given(word))),
            Of::First | Of::Second => None,
        };
        self.tables.insert(entries, (table.clone(), (lane, second)));
        Some((table, (lane, second)))
    }

    /// Whether the bit of this lane is set.
    fn second(&mut self, word: u32) -> Name {
        if let Some((_, known)) = self.seconds.iter().find(|(w, _)| *w == word) {
            return *known;
        }
        let own = self.own.lane;
        let [bits, moved, one] = std::array::from_fn(|_| self.fresh(Kind::Word));
        let test = self.fresh(Kind::Predicate);
        let _ = writeln!(self.head, "    mov.b32 {bits}, 0x{word:08X};");
        let _ = writeln!(self.head, "    shr.u32 {moved}, {bits}, {own};");
        let _ = writeln!(self.head, "    and.b32 {one}, {moved}, 1;");
        let _ = writeln!(self.head, "    setp.ne.u32 {test}, {one}, 0;");
        self.seconds.push((word, test));
        test
    }
}
