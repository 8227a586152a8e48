//! `kgen check`: reads op files and tells all their mistakes.

use crate::{Answer, Format, say, tell};
use std::path::PathBuf;

/// Read and verify op files, without generating code
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
        let (ok, op, this) = match kgen::compile::read(path) {
            Ok(op) => (true, op.name, 0),
            Err(error) => {
                say(&error);
                (false, String::new(), error.exit_code())
            }
        };
        // A mistake in a file (3) says more to its author than a missing feature (4).
        code = if code == 3 || this == 3 { 3 } else { code.max(this) };
        match format {
            Format::Text if ok => tell(&format!("{file}: {op} ok")),
            Format::Text => tell(&format!("{file}: failed")),
            Format::Json => {
                tell(&serde_json::json!({ "file": file, "op": op, "ok": ok }).to_string())
            }
        }
    }
    Ok(code)
}
