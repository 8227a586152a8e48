//! What the lanes of a warp and the warps of a block do together.

use super::{Decoder, Parts};
use crate::ptx::{
    Error,
    op::{ALWAYS, AddressSpace, AtomicOp, BarrierKind, Fence, Op, SINK, Shuffle, Type, Vote},
    text::Operand,
};

pub const NAMES: &[&str] = &[
    "shfl", "vote", "match", "redux", "activemask", "elect", "bar", "barrier", "membar", "fence", "ldmatrix",
    "stmatrix", "movmatrix", "mma", "wgmma",
];

const WORD: Type = Type::Bits(32);

impl<'a> Decoder<'a> {
    pub(super) fn warp(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        match main {
            "mma" | "wgmma" => return self.matrix(main, parts),
            "ldmatrix" | "stmatrix" => return self.move_tiles(main == "ldmatrix", parts),
            "bar" | "barrier" => return self.block_barrier(main, parts),
            "membar" | "fence" => return self.fence(parts),
            "activemask" => {
                parts.take("b32");
                parts.done(1..=1)?;
                return Ok(Op::ActiveMask { d: self.result(&parts, 0)? });
            }
            _ => {}
        }
        if !parts.take("sync") {
            return Err(parts.unsupported(format!("`{}`: since Volta it is .sync", parts.text.name)));
        }
        match main {
            "shfl" => {
                let mode = match parts.take_any(&["up", "down", "bfly", "idx"]) {
                    Some("up") => Shuffle::Up,
                    Some("down") => Shuffle::Down,
                    Some("bfly") => Shuffle::Butterfly,
                    Some(_) => Shuffle::Index,
                    None => return Err(parts.error("shfl is .up, .down, .bfly or .idx")),
                };
                parts.take("b32");
                parts.done(5..=5)?;
                let a = self.source(&parts, 1, WORD)?;
                let (b, c) = (self.source(&parts, 2, WORD)?, self.source(&parts, 3, WORD)?);
                let members = self.source(&parts, 4, WORD)?;
                let (d, p) = self.pair(&parts, 0)?;
                let p = self.predicate_result(&parts, &p)?;
                let d = self.result_of(&parts, &d)?.0;
                Ok(Op::Shuffle { mode, d, p, a, b, c, members })
            }
            "vote" => {
                let vote = match parts.take_any(&["all", "any", "uni", "ballot"]) {
                    Some("all") => Vote::All,
                    Some("any") => Vote::Any,
                    Some("uni") => Vote::Uniform,
                    Some(_) => Vote::Ballot,
                    None => return Err(parts.error("vote is .all, .any, .uni or .ballot")),
                };
                parts.kind()?;
                parts.done(3..=3)?;
                let a = self.predicate_source(&parts, 1)?;
                let members = self.source(&parts, 2, WORD)?;
                let operand = parts.operand(0)?.clone();
                let (d, p) = if vote == Vote::Ballot {
                    (self.result(&parts, 0)?, 0)
                } else {
                    (SINK, self.predicate_result(&parts, &operand)?)
                };
                Ok(Op::Vote { vote, d, p, a, members })
            }
            "match" => {
                let all = parts.take("all");
                parts.take("any");
                let kind = parts.kind()?;
                parts.done(3..=3)?;
                let a = self.source(&parts, 1, kind)?;
                let members = self.source(&parts, 2, WORD)?;
                let (d, p) = self.pair(&parts, 0)?;
                let p = self.predicate_result(&parts, &p)?;
                Ok(Op::Match { all, d: self.result_of(&parts, &d)?.0, p, a, members })
            }
            "redux" => {
                let op = match parts.take_any(&["add", "min", "max", "and", "or", "xor"]) {
                    Some("add") => AtomicOp::Add,
                    Some("min") => AtomicOp::Min,
                    Some("max") => AtomicOp::Max,
                    Some("and") => AtomicOp::And,
                    Some("or") => AtomicOp::Or,
                    Some(_) => AtomicOp::Xor,
                    None => return Err(parts.error("redux names an operation")),
                };
                let kind = parts.kind()?;
                parts.done(3..=3)?;
                let a = self.source(&parts, 1, kind)?;
                let members = self.source(&parts, 2, WORD)?;
                Ok(Op::Reduce { op, kind, d: self.result(&parts, 0)?, a, members })
            }
            "elect" => {
                parts.done(2..=2)?;
                let members = self.source(&parts, 1, WORD)?;
                let (d, p) = self.pair(&parts, 0)?;
                let p = self.predicate_result(&parts, &p)?;
                Ok(Op::Elect { d: self.result_of(&parts, &d)?.0, p, members })
            }
            _ => {
                parts.take("aligned");
                parts.take("m8n8");
                parts.take("trans");
                parts.take("b16");
                parts.done(2..=2)?;
                let a = self.source(&parts, 1, WORD)?;
                Ok(Op::MoveMatrix { d: self.result(&parts, 0)?, a })
            }
        }
    }

