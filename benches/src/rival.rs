//! Other people's kernels as processes that sleep until it is their turn.
//!
//! A word a line each way; `benches/rivals/worker.py` and `benches/rivals/ggml` tell which.

use kgen::bench::Beside;
use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A process that answers every line by a line.
pub struct Rival {
    pub name: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Rival {
    /// Starts it and asks its name, or tells why not.
    pub fn start(mut command: Command) -> Result<Rival, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let spawned =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|e| format!("{program}: {e}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("{program}: no pipes"));
        };
        let mut rival = Rival { name: program, child, to, from: BufReader::new(from) };
        rival.name = rival.told("name", "name")?;
        Ok(rival)
    }

    /// Sets up a case; an error is why the rival does not have it.
    pub fn prepare(&mut self, case: &str) -> Result<(), String> {
        self.told(&format!("case {case}"), "ready").map(|_| ())
    }

    /// Of its last turn: the root of the mean square against f64, relative to the result's.
    pub fn error(&mut self) -> Result<f64, String> {
        self.number("error", "error")
    }

    fn number(&mut self, word: &str, start: &str) -> Result<f64, String> {
        let told = self.told(word, start)?;
        told.parse().map_err(|_| format!("{}: `{told}` is no number", self.name))
    }

    /// What follows `start` in the answer to `word`.
    fn told(&mut self, word: &str, start: &str) -> Result<String, String> {
        let lost = |e: std::io::Error| {
            let ended = e.kind() == ErrorKind::BrokenPipe;
            if ended { "it ended".into() } else { format!("{}: {e}", self.name) }
        };
        writeln!(self.to, "{word}").map_err(lost)?;
        let mut line = String::new();
        self.from.read_line(&mut line).map_err(lost)?;
        match line.trim().strip_prefix(start) {
            Some(rest) => Ok(rest.trim().into()),
            None if line.is_empty() => Err("it ended".into()),
            None => Err(line.trim().trim_start_matches("no ").into()),
        }
    }
}

impl Beside for Rival {
    fn turn(&mut self) -> Result<f64, String> {
        self.number("turn", "seconds")
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers in turn, whatever is asked.
    fn script(answers: &str) -> Result<Rival, String> {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("for a in {answers}; do read line; echo $a | tr _ ' '; done"));
        Rival::start(command)
    }

    #[test]
    fn words_go_both_ways() {
        let mut rival =
            script("name_other_1.0 ready seconds_2.5e-3 error_1e-2 no_such_type").unwrap();
        assert_eq!(rival.name, "other 1.0");
        assert_eq!(rival.prepare("mm m=1"), Ok(()));
        assert_eq!(rival.turn(), Ok(2.5e-3));
        assert_eq!(rival.error(), Ok(1e-2));
        assert_eq!(rival.prepare("mm m=2").unwrap_err(), "such type");
        assert!(rival.turn().is_err());
    }

    #[test]
    fn a_rival_that_is_not_there_is_told() {
        let missing = Rival::start(Command::new("/nowhere/rival")).err().unwrap();
        assert!(missing.starts_with("/nowhere/rival: "), "{missing}");
        assert_eq!(script("").err().unwrap(), "it ended");
        assert_eq!(script("name_x").unwrap().turn().unwrap_err(), "it ended");
    }
}
