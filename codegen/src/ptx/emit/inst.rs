//! One instruction: the row of its op with operands put in, and the few that no row says.
//!
//! ```text
//! add.s64 <d>, <a>, <b>;   ->   add.s64 %q6, %q5, %q3;
//! ```

use super::*;

/// What stands for the keys of a template, besides what the emitter knows.
struct Given<'a> {
    inst: &'a Inst,
    imm: Option<i64>,
    /// Of the result, else of the first operand.
    float: bool,
    shared: bool,
    base: Name,
    /// Where this lane's element is, whether by its number or by what it says.
    own: Name,
    temporaries: Vec<(&'static str, Name)>,
    /// Which of [`ASKED`] hold in every lane.
    known: [bool; 2],
}

/// What copies ask of each lane, and the guard that the answer is: that it copies or writes zeros; that it copies.
const ASKED: [(&str, &str); 2] = [("setp.ge.s32 <p0>", "@<p0> "), ("setp.gt.s32 <p1>", "@<p1> ")];

impl<'a> Emitter<'a> {
    pub(super) fn inst(&mut self, inst: &'a Inst) -> Emitted<()> {
        if self.order.step(inst, &mut self.since) {
            self.line(format_args!("bar.warp.sync -1;"));
        }
        if let Some(def) = inst.def
            && self.known(def, inst)?
        {
            return Ok(());
        }
        let imm = match inst.uses.last() {
            Some(Operand::Imm(x)) => Some(*x),
            Some(Operand::Reg(_)) | None => None,
        };
        match &inst.op {
            Op::Arg => {
                let (def, slot) = inst.def.zip(imm).ok_or_else(|| self.broken(inst))?;
                return self.arg(def, slot).ok_or_else(|| self.broken(inst));
            }
            Op::Shuffle(table) => return self.shuffle(inst, table),
            Op::Join(_) => {
                let def = inst.def.ok_or_else(|| self.broken(inst))?;
                let mut names = Vec::new();
                for from in &inst.uses {
                    let Operand::Reg(from) = from else { return Err(self.broken(inst)) };
                    names.push(self.name(*from)?);
                }
                self.call(def, &names);
                return Ok(());
            }
            Op::Part => {
                let (Some(def), Some(Operand::Reg(from))) = (inst.def, inst.uses.first()) else {
                    return Err(self.broken(inst));
                };
                let at = imm.and_then(|i| usize::try_from(i).ok());
                let word = at.and_then(|at| self.words(*from).ok()?.get(at).copied());
                let word = word.ok_or_else(|| self.broken(inst))?;
                self.call(def, &[word]);
                return Ok(());
            }
            // Every chip hides latency by other warps.
            Op::Prefetch(_) if !self.rows.contains_key(&inst.op) => return Ok(()),
            Op::Async(AsyncOp::Wait) => {
                if let Some(later) = self.later.last_mut() {
                    self.text += &std::mem::take(later);
                }
            }
            Op::Async(AsyncOp::Copy(_)) | Op::Squares { .. } if self.scratch.is_none() => {
                return Err(self.refuse(
                    format!("copies to {} bytes of scratch", self.kernel.scratch),
                    format!("tiles that fit {SHARED} bytes of shared memory"),
                ));
            }
            Op::Int(op @ (IntOp::Div | IntOp::Rem)) => {
                // Both round down, as a shift and a mask do.
                if let (Some(def), [a, Operand::Imm(n)]) = (inst.def, inst.uses.as_slice())
                    && n.count_ones() == 1
                    && *n > 0
                {
                    let a = self.operand(*a)?;
                    let d = self.define(def)?;
                    if *op == IntOp::Rem {
                        self.line(format_args!("and.b64 {d}, {a}, {};", n - 1));
                    } else {
                        self.line(format_args!("shr.s64 {d}, {a}, {};", n.trailing_zeros()));
                    }
                    return Ok(());
                }
            }
            Op::Spread => {
                if let (Some(def), Some(x)) = (inst.def, imm) {
                    let d = self.define(def)?;
                    self.line(format_args!("mov.b32 {d}, 0x{:08X};", x as u32));
                    return Ok(());
                }
            }
            // The rest are rows, word for word.
            Op::Const
            | Op::Worker
            | Op::Int(_)
            | Op::Read(_)
            | Op::Write(_)
            | Op::Next
            | Op::Load(_)
            | Op::Splat(_)
            | Op::LoadF16
            | Op::Nibbles
            | Op::SplatF16
            | Op::Store(_)
            | Op::LoadPart(_)
            | Op::StorePart(_)
            | Op::Gather
            | Op::Async(_)
            | Op::Squares { .. }
            | Op::GatherPart(_)
            | Op::Scatter(_)
            | Op::Pair(_)
            | Op::Mma(_)
            | Op::Prefetch(_)
            | Op::FloatConst
            | Op::WordConst
            | Op::Iota
            | Op::Float(_)
            | Op::FloatUnary(_)
            | Op::Fma
            | Op::Word(_)
            | Op::Shift(_)
            | Op::Half(_)
            | Op::FloatCmp(_)
            | Op::WordCmp(_)
            | Op::Mask(_)
            | Op::Select
            | Op::Bits
            | Op::FromBits
            | Op::Cvt(_)
            | Op::HSum
            | Op::HMax
            | Op::WordHSum
            | Op::Ballot
            | Op::PermuteBytes
            | Op::PermuteHigh
            | Op::SelectBits
            | Op::Lookup
            | Op::Affine
            | Op::PackBf16
            | Op::Dot(_) => {}
        }
        self.row(inst, imm)
    }

