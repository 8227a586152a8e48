//! `kgen records`: what tuning measured, carried between machines.

use crate::{Answer, Format, tell};
use kgen::{
    Error,
    tune::records::{Record, Store},
};
use std::path::{Path, PathBuf};

/// Show, carry and join the records of `kgen tune`
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Write records as JSON, one a line
    Export {
        #[arg(value_name = "RECORDS")]
        from: PathBuf,
        /// File to write; stdout unless said
        #[arg(short, long, value_name = "FILE.jsonl")]
        output: Option<PathBuf>,
    },
    /// Take over lines that `export` wrote
    Import {
        #[arg(value_name = "RECORDS")]
        into: PathBuf,
        #[arg(value_name = "FILE.jsonl", required = true)]
        files: Vec<PathBuf>,
    },
    /// Take over other files of records; of two records of one candidate that of more rounds stays
    Merge {
        #[arg(value_name = "RECORDS")]
        into: PathBuf,
        #[arg(value_name = "OTHER", required = true)]
        files: Vec<PathBuf>,
    },
}

pub fn run(args: &Args, format: Format) -> Answer {
    match &args.what {
        What::Export { from, output } => {
            let lines = Store::existing(from)?.all()?;
            let lines = lines.iter().map(|r| r.print() + "\n").collect::<String>();
            match output {
                Some(file) => kgen_runtime::files::write(file, lines.as_bytes())
                    .map_err(|e| Error::Input(e.to_string()))?,
                None => lines.lines().for_each(tell),
            }
        }
        What::Import { into, files } => take(into, files, format, &|file| {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|source| Error::File { path: name.clone(), source })?;
            Record::parse_all(&name, &text)
        })?,
        What::Merge { into, files } => {
            take(into, files, format, &|file| Store::existing(file)?.all())?
        }
    }
    Ok(0)
}

/// Reads all before anything is written.
fn take(
    into: &Path,
    files: &[PathBuf],
    format: Format,
    read: &dyn Fn(&Path) -> Result<Vec<Record>, Error>,
) -> Result<(), Error> {
    let mut all = Vec::new();
    for file in files {
        all.extend(read(file)?);
    }
    let taken = Store::open(into)?.merge(&all)?;
    match format {
        Format::Text => tell(&format!("{taken} of {} records were new or better", all.len())),
        Format::Json => {
            tell(&serde_json::json!({ "read": all.len(), "taken": taken }).to_string());
        }
    }
    Ok(())
}
