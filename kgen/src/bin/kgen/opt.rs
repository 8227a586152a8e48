//! `kgen opt`: passes on the text of a tile program.

use crate::{Answer, tell};
use kgen::{Error, Schedule};
use kgen_ir::{
    diag::{Report, did_you_mean},
    tile::{Stage, parse, verify},
};
use kgen_passes::{Choice, tile::PIPELINE};
use std::{io::Read, path::PathBuf};

/// Run tile passes on a program's text and print the result
#[derive(clap::Args)]
pub struct Args {
    /// A .tile file; - is stdin
    #[arg(value_name = "FILE.tile")]
    file: PathBuf,
    /// Passes in order: fold, peel, place, layout, pipeline
    #[arg(long, required = true, value_delimiter = ',', value_name = "P")]
    pass: Vec<String>,
    #[arg(long, default_value = "host", value_name = "T")]
    target: String,
}

pub fn run(args: &Args) -> Answer {
    let name = args.file.display().to_string();
    let file = |source| Error::File { path: name.clone(), source };
    let mut text = String::new();
    if name == "-" {
        std::io::stdin().read_to_string(&mut text).map_err(file)?;
    } else {
        text = std::fs::read_to_string(&args.file).map_err(file)?;
    }
    let mut program =
        parse::parse(&text).map_err(|d| Error::Report(Report::new(&name, &text, vec![d])))?;
    verify::verify(&program, Stage::Built).map_err(|list| {
        let shown = verify::explain(&program, &list);
        Error::Input(format!("{name}: {} mistakes\n{}", list.len(), shown.trim_end()))
    })?;
    let target = kgen::compile::target(&args.target)?;
    let choice = Choice { target, schedule: Schedule::default_for(target) };
    for wanted in &args.pass {
        let Some(pass) = PIPELINE.iter().find(|p| p.name == wanted) else {
            let near = did_you_mean(wanted, PIPELINE.iter().map(|p| p.name));
            let hint = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return Err(Error::Usage(format!("no pass `{wanted}`{hint}")));
        };
        program = (pass.run)(program, &choice)?;
    }
    tell(program.to_string().trim_end());
    Ok(0)
}
