//! A panic is a bug in kgen: said so, with a report that can be sent, and exit code 70.

use std::{backtrace::Backtrace, fmt::Write};

/// `EX_SOFTWARE` of sysexits.h.
pub const EXIT: u8 = 70;

/// Writes a report bundle (version, command line, message, backtrace) into the temporary directory.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        let mut text = format!("kgen {}\n", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(text, "args: {:?}", std::env::args_os().collect::<Vec<_>>());
        let _ = writeln!(text, "{info}\n{}", Backtrace::force_capture());
        eprintln!("error: this is a bug in kgen: {info}");
        let path = std::env::temp_dir().join(format!("kgen-report-{}.txt", std::process::id()));
        match std::fs::write(&path, text) {
            Ok(()) => eprintln!("a report is in {}", path.display()),
            Err(error) => eprintln!("the report could not be written: {error}"),
        }
    }));
}
