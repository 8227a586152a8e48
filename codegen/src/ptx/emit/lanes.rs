//! Exchanges of lanes: what each lane reads is found once, at the entry.
//!
//! ```text
//! shfl.sync.idx.b32 %f4, %f3, %r9, 31, -1;
//! selp.f32 %f6, %f5, %f4, %p1;
//! ```

use super::*;

impl Emitter<'_> {
    pub(super) fn shuffle(&mut self, inst: &Inst, entries: &[u8]) -> Emitted<()> {
        let (Some(def), [a, b]) = (inst.def, inst.uses.as_slice()) else {
            return Err(self.broken(inst));
        };
        let Some(table) = Table::of(entries) else {
            return Err(self.refuse(format!("`{}`", inst.op), "32 lanes below 64".into()));
        };
        let (class, a, b) = (self.class(def)?, self.operand(*a)?, self.operand(*b)?);
        let (lane, second) = self.table(entries, &table);
        let d = self.define(def)?;
        let read = |e: &mut Self, from: &str| match (&table.lane, &lane) {
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
            (Some(Lane::Planes(_)), None) | (None, _) => from.to_owned(),
        };
        let ty = mov(class);
        match (table.of, second) {
            (Of::First, _) => {
                let got = read(self, &a);
                self.line(format_args!("mov.{ty} {d}, {got};"));
            }
            (Of::Second, _) => {
                let got = read(self, &b);
                self.line(format_args!("mov.{ty} {d}, {got};"));
            }
            (Of::Both(_), second) => {
                let (x, y) = (read(self, &a), read(self, &b));
                let second = second.unwrap_or_default();
                self.line(format_args!("selp.{ty} {d}, {y}, {x}, {second};"));
            }
        }
        Ok(())
    }

    /// What each lane finds in a table, looked up once at the entry. Tables that take the same lanes from the second
    /// register share the predicate: there are seven.
    fn table(&mut self, entries: &[u8], table: &Table) -> Found {
        let own = self.own.lane.clone();
        let lane = match (&table.lane, self.lanes.get(entries)) {
            (_, Some(known)) => Some(known.clone()),
            (Some(Lane::Planes(planes)), None) => {
                let (text, at) = shuffle::lane_of(planes, &own, || self.fresh(Kind::Word));
                for line in text.lines() {
                    let _ = writeln!(self.head, "    {line}");
                }
                self.lanes.insert(entries.to_vec(), at.clone());
                Some(at)
            }
            (Some(Lane::Xor(_)) | None, None) => None,
        };
        let second = match table.of {
            Of::Both(word) => Some(match self.seconds.get(&word) {
                Some(known) => known.clone(),
                None => {
                    let regs: [String; 3] = std::array::from_fn(|_| self.fresh(Kind::Word));
                    let [bits, moved, one] = regs;
                    let test = self.fresh(Kind::Predicate);
                    let _ = writeln!(self.head, "    mov.b32 {bits}, 0x{word:08X};");
                    let _ = writeln!(self.head, "    shr.u32 {moved}, {bits}, {own};");
                    let _ = writeln!(self.head, "    and.b32 {one}, {moved}, 1;");
                    let _ = writeln!(self.head, "    setp.ne.u32 {test}, {one}, 0;");
                    self.seconds.insert(word, test.clone());
                    test
                }
            }),
            Of::First | Of::Second => None,
        };
        (lane, second)
    }
}
