//! `kgen explain`: what a compiled op is made of.

use crate::{Answer, tell};
use kgen::compile;
use kgen_codegen::ptx::limits::limits;
use kgen_ir::{
    machine::{Op, Stmt},
    tile::{Space, Stmt as Tile},
};
use std::path::PathBuf;

/// Show the variants, kernels, tiles, packing and instructions of a compiled op
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    #[arg(long, default_value = "host", value_name = "T")]
    target: String,
}

pub fn run(args: &Args) -> Answer {
    let op = compile::read(&args.op)?;
    let target = compile::target(&args.target)?;
    let schedule = kgen_passes::Schedule::default_for(target);
    let compiled = compile::compile(&op, target, &schedule)?;
    tell(&format!(
        "{} for {}: {} lanes, {} vector registers",
        op.name, target.name, target.lanes, target.vectors
    ));
    tell(&format!("schedule: {}", schedule.print().trim_end().replace('\n', ", ")));
    for p in &compiled.program.prepares {
        let saved = kgen_passes::unpacked_cost(target.lanes).map_or(String::new(), |cost| {
            format!(
                "; shuffling {} vectors of rows there would cost {cost} instructions",
                target.lanes
            )
        });
        tell(&format!(
            "once per weight: {} = {} packed as {}{saved}",
            p.name,
            p.sources().join(", "),
            p.packing
        ));
    }
    for v in &compiled.program.variants {
        let when: Vec<_> =
            v.when.iter().map(|p| format!("{} {} {}", p.left, p.cmp.symbol(), p.right)).collect();
        let when =
            if when.is_empty() { "otherwise".into() } else { format!("when {}", when.join(", ")) };
        let launches: Vec<_> = v.launches.iter().map(|l| l.kernel.as_str()).collect();
        tell(&format!("variant {} {when}: {}", v.name, launches.join(", then ")));
    }
    for (tile, kernel) in compiled.program.kernels.iter().zip(&compiled.kernels) {
        let mut c = Counts::default();
        count(&kernel.body, &mut c);
        let spaces = |s| tile.values.iter().filter(|(_, v)| v.ty.space == Some(s)).count();
        tell(&format!(
            "kernel {}: {} statements; tiles {} in registers, {} in scratch, {} inline; {} instructions, \
             {} of them products, {} loops, {} bytes of scratch",
            tile.name,
            statements(&tile.body),
            spaces(Space::Register),
            spaces(Space::Scratch),
            spaces(Space::Inline),
            c.all,
            c.products,
            c.loops,
            kernel.scratch
        ));
    }
    if let Some(l) = limits(target.name) {
        tell(&format!("on {}: {l}", target.name));
        for k in &compiled.artifact.manifest.kernels {
            let Some(b) = k.block else { continue };
            // Without the assembler nobody knows the registers: what may be had for each number of blocks.
            let most = l.occupancy(1, b.threads, b.shared);
            let budgets = [1, 2, 4, 8].into_iter().filter(|n| *n <= most.blocks);
            let budgets: Vec<_> =
                budgets.map(|n| format!("{n}: {}", l.registers_for(n, b.threads))).collect();
            tell(&format!(
                "kernel {}: blocks of {} threads with {} bytes of shared memory; at most {} of a multiprocessor \
                 (short of {}); registers of a thread by blocks: {}",
                k.name,
                b.threads,
                b.shared,
                most.blocks,
                most.want,
                budgets.join(", ")
            ));
        }
    }
    compiled.code.iter().for_each(|note| tell(&format!("code {note}")));
    compiled.notes.iter().for_each(|note| tell(&format!("product {note}")));
    Ok(0)
}

fn statements(body: &[Tile]) -> usize {
    body.iter()
        .map(|s| match s {
            Tile::For(f) => 1 + statements(&f.body),
            Tile::Tasks { body, .. } => 1 + statements(body),
            Tile::If(i) => 1 + statements(&i.then) + statements(&i.otherwise),
            Tile::Let { .. }
            | Tile::Scalar { .. }
            | Tile::Read { .. }
            | Tile::Any { .. }
            | Tile::Store { .. }
            | Tile::Stage(_)
            | Tile::Commit
            | Tile::Wait(_)
            | Tile::Prefetch { .. } => 1,
        })
        .sum()
}

#[derive(Default)]
struct Counts {
    all: usize,
    products: usize,
    loops: usize,
}

fn count(body: &[Stmt], c: &mut Counts) {
    for stmt in body {
        match stmt {
            Stmt::Inst(i) => {
                c.all += 1;
                c.products += usize::from(matches!(i.op, Op::Fma | Op::Dot(_) | Op::Mma(_)));
            }
            Stmt::Loop(l) => {
                c.loops += 1;
                count(&l.body, c);
            }
            Stmt::If(i) => {
                count(&i.then, c);
                count(&i.otherwise, c);
            }
        }
    }
}
