//! Everything that can keep an answer from a user, each with its exit code.

use kgen_ir::diag::{Report, Unsupported};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A wrong option or value on the command line.
    #[error("{0}")]
    Usage(String),
    /// Mistakes in an input file, with their places.
    #[error("{0}")]
    Report(Report),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    /// What the target cannot do.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// What this machine does not have.
    #[error("{0}")]
    Unavailable(String),
    /// An input file or tensor that does not hold what the op asks for.
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// 2 usage, 3 mistake in an input file, 4 unsupported or unavailable here.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Report(_) | Error::File { .. } | Error::Input(_) => 3,
            Error::Unsupported(_) | Error::Unavailable(_) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_the_exit_code_of_the_contract() {
        let unsupported =
            Unsupported { what: "paged keys".into(), target: "t".into(), instead: "dense".into() };
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let cases = [
            (Error::Usage("bad".into()), 2),
            (Error::Report(Report::new("x.toml", "", vec![])), 3),
            (Error::File { path: "x.toml".into(), source: missing }, 3),
            (Error::Unsupported(unsupported), 4),
            (Error::Unavailable("no such CPU".into()), 4),
            (Error::Input("`q` is too short".into()), 3),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_code(), code, "{error}");
        }
    }
}