    /// Results that nobody needs, that are there already, or that are a number: whether this is one.
    fn known(&mut self, def: Reg, inst: &Inst) -> Emitted<bool> {
        let places = self.order.places();
        let told = self.rows.contains_key(&inst.op) && inst.op.memory().is_none();
        if told && !places.needed(def) {
            return Ok(true);
        }
        if let Some(same) = places.same(inst) {
            let words = self.words(same)?.to_vec();
            self.call(def, &words);
            return Ok(true);
        }
        if let Some(x) = places.constant(def) {
            let d = self.define(def)?;
            self.line(format_args!("mov.b32 {d}, 0x{x:08X};"));
            return Ok(true);
        }
        Ok(false)
    }

    /// An entry of the argument array. Scratch in shared memory begins so that worker w of the launch, w times its size
    /// further, is where warp w of this block should be.
    fn arg(&mut self, def: Reg, slot: i64) -> Option<()> {
        let number = usize::try_from(slot).ok()?;
        let kind = self.kernel.slots.get(number)?;
        let d = self.define(def).ok()?;
        match (kind, self.scratch) {
            (Slot::Scratch, Some(size)) => {
                let (start, before) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
                let block = self.own.block;
                self.line(format_args!("mov.u64 {start}, scratch;"));
                self.line(format_args!("mul.lo.s64 {before}, {block}, {size};"));
                self.line(format_args!("sub.s64 {d}, {start}, {before};"));
            }
            (
                Slot::Scratch
                | Slot::Pointer(_)
                | Slot::Stride(..)
                | Slot::Extent(_)
                | Slot::Counter(_)
                | Slot::End(_)
                | Slot::Report,
                _,
            ) => self.line(format_args!("ld.param.u64 {d}, [slot{number}];")),
        }
        Some(())
    }

