//! What the bench of rivals found, as JSON lines, a table and a picture.
//!
//! ```text
//! {"row":"q4_0","sizes":"m=1","ms":0.31,"limit":"memory","share":0.97,"aim":0.92,"rivals":[{"name":"ggml","ms":0.4}],..}
//! ```

use serde_json::Value;
use std::{fmt::Write, path::Path};

/// What one case came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub row: String,
    pub sizes: String,
    /// Median and half width of its interval (95 %), milliseconds.
    pub ms: f64,
    pub ci95: f64,
    /// What it is held to: `memory`, `vnni`, `fma`, `bf16`, `bytes`, `int_dot`.
    pub limit: String,
    /// The limit's rate beside it: GB/s of memory, else GFLOP/s.
    pub rate: f64,
    /// The limit's milliseconds.
    pub floor: f64,
    pub aim: f64,
    pub lead: f64,
    /// Against f64: ours in bounds, and as the root of the mean square for rivals.
    pub error: f64,
    /// Other programs were busy, or the interval is wide.
    pub disturbed: bool,
    pub rivals: Vec<Other>,
    /// Ours for another target, where one was asked for.
    pub second: Option<Second>,
    /// Compiler, target, threads and CPU.
    pub by: String,
}

/// A rival's milliseconds and error, or why it has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    pub name: String,
    pub timed: Result<(f64, f64), String>,
}

/// Our kernel for another target, timed in the same rounds: no rival, and held to nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Second {
    pub target: String,
    pub ms: f64,
    /// Its time over that of the first in the same round: the median, and half of its interval (95 %).
    pub ratio: f64,
    pub ci95: f64,
    /// Against f64, in bounds.
    pub error: f64,
}

impl Line {
    /// The limit's time over ours.
    pub fn share(&self) -> f64 {
        self.floor / self.ms
    }

    /// The fastest rival, and its time over ours.
    pub fn best(&self) -> Option<(&str, f64)> {
        let timed =
            self.rivals.iter().filter_map(|r| Some((r.name.as_str(), r.timed.as_ref().ok()?.0)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(name, ms)| (name, ms / self.ms))
    }

    /// What it misses.
    pub fn misses(&self) -> Vec<String> {
        let mut list = Vec::new();
        if self.share() < self.aim {
            list.push(format!("{:.2} of {}, aim {:.2}", self.share(), self.limit, self.aim));
        }
        if let Some((name, lead)) = self.best().filter(|(_, lead)| *lead < self.lead) {
            list.push(format!("{lead:.2}x {name}, aim {:.2}x", self.lead));
        }
        if self.error > 1.0 || self.error.is_nan() {
            list.push(format!("error {:.2} bounds", self.error));
        }
        list
    }

    pub fn print(&self) -> String {
        let rivals: Vec<Value> = self
            .rivals
            .iter()
            .map(|r| match &r.timed {
                Ok((ms, error)) => serde_json::json!({"name": r.name, "ms": ms, "error": error}),
                Err(reason) => serde_json::json!({"name": r.name, "none": reason}),
            })
            .collect();
        let second = self.second.as_ref().map(|b| {
            serde_json::json!({
                "target": b.target, "ms": b.ms, "ratio": b.ratio, "ci95": b.ci95, "error": b.error,
            })
        });
        serde_json::json!({
            "row": self.row, "sizes": self.sizes, "ms": self.ms, "ci95": self.ci95, "limit": self.limit,
            "rate": self.rate, "floor": self.floor, "aim": self.aim, "lead": self.lead, "error": self.error,
            "disturbed": self.disturbed, "rivals": rivals,
            "second": second, "by": self.by,
        })
        .to_string()
    }

    pub fn parse(line: &str) -> Option<Line> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_f64();
        let rivals = value["rivals"].as_array()?.iter().map(|r| {
            let timed = match r["none"].as_str() {
                Some(reason) => Err(reason.to_owned()),
                None => Ok((r["ms"].as_f64()?, r["error"].as_f64()?)),
            };
            Some(Other { name: r["name"].as_str()?.to_owned(), timed })
        });
        let two = &value["second"];
        let second = match two["target"].as_str() {
            None => None,
            Some(target) => Some(Second {
                target: target.to_owned(),
                ms: two["ms"].as_f64()?,
                ratio: two["ratio"].as_f64()?,
                ci95: two["ci95"].as_f64()?,
                error: two["error"].as_f64()?,
            }),
        };
        Some(Line {
            row: text("row")?,
            sizes: text("sizes")?,
            ms: number("ms")?,
            ci95: number("ci95")?,
            limit: text("limit")?,
            rate: number("rate")?,
            floor: number("floor")?,
            aim: number("aim")?,
            lead: number("lead")?,
            error: number("error")?,
            disturbed: value["disturbed"].as_bool()?,
            rivals: rivals.collect::<Option<_>>()?,
            second,
            by: text("by")?,
        })
    }
}

