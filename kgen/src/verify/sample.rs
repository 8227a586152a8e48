//! Full-size cases on a simulator: some blocks of work are done, and what they wrote is compared.
//!
//! ```text
//! product: 24 of 2048 tasks -> parts      those that the sampled tasks of `join` read
//! join: 24 of 64 tasks -> out             the first, the last, those at the edges of `out`, and some by chance
//! ```
//!
//! Blocks take tasks from a counter, so any of them can be the only ones: to these blocks it looks as if others had taken
//! the rest. What a task reads and writes follows from the tile program ([`kgen_ir::tile::touch`]); were it wrong, a kernel
//! would read what nobody wrote, which the sanitiser tells, or leave an output that is asked for.

use super::{Tensors, sizes::Random};
use kgen_ir::{
    extent::Dims,
    op::{Kind, Op},
    tensor::Tensor,
    tile::{
        self, Arg, Param, Program, Role, Stmt,
        touch::{Access, Tasks, Touch},
    },
};
use kgen_kernels_ref::Output;
use kgen_runtime::driver::sim::{Bytes, Sim};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// What of a launch ran, and what it had to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Tasks that were done, and those of the whole launch.
    pub ran: u64,
    pub of: u64,
    /// Of each output, which elements are to be judged: those written, and those that the tasks should write.
    pub judged: BTreeMap<String, Vec<bool>>,
    /// What the tasks should write.
    outputs: Vec<Touch>,
}

/// Tasks by chance beside those at the edges; a launch of fewer than twice as many is run as a whole.
const CHANCE: usize = 6;

/// Tells the simulator which tasks to do in each launch of a variant.
struct Chooser {
    program: Program,
    launches: Vec<tile::Launch>,
    dims: Dims,
    inputs: Tensors,
    random: Random,
    /// Of each launch, once they are known; those before ran as a whole.
    chosen: Option<BTreeMap<usize, Vec<u64>>>,
    sample: Rc<RefCell<Sample>>,
}

/// Whether outputs are elements that a pair of row and column names.
fn fits(op: &Op) -> bool {
    match &op.kind {
        Kind::Attention(_) => true,
        Kind::MpGemm(g) => g.blocks.is_none(),
        Kind::Rows(_) => false,
    }
}

/// Sets a simulator up for a sample of the tasks of that variant; `None` where all have to run.
pub fn begin(
    sim: &mut Sim,
    (op, program, variant): (&Op, &Program, &str),
    (dims, inputs): (&Dims, &Tensors),
    seed: u64,
) -> Option<Rc<RefCell<Sample>>> {
    let variant = program.variants.iter().find(|v| v.name == variant).filter(|_| fits(op))?;
    let sample = Rc::new(RefCell::new(Sample::default()));
    let mut chooser = Chooser {
        program: program.clone(),
        launches: variant.launches.clone(),
        dims: dims.clone(),
        // Those that say where things are.
        inputs: inputs.iter().filter(|i| !i.1.dtype.is_float()).map(own).collect(),
        random: Random::new(seed),
        chosen: None,
        sample: Rc::clone(&sample),
    };
    sim.choose = Some(Box::new(move |launch, read| chooser.choose(launch, read)));
    Some(sample)
}

fn own((name, tensor): (&String, &Tensor)) -> (String, Tensor) {
    (name.clone(), tensor.clone())
}

/// What is to be judged, when the simulator has run and these are the outputs.
pub fn end(sim: &Sim, sample: &Rc<RefCell<Sample>>, outputs: &Tensors) -> Sample {
    let mut sample = sample.borrow().clone();
    for (name, tensor) in outputs {
        let (written, bytes) = (sim.written(name), tensor.dtype.bytes().unwrap_or(1));
        let mut judged: Vec<bool> = written.chunks(bytes).map(|e| e.contains(&true)).collect();
        judged.resize(tensor.shape.iter().product(), false);
        for touch in sample.outputs.iter().filter(|t| t.tensor == *name && t.certain) {
            elements(touch, &tensor.shape, &mut |i| judged[i] = true);
        }
        sample.judged.insert(name.clone(), judged);
    }
    sample
}

