//! Lines of Rust per crate, those of tests apart, and the longest file.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

#[derive(Debug, Default)]
pub struct Count {
    /// Folder of a crate: lines of code, lines of tests.
    crates: BTreeMap<String, (usize, usize)>,
    longest: (usize, String),
}

impl Count {
    /// The longest file, in a few words.
    pub fn longest(&self) -> String {
        format!("{} has {} lines", self.longest.1, self.longest.0)
    }

    fn total(&self) -> (usize, usize) {
        self.crates.values().fold((0, 0), |(code, tests), (c, t)| (code + c, tests + t))
    }

    /// One line for all crates.
    pub fn summary(&self) -> String {
        let crates: Vec<_> =
            self.crates.iter().map(|(name, (code, _))| format!("{name} {code}")).collect();
        let (code, tests) = self.total();
        format!("{}; in all {code}, tests {tests}; {}", crates.join(", "), self.longest())
    }

    fn add(&mut self, path: &str, text: &str) {
        let lines = text.lines().count();
        let folder = path.split('/').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        let code = if path.contains("/tests/") || file == "tests.rs" || file.ends_with("_tests.rs")
        {
            0
        } else {
            code(text)
        };
        let (c, t) = self.crates.entry(folder.to_string()).or_default();
        *c += code;
        *t += lines - code;
        self.longest = std::mem::take(&mut self.longest).max((lines, path.to_string()));
    }
}

/// Lines before the test module, which stands last.
fn code(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let module = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
    };
    lines.windows(2).position(module).unwrap_or(lines.len())
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:12} {:>7} {:>7}", "crate", "code", "tests")?;
        for (name, (code, tests)) in &self.crates {
            writeln!(f, "{name:12} {code:7} {tests:7}")?;
        }
        let (code, tests) = self.total();
        writeln!(f, "{:12} {code:7} {tests:7}", "all")?;
        writeln!(f, "longest: {}", self.longest())
    }
}

/// Counts every `.rs` file below the root, hidden folders and build output left out.
pub fn count(root: &Path) -> io::Result<Count> {
    let mut count = Count::default();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name().to_string_lossy().into_owned();
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if kind.is_file() && name.ends_with(".rs") {
                let relative =
                    path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                count.add(&relative, &fs::read_to_string(&path)?);
            }
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_apart() {
        let mut count = Count::default();
        count.add("ir/src/a.rs", "fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n");
        count.add("ir/src/a/tests.rs", "fn b() {}\n");
        count.add("kgen/src/lib.rs", "#[cfg(test)]\nmod tests;\n");
        assert_eq!(count.crates["ir"], (2, 4));
        assert_eq!(count.crates["kgen"], (2, 0));
        assert_eq!(count.summary(), "ir 2, kgen 2; in all 4, tests 4; ir/src/a.rs has 5 lines");
        assert!(
            count
                .to_string()
                .ends_with("all                4       4\nlongest: ir/src/a.rs has 5 lines\n")
        );
    }

    #[test]
    fn the_workspace_is_found() {
        let count = count(&crate::root()).unwrap();
        assert!(count.crates.contains_key("xtask") && count.crates.contains_key("ir"));
    }
}