    fn row(&mut self, inst: &'a Inst, imm: Option<i64>) -> Emitted<()> {
        let row = self.rows.get(&inst.op).copied().ok_or_else(|| {
            self.refuse(
                format!("`{}`", inst.op),
                "expand it into ops of the target, or choose another schedule".into(),
            )
        })?;
        let class = match (inst.def, inst.uses.first()) {
            (Some(def), _) => Some(self.class(def)?),
            (None, Some(Operand::Reg(reg))) => Some(self.class(*reg)?),
            (None, Some(Operand::Imm(_)) | None) => None,
        };
        let float = class == Some(Class::Float);
        let (none, temporaries) = (Name::default(), Vec::new());
        let mut given = Given {
            inst,
            imm,
            float,
            shared: false,
            base: none,
            own: none,
            temporaries,
            known: [false; 2],
        };
        if let Some(mem) = inst.mem {
            given.base = self.name(mem.base)?;
            given.shared = self.scratch.is_some()
                && self.order.slot(mem.base).and_then(|s| self.kernel.slots.get(s))
                    == Some(&Slot::Scratch);
            if let Some((_, key)) = row.text.split_once("<m")
                && let Some(size) = key.split('>').next().and_then(|n| n.parse().ok())
            {
                given.own = self.lane_address(mem.base, given.base, size);
            } else if row.text.contains("<g>") {
                // The mask is the last operand, the bytes stand before it.
                let Some([Operand::Reg(bytes), _]) = inst.uses.last_chunk() else {
                    return Err(self.broken(inst));
                };
                given.own = self.gather_address(mem.base, given.base, *bytes)?;
            }
        }
        for operand in &inst.uses {
            self.operand(*operand)?;
        }
        if let Some(def) = inst.def {
            self.define(def)?;
        }
        let mut template = row.text;
        if let (Op::GatherPart(_) | Op::Scatter(_), Some(Operand::Reg(mask))) =
            (&inst.op, inst.uses.last())
        {
            if self.order.places().always(*mask) {
                // All lanes, without asking each.
                template = template.split_once(' ').map_or(template, |(_, rest)| rest);
            } else if let Some(def) = inst.def {
                let (ty, zero) = given.zero();
                for word in self.words(def)?.to_vec() {
                    self.line(format_args!("mov.{ty} {word}, {zero};"));
                }
            }
        }
        if let (Op::Async(AsyncOp::Copy(_)), Some(Operand::Reg(bytes))) =
            (&inst.op, inst.uses.last())
        {
            given.known = self.order.places().natural(*bytes).into();
        }
        let (now, later) = template.split_once(LATER).unwrap_or((template, ""));
        self.fill(now, &mut given).ok_or_else(|| self.broken(inst))?;
        if !later.is_empty() {
            let here = self.text.len();
            self.fill(later, &mut given).ok_or_else(|| self.broken(inst))?;
            let later = self.text.split_off(here);
            if let Some(list) = self.later.last_mut() {
                *list += &later;
            }
        }
        Ok(())
    }

    /// Where this lane's element of `size` bytes is, without the offset.
    fn lane_address(&mut self, reg: Reg, base: Name, size: usize) -> Name {
        let key = (reg, Ok(size));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return *known;
        }
        let by = match size {
            1 => self.own.lane64,
            _ => self.lane_times(size),
        };
        let address = self.fresh(Kind::Quad);
        self.line(format_args!("add.s64 {address}, {base}, {by};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address);
        }
        address
    }

    /// The lane times so many bytes, a power of two, found once at the entry.
    fn lane_times(&mut self, size: usize) -> Name {
        if let Some((_, known)) = self.wider.iter().find(|(s, _)| *s == size) {
            return *known;
        }
        let by = self.fresh(Kind::Quad);
        let (lane, shift) = (self.own.lane64, size.trailing_zeros());
        let _ = writeln!(self.head, "    shl.b64 {by}, {lane}, {shift};");
        self.wider.push((size, by));
        by
    }

    /// Where the element is that stands so many bytes behind the base as the lane says.
    fn gather_address(&mut self, reg: Reg, base: Name, bytes: Reg) -> Emitted<Name> {
        let key = (reg, Err(bytes));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return Ok(*known);
        }
        let from = self.name(bytes)?;
        let (wide, address) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
        self.line(format_args!("cvt.s64.s32 {wide}, {from};"));
        self.line(format_args!("add.s64 {address}, {base}, {wide};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address);
        }
        Ok(address)
    }

