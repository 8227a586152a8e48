//! One instruction: the row of its op with operands put in, and the few that no row says.
//!
//! ```text
//! add.s64 <d>, <a>, <b>;   ->   add.s64 %q6, %q5, %q3;
//! ```

use super::*;

impl Emitter<'_> {
    pub(super) fn inst(&mut self, inst: &Inst) -> Emitted<()> {
        if self.order.step(inst, &mut self.since) {
            self.line(format_args!("bar.warp.sync -1;"));
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
                    names.push(self.operand(*from)?);
                }
                self.names[def.index()] = Some(names);
                return Ok(());
            }
            Op::Part => {
                let (Some(def), Some(Operand::Reg(from))) = (inst.def, inst.uses.first()) else {
                    return Err(self.broken(inst));
                };
                let at = imm.and_then(|i| usize::try_from(i).ok());
                let word = self.words(*from)?.into_iter().nth(at.unwrap_or(usize::MAX));
                let word = word.ok_or_else(|| self.broken(inst))?;
                self.names[def.index()] = Some(vec![word]);
                return Ok(());
            }
            // Every chip hides latency by other warps.
            Op::Prefetch(_) if self.target.row(&inst.op).is_none() => return Ok(()),
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
            | Op::Lookup
            | Op::Affine
            | Op::PackBf16
            | Op::Dot(_) => {}
        }
        self.row(inst, imm)
    }

    /// An entry of the argument array. Scratch in shared memory begins so that worker w of the launch, w times its size
    /// further, is where warp w of this block should be.
    fn arg(&mut self, def: Reg, slot: i64) -> Option<()> {
        let number = usize::try_from(slot).ok()?;
        let kind = self.kernel.slots.get(number)?.clone();
        let d = self.define(def).ok()?;
        match (kind, self.scratch) {
            (Slot::Scratch, Some(size)) => {
                let (start, before) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
                let block = self.own.block.clone();
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

    fn row(&mut self, inst: &Inst, imm: Option<i64>) -> Emitted<()> {
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
        let mut keys: Vec<(&str, String)> = Vec::new();
        for (key, operand) in ["a", "b", "c", "e"].into_iter().zip(&inst.uses) {
            keys.push((key, self.operand(*operand)?));
        }
        if let Some(x) = imm {
            keys.push(("x", format!("0f{:08X}", x as u32)));
            let small = matches!(inst.op, Op::Shift(_) | Op::Half(_) | Op::Const | Op::Async(_));
            keys.push(("n", if small { x.to_string() } else { format!("0x{:08X}", x as u32) }));
        }
        if let Some(mem) = inst.mem {
            let base = self.name(mem.base)?;
            let shared = self.scratch.is_some()
                && self.order.slot(mem.base).and_then(|s| self.kernel.slots.get(s))
                    == Some(&Slot::Scratch);
            keys.push(("S", if shared { "shared" } else { "global" }.into()));
            // PTX knows sums alone: `[%q1+-4]`.
            let offset = if mem.offset == 0 { String::new() } else { format!("+{}", mem.offset) };
            for (key, size) in LANE_ADDRESSES {
                if row.text.contains(key) {
                    let address = self.lane_address(mem.base, &base, size);
                    let key = key.trim_matches(['<', '>']);
                    keys.push((key, format!("[{address}{offset}]")));
                }
            }
            if row.text.contains("<g>") {
                // The mask is the last operand, the bytes stand before it.
                let Some([Operand::Reg(bytes), _]) = inst.uses.last_chunk() else {
                    return Err(self.broken(inst));
                };
                let address = self.gather_address(mem.base, &base, *bytes)?;
                keys.push(("g", format!("[{address}{offset}]")));
            }
            keys.push(("m", format!("[{base}{offset}]")));
            keys.push(("base", base));
            keys.push(("o", offset));
        }
        let (ty, zero) =
            if class == Some(Class::Float) { ("f32", "0f00000000") } else { ("b32", "0") };
        keys.extend([("T", ty.into()), ("zero", zero.into())]);
        if let Some(def) = inst.def {
            keys.push(("d", self.define(def)?));
        }
        let mut template: &str = row.text;
        if let (Op::GatherPart(_) | Op::Scatter(_), Some(Operand::Reg(mask))) =
            (&inst.op, inst.uses.last())
        {
            if self.order.always(*mask) {
                // All lanes, without asking each.
                template = template.split_once(' ').map_or(template, |(_, rest)| rest);
            } else if let Some(def) = inst.def {
                for word in self.words(def)? {
                    self.line(format_args!("mov.{ty} {word}, {zero};"));
                }
            }
        }
        let whole;
        if let (Op::Async(AsyncOp::Copy(_)), Some(bytes)) = (&inst.op, inst.uses.last()) {
            // Every lane copies or writes zeros; every lane copies.
            let (natural, positive) = self.order.natural(*bytes);
            let told =
                [("setp.ge.s32 <p0>", "@<p0> ", natural), ("setp.gt.s32 <p1>", "@<p1> ", positive)];
            let told = told.iter().filter(|(.., known)| *known);
            whole = told.fold(template.to_owned(), |text, (asks, guard, _)| {
                let lines = text.lines().filter(|l| !l.starts_with(asks));
                let lines: Vec<&str> = lines.map(|l| l.strip_prefix(guard).unwrap_or(l)).collect();
                lines.join("\n")
            });
            template = &whole;
        }
        keys.push(("later", LATER.into()));
        let text = self.fill(template, &keys).ok_or_else(|| self.broken(inst))?;
        let (now, later) = text.split_once(LATER).unwrap_or((&text, ""));
        self.text += now.trim_end_matches(' ');
        if let Some(list) = self.later.last_mut() {
            *list += later.trim_start_matches('\n');
        }
        Ok(())
    }

    /// Where this lane's element of `size` bytes is, without the offset.
    fn lane_address(&mut self, reg: Reg, base: &str, size: usize) -> String {
        let key = (reg, Ok(size));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return known.clone();
        }
        let by = match size {
            1 => self.own.lane64.clone(),
            2 => self.own.lane2.clone(),
            4 => self.own.lane4.clone(),
            _ => self.lane_times(size),
        };
        let address = self.fresh(Kind::Quad);
        self.line(format_args!("add.s64 {address}, {base}, {by};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address.clone());
        }
        address
    }

    /// The lane times so many bytes, a power of two, found once at the entry.
    fn lane_times(&mut self, size: usize) -> String {
        if let Some(known) = self.wider.get(&size) {
            return known.clone();
        }
        let by = self.fresh(Kind::Quad);
        let (lane, shift) = (&self.own.lane64, size.trailing_zeros());
        let _ = writeln!(self.head, "    shl.b64 {by}, {lane}, {shift};");
        self.wider.insert(size, by.clone());
        by
    }

    /// Where the element is that stands so many bytes behind the base as the lane says.
    fn gather_address(&mut self, reg: Reg, base: &str, bytes: Reg) -> Emitted<String> {
        let key = (reg, Err(bytes));
        if let Some(known) = self.addresses.iter().rev().find_map(|scope| scope.get(&key)) {
            return Ok(known.clone());
        }
        let from = self.name(bytes)?;
        let (wide, address) = (self.fresh(Kind::Quad), self.fresh(Kind::Quad));
        self.line(format_args!("cvt.s64.s32 {wide}, {from};"));
        self.line(format_args!("add.s64 {address}, {base}, {wide};"));
        if let Some(scope) = self.addresses.last_mut() {
            scope.insert(key, address.clone());
        }
        Ok(address)
    }

    /// The template with its keys replaced; `None` for a key that the instruction does not give.
    fn fill(&mut self, template: &str, keys: &[(&str, String)]) -> Option<String> {
        let mut temporaries: Vec<(&str, String)> = Vec::new();
        let mut out = String::new();
        for line in template.lines() {
            out += "    ";
            let mut rest = line;
            while let Some((before, after)) = rest.split_once('<') {
                let (key, after) = after.split_once('>')?;
                out += before;
                let given = keys.iter().chain(&temporaries).find(|(k, _)| *k == key);
                match (given, self.own.by_key(key)) {
                    (Some((_, name)), _) => out += name,
                    (None, Some(name)) => out += name,
                    (None, None) => {
                        let kind = match key.as_bytes() {
                            [b't', b'0'..=b'9'] => Kind::Word,
                            [b'f', b'0'..=b'9'] => Kind::Float,
                            [b'h', b'0'..=b'9'] => Kind::Half,
                            [b'q', b'0'..=b'9'] => Kind::Quad,
                            [b'p', b'0'..=b'9'] => Kind::Predicate,
                            _ => return None,
                        };
                        let name = self.fresh(kind);
                        out += &name;
                        temporaries.push((key, name));
                    }
                }
                rest = after;
            }
            out += rest;
            out.push('\n');
        }
        Some(out)
    }
}
