//! `kgen check`: reads op files, tells all their mistakes, and which targets can do them.

use crate::{Answer, Format, say, tell};
use kgen::compile;
use kgen_ir::op::Op;
use std::path::PathBuf;

/// Read and verify op files and tell which targets can do them, without generating code
#[derive(clap::Args)]
pub struct Args {
    /// Op files
    #[arg(required = true, value_name = "OP.toml")]
    ops: Vec<PathBuf>,
}

/// Every file is read whatever the others hold; the gravest exit code wins.
pub fn run(args: &Args, format: Format) -> Answer {
    let mut code = 0;
    for path in &args.ops {
        let file = path.display().to_string();
        let this = match compile::read(path) {
            Ok(op) => right(&file, &op, format),
            Err(error) => {
                say(&error);
                match format {
                    Format::Text => tell(&format!("{file}: failed")),
                    Format::Json => {
                        tell(
                            &serde_json::json!({ "file": file, "op": "", "ok": false }).to_string(),
                        );
                    }
                }
                error.exit_code()
            }
        };
        // A mistake in a file (3) says more to its author than a missing feature (4).
        code = if code == 3 || this == 3 { 3 } else { code.max(this) };
    }
    Ok(code)
}

/// A file without mistakes: what each target says to it. Unsupported if none can do it.
fn right(file: &str, op: &Op, format: Format) -> u8 {
    let answers: Vec<_> =
        compile::targets().into_iter().map(|t| (t.name, compile::legal(op, t))).collect();
    let can: Vec<&str> = answers.iter().filter(|a| a.1.is_ok()).map(|a| a.0).collect();
    match format {
        Format::Text => {
            tell(&format!(
                "{file}: {} ok; targets: {}",
                op.name,
                if can.is_empty() { "none".into() } else { can.join(", ") }
            ));
            for (_, answer) in &answers {
                if let Err(why) = answer {
                    tell(&format!("  {why}"));
                }
            }
        }
        Format::Json => {
            let list: Vec<_> = answers
                .iter()
                .map(|(name, answer)| {
                    let why = answer.as_ref().err();
                    serde_json::json!({
                        "target": name, "ok": answer.is_ok(), "unsupported": why.map(|u| &u.what),
                        "instead": why.map(|u| &u.instead),
                    })
                })
                .collect();
            let line =
                serde_json::json!({ "file": file, "op": op.name, "ok": true, "targets": list });
            tell(&line.to_string());
        }
    }
    if can.is_empty() { 4 } else { 0 }
}
