//! What the dense operators promise: everything that an engine needs on the CPU, and the first tokens of a model.

use crate::must_show::{How, Point, Ran, Verdict, listed, succeeded};

#[rustfmt::skip] // commands are long
pub const POINTS: &[Point] = &[
    Point {
        name: "verify every op file, 100 cases, the unsupported ones listed",
        how: How::Run {
            command: "cargo test --release -q -p kgen-compiler --test ops -- --nocapture",
            judge: listed,
        },
    },
    Point {
        name: "decode: tokens and logits of a trained model beside numpy in f64; Q8_0 and Q4_0 by KL",
        how: How::Run {
            command: "cargo test -q -p kgen-tests --test decode numpy_says_the_same -- --nocapture",
            judge: witnessed,
        },
    },
    Point {
        name: "decode: words",
        how: How::Run {
            command: "cargo run --release -q -p kgen-compiler -- decode examples/words.gguf --prompt Copyright --tokens 48",
            judge: words,
        },
    },
];

/// A line for each form of the model.
fn witnessed(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let wanted = ["f32: ", "f16: ", "q8_0: ", "q4_0: "];
    let line = |start: &&str| ran.out.lines().find(|l| l.starts_with(*start));
    let lines: Vec<&str> = wanted.iter().filter_map(line).collect();
    match lines.len() == wanted.len() {
        true => Ok(lines.iter().map(|l| format!("\n           {l}")).collect()),
        false => Err("the witness does not speak of every form".into()),
    }
}

/// What was said, and how fast.
fn words(ran: &Ran) -> Verdict {
    succeeded(ran)?;
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    match said.contains("Permission is hereby granted") {
        true => Ok(format!("\"{said}\" ({})", ran.err.trim())),
        false => Err(format!("these are not the words of a licence: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(out: &str) -> Ran {
        Ran { code: Some(0), out: out.into(), err: "ready\n".into() }
    }

    #[test]
    fn verdicts_on_decoding() {
        let all = "running 1 test\nf32: a\nf16: b\nbf16: x\nq8_0: c\nq4_0: d\n";
        let told = witnessed(&ran(all)).unwrap();
        assert_eq!(
            told.split_whitespace().collect::<Vec<_>>().join(" "),
            "f32: a f16: b q8_0: c q4_0: d"
        );
        assert!(witnessed(&ran("f32: a\n")).is_err());
        let said = words(&ran("Copyright\n\nPermission is hereby granted")).unwrap();
        assert_eq!(said, "\"Copyright Permission is hereby granted\" (ready)");
        assert!(words(&ran("Copyright xyzzy")).is_err());
        assert!(words(&Ran { code: Some(4), ..ran("Permission is hereby granted") }).is_err());
    }
}