/// The lines of a file, in order; what is no line (a run that was cut off) is left out.
pub fn read(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(Line::parse).collect()
}

/// A table of all lines, in Markdown.
pub fn markdown(lines: &[Line]) -> String {
    let mut out = String::from("# Kernels beside limits and rivals\n\n");
    let mut by: Vec<&str> = lines.iter().map(|l| l.by.as_str()).collect();
    by.dedup();
    for by in by {
        let _ = writeln!(out, "- {by}");
    }
    let _ = write!(
        out,
        "\nMedians; the limit was measured beside each case, rivals took turns with us. `~`: other programs were busy, or the interval is wide.\n\n\
         ![shares of the limit](report.svg)\n\n\
         | case | ms | +- | limit | its rate | floor, ms | share | aim | best rival | lead | aim | error, bounds | misses |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for l in lines {
        let unit = if l.limit == "memory" || l.limit == "bytes" { "GB/s" } else { "GFLOP/s" };
        let (best, lead) = match l.best() {
            Some((name, lead)) => (name, format!("{lead:.2}x")),
            None => ("", String::new()),
        };
        let aimed = |aim: f64, times: &str| {
            if aim > 0.0 { format!("{aim:.2}{times}") } else { String::new() }
        };
        let _ = writeln!(
            out,
            "| {} {}{} | {:.3} | {:.3} | {} | {:.1} {unit} | {:.3} | {:.2} | {} | {best} | {lead} | {} | {:.2} | {} |",
            l.row,
            l.sizes,
            if l.disturbed { " ~" } else { "" },
            l.ms,
            l.ci95,
            l.limit,
            l.rate,
            l.floor,
            l.share(),
            aimed(l.aim, ""),
            aimed(if best.is_empty() { 0.0 } else { l.lead }, "x"),
            l.error,
            l.misses().join("; "),
        );
    }
    if lines.iter().any(|l| l.second.is_some()) {
        let _ = write!(
            out,
            "\n## Another target\n\nIts time over that of the first in the same round: the median, and half of its interval (95 %).\n\n\
             | case | target | ms | ratio | +- | error, bounds |\n| --- | --- | --- | --- | --- | --- |\n"
        );
    }
    for (l, b) in lines.iter().filter_map(|l| Some((l, l.second.as_ref()?))) {
        let _ = writeln!(
            out,
            "| {} {} | {} | {:.3} | {:.3} | {:.3} | {:.2} |",
            l.row, l.sizes, b.target, b.ms, b.ratio, b.ci95, b.error
        );
    }
    let _ = write!(
        out,
        "\n## Rivals\n\n| case | rival | ms | over ours | error |\n| --- | --- | --- | --- | --- |\n"
    );
    for l in lines {
        for r in &l.rivals {
            let told = match &r.timed {
                Ok((ms, error)) => format!("{ms:.3} | {:.2}x | {error:.1e}", ms / l.ms),
                Err(reason) => format!("{} | |", reason.replace('|', "/")),
            };
            let _ = writeln!(out, "| {} {} | {} | {told} |", l.row, l.sizes, r.name);
        }
    }
    out
}

