//! Loads, stores, atomics, copies and memory barriers.

use super::{Decoder, Parts};
use crate::ptx::{
    Error,
    op::{
        ALWAYS, Access, AddressSpace, Atomic, AtomicOp, BarrierOp, Bulk, CopyAsync, Op, Order,
        SINK, Type, mask_of,
    },
    text::Operand,
};

pub const NAMES: &[&str] =
    &["ld", "ldu", "st", "atom", "red", "prefetch", "prefetchu", "cp", "mbarrier"];

impl<'a> Decoder<'a> {
    pub(super) fn memory(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        match main {
            "ld" | "ldu" | "st" => self.access(main == "st", parts),
            "atom" | "red" => self.atomic(main == "atom", parts),
            "cp" if parts.has("bulk") => self.bulk(parts),
            "cp" => self.copy(parts),
            "mbarrier" => self.barrier(parts),
            _ => {
                // A prefetch changes no value; its address is not even checked by the hardware.
                parts.parts.clear();
                Ok(Op::Prefetch)
            }
        }
    }

    fn order(&self, parts: &mut Parts<'a, '_>) -> Order {
        let sem = parts
            .take_any(&["weak", "volatile", "relaxed", "acquire", "release", "acq_rel", "mmio"]);
        let scope = parts.take_any(&["cta", "cluster", "gpu", "sys"]);
        Order {
            acquire: matches!(sem, Some("acquire" | "acq_rel")),
            release: matches!(sem, Some("release" | "acq_rel")),
            strong: !matches!(sem, None | Some("weak")),
            wide: !matches!(scope, Some("cta" | "cluster")),
        }
    }

    /// What tells a cache how to keep a line changes no value.
    fn cache(&self, parts: &mut Parts<'a, '_>) -> bool {
        let mut hint = false;
        parts.parts.retain(|p| {
            hint |= *p == "L2::cache_hint";
            !(p.starts_with("L1::") || p.starts_with("L2::"))
        });
        hint
    }

    fn space(&self, parts: &mut Parts<'a, '_>) -> AddressSpace {
        let names = [
            "global",
            "const",
            "shared",
            "shared::cta",
            "shared::cluster",
            "local",
            "param",
            "param::entry",
            "param::func",
        ];
        match parts.take_any(&names) {
            Some("global" | "const") => AddressSpace::Global,
            Some("shared" | "shared::cta" | "shared::cluster") => AddressSpace::Shared,
            Some("local") => AddressSpace::Local,
            Some(_) => AddressSpace::Param,
            None => AddressSpace::Generic,
        }
    }

    fn access(&mut self, store: bool, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let order = self.order(&mut parts);
        let space = self.space(&mut parts);
        let hint = self.cache(&mut parts);
        parts.take_any(&["ca", "cg", "cs", "lu", "cv", "wb", "wt"]);
        let constant = parts.take("nc");
        parts.take("unified");
        let count = match parts.take_any(&["v2", "v4", "v8"]) {
            Some("v2") => 2,
            Some("v4") => 4,
            Some(_) => 8,
            None => 1,
        };
        let kind = parts.kind()?;
        let n = 2 + usize::from(hint);
        parts.done(n..=n)?;
        if kind.bits() > 64 || kind == Type::Predicate {
            return Err(parts.unsupported("accesses of this type"));
        }
        let (value, place) = if store { (1, 0) } else { (0, 1) };
        let address = self.address(&parts, place, space)?;
        let mut width = 64;
        let registers = if store {
            self.sources(&parts, value, kind)?
        } else {
            let list = self.list(&parts, value)?;
            let mut out = vec![];
            for operand in &list {
                let (slot, bits) = self.result_of(&parts, operand)?;
                width = width.min(bits);
                out.push(slot);
            }
            out
        };
        if registers.len() != count {
            return Err(parts.error(format!("`{}` has {count} values", parts.text.name)));
        }
        let access = Box::new(Access {
            address,
            size: kind.bits() / 8,
            registers,
            extend: (kind.signed() && !store).then_some(kind.bits()),
            mask: mask_of(width),
            order,
            constant,
        });
        Ok(if store { Op::Store(access) } else { Op::Load(access) })
    }