    fn move_tiles(&mut self, load: bool, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        for part in ["sync", "aligned"] {
            if !parts.take(part) {
                return Err(parts.error(format!("`{}` is .sync.aligned", parts.text.name)));
            }
        }
        if !parts.take("m8n8") || !parts.take("b16") {
            return Err(parts.unsupported(format!("`{}`; instead: .m8n8 of .b16", parts.text.name)));
        }
        let count = match parts.take_any(&["x1", "x2", "x4"]) {
            Some("x1") => 1,
            Some("x2") => 2,
            Some(_) => 4,
            None => return Err(parts.error("how many matrices: .x1, .x2 or .x4")),
        };
        let transposed = parts.take("trans");
        parts.take_any(&["shared", "shared::cta"]);
        parts.done(2..=2)?;
        let (place, value) = if load { (1, 0) } else { (0, 1) };
        let address = self.address(&parts, place, AddressSpace::Shared)?;
        let registers =
            if load { self.results(&parts, value)? } else { self.sources(&parts, value, WORD)? };
        if registers.len() != count {
            return Err(parts.error(format!("`{}` has {count} registers", parts.text.name)));
        }
        Ok(if load {
            Op::LoadMatrix { address, count, transposed, registers }
        } else {
            Op::StoreMatrix { address, count, transposed, registers }
        })
    }

    fn block_barrier(&mut self, main: &str, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if parts.take("warp") {
            parts.take("sync");
            parts.done(1..=1)?;
            return Ok(Op::WarpBarrier { members: self.source(&parts, 0, WORD)? });
        }
        if parts.has("cluster") {
            let what = "barriers of clusters. Instead: `bar.sync`, as clusters have one block here";
            return Err(parts.unsupported(what));
        }
        parts.take("cta");
        let aligned = parts.take("aligned") || main == "bar";
        let what = parts.take_any(&["sync", "arrive", "red"]);
        let kind = match what {
            Some("sync") => BarrierKind::Sync,
            Some("arrive") => BarrierKind::Arrive,
            Some(_) => match parts.take_any(&["popc", "and", "or"]) {
                Some("popc") => BarrierKind::Count,
                Some("and") => BarrierKind::Reduce(Vote::All),
                Some(_) => BarrierKind::Reduce(Vote::Any),
                None => return Err(parts.error("bar.red is .popc, .and or .or")),
            },
            None => return Err(parts.error("a barrier is .sync, .arrive or .red")),
        };
        let (mut p, mut d, mut a, mut first) = (0, SINK, ALWAYS, 0);
        let n = parts.text.operands.len();
        if matches!(kind, BarrierKind::Count | BarrierKind::Reduce(_)) {
            parts.kind()?;
            parts.done(3..=4)?;
            first = 1;
            a = self.predicate_source(&parts, n - 1)?;
            let operand = parts.operand(0)?.clone();
            if kind == BarrierKind::Count {
                d = self.result(&parts, 0)?;
            } else {
                p = self.predicate_result(&parts, &operand)?;
            }
        } else {
            parts.done(1..=2)?;
        }
        let id = self.source(&parts, first, WORD)?;
        let last = if first == 1 { n - 1 } else { n };
        let count = if last > first + 1 { Some(self.source(&parts, first + 1, WORD)?) } else { None };
        if kind == BarrierKind::Arrive && count.is_none() {
            return Err(parts.error("bar.arrive says how many threads"));
        }
        Ok(Op::Barrier { kind, id, count, aligned, a, p, d })
    }

    fn fence(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if parts.take("proxy") {
            let known = parts.parts.first().is_some_and(|p| p.starts_with("async") || *p == "alias");
            if !known {
                return Err(parts.unsupported(format!("`{}`", parts.text.name)));
            }
            return Ok(Op::Fence(Fence::Proxy));
        }
        parts.take("mbarrier_init");
        parts.take_any(&["sc", "acq_rel", "acquire", "release"]);
        let scope = parts.take_any(&["cta", "cluster", "gl", "gpu", "sys"]);
        parts.done(0..=0)?;
        Ok(Op::Fence(match scope {
            Some("cta") => Fence::Block,
            Some(_) | None => Fence::Device,
        }))
    }

    fn matrix(&mut self, _main: &str, parts: Parts<'a, '_>) -> Result<Op, Error> {
        let _ = matches!(parts.operand(0)?, Operand::Sink);
        Err(parts.unsupported(format!("the instruction `{}`", parts.text.name)))
    }
}