/// Each element of a known part of a tensor.
fn elements(touch: &Touch, shape: &[usize], each: &mut dyn FnMut(usize)) {
    let ranges: Option<Vec<_>> = touch.place.iter().copied().collect();
    let Some(ranges) = ranges.filter(|r| r.len() == shape.len()) else { return };
    let mut places = vec![0];
    for ((lo, hi), size) in ranges.into_iter().zip(shape) {
        let inside = |x: i64| usize::try_from(x).unwrap_or(0).min(*size);
        let along = inside(lo)..inside(hi);
        places = places.iter().flat_map(|p| along.clone().map(move |x| p * size + x)).collect();
    }
    places.into_iter().for_each(each);
}

impl Sample {
    /// The elements as the reference is asked for them: rows with heads or columns.
    pub fn pairs(&self, op: &Op, outputs: &Tensors) -> Vec<(usize, usize)> {
        let mut pairs = BTreeSet::new();
        for (name, judged) in &self.judged {
            let Some(shape) = outputs.get(name).map(|t| &t.shape[..]) else { continue };
            // `o` has elements of a head behind each other.
            let width = match (&op.kind, shape) {
                (Kind::Attention(_), [.., dim]) if name == "o" => *dim,
                _ => 1,
            };
            let columns = match (&op.kind, shape) {
                (Kind::Attention(a), _) => usize::try_from(a.q.heads).unwrap_or(1),
                (_, [.., columns]) => *columns,
                _ => 1,
            };
            let places = (0..judged.len()).filter(|i| judged[*i]).map(|i| i / width);
            pairs.extend(places.map(|p| (p / columns.max(1), p % columns.max(1))));
        }
        pairs.into_iter().collect()
    }

    /// Keeps of an expected output what is to be judged.
    pub fn keep(&self, name: &str, expected: &mut Output) {
        let Some(judged) = self.judged.get(name) else { return };
        let at: Vec<usize> =
            expected.at.clone().unwrap_or_else(|| (0..expected.values.len()).collect());
        let kept: Vec<usize> =
            (0..at.len()).filter(|i| judged.get(at[*i]).copied().unwrap_or(false)).collect();
        let of = |list: &[f64]| kept.iter().map(|i| list[*i]).collect();
        (expected.values, expected.bounds) = (of(&expected.values), of(&expected.bounds));
        expected.tainted = kept.iter().map(|i| expected.tainted[*i]).collect();
        expected.at = Some(kept.into_iter().map(|i| at[i]).collect());
    }
}

impl Chooser {
    fn choose(&mut self, launch: usize, read: &Bytes<'_>) -> Option<Vec<u64>> {
        if self.chosen.is_none() && !self.tells(launch) {
            self.chosen = Some(self.decide(launch, read));
        }
        match &self.chosen {
            Some(chosen) => chosen.get(&launch).cloned(),
            None => {
                let launch = self.launches.get(launch)?;
                let known = |name: &str, at: &[i64]| self.known(name, at, read);
                let count = Tasks::of(&self.program, launch, &self.dims, &known)?.count;
                let mut sample = self.sample.borrow_mut();
                (sample.ran, sample.of) = (sample.ran + count as u64, sample.of + count as u64);
                None
            }
        }
    }

    /// Whether a later launch reads integers that this one writes: nothing is known of it before.
    fn tells(&self, launch: usize) -> bool {
        let Some((own, later)) = self.launches.get(launch..).and_then(<[_]>::split_first) else {
            return false;
        };
        let written: Vec<&str> = self.buffers(own).collect();
        later.iter().any(|l| {
            let kernel = self.program.kernels.iter().find(|k| k.name == l.kernel);
            kernel.is_some_and(|k| {
                let mut read = vec![];
                reads(&k.body, &mut read);
                let params = k.params.iter().zip(&l.args);
                params.into_iter().any(|(p, a)| match (p, a) {
                    (Param::Tensor(t), Arg::Tensor(name)) => {
                        read.contains(&t.name.as_str()) && written.contains(&name.as_str())
                    }
                    _ => false,
                })
            })
        })
    }