    fn atomic(&mut self, result: bool, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if parts.has("async") {
            return Err(parts.unsupported("`red.async`"));
        }
        let mut order = self.order(&mut parts);
        order.strong = true;
        let space = self.space(&mut parts);
        let hint = self.cache(&mut parts);
        parts.take("noftz");
        let count = match parts.take_any(&["v2", "v4", "v8"]) {
            Some("v2") => 2,
            Some("v4") => 4,
            Some(_) => 8,
            None => 1,
        };
        let names = ["add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"];
        let op = match parts.take_any(&names) {
            Some("add") => AtomicOp::Add,
            Some("min") => AtomicOp::Min,
            Some("max") => AtomicOp::Max,
            Some("and") => AtomicOp::And,
            Some("or") => AtomicOp::Or,
            Some("xor") => AtomicOp::Xor,
            Some("exch") => AtomicOp::Exch,
            Some("cas") => AtomicOp::Cas,
            Some("inc") => AtomicOp::Inc,
            Some("dec") => AtomicOp::Dec,
            Some(_) | None => return Err(parts.error("an atomic names what it does")),
        };
        let kind = parts.kind()?;
        if kind.bits() > 64 || kind == Type::Predicate {
            return Err(parts.unsupported("atomics of this type"));
        }
        let first = usize::from(result);
        let n = first + 2 + usize::from(op == AtomicOp::Cas) + usize::from(hint);
        parts.done(n..=n)?;
        let address = self.address(&parts, first, space)?;
        let values = self.sources(&parts, first + 1, kind)?;
        let other = if op == AtomicOp::Cas { self.source(&parts, first + 2, kind)? } else { SINK };
        let results = if result { self.results(&parts, 0)? } else { vec![] };
        if values.len() != count || (result && results.len() != count) {
            return Err(parts.error(format!("`{}` has {count} values", parts.text.name)));
        }
        Ok(Op::Atomic(Box::new(Atomic { op, kind, address, results, values, other, order })))
    }

    fn copy(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if !parts.take("async") {
            return Err(parts.unsupported(format!("the instruction `{}`", parts.text.name)));
        }
        let number = |parts: &Parts<'a, '_>| {
            let n = parts.operand(0)?.integer().and_then(|n| u32::try_from(n).ok());
            n.ok_or_else(|| parts.error("the number of groups is a literal"))
        };
        if parts.take("commit_group") {
            parts.done(0..=0)?;
            return Ok(Op::CopyCommit);
        }
        if parts.take("wait_all") {
            parts.done(0..=0)?;
            return Ok(Op::CopyWait(None));
        }
        if parts.take("wait_group") {
            parts.done(1..=1)?;
            return Ok(Op::CopyWait(Some(number(&parts)?)));
        }
        if parts.take("mbarrier") {
            parts.take("arrive");
            let noinc = parts.take("noinc");
            let space = self.space(&mut parts);
            parts.kind()?;
            parts.done(1..=1)?;
            let op = BarrierOp::AfterCopies { count_now: !noinc };
            return Ok(Op::MemoryBarrier { address: self.address(&parts, 0, space)?, op });
        }
        let level = parts.take_any(&["ca", "cg"]);
        parts.take_any(&["shared", "shared::cta"]);
        parts.take("global");
        let hint = self.cache(&mut parts);
        parts.done(3..=4 + usize::from(hint))?;
        let Operand::Literal(crate::ptx::lex::Literal::Int(size)) = *parts.operand(2)? else {
            return Err(parts.error("the size of a copy is a literal"));
        };
        if !(matches!(size, 4 | 8) && level == Some("ca") || size == 16) {
            return Err(parts.error("cp.async.ca copies 4, 8 or 16 bytes, cp.async.cg 16"));
        }
        let to = self.address(&parts, 0, AddressSpace::Shared)?;
        let from = self.address(&parts, 1, AddressSpace::Global)?;
        let (mut read, mut ignore) =
            (None, super::super::op::Predicate { negated: true, ..ALWAYS });
        if parts.text.operands.len() > 3 + usize::from(hint) {
            let name = parts.operand(3)?.name().and_then(|name| self.lookup(name));
            if matches!(name, Some(super::Binding::Predicate(_))) {
                ignore = self.predicate_source(&parts, 3)?;
            } else {
                read = Some(self.source(&parts, 3, Type::Unsigned(32))?);
            }
        }
        Ok(Op::CopyAsync(Box::new(CopyAsync { to, from, size: size as u32, read, ignore })))
    }

