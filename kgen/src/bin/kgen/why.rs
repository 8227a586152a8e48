//! `kgen why`: every candidate for an op on a device, and why it is or is not the one that runs.

use crate::{Answer, Format, tell};
use kgen::{Error, Schedule, compile, inputs, sweep};
use kgen_ir::{
    extent::Dims,
    op::{Compute, Kind, Op},
    tile::Variant,
};
use std::{collections::BTreeMap, path::PathBuf};

/// Show every target and way to compute an op, and why it is chosen or not
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_name = "OP.toml")]
    op: PathBuf,
    /// Device: cpu
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    on: String,
    /// Value of a run-time symbol, which decides among variants: n=8192; 1 unless said
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

struct Candidate {
    kind: &'static str,
    name: String,
    chosen: bool,
    why: String,
}

pub fn run(args: &Args, format: Format) -> Answer {
    if args.on != "cpu" {
        return Err(Error::Usage(format!("no device `{}`; this build has `cpu`", args.on)));
    }
    let op = compile::read(&args.op)?;
    let cases = sweep::cases(&sweep::parse_all(&args.set)?);
    let [values] = &cases[..] else {
        return Err(Error::Usage("one size of each symbol decides among variants".into()));
    };
    let dims = inputs::told(&op, values, &BTreeMap::new())?;
    let host = compile::host()?;
    let mut list = Vec::new();
    for target in compile::targets() {
        let lacks: Vec<_> =
            target.features.iter().filter(|f| !kgen_runtime::device::has(f)).copied().collect();
        let made = compile::compile(&op, target, &Schedule::default_for(target));
        let chosen = target.name == host.name && made.is_ok();
        let why = match (&made, lacks.is_empty()) {
            (Err(e), _) => e.to_string(),
            (Ok(_), false) => format!("this CPU lacks {}", lacks.join(", ")),
            (Ok(_), true) if chosen => "the first target that this CPU can run".into(),
            (Ok(_), true) => format!("runs here, but comes after {}", host.name),
        };
        list.push(Candidate { kind: "target", name: target.name.into(), chosen, why });
    }
    for (name, compute) in ways(&op) {
        let Kind::MpGemm(g) = &op.kind else { continue };
        let other =
            Op { kind: Kind::MpGemm(kgen_ir::op::MpGemm { compute, ..g.clone() }), ..op.clone() };
        let made = compile::compile(&other, host, &Schedule::default_for(host));
        let asked = g.compute == compute;
        // Of what `auto` may choose itself.
        let reason = match (g.compute, compute) {
            (Compute::Auto, Compute::Lut(_)) => compile::lookups(g, host).ok(),
            (_, _) => None,
        };
        let why = match (made, reason) {
            (Err(e), _) => e.to_string(),
            (Ok(_), _) if asked => "the op file asks for it".into(),
            (Ok(_), Some(reason)) => reason,
            (Ok(_), None) => "possible; the op file asks for another".into(),
        };
        list.push(Candidate { kind: "compute", name: name.into(), chosen: asked, why });
    }
    if let Ok(compiled) = compile::compile(&op, host, &Schedule::default_for(host)) {
        // The first that serves the sizes runs.
        let runs = compiled.program.variants.iter().position(|v| serves(v, &dims));
        for (at, v) in compiled.program.variants.iter().enumerate() {
            let when: Vec<_> = v
                .when
                .iter()
                .map(|p| format!("{} {} {}", p.left, p.cmp.symbol(), p.right))
                .collect();
            let why = if when.is_empty() {
                "otherwise".into()
            } else {
                format!("when {}", when.join(" and "))
            };
            let chosen = runs == Some(at);
            list.push(Candidate { kind: "variant", name: v.name.clone(), chosen, why });
        }
        for note in compiled.notes {
            let (name, why) = note.split_once(": ").unwrap_or(("product", &note));
            list.push(Candidate {
                kind: "product",
                name: name.into(),
                chosen: true,
                why: why.into(),
            });
        }
    }
    for c in list {
        match format {
            Format::Text => {
                let mark = if c.chosen { "*" } else { " " };
                tell(&format!("{mark} {} {}: {}", c.kind, c.name, c.why));
            }
            Format::Json => tell(
                &serde_json::json!({
                    "op": op.name, "device": args.on, "kind": c.kind, "name": c.name, "chosen": c.chosen, "why": c.why,
                })
                .to_string(),
            ),
        }
    }
    Ok(0)
}

/// Whether all predicates hold; one on what is known only at run time, such as a stride, does not.
fn serves(variant: &Variant, dims: &Dims) -> bool {
    variant.when.iter().all(|p| match (p.left.eval(dims), p.right.eval(dims)) {
        (Ok(left), Ok(right)) => p.cmp.holds(left, right),
        (Err(_), _) | (_, Err(_)) => false,
    })
}

/// The ways that a product may name.
fn ways(op: &Op) -> Vec<(&'static str, Compute)> {
    match op.kind {
        Kind::MpGemm(_) => vec![
            ("auto", Compute::Auto),
            ("dequant", Compute::Dequant),
            ("bf16", Compute::Bf16),
            ("int_dot", Compute::IntDot),
            ("group_int", Compute::GroupInt),
            ("lut", Compute::Lut(4)),
            ("bitplane", Compute::Bitplane),
        ],
        Kind::Attention(_) | Kind::Rows(_) => vec![],
    }
}