    /// Workspace that a launch is given.
    fn buffers<'a>(&'a self, launch: &'a tile::Launch) -> impl Iterator<Item = &'a str> {
        let names = launch.args.iter().filter_map(|a| match a {
            Arg::Tensor(name) => Some(name.as_str()),
            Arg::Scalar(_) => None,
        });
        names.filter(|n| self.is_buffer(n))
    }

    fn is_buffer(&self, name: &str) -> bool {
        self.program.buffers.iter().any(|b| b.name == name)
    }

    /// An integer of an input, or of workspace that has been written.
    fn known(&self, name: &str, at: &[i64], read: &Bytes<'_>) -> Option<i64> {
        let place = |shape: &[usize]| {
            let inside = |(x, n): (&i64, &usize)| usize::try_from(*x).ok().filter(|x| x < n);
            let at: Option<Vec<usize>> = at.iter().zip(shape).map(inside).collect();
            let at = at.filter(|at| at.len() == shape.len())?;
            Some(at.iter().zip(shape).fold(0, |p, (x, n)| p * n + x))
        };
        if let Some(t) = self.inputs.get(name) {
            return Some(t.get(place(&t.shape)?) as i64);
        }
        let buffer = self.program.buffers.iter().find(|b| b.name == name)?;
        let size = |e: &kgen_ir::extent::Extent| usize::try_from(e.eval(&self.dims).ok()?).ok();
        let shape: Vec<usize> = buffer.shape.iter().map(size).collect::<Option<_>>()?;
        let bytes = buffer.elem.bytes()?;
        let start = place(&shape)? * bytes;
        let content = read(name, start..start + bytes)?;
        Some(Tensor { dtype: buffer.elem, shape: vec![1], bytes: content }.get(0) as i64)
    }

    /// From the last launch to `first`: a sample of those tasks that write outputs, and whatever writes what they read.
    fn decide(&mut self, first: usize, read: &Bytes<'_>) -> BTreeMap<usize, Vec<u64>> {
        let mut random = std::mem::replace(&mut self.random, Random::new(0));
        let known = |name: &str, at: &[i64]| self.known(name, at, read);
        let is_out =
            |name: &str| self.program.params.iter().any(|p| p.name == name && p.role == Role::Out);
        let is_buffer = |name: &str| self.is_buffer(name);
        let mut chosen = BTreeMap::new();
        let mut needed: BTreeSet<Touch> = BTreeSet::new();
        for (i, launch) in self.launches.iter().enumerate().skip(first).rev() {
            let Some(tasks) = Tasks::of(&self.program, launch, &self.dims, &known) else {
                // All of it runs, and needs all that it is given.
                let all = |name: &str| Touch { tensor: name.into(), place: vec![], certain: false };
                needed.extend(self.buffers(launch).map(all));
                continue;
            };
            let claims: Vec<(i64, i64)> = (0..tasks.count)
                .step_by(usize::try_from(tasks.chunk.max(1)).unwrap_or(1))
                .map(|t| (t, (t + tasks.chunk).min(tasks.count)))
                .collect();
            let touches = |claim: &(i64, i64), access, of: &dyn Fn(&str) -> bool| {
                (claim.0..claim.1).flat_map(|t| tasks.touches(t, access, of)).collect::<Vec<_>>()
            };
            let outputs: Vec<Vec<Touch>> =
                claims.iter().map(|c| touches(c, Access::Write, &is_out)).collect();
            let mut own = edges(&outputs, &mut random);
            for (c, claim) in claims.iter().enumerate().filter(|_| !needed.is_empty()) {
                let made = touches(claim, Access::Write, &is_buffer);
                if made.iter().any(|m| needed.iter().any(|n| m.meets(n))) {
                    own.insert(c);
                }
            }
            let mut sample = self.sample.borrow_mut();
            for c in &own {
                needed.extend(touches(&claims[*c], Access::Read, &is_buffer));
                sample.outputs.extend(outputs[*c].iter().cloned());
                sample.ran += (claims[*c].1 - claims[*c].0) as u64;
            }
            sample.of += tasks.count as u64;
            chosen.insert(i, own.iter().map(|c| claims[*c].0 as u64).collect());
        }
        chosen
    }
}