    fn bulk(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        parts.take("async");
        parts.take("bulk");
        if parts.take("commit_group") {
            parts.done(0..=0)?;
            return Ok(Op::BulkCommit);
        }
        if parts.take("wait_group") {
            let reads = parts.take("read");
            parts.done(1..=1)?;
            let Operand::Literal(crate::ptx::lex::Literal::Int(left @ 0..=65535)) =
                *parts.operand(0)?
            else {
                return Err(parts.error("the number of groups is a literal"));
            };
            return Ok(Op::BulkWait { left: left as u32, reads });
        }
        if parts.has("tensor") || parts.has("prefetch") || parts.has("reduce") {
            let what =
                "tensor copies: their maps are opaque. Instead: `cp.async.bulk` of plain rows";
            return Err(parts.unsupported(what));
        }
        let hint = self.cache(&mut parts);
        let completes = parts.take("mbarrier::complete_tx::bytes");
        let grouped = parts.take("bulk_group");
        if completes == grouped {
            return Err(parts.error("a bulk copy completes on an mbarrier or in a bulk_group"));
        }
        let mut space = || {
            let at = parts
                .parts
                .iter()
                .position(|p| matches!(*p, "global" | "shared::cta" | "shared::cluster"))?;
            Some(if parts.parts.remove(at) == "global" {
                AddressSpace::Global
            } else {
                AddressSpace::Shared
            })
        };
        let (Some(to), Some(from)) = (space(), space()) else {
            return Err(parts.error("a bulk copy names two state spaces"));
        };
        let n = 3 + usize::from(completes) + usize::from(hint);
        parts.done(n..=n)?;
        let (to, from) = (self.address(&parts, 0, to)?, self.address(&parts, 1, from)?);
        let size = self.source(&parts, 2, Type::Unsigned(32))?;
        let barrier =
            if completes { Some(self.address(&parts, 3, AddressSpace::Shared)?) } else { None };
        Ok(Op::Bulk(Box::new(Bulk { to, from, size, barrier })))
    }

    fn barrier(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let what = if parts.parts.is_empty() { "" } else { parts.parts.remove(0) };
        let expects = parts.take("expect_tx");
        let parity = parts.take("parity");
        parts.take("noComplete");
        self.order(&mut parts);
        let space = self.space(&mut parts);
        let space = if space == AddressSpace::Generic { space } else { AddressSpace::Shared };
        parts.kind()?;
        let word = Type::Unsigned(32);
        let long = Type::Bits(64);
        let (at, op) = match what {
            "init" => {
                parts.done(2..=2)?;
                (0, BarrierOp::Init { count: self.source(&parts, 1, word)? })
            }
            "inval" => {
                parts.done(1..=1)?;
                (0, BarrierOp::Invalidate)
            }
            "expect_tx" | "complete_tx" => {
                parts.done(2..=2)?;
                let bytes = self.source(&parts, 1, word)?;
                let expect = what == "expect_tx";
                (
                    0,
                    if expect {
                        BarrierOp::Expect { bytes }
                    } else {
                        BarrierOp::Complete { bytes }
                    },
                )
            }
            "arrive" | "arrive_drop" => {
                // Without a state, as for barriers of other blocks, the address comes first.
                let at = usize::from(!matches!(parts.operand(0)?, Operand::Address { .. }));
                parts.done(at + 1..=at + 2)?;
                let state = if at == 1 { self.result(&parts, 0)? } else { SINK };
                let number = self.source_if(&parts, at + 1, word)?;
                let (count, expect) = if expects { (None, number) } else { (number, None) };
                let drop = what == "arrive_drop";
                (at, BarrierOp::Arrive { state, count, expect, drop })
            }
            "test_wait" | "try_wait" => {
                parts.done(3..=4)?;
                let operand = parts.operand(0)?.clone();
                let done = self.predicate_result(&parts, &operand)?;
                let kind = if parity { word } else { long };
                let value = self.source(&parts, 2, kind)?;
                let (state, parity) =
                    if parity { (None, Some(value)) } else { (Some(value), None) };
                (1, BarrierOp::Test { done, state, parity, wait: what == "try_wait" })
            }
            "pending_count" => {
                parts.done(2..=2)?;
                let state = self.source(&parts, 1, long)?;
                let d = self.result(&parts, 0)?;
                let base = self.constant(0);
                let address = crate::ptx::op::Address { base, offset: 0, space };
                return Ok(Op::MemoryBarrier { address, op: BarrierOp::PendingCount { d, state } });
            }
            _ => return Err(parts.unsupported(format!("the instruction `{}`", parts.text.name))),
        };
        Ok(Op::MemoryBarrier { address: self.address(&parts, at, space)?, op })
    }
}
