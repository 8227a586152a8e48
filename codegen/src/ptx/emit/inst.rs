//! One instruction: the row of its op with operands put in, and the few that no row says.
//!
//! ```text
//! add.s64 <d>, <a>, <b>;   ->   add.s64 %q6, %q5, %q3;
//! ```

use super::*;
use template::{Line, Own, Piece, Template};

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
    temporaries: Vec<Option<Name>>,
    /// What the template asks holds in every lane.
    known: [bool; 2],
    /// Guards hold in every lane.
    always: bool,
}

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
            | Op::Rows(..)
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
            | Op::ShuffleBytes
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
        if !places.needed(def) && inst.op.memory().is_none() && self.rows.contains_key(&inst.op) {
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
        let template = self.template(inst)?;
        let class = match (inst.def, inst.uses.first()) {
            (Some(def), _) => Some(self.class(def)?),
            (None, Some(Operand::Reg(reg))) => Some(self.class(*reg)?),
            (None, Some(Operand::Imm(_)) | None) => None,
        };
        let float = class == Some(Class::Float);
        let (none, temporaries) = (Name::default(), vec![None; template.temporaries]);
        let mut given = Given {
            inst,
            imm,
            float,
            shared: false,
            base: none,
            own: none,
            temporaries,
            known: [false; 2],
            always: false,
        };
        if let Some(mem) = inst.mem {
            given.base = self.name(mem.base)?;
            given.shared = self.scratch.is_some()
                && self.order.slot(mem.base).and_then(|s| self.kernel.slots.get(s))
                    == Some(&Slot::Scratch);
            match template.own {
                Some(Own::Lane(size)) => {
                    given.own = self.lane_address(mem.base, given.base, size);
                }
                Some(Own::Told) => {
                    // The mask is the last operand, the bytes stand before it.
                    let Some([Operand::Reg(bytes), _]) = inst.uses.last_chunk() else {
                        return Err(self.broken(inst));
                    };
                    given.own = self.gather_address(mem.base, given.base, *bytes)?;
                }
                None => {}
            }
        }
        for operand in &inst.uses {
            self.operand(*operand)?;
        }
        if let Some(def) = inst.def {
            self.define(def)?;
        }
        if let (Op::GatherPart(_) | Op::Scatter(_), Some(Operand::Reg(mask))) =
            (&inst.op, inst.uses.last())
        {
            if self.order.places().always(*mask) {
                // All lanes, without asking each.
                given.always = true;
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
        self.fill(&template.now, &mut given).ok_or_else(|| self.broken(inst))?;
        if !template.later.is_empty() {
            let here = self.text.len();
            self.fill(&template.later, &mut given).ok_or_else(|| self.broken(inst))?;
            let later = self.text.split_off(here);
            if let Some(list) = self.later.last_mut() {
                *list += &later;
            }
        }
        Ok(())
    }

    /// The text of the row of an op.
    fn template(&mut self, inst: &'a Inst) -> Emitted<Rc<Template>> {
        if let Some(known) = self.templates.get(&inst.op) {
            return Ok(known.clone());
        }
        let row = self.rows.get(&inst.op).copied().ok_or_else(|| {
            self.refuse(
                format!("`{}`", inst.op),
                "expand it into ops of the target, or choose another schedule".into(),
            )
        })?;
        let template = Rc::new(Template::of(row.text).ok_or_else(|| self.broken(inst))?);
        self.templates.insert(&inst.op, template.clone());
        Ok(template)
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

    /// Writes the lines of a template; `None` for a piece that the instruction does not give.
    fn fill(&mut self, lines: &[Line], given: &mut Given<'a>) -> Option<()> {
        for line in lines {
            let known = |of: Option<usize>| of.is_some_and(|of| given.known[of]);
            if known(line.finds) {
                continue;
            }
            let guard = line.guard.filter(|_| !given.always && !known(line.asks));
            let start = self.text.len();
            self.text += "    ";
            if let Some(guard) = guard {
                self.text.push('@');
                self.put(guard, given)?;
                self.text.push(' ');
            }
            for piece in &line.pieces {
                self.put(*piece, given)?;
            }
            if let Some(marked) = &mut self.marked
                && self.text.get(start..).is_some_and(|line| line.contains(".global"))
            {
                write!(self.text, "{MARK}{}", marked.len()).ok()?;
                marked.push(given.inst);
            }
            self.text.push('\n');
        }
        Some(())
    }

    fn put(&mut self, piece: Piece, given: &mut Given<'_>) -> Option<()> {
        let offset = given.inst.mem.map(|mem| mem.offset);
        match piece {
            Piece::Text(text) => self.text += text,
            Piece::Use(at) => match given.inst.uses.get(at)? {
                Operand::Reg(reg) => self.put_words(*reg)?,
                Operand::Imm(x) => write!(self.text, "{x}").ok()?,
            },
            Piece::Def => self.put_words(given.inst.def?)?,
            Piece::Type => self.text += given.zero().0,
            Piece::Zero => self.text += given.zero().1,
            Piece::Bits => write!(self.text, "0f{:08X}", given.imm? as u32).ok()?,
            Piece::Immediate => {
                let small =
                    |op: &Op| matches!(op, Op::Shift(_) | Op::Half(_) | Op::Const | Op::Async(_));
                match given.imm? {
                    x if small(&given.inst.op) => write!(self.text, "{x}").ok()?,
                    x => write!(self.text, "0x{:08X}", x as u32).ok()?,
                }
            }
            Piece::Space => self.text += if given.shared { "shared" } else { "global" },
            Piece::Base => {
                offset?;
                given.base.put(&mut self.text).ok()?;
            }
            Piece::Offset => self.put_offset(offset?)?,
            Piece::Memory | Piece::Element => {
                let memory = matches!(piece, Piece::Memory);
                self.text.push('[');
                if memory { given.base } else { given.own }.put(&mut self.text).ok()?;
                self.put_offset(offset?)?;
                self.text.push(']');
            }
            Piece::Lane => self.own.lane.put(&mut self.text).ok()?,
            Piece::Lane64 => self.own.lane64.put(&mut self.text).ok()?,
            Piece::First => self.own.first.put(&mut self.text).ok()?,
            Piece::Worker => self.own.worker.put(&mut self.text).ok()?,
            Piece::Temporary(kind, at) => {
                let known = given.temporaries.get(at).copied().flatten();
                let name = known.unwrap_or_else(|| self.fresh(kind));
                *given.temporaries.get_mut(at)? = Some(name);
                name.put(&mut self.text).ok()?;
            }
        }
        Some(())
    }

    /// Of several words a list.
    fn put_words(&mut self, reg: Reg) -> Option<()> {
        let (at, words) = self.names.get(reg.index()).copied().flatten()?;
        for (i, name) in self.pool.get(at..at + words)?.iter().enumerate() {
            if i > 0 {
                self.text += ", ";
            }
            name.put(&mut self.text).ok()?;
        }
        Some(())
    }

    /// PTX knows sums alone: `[%q1+-4]`.
    fn put_offset(&mut self, offset: i32) -> Option<()> {
        match offset {
            0 => Some(()),
            _ => write!(self.text, "+{offset}").ok(),
        }
    }
}

impl Given<'_> {
    /// The type of a register, and its zero.
    fn zero(&self) -> (&'static str, &'static str) {
        if self.float { ("f32", "0f00000000") } else { ("b32", "0") }
    }
}