/// Of the tasks that write outputs: the first and the last, in each dimension of an output one that writes its lowest places
/// and one that writes its highest, and some by chance. All, if they are few.
fn edges(outputs: &[Vec<Touch>], random: &mut Random) -> BTreeSet<usize> {
    let write: Vec<usize> = (0..outputs.len()).filter(|i| !outputs[*i].is_empty()).collect();
    if write.len() <= 2 * CHANCE {
        return write.into_iter().collect();
    }
    let mut own: BTreeSet<usize> = write.first().into_iter().chain(write.last()).copied().collect();
    let names: BTreeSet<&str> = outputs.iter().flatten().map(|t| t.tensor.as_str()).collect();
    for name in names {
        let of = |i: &usize| outputs[*i].iter().filter(move |t| t.tensor == name);
        let rank = write.iter().flat_map(of).map(|t| t.place.len()).max().unwrap_or(0);
        for d in 0..rank {
            let along =
                |i: &usize| of(i).filter_map(|t| t.place.get(d).copied().flatten()).collect();
            let ranges: Vec<(usize, Vec<(i64, i64)>)> =
                write.iter().map(|i| (*i, along(i))).collect();
            let lowest = ranges.iter().flat_map(|r| &r.1).map(|r| r.0).min();
            let highest = ranges.iter().flat_map(|r| &r.1).map(|r| r.1).max();
            let mut one = |at: &dyn Fn(&(i64, i64)) -> bool| {
                let all: Vec<usize> =
                    ranges.iter().filter(|r| r.1.iter().any(at)).map(|r| r.0).collect();
                own.extend(all.get(random.below(all.len())));
            };
            one(&|r| Some(r.0) == lowest);
            one(&|r| Some(r.1) == highest);
        }
    }
    own.extend((0..CHANCE).map(|_| write[random.below(write.len())]));
    own
}

