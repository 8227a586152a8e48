//! What the lanes of a warp and the warps of a block do together.

use super::{Decoder, Parts};
use crate::ptx::{
    Error, matrix,
    op::{
        ALWAYS, AddressSpace, AtomicOp, BarrierKind, Fence, GroupMatrix, Op, SINK, Shuffle,
        Together, Type, Vote, WarpMatrix,
    },
    text::Operand,
};

pub const NAMES: &[&str] = &[
    "shfl",
    "vote",
    "match",
    "redux",
    "activemask",
    "elect",
    "bar",
    "barrier",
    "membar",
    "fence",
    "ldmatrix",
    "stmatrix",
    "movmatrix",
    "mma",
    "wgmma",
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
                return Ok(Op::Together(Together::ActiveMask { d: self.result(&parts, 0)? }));
            }
            _ => {}
        }
        if !parts.take("sync") {
            return Err(
                parts.unsupported(format!("`{}`: since Volta it is .sync", parts.text.name))
            );
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
                Ok(Op::Together(Together::Shuffle { mode, d, p, a, b, c, members }))
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
                Ok(Op::Together(Together::Vote { vote, d, p, a, members }))
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
                Ok(Op::Together(Together::Match {
                    all,
                    d: self.result_of(&parts, &d)?.0,
                    p,
                    a,
                    members,
                }))
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
                Ok(Op::Together(Together::Reduce {
                    op,
                    kind,
                    d: self.result(&parts, 0)?,
                    a,
                    members,
                }))
            }
            "elect" => {
                parts.done(2..=2)?;
                let members = self.source(&parts, 1, WORD)?;
                let (d, p) = self.pair(&parts, 0)?;
                let p = self.predicate_result(&parts, &p)?;
                Ok(Op::Together(Together::Elect { d: self.result_of(&parts, &d)?.0, p, members }))
            }
            _ => {
                parts.take("aligned");
                parts.take("m8n8");
                parts.take("trans");
                parts.take("b16");
                parts.done(2..=2)?;
                let a = self.source(&parts, 1, WORD)?;
                Ok(Op::Together(Together::MoveMatrix { d: self.result(&parts, 0)?, a }))
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
            return Ok(Op::Together(Together::WarpBarrier {
                members: self.source(&parts, 0, WORD)?,
            }));
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
        let count =
            if last > first + 1 { Some(self.source(&parts, first + 1, WORD)?) } else { None };
        if kind == BarrierKind::Arrive && count.is_none() {
            return Err(parts.error("bar.arrive says how many threads"));
        }
        Ok(Op::Barrier { kind, id, count, aligned, a, p, d })
    }

    fn fence(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        if parts.take("proxy") {
            let known =
                parts.parts.first().is_some_and(|p| p.starts_with("async") || *p == "alias");
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

    fn matrix(&mut self, main: &str, parts: Parts<'a, '_>) -> Result<Op, Error> {
        if main == "wgmma" {
            return self.group_matrix(parts);
        }
        let name = parts.text.name;
        let mma = matrix::Mma::parse(name).map_err(|e| parts.unsupported(e))?;
        let n = parts.text.operands.len();
        if n != 4 {
            return Err(parts.error(format!("`{name}` takes 4 operands, here are {n}")));
        }
        let a = self.sources(&parts, 1, WORD)?;
        let b = self.sources(&parts, 2, WORD)?;
        let c = self.sources(&parts, 3, WORD)?;
        let d = self.results(&parts, 0)?;
        let wide = name.ends_with("f64.f64.f64.f64");
        let expected = mma.registers().map(|r| if wide { r / 2 } else { r });
        if [d.len(), a.len(), b.len(), c.len()] != expected {
            return Err(
                parts.error(format!("`{name}` has {expected:?} registers of d, a, b and c"))
            );
        }
        Ok(Op::Mma(Box::new(WarpMatrix { mma, d, a, b, c, wide })))
    }

    fn group_matrix(&mut self, mut parts: Parts<'a, '_>) -> Result<Op, Error> {
        let name = parts.text.name;
        if parts.has("mma_async") {
            return self.group_product(parts);
        }
        let op = match parts.take_any(&["fence", "commit_group", "wait_group"]) {
            Some("fence") => Op::GroupFence,
            Some("commit_group") => Op::GroupCommit,
            Some(_) => {
                let Operand::Literal(crate::ptx::lex::Literal::Int(n @ 0..=65535)) =
                    *parts.operand(0)?
                else {
                    return Err(parts.error("the number of groups is a literal"));
                };
                Op::GroupWait(n as u32)
            }
            None => return Err(parts.unsupported(format!("the instruction `{name}`"))),
        };
        parts.take("sync");
        parts.take("aligned");
        parts.done(0..=1)?;
        Ok(op)
    }

    fn group_product(&mut self, parts: Parts<'a, '_>) -> Result<Op, Error> {
        let name = parts.text.name;
        let mma = matrix::Wgmma::parse(name).map_err(|e| parts.unsupported(e))?;
        let a_in_memory = !matches!(parts.operand(1)?, Operand::Vector(_));
        let b = self.source(&parts, 2, Type::Bits(64))?;
        let a = self.sources(&parts, 1, WORD)?;
        let keep = self.predicate_source(&parts, 3)?;
        let mut flags = vec![];
        for operand in parts.text.operands.iter().skip(4) {
            let flag = operand.integer();
            flags.push(flag.ok_or_else(|| parts.error("scales and transpositions are literals"))?);
        }
        let at = |i: usize| flags.get(i).copied().unwrap_or(0);
        let negate = [at(0) == -1, at(1) == -1];
        // With A in registers, only B has a transposition.
        let trans = if a_in_memory { [at(2) == 1, at(3) == 1] } else { [false, at(2) == 1] };
        // D is read as well as written.
        let list = self.list(&parts, 0)?;
        for operand in &list {
            self.source_of(&parts, operand, WORD)?;
        }
        let d = self.results(&parts, 0)?;
        let [of_d, of_a] = mma.registers();
        if d.len() != of_d || !a_in_memory && a.len() != of_a {
            return Err(parts.error(format!("`{name}` has {of_d} registers of d and {of_a} of a")));
        }
        Ok(Op::GroupMma(Box::new(GroupMatrix { mma, d, a, a_in_memory, b, keep, negate, trans })))
    }
}
