//! `kgen completions`: a script that completes kgen's command line.

use crate::{Answer, Cli};
use clap::CommandFactory;

/// Write a completion script for a shell
#[derive(clap::Args)]
pub struct Args {
    shell: clap_complete::Shell,
}

pub fn run(args: &Args) -> Answer {
    // Through memory: the generator panics when its reader goes away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "kgen", &mut script);
    crate::tell(String::from_utf8_lossy(&script).trim_end());
    Ok(0)
}