/// Tensors that integers are read from.
fn reads<'a>(body: &'a [Stmt], out: &mut Vec<&'a str>) {
    for s in body {
        match s {
            Stmt::Read { tensor, .. } => out.push(tensor),
            Stmt::For(f) => reads(&f.body, out),
            Stmt::Tasks { body, .. } => reads(body, out),
            Stmt::If(i) => {
                reads(&i.then, out);
                reads(&i.otherwise, out);
            }
            Stmt::Let { .. }
            | Stmt::Scalar { .. }
            | Stmt::Any { .. }
            | Stmt::Store { .. }
            | Stmt::Stage(_)
            | Stmt::Commit
            | Stmt::Wait(_)
            | Stmt::Prefetch { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Case, Engine, EngineError, Options, Verdict, cases, judge};
    use super::*;
    use crate::{
        compile,
        device::{Simulated, refused},
    };
    use kgen_ir::artifact::Artifact;

    /// A device whose kernels somebody has changed.
    struct Planted(Simulated, &'static str, fn(&str) -> String);

    impl Engine for Planted {
        fn name(&self) -> &str {
            "planted"
        }

        fn run(&self, op: &Op, dims: &Dims, inputs: &Tensors) -> Result<Tensors, EngineError> {
            self.run_sample(op, dims, inputs, 1).map(|(outputs, _)| outputs)
        }

        fn run_sample(
            &self,
            op: &Op,
            dims: &Dims,
            inputs: &Tensors,
            seed: u64,
        ) -> Result<(Tensors, Option<Sample>), EngineError> {
            let Planted(sim, file, edit) = self;
            let mut made = compile::compile(op, sim.target, &sim.schedule).map_err(refused)?;
            let text = made.artifact.files.get_mut(*file).unwrap();
            *text = edit(text);
            made.artifact = Artifact::new(made.artifact.manifest, made.artifact.files);
            sim.run_some(op, &made, (dims, inputs), seed).map_err(refused)
        }

        fn edges(&self, op: &Op) -> Vec<i64> {
            self.0.edges(op)
        }
    }

    /// The outputs of two rows of 4096 in halves, of which these bytes are not stored.
    fn without(text: &str, from: usize, to: usize) -> String {
        let slots: Vec<&str> = text.lines().filter(|l| l.contains(".param .u64 slot")).collect();
        // The output is the last tensor; behind it stands the stride of its rows.
        let out = slots.len() - 2;
        let lines = text.lines().map(|line| {
            let Some((place, _)) = line.split_once("st.global").and_then(|(_, rest)| {
                rest.split_once('[').and_then(|(_, rest)| rest.split_once(']'))
            }) else {
                return line.to_owned();
            };
            let (base, offset) = place.split_once('+').unwrap_or((place, "0"));
            format!(
                "ld.param.u64 %z0, [slot{out}];\nsub.s64 %z0, {base}, %z0;\nadd.s64 %z0, %z0, {offset};\n\
                 sub.s64 %z0, %z0, {from};\nsetp.ge.u64 %zp, %z0, {};\n@%zp {line}",
                to - from
            )
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        text.replacen("    .reg ", "    .reg .b64 %z<1>; .reg .pred %zp;\n    .reg ", 1)
    }

    const ALL: usize = 2 * 4096 * 2;

    fn asked(file: &'static str, edit: fn(&str) -> String) -> (Result<(), String>, [u64; 2]) {
        let text = include_str!("../../../ops/w4a16_gemm.toml");
        let op = kgen_ir::op::read::read("w4a16_gemm.toml", text).unwrap();
        let planted = Planted(Simulated::open("sim:sm80").unwrap(), file, edit);
        let case = full(&op, &planted);
        let mut sampled = [0; 2];
        let told = match judge(&case, &planted, &mut sampled) {
            Verdict::Passed(_) => Ok(()),
            Verdict::Failed(failure) => Err(failure.to_string()),
            Verdict::Unsupported(why) => panic!("{why}"),
        };
        (told, sampled)
    }

    fn full(op: &Op, engine: &dyn Engine) -> Case {
        let mut all = cases(op, &engine.edges(op), &Options { cases: 2, seed: 1 }, false);
        all.pop().filter(|c| c.sampled).unwrap()
    }

    #[test]
    fn mistakes_in_sampled_blocks_are_found() {
        let (told, [ran, of]) = asked("join.ptx", str::to_owned);
        assert_eq!(told, Ok(()));
        assert!(0 < ran && 2 * ran < of, "{ran} of {of}");
        // The last block of the last row is an edge; of half the columns, some are in the sample.
        for edit in [
            |t: &str| without(t, ALL - 256, ALL),
            |t: &str| without(t, 0, 2),
            |t: &str| without(t, 2048, 6144),
        ] {
            let (told, _) = asked("join.ptx", edit);
            let told = told.unwrap_err();
            assert!(told.contains("out[") && told.contains("NaN"), "{told}");
        }
        // What a sampled block reads must be made, too.
        let nothing = |t: &str| {
            let line = |l: &str| match l.split_once("st.global") {
                Some((guard, _)) => format!("{guard}mov.u32 %r0, %r0;\n"),
                None => format!("{l}\n"),
            };
            t.lines().map(line).collect()
        };
        let (told, _) = asked("product_16.ptx", nothing);
        let told = told.unwrap_err();
        assert!(told.contains("parts"), "{told}");
    }
}
