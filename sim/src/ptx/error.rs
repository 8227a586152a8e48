//! Why a text is not run.

/// A mistake in the text, or in what a launch gives.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{line}:{column}: {message}")]
    Text { line: u32, column: u32, message: String },
    /// An instruction that PTX has and the simulator lacks.
    #[error("{line}:{column}: unsupported: {message}")]
    Unsupported { line: u32, column: u32, message: String },
    #[error("{0}")]
    Launch(String),
}

impl Error {
    pub fn text(line: u32, column: u32, message: impl Into<String>) -> Error {
        Error::Text { line, column, message: message.into() }
    }
}