/// Bars of the shares with a mark at each aim, and the lead over the best rival beside.
pub fn picture(lines: &[Line]) -> String {
    const HIGH: usize = 18;
    const LEFT: usize = 300;
    const WIDE: f64 = 360.0;
    let height = HIGH * (lines.len() + 2);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"900\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for tenth in [0, 25, 50, 75, 100] {
        let x = LEFT as f64 + WIDE * f64::from(tenth) / 100.0;
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{HIGH}\" x2=\"{x}\" y2=\"{height}\" stroke=\"#ddd\"/>\
             <text x=\"{x}\" y=\"13\" text-anchor=\"middle\">{tenth} %</text>"
        );
    }
    for (i, l) in lines.iter().enumerate() {
        let y = HIGH * (i + 1);
        let share = l.share().clamp(0.0, 1.2);
        let good = l.misses().is_empty();
        let color = if good { "#3a7d44" } else { "#c77d2e" };
        let aim = LEFT as f64 + WIDE * l.aim;
        let text = y + 13;
        let lead = l.best().map_or(String::new(), |(name, lead)| {
            format!("{:.2}, {lead:.1}x {}", l.share(), escaped(name))
        });
        let lead = if lead.is_empty() { format!("{:.2}", l.share()) } else { lead };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{} {}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{color}\"/>\
             <line x1=\"{aim}\" y1=\"{y}\" x2=\"{aim}\" y2=\"{}\" stroke=\"black\"/>\
             <text x=\"{}\" y=\"{text}\">{lead}</text>",
            LEFT - 6,
            escaped(&l.row),
            escaped(&l.sizes),
            y + 3,
            share * WIDE,
            HIGH - 6,
            y + HIGH,
            LEFT as f64 + 1.2 * WIDE + 8.0,
        );
    }
    out + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            row: "q4_0".into(),
            sizes: "m=1".into(),
            ms: 0.5,
            ci95: 0.01,
            limit: "memory".into(),
            rate: 80.0,
            floor: 0.4,
            aim: 0.92,
            lead: 1.05,
            error: 0.5,
            disturbed: false,
            rivals: vec![
                Other { name: "a".into(), timed: Ok((1.0, 1e-2)) },
                Other { name: "b<".into(), timed: Ok((0.5, 1e-2)) },
                Other { name: "c".into(), timed: Err("no | such".into()) },
            ],
            second: None,
            by: "kgen on a CPU".into(),
        }
    }

    fn second() -> Second {
        let target = "x86-64-v3/native".into();
        Second { target, ms: 0.25, ratio: 0.5, ci95: 0.01, error: 0.25 }
    }

    #[test]
    fn lines_print_and_parse() {
        let line = line();
        assert_eq!(Line::parse(&line.print()), Some(line.clone()));
        let two = Line { second: Some(second()), ..line.clone() };
        assert_eq!(Line::parse(&two.print()), Some(two));
        for bad in ["", "{", "{}", "[1]", "{\"row\":\"x\",\"rivals\":[1]}"] {
            assert_eq!(Line::parse(bad), None);
        }
        let file = std::env::temp_dir().join(format!("kgen-report-{}", std::process::id()));
        std::fs::write(&file, format!("{}\n{{\"row\":", line.print())).unwrap();
        assert_eq!(read(&file), [line]);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_misses_is_told() {
        let mut l = line();
        // The fastest, but no rival.
        l.second = Some(second());
        assert_eq!(l.best(), Some(("b<", 1.0)));
        assert_eq!(l.misses(), ["0.80 of memory, aim 0.92", "1.00x b<, aim 1.05x"]);
        l.error = f64::NAN;
        assert_eq!(l.misses().len(), 3);
        (l.ms, l.error) = (0.42, 1.0);
        assert!(l.misses().is_empty());
    }

    #[test]
    fn reports_hold_every_case() {
        let text = markdown(&[line()]);
        assert!(text.contains("| q4_0 m=1 | 0.500 |") && text.contains("no / such"), "{text}");
        assert!(!text.contains("Another target"), "{text}");
        let text = markdown(&[Line { second: Some(second()), ..line() }]);
        assert!(
            text.contains("| q4_0 m=1 | x86-64-v3/native | 0.250 | 0.500 | 0.010 | 0.25 |"),
            "{text}"
        );
        let svg = picture(&[line()]);
        assert!(svg.contains("b&lt;") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
