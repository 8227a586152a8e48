//! The command `kgen`: results on stdout, talk on stderr, an exit code for each kind of answer.

mod bench;
mod check;
mod compile;
mod completions;
mod decode;
mod doctor;
mod explain;
mod opt;
mod panic;
mod progress;
mod records;
mod run;
mod sim;
mod targets;
mod tune;
mod verify;
mod why;

use clap::{Parser, Subcommand, ValueEnum};
use kgen::compile::Caching;
use std::{io::Write, process::ExitCode};

/// Turns a small op.toml into verified, fast attention and low-bit matrix kernels
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 ok, 1 the answer is no, 2 usage, 3 mistake in an input file,\n\
    4 unsupported or unavailable here, 5 too noisy to decide, 70 a bug in kgen"
)]
pub struct Cli {
    /// How results are written on stdout: lines of text, or one JSON object a line
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Never compile: what the cache does not hold is an error
    #[arg(long, global = true)]
    locked: bool,
    /// Compile anew and keep nothing
    #[arg(long, global = true, conflicts_with = "locked")]
    no_cache: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    Compile(compile::Args),
    Check(check::Args),
    Run(run::Args),
    Decode(decode::Args),
    Sim(sim::Args),
    Bench(bench::Args),
    Verify(verify::Args),
    Tune(tune::Args),
    Records(records::Args),
    Explain(explain::Args),
    Why(why::Args),
    Targets(targets::Args),
    Opt(opt::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
}

/// What a command ends with; the number is the exit code.
pub type Answer = Result<u8, kgen::Error>;

fn main() -> ExitCode {
    panic::install();
    let cli = Cli::parse();
    let caching = match (cli.locked, cli.no_cache) {
        (true, _) => Caching::Locked,
        (false, true) => Caching::Off,
        (false, false) => Caching::Kept,
    };
    let answer = std::panic::catch_unwind(|| match &cli.command {
        Command::Verify(_) | Command::Tune(_) if caching == Caching::Locked => {
            Err(kgen::Error::Unavailable(
                "verify and tune compile many variants of an op and keep none: leave --locked out"
                    .into(),
            ))
        }
        Command::Compile(args) => compile::run(args, cli.format, caching),
        Command::Check(args) => check::run(args, cli.format),
        Command::Verify(args) => verify::run(args, cli.format),
        Command::Bench(args) => bench::run(args, cli.format, caching),
        Command::Run(args) => run::run(args, cli.format, caching),
        Command::Decode(args) => decode::run(args, cli.format, caching),
        Command::Sim(args) => sim::run(args, cli.format),
        Command::Explain(args) => explain::run(args),
        Command::Tune(args) => tune::run(args, cli.format),
        Command::Records(args) => records::run(args, cli.format),
        Command::Why(args) => why::run(args, cli.format),
        Command::Doctor(args) => doctor::run(args, cli.format),
        Command::Opt(args) => opt::run(args),
        Command::Targets(args) => targets::run(args, cli.format),
        Command::Completions(args) => completions::run(args),
    });
    ExitCode::from(exit_code(answer))
}

fn exit_code(answer: std::thread::Result<Answer>) -> u8 {
    match answer {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            say(&error);
            error.exit_code()
        }
        Err(_) => panic::EXIT,
    }
}

/// Tells an error on stderr; reports carry their own heading.
pub fn say(error: &kgen::Error) {
    match error {
        kgen::Error::Report(report) => eprint!("{report}"),
        kgen::Error::Usage(_)
        | kgen::Error::File { .. }
        | kgen::Error::Unsupported(_)
        | kgen::Error::Input(_)
        | kgen::Error::Unavailable(_) => eprintln!("error: {error}"),
    }
}

/// A device that a command does not have.
pub fn no_device(name: &str, has: &str) -> kgen::Error {
    kgen::Error::Usage(format!("no device `{name}`; this build has {has}"))
}

/// One line of results. A reader that has gone away (`| head`) is no mistake.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_seventy() {
        assert_eq!(exit_code(std::panic::catch_unwind(|| panic!("a bug"))), 70);
        assert_eq!(exit_code(Ok(Err(kgen::Error::Usage("use it so".into())))), 2);
        assert_eq!(exit_code(Ok(Ok(5))), 5);
    }
}
