//! Rust functions in place of compiled code, for tests of the runtime.

use super::{Driver, DriverError, Loaded};

pub type Function = fn(*const u64, u64);

/// Entries by name; the text must be `good`.
pub struct Fake(pub &'static [(&'static str, Function)]);

struct Code(Vec<Function>);

impl Driver for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn load(&self, text: &str, entries: &[&str]) -> Result<Box<dyn Loaded>, DriverError> {
        match text {
            "good" => {}
            "elsewhere" => return Err(DriverError::Unavailable("it is for another CPU".into())),
            other => return Err(DriverError::Compile(format!("`{other}` is not code"))),
        }
        let find = |name: &&str| {
            let found = self.0.iter().find(|(n, _)| n == name).map(|(_, f)| *f);
            found.ok_or_else(|| DriverError::Entry((*name).into()))
        };
        Ok(Box::new(Code(entries.iter().map(find).collect::<Result<_, _>>()?)))
    }
}

impl Loaded for Code {
    unsafe fn call(&self, entry: usize, args: *const u64, worker: u64) {
        self.0[entry](args, worker);
    }
}