    /// Writes the template with its keys replaced; `None` for a key that the instruction does not give.
    fn fill(&mut self, template: &'static str, given: &mut Given<'_>) -> Option<()> {
        for line in template.lines().filter(|l| !l.is_empty()) {
            let told = || ASKED.iter().zip(given.known).filter(|(_, known)| *known).map(|(a, _)| a);
            if told().any(|(asks, _)| line.starts_with(asks)) {
                continue;
            }
            self.text += "    ";
            let mut rest = told().find_map(|(_, guard)| line.strip_prefix(guard)).unwrap_or(line);
            while let Some((before, after)) = rest.split_once('<') {
                let (key, after) = after.split_once('>')?;
                self.text += before;
                self.put(key, given)?;
                rest = after;
            }
            self.text += rest;
            self.text.push('\n');
        }
        Some(())
    }

    /// What stands for a key.
    fn put(&mut self, key: &'static str, given: &mut Given<'_>) -> Option<()> {
        let use_at = |at: usize| given.inst.uses.get(at);
        let use_ = match key {
            "a" => use_at(0),
            "b" => use_at(1),
            "c" => use_at(2),
            "e" => use_at(3),
            _ => None,
        };
        if let Some(use_) = use_ {
            match use_ {
                Operand::Reg(reg) => self.put_words(*reg)?,
                Operand::Imm(x) => write!(self.text, "{x}").ok()?,
            }
            return Some(());
        }
        let (ty, zero) = given.zero();
        let mem = given.inst.mem;
        match key {
            "d" => self.put_words(given.inst.def?)?,
            "T" => self.text += ty,
            "zero" => self.text += zero,
            "x" => write!(self.text, "0f{:08X}", given.imm? as u32).ok()?,
            "n" => {
                let small =
                    |op: &Op| matches!(op, Op::Shift(_) | Op::Half(_) | Op::Const | Op::Async(_));
                match given.imm? {
                    x if small(&given.inst.op) => write!(self.text, "{x}").ok()?,
                    x => write!(self.text, "0x{:08X}", x as u32).ok()?,
                }
            }
            "S" => self.text += if given.shared { "shared" } else { "global" },
            "base" => write!(self.text, "{}", mem.map(|_| given.base)?).ok()?,
            "o" => self.put_offset(mem?.offset)?,
            "m" | "m1" | "m2" | "m4" | "m8" | "m16" | "g" => {
                let at = if key == "m" { given.base } else { given.own };
                write!(self.text, "[{at}").ok()?;
                self.put_offset(mem?.offset)?;
                self.text.push(']');
            }
            _ => {
                let name = match self.own.by_key(key) {
                    Some(own) => own,
                    None => self.temporary(key, given)?,
                };
                write!(self.text, "{name}").ok()?;
            }
        }
        Some(())
    }

    /// Of several words a list.
    fn put_words(&mut self, reg: Reg) -> Option<()> {
        let (at, words) = self.names.get(reg.index()).copied().flatten()?;
        write!(self.text, "{}", List(self.pool.get(at..at + words)?)).ok()
    }

    /// PTX knows sums alone: `[%q1+-4]`.
    fn put_offset(&mut self, offset: i32) -> Option<()> {
        match offset {
            0 => Some(()),
            _ => write!(self.text, "+{offset}").ok(),
        }
    }

    /// A register of this instruction alone: `<q0>`.
    fn temporary(&mut self, key: &'static str, given: &mut Given<'_>) -> Option<Name> {
        if let Some((_, known)) = given.temporaries.iter().find(|(k, _)| *k == key) {
            return Some(*known);
        }
        let kind = match key.as_bytes() {
            [b't', b'0'..=b'9'] => Kind::Word,
            [b'f', b'0'..=b'9'] => Kind::Float,
            [b'h', b'0'..=b'9'] => Kind::Half,
            [b'q', b'0'..=b'9'] => Kind::Quad,
            [b'p', b'0'..=b'9'] => Kind::Predicate,
            _ => return None,
        };
        let name = self.fresh(kind);
        given.temporaries.push((key, name));
        Some(name)
    }
}

impl Given<'_> {
    /// The type of a register, and its zero.
    fn zero(&self) -> (&'static str, &'static str) {
        if self.float { ("f32", "0f00000000") } else { ("b32", "0") }
    }
}
